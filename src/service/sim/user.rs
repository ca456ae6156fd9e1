//! A user of a simulated pool, small enough that a million of them fit in memory.

use std::fmt::Write as _;
use std::sync::Arc;

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128;

use super::provider::Provider;
use crate::clock::UnixMs;

/// When users and links were made whose file does not say: long before any run.
pub const UNKNOWN_DATE_UNIX_MS: UnixMs = 1_600_000_000_000;

/// `UserStatus` (service model).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Signed up, not confirmed.
    Unconfirmed,
    /// Confirmed.
    Confirmed,
    /// Born from an external identity.
    ExternalProvider,
    /// Must reset the password.
    ResetRequired,
    /// Must change the password at the first sign-in.
    ForceChangePassword,
    /// No longer used by the service.
    Archived,
    /// No longer used by the service.
    Compromised,
    /// No longer used by the service.
    Unknown,
}

impl Status {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Unconfirmed, "UNCONFIRMED"),
        (Self::Confirmed, "CONFIRMED"),
        (Self::ExternalProvider, "EXTERNAL_PROVIDER"),
        (Self::ResetRequired, "RESET_REQUIRED"),
        (Self::ForceChangePassword, "FORCE_CHANGE_PASSWORD"),
        (Self::Archived, "ARCHIVED"),
        (Self::Compromised, "COMPROMISED"),
        (Self::Unknown, "UNKNOWN"),
    ];

    /// The status as the service writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(status, _)| *status == self).map_or("UNKNOWN", |(_, text)| text)
    }

    /// Reads a status as the service writes it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == text).map(|(status, _)| *status)
    }
}

/// The index of a provider in its pool.
pub(super) type ProviderIndex = u16;
/// The index of a user in its pool; never used again for another user.
pub(super) type Slot = u32;

/// An external identity on a user.
#[derive(Clone)]
pub(super) struct HeldIdentity {
    pub(super) provider: ProviderIndex,
    pub(super) user_id: Arc<str>,
    /// The attribute of a link that is not by `Cognito_Subject`; the service does not show it.
    pub(super) attribute: Option<Box<str>>,
    pub(super) issuer: Option<Box<str>>,
    pub(super) primary: bool,
    pub(super) created_ms: UnixMs,
}

/// What few users have.
#[derive(Default, Clone)]
pub(super) struct Extra {
    pub(super) attributes: Box<[(Box<str>, Box<str>)]>,
    /// A link to this user fails with `AliasExistsException`.
    pub(super) alias_conflict: bool,
    /// A link to this user fails with `InvalidParameterException` and this text.
    pub(super) link_refusal: Option<Box<str>>,
    /// The user may not sign in with a password any more; the service does not show it.
    pub(super) password_disabled: bool,
}

/// A user as the pool keeps it. `username` is lower-cased in a case-insensitive pool.
pub(super) struct User {
    pub(super) username: Arc<str>,
    pub(super) sub: Arc<str>,
    pub(super) email: Option<Arc<str>>,
    pub(super) created_ms: UnixMs,
    pub(super) modified_ms: UnixMs,
    pub(super) identities: Vec<HeldIdentity>,
    pub(super) extra: Option<Box<Extra>>,
    pub(super) status: Status,
    pub(super) enabled: bool,
}

impl User {
    pub(super) fn is_federated(&self) -> bool {
        self.identities.iter().any(|identity| identity.primary)
    }

    /// An attribute other than `sub`, `email` and `identities`.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let attributes = &self.extra.as_ref()?.attributes;
        attributes.iter().find(|(held, _)| **held == *name).map(|(_, value)| &**value)
    }

    /// The user as an answer shows it, with these identities.
    pub(super) fn view(&self, identities: &[HeldIdentity], providers: &[Provider]) -> UserView {
        let mut attributes = Vec::with_capacity(4);
        attributes.push(("sub".to_owned(), self.sub.to_string()));
        if !identities.is_empty() {
            attributes.push(("identities".to_owned(), identities_text(identities, providers)));
        }
        attributes.extend(self.email.iter().map(|email| ("email".to_owned(), email.to_string())));
        let extra = self.extra.iter().flat_map(|extra| extra.attributes.iter());
        attributes.extend(extra.map(|(name, value)| (name.to_string(), value.to_string())));
        UserView {
            username: self.username.to_string(),
            attributes,
            created_ms: self.created_ms,
            modified_ms: self.modified_ms,
            status: self.status.as_str(),
            enabled: self.enabled,
        }
    }
}

/// A user that a pool shall hold.
#[derive(Clone, PartialEq, Eq)]
pub struct NewUser {
    /// The user name; lower-cased by a case-insensitive pool.
    pub username: String,
    /// The `sub` attribute; made from the user name where it is not given.
    pub sub: Option<String>,
    /// The `email` attribute.
    pub email: Option<String>,
    /// `UserStatus`.
    pub status: Status,
    /// Whether the user may sign in.
    pub enabled: bool,
    /// When the user was made.
    pub created_ms: UnixMs,
    /// When the user was changed.
    pub modified_ms: UnixMs,
    /// The external identities of this user.
    pub identities: Vec<NewIdentity>,
    /// Attributes other than `sub`, `email` and `identities`.
    pub attributes: Vec<(String, String)>,
    /// Whether a link to this user fails with `AliasExistsException`.
    pub alias_conflict: bool,
    /// The text of the `InvalidParameterException` with which a link to this user fails, for texts that the simulator
    /// does not have of itself.
    pub link_refusal: Option<String>,
    /// Whether the user may not sign in with a password any more.
    pub password_disabled: bool,
}

