//! What is printed about an answer of the service: its code and what this program knows about the code. The service's own
//! message may quote a name, an identity or an address anywhere, so it is printed only with `--show-values`.

use std::borrow::Cow;

use crate::domain::outcome::{RefusalCode, ServiceText};
use crate::domain::state::RowState;

/// Printed once beside a result or an error that hides messages.
pub const HIDDEN_MESSAGES_HINT: &str =
    "messages of the service are hidden, because they may quote personal values; `--show-values` prints them";

/// Why a row is in this state: the message where it may be printed, else the meaning of the refusal or of the code.
pub fn explanation(state: RowState, text: &ServiceText, show_values: bool) -> Option<Cow<'_, str>> {
    if let Some(message) = text.printable_message(show_values) {
        return Some(message.into());
    }
    state.refusal().map(|code| meaning_fragment(code).into()).or_else(|| text.meaning().map(Into::into))
}

/// The meaning of a refusal without its capital and final period, to stand in parentheses.
pub fn meaning_fragment(code: RefusalCode) -> String {
    let meaning = code.meaning().trim_end_matches('.');
    let first = meaning.chars().next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(meaning.chars().skip(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages with a value somewhere in them; all of these once had to be masked word by word.
    const QUOTING: [&str; 10] = [
        "1 validation error detected: Value 'sub = \"jane@example.com\"' at 'filter' failed to satisfy constraint",
        "Already found an entry for username okta_jane",
        "User jane is disabled.",
        "User jane.doe is disabled.",
        "User auth0|jane, (jane77): no",
        "user Zoëjane of pool us-east-1_AbC",
        "the user’s “jane” and `id` and ‘sub’",
        "don't use 'O'jane', please",
        "username=jane",
        "user \"jane",
    ];

    #[test]
    fn no_message_of_the_service_is_printed_unless_asked_for() {
        let refused = RowState::Refused(RefusalCode::UserAmbiguous);
        for message in QUOTING {
            for state in [refused, RowState::Failed, RowState::InDoubt] {
                let text = ServiceText { code: "InvalidParameterException".into(), message: message.into() };
                let hidden = explanation(state, &text, false);
                assert!(!hidden.is_some_and(|hidden| hidden.contains("jane")), "{message}");
                assert_eq!(explanation(state, &text, true).as_deref(), Some(message));
            }
        }
    }

    #[test]
    fn the_meaning_takes_the_place_of_the_message() {
        let text = |code: &str, message: &str| ServiceText { code: code.into(), message: message.into() };
        let refused = RowState::Refused(RefusalCode::UserAmbiguous);
        let table = [
            (refused, text("Odd", "jane"), Some("several users of the pool have this address")),
            (RowState::Failed, text("InternalErrorException", "jane"), Some("the service had an internal error")),
            (RowState::Failed, text("timeout", "no answer in 15 s"), Some("no answer in 15 s")),
            (RowState::InDoubt, text("timeout", ""), Some("no answer in time")),
            (RowState::InDoubt, text("BrandNewException", "jane"), None),
        ];
        for (state, text, expected) in table {
            assert_eq!(explanation(state, &text, false).as_deref(), expected, "{state:?} {text:?}");
        }
    }
}
