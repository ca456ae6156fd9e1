//! `reconcile`: compares a file and the pool in both directions, and with `--apply` links what is missing. Never unlinks.
//!
//! The file is read first, for what it needs of the pool; then the pool, once; then the file again, with a standing for
//! each row. What only the pool has is sorted on disk, as an export is.

mod apply;
mod comparison;
mod input;
mod pool_scan;
mod sign_in_traces;
mod view;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use clap::Args;

use super::shared::bounds::{ChangeBounds, InputLimitArgs, InputLimits};
use super::shared::choices::Choices;
use super::shared::control::{ControlArgs, Preparation};
use super::shared::next_command::{config_option, explain_step, report_step, split_step};
use super::shared::pool_findings::{WayToAccept, check_sign_ins, review_pool, warn_of_pool_errors};
use super::shared::retry::{RetryOption, parse_retry, retry_choice};
use super::shared::run::{listen_for_signals, run_engine, run_start};
use super::shared::settings::{FileSettings, parse_count, parse_percent};
use super::shared::{
    AdvancedArgs, CommandContext, Failure, GuardArgs, InputArgs, Monitor, MonitorArgs, MonitoredRun, OpenPool,
    PaceArgs, PoolArgs, Proposal, RateChoice, RunTarget, SimulationArgs, check_outputs, default_ledger_path, headings,
    note_preset, parse_provider, pool_options, warn_about_access, warn_about_cut_line, warn_about_missing_providers,
};
use crate::domain::drift::{DriftCounts, DriftReport};
use crate::domain::identity::{PoolId, ProviderName};
use crate::domain::run::{RunOutcome, RunPurpose};
use crate::domain::state::RetryChoice;
use crate::engine::{RunContext, ServicePorts, WritePort};
use crate::exit::Exit;
use crate::foresight::preflight::mapped_attributes;
use crate::foresight::scan::ScanOptions;
use crate::input::{InputOptions, InputReader, InputSource, OutputFile};
use crate::ledger::record::RunStart;
use crate::ledger::{Corrections, Ledger, identity_hash, superseded_identities};
use crate::limits::{CHANGES_MAX, CHANGES_PERCENT_MAX, REPORT_FAILURES_MAX};
use crate::seed::Rng;
use crate::ui::{MessageCode, Ui, format, shell_path, shell_word};
use apply::{ApplyOutcome, leave_out_recent_rows, misses_last_run, note_settling};
pub use apply::{PickedRows, ReopenedRows, reopen_rows};
pub use comparison::{ComparedItem, Comparison};
pub use input::ReconcileInput;
pub use pool_scan::{FileNeeds, ReconcileScan};

const EXAMPLE: &str = "Example: cognito-link reconcile pairs.csv --user-pool-id us-east-1_AbCdEfGhI --exit-on-drift";

