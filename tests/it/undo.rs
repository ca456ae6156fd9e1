//! `undo` from outside: the built program, its ledger, the simulator's statistics and its exit statuses.

use serde_json::{Value, json};

use crate::harness::{Finished, Home, POOL, Pair, Running, Simulator, csv, give_credentials, pairs, wait_for};

const LEDGER: &str = "pairs.csv.ledger";

impl Home {
    fn undo_command(&self, url: &str, arguments: &[&str]) -> Running {
        let mut command = self.program(&["undo", LEDGER, "--endpoint-url", url]);
        command.args(arguments);
        give_credentials(&mut command);
        Running::start(command)
    }

    fn undo(&self, url: &str, arguments: &[&str]) -> Finished {
        self.undo_command(url, &[arguments, &["--yes", "--rate", "1000"]].concat()).wait()
    }
}

/// A pool with the users of these rows, and the rows linked.
fn linked(rows: u64) -> (Home, Simulator) {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..rows)));
    let simulator = Simulator::quick(&home);
    home.link(&simulator.url, &["pairs.csv", "--rate", "1000"]).left_with(0);
    (home, simulator)
}

fn unlink_calls(simulator: &Simulator) -> u64 {
    simulator.calls("AdminDisableProviderForUser")
}

/// Users of a pool file with the providers and ids on them.
fn users(home: &Home, file: &str) -> Vec<Value> {
    let pool: Value = home.read(file).lines().collect::<Vec<_>>().join("\n").parse().expect("a pool file is JSON");
    let mut users: Vec<Value> = pool["users"].as_array().expect("users").clone();
    for user in &mut users {
        for member in ["modified", "modified_ms"] {
            user.as_object_mut().expect("an object").remove(member);
        }
    }
    users
}

#[test]
fn what_link_made_is_taken_back_and_the_pool_is_as_before() {
    let home = Home::new();
    let rows = pairs(0..12);
    home.write("pairs.csv", csv(&rows));
    let names: Vec<&str> = rows.iter().map(|row| row.username.as_str()).collect();
    home.write("pool.json", crate::harness::pool_file(&names));
    let simulate = |command: &[&str], from: &str, to: &str| {
        let around = ["--simulate", "--simulate-quota", "off", "--simulate-latency", "off", "--rate", "1000", "--yes"];
        home.run(&[command, &around, &["--pool-file", from, "--save-pool", to, "--output", "json"]].concat())
    };
    // Saved once without a change, so that every pool is written the same way.
    home.write("none.csv", csv(&[]));
    simulate(&["link", "none.csv", "--min-rows", "0"], "pool.json", "before.json").left_with(0);
    simulate(&["link", "pairs.csv"], "before.json", "linked.json").left_with(0);
    assert_ne!(users(&home, "linked.json"), users(&home, "before.json"));
    let undo = ["undo", "pairs.csv.simulated.ledger"];
    let report = simulate(&undo, "linked.json", "after.json").left_with(0).json();
    assert_eq!((&report["command"], &report["rows"]["undone"]), (&json!("undo"), &json!(12)), "{report}");
    assert_eq!(users(&home, "after.json"), users(&home, "before.json"));
    // A second run has nothing to do, and says so.
    let again = simulate(&undo, "after.json", "again.json").left_with(0);
    assert_eq!((&again.json()["rows"]["read"], &again.json()["reads"]), (&json!(0), &json!(0)));
    assert!(again.stderr.contains("nothing was sent"), "{again:#?}");
    assert_eq!(users(&home, "again.json"), users(&home, "before.json"));
    // And what was undone can be linked again.
    let relinked = simulate(&["link", "pairs.csv", "--relink"], "after.json", "relinked.json").left_with(0).json();
    assert_eq!((&relinked["rows"]["linked"], &relinked["writes"]), (&json!(12), &json!(12)), "{relinked}");
}

