//! Against answers of a scripted S3.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use aws_config::BehaviorVersion;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse as RawResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use hyper::body::{Body, Bytes, Frame};

use super::*;

/// What the script needs of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    method: String,
    url: String,
    range: Option<String>,
    if_match: Option<String>,
    body: Option<Vec<u8>>,
}

type Script = dyn Fn(usize, &Seen) -> RawResponse + Send + Sync;

/// Answers each request by its number, from 0, and keeps it.
#[derive(Clone)]
struct ScriptedS3 {
    seen: Arc<Mutex<Vec<Seen>>>,
    script: Arc<Script>,
}

impl std::fmt::Debug for ScriptedS3 {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ScriptedS3")
    }
}

impl HttpClient for ScriptedS3 {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for ScriptedS3 {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let header = |name: &str| request.headers().get(name).map(str::to_owned);
        let seen = Seen {
            method: request.method().to_owned(),
            url: request.uri().to_owned(),
            range: header("range"),
            if_match: header("if-match"),
            body: None,
        };
        let this = self.clone();
        HttpConnectorFuture::new(async move {
            let body = http_body_util::BodyExt::collect(request.into_body()).await.unwrap().to_bytes();
            let seen = Seen { body: Some(body.to_vec()).filter(|body| !body.is_empty()), ..seen };
            let mut all = this.seen.lock().unwrap();
            let answer = (this.script)(all.len(), &seen);
            all.push(seen);
            Ok(answer)
        })
    }
}

impl ScriptedS3 {
    fn new(script: impl Fn(usize, &Seen) -> RawResponse + Send + Sync + 'static) -> (S3Objects, Self) {
        let this = Self { seen: Arc::default(), script: Arc::new(script) };
        let credentials = Credentials::from_keys("AKID", "secret", None);
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(this.clone())
            .build();
        (S3Objects::new(config), this)
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn ranges(&self) -> Vec<String> {
        self.seen().into_iter().filter_map(|seen| seen.range).collect()
    }
}

/// Bytes after which the connection breaks.
struct BrokenBody(Option<Bytes>);

impl Body for BrokenBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(Some(match self.0.take() {
            Some(bytes) => Ok(Frame::data(bytes)),
            None => Err(std::io::ErrorKind::ConnectionReset.into()),
        }))
    }
}

