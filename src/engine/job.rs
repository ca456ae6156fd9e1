//! What happens to one row next: the policy, without waiting or calling.
//!
//! ```text
//! Resolve ─► Announce ─► Link ─► linked
//!               ▲          │ doubtful
//!               │          ▼
//!               └─ absent ─ Look ─► linked, already_linked, refused, in_doubt
//! ```
//! A row that an earlier run left in doubt starts at Look.

use std::time::Duration;

use super::settle::{Announced, Sight, listed_name, look, whose};
use super::step::{Next, Policy, SettleWith, Step, Wait};
use super::undo::Undoing;
use super::worker::Call;
use crate::clock::{Instant, UnixMs};
use crate::domain::identity::{DestinationUser, Personal, profile_username};
use crate::domain::outcome::{Outcome, RefusalCode, ServiceText, UndoOutcome};
use crate::domain::row::Row;
use crate::foresight::preflight;
use crate::foresight::resolve::{Resolution, resolution, resolve};
use crate::limits::{FILTER_CHARS_MAX, LIST_LAG_MS_MAX, READ_PAGES_MAX, SERVICE_TEXT_CHARS_MAX, SETTLE_WAITS_MS};
use crate::pace::retry::backoff;
use crate::seed::Rng;
use crate::service::classify::{CallKind, FaultClass, IfNoEffect, classify};
use crate::service::{Fault, LinkRequest, PoolUser, UnlinkRequest, UserFilter, UserPage, UserQuery};

/// A row on its way.
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one row; its state is `step`")]
#[derive(Debug)]
pub(super) struct Job {
    pub(super) row: Row,
    pub(super) destination: Option<DestinationUser>,
    pub(super) step: Step,
    /// Link calls that were answered, or not, other than by a throttle.
    pub(super) attempts: u32,
    /// When it was announced; stays from an earlier run while the row is in doubt.
    pub(super) announced: Option<Announced>,
    /// Whether this run announced it.
    pub(super) announced_now: bool,
    pub(super) request_id: Option<String>,
    pub(super) throttled_since: Option<Instant>,
    /// Refusals in a row that cost it no attempt.
    pub(super) refusals: u32,
    /// When its newest link call was sent.
    pub(super) last_write: Option<Instant>,
    /// Whether a call of it is in flight.
    pub(super) in_flight: bool,
    /// Which of several users it means, by user name, where somebody chose.
    chosen: Option<Personal>,
    /// Whether a plan says that it will be linked.
    pub(super) planned: bool,
    /// Whether it is on its way, and not only waiting for its lane.
    pub(super) started: bool,
    /// What its taking back needs; `None` for a row that is to be linked.
    pub(super) undo: Option<Box<Undoing>>,
    read_faults: u32,
    pub(super) in_doubt: bool,
    /// Whether `undo` has taken its link back before.
    pub(super) was_undone: bool,
    /// Whether its only doubtful call is of an earlier run, and so old that `ListUsers` shows it.
    pub(super) left_long_ago: bool,
    last: ServiceText,
    found: Vec<PoolUser>,
    pages: usize,
    token: Option<String>,
}

impl Job {
    /// A row that waits to be worked on.
    pub(super) fn new(row: Row) -> Self {
        Self {
            row,
            destination: None,
            step: Step::Announce,
            attempts: 0,
            announced: None,
            announced_now: false,
            request_id: None,
            throttled_since: None,
            refusals: 0,
            last_write: None,
            in_flight: false,
            chosen: None,
            planned: false,
            started: false,
            undo: None,
            read_faults: 0,
            in_doubt: false,
            was_undone: false,
            left_long_ago: false,
            last: ServiceText { code: "interrupted".into(), message: String::new() },
            found: Vec::new(),
            pages: 0,
            token: None,
        }
    }

    /// The same of which a plan says that it will be linked, with its destination where that is known.
    pub(super) fn planned(row: Row, destination: Option<DestinationUser>) -> Self {
        Self { destination, planned: true, ..Self::new(row) }
    }

    /// The same where somebody chose which of several users it means: taken only if it does mean several, and that one is
    /// among them.
    pub(super) fn with_choice(row: Row, username: Personal) -> Self {
        Self { chosen: Some(username), ..Self::new(row) }
    }

