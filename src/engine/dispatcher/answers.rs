//! Answers coming back, and what follows from them.

use std::time::Duration;

use tokio::task::JoinError;

use super::Dispatcher;
use crate::domain::event::Event;
use crate::domain::identity::DestinationUser;
use crate::domain::outcome::{Outcome, UndoOutcome};
use crate::domain::state::RowState;
use crate::domain::stop::Ended;
use crate::engine::step::{Next, Step, Wait};
use crate::engine::window::JobId;
use crate::engine::worker::{Done, Reply};
use crate::ledger::LedgerError;
use crate::limits::WRITE_SPACING_PER_USER_MS;
use crate::pace::retry::backoff;
use crate::service::AnswerMeta;
use crate::service::classify::CallKind;

impl Dispatcher<'_> {
    pub(super) fn on_joined(&mut self, joined: Result<Done, JoinError>) -> Result<(), LedgerError> {
        match joined {
            Ok(done) => self.on_done(&done),
            // The panic of a worker is a fault of the program; its row stays announced, and so in doubt.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Ok(()),
            },
        }
    }

    fn on_done(&mut self, done: &Done) -> Result<(), LedgerError> {
        self.note_time(done);
        self.note_pace(done);
        let Some(job) = self.window.get_mut(done.job) else { return Ok(()) };
        job.in_flight = false;
        let before = job.step.clone();
        if let Reply::Linked(Ok(answer)) | Reply::Unlinked(Ok(answer)) = &done.reply {
            job.request_id.clone_from(&answer.meta.request_id);
        }
        let next = match &done.reply {
            Reply::Linked(reply) => job.on_link(reply.as_ref().err()),
            Reply::Unlinked(reply) => job.on_unlink(reply.as_ref().err()),
            Reply::Users(reply) => {
                let page = reply.as_ref().map(|answer| answer.value.clone());
                job.on_users(page, &self.policy, &mut self.rng)
            }
        };
        match next {
            Next::Step(wait) => self.go_on(done.job, wait, &before),
            Next::Pause { throttled } => self.again(done.job, throttled),
            Next::Finish(outcome) => return self.finish(done.job, &outcome),
            Next::FinishUndo(outcome) => return self.finish_undo(done.job, &outcome),
            Next::UnlinkSettled { came_to, then } => return self.on_unlink_settled(done.job, &came_to, then, &before),
            Next::Stop(stop) => self.begin_stop(Ended::Stopped(stop)),
        }
        Ok(())
    }

    /// The budget hears of every answer; what it says about the pace may make everybody slower.
    fn note_pace(&mut self, done: &Done) {
        let (verdict, retry_after) = done.reply.verdict();
        let budget = match done.reply.kind() {
            CallKind::Write | CallKind::Unlink => &mut self.writes,
            CallKind::Read => &mut self.reads,
        };
        let pause = budget.on_answer(done.sent, verdict, retry_after);
        if let (Some(pause), Some(job)) = (pause, self.window.get(done.job)) {
            self.observer.on(&Event::Throttled { number: job.row.number, pause });
        }
    }

    fn note_time(&mut self, done: &Done) {
        let meta: Option<&AnswerMeta> = match &done.reply {
            Reply::Linked(Ok(answer)) | Reply::Unlinked(Ok(answer)) => Some(&answer.meta),
            Reply::Users(Ok(answer)) => Some(&answer.meta),
            Reply::Linked(Err(fault)) | Reply::Unlinked(Err(fault)) | Reply::Users(Err(fault)) => fault.meta(),
        };
        if let Some(meta) = meta {
            self.skew.observe_answer(done.sent_unix_ms, done.answered_unix_ms, meta);
        }
    }

    fn go_on(&mut self, id: JobId, wait: Wait, before: &Step) {
        let now = self.clock.now();
        let Some(job) = self.window.get_mut(id) else { return };
        (job.throttled_since, job.refusals) = (None, 0);
        match wait {
            Wait::BackOff(pause) => {
                let (number, attempts, code) = (job.row.number, job.attempts, job.last_code().to_owned());
                self.window.queue_at(id, now + pause);
                self.observer.on(&Event::Retried { number, attempts, pause, code });
            }
            Wait::Settling(pause) => self.window.queue_at(id, now + pause),
            Wait::None => {
                let resolved = matches!(before, Step::Resolve(_)) && !matches!(job.step, Step::Resolve(_));
                let name = job.destination.as_ref().filter(|_| resolved).map(DestinationUser::username);
                if name.is_none_or(|name| self.window.enter_user(id, &name)) {
                    self.window.queue(id);
                }
            }
        }
    }

    /// A refusal for the rate costs the row nothing: it goes to the front. One that is refused again is not first in
    /// line once more, because the limit that it meets may be its user's own.
    fn again(&mut self, id: JobId, throttled: bool) {
        let now = self.clock.now();
        let Some(job) = self.window.get_mut(id) else { return };
        job.throttled_since.get_or_insert(now);
        job.refusals += 1;
        self.tally.throttled += u64::from(throttled);
        match job.refusals {
            0 | 1 => self.window.queue_first(id),
            more => self.window.queue_at(id, now + backoff(more - 1, &mut self.rng)),
        }
    }

    /// A row has its result: into the ledger, then into the counts, then told.
    pub(super) fn finish(&mut self, id: JobId, outcome: &Outcome) -> Result<(), LedgerError> {
        let Some(job) = self.window.get(id) else { return Ok(()) };
        let (number, key, state) = (job.row.number, job.row.key, outcome.state());
        let planned = job.planned;
        self.ledger.settle(number, key, outcome, job.attempts, job.request_id.as_deref(), self.clock.unix_ms())?;
        self.tally.counts.add(state);
        if planned && matches!(state, RowState::AlreadyLinked | RowState::Refused(_)) {
            *self.tally.missed.get_or_insert(0) += 1;
        }
        self.tally.failures += u64::from(matches!(state, RowState::Failed | RowState::InDoubt));
        self.let_go(id, state);
        Ok(())
    }

    /// The taking back of a row has its result: the same order.
    pub(super) fn finish_undo(&mut self, id: JobId, outcome: &UndoOutcome) -> Result<(), LedgerError> {
        let Some(job) = self.window.get(id) else { return Ok(()) };
        let (number, key) = (job.row.number, job.row.key);
        self.ledger.settle_unlink(
            number,
            key,
            outcome,
            job.attempts,
            job.request_id.as_deref(),
            self.clock.unix_ms(),
        )?;
        self.tally.counts.add_undo(outcome);
        self.tally.failures += u64::from(matches!(outcome, UndoOutcome::Failed { .. } | UndoOutcome::InDoubt { .. }));
        if let Some(witness) = &mut self.witness {
            witness.on(&job.row, outcome);
        }
        self.let_go(id, outcome.state());
        Ok(())
    }

    /// What an earlier run of `undo` left open is recorded first; a row that stays linked, or in doubt, has its result then.
    fn on_unlink_settled(
        &mut self,
        id: JobId,
        came_to: &UndoOutcome,
        then: Option<Outcome>,
        before: &Step,
    ) -> Result<(), LedgerError> {
        let Some(job) = self.window.get(id) else { return Ok(()) };
        self.ledger.settle_unlink(job.row.number, job.row.key, came_to, 0, None, self.clock.unix_ms())?;
        match (came_to, then) {
            (UndoOutcome::Undone, Some(outcome)) => return self.finish(id, &outcome),
            (UndoOutcome::Undone, None) => self.go_on(id, Wait::None, before),
            _ => {
                let state = came_to.state();
                self.tally.counts.add(state);
                self.tally.failures += u64::from(state == RowState::Unlinking);
                self.let_go(id, state);
            }
        }
        Ok(())
    }

    /// A row that is recorded and counted is told, and makes room.
    fn let_go(&mut self, id: JobId, state: RowState) {
        let Some(job) = self.window.get(id) else { return };
        let open_at = job.last_write.map(|at| at + Duration::from_millis(WRITE_SPACING_PER_USER_MS));
        self.observer.on(&Event::Settled { number: job.row.number, key: job.row.key, state });
        let (_, released) = self.window.remove(id, self.clock.now(), open_at);
        self.activate_all(released);
    }
}
