//! What can go wrong with an input as a whole. What is wrong with a row is a finding, never an error.

use std::io;

use super::columns::Column;
use crate::domain::finding::{Finding, FindingCode};
use crate::limits::INPUT_ROWS_MAX;

/// Why an input cannot be read, or a result file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The file cannot be opened.
    #[error("cannot open {name}: {source}")]
    Open {
        /// The input's name.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// What can be read only once cannot be kept for a second reading.
    #[error("cannot keep {name} in a temporary file: {source}; set TMPDIR to a directory with room")]
    Spool {
        /// The input's name.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// Reading broke off.
    #[error("cannot read {name} on from line {line}: {source}")]
    Read {
        /// The input's name.
        name: String,
        /// The line from which nothing could be read, in the decompressed file, from 1.
        line: u64,
        /// What the system or the decompressor said.
        source: io::Error,
    },
    /// The file is of a kind that is not read.
    #[error("{name} is {what}; save it as CSV (UTF-8) or JSONL, plain or packed with gzip or zstd")]
    Unsupported {
        /// The input's name.
        name: String,
        /// What it looks like.
        what: &'static str,
    },
    /// The header, or the options that name its columns, make every row unreadable.
    #[error("{}", headline(.0))]
    Header(Vec<Finding>),
    /// It has more rows than can be compared.
    #[error("{name} has over {INPUT_ROWS_MAX} rows; divide the file")]
    TooManyRows {
        /// The input's name.
        name: String,
    },
    /// A result file cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
}

fn headline(findings: &[Finding]) -> String {
    let told: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
    format!("the input cannot be read: {}", told.join("; "))
}

/// A finding about the header in `line`; `field` 0 means all of it.
pub(super) fn header_finding(code: FindingCode, line: u64, field: u32, column: &str, message: String) -> Finding {
    Finding { code, severity: code.severity(), row: None, line, field, column: column.to_owned(), message }
}

/// A finding about an option, before anything of the input is read.
pub(super) fn option_finding(code: FindingCode, column: Column, message: String) -> Finding {
    header_finding(code, 0, 0, column.name(), message)
}
