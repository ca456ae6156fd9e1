//! What each behavior changes: the answer or the pool by default, and with the switch.

use serde_json::{Value, json};

use super::POOL;
use crate::account::{Account, Latency};
use crate::behavior::Behavior;
use crate::link_record::{HeldIdentity, LinkOrigin};
use crate::model::{NewIdentity, NewUser, PoolSettings, Provider, ProviderKind};
use crate::operation::Operation;
use crate::pool::Pool;
use crate::pool_file;
use crate::quota::Quota;
use crate::sign_in::SignIn;
use crate::wire;

const MERGING: &str = "Merging is not currently supported";

/// A pool with the behaviors, and what calls on it answer.
struct World {
    account: Account,
    now: i64,
}

impl World {
    fn new(case_sensitive: bool, behaviors: &[Behavior]) -> Self {
        let mut pool = Pool::new(PoolSettings::new(POOL).case_sensitive(case_sensitive));
        let claims = ["email", "name", "nickname", "given_name", "family_name", "profile"];
        let okta =
            claims.iter().fold(Provider::new("Okta", ProviderKind::Oidc, 0), |okta, name| okta.mapping(name, name));
        for provider in [Provider::new("Google", ProviderKind::Google, 0), okta] {
            pool.add_provider(provider).unwrap();
        }
        let own = NewUser::named("Google_9").with_identity(NewIdentity::primary("Google", "9"));
        for user in [
            NewUser::named("Alice").with_email("alice@example.com"),
            NewUser::named("bob").with_identity(NewIdentity::linked("Google", "1001")),
            NewUser::named(r"corp\carol"),
            NewUser { enabled: false, ..NewUser::named("disabled") },
            own,
        ] {
            pool.add_user(user).unwrap();
        }
        let account = Account::new(7).with_behaviors(behaviors.iter().copied()).with_pool(pool).with_link_record(100);
        Self { account: account.with_quota(Quota::off()).with_latency(Latency::off()), now: 1_700_000_000_000 }
    }

    fn call(&mut self, operation: &str, mut body: Value) -> Value {
        body["UserPoolId"] = POOL.into();
        let operation = Operation::by_name(operation).unwrap();
        let (pending, ticket) =
            self.account.begin(self.now, operation, wire::decode(operation, body.to_string().as_bytes()));
        self.account.finish(&ticket);
        self.now += 1_000;
        serde_json::from_slice(&wire::encode(&pending.result)).unwrap()
    }

    /// Class and text of the answer; empty for success.
    fn refusal(&mut self, operation: &str, body: Value) -> String {
        let answer = self.call(operation, body);
        let text = |name: &str| answer[name].as_str().unwrap_or_default();
        format!("{} {}", text("__type"), text("message")).trim().to_owned()
    }

    fn link(&mut self, username: &str, provider: &str, attribute: &str, value: &str) -> String {
        let destination = json!({ "ProviderName": "Cognito", "ProviderAttributeValue": username });
        let body = json!({ "DestinationUser": destination, "SourceUser": identity(provider, attribute, value) });
        self.refusal("AdminLinkProviderForUser", body)
    }

    fn link_subject(&mut self, username: &str, provider: &str, value: &str) -> String {
        self.link(username, provider, "Cognito_Subject", value)
    }

    fn unlink(&mut self, provider: &str, attribute: &str, value: &str) -> String {
        self.refusal("AdminDisableProviderForUser", json!({ "User": identity(provider, attribute, value) }))
    }

    fn sign_in(&mut self, provider: &str, user_id: &str, email: Option<&str>) -> String {
        let claims = email.map(|email| ("email".to_owned(), email.to_owned())).into_iter().collect();
        let sign_in = SignIn { provider: provider.to_owned(), user_id: user_id.to_owned(), claims, issuer: None };
        self.now += 1_000;
        self.account.sign_in(self.now, POOL, &sign_in).unwrap().username
    }

