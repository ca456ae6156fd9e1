//! `link`: links every row of a file.

mod check;
mod estimate;
mod rehearse;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::shared::bounds::{ChangeBounds, InputLimitArgs, InputLimits};
use super::shared::choices::Choices;
use super::shared::part::{InputPart, PartArgs};
use super::shared::retry::{RetryOption, hint_at_superseded_links, hint_at_undone_rows, parse_retry, retry_choice};
use super::shared::rows::{InputRows, RowGuidance};
use super::shared::run::{exit_for_run, listen_for_signals, run_engine, run_start};
use super::shared::run_view::{print_run_report, print_stop};
use super::shared::saved_plan::{self, PlanHeader};
use super::shared::settings::{parse_duration, parse_percent};
use super::shared::shard::ShardChoice;
use super::shared::simulator::Simulator;
use super::shared::{
    AdvancedArgs, CommandContext, EarlierLedger, ExpectedPool, Failure, GuardArgs, InputArgs, Monitor, MonitorArgs,
    MonitoredRun, PaceArgs, PoolArgs, Proposal, RunTarget, SimulationArgs, WritePace, binding_of, check_outputs,
    connect, default_ledger_path, headings, note_preset, parse_shard, require_terminal, resolve_shard,
    warn_about_undivided_array,
};
use crate::domain::identity::PoolId;
use crate::domain::run::{RunOutcome, RunPurpose};
use crate::domain::shard::Shard;
use crate::engine::{EngineOptions, RunContext, ServicePorts, WritePort};
use crate::exit::Exit;
use crate::foresight::preflight::PoolKnowledge;
use crate::input::{InputOptions, InputReader, InputSource};
use crate::ledger::record::RunStart;
use crate::ledger::{Binding, Corrections, Ledger, LedgerError, LedgerOperation};
use crate::limits;
use crate::service::cognito::{Cognito, ConnectionTarget};
use crate::ui::{Ui, format};
pub use check::{CheckedInput, InputCheck};
use estimate::print_estimate;

const EXAMPLE: &str = "Example: cognito-link link pairs.csv --user-pool-id us-east-1_AbCdEfGhI";

