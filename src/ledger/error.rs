//! What can go wrong with a ledger, told apart as the exit statuses need it.

use std::fmt;
use std::io;

use crate::domain::identity::PoolId;
use crate::domain::row::{RowKey, RowNumber};
use crate::domain::state::IllegalEvent;

/// What a ledger belongs to: it is never used with anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The pool.
    pub pool: PoolId,
    /// Whether that pool is simulated.
    pub simulated: bool,
}

impl fmt::Display for Binding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.simulated { "simulated" } else { "real" };
        write!(formatter, "{kind} pool {}", self.pool)
    }
}

/// The run that holds a ledger, as it told itself in the file beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its process id on that host.
    pub pid: u32,
    /// The host it runs on; empty where that could not be read.
    pub host: String,
}

/// A ledger that cannot be used. No text of it holds anything that a ledger line says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The storage failed. After a failed write or sync nothing more is written: what is durable is no longer known.
    #[error("cannot {action} ledger {place}: {detail}")]
    Io {
        /// What was being done: a verb.
        action: &'static str,
        /// Which ledger.
        place: String,
        /// The kind, for callers that tell a missing file from a full disk.
        kind: io::ErrorKind,
        /// What the system said.
        detail: String,
    },
    /// The file cannot be opened or created. Nothing was sent yet, so the path is a mistake in the options.
    #[error("cannot open ledger {place}: {detail}")]
    Open {
        /// Which ledger.
        place: String,
        /// What the system reported.
        kind: io::ErrorKind,
        /// The system's message.
        detail: String,
    },
    /// Another run holds the lock.
    #[error("another run{} holds {place}; wait for it to end, or stop it", described(holder.as_ref()))]
    Locked {
        /// Which ledger.
        place: String,
        /// Who holds it, where that can be told.
        holder: Option<Holder>,
    },
    /// It belongs to another pool, or to a simulated one and not to a real one.
    #[error("ledger {place} belongs to {held}, and this run is for {wanted}; name another ledger with --ledger")]
    Mismatch {
        /// Which ledger.
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
        /// Which ledger.
        place: String,
        /// Where the line starts, in bytes from the start of the file.
        offset: u64,
        /// The line's number, from 1.
        line: u64,
        /// What is wrong with it, without anything that it says.
        reason: String,
    },
    /// Written by another version of this program, in a format that this one does not know.
    #[error("ledger {place} has format {found}, and this version reads format {known}; use the version that wrote it", known = super::record::FORMAT_VERSION)]
    Version {
        /// Which ledger.
        place: String,
        /// The format that its header names.
        found: u64,
    },
    /// Something else than a ledger.
    #[error("{place} is not a ledger of this program; it is left as it is")]
    NotALedger {
        /// Which file.
        place: String,
    },
    /// The program asked for what cannot happen: a fault of the program.
    #[error("row {row} ({key}): {illegal}; this is a fault of the program")]
    Illegal {
        /// The row's number.
        row: RowNumber,
        /// The row's key.
        key: RowKey,
        /// What was asked for, and where the row stands.
        illegal: IllegalEvent,
    },
    /// A line would be longer than a ledger may hold; nothing was written.
    #[error("a line of {bytes} bytes does not fit in ledger {place}, which takes {max}", max = crate::limits::LEDGER_LINE_BYTES_MAX)]
    LineTooLong {
        /// Which ledger.
        place: String,
        /// How long the line would be.
        bytes: usize,
    },
}

impl LedgerError {
    /// Returns the error for a path that cannot be opened.
    #[must_use]
    pub fn open(path: &std::path::Path, error: &io::Error) -> Self {
        Self::Open { place: path.display().to_string(), kind: error.kind(), detail: error.to_string() }
    }

    pub(super) fn io(action: &'static str, place: String, error: &io::Error) -> Self {
        Self::Io { action, place, kind: error.kind(), detail: error.to_string() }
    }
}

fn described(holder: Option<&Holder>) -> String {
    match holder {
        Some(Holder { pid, host }) if host.is_empty() => format!(" (pid {pid})"),
        Some(Holder { pid, host }) => format!(" (pid {pid} on {host})"),
        None => String::new(),
    }
}
