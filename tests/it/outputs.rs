//! What is said where: results on stdout, talk on stderr, personal data in neither, files for the owner alone.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::harness::{Fate, Finished, Home, Proxy, Simulator, csv, pairs, pool_file};

#[test]
fn a_result_is_one_json_object_and_the_talk_is_elsewhere() {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..20)));
    let simulator = Simulator::quick(&home);
    let finished = home.link(&simulator.url, &["pairs.csv", "--rate", "1000", "--output", "json"]).left_with(0);
    let report = finished.json();
    assert_eq!(finished.stdout.lines().count(), 1);
    let head = ["kind", "schema_version", "pool", "simulated", "ledger", "ended", "exit_status"];
    let head: Vec<&Value> = head.iter().map(|name| &report[*name]).collect();
    let pool = crate::harness::POOL;
    assert_eq!(json!(head), json!(["run_report", 1, pool, true, "pairs.csv.ledger", "completed", 0]));
    assert!(finished.stderr.contains("20 rows"), "{finished:#?}");

    let quiet = home.link(&simulator.url, &["pairs.csv", "--quiet"]).left_with(0);
    assert_eq!(quiet.stderr, "", "nothing to say but the result");
    assert!(quiet.stdout.contains("20 settled in earlier runs"), "{quiet:#?}");
}

#[test]
fn logs_as_json_are_an_object_a_line() {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..20)));
    let simulator = Simulator::quick(&home);
    let options = ["pairs.csv", "--rate", "1000", "-vv", "--log-format", "json", "--quiet", "--output", "json"];
    let finished = home.link(&simulator.url, &options).left_with(0);
    finished.json();
    let lines = finished.stderr.lines().map(serde_json::from_str::<Value>);
    assert!(lines.clone().count() > 0 && lines.clone().all(|line| line.is_ok()), "{finished:#?}");
}

/// Rows that meet every kind of trouble, each with values that occur nowhere else.
fn troubled_rows() -> (String, Vec<String>) {
    let rows = pairs(0..12);
    let mut secrets: Vec<String> = rows.iter().flat_map(|row| [row.username.clone(), row.value.clone()]).collect();
    let mut text = csv(&rows).replacen("source_value", "source_value,destination_email", 1).replace('\n', ",\n");
    text = text.replacen("destination_email,\n", "destination_email\n", 1);
    let odd = [
        ",Google,10743859999999999998,zoe.secretive@example.com",
        "person-trailing-space ,Okta,00uTrailing,",
        "person-control\u{1},Okta,00uControl,",
        "person-prefix,Google,google_1074385123,",
        "person-number,Google,1.07E+20,",
        "person-ragged,Google,1074385123,,,,",
        "person-provider,Nowhere,00uNowhere,",
        "person-odd\u{1b}[31m,Okta,00uEscape,",
    ];
    for row in odd {
        writeln!(text, "{row}").unwrap();
        let values = row.split(',').filter(|value| !["", "Google", "Okta", "Nowhere"].contains(value));
        secrets.extend(values.map(|value| value.trim().to_owned()));
    }
    (text, secrets)
}

#[test]
fn no_identity_and_no_user_name_reaches_the_terminal() {
    let home = Home::new();
    let (text, secrets) = troubled_rows();
    home.write("pairs.csv", text);
    let users: Vec<String> = pairs(3..12).into_iter().map(|row| row.username).collect();
    home.write("pool.json", pool_file(&users.iter().map(String::as_str).collect::<Vec<_>>()));
    let options = ["--latency", "off", "--quota", "off", "--pool-file", "pool.json"];
    let simulator = Simulator::start(&home, &options);
    let talkative = Proxy::start(simulator.address(), |number, body| {
        let repeat = |code| Fate::Answered(400, code, format!("1 validation error detected: Value '{body}' is odd"));
        match number {
            4 => repeat("InvalidParameterException"),
            5 => repeat("SomethingNewException"),
            6 => repeat("TooManyRequestsException"),
            7 => Fate::Answered(500, "InternalErrorException", body.to_owned()),
            8 => Fate::LostAfter,
            _ => Fate::Passes,
        }
    });
    let common = ["pairs.csv", "--rate", "100", "--settle-with", "get-user", "-vv"];
    let finished = home.link(&talkative.url, &common).left_with(3);
    is_silent_about(&secrets, &finished);
    assert!(finished.stderr.contains("DEBUG") && finished.stderr.contains("surrounding_space"), "{finished:#?}");
    let ledger = home.ledger("pairs.csv.ledger");
    assert!(ledger.count("refused") > 3 && ledger.count("linked") > 3, "all kinds of trouble: {:?}", ledger.states());
    for output in ["text", "json"] {
        is_silent_about(&secrets, &home.run(&["report", "pairs.csv.ledger", "--output", output]).left_with(0));
    }
    let shown = home.run(&["report", "pairs.csv.ledger", "--show-values"]).left_with(0);
    assert!(shown.stdout.contains("person-"), "on request they are shown: {shown:#?}");

    let options = [&common[..], &["--retry", "refused", "--log-format", "json"]].concat();
    is_silent_about(&secrets, &home.link(&talkative.url, &options).left_with(3));
}

