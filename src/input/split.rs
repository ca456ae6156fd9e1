//! Splitting one CSV record into fields. Pure: bytes in, places out.
//!
//! The dialect is that of RFC 4180 and of the `csv` crate: a field is quoted when its first byte is a quote, quotes
//! inside are doubled, LF, CR LF and CR each end a record. It is stricter in one place: text after a closing quote is
//! a fault and not glued on, because a guess there would change an identity, and because it tells a quote that was
//! never closed from the next field's opening one.

use super::feed::line_end_bytes;
use super::words;
use crate::limits::RECORD_BYTES_MAX;

/// Where a field stands in its record, quotes included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) start: usize,
    pub(super) end: usize,
    /// The field is quoted.
    pub(super) quoted: bool,
    /// It is quoted and has doubled quotes inside.
    pub(super) doubled: bool,
}

/// What the bytes start with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Split {
    /// A record of `length` bytes; `taken` with its line end, which is the last of `lines`.
    Whole { length: usize, taken: usize, lines: u64 },
    /// A record that cannot be split: only the lines up to the end of the one with the fault are given up.
    Broken { fault: QuoteFault, field: usize, lines_before: u64, length: usize, taken: usize, lines: u64 },
    /// A record longer than [`RECORD_BYTES_MAX`].
    TooLong,
}

/// What is wrong with a quoted field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QuoteFault {
    /// No closing quote before the end, or before the next field's opening quote.
    Unclosed,
    /// Text between the closing quote and the end of the field.
    TextAfter,
}

/// Splits the record at the start of `bytes`, which are more than [`RECORD_BYTES_MAX`] or all there is.
pub(super) fn split(bytes: &[u8], delimiter: u8, fields: &mut Vec<Field>) -> Split {
    fields.clear();
    let window = &bytes[..bytes.len().min(RECORD_BYTES_MAX + 1)];
    let (mut at, mut lines) = (0, 0);
    loop {
        let field = if window.get(at) == Some(&b'"') {
            match quoted(window, at, delimiter) {
                Quoted::Closed { field, lines: inside } => {
                    lines += inside;
                    field
                }
                Quoted::Faulty(fault) => return broken(bytes, fields.len(), at, lines, fault),
                Quoted::Endless { lines: 0 } if window.len() > RECORD_BYTES_MAX => return Split::TooLong,
                Quoted::Endless { .. } => return broken(bytes, fields.len(), at, lines, QuoteFault::Unclosed),
            }
        } else {
            unquoted(window, at, delimiter)
        };
        fields.push(field);
        at = field.end;
        match window.get(at) {
            Some(byte) if *byte == delimiter => at += 1,
            Some(_) => {
                return Split::Whole { length: at, taken: at + line_end_bytes(&bytes[at..]), lines: lines + 1 };
            }
            None if window.len() > RECORD_BYTES_MAX => return Split::TooLong,
            None => return Split::Whole { length: at, taken: at, lines },
        }
    }
}

/// Where the bytes between the quotes stand, or of the whole field where it is not quoted; doubled quotes still are.
pub(super) fn inner_range(field: &Field) -> std::ops::Range<usize> {
    let quotes = usize::from(field.quoted);
    field.start + quotes..field.end - quotes
}

fn unquoted(window: &[u8], start: usize, delimiter: u8) -> Field {
    Field {
        start,
        end: start + words::bytes_before(&window[start..], [delimiter, b'\n', b'\r']),
        quoted: false,
        doubled: false,
    }
}

enum Quoted {
    Closed { field: Field, lines: u64 },
    Faulty(QuoteFault),
    Endless { lines: u64 },
}

fn quoted(window: &[u8], start: usize, delimiter: u8) -> Quoted {
    let (mut at, mut lines, mut doubled) = (start + 1, 0, false);
    while let Some(byte) = window.get(at) {
        match (*byte, window.get(at + 1)) {
            (b'"', Some(b'"')) => {
                doubled = true;
                at += 1;
            }
            (b'"', None | Some(b'\n' | b'\r')) => return closed(start, at, doubled, lines),
            (b'"', Some(next)) if *next == delimiter => return closed(start, at, doubled, lines),
            (b'"', _) if lines == 0 => return Quoted::Faulty(QuoteFault::TextAfter),
            (b'"', _) => return Quoted::Faulty(QuoteFault::Unclosed),
            // A CR LF is counted at its LF.
            (b'\n', _) => lines += 1,
            (b'\r', next) if next != Some(&b'\n') => lines += 1,
            _ => {}
        }
        at += 1;
    }
    Quoted::Endless { lines }
}

fn closed(start: usize, closing: usize, doubled: bool, lines: u64) -> Quoted {
    Quoted::Closed { field: Field { start, end: closing + 1, quoted: true, doubled }, lines }
}

/// Gives up everything to the end of the line on which the quote at `opened` stands, and nothing after it.
fn broken(bytes: &[u8], field: usize, opened: usize, lines_before: u64, fault: QuoteFault) -> Split {
    let window = &bytes[..bytes.len().min(RECORD_BYTES_MAX + 1)];
    let line_end = window[opened..].iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    match line_end {
        Some(distance) => {
            let length = opened + distance;
            let taken = length + line_end_bytes(&bytes[length..]);
            Split::Broken { fault, field, lines_before, length, taken, lines: lines_before + 1 }
        }
        None if window.len() > RECORD_BYTES_MAX => Split::TooLong,
        None => {
            let length = window.len();
            Split::Broken { fault, field, lines_before, length, taken: length, lines: lines_before }
        }
    }
}

#[cfg(test)]
mod tests;
