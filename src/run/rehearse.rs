//! `link --simulate --rehearse`: the run as it will be, in virtual time, with nothing kept.
//!
//! The same engine over the in-process simulator, under a runtime whose clock leaps to whatever is due next: hours pass
//! in seconds, and what is printed was computed by running it.

use std::sync::Arc;

use cognito_sim::Account;
use tokio::sync::mpsc;

use super::settings;
use crate::clock::Clock;
use crate::command::Failure;
use crate::command::check::Checked;
use crate::command::guide::Guide;
use crate::command::link::{LinkRun, LinkTask, exit_of};
use crate::domain::stop::RunReport;
use crate::engine::{EngineOptions, Services, WritingHalf};
use crate::exit::Exit;
use crate::foresight::preflight::preflight;
use crate::limits::SIGNALS_WAITING_MAX;
use crate::seed::Rng;
use crate::service::in_process::InProcessService;
use crate::ui::{Ui, format};

pub(super) fn run(
    task: &LinkTask,
    checked: &Checked,
    account: Account,
    options: EngineOptions,
    ui: &Ui,
    clock: Clock,
) -> Result<Exit, Failure> {
    let report = in_virtual_time(task, checked, account, options, ui, clock)?;
    let exit = exit_of(&report);
    ui.run_report(&report, None, exit.status())?;
    ui.note(&format!(
        "rehearsed in virtual time: the real run would take about {} at this pace, with {} throttled",
        format::duration(report.elapsed),
        format::count(report.throttled)
    ));
    Ok(exit)
}

/// A thread of its own, because a runtime with another clock cannot run inside this one. Nothing real is touched, so a
/// signal may end the process at any moment.
fn in_virtual_time(
    task: &LinkTask,
    checked: &Checked,
    account: Account,
    options: EngineOptions,
    ui: &Ui,
    clock: Clock,
) -> Result<RunReport, Failure> {
    let started = clock.unix_ms();
    let rehearsal = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.map_err(|error| Failure::System(format!("cannot start the runtime: {error}")))?;
        runtime.block_on(async {
            let clock = Clock::starting_at(started);
            let service = InProcessService::new(account, clock);
            let knowledge = preflight(service.as_ref(), clock, &mut Rng::new(options.seed).fork("preflight")).await?;
            let services = Services { directory: service.clone(), writer: WritingHalf::Links(service) };
            let (_none, mut signals) = mpsc::channel(SIGNALS_WAITING_MAX);
            let id = settings::run_id(options.seed, clock);
            let mut observer = ui.observer();
            let run = LinkRun {
                id,
                services,
                knowledge: &knowledge,
                across: Arc::clone(&checked.across),
                guide: Guide::None,
                options,
                limit: None,
                later_limits: None,
                clock,
                observer: observer.as_mut(),
            };
            task.rehearse(run, &mut signals).await
        })
    };
    std::thread::scope(|scope| match scope.spawn(rehearsal).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}
