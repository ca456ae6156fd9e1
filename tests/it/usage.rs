//! Mistakes: one clear sentence, the right status, nothing on stdout, nothing sent.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Home, POOL, Running, Simulator, csv, give_credentials, pairs, wait_for};

/// A home with a good and a bad input.
fn home_with_inputs() -> Home {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..5)));
    home.write("bad-row.csv", csv(&pairs(0..5)).replacen("Google", "", 1));
    home.write("no-columns.csv", "name,mail\nA,a@example.com\n");
    home.write("empty.csv", "");
    home
}

#[test]
fn mistakes_are_told_and_nothing_is_sent() {
    let home = home_with_inputs();
    let simulator = Simulator::quick(&home);
    let other_pool = "eu-west-1_Example01";
    let table: &[(&[&str], i32, &str)] = &[
        (&["pairs.csv", "--user-pool-id", POOL, "--yess"], 2, "--yess"),
        (&["--user-pool-id", POOL, "--yes", "missing.csv"], 2, "missing.csv"),
        (&["pairs.csv", "--user-pool-id", "Example01", "--yes"], 2, "not a user pool id"),
        (&["pairs.csv", "--user-pool-id", other_pool, "--region", "us-east-1", "--yes"], 2, "contradicts"),
        (&["pairs.csv", "--yes"], 2, "no user pool"),
        (&["pairs.csv", "--user-pool-id", POOL, "--yes", "--rate", "fast"], 2, "invalid value 'fast' for '--rate"),
        (
            &["pairs.csv", "--user-pool-id", POOL, "--yes", "--max-duration", "soon"],
            2,
            "invalid value 'soon' for '--max-duration",
        ),
        (&["pairs.csv", "--user-pool-id", POOL, "--yes", "--attempts", "0"], 2, "invalid value '0' for '--attempts"),
        (&["pairs.csv", "--user-pool-id", POOL, "--yes", "--config", "missing.toml"], 2, "missing.toml"),
        (&["pairs.csv", "--user-pool-id", POOL, "--yes", "--pool-file", "pool.json"], 2, "required arguments"),
        (&["-", "--user-pool-id", POOL, "--yes"], 2, "name one with --ledger"),
        (&["empty.csv", "--user-pool-id", POOL, "--yes"], 4, "empty"),
        (&[".", "--user-pool-id", POOL, "--yes"], 2, "."),
    ];
    for (arguments, code, part) in table {
        let mut command = home.program(&["link", "--endpoint-url", &simulator.url]);
        give_credentials(command.args(*arguments));
        Running::start(command).wait().refused_with(*code, part);
    }
    // Without credentials, and without waiting for any.
    home.run(&["link", "pairs.csv", "--user-pool-id", POOL, "--yes", "--endpoint-url", &simulator.url])
        .refused_with(7, "no credentials found");
    assert_eq!(simulator.stats()["operations"], json!({}), "not even read");
    let left: Vec<_> = std::fs::read_dir(home.path(".")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("ledger")), "no ledger was begun: {left:?}");
}

#[test]
fn without_a_terminal_and_without_yes_there_is_a_preview_and_the_command() {
    let home = home_with_inputs();
    let simulator = Simulator::quick(&home);
    let mut command = home.program(&["link", "--endpoint-url", &simulator.url, "--user-pool-id", POOL, "pairs.csv"]);
    give_credentials(&mut command);
    let finished = Running::start(command).wait().refused_with(2, "link 5 rows of pairs.csv");
    let told = format!("`cognito-link link --endpoint-url {} --user-pool-id {POOL} pairs.csv --yes`", simulator.url);
    assert!(finished.stderr.contains(&told), "{finished:#?}");
    assert!(finished.stderr.contains("5 rows: 5 to process"), "{finished:#?}");
    assert_eq!(simulator.link_calls(), 0);
    assert!(!home.path("pairs.csv.ledger").exists());
}

#[test]
fn link_dry_run_sends_nothing_and_writes_no_ledger() {
    let home = home_with_inputs();
    let simulator = Simulator::quick(&home);
    let finished = home.link(&simulator.url, &["pairs.csv", "--dry-run", "--output", "json"]);
    let report: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(report["rows"]["read"], 5, "{report}");
    assert_eq!(simulator.link_calls(), 0);
    assert!(!home.path("pairs.csv.ledger").exists());
}

