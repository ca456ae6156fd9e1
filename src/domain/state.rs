//! The one table of what may happen to a row, used live and when a ledger is read back.

use super::outcome::{LinkOutcome, RefusalCode, UndoOutcome};

/// The state of a row. A key that the ledger does not hold is [`RowState::Unprocessed`].
///
/// Scripts see six states; the last three come from `undo`, and each counts as one of the six.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowState {
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
    /// This tool's link, and an unlink call may have taken effect. Counts as in doubt.
    Unlinking,
    /// This tool's link, removed by `undo`: `link` may make it again. Counts as unprocessed.
    Undone,
    /// This tool's link, which `undo` refused to remove. Counts as linked.
    Kept(RefusalCode),
}

impl RowState {
    /// The state in words, as in a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::Unprocessed => "unprocessed",
            Self::Linked => "linked",
            Self::AlreadyLinked => "already linked",
            Self::Refused(_) => "refused",
            Self::Failed => "failed",
            Self::InDoubt => "in doubt",
            Self::Unlinking => "in doubt after an unlink call",
            Self::Undone => "undone",
            Self::Kept(_) => "linked, its undo refused",
        }
    }

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

    pub fn refusal(self) -> Option<RefusalCode> {
        match self {
            Self::Refused(code) => Some(code),
            _ => None,
        }
    }

    /// What a rerun does with a row in this state.
    pub fn on_resume(self, retry: RetryChoice) -> ResumeAction {
        match self {
            Self::Linked | Self::AlreadyLinked | Self::Kept(_) => ResumeAction::Skip,
            Self::Refused(code) if !retry.has(code) => ResumeAction::Skip,
            Self::Undone if !retry.relink => ResumeAction::Skip,
            Self::Refused(_) | Self::Failed | Self::Unprocessed | Self::Undone => ResumeAction::Attempt,
            Self::InDoubt | Self::Unlinking => ResumeAction::Settle,
        }
    }

    /// Whether `undo` has to consider it: a link that this tool made and that was not removed.
    pub fn is_linked_by_this_tool(self) -> bool {
        matches!(self, Self::Linked | Self::Kept(_) | Self::Unlinking)
    }
}

/// Which rows of earlier runs a run attempts again, beside those that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetryChoice {
    /// A bit for each refusal code.
    refused: u64,
    /// Rows whose link `undo` has removed.
    pub relink: bool,
}

const _: () = assert!(RefusalCode::ALL.len() <= 64);

impl RetryChoice {
    pub const NOTHING: Self = Self { refused: 0, relink: false };
    pub const EVERYTHING: Self = Self { refused: u64::MAX, relink: true };
    /// Links that were removed, and no refusal.
    pub const UNDONE: Self = Self { refused: 0, relink: true };

    #[must_use]
    pub fn and(self, code: RefusalCode) -> Self {
        Self { refused: self.refused | 1 << code as u32, ..self }
    }

    #[must_use]
    pub fn and_every_refusal(self) -> Self {
        Self { refused: u64::MAX, ..self }
    }

    pub fn has(self, code: RefusalCode) -> bool {
        self.refused & 1 << code as u32 != 0
    }
}