#[test]
fn the_newest_link_goes_first_and_the_report_tells() {
    let (home, simulator) = linked(9);
    home.undo(&simulator.url, &["--concurrency", "1", "--rows", "1-4,7"]).left_with(0);
    assert_eq!(unlink_calls(&simulator), 5);
    let text = home.read(LEDGER);
    let rows = |start: &str| -> Vec<u64> {
        let lines = text.lines().filter(|line| line.starts_with(start));
        lines.map(|line| line.parse::<Value>().unwrap()["row"].as_u64().unwrap()).collect()
    };
    let linked: Vec<u64> =
        rows(r#"{"type":"settled""#).into_iter().filter(|row| *row <= 4 || *row == 7).rev().collect();
    assert_eq!(rows(r#"{"type":"unlink_settled""#), linked);
    let report = home.run(&["report", LEDGER, "--output", "json"]).left_with(0).json();
    assert_eq!((&report["rows"]["linked"], &report["rows"]["undone"]), (&json!(4), &json!(5)), "{report}");
    let commands: Vec<_> = report["runs"].as_array().unwrap().iter().map(|run| run["command"].clone()).collect();
    assert_eq!(commands, ["link", "undo"]);
    let text = home.run(&["report", LEDGER, "--unprocessed", "again.csv"]).left_with(0);
    assert!(text.stdout.contains("5 unlinked by undo"), "{text:#?}");
    assert_eq!(home.read("again.csv").lines().count(), 6, "what was undone can be linked again");
}

#[test]
fn a_selection_narrows_and_says_what_it_leaves_out() {
    let (home, simulator) = linked(9);
    let misspelled = home.undo(&simulator.url, &["--provider", "okta"]);
    misspelled.refused_with(2, "--provider okta: the pool has no provider of this name");
    let okta = home.undo(&simulator.url, &["--provider", "Okta", "--output", "json"]).left_with(0);
    assert_eq!(okta.json()["rows"]["undone"], 3);
    assert!(okta.stderr.contains("3 links to unlink, 6 not selected"), "{okta:#?}");
    let young = home.undo(&simulator.url, &["--since", "1h", "--rows", "2", "--output", "json"]).left_with(0);
    assert_eq!(young.json()["rows"]["undone"], 1);
    let old = home.undo(&simulator.url, &["--since", "1ms", "--output", "json"]).left_with(0);
    assert_eq!((&old.json()["rows"]["read"], unlink_calls(&simulator)), (&json!(0), 4));
}

#[test]
fn a_dry_run_shows_the_list_and_writes_nothing() {
    let (home, simulator) = linked(6);
    let before = home.read(LEDGER);
    let text = home.undo(&simulator.url, &["--dry-run"]).left_with(0);
    assert_eq!(text.stdout.lines().filter(|line| line.contains(": would be unlinked")).count(), 6, "{text:#?}");
    assert!(!text.stdout.contains("person-00001") && !text.stdout.contains("107438"), "masked: {text:#?}");
    let json = home.undo(&simulator.url, &["--dry-run", "--output", "json", "--show-values"]).left_with(0).json();
    let links = json["links"].as_array().unwrap();
    assert_eq!((links.len(), &json["dry_run"], &links[0]["would_be"]), (6, &json!(true), &json!("undone")), "{json}");
    assert!(links.iter().any(|link| link["destination"] == "person-00001"), "{json}");
    assert_eq!((unlink_calls(&simulator), simulator.link_calls()), (0, 6));
    assert_eq!(home.read(LEDGER), before, "the ledger is as it was");
}

#[test]
fn what_was_linked_before_is_left_alone() {
    let home = Home::new();
    let rows = pairs(0..6);
    home.write("pairs.csv", csv(&rows));
    let user = |(index, row): (usize, &Pair)| {
        let held = json!({ "providerName": row.provider, "userId": row.value, "primary": false, "dateCreated": 1_600_000_000_000_i64 });
        let identities = if index < 4 { json!([held]) } else { json!([]) };
        json!({ "username": row.username, "identities": identities })
    };
    let users: Vec<Value> = rows.iter().enumerate().map(user).collect();
    let providers = json!([{ "name": "Google", "type": "Google" }, { "name": "Okta", "type": "OIDC" }]);
    let pool = json!({ "version": 1, "pool": { "id": POOL }, "providers": providers, "users": users });
    home.write("pool.json", pool.to_string());
    let simulator = Simulator::start(&home, &["--pool-file", "pool.json", "--quota", "off", "--latency", "off"]);
    home.link(&simulator.url, &["pairs.csv", "--rate", "1000"]).left_with(0);
    assert_eq!(home.ledger(LEDGER).count("already_linked"), 4);
    let report = home.undo(&simulator.url, &["--output", "json"]).left_with(0).json();
    assert_eq!((&report["rows"]["read"], &report["rows"]["undone"]), (&json!(2), &json!(2)), "{report}");
    assert_eq!((unlink_calls(&simulator), &simulator.stats()["links_removed"]), (2, &json!(2)));
}

#[test]
fn a_link_that_is_gone_is_refused_and_told() {
    let (home, simulator) = linked(3);
    home.write("other.ledger", home.read(LEDGER));
    home.undo(&simulator.url, &["--rows", "1"]).left_with(0);
    std::fs::copy(home.path("other.ledger"), home.path(LEDGER)).unwrap();
    let finished = home.undo(&simulator.url, &["--settle-with", "get-user"]).left_with(3);
    assert!(finished.stdout.contains("refused             1   gone 1"), "{finished:#?}");
    assert!(finished.stderr.contains("cognito-link explain gone"), "{finished:#?}");
    let report = home.run(&["report", LEDGER, "--output", "json"]).left_with(0).json();
    assert_eq!(
        (&report["undo_refusals_by_code"]["gone"], &report["rows"]["linked"]),
        (&json!(1), &json!(1)),
        "{report}"
    );
    assert!(home.run(&["explain", "gone"]).left_with(0).stdout.contains("gone (refusal)"));
}

#[test]
fn mistakes_are_told_before_anything_is_sent() {
    let (home, simulator) = linked(2);
    let url = simulator.url.as_str();
    home.undo_command(url, &[]).wait().refused_with(2, "--yes");
    home.undo(url, &["--user-pool-id", "sim-local-1_Other0001"]).refused_with(6, "sim-local-1_Other0001");
    home.undo(url, &["--rows", "0"]).refused_with(2, "--rows");
    let none = home.undo(url, &["--rows", "900"]).left_with(0);
    assert!(none.stderr.contains("no link is selected; nothing was sent"), "{none:#?}");
    home.undo(url, &["--since", "tomorrow"]).refused_with(2, "--since");
    home.run(&["undo", "missing.ledger", "--yes"]).refused_with(2, "missing.ledger");
    home.run(&["undo", "pairs.csv", "--yes"]).refused_with(6, "pairs.csv");
    home.run(&["undo", LEDGER, "--yes", "--simulate"]).refused_with(2, "--pool-file");
    let real =
        home.read(LEDGER).replace(POOL, "us-east-1_AbCdEfGhI").replace("\"simulated\":true", "\"simulated\":false");
    home.write("real.ledger", real);
    let simulated = ["undo", "real.ledger", "--yes", "--simulate", "--pool-file", "pool.json"];
    home.run(&simulated).refused_with(6, "real.ledger");
    assert_eq!(unlink_calls(&simulator), 0);
}

/// A simulator that takes its time, and 60 linked rows.
fn slow() -> (Home, Simulator) {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..60)));
    home.write("pool.json", crate::harness::pool_file(&[]));
    let options = ["--pool-file", "pool.json", "--create-on-reference", "--quota", "off", "--latency", "20..200"];
    let simulator = Simulator::start(&home, &options);
    home.link(&simulator.url, &["pairs.csv", "--rate", "200"]).left_with(0);
    (home, simulator)
}

