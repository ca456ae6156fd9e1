//! Which user a row means: how its destination is looked up, and how a user of the pool is named as a destination.

use std::borrow::Cow;

use crate::domain::identity::{Destination, DestinationUser, Personal, ProviderName, profile_username};
use crate::domain::outcome::RefusalCode;
use crate::service::{LinkedIdentity, PoolUser, UserFilter};

/// How a destination becomes one that can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    Known(DestinationUser),
    LookUp(UserFilter),
}

#[must_use]
pub fn resolution(destination: &Destination) -> Resolution {
    let look_up =
        |attribute, value: &Personal| Resolution::LookUp(UserFilter { attribute, prefix: false, value: value.clone() });
    match destination {
        Destination::Username(value) => Resolution::Known(native_user(value.clone())),
        Destination::Federated { provider, user_id } => {
            Resolution::Known(DestinationUser { provider: provider.clone(), value: user_id.clone() })
        }
        Destination::Email(value) => look_up("email", value),
        Destination::Sub(value) => look_up("sub", value),
    }
}

/// The one user that `destination` means among those that the look-up found.
///
/// An e-mail address is not unique in a pool, and federated profiles share it with native ones: federated profiles are
/// skipped. Addresses are compared without case only in a case-insensitive pool. Among several, the user name `chosen`
/// by a person decides; a user who is not among them is no choice.
///
/// # Errors
/// [`RefusalCode::UserNotFound`] for none, [`RefusalCode::UserAmbiguous`] for several.
pub fn resolve(
    destination: &Destination,
    found: &[PoolUser],
    case_sensitive: bool,
    chosen: Option<&Personal>,
) -> Result<DestinationUser, RefusalCode> {
    let named = |user: &PoolUser| is_meant(destination, UserNames::of(user), case_sensitive);
    let mut matching = found.iter().filter(|user| named(user));
    match (matching.next(), matching.next()) {
        (Some(user), None) => Ok(native_user(user.username.clone())),
        (None, _) => Err(RefusalCode::UserNotFound),
        (Some(_), Some(_)) => {
            let is_chosen = |user: &&PoolUser| chosen == Some(&user.username) && named(user);
            let user = found.iter().find(is_chosen).ok_or(RefusalCode::UserAmbiguous)?;
            Ok(native_user(user.username.clone()))
        }
    }
}

/// The names by which a destination may mean a user.
#[derive(Debug, Clone, Copy)]
pub(super) struct UserNames<'a> {
    pub(super) username: &'a Personal,
    pub(super) sub: Option<&'a Personal>,
    pub(super) email: Option<&'a Personal>,
    /// Whether the profile was born from an external identity.
    pub(super) federated: bool,
}

impl<'a> UserNames<'a> {
    fn of(user: &'a PoolUser) -> Self {
        let federated = user.is_federated();
        Self { username: &user.username, sub: user.sub.as_ref(), email: user.email.as_ref(), federated }
    }
}

/// Whether a destination means this user. A lookup never means a federated user.
pub(super) fn is_meant(destination: &Destination, user: UserNames<'_>, case_sensitive: bool) -> bool {
    let equal = |held: Option<&Personal>, wanted: &Personal| {
        held.is_some_and(|held| held == wanted || !case_sensitive && folded(held.expose()) == folded(wanted.expose()))
    };
    !user.federated
        && match destination {
            Destination::Email(wanted) => equal(user.email, wanted),
            Destination::Sub(wanted) => user.sub == Some(wanted),
            Destination::Username(wanted) => user.username == wanted,
            Destination::Federated { .. } => false,
        }
}

fn native_user(value: Personal) -> DestinationUser {
    DestinationUser { provider: ProviderName::native(), value }
}

/// Returns the text in lower case, as the service folds the user names of a case-insensitive pool.
pub(super) fn folded(text: &str) -> Cow<'_, str> {
    let is_folded = text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    if is_folded { Cow::Borrowed(text) } else { Cow::Owned(text.to_lowercase()) }
}

/// Identities that were linked to the user. A federated user's own identity is no link.
pub fn linked_identities(user: &PoolUser) -> impl Iterator<Item = &LinkedIdentity> {
    user.identities.iter().filter(|identity| !identity.primary)
}

