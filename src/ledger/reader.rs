//! From bytes to records: finds the lines, sets a torn tail aside, refuses any other damage.

use std::io::{self, BufRead, BufReader, Read};

use super::chain::ChainHead;
use super::checked_line::{CheckedLine, LineHash};
use super::error::{LedgerError, LedgerOperation};
use super::record::{self, FORMAT_VERSION, HEADER_START, LedgerHeader, LedgerRecord};
use super::storage::LedgerSource;
use crate::limits::{LEDGER_LINE_BYTES_MAX, LEDGER_READ_BYTES};

/// Longest line with its line end.
const LINE_WITH_END_BYTES_MAX: u64 = LEDGER_LINE_BYTES_MAX as u64 + 1;

/// Reads the records of a ledger in the order of the file.
pub(super) struct LedgerReader<'a> {
    source: &'a dyn LedgerSource,
    lines: LedgerLines<'a>,
    /// The size without NULs at the tail: some file systems leave those after a power failure.
    end: u64,
    size: u64,
    found: WholeLines,
}

/// What a reader has passed: the lines that are whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct WholeLines {
    pub(super) count: u64,
    pub(super) bytes: u64,
    /// Whether the last one lacks its line end.
    pub(super) newline_missing: bool,
    /// The state of the hash chain after the last one.
    pub(super) head: ChainHead,
}

pub(super) struct LedgerRecordAt<'a> {
    /// The line's number, from 1.
    pub(super) line: u64,
    /// Where the line is, to read it again.
    pub(super) place: CheckedLine,
    pub(super) record: LedgerRecord<'a>,
}

impl<'a> LedgerReader<'a> {
    /// Refuses a large file of nothing but NULs.
    pub(super) fn new(source: &'a dyn LedgerSource) -> Result<Self, LedgerError> {
        let size = source.size().map_err(|error| read_error(source, &error))?;
        let end = size_without_nuls(source, size).map_err(|error| read_error(source, &error))?;
        if end == 0 && size > LEDGER_LINE_BYTES_MAX as u64 {
            return Err(LedgerError::NotALedger { place: source.place() });
        }
        let lines = LedgerLines::new(source, 0, end, LEDGER_READ_BYTES);
        Ok(Self { source, lines, end, size, found: WholeLines::default() })
    }

    /// Returns the next record, the header first; `None` at the end of the whole lines.
    pub(super) fn next_record(&mut self) -> Result<Option<LedgerRecordAt<'_>>, LedgerError> {
        let Some(line) = self.lines.next_line().map_err(|error| read_error(self.source, &error))? else {
            return Ok(None);
        };
        let LedgerLine { number, offset, end, ended, .. } = line;
        let place = CheckedLine { offset, hash: LineHash::of(line.bytes) };
        let Some((record, head)) = record_of(line, self.found.head, self.source, self.end)? else { return Ok(None) };
        self.found = WholeLines { count: number, bytes: end, newline_missing: !ended, head };
        Ok(Some(LedgerRecordAt { line: number, place, record }))
    }

    pub(super) fn whole_lines(&self) -> WholeLines {
        self.found
    }

    /// Bytes of half a line or of NULs behind the whole lines, once these have been read.
    pub(super) fn torn_bytes(&self) -> u64 {
        self.size - self.found.bytes
    }
}

/// Reads all lines, checks their chain, and returns what they come to.
pub(super) fn read_whole_lines(source: &dyn LedgerSource) -> Result<WholeLines, LedgerError> {
    let mut reader = LedgerReader::new(source)?;
    while reader.next_record()?.is_some() {}
    Ok(reader.whole_lines())
}

pub(super) fn read_header(source: &dyn LedgerSource) -> Result<LedgerHeader, LedgerError> {
    match LedgerReader::new(source)?.next_record()? {
        Some(LedgerRecordAt { record: LedgerRecord::Header(header), .. }) => Ok(header),
        _ => Err(LedgerError::NotALedger { place: source.place() }),
    }
}

