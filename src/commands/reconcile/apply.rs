//! `--apply`: links what is missing, within bounds, through the same engine and ledger as `link`.

use std::collections::HashSet;
use std::time::Duration;

use super::comparison::Comparison;
use super::input::ReconcileInput;
use crate::clock::UnixMs;
use crate::commands::shared::Monitor;
use crate::commands::shared::choices::Choices;
use crate::commands::shared::rows::incoming;
use crate::commands::shared::run::exit_for_run;
use crate::commands::shared::{Failure, input_stop};
use crate::domain::identity::PoolId;
use crate::domain::row::RowKey;
use crate::domain::run::{RunReport, StopError};
use crate::engine::{IncomingRow, RowBatch, RowBatchFuture, RowSource};
use crate::exit::Exit;
use crate::input::InputReader;
use crate::ledger::Ledger;
use crate::limits::{LIST_LAG_MS_MAX, READER_BATCH_ROWS};
use crate::ui::{MessageCode, Ui, format};

/// Records to read before the engine gets its turn again.
const RECORDS_PER_TURN: usize = READER_BATCH_ROWS * 16;

#[derive(Default)]
pub(super) struct ApplyOutcome {
    /// The run; `None` where there was nothing to do, or something forbade it.
    pub(super) run: Option<RunReport>,
    /// Why the run ended early, or never started.
    pub(super) failure: Option<Failure>,
    pub(super) left_open: u64,
    /// What watched the run. It is finished with the exit status of the command.
    pub(super) monitor: Option<Monitor>,
}

impl ApplyOutcome {
    /// Reports the end of the run, where there was one.
    pub(super) fn finish_monitor(&self, exit: Exit) {
        if let (Some(monitor), Some(run)) = (&self.monitor, &self.run) {
            monitor.finish(run, exit);
        }
    }

    pub(super) fn exit(&self) -> Exit {
        match (&self.run, &self.failure) {
            (Some(run), _) => exit_for_run(run),
            (None, Some(failure)) => failure.exit(),
            (None, None) => Exit::Success,
        }
    }
}

/// What was changed in the ledger before a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReopenedRows {
    /// Rows that were done in the ledger, are missing in the pool, and are attempted again.
    pub rows: u64,
    /// Such rows that are not attempted, because the last run is too recent for the scan to have seen its links.
    pub too_recent: u64,
}

/// Whether the last run of a ledger is too recent for a scan to have seen its links: `ListUsers` lags behind writes.
pub(super) fn misses_last_run(scan_began: UnixMs, ledger: &Ledger) -> bool {
    let last_run = ledger.last_run().map(|run| run.end.as_ref().map_or(run.start.at, |end| end.at));
    last_run.is_some_and(|ended| scan_began.saturating_sub(ended) < LIST_LAG_MS_MAX)
}

/// Leaves rows alone that are done in the ledger and missing in a scan that is too early. Returns their number.
pub(super) fn leave_out_recent_rows(comparison: &mut Comparison, ledger: &Ledger) -> u64 {
    if !misses_last_run(comparison.scan_began, ledger) {
        return 0;
    }
    let lines = std::mem::take(&mut comparison.undone_by_others);
    for key in lines.iter().filter_map(|line| line.key) {
        comparison.picks.remove(&key);
    }
    lines.len() as u64
}

/// Records in the ledger that links which it holds as done are gone, so that the engine attempts them again. Shortly after
/// a run, such rows are left alone.
pub fn reopen_rows(comparison: &mut Comparison, ledger: &mut Ledger, now: UnixMs) -> Result<ReopenedRows, Failure> {
    let too_recent = leave_out_recent_rows(comparison, ledger);
    let lines = std::mem::take(&mut comparison.undone_by_others);
    for line in &lines {
        if let Some(key) = line.key {
            ledger.withdraw(line.row, key, now)?;
        }
    }
    ledger.sync()?;
    Ok(ReopenedRows { rows: lines.len() as u64, too_recent })
}

pub(super) fn note_settling(comparison: &Comparison, reopened: ReopenedRows, now: UnixMs, ui: &Ui) {
    let age = u64::try_from(now.saturating_sub(comparison.scan_began)).unwrap_or_default();
    ui.note(
        MessageCode::ScanAge,
        &format!(
            "the pool was read {} ago; later changes are not in the comparison",
            format::duration(Duration::from_millis(age))
        ),
    );
    if comparison.in_doubt > 0 {
        ui.note(
            MessageCode::InDoubt,
            &format!("{} in doubt will be settled", format::counted(comparison.in_doubt, "row")),
        );
    }
    if reopened.rows > 0 {
        ui.note(
            MessageCode::LinkAgain,
            &format!(
                "{} done in the ledger and missing in the pool will be linked again",
                format::counted(reopened.rows, "row")
            ),
        );
    }
    if reopened.too_recent > 0 {
        ui.warn(MessageCode::TooRecent, &format!(
            "{} done in the ledger cannot be seen in the pool yet: the last run ended less than a minute before; run again \
             later",
            format::counted(reopened.too_recent, "row")
        ));
    }
}

/// The rows that were picked, by key: a file that was edited in the meantime gives no row that was not compared.
pub struct PickedRows<'a> {
    reader: InputReader,
    pool: &'a PoolId,
    choices: &'a Choices,
    picks: HashSet<RowKey>,
}

impl<'a> PickedRows<'a> {
    pub fn open(input: &'a ReconcileInput, comparison: Comparison) -> Result<Self, Failure> {
        let reader = InputReader::with_cross_row(&input.source, &input.options, &comparison.cross_row)?;
        Ok(Self { reader, pool: &input.binding.pool, choices: &input.choices, picks: comparison.picks })
    }

    fn read_batch(&mut self) -> Result<Vec<IncomingRow>, StopError> {
        let mut batch = Vec::new();
        for _ in 0..RECORDS_PER_TURN {
            if batch.len() == READER_BATCH_ROWS || self.picks.is_empty() {
                break;
            }
            match self.reader.next() {
                None => self.picks.clear(),
                Some(Err(error)) => return Err(input_stop(&error)),
                Some(Ok(record)) => match incoming(record, self.pool) {
                    IncomingRow::Row(row) if self.picks.remove(&row.key) => batch.push(self.choices.incoming(row)),
                    _ => {}
                },
            }
        }
        Ok(batch)
    }
}

impl RowSource for PickedRows<'_> {
    fn next_batch(&mut self) -> RowBatchFuture<'_> {
        Box::pin(async {
            // There is always a next row, so without this the calls in flight would never be polled.
            tokio::task::yield_now().await;
            if self.picks.is_empty() { None } else { Some(self.read_batch().map(RowBatch::from)) }
        })
    }
}
