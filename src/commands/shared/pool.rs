//! Which pool, as whom, and the connection to it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use clap::Args;

use super::next_command::{config_option, refused_address, without_password};
use super::settings::{FileSettings, parse_endpoint_url};
use super::simulator::{RunningSimulator, SimulationArgs, Simulator};
use super::{CommandContext, Failure, headings, place_of, warn_about_access, warn_about_cut_line};
use crate::clock::UnixMs;
use crate::domain::endpoint::CustomEndpoint;
use crate::domain::identity::{PoolId, ProviderName};
use crate::domain::nearest::{did_you_mean, nearest, question};
use crate::domain::run::StopError;
use crate::foresight::preflight::{PoolKnowledge, preflight};
use crate::ledger::{Binding, Ledger, LedgerError, held_binding};
use crate::limits::SUGGESTIONS_MAX;
use crate::seed::Rng;
use crate::service::UserDirectory;
use crate::service::app_clients::AppClientReader;
use crate::service::cognito::{Cognito, ConnectionTarget};
use crate::ui::{MessageCode, Ui, escape, shell_path, shell_word};

#[derive(Debug, Args)]
#[command(next_help_heading = headings::POOL)]
pub struct PoolArgs {
    /// User pool, such as us-east-1_AbCdEfGhI
    #[arg(long, env = "COGNITO_LINK_USER_POOL_ID", hide_env_values = true, value_name = "ID")]
    pub user_pool_id: Option<String>,
    /// Pool of the settings file, by the name of its table `[pools.NAME]`; a pool with the same ID is found by itself
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub pool: Option<String>,
    /// Profile of the AWS configuration files
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Region; must match the Region in the pool's ID
    #[arg(long, value_name = "REGION", hide_short_help = true)]
    pub region: Option<String>,
    /// Endpoint to call instead of the Region's: an emulator, a proxy or an interface endpoint
    #[arg(long, value_name = "URL", hide_short_help = true, value_parser = parse_endpoint_url)]
    pub endpoint_url: Option<String>,
    /// Allow an http:// endpoint that is not on this machine
    #[arg(long, hide_short_help = true)]
    pub allow_insecure_endpoint: bool,
}

