//! From the bytes of a file to text: compression detected from magic bytes, bounded expansion, byte order marks.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::GzDecoder;

use super::read_fault::{is_change, is_of_storage};
use crate::limits::{DECOMPRESSION_FREE_BYTES, DECOMPRESSION_RATIO_MAX, READ_BUFFER_BYTES, ZSTD_WINDOW_LOG_MAX};

pub(super) type Bytes = Box<dyn Read + Send>;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why bytes cannot be decoded.
#[derive(Debug)]
pub(super) enum DecodeError {
    Io(io::Error),
    /// Or UTF-32.
    Utf16,
    /// The file is of a known kind that is not supported.
    Unsupported(&'static str),
}

impl From<io::Error> for DecodeError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// How much a compressed input may expand.
#[derive(Debug, Clone, Copy)]
struct ExpansionBounds {
    free_bytes: u64,
    ratio_max: u64,
}

/// Decompresses gzip and zstd, and removes byte order marks.
pub(super) fn decode(raw: Bytes) -> Result<Bytes, DecodeError> {
    decode_within(raw, ExpansionBounds { free_bytes: DECOMPRESSION_FREE_BYTES, ratio_max: DECOMPRESSION_RATIO_MAX })
}

fn decode_within(raw: Bytes, bounds: ExpansionBounds) -> Result<Bytes, DecodeError> {
    let (magic, raw) = peek(raw, 8)?;
    let bytes_in = Arc::new(AtomicU64::new(0));
    let counted = CountedReader { inner: raw, bytes_in: Arc::clone(&bytes_in) };
    let (format, inner): (&'static str, Bytes) = match magic.as_slice() {
        [0x1f, 0x8b, ..] => ("gzip", Box::new(GzipReader::new(counted))),
        // The second is a skippable frame, with which files of parallel compressors start.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            let mut decoder = zstd::stream::read::Decoder::new(counted)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            ("zstd", Box::new(decoder))
        }
        [b'P', b'K', 3, 4, ..] => return Err(DecodeError::Unsupported("a zip archive or an Excel workbook")),
        [0xd0, 0xcf, 0x11, 0xe0, ..] => return Err(DecodeError::Unsupported("an old Excel workbook")),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => return Err(DecodeError::Unsupported("compressed with xz")),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26] => {
            return Err(DecodeError::Unsupported("compressed with bzip2"));
        }
        _ => return remove_byte_order_marks(counted.inner),
    };
    remove_byte_order_marks(Box::new(BoundedDecompressor { inner, format, bytes_in, bytes_out: 0, bounds }))
}

/// Removes UTF-8 byte order marks; concatenated exports have been seen with more than one.
fn remove_byte_order_marks(text: Bytes) -> Result<Bytes, DecodeError> {
    let (start, text) = peek(text, 3 * BYTE_ORDER_MARK.len())?;
    if is_utf16(&start) {
        return Err(DecodeError::Utf16);
    }
    let mut marks = 0;
    while start[marks..].starts_with(BYTE_ORDER_MARK) {
        marks += BYTE_ORDER_MARK.len();
    }
    let (_, text) = take_exactly(text, marks)?;
    Ok(text)
}

/// Detects UTF-16 from its byte order mark, or from the NUL beside each of the first two characters, which are ASCII in
/// every header.
fn is_utf16(start: &[u8]) -> bool {
    match start {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => true,
        [first, 0, second, 0, ..] | [0, first, 0, second, ..] => *first != 0 && *second != 0,
        _ => false,
    }
}

/// Returns the first bytes, and a reader that still has them.
fn peek(reader: Bytes, count: usize) -> io::Result<(Vec<u8>, Bytes)> {
    let (start, rest) = take_exactly(reader, count)?;
    let whole = io::Cursor::new(start.clone()).chain(rest);
    Ok((start, Box::new(whole)))
}

/// Returns the first bytes, fewer only at the end, and a reader without them.
fn take_exactly(mut reader: Bytes, count: usize) -> io::Result<(Vec<u8>, Bytes)> {
    let mut start = Vec::with_capacity(count);
    reader.by_ref().take(count as u64).read_to_end(&mut start)?;
    Ok((start, reader))
}

struct CountedReader {
    inner: Bytes,
    bytes_in: Arc<AtomicU64>,
}

impl Read for CountedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes_in.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// A decompressor with bounded expansion, whose errors say what to do.
struct BoundedDecompressor {
    inner: Bytes,
    format: &'static str,
    bytes_in: Arc<AtomicU64>,
    bytes_out: u64,
    bounds: ExpansionBounds,
}

impl Read for BoundedDecompressor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer).map_err(|fault| explain(self.format, fault))?;
        self.bytes_out += count as u64;
        let allowed = self.bytes_in.load(Ordering::Relaxed).saturating_mul(self.bounds.ratio_max);
        if self.bytes_out > allowed.max(self.bounds.free_bytes) {
            let message = format!(
                "the {} data expands more than {} times, unlike any list of users; if it is one, decompress it first",
                self.format, self.bounds.ratio_max
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(count)
    }
}

/// Adds what to do to an error of the decompressor; errors of the disk or of S3 stay as they are.
fn explain(format: &str, fault: io::Error) -> io::Error {
    if is_of_storage(&fault) || is_change(&fault) || fault.kind() == io::ErrorKind::Interrupted {
        return fault;
    }
    let message = if fault.kind() == io::ErrorKind::UnexpectedEof {
        format!("the {format} data ends in the middle; the file was cut off, copy it again")
    } else {
        format!("the {format} data is damaged ({fault}); copy or compress the file again")
    };
    io::Error::new(fault.kind(), message)
}

/// Decompresses gzip of any number of members, with or without the zeros that tapes and block devices pad files with.
/// `flate2::MultiGzDecoder` ends at padding with an error.
struct GzipReader {
    /// `None` at the end.
    member: Option<GzDecoder<BufReader<CountedReader>>>,
}

impl GzipReader {
    fn new(compressed: CountedReader) -> Self {
        Self { member: Some(GzDecoder::new(BufReader::with_capacity(READ_BUFFER_BYTES, compressed))) }
    }
}

impl Read for GzipReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while let Some(member) = &mut self.member {
            let count = member.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            let has_next = has_next_member(member.get_mut());
            let ended = self.member.take();
            if has_next? {
                self.member = ended.map(|member| GzDecoder::new(member.into_inner()));
            }
        }
        Ok(0)
    }
}

const GZIP_FIRST_BYTE: u8 = 0x1f;

/// Returns whether another member follows; anything but that or zeros to the end is damage.
fn has_next_member(compressed: &mut impl BufRead) -> io::Result<bool> {
    let mut is_padded = false;
    loop {
        let rest = match compressed.fill_buf() {
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => continue,
            rest => rest?,
        };
        match rest.iter().find(|byte| **byte != 0) {
            None if rest.is_empty() => return Ok(false),
            None => is_padded = true,
            Some(_) if rest[0] == GZIP_FIRST_BYTE && !is_padded => return Ok(true),
            Some(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "other data follows it")),
        }
        let zeros = rest.len();
        compressed.consume(zeros);
    }
}

#[cfg(test)]
mod tests;
