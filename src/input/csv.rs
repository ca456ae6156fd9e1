//! Rows of a CSV: header, plan, and one record after the other.

use std::borrow::Cow;
use std::io;

use super::across::Cursor;
use super::asked::Asked;
use super::check::{self, Report, Values};
use super::columns::{Column, Format};
use super::error::header_finding;
use super::feed::{Feed, line_end_bytes};
use super::naming::Naming;
use super::plan::{Plan, known_count};
use super::record::{Glimpse, Layout, RawRecord, RawShape};
use super::sound::sound;
use super::split::{QuoteFault, Split, Splitter};
use crate::domain::finding::{Finding, FindingCode};
use crate::domain::row::RowNumber;
use crate::limits::{COLUMNS_MAX, RAW_EXCERPT_BYTES, RECORD_BYTES_MAX};

/// Delimiters that are told by the header, the likelier ones first.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Why rows cannot be read at all.
#[derive(Debug)]
pub(super) enum OpenFault {
    Io(io::Error),
    Findings(Vec<Finding>),
}

impl From<io::Error> for OpenFault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Where the value of a column comes from.
enum Origin {
    /// This field, from 0.
    Field(usize),
    /// The same for every row.
    Given(String),
    /// There is none.
    Nowhere,
}

impl Origin {
    fn of(column: Column, plan: &Plan, naming: &Naming) -> Self {
        let given = |text: &str| Self::Given(text.to_owned());
        let constant = naming.constant(column).map(given);
        let field = || plan.field(column).map(Self::Field);
        constant.or_else(field).or_else(|| naming.default(column).map(given)).unwrap_or(Self::Nowhere)
    }
}

/// A CSV from its first row of data on.
pub(super) struct CsvRows {
    feed: Feed,
    naming: Naming,
    plan: Plan,
    /// Where the value of each column comes from.
    origins: [Origin; Column::ALL.len()],
    layout: Layout,
    splitter: Splitter,
    across: Option<Cursor>,
    rows: u64,
    blank_lines: u64,
    raw_length: usize,
    raw_is_whole: bool,
}

impl CsvRows {
    /// Reads the header; empty lines before it are passed over.
    pub(super) fn open(mut feed: Feed, delimiter: Option<u8>, naming: Naming) -> Result<Self, OpenFault> {
        let mut blank_lines = 0;
        advance_to_text(&mut feed, &mut blank_lines)?;
        let delimiter = delimiter.unwrap_or_else(|| sniff(first_line(feed.view()), &naming));
        let mut splitter = Splitter::new(delimiter);
        let layout = read_header(&mut feed, delimiter, &mut splitter);
        let layout = layout.map_err(|finding| OpenFault::Findings(vec![finding]))?;
        let plan = Plan::new(&layout.names, &naming, feed.line()).map_err(OpenFault::Findings)?;
        let origins = Column::ALL.map(|column| Origin::of(column, &plan, &naming));
        let (across, rows, raw_length, raw_is_whole) = (None, 0, 0, true);
        Ok(Self { feed, naming, plan, origins, layout, splitter, across, rows, blank_lines, raw_length, raw_is_whole })
    }

    /// From here on rows are also told what is known of them beside the others.
    pub(super) fn look_across(&mut self, across: Cursor) {
        self.across = Some(across);
    }

