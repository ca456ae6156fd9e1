//! `link`: links every row of a file.

mod canary;
mod check;
mod dry_run;
mod estimate;
mod pool_check;
mod rehearse;
mod verify;
mod verify_outcome;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::Map;

use super::reconcile::ReconcileInput;
use super::shared::bounds::{ChangeBounds, InputLimitArgs, InputLimits};
use super::shared::choices::Choices;
use super::shared::control::{ControlArgs, ControlPlan, Preparation};
use super::shared::next_command::{compare_step, config_option, report_step, verify_step};
use super::shared::part::{InputPart, PartArgs};
use super::shared::pool_findings::WayToAccept;
use super::shared::retry::{RetryOption, hint_at_superseded_links, hint_at_undone_rows, parse_retry, retry_choice};
use super::shared::rows::{InputRows, RowGuidance};
use super::shared::run::{exit_for_run, listen_for_signals, run_engine, run_start};
use super::shared::run_view::{RESUME_RUN, print_run_report_with, print_stop};
use super::shared::saved_plan::{self, PlanHeader, PrivatePlan, SavedPlan};
use super::shared::settings::{parse_count, parse_duration, parse_percent};
use super::shared::shard::ShardChoice;
use super::shared::signature::{self, SignedMatter, Signer, signature_path};
use super::shared::simulator::Simulator;
use super::shared::{
    AdvancedArgs, CommandContext, EarlierLedger, ExpectedPool, Failure, GuardArgs, InputArgs, Monitor, MonitorArgs,
    MonitoredRun, PaceArgs, PoolArgs, Proposal, RunTarget, SimulationArgs, WritePace, binding_of, check_outputs,
    connect, default_ledger_path, headings, note_preset, parse_shard, pool_options, real_pool_options, resolve_shard,
    warn_about_undivided_array,
};
use super::validate::cmd_validate;
use crate::domain::identity::PoolId;
use crate::domain::object::ObjectAddress;
use crate::domain::row::Row;
use crate::domain::run::{RunOutcome, RunPurpose};
use crate::domain::shard::Shard;
use crate::domain::state::RetryChoice;
use crate::engine::{EngineOptions, RunContext, ServicePorts, WritePort};
use crate::exit::Exit;
use crate::foresight::preflight::PoolKnowledge;
use crate::foresight::scan::ScanOptions;
use crate::input::{InputOptions, InputReader, InputSource, OutputFile, copy_of_object};
use crate::ledger::record::{PlanApproval, RunStart, cut_after};
use crate::ledger::storage::refuse_beside_rescued;
use crate::ledger::{Binding, Corrections, Ledger, LedgerError, LedgerOperation};
use crate::limits;
use crate::service::cognito::{Cognito, ConnectionTarget};
use crate::ui::format::counted;
use crate::ui::{MessageCode, Ui, format, shell_path};
use canary::{Canary, canary_size};
pub use check::{CheckedInput, InputCheck};
use estimate::print_estimate;
use pool_check::PoolCheck;
use verify_outcome::VerifyOutcome;

const EXAMPLE: &str = "Example: cognito-link link pairs.csv --user-pool-id us-east-1_AbCdEfGhI";