fn undone(home: &Home) -> usize {
    home.read(LEDGER).matches(r#""result":"undone""#).count()
}

#[test]
fn an_interrupt_drains_and_a_rerun_goes_on() {
    let (home, simulator) = slow();
    let running = home.undo_command(&simulator.url, &["--yes", "--rate", "30", "--output", "json"]);
    wait_for("some links to be unlinked", || (undone(&home) >= 5).then_some(()));
    running.signal("INT");
    let report = running.wait().left_with(130).json();
    let done = report["rows"]["undone"].as_u64().unwrap();
    assert!((5..60).contains(&done) && report["rows"]["in_doubt"] == 0, "{report}");
    let again = home.undo(&simulator.url, &["--output", "json"]).left_with(0).json();
    assert_eq!(again["rows"]["undone"], 60 - done, "{again}");
    assert_eq!(unlink_calls(&simulator), 60, "not one call too many");
}

#[test]
fn killed_and_run_again_each_link_is_taken_back_once() {
    let (home, simulator) = slow();
    for _ in 0..3 {
        let before = undone(&home);
        let running = home.undo_command(&simulator.url, &["--yes", "--rate", "40"]);
        wait_for("progress", || (undone(&home) >= before + 8).then_some(()));
        running.kill();
        let removed = simulator.stats()["links_removed"].as_u64().unwrap();
        assert!(
            home.read(LEDGER).matches(r#""type":"unlink_announced""#).count() as u64 >= removed,
            "nothing unannounced"
        );
    }
    let options = ["--settle-with", "get-user", "--output", "json"];
    home.undo(&simulator.url, &options).left_with(0);
    let report = home.run(&["report", LEDGER, "--output", "json"]).left_with(0).json();
    assert_eq!((&report["rows"]["undone"], &report["rows"]["in_doubt"]), (&json!(60), &json!(0)), "{report}");
    assert_eq!(simulator.stats()["links_removed"], 60);
    assert_eq!(simulator.stats()["passwords_disabled"], 0);
}

#[test]
fn a_ledger_is_not_undone_while_another_run_holds_it() {
    let (home, simulator) = slow();
    let running = home.undo_command(&simulator.url, &["--yes", "--rate", "1"]);
    wait_for("the first run", || (undone(&home) >= 1).then_some(()));
    home.undo(&simulator.url, &[]).left_with(8);
    home.undo(&simulator.url, &["--dry-run", "--rows", "1"]).left_with(0);
    running.kill();
}

#[test]
fn a_link_by_an_attribute_before_and_after_a_sign_in() {
    let home = Home::new();
    let pool = json!({
        "version": 1,
        "pool": { "id": POOL },
        "providers": [{ "name": "Corp", "type": "SAML", "attribute_mapping": { "email": "mail" } }],
        "users": [{ "username": "ann" }, { "username": "bea" }],
    });
    home.write("pool.json", pool.to_string());
    home.write(
        "pairs.csv",
        "destination_username,source_provider,source_attribute,source_value\n\
         ann,Corp,email,ann@example.com\nbea,Corp,email,bea@example.com\n",
    );
    let simulator = Simulator::start(&home, &["--pool-file", "pool.json", "--quota", "off", "--latency", "off"]);
    home.link(&simulator.url, &["pairs.csv", "--rate", "1000"]).left_with(0);
    let claims = json!({ "mail": "bea@example.com" });
    let sign_in = json!({ "UserPoolId": POOL, "ProviderName": "Corp", "UserId": "name-id-1", "Claims": claims });
    simulator.sign_in(&sign_in);
    home.undo(&simulator.url, &["--settle-with", "get-user"]).left_with(0);
    assert_eq!(simulator.stats()["links_removed"], 2);
    let text = home.read(LEDGER);
    let sent: Vec<Value> = text
        .lines()
        .filter(|line| line.contains(r#""type":"unlink_announced""#))
        .map(|line| line.parse().unwrap())
        .collect();
    let mut forms: Vec<_> = sent
        .iter()
        .map(|line| {
            (line["source_attribute"].as_str().unwrap_or("Cognito_Subject"), line["source_value"].as_str().unwrap())
        })
        .collect();
    forms.sort_unstable();
    assert_eq!(forms, [("Cognito_Subject", "name-id-1"), ("email", "ann@example.com")]);
}

/// A crash left an unlink without an outcome, and since then two users have the e-mail address: `link` goes on with the
/// others.
#[test]
fn link_settles_an_open_unlink_by_the_user_that_it_named() {
    let home = Home::new();
    let pool = |second: &str| {
        let users = json!([{"username": "alice", "email": "a@example.com", "attributes": {"email_verified": "true"}}, {"username": "bob", "email": second, "attributes": {"email_verified": "true"}}]);
        json!({"version": 1, "pool": {"id": POOL}, "providers": [{"name": "Okta", "type": "OIDC"}], "users": users})
    };
    home.write("pool.json", pool("b@example.com").to_string());
    home.write("twins.json", pool("a@example.com").to_string());
    home.write("pairs.csv", "destination_email,source_provider,source_value\na@example.com,Okta,A1\n");
    let simulate = |command: &[&str], from: &str, more: &[&str]| {
        let around = ["--simulate", "--simulate-latency", "off", "--ledger", "l", "--yes", "--output", "json"];
        let around = if command[0] == "undo" { &around[..3] } else { &around[..] };
        home.run(&[command, around, &["--pool-file", from], more].concat())
    };
    simulate(&["link", "pairs.csv"], "pool.json", &["--save-pool", "linked.json"]).left_with(0);
    simulate(&["undo", "l", "--yes"], "linked.json", &[]).left_with(0);
    let ledger = home.read("l");
    let (cut, _) = ledger.split_once(r#"{"type":"unlink_settled""#).expect("an unlink");
    home.write("l", cut);
    let report = simulate(&["link", "pairs.csv", "--relink"], "twins.json", &[]).left_with(3).json();
    // The unlink named alice and is settled by reading her; whom the address means now is another question.
    assert_eq!((&report["refusals_by_code"]["user_ambiguous"], &report["writes"]), (&json!(1), &json!(0)), "{report}");
    // Where the address is one user's again, it can be linked.
    let report = simulate(&["link", "pairs.csv"], "pool.json", &["--retry", "refused", "--relink"]).left_with(0).json();
    assert_eq!(report["rows"]["linked"], 1, "{report}");
}

#[test]
fn rows_of_several_inputs_are_selected_by_their_input_only() {
    let (home, simulator) = linked(3);
    std::fs::create_dir(home.path("more")).unwrap();
    home.write("more/others.csv", csv(&pairs(10..13)));
    home.link(&simulator.url, &["more/others.csv", "--ledger", LEDGER, "--rate", "1000"]).left_with(0);
    let url = &simulator.url;
    let refused = home.undo(url, &["--rows", "1"]);
    refused.refused_with(
        2,
        "--rows: the ledger has such rows of several inputs; name one with --input: more/others.csv, pairs.csv",
    );
    home.undo(url, &["--rows", "1", "--input", "elsewhere.csv"]).refused_with(2, "it has pairs.csv, more/others.csv");
    assert_eq!(unlink_calls(&simulator), 0);
    for (selection, undone) in [
        (&["--rows", "1", "--input", "others.csv"][..], 1),
        // What is selected now has one input.
        (&["--rows", "1"], 1),
        (&["--input", "./pairs.csv"], 2),
        (&["--rows", "2-9"], 2),
    ] {
        let finished = home.undo(url, &[selection, &["--output", "json"]].concat()).left_with(0);
        let report = finished.json();
        let names_input = finished.stderr.contains(" of rows of ");
        assert_eq!(names_input, selection[0] == "--rows", "{finished:#?}");
        assert_eq!(report["rows"]["undone"], undone, "{selection:?}: {report}");
    }
}
