//! Sign-ins: the proof of a link.

use super::{Provider, ProviderKind, code_and_text, example};
use crate::app_clients::AppClient;
use crate::model::PoolSettings;
use crate::model::{AttributeBounds, SchemaAttribute};
use crate::pool::Pool;
use crate::sign_in::SignIn;
use crate::wire::{LinkCall, ListCall, UserRef};

fn link(pool: &mut Pool, username: &str, provider: &str, id: &str) {
    let call = LinkCall {
        destination: Some(UserRef::new("Cognito", "Cognito_Subject", username)),
        source: Some(UserRef::new(provider, "Cognito_Subject", id)),
    };
    pool.link(1_000, &call).answer.unwrap();
}

fn signed_in(pool: &mut Pool, provider: &str, id: &str) -> Result<(String, bool), String> {
    pool.sign_in(2_000, provider, id).map(|done| (done.username, done.created)).map_err(|error| error.message)
}

fn identities(pool: &mut Pool, username: &str) -> String {
    let user = pool.get_user(username).unwrap();
    user.attributes.into_iter().find(|(name, _)| name == "identities").map(|(_, text)| text).unwrap_or_default()
}

#[test]
fn a_linked_identity_signs_in_as_its_user() {
    let mut pool = example(false);
    link(&mut pool, "alice", "Okta", "XyZ");
    assert_eq!(signed_in(&mut pool, "Okta", "XyZ"), Ok(("alice".into(), false)));
    assert!(identities(&mut pool, "alice").contains(r#""issuer":null"#), "OIDC has none");
}

#[test]
fn a_saml_identity_gets_its_issuer_when_it_is_used() {
    let mut pool = example(false);
    link(&mut pool, "alice", "Corp", "Alice@Corp");
    assert!(identities(&mut pool, "alice").contains(r#""issuer":null"#));
    assert_eq!(signed_in(&mut pool, "Corp", "Alice@Corp"), Ok(("alice".into(), false)));
    assert!(identities(&mut pool, "alice").contains(r#""issuer":"urn:simulated:Corp","primary":false"#));
}

#[test]
fn an_unlinked_identity_gets_a_profile_that_cannot_be_merged() {
    for (case_sensitive, username) in [(true, "Okta_XyZ"), (false, "okta_xyz")] {
        let mut pool = example(case_sensitive);
        assert_eq!(signed_in(&mut pool, "Okta", "XyZ"), Ok((username.into(), true)));
        assert_eq!(signed_in(&mut pool, "Okta", "XyZ"), Ok((username.into(), false)));
        let profile = pool.get_user(username).unwrap();
        assert_eq!((profile.status, profile.created_ms), ("EXTERNAL_PROVIDER", 2_000));
        assert!(identities(&mut pool, username).contains(r#""userId":"XyZ""#), "true case");
        assert!(identities(&mut pool, username).contains(r#""primary":true,"dateCreated":2000"#));
        let call = LinkCall {
            destination: Some(UserRef::new("Cognito", "Cognito_Subject", "alice")),
            source: Some(UserRef::new("Okta", "Cognito_Subject", "XyZ")),
        };
        assert!(code_and_text(&pool.link(3_000, &call).answer).1.starts_with("Merging is not currently supported"));
    }
}

#[test]
fn a_link_from_the_lower_cased_name_never_signs_in() {
    let mut pool = example(false);
    link(&mut pool, "alice", "Okta", "xyz");
    let mismatch = Err("Invalid ProviderName/Username combination. Please check again".to_owned());
    assert_eq!(signed_in(&mut pool, "Okta", "XyZ"), mismatch);
    link(&mut pool, "bob", "Okta", "QrS");
    assert_eq!(signed_in(&mut pool, "Okta", "qrs"), mismatch);
    let mut pool = example(true);
    link(&mut pool, "alice", "Okta", "xyz");
    assert_eq!(signed_in(&mut pool, "Okta", "XyZ"), Ok(("Okta_XyZ".into(), true)), "a second account");
}

#[test]
fn a_native_user_of_the_profiles_name_stands_in_the_way() {
    let mut pool = example(true);
    assert_eq!(signed_in(&mut pool, "Google", "4004"), Err("User already exists with provider user id".into()));
    assert_eq!(signed_in(&mut pool, "Nobody", "1"), Err("Identity provider Nobody does not exist.".into()));
}

fn with_claims(provider: &str, id: &str, claims: &[(&str, &str)]) -> SignIn {
    let claims = claims.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    SignIn { provider: provider.to_owned(), user_id: id.to_owned(), claims, issuer: None }
}

fn attribute(pool: &mut Pool, username: &str, name: &str) -> Option<String> {
    let user = pool.get_user(username).unwrap();
    user.attributes.into_iter().find(|(held, _)| held == name).map(|(_, value)| value)
}

#[test]
fn mapped_attributes_are_written_anew_from_their_claims() {
    let mut pool = example(true);
    link(&mut pool, "alice", "Okta", "XyZ");
    let sign_in = with_claims("Okta", "XyZ", &[("email", "new@example.com"), ("name", "not mapped")]);
    pool.sign_in_with(2_000, &sign_in).unwrap();
    assert_eq!(attribute(&mut pool, "alice", "email").as_deref(), Some("new@example.com"));
    assert_eq!(attribute(&mut pool, "alice", "email_verified").as_deref(), Some("false"), "not mapped");
    assert_eq!(attribute(&mut pool, "alice", "name"), None);
    let found = |pool: &mut Pool, address: &str| {
        let call = ListCall { filter: Some(format!("email = \"{address}\"")), ..ListCall::default() };
        pool.list_users(2_000, &call, "").unwrap().items.len()
    };
    assert_eq!((found(&mut pool, "alice@example.com"), found(&mut pool, "NEW@example.com")), (0, 1));
    pool.sign_in(3_000, "Okta", "XyZ").unwrap();
    assert_eq!(attribute(&mut pool, "alice", "email").as_deref(), Some("new@example.com"), "a claim that is not there");
}

#[test]
fn an_immutable_mapped_attribute_breaks_the_second_sign_in() {
    let mut settings = PoolSettings::new(super::POOL);
    let immutable = SchemaAttribute {
        name: "email".to_owned(),
        data_type: "String".to_owned(),
        mutable: false,
        required: false,
        bounds: AttributeBounds::default(),
    };
    settings.schema.push(immutable);
    let mut pool = Pool::new(settings);
    pool.add_provider(Provider::new("Corp", ProviderKind::Saml, 0).mapping("email", "mail")).unwrap();
    let sign_in = with_claims("Corp", "c", &[("mail", "c@example.com")]);
    assert!(pool.sign_in_with(1_000, &sign_in).is_ok_and(|signed_in| signed_in.created));
    assert_eq!(code_and_text(&pool.sign_in_with(2_000, &sign_in)).1, "user.email: Attribute cannot be updated.\n");
}

#[test]
fn a_claim_that_differs_in_case_is_another_person() {
    let mut pool = example(true);
    let call = LinkCall {
        destination: Some(UserRef::new("Cognito", "Cognito_Subject", "alice")),
        source: Some(UserRef::new("Okta", "email", "Alice@corp.example")),
    };
    pool.link(1_000, &call).answer.unwrap();
    let sign_in = with_claims("Okta", "s1", &[("email", "alice@corp.example")]);
    assert!(pool.sign_in_with(2_000, &sign_in).is_ok_and(|signed_in| signed_in.username == "Okta_s1"));
}

#[test]
fn a_new_user_needs_what_the_pool_requires_and_may_be_for_administrators_only() {
    let sign_in = |admin_only: bool, required: bool| {
        let mut settings = PoolSettings::new("sim-local-1_SignIns");
        let config = serde_json::json!({ "AllowAdminCreateUserOnly": admin_only });
        settings.shown.insert("AdminCreateUserConfig".to_owned(), config);
        settings.schema.push(SchemaAttribute {
            name: "email".to_owned(),
            data_type: "String".to_owned(),
            mutable: true,
            required,
            bounds: AttributeBounds::default(),
        });
        let mut pool = Pool::new(settings);
        pool.add_provider(Provider::new("Okta", ProviderKind::Oidc, 0)).unwrap();
        pool.add_user(crate::NewUser::named("alice").with_identity(crate::NewIdentity::linked("Okta", "held")))
            .unwrap();
        assert!(pool.sign_in(1, "Okta", "held").is_ok(), "a linked identity needs no new user");
        pool.sign_in(1, "Okta", "new").map(|user| user.username).map_err(|error| error.message)
    };
    assert_eq!(sign_in(false, false), Ok("Okta_new".to_owned()));
    assert!(sign_in(true, false).unwrap_err().starts_with("Login not allowed"));
    assert_eq!(sign_in(false, true), Err("attributes required: [email]".to_owned()));
}

#[test]
fn only_a_provider_that_an_app_client_offers_lets_people_in() {
    let client = |providers: &[&str]| AppClient {
        name: "web".into(),
        providers: providers.iter().map(|name| (*name).to_owned()).collect(),
    };
    for (clients, okta, google) in [
        (None, true, true),
        (Some(vec![]), false, false),
        (Some(vec![client(&["COGNITO", "Okta"])]), true, false),
        (Some(vec![client(&["Google"]), client(&["Okta"])]), true, true),
        (Some(vec![client(&["okta"])]), false, false),
    ] {
        let mut pool = example(true);
        pool.settings.app_clients.clone_from(&clients);
        for (provider, offered) in [("Okta", okta), ("Google", google)] {
            let expected =
                if offered { Ok(true) } else { Err("Login option is not available. Please try another one") };
            let found = signed_in(&mut pool, provider, "new1").map(|(_, created)| created);
            assert_eq!(found.as_ref().map_err(String::as_str).copied(), expected, "{clients:?} {provider}");
        }
    }
}

#[test]
fn app_clients_are_listed_by_pages_and_kept_in_the_pool_file() {
    let mut pool = example(true);
    let client = |at: usize| AppClient { name: format!("app {at}"), providers: vec!["Okta".into()] };
    pool.settings.app_clients = Some((0..3).map(client).collect());
    let mut text = Vec::new();
    crate::pool_file::write(&mut text, &pool).unwrap();
    let pool = crate::pool_file::read(text.as_slice()).unwrap();
    let first = pool.list_app_clients(Some(2), None, "some-request").unwrap();
    assert_eq!((first.items.len(), first.next_token.as_deref()), (2, Some("2")));
    let rest = pool.list_app_clients(Some(2), Some("2"), "some-request").unwrap();
    assert_eq!((rest.items[0].name.as_str(), &rest.next_token), ("app 2", &None));
    assert_eq!(pool.describe_app_client(&rest.items[0].id).unwrap().providers, ["Okta"]);
}
