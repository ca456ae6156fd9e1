//! The control socket of a run: `LEDGER.control`, beside the ledger, for its owner only.
//!
//! It is there as long as the run works. A socket that a killed run has left is replaced: the lock of the ledger says that
//! nobody uses it.

use std::fs::{self, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixStream as BlockingStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader as AsyncBufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::next_step::NextStep;
use super::wire::{RunState, WireAnswer, WireRequest};
use crate::clock::{self, timeout_at};
use crate::domain::control::{ControlRequest, ControlSource};
use crate::engine::ControlMessage;
use crate::ledger::record::RunId;
use crate::limits::{CONTROL_ANSWER_MS_MAX, CONTROL_CONNECTIONS_MAX, CONTROL_LINE_BYTES_MAX};
use crate::ui::Ui;

/// Longest wait on a socket.
const PATIENCE: Duration = Duration::from_millis(CONTROL_ANSWER_MS_MAX);

/// Returns where the run of a ledger listens.
pub fn socket_path(ledger: &Path) -> PathBuf {
    let mut name = ledger.as_os_str().to_owned();
    name.push(".control");
    PathBuf::from(name)
}

/// Whether no program can connect to a socket at this path: the system bounds its length, at about 100 bytes.
fn is_too_long(path: &Path) -> bool {
    SocketAddr::from_pathname(path).is_err()
}

/// A socket that is removed when the value is dropped.
#[derive(Debug)]
pub(super) struct ControlSocket {
    /// `None` where another socket is in its place.
    path: Option<PathBuf>,
    places: ConnectionPlaces,
}

/// Places for connections; all are free when nobody waits for an answer.
#[derive(Debug, Clone)]
pub(super) struct ConnectionPlaces(Arc<Semaphore>);

impl ConnectionPlaces {
    /// Waits until everybody who asked has the answer, at most a second: a request to drain may end the run at once.
    pub(super) async fn answered(&self) {
        let all = u32::try_from(CONTROL_CONNECTIONS_MAX).unwrap_or(u32::MAX);
        let _ = timeout_at(clock::deadline_in(Duration::from_secs(1)), self.0.acquire_many(all)).await;
    }
}

impl ControlSocket {
    /// Listens for requests on the socket of a ledger whose lock this process has.
    pub(super) fn listen(ledger: &Path, run: RunId, command: &'static str, respondent: Respondent) -> io::Result<Self> {
        let path = socket_path(ledger);
        // It is bound under a shorter name, which succeeds all the same.
        if is_too_long(&path) {
            let why = "its path is too long for a socket; run the command in the folder of the ledger, and name it without one";
            return Err(io::Error::new(io::ErrorKind::InvalidFilename, why));
        }
        if fs::symlink_metadata(&path).is_ok_and(|found| !found.file_type().is_socket()) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file of that name is in the way"));
        }
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Made in a folder that nobody else can enter: between `bind` and `chmod` nobody can connect.
        let folder = tempfile::Builder::new().prefix(".c").rand_bytes(4).tempdir_in(parent)?;
        let private = folder.path().join("s");
        let listener = UnixListener::bind(&private)?;
        fs::set_permissions(&private, Permissions::from_mode(0o600))?;
        fs::rename(&private, &path)?;
        let places = Arc::new(Semaphore::new(CONTROL_CONNECTIONS_MAX));
        tokio::spawn(serve(listener, Arc::clone(&places), run, command, respondent));
        Ok(Self { path: Some(path), places: ConnectionPlaces(places) })
    }

    /// Leaves what is at its path to somebody else.
    pub(super) fn forget(&mut self) {
        self.path = None;
    }

    pub(super) fn connections(&self) -> ConnectionPlaces {
        self.places.clone()
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // One that somebody else has removed is gone.
            let _ = fs::remove_file(path);
        }
    }
}

/// Who answers requests.
#[derive(Clone)]
pub(super) enum Respondent {
    Run(mpsc::Sender<ControlMessage>),
    /// A command before its run, which reports what it does and takes the user who requests its end.
    Preparation {
        ui: Ui,
        next: NextStep,
        drain: mpsc::Sender<Option<String>>,
    },
}

