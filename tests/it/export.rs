//! `export`: the pool's links as an input that `validate` accepts and `link` finds to be there, and nothing written.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::harness::{Finished, Home, POOL, Simulator};

const MIXED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/mixed.csv");
const MIXED_POOL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/mixed.pool.json");
const INSTANT: [&str; 4] = ["--simulate-latency", "off", "--simulate-quota", "off"];
const HEADER: &str = "destination_username,destination_provider,source_provider,source_attribute,source_value\n";

/// A pool of these users.
fn pool(case_sensitive: bool, users: &[Value]) -> String {
    let providers = json!([
        { "name": "Corp", "type": "SAML", "attribute_mapping": { "email": "mail" } },
        { "name": "Google", "type": "Google" },
        { "name": "Okta", "type": "OIDC" },
    ]);
    let settings = json!({ "id": POOL, "case_sensitive": case_sensitive });
    json!({ "version": 1, "pool": settings, "providers": providers, "users": users }).to_string()
}

fn user(username: &str, identities: &[(&str, &str, bool)]) -> Value {
    let identity = |(provider, id, primary): &(&str, &str, bool)| json!({ "providerName": provider, "userId": id, "primary": primary });
    json!({ "username": username, "identities": identities.iter().map(identity).collect::<Vec<_>>() })
}

fn export(home: &Home, pool_file: &str, arguments: &[&str]) -> Finished {
    home.run(&[&["export", "--simulate", "--pool-file", pool_file], &INSTANT[..2], arguments].concat())
}

/// What `link` makes of a file in the pool that it came from.
fn linked(home: &Home, file: &str, pool_file: &str) -> Value {
    let options = [file, "--simulate", "--pool-file", pool_file, "--yes", "--rate", "5000", "--output", "json"];
    home.run(&[&["link"], &options[..], &INSTANT].concat()).left_with(0).json()
}