    /// Sets it on its way at `now`; `in_doubt_since` is the announcement of an earlier run that has no outcome, of its link or
    /// of the unlink of it. Both by the service's clock.
    pub(super) fn start(&mut self, in_doubt_since: Option<UnixMs>, unlinking: bool, now: UnixMs) {
        self.started = true;
        self.left_long_ago = in_doubt_since.is_some_and(|since| now.saturating_sub(since) > LIST_LAG_MS_MAX);
        self.announced = in_doubt_since.map(Announced::read_back);
        self.in_doubt = in_doubt_since.is_some() && !unlinking;
        let known = self.destination.take().map(Resolution::Known);
        match known.unwrap_or_else(|| resolution(&self.row.link.destination)) {
            Resolution::Known(user) => {
                self.destination = Some(user);
                self.step = self.first_step();
            }
            Resolution::LookUp(filter) => self.step = Step::Resolve(filter),
        }
    }

    fn first_step(&self) -> Step {
        match (self.in_doubt, self.announced) {
            (true, _) => Step::Look { why: IfNoEffect::RetryCall, looks: 0 },
            // Announced, and not in doubt: it is the unlink that is.
            (false, Some(_)) => Step::LookForUnlink { looks: 0 },
            (false, None) => Step::Announce,
        }
    }

    /// Whether a call of this row may have taken effect without that being known.
    pub(super) fn is_looking(&self) -> bool {
        matches!(self.step, Step::Look { .. } | Step::LookForNative | Step::Inspect { .. } | Step::LookForProfile)
    }

    /// Whether this run sent something for it that is now being read back.
    pub(super) fn is_being_settled(&self) -> bool {
        self.is_looking() && self.attempts > 0
    }

    /// The call that the row's step asks for; `None` where it is not a call.
    pub(super) fn call(&self, policy: &Policy) -> Option<Call> {
        let destination = self.destination.as_ref();
        let by_name =
            |name: &str| UserFilter { attribute: "username", prefix: false, value: Personal::from_service(name) };
        let list = |filter| Call::List(UserQuery { filter: Some(filter), limit: None, token: self.token.clone() });
        match &self.step {
            Step::Announce => None,
            Step::Resolve(filter) => Some(list(filter.clone())),
            Step::Link => {
                let request = LinkRequest { destination: destination?.clone(), source: self.row.link.source.clone() };
                Some(Call::Link(Box::new(request)))
            }
            Step::Unlink => {
                let identity = self.undo.as_ref()?.form.clone()?;
                Some(Call::Unlink(Box::new(UnlinkRequest { identity })))
            }
            Step::Look { .. } | Step::Inspect { .. } | Step::LookForUnlink { .. } => {
                let name = listed_name(destination?, policy.case_sensitive);
                let filter = by_name(&name);
                // A name full of quotes can be too long for a filter once they are escaped; it is read the other way.
                let fits = filter.to_text().chars().count() <= FILTER_CHARS_MAX;
                let get = policy.settle_with == SettleWith::GetUser || !fits;
                Some(if get { Call::Get(Personal::from_service(&name)) } else { list(filter) })
            }
            Step::LookForNative | Step::LookForProfile => {
                Some(list(by_name(&self.profile_name(policy.case_sensitive))))
            }
        }
    }

    /// The user name that the identity's own profile has, or would have.
    pub(super) fn profile_name(&self, case_sensitive: bool) -> String {
        let source = &self.row.link.source;
        let name = profile_username(source.provider().as_str(), source.value().expose());
        if case_sensitive { name } else { name.to_lowercase() }
    }

    /// What follows from the answer to a link call.
    pub(super) fn on_link(&mut self, fault: Option<&Fault>) -> Next {
        let Some(fault) = fault else {
            self.attempts += 1;
            return Next::Finish(Outcome::Linked { recovered: false });
        };
        let class = classify(CallKind::Write, fault);
        if !matches!(class, FaultClass::Throttled { .. } | FaultClass::Unreached) {
            self.remember(fault);
            self.attempts += 1;
        }
        match class {
            FaultClass::Throttled { .. } => Next::Pause { throttled: true },
            FaultClass::Unreached => Next::Pause { throttled: false },
            FaultClass::Refused(code) => Next::Finish(Outcome::Refused { code, text: Some(self.last.clone()) }),
            FaultClass::Fatal(cause) => Next::Stop(preflight::stop(cause, "AdminLinkProviderForUser", fault)),
            FaultClass::Transient => self.doubt(IfNoEffect::RetryCall),
            // Said of unlinks only; for a link it is a text that is not known.
            FaultClass::NotLinked => self.doubt(IfNoEffect::RefuseRow(RefusalCode::Unrecognised)),
            FaultClass::Doubtful(why) => self.doubt(why),
        }
    }

