//! A migration from its first wrong run to its end: rows are corrected, a provider is added, links are undone.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::harness::{Home, POOL, Simulator};

/// The people of this migration, by number.
const CORP: std::ops::Range<u64> = 0..6;
const OKTA: std::ops::Range<u64> = 6..9;

fn subject(number: u64) -> String {
    format!("00uSubject{number:04}xYz")
}

/// The export: the wrong column is there as well, and the last row names no user.
fn export_of(last_user: &str) -> String {
    let mut text = "username,provider,staff_no,subject_id\n".to_owned();
    for number in CORP.chain(OKTA) {
        let provider = if CORP.contains(&number) { "Corp" } else { "Okta" };
        writeln!(text, "person-{number:05},{provider},staff-{number:04},{}", subject(number)).unwrap();
    }
    text + &format!("{last_user},Corp,staff-0009,{}\n", subject(9))
}

/// The columns that are right.
const RIGHT: [&str; 2] = ["--map", "source_value=subject_id"];

fn write_pool(home: &Home, providers: &[&str]) {
    let users: Vec<Value> = (0..10).map(|number| json!({ "username": format!("person-{number:05}") })).collect();
    let providers: Vec<Value> = providers.iter().map(|name| json!({ "name": name, "type": "OIDC" })).collect();
    let pool = json!({ "version": 1, "pool": { "id": POOL }, "providers": providers, "users": users });
    home.write("pool.json", pool.to_string());
}

fn start(home: &Home) -> Simulator {
    let options =
        ["--pool-file", "pool.json", "--save-pool", "pool.json", "--force", "--latency", "off", "--quota", "off"];
    Simulator::start(home, &options)
}

fn link(home: &Home, simulator: &Simulator, options: &[&str], status: i32) -> (Value, String) {
    let finished = home.link(&simulator.url, &[options, &["--rate", "1000", "--output", "json"]].concat());
    let finished = finished.left_with(status);
    (finished.json(), finished.stderr)
}

fn report(home: &Home) -> Value {
    home.run(&["report", "pairs.csv.ledger", "--output", "json"]).left_with(0).json()
}

/// Numbers of rows in these states.
fn rows<const N: usize>(report: &Value, states: [&str; N]) -> [u64; N] {
    states.map(|state| report["rows"][state].as_u64().unwrap_or_else(|| panic!("no {state} in {report}")))
}

const STATES: [&str; 7] = ["read", "linked", "already_linked", "refused", "failed", "in_doubt", "invalid"];

