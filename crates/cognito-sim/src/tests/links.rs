//! Every row of the error catalogue of a link, over the pure pool and over JSON through a account.

use serde_json::{Value, json};

use super::{POOL, code_and_text, example};
use crate::account::Account;
use crate::account::Latency;
use crate::behavior::Behavior;
use crate::error::ApiError;
use crate::limits;
use crate::model::{NewUser, derived_uuid};
use crate::operation::Operation;
use crate::pool::Pool;
use crate::pool_file;
use crate::quota::Quota;
use crate::wire;
use crate::wire::{Call, LinkCall};

const ALREADY: &str = "SourceUser is already linked to DestinationUser";
const MERGING: &str =
    "Merging is not currently supported, provide a SourceUser that has not been signed up in order to link";
const NATIVE: &str = "Invalid SourceUser: Cognito users with a username/password may not be passed in as a SourceUser, \
                      only as a DestinationUser";
const SOCIAL: &str = "Invalid SourceUser: ProviderAttributeName must be Cognito_Subject for social identity providers";
const UNMAPPED: &str = "Invalid SourceUser: ProviderAttributeName is not mapped in the identity provider";
const TOO_LONG: &str = "Invalid SourceUser: the combined length of its members must be at most 128";
const NAME_TOO_LONG: &str = "1 validation error detected: Value 'ppppppppppppppppppppppppppppppppp' at \
                             'sourceUser.providerName' failed to satisfy constraint: Member must have length less \
                             than or equal to 32";
const NO_SOURCE: &str = "1 validation error detected: Value null at 'sourceUser' failed to satisfy constraint: Member \
                         must not be null";
const NO_VALUE: &str = "1 validation error detected: Value null at 'sourceUser.providerAttributeValue' failed to \
                        satisfy constraint: Member must not be null";
const INVALID: &str = "InvalidParameterException";

fn native(username: &str) -> Value {
    json!({ "ProviderName": "Cognito", "ProviderAttributeValue": username })
}

fn identity(provider: &str, value: &str) -> Value {
    by(provider, "Cognito_Subject", value)
}

fn by(provider: &str, attribute: &str, value: &str) -> Value {
    json!({ "ProviderName": provider, "ProviderAttributeName": attribute, "ProviderAttributeValue": value })
}

fn body(destination: &Value, source: &Value) -> Value {
    json!({ "UserPoolId": POOL, "DestinationUser": destination, "SourceUser": source })
}

fn link_call(body: &Value) -> LinkCall {
    match wire::decode(Operation::LinkProvider, body.to_string().as_bytes()).unwrap().call {
        Call::Link(call) => call,
        _ => unreachable!("the operation is a link"),
    }
}

/// Answers over the pure pool and over JSON, which must be the same.
fn answers(pool: impl Fn() -> Pool, bodies: &[Value]) -> Vec<(String, String)> {
    let mut pure = pool();
    let mut account = Account::new(1).with_pool(pool()).with_quota(Quota::off()).with_latency(Latency::off());
    let mut answers = Vec::new();
    for body in bodies {
        let over_pool = code_and_text(&pure.link(1_000, &link_call(body)).answer);
        let request = wire::decode(Operation::LinkProvider, body.to_string().as_bytes());
        let (pending, _ticket) = account.begin(1_000, Operation::LinkProvider, request);
        let json: Value = serde_json::from_slice(&wire::encode(&pending.result)).unwrap();
        let text = |name: &str| json.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        assert_eq!((text("__type"), text("message")), over_pool);
        assert!(pending.result.is_err() || json == json!({}));
        answers.push(over_pool);
    }
    answers
}

fn answer(pool: impl Fn() -> Pool, body: &Value) -> (String, String) {
    answers(pool, std::slice::from_ref(body)).remove(0)
}

/// Case, destination, source, and the class and text of the answer, both empty for success.
type Case<'a> = (&'a str, Value, Value, &'a str, &'a str);

