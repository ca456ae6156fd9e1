//! Why a command fails, what to do about it, and the exit status.

use std::io;

use crate::domain::counts::CountMismatch;
use crate::domain::error_code::{ErrorCode, FailureCode};
use crate::domain::run::{Signal, StopCause, StopError};
use crate::exit::Exit;
use crate::input::InputError;
use crate::ledger::{LedgerError, LedgerOperation};
use crate::ui::Ui;

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// An option or a combination of options that cannot be used.
    #[error("{0}")]
    Usage(String),
    #[error("a simulated pool without --pool-file is empty: there is nothing to read")]
    EmptySimulation { step: String },
    /// The input, or a result file, cannot be opened, read or written.
    #[error(transparent)]
    Input(#[from] InputError),
    #[error("{invalid} of {read} rows are invalid and --strict was given; nothing was sent")]
    Strict { invalid: u64, read: u64 },
    /// The pool shows that the links would be wrong or of no use.
    #[error("the checks of the pool found {}; nothing was sent", .codes.join(" and "))]
    PoolFindings { codes: Vec<&'static str> },
    /// The input has fewer rows than it must have.
    #[error("{0}")]
    SmallInput(String),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A plan belongs to something else, or is damaged.
    #[error("{0}")]
    Mismatch(String),
    #[error(transparent)]
    Stop(#[from] StopError),
    /// A signal ended a command that has no run.
    #[error("interrupted by {}", .0.name())]
    Interrupted(Signal),
    /// A probe could not delete what it created.
    #[error("{number} of the scratch pools may still exist")]
    PoolsLeft { number: usize },
    /// `doctor` found what must be corrected.
    #[error("failed checks: {}", .names.join(", "))]
    ChecksFailed { names: Vec<&'static str> },
    /// The user did not confirm.
    #[error("nothing was sent")]
    Declined,
    #[error("cannot write the result: {0}")]
    Output(#[from] io::Error),
    #[error("{0}; this is a bug in cognito-link")]
    Unbalanced(#[from] CountMismatch),
    /// The machine lacks something, such as memory, threads or disk space.
    #[error("{0}")]
    System(String),
    /// It was printed when it happened.
    #[error("the program panicked; this is a bug in cognito-link")]
    Panicked,
}

impl Failure {
    pub fn exit(&self) -> Exit {
        match self {
            Self::Stop(stop) | Self::Input(InputError::Object { stop, .. }) => exit_for_stop(stop.cause),
            Self::PoolsLeft { .. } | Self::ChecksFailed { .. } => Exit::Access,
            Self::Interrupted(signal) => exit_for_signal(*signal),
            Self::Input(InputError::Write { source, .. }) if is_full(source) => Exit::Fault,
            Self::Usage(_)
            | Self::EmptySimulation { .. }
            | Self::Declined
            | Self::Input(InputError::Open { .. } | InputError::Write { .. }) => Exit::Usage,
            Self::Input(InputError::Spool { .. })
            | Self::Output(_)
            | Self::Unbalanced(_)
            | Self::System(_)
            | Self::Panicked => Exit::Fault,
            Self::Mismatch(_) | Self::Input(InputError::Changed { .. }) => Exit::Mismatch,
            Self::Input(_) | Self::Strict { .. } | Self::PoolFindings { .. } | Self::SmallInput(_) => {
                Exit::InvalidInput
            }
            Self::Ledger(error) => exit_for_ledger(error),
        }
    }

    /// Returns a stable word for scripts.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Stop(stop) | Self::Input(InputError::Object { stop, .. }) => stop.cause.into(),
            Self::Usage(_) | Self::EmptySimulation { .. } => FailureCode::Usage.into(),
            Self::Input(InputError::Open { .. }) => FailureCode::InputNotOpened.into(),
            Self::Input(InputError::Write { .. }) | Self::Output(_) => FailureCode::OutputNotWritten.into(),
            Self::Input(InputError::Spool { .. }) => FailureCode::TemporaryFile.into(),
            Self::Input(InputError::Changed { .. }) => StopCause::InputChanged.into(),
            Self::Input(InputError::Header(_)) => FailureCode::HeaderInvalid.into(),
            Self::Input(_) => FailureCode::InputNotRead.into(),
            Self::Strict { .. } => FailureCode::RowsInvalid.into(),
            Self::PoolFindings { .. } => FailureCode::PoolFindings.into(),
            Self::SmallInput(_) => FailureCode::InputTooSmall.into(),
            Self::Ledger(LedgerError::Locked { .. }) => FailureCode::LedgerLocked.into(),
            Self::Ledger(LedgerError::Mismatch { .. }) => FailureCode::LedgerMismatch.into(),
            Self::Ledger(LedgerError::Damaged { .. }) => StopCause::LedgerDamaged.into(),
            Self::Ledger(LedgerError::Version { .. }) => FailureCode::LedgerVersion.into(),
            Self::Ledger(LedgerError::Rescued { .. }) => FailureCode::LedgerRescued.into(),
            Self::Ledger(LedgerError::NotALedger { .. }) => FailureCode::NotALedger.into(),
            Self::Ledger(_) => StopCause::LedgerIo.into(),
            Self::Mismatch(_) => FailureCode::Mismatch.into(),
            Self::Declined => FailureCode::Declined.into(),
            Self::Interrupted(_) => FailureCode::Interrupted.into(),
            Self::PoolsLeft { .. } => FailureCode::PoolsLeft.into(),
            Self::ChecksFailed { .. } => FailureCode::ChecksFailed.into(),
            Self::Unbalanced(_) => FailureCode::CountsUnbalanced.into(),
            Self::System(_) => FailureCode::System.into(),
            Self::Panicked => FailureCode::Panic.into(),
        }
    }

    /// Prints it, with what to do.
    pub fn print(&self, ui: &Ui) {
        match self {
            Self::Stop(stop) => ui.stopped(stop),
            Self::Panicked => {}
            _ => ui.error(self.code(), &self.to_string(), self.hint()),
        }
    }

    /// Returns what to do about it, where the message does not say.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::EmptySimulation { step } => Some(step),
            Self::Strict { .. } => Some("correct the rows listed above, or omit --strict to link the other rows"),
            Self::PoolFindings { .. } => Some(
                "`cognito-link explain CODE` prints what to do; `cognito-link doctor INPUT` lists all checks of sign-ins",
            ),
            Self::SmallInput(_) => {
                Some("check the export; if it is right, lower --min-rows or raise --max-shrink for one run")
            }
            Self::Ledger(LedgerError::Io { operation: LedgerOperation::Create, .. }) => {
                Some("name a place that you can write to with `--ledger FILE`")
            }
            _ => None,
        }
    }
}

/// Whether the disk is full, which is no mistake in the options.
fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

fn exit_for_ledger(error: &LedgerError) -> Exit {
    match error {
        LedgerError::Io { operation: LedgerOperation::Create | LedgerOperation::Open, .. } => Exit::Usage,
        LedgerError::Locked { .. } => Exit::Locked,
        LedgerError::Mismatch { .. }
        | LedgerError::Damaged { .. }
        | LedgerError::Version { .. }
        | LedgerError::Rescued { .. }
        | LedgerError::NotALedger { .. } => Exit::Mismatch,
        _ => Exit::Fault,
    }
}

pub fn exit_for_signal(signal: Signal) -> Exit {
    match signal {
        Signal::Interrupt => Exit::Interrupted,
        Signal::Terminate => Exit::Terminated,
        Signal::HangUp => Exit::HungUp,
    }
}

pub fn exit_for_stop(cause: StopCause) -> Exit {
    match cause {
        StopCause::Configuration => Exit::Usage,
        StopCause::Credentials
        | StopCause::AccessDenied
        | StopCause::PoolMissing
        | StopCause::NotEnabledHere
        | StopCause::Unreachable => Exit::Access,
        StopCause::Bound | StopCause::Canary | StopCause::Drained => Exit::Bound,
        StopCause::InputChanged | StopCause::LedgerDamaged => Exit::Mismatch,
        StopCause::InputIo | StopCause::LedgerIo => Exit::Fault,
    }
}

/// Returns why a run cannot go on when its input cannot be read any more.
pub fn input_stop(error: &InputError) -> StopError {
    let cause = match error {
        InputError::Changed { .. } => StopCause::InputChanged,
        InputError::Object { stop, .. } => stop.cause,
        _ => StopCause::InputIo,
    };
    StopError::new(cause, error.to_string())
}

#[cfg(test)]
#[test]
fn damage_that_a_run_meets_ends_as_damage_that_is_met_before_it() {
    let damaged = LedgerError::Damaged { place: "l".into(), offset: 5, line: 2, reason: "no".into() };
    assert_eq!(exit_for_stop(StopError::from(damaged.clone()).cause), Exit::Mismatch);
    assert_eq!(exit_for_ledger(&damaged), Exit::Mismatch);
    let full = LedgerError::io(LedgerOperation::Write, "l".into(), &io::ErrorKind::StorageFull.into());
    assert_eq!(exit_for_stop(StopError::from(full).cause), Exit::Fault);
}

pub fn temporary_file_stop(error: &io::Error) -> StopError {
    let detail = format!("cannot write a temporary file: {error}; set TMPDIR to a directory with free space");
    StopError::new(StopCause::InputIo, detail)
}

pub fn temporary_file_error(error: &io::Error) -> Failure {
    Failure::System(format!("cannot read a temporary file: {error}"))
}