#[test]
fn a_migration_ends_with_no_open_row() {
    let home = Home::new();
    home.write("pairs.csv", export_of(""));
    write_pool(&home, &["Corp"]);
    let simulator = start(&home);

    // The wrong column for the user: the canary stops after one row.
    let wrong_user = ["--map", "destination_username=staff_no", RIGHT[0], RIGHT[1]];
    let canary = ["pairs.csv", "--canary", "1", "--where", "provider=Corp"];
    let (run, said) = link(&home, &simulator, &[&canary[..], &wrong_user].concat(), 9);
    assert_eq!((&run["error"]["code"], &run["writes"]), (&"canary".into(), &1.into()), "{run}");
    assert!(said.contains("canary: row 1: refused as user_not_found"), "{said}");

    // The wrong column: identities that nobody signs in with, a provider that the pool lacks, a row without a user.
    let (run, said) = link(&home, &simulator, &["pairs.csv", "--map", "source_value=staff_no"], 3);
    assert_eq!(rows(&run, STATES), [10, 6, 0, 3, 0, 0, 1], "{run}");
    assert!(said.contains("`--retry provider_not_found`"), "{said}");

    // The right column: every row is another one, and the wrong links are named with the command that removes them.
    let (run, said) = link(&home, &simulator, &[&["pairs.csv"], &RIGHT[..]].concat(), 3);
    assert_eq!(rows(&run, STATES), [10, 6, 0, 3, 0, 0, 1], "{run}");
    assert!(said.contains("6 links of this ledger are no longer in the input"), "{said}");
    let undo =
        "`cognito-link undo pairs.csv.ledger --superseded --user-pool-id sim-local-1_Example01 --endpoint-url http";
    assert!(said.contains(undo), "{said}");
    let found = report(&home);
    assert_eq!(rows(&found, STATES), [10, 6, 0, 3, 0, 0, 1], "{found}");
    assert_eq!((&found["superseded_rows"], &found["superseded_links"]), (&10.into(), &6.into()), "{found}");

    // The provider is added. Without a word nothing is sent, and the way out is named.
    simulator.stop();
    let mut pool: Value = serde_json::from_str(&home.read("pool.json")).unwrap();
    pool["providers"].as_array_mut().unwrap().push(json!({ "name": "Okta", "type": "OIDC" }));
    home.write("pool.json", pool.to_string());
    let simulator = start(&home);
    let (run, said) = link(&home, &simulator, &[&["pairs.csv"], &RIGHT[..]].concat(), 3);
    assert_eq!((&run["writes"], rows(&run, ["refused"])), (&0.into(), [3]), "{run}");
    assert!(said.contains("`--retry provider_not_found`"), "{said}");
    let (run, _) = link(&home, &simulator, &[&["pairs.csv", "--retry", "user_not_found"], &RIGHT[..]].concat(), 3);
    assert_eq!(run["writes"], 0, "another code: {run}");
    let (run, _) = link(&home, &simulator, &[&["pairs.csv", "--retry", "provider_not_found"], &RIGHT[..]].concat(), 3);
    assert_eq!((&run["writes"], rows(&run, STATES)), (&3.into(), [10, 9, 0, 0, 0, 0, 1]), "{run}");

    // The superseded links are listed, and undone: those and no others.
    let reconcile = |status| {
        let options = ["pairs.csv", "--ledger", "pairs.csv.ledger", "--exit-on-drift", "--output", "json"];
        home.on_pool("reconcile", &simulator.url, &[&options[..], &RIGHT].concat()).left_with(status).json()
    };
    let drift = reconcile(5);
    assert_eq!((&drift["extra"], &drift["superseded_links"]), (&6.into(), &6.into()), "{drift}");
    assert!(drift["extras"].as_array().unwrap().iter().all(|extra| extra["of_superseded_row"] == true), "{drift}");
    let undo = ["pairs.csv.ledger", "--superseded", "--yes", "--rate", "1000", "--output", "json"];
    let undone = home.on_pool("undo", &simulator.url, &undo).left_with(0).json();
    assert_eq!((rows(&undone, ["undone"]), &undone["writes"]), ([6], &6.into()), "{undone}");

    // The row without a user is written with its key, corrected, and linked into the same ledger.
    let written = ["report", "pairs.csv.ledger", "--failed", "retry.csv", "--map", "source_value=subject_id"];
    home.run(&written).left_with(0);
    let retry = home.read("retry.csv");
    assert_eq!(retry.lines().count(), 2, "{retry}");
    assert!(retry.lines().next().unwrap().ends_with(",link_state,link_code,link_message,retry_of"), "{retry}");
    home.write("retry.csv", retry.replace("\n,Corp", "\nperson-00009,Corp"));
    let (run, said) =
        link(&home, &simulator, &[&["retry.csv", "--ledger", "pairs.csv.ledger"], &RIGHT[..]].concat(), 0);
    assert_eq!(rows(&run, STATES), [1, 1, 0, 0, 0, 0, 0], "{run}");
    assert!(!said.contains("no longer in the input"), "{said}");

    // One total, whichever file was read last.
    let after_retry = report(&home);
    assert_eq!(rows(&after_retry, STATES), [10, 10, 0, 0, 0, 0, 0], "{after_retry}");
    let (run, _) = link(&home, &simulator, &[&["pairs.csv"], &RIGHT[..]].concat(), 0);
    assert_eq!((&run["writes"], rows(&run, ["linked", "superseded"])), (&0.into(), [9, 1]), "{run}");
    let after_first = report(&home);
    assert_eq!(after_retry["rows"], after_first["rows"]);
    assert_eq!(after_first["superseded_links"], 0, "{after_first}");
    let failed =
        ["report", "pairs.csv.ledger", "--failed", "open.csv", "--unprocessed", "rest.csv", "--output", "json"];
    let with_files = home.run(&[&failed[..], &RIGHT].concat()).left_with(0).json();
    assert_eq!(rows(&with_files, STATES), [10, 10, 0, 0, 0, 0, 0], "{with_files}");
    assert_eq!(rows(&with_files, ["unprocessed"]), [0], "{with_files}");
    assert_eq!((home.read("open.csv").lines().count(), home.read("rest.csv").lines().count()), (1, 1));

    // The correction goes into the export as well: file and pool are equal.
    home.write("pairs.csv", export_of("person-00009"));
    let (run, _) = link(&home, &simulator, &[&["pairs.csv"], &RIGHT[..]].concat(), 0);
    assert_eq!((&run["writes"], rows(&run, STATES)), (&0.into(), [10, 10, 0, 0, 0, 0, 0]), "{run}");
    let drift = reconcile(0);
    assert_eq!((&drift["rows"]["linked"], &drift["extra"], &drift["drift"]), (&10.into(), &0.into(), &false.into()));
    let done = report(&home);
    assert_eq!(rows(&done, STATES), [10, 10, 0, 0, 0, 0, 0], "{done}");

    // And so is an export.
    home.on_pool("export", &simulator.url, &["--out", "export.csv"]).left_with(0);
    let exported = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        (fields[0].to_owned(), fields[2].to_owned(), fields[4].to_owned())
    };
    let exported: BTreeSet<_> = home.read("export.csv").lines().skip(1).map(exported).collect();
    let given = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        (fields[0].to_owned(), fields[1].to_owned(), fields[3].to_owned())
    };
    let given: BTreeSet<_> = home.read("pairs.csv").lines().skip(1).map(given).collect();
    assert_eq!(exported, given);
}

