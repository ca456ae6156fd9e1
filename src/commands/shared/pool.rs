//! Which pool, as whom, and the connection to it.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;

use clap::Args;

use super::settings::{FileSettings, parse_endpoint_url};
use super::simulator::{RunningSimulator, SimulationArgs, Simulator};
use super::{CommandContext, Failure};
use crate::domain::identity::{PoolId, ProviderName};
use crate::domain::run::StopError;
use crate::foresight::preflight::{PoolKnowledge, preflight};
use crate::ledger::Binding;
use crate::seed::Rng;
use crate::service::cognito::{Cognito, ConnectionTarget};
use crate::service::{IdentityLinker, IdentityUnlinker, QuotaReader, UserDirectory};

#[derive(Debug, Args)]
#[command(next_help_heading = "Pool and credentials")]
pub struct PoolArgs {
    /// User pool, such as us-east-1_AbCdEfGhI
    #[arg(long, env = "COGNITO_LINK_USER_POOL_ID", hide_env_values = true, value_name = "ID")]
    pub user_pool_id: Option<String>,
    /// Profile of the AWS configuration files
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Region; part of the pool's id, with which it must agree
    #[arg(long, value_name = "REGION", hide_short_help = true)]
    pub region: Option<String>,
    /// Address in place of the Region's own: an emulator, a proxy, an interface endpoint
    #[arg(long, value_name = "URL", hide_short_help = true, value_parser = parse_endpoint_url)]
    pub endpoint_url: Option<String>,
}

impl PoolArgs {
    /// Returns the pool: from the flag or the environment, else from the file, else the default.
    pub fn pool_id(&self, file: &FileSettings, default: Option<&str>) -> Result<PoolId, Failure> {
        let Some(id) = self.user_pool_id.as_deref().or(file.user_pool_id.as_deref()).or(default) else {
            return Err(Failure::Usage(
                "no user pool: name one with --user-pool-id or COGNITO_LINK_USER_POOL_ID, or try --simulate".into(),
            ));
        };
        let pool = PoolId::parse(id).map_err(|error| Failure::Usage(format!("--user-pool-id '{id}': {error}")))?;
        match self.region.as_deref().or(file.region.as_deref()) {
            Some(region) if region != pool.region() => Err(Failure::Usage(format!(
                "--region {region} contradicts the pool's id {id}, which is in {}; leave --region out",
                pool.region()
            ))),
            _ => Ok(pool),
        }
    }

    /// Returns where the real service is.
    pub fn real_target(&self, file: &FileSettings) -> Result<ConnectionTarget, Failure> {
        let from_file = || match &file.endpoint_url {
            Some(url) => parse_endpoint_url(url)
                .map(Some)
                .map_err(|error| Failure::Usage(format!("endpoint-url '{url}': {error}"))),
            None => Ok(None),
        };
        Ok(ConnectionTarget::Aws {
            profile: self.profile.clone().or_else(|| file.profile.clone()),
            endpoint_url: self.endpoint_url.clone().map_or_else(from_file, |url| Ok(Some(url)))?,
        })
    }
}

/// The service in its halves. A command asks for no half that it does not need: only `link` and `reconcile --apply` ask
/// for the linking one, and only `undo` for the unlinking one.
pub trait Service {
    fn directory(&self) -> Arc<dyn UserDirectory>;
    fn limits(&self) -> Arc<dyn QuotaReader>;
    fn linker(&self) -> Arc<dyn IdentityLinker>;
    fn unlinker(&self) -> Arc<dyn IdentityUnlinker>;
}

impl Service for Cognito {
    fn directory(&self) -> Arc<dyn UserDirectory> {
        Self::directory(self)
    }

    fn limits(&self) -> Arc<dyn QuotaReader> {
        Self::limits(self)
    }

    fn linker(&self) -> Arc<dyn IdentityLinker> {
        Self::linker(self)
    }

    fn unlinker(&self) -> Arc<dyn IdentityUnlinker> {
        Self::unlinker(self)
    }
}

pub type Connecting<'a> = Pin<Box<dyn Future<Output = Result<Arc<dyn Service>, StopError>> + 'a>>;

/// Constructs the service.
pub trait Connector {
    fn connect<'a>(&'a self, target: &'a ConnectionTarget, pool: &'a PoolId) -> Connecting<'a>;
}

/// Connects with the AWS SDK, to AWS or to a simulator that serves on this machine.
pub struct SdkConnector;

impl Connector for SdkConnector {
    fn connect<'a>(&'a self, target: &'a ConnectionTarget, pool: &'a PoolId) -> Connecting<'a> {
        Box::pin(async {
            let cognito = Cognito::connect(target, pool.region(), pool.clone()).await?;
            Ok(Arc::new(cognito) as Arc<dyn Service>)
        })
    }
}

