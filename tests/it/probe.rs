//! `probe`: against the simulator it detects exactly the behaviors that were chosen, and it leaves no pool behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;

use cognito_link::clock::Clock;
use cognito_link::commands::probe::{Probe, ProbeFinding, ProbeReport, ProbeStop, ProbeVerdict};
use cognito_link::domain::run::Signal;
use cognito_link::limits;
use cognito_link::seed::Rng;
use cognito_link::service::assumptions::ASSUMPTIONS;
use cognito_link::service::probe::{
    ProbeCall, ProbeFacts, ProbeIdentity, ProbePool, ProbeService, ProbeUser, WriteForm,
};
use cognito_link::service::{Answer, AnswerMeta, CallFault, PortFuture, Transport};
use cognito_sim::{
    Account, Answer as SimulatedAnswer, Behavior, FaultPlan, NewUser, Pool, PoolSettings, SharedAccount,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::harness::{Fate, Finished, Home, POOL, Proxy, Running, Simulator, give_credentials, wait_for};

const START: i64 = 1_795_000_000_000;
/// Random sets of behaviors, each in virtual time.
const SETS: u64 = 150;

/// What stands before the simulated service: it may answer a call itself, by its operation and its number, from 1.
type Interceptor = fn(&str, usize) -> Option<ProbeFacts>;

/// The probe's port over a simulated account in this process.
struct InProcessProbe {
    account: SharedAccount,
    clock: Clock,
    intercept: Interceptor,
    /// Calls of each operation.
    calls: Mutex<BTreeMap<&'static str, usize>>,
}

impl ProbeService for InProcessProbe {
    fn call(&self, call: ProbeCall) -> PortFuture<'_, ProbeFacts> {
        Box::pin(async move {
            let operation = call.operation();
            let number = {
                let mut calls = self.calls.lock().unwrap();
                let number = calls.entry(operation).or_default();
                *number += 1;
                *number
            };
            if let Some(value) = (self.intercept)(operation, number) {
                return Ok(Answer { value, meta: AnswerMeta::default() });
            }
            let is_write = matches!(call, ProbeCall::Link { .. } | ProbeCall::Unlink { .. });
            let body = body_of(call).to_string();
            match self.account.call(self.clock.unix_ms(), operation, body.as_bytes()).await {
                SimulatedAnswer::Complete(response) => {
                    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
                    let answer = read(response.status, &body);
                    if is_write { answer.map(|answer| Answer { value: success(), ..answer }) } else { answer }
                }
                _ => Err(CallFault::Transport { kind: Transport::Broken, detail: "closed".to_owned() }),
            }
        })
    }
}

/// The answer to a link or an unlink, as it should be.
fn success() -> ProbeFacts {
    ProbeFacts::Written(WriteForm { text: "200".to_owned(), doubt: None })
}