    /// Shows the next row; `None` at the end.
    pub(super) fn visit<T>(&mut self, see: impl FnOnce(Glimpse<'_>) -> T) -> io::Result<Option<T>> {
        self.raw_length = 0;
        advance_to_text(&mut self.feed, &mut self.blank_lines)?;
        if self.feed.view().is_empty() {
            return Ok(None);
        }
        self.rows += 1;
        let found = self.splitter.split(self.feed.view());
        self.raw_is_whole = matches!(found, Split::Whole { .. });
        Ok(Some(match found {
            Split::Whole { length, taken, lines } => {
                self.raw_length = length;
                let seen = self.whole(see);
                self.feed.hold(taken, lines);
                seen
            }
            Split::Broken { fault, field, lines_before, length, taken, lines } => {
                self.raw_length = length;
                let seen = see(self.broken(fault, field, lines_before));
                self.feed.hold(taken, lines);
                seen
            }
            Split::TooLong => {
                self.raw_length = RAW_EXCERPT_BYTES;
                let seen = see(self.too_long());
                self.feed.hold_line(true);
                seen
            }
        }))
    }

    /// The record last returned, as it stands in the file.
    pub(super) fn raw(&self) -> RawRecord<'_> {
        let shape = if self.raw_is_whole { RawShape::Fields(self.splitter.ends()) } else { RawShape::Broken };
        RawRecord { bytes: &self.feed.view()[..self.raw_length], shape }
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(super) fn line(&self) -> u64 {
        self.feed.line()
    }

    pub(super) fn blank_lines(&self) -> u64 {
        self.blank_lines
    }

    fn whole<T>(&self, see: impl FnOnce(Glimpse<'_>) -> T) -> T {
        let (number, line) = (RowNumber(self.rows), self.feed.line());
        let (count, expected) = (self.splitter.ends().len(), self.layout.names.len());
        if count == expected
            && self.across.is_none()
            && let asked @ Some(_) = self.sound()
        {
            return see(Glimpse { number, line, asked, findings: Vec::new() });
        }
        let locate = |column| self.locate(column);
        let mut report = Report::new(number, line, &locate, self.naming.allowed());
        if count != expected {
            let told =
                format!("has {count} fields where the header has {expected}; quote fields that hold the delimiter");
            report.add_row(FindingCode::RaggedRow, told);
            return see(Glimpse { number, line, asked: None, findings: report.into_findings() });
        }
        let values = self.values(&mut report);
        let asked = check::judge(&values, number, self.across.as_ref(), &mut report);
        see(Glimpse { number, line, asked, findings: report.into_findings() })
    }

    fn broken(&self, fault: QuoteFault, field: usize, lines_before: u64) -> Glimpse<'static> {
        let told = match fault {
            QuoteFault::Unclosed => "has no closing quote; close it, and double the quotes inside a quoted field",
            QuoteFault::TextAfter => {
                "has text after its closing quote; double the quotes inside a quoted field, and end it at the delimiter"
            }
        };
        let nowhere = |_| (0, String::new());
        let mut report = Report::new(RowNumber(self.rows), self.feed.line(), &nowhere, &[]);
        report.add_row(FindingCode::UnclosedQuote, told);
        let mut record = self.without_values(report);
        for finding in &mut record.findings {
            finding.line += lines_before;
            finding.field = field_number(field);
            finding.column = self.layout.names.get(field).cloned().unwrap_or_default();
        }
        record
    }

    fn too_long(&self) -> Glimpse<'static> {
        let nowhere = |_| (0, String::new());
        let mut report = Report::new(RowNumber(self.rows), self.feed.line(), &nowhere, &[]);
        let told = format!("is longer than {RECORD_BYTES_MAX} bytes; is a line end or a delimiter missing");
        report.add_row(FindingCode::RecordTooLong, told);
        self.without_values(report)
    }

    fn without_values(&self, report: Report<'_>) -> Glimpse<'static> {
        let (number, line) = (RowNumber(self.rows), self.feed.line());
        Glimpse { number, line, asked: None, findings: report.into_findings() }
    }

    /// What a row asks for of which there is nothing to tell; `None` where there may be.
    fn sound(&self) -> Option<Asked<'_>> {
        let text = self.splitter.text(self.feed.view());
        sound(|column| match &self.origins[column.index()] {
            Origin::Field(at) => self.splitter.range(*at).and_then(|range| text.get(range)).unwrap_or_default(),
            Origin::Given(value) => value.as_bytes(),
            Origin::Nowhere => b"",
        })
    }

