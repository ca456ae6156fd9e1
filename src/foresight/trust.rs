//! Whether a user who was looked up may receive an identity. The one policy for scans, filters, plans, runs and
//! comparisons.
//!
//! Anybody can sign up with somebody else's address. Until the address is verified, or an administrator has confirmed the
//! user, nothing shows that the user is the person whom the row means, and whoever receives the identity's link shares the
//! account with its owner. A row that names its user by user name or `sub` says itself who is meant, so it is followed.
//!
//! | status | |
//! | --- | --- |
//! | `CONFIRMED`, `EXTERNAL_PROVIDER`, `RESET_REQUIRED`, `FORCE_CHANGE_PASSWORD` | confirmed by the user, a provider or an administrator |
//! | `UNCONFIRMED` | nobody has confirmed that the address is the user's |
//! | `ARCHIVED`, `COMPROMISED`, `UNKNOWN`, any other | the service no longer uses them, or this version does not know them |
//!
//! A `preferred_username` is what its user says and is never verified, so it is no evidence by itself.

use crate::domain::identity::Destination;
use crate::limits::TRUSTED_USER_STATUSES;
use crate::service::PoolUser;

/// Which users count where a row names its user by an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TrustPolicy {
    /// Those whose address is verified, and whose status is trusted.
    #[default]
    Verified,
    /// All of them, with `--allow destination_unverified`.
    Anybody,
}

/// Why a user does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Distrust {
    Status,
    EmailNotVerified,
    PhoneNotVerified,
    /// A `preferred_username` cannot be verified.
    NeverVerified,
}

impl Distrust {
    /// A lower-case fragment.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Status => "the user is not confirmed, or has a status that is not trusted",
            Self::EmailNotVerified => "the user's e-mail address is not verified",
            Self::PhoneNotVerified => "the user's phone number is not verified",
            Self::NeverVerified => "a preferred user name is never verified; name the user otherwise",
        }
    }
}

/// What a pool shows of a user's claim to its address.
#[derive(Debug, Clone, Copy)]
pub(super) struct UserEvidence<'a> {
    pub(super) status: &'a str,
    pub(super) has_email: bool,
    pub(super) email_verified: bool,
    pub(super) phone_verified: bool,
}

impl<'a> UserEvidence<'a> {
    pub(super) fn of(user: &'a PoolUser) -> Self {
        Self {
            status: &user.status,
            has_email: user.email.is_some(),
            email_verified: user.email_verified,
            phone_verified: user.phone_verified,
        }
    }
}

impl TrustPolicy {
    /// Why a user whom `destination` means does not count; `None` where it counts.
    pub(super) fn distrust(self, destination: &Destination, user: UserEvidence<'_>) -> Option<Distrust> {
        if self == Self::Anybody {
            return None;
        }
        let unverified = |is_verified: bool, distrust| (!is_verified).then_some(distrust);
        let by_address = match destination {
            Destination::Username(_) | Destination::Sub(_) | Destination::Federated { .. } => return None,
            Destination::Email(_) => unverified(user.email_verified, Distrust::EmailNotVerified),
            Destination::Phone(_) => unverified(user.phone_verified, Distrust::PhoneNotVerified),
            Destination::PreferredUsername(_) => Some(Distrust::NeverVerified),
        };
        by_address.or_else(|| unverified(has_trusted_status(user), Distrust::Status))
    }
}

/// What is doubtful about a user whom a row names by user name or `sub`: the same facts, of which a person is warned.
pub(super) fn doubts_about(user: UserEvidence<'_>) -> impl Iterator<Item = Distrust> + use<> {
    let status = (!has_trusted_status(user)).then_some(Distrust::Status);
    let email = (user.has_email && !user.email_verified).then_some(Distrust::EmailNotVerified);
    status.into_iter().chain(email)
}

fn has_trusted_status(user: UserEvidence<'_>) -> bool {
    TRUSTED_USER_STATUSES.contains(&user.status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::{Personal, ProviderName};

    #[test]
    fn only_a_verified_address_of_a_confirmed_user_counts() {
        let value = || Personal::from_service("x");
        let destinations = [
            Destination::Username(value()),
            Destination::Sub(value()),
            Destination::Federated { provider: ProviderName::parse("Okta").unwrap(), user_id: value() },
            Destination::Email(value()),
            Destination::Phone(value()),
            Destination::PreferredUsername(value()),
        ];
        let statuses = [
            ("CONFIRMED", true),
            ("EXTERNAL_PROVIDER", true),
            ("RESET_REQUIRED", true),
            ("FORCE_CHANGE_PASSWORD", true),
            ("UNCONFIRMED", false),
            ("ARCHIVED", false),
            ("COMPROMISED", false),
            ("UNKNOWN", false),
            ("confirmed", false),
            ("", false),
        ];
        for ((status, is_trusted), bits) in
            statuses.into_iter().flat_map(|status| (0..4).map(move |bits| (status, bits)))
        {
            let (email_verified, phone_verified) = (bits & 1 != 0, bits & 2 != 0);
            let user = UserEvidence { status, has_email: true, email_verified, phone_verified };
            for destination in &destinations {
                let expected = match destination {
                    Destination::Email(_) => email_verified && is_trusted,
                    Destination::Phone(_) => phone_verified && is_trusted,
                    Destination::PreferredUsername(_) => false,
                    _ => true,
                };
                let counts = TrustPolicy::Verified.distrust(destination, user).is_none();
                assert_eq!(counts, expected, "{status} {bits} {}", destination.kind());
                assert_eq!(TrustPolicy::Anybody.distrust(destination, user), None);
            }
            let doubts: Vec<Distrust> = doubts_about(user).collect();
            assert_eq!(doubts.contains(&Distrust::Status), !is_trusted, "each reason by itself");
            assert_eq!(doubts.contains(&Distrust::EmailNotVerified), !email_verified, "each reason by itself");
        }
    }
}
