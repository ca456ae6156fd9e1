//! `link`, put together.

use std::time::Duration;

use super::simulator::Simulator;
use super::{rehearse, settings, signals, simulator};
use crate::cli::{LinkArgs, Retry, SettleCall};
use crate::clock::Clock;
use crate::command::Failure;
use crate::command::check::Checked;
use crate::command::link::{LinkRun, LinkTask, default_ledger, exit_of};
use crate::config::{self, FileSettings};
use crate::domain::stop::{Ended, RunReport};
use crate::engine::{EngineOptions, Services, SettleWith};
use crate::exit::Exit;
use crate::foresight::preflight::{PoolKnowledge, preflight};
use crate::input::Source;
use crate::ledger::{Binding, Ledger, Opened};
use crate::limits;
use crate::seed::Rng;
use crate::service::cognito::{Cognito, Target};
use crate::ui::{Ui, escape, format};

pub(super) async fn run(args: LinkArgs, file: &FileSettings, ui: &Ui, clock: Clock) -> Result<Exit, Failure> {
    let simulator = Simulator::load(&args.simulation)?;
    let task = task(&args, file, simulator.as_ref())?;
    let (mut options, pace) = engine_options(&args, file, clock)?;
    if !args.yes && !args.rehearse {
        ask_early(ui)?;
    }
    // Whoever has the wrong columns, ledger, pool or permissions learns it before a long file is read.
    task.check_header()?;
    let earlier = if args.rehearse { None } else { task.open_earlier(clock)? };
    say_opened(earlier.as_ref().map(|(_, opened)| *opened), ui);
    let Some(simulator) = simulator else {
        let target = Target::Aws {
            profile: args.pool.profile.clone().or_else(|| file.profile.clone()),
            endpoint_url: settings::endpoint_url(&args.pool, file)?,
        };
        let service = connect(&target, &task, options.seed, ui, clock).await?;
        let prepared = prepare(&task, earlier, &mut options, ui)?;
        return link(&task, prepared, service, options, pace.as_deref(), args.yes, ui, clock).await;
    };
    let prepared = prepare(&task, earlier, &mut options, ui)?;
    let world = simulator.world(&task.binding.pool, &prepared.checked.providers, options.seed)?;
    if args.rehearse {
        return rehearse::run(&task, world, options, ui, clock);
    }
    let running = simulator::serve(world, &task.binding.pool, args.simulation.save_pool.clone())?;
    let target = Target::Simulator { endpoint_url: running.url() };
    let service = connect(&target, &task, options.seed, ui, clock).await?;
    let exit = link(&task, prepared, service, options, pace.as_deref(), args.yes, ui, clock).await?;
    running.stop()?;
    Ok(exit)
}

fn task(args: &LinkArgs, file: &FileSettings, simulator: Option<&Simulator>) -> Result<LinkTask, Failure> {
    let pool = settings::pool(&args.pool, file, simulator.map(Simulator::pool_id))?;
    Ok(LinkTask {
        reading: settings::reading(&args.reading, file)?,
        ledger_path: match &args.ledger {
            Some(path) => path.clone(),
            None => default_ledger(&args.input, simulator.is_some())?,
        },
        source: Source::open(&args.input)?,
        input_path: args.input.display().to_string(),
        strict: args.strict,
        retry_refused: args.retry.contains(&Retry::Refused),
        binding: Binding { simulated: simulator.is_some() || pool.is_simulated(), pool },
    })
}

/// The ledger of earlier runs, and what the first reading of the input found.
struct Prepared {
    earlier: Option<(Ledger, Opened)>,
    checked: Checked,
}

fn prepare(
    task: &LinkTask,
    earlier: Option<(Ledger, Opened)>,
    options: &mut EngineOptions,
    ui: &Ui,
) -> Result<Prepared, Failure> {
    let mut observer = ui.observer();
    let checked = task.check(earlier.as_ref().map(|(ledger, _)| ledger), observer.as_mut())?;
    options.total = Some(checked.rows);
    options.done_before = checked.done_before;
    Ok(Prepared { earlier, checked })
}

#[expect(clippy::too_many_arguments, reason = "the composition of one command: each is made elsewhere and used here")]
async fn link(
    task: &LinkTask,
    prepared: Prepared,
    (services, knowledge): (Services, PoolKnowledge),
    options: EngineOptions,
    pace: Option<&str>,
    yes: bool,
    ui: &Ui,
    clock: Clock,
) -> Result<Exit, Failure> {
    if let Some(pace) = pace.filter(|_| prepared.checked.to_send() > 0) {
        ui.note(pace);
    }
    say_plan(task, &prepared.checked, &knowledge, &options, ui);
    if !yes && prepared.checked.to_send() > 0 {
        ask(task, &prepared.checked, ui)?;
    }
    let report = work(task, prepared, services, &knowledge, options, ui, clock).await?;
    finish(task, &report, ui)
}

/// Looks at the destination of a row in doubt, for an estimate.
const LOOKS_PER_DOUBT: u64 = limits::SETTLE_WAITS_MS.len() as u64 + 1;

/// No terminal means nobody to ask: said before the input is read, not after.
fn ask_early(ui: &Ui) -> Result<(), Failure> {
    if ui.can_ask() {
        return Ok(());
    }
    Err(Failure::Usage(
        "this changes the pool and there is no terminal to ask on: pass --yes to go on without being asked".into(),
    ))
}

