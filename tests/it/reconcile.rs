//! `reconcile` from outside: exactly the differences that are there, links made within bounds, nothing written unasked.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::{
    Fate, Finished, Gate, HELD_CALLS, Home, PASSING_CALLS, POOL, Proxy, Simulator, csv, pairs, resealed, wait_for,
};

/// A row for each standing, an extra link, and links of a provider that the file does not name.
const FILE: &str = "\
destination_username,destination_email,source_provider,source_value
alice,,Okta,00uAlice
bob,,Okta,00uBob
carol,,Okta,00uCarol
nobody,,Okta,00uNobody
frank,,Google,107438500000000000017
,grace@example.com,Okta,00uGrace
bob,,Okta, 00uBob
";

fn pool() -> String {
    let linked = |id: &str| json!({ "providerName": "Okta", "userId": id });
    let corp = json!({ "providerName": "Corp", "userId": "alice@corp" });
    let own = json!({ "providerName": "Google", "userId": "107438500000000000017", "primary": true });
    json!({
        "version": 1,
        "pool": { "id": POOL },
        "providers": [
            { "name": "Corp", "type": "SAML" }, { "name": "Google", "type": "Google" }, { "name": "Okta", "type": "OIDC" },
        ],
        "users": [
            { "username": "alice", "identities": [linked("00uAlice"), corp] },
            { "username": "bob" }, { "username": "carol" }, { "username": "frank" },
            { "username": "dave", "identities": [linked("00uCarol"), linked("00uExtra")] },
            { "username": "grace", "email": "grace@example.com", "attributes": { "email_verified": "true" }, "identities": [linked("00ugrace")] },
            { "username": "Google_107438500000000000017", "identities": [own, linked("00uOfShell")] },
        ],
    })
    .to_string()
}

fn start(home: &Home) -> Simulator {
    home.write("pool.json", pool());
    Simulator::start(home, &["--pool-file", "pool.json", "--latency", "off", "--quota", "off"])
}

fn reconcile(home: &Home, url: &str, arguments: &[&str]) -> Finished {
    home.on_pool("reconcile", url, arguments)
}

fn report(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:#?}"))
}

#[test]
fn exactly_the_differences_are_told_and_nothing_is_written() {
    let home = Home::new();
    let simulator = start(&home);
    home.write("p.csv", FILE);
    let options = ["p.csv", "--output", "json", "--combined", "c.txt"];
    let finished = reconcile(&home, &simulator.url, &options).left_with(3);
    let report = report(&finished);
    let rows =
        json!({ "read": 7, "linked": 1, "missing": 1, "moved": 1, "blocked": 3, "unverifiable": 0, "invalid": 1 });
    assert_eq!((&report["rows"], &report["changes"]), (&rows, &json!(1)), "{report}");
    let codes = json!({ "user_not_found": 1, "identity_has_profile": 1, "case_differs": 1 });
    assert_eq!((&report["refusals_by_code"], &report["drift"]), (&codes, &json!(true)));
    assert_eq!((&report["extra"], &report["providers_in_scope"]), (&json!(3), &json!(["Google", "Okta"])));
    let details: Vec<Value> =
        report["row_standings"].as_array().unwrap().iter().map(|row| json!([row["row"], row["standing"]])).collect();
    let expected =
        json!([[2, "missing"], [3, "moved"], [4, "blocked"], [5, "blocked"], [6, "blocked"], [7, "invalid"]]);
    assert_eq!(json!(details), expected);
    assert!(!finished.stdout.contains("00uExtra") && !finished.stdout.contains("dave"), "masked: {finished:#?}");

    let combined = home.read("c.txt");
    let symbols: String = combined.lines().map(|line| &line[..1]).collect();
    assert_eq!(symbols, "=+!????---", "{combined}");
    assert!(combined.contains("\n- dave,,Okta,Cognito_Subject,00uExtra\n"), "{combined}");
    assert!(combined.contains("- 107438500000000000017,Google,Okta,Cognito_Subject,00uOfShell\n"), "{combined}");
    assert!(combined.lines().nth(3).unwrap().ends_with(" user_not_found"), "{combined}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(home.path("c.txt")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);

    let stats = simulator.stats();
    let called: Vec<&String> = stats["operations"].as_object().unwrap().keys().collect();
    assert_eq!(called, ["DescribeUserPool", "ListIdentityProviders", "ListUsers"], "{stats}");
    let left: Vec<_> = std::fs::read_dir(home.path(".")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("ledger")), "{left:?}");
}

