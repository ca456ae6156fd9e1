//! `--apply`: links what is missing, within bounds, through the same engine and ledger as `link`.

use std::collections::HashSet;
use std::time::Duration;

use super::comparison::Comparison;
use super::input::ReconcileInput;
use crate::clock::UnixMs;
use crate::commands::shared::choices::Choices;
use crate::commands::shared::rows::incoming;
use crate::commands::shared::run::exit_for_run;
use crate::commands::shared::{Failure, exit_for_stop};
use crate::domain::identity::PoolId;
use crate::domain::row::RowKey;
use crate::domain::run::{RunReport, StopCause, StopError};
use crate::engine::{IncomingRow, RowBatchFuture, RowSource};
use crate::exit::Exit;
use crate::input::InputReader;
use crate::ledger::Ledger;
use crate::limits::{LIST_LAG_MS_MAX, READER_BATCH_ROWS};
use crate::ui::{Ui, format};

/// Records to read before the engine gets its turn again.
const RECORDS_PER_TURN: usize = READER_BATCH_ROWS * 16;

#[derive(Default)]
pub(super) struct ApplyOutcome {
    /// The run; `None` where there was nothing to do, or a bound forbade it.
    pub(super) run: Option<RunReport>,
    /// Why the run ended early, or never started.
    pub(super) stop: Option<StopError>,
    /// Missing links that were not attempted.
    pub(super) left_open: u64,
}

impl ApplyOutcome {
    pub(super) fn exit(&self) -> Exit {
        match (&self.run, &self.stop) {
            (Some(run), _) => exit_for_run(run),
            (None, Some(stop)) => exit_for_stop(stop.cause),
            (None, None) => Exit::Success,
        }
    }
}

<<<<<<< HEAD
#[expect(clippy::too_many_arguments, reason = "the second half of the command, with all that the first half has found")]
pub(super) async fn apply(
    args: &ReconcileArgs,
    input: &ReconcileInput,
    pool: &OpenPool,
    report: &DriftReport,
    mut comparison: Comparison,
    bounds: ChangeBounds,
    mut ledger: Ledger,
    context: &CommandContext<'_>,
) -> Result<ApplyOutcome, Failure> {
    let CommandContext { ui, clock, file_settings: file, .. } = context;

    // Bounds, and the ledger's view of what is missing.
    if comparison.to_process() == 0 {
        ui.note("nothing is missing; nothing was sent");
        return Ok(ApplyOutcome::default());
    }
    let changes = report.counts.changes;
    if let Err(stop) = bounds.check(changes, report.counts.rows) {
        return Ok(ApplyOutcome { stop: Some(stop), left_open: changes, run: None });
    }
    let reopened = reopen_rows(&mut comparison, &mut ledger, clock.unix_ms())?;
    note_settling(&comparison, reopened, ui);
    let age = u64::try_from(clock.unix_ms().saturating_sub(comparison.scan_began)).unwrap_or_default();
    ui.note(&format!(
        "the pool was read {} ago; what changed since is not in the comparison, and the service decides",
        format::duration(Duration::from_millis(age))
    ));
    let left_open = reopened.too_recent;
    let to_process = comparison.to_process();
    if to_process == 0 {
        return Ok(ApplyOutcome { left_open, ..ApplyOutcome::default() });
    }
    if !args.yes {
        confirm(&format!("link {} of {}", format::counted(to_process, "row"), report.input), &input.binding, ui)?;
    }

    // Connect again: only from here on there is something to write with.
    let rate_choice = args.pace.rate_choice(None, file)?;
    let mut options = args.pace.engine_options(rate_choice, &args.advanced, context)?;
    let service = context.connector.connect(&pool.address.target, &pool.address.pool).await?;
    let learned = ledger.pace_milli();
    let pace = args.pace.set_write_pace(rate_choice, service.limits(), learned, &mut options, context).await?;
    options.total = Some(to_process);
    // What was refused before, and is free in the scan, is attempted again.
    options.retry_refused = true;

    // Run.
    let mut signals = (context.listen_for_signals)()?;
    let mut rows = PickedRows::open(input, comparison)?;
    let run = run_id(options.seed, *clock);
    let start = run_start(run, "reconcile", &args.input.display().to_string(), pace.limit, None, *clock);
    let mut observer = ui.observer();
    let engine = RunContext {
        pool: input.binding.pool.clone(),
        simulated: input.binding.simulated,
        knowledge: &pool.knowledge,
        services: ServicePorts { directory: pool.directory.clone(), writer: WritePort::Links(service.linker()) },
        ledger: &mut ledger,
        run,
        options,
        later_limits: pace.later_limits,
        clock: *clock,
        observer: observer.as_mut(),
        undo_observer: None,
    };
    let run = run_engine(engine, &start, &mut rows, &mut signals).await?;
    let stop = match &run.ended {
        RunOutcome::Stopped(stop) => Some(stop.clone()),
        _ => None,
    };
    Ok(ApplyOutcome { run: Some(run), stop, left_open })
}

