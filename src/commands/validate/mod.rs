//! `validate`: checks every row of a file, and with a pool forecasts what `link` would do. Never writes to the pool.

pub mod billing;
mod forecast;
mod next_steps;
mod split_files;
mod view;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::shared::bounds::{ChangeBounds, InputLimits};
use super::shared::choices::{self, Choices};
use super::shared::control::ControlPlan;
use super::shared::part::{InputPart, PartArgs};
use super::shared::pool_findings::{WayToAccept, pool_findings, warn_about_missing_sample};
use super::shared::result::{failure_json, stop_json};
use super::shared::rows::read_first;
use super::shared::saved_plan::{PlanHeader, PlannedInput};
use super::shared::settings::{Rate, parse_count, parse_rate, parse_share};
use super::shared::{
    CommandContext, Failure, GuardArgs, InputArgs, OpenPool, PoolArgs, RateChoice, SimulationArgs, check_outputs,
    headings, note_preset, pool_options, recorded_arguments, warn_about_missing_providers,
};
use crate::domain::counts::Counts;
use crate::domain::event::{RunEvent, RunObserver};
use crate::domain::finding::{Finding, FindingCode, Severity};
use crate::domain::identity::Personal;
use crate::domain::report::ValidateReport;
use crate::domain::shard::Shard;
use crate::exit::Exit;
use crate::foresight::scan::{LookUpMethod, ScanOptions};
use crate::input::{CrossRowFindings, InputError, InputOptions, InputReader, InputSource};
use crate::limits::WRITE_QUOTA_PER_SECOND;
use crate::ui::{MessageCode, OutputFormat, Ui, format, shell_path};
pub use forecast::ForecastPart;
use forecast::{ForecastInput, ForecastOutput, InputForecast, PoolSample};
use next_steps::{Compared, ValidationCommand, ValidationOutcome, next_steps};
use split_files::FindingFiles;
use view::ValidateView;

const EXAMPLE: &str = "Example: cognito-link validate pairs.csv --split checked";

/// Check every row of a file; with a pool, forecast what `link` would do
///
/// Lists every finding. Without a pool it needs no credentials. With one it is the dry run of `link`: it reads the pool
/// and says for each row what `link` would do. It never writes to the pool.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct ValidateArgs {
    /// File or `s3://` object of pairs: CSV or JSON lines, plain, gzip or zstd; `-` is stdin
    pub input: PathBuf,
    #[command(flatten)]
    pub reading: InputArgs,
    /// Folder for the valid rows, the invalid rows with their findings, and a list of all findings
    #[arg(long, value_name = "DIR", help_heading = headings::INPUT)]
    pub split: Option<PathBuf>,
    /// File of choices for ambiguous rows: `choices.csv` of `--split`, filled in
    #[arg(long, value_name = "FILE", help_heading = headings::INPUT, hide_short_help = true)]
    pub choices: Option<PathBuf>,
    /// Minimum number of rows in the input; with fewer, it is invalid [default: 1]
    #[arg(long, value_name = "N", value_parser = parse_count, help_heading = headings::INPUT, hide_short_help = true)]
    pub min_rows: Option<u64>,
    /// Check only the file, although the environment or the settings name a pool
    #[arg(long, help_heading = headings::INPUT)]
    pub offline: bool,
    #[command(flatten)]
    pub pool: PoolArgs,
    /// File to write the forecast of each row to, for `link --plan`
    #[arg(long, value_name = "FILE", help_heading = headings::LEDGER)]
    pub save_plan: Option<PathBuf>,
    /// How to read the pool; by default the way with fewer reads
    #[arg(long, value_enum, value_name = "WAY", help_heading = headings::PACE, hide_short_help = true)]
    pub lookup: Option<LookUpWay>,
    /// Writes per second of the estimate: `auto`, `max`, or a number [default: auto]
    #[arg(long, value_name = "auto|max|N", value_parser = parse_rate, help_heading = headings::PACE, hide_short_help = true)]
    pub rate: Option<Rate>,
    /// Share of the quotas for the reads and for the estimated writes, over 0 up to 1 [default: 0.8]
    #[arg(long, value_name = "SHARE", value_parser = parse_share, help_heading = headings::PACE, hide_short_help = true)]
    pub share: Option<f64>,
    #[command(flatten)]
    pub simulation: SimulationArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LookUpWay {
    /// Read all users once
    Scan,
    /// Read only the users in the file, each by a filter; finds fewer refusals
    Filter,
}