fn body_of(call: ProbeCall) -> Value {
    let identity = |identity: ProbeIdentity| {
        json!({
            "ProviderName": identity.provider,
            "ProviderAttributeName": identity.attribute,
            "ProviderAttributeValue": identity.value,
        })
    };
    let object =
        |pairs: &[(&str, String)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    match call {
        ProbeCall::CreatePool { name, case_sensitive, email_alias } => json!({
            "PoolName": name,
            "UsernameConfiguration": { "CaseSensitive": case_sensitive },
            "AliasAttributes": if email_alias { vec!["email"] } else { vec![] },
        }),
        ProbeCall::DeletePool { pool } => json!({ "UserPoolId": pool }),
        ProbeCall::ListPools { token: None } => json!({ "MaxResults": 60 }),
        ProbeCall::ListPools { token } => json!({ "MaxResults": 60, "NextToken": token }),
        ProbeCall::CreateProvider { pool, name, kind } => {
            let mapping: Vec<_> = kind.mapping().iter().map(|(name, claim)| (*name, (*claim).to_owned())).collect();
            json!({
                "UserPoolId": pool,
                "ProviderName": name,
                "ProviderType": kind.as_str(),
                "ProviderDetails": Value::Object(object(&kind.details())),
                "AttributeMapping": Value::Object(object(&mapping)),
            })
        }
        ProbeCall::CreateUser { pool, username, email } => {
            let attribute = |name: &str, value: &str| json!({ "Name": name, "Value": value });
            let attributes = email.map(|email| vec![attribute("email", &email), attribute("email_verified", "true")]);
            json!({
                "UserPoolId": pool,
                "Username": username,
                "MessageAction": "SUPPRESS",
                "UserAttributes": attributes.unwrap_or_default(),
            })
        }
        ProbeCall::DisableUser { pool, username } | ProbeCall::GetUser { pool, username } => {
            json!({ "UserPoolId": pool, "Username": username })
        }
        ProbeCall::Link { pool, destination, source } => json!({
            "UserPoolId": pool,
            "DestinationUser": { "ProviderName": "Cognito", "ProviderAttributeValue": destination },
            "SourceUser": identity(source),
        }),
        ProbeCall::Unlink { pool, identity: unlinked } => json!({ "UserPoolId": pool, "User": identity(unlinked) }),
        ProbeCall::ListUsers { pool, filter, token } => {
            let mut body = json!({ "UserPoolId": pool, "Limit": 60 });
            for (name, value) in [("Filter", filter), ("PaginationToken", token)] {
                if let Some(value) = value {
                    body[name] = json!(value);
                }
            }
            body
        }
    }
}

fn read(status: u16, body: &Value) -> Result<Answer<ProbeFacts>, CallFault> {
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    if status != 200 {
        let (code, message) = (text("__type"), text("message"));
        return Err(CallFault::Answered { status, code, message, retry_after: None, meta: AnswerMeta::default() });
    }
    let value = if let Some(id) = body["UserPool"]["Id"].as_str() {
        let name = body["UserPool"]["Name"].as_str().unwrap_or_default().to_owned();
        ProbeFacts::Pool(ProbePool { id: id.to_owned(), name })
    } else if let Some(pools) = body["UserPools"].as_array() {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let pools = pools.iter().map(|pool| ProbePool { id: text(&pool["Id"]), name: text(&pool["Name"]) }).collect();
        ProbeFacts::Pools { pools, next_token: body["NextToken"].as_str().map(str::to_owned) }
    } else if body["UserAttributes"].is_array() {
        ProbeFacts::Users { users: vec![read_user(body, "UserAttributes")], next_token: None }
    } else if let Some(users) = body["Users"].as_array() {
        let users = users.iter().map(|user| read_user(user, "Attributes")).collect();
        ProbeFacts::Users { users, next_token: body["PaginationToken"].as_str().map(str::to_owned) }
    } else if body["User"].is_object() {
        ProbeFacts::Users { users: vec![read_user(&body["User"], "Attributes")], next_token: None }
    } else {
        ProbeFacts::Done
    };
    Ok(Answer { value, meta: AnswerMeta::default() })
}

fn read_user(user: &Value, attributes: &str) -> ProbeUser {
    let value = |name: &str| {
        let held = user[attributes].as_array().into_iter().flatten().find(|held| held["Name"] == name);
        held.and_then(|held| held["Value"].as_str()).unwrap_or_default().to_owned()
    };
    let username = user["Username"].as_str().unwrap_or_default().to_owned();
    ProbeUser { username, sub: value("sub"), identities: value("identities") }
}

/// Probes an account in virtual time. Returns the account's pools at the end as well.
fn probe(account: Account, seed: u64, signal_after_ms: Option<u64>) -> (ProbeReport, usize) {
    let (report, names) = probe_behind(account, seed, signal_after_ms, |_, _| None);
    (report, names.len())
}

const NAME: &str = "cognito-link-probe-test";

/// Returns the report, and the names of the account's pools at the end.
fn probe_behind(
    account: Account,
    seed: u64,
    signal_after_ms: Option<u64>,
    intercept: Interceptor,
) -> (ProbeReport, Vec<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let clock = Clock::starting_at(START);
        let service =
            InProcessProbe { account: SharedAccount::new(account), clock, intercept, calls: Mutex::default() };
        let (sender, mut signals) = mpsc::channel(1);
        let interrupter = sender.clone();
        if let Some(after_ms) = signal_after_ms {
            tokio::spawn(async move {
                cognito_link::clock::sleep(std::time::Duration::from_millis(after_ms)).await;
                let _ = interrupter.send(Signal::Interrupt).await;
            });
        }
        let probe = Probe { name: NAME, calls_per_second: limits::PROBE_RATE_PER_SECOND, seed, clock };
        let report = probe.run(&service, &mut signals).await;
        drop(sender);
        let (mut names, mut token) = (Vec::new(), None);
        loop {
            // Faults may meet this call as well, up to a number.
            let body = body_of(ProbeCall::ListPools { token: token.clone() }).to_string();
            let listed = service.account.call(clock.unix_ms(), "ListUserPools", body.as_bytes()).await;
            let SimulatedAnswer::Complete(listed) = listed else { continue };
            let listed: Value = serde_json::from_slice(&listed.body).unwrap();
            let Some(pools) = listed["UserPools"].as_array() else { continue };
            names.extend(pools.iter().map(|pool| pool["Name"].as_str().unwrap_or_default().to_owned()));
            token = listed["NextToken"].as_str().map(str::to_owned);
            if token.is_none() {
                return (report, names);
            }
        }
    })
}