fn check(cases: &[Case<'_>]) {
    for (case, destination, source, code, message) in cases {
        let refusal = answer(|| example(true), &body(destination, source));
        assert_eq!((refusal.0.as_str(), refusal.1.as_str()), (*code, *message), "{case}");
    }
}

fn alice_sub() -> String {
    derived_uuid("alice")
}

#[test]
fn links_that_are_made() {
    let longest = limits::SOURCE_CHARS_MAX - "Google".len() - "Cognito_Subject".len();
    check(&[
        ("native destination", native("alice"), identity("Google", "1"), "", ""),
        ("federated destination", identity("Google", "2002"), identity("Facebook", "1"), "", ""),
        ("id in another case than a profile's", native("alice"), identity("Okta", "abc"), "", ""),
        ("mapped attribute", native("alice"), by("Okta", "email", "a@example.com"), "", ""),
        ("128 characters", native("alice"), identity("Google", &"x".repeat(longest)), "", ""),
        ("characters, not bytes", native("alice"), identity("Google", &"é".repeat(longest)), "", ""),
    ]);
}

#[test]
fn identities_that_somebody_has() {
    check(&[
        ("linked to this destination", native("bob"), identity("Google", "1001"), INVALID, ALREADY),
        ("linked to another destination", native("alice"), identity("Google", "1001"), INVALID, ALREADY),
        ("repeat on a full user", native("full"), identity("Okta", "full-3"), INVALID, ALREADY),
        ("has its own profile", native("alice"), identity("Google", "2002"), INVALID, MERGING),
        ("is the destination", identity("Google", "2002"), identity("Google", "2002"), INVALID, MERGING),
        ("native", native("alice"), by("Cognito", "Cognito_Subject", "bob"), INVALID, NATIVE),
        ("native user in the way", native("alice"), identity("Google", "4004"), INVALID, NATIVE),
    ]);
}

#[test]
fn destinations_that_cannot_be_linked_to() {
    let unknown = ("UserNotFoundException", "User does not exist.");
    let full = ("LimitExceededException", "Exceeded the maximum number of linked identities for a user");
    let alias = ("AliasExistsException", "An account with the given email already exists.");
    let refused = |case, destination, (code, message)| (case, destination, identity("Facebook", "1"), code, message);
    check(&[
        refused("unknown", native("nobody"), unknown),
        refused("unknown federated", identity("Google", "9"), unknown),
        refused("an identity that is only linked", identity("Google", "1001"), unknown),
        refused("by sub", native(&alice_sub()), unknown),
        refused("sixth identity", native("full"), full),
        refused("alias in the way", native("carol"), alias),
    ]);
}

#[test]
fn sources_that_are_not_well_formed() {
    const MISSING: &str = "ResourceNotFoundException";
    let longest = limits::SOURCE_CHARS_MAX - "Google".len() - "Cognito_Subject".len();
    let refused = |case, source, code, message| (case, native("alice"), source, code, message);
    let no_value = json!({ "ProviderName": "Google", "ProviderAttributeName": "x" });
    check(&[
        refused("unknown provider", identity("No", "1"), MISSING, "Identity provider No does not exist."),
        refused("in another case", identity("google", "1"), MISSING, "Identity provider google does not exist."),
        refused("social by attribute", by("Google", "email", "x"), INVALID, SOCIAL),
        refused("attribute not mapped", by("Corp", "email", "x"), INVALID, UNMAPPED),
        refused("129 characters", identity("Google", &"x".repeat(longest + 1)), INVALID, TOO_LONG),
        refused("provider name too long", identity(&"p".repeat(33), "1"), INVALID, NAME_TOO_LONG),
        refused("no source", Value::Null, INVALID, NO_SOURCE),
        refused("no source value", no_value, INVALID, NO_VALUE),
    ]);
}

#[test]
fn a_repeat_fails_and_the_link_stands() {
    let link = body(&native("alice"), &identity("Google", "1"));
    let refusal = answers(|| example(true), &[link.clone(), link]);
    assert_eq!(refusal[1].1, ALREADY);
    let mut pool = example(true);
    let call = link_call(&body(&native("alice"), &by("Okta", "email", "Alice@Example.com")));
    pool.link(1_610_638_615_180, &call).answer.unwrap();
    let alice = pool.get_user("alice").unwrap();
    let (_, text) = alice.attributes.iter().find(|(name, _)| name == "identities").unwrap();
    assert_eq!(
        text,
        r#"[{"userId":"Alice@Example.com","providerName":"Okta","providerType":"OIDC","issuer":null,"primary":false,"dateCreated":1610638615180}]"#
    );
    assert_eq!(alice.modified_ms, 1_610_638_615_180);
}

#[test]
fn switches_give_the_other_answers() {
    let with = |behavior| move || example(true).with_behaviors([behavior]);
    let repeated = body(&native("bob"), &identity("Google", "1001"));
    let elsewhere = body(&native("alice"), &identity("Google", "1001"));
    let by_sub = body(&native(&alice_sub()), &identity("Google", "1"));
    let cases = [
        (Behavior::OldAlreadyLinkedText, &repeated, NATIVE),
        (Behavior::OldAlreadyLinkedText, &elsewhere, ALREADY),
        (Behavior::HeldIsMerging, &elsewhere, MERGING),
        (Behavior::HeldIsAliasExists, &elsewhere, "An account with the given email already exists."),
        (Behavior::DestinationByAlias, &by_sub, ""),
    ];
    for (behavior, body, message) in cases {
        assert_eq!(answer(with(behavior), body).1, message, "{behavior:?}");
    }
}

#[test]
fn whether_the_own_identity_counts_can_be_chosen() {
    let links: Vec<_> =
        (0..5).map(|n| body(&identity("Google", "2002"), &identity("Okta", &format!("o{n}")))).collect();
    let codes = |counts: bool| {
        let pool = || example(true).with_behaviors((!counts).then_some(Behavior::OwnIdentityNotCounted));
        answers(pool, &links).into_iter().map(|(code, _)| code).collect::<Vec<_>>()
    };
    assert_eq!(codes(true), ["", "", "", "", "LimitExceededException"]);
    assert_eq!(codes(false), [""; 5]);
}

#[test]
fn case_matters_in_names_as_the_pool_says_and_always_in_ids() {
    for (case_sensitive, destination, code) in
        [(true, "ALICE", "UserNotFoundException"), (false, "ALICE", ""), (false, "alice", "")]
    {
        let refusal = answer(|| example(case_sensitive), &body(&native(destination), &identity("Google", "1")));
        assert_eq!(refusal.0, code, "{case_sensitive} {destination}");
    }
    for case_sensitive in [true, false] {
        let exact = answer(|| example(case_sensitive), &body(&native("alice"), &identity("Okta", "AbC")));
        let lower = answer(|| example(case_sensitive), &body(&native("alice"), &identity("Okta", "abc")));
        assert_eq!((exact.1.as_str(), lower.1.as_str()), (MERGING, ""));
    }
    // In a case-insensitive pool a native user is in the way in any case.
    let refusal = answer(
        || {
            let mut pool = example(false);
            pool.add_user(NewUser::named("okta_xyz")).unwrap();
            pool
        },
        &body(&native("alice"), &identity("Okta", "XyZ")),
    );
    assert_eq!(refusal.1, NATIVE);
}

#[test]
fn what_is_named_is_made_where_the_pool_is_told_to() {
    let empty = || Pool::new(super::PoolSettings::new(POOL)).creating_on_reference();
    let refusal = answers(
        empty,
        &[
            body(&native("new"), &identity("Google", "1")),
            body(&native("new"), &by("AnyOidc", "email", "new@example.com")),
            body(&identity("Facebook", "9"), &identity("Google", "2")),
            body(&native("other"), &identity("Google", "1")),
            body(&native("other"), &by("Google", "email", "x")),
        ],
    );
    let codes: Vec<_> = refusal.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!(codes, ["", "", "", INVALID, INVALID]);
}

#[test]
fn a_refused_link_changes_nothing() {
    let mut pool = example(true);
    let before = pool.get_user("carol").unwrap();
    let call = link_call(&body(&native("carol"), &identity("Google", "77")));
    assert_eq!(pool.link(5, &call).answer, Err(ApiError::alias_exists()));
    assert!(pool.get_user("carol").unwrap() == before);
    assert_eq!(pool.link(5, &link_call(&body(&native("alice"), &identity("Google", "77")))).answer, Ok(()));
}

#[test]
fn a_user_of_a_pool_file_refuses_with_the_text_that_it_is_given() {
    let file = r#"{"version":1,"pool":{"id":"sim-local-1_Example01"},"providers":[{"name":"Google","type":"Google"}],
        "users":[{"username":"dave","link_refusal":"Something that nobody has seen."}]}"#;
    let read = |text: &[u8]| pool_file::read(text).unwrap();
    let call = link_call(&body(&native("dave"), &identity("Google", "1")));
    let refusal = code_and_text(&read(file.as_bytes()).link(5, &call).answer);
    assert_eq!((refusal.0.as_str(), refusal.1.as_str()), (INVALID, "Something that nobody has seen."));
    let mut written = Vec::new();
    pool_file::write(&mut written, &read(file.as_bytes())).unwrap();
    assert_eq!(code_and_text(&read(&written).link(5, &call).answer), refusal, "it is written back");
}

#[test]
fn a_provider_made_on_reference_shows_what_was_linked_by() {
    let mut pool = Pool::new(super::PoolSettings::new(POOL)).creating_on_reference();
    for source in [by("Okta", "email", "a@example.com"), identity("Okta", "A")] {
        assert!(pool.link(1_000, &link_call(&body(&native("alice"), &source))).answer.is_ok());
    }
    let okta = pool.providers().iter().find(|provider| &*provider.name == "Okta").unwrap();
    assert_eq!(okta.attribute_mapping.keys().collect::<Vec<_>>(), ["email"]);
}
