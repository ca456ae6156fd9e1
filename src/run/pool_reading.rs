//! A pool that is only read: the service's reading half, and the simulator behind it where that was asked for.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::simulator::{self, Running, Simulator};
use super::{options, settings};
use crate::cli::{PoolArgs, SimulationArgs};
use crate::clock::Clock;
use crate::command::Failure;
use crate::config::FileSettings;
use crate::domain::identity::PoolId;
use crate::foresight::preflight::PoolKnowledge;
use crate::ledger::Binding;
use crate::service::UserDirectory;
use crate::service::cognito::Target;
use crate::ui::Ui;

/// A pool that can be read.
pub(super) struct PoolReading {
    /// Its id.
    pub(super) pool: PoolId,
    /// The reading half of the service.
    pub(super) directory: Arc<dyn UserDirectory>,
    /// What is known of it.
    pub(super) knowledge: PoolKnowledge,
    /// Where it is.
    pub(super) target: Target,
    running: Option<Running>,
}

/// Where a pool is, with nothing asked of it yet.
pub(super) struct Place {
    /// Its id.
    pub(super) pool: PoolId,
    /// Where it is.
    pub(super) target: Target,
    /// The simulator behind it, where there is one.
    pub(super) running: Option<Running>,
}

impl Place {
    /// Finds the pool that is named, or starts its simulator. A simulated pool must come from a file: an empty one has
    /// nothing to read.
    pub(super) fn find(
        args: &PoolArgs,
        simulation: &SimulationArgs,
        file: &FileSettings,
        seed: u64,
    ) -> Result<Self, Failure> {
        let simulator = Simulator::load(simulation)?;
        if simulator.is_some() && simulation.pool_file.is_none() {
            return Err(Failure::Usage("a simulated pool without --pool-file holds nothing to read".into()));
        }
        let pool = settings::pool(args, file, simulator.as_ref().map(Simulator::pool_id))?;
        let running = match simulator {
            Some(simulator) => {
                let account = simulator.account(&pool, &BTreeSet::new(), seed)?;
                Some(simulator::serve(account, &pool, simulation.save_pool.clone())?)
            }
            None => None,
        };
        let target = match &running {
            Some(running) => Target::Simulator { endpoint_url: running.url() },
            None => options::aws(args, file)?,
        };
        Ok(Self { pool, target, running })
    }

    /// Whether it is a simulated one.
    pub(super) fn is_simulated(&self) -> bool {
        self.running.is_some() || self.pool.is_simulated()
    }
}

impl PoolReading {
    /// Connects, and looks at the pool and its providers.
    pub(super) async fn open(
        args: &PoolArgs,
        simulation: &SimulationArgs,
        file: &FileSettings,
        seed: u64,
        ui: &Ui,
        clock: Clock,
    ) -> Result<Self, Failure> {
        let Place { pool, target, running } = Place::find(args, simulation, file, seed)?;
        let (cognito, knowledge) = options::connect(&target, &pool, seed, ui, clock).await?;
        let directory = cognito.directory();
        Ok(Self { pool, directory, knowledge, target, running })
    }

    /// Whether it is a simulated one.
    pub(super) fn is_simulated(&self) -> bool {
        self.running.is_some() || self.pool.is_simulated()
    }

    /// To what a ledger or a plan about it is bound.
    pub(super) fn binding(&self) -> Binding {
        Binding { pool: self.pool.clone(), simulated: self.is_simulated() }
    }

    /// Ends the simulator, where there is one.
    pub(super) fn close(self) -> Result<(), Failure> {
        self.running.map_or(Ok(()), Running::stop)
    }
}
