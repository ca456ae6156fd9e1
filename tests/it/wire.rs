//! What the real SDK sends, seen from the other end of the socket.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cognito_link::domain::identity::{
    AttributeName, DestinationUser, ExternalIdentity, Personal, PoolId, ProviderName,
};
use cognito_link::service::cognito::{Cognito, ConnectionTarget};
use cognito_link::service::{CallFault, LinkRequest};

/// Answers every request on every connection in the same way, and counts them.
fn answer_all(head: String, body: String) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&requests);
    std::thread::spawn(move || {
        // Bounded: a client that retried for ever would meet a closed port.
        for stream in listener.incoming().take(20).flatten() {
            serve(stream, &head, &body, &seen);
        }
    });
    (url, requests)
}

/// One request a connection: the answer closes it.
fn serve(mut stream: TcpStream, head: &str, body: &str, seen: &AtomicU64) {
    let mut request = Vec::new();
    let mut part = [0; 4_096];
    while !is_whole(&request) {
        match stream.read(&mut part) {
            Ok(0) | Err(_) => return,
            Ok(count) => request.extend_from_slice(&part[..count]),
        }
    }
    seen.fetch_add(1, Ordering::SeqCst);
    let answer = format!("HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    // The client may have gone; then it has seen what it wanted.
    let _ = stream.write_all(answer.as_bytes());
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.trim().parse().ok());
    body.len() >= length.unwrap_or(0)
}

fn request() -> LinkRequest {
    let source = ExternalIdentity::new(
        ProviderName::parse("Google").unwrap(),
        AttributeName::subject(),
        Personal::parse("1098", 128).unwrap(),
    );
    let destination =
        DestinationUser { provider: ProviderName::native(), value: Personal::parse("carlos", 128).unwrap() };
    LinkRequest { destination, source: source.unwrap() }
}

/// The SDK's own retries would make three calls of each of these, `LimitExceededException` included.
#[tokio::test]
async fn one_attempt_is_one_request_whatever_the_answer() {
    for (status, code) in [
        ("400 Bad Request", "TooManyRequestsException"),
        ("400 Bad Request", "LimitExceededException"),
        ("500 Internal Server Error", "InternalErrorException"),
        ("503 Service Unavailable", "ServiceUnavailable"),
    ] {
        let body = format!(r#"{{"__type":"{code}","message":"no"}}"#);
        let (url, requests) = answer_all(format!("{status}\r\ncontent-type: application/x-amz-json-1.1"), body);
        let cognito = connect(url).await;
        let fault = cognito.linker().link(request()).await.unwrap_err();
        assert!(matches!(&fault, CallFault::Answered { code: answered, .. } if answered == code), "{fault:?}");
        assert_eq!(requests.load(Ordering::SeqCst), 1, "{code}");
    }
}

async fn connect(endpoint_url: String) -> Cognito {
    let target = ConnectionTarget::Simulator { endpoint_url, access_key: "SIMULATED".to_owned() };
    let pool = PoolId::parse("sim-local-1_Example01").unwrap();
    Cognito::connect(&target, pool.region(), pool.clone()).await.unwrap()
}

/// A status of success proves nothing by itself: proxies and captive portals send it too.
#[tokio::test]
async fn only_one_form_of_answer_is_a_success() {
    let mut successes = Vec::new();
    let mut tried = 0;
    let statuses = ["200 OK", "201 Created", "202 Accepted", "204 No Content", "206 Partial Content", "302 Found"];
    let failures = ["400 Bad Request", "403 Forbidden", "500 Internal Server Error"];
    let request_ids = [
        "x-amzn-requestid: 7-7",
        "x-request-id: 7-7",
        "x-amzn-requestid: ",
        "x-amzn-requestid: 7-7\r\nx-amzn-errortype: InternalErrorException",
        "x-amzn-requestid: 7-7\r\ncontent-encoding: gzip",
    ];
    for status in statuses.into_iter().chain(failures) {
        for content_type in ["application/x-amz-json-1.1", "text/html", "image/png", ""] {
            for request_id in request_ids {
                for body in ["{}", "", "[]", "null", "OK", "<html></html>", "{} {}", r#"{"message":"denied"}"#, "{"] {
                    let content_type = if content_type.is_empty() {
                        String::new()
                    } else {
                        format!("\r\ncontent-type: {content_type}")
                    };
                    let (url, requests) =
                        answer_all(format!("{status}{content_type}\r\n{request_id}"), body.to_owned());
                    let answer = connect(url).await.linker().link(request()).await;
                    assert_eq!(requests.load(Ordering::SeqCst), 1);
                    tried += 1;
                    match answer {
                        Ok(_) => successes.push(format!("{status}{content_type} {request_id} {body}")),
                        Err(CallFault::Transport { .. }) => {}
                        Err(CallFault::Answered { .. }) if failures.contains(&status) || status == "302 Found" => {}
                        Err(fault) => panic!("{status} {content_type} {request_id} {body}: {fault:?}"),
                    }
                }
            }
        }
    }
    assert_eq!(tried, 1_620);
    assert_eq!(successes, ["200 OK\r\ncontent-type: application/x-amz-json-1.1 x-amzn-requestid: 7-7 {}"]);
}

/// Whoever answers controls the size of the answer, and may send without end.
#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    for status in ["200 OK", "400 Bad Request"] {
        let body = format!("{{{}}}", " ".repeat(16 << 20));
        let (url, _) =
            answer_all(format!("{status}\r\ncontent-type: application/x-amz-json-1.1\r\nx-amzn-requestid: 7"), body);
        let fault = connect(url).await.linker().link(request()).await.unwrap_err();
        assert!(matches!(&fault, CallFault::Transport { .. }), "{fault:?}");
        assert!(fault.message().contains("length limit exceeded"), "{}", fault.message());
    }
}