/// A line for each finding.
fn told(report: &ProbeReport) -> String {
    match &report.outcome {
        Err(stop) => format!("{stop:?}, {} calls", report.calls),
        Ok(findings) => {
            let line = |finding: &ProbeFinding| {
                format!("{} {}: {}\n", finding.verdict.as_str(), finding.assumption.id, finding.answer)
            };
            findings.iter().map(line).collect::<String>() + &format!("{} calls, {:?}", report.calls, report.left)
        }
    }
}

fn account(behaviors: &[Behavior], seed: u64) -> Account {
    Account::new(seed).with_behaviors(behaviors.iter().copied())
}

/// Whether the calls of a probe show this behavior.
fn is_detected(behavior: Behavior) -> bool {
    ASSUMPTIONS.iter().any(|assumption| assumption.detected.iter().any(|name| name == behavior.name()))
}

/// Behaviors of which only one can be seen at a time: the first in this list hides the others.
const ALTERNATIVES: &[&[Behavior]] = &[
    &[Behavior::HeldMoves, Behavior::HeldIsMerging, Behavior::HeldIsAliasExists],
    &[Behavior::RepeatSucceeds, Behavior::OldAlreadyLinkedText],
    &[Behavior::DatesAbsent, Behavior::DatesInSeconds],
];

/// Checks that a probe detects these behaviors, and no others of those that it can detect.
#[track_caller]
fn detects(behaviors: &[Behavior], seed: u64) {
    let names: Vec<&str> = behaviors.iter().map(|behavior| behavior.name()).collect();
    let (report, pools) = probe(account(behaviors, seed), seed, None);
    let expected: BTreeSet<&str> =
        behaviors.iter().filter(|behavior| is_detected(**behavior)).map(|behavior| behavior.name()).collect();
    let found: BTreeSet<&str> = report.behaviors().into_iter().collect();
    assert_eq!(found, expected, "seed {seed}, {names:?}: {}", told(&report));
    assert_eq!((pools, report.left.len()), (0, 0), "seed {seed}, {names:?}: {}", told(&report));
    assert!(report.calls < limits::PROBE_CALLS_MAX, "{names:?}: {} calls", report.calls);
}

#[test]
fn a_service_as_assumed_agrees_with_everything_that_was_asked() {
    let (report, _) = probe(account(&[], 1), 1, None);
    for finding in report.outcome.as_ref().unwrap() {
        let expected = match finding.assumption.by_hand {
            None => ProbeVerdict::Agrees,
            Some(_) => ProbeVerdict::CouldNotTell,
        };
        assert_eq!(finding.verdict, expected, "{}", told(&report));
    }
    detects(&[], 1);
    let usual = limits::PROBE_CALLS_USUAL;
    assert!((usual - 5..=usual + 5).contains(&report.calls), "{} calls", report.calls);
}

#[test]
fn each_behavior_alone_is_detected() {
    for (behavior, seed) in Behavior::ALL.iter().zip(1..) {
        detects(&[*behavior], seed);
    }
}

#[test]
fn random_sets_of_behaviors_are_detected() {
    // More of them by a variable, for a long run.
    let sets = std::env::var("PROBE_SETS").ok().and_then(|text| text.parse().ok()).unwrap_or(SETS);
    for seed in 1..=sets {
        let mut rng = Rng::new(seed);
        let chance = 0.1 + 0.6 * rng.unit();
        let mut chosen: Vec<Behavior> = Behavior::ALL.iter().copied().filter(|_| rng.chance(chance)).collect();
        for group in ALTERNATIVES {
            let kept = group.iter().find(|behavior| chosen.contains(behavior));
            chosen.retain(|behavior| !group.contains(behavior) || Some(behavior) == kept);
        }
        detects(&chosen, seed);
    }
}

#[test]
fn a_signal_at_any_time_leaves_no_pool() {
    for after_ms in (0..12_600).step_by(350) {
        let (report, pools) = probe(account(&[], 1), 1, Some(after_ms));
        assert_eq!(report.outcome, Err(ProbeStop::Interrupted(Signal::Interrupt)), "after {after_ms} ms");
        assert_eq!((pools, report.left.len(), report.unanswered.len()), (0, 0, 0), "after {after_ms} ms");
    }
}

