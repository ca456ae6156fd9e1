//! The run: rows in, links made or undone, results recorded.
//!
//! [`run`] is the only loop. It turns what happens into an event, and `dispatcher` decides synchronously what follows:
//! it owns the ledger, the counters, the budgets and the observer, and returns the calls to start. Workers make one call
//! each and report back. Nothing is shared, so nothing is locked.
//!
//! The way of a row, in the order of the files:
//!
//! | step | file |
//! | --- | --- |
//! | held and slowed on request | `control` |
//! | taken up, unless an earlier run is done with it | `dispatcher`, `rows_in_flight` (lanes, waits) |
//! | resolved, announced, called, read back | `outbox` (queues), `worker` (calls), `group_sync` |
//! | judged | `link_job` and `undo_job` (steps), `link_decisions` and `undo_decisions` (pure tables) |
//! | recorded and counted | `dispatcher`, `counters` |

mod canary;
mod control;
mod counters;
mod dispatcher;
mod drain;
mod event_loop;
mod failure_limits;
mod group_sync;
mod job;
mod link_decisions;
mod link_job;
mod name_search;
mod not_authorized;
mod outbox;
mod read_back;
mod row_progress;
mod rows_in_flight;
mod systemic_faults;
pub mod testing;
mod undo_decisions;
mod undo_job;
mod worker;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::domain::event::RunObserver;
use crate::domain::finding::Finding;
use crate::domain::identity::{DestinationUser, Personal, PoolId};
use crate::domain::outcome::{RefusalCode, UndoOutcome};
use crate::domain::outlook::WindowOutlook;
use crate::domain::row::{Row, RowKey, RowNumber};
use crate::domain::run::StopError;
use crate::domain::state::RetryChoice;
use crate::foresight::preflight::PoolKnowledge;
use crate::foresight::trust::TrustPolicy;
use crate::ledger::record::RunId;
use crate::ledger::{Ledger, LinkToUndo};
use crate::limits::{ATTEMPTS_MAX, CONCURRENCY_MIN, LIST_QUOTA_PER_SECOND, SHARE_DEFAULT};
use crate::pace::{Pace, RateQuota};

pub use control::ControlMessage;
pub use event_loop::run;
pub use failure_limits::{FailureBound, FailureClass, StopLimits};
pub use read_back::SettleWith;
pub use worker::{ServicePorts, WritePort};

pub struct RunContext<'a> {
    pub pool: PoolId,
    /// Whether the pool is a simulated one.
    pub simulated: bool,
    pub knowledge: &'a PoolKnowledge,
    pub services: ServicePorts,
    /// The open ledger, in which this run has been started.
    pub ledger: &'a mut Ledger,
    pub run: RunId,
    pub options: EngineOptions,
    /// The account's limit, each time it is read again; `None` where the pace does not depend on it.
    pub later_limits: Option<mpsc::Receiver<RateQuota>>,
    /// Requests of people, files and the schedule; `None` where nobody controls the run.
    pub control: Option<mpsc::Receiver<ControlMessage>>,
    pub clock: Clock,
    pub observer: &'a mut dyn RunObserver,
    /// Sees what became of each link that is to be undone.
    pub undo_observer: Option<&'a mut dyn UndoObserver>,
}

