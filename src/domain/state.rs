//! The one table of what may happen to a row, used live and when a ledger is read back.

use super::outcome::RefusalCode;

/// Where a row stands. A key that the ledger does not hold is [`RowState::Unprocessed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowState {
    /// Never attempted.
    Unprocessed,
    /// This tool made the link.
    Linked,
    /// The destination held the identity before.
    AlreadyLinked,
    /// No for good.
    Refused(RefusalCode),
    /// Attempts exhausted on transient faults.
    Failed,
    /// A call may have taken effect: announced without an outcome, or not settled by reading.
    InDoubt,
}

impl RowState {
    /// The state as scripts see it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unprocessed => "unprocessed",
            Self::Linked => "linked",
            Self::AlreadyLinked => "already_linked",
            Self::Refused(_) => "refused",
            Self::Failed => "failed",
            Self::InDoubt => "in_doubt",
        }
    }

    /// The refusal code of a refused row.
    #[must_use]
    pub fn refusal(self) -> Option<RefusalCode> {
        match self {
            Self::Refused(code) => Some(code),
            _ => None,
        }
    }

    /// What a rerun does with a row in this state.
    #[must_use]
    pub fn on_resume(self, retry_refused: bool) -> Resume {
        match self {
            Self::Linked | Self::AlreadyLinked => Resume::Skip,
            Self::Refused(_) if !retry_refused => Resume::Skip,
            Self::Refused(_) | Self::Failed | Self::Unprocessed => Resume::Attempt,
            Self::InDoubt => Resume::Settle,
        }
    }
}

/// What a rerun does with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// Nothing: it is done.
    Skip,
    /// Attempt it.
    Attempt,
    /// Read the destination first, and attempt it only if the link is not there.
    Settle,
}

/// What may happen to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowEvent {
    /// It was announced in the ledger: from here on a call may have been sent.
    Announced,
    /// It was announced, and the run ended before anything was sent for it; or a scan of the pool showed that its link no
    /// longer stands.
    Withdrawn,
    /// It ended in this state.
    Settled(RowState),
}

/// An event that cannot follow that state: the ledger is damaged, or the program is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} cannot follow {state:?}")]
pub struct IllegalEvent {
    /// Where the row stood.
    pub state: RowState,
    /// What was said to happen next.
    pub event: RowEvent,
}

/// The state after `event`.
///
/// # Errors
/// [`IllegalEvent`] where the two cannot follow each other: a link that stands is never announced again, and
/// nothing becomes `linked`, `failed` by a call, or `in_doubt` without an announcement.
pub fn next_state(state: RowState, event: RowEvent) -> Result<RowState, IllegalEvent> {
    use RowState::{AlreadyLinked, Failed, InDoubt, Linked, Refused, Unprocessed};
    match (state, event) {
        (Unprocessed | Refused(_) | Failed | InDoubt, RowEvent::Announced) => Ok(InDoubt),
        (InDoubt | Linked | AlreadyLinked, RowEvent::Withdrawn) => Ok(Unprocessed),
        (InDoubt, RowEvent::Settled(settled)) if settled != Unprocessed => Ok(settled),
        // The plan may refuse a row, find it linked, or fail to look its user up, without announcing it.
        (Unprocessed | Refused(_) | Failed, RowEvent::Settled(settled @ (AlreadyLinked | Refused(_) | Failed))) => {
            Ok(settled)
        }
        (Linked | AlreadyLinked, RowEvent::Announced | RowEvent::Settled(_))
        | (Unprocessed | Refused(_) | Failed, RowEvent::Withdrawn | RowEvent::Settled(_))
        | (InDoubt, RowEvent::Settled(_)) => Err(IllegalEvent { state, event }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [RowState; 6] = [
        RowState::Unprocessed,
        RowState::Linked,
        RowState::AlreadyLinked,
        RowState::Refused(RefusalCode::UserNotFound),
        RowState::Failed,
        RowState::InDoubt,
    ];

    /// Rows: state before. Columns: announced, withdrawn, settled in each of the six states. `.` is illegal.
    const TABLE: [(&str, &str); 6] = [
        ("unprocessed", "D . . . A R F ."),
        ("linked", ". U . . . . . ."),
        ("already_linked", ". U . . . . . ."),
        ("refused", "D . . . A R F ."),
        ("failed", "D . . . A R F ."),
        ("in_doubt", "D U . L A R F D"),
    ];

    fn letter(state: RowState) -> &'static str {
        match state {
            RowState::Unprocessed => "U",
            RowState::Linked => "L",
            RowState::AlreadyLinked => "A",
            RowState::Refused(_) => "R",
            RowState::Failed => "F",
            RowState::InDoubt => "D",
        }
    }

    #[test]
    fn the_whole_table() {
        for (state, (name, expected)) in STATES.iter().zip(TABLE) {
            assert_eq!(state.as_str(), name);
            let events = [RowEvent::Announced, RowEvent::Withdrawn];
            let settled = STATES.iter().map(|s| RowEvent::Settled(*s));
            let actual: Vec<&str> =
                events.into_iter().chain(settled).map(|e| next_state(*state, e).map_or(".", letter)).collect();
            assert_eq!(actual.join(" "), expected, "from {name}");
        }
    }

    #[test]
    fn what_a_rerun_does() {
        use Resume::{Attempt, Settle, Skip};
        let plain: Vec<_> = STATES.iter().map(|s| s.on_resume(false)).collect();
        assert_eq!(plain, [Attempt, Skip, Skip, Skip, Attempt, Settle]);
        assert_eq!(STATES[3].on_resume(true), Attempt);
    }
}