=======
>>>>>>> r11-behaviors
/// How much one run may change. The smaller bound holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ChangeBounds {
    pub(super) changes_max: u64,
    /// Links in percent of the file's rows.
    pub(super) percent_max: f64,
}

impl ChangeBounds {
    #[expect(clippy::cast_precision_loss, reason = "shares of counts")]
    pub(super) fn check(&self, changes: u64, rows: u64) -> Result<(), StopError> {
        let stop = |bound: String| {
            let advice = "nothing was sent; check these links, then raise the bound";
            StopError::new(StopCause::Bound, format!("{changes} links would be made, over {bound}; {advice}"))
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

/// What was changed in the ledger before a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReopenedRows {
    /// Rows that were done in the ledger, are missing in the pool, and are attempted again.
    pub rows: u64,
    /// Such rows that are not attempted, because the last run is too recent for the scan to have seen its links.
    pub too_recent: u64,
}

/// Records in the ledger that links which it holds as done are gone, so that the engine attempts them again. `ListUsers`
/// lags behind writes: shortly after a run, such rows are left alone.
pub fn reopen_rows(comparison: &mut Comparison, ledger: &mut Ledger, now: UnixMs) -> Result<ReopenedRows, Failure> {
    let lines = std::mem::take(&mut comparison.undone_by_others);
    let last_run = ledger.last_run().map(|run| run.end.as_ref().map_or(run.start.at, |end| end.at));
    if last_run.is_some_and(|ended| comparison.scan_began.saturating_sub(ended) < LIST_LAG_MS_MAX) {
        for key in lines.iter().filter_map(|line| line.key) {
            comparison.picks.remove(&key);
        }
        return Ok(ReopenedRows { rows: 0, too_recent: lines.len() as u64 });
    }
    for line in &lines {
        if let Some(key) = line.key {
            ledger.withdraw(line.row, key, now)?;
        }
    }
    ledger.sync()?;
    Ok(ReopenedRows { rows: lines.len() as u64, too_recent: 0 })
}

pub(super) fn note_settling(comparison: &Comparison, reopened: ReopenedRows, ui: &Ui) {
    if comparison.in_doubt > 0 {
        ui.note(&format!("{} in doubt will be settled", format::counted(comparison.in_doubt, "row")));
    }
    if reopened.rows > 0 {
        ui.note(&format!(
            "{} done in the ledger and missing in the pool will be linked again",
            format::counted(reopened.rows, "row")
        ));
    }
    if reopened.too_recent > 0 {
        ui.warn(&format!(
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
                Some(Err(error)) => return Err(StopError::new(StopCause::InputIo, error.to_string())),
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
            if self.picks.is_empty() { None } else { Some(self.read_batch()) }
        })
    }
}
