//! CSV records: where their fields are, and which field gives which column.
//!
//! The `csv` crate writes CSV here and is the reference of the tests, but it does not read: it cannot bound the memory of
//! a record that never ends, and it joins text after a closing quote to the field, which would change an identity.
//! `csv-core` could be bounded but joins as well, so that every quote would have to be examined a second time.

use memchr::{memchr, memchr2, memchr2_iter, memchr3};

use super::column_layout::{ColumnLayout, count_known, find_columns};
use super::column_names::ColumnNames;
use super::columns::Column;
use super::error::header_finding;
use super::input_buffer::{Extent, line_end_bytes};
use super::options::Format;
use super::record::{CsvField, ParsedRecord, RecordFault, RecordLayout};
use super::row_check::RowValues;
use super::subject_shape::SubjectShape;
use crate::domain::finding::{Finding, FindingCode};
use crate::limits::{COLUMNS_MAX, RAW_EXCERPT_BYTES, RECORD_BYTES_MAX};

/// Delimiters that are detected, the likelier ones first.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// The longest record and one byte more: enough to see that a record is too long.
const WINDOW_BYTES: usize = RECORD_BYTES_MAX + 1;

/// What some bytes start with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CsvSplit {
    /// A record of `length` bytes; `taken` with its line end, which is the last of `lines`.
    Whole {
        length: usize,
        taken: usize,
        lines: u64,
    },
    /// A record with a faulty quote. It costs the lines up to the end of the one on which the field starts.
    Broken {
        fault: QuoteFault,
        lines_before: u64,
        length: usize,
        taken: usize,
        lines: u64,
    },
    TooLong,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QuoteFault {
    /// No closing quote before the end, or before the next field's opening quote.
    Unclosed,
    /// Text between the closing quote and the end of the field.
    TextAfter,
}

/// Splits records into fields, and holds the fields of the last record; of a broken one those before the fault.
struct CsvSplitter {
    delimiter: u8,
    fields: Vec<CsvField>,
    /// The texts of the fields that have doubled quotes.
    undoubled: Vec<u8>,
}

impl CsvSplitter {
    fn new(delimiter: u8) -> Self {
        Self { delimiter, fields: Vec::new(), undoubled: Vec::new() }
    }

    /// Splits the record at the start of `bytes`, which are more than [`RECORD_BYTES_MAX`] or all that is left.
    fn split(&mut self, bytes: &[u8]) -> CsvSplit {
        self.fields.clear();
        self.undoubled.clear();
        let window = &bytes[..bytes.len().min(WINDOW_BYTES)];
        let (mut start, mut lines) = (0, 0);
        loop {
            let end = if window.get(start) == Some(&b'"') {
                match self.quoted_field(window, start) {
                    Ok((end, lines_inside)) => {
                        lines += lines_inside;
                        end
                    }
                    Err(fault) => return broken(bytes, fault, start, lines),
                }
            } else {
                let length = memchr3(self.delimiter, b'\n', b'\r', &window[start..]);
                let end = length.map_or(window.len(), |length| start + length);
                self.fields.push(CsvField { raw: start..end, text: start..end, has_doubled_quotes: false });
                end
            };
            match window.get(end) {
                Some(byte) if *byte == self.delimiter => start = end + 1,
                Some(_) => {
                    let taken = end + line_end_bytes(&bytes[end..]);
                    return CsvSplit::Whole { length: end, taken, lines: lines + 1 };
                }
                None if window.len() > RECORD_BYTES_MAX => return CsvSplit::TooLong,
                None => return CsvSplit::Whole { length: end, taken: end, lines },
            }
        }
    }

