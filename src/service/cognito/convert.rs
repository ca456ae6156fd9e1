//! Converts the SDK's errors and values to ours.

use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_cognitoidentityprovider::config::http::HttpResponse;
use aws_sdk_cognitoidentityprovider::config::interceptors::{
    AfterDeserializationInterceptorContextRef, BeforeDeserializationInterceptorContextRef,
};
use aws_sdk_cognitoidentityprovider::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_cognitoidentityprovider::error::{BoxError, ConnectorError, ProvideErrorMetadata, SdkError};
use aws_sdk_cognitoidentityprovider::primitives::DateTime;
use aws_sdk_cognitoidentityprovider::types::AttributeType;

use crate::domain::identity::Personal;
use crate::service::fault::{CallFault, Transport};
use crate::service::identities::parse_identities;
use crate::service::{AnswerMeta, PoolUser, http_date};

/// Captures the headers of one call's response, which the SDK does not return with a success, and the kind of its body.
#[derive(Debug, Clone, Default)]
pub(super) struct ResponseHeaders {
    meta: Arc<OnceLock<AnswerMeta>>,
    body: Arc<OnceLock<BodyKind>>,
    head: Arc<OnceLock<ResponseHead>>,
}

/// What a response says before its body.
#[derive(Debug, Clone, Copy)]
pub(super) struct ResponseHead {
    pub(super) status: u16,
    /// Whether the content type is one of JSON.
    pub(super) is_json: bool,
    /// Whether a header says that the body is encoded, such as compressed.
    pub(super) is_encoded: bool,
    /// Whether a header has the name of an error.
    pub(super) names_error: bool,
}

/// What the body of a response looks like. The SDK takes anything for the answer to a call whose answer has no members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyKind {
    Empty,
    /// A JSON object without members: the answer to a write.
    EmptyObject,
    /// The beginning of a JSON object, as every answer of the service is one.
    Object,
    /// Such as a page of a proxy.
    Other,
}

impl BodyKind {
    fn of(body: &[u8]) -> Self {
        let body = body.trim_ascii();
        match body.strip_prefix(b"{") {
            None if body.is_empty() => Self::Empty,
            None => Self::Other,
            Some(rest) if rest.trim_ascii_start() == b"}" => Self::EmptyObject,
            Some(_) => Self::Object,
        }
    }
}

impl ResponseHeaders {
    /// Empty without a response.
    pub(super) fn meta(&self) -> AnswerMeta {
        self.meta.get().cloned().unwrap_or_default()
    }

    /// `None` where the body was not read.
    pub(super) fn body(&self) -> Option<BodyKind> {
        self.body.get().copied()
    }

    /// `None` without a response.
    pub(super) fn head(&self) -> Option<ResponseHead> {
        self.head.get().copied()
    }
}

impl Intercept for ResponseHeaders {
    fn name(&self) -> &'static str {
        "ResponseHeaders"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Set once: each call is one attempt with at most one response.
        let _ = self.meta.set(meta_of(context.response()));
        let content_type = context.response().headers().get("content-type").unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        let is_json =
            ["application/x-amz-json-1.1", "application/x-amz-json-1.0", "application/json"].contains(&essence);
        let headers = context.response().headers();
        let _ = self.head.set(ResponseHead {
            status: context.response().status().as_u16(),
            is_json,
            is_encoded: headers.get("content-encoding").is_some(),
            names_error: headers.get("x-amzn-errortype").is_some(),
        });
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(bytes) = context.response().body().bytes() {
            let _ = self.body.set(BodyKind::of(bytes));
        }
        Ok(())
    }
}

/// The header by which `cognito-sim` identifies itself. AWS sends none of this name.
const SIMULATOR_HEADER: &str = "x-cognito-sim";

fn meta_of(response: &HttpResponse) -> AnswerMeta {
    let header = |name| response.headers().get(name);
    let request_id = header("x-amzn-requestid").or_else(|| header("x-amz-request-id"));
    let request_id = request_id.filter(|id| !id.trim().is_empty()).map(str::to_owned);
    AnswerMeta {
        request_id,
        server_unix_ms: header("date").and_then(http_date),
        from_simulator: header(SIMULATOR_HEADER).is_some(),
    }
}

/// Sorts one call's error by how far the call got.
pub(super) fn fault_of<E>(error: &SdkError<E, HttpResponse>) -> CallFault
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(context) => answered(context.err(), context.raw()),
        SdkError::TimeoutError(_) => transport(Transport::Timeout, error),
        SdkError::ResponseError(_) if caused_by::<std::io::Error>(error) => transport(Transport::Broken, error),
        SdkError::ResponseError(_) => transport(Transport::Unreadable, error),
        SdkError::DispatchFailure(_) if caused_by::<CredentialsError>(error) => unsent(true, error),
        SdkError::DispatchFailure(failure) => dispatch(failure.as_connector_error(), error),
        _ => unsent(caused_by::<CredentialsError>(error), error),
    }
}

