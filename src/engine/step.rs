//! What a row does next, in words that policy and dispatcher share.

use std::time::Duration;

use crate::domain::outcome::{Outcome, UndoOutcome};
use crate::domain::stop::Stop;
use crate::service::UserFilter;
use crate::service::classify::IfNoEffect;

/// Which call reads a destination back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SettleWith {
    /// `ListUsers` by user name: no effect on billing, eventually consistent.
    #[default]
    ListUsers,
    /// `AdminGetUser`: fresh, and marks the user as active for billing.
    GetUser,
}

/// What the decisions depend on besides the row.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    pub(super) attempts_max: u32,
    pub(super) settle_with: SettleWith,
    pub(super) case_sensitive: bool,
}

/// The thing to do for a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Find the destination.
    Resolve(UserFilter),
    /// Write the intent into the ledger.
    Announce,
    /// Make the link.
    Link,
    /// Read the destination; so many looks have not shown the link.
    Look { why: IfNoEffect, looks: usize },
    /// Read whether a native user wears the name of the identity's own profile.
    LookForNative,
    /// Read whether an unlink that an earlier run of `undo` left open took effect; so many looks have not settled it.
    LookForUnlink { looks: usize },
    /// Read the destination of a link that is to be taken back; so many looks have not settled it.
    Inspect { after: After, looks: usize },
    /// Read whether the identity has a profile of its own by now.
    LookForProfile,
    /// Take the link back.
    Unlink,
}

/// What a look at a link that is to be taken back comes after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// No call of this run.
    Nothing,
    /// A call that may have taken effect.
    Call(IfNoEffect),
    /// A call that named no link that the service knows.
    NotLinked,
}

/// Why a row is not to go on at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    None,
    BackOff(Duration),
    Settling(Duration),
}

/// What follows from an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The row's step stands to be done, after the wait.
    Step(Wait),
    /// The service throttled or was not reached: the same step again, when everybody goes on.
    Pause { throttled: bool },
    /// The row has its result.
    Finish(Outcome),
    /// The taking back of the row has its result.
    FinishUndo(UndoOutcome),
    /// An unlink that `undo` had left open came to this; then the row goes on, where it is undone, with this result or
    /// with its step.
    UnlinkSettled { came_to: UndoOutcome, then: Option<Outcome> },
    /// The run ends. The fault itself had no effect.
    Stop(Stop),
}
