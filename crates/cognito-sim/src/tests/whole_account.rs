//! A whole account: quotas, faults, time and statistics around a pool.

use std::time::Duration;

use super::{POOL, example};
use crate::account::Account;
use crate::account::Latency;
use crate::account::{Delivery, PendingAnswer};
use crate::fault::{FaultKind, FaultPlan, FaultRule, FaultTrigger};
use crate::model::PoolSettings;
use crate::operation::{Category, Operation};
use crate::pool::Pool;
use crate::quota::Quota;
use crate::wire;
use crate::wire::{Call, LinkCall, Reply, Request, UserRef};

fn calm() -> Account {
    Account::new(1).with_pool(example(true)).with_quota(Quota::off()).with_latency(Latency::off())
}

fn link(username: &str, id: &str) -> Request {
    let call = LinkCall {
        destination: Some(UserRef::new("Cognito", "Cognito_Subject", username)),
        source: Some(UserRef::new("Google", "Cognito_Subject", id)),
    };
    Request { pool: Some(POOL.to_owned()), call: Call::Link(call) }
}

fn send(account: &mut Account, now: i64, request: Request) -> PendingAnswer {
    let operation = match request.call {
        Call::Link(_) => Operation::LinkProvider,
        _ => Operation::DescribePool,
    };
    let (pending, ticket) = account.begin(now, operation, Ok(request));
    account.finish(&ticket);
    pending
}

fn holds(account: &mut Account, username: &str, id: &str) -> bool {
    let user = account.pool_mut(POOL).unwrap().get_user(username).unwrap();
    user.attributes.iter().any(|(name, value)| name == "identities" && value.contains(&format!("\"{id}\"")))
}

#[test]
fn what_each_fault_answers_and_does() {
    let cases = [
        (FaultKind::Throttled, Delivery::Whole, "TooManyRequestsException", false),
        (FaultKind::Storm { ms: 10 }, Delivery::Whole, "TooManyRequestsException", false),
        (FaultKind::ErrorBefore, Delivery::Whole, "InternalErrorException", false),
        (FaultKind::ErrorAfter, Delivery::Whole, "InternalErrorException", true),
        (FaultKind::LostBefore, Delivery::Lost, "InternalErrorException", false),
        (FaultKind::LostAfter, Delivery::Lost, "", true),
        (FaultKind::ResetBefore, Delivery::Reset, "InternalErrorException", false),
        (FaultKind::ResetAfter, Delivery::Reset, "", true),
        (FaultKind::HalfWritten, Delivery::Half, "", true),
        (FaultKind::Slow { ms: 700 }, Delivery::Whole, "", true),
        (FaultKind::ExpiredCredentials, Delivery::Whole, "ExpiredTokenException", false),
        (FaultKind::AccessDenied, Delivery::Whole, "AccessDeniedException", false),
    ];
    for (kind, delivery, code, done) in cases {
        let mut account = calm().with_faults(FaultPlan::none().with(FaultRule::new(kind, FaultTrigger::Calls(1..=1))));
        let pending = send(&mut account, 0, link("alice", "1"));
        let refusal = pending.result.as_ref().map_or_else(|error| error.code, |_| "");
        assert_eq!((pending.delivery, refusal), (delivery, code), "{kind:?}");
        assert_eq!(holds(&mut account, "alice", "1"), done, "{kind:?}");
        let slow = if matches!(kind, FaultKind::Slow { .. }) { 700 } else { 0 };
        assert_eq!(pending.delay, Duration::from_millis(slow), "{kind:?}");
        let stats = account.stats();
        assert_eq!((stats.faults, stats.links_made), (1, u64::from(done)), "{kind:?}");
    }
}