impl Respondent {
    async fn answer(&self, request: WireRequest, user: Option<String>, run: RunId, command: &str) -> WireAnswer {
        let is_drain = request == WireRequest::Drain;
        match self {
            Self::Run(requests) => match state_after(request, user, requests).await {
                Some(snapshot) => WireAnswer::State(Box::new(RunState::new(run, command, &snapshot))),
                None => WireAnswer::Error { error: "the run has just ended".to_owned() },
            },
            Self::Preparation { ui, next, drain } => {
                let is_over = if is_drain { !next.decide_for_end() } else { next.is_over() };
                let Some(phase) = ui.phase().filter(|_| !is_over) else {
                    // The run has a socket of its own in the place of this one.
                    return WireAnswer::Error {
                        error: "the run has just begun, or the command has ended: ask again".to_owned(),
                    };
                };
                if is_drain {
                    // One that is there already ends the process as well.
                    let _ = drain.try_send(user);
                } else if request != WireRequest::Status {
                    let error = "the run has not begun: it answers `status` and `drain` until then".to_owned();
                    return WireAnswer::Error { error };
                }
                WireAnswer::State(Box::new(RunState::of_preparation(run, command, is_drain, phase)))
            }
        }
    }

    /// Waits until nobody is left who could answer.
    async fn gone(&self) {
        match self {
            Self::Run(requests) => requests.closed().await,
            Self::Preparation { drain, .. } => drain.closed().await,
        }
    }
}

async fn serve(
    listener: UnixListener,
    places: Arc<Semaphore>,
    run: RunId,
    command: &'static str,
    respondent: Respondent,
) {
    loop {
        // Each connection keeps its place for a bounded time.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        tokio::select! {
            accepted = listener.accept() => {
                // An error is that of one connection, or of a machine without file handles: that passes.
                let Ok((stream, _)) = accepted else {
                    clock::sleep(Duration::from_millis(100)).await;
                    continue;
                };
                let respondent = respondent.clone();
                tokio::spawn(async move {
                    answer(stream, run, command, respondent).await;
                    drop(place);
                });
            }
            () = respondent.gone() => return,
        }
    }
}

/// Reads a request, and writes the answer. One who sends nothing is left alone after a while.
async fn answer(mut stream: UnixStream, run: RunId, command: &'static str, respondent: Respondent) {
    let deadline = clock::deadline_in(PATIENCE);
    let user = stream.peer_cred().ok().map(|peer| user_name(peer.uid()));
    let exchange = async {
        let mut line = String::new();
        let (reader, mut writer) = stream.split();
        AsyncBufReader::new(reader.take(CONTROL_LINE_BYTES_MAX)).read_line(&mut line).await?;
        let answer = match serde_json::from_str::<WireRequest>(&line) {
            Ok(request) => respondent.answer(request, user, run, command).await,
            Err(error) => WireAnswer::Error { error: format!("not a request: {error}") },
        };
        let mut text = serde_json::to_string(&answer)?;
        text.push('\n');
        writer.write_all(text.as_bytes()).await
    };
    if let Ok(Err(error)) = timeout_at(deadline, exchange).await {
        tracing::debug!(%error, "control socket");
    }
}

async fn state_after(
    request: WireRequest,
    user: Option<String>,
    requests: &mpsc::Sender<ControlMessage>,
) -> Option<crate::domain::event::RunSnapshot> {
    let (reply, answer) = oneshot::channel();
    let request = ControlRequest { action: request.action(), source: ControlSource::Socket, user };
    requests.send(ControlMessage { request, reply: Some(reply) }).await.ok()?;
    answer.await.ok()
}

/// Asks the run of a ledger. `None` where no run is live: there is no socket, or a killed run has left it.
pub fn ask(ledger: &Path, request: WireRequest) -> io::Result<Option<WireAnswer>> {
    let path = socket_path(ledger);
    if is_too_long(&path) {
        return Ok(None);
    }
    // One that hangs up has just ended, or has left its place to the socket of the run, which is there already.
    for _ in 0..2 {
        match exchange(&path, request) {
            Ok(Some(answer)) => return Ok(Some(answer)),
            Ok(None) => {}
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => return Ok(None),
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {}
                _ => return Err(error),
            },
        }
    }
    Ok(None)
}

