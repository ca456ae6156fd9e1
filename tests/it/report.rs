//! What ledgers have to say, and the rows that they hand back.

use std::fmt::Write as _;

use crate::harness::{Home, Pair, Simulator, csv, pairs, pool_file};

const ROWS: usize = 120;
const MISSING: usize = 8;

/// Rows with columns of somebody's own, which must come back as they are.
fn annotated(rows: &[Pair]) -> String {
    let mut text = "cost center;username;idp;subject;note\n".to_owned();
    for (number, Pair { username, provider, value }) in rows.iter().enumerate() {
        writeln!(text, "00{number};{username};{provider};{value};\"said \"\"é; ñ\"\", no. {number}\"").unwrap();
    }
    text
}

/// A run that was interrupted after its first rows, whose users are missing, were refused.
fn interrupted() -> Home {
    let home = Home::new();
    home.write("pairs.csv", annotated(&pairs(0..ROWS as u64)));
    let users: Vec<String> = pairs(MISSING as u64..ROWS as u64).into_iter().map(|row| row.username).collect();
    home.write("pool.json", pool_file(&users.iter().map(String::as_str).collect::<Vec<_>>()));
    let simulator = start_simulator(&home, "pool.json");
    home.link_interrupted(&simulator, "INT", &["pairs.csv"]).left_with(130);
    simulator.stop();
    home
}

fn start_simulator(home: &Home, pool: &str) -> Simulator {
    let options = ["--pool-file", pool, "--save-pool", "pool.json", "--force", "--latency", "off", "--quota", "off"];
    Simulator::start(home, &options)
}

/// The part in backticks of the hint that has these words.
fn suggested(stderr: &str, words: &str) -> Vec<String> {
    let hint = stderr.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("no {words} in {stderr}"));
    hint.split('`').nth(1).unwrap().split(' ').skip(1).map(str::to_owned).collect()
}

#[test]
fn suggested_commands_read_the_input_as_the_run_read_it() {
    let home = Home::new();
    let pairs = pairs(0..4);
    let lines: Vec<String> = pairs.iter().map(|row| format!("{},{}\n", row.username, row.value)).collect();
    home.write("pairs.csv", format!("who,what\n{}", lines.concat()));
    let users: Vec<&str> = pairs[1..].iter().map(|row| row.username.as_str()).collect();
    home.write("pool.json", pool_file(&users));
    let reading = ["--map", "destination_username=who", "--map", "source_value=what", "--set", "source_provider=Okta"];
    let pool = ["--simulate", "--pool-file", "pool.json"];
    let run = |words: &[String]| home.run(&words.iter().map(String::as_str).collect::<Vec<_>>());

    let validate = [&["validate", "pairs.csv", "--save-plan", "plan"][..], &reading, &pool].concat();
    let stderr = home.run(&validate).left_with(3).stderr;
    let link = suggested(&stderr, "follow it exactly");
    let linked = run(&[&link[..], &["--yes".to_owned()]].concat()).left_with(3);
    let report = suggested(&linked.stderr, "write these rows to a file");
    let report = report.iter().map(|word| if word == "FILE" { "failed.csv".to_owned() } else { word.clone() });
    let reported = run(&report.collect::<Vec<_>>()).left_with(0);
    let failed = home.read("failed.csv");
    assert_eq!(failed.lines().count(), 2, "{failed}");

    home.write("failed.csv", failed.replace(&pairs[0].username, &pairs[1].username));
    let corrected = suggested(&reported.stderr, "correct the rows in");
    let run = run(&[&corrected[..], &["--yes".to_owned(), "--output".to_owned(), "json".to_owned()]].concat());
    assert_eq!(run.left_with(0).json()["rows"]["linked"], 1);
}