fn answer(status: u16, headers: &[(&'static str, &str)], body: SdkBody) -> RawResponse {
    let mut answer = RawResponse::new(status.try_into().unwrap(), body);
    for (name, value) in headers {
        answer.headers_mut().insert(*name, (*value).to_owned());
    }
    answer
}

fn error(status: u16, code: &str) -> RawResponse {
    let body = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
    answer(status, &[], SdkBody::from(body))
}

/// The part of `0123456789` from `first` on, of which `sent` bytes come before the connection breaks.
fn part(first: usize, sent: Option<usize>) -> RawResponse {
    let range = format!("bytes {first}-9/10");
    let whole = &"0123456789"[first..];
    let body = match sent {
        None => SdkBody::from(whole),
        Some(sent) => SdkBody::from_body_1_x(BrokenBody(Some(Bytes::copy_from_slice(&whole.as_bytes()[..sent])))),
    };
    answer(206, &[("etag", "\"v1\""), ("content-range", &range)], body)
}

fn object() -> ObjectAddress {
    ObjectAddress::of_path(Path::new("s3://exports/a b/pairs.csv")).unwrap().unwrap()
}

async fn read_all(objects: &S3Objects) -> Result<Option<Vec<u8>>, StopError> {
    objects.read_part(&object(), "\"v1\"", 0, 10).await
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_costs_only_the_bytes_that_did_not_come() {
    let (objects, s3) = ScriptedS3::new(|number, _| match number {
        0 => part(0, Some(4)),
        1 => part(4, Some(3)),
        2 => part(7, Some(0)),
        _ => part(7, None),
    });
    assert_eq!(read_all(&objects).await.unwrap().unwrap(), b"0123456789");
    assert_eq!(s3.ranges(), ["bytes=0-9", "bytes=4-9", "bytes=7-9", "bytes=7-9"]);
    assert!(s3.seen().iter().all(|seen| seen.if_match.as_deref() == Some("\"v1\"")));
    assert!(s3.seen()[0].url.starts_with("https://exports.s3.eu-west-1.amazonaws.com/a%20b/pairs.csv"), "{s3:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_brings_nothing_is_given_up() {
    let (objects, s3) = ScriptedS3::new(|_, _| part(0, Some(0)));
    let stop = read_all(&objects).await.unwrap_err();
    assert_eq!(stop.cause, StopCause::Unreachable);
    assert!(stop.detail.contains("breaks again and again: "), "{stop}");
    assert_eq!(s3.seen().len(), S3_BROKEN_CONNECTIONS_MAX as usize);
}

#[tokio::test(start_paused = true)]
async fn another_version_is_never_read() {
    let (objects, _) = ScriptedS3::new(|number, _| match number {
        0 => part(0, Some(4)),
        _ => error(412, "PreconditionFailed"),
    });
    assert_eq!(read_all(&objects).await, Ok(None));
    for answer_of in [
        || error(404, "NoSuchKey"),
        || error(416, "InvalidRange"),
        || answer(206, &[("etag", "\"v2\""), ("content-range", "bytes 0-9/10")], SdkBody::from("0123456789")),
    ] {
        let (objects, _) = ScriptedS3::new(move |_, _| answer_of());
        assert_eq!(read_all(&objects).await, Ok(None));
    }
    // As of a store that takes no notice of ranges.
    for (range, body) in [("bytes 3-9/10", "3456789"), ("bytes 0-9/10", "0123456789abc")] {
        let (objects, _) = ScriptedS3::new(move |_, _| {
            answer(206, &[("etag", "\"v1\""), ("content-range", range)], SdkBody::from(body))
        });
        assert_eq!(read_all(&objects).await.unwrap_err().cause, StopCause::Unreachable);
    }
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_tried_again_and_the_rest_says_what_to_do() {
    let (objects, s3) = ScriptedS3::new(|number, _| match number {
        0..3 => error(503, "SlowDown"),
        _ => part(0, None),
    });
    assert_eq!(read_all(&objects).await.unwrap().unwrap().len(), 10);
    assert_eq!(s3.seen().len(), 4);
    for (status, code, cause, text, attempts) in [
        (503, "SlowDown", StopCause::Unreachable, "S3 answered 503 SlowDown, also after 6 attempts", 6),
        (
            403,
            "AccessDenied",
            StopCause::AccessDenied,
            "S3 answered 403 AccessDenied: the credentials need s3:GetObject",
            1,
        ),
        (400, "ExpiredToken", StopCause::Credentials, "S3 answered 400 ExpiredToken: the credentials are not", 1),
        (403, "InvalidAccessKeyId", StopCause::Credentials, "the credentials are not accepted", 1),
        (405, "MethodNotAllowed", StopCause::Unreachable, "S3 answered 405 MethodNotAllowed", 1),
    ] {
        let (objects, s3) = ScriptedS3::new(move |_, _| error(status, code));
        let stop = read_all(&objects).await.unwrap_err();
        assert_eq!((stop.cause, s3.seen().len()), (cause, attempts), "{stop}");
        assert!(stop.detail.contains(text), "{stop}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bucket_is_called_in_its_own_region() {
    let (objects, s3) = ScriptedS3::new(|_, seen| {
        if seen.url.contains("us-west-2") {
            answer(200, &[("etag", "\"v1\""), ("content-length", "10")], SdkBody::empty())
        } else {
            answer(301, &[(REGION_HEADER, "us-west-2")], SdkBody::empty())
        }
    });
    let found = FoundObject { etag: "\"v1\"".to_owned(), bytes: 10 };
    assert_eq!(objects.find(&object()).await, Ok(Some(found.clone())));
    assert_eq!(objects.find(&object()).await, Ok(Some(found)));
    let wrong = s3.seen().iter().filter(|seen| seen.url.contains("eu-west-1")).count();
    assert_eq!((wrong, s3.seen().len()), (1, 3), "the Region is found once");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_not_found() {
    let (objects, _) = ScriptedS3::new(|_, _| answer(404, &[], SdkBody::empty()));
    assert_eq!(objects.find(&object()).await, Ok(None));
    let (objects, _) = ScriptedS3::new(|_, _| answer(403, &[], SdkBody::empty()));
    let stop = objects.find(&object()).await.unwrap_err();
    assert_eq!(stop.cause, StopCause::AccessDenied);
    assert!(stop.detail.starts_with("S3 answered 403: the credentials need"), "{stop}");
}

#[tokio::test(start_paused = true)]
async fn a_write_sends_the_first_bytes_of_the_file_again_after_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger");
    std::fs::write(&file, "one\ntwo\nhal").unwrap();
    let (objects, s3) = ScriptedS3::new(|number, _| match number {
        0 => error(500, "InternalError"),
        _ => answer(200, &[("etag", "\"v1\"")], SdkBody::empty()),
    });
    objects.write(&object(), &file, 8).await.unwrap();
    objects.write(&object(), &file, 0).await.unwrap();
    let bodies: Vec<String> =
        s3.seen().into_iter().map(|seen| String::from_utf8(seen.body.unwrap_or_default()).unwrap()).collect();
    assert_eq!(bodies.len(), 3);
    assert!(bodies[..2].iter().all(|body| body.contains("one\ntwo\n") && !body.contains("hal")), "{bodies:?}");
    assert!(!bodies[2].contains("one"), "{bodies:?}");
    assert!(s3.seen().iter().all(|seen| seen.method == "PUT"));

    let stop = objects.write(&object(), &file, S3_OBJECT_BYTES_MAX + 1).await.unwrap_err();
    assert_eq!((stop.cause, s3.seen().len()), (StopCause::Configuration, 3), "{stop}");
    for (status, code, text) in [(404, "NoSuchBucket", "no such bucket"), (403, "AccessDenied", "need s3:PutObject")] {
        let (objects, _) = ScriptedS3::new(move |_, _| error(status, code));
        let stop = objects.write(&object(), &file, 8).await.unwrap_err();
        assert!(stop.detail.contains(text), "{stop}");
    }
}