/// Compare a file and the pool in both directions; with --apply, link what is missing
///
/// Reads the whole pool once. Never unlinks and never moves a link: such differences are only listed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct ReconcileArgs {
    /// File or `s3://` object of pairs: CSV or JSON lines, plain, gzip or zstd; `-` is stdin
    pub input: PathBuf,
    /// Link what is missing; never unlink or move a link
    #[arg(long)]
    pub apply: bool,
    /// Skip the question before writing to the pool
    #[arg(short, long, requires = "apply")]
    pub yes: bool,
    /// Exit with status 5 if file and pool differ; with --apply, if they still differ afterwards
    #[arg(long)]
    pub exit_on_drift: bool,
    /// File to write the standing of each row and each extra link to
    ///
    /// One line for each row, which starts with a symbol: = linked, + missing, ! moved, ? blocked or invalid, ~
    /// unverifiable. Then one line for each link that only the pool has, which starts with -.
    #[arg(long, value_name = "FILE")]
    pub combined: Option<PathBuf>,
    #[command(flatten)]
    pub reading: InputArgs,
    /// File of choices for ambiguous rows: `choices.csv` of `validate --split`, filled in
    #[arg(long, value_name = "FILE", help_heading = headings::INPUT, hide_short_help = true)]
    pub choices: Option<PathBuf>,
    /// Provider whose extra links are listed (can be repeated); by default every provider in the file
    #[arg(long, value_name = "NAME", value_parser = parse_provider, help_heading = headings::INPUT)]
    pub provider: Vec<ProviderName>,
    #[command(flatten)]
    pub pool: PoolArgs,
    #[command(flatten)]
    pub guards: GuardArgs,
    #[command(flatten)]
    pub pace: PaceArgs,
    #[command(flatten)]
    pub control: ControlArgs,
    #[command(flatten)]
    pub input_limits: InputLimitArgs,
    /// Send nothing if more links than this are missing [default: 500]
    #[arg(long, value_name = "N", value_parser = parse_count, help_heading = headings::PACE)]
    pub max_changes: Option<u64>,
    /// Send nothing if more than this percentage of the file's rows is missing [default: 5]
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent, help_heading = headings::PACE,
        hide_short_help = true)]
    pub max_changes_pct: Option<f64>,
    /// Ledger for --apply [default: INPUT.ledger, or INPUT.simulated.ledger with --simulate]
    ///
    /// Without --apply it is only read, for refusals and rows in doubt of earlier runs.
    #[arg(long, value_name = "FILE", help_heading = headings::LEDGER)]
    pub ledger: Option<PathBuf>,
    /// Rows to attempt again although the ledger holds a refusal that a scan cannot see: `refused`, or a code (can be repeated)
    #[arg(long, value_name = "CODE", value_parser = parse_retry, help_heading = headings::LEDGER, hide_short_help = true)]
    pub retry: Vec<RetryOption>,
    /// Refuse --apply: links need a plan that one of these signers has approved, and reconcile follows no plan
    #[arg(long, value_name = "SIGNERS", help_heading = headings::LEDGER, hide_short_help = true)]
    pub require_approval: Option<PathBuf>,
    #[command(flatten)]
    pub simulation: SimulationArgs,
    #[command(flatten)]
    pub monitor: MonitorArgs,
    #[command(flatten)]
    pub advanced: AdvancedArgs,
}

impl ReconcileArgs {
    /// Returns the input with the options that read it, for a suggested command.
    fn again(&self, context: &CommandContext<'_>) -> Option<String> {
        let input = self.reading.with_input(&self.input);
        input.map(|input| input + &config_option(context.config.as_deref()))
    }

    fn refuse_required_approval(&self) -> Result<(), Failure> {
        let Some(signers) = self.require_approval.as_ref().filter(|_| self.apply) else { return Ok(()) };
        Err(Failure::Usage(format!(
            "--require-approval {}: only an approved plan is linked, and --apply follows none: use `validate --save-plan \
             PLAN`, `plan approve PLAN` and `link --plan PLAN`",
            signers.display()
        )))
    }
}

impl ReconcileArgs {
    /// Returns the options for the bounds under which the missing links can be made, each after a space, and why some are
    /// raised. Those that were given are repeated.
    fn bounds_for(&self, counts: &DriftCounts, file: &FileSettings) -> (String, String) {
        let Ok(given) = ChangeBounds::new(self.max_changes, self.max_changes_pct, file) else {
            return Default::default();
        };
        let bounds = given.or(CHANGES_MAX, CHANGES_PERCENT_MAX);
        let raised = bounds.raised_for(counts.changes, counts.rows);
        let changes_max = raised.changes_max.or(self.max_changes).map(|most| format!(" --max-changes {most}"));
        let percent_max = raised.percent_max.or(self.max_changes_pct).map(|most| format!(" --max-changes-pct {most}"));
        let why = bounds.check(counts.changes, counts.rows).err().map(|_| {
            let links = format::counted(counts.changes, "link");
            let default = ChangeBounds::default().or(CHANGES_MAX, CHANGES_PERCENT_MAX);
            let bound = if bounds == default { "the default bound" } else { "the bound" };
            format!(
                "; check the missing rows first, because {links} of {} are over {bound}",
                format::counted(counts.rows, "row")
            )
        });
        (changes_max.into_iter().chain(percent_max).collect(), why.unwrap_or_default())
    }
}

