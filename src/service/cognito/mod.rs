//! The adapter to AWS: the only module that names a type of the AWS SDK.
//!
//! The SDK's own retries are off, so that each attempt is one HTTP request: they would make up to three requests outside
//! of the rate, and would retry `LimitExceededException` (the user has the most identities) as throttling. Timeouts are
//! explicit.

mod caller;
mod convert;
mod endpoint;
mod network;
#[cfg(feature = "s3")]
mod objects;
mod ports;
mod probe;
mod quotas;
mod sign_in;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_cognitoidentityprovider::Client;

use self::endpoint::ConnectionUse;
use self::sign_in::{SessionEnded, SignInCredentials};
#[cfg(feature = "s3")]
pub use objects::S3Objects;
pub use probe::{configured_region, connect_probe};

use super::app_clients::AppClientReader;
use super::permission_probe::LinkPermissionProbe;
use super::{CallerReader, IdentityLinker, IdentityUnlinker, QuotaReader, UserDirectory};
use crate::domain::endpoint::CustomEndpoint;
use crate::domain::identity::PoolId;
use crate::domain::run::{StopCause, StopError};
use crate::limits;

/// Which service to call, and with whose credentials.
#[derive(Debug, Clone)]
pub enum ConnectionTarget {
    /// AWS, or what the profile, the environment or `endpoint_url` names instead.
    Aws {
        /// A profile of the AWS configuration files; `None` for the default one.
        profile: Option<String>,
        /// An address that replaces those of the Region, for every service.
        endpoint_url: Option<String>,
        /// Whether an endpoint that is not on this machine may be called over plain HTTP.
        insecure_endpoint_allowed: bool,
    },
    /// A simulator, without configuration files, environment or real credentials.
    Simulator {
        endpoint_url: String,
        /// The access key id that it expects; any other one is refused by a simulator of another command.
        access_key: String,
    },
}

/// A connection to one pool, which hands out the reading and the writing ports separately.
#[derive(Clone)]
pub struct Cognito {
    client: Client,
    quotas: aws_sdk_servicequotas::Client,
    pool: PoolId,
    endpoint: Option<CustomEndpoint>,
    /// `None` for the simulator of this process.
    caller: Option<Arc<dyn CallerReader>>,
}

/// The settings of the SDK for a target in a Region.
async fn sdk_config(target: &ConnectionTarget, region: &str) -> Result<SdkConfig, StopError> {
    match target {
        ConnectionTarget::Simulator { endpoint_url, access_key } => {
            Ok(simulator_config(endpoint_url, access_key, region))
        }
        ConnectionTarget::Aws { profile, endpoint_url, insecure_endpoint_allowed } => {
            let (profile, endpoint_url) = (profile.as_deref(), endpoint_url.as_deref());
            let settings = AwsSettings { profile, endpoint_url, region };
            settings.load(ConnectionUse::Pool, *insecure_endpoint_allowed).await
        }
    }
}

impl Cognito {
    /// Creates the clients and, for AWS, finds the credentials. Calls no pool yet.
    pub async fn connect(target: &ConnectionTarget, region: &str, pool: PoolId) -> Result<Self, StopError> {
        let config = sdk_config(target, region).await?;
        let client = Client::new(&config);
        let quotas = aws_sdk_servicequotas::Client::new(&config);
        Ok(match target {
            ConnectionTarget::Aws { .. } => {
                let caller: Arc<dyn CallerReader> = Arc::new(caller::Caller::new(&config));
                Self { client, quotas, pool, endpoint: endpoint::custom_endpoint(&config), caller: Some(caller) }
            }
            // Its port is another one in each run, and its account is nobody's.
            ConnectionTarget::Simulator { .. } => Self { client, quotas, pool, endpoint: None, caller: None },
        })
    }

    /// The endpoint that is called, where it is neither AWS's own nor that of the simulator of this process.
    pub fn endpoint(&self) -> Option<&CustomEndpoint> {
        self.endpoint.as_ref()
    }

    /// Who calls; `None` for the simulator of this process.
    pub fn caller(&self) -> Option<&Arc<dyn CallerReader>> {
        self.caller.as_ref()
    }

    fn ports(&self) -> Arc<ports::PoolClient> {
        Arc::new(ports::PoolClient { client: self.client.clone(), pool: self.pool.to_string() })
    }

    pub fn directory(&self) -> Arc<dyn UserDirectory> {
        self.ports()
    }

    pub fn app_clients(&self) -> Arc<dyn AppClientReader> {
        self.ports()
    }

    /// Only for `doctor --probe-write`.
    pub fn permission_probe(&self) -> Arc<dyn LinkPermissionProbe> {
        self.ports()
    }