    fn listed(&mut self, filter: &str) -> Vec<String> {
        let answer = self.call("ListUsers", json!({ "Filter": filter }));
        let users = answer["Users"].as_array().unwrap_or_else(|| panic!("{filter}: {answer}"));
        users.iter().map(|user| user["Username"].as_str().unwrap().to_owned()).collect()
    }

    fn identities(&mut self, username: &str) -> Vec<Value> {
        let answer = self.call("AdminGetUser", json!({ "Username": username }));
        let attributes = answer["UserAttributes"].as_array().unwrap_or_else(|| panic!("{username}: {answer}"));
        let text = attributes.iter().find(|held| held["Name"] == "identities").and_then(|held| held["Value"].as_str());
        text.map_or_else(Vec::new, |text| serde_json::from_str(text).unwrap())
    }

    fn ids(&mut self, username: &str) -> Vec<String> {
        self.identities(username).iter().map(|held| held["userId"].as_str().unwrap().to_owned()).collect()
    }

    /// Who holds an identity, from the record.
    fn holder(&self, provider: &str, user_id: &str) -> Option<String> {
        let mut held = self.account.held_identities(POOL);
        held.find(|held| held.provider == provider && held.user_id == user_id).map(|held| held.username)
    }
}

fn identity(provider: &str, attribute: &str, value: &str) -> Value {
    json!({ "ProviderName": provider, "ProviderAttributeName": attribute, "ProviderAttributeValue": value })
}

/// Runs the same calls by default and with the behavior, in a case-sensitive pool.
fn both<T>(behavior: Behavior, act: impl Fn(&mut World) -> T) -> (T, T) {
    (act(&mut World::new(true, &[])), act(&mut World::new(true, &[behavior])))
}

#[test]
fn names_keep_case() {
    let act = |behaviors: &[Behavior]| {
        let mut world = World::new(false, behaviors);
        let shown = world.call("AdminGetUser", json!({ "Username": "ALICE" }))["Username"].clone();
        let listed = ["Alice", "alice", "ALICE"].map(|name| world.listed(&format!("username = \"{name}\"")));
        assert_eq!(world.link_subject("aLICE", "Google", "1"), "");
        (shown, listed)
    };
    let (alice, kept) = (vec!["alice".to_owned()], vec!["Alice".to_owned()]);
    assert_eq!(act(&[]), (json!("alice"), [vec![], alice, vec![]]));
    assert_eq!(act(&[Behavior::NamesKeepCase]), (json!("Alice"), [kept.clone(), vec![], vec![]]));
    let mut world = World::new(false, &[Behavior::NamesKeepCase]);
    assert_eq!(world.listed("username ^= \"Al\""), kept);
    assert_eq!(world.listed("email = \"alice@example.com\""), kept);
    let made = world.call("AdminCreateUser", json!({ "Username": "Dave" }));
    assert_eq!(made["User"]["Username"], "Dave");
    assert_eq!(world.sign_in("Okta", "AbC", None), "Okta_AbC");
}

