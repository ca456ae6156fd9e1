//! The exit statuses: an interface for schedulers and scripts.

use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Exit {
    /// 0: every row is in the desired state.
    Success = 0,
    /// 1: an unexpected fault of the program.
    Fault = 1,
    /// 2: usage.
    Usage = 2,
    /// 3: finished, and some rows are refused, failed, in doubt or invalid.
    Incomplete = 3,
    /// 4: the input is invalid; nothing was sent.
    InvalidInput = 4,
    /// 5: drift, only with the option that requests this status.
    Drift = 5,
    /// 6: the ledger or plan is of another input or pool, or the ledger is damaged.
    Mismatch = 6,
    /// 7: credentials, permission, pool missing, service out of reach; `doctor`: a check failed.
    Access = 7,
    /// 8: another run holds the lock.
    Locked = 8,
    /// 9: stopped by a bound.
    Bound = 9,
    /// 129: hung up (SIGHUP) and drained; a rerun resumes.
    HungUp = 129,
    /// 130: interrupted (SIGINT) and drained; a rerun resumes.
    Interrupted = 130,
    /// 143: terminated (SIGTERM) and drained; a rerun resumes.
    Terminated = 143,
}

impl Exit {
    /// Every status, in the order of docs/exit-statuses.md.
    pub const ALL: [Self; 13] = [
        Self::Success,
        Self::Fault,
        Self::Usage,
        Self::Incomplete,
        Self::InvalidInput,
        Self::Drift,
        Self::Mismatch,
        Self::Access,
        Self::Locked,
        Self::Bound,
        Self::HungUp,
        Self::Interrupted,
        Self::Terminated,
    ];

    pub fn status(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}
