//! A record as the reader hands it on: its link, its findings, and its bytes in the file.

use std::ops::Range;

use super::columns::NOTE_COLUMNS;
use super::input_buffer::Extent;
use super::options::Format;
use crate::domain::finding::{Finding, FindingCode, Severity};
use crate::domain::identity::{AttributeName, Destination, ExternalIdentity, Personal, PoolId, ProviderName};
use crate::domain::row::{Link, RowKey, RowNumber};
use crate::limits::ATTRIBUTE_VALUE_CHARS_MAX;

/// A checked row of the input.
#[derive(Debug, Clone)]
pub struct InputRecord {
    /// The first row of data is 1. Empty lines have no number.
    pub number: RowNumber,
    /// The line on which it starts, in the decompressed file, from 1.
    pub line: u64,
    /// `None` where the row by itself has an error. A row that only contradicts other rows still has its link.
    pub link: Option<Link>,
    /// The key over its bytes, where it has no link.
    pub broken_key: Option<RowKey>,
    /// The key of the row that it corrects.
    pub retry_of: Option<RowKey>,
    pub findings: Vec<Finding>,
}

impl InputRecord {
    /// Returns the row's key in the ledger of a pool.
    pub fn key(&self, pool: &PoolId) -> RowKey {
        match (&self.link, self.broken_key) {
            (Some(link), _) => RowKey::of(pool, link),
            (None, Some(key)) => key,
            (None, None) => RowKey::of_broken(b""),
        }
    }

    /// Returns whether the row can be sent.
    pub fn is_valid(&self) -> bool {
        self.link.is_some() && self.findings.iter().all(|finding| finding.severity != Severity::Error)
    }
}

/// A checked row that borrows its values from the input buffer.
pub struct CheckedRow<'a> {
    pub number: RowNumber,
    pub line: u64,
    pub link: Option<LinkRef<'a>>,
    pub broken_key: Option<RowKey>,
    pub retry_of: Option<RowKey>,
    pub findings: Vec<Finding>,
}

impl CheckedRow<'_> {
    pub fn into_record(self) -> InputRecord {
        let Self { number, line, link, broken_key, retry_of, findings } = self;
        InputRecord { number, line, link: link.and_then(|link| link.to_link()), broken_key, retry_of, findings }
    }
}

