//! The run: rows in, links made or taken back, results recorded.
//!
//! One dispatcher owns the ledger, the counters, the budgets and the observer. Workers make one call each and report
//! back; what follows from a report is decided by the policy in `job` and `undo`, which neither waits nor calls. Nothing here is
//! shared, so nothing is locked.

mod dispatcher;
mod job;
mod settle;
mod step;
mod tally;
mod undo;
mod undo_look;
mod window;
mod worker;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::domain::finding::Finding;
use crate::domain::identity::{DestinationUser, Personal};
use crate::domain::outcome::{RefusalCode, UndoOutcome};
use crate::domain::row::{Row, RowKey, RowNumber};
use crate::domain::stop::Stop;
use crate::ledger::LinkToUndo;
use crate::pace::Pace;

pub use dispatcher::{Context, run};
pub use step::SettleWith;
pub use worker::{Services, WritingHalf};

/// How a run goes about it.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// The pace of writes.
    pub writes: Pace,
    /// The pace of reads.
    pub reads: Pace,
    /// Calls in flight at the most.
    pub concurrency: usize,
    /// Attempts that a row gets on transient faults.
    pub attempts_max: u32,
    /// Whether rows that were refused before are attempted again.
    pub retry_refused: bool,
    /// Which call reads a destination back.
    pub settle_with: SettleWith,
    /// Rows that may end failed or in doubt before the run stops; `None` is unbounded.
    pub failures_max: Option<u64>,
    /// Time after which the run stops; `None` is unbounded.
    pub duration_max: Option<Duration>,
    /// Rows of the input, where they were counted.
    pub total: Option<u64>,
    /// Rows of the input that earlier runs had settled, where they were counted; what is skipped beyond them repeats an
    /// earlier row.
    pub done_before: u64,
    /// The seed of every random wait.
    pub seed: u64,
}

/// A row as the reader hands it over.
#[derive(Debug, Clone)]
pub enum Incoming {
    /// One that passed the checks.
    Row(Row),
    /// One of which something is known before it is looked at.
    Foretold(Row, Foretold),
    /// A link of an earlier run, to be taken back.
    Made(LinkToUndo),
    /// One with an error of its own, or beside others.
    Invalid {
        /// Its number in the input.
        number: RowNumber,
        /// What is wrong with it.
        findings: Vec<Finding>,
        /// Its key in the ledger, where it is wrong only beside others: what is done stays done.
        key: Option<RowKey>,
    },
}

/// What is known of a row before it is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Foretold {
    /// Somebody chose which user it means, by user name; counts only where a look-up finds several, and this one among them.
    Chosen(Personal),
    /// A plan says that it will be linked, to the user that was found where one was looked up.
    Link(Option<DestinationUser>),
    /// A plan says that its link stands, as was seen by reading the pool.
    AlreadyLinked,
    /// A plan refuses it.
    Refused(RefusalCode),
}

/// Somebody who is shown what became of each link that is to be taken back: the only one who sees its values. Called
/// from the one loop, so it must not block.
pub trait Witness {
    /// The row, with what came of it; in a dry run, with what would come of it.
    fn on(&mut self, row: &Row, outcome: &UndoOutcome);
}

/// Rows of the input, a batch at a time; `None` at the end.
pub type NextBatch<'a> = Pin<Box<dyn Future<Output = Option<Result<Vec<Incoming>, Stop>>> + Send + 'a>>;

/// Where the rows come from.
pub trait RowFeed: Send {
    /// The next batch of at most [`crate::limits::READER_BATCH_ROWS`] rows. Dropping the future loses no row.
    fn next_batch(&mut self) -> NextBatch<'_>;
}
