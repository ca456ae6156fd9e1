//! The one loop: it waits for what happens next, and starts the calls that the dispatcher decides on.

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};

use super::control::ControlMessage;
use super::dispatcher::{Dispatcher, EngineEvent, Next};
use super::worker::{FinishedCall, make_call};
use super::{RowSource, RunContext};
use crate::clock::sleep_until;
use crate::domain::run::{RunReport, Signal};
use crate::pace::RateQuota;

/// Runs to the end of the input, or as far as signals, bounds and faults permit. Where results cannot be recorded any more,
/// the run stops at once, and whatever was announced is in doubt.
pub async fn run(
    mut context: RunContext<'_>,
    rows: &mut dyn RowSource,
    signals: &mut mpsc::Receiver<Signal>,
) -> RunReport {
    let (services, clock) = (context.services.clone(), context.clock);
    let mut later_limits = context.later_limits.take();
    let mut control = context.control.take();
    let mut dispatcher = Dispatcher::new(context);
    let mut calls: JoinSet<FinishedCall> = JoinSet::new();
    let mut signals_open = true;
    let mut event = EngineEvent::TimerDue;
    loop {
        let actions = match dispatcher.handle(event, clock.now()) {
            Ok(actions) => actions,
            Err(error) => {
                dispatcher.stop_without_ledger(error);
                break;
            }
        };
        for start in actions.start_calls {
            calls.spawn(make_call(services.clone(), clock, start));
        }
        let Next::Wait { until, accepts_rows } = actions.next else { break };
        event = tokio::select! {
            biased;
            signal = signals.recv(), if signals_open => {
                signals_open = signal.is_some();
                signal.map_or(EngineEvent::TimerDue, EngineEvent::Signal)
            }
            request = next_request(&mut control) => request.map_or(EngineEvent::TimerDue, EngineEvent::Control),
            Some(first) = calls.join_next() => {
                let mut finished = vec![first];
                finished.extend(std::iter::from_fn(|| calls.try_join_next()));
                EngineEvent::CallsDone(finished.into_iter().filter_map(finished_call).collect())
            }
            batch = rows.next_batch(), if accepts_rows => match batch {
                Some(Ok(batch)) => EngineEvent::RowsRead(batch),
                Some(Err(stop)) => EngineEvent::InputFailed(stop),
                None => EngineEvent::InputEnded,
            },
            Some(limit) = next_limit(&mut later_limits) => EngineEvent::LimitChanged(limit),
            () = sleep_until(until) => EngineEvent::TimerDue,
        };
    }
    calls.shutdown().await;
    dispatcher.end(clock.now())
}

/// The panic of a worker is a fault of the program and goes on; its row stays announced, and so in doubt. A worker is
/// cancelled only after the loop.
fn finished_call(joined: Result<FinishedCall, JoinError>) -> Option<FinishedCall> {
    joined.map_err(|error| error.try_into_panic().map(|panic| std::panic::resume_unwind(panic))).ok()
}

/// The next request; `None` once, where nobody can make one any more.
async fn next_request(control: &mut Option<mpsc::Receiver<ControlMessage>>) -> Option<ControlMessage> {
    match control {
        Some(requests) => {
            let request = requests.recv().await;
            if request.is_none() {
                *control = None;
            }
            request
        }
        None => std::future::pending().await,
    }
}

/// The limit as it was read again; never, where nobody reads it.
async fn next_limit(limits: &mut Option<mpsc::Receiver<RateQuota>>) -> Option<RateQuota> {
    match limits {
        Some(limits) => limits.recv().await,
        None => None,
    }
}
