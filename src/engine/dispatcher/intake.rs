//! Rows coming in: skipped where the ledger says they are done, else on their way.

use super::Dispatcher;
use crate::domain::event::Event;
use crate::domain::finding::{Finding, Severity};
use crate::domain::outcome::Outcome;
use crate::domain::row::{Row, RowKey, RowNumber};
use crate::domain::state::{Resume, RowState};
use crate::engine::job::Job;
use crate::engine::window::JobId;
use crate::engine::{Foretold, Incoming};
use crate::ledger::{LedgerError, LinkToUndo};
use crate::limits::{READER_BATCH_ROWS, WINDOW_ROWS};

impl Dispatcher<'_> {
    pub(super) fn wants_rows(&self) -> bool {
        !self.feed_ended && self.stopping.is_none() && self.window.len() + READER_BATCH_ROWS <= WINDOW_ROWS
    }

    pub(super) fn take_in(&mut self, batch: Vec<Incoming>) -> Result<(), LedgerError> {
        for incoming in batch {
            self.tally.counts.read += 1;
            match incoming {
                Incoming::Row(row) => self.admit(Job::new(row)),
                Incoming::Foretold(row, foretold) => self.admit_foretold(row, foretold)?,
                Incoming::Made(link) => self.admit_made(link),
                Incoming::Invalid { key: Some(key), .. } if self.is_past(key) => self.skip(self.ledger.state(key)),
                Incoming::Invalid { number, findings, .. } => self.count_invalid(number, &findings)?,
            }
        }
        Ok(())
    }

    fn count_invalid(&mut self, number: RowNumber, findings: &[Finding]) -> Result<(), LedgerError> {
        self.tally.counts.invalid += 1;
        for finding in findings {
            *self.tally.counts.by_finding.entry(finding.code).or_default() += 1;
        }
        match findings.iter().find(|finding| finding.severity == Severity::Error) {
            Some(error) => self.ledger.invalid(number, error, self.clock.unix_ms()),
            None => Ok(()),
        }
    }

    /// Whether an earlier run has done something for this row, so that it stays as the ledger has it.
    fn is_past(&self, key: RowKey) -> bool {
        self.ledger.state(key).on_resume(self.options.retry_refused) != Resume::Attempt
    }

    fn skip(&mut self, state: RowState) {
        self.tally.counts.add(state);
        self.tally.counts.skipped += 1;
    }

    /// What a plan settles is recorded without a call, unless an earlier run left the row in doubt: then it is looked at.
    fn admit_foretold(&mut self, row: Row, foretold: Foretold) -> Result<(), LedgerError> {
        if !matches!(foretold, Foretold::Chosen(_)) {
            self.tally.missed.get_or_insert(0);
        }
        let outcome = match foretold {
            Foretold::Chosen(username) => {
                self.admit(Job::with_choice(row, username));
                return Ok(());
            }
            Foretold::Link(destination) => {
                self.admit(Job::planned(row, destination));
                return Ok(());
            }
            Foretold::AlreadyLinked => Outcome::AlreadyLinked,
            Foretold::Refused(code) => Outcome::Refused { code, text: None },
        };
        if self.is_past(row.key) {
            self.admit(Job::new(row));
            return Ok(());
        }
        let (number, key, state) = (row.number, row.key, outcome.state());
        self.ledger.settle(number, key, &outcome, 0, None, self.clock.unix_ms())?;
        self.tally.counts.add(state);
        self.observer.on(&Event::Settled { number, key, state });
        Ok(())
    }

    fn admit(&mut self, job: Job) {
        let state = self.ledger.state(job.row.key);
        if state.on_resume(self.options.retry_refused) == Resume::Skip {
            return self.skip(state);
        }
        let (id, active) = self.window.insert(job);
        if active {
            self.activate_all(vec![id]);
        }
    }

    /// A link to take back: the feed chose it, and the ledger knows of nothing that has happened to it since.
    fn admit_made(&mut self, link: LinkToUndo) {
        let (_, latest) = self.skew.service_time(link.settled);
        let (id, active) = self.window.insert(Job::to_undo(link, latest));
        if active {
            self.activate_all(vec![id]);
        }
    }

    /// Sets rows on their way whose lane is theirs now.
    pub(super) fn activate_all(&mut self, mut ids: Vec<JobId>) {
        while let Some(id) = ids.pop() {
            ids.extend(self.activate(id));
        }
    }

    /// The state is asked for again here: the row before it in its lane may have been the same link.
    fn activate(&mut self, id: JobId) -> Vec<JobId> {
        let Some(job) = self.window.get_mut(id) else {
            return Vec::new();
        };
        if job.started {
            self.window.queue(id);
            return Vec::new();
        }
        let key = job.row.key;
        let state = self.ledger.state(key);
        let (now, _) = self.skew.service_time(self.clock.unix_ms());
        if job.undo.is_some() {
            job.start_undo(self.ledger.announced_at(key), now);
            self.window.queue(id);
            return Vec::new();
        }
        if state.on_resume(self.options.retry_refused) == Resume::Skip {
            self.skip(state);
            let (_, released) = self.window.remove(id, self.clock.now(), None);
            return released;
        }
        job.was_undone = state == RowState::Undone;
        job.start(self.ledger.announced_at(key), state == RowState::Unlinking, now);
        self.window.queue(id);
        Vec::new()
    }
}
