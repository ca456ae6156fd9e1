//! How a run ends early: what is in flight is finished within a bound.

use std::time::Duration;

use crate::clock::Instant;
use crate::domain::run::{RunOutcome, Signal, StopCause};
use crate::limits::{DRAIN_AFTER_FAILURES_MS_MAX, DRAIN_MS_MAX, SIGNAL_ECHO_MS};

/// Whether the run takes new rows, and since when it does not.
#[derive(Debug, Default)]
pub(super) struct Drain {
    started: Option<StartedDrain>,
    first_signal: Option<(Signal, Instant)>,
}

#[derive(Debug)]
struct StartedDrain {
    ended: RunOutcome,
    deadline: Instant,
    /// Whether doubtful calls may still be read back.
    can_read: bool,
    /// A second signal: nothing is waited for any more.
    leaves_now: bool,
}

impl Drain {
    /// The first signal drains, the second leaves at once. Returns whether the drain starts now.
    pub(super) fn on_signal(&mut self, signal: Signal, now: Instant) -> bool {
        let echo = Duration::from_millis(SIGNAL_ECHO_MS);
        match self.first_signal {
            None => {
                self.first_signal = Some((signal, now));
                self.start(RunOutcome::Interrupted(signal), now)
            }
            // `timeout` and shells may signal a process and then its group: that is one request, not two.
            Some((first, at)) if first == signal && now.saturating_duration_since(at) < echo => false,
            Some(_) => {
                if let Some(started) = &mut self.started {
                    started.leaves_now = true;
                }
                false
            }
        }
    }

    /// Takes no new rows from here on. The first reason counts; a later one may end the reading as well. Returns whether
    /// the drain starts now.
    pub(super) fn start(&mut self, ended: RunOutcome, now: Instant) -> bool {
        self.start_within(ended, now, Duration::from_millis(DRAIN_MS_MAX))
    }

    /// As [`Self::start`], with the time that rows in doubt need: nobody waits for the end of the run. A signal shortens it.
    pub(super) fn start_after_failures(&mut self, ended: RunOutcome, now: Instant) -> bool {
        self.start_within(ended, now, Duration::from_millis(DRAIN_AFTER_FAILURES_MS_MAX))
    }

    fn start_within(&mut self, ended: RunOutcome, now: Instant, within: Duration) -> bool {
        let can_read = match &ended {
            RunOutcome::Completed | RunOutcome::Interrupted(_) => true,
            RunOutcome::Stopped(stop) => {
                matches!(
                    stop.cause,
                    StopCause::Bound
                        | StopCause::Canary
                        | StopCause::Drained
                        | StopCause::InputIo
                        | StopCause::InputChanged
                )
            }
        };
        if let Some(started) = &mut self.started {
            started.can_read &= can_read;
            started.deadline = started.deadline.min(now + within);
            return false;
        }
        let deadline = now + within;
        self.started = Some(StartedDrain { ended, deadline, can_read, leaves_now: false });
        true
    }

    pub(super) fn has_started(&self) -> bool {
        self.started.is_some()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.started.as_ref().map(|started| started.deadline)
    }

    /// Whether a drain that has started is over; `rows_are_being_settled` is evaluated only where it matters.
    pub(super) fn is_over(
        &self,
        now: Instant,
        calls_in_flight: usize,
        rows_are_being_settled: impl FnOnce() -> bool,
    ) -> bool {
        self.started.as_ref().is_some_and(|started| {
            started.leaves_now
                || now >= started.deadline
                || calls_in_flight == 0 && !(started.can_read && rows_are_being_settled())
        })
    }

    /// How the run ends, as far as is known now.
    pub(super) fn ended(&self) -> &RunOutcome {
        self.started.as_ref().map_or(&RunOutcome::Completed, |started| &started.ended)
    }

    pub(super) fn into_ended(self) -> RunOutcome {
        self.started.map_or(RunOutcome::Completed, |started| started.ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::run::StopError;

    const MS: Duration = Duration::from_millis(1);
    const ECHO_MS: u32 = 500;

    fn stopped(cause: StopCause) -> RunOutcome {
        RunOutcome::Stopped(StopError::new(cause, ""))
    }

    #[test]
    fn the_first_signal_drains_and_the_second_leaves() {
        let now = Instant::now();
        let mut drain = Drain::default();
        assert!(!drain.is_over(now, 0, || false), "nothing was to end");
        assert!(drain.on_signal(Signal::Interrupt, now));
        assert!(!drain.on_signal(Signal::Interrupt, now + (ECHO_MS - 1) * MS), "an echo");
        assert!(!drain.is_over(now, 3, || false), "calls are in flight");
        assert!(!drain.on_signal(Signal::Interrupt, now + ECHO_MS * MS));
        assert!(drain.is_over(now, 3, || true));
        assert_eq!(drain.into_ended(), RunOutcome::Interrupted(Signal::Interrupt));
    }

    #[test]
    fn another_signal_is_no_echo() {
        let now = Instant::now();
        let mut drain = Drain::default();
        drain.on_signal(Signal::Interrupt, now);
        drain.on_signal(Signal::Terminate, now + MS);
        assert!(drain.is_over(now, 3, || true));
        assert_eq!(drain.into_ended(), RunOutcome::Interrupted(Signal::Interrupt), "the first one counts");
    }

    #[test]
    fn doubtful_rows_are_read_back_while_that_has_any_hope() {
        let now = Instant::now();
        for (ended, waits) in [
            (RunOutcome::Interrupted(Signal::Terminate), true),
            (stopped(StopCause::Bound), true),
            (stopped(StopCause::Drained), true),
            (stopped(StopCause::Canary), true),
            (stopped(StopCause::InputIo), true),
            (stopped(StopCause::InputChanged), true),
            (stopped(StopCause::Credentials), false),
            (stopped(StopCause::Unreachable), false),
        ] {
            let mut drain = Drain::default();
            assert!(drain.start(ended.clone(), now));
            assert_eq!(drain.is_over(now, 0, || true), !waits, "{ended:?}");
            assert!(drain.is_over(now, 0, || false) && !drain.is_over(now, 1, || false));
            let deadline = drain.deadline().unwrap();
            assert!(drain.is_over(deadline, 1, || true), "the drain is bounded");
        }
    }

    #[test]
    fn a_later_reason_may_end_the_reading() {
        let now = Instant::now();
        let mut drain = Drain::default();
        drain.on_signal(Signal::Terminate, now);
        assert!(!drain.start(stopped(StopCause::Credentials), now + MS));
        assert!(drain.is_over(now + MS, 0, || true), "nothing can be read without credentials");
        assert_eq!(drain.into_ended(), RunOutcome::Interrupted(Signal::Terminate));
    }
}
