//! `simulate`: the simulator as a server of its own.

use tokio::net::TcpListener;

use super::settings::SIMULATED_POOL_ID;
use super::{signals, simulator};
use crate::cli::SimulateArgs;
use crate::clock::Clock;
use crate::command::Failure;
use crate::config;
use crate::exit::Exit;
use crate::service::sim::{Pool, PoolSettings, SharedWorld, server};
use crate::ui::Ui;

pub(super) async fn run(args: &SimulateArgs, ui: &Ui, _clock: Clock) -> Result<Exit, Failure> {
    let quota = config::quota("--quota", &args.quota)?;
    let latency = config::latency("--latency", &args.latency)?;
    let pool = match &args.pool_file {
        Some(path) => simulator::load_pool(path)?,
        None => Pool::new(PoolSettings::new(SIMULATED_POOL_ID)),
    };
    let pool = if args.create_on_reference { pool.creating_on_reference() } else { pool };
    let pool_id = pool.settings().id.clone();
    let world = SharedWorld::new(simulator::world(args.seed, quota, latency).with_pool(pool));
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
