//! Messages of the service without the values that they quote: what is shown on a terminal unless `--show-values`.
//!
//! A message may hold a user name, an identity or an address anywhere, so everything in quotes goes, and outside
//! them every word that is not plain English or a name of the API. Readability gives way where the two conflict.

use std::borrow::Cow;

use crate::limits;

const MASK: &str = "***";
/// What ends a quoted value in the service's messages about constraints.
const CONSTRAINT_TAIL: &str = " failed to satisfy constraint";
/// Names with an underscore that are the service's own, so never a federated user name such as `Google_1104`.
const KNOWN_NAMES: [&str; 10] = [
    "Cognito_Subject",
    "email_verified",
    "family_name",
    "given_name",
    "middle_name",
    "phone_number",
    "phone_number_verified",
    "preferred_username",
    "updated_at",
    "user_pool",
];
/// Words after which an id of the pool or its Region stands, which is not personal.
const POOL_WORDS: [&str; 2] = ["pool", "region"];
/// Digits that a limit or a status may have; a longer number may be an identifier.
const NUMBER_DIGITS_MAX: usize = 4;
/// The longest name of an exception of the API is 38 letters; a longer run of letters may be an identifier.
const WORD_CHARS_MAX: usize = 40;

/// The message as it may be shown: as it is where values were asked for, else redacted.
#[must_use]
pub fn shown(message: &str, show_values: bool) -> Cow<'_, str> {
    if show_values { Cow::Borrowed(message) } else { Cow::Owned(redact(message)) }
}

/// The message with quoted values, addresses and whatever may be an identifier replaced by `***`.
#[must_use]
pub fn redact(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    let mut rest = message;
    while let Some((before, quote, after)) = next_quote(rest) {
        redact_words(before, &mut out);
        let (quoted, remaining) = quoted_text(before, quote, after);
        let shown = if is_member_path(before, quoted, remaining) { quoted } else { MASK };
        out.extend([quote.opening, shown, quote.closing]);
        rest = remaining;
    }
    redact_words(rest, &mut out);
    out
}

#[derive(Clone, Copy)]
struct Quote {
    opening: &'static str,
    closing: &'static str,
}

const QUOTES: [Quote; 5] = [
    Quote { opening: "'", closing: "'" },
    Quote { opening: "\"", closing: "\"" },
    Quote { opening: "`", closing: "`" },
    Quote { opening: "\u{2018}", closing: "\u{2019}" },
    Quote { opening: "\u{201c}", closing: "\u{201d}" },
];

/// The text up to the first opening quote, the quote and the text after it. An apostrophe within a word opens nothing.
fn next_quote(text: &str) -> Option<(&str, Quote, &str)> {
    text.char_indices().find_map(|(index, _)| {
        let quote = QUOTES.into_iter().find(|quote| text[index..].starts_with(quote.opening))?;
        let opens = !text[..index].chars().next_back().is_some_and(char::is_alphanumeric);
        opens.then(|| (&text[..index], quote, &text[index + quote.opening.len()..]))
    })
}

/// The quoted text and what follows its closing quote. Without a closing quote everything is quoted.
fn quoted_text<'a>(before: &str, quote: Quote, after: &'a str) -> (&'a str, &'a str) {
    let end = constrained_value_end(before, quote, after).or_else(|| closing_quote(quote, after));
    end.map_or((after, ""), |end| (&after[..end], &after[end + quote.closing.len()..]))
}

/// In `Value '...' at 'member' failed to satisfy constraint` the value ends at the last `' at '` before the tail,
/// whatever quotes it has itself.
fn constrained_value_end(before: &str, quote: Quote, after: &str) -> Option<usize> {
    if !before.trim_end().ends_with("Value") {
        return None;
    }
    let tail = after.find(CONSTRAINT_TAIL)?;
    after[..tail].rfind(&format!("{} at {}", quote.closing, quote.opening))
}

fn closing_quote(quote: Quote, after: &str) -> Option<usize> {
    after.match_indices(quote.closing).map(|(index, _)| index).find(|index| {
        let next = after[index + quote.closing.len()..].chars().next();
        !next.is_some_and(char::is_alphanumeric)
    })
}

