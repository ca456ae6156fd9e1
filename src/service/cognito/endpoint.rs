//! Endpoints that the settings name in place of the Region's own, and which of them may be called.

use std::net::IpAddr;

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;

use crate::domain::endpoint::CustomEndpoint;
use crate::domain::run::{StopCause, StopError};

/// The services that a pool needs, which are called with an endpoint of their own, by the names that the SDK gives them.
const SERVICES: [&str; 3] = ["Cognito Identity Provider", "Service Quotas", "STS"];
/// The same name of S3.
#[cfg(feature = "s3")]
const S3: &str = "S3";

/// What a connection is for, which decides whose endpoints count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectionUse {
    Pool,
    #[cfg(feature = "s3")]
    Objects,
}

impl ConnectionUse {
    fn services(self) -> &'static [&'static str] {
        match self {
            Self::Pool => &SERVICES,
            #[cfg(feature = "s3")]
            Self::Objects => &[S3],
        }
    }
}

/// Returns a setting of the environment, else of the profile.
pub(super) fn setting(config: &SdkConfig, variable: &str, key: &str) -> Option<String> {
    service_setting(config, SERVICES[0], variable, key)
}

fn service_setting(config: &SdkConfig, service: &str, variable: &str, key: &str) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id(service).env(variable).profile(key).build().ok()?;
    config.service_config()?.load_config(key)
}

/// Returns the endpoint that is configured for a service, found as the SDK finds it.
fn configured_endpoint(config: &SdkConfig, service: &str) -> Option<String> {
    let general = || config.endpoint_url().map(str::to_owned);
    if config.get_origin("endpoint_url").is_client_config() {
        return general();
    }
    service_setting(config, service, "AWS_ENDPOINT_URL", "endpoint_url").or_else(general)
}

/// Returns the endpoint of the pool's service, where the options, the environment or the profile name one that is not AWS's.
pub(super) fn custom_endpoint(config: &SdkConfig) -> Option<CustomEndpoint> {
    CustomEndpoint::of_url(&configured_endpoint(config, SERVICES[0])?)
}

/// Returns the endpoint of S3, where the environment or the profile name one that is not AWS's.
#[cfg(feature = "s3")]
pub(super) fn custom_s3_endpoint(config: &SdkConfig) -> Option<CustomEndpoint> {
    CustomEndpoint::of_url(&configured_endpoint(config, S3)?)
}

/// Returns the endpoint of STS: its own where one is configured, else an endpoint of the pool's service that is not AWS's;
/// `None` for the Region's.
pub(super) fn sts_endpoint(config: &SdkConfig) -> Option<String> {
    service_setting(config, SERVICES[2], "AWS_ENDPOINT_URL", "endpoint_url").or_else(|| {
        let of_pool = configured_endpoint(config, SERVICES[0])?;
        CustomEndpoint::of_url(&of_pool).map(|_| of_pool)
    })
}

/// The name that the AWS CLI and other SDKs read in a `services` section, and this SDK does not.
const NAME_OF_OTHER_SDKS: &str = "cognito_identity_provider";

/// Whether the configuration names an endpoint of Cognito that this SDK does not read: calls would go to AWS.
fn is_endpoint_overlooked(config: &SdkConfig) -> bool {
    let named = service_setting(config, NAME_OF_OTHER_SDKS, "AWS_ENDPOINT_URL", "endpoint_url");
    !config.get_origin("endpoint_url").is_client_config()
        && named.is_some()
        && named != configured_endpoint(config, SERVICES[0])
}

/// Refuses endpoints with which no call could be made, or only one that a network could read, and one that is not read.
pub(super) fn check_endpoints(
    config: &SdkConfig,
    connection: ConnectionUse,
    insecure_allowed: bool,
) -> Result<(), StopError> {
    let refuse = |detail: String| Err(StopError::new(StopCause::Configuration, detail));
    if connection == ConnectionUse::Pool && is_endpoint_overlooked(config) {
        return refuse(format!(
            "the AWS configuration names an endpoint under `{NAME_OF_OTHER_SDKS}` in a `services` section, which this \
             program's SDK does not read; give `cognito-identity-provider` the same endpoint, or pass --endpoint-url"
        ));
    }
    for url in connection.services().iter().filter_map(|service| configured_endpoint(config, service)) {
        if url.contains('@') {
            return refuse(
                "an endpoint that the environment or the profile configures has a user or a password: calls are signed, and \
                 neither would be sent; leave out what is before the @"
                    .to_owned(),
            );
        }
        let address = authority_of(&url);
        match plain_http_host(&url) {
            Some(host) if !insecure_allowed && !is_own_host(host) => {
                return refuse(format!(
                    "the endpoint http://{address} is not encrypted: names and identities would cross the network in the \
                     clear; use https://, or pass --allow-insecure-endpoint"
                ));
            }
            _ => {}
        }
        if config.use_fips() == Some(true) {
            return refuse(format!(
                "an endpoint ({address}) and FIPS endpoints are configured, and AWS SDKs refuse them together: leave out the \
                 endpoint, or AWS_USE_FIPS_ENDPOINT and `use_fips_endpoint` of the profile"
            ));
        }
        if config.use_dual_stack() == Some(true) {
            return refuse(format!(
                "an endpoint ({address}) and dual-stack endpoints are configured, and AWS SDKs refuse them together: leave \
                 out the endpoint, or AWS_USE_DUALSTACK_ENDPOINT and `use_dualstack_endpoint` of the profile"
            ));
        }
    }
    Ok(())
}

/// Returns the host of a plain-HTTP address, without port; `None` for every other address.
pub(super) fn plain_http_host(url: &str) -> Option<&str> {
    let scheme = url.get(..7)?;
    scheme.eq_ignore_ascii_case("http://").then(|| host_of(url))
}

/// Returns the host and the port, without user and password.
fn authority_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// Returns the host, without port, user and password.
fn host_of(url: &str) -> &str {
    let host = authority_of(url);
    match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((host, _)) => host,
        None => host.split_once(':').map_or(host, |(host, _)| host),
    }
}

pub(super) fn is_own_host(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a host is the metadata service of an instance or a container, which answers over plain HTTP only.
pub(super) fn is_metadata_host(host: &str) -> bool {
    match host.parse() {
        Ok(IpAddr::V4(address)) => address.is_link_local(),
        Ok(IpAddr::V6(address)) => address.segments()[..2] == [0xfd00, 0x0ec2],
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_addresses() {
        for (url, host) in [
            ("http://127.0.0.1:4566/x", "127.0.0.1"),
            ("HTTP://example.com", "example.com"),
            ("http://localhost@evil.example/", "evil.example"),
            ("http://localhost:80@evil.example:80/", "evil.example"),
            ("http://evil.example\\@localhost", "evil.example"),
            ("http://evil.example?@localhost", "evil.example"),
            ("http://[::1]:8080", "::1"),
        ] {
            assert_eq!(plain_http_host(url), Some(host), "{url}");
        }
        assert_eq!(plain_http_host("https://example.com"), None);
        assert_eq!(authority_of("http://me:secret@example.com:8080/x"), "example.com:8080");
        for (host, own, metadata) in [
            ("127.0.0.2", true, false),
            ("localhost", true, false),
            ("::1", true, false),
            ("localhost.example.com", false, false),
            ("169.254.169.254", false, true),
            ("fd00:ec2::254", false, true),
            ("10.0.0.1", false, false),
            ("0.0.0.0", false, false),
        ] {
            assert_eq!((is_own_host(host), is_metadata_host(host)), (own, metadata), "{host}");
        }
    }
}
