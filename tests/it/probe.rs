//! `probe`: against the simulator it detects exactly the behaviors that were chosen, and it leaves no pool behind.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use cognito_link::clock::Clock;
use cognito_link::commands::probe::{Probe, ProbeFinding, ProbeReport, ProbeStop, ProbeVerdict};
use cognito_link::domain::run::Signal;
use cognito_link::limits;
use cognito_link::seed::Rng;
use cognito_link::service::assumptions::ASSUMPTIONS;
use cognito_link::service::probe::{ProbeCall, ProbeFacts, ProbeIdentity, ProbeService, ProbeUser};
use cognito_link::service::{Answer, AnswerMeta, CallFault, PortFuture, Transport};
use cognito_sim::{Account, Answer as SimulatedAnswer, Behavior, FaultPlan, SharedAccount};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::harness::{Finished, Home, POOL, Running, Simulator, give_credentials, wait_for};

const START: i64 = 1_795_000_000_000;
/// Random sets of behaviors, each in virtual time.
const SETS: u64 = 150;

/// The probe's port over a simulated account in this process.
struct InProcessProbe {
    account: SharedAccount,
    clock: Clock,
}

impl ProbeService for InProcessProbe {
    fn call(&self, call: ProbeCall) -> PortFuture<'_, ProbeFacts> {
        Box::pin(async move {
            let operation = call.operation();
            let body = body_of(call).to_string();
            match self.account.call(self.clock.unix_ms(), operation, body.as_bytes()).await {
                SimulatedAnswer::Complete(response) => {
                    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
                    read(response.status, &body)
                }
                _ => Err(CallFault::Transport { kind: Transport::Broken, detail: "closed".to_owned() }),
            }
        })
    }
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
        ProbeCall::DisableUser { pool, username } => json!({ "UserPoolId": pool, "Username": username }),
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
        ProbeFacts::Pool(id.to_owned())
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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let clock = Clock::starting_at(START);
        let service = InProcessProbe { account: SharedAccount::new(account), clock };
        let (sender, mut signals) = mpsc::channel(1);
        let interrupter = sender.clone();
        if let Some(after_ms) = signal_after_ms {
            tokio::spawn(async move {
                cognito_link::clock::sleep(std::time::Duration::from_millis(after_ms)).await;
                let _ = interrupter.send(Signal::Interrupt).await;
            });
        }
        let name = "cognito-link-probe-test";
        let probe = Probe { name, calls_per_second: limits::PROBE_RATE_PER_SECOND, seed, clock };
        let report = probe.run(&service, &mut signals).await;
        drop(sender);
        // Faults may meet this call as well.
        loop {
            let listed = service.account.call(clock.unix_ms(), "ListUserPools", br#"{"MaxResults":60}"#).await;
            let SimulatedAnswer::Complete(listed) = listed else { continue };
            let listed: Value = serde_json::from_slice(&listed.body).unwrap();
            if let Some(pools) = listed["UserPools"].as_array() {
                return (report, pools.len());
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
    let account = account(&[], 1).with_faults(FaultPlan::parse("lost-after@1:CreateUserPool").unwrap());
    let (report, pools) = probe(account, 1, None);
    assert_eq!((report.outcome.is_err(), report.unanswered.len(), pools), (true, 1, 1), "{}", told(&report));
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
    assert_eq!((ids.len(), ASSUMPTIONS.len()), (20, 20));
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
         assumption comes from, and what the program does if it is wrong. In every case the ledger stays true: a row may \
         end in doubt or refused with the service's own words, but it is never reported as linked where the link is not \
         there, and undo never takes a link that stood before.",
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
        items.push(format!("Switches: {}", switches.join(", ")));
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
        assert_eq!((simulator.calls("CreateUserPool"), simulator.calls("DeleteUserPool")), (1, 1));
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
