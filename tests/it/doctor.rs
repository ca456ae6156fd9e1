//! `doctor`: what is wrong with a pool, an account or a clock is told before a migration, and nothing is written.

use clap::ValueEnum as _;
use cognito_sim::Behavior;
use serde_json::{Value, json};

use crate::harness::{Finished, Home, POOL, Simulator, csv, pairs, pool_file};

const MIXED_POOL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/mixed.pool.json");

fn doctor(home: &Home, pool_file: &str, arguments: &[&str]) -> Finished {
    home.run(&[&["doctor", "--simulate", "--pool-file", pool_file, "--simulate-latency", "off"], arguments].concat())
}

/// A pool with these providers, and a pre-sign-up trigger where there is one.
fn pool(trigger: Option<&str>, providers: &[Value]) -> String {
    let settings = json!({ "id": POOL, "name": "people", "case_sensitive": false, "pre_sign_up_trigger": trigger });
    json!({ "version": 1, "pool": settings, "providers": providers, "users": [{ "username": "alice" }] }).to_string()
}

/// The line about this.
fn line<'a>(finished: &'a Finished, name: &str) -> &'a str {
    let about = |line: &&str| line.split_whitespace().nth(1) == Some(name);
    finished.stdout.lines().find(about).unwrap_or_else(|| panic!("no line about {name}: {finished:#?}"))
}

#[test]
fn a_good_pool_is_told_to_be_good() {
    let home = Home::new();
    let mapping = json!({ "email": "email", "email_verified": "email_verified" });
    let okta = json!({ "name": "Okta", "type": "OIDC", "attribute_mapping": mapping });
    home.write("pool.json", pool(None, &[okta, json!({ "name": "Google", "type": "Google" })]));
    let finished = doctor(&home, "pool.json", &[]).left_with(0);
    assert_eq!(line(&finished, "pool"), "ok    pool         people: user names are not case-sensitive, about 1 user");
    assert_eq!(line(&finished, "providers"), "ok    providers    Google (Google), Okta (OIDC)");
    let google = "ok    mapping      Google maps nothing: sign-ins do not change attributes of users";
    assert_eq!(line(&finished, "mapping"), google);
    let mapping = "ok    mapping      Okta: each sign-in overwrites the user's email, email_verified";
    assert!(finished.stdout.contains(mapping), "{finished:#?}");
    assert_eq!(line(&finished, "app_clients"), "ok    app_clients  each provider is offered by an app client");
    assert!(line(&finished, "quota").contains("25/s for writes of the whole account (from GetProvisionedLimit)"));
    assert!(line(&finished, "link_time").ends_with("1,000 about 50 s, 1,000,000 about 13 h 53 min at 20.0/s"));
    assert!(line(&finished, "permission").starts_with("skip  permission   not tried: AdminLinkProviderForUser"));
    assert!(finished.stdout.ends_with("(simulated): 12 ok, 0 warn, 0 fail, 1 skip\n"), "{finished:#?}");
    let next = "hint: check an input as well: `cognito-link doctor FILE --simulate --pool-file pool.json`\n";
    assert_eq!(finished.stderr, next);
}

#[test]
fn what_may_surprise_is_a_warning() {
    let home = Home::new();
    let corp = json!({ "name": "Corp", "type": "SAML", "attribute_mapping": { "email": "mail" } });
    let trigger = "arn:aws:lambda:sim-local-1:000000000000:function:link";
    home.write("pool.json", pool(Some(trigger), &[corp]));
    let denied = "access-denied@1..:GetProvisionedLimit\naccess-denied@1..:GetServiceQuota\n";
    home.write("faults", denied);
    let options = ["--simulate-faults", "faults", "--share", "0.5", "--output", "json"];
    let report: Value = serde_json::from_str(&doctor(&home, "pool.json", &options).left_with(0).stdout).unwrap();
    let warned = report["checks"].as_array().unwrap().iter().filter(|check| check["status"] == "warn");
    let warned: Vec<&Value> = warned.map(|check| &check["name"]).collect();
    assert_eq!(warned, ["triggers", "mapping", "quota"], "{report}");
    let quota = report["checks"].as_array().unwrap().iter().find(|check| check["name"] == "quota").unwrap();
    let figures = json!({ "quota_per_second": 25.0, "origin": "assumed", "share": 0.5, "rate_per_second": 12.5 });
    assert_eq!(quota["details"], figures);
    assert_eq!((&report["kind"], &report["exit_status"]), (&"doctor_report".into(), &0.into()));
}

