//! `reconcile`, put together. It reads; what writes is in `reconcile_apply`.

use std::path::{Path, PathBuf};

use super::export::providers;
use super::pace::PaceChoice;
use super::pool_reading::PoolReading;
use super::reconcile_apply::{self, Applied};
use super::settings;
use crate::cli::{ReconcileArgs, Retry};
use crate::clock::Clock;
use crate::command::Failure;
use crate::command::choices::Choices;
use crate::command::export::known_providers;
use crate::command::link::default_ledger;
use crate::command::reconcile::apply::ChangeBounds;
use crate::command::reconcile::{Compared, Comparison, ReconcileTask};
use crate::config::FileSettings;
use crate::domain::drift::{DriftReport, EXTRA_SYMBOL, Standing};
use crate::domain::identity::ProviderName;
use crate::exit::Exit;
use crate::foresight::preflight::mapped_attributes;
use crate::foresight::scan::ScanOptions;
use crate::input::columns::Format;
use crate::input::{LinkLines, LinkTexts, OutputFile, Reader, Source};
use crate::ledger::{Ledger, View};
use crate::limits::REPORT_FAILURES_MAX;
use crate::seed::Rng;
use crate::ui::{Ui, format};

pub(super) async fn run(args: ReconcileArgs, file: &FileSettings, ui: &Ui, clock: Clock) -> Result<Exit, Failure> {
    let bounds = bounds(&args)?;
    if args.apply && !args.yes {
        super::options::ask_early(ui)?;
    }
    if let Some(path) = &args.combined {
        OutputFile::check(path)?;
    }
    let source = Source::open(&args.input)?;
    let reading = settings::reading(&args.reading, file)?;
    settings::tell_preset(&reading, ui);
    // Whoever has the wrong columns learns it before a ledger is made and the pool is asked.
    Reader::new(&source, &reading)?;
    let choices = args.choices.as_deref().map(Choices::read).transpose()?.unwrap_or_default();
    let wanted = providers(&args.provider)?;
    let ledger_path = ledger_path(&args)?;
    let seed = settings::seed(args.pace.seed, clock);
    let options = ScanOptions { reads: PaceChoice::of_reads(args.pace.share, file)?, seed };
    let pool = PoolReading::open(&args.pool, &args.simulation, file, seed, ui, clock).await?;
    known_providers(&wanted, &pool.knowledge)?;
    let binding = pool.binding();
    let retry_refused = args.retry.contains(&Retry::Refused);
    let task = ReconcileTask { source, reading, binding, providers: wanted, retry_refused, choices };
    // From here to the end: a second run on the same ledger is kept away.
    let ledger = ledger_path.as_deref().map(|path| open_ledger(path, &task, ui, clock)).transpose()?;
    let memory = args.ledger.as_deref().filter(|_| !args.apply);
    let memory = memory.map(|path| Ledger::as_it_stands(path, &task.binding)).transpose()?;
    let view = ledger.as_ref().or(memory.as_ref()).map(Ledger::view);
    let (comparison, report) = compare(&task, &args, &pool, view, options, ui, clock).await?;
    ui.drift(&report)?;
    if !args.apply && comparison.in_doubt > 0 {
        ui.note(&format!(
            "{} in doubt in the ledger; --apply settles what is",
            format::counted(comparison.in_doubt, "row")
        ));
    }
    let applied = match (ledger, &ledger_path) {
        (Some(ledger), Some(path)) => {
            let apply = Applied { task: &task, report: &report, pool: &pool, bounds, ledger_path: path };
            reconcile_apply::run(&args, file, apply, comparison, ledger, ui, clock).await?
        }
        _ => reconcile_apply::Outcome::default(),
    };
    pool.close()?;
    let exit = exit(&args, &report, &applied);
    let shown = ledger_path.as_ref().map(|path| path.display().to_string());
    ui.reconciled(&report, applied.run.as_ref().zip(shown.as_deref()), exit.status())?;
    if let Some(stop) = &applied.stop {
        ui.stopped(stop);
    }
    Ok(exit)
}

fn bounds(args: &ReconcileArgs) -> Result<ChangeBounds, Failure> {
    if !(args.max_changes_pct >= 0.0 && args.max_changes_pct <= 100.0) {
        let text = format!("--max-changes-pct {}: expected a number from 0 to 100", args.max_changes_pct);
        return Err(Failure::Usage(text));
    }
    Ok(ChangeBounds { changes_max: args.max_changes, percent_max: args.max_changes_pct })
}

fn ledger_path(args: &ReconcileArgs) -> Result<Option<PathBuf>, Failure> {
    match &args.ledger {
        _ if !args.apply => Ok(None),
        Some(path) => Ok(Some(path.clone())),
        None => default_ledger(&args.input, None, args.simulation.simulate).map(Some),
    }
}

