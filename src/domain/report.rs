//! Reports as plain data: of ledgers, of checks of an input, and of predictions.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::counts::Counts;
use super::doctor::DoctorCheck;
use super::finding::FindingCode;
use super::outcome::ServiceText;
use super::row::{RowKey, RowNumber};
use super::state::RowState;
use crate::limits::RUN_CHANGES_MAX;

/// A run that goes on now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveRun {
    pub pid: u32,
    /// `running`, `waiting`, `paused` or `draining`.
    pub state: String,
    /// Rows, rate, time left and why it waits, in a line for people.
    pub text: String,
    pub remaining_ms: Option<u64>,
}

/// What one ledger, or several of one pool, know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerReport {
    /// The ledgers' paths, as they were given.
    pub ledgers: Vec<String>,
    /// The head of each ledger's hash chain.
    pub heads: Vec<String>,
    pub pool: String,
    pub simulated: bool,
    /// The options that name the pool, for a suggested command, each after a space.
    pub pool_options: String,
    /// The options that say how the inputs are read, likewise.
    pub reading_options: String,
    /// The arguments of the latest run that read an input.
    pub input_arguments: Vec<String>,
    /// Rows by state; `read` is the number of rows that are known.
    pub counts: Counts,
    /// Rows that were corrected or are no longer in their input. No other number here includes them.
    pub superseded: u64,
    /// Of these, those whose link stands.
    pub superseded_links: u64,
    /// The runs, the earliest first.
    pub runs: Vec<RunLine>,
    /// Whether the number of unprocessed rows is known: a ledger alone does not hold the rows that were never announced.
    pub unprocessed_known: bool,
    /// How the shards fit together; `None` where no ledger is of a shard.
    pub shards: Option<ShardsReport>,
    /// Rows that are refused, failed or in doubt, at most [`crate::limits::REPORT_FAILURES_MAX`].
    pub failures: Vec<FailureLine>,
    pub failures_left_out: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValidateReport {
    pub input: String,
    /// Rows read; the valid ones as `unprocessed`. Findings by code, warnings included.
    pub counts: Counts,
    /// Of the findings, those that are warnings because they were allowed, by code.
    pub allowed: BTreeMap<FindingCode, u64>,
    pub blank_lines: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShardsReport {
    pub count: u32,
    pub missing: Vec<u32>,
    /// Ledgers of no shard, of another number of shards, or of a shard that an earlier one is of.
    pub strange_ledgers: u64,
    pub rows_in_several: u64,
}

impl ShardsReport {
    /// Whether every shard is there once, and no row is in two of them.
    pub fn is_whole(&self) -> bool {
        self.missing.is_empty() && self.strange_ledgers == 0 && self.rows_in_several == 0
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunLine {
    pub id: String,
    pub command: String,
    pub input: String,
    /// When it started, in milliseconds since 1970-01-01 UTC.
    pub started_unix_ms: i64,
    /// How it ended; `None` where it still runs or was cut short.
    pub ended: Option<String>,
    /// The process of the run, where it is live on this machine.
    pub live: Option<LiveRun>,
    pub changes: RunChanges,
}

/// What changed a run while it went: pauses, rates, windows and a drain. The latest, at most [`RUN_CHANGES_MAX`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunChanges {
    latest: VecDeque<ChangeLine>,
    /// Earlier ones, which are only counted.
    pub left_out: u64,
}

impl RunChanges {
    pub fn add(&mut self, change: ChangeLine) {
        if self.latest.len() == RUN_CHANGES_MAX {
            self.latest.pop_front();
            self.left_out += 1;
        }
        self.latest.push_back(change);
    }

    /// The latest, in their order.
    pub fn latest(&self) -> impl Iterator<Item = &ChangeLine> {
        self.latest.iter()
    }
}

impl ChangeLine {
    /// The new limit, in writes per second.
    #[expect(clippy::cast_precision_loss, reason = "a bounded rate")]
    pub fn rate_per_second(&self) -> Option<f64> {
        self.rate_milli.map(|milli| milli as f64 / 1_000.0)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeLine {
    pub at_unix_ms: i64,
    /// The code in ledgers, such as `pause`.
    pub code: &'static str,
    /// The same for people, without the rate.
    pub words: &'static str,
    /// The new limit, in thousandths of a write a second.
    pub rate_milli: Option<u64>,
    /// Where the request came from, in one word.
    pub source: String,
    /// Who requested it, where that is a person.
    pub user: Option<String>,
}

/// A row that is not in the desired state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureLine {
    /// Its number in the input of the latest run that met it.
    pub row: RowNumber,
    pub key: RowKey,
    pub state: RowState,
    /// What the service said, verbatim and so perhaps personal; `None` where nothing was sent.
    pub said: Option<ServiceText>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PredictedRefusal {
    pub row: RowNumber,
    pub key: RowKey,
    pub verdict: &'static str,
    /// Something that helps to correct it; empty where there is nothing.
    pub hint: &'static str,
    /// The first few users that it may mean, masked unless values are shown.
    pub candidates: Vec<String>,
    pub candidates_left_out: usize,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct PredictionReport {
    pub pool: String,
    pub simulated: bool,
    /// How the pool was read: `scan` or `filter`.
    pub look_up: &'static str,
    /// Why it was read so, a lower-case fragment.
    pub because: String,
    pub users: u64,
    pub reads: u64,
    pub throttled: u64,
    pub elapsed: Duration,
    pub by_verdict: BTreeMap<&'static str, u64>,
    /// Rows that `link` sends and the service may refuse, by the code of the refusal and the reason.
    pub may_be_refused: BTreeMap<(&'static str, &'static str), u64>,
    /// Rows that `link` sends to a user whom a person should look at, by the code that it resembles and the reason.
    pub concerns: BTreeMap<(&'static str, &'static str), u64>,
    /// What the pool's settings show of sign-ins with the providers of the input.
    pub sign_ins: Vec<DoctorCheck>,
    /// When the reading of the pool began, by our clock.
    pub scanned_unix_ms: i64,
    /// Rows that repeat an earlier one's link; they have its verdict, and are not sent again.
    pub repeats: u64,
    pub writes: u64,
    /// The pace of the links, in calls a second; `None` where there is none.
    pub rate_per_second: Option<f64>,
    /// How long the links take at that pace.
    pub at_rate: Option<Duration>,
    /// Whether the times are within windows, closed hours included.
    pub within_windows: bool,
    /// The account's quota, in calls a second, as documented.
    pub quota_per_second: f64,
    /// How long they would take with the whole quota.
    pub at_quota: Option<Duration>,
    /// The digest of the plan that was saved.
    pub plan_digest: Option<String>,
    /// The most that the links can add to the bill; `None` where there is none to make.
    pub billing: Option<CostBound>,
}

/// The most that links can add to the bill for monthly active users, at list prices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostBound {
    pub active_users_max: u64,
    pub usd_cents_max: u64,
    /// The feature plan of the pool; `None` where it is not known or has no price: then the price is that of the dearest.
    pub feature_plan: Option<String>,
    /// The day of the list, `YYYY-MM-DD`.
    pub prices_as_of: String,
}

impl PredictionReport {
    pub fn refused(&self) -> u64 {
        let fine = |verdict: &str| matches!(verdict, "link" | "already_linked");
        self.by_verdict.iter().filter(|(verdict, _)| !fine(verdict)).map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_keeps_its_latest_changes() {
        let mut changes = RunChanges::default();
        for at_unix_ms in (0..).take(RUN_CHANGES_MAX + 5) {
            let (code, words, source) = ("rate", "rate", "key".to_owned());
            changes.add(ChangeLine { at_unix_ms, code, words, rate_milli: Some(2_500), source, user: None });
        }
        assert_eq!((changes.left_out, changes.latest().count()), (5, RUN_CHANGES_MAX));
        let first = changes.latest().next().unwrap();
        assert_eq!((first.at_unix_ms, first.rate_per_second()), (5, Some(2.5)));
    }
}