#[test]
fn throttled_calls_are_answered_quickly_in_both_texts_and_do_nothing() {
    let mut account = Account::new(3).with_pool(example(true));
    let mut texts = std::collections::BTreeMap::new();
    for n in 0..125 {
        let pending = send(&mut account, 0, link(&format!("user{n}"), &n.to_string()));
        if let Err(error) = pending.result.as_ref()
            && error.code == "TooManyRequestsException"
        {
            assert!((10..=40).contains(&pending.delay.as_millis()));
            *texts.entry(error.message.clone()).or_insert(0) += 1;
        }
    }
    assert_eq!(texts.values().sum::<i32>(), 100);
    assert!(texts["Rate exceeded"] > 20 && texts["Too many requests"] > 20);
    let stats = account.stats().of(Operation::LinkProvider);
    assert_eq!((stats.calls, stats.throttled, stats.calls_in_one_second_max), (125, 100, 125));
}

#[test]
fn a_quota_is_shared_by_the_pools_of_the_account() {
    let other = || Pool::new(PoolSettings::new("sim-local-1_Other")).creating_on_reference();
    let mut account = Account::new(1)
        .with_pool(example(true).creating_on_reference())
        .with_pool(other())
        .with_quota(Quota::documented().with_rate(Category::UserUpdate, 10.0, 10.0));
    let mut accepted = 0;
    for n in 0..20 {
        let mut request = link(&format!("user{n}"), &n.to_string());
        request.pool = Some(if n % 2 == 0 { POOL } else { "sim-local-1_Other" }.to_owned());
        accepted += usize::from(send(&mut account, 0, request).result.is_ok());
    }
    assert_eq!(accepted, 10);
}

#[test]
fn one_user_takes_ten_writes_a_second_in_whatever_case_it_is_named() {
    let mut account = Account::new(1).with_pool(example(false));
    let throttled = (0..20).filter(|n| {
        let name = if n % 2 == 0 { "alice" } else { "ALICE" };
        send(&mut account, 0, link(name, &n.to_string()))
            .result
            .is_err_and(|error| error.code == "TooManyRequestsException")
    });
    assert_eq!(throttled.count(), 10);
}

