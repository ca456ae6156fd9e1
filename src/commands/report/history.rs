//! What ledgers hold about each run: how it started and ended, its calls over time, and their latency.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

use crate::clock::UnixMs;
use crate::domain::report::{ChangeLine, RunChanges};
use crate::ledger::record::{AnswerClass, LedgerRecord, RunChange, RunControlled, RunEnd, RunStart};
use crate::ledger::{LedgerError, read_records};
use crate::limits::CHART_COLUMNS_MAX;

/// How a link or unlink call was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallAnswer {
    Succeeded,
    /// The service said no to the row.
    Refused,
    Throttled,
    /// No answer, or one that says nothing about the row.
    NoAnswer,
}

impl CallAnswer {
    /// In the order in which charts stack them.
    pub(super) const ALL: [Self; 4] = [Self::Succeeded, Self::Refused, Self::Throttled, Self::NoAnswer];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Refused => "refused",
            Self::Throttled => "throttled",
            Self::NoAnswer => "no answer",
        }
    }

    fn of(answer: AnswerClass) -> Self {
        match answer {
            AnswerClass::Throttled => Self::Throttled,
            AnswerClass::Refused | AnswerClass::NotLinked => Self::Refused,
            AnswerClass::NotReached | AnswerClass::Unknown | AnswerClass::RunStopped => Self::NoAnswer,
        }
    }
}

/// Numbers of calls in columns of equal time, at most [`CHART_COLUMNS_MAX`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CallsOverTime {
    began: UnixMs,
    column_ms: i64,
    columns: Vec<[u64; 4]>,
}

impl CallsOverTime {
    fn new(began: UnixMs) -> Self {
        Self { began, column_ms: 1_000, columns: Vec::new() }
    }

    fn add(&mut self, at: UnixMs, answer: CallAnswer) {
        let at = at.saturating_sub(self.began).max(0);
        let place = loop {
            match usize::try_from(at / self.column_ms) {
                Ok(place) if place < CHART_COLUMNS_MAX => break place,
                _ => self.halve(),
            }
        };
        if self.columns.len() <= place {
            self.columns.resize(place + 1, [0; 4]);
        }
        self.columns[place][answer as usize] += 1;
    }

    /// Makes one column of two.
    fn halve(&mut self) {
        self.column_ms = self.column_ms.saturating_mul(2);
        let add =
            |pair: &[[u64; 4]]| pair.iter().fold([0; 4], |sum, column| std::array::from_fn(|at| sum[at] + column[at]));
        self.columns = self.columns.chunks(2).map(add).collect();
    }

    pub(super) fn column_ms(&self) -> i64 {
        self.column_ms
    }

    /// Calls a second in each column, by answer.
    #[expect(clippy::cast_precision_loss, reason = "a figure of a chart")]
    pub(super) fn rates(&self) -> Vec<[f64; 4]> {
        let seconds = self.column_ms as f64 / 1_000.0;
        self.columns.iter().map(|column| column.map(|calls| calls as f64 / seconds)).collect()
    }

    pub(super) fn total(&self, answer: CallAnswer) -> u64 {
        self.columns.iter().map(|column| column[answer as usize]).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }
}

/// How many calls took how many milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LatencyCounts {
    by_ms: BTreeMap<u64, u64>,
    calls: u64,
}

impl LatencyCounts {
    fn add(&mut self, latency_ms: u64) {
        *self.by_ms.entry(latency_ms).or_default() += 1;
        self.calls += 1;
    }

    /// Returns the time within which this percentage of the calls was answered; `None` without calls.
    pub(super) fn percentile(&self, percent: u64) -> Option<u64> {
        let wanted = (self.calls * percent).div_ceil(100).max(1);
        let mut seen = 0;
        self.by_ms.iter().find_map(|(latency, calls)| {
            seen += calls;
            (seen >= wanted).then_some(*latency)
        })
    }

    /// Returns how many calls took less than each of these times and not less than the one before; then the rest.
    pub(super) fn below(&self, bounds_ms: &[u64]) -> Vec<u64> {
        let mut numbers = vec![0; bounds_ms.len() + 1];
        for (latency, calls) in &self.by_ms {
            numbers[bounds_ms.partition_point(|bound| bound <= latency)] += calls;
        }
        numbers
    }
}

/// One run of one ledger.
#[derive(Debug, Clone)]
pub(super) struct RunHistory {
    pub(super) start: RunStart,
    /// `None` while it runs, or when it was killed.
    pub(super) end: Option<RunEnd>,
    /// The time of its last line.
    pub(super) last_at: UnixMs,
    pub(super) calls: CallsOverTime,
    /// Of the calls that were answered.
    pub(super) latencies: LatencyCounts,
    /// Rows that the run found corrected, or no longer in its input.
    pub(super) superseded: u64,
    /// Superseded rows that the run found in its input again.
    pub(super) reinstated: u64,
    pub(super) undone: u64,
    pub(super) changes: RunChanges,
}