    /// Adds the quoted field at `start`; returns its end and the line ends inside.
    fn quoted_field(&mut self, window: &[u8], start: usize) -> Result<(usize, u64), QuoteFault> {
        let text_start = start + 1;
        let (mut copied_to, undoubled_start) = (text_start, self.undoubled.len());
        let mut at = text_start;
        loop {
            at += memchr(b'"', &window[at..]).ok_or(QuoteFault::Unclosed)?;
            if window.get(at + 1) != Some(&b'"') {
                break;
            }
            self.undoubled.extend_from_slice(&window[copied_to..=at]);
            at += 2;
            copied_to = at;
        }
        let (text, end) = (text_start..at, at + 1);
        let inside = &window[text.clone()];
        let is_line_end = |at: &usize| !inside[*at..].starts_with(b"\r\n");
        let lines = memchr2_iter(b'\n', b'\r', inside).filter(is_line_end).count() as u64;
        if window.get(end).is_some_and(|next| *next != self.delimiter && !matches!(next, b'\n' | b'\r')) {
            // A quote on a later line is rather the opening one of another field.
            return Err(if lines == 0 { QuoteFault::TextAfter } else { QuoteFault::Unclosed });
        }
        let has_doubled_quotes = copied_to > text_start;
        let text = if has_doubled_quotes {
            self.undoubled.extend_from_slice(&window[copied_to..at]);
            undoubled_start..self.undoubled.len()
        } else {
            text
        };
        self.fields.push(CsvField { raw: start..end, text, has_doubled_quotes });
        Ok((end, lines))
    }

    /// Returns the text of a field of the last record, which `bytes` starts with.
    fn text<'t>(&'t self, field: &CsvField, bytes: &'t [u8]) -> &'t [u8] {
        let from = if field.has_doubled_quotes { &self.undoubled } else { bytes };
        &from[field.text.clone()]
    }
}

fn broken(bytes: &[u8], fault: QuoteFault, start: usize, lines_before: u64) -> CsvSplit {
    let window = &bytes[..bytes.len().min(WINDOW_BYTES)];
    let line_end = memchr2(b'\n', b'\r', &window[start..]);
    if line_end.is_none() && window.len() > RECORD_BYTES_MAX {
        return CsvSplit::TooLong;
    }
    let length = line_end.map_or(window.len(), |distance| start + distance);
    let taken = length + line_end_bytes(&bytes[length..]);
    CsvSplit::Broken { fault, lines_before, length, taken, lines: lines_before + u64::from(taken > length) }
}

/// Where the value of a column comes from.
enum ValueSource {
    /// A field, from 0.
    Field(usize),
    /// `--set` or the preset.
    Constant(String),
    Nowhere,
}

/// Parses the records of a CSV behind its header.
pub(super) struct CsvParser {
    splitter: CsvSplitter,
    layout: ColumnLayout,
    sources: [ValueSource; Column::ALL.len()],
    /// What identities of the preset look like, where they come from its column.
    preset_shape: Option<SubjectShape>,
    field_count: usize,
}

impl CsvParser {
    /// Reads the header, which `bytes` start with; returns its extent too.
    pub(super) fn open(
        bytes: &[u8],
        line: u64,
        delimiter: Option<u8>,
        names: &ColumnNames,
    ) -> Result<(Self, RecordLayout, Extent), Vec<Finding>> {
        let delimiter = delimiter.unwrap_or_else(|| detect_delimiter(bytes, names));
        let mut splitter = CsvSplitter::new(delimiter);
        let (header, extent) = read_header(&mut splitter, bytes)
            .map_err(|(code, message)| vec![header_finding(code, line, 0, "", message)])?;
        let layout = find_columns(&header.names, names, line)?;
        let sources = Column::ALL.map(|column| {
            let constant = |text: &str| ValueSource::Constant(text.to_owned());
            let field = || layout[column.index()].map(ValueSource::Field);
            let default = || names.default(column).map(constant);
            names.constant(column).map(constant).or_else(field).or_else(default).unwrap_or(ValueSource::Nowhere)
        });
        Ok((
            Self { splitter, layout, sources, preset_shape: names.preset_shape(), field_count: header.names.len() },
            header,
            extent,
        ))
    }

    /// Splits the record that `bytes` start with.
    pub(super) fn parse(&mut self, bytes: &[u8]) -> ParsedRecord {
        match self.splitter.split(bytes) {
            CsvSplit::Whole { length, taken, lines } => {
                let (count, expected) = (self.splitter.fields.len(), self.field_count);
                let fault = (count != expected).then(|| {
                    let message = format!(
                        "has {count} fields and the header has {expected}; quote fields that contain the delimiter"
                    );
                    RecordFault::new(FindingCode::RaggedRow, message)
                });
                ParsedRecord { length, extent: Extent::Bytes { count: taken, lines }, is_whole: true, fault }
            }
            CsvSplit::Broken { fault, lines_before, length, taken, lines } => {
                let message = match fault {
                    QuoteFault::Unclosed => {
                        "has no closing quote; close it, and double the quotes inside of a quoted field"
                    }
                    QuoteFault::TextAfter => {
                        "has text after its closing quote; double the quotes inside of a quoted field, and end it at \
                         the delimiter"
                    }
                };
                let fault = RecordFault {
                    line_offset: lines_before,
                    field: Some(self.splitter.fields.len()),
                    ..RecordFault::new(FindingCode::UnclosedQuote, message.to_owned())
                };
                let extent = Extent::Bytes { count: taken, lines };
                ParsedRecord { length, extent, is_whole: false, fault: Some(fault) }
            }
            CsvSplit::TooLong => {
                let message =
                    format!("is longer than {RECORD_BYTES_MAX} bytes; check for a missing line end or closing quote");
                ParsedRecord {
                    length: RAW_EXCERPT_BYTES,
                    extent: Extent::RestOfLine { carriage_return_ends: true },
                    is_whole: false,
                    fault: Some(RecordFault::new(FindingCode::RecordTooLong, message)),
                }
            }
        }
    }

