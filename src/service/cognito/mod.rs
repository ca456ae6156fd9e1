//! The adapter to AWS: the only module that names a type of the AWS SDK.
//!
//! The SDK's own retries are off, so that each attempt is one HTTP request: they would make up to three requests outside
//! of the rate, and would retry `LimitExceededException` (the user has the most identities) as throttling. Timeouts are
//! explicit.

mod convert;
mod ports;
mod probe;
mod quotas;

use std::sync::Arc;
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::config::SharedHttpClient;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

pub use probe::{configured_region, connect_probe};

use super::{IdentityLinker, IdentityUnlinker, QuotaReader, UserDirectory};
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
    },
    /// A simulator, without configuration files, environment or real credentials.
    Simulator {
        /// The simulator's address.
        endpoint_url: String,
    },
}

/// A connection to one pool, which hands out the reading and the writing ports separately.
#[derive(Debug, Clone)]
pub struct Cognito {
    client: Client,
    quotas: aws_sdk_servicequotas::Client,
    pool: PoolId,
}

impl Cognito {
    /// Creates the clients and, for AWS, finds the credentials. Calls no pool yet.
    ///
    /// # Errors
    /// [`StopCause::Credentials`] if there are none.
    pub async fn connect(target: &ConnectionTarget, region: &str, pool: PoolId) -> Result<Self, StopError> {
        let config = match target {
            ConnectionTarget::Simulator { endpoint_url } => simulator_config(endpoint_url, region),
            ConnectionTarget::Aws { profile, endpoint_url } => {
                aws_config_for(profile.as_deref(), endpoint_url.as_deref(), region).await?
            }
        };
        Ok(Self { client: Client::new(&config), quotas: aws_sdk_servicequotas::Client::new(&config), pool })
    }

    #[must_use]
    pub fn directory(&self) -> Arc<dyn UserDirectory> {
        Arc::new(ports::CognitoDirectory { client: self.client.clone(), pool: self.pool.to_string() })
    }

    #[must_use]
    pub fn limits(&self) -> Arc<dyn QuotaReader> {
        Arc::new(quotas::AccountQuotas { client: self.client.clone(), quotas: self.quotas.clone() })
    }

    /// Only for commands that link.
    #[must_use]
    pub fn linker(&self) -> Arc<dyn IdentityLinker> {
        Arc::new(ports::CognitoWriter { client: self.client.clone(), pool: self.pool.to_string() })
    }

    /// Only for `undo`.
    #[must_use]
    pub fn unlinker(&self) -> Arc<dyn IdentityUnlinker> {
        Arc::new(ports::CognitoWriter { client: self.client.clone(), pool: self.pool.to_string() })
    }
}

fn simulator_config(endpoint_url: &str, region: &str) -> SdkConfig {
    let credentials = Credentials::from_keys("SIMULATED", "simulated", None);
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(region.to_owned()))
        .endpoint_url(endpoint_url)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build()
}

async fn aws_config_for(
    profile: Option<&str>,
    endpoint_url: Option<&str>,
    region: &str,
) -> Result<SdkConfig, StopError> {
    let region = Region::new(region.to_owned());
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(region.clone())
        .http_client(https())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts());
    if let Some(profile) = profile {
        // Only the named profile counts, as in the AWS CLI: the default chain would try the environment first.
        let settings = ProviderConfig::without_region().with_http_client(https()).with_region(Some(region));
        let credentials = ProfileFileCredentialsProvider::builder().configure(&settings).profile_name(profile).build();
        loader = loader.profile_name(profile).credentials_provider(credentials);
    }
    if let Some(url) = endpoint_url {
        loader = loader.endpoint_url(url);
    }
    let config = loader.load().await;
    let found = match config.credentials_provider() {
        Some(provider) => provider.provide_credentials().await,
        None => Err(CredentialsError::not_loaded("no provider of credentials is configured")),
    };
    match found {
        Ok(_) => Ok(config),
        Err(error) => Err(no_credentials(profile, &error)),
    }
}

fn no_credentials(profile: Option<&str>, error: &CredentialsError) -> StopError {
    let found_nothing = matches!(error, CredentialsError::CredentialsNotLoaded(_));
    let reason = match profile {
        Some(name) if found_nothing => format!("profile {name} does not exist, or has none"),
        None if found_nothing => {
            "none in the environment, the profile, a web identity, the container or the instance".to_owned()
        }
        _ => convert::error_chain(error).split_whitespace().collect::<Vec<_>>().join(" "),
    };
    let advice = match profile {
        Some(_) => "see the AWS configuration files, or leave --profile out to use the environment",
        None => "name a profile with --profile, or set AWS_PROFILE or AWS_ACCESS_KEY_ID",
    };
    tracing::debug!(reason = convert::error_chain(error), "no credentials");
    StopError::new(StopCause::Credentials, format!("no credentials found: {reason}; {advice}"))
}

fn https() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_millis(limits::CONNECT_TIMEOUT_MS))
        .read_timeout(Duration::from_millis(limits::READ_TIMEOUT_MS))
        .operation_attempt_timeout(Duration::from_millis(limits::ATTEMPT_TIMEOUT_MS))
        .build()
}
