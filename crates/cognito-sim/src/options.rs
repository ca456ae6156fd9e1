//! The options of the program, which `cognito-link simulate` has too, and what they mean.

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use tokio::net::TcpListener;

use crate::DEFAULT_POOL_ID;
use crate::access::AccessRules;
use crate::account::{Account, Latency, SharedAccount};
use crate::behavior::Behavior;
use crate::fault::FaultPlan;
use crate::limits;
use crate::model::{PoolSettings, Provider, ProviderKind};
use crate::pool::Pool;
use crate::quota::{Quota, category_rates};
use crate::{pool_file, server};

/// What `--help` says about faults, statistics and sign-ins, after the options.
pub const AFTER_HELP: &str = "\
Fault injection: FAULT is throttled, storm=TIME (all calls are throttled for this time), error-before or error-after \
(HTTP 500 before or after the work is done), lost-before or lost-after (the connection closes without an answer), \
reset-before or reset-after, half-written, slow=TIME, expired-credentials or access-denied. CALLS is a share of the \
calls as in 1% or 0.01, the number of one call, or a range as in 7..9 or 7.. (all from the seventh on). A file has one \
fault per line, or is JSON:
  {\"faults\":[{\"kind\":\"slow\",\"for\":\"3s\",\"rate\":0.01,\"operation\":\"ListUsers\"}],\"list_lag\":\"800ms\",\"background\":{\"UserUpdate\":\"5\"}}

Times at which a rate changes count from the first call. Statistics: GET /_simulator/stats. A sign-in through a \
provider: POST /_simulator/sign-in with UserPoolId, ProviderName, UserId and, optionally, Claims and Issuer.";

/// The options of the server.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct ServerArgs {
    /// Address to listen on; loopback only; port 0 takes a free port and prints it
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Name that clients may call this machine by, besides localhost, as through a proxy (can be repeated)
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub allow_host: Vec<String>,
    /// What the pool holds; without a file the pool is empty
    #[arg(long, value_name = "FILE")]
    pub pool_file: Option<PathBuf>,
    /// Write the pool to this file at the end
    #[arg(long, value_name = "FILE")]
    pub save_pool: Option<PathBuf>,
    /// Create users and providers when a request names them, as `cognito-link link --simulate` does without a pool file
    #[arg(long)]
    pub create_on_reference: bool,
    /// Provider that the pool has, such as Okta or Corp:SAML; by default OIDC, or a social one by its name (can be repeated)
    #[arg(long, value_name = "NAME[:TYPE]", hide_short_help = true)]
    pub provider: Vec<String>,
    /// Ignore the case of user names, as pools made in the console do; a pool file says so itself
    #[arg(long, conflicts_with = "pool_file")]
    pub case_insensitive: bool,
    /// Calls per second of a quota category, by default of writes; may change, as in 25,10@60s; or `off` (can be repeated)
    #[arg(long, value_name = "[CATEGORY:]N[,N@TIME]|off", default_value = "25")]
    pub quota: Vec<String>,
    /// How many seconds' worth of calls may arrive at once
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    pub burst: f64,
    /// Calls per second of other tenants on the same quota, at random times; may change (can be repeated)
    #[arg(long, value_name = "[CATEGORY:]N[,N@TIME]")]
    pub background: Vec<String>,
    /// Latency in milliseconds, MIN..MAX, or `off`
    #[arg(long, value_name = "MIN..MAX|off", default_value = "20..200")]
    pub latency: String,
    /// Fault to inject, such as lost-after@1% or slow=3s@7..9:ListUsers; or list-lag=TIME (can be repeated)
    #[arg(long, value_name = "FAULT@CALLS[:OPERATION]")]
    pub fault: Vec<String>,
    /// File of faults, one per line or as JSON
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,
    /// Undocumented behavior that differs from the default (can be repeated)
    #[arg(long, value_enum, value_name = "NAME", hide_short_help = true)]
    pub behavior: Vec<Behavior>,
    /// Seed of everything random
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// An option or a file that an option names is invalid. The text names it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OptionError(pub String);

/// Why the server ends early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StandaloneError {
    /// An option is invalid, or a file or address that it names cannot be used.
    #[error("{0}")]
    Usage(String),
    /// The machine does not allow something.
    #[error("{0}")]
    System(String),
}

impl From<OptionError> for StandaloneError {
    fn from(OptionError(text): OptionError) -> Self {
        Self::Usage(text)
    }
}

/// A server with the options of the program, which listens and does not answer yet.
pub struct StandaloneServer {
    account: SharedAccount,
    listener: TcpListener,
    address: SocketAddr,
    rules: AccessRules,
    pool_id: String,
    save_pool: Option<PathBuf>,
}