/// Link every row of a file; resume where the last run ended
///
/// Checks the whole file first, and sends nothing before you have confirmed. The ledger beside the file records every
/// call before it is made, so the same command resumes after a crash, a signal or a limit.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
#[expect(clippy::struct_excessive_bools, reason = "a flag a field")]
pub struct LinkArgs {
    /// File of pairs: CSV or JSON lines, plain, gzip or zstd; `-` is stdin
    pub input: PathBuf,
    /// Skip the question before writing to the pool
    #[arg(short, long)]
    pub yes: bool,
    #[command(flatten)]
    pub reading: InputArgs,
    /// Send nothing if any row of the input is invalid
    #[arg(long, help_heading = headings::INPUT, hide_short_help = true)]
    pub strict: bool,
    /// File of choices for ambiguous rows: `choices.csv` of `validate --split`, filled in
    #[arg(long, value_name = "FILE", conflicts_with = "rehearse", help_heading = headings::INPUT, hide_short_help = true)]
    pub choices: Option<PathBuf>,
    /// Part of the input that this machine links: INDEX/COUNT, such as 0/4 to 3/4
    ///
    /// The machines do not communicate. `auto` takes the numbers from an AWS Batch array job, `auto/COUNT` takes the
    /// index from a Kubernetes Indexed Job.
    #[arg(long, value_name = "INDEX/COUNT", value_parser = parse_shard, help_heading = headings::INPUT,
        hide_short_help = true)]
    pub shard: Option<ShardChoice>,
    #[command(flatten)]
    pub part: PartArgs,
    #[command(flatten)]
    pub pool: PoolArgs,
    #[command(flatten)]
    pub guards: GuardArgs,
    #[command(flatten)]
    pub pace: PaceArgs,
    #[command(flatten)]
    pub input_limits: InputLimitArgs,
    /// Send nothing if more links than this would be made
    #[arg(long, value_name = "N", help_heading = headings::PACE, hide_short_help = true)]
    pub max_changes: Option<u64>,
    /// Send nothing if links for more than this percentage of the input's rows would be made
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent, help_heading = headings::PACE,
        hide_short_help = true)]
    pub max_changes_pct: Option<f64>,
    /// Ledger of the run [default: INPUT.ledger, or INPUT.simulated.ledger with --simulate]
    #[arg(long, value_name = "FILE", help_heading = headings::LEDGER)]
    pub ledger: Option<PathBuf>,
    /// Refused rows of earlier runs to attempt again: `refused` for all, or a refusal code (can be repeated)
    #[arg(long, value_name = "CODE", value_parser = parse_retry, help_heading = headings::LEDGER)]
    pub retry: Vec<RetryOption>,
    /// Link rows again whose link `undo` has removed
    #[arg(long, help_heading = headings::LEDGER, hide_short_help = true)]
    pub relink: bool,
    /// Plan to follow exactly, from `validate --save-plan`
    ///
    /// Links the rows that the plan has as `link`, and records the others without a call.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rehearse", "choices"], help_heading = headings::LEDGER)]
    pub plan: Option<PathBuf>,
    /// Maximum age of the plan, such as 90m, 24h or 2d; an older one is refused
    #[arg(long, value_name = "DURATION", default_value_t = format!("{}h", limits::PLAN_AGE_HOURS_MAX), requires = "plan",
        help_heading = headings::LEDGER, hide_short_help = true)]
    pub plan_max_age: String,
    #[command(flatten)]
    pub simulation: SimulationArgs,
    /// Run in virtual time against the simulated pool, keep nothing, and print how long the real run would take
    #[arg(long, requires = "simulate", conflicts_with_all = ["ledger", "save_pool"], help_heading = headings::SIMULATOR)]
    pub rehearse: bool,
    #[command(flatten)]
    pub monitor: MonitorArgs,
    #[command(flatten)]
    pub advanced: AdvancedArgs,
}

impl LinkArgs {
    fn ledger_path(&self, shard: Option<Shard>) -> Result<PathBuf, Failure> {
        match &self.ledger {
            Some(path) => Ok(path.clone()),
            // A rehearsal writes no ledger, so stdin needs no name for one.
            None if self.rehearse => Ok(PathBuf::new()),
            None => default_ledger_path(&self.input, shard, self.simulation.simulate),
        }
    }
}

