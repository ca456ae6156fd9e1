//! `validate`: every fault in one pass, nothing sent, and files that can be used on.

use crate::harness::{Home, schema, violations_of};

const MIXED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/mixed.csv");
const PAIRS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/pairs.csv");

#[test]
fn a_clean_file_is_valid_and_needs_no_credentials() {
    let finished = Home::new().run(&["validate", PAIRS]).left_with(0);
    assert_eq!(finished.stdout, "1,000 rows: 1,000 valid\n");
}

#[test]
fn every_finding_is_listed_and_the_file_is_split() {
    let home = Home::new();
    let folder = home.path("split");
    let folder = folder.to_str().unwrap();
    let finished = home.run(&["validate", MIXED, "--split", folder, "--output", "json"]).left_with(4);
    let report: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!((&report["rows"]["read"], &report["rows"]["valid"]), (&83.into(), &41.into()));
    let listed = report["findings"].as_array().unwrap().len();
    let counted: u64 = report["findings_by_code"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(listed as u64, counted);
    let written = std::fs::read_to_string(home.path("split/findings.jsonl")).unwrap();
    assert_eq!(written.lines().count(), listed);
    for line in written.lines() {
        let finding = serde_json::from_str(line).unwrap();
        assert_eq!(violations_of(schema("validate"), "finding", &finding), Vec::<String>::new(), "{line}");
    }

    // What was valid is valid again, and what was not is not, with the reason next to it.
    let valid = home.path("split/valid.csv");
    assert_eq!(home.run(&["validate", valid.to_str().unwrap(), "-q"]).left_with(0).stdout.lines().last(), {
        Some("41 rows: 41 valid")
    });
    let invalid = home.path("split/invalid.csv");
    let text = String::from_utf8_lossy(&std::fs::read(&invalid).unwrap()).into_owned();
    assert!(text.lines().next().unwrap().ends_with(",link_state,link_code,link_message,retry_of"), "{text}");
    assert!(text.contains(",invalid,number_damaged,"), "{text}");
    let again = home.run(&["validate", invalid.to_str().unwrap(), "-q"]).left_with(4).stdout;
    // One row is wrong only together with another, which is not in this file.
    assert_eq!(again.lines().last(), Some("42 rows: 1 valid, 41 invalid"));
}

#[test]
fn a_program_hears_of_a_header_that_makes_every_row_unreadable() {
    let home = Home::new();
    for (text, code) in [("", "missing_column"), ("a,b\n1,2\n", "missing_column")] {
        home.write("pairs.csv", text);
        let finished = home.run(&["validate", "pairs.csv", "--output", "json"]).left_with(4);
        let report: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
        assert_eq!(report["findings"][0]["code"], code, "{report}");
        assert_eq!((&report["exit_status"], &report["rows"]["read"]), (&4.into(), &0.into()), "{report}");
        assert!(report["findings_by_code"][code].as_u64() >= Some(1) && finished.stderr.contains(code), "{report}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_no_usage_error() {
    let home = Home::new();
    let pool = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/mixed.pool.json");
    let words = ["export", "--simulate", "--pool-file", pool, "--simulate-latency", "off", "--out", "/dev/full"];
    assert!(home.run(&words).left_with(1).stderr.contains("/dev/full"));
}
