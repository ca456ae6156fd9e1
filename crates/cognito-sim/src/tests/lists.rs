//! Lists: filters over indices, pages over changing pools, tokens, lag.

use std::collections::HashSet;

use super::{POOL, code_and_text, example};
use crate::model::PoolSettings;
use crate::model::{NewUser, Status, UserView};
use crate::pool::Pool;
use crate::wire::{LinkCall, ListCall, UserRef};

const HOUR_MS: i64 = 3_600_000;

fn many(count: usize) -> Pool {
    let mut pool = Pool::new(PoolSettings::new(POOL));
    for n in 0..count {
        let mut user = NewUser::named(&format!("user-{n:05}")).with_email(&format!("User{}@Example.com", n % 100));
        user.attributes.push(("family_name".to_owned(), format!("Family {}", n % 7)));
        user.enabled = n % 2 == 0;
        user.status = if n % 3 == 0 { Status::ForceChangePassword } else { Status::Confirmed };
        pool.add_user(user).unwrap();
    }
    pool
}

fn call(filter: &str, limit: Option<u64>, token: Option<String>) -> ListCall {
    let filter = (!filter.is_empty()).then(|| filter.to_owned());
    ListCall { filter, limit, token, attributes: None }
}

/// All users of a chain of pages, and the number of pages; `between` happens after each page.
fn chain(pool: &mut Pool, filter: &str, limit: u64, mut between: impl FnMut(&mut Pool)) -> (Vec<UserView>, usize) {
    let (mut users, mut pages, mut token) = (Vec::new(), 0, None);
    loop {
        let page = pool.list_users(0, &call(filter, Some(limit), token), "").unwrap();
        assert!(page.items.len() <= usize::try_from(limit).unwrap());
        users.extend(page.items);
        pages += 1;
        between(pool);
        token = page.next_token;
        if token.is_none() {
            return (users, pages);
        }
    }
}

fn attribute<'a>(user: &'a UserView, name: &str) -> &'a str {
    user.attributes.iter().find(|(held, _)| held == name).map_or("", |(_, value)| value)
}

#[test]
fn filters_find_what_they_say() {
    let mut pool = many(700);
    for (filter, expected) in [
        ("", 700),
        ("username = \"user-00007\"", 1),
        ("username = \"USER-00007\"", 0),
        ("username ^= \"user-0000\"", 10),
        ("email = \"user7@example.com\"", 7),
        ("email = \"USER7@EXAMPLE.COM\"", 7),
        ("email ^= \"user7\"", 77),
        ("family_name = \"family 3\"", 100),
        ("family_name ^= \"Fam\"", 700),
        ("phone_number = \"+1\"", 0),
        ("status = \"Enabled\"", 350),
        ("status = \"enabled\"", 0),
        ("cognito:user_status = \"confirmed\"", 466),
        ("sub ^= \"\"", 700),
    ] {
        let (users, _) = chain(&mut pool, filter, 60, |_| {});
        let names: HashSet<_> = users.iter().map(|user| user.username.clone()).collect();
        assert_eq!((users.len(), names.len()), (expected, expected), "{filter}");
    }
}

#[test]
fn sixteen_prefixes_of_sub_split_the_pool() {
    let mut pool = many(1_000);
    let mut seen = HashSet::new();
    for digit in "0123456789abcdef".chars() {
        let (users, _) = chain(&mut pool, &format!("sub ^= \"{digit}\""), 60, |_| {});
        assert!(users.iter().all(|user| attribute(user, "sub").starts_with(digit)));
        assert!((30..110).contains(&users.len()), "{} at {digit}", users.len());
        seen.extend(users.into_iter().map(|user| user.username));
    }
    assert_eq!(seen.len(), 1_000);
    let sub = attribute(&pool.get_user("user-00001").unwrap(), "sub").to_owned();
    assert_eq!(chain(&mut pool, &format!("sub = \"{sub}\""), 60, |_| {}).0[0].username, "user-00001");
}

