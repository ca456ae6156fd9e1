//! What a forecast has to say, as plain data.

use std::collections::BTreeMap;
use std::time::Duration;

use super::row::{RowKey, RowNumber};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedLine {
    pub row: RowNumber,
    pub key: RowKey,
    pub verdict: &'static str,
    /// Something that helps to correct it; empty where there is nothing.
    pub hint: &'static str,
    /// The users whom it may mean, masked as they may be shown, the first few.
    pub candidates: Vec<String>,
    pub candidates_left_out: usize,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct ForecastReport {
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
    /// Rows that repeat an earlier one's link; they have its verdict, and are not sent again.
    pub repeats: u64,
    pub writes: u64,
    /// The pace of the links, in calls a second; `None` where there is none.
    pub rate_per_second: Option<f64>,
    /// How long the links take at that pace.
    pub at_rate: Option<Duration>,
    /// The account's quota, in calls a second, as documented.
    pub quota_per_second: f64,
    /// How long they would take with the whole quota.
    pub at_quota: Option<Duration>,
}

impl ForecastReport {
    #[must_use]
    pub fn refused(&self) -> u64 {
        let fine = |verdict: &str| matches!(verdict, "link" | "already_linked");
        self.by_verdict.iter().filter(|(verdict, _)| !fine(verdict)).map(|(_, count)| count).sum()
    }
}
