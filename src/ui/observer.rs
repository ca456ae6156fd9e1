//! What happens in a run, printed as it happens: progress to the bar or to lines, the rest as messages and log lines.

use std::sync::Arc;
use std::time::Duration;

use super::console::Console;
use super::events::{Event, EventLevel};
use super::findings::FindingPrinter;
use super::format::{chosen_rate, counted, local_time, rate};
use super::message_code::MessageCode;
use super::phase::Phase;
use super::progress::{Progress, running_event, state_line};
use crate::domain::control::{ControlChange, ControlSource};
use crate::domain::event::{RunEvent, RunObserver};
use crate::domain::outcome::RefusalCode;
use crate::domain::row::{RowKey, RowNumber};
use crate::domain::state::RowState;

pub(super) struct EventPrinter {
    progress: Progress,
    console: Arc<Console>,
    findings: FindingPrinter,
    checking: bool,
    throttling_noted: bool,
    draining: bool,
}

impl EventPrinter {
    pub(super) fn new(console: Arc<Console>) -> Self {
        Self {
            progress: Progress::new(Arc::clone(&console)),
            findings: FindingPrinter::new(Arc::clone(&console)),
            console,
            checking: false,
            throttling_noted: false,
            draining: false,
        }
    }

    /// For a run in virtual time.
    pub(super) fn in_virtual_time(mut self) -> Self {
        self.progress.show_each_hold_once();
        self
    }

    fn on_throttled(&mut self, number: RowNumber, pause: Duration) {
        tracing::debug!(row = number.0, pause_ms = pause.as_millis(), "throttled");
        if !std::mem::replace(&mut self.throttling_noted, true) {
            self.console
                .note(MessageCode::Throttled, "throttled by the service: continuing at a lower rate; no row is lost");
        }
    }

    fn on_controlled(&self, change: ControlChange, source: ControlSource, user: Option<&str>) {
        let what = match change {
            ControlChange::Paused => "paused".to_owned(),
            ControlChange::Resumed => "resumed".to_owned(),
            ControlChange::RateSet(chosen) => format!(
                "rate: {}",
                chosen_rate(chosen.per_second, chosen.bound.map(|bound| (bound.per_second(), bound.as_str())))
            ),
            ControlChange::RateCleared => "rate: the run's own limit again".to_owned(),
            ControlChange::Draining => "drain".to_owned(),
            ControlChange::WindowOpened { rate: None } => "the window is open".to_owned(),
            ControlChange::WindowOpened { rate: Some(per_second) } => {
                format!("the window is open: at most {}", rate(per_second))
            }
            ControlChange::WindowClosed { opens: None } => "no window is open".to_owned(),
            ControlChange::WindowClosed { opens: Some(time) } => {
                format!("no window is open until {}", local_time(time))
            }
        };
        let by = match (source, user) {
            (ControlSource::Socket, Some(user)) => format!(" (requested by {user})"),
            (ControlSource::PauseFile, _) => " (pause file)".to_owned(),
            _ => String::new(),
        };
        tracing::info!(source = source.as_str(), user, "{what}");
        self.console.note(MessageCode::Controlled, &format!("{what}{by}"));
    }

    /// Printed even when quiet: somebody sent a signal and waits for an answer.
    fn on_draining(&mut self, in_flight: usize) {
        if !std::mem::replace(&mut self.draining, true) {
            let calls = match in_flight {
                0 => String::new(),
                number => format!(": finishing {} in flight", counted(number as u64, "call")),
            };
            let has_terminal = self.console.options().terminals.stderr && !self.console.writes_events();
            let way_out = if has_terminal { "; press Ctrl-C to exit at once" } else { "" };
            let text = format!("stopping{calls}{way_out}");
            let event = || Event::message(EventLevel::Warn, MessageCode::Draining, &text).with("in_flight", in_flight);
            self.console.plain(&text, event);
        }
    }
}

impl RunObserver for EventPrinter {
    fn on(&mut self, event: &RunEvent) {
        if !matches!(event, RunEvent::Checking { .. } | RunEvent::Found(_)) && std::mem::take(&mut self.checking) {
            self.findings.close();
        }
        match event {
            RunEvent::Checking { rows } => {
                self.checking = true;
                self.console.set_phase(Some(Phase::Checking { rows: *rows }));
                self.progress.on_checking(*rows);
            }
            RunEvent::Scanning { users, estimated } => {
                self.console.set_phase(Some(Phase::Scanning { users: *users, estimated: *estimated }));
                self.progress.on_scanning(*users, *estimated);
            }
            RunEvent::Found(finding) => self.findings.print(finding),
            RunEvent::Settled { number, key, state } => log_settled(*number, *key, *state),
            RunEvent::CanaryChecked { number, key, state, finding } => {
                let (state, finding) = (state.as_str(), finding.as_str());
                tracing::info!(row = number.0, %key, state, finding, "canary");
            }
            RunEvent::Throttled { number, pause } => self.on_throttled(*number, *pause),
            RunEvent::Retried { number, attempts, pause, code } => {
                tracing::debug!(row = number.0, attempts, pause_ms = pause.as_millis(), service_code = code, "retried");
            }
            RunEvent::Draining { in_flight } => self.on_draining(*in_flight),
            RunEvent::Controlled { change, source, user } => self.on_controlled(*change, *source, user.as_deref()),
            // Printed even when quiet: somebody waits for the answer.
            RunEvent::StateRequested(snapshot) => {
                let text = state_line(snapshot);
                let event = || running_event(&self.console, snapshot, snapshot.draining, &text);
                self.console.plain(&format!("state: {text}"), event);
            }
            RunEvent::Tick(snapshot) => self.progress.on_tick(snapshot, self.draining),
            RunEvent::Ended(snapshot) => self.progress.on_end(snapshot),
        }
    }
}