#[test]
fn pages_over_a_growing_pool_show_nobody_twice_and_miss_nobody() {
    for filter in ["", "sub ^= \"\"", "email ^= \"user\"", "family_name ^= \"f\""] {
        let mut pool = many(300);
        let mut made = 0;
        let (users, pages) = chain(&mut pool, filter, 7, |pool| {
            if made < 200 {
                // Some come before the position, some after it.
                let mut user = NewUser::named(&format!("user-{:05}-{made}", made * 37 % 300)).with_email("user@x.com");
                user.attributes.push(("family_name".to_owned(), "Fresh".to_owned()));
                pool.add_user(user).unwrap();
                made += 1;
            }
        });
        let names: HashSet<_> = users.iter().map(|user| user.username.as_str()).collect();
        assert_eq!(names.len(), users.len(), "{filter}");
        assert!((0..300).all(|n| names.contains(format!("user-{n:05}").as_str())), "{filter}");
        assert!(pages >= 43);
    }
}

#[test]
fn a_filter_without_an_index_looks_at_a_bounded_number() {
    let mut pool = many(2_500);
    let (users, pages) = chain(&mut pool, "family_name = \"nobody\"", 60, |_| {});
    assert_eq!((users.len(), pages), (0, 3), "empty pages with tokens");
}

#[test]
fn the_last_page_has_no_token_even_when_it_is_full() {
    let mut pool = many(120);
    assert_eq!(chain(&mut pool, "", 60, |_| {}).1, 2);
    assert_eq!(chain(&mut pool, "username = \"user-00001\"", 1, |_| {}).1, 1);
    assert_eq!(chain(&mut many(0), "", 60, |_| {}).1, 1);
}

#[test]
fn limits_and_tokens_are_checked() {
    let mut pool = many(100);
    assert_eq!(pool.list_users(0, &call("", None, None), "").unwrap().items.len(), 60);
    assert_eq!(pool.list_users(0, &call("", Some(0), None), "").unwrap().items.len(), 60);
    let (_, message) = code_and_text(&pool.list_users(0, &call("", Some(61), None), ""));
    assert!(
        message.ends_with("at 'limit' failed to satisfy constraint: Member must have value less than or equal to 60")
    );
    let token = pool.list_users(0, &call("", Some(10), None), "").unwrap().next_token.unwrap();
    let mut with_token = |now, filter: &str, token: &str| {
        code_and_text(&pool.list_users(now, &call(filter, Some(10), Some(token.to_owned())), "request-7"))
    };
    assert_eq!(with_token(HOUR_MS - 1, "", &token).0, "");
    let refused =
        ("InvalidParameterException".to_owned(), format!("Paging marker {token} is invalid for request request-7"));
    assert_eq!(with_token(HOUR_MS, "", &token), refused, "expired");
    assert_eq!(with_token(0, "sub ^= \"0\"", &token), refused, "another question");
    assert_eq!(with_token(0, "", "nonsense").0, "InvalidParameterException");
}

#[test]
fn attributes_to_get_fail_where_a_user_lacks_one() {
    let mut pool = example(true);
    let mut list = |filter: &str, names: &[&str]| {
        let attributes = Some(names.iter().map(|name| (*name).to_owned()).collect());
        pool.list_users(0, &ListCall { attributes, ..call(filter, None, None) }, "")
    };
    let bob = list("username = \"bob\"", &["sub", "identities"]).unwrap_or_else(|_| unreachable!()).items.remove(0);
    assert_eq!(bob.attributes.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["sub", "identities"]);
    assert_eq!(code_and_text(&list("", &["identities"])).0, "InvalidParameterException");
}

