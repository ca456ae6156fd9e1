//! SIGINT and SIGTERM as values.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::command::Failure;
use crate::domain::stop::Signal;
use crate::limits::SIGNALS_WAITING_MAX;

/// Listens from now on. Until then a signal ends the process by itself, which is right while nothing has been sent.
///
/// # Errors
/// Where the system does not let us listen.
pub(super) fn listen() -> Result<mpsc::Receiver<Signal>, Failure> {
    let refused = |error| Failure::System(format!("cannot listen for signals: {error}"));
    let mut interrupts = signal(SignalKind::interrupt()).map_err(refused)?;
    let mut terminations = signal(SignalKind::terminate()).map_err(refused)?;
    let (sender, receiver) = mpsc::channel(SIGNALS_WAITING_MAX);
    tokio::spawn(async move {
        loop {
            let heard = tokio::select! {
                Some(()) = interrupts.recv() => Signal::Interrupt,
                Some(()) = terminations.recv() => Signal::Terminate,
                else => return,
            };
            if sender.send(heard).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}