#[test]
fn drift_has_a_status_where_it_is_asked_for() {
    let home = Home::new();
    let simulator = start(&home);
    home.write("p.csv", FILE);
    let shown = reconcile(&home, &simulator.url, &["p.csv", "--exit-on-drift"]).left_with(5).stdout;
    assert!(shown.starts_with("linked              1\nmissing             1\nmoved               1\n"), "{shown}");
    assert!(shown.contains("blocked user_not_found") && shown.contains("\nextra Okta 0***a on ***\n"), "{shown}");
    // The whole pool as a file: no drift.
    home.on_pool("export", &simulator.url, &["-o", "all.csv"]).left_with(0);
    let shown = reconcile(&home, &simulator.url, &["all.csv", "--exit-on-drift"]).left_with(0).stdout;
    assert!(shown.starts_with("linked              6\n---"), "{shown}");
    // Another provider in scope finds what it has besides.
    let corp = ["p.csv", "--provider", "Corp", "--output", "json"];
    assert_eq!(report(&reconcile(&home, &simulator.url, &corp).left_with(3))["extra"], 1);
    reconcile(&home, &simulator.url, &["p.csv", "--provider", "corp"]).refused_with(2, "it has Corp, Google, Okta");
    reconcile(&home, &simulator.url, &["p.csv", "--max-changes-pct", "101"]).refused_with(2, "from 0 to 100");
    assert_eq!(simulator.link_calls(), 0);
}

#[test]
fn without_a_terminal_and_without_yes_apply_is_a_preview_with_the_command() {
    let home = Home::new();
    let simulator = start(&home);
    home.write("p.csv", FILE);
    let apply = ["p.csv", "--apply", "--max-changes-pct", "100"];
    let preview = reconcile(&home, &simulator.url, &apply).left_with(2);
    assert!(preview.stdout.starts_with("linked              1\nmissing             1\n"), "{preview:#?}");
    let said =
        preview.stderr.contains("link 1 row of p.csv in simulated pool") && preview.stderr.contains("nothing was sent");
    assert!(said, "{preview:#?}");
    let command = preview.stderr.split("to do it: `cognito-link ").nth(1).and_then(|rest| rest.split('`').next());
    let command: Vec<&str> = command.unwrap().split(' ').collect();
    assert!(command.starts_with(&["reconcile"]) && command.ends_with(&["--yes"]), "{command:?}");
    assert!(!home.path("p.csv.ledger").exists(), "no ledger was begun");
    let json = report(&reconcile(&home, &simulator.url, &[&apply[..], &["--output", "json"]].concat()).left_with(2));
    assert_eq!((&json["kind"], &json["error"]["code"]), (&json!("error_report"), &json!("usage")), "{json}");
    assert_eq!(simulator.link_calls(), 0);

    // With a ledger: it is read, and stays as it is, byte for byte.
    reconcile(&home, &simulator.url, &[&apply[..], &["--yes"]].concat());
    assert_eq!(simulator.link_calls(), 1);
    let before = home.read("p.csv.ledger");
    home.write("more.csv", format!("{FILE}dave,,Okta,00uDave\n"));
    let more = ["more.csv", "--apply", "--max-changes-pct", "100", "--ledger", "p.csv.ledger"];
    reconcile(&home, &simulator.url, &more).left_with(2);
    assert_eq!(home.read("p.csv.ledger"), before);
    assert_eq!(simulator.link_calls(), 1);
}