pub async fn cmd_reconcile(args: ReconcileArgs, context: &CommandContext<'_>) -> Result<Exit, Failure> {
    let CommandContext { ui, clock, file_settings: file, .. } = context;

    // Settings.
    args.control.plan()?;
    args.refuse_required_approval()?;
    // Nobody can answer, so the comparison is a preview, and the ledger stays as it is.
    let is_preview = args.apply && !args.guards.answers(args.yes) && !ui.can_ask();
    let source = InputSource::open(&args.input)?;
    let options = args.reading.options(file)?;
    note_preset(&options, ui);
    // Wrong columns are reported before a ledger is created and the pool is read.
    InputReader::new(&source, &options)?;
    let input_limits = InputLimits::new(args.input_limits.min_rows, args.input_limits.max_shrink, file)?;
    let choices = args.choices.as_deref().map(Choices::read).transpose()?.unwrap_or_default();
    let ledger_path = match &args.ledger {
        _ if !args.apply => None,
        Some(path) => Some(path.clone()),
        None => Some(default_ledger_path(&args.input, None, args.simulation.simulate)?),
    };
    let outputs = [("--combined", args.combined.as_deref()), args.simulation.output()];
    let ledger_read = ledger_path.as_deref().or(args.ledger.as_deref());
    let [pool_file, faults] = args.simulation.files_read();
    let read = [Some(args.input.as_path()), ledger_read, args.choices.as_deref(), pool_file, faults];
    check_outputs(&outputs, &read, context.force)?;
    let seed = args.advanced.seed.unwrap_or(context.seed);
    let scan = ScanOptions { reads: RateChoice::of_reads(args.pace.share, file)?.read_pace(), seed };

    let watch = |pool: &PoolId| match &ledger_path {
        Some(ledger) => {
            let watched = MonitoredRun { command: "reconcile", pool, ledger, input: &args.input };
            Monitor::expect(&args.monitor, watched, context)
        }
        None => Ok(()),
    };
    if !args.simulation.simulate {
        watch(&args.pool.pool_id(file, None)?)?;
    }

    // Open the pool and the ledger. Its lock keeps a second run away until the end.
    let pool = OpenPool::open(&args.pool, &args.simulation, seed, context).await?;
    watch(&pool.binding.pool)?;
    if args.apply && pool.address.simulator.is_none() {
        args.guards.check_protection(args.yes, &pool.address.pool, file)?;
    }
    let input = ReconcileInput {
        source,
        options,
        binding: pool.binding.clone(),
        providers: args.provider.iter().cloned().collect(),
        retry: retry_choice(&args.retry),
        trust: args.reading.trust_policy(file),
        choices,
    };
    pool.check_providers("--provider", &input.providers)?;
    let ledger = match &ledger_path {
        Some(path) if is_preview => Some(Ledger::preview(path, &input.binding, clock.unix_ms())?),
        Some(path) => {
            let (ledger, opened) = Ledger::open(path, &input.binding, clock.unix_ms())?;
            warn_about_cut_line(opened.cut_bytes, ui);
            warn_about_access(path, opened.access, ui);
            Some(ledger)
        }
        None => None,
    };
    let locked = ledger_path.as_deref().filter(|_| !is_preview);
    let preparation = locked.and_then(|path| Preparation::start(path, "reconcile", &args.monitor.hooks, context));
    let read_only = args.ledger.as_deref().filter(|_| !args.apply);
    let read_only = read_only.map(|path| Ledger::open_read_only(path, &input.binding)).transpose()?;

    // Compare.
    let known = ledger.as_ref().or(read_only.as_ref());
    let rows_before = known.and_then(|ledger| ledger.rows_of_input(&args.input.display().to_string()));
    let needs = input.read_file(ui.observer().as_mut())?;
    input_limits.check(needs.rows, rows_before)?;
    let superseded = match (known, ledger_path.as_deref().or(args.ledger.as_deref())) {
        (Some(ledger), Some(path)) => superseded_identities(ledger.view(), path)?,
        _ => HashSet::new(),
    };
    let (comparison, report) = compare(&args, &input, needs, &pool, known, &superseded, scan, context).await?;
    view::print_drift(&report, ui)?;
    input.choices.warn_about_unused(ui);
    note_comparison(&args, &comparison, &input.options, ui);

    // Apply.
    let shown_path = ledger_path.as_ref().map(|path| path.display().to_string());
    let outcome = match ledger.zip(ledger_path.as_deref()) {
        Some(ledger) => {
            let bounds = ChangeBounds::new(args.max_changes, args.max_changes_pct, file)?;
            let bounds = bounds.or(CHANGES_MAX, CHANGES_PERCENT_MAX);
            Box::pin(apply(&args, &input, &pool, &report, comparison, bounds, ledger, preparation, context)).await?
        }
        None => ApplyOutcome::default(),
    };
    pool.address.close()?;

    // Result.
    let exit = exit_status(&args, &report, &outcome);
    outcome.finish_monitor(exit);
    let applied = outcome.run.as_ref().zip(shown_path.as_deref());
    let again = args.again(context);
    view::print_result(&report, applied, again.as_deref(), outcome.failure.as_ref(), exit, ui)?;
    if let Some(failure) = &outcome.failure {
        failure.print(ui);
    }
    match applied.filter(|_| exit == Exit::Success) {
        Some((_, ledger)) => ui.hint(&report_step(ledger)),
        None if applied.is_none() => hint_after_comparison(&args, &report, again.as_deref(), context),
        None => {}
    }
    Ok(exit)
}

