//! Objects of S3, read in parts and written as a whole.
//!
//! Here the SDK retries: nothing of this is under the quota of a pool, and nothing of it is recorded in a ledger. What the
//! SDK cannot retry is a body that breaks off: the rest of the part is requested again, of the same version only.

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, Length};

use super::endpoint::ConnectionUse;
use super::{AwsSettings, convert, endpoint};
use crate::clock;
use crate::domain::object::ObjectAddress;
use crate::domain::run::{StopCause, StopError};
use crate::limits::{
    S3_ATTEMPTS_MAX, S3_BROKEN_CONNECTIONS_MAX, S3_OBJECT_BYTES_MAX, S3_RESUME_WAIT_MS, S3_WRITE_BYTES_PER_SECOND_MIN,
    S3_WRITE_MS_MIN,
};

/// The header with which S3 names the Region of a bucket.
const REGION_HEADER: &str = "x-amz-bucket-region";

/// A connection to S3.
#[derive(Debug)]
pub struct S3Objects {
    config: SdkConfig,
    /// The clients by bucket: each may be in another Region.
    clients: Mutex<BTreeMap<String, Client>>,
}

/// The answer to one call of the SDK.
type S3Answer<'a, T, E> = Pin<Box<dyn Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send + 'a>>;

/// What is at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundObject {
    /// With its quotes.
    pub etag: String,
    pub bytes: u64,
}

impl S3Objects {
    /// Finds the credentials, and calls no bucket yet. `region` is that of buckets which are in no other one.
    pub async fn connect(
        profile: Option<&str>,
        region: &str,
        insecure_endpoint_allowed: bool,
    ) -> Result<Self, StopError> {
        let settings = AwsSettings { profile, endpoint_url: None, region };
        Ok(Self::new(settings.load(ConnectionUse::Objects, insecure_endpoint_allowed).await?))
    }

    fn new(config: SdkConfig) -> Self {
        Self { config, clients: Mutex::default() }
    }

    /// Returns what is there now; `None` where there is no such object or bucket.
    pub async fn find(&self, object: &ObjectAddress) -> Result<Option<FoundObject>, StopError> {
        let call = |client: Client| -> S3Answer<_, _> {
            Box::pin(client.head_object().bucket(object.bucket()).key(object.key()).send())
        };
        match self.send(object, call).await {
            Ok(found) => match found.e_tag.zip(found.content_length.and_then(|bytes| u64::try_from(bytes).ok())) {
                Some((etag, bytes)) => Ok(Some(FoundObject { etag, bytes })),
                None => Err(unreachable("S3 returned no ETag or no length")),
            },
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(error) => Err(stop_of(&error, "s3:GetObject")),
        }
    }

    /// Reads `length` bytes from `offset` on of the object that has this `ETag`; `None` where there is another one now, or
    /// none.
    pub async fn read_part(
        &self,
        object: &ObjectAddress,
        etag: &str,
        offset: u64,
        length: usize,
    ) -> Result<Option<Vec<u8>>, StopError> {
        let mut part = Vec::with_capacity(length);
        let mut broken_in_a_row = 0;
        while part.len() < length {
            let (first, last) = (offset + part.len() as u64, offset + length as u64 - 1);
            let call = |client: Client| -> S3Answer<_, _> {
                let request = client.get_object().bucket(object.bucket()).key(object.key());
                Box::pin(request.if_match(etag).range(format!("bytes={first}-{last}")).send())
            };
            let answer = match self.send(object, call).await {
                Ok(answer) => answer,
                Err(error) if matches!(status(&error), Some(404 | 412 | 416)) => return Ok(None),
                Err(error) => return Err(stop_of(&error, "s3:GetObject")),
            };
            if answer.e_tag.as_deref() != Some(etag) {
                return Ok(None);
            }
            let had = part.len();
            let Some(reason) = append_body(answer, first, length, &mut part).await? else { continue };
            tracing::debug!(reason, at = offset + part.len() as u64, "a connection to S3 broke");
            broken_in_a_row = if part.len() > had { 0 } else { broken_in_a_row + 1 };
            if broken_in_a_row == S3_BROKEN_CONNECTIONS_MAX {
                return Err(unreachable(&format!("the connection to S3 breaks again and again: {reason}")));
            }
            clock::sleep(Duration::from_millis(S3_RESUME_WAIT_MS * u64::from(broken_in_a_row))).await;
        }
        Ok(Some(part))
    }

