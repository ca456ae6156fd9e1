//! What follows from each event of a run, decided synchronously: which rows are taken up, which calls start, what is
//! recorded. A row goes through this file from top to bottom.

use std::time::Duration;

use tokio::sync::oneshot;

use super::canary::Confirming;
use super::control::{ControlMessage, PresentRate, RunControl};
use super::counters::{Pacing, RunCounters, SPEED_KNOWN};
use super::drain::Drain;
use super::failure_limits::FailureLimits;
use super::group_sync::{GroupSync, SyncDecision};
use super::job::Job;
use super::link_decisions::OldUnlinkEnd;
use super::link_job::{LeftByEarlierRuns, LinkJob, SettlesOnly};
use super::not_authorized::NotAuthorizedRows;
use super::outbox::Outbox;
use super::read_back::{AnnouncementTime, OpenCall, RowPolicy, UnknownEffect, may_lack_write};
use super::row_progress::{NextWork, Pause, RowAnnouncement, RowResult, Transition};
use super::rows_in_flight::{RowsInFlight, TimerReason};
use super::systemic_faults::{SystemicFaults, UndecidedWrites};
use super::undo_decisions::MadeLink;
use super::undo_job::UndoJob;
use super::worker::JobId;
use super::worker::{Call, FinishedCall, StartCall, WritePort};
use super::{IncomingRow, PlannedOutcome, RowBatch, RunContext};
use crate::clock::{Instant, UnixMs};
use crate::domain::canary::CanaryFinding;
use crate::domain::control::{ControlAction, ControlChange, ControlRequest, Hold};
use crate::domain::event::{RunEvent, RunSnapshot, WaitReason};
use crate::domain::finding::{Finding, Severity};
use crate::domain::outcome::{LinkOutcome, RefusalCode, ServiceText, UndoOutcome};
use crate::domain::outlook::WindowTimeline;
use crate::domain::row::{Row, RowKey, RowNumber, RowPlace};
use crate::domain::run::{RunOutcome, RunPurpose, RunReport, Signal, StopCause, StopError};
use crate::domain::state::{ResumeAction, RowState};
use crate::foresight::destination::{PoolNaming, Resolution, mistaken_destination, resolution};
use crate::foresight::faults::pace_verdict;
use crate::ledger::record::{EndedAs, RunEnd};
use crate::ledger::{Ledger, LedgerError, LinkToUndo, RowTrace};
use crate::limits::{
    ANNOUNCED_AHEAD_MAX, ANNOUNCEMENT_WINDOW_MS, PROGRESS_INTERVAL_MS, RATE_WAIT_SHOWN_MS, READER_BATCH_ROWS, STUCK_MS,
    WINDOW_ROWS, WRITE_SPACING_PER_USER_MS,
};
use crate::pace::retry::backoff;
use crate::pace::{Admission, AdmittedCall, CallPacer, RateQuota};
use crate::seed::Rng;
use crate::service::CallFault;
use crate::service::classify::CallKind;
use crate::service::skew::ClockSkew;

#[derive(Debug)]
pub(super) enum EngineEvent {
    Signal(Signal),
    Control(ControlMessage),
    CallsDone(Vec<FinishedCall>),
    RowsRead(RowBatch),
    InputEnded,
    InputFailed(StopError),
    LimitChanged(RateQuota),
    /// A moment that was waited for has come.
    TimerDue,
}

/// What is to be done after an event.
#[derive(Debug)]
pub(super) struct Actions {
    pub(super) start_calls: Vec<StartCall>,
    pub(super) next: Next,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Wait for the next event, and take `TimerDue` for it at `until`.
    Wait {
        until: Instant,
        accepts_rows: bool,
    },
    EndRun,
}

/// Why no more calls of a category are sent at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SendPause {
    QueueEmpty,
    /// Somebody holds the run.
    Held,
    ConcurrencyReached,
    PaceUntil(Instant),
    CoolDownUntil(Instant),
}

impl SendPause {
    fn until(self) -> Option<Instant> {
        match self {
            Self::QueueEmpty | Self::Held | Self::ConcurrencyReached => None,
            // A timer may fire a little early; without this the loop would spin until the slot opens.
            Self::PaceUntil(at) | Self::CoolDownUntil(at) => Some(at + Duration::from_micros(1)),
        }
    }
}

/// Who waits for the state after the present event.
#[derive(Default)]
struct StateRequests {
    replies: Vec<oneshot::Sender<RunSnapshot>>,
    observer: bool,
}

/// The one owner of everything that a run changes.
pub(super) struct Dispatcher<'a> {
    context: RunContext<'a>,
    policy: RowPolicy,
    purpose: RunPurpose,
    rng: Rng,
    /// The service's clock against ours.
    skew: ClockSkew,
    input_ended: bool,
    rows: RowsInFlight,
    outbox: Outbox,
    group_sync: GroupSync,
    reads: CallPacer,
    writes: CallPacer,
    calls_in_flight: usize,
    /// Of these, those that write.
    writes_in_flight: usize,
    drain: Drain,
    control: RunControl,
    /// Whether something has happened since the rows were set back for a hold.
    has_news: bool,
    /// Calls of this run that had to be repeated because they were throttled or did not reach the service.
    repeated_calls: u64,
    state_requests: StateRequests,
    systemic_faults: SystemicFaults,
    undecided_writes: UndecidedWrites,
    failure_limits: FailureLimits,
    counters: RunCounters,
    not_authorized: NotAuthorizedRows,
    next_progress: Instant,
    /// The schedule of the windows, for the time left.
    timeline: Option<WindowTimeline>,
    /// Whether every success is read back: by an option, or since the service has answered a repeated link with success.
    confirms_links: bool,
}