#[test]
fn what_is_denied_is_told_by_name_and_the_rest_is_looked_at() {
    let home = Home::new();
    let denied = ["DescribeUserPool", "DescribeIdentityProvider", "ListUsers"];
    home.write("faults", denied.map(|operation| format!("access-denied@1..:{operation}\n")).concat());
    let finished = doctor(&home, MIXED_POOL, &["--simulate-faults", "faults"]).left_with(7);
    assert!(line(&finished, "credentials").starts_with("ok "), "{finished:#?}");
    assert!(line(&finished, "pool").starts_with("fail  pool         DescribeUserPool: access denied"));
    assert!(line(&finished, "providers").starts_with("ok "), "{finished:#?}");
    assert!(line(&finished, "mapping").starts_with("warn  mapping      DescribeIdentityProvider: access denied"));
    assert!(line(&finished, "mapping").contains("only rows that link by another attribute"), "{finished:#?}");
    assert!(line(&finished, "users").contains("cognito-idp:ListUsers"), "{finished:#?}");
    home.write("faults", "access-denied@1..:ListIdentityProviders");
    let finished = doctor(&home, MIXED_POOL, &["--simulate-faults", "faults"]).left_with(7);
    assert!(line(&finished, "providers").starts_with("fail "), "{finished:#?}");
}

#[test]
fn a_pool_that_is_not_there_or_empty_fails() {
    let home = Home::new();
    home.write("pool.json", pool(None, &[]));
    let finished = doctor(&home, "pool.json", &[]).left_with(7);
    assert!(line(&finished, "providers").starts_with("fail  providers    the pool has no identity provider; add"));
    let simulator = Simulator::start(&home, &["--pool-file", "pool.json", "--latency", "off"]);
    let elsewhere = ["--user-pool-id", "sim-local-1_Elsewhere"];
    let mut program = home.program(&["doctor", "--endpoint-url", &simulator.url]);
    program.args(elsewhere);
    crate::harness::give_credentials(&mut program);
    let finished = crate::harness::Running::start(program).wait().left_with(7);
    assert!(line(&finished, "credentials").starts_with("ok "), "{finished:#?}");
    assert!(line(&finished, "pool").contains("there is no such user pool"), "{finished:#?}");
    assert!(line(&finished, "quota").starts_with("skip "), "{finished:#?}");
}

#[test]
fn without_credentials_or_a_service_it_says_so() {
    let home = Home::new();
    let aws = ["doctor", "--user-pool-id", "us-east-1_AbCdEfGhI", "--endpoint-url", "http://127.0.0.1:1"];
    let finished = home.run(&aws).left_with(7);
    assert!(line(&finished, "credentials").starts_with("fail  credentials  no credentials found"), "{finished:#?}");
    let finished = home.on_pool("doctor", "http://127.0.0.1:1", &[]).left_with(7);
    assert!(line(&finished, "pool").contains("cannot be reached"), "{finished:#?}");
    home.write("faults", "expired-credentials@1..");
    let finished = doctor(&home, MIXED_POOL, &["--simulate-faults", "faults"]).left_with(7);
    assert!(line(&finished, "credentials").contains("renew them"), "{finished:#?}");
}