#[test]
fn faults_leave_questions_open_and_no_pool() {
    for (faults, seed) in [
        ("throttled@20%", 1),
        ("lost-after@1%", 2),
        ("error-after@20%:AdminLinkProviderForUser", 3),
        ("lost-before@30%:DeleteUserPool", 4),
        ("access-denied@1..:AdminDisableUser", 5),
        ("access-denied@1..:AdminLinkProviderForUser", 6),
        ("error-before@1..:ListUsers", 7),
        ("access-denied@1..:CreateIdentityProvider", 8),
    ] {
        let account = account(&[], seed).with_faults(FaultPlan::parse(faults).unwrap());
        let (report, pools) = probe(account, seed, None);
        assert_eq!(pools, report.left.len() + report.unanswered.len(), "{faults}: {}", told(&report));
        // Nothing is called different because of a fault.
        assert_eq!(report.behaviors(), Vec::<&str>::new(), "{faults}: {}", told(&report));
    }
}

#[test]
fn a_pool_that_cannot_be_deleted_is_reported() {
    for faults in ["access-denied@1..:DeleteUserPool", "error-before@1..:DeleteUserPool"] {
        let account = account(&[], 1).with_faults(FaultPlan::parse(faults).unwrap());
        let (report, pools) = probe(account, 1, None);
        assert_eq!((report.outcome.is_ok(), report.left.len(), pools), (true, 2, 2), "{}", told(&report));
    }
}

#[test]
fn a_pool_whose_creation_was_not_answered_is_found_by_its_name_and_deleted() {
    let faults = |plan: &str| FaultPlan::parse(plan).unwrap();
    for (plan, left) in [
        ("lost-after@1:CreateUserPool", 0),
        ("lost-after@2:CreateUserPool", 0),
        ("error-after@1:CreateUserPool", 0),
        ("lost-after@1:CreateUserPool\nlost-after@1..3:ListUserPools", 0),
        ("lost-after@1:CreateUserPool\nthrottled@1..2:ListUserPools", 0),
        ("lost-after@1:CreateUserPool\naccess-denied@1:ListUserPools", 1),
        ("lost-after@1:CreateUserPool\nlost-before@1..4:ListUserPools", 1),
    ] {
        let (report, pools) = probe(account(&[], 1).with_faults(faults(plan)), 1, None);
        assert_eq!((report.outcome.is_err(), report.unanswered.len(), pools), (true, left, left), "{plan}: {report:?}");
        assert_eq!(report.left, [], "{plan}");
        if let Some(unanswered) = report.unanswered.first() {
            assert!(unanswered.name == NAME && unanswered.why.starts_with("ListUserPools: "), "{unanswered:?}");
        }
    }
    // It was never made, which no list proves.
    let (report, pools) = probe(account(&[], 1).with_faults(faults("lost-before@1:CreateUserPool")), 1, None);
    assert_eq!((report.unanswered.len(), pools), (1, 0), "{report:?}");
    assert_eq!(report.unanswered[0].why, "ListUserPools did not show it in 4 attempts");
}

#[test]
fn only_the_pool_with_exactly_its_name_is_deleted() {
    let pool = |number: usize, name: String| {
        Pool::new(PoolSettings { name, ..PoolSettings::new(&format!("sim-local-1_Other{number:04}")) })
    };
    let others = || {
        let names = (0..130).map(|number| format!("other-{number}"));
        let names = names.chain([format!("{NAME}-3"), NAME.to_uppercase(), format!(" {NAME}")]);
        let account = account(&[], 1).with_faults(FaultPlan::parse("lost-after@1:CreateUserPool").unwrap());
        names.enumerate().fold(account, |account, (number, name)| account.with_pool(pool(number, name)))
    };
    let (report, names) = probe_behind(others(), 1, None, |_, _| None);
    assert_eq!((report.unanswered.len(), report.left.len()), (0, 0), "{report:?}");
    assert_eq!(names.len(), 133, "three pages, and no other pool is gone");
    assert!(!names.contains(&NAME.to_owned()));
    // A second pool of the name, as of a probe with the same seed: neither is certainly ours.
    let two = others().with_pool(pool(1_000, NAME.to_owned()));
    let (report, names) = probe_behind(two, 1, None, |_, _| None);
    assert_eq!(names.iter().filter(|name| *name == NAME).count(), 2);
    assert_eq!(report.unanswered[0].why, "2 pools have this name");
}