impl Drop for EventPrinter {
    /// The bar is removed before the last findings are printed.
    fn drop(&mut self) {
        self.progress = Progress::Hidden;
        self.findings.close();
    }
}

/// Rows in the desired state are many and of little interest: they are logged one level deeper.
fn log_settled(number: RowNumber, key: RowKey, state: RowState) {
    let refusal_code = state.refusal().map(RefusalCode::as_str);
    match state {
        RowState::Linked | RowState::AlreadyLinked | RowState::Undone => {
            tracing::trace!(row = number.0, %key, state = state.as_str(), "settled");
        }
        _ => tracing::debug!(row = number.0, %key, state = state.as_str(), refusal_code, "settled"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::ProgressChoice;
    use super::super::testing::Screen;
    use super::*;
    use crate::domain::control::ChosenRate;

    fn throttled(row: u64) -> RunEvent {
        RunEvent::Throttled { number: RowNumber(row), pause: Duration::from_millis(500) }
    }

    #[test]
    fn throttling_is_told_once() {
        let screen = Screen::new();
        let mut observer = screen.ui().observer();
        (1..100).for_each(|row| observer.on(&throttled(row)));
        assert_eq!(screen.stderr(), "note: throttled by the service: continuing at a lower rate; no row is lost\n");
    }

    #[test]
    fn quiet_drops_progress_and_notes_and_still_answers_a_signal() {
        let screen = Screen::new().quiet().terminals();
        let mut observer = screen.ui().observer();
        observer.on(&RunEvent::Checking { rows: 5 });
        observer.on(&throttled(1));
        observer.on(&RunEvent::Tick(Box::default()));
        observer.on(&RunEvent::Draining { in_flight: 1 });
        observer.on(&RunEvent::Draining { in_flight: 1 });
        drop(observer);
        assert_eq!(screen.stderr(), "stopping: finishing 1 call in flight; press Ctrl-C to exit at once\n");
        assert_eq!(screen.bar(), "");
    }

    #[test]
    fn a_stop_names_calls_in_flight_only_where_there_are_some() {
        let screen = Screen::new();
        screen.ui().observer().on(&RunEvent::Draining { in_flight: 0 });
        assert_eq!(screen.stderr(), "stopping\n", "without a terminal there is no Ctrl-C");
    }

    #[test]
    fn without_progress_messages_stay() {
        let screen = Screen::new().progress(ProgressChoice::Off).terminals();
        let mut observer = screen.ui().observer();
        observer.on(&RunEvent::Checking { rows: 5 });
        observer.on(&RunEvent::Tick(Box::default()));
        observer.on(&throttled(1));
        assert!(screen.stderr().starts_with("note: throttled by the service"));
        assert_eq!(screen.bar(), "");
    }

    #[test]
    fn a_change_says_who_and_a_question_is_answered_even_when_quiet() {
        let events = [
            RunEvent::Controlled {
                change: ControlChange::RateSet(ChosenRate { per_second: 3.0, bound: None }),
                source: ControlSource::Socket,
                user: Some("ops".to_owned()),
            },
            RunEvent::Controlled { change: ControlChange::Paused, source: ControlSource::PauseFile, user: None },
            RunEvent::StateRequested(Box::default()),
        ];
        for (screen, expected) in [
            (
                Screen::new(),
                "note: rate: at most 3.0/s (requested by ops)\nnote: paused (pause file)\n\
                 state: 0 rows done, 0.0/s, 0 throttled\n",
            ),
            (Screen::new().quiet(), "state: 0 rows done, 0.0/s, 0 throttled\n"),
        ] {
            let mut observer = screen.ui().observer();
            for event in &events {
                observer.on(event);
            }
            drop(observer);
            assert_eq!(screen.stderr(), expected);
        }
    }

    #[test]
    fn a_question_is_answered_by_an_event_where_stderr_has_events() {
        let screen = Screen::new().events();
        let mut observer = screen.ui().observer();
        observer.on(&RunEvent::StateRequested(Box::default()));
        drop(observer);
        let stderr = screen.stderr();
        assert!(stderr.lines().all(|line| line.starts_with('{')), "{stderr}");
        assert!(stderr.contains(r#""event":"progress""#) && stderr.contains(r#""code":"running""#), "{stderr}");
    }

    #[test]
    fn lines_may_be_asked_for_on_a_terminal() {
        let screen = Screen::new().progress(ProgressChoice::Lines).terminals();
        screen.ui().observer().on(&RunEvent::Tick(Box::default()));
        assert_eq!(screen.stderr(), "0 rows done, 0.0/s, 0 throttled\n");
        assert_eq!(screen.bar(), "");
    }
}
