//! `link --plan --order recent`: the users with the latest change first, whatever the order of the file.

use std::cmp::Reverse;

use serde_json::{Value, json};

use crate::harness::{Finished, Home};

const USERS: u64 = 120;
const SIMULATED: [&str; 7] =
    ["--simulate", "--pool-file", "pool.json", "--simulate-latency", "off", "--simulate-quota", "off"];

/// The last change of a user: in no order, and shared by some.
fn changed(user: u64) -> u64 {
    1_700_000_000_000 + (user * 7_919) % 97 * 1_000
}

/// Users of every way to be named, and a file that names them; every tenth row is invalid, or its link is there already.
fn set(home: &Home) {
    let user = |user: u64| {
        let held = json!([{ "providerName": "Okta", "userId": format!("00u{user:05}Ab") }]);
        json!({
            "username": format!("user-{user}"), "email": format!("u{user}@example.com"), "modified": changed(user),
            "attributes": { "email_verified": "true" }, "identities": if user % 10 == 7 { held } else { json!([]) },
        })
    };
    let pool = json!({
        "version": 1, "pool": { "id": "sim-local-1_Recent001" }, "providers": [{ "name": "Okta", "type": "OIDC" }],
        "users": (0..USERS).map(user).collect::<Vec<_>>(),
    });
    home.write("pool.json", pool.to_string());
    let row = |user: u64| {
        let value = if user % 10 == 3 { String::new() } else { format!("00u{user:05}Ab") };
        match user % 2 {
            0 => format!("user-{user},,Okta,{value}\n"),
            _ => format!(",u{user}@example.com,Okta,{value}\n"),
        }
    };
    let rows: String = (0..USERS).map(row).collect();
    home.write("in.csv", format!("username,email,source_provider,source_value\n{rows}"));
    home.run(&[&["validate", "in.csv", "--save-plan", "plan", "--quiet"], &SIMULATED[..]].concat());
}

fn link(home: &Home, more: &[&str]) -> Finished {
    let command = ["link", "in.csv", "--plan", "plan", "--yes", "--rate", "2000", "--ledger", "ledger", "--quiet"];
    home.run(&[&command, &SIMULATED[..], more].concat())
}

/// The numbers of the rows that a ledger announces, in its order.
fn announced(home: &Home) -> Vec<u64> {
    let text = home.read("ledger");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["type"] == "announced").map(|line| line["row"].as_u64().unwrap()).collect()
}

/// The rows that are linked, the latest change first, then in the order of the file.
fn expected() -> Vec<u64> {
    let mut users: Vec<u64> = (0..USERS).filter(|user| ![3, 7].contains(&(user % 10))).collect();
    users.sort_by_key(|user| (Reverse(changed(*user)), *user));
    users.into_iter().map(|user| user + 1).collect()
}

#[test]
fn the_latest_change_comes_first() {
    let home = Home::new();
    set(&home);
    link(&home, &["--order", "recent"]).left_with(3);
    assert_eq!(announced(&home), expected());
    std::fs::remove_file(home.path("ledger")).unwrap();
    link(&home, &[]).left_with(3);
    let mut in_file_order = expected();
    in_file_order.sort_unstable();
    assert_eq!(announced(&home), in_file_order, "by default");
}

#[test]
fn a_run_that_was_cut_short_resumes_in_this_order_or_in_the_other() {
    for second in ["recent", "file"] {
        let home = Home::new();
        set(&home);
        home.write("faults", "expired-credentials@60..:AdminLinkProviderForUser");
        let first = ["--order", "recent", "--simulate-faults", "faults", "--save-pool", "after.json"];
        link(&home, &first).left_with(7);
        let linked_first = home.read("ledger").matches(r#""state":"linked""#).count();
        assert!((30..90).contains(&linked_first), "{linked_first}");
        std::fs::rename(home.path("after.json"), home.path("pool.json")).unwrap();
        link(&home, &["--order", second, "--save-pool", "after.json", "--force"]).left_with(3);
        let pool: Value = serde_json::from_str(&home.read("after.json")).unwrap();
        let held = |user: &Value| user["identities"].as_array().map_or(0, Vec::len);
        let counts: Vec<usize> = pool["users"].as_array().unwrap().iter().map(held).collect();
        assert_eq!(counts.iter().sum::<usize>(), 12 * 9, "{second}: all but the invalid rows");
        assert!(counts.iter().all(|held| *held <= 1), "{second}: each link is made once");
    }
}

#[test]
fn a_limit_takes_the_latest_changes_and_a_later_run_the_next_ones() {
    let home = Home::new();
    set(&home);
    let recent = ["--order", "recent", "--limit"];
    let save = |from: &str| std::fs::rename(home.path(from), home.path("pool.json")).unwrap();
    link(&home, &[&recent[..], &["25", "--save-pool", "after.json"]].concat()).left_with(3);
    assert_eq!(announced(&home), &expected()[..25]);
    save("after.json");
    link(&home, &[&recent[..], &["10", "--save-pool", "after.json"]].concat()).left_with(3);
    assert_eq!(announced(&home), &expected()[..35], "what is done does not count");
    save("after.json");
    // More than there are: the rest, and what the plan records without a call.
    link(&home, &[&recent[..], &["1000", "--save-pool", "after.json"]].concat()).left_with(3);
    assert_eq!(announced(&home), expected());
    assert_eq!(home.read("ledger").matches(r#""state":"already_linked""#).count(), 12);
}

#[test]
fn the_latest_changes_of_a_part() {
    let home = Home::new();
    set(&home);
    let of_part: Vec<u64> = expected().into_iter().filter(|row| (41..=80).contains(row)).collect();
    link(&home, &["--order", "recent", "--rows", "41-80", "--limit", "7"]).left_with(3);
    assert_eq!(announced(&home), &of_part[..7]);
    std::fs::remove_file(home.path("ledger")).unwrap();
    link(&home, &["--order", "recent", "--rows", "41-80"]).left_with(3);
    assert_eq!(announced(&home), of_part);
    std::fs::remove_file(home.path("ledger")).unwrap();
    link(&home, &["--order", "recent", "--where", "username=user-50", "--limit", "7"]).left_with(3);
    assert_eq!(announced(&home), [51]);
}

#[test]
fn it_needs_a_plan() {
    let home = Home::new();
    set(&home);
    let link = ["link", "in.csv", "--yes", "--order", "recent"];
    assert!(home.run(&[&link, &SIMULATED[..]].concat()).left_with(2).stderr.contains("--plan <FILE>"));
}
