//! What the simulator must do, as tables; each also over the JSON that a client would send.

mod administration;
mod behaviors;
mod conformance;
mod links;
mod lists;
mod sign_ins;
mod unlinks;
mod whole_account;

use crate::error::ApiError;
use crate::model::{NewIdentity, NewUser, PoolSettings, Provider, ProviderKind};
use crate::pool::Pool;

pub(super) const POOL: &str = "sim-local-1_Example01";

/// Three providers and a user for every rule.
pub(super) fn example(case_sensitive: bool) -> Pool {
    let mut pool = Pool::new(PoolSettings::new(POOL).case_sensitive(case_sensitive));
    for provider in [
        Provider::new("Google", ProviderKind::Google, 0),
        Provider::new("Okta", ProviderKind::Oidc, 0).mapping("email", "email"),
        Provider::new("Corp", ProviderKind::Saml, 0),
        Provider::new("Facebook", ProviderKind::Facebook, 0),
    ] {
        pool.add_provider(provider).unwrap();
    }
    let full = (0..5)
        .fold(NewUser::named("full"), |user, n| user.with_identity(NewIdentity::linked("Okta", &format!("full-{n}"))));
    for user in [
        NewUser::named("alice").with_email("alice@example.com"),
        NewUser::named("bob").with_email("bob@example.com").with_identity(NewIdentity::linked("Google", "1001")),
        NewUser::named("Google_2002").with_identity(NewIdentity::primary("Google", "2002")),
        NewUser::named("facebook_3003").with_identity(NewIdentity::primary("Facebook", "3003")),
        NewUser::named("Google_4004"),
        NewUser::named("Okta_AbC").with_identity(NewIdentity::primary("Okta", "AbC")),
        NewUser { alias_conflict: true, ..NewUser::named("carol") },
        full,
    ] {
        pool.add_user(user).unwrap();
    }
    pool
}

/// Class and text of a refusal; both empty for success.
pub(super) fn code_and_text<T>(result: &Result<T, ApiError>) -> (String, String) {
    match result {
        Ok(_) => Default::default(),
        Err(error) => (error.code.to_owned(), error.message.clone()),
    }
}

#[test]
fn a_pool_refuses_what_cannot_be() {
    use crate::model::PoolError;
    let mut pool = example(false);
    for (user, error) in [
        (NewUser::named("ALICE"), PoolError::UsernameTaken),
        (NewUser::named(""), PoolError::UsernameLength),
        (NewUser::named(&"x".repeat(129)), PoolError::UsernameLength),
        (NewUser { sub: Some(crate::model::derived_uuid("alice")), ..NewUser::named("new") }, PoolError::SubTaken),
        (NewUser::named("new").with_identity(NewIdentity::linked("Google", "1001")), PoolError::IdentityTaken),
        (NewUser::named("new").with_identity(NewIdentity::linked("Nobody", "1")), PoolError::ProviderUnknown),
    ] {
        assert_eq!(pool.add_user(user), Err(error));
    }
    assert_eq!(pool.add_provider(Provider::new("Okta", ProviderKind::Saml, 0)), Err(PoolError::ProviderTaken));
    assert_eq!(pool.user_count(), 8);
    pool.add_user(NewUser::named("new").with_identity(NewIdentity::linked("Google", "5005"))).unwrap();
}
