//! What happens in a run, told as it happens: progress to the bar or to lines, the rest as messages and log lines.

use std::sync::Arc;

use super::ProgressChoice;
use super::console::Console;
use super::findings::FindingPrinter;
use super::format::counted;
use super::lines::Lines;
use super::progress::Bar;
use crate::domain::event::{Event, Observer, Snapshot};
use crate::domain::row::{RowKey, RowNumber};
use crate::domain::state::RowState;

/// A way to show progress.
pub(super) trait View {
    /// The input is being checked; this many rows so far.
    fn checking(&mut self, rows: u64);
    /// The pool is being read; this many users so far, of about so many.
    fn scanning(&mut self, users: u64, estimated: u64);
    /// The run stands like this.
    fn tick(&mut self, snapshot: &Snapshot, draining: bool);
}

/// Tells people what happens in a run.
pub(super) struct Teller {
    view: Option<Box<dyn View + Send>>,
    console: Arc<Console>,
    findings: FindingPrinter,
    checking: bool,
    throttling_told: bool,
    draining: bool,
}

impl Teller {
    pub(super) fn new(console: Arc<Console>) -> Self {
        Self {
            view: view(&console),
            findings: FindingPrinter::new(Arc::clone(&console)),
            console,
            checking: false,
            throttling_told: false,
            draining: false,
        }
    }

    fn end_checking(&mut self) {
        if std::mem::take(&mut self.checking) {
            self.findings.close();
        }
    }

    fn throttled(&mut self, number: RowNumber, pause: std::time::Duration) {
        tracing::debug!(row = number.0, pause_ms = pause.as_millis(), "throttled");
        if !std::mem::replace(&mut self.throttling_told, true) {
            self.console.note("the service said too many requests: going on more slowly; no row is lost by this");
        }
    }

    /// Said even when quiet: somebody pressed a key and waits for an answer.
    fn draining(&mut self, in_flight: usize) {
        if !std::mem::replace(&mut self.draining, true) {
            let calls = counted(in_flight as u64, "call");
            self.console.line(&format!("stopping: finishing {calls} in flight; once more to leave at once"));
        }
    }
}

impl Observer for Teller {
    fn on(&mut self, event: &Event) {
        if !matches!(event, Event::Checking { .. } | Event::Found(_)) {
            self.end_checking();
        }
        match event {
            Event::Checking { rows } => {
                self.checking = true;
                if let Some(view) = &mut self.view {
                    view.checking(*rows);
                }
            }
            Event::Scanning { users, estimated } => {
                if let Some(view) = &mut self.view {
                    view.scanning(*users, *estimated);
                }
            }
            Event::Found(finding) => self.findings.print(finding),
            Event::Settled { number, key, state } => log_settled(*number, *key, *state),
            Event::Throttled { number, pause } => self.throttled(*number, *pause),
            Event::Retried { number, attempts, pause, code } => {
                tracing::debug!(row = number.0, attempts, pause_ms = pause.as_millis(), code, "retried");
            }
            Event::Draining { in_flight } => self.draining(*in_flight),
            Event::Tick(snapshot) => {
                if let Some(view) = &mut self.view {
                    view.tick(snapshot, self.draining);
                }
            }
        }
    }
}

impl Drop for Teller {
    /// The bar goes before the last words are said.
    fn drop(&mut self) {
        self.view = None;
        self.findings.close();
    }
}

fn view(console: &Arc<Console>) -> Option<Box<dyn View + Send>> {
    let options = console.options();
    let on_terminal = options.terminals.stderr;
    match options.progress {
        _ if options.quiet => None,
        ProgressChoice::Off => None,
        ProgressChoice::Auto if on_terminal => Some(Box::new(Bar::new(Arc::clone(console)))),
        ProgressChoice::Auto | ProgressChoice::Lines => Some(Box::new(Lines::new(Arc::clone(console)))),
    }
}

/// Rows in the wished state are many and of little interest: they are told one level deeper.
fn log_settled(number: RowNumber, key: RowKey, state: RowState) {
    let code = state.refusal().map(crate::domain::outcome::RefusalCode::as_str);
    match state {
        RowState::Linked | RowState::AlreadyLinked | RowState::Undone => {
            tracing::trace!(row = number.0, %key, state = state.as_str(), "settled");
        }
        _ => tracing::debug!(row = number.0, %key, state = state.as_str(), code, "settled"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::Screen;
    use super::*;

    fn throttled(row: u64) -> Event {
        Event::Throttled { number: RowNumber(row), pause: Duration::from_millis(500) }
    }

    #[test]
    fn throttling_is_told_once() {
        let screen = Screen::new();
        let mut observer = screen.ui().observer();
        (1..100).for_each(|row| observer.on(&throttled(row)));
        assert_eq!(
            screen.stderr(),
            "note: the service said too many requests: going on more slowly; no row is lost by this\n"
        );
    }

    #[test]
    fn quiet_drops_progress_and_notes_and_still_answers_a_signal() {
        let screen = Screen::new().quiet().terminals();
        let mut observer = screen.ui().observer();
        observer.on(&Event::Checking { rows: 5 });
        observer.on(&throttled(1));
        observer.on(&Event::Tick(Box::default()));
        observer.on(&Event::Draining { in_flight: 1 });
        observer.on(&Event::Draining { in_flight: 1 });
        drop(observer);
        assert_eq!(screen.stderr(), "stopping: finishing 1 call in flight; once more to leave at once\n");
        assert_eq!(screen.bar(), "");
    }

    #[test]
    fn without_progress_messages_stay() {
        let screen = Screen::new().progress(ProgressChoice::Off).terminals();
        let mut observer = screen.ui().observer();
        observer.on(&Event::Checking { rows: 5 });
        observer.on(&Event::Tick(Box::default()));
        observer.on(&throttled(1));
        assert!(screen.stderr().starts_with("note: the service said"));
        assert_eq!(screen.bar(), "");
    }

    #[test]
    fn lines_may_be_asked_for_on_a_terminal() {
        let screen = Screen::new().progress(ProgressChoice::Lines).terminals();
        screen.ui().observer().on(&Event::Tick(Box::default()));
        assert_eq!(screen.stderr(), "0 rows done, 0.0/s, 0 throttled\n");
        assert_eq!(screen.bar(), "");
    }
}
