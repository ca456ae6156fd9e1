//! What a run reports while it goes. Nothing in an event is personal: a row is its number and key.

use std::time::Duration;

use super::canary::CanaryFinding;
use super::control::{ChosenRate, ControlChange, ControlSource, Hold};
use super::counts::Counts;
use super::finding::Finding;
use super::row::{RowKey, RowNumber};
use super::state::RowState;

/// Why nothing is being sent at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitReason {
    /// A person, a file or the schedule holds the run.
    Held(Hold),
    /// The service throttled; everything pauses for this long.
    CoolDown(Duration),
    /// The next call is due after this long, because the rate is so low.
    Rate(Duration),
    /// Rows wait for their back-off after transient faults.
    BackOff(Duration),
    /// Rows wait until a call in doubt can be read back.
    Settling(Duration),
    Concurrency,
    /// The input has not delivered its next row.
    Input,
}

impl WaitReason {
    /// The word in progress events and in the state of a live run.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held(Hold::Operator) => "operator",
            Self::Held(Hold::PauseFile) => "pause_file",
            Self::Held(Hold::Window { .. }) => "window",
            Self::CoolDown(_) => "throttled",
            Self::Rate(_) => "rate",
            Self::BackOff(_) => "back_off",
            Self::Settling(_) => "settling",
            Self::Concurrency => "answers",
            Self::Input => "input",
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunSnapshot {
    pub counts: Counts,
    /// Rows of the input, where they were counted before the start.
    pub total: Option<u64>,
    pub in_flight: usize,
    /// The pace that is allowed at this moment, in writes a second.
    pub rate_per_second: f64,
    /// The limit that a person has chosen during the run.
    pub chosen_rate: Option<ChosenRate>,
    /// Rows that reached their result in this run, a second, over the last while.
    pub done_per_second: f64,
    pub throttled: u64,
    pub writes: u64,
    pub reads: u64,
    /// Time since the service last accepted a write.
    pub since_accepted: Option<Duration>,
    /// Time since the first row was taken up.
    pub elapsed: Duration,
    /// Time that the rest will take at the present pace, closed hours of windows included, where the total is known.
    pub remaining: Option<Duration>,
    pub waiting: Option<WaitReason>,
    /// The age of the row that has been throttled the longest, where any has.
    pub oldest_throttled: Option<Duration>,
    /// Whether the run takes no new rows and is about to end.
    pub draining: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum RunEvent {
    /// The input is being read for the first time; this many rows so far.
    Checking {
        rows: u64,
    },
    /// The pool is being read; this many users so far.
    Scanning {
        users: u64,
        /// The service's estimate of how many there are.
        estimated: u64,
    },
    /// Something is wrong with a row, or worth a look.
    Found(Finding),
    Settled {
        number: RowNumber,
        key: RowKey,
        state: RowState,
    },
    /// A row of the canary is done.
    CanaryChecked {
        number: RowNumber,
        key: RowKey,
        state: RowState,
        finding: CanaryFinding,
    },
    /// The service throttled a call of this row; everything pauses.
    Throttled {
        number: RowNumber,
        pause: Duration,
    },
    /// A row is tried again after a transient fault.
    Retried {
        number: RowNumber,
        attempts: u32,
        pause: Duration,
        /// The fault, in the service's code or a word for the transport's.
        code: String,
    },
    /// No more rows are taken; what is in flight is being finished.
    Draining {
        in_flight: usize,
    },
    /// A request of a person, a file or the schedule has changed how the run goes on.
    Controlled {
        change: ControlChange,
        source: ControlSource,
        user: Option<String>,
    },
    /// Somebody wants to see the state of the run now.
    StateRequested(Box<RunSnapshot>),
    /// Counts and pace, several times a second.
    Tick(Box<RunSnapshot>),
    /// The run has ended, and these are its figures, as the ledger has them.
    Ended(Box<RunSnapshot>),
}

/// Receives the events of a run. Called from the dispatcher's loop, so it must not block.
pub trait RunObserver {
    fn on(&mut self, event: &RunEvent);
}

#[derive(Debug, Clone, Copy, Default)]
pub struct IgnoreEvents;

impl RunObserver for IgnoreEvents {
    fn on(&mut self, _event: &RunEvent) {}
}