/// Standard input cannot be read again, so nothing is suggested for it.
fn hint_after_comparison(
    args: &ReconcileArgs,
    report: &DriftReport,
    input: Option<&str>,
    context: &CommandContext<'_>,
) {
    for step in input.into_iter().flat_map(|input| next_steps(args, report, input, context)) {
        context.ui.hint(&step);
    }
}

/// Prints what to know about a comparison that nothing follows.
fn note_comparison(args: &ReconcileArgs, comparison: &Comparison, options: &InputOptions, ui: &Ui) {
    if args.apply {
        return;
    }
    warn_of_pool_errors(&comparison.unlike, options, ui);
    if comparison.in_doubt > 0 {
        let rows = format::counted(comparison.in_doubt, "row");
        ui.note(MessageCode::InDoubt, &format!("{rows} in doubt in the ledger; settle them with --apply"));
    }
}

/// Returns what to do next after a comparison that sent nothing. `input` has the options that read it.
fn next_steps(args: &ReconcileArgs, report: &DriftReport, input: &str, context: &CommandContext<'_>) -> Vec<String> {
    let path = |path: &Path| shell_path(&path.display().to_string());
    let counts = &report.counts;
    let mut steps = Vec::new();
    if counts.changes > 0 && !args.apply {
        let mut options = args.reading.on_command_line() + &pool_options(&args.pool, &args.simulation, context);
        for (option, file) in [("choices", &args.choices), ("ledger", &args.ledger)] {
            options.extend(file.as_deref().map(|file| format!(" --{option} {}", path(file))));
        }
        options.extend(args.provider.iter().map(|name| format!(" --provider {}", shell_word(name.as_str()))));
        let input = path(&args.input);
        let (bounds, why) = args.bounds_for(counts, &context.file_settings);
        let what = if counts.missing > 0 { "what is missing" } else { "the rows whose links the pool may not show" };
        steps.push(format!("link {what}: `cognito-link reconcile {input}{options}{bounds} --apply`{why}"));
    }
    let to_explain = [(counts.moved, "moved"), (counts.misfired, "misfired"), (counts.extra, "extra")];
    let standing = to_explain.into_iter().find(|(number, _)| *number > 0).map(|(_, standing)| standing);
    if let Some(code) = counts.by_code.keys().next().map(|code| code.as_str()).or(standing) {
        steps.push(explain_step(code));
    }
    if counts.invalid > 0 {
        steps.push(split_step(Some(input)));
    }
    steps
}