fn is_member_path(before: &str, quoted: &str, remaining: &str) -> bool {
    before.ends_with(" at ")
        && remaining.starts_with(CONSTRAINT_TAIL)
        && quoted.len() <= limits::ATTRIBUTE_NAME_CHARS_MAX
        && quoted.chars().all(|c| c.is_ascii_alphanumeric() || c == '.')
}

fn redact_words(text: &str, out: &mut String) {
    let mut previous = "";
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim_matches(|c: char| c.is_whitespace() || is_punctuation(c));
        if word.is_empty() || !may_be_personal(word, previous) {
            out.push_str(piece);
        } else {
            out.push_str(&piece.replacen(word, MASK, 1));
        }
        previous = word;
    }
}

fn is_punctuation(character: char) -> bool {
    matches!(character, '.' | ',' | ';' | ':' | '!' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>' | '-')
}

fn may_be_personal(word: &str, previous: &str) -> bool {
    let is_pool_id = POOL_WORDS.iter().any(|known| previous.eq_ignore_ascii_case(known))
        && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    let is_known = is_pool_id || KNOWN_NAMES.contains(&word);
    let is_number = word.len() <= NUMBER_DIGITS_MAX && word.chars().all(|c| c.is_ascii_digit());
    !is_known && !is_number && !word.split(['/', '-', ':', '\'']).all(is_plain_word)
}

fn is_plain_word(word: &str) -> bool {
    word.len() <= WORD_CHARS_MAX && word.chars().all(|c| c.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::redact;

    /// Messages that the service is known to send; none of them holds a value.
    const KNOWN: [&str; 9] = [
        "SourceUser is already linked to DestinationUser",
        "Invalid SourceUser: Cognito users with a username/password may not be passed in as a SourceUser, only as a DestinationUser",
        "Merging is not currently supported, provide a SourceUser that has not been signed up in order to link",
        "Rate exceeded",
        "Too many requests",
        "User does not exist.",
        "User pool us-east-1_AbCdEfGhI does not exist.",
        "Attribute Cognito_Subject can't be found; the limit is 5 identities.",
        "AdminLinkProviderForUser: ProvisionedThroughputExceededException (try again)",
    ];

    #[test]
    fn known_messages_stay_readable() {
        for message in KNOWN {
            assert_eq!(redact(message), message);
        }
    }

    #[test]
    fn values_are_replaced() {
        let table = [
            (
                "1 validation error detected: Value 'sub = \"jane@example.com\"' at 'filter' failed to satisfy constraint: Member must have length less than or equal to 256",
                "1 validation error detected: Value '***' at 'filter' failed to satisfy constraint: Member must have length less than or equal to 256",
            ),
            (
                "2 validation errors detected: Value 'O'Brien' at 'x' y' at 'sourceUser.providerName' failed to satisfy constraint: a; Value '' at 'username' failed to satisfy constraint: b",
                "2 validation errors detected: Value '***' at 'sourceUser.providerName' failed to satisfy constraint: a; Value '***' at 'username' failed to satisfy constraint: b",
            ),
            ("Already found an entry for username Google_110432", "Already found an entry for username ***"),
            ("Already found an entry for username okta_john", "Already found an entry for username ***"),
            ("User jane.doe@example.com is disabled.", "User *** is disabled."),
            ("User jane.doe is disabled.", "User *** is disabled."),
            ("User auth0|abc, (jane77): no", "User ***, (***): no"),
            ("User 4f1c2a90-1111-4222-8333-444455556666 not found", "User *** not found"),
            ("phone +49170123456, number 12345, limit 2048", "phone ***, number ***, limit 2048"),
            ("issuer https://sts.example.net/x/ refused", "issuer *** refused"),
            ("user Zoë of pool us-east-1_AbC", "user *** of pool us-east-1_AbC"),
            ("pool jane@example.com", "pool ***"),
            ("user \"jane", "user \"***\""),
            ("the user’s “name” and `id` and ‘sub’", "the *** “***” and `***` and ‘***’"),
            ("user 'jane' at 'home'", "user '***' at '***'"),
            ("don't use 'O'Brien', please", "don't use '***', please"),
            ("sub AbCdEfGhIjKlMnOpQrStUvWxYzAbCdEfGhIjKlMnOp ends", "sub *** ends"),
            ("username=jane", "***"),
            ("", ""),
            ("a  b\n'c'", "a  b\n'***'"),
        ];
        for (message, expected) in table {
            assert_eq!(redact(message), expected);
        }
    }
}