/// A pool of people with the users of `pairs`, of whom the first ones are linked.
fn half_linked(home: &Home, rows: u64, linked: u64) -> Simulator {
    let identity = |pair: &crate::harness::Pair| json!({ "providerName": pair.provider, "userId": pair.value });
    let user = |(number, pair): (u64, &crate::harness::Pair)| {
        let identities: Vec<Value> = (number < linked).then(|| identity(pair)).into_iter().collect();
        json!({ "username": pair.username, "identities": identities })
    };
    let pairs = pairs(0..rows);
    let users: Vec<Value> = (0..).zip(&pairs).map(user).collect();
    let providers = json!([{ "name": "Google", "type": "Google" }, { "name": "Okta", "type": "OIDC" }]);
    let pool = json!({ "version": 1, "pool": { "id": POOL }, "providers": providers, "users": users });
    home.write("pool.json", pool.to_string());
    home.write("pairs.csv", csv(&pairs));
    Simulator::start(home, &["--pool-file", "pool.json", "--latency", "off", "--quota", "off"])
}

const APPLY: [&str; 9] =
    ["pairs.csv", "--apply", "--yes", "--max-changes-pct", "100", "--output", "json", "--concurrency", "10"];

#[test]
fn what_is_missing_is_linked_within_bounds() {
    let home = Home::new();
    let simulator = half_linked(&home, 40, 20);
    let apply = ["pairs.csv", "--apply", "--yes", "--rate", "1000", "--output", "json"];
    let finished = reconcile(&home, &simulator.url, &apply).left_with(9);
    assert!(finished.stderr.contains("20 links would be made, over --max-changes-pct 5 of 40 rows"), "{finished:#?}");
    let few = [&apply[..], &["--max-changes-pct", "100", "--max-changes", "19"]].concat();
    let finished = reconcile(&home, &simulator.url, &few).left_with(9);
    assert!(finished.stderr.contains("over --max-changes 19"), "{finished:#?}");
    assert_eq!((simulator.link_calls(), &report(&finished)["applied"]), (0, &Value::Null), "nothing was sent");
    let enough = [&apply[..], &["--max-changes-pct", "50", "--max-changes", "20"]].concat();
    let after = report(&reconcile(&home, &simulator.url, &enough).left_with(0));
    assert_eq!((&after["applied"]["rows"]["linked"], &after["applied"]["writes"]), (&json!(20), &json!(20)), "{after}");
    simulator.linked_once(20);
}

#[test]
fn a_second_run_sends_nothing_and_says_so() {
    let home = Home::new();
    let simulator = half_linked(&home, 60, 40);
    let apply = [&APPLY[..], &["--rate", "1000", "--exit-on-drift"]].concat();
    let first = report(&reconcile(&home, &simulator.url, &apply).left_with(0));
    assert_eq!((&first["rows"]["missing"], &first["applied"]["rows"]["linked"]), (&json!(20), &json!(20)), "{first}");
    assert_eq!(first["applied"]["command"], "reconcile");
    assert_eq!(home.ledger("pairs.csv.ledger").count("linked"), 20);
    let calls = simulator.link_calls();
    let second = reconcile(&home, &simulator.url, &apply).left_with(0);
    assert_eq!(report(&second)["drift"], false);
    assert!(second.stderr.contains("nothing is missing; nothing was sent"), "{second:#?}");
    assert_eq!((simulator.link_calls(), calls), (20, 20));
    // `link` on the same file and ledger finds the rest.
    let linked = home.link(&simulator.url, &["pairs.csv", "--rate", "1000", "--output", "json"]).left_with(0).json();
    assert_eq!((&linked["rows"]["linked"], &linked["rows"]["already_linked"]), (&json!(20), &json!(40)));
}