/// What a dry run of `link` is for: its rows, and what must be right before it would write.
#[derive(Debug, Default)]
pub struct DryRun {
    pub shard: Option<Shard>,
    pub rows: PartArgs,
    /// `None` for `validate`, which is no run.
    pub guards: Option<GuardArgs>,
    pub bounds: ChangeBounds,
    /// The windows of the run.
    pub control: ControlPlan,
}

pub async fn cmd_validate(args: ValidateArgs, dry_run: DryRun, context: &CommandContext<'_>) -> Result<Exit, Failure> {
    let CommandContext { ui, file_settings: file, .. } = context;

    // Settings.
    let source = InputSource::open(&args.input)?;
    let options = args.reading.options(file)?;
    note_preset(&options, ui);
    let choices = args.choices.as_deref().map(Choices::read).transpose()?.unwrap_or_default();
    let rate_choice = RateChoice::new(args.rate, args.share, dry_run.shard.map_or(1, Shard::count), file)?;

    // Wrong columns, a wrong pool and missing permissions are reported before a long file is read.
    let reader = InputReader::new(&source, &options).map_err(|error| print_unreadable(error, &source, ui))?;
    let part = ForecastPart { shard: dry_run.shard, rows: InputPart::new(&dry_run.rows, &reader)? };
    let split_files: Vec<PathBuf> =
        args.split.iter().flat_map(|folder| split_files::paths(folder, reader.layout())).collect();
    let mut outputs = vec![("--save-plan", args.save_plan.as_deref()), args.simulation.output()];
    // The folder need not exist yet.
    outputs.extend(
        split_files
            .iter()
            .filter(|path| path.parent().is_some_and(Path::exists))
            .map(|path| ("--split", Some(path.as_path()))),
    );
    let [pool_file, faults] = args.simulation.files_read();
    check_outputs(&outputs, &[Some(&args.input), args.choices.as_deref(), pool_file, faults], context.force)?;
    let names_pool = args.simulation.simulate || args.pool.user_pool_id.is_some() || file.user_pool_id.is_some();
    let pool = if names_pool && !args.offline {
        Some(OpenPool::open(&args.pool, &args.simulation, context.seed, context).await?)
    } else {
        None
    };
    if pool.is_none() && (args.save_plan.is_some() || args.choices.is_some() || args.lookup.is_some()) {
        return Err(Failure::Usage(
            "--save-plan, --choices and --lookup need a pool: name one with --user-pool-id, or try --simulate \
             --pool-file"
                .into(),
        ));
    }

    if let (Some(guards), Some(pool)) = (&dry_run.guards, &pool) {
        guards.check_expectations(pool, context).await?;
    }

    // Check, and forecast where there is a pool.
    let mut view = ValidateView::new(ui, source.name(), suggested_options(&args, context));
    let found = async {
        let mut checked = check_input(&source, &options, args.split.as_deref(), &mut view)?;
        InputLimits::new(args.min_rows, None, file)?.check(checked.counts.read, None)?;
        let forecast = match pool {
            Some(pool) => {
                let forecast = forecast_input(
                    &args,
                    &source,
                    &options,
                    &mut checked,
                    &pool,
                    part,
                    rate_choice,
                    &dry_run.control,
                    &choices,
                    &mut view,
                    context,
                )
                .await?;
                pool.address.close()?;
                choices.warn_about_unused(ui);
                Some(forecast)
            }
            None => None,
        };
        Ok((checked, forecast))
    };
    let (checked, forecast) = match Box::pin(found).await {
        Ok(found) => found,
        Err(failure) => {
            view.print_failure(&failure)?;
            return Err(failure);
        }
    };

    // Result.
    let (valid_rows, invalid_rows) = (checked.counts.unprocessed, checked.counts.invalid);
    let rows_to_send = forecast.as_ref().map_or(valid_rows, InputForecast::rows);
    let rows = forecast.as_ref().map_or(checked.counts.read, |forecast| forecast.rows_of_shard);
    let over_bound = dry_run.bounds.check(rows_to_send, rows).err();
    let exit = match &forecast {
        _ if over_bound.is_some() => Exit::Bound,
        _ if invalid_rows > 0 => Exit::InvalidInput,
        Some(forecast) if forecast.has_pool_error => Exit::InvalidInput,
        Some(forecast) if forecast.report.refused() > 0 => Exit::Incomplete,
        _ => Exit::Success,
    };
    let predicted = forecast.as_ref().map(|forecast| &forecast.report);
    let error = over_bound.as_ref().map_or(Value::Null, |stop| stop_json(stop, ui.shows_values()));
    view.print_result(&checked.into_report(&source), predicted, exit, &error)?;
    if let Some(stop) = &over_bound {
        ui.stopped(stop);
    }
    print_notes(&args, valid_rows, forecast.as_ref(), context);
    let compared = match &forecast {
        Some(forecast) => Compared::Forecast { report: &forecast.report, is_dry_run: dry_run.guards.is_some() },
        None => Compared::No { kept_offline: names_pool && args.offline },
    };
    let is_forbidden = exit == Exit::Bound || forecast.as_ref().is_some_and(|forecast| forecast.has_pool_error);
    let outcome = ValidationOutcome { invalid: invalid_rows, is_forbidden, compared };
    hint_after_validation(&args, &outcome, context);
    Ok(exit)
}

