//! What is checked before anything is sent: an input that is too small, a part of it, and a run that would change too much.

use crate::harness::{Home, Simulator, csv, pairs};

const HEADER: &str = "destination_username,source_provider,source_value\n";

fn rows_of(finished: &crate::harness::Finished) -> [u64; 4] {
    let report = finished.json();
    ["read", "linked", "unprocessed", "skipped"].map(|name| report["rows"][name].as_u64().unwrap())
}

#[test]
fn a_broken_export_is_not_green() {
    let home = Home::new();
    let simulator = Simulator::quick(&home);
    home.write("empty.csv", HEADER);
    for (command, options) in [("link", vec!["--yes"]), ("reconcile", vec![]), ("validate", vec![])] {
        let all = [&["empty.csv"][..], &options].concat();
        let refused = home.on_pool(command, &simulator.url, &all).refused_with(4, "0 rows, fewer than --min-rows 1");
        assert!(refused.stderr.contains("hint: check the export"), "{refused:#?}");
        home.on_pool(command, &simulator.url, &[&all[..], &["--min-rows", "0"]].concat()).left_with(0);
    }
    assert!(!home.path("empty.csv.ledger").exists() || simulator.link_calls() == 0);
    home.write("pairs.csv", csv(&pairs(0..5)));
    home.link(&simulator.url, &["pairs.csv", "--min-rows", "6"]).refused_with(4, "5 rows, fewer than --min-rows 6");
    assert_eq!(simulator.link_calls(), 0);
    home.link(&simulator.url, &["pairs.csv", "--min-rows", "5"]).left_with(0);
}

#[test]
fn an_input_that_has_shrunk_is_refused() {
    let home = Home::new();
    let simulator = Simulator::quick(&home);
    let link = |rows: u64, options: &[&str]| {
        home.write("pairs.csv", csv(&pairs(0..rows)));
        home.link(&simulator.url, &[&["pairs.csv"][..], options].concat())
    };
    link(20, &[]).left_with(0);
    link(15, &[]).refused_with(4, "the input has 15 rows, 25 % fewer than the 20 of the last run");
    link(16, &[]).left_with(0);
    let reconcile = || home.on_pool("reconcile", &simulator.url, &["pairs.csv", "--apply", "--yes"]);
    link(10, &["--max-shrink", "10"]).refused_with(4, "10 rows, 38 % fewer than the 16 of the last run");
    reconcile().refused_with(4, "over --max-shrink 20");
    // Other rows into the same ledger are another input.
    home.write("retry.csv", csv(&pairs(20..22)));
    home.link(&simulator.url, &["retry.csv", "--ledger", "pairs.csv.ledger"]).left_with(0);
    link(10, &[]).refused_with(4, "over --max-shrink 20");
    link(10, &["--max-shrink", "50"]).left_with(0);
    link(9, &[]).left_with(0);
    // The settings of a pool.
    let pool = crate::harness::POOL;
    home.write("settings.toml", format!("min-rows = 9\n[pools.live]\nuser-pool-id = \"{pool}\"\nmax-shrink = 0\n"));
    link(8, &["--config", "settings.toml"]).refused_with(4, "fewer than --min-rows 9");
    link(8, &["--config", "settings.toml", "--min-rows", "0"]).refused_with(4, "over --max-shrink 0");
    link(8, &["--config", "settings.toml", "--pool", "test"]).refused_with(2, "the settings have live");
    simulator.linked_once(22);
}

#[test]
fn a_part_first_and_the_others_later() {
    let home = Home::new();
    let simulator = Simulator::quick(&home);
    let lines: Vec<String> = csv(&pairs(0..20))
        .lines()
        .enumerate()
        .map(|(number, line)| match number {
            0 => format!("{line},team"),
            _ => format!("{line},{}", if number > 15 { "\"the \"\"pilot\"\"\"" } else { "others" }),
        })
        .collect();
    home.write("pairs.csv", lines.join("\n") + "\n");
    let link =
        |options: &[&str]| home.link(&simulator.url, &[&["pairs.csv", "--output", "json"][..], options].concat());
    let first = link(&["--limit", "3"]).left_with(3);
    assert_eq!(rows_of(&first), [20, 3, 17, 0]);
    assert!(first.stderr.contains("20 rows: 3 to process, 17 left out"), "{first:#?}");
    assert!(first.stderr.contains("of 3 rows done"), "progress is that of the part: {first:#?}");
    assert_eq!(rows_of(&link(&["--limit", "3"]).left_with(3)), [20, 6, 14, 3]);
    link(&["--limit", "0"]).left_with(2);
    assert_eq!(rows_of(&link(&["--rows", "1-8,10"]).left_with(3)), [20, 9, 11, 6]);
    assert_eq!(rows_of(&link(&["--where", "team=the \"pilot\""]).left_with(3)), [20, 14, 6, 9]);
    assert_eq!(
        rows_of(&link(&["--where", "team=others", "--rows", "11-20", "--limit", "2"]).left_with(3)),
        [20, 16, 4, 14]
    );
    let part = link(&["--where", "team=others", "--rows", "1-8"]).left_with(3);
    assert!(
        part.stderr.contains("run the same command without --rows and --where to link the other rows"),
        "{part:#?}"
    );
    assert!(!part.stderr.contains("run the same command again"), "it would link nothing: {part:#?}");
    link(&["--where", "group=x"]).refused_with(2, "the input has no such column; it has ");
    assert_eq!(rows_of(&link(&[]).left_with(0)), [20, 20, 0, 16]);
    simulator.linked_once(20);
    // The rehearsal works on the same part.
    let rehearsed = ["link", "pairs.csv", "--simulate", "--rehearse", "--yes", "--limit", "4", "--output", "json"];
    assert_eq!(rows_of(&home.run(&rehearsed).left_with(3)), [20, 4, 16, 0]);
}

#[test]
fn json_rows_are_left_out_by_their_members() {
    let home = Home::new();
    let simulator = Simulator::quick(&home);
    let line = |pair: &crate::harness::Pair, wave: u64| {
        serde_json::json!({ "destination_username": pair.username, "source_provider": pair.provider,
            "source_value": pair.value, "wave": wave })
        .to_string()
    };
    let lines: Vec<String> = pairs(0..6).iter().zip(0..).map(|(pair, number)| line(pair, number / 2)).collect();
    home.write("pairs.jsonl", lines.join("\n") + "\n");
    let finished = home.link(&simulator.url, &["pairs.jsonl", "--where", "wave=1", "--output", "json"]).left_with(3);
    assert_eq!(rows_of(&finished), [6, 2, 4, 0]);
}

#[test]
fn a_run_that_would_change_too_much_sends_nothing() {
    let home = Home::new();
    let simulator = Simulator::quick(&home);
    home.write("pairs.csv", csv(&pairs(0..10)));
    let link = |options: &[&str]| home.link(&simulator.url, &[&["pairs.csv"][..], options].concat());
    link(&["--max-changes", "9"]).refused_with(9, "10 links would be made, over --max-changes 9");
    link(&["--max-changes-pct", "50"]).refused_with(9, "over --max-changes-pct 50 of 10 rows");
    assert_eq!(simulator.link_calls(), 0);
    link(&["--max-changes", "4", "--limit", "4"]).left_with(3);
    home.write("settings.toml", "max-changes = 5\n");
    link(&["--config", "settings.toml"]).refused_with(9, "6 links would be made, over --max-changes 5");
    link(&["--config", "settings.toml", "--max-changes", "6", "--max-changes-pct", "60"]).left_with(0);
    simulator.linked_once(10);
}
