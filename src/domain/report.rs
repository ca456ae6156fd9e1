//! What ledgers have to say when they are read back, as plain data.

use std::collections::BTreeMap;

use super::finding::FindingCode;
use super::outcome::ServiceText;
use super::row::{RowKey, RowNumber};
use super::state::RowState;
use super::summary::Counts;

/// What one ledger, or several of one pool, know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerReport {
    /// The ledgers' paths, as they were given.
    pub ledgers: Vec<String>,
    pub pool: String,
    pub simulated: bool,
    /// Rows by state; `read` is the number of rows that are known.
    pub counts: Counts,
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
    #[must_use]
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
}

/// A row that is not in the wished state.
#[derive(Clone, PartialEq, Eq)]
pub struct FailureLine {
    /// Its number in the input of the latest run that met it.
    pub row: RowNumber,
    pub key: RowKey,
    pub state: RowState,
    /// What the service said, verbatim and so perhaps personal; `None` where nothing was sent.
    pub said: Option<ServiceText>,
}

impl std::fmt::Debug for FailureLine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("FailureLine")
            .field("row", &self.row)
            .field("key", &self.key)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
