//! The online half of `validate`: the pool is read, never written.

use std::sync::Arc;

use super::pace::PaceChoice;
use super::pool_reading::PoolReading;
use super::settings;
use crate::cli::{LookUpWay, ValidateArgs};
use crate::clock::Clock;
use crate::command::Failure;
use crate::command::choices::Choices;
use crate::command::forecast::{ForecastTask, Foreseen, HowToRead, Outlets, PoolRead};
use crate::command::plan::{Bound, PlanHeader};
use crate::command::validate::{ValidateTask, Validated};
use crate::config::FileSettings;
use crate::domain::identity::Personal;
use crate::foresight::questions::LookUp;
use crate::ledger::record::TOOL_VERSION;
use crate::limits::WRITE_QUOTA_PER_SECOND;
use crate::ui::{Findings, Ui, format};

/// A pool that can be read.
pub(super) struct Online {
    pool: PoolReading,
    pace: PaceChoice,
    case_differs_allowed: bool,
    seed: u64,
    clock: Clock,
}

impl Online {
    /// Connects to the pool that is named, or simulated; `None` where none is.
    pub(super) async fn connect(
        args: &ValidateArgs,
        file: &FileSettings,
        ui: &Ui,
        clock: Clock,
    ) -> Result<Option<Self>, Failure> {
        let named = args.pool.user_pool_id.is_some() || file.user_pool_id.is_some();
        if args.offline || !(args.simulation.simulate || named) {
            return Ok(None);
        }
        let pace = PaceChoice::of(args.rate.as_deref(), args.share, file, 1)?;
        let seed = settings::seed(None, clock);
        let pool = PoolReading::open(&args.pool, &args.simulation, file, seed, ui, clock).await?;
        let case_differs_allowed = settings::case_differs_allowed(&args.reading, file);
        Ok(Some(Self { pool, pace, case_differs_allowed, seed, clock }))
    }

    /// Stops the simulator, where there is one.
    pub(super) fn stop(self) -> Result<(), Failure> {
        self.pool.close()
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
    let (pool, knowledge) = (&online.pool, &online.pool.knowledge);
    let forecast = ForecastTask {
        source: &task.source,
        reading: &task.reading,
        across: &validated.across,
        pool: &pool.pool,
        look_up: args.lookup.map(way),
        case_differs_allowed: online.case_differs_allowed,
        choices,
    };
    let bound = args.save_plan.as_ref().map(|_| Bound::of(&task.source, &task.reading)).transpose()?;
    let how = HowToRead { reads: online.pace.reads(), seed: online.seed, clock: online.clock };
    let needed = forecast.need()?;
    let read = forecast.read_pool(needed, Arc::clone(&pool.directory), knowledge, how, findings).await?;
    findings.begin_refused();
    let mut outlets = Outlets {
        refused: &mut |line| findings.refused(line),
        shown: &|value: &Personal| ui.value(value),
        split: task.split.as_deref(),
        plan: args.save_plan.as_deref(),
    };
    let mut foreseen = forecast.foretell(&read, knowledge, &mut outlets)?;
    foreseen.report.simulated = pool.is_simulated();
    foreseen.report.because = because(args.lookup, &read);
    foreseen.estimate(online.pace.assumed_writes().pace.expected(), WRITE_QUOTA_PER_SECOND);
    if let Some(bound) = bound {
        let header = PlanHeader::new(bound, &pool.binding(), TOOL_VERSION);
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
