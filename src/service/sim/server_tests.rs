use std::io::{Read as _, Write as _};

use super::*;
use crate::service::sim::fault::{FaultKind, FaultPlan, FaultRule, When};
use crate::service::sim::latency::Latency;
use crate::service::sim::quota::Quota;
use crate::service::sim::request::Operation;
use crate::service::sim::tests::{POOL, example};

fn start(faults: FaultPlan) -> Server {
    let world = World::new(1)
        .with_pool(example(true))
        .with_quota(Quota::off())
        .with_latency(Latency::off())
        .with_faults(faults);
    Server::start(world, SocketAddr::from(([127, 0, 0, 1], 0))).unwrap()
}

/// Sends one request on a connection of its own and reads until the server closes it.
fn exchange(server: &Server, head: &str, body: &str) -> String {
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    let length = body.len();
    write!(stream, "{head}\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
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
    let mut world = server.stop();
    assert_eq!(world.stats().of(Operation::LinkProvider).accepted, 1);
    let alice = world.pool_mut(POOL).unwrap().get_user("alice").unwrap();
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
    assert!(call(&server, "AdminDeleteEverything", "{}").ends_with(r#"{"__type":"UnknownOperationException"}"#));
    let unsigned =
        exchange(&server, "POST / HTTP/1.1\r\nX-Amz-Target: AWSCognitoIdentityProviderService.DescribeUserPool", "{}");
    assert!(
        unsigned
            .ends_with(r#"{"__type":"MissingAuthenticationTokenException","message":"Missing Authentication Token"}"#)
    );
    let large = format!("\"{}\"", "x".repeat(limits::SIM_BODY_BYTES_MAX));
    assert!(call(&server, "DescribeUserPool", &large).starts_with("HTTP/1.1 413 "));
    assert!(exchange(&server, "GET /other HTTP/1.1", "").starts_with("HTTP/1.1 404 "));
    assert_eq!(server.stop().stats().unknown_calls, 2);
}

#[test]
fn connections_close_where_the_fault_plan_says() {
    let faults = FaultPlan::none()
        .with(FaultRule::new(FaultKind::LostAfter, When::Calls(1..=1)))
        .with(FaultRule::new(FaultKind::HalfWritten, When::Calls(2..=2)))
        .with(FaultRule::new(FaultKind::ErrorBefore, When::Calls(3..=3)));
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
        .with(FaultRule::new(FaultKind::ResetAfter, When::Calls(1..=1)))
        .with(FaultRule::new(FaultKind::LostAfter, When::Calls(2..=2)));
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
        exchange(&server, "POST /_simulator/sign-in HTTP/1.1", &body)
    };
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
fn only_loopback_is_listened_on() {
    for address in [[0, 0, 0, 0], [192, 0, 2, 1]] {
        let refused = Server::start(World::new(1), SocketAddr::from((address, 0))).err().unwrap();
        assert!(matches!(refused, SimError::NotLoopback(_)), "{refused}");
    }
    let server = start(FaultPlan::none());
    let taken = Server::start(World::new(1), server.address()).err().unwrap();
    assert!(matches!(taken, SimError::Listen { .. }), "{taken}");
    drop(server.stop());
}

#[test]
fn a_stopping_server_finishes_its_open_calls() {
    let server = start(FaultPlan::none().with(FaultRule::new(FaultKind::Slow { ms: 200 }, When::From(1))));
    let world = server.world().clone();
    let address = server.address();
    let caller = std::thread::spawn(move || {
        let server =
            Server { world: world.clone(), address, shutdown: oneshot::channel().0, thread: std::thread::spawn(|| {}) };
        link(&server, "alice", "1")
    });
    while server.stats().in_flight == 0 {
        std::thread::yield_now();
    }
    let world = server.stop();
    assert!(caller.join().unwrap().ends_with("{}"));
    assert_eq!(world.stats().in_flight, 0);
}
