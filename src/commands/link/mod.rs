//! `link`: links every row of a file.

mod check;
mod estimate;
mod rehearse;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::shared::choices::Choices;
use super::shared::rows::{InputRows, RowGuidance};
use super::shared::run::{exit_for_run, listen_for_signals, run_engine, run_id, run_start};
use super::shared::run_view::{print_run_report, print_stop};
use super::shared::saved_plan::{self, PlanHeader};
use super::shared::settings::parse_duration;
use super::shared::shard::ShardChoice;
use super::shared::simulator::Simulator;
use super::shared::{
    AdvancedArgs, CommandContext, Failure, InputArgs, PaceArgs, PoolArgs, SimulationArgs, check_outputs, confirm,
    connect, default_ledger_path, headings, note_preset, parse_shard, require_terminal, resolve_shard,
    warn_about_access, warn_about_cut_line, warn_about_undivided_array,
};
use crate::domain::run::RunPurpose;
use crate::domain::shard::Shard;
use crate::engine::{RunContext, ServicePorts, WritePort};
use crate::exit::Exit;
use crate::input::{InputOptions, InputReader, InputSource};
use crate::ledger::{Binding, Ledger, LedgerError, LedgerOperation};
use crate::limits;
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
    pub pool: PoolArgs,
    #[command(flatten)]
    pub pace: PaceArgs,
    /// Ledger of the run [default: INPUT.ledger, or INPUT.simulated.ledger with --simulate]
    #[arg(long, value_name = "FILE", help_heading = headings::LEDGER)]
    pub ledger: Option<PathBuf>,
    /// Rows of earlier runs to attempt again
    #[arg(long, value_enum, value_name = "STATE", help_heading = headings::LEDGER, hide_short_help = true)]
    pub retry: Vec<RetryState>,
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
    pub advanced: AdvancedArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RetryState {
    /// Rows that were refused
    Refused,
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

pub async fn cmd_link(args: LinkArgs, context: &CommandContext<'_>) -> Result<Exit, Failure> {
    let CommandContext { ui, clock, file_settings: file, .. } = context;

    // Settings.
    let simulator = Simulator::load(&args.simulation)?;
    let shard = resolve_shard(args.shard)?;
    let pool = args.pool.pool_id(file, simulator.as_ref().map(Simulator::pool_id))?;
    let binding = Binding { simulated: simulator.is_some() || pool.is_simulated(), pool };
    let input_options = args.reading.options(file)?;
    let ledger_path = args.ledger_path(shard)?;
    let [_, faults] = args.simulation.files_read();
    let read = [Some(args.input.as_path()), Some(&ledger_path), args.choices.as_deref(), args.plan.as_deref(), faults];
    check_outputs(&[args.simulation.output()], &read, context.force)?;
    let rate_choice = args.pace.rate_choice(shard, file)?;
    let mut options = args.pace.engine_options(RunPurpose::Link, rate_choice, &args.advanced, context)?;
    options.retry_refused = args.retry.contains(&RetryState::Refused);
    let source = InputSource::open(&args.input)?;
    note_preset(&input_options, ui);
    warn_about_undivided_array(shard, ui);
    if !args.yes && !args.rehearse {
        require_terminal(ui)?;
    }

    // Wrong columns, a wrong plan, ledger or pool, and missing permissions are reported before a long file is read.
    InputReader::new(&source, &input_options)?;
    let (guidance, plan) = open_guidance(&args, &source, &input_options, &binding, context)?;
    let ledger = if args.rehearse { None } else { open_ledger_of_earlier_runs(&ledger_path, &binding, context)? };
    let check = || {
        let (pool, retry_refused, ledger) = (&binding.pool, options.retry_refused, ledger.as_ref());
        let check = InputCheck { source: &source, options: &input_options, pool, shard, ledger, retry_refused };
        let checked = check.run(ui.observer().as_mut())?;
        if args.strict && checked.invalid > 0 {
            return Err(Failure::Strict { invalid: checked.invalid, read: checked.rows });
        }
        Ok(checked)
    };
    let (mut checked, mut running_simulator) = (None, None);
    let target = match simulator {
        None => args.pool.real_target(file)?,
        Some(simulator) => {
            // Without a pool file the simulated pool has the providers of the input, so the input is read first.
            let found = check()?;
            if args.rehearse {
                let account = simulator.account(&binding.pool, &found.providers, options.seed)?;
                let (cross_row, pool) = (&found.cross_row, &binding.pool);
                let rows = InputRows::open(&source, &input_options, cross_row, pool, shard, RowGuidance::None)?;
                options.total = Some(found.rows);
                return rehearse::rehearse(rows, account, &binding, &args.input, shard, options, context);
            }
            let running = simulator.serve(&binding.pool, &found.providers, options.seed)?;
            checked = Some(found);
            running_simulator.insert(running).target()
        }
    };
    let (service, knowledge) = connect(&target, &binding.pool, options.seed, context).await?;
    let checked = checked.map_or_else(check, Ok)?;
    options.total = Some(checked.rows);
    options.done_before = checked.done_before;

    // Estimate and confirm.
    let to_send = checked.to_send();
    let learned = ledger.as_ref().and_then(Ledger::pace_milli);
    let pace = if to_send > 0 {
        args.pace.set_write_pace(rate_choice, service.limits(), learned, &mut options, context).await?
    } else {
        rate_choice.write_pace_for_documented_quota()
    };
    print_estimate(&checked, plan.as_ref(), &knowledge, &options, ui);
    tracing::info!(pool = %binding.pool, seed = options.seed, rows = checked.rows, "starting");
    if !args.yes && to_send > 0 {
        confirm(&format!("link {} of {}", format::counted(to_send, "row"), source.name()), &binding, ui)?;
    }

    // Run.
    let mut signals = listen_for_signals()?;
    let rows = InputRows::open(&source, &input_options, &checked.cross_row, &binding.pool, shard, guidance)?;
    let mut rows = rows.read_ahead(source.name())?;
    let mut ledger = match ledger {
        Some(ledger) => ledger,
        None => Ledger::open(&ledger_path, &binding, clock.unix_ms())?.0,
    };
    let run = run_id(options.seed, *clock);
    let start = run_start(run, "link", &args.input.display().to_string(), pace.limit, shard, *clock);
    let mut observer = ui.observer();
    let engine = RunContext {
        pool: binding.pool.clone(),
        simulated: binding.simulated,
        knowledge: &knowledge,
        services: ServicePorts { directory: service.directory(), writer: WritePort::Links(service.linker()) },
        ledger: &mut ledger,
        run,
        options,
        later_limits: pace.later_limits,
        clock: *clock,
        observer: observer.as_mut(),
        undo_observer: None,
    };
    let report = Box::pin(run_engine(engine, &start, &mut rows, &mut signals)).await?;
    drop(observer);

    // Result.
    let exit = exit_for_run(&report);
    print_run_report(&report, Some(&ledger_path.display().to_string()), &args.input, exit, ui)?;
    print_stop(&report, ui);
    if let Some(running) = running_simulator {
        running.stop()?;
    }
    Ok(exit)
}

/// Reads `--plan` or `--choices`, and refuses a plan that does not belong to this run.
fn open_guidance(
    args: &LinkArgs,
    source: &InputSource,
    options: &InputOptions,
    binding: &Binding,
    context: &CommandContext<'_>,
) -> Result<(RowGuidance, Option<PlanHeader>), Failure> {
    if let Some(path) = &args.choices {
        return Ok((RowGuidance::Choices(Choices::read(path)?), None));
    }
    let Some(path) = &args.plan else { return Ok((RowGuidance::None, None)) };
    let age_max: Duration = parse_duration(&args.plan_max_age)
        .map_err(|error| Failure::Usage(format!("--plan-max-age '{}': {error}", args.plan_max_age)))?;
    let (header, plan) = saved_plan::open(path)?;
    context.ui.status("comparing the plan with the input");
    let checked = header.check(path, source, options, binding, age_max, context.clock);
    context.ui.clear_status();
    checked?;
    Ok((RowGuidance::Plan(Box::new(plan)), Some(header)))
}

/// Opens the ledger where there is one. Where there is none, checks that one can be created, and leaves no file.
fn open_ledger_of_earlier_runs(
    path: &Path,
    binding: &Binding,
    context: &CommandContext<'_>,
) -> Result<Option<Ledger>, Failure> {
    if matches!(path.try_exists(), Ok(false)) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        tempfile::tempfile_in(folder)
            .map_err(|error| LedgerError::io(LedgerOperation::Create, path.display().to_string(), &error))?;
        return Ok(None);
    }
    note_long_reading(path, context.ui);
    let (ledger, opened) = Ledger::open(path, binding, context.clock.unix_ms())?;
    warn_about_cut_line(opened.cut_bytes, context.ui);
    warn_about_access(path, opened.access, context.ui);
    Ok(Some(ledger))
}

/// Reading a ledger of millions of rows takes seconds, in which nothing else is printed.
fn note_long_reading(path: &Path, ui: &Ui) {
    let bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    if bytes >= limits::LEDGER_NOTE_BYTES {
        ui.note(&format!("reading the ledger, {} MiB", format::count(bytes >> 20)));
    }
}
