//! What can go wrong with a ledger, as distinct as the exit statuses need it.

use std::fmt;
use std::io;

use super::record::{Binding, FORMAT_VERSION};
use crate::domain::escape::shell_path;
use crate::domain::row::{RowKey, RowNumber};
use crate::domain::run::{StopCause, StopError};
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

/// How an open ledger got lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisplacedHow {
    Deleted,
    /// It has another name or place now.
    Moved,
    /// Another file has its name.
    Replaced,
    Truncated,
    /// Another program has written to it.
    WrittenByOthers,
}

impl DisplacedHow {
    /// Whether the file that is open cannot be reached by the ledger's path any more.
    pub fn is_elsewhere(self) -> bool {
        matches!(self, Self::Deleted | Self::Moved | Self::Replaced)
    }
}

/// Whether there is a copy of what was written to a ledger that got lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rescue {
    /// The file is where it was.
    NotNeeded,
    /// The path of the copy, beside the place of the ledger.
    Copied(String),
    /// The path of the copy, in the folder for temporary files.
    CopiedElsewhere(String),
    /// Why there is none.
    Failed(String),
}

impl fmt::Display for DisplacedHow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Deleted => "deleted",
            Self::Moved => "moved away",
            Self::Replaced => "replaced by another file",
            Self::Truncated => "truncated",
            Self::WrittenByOthers => "written to by another program",
        })
    }
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
        /// To distinguish a missing file from a full disk.
        kind: io::ErrorKind,
        detail: String,
    },
    /// Somebody pulled the file away, or changed it, while it was open.
    #[error("ledger {place} was {how} during the run; {}", advice(place, *how, rescue))]
    Displaced { place: String, how: DisplacedHow, rescue: Rescue },
    /// Beside the place of the ledger is what an earlier run wrote to it.
    #[error("{}", rescued_text(place, copy, *is_new))]
    Rescued {
        place: String,
        copy: String,
        /// There is no ledger, or an empty one.
        is_new: bool,
    },
    #[error("another run{} holds {place}; wait for it to end, or stop it", describe(holder.as_ref()))]
    Locked {
        place: String,
        /// `None` where that cannot be read.
        holder: Option<LockHolder>,
    },
    #[error(
        "ledger {place} belongs to {held}, and this run is for {expected}: use another ledger, or the pool and the endpoint \
         of this one"
    )]
    Mismatch {
        place: String,
        /// What its header says.
        held: Binding,
        /// What this run is for.
        expected: Binding,
    },
    /// A line cannot be understood, or cannot follow what the lines before it say.
    #[error(
        "ledger {place} is damaged at line {line} (byte {offset}): {reason}; restore it from a copy, or {}; `undo` then does \
         not know the links of the other lines",
        keep_lines_before(place, *offset)
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
        "{place}: ledger format {found} is not supported, this version uses format {FORMAT_VERSION}; continue with the \
         version that wrote it, or start a new ledger with `cognito-link link INPUT --ledger FILE`, which records the \
         existing links as `already_linked`"
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

impl From<LedgerError> for StopError {
    fn from(error: LedgerError) -> Self {
        let cause = match &error {
            LedgerError::Damaged { .. } => StopCause::LedgerDamaged,
            _ => StopCause::LedgerIo,
        };
        Self::new(cause, error.to_string())
    }
}

fn rescued_text(place: &str, copy: &str, is_new: bool) -> String {
    if is_new {
        format!(
            "ledger {place} is missing, and {copy} holds what an earlier run wrote to it: give that file the ledger's \
             name and run again, or move it elsewhere to start a new ledger, whose `undo` does not know the earlier links"
        )
    } else {
        format!(
            "ledger {place} is there, and {copy} beside it holds what an earlier run wrote: keep the one with all links \
             under the ledger's name, move the other one elsewhere, and run again; `cognito-link report FILE` counts the \
             links of each, and if both have links of their own, `undo` takes each file by its path"
        )
    }
}

/// Returns the commands that keep the first bytes of a ledger under its name, and the whole file beside it. `ln` fails where
/// that file has been made before.
fn keep_lines_before(place: &str, offset: u64) -> String {
    let beside = |ending: &str| shell_path(&format!("{place}{ending}"));
    let (ledger, damaged, cut) = (shell_path(place), beside(".damaged"), beside(".cut"));
    if offset == 0 {
        return format!("start a new one: `ln {ledger} {damaged} && rm {ledger}`");
    }
    format!(
        "keep the lines before that one: `ln {ledger} {damaged} && (umask 077; head -c {offset} {damaged} > {cut}) && mv \
         {cut} {ledger}`"
    )
}

const RESTORE: &str = "restore it from a copy of your own, and run again; without one, links that exist end \
                       `already_linked`, and `undo` does not know them";

fn advice(place: &str, how: DisplacedHow, rescue: &Rescue) -> String {
    let first = if how == DisplacedHow::Replaced { "move the other file away, " } else { "" };
    match (rescue, how) {
        (Rescue::Copied(copy), _) => {
            format!("everything that was written is in {copy}: {first}give it the ledger's name, and run again")
        }
        (Rescue::CopiedElsewhere(copy), _) => format!(
            "everything that was written is in {copy}, in a folder that the system may empty: {first}copy it to the \
             ledger's place now, and run again"
        ),
        (Rescue::Failed(why), DisplacedHow::Moved) => {
            format!("what was written could not be copied ({why}): put the ledger back where it was, and run again")
        }
        (Rescue::Failed(why), _) => format!("what was written could not be copied ({why}): {RESTORE}"),
        (Rescue::NotNeeded, DisplacedHow::Truncated) => RESTORE.to_owned(),
        (Rescue::NotNeeded, _) => format!(
            "check it with `cognito-link verify {}`, restore it from a copy if it is damaged, and run again",
            shell_path(place)
        ),
    }
}

fn describe(holder: Option<&LockHolder>) -> String {
    match holder {
        Some(LockHolder { pid, host }) if host.is_empty() => format!(" (pid {pid})"),
        Some(LockHolder { pid, host }) => format!(" (pid {pid} on {host})"),
        None => String::new(),
    }
}