#[test]
fn it_reads_little_and_writes_nothing() {
    let home = Home::new();
    let simulator = Simulator::start(&home, &["--pool-file", MIXED_POOL, "--latency", "off"]);
    let options = ["doctor", "--endpoint-url", &simulator.url, "--user-pool-id", "sim-local-1_Mixed0001"];
    let mut program = home.program(&options);
    crate::harness::give_credentials(&mut program);
    crate::harness::Running::start(program).wait().left_with(0);
    let stats = simulator.stats();
    let calls = stats["operations"].as_object().unwrap();
    let calls: Vec<(&str, u64)> =
        calls.iter().map(|(name, seen)| (name.as_str(), seen["calls"].as_u64().unwrap())).collect();
    let expected = [
        ("DescribeIdentityProvider", 7),
        ("DescribeUserPool", 1),
        ("DescribeUserPoolClient", 1),
        ("GetProvisionedLimit", 1),
        ("ListIdentityProviders", 1),
        ("ListUserPoolClients", 1),
        ("ListUsers", 1),
    ];
    assert_eq!(calls, expected, "{stats}");
}

#[test]
fn slips_are_told() {
    let home = Home::new();
    home.run(&["doctor"]).refused_with(2, "no user pool");
    home.run(&["doctor", "--simulate"]).refused_with(2, "--pool-file");
    doctor(&home, MIXED_POOL, &["--share", "2"]).refused_with(2, "invalid value '2' for '--share");
}

#[test]
fn an_input_is_what_the_checks_are_about() {
    let home = Home::new();
    let okta = json!({ "name": "Okta", "type": "OIDC", "attribute_mapping": { "email": "email" } });
    home.write("pool.json", pool(None, &[okta, json!({ "name": "Google", "type": "Google" })]));
    let rows = |providers: &[&str]| {
        let rows = (0..300).map(|row| format!("user-{row},{},00u{row}Ab\n", providers[row % providers.len()]));
        home.write("in.csv", format!("username,source_provider,source_value\n{}", rows.collect::<String>()));
    };
    rows(&["Corp"]);
    let finished = doctor(&home, "pool.json", &["in.csv"]).left_with(7);
    let expected = "fail  input        its rows name Corp, which the pool does not have: they will be refused";
    assert!(line(&finished, "input").starts_with(expected), "{finished:#?}");
    assert!(!finished.stdout.contains("mapping") && !finished.stdout.contains("app_clients"), "{finished:#?}");
    home.write("in.csv", home.read("in.csv") + "user-x,Corp,\n");
    let finished = doctor(&home, "pool.json", &["in.csv"]).left_with(7);
    assert!(line(&finished, "input").contains("they will be refused; 1 invalid besides"), "{finished:#?}");
    // Only the providers of the input count, and only its valid rows.
    rows(&["Okta"]);
    let text = home.read("in.csv") + "user-x,Okta,\n";
    home.write("in.csv", text);
    let finished = doctor(&home, "pool.json", &["in.csv", "--share", "0.4"]).left_with(0);
    assert!(line(&finished, "input").starts_with("warn  input        301 rows, 1 invalid; providers: Okta"));
    assert!(line(&finished, "mapping").starts_with("warn  mapping      Okta maps email"), "{finished:#?}");
    assert!(!finished.stdout.contains("Google maps"), "{finished:#?}");
    assert!(line(&finished, "link_time").ends_with("the 300 links of the input take about 30 s at 10.0/s"));
    let options = ["in.csv", "--output", "json"];
    let report: Value = serde_json::from_str(&doctor(&home, "pool.json", &options).left_with(0).stdout).unwrap();
    let input = report["checks"].as_array().unwrap().iter().find(|check| check["name"] == "input").unwrap();
    assert_eq!(
        input["details"],
        json!({ "row_count": 301, "invalid_rows": 1, "input_providers": ["Okta"], "not_in_pool": [] })
    );
    doctor(&home, "pool.json", &["none.csv"]).refused_with(2, "none.csv");
}

