//! The simulator over HTTP/1.1 on loopback, with a bounded number of connections.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::task::JoinSet;

use crate::access::{self, AccessRules};
use crate::account::{Account, Delivery, Response, SharedAccount};
use crate::caller_identity;
use crate::clock::{Clock, deadline_in_ms, sleep, timeout_at};
use crate::error::ApiError;
use crate::limits;
use crate::operation::Operation;
use crate::sign_in::SignIn;
use crate::stats::Stats;
use crate::wire;

/// Path of the statistics (GET).
pub const STATS_PATH: &str = "/_simulator/stats";
/// Path that signs an identity in (POST).
pub const SIGN_IN_PATH: &str = "/_simulator/sign-in";
/// Header of every answer, by which a client knows that it does not talk to AWS. Its value is the simulator's version.
pub const SIMULATOR_HEADER: &str = "x-cognito-sim";

/// Why the simulator cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Others than this machine could reach the address.
    #[error("{0} is not a loopback address; the simulator has no access control, so listen on 127.0.0.1 or [::1]")]
    NotLoopback(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another port, or 0 for any free one")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The reason.
        source: io::Error,
    },
    /// The thread or its runtime cannot be started.
    #[error("cannot start the thread of the simulator: {0}")]
    Start(io::Error),
    /// The operating system gives no random numbers for the access key.
    #[error("cannot create an access key for the simulator: {0}")]
    AccessKey(getrandom::Error),
}

/// A running simulator, on a thread of its own.
pub struct Server {
    account: SharedAccount,
    address: SocketAddr,
    access_key: Option<String>,
    shutdown: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Server {
    /// Starts to serve. Port 0 takes any free port, which [`Server::address`] returns.
    ///
    /// # Errors
    /// [`ServerError`] for an address that is not loopback or cannot be listened on.
    pub fn start(account: Account, listen: SocketAddr) -> Result<Self, ServerError> {
        Self::start_on(bind(listen)?, listen, account, AccessRules::default())
    }

    /// Starts to serve on a free port, and only those who sign with [`Server::access_key`], so that other programs of this
    /// machine can neither read nor change the account.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn start_private(account: Account) -> Result<Self, ServerError> {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let access_key = Some(access::new_access_key().map_err(ServerError::AccessKey)?);
        Self::start_on(bind(listen)?, listen, account, AccessRules { access_key, ..AccessRules::default() })
    }

    fn start_on(
        listener: std::net::TcpListener,
        listen: SocketAddr,
        account: Account,
        rules: AccessRules,
    ) -> Result<Self, ServerError> {
        let address = listener.local_addr().map_err(|source| ServerError::Listen { address: listen, source })?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ServerError::Start)?;
        let account = SharedAccount::new(account);
        let served = account.clone();
        let access_key = rules.access_key.clone();
        let (shutdown, stop) = oneshot::channel();
        let thread = std::thread::Builder::new().name("simulator".to_owned()).spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                // A dropped sender stops the server as a sent message does.
                serve(served, listener, rules, async { drop(stop.await) }).await;
            });
        });
        Ok(Self { account, address, access_key, shutdown, thread: thread.map_err(ServerError::Start)? })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The access key id that requests must be signed with; `None` where any does.
    #[must_use]
    pub fn access_key(&self) -> Option<&str> {
        self.access_key.as_deref()
    }

    /// The account, to read or change it during a run.
    #[must_use]
    pub fn account(&self) -> &SharedAccount {
        &self.account
    }

    /// What it received so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.account.stats()
    }

    /// Stops listening, lets open calls finish for a bounded time, and returns the account.
    #[must_use]
    pub fn stop(self) -> Account {
        let _ = self.shutdown.send(());
        // A thread that panicked leaves the account as it was.
        let _ = self.thread.join();
        self.account.take()
    }
}

/// Listens on a loopback address without blocking.
pub(crate) fn bind(listen: SocketAddr) -> Result<std::net::TcpListener, ServerError> {
    if !listen.ip().is_loopback() {
        return Err(ServerError::NotLoopback(listen));
    }
    let listener = std::net::TcpListener::bind(listen);
    let listener = listener.and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    listener.map_err(|source| ServerError::Listen { address: listen, source })
}

