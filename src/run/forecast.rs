//! The online half of `validate`: the pool is read, never written.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::pace::PaceChoice;
use super::settings;
use super::simulator::{self, Running, Simulator};
use crate::cli::{LookUpWay, ValidateArgs};
use crate::clock::Clock;
use crate::command::Failure;
use crate::command::choices::Choices;
use crate::command::forecast::{ForecastTask, Foreseen, HowToRead, Outlets, PoolRead};
use crate::command::plan::{Bound, PlanHeader};
use crate::command::validate::{ValidateTask, Validated};
use crate::config::FileSettings;
use crate::domain::identity::Personal;
use crate::foresight::preflight::{PoolKnowledge, preflight};
use crate::foresight::questions::LookUp;
use crate::ledger::Binding;
use crate::ledger::record::TOOL_VERSION;
use crate::limits::WRITE_QUOTA_PER_SECOND;
use crate::seed::Rng;
use crate::service::UserDirectory;
use crate::service::cognito::{Cognito, Target};
use crate::ui::{Findings, Ui, format};

/// A pool that can be read.
pub(super) struct Online {
    directory: Arc<dyn UserDirectory>,
    knowledge: PoolKnowledge,
    binding: Binding,
    pace: PaceChoice,
    case_differs_allowed: bool,
    seed: u64,
    clock: Clock,
    running: Option<Running>,
}

impl Online {
    /// Connects to the pool that is named, or simulated; `None` where none is.
    pub(super) async fn connect(
        args: &ValidateArgs,
        file: &FileSettings,
        ui: &Ui,
        clock: Clock,
    ) -> Result<Option<Self>, Failure> {
        let simulator = Simulator::load(&args.simulation)?;
        let named = args.pool.user_pool_id.is_some() || file.user_pool_id.is_some();
        if args.offline || (simulator.is_none() && !named) {
            return Ok(None);
        }
        let pool = settings::pool(&args.pool, file, simulator.as_ref().map(Simulator::pool_id))?;
        let pace = PaceChoice::of(args.rate.as_deref(), args.share, file, 1)?;
        let seed = settings::seed(None, clock);
        let binding = Binding { simulated: simulator.is_some() || pool.is_simulated(), pool };
        let running = match simulator {
            Some(simulator) if args.simulation.pool_file.is_some() => {
                let world = simulator.world(&binding.pool, &BTreeSet::new(), seed)?;
                Some(simulator::serve(world, &binding.pool, args.simulation.save_pool.clone())?)
            }
            Some(_) => {
                return Err(Failure::Usage(
                    "without a pool there is nothing to hold the rows against: name one with --pool-file".into(),
                ));
            }
            None => None,
        };
        let target = match &running {
            Some(running) => Target::Simulator { endpoint_url: running.url() },
            None => Target::Aws {
                profile: args.pool.profile.clone().or_else(|| file.profile.clone()),
                endpoint_url: settings::endpoint_url(&args.pool, file)?,
            },
        };
        ui.status("looking at the pool");
        let cognito = Cognito::connect(&target, binding.pool.region(), binding.pool.clone()).await?;
        let directory = cognito.directory();
        let knowledge = preflight(directory.as_ref(), clock, &mut Rng::new(seed).fork("preflight")).await?;
        ui.clear_status();
        let case_differs_allowed = settings::case_differs_allowed(&args.reading, file);
        Ok(Some(Self { directory, knowledge, binding, pace, case_differs_allowed, seed, clock, running }))
    }

    /// Stops the simulator, where there is one.
    pub(super) fn stop(self) -> Result<(), Failure> {
        self.running.map_or(Ok(()), Running::stop)
    }
}

/// Reads the pool, and says what will come of each row.
pub(super) async fn foretell(
    online: &Online,
    task: &ValidateTask,
    validated: &Validated,
    choices: &Choices,
    args: &ValidateArgs,
    ui: &Ui,
    findings: &mut Findings,
) -> Result<Foreseen, Failure> {
    let knowledge = &online.knowledge;
    let forecast = ForecastTask {
        source: &task.source,
        reading: &task.reading,
        across: &validated.across,
        pool: &online.binding.pool,
        look_up: args.lookup.map(way),
        case_differs_allowed: online.case_differs_allowed,
        choices,
    };
    let bound = args.save_plan.as_ref().map(|_| Bound::of(&task.source, &task.reading)).transpose()?;
    let how = HowToRead { reads: online.pace.reads(), seed: online.seed, clock: online.clock };
    let needed = forecast.need()?;
    let read = forecast.read_pool(needed, Arc::clone(&online.directory), knowledge, how, findings).await?;
    findings.begin_refused();
    let mut outlets = Outlets {
        refused: &mut |line| findings.refused(line),
        shown: &|value: &Personal| ui.value(value),
        split: task.split.as_deref(),
        plan: args.save_plan.as_deref(),
    };
    let mut foreseen = forecast.foretell(&read, knowledge, &mut outlets)?;
    foreseen.report.simulated = online.binding.simulated;
    foreseen.report.because = because(args.lookup, &read);
    foreseen.estimate(online.pace.assumed_writes().pace.expected(), WRITE_QUOTA_PER_SECOND);
    if let Some(bound) = bound {
        let header = PlanHeader::new(bound, &online.binding, TOOL_VERSION);
        foreseen.save_plan(header, &read, validated.counts.invalid)?;
    }
    Ok(foreseen)
}

fn way(way: LookUpWay) -> LookUp {
    match way {
        LookUpWay::Scan => LookUp::Scan,
        LookUpWay::Filter => LookUp::Filter,
    }
}

/// Why the pool was read so, and what that way cannot see.
fn because(asked: Option<LookUpWay>, read: &PoolRead) -> String {
    let (scan, filter) = (format::count(read.cost.scan), format::count(read.cost.filter));
    let why = match asked {
        Some(_) => "as --lookup says".to_owned(),
        None => format!("the cheaper way, with about {scan} reads for a scan and {filter} for filters"),
    };
    match read.look_up {
        LookUp::Scan => why,
        LookUp::Filter => format!(
            "{why}; identities on users whom no row names are not seen so (linked_elsewhere, case_differs), --lookup \
             scan sees them"
        ),
    }
}
