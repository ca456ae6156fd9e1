//! `reconcile --apply`: the links that are missing, made within bounds.

use std::path::Path;

use super::options::{ask, concurrency, engine_options};
use super::pool_reading::PoolReading;
use super::{settings, signals};
use crate::cli::ReconcileArgs;
use crate::clock::Clock;
use crate::command::Failure;
use crate::command::failure::stop_exit;
use crate::command::guide::Guide;
use crate::command::link::{LinkRun, LinkTask, exit_of};
use crate::command::reconcile::apply::{ChangeBounds, Reopened};
use crate::command::reconcile::{Comparison, ReconcileTask};
use crate::config::FileSettings;
use crate::domain::drift::DriftReport;
use crate::domain::stop::{Ended, RunReport, Stop};
use crate::engine::{Services, WritingHalf};
use crate::exit::Exit;
use crate::ledger::Ledger;
use crate::service::cognito::Cognito;
use crate::ui::{Ui, format};

/// What there is to apply, and to what.
pub(super) struct Applied<'a> {
    pub(super) task: &'a ReconcileTask,
    pub(super) report: &'a DriftReport,
    pub(super) pool: &'a PoolReading,
    pub(super) bounds: ChangeBounds,
    pub(super) ledger_path: &'a Path,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Outcome {
    /// The run; `None` where nothing was to be done, or nothing might be.
    pub(super) run: Option<RunReport>,
    /// Why it ended early, or never began.
    pub(super) stop: Option<Stop>,
    /// Missing links that were left alone.
    pub(super) left_open: u64,
}

impl Outcome {
    /// The status by itself.
    pub(super) fn exit(&self) -> Exit {
        match (&self.run, &self.stop) {
            (Some(run), _) => exit_of(run),
            (None, Some(stop)) => stop_exit(stop.cause),
            (None, None) => Exit::Success,
        }
    }
}

pub(super) async fn run(
    args: &ReconcileArgs,
    file: &FileSettings,
    apply: Applied<'_>,
    mut comparison: Comparison,
    mut ledger: Ledger,
    ui: &Ui,
    clock: Clock,
) -> Result<Outcome, Failure> {
    let counts = &apply.report.counts;
    if comparison.to_work_on() == 0 {
        ui.note("nothing is missing; nothing was sent");
        return Ok(Outcome::default());
    }
    if let Err(stop) = apply.bounds.check(counts.changes, counts.rows) {
        return Ok(Outcome { stop: Some(stop), left_open: counts.changes, ..Outcome::default() });
    }
    let reopened = apply.task.reopen(&mut comparison, &mut ledger, clock.unix_ms())?;
    say(&comparison, reopened, ui);
    if comparison.to_work_on() == 0 {
        return Ok(Outcome { left_open: reopened.too_recent, ..Outcome::default() });
    }
    if !args.yes {
        ask(ui, &question(&apply, &comparison))?;
    }
    let run = work(args, file, &apply, comparison, ledger, ui, clock).await?;
    let stop = match &run.ended {
        Ended::Stopped(stop) => Some(stop.clone()),
        _ => None,
    };
    Ok(Outcome { run: Some(run), stop, left_open: reopened.too_recent })
}

fn say(comparison: &Comparison, reopened: Reopened, ui: &Ui) {
    if comparison.in_doubt > 0 {
        ui.note(&format!("{} in doubt will be settled", format::counted(comparison.in_doubt, "row")));
    }
    if reopened.rows > 0 {
        ui.note(&format!(
            "{} that the ledger calls done, and the pool does not show, will be linked again",
            format::counted(reopened.rows, "row")
        ));
    }
    if reopened.too_recent > 0 {
        ui.warn(&format!(
            "{} that the ledger calls done cannot be seen yet: the last run ended less than a minute before; run again later",
            format::counted(reopened.too_recent, "row")
        ));
    }
}

fn question(apply: &Applied<'_>, comparison: &Comparison) -> String {
    let kind = if apply.task.binding.simulated { "simulated pool" } else { "pool" };
    let rows = format::counted(comparison.to_work_on(), "row");
    format!("link {rows} of {} in {kind} {}?", apply.report.input, apply.task.binding.pool)
}

async fn work(
    args: &ReconcileArgs,
    file: &FileSettings,
    apply: &Applied<'_>,
    comparison: Comparison,
    ledger: Ledger,
    ui: &Ui,
    clock: Clock,
) -> Result<RunReport, Failure> {
    let (mut options, asked) = engine_options(&args.pace, args.yes, file, None, clock)?;
    // What was refused before, and the scan finds free, is attempted again.
    options.retry_refused = true;
    let pool = apply.pool;
    // Only now, and only here, there is something through which to write.
    let cognito = Cognito::connect(&pool.target, pool.pool.region(), pool.pool.clone()).await?;
    let pace = asked.pace.writes(cognito.limits(), ledger.pace_milli(), clock).await;
    ui.note(&pace.said);
    options.writes = pace.pace;
    options.concurrency = concurrency(asked, pace.pace)?;
    options.total = Some(comparison.to_work_on());
    let link = LinkTask {
        source: apply.task.source.clone(),
        input_path: args.input.display().to_string(),
        reading: apply.task.reading.clone(),
        binding: apply.task.binding.clone(),
        ledger_path: apply.ledger_path.to_owned(),
        strict: false,
        retry_refused: true,
        shard: None,
    };
    let mut signals = signals::listen()?;
    let mut observer = ui.observer();
    let run = LinkRun {
        id: settings::run_id(options.seed, clock),
        services: Services { directory: pool.directory.clone(), writer: WritingHalf::Links(cognito.linker()) },
        knowledge: &pool.knowledge,
        across: comparison.across(),
        guide: Guide::None,
        options,
        limit: pace.limit,
        later_limits: pace.later,
        clock,
        observer: observer.as_mut(),
    };
    apply.task.apply(comparison, &link, ledger, run, &mut signals).await
}
