//! `simulate`: the simulator as a server of its own.

use tokio::net::TcpListener;

use super::settings::SIMULATED_POOL_ID;
use super::simulator::Surroundings;
use super::{signals, simulator};
use crate::cli::{Guess, SimulateArgs};
use crate::clock::Clock;
use crate::command::Failure;
use crate::exit::Exit;
use crate::service::sim::fault::FaultPlan;
use crate::service::sim::schedule::category_rates;
use crate::service::sim::settings::{Guesses, LinkedElsewhere};
use crate::service::sim::{Pool, PoolSettings, SharedWorld, server};
use crate::ui::Ui;

pub(super) async fn run(args: &SimulateArgs, ui: &Ui, _clock: Clock) -> Result<Exit, Failure> {
    if !(args.burst.is_finite() && args.burst >= 0.0) {
        return Err(Failure::Usage(format!("--burst {}: expected a number of seconds", args.burst)));
    }
    let around = Surroundings {
        quota: simulator::quota("--quota", &args.quota, args.burst)?,
        latency: simulator::latency("--latency", &args.latency)?,
        faults: faults(args)?,
    };
    let pool = match &args.pool_file {
        Some(path) => simulator::load_pool(path)?,
        None => Pool::new(PoolSettings::new(SIMULATED_POOL_ID).case_sensitive(!args.case_insensitive)),
    };
    let pool = if args.create_on_reference { pool.creating_on_reference() } else { pool };
    let pool_id = pool.settings().id.clone();
    let world = SharedWorld::new(around.world(args.seed).with_guesses(guesses(&args.guess)).with_pool(pool));
    let usage = |error: server::SimError| Failure::Usage(error.to_string());
    let listener = server::bind(args.listen).map_err(usage)?;
    let listener = TcpListener::from_std(listener).map_err(|error| Failure::System(error.to_string()))?;
    let address = listener.local_addr().map_err(|error| Failure::System(error.to_string()))?;
    let mut stop = signals::listen()?;
    // The first line is for scripts that asked for port 0.
    ui.data(&format!("http://{address}\n"))?;
    ui.note(&format!("simulating pool {pool_id} on http://{address}; Ctrl-C ends it"));
    server::serve(world.clone(), listener, async {
        stop.recv().await;
    })
    .await
    .map_err(usage)?;
    if let Some(path) = &args.save_pool {
        let world = world.take();
        if let Some(pool) = world.pool(&pool_id) {
            simulator::save_pool(path, pool)?;
        }
    }
    Ok(Exit::Success)
}

/// Those of the file, then those of the command line.
fn faults(args: &SimulateArgs) -> Result<FaultPlan, Failure> {
    let mut plan = args.faults.as_deref().map_or_else(|| Ok(FaultPlan::none()), simulator::load_faults)?;
    for line in &args.fault {
        plan.add(line).map_err(|error| Failure::Usage(format!("--fault {error}")))?;
    }
    for text in &args.background {
        let rates = category_rates(text).map_err(|error| Failure::Usage(format!("--background '{text}': {error}")))?;
        plan.background.push(rates);
    }
    Ok(plan)
}

fn guesses(asked: &[Guess]) -> Guesses {
    let mut guesses = Guesses::default();
    for guess in asked {
        match guess {
            Guess::OldAlreadyLinkedText => guesses.old_already_linked_text = true,
            Guess::LinkedElsewhereIsMerging => guesses.linked_elsewhere = LinkedElsewhere::Merging,
            Guess::LinkedElsewhereIsAlias => guesses.linked_elsewhere = LinkedElsewhere::AliasExists,
            Guess::DestinationBySub => guesses.destination_by_sub = true,
            Guess::OwnIdentityDoesNotCount => guesses.own_identity_counts = false,
            Guess::AttributeLinkStays => guesses.attribute_link_stays = true,
            Guess::UnlinkSaysUserNotFound => guesses.unlink_says_user_not_found = true,
        }
    }
    guesses
}