#[test]
fn links_that_were_undone_are_made_again_only_on_request() {
    let home = Home::new();
    home.write("pairs.csv", export_of("person-00009"));
    write_pool(&home, &["Corp", "Okta"]);
    let simulator = start(&home);
    link(&home, &simulator, &[&["pairs.csv"], &RIGHT[..]].concat(), 0);
    let found = report(&home);
    let run = found["runs"][0]["run_id"].as_str().unwrap().to_owned();
    let undo = |options: &[&str]| {
        let all = [&["pairs.csv.ledger", "--yes", "--rate", "1000", "--output", "json"], options].concat();
        let undone = home.on_pool("undo", &simulator.url, &all).left_with(0).json();
        rows(&undone, ["undone"])[0]
    };
    // Conditions that no link meets.
    assert_eq!(undo(&["--superseded"]), 0);
    assert_eq!(undo(&["--run", "0000000000000000"]), 0);
    assert_eq!(undo(&["--before", "2026-01-01T00:00:00Z"]), 0);
    assert_eq!(undo(&["--key", "00000000000000000000000000000000"]), 0);
    assert_eq!(undo(&[&["--not-in", "pairs.csv"], &RIGHT[..]].concat()), 0);
    // Then those of two rows that another file does not have.
    let most: String = home.read("pairs.csv").lines().filter(|line| !line.contains("person-0000")).count().to_string();
    assert_eq!(most, "1");
    let kept: Vec<String> = home.read("pairs.csv").lines().take(9).map(str::to_owned).collect();
    home.write("kept.csv", kept.join("\n") + "\n");
    assert_eq!(undo(&[&["--not-in", "kept.csv"], &RIGHT[..]].concat()), 2);
    let (run_report, said) = link(&home, &simulator, &[&["pairs.csv"], &RIGHT[..]].concat(), 3);
    assert_eq!((&run_report["writes"], rows(&run_report, ["linked", "undone"])), (&0.into(), [8, 2]), "{run_report}");
    assert!(said.contains("2 links removed by undo; link the same rows again with --relink"), "{said}");
    let (run_report, _) = link(&home, &simulator, &[&["pairs.csv", "--relink"], &RIGHT[..]].concat(), 0);
    assert_eq!((&run_report["writes"], rows(&run_report, ["linked"])), (&2.into(), [10]), "{run_report}");
    // What the first run made and what stands of it.
    assert_eq!(undo(&["--run", &run]), 8);
}

#[test]
fn a_corrected_file_of_another_name_replaces_what_it_corrects() {
    let home = Home::new();
    home.write("pairs.csv", "username,provider,subject\nperson-00000,Corp,wrong\nperson-00001,Corp,right\n");
    write_pool(&home, &["Corp"]);
    let simulator = start(&home);
    link(&home, &simulator, &["pairs.csv"], 0);
    home.write("fix.csv", "username,provider,subject\nperson-00000,Corp,better\n");
    let (_, said) = link(&home, &simulator, &["fix.csv", "--ledger", "pairs.csv.ledger"], 0);
    assert!(said.contains("1 link of this ledger is no longer in the input"), "{said}");
    let found = report(&home);
    assert_eq!((rows(&found, ["read", "linked"]), &found["superseded_links"]), ([2, 2], &1.into()), "{found}");
    // The file that was corrected may be linked again: its wrong row stays replaced.
    let (run, _) = link(&home, &simulator, &["pairs.csv"], 0);
    assert_eq!((&run["writes"], rows(&run, ["linked", "superseded"])), (&0.into(), [1, 1]), "{run}");
    let options = ["pairs.csv.ledger", "--superseded", "--yes", "--output", "json"];
    home.on_pool("undo", &simulator.url, &options).left_with(0);
    assert_eq!(report(&home)["superseded_links"], 0);
    // Rows that come back count again.
    home.write("pairs.csv", "username,provider,subject\n");
    home.write("pairs.csv", "username,provider,subject\nperson-00002,Corp,third\n");
    let (_, said) = link(&home, &simulator, &["pairs.csv", "--max-shrink", "100"], 0);
    assert!(said.contains("1 link of this ledger is no longer in the input"), "{said}");
    home.write("pairs.csv", "username,provider,subject\nperson-00001,Corp,right\nperson-00002,Corp,third\n");
    let (run, said) = link(&home, &simulator, &["pairs.csv"], 0);
    assert_eq!((&run["writes"], rows(&run, ["linked"])), (&0.into(), [2]), "{run}");
    assert!(!said.contains("no longer in the input"), "{said}");
}

