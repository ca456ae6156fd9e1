//! How a run goes about it: the options that `link` and `undo` share, and the service that they connect to.

use super::pace::PaceChoice;
use super::settings;
use crate::cli::{PaceArgs, PoolArgs, SettleCall};
use crate::clock::Clock;
use crate::command::Failure;
use crate::config::{self, FileSettings};
use crate::domain::identity::PoolId;
use crate::domain::shard::Shard;
use crate::engine::{EngineOptions, SettleWith};
use crate::foresight::preflight::{PoolKnowledge, preflight};
use crate::pace::Pace;
use crate::seed::Rng;
use crate::service::cognito::{Cognito, Target};
use crate::ui::Ui;

/// What was asked for that only the account, the ledger or a person can turn into a pace and a go.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub(super) pace: PaceChoice,
    pub(super) concurrency: Option<usize>,
    pub(super) yes: bool,
}

/// How to go about it, with a pace that rests on nothing but the options.
pub(super) fn engine_options(
    args: &PaceArgs,
    yes: bool,
    file: &FileSettings,
    shard: Option<Shard>,
    clock: Clock,
) -> Result<(EngineOptions, Asked), Failure> {
    let pace = PaceChoice::read(args, file, shard)?;
    let asked = Asked { pace, concurrency: args.concurrency.or(file.concurrency), yes };
    let writes = pace.assumed_writes().pace;
    if args.attempts == 0 {
        return Err(Failure::Usage("--attempts 0: a row needs at least one attempt".into()));
    }
    let duration_max = match &args.max_duration {
        Some(text) => Some(config::duration("--max-duration", text)?),
        None => None,
    };
    let options = EngineOptions {
        writes,
        reads: pace.reads(),
        concurrency: concurrency(asked, writes)?,
        attempts_max: args.attempts,
        retry_refused: false,
        settle_with: match args.settle_with {
            SettleCall::ListUsers => SettleWith::ListUsers,
            SettleCall::GetUser => SettleWith::GetUser,
        },
        failures_max: Some(args.max_failures),
        duration_max,
        total: None,
        done_before: 0,
        seed: settings::seed(args.seed, clock),
    };
    Ok((options, asked))
}

pub(super) fn concurrency(asked: Asked, writes: Pace) -> Result<usize, Failure> {
    Ok(config::concurrency(asked.concurrency, writes.expected().unwrap_or(f64::INFINITY))?)
}

/// No terminal means nobody to ask: said before anything is read, not after.
pub(super) fn ask_early(ui: &Ui) -> Result<(), Failure> {
    if ui.can_ask() {
        return Ok(());
    }
    Err(Failure::Usage(
        "this changes the pool and there is no terminal to ask on: pass --yes to go on without being asked".into(),
    ))
}

/// Asks before writing; a no sends nothing.
pub(super) fn ask(ui: &Ui, question: &str) -> Result<(), Failure> {
    match ui.confirm(question) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::Declined),
        Err(error) => Err(Failure::Usage(error.to_string())),
    }
}

/// The real service, as the options name it.
pub(super) fn aws(args: &PoolArgs, file: &FileSettings) -> Result<Target, Failure> {
    Ok(Target::Aws {
        profile: args.profile.clone().or_else(|| file.profile.clone()),
        endpoint_url: settings::endpoint_url(args, file)?,
    })
}

/// Connects, and looks at the pool.
pub(super) async fn connect(
    target: &Target,
    pool: &PoolId,
    seed: u64,
    ui: &Ui,
    clock: Clock,
) -> Result<(Cognito, PoolKnowledge), Failure> {
    ui.status("looking at the pool");
    let found = look(target, pool, seed, clock).await;
    ui.clear_status();
    // Whoever takes the ledger or the plan of a rehearsal for a real one would look for credentials in vain.
    if found.is_err() && pool.is_simulated() && matches!(target, Target::Aws { .. }) {
        ui.warn(&format!(
            "{pool} is a simulated pool: pass --simulate, with --pool-file, or the --endpoint-url of a running simulator"
        ));
    }
    found
}

async fn look(target: &Target, pool: &PoolId, seed: u64, clock: Clock) -> Result<(Cognito, PoolKnowledge), Failure> {
    let cognito = Cognito::connect(target, pool.region(), pool.clone()).await?;
    let directory = cognito.directory();
    let knowledge = preflight(directory.as_ref(), clock, &mut Rng::new(seed).fork("preflight")).await?;
    Ok((cognito, knowledge))
}