impl StandaloneServer {
    /// Reads the files that the options name, and starts to listen. Needs a tokio runtime with I/O.
    ///
    /// # Errors
    /// [`StandaloneError`] for an invalid option, file or address.
    pub fn bind(args: &ServerArgs) -> Result<Self, StandaloneError> {
        if !(args.burst.is_finite() && args.burst >= 0.0) {
            return Err(StandaloneError::Usage(format!("--burst {}: expected a number of seconds", args.burst)));
        }
        let pool = match &args.pool_file {
            Some(path) => load_pool(path)?,
            None => Pool::new(PoolSettings::new(DEFAULT_POOL_ID).case_sensitive(!args.case_insensitive)),
        };
        let mut pool = if args.create_on_reference { creating_on_reference(pool)? } else { pool };
        for text in &args.provider {
            add_provider(&mut pool, text)?;
        }
        let pool_id = pool.settings().id.clone();
        let account = Account::new(args.seed)
            .with_quota(parse_quota("--quota", &args.quota, args.burst)?)
            .with_latency(parse_latency("--latency", &args.latency)?)
            .with_faults(fault_plan(args)?)
            .with_behaviors(args.behavior.iter().copied())
            .with_pool(pool);
        let usage = |error: server::ServerError| StandaloneError::Usage(error.to_string());
        let system = |error: std::io::Error| StandaloneError::System(error.to_string());
        let listener = TcpListener::from_std(server::bind(args.listen).map_err(usage)?).map_err(system)?;
        let address = listener.local_addr().map_err(system)?;
        let account = SharedAccount::new(account);
        let allowed_hosts = args.allow_host.iter().map(|name| name.to_ascii_lowercase()).collect();
        let rules = AccessRules { allowed_hosts, access_key: None };
        Ok(Self { account, listener, address, rules, pool_id, save_pool: args.save_pool.clone() })
    }

    /// Where it listens. The program prints this as its first line, for scripts that ask for port 0.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The account, to read or change it while it is served.
    #[must_use]
    pub fn account(&self) -> &SharedAccount {
        &self.account
    }

    /// What it serves, in a sentence for people.
    #[must_use]
    pub fn note(&self) -> String {
        format!("simulating pool {} on {}; Ctrl-C ends it", self.pool_id, self.url())
    }

    /// Answers calls until `stop` is ready, lets open calls finish for a bounded time, and saves the pool if asked to.
    ///
    /// # Errors
    /// [`StandaloneError::System`] when the pool cannot be saved.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), StandaloneError> {
        server::serve(self.account.clone(), self.listener, self.rules, stop).await;
        let account = self.account.take();
        match (self.save_pool, account.pool(&self.pool_id)) {
            (Some(path), Some(pool)) => pool_file::save(&path, pool)
                .map_err(|error| StandaloneError::System(format!("{}: {error}", path.display()))),
            _ => Ok(()),
        }
    }
}

/// Clients list the providers before they link, so those whose names are fixed are there from the start.
fn creating_on_reference(mut pool: Pool) -> Result<Pool, OptionError> {
    if pool.providers().is_empty() {
        for kind in ProviderKind::all().filter(|kind| kind.is_social()) {
            pool.ensure_provider(kind.as_str()).map_err(|error| OptionError(error.to_string()))?;
        }
    }
    Ok(pool.creating_on_reference())
}

/// Adds a provider that takes links by any attribute, unless it is there.
fn add_provider(pool: &mut Pool, text: &str) -> Result<(), OptionError> {
    let invalid = |reason: &str| OptionError(format!("--provider '{text}': {reason}"));
    let (name, kind) = match text.split_once(':') {
        None => (text, ProviderKind::by_name(text)),
        Some((name, kind)) => {
            let kinds = ProviderKind::all().map(ProviderKind::as_str).collect::<Vec<_>>().join(", ");
            let kind = ProviderKind::parse(kind).ok_or_else(|| invalid(&format!("expected one of {kinds}")))?;
            (name, kind)
        }
    };
    if name.is_empty() || (kind.is_social() && name != kind.as_str()) {
        return Err(invalid("expected a name, which for a social provider is its type"));
    }
    if pool.provider(name).is_some_and(|(_, known)| known.kind == kind) {
        return Ok(());
    }
    let provider = Provider::new(name, kind, pool.settings().created_ms).mapping_any_attribute();
    pool.add_provider(provider).map_err(|error| invalid(&error.to_string()))
}

/// The faults of the file, then those of the command line.
fn fault_plan(args: &ServerArgs) -> Result<FaultPlan, OptionError> {
    let mut plan = args.faults.as_deref().map_or_else(|| Ok(FaultPlan::none()), load_faults)?;
    for line in &args.fault {
        plan.add(line).map_err(|error| OptionError(format!("--fault {error}")))?;
    }
    for text in &args.background {
        let rates = category_rates(text).map_err(|error| OptionError(format!("--background '{text}': {error}")))?;
        plan.background.push(rates);
    }
    Ok(plan)
}

/// Reads the rates of `--quota`; categories that are not named keep the documented rates. `off` means no quota at all.
///
/// # Errors
/// [`OptionError`], which names the option.
pub fn parse_quota(option: &str, texts: &[String], burst_seconds: f64) -> Result<Quota, OptionError> {
    if texts.iter().any(|text| text == "off") {
        return Ok(Quota::off());
    }
    let mut quota = Quota::documented().with_burst_seconds(burst_seconds);
    for text in texts {
        let (category, rates) =
            category_rates(text).map_err(|error| OptionError(format!("{option} '{text}': {error}; or off")))?;
        quota = quota.with_schedule(category, &rates);
    }
    Ok(quota)
}