/// Link every row of a file; resume where the last run ended
///
/// Checks the whole file first, and sends nothing before you have confirmed. The ledger beside the file records every
/// call before it is made, so the same command resumes after a crash, a signal or a limit. Before it asks, it
/// reports settings of the pool that break sign-ins, and identities unlike a sample of the pool's. Only a plan compares
/// each row with the pool.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
#[expect(clippy::struct_excessive_bools, reason = "a flag a field")]
pub struct LinkArgs {
    /// File or `s3://` object of pairs: CSV or JSON lines, plain, gzip or zstd; `-` is stdin
    pub input: PathBuf,
    /// Skip the question before writing to the pool
    #[arg(short, long)]
    pub yes: bool,
    /// Send nothing: report what would happen to each row, as `validate` does with a pool
    ///
    /// Follows no plan: a plan is the result of a dry run.
    #[arg(long, conflicts_with = "rehearse")]
    pub dry_run: bool,
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
    pub control: ControlArgs,
    #[command(flatten)]
    pub input_limits: InputLimitArgs,
    /// Send nothing if more links than this would be made
    #[arg(long, value_name = "N", value_parser = parse_count, help_heading = headings::PACE, hide_short_help = true)]
    pub max_changes: Option<u64>,
    /// Send nothing if links for more than this percentage of the input's rows would be made
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent, help_heading = headings::PACE,
        hide_short_help = true)]
    pub max_changes_pct: Option<f64>,
    /// Link N rows first, spread over all providers, and go on only if each is seen on its user; 0 for none
    ///
    /// Takes at least one row of each provider, out of those that are still to be linked. If one row is not right, nothing
    /// else is sent.
    #[arg(long, value_name = "N", value_parser = canary::parse_canary, help_heading = headings::PACE,
        hide_short_help = true)]
    pub canary: Option<u64>,
    /// Whether to read each user after the call, to tell a link that stood before from a new one; without a value, always
    ///
    /// Costs one read more for each row, and another after a minute where an older link is shown.
    #[arg(long, value_enum, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_value_t,
        default_missing_value = "always", help_heading = headings::PACE, hide_short_help = true)]
    pub read_back: ReadBackChoice,
    /// At the end, compare the rows, and every other link of the ledger, with the pool by a scan; report every difference
    #[arg(long, conflicts_with = "rehearse", help_heading = headings::PACE, hide_short_help = true)]
    pub verify: bool,
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
    /// Order in which the rows of a plan are linked
    #[arg(long, value_enum, value_name = "ORDER", default_value_t, requires = "plan", help_heading = headings::LEDGER,
        hide_short_help = true)]
    pub order: LinkOrder,
    /// Allowed signers of which one must have approved the plan with `plan approve`: a file for `ssh-keygen -Y verify`
    #[arg(long, value_name = "SIGNERS", requires = "plan", help_heading = headings::LEDGER, hide_short_help = true)]
    pub require_approval: Option<PathBuf>,
    /// Signature of the plan [default: PLAN.sig]
    #[arg(long, value_name = "FILE", requires = "require_approval", help_heading = headings::LEDGER, hide_short_help = true)]
    pub approval: Option<PathBuf>,
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

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LinkOrder {
    /// As in the file
    #[default]
    File,
    /// The users with the latest change in the pool first
    Recent,
}

/// When a row is read back after a call that succeeded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ReadBackChoice {
    /// Where the endpoint is neither AWS's nor this program's simulator
    #[default]
    Auto,
    Always,
    Never,
}

