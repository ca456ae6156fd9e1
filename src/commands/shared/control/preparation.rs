//! A command that holds its ledger and has not begun its run: it checks the input, or reads the pool. It reports what it
//! does, and can be ended; a thread of its own answers, because the checks keep the command's thread busy.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::socket::{ControlSocket, Respondent};
use crate::commands::shared::CommandContext;
use crate::domain::run::{StopCause, StopError};
use crate::exit::Exit;
use crate::ui::Ui;

/// Whether the run has begun. Whoever holds the lock decides: a drain ends the process, or comes too late.
type Begun = Arc<Mutex<bool>>;

/// The time up to the run. Dropped, it takes its socket with it, which must be before the ledger's lock is released.
pub struct Preparation {
    begun: Begun,
    socket: Arc<Mutex<Option<ControlSocket>>>,
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
        let preparation = Self { begun: Begun::default(), socket: Arc::new(Mutex::new(Some(socket))) };
        let (begun, socket, ui) = (Arc::clone(&preparation.begun), Arc::clone(&preparation.socket), context.ui.clone());
        let answer = move || {
            if let Some(user) = runtime.block_on(drains.recv()) {
                end_command(&begun, &socket, &runtime, user.as_deref(), command, &ui);
            }
        };
        std::thread::Builder::new().name("control".to_owned()).spawn(answer).ok()?;
        Some(preparation)
    }

    /// Leaves the socket to the run, which has put its own in the same place.
    pub(super) fn hand_over(self) {
        *lock(&self.begun) = true;
        if let Some(socket) = lock(&self.socket).take() {
            socket.forget();
        }
    }
}

impl Drop for Preparation {
    fn drop(&mut self) {
        drop(lock(&self.socket).take());
    }
}

/// Ends the process as a signal does, unless the run has begun: nothing was sent.
#[expect(
    clippy::disallowed_methods,
    clippy::exit,
    reason = "the command's thread is busy, and there is nothing to finish"
)]
fn end_command(
    begun: &Mutex<bool>,
    socket: &Mutex<Option<ControlSocket>>,
    runtime: &tokio::runtime::Runtime,
    user: Option<&str>,
    command: &str,
    ui: &Ui,
) {
    // Held up to the end, so that no run begins meanwhile.
    let begun = lock(begun);
    if *begun {
        return;
    }
    if let Some(socket) = lock(socket).take() {
        runtime.block_on(socket.answered());
    }
    let by = user.map_or(String::new(), |user| format!(" (requested by {user})"));
    ui.clear_status();
    ui.stopped(&StopError::new(StopCause::Drained, format!("drained before the run began{by}; nothing was sent")));
    ui.ended(command, Exit::Bound.status());
    std::process::exit(Exit::Bound.status().into());
}

/// A thread that panicked leaves nothing behind that is half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
