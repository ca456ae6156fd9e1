//! The adapter: the only room that names a type of the AWS SDK.
//!
//! The SDK's own retries are off: they would make three calls of one, pass by the pace, and take
//! `LimitExceededException` (a user that is full) for throttling. Timeouts are explicit.

mod convert;
mod ports;
mod quotas;

use std::sync::Arc;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::config::retry::RetryConfig;
use aws_sdk_cognitoidentityprovider::config::timeout::TimeoutConfig;
use aws_sdk_cognitoidentityprovider::config::{Config, Region, SharedHttpClient, StalledStreamProtectionConfig};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use super::{IdentityLinker, IdentityUnlinker, LimitReader, UserDirectory};
use crate::domain::identity::PoolId;
use crate::domain::run::{StopCause, StopError};
use crate::limits;

/// Where the service is and as whom it is called.
#[derive(Debug, Clone)]
pub enum Target {
    /// AWS, or whatever the profile, the environment or `endpoint_url` names instead.
    Aws {
        /// A profile of the AWS configuration files; `None` for the default one.
        profile: Option<String>,
        /// An address in place of the Region's own.
        endpoint_url: Option<String>,
    },
    /// A simulator: no configuration files, no environment, no credentials of anybody's.
    Simulator {
        /// Its address.
        endpoint_url: String,
    },
}

/// A connection to one pool. Hands out its reading and its writing half apart from one another.
#[derive(Debug, Clone)]
pub struct Cognito {
    client: Client,
    pool: PoolId,
    own_endpoint: bool,
}

impl Cognito {
    /// Makes the client and, for AWS, finds the credentials. Sends nothing to the service yet.
    ///
    /// # Errors
    /// [`StopCause::Credentials`] where none are found.
    pub async fn connect(target: &Target, region: &str, pool: PoolId) -> Result<Self, StopError> {
        let config = match target {
            Target::Simulator { endpoint_url } => simulator_config(endpoint_url, region),
            Target::Aws { profile, endpoint_url } => {
                aws_config_for(profile.as_deref(), endpoint_url.as_deref(), region).await?
            }
        };
        let own_endpoint = match target {
            Target::Simulator { .. } => true,
            Target::Aws { endpoint_url, .. } => endpoint_url.is_some(),
        };
        Ok(Self { client: Client::from_conf(config), pool, own_endpoint })
    }

    /// The reading half.
    #[must_use]
    pub fn directory(&self) -> Arc<dyn UserDirectory> {
        Arc::new(ports::Reader { client: self.client.clone(), pool: self.pool.to_string() })
    }

    /// The account's limits.
    #[must_use]
    pub fn limits(&self) -> Arc<dyn LimitReader> {
        let region = self.pool.region().to_owned();
        Arc::new(quotas::Limits { client: self.client.clone(), region, own_endpoint: self.own_endpoint })
    }

    /// The writing half. Only for commands that write.
    #[must_use]
    pub fn linker(&self) -> Arc<dyn IdentityLinker> {
        Arc::new(ports::Writer { client: self.client.clone(), pool: self.pool.to_string() })
    }

    /// The writing half for taking links back; only for `undo`.
    #[must_use]
    pub fn unlinker(&self) -> Arc<dyn IdentityUnlinker> {
        Arc::new(ports::Writer { client: self.client.clone(), pool: self.pool.to_string() })
    }
}

fn simulator_config(endpoint_url: &str, region: &str) -> Config {
    Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(region.to_owned()))
        .endpoint_url(endpoint_url)
        .credentials_provider(Credentials::from_keys("SIMULATED", "simulated", None))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build()
}

async fn aws_config_for(profile: Option<&str>, endpoint_url: Option<&str>, region: &str) -> Result<Config, StopError> {
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(Region::new(region.to_owned()))
        .http_client(https())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts());
    if let Some(profile) = profile {
        // A profile that is named is the one to use, as in the AWS CLI: the chain would try the environment first.
        let places = ProviderConfig::without_region()
            .with_http_client(https())
            .with_region(Some(Region::new(region.to_owned())));
        let named = ProfileFileCredentialsProvider::builder().configure(&places).profile_name(profile).build();
        loader = loader.profile_name(profile).credentials_provider(named);
    }
    if let Some(url) = endpoint_url {
        loader = loader.endpoint_url(url);
    }
    let shared = loader.load().await;
    let found = match shared.credentials_provider() {
        Some(provider) => provider.provide_credentials().await,
        None => Err(CredentialsError::not_loaded("no provider of credentials is configured")),
    };
    match found {
        Ok(_) => Ok(aws_sdk_cognitoidentityprovider::config::Builder::from(&shared).build()),
        Err(error) => Err(no_credentials(profile, &error)),
    }
}

fn no_credentials(profile: Option<&str>, error: &CredentialsError) -> StopError {
    let found_nothing = matches!(error, CredentialsError::CredentialsNotLoaded(_));
    let reason = match profile {
        Some(name) if found_nothing => format!("profile {name} is not there, or gives none"),
        None if found_nothing => {
            "none in the environment, the profile, a web identity, the container or the instance".to_owned()
        }
        _ => convert::chain(error).split_whitespace().collect::<Vec<_>>().join(" "),
    };
    let advice = match profile {
        Some(_) => "see the AWS configuration files, or leave --profile out to use the environment",
        None => "name a profile with --profile, or set AWS_PROFILE or AWS_ACCESS_KEY_ID",
    };
    tracing::debug!(reason = convert::chain(error), "no credentials");
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