/// How a run works. The default is what `link` does without options, and never stops by itself.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    pub writes: Pace,
    pub reads: Pace,
    /// Calls in flight at most.
    pub concurrency: usize,
    /// Attempts that a row gets on transient faults.
    pub attempts_max: u32,
    /// Which rows that earlier runs ended are attempted again.
    pub retry: RetryChoice,
    pub settle_with: SettleWith,
    /// Which users count where a row names its user by an address.
    pub trust: TrustPolicy,
    /// The schedule of the windows, for the time left; `None` without windows.
    pub windows: Option<Arc<dyn WindowOutlook>>,
    /// Whether every call with success is read back, to see whether its link stood before.
    pub reads_back: bool,
    /// Failures that stop the run.
    pub stop_limits: StopLimits,
    /// Time after which the run stops; `None` is unbounded.
    pub duration_max: Option<Duration>,
    /// Rows of the input, where they were counted.
    pub total: Option<u64>,
    /// Rows of the input that earlier runs had settled, where they were counted. Further rows that are skipped repeat an
    /// earlier row.
    pub done_before: u64,
    pub seed: u64,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            writes: Pace::within(RateQuota::assumed(SHARE_DEFAULT, 1), None),
            reads: Pace::at(LIST_QUOTA_PER_SECOND * SHARE_DEFAULT),
            concurrency: CONCURRENCY_MIN,
            attempts_max: ATTEMPTS_MAX,
            retry: RetryChoice::NOTHING,
            settle_with: SettleWith::default(),
            trust: TrustPolicy::default(),
            windows: None,
            reads_back: false,
            stop_limits: StopLimits::new(),
            duration_max: None,
            total: None,
            done_before: 0,
            seed: 0,
        }
    }
}

/// A row as the source of rows hands it over.
#[derive(Debug, Clone)]
pub enum IncomingRow {
    Row(Row),
    /// A row for which a person chose one of several users, by user name. The choice counts only where the look-up finds
    /// several users, and this one among them.
    Chosen(Row, Personal),
    /// A row with what a plan says of it.
    Planned(Row, PlannedOutcome),
    /// A row in doubt that the input no longer has: it is read back, nothing is sent for it, and no count has it.
    Gone(Row),
    /// A link of an earlier run, to be undone.
    LedgerLink(LinkToUndo),
    /// A row that this run leaves as it is, because it works on a part of the input.
    LeftOut(RowKey),
    /// A row that did not pass the checks.
    Invalid {
        number: RowNumber,
        findings: Vec<Finding>,
        /// Where it is invalid only beside other rows, what is done stays done.
        key: RowKey,
    },
}

impl IncomingRow {
    pub fn key(&self) -> RowKey {
        match self {
            Self::Row(row) | Self::Chosen(row, _) | Self::Planned(row, _) | Self::Gone(row) => row.key,
            Self::Invalid { key, .. } | Self::LeftOut(key) => *key,
            Self::LedgerLink(link) => link.row.key,
        }
    }

    /// The row, where there is one to work on.
    pub fn row(&self) -> Option<&Row> {
        match self {
            Self::Row(row) | Self::Chosen(row, _) | Self::Planned(row, _) | Self::Gone(row) => Some(row),
            Self::LedgerLink(link) => Some(&link.row),
            Self::Invalid { .. } | Self::LeftOut(_) => None,
        }
    }
}

/// What a plan says of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlannedOutcome {
    /// It will be linked, to this user where one was looked up.
    Link(Option<DestinationUser>),
    /// Its link existed when the pool was read.
    AlreadyLinked,
    Refused(RefusalCode),
}

/// Sees what became of each link that is to be undone, values included. Called from the one loop, so it must not block.
pub trait UndoObserver {
    /// In a dry run, the outcome is what a run would come to.
    fn on(&mut self, row: &Row, outcome: &UndoOutcome);
}

/// Rows that are handed over together.
#[derive(Debug, Clone)]
pub struct RowBatch {
    pub rows: Vec<IncomingRow>,
    /// Whether the rows are of the canary: no other row is taken until every one of them is right.
    pub is_canary: bool,
}

impl From<Vec<IncomingRow>> for RowBatch {
    fn from(rows: Vec<IncomingRow>) -> Self {
        Self { rows, is_canary: false }
    }
}

/// Rows of the input, a batch at a time; `None` at the end.
pub type RowBatchFuture<'a> = Pin<Box<dyn Future<Output = Option<Result<RowBatch, StopError>>> + Send + 'a>>;

pub trait RowSource: Send {
    /// The next batch of at most [`crate::limits::READER_BATCH_ROWS`] rows. Dropping the future loses no row.
    fn next_batch(&mut self) -> RowBatchFuture<'_>;
}
