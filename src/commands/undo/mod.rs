//! `undo`: removes the links that a ledger records as made, the newest first, each after reading its user.

mod view;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Arg, Args};

use super::shared::control::ControlArgs;
use super::shared::next_command::same_command;
use super::shared::run::{exit_for_run, listen_for_signals, run_engine, run_start};
use super::shared::run_view::print_stop;
use super::shared::settings::{parse_moment, parse_row_ranges};
use super::shared::simulator::Simulator;
use super::shared::{
    AdvancedArgs, CommandContext, EarlierLedger, ExpectedPool, Failure, GuardArgs, InputArgs, Monitor, MonitorArgs,
    MonitoredRun, PaceArgs, PoolArgs, Proposal, RunTarget, SimulationArgs, binding_of, check_outputs, check_providers,
    connect, headings, parse_provider,
};
use crate::clock::UnixMs;
use crate::domain::counts::Counts;
use crate::domain::identity::{PoolId, ProviderName};
use crate::domain::row::RowKey;
use crate::domain::run::{RunOutcome, RunPurpose, RunReport};
use crate::engine::{IncomingRow, RowBatchFuture, RowSource, RunContext, ServicePorts, UndoObserver, WritePort};
use crate::exit::Exit;
use crate::input::{InputOptions, InputReader, InputSource};
use crate::ledger::record::{RunId, UNDO_COMMAND};
use crate::ledger::storage::{FileSource, refuse_beside_rescued};
use crate::ledger::{
    Binding, Corrections, LedgerError, LedgerView, LinksToUndo, UndoSelection, UndoSelectionCounts, read_header,
};
use crate::limits::READER_BATCH_ROWS;
use crate::ui::{MessageCode, Ui, format};
use view::DryRunList;

const AFTER_HELP: &str = "\
Undo does not restore attributes that sign-ins have overwritten, deleted profiles, or billing. The next sign-in of an \
unlinked identity creates a new profile, unless the identity is linked again before.

Example: cognito-link undo pairs.csv.ledger --dry-run";

/// Printed even with `--quiet`: afterwards it is too late.
const NOT_RESTORED: &str = "undo only removes links: attributes that sign-ins have overwritten, deleted profiles and \
     billing stay as they are, and the next sign-in of an unlinked identity creates a new profile";

