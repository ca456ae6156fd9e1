//! `undo`, put together.

use std::collections::BTreeSet;

use serde_json::Value;

use super::options::{self, Asked, ask, ask_early, connect, engine_options};
use super::pace::WritePace;
use super::simulator::{Running, Simulator};
use super::{settings, signals, simulator};
use crate::cli::UndoArgs;
use crate::clock::Clock;
use crate::command::Failure;
use crate::command::link::exit_of;
use crate::command::undo::{NOT_BROUGHT_BACK, Prepared, UndoRun, UndoTask, pool_of};
use crate::config::{self, FileSettings};
use crate::domain::identity::ProviderName;
use crate::domain::outcome::UndoOutcome;
use crate::domain::row::Row;
use crate::domain::stop::{Ended, RunReport};
use crate::engine::{EngineOptions, Services, Witness, WritingHalf};
use crate::exit::Exit;
use crate::ledger::{Binding, Selection};
use crate::limits::REPORT_FAILURES_MAX;
use crate::service::cognito::Target;
use crate::ui::{OutputFormat, Ui, format};

pub(super) async fn run(args: UndoArgs, file: &FileSettings, ui: &Ui, clock: Clock) -> Result<Exit, Failure> {
    let simulator = Simulator::load(&args.simulation)?;
    if simulator.is_some() && args.simulation.pool_file.is_none() {
        return Err(Failure::Usage(
            "undo --simulate needs a pool that holds the links: give it the file of link --save-pool with --pool-file"
                .into(),
        ));
    }
    let (mut options, asked) = engine_options(&args.pace, args.yes || args.dry_run, file, None, clock)?;
    if !asked.yes {
        ask_early(ui)?;
    }
    let task = task(&args, file, simulator.as_ref(), clock)?;
    let prepared = task.prepare(clock)?;
    options.total = Some(prepared.found.selected);
    say_found(&prepared, ui);
    if prepared.found.selected == 0 {
        let what = if prepared.found.not_selected > 0 {
            "no link is selected"
        } else {
            "this ledger has no link to take back"
        };
        ui.note(&format!("{what}; nothing was sent"));
        if let Some(simulator) = simulator {
            // The next command may count on the file of --save-pool.
            serve(simulator, &task, &args, options.seed)?.stop()?;
        }
        return finish(&task, &task.nothing_to_do(), Vec::new(), ui);
    }
    let Some(simulator) = simulator else {
        return undo(&task, prepared, &options::aws(&args.pool, file)?, options, asked, ui, clock).await;
    };
    let running = serve(simulator, &task, &args, options.seed)?;
    let target = Target::Simulator { endpoint_url: running.url() };
    let exit = undo(&task, prepared, &target, options, asked, ui, clock).await?;
    running.stop()?;
    Ok(exit)
}

fn serve(simulator: Simulator, task: &UndoTask, args: &UndoArgs, seed: u64) -> Result<Running, Failure> {
    let world = simulator.world(&task.binding.pool, &BTreeSet::new(), seed)?;
    simulator::serve(world, &task.binding.pool, args.simulation.save_pool.clone())
}

fn task(
    args: &UndoArgs,
    file: &FileSettings,
    simulator: Option<&Simulator>,
    clock: Clock,
) -> Result<UndoTask, Failure> {
    let held = pool_of(&args.ledger)?;
    let pool = settings::pool(&args.pool, file, Some(simulator.map_or(&held, Simulator::pool_id)))?;
    let asked = &args.selection;
    let provider = |name: &String| {
        ProviderName::parse(name).map_err(|error| Failure::Usage(format!("--provider '{name}': {error}")))
    };
    Ok(UndoTask {
        ledger_path: args.ledger.clone(),
        binding: Binding { simulated: simulator.is_some() || pool.is_simulated(), pool },
        selection: Selection {
            since: asked.since.as_deref().map(|text| config::since(text, clock.unix_ms())).transpose()?,
            rows: config::row_ranges(&asked.rows)?,
            providers: asked.provider.iter().map(provider).collect::<Result<_, _>>()?,
            include_recovered: asked.include_recovered,
        },
        dry_run: args.dry_run,
    })
}