#[test]
fn the_permission_to_link_is_tested_without_an_effect() {
    let home = Home::new();
    home.write("pool.json", pool(None, &[json!({ "name": "Google", "type": "Google" })]));
    let probe = |more: &[&str]| {
        doctor(&home, "pool.json", &[&["--probe-write", "--save-pool", "after", "--force"], more].concat())
    };
    probe(&[]).refused_with(2, "nothing was sent; to do it: `cognito-link doctor ");
    assert!(doctor(&home, "pool.json", &["--yes"]).left_with(2).stderr.contains("--probe-write"));
    let names: Vec<String> = Behavior::value_variants()
        .iter()
        .map(|behavior| behavior.to_possible_value().unwrap().get_name().to_owned())
        .collect();
    for behavior in [None].into_iter().chain(names.iter().map(Some)) {
        let behaviors: Vec<&str> = behavior.iter().flat_map(|name| ["--simulate-behavior", name.as_str()]).collect();
        let finished = probe(&[&["--yes"], &behaviors[..]].concat()).left_with(0);
        let announced = "sends one AdminLinkProviderForUser to pool sim-local-1_Example01: provider NoProvider-";
        assert!(finished.stderr.contains(announced), "{finished:#?}");
        // Of some texts nobody knows whether they are about the permission.
        let status = line(&finished, "permission").split_whitespace().next().unwrap();
        assert!(status == "ok" || behavior.is_some_and(|name| name == "unknown-texts"), "{behavior:?}: {finished:#?}");
        let after: Value = serde_json::from_str(&home.read("after")).unwrap();
        let users = after["users"].as_array().unwrap();
        assert_eq!(users.len(), 1, "{behavior:?}: {after}");
        assert!(users[0].get("identities").is_none(), "{behavior:?}: {after}");
    }
    let faults = |text: &str| {
        home.write("faults", text);
        probe(&["--yes", "--simulate-faults", "faults"])
    };
    let denied = faults("access-denied@1..:AdminLinkProviderForUser").left_with(7);
    let expected = "fail  permission   AdminLinkProviderForUser: access denied";
    assert!(line(&denied, "permission").starts_with(expected), "{denied:#?}");
    assert!(line(&denied, "permission").contains("allow cognito-idp:AdminLinkProviderForUser"), "{denied:#?}");
    let lost = faults("lost-after@1..2:AdminLinkProviderForUser").left_with(0);
    assert!(line(&lost, "permission").starts_with("ok    permission"), "{lost:#?}");
    let expired = faults("expired-credentials@1..").left_with(7);
    assert!(line(&expired, "permission").starts_with("skip  permission   not checked"), "{expired:#?}");
}

#[test]
fn a_service_that_creates_what_a_call_names_is_not_taken_for_cognito() {
    let home = Home::new();
    let simulator = Simulator::start(&home, &["--create-on-reference", "--latency", "off"]);
    let finished = home.on_pool("doctor", &simulator.url, &["--probe-write", "--yes"]).left_with(7);
    assert!(line(&finished, "permission").starts_with("fail  permission   the service accepted a link of"));
}

#[test]
fn the_next_command_has_no_password_and_names_no_file_for_stdin() {
    let home = Home::new();
    let url = "http://127.0.0.1:1/?key=secret";
    let finished = home.on_pool("doctor", url, &[]).left_with(7);
    let hint =
        "hint: correct what failed, and check again: `cognito-link doctor --endpoint-url http://127.0.0.1:1/ --user";
    assert!(finished.stderr.contains(hint), "{finished:#?}");
    assert!(!format!("{finished:?}").contains("secret"), "{finished:#?}");
    home.write("pool.json", pool_file(&[]));
    let arguments = ["doctor", "-", "--simulate", "--pool-file", "pool.json"];
    let finished = home.run_stdin(&arguments, csv(&pairs(0..2)).as_bytes()).left_with(0);
    assert!(!finished.stderr.contains("hint:"), "stdin cannot be read again: {finished:#?}");
}
