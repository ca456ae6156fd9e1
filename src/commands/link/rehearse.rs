//! `link --simulate --rehearse`: the run in virtual time, with nothing kept.
//!
//! The same engine works over the in-process simulator, under a runtime whose clock jumps to the next event: hours pass
//! in seconds, and what is printed was computed by running it.

use std::path::Path;

use cognito_sim::Account;
use serde_json::Map;
use tokio::sync::mpsc;

use super::canary::Canary;
use super::verify_outcome::VerifyOutcome;
use crate::clock::Clock;
use crate::commands::shared::control::ControlPlan;
use crate::commands::shared::rows::InputRows;
use crate::commands::shared::run::{exit_for_run, run_engine, run_id, run_start};
use crate::commands::shared::run_view::{RESUME_RUN, print_run_report_with, print_stop};
use crate::commands::shared::{CommandContext, Failure};
use crate::domain::shard::Shard;
use crate::engine::{EngineOptions, RunContext, ServicePorts, WritePort};
use crate::exit::Exit;
use crate::foresight::preflight::preflight;
use crate::ledger::storage::DiscardStorage;
use crate::ledger::{Binding, Corrections, Ledger};
use crate::limits::SIGNALS_WAITING_MAX;
use crate::seed::Rng;
use crate::service::in_process::InProcessService;
use crate::ui::{MessageCode, format};

#[expect(clippy::too_many_arguments, reason = "what is rehearsed, over what, and how")]
pub(super) fn rehearse(
    rows: InputRows,
    canary: &Canary,
    account: Account,
    binding: &Binding,
    input: &Path,
    shard: Option<Shard>,
    options: EngineOptions,
    control: &ControlPlan,
    context: &CommandContext<'_>,
) -> Result<Exit, Failure> {
    let ui = context.ui;
    let started = context.clock.unix_ms();
    let rehearsal = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.map_err(|error| Failure::System(format!("cannot start the runtime: {error}")))?;
        runtime.block_on(async {
            let clock = Clock::starting_at(started);
            let service = InProcessService::new(account, clock);
            let knowledge = preflight(service.as_ref(), clock, &mut Rng::new(options.seed).fork("preflight")).await?;
            let (mut ledger, _) = Ledger::on_storage(Box::new(DiscardStorage::default()), binding, started)?;
            let run = run_id(options.seed, clock);
            let start = run_start(run, "link", &input.display().to_string(), None, shard, None, clock);
            let mut observer = canary.printer(ui, ui.observer_in_virtual_time());
            let mut rows = canary.before(Vec::new(), rows.without(canary.numbers().collect()));
            let engine = RunContext {
                pool: binding.pool.clone(),
                simulated: binding.simulated,
                knowledge: &knowledge,
                services: ServicePorts { directory: service.clone(), writer: WritePort::Links(service) },
                ledger: &mut ledger,
                run,
                options,
                later_limits: None,
                control: Some(control.start_rehearsal(clock)?),
                clock,
                observer: &mut observer,
                undo_observer: None,
            };
            // Nothing real is touched, so a signal may end the process at any moment.
            let (_sender, mut signals) = mpsc::channel(SIGNALS_WAITING_MAX);
            let report = run_engine(engine, &start, &Corrections::default(), &mut rows, &mut signals).await?;
            Ok::<_, Failure>((report, observer.into_json()))
        })
    };
    ui.status("rehearsing the run");
    // A runtime with another clock cannot run inside this one, so it has a thread of its own.
    let (report, found) = std::thread::scope(|scope| match scope.spawn(rehearsal).join() {
        Ok(report) => report,
        Err(panic) => std::panic::resume_unwind(panic),
    })?;
    let exit = exit_for_run(&report);
    let mut members = Map::from_iter([("canary".to_owned(), found)]);
    members.extend(VerifyOutcome::NotRequested.members(ui.shows_values()));
    print_run_report_with(&report, members, None, None, exit, RESUME_RUN, ui)?;
    print_stop(&report, ui);
    ui.note(
        MessageCode::Rehearsed,
        &format!(
            "rehearsed in virtual time: the real run would take about {} at this rate, with {} throttled",
            format::duration(report.elapsed),
            format::count(report.throttled)
        ),
    );
    Ok(exit)
}