/// Prints what the result is for, and what was written.
fn print_notes(args: &ValidateArgs, valid: u64, forecast: Option<&InputForecast>, context: &CommandContext<'_>) {
    if let Some(forecast) = forecast {
        note_part(valid, forecast, context.ui);
    }
    note_files(args, forecast, context);
    if args.save_plan.is_some() && forecast.is_some_and(|forecast| forecast.has_pool_error) {
        let text = "no plan was written: the comparison with the pool found errors";
        context.ui.warn(MessageCode::PlanNotWritten, text);
    }
}

fn hint_after_validation(args: &ValidateArgs, outcome: &ValidationOutcome<'_>, context: &CommandContext<'_>) {
    let command = ValidationCommand {
        input: &args.input,
        reading: &args.reading,
        options: suggested_options(args, context),
        choices: args.choices.as_deref(),
        splits: args.split.is_some(),
        saves_plan: args.save_plan.is_some(),
    };
    for step in next_steps(&command, outcome, context) {
        context.ui.hint(&step);
    }
}

/// What the checks of an input found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValidatedInput {
    /// Rows read, the valid ones as `unprocessed`; findings by code.
    pub counts: Counts,
    /// Findings that are warnings because they were allowed, by code.
    pub allowed: BTreeMap<FindingCode, u64>,
    pub blank_lines: u64,
    /// What the comparison of rows has found, for the next reading.
    pub cross_row: Arc<CrossRowFindings>,
}

impl ValidatedInput {
    /// Counts a finding.
    fn add(&mut self, finding: &Finding) {
        *self.counts.by_finding.entry(finding.code).or_default() += 1;
        if finding.severity != finding.code.severity() {
            *self.allowed.entry(finding.code).or_default() += 1;
        }
    }

    fn into_report(self, source: &InputSource) -> ValidateReport {
        ValidateReport {
            input: source.name().to_owned(),
            counts: self.counts,
            allowed: self.allowed,
            blank_lines: self.blank_lines,
        }
    }
}

