//! One run of the engine on an open ledger: what `link`, `undo` and `reconcile --apply` have in common.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal as UnixSignal, SignalKind, signal};
use tokio::sync::mpsc;

use super::result::print_error_report;
use super::{Failure, exit_for_signal, exit_for_stop};
use crate::clock::Clock;
use crate::domain::run::{RunOutcome, RunReport, Signal};
use crate::domain::shard::Shard;
use crate::engine::{RowSource, RunContext};
use crate::exit::Exit;
use crate::ledger::Corrections;
use crate::ledger::record::{LimitNote, RunId, RunOrigin, RunStart, TOOL_VERSION};
use crate::limits::SIGNALS_WAITING_MAX;
use crate::pace::RateQuota;
use crate::seed::Rng;
use crate::ui::Ui;

/// Records the run's start and the corrections of its input in the ledger, and gives the rows to the engine. What ends the run, a ledger that
/// cannot be written included, is in the report.
pub async fn run_engine(
    context: RunContext<'_>,
    start: &RunStart,
    corrections: &Corrections,
    rows: &mut dyn RowSource,
    signals: &mut mpsc::Receiver<Signal>,
) -> Result<RunReport, Failure> {
    context.ledger.run_started(start)?;
    context.ledger.record_corrections(corrections, context.clock.unix_ms())?;
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
    origin: Option<RunOrigin>,
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
        rows: None,
        origin: origin.map(Box::new),
    }
}

/// Returns the id of a run in its ledger. It depends on the time as well, so that two runs with one seed differ.
pub fn run_id(seed: u64, clock: Clock) -> RunId {
    RunId(Rng::new(seed ^ clock.unix_ms().unsigned_abs()).fork("run").next_u64())
}

pub fn exit_for_run(report: &RunReport) -> Exit {
    let RunReport { purpose, counts, .. } = report;
    let is_all_done = if purpose.is_undo() { counts.undone == counts.read } else { counts.all_linked() };
    match &report.ended {
        RunOutcome::Interrupted(signal) => exit_for_signal(*signal),
        RunOutcome::Stopped(stop) => exit_for_stop(stop.cause),
        RunOutcome::Completed if is_all_done => Exit::Success,
        RunOutcome::Completed => Exit::Incomplete,
    }
}

/// On Linux and macOS; tokio has no name for it.
const SIGXFSZ: i32 = 25;

/// Whether a run handles the signals. Until then they end the process.
static SIGNALS_ARE_HANDLED: AtomicBool = AtomicBool::new(false);

/// Turns SIGINT, SIGTERM and SIGHUP into values from now on. Before that a signal ends the process, which is right while
/// nothing was sent.
pub fn listen_for_signals() -> Result<mpsc::Receiver<Signal>, Failure> {
    let refused = |error| Failure::System(format!("cannot listen for signals: {error}"));
    let mut interrupts = signal(SignalKind::interrupt()).map_err(refused)?;
    let mut terminations = signal(SignalKind::terminate()).map_err(refused)?;
    let hang_ups = if is_ignored(SignalKind::hangup()) { None } else { Some(SignalKind::hangup()) };
    let mut hang_ups = hang_ups.map(signal).transpose().map_err(refused)?;
    SIGNALS_ARE_HANDLED.store(true, Ordering::SeqCst);
    let (sender, receiver) = mpsc::channel(SIGNALS_WAITING_MAX);
    tokio::spawn(async move {
        loop {
            let caught = tokio::select! {
                Some(()) = interrupts.recv() => Signal::Interrupt,
                Some(()) = terminations.recv() => Signal::Terminate,
                Some(()) = next_of(&mut hang_ups) => Signal::HangUp,
                else => return,
            };
            if sender.send(caught).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

async fn next_of(signals: &mut Option<UnixSignal>) -> Option<()> {
    match signals {
        Some(signals) => signals.recv().await,
        None => std::future::pending().await,
    }
}

/// Whether the process was started with a signal ignored, as `nohup` does with SIGHUP: then it stays ignored. Only Linux
/// says so; elsewhere a hang-up ends the process as it does by default, and an interrupt is never ignored.
fn is_ignored(signal: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status");
    status.map_or(signal == SignalKind::hangup(), |status| ignores(&status, signal))
}

/// Reads the mask of ignored signals, in which SIGHUP, number 1, is the lowest bit.
fn ignores(status: &str, signal: SignalKind) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.map_or(signal == SignalKind::hangup(), |mask| mask >> (signal.as_raw_value() - 1) & 1 == 1)
}

/// Reports the state at SIGUSR1 where no run does. Ends the process at SIGINT and SIGTERM until a run handles them, with a
/// stop event and the documented status. The first process of a container has no default for them, and would be killed at
/// the end of the scheduler's patience. In a thread of its own: checking a long file blocks the runtime.
#[expect(clippy::disallowed_methods, clippy::exit, reason = "main may be busy, and there is nothing to finish")]
pub fn end_at_signals(ui: Ui, command: &'static str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::System(format!("cannot listen for signals: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(failed)?;
    let (mut interrupts, mut terminations, mut questions) = {
        let _inside = runtime.enter();
        // A write beyond `ulimit -f` fails from now on, as one to a full disk, and no longer ends the process. The handler
        // outlives the value.
        drop(signal(SignalKind::from_raw(SIGXFSZ)).map_err(failed)?);
        // A shell without job control ignores SIGINT for what it runs in the background.
        let interrupts = if is_ignored(SignalKind::interrupt()) { None } else { Some(SignalKind::interrupt()) };
        let interrupts = interrupts.map(signal).transpose().map_err(failed)?;
        let terminations = signal(SignalKind::terminate()).map_err(failed)?;
        (interrupts, terminations, signal(SignalKind::user_defined1()).map_err(failed)?)
    };
    let watch = move || {
        runtime.block_on(async {
            loop {
                let signal = tokio::select! {
                    Some(()) = next_of(&mut interrupts) => Signal::Interrupt,
                    Some(()) = terminations.recv() => Signal::Terminate,
                    Some(()) = questions.recv() => {
                        ui.report_phase();
                        continue;
                    }
                    else => return,
                };
                if !SIGNALS_ARE_HANDLED.load(Ordering::SeqCst) {
                    let failure = Failure::Interrupted(signal);
                    print_error_report(&ui, &failure);
                    // People know what they have pressed.
                    if ui.writes_events() {
                        failure.print(&ui);
                    }
                    let status = failure.exit().status();
                    ui.ended(Some(command), status);
                    std::process::exit(status.into());
                }
            }
        });
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(watch).map_err(failed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_is_ignored_stays_ignored() {
        let (interrupt, hang_up) = (SignalKind::interrupt(), SignalKind::hangup());
        for (status, expected) in [
            ("Name:\tx\nSigIgn:\t0000000000001000\nSigCgt:\t0000000000000001\n", [false, false]),
            ("SigIgn:\t0000000000000001\n", [false, true]),
            ("SigIgn:\t0000000000000002\n", [true, false]),
            ("SigIgn:\t0000000000001003\n", [true, true]),
            ("Name:\tx\n", [false, true]),
        ] {
            assert_eq!([ignores(status, interrupt), ignores(status, hang_up)], expected, "{status}");
        }
    }
}