    /// Returns the values of the record that was parsed last, which `bytes` start with.
    pub(super) fn values<'v>(&'v self, bytes: &'v [u8]) -> RowValues<'v> {
        let texts = Column::ALL.map(|column| match &self.sources[column.index()] {
            ValueSource::Field(at) => {
                self.splitter.fields.get(*at).map_or(&b""[..], |field| self.splitter.text(field, bytes))
            }
            ValueSource::Constant(text) => text.as_bytes(),
            ValueSource::Nowhere => b"",
        });
        RowValues { texts, preset_shape: self.preset_shape, ..RowValues::default() }
    }

    pub(super) fn fields(&self) -> &[CsvField] {
        &self.splitter.fields
    }

    /// Returns the field of a column, from 0.
    pub(super) fn field_of(&self, column: Column) -> Option<usize> {
        self.layout[column.index()]
    }
}

/// Returns the delimiter under which the header has the most known names, then the most names.
fn detect_delimiter(bytes: &[u8], known: &ColumnNames) -> u8 {
    let window = &bytes[..bytes.len().min(WINDOW_BYTES)];
    let header = &window[..memchr2(b'\n', b'\r', window).unwrap_or(window.len())];
    let rank = |delimiter: &u8| {
        let mut splitter = CsvSplitter::new(*delimiter);
        splitter.split(header);
        let names = header_names(&splitter, header);
        (count_known(&names, known), names.len())
    };
    // `max_by_key` returns the last of equals.
    DELIMITERS.iter().copied().rev().max_by_key(rank).unwrap_or(b',')
}

fn header_names(splitter: &CsvSplitter, header: &[u8]) -> Vec<String> {
    let name = |field| String::from_utf8_lossy(splitter.text(field, header)).trim_matches([' ', '\t']).to_owned();
    splitter.fields.iter().take(COLUMNS_MAX + 1).map(name).collect()
}

fn read_header(splitter: &mut CsvSplitter, bytes: &[u8]) -> Result<(RecordLayout, Extent), (FindingCode, String)> {
    if bytes.is_empty() {
        let message = "the input is empty; its first line must be a header";
        return Err((FindingCode::MissingColumn, message.to_owned()));
    }
    let (length, taken, lines) = match splitter.split(bytes) {
        CsvSplit::Whole { length, taken, lines } => (length, taken, lines),
        CsvSplit::Broken { .. } => {
            let message = "a quoted name in the header has no closing quote or text after it";
            return Err((FindingCode::UnclosedQuote, message.to_owned()));
        }
        CsvSplit::TooLong => {
            let message = format!("the header is longer than {RECORD_BYTES_MAX} bytes; check for a missing line end");
            return Err((FindingCode::RecordTooLong, message));
        }
    };
    let count = splitter.fields.len();
    if count > COLUMNS_MAX {
        let message = format!("the header has {count} columns, and {COLUMNS_MAX} is the most");
        return Err((FindingCode::RecordTooLong, message));
    }
    let layout = RecordLayout {
        format: Format::Csv,
        delimiter: splitter.delimiter,
        newline: if bytes[length..taken] == *b"\r\n" { b"\r\n" } else { b"\n" },
        header: bytes[..length].to_vec(),
        header_fields: splitter.fields.clone(),
        names: header_names(splitter, bytes),
    };
    Ok((layout, Extent::Bytes { count: taken, lines }))
}

#[cfg(test)]
mod split_tests;
#[cfg(test)]
mod tests;
