//! `--simulate`: a simulated pool on this machine in place of a real one.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args;

use super::Failure;
use super::settings::parse_latency;
use crate::domain::identity::{PoolId, ProviderName};
use crate::limits;
use crate::service::cognito::Target;
use crate::service::sim::fault::FaultPlan;
use crate::service::sim::latency::Latency;
use crate::service::sim::quota::Quota;
use crate::service::sim::schedule::category_rates;
use crate::service::sim::{Pool, PoolSettings, Server, World, pool_file};

/// The pool of `--simulate` where none is named.
pub const SIMULATED_POOL_ID: &str = "sim-local-1_Example01";

#[derive(Debug, Args)]
#[command(next_help_heading = "Simulator")]
pub struct SimulationArgs {
    /// Use a simulated pool on this machine: no AWS account, no credentials, no real user
    #[arg(long)]
    pub simulate: bool,
    /// Users and providers of the simulated pool
    ///
    /// By default `link` creates the users and providers that the input names.
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
}

/// A simulated pool that does not serve yet.
pub struct Simulator {
    pool: Option<Pool>,
    pool_id: String,
    conditions: Conditions,
    save: Option<PathBuf>,
}

/// What a simulated account does besides holding a pool.
pub struct Conditions {
    pub quota: Quota,
    pub latency: Latency,
    pub faults: FaultPlan,
}

/// A simulated pool that serves.
pub struct RunningSimulator {
    server: Server,
    pool_id: String,
    save: Option<PathBuf>,
}

impl Simulator {
    /// Reads the options and the pool file; `None` without `--simulate`.
    pub fn load(args: &SimulationArgs) -> Result<Option<Self>, Failure> {
        if !args.simulate {
            return Ok(None);
        }
        let pool = args.pool_file.as_deref().map(load_pool).transpose()?;
        Ok(Some(Self {
            pool_id: pool.as_ref().map_or(SIMULATED_POOL_ID, |pool| pool.settings().id.as_str()).to_owned(),
            pool,
            conditions: Conditions {
                quota: quota("--simulate-quota", std::slice::from_ref(&args.simulate_quota), 1.0)?,
                latency: latency("--simulate-latency", &args.simulate_latency)?,
                faults: args.simulate_faults.as_deref().map_or_else(|| Ok(FaultPlan::none()), load_faults)?,
            },
            save: args.save_pool.clone(),
        }))
    }

    /// Returns the pool that it simulates unless another one is named.
    pub fn pool_id(&self) -> &str {
        &self.pool_id
    }

    /// Returns the account. Without a pool file the pool has the providers that the input names, and creates a user when
    /// a row names one.
    pub fn world(self, named: &PoolId, providers: &BTreeSet<ProviderName>, seed: u64) -> Result<World, Failure> {
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
        Ok(self.conditions.world(seed).with_pool(pool))
    }

    /// Starts to serve.
    pub fn serve(
        mut self,
        named: &PoolId,
        providers: &BTreeSet<ProviderName>,
        seed: u64,
    ) -> Result<RunningSimulator, Failure> {
        let save = self.save.take();
        let world = self.world(named, providers, seed)?;
        let server = Server::start(world, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .map_err(|error| Failure::System(error.to_string()))?;
        Ok(RunningSimulator { server, pool_id: named.to_string(), save })
    }
}

impl RunningSimulator {
    pub fn target(&self) -> Target {
        Target::Simulator { endpoint_url: format!("http://{}", self.server.address()) }
    }

    /// Stops it, and saves the pool with `--save-pool`.
    pub fn stop(self) -> Result<(), Failure> {
        let world = self.server.stop();
        match (self.save, world.pool(&self.pool_id)) {
            (Some(path), Some(pool)) => save_pool(&path, pool),
            _ => Ok(()),
        }
    }
}

impl Conditions {
    /// Returns an account without a pool.
    pub fn world(self, seed: u64) -> World {
        World::new(seed).with_quota(self.quota).with_latency(self.latency).with_faults(self.faults)
    }
}

/// Returns the given rates, and the documented ones for other categories; no quota for `off`.
pub fn quota(option: &str, texts: &[String], burst_seconds: f64) -> Result<Quota, Failure> {
    if texts.iter().any(|text| text == "off") {
        return Ok(Quota::off());
    }
    let mut quota = Quota::documented().with_burst_seconds(burst_seconds);
    for text in texts {
        let (category, rates) =
            category_rates(text).map_err(|error| Failure::Usage(format!("{option} '{text}': {error}; or off")))?;
        quota = quota.with_schedule(category, &rates);
    }
    Ok(quota)
}

pub fn latency(option: &str, text: &str) -> Result<Latency, Failure> {
    let range = parse_latency(text).map_err(|error| Failure::Usage(format!("{option} '{text}': {error}")))?;
    Ok(range.map_or_else(Latency::off, |(min_ms, max_ms)| Latency::between(min_ms, max_ms)))
}

pub fn load_faults(path: &Path) -> Result<FaultPlan, Failure> {
    let about = |error: &dyn std::fmt::Display| Failure::Usage(format!("{}: {error}", path.display()));
    let length = std::fs::metadata(path).map_err(|error| about(&error))?.len();
    if length > limits::FAULT_FILE_BYTES_MAX {
        return Err(about(&format!("over {} bytes", limits::FAULT_FILE_BYTES_MAX)));
    }
    let text = std::fs::read_to_string(path).map_err(|error| about(&error))?;
    FaultPlan::parse(&text).map_err(|error| about(&error))
}

pub fn load_pool(path: &Path) -> Result<Pool, Failure> {
    pool_file::load(path).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}

pub fn save_pool(path: &Path, pool: &Pool) -> Result<(), Failure> {
    pool_file::save(path, pool).map_err(|error| Failure::System(format!("{}: {error}", path.display())))
}

fn pool_on_reference(named: &PoolId, providers: &BTreeSet<ProviderName>) -> Result<Pool, Failure> {
    let mut pool = Pool::new(PoolSettings::new(named.as_str())).creating_on_reference();
    for provider in providers {
        pool.ensure_provider(provider.as_str()).map_err(|error| Failure::System(error.to_string()))?;
    }
    Ok(pool)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::sim::request::Category;

    #[test]
    fn quotas_are_named_by_category_and_may_be_off() {
        let rates = |texts: &[&str]| {
            let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
            let quota = quota("--quota", &texts, 1.0).map_err(|failure| failure.to_string())?;
            Ok((quota.per_second(Category::UserUpdate), quota.per_second(Category::UserList)))
        };
        assert_eq!(rates(&["40,10@60s", "UserList:7"]), Ok((40.0, 7.0)));
        assert_eq!(rates(&["UserList:7"]), Ok((25.0, 7.0)));
        assert_eq!(rates(&["off"]), Ok((25.0, 30.0)));
        assert!(rates(&["fast"]).is_err_and(|text: String| text.contains("--quota 'fast'") && text.contains("or off")));
    }

    #[test]
    fn an_unreadable_fault_plan_is_reported_with_its_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("faults");
        let result = |path: &Path| load_faults(path).map(drop).map_err(|failure| failure.to_string());
        assert!(result(&path).is_err_and(|text| text.contains("faults: ")), "missing");
        std::fs::write(&path, "lost-after@1%\nlost@2%\n").unwrap();
        assert!(result(&path).is_err_and(|text| text.contains("faults: line 2: 'lost': expected one of")));
        std::fs::write(&path, "lost-after@1%\n").unwrap();
        assert_eq!(result(&path), Ok(()));
    }
}
