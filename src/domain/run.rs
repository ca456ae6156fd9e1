//! Why a run ends, and its report.

use std::time::Duration;

use super::code_enum::code_enum;
use super::counts::Counts;
use super::identity::PoolId;
use super::outcome::ServiceText;

code_enum! {
    /// What stops a whole run, never a row.
    StopCause {
        /// The settings of the connection cannot be used: an endpoint, a proxy, a CA bundle.
        Configuration = "configuration",
        /// Credentials are missing, expired or not accepted.
        Credentials = "credentials",
        /// The credentials may not call an operation that is needed.
        AccessDenied = "access_denied",
        /// The pool does not exist in this account and Region.
        PoolMissing = "pool_missing",
        /// Writes belong in the pool's primary Region (`OperationNotEnabledException`).
        NotEnabledHere = "not_enabled_here",
        /// The service cannot be reached, or gives no answer that can be used.
        Unreachable = "unreachable",
        LedgerIo = "ledger_io",
        /// The ledger was damaged while it was in use.
        LedgerDamaged = "ledger_damaged",
        InputIo = "input_io",
        /// The input is not as it was when it was checked.
        InputChanged = "input_changed",
        /// A bound of the options was reached.
        Bound = "bound",
        /// A row of the canary is not right.
        Canary = "canary",
        /// A person requested the end.
        Drained = "drained",
    }
}

/// Why a whole run cannot go on. `Display` holds no personal data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct StopError {
    pub cause: StopCause,
    /// What happened and what to do, a lower-case fragment in this program's words.
    pub detail: String,
    pub service_text: Option<ServiceText>,
}

impl StopError {
    /// A stop that no answer of the service caused.
    pub fn new(cause: StopCause, detail: impl Into<String>) -> Self {
        Self { cause, detail: detail.into(), service_text: None }
    }

    pub fn about_pool(mut self, pool: &PoolId) -> Self {
        self.detail = format!("user pool {pool}: {}", self.detail);
        self
    }

    /// The detail, with the service's message where `show_values` permits it.
    pub fn printable_detail(&self, show_values: bool) -> String {
        match self.service_text.as_ref().and_then(|text| text.printable_message(show_values)) {
            Some(message) => format!("{}; the service answered: {message}", self.detail),
            None => self.detail.clone(),
        }
    }

    pub fn hides_message(&self, show_values: bool) -> bool {
        self.service_text.as_ref().is_some_and(|text| text.is_hidden(show_values))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT, Ctrl-C.
    Interrupt,
    /// SIGTERM, as schedulers send it.
    Terminate,
    /// SIGHUP, as a terminal that is closed sends it.
    HangUp,
}

impl Signal {
    pub fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
            Self::HangUp => "SIGHUP",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunOutcome {
    /// Every row of the input was read and reached a result.
    Completed,
    /// A signal came; what was in flight was finished, or is in doubt where it did not finish in time.
    Interrupted(Signal),
    Stopped(StopError),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunPurpose {
    #[default]
    Link,
    Undo,
    /// To list the links that would be removed.
    UndoDryRun,
}

impl RunPurpose {
    pub fn is_undo(self) -> bool {
        self != Self::Link
    }
}

/// What a run has to say at its end.
#[derive(Debug, Clone, PartialEq)]
pub struct RunReport {
    pub purpose: RunPurpose,
    pub pool: PoolId,
    pub simulated: bool,
    pub ended: RunOutcome,
    /// Rows by state, balanced. In a run of `undo`, links that it refused, failed to remove or left in doubt count as
    /// such; links that it did not reach count as linked.
    pub counts: Counts,
    /// Rows of the input that were not read any more, where the total is known.
    pub not_read: Option<u64>,
    pub writes: u64,
    pub reads: u64,
    pub throttled: u64,
    /// The head of the ledger's hash chain at the end; `None` where the end could not be recorded.
    pub ledger_head: Option<String>,
    /// Rows that did not match the plan; `None` without a plan.
    pub missed: Option<u64>,
    /// Links that this run made of users who were read, for a look-up or to be read back, and are disabled.
    pub links_of_disabled_users: u64,
    /// Time from the first row taken up to the end.
    pub elapsed: Duration,
}
