//! Splitting one CSV record into fields: `csv-core` parses, and this room bounds it and refuses what it would guess.
//! Nearly every record has no quotes; such a one is cut where its delimiters stand, without parser and copy.
//!
//! `csv-core` is the engine of the `csv` crate, which cannot be told to stop in the middle of a record that never ends.
//! It never fails either: text after a closing quote is glued on. That is a fault here, because a guess there would
//! change an identity, and because it tells a quote that was never closed from the next field's opening one.

use std::ops::Range;

use csv_core::ReadRecordResult;

use super::feed::line_end_bytes;
use super::words::{self, BLOCK_BYTES};
use crate::limits::RECORD_BYTES_MAX;

/// The longest record and one byte more: enough to see that a record is too long.
const WINDOW_BYTES: usize = RECORD_BYTES_MAX + 1;

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

/// Splits records, and holds the fields of the last one; of one that cannot be split, those before the fault.
pub(super) struct Splitter {
    parser: csv_core::Reader,
    delimiter: u8,
    /// The fields of a record, one after the other, without their quotes.
    text: Box<[u8]>,
    /// Where each field ends in `text`. A record of nothing but delimiters has a field more than it has bytes.
    ends: Box<[usize]>,
    count: usize,
    /// Of a record without quotes its length: the fields stand in the record itself, and `text` was not filled.
    plain_length: Option<usize>,
}

impl Splitter {
    pub(super) fn new(delimiter: u8) -> Self {
        let parser = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
        let text = vec![0; WINDOW_BYTES + 1].into_boxed_slice();
        let mut splitter = Self {
            parser,
            delimiter,
            text,
            ends: vec![0; WINDOW_BYTES + 1].into_boxed_slice(),
            count: 0,
            plain_length: None,
        };
        splitter.restart();
        splitter
    }

    /// Splits the record at the start of `bytes`, which are more than [`RECORD_BYTES_MAX`] or all there is, and do not
    /// start with a line end.
    pub(super) fn split(&mut self, bytes: &[u8]) -> Split {
        let window = window_of(bytes);
        self.plain_length = self.cut(window);
        if let Some(length) = self.plain_length {
            return Split::Whole { length, taken: length + line_end_bytes(&bytes[length..]), lines: 1 };
        }
        let (found, taken, written, count) = self.parser.read_record(window, &mut self.text, &mut self.ends);
        self.count = count;
        let length = match found {
            ReadRecordResult::Record => taken - 1,
            ReadRecordResult::InputEmpty if window.len() <= RECORD_BYTES_MAX => {
                // Nothing more to come is how the parser is told that the last record has no line end.
                self.count += self.parser.read_record(&[], &mut [], &mut self.ends[count..]).3;
                window.len()
            }
            _ => return self.overlong(bytes, written),
        };
        let delimiters = self.count.saturating_sub(1);
        // What the parser left out is quotes: without any, there is nothing to examine.
        let lines = if written + delimiters == length { Ok(0) } else { self.examine(&bytes[..length]) };
        let line_end = line_end_bytes(&bytes[length..]);
        match lines {
            Ok(inside) => Split::Whole { length, taken: length + line_end, lines: inside + u64::from(line_end > 0) },
            Err(found) => self.broken(bytes, &found),
        }
    }

    /// Cuts a record without quotes at its delimiters and returns its length; `None` where it has a quote, or where its
    /// end is not well within the window.
    fn cut(&mut self, window: &[u8]) -> Option<usize> {
        let mut count = 0;
        for (at, block) in window.as_chunks::<BLOCK_BYTES>().0.iter().enumerate() {
            let mut places = words::places_in(block, [self.delimiter, b'"']);
            while places != 0 {
                let place = places.trailing_zeros() as usize % BLOCK_BYTES;
                let (byte, end) = (block[place], at * BLOCK_BYTES + place);
                places &= places - 1;
                if byte == self.delimiter {
                    self.ends[count] = end - count;
                    count += 1;
                } else if matches!(byte, b'\n' | b'\r') {
                    self.ends[count] = end - count;
                    self.count = count + 1;
                    return Some(end);
                } else if byte == b'"' {
                    return None;
                }
            }
        }
        None
    }

    /// Where the fields of the last record end among their texts.
    pub(super) fn ends(&self) -> &[usize] {
        &self.ends[..self.count]
    }

    /// The text that [`Splitter::range`] points into, for the last record, which `bytes` starts with.
    pub(super) fn text<'t>(&'t self, bytes: &'t [u8]) -> &'t [u8] {
        match self.plain_length {
            Some(length) => &bytes[..length],
            None => &self.text[..self.ends().last().copied().unwrap_or(0)],
        }
    }