fn say_found(prepared: &Prepared, ui: &Ui) {
    let (found, count) = (prepared.found, format::count);
    if prepared.cut_bytes > 0 {
        ui.warn(&format!(
            "the ledger ended in half a line of {}, as a crash leaves it; it was cut off, and its row is settled again",
            format::counted(prepared.cut_bytes, "byte")
        ));
    }
    let mut parts = vec![format!("{} to take back", format::counted(found.selected, "link"))];
    for (number, what) in [
        (found.in_doubt, "of them in doubt from an earlier undo, looked at first"),
        (found.not_selected, "not selected"),
        (found.recovered, "left out because somebody else may have made them (see --include-recovered)"),
    ] {
        if number > 0 {
            parts.push(format!("{} {what}", count(number)));
        }
    }
    ui.note(&parts.join(", "));
    if prepared.links_in_doubt > 0 {
        ui.warn(&format!(
            "{} that link left in doubt may be linked, and undo leaves them alone: run link again to settle them first",
            format::counted(prepared.links_in_doubt, "row")
        ));
    }
}

async fn undo(
    task: &UndoTask,
    prepared: Prepared,
    target: &Target,
    mut options: EngineOptions,
    asked: Asked,
    ui: &Ui,
    clock: Clock,
) -> Result<Exit, Failure> {
    let (cognito, knowledge) = connect(target, &task.binding.pool, options.seed, ui, clock).await?;
    let pace = if task.dry_run {
        asked.pace.assumed_writes()
    } else {
        let pace = asked.pace.writes(cognito.limits(), prepared.pace_milli(), clock).await;
        ui.note(&pace.said);
        pace
    };
    options.writes = pace.pace;
    options.concurrency = options::concurrency(asked, pace.pace)?;
    // Said whatever else is quiet: it is too late afterwards.
    ui.warn(NOT_BROUGHT_BACK);
    if !asked.yes {
        ask(ui, &question(task, &prepared))?;
    }
    let writer = if task.dry_run { WritingHalf::Nothing } else { WritingHalf::Unlinks(cognito.unlinker()) };
    let services = Services { directory: cognito.directory(), writer };
    let mut signals = signals::listen()?;
    let mut observer = ui.observer();
    let mut list = List { ui, links: Vec::new(), left_out: 0, failure: None };
    let WritePace { limit, later, .. } = pace;
    let run = UndoRun {
        id: settings::run_id(options.seed, clock),
        services,
        knowledge: &knowledge,
        options,
        limit,
        later_limits: later,
        clock,
        observer: observer.as_mut(),
        witness: task.dry_run.then_some(&mut list as &mut dyn Witness),
    };
    let report = task.run(prepared, run, &mut signals).await?;
    drop(observer);
    finish(task, &report, list.done()?, ui)
}

fn question(task: &UndoTask, prepared: &Prepared) -> String {
    let kind = if task.binding.simulated { "simulated pool" } else { "pool" };
    let links = format::counted(prepared.found.selected, "link");
    format!("take back {links} of {} in {kind} {}?", task.ledger_path.display(), task.binding.pool)
}

fn finish(task: &UndoTask, report: &RunReport, links: Vec<Value>, ui: &Ui) -> Result<Exit, Failure> {
    let exit = exit_of(report);
    ui.undo_report(report, links, &task.ledger_path.display().to_string(), exit.status())?;
    if let Ended::Stopped(stop) = &report.ended {
        ui.stopped(stop);
    }
    Ok(exit)
}

/// The list of a dry run: on stdout as it comes, or kept for the one object of the JSON.
struct List<'a> {
    ui: &'a Ui,
    links: Vec<Value>,
    left_out: u64,
    failure: Option<std::io::Error>,
}

impl Witness for List<'_> {
    fn on(&mut self, row: &Row, outcome: &UndoOutcome) {
        if self.ui.output() == OutputFormat::Text {
            if let Err(error) = self.ui.undo_line(row, outcome) {
                self.failure.get_or_insert(error);
            }
        } else if self.links.len() < REPORT_FAILURES_MAX {
            self.links.push(self.ui.undo_object(row, outcome));
        } else {
            self.left_out += 1;
        }
    }
}

impl List<'_> {
    fn done(self) -> Result<Vec<Value>, Failure> {
        if self.left_out > 0 {
            let left_out = format::count(self.left_out);
            self.ui.warn(&format!("{left_out} more links are not in this list; --output text has them all"));
        }
        match self.failure {
            Some(error) => Err(error.into()),
            None => Ok(self.links),
        }
    }
}