/// Remove the links that a ledger records as made, the newest first
///
/// Reads each user before the call, and removes a link only if it is still as this tool made it.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP, mut_args(hide_input_options))]
pub struct UndoArgs {
    /// Ledger whose links to remove
    pub ledger: PathBuf,
    /// Skip the question before writing to the pool
    #[arg(short, long)]
    pub yes: bool,
    /// Read the pool and list what would be unlinked; change neither the pool nor the ledger
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub selection: SelectionArgs,
    #[command(flatten)]
    pub reading: InputArgs,
    #[command(flatten)]
    pub pool: PoolArgs,
    #[command(flatten)]
    pub guards: GuardArgs,
    #[command(flatten)]
    pub pace: PaceArgs,
    #[command(flatten)]
    pub control: ControlArgs,
    #[command(flatten)]
    pub simulation: SimulationArgs,
    #[command(flatten)]
    pub monitor: MonitorArgs,
    #[command(flatten)]
    pub advanced: AdvancedArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Which links")]
pub struct SelectionArgs {
    /// Select links whose row is no longer in its input, or was corrected
    #[arg(long)]
    pub superseded: bool,
    /// Select links whose row is not in an input; of several, in none of them (can be repeated)
    ///
    /// Read it with the `--preset`, `--map` and `--set` of `link`.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub not_in: Vec<PathBuf>,
    /// Select the link of a row by its key, as `report` prints it (can be repeated)
    #[arg(long, value_name = "KEY", value_parser = parse_key, hide_short_help = true)]
    pub key: Vec<RowKey>,
    /// Select the links that a run made, by its id in `report` (can be repeated)
    #[arg(long, value_name = "ID", value_parser = parse_run, hide_short_help = true)]
    pub run: Vec<RunId>,
    /// Select links made before a time, such as 2026-03-01T08:00:00Z, or before the last 90m or 2d
    #[arg(long, value_name = "TIME|DURATION", hide_short_help = true)]
    pub before: Option<String>,
    /// Select links made after a time, such as 2026-03-01T08:00:00Z, or in the last 90m or 2d
    #[arg(long, value_name = "TIME|DURATION")]
    pub since: Option<String>,
    /// Select links of rows of an input, by its name; required with `--rows` if the ledger has such rows of several
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub input: Option<PathBuf>,
    /// Select rows by their numbers in the input, such as 5,10-20 (can be repeated)
    #[arg(long, value_name = "ROWS", value_parser = parse_row_ranges)]
    pub rows: Vec<Vec<RangeInclusive<u64>>>,
    /// Select the links of a provider (can be repeated)
    #[arg(long, value_name = "NAME", value_parser = parse_provider)]
    pub provider: Vec<ProviderName>,
    /// Select also links that this tool probably made
    ///
    /// After a crash or a lost answer, this tool found the link by reading. Somebody else could have made it at that
    /// moment.
    #[arg(long)]
    pub include_recovered: bool,
}

impl SelectionArgs {
    /// `--input` is left out: the ledger knows the inputs.
    fn resolve(&self, options: &InputOptions, pool: &PoolId, now: UnixMs) -> Result<UndoSelection, Failure> {
        let moment =
            |option, text: &Option<String>| text.as_deref().map(|text| parse_moment(option, text, now)).transpose();
        Ok(UndoSelection {
            since: moment("--since", &self.since)?,
            before: moment("--before", &self.before)?,
            rows: self.rows.concat(),
            input: None,
            providers: self.provider.iter().cloned().collect(),
            include_recovered: self.include_recovered,
            keys: self.key.iter().copied().collect(),
            runs: self.run.iter().copied().collect(),
            not_in: keys_of(&self.not_in, options, pool)?,
            superseded: self.superseded,
        })
    }
}

/// Hides from the short help how an input is read: only `--not-in` reads one.
fn hide_input_options(option: Arg) -> Arg {
    let is_of_input = option.get_help_heading() == Some(headings::INPUT);
    if is_of_input { option.hide_short_help(true) } else { option }
}

fn parse_key(text: &str) -> Result<RowKey, String> {
    RowKey::parse(text.as_bytes()).ok_or_else(|| "a key has 32 hexadecimal digits".to_owned())
}

fn parse_run(text: &str) -> Result<RunId, String> {
    RunId::parse(text).ok_or_else(|| "the id of a run has 16 hexadecimal digits".to_owned())
}

/// Returns the keys of all rows of these inputs, sorted; `None` where there is no input.
fn keys_of(inputs: &[PathBuf], options: &InputOptions, pool: &PoolId) -> Result<Option<Vec<RowKey>>, Failure> {
    let mut keys = Vec::new();
    for path in inputs {
        for record in InputReader::new(&InputSource::open(path)?, options)? {
            keys.push(record?.key(pool));
        }
    }
    keys.sort_unstable();
    Ok((!inputs.is_empty()).then_some(keys))
}

#[expect(clippy::too_many_lines, reason = "the order of the steps, from the settings to the result")]
pub async fn cmd_undo(args: UndoArgs, context: &CommandContext<'_>) -> Result<Exit, Failure> {
    let CommandContext { ui, clock, file_settings: file, .. } = context;

    // Settings.
    let simulator = Simulator::load(&args.simulation)?;
    if simulator.is_some() && args.simulation.pool_file.is_none() {
        return Err(Failure::Usage(
            "undo --simulate needs a pool that holds the links: pass the file of link --save-pool with --pool-file"
                .into(),
        ));
    }
    let rate_choice = args.pace.rate_choice(None, file)?;
    let control = args.control.plan()?;
    let mut options = args.pace.engine_options(RunPurpose::Undo, rate_choice, &args.advanced, context)?;
    options.windows = control.outlook();
    let inputs = args.selection.not_in.iter().map(|path| Some(path.as_path()));
    let [_, faults] = args.simulation.files_read();
    let read: Vec<_> = inputs.chain([Some(args.ledger.as_path()), faults]).collect();
    check_outputs(&[args.simulation.output()], &read, context.force)?;
    refuse_beside_rescued(&args.ledger)?;
    let pool_of_ledger = read_header(&args.ledger)?.binding.pool.to_string();
    let default_pool = simulator.as_ref().map_or(pool_of_ledger.as_str(), Simulator::pool_id);
    let pool = args.pool.pool_id(file, Some(default_pool))?;
    let watched = MonitoredRun { command: "undo", pool: &pool, ledger: &args.ledger, input: &args.ledger };
    Monitor::expect(&args.monitor, watched, context)?;
    if simulator.is_none() && !args.dry_run {
        args.guards.check_protection(args.yes, &pool, file)?;
    }
    let mut selection = args.selection.resolve(&args.reading.options(file)?, &pool, clock.unix_ms())?;

    // Open the ledger. It is never created: a missing one is a mistyped path. A dry run takes no lock.
    let ledger_file = FileSource::open(&args.ledger)?;
    let expected = ExpectedPool::new(&args.pool, &pool, simulator.is_some(), file);
    let earlier = if args.dry_run {
        EarlierLedger::open_read_only(&args.ledger, &expected)?
    } else {
        EarlierLedger::open(&args.ledger, &expected, clock.unix_ms(), ui)?
    };
    let earlier = earlier.ok_or_else(|| LedgerError::NotALedger { place: args.ledger.display().to_string() })?;
    let input = earlier.ledger.last_run().map(|run| Path::new(&run.start.input));
    check_outputs(&[args.simulation.output()], &[input], context.force)?;

    let view = earlier.ledger.view();
    selection.input = args.selection.input.as_deref().map(|path| input_of_ledger(path, view)).transpose()?;
    let (links, found) = LinksToUndo::find(Box::new(ledger_file), view, &selection)?;
    if !selection.rows.is_empty() && links.inputs().len() > 1 {
        let inputs = links.inputs().iter().cloned().collect::<Vec<_>>().join(", ");
        return Err(Failure::Usage(format!(
            "--rows: the ledger has such rows of several inputs; name one with --input: {inputs}"
        )));
    }
    // Of one input, a person should see which one it is.
    let input = links.inputs().first().filter(|_| !selection.rows.is_empty() && view.inputs().len() > 1);
    note_selection(&found, input, view.counts().in_doubt - found.in_doubt, ui);
    options.total = Some(found.selected);
    let running_simulator =
        simulator.map(|simulator| simulator.serve(&pool, &BTreeSet::new(), options.seed)).transpose()?;
    let address =
        running_simulator.as_ref().map_or_else(|| args.pool.real_target(file), |running| Ok(running.target()))?;

    let mut list = DryRunList::new(ui);
    // A name that neither the ledger nor the pool has is misspelled.
    let connection = if found.selected > 0 || !links.unknown_providers().is_empty() {
        let connection = connect(&address, &pool, options.seed, context).await?;
        check_providers("--provider", links.unknown_providers(), &connection.1)?;
        Some(connection)
    } else {
        None
    };
    let mut monitor = None;
    let report = if let Some((service, knowledge)) = connection.filter(|_| found.selected > 0) {
        // Ask. A ledger is bound to what the service says of itself.
        let binding = binding_of(&pool, &service, &knowledge);
        let target = RunTarget::find(&binding, &service, &knowledge, &args.guards, context).await?;
        let mut ledger = earlier.bound_to(&args.ledger, &binding)?;
        let pace = if args.dry_run {
            rate_choice.write_pace_for_documented_quota()
        } else {
            let learned = ledger.pace_milli();
            args.pace.set_write_pace(rate_choice, service.limits(), learned, &mut options, context).await?
        };
        ui.warn(MessageCode::NotRestored, NOT_RESTORED);
        if !args.dry_run {
            let what = format!("unlink {} of {}", format::counted(found.selected, "link"), args.ledger.display());
            let proposal = Proposal { what, links: found.selected, reasons: Vec::new(), yes: args.yes, ui };
            target.confirm(&proposal)?;
        }

        // Run.
        let mut signals = listen_for_signals()?;
        let origin = Some(target.origin(None, context));
        let run = context.run;
        let last_start = ledger.last_run().map(|run| run.start.clone());
        let input = last_start.as_ref().map(|start| start.input.clone()).unwrap_or_default();
        let shard = last_start.and_then(|start| start.shard);
        let start = run_start(run, UNDO_COMMAND, &input, pace.limit, shard, origin, *clock);
        let writer = if args.dry_run { WritePort::Nothing } else { WritePort::Unlinks(service.unlinker()) };
        // A dry run has no lock, and sends nothing that would have to be slowed down.
        let (controls, requests) = if args.dry_run {
            ui.status("reading the users");
            (None, None)
        } else {
            let (controls, requests) = control.start(None, &args.ledger, run, UNDO_COMMAND, context)?;
            (Some(controls), Some(requests))
        };
        let watched =
            MonitoredRun { command: "undo", pool: &binding.pool, ledger: &args.ledger, input: Path::new(&input) };
        let monitor = monitor.insert(Monitor::start(&args.monitor, watched, context).await?);
        let mut observer = monitor.observer(ui.observer());
        let engine = RunContext {
            pool: binding.pool.clone(),
            simulated: binding.simulated,
            knowledge: &knowledge,
            services: ServicePorts { directory: service.directory(), writer },
            ledger: &mut ledger,
            run,
            options,
            later_limits: pace.later_limits,
            control: requests,
            clock: *clock,
            observer: observer.as_mut(),
            undo_observer: args.dry_run.then_some(&mut list as &mut dyn UndoObserver),
        };
        let report =
            Box::pin(run_engine(engine, &start, &Corrections::default(), &mut LinkRows { links }, &mut signals)).await;
        if let Some(controls) = controls {
            controls.close(ui).await;
        }
        report?
    } else {
        note_nothing_selected(&found, ui);
        nothing_to_do(args.dry_run, &earlier.held)
    };

    // Result.
    let exit = exit_for_run(&report);
    if let Some(monitor) = &monitor {
        monitor.finish(&report, exit);
    }
    let links = list.finish()?;
    let again = same_command(&context.arguments, Some("--dry-run"), "");
    view::print_undo_report(&report, links, found.recovered, &args.ledger.display().to_string(), &again, exit, ui)?;
    print_stop(&report, ui);
    if let Some(running) = running_simulator {
        // Also where nothing was done: the next command may need the file of --save-pool.
        running.stop()?;
    }
    Ok(exit)
}

/// Returns the name that the ledger has for an input.
fn input_of_ledger(path: &Path, view: &LedgerView) -> Result<String, Failure> {
    let name = view.name_of_input(&path.display().to_string()).to_owned();
    let inputs: Vec<&str> = view.inputs().iter().map(|input| input.path.as_str()).collect();
    if inputs.contains(&name.as_str()) {
        return Ok(name);
    }
    Err(Failure::Usage(format!("--input {name}: the ledger has no rows of this input; it has {}", inputs.join(", "))))
}

/// Prints what was selected. Rows that `link` left in doubt may be linked, and are left alone.
fn note_selection(found: &UndoSelectionCounts, input: Option<&String>, links_in_doubt: u64, ui: &Ui) {
    let of_input = input.map_or(String::new(), |input| format!(" of rows of {input}"));
    let mut parts = vec![format!("{}{of_input} to unlink", format::counted(found.selected, "link"))];
    for (number, what) in [
        (found.in_doubt, "of them in doubt from an earlier undo and read first"),
        (found.not_selected, "not selected"),
        (found.recovered, "left out, which somebody else may have made (see --include-recovered)"),
    ] {
        if number > 0 {
            parts.push(format!("{} {what}", format::count(number)));
        }
    }
    ui.note(MessageCode::Selection, &parts.join(", "));
    if links_in_doubt > 0 {
        ui.warn(MessageCode::InDoubt, &format!(
            "{} that link left in doubt may be linked, and undo does not touch them: run link again to settle them first",
            format::counted(links_in_doubt, "row")
        ));
    }
}

fn note_nothing_selected(found: &UndoSelectionCounts, ui: &Ui) {
    let what = if found.not_selected > 0 { "no link is selected" } else { "this ledger has no link to remove" };
    ui.note(MessageCode::NothingToDo, &format!("{what}; nothing was sent"));
}

fn nothing_to_do(dry_run: bool, binding: &Binding) -> RunReport {
    RunReport {
        purpose: if dry_run { RunPurpose::UndoDryRun } else { RunPurpose::Undo },
        pool: binding.pool.clone(),
        simulated: binding.simulated,
        ended: RunOutcome::Completed,
        counts: Counts::default(),
        not_read: None,
        writes: 0,
        reads: 0,
        throttled: 0,
        ledger_head: None,
        missed: None,
        links_of_disabled_users: 0,
        elapsed: Duration::ZERO,
    }
}

/// The links of a ledger as the engine takes them.
struct LinkRows {
    links: LinksToUndo,
}

impl RowSource for LinkRows {
    fn next_batch(&mut self) -> RowBatchFuture<'_> {
        Box::pin(async {
            // There is always a next link, so without this the calls in flight would never be polled.
            tokio::task::yield_now().await;
            match self.links.next_batch(READER_BATCH_ROWS) {
                Ok(links) if links.is_empty() => None,
                Ok(links) => {
                    let rows: Vec<IncomingRow> = links.into_iter().map(IncomingRow::LedgerLink).collect();
                    Some(Ok(rows.into()))
                }
                Err(error) => Some(Err(error.into())),
            }
        })
    }
}
