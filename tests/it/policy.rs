//! `policy`: what it allows is what the commands call, no less and no more.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::{Home, POOL, Running, Simulator, csv, give_credentials, pairs, pool_file};

/// Called only where a row names its user by something else than the user name or a call is in doubt, where the first of two
/// answers about the quota does not suffice, and where the pool has app clients or mappings.
const SOMETIMES: [&str; 4] = ["ListUsers", "GetServiceQuota", "DescribeUserPoolClient", "DescribeIdentityProvider"];

/// The actions of a policy, without the service's name.
fn allowed(home: &Home, command: &[&str]) -> BTreeSet<String> {
    let arguments = [&["policy"], command, &["--account", "123456789012", "--user-pool-id", POOL]].concat();
    let policy: Value = serde_json::from_str(&home.run(&arguments).left_with(0).stdout).unwrap();
    let actions =
        policy["Statement"].as_array().unwrap().iter().flat_map(|statement| statement["Action"].as_array().unwrap());
    actions.map(|action| action.as_str().unwrap().split_once(':').unwrap().1.to_owned()).collect()
}

/// The operations that were called since the simulator started. STS requires no permission.
fn called(simulator: &Simulator) -> BTreeSet<String> {
    let stats = simulator.stats();
    let operations = stats["operations"].as_object().unwrap().keys();
    operations.filter(|name| *name != "GetCallerIdentity").cloned().collect()
}

/// A home with a file of pairs, and a pool that has their users.
fn home() -> (Home, Simulator) {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..5)));
    let rows = pairs(0..5);
    let users: Vec<&str> = rows.iter().map(|row| row.username.as_str()).collect();
    home.write("pool.json", pool_file(&users));
    let simulator = Simulator::start(&home, &["--pool-file", "pool.json", "--latency", "off", "--quota", "off"]);
    (home, simulator)
}

#[test]
fn a_policy_allows_exactly_what_its_command_calls() {
    for (policy, command) in [
        (&["validate", "--with", "sign-ins"][..], &["validate", "pairs.csv"][..]),
        (&["link", "--with", "quota", "--with", "sign-ins"], &["link", "pairs.csv", "--yes"]),
        (&["reconcile"], &["reconcile", "pairs.csv"]),
        (
            &["reconcile", "--with", "apply", "--with", "quota", "--with", "sign-ins"],
            &["reconcile", "pairs.csv", "--apply", "--yes", "--max-changes-pct", "100"],
        ),
        (&["duplicates"], &["duplicates"]),
        (&["export"], &["export", "--out", "links.csv"]),
        (&["doctor"], &["doctor"]),
    ] {
        let (home, simulator) = home();
        home.on_pool(command[0], &simulator.url, &command[1..]).left_with(0);
        let (allowed, called) = (allowed(&home, policy), called(&simulator));
        let more: Vec<_> = called.difference(&allowed).collect();
        assert!(more.is_empty(), "{command:?} calls what its policy does not allow: {more:?}");
        let less: Vec<_> = allowed.difference(&called).filter(|name| !SOMETIMES.contains(&name.as_str())).collect();
        assert!(less.is_empty(), "{policy:?} allows what {command:?} does not call: {less:?}");
    }
}

#[test]
fn the_policy_of_undo_allows_exactly_what_undo_calls() {
    let (home, simulator) = home();
    home.link(&simulator.url, &["pairs.csv"]).left_with(0);
    let before = called(&simulator);
    assert!(!before.contains("AdminDisableProviderForUser"));
    let mut command =
        home.program(&["undo", "pairs.csv.ledger", "--yes", "--rate", "100", "--endpoint-url", &simulator.url]);
    give_credentials(&mut command);
    Running::start(command).wait().left_with(0);
    let new: BTreeSet<String> = called(&simulator).difference(&before).cloned().collect();
    let wanted = BTreeSet::from(["AdminDisableProviderForUser".to_owned(), "ListUsers".to_owned()]);
    assert_eq!(new, wanted);
    let (of_undo, of_link) = (allowed(&home, &["undo"]), allowed(&home, &["link"]));
    assert_eq!(of_undo.difference(&of_link).collect::<Vec<_>>(), ["AdminDisableProviderForUser"]);
}
