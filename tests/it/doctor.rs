//! `doctor`: what is wrong with a pool, an account or a clock is told before a migration, and nothing is written.

use serde_json::{Value, json};

use crate::harness::{Finished, Home, POOL, Simulator};

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
    let mapping = "ok    mapping      Okta: each sign-in overwrites the user's email, email_verified";
    assert_eq!(line(&finished, "mapping"), mapping);
    assert!(line(&finished, "quota").contains("25/s for writes of the whole account (from GetProvisionedLimit)"));
    assert!(line(&finished, "link_time").ends_with("1,000,000 links take about 13 h 53 min at 20.0/s"));
    assert!(line(&finished, "permission").starts_with("skip  permission   not tried: AdminLinkProviderForUser"));
    assert!(finished.stdout.ends_with("(simulated): 10 ok, 0 warn, 0 fail, 1 skip\n"), "{finished:#?}");
    assert_eq!(finished.stderr, "");
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
        ("DescribeIdentityProvider", 3),
        ("DescribeUserPool", 1),
        ("GetProvisionedLimit", 1),
        ("ListIdentityProviders", 1),
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
