//! What happens next to a link that is to be taken back: the policy, without waiting or calling.
//!
//! ```text
//! Inspect ─► Announce ─► Unlink ─► undone
//!    │  ▲                   │ doubtful, or "isn't linked"
//!    │  └───────────────────┘
//!    └─► undone, refused (gone, moved, used_since, form_unknown), failed, in_doubt
//! ```
//! A link whose unlink an earlier run left open starts at Inspect like any other, and is in doubt from the beginning.

use super::job::{Job, settle_wait};
use super::settle::Announced;
use super::step::{After, Next, Policy, SettleWith, Step, Wait};
use super::undo_look::{Made, Sight, holds_others, inspect};
use crate::clock::UnixMs;
use crate::domain::identity::ExternalIdentity;
use crate::domain::outcome::{Outcome, RefusalCode, UndoOutcome};
use crate::foresight::preflight;
use crate::foresight::resolve::{Resolution, resolution};
use crate::ledger::MadeLink;
use crate::limits::{ANNOUNCEMENT_WINDOW_MS, LIST_LAG_MS_MAX, SETTLE_WAITS_MS};
use crate::pace::retry::backoff;
use crate::seed::Rng;
use crate::service::classify::{CallKind, FaultClass, IfNoEffect, classify};
use crate::service::{Fault, PoolUser};

/// What the taking back of a link needs to know besides the row.
#[derive(Debug)]
pub(super) struct Undoing {
    made: Made,
    /// The identity as the call names it; as an earlier run named it while that call is in doubt.
    pub(super) form: Option<ExternalIdentity>,
    /// Whether the link is so young that `ListUsers` may not show it.
    is_young: bool,
}

impl Job {
    /// A link that waits to be taken back. `latest` is the latest time at which it was linked, by the service's clock.
    pub(super) fn to_undo(link: MadeLink, latest: UnixMs) -> Self {
        let MadeLink { row, announced, unlinking, .. } = link;
        let made = Made {
            source: row.link.source.clone(),
            earliest: announced,
            latest: latest.saturating_add(ANNOUNCEMENT_WINDOW_MS),
        };
        let mut job = Self::new(row);
        job.undo = Some(Box::new(Undoing { made, form: unlinking, is_young: false }));
        job
    }

    /// Sets it on its way at `now`; `in_doubt_since` is the announcement of an unlink that has no outcome. Both by the
    /// service's clock.
    pub(super) fn start_undo(&mut self, in_doubt_since: Option<UnixMs>, now: UnixMs) {
        self.started = true;
        self.left_long_ago = in_doubt_since.is_some_and(|since| now.saturating_sub(since) > LIST_LAG_MS_MAX);
        self.in_doubt = in_doubt_since.is_some();
        if let Some(undo) = &mut self.undo {
            undo.is_young = now.saturating_sub(undo.made.latest) < LIST_LAG_MS_MAX;
        }
        if let Resolution::Known(user) = resolution(&self.row.link.destination) {
            self.destination = Some(user);
        }
        self.step = Step::Inspect { after: After::Nothing, looks: 0 };
    }

    /// What follows from the answer to an unlink call.
    pub(super) fn on_unlink(&mut self, fault: Option<&Fault>) -> Next {
        let Some(fault) = fault else {
            self.attempts += 1;
            return Next::FinishUndo(UndoOutcome::Undone);
        };
        let class = classify(CallKind::Unlink, fault);
        if !matches!(class, FaultClass::Throttled { .. } | FaultClass::Unreached) {
            self.remember(fault);
            self.attempts += 1;
        }
        match class {
            FaultClass::Throttled { .. } => Next::Pause { throttled: true },
            FaultClass::Unreached => Next::Pause { throttled: false },
            FaultClass::Refused(code) => self.refuse(code),
            FaultClass::Fatal(cause) => Next::Stop(preflight::stop(cause, "AdminDisableProviderForUser", fault)),
            FaultClass::NotLinked => self.inspect_after(After::NotLinked),
            FaultClass::Transient => self.inspect_after(After::Call(IfNoEffect::RetryCall)),
            FaultClass::Doubtful(why) => self.inspect_after(After::Call(why)),
        }
    }

    fn inspect_after(&mut self, after: After) -> Next {
        let doubtful = after == After::Call(IfNoEffect::RetryCall);
        self.in_doubt |= doubtful;
        self.left_long_ago = false;
        self.begin_reading(Step::Inspect { after, looks: 0 });
        // A call whose answer did not come may still be at work over there.
        if doubtful { Next::Step(settle_wait(0)) } else { Next::Step(Wait::None) }
    }

    /// What follows from a look at the destination.
    pub(super) fn on_inspect(
        &mut self,
        found: &[PoolUser],
        after: After,
        looks: usize,
        policy: &Policy,
        rng: &mut Rng,
    ) -> Next {
        let (Some(destination), Some(undo)) = (&self.destination, &self.undo) else {
            return Next::FinishUndo(UndoOutcome::Failed { text: self.last_text() });
        };
        let sight = inspect(found, destination, &undo.made, policy.case_sensitive);
        let settled = looks >= self.inspections_wanted(&sight, after, policy);
        match sight {
            Sight::Refused(code) => self.refuse(code),
            _ if !settled => {
                self.step = Step::Inspect { after, looks };
                Next::Step(settle_wait(looks))
            }
            Sight::Standing(form) => self.on_standing(form, after, policy, rng),
            Sight::Absent if self.in_doubt => Next::FinishUndo(UndoOutcome::Undone),
            Sight::Absent if self.row.link.source.attribute().is_subject() => {
                self.begin_reading(Step::LookForProfile);
                Next::Step(Wait::None)
            }
            Sight::Absent | Sight::NoUser => self.refuse(RefusalCode::Gone),
        }
    }