#[test]
fn link_dry_run_is_for_the_rows_that_link_would_work_on() {
    let home = home_with_inputs();
    let simulator = Simulator::quick(&home);
    let forecast = |options: &[&str]| {
        let finished = home.link(&simulator.url, &[&["pairs.csv", "--dry-run", "--output", "json"], options].concat());
        let report: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
        assert_eq!(report["rows"]["read"], 5, "all rows are checked: {report}");
        let by_verdict = report["forecast"]["by_verdict"].as_object().unwrap();
        by_verdict.values().map(|rows| rows.as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!(forecast(&[]), 5);
    assert_eq!(forecast(&["--rows", "2-3,5"]), 3);
    assert_eq!(forecast(&["--where", "source_provider=Nowhere"]), 0);
    assert_eq!(forecast(&["--limit", "2"]), 2);
    assert_eq!(forecast(&["--limit", "1", "--rows", "4-5"]), 1);
    let shards = [forecast(&["--shard", "0/2"]), forecast(&["--shard", "1/2"])];
    assert!(shards.iter().sum::<u64>() == 5 && !shards.contains(&5), "{shards:?}");
    let dry_run = |options: &[&str]| home.link(&simulator.url, &[&["pairs.csv", "--dry-run"], options].concat());
    dry_run(&["--where", "team=pilot"]).refused_with(2, "no such column");
    dry_run(&["--plan", "pairs.plan"]).refused_with(2, "cognito-link validate pairs.csv --save-plan");
    dry_run(&["--plan", "pairs.plan", "--order", "recent"]).refused_with(2, "--save-plan");
    assert!(dry_run(&["--order", "recent"]).left_with(2).stderr.contains("--plan <FILE>"));
    assert_eq!(simulator.link_calls(), 0);
    // What a limit counts is in the ledger, which a dry run does not read.
    home.link(&simulator.url, &["pairs.csv", "--limit", "1", "--rate", "1000"]).left_with(3);
    dry_run(&["--limit", "1"]).refused_with(2, "--rows");
}

#[test]
fn link_dry_run_refuses_what_the_run_would_refuse() {
    let home = home_with_inputs();
    let simulator = Simulator::quick(&home);
    // The pool of this simulator has no users before the first call, so that a dry run ends with 3 at best.
    let dry_run = |options: &[&str]| home.link(&simulator.url, &[&["pairs.csv", "--dry-run"], options].concat());
    for (options, status, said) in [
        (&["--max-changes", "4"][..], 9, "5 links would be made, over --max-changes 4; nothing was sent"),
        (&["--max-changes", "5"], 3, ""),
        (&["--rows", "1-2", "--max-changes", "2"], 3, ""),
        (&["--max-changes-pct", "99"], 9, "over --max-changes-pct 99 of 5 rows"),
        (&["--min-rows", "6"], 4, "fewer than --min-rows 6"),
        (&["--max-shrink", "10"], 3, ""),
        (&["--expect-account", "123456789012"], 6, "--expect-account is 123456789012; nothing was sent"),
        (&["--expect-account", "000000000000"], 3, ""),
        (&["--confirm", "Others"], 2, "--confirm 'Others' is not the name of pool"),
        (
            &["--canary", "2", "--verify"],
            3,
            "without effect in a dry run, which sends nothing and reads no ledger: --canary, --verify",
        ),
    ] {
        let run = dry_run(options).left_with(status);
        assert!(run.stderr.contains(said), "{options:?}: {run:#?}");
    }
    let json = dry_run(&["--max-changes", "4", "--output", "json"]).left_with(9);
    let report: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&report["error"]["code"], &report["exit_status"]), (&"bound".into(), &9.into()), "{report}");
    assert_eq!(report["forecast"]["refused"], 5, "the whole result is there: {report}");
    let invalid = home.link(&simulator.url, &["bad-row.csv", "--dry-run", "--strict"]);
    invalid.left_with(4);
    assert_eq!(simulator.link_calls(), 0);
    // What is done is in the ledger, which a dry run does not read.
    home.link(&simulator.url, &["pairs.csv", "--limit", "1", "--rate", "1000"]).left_with(3);
    for option in ["--max-changes", "--max-changes-pct", "--max-shrink"] {
        dry_run(&[option, "50"])
            .refused_with(2, &format!("{option} needs ledger pairs.csv.ledger, which --dry-run does not read"));
    }
    let not_checked = "not checked, because --dry-run reads no ledger: ";
    let run = dry_run(&[]).left_with(3);
    assert!(run.stderr.contains(&format!("{not_checked}--max-shrink\n")), "20 % are the default: {run:#?}");
    home.write("settings.toml", "max-changes = 1\n");
    let run = dry_run(&["--config", "settings.toml"]).left_with(3);
    let both = format!("{not_checked}the bounds of changes in the settings, --max-shrink\n");
    assert!(run.stderr.contains(&both), "{run:#?}");
}