#[test]
fn what_it_writes_is_valid_and_already_linked() {
    let home = Home::new();
    for (format, file) in [("csv", "links.csv"), ("jsonl", "links.jsonl")] {
        let exported = export(&home, MIXED_POOL, &["--format", format, "-o", file]).left_with(0);
        assert_eq!(exported.stdout, format!("{file}: 14 links of 6 users\n"));
        assert_eq!(std::fs::metadata(home.path(file)).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(home.run(&["validate", file]).left_with(0).stdout, "14 rows: 14 valid\n");
        assert_eq!(linked(&home, file, MIXED_POOL)["rows"]["already_linked"], 14);
    }
    let shown = export(&home, MIXED_POOL, &[]).left_with(0).stdout;
    assert_eq!(shown, home.read("links.csv"), "to stdout as to a file");
    assert!(shown.starts_with(HEADER) && shown.lines().skip(1).is_sorted(), "{shown}");
    assert!(shown.contains("\n175013319965999672415,Google,Okta,Cognito_Subject,00u5o4EVTxluqkvK9tZ0\n"), "{shown}");
}

#[test]
fn a_pool_without_case_keeps_the_case_of_its_identities() {
    let home = Home::new();
    let users = [
        user("okta_00uabcd", &[("Okta", "00uAbCd", true), ("Google", "107438500000000000017", false)]),
        user("alice", &[("Okta", "00uXyZ", false), ("Corp", "Alice@corp.example", false)]),
    ];
    home.write("pool.json", pool(false, &users));
    let text = export(&home, "pool.json", &[]).left_with(0).stdout;
    let rows = "00uAbCd,Okta,Google,Cognito_Subject,107438500000000000017\n\
                alice,,Corp,Cognito_Subject,Alice@corp.example\n\
                alice,,Okta,Cognito_Subject,00uXyZ\n";
    assert_eq!(text, format!("{HEADER}{rows}"));
    home.write("links.csv", &text);
    let finished = export(&home, "pool.json", &["--provider", "Okta"]).left_with(0);
    assert_eq!(finished.stdout.lines().count(), 2, "one provider only");
    let allowed = ["validate", "links.csv", "--allow", "uppercase_email_name_id"];
    home.run(&allowed).left_with(0);
    assert_eq!(linked(&home, "links.csv", "pool.json")["rows"]["already_linked"], 3);
}

#[test]
fn values_that_look_damaged_are_written_as_they_are_and_told() {
    let home = Home::new();
    let users = [
        user("comma, and \"quote\"", &[("Okta", "a;b|c\td\"e", false)]),
        user("bob", &[("Okta", "104000000000000000000", false), ("Corp", " padded ", false)]),
        user("carol", &[("Okta", "bell\u{7}", false)]),
        user("dave", &[("Okta", "O\u{2019}Brien", false), ("Okta", "=1+1", false)]),
    ];
    home.write("pool.json", pool(true, &users));
    let finished = export(&home, "pool.json", &["--format", "jsonl", "-o", "l.jsonl", "--output", "json"]);
    let finished = finished.left_with(0);
    let report: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!((&report["links_written"], &report["rows_that_need_allow"]), (&6.into(), &4.into()), "{report}");
    assert_eq!(report["rows_that_cannot_be_read"], 2, "a tab and a bell: {report}");
    let allow = "--allow surrounding_space --allow smart_quote --allow number_damaged --allow spreadsheet_mark";
    assert!(finished.stderr.contains(allow), "{finished:#?}");
    assert!(!finished.stderr.contains("Brien") && !finished.stderr.contains("bob"), "{finished:#?}");
    let validate: Vec<&str> = ["validate", "l.jsonl"].into_iter().chain(allow.split(' ')).collect();
    assert!(home.run(&validate).left_with(4).stdout.contains("4 valid, 2 invalid"));
}

#[test]
fn slips_are_told_before_the_pool_is_read_and_leave_nothing() {
    let home = Home::new();
    let refused = |arguments: &[&str], part: &str| {
        export(&home, MIXED_POOL, arguments).refused_with(2, part);
    };
    refused(&["--provider", "google"], "it has Corp, EntraID");
    refused(&["-o", "no/such/folder"], "cannot write no/such/folder");
    refused(&["--pool-snapshot", "."], "cannot write .");
    refused(&["--share", "2"], "invalid value '2' for '--share");
    home.run(&["export", "--simulate"]).refused_with(2, "--pool-file");
    home.run(&["export"]).refused_with(2, "no user pool");
    assert_eq!(std::fs::read_dir(home.path(".")).unwrap().count(), 0);
}

#[test]
fn many_links_go_through_pipes_and_nothing_is_written_to_the_pool() {
    let home = Home::new();
    let mut users = Vec::new();
    for number in 0..1_500 {
        let (google, okta) = (format!("1074385{number:014}7"), format!("00uOkta{number:05}xYz"));
        users.push(user(&format!("person-{number:05}"), &[("Google", &google, false), ("Okta", &okta, false)]));
    }
    home.write("pool.json", pool(true, &users));
    let simulator = Simulator::start(&home, &["--pool-file", "pool.json", "--latency", "off", "--quota", "off"]);
    let text = home.on_pool("export", &simulator.url, &[]).left_with(0).stdout;
    assert_eq!(text.lines().count(), 3_001);
    let stats = simulator.stats();
    let called: Vec<&String> = stats["operations"].as_object().unwrap().keys().collect();
    assert_eq!(called, ["DescribeUserPool", "ListIdentityProviders", "ListUsers"], "{stats}");

    let validated = home.run_stdin(&["validate", "-"], text.as_bytes()).left_with(0);
    assert_eq!(validated.stdout, "3,000 rows: 3,000 valid\n");
    // In virtual time: each answer that claims a link is read back, within the quota of the reads.
    let rehearsed = ["link", "-", "--simulate", "--pool-file", "pool.json", "--rehearse", "--output", "json"];
    let report = home.run_stdin(&rehearsed, text.as_bytes()).left_with(0).json();
    assert_eq!(report["rows"]["already_linked"], 3_000);
    let few: String = text.split_inclusive('\n').take(21).collect();
    let options = ["-", "--ledger", "l.ledger", "--output", "json"];
    let report = home.link_stdin(&simulator.url, &options, few.as_bytes()).left_with(0).json();
    assert_eq!(report["rows"]["already_linked"], 20);
    assert_eq!(simulator.stats()["links_made"], 0);
    let again = home.on_pool("export", &simulator.url, &["-o", "again.csv"]).left_with(0);
    assert_eq!(again.stdout, "again.csv: 3,000 links of 1,500 users\n");
    assert_eq!(home.read("again.csv"), text, "two exports can be compared");
}

#[test]
fn a_snapshot_is_a_pool_to_rehearse_on() {
    let home = Home::new();
    let finished = export(&home, MIXED_POOL, &["-o", "links.csv", "--pool-snapshot", "snap.json"]).left_with(0);
    assert!(finished.stderr.contains("snap.json: "), "{finished:#?}");
    assert_eq!(std::fs::metadata(home.path("snap.json")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(export(&home, "snap.json", &[]).left_with(0).stdout, home.read("links.csv"));
    // Both pools make the same of every row, but for those whose refusal only a pool file can order.
    let states = |pool: &str, ledger: &str| {
        let options = ["--simulate", "--pool-file", pool, "--yes", "--ledger", ledger, "--rate", "1000"];
        home.run(&[&["link", MIXED], &options[..], &INSTANT].concat()).left_with(3);
        home.ledger(ledger).codes()
    };
    let (mut real, mut rehearsed) = (states(MIXED_POOL, "real.ledger"), states("snap.json", "snap.ledger"));
    let ordered: Vec<String> = real
        .iter()
        .filter(|(_, code)| ["alias_exists", "invalid_parameter", "unrecognised"].contains(&code.as_str()))
        .map(|(key, _)| key.clone())
        .collect();
    assert_eq!(ordered.len(), 3);
    for key in ordered {
        real.remove(&key);
        rehearsed.remove(&key);
    }
    assert_eq!(real, rehearsed);
    assert!(real.len() > 30);
}

#[test]
fn secrets_of_providers_are_neither_read_for_social_ones_nor_written() {
    let home = Home::new();
    home.write("pool.json", pool(true, &[user("alice", &[])]));
    let simulator = Simulator::start(&home, &["--pool-file", "pool.json", "--latency", "off"]);
    home.on_pool("export", &simulator.url, &["--pool-snapshot", "snap.json"]).left_with(0);
    assert_eq!(simulator.calls("DescribeIdentityProvider"), 2, "Corp and Okta, whose mapping counts");
    let snapshot = home.read("snap.json");
    assert!(snapshot.contains(r#""attribute_mapping":{"email":"email"}"#), "{snapshot}");
    assert!(!snapshot.contains("secret") && !snapshot.contains("client"), "{snapshot}");
}
