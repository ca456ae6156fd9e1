//! Rows that contradict other rows: never sent, reported by the shard that they belong to, and without effect on rows that are linked.

use std::fmt::Write as _;

use crate::harness::{Home, Simulator};

const HEADER: &str = "username,idp,name_id\n";
const OPTIONS: [&str; 5] = ["in.csv", "--rate", "1000", "--output", "json"];

#[test]
fn rows_that_contradict_one_another_are_not_sent() {
    let home = Home::new();
    let simulator = Simulator::quick(&home);
    let mut text = format!("{HEADER}anna,Okta,1x\nbert,Okta,1x\ncarl,Okta,2x\ncarl,Okta,2x\n");
    (0..6).for_each(|at| writeln!(text, "many,Okta,m{at}").unwrap());
    home.write("in.csv", &text);
    let finished = home.link(&simulator.url, &OPTIONS).left_with(3);
    let report = finished.json();
    let counts = ["read", "linked", "invalid", "repeated"].map(|state| report["rows"][state].as_u64().unwrap());
    assert_eq!(counts, [10, 2, 8, 1], "{report}");
    simulator.linked_once(1);
    assert!(finished.stderr.contains("error: row 2, line 3, column name_id: identity_for_two_users: row 1 gives"));
    assert!(finished.stderr.contains("warning: row 4, line 5: duplicate_row: duplicate of row 3"));
    let findings = [("duplicate_row", 0), ("identity_for_two_users", 2), ("too_many_identities", 6)];
    for (code, count) in findings {
        assert_eq!(report["findings_by_code"][code].as_u64().unwrap_or(0), count, "{code}: {report}");
    }
    // `validate` says the same of the same rows.
    let validated = home.run(&["validate", "in.csv", "--output", "json"]).left_with(4);
    let validated: serde_json::Value = serde_json::from_str(&validated.stdout).unwrap();
    assert_eq!((&validated["rows"]["valid"], &validated["rows"]["invalid"]), (&2.into(), &8.into()));
    home.link(&simulator.url, &[&OPTIONS[..], &["--strict", "--retry", "refused"]].concat()).left_with(4);
}

#[test]
fn what_is_done_stays_done_whatever_the_file_says_now() {
    let home = Home::new();
    let simulator = Simulator::quick(&home);
    home.write("in.csv", format!("{HEADER}anna,Okta,1x\n"));
    home.link(&simulator.url, &OPTIONS).left_with(0);
    home.write("in.csv", format!("{HEADER}anna,Okta,1x\nbert,Okta,1x\ncarl,Okta,2x\n"));
    for linked_now in [1, 0] {
        let finished = home.link(&simulator.url, &OPTIONS).left_with(3);
        let report = finished.json();
        let counts =
            ["read", "linked", "skipped", "repeated", "invalid"].map(|state| report["rows"][state].as_u64().unwrap());
        assert_eq!(counts, [3, 2, 2 - linked_now, 0, 1], "{report}");
        assert_eq!(report["writes"], linked_now, "{report}");
        assert!(
            finished.stderr.contains("error: row 2, ") && !finished.stderr.contains("error: row 1, "),
            "{finished:#?}"
        );
    }
    simulator.linked_once(2);
}

#[test]
fn a_report_hands_no_row_back_that_link_would_not_send() {
    let home = Home::new();
    let simulator = Simulator::quick(&home);
    home.write("in.csv", format!("{HEADER}anna,Okta,1x\n"));
    home.link(&simulator.url, &OPTIONS).left_with(0);
    home.write("in.csv", format!("{HEADER}anna,Okta,1x\nbert,Okta,1x\ncarl,Okta,2x\n"));
    let options = ["report", "in.csv.ledger", "--unprocessed", "rest.csv", "--output", "json"];
    let report = home.run(&options).left_with(0).json();
    let counts = ["read", "linked", "invalid", "unprocessed"].map(|state| report["rows"][state].as_u64().unwrap());
    assert_eq!(counts, [3, 1, 1, 1], "{report}");
    // By itself the row of bert would look valid, and be sent.
    assert_eq!(home.read("rest.csv"), format!("{HEADER}carl,Okta,2x\n"));
}

#[test]
fn a_shard_reports_its_own_rows_compared_with_the_whole_file() {
    let home = Home::new();
    let simulator = Simulator::quick(&home);
    let mut text = HEADER.to_owned();
    (0..20).for_each(|at| writeln!(text, "user-{at},Okta,{}x", at / 2).unwrap());
    home.write("in.csv", text);
    let (mut read, mut reported) = (0, 0);
    for shard in ["0/2", "1/2"] {
        let finished = home.link(&simulator.url, &[&OPTIONS[..], &["--shard", shard]].concat()).left_with(3);
        let rows = finished.json()["rows"].clone();
        let invalid = rows["invalid"].as_u64().unwrap();
        assert_eq!((&rows["read"], invalid > 0), (&invalid.into(), true), "{rows}");
        read += invalid;
        reported += finished.stderr.matches("identity_for_two_users: row ").count();
    }
    assert_eq!((read, reported, simulator.link_calls()), (20, 20, 0));
}
