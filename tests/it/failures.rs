//! What scripts read when a command fails: one result with its error, and events, both valid against their schemas.

use std::collections::BTreeSet;

use clap::CommandFactory as _;
use cognito_link::commands::Cli;
use serde_json::{Value, json};

use crate::harness::{
    Fate, Finished, Home, POOL, Proxy, Running, Simulator, csv, give_credentials, pairs, pool_file, schema, violations,
    wait_for,
};

const JSON: [&str; 4] = ["--output", "json", "--log-format", "json"];
/// Of the passwords below.
const SECRET: &str = "kq7secret";

fn events(finished: &Finished) -> Vec<Value> {
    finished.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Checks that stdout is the result of a failure, and that events report the same one.
#[track_caller]
fn check_failure(finished: &Finished, command: Option<&str>, status: i32, code: &str) {
    let result: Value =
        serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {command:?}: {finished:#?}"));
    let name = match result["kind"].as_str() {
        Some("error_report") => "error",
        _ => command.unwrap(),
    };
    assert_eq!(violations(schema(name), &result), Vec::<String>::new(), "{command:?}");
    assert_eq!((&result["error"]["code"], &result["exit_status"]), (&code.into(), &status.into()), "{finished:#?}");
    assert!(result["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{result}");
    let events = events(finished);
    for event in &events {
        assert_eq!(violations(schema("event"), event), Vec::<String>::new(), "{event}");
    }
    // `doctor` prints its checks, and no event repeats them.
    let is_reported = events.iter().any(|event| event["event"] == "error" && event["code"] == code);
    assert!(is_reported || code == "checks_failed", "{finished:#?}");
    let last = events.last().unwrap();
    let command = command.map_or(Value::Null, Value::from);
    let found = (&last["event"], &last["exit_status"], &last["command"]);
    assert_eq!(found, (&"stop".into(), &status.into(), &command), "{finished:#?}");
}

fn names_of_commands() -> BTreeSet<String> {
    Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

#[test]
fn every_command_that_fails_prints_its_error_as_a_result() {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..3)));
    home.write("header.csv", "a,b\n1,2\n");
    home.write("not.ledger", "no ledger\n");
    std::fs::create_dir(home.path("taken")).unwrap();
    home.write("taken/cognito-link.1", "");
    let nobody = "http://127.0.0.1:1";
    let on_pool = ["--user-pool-id", POOL, "--endpoint-url", nobody, "--attempts", "1"];
    let scan = &on_pool[..4];
    let table: [(&[&str], &[&str], i32, &str); 26] = [
        (&["validate", "missing.csv"], &[], 2, "input_not_opened"),
        (&["validate", "header.csv", "--offline"], &[], 4, "header_invalid"),
        (&["validate", "pairs.csv"], scan, 7, "unreachable"),
        (&["doctor"], scan, 7, "checks_failed"),
        (&["probe", "--region", "us-east-1", "--endpoint-url", nobody, "--yes"], &[], 7, "unreachable"),
        (&["probe", "--region", "us-east-1", "--endpoint-url", nobody], &[], 2, "usage"),
        (&["link", "header.csv", "--yes"], &on_pool, 4, "header_invalid"),
        (&["link", "pairs.csv", "--yes"], &on_pool, 7, "unreachable"),
        (&["link", "pairs.csv", "--dry-run"], scan, 7, "unreachable"),
        (&["link", "pairs.csv", "--simulate", "--rehearse", "--plan", "missing.plan"], &[], 2, "usage"),
        (&["reconcile", "pairs.csv"], scan, 7, "unreachable"),
        (&["export", "--out", "links.csv"], scan, 7, "unreachable"),
        (&["export"], scan, 2, "usage"),
        (&["export", "--out", "-"], scan, 2, "usage"),
        (&["duplicates"], scan, 7, "unreachable"),
        (&["undo", "not.ledger", "--yes"], scan, 6, "not_a_ledger"),
        (&["control", "not.ledger", "status"], &[], 7, "unreachable"),
        (&["report", "not.ledger"], &[], 6, "not_a_ledger"),
        (&["verify", "not.ledger"], &[], 6, "not_a_ledger"),
        (&["plan", "approve", "missing.plan", "--key", "missing"], &[], 2, "usage"),
        (&["explain", "xyzzy"], &[], 2, "usage"),
        (&["policy", "link", "--account", "123456789012"], &[], 2, "usage"),
        (&["man", "taken"], &[], 2, "usage"),
        (&["man", "pairs.csv"], &[], 2, "usage"),
        (&["schema", "xyzzy"], &[], 2, "usage"),
        (&["simulate", "--pool-file", "missing.json"], &[], 2, "usage"),
    ];
    let mut tried: BTreeSet<String> = ["completions".to_owned(), "template".to_owned()].into();
    for (words, options, status, code) in table {
        let mut program = home.program(&[words, options, &JSON].concat());
        give_credentials(&mut program);
        let finished = Running::start(program).wait().left_with(status);
        check_failure(&finished, Some(words[0]), status, code);
        tried.insert(words[0].to_owned());
    }
    // `completions` and `template` fail on their arguments only, as every command can.
    assert_eq!(tried, names_of_commands());
    for command in names_of_commands() {
        let finished = home.run(&[&[command.as_str(), "--bogus"], &JSON[..]].concat()).left_with(2);
        check_failure(&finished, Some(&command), 2, "usage");
    }
}

#[test]
fn arguments_that_cannot_be_parsed_name_their_command_nevertheless() {
    let home = Home::new();
    let table: [(&[&str], Option<&str>); 8] = [
        (&["link"], Some("link")),
        (&["--quiet", "--color", "never", "link", "x", "--rate", "fast"], Some("link")),
        (&["plan", "approve"], Some("plan")),
        (&["control", "x", "rate"], Some("control")),
        (&["link", "--on-end", "undo"], Some("link")),
        (&["lnk", "x"], None),
        (&["--bogus", "link"], None),
        (&[], None),
    ];
    for (words, command) in table {
        let finished = home.run(&[words, &JSON].concat()).left_with(2);
        check_failure(&finished, command, 2, "usage");
        let mut program = home.program(words);
        program.env("COGNITO_LINK_OUTPUT", "json").env("COGNITO_LINK_LOG_FORMAT", "json");
        check_failure(&Running::start(program).wait().left_with(2), command, 2, "usage");
    }
}

#[test]
fn a_signal_that_ends_a_command_is_its_error() {
    let home = Home::new();
    let simulator = Simulator::quick(&home);
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let silent = Proxy::before("ListUsers", simulator.address(), |_, _| Fate::Unanswered);
        let running = home.start_on_pool("duplicates", &silent.url, &JSON);
        wait_for("a call that is not answered", || (!silent.link_calls().is_empty()).then_some(()));
        running.signal(signal);
        check_failure(&running.wait().left_with(status), Some("duplicates"), status, "interrupted");
    }
}