#[test]
fn what_somebody_else_did_meanwhile_is_found_and_not_overwritten() {
    let home = Home::new();
    let simulator = half_linked(&home, 20, 17);
    // Before our first call goes through, all three identities are given to one other user.
    let rows = pairs(17..20);
    let theirs: Vec<_> =
        rows.iter().map(|row| crate::harness::Pair { username: "person-00000".into(), ..row.clone() }).collect();
    let other = Home::new();
    other.write("theirs.csv", csv(&theirs));
    let url = simulator.url.clone();
    let done = std::sync::Mutex::new(false);
    let between = Proxy::start(simulator.address(), move |_, _| {
        let mut done = done.lock().unwrap();
        if !*done {
            other.link(&url, &["theirs.csv", "--rate", "1000"]).left_with(0);
            *done = true;
        }
        Fate::Passes
    });
    let apply = [&APPLY[..], &["--rate", "1000"]].concat();
    let after = report(&reconcile(&home, &between.url, &apply).left_with(3));
    assert_eq!((&after["rows"]["missing"], &after["applied"]["rows"]["refused"]), (&json!(3), &json!(3)), "{after}");
    assert_eq!(after["applied"]["refusals_by_code"]["linked_elsewhere"], 3, "{after}");
    let now = report(&reconcile(&home, &simulator.url, &["pairs.csv", "--output", "json"]).left_with(0));
    assert_eq!((&now["rows"]["linked"], &now["rows"]["moved"]), (&json!(17), &json!(3)), "theirs stand: {now}");
}

#[test]
fn one_ledger_has_one_run_and_reading_needs_none() {
    let home = Home::new();
    let simulator = half_linked(&home, 60, 0);
    let gate = Gate::default();
    let waiting = gate.clone();
    let slow = Proxy::start(simulator.address(), move |_, _| {
        waiting.pass();
        Fate::Passes
    });
    let running = home.start_link(&slow.url, &["pairs.csv", "--rate", "1000"]);
    wait_for("a call in flight", || (!slow.link_calls().is_empty()).then_some(()));
    let kept_away = reconcile(&home, &simulator.url, &APPLY).left_with(8);
    assert!(kept_away.stderr.contains("pairs.csv.ledger"), "{kept_away:#?}");
    let read = report(&reconcile(&home, &simulator.url, &["pairs.csv", "--output", "json"]).left_with(0));
    assert_eq!(read["rows"]["missing"], 60);
    gate.open();
    running.wait().left_with(0);
}

#[test]
fn it_drains_on_sigterm_and_goes_on_after_kill() {
    let home = Home::new();
    let simulator = half_linked(&home, 120, 0);
    let apply = [&APPLY[..], &["--rate", "200"]].concat();
    let interrupted = |signal: Option<&str>| {
        let gate = Gate::default();
        let waiting = gate.clone();
        let proxy = Proxy::start(simulator.address(), move |number, _| {
            if number > PASSING_CALLS {
                waiting.pass();
            }
            Fate::Passes
        });
        let running = home.start_on_pool("reconcile", &proxy.url, &apply);
        wait_for("calls in flight", || (proxy.link_calls().len() >= PASSING_CALLS + HELD_CALLS).then_some(()));
        let Some(signal) = signal else {
            running.kill();
            gate.open();
            return None;
        };
        running.signal(signal);
        wait_for("the program to drain", || running.stderr().contains("stopping").then_some(()));
        gate.open();
        Some(running.wait())
    };
    let drained = interrupted(Some("TERM")).unwrap().left_with(143);
    assert_eq!(report(&drained)["applied"]["ended"], "interrupted");
    interrupted(None);
    let rest = report(&reconcile(&home, &simulator.url, &apply).left_with(0));
    assert_eq!(rest["applied"]["rows"]["refused"], 0, "{rest}");
    simulator.linked_once(120);
    assert_eq!(home.ledger("pairs.csv.ledger").count("linked"), 120);
}

