//! Explanations of row states, and of the standings of a comparison.

use super::explanation::{ExplainedCode, Explanation, explanation};
use crate::domain::outcome::RefusalCode;
use crate::domain::state::RowState;

/// One of each. The code of a refusal has its own explanation.
const STATES: [RowState; 6] = [
    RowState::Linked,
    RowState::AlreadyLinked,
    RowState::Refused(RefusalCode::Unrecognised),
    RowState::Failed,
    RowState::InDoubt,
    RowState::Unprocessed,
];

pub(super) fn all_states() -> impl Iterator<Item = ExplainedCode> {
    let states = STATES.into_iter().map(|state| {
        let (meaning, text) = explain_state(state);
        ExplainedCode { code: state.as_str(), kind: "state", meaning, text }
    });
    let invalid = ExplainedCode {
        code: "invalid",
        kind: "state",
        meaning: "The row has an error and was not sent.",
        text: explanation(
            "Rows that the service would refuse, or accept although no sign-in can match, are not sent.",
            "Correct the row in the input and run again. List every such row with its reason: validate.",
        ),
    };
    states.chain([invalid])
}

fn explain_state(state: RowState) -> (&'static str, Explanation) {
    match state {
        RowState::Linked | RowState::Kept(_) => (
            "This tool made the link.",
            explanation(
                "The service accepted the call. Or its answer was lost, and reading the user showed a link as recent as \
                 the call.",
                "Nothing. A rerun skips the row, and undo takes the link back.",
            ),
        ),
        RowState::AlreadyLinked => (
            "The destination user held this identity before the run.",
            explanation(
                "The service answers a repeated link with an error that does not say to whom the identity is linked. So \
                 the user was read: its link is older than any call in this ledger.",
                "Nothing. A rerun skips the row, and undo does not touch the link.",
            ),
        ),
        RowState::Refused(_) => (
            "The service, or this tool, refused the link for good.",
            explanation(
                "Another attempt gets the same answer until the file or the pool changes.",
                "Look up the refusal code. Correct the row, or change the pool and pass --retry refused.",
            ),
        ),
        RowState::Failed => (
            "Every attempt met a transient fault, and reading the user showed that none had an effect.",
            explanation(
                "There were more timeouts, broken connections and 5xx answers than --attempts allows. Throttled attempts \
                 do not count.",
                "Run the same command again. The row is attempted again.",
            ),
        ),
        RowState::InDoubt | RowState::Unlinking => (
            "A call may have had an effect, and reading the user did not settle it.",
            explanation(
                "When an answer is lost or the process is killed, nobody knows whether the service acted. Its lists of \
                 users lag behind its writes, so reading can come too early.",
                "Run the same command again. The user is read first, and a call that reading has settled is not sent \
                 again.",
            ),
        ),
        RowState::Unprocessed | RowState::Undone => (
            "The row was never attempted, or undo has taken its link back.",
            explanation(
                "The run ended before this row: by a signal, by a limit, or by an error that stops every row.",
                "Run the same command again.",
            ),
        ),
    }
}

pub(super) fn all_standings() -> impl Iterator<Item = ExplainedCode> {
    [
        (
            "missing",
            "The file has this link, the pool does not, and the pool would accept it.",
            explanation(
                "The whole pool was read, and no user holds the identity.",
                "Run reconcile with --apply, or link. Both make the link.",
            ),
        ),
        (
            "moved",
            "In the pool, another user than in the file holds this identity.",
            explanation(
                "Somebody linked it there, or the file names the wrong user. An identity can be linked to one user only.",
                "First find out which of the two users is right. This tool never moves a link.",
            ),
        ),
        (
            "blocked",
            "The pool does not have this link, and would refuse it.",
            explanation("The scan of the pool shows the reason, which is the code beside it.", "Look up that refusal code."),
        ),
        (
            "unverifiable",
            "The row links by another attribute than Cognito_Subject, and nobody in the pool is seen with its value.",
            explanation(
                "Such a link may not show before its first sign-in, and shows under its subject afterwards: it may be there.",
                "Nothing, if the ledger says that the row is linked. With --apply, a row that its ledger has not linked is sent.",
            ),
        ),
        (
            "extra",
            "The pool has this link, of a provider in scope, and the file does not.",
            explanation(
                "All links of the providers that the file or --provider names are compared with the file.",
                "Add the link to the file. If nobody wants it, unlink it yourself: reconcile never unlinks.",
            ),
        ),
    ]
    .into_iter()
    .map(|(code, meaning, text)| ExplainedCode { code, kind: "standing", meaning, text })
}