impl<'a> Dispatcher<'a> {
    pub(super) fn new(context: RunContext<'a>) -> Self {
        let (options, clock, now) = (&context.options, context.clock, context.clock.now());
        Self {
            policy: RowPolicy {
                attempts_max: options.attempts_max,
                settle_with: options.settle_with,
                naming: PoolNaming::from(&context.knowledge.facts),
                trust: options.trust,
                settles_before_end: false,
            },
            purpose: match context.services.writer {
                WritePort::Links(_) => RunPurpose::Link,
                WritePort::Unlinks(_) => RunPurpose::Undo,
                WritePort::Nothing => RunPurpose::UndoDryRun,
            },
            rng: Rng::new(options.seed).fork("back-off"),
            skew: context.knowledge.skew,
            input_ended: false,
            rows: RowsInFlight::default(),
            outbox: Outbox::default(),
            group_sync: GroupSync::default(),
            reads: CallPacer::new(clock, options.reads),
            writes: CallPacer::new(clock, options.writes),
            calls_in_flight: 0,
            writes_in_flight: 0,
            drain: Drain::default(),
            control: RunControl::default(),
            has_news: true,
            repeated_calls: 0,
            state_requests: StateRequests::default(),
            systemic_faults: SystemicFaults::default(),
            undecided_writes: UndecidedWrites::default(),
            failure_limits: FailureLimits::new(options.stop_limits.clone()),
            counters: RunCounters::new(now),
            not_authorized: NotAuthorizedRows::default(),
            next_progress: now,
            timeline: options.windows.clone().map(WindowTimeline::new),
            confirms_links: options.reads_back,
            context,
        }
    }

    /// Decides what follows from an event at `now`.
    pub(super) fn handle(&mut self, event: EngineEvent, now: Instant) -> Result<Actions, LedgerError> {
        self.has_news |= !matches!(event, EngineEvent::TimerDue);
        match event {
            EngineEvent::Signal(signal) => {
                let drain_starts = self.drain.on_signal(signal, now);
                self.report_drain(drain_starts);
            }
            EngineEvent::Control(message) => self.on_control(message, now)?,
            EngineEvent::CallsDone(calls) => {
                for call in calls {
                    self.on_call_done(&call, now)?;
                }
            }
            EngineEvent::RowsRead(batch) => self.take_up(batch, now)?,
            EngineEvent::InputEnded => self.input_ended = true,
            EngineEvent::InputFailed(stop) => self.stop(stop, now),
            EngineEvent::LimitChanged(limit) => self.writes.set_quota(limit),
            EngineEvent::TimerDue => {}
        }
        self.advance(now)
    }

    /// Does all that can be done now.
    fn advance(&mut self, now: Instant) -> Result<Actions, LedgerError> {
        if let Some(stop) = self.exceeded_bound(now) {
            self.stop(stop, now);
        }
        if let Some(reason) = self.failure_limits.reached() {
            self.stop_for_failures(
                StopError::new(StopCause::Bound, format!("{reason}; a rerun resumes from here")),
                now,
            );
        }
        let due = self.rows.take_due(now);
        self.has_news |= !due.waited.is_empty() || !due.released.is_empty();
        due.waited.into_iter().for_each(|id| self.queue(id));
        self.start_released(due.released, now);
        let mut start_calls = Vec::new();
        let (reads, writes) = if self.hold().is_some() {
            if std::mem::take(&mut self.has_news) {
                self.set_back_unsent()?;
            }
            (SendPause::Held, SendPause::Held)
        } else {
            (self.send_reads(&mut start_calls, now), self.send_writes(&mut start_calls, now)?)
        };
        let sync_at = self.sync_when_due(now)?;
        self.report_progress(reads, writes, now);
        let is_over = if self.drain.has_started() {
            self.drain.is_over(now, self.calls_in_flight, || self.rows.iter().any(Job::is_being_settled))
        } else {
            self.input_ended && self.calls_in_flight == 0 && self.rows.len() == 0
        };
        if is_over {
            return Ok(Actions { start_calls, next: Next::EndRun });
        }
        let moments = [self.rows.next_timer(), reads.until(), writes.until(), sync_at, self.drain.deadline()];
        let until = moments.into_iter().flatten().fold(self.next_progress, Instant::min);
        let has_room = self.rows.len() + READER_BATCH_ROWS <= WINDOW_ROWS;
        let accepts_rows = !self.input_ended && !self.drain.has_started() && !self.rows.has_canary() && has_room;
        Ok(Actions { start_calls, next: Next::Wait { until, accepts_rows } })
    }

    // Control: what people, files and the schedule request.

    /// Why nothing new is sent. A run that ends is not held: it reads back what it has sent.
    fn hold(&self) -> Option<Hold> {
        self.control.hold().filter(|_| !self.drain.has_started())
    }

    /// Does what is requested, and records in the ledger what it changes.
    fn on_control(
        &mut self,
        ControlMessage { request, reply }: ControlMessage,
        now: Instant,
    ) -> Result<(), LedgerError> {
        let was_held = self.hold().is_some();
        let (allowed, ceiling) = (self.writes.per_second(), self.writes.ceiling());
        let rate = PresentRate { allowed, ceiling, quota: self.writes.quota() };
        let change = self.control.apply(&request, rate);
        if let Some(change) = change.filter(|_| !self.drain.has_started()) {
            self.record_change(change, &request)?;
            self.writes.set_limits(self.control.rate_limits());
            if change == ControlChange::Draining {
                let by = request.user.as_deref().map_or_else(String::new, |user| format!(" by {user}"));
                let stop = format!("a drain was requested{by}; a rerun resumes from here");
                self.stop(StopError::new(StopCause::Drained, stop), now);
            }
        }
        if was_held && self.hold().is_none() {
            self.reads.forget_refusals();
            self.writes.forget_refusals();
            self.undecided_writes.forget();
        }
        match reply {
            Some(reply) => self.state_requests.replies.push(reply),
            None => self.state_requests.observer |= request.action == ControlAction::ReportState,
        }
        Ok(())
    }

    fn record_change(&mut self, change: ControlChange, request: &ControlRequest) -> Result<(), LedgerError> {
        let (run, at, source) = (self.context.run, self.context.clock.unix_ms(), request.source);
        self.context.ledger.run_controlled(run, change, source, request.user.as_deref(), at)?;
        self.context.observer.on(&RunEvent::Controlled { change, source, user: request.user.clone() });
        Ok(())
    }

    /// Withdraws what was announced, and sets every row back to the reads that its call rests on: a pause may last for
    /// hours, and what somebody else does meanwhile must neither be taken for a call of this run nor be overwritten. A row
    /// whose earlier call may have had an effect stays announced. Runs after everything that happens while the run is held,
    /// so that a row is set back however it came to its call: out of a queue, a timer or a call in flight.
    fn set_back_unsent(&mut self) -> Result<(), LedgerError> {
        let (at, naming) = (self.context.clock.unix_ms(), self.policy.naming);
        let (mut has_withdrawn, mut has_changed) = (false, false);
        for job in self.rows.iter_mut().filter(|job| !job.progress().call_in_flight) {
            if job.can_withdraw() {
                withdraw(self.context.ledger, job, at)?;
                has_withdrawn = true;
            }
            has_changed |= job.set_back(naming);
        }
        if has_withdrawn {
            self.sync()?;
        }
        if has_changed {
            for id in self.outbox.take_unsent().into_iter().rev() {
                if let Some(job) = self.rows.get(id) {
                    self.outbox.push_first(id, &job.next_work(self.policy));
                }
            }
        }
        Ok(())
    }

