//! Whether what a row gives as a user name may be an alias in its place.
//!
//! The service documents that a destination is named by its user name. It may take a `sub` or an address as well, and the
//! link is then on a user whom nobody finds by the name that was sent. So such a name is looked up before it is sent.

use crate::domain::identity::Personal;
use crate::service::{PoolFacts, PoolUser, UserFilter};

/// What a user name may be in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AliasKind {
    Email,
    Sub,
}

impl AliasKind {
    /// What a user name looks like, where the pool can have such aliases.
    pub(super) fn of(name: &str, pool: &PoolFacts) -> Option<Self> {
        let signs_in_by = |attribute: &str| {
            pool.username_attributes.iter().chain(&pool.alias_attributes).any(|known| known == attribute)
        };
        if name.contains('@') {
            signs_in_by("email").then_some(Self::Email)
        } else {
            // In a pool whose users sign in with an attribute, the user name itself looks like a `sub`.
            (is_uuid(name) && pool.username_attributes.is_empty()).then_some(Self::Sub)
        }
    }

    /// The filter that finds who has the value as an alias.
    pub(super) fn filter(self, value: &Personal) -> UserFilter {
        let attribute = match self {
            Self::Email => "email",
            Self::Sub => "sub",
        };
        UserFilter { attribute, prefix: false, value: value.clone() }
    }

    /// Whether the user has the value as an alias.
    pub(super) fn names(self, user: &PoolUser, value: &Personal, case_sensitive: bool) -> bool {
        match self {
            Self::Sub => user.sub.as_ref() == Some(value),
            Self::Email => user.email.as_ref().is_some_and(|email| {
                email == value || !case_sensitive && email.expose().to_lowercase() == value.expose().to_lowercase()
            }),
        }
    }

    /// What to do about it. Quotes no value.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::Email => {
                "the value is no user name, but the e-mail address of a user: name the column destination_email"
            }
            Self::Sub => "the value is no user name, but the sub of a user: name the column destination_sub",
        }
    }
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<usize> = text.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_an_alias_is_looked_up() {
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let pool = |username: &[&str], alias: &[&str]| PoolFacts {
            username_attributes: texts(username),
            alias_attributes: texts(alias),
            ..PoolFacts::default()
        };
        let uuid = "0a1b2c3d-0000-4000-8000-00000000000f";
        for (name, pool, expected) in [
            ("alice", pool(&[], &["email"]), None),
            ("a@example.com", pool(&[], &[]), None),
            ("a@example.com", pool(&[], &["email"]), Some(AliasKind::Email)),
            ("a@example.com", pool(&["email"], &[]), Some(AliasKind::Email)),
            ("a@example.com", pool(&["phone_number"], &[]), None),
            (uuid, pool(&[], &[]), Some(AliasKind::Sub)),
            (uuid, pool(&["email"], &[]), None),
            ("0a1b2c3d-0000-4000-8000-00000000000", pool(&[], &[]), None),
            ("0a1b2c3d-0000-4000-8000-00000000000g", pool(&[], &[]), None),
        ] {
            assert_eq!(AliasKind::of(name, &pool), expected, "{name} {pool:?}");
        }
    }
}