/// Reads the input once, and a second time only where there are findings or files to write. Findings are then reported in
/// the order of the rows.
pub fn check_input(
    source: &InputSource,
    options: &InputOptions,
    split: Option<&Path>,
    observer: &mut dyn RunObserver,
) -> Result<ValidatedInput, Failure> {
    let reading = read_first(source, options, observer, |_| {})?;
    let mut checked = ValidatedInput {
        blank_lines: reading.blank_lines,
        cross_row: Arc::clone(&reading.cross_row),
        ..ValidatedInput::default()
    };
    if !reading.has_findings && reading.cross_row.is_clean() && split.is_none() {
        checked.counts = Counts { read: reading.rows, unprocessed: reading.rows, ..Counts::default() };
        return Ok(checked);
    }
    let mut reader = InputReader::with_cross_row(source, options, &reading.cross_row)?;
    let mut files = split.map(|folder| FindingFiles::create(folder, reader.layout())).transpose()?;
    while let Some(record) = reader.next() {
        let record = record?;
        let valid = record.is_valid();
        checked.counts.read += 1;
        checked.counts.invalid += u64::from(!valid);
        checked.counts.unprocessed += u64::from(valid);
        if let Some(files) = &mut files {
            // Without a pool only a row that gives no link has a key.
            let retry_of = record.broken_key.map(|key| key.to_string()).unwrap_or_default();
            files.write(&reader.raw(), valid, &record.findings, &retry_of)?;
        }
        for finding in record.findings {
            checked.add(&finding);
            observer.on(&RunEvent::Found(finding));
        }
    }
    files.map(FindingFiles::finish).transpose()?;
    checked.counts.balance()?;
    Ok(checked)
}

/// Reads the pool, and forecasts each row.
#[expect(clippy::too_many_arguments, reason = "the second half of the command, with all that the first half has found")]
async fn forecast_input(
    args: &ValidateArgs,
    source: &InputSource,
    options: &InputOptions,
    checked: &mut ValidatedInput,
    pool: &OpenPool,
    mut part: ForecastPart,
    rate_choice: RateChoice,
    control: &ControlPlan,
    choices: &Choices,
    view: &mut ValidateView,
    context: &CommandContext<'_>,
) -> Result<InputForecast, Failure> {
    let cross_row = Arc::clone(&checked.cross_row);
    let input = ForecastInput { source, options, cross_row: &cross_row, pool: &pool.binding.pool, part: &part };
    // `link` has the first rows that are not done; a dry run reads no ledger, so it has the first ones.
    if let Some(limit) = part.rows.limit {
        part.rows.end = input.end_of_part(limit)?;
    }
    let input = ForecastInput { source, options, cross_row: &cross_row, pool: &pool.binding.pool, part: &part };
    // The input is hashed before the pool is read: a plan is for the rows that were compared.
    let planned = args.save_plan.as_ref().map(|_| PlannedInput::of(source, options)).transpose()?;
    let given = args.lookup.map(|way| match way {
        LookUpWay::Scan => LookUpMethod::Scan,
        LookUpWay::Filter => LookUpMethod::Filter,
    });
    let scan = ScanOptions { reads: rate_choice.read_pace(), seed: context.seed };
    let sample = input.read_pool(given, pool, scan, context.clock, view).await?;
    if let Some(stop) = &sample.sample_stop {
        warn_about_missing_sample(stop, context.ui);
    }
    sample.warn_if_small(context.ui);
    warn_about_missing_providers(&sample.missing_providers, &pool.knowledge, context.ui);
    let unlike = input.unlike_pool(&sample)?;
    let findings = pool_findings(&unlike, &sample.sign_ins, options, WayToAccept::ByOption);
    let has_pool_error = findings.iter().any(|finding| finding.severity == Severity::Error);
    for finding in findings {
        checked.add(&finding);
        view.on(&RunEvent::Found(finding));
    }
    view.begin_refused_rows();
    let case_differs_allowed = args.reading.allows_case_differs(&context.file_settings);
    let trust = args.reading.trust_policy(&context.file_settings);
    let mut output = ForecastOutput {
        refused: &mut |line| view.add_refused_row(line),
        shown: &|value: &Personal| context.ui.value(value),
        split: args.split.as_deref(),
        plan: args.save_plan.as_deref(),
    };
    let mut forecast = input.forecast(&sample, &pool.knowledge, choices, case_differs_allowed, trust, &mut output)?;
    forecast.report.simulated = pool.binding.simulated;
    forecast.report.because = reason_for_look_up(given, &sample);
    let rate = rate_choice.write_pace_for_documented_quota().pace.expected();
    forecast.estimate_time(rate, WRITE_QUOTA_PER_SECOND, control, context.clock.unix_ms());
    forecast.bound_cost(pool.knowledge.facts.feature_plan.as_deref()).map_err(std::io::Error::from)?;
    forecast.has_pool_error = has_pool_error;
    if let Some(planned) = planned.filter(|_| !has_pool_error) {
        let arguments = recorded_arguments(context);
        let header = PlanHeader { arguments, ..PlanHeader::new(planned, &pool.binding) };
        forecast.save_plan(header, &sample, checked.counts.invalid)?;
    }
    Ok(forecast)
}