/// A link whose values have passed every check of the row by itself. Personal, so it has no `Debug`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LinkRef<'a> {
    pub(super) destination: DestinationRef<'a>,
    pub(super) provider: &'a str,
    pub(super) attribute: &'a str,
    pub(super) value: &'a str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DestinationRef<'a> {
    Username(&'a str),
    Email(&'a str),
    Sub(&'a str),
    Phone(&'a str),
    PreferredUsername(&'a str),
    Federated { provider: &'a str, user_id: &'a str },
}

impl LinkRef<'_> {
    /// Copies the values. Values that have passed the checks always make a link.
    pub fn to_link(&self) -> Option<Link> {
        let owned = |text| Personal::parse(text, ATTRIBUTE_VALUE_CHARS_MAX).ok();
        let destination = match self.destination {
            DestinationRef::Username(name) => Destination::Username(owned(name)?),
            DestinationRef::Email(address) => Destination::Email(owned(address)?),
            DestinationRef::Sub(sub) => Destination::Sub(owned(sub)?),
            DestinationRef::Phone(number) => Destination::Phone(owned(number)?),
            DestinationRef::PreferredUsername(name) => Destination::PreferredUsername(owned(name)?),
            DestinationRef::Federated { provider, user_id } => {
                Destination::Federated { provider: ProviderName::parse(provider).ok()?, user_id: owned(user_id)? }
            }
        };
        let (provider, attribute) =
            (ProviderName::parse(self.provider).ok()?, AttributeName::parse(self.attribute).ok()?);
        Some(Link { destination, source: ExternalIdentity::new(provider, attribute, owned(self.value)?).ok()? })
    }
}

/// A record as it stands in the input, without its line end. Personal: for result files only.
#[derive(Clone, Copy)]
pub struct RawRecord<'a> {
    /// Of a record that is too long only the first [`crate::limits::RAW_EXCERPT_BYTES`].
    pub(super) bytes: &'a [u8],
    pub(super) shape: RawShape<'a>,
}

#[derive(Clone, Copy)]
pub(super) enum RawShape<'a> {
    Fields(&'a [CsvField]),
    /// A line that is one JSON object.
    Object,
    /// A record that could not be split or parsed.
    Broken,
}

/// A record as far as its format goes; its values are read from the parser.
pub(super) struct ParsedRecord {
    /// Bytes without the line end; of a record that is too long, of an excerpt.
    pub(super) length: usize,
    pub(super) extent: Extent,
    /// Whether a result file can add columns to it.
    pub(super) is_whole: bool,
    /// Why it has no values.
    pub(super) fault: Option<RecordFault>,
}

pub(super) struct RecordFault {
    pub(super) code: FindingCode,
    pub(super) message: String,
    /// Lines between the start of the record and the fault.
    pub(super) line_offset: u64,
    /// The faulty field of a CSV record, from 0.
    pub(super) field: Option<usize>,
}

impl RecordFault {
    pub(super) fn new(code: FindingCode, message: String) -> Self {
        Self { code, message, line_offset: 0, field: None }
    }
}

/// Where a field of a CSV record is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CsvField {
    /// Its bytes in the record, quotes included.
    pub(super) raw: Range<usize>,
    /// Its text: in the record, or where it has doubled quotes, in the parser's copy without them.
    pub(super) text: Range<usize>,
    pub(super) has_doubled_quotes: bool,
}

impl RawRecord<'_> {
    /// Returns the text of a column by its name in the input; `None` where the record does not have it or has no text there.
    pub fn text_of(&self, layout: &RecordLayout, column: &str) -> Option<String> {
        match self.shape {
            RawShape::Fields(fields) => {
                let field = fields.get(layout.names.iter().position(|name| name == column)?)?;
                let raw = std::str::from_utf8(self.bytes.get(field.raw.clone())?).ok()?;
                Some(match raw.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
                    Some(quoted) => quoted.replace("\"\"", "\""),
                    None => raw.to_owned(),
                })
            }
            RawShape::Object => match serde_json::from_slice::<serde_json::Value>(self.bytes).ok()?.get(column)? {
                serde_json::Value::String(text) => Some(text.clone()),
                value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_)) => Some(value.to_string()),
                _ => None,
            },
            RawShape::Broken => None,
        }
    }

    /// Returns every column of the record with its text; none of a record that could not be split.
    pub fn cells(&self, layout: &RecordLayout) -> Vec<(String, String)> {
        match self.shape {
            RawShape::Fields(fields) => {
                let text_of = |field: &CsvField| {
                    let raw = String::from_utf8_lossy(self.bytes.get(field.raw.clone()).unwrap_or_default());
                    match raw.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
                        Some(quoted) => quoted.replace("\"\"", "\""),
                        None => raw.into_owned(),
                    }
                };
                layout.names.iter().cloned().zip(fields.iter().map(text_of)).collect()
            }
            RawShape::Object => {
                let members: serde_json::Map<String, serde_json::Value> =
                    serde_json::from_slice(self.bytes).unwrap_or_default();
                let text_of = |value| match value {
                    serde_json::Value::String(text) => text,
                    serde_json::Value::Null => String::new(),
                    other => other.to_string(),
                };
                members.into_iter().map(|(name, value)| (name, text_of(value))).collect()
            }
            RawShape::Broken => Vec::new(),
        }
    }
}

impl std::fmt::Debug for RawRecord<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "[{} bytes]", self.bytes.len())
    }
}

/// The format of an input, so that a result file can have the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordLayout {
    pub(super) format: Format,
    pub(super) delimiter: u8,
    pub(super) newline: &'static [u8],
    /// The header of a CSV as it stands there, without its line end.
    pub(super) header: Vec<u8>,
    pub(super) header_fields: Vec<CsvField>,
    /// The names in the header, without the space around them.
    pub(super) names: Vec<String>,
}

impl RecordLayout {
    pub(super) fn jsonl() -> Self {
        Self {
            format: Format::Jsonl,
            delimiter: 0,
            newline: b"\n",
            header: Vec::new(),
            header_fields: Vec::new(),
            names: Vec::new(),
        }
    }

    /// The names in the header of a CSV; `None` where each row has names of its own.
    pub fn column_names(&self) -> Option<&[String]> {
        (self.format == Format::Csv).then_some(&self.names)
    }

    /// Whether rows of both layouts can be in one result file: the columns that it appends aside.
    pub fn has_same_columns(&self, other: &Self) -> bool {
        let names = |layout: &Self| {
            let names = layout.names.iter().map(|name| name.to_lowercase());
            names.filter(|name| !NOTE_COLUMNS.contains(&name.as_str())).collect::<Vec<_>>()
        };
        self.format == other.format && self.delimiter == other.delimiter && names(self) == names(other)
    }

    pub fn delimiter(&self) -> Option<u8> {
        (self.format == Format::Csv).then_some(self.delimiter)
    }
}