#[test]
fn a_pool_that_was_there_before_is_neither_written_to_nor_deleted() {
    const OTHERS: &str = "sim-local-1_Other0001";
    fn answer(name: &str) -> ProbeFacts {
        ProbeFacts::Pool(ProbePool { id: OTHERS.to_owned(), name: name.to_owned() })
    }
    // As an emulator with one fixed pool may answer.
    let another_name: Interceptor = |operation, _| (operation == "CreateUserPool").then(|| answer("production"));
    let with_users: Interceptor = |operation, _| (operation == "CreateUserPool").then(|| answer(NAME));
    let twice: Interceptor = |operation, number| match (operation, number) {
        ("CreateUserPool", 1) => Some(answer(NAME)),
        ("CreateUserPool", _) => Some(answer(&format!("{NAME}-2"))),
        _ => None,
    };
    for (what, users, intercept) in [
        ("is named production", 1, another_name),
        ("has users", 1, with_users),
        ("is the answer to two calls", 0, twice),
    ] {
        let mut pool = Pool::new(PoolSettings { name: "production".to_owned(), ..PoolSettings::new(OTHERS) });
        for number in 0..users {
            pool.add_user(NewUser::named(&format!("user-{number}"))).unwrap();
        }
        let (report, names) = probe_behind(account(&[], 1).with_pool(pool), 1, None, intercept);
        let Err(ProbeStop::Failed(stop)) = &report.outcome else { panic!("{what}: {report:?}") };
        assert!(stop.printable_detail(true).contains(what), "{what}: {stop:?}");
        assert_eq!(
            (names, report.left.len(), report.unanswered.len()),
            (vec!["production".to_owned()], 0, 0),
            "{what}"
        );
        assert!(report.calls <= 3, "{what}: {} calls, two of them for pools and one that reads", report.calls);
    }
}

/// The verdicts, answers and switches of a report, by assumption.
fn findings(report: &ProbeReport) -> BTreeMap<&str, (ProbeVerdict, &str)> {
    let findings = report.outcome.as_ref().unwrap().iter();
    findings.map(|found| (found.assumption.id.as_str(), (found.verdict, found.answer.as_str()))).collect()
}

#[test]
fn a_success_that_is_none_is_an_answer_of_its_own_and_no_switch_is_named() {
    let rest_on_no_link = ["success-made", "name-case", "filter-escape", "name-32", "sub-prefix"];
    let all: Interceptor = |operation, _| (operation == "AdminLinkProviderForUser").then(success);
    let every_other: Interceptor =
        |operation, number| (operation == "AdminLinkProviderForUser" && number % 2 == 0).then(success);
    let without_reads: Interceptor = |operation, _| match operation {
        "AdminLinkProviderForUser" => Some(success()),
        "AdminGetUser" => Some(ProbeFacts::Users { users: Vec::new(), next_token: None }),
        _ => None,
    };
    for (name, intercept) in [("all", all), ("every other", every_other), ("without reads", without_reads)] {
        for seed in 1..=8 {
            let (report, pools) = probe_behind(account(&[], seed), seed, None, intercept);
            assert_eq!((report.behaviors(), pools), (vec![], vec![]), "{name}, {seed}: {}", told(&report));
            let findings = findings(&report);
            let (verdict, answer) = findings["success-made"];
            assert_eq!(verdict, ProbeVerdict::Differs, "{name}: {}", told(&report));
            assert!(answer.ends_with("links that were answered with success are not there"), "{answer}");
            for (id, (verdict, answer)) in &findings {
                let is_sure = rest_on_no_link.contains(id);
                assert_eq!(*verdict == ProbeVerdict::CouldNotTell, !is_sure, "{name}, {id}: {answer}");
            }
        }
    }
}

#[test]
fn an_unlink_without_effect_differs() {
    let intercept: Interceptor = |operation, _| (operation == "AdminDisableProviderForUser").then(success);
    let (report, _) = probe_behind(account(&[], 1), 1, None, intercept);
    let (verdict, answer) = findings(&report)["success-made"];
    assert!(verdict == ProbeVerdict::Differs && answer.contains("is there still"), "{answer}");
    assert_eq!(report.behaviors(), Vec::<&str>::new());
}