#[test]
fn link_dry_run_takes_a_percentage_of_the_shard_and_a_bound_before_invalid_rows() {
    let home = home_with_inputs();
    home.write("forty.csv", csv(&pairs(0..40)));
    let simulator = Simulator::quick(&home);
    for options in [
        &["forty.csv", "--shard", "1/4", "--max-changes-pct", "50"][..],
        // One of the rows is invalid.
        &["bad-row.csv", "--max-changes", "1"],
        &["bad-row.csv", "--max-changes-pct", "79"],
    ] {
        let error = |more: &[&str]| {
            let run = home.link(&simulator.url, &[options, more, &["--output", "json"]].concat()).left_with(9);
            let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
            let error = report["error"].clone();
            assert_eq!(error["code"], "bound", "{options:?} {more:?}: {run:#?}");
            error
        };
        assert_eq!(error(&["--dry-run"]), error(&[]), "{options:?}");
    }
    let options = ["forty.csv", "--shard", "1/4", "--max-changes-pct", "100"];
    home.link(&simulator.url, &[&options[..], &["--dry-run"]].concat()).left_with(3);
    assert_eq!(simulator.link_calls(), 0);
}

#[test]
fn an_option_may_come_from_a_variable_or_from_the_file() {
    let home = home_with_inputs();
    let simulator = Simulator::quick(&home);
    home.write("settings.toml", "strict = true\noutput = \"json\"\n");
    let mut command = home.link_command(&simulator.url, &["bad-row.csv"]);
    command.env("COGNITO_LINK_CONFIG", "settings.toml");
    Running::start(command).wait().left_with(4);
    let mut command = home.link_command(&simulator.url, &["bad-row.csv"]);
    command.env("COGNITO_LINK_CONFIG", "settings.toml").env("COGNITO_LINK_STRICT", "0").env("COGNITO_LINK_LIMIT", "2");
    let report = Running::start(command).wait().left_with(3).json();
    assert_eq!(report["rows"]["linked"], 2, "{report}");
    let mut command = home.link_command(&simulator.url, &["pairs.csv"]);
    command.env("COGNITO_LINK_ATTEMPTS", "many");
    Running::start(command).wait().refused_with(2, "the variable COGNITO_LINK_ATTEMPTS");
}

#[test]
fn a_profile_that_is_named_wins_over_the_keys_of_the_environment() {
    let home = home_with_inputs();
    std::fs::create_dir(home.path(".aws")).unwrap();
    let profile = "[chosen]\naws_access_key_id = AKIDOFTHEPROFILE\naws_secret_access_key = not-a-secret\n";
    home.write(".aws/credentials", profile);
    let simulator = Simulator::quick(&home);
    home.link(&simulator.url, &["pairs.csv", "--profile", "missing"]).refused_with(7, "missing");
    assert_eq!(simulator.stats()["operations"], json!({}), "not even read with the keys of the environment");

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let running = home.start_link(&url, &["pairs.csv", "--profile", "chosen"]);
    listener.set_nonblocking(true).unwrap();
    let stream = wait_for("a request", || listener.accept().ok()).0;
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut request = BufReader::new(stream).lines().map_while(Result::ok);
    let signed = request.find(|line| line.to_lowercase().starts_with("authorization:")).expect("a signed request");
    assert!(signed.contains("Credential=AKIDOFTHEPROFILE/"), "{signed}");
    running.kill();
    home.link(&simulator.url, &["pairs.csv", "--profile", "chosen", "--rate", "1000"]).left_with(0);
    simulator.linked_once(5);
}

#[test]
fn every_missing_column_is_told_at_once() {
    let home = home_with_inputs();
    let simulator = Simulator::quick(&home);
    let finished = home.link(&simulator.url, &["no-columns.csv"]).left_with(4);
    assert_eq!(finished.stdout, "");
    for column in ["destination_username", "source_provider", "source_value"] {
        let told = format!("error: line 1: missing_column: no column for {column}");
        assert_eq!(finished.stderr.matches(&told).count(), 1, "{finished:#?}");
    }
    assert_eq!(simulator.stats()["operations"], json!({}));
}

