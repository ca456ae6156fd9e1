//! Why a command fails, as a code of events and results.

use super::code_enum::code_enum;
use super::run::StopCause;

code_enum! {
    /// Why a command fails, where nothing stops it that also stops a run: [`StopCause`] is for that.
    FailureCode {
        /// An option or a combination of options that cannot be used.
        Usage = "usage",
        InputNotOpened = "input_not_opened",
        InputNotRead = "input_not_read",
        HeaderInvalid = "header_invalid",
        /// Rows are invalid, with `--strict`.
        RowsInvalid = "rows_invalid",
        InputTooSmall = "input_too_small",
        /// The pool shows that the links would be wrong or of no use.
        PoolFindings = "pool_findings",
        OutputNotWritten = "output_not_written",
        TemporaryFile = "temporary_file",
        LedgerLocked = "ledger_locked",
        LedgerMismatch = "ledger_mismatch",
        LedgerVersion = "ledger_version",
        NotALedger = "not_a_ledger",
        /// There is a copy of the ledger beside its place, and no ledger.
        LedgerRescued = "ledger_rescued",
        /// A plan or an approval belongs to something else, or is damaged.
        Mismatch = "mismatch",
        /// The user did not confirm.
        Declined = "declined",
        /// A signal ended a command that has no ledger.
        Interrupted = "interrupted",
        /// `doctor` found what must be corrected.
        ChecksFailed = "checks_failed",
        /// A probe could not delete what it created.
        PoolsLeft = "pools_left",
        /// The machine lacks something, such as memory, threads or disk space.
        System = "system",
        CountsUnbalanced = "counts_unbalanced",
        Panic = "panic",
    }
}

/// The code of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    Failure(FailureCode),
    Stop(StopCause),
}

impl ErrorCode {
    pub fn all() -> impl Iterator<Item = Self> {
        let failures = FailureCode::ALL.iter().copied().map(Self::Failure);
        failures.chain(StopCause::ALL.iter().copied().map(Self::Stop))
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failure(code) => code.as_str(),
            Self::Stop(cause) => cause.as_str(),
        }
    }
}

impl From<FailureCode> for ErrorCode {
    fn from(code: FailureCode) -> Self {
        Self::Failure(code)
    }
}

impl From<StopCause> for ErrorCode {
    fn from(cause: StopCause) -> Self {
        Self::Stop(cause)
    }
}