fn answered(error: &impl ProvideErrorMetadata, response: &HttpResponse) -> CallFault {
    let retry_after = response.headers().get("x-amz-retry-after").and_then(|text| text.trim().parse().ok());
    CallFault::Answered {
        status: response.status().as_u16(),
        code: error.code().unwrap_or_default().to_owned(),
        message: error.message().unwrap_or_default().to_owned(),
        retry_after: retry_after.map(Duration::from_millis),
        meta: meta_of(response),
    }
}

/// There is no response. Whether anything was sent decides between "no effect" and "may have had an effect".
fn dispatch(connector: Option<&ConnectorError>, error: &(dyn Error + 'static)) -> CallFault {
    let text = error_chain(error);
    // The types of the connector do not distinguish these; these are the texts of its own and of the client's errors.
    let never_connected = ["connect timeout", "client error (Connect)", "dns error", "failed to lookup address"]
        .iter()
        .any(|part| text.contains(part));
    match connector {
        _ if never_connected => transport(Transport::Connect, error),
        Some(connector) if connector.is_user() => unsent(false, error),
        Some(connector) if connector.is_timeout() => transport(Transport::Timeout, error),
        _ => transport(Transport::Broken, error),
    }
}

fn transport(kind: Transport, error: &(dyn Error + 'static)) -> CallFault {
    let text = error_chain(error);
    let advice = CONNECTION_ADVICE.iter().find(|(part, _)| text.contains(part));
    let detail = advice.map_or_else(|| text.clone(), |(_, advice)| format!("{text}; {advice}"));
    CallFault::Transport { kind, detail }
}

/// Parts of the connector's texts, and what to do.
const CONNECTION_ADVICE: [(&str, &str); 4] = [
    (
        "invalid peer certificate: UnknownIssuer",
        "no trusted authority issued the certificate: if a proxy inspects TLS, name the file of its certificate authority \
         with AWS_CA_BUNDLE",
    ),
    (
        "tunnel error: proxy authorization required",
        "the proxy asks for a password: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT",
    ),
    ("tunnel error: failed to create underlying connection", "the proxy of HTTPS_PROXY cannot be reached"),
    ("tunnel error: unsuccessful", "the proxy of HTTPS_PROXY refuses to connect to this host"),
];

fn unsent(credentials: bool, error: &(dyn Error + 'static)) -> CallFault {
    CallFault::Unsent { credentials, detail: error_chain(error) }
}

fn caused_by<T: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    sources(error).any(<dyn Error>::is::<T>)
}

fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// An error and its causes in one line, without repetitions.
pub(super) fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut line = String::new();
    for source in sources(error) {
        let text = source.to_string();
        if !line.contains(&text) {
            if !line.is_empty() {
                line.push_str(": ");
            }
            line.push_str(&text);
        }
    }
    line
}

pub(super) fn pool_user(
    username: &str,
    status: Option<&str>,
    enabled: bool,
    (created, modified): (Option<&DateTime>, Option<&DateTime>),
    attributes: &[AttributeType],
) -> PoolUser {
    let value =
        |name: &str| attributes.iter().find(|attribute| attribute.name() == name).and_then(AttributeType::value);
    let unix_ms = |date: Option<&DateTime>| date.and_then(|date| date.to_millis().ok());
    PoolUser {
        username: Personal::from_service(username),
        sub: value("sub").map(Personal::from_service),
        email: value("email").map(Personal::from_service),
        email_verified: value("email_verified") == Some("true"),
        phone: value("phone_number").map(Personal::from_service),
        phone_verified: value("phone_number_verified") == Some("true"),
        preferred_username: value("preferred_username").map(Personal::from_service),
        status: status.unwrap_or_default().to_owned(),
        enabled,
        created_unix_ms: unix_ms(created),
        modified_unix_ms: unix_ms(modified),
        identities: value("identities").map(parse_identities).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer: inner text")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("inner text")]
    struct Inner(#[source] std::io::Error);

    #[test]
    fn causes_are_listed_once_and_found() {
        let error = Outer(Inner(std::io::Error::other("reset")));
        assert_eq!(error_chain(&error), "outer: inner text: reset");
        assert!(caused_by::<std::io::Error>(&error));
        assert!(!caused_by::<CredentialsError>(&error));
    }

    #[test]
    fn bodies_by_their_beginning() {
        for (body, kind) in [
            ("", BodyKind::Empty),
            (" \r\n", BodyKind::Empty),
            ("{}", BodyKind::EmptyObject),
            (" { \n} ", BodyKind::EmptyObject),
            (" {", BodyKind::Object),
            (r#"{"message":"denied"}"#, BodyKind::Object),
            ("{}{}", BodyKind::Object),
            ("[{}]", BodyKind::Other),
            ("<html>", BodyKind::Other),
            ("OK", BodyKind::Other),
        ] {
            assert_eq!(BodyKind::of(body.as_bytes()), kind, "{body}");
        }
    }

    #[test]
    fn dates_of_answers_are_read() {
        assert_eq!(http_date("Sun, 22 Nov 2026 04:00:00 GMT"), Some(1_795_320_000_000));
        assert_eq!(http_date("yesterday"), None);
    }
}