#[test]
fn result_files_are_inputs_and_finish_the_migration() {
    let home = interrupted();
    let linked = home.ledger("pairs.csv.ledger").count("linked");
    let options = ["report", "pairs.csv.ledger", "--failed", "failed.csv", "--unprocessed", "rest.csv"];
    let report = home.run(&[&options[..], &["--output", "json"]].concat()).left_with(0).json();
    let rows = &report["rows"];
    let expected = (ROWS.into(), linked.into(), MISSING.into(), (ROWS - MISSING - linked).into());
    assert_eq!((&rows["read"], &rows["linked"], &rows["refused"], &rows["unprocessed"]), tuple(&expected), "{report}");

    // The rows that were never attempted, byte for byte.
    let input = home.read("pairs.csv");
    let rest = home.read("rest.csv");
    assert_eq!(rest.lines().count(), 1 + ROWS - MISSING - linked);
    assert!(rest.lines().all(|line| input.lines().any(|given| given == line)), "{rest}");
    // Those that were refused, with the reason behind them.
    let failed = home.read("failed.csv");
    assert_eq!(failed.lines().count(), 1 + MISSING);
    for (line, given) in failed.lines().zip(input.lines()) {
        assert!(line.starts_with(&format!("{given};")), "{line}");
    }
    assert!(failed.lines().skip(1).all(|line| line.contains(";refused;user_not_found;")), "{failed}");

    let simulator = start_simulator(&home, "pool.json");
    let options = ["rest.csv", "--ledger", "pairs.csv.ledger", "--rate", "1000", "--output", "json"];
    let report = home.link(&simulator.url, &options).left_with(0).json();
    assert_eq!((&report["writes"], &report["rows"]["skipped"]), (&(ROWS - MISSING - linked).into(), &0.into()));
    let report = home.link(&simulator.url, &["pairs.csv", "--output", "json"]).left_with(3).json();
    assert_eq!((&report["writes"], &report["rows"]["refused"]), (&0.into(), &MISSING.into()));
    simulator.stop();

    // Once the missing users are there, the refused rows are an input as well.
    home.write("all.json", pool_file(&pairs(0..8).iter().map(|row| row.username.as_str()).collect::<Vec<_>>()));
    let simulator = start_simulator(&home, "all.json");
    let options = ["failed.csv", "--ledger", "pairs.csv.ledger", "--rate", "1000", "--retry", "refused"];
    home.link(&simulator.url, &options).left_with(0);
    simulator.linked_once(MISSING);
    let report =
        home.run(&["report", "pairs.csv.ledger", "--output", "json", "--input", "pairs.csv"]).left_with(0).json();
    assert_eq!((&report["rows"]["linked"], &report["rows"]["unprocessed"]), (&ROWS.into(), &0.into()));
}

type Four<T> = (T, T, T, T);

fn tuple(of: &Four<serde_json::Value>) -> Four<&serde_json::Value> {
    (&of.0, &of.1, &of.2, &of.3)
}

#[test]
fn a_report_in_words_and_as_json_says_the_same() {
    let home = interrupted();
    let linked = home.ledger("pairs.csv.ledger").count("linked");
    let report = home.run(&["report", "pairs.csv.ledger", "--output", "json"]).left_with(0).json();
    assert_eq!((&report["kind"], &report["schema_version"]), (&"ledger_report".into(), &1.into()));
    assert_eq!(report["rows"]["unprocessed"], serde_json::Value::Null, "a ledger alone cannot tell");
    assert_eq!(report["runs"][0]["ended"], "interrupted");
    let failures = report["failures"].as_array().unwrap();
    assert_eq!(failures.len(), MISSING);
    assert!(failures.iter().all(|failure| failure["refusal_code"] == "user_not_found"), "{report}");

    let words = home.run(&["report", "pairs.csv.ledger"]).left_with(0).stdout;
    assert!(words.contains(&format!("linked {linked:>14}\n")), "{words}");
    assert!(words.contains("user_not_found 8") && words.contains("link pairs.csv"), "{words}");
    for failure in failures {
        let line = format!("row {} key {} refused user_not_found", failure["row"], failure["key"].as_str().unwrap());
        assert!(words.contains(&line), "{line} in {words}");
    }
}

#[test]
fn ledgers_of_one_pool_are_merged() {
    let home = Home::new();
    let simulator = Simulator::quick(&home);
    home.write("one.csv", csv(&pairs(0..20)));
    home.write("two.csv", csv(&pairs(10..40)));
    for name in ["one.csv", "two.csv"] {
        home.link(&simulator.url, &[name, "--rate", "1000"]).left_with(0);
    }
    let options = ["report", "one.csv.ledger", "two.csv.ledger", "--output", "json"];
    let report = home.run(&options).left_with(0).json();
    assert_eq!(report["rows"]["read"], 40, "a row in both counts once: {report}");
    assert_eq!((&report["rows"]["linked"], &report["rows"]["already_linked"]), (&40.into(), &0.into()), "{report}");
    let inputs: Vec<_> = report["runs"].as_array().unwrap().iter().map(|run| run["input"].as_str()).collect();
    assert_eq!(inputs, [Some("one.csv"), Some("two.csv")]);

    let simulated = ["link", "one.csv", "--simulate", "--yes", "--simulate-latency", "off"];
    home.run(&[&simulated[..], &["--user-pool-id", "eu-west-1_Other"]].concat()).left_with(0);
    home.run(&["report", "one.csv.ledger", "one.csv.simulated.ledger"]).refused_with(6, "eu-west-1_Other");
}

