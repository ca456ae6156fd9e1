//! How a run ends: what is in flight is finished within a bound, and every row read has a state.

use std::time::Duration;

use super::Dispatcher;
use crate::domain::event::Event;
use crate::domain::state::RowState;
use crate::domain::stop::{Ended, RunReport, Signal, StopCause};
use crate::engine::job::Job;
use crate::engine::step::Step;
use crate::ledger::LedgerError;
use crate::ledger::record::{EndedAs, RunEnd};
use crate::limits::{DRAIN_MS_MAX, SIGNAL_ECHO_MS};

const SIGNAL_ECHO: Duration = Duration::from_millis(SIGNAL_ECHO_MS);

impl Dispatcher<'_> {
    /// The first signal drains, the second leaves at once.
    pub(super) fn on_signal(&mut self, signal: Signal) {
        let now = self.clock.now();
        match self.first_signal {
            // `timeout` and shells may signal a process and then its group: an echo is not a second wish.
            Some((first, at)) if first == signal && now.saturating_duration_since(at) < SIGNAL_ECHO => {}
            Some(_) => self.leave_now = true,
            None => {
                self.first_signal = Some((signal, now));
                self.begin_stop(Ended::Interrupted(signal));
            }
        }
    }

    pub(super) fn begin_stop(&mut self, ended: Ended) {
        if self.stopping.is_some() {
            return;
        }
        self.stopping = Some(ended);
        self.drain_until = Some(self.clock.now() + Duration::from_millis(DRAIN_MS_MAX));
        self.observer.on(&Event::Draining { in_flight: self.in_flight.len() });
    }

    pub(super) fn is_finished(&self) -> bool {
        let idle = self.in_flight.is_empty();
        match &self.stopping {
            None => self.feed_ended && idle && self.window.len() == 0,
            Some(_) if self.leave_now => true,
            Some(ended) => {
                let late = self.drain_until.is_some_and(|until| self.clock.now() >= until);
                late || idle && (!can_still_read(ended) || !self.window.any(Job::is_being_settled))
            }
        }
    }

    /// Writes the end into the ledger and sums up.
    pub(super) async fn end(mut self) -> Result<RunReport, LedgerError> {
        self.in_flight.shutdown().await;
        let reached = self.tally.counts.clone();
        for job in self.window.drain() {
            self.leave(&job)?;
        }
        let counts = &mut self.tally.counts;
        counts.repeated = counts.skipped.saturating_sub(self.options.done_before);
        counts.skipped -= counts.repeated;
        let now = self.clock.now();
        let ended = self.stopping.take().unwrap_or(Ended::Completed);
        self.ledger.run_ended(&RunEnd {
            run: self.run,
            at: self.clock.unix_ms(),
            ended: EndedAs::from(&ended),
            counts: self.tally.counts.clone(),
            writes: self.tally.writes,
            reads: self.tally.reads,
            throttled: self.tally.throttled,
            pace_milli: self.writes.measured().map(milli),
        })?;
        self.ledger.sync()?;
        let mut snapshot = self.tally.snapshot(now, self.options.total, self.writes.per_second(), None);
        snapshot.remaining = None;
        if self.aim.is_undo() {
            // What was not reached counts as linked, and is not done.
            snapshot.counts = reached;
        }
        self.observer.on(&Event::Tick(Box::new(snapshot)));
        let not_read = self.options.total.map(|total| total.saturating_sub(self.tally.counts.read));
        Ok(RunReport {
            aim: self.aim,
            pool: self.pool,
            simulated: self.simulated,
            not_read: not_read.filter(|_| !matches!(ended, Ended::Completed)),
            ended,
            elapsed: self.tally.elapsed(now),
            counts: self.tally.counts,
            writes: self.tally.writes,
            reads: self.tally.reads,
            throttled: self.tally.throttled,
            missed: self.tally.missed,
        })
    }

    /// A row that has no result. One that was announced, and for which nothing that may have had an effect was sent,
    /// is withdrawn: it is as it was before. Any other announced one is in doubt, which the announcement itself says.
    fn leave(&mut self, job: &Job) -> Result<(), LedgerError> {
        let (number, key, now) = (job.row.number, job.row.key, self.clock.unix_ms());
        match job.step {
            _ if !job.announced_now || job.in_flight => {}
            Step::Link => self.ledger.withdraw(number, key, now)?,
            Step::Unlink => self.ledger.withdraw_unlink(number, key, now)?,
            _ => {}
        }
        self.tally.counts.add(match self.ledger.state(key) {
            // Counted as done in earlier runs only where they are left alone.
            RowState::Undone => RowState::Unprocessed,
            RowState::Kept(_) => RowState::Linked,
            state => state,
        });
        Ok(())
    }
}

/// Whether reading has any hope after this end.
fn can_still_read(ended: &Ended) -> bool {
    match ended {
        Ended::Completed | Ended::Interrupted(_) => true,
        Ended::Stopped(stop) => matches!(stop.cause, StopCause::Bound | StopCause::InputIo),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a bounded pace")]
fn milli(per_second: f64) -> u64 {
    (per_second * 1_000.0).round() as u64
}
