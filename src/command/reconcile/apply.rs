//! Making the links that are missing: bounded, and through the same engine and ledger as `link`.

use std::collections::HashSet;

use tokio::sync::mpsc;

use super::{Comparison, ReconcileTask};
use crate::clock::UnixMs;
use crate::command::failure::Failure;
use crate::command::feed::incoming;
use crate::command::link::{LinkRun, LinkTask};
use crate::domain::row::RowKey;
use crate::domain::stop::{RunReport, Signal, Stop, StopCause};
use crate::engine::{Incoming, NextBatch, RowFeed};
use crate::input::Reader;
use crate::ledger::Ledger;
use crate::limits::{LIST_LAG_MS_MAX, READER_BATCH_ROWS};

/// Records that are looked at before the engine gets its turn again.
const RECORDS_A_TURN: usize = READER_BATCH_ROWS * 16;

/// How much one run may change; the smaller of the two holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChangeBounds {
    /// Links.
    pub changes_max: u64,
    /// Links in percent of the file's rows.
    pub percent_max: f64,
}

impl ChangeBounds {
    /// Whether a run may make these changes; else why not, and what to do.
    ///
    /// # Errors
    /// A [`Stop`] with [`StopCause::Bound`].
    #[expect(clippy::cast_precision_loss, reason = "shares of counts")]
    pub fn check(&self, changes: u64, rows: u64) -> Result<(), Stop> {
        let stop = |over: String| {
            Stop::new(
                StopCause::Bound,
                format!(
                    "{changes} links would be made, over {over}; nothing was sent; look at them, then raise the bound"
                ),
            )
        };
        if changes > self.changes_max {
            return Err(stop(format!("--max-changes {}", self.changes_max)));
        }
        if changes as f64 * 100.0 > self.percent_max * rows as f64 {
            return Err(stop(format!("--max-changes-pct {} of {rows} rows", self.percent_max)));
        }
        Ok(())
    }
}

/// What was done to the ledger before a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reopened {
    /// Rows that the ledger called done, that the pool does not show, and that are attempted again.
    pub rows: u64,
    /// Rows of the same kind that are left alone because the last run is too recent for the scan to have seen its links.
    pub too_recent: u64,
}

impl ReconcileTask {
    /// Notes in the ledger that links which it calls done no longer stand, so that the engine takes them up again.
    /// `ListUsers` lags behind writes: after a run that has only just ended they are left as they are.
    ///
    /// # Errors
    /// [`Failure::Ledger`].
    pub fn reopen(&self, comparison: &mut Comparison, ledger: &mut Ledger, now: UnixMs) -> Result<Reopened, Failure> {
        let lines = std::mem::take(&mut comparison.undone_by_others);
        let last_run = ledger.last_run().map(|run| run.end.as_ref().map_or(run.start.at, |end| end.at));
        if last_run.is_some_and(|ended| comparison.scan_began.saturating_sub(ended) < LIST_LAG_MS_MAX) {
            for key in lines.iter().filter_map(|line| line.key) {
                comparison.picks.remove(&key);
            }
            return Ok(Reopened { rows: 0, too_recent: lines.len() as u64 });
        }
        for line in &lines {
            if let Some(key) = line.key {
                ledger.withdraw(line.row, key, now)?;
            }
        }
        ledger.sync()?;
        Ok(Reopened { rows: lines.len() as u64, too_recent: 0 })
    }

    /// Works off what was picked.
    ///
    /// # Errors
    /// As [`LinkTask::run`].
    pub async fn apply(
        &self,
        comparison: Comparison,
        link: &LinkTask,
        ledger: Ledger,
        run: LinkRun<'_>,
        signals: &mut mpsc::Receiver<Signal>,
    ) -> Result<RunReport, Failure> {
        let reader = Reader::across(&self.source, &self.reading, &run.across)?;
        let mut feed = PickedFeed { reader, task: self, picks: comparison.picks };
        link.work(&mut feed, ledger, run, "reconcile", signals).await
    }
}

/// The rows that were picked, by key, so that a file which was edited meanwhile gives none that was not compared.
struct PickedFeed<'a> {
    reader: Reader,
    task: &'a ReconcileTask,
    picks: HashSet<RowKey>,
}

impl PickedFeed<'_> {
    fn next(&mut self) -> Result<Vec<Incoming>, Stop> {
        let mut batch = Vec::new();
        for _ in 0..RECORDS_A_TURN {
            if batch.len() == READER_BATCH_ROWS || self.picks.is_empty() {
                break;
            }
            match self.reader.next() {
                None => self.picks.clear(),
                Some(Err(error)) => return Err(Stop::new(StopCause::InputIo, error.to_string())),
                Some(Ok(record)) => match incoming(record, &self.task.binding.pool) {
                    Incoming::Row(row) if self.picks.remove(&row.key) => batch.push(self.task.choices.incoming(row)),
                    _ => {}
                },
            }
        }
        Ok(batch)
    }
}

impl RowFeed for PickedFeed<'_> {
    fn next_batch(&mut self) -> NextBatch<'_> {
        Box::pin(async {
            // Calls in flight must get their turn although there is always a row to be had.
            tokio::task::yield_now().await;
            if self.picks.is_empty() { None } else { Some(self.next()) }
        })
    }
}
