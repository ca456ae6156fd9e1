use super::*;
use crate::domain::identity::{AttributeName, ExternalIdentity};
use crate::domain::row::Link;
use crate::foresight::wanted::WantedRows;
use crate::service::LinkedIdentity;

fn personal(text: &str) -> Personal {
    Personal::from_service(text)
}

fn provider(name: &str) -> ProviderName {
    ProviderName::parse(name).unwrap()
}

fn link(destination: Destination, name: &str, value: &str) -> Link {
    let source = ExternalIdentity::new(provider(name), AttributeName::subject(), personal(value)).unwrap();
    Link { destination, source }
}

fn user(username: &str, email: &str, identities: &[(&str, &str, bool)]) -> PoolUser {
    let identity = |(provider, user_id, primary): &(&str, &str, bool)| LinkedIdentity {
        user_id: personal(user_id),
        provider_name: (*provider).to_owned(),
        provider_type: String::new(),
        issuer: None,
        primary: *primary,
        created_unix_ms: Some(5),
    };
    PoolUser {
        username: personal(username),
        sub: Some(personal(&format!("sub-{username}"))),
        email: Some(personal(email)),
        status: "CONFIRMED".to_owned(),
        enabled: true,
        identities: identities.iter().map(identity).collect(),
    }
}

fn wanted(links: &[Link]) -> Wanted {
    let mut rows = WantedRows::default();
    for link in links {
        rows.add(link);
    }
    rows.finish()
}

fn index(links: &[Link], users: Vec<PoolUser>, case_sensitive: bool) -> Index {
    let mut builder = IndexBuilder::new(wanted(links), case_sensitive);
    builder.feed(users);
    builder.finish()
}

fn found(index: &Index, destination: &Destination) -> Result<String, RefusalCode> {
    index.destination(destination).map(|(_, user)| user.username())
}

#[test]
fn a_file_of_a_hundred_rows_keeps_a_few_hundred_of_a_hundred_thousand_users() {
    let links: Vec<_> = (0..100)
        .map(|n| link(Destination::Username(personal(&format!("user-{n}"))), "Okta", &format!("Id{n}")))
        .collect();
    let mut builder = IndexBuilder::new(wanted(&links), true);
    for page in 0..1_000 {
        let numbers = page * 100..(page + 1) * 100;
        // Every tenth user holds an identity; some of those are ones that the file asks for.
        builder.feed(
            numbers
                .map(|n| {
                    let held = [("Okta", format!("Id{}", n / 10), false)];
                    let held: Vec<_> = held.iter().map(|(p, id, primary)| (*p, id.as_str(), *primary)).collect();
                    user(&format!("user-{n}"), "x@example.com", if n % 10 == 0 { &held } else { &[] })
                })
                .collect(),
        );
    }
    let index = builder.finish();
    assert_eq!(
        index.user_count(),
        100 + 90,
        "the hundred that are named, and the ninety more that hold what is asked for"
    );
    assert!(index.entries.len() <= 300);
    for row in &links {
        assert!(index.destination(&row.destination).is_ok());
        assert!(index.holder(row.source.provider(), row.source.value()).is_some());
    }
}

#[test]
fn a_user_who_comes_twice_is_kept_as_it_came_last() {
    let by_email = Destination::Email(personal("a@example.com"));
    let links = [link(by_email.clone(), "Okta", "A"), link(by_email.clone(), "Okta", "B")];
    let mut builder = IndexBuilder::new(wanted(&links), true);
    builder.feed(vec![user("alice", "a@example.com", &[("Okta", "A", false)])]);
    builder.feed(vec![user("bob", "b@example.com", &[])]);
    builder.feed(vec![user("alice", "a@example.com", &[("Okta", "B", false)])]);
    let index = builder.finish();
    assert_eq!(index.user_count(), 1);
    assert_eq!(found(&index, &by_email), Ok("alice".to_owned()), "not ambiguous with itself");
    assert!(index.holder(&provider("Okta"), &personal("A")).is_none());
    let (_, alice, held) = index.holder(&provider("Okta"), &personal("B")).unwrap();
    assert_eq!((alice.username.expose(), held.created_unix_ms), ("alice", Some(5)));
}

#[test]
fn destinations_are_found_as_the_service_finds_them() {
    let name = |text: &str| Destination::Username(personal(text));
    let email = Destination::Email(personal("A@example.com"));
    let sub = Destination::Sub(personal("sub-alice"));
    let federated = Destination::Federated { provider: provider("Okta"), user_id: personal("Own") };
    let links: Vec<_> = [name("Alice"), email.clone(), sub.clone(), federated.clone(), name("Okta_Own")]
        .into_iter()
        .map(|destination| link(destination, "Google", "1"))
        .collect();
    let users = || {
        vec![
            user("alice", "a@example.com", &[]),
            user("Okta_Own", "a@example.com", &[("Okta", "Own", true)]),
            user("other", "o@example.com", &[]),
        ]
    };
    let sensitive = index(&links, users(), true);
    assert_eq!(found(&sensitive, &name("Alice")), Err(RefusalCode::UserNotFound));
    assert!(sensitive.has_username_in_other_case("Alice"));
    assert_eq!(found(&sensitive, &email), Err(RefusalCode::UserNotFound));
    assert_eq!(found(&sensitive, &sub), Ok("alice".to_owned()));
    assert_eq!(found(&sensitive, &federated), Ok("Okta_Own".to_owned()));
    assert_eq!(found(&sensitive, &name("Okta_Own")), Ok("Okta_Own".to_owned()), "by its user name");
    let insensitive = index(&links, users(), false);
    assert_eq!(found(&insensitive, &name("Alice")), Ok("Alice".to_owned()), "sent as the file has it");
    assert_eq!(found(&insensitive, &email), Ok("alice".to_owned()), "the profile with the same address is passed over");
    let mut several = users();
    several.push(user("bob", "A@example.com", &[]));
    let several = index(&links, several, false);
    assert_eq!(found(&several, &email), Err(RefusalCode::UserAmbiguous));
    let names: Vec<_> = several.candidates(&email).iter().map(|user| user.username.expose()).collect();
    assert_eq!(names, ["alice", "bob"]);
}

#[test]
fn identities_are_matched_by_exact_case_and_found_in_any() {
    let links = [link(Destination::Username(personal("alice")), "Okta", "abc")];
    let index = index(
        &links,
        vec![user("bob", "b", &[("Okta", "AbC", false)]), user("c", "c", &[("okta", "abc", false)])],
        true,
    );
    assert!(index.holder(&provider("Okta"), &personal("abc")).is_none());
    assert!(index.is_held_in_other_case(&provider("Okta"), &personal("abc")));
    assert!(!index.is_held_in_other_case(&provider("Okta"), &personal("AbC")));
    assert!(!index.has_native_in_the_way(&provider("Okta"), &personal("abc")));
}