/// Serves until `shutdown` is ready, then lets open calls finish for a bounded time. The listener is one of [`bind`].
pub(crate) async fn serve(
    account: SharedAccount,
    listener: TcpListener,
    rules: AccessRules,
    shutdown: impl Future<Output = ()>,
) {
    let site = Site { account, rules: Arc::new(rules), clock: Clock::system() };
    let (stopping, stop) = watch::channel(());
    let permits = Arc::new(Semaphore::new(limits::CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            (stream, permit) = accept(&listener, &permits) => {
                connections.spawn(connection(site.clone(), stream, stop.clone(), permit));
            }
        }
    }
    drop(listener);
    drop(stopping);
    let finished = async { while connections.join_next().await.is_some() {} };
    // Connections that are still open then are closed when the set is dropped.
    let _ = timeout_at(deadline_in_ms(limits::STOP_MS_MAX), finished).await;
}

/// What every connection serves.
#[derive(Clone)]
struct Site {
    account: SharedAccount,
    rules: Arc<AccessRules>,
    clock: Clock,
}

/// The next connection, once fewer than the maximum are open; until then others wait in the queue of the system.
async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    let permit = Arc::clone(permits).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            // Out of file handles, or the peer is gone already: try again in a moment.
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn connection(
    site: Site,
    stream: TcpStream,
    mut stop: watch::Receiver<()>,
    _permit: Option<OwnedSemaphorePermit>,
) {
    // Answers are small: without this the second half of one may wait for the acknowledgement of the peer.
    let _ = stream.set_nodelay(true);
    let reset = Arc::new(AtomicBool::new(false));
    let stream = ResettableStream { stream, reset: Arc::clone(&reset) };
    let service = service_fn(move |request| answer(site.clone(), Arc::clone(&reset), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limits::IDLE_MS_MAX))
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = &mut connection => return,
        _ = stop.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

// One request: the one path of the service, and those of the simulator.

type HttpResponse = hyper::Response<ResponseBody>;

/// Answers a request, or closes the connection where the fault plan says so.
async fn answer(
    Site { account, rules, clock }: Site,
    reset: Arc<AtomicBool>,
    request: Request<Incoming>,
) -> Result<HttpResponse, ConnectionClosed> {
    if let Err(error) = rules.check(&request) {
        return Ok(error_response(error));
    }
    match (request.method().clone(), request.uri().path()) {
        (Method::POST, "/") => call(&account, clock, &reset, request).await,
        (Method::GET, STATS_PATH) => Ok(json_response(200, serde_json::to_vec(&account.stats()).unwrap_or_default())),
        (Method::POST, SIGN_IN_PATH) => Ok(match access::check_json(&request) {
            Ok(()) => match read_body(request.into_body()).await {
                Ok(body) => sign_in(&account, clock, &body),
                Err(error) => error_response(error),
            },
            Err(error) => error_response(error),
        }),
        _ => Ok(error_response(ApiError::no_such_path())),
    }
}

/// A call of the service. Unknown operations and unsigned calls are refused before anything else.
async fn call(
    account: &SharedAccount,
    clock: Clock,
    reset: &AtomicBool,
    request: Request<Incoming>,
) -> Result<HttpResponse, ConnectionClosed> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    if header("content-type").is_some_and(caller_identity::is_query) {
        let is_signed = header("authorization").is_some();
        let body = read_body(request.into_body()).await;
        return Ok(http_response(caller_identity::answer(body, is_signed), ResponseBody::whole));
    }
    let target = header("x-amz-target").unwrap_or_default();
    let operation = Operation::by_target(target).ok_or_else(|| ApiError::unknown_operation(target));
    let operation = operation.and_then(|operation| match header("authorization") {
        Some(_) => Ok(operation),
        None => Err(ApiError::unsigned()),
    });
    let body = read_body(request.into_body()).await;
    let (pending, in_flight) = account.begin(clock.unix_ms(), operation, body.as_deref().map_err(Clone::clone));
    sleep(pending.delay).await;
    drop(in_flight);
    match pending.delivery {
        Delivery::Whole => Ok(http_response(pending.response(), ResponseBody::whole)),
        Delivery::Half => Ok(http_response(pending.response(), ResponseBody::first_half)),
        Delivery::Lost => Err(ConnectionClosed),
        Delivery::Reset => {
            reset.store(true, Ordering::Relaxed);
            Err(ConnectionClosed)
        }
    }
}