    /// Where a field stands in [`Splitter::text`].
    pub(super) fn range(&self, field: usize) -> Option<Range<usize>> {
        let end = *self.ends().get(field)?;
        let start = field.checked_sub(1).map_or(0, |before| self.ends[before]);
        let delimiters = if self.plain_length.is_some() { field } else { 0 };
        Some(start + delimiters..end + delimiters)
    }

    /// The texts of the fields of the last record, which `bytes` starts with.
    pub(super) fn fields<'t>(&'t self, bytes: &'t [u8]) -> impl Iterator<Item = &'t [u8]> {
        let text = self.text(bytes);
        (0..self.count).filter_map(|field| self.range(field)).map(|range| &text[range])
    }

    /// The lines inside of the quoted fields of a record, unless one of them is not sound.
    fn examine(&self, record: &[u8]) -> Result<u64, Faulty> {
        let mut lines = 0;
        for (field, place) in walk(record, self.ends()).enumerate() {
            let is_sound = place.closed && record.get(place.range.end).is_none_or(|next| *next == self.delimiter);
            if !is_sound {
                let fault = if place.closed && place.lines == 0 { QuoteFault::TextAfter } else { QuoteFault::Unclosed };
                return Err(Faulty { fault, field, start: place.range.start, lines_before: lines });
            }
            lines += place.lines;
        }
        Ok(lines)
    }

    /// No end in view: where a quote is to blame, it costs the line on which it stands.
    fn overlong(&mut self, bytes: &[u8], written: usize) -> Split {
        self.ends[self.count] = written;
        self.count += 1;
        if let Err(found) = self.examine(window_of(bytes)) {
            return self.broken(bytes, &found);
        }
        self.restart();
        Split::TooLong
    }

    /// Gives up everything to the end of the line on which the faulty field starts, and nothing after it.
    fn broken(&mut self, bytes: &[u8], found: &Faulty) -> Split {
        self.restart();
        let Faulty { fault, field, start, lines_before } = *found;
        self.count = field;
        let window = window_of(bytes);
        let line_end = window[start..].iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        if line_end.is_none() && window.len() > RECORD_BYTES_MAX {
            return Split::TooLong;
        }
        let length = line_end.map_or(window.len(), |distance| start + distance);
        let taken = length + line_end_bytes(&bytes[length..]);
        Split::Broken { fault, field, lines_before, length, taken, lines: lines_before + u64::from(taken > length) }
    }

    /// Forgets a record in the middle. An empty line follows, because a parser that has read nothing yet takes a byte
    /// order mark off, and one at the start of a record is for the row's checks to tell.
    fn restart(&mut self) {
        self.parser.reset();
        self.parser.read_record(b"\n", &mut self.text, &mut self.ends);
    }
}

fn window_of(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(WINDOW_BYTES)]
}

/// A quoted field that is not sound, the lines before it in its record included.
struct Faulty {
    fault: QuoteFault,
    field: usize,
    start: usize,
    lines_before: u64,
}

/// A field as it stands in its record, quotes included.
struct Place {
    range: Range<usize>,
    /// Line ends inside.
    lines: u64,
    /// It has no quotes, or a closing one.
    closed: bool,
}

/// Where the fields of a sound record stand, quotes included.
pub(super) fn places<'a>(record: &'a [u8], ends: &'a [usize]) -> impl Iterator<Item = Range<usize>> {
    walk(record, ends).map(|place| place.range)
}

/// Goes from field to field, up to the first that is not sound. Fields without quotes are as long as their texts.
fn walk<'a>(record: &'a [u8], ends: &'a [usize]) -> impl Iterator<Item = Place> {
    let (mut start, mut text_start) = (0, 0);
    ends.iter().map(move |end| {
        let rest = record.get(start..).unwrap_or_default();
        let (length, lines, closed) =
            if rest.first() == Some(&b'"') { quoted(rest) } else { (end - text_start, 0, true) };
        let range = start..start + length;
        (start, text_start) = (range.end + 1, *end);
        Place { range, lines, closed }
    })
}

/// The length of the quoted field at the start of `text`, its line ends, and whether it is closed.
fn quoted(text: &[u8]) -> (usize, u64, bool) {
    let (mut at, mut lines) = (1, 0);
    loop {
        at += words::bytes_before(&text[at..], *b"\"\n\r");
        match &text[at..] {
            [] => return (at, lines, false),
            [b'"', b'"', ..] => at += 2,
            [b'"', ..] => return (at + 1, lines, true),
            line_end => {
                lines += 1;
                at += line_end_bytes(line_end);
            }
        }
    }
}

#[cfg(test)]
mod tests;
