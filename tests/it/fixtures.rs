//! The files of `fixtures/`: they are what their generator writes, and each of their rows ends as it says.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::Path;
use std::process::Command;

use cognito_link::domain::finding::FindingCode;
use cognito_link::domain::outcome::RefusalCode;
use serde_json::Value;

use crate::catalogue::needs_pool;
use crate::harness::{schema, violations};

#[path = "../../examples/fixtures/main.rs"]
#[expect(dead_code, reason = "the entry of the generator as a program")]
mod generator;

type Checked<T> = Result<T, Box<dyn Error>>;

/// A row that has the same link as an earlier one: it counts as that one does and has no line in the ledger.
const REPEAT: &str = "linked duplicate_row";

/// What a run left behind.
struct Ran {
    status: Option<i32>,
    report: Value,
    talk: String,
}

fn link(input: &str, ledger: &Path, options: &[&str]) -> Checked<Ran> {
    let output = Command::new(env!("CARGO_BIN_EXE_cognito-link"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .args(["link", input, "--simulate", "--yes", "--output", "json"])
        .args(["--simulate-latency", "off", "--simulate-quota", "off"])
        .arg("--ledger")
        .arg(ledger)
        .args(options)
        .output()?;
    let talk = String::from_utf8(output.stderr)?;
    let report = serde_json::from_slice(&output.stdout).map_err(|error| format!("{error}: {talk}"))?;
    match violations(schema("link"), &report).as_slice() {
        [] => Ok(Ran { status: output.status.code(), report, talk }),
        found => Err(format!("{found:?} in {report}").into()),
    }
}

fn count(report: &Value, state: &str) -> Checked<u64> {
    report["rows"][state].as_u64().ok_or_else(|| format!("no number of {state} rows in {report}").into())
}

/// What the rows of a file expect, in their order. The expectation ends its line however damaged the rest is.
fn expectations(name: &str) -> Checked<Vec<String>> {
    let content = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name))?;
    let text = String::from_utf8_lossy(&content);
    let lines = text.lines().filter(|line| !line.is_empty());
    let tail = |line: &str, mark: &str| line.rsplit_once(mark).map(|(_, tail)| tail.to_owned());
    let expected: Option<Vec<String>> = if name == "mixed.csv" {
        lines.skip(1).map(|line| tail(line, ",")).collect()
    } else {
        lines.map(|line| tail(line, "\"expected\":\"")?.split('"').next().map(str::to_owned)).collect()
    };
    expected.ok_or_else(|| format!("a line of {name} does not say what it expects").into())
}

/// The state, and the code where there is one, in which the ledger leaves each row.
fn verdicts(ledger: &Path) -> Checked<BTreeMap<u64, String>> {
    let mut verdicts = BTreeMap::new();
    for line in std::fs::read_to_string(ledger)?.lines() {
        let record: Value = serde_json::from_str(line)?;
        let verdict = match (record["type"].as_str(), record["state"].as_str(), record["code"].as_str()) {
            (Some("invalid"), _, Some(finding)) => format!("invalid {finding}"),
            (_, Some(state), Some(code)) => format!("{state} {code}"),
            (_, Some(state), None) => state.to_owned(),
            (_, None, _) => continue,
        };
        let row = record["row"].as_u64().ok_or("a result without a row")?;
        verdicts.insert(row, verdict);
    }
    Ok(verdicts)
}

/// What of a run is not as its rows expect it, each in one sentence.
fn differences(expected: &[String], verdicts: &BTreeMap<u64, String>, talk: &str) -> Vec<String> {
    let mut differences = Vec::new();
    for (number, expected) in (1..).zip(expected) {
        let actual = verdicts.get(&number).map_or("no result", String::as_str);
        let (wanted, warning) = match expected.split(' ').collect::<Vec<_>>()[..] {
            _ if expected == REPEAT => ("no result".to_owned(), Some("duplicate_row")),
            ["linked", warning] => ("linked".to_owned(), Some(warning)),
            ["refused", code, warning] => (format!("refused {code}"), Some(warning)),
            _ => (expected.clone(), None),
        };
        if actual != wanted {
            differences.push(format!("row {number} expects {expected} and has {actual}"));
        }
        let is_reported = |code: &str| {
            talk.lines().any(|line| line.starts_with(&format!("warning: row {number},")) && line.contains(code))
        };
        if warning.is_some_and(|code| !is_reported(code)) {
            differences.push(format!("row {number} expects {expected}, and no warning says so"));
        }
    }
    differences
}

