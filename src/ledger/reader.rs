//! From bytes to records: finds the lines, sets a torn tail aside, refuses any other damage.

use std::io::{self, Read};
use std::ops::{ControlFlow, Range};

use super::error::LedgerError;
use super::record::{self, Header, Record, Undecodable};
use super::storage::Source;
use crate::limits::{LEDGER_LINE_BYTES_MAX, LEDGER_READ_BYTES};

/// Longest line with its line end, `\r\n` at the most.
const LINE_WITH_END_BYTES_MAX: usize = LEDGER_LINE_BYTES_MAX + 2;

/// What a reading found besides the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scan {
    /// What the ledger belongs to; `None` where there is not even a whole header.
    pub(super) header: Option<Header>,
    /// Lines that were read, the header included.
    pub(super) lines: u64,
    /// Where the whole lines end, in bytes.
    pub(super) whole_bytes: u64,
    /// What comes after them: half a line, or NUL bytes.
    pub(super) torn_bytes: u64,
    /// Whether the last whole line lacks its line end.
    pub(super) newline_missing: bool,
}

/// Where a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    /// Its number, from 1.
    pub(super) line: u64,
    /// Where it starts, in bytes.
    pub(super) offset: u64,
}

/// Reads everything; `visit` is told each line's place and record, the header's first.
///
/// # Errors
/// Those of `visit`, and [`LedgerError`] for what is no whole ledger of this format.
pub(super) fn scan(
    source: &dyn Source,
    mut visit: impl FnMut(Spot, Record<'_>) -> Result<ControlFlow<()>, LedgerError>,
) -> Result<Scan, LedgerError> {
    let io_error = |error: io::Error| LedgerError::io("read", source.place(), &error);
    let size = source.size().map_err(io_error)?;
    let end = end_without_nuls(source, size).map_err(io_error)?;
    let mut found = Scan { header: None, lines: 0, whole_bytes: 0, torn_bytes: size, newline_missing: false };
    if end == 0 && size > LEDGER_LINE_BYTES_MAX as u64 {
        return Err(LedgerError::NotALedger { place: source.place() });
    }
    let mut lines = Lines::new(source, end);
    loop {
        lines.refill().map_err(io_error)?;
        if let Some((record, bytes)) = record::as_written(lines.window()).filter(|_| lines.number > 0) {
            let flow = visit(Spot { line: lines.number + 1, offset: lines.offset }, record)?;
            lines.pass(bytes);
            (found.lines, found.whole_bytes, found.newline_missing) = (lines.number, lines.offset, false);
            if flow.is_break() {
                break;
            }
            continue;
        }
        let Some(line) = lines.next_line().map_err(io_error)? else { break };
        let Some(record) = record_of(&line, source, end)? else { break };
        if let Record::Header(header) = &record {
            found.header = Some(header.clone());
        }
        found.lines = line.number;
        found.whole_bytes = line.end;
        found.newline_missing = !line.ended;
        if visit(Spot { line: line.number, offset: line.offset }, record)?.is_break() {
            break;
        }
    }
    found.torn_bytes = size - found.whole_bytes;
    Ok(found)
}

/// What a line says; `None` for a torn one, which can only be the last.
fn record_of<'a>(line: &Line<'a>, source: &dyn Source, end: u64) -> Result<Option<Record<'a>>, LedgerError> {
    let decoded = record::decode(line.bytes);
    if line.number == 1 {
        return match decoded {
            Ok(record @ Record::Header(_)) => Ok(Some(record)),
            Err(Undecodable::Version(found)) => Err(LedgerError::Version { place: source.place(), found }),
            _ if line.is_torn_header() => Ok(None),
            Err(reason) if line.bytes.starts_with(record::HEADER_START.as_bytes()) => {
                Err(line.damaged(source, &reason.to_string()))
            }
            _ => Err(LedgerError::NotALedger { place: source.place() }),
        };
    }
    match decoded {
        Ok(Record::Header(_)) => Err(line.damaged(source, "a second header")),
        Ok(record) => Ok(Some(record)),
        Err(_) if line.is_torn(end) => Ok(None),
        Err(_) if line.bytes.len() > LEDGER_LINE_BYTES_MAX => {
            Err(line.damaged(source, &format!("longer than {LEDGER_LINE_BYTES_MAX} bytes")))
        }
        Err(reason) => Err(line.damaged(source, &reason.to_string())),
    }
}

/// The error for a line that was read before, whose place in bytes is no longer known.
pub(super) fn damaged_line(source: &dyn Source, number: u64, reason: &str) -> LedgerError {
    let end = source.size().unwrap_or(0);
    let mut lines = Lines::new(source, end);
    loop {
        match lines.next_line() {
            Ok(Some(line)) if line.number < number => {}
            Ok(Some(line)) => return line.damaged(source, reason),
            Ok(None) => {
                return LedgerError::Damaged {
                    place: source.place(),
                    offset: end,
                    line: number,
                    reason: reason.into(),
                };
            }
            Err(error) => return LedgerError::io("read", source.place(), &error),
        }
    }
}

