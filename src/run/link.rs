//! `link`, put together.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::options::{self, Asked, ask_early, concurrency, engine_options};
use super::pace::{self, WritePace};
use super::plan::{self, Guidance};
use super::simulator::Simulator;
use super::{rehearse, settings, signals, simulator};
use crate::cli::{LinkArgs, Retry};
use crate::clock::Clock;
use crate::command::Failure;
use crate::command::check::Checked;
use crate::command::link::{LinkRun, LinkTask, default_ledger, exit_of};
use crate::config::FileSettings;
use crate::domain::stop::{Ended, RunReport};
use crate::engine::{EngineOptions, Services, WritingHalf};
use crate::exit::Exit;
use crate::foresight::preflight::PoolKnowledge;
use crate::input::Source;
use crate::ledger::{Binding, Ledger, Opened};
use crate::limits;
use crate::service::LimitReader;
use crate::service::cognito::Target;
use crate::ui::{Ui, escape, format};

pub(super) async fn run(args: LinkArgs, file: &FileSettings, ui: &Ui, clock: Clock) -> Result<Exit, Failure> {
    let simulator = Simulator::load(&args.simulation)?;
    let task = task(&args, file, simulator.as_ref())?;
    settings::tell_preset(&task.reading, ui);
    let (mut options, asked) = engine_options(&args.pace, args.yes, file, task.shard, clock)?;
    options.retry_refused = task.retry_refused;
    if let Some(advice) = pace::shard_advice(task.shard) {
        ui.warn(advice);
    }
    if !args.yes && !args.rehearse {
        ask_early(ui)?;
    }
    // Whoever has the wrong columns, ledger, pool or permissions learns it before a long file is read.
    task.check_header()?;
    let guidance = plan::guidance(&args, &task, clock, ui)?;
    say_reading_ledger(&task, ui);
    let earlier = if args.rehearse { None } else { task.open_earlier(clock)? };
    say_opened(earlier.as_ref().map(|(_, opened)| *opened), ui);
    let Some(simulator) = simulator else {
        let target = options::aws(&args.pool, file)?;
        let service = connect(&target, &task, options.seed, ui, clock).await?;
        let prepared = prepare(&task, earlier, guidance, &mut options, ui)?;
        return Box::pin(link(&task, prepared, service, options, asked, ui, clock)).await;
    };
    let prepared = prepare(&task, earlier, guidance, &mut options, ui)?;
    let world = simulator.world(&task.binding.pool, &prepared.checked.providers, options.seed)?;
    if args.rehearse {
        return rehearse::run(&task, &prepared.checked, world, options, ui, clock);
    }
    let running = simulator::serve(world, &task.binding.pool, args.simulation.save_pool.clone())?;
    let target = Target::Simulator { endpoint_url: running.url() };
    let service = connect(&target, &task, options.seed, ui, clock).await?;
    let exit = Box::pin(link(&task, prepared, service, options, asked, ui, clock)).await?;
    running.stop()?;
    Ok(exit)
}

fn task(args: &LinkArgs, file: &FileSettings, simulator: Option<&Simulator>) -> Result<LinkTask, Failure> {
    let pool = settings::pool(&args.pool, file, simulator.map(Simulator::pool_id))?;
    let shard = pace::shard(args.shard.as_deref())?;
    Ok(LinkTask {
        reading: settings::reading(&args.reading, file)?,
        ledger_path: match &args.ledger {
            Some(path) => path.clone(),
            // A rehearsal keeps nothing, so stdin does not need a name for it.
            None if args.rehearse => PathBuf::new(),
            None => default_ledger(&args.input, shard, simulator.is_some())?,
        },
        source: Source::open(&args.input)?,
        input_path: args.input.display().to_string(),
        strict: args.strict,
        retry_refused: args.retry.contains(&Retry::Refused),
        shard,
        binding: Binding { simulated: simulator.is_some() || pool.is_simulated(), pool },
    })
}

/// Opening a ledger of millions of rows takes seconds, in which nothing else would be seen.
fn say_reading_ledger(task: &LinkTask, ui: &Ui) {
    let bytes = std::fs::metadata(&task.ledger_path).map_or(0, |facts| facts.len());
    if bytes >= limits::LEDGER_TOLD_BYTES {
        ui.note(&format!("reading the ledger, {} MiB", format::count(bytes >> 20)));
    }
}

/// The ledger of earlier runs, and what the first reading of the input found.
struct Prepared {
    earlier: Option<(Ledger, Opened)>,
    checked: Checked,
    guidance: Guidance,
}

fn prepare(
    task: &LinkTask,
    earlier: Option<(Ledger, Opened)>,
    guidance: Guidance,
    options: &mut EngineOptions,
    ui: &Ui,
) -> Result<Prepared, Failure> {
    let mut observer = ui.observer();
    let checked = task.check(earlier.as_ref().map(|(ledger, _)| ledger), observer.as_mut())?;
    options.total = Some(checked.rows);
    options.done_before = checked.done_before;
    Ok(Prepared { earlier, checked, guidance })
}

async fn link(
    task: &LinkTask,
    prepared: Prepared,
    service: Service,
    mut options: EngineOptions,
    asked: Asked,
    ui: &Ui,
    clock: Clock,
) -> Result<Exit, Failure> {
    let to_send = prepared.checked.to_send();
    let learnt = prepared.earlier.as_ref().and_then(|(ledger, _)| ledger.pace_milli());
    let pace = if to_send > 0 {
        let pace = asked.pace.writes(service.limits.clone(), learnt, clock).await;
        ui.note(&pace.said);
        pace
    } else {
        asked.pace.assumed_writes()
    };
    options.writes = pace.pace;
    options.concurrency = concurrency(asked, pace.pace)?;
    say_plan(task, &prepared, &service.knowledge, &options, ui);
    if !asked.yes && to_send > 0 {
        ask(task, &prepared.checked, ui)?;
    }
    let report = work(task, prepared, service, options, pace, ui, clock).await?;
    finish(task, &report, ui)
}