#[test]
fn without_a_right_to_read_users_no_switch_is_named_that_was_not_seen() {
    let every_link = [
        Behavior::RepeatSucceeds,
        Behavior::DestinationByAlias,
        Behavior::LengthCountsValueOnly,
        Behavior::AttributeLinksHidden,
        Behavior::DatesAbsent,
        Behavior::ListLag40s,
    ];
    let denied = "access-denied@1..:AdminGetUser\naccess-denied@1..:ListUsers";
    let account_denied = account(&every_link, 1).with_faults(FaultPlan::parse(denied).unwrap());
    let (report, _) = probe(account_denied, 1, None);
    assert_eq!(report.behaviors(), Vec::<&str>::new(), "{}", told(&report));
    assert_eq!(findings(&report)["success-made"].0, ProbeVerdict::CouldNotTell);
    // One of both reads is enough.
    for denied in ["access-denied@1..:AdminGetUser", "access-denied@1..:ListUsers"] {
        let account = account(&[], 1).with_faults(FaultPlan::parse(denied).unwrap());
        let (report, _) = probe(account, 1, None);
        let (_, answer) = findings(&report)["success-made"];
        assert!(answer.contains("links are there"), "{}", told(&report));
    }
}

#[test]
fn a_list_that_shows_no_link_for_a_minute_lags_only_where_the_user_has_the_link() {
    let lagging = || Account::new(1).with_list_lag_ms(90_000);
    let (report, _) = probe(lagging(), 1, None);
    assert_eq!(report.behaviors(), ["list-lag-40s"], "{}", told(&report));
    let denied = lagging().with_faults(FaultPlan::parse("access-denied@1..:AdminGetUser").unwrap());
    let (report, _) = probe(denied, 1, None);
    assert_eq!(report.behaviors(), Vec::<&str>::new(), "{}", told(&report));
}

// The table and its page.

#[test]
fn the_table_names_every_behavior_of_the_simulator_once() {
    for behavior in Behavior::ALL {
        let of = ASSUMPTIONS.iter().find(|assumption| assumption.id == behavior.assumption());
        let of = of.unwrap_or_else(|| panic!("{} is not there", behavior.assumption()));
        let named = of.detected.iter().chain(&of.undetected).filter(|name| **name == behavior.name());
        assert_eq!(named.count(), 1, "{}: {}", of.id, behavior.name());
    }
    let named: usize =
        ASSUMPTIONS.iter().map(|assumption| assumption.detected.len() + assumption.undetected.len()).sum();
    assert_eq!(named, Behavior::ALL.len());
    let ids: BTreeSet<&str> = ASSUMPTIONS.iter().map(|assumption| assumption.id.as_str()).collect();
    assert_eq!((ids.len(), ASSUMPTIONS.len()), (22, 22));
}

const PAGE: &str = "docs/assumptions.md";
/// Set to anything, it lets the test write the page.
const UPDATE: &str = "UPDATE_DOCS";

#[test]
fn the_page_of_assumptions_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = page_of_assumptions();
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "{PAGE} is not what the table says: run this test with {UPDATE}=1");
}

fn page_of_assumptions() -> String {
    let mut page = "# Assumptions about the service\n\n".to_owned();
    page.push_str(&wrapped(
        "",
        "Nothing here has been proven against the live service. This page lists what the program assumes, where each \
         assumption comes from, and what the program does if it is wrong. A row may end in doubt or refused with the \
         service's own words, and undo never takes a link whose date is before our announcement. Where lists lag by more \
         than a minute, or a refusal hides that the link was made, a ledger can claim less than is true; where a success is \
         answered to a link that was not made, it can claim more. [Reliability](reliability.md#what-stays-open-and-why) \
         has the known cases.",
    ));
    page.push('\n');
    page.push_str(&wrapped(
        "",
        "[`cognito-link probe`](commands.md#probe) asks your account's service the questions. The switches are the names \
         that `--behavior` of the [simulator](simulator.md#undocumented-behavior) takes: each stands for another answer. \
         Of those marked with a sign-in, `probe` cannot know, because the API has no federated sign-in.",
    ));
    page.push('\n');
    page.push_str(&wrapped("", "This page is generated from the table in `src/service/assumptions.toml`."));
    for assumption in ASSUMPTIONS.iter() {
        let _ = writeln!(page, "\n## {}\n", assumption.id);
        page.push_str(&wrapped("", &assumption.assumed));
        page.push('\n');
        let mut items = vec![
            format!("Evidence: {}", assumption.evidence),
            format!("If it holds: {}", assumption.if_it_holds),
            format!("If not: {}", assumption.if_not),
        ];
        let question = &assumption.question;
        items.push(match &assumption.by_hand {
            None => format!("`probe` asks: {question}"),
            Some(by_hand) => format!("Needs a sign-in: {question} {by_hand}"),
        });
        let detected = assumption.detected.iter().map(|name| format!("`{name}`"));
        let undetected = assumption.undetected.iter().map(|name| format!("`{name}` (sign-in)"));
        let switches: Vec<String> = detected.chain(undetected).collect();
        if !switches.is_empty() {
            items.push(format!("Switches: {}", switches.join(", ")));
        }
        for item in items {
            page.push_str(&wrapped("- ", &item));
        }
    }
    page
}