/// Returns what a report lists of a change.
pub(super) fn change_line(change: RunControlled<'_>) -> ChangeLine {
    ChangeLine {
        at_unix_ms: change.at,
        code: change.change.as_str(),
        words: match change.change {
            RunChange::Pause => "paused",
            RunChange::Resume => "resumed",
            RunChange::Rate => "rate",
            RunChange::OwnRate => "rate: the run's own limit again",
            RunChange::Drain => "drain",
            RunChange::WindowOpen => "window open",
            RunChange::WindowClosed => "no window open",
        },
        rate_milli: change.milli,
        source: change.source.into_owned(),
        user: change.user.map(Cow::into_owned),
    }
}

impl RunHistory {
    fn new(start: RunStart) -> Self {
        Self {
            end: None,
            last_at: start.at,
            calls: CallsOverTime::new(start.at),
            latencies: LatencyCounts::default(),
            superseded: 0,
            reinstated: 0,
            undone: 0,
            changes: RunChanges::default(),
            start,
        }
    }

    fn succeeded(&mut self, latency_ms: Option<u64>, at: UnixMs) {
        if let Some(latency_ms) = latency_ms {
            self.latencies.add(latency_ms);
            let sent = at.saturating_sub(i64::try_from(latency_ms).unwrap_or(i64::MAX));
            self.calls.add(sent, CallAnswer::Succeeded);
        }
    }

    fn note(&mut self, record: LedgerRecord<'_>) {
        match record {
            LedgerRecord::RunEnded(end) if end.run == self.start.run => {
                self.last_at = end.at;
                self.end = Some(*end);
            }
            LedgerRecord::Settled(settled) => {
                self.succeeded(settled.latency_ms, settled.at);
                self.last_at = settled.at;
            }
            LedgerRecord::UnlinkSettled(settled) => {
                self.succeeded(settled.latency_ms, settled.at);
                self.undone += u64::from(settled.result == crate::ledger::record::UnlinkResult::Undone);
                self.last_at = settled.at;
            }
            LedgerRecord::Attempt(attempt) => {
                self.calls.add(attempt.at, CallAnswer::of(attempt.answer));
                if attempt.request_id.is_some() {
                    self.latencies.add(attempt.latency_ms);
                }
            }
            LedgerRecord::Superseded(_) => self.superseded += 1,
            LedgerRecord::Reinstated(_) => self.reinstated += 1,
            LedgerRecord::Control(change) => self.changes.add(change_line(change)),
            _ => {}
        }
    }
}

/// Reads the runs of all ledgers, the earliest first.
pub(super) fn read_histories(ledgers: &[PathBuf]) -> Result<Vec<RunHistory>, LedgerError> {
    let mut histories: Vec<RunHistory> = Vec::new();
    for path in ledgers {
        let first = histories.len();
        read_records(path, &mut |record| {
            match record {
                LedgerRecord::RunStarted(start) => histories.push(RunHistory::new(start)),
                record => {
                    if let Some(run) = histories[first..].last_mut() {
                        run.note(record);
                    }
                }
            }
            ControlFlow::Continue(())
        })?;
    }
    histories.sort_by_key(|history| history.start.at);
    Ok(histories)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_grow_with_the_time_and_keep_every_call() {
        let mut calls = CallsOverTime::new(5_000);
        let mut added = 0;
        for second in 0..10_000_i64 {
            calls.add(5_000 + second * 1_000, CallAnswer::Succeeded);
            if second % 10 == 0 {
                calls.add(5_000 + second * 1_000, CallAnswer::Throttled);
            }
            added += 1;
            assert!(calls.columns.len() <= CHART_COLUMNS_MAX);
        }
        calls.add(0, CallAnswer::Refused);
        assert_eq!(calls.column_ms(), 128_000);
        assert_eq!(calls.total(CallAnswer::Succeeded), added);
        assert_eq!((calls.total(CallAnswer::Throttled), calls.total(CallAnswer::Refused)), (added / 10, 1));
        let rates = calls.rates();
        assert!(rates[..rates.len() - 1].iter().all(|rate| (rate[0] - 1.0).abs() < 1e-9), "{rates:?}");
        calls.add(i64::MAX, CallAnswer::NoAnswer);
        assert_eq!((calls.total(CallAnswer::Succeeded), calls.total(CallAnswer::NoAnswer)), (added, 1));
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_list() {
        let mut latencies = LatencyCounts::default();
        assert_eq!(latencies.percentile(50), None);
        for latency in 1..=200 {
            latencies.add(latency);
        }
        let found = [0, 1, 50, 95, 99, 100].map(|percent| latencies.percentile(percent).unwrap());
        assert_eq!(found, [1, 2, 100, 190, 198, 200]);
        assert_eq!(latencies.below(&[10, 100]), [9, 90, 101]);
    }
}
