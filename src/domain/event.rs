//! What a run tells while it goes. Nothing in an event is personal: a row is its number and key.

use std::time::Duration;

use super::finding::Finding;
use super::row::{RowKey, RowNumber};
use super::state::RowState;
use super::summary::Counts;

/// Why nothing is being sent at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// The service throttled; everything pauses for this long.
    CoolDown(Duration),
    /// Rows wait for their back-off after transient faults.
    BackOff(Duration),
    /// Rows wait until a doubtful call can be read back.
    Settling(Duration),
    /// Every permitted call is in flight.
    Concurrency,
    /// The input has not delivered its next row.
    Input,
}

/// What the run counts at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// Rows by state, so far.
    pub counts: Counts,
    /// Rows of the input, where they were counted before the start.
    pub total: Option<u64>,
    /// Calls in flight.
    pub in_flight: usize,
    /// The pace that is allowed at this moment, in writes a second.
    pub rate_per_second: f64,
    /// Rows that reached their result in this run, a second, over the last while.
    pub done_per_second: f64,
    /// Answers that said "too many requests" in this run.
    pub throttled: u64,
    /// Writes sent in this run.
    pub writes: u64,
    /// Reads sent in this run.
    pub reads: u64,
    /// Time since the first row was taken up.
    pub elapsed: Duration,
    /// Time that the rest will take at the present pace, where the total is known.
    pub remaining: Option<Duration>,
    /// Why nothing is being sent.
    pub waiting: Option<Waiting>,
    /// The age of the row that has been throttled the longest, where any has.
    pub oldest_throttled: Option<Duration>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The input is being read for the first time; this many rows so far.
    Checking {
        /// Rows read so far.
        rows: u64,
    },
    /// The pool is being read; this many users so far.
    Scanning {
        /// Users read so far.
        users: u64,
        /// The service's estimate of how many there are.
        estimated: u64,
    },
    /// Something is wrong with a row, or worth a look.
    Found(Finding),
    /// A row reached its result.
    Settled {
        /// Its number in the input.
        number: RowNumber,
        /// Its key in the ledger.
        key: RowKey,
        /// Where it ended.
        state: RowState,
    },
    /// The service throttled a call of this row; everything pauses.
    Throttled {
        /// The row's number in the input.
        number: RowNumber,
        /// How long everything pauses.
        pause: Duration,
    },
    /// A row is tried again after a transient fault.
    Retried {
        /// Its number in the input.
        number: RowNumber,
        /// How often it has been attempted.
        attempts: u32,
        /// How long it waits.
        pause: Duration,
        /// The fault, in the service's code or a word for the transport's.
        code: String,
    },
    /// No more rows are taken; what is in flight is being finished.
    Draining {
        /// Calls in flight.
        in_flight: usize,
    },
    /// Counts and pace, several times a second.
    Tick(Box<Snapshot>),
}

/// Somebody who is told. Called from the one loop, so it must not block.
pub trait Observer {
    /// Takes notice of an event.
    fn on(&mut self, event: &Event);
}

/// An observer that takes no notice.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn on(&mut self, _event: &Event) {}
}