/// Sends a request, and returns the answer; `None` where the other side hangs up without one.
fn exchange(path: &Path, request: WireRequest) -> io::Result<Option<WireAnswer>> {
    let mut stream = BlockingStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(format!("{}\n", serde_json::to_string(&request)?).as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream.take(CONTROL_LINE_BYTES_MAX)).read_line(&mut line)?;
    Ok(if line.is_empty() { None } else { Some(serde_json::from_str(&line)?) })
}

/// The name of a user of this machine, or the number where it has none.
pub(super) fn user_name(uid: u32) -> String {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_of(uid, &users).map_or_else(|| uid.to_string(), str::to_owned)
}

fn name_of(uid: u32, users: &str) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_socket_is_left_at_a_path_that_nobody_can_connect_to() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("l".repeat(120));
        let (requests, _) = mpsc::channel(1);
        let refused = ControlSocket::listen(&ledger, RunId(1), "link", Respondent::Run(requests)).unwrap_err();
        assert!(refused.to_string().contains("too long"), "{refused}");
        assert!(!socket_path(&ledger).exists());
        assert!(matches!(ask(&ledger, WireRequest::Status), Ok(None)));
    }

    #[test]
    fn a_user_has_a_name_or_a_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\nops:x:1000:1000::/srv/ops:/bin/sh\nbroken\n";
        assert_eq!((name_of(1_000, users), name_of(0, users), name_of(7, users)), (Some("ops"), Some("root"), None));
        assert_eq!(user_name(u32::MAX - 7), (u32::MAX - 7).to_string());
    }

    #[test]
    fn a_ledger_without_a_run_has_nobody_to_ask() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("l");
        assert!(ask(&ledger, WireRequest::Status).unwrap().is_none(), "no socket");
        drop(std::os::unix::net::UnixListener::bind(socket_path(&ledger)).unwrap());
        assert!(ask(&ledger, WireRequest::Status).unwrap().is_none(), "the socket of a killed run");
    }

    #[tokio::test]
    async fn a_socket_is_private_replaces_a_stale_one_and_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("l");
        let path = socket_path(&ledger);
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let (sender, mut requests) = mpsc::channel(1);
        let socket = ControlSocket::listen(&ledger, RunId(7), "link", Respondent::Run(sender)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let asked = ledger.clone();
        let asking = tokio::task::spawn_blocking(move || ask(&asked, WireRequest::Rate { per_second: Some(3.0) }));
        let ControlMessage { request, reply } = requests.recv().await.unwrap();
        assert_eq!(request.action, crate::domain::control::ControlAction::SetRate(3.0));
        assert_eq!(request.source, ControlSource::Socket);
        assert!(request.user.is_some(), "the ledger records who it was");
        reply.unwrap().send(crate::domain::event::RunSnapshot::default()).unwrap();
        let WireAnswer::State(state) = asking.await.unwrap().unwrap().unwrap() else { panic!("a state") };
        assert_eq!((state.run.as_str(), state.command.as_str()), ("0000000000000007", "link"));
        drop(socket);
        assert!(!path.exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
    }

    #[tokio::test]
    async fn nonsense_gets_an_error_and_a_file_in_the_way_stays() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("l");
        let (sender, _requests) = mpsc::channel(1);
        let _socket = ControlSocket::listen(&ledger, RunId(7), "link", Respondent::Run(sender.clone())).unwrap();
        let path = socket_path(&ledger);
        let exchange = move || {
            let mut stream = BlockingStream::connect(path).unwrap();
            stream.write_all(b"rm -rf\n").unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        };
        let text = tokio::task::spawn_blocking(exchange).await.unwrap();
        assert!(text.starts_with(r#"{"error":"not a request"#), "{text}");
        let other = folder.path().join("other");
        fs::write(socket_path(&other), "mine").unwrap();
        assert!(ControlSocket::listen(&other, RunId(7), "link", Respondent::Run(sender)).is_err());
        assert_eq!(fs::read_to_string(socket_path(&other)).unwrap(), "mine");
    }
}
