//! The rows of an input, whatever its format: parsed, checked, and with the findings of the first reading.

use std::io;
use std::sync::Arc;

use super::column_names::ColumnNames;
use super::columns::Column;
use super::cross_row::{CrossRowCheck, CrossRowCursor, CrossRowFindings};
use super::csv::CsvParser;
use super::error::{InputError, header_finding};
use super::input_buffer::{Extent, InputBuffer, line_end_bytes};
use super::jsonl::{JsonlParser, blank_line_bytes};
use super::options::{Format, InputOptions};
use super::record::{CheckedRow, InputRecord, RawRecord, RawShape, RecordLayout};
use super::row_check::{RowIssue, RowIssues, check_row};
use super::source::InputSource;
use crate::domain::finding::{Finding, FindingCode};
use crate::domain::row::RowNumber;
use crate::limits::INPUT_ROWS_MAX;

/// Reads an input row by row, in memory that does not depend on its size. As an iterator it returns every row, valid or
/// not; an error ends it.
pub struct InputReader {
    name: String,
    buffer: InputBuffer,
    parser: RecordParser,
    names: ColumnNames,
    allowed: Vec<FindingCode>,
    layout: RecordLayout,
    cross_row: Option<CrossRowCursor>,
    rows: u64,
    blank_lines: u64,
    /// Bytes of the current record.
    raw_length: usize,
    is_raw_whole: bool,
    has_ended: bool,
}

enum RecordParser {
    Csv(Box<CsvParser>),
    Jsonl(Box<JsonlParser>),
}

impl InputReader {
    /// Opens the source at its start: decompresses it, detects its format, and reads the header of a CSV.
    pub fn new(source: &InputSource, options: &InputOptions) -> Result<Self, InputError> {
        let names = ColumnNames::new(options).map_err(InputError::Header)?;
        Self::on_bytes(source, names, options, source.reader()?)
    }

    fn on_bytes(
        source: &InputSource,
        names: ColumnNames,
        options: &InputOptions,
        bytes: Box<dyn io::Read + Send>,
    ) -> Result<Self, InputError> {
        let name = source.name().to_owned();
        let mut buffer = InputBuffer::new(bytes);
        let read_error = |source| InputError::read(&name, 1, source);
        buffer.advance().map_err(read_error)?;
        let format = match options.format {
            Some(format) => format,
            None => detect_format(buffer.unread())?,
        };
        let mut blank_lines = 0;
        let (parser, layout) = match format {
            Format::Jsonl => (RecordParser::Jsonl(Box::default()), RecordLayout::jsonl()),
            Format::Csv => {
                skip_blank_lines(&mut buffer, format, &mut blank_lines).map_err(read_error)?;
                let opened = CsvParser::open(buffer.unread(), buffer.line(), options.delimiter, &names);
                let (parser, layout, header) = opened.map_err(InputError::Header)?;
                buffer.consume(header);
                (RecordParser::Csv(Box::new(parser)), layout)
            }
        };
        Ok(Self {
            name,
            buffer,
            parser,
            names,
            allowed: options.allow.clone(),
            layout,
            cross_row: None,
            rows: 0,
            blank_lines,
            raw_length: 0,
            is_raw_whole: true,
            has_ended: false,
        })
    }

    /// Opens the source at its start, and adds the findings of a first reading to those of each row.
    pub fn with_cross_row(
        source: &InputSource,
        options: &InputOptions,
        findings: &Arc<CrossRowFindings>,
    ) -> Result<Self, InputError> {
        let mut reader = Self::new(source, options)?;
        reader.cross_row = (!findings.is_clean()).then(|| CrossRowCursor::new(Arc::clone(findings)));
        Ok(reader)
    }

