//! The ledger knows rows by their content, and belongs to one pool and one run at a time.

use std::fmt::Write as _;

use crate::harness::{Fate, Gate, Home, Pair, Proxy, Simulator, csv, pairs, resealed, wait_for};

/// A home, a simulator, and the rows of these numbers linked through `pairs.csv`.
fn linked(rows: u64) -> (Home, Simulator) {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..rows)));
    let simulator = Simulator::quick(&home);
    home.link(&simulator.url, &["pairs.csv", "--rate", "1000"]).left_with(0);
    assert_eq!(simulator.link_calls(), rows);
    (home, simulator)
}

#[test]
fn a_finished_run_again_sends_nothing() {
    let (home, simulator) = linked(50);
    let report = home.link(&simulator.url, &["pairs.csv", "--output", "json"]).left_with(0).json();
    assert_eq!((&report["rows"]["skipped"], &report["writes"], &report["reads"]), (&50.into(), &0.into(), &0.into()));
    assert_eq!(simulator.link_calls(), 50);
}

#[test]
fn an_edited_sorted_and_extended_input_sends_new_rows_only() {
    let (home, simulator) = linked(60);
    let mut rows = pairs(0..80);
    rows.remove(7);
    rows[11].value.push('9');
    rows.sort_by(|one, other| other.value.cmp(&one.value));
    home.write("pairs.csv", csv(&rows));
    let report = home.link(&simulator.url, &["pairs.csv", "--rate", "1000", "--output", "json"]).left_with(0).json();
    assert_eq!(report["rows"]["skipped"], 58, "all but the one that was taken out and the one that was edited");
    assert_eq!(report["writes"], 21, "the edited row and twenty new ones");
    simulator.linked_once(81);
    assert_eq!(simulator.link_calls(), 81);
}

#[test]
fn columns_may_move_and_be_renamed() {
    let (home, simulator) = linked(30);
    let mut text = "note;Subject of the IdP;username;idp\n".to_owned();
    for Pair { username, provider, value } in pairs(0..30) {
        writeln!(text, "anything;{value};{username};{provider}").unwrap();
    }
    home.write("other.csv", text);
    let options =
        ["other.csv", "--ledger", "pairs.csv.ledger", "--map", "source_value=Subject of the IdP", "--output", "json"];
    let report = home.link(&simulator.url, &options).left_with(0).json();
    assert_eq!((&report["rows"]["skipped"], &report["writes"]), (&30.into(), &0.into()));
}

#[test]
fn the_same_rows_as_json_lines_have_the_same_keys() {
    let (home, simulator) = linked(30);
    let (mut flat, mut nested) = (String::new(), String::new());
    for Pair { username, provider, value } in pairs(0..30) {
        let row = serde_json::json!({ "username": username, "provider": provider, "source_value": value });
        writeln!(flat, "{row}").unwrap();
        let row = serde_json::json!({
            "DestinationUser": { "ProviderName": "Cognito", "ProviderAttributeValue": username },
            "SourceUser": {
                "ProviderName": provider,
                "ProviderAttributeName": "Cognito_Subject",
                "ProviderAttributeValue": value,
            },
        });
        writeln!(nested, "{row}").unwrap();
    }
    for (name, content) in [("flat.jsonl", flat), ("nested.jsonl", nested)] {
        home.write(name, content);
        let options = [name, "--ledger", "pairs.csv.ledger", "--output", "json"];
        let report = home.link(&simulator.url, &options).left_with(0).json();
        assert_eq!((&report["rows"]["skipped"], &report["writes"]), (&30.into(), &0.into()), "{name}");
    }
    assert_eq!(simulator.link_calls(), 30);
}

#[test]
fn a_ledger_is_never_used_with_another_pool() {
    const REAL: &str = "eu-west-1_Example01";
    let (home, simulator) = linked(3);
    let url = simulator.url.as_str();
    let before = simulator.stats();
    // The ledger of a simulated pool, against one that looks real.
    home.run(&["link", "pairs.csv", "--yes", "--user-pool-id", REAL, "--endpoint-url", url]).refused_with(
        6,
        "belongs to simulated pool sim-local-1_Example01, and this run is for pool eu-west-1_Example01 at http",
    );
    // The same pool id, once simulated and once not.
    let simulated = ["pairs.csv", "--simulate", "--simulate-latency", "off", "--user-pool-id", REAL];
    home.run(&[&["link", "--yes", "--ledger", "r.ledger"], &simulated[..]].concat()).left_with(0);
    home.run(&["link", "pairs.csv", "--yes", "--ledger", "r.ledger", "--user-pool-id", REAL, "--endpoint-url", url])
        .refused_with(
            6,
            "belongs to simulated pool eu-west-1_Example01, and this run is for pool eu-west-1_Example01 at http",
        );
    // And the reverse.
    home.write(
        "real.ledger",
        resealed(&home.read("r.ledger").replacen("\"simulated\":true", "\"simulated\":false", 1)),
    );
    home.run(&[&["link", "--yes", "--ledger", "real.ledger"], &simulated[..]].concat())
        .refused_with(6, "belongs to real pool eu-west-1_Example01, and this run is for simulated pool");
    assert_eq!(simulator.stats(), before, "nothing was sent");
}