/// How a row names the user, so that reading it back finds it: a federated user by provider and id there, true case,
/// where its user name is made of these; every other by its user name.
///
/// In a case-insensitive pool the user name of such a profile is lower-case, and only the identity keeps the case.
#[must_use]
pub fn destination_of_user(user: &PoolUser, case_sensitive: bool) -> DestinationUser {
    let own = user.identities.iter().find(|identity| identity.primary);
    let by_identity = own.and_then(|identity| {
        let name = profile_username(&identity.provider_name, identity.user_id.expose());
        let listed = if case_sensitive { name } else { name.to_lowercase() };
        let provider = ProviderName::parse(&identity.provider_name).ok()?;
        let fits = listed == user.username.expose() && !provider.is_native();
        fits.then(|| DestinationUser { provider, value: identity.user_id.clone() })
    });
    by_identity.unwrap_or_else(|| DestinationUser { provider: ProviderName::native(), value: user.username.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::LinkedIdentity;

    fn user(username: &str, email: &str, federated: bool) -> PoolUser {
        let identity = LinkedIdentity {
            user_id: Personal::from_service("1"),
            provider_name: "Google".into(),
            provider_type: "Google".into(),
            issuer: None,
            primary: federated,
            created_unix_ms: None,
        };
        PoolUser {
            username: Personal::from_service(username),
            sub: Some(Personal::from_service(&format!("sub-{username}"))),
            email: Some(Personal::from_service(email)),
            status: String::new(),
            enabled: true,
            email_verified: false,
            created_unix_ms: None,
            modified_unix_ms: None,
            identities: vec![identity],
        }
    }

    fn by_email(email: &str) -> Destination {
        Destination::Email(Personal::from_service(email))
    }

    #[test]
    fn one_hit_none_and_several() {
        let native = |name| user(name, "a@example.com", false);
        let federated = |name| user(name, "a@example.com", true);
        let found = |users: &[PoolUser]| {
            resolve(&by_email("a@example.com"), users, true, None).map(|user| user.value.expose().to_owned())
        };
        assert_eq!(found(&[native("alice")]), Ok("alice".into()));
        assert_eq!(found(&[federated("Google_1"), native("alice")]), Ok("alice".into()), "its own shell is no rival");
        assert_eq!(found(&[]), Err(RefusalCode::UserNotFound));
        assert_eq!(found(&[federated("Google_1")]), Err(RefusalCode::UserNotFound));
        assert_eq!(found(&[native("alice"), native("bob")]), Err(RefusalCode::UserAmbiguous));
    }

    #[test]
    fn a_choice_counts_among_several_only() {
        let native = |name| user(name, "a@example.com", false);
        let twins = [native("alice"), native("bob"), user("Google_1", "a@example.com", true)];
        let found = |users: &[PoolUser], chosen: &str| {
            let chosen = Personal::from_service(chosen);
            resolve(&by_email("a@example.com"), users, true, Some(&chosen)).map(|user| user.value.expose().to_owned())
        };
        assert_eq!(found(&twins, "bob"), Ok("bob".into()));
        assert_eq!(found(&twins, "carol"), Err(RefusalCode::UserAmbiguous), "no user of that name has the address");
        assert_eq!(found(&twins, "Google_1"), Err(RefusalCode::UserAmbiguous), "a profile is never meant");
        assert_eq!(found(&twins[..1], "bob"), Ok("alice".into()), "there is nothing to choose");
    }

    #[test]
    fn case_counts_where_the_pool_says_so() {
        let found = [user("alice", "A@example.com", false)];
        assert_eq!(resolve(&by_email("a@example.com"), &found, true, None), Err(RefusalCode::UserNotFound));
        assert!(resolve(&by_email("a@example.com"), &found, false, None).is_ok());
        let sub = Destination::Sub(Personal::from_service("SUB-alice"));
        assert_eq!(resolve(&sub, &found, false, None), Err(RefusalCode::UserNotFound), "a sub is matched exactly");
    }

    #[test]
    fn what_needs_a_look_up() {
        let sub = Destination::Sub(Personal::from_service("1"));
        assert!(matches!(resolution(&sub), Resolution::LookUp(filter) if filter.to_text() == "sub = \"1\""));
        let name = Destination::Username(Personal::from_service("alice"));
        assert!(matches!(resolution(&name), Resolution::Known(user) if user.provider.is_native()));
    }

    fn user_with(username: &str, identities: &[(&str, &str, bool)]) -> PoolUser {
        let identity = |(provider, id, primary): &(&str, &str, bool)| LinkedIdentity {
            user_id: Personal::from_service(id),
            provider_name: (*provider).to_owned(),
            provider_type: String::new(),
            issuer: None,
            primary: *primary,
            created_unix_ms: None,
        };
        PoolUser {
            username: Personal::from_service(username),
            sub: None,
            email: None,
            status: String::new(),
            enabled: true,
            email_verified: false,
            created_unix_ms: None,
            modified_unix_ms: None,
            identities: identities.iter().map(identity).collect(),
        }
    }

    #[test]
    fn a_profile_is_named_by_its_own_identity_in_true_case() {
        for (username, own, case_sensitive, expected) in [
            ("alice", None, true, ("Cognito", "alice")),
            ("Okta_AbC", Some(("Okta", "AbC", true)), true, ("Okta", "AbC")),
            ("okta_abc", Some(("Okta", "AbC", true)), false, ("Okta", "AbC")),
            ("okta_abc", Some(("Okta", "AbC", true)), true, ("Cognito", "okta_abc")),
            ("alice", Some(("Okta", "AbC", true)), true, ("Cognito", "alice")),
            ("Okta_AbC", Some(("Okta", "AbC", false)), true, ("Cognito", "Okta_AbC")),
        ] {
            let named = destination_of_user(&user_with(username, own.as_slice()), case_sensitive);
            assert_eq!((named.provider.as_str(), named.value.expose()), expected, "{username} {own:?}");
        }
    }

    #[test]
    fn the_own_identity_is_no_link() {
        let user = user_with("Okta_1", &[("Okta", "1", true), ("Google", "2", false)]);
        let linked: Vec<_> = linked_identities(&user).map(|identity| identity.user_id.expose()).collect();
        assert_eq!(linked, ["2"]);
    }
}
