//! What can be wrong with an input as a whole. What is wrong with a row is a finding, never an error.

use std::fmt::Display;
use std::io;

use super::columns::Column;
use super::read_fault::{is_change, object_stop};
use crate::domain::finding::{Finding, FindingCode};
use crate::domain::run::StopError;
use crate::limits::{CONFLICTS_MAX, INPUT_ROWS_MAX};

/// Why an input cannot be read, or a result file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    #[error("cannot open {name}: {source}")]
    Open { name: String, source: io::Error },
    /// An input that can be read only once cannot be copied for a second reading.
    #[error("cannot copy {name} to a temporary file: {source}; set TMPDIR to a directory with enough space")]
    Spool { name: String, source: io::Error },
    #[error("cannot read {name} from line {line} on: {source}")]
    Read {
        name: String,
        /// The line from which nothing could be read, in the decompressed file, from 1.
        line: u64,
        source: io::Error,
    },
    /// The file is not what it was when it was checked.
    #[error(
        "{name} was changed after it was checked, near line {line}; nothing that was not checked was used; finish the \
         change, and run the same command again"
    )]
    Changed {
        name: String,
        /// The first line that may not be as it was.
        line: u64,
    },
    /// The file is of a kind that is not supported.
    #[error("{name} is {what}; save it as CSV (UTF-8) or JSONL, plain or compressed with gzip or zstd")]
    Unsupported { name: String, what: &'static str },
    /// The header, or the options that name its columns, make every row unreadable.
    #[error("the input cannot be read: {}", .0.iter().map(|finding| finding.message.as_str()).collect::<Vec<_>>().join("; "))]
    Header(Vec<Finding>),
    /// It has more rows than can be compared.
    #[error("{name} has more than {INPUT_ROWS_MAX} rows; split the file")]
    TooManyRows { name: String },
    /// What is wrong with so many rows is not kept.
    #[error("more than {CONFLICTS_MAX} rows of {name} repeat or contradict other rows; check the export")]
    TooManyConflicts { name: String },
    #[error("cannot write {path}: {source}")]
    Write { path: String, source: io::Error },
    /// An object of S3 cannot be read or written.
    #[error("cannot {what}: {stop}")]
    Object {
        /// `read` or `write`, and the address. Boxed, so that every other error stays small.
        what: Box<str>,
        stop: StopError,
    },
}

impl InputError {
    /// Returns the error of a reading that ended at this line.
    pub(super) fn read(name: &str, line: u64, source: io::Error) -> Self {
        let name = name.to_owned();
        if let Some(stop) = object_stop(&source) {
            return Self::reading(&name, stop.clone());
        }
        if is_change(&source) { Self::Changed { name, line } } else { Self::Read { name, line, source } }
    }

    pub(super) fn reading(name: &impl Display, stop: StopError) -> Self {
        Self::Object { what: format!("read {name}").into(), stop }
    }

    pub(super) fn writing(name: &impl Display, stop: StopError) -> Self {
        Self::Object { what: format!("write {name}").into(), stop }
    }
}

/// Returns a finding about the header on `line`; `field` 0 means all of it.
pub(super) fn header_finding(code: FindingCode, line: u64, field: u32, column: &str, message: String) -> Finding {
    Finding { code, severity: code.severity(), row: None, line, field, column: column.to_owned(), message }
}

/// Returns a finding about an option, before anything of the input is read.
pub(super) fn option_finding(code: FindingCode, column: Column, message: String) -> Finding {
    header_finding(code, 0, 0, column.name(), message)
}