impl LinkOutcome {
    /// The state that this outcome puts a row in.
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
pub enum ResumeAction {
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
    /// longer exists.
    Withdrawn,
    Settled(RowState),
    /// Its unlink was announced: from here on an unlink call may have been sent.
    UnlinkAnnounced,
    /// Its unlink ended in this state; `Linked` where nothing was sent, or nothing had an effect.
    UnlinkEnded(RowState),
}

impl RowEvent {
    fn words(self) -> String {
        match self {
            Self::Announced => "a link call was announced".to_owned(),
            Self::Withdrawn => "an announcement was withdrawn".to_owned(),
            Self::Settled(state) => format!("the row ended {}", state.words()),
            Self::UnlinkAnnounced => "an unlink call was announced".to_owned(),
            Self::UnlinkEnded(state) => format!("an unlink ended with the row {}", state.words()),
        }
    }
}

/// An event that cannot follow that state: the ledger is damaged, or the program is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the record ({}) cannot follow the state of the row ({})", event.words(), state.words())]
pub struct IllegalTransition {
    pub state: RowState,
    pub event: RowEvent,
}

/// The state after `event`. An existing link is never announced again; nothing becomes `linked`, `failed` by a call, or
/// `in_doubt` without an announcement; only what this tool linked is unlinked; what is in doubt one way is settled
/// before it is announced the other way.
#[expect(clippy::match_same_arms, reason = "a rule an arm")]
pub fn next_state(state: RowState, event: RowEvent) -> Result<RowState, IllegalTransition> {
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
        _ => Err(IllegalTransition { state, event }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

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

    fn all_events() -> Vec<RowEvent> {
        [RowEvent::Announced, RowEvent::Withdrawn, RowEvent::UnlinkAnnounced]
            .into_iter()
            .chain(STATES.map(RowEvent::Settled))
            .chain(STATES.map(RowEvent::UnlinkEnded))
            .collect()
    }

    /// A state, whether the pool may hold a link of ours then, and whether an unlink of ours may be in flight.
    type History = (RowState, bool, bool);

    /// What follows where the event is legal; an unlink call is never possible but for a link of ours, and a link call never
    /// while an unlink is open.
    fn after((state, may_be_ours, unlink_open): History, event: RowEvent) -> Option<History> {
        let next = next_state(state, event).ok()?;
        Some(match event {
            RowEvent::Announced => {
                assert!(!unlink_open, "{state:?}: a link announced while an unlink may be in flight");
                (next, true, false)
            }
            RowEvent::UnlinkAnnounced => {
                assert!(may_be_ours, "{state:?}: an unlink announced for what was never linked");
                (next, true, true)
            }
            RowEvent::UnlinkEnded(_) => (next, next != RowState::Undone, next == RowState::Unlinking),
            RowEvent::Withdrawn => (next, false, unlink_open),
            RowEvent::Settled(_) => (next, matches!(next, RowState::Linked | RowState::InDoubt), unlink_open),
        })
    }

    /// Every history of `link` and `undo` that the table permits.
    #[test]
    fn no_interleaving_takes_back_what_is_not_ours() {
        let mut met = vec![(RowState::Unprocessed, false, false)];
        let mut at = 0;
        while let Some(&history) = met.get(at) {
            at += 1;
            for after in all_events().into_iter().filter_map(|event| after(history, event)) {
                if !met.contains(&after) {
                    met.push(after);
                }
            }
        }
        assert!(met.len() >= STATES.len(), "{met:?}");
    }

    proptest! {
        /// With every refusal code, in any order, illegal events between them.
        #[test]
        fn random_histories_keep_the_invariants(
            events in vec((select(all_events()), select(RefusalCode::ALL.to_vec())), 0..60)
        ) {
            let mut history = (RowState::Unprocessed, false, false);
            for (event, code) in events {
                let with_code = |state| match state {
                    RowState::Refused(_) => RowState::Refused(code),
                    RowState::Kept(_) => RowState::Kept(code),
                    state => state,
                };
                let event = match event {
                    RowEvent::Settled(state) => RowEvent::Settled(with_code(state)),
                    RowEvent::UnlinkEnded(state) => RowEvent::UnlinkEnded(with_code(state)),
                    event => event,
                };
                let before = history.0;
                match next_state(before, event) {
                    Ok(_) => history = after(history, event).unwrap(),
                    Err(illegal) => prop_assert_eq!(illegal, IllegalTransition { state: before, event }),
                }
                if let RowEvent::Settled(state) | RowEvent::UnlinkEnded(state) = event && next_state(before, event).is_ok() {
                    prop_assert_eq!(history.0, state, "it ends in the state that the event names");
                }
                prop_assert!(!matches!(history.0, RowState::Linked | RowState::Kept(_)) || history.1);
            }
        }
    }

    #[test]
    fn what_a_rerun_does() {
        use ResumeAction::{Attempt, Settle, Skip};
        let plain: Vec<_> = STATES.iter().map(|s| s.on_resume(RetryChoice::NOTHING)).collect();
        assert_eq!(plain, [Attempt, Skip, Skip, Skip, Attempt, Settle, Settle, Skip, Skip]);
        let all: Vec<_> = STATES.iter().map(|s| s.on_resume(RetryChoice::EVERYTHING)).collect();
        assert_eq!(all, [Attempt, Skip, Skip, Attempt, Attempt, Settle, Settle, Attempt, Skip]);
        assert_eq!(STATES[3].on_resume(RetryChoice::NOTHING.and(RefusalCode::UserNotFound)), Attempt);
        assert_eq!(STATES[3].on_resume(RetryChoice::NOTHING.and(RefusalCode::Gone)), Skip);
    }
}