/// Lines of at most 100 columns; those after the first of an item are indented.
fn wrapped(bullet: &str, text: &str) -> String {
    let indent = " ".repeat(bullet.len());
    let (mut lines, mut line) = (String::new(), bullet.to_owned());
    for word in text.split_whitespace() {
        let is_empty = line.trim_start_matches("- ").trim().is_empty();
        if !is_empty && line.chars().count() + 1 + word.chars().count() > 100 {
            lines.push_str(&line);
            lines.push('\n');
            line.clone_from(&indent);
            line.push_str(word);
        } else {
            if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines + &line + "\n"
}

// The built program, over HTTP with the real SDK.

fn start(home: &Home, simulator: &Simulator, arguments: &[&str]) -> Running {
    let options = ["probe", "--region", "sim-local-1", "--endpoint-url", &simulator.url];
    let mut program = home.program(&[&options, arguments].concat());
    give_credentials(&mut program);
    Running::start(program)
}

fn run(home: &Home, simulator: &Simulator, arguments: &[&str]) -> Finished {
    start(home, simulator, arguments).wait()
}

#[test]
fn over_http_it_prints_and_saves_what_it_found() {
    let home = Home::new();
    let chosen = ["repeat-succeeds", "dates-in-seconds"];
    let behaviors: Vec<&str> = chosen.iter().flat_map(|name| ["--behavior", name]).collect();
    let simulator = Simulator::start(&home, &[&["--latency", "off", "--quota", "off"][..], &behaviors].concat());
    let options = ["--yes", "--rate", "1000", "--save", "behaviors.txt"];
    let finished = run(&home, &simulator, &options).left_with(0);
    assert_eq!(home.read("behaviors.txt"), "repeat-succeeds\ndates-in-seconds\n");
    assert!(finished.stdout.contains("differs         repeat-refused: Is a repeated link refused?\n    answer:   200"));
    assert!(
        finished.stdout.ends_with("with: --behavior repeat-succeeds --behavior dates-in-seconds\n"),
        "{finished:#?}"
    );
    for part in ["free tier", "IAM actions: cognito-idp:CreateUserPool, ", "at most 200", "is left; "] {
        assert!(finished.stderr.contains(part), "{part}: {finished:#?}");
    }
    let report = run(&home, &simulator, &["--yes", "--rate", "1000", "--output", "json"]).left_with(0).stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["behaviors"], json!(["repeat-succeeds", "dates-in-seconds"]));
    assert_eq!((&report["kind"], &report["pools_left"]), (&json!("probe_report"), &json!([])));
    assert_eq!(simulator.calls("CreateUserPool"), simulator.calls("DeleteUserPool"));
    assert_eq!(simulator.calls("CreateUserPool"), 4);
}

/// Leaves out the lines of a head that begin with a name, in lower case.
fn without(head: &str, name: &str) -> String {
    let kept = head.split_inclusive("\r\n").filter(|line| !line.to_lowercase().starts_with(name));
    kept.collect()
}

fn emptied(head: &str, body: &str) -> String {
    if body != "{}" {
        return format!("{head}{body}");
    }
    without(head, "content-length").replace("\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n")
}

#[test]
fn a_success_has_the_form_that_link_takes_for_one_or_the_table_says_what_is_missing() {
    type Rewrite = fn(&str, &str) -> String;
    let home = Home::new();
    let simulator = Simulator::start(&home, &["--latency", "off", "--quota", "off"]);
    let whole: Rewrite = |head, body| format!("{head}{body}");
    let nameless: Rewrite = |head, body| without(head, "x-amzn-requestid") + body;
    let typeless: Rewrite = |head, body| without(head, "content-type") + body;
    for (rewrite, result, part) in [
        (whole, "agrees", "link: 200, a JSON content type, a request ID, the body {}; unlink: 200, a JSON"),
        (emptied, "differs", "unlink: 200, a JSON content type, a request ID, no body: the response has no empty JSON"),
        (nameless, "differs", "no request ID, the body {}: the response has no request ID"),
        (typeless, "differs", "no JSON content type, a request ID, the body {}: the response has no JSON content type"),
    ] {
        let operation = "ProviderForUser";
        let proxy = Proxy::before(operation, simulator.address(), move |_, _| Fate::Rewritten(rewrite));
        let options = ["probe", "--region", "sim-local-1", "--yes", "--rate", "1000", "--output", "json"];
        let mut program = home.program(&[&options[..], &["--endpoint-url", &proxy.url]].concat());
        give_credentials(&mut program);
        let report: Value = serde_json::from_str(&Running::start(program).wait().left_with(0).stdout).unwrap();
        let findings = report["assumptions"].as_array().unwrap();
        let finding = |id: &str| findings.iter().find(|finding| finding["assumption"] == id).unwrap().clone();
        let form = finding("success-form");
        assert_eq!(form["result"], result, "{form}");
        assert!(form["answer"].as_str().unwrap().contains(part), "{form}");
        assert_eq!(finding("success-made")["result"], "agrees");
        assert_eq!(report["behaviors"], json!([]));
    }
}

#[test]
fn plain_http_to_another_machine_takes_the_option_that_the_message_names() {
    let home = Home::new();
    let probe = |option: &[&str]| {
        let start = ["probe", "--region", "us-east-1", "--endpoint-url", "http://pool.invalid:4566"];
        let mut program = home.program(&[&start, option].concat());
        give_credentials(&mut program);
        Running::start(program).wait()
    };
    probe(&["--yes"]).refused_with(2, "--allow-insecure-endpoint");
    let asked = probe(&["--allow-insecure-endpoint"]).refused_with(2, "create the scratch pools");
    assert!(asked.stderr.contains(" --allow-insecure-endpoint --yes`"), "{asked:#?}");
}

#[test]
fn a_signal_ends_it_after_the_pools_are_deleted() {
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let home = Home::new();
        let simulator = Simulator::start(&home, &["--latency", "off", "--quota", "off"]);
        let running = start(&home, &simulator, &["--yes", "--rate", "20"]);
        wait_for("a call to a scratch pool", || (simulator.calls("AdminCreateUser") > 2).then_some(()));
        running.signal(signal);
        let finished = running.wait().left_with(status);
        assert!(finished.stderr.contains("is left; "), "{finished:#?}");
        assert_eq!((simulator.calls("CreateUserPool"), simulator.calls("DeleteUserPool")), (2, 2));
    }
}

