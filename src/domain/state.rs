//! The one table of what may happen to a row, used live and when a ledger is read back.

use super::outcome::{Outcome, RefusalCode, UndoOutcome};

/// Where a row stands. A key that the ledger does not hold is [`RowState::Unprocessed`].
///
/// Scripts see six states; the last three are what `undo` makes of a linked row, and each counts as one of the six.
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
    /// This tool's link, whose taking back is in the same kind of doubt. Counts as in doubt.
    Unlinking,
    /// This tool's link, taken back: `link` may make it again. Counts as unprocessed.
    Undone,
    /// This tool's link, which `undo` looked at and left alone. Counts as linked.
    Kept(RefusalCode),
}

impl RowState {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unprocessed | Self::Undone => "unprocessed",
            Self::Linked | Self::Kept(_) => "linked",
            Self::AlreadyLinked => "already_linked",
            Self::Refused(_) => "refused",
            Self::Failed => "failed",
            Self::InDoubt | Self::Unlinking => "in_doubt",
        }
    }

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
            Self::Linked | Self::AlreadyLinked | Self::Kept(_) => Resume::Skip,
            Self::Refused(_) if !retry_refused => Resume::Skip,
            Self::Refused(_) | Self::Failed | Self::Unprocessed | Self::Undone => Resume::Attempt,
            Self::InDoubt | Self::Unlinking => Resume::Settle,
        }
    }

    /// Whether `undo` may have anything to do with it: a link that this tool made and that was not taken back.
    #[must_use]
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Linked | Self::Kept(_) | Self::Unlinking)
    }
}

impl Outcome {
    /// The state that this outcome puts a row in.
    #[must_use]
    pub fn state(&self) -> RowState {
        match self {
            Self::Linked { .. } => RowState::Linked,
            Self::AlreadyLinked => RowState::AlreadyLinked,
            Self::Refused { code, .. } => RowState::Refused(*code),
            Self::Failed { .. } => RowState::Failed,
            Self::InDoubt { .. } => RowState::InDoubt,
        }
    }
}