    fn values(&self, report: &mut Report<'_>) -> Values<'_> {
        let bytes = self.splitter.text(self.feed.view());
        // One look at the whole record is quicker than one at each field, and nearly always enough.
        let text = std::str::from_utf8(bytes).ok();
        let mut values = Values::default();
        for column in Column::ALL {
            let field = match &self.origins[column.index()] {
                Origin::Field(at) => self.splitter.range(*at).unwrap_or_default(),
                Origin::Given(value) => {
                    values.put(column, Cow::Borrowed(value));
                    continue;
                }
                Origin::Nowhere => continue,
            };
            // Halves of a character in two fields make none.
            let whole = text.and_then(|text| text.get(field.clone()));
            if let Some(text) = whole.or_else(|| std::str::from_utf8(&bytes[field]).ok()) {
                values.put(column, Cow::Borrowed(text));
            } else {
                values.put_unreadable(column);
                report.add(FindingCode::InvalidUtf8, column, "is not valid UTF-8; save the file as UTF-8");
            }
        }
        values
    }

    fn locate(&self, column: Column) -> (u32, String) {
        match self.plan.field(column) {
            Some(at) => (field_number(at), self.layout.names[at].clone()),
            None => (0, column.name().to_owned()),
        }
    }
}

fn field_number(at: usize) -> u32 {
    u32::try_from(at + 1).unwrap_or(u32::MAX)
}

/// Moves on to the next line that is not empty, or to the end.
fn advance_to_text(feed: &mut Feed, blank_lines: &mut u64) -> io::Result<()> {
    loop {
        feed.advance()?;
        let blank = line_end_bytes(feed.view());
        if blank == 0 {
            return Ok(());
        }
        *blank_lines += 1;
        feed.hold(blank, 1);
    }
}

fn first_line(view: &[u8]) -> &[u8] {
    let end = view.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    &view[..end.unwrap_or(view.len())]
}

/// The delimiter under which the header has the most known names, then the most names.
fn sniff(header: &[u8], naming: &Naming) -> u8 {
    let merit = |delimiter: &u8| {
        let mut splitter = Splitter::new(*delimiter);
        splitter.split(header);
        let names = names_of(&splitter, header);
        (known_count(&names, naming), names.len())
    };
    // Of equals, `max_by_key` takes the last.
    DELIMITERS.iter().copied().rev().max_by_key(merit).unwrap_or(b',')
}

fn names_of(splitter: &Splitter, header: &[u8]) -> Vec<String> {
    let name = |field: &[u8]| String::from_utf8_lossy(field).trim_matches([' ', '\t']).to_owned();
    splitter.fields(header).take(COLUMNS_MAX + 1).map(name).collect()
}

fn read_header(feed: &mut Feed, delimiter: u8, splitter: &mut Splitter) -> Result<Layout, Finding> {
    let line = feed.line();
    let whole = |code, message: &str| Err(header_finding(code, line, 0, "", message.to_owned()));
    if feed.view().is_empty() {
        return whole(FindingCode::MissingColumn, "the input is empty; its first line must be a header");
    }
    let (length, taken, lines) = match splitter.split(feed.view()) {
        Split::Whole { length, taken, lines } => (length, taken, lines),
        Split::Broken { .. } => {
            return whole(FindingCode::UnclosedQuote, "a quoted name in the header is not closed or has text after it");
        }
        Split::TooLong => {
            let told = format!("the header is longer than {RECORD_BYTES_MAX} bytes; is a line end missing");
            return whole(FindingCode::RecordTooLong, &told);
        }
    };
    let header_ends = splitter.ends().to_vec();
    if header_ends.len() > COLUMNS_MAX {
        let told = format!("the header has {} columns, and {COLUMNS_MAX} is the most", header_ends.len());
        return whole(FindingCode::RecordTooLong, &told);
    }
    let header = feed.view()[..length].to_vec();
    let names = names_of(splitter, feed.view());
    let newline: &[u8] = if feed.view()[length..taken] == *b"\r\n" { b"\r\n" } else { b"\n" };
    feed.hold(taken, lines);
    Ok(Layout { format: Format::Csv, delimiter, newline, header, header_ends, names })
}

#[cfg(test)]
mod tests;
