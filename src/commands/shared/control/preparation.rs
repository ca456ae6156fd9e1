//! A command that holds its ledger and has not begun its run: it checks the input, or reads the pool. It reports what it
//! does, and can be ended; a thread of its own answers, because the checks keep the command's thread busy.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};

use super::next_step::NextStep;
use super::socket::{ConnectionPlaces, ControlSocket, Respondent, socket_path};
use crate::clock::Clock;
use crate::commands::shared::result::print_error_report;
use crate::commands::shared::{CommandContext, Failure, HookArgs, MetricsOfRun};
use crate::domain::run::{StopCause, StopError};
use crate::exit::Exit;
use crate::ui::Ui;

/// The time up to the run, or to the end of a command that has nothing to run. It takes its socket with it, so it must be
/// dropped before the ledger's lock is released.
pub struct Preparation {
    next: NextStep,
    socket: ControlSocket,
    /// The control thread ends when this is dropped.
    _lives: oneshot::Sender<Infallible>,
}

impl Preparation {
    /// Starts to answer. The ledger's lock must be held. Without a socket or a thread nobody answers: the run warns of
    /// that at its start.
    pub fn start(ledger: &Path, command: &'static str, hooks: &HookArgs, context: &CommandContext<'_>) -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        let (drain, mut drains) = mpsc::channel(1);
        let next = NextStep::default();
        let socket = {
            let _inside = runtime.enter();
            let respondent = Respondent::Preparation { ui: context.ui.clone(), next: next.clone(), drain };
            ControlSocket::listen(ledger, context.run, command, respondent).ok()?
        };
        let connections = socket.connections();
        let end = CommandEnd {
            socket: socket_path(ledger),
            connections: connections.clone(),
            command,
            hooks: hooks.clone(),
            metrics: context.metrics.clone(),
            ui: context.ui.clone(),
            clock: context.clock,
        };
        let (lives, dropped) = oneshot::channel();
        let answer = move || {
            let drained = runtime.block_on(async move {
                tokio::select! {
                    drained = drains.recv() => drained,
                    _ = dropped => None,
                }
            });
            match drained {
                Some(user) => end.end_process(user.as_deref(), &runtime),
                None => runtime.block_on(connections.answered()),
            }
        };
        std::thread::Builder::new().name("control".to_owned()).spawn(answer).ok()?;
        Some(Self { next, socket, _lives: lives })
    }

    /// Leaves the path of the socket to the run, which has put its own there.
    pub(super) fn hand_over(mut self) {
        self.socket.forget();
    }
}

impl Drop for Preparation {
    /// Does not return where the process is ending.
    fn drop(&mut self) {
        while !self.next.decide_for_command() {
            std::thread::park();
        }
    }
}

/// What is needed to end the process while its main thread is busy.
struct CommandEnd {
    socket: PathBuf,
    connections: ConnectionPlaces,
    command: &'static str,
    hooks: HookArgs,
    metrics: MetricsOfRun,
    ui: Ui,
    clock: Clock,
}

impl CommandEnd {
    /// Ends the process, and nothing was sent.
    #[expect(clippy::disallowed_methods, reason = "main is busy, and there is nothing to finish")]
    fn end_process(&self, user: Option<&str>, runtime: &Runtime) -> ! {
        // The main thread waits for the end, so a panic must not prevent it.
        let report = AssertUnwindSafe(|| self.report(user, runtime));
        let exit = catch_unwind(report).unwrap_or(Exit::Fault);
        self.ui.ended(Some(self.command), exit.status());
        std::process::exit(exit.status().into());
    }

    /// Reports the end as that of any other command that fails.
    fn report(&self, user: Option<&str>, runtime: &Runtime) -> Exit {
        runtime.block_on(self.connections.answered());
        // The lock of the ledger is released only when the process is gone.
        let _ = std::fs::remove_file(&self.socket);
        let by = user.map_or(String::new(), |user| format!(" (requested by {user})"));
        let detail = format!("drained before the run began{by}; nothing was sent");
        let failure = Failure::Stop(StopError::new(StopCause::Drained, detail));
        self.ui.clear_status();
        print_error_report(&self.ui, &failure);
        failure.print(&self.ui);
        self.metrics.finish(failure.exit());
        runtime.block_on(self.hooks.run(failure.exit(), &self.ui, self.clock));
        failure.exit()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::ask;
    use super::super::wire::{WireAnswer, WireRequest};
    use super::*;
    use crate::clock::{deadline_in, timeout_at};
    use crate::commands::testing::context;
    use crate::ui::testing::Screen;

    fn started(ledger: &Path) -> Preparation {
        let ui = Screen::new().ui();
        Preparation::start(ledger, "link", &HookArgs::default(), &context(&ui)).unwrap()
    }

    /// A connection that the preparation has accepted is served after it as well.
    #[test]
    fn a_drain_that_comes_when_the_run_has_begun_is_an_error_and_not_lost() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("l");
        let preparation = started(&ledger);
        let WireAnswer::State(state) = ask(&ledger, WireRequest::Status).unwrap().unwrap() else { panic!("a state") };
        assert_eq!((state.state.as_str(), state.text.as_str()), ("preparing", "starting"));
        assert!(preparation.next.decide_for_command());
        for request in [WireRequest::Drain, WireRequest::Status, WireRequest::Pause] {
            let answer = ask(&ledger, request).unwrap().unwrap();
            let WireAnswer::Error { error } = answer else { panic!("{request:?}: {answer:?}") };
            assert!(error.contains("the run has just begun") && error.ends_with("ask again"), "{error}");
        }
    }

    #[tokio::test]
    async fn the_thread_of_a_preparation_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("l");
        let preparation = started(&ledger);
        let next = preparation.next.clone();
        drop(preparation);
        assert!(!socket_path(&ledger).exists());
        let is_alone = async {
            while next.is_shared() {
                tokio::task::yield_now().await;
            }
        };
        timeout_at(deadline_in(Duration::from_mins(1)), is_alone).await.unwrap();
    }
}