#[expect(clippy::too_many_lines, reason = "the order of the steps, from the settings to the result")]
pub async fn cmd_link(args: LinkArgs, context: &CommandContext<'_>) -> Result<Exit, Failure> {
    let CommandContext { ui, file_settings: file, .. } = context;

    // Settings.
    let simulator = Simulator::load(&args.simulation)?;
    let shard = resolve_shard(args.shard)?;
    let pool = args.pool.pool_id(file, simulator.as_ref().map(Simulator::pool_id))?;
    let input_options = args.reading.options(file)?;
    let ledger_path = args.ledger_path(shard)?;
    let [_, faults] = args.simulation.files_read();
    let read = [Some(args.input.as_path()), Some(&ledger_path), args.choices.as_deref(), args.plan.as_deref(), faults];
    check_outputs(&[args.simulation.output()], &read, context.force)?;
    let rate_choice = args.pace.rate_choice(shard, file)?;
    let mut options = args.pace.engine_options(RunPurpose::Link, rate_choice, &args.advanced, context)?;
    let input_limits = InputLimits::new(args.input_limits.min_rows, args.input_limits.max_shrink, file)?;
    let change_bounds = ChangeBounds::new(args.max_changes, args.max_changes_pct, file)?;
    options.retry = retry_choice(&args.retry);
    options.retry.relink = args.relink;
    options.trust = args.reading.trust_policy(file);
    let source = InputSource::open(&args.input)?;
    note_preset(&input_options, ui);
    warn_about_undivided_array(shard, ui);
    if !args.guards.answers(args.yes) && !args.rehearse {
        require_terminal(ui)?;
    }
    if simulator.is_none() {
        args.guards.check_protection(args.yes, &pool, file)?;
    }

    // Wrong columns, a wrong plan, ledger or pool, and missing permissions are reported before a long file is read.
    let part = InputPart::new(&args.part, &InputReader::new(&source, &input_options)?)?;
    let expected = ExpectedPool::new(&args.pool, &pool, simulator.is_some(), file);
    let (guidance, plan) = open_guidance(&args, &source, &input_options, &expected, context)?;
    let earlier = if args.rehearse { None } else { open_ledger_of_earlier_runs(&ledger_path, &expected, context)? };
    // A ledger or plan is bound to what the service says of itself, so the service is called before its rows count.
    let origin = ServiceOrigin::open(&args, simulator, &pool, options.seed, context).await?;
    let binding = origin.binding(pool);
    if let Some((path, plan)) = args.plan.as_deref().zip(plan.as_ref()) {
        plan.check_binding(path, &binding)?;
    }
    let ledger = earlier.map(|earlier| earlier.bound_to(&ledger_path, &binding)).transpose()?;
    let check = || {
        let (pool, retry, ledger) = (&binding.pool, options.retry, ledger.as_ref());
        let (source, options) = (&source, &input_options);
        let check = InputCheck { source, options, pool, shard, part: &part, ledger, retry };
        let checked = check.run(ui.observer().as_mut())?;
        let rows_before = ledger.and_then(|ledger| ledger.rows_of_input(&args.input.display().to_string()));
        input_limits.check(checked.rows + checked.in_other_shards, rows_before)?;
        change_bounds.check(checked.to_send(), checked.rows)?;
        if args.strict && checked.invalid > 0 {
            return Err(Failure::Strict { invalid: checked.invalid, read: checked.rows });
        }
        Ok(checked)
    };
    let mut running_simulator = None;
    let (opened, checked) = match origin {
        ServiceOrigin::Connected(opened) => (*opened, check()?),
        ServiceOrigin::Simulator(simulator) => {
            // Without a pool file the simulated pool has the providers of the input, so the input is read first.
            let found = check()?;
            if args.rehearse {
                let account = simulator.account(&binding.pool, &found.providers, options.seed)?;
                let (cross_row, pool) = (&found.cross_row, &binding.pool);
                let rows = InputRows::open(&source, &input_options, cross_row, pool, shard, RowGuidance::None)?
                    .in_part(found.part);
                options.total = Some(found.rows);
                return rehearse::rehearse(rows, account, &binding, &args.input, shard, options, context);
            }
            let running = simulator.serve(&binding.pool, &found.providers, options.seed)?;
            let address = running_simulator.insert(running).target();
            (OpenService::connect(&address, &binding.pool, &args.guards, options.seed, context).await?, found)
        }
    };
    (options.total, options.done_before) = (Some(checked.rows), checked.done_before);

    // Estimate and confirm.
    let to_send = checked.to_send();
    let learned = ledger.as_ref().and_then(Ledger::pace_milli);
    let pace = match to_send {
        0 => rate_choice.write_pace_for_documented_quota(),
        _ => args.pace.set_write_pace(rate_choice, opened.service.limits(), learned, &mut options, context).await?,
    };
    print_estimate(&checked, plan.as_ref(), &opened.knowledge, &options, ui);
    let corrections = checked.corrections(ledger.as_ref())?;
    tracing::info!(pool = %binding.pool, seed = options.seed, rows = checked.rows, "starting");
    if to_send > 0 {
        let links = plan.as_ref().map_or(to_send, |plan| plan.count("link").min(to_send));
        let what = format!("link {} of {}", format::counted(to_send, "row"), source.name());
        let reasons = reasons_to_think(ledger.as_ref(), plan.as_ref());
        opened.target.confirm(&Proposal { what, links, reasons, yes: args.yes, ui })?;
    }

    // Run.
    let ledger_path = ledger_path.as_path();
    let input = (&source, &input_options);
    let run = CheckedRun {
        input,
        checked,
        corrections,
        shard,
        guidance,
        ledger,
        ledger_path,
        binding,
        opened,
        pace,
        options,
    };
    let exit = Box::pin(run.link(&args, context)).await?;
    if let Some(running) = running_simulator {
        running.stop()?;
    }
    Ok(exit)
}

