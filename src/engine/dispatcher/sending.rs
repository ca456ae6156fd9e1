//! Calls going out: each takes a slot of its budget, and a link or unlink only after its intent is on disk.

use std::time::Duration;

use super::Dispatcher;
use crate::clock::Instant;
use crate::domain::event::Waiting;
use crate::domain::outcome::{Outcome, RefusalCode, UndoOutcome};
use crate::domain::stop::Aim;
use crate::engine::settle::Announced;
use crate::engine::step::Step;
use crate::engine::window::JobId;
use crate::engine::worker::{Call, perform};
use crate::ledger::LedgerError;
use crate::limits::ANNOUNCED_AHEAD_MAX;
use crate::pace::{Sent, Slot};

impl Dispatcher<'_> {
    /// Sends the reading calls that may go now; returns when the next one may.
    pub(super) fn send_reads(&mut self) -> Option<Instant> {
        while let Some(&id) = self.window.to_read.front() {
            if !self.may_read(id) {
                self.window.to_read.pop_front();
                continue;
            }
            if self.is_full() {
                return None;
            }
            let sent = match taken(self.reads.take()) {
                Ok(sent) => sent,
                Err(until) => return Some(until),
            };
            self.window.to_read.pop_front();
            self.tally.reads += 1;
            self.send(id, sent);
        }
        None
    }

    /// While draining only what this run sent is read back; everything else can wait for the next run.
    fn may_read(&self, id: JobId) -> bool {
        let Some(job) = self.window.get(id) else { return false };
        self.stopping.is_none() || job.is_being_settled()
    }

    /// Sends the link or unlink calls that may go now; returns when the next one may.
    pub(super) fn send_writes(&mut self) -> Result<Option<Instant>, LedgerError> {
        while self.stopping.is_none() {
            self.announce_ahead()?;
            let Some(&id) = self.window.to_write.front() else {
                self.note_settling();
                return Ok(None);
            };
            if self.is_full() {
                return Ok(None);
            }
            let slot = self.writes.take();
            if let Slot::CoolingDown(until) = slot {
                let left = until.saturating_duration_since(self.clock.now());
                self.waiting = Some(Waiting::CoolDown(left));
            }
            let sent = match taken(slot) {
                Ok(sent) => sent,
                Err(until) => return Ok(Some(until)),
            };
            self.window.to_write.pop_front();
            self.tally.writes += 1;
            self.send(id, sent);
        }
        Ok(None)
    }

    /// Announces the rows that come next, and makes that durable when no announced row is left: so that a sync is
    /// paid for many rows at once, and never waited for by a slot.
    fn announce_ahead(&mut self) -> Result<(), LedgerError> {
        while self.window.to_write.len() + self.window.to_sync.len() < self.ahead() {
            let Some(id) = self.window.to_announce.pop_front() else { break };
            self.announce(id)?;
        }
        if self.window.to_write.is_empty() && !self.window.to_sync.is_empty() {
            self.ledger.sync()?;
            self.sync_due = None;
            let durable = std::mem::take(&mut self.window.to_sync);
            self.window.to_write.extend(durable);
        }
        Ok(())
    }

    /// Rows to have announced: what a quarter of a second takes.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "clamped before the cast"
    )]
    fn ahead(&self) -> usize {
        (self.writes.per_second() / 4.0).clamp(8.0, ANNOUNCED_AHEAD_MAX as f64) as usize
    }

    fn announce(&mut self, id: JobId) -> Result<(), LedgerError> {
        let (earliest, latest) = self.skew.service_time(self.clock.unix_ms());
        let Some(job) = self.window.get_mut(id) else { return Ok(()) };
        let Some(destination) = job.destination.clone() else { return Ok(()) };
        if !self.providers.contains_key(job.row.link.source.provider()) {
            let code = RefusalCode::ProviderNotFound;
            return match job.undo {
                Some(_) => self.finish_undo(id, &UndoOutcome::Refused { code, text: None }),
                None => self.finish(id, &Outcome::Refused { code, text: None }),
            };
        }
        if let Some(undo) = &job.undo {
            let Some(form) = &undo.form else { return Ok(()) };
            self.ledger.announce_unlink(&job.row, &destination, form, earliest)?;
            job.announced_now = true;
            job.step = Step::Unlink;
            if self.aim == Aim::UndoDryRun {
                return self.finish_undo(id, &UndoOutcome::Undone);
            }
            self.window.to_sync.push(id);
            return Ok(());
        }
        self.ledger.announce(&job.row, &destination, earliest)?;
        job.announced.get_or_insert(Announced { earliest, latest });
        job.announced_now = true;
        job.step = Step::Link;
        self.window.to_sync.push(id);
        Ok(())
    }

    fn is_full(&mut self) -> bool {
        let full = self.in_flight.len() >= self.options.concurrency;
        if full {
            self.waiting = Some(Waiting::Concurrency);
        }
        full
    }

    fn note_settling(&mut self) {
        if !self.in_flight.is_empty() || self.waiting.is_some() {
            return;
        }
        let now = self.clock.now();
        self.waiting = match self.window.next_timer() {
            Some(at) => Some(Waiting::Settling(at.saturating_duration_since(now))),
            None if self.window.len() == 0 && !self.feed_ended => Some(Waiting::Input),
            None => None,
        };
    }

    fn send(&mut self, id: JobId, sent: Sent) {
        let now = self.clock.now();
        let Some(job) = self.window.get_mut(id) else { return };
        let Some(call) = job.call(&self.policy) else { return };
        if matches!(call, Call::Link(_) | Call::Unlink(_)) {
            job.last_write = Some(now);
        }
        job.in_flight = true;
        self.in_flight.spawn(perform(self.services.clone(), self.clock, id, sent, call));
    }
}

/// The slot that was taken, or when to look again.
fn taken(slot: Slot) -> Result<Sent, Instant> {
    match slot {
        Slot::Taken(sent) => Ok(sent),
        // A timer may fire a hair early; without this the loop would spin until the slot opens.
        Slot::NotBefore(until) | Slot::CoolingDown(until) => Err(until + Duration::from_micros(1)),
    }
}
