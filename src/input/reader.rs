//! The rows of an input, whatever its format.

use std::sync::Arc;

use super::across::{Across, Cursor};
use super::columns::{Format, InputOptions};
use super::csv::{CsvRows, OpenFault};
use super::error::{InputError, header_finding};
use super::feed::Feed;
use super::jsonl::JsonlRows;
use super::naming::Naming;
use super::record::{Glimpse, Layout, RawRecord, Record};
use super::source::Source;
use crate::domain::finding::{Finding, FindingCode};

/// Reads an input row by row, in memory that does not depend on its size. As an iterator it gives every row, sound or
/// not; an error ends it.
pub struct Reader {
    name: String,
    rows: Rows,
    ended: bool,
}

enum Rows {
    Csv(Box<CsvRows>),
    Jsonl(Box<JsonlRows>),
}

impl Reader {
    /// Starts at the beginning of a source: unpacks it, tells its format, reads the header of a CSV.
    ///
    /// # Errors
    /// [`InputError::Header`] with everything that is wrong with the options or the header; [`InputError::Read`] and
    /// [`InputError::Unsupported`] for bytes that cannot be decoded.
    pub fn new(source: &Source, options: &InputOptions) -> Result<Self, InputError> {
        let naming = Naming::new(options).map_err(InputError::Header)?;
        let mut feed = Feed::new(source.reader()?);
        let name = source.name().to_owned();
        let rows = match tell_format(&mut feed, options) {
            Ok(Format::Csv) => CsvRows::open(feed, options.delimiter, naming).map(|rows| Rows::Csv(Box::new(rows))),
            Ok(Format::Jsonl) => Ok(Rows::Jsonl(Box::new(JsonlRows::open(feed, naming)))),
            Err(fault) => Err(fault),
        };
        match rows {
            Ok(rows) => Ok(Self { name, rows, ended: false }),
            Err(OpenFault::Findings(findings)) => Err(InputError::Header(findings)),
            Err(OpenFault::Io(source)) => Err(InputError::Read { name, line: 1, source }),
        }
    }

    /// The same from the start, knowing what an earlier reading found about rows beside one another: each row then has
    /// those findings too.
    ///
    /// # Errors
    /// As [`Reader::new`].
    pub fn across(source: &Source, options: &InputOptions, across: &Arc<Across>) -> Result<Self, InputError> {
        let mut reader = Self::new(source, options)?;
        if !across.is_clean() {
            match &mut reader.rows {
                Rows::Csv(rows) => rows.look_across(Cursor::new(Arc::clone(across))),
                Rows::Jsonl(rows) => rows.look_across(Cursor::new(Arc::clone(across))),
            }
        }
        Ok(reader)
    }

    /// Shows the next row while it is in view, sound or not, without copying anything of it; `None` at the end. An error
    /// ends it.
    pub fn visit<T>(&mut self, see: impl FnOnce(Glimpse<'_>) -> T) -> Option<Result<T, InputError>> {
        if self.ended {
            return None;
        }
        let seen = match &mut self.rows {
            Rows::Csv(rows) => rows.visit(see),
            Rows::Jsonl(rows) => rows.visit(see),
        };
        self.ended = !matches!(seen, Ok(Some(_)));
        match seen {
            Ok(seen) => seen.map(Ok),
            Err(source) => Some(Err(InputError::Read { name: self.name.clone(), line: self.line(), source })),
        }
    }

    /// CSV or JSONL.
    #[must_use]
    pub fn format(&self) -> Format {
        self.layout().format()
    }

    /// The names of a CSV's header; none for JSONL.
    #[must_use]
    pub fn headers(&self) -> &[String] {
        self.layout().headers()
    }

    /// How the input is laid out, for result files.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        match &self.rows {
            Rows::Csv(rows) => rows.layout(),
            Rows::Jsonl(rows) => rows.layout(),
        }
    }

    /// Empty lines so far. They are no rows.
    #[must_use]
    pub fn blank_lines(&self) -> u64 {
        match &self.rows {
            Rows::Csv(rows) => rows.blank_lines(),
            Rows::Jsonl(rows) => rows.blank_lines(),
        }
    }

    /// The record that was returned last, as it stands in the file; empty before the first and after the end.
    #[must_use]
    pub fn raw(&self) -> RawRecord<'_> {
        match &self.rows {
            Rows::Csv(rows) => rows.raw(),
            Rows::Jsonl(rows) => rows.raw(),
        }
    }

    fn line(&self) -> u64 {
        match &self.rows {
            Rows::Csv(rows) => rows.line(),
            Rows::Jsonl(rows) => rows.line(),
        }
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Reader").field("name", &self.name).field("line", &self.line()).finish_non_exhaustive()
    }
}

impl Iterator for Reader {
    type Item = Result<Record, InputError>;

    #[expect(clippy::redundant_closure_for_method_calls, reason = "the method alone is of one lifetime only")]
    fn next(&mut self) -> Option<Self::Item> {
        self.visit(|glimpse| glimpse.into_record())
    }
}

/// Brings the start into view and tells the format by its first character.
fn tell_format(feed: &mut Feed, options: &InputOptions) -> Result<Format, OpenFault> {
    feed.advance()?;
    if let Some(format) = options.format {
        return Ok(format);
    }
    match feed.view().trim_ascii_start().first() {
        Some(b'{') => Ok(Format::Jsonl),
        Some(b'[') => Err(OpenFault::Findings(vec![json_array()])),
        _ => Ok(Format::Csv),
    }
}

fn json_array() -> Finding {
    let told = "the file is a JSON array; write one object a line, as `jq -c '.[]'` does";
    header_finding(FindingCode::InvalidJson, 1, 0, "", told.to_owned())
}

#[cfg(test)]
mod tests;
