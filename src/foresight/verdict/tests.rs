use super::*;
use crate::domain::identity::{AttributeName, Personal, PoolId};
use crate::foresight::index::IndexBuilder;
use crate::foresight::wanted::WantedRows;
use crate::service::{LinkedIdentity, PoolFacts, PoolUser};

fn personal(text: &str) -> Personal {
    Personal::from_service(text)
}

fn provider(name: &str) -> ProviderName {
    ProviderName::parse(name).unwrap()
}

/// `username:Provider/attribute/value`, the destination by e-mail address where it has an `@`, by provider and id where
/// it has a `/`.
fn link(text: &str) -> Link {
    let (destination, source) = text.split_once(':').unwrap();
    let parts: Vec<_> = source.split('/').collect();
    let destination = match destination.split_once('/') {
        Some((name, id)) => Destination::Federated { provider: provider(name), user_id: personal(id) },
        None if destination.contains('@') => Destination::Email(personal(destination)),
        None => Destination::Username(personal(destination)),
    };
    let attribute = AttributeName::parse(parts[1]).unwrap();
    let source = ExternalIdentity::new(provider(parts[0]), attribute, personal(parts[2])).unwrap();
    Link { destination, source }
}

fn user(username: &str, identities: &[(&str, &str, bool)]) -> PoolUser {
    let identity = |(provider, user_id, primary): &(&str, &str, bool)| LinkedIdentity {
        user_id: personal(user_id),
        provider_name: (*provider).to_owned(),
        provider_type: String::new(),
        issuer: None,
        primary: *primary,
        created_unix_ms: None,
    };
    PoolUser {
        username: personal(username),
        sub: Some(personal(&format!("sub-{username}"))),
        email: Some(personal(&format!("{}@example.com", username.trim_end_matches('2')))),
        status: String::new(),
        enabled: true,
        identities: identities.iter().map(identity).collect(),
    }
}

fn pool() -> Vec<PoolUser> {
    vec![
        user("alice", &[("Okta", "A", false)]),
        user("bob", &[]),
        user("bob2", &[]),
        user("full", &[("Okta", "1", false), ("Okta", "2", false), ("Okta", "3", false), ("Okta", "4", false)]),
        user("Okta_Own", &[("Okta", "Own", true)]),
        user("Okta_worn", &[]),
    ]
}

/// The verdicts of a file, one a row.
fn verdicts(rows: &[&str], case_differs_allowed: bool) -> Vec<Forecast> {
    let pool_id = PoolId::parse("us-east-1_A").unwrap();
    let links: Vec<_> = rows.iter().map(|row| link(row)).collect();
    let mut wanted = WantedRows::default();
    for link in &links {
        wanted.add(link);
    }
    let mut builder = IndexBuilder::new(wanted.finish(), true);
    builder.feed(pool());
    let index = builder.finish();
    let providers = ["Okta", "Entra"].map(|name| (provider(name), "OIDC".to_owned())).into();
    let facts = PoolFacts { case_sensitive: true, ..PoolFacts::default() };
    let pool = PoolKnowledge { facts, providers, ..PoolKnowledge::default() };
    let mapped = [(provider("Okta"), MappedAttributes::from(["email".to_owned()]))].into();
    let mut forecaster = Forecaster::new(Known { index: &index, pool: &pool, mapped, case_differs_allowed });
    links.iter().map(|link| forecaster.next(RowKey::of(&pool_id, link), link)).collect()
}

#[test]
fn a_verdict_for_each_situation() {
    for (row, expected) in [
        ("bob:Okta/Cognito_Subject/new", "link"),
        ("bob:Okta/email/b@example.com", "link"),
        ("alice:Okta/Cognito_Subject/A", "already_linked"),
        ("bob:Okta/Cognito_Subject/A", "linked_elsewhere"),
        ("bob:Okta/Cognito_Subject/a", "case_differs"),
        ("bob:Okta/Cognito_Subject/Own", "identity_has_profile"),
        ("Okta/Own:Okta/Cognito_Subject/Own", "identity_has_profile"),
        ("Okta/Own:Entra/Cognito_Subject/x", "link"),
        ("Okta/A:Entra/Cognito_Subject/x", "user_not_found"),
        ("Gone/Own:Entra/Cognito_Subject/x", "provider_not_found"),
        ("bob:Okta/Cognito_Subject/worn", "native_user_in_the_way"),
        ("bob:Okta/phone/x", "attribute_not_mapped"),
        ("bob:Google/Cognito_Subject/x", "provider_not_found"),
        ("BOB:Okta/Cognito_Subject/x", "user_not_found"),
        ("alice@example.com:Okta/Cognito_Subject/x", "link"),
        ("bob@example.com:Okta/Cognito_Subject/x", "user_ambiguous"),
        ("nobody@example.com:Google/Cognito_Subject/x", "user_not_found"),
    ] {
        let forecast = verdicts(&[row], false).remove(0);
        assert_eq!(forecast.verdict.as_str(), expected, "{row}");
        assert_eq!(Verdict::parse(expected), Some(forecast.verdict));
        assert_eq!(forecast.hint.is_some(), row.starts_with("BOB"), "{row}");
    }
    assert_eq!(verdicts(&["bob:Okta/Cognito_Subject/a"], true)[0].verdict, Verdict::Link);
    let resolved = verdicts(&["alice@example.com:Okta/Cognito_Subject/x"], false).remove(0);
    assert_eq!(resolved.user.unwrap().value.expose(), "alice");
}

#[test]
fn a_repeat_has_the_verdict_of_the_first_although_the_room_is_gone_by_then() {
    let rows = ["full:Okta/Cognito_Subject/a", "full:Okta/Cognito_Subject/5", "full:Okta/Cognito_Subject/a"];
    let words: Vec<_> = verdicts(&rows, false).iter().map(|forecast| forecast.verdict.as_str()).collect();
    assert_eq!(words, ["case_differs", "link", "case_differs"]);
}

#[test]
fn what_earlier_rows_take_is_gone() {
    let rows = [
        "full:Okta/Cognito_Subject/5",
        "full:Okta/Cognito_Subject/6",
        // A repeat has the verdict of the first, although by then its link stands.
        "full:Okta/Cognito_Subject/5",
        "full:Okta/Cognito_Subject/6",
        // The same link under another name of the same user.
        "full@example.com:Okta/Cognito_Subject/5",
        "bob:Okta/Cognito_Subject/5",
        // Nobody has got this one.
        "bob:Okta/Cognito_Subject/6",
    ];
    let forecasts = verdicts(&rows, false);
    let words: Vec<_> = forecasts.iter().map(|forecast| forecast.verdict.as_str()).collect();
    let full = "too_many_identities";
    assert_eq!(words, ["link", full, "link", full, "already_linked", "linked_elsewhere", "link"]);
    assert_eq!(forecasts[1].hint, Some(Hint::FullByFile));
}