    // Intake: a row is skipped where the ledger says that it is done, else it is on its way.

    fn take_up(&mut self, batch: RowBatch, now: Instant) -> Result<(), LedgerError> {
        let confirming = batch.is_canary.then_some(Confirming::Canary);
        for incoming in batch.rows {
            self.counters.counts.read += u64::from(!matches!(incoming, IncomingRow::Gone(_)));
            if self.is_replaced(&incoming) {
                self.counters.counts.superseded += 1;
                continue;
            }
            match incoming {
                IncomingRow::Row(row) => self.admit(LinkJob::new(row), confirming, now)?,
                IncomingRow::Chosen(row, username) => {
                    self.admit(LinkJob::with_choice(row, username), confirming, now)?;
                }
                IncomingRow::Planned(row, planned) => self.admit_planned(row, planned, confirming, now)?,
                IncomingRow::Gone(row) if self.context.ledger.state(row.key) == RowState::InDoubt => {
                    self.settle_in_doubt(row, SettlesOnly::GoneRow, now);
                }
                IncomingRow::Gone(_) => {}
                IncomingRow::LedgerLink(link) => self.admit_undo(link, now)?,
                IncomingRow::LeftOut(key) => self.count_left_out(key),
                IncomingRow::Invalid { number, key, .. } if self.resume(key) != ResumeAction::Attempt => {
                    self.admit_invalid(number, key, now)?;
                }
                IncomingRow::Invalid { number, findings, key } => self.record_invalid(number, key, &findings)?,
            }
        }
        Ok(())
    }

    fn resume(&self, key: RowKey) -> ResumeAction {
        self.context.ledger.state(key).on_resume(self.context.options.retry)
    }

    /// Whether a correction in another input has taken the place of a row.
    fn is_replaced(&self, incoming: &IncomingRow) -> bool {
        let view = self.context.ledger.view();
        !matches!(incoming, IncomingRow::LedgerLink(_) | IncomingRow::Gone(_)) && view.is_replaced(incoming.key())
    }

    fn count_skipped(&mut self, state: RowState) {
        self.counters.counts.add(state);
        self.counters.counts.skipped += 1;
    }

    fn count_left_out(&mut self, key: RowKey) {
        match self.context.ledger.state(key) {
            state if self.resume(key) == ResumeAction::Skip => self.count_skipped(state),
            RowState::Undone => self.counters.counts.add(RowState::Unprocessed),
            state => self.counters.counts.add(state),
        }
    }

    fn record_invalid(&mut self, number: RowNumber, key: RowKey, findings: &[Finding]) -> Result<(), LedgerError> {
        self.counters.counts.invalid += 1;
        for finding in findings {
            *self.counters.counts.by_finding.entry(finding.code).or_default() += 1;
        }
        match findings.iter().find(|finding| finding.severity == Severity::Error) {
            Some(error) => self.context.ledger.invalid(number, key, error, self.context.clock.unix_ms()),
            None => Ok(()),
        }
    }

    /// What a plan settles is recorded without a call, unless an earlier run left the row in doubt: then it is read back.
    fn admit_planned(
        &mut self,
        row: Row,
        planned: PlannedOutcome,
        confirming: Option<Confirming>,
        now: Instant,
    ) -> Result<(), LedgerError> {
        self.counters.plan_mismatches.get_or_insert(0);
        let outcome = match planned {
            PlannedOutcome::Link(destination) => {
                return self.admit(LinkJob::planned(row, destination), confirming, now);
            }
            PlannedOutcome::AlreadyLinked => LinkOutcome::AlreadyLinked,
            PlannedOutcome::Refused(code) => LinkOutcome::Refused { code, text: None },
        };
        if self.resume(row.key) != ResumeAction::Attempt {
            return self.admit(LinkJob::new(row), confirming, now);
        }
        let (number, key, state) = (row.number, row.key, outcome.state());
        let trace = RowTrace { place: Some(RowPlace::of(&row.link)), ..RowTrace::default() };
        let at = self.latest_service_time();
        self.context.ledger.settle_traced(number, key, &outcome, trace, at)?;
        self.counters.counts.add(state);
        self.context.observer.on(&RunEvent::Settled { number, key, state });
        Ok(())
    }

    fn admit(&mut self, mut job: LinkJob, confirming: Option<Confirming>, now: Instant) -> Result<(), LedgerError> {
        job.confirming = confirming;
        // A plan has looked at every row already.
        if !job.is_planned {
            job.name_may_be = mistaken_destination(
                &job.progress.row.link.destination,
                PoolNaming::from(&self.context.knowledge.facts),
            );
        }
        let key = job.progress.row.key;
        if self.resume(key) == ResumeAction::Skip {
            let state = self.context.ledger.state(key);
            self.count_skipped(state);
            if job.is_canary() {
                let finding = CanaryFinding::of_row_done_before(state);
                self.on_canary_row_done(job.progress.row.number, key, state, finding, now);
            }
            return Ok(());
        }
        // Whoever has the address or the `sub` now, the open call was for this user.
        if let Some(user) = self.context.ledger.announced_user(key)? {
            job.expect_announced_user(user);
        }
        self.insert(Job::Link(job), now);
        Ok(())
    }

    /// Reads back a row in doubt that is invalid beside other rows; any other such row is done.
    fn admit_invalid(&mut self, number: RowNumber, key: RowKey, now: Instant) -> Result<(), LedgerError> {
        let state = self.context.ledger.state(key);
        let in_doubt = if state == RowState::InDoubt { self.context.ledger.announced_row(key)? } else { None };
        match in_doubt {
            Some(row) => self.settle_in_doubt(Row { number, ..row }, SettlesOnly::InvalidRow, now),
            None => self.count_skipped(state),
        }
        Ok(())
    }

    /// Reads back a row in doubt, and sends nothing for it. The row is as the ledger has it, which names the user.
    fn settle_in_doubt(&mut self, row: Row, why: SettlesOnly, now: Instant) {
        self.insert(Job::Link(LinkJob::settling(row, why)), now);
    }