/// Says why the pool was read in this way, and what it does not find.
fn reason_for_look_up(given: Option<LookUpMethod>, sample: &PoolSample) -> String {
    let (scan, filter) = (format::count(sample.cost.scan), format::count(sample.cost.filter));
    let why = match given {
        Some(_) => "as given with --lookup".to_owned(),
        None => format!("fewer reads than the other way: about {scan} by scan, about {filter} by filters"),
    };
    match sample.look_up {
        LookUpMethod::Scan => why,
        LookUpMethod::Filter => format!(
            "{why}; filters do not find identities on users that no row names (linked_elsewhere, case_differs), \
             and identities are compared with a sample of the pool (unlike_pool); --lookup scan does both in full"
        ),
    }
}

/// A script gets a header that makes every row unreadable like any other finding.
fn print_unreadable(error: InputError, source: &InputSource, ui: &Ui) -> Failure {
    let (InputError::Header(found), OutputFormat::Json) = (&error, ui.output()) else { return error.into() };
    let mut view = ValidateView::new(ui, source.name(), String::new());
    let mut checked = ValidatedInput::default();
    for finding in found {
        *checked.counts.by_finding.entry(finding.code).or_default() += 1;
        view.on(&RunEvent::Found(finding.clone()));
    }
    let failure = Failure::from(error);
    let error = failure_json(&failure, ui.shows_values());
    match view.print_result(&checked.into_report(source), None, Exit::InvalidInput, &error) {
        Ok(()) => failure,
        Err(broken) => broken.into(),
    }
}

/// Says how many of the valid rows the forecast is for, where it is for a part.
fn note_part(valid: u64, forecast: &InputForecast, ui: &Ui) {
    let rows = forecast.rows();
    if rows < valid {
        let (rows, valid) = (format::count(rows), format::counted(valid, "valid row"));
        ui.note(
            MessageCode::Part,
            &format!("the forecast is for {rows} of {valid}: those of --rows, --where, --limit and --shard"),
        );
    }
}

/// Returns the options for the input, the pool and the settings, for a suggested command.
fn suggested_options(args: &ValidateArgs, context: &CommandContext<'_>) -> String {
    args.reading.on_command_line() + &pool_options(&args.pool, &args.simulation, context)
}

fn note_files(args: &ValidateArgs, forecast: Option<&InputForecast>, context: &CommandContext<'_>) {
    let ui = context.ui;
    if let Some(folder) = &args.split {
        let verdicts = if forecast.is_some() { ", the verdicts" } else { "" };
        let folder = folder.display();
        ui.note(
            MessageCode::OutputWritten,
            &format!("wrote the valid rows, the invalid rows{verdicts} and findings.jsonl to {folder}"),
        );
        if forecast.is_some_and(|forecast| forecast.choices_needed > 0) {
            let name = choices::FILE_NAME;
            ui.note(MessageCode::ChoicesNeeded, &format!(
                "choose one user for each ambiguous row: put an x under `choose` in {folder}/{name}, and pass the file \
                 with --choices"
            ));
        }
    }
    let digest = forecast.and_then(|forecast| forecast.report.plan_digest.as_deref());
    if let Some((plan, digest)) = args.save_plan.as_ref().zip(digest) {
        let plan = shell_path(&plan.display().to_string());
        let follow = if args.input.as_os_str() == "-" {
            format!("write the same rows to a file, and link that file with `--plan {plan}`")
        } else {
            let input = shell_path(&args.input.display().to_string());
            let options = suggested_options(args, context);
            format!("follow it exactly with `cognito-link link {input}{options} --plan {plan}`")
        };
        ui.outcome(MessageCode::PlanWritten, &format!("wrote the plan, digest {digest}; {follow}"));
    }
}