#[test]
fn a_row_in_doubt_that_is_gone_from_its_input_is_settled() {
    let home = Home::new();
    write_pool(&home, &["Corp"]);
    let simulator = start(&home);
    let input = |row: u64| format!("username,provider,subject\nperson-0000{row},Corp,subject-{row}\n");
    for (is_made, row, expected) in [(true, 1, [2, 2, 0]), (false, 3, [2, 1, 1])] {
        home.write("pairs.csv", input(row - 1));
        link(&home, &simulator, &["pairs.csv"], 0);
        // A crash after the announcement.
        let lines: Vec<String> = home.read("pairs.csv.ledger").lines().map(str::to_owned).collect();
        let announced = lines.iter().position(|line| line.contains("\"announced\"")).unwrap();
        let cut = lines[..=announced].join("\n") + "\n";
        if !is_made {
            let undo = ["pairs.csv.ledger", "--yes", "--rate", "1000", "--output", "json"];
            home.on_pool("undo", &simulator.url, &undo).left_with(0);
        }
        home.write("pairs.csv.ledger", cut);
        home.write("pairs.csv", input(row));
        let (run, said) = link(&home, &simulator, &["pairs.csv", "--settle-with", "get-user"], 0);
        assert_eq!((&run["writes"], rows(&run, ["read", "linked"])), (&1.into(), [1, 1]), "{run}");
        assert!(said.contains("1 row in doubt, no longer in the input"), "{said}");
        let found = report(&home);
        assert_eq!(rows(&found, ["read", "linked", "failed"]), expected, "{found}");
        let (run, _) = link(&home, &simulator, &["pairs.csv"], 0);
        assert_eq!(run["writes"], 0);
        assert_eq!(rows(&report(&home), ["read", "in_doubt", "failed"]), [1, 0, 0], "the next run drops it");
        std::fs::remove_file(home.path("pairs.csv.ledger")).unwrap();
    }
}

/// A row in doubt that an edit makes invalid beside a row for another user is read back, and nothing is sent for it.
#[test]
fn a_row_in_doubt_that_has_become_invalid_is_settled() {
    for (is_made, expected) in [(true, [2, 1, 0, 1]), (false, [2, 0, 1, 1])] {
        let home = Home::new();
        write_pool(&home, &["Corp"]);
        let simulator = start(&home);
        let row = "username,provider,subject\nperson-00001,Corp,subject-1\n";
        home.write("pairs.csv", row);
        link(&home, &simulator, &["pairs.csv"], 0);
        // A crash after the announcement.
        let lines: Vec<String> = home.read("pairs.csv.ledger").lines().map(str::to_owned).collect();
        let announced = lines.iter().position(|line| line.contains("\"announced\"")).unwrap();
        if !is_made {
            let undo = ["pairs.csv.ledger", "--yes", "--rate", "1000", "--output", "json"];
            home.on_pool("undo", &simulator.url, &undo).left_with(0);
        }
        home.write("pairs.csv.ledger", lines[..=announced].join("\n") + "\n");
        home.write("pairs.csv", format!("{row}person-00002,Corp,subject-1\n"));
        let options = ["pairs.csv", "--settle-with", "get-user"];
        let (run, text) = link(&home, &simulator, &options, 3);
        assert!(text.contains("0 to process, 1 in doubt and read back although invalid, 1 invalid"), "{text}");
        let states = ["read", "linked", "failed", "invalid"];
        assert_eq!((&run["writes"], rows(&run, states)), (&0.into(), expected), "{run}");
        // Then it is as any invalid row.
        let (run, _) = link(&home, &simulator, &options, 3);
        let again = if is_made { expected } else { [2, 0, 0, 2] };
        assert_eq!((&run["writes"], rows(&run, states)), (&0.into(), again), "{run}");
    }
}