/// The number of the line that starts at this byte, for an error text; 0 where that cannot be told.
pub(super) fn line_at(source: &dyn Source, offset: u64) -> u64 {
    let mut lines = Lines::new(source, source.size().unwrap_or(0));
    while let Ok(Some(line)) = lines.next_line() {
        if line.offset >= offset {
            return line.number;
        }
    }
    0
}

/// Where the bytes end when NULs at the tail are left out: some file systems leave those after a power failure.
fn end_without_nuls(source: &dyn Source, size: u64) -> io::Result<u64> {
    let mut end = size;
    let mut block = vec![0; LEDGER_LINE_BYTES_MAX.min(usize::try_from(size).unwrap_or(usize::MAX))];
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let mut tail = SourceReader { source, at: start, end };
        let filled = usize::try_from(end - start).unwrap_or(usize::MAX);
        tail.read_exact(&mut block[..filled])?;
        if let Some(last) = block[..filled].iter().rposition(|byte| *byte != 0) {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

struct Line<'a> {
    number: u64,
    /// Where it starts.
    offset: u64,
    /// Where the next one starts.
    end: u64,
    /// Without its line end.
    bytes: &'a [u8],
    /// Whether it has a line end.
    ended: bool,
}

impl Line<'_> {
    /// Whether a crash explains why this line cannot be read: it is the last one, and cut off or partly NUL.
    fn is_torn(&self, end: u64) -> bool {
        let last = self.end == end;
        last && self.bytes.len() <= LEDGER_LINE_BYTES_MAX && (!self.ended || self.bytes.contains(&0))
    }

    /// Whether this is the beginning of a header, and nothing of anybody else's.
    fn is_torn_header(&self) -> bool {
        let start = record::HEADER_START.as_bytes();
        !self.ended && (start.starts_with(self.bytes) || self.bytes.starts_with(start))
    }

    fn damaged(&self, source: &dyn Source, reason: &str) -> LedgerError {
        LedgerError::Damaged {
            place: source.place(),
            offset: self.offset,
            line: self.number,
            reason: reason.to_owned(),
        }
    }
}

struct Lines<'a> {
    source: SourceReader<'a>,
    buffer: Vec<u8>,
    /// What of the buffer was read and not yet passed.
    window: Range<usize>,
    number: u64,
    offset: u64,
}

impl<'a> Lines<'a> {
    fn new(source: &'a dyn Source, end: u64) -> Self {
        let buffer_bytes = usize::try_from(end).unwrap_or(usize::MAX).min(LEDGER_READ_BYTES);
        let source = SourceReader { source, at: 0, end };
        Self { source, buffer: vec![0; buffer_bytes], window: 0..0, number: 0, offset: 0 }
    }

    /// The next line; of one that is too long only the beginning.
    fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        self.refill()?;
        let (number, offset) = (self.number + 1, self.offset);
        let length = first_line(self.window()).len();
        if length == 0 {
            return Ok(None);
        }
        self.pass(length);
        let line = &self.buffer[self.window.start - length..self.window.start];
        let ended = line.ends_with(b"\n");
        let bytes = line.strip_suffix(b"\r\n").or(line.strip_suffix(b"\n")).unwrap_or(line);
        Ok(Some(Line { number, offset, end: self.offset, bytes, ended }))
    }

    /// What was read and not yet passed: a whole line at the least, if there is one.
    fn window(&self) -> &[u8] {
        &self.buffer[self.window.clone()]
    }

    fn pass(&mut self, bytes: usize) {
        self.window.start += bytes;
        self.offset += bytes as u64;
        self.number += 1;
    }

    fn refill(&mut self) -> io::Result<()> {
        let may_hold_less_than_a_line = self.window.len() < LINE_WITH_END_BYTES_MAX;
        if may_hold_less_than_a_line && self.source.at < self.source.end { self.fill() } else { Ok(()) }
    }

    /// Moves what is left to the front and reads until the buffer is full or the source ends.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.window.clone(), 0);
        self.window = 0..self.window.len();
        while self.window.end < self.buffer.len() {
            match self.source.read(&mut self.buffer[self.window.end..])? {
                0 => break,
                count => self.window.end += count,
            }
        }
        Ok(())
    }
}

/// The bytes up to and with the first line end, or as many as a line may have.
fn first_line(window: &[u8]) -> &[u8] {
    let window = &window[..window.len().min(LINE_WITH_END_BYTES_MAX)];
    let length = window.iter().position(|byte| *byte == b'\n').map_or(window.len(), |at| at + 1);
    &window[..length]
}

/// A stretch of a source as a stream.
struct SourceReader<'a> {
    source: &'a dyn Source,
    at: u64,
    end: u64,
}

impl Read for SourceReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let count = self.source.read_at(self.at, &mut buffer[..wanted])?;
        self.at += count as u64;
        Ok(count)
    }
}
