//! A link that is to be undone: what follows from each answer. Nothing here waits or calls.
//!
//! ```text
//! Inspect ─► Announce ─► Call ─► undone
//!    │  ▲                  │ doubtful, or "isn't linked"
//!    │  └──────────────────┘
//!    └─► undone, refused (with a code of undo), failed, in_doubt
//! ```
//! A pause sets every link that is not sent back to `Inspect`.
//! A link whose unlink call an earlier run left open starts at `Inspect` like any other, and is in doubt from the start.

use super::name_search::SearchResult;
use super::read_back::{OpenCall, RowPolicy, SettleWith, UnknownEffect, may_lack_write};
use super::row_progress::{NextWork, Pause, ReadResult, RowAnnouncement, RowProgress, Transition, WriteCall};
use super::undo_decisions::{
    InspectAfter, InspectionJudgement, MadeLink, UndoInspection, inspect_link, judge_inspection,
    refusal_of_missing_link,
};
use crate::clock::UnixMs;
use crate::domain::identity::{DestinationUser, ExternalIdentity, Personal};
use crate::domain::outcome::{RefusalCode, UndoOutcome};
use crate::domain::row::Row;
use crate::foresight::faults;
use crate::seed::Rng;
use crate::service::classify::{CallKind, FaultClass, IfNoEffect};
use crate::service::{CallFault, UnlinkRequest, UserPage};

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum UndoStep {
    /// The link waits until the lane of its destination is open.
    WaitForLane,
    /// Read the destination; so many `looks` have not settled what is to be done.
    Inspect {
        after: InspectAfter,
        looks: usize,
    },
    /// Read whether the identity has a profile of its own by now.
    LookForProfile,
    Announce {
        identity: ExternalIdentity,
    },
    /// Unlink this identity.
    Call {
        identity: ExternalIdentity,
    },
}

/// A link that is to be undone.
#[derive(Debug)]
pub(super) struct UndoJob {
    pub(super) progress: RowProgress,
    pub(super) step: UndoStep,
    pub(super) destination: DestinationUser,
    linked: MadeLink,
    /// Whether the link is so young that `ListUsers` may not show it.
    link_is_young: bool,
    /// Whether an unlink call may have taken effect.
    pub(super) effect: UnknownEffect,
    /// The identity as this run announced it.
    announced_identity: Option<ExternalIdentity>,
}

impl UndoJob {
    /// A link that this ledger made as `linked` says, to `destination`, whose user name the pool showed as `username`.
    pub(super) fn new(row: Row, destination: DestinationUser, username: Option<Personal>, linked: MadeLink) -> Self {
        let mut progress = RowProgress::new(row);
        progress.username = username;
        Self {
            progress,
            step: UndoStep::WaitForLane,
            destination,
            linked,
            link_is_young: false,
            effect: UnknownEffect::None,
            announced_identity: None,
        }
    }

    /// Starts a link whose lane is open, at `now` by the service's clock.
    pub(super) fn start(&mut self, open: Option<OpenCall>, now: UnixMs) {
        self.effect = open.map_or(UnknownEffect::None, |call| call.effect);
        self.link_is_young = may_lack_write(self.linked.latest, now);
        self.step = UndoStep::Inspect { after: InspectAfter::NoCall, looks: 0 };
    }

    pub(super) fn next_work(&self, policy: RowPolicy) -> NextWork {
        match &self.step {
            UndoStep::WaitForLane => NextWork::WaitForLane,
            UndoStep::Inspect { .. } => NextWork::Read(self.progress.read_destination(&self.destination, policy)),
            UndoStep::LookForProfile => NextWork::Read(self.progress.read_profile(policy)),
            UndoStep::Announce { identity } => {
                let (destination, identity) = (self.destination.clone(), identity.clone());
                NextWork::Announce(RowAnnouncement::Unlink { destination, identity })
            }
            UndoStep::Call { identity } => {
                NextWork::Write(WriteCall::Unlink(Box::new(UnlinkRequest { identity: identity.clone() })))
            }
        }
    }

    /// Takes note that the intent was written.
    pub(super) fn on_announced(&mut self) {
        if let UndoStep::Announce { identity } = &self.step {
            let identity = identity.clone();
            self.announced_identity = Some(identity.clone());
            self.step = UndoStep::Call { identity };
        }
    }

    /// Goes back to the read that the next call rests on, as in a later run: after a pause somebody else may have linked
    /// the identity. Returns whether that changes its next step.
    pub(super) fn set_back(&mut self) -> bool {
        if !matches!(self.step, UndoStep::Announce { .. } | UndoStep::Call { .. }) {
            return false;
        }
        self.announced_identity = None;
        self.progress.begin_reading();
        self.step = UndoStep::Inspect { after: InspectAfter::NoCall, looks: 0 };
        true
    }

    /// Whether this run made a call for the link that is now being read back.
    pub(super) fn is_being_settled(&self) -> bool {
        self.progress.attempts > 0 && matches!(self.step, UndoStep::Inspect { .. } | UndoStep::LookForProfile)
    }