/// Rows of a report in the format of its input, each as text.
fn rows_of(home: &Home, path: &str) -> Vec<String> {
    let header = usize::from(!path.ends_with("jsonl"));
    home.read(path).lines().skip(header).map(str::to_owned).collect()
}

#[test]
fn a_second_and_a_third_file_of_open_rows_have_each_row_once() {
    for (ending, row) in [
        ("csv", (|user: &str, n: u64| format!("{user},Corp,sub-{n}\n")) as fn(&str, u64) -> String),
        ("jsonl", |user, n| format!("{{\"username\":\"{user}\",\"provider\":\"Corp\",\"subject\":\"sub-{n}\"}}\n")),
    ] {
        let home = Home::new();
        write_pool(&home, &["Corp"]);
        let simulator = start(&home);
        let [pairs, first, second, third] = ["in", "f1", "f2", "f3"].map(|name| format!("{name}.{ending}"));
        let header = if ending == "csv" { "username,provider,subject\n" } else { "" };
        home.write(&pairs, format!("{header}{}{}{}", row("person-00000", 0), row("x01", 1), row("x02", 2)));
        let ledger = format!("{pairs}.ledger");
        link(&home, &simulator, &[&pairs], 3);
        let write_failed = |path: &str| {
            let words = ["report", &ledger, "--failed", path, "--unprocessed", "rest", "--force", "--output", "json"];
            let found = home.run(&words).left_with(0).json();
            assert_eq!(home.read("rest").lines().count(), usize::from(ending == "csv"), "{}", home.read("rest"));
            (found, rows_of(&home, path))
        };
        assert_eq!(write_failed(&first).1.len(), 2);

        // One of two rows is corrected.
        home.write(&first, home.read(&first).replace("x01", "person-00001"));
        let (run, _) = link(&home, &simulator, &[&first, "--ledger", &ledger], 3);
        assert_eq!(rows(&run, ["read", "linked", "refused"]), [2, 1, 1], "{run}");
        let (found, open) = write_failed(&second);
        assert_eq!(rows(&found, ["read", "linked", "refused"]), [3, 2, 1], "{found}");
        assert_eq!(open.len(), 1, "{open:?}");
        assert!(open[0].contains("x02"), "{open:?}");
        if ending == "csv" {
            let header = home.read(&second).lines().next().unwrap().to_owned();
            assert_eq!(header, "username,provider,subject,link_state,link_code,link_message,retry_of");
            assert_eq!(open[0].split(',').count(), 7, "{open:?}");
        } else {
            assert_eq!(open[0].matches("retry_of").count(), 1, "{open:?}");
        }

        // The second one as well, and wrong once more.
        home.write(&second, home.read(&second).replace("x02", "x03"));
        let (run, _) = link(&home, &simulator, &[&second, "--ledger", &ledger], 3);
        assert_eq!(rows(&run, ["read", "refused", "invalid"]), [1, 1, 0], "{run}");
        let (found, open) = write_failed(&third);
        assert_eq!(rows(&found, ["read", "linked", "refused"]), [3, 2, 1], "{found}");
        assert_eq!((open.len(), open[0].contains("x03")), (1, true), "{open:?}");
        home.write(&third, home.read(&third).replace("x03", "person-00002"));
        link(&home, &simulator, &[&third, "--ledger", &ledger], 0);
        let (found, open) = write_failed("f4");
        assert_eq!(rows(&found, ["read", "linked", "refused", "invalid"]), [3, 3, 0, 0], "{found}");
        assert_eq!(home.read("f4").lines().count(), usize::from(ending == "csv"), "{open:?}");

        // The table has a line for each row: those that count add up.
        let options = ["report", &ledger, "--csv", "table.csv"];
        home.run(&options).left_with(0);
        let table = rows_of(&home, "table.csv");
        let states = |state: &str| table.iter().filter(|line| line.contains(state)).count();
        assert_eq!((states(",linked,"), states(",superseded,"), table.len()), (3, 3, 6), "{table:?}");
        // Keys and names are shown, values are not.
        let key = home
            .read(&third)
            .rsplit(|c: char| !c.is_ascii_hexdigit())
            .find(|word| word.len() == 32)
            .unwrap()
            .to_owned();
        assert!(states(&key) > 0 && states(",Corp,") == 6 && states("person-") == 0, "{table:?}");
    }
}