#[test]
fn a_ledger_that_cannot_be_written_is_told_before_anything_is_sent() {
    let home = home_with_inputs();
    let simulator = Simulator::quick(&home);
    for ledger in ["no-such-folder/pairs.ledger", "pairs.csv/ledger"] {
        home.link(&simulator.url, &["pairs.csv", "--ledger", ledger]).refused_with(2, ledger);
    }
    assert_eq!(simulator.link_calls(), 0);
}

#[test]
fn strict_sends_nothing_where_a_row_is_invalid() {
    let home = home_with_inputs();
    let simulator = Simulator::quick(&home);
    let finished = home.link(&simulator.url, &["bad-row.csv", "--strict"]).left_with(4);
    assert_eq!(finished.stdout, "");
    assert!(finished.stderr.contains("row 2, line 3, column source_provider: missing_value"), "{finished:#?}");
    assert!(finished.stderr.contains("error: 1 of 5 rows are invalid and --strict was given"), "{finished:#?}");
    assert_eq!(simulator.link_calls(), 0);

    let report = home.link(&simulator.url, &["bad-row.csv", "--output", "json"]).left_with(3).json();
    assert_eq!((&report["rows"]["linked"], &report["rows"]["invalid"]), (&4.into(), &1.into()));
    assert_eq!(report["findings_by_code"], json!({ "missing_value": 1 }));
}

#[test]
fn a_pool_without_providers_is_told_as_such() {
    let home = home_with_inputs();
    let simulator = Simulator::start(&home, &["--latency", "off"]);
    let finished = home.link(&simulator.url, &["pairs.csv"]).left_with(3);
    let told = "warning: the pool has none of the providers Google, Okta; it has none; rows with other providers will be refused";
    assert!(finished.stderr.contains(told), "{finished:#?}");
    assert_eq!(simulator.link_calls(), 0);
}

#[test]
fn an_address_without_a_scheme_is_a_mistake() {
    let home = home_with_inputs();
    home.link("localhost:4566", &["pairs.csv"]).refused_with(2, "invalid value 'localhost:4566' for '--endpoint-url");
}

#[test]
fn a_pool_that_is_not_there_and_a_service_out_of_reach() {
    let home = home_with_inputs();
    let simulator = Simulator::quick(&home);
    let mut command =
        home.program(&["link", "pairs.csv", "--yes", "--endpoint-url", &simulator.url, "--user-pool-id", "sim-a_B"]);
    give_credentials(&mut command);
    Running::start(command).wait().refused_with(7, "sim-a_B");
    assert_eq!(simulator.link_calls(), 0);

    // Nobody listens on a port below 1024 that was given to a service of the eighties.
    let lost = home.link("http://127.0.0.1:1", &["pairs.csv"]).refused_with(7, "cannot be reached");
    // The ids of these tests are those of simulated pools, as ledgers and plans of rehearsals have them.
    assert!(lost.stderr.contains("is a simulated pool: pass --simulate"), "{lost:#?}");
    assert!(!home.path("pairs.csv.ledger").exists());
}

#[test]
fn stdin_and_the_environment_name_what_flags_do_not() {
    let home = home_with_inputs();
    let simulator = Simulator::quick(&home);
    let rows = home.read("pairs.csv");
    let options = ["-", "--ledger", "stdin.ledger", "--rate", "1000", "--output", "json"];
    let report = home.link_stdin(&simulator.url, &options, rows.as_bytes()).left_with(0).json();
    assert_eq!(report["rows"]["linked"], 5);

    let mut command = home.program(&["link", "-", "--simulate", "--yes", "--ledger", "simulated.ledger"]);
    command.args(["--simulate-latency", "off", "--output", "json"]).env("COGNITO_LINK_USER_POOL_ID", "eu-west-1_Env");
    let report = Running::start_with_stdin(command, rows.as_bytes()).wait().left_with(0).json();
    assert_eq!((&report["pool"], &report["simulated"]), (&"eu-west-1_Env".into(), &true.into()));
    assert_eq!(report["rows"]["linked"], 5);
}

#[test]
fn a_duration_may_have_days() {
    let home = home_with_inputs();
    let options = ["link", "pairs.csv", "--simulate", "--yes", "--simulate-latency", "off", "--max-duration", "2d"];
    home.run(&options).left_with(0);
}