async fn read_body(body: Incoming) -> Result<Bytes, ApiError> {
    let body = Limited::new(body, limits::BODY_BYTES_MAX).collect();
    match timeout_at(deadline_in_ms(limits::BODY_MS_MAX), body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(_)) => Err(ApiError::body_too_large()),
        Err(_) => Err(ApiError::unreadable("the body of the request did not arrive in time")),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SignInBody {
    user_pool_id: String,
    provider_name: String,
    user_id: String,
    #[serde(default)]
    claims: BTreeMap<String, String>,
    #[serde(default)]
    issuer: Option<String>,
}

fn sign_in(account: &SharedAccount, clock: Clock, body: &[u8]) -> HttpResponse {
    let Ok(SignInBody { user_pool_id, provider_name, user_id, claims, issuer }) = serde_json::from_slice(body) else {
        return error_response(ApiError::unreadable(
            "expected the strings UserPoolId, ProviderName, UserId and, optionally, Issuer, and Claims, an object of strings",
        ));
    };
    let sign_in = SignIn { provider: provider_name, user_id, claims, issuer };
    match account.with(|account| account.sign_in(clock.unix_ms(), &user_pool_id, &sign_in)) {
        Ok(signed_in) => {
            let body = json!({ "Username": signed_in.username, "Created": signed_in.created });
            json_response(200, body.to_string().into_bytes())
        }
        Err(error) => error_response(error),
    }
}

fn error_response(error: ApiError) -> HttpResponse {
    json_response(error.status, wire::encode(&Err(error)))
}

/// JSON from the simulator itself.
fn json_response(status: u16, body: Vec<u8>) -> HttpResponse {
    let headers = vec![("content-type", "application/json".to_owned())];
    http_response(Response { status, headers, body }, ResponseBody::whole)
}

fn http_response(response: Response, body: fn(Vec<u8>) -> ResponseBody) -> HttpResponse {
    let mut http = hyper::Response::new(body(response.body));
    *http.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::BAD_REQUEST);
    http.headers_mut().insert(SIMULATOR_HEADER, HeaderValue::from_static(env!("CARGO_PKG_VERSION")));
    for (name, value) in response.headers {
        // A message that quotes control characters of a request cannot be a header; it is in the body too.
        if let Ok(value) = HeaderValue::from_str(&value) {
            http.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    http
}

/// Why a connection closes before its answer is whole.
#[derive(Debug, thiserror::Error)]
#[error("the fault plan closes this connection")]
struct ConnectionClosed;

/// A body. Of a half one only the first half is written, though its length is announced in full.
struct ResponseBody {
    data: Option<Bytes>,
    announced_length: u64,
    breaks_off: bool,
    flushed: bool,
}

impl ResponseBody {
    fn whole(body: Vec<u8>) -> Self {
        let announced_length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        Self { data: Some(body.into()), announced_length, breaks_off: false, flushed: false }
    }

    fn first_half(body: Vec<u8>) -> Self {
        let mut body = Self::whole(body);
        body.data = body.data.map(|bytes| bytes.slice(..bytes.len() / 2));
        body.breaks_off = true;
        body
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = ConnectionClosed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ConnectionClosed>>> {
        if let Some(bytes) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if !self.breaks_off {
            return Poll::Ready(None);
        }
        if self.flushed {
            return Poll::Ready(Some(Err(ConnectionClosed)));
        }
        // Waiting once lets the connection write the first half before it breaks.
        self.flushed = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && !self.breaks_off
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced_length)
    }
}

/// A connection that ends in a reset, as one through a failing middlebox does, once the flag is set.
struct ResettableStream {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl ResettableStream {
    fn inner(self: Pin<&mut Self>) -> Pin<&mut TcpStream> {
        Pin::new(&mut self.get_mut().stream)
    }

    fn is_reset(&self) -> bool {
        self.reset.load(Ordering::Relaxed)
    }
}

impl Drop for ResettableStream {
    fn drop(&mut self) {
        if self.is_reset() {
            // A socket that does not linger is closed with a reset. Where this cannot be set, it closes as usual.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for ResettableStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_read(context, buffer)
    }
}

impl AsyncWrite for ResettableStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.inner().poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.inner().poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_reset() { Poll::Ready(Ok(())) } else { self.inner().poll_shutdown(context) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;
    use crate::account::Latency;
    use crate::fault::{FaultKind, FaultPlan, FaultRule, FaultTrigger};
    use crate::operation::Operation;
    use crate::quota::Quota;
    use crate::tests::{POOL, example};

    fn start(faults: FaultPlan) -> Server {
        let account = Account::new(1)
            .with_pool(example(true))
            .with_quota(Quota::off())
            .with_latency(Latency::off())
            .with_faults(faults);
        Server::start(account, SocketAddr::from(([127, 0, 0, 1], 0))).unwrap()
    }

    /// Sends one request on a connection of its own and reads until the server closes it.
    fn exchange(server: &Server, head: &str, body: &str) -> String {
        let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
        let length = body.len();
        write!(stream, "{head}\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
            .unwrap();
        let mut answer = Vec::new();
        // A connection that is cut off may end in an error; what came before counts.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }

    fn call(server: &Server, operation: &str, body: &str) -> String {
        let head = format!(
            "POST / HTTP/1.1\r\nContent-Type: application/x-amz-json-1.1\r\n\
             X-Amz-Target: AWSCognitoIdentityProviderService.{operation}\r\nAuthorization: AWS4-HMAC-SHA256 unverified"
        );
        exchange(server, &head, body)
    }

    fn link(server: &Server, username: &str, id: &str) -> String {
        let body = format!(
            r#"{{"UserPoolId":"{POOL}","DestinationUser":{{"ProviderName":"Cognito","ProviderAttributeValue":"{username}"}},
                "SourceUser":{{"ProviderName":"Google","ProviderAttributeName":"Cognito_Subject","ProviderAttributeValue":"{id}"}}}}"#
        );
        call(server, "AdminLinkProviderForUser", &body)
    }

    #[test]
    fn a_link_over_the_wire() {
        let server = start(FaultPlan::none());
        let answer = link(&server, "alice", "1");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert_eq!(body, "{}");
        assert!(head.contains("content-type: application/x-amz-json-1.1\r\n"));
        assert!(head.contains("x-amzn-requestid: ") && head.contains("\r\ndate: ") && head.contains(" GMT"));
        assert_eq!(head.matches("\r\ndate: ").count(), 1);
        let mut account = server.stop();
        assert_eq!(account.stats().of(Operation::LinkProvider).accepted, 1);
        let alice = account.pool_mut(POOL).unwrap().get_user("alice").unwrap();
        assert!(alice.attributes.iter().any(|(name, _)| name == "identities"));
    }

    #[test]
    fn errors_have_the_services_form() {
        let server = start(FaultPlan::none());
        let answer = link(&server, "nobody", "1");
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains("x-amzn-errortype: UserNotFoundException:\r\n"));
        assert!(answer.contains("x-amzn-errormessage: User does not exist.\r\n"));
        assert!(answer.ends_with(r#"{"__type":"UserNotFoundException","message":"User does not exist."}"#));
        assert!(call(&server, "AdminDeleteEverything", "{}").ends_with(
            r#"{"__type":"UnknownOperationException","message":"The simulator does not support operation 'AWSCognitoIdentityProviderService.AdminDeleteEverything'"}"#
        ));
        let sign_up =
            exchange(&server, "POST / HTTP/1.1\r\nX-Amz-Target: AWSCognitoIdentityProviderService.SignUp", "{}");
        assert!(sign_up.contains("operation 'AWSCognitoIdentityProviderService.SignUp'"), "unsigned as it should be");
        let unsigned = exchange(
            &server,
            "POST / HTTP/1.1\r\nX-Amz-Target: AWSCognitoIdentityProviderService.DescribeUserPool",
            "{}",
        );
        assert!(
            unsigned.ends_with(
                r#"{"__type":"MissingAuthenticationTokenException","message":"Missing Authentication Token"}"#
            )
        );
        let large = format!("\"{}\"", "x".repeat(limits::BODY_BYTES_MAX));
        assert!(call(&server, "DescribeUserPool", &large).starts_with("HTTP/1.1 413 "));
        assert!(exchange(&server, "GET /other HTTP/1.1", "").starts_with("HTTP/1.1 404 "));
        assert_eq!(server.stop().stats().unknown_calls, 3);
    }

    #[test]
    fn connections_close_where_the_fault_plan_says() {
        let faults = FaultPlan::none()
            .with(FaultRule::new(FaultKind::LostAfter, FaultTrigger::Calls(1..=1)))
            .with(FaultRule::new(FaultKind::HalfWritten, FaultTrigger::Calls(2..=2)))
            .with(FaultRule::new(FaultKind::ErrorBefore, FaultTrigger::Calls(3..=3)));
        let server = start(faults);
        assert_eq!(link(&server, "alice", "1"), "");
        let half = call(&server, "DescribeUserPool", &format!(r#"{{"UserPoolId":"{POOL}"}}"#));
        let (head, body) = half.split_once("\r\n\r\n").unwrap();
        let announced: usize =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        assert!(!body.is_empty() && body.len() == announced / 2, "{} of {announced}", body.len());
        assert!(link(&server, "alice", "2").starts_with("HTTP/1.1 500 "));
        assert!(link(&server, "alice", "1").contains("SourceUser is already linked to DestinationUser"));
        assert_eq!(server.stop().stats().links_made, 1);
    }

    #[test]
    fn a_reset_is_told_from_a_closed_connection() {
        let faults = FaultPlan::none()
            .with(FaultRule::new(FaultKind::ResetAfter, FaultTrigger::Calls(1..=1)))
            .with(FaultRule::new(FaultKind::LostAfter, FaultTrigger::Calls(2..=2)));
        let server = start(faults);
        let mut ends = Vec::new();
        for id in ["1", "2"] {
            let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
            let body = format!(r#"{{"UserPoolId":"{POOL}","Id":"{id}"}}"#);
            let length = body.len();
            write!(
                stream,
                "POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: unverified\r\nContent-Length: {length}\r\n\
                 X-Amz-Target: AWSCognitoIdentityProviderService.DescribeUserPool\r\n\r\n{body}"
            )
            .unwrap();
            ends.push(stream.read_to_end(&mut Vec::new()).map_err(|error| error.kind()));
        }
        assert_eq!(ends, [Err(io::ErrorKind::ConnectionReset), Ok(0)]);
        drop(server.stop());
    }

    #[test]
    fn statistics_and_sign_ins_have_their_own_paths() {
        let server = start(FaultPlan::none());
        link(&server, "alice", "1");
        let sign_in = |id: &str| {
            let body = format!(r#"{{"UserPoolId":"{POOL}","ProviderName":"Google","UserId":"{id}"}}"#);
            exchange(&server, "POST /_simulator/sign-in HTTP/1.1\r\nContent-Type: application/json", &body)
        };
        let form = exchange(&server, "POST /_simulator/sign-in HTTP/1.1\r\nContent-Type: text/plain", "{}");
        assert!(form.starts_with("HTTP/1.1 403 ") && form.contains("application/json"), "{form}");
        assert!(sign_in("1").ends_with(r#"{"Username":"alice","Created":false}"#));
        assert!(sign_in("77").ends_with(r#"{"Username":"Google_77","Created":true}"#));
        assert!(sign_in("4004").contains("UsernameExistsException"));
        let stats = exchange(&server, "GET /_simulator/stats HTTP/1.1", "");
        let stats: serde_json::Value = serde_json::from_str(stats.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!(stats["operations"]["AdminLinkProviderForUser"]["accepted"], 1);
        assert_eq!(stats["links_made"], 1);
        drop(server.stop());
    }

    #[test]
    fn a_private_server_answers_those_who_know_its_key() {
        let server = Server::start_private(Account::new(1).with_pool(example(true))).unwrap();
        let describe = |key: &str| {
            let head = format!(
                "POST / HTTP/1.1\r\nX-Amz-Target: AWSCognitoIdentityProviderService.DescribeUserPool\r\n\
                 Authorization: AWS4-HMAC-SHA256 Credential={key}/20260101/sim-local-1/cognito-idp/aws4_request"
            );
            exchange(&server, &head, &format!(r#"{{"UserPoolId":"{POOL}"}}"#))
        };
        let answer = describe(server.access_key().unwrap());
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("x-cognito-sim: "), "{answer}");
        assert!(describe("SIM").starts_with("HTTP/1.1 403 "));
        assert!(exchange(&server, "GET /_simulator/stats HTTP/1.1", "").starts_with("HTTP/1.1 403 "));
        assert_eq!(server.stop().stats().of(Operation::DescribePool).calls, 1);
    }

    #[test]
    fn only_loopback_is_listened_on() {
        for address in [[0, 0, 0, 0], [192, 0, 2, 1]] {
            let refused = Server::start(Account::new(1), SocketAddr::from((address, 0))).err().unwrap();
            assert!(matches!(refused, ServerError::NotLoopback(_)), "{refused}");
        }
        let server = start(FaultPlan::none());
        let taken = Server::start(Account::new(1), server.address()).err().unwrap();
        assert!(matches!(taken, ServerError::Listen { .. }), "{taken}");
        drop(server.stop());
    }

    #[test]
    fn a_stopping_server_finishes_its_open_calls() {
        let server = start(FaultPlan::none().with(FaultRule::new(FaultKind::Slow { ms: 200 }, FaultTrigger::From(1))));
        let account = server.account().clone();
        let address = server.address();
        let caller = std::thread::spawn(move || {
            let server = Server {
                account: account.clone(),
                address,
                access_key: None,
                shutdown: oneshot::channel().0,
                thread: std::thread::spawn(|| {}),
            };
            link(&server, "alice", "1")
        });
        while server.stats().in_flight == 0 {
            std::thread::yield_now();
        }
        let account = server.stop();
        assert!(caller.join().unwrap().ends_with("{}"));
        assert_eq!(account.stats().in_flight, 0);
    }
}