    fn admit_undo(&mut self, link: LinkToUndo, now: Instant) -> Result<(), LedgerError> {
        let LinkToUndo { row, announced, settled, username, linked_elsewhere_later } = link;
        let latest = settled.saturating_add(ANNOUNCEMENT_WINDOW_MS);
        let linked = MadeLink { earliest: announced, latest, linked_elsewhere_later };
        match resolution(&row.link.destination) {
            Resolution::Known(user) => self.insert(Job::Undo(UndoJob::new(row, user, username, linked)), now),
            Resolution::LookUp(_) => {
                // A ledger names the user as it was sent; without that name it cannot be known whose link this is.
                let message = "the ledger does not name the user of this link".to_owned();
                let text = ServiceText { code: "user_not_named".to_owned(), message };
                let outcome = UndoOutcome::Failed { text };
                let state = outcome.state();
                self.record_undo(&row, &outcome, RowTrace::default())?;
                self.context.observer.on(&RunEvent::Settled { number: row.number, key: row.key, state });
            }
        }
        Ok(())
    }

    fn insert(&mut self, job: Job, now: Instant) {
        let (id, lane_is_open) = self.rows.insert(job);
        if lane_is_open {
            self.start_released(vec![id], now);
        }
    }

    /// Starts or continues rows whose lane is open.
    fn start_released(&mut self, mut ids: Vec<JobId>, now: Instant) {
        while let Some(id) = ids.pop() {
            ids.extend(self.start(id, now));
        }
    }

    /// Starts a row whose lane is open. Returns the rows that this releases.
    fn start(&mut self, id: JobId, now: Instant) -> Vec<JobId> {
        let Some(job) = self.rows.get_mut(id) else { return Vec::new() };
        if job.is_waiting_for_lane() {
            // The state may have changed: the row before this one in its lane may have been the same link.
            let key = job.progress().row.key;
            let state = self.context.ledger.state(key);
            let is_done = state.on_resume(self.context.options.retry) == ResumeAction::Skip;
            let (service_now, _) = self.skew.service_time(self.context.clock.unix_ms());
            let announced = self.context.ledger.announced_at(key);
            let open = announced.map(|announced| OpenCall::from_ledger(announced, service_now));
            let unlinked_at = self.context.ledger.unlinked_at(key).filter(|at| may_lack_write(*at, service_now));
            match job {
                Job::Undo(job) => job.start(open, service_now),
                Job::Link(job) if is_done => {
                    let (number, is_canary) = (job.progress.row.number, job.is_canary());
                    if job.settles_only != Some(SettlesOnly::GoneRow) {
                        self.count_skipped(state);
                    }
                    let released = self.rows.remove(id, now, None);
                    if is_canary {
                        let finding = CanaryFinding::of_row_done_before(state);
                        self.on_canary_row_done(number, key, state, finding, now);
                    }
                    return released;
                }
                Job::Link(job) => {
                    job.unlinked_at = unlinked_at;
                    let left = match (state, open) {
                        (RowState::Unlinking, Some(call)) => LeftByEarlierRuns::OpenUnlinkCall(call),
                        (_, Some(call)) => LeftByEarlierRuns::OpenLinkCall(call),
                        (_, None) => LeftByEarlierRuns::Nothing,
                    };
                    job.start(left, self.policy.naming);
                }
            }
        }
        self.queue(id);
        Vec::new()
    }

    fn queue(&mut self, id: JobId) {
        if let Some(job) = self.rows.get(id) {
            self.outbox.push(id, &job.next_work(self.policy));
        }
    }

    // Resolve and read back.

    /// Sends the read calls that may be sent now.
    fn send_reads(&mut self, start_calls: &mut Vec<StartCall>, now: Instant) -> SendPause {
        loop {
            // While draining only what this run sent is read back; everything else stays for the next run.
            let (drains, rows) = (self.drain.has_started(), &self.rows);
            let may_be_read = |id| !drains || rows.get(id).is_some_and(Job::is_being_settled);
            let Some((place, id)) = self.outbox.next_read(may_be_read) else { return SendPause::QueueEmpty };
            if self.calls_in_flight >= self.context.options.concurrency {
                return SendPause::ConcurrencyReached;
            }
            let Some(NextWork::Read(call)) = self.next_work(id) else {
                self.outbox.take_read(place);
                self.queue(id);
                continue;
            };
            let slot = match self.take_slot(CallKind::Read) {
                Ok(slot) => slot,
                Err(pause) => return pause,
            };
            self.outbox.take_read(place);
            self.counters.reads += 1;
            start_calls.push(self.start_call(id, slot, Call::Read(call), now));
        }
    }

    fn next_work(&self, id: JobId) -> Option<NextWork> {
        self.rows.get(id).map(|job| job.next_work(self.policy))
    }

    fn budget(&mut self, kind: CallKind) -> &mut CallPacer {
        match kind {
            CallKind::Write | CallKind::Unlink => &mut self.writes,
            CallKind::Read => &mut self.reads,
        }
    }

    fn take_slot(&mut self, kind: CallKind) -> Result<AdmittedCall, SendPause> {
        match self.budget(kind).admit_call() {
            Admission::Admitted(slot) => Ok(slot),
            Admission::NotBefore(at) => Err(SendPause::PaceUntil(at)),
            Admission::CoolingDown(at) => Err(SendPause::CoolDownUntil(at)),
        }
    }

    fn start_call(&mut self, job: JobId, slot: AdmittedCall, call: Call, now: Instant) -> StartCall {
        self.calls_in_flight += 1;
        self.writes_in_flight += usize::from(matches!(call, Call::Write(_)));
        if let Some(job) = self.rows.get_mut(job) {
            if let (Job::Link(job), true) = (&mut *job, self.confirms_links && matches!(call, Call::Write(_))) {
                job.confirm_owner();
            }
            let progress = job.progress_mut();
            progress.call_in_flight = true;
            match &call {
                Call::Write(_) => progress.last_write = Some(now),
                Call::Read(read) => progress.read_operation = read.operation(),
            }
        }
        StartCall { job, slot, call }
    }

    // Announce and call.