/// Looks at the destination of a row in doubt, for an estimate.
const LOOKS_PER_DOUBT: u64 = limits::SETTLE_WAITS_MS.len() as u64 + 1;

/// The service, and what is known of the pool.
struct Service {
    services: Services,
    limits: Arc<dyn LimitReader>,
    knowledge: PoolKnowledge,
}

async fn connect(target: &Target, task: &LinkTask, seed: u64, ui: &Ui, clock: Clock) -> Result<Service, Failure> {
    let (cognito, knowledge) = options::connect(target, &task.binding.pool, seed, ui, clock).await?;
    let services = Services { directory: cognito.directory(), writer: WritingHalf::Links(cognito.linker()) };
    Ok(Service { services, limits: cognito.limits(), knowledge })
}

async fn work(
    task: &LinkTask,
    prepared: Prepared,
    service: Service,
    options: EngineOptions,
    pace: WritePace,
    ui: &Ui,
    clock: Clock,
) -> Result<RunReport, Failure> {
    let mut signals = signals::listen()?;
    let mut observer = ui.observer();
    let id = settings::run_id(options.seed, clock);
    let run = LinkRun {
        id,
        services: service.services,
        knowledge: &service.knowledge,
        across: Arc::clone(&prepared.checked.across),
        guide: prepared.guidance.guide,
        options,
        limit: pace.limit,
        later_limits: pace.later,
        clock,
        observer: observer.as_mut(),
    };
    task.run(prepared.earlier, run, &mut signals).await
}

fn finish(task: &LinkTask, report: &RunReport, ui: &Ui) -> Result<Exit, Failure> {
    let exit = exit_of(report);
    ui.run_report(report, Some(&task.ledger_path.display().to_string()), exit.status())?;
    if let Ended::Stopped(stop) = &report.ended {
        ui.stopped(stop);
    }
    Ok(exit)
}

pub(super) fn say_opened(opened: Option<Opened>, ui: &Ui) {
    let Some(opened) = opened else { return };
    if opened.cut_bytes > 0 {
        ui.warn(&format!(
            "the ledger ended in half a line of {}, as a crash leaves it; it was cut off, and its row is settled again",
            format::counted(opened.cut_bytes, "byte")
        ));
    }
}

fn say_plan(task: &LinkTask, prepared: &Prepared, knowledge: &PoolKnowledge, options: &EngineOptions, ui: &Ui) {
    let count = format::count;
    let checked = &prepared.checked;
    let to_send = checked.to_send();
    let mut parts = vec![format!("{}: {} to work on", format::counted(checked.rows, "row"), count(to_send))];
    for (number, what) in [
        (checked.in_doubt, "of them in doubt, read back first"),
        (checked.done_before, "done in earlier runs"),
        (checked.invalid, "invalid"),
        (checked.in_other_shards, "in other shards"),
    ] {
        if number > 0 {
            parts.push(format!("{} {what}", count(number)));
        }
    }
    let calls = Calls::of(prepared);
    if calls.writes > 0 {
        parts.push(format!("about {}", format::counted(calls.writes + calls.reads, "call")));
    }
    if let Some((rate, time)) = options.writes.expected().and_then(|rate| Some((rate, calls.lasting(rate, options)?))) {
        parts.push(format!("about {} at {}", format::duration(time), format::rate(rate)));
    }
    if let Some(time) = calls.lasting(limits::WRITE_QUOTA_PER_SECOND, options) {
        let quota = format::rate(limits::WRITE_QUOTA_PER_SECOND);
        parts.push(format!("{} with a whole quota of {quota}", format::duration(time)));
    }
    if let Some(plan) = &prepared.guidance.plan {
        plan::say_verdicts(plan, ui);
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

/// The calls that are to be expected.
struct Calls {
    writes: u64,
    reads: u64,
}

impl Calls {
    fn of(prepared: &Prepared) -> Self {
        let checked = &prepared.checked;
        let to_send = checked.to_send();
        // Rows in doubt are read back first: a few looks each where the last run has only just ended.
        let looks = checked.in_doubt * LOOKS_PER_DOUBT;
        match &prepared.guidance.plan {
            Some(plan) => Self { writes: plan.count("link").min(to_send), reads: looks },
            None => Self { writes: to_send, reads: looks + checked.look_ups },
        }
    }

    /// How long they take with so many writes a second.
    #[expect(clippy::cast_precision_loss, reason = "a shown figure")]
    fn lasting(&self, writes_per_second: f64, options: &EngineOptions) -> Option<Duration> {
        let writing = self.writes as f64 / writes_per_second;
        let reading = options.reads.expected().map_or(0.0, |reads| self.reads as f64 / reads);
        Duration::try_from_secs_f64(writing.max(reading)).ok().filter(|time| !time.is_zero())
    }
}

fn ask(task: &LinkTask, checked: &Checked, ui: &Ui) -> Result<(), Failure> {
    let kind = if task.binding.simulated { "simulated pool" } else { "pool" };
    let rows = format::counted(checked.to_send(), "row");
    options::ask(ui, &format!("link {rows} of {} in {kind} {}?", task.source.name(), task.binding.pool))
}