async fn connect(
    target: &Target,
    task: &LinkTask,
    seed: u64,
    ui: &Ui,
    clock: Clock,
) -> Result<(Services, PoolKnowledge), Failure> {
    ui.status("looking at the pool");
    let pool = &task.binding.pool;
    let cognito = Cognito::connect(target, pool.region(), pool.clone()).await?;
    let services = Services { directory: cognito.directory(), linker: cognito.linker() };
    let knowledge = preflight(services.directory.as_ref(), clock, &mut Rng::new(seed).fork("preflight")).await?;
    ui.clear_status();
    Ok((services, knowledge))
}

async fn work(
    task: &LinkTask,
    prepared: Prepared,
    services: Services,
    knowledge: &PoolKnowledge,
    options: EngineOptions,
    ui: &Ui,
    clock: Clock,
) -> Result<RunReport, Failure> {
    let mut signals = signals::listen()?;
    let mut observer = ui.observer();
    let id = settings::run_id(options.seed, clock);
    let run = LinkRun { id, services, knowledge, options, clock, observer: observer.as_mut() };
    task.run(prepared.earlier, run, &mut signals).await
}

fn finish(task: &LinkTask, report: &RunReport, ui: &Ui) -> Result<Exit, Failure> {
    let exit = exit_of(report);
    ui.run_report(report, Some(&task.ledger_path.display().to_string()), exit.status())?;
    if let Ended::Stopped(stop) = &report.ended {
        ui.error(&stop.detail, None);
    }
    Ok(exit)
}

/// How to go about it, and a sentence about the pace where it rests on an assumption.
fn engine_options(
    args: &LinkArgs,
    file: &FileSettings,
    clock: Clock,
) -> Result<(EngineOptions, Option<String>), Failure> {
    let (writes, reads, said) = settings::rates(args.pace.rate.as_deref(), args.pace.share, file)?;
    if args.pace.attempts == 0 {
        return Err(Failure::Usage("--attempts 0: a row needs at least one attempt".into()));
    }
    let duration_max = match &args.pace.max_duration {
        Some(text) => Some(config::duration("--max-duration", text)?),
        None => None,
    };
    let options = EngineOptions {
        write_rate: Some(writes),
        read_rate: Some(reads),
        concurrency: config::concurrency(args.pace.concurrency.or(file.concurrency), writes)?,
        attempts_max: args.pace.attempts,
        retry_refused: args.retry.contains(&Retry::Refused),
        settle_with: match args.pace.settle_with {
            SettleCall::ListUsers => SettleWith::ListUsers,
            SettleCall::GetUser => SettleWith::GetUser,
        },
        failures_max: Some(args.pace.max_failures),
        duration_max,
        total: None,
        done_before: 0,
        seed: settings::seed(args.pace.seed, clock),
    };
    Ok((options, said))
}

fn say_opened(opened: Option<Opened>, ui: &Ui) {
    let Some(opened) = opened else { return };
    if opened.cut_bytes > 0 {
        ui.warn(&format!(
            "the ledger ended in half a line of {}, as a crash leaves it; it was cut off, and its row is settled again",
            format::counted(opened.cut_bytes, "byte")
        ));
    }
}

pub(super) fn say_plan(
    task: &LinkTask,
    checked: &Checked,
    knowledge: &PoolKnowledge,
    options: &EngineOptions,
    ui: &Ui,
) {
    let count = format::count;
    let to_send = checked.to_send();
    let mut parts = vec![format!("{}: {} to work on", format::counted(checked.rows, "row"), count(to_send))];
    for (number, what) in [
        (checked.done_before, "done in earlier runs"),
        (checked.in_doubt, "of them in doubt, read back first"),
        (checked.invalid, "invalid"),
    ] {
        if number > 0 {
            parts.push(format!("{} {what}", count(number)));
        }
    }
    if let Some(time) = estimate(checked, options) {
        let rate = options.write_rate.map_or_else(String::new, |rate| format!(" at {}", format::rate(rate)));
        parts.push(format!("about {}{rate}", format::duration(time)));
    }
    ui.note(&parts.join(", "));
    let missing: Vec<&str> = checked
        .providers
        .iter()
        .filter(|name| !knowledge.providers.contains_key(*name))
        .map(crate::domain::identity::ProviderName::as_str)
        .collect();
    if !missing.is_empty() {
        let there: Vec<&str> = knowledge.providers.keys().map(crate::domain::identity::ProviderName::as_str).collect();
        let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
        ui.warn(&format!(
            "the pool has no provider {}; it has {}; such rows will be refused",
            escape(&missing.join(", ")),
            escape(&there)
        ));
    }
    if knowledge.facts.has_pre_sign_up_trigger {
        ui.warn("the pool has a pre-sign-up trigger: it may link people who sign in meanwhile");
    }
    tracing::info!(pool = %task.binding.pool, seed = options.seed, rows = checked.rows, "starting");
}

/// How long it will take at the pace that is allowed.
#[expect(clippy::cast_precision_loss, reason = "a shown figure")]
fn estimate(checked: &Checked, options: &EngineOptions) -> Option<Duration> {
    let writing = checked.to_send() as f64 / options.write_rate?;
    // Rows in doubt are read back first: a few looks each where the last run has only just ended.
    let looks = (checked.in_doubt * LOOKS_PER_DOUBT + checked.look_ups) as f64;
    let reading = options.read_rate.map_or(0.0, |reads| looks / reads);
    Duration::try_from_secs_f64(writing.max(reading)).ok().filter(|time| !time.is_zero())
}

fn ask(task: &LinkTask, checked: &Checked, ui: &Ui) -> Result<(), Failure> {
    let kind = if task.binding.simulated { "simulated pool" } else { "pool" };
    let rows = format::counted(checked.to_send(), "row");
    let question = format!("link {rows} of {} in {kind} {}?", task.source.name(), task.binding.pool);
    match ui.confirm(&question) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::Declined),
        Err(error) => Err(Failure::Usage(error.to_string())),
    }
}