    /// Sends the write calls that may be sent now: each after its intent is on disk.
    fn send_writes(&mut self, start_calls: &mut Vec<StartCall>, now: Instant) -> Result<SendPause, LedgerError> {
        while !self.drain.has_started() {
            self.announce_ahead(now)?;
            let Some(id) = self.outbox.next_write() else { break };
            if self.calls_in_flight >= self.context.options.concurrency {
                return Ok(SendPause::ConcurrencyReached);
            }
            let Some(NextWork::Write(call)) = self.next_work(id) else {
                self.outbox.take_write();
                self.queue(id);
                continue;
            };
            if self.writes_in_flight >= self.failure_limits.calls_allowed() {
                break;
            }
            let slot = match self.take_slot(CallKind::Write) {
                Ok(slot) => slot,
                Err(pause) => return Ok(pause),
            };
            self.outbox.take_write();
            self.counters.writes += 1;
            start_calls.push(self.start_call(id, slot, Call::Write(call), now));
        }
        Ok(SendPause::QueueEmpty)
    }

    /// Announces the rows that come next, and makes that durable when no announced row is left. So a sync is paid for many
    /// rows at once, and no slot waits for it.
    fn announce_ahead(&mut self, now: Instant) -> Result<(), LedgerError> {
        let announced_max = announced_ahead_max(self.writes.per_second());
        while let Some(id) = self.outbox.take_announcement(announced_max) {
            self.announce(id, now)?;
        }
        if self.outbox.waits_for_sync() {
            self.sync()?;
            self.outbox.on_announcements_durable();
        }
        Ok(())
    }

    fn announce(&mut self, id: JobId, now: Instant) -> Result<(), LedgerError> {
        let (earliest, latest) = self.skew.service_time(self.context.clock.unix_ms());
        let Some(job) = self.rows.get_mut(id) else { return Ok(()) };
        let NextWork::Announce(announcement) = job.next_work(self.policy) else {
            self.queue(id);
            return Ok(());
        };
        let row = &job.progress().row;
        let has_provider = |provider| self.context.knowledge.providers.contains_key(provider);
        let destination_provider = match &announcement {
            RowAnnouncement::Link { destination } if !destination.provider.is_native() => Some(&destination.provider),
            _ => None,
        };
        if !has_provider(row.link.source.provider()) || !destination_provider.is_none_or(has_provider) {
            let result = result_without_provider(&announcement, job.effect());
            return self.finish(id, &result, now);
        }
        if let Job::Link(job) = &*job
            && job.settles_only.is_some()
        {
            let result = RowResult::Link(job.result_without_another_call());
            return self.finish(id, &result, now);
        }
        match announcement {
            RowAnnouncement::Link { destination } => self.context.ledger.announce(row, &destination, earliest)?,
            RowAnnouncement::Unlink { destination, identity } => {
                self.context.ledger.announce_unlink(row, &destination, &identity, earliest)?;
            }
        }
        job.on_announced(AnnouncementTime { earliest, latest });
        if self.purpose == RunPurpose::UndoDryRun {
            return self.finish(id, &RowResult::Undo(UndoOutcome::Undone), now);
        }
        self.outbox.push_announced(id);
        Ok(())
    }

    fn sync_when_due(&mut self, now: Instant) -> Result<Option<Instant>, LedgerError> {
        self.context.ledger.flush()?;
        match self.group_sync.decide(self.context.ledger.unsynced_lines(), now) {
            SyncDecision::NothingToSync => Ok(None),
            SyncDecision::SyncAt(at) => Ok(Some(at)),
            SyncDecision::SyncNow => {
                self.sync()?;
                Ok(None)
            }
        }
    }

    fn sync(&mut self) -> Result<(), LedgerError> {
        self.context.ledger.sync()?;
        self.group_sync.on_synced();
        Ok(())
    }

    // Settle: what follows from the answers.

    fn on_call_done(&mut self, call: &FinishedCall, now: Instant) -> Result<(), LedgerError> {
        self.calls_in_flight -= 1;
        self.writes_in_flight -= usize::from(call.result.kind() != CallKind::Read);
        if let Some(meta) = call.result.meta() {
            self.skew.observe_answer(call.sent_unix_ms, call.answered_unix_ms, meta);
        }
        if call.result.kind() != CallKind::Read && call.result.fault().is_none() {
            self.counters.accepted_at = Some(now);
        }
        // The budget learns of every answer, and may make everybody slower.
        let (verdict, retry_after) = pace_verdict(call.result.kind(), call.result.fault());
        let pause = self.budget(call.result.kind()).record_feedback(call.slot, verdict, retry_after);
        let row = self.rows.get(call.job).map(|job| job.progress().row.number);
        if let Some(stop) = row.and_then(|row| self.systemic_faults.observe(row, &call.result)) {
            self.stop(stop, now);
        }
        if let Some(stop) = row.and_then(|row| self.undecided_writes.observe(row, &call.result, now)) {
            self.stop_for_failures(stop, now);
        }
        let Some(job) = self.rows.get_mut(call.job) else { return Ok(()) };
        if let Some(pause) = pause {
            self.context.observer.on(&RunEvent::Throttled { number: job.progress().row.number, pause });
        }
        let progress = job.progress_mut();
        progress.call_in_flight = false;
        progress.had_no_answer |= matches!(call.result.fault(), Some(CallFault::Transport { .. }));
        let (number, key) = (job.progress().row.number, job.progress().row.key);
        if let Some(failed) = call.failed_write() {
            self.context.ledger.attempt(number, key, &failed)?;
        } else if call.result.kind() != CallKind::Read {
            job.progress_mut().latency_ms = Some(call.latency_ms());
        }
        let denied = match call.result.kind() {
            CallKind::Read => None,
            CallKind::Write | CallKind::Unlink => self.not_authorized.on_write_answer(number, call.result.fault()),
        };
        let transition = job.on_call_result(&call.result, self.policy, &mut self.rng);
        self.confirms_links |= matches!(&*job, Job::Link(job) if job.repeat_succeeded);
        let suspected = job.may_become(self.policy.settle_with);
        self.failure_limits.note_suspect(call.job, suspected, job.progress().row.link.source.provider());
        match transition {
            Transition::Continue(pause) => self.continue_row(call.job, pause, now),
            Transition::EnterLaneOf(username) => {
                if self.rows.enter_lane_of_user(call.job, &username) {
                    self.continue_row(call.job, Pause::None, now);
                }
            }
            Transition::RepeatCall { throttled } => self.repeat_call(call.job, throttled, now),
            Transition::Finish(result) => self.finish(call.job, &result, now)?,
            Transition::OldUnlinkSettled { end, text } => self.on_old_unlink_settled(call.job, end, text, now)?,
            Transition::StopRun(stop) => self.stop(stop, now),
        }
        if let Some(stop) = denied {
            self.stop(stop, now);
        }
        Ok(())
    }

