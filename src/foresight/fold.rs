//! Hashes under which a file and a pool meet: without regard to case, so that what differs in case only is found too.
//!
//! A hash only narrows the search. Whoever finds something by it compares the values themselves, so a collision costs
//! memory and never a wrong answer.

use std::borrow::Cow;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::domain::identity::profile_username;

/// A user name, or the identity that would have it for its own profile's name: `Provider_id`. One hash serves for both,
/// because whoever asks for an identity asks for that profile too.
const NAME: u64 = 1;
const SUB: u64 = 2;
const EMAIL: u64 = 3;

/// The text in lower case, as the service folds the user names of a case-insensitive pool.
pub(super) fn folded(text: &str) -> Cow<'_, str> {
    let is_folded = text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    if is_folded { Cow::Borrowed(text) } else { Cow::Owned(text.to_lowercase()) }
}

pub(super) fn name_hash(username: &str) -> u64 {
    xxh3_64_with_seed(folded(username).as_bytes(), NAME)
}

/// Of an identity, and of the user name of its own profile.
pub(super) fn identity_hash(provider: &str, user_id: &str) -> u64 {
    name_hash(&profile_username(provider, user_id))
}

/// Of a `sub`, which is matched exactly.
pub(super) fn sub_hash(sub: &str) -> u64 {
    xxh3_64_with_seed(sub.as_bytes(), SUB)
}

pub(super) fn email_hash(email: &str) -> u64 {
    xxh3_64_with_seed(folded(email).as_bytes(), EMAIL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_folded_where_it_may_not_count() {
        assert_eq!(name_hash("Google_AbC"), identity_hash("google", "aBc"));
        assert_eq!(email_hash("Ä@Example.com"), email_hash("ä@example.com"));
        assert_ne!(sub_hash("AB"), sub_hash("ab"));
        assert_ne!(name_hash("ab"), email_hash("ab"));
        assert_ne!(name_hash("ab"), sub_hash("ab"));
    }
}