#[test]
fn a_link_that_was_taken_back_by_others_is_made_again_once_the_lists_have_caught_up() {
    let home = Home::new();
    let simulator = half_linked(&home, 20, 0);
    home.link(&simulator.url, &["pairs.csv", "--rate", "1000"]).left_with(0);
    drop(simulator);
    // The same pool as before the run: somebody has unlinked them all.
    let simulator = Simulator::start(&home, &["--pool-file", "pool.json", "--latency", "off", "--quota", "off"]);
    let apply = [&APPLY[..], &["--rate", "1000"]].concat();
    let early = reconcile(&home, &simulator.url, &apply).left_with(3);
    assert!(early.stderr.contains("20 rows done in the ledger cannot be seen in the pool yet"), "{early:#?}");
    assert_eq!(simulator.link_calls(), 0);

    let ledger = home.read("pairs.csv.ledger");
    home.write("pairs.csv.ledger", an_hour_earlier(&ledger));
    let later = report(&reconcile(&home, &simulator.url, &apply).left_with(0));
    assert_eq!(later["applied"]["rows"]["linked"], 20, "{later}");
    simulator.linked_once(20);
    assert_eq!(home.run(&["report", "pairs.csv.ledger", "--output", "json"]).left_with(0).json()["rows"]["linked"], 20);
}

/// A ledger with every time an hour earlier.
fn an_hour_earlier(ledger: &str) -> String {
    let line = |line: &str| {
        let mut record: Value = serde_json::from_str(line).unwrap();
        for name in ["at", "created_at"] {
            if let Some(time) = record[name].as_i64() {
                record[name] = json!(time - 3_600_000);
            }
        }
        format!("{record}\n")
    };
    resealed(&ledger.lines().map(line).collect::<String>())
}

#[test]
fn commands_that_must_not_write_have_not() {
    let home = Home::new();
    let simulator = half_linked(&home, 30, 10);
    home.link(&simulator.url, &["pairs.csv", "--rate", "1000", "--stop-after", "failed=1"]).left_with(0);
    let before = simulator.stats();
    home.on_pool("export", &simulator.url, &["-o", "links.csv", "--pool-snapshot", "snap.json"]).left_with(0);
    reconcile(&home, &simulator.url, &["pairs.csv", "--combined", "c.txt"]).left_with(0);
    home.run(&["validate", "pairs.csv"]).left_with(0);
    home.on_pool("validate", &simulator.url, &["pairs.csv", "--lookup", "scan", "--save-plan", "p.plan"]).left_with(0);
    home.on_pool("validate", &simulator.url, &["pairs.csv", "--lookup", "filter"]).left_with(0);
    home.on_pool("undo", &simulator.url, &["pairs.csv.ledger", "--dry-run"]).left_with(0);
    let planned = ["pairs.csv", "--plan", "p.plan", "--ledger", "planned.ledger"];
    home.link(&simulator.url, &planned).left_with(0);
    home.run(&["report", "pairs.csv.ledger"]).left_with(0);
    home.run(&["explain", "moved"]).left_with(0);
    let after = simulator.stats();
    assert_eq!(before["links_made"], after["links_made"]);
    for (operation, calls) in after["operations"].as_object().unwrap() {
        let reads = [
            "DescribeUserPool",
            "DescribeIdentityProvider",
            "ListIdentityProviders",
            "ListUserPoolClients",
            "DescribeUserPoolClient",
            "ListUsers",
            "GetProvisionedLimit",
        ];
        let same = before["operations"][operation]["calls"] == calls["calls"];
        assert!(same || reads.contains(&operation.as_str()), "{operation}: {after}");
    }
}

#[test]
fn the_simulated_pool_of_a_file_can_be_reconciled_and_saved() {
    let home = Home::new();
    drop(half_linked(&home, 20, 15));
    let path = |name: &str| -> PathBuf { home.path(name) };
    let options = ["--simulate", "--pool-file", "pool.json", "--simulate-latency", "off", "--save-pool", "after.json"];
    let apply = [&["reconcile"], &APPLY[..], &["--rate", "1000"], &options[..]].concat();
    assert_eq!(report(&home.run(&apply).left_with(0))["applied"]["rows"]["linked"], 5);
    assert!(path("pairs.csv.simulated.ledger").exists() && !path("pairs.csv.ledger").exists());
    let again = ["reconcile", "pairs.csv", "--simulate", "--pool-file", "after.json", "--exit-on-drift"];
    home.run(&again).left_with(0);
    home.run(&["reconcile", "pairs.csv", "--simulate"]).refused_with(2, "--pool-file");
}

