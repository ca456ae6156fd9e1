//! What can go wrong with a ledger, as distinct as the exit statuses need it.

use std::fmt;
use std::io;

use super::record::{Binding, FORMAT_VERSION};
use crate::domain::row::{RowKey, RowNumber};
use crate::domain::state::IllegalTransition;
use crate::limits::LEDGER_LINE_BYTES_MAX;

/// The run that holds a ledger, as it wrote itself into the file beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockHolder {
    /// Its process id on that host.
    pub pid: u32,
    /// The host it runs on; empty where that could not be read.
    pub host: String,
}

/// What was being done with the storage when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerOperation {
    Create,
    Open,
    Lock,
    Read,
    /// To cut what a crash left at the end.
    Repair,
    Write,
    Sync,
}

impl fmt::Display for LedgerOperation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Create => "create",
            Self::Open => "open",
            Self::Lock => "lock",
            Self::Read => "read",
            Self::Repair => "repair",
            Self::Write => "write",
            Self::Sync => "sync",
        })
    }
}

/// A ledger that cannot be used. No text of it holds anything that a ledger line says. `place` is the ledger's path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The storage failed. After a failed write or sync nothing more is written: what is durable is no longer known.
    #[error("cannot {operation} ledger {place}: {detail}")]
    Io {
        operation: LedgerOperation,
        place: String,
        /// For callers that tell a missing file from a full disk.
        kind: io::ErrorKind,
        /// What the system said.
        detail: String,
    },
    #[error("another run{} holds {place}; wait for it to end, or stop it", describe(holder.as_ref()))]
    Locked {
        place: String,
        /// `None` where that cannot be read.
        holder: Option<LockHolder>,
    },
    #[error("ledger {place} belongs to {held}, and this run is for {wanted}; name another ledger with `--ledger`")]
    Mismatch {
        place: String,
        /// What its header says.
        held: Binding,
        /// What this run is for.
        wanted: Binding,
    },
    /// A line cannot be understood, or cannot follow what the lines before it say.
    #[error(
        "ledger {place} is damaged at line {line} (byte {offset}): {reason}; restore it from a copy, or correct that line"
    )]
    Damaged {
        place: String,
        /// Where the line starts, in bytes from the start of the file.
        offset: u64,
        /// From 1.
        line: u64,
        /// Nothing that the line says.
        reason: String,
    },
    #[error(
        "{place}: ledger format {found} is not supported, this version uses format {FORMAT_VERSION}; go on with the \
         version that wrote it, or name a new ledger with `--ledger`: rows that are linked already end as \
         `already_linked` there"
    )]
    Version {
        place: String,
        /// The format that its header names.
        found: u64,
    },
    #[error("{place} is not a ledger of cognito-link; it was not changed")]
    NotALedger { place: String },
    /// The program tried what cannot happen.
    #[error("row {row} ({key}): {illegal}; this is a bug in cognito-link, please report it")]
    Illegal { row: RowNumber, key: RowKey, illegal: IllegalTransition },
    /// Nothing of the line was written.
    #[error("a line of {bytes} bytes does not fit in ledger {place}, which takes at most {LEDGER_LINE_BYTES_MAX}")]
    LineTooLong { place: String, bytes: usize },
}

impl LedgerError {
    #[must_use]
    pub fn io(operation: LedgerOperation, place: String, error: &io::Error) -> Self {
        Self::Io { operation, place, kind: error.kind(), detail: error.to_string() }
    }
}

fn describe(holder: Option<&LockHolder>) -> String {
    match holder {
        Some(LockHolder { pid, host }) if host.is_empty() => format!(" (pid {pid})"),
        Some(LockHolder { pid, host }) => format!(" (pid {pid} on {host})"),
        None => String::new(),
    }
}
