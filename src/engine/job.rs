//! A row on its way, whichever way that is.

use super::failure_limits::FailureClass;
use super::link_job::{LinkJob, LinkStep, SettlesOnly};
use super::read_back::{AnnouncementTime, RowPolicy, SettleWith, UnknownEffect};
use super::row_progress::{NextWork, RowProgress, Transition};
use super::undo_job::{UndoJob, UndoStep};
use super::worker::CallResult;
use crate::domain::canary::CanaryFinding;
use crate::domain::identity::DestinationUser;
use crate::domain::state::RowState;
use crate::foresight::destination::PoolNaming;
use crate::seed::Rng;

#[derive(Debug)]
pub(super) enum Job {
    Link(LinkJob),
    Undo(UndoJob),
}

impl Job {
    pub(super) fn progress(&self) -> &RowProgress {
        match self {
            Self::Link(job) => &job.progress,
            Self::Undo(job) => &job.progress,
        }
    }

    pub(super) fn progress_mut(&mut self) -> &mut RowProgress {
        match self {
            Self::Link(job) => &mut job.progress,
            Self::Undo(job) => &mut job.progress,
        }
    }

    /// The destination of a row that waits for its lane, where it needs no look-up.
    pub(super) fn known_destination(&self) -> Option<&DestinationUser> {
        match self {
            Self::Link(LinkJob { step: LinkStep::WaitForLane { planned_destination }, .. }) => {
                planned_destination.as_ref()
            }
            Self::Link(_) => None,
            Self::Undo(job) => Some(&job.destination),
        }
    }

    pub(super) fn next_work(&self, policy: RowPolicy) -> NextWork {
        match self {
            Self::Link(job) => job.next_work(policy),
            Self::Undo(job) => job.next_work(policy),
        }
    }

    /// What was found of a row of the canary that has come to this state.
    pub(super) fn canary_finding(&self, state: RowState) -> Option<CanaryFinding> {
        let Self::Link(job) = self else { return None };
        let by_state = match state {
            RowState::Linked => CanaryFinding::Right,
            RowState::AlreadyLinked => CanaryFinding::StoodBefore,
            _ => CanaryFinding::NotLinked,
        };
        job.is_canary().then_some(job.canary_finding.unwrap_or(by_state))
    }

    /// Whether no count has the row, because the input no longer has it.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Self::Link(job) if job.settles_only == Some(SettlesOnly::GoneRow))
    }

    /// Whether the link that a row has got is one of a disabled user, as far as the user was read.
    pub(super) fn is_link_of_disabled_user(&self, state: RowState) -> bool {
        state == RowState::Linked && matches!(self, Self::Link(job) if job.is_user_disabled)
    }

    pub(super) fn is_canary(&self) -> bool {
        matches!(self, Self::Link(job) if job.is_canary())
    }

    pub(super) fn is_waiting_for_lane(&self) -> bool {
        match self {
            Self::Link(job) => matches!(job.step, LinkStep::WaitForLane { .. }),
            Self::Undo(job) => job.step == UndoStep::WaitForLane,
        }
    }

    /// Whether this run made a call for the row that is now being read back.
    pub(super) fn is_being_settled(&self) -> bool {
        match self {
            Self::Link(job) => job.is_being_settled(),
            Self::Undo(job) => job.is_being_settled(),
        }
    }

    /// What the row may become while the answer to its call is being checked.
    pub(super) fn may_become(&self, settle_with: SettleWith) -> Option<FailureClass> {
        match self {
            Self::Link(job) => job.may_become(settle_with),
            Self::Undo(_) => None,
        }
    }

    /// Reads back a row whose call is not repeated any more although an earlier one may have taken effect. Returns whether
    /// that is so.
    pub(super) fn read_back_before_end(&mut self) -> bool {
        match self {
            Self::Link(job) => job.read_back_before_end(),
            Self::Undo(_) => false,
        }
    }

    /// Whether the announced call was not sent, so that its announcement can be withdrawn. It stays where an earlier call
    /// for the row may have taken effect: its time says whose link is found later.
    pub(super) fn can_withdraw(&self) -> bool {
        let is_announced = match self {
            Self::Link(job) => matches!(job.step, LinkStep::Call { .. }),
            Self::Undo(job) => matches!(job.step, UndoStep::Call { .. }),
        };
        is_announced && self.effect() == UnknownEffect::None && !self.progress().call_in_flight
    }

    /// Goes back to the reads that the next call rests on. Returns whether that changes its next step.
    pub(super) fn set_back(&mut self, naming: PoolNaming) -> bool {
        match self {
            Self::Link(job) => job.set_back(naming),
            Self::Undo(job) => job.set_back(),
        }
    }

    /// Whether a write call for the row may have taken effect.
    pub(super) fn effect(&self) -> UnknownEffect {
        match self {
            Self::Link(job) => job.effect,
            Self::Undo(job) => job.effect,
        }
    }

    pub(super) fn on_announced(&mut self, time: AnnouncementTime) {
        match self {
            Self::Link(job) => job.on_announced(time),
            Self::Undo(job) => job.on_announced(),
        }
    }

    /// What follows from the result of the row's call.
    pub(super) fn on_call_result(&mut self, result: &CallResult, policy: RowPolicy, rng: &mut Rng) -> Transition {
        match result {
            CallResult::Users(answer) => {
                let page = answer.as_ref().map(|answer| &answer.value);
                match self {
                    Self::Link(job) => job.on_users_answer(page, policy, rng),
                    Self::Undo(job) => job.on_users_answer(page, policy, rng),
                }
            }
            CallResult::Linked(answer) | CallResult::Unlinked(answer) => {
                if let Ok(answer) = answer {
                    self.progress_mut().request_id.clone_from(&answer.meta.request_id);
                }
                match self {
                    Self::Link(job) => job.on_link_answer(answer.as_ref().err()),
                    Self::Undo(job) => job.on_unlink_answer(answer.as_ref().err()),
                }
            }
        }
    }
}
