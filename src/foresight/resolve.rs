//! Which user a look-up found: exactly one, or a refusal, never a guess.

use super::fold::folded;
use crate::domain::identity::{Destination, DestinationUser, Personal, ProviderName};
use crate::domain::outcome::RefusalCode;
use crate::service::{PoolUser, UserFilter};

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
/// An e-mail address is not unique in a pool, and federated profiles share it with native ones: profiles that were
/// born from an external identity are passed over. Addresses are compared without case only in a pool that does so.
/// Among several counts whom somebody has `chosen` by user name; one who is not among them is no choice.
///
/// # Errors
/// [`RefusalCode::UserNotFound`] for none, [`RefusalCode::UserAmbiguous`] for several.
pub fn resolve(
    destination: &Destination,
    found: &[PoolUser],
    case_sensitive: bool,
    chosen: Option<&Personal>,
) -> Result<DestinationUser, RefusalCode> {
    let named = |user: &PoolUser| is_meant(destination, Named::of(user), case_sensitive);
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

/// By what a user can be meant, wherever it is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) username: &'a Personal,
    pub(super) sub: Option<&'a Personal>,
    pub(super) email: Option<&'a Personal>,
    /// Whether the profile was born from an external identity.
    pub(super) federated: bool,
}

impl<'a> Named<'a> {
    fn of(user: &'a PoolUser) -> Self {
        let federated = user.is_federated();
        Self { username: &user.username, sub: user.sub.as_ref(), email: user.email.as_ref(), federated }
    }
}

/// Whether a destination means this user. One that was born from an external identity is never meant by a look-up.
pub(super) fn is_meant(destination: &Destination, user: Named<'_>, case_sensitive: bool) -> bool {
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
        assert_eq!(found(&twins, "carol"), Err(RefusalCode::UserAmbiguous), "nobody of that name has the address");
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
}