fn every_row_ends_as_it_says(name: &str) -> Checked<()> {
    let directory = tempfile::tempdir()?;
    let ledger = directory.path().join("ledger");
    let input = format!("fixtures/{name}");
    let options = ["--pool-file", "fixtures/mixed.pool.json", "--rate", "500"];
    let expected = expectations(name)?;
    let ran = link(&input, &ledger, &options)?;
    assert_eq!(ran.status, Some(3), "{}", ran.talk);
    assert_eq!(differences(&expected, &verdicts(&ledger)?, &ran.talk), Vec::<String>::new());

    assert_eq!(count(&ran.report, "read")?, expected.len() as u64);
    let mut sum = 0;
    for state in ["linked", "already_linked", "refused", "failed", "in_doubt", "invalid", "unprocessed"] {
        let wanted = expected.iter().filter(|expected| expected.split(' ').next() == Some(state)).count() as u64;
        assert_eq!(count(&ran.report, state)?, wanted, "{state}");
        sum += wanted;
    }
    assert_eq!(sum, expected.len() as u64, "the counts balance");
    let repeats = expected.iter().filter(|expected| *expected == REPEAT).count() as u64;
    assert_eq!(count(&ran.report, "repeated")?, repeats);

    let again = link(&input, &ledger, &options)?;
    assert_eq!((again.status, &again.report["writes"]), (Some(3), &Value::from(0)), "{}", again.talk);
    assert_eq!(again.report["rows"]["refused"], ran.report["rows"]["refused"]);
    Ok(())
}

#[test]
fn the_files_are_what_the_generator_writes() -> Checked<()> {
    for (name, content) in generator::files()? {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(&name);
        let is_same = std::fs::read(path)? == content;
        assert!(is_same, "fixtures/{name} is not what its generator writes: run `cargo run --example fixtures`");
    }
    Ok(())
}

#[test]
fn every_row_of_the_mixed_csv_ends_as_it_says() -> Checked<()> {
    every_row_ends_as_it_says("mixed.csv")
}

#[test]
fn every_row_of_the_mixed_jsonl_ends_as_it_says() -> Checked<()> {
    every_row_ends_as_it_says("mixed.jsonl")
}

/// Codes that none of so few rows can give: they are about a header, a whole file or a long column.
const NOT_OF_A_ROW: [&str; 3] = ["missing_column", "utf16", "unusual_length"];

#[test]
fn the_mixed_files_have_every_code() -> Checked<()> {
    use RefusalCode::{
        AttributeNamesLimit, CaseDiffers, DateUnknown, FormUnknown, Gone, LinkNotSeen, Moved, NotAuthorized,
        OlderThanOurs, UsedSince, UserDisabled, UserNotSeen,
    };
    for (name, not_in_this_format) in
        [("mixed.csv", ["invalid_json", "duplicate_column"]), ("mixed.jsonl", ["ragged_row", "unclosed_quote"])]
    {
        let expected = expectations(name)?;
        let has = |state: &str| -> BTreeSet<&str> {
            let codes = expected.iter().filter_map(|expected| expected.split_once(' '));
            codes.filter(|(found, _)| *found == state).flat_map(|(_, codes)| codes.split(' ')).collect()
        };
        // The service makes a link in another letter case; only the plan refuses it. A `LimitExceededException` for another
        // reason than the identities of the user, and a `NotAuthorizedException` for a row, are answers that the simulated
        // pool gives only with a `--behavior`, and the commands of the documents run these files without one. The others
        // are codes of `undo`.
        let not_served = [CaseDiffers, AttributeNamesLimit, UserDisabled, NotAuthorized];
        let undo = [Gone, UserNotSeen, LinkNotSeen, OlderThanOurs, DateUnknown, Moved, UsedSince, FormUnknown];
        let refusals: BTreeSet<_> = RefusalCode::ALL
            .iter()
            .filter(|code| !not_served.contains(code) && !undo.contains(code))
            .map(|code| code.as_str())
            .collect();
        let is_refusal = |code: &&str| RefusalCode::ALL.iter().any(|known| known.as_str() == *code);
        let (refused, warned): (BTreeSet<_>, BTreeSet<_>) = has("refused").into_iter().partition(is_refusal);
        assert_eq!(refused, refusals, "{name}");
        let findings: BTreeSet<_> = has("invalid").into_iter().chain(has("linked")).chain(warned).collect();
        let wanted = FindingCode::ALL.iter().filter(|code| !needs_pool(**code)).map(|code| code.as_str());
        let wanted: BTreeSet<_> =
            wanted.filter(|code| !NOT_OF_A_ROW.contains(code) && !not_in_this_format.contains(code)).collect();
        assert_eq!(findings, wanted, "{name}");
    }
    Ok(())
}

#[test]
fn a_thousand_pairs_are_linked_and_then_done() -> Checked<()> {
    let directory = tempfile::tempdir()?;
    let ledger = directory.path().join("ledger");
    let ran = link("fixtures/pairs.csv", &ledger, &["--rate", "2000"])?;
    assert_eq!(ran.status, Some(0), "{}", ran.talk);
    assert_eq!((count(&ran.report, "linked")?, count(&ran.report, "skipped")?), (1_000, 0));
    assert_eq!(ran.report["writes"], 1_000);
    let again = link("fixtures/pairs.csv", &ledger, &["--rate", "2000"])?;
    assert_eq!(again.status, Some(0), "{}", again.talk);
    assert_eq!((count(&again.report, "linked")?, count(&again.report, "skipped")?), (1_000, 1_000));
    assert_eq!(again.report["writes"], 0);
    Ok(())
}
