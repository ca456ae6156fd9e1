//! States in words.

use super::{Explained, Told, told};
use crate::domain::outcome::RefusalCode;
use crate::domain::state::RowState;

/// One of each; which refusal it is has its own explanation.
const STATES: [RowState; 6] = [
    RowState::Linked,
    RowState::AlreadyLinked,
    RowState::Refused(RefusalCode::Unrecognised),
    RowState::Failed,
    RowState::InDoubt,
    RowState::Unprocessed,
];

/// Every state, and what a row is that has none because it was never taken.
pub(super) fn all() -> impl Iterator<Item = Explained> {
    let invalid = Explained {
        code: "invalid",
        kind: "state",
        meaning: "The row has an error of its own and was not sent.",
        why: "What the service would refuse, or take and never recognise at sign-in, is held back before the first call.",
        advice: "Correct it in the input and run again; validate lists every such row with its reason.",
    };
    STATES.into_iter().map(explained).chain([invalid])
}

fn explained(state: RowState) -> Explained {
    let Told { why, advice } = told_of(state);
    Explained { code: state.as_str(), kind: "state", meaning: meaning(state), why, advice }
}

fn meaning(state: RowState) -> &'static str {
    match state {
        RowState::Linked | RowState::Kept(_) => "This tool made the link.",
        RowState::AlreadyLinked => "The destination held this identity before; that was seen by reading it.",
        RowState::Refused(_) => "The service, or the plan, said no for good.",
        RowState::Failed => "Every attempt met a transient fault, and reading showed that none had an effect.",
        RowState::InDoubt | RowState::Unlinking => "A call may have taken effect, and reading could not settle it.",
        RowState::Unprocessed | RowState::Undone => "The row was never attempted, or undo has taken its link back.",
    }
}

fn told_of(state: RowState) -> Told {
    match state {
        RowState::Linked | RowState::Kept(_) => told(
            "The service took the call, or reading the user after a doubtful answer showed a link as young as our call.",
            "Nothing; a rerun skips it, and undo takes it back.",
        ),
        RowState::AlreadyLinked => told(
            "The service answers a repeated link with an error whose text does not say to whom the identity is linked, so \
             the user was read, and the link on it is older than anything this ledger announced.",
            "Nothing; a rerun skips it, and undo leaves it alone.",
        ),
        RowState::Refused(_) => told(
            "Asking again would give the same answer until the file or the pool changes.",
            "See the refusal code. Correct the row, or change the pool and use --retry refused.",
        ),
        RowState::Failed => told(
            "Timeouts, broken connections and 5xx answers came more often than --attempts allows; throttled answers do \
             not count.",
            "Run the same command again; the row is attempted again.",
        ),
        RowState::InDoubt | RowState::Unlinking => told(
            "A call whose answer is lost, or a process that was killed, leaves open whether the service acted; its lists \
             of users lag behind its writes, so a look may come too early.",
            "Run the same command again; the destination is read first, and nothing is sent that reading has settled.",
        ),
        RowState::Unprocessed | RowState::Undone => told(
            "The run ended before its turn: by a signal, by a bound, or by something that stops every row.",
            "Run the same command again.",
        ),
    }
}
