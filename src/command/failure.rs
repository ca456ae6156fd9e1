//! Why a command does not come to a result, what to say then, and with which status to leave.

use std::io;

use crate::config::ConfigError;
use crate::domain::stop::{Stop, StopCause};
use crate::domain::summary::Unbalanced;
use crate::exit::Exit;
use crate::input::InputError;
use crate::ledger::{LedgerError, LedgerOperation};

/// Why a command does not come to a result.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// An option or a combination of options that cannot be used.
    #[error("{0}")]
    Usage(String),
    /// The input, or a result file, cannot be opened, read or written.
    #[error(transparent)]
    Input(#[from] InputError),
    /// `--strict`, and some rows are invalid.
    #[error("{invalid} of {read} rows are invalid and --strict was given; nothing was sent")]
    Strict {
        /// Invalid rows.
        invalid: u64,
        /// All rows.
        read: u64,
    },
    /// The ledger cannot be used.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A plan belongs to something else, or is damaged.
    #[error("{0}")]
    Mismatch(String),
    /// The service cannot be used.
    #[error(transparent)]
    Stop(#[from] Stop),
    /// The person said no.
    #[error("nothing was sent")]
    Declined,
    /// stdout cannot be written.
    #[error("cannot write the result: {0}")]
    Output(#[from] io::Error),
    /// The counts do not add up.
    #[error("{0}; this is a fault of the program")]
    Unbalanced(#[from] Unbalanced),
    /// The machine does not give what the program needs.
    #[error("{0}")]
    System(String),
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.0)
    }
}

impl Failure {
    /// The status to leave with.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Input(InputError::Write { source, .. }) if is_full(source) => Exit::Fault,
            Self::Usage(_) | Self::Declined | Self::Input(InputError::Open { .. } | InputError::Write { .. }) => {
                Exit::Usage
            }
            Self::Input(InputError::Spool { .. }) | Self::Output(_) | Self::Unbalanced(_) | Self::System(_) => {
                Exit::Fault
            }
            Self::Input(_) | Self::Strict { .. } => Exit::InvalidInput,
            Self::Mismatch(_) => Exit::Mismatch,
            Self::Ledger(error) => ledger_exit(error),
            Self::Stop(stop) => stop_exit(stop.cause),
        }
    }

    /// What to do about it, where the sentence itself does not say.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Strict { .. } => Some("correct the rows listed above, or leave --strict out to link the others"),
            Self::Input(InputError::Header(_)) => {
                Some("name the columns with --map COLUMN=NAME, give constants with --set COLUMN=VALUE")
            }
            _ => None,
        }
    }
}

/// Whether a file could not be written for want of room: not the fault of whoever named it.
fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

fn ledger_exit(error: &LedgerError) -> Exit {
    match error {
        // Before anything is sent: the path is wrong. Later it is an I/O fault of the machine.
        LedgerError::Io { operation: LedgerOperation::Create | LedgerOperation::Open, .. } => Exit::Usage,
        LedgerError::Locked { .. } => Exit::Locked,
        LedgerError::Mismatch { .. }
        | LedgerError::Damaged { .. }
        | LedgerError::Version { .. }
        | LedgerError::NotALedger { .. } => Exit::Mismatch,
        _ => Exit::Fault,
    }
}

/// The status of a run that was stopped.
#[must_use]
pub fn stop_exit(cause: StopCause) -> Exit {
    match cause {
        StopCause::Credentials
        | StopCause::AccessDenied
        | StopCause::PoolMissing
        | StopCause::NotEnabledHere
        | StopCause::Unreachable => Exit::Access,
        StopCause::Bound => Exit::Bound,
        StopCause::InputIo | StopCause::LedgerIo => Exit::Fault,
    }
}