/// Assumption behind `merging-links`: the profile shows the identity as well as the user that it was linked to.
#[test]
fn a_link_counts_although_a_profile_shows_its_identity_too() {
    let home = Home::new();
    let own = json!([{ "providerName": "Okta", "userId": "00uA", "primary": true }]);
    let pool = json!({
        "version": 1,
        "pool": { "id": POOL },
        "providers": [{ "name": "Okta", "type": "OIDC" }],
        "users": [{ "username": "Okta_00uA", "identities": own }, { "username": "alice" }],
    });
    home.write("pool.json", pool.to_string());
    home.write("pairs.csv", "username,provider,source_value\nalice,Okta,00uA\n");
    let options = ["--pool-file", "pool.json", "--latency", "off", "--quota", "off", "--behavior", "merging-links"];
    let simulator = Simulator::start(&home, &options);
    home.link(&simulator.url, &["pairs.csv"]).left_with(0);
    let compared = report(&reconcile(&home, &simulator.url, &["pairs.csv", "--output", "json"]).left_with(0));
    assert_eq!((&compared["rows"]["linked"], &compared["rows"]["blocked"]), (&json!(1), &json!(0)), "{compared}");
}

#[test]
fn what_the_service_refused_for_a_reason_of_its_own_is_not_sent_again_and_again() {
    let home = Home::new();
    let pool = json!({
        "version": 1,
        "pool": { "id": POOL },
        "providers": [{ "name": "Okta", "type": "OIDC" }],
        "users": [{ "username": "alice", "alias_conflict": true }, { "username": "bob" }],
    });
    home.write("pool.json", pool.to_string());
    home.write("pairs.csv", "username,provider,source_value\nalice,Okta,00uA\nbob,Okta,00uB\n");
    let simulator = Simulator::start(&home, &["--pool-file", "pool.json", "--latency", "off", "--quota", "off"]);
    let first = report(&reconcile(&home, &simulator.url, &APPLY).left_with(3));
    assert_eq!(
        (&first["rows"]["missing"], &first["applied"]["refusals_by_code"]["alias_exists"]),
        (&json!(2), &json!(1))
    );
    let calls = simulator.link_calls();
    let second = report(&reconcile(&home, &simulator.url, &APPLY).left_with(3));
    assert_eq!(
        (&second["refusals_by_code"]["alias_exists"], &second["applied"]),
        (&json!(1), &Value::Null),
        "{second}"
    );
    assert_eq!(simulator.link_calls(), calls, "nothing was sent");
    // Without --apply a ledger is asked only where it is named.
    let plain = ["pairs.csv", "--output", "json"];
    assert_eq!(report(&reconcile(&home, &simulator.url, &plain).left_with(0))["rows"]["missing"], 1);
    let reading = [&plain[..], &["--ledger", "pairs.csv.ledger"]].concat();
    assert_eq!(report(&reconcile(&home, &simulator.url, &reading).left_with(0))["rows"]["blocked"], 1);
    let retrying = [&APPLY[..], &["--retry", "refused"]].concat();
    assert_eq!(report(&reconcile(&home, &simulator.url, &retrying).left_with(3))["applied"]["writes"], 1);
}

#[test]
fn a_header_that_cannot_be_read_is_told_first_and_leaves_no_ledger() {
    let home = Home::new();
    home.write("pool.json", pool());
    home.write("pairs.csv", "a,b\n1,2\n");
    let words = ["reconcile", "pairs.csv", "--simulate", "--pool-file", "pool.json", "--apply", "--yes"];
    assert!(home.run(&words).left_with(4).stderr.contains("missing_column"));
    assert!(!home.path("pairs.csv.simulated.ledger").exists());
    // The trap of an export is told as by `link`.
    home.write("pairs.csv", FILE);
    let finished = home.run(&[&words[..5], &["--preset", "okta"]].concat()).left_with(3);
    assert!(finished.stderr.contains("note: preset okta: "), "{finished:#?}");
}
