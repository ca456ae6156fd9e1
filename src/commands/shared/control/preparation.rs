//! A command that holds its ledger and has not begun its run: it checks the input, or reads the pool. It reports what it
//! does, and can be ended; a thread of its own answers, because the checks keep the command's thread busy.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::mpsc;

use super::socket::{ConnectionPlaces, ControlSocket, Respondent, socket_path};
use crate::commands::shared::CommandContext;
use crate::domain::run::{StopCause, StopError};
use crate::exit::Exit;
use crate::ui::Ui;

/// Neither the run has begun nor the process is ending. Whichever comes first changes this, once.
const PREPARING: u8 = 0;
const RUN_BEGINS: u8 = 1;
const PROCESS_ENDS: u8 = 2;

/// The time up to the run, or to the end of a command that has nothing to run. It takes its socket with it, so it must be
/// dropped before the ledger's lock is released.
pub struct Preparation {
    stage: Arc<AtomicU8>,
    socket: ControlSocket,
}

impl Preparation {
    /// Starts to answer. The ledger's lock must be held. Without a socket or a thread nobody answers: the run warns of
    /// that at its start.
    pub fn start(ledger: &Path, command: &'static str, context: &CommandContext<'_>) -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        let (drain, mut drains) = mpsc::channel(1);
        let socket = {
            let _inside = runtime.enter();
            let respondent = Respondent::Preparation { ui: context.ui.clone(), drain };
            ControlSocket::listen(ledger, context.run, command, respondent).ok()?
        };
        let stage = Arc::new(AtomicU8::new(PREPARING));
        let end = CommandEnd {
            stage: Arc::clone(&stage),
            socket: socket_path(ledger),
            connections: socket.connections(),
            command,
            ui: context.ui.clone(),
        };
        let answer = move || {
            if let Some(user) = runtime.block_on(drains.recv()) {
                end.at_request_of(user.as_deref(), &runtime);
            }
        };
        std::thread::Builder::new().name("control".to_owned()).spawn(answer).ok()?;
        Some(Self { stage, socket })
    }

    /// Leaves the path of the socket to the run, which has put its own there.
    pub(super) fn hand_over(mut self) {
        self.socket.forget();
    }
}

impl Drop for Preparation {
    /// Does not return where the process is ending.
    fn drop(&mut self) {
        while !take(&self.stage, RUN_BEGINS) {
            std::thread::park();
        }
    }
}

/// Returns whether this came first.
fn take(stage: &AtomicU8, next: u8) -> bool {
    stage.compare_exchange(PREPARING, next, Ordering::SeqCst, Ordering::SeqCst).is_ok()
}

/// What is needed to end the process in the place of its main thread.
struct CommandEnd {
    stage: Arc<AtomicU8>,
    socket: PathBuf,
    connections: ConnectionPlaces,
    command: &'static str,
    ui: Ui,
}

impl CommandEnd {
    /// Ends the process as a signal does, unless the run has begun: nothing was sent.
    #[expect(clippy::disallowed_methods, reason = "the main thread is busy, and there is nothing to finish")]
    fn at_request_of(&self, user: Option<&str>, runtime: &tokio::runtime::Runtime) {
        if !take(&self.stage, PROCESS_ENDS) {
            return;
        }
        runtime.block_on(self.connections.answered());
        // The lock of the ledger is released only when the process is gone.
        let _ = std::fs::remove_file(&self.socket);
        let by = user.map_or(String::new(), |user| format!(" (requested by {user})"));
        self.ui.clear_status();
        let detail = format!("drained before the run began{by}; nothing was sent");
        self.ui.stopped(&StopError::new(StopCause::Drained, detail));
        self.ui.ended(self.command, Exit::Bound.status());
        std::process::exit(Exit::Bound.status().into());
    }
}