/// Reads `MIN..MAX` milliseconds, or `off`.
///
/// # Errors
/// [`OptionError`], which names the option.
pub fn parse_latency(option: &str, text: &str) -> Result<Latency, OptionError> {
    if text == "off" {
        return Ok(Latency::off());
    }
    let bounds = text.split_once("..").and_then(|(min, max)| Some((min.parse().ok()?, max.parse().ok()?)));
    match bounds {
        Some((min, max)) if min <= max && max <= limits::LATENCY_MS_MAX => Ok(Latency::between(min, max)),
        _ => Err(OptionError(format!("{option} '{text}': expected off, or milliseconds as in 20..200"))),
    }
}

/// Reads a fault file.
///
/// # Errors
/// [`OptionError`], which names the file and, where its content is invalid, the line.
pub fn load_faults(path: &Path) -> Result<FaultPlan, OptionError> {
    let in_file = |error: &dyn std::fmt::Display| OptionError(format!("{}: {error}", path.display()));
    let length = std::fs::metadata(path).map_err(|error| in_file(&error))?.len();
    if length > limits::FAULT_FILE_BYTES_MAX {
        return Err(in_file(&format!("over {} bytes", limits::FAULT_FILE_BYTES_MAX)));
    }
    let text = std::fs::read_to_string(path).map_err(|error| in_file(&error))?;
    FaultPlan::parse(&text).map_err(|error| in_file(&error))
}

fn load_pool(path: &Path) -> Result<Pool, OptionError> {
    pool_file::load(path).map_err(|error| OptionError(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::Category;

    #[test]
    fn quotas_are_named_by_category_and_may_be_off() {
        let rates = |texts: &[&str]| {
            let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
            let quota = parse_quota("--quota", &texts, 1.0).map_err(|error| error.to_string())?;
            Ok((quota.per_second(Category::UserUpdate), quota.per_second(Category::UserList)))
        };
        assert_eq!(rates(&["40,10@60s", "UserList:7"]), Ok((40.0, 7.0)));
        assert_eq!(rates(&["UserList:7"]), Ok((25.0, 7.0)));
        assert_eq!(rates(&["off"]), Ok((25.0, 30.0)));
        assert!(rates(&["fast"]).is_err_and(|text: String| text.contains("--quota 'fast'") && text.contains("or off")));
    }

    #[test]
    fn latencies_are_a_range_or_off() {
        assert_eq!(parse_latency("--l", "20..200"), Ok(Latency::between(20, 200)));
        assert_eq!(parse_latency("--l", "off"), Ok(Latency::off()));
        for invalid in ["200..20", "5", "0..15001"] {
            assert!(parse_latency("--l", invalid).is_err(), "{invalid}");
        }
    }

    #[test]
    fn an_invalid_fault_file_is_reported_with_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("faults");
        let error_of = |path: &Path| load_faults(path).map(drop).map_err(|error| error.to_string());
        assert!(error_of(&path).is_err_and(|text| text.contains("faults: ")), "missing");
        std::fs::write(&path, "lost-after@1%\nlost@2%\n").unwrap();
        assert!(error_of(&path).is_err_and(|text| text.contains("faults: line 2: 'lost': expected one of")));
        std::fs::write(&path, "lost-after@1%\n").unwrap();
        assert_eq!(error_of(&path), Ok(()));
    }

    #[test]
    fn providers_are_named_with_their_type() {
        let mut pool = Pool::new(PoolSettings::new(DEFAULT_POOL_ID));
        for text in ["Okta", "Corp:SAML", "Google", "Google:Google"] {
            add_provider(&mut pool, text).unwrap();
        }
        let shown: Vec<_> = pool.providers().iter().map(|provider| (&*provider.name, provider.kind)).collect();
        assert_eq!(
            shown,
            [("Okta", ProviderKind::Oidc), ("Corp", ProviderKind::Saml), ("Google", ProviderKind::Google)]
        );
        for invalid in ["", "Okta:LDAP", "Okta:Google", "Corp:OIDC"] {
            assert!(add_provider(&mut pool, invalid).is_err_and(|OptionError(text)| text.contains("--provider")));
        }
    }

    #[test]
    fn a_pool_that_creates_on_reference_lists_the_providers_with_fixed_names() {
        let listed = |pool: Pool| -> Vec<_> {
            let pool = creating_on_reference(pool).unwrap();
            pool.providers().iter().map(|provider| provider.name.to_string()).collect()
        };
        let mut pool = Pool::new(PoolSettings::new(DEFAULT_POOL_ID));
        assert_eq!(
            listed(Pool::new(PoolSettings::new(DEFAULT_POOL_ID))),
            ["Google", "Facebook", "LoginWithAmazon", "SignInWithApple"]
        );
        pool.ensure_provider("Okta").unwrap();
        assert_eq!(listed(pool), ["Okta"], "a pool file says itself what the pool holds");
    }
}