/// Connects, and reads the pool's settings and providers.
pub async fn connect(
    target: &ConnectionTarget,
    pool: &PoolId,
    seed: u64,
    context: &CommandContext<'_>,
) -> Result<(Arc<dyn Service>, PoolKnowledge), Failure> {
    context.ui.status("reading the pool's settings");
    let connected = async {
        let service = context.connector.connect(target, pool).await?;
        let mut rng = Rng::new(seed).fork("preflight");
        let knowledge = preflight(service.directory().as_ref(), context.clock, &mut rng)
            .await
            .map_err(|stop| stop.about_pool(pool))?;
        Ok((service, knowledge))
    };
    let connected = connected.await;
    context.ui.clear_status();
    // The ledger or the plan of a simulated run, taken for a real one: credentials would be sought in vain.
    if connected.is_err() && pool.is_simulated() && matches!(target, ConnectionTarget::Aws { .. }) {
        context.ui.warn(&format!(
            "{pool} is a simulated pool: pass --simulate, with --pool-file, or the --endpoint-url of a running simulator"
        ));
    }
    connected
}

/// Where a pool is. Nothing was read from it yet.
pub struct PoolAddress {
    pub pool: PoolId,
    pub target: ConnectionTarget,
    pub simulator: Option<RunningSimulator>,
}

impl PoolAddress {
    /// Finds the named pool, or starts its simulator. A simulated pool must come from a file: an empty one has nothing to
    /// read.
    pub fn find(args: &PoolArgs, simulation: &SimulationArgs, seed: u64, file: &FileSettings) -> Result<Self, Failure> {
        let simulator = Simulator::load(simulation)?;
        if simulator.is_some() && simulation.pool_file.is_none() {
            return Err(Failure::Usage(
                "a simulated pool without --pool-file is empty: there is nothing to read".into(),
            ));
        }
        let pool = args.pool_id(file, simulator.as_ref().map(Simulator::pool_id))?;
        let (target, simulator) = match simulator {
            Some(simulator) => {
                let running = simulator.serve(&pool, &BTreeSet::new(), seed)?;
                (running.target(), Some(running))
            }
            None => (args.real_target(file)?, None),
        };
        Ok(Self { pool, target, simulator })
    }

    pub fn is_simulated(&self) -> bool {
        self.simulator.is_some() || self.pool.is_simulated()
    }

    /// Stops the simulator, where there is one.
    pub fn close(self) -> Result<(), Failure> {
        self.simulator.map_or(Ok(()), RunningSimulator::stop)
    }
}

/// A pool that can be read, and only read.
pub struct OpenPool {
    pub address: PoolAddress,
    pub binding: Binding,
    pub directory: Arc<dyn UserDirectory>,
    pub knowledge: PoolKnowledge,
}

impl OpenPool {
    pub async fn open(
        args: &PoolArgs,
        simulation: &SimulationArgs,
        seed: u64,
        context: &CommandContext<'_>,
    ) -> Result<Self, Failure> {
        let address = PoolAddress::find(args, simulation, seed, &context.file_settings)?;
        let (service, knowledge) = connect(&address.target, &address.pool, seed, context).await?;
        let binding = Binding { pool: address.pool.clone(), simulated: address.is_simulated() };
        Ok(Self { address, binding, directory: service.directory(), knowledge })
    }

    /// Refuses a provider that the pool does not have: a misspelled name would find nothing.
    pub fn check_providers(&self, names: &BTreeSet<ProviderName>) -> Result<(), Failure> {
        let known = &self.knowledge.providers;
        let Some(unknown) = names.iter().find(|name| !known.contains_key(*name)) else { return Ok(()) };
        Err(Failure::Usage(format!(
            "--provider {unknown}: the pool has no provider of this name, case included; it has {}",
            listed(known.keys())
        )))
    }
}

/// Returns names separated by commas, or `none`.
pub fn listed<'a>(names: impl Iterator<Item = &'a ProviderName>) -> String {
    let names: Vec<&str> = names.map(ProviderName::as_str).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_and_its_region() {
        let pool_id = |id: &str, region: Option<&str>| {
            let region = region.map(str::to_owned);
            let args = PoolArgs { user_pool_id: Some(id.to_owned()), profile: None, region, endpoint_url: None };
            args.pool_id(&FileSettings::default(), None).map_err(|failure| failure.to_string())
        };
        assert!(pool_id("us-east-1_Abc", None).is_ok());
        assert!(pool_id("us-east-1_Abc", Some("us-east-1")).is_ok());
        assert!(pool_id("us-east-1_Abc", Some("eu-west-1")).is_err_and(|error| error.contains("contradicts")));
        assert!(pool_id("nonsense", None).is_err_and(|error| error.contains("us-east-1_AbCdEfGhI")));
    }
}