    fn continue_row(&mut self, id: JobId, pause: Pause, now: Instant) {
        let Some(job) = self.rows.get_mut(id) else { return };
        let progress = job.progress_mut();
        (progress.throttled_since, progress.repeated_calls) = (None, 0);
        match pause {
            Pause::None => self.queue(id),
            Pause::Settling(pause) => self.rows.wait_until(now + pause, id, TimerReason::Settling),
            Pause::BackOff(pause) => {
                let (number, attempts, code) =
                    (progress.row.number, progress.attempts, progress.last_text.code.clone());
                self.rows.wait_until(now + pause, id, TimerReason::BackOff);
                self.context.observer.on(&RunEvent::Retried { number, attempts, pause, code });
            }
        }
    }

    /// A call that was refused for its rate costs the row nothing and goes first. One that is refused repeatedly does not,
    /// because the limit may be its user's own.
    fn repeat_call(&mut self, id: JobId, throttled: bool, now: Instant) {
        self.counters.throttled += u64::from(throttled);
        self.repeated_calls += 1;
        let Some(job) = self.rows.get_mut(id) else { return };
        let progress = job.progress_mut();
        progress.throttled_since.get_or_insert(now);
        progress.repeated_calls += 1;
        match progress.repeated_calls {
            0 | 1 => self.outbox.push_first(id, &job.next_work(self.policy)),
            more => {
                self.rows.wait_until(now + backoff(more - 1, &mut self.rng), id, TimerReason::BackOff);
            }
        }
    }

    // Record: the ledger first, then the counts, then the observers.

    fn finish(&mut self, id: JobId, result: &RowResult, now: Instant) -> Result<(), LedgerError> {
        let Some(job) = self.rows.get(id) else { return Ok(()) };
        let progress = job.progress();
        let (row, request_id, username) =
            (progress.row.clone(), progress.request_id.clone(), progress.username.clone());
        let trace = RowTrace {
            attempts: progress.attempts,
            latency_ms: progress.latency_ms,
            request_id: request_id.as_deref(),
            username: username.as_ref(),
            place: Some(RowPlace::of(&row.link)),
        };
        let state = match result {
            RowResult::Link(outcome) => {
                let is_planned = matches!(job, Job::Link(job) if job.is_planned);
                let is_gone = job.is_gone();
                let at = self.latest_service_time();
                self.context.ledger.settle_traced(row.number, row.key, outcome, trace, at)?;
                let state = outcome.state();
                if !is_gone {
                    self.counters.counts.add(state);
                    let recovered = matches!(outcome, LinkOutcome::Linked { recovered: true });
                    self.counters.counts.recovered += u64::from(recovered);
                }
                if is_planned && matches!(state, RowState::AlreadyLinked | RowState::Refused(_)) {
                    *self.counters.plan_mismatches.get_or_insert(0) += 1;
                }
                state
            }
            RowResult::Undo(outcome) => {
                self.record_undo(&row, outcome, trace)?;
                outcome.state()
            }
        };
        self.release(id, state, now);
        Ok(())
    }

    /// The time of a result: what was done for the row was done until then, by the service's clock.
    fn latest_service_time(&self) -> UnixMs {
        self.skew.service_time(self.context.clock.unix_ms()).1
    }

    fn record_undo(&mut self, row: &Row, outcome: &UndoOutcome, trace: RowTrace<'_>) -> Result<(), LedgerError> {
        let at = self.latest_service_time();
        self.context.ledger.settle_unlink(row.number, row.key, outcome, trace, at)?;
        self.counters.counts.add_undo(outcome);
        if let Some(observer) = &mut self.context.undo_observer {
            observer.on(row, outcome);
        }
        Ok(())
    }

    /// Records first what an open unlink call came to. Where the link is gone, the row goes on; otherwise that is the row's
    /// result.
    fn on_old_unlink_settled(
        &mut self,
        id: JobId,
        end: OldUnlinkEnd,
        text: ServiceText,
        now: Instant,
    ) -> Result<(), LedgerError> {
        let Some(job) = self.rows.get(id) else { return Ok(()) };
        let (number, key) = (job.progress().row.number, job.progress().row.key);
        let outcome = match end {
            OldUnlinkEnd::TookEffect | OldUnlinkEnd::LinkedAgainSince => UndoOutcome::Undone,
            OldUnlinkEnd::NoEffect => UndoOutcome::Failed { text },
            OldUnlinkEnd::StillInDoubt => UndoOutcome::InDoubt { text },
        };
        let at = self.latest_service_time();
        self.context.ledger.settle_unlink(number, key, &outcome, RowTrace::default(), at)?;
        match end {
            OldUnlinkEnd::TookEffect if self.context.options.retry.relink => {
                if let Some(Job::Link(job)) = self.rows.get_mut(id) {
                    job.unlinked_at = self.context.ledger.unlinked_at(key);
                }
                self.continue_row(id, Pause::None, now);
            }
            OldUnlinkEnd::LinkedAgainSince => {
                return self.finish(id, &RowResult::Link(LinkOutcome::AlreadyLinked), now);
            }
            OldUnlinkEnd::TookEffect | OldUnlinkEnd::NoEffect | OldUnlinkEnd::StillInDoubt => {
                let state = outcome.state();
                self.counters.counts.add(state);
                self.release(id, state, now);
            }
        }
        Ok(())
    }

    /// Reports a row that is recorded and counted, and opens its lanes.
    fn release(&mut self, id: JobId, state: RowState, now: Instant) {
        let Some(job) = self.rows.get(id) else { return };
        let progress = job.progress();
        let (number, key) = (progress.row.number, progress.row.key);
        let provider = progress.row.link.source.provider();
        self.failure_limits.note_suspect(id, None, provider);
        self.failure_limits.note_result(state, provider, progress.had_no_answer);
        let finding = job.canary_finding(state);
        self.counters.links_of_disabled_users += u64::from(job.is_link_of_disabled_user(state));
        self.context.observer.on(&RunEvent::Settled { number, key, state });
        let open_at = progress.last_write.map(|at| at + Duration::from_millis(WRITE_SPACING_PER_USER_MS));
        let released = self.rows.remove(id, now, open_at);
        if let Some(finding) = finding {
            self.on_canary_row_done(number, key, state, finding, now);
        }
        self.start_released(released, now);
    }