    fn doubt(&mut self, why: IfNoEffect) -> Next {
        self.in_doubt |= why == IfNoEffect::RetryCall;
        self.left_long_ago = false;
        self.begin_reading(Step::Look { why, looks: 0 });
        // A call whose answer did not come may still be at work over there; a claim can be checked at once.
        if why == IfNoEffect::RetryCall { Next::Step(settle_wait(0)) } else { Next::Step(Wait::None) }
    }

    pub(super) fn begin_reading(&mut self, step: Step) {
        self.step = step;
        self.read_faults = 0;
        self.forget_pages();
    }

    fn forget_pages(&mut self) {
        self.found.clear();
        self.pages = 0;
        self.token = None;
    }

    /// What follows from the answer to a reading call.
    pub(super) fn on_users(&mut self, reply: Result<UserPage, &Fault>, policy: &Policy, rng: &mut Rng) -> Next {
        let page = match reply {
            Ok(page) => page,
            Err(fault) => return self.on_read_fault(fault, policy, rng),
        };
        self.pages += 1;
        self.found.extend(page.users);
        self.token = page.next_token;
        if self.token.is_some() && self.pages < READ_PAGES_MAX {
            return Next::Step(Wait::None);
        }
        let found = std::mem::take(&mut self.found);
        self.forget_pages();
        match self.step.clone() {
            Step::Resolve(_) => self.on_resolved(&found, policy),
            Step::Look { why, looks } => self.on_look(&found, why, looks + 1, policy, rng),
            Step::Inspect { after, looks } => self.on_inspect(&found, after, looks + 1, policy, rng),
            Step::LookForUnlink { looks } => self.on_look_for_unlink(&found, looks + 1, policy),
            Step::LookForProfile => self.on_look_for_profile(&found, policy),
            _ => self.on_look_for_native(&found, policy),
        }
    }

    fn on_read_fault(&mut self, fault: &Fault, policy: &Policy, rng: &mut Rng) -> Next {
        let class = classify(CallKind::Read, fault);
        match class {
            FaultClass::Throttled { .. } => return Next::Pause { throttled: true },
            FaultClass::Unreached => return Next::Pause { throttled: false },
            FaultClass::Fatal(cause) => {
                return Next::Stop(preflight::stop(cause, "ListUsers", fault));
            }
            FaultClass::Transient | FaultClass::Doubtful(_) | FaultClass::NotLinked => {
                self.read_faults += 1;
                if self.read_faults < policy.attempts_max {
                    self.forget_pages();
                    return Next::Step(Wait::BackOff(backoff(self.read_faults, rng)));
                }
            }
            FaultClass::Refused(_) => {}
        }
        let resolving = matches!(self.step, Step::Resolve(_));
        let unlinking = resolving && self.announced.is_some() && !self.in_doubt;
        if self.undo.is_some() || unlinking || matches!(self.step, Step::LookForUnlink { .. }) {
            return self.on_unreadable(&class, fault);
        }
        if resolving {
            self.remember(fault);
        }
        let text = self.last.clone();
        Next::Finish(match class {
            _ if !resolving || self.in_doubt => Outcome::InDoubt { text },
            FaultClass::Refused(code) => Outcome::Refused { code, text: Some(text) },
            _ => Outcome::Failed { text },
        })
    }

    fn on_resolved(&mut self, found: &[PoolUser], policy: &Policy) -> Next {
        match resolve(&self.row.link.destination, found, policy.case_sensitive, self.chosen.as_ref()) {
            Ok(user) => {
                self.destination = Some(user);
                let step = self.first_step();
                self.begin_reading(step);
                Next::Step(Wait::None)
            }
            Err(code) if self.announced.is_some() => self.on_nobody_to_look_at(code),
            Err(code) => Next::Finish(Outcome::Refused { code, text: None }),
        }
    }

    /// What an earlier run announced may have taken effect on the user who was meant then: that there is none to be meant now
    /// proves nothing.
    fn on_nobody_to_look_at(&self, code: RefusalCode) -> Next {
        let message = "whom the row meant when it was sent can no longer be told".to_owned();
        let text = ServiceText { code: code.as_str().to_owned(), message };
        if self.in_doubt {
            return Next::Finish(Outcome::InDoubt { text });
        }
        Next::UnlinkSettled { came_to: UndoOutcome::InDoubt { text }, then: None }
    }

