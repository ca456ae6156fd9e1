//! A record as it is handed on: what it asks for, what is wrong with it, and how it stood in the file.

use super::asked::Asked;
use super::check;
use super::columns::Format;
use crate::domain::finding::Finding;
use crate::domain::row::{Link, RowNumber};

/// One row of the input, checked.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its number: the first row of data is 1. Empty lines have none.
    pub number: RowNumber,
    /// The line on which it starts, in the decompressed file, from 1.
    pub line: u64,
    /// What it asks for; `None` where the row by itself does not say. A row that is wrong beside others still asks.
    pub link: Option<Link>,
    /// Everything that is wrong with it, and what is worth a look.
    pub findings: Vec<Finding>,
}

impl Record {
    /// Whether nothing keeps it from being sent.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.link.is_some() && !check::has_errors(&self.findings)
    }
}

/// A row of the input, checked, while it is still in view: nothing of it has been copied.
pub struct Glimpse<'a> {
    /// Its number: the first row of data is 1. Empty lines have none.
    pub number: RowNumber,
    /// The line on which it starts, in the decompressed file, from 1.
    pub line: u64,
    /// What it asks for; `None` where the row by itself does not say. A row that is wrong beside others still asks.
    pub asked: Option<Asked<'a>>,
    /// Everything that is wrong with it, and what is worth a look.
    pub findings: Vec<Finding>,
}

impl Glimpse<'_> {
    /// The same with values of its own.
    #[must_use]
    pub fn into_record(self) -> Record {
        let Self { number, line, asked, findings } = self;
        Record { number, line, link: asked.and_then(|asked| asked.to_link()), findings }
    }
}

/// A record as it stands in the input, without its line end. Personal: for result files only.
#[derive(Clone, Copy)]
pub struct RawRecord<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) shape: RawShape<'a>,
}

/// What is known of a raw record.
#[derive(Clone, Copy)]
pub(super) enum RawShape<'a> {
    /// A CSV record, and where its fields end among their texts.
    Fields(&'a [usize]),
    /// A line that is one JSON object.
    Object,
    /// A record that could not be taken apart.
    Broken,
}

impl<'a> RawRecord<'a> {
    /// The bytes; of a record that is too long only the first [`crate::limits::RAW_EXCERPT_BYTES`].
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

impl std::fmt::Debug for RawRecord<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "[{} bytes]", self.bytes.len())
    }
}

/// How an input is laid out, so that a result file can be laid out the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    pub(super) format: Format,
    pub(super) delimiter: u8,
    pub(super) newline: &'static [u8],
    /// The header as it stands in a CSV, without its line end.
    pub(super) header: Vec<u8>,
    /// Where its fields end among their texts.
    pub(super) header_ends: Vec<usize>,
    /// The header's names, without the space around them.
    pub(super) names: Vec<String>,
}

impl Layout {
    pub(super) fn jsonl() -> Self {
        Self {
            format: Format::Jsonl,
            delimiter: 0,
            newline: b"\n",
            header: Vec::new(),
            header_ends: Vec::new(),
            names: Vec::new(),
        }
    }

    /// CSV or JSONL.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// The delimiter of a CSV.
    #[must_use]
    pub fn delimiter(&self) -> Option<u8> {
        (self.format == Format::Csv).then_some(self.delimiter)
    }

    /// The names of a CSV's header, without the space around them; none for JSONL.
    #[must_use]
    pub fn headers(&self) -> &[String] {
        &self.names
    }
}