    /// Writes the first `length` bytes of a file, replacing an existing object.
    pub async fn write(&self, object: &ObjectAddress, file: &Path, length: u64) -> Result<(), StopError> {
        if length > S3_OBJECT_BYTES_MAX {
            let detail = format!("it has {length} bytes, and at most {S3_OBJECT_BYTES_MAX} are written to S3");
            return Err(StopError::new(StopCause::Configuration, detail));
        }
        let call = |client: Client| -> S3Answer<_, _> {
            Box::pin(async move {
                let body = match length {
                    0 => Ok(ByteStream::from_static(b"")),
                    _ => ByteStream::read_from().path(file).length(Length::Exact(length)).build().await,
                };
                let body = body.map_err(SdkError::construction_failure)?;
                let request = client.put_object().bucket(object.bucket()).key(object.key()).body(body);
                let overrides = aws_sdk_s3::config::Builder::new().timeout_config(write_timeouts(length));
                request.customize().config_override(overrides).send().await
            })
        };
        match self.send(object, call).await {
            Ok(_) => Ok(()),
            Err(error) if status(&error) == Some(404) => {
                Err(StopError::new(StopCause::Configuration, "there is no such bucket"))
            }
            Err(error) => Err(stop_of(&error, "s3:PutObject")),
        }
    }

    /// Calls the bucket in the Region that it is in.
    async fn send<'a, T, E>(
        &self,
        object: &ObjectAddress,
        call: impl Fn(Client) -> S3Answer<'a, T, E>,
    ) -> Result<T, SdkError<E, HttpResponse>> {
        let client = self.client(object.bucket(), None);
        let known = client.config().region().map(Region::to_string);
        let result = call(client).await;
        let Err(error) = &result else { return result };
        let named = error.raw_response().and_then(|response| response.headers().get(REGION_HEADER));
        match named.filter(|named| Some(*named) != known.as_deref()).map(str::to_owned) {
            Some(region) => call(self.client(object.bucket(), Some(region))).await,
            None => result,
        }
    }

    /// Returns the client for a bucket; in this Region from now on, if one is given.
    fn client(&self, bucket: &str, region: Option<String>) -> Client {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(bucket).filter(|_| region.is_none()) {
            return client.clone();
        }
        let client = self.new_client(region);
        clients.insert(bucket.to_owned(), client.clone());
        client
    }

    fn new_client(&self, region: Option<String>) -> Client {
        let mut builder = aws_sdk_s3::config::Builder::from(&self.config)
            .retry_config(RetryConfig::standard().with_max_attempts(S3_ATTEMPTS_MAX))
            // An endpoint of somebody's own has no host name for each bucket.
            .force_path_style(endpoint::custom_s3_endpoint(&self.config).is_some());
        if let Some(region) = region {
            builder = builder.region(Region::new(region));
        }
        Client::from_conf(builder.build())
    }
}

/// Appends what comes of the rest of a part. Returns why it was not all of it.
async fn append_body(
    answer: GetObjectOutput,
    first: u64,
    length: usize,
    part: &mut Vec<u8>,
) -> Result<Option<String>, StopError> {
    let starts_there = answer.content_range.is_some_and(|range| range.starts_with(&format!("bytes {first}-")));
    if !starts_there {
        return Err(unreachable("S3 returned another range than was requested"));
    }
    let mut body = answer.body;
    loop {
        match body.next().await {
            Some(Ok(bytes)) if bytes.len() > length - part.len() => {
                return Err(unreachable("S3 returned more bytes than were requested"));
            }
            Some(Ok(bytes)) => part.extend_from_slice(&bytes),
            Some(Err(error)) => return Ok(Some(convert::error_chain(&error))),
            None if part.len() == length => return Ok(None),
            None => return Ok(Some("it ended early".to_owned())),
        }
    }
}

/// The time of a write depends on its length: its answer comes after its last byte.
fn write_timeouts(length: u64) -> TimeoutConfig {
    let time = Duration::from_millis(S3_WRITE_MS_MIN + length * 1_000 / S3_WRITE_BYTES_PER_SECOND_MIN);
    TimeoutConfig::builder().read_timeout(time).operation_attempt_timeout(time).build()
}

fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// Returns what an error means for the command, and what to do.
fn stop_of<E>(error: &SdkError<E, HttpResponse>, permission: &str) -> StopError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let Some(status) = status(error) else {
        return unreachable(&format!("S3 cannot be reached: {}", convert::error_chain(error)));
    };
    // `HeadObject` is answered without a code.
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default();
    let answer = format!("S3 answered {status} {code}");
    let answer = answer.trim_end();
    match (status, code) {
        (
            _,
            "ExpiredToken" | "InvalidAccessKeyId" | "InvalidToken" | "SignatureDoesNotMatch" | "TokenRefreshRequired",
        ) => StopError::new(StopCause::Credentials, format!("{answer}: the credentials are not accepted")),
        (401 | 403, _) => StopError::new(
            StopCause::AccessDenied,
            format!(
                "{answer}: the credentials need {permission} for the object, and the rights to its KMS key where it is \
                 encrypted with one"
            ),
        ),
        (500.., _) => unreachable(&format!("{answer}, also after {S3_ATTEMPTS_MAX} attempts")),
        _ => unreachable(answer),
    }
}

fn unreachable(detail: &str) -> StopError {
    StopError::new(StopCause::Unreachable, detail)
}

#[cfg(test)]
mod tests;