#[test]
fn what_is_left_is_named_with_the_command_that_deletes_it() {
    let home = Home::new();
    let fault = ["--fault", "access-denied@1..:DeleteUserPool"];
    let simulator = Simulator::start(&home, &[&["--latency", "off", "--quota", "off"][..], &fault].concat());
    let finished = run(&home, &simulator, &["--yes", "--rate", "1000"]).left_with(7);
    let commands = finished.stderr.matches("aws cognito-idp delete-user-pool --user-pool-id sim-local-1_");
    assert_eq!(commands.count(), 2, "{finished:#?}");
    assert!(finished.stderr.contains(&format!(" --region sim-local-1 --endpoint-url {}", simulator.url)));
}

#[test]
fn open_questions_for_want_of_a_right_are_no_success() {
    let home = Home::new();
    let fault = ["--fault", "access-denied@1..:AdminLinkProviderForUser"];
    let simulator = Simulator::start(&home, &[&["--latency", "off", "--quota", "off"][..], &fault].concat());
    let finished = run(&home, &simulator, &["--yes", "--rate", "1000", "--output", "json"]).left_with(7);
    let report: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!((&report["error"]["code"], &report["pools_left"]), (&json!("access_denied"), &json!([])), "{report:#}");
    assert!(finished.stderr.contains("cognito-idp:AdminLinkProviderForUser are open"), "{finished:#?}");
}

#[test]
fn it_asks_first_and_takes_no_pool() {
    let home = Home::new();
    let simulator = Simulator::start(&home, &["--latency", "off"]);
    let preview = run(&home, &simulator, &[]).refused_with(2, "create the scratch pools cognito-link-probe-");
    assert!(preview.stderr.contains("to do it: `cognito-link probe ") && preview.stderr.contains(" --yes`"));
    assert!(preview.stderr.contains("IAM actions: "), "{preview:#?}");
    run(&home, &simulator, &["--yes", "--user-pool-id", POOL]).refused_with(2, "--user-pool-id");
    home.run(&["probe", "--yes"]).refused_with(2, "--region");
    run(&home, &simulator, &["--yes", "--rate", "0"]).refused_with(2, "--rate");
    assert_eq!(simulator.calls("CreateUserPool"), 0);
    let mut denied = home.program(&["probe", "--yes", "--region", "us-east-1", "--endpoint-url", "http://127.0.0.1:1"]);
    give_credentials(&mut denied);
    let finished = Running::start(denied).wait().left_with(7);
    assert!(finished.stderr.contains("CreateUserPool: the service cannot be reached"), "{finished:#?}");
}