    /// Shows the next row, valid or not, while it is in the buffer; `None` at the end. An error ends the reading.
    pub fn visit<T>(&mut self, see: impl FnOnce(CheckedRow<'_>) -> T) -> Option<Result<T, InputError>> {
        if self.has_ended {
            return None;
        }
        let visited = self.visit_next(see);
        self.has_ended = !matches!(visited, Ok(Some(_)));
        visited.map_err(|source| InputError::read(&self.name, self.buffer.line(), source)).transpose()
    }

    fn visit_next<T>(&mut self, see: impl FnOnce(CheckedRow<'_>) -> T) -> io::Result<Option<T>> {
        self.raw_length = 0;
        skip_blank_lines(&mut self.buffer, self.layout.format, &mut self.blank_lines)?;
        let bytes = self.buffer.unread();
        if bytes.is_empty() {
            return Ok(None);
        }
        self.rows += 1;
        let (number, line) = (RowNumber(self.rows), self.buffer.line());
        let parsed = match &mut self.parser {
            RecordParser::Csv(parser) => parser.parse(bytes),
            RecordParser::Jsonl(parser) => parser.parse(bytes, &self.names),
        };
        (self.raw_length, self.is_raw_whole) = (parsed.length, parsed.is_whole);
        let mut issues = RowIssues::new(&self.allowed);
        let (mut fault_line, mut fault_field) = (line, None);
        let checked = if let Some(fault) = parsed.fault {
            issues.add_row(fault.code, fault.message);
            (fault_line, fault_field) = (line + fault.line_offset, fault.field);
            None
        } else {
            let values = match &self.parser {
                RecordParser::Csv(parser) => parser.values(bytes),
                RecordParser::Jsonl(parser) => parser.values(&self.names),
            };
            let checked = check_row(&values, &mut issues);
            if let (Some(cross_row), Some(link)) = (&mut self.cross_row, &checked) {
                cross_row.add_issues(number, link, &mut issues);
            }
            checked
        };
        let finding = |issue: RowIssue| {
            let (field, column) = match issue.column {
                Some(column) => self.locate(column),
                None => fault_field.map(|field| self.locate_field(field)).unwrap_or_default(),
            };
            let (code, severity, row, line) = (issue.code, issue.severity, Some(number), fault_line);
            Finding { code, severity, row, line, field, column, message: issue.message }
        };
        let findings = issues.into_vec().into_iter().map(finding).collect();
        let seen = see(CheckedRow { number, line, link: checked, findings });
        self.buffer.consume(parsed.extent);
        Ok(Some(seen))
    }

    /// Returns where the current row has a column: its field or member, from 1 (0 if it has none), and its name there.
    fn locate(&self, column: Column) -> (u32, String) {
        match &self.parser {
            RecordParser::Csv(parser) => {
                parser.field_of(column).map_or_else(|| (0, column.name().to_owned()), |field| self.locate_field(field))
            }
            RecordParser::Jsonl(parser) => {
                let absent = || (0, self.names.mapped(column).unwrap_or(column.name()));
                let (position, name) = parser.member_of(column).unwrap_or_else(absent);
                (position, name.to_owned())
            }
        }
    }

    fn locate_field(&self, field: usize) -> (u32, String) {
        (u32::try_from(field + 1).unwrap_or(u32::MAX), self.layout.names.get(field).cloned().unwrap_or_default())
    }

    pub fn layout(&self) -> &RecordLayout {
        &self.layout
    }

    /// Empty lines so far. They are no rows.
    pub fn blank_lines(&self) -> u64 {
        self.blank_lines
    }

    /// Returns the current record as it stands in the file; empty before the first and after the end.
    pub fn raw(&self) -> RawRecord<'_> {
        let shape = match &self.parser {
            RecordParser::Csv(parser) if self.is_raw_whole => RawShape::Fields(parser.fields()),
            RecordParser::Jsonl(_) if self.is_raw_whole => RawShape::Object,
            _ => RawShape::Broken,
        };
        RawRecord { bytes: &self.buffer.unread()[..self.raw_length], shape }
    }
}

impl std::fmt::Debug for InputReader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = formatter.debug_struct("InputReader");
        debug.field("name", &self.name).field("line", &self.buffer.line()).finish_non_exhaustive()
    }
}

impl Iterator for InputReader {
    type Item = Result<InputRecord, InputError>;

    #[expect(clippy::redundant_closure_for_method_calls, reason = "the method alone is of one lifetime only")]
    fn next(&mut self) -> Option<Self::Item> {
        self.visit(|row| row.into_record())
    }
}

/// Moves to the start of the next record, or to the end.
fn skip_blank_lines(buffer: &mut InputBuffer, format: Format, blank_lines: &mut u64) -> io::Result<()> {
    loop {
        buffer.advance()?;
        let count = match format {
            Format::Csv => line_end_bytes(buffer.unread()),
            Format::Jsonl => blank_line_bytes(buffer.unread()),
        };
        if count == 0 {
            return Ok(());
        }
        *blank_lines += 1;
        buffer.consume(Extent::Bytes { count, lines: 1 });
    }
}

/// Detects the format from the first character.
fn detect_format(bytes: &[u8]) -> Result<Format, InputError> {
    match bytes.trim_ascii_start().first() {
        Some(b'{') => Ok(Format::Jsonl),
        Some(b'[') => {
            let message = "the file is a JSON array; write one object per line, as `jq -c '.[]'` does";
            Err(InputError::Header(vec![header_finding(FindingCode::InvalidJson, 1, 0, "", message.to_owned())]))
        }
        _ => Ok(Format::Csv),
    }
}

/// What is known when the whole input has been read once.
#[derive(Debug, Default)]
pub struct FirstReading {
    /// Rows read, valid or not.
    pub rows: u64,
    pub blank_lines: u64,
    /// Whether a row has a finding of its own.
    pub has_findings: bool,
    /// What is wrong with rows in comparison with others.
    pub cross_row: Arc<CrossRowFindings>,
}

impl FirstReading {
    /// Reads the whole input, shows each row with its own findings only, and pins the source: later readings end where the
    /// bytes are not those of this one. Refuses an input of over
    /// [`INPUT_ROWS_MAX`] rows.
    pub fn of(
        source: &InputSource,
        options: &InputOptions,
        mut see: impl FnMut(CheckedRow<'_>),
    ) -> Result<Self, InputError> {
        let names = ColumnNames::new(options).map_err(InputError::Header)?;
        let (recorder, bytes) = source.first_reader()?;
        let mut reader = InputReader::on_bytes(source, names, options, bytes)?;
        let mut cross_row = CrossRowCheck::default();
        let mut reading = Self::default();
        while let Some(visited) = reader.visit(|row| {
            reading.rows = row.number.0;
            reading.has_findings |= !row.findings.is_empty();
            if let Some(link) = &row.link {
                cross_row.add(row.number, link);
            }
            see(row);
        }) {
            visited?;
            if reading.rows > u64::from(INPUT_ROWS_MAX) {
                return Err(InputError::TooManyRows { name: source.name().to_owned() });
            }
        }
        source.pin(&recorder);
        reading.blank_lines = reader.blank_lines();
        let too_many = |_| InputError::TooManyConflicts { name: source.name().to_owned() };
        reading.cross_row = Arc::new(cross_row.finish().map_err(too_many)?);
        Ok(reading)
    }
}

#[cfg(test)]
mod tests;
