//! `--simulate`: the embedded simulator behind a command.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::settings::SIMULATED_POOL_ID;
use crate::cli::SimulationArgs;
use crate::command::Failure;
use crate::config;
use crate::domain::identity::{PoolId, ProviderName};
use crate::limits;
use crate::service::sim::fault::FaultPlan;
use crate::service::sim::latency::Latency;
use crate::service::sim::quota::Quota;
use crate::service::sim::schedule::category_rates;
use crate::service::sim::{Pool, PoolSettings, Server, World, pool_file};

/// What `--simulate` asks for.
pub(super) struct Simulator {
    pool: Option<Pool>,
    pool_id: String,
    around: Surroundings,
}

/// What surrounds a simulated pool.
pub(super) struct Surroundings {
    pub(super) quota: Quota,
    pub(super) latency: Latency,
    pub(super) faults: FaultPlan,
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
        let pool = match &args.pool_file {
            Some(path) => Some(load_pool(path)?),
            None => None,
        };
        Ok(Some(Self {
            pool_id: pool.as_ref().map_or(SIMULATED_POOL_ID, |pool| pool.settings().id.as_str()).to_owned(),
            pool,
            around: Surroundings {
                quota: quota("--simulate-quota", std::slice::from_ref(&args.simulate_quota), 1.0)?,
                latency: latency("--simulate-latency", &args.simulate_latency)?,
                faults: args.simulate_faults.as_deref().map_or_else(|| Ok(FaultPlan::none()), load_faults)?,
            },
        }))
    }

    /// The pool that it simulates unless another is named.
    pub(super) fn pool_id(&self) -> &str {
        &self.pool_id
    }

    /// The account that it simulates. Without a pool file the pool has the providers that the input names, and makes a
    /// user when a row names one.
    pub(super) fn world(self, named: &PoolId, providers: &BTreeSet<ProviderName>, seed: u64) -> Result<World, Failure> {
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
        Ok(self.around.world(seed).with_pool(pool))
    }
}

/// Starts to serve.
pub(super) fn serve(world: World, named: &PoolId, save: Option<PathBuf>) -> Result<Running, Failure> {
    let server = Server::start(world, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
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
        let world = self.server.stop();
        match (self.save, world.pool(&self.pool_id)) {
            (Some(path), Some(pool)) => save_pool(&path, pool),
            _ => Ok(()),
        }
    }
}

impl Surroundings {
    /// An account with these surroundings, and no pool yet.
    pub(super) fn world(self, seed: u64) -> World {
        World::new(seed).with_quota(self.quota).with_latency(self.latency).with_faults(self.faults)
    }
}

/// The rates that are asked for, and the documented ones for the other categories; no quota at all for `off`.
pub(super) fn quota(option: &str, texts: &[String], burst_seconds: f64) -> Result<Quota, Failure> {
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

/// The latency that is asked for.
pub(super) fn latency(option: &str, text: &str) -> Result<Latency, Failure> {
    let range = config::latency(option, text)?;
    Ok(range.map_or_else(Latency::off, |(min_ms, max_ms)| Latency::between(min_ms, max_ms)))
}

/// Reads a fault plan.
pub(super) fn load_faults(path: &Path) -> Result<FaultPlan, Failure> {
    let about = |error: &dyn std::fmt::Display| Failure::Usage(format!("{}: {error}", path.display()));
    let length = std::fs::metadata(path).map_err(|error| about(&error))?.len();
    if length > limits::FAULT_FILE_BYTES_MAX {
        return Err(about(&format!("over {} bytes", limits::FAULT_FILE_BYTES_MAX)));
    }
    let text = std::fs::read_to_string(path).map_err(|error| about(&error))?;
    FaultPlan::parse(&text).map_err(|error| about(&error))
}

/// Reads a pool file.
pub(super) fn load_pool(path: &Path) -> Result<Pool, Failure> {
    pool_file::load(path).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}

/// Writes a pool file.
pub(super) fn save_pool(path: &Path, pool: &Pool) -> Result<(), Failure> {
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
    fn a_fault_plan_that_cannot_be_read_is_told_with_its_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("faults");
        let told = |path: &Path| load_faults(path).map(drop).map_err(|failure| failure.to_string());
        assert!(told(&path).is_err_and(|text| text.contains("faults: ")), "missing");
        std::fs::write(&path, "lost-after@1%\nlost@2%\n").unwrap();
        assert!(told(&path).is_err_and(|text| text.contains("faults: line 2: 'lost': expected one of")));
        std::fs::write(&path, "lost-after@1%\n").unwrap();
        assert_eq!(told(&path), Ok(()));
    }
}