#[expect(clippy::too_many_arguments, reason = "the second half of the command, with all that the first half has found")]
async fn apply(
    args: &ReconcileArgs,
    input: &ReconcileInput,
    pool: &OpenPool,
    report: &DriftReport,
    mut comparison: Comparison,
    bounds: ChangeBounds,
    (mut ledger, ledger_path): (Ledger, &Path),
    preparation: Option<Preparation>,
    context: &CommandContext<'_>,
) -> Result<ApplyOutcome, Failure> {
    let CommandContext { ui, clock, file_settings: file, .. } = context;

    // Bounds, and the ledger's view of what is missing.
    let corrections = match &comparison.presence {
        Some(presence) => ledger.corrections(presence)?,
        None => Corrections::default(),
    };
    if comparison.to_process() == 0 {
        ledger.record_corrections(&corrections, clock.unix_ms())?;
        ui.note(MessageCode::NothingToDo, "nothing is missing; nothing was sent");
        return Ok(ApplyOutcome::default());
    }
    let changes = report.counts.changes;
    if let Err(stop) = bounds.check(changes, report.counts.rows) {
        return Ok(ApplyOutcome { failure: Some(stop.into()), left_open: changes, ..ApplyOutcome::default() });
    }
    let seed = args.advanced.seed.unwrap_or(context.seed);
    let too_recent = leave_out_recent_rows(&mut comparison, &ledger);
    let reasons = match comparison.to_process() {
        0 => Vec::new(),
        _ => match check_missing(input, pool, &comparison, seed, context).await {
            Ok(reasons) => reasons,
            Err(failure) => {
                return Ok(ApplyOutcome { failure: Some(failure), left_open: changes, ..ApplyOutcome::default() });
            }
        },
    };
    let reopened = reopen_rows(&mut comparison, &mut ledger, clock.unix_ms())?;
    let reopened = ReopenedRows { too_recent, ..reopened };
    note_settling(&comparison, reopened, clock.unix_ms(), ui);
    let left_open = reopened.too_recent;
    let to_process = comparison.to_process();
    if to_process == 0 {
        return Ok(ApplyOutcome { left_open, ..ApplyOutcome::default() });
    }
    let rate_choice = args.pace.rate_choice(None, file)?;
    let mut options = args.pace.engine_options(RunPurpose::Link, rate_choice, &args.advanced, context)?;
    options.windows = args.control.plan()?.outlook();
    // Connect again: only from here on there is something to write with.
    let service = pool.address.connect().await?;
    let target = RunTarget::find(&input.binding, &service, &pool.knowledge, &args.guards, context).await?;
    let what = format!("link {} of {}", format::counted(to_process, "row"), report.input);
    let first = ledger.last_run().is_none().then(|| "the first run with this ledger".to_owned());
    let reasons = first.into_iter().chain(reasons).collect();
    target.confirm(&Proposal { what, links: to_process, reasons, yes: args.yes, ui })?;
    let learned = ledger.pace_milli();
    let pace = args.pace.set_write_pace(rate_choice, service.limits(), learned, &mut options, context).await?;
    options.total = Some(to_process);
    options.trust = input.trust;
    // What was refused before, and is free in the scan, is attempted again.
    options.retry = RetryChoice::EVERYTHING;

    // Run.
    let mut signals = listen_for_signals()?;
    let mut rows = PickedRows::open(input, comparison)?;
    let origin = Some(target.origin(Some(&input.source), context));
    let run = context.run;
    let start = RunStart {
        rows: Some(report.counts.rows),
        ..run_start(run, "reconcile", &args.input.display().to_string(), pace.limit, None, origin, *clock)
    };
    let control = args.control.plan()?;
    let (controls, requests) = control.start(preparation, ledger_path, run, "reconcile", context)?;
    let watched =
        MonitoredRun { command: "reconcile", pool: &input.binding.pool, ledger: ledger_path, input: &args.input };
    let monitor = Monitor::start(&args.monitor, watched, context).await?;
    let mut observer = monitor.observer(ui.observer());
    let engine = RunContext {
        pool: input.binding.pool.clone(),
        simulated: input.binding.simulated,
        knowledge: &pool.knowledge,
        services: ServicePorts { directory: pool.directory.clone(), writer: WritePort::Links(service.linker()) },
        ledger: &mut ledger,
        run,
        options,
        later_limits: pace.later_limits,
        control: Some(requests),
        clock: *clock,
        observer: observer.as_mut(),
        undo_observer: None,
    };
    let run = run_engine(engine, &start, &corrections, &mut rows, &mut signals).await?;
    controls.close(ui).await;
    drop(observer);
    let failure = match &run.ended {
        RunOutcome::Stopped(stop) => Some(stop.clone().into()),
        _ => None,
    };
    Ok(ApplyOutcome { run: Some(run), failure, left_open, monitor: Some(monitor) })
}

