//! From bytes as they lie on disk to text: packing told by magic bytes, bounded expansion, byte order marks.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::gzip::Members;
use crate::limits::{DECOMPRESSION_FREE_BYTES, DECOMPRESSION_RATIO_MAX, ZSTD_WINDOW_LOG_MAX};

/// Bytes in some order, decoded as far as this.
pub(super) type Bytes = Box<dyn Read + Send>;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why bytes cannot be decoded.
#[derive(Debug)]
pub(super) enum DecodeError {
    /// Reading failed.
    Io(io::Error),
    /// The text is UTF-16 (or UTF-32).
    Utf16,
    /// The file is of a known kind that is not read.
    Unsupported(&'static str),
}

impl From<io::Error> for DecodeError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// How much a packed input may expand.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    free_bytes: u64,
    ratio_max: u64,
}

/// Unpacks gzip and zstd, and takes byte order marks off.
pub(super) fn decode(raw: Bytes) -> Result<Bytes, DecodeError> {
    decode_within(raw, Bounds { free_bytes: DECOMPRESSION_FREE_BYTES, ratio_max: DECOMPRESSION_RATIO_MAX })
}

fn decode_within(raw: Bytes, bounds: Bounds) -> Result<Bytes, DecodeError> {
    let (magic, raw) = peek(raw, 8)?;
    let taken = Arc::new(AtomicU64::new(0));
    let counted = Counted { inner: raw, taken: Arc::clone(&taken) };
    let unpacked = match packing(&magic)? {
        Packing::Plain => return without_mark(counted.inner),
        Packing::Gzip => guarded("gzip", Members::new(counted), taken, bounds),
        Packing::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(counted)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            guarded("zstd", decoder, taken, bounds)
        }
    };
    without_mark(unpacked)
}

enum Packing {
    Plain,
    Gzip,
    Zstd,
}

fn packing(magic: &[u8]) -> Result<Packing, DecodeError> {
    match magic {
        [0x1f, 0x8b, ..] => Ok(Packing::Gzip),
        // The second is a skippable frame, with which files of parallel packers start.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Packing::Zstd),
        [b'P', b'K', 3, 4, ..] => Err(DecodeError::Unsupported("a zip archive or an Excel workbook")),
        [0xd0, 0xcf, 0x11, 0xe0, ..] => Err(DecodeError::Unsupported("an old Excel workbook")),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Err(DecodeError::Unsupported("packed with xz")),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26] => Err(DecodeError::Unsupported("packed with bzip2")),
        _ => Ok(Packing::Plain),
    }
}

/// Takes UTF-8 byte order marks off; concatenated exports have been seen with more than one.
fn without_mark(text: Bytes) -> Result<Bytes, DecodeError> {
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

/// By byte order mark, or by the NUL beside each of the first two characters, which are ASCII in every header.
fn is_utf16(start: &[u8]) -> bool {
    match start {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => true,
        [first, 0, second, 0, ..] | [0, first, 0, second, ..] => *first != 0 && *second != 0,
        _ => false,
    }
}

/// The first bytes, and a reader that still has them.
fn peek(reader: Bytes, count: usize) -> io::Result<(Vec<u8>, Bytes)> {
    let (start, rest) = take_exactly(reader, count)?;
    let whole = io::Cursor::new(start.clone()).chain(rest);
    Ok((start, Box::new(whole)))
}

/// The first bytes, fewer only at the end, and a reader without them.
fn take_exactly(mut reader: Bytes, count: usize) -> io::Result<(Vec<u8>, Bytes)> {
    let mut start = Vec::with_capacity(count);
    reader.by_ref().take(count as u64).read_to_end(&mut start)?;
    Ok((start, reader))
}

struct Counted<R> {
    inner: R,
    taken: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.taken.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// A decompressor that may not expand without bound, and whose faults are told in full sentences.
struct Guarded<R> {
    inner: R,
    packing: &'static str,
    taken: Arc<AtomicU64>,
    given: u64,
    bounds: Bounds,
}

fn guarded<R: Read + Send + 'static>(packing: &'static str, inner: R, taken: Arc<AtomicU64>, bounds: Bounds) -> Bytes {
    Box::new(Guarded { inner, packing, taken, given: 0, bounds })
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer).map_err(|fault| explain(self.packing, fault))?;
        self.given += count as u64;
        let allowed = self.taken.load(Ordering::Relaxed).saturating_mul(self.bounds.ratio_max);
        if self.given > allowed.max(self.bounds.free_bytes) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "the {} data expands more than {} times, which no list of users does; unpack it yourself if it is one",
                    self.packing, self.bounds.ratio_max
                ),
            ));
        }
        Ok(count)
    }
}

/// Faults of the disk stay as they are; those of the decompressor say what to do.
fn explain(packing: &str, fault: io::Error) -> io::Error {
    if fault.raw_os_error().is_some() || fault.kind() == io::ErrorKind::Interrupted {
        return fault;
    }
    let told = if fault.kind() == io::ErrorKind::UnexpectedEof {
        format!("the {packing} data ends in the middle; the file was cut short, copy it again")
    } else {
        format!("the {packing} data is damaged ({fault}); copy or pack the file again")
    };
    io::Error::new(fault.kind(), told)
}

#[cfg(test)]
mod tests;
