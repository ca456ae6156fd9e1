//! The simulator as a process of its own, so that it outlives the runs that are killed.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::{Finished, Home, Running, wait_for};

/// Longest wait for an answer about statistics.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running simulator; stopped when dropped.
pub(crate) struct Simulator {
    running: Running,
    pub(crate) url: String,
}

impl Simulator {
    /// Starts one with these options of `simulate`.
    pub(crate) fn start(home: &Home, arguments: &[&str]) -> Self {
        let mut command = home.program(&["simulate", "--listen", "127.0.0.1:0"]);
        command.args(arguments);
        let mut running = Running::start(command);
        let url = wait_for("the simulator's address", || {
            assert!(running.is_running(), "the simulator has ended: {}", running.stderr());
            running.stdout().split_once('\n').map(|(url, _)| url.to_owned())
        });
        Self { running, url }
    }

    /// One that answers at once, without quotas, and has the users of any row.
    pub(crate) fn quick(home: &Home) -> Self {
        home.write("pool.json", super::pool_file(&[]));
        Self::start(home, &["--pool-file", "pool.json", "--create-on-reference", "--latency", "off", "--quota", "off"])
    }

    /// Its address without the scheme.
    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").expect("an http address")
    }

    /// Ends it in order, so that it saves its pool.
    pub(crate) fn stop(self) -> Finished {
        self.running.signal("TERM");
        self.running.wait().left_with(0)
    }

    /// What it saw so far.
    pub(crate) fn stats(&self) -> Value {
        let mut stream = TcpStream::connect(self.address()).expect("the simulator is there");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request =
            format!("GET /_simulator/stats HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address());
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        serde_json::from_str(body).expect("statistics are JSON")
    }

    /// Signs an identity in, as the service would.
    pub(crate) fn sign_in(&self, body: &Value) {
        let body = body.to_string();
        let mut stream = TcpStream::connect(self.address()).expect("the simulator is there");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!(
            "POST /_simulator/sign-in HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            self.address(),
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// Calls of one operation that arrived.
    pub(crate) fn calls(&self, operation: &str) -> u64 {
        self.stats()["operations"][operation]["calls"].as_u64().unwrap_or(0)
    }

    /// Link calls that arrived.
    pub(crate) fn link_calls(&self) -> u64 {
        self.calls("AdminLinkProviderForUser")
    }

    /// Checks that so many identities were linked, and each of them once.
    #[track_caller]
    pub(crate) fn linked_once(&self, identities: usize) {
        let stats = self.stats();
        let seen = (&stats["identities_linked"], &stats["links_made"]);
        assert_eq!((seen.0.as_u64(), seen.1.as_u64()), (Some(identities as u64), Some(identities as u64)), "{stats}");
        assert!(stats["links_of_one_identity_max"].as_u64() <= Some(1), "{stats}");
        assert!(stats["writes_in_flight_per_user_max"].as_u64() <= Some(1), "{stats}");
    }
}
