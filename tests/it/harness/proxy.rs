//! Misfortune between program and simulator: link calls are lost, refused or answered by somebody else.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A gate at which calls wait until it is opened.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<AtomicBool>);

impl Gate {
    pub(crate) fn open(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Waits, within bounds.
    pub(crate) fn pass(&self) {
        super::wait_for("a gate to open", || self.0.load(Ordering::SeqCst).then_some(()));
    }
}

/// What becomes of a link call. Every other call passes.
#[derive(Debug, Clone)]
pub(crate) enum Fate {
    /// It reaches the simulator, and its answer comes back.
    Passes,
    /// The connection closes before it reaches the simulator.
    LostBefore,
    /// It reaches the simulator, and the connection closes before the answer.
    LostAfter,
    /// It reaches the simulator, and the answer never comes.
    Unanswered,
    /// It does not reach the simulator; this is the answer: HTTP status, code, message.
    Answered(u16, &'static str, String),
    /// It does not reach the simulator; the answer is this page with this HTTP status.
    Page(u16, &'static str),
    /// It reaches the simulator, and its answer comes back as this makes it, from head and body.
    Rewritten(fn(&str, &str) -> String),
}

type Plan = dyn Fn(usize, &str) -> Fate + Send + Sync;

/// Longest wait for either side.
const PATIENCE: Duration = Duration::from_secs(30);

struct Shared {
    to: String,
    plan: Box<Plan>,
    link_calls: Mutex<Vec<Instant>>,
    /// What the plan decides about.
    operation: &'static str,
    closing: AtomicBool,
}

/// A proxy on loopback; it stops listening when dropped.
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    pub(crate) url: String,
}

impl Proxy {
    /// Starts one before `to`. The plan is told the number of the link call, from 1, and its body.
    pub(crate) fn start(to: &str, plan: impl Fn(usize, &str) -> Fate + Send + Sync + 'static) -> Self {
        Self::before("AdminLinkProviderForUser", to, plan)
    }

    /// Starts one whose plan is for the calls of another operation.
    pub(crate) fn before(
        operation: &'static str,
        to: &str,
        plan: impl Fn(usize, &str) -> Fate + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Shared {
            to: to.to_owned(),
            plan: Box::new(plan),
            link_calls: Mutex::default(),
            operation,
            closing: AtomicBool::new(false),
        };
        let shared = Arc::new(shared);
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.closing.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), shared) = (stream, Arc::clone(&accepting)) else { return };
                // A connection that breaks is the program's to deal with.
                std::thread::spawn(move || drop(shared.serve(&stream)));
            }
        });
        Self { shared, url }
    }

    /// When each link call arrived.
    pub(crate) fn link_calls(&self) -> Vec<Instant> {
        self.shared.link_calls.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        let address = self.url.strip_prefix("http://").unwrap();
        // Wakes the listener, which then sees that it is over.
        drop(TcpStream::connect(address));
    }
}

impl Shared {
    fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let upstream = TcpStream::connect(&self.to)?;
        upstream.set_nodelay(true)?;
        upstream.set_read_timeout(Some(PATIENCE))?;
        let mut requests = BufReader::new(stream);
        let mut answers = BufReader::new(&upstream);
        while let Some(request) = Message::read(&mut requests)? {
            match self.fate(&request) {
                Fate::LostBefore => break,
                Fate::LostAfter => {
                    (&upstream).write_all(&request.bytes())?;
                    Message::read(&mut answers)?;
                    break;
                }
                Fate::Unanswered => {
                    (&upstream).write_all(&request.bytes())?;
                    Message::read(&mut answers)?;
                    // Until the program gives up.
                    Message::read(&mut requests)?;
                    break;
                }
                Fate::Answered(status, code, message) => {
                    let mut stream = stream;
                    stream.write_all(error_answer(status, code, &message).as_bytes())?;
                }
                Fate::Page(status, page) => {
                    let mut stream = stream;
                    let length = page.len();
                    let head = format!(
                        "HTTP/1.1 {status} Page\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\r\n"
                    );
                    stream.write_all(format!("{head}{page}").as_bytes())?;
                }
                Fate::Rewritten(rewrite) => {
                    (&upstream).write_all(&request.bytes())?;
                    let Some(answer) = Message::read(&mut answers)? else { break };
                    let mut stream = stream;
                    stream.write_all(rewrite(&answer.head, &String::from_utf8_lossy(&answer.body)).as_bytes())?;
                }
                Fate::Passes => {
                    (&upstream).write_all(&request.bytes())?;
                    let Some(answer) = Message::read(&mut answers)? else { break };
                    let mut stream = stream;
                    stream.write_all(&answer.bytes())?;
                }
            }
        }
        stream.shutdown(Shutdown::Both)
    }

    fn fate(&self, request: &Message) -> Fate {
        if !request.head.contains(self.operation) {
            return Fate::Passes;
        }
        let number = {
            let mut calls = self.link_calls.lock().unwrap();
            calls.push(Instant::now());
            calls.len()
        };
        (self.plan)(number, &String::from_utf8_lossy(&request.body))
    }
}

fn error_answer(status: u16, code: &str, message: &str) -> String {
    let body = serde_json::json!({ "__type": code, "message": message }).to_string();
    format!(
        "HTTP/1.1 {status} Made Up\r\nContent-Type: application/x-amz-json-1.1\r\nx-amzn-errortype: {code}\r\n\
         x-amzn-requestid: 00000000-0000-4000-8000-000000000000\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A request or an answer of HTTP/1.1 whose length stands in its head.
pub(super) struct Message {
    pub(super) head: String,
    body: Vec<u8>,
}

impl Message {
    pub(super) fn read(from: &mut impl BufRead) -> std::io::Result<Option<Self>> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if from.read_line(&mut head)? == 0 {
                return Ok(None);
            }
        }
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        let mut body = vec![0; length.unwrap_or(0)];
        from.read_exact(&mut body)?;
        Ok(Some(Self { head, body }))
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        [self.head.as_bytes(), &self.body].concat()
    }
}