    /// Reports a row of the canary. One that is not right ends the run; after the last one, the other rows follow.
    fn on_canary_row_done(
        &mut self,
        number: RowNumber,
        key: RowKey,
        state: RowState,
        finding: CanaryFinding,
        now: Instant,
    ) {
        self.context.observer.on(&RunEvent::CanaryChecked { number, key, state, finding });
        if !finding.is_right() {
            let what = finding.text_for(state);
            let detail = format!("canary: row {number}: {what}; the rows after the canary were not sent");
            self.stop_for_failures(StopError::new(StopCause::Canary, detail), now);
        }
    }

    // Progress, bounds and the end.

    fn report_progress(&mut self, reads: SendPause, writes: SendPause, now: Instant) {
        for reply in std::mem::take(&mut self.state_requests.replies) {
            // One who no longer waits gets no answer.
            let _ = reply.send(self.snapshot(reads, writes, now));
        }
        if std::mem::take(&mut self.state_requests.observer) {
            let snapshot = self.snapshot(reads, writes, now);
            self.context.observer.on(&RunEvent::StateRequested(Box::new(snapshot)));
        }
        if now < self.next_progress {
            return;
        }
        self.next_progress = now + Duration::from_millis(PROGRESS_INTERVAL_MS);
        let snapshot = self.snapshot(reads, writes, now);
        self.context.observer.on(&RunEvent::Tick(Box::new(snapshot)));
    }

    fn snapshot(&mut self, reads: SendPause, writes: SendPause, now: Instant) -> RunSnapshot {
        let mut snapshot = self.counters.snapshot(now, self.context.options.total, self.pacing());
        snapshot.in_flight = self.calls_in_flight;
        snapshot.draining = self.drain.has_started();
        // A rehearsal reports its progress so often that to look at every row costs a tenth of its time.
        let rows = (self.repeated_calls > 0).then(|| self.rows.iter()).into_iter().flatten();
        let throttled_since = rows.filter_map(|job| job.progress().throttled_since).min();
        snapshot.oldest_throttled = throttled_since.map(|since| now.saturating_duration_since(since));
        snapshot.waiting = self.waiting(reads, writes, now);
        snapshot.chosen_rate = self.control.chosen_rate(self.writes.quota());
        if !self.purpose.is_undo() {
            // Rows that were read and have no result yet. What an undo has not reached is linked.
            let counts = &mut snapshot.counts;
            counts.unprocessed += counts.read.saturating_sub(counts.accounted());
        }
        if self.timeline.is_some() {
            snapshot.remaining = self.time_left_in_windows(&snapshot);
        }
        snapshot
    }

    /// Returns the time left with the coming windows. Nobody knows when a person resumes.
    #[expect(clippy::cast_precision_loss, reason = "a shown figure")]
    fn time_left_in_windows(&mut self, snapshot: &RunSnapshot) -> Option<Duration> {
        let (hold, present) = (self.control.hold(), self.control.rate_limits().window);
        let speed = snapshot.done_per_second;
        let is_known = match hold {
            None => speed > SPEED_KNOWN,
            Some(Hold::Window { .. }) => true,
            Some(Hold::Operator | Hold::PauseFile) => false,
        };
        let left = snapshot.total.filter(|_| is_known)?.saturating_sub(snapshot.counts.done());
        let writes = &self.writes;
        // What the present window shows holds for the next one with its rate as well.
        let speed_in = |window: Option<f64>| match writes.ceiling_in_window(window) {
            ceiling if ceiling.is_infinite() || (hold.is_none() && window == present) => speed,
            ceiling => ceiling,
        };
        let now = self.context.clock.unix_ms();
        self.timeline.as_mut()?.time_of(now, left as f64, &speed_in)
    }

    fn pacing(&self) -> Pacing {
        Pacing {
            allowed_per_second: self.writes.per_second(),
            writes_in_flight: self.writes_in_flight as u64,
            is_held: self.hold().is_some(),
        }
    }

    /// Why nothing is sent at the moment.
    fn waiting(&self, reads: SendPause, writes: SendPause, now: Instant) -> Option<WaitReason> {
        if let Some(hold) = self.hold() {
            return Some(WaitReason::Held(hold));
        }
        match (writes, reads) {
            (SendPause::CoolDownUntil(at), _) | (SendPause::QueueEmpty, SendPause::CoolDownUntil(at)) => {
                Some(WaitReason::CoolDown(at.saturating_duration_since(now)))
            }
            (SendPause::ConcurrencyReached, _) | (_, SendPause::ConcurrencyReached) => Some(WaitReason::Concurrency),
            (SendPause::QueueEmpty, _) if self.calls_in_flight == 0 && !self.drain.has_started() => {
                let reads_input = self.rows.len() == 0 && !self.input_ended;
                self.rows.waiting(now).or(reads_input.then_some(WaitReason::Input))
            }
            (SendPause::PaceUntil(at), _) => {
                let pause = at.saturating_duration_since(now);
                (pause >= Duration::from_millis(RATE_WAIT_SHOWN_MS)).then_some(WaitReason::Rate(pause))
            }
            (SendPause::QueueEmpty | SendPause::Held, _) => None,
        }
    }

    fn exceeded_bound(&self, now: Instant) -> Option<StopError> {
        if self.drain.has_started() {
            return None;
        }
        let options = &self.context.options;
        let stuck_for = self.writes.stuck_for().max(self.reads.stuck_for());
        let reason = if self.hold().is_none() && stuck_for.is_some_and(|age| age > Duration::from_millis(STUCK_MS)) {
            format!("the service has accepted nothing for {} s, at the slowest pace", STUCK_MS / 1_000)
        } else if options.duration_max.is_some_and(|most| self.counters.elapsed(now) >= most) {
            "--max-duration has passed".to_owned()
        } else {
            return None;
        };
        Some(StopError::new(StopCause::Bound, format!("{reason}; a rerun resumes from here")))
    }

