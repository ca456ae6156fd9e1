//! `--simulate`: the embedded simulator behind a command.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use cognito_sim::{
    Account, DEFAULT_POOL_ID, FaultPlan, Latency, OptionError, Pool, PoolSettings, Quota, Server, load_faults,
    parse_latency, parse_quota, pool_file,
};

use crate::cli::SimulationArgs;
use crate::command::Failure;
use crate::domain::identity::{PoolId, ProviderName};

/// The options of `--simulate`, with their files read.
pub(super) struct Simulator {
    pool: Option<Pool>,
    pool_id: String,
    quota: Quota,
    latency: Latency,
    faults: FaultPlan,
}

/// A simulator that serves.
pub(super) struct Running {
    server: Server,
    pool_id: String,
    save: Option<PathBuf>,
}

impl Simulator {
    /// Reads the options and the pool file; `None` without `--simulate`.
    pub(super) fn load(args: &SimulationArgs) -> Result<Option<Self>, Failure> {
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
        }))
    }

    /// The pool that it simulates unless another is named.
    pub(super) fn pool_id(&self) -> &str {
        &self.pool_id
    }

    /// The account that it simulates. Without a pool file the pool has the providers that the input names, and creates a
    /// user when a row names one.
    pub(super) fn account(
        self,
        named: &PoolId,
        providers: &BTreeSet<ProviderName>,
        seed: u64,
    ) -> Result<Account, Failure> {
        let pool = match self.pool {
            Some(pool) if pool.settings().id != named.as_str() => {
                return Err(Failure::Usage(format!(
                    "the pool file is about {}, and --user-pool-id or COGNITO_LINK_USER_POOL_ID names {named}; leave it out",
                    pool.settings().id
                )));
            }
            Some(pool) => pool,
            None => pool_on_reference(named, providers)?,
        };
        let account = Account::new(seed).with_quota(self.quota).with_latency(self.latency).with_faults(self.faults);
        Ok(account.with_pool(pool))
    }
}

/// Starts to serve.
pub(super) fn serve(account: Account, named: &PoolId, save: Option<PathBuf>) -> Result<Running, Failure> {
    let server = Server::start(account, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .map_err(|error| Failure::System(error.to_string()))?;
    Ok(Running { server, pool_id: named.to_string(), save })
}

impl Running {
    /// Where it serves.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Stops it, and saves the pool where that was asked for.
    pub(super) fn stop(self) -> Result<(), Failure> {
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