    /// What follows from the answer to an unlink call.
    pub(super) fn on_unlink_answer(&mut self, fault: Option<&CallFault>) -> Transition {
        let class = self.progress.count_write_answer(CallKind::Unlink, fault);
        let (Some(class), Some(fault)) = (class, fault) else { return UndoOutcome::Undone.into() };
        match class {
            FaultClass::Throttled { .. } => Transition::RepeatCall { throttled: true },
            FaultClass::Unreached => Transition::RepeatCall { throttled: false },
            // This call was not sent, but an earlier one may have taken effect.
            FaultClass::Refused(_) if self.effect.leaves_row_in_doubt() => self.leave_in_doubt(),
            FaultClass::Refused(code) => self.refuse(code),
            FaultClass::Fatal(cause) => {
                Transition::StopRun(faults::stop_error(cause, "AdminDisableProviderForUser", fault))
            }
            FaultClass::NotLinked => self.inspect_after(InspectAfter::NotLinkedAnswer),
            FaultClass::Transient => self.inspect_after(InspectAfter::DoubtfulCall(IfNoEffect::RetryCall)),
            FaultClass::Doubtful(why) => self.inspect_after(InspectAfter::DoubtfulCall(why)),
        }
    }

    fn inspect_after(&mut self, after: InspectAfter) -> Transition {
        let may_have_taken_effect = after == InspectAfter::DoubtfulCall(IfNoEffect::RetryCall);
        self.effect = self.effect.after_call(may_have_taken_effect);
        self.progress.begin_reading();
        self.step = UndoStep::Inspect { after, looks: 0 };
        // A call whose answer did not come may still be at work over there.
        Transition::Continue(if may_have_taken_effect { Pause::before_look_after(0) } else { Pause::None })
    }

    /// What follows from the answer to a read call.
    pub(super) fn on_users_answer(
        &mut self,
        answer: Result<&UserPage, &CallFault>,
        policy: RowPolicy,
        rng: &mut Rng,
    ) -> Transition {
        let users = match self.progress.take_read_answer(answer, policy, rng) {
            ReadResult::Users(users) => users,
            ReadResult::NotYet(transition) => return transition,
            ReadResult::GaveUp(class) => return self.on_unreadable(&class, answer.err()),
        };
        let (after, looks) = match self.step {
            UndoStep::Inspect { after, looks } => (after, looks + 1),
            UndoStep::LookForProfile => {
                return match self.progress.look_for_profile(&users, policy) {
                    SearchResult::ReadNext => Transition::Continue(Pause::None),
                    found => {
                        let may_be_hidden = self.may_be_hidden(policy);
                        let source = &self.progress.row.link.source;
                        self.refuse(refusal_of_missing_link(found.user(), source, may_be_hidden))
                    }
                };
            }
            UndoStep::WaitForLane | UndoStep::Announce { .. } | UndoStep::Call { .. } => {
                return Transition::Continue(Pause::None);
            }
        };
        let found = self.progress.look_for_destination(&users, &self.destination, policy);
        if found == SearchResult::ReadNext {
            return Transition::Continue(Pause::None);
        }
        let source = &self.progress.row.link.source;
        let inspection = UndoInspection {
            after,
            effect: self.effect,
            announced_by_this_run: self.announced_identity.is_some(),
            may_be_hidden: self.may_be_hidden(policy),
            settle_with: policy.settle_with,
        };
        let seen = inspect_link(found.user(), source, self.linked);
        match judge_inspection(seen, looks, source, inspection) {
            InspectionJudgement::Unlink(_)
                if self.progress.attempts >= policy.attempts_max && !policy.settle_with.surely_shows(self.effect) =>
            {
                self.leave_in_doubt()
            }
            InspectionJudgement::Unlink(_) if self.progress.attempts >= policy.attempts_max => {
                UndoOutcome::Failed { text: self.progress.last_text.clone() }.into()
            }
            InspectionJudgement::Unlink(identity) => {
                let is_announced = self.announced_identity.as_ref() == Some(&identity);
                self.step = if is_announced { UndoStep::Call { identity } } else { UndoStep::Announce { identity } };
                Transition::Continue(Pause::before_attempt_after(self.progress.attempts, rng))
            }
            InspectionJudgement::LookAgain => {
                self.step = UndoStep::Inspect { after, looks };
                Transition::Continue(Pause::before_look_after(looks))
            }
            InspectionJudgement::Undone => UndoOutcome::Undone.into(),
            InspectionJudgement::LookForProfile => {
                self.progress.begin_reading();
                self.step = UndoStep::LookForProfile;
                Transition::Continue(Pause::None)
            }
            InspectionJudgement::Refuse(code) => self.refuse(code),
            InspectionJudgement::StillInDoubt => self.leave_in_doubt(),
        }
    }

    /// Whether the link is so young that the reads of this run may not show it.
    fn may_be_hidden(&self, policy: RowPolicy) -> bool {
        self.link_is_young && policy.settle_with == SettleWith::ListUsers
    }

    fn leave_in_doubt(&self) -> Transition {
        UndoOutcome::InDoubt { text: self.progress.last_text.clone() }.into()
    }

    fn refuse(&self, code: RefusalCode) -> Transition {
        let text = (self.progress.attempts > 0).then(|| self.progress.last_text.clone());
        UndoOutcome::Refused { code, text }.into()
    }

    /// What follows where reading did not get through.
    fn on_unreadable(&mut self, class: &FaultClass, fault: Option<&CallFault>) -> Transition {
        // What an unlink call met last says more than what the reading met.
        if let (Some(fault), 0) = (fault, self.progress.attempts) {
            self.progress.remember_fault(fault);
        }
        let text = self.progress.last_text.clone();
        match class {
            _ if self.effect.leaves_row_in_doubt() => UndoOutcome::InDoubt { text }.into(),
            FaultClass::Refused(code) => UndoOutcome::Refused { code: *code, text: Some(text) }.into(),
            _ => UndoOutcome::Failed { text }.into(),
        }
    }
}

#[cfg(test)]
#[path = "undo_job_tests.rs"]
mod tests;