    /// Looks until what is seen is believed. `ListUsers` lags behind writes: a link that still stands after a doubtful call,
    /// and one that is not there although it has only just been made, are looked at patiently.
    fn inspections_wanted(&self, sight: &Sight, after: After, policy: &Policy) -> usize {
        let patient = match policy.settle_with {
            SettleWith::ListUsers => SETTLE_WAITS_MS.len() + 1,
            SettleWith::GetUser => 2,
        };
        let stands = matches!(sight, Sight::Standing(_));
        let is_young = self.undo.as_ref().is_some_and(|undo| undo.is_young);
        match after {
            _ if self.left_long_ago => 1,
            _ if self.in_doubt && stands => patient,
            // It was seen before it was announced: in this run by the same call, in an earlier one perhaps by the other.
            _ if self.in_doubt => {
                if self.announced_now {
                    1
                } else {
                    patient
                }
            }
            After::NotLinked if stands => 2,
            _ if !stands && is_young && policy.settle_with == SettleWith::ListUsers => patient,
            _ => 1,
        }
    }

    /// The link is there: its taking back is announced, or what was sent had no effect.
    fn on_standing(&mut self, form: ExternalIdentity, after: After, policy: &Policy, rng: &mut Rng) -> Next {
        match after {
            After::NotLinked => return self.refuse(RefusalCode::FormUnknown),
            After::Call(IfNoEffect::RefuseRow(code)) => return self.refuse(code),
            After::Call(IfNoEffect::LookForNativeUser) => return self.refuse(RefusalCode::Unrecognised),
            After::Call(IfNoEffect::RetryCall) | After::Nothing => {}
        }
        if self.attempts >= policy.attempts_max {
            return Next::FinishUndo(UndoOutcome::Failed { text: self.last_text() });
        }
        let Some(undo) = &mut self.undo else { return self.refuse(RefusalCode::FormUnknown) };
        let is_announced = self.announced_now && undo.form.as_ref() == Some(&form);
        undo.form = Some(form);
        self.step = if is_announced { Step::Unlink } else { Step::Announce };
        if self.attempts == 0 { Next::Step(Wait::None) } else { Next::Step(Wait::BackOff(backoff(self.attempts, rng))) }
    }

    /// The identity is not on its user: a profile of its own shows that it signed in after somebody had unlinked it. Whether
    /// another user holds it cannot be asked, only a scan of the pool would tell.
    pub(super) fn on_look_for_profile(&self, found: &[PoolUser], policy: &Policy) -> Next {
        let name = self.profile_name(policy.case_sensitive);
        let source = &self.row.link.source;
        let own = found.iter().filter(|user| user.username.expose() == name);
        let has_profile = own.into_iter().any(|user| user.identity(source.provider(), source.value()).is_some());
        self.refuse(if has_profile { RefusalCode::Moved } else { RefusalCode::Gone })
    }

    fn refuse(&self, code: RefusalCode) -> Next {
        let text = (self.attempts > 0).then(|| self.last_text());
        Next::FinishUndo(UndoOutcome::Refused { code, text })
    }

    /// What follows where reading has not got through.
    pub(super) fn on_unreadable(&mut self, class: &FaultClass, fault: &Fault) -> Next {
        // Of a row of `link`, only what an earlier run of `undo` left open is read here.
        let looks_for_unlink = self.undo.is_none();
        if self.attempts == 0 {
            self.remember(fault);
        }
        let text = self.last_text();
        if looks_for_unlink {
            return Next::UnlinkSettled { came_to: UndoOutcome::InDoubt { text }, then: None };
        }
        Next::FinishUndo(match class {
            _ if self.in_doubt => UndoOutcome::InDoubt { text },
            FaultClass::Refused(code) => UndoOutcome::Refused { code: *code, text: Some(text) },
            _ => UndoOutcome::Failed { text },
        })
    }

    /// What a row of `link` finds whose link an earlier run of `undo` was taking back: that is settled first, and then the
    /// row is linked already or linked anew.
    pub(super) fn on_look_for_unlink(&mut self, found: &[PoolUser], looks: usize, policy: &Policy) -> Next {
        let Some(destination) = &self.destination else {
            return Next::UnlinkSettled { came_to: UndoOutcome::InDoubt { text: self.last_text() }, then: None };
        };
        let patient = match policy.settle_with {
            _ if self.left_long_ago => 1,
            SettleWith::ListUsers => SETTLE_WAITS_MS.len() + 1,
            SettleWith::GetUser => 2,
        };
        if looks < patient {
            self.step = Step::LookForUnlink { looks };
            return Next::Step(settle_wait(looks));
        }
        let source = &self.row.link.source;
        let name = super::settle::listed_name(destination, policy.case_sensitive);
        let user = found.iter().find(|user| user.username.expose() == name);
        match user.and_then(|user| user.identity(source.provider(), source.value())) {
            Some(held) if held.created_unix_ms > self.announced.map(|announced: Announced| announced.latest) => {
                Next::UnlinkSettled { came_to: UndoOutcome::Undone, then: Some(Outcome::AlreadyLinked) }
            }
            Some(_) => Next::UnlinkSettled { came_to: UndoOutcome::Failed { text: self.last_text() }, then: None },
            None if holds_others(found, destination, source, policy.case_sensitive) => {
                Next::UnlinkSettled { came_to: UndoOutcome::InDoubt { text: self.last_text() }, then: None }
            }
            None => {
                self.announced = None;
                self.was_undone = true;
                self.step = Step::Announce;
                Next::UnlinkSettled { came_to: UndoOutcome::Undone, then: None }
            }
        }
    }
}

#[cfg(test)]
#[path = "undo_tests.rs"]
mod tests;