#[test]
fn filter_keeps_backslashes() {
    let found = |world: &mut World| {
        [r#"username = "corp\\carol""#, r#"username = "corp\carol""#].map(|filter| world.listed(filter).len())
    };
    assert_eq!(both(Behavior::FilterKeepsBackslashes, found), ([1, 0], [0, 1]));
}

#[test]
fn destination_by_alias() {
    let linked = |world: &mut World| {
        let sub = crate::model::derived_uuid("Alice");
        let answers = [&sub, "alice@example.com"].map(|name| world.link_subject(name, "Google", name));
        (answers.map(|answer| answer.is_empty()), world.ids("Alice").len())
    };
    assert_eq!(both(Behavior::DestinationByAlias, linked), (([false, false], 0), ([true, true], 2)));
}

#[test]
fn mapped_usernames() {
    let names = |world: &mut World| {
        let by_native_name = world.link_subject("Google_9", "Okta", "1").is_empty();
        let destination = json!({ "ProviderName": "Google", "ProviderAttributeValue": "9" });
        let body = json!({ "DestinationUser": destination, "SourceUser": identity("Okta", "Cognito_Subject", "2") });
        let by_identity = world.refusal("AdminLinkProviderForUser", body).is_empty();
        let listed = world.listed("username = \"Google_9\"").len();
        (by_native_name, by_identity, listed, world.sign_in("Okta", "New", None) == "Okta_New")
    };
    assert_eq!(both(Behavior::MappedUsernames, names), ((true, true, 1, true), (false, true, 0, false)));
}

#[test]
fn repeat_succeeds() {
    let repeat = |world: &mut World| {
        let answer = world.link_subject("bob", "Google", "1001");
        let event = world.account.link_events().last().unwrap().made;
        (answer, event, world.identities("bob")[0]["dateCreated"].clone())
    };
    let (default, switched) = both(Behavior::RepeatSucceeds, repeat);
    assert_eq!(default.0, "InvalidParameterException SourceUser is already linked to DestinationUser");
    assert_eq!(switched, (String::new(), false, default.2));
}

#[test]
fn what_another_user_holds() {
    let take =
        |world: &mut World| (world.link_subject("Alice", "Google", "1001"), world.holder("Google", "1001").unwrap());
    let (default, moved) = both(Behavior::HeldMoves, take);
    assert!(default.0.contains("already linked") && default.1 == "bob");
    assert_eq!(moved, (String::new(), "Alice".to_owned()));
    let mut world = World::new(true, &[Behavior::HeldMoves]);
    take(&mut world);
    assert_eq!((world.ids("bob").len(), world.ids("Alice").len()), (0, 1));
    let event = world.account.link_events().last().unwrap();
    assert_eq!((event.taken_from.as_deref(), event.made), (Some("bob"), true));
    assert!(both(Behavior::HeldIsMerging, take).1.0.contains(MERGING));
    assert!(both(Behavior::HeldIsAliasExists, take).1.0.starts_with("AliasExistsException"));
}

#[test]
fn merging_links() {
    let merge = |world: &mut World| {
        let answer = world.link_subject("Alice", "Google", "9");
        assert!(answer.contains(MERGING));
        (world.ids("Alice"), world.ids("Google_9"), world.holder("Google", "9").unwrap())
    };
    let (default, switched) = both(Behavior::MergingLinks, merge);
    let nine = vec!["9".to_owned()];
    assert_eq!(default, (vec![], nine.clone(), "Google_9".to_owned()));
    assert_eq!(switched, (nine.clone(), nine, "Alice".to_owned()));
    let mut world = World::new(true, &[Behavior::MergingLinks]);
    merge(&mut world);
    // The two users who show the identity are saved and read again as they are.
    let text = |pool: &Pool| {
        let mut text = Vec::new();
        pool_file::write(&mut text, pool).unwrap();
        text
    };
    let saved = text(world.account.pool(POOL).unwrap());
    let read = pool_file::read(&*saved).unwrap();
    assert_eq!(text(&read), saved);
    let read = Account::new(7).with_pool(read);
    let holder = |held: HeldIdentity| (held.user_id == "9").then_some(held.username);
    assert_eq!(read.held_identities(POOL).filter_map(holder).collect::<Vec<_>>(), ["Alice"]);
    assert_eq!(world.sign_in("Google", "9", None), "Alice");
    assert_eq!(world.unlink("Google", "Cognito_Subject", "9"), "");
    assert_eq!((world.ids("Alice").len(), world.holder("Google", "9").unwrap()), (0, "Google_9".to_owned()));
    assert_eq!(world.sign_in("Google", "9", None), "Google_9", "the profile has its identity again");
}

#[test]
fn disabled_users() {
    let link = |world: &mut World| world.link_subject("disabled", "Google", "1");
    let (default, switched) = both(Behavior::DisabledNotAuthorized, link);
    assert_eq!((default.as_str(), switched.as_str()), ("", "NotAuthorizedException User is disabled."));
}

#[test]
fn missing_providers() {
    let link = |world: &mut World| [world.link_subject("Alice", "No", "1"), world.unlink("No", "Cognito_Subject", "1")];
    let (default, switched) = both(Behavior::ProviderMissingSaysPool, link);
    let without = "ResourceNotFoundException Identity provider No does not exist.";
    let with = format!("ResourceNotFoundException Identity provider No does not exist in user pool {POOL}.");
    assert_eq!((default, switched), ([without, without].map(str::to_owned), [with.clone(), with]));
}

#[test]
fn limits_that_are_throttles() {
    let ten = |world: &mut World| -> Vec<String> {
        for n in 0..10 {
            world.call("AdminCreateUser", json!({ "Username": format!("u{n}") }));
        }
        (0..10)
            .map(|n| world.link_subject(&format!("u{n}"), "Google", &format!("id-{n}")))
            .filter(|a| !a.is_empty())
            .collect()
    };
    let (default, switched) = both(Behavior::LimitIsThrottle, ten);
    assert!(default.is_empty());
    assert_eq!(switched, ["LimitExceededException Rate limit exceeded for this operation"; 2]);
}

#[test]
fn limits_on_attribute_names() {
    let six = |world: &mut World| {
        let names = ["email", "name", "nickname", "given_name", "family_name", "profile"];
        let users = ["Alice", "bob"];
        names.map(|name| world.link(users[usize::from(name.starts_with('n'))], "Okta", name, name))
    };
    let (default, switched) = both(Behavior::LimitIsAttributeNames, six);
    assert!(default.iter().all(String::is_empty), "{default:?}");
    assert!(switched[..5].iter().all(String::is_empty) && switched[5].starts_with("LimitExceededException"));
}

#[test]
fn lists_that_lag() {
    let shown = |world: &mut World| {
        world.link_subject("Alice", "Google", "1");
        let text = |world: &mut World| {
            world.call("ListUsers", json!({ "Filter": "username = \"Alice\"" })).to_string().contains("identities")
        };
        let soon = text(world);
        world.now += 40_000;
        (soon, text(world))
    };
    assert_eq!(both(Behavior::ListLag40s, shown), ((true, true), (false, true)));
    let account = |account: Account| account.with_pool(Pool::new(PoolSettings::new(POOL)));
    let lags = [
        account(Account::new(1).with_behaviors([Behavior::ListLag40s]).with_list_lag_ms(300)),
        account(Account::new(1).with_list_lag_ms(300)).with_behaviors([Behavior::ListLag40s]),
        account(Account::new(1).with_behaviors([Behavior::ListLag40s])).with_list_lag_ms(300),
    ];
    assert!(lags.iter().all(|account| account.pool(POOL).unwrap().journal.lag_ms() == 40_000));
}

#[test]
fn dates_of_identities() {
    let date = |world: &mut World| world.identities("bob")[0].get("dateCreated").and_then(Value::as_i64);
    assert_eq!(both(Behavior::DatesAbsent, date), (Some(1_600_000_000_000), None));
    assert_eq!(both(Behavior::DatesInSeconds, date), (Some(1_600_000_000_000), Some(1_600_000_000)));
    let after_sign_in = |world: &mut World| {
        assert_eq!(world.sign_in("Google", "1001", None), "bob");
        date(world).unwrap() > 1_600_000_000_000
    };
    assert_eq!(both(Behavior::DatesRewritten, after_sign_in), (false, true));
}

#[test]
fn attribute_links_hidden() {
    let shown = |world: &mut World| {
        assert_eq!(world.link("Alice", "Okta", "email", "a@example.com"), "");
        let before = world.ids("Alice").len();
        assert_eq!(world.sign_in("Okta", "sub-1", Some("a@example.com")), "Alice");
        (before, world.ids("Alice"))
    };
    let used = vec!["sub-1".to_owned()];
    assert_eq!(both(Behavior::AttributeLinksHidden, shown), ((1, used.clone()), (0, used)));
    let mut world = World::new(true, &[Behavior::AttributeLinksHidden, Behavior::AttributeLinkStays]);
    assert_eq!(shown(&mut world), (0, vec!["a@example.com".to_owned()]));
}

#[test]
fn own_identities() {
    let five = |world: &mut World| {
        (0..5).filter(|n| world.link_subject("Google_9", "Okta", &n.to_string()).is_empty()).count()
    };
    assert_eq!(both(Behavior::OwnIdentityNotCounted, five), (4, 5));
}

#[test]
fn lengths() {
    let source = |world: &mut World| {
        [128, 129].map(|length| world.link_subject("Alice", "Google", &"x".repeat(length)).is_empty())
    };
    assert_eq!(both(Behavior::LengthCountsValueOnly, source), ([false, false], [true, false]));
    let name = |world: &mut World| {
        [40, 41].map(|length| {
            let name = "p".repeat(length);
            let body = json!({ "ProviderName": name, "ProviderType": "SAML", "ProviderDetails": {} });
            let is_made = world.refusal("CreateIdentityProvider", body).is_empty();
            (is_made, world.link_subject("Alice", &name, "1").is_empty())
        })
    };
    assert_eq!(both(Behavior::ProviderNames40, name), ([(false, false); 2], [(true, true), (false, false)]));
}

#[test]
fn refusals_link() {
    let many = |world: &mut World| {
        for n in 0..12 {
            world.call("AdminCreateUser", json!({ "Username": format!("u{n}") }));
        }
        let answers = (0..12).map(|n| world.link_subject(&format!("u{n}"), "Google", &format!("id-{n}")));
        let refusals: Vec<String> = answers.filter(|answer| !answer.is_empty()).collect();
        (refusals, world.account.link_events().filter(|event| event.made).count())
    };
    let (default, switched) = both(Behavior::RefusalsLink, many);
    assert_eq!(default, (vec![], 12));
    assert_eq!(switched.1, 12);
    for text in ["failed to satisfy constraint", "User does not exist.", "Identity provider Google does not exist."] {
        assert_eq!(switched.0.iter().filter(|refusal| refusal.contains(text)).count(), 1, "{text}");
    }
}

#[test]
fn no_sub_prefix() {
    let list = |world: &mut World| {
        ["sub ^= \"0\"", "sub = \"0\"", "username ^= \"a\""]
            .map(|filter| world.refusal("ListUsers", json!({ "Filter": filter })).is_empty())
    };
    assert_eq!(both(Behavior::NoSubPrefix, list), ([true; 3], [false, true, true]));
}

#[test]
fn how_a_used_link_by_an_attribute_is_removed() {
    let unlink = |world: &mut World| {
        assert_eq!(world.link("Alice", "Okta", "email", "a@example.com"), "");
        assert_eq!(world.sign_in("Okta", "sub-1", Some("a@example.com")), "Alice");
        let shown = world.ids("Alice").remove(0);
        let by_subject = world.unlink("Okta", "Cognito_Subject", "sub-1").is_empty();
        (shown, by_subject, world.unlink("Okta", "email", "a@example.com").is_empty(), world.ids("Alice").len())
    };
    let (default, stays) = both(Behavior::AttributeLinkStays, unlink);
    assert_eq!(default, ("sub-1".to_owned(), true, false, 0));
    assert_eq!(stays, ("a@example.com".to_owned(), false, true, 0));
    let (_, by_attribute) = both(Behavior::UnlinkByAttributeAfterSignIn, unlink);
    assert_eq!(by_attribute, ("sub-1".to_owned(), false, true, 0));
}

#[test]
fn texts() {
    let unlink = |world: &mut World| world.unlink("Google", "Cognito_Subject", "77");
    let (default, switched) = both(Behavior::UnlinkSaysUserNotFound, unlink);
    assert!(default.starts_with("InvalidParameterException Account isn't linked"));
    assert!(switched.starts_with("UserNotFoundException Account isn't linked"));
    let repeat = |world: &mut World| world.link_subject("bob", "Google", "1001");
    assert!(both(Behavior::OldAlreadyLinkedText, repeat).1.contains("Cognito users with a username/password"));
    let situations = |world: &mut World| {
        [
            world.link_subject("bob", "Google", "1001"),
            world.link_subject("Alice", "Google", "9"),
            world.link_subject("Alice", "Cognito", "bob"),
            world.link_subject("nobody", "Google", "5"),
            world.unlink("Google", "Cognito_Subject", "77"),
        ]
    };
    let (known, unknown) = both(Behavior::UnknownTexts, situations);
    for (known, unknown) in known.iter().zip(&unknown) {
        let class = known.split(' ').next().unwrap();
        assert_eq!(*unknown, format!("{class} The request was declined for the identity that it names"), "{known}");
    }
}

#[test]
fn behaviors_survive_a_pool_file() {
    let mut world = World::new(true, &[Behavior::UnlinkByAttributeAfterSignIn]);
    world.link("Alice", "Okta", "email", "a@example.com");
    world.sign_in("Okta", "sub-1", Some("a@example.com"));
    let mut text = Vec::new();
    crate::pool_file::write(&mut text, world.account.pool(POOL).unwrap()).unwrap();
    let read = crate::pool_file::read(text.as_slice()).unwrap();
    world.account = world.account.with_pool(read);
    assert_ne!(world.unlink("Okta", "Cognito_Subject", "sub-1"), "");
    assert_eq!(world.unlink("Okta", "email", "a@example.com"), "");
}

#[test]
fn the_record_says_which_call_made_a_link() {
    let mut world = World::new(true, &[]);
    world.link_subject("Alice", "Google", "1");
    world.link_subject("Alice", "Google", "9");
    world.link("Alice", "Okta", "email", "a@example.com");
    world.sign_in("Okta", "sub-1", Some("a@example.com"));
    world.sign_in("Okta", "new", None);
    let origin = |world: &World, user_id: &str| {
        world.account.held_identities(POOL).find(|held| held.user_id == user_id).map(|held| held.origin)
    };
    let request_ids: Vec<_> = world.account.link_events().map(|event| event.request_id.clone()).collect();
    let made: Vec<_> = world.account.link_events().map(|event| (event.made, event.refusal)).collect();
    assert_eq!(made, [(true, None), (false, Some("InvalidParameterException")), (true, None)]);
    assert_eq!(origin(&world, "1"), Some(LinkOrigin::Call(request_ids[0].clone())));
    assert_eq!(origin(&world, "sub-1"), Some(LinkOrigin::Call(request_ids[2].clone())));
    assert_eq!(origin(&world, "1001"), Some(LinkOrigin::AtStart));
    assert_eq!(origin(&world, "new"), Some(LinkOrigin::SignIn));
    let used = world.account.held_identities(POOL).find(|held| held.user_id == "sub-1").unwrap();
    assert_eq!((used.attribute.as_str(), used.value.as_str()), ("email", "a@example.com"));
    world.unlink("Google", "Cognito_Subject", "1001");
    world.refusal_of_delete("Alice");
    let last: Vec<_> = world.account.link_events().skip(3).collect();
    let shown: Vec<_> =
        last.iter().map(|event| (event.operation, event.username.as_deref().unwrap(), &*event.value)).collect();
    assert_eq!(
        shown,
        [
            (Operation::DisableProvider, "bob", "1001"),
            (Operation::DeleteUser, "Alice", "1"),
            (Operation::DeleteUser, "Alice", "a@example.com"),
        ]
    );
}

#[test]
fn the_record_is_bounded_and_off_by_default() {
    let mut world = World::new(true, &[]);
    world.account = world.account.with_link_record(2);
    for n in 0..4 {
        world.link_subject("Alice", "Google", &n.to_string());
    }
    assert_eq!((world.account.link_events().count(), world.account.link_events_dropped()), (2, 2));
    world.account = world.account.with_link_record(0);
    world.link_subject("Alice", "Google", "9");
    assert_eq!(world.account.link_events().count(), 0);
}

impl World {
    fn refusal_of_delete(&mut self, username: &str) {
        let operation = Operation::DeleteUser;
        let body = json!({ "UserPoolId": POOL, "Username": username }).to_string();
        let (pending, ticket) = self.account.begin(self.now, operation, wire::decode(operation, body.as_bytes()));
        self.account.finish(&ticket);
        assert!(pending.result.is_ok());
    }
}