fn open_ledger(path: &Path, task: &ReconcileTask, ui: &Ui, clock: Clock) -> Result<Ledger, Failure> {
    let (ledger, opened) = Ledger::open(path, &task.binding, clock.unix_ms())?;
    super::link::say_opened(Some(opened), ui);
    Ok(ledger)
}

/// Reads file and pool, and holds one against the other.
async fn compare(
    task: &ReconcileTask,
    args: &ReconcileArgs,
    pool: &PoolReading,
    ledger: Option<&View>,
    options: ScanOptions,
    ui: &Ui,
    clock: Clock,
) -> Result<(Comparison, DriftReport), Failure> {
    let mut observer = ui.observer();
    let mut file = task.read_file(observer.as_mut())?;
    let mut rng = Rng::new(options.seed).fork("mappings");
    let there = file.by_attribute().iter().filter(|name| pool.knowledge.providers.contains_key(*name)).cloned();
    let mapped = mapped_attributes(pool.directory.as_ref(), clock, &mut rng, &there.collect()).await?;
    let directory = pool.directory.clone();
    let mut side = task.read_pool(&mut file, directory, &pool.knowledge, options, clock, observer.as_mut()).await?;
    drop(observer);
    ui.status("comparing");
    let scanned = side.scanned;
    let mut report = DriftReport {
        input: task.source.name().to_owned(),
        pool: task.binding.pool.to_string(),
        simulated: task.binding.simulated,
        scope: task.scope(&file).iter().map(ProviderName::to_string).collect(),
        users: scanned.users,
        reads: scanned.reads,
        elapsed: scanned.elapsed,
        ..DriftReport::default()
    };
    let mut combined = args.combined.as_deref().map(OutputFile::create).transpose()?;
    let comparison = task.compare(&file, &mut side, &pool.knowledge, mapped, ledger, &mut |compared| {
        if let Some(file) = &mut combined {
            file.write(&combined_line(&compared)?)?;
        }
        keep(&mut report, &compared);
        Ok(())
    })?;
    if let Some(file) = combined {
        file.finish()?;
    }
    ui.clear_status();
    report.counts = comparison.counts.clone();
    Ok((comparison, report))
}

/// A line of `--combined`: of a row its number, key and code, of a link that only the pool has the row that an export
/// writes for it.
fn combined_line(compared: &Compared<'_>) -> Result<Vec<u8>, Failure> {
    match compared {
        Compared::Row(line) => {
            let mut text = format!("{} {}", line.standing.symbol(), line.row);
            let key = line.key.map(|key| key.to_string());
            let code = line.standing.code().map(crate::domain::outcome::RefusalCode::as_str);
            let code = code.or((line.standing == Standing::Invalid).then_some("invalid"));
            for word in key.as_deref().into_iter().chain(code) {
                text.push(' ');
                text.push_str(word);
            }
            text.push('\n');
            Ok(text.into_bytes())
        }
        Compared::Extra(extra) => {
            let link = LinkTexts {
                destination_username: extra.destination.expose(),
                destination_provider: &extra.destination_provider,
                source_provider: &extra.provider,
                source_value: extra.value.expose(),
            };
            let mut text = format!("{EXTRA_SYMBOL} ").into_bytes();
            text.extend(LinkLines::new(Format::Csv).row(&link).map_err(Failure::Output)?);
            Ok(text)
        }
    }
}

fn keep(report: &mut DriftReport, compared: &Compared<'_>) {
    match compared {
        Compared::Row(line) if line.standing == Standing::Linked => {}
        Compared::Row(line) if report.lines.len() < REPORT_FAILURES_MAX => report.lines.push((*line).clone()),
        Compared::Row(_) => report.lines_left_out += 1,
        Compared::Extra(line) if report.extras.len() < REPORT_FAILURES_MAX => report.extras.push((*line).clone()),
        Compared::Extra(_) => report.extras_left_out += 1,
    }
}

/// The status: what kept the run from making the links, then drift where it was asked for, then rows that stay open.
fn exit(args: &ReconcileArgs, report: &DriftReport, applied: &reconcile_apply::Outcome) -> Exit {
    let (counts, made) = (&report.counts, applied.exit());
    let is_open = counts.invalid > 0 || args.apply && counts.moved + counts.blocked > 0;
    let drifts = if args.apply {
        counts.drift_that_stays() > 0 || applied.left_open > 0 || made == Exit::Incomplete
    } else {
        counts.has_drift()
    };
    match made {
        Exit::Success | Exit::Incomplete if args.exit_on_drift && drifts => Exit::Drift,
        Exit::Success if is_open || applied.left_open > 0 => Exit::Incomplete,
        made => made,
    }
}
