//! `--simulate`: a simulated pool on this machine in place of a real one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use cognito_sim::{
    Account, Behavior, DEFAULT_POOL_ID, FaultPlan, Latency, OptionError, Pool, PoolSettings, Quota, Server,
    load_faults, parse_latency, parse_quota, pool_file,
};

use super::outputs::{SAVE_POOL, place_of};
use super::{Failure, headings};
use crate::domain::identity::{PoolId, ProviderName};
use crate::service::cognito::ConnectionTarget;

#[derive(Debug, Args)]
#[command(next_help_heading = headings::SIMULATOR)]
pub struct SimulationArgs {
    /// Use a simulated pool on this machine: no AWS account, no credentials, no real user
    #[arg(long)]
    pub simulate: bool,
    /// File with the users and providers of the simulated pool
    ///
    /// Without it, `link` creates the users and providers that the input names.
    #[arg(long, value_name = "FILE", requires = "simulate")]
    pub pool_file: Option<PathBuf>,
    /// File to write the simulated pool to at the end
    #[arg(long, value_name = "FILE", requires = "simulate", hide_short_help = true)]
    pub save_pool: Option<PathBuf>,
    /// Simulated quota of writes per second, which may change, such as 25,10@60s; or `off`
    #[arg(long, value_name = "N[,N@TIME]|off", default_value = "25", requires = "simulate", hide_short_help = true)]
    pub simulate_quota: String,
    /// Simulated latency in milliseconds, or `off`
    #[arg(long, value_name = "MIN..MAX|off", default_value = "20..200", requires = "simulate", hide_short_help = true)]
    pub simulate_latency: String,
    /// File of faults to inject: one on each line, such as lost-after@1%, or JSON; see `simulate --help`
    #[arg(long, value_name = "FILE", requires = "simulate", hide_short_help = true)]
    pub simulate_faults: Option<PathBuf>,
    /// Undocumented behavior of the simulated pool that differs from the default; see `simulate --help` (can be repeated)
    #[arg(long, value_name = "NAME", requires = "simulate", hide_short_help = true, hide_possible_values = true)]
    pub simulate_behavior: Vec<Behavior>,
}

/// A simulated pool that does not serve yet.
pub struct Simulator {
    pool: Option<Pool>,
    pool_id: String,
    quota: Quota,
    latency: Latency,
    faults: FaultPlan,
    behaviors: Vec<Behavior>,
    save: Option<PathBuf>,
}

/// A simulated pool that serves.
pub struct RunningSimulator {
    server: Server,
    pool_id: String,
    save: Option<PathBuf>,
}

impl SimulationArgs {
    /// Returns the output of `--save-pool`, to be checked before a long run.
    pub fn output(&self) -> (&'static str, Option<&Path>) {
        (SAVE_POOL, self.save_pool.as_deref())
    }

    /// Returns the files that the simulated pool comes from, which no output may replace. A pool file that `--save-pool`
    /// names as well is meant to be replaced.
    pub fn files_read(&self) -> [Option<&Path>; 2] {
        let place_saved = self.save_pool.as_deref().map(place_of);
        let pool_file = self.pool_file.as_deref().filter(|path| Some(place_of(path)) != place_saved);
        [pool_file, self.simulate_faults.as_deref()]
    }
}

impl Simulator {
    /// Reads the options and the pool file; `None` without `--simulate`.
    pub fn load(args: &SimulationArgs) -> Result<Option<Self>, Failure> {
        if !args.simulate {
            return Ok(None);
        }
        let usage = |OptionError(text)| Failure::Usage(text);
        let load_pool = |path: &PathBuf| {
            pool_file::load(path).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
        };
        let pool = args.pool_file.as_ref().map(load_pool).transpose()?;
        let quota = parse_quota("--simulate-quota", std::slice::from_ref(&args.simulate_quota), 1.0);
        let faults = args.simulate_faults.as_deref().map_or_else(|| Ok(FaultPlan::none()), load_faults);
        Ok(Some(Self {
            pool_id: pool.as_ref().map_or(DEFAULT_POOL_ID, |pool| pool.settings().id.as_str()).to_owned(),
            pool,
            quota: quota.map_err(usage)?,
            latency: parse_latency("--simulate-latency", &args.simulate_latency).map_err(usage)?,
            faults: faults.map_err(usage)?,
            behaviors: args.simulate_behavior.clone(),
            save: args.save_pool.clone(),
        }))
    }

    /// Returns the pool that it simulates unless another one is named.
    pub fn pool_id(&self) -> &str {
        &self.pool_id
    }

    /// Returns the account. Without a pool file the pool has the providers that the input names, and creates a user when
    /// a row names one.
    pub fn account(self, named: &PoolId, providers: &BTreeSet<ProviderName>, seed: u64) -> Result<Account, Failure> {
        let pool = match self.pool {
            Some(pool) if pool.settings().id != named.as_str() => {
                return Err(Failure::Usage(format!(
                    "the pool file is for {}, and --user-pool-id or COGNITO_LINK_USER_POOL_ID names {named}; leave it out",
                    pool.settings().id
                )));
            }
            Some(pool) => pool,
            None => pool_on_reference(named, providers)?,
        };
        let account = Account::new(seed).with_quota(self.quota).with_latency(self.latency).with_faults(self.faults);
        Ok(account.with_behaviors(self.behaviors).with_pool(pool))
    }

    pub fn serve(
        mut self,
        named: &PoolId,
        providers: &BTreeSet<ProviderName>,
        seed: u64,
    ) -> Result<RunningSimulator, Failure> {
        let save = self.save.take();
        let account = self.account(named, providers, seed)?;
        let server = Server::start_private(account).map_err(|error| Failure::System(error.to_string()))?;
        Ok(RunningSimulator { server, pool_id: named.to_string(), save })
    }
}

impl RunningSimulator {
    pub fn target(&self) -> ConnectionTarget {
        ConnectionTarget::Simulator {
            endpoint_url: format!("http://{}", self.server.address()),
            access_key: self.server.access_key().unwrap_or_default().to_owned(),
        }
    }

    /// Stops it, and saves the pool with `--save-pool`.
    pub fn stop(self) -> Result<(), Failure> {
        let account = self.server.stop();
        match (self.save, account.pool(&self.pool_id)) {
            (Some(path), Some(pool)) => {
                pool_file::save(&path, pool).map_err(|error| Failure::System(format!("{}: {error}", path.display())))
            }
            _ => Ok(()),
        }
    }
}

fn pool_on_reference(named: &PoolId, providers: &BTreeSet<ProviderName>) -> Result<Pool, Failure> {
    let mut pool = Pool::new(PoolSettings::new(named.as_str())).creating_on_reference();
    for provider in providers {
        pool.ensure_provider(provider.as_str()).map_err(|error| Failure::System(error.to_string()))?;
    }
    Ok(pool)
}