/// What a line says that follows `head`, and the head after it; `None` for a torn line, which can only be the last.
fn record_of<'a>(
    line: LedgerLine<'a>,
    head: ChainHead,
    source: &dyn LedgerSource,
    end: u64,
) -> Result<Option<(LedgerRecord<'a>, ChainHead)>, LedgerError> {
    let is_header = line.number == 1;
    if is_header && let Some(found) = record::format_of_header(line.bytes).filter(|found| *found != FORMAT_VERSION) {
        return Err(LedgerError::Version { place: source.place(), found });
    }
    let starts_as_header = line.bytes.starts_with(HEADER_START.as_bytes());
    let is_torn = if is_header { line.is_torn_header() } else { line.is_torn(end) };
    let LedgerLine { number, offset, bytes, .. } = line;
    let length = bytes.len();
    let decoded = head.open(bytes).and_then(|(record, head)| Ok((record::decode(record)?, head)));
    let reason = match decoded {
        Ok((record @ LedgerRecord::Header(_), head)) if is_header => return Ok(Some((record, head))),
        Ok((LedgerRecord::Header(_), _)) => "a second header".to_owned(),
        Ok(found) if !is_header => return Ok(Some(found)),
        Err(_) if is_torn => return Ok(None),
        _ if is_header && !starts_as_header => return Err(LedgerError::NotALedger { place: source.place() }),
        Err(_) if length > LEDGER_LINE_BYTES_MAX => format!("longer than {LEDGER_LINE_BYTES_MAX} bytes"),
        Err(reason) => reason.to_string(),
        Ok(_) => return Err(LedgerError::NotALedger { place: source.place() }),
    };
    Err(damaged(source, number, offset, &reason))
}

pub(super) fn damaged(source: &dyn LedgerSource, line: u64, offset: u64, reason: &str) -> LedgerError {
    LedgerError::Damaged { place: source.place(), offset, line, reason: reason.to_owned() }
}

pub(super) fn read_error(source: &dyn LedgerSource, error: &io::Error) -> LedgerError {
    LedgerError::io(LedgerOperation::Read, source.place(), error)
}

fn size_without_nuls(source: &dyn LedgerSource, size: u64) -> io::Result<u64> {
    let mut end = size;
    let mut block = vec![0; LEDGER_LINE_BYTES_MAX.min(usize::try_from(size).unwrap_or(usize::MAX))];
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let block = &mut block[..usize::try_from(end - start).unwrap_or(usize::MAX)];
        SourceStream { source, at: start, end }.read_exact(block)?;
        if let Some(last) = block.iter().rposition(|byte| *byte != 0) {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

pub(super) struct LedgerLine<'a> {
    /// From 1.
    number: u64,
    /// Where it starts.
    offset: u64,
    /// Where the next one starts.
    end: u64,
    /// Without its line end; of a line that is too long only the beginning.
    pub(super) bytes: &'a mut [u8],
    /// Whether it has a line end.
    ended: bool,
}

impl LedgerLine<'_> {
    /// Whether a crash explains why this line cannot be read: it is the last one, and cut off or partly NUL.
    fn is_torn(&self, end: u64) -> bool {
        let is_last = self.end == end;
        is_last && self.bytes.len() <= LEDGER_LINE_BYTES_MAX && (!self.ended || self.bytes.contains(&0))
    }

    /// Whether this is the beginning of a header, and of no other file.
    fn is_torn_header(&self) -> bool {
        let start = HEADER_START.as_bytes();
        !self.ended && (start.starts_with(&*self.bytes) || self.bytes.starts_with(start))
    }
}

/// The lines of a source, one at a time.
pub(super) struct LedgerLines<'a> {
    input: BufReader<SourceStream<'a>>,
    line: Vec<u8>,
    number: u64,
    offset: u64,
}

impl<'a> LedgerLines<'a> {
    pub(super) fn new(source: &'a dyn LedgerSource, start: u64, end: u64, buffer_bytes: usize) -> Self {
        let input = BufReader::with_capacity(buffer_bytes, SourceStream { source, at: start, end });
        Self { input, line: Vec::new(), number: 0, offset: start }
    }

    pub(super) fn next_line(&mut self) -> io::Result<Option<LedgerLine<'_>>> {
        self.line.clear();
        let bytes = (&mut self.input).take(LINE_WITH_END_BYTES_MAX).read_until(b'\n', &mut self.line)? as u64;
        if bytes == 0 {
            return Ok(None);
        }
        let offset = self.offset;
        self.offset += bytes;
        self.number += 1;
        let ended = self.line.ends_with(b"\n");
        let length = self.line.len() - usize::from(ended);
        let bytes = &mut self.line[..length];
        Ok(Some(LedgerLine { number: self.number, offset, end: self.offset, bytes, ended }))
    }
}

/// A part of a source as a stream.
struct SourceStream<'a> {
    source: &'a dyn LedgerSource,
    at: u64,
    end: u64,
}

impl Read for SourceStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let count = self.source.read_at(self.at, &mut buffer[..wanted])?;
        self.at += count as u64;
        Ok(count)
    }
}