/// Compares what a run would link with the pool as a whole, and with what breaks sign-ins there. Returns reasons
/// for the question; an error ends the command.
async fn check_missing(
    input: &ReconcileInput,
    pool: &OpenPool,
    comparison: &Comparison,
    seed: u64,
    context: &CommandContext<'_>,
) -> Result<Vec<String>, Failure> {
    let (ui, options) = (context.ui, &input.options);
    let concern = |(reason, rows): (&&str, &u64)| format!("{} to link: {reason}", format::counted(*rows, "row"));
    let concerns: Vec<String> = comparison.concerns.iter().map(concern).collect();
    for concern in &concerns {
        ui.warn(MessageCode::LinksInQuestion, concern);
    }
    let (directory, app_clients) = (pool.directory.as_ref(), pool.app_clients.as_ref());
    let sign_ins =
        check_sign_ins(directory, app_clients, &pool.knowledge, &comparison.providers, seed, context.clock).await;
    let reasons = review_pool(&comparison.unlike, &sign_ins, options, WayToAccept::ByOption, "reconcile", ui)?;
    Ok(concerns.into_iter().chain(reasons).collect())
}

/// Reads the pool, and compares the file with it. `superseded` are the identities of links that no row of the ledger has
/// any more.
#[expect(clippy::too_many_arguments, reason = "what is compared, with what, and how")]
async fn compare(
    args: &ReconcileArgs,
    input: &ReconcileInput,
    mut needs: FileNeeds,
    pool: &OpenPool,
    ledger: Option<&Ledger>,
    superseded: &HashSet<u64>,
    options: ScanOptions,
    context: &CommandContext<'_>,
) -> Result<(Comparison, DriftReport), Failure> {
    let (ui, clock) = (context.ui, context.clock);
    let mut observer = ui.observer();
    let mut rng = Rng::new(options.seed).fork("mappings");
    let known = needs.by_attribute.iter().filter(|name| pool.knowledge.providers.contains_key(*name)).cloned();
    let mapped = mapped_attributes(pool.directory.as_ref(), clock, &mut rng, &known.collect()).await?;
    warn_about_missing_providers(&pool.knowledge.missing_of(&needs.providers), &pool.knowledge, ui);
    let directory = pool.directory.clone();
    let mut scan = input.scan_pool(&mut needs, directory, &pool.knowledge, options, clock, observer.as_mut()).await?;
    scan.misses_last_run = ledger.is_some_and(|ledger| misses_last_run(scan.scanned.began, ledger));
    drop(observer);
    ui.status("comparing");
    let mut report = DriftReport {
        input: input.source.name().to_owned(),
        pool: input.binding.pool.to_string(),
        simulated: input.binding.simulated,
        scope: input.scope(&needs).iter().map(ProviderName::to_string).collect(),
        users: scan.scanned.users,
        reads: scan.scanned.reads,
        scanned_unix_ms: scan.scanned.began,
        elapsed: scan.scanned.elapsed,
        ..DriftReport::default()
    };
    let mut combined = args.combined.as_deref().map(OutputFile::create).transpose()?;
    let mut superseded_links = 0;
    let comparison =
        input.compare(&needs, &mut scan, &pool.knowledge, mapped, ledger.map(Ledger::view), &mut |item| {
            if let (Some(file), Some(line)) = (&mut combined, view::combined_line(&item)?) {
                file.write(&line)?;
            }
            add_to_report(&mut report, &item);
            if let ComparedItem::Extra(link) = &item
                && superseded.contains(&identity_hash(&link.provider, link.value.expose()))
            {
                superseded_links += 1;
                if let Some(last) = report.extras.last_mut().filter(|last| *last == *link) {
                    last.superseded = true;
                }
            }
            Ok(())
        })?;
    combined.map(OutputFile::finish).transpose()?;
    ui.clear_status();
    report.counts = comparison.counts.clone();
    report.counts.superseded = superseded_links;
    Ok((comparison, report))
}

fn add_to_report(report: &mut DriftReport, item: &ComparedItem<'_>) {
    use crate::domain::drift::DriftStatus;
    match item {
        ComparedItem::Row(line) if line.standing == DriftStatus::Linked => {}
        ComparedItem::Row(line) if report.lines.len() < REPORT_FAILURES_MAX => report.lines.push((*line).clone()),
        ComparedItem::Row(_) => report.lines_left_out += 1,
        ComparedItem::Extra(line) if report.extras.len() < REPORT_FAILURES_MAX => report.extras.push((*line).clone()),
        ComparedItem::Extra(_) => report.extras_left_out += 1,
        ComparedItem::Misfire(line) if report.misfires.len() < REPORT_FAILURES_MAX => {
            report.misfires.push((*line).clone());
        }
        ComparedItem::Misfire(_) => report.misfires_left_out += 1,
    }
}