#[test]
fn no_message_has_the_password_of_an_endpoint() {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..3)));
    let whole = format!("http://user:{SECRET}@127.0.0.1:1");
    let others = [
        format!("ftp://user:{SECRET}@127.0.0.1:1"),
        format!("user:{SECRET}@127.0.0.1:1"),
        format!("http:/user:{SECRET}@127.0.0.1:1"),
        format!("http://user:a/{SECRET}@127.0.0.1:1"),
        format!("http://user:a {SECRET}@127.0.0.1:1"),
        format!("http:///?key={SECRET}"),
    ];
    let commands: [&[&str]; 9] = [
        &["validate", "pairs.csv"],
        &["doctor"],
        &["probe", "--region", "us-east-1", "--yes"],
        &["link", "pairs.csv", "--yes", "-vvv"],
        &["reconcile", "pairs.csv"],
        &["export", "--out", "x.csv"],
        &["duplicates"],
        &["undo", "x.ledger"],
        &["report", "x.ledger"],
    ];
    let check = |finished: Finished, place: &str| {
        let finished = if place.starts_with("AWS") { finished } else { finished.left_with(2) };
        assert!(!format!("{finished:?}").contains(SECRET), "{place}: {finished:#?}");
    };
    for url in others.iter().chain([&whole]) {
        home.write("settings.toml", format!("endpoint-url = {}\n", json!(url)));
        for command in commands {
            for format in ["text", "json"] {
                let pool = if matches!(command[0], "probe" | "report") { &[][..] } else { &["--user-pool-id", POOL] };
                let base = [command, pool, &["--output", format, "--log-format", format]].concat();
                let with = |more: &[&str], variable: Option<&str>| {
                    let mut program = home.program(&[&base, more].concat());
                    give_credentials(&mut program);
                    if let Some(name) = variable {
                        program.env(name, url);
                    }
                    Running::start(program).wait()
                };
                check(with(&["--endpoint-url", url], None), "an option");
                check(with(&[&format!("--endpoint-url={url}")], None), "an option with =");
                // One of these is no input.
                check(with(&["pairs.csv", &whole, &whole], None), "an argument too many");
                if command[0] != "report" && command[0] != "undo" {
                    check(with(&["--config", "settings.toml"], None), "the settings");
                    check(with(&[], Some("COGNITO_LINK_ENDPOINT_URL")), "a variable");
                    check(
                        with(
                            &["--attempts", "1"][..if command[0] == "link" { 2 } else { 0 }],
                            Some("AWS_ENDPOINT_URL"),
                        ),
                        "AWS",
                    );
                }
            }
        }
    }
    assert!(!home.path("pairs.csv.ledger").exists(), "nothing was begun");
}

#[test]
fn a_variable_of_no_option_gives_a_warning() {
    let home = Home::new();
    home.write("pool.json", pool_file(&[]));
    let explain = |format: &str| {
        let mut program = home.program(&["explain", "usage", "--quiet", "--log-format", format]);
        program.env("COGNITO_LINK_RATES", "5").env("COGNITO_LINK_XYZZY", "5");
        // Of an option of another command, of the log, and of another program.
        program.env("COGNITO_LINK_RATE", "5").env("COGNITO_LINK_LOG", "warn").env("COGNITO_LINKED", "5");
        Running::start(program).wait().left_with(0)
    };
    let text = explain("text").stderr;
    let near =
        "warning: no option has the variable COGNITO_LINK_RATES, so it is ignored; did you mean COGNITO_LINK_RATE?\n";
    assert!(text.contains(near), "{text}");
    assert!(text.contains("warning: no option has the variable COGNITO_LINK_XYZZY, so it is ignored\n"), "{text}");
    assert_eq!(text.lines().count(), 2, "{text}");
    let warned = events(&explain("json"));
    let of_code = warned.iter().filter(|event| event["code"] == "unknown_variable" && event["level"] == "warn");
    assert_eq!(of_code.count(), 2, "{warned:#?}");
}