/// A run that nothing stands in the way of.
struct CheckedRun<'a> {
    input: (&'a InputSource, &'a InputOptions),
    checked: CheckedInput,
    corrections: Corrections,
    shard: Option<Shard>,
    guidance: RowGuidance,
    /// `None` where it is to be created.
    ledger: Option<Ledger>,
    ledger_path: &'a Path,
    binding: Binding,
    opened: OpenService,
    pace: WritePace,
    options: EngineOptions,
}

impl CheckedRun<'_> {
    /// Links the rows, and prints the result.
    async fn link(self, args: &LinkArgs, context: &CommandContext<'_>) -> Result<Exit, Failure> {
        let CommandContext { ui, clock, .. } = context;
        let ((source, input_options), binding, pace) = (self.input, self.binding, self.pace);
        let OpenService { service, knowledge, target } = self.opened;
        let mut signals = listen_for_signals()?;
        let (cross_row, pool) = (&self.checked.cross_row, &binding.pool);
        let choices = match &self.guidance {
            RowGuidance::Choices(choices) => Some(choices.clone()),
            RowGuidance::None | RowGuidance::Plan(_) => None,
        };
        let rows = InputRows::open(source, input_options, cross_row, pool, self.shard, self.guidance)?;
        let mut rows = rows.in_part(self.checked.part).read_ahead(source.name())?;
        let mut ledger = match self.ledger {
            Some(ledger) => ledger,
            None => Ledger::open(self.ledger_path, &binding, clock.unix_ms())?.0,
        };
        let origin = Some(target.origin(source.checked_hash(), context));
        let run = context.run;
        let start = RunStart {
            rows: Some(self.checked.rows + self.checked.in_other_shards),
            ..run_start(run, "link", &args.input.display().to_string(), pace.limit, self.shard, origin, *clock)
        };
        let watched = MonitoredRun { command: "link", pool, ledger: self.ledger_path, input: &args.input };
        let monitor = Monitor::start(&args.monitor, watched, context).await?;
        let mut observer = monitor.observer(ui.observer());
        let engine = RunContext {
            pool: binding.pool.clone(),
            simulated: binding.simulated,
            knowledge: &knowledge,
            services: ServicePorts { directory: service.directory(), writer: WritePort::Links(service.linker()) },
            ledger: &mut ledger,
            run,
            options: self.options,
            later_limits: pace.later_limits,
            clock: *clock,
            observer: observer.as_mut(),
            undo_observer: None,
        };
        let report = run_engine(engine, &start, &self.corrections, &mut rows, &mut signals).await?;
        drop(observer);
        if let (Some(choices), RunOutcome::Completed, None) = (choices, &report.ended, self.shard) {
            choices.warn_about_unused(ui);
        }
        let exit = exit_for_run(&report);
        monitor.finish(&report, exit);
        print_run_report(&report, Some(&self.ledger_path.display().to_string()), &args.input, exit, ui)?;
        print_stop(&report, ui);
        hint_at_superseded_links(ledger.view(), self.ledger_path, ui);
        hint_at_undone_rows(self.checked.undone, ui);
        Ok(exit)
    }
}

/// A service that was called, and what the run is for.
struct OpenService {
    service: Cognito,
    knowledge: PoolKnowledge,
    target: RunTarget,
}

impl OpenService {
    async fn connect(
        address: &ConnectionTarget,
        pool: &PoolId,
        guards: &GuardArgs,
        seed: u64,
        context: &CommandContext<'_>,
    ) -> Result<Self, Failure> {
        let (service, knowledge) = connect(address, pool, seed, context).await?;
        let binding = binding_of(pool, &service, &knowledge);
        let target = RunTarget::find(&binding, &service, &knowledge, guards, context).await?;
        Ok(Self { service, knowledge, target })
    }
}

