//! The `PaginationToken` of `ListUsers`: when it was given, for which question, and after whom the next page starts.
//! It is sealed, so an altered one is refused, and holds no personal value: a user is a number in it.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::user::Slot;
use crate::clock::UnixMs;
use crate::limits;

const LIFE_MS: i64 = limits::PAGINATION_TOKEN_MINUTES.cast_signed() * 60_000;

/// What a token says.
pub(super) struct Token;

impl Token {
    pub(super) fn write(secret: u64, question: &str, now: UnixMs, after: Slot) -> String {
        let body = format!("{now:016x}{after:08x}");
        let seal = seal(secret, question, &body);
        body + &seal
    }

    /// After whom the next page starts; `None` for an altered token, one of another question, and an expired one.
    pub(super) fn read(text: &str, secret: u64, question: &str, now: UnixMs) -> Option<Slot> {
        let (body, sealed) = text.split_at_checked(24)?;
        if seal(secret, question, body) != sealed {
            return None;
        }
        let issued = UnixMs::from_str_radix(body.get(..16)?, 16).ok()?;
        let fresh = now.saturating_sub(issued) < LIFE_MS;
        Slot::from_str_radix(body.get(16..)?, 16).ok().filter(|_| fresh)
    }
}

fn seal(secret: u64, question: &str, body: &str) -> String {
    let question = xxh3_64_with_seed(question.as_bytes(), secret);
    format!("{:016x}", xxh3_64_with_seed(body.as_bytes(), question))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_holds_for_its_question_and_an_hour() {
        let token = Token::write(7, "sub ^= \"0\"", 1_000, 42);
        let hour = LIFE_MS;
        assert_eq!(Token::read(&token, 7, "sub ^= \"0\"", 1_000 + hour - 1), Some(42));
        assert_eq!(Token::read(&token, 7, "sub ^= \"0\"", 1_000 + hour), None, "expired");
        assert_eq!(Token::read(&token, 7, "sub ^= \"1\"", 1_000), None, "another question");
        assert_eq!(Token::read(&token, 8, "sub ^= \"0\"", 1_000), None, "another pool");
    }

    #[test]
    fn an_altered_token_is_refused() {
        let token = Token::write(7, "", 1_000, 42);
        for position in 0..token.len() {
            let mut altered = token.clone().into_bytes();
            altered[position] = if altered[position] == b'0' { b'1' } else { b'0' };
            let altered = String::from_utf8(altered).unwrap();
            assert_eq!(Token::read(&altered, 7, "", 1_000), None, "{position}");
        }
        for text in ["", "x", "é", &token[1..], &format!("{token}0")] {
            assert_eq!(Token::read(text, 7, "", 1_000), None);
        }
    }
}