#[track_caller]
fn is_silent_about(secrets: &[String], finished: &Finished) {
    for secret in secrets {
        let told = finished.stdout.contains(secret.as_str()) || finished.stderr.contains(secret.as_str());
        assert!(!told, "{secret} is told: {finished:#?}");
    }
}

#[test]
fn no_output_replaces_a_file_that_is_needed() {
    const POOL: [&str; 5] = ["--simulate", "--pool-file", "pool.json", "--simulate-latency", "off"];
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..3)));
    home.run(&["link", "pairs.csv", "--simulate", "--yes", "--simulate-latency", "off", "--save-pool", "pool.json"])
        .left_with(0);
    let ledger = "pairs.csv.simulated.ledger";
    // The command, the option of its output, and a file that it reads or its ledger.
    home.write("faults", "slow=1ms@1%\n");
    home.write("moved.csv", csv(&pairs(0..3)));
    let outputs: [(&[&str], &str, Option<&str>); 18] = [
        (&["validate", "pairs.csv"], "--save-plan", Some("pairs.csv")),
        (&["validate", "pairs.csv"], "--save-plan", Some("pool.json")),
        (&["validate", "pairs.csv", "--simulate-faults", "faults"], "--save-plan", Some("faults")),
        (&["validate", "pairs.csv", "--simulate-faults", "faults"], "--save-pool", Some("faults")),
        (&["link", "pairs.csv", "--yes", "--simulate-faults", "faults"], "--save-pool", Some("faults")),
        (&["reconcile", "pairs.csv"], "--combined", Some("pool.json")),
        (&["export"], "--out", Some("pool.json")),
        (&["duplicates"], "--pairs", Some("pool.json")),
        (&["doctor", "--simulate-faults", "faults"], "--save-pool", Some("faults")),
        (&["undo", ledger, "--yes"], "--save-pool", Some("pairs.csv")),
        (&["validate", "pairs.csv"], "--save-pool", Some("pairs.csv")),
        (&["link", "pairs.csv", "--yes"], "--save-pool", Some(ledger)),
        (&["reconcile", "pairs.csv"], "--combined", Some("pairs.csv")),
        (&["reconcile", "pairs.csv", "--apply", "--yes"], "--save-pool", Some(ledger)),
        (&["undo", ledger, "--yes"], "--save-pool", Some(ledger)),
        (&["export"], "--out", None),
        (&["export"], "--pool-snapshot", None),
        (&["doctor"], "--save-pool", None),
    ];
    for (command, option, read) in outputs {
        home.write("old", "old");
        home.run(&[command, &[option, "old"], &POOL].concat()).refused_with(2, "old exists");
        assert_eq!(std::fs::read_to_string(home.path("old")).unwrap(), "old", "{command:?}");
        if let Some(read) = read {
            let before = std::fs::read(home.path(read)).unwrap();
            let refusal = format!("{option} would replace {read}; name another file");
            home.run(&[command, &[option, read, "--force"], &POOL].concat()).refused_with(2, &refusal);
            assert_eq!(std::fs::read(home.path(read)).unwrap(), before, "{command:?}");
        }
    }
    for option in ["--failed", "--unprocessed"] {
        let other = ["report", ledger, "--input", "moved.csv", option, "pairs.csv", "--force"];
        home.run(&other).refused_with(2, "would replace");
        home.run(&["report", ledger, option, "old"]).refused_with(2, "old exists");
        home.run(&["report", ledger, option, ledger, "--force"]).refused_with(2, "would replace");
    }
    home.run(&["validate", "pairs.csv", "--split", "checked"]).left_with(0);
    home.run(&["validate", "pairs.csv", "--split", "checked"]).refused_with(2, "valid.csv exists");
    home.run(&["validate", "pairs.csv", "--split", "checked", "--force"]).left_with(0);
    home.run(&["validate", "checked/valid.csv", "--split", "checked", "--force"]).refused_with(2, "would replace");
}

#[test]
fn files_with_personal_data_are_for_their_owner_alone() {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..6)));
    let simulator = Simulator::quick(&home);
    home.link(&simulator.url, &["pairs.csv", "--rate", "1000"]).left_with(0);
    // A file that was there before, readable for all, is not left so.
    home.write("failed.csv", "old");
    home.run(&["report", "pairs.csv.ledger", "--failed", "failed.csv", "--unprocessed", "rest.csv", "--force"])
        .left_with(0);
    let simulated =
        ["link", "pairs.csv", "--simulate", "--yes", "--simulate-latency", "off", "--save-pool", "saved.json"];
    home.run(&simulated).left_with(0);
    for name in ["pairs.csv.ledger", "pairs.csv.simulated.ledger", "failed.csv", "rest.csv", "saved.json"] {
        let mode = std::fs::metadata(home.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert!(!home.path("pairs.csv.ledger.lock").exists(), "the holder's notice is gone with it");
}
