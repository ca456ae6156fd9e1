//! Links removed: what `AdminDisableProviderForUser` takes, and what it answers to the rest.

use super::{POOL, code_and_text, example};
use crate::behavior::Behavior;
use crate::error::ApiError;
use crate::links::DisabledAccess;
use crate::model::{NewIdentity, NewUser};
use crate::pool::Pool;
use crate::sign_in::SignIn;
use crate::wire::{LinkCall, UserRef};

const NOT_LINKED: &str = "Account isn't linked to anyone else, verify that the account has been linked";

fn disable(pool: &mut Pool, provider: &str, attribute: &str, value: &str) -> Result<DisabledAccess, ApiError> {
    pool.disable(5_000, Some(&UserRef::new(provider, attribute, value)))
}

fn link(pool: &mut Pool, username: &str, source: UserRef) {
    let destination = Some(UserRef::new("Cognito", "Cognito_Subject", username));
    pool.link(1_000, &LinkCall { destination, source: Some(source) }).answer.unwrap();
}

fn identities(pool: &mut Pool, username: &str) -> Option<String> {
    let user = pool.get_user(username).unwrap();
    user.attributes.into_iter().find(|(name, _)| name == "identities").map(|(_, text)| text)
}

#[test]
fn what_is_linked_is_taken_back_and_free_again() {
    let mut pool = example(true);
    assert_eq!(disable(&mut pool, "Google", "Cognito_Subject", "1001"), Ok(DisabledAccess::Link));
    assert_eq!(identities(&mut pool, "bob"), None);
    assert_eq!(pool.get_user("bob").unwrap().modified_ms, 5_000);
    assert_eq!(code_and_text(&disable(&mut pool, "Google", "Cognito_Subject", "1001")).1, NOT_LINKED, "a repeat");
    link(&mut pool, "alice", UserRef::new("Google", "Cognito_Subject", "1001"));
    assert_eq!(disable(&mut pool, "Google", "Cognito_Subject", "1001"), Ok(DisabledAccess::Link), "whoever holds it");
    assert!(pool.sign_in(6_000, "Google", "1001").is_ok_and(|signed_in| signed_in.username == "Google_1001"));
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    const INVALID: &str = "InvalidParameterException";
    let cases = [
        ("prefix in the value", "Google", "Cognito_Subject", "google_1001", INVALID, NOT_LINKED),
        ("never linked", "Google", "Cognito_Subject", "77", INVALID, NOT_LINKED),
        ("a profile of its own", "Google", "Cognito_Subject", "2002", INVALID, NOT_LINKED),
        ("another attribute", "Google", "email", "1001", INVALID, NOT_LINKED),
        ("another case", "Okta", "Cognito_Subject", "FULL-0", INVALID, NOT_LINKED),
        (
            "provider not in the pool",
            "No",
            "Cognito_Subject",
            "1",
            "ResourceNotFoundException",
            "Identity provider No does not exist.",
        ),
        (
            "unknown native user",
            "Cognito",
            "Cognito_Subject",
            "nobody",
            "UserNotFoundException",
            "User does not exist.",
        ),
    ];
    for (case, provider, attribute, value, code, message) in cases {
        let mut pool = example(true);
        let refusal = code_and_text(&disable(&mut pool, provider, attribute, value));
        assert_eq!((refusal.0.as_str(), refusal.1.as_str()), (code, message), "{case}");
        assert!(identities(&mut pool, "bob").is_some(), "{case}");
    }
    let mut pool = example(true).with_behaviors([Behavior::UnlinkSaysUserNotFound]);
    let refusal = code_and_text(&disable(&mut pool, "Google", "Cognito_Subject", "77"));
    assert_eq!((refusal.0.as_str(), refusal.1.as_str()), ("UserNotFoundException", NOT_LINKED));
}

#[test]
fn a_link_by_an_attribute_goes_by_its_subject_once_it_was_used() {
    for stays in [false, true] {
        let mut pool = example(true).with_behaviors(stays.then_some(Behavior::AttributeLinkStays));
        link(&mut pool, "alice", UserRef::new("Okta", "email", "alice@corp.example"));
        assert_eq!(code_and_text(&disable(&mut pool, "Okta", "Cognito_Subject", "alice@corp.example")).1, NOT_LINKED);
        let sign_in = SignIn {
            provider: "Okta".to_owned(),
            user_id: "00uAbC".to_owned(),
            claims: [("email".to_owned(), "alice@corp.example".to_owned())].into(),
            ..SignIn::default()
        };
        assert!(pool.sign_in_with(2_000, &sign_in).is_ok_and(|signed_in| signed_in.username == "alice"));
        assert!(pool.sign_in_with(3_000, &sign_in).is_ok_and(|signed_in| signed_in.username == "alice"));
        let by_link = disable(&mut pool, "Okta", "email", "alice@corp.example").is_ok();
        assert_eq!(by_link, stays);
        assert_eq!(disable(&mut pool, "Okta", "Cognito_Subject", "00uAbC").is_ok(), !stays);
        assert_eq!(identities(&mut pool, "alice"), None);
    }
}

#[test]
fn provider_cognito_locks_a_native_user_out_of_the_password() {
    let mut pool = example(true);
    assert_eq!(disable(&mut pool, "Cognito", "Cognito_Subject", "bob"), Ok(DisabledAccess::Password));
    assert!(identities(&mut pool, "bob").is_some(), "the links stay");
    let mut text = Vec::new();
    crate::pool_file::write(&mut text, &pool).unwrap();
    assert!(String::from_utf8(text).unwrap().contains(r#""password_disabled":true"#));
}

#[test]
fn a_deleted_user_leaves_its_identities_free_and_its_name_gets_another_sub() {
    let mut pool = example(true);
    let sub = |pool: &mut Pool, name: &str| pool.get_user(name).unwrap().attributes[0].1.clone();
    let before = sub(&mut pool, "bob");
    pool.delete_user("Google_1001").unwrap();
    assert_eq!(code_and_text(&pool.get_user("bob")).0, "UserNotFoundException", "deleted by the name of its link");
    let call = crate::wire::CreateUserCall { username: Some("bob".to_owned()), ..Default::default() };
    pool.create_user(9_000, &call).unwrap();
    assert_ne!(sub(&mut pool, "bob"), before);
    link(&mut pool, "bob", UserRef::new("Google", "Cognito_Subject", "1001"));
    assert_eq!(pool.user_count(), 8);
}

#[test]
fn a_chain_of_pages_goes_on_after_its_last_user_was_deleted() {
    let mut pool = Pool::new(super::PoolSettings::new(POOL));
    for n in 0..10 {
        pool.add_user(NewUser::named(&format!("u{n}")).with_email(&format!("u{n}@example.com"))).unwrap();
    }
    pool.add_provider(super::Provider::new("Okta", super::ProviderKind::Oidc, 0)).unwrap();
    pool.add_user(NewUser::named("linked").with_identity(NewIdentity::linked("Okta", "1"))).unwrap();
    for filter in ["username ^= \"u\"", "email ^= \"u\""] {
        let call =
            |token| crate::wire::ListCall { filter: Some(filter.to_owned()), limit: Some(4), token, attributes: None };
        let first = pool.list_users(0, &call(None), "").unwrap();
        pool.delete_user(&first.items[3].username).unwrap();
        let second = pool.list_users(0, &call(first.next_token), "").unwrap();
        assert!(first.items[3].username < second.items[0].username && second.items.len() == 4);
    }
}