impl ReadBackChoice {
    /// AWS refuses a link that stood before. Some emulators answer it with success.
    fn applies_to(self, binding: &Binding) -> bool {
        match self {
            Self::Auto => binding.endpoint.is_some() && !binding.simulated,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

impl LinkArgs {
    /// Returns the input with the options that read it, for a suggested command.
    fn again(&self, context: &CommandContext<'_>) -> Option<String> {
        let input = self.reading.with_input(&self.input);
        input.map(|input| input + &config_option(context.config.as_deref()))
    }

    /// Says what follows a run after which every row has its link.
    fn hint_after_success(&self, ledger: &str, shard: Option<Shard>, context: &CommandContext<'_>) {
        // A part of the input stays a part of it in the ledger.
        let is_whole = shard.is_none() && self.part == PartArgs::default();
        context.ui.hint(&match self.again(context).filter(|_| is_whole) {
            Some(input) => verify_step(ledger, Some(&input)),
            None => report_step(ledger),
        });
        if self.simulation.simulate {
            self.hint_at_real_pool(context);
        }
    }

    /// Says what follows a simulated run.
    fn hint_at_real_pool(&self, context: &CommandContext<'_>) {
        let pool = real_pool_options(&self.pool, context);
        // The options of the pool have the settings file.
        let input = if pool.is_some() { self.reading.with_input(&self.input) } else { self.again(context) };
        if let Some(input) = input {
            context.ui.hint(&compare_step(&input, pool.as_deref()));
        }
    }

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
    if args.dry_run {
        let (validate, dry_run) = args.without_writing(context)?;
        return Box::pin(cmd_validate(validate, dry_run, context)).await;
    }

    // Settings.
    refuse_missing_plan(&args)?;
    let simulator = Simulator::load(&args.simulation)?;
    let shard = resolve_shard(args.shard)?;
    let pool = args.pool.pool_id(file, simulator.as_ref().map(Simulator::pool_id))?;
    let input_options = args.reading.options(file)?;
    let ledger_path = args.ledger_path(shard)?;
    if !args.rehearse {
        let watched = MonitoredRun { command: "link", pool: &pool, ledger: &ledger_path, input: &args.input };
        Monitor::expect(&args.monitor, watched, context)?;
    }
    let [_, faults] = args.simulation.files_read();
    let read = [Some(args.input.as_path()), Some(&ledger_path), args.choices.as_deref(), args.plan.as_deref(), faults];
    check_outputs(&[args.simulation.output()], &read, context.force)?;
    let rate_choice = args.pace.rate_choice(shard, file)?;
    let control = args.control.plan()?;
    let mut options = args.pace.engine_options(RunPurpose::Link, rate_choice, &args.advanced, context)?;
    options.windows = control.outlook();
    let input_limits = InputLimits::new(args.input_limits.min_rows, args.input_limits.max_shrink, file)?;
    let canary_size = canary_size(args.canary, file)?;
    let change_bounds = ChangeBounds::new(args.max_changes, args.max_changes_pct, file)?;
    options.retry = retry_choice(&args.retry);
    options.retry.relink = args.relink;
    options.trust = args.reading.trust_policy(file);
    let source = InputSource::open(&args.input)?;
    note_preset(&input_options, ui);
    warn_about_undivided_array(shard, ui);
    if simulator.is_none() {
        args.guards.check_protection(args.yes, &pool, file)?;
    }

    // Wrong columns, a wrong plan, ledger or pool, and missing permissions are reported before a long file is read.
    let part = InputPart::new(&args.part, &InputReader::new(&source, &input_options)?)?;
    let expected = ExpectedPool::new(&args.pool, &pool, simulator.is_some(), file);
    let (guidance, followed) = open_guidance(&args, &source, &input_options, &expected, context)?;
    let plan = followed.as_ref().map(|followed| &followed.header);
    let earlier = if args.rehearse { None } else { open_ledger_of_earlier_runs(&ledger_path, &expected, context)? };
    // A ledger or plan is bound to what the service says of itself, so the service is called before its rows count.
    let origin = ServiceOrigin::open(&args, simulator, &pool, options.seed, context).await?;
    let binding = origin.binding(pool);
    options.reads_back = args.read_back.applies_to(&binding);
    if let Some((path, plan)) = args.plan.as_deref().zip(plan) {
        plan.check_binding(path, &binding)?;
    }
    let ledger = earlier.map(|earlier| earlier.bound_to(&ledger_path, &binding)).transpose()?;
    // A ledger that is yet to be created has no lock, which a socket needs.
    let preparation =
        ledger.as_ref().and_then(|_| Preparation::start(&ledger_path, "link", &args.monitor.hooks, context));
    let check = || {
        let (pool, retry, ledger) = (&binding.pool, options.retry, ledger.as_ref());
        let (source, options) = (&source, &input_options);
        let check = InputCheck { source, options, pool, shard, part: &part, ledger, retry };
        let checked = match part.limit {
            Some(limit) if args.order == LinkOrder::Recent => {
                let again = || guidance_again(followed.as_ref(), None);
                check.run_for_most_recent(limit, &again, ui.observer().as_mut())?
            }
            _ => check.run(ui.observer().as_mut())?,
        };
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
                let open = || -> Result<InputRows, Failure> {
                    let none = RowGuidance::None;
                    let rows = InputRows::open(&source, &input_options, cross_row, pool, shard, none)?;
                    Ok(rows.in_part(found.part.clone()))
                };
                let canary = match canary_size {
                    Some(size) => Canary::choose(&mut open()?, &found.providers, size, None, options.retry)?,
                    None => Canary::default(),
                };
                options.total = Some(found.to_finish());
                let rows = open()?;
                let exit = rehearse::rehearse(
                    rows,
                    &canary,
                    account,
                    &binding,
                    &args.input,
                    shard,
                    options,
                    &control,
                    context,
                )?;
                args.hint_at_real_pool(context);
                return Ok(exit);
            }
            let running = simulator.serve(&binding.pool, &found.providers, options.seed)?;
            let address = running_simulator.insert(running).target();
            (OpenService::connect(&address, &binding.pool, &args.guards, options.seed, context).await?, found)
        }
    };
    (options.total, options.done_before) = (Some(checked.to_finish()), checked.done_before);

    // Estimate and confirm.
    let to_send = checked.to_send();
    if to_send > 0 && options.reads_back && args.read_back == ReadBackChoice::Auto {
        ui.note(
            MessageCode::ReadBack,
            "reading each user back: the endpoint is not AWS's, and some emulators answer a link that stood before with \
             success; `--read-back=never` switches it off",
        );
    }
    let learned = ledger.as_ref().and_then(Ledger::pace_milli);
    let pace = match to_send {
        0 => rate_choice.write_pace_for_documented_quota(),
        _ => args.pace.set_write_pace(rate_choice, opened.service.limits(), learned, &mut options, context).await?,
    };
    print_estimate(&checked, plan, &opened.knowledge, &options, (&control, context.clock.unix_ms()), ui);
    let corrections = checked.corrections(ledger.as_ref())?;
    let open = |guidance| -> Result<InputRows, Failure> {
        let rows = InputRows::open(&source, &input_options, &checked.cross_row, &binding.pool, shard, guidance)?;
        Ok(rows.in_part(checked.part.clone()))
    };
    let canary = match canary_size.filter(|_| to_send > 0) {
        Some(size) => {
            let guidance = guidance_again(followed.as_ref(), guidance.choices())?;
            Canary::choose(&mut open(guidance)?, &checked.providers, size, ledger.as_ref(), options.retry)?
        }
        None => Canary::default(),
    };
    tracing::info!(pool = %binding.pool, seed = options.seed, rows = checked.rows, "starting");
    if to_send > 0 {
        let links = plan.map_or(to_send, |plan| plan.count("link").min(to_send));
        let what = format!("link {} of {}", format::counted(links, "row"), source.name());
        // `validate` has compared the rows for a plan.
        let rows = plan.is_none().then(|| open(RowGuidance::None)).transpose()?;
        let (directory, app_clients) = (opened.service.directory(), opened.service.app_clients());
        let check = PoolCheck {
            directory: directory.as_ref(),
            app_clients: app_clients.as_ref(),
            knowledge: &opened.knowledge,
            providers: &checked.providers,
            options: &input_options,
            way: if plan.is_some() { WayToAccept::ByNewPlan } else { WayToAccept::ByOption },
            ledger: ledger.as_ref(),
            retry: options.retry,
            canary: &canary,
            seed: options.seed,
            context,
        };
        let found = check.run(rows).await?;
        let reasons = reasons_of_run(ledger.as_ref(), plan).into_iter().chain(found).collect();
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
        followed,
        preparation,
        ledger,
        ledger_path,
        binding,
        opened,
        pace,
        control,
        options,
        canary,
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
    followed: Option<FollowedPlan>,
    preparation: Option<Preparation>,
    /// `None` where it is to be created.
    ledger: Option<Ledger>,
    ledger_path: &'a Path,
    binding: Binding,
    opened: OpenService,
    pace: WritePace,
    control: ControlPlan,
    options: EngineOptions,
    canary: Canary,
}

impl CheckedRun<'_> {
    /// Links the rows, and prints the result.
    async fn link(self, args: &LinkArgs, context: &CommandContext<'_>) -> Result<Exit, Failure> {
        let CommandContext { ui, clock, .. } = context;
        let ((source, input_options), binding, pace) = (self.input, self.binding, self.pace);
        let (trust, seed) = (self.options.trust, self.options.seed);
        let scan = ScanOptions { reads: self.options.reads, seed };
        let OpenService { service, knowledge, target } = self.opened;
        let mut signals = listen_for_signals()?;
        let (cross_row, pool) = (&self.checked.cross_row, &binding.pool);
        let choices = self.guidance.choices().cloned();
        let verified_choices = choices.clone().unwrap_or_default();
        let open = |guidance| -> Result<InputRows, Failure> {
            let rows = InputRows::open(source, input_options, cross_row, pool, self.shard, guidance)?;
            Ok(rows.in_part(self.checked.part.clone()))
        };
        let canary = self.canary;
        let rows = open(self.guidance)?.without(canary.numbers().collect());
        let rows = if args.order == LinkOrder::Recent { rows.recent_first() } else { rows };
        let rows = rows.read_ahead(source.name())?;
        let mut rows = canary.before(rows_in_doubt_and_gone(self.ledger.as_ref(), &self.checked, ui)?, rows);
        let mut ledger = match self.ledger {
            Some(ledger) => ledger,
            None => Ledger::open(self.ledger_path, &binding, clock.unix_ms())?.0,
        };
        let mut origin = target.origin(Some(source), context);
        if let Some(FollowedPlan { digest, approval, .. }) = self.followed {
            (origin.plan_digest, origin.plan_approval) = (Some(digest), approval);
        }
        let origin = Some(origin);
        let run = context.run;
        let start = RunStart {
            rows: Some(self.checked.rows + self.checked.in_other_shards),
            ..run_start(run, "link", &args.input.display().to_string(), pace.limit, self.shard, origin, *clock)
        };
        let watched = MonitoredRun { command: "link", pool, ledger: self.ledger_path, input: &args.input };
        let monitor = Monitor::start(&args.monitor, watched, context).await?;
        let (controls, requests) = self.control.start(self.preparation, self.ledger_path, run, "link", context)?;
        let mut observer = canary.printer(ui, monitor.observer(ui.observer()));
        let engine = RunContext {
            pool: binding.pool.clone(),
            simulated: binding.simulated,
            knowledge: &knowledge,
            services: ServicePorts { directory: service.directory(), writer: WritePort::Links(service.linker()) },
            ledger: &mut ledger,
            run,
            options: self.options,
            later_limits: pace.later_limits,
            control: Some(requests),
            clock: *clock,
            observer: &mut observer,
            undo_observer: None,
        };
        let mut report = run_engine(engine, &start, &self.corrections, &mut rows, &mut signals).await?;
        // The total of a run has no rows that it leaves out, and they are read as well.
        report.not_read = report.not_read.map(|_| self.checked.rows.saturating_sub(report.counts.read));
        let found = observer.into_json();
        controls.close(ui).await;
        if let (Some(choices), RunOutcome::Completed, None) = (choices, &report.ended, self.shard) {
            choices.warn_about_unused(ui);
        }
        let verification = match &report.ended {
            RunOutcome::Completed if args.verify => {
                let input = ReconcileInput {
                    source: source.clone(),
                    options: input_options.clone(),
                    binding,
                    providers: BTreeSet::new(),
                    retry: RetryChoice::NOTHING,
                    trust,
                    choices: verified_choices,
                };
                let ledger = (&ledger, self.ledger_path);
                let compared = verify::verify(&input, service.directory(), &knowledge, ledger, &report, scan, context);
                tokio::select! {
                    found = compared => found.map_or_else(VerifyOutcome::Failed, VerifyOutcome::Compared),
                    Some(signal) = signals.recv() => VerifyOutcome::Interrupted(signal),
                }
            }
            _ => VerifyOutcome::without_comparison(args.verify),
        };
        ui.clear_status();
        let exit = verification.exit_after(exit_for_run(&report));
        monitor.finish(&report, exit);
        let mut members = Map::from_iter([("canary".to_owned(), found)]);
        members.extend(verification.members(ui.shows_values()));
        let ledger_name = self.ledger_path.display().to_string();
        let resume = args.part.resume_text(&report.ended).unwrap_or_else(|| RESUME_RUN.to_owned());
        let again = args.again(context);
        print_run_report_with(&report, members, Some(&ledger_name), again.as_deref(), exit, &resume, ui)?;
        print_stop(&report, ui);
        let options = pool_options(&args.pool, &args.simulation, context);
        verification.print(ui);
        hint_at_superseded_links(ledger.view(), self.ledger_path, &options, ui);
        hint_at_undone_rows(self.checked.undone, ui);
        if exit == Exit::Success {
            args.hint_after_success(&ledger_name, self.shard, context);
        }
        Ok(exit)
    }
}

/// Refuses to link without a plan where an approval is required. On the command line clap does; a variable and the settings
/// only give defaults.
fn refuse_missing_plan(args: &LinkArgs) -> Result<(), Failure> {
    match &args.require_approval {
        Some(signers) if args.plan.is_none() && !args.rehearse => Err(Failure::Usage(format!(
            "--require-approval {}: only an approved plan is linked, and no plan is given: make one with `validate \
             --save-plan PLAN`, have it approved with `plan approve PLAN`, and link with --plan PLAN",
            signers.display()
        ))),
        _ => Ok(()),
    }
}

/// Returns what guides the rows, for a second reading of the input.
fn guidance_again(plan: Option<&FollowedPlan>, choices: Option<&Choices>) -> Result<RowGuidance, Failure> {
    Ok(match (plan, choices) {
        (Some(plan), _) => RowGuidance::Plan(Box::new(plan.read_again()?)),
        (None, Some(choices)) => RowGuidance::Choices(choices.clone()),
        (None, None) => RowGuidance::None,
    })
}

/// Returns the rows that the ledger holds in doubt and that the input no longer has.
fn rows_in_doubt_and_gone(ledger: Option<&Ledger>, checked: &CheckedInput, ui: &Ui) -> Result<Vec<Row>, Failure> {
    let (Some(ledger), Some(presence)) = (ledger, &checked.presence) else { return Ok(Vec::new()) };
    let gone = ledger.rows_in_doubt_not_in(presence)?;
    if !gone.is_empty() {
        let rows = counted(gone.len() as u64, "row");
        ui.note(
            MessageCode::InDoubt,
            &format!("{rows} in doubt, no longer in the input: read back, and nothing is sent for them"),
        );
    }
    Ok(gone)
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

/// Returns reasons for the question.
fn reasons_of_run(ledger: Option<&Ledger>, plan: Option<&PlanHeader>) -> Vec<String> {
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
) -> Result<(RowGuidance, Option<FollowedPlan>), Failure> {
    if let Some(path) = &args.choices {
        return Ok((RowGuidance::Choices(Choices::read(path)?), None));
    }
    let Some(path) = &args.plan else { return Ok((RowGuidance::None, None)) };
    let age_max: Duration = parse_duration(&args.plan_max_age)
        .map_err(|error| Failure::Usage(format!("--plan-max-age '{}': {error}", args.plan_max_age)))?;
    let private = saved_plan::open_private_copy(path)?;
    let approval = match &args.require_approval {
        Some(signers) => Some(check_approval(path, &private, args.approval.as_deref(), signers, context.ui)?),
        None => None,
    };
    let PrivatePlan { header, plan, digest, copy: _ } = private;
    header.refuse_other_pool(path, run)?;
    if args.order == LinkOrder::Recent && !header.has_changes && header.count("link") > 0 {
        return Err(Failure::Mismatch(format!(
            "--order recent: {} has no dates of users; make a new plan with this version",
            path.display()
        )));
    }
    context.ui.status("comparing the plan with the input");
    let checked = header.check(path, source, options, age_max, context.clock);
    context.ui.clear_status();
    checked?;
    Ok((RowGuidance::Plan(Box::new(plan)), Some(FollowedPlan { path: path.clone(), header, digest, approval })))
}

/// A plan that the run follows.
struct FollowedPlan {
    path: PathBuf,
    header: PlanHeader,
    digest: String,
    /// There where one is required.
    approval: Option<PlanApproval>,
}

impl FollowedPlan {
    /// Opens the plan a second time, and refuses it if it has been changed since it was checked.
    fn read_again(&self) -> Result<SavedPlan, Failure> {
        let again = saved_plan::open_private_copy(&self.path)?;
        if again.digest != self.digest {
            let name = self.path.display();
            return Err(Failure::Mismatch(format!("{name} was changed after it was checked; nothing was sent")));
        }
        Ok(again.plan)
    }
}

/// Refuses a plan that no allowed signer has approved as it is now.
fn check_approval(
    path: &Path,
    plan: &PrivatePlan,
    signature: Option<&Path>,
    signers: &Path,
    ui: &Ui,
) -> Result<PlanApproval, Failure> {
    let name = path.display();
    let approve = approve_command(path, signature);
    let signature = signature.map_or_else(|| signature_path(path), Path::to_owned);
    let is_there =
        if ObjectAddress::is_meant(&signature) { OutputFile::exists(&signature)? } else { signature.exists() };
    if !is_there {
        return Err(Failure::Mismatch(format!(
            "{name} is not approved: there is no {}; nothing was sent, approve it with `{approve}`",
            signature.display()
        )));
    }
    // OpenSSH reads files only.
    let copy = copy_of_object(&signature)?;
    let signature = copy.as_ref().map_or(signature.as_path(), |copy| copy.path());
    match signature::verify(&plan.copy, signature, signers, SignedMatter::Plan)? {
        Ok(Signer { principal, key }) => {
            ui.note(MessageCode::PlanApproved, &format!("plan {} is approved by {principal}", plan.digest));
            let cut = |text: &str| cut_after(text, limits::LEDGER_WORD_CHARS_MAX).to_owned();
            Ok(PlanApproval { principal: cut(&principal), key: cut(&key) })
        }
        Err(reason) => Err(Failure::Mismatch(format!(
            "{name} is not approved as it is now: {reason}; nothing was sent, approve it with `{approve} --force`"
        ))),
    }
}

/// Returns the command that writes the approval where `link` looks for it.
fn approve_command(plan: &Path, signature: Option<&Path>) -> String {
    let path = |path: &Path| shell_path(&path.display().to_string());
    let out = signature.map_or_else(String::new, |signature| format!(" --out {}", path(signature)));
    format!("cognito-link plan approve {} --key KEY{out}", path(plan))
}

/// Opens the ledger where there is one. Where there is none, checks that one can be created, and leaves no file.
fn open_ledger_of_earlier_runs(
    path: &Path,
    run: &ExpectedPool,
    context: &CommandContext<'_>,
) -> Result<Option<EarlierLedger>, Failure> {
    refuse_beside_rescued(path)?;
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
        ui.note(MessageCode::ReadingLedger, &format!("reading the ledger, {} MiB", format::count(bytes >> 20)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::endpoint::CustomEndpoint;

    #[test]
    fn rows_are_read_back_by_default_at_other_endpoints_than_those_of_aws() {
        let pool = || PoolId::parse("us-east-1_AbCdEfGhI").unwrap();
        let emulator = || CustomEndpoint::of_url("http://127.0.0.1:4566");
        let aws = Binding::new(pool(), false, None);
        let elsewhere = Binding::new(pool(), false, emulator());
        let simulator = Binding::new(pool(), true, emulator());
        for (choice, expected) in [
            (ReadBackChoice::Auto, [false, true, false]),
            (ReadBackChoice::Always, [true; 3]),
            (ReadBackChoice::Never, [false; 3]),
        ] {
            assert_eq!(
                [&aws, &elsewhere, &simulator].map(|binding| choice.applies_to(binding)),
                expected,
                "{choice:?}"
            );
        }
    }
}