    /// Stops because rows fail. Nothing presses then, so that rows in doubt are read until their outcome is known.
    fn stop_for_failures(&mut self, stop: StopError, now: Instant) {
        if self.drain.has_started() {
            return;
        }
        let drain_starts = self.drain.start_after_failures(RunOutcome::Stopped(stop), now);
        self.report_drain(drain_starts);
        self.policy.settles_before_end = true;
        for id in self.outbox.take_writes() {
            if self.rows.get_mut(id).is_some_and(Job::read_back_before_end) {
                self.queue(id);
            }
        }
        for job in self.rows.iter_mut() {
            job.read_back_before_end();
        }
    }

    fn stop(&mut self, stop: StopError, now: Instant) {
        let drain_starts = self.drain.start(RunOutcome::Stopped(stop), now);
        self.report_drain(drain_starts);
    }

    fn report_drain(&mut self, drain_starts: bool) {
        if drain_starts {
            self.context.observer.on(&RunEvent::Draining { in_flight: self.calls_in_flight });
        }
    }

    /// Ends the run where nothing can be recorded any more.
    pub(super) fn stop_without_ledger(&mut self, error: LedgerError) {
        self.drain = Drain::default();
        self.drain.start(RunOutcome::Stopped(error.into()), self.context.clock.now());
    }

    /// Writes the end of the run into the ledger, unless that is what failed, and sums up.
    pub(super) fn end(mut self, now: Instant) -> RunReport {
        let reached = self.counters.counts.clone();
        for job in self.rows.take_all() {
            if let Err(error) = self.leave_unfinished(&job) {
                self.stop_without_ledger(error);
            }
            if !job.is_gone() {
                self.count_unfinished(&job);
            }
        }
        if let Err(error) = self.record_end() {
            self.stop_without_ledger(error);
        }
        let ledger_failed =
            matches!(self.drain.ended(), RunOutcome::Stopped(stop) if stop.cause == StopCause::LedgerIo);
        if ledger_failed {
            // A row whose result could not be recorded is read and has none.
            let counts = &mut self.counters.counts;
            counts.unprocessed += counts.read.saturating_sub(counts.accounted());
        }
        let pacing = self.pacing();
        let ended = self.drain.into_ended();
        let options = &self.context.options;
        let mut snapshot = self.counters.snapshot(now, options.total, pacing);
        snapshot.remaining = None;
        let ended_with = snapshot.clone();
        if self.purpose.is_undo() {
            // What was not reached counts as linked, and is not done.
            snapshot.counts = reached;
        }
        self.context.observer.on(&RunEvent::Tick(Box::new(snapshot)));
        self.context.observer.on(&RunEvent::Ended(Box::new(ended_with)));
        let not_read = options.total.map(|total| total.saturating_sub(self.counters.counts.read));
        RunReport {
            ledger_head: (!ledger_failed && self.purpose != RunPurpose::UndoDryRun)
                .then(|| self.context.ledger.head().to_string()),
            purpose: self.purpose,
            pool: self.context.pool,
            simulated: self.context.simulated,
            not_read: not_read.filter(|_| !matches!(ended, RunOutcome::Completed)),
            ended,
            elapsed: self.counters.elapsed(now),
            counts: self.counters.counts,
            writes: self.counters.writes,
            reads: self.counters.reads,
            throttled: self.counters.throttled,
            missed: self.counters.plan_mismatches,
            links_of_disabled_users: self.counters.links_of_disabled_users,
        }
    }

    fn record_end(&mut self) -> Result<(), LedgerError> {
        let counts = &mut self.counters.counts;
        counts.repeated = counts.skipped.saturating_sub(self.context.options.done_before);
        counts.skipped -= counts.repeated;
        self.context.ledger.run_ended(&RunEnd {
            run: self.context.run,
            at: self.context.clock.unix_ms(),
            ended: EndedAs::from(self.drain.ended()),
            counts: counts.clone(),
            writes: self.counters.writes,
            reads: self.counters.reads,
            throttled: self.counters.throttled,
            pace_milli: self.writes.measured_quota().map(milli),
        })?;
        self.context.ledger.sync()
    }

    /// Leaves a row without a result. An announced call that was not sent is withdrawn, and the row is as it was before.
    /// Any other announced row is in doubt, which the announcement itself says.
    fn leave_unfinished(&mut self, job: &Job) -> Result<(), LedgerError> {
        if job.can_withdraw() { withdraw(self.context.ledger, job, self.context.clock.unix_ms()) } else { Ok(()) }
    }

    fn count_unfinished(&mut self, job: &Job) {
        self.counters.counts.add(match self.context.ledger.state(job.progress().row.key) {
            // Counted as done in earlier runs only where they are left alone.
            RowState::Undone => RowState::Unprocessed,
            RowState::Kept(_) => RowState::Linked,
            state => state,
        });
    }
}

/// Records that the announced call of a row was not sent.
fn withdraw(ledger: &mut Ledger, job: &Job, at: UnixMs) -> Result<(), LedgerError> {
    let (number, key) = (job.progress().row.number, job.progress().row.key);
    match job {
        Job::Link(_) => ledger.withdraw(number, key, at),
        Job::Undo(_) => ledger.withdraw_unlink(number, key, at),
    }
}

/// The result of a row whose provider the pool does not list: an earlier call for it may have taken effect all the same.
fn result_without_provider(announcement: &RowAnnouncement, effect: UnknownEffect) -> RowResult {
    let code = RefusalCode::ProviderNotFound;
    let message = "the pool no longer lists the provider, and an earlier call may have taken effect".to_owned();
    let text = ServiceText { code: code.as_str().to_owned(), message };
    match (announcement, effect.leaves_row_in_doubt()) {
        (RowAnnouncement::Link { .. }, false) => RowResult::Link(LinkOutcome::Refused { code, text: None }),
        (RowAnnouncement::Link { .. }, true) => RowResult::Link(LinkOutcome::InDoubt { text }),
        (RowAnnouncement::Unlink { .. }, false) => RowResult::Undo(UndoOutcome::Refused { code, text: None }),
        (RowAnnouncement::Unlink { .. }, true) => RowResult::Undo(UndoOutcome::InDoubt { text }),
    }
}

/// Rows to have announced ahead: what a quarter of a second takes.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "clamped before the cast"
)]
fn announced_ahead_max(writes_per_second: f64) -> usize {
    (writes_per_second / 4.0).clamp(8.0, ANNOUNCED_AHEAD_MAX as f64) as usize
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a bounded pace")]
fn milli(per_second: f64) -> u64 {
    (per_second * 1_000.0).round() as u64
}

#[cfg(test)]
#[path = "dispatcher_tests.rs"]
mod tests;