impl UndoOutcome {
    /// The state that this outcome puts a row in.
    #[must_use]
    pub fn state(&self) -> RowState {
        match self {
            Self::Undone => RowState::Undone,
            Self::Refused { code, .. } => RowState::Kept(*code),
            Self::Failed { .. } => RowState::Linked,
            Self::InDoubt { .. } => RowState::Unlinking,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// Nothing: it is done.
    Skip,
    Attempt,
    /// Read the destination first, and attempt it only if the link is not there.
    Settle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowEvent {
    /// It was announced in the ledger: from here on a call may have been sent.
    Announced,
    /// It was announced, and the run ended before anything was sent for it; or a scan of the pool showed that its link no
    /// longer stands.
    Withdrawn,
    /// It ended in this state.
    Settled(RowState),
    /// Its taking back was announced: from here on an unlink call may have been sent.
    UnlinkAnnounced,
    /// Its taking back came to this state; `Linked` where nothing was sent, or nothing had an effect.
    UnlinkEnded(RowState),
}

/// An event that cannot follow that state: the ledger is damaged, or the program is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} cannot follow {state:?}")]
pub struct IllegalEvent {
    pub state: RowState,
    pub event: RowEvent,
}

/// The state after `event`.
///
/// # Errors
/// [`IllegalEvent`] where the two cannot follow each other: a link that stands is never announced again, nothing
/// becomes `linked`, `failed` by a call, or `in_doubt` without an announcement, and nothing is taken back but what this
/// tool linked. What is in doubt one way is never announced the other way: it is settled first.
#[expect(clippy::match_same_arms, reason = "a rule an arm")]
pub fn next_state(state: RowState, event: RowEvent) -> Result<RowState, IllegalEvent> {
    use RowState::{AlreadyLinked, Failed, InDoubt, Kept, Linked, Refused, Undone, Unlinking, Unprocessed};
    match (state, event) {
        (Unprocessed | Undone | Refused(_) | Failed | InDoubt, RowEvent::Announced) => Ok(InDoubt),
        (InDoubt | Linked | AlreadyLinked | Kept(_), RowEvent::Withdrawn) => Ok(Unprocessed),
        (InDoubt, RowEvent::Settled(settled @ (Linked | AlreadyLinked | Refused(_) | Failed | InDoubt))) => Ok(settled),
        // The plan may refuse a row, find it linked, or fail to look its user up, without announcing it.
        (
            Unprocessed | Undone | Refused(_) | Failed,
            RowEvent::Settled(settled @ (AlreadyLinked | Refused(_) | Failed)),
        ) => Ok(settled),
        (Linked | Kept(_) | Unlinking, RowEvent::UnlinkAnnounced) => Ok(Unlinking),
        (Unlinking, RowEvent::UnlinkEnded(ended @ (Undone | Linked | Kept(_) | Unlinking))) => Ok(ended),
        // A look may refuse a row, or fail, without announcing anything.
        (Linked | Kept(_), RowEvent::UnlinkEnded(ended @ (Linked | Kept(_)))) => Ok(ended),
        _ => Err(IllegalEvent { state, event }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [RowState; 9] = [
        RowState::Unprocessed,
        RowState::Linked,
        RowState::AlreadyLinked,
        RowState::Refused(RefusalCode::UserNotFound),
        RowState::Failed,
        RowState::InDoubt,
        RowState::Unlinking,
        RowState::Undone,
        RowState::Kept(RefusalCode::Gone),
    ];

    /// Rows: state before. Columns: announced, withdrawn, settled in each of the nine states; then the unlink announced,
    /// and ended in each of the nine. `.` is illegal.
    const TABLE: [(&str, &str, &str); 9] = [
        ("unprocessed", "D . . . A R F . . . .", ". . . . . . . . . ."),
        ("linked", ". U . . . . . . . . .", "N . L . . . . . . K"),
        ("already_linked", ". U . . . . . . . . .", ". . . . . . . . . ."),
        ("refused", "D . . . A R F . . . .", ". . . . . . . . . ."),
        ("failed", "D . . . A R F . . . .", ". . . . . . . . . ."),
        ("in_doubt", "D U . L A R F D . . .", ". . . . . . . . . ."),
        // Of an unlink that is in doubt: `link` settles it first, and may not announce before.
        ("in_doubt", ". . . . . . . . . . .", "N . L . . . . N B K"),
        ("unprocessed", "D . . . A R F . . . .", ". . . . . . . . . ."),
        ("linked", ". U . . . . . . . . .", "N . L . . . . . . K"),
    ];

    fn letter(state: RowState) -> &'static str {
        match state {
            RowState::Unprocessed => "U",
            RowState::Linked => "L",
            RowState::AlreadyLinked => "A",
            RowState::Refused(_) => "R",
            RowState::Failed => "F",
            RowState::InDoubt => "D",
            RowState::Unlinking => "N",
            RowState::Undone => "B",
            RowState::Kept(_) => "K",
        }
    }

    #[test]
    fn the_whole_table() {
        let after = |state, events: Vec<RowEvent>| -> String {
            let letters: Vec<_> = events.into_iter().map(|e| next_state(state, e).map_or(".", letter)).collect();
            letters.join(" ")
        };
        for (state, (name, linking, unlinking)) in STATES.into_iter().zip(TABLE) {
            assert_eq!(state.as_str(), name);
            let settled = STATES.map(RowEvent::Settled);
            let linking_events = [RowEvent::Announced, RowEvent::Withdrawn].into_iter().chain(settled);
            assert_eq!(after(state, linking_events.collect()), linking, "from {state:?}");
            let ended = STATES.map(RowEvent::UnlinkEnded);
            let unlinking_events = [RowEvent::UnlinkAnnounced].into_iter().chain(ended);
            assert_eq!(after(state, unlinking_events.collect()), unlinking, "from {state:?}");
        }
    }

    /// Every way of `link` and `undo` through the table, four announcements deep: an unlink call is never possible but for
    /// a link of ours, and a link call never while an unlink is open.
    #[test]
    fn no_interleaving_takes_back_what_is_not_ours() {
        let events = || {
            [RowEvent::Announced, RowEvent::Withdrawn, RowEvent::UnlinkAnnounced]
                .into_iter()
                .chain(STATES.map(RowEvent::Settled))
                .chain(STATES.map(RowEvent::UnlinkEnded))
        };
        // A state with whether the pool may hold a link of ours then, and whether an unlink of ours may be on its way.
        let mut met = vec![(RowState::Unprocessed, false, false)];
        let mut at = 0;
        while let Some(&(state, may_be_ours, unlink_open)) = met.get(at) {
            at += 1;
            for (event, next) in events().filter_map(|event| Some((event, next_state(state, event).ok()?))) {
                let after = match event {
                    RowEvent::Announced => {
                        assert!(!unlink_open, "{state:?}: a link announced while an unlink may be on its way");
                        (next, true, false)
                    }
                    RowEvent::UnlinkAnnounced => {
                        assert!(may_be_ours, "{state:?}: an unlink announced for what was never linked");
                        (next, true, true)
                    }
                    RowEvent::UnlinkEnded(_) => (next, next != RowState::Undone, next == RowState::Unlinking),
                    RowEvent::Withdrawn => (next, false, unlink_open),
                    RowEvent::Settled(_) => (next, matches!(next, RowState::Linked | RowState::InDoubt), unlink_open),
                };
                if !met.contains(&after) {
                    met.push(after);
                }
            }
        }
        assert!(met.len() >= STATES.len(), "{met:?}");
    }

    #[test]
    fn what_a_rerun_does() {
        use Resume::{Attempt, Settle, Skip};
        let plain: Vec<_> = STATES.iter().map(|s| s.on_resume(false)).collect();
        assert_eq!(plain, [Attempt, Skip, Skip, Skip, Attempt, Settle, Settle, Attempt, Skip]);
        assert_eq!(STATES[3].on_resume(true), Attempt);
    }
}
