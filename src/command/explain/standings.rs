//! How a row stands to the pool in a comparison.

use super::Explained;

const STANDINGS: [(&str, &str, &str, &str); 4] = [
    (
        "missing",
        "The file has this link, the pool does not, and nothing stands against making it.",
        "The whole pool was read, and nobody in it holds the identity.",
        "Run reconcile with --apply, or link; both make it.",
    ),
    (
        "moved",
        "The pool has this identity on another user than the file.",
        "Somebody linked it there, or the file names the wrong user; a link cannot be made twice.",
        "Find out which of the two users is right before anything else; this tool moves nothing.",
    ),
    (
        "blocked",
        "The pool does not have this link, and would refuse it.",
        "What was read of the pool lets foretell the refusal; the code beside it says which one.",
        "Look up the refusal code that stands beside it.",
    ),
    (
        "extra",
        "The pool has this link, of a provider in scope, and the file does not.",
        "Every link of the providers that the file names, or that --provider names, is held against the file.",
        "Add it to the file, or take it back by hand where nobody wants it; reconcile never unlinks.",
    ),
];

/// All of them.
pub(super) fn all() -> impl Iterator<Item = Explained> {
    STANDINGS.into_iter().map(|(code, meaning, why, advice)| Explained { code, kind: "standing", meaning, why, advice })
}