impl NewUser {
    /// A confirmed native user with nothing but a name.
    #[must_use]
    pub fn named(username: &str) -> Self {
        Self {
            username: username.to_owned(),
            sub: None,
            email: None,
            status: Status::Confirmed,
            enabled: true,
            created_ms: UNKNOWN_DATE_UNIX_MS,
            modified_ms: UNKNOWN_DATE_UNIX_MS,
            identities: Vec::new(),
            attributes: Vec::new(),
            alias_conflict: false,
            link_refusal: None,
            password_disabled: false,
        }
    }

    /// The same with an e-mail address.
    #[must_use]
    pub fn with_email(mut self, email: &str) -> Self {
        self.email = Some(email.to_owned());
        self
    }

    /// The same with an external identity.
    #[must_use]
    pub fn with_identity(mut self, identity: NewIdentity) -> Self {
        self.identities.push(identity);
        self
    }
}

/// An external identity that a user shall have.
#[derive(Clone, PartialEq, Eq)]
pub struct NewIdentity {
    /// The pool's name of the provider.
    pub provider: String,
    /// The provider's id of the user, true case.
    pub user_id: String,
    /// The attribute of a link that is not by `Cognito_Subject`.
    pub attribute: Option<String>,
    /// The assertion's issuer, once a SAML identity has signed in.
    pub issuer: Option<String>,
    /// Whether the profile was born from this identity.
    pub primary: bool,
    /// When it was linked.
    pub created_ms: UnixMs,
}

impl NewIdentity {
    /// An identity that was linked by `Cognito_Subject` long ago and has not been used.
    #[must_use]
    pub fn linked(provider: &str, user_id: &str) -> Self {
        Self {
            provider: provider.to_owned(),
            user_id: user_id.to_owned(),
            attribute: None,
            issuer: None,
            primary: false,
            created_ms: UNKNOWN_DATE_UNIX_MS,
        }
    }

    /// The identity from which a profile was born long ago.
    #[must_use]
    pub fn primary(provider: &str, user_id: &str) -> Self {
        Self { primary: true, ..Self::linked(provider, user_id) }
    }
}

/// A user as an answer shows it. Holds personal values, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct UserView {
    /// `Username`.
    pub username: String,
    /// Names and values in the order of the answer; `identities` is absent where there are none.
    pub attributes: Vec<(String, String)>,
    /// `UserCreateDate`.
    pub created_ms: UnixMs,
    /// `UserLastModifiedDate`.
    pub modified_ms: UnixMs,
    /// `UserStatus`.
    pub status: &'static str,
    /// `Enabled`.
    pub enabled: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IdentityText<'a> {
    user_id: &'a str,
    provider_name: &'a str,
    provider_type: &'a str,
    issuer: Option<&'a str>,
    primary: bool,
    date_created: UnixMs,
}

/// The `identities` attribute exactly as the service writes it: a JSON array in a string.
fn identities_text(identities: &[HeldIdentity], providers: &[Provider]) -> String {
    let texts: Vec<_> = identities
        .iter()
        .filter_map(|held| {
            let provider = providers.get(usize::from(held.provider))?;
            Some(IdentityText {
                user_id: &held.user_id,
                provider_name: &provider.name,
                provider_type: provider.kind.as_str(),
                issuer: held.issuer.as_deref(),
                primary: held.primary,
                date_created: held.created_ms,
            })
        })
        .collect();
    serde_json::to_string(&texts).unwrap_or_default()
}

/// A UUID of version 4's form that follows from a text.
pub(super) fn derived_uuid(text: &str) -> String {
    uuid(xxh3_128(text.as_bytes()))
}

/// A UUID of version 4's form from 128 bits.
pub(super) fn uuid(bits: u128) -> String {
    let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let mut text = String::with_capacity(36);
    for (index, byte) in bits.to_be_bytes().iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read_as_written() {
        for (status, text) in Status::ALL {
            assert_eq!((Status::parse(text), status.as_str()), (Some(status), text));
        }
        assert_eq!(Status::parse("confirmed"), None);
    }

    #[test]
    fn derived_uuids_have_version_four_and_spread() {
        let uuid = derived_uuid("alice");
        assert_eq!((uuid.len(), &uuid[14..15], &uuid[8..9]), (36, "4", "-"));
        assert!(matches!(&uuid[19..20], "8" | "9" | "a" | "b"));
        assert_eq!(uuid, derived_uuid("alice"));
        let firsts: std::collections::HashSet<u8> =
            (0..500).map(|n| derived_uuid(&format!("user{n}")).as_bytes()[0]).collect();
        assert_eq!(firsts.len(), 16);
    }
}