/// What kept the run from making the links comes first, then drift with `--exit-on-drift`, then rows that stay open.
fn exit_status(args: &ReconcileArgs, report: &DriftReport, outcome: &ApplyOutcome) -> Exit {
    let (counts, applied) = (&report.counts, outcome.exit());
    let is_open = counts.invalid > 0 || args.apply && counts.moved + counts.blocked > 0;
    let drifts = if args.apply {
        counts.unresolvable_drift() > 0 || outcome.left_open > 0 || applied == Exit::Incomplete
    } else {
        counts.has_drift()
    };
    match applied {
        Exit::Success | Exit::Incomplete if args.exit_on_drift && drifts => Exit::Drift,
        Exit::Success if is_open || outcome.left_open > 0 => Exit::Incomplete,
        applied => applied,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::commands::{Cli, Command};
    use crate::domain::drift::DriftStatus;
    use crate::domain::outcome::RefusalCode;
    use crate::ui::testing::Screen;

    fn steps(line: &str, counts: DriftCounts) -> Vec<String> {
        let words = ["cognito-link"].into_iter().chain(line.split(' '));
        let cli = Cli::try_parse_from(words).unwrap();
        let Command::Reconcile(args) = cli.command else { panic!("{line}") };
        let ui = Screen::new().ui();
        let mut context = crate::commands::testing::context(&ui);
        context.config = cli.output.config;
        let input = args.reading.with_input(&args.input).unwrap();
        next_steps(&args, &DriftReport { counts, ..DriftReport::default() }, &input, &context)
    }

    #[test]
    fn bounds_that_the_missing_links_cross_are_raised_in_the_suggestion() {
        let missing = |rows, changes| DriftCounts { rows, missing: changes, changes, ..DriftCounts::default() };
        let step = |line: &str, rows, changes| steps(line, missing(rows, changes)).remove(0);
        let default = step("reconcile in.csv --simulate", 7, 2);
        assert_eq!(
            default,
            "link what is missing: `cognito-link reconcile in.csv --simulate --max-changes-pct 29 --apply`; check the missing \
             rows first, because 2 links of 7 rows are over the default bound"
        );
        let both = step("reconcile in.csv", 1_000, 600);
        assert!(both.contains(" --max-changes 600 --max-changes-pct 60 --apply`; check"), "{both}");
        let given = step("reconcile in.csv --max-changes 9 --max-changes-pct 12.5", 80, 10);
        assert!(given.contains(" --max-changes 10 --max-changes-pct 12.5 --apply`; check"), "{given}");
        let enough = step("reconcile in.csv --max-changes 10", 1_000, 10);
        assert!(enough.ends_with(" --max-changes 10 --apply`"), "{enough}");
    }

    #[test]
    fn a_comparison_is_followed_by_the_command_that_links_what_is_missing() {
        let missing = DriftCounts { rows: 40, missing: 2, changes: 2, extra: 1, ..DriftCounts::default() };
        let line =
            "reconcile in.csv --map source_value=id --config prod.toml --pool eu --ledger a.ledger --provider Okta";
        let apply = "link what is missing: `cognito-link reconcile in.csv --map source_value=id --config prod.toml --pool \
                     eu --ledger a.ledger --provider Okta --apply`";
        assert_eq!(
            steps(line, missing.clone()),
            [apply, "read what a code means and what to do: `cognito-link explain extra`"]
        );
        assert_eq!(steps("reconcile in.csv --apply", missing).len(), 1, "an --apply that sent nothing has said why");
        let mut blocked = DriftCounts { moved: 1, ..DriftCounts::default() };
        blocked.add(DriftStatus::Blocked(RefusalCode::UserNotFound));
        blocked.add(DriftStatus::Invalid);
        let expected = [
            "read what a code means and what to do: `cognito-link explain user_not_found`",
            "write the invalid rows to a file: `cognito-link validate in.csv --split DIR`",
        ];
        assert_eq!(steps("reconcile in.csv", blocked), expected);
        assert_eq!(steps("reconcile in.csv", DriftCounts { rows: 5, linked: 5, ..DriftCounts::default() }), [""; 0]);
    }
}