impl PoolArgs {
    /// Returns the pool: from the flag or the environment, else from the file, else the default.
    pub fn pool_id(&self, file: &FileSettings, default: Option<&str>) -> Result<PoolId, Failure> {
        let Some(id) = self.user_pool_id.as_deref().or(file.user_pool_id.as_deref()).or(default) else {
            return Err(Failure::Usage(
                "no user pool: name one with --user-pool-id, COGNITO_LINK_USER_POOL_ID, or --pool and a settings file, or \
                 try --simulate"
                    .into(),
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

    pub fn real_target(&self, file: &FileSettings) -> Result<ConnectionTarget, Failure> {
        let from_file = || match &file.endpoint_url {
            Some(url) => parse_endpoint_url(url)
                .map(Some)
                .map_err(|error| Failure::Usage(format!("endpoint-url '{}': {error}", refused_address(url)))),
            None => Ok(None),
        };
        Ok(ConnectionTarget::Aws {
            profile: self.profile.clone().or_else(|| file.profile.clone()),
            endpoint_url: self.endpoint_url.clone().map_or_else(from_file, |url| Ok(Some(url)))?,
            insecure_endpoint_allowed: self.allow_insecure_endpoint || file.allow_insecure_endpoint == Some(true),
        })
    }
}

/// Returns the options that name the pool and the settings file, each after a space, so that a suggested command means the
/// same pool.
pub fn pool_options(pool: &PoolArgs, simulation: &SimulationArgs, context: &CommandContext<'_>) -> String {
    options_of(pool, Some(simulation).filter(|simulation| simulation.simulate), context)
}

fn options_of(pool: &PoolArgs, simulation: Option<&SimulationArgs>, context: &CommandContext<'_>) -> String {
    let mut options = config_option(context.config.as_deref());
    if simulation.is_some() {
        options.push_str(" --simulate");
    }
    let pool_file = simulation.and_then(|simulation| simulation.pool_file.as_ref());
    let pool_file = pool_file.map(|path| shell_path(&path.display().to_string()));
    let word = |value: &Option<String>| value.as_deref().map(shell_word);
    let values = [
        ("pool-file", pool_file),
        ("user-pool-id", word(&pool.user_pool_id)),
        ("pool", word(&pool.pool)),
        ("profile", word(&pool.profile)),
        ("endpoint-url", word(&pool.endpoint_url.as_deref().map(without_password))),
    ];
    for (option, value) in values.iter().filter_map(|(option, value)| Some((option, value.as_ref()?))) {
        // Writing to a string cannot fail.
        let _ = write!(options, " --{option} {value}");
    }
    if pool.allow_insecure_endpoint {
        options.push_str(" --allow-insecure-endpoint");
    }
    options
}

/// As [`pool_options`], for the pool of AWS that a simulated run stands in for; `None` where none is named.
pub fn real_pool_options(pool: &PoolArgs, context: &CommandContext<'_>) -> Option<String> {
    let named = pool.pool_id(&context.file_settings, None).ok().filter(|named| !named.is_simulated());
    named.map(|_| options_of(pool, None, context))
}

/// As [`pool_options`], out of the arguments of an earlier run. A run that found its pool in the environment or the
/// settings gets the `pool` by id.
pub fn pool_options_of_run(arguments: &[String], pool: &PoolId, simulated: bool) -> String {
    const FLAGS: [&str; 2] = ["--simulate", "--allow-insecure-endpoint"];
    const VALUES: [&str; 6] = ["--config", "--pool-file", "--user-pool-id", "--pool", "--profile", "--endpoint-url"];
    let mut options = String::new();
    let mut names_pool = simulated;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let (name, joined) =
            argument.split_once('=').map_or((argument.as_str(), None), |(name, value)| (name, Some(value)));
        let value = if VALUES.contains(&name) { joined.or_else(|| rest.next().map(String::as_str)) } else { None };
        match value {
            Some(value) => {
                let is_path = matches!(name, "--config" | "--pool-file");
                let value = if is_path { shell_path(value) } else { shell_word(value) };
                // Writing to a string cannot fail.
                let _ = write!(options, " {name} {value}");
            }
            None if FLAGS.contains(&name) => {
                let _ = write!(options, " {name}");
            }
            None => {}
        }
        names_pool |= matches!(name, "--user-pool-id" | "--pool");
    }
    if !names_pool {
        let _ = write!(options, " --user-pool-id {}", shell_word(pool.as_str()));
    }
    options
}

/// Connects, and reads the pool's settings and providers. Only `link` and `reconcile --apply` may request the `linker` of
/// the connection, and only `undo` its `unlinker`.
pub async fn connect(
    target: &ConnectionTarget,
    pool: &PoolId,
    seed: u64,
    context: &CommandContext<'_>,
) -> Result<(Cognito, PoolKnowledge), Failure> {
    context.ui.status("reading the pool's settings");
    let connected = async {
        let service = Cognito::connect(target, pool.region(), pool.clone()).await?;
        let mut rng = Rng::new(seed).fork("preflight");
        let knowledge = preflight(service.directory().as_ref(), context.clock, &mut rng)
            .await
            .map_err(|stop| stop.about_pool(pool))?;
        Ok((service, knowledge))
    };
    let connected = connected.await;
    context.ui.clear_status();
    // The ledger or the plan of a simulated run was taken for a real one, so no credentials can help.
    if connected.is_err() && pool.is_simulated() && matches!(target, ConnectionTarget::Aws { .. }) {
        context.ui.warn(MessageCode::SimulatedPool, &format!(
            "{pool} is a simulated pool: pass --simulate, with --pool-file, or the --endpoint-url of a running simulator"
        ));
    }
    connected
}

/// Returns what a ledger or a plan of this pool is bound to, as the service showed itself.
pub fn binding_of(pool: &PoolId, service: &Cognito, knowledge: &PoolKnowledge) -> Binding {
    Binding::new(pool.clone(), knowledge.from_simulator, service.endpoint().cloned())
}

/// What is known of a run's pool before the service is called.
pub struct ExpectedPool {
    pool: PoolId,
    /// Whether the command simulates it itself.
    has_own_simulator: bool,
    /// The endpoint that an option or the settings name. Another one may be in the environment or the profile.
    endpoint: Option<CustomEndpoint>,
}

impl ExpectedPool {
    pub fn new(args: &PoolArgs, pool: &PoolId, has_own_simulator: bool, file: &FileSettings) -> Self {
        let url = args.endpoint_url.as_deref().or(file.endpoint_url.as_deref()).filter(|_| !has_own_simulator);
        Self { pool: pool.clone(), has_own_simulator, endpoint: url.and_then(CustomEndpoint::of_url) }
    }

    /// Returns what this run is for, if that is surely not what a ledger or plan is bound to. The rest is compared when the
    /// service has shown what it is.
    pub fn other_than(&self, held: &Binding) -> Option<Binding> {
        let of_run = Binding::new(self.pool.clone(), self.has_own_simulator, self.endpoint.clone());
        let may_match = held.pool == self.pool
            && (!self.has_own_simulator || *held == of_run)
            && (of_run.endpoint.is_none() || held.endpoint == of_run.endpoint);
        (!may_match).then_some(of_run)
    }
}

fn held_by(path: &Path, run: &ExpectedPool) -> Result<Option<Binding>, Failure> {
    let Some(held) = held_binding(path)? else { return Ok(None) };
    match run.other_than(&held) {
        Some(expected) => Err(LedgerError::Mismatch { place: path.display().to_string(), held, expected }.into()),
        None => Ok(Some(held)),
    }
}

/// A ledger that is open, and what it is bound to.
pub struct EarlierLedger {
    pub ledger: Ledger,
    pub held: Binding,
}

impl EarlierLedger {
    /// Opens a ledger of earlier runs before the service is called. `None` where it has not even a whole header.
    pub fn open(path: &Path, run: &ExpectedPool, now: UnixMs, ui: &Ui) -> Result<Option<Self>, Failure> {
        let Some(held) = held_by(path, run)? else { return Ok(None) };
        let (ledger, opened) = Ledger::open(path, &held, now)?;
        warn_about_cut_line(opened.cut_bytes, ui);
        warn_about_access(path, opened.access, ui);
        Ok(Some(Self { ledger, held }))
    }

    /// As [`EarlierLedger::open`], without its lock and without changing it.
    pub fn open_read_only(path: &Path, run: &ExpectedPool) -> Result<Option<Self>, Failure> {
        let Some(held) = held_by(path, run)? else { return Ok(None) };
        Ok(Some(Self { ledger: Ledger::open_read_only(path, &held)?, held }))
    }

    /// Refuses a ledger that is bound to something else than the service has shown itself to be.
    pub fn bound_to(self, path: &Path, binding: &Binding) -> Result<Ledger, Failure> {
        if self.held == *binding {
            return Ok(self.ledger);
        }
        let (place, expected) = (path.display().to_string(), binding.clone());
        Err(LedgerError::Mismatch { place, held: self.held, expected }.into())
    }
}

/// Prints which endpoint is used, where it is not AWS's own: the first line of a run.
pub fn note_endpoint(binding: &Binding, ui: &Ui) {
    if binding.endpoint.is_some() {
        ui.note(MessageCode::Target, &format!("this run is for {}, which is no endpoint of AWS", place_of(binding)));
    }
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
            return Err(Failure::EmptySimulation {
                step: "pass a file of its users with `--pool-file pool.json`, such as one of: `cognito-link link FILE \
                       --simulate --yes --save-pool pool.json`"
                    .into(),
            });
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

    pub async fn connect(&self) -> Result<Cognito, StopError> {
        Cognito::connect(&self.target, self.pool.region(), self.pool.clone()).await
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
    pub app_clients: Arc<dyn AppClientReader>,
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
        let binding = binding_of(&address.pool, &service, &knowledge);
        note_endpoint(&binding, context.ui);
        Ok(Self { address, binding, directory: service.directory(), app_clients: service.app_clients(), knowledge })
    }

    /// Refuses a provider that the pool does not have: a misspelled name would find nothing.
    pub fn check_providers(&self, option: &str, names: &BTreeSet<ProviderName>) -> Result<(), Failure> {
        check_providers(option, names, &self.knowledge)
    }
}

/// Warns of providers of an input that the pool does not have, and asks what each could mean.
pub fn warn_about_missing_providers(missing: &BTreeSet<ProviderName>, knowledge: &PoolKnowledge, ui: &Ui) {
    if missing.is_empty() {
        return;
    }
    let known = || knowledge.providers.keys().map(ProviderName::as_str);
    let asked = missing.iter().filter_map(|name| Some((name.as_str(), question(&[nearest(name.as_str(), known())?])?)));
    let asked: Vec<(&str, String)> = asked.take(SUGGESTIONS_MAX).collect();
    // A single one needs no name before the question.
    let asked: String = match asked.as_slice() {
        [(_, question)] if missing.len() == 1 => format!("; {question}"),
        several => {
            let asked: Vec<String> = several.iter().map(|(name, question)| format!("; {name}: {question}")).collect();
            asked.concat()
        }
    };
    ui.warn(
        MessageCode::ProviderNotFound,
        &escape(&format!(
            "the pool has {} {}; it has {}; rows with other providers will be refused{asked}",
            if missing.len() == 1 { "no provider" } else { "none of the providers" },
            listed(missing.iter()),
            listed(knowledge.providers.keys())
        )),
    );
}

/// Refuses a provider of an option that the pool does not have.
pub fn check_providers(option: &str, names: &BTreeSet<ProviderName>, knowledge: &PoolKnowledge) -> Result<(), Failure> {
    let known = &knowledge.providers;
    let Some(unknown) = names.iter().find(|name| !known.contains_key(*name)) else { return Ok(()) };
    let hint = did_you_mean(unknown.as_str(), known.keys().map(ProviderName::as_str));
    Err(Failure::Usage(format!(
        "{option} {unknown}: the pool has no provider of this name, case included; it has {}{hint}",
        listed(known.keys())
    )))
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
    fn a_later_command_is_for_the_pool_of_a_run() {
        let pool = PoolId::parse("us-east-1_Abc").unwrap();
        for (arguments, simulated, expected) in [
            ("link in.csv --yes", false, " --user-pool-id us-east-1_Abc"),
            ("link in.csv --config=my$.toml --pool prod", false, " --config 'my$.toml' --pool prod"),
            ("link in.csv --config c.toml", false, " --config c.toml --user-pool-id us-east-1_Abc"),
            ("link in.csv --user-pool-id=us-east-1_Abc --rate 5", false, " --user-pool-id us-east-1_Abc"),
            ("link in.csv --pool prod --profile p", false, " --pool prod --profile p"),
            ("link in.csv --simulate --yes", true, " --simulate"),
            ("link in.csv --simulate --pool-file a$b.json", true, " --simulate --pool-file 'a$b.json'"),
            (
                "link in.csv --endpoint-url http://h --allow-insecure-endpoint",
                false,
                " --endpoint-url http://h --allow-insecure-endpoint --user-pool-id us-east-1_Abc",
            ),
        ] {
            let arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
            assert_eq!(pool_options_of_run(&arguments, &pool, simulated), expected);
        }
    }

    #[test]
    fn a_pool_and_its_region() {
        let pool_id = |id: &str, region: Option<&str>| {
            let region = region.map(str::to_owned);
            let args = PoolArgs {
                user_pool_id: Some(id.to_owned()),
                pool: None,
                profile: None,
                region,
                endpoint_url: None,
                allow_insecure_endpoint: false,
            };
            args.pool_id(&FileSettings::default(), None).map_err(|failure| failure.to_string())
        };
        assert!(pool_id("us-east-1_Abc", None).is_ok());
        assert!(pool_id("us-east-1_Abc", Some("us-east-1")).is_ok());
        assert!(pool_id("us-east-1_Abc", Some("eu-west-1")).is_err_and(|error| error.contains("contradicts")));
        assert!(pool_id("nonsense", None).is_err_and(|error| error.contains("us-east-1_AbCdEfGhI")));
    }
}
