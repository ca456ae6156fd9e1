//! `link --plan`: whether a plan is about this input and this pool, and fresh enough.

use std::time::Duration;

use crate::cli::LinkArgs;
use crate::clock::Clock;
use crate::command::Failure;
use crate::command::choices::Choices;
use crate::command::guide::Guide;
use crate::command::link::LinkTask;
use crate::command::plan::{self, Bound, PlanHeader};
use crate::config;
use crate::ui::{Ui, escape, format};

/// What goes with the rows, and what the plan says of itself where there is one.
pub(super) struct Guidance {
    pub(super) guide: Guide,
    pub(super) plan: Option<PlanHeader>,
}

/// Reads the plan or the choices that were given, and refuses what does not fit.
pub(super) fn guidance(args: &LinkArgs, task: &LinkTask, clock: Clock, ui: &Ui) -> Result<Guidance, Failure> {
    if let Some(path) = &args.choices {
        return Ok(Guidance { guide: Guide::Choices(Choices::read(path)?), plan: None });
    }
    let Some(path) = &args.plan else { return Ok(Guidance { guide: Guide::None, plan: None }) };
    let age_max = config::duration("--plan-max-age", &args.plan_max_age)?;
    let (header, plan) = plan::open(path)?;
    ui.status("holding the plan against the input");
    let fits = fits(&header, task, age_max, clock);
    ui.clear_status();
    fits.map_err(|reason| reason.named(&path.display().to_string()))?;
    Ok(Guidance { guide: Guide::Plan(Box::new(plan)), plan: Some(header) })
}

/// Why a plan cannot be followed.
enum Unfit {
    Mismatch(String),
    Failure(Failure),
}

impl Unfit {
    fn named(self, plan: &str) -> Failure {
        match self {
            Self::Mismatch(why) => Failure::Mismatch(format!("{plan}: {why}; nothing was sent, make a new plan")),
            Self::Failure(failure) => failure,
        }
    }
}

fn fits(header: &PlanHeader, task: &LinkTask, age_max: Duration, clock: Clock) -> Result<(), Unfit> {
    let mismatch = |why: String| Err(Unfit::Mismatch(why));
    let kind = |simulated| if simulated { "simulated pool" } else { "pool" };
    let (pool, simulated) = (task.binding.pool.as_str(), task.binding.simulated);
    if (header.pool.as_str(), header.simulated) != (pool, simulated) {
        let (planned, asked) = (kind(header.simulated), kind(simulated));
        return mismatch(format!("the plan is about {planned} {}, and this run about {asked} {pool}", header.pool));
    }
    let age = clock.unix_ms().saturating_sub(header.scanned_unix_ms);
    let age = Duration::from_millis(u64::try_from(age).unwrap_or(0));
    if age > age_max {
        let (age, most) = (format::duration(age), format::duration(age_max));
        return mismatch(format!("the pool was read {age} ago, and --plan-max-age is {most}"));
    }
    let bound = Bound::of(&task.source, &task.reading).map_err(|error| Unfit::Failure(error.into()))?;
    if bound.input_hash != header.input_hash {
        return mismatch(format!("{} is not the file that was planned, or has changed since", bound.input));
    }
    if bound.options_hash != header.options_hash {
        return mismatch("the input is read with other options than it was planned with".to_owned());
    }
    Ok(())
}

/// What the plan says of all rows.
pub(super) fn say_verdicts(plan: &PlanHeader, ui: &Ui) {
    let (fine, refused): (Vec<_>, Vec<_>) =
        plan.verdicts.iter().partition(|(verdict, _)| ["link", "already_linked"].contains(&verdict.as_str()));
    let told = |(verdict, number): (&String, &u64)| format!("{} {verdict}", format::count(*number));
    let verdicts: Vec<String> = fine.into_iter().rev().chain(refused).map(told).collect();
    let when = format::timestamp(plan.scanned_unix_ms);
    ui.note(&format!("plan of {when}: {}", escape(&verdicts.join(", "))));
}