#[test]
fn lists_lag_behind_and_single_reads_do_not() {
    let mut pool = example(true).with_list_lag_ms(2_000);
    let link = LinkCall {
        destination: Some(UserRef::new("Cognito", "", "alice")),
        source: Some(UserRef::new("Google", "Cognito_Subject", "1")),
    };
    let without_attribute =
        LinkCall { destination: link.destination.clone().map(|user| UserRef { attribute: None, ..user }), ..link };
    pool.link(10_000, &without_attribute).answer.unwrap();
    pool.sign_in(10_500, "Okta", "fresh").unwrap_or_else(|_| unreachable!());
    let mut listed = |now, username: &str| {
        let page = pool.list_users(now, &call(&format!("username = \"{username}\""), None, None), "").unwrap();
        page.items.first().map(|user| attribute(user, "identities").len())
    };
    assert_eq!((listed(11_999, "alice"), listed(12_499, "Okta_fresh")), (Some(0), None));
    assert!(listed(12_000, "alice") > Some(0) && listed(12_500, "Okta_fresh") > Some(0));
    assert!(!attribute(&pool.get_user("alice").unwrap(), "identities").is_empty());
}

#[test]
fn looked_up_users_are_made_where_the_pool_is_told_to() {
    let mut pool = Pool::new(PoolSettings::new(POOL)).creating_on_reference();
    let mut found = |filter: &str| {
        let mut items = pool.list_users(0, &call(filter, None, None), "").unwrap().items;
        items.pop().map(|user| {
            (user.username.clone(), attribute(&user, "sub").to_owned(), attribute(&user, "email").to_owned())
        })
    };
    let by_email = found("email = \"new@example.com\"").unwrap();
    assert_eq!(by_email.2, "new@example.com");
    assert_eq!(by_email.0, by_email.1, "such pools name users by their sub");
    assert_eq!(found("email = \"NEW@example.com\""), Some(by_email));
    assert_eq!(found("sub = \"0000-1\"").unwrap().0, "0000-1");
    assert_eq!(found("username = \"dora\"").unwrap().0, "dora");
    assert_eq!(found("username ^= \"none\""), None);
    pool.ensure_provider("Google").unwrap();
    assert_eq!(
        code_and_text(&pool.get_user("Google_123")).0,
        "UserNotFoundException",
        "would stand in the identity's way"
    );
    assert_eq!(code_and_text(&pool.get_user("erik")).0, "");
}

#[test]
fn users_are_read_by_name_sub_or_alias() {
    let sub = crate::model::derived_uuid("alice");
    for (alias_attributes, username_attributes, expected) in
        [("", "", [true, true, false]), ("email", "", [true, true, true]), ("", "email", [true, false, true])]
    {
        let names = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        let mut pool = Pool::new(PoolSettings {
            alias_attributes: names(alias_attributes),
            username_attributes: names(username_attributes),
            ..PoolSettings::new(POOL)
        });
        pool.add_user(NewUser::named("alice").with_email("Alice@example.com")).unwrap();
        pool.add_user(NewUser::named("twin1").with_email("twin@example.com")).unwrap();
        pool.add_user(NewUser::named("twin2").with_email("twin@example.com")).unwrap();
        let found = ["alice", &sub, "alice@example.com"].map(|name| pool.get_user(name).is_ok());
        assert_eq!(found, expected);
        assert!(pool.get_user("twin@example.com").is_err(), "two users have it");
    }
}

#[test]
fn providers_come_in_pages() {
    let mut pool = Pool::new(PoolSettings::new(POOL));
    (0..100).for_each(|n| pool.ensure_provider(&format!("Provider{n}")).unwrap());
    let first = pool.list_providers(None, None, "").unwrap();
    let second = pool.list_providers(None, first.next_token.as_deref(), "").unwrap();
    assert_eq!((first.items.len(), second.items.len(), second.next_token), (60, 40, None));
    assert_eq!(first.items[0].kind, "OIDC");
    assert_eq!(code_and_text(&pool.list_providers(None, Some("x"), "r")).1, "Paging marker x is invalid for request r");
    assert_eq!(code_and_text(&pool.list_providers(Some(61), None, "r")).0, "InvalidParameterException");
}
