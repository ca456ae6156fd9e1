//! The links that a user of the pool holds, as a row would name them.

use crate::domain::identity::{DestinationUser, ProviderName, profile_username};
use crate::service::{LinkedIdentity, PoolUser};

/// Identities that were linked to the user. The one from which it was born is no link.
pub fn linked_identities(user: &PoolUser) -> impl Iterator<Item = &LinkedIdentity> {
    user.identities.iter().filter(|identity| !identity.primary)
}

/// How a row names the user, so that reading it back finds it: one that was born from an external identity by provider
/// and id there, true case, where its user name is made of these; every other by its user name.
///
/// In a case-insensitive pool the user name of such a profile is lower-case, and only the identity keeps the case.
#[must_use]
pub fn named_by(user: &PoolUser, case_sensitive: bool) -> DestinationUser {
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
    use crate::domain::identity::Personal;

    fn user(username: &str, identities: &[(&str, &str, bool)]) -> PoolUser {
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
            let named = named_by(&user(username, own.as_slice()), case_sensitive);
            assert_eq!((named.provider.as_str(), named.value.expose()), expected, "{username} {own:?}");
        }
    }

    #[test]
    fn the_own_identity_is_no_link() {
        let user = user("Okta_1", &[("Okta", "1", true), ("Google", "2", false)]);
        let linked: Vec<_> = linked_identities(&user).map(|identity| identity.user_id.expose()).collect();
        assert_eq!(linked, ["2"]);
    }
}