#[test]
fn the_same_seed_gives_the_same_answers() {
    let run = |seed: u64| {
        let mut faults = FaultPlan::none()
            .with(FaultRule::new(FaultKind::LostAfter, FaultTrigger::Chance(0.05)))
            .with(FaultRule::new(FaultKind::Storm { ms: 300 }, FaultTrigger::Chance(0.01)));
        faults.background.push((Category::UserUpdate, "5,15@10s".parse().unwrap()));
        let mut account = Account::new(seed).with_pool(example(true).creating_on_reference()).with_faults(faults);
        let mut answers = Vec::new();
        for n in 0..500 {
            let pending = send(&mut account, n * 40, link(&format!("user{}", n % 90), &n.to_string()));
            let code = pending.result.as_ref().map_or_else(|error| error.message.clone(), |_| String::new());
            answers.push((pending.delay, pending.delivery, code, pending.request_id, pending.answered_unix_ms));
        }
        let others = account.stats().background["UserUpdate"];
        assert!(others.calls > 100 && others.throttled < others.calls, "{others:?}");
        (answers, others)
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn writes_in_flight_are_seen_per_user() {
    let mut account = calm();
    let mut tickets = Vec::new();
    for (username, id) in [("alice", "1"), ("alice", "2"), ("bob", "3")] {
        tickets.push(account.begin(0, Operation::LinkProvider, Ok(link(username, id))).1);
    }
    for ticket in &tickets {
        account.finish(ticket);
    }
    let stats = account.stats();
    assert_eq!((stats.in_flight, stats.in_flight_max, stats.writes_in_flight_per_user_max), (0, 3, 2));
}

#[test]
fn a_skewed_clock_shows_in_dates_and_answers() {
    let mut account = calm().with_clock_skew_ms(60_000).with_latency(Latency::between(100, 100));
    let pending = send(&mut account, 1_000, link("alice", "1"));
    assert_eq!(pending.answered_unix_ms, 61_100);
    let user = account.pool_mut(POOL).unwrap().get_user("alice").unwrap();
    assert!(user.attributes.iter().any(|(_, value)| value.contains("\"dateCreated\":61000")));
}

#[test]
fn pools_that_are_missing_or_not_named_are_told_apart() {
    let mut account = calm();
    let ask = |pool: Option<&str>| Request { pool: pool.map(str::to_owned), call: Call::DescribePool };
    let mut message = |pool| send(&mut account, 0, ask(pool)).result.map(drop).map_err(|error| error.message);
    assert_eq!(message(Some("sim-local-1_None")), Err("User pool sim-local-1_None does not exist.".into()));
    assert!(message(None).is_err_and(|text| text.contains("Value null at 'userPoolId'")));
    assert_eq!(message(Some(POOL)), Ok(()));
}

#[test]
fn bodies_of_other_operations_are_shaped_like_the_services() {
    let mut account = calm();
    let mut json = |operation: Operation, body: &str| {
        let (pending, _ticket) = account.begin(1_000, operation, wire::decode(operation, body.as_bytes()));
        assert!(matches!(pending.result, Ok(Reply::User(_) | Reply::Users(_) | Reply::Pool(_) | Reply::Providers(_))));
        serde_json::from_slice::<serde_json::Value>(&wire::encode(&pending.result)).unwrap()
    };
    let user = json(Operation::GetUser, &format!(r#"{{"UserPoolId":"{POOL}","Username":"bob"}}"#));
    assert_eq!(user["UserAttributes"][2], serde_json::json!({"Name": "email", "Value": "bob@example.com"}));
    assert_eq!(user["UserCreateDate"], 1_600_000_000.0);
    assert!(user["UserAttributes"][1]["Value"].as_str().unwrap().starts_with(r#"[{"userId":"1001","#));
    let page = json(Operation::ListUsers, &format!(r#"{{"UserPoolId":"{POOL}","Limit":2}}"#));
    assert_eq!(page["Users"].as_array().unwrap().len(), 2);
    assert!(page["PaginationToken"].is_string() && page["Users"][0]["Attributes"].is_array());
    let providers = json(Operation::ListProviders, &format!(r#"{{"UserPoolId":"{POOL}","MaxResults":60}}"#));
    assert_eq!(providers["Providers"][2]["ProviderType"], "SAML");
    assert!(providers.get("NextToken").is_none());
    let pool = json(Operation::DescribePool, &format!(r#"{{"UserPoolId":"{POOL}"}}"#));
    assert_eq!(pool["UserPool"]["EstimatedNumberOfUsers"], 8);
    assert_eq!(pool["UserPool"]["UsernameConfiguration"]["CaseSensitive"], true);
}

#[test]
fn bodies_that_cannot_be_read_are_told_in_the_services_words() {
    for (operation, body, code, message) in [
        (Operation::GetUser, "nonsense", "SerializationException", "Start of structure or map expected."),
        (Operation::GetUser, "[]", "SerializationException", "Start of structure or map expected."),
        (
            Operation::GetUser,
            r#"{"Username":17}"#,
            "SerializationException",
            "NUMBER_VALUE can not be converted to a String",
        ),
        (
            Operation::ListUsers,
            r#"{"Limit":"7"}"#,
            "SerializationException",
            "STRING_VALUE can not be converted to an Integer",
        ),
        (
            Operation::ListUsers,
            r#"{"Limit":-1}"#,
            "InvalidParameterException",
            "1 validation error detected: Value '-1' at 'limit' failed to satisfy constraint: Member must have value \
             greater than or equal to 0",
        ),
        (Operation::LinkProvider, r#"{"SourceUser":[]}"#, "SerializationException", "Unexpected field type"),
    ] {
        let error = wire::decode(operation, body.as_bytes()).err().unwrap();
        assert_eq!((error.code, error.message.as_str()), (code, message), "{body}");
    }
}