#[test]
fn a_result_file_never_replaces_a_file_that_is_read() {
    let home = interrupted();
    let report = |option: &str, file: &str| home.run(&["report", "pairs.csv.ledger", option, file]);
    report("--failed", "pairs.csv").refused_with(2, "--failed would replace pairs.csv; name another file");
    report("--failed", "pairs.csv.ledger").refused_with(2, "--failed would replace pairs.csv.ledger");
    report("--unprocessed", "./pairs.csv").refused_with(2, "--unprocessed would replace");
}

#[test]
fn a_report_of_nothing_is_refused() {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..2)));
    home.run(&["report"]).left_with(2);
    home.run(&["report", "missing.ledger"]).refused_with(2, "missing.ledger");
    home.run(&["report", "pairs.csv"]).refused_with(6, "is not a ledger");
}

/// A file that says less than the ledger must not look complete.
#[test]
fn an_input_that_was_edited_since_the_run_is_reported() {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..5)));
    let simulator = Simulator::quick(&home);
    home.link(&simulator.url, &["pairs.csv"]).left_with(0);
    home.write("other.csv", csv(&pairs(0..1)));
    let report = |more: &[&str]| home.run(&[&["report", "pairs.csv.ledger", "--force"], more].concat());
    let page =
        "hint: write the evidence to a page: `cognito-link report pairs.csv.ledger --html pairs.csv.ledger.html`\n";
    let whole = report(&["--csv", "rows.csv"]).left_with(0).stderr;
    assert_eq!(whole, format!("note: rows.csv: 5 rows\n{page}"));
    let partly = report(&["--input", "other.csv"]).left_with(0).stderr;
    assert!(partly.starts_with("warning: 4 rows of the ledger are not in other.csv, which was edited"), "{partly}");
    // With a row that is not in the ledger, which is no reason to warn.
    home.write("pairs.csv", csv(&pairs(3..6)));
    let edited = report(&["--csv", "rows.csv", "--log-format", "json"]).left_with(0).stderr;
    assert!(edited.contains(r#""code":"input_differs""#) && edited.contains("3 rows of the ledger"), "{edited}");
    // With all rows of the ledger, and one more; then with as many rows, of which one has another column.
    home.write("pairs.csv", csv(&pairs(0..6)));
    let gained = report(&["--csv", "rows.csv"]).left_with(0).stderr;
    let expected =
        "warning: pairs.csv was edited since its last run: it had 5 rows, and has 6. All rows of the ledger are in it.";
    assert!(gained.starts_with(expected), "{gained}");
    home.write("moved.csv", csv(&pairs(0..6)));
    let moved = report(&["--input", "moved.csv", "--log-format", "json"]).left_with(0).stderr;
    assert!(moved.contains(r#""code":"input_differs""#) && moved.contains("moved.csv was edited"), "{moved}");
    home.write("pairs.csv", csv(&pairs(0..5)).replace('\n', ",x\n"));
    let same_rows = report(&["--csv", "rows.csv"]).left_with(0).stderr;
    assert!(same_rows.contains("since its last run: it has 5 rows as before."), "{same_rows}");
    home.write("pairs.csv", csv(&pairs(0..5)));
    assert_eq!(report(&["--csv", "rows.csv"]).left_with(0).stderr, whole);
    report(&["--csv", "-"]).refused_with(2, "--csv -: the report itself is printed to stdout");
    assert!(!home.path("-").exists());
}

#[test]
fn inputs_of_several_ledgers_are_compared_each_with_its_own() {
    let home = Home::new();
    let simulator = Simulator::quick(&home);
    for (name, rows) in [("a.csv", 0..3), ("b.csv", 3..5)] {
        home.write(name, csv(&pairs(rows)));
        home.link(&simulator.url, &[name]).left_with(0);
    }
    let report = || home.run(&["report", "a.csv.ledger", "b.csv.ledger", "--csv", "rows.csv", "--force"]).left_with(0);
    let whole = report().stderr;
    assert!(!whole.contains("warning"), "{whole}");
    home.write("b.csv", csv(&pairs(3..6)));
    let edited = report().stderr;
    assert!(edited.starts_with("warning: b.csv was edited") && edited.matches("warning").count() == 1, "{edited}");
}

#[test]
fn a_link_that_was_undone_is_not_listed_as_never_attempted() {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..3)));
    let simulator = Simulator::quick(&home);
    home.link(&simulator.url, &["pairs.csv"]).left_with(0);
    home.on_pool("undo", &simulator.url, &["pairs.csv.ledger", "--rows", "2", "--yes"]).left_with(0);
    home.run(&["report", "pairs.csv.ledger", "--csv", "rows.csv"]).left_with(0);
    let text = home.read("rows.csv");
    let states: Vec<&str> = text.lines().skip(1).map(|line| line.split(',').nth(3).unwrap()).collect();
    assert_eq!(states, ["linked", "undone", "linked"]);
}
