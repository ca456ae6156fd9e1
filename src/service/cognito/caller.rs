//! Whose credentials are used, from STS.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_sts::Client;

use super::convert::{self, ResponseHeaders};
use super::endpoint;
use super::ports::{send, unreadable};
use crate::limits::CALLER_TIMEOUT_MS;
use crate::service::{Answer, CallerIdentity, CallerReader, PortFuture};

#[derive(Debug)]
pub(super) struct Caller {
    client: Client,
}

impl Caller {
    /// Creates the client. STS is called where the pool's service is, unless an endpoint of its own is configured: behind an
    /// address of somebody's own the credentials may be good for nothing else.
    pub(super) fn new(config: &SdkConfig) -> Self {
        let timeout = TimeoutConfig::builder().operation_timeout(Duration::from_millis(CALLER_TIMEOUT_MS)).build();
        let mut builder = aws_sdk_sts::config::Builder::from(config).timeout_config(timeout);
        builder.set_endpoint_url(endpoint::sts_endpoint(config));
        Self { client: Client::from_conf(builder.build()) }
    }
}

impl CallerReader for Caller {
    fn caller_identity(&self) -> PortFuture<'_, CallerIdentity> {
        Box::pin(async move {
            let (result, headers) = send!(self.client.get_caller_identity());
            let found = result?;
            let identity =
                found.account.zip(found.arn).map(|(account, principal)| CallerIdentity { account, principal });
            identity.map_or_else(|| unreadable("account"), |value| Ok(Answer { value, meta: headers.meta() }))
        })
    }
}