/// Where the pool is served.
enum ServiceOrigin {
    /// By AWS or what stands in for it, and already called.
    Connected(Box<OpenService>),
    /// By a simulator of this process, which needs the input first.
    Simulator(Box<Simulator>),
}

impl ServiceOrigin {
    async fn open(
        args: &LinkArgs,
        simulator: Option<Simulator>,
        pool: &PoolId,
        seed: u64,
        context: &CommandContext<'_>,
    ) -> Result<Self, Failure> {
        if let Some(simulator) = simulator {
            return Ok(Self::Simulator(Box::new(simulator)));
        }
        let address = args.pool.real_target(&context.file_settings)?;
        let opened = OpenService::connect(&address, pool, &args.guards, seed, context).await?;
        Ok(Self::Connected(Box::new(opened)))
    }

    /// Returns what a ledger or a plan of this run is bound to.
    fn binding(&self, pool: PoolId) -> Binding {
        match self {
            Self::Connected(opened) => opened.target.binding().clone(),
            Self::Simulator(_) => Binding::new(pool, true, None),
        }
    }
}

/// Returns what to think of before the links are made.
fn reasons_to_think(ledger: Option<&Ledger>, plan: Option<&PlanHeader>) -> Vec<String> {
    let mut reasons = Vec::new();
    if ledger.is_none_or(|ledger| ledger.last_run().is_none()) {
        reasons.push("the first run with this ledger".to_owned());
    }
    if let Some(plan) = plan {
        let refused = plan.refused();
        if refused > 0 && refused * 100 >= plan.rows * limits::PLAN_REFUSED_PERCENT_NOTED {
            reasons.push(format!(
                "the plan refuses {} of {}",
                format::count(refused),
                format::counted(plan.rows, "row")
            ));
        }
    }
    reasons
}

/// Reads `--plan` or `--choices`, and refuses a plan that does not belong to this run.
fn open_guidance(
    args: &LinkArgs,
    source: &InputSource,
    options: &InputOptions,
    run: &ExpectedPool,
    context: &CommandContext<'_>,
) -> Result<(RowGuidance, Option<PlanHeader>), Failure> {
    if let Some(path) = &args.choices {
        return Ok((RowGuidance::Choices(Choices::read(path)?), None));
    }
    let Some(path) = &args.plan else { return Ok((RowGuidance::None, None)) };
    let age_max: Duration = parse_duration(&args.plan_max_age)
        .map_err(|error| Failure::Usage(format!("--plan-max-age '{}': {error}", args.plan_max_age)))?;
    let (header, plan) = saved_plan::open(path)?;
    header.refuse_other_pool(path, run)?;
    context.ui.status("comparing the plan with the input");
    let checked = header.check(path, source, options, age_max, context.clock);
    context.ui.clear_status();
    checked?;
    Ok((RowGuidance::Plan(Box::new(plan)), Some(header)))
}

/// Opens the ledger where there is one. Where there is none, checks that one can be created, and leaves no file.
fn open_ledger_of_earlier_runs(
    path: &Path,
    run: &ExpectedPool,
    context: &CommandContext<'_>,
) -> Result<Option<EarlierLedger>, Failure> {
    if matches!(path.try_exists(), Ok(false)) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        tempfile::tempfile_in(folder)
            .map_err(|error| LedgerError::io(LedgerOperation::Create, path.display().to_string(), &error))?;
        return Ok(None);
    }
    note_long_reading(path, context.ui);
    EarlierLedger::open(path, run, context.clock.unix_ms(), context.ui)
}

/// Reading a ledger of millions of rows takes seconds, in which nothing else is printed.
fn note_long_reading(path: &Path, ui: &Ui) {
    let bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    if bytes >= limits::LEDGER_NOTE_BYTES {
        ui.note(&format!("reading the ledger, {} MiB", format::count(bytes >> 20)));
    }
}