    pub fn limits(&self) -> Arc<dyn QuotaReader> {
        Arc::new(quotas::AccountQuotas { client: self.client.clone(), quotas: self.quotas.clone() })
    }

    /// Only for commands that link.
    pub fn linker(&self) -> Arc<dyn IdentityLinker> {
        self.ports()
    }

    /// Only for `undo`.
    pub fn unlinker(&self) -> Arc<dyn IdentityUnlinker> {
        self.ports()
    }
}

fn simulator_config(endpoint_url: &str, access_key: &str, region: &str) -> SdkConfig {
    let credentials = Credentials::from_keys(access_key, "simulated", None);
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(region.to_owned()))
        .endpoint_url(endpoint_url)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(network::bounded(aws_smithy_http_client::Builder::new().build_http()))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build()
}

/// What the options say of the connection to AWS.
#[derive(Debug, Clone, Copy)]
struct AwsSettings<'a> {
    profile: Option<&'a str>,
    endpoint_url: Option<&'a str>,
    region: &'a str,
}

impl AwsSettings<'_> {
    /// The SDK's configuration without credentials and without a client.
    fn loader(self) -> ConfigLoader {
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(Region::new(self.region.to_owned()))
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts());
        if let Some(profile) = self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(url) = self.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        loader
    }

    async fn load(self, connection: ConnectionUse, insecure_endpoint_allowed: bool) -> Result<SdkConfig, StopError> {
        // The client depends on settings of the profile, so these are read first. Nothing is called.
        let settings = self.loader().no_credentials().load().await;
        endpoint::check_endpoints(&settings, connection, insecure_endpoint_allowed)?;
        let http_client = network::http_client(&settings, insecure_endpoint_allowed)?;
        let mut loader = self.loader().http_client(http_client.clone());
        if let Some(profile) = self.profile {
            // Only the named profile counts, as in the AWS CLI: the default chain would try the environment first.
            let provider = ProviderConfig::without_region()
                .with_http_client(http_client)
                .with_region(settings.region().cloned())
                .with_use_fips(settings.use_fips())
                .with_use_dual_stack(settings.use_dual_stack());
            let credentials =
                ProfileFileCredentialsProvider::builder().configure(&provider).profile_name(profile).build();
            loader = loader.credentials_provider(credentials);
        }
        let config = loader.load().await;
        let Some(inner) = config.credentials_provider() else {
            let error = CredentialsError::not_loaded("no provider of credentials is configured");
            return Err(no_credentials(self.profile, &error));
        };
        let profile = self.profile.map(str::to_owned).or_else(|| std::env::var("AWS_PROFILE").ok());
        let credentials = SignInCredentials { inner, profile: profile.filter(|name| !name.is_empty()) };
        match credentials.provide_credentials().await {
            Ok(_) => {
                let credentials = SharedCredentialsProvider::new(credentials);
                Ok(config.into_builder().credentials_provider(credentials).build())
            }
            Err(error) => Err(no_credentials(self.profile, &error)),
        }
    }
}

fn no_credentials(profile: Option<&str>, error: &CredentialsError) -> StopError {
    tracing::debug!(reason = convert::error_chain(error), "no credentials");
    if let Some(ended) = error.source().and_then(|source| source.downcast_ref::<SessionEnded>()) {
        return StopError::new(StopCause::Credentials, ended.to_string());
    }
    let found_nothing = matches!(error, CredentialsError::CredentialsNotLoaded(_));
    let reason = match profile {
        Some(name) if found_nothing => format!("profile {name} does not exist, or has none"),
        None if found_nothing => {
            "none in the environment, the profile, a web identity, the container or the instance".to_owned()
        }
        _ => {
            let chain = convert::error_chain(error).split_whitespace().collect::<Vec<_>>().join(" ");
            chain.trim_end_matches('.').to_owned()
        }
    };
    let advice = match profile {
        Some(_) => "see the AWS configuration files, or leave --profile out to use the environment",
        None => "name a profile with --profile, or set AWS_PROFILE or AWS_ACCESS_KEY_ID",
    };
    StopError::new(StopCause::Credentials, format!("no credentials found: {reason}; {advice}"))
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_millis(limits::CONNECT_TIMEOUT_MS))
        .read_timeout(Duration::from_millis(limits::READ_TIMEOUT_MS))
        .operation_attempt_timeout(Duration::from_millis(limits::ATTEMPT_TIMEOUT_MS))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_missing_credentials_is_one_part_of_the_sentence() {
        let error = CredentialsError::provider_error("the process cannot run: check its\n permissions.");
        let detail = no_credentials(None, &error).detail;
        assert!(detail.contains("check its permissions; name a profile"), "{detail}");
    }
}
