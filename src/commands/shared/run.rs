//! One run of the engine on an open ledger: what `link`, `undo` and `reconcile --apply` have in common.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::{Failure, exit_for_stop};
use crate::clock::Clock;
use crate::domain::run::{RunOutcome, RunReport, Signal};
use crate::domain::shard::Shard;
use crate::engine::{RowSource, RunContext};
use crate::exit::Exit;
use crate::ledger::record::{LimitNote, RunId, RunStart, TOOL_VERSION};
use crate::limits::SIGNALS_WAITING_MAX;
use crate::pace::RateQuota;
use crate::seed::Rng;

/// Records the run's start in the ledger, and gives the rows to the engine. What ends the run, a ledger that
/// cannot be written included, is in the report.
pub async fn run_engine(
    context: RunContext<'_>,
    start: &RunStart,
    rows: &mut dyn RowSource,
    signals: &mut mpsc::Receiver<Signal>,
) -> Result<RunReport, Failure> {
    context.ledger.run_started(start)?;
    let report = crate::engine::run(context, rows, signals).await;
    report.counts.balance()?;
    Ok(report)
}

/// The line with which a run starts in its ledger.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a bounded pace")]
pub fn run_start(
    run: RunId,
    command: &str,
    input: &str,
    limit: Option<RateQuota>,
    shard: Option<Shard>,
    clock: Clock,
) -> RunStart {
    RunStart {
        run,
        command: command.to_owned(),
        input: input.to_owned(),
        at: clock.unix_ms(),
        tool: TOOL_VERSION.to_owned(),
        limit: limit.map(|limit| LimitNote {
            milli: (limit.per_second * 1_000.0).round() as u64,
            from: limit.origin.as_str().to_owned(),
        }),
        shard,
    }
}

/// Returns the id of a run in its ledger. It depends on the time as well, so that two runs with one seed differ.
pub fn run_id(seed: u64, clock: Clock) -> RunId {
    RunId(Rng::new(seed ^ clock.unix_ms().unsigned_abs()).fork("run").next_u64())
}

pub fn exit_for_run(report: &RunReport) -> Exit {
    let RunReport { purpose: aim, counts, .. } = report;
    let is_all_done = if aim.is_undo() { counts.undone == counts.read } else { counts.all_linked() };
    match &report.ended {
        RunOutcome::Interrupted(Signal::Interrupt) => Exit::Interrupted,
        RunOutcome::Interrupted(Signal::Terminate) => Exit::Terminated,
        RunOutcome::Stopped(stop) => exit_for_stop(stop.cause),
        RunOutcome::Completed if is_all_done => Exit::Success,
        RunOutcome::Completed => Exit::Incomplete,
    }
}

/// Turns SIGINT and SIGTERM into values from now on. Before that a signal ends the process, which is right while nothing
/// was sent.
pub fn listen_for_signals() -> Result<mpsc::Receiver<Signal>, Failure> {
    let refused = |error| Failure::System(format!("cannot listen for signals: {error}"));
    let mut interrupts = signal(SignalKind::interrupt()).map_err(refused)?;
    let mut terminations = signal(SignalKind::terminate()).map_err(refused)?;
    let (sender, receiver) = mpsc::channel(SIGNALS_WAITING_MAX);
    tokio::spawn(async move {
        loop {
            let caught = tokio::select! {
                Some(()) = interrupts.recv() => Signal::Interrupt,
                Some(()) = terminations.recv() => Signal::Terminate,
                else => return,
            };
            if sender.send(caught).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}