#[test]
fn damage_before_the_last_line_is_refused_with_its_place() {
    let (home, simulator) = linked(5);
    let before = simulator.stats();
    let whole = home.read("pairs.csv.ledger");
    let offset: usize = whole.split_inclusive('\n').take(3).map(str::len).sum();
    for (what, damaged) in [
        ("a changed byte", format!("{}?{}", &whole[..offset + 5], &whole[offset + 6..])),
        ("a line cut in the middle", format!("{}\n{}", &whole[..offset + 40], &whole[offset..])),
        ("an unknown member", format!("{}{{\"x\":1,{}", &whole[..offset], &whole[offset + 1..])),
    ] {
        home.write("damaged.ledger", &damaged);
        let options = ["pairs.csv", "--ledger", "damaged.ledger"];
        let place = format!("damaged.ledger is damaged at line 4 (byte {offset})");
        home.link(&simulator.url, &options).refused_with(6, &place);
        assert_eq!(home.read("damaged.ledger"), damaged, "{what}: it is left as it is");
        home.run(&["report", "damaged.ledger"]).refused_with(6, &place);
    }
    assert_eq!(simulator.stats(), before, "nothing was sent");
}

#[test]
fn what_is_not_a_ledger_is_left_alone() {
    let (home, simulator) = linked(2);
    let before = simulator.stats();
    let input = home.read("pairs.csv");
    home.link(&simulator.url, &["pairs.csv", "--ledger", "pairs.csv"]).refused_with(6, "is not a ledger");
    assert_eq!(home.read("pairs.csv"), input);
    home.write("future.ledger", home.read("pairs.csv.ledger").replacen("ledger\":2", "ledger\":3", 1));
    home.link(&simulator.url, &["pairs.csv", "--ledger", "future.ledger"])
        .refused_with(6, "future.ledger: ledger format 3 is not supported");
    home.write("old.ledger", "{\"cognito_link_ledger\":1,\"pool\":\"sim-local-1_Example01\",\"simulated\":true}\n");
    home.link(&simulator.url, &["pairs.csv", "--ledger", "old.ledger"])
        .refused_with(6, "old.ledger: ledger format 1 is not supported");
    home.link(&simulator.url, &["pairs.csv", "--ledger", "."]).refused_with(6, "is not a ledger");
    assert_eq!(simulator.stats(), before, "nothing was sent");
}

#[test]
fn a_second_run_is_kept_away_and_the_first_one_undisturbed() {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..60)));
    let simulator = Simulator::quick(&home);
    let gate = Gate::default();
    let waiting = gate.clone();
    let proxy = Proxy::start(simulator.address(), move |number, _| {
        if number > 30 {
            waiting.pass();
        }
        Fate::Passes
    });
    let first = home.start_link(&proxy.url, &["pairs.csv", "--rate", "200", "--output", "json"]);
    wait_for("the first rows", || (home.ledger("pairs.csv.ledger").outcomes() > 0).then_some(()));
    home.link(&simulator.url, &["pairs.csv"]).refused_with(8, &format!("(pid {}", first.pid()));
    home.run(&["report", "pairs.csv.ledger"]).left_with(0);
    gate.open();
    let report = first.wait().left_with(0).json();
    assert_eq!(report["rows"]["linked"], 60);
    simulator.linked_once(60);
}

#[test]
fn refused_rows_are_attempted_again_on_request_only() {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..10)));
    home.write("nobody.json", crate::harness::pool_file(&["person-00001"]));
    let options = ["--latency", "off", "--quota", "off", "--pool-file", "nobody.json"];
    let poor = Simulator::start(&home, &options);
    let report = home.link(&poor.url, &["pairs.csv", "--rate", "1000", "--output", "json"]).left_with(3).json();
    assert_eq!((&report["refusals_by_code"]["user_not_found"], &report["rows"]["linked"]), (&9.into(), &1.into()));
    home.link(&poor.url, &["pairs.csv", "--rate", "1000"]).left_with(3);
    assert_eq!(poor.link_calls(), 10, "a refusal is for good");

    let rich = Simulator::quick(&home);
    let options = ["pairs.csv", "--rate", "1000", "--retry", "refused", "--output", "json"];
    let report = home.link(&rich.url, &options).left_with(0).json();
    assert_eq!((&report["rows"]["linked"], &report["rows"]["skipped"]), (&10.into(), &1.into()));
    rich.linked_once(9);
}
