//! A row on its way, whichever way that is.

use super::link_job::{LinkJob, LinkStep};
use super::read_back::{AnnouncementTime, RowPolicy};
use super::row_progress::{NextWork, RowProgress, Transition};
use super::undo_job::{UndoJob, UndoStep};
use super::worker::CallResult;
use crate::domain::identity::DestinationUser;
use crate::seed::Rng;

#[derive(Debug)]
pub(super) enum Job {
    Link(LinkJob),
    Undo(UndoJob),
}

/// An announced call that was not sent: its announcement can be withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnsentCall {
    Link,
    Unlink,
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

    pub(super) fn unsent_call(&self) -> Option<UnsentCall> {
        match self {
            _ if self.progress().call_in_flight => None,
            // An earlier call for the row may have taken effect: the announcement stays.
            Self::Link(job) if job.effect.is_possible() => None,
            Self::Undo(job) if job.effect.is_possible() => None,
            Self::Link(job) => matches!(job.step, LinkStep::Call { .. }).then_some(UnsentCall::Link),
            Self::Undo(job) => matches!(job.step, UndoStep::Call { .. }).then_some(UnsentCall::Unlink),
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
        if let CallResult::Linked(Ok(answer)) | CallResult::Unlinked(Ok(answer)) = result {
            self.progress_mut().request_id.clone_from(&answer.meta.request_id);
        }
        match (self, result) {
            (Self::Link(job), CallResult::Users(answer)) => {
                job.on_users_answer(answer.as_ref().map(|answer| &answer.value), policy, rng)
            }
            (Self::Undo(job), CallResult::Users(answer)) => {
                job.on_users_answer(answer.as_ref().map(|answer| &answer.value), policy, rng)
            }
            (Self::Link(job), CallResult::Linked(answer) | CallResult::Unlinked(answer)) => {
                job.on_link_answer(answer.as_ref().err())
            }
            (Self::Undo(job), CallResult::Linked(answer) | CallResult::Unlinked(answer)) => {
                job.on_unlink_answer(answer.as_ref().err())
            }
        }
    }
}