    fn on_look(&mut self, found: &[PoolUser], why: IfNoEffect, looks: usize, policy: &Policy, rng: &mut Rng) -> Next {
        let Some(destination) = &self.destination else {
            return Next::Finish(Outcome::InDoubt { text: self.last.clone() });
        };
        let sight = look(found, destination, &self.row.link.source, policy.case_sensitive);
        if let Sight::Present(created) = sight {
            let whose = self.announced.map_or(Outcome::AlreadyLinked, |at| whose(created, at));
            // A list that lags may still show the link that `undo` has only just taken back.
            if self.was_undone && whose == Outcome::AlreadyLinked && looks <= SETTLE_WAITS_MS.len() {
                self.step = Step::Look { why, looks };
                return Next::Step(settle_wait(looks));
            }
            return Next::Finish(whose);
        }
        if looks < self.looks_wanted(why, policy) {
            self.step = Step::Look { why, looks };
            return Next::Step(settle_wait(looks));
        }
        let text = self.last.clone();
        match why {
            IfNoEffect::RetryCall => self.on_no_effect(policy, rng),
            IfNoEffect::RefuseRow(_) | IfNoEffect::LookForNativeUser if sight == Sight::NoUser => {
                Next::Finish(Outcome::InDoubt { text })
            }
            IfNoEffect::RefuseRow(code) => Next::Finish(Outcome::Refused { code, text: Some(text) }),
            IfNoEffect::LookForNativeUser => {
                self.begin_reading(Step::LookForNative);
                Next::Step(Wait::None)
            }
        }
    }

    /// Looks until an absent link is believed. `ListUsers` lags behind writes, so what this tool may have written a moment
    /// ago is looked for patiently; for a claim that the link stands, a second look covers a link that somebody else has
    /// just made; any other refusal of a first attempt is only checked.
    fn looks_wanted(&self, why: IfNoEffect, policy: &Policy) -> usize {
        let claimed =
            matches!(why, IfNoEffect::LookForNativeUser | IfNoEffect::RefuseRow(RefusalCode::LinkedElsewhere));
        match (policy.settle_with, self.in_doubt) {
            _ if self.left_long_ago => 1,
            (SettleWith::GetUser, true) => 2,
            (SettleWith::ListUsers, true) => SETTLE_WAITS_MS.len() + 1,
            (_, false) if claimed => 2,
            (_, false) => 1,
        }
    }

    fn on_no_effect(&mut self, policy: &Policy, rng: &mut Rng) -> Next {
        if self.attempts >= policy.attempts_max {
            return Next::Finish(Outcome::Failed { text: self.last.clone() });
        }
        self.step = if self.announced_now { Step::Link } else { Step::Announce };
        if self.attempts == 0 { Next::Step(Wait::None) } else { Next::Step(Wait::BackOff(backoff(self.attempts, rng))) }
    }

    fn on_look_for_native(&self, found: &[PoolUser], policy: &Policy) -> Next {
        let name = self.profile_name(policy.case_sensitive);
        let code = match found.iter().find(|user| user.username.expose() == name) {
            Some(user) if user.is_federated() => RefusalCode::IdentityHasProfile,
            Some(_) => RefusalCode::NativeUserInTheWay,
            None => RefusalCode::LinkedElsewhere,
        };
        Next::Finish(Outcome::Refused { code, text: Some(self.last.clone()) })
    }

    pub(super) fn remember(&mut self, fault: &Fault) {
        let message = fault.message().chars().take(SERVICE_TEXT_CHARS_MAX).collect();
        self.last = ServiceText { code: fault.code().to_owned(), message };
        self.request_id = fault.meta().and_then(|meta| meta.request_id.clone()).or(self.request_id.take());
    }

    pub(super) fn last_text(&self) -> ServiceText {
        self.last.clone()
    }

    /// The code of the last fault, for an event.
    pub(super) fn last_code(&self) -> &str {
        &self.last.code
    }
}

pub(super) fn settle_wait(looks: usize) -> Wait {
    let waits = SETTLE_WAITS_MS;
    Wait::Settling(Duration::from_millis(waits[looks.saturating_sub(1).min(waits.len() - 1)]))
}

#[cfg(test)]
#[path = "job_tests.rs"]
mod tests;
