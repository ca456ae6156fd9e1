//! Results as JSON: one object on one line. Names, codes and types are an interface; members may be added.
//!
//! A run (`link`, `undo`, `reconcile --apply`):
//!
//! ```json
//! {"kind":"run_report","schema_version":1,"command":"link | undo | reconcile",
//!  "pool":"us-east-1_AbCdEfGhI","simulated":false,"ledger":"pairs.csv.ledger",
//!  "ended":"completed | interrupted | stopped","signal":"SIGINT | SIGTERM | null",
//!  "stop_cause":"credentials, ... | null","stop_detail":"text | null","exit_status":0,
//!  "rows":{"read":0,"linked":0,"already_linked":0,"refused":0,"failed":0,"in_doubt":0,"invalid":0,"unprocessed":0,
//!          "skipped":0,"repeated":0,"undone":0,"not_read":null},
//!  "refusals":{"user_not_found":0},"findings":{"missing_value":0},
//!  "writes":0,"reads":0,"throttled":0,"plan_missed":null,"elapsed_ms":0}
//! ```
//!
//! `undone` is a part of `unprocessed`: what `undo` has taken back may be linked again. `undo` adds `"dry_run"`, and in a dry
//! run `"links"`, each `{"row":17,"key":"","destination":"p***7","source_provider":"Okta","source_value":"0***z",
//! "would_be":"undone | refused | failed | in_doubt","refusal_code":null}`; values are masked unless `--show-values`.
//!
//! A ledger (`report`): `unprocessed` is null where a ledger alone cannot say; `refusal_code`, `service_code` and
//! `meaning` are null where there is none; `service_message` is null unless `--show-values` is given, except where this
//! program wrote it; times are RFC 3339 in UTC.
//!
//! ```json
//! {"kind":"ledger_report","schema_version":1,
//!  "pool":"us-east-1_AbCdEfGhI","simulated":false,"ledgers":["pairs.csv.ledger"],
//!  "rows":{"read":0,"linked":0,"already_linked":0,"refused":0,"failed":0,"in_doubt":0,"invalid":0,"unprocessed":null,
//!          "skipped":0,"repeated":0,"undone":0},
//!  "refusals":{},"undo_refusals":{},"findings":{},
//!  "shards":null or {"count":4,"whole":true,"missing":[],"strange_ledgers":0,"rows_in_several":0},
//!  "runs":[{"id":"","command":"link","input":"","started":"2026-03-01T08:00:00.000Z","ended":"completed | null"}],
//!  "failures":[{"row":17,"key":"","state":"refused","refusal_code":"","service_code":"","service_message":"","meaning":""}],
//!  "failures_left_out":0}
//! ```
//!
//! The checks of an input (`validate`); `findings` has every one, in the order of the rows.
//!
//! ```json
//! {"kind":"validate_report","schema_version":1,"input":"pairs.csv","findings":[],
//!  "rows":{"read":0,"valid":0,"invalid":0},"blank_lines":0,
//!  "findings_by_code":{"missing_value":0},"allowed_by_code":{},"exit_status":0}
//! ```
//!
//! A finding: `{"code":"","severity":"error | warning","row":17,"line":18,"field":3,"column":"","message":""}`, with
//! `row` null where the file or its header is meant.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::escape::escape_json;
use super::format::timestamp;
use super::text::signal_name;
use crate::domain::finding::{Finding, FindingCode};
use crate::domain::outcome::{RefusalCode, ServiceText};
use crate::domain::report::{FailureLine, LedgerReport, RunLine, ShardsReport, ValidateReport};
use crate::domain::stop::{Ended, RunReport};
use crate::domain::summary::Counts;

pub(super) const SCHEMA_VERSION: u32 = 1;

/// One value on one line, harmless for a terminal.
pub(super) fn encode(value: &Value) -> String {
    let mut text = escape_json(&value.to_string()).into_owned();
    text.push('\n');
    text
}

/// A finding as an object, for `findings.jsonl` and `validate --output json`.
#[must_use]
pub fn finding(finding: &Finding) -> Value {
    json!({
        "code": finding.code.as_str(),
        "severity": finding.severity.as_str(),
        "row": finding.row.map(|row| row.0),
        "line": finding.line,
        "field": finding.field,
        "column": finding.column,
        "message": finding.message,
    })
}

/// The findings of an input as they come: the first part of the result of `validate`, whose object is closed by
/// [`validate_end`]. There may be more of them than memory holds.
#[must_use]
pub(super) fn validate_start(input: &str) -> String {
    let input = Value::from(input);
    escape_json(&format!(
        "{{\"kind\":\"validate_report\",\"schema_version\":{SCHEMA_VERSION},\"input\":{input},\"findings\":["
    ))
    .into_owned()
}

/// What the checks of an input found besides single findings, behind the last of them.
pub(super) fn validate_end(report: &ValidateReport, forecast: Option<Value>, exit_status: u8) -> String {
    let counts = &report.counts;
    let mut rest = json!({
        "rows": {"read": counts.read, "valid": counts.unprocessed, "invalid": counts.invalid},
        "blank_lines": report.blank_lines,
        "findings_by_code": numbers(&counts.by_finding),
        "allowed_by_code": numbers(&report.allowed),
        "exit_status": exit_status,
    });
    if let (Some(forecast), Some(rest)) = (forecast, rest.as_object_mut()) {
        rest.insert("forecast".to_owned(), forecast);
    }
    encode(&rest).replacen('{', "],", 1)
}

fn numbers(by_code: &BTreeMap<FindingCode, u64>) -> Map<String, Value> {
    by_code.iter().map(|(code, number)| (code.as_str().to_owned(), Value::from(*number))).collect()
}

/// Rows by state, as both reports have them.
#[must_use]
pub fn rows(counts: &Counts) -> Map<String, Value> {
    let numbers = [
        ("read", counts.read),
        ("linked", counts.linked),
        ("already_linked", counts.already_linked),
        ("refused", counts.refused),
        ("failed", counts.failed),
        ("in_doubt", counts.in_doubt),
        ("invalid", counts.invalid),
        ("unprocessed", counts.unprocessed),
        ("skipped", counts.skipped),
        ("repeated", counts.repeated),
        ("undone", counts.undone),
    ];
    numbers.into_iter().map(|(name, number)| (name.to_owned(), Value::from(number))).collect()
}

pub(super) fn run_report(report: &RunReport, ledger: Option<&str>, show_values: bool, exit_status: u8) -> Value {
    let mut rows = rows(&report.counts);
    rows.insert("not_read".to_owned(), report.not_read.into());
    let (ended, signal, stop) = match &report.ended {
        Ended::Completed => ("completed", None, None),
        Ended::Interrupted(signal) => ("interrupted", Some(signal_name(*signal)), None),
        Ended::Stopped(stop) => ("stopped", None, Some(stop)),
    };
    json!({
        "kind": "run_report",
        "schema_version": SCHEMA_VERSION,
        "command": if report.aim.is_undo() { "undo" } else { "link" },
        "pool": report.pool.as_str(),
        "simulated": report.simulated,
        "ledger": ledger,
        "ended": ended,
        "signal": signal,
        "stop_cause": stop.map(|stop| stop.cause.as_str()),
        "stop_detail": stop.map(|stop| stop.printable_detail(show_values)),
        "exit_status": exit_status,
        "rows": rows,
        "refusals": refusals(&report.counts),
        "findings": findings(&report.counts),
        "writes": report.writes,
        "reads": report.reads,
        "throttled": report.throttled,
        "plan_missed": report.missed,
        "elapsed_ms": u64::try_from(report.elapsed.as_millis()).unwrap_or(u64::MAX),
    })
}

pub(super) fn ledger_report(report: &LedgerReport, show_values: bool) -> Value {
    let mut rows = rows(&report.counts);
    if !report.unprocessed_known {
        rows.insert("unprocessed".to_owned(), Value::Null);
    }
    json!({
        "kind": "ledger_report",
        "schema_version": SCHEMA_VERSION,
        "pool": report.pool,
        "simulated": report.simulated,
        "ledgers": report.ledgers,
        "rows": rows,
        "refusals": refusals(&report.counts),
        "undo_refusals": by_refusal(&report.counts.kept),
        "findings": findings(&report.counts),
        "shards": report.shards.as_ref().map(shards),
        "runs": report.runs.iter().map(run).collect::<Vec<_>>(),
        "failures": report.failures.iter().map(|line| failure(line, show_values)).collect::<Vec<_>>(),
        "failures_left_out": report.failures_left_out,
    })
}

fn shards(shards: &ShardsReport) -> Value {
    json!({
        "count": shards.count,
        "whole": shards.is_whole(),
        "missing": shards.missing,
        "strange_ledgers": shards.strange_ledgers,
        "rows_in_several": shards.rows_in_several,
    })
}

fn run(run: &RunLine) -> Value {
    json!({
        "id": run.id,
        "command": run.command,
        "input": run.input,
        "started": timestamp(run.started_unix_ms),
        "ended": run.ended,
    })
}

fn failure(line: &FailureLine, show_values: bool) -> Value {
    let said = line.said.as_ref();
    json!({
        "row": line.row.0,
        "key": line.key.to_string(),
        "state": line.state.as_str(),
        "refusal_code": line.state.refusal().map(RefusalCode::as_str),
        "service_code": said.map(|said| said.code.as_str()),
        "service_message": said.and_then(|said| said.printable_message(show_values)),
        "meaning": line.state.refusal().map(RefusalCode::meaning).or_else(|| said.and_then(ServiceText::meaning)),
    })
}

fn refusals(counts: &Counts) -> Map<String, Value> {
    by_refusal(&counts.by_refusal)
}

fn by_refusal(numbers: &BTreeMap<RefusalCode, u64>) -> Map<String, Value> {
    by_code(numbers.iter().map(|(code, number)| (code.as_str(), *number)))
}

fn findings(counts: &Counts) -> Map<String, Value> {
    by_code(counts.by_finding.iter().map(|(code, number)| (FindingCode::as_str(*code), *number)))
}

fn by_code(numbers: impl Iterator<Item = (&'static str, u64)>) -> Map<String, Value> {
    numbers.map(|(code, number)| (code.to_owned(), Value::from(number))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ledger_report_example, run_report_example};
    use super::*;
    use crate::domain::row::RowNumber;
    use crate::domain::stop::{Signal, Stop, StopCause};

    const RUN: &str = concat!(
        r#"{"kind":"run_report","schema_version":1,"command":"link","pool":"sim-local-1_Example01","simulated":true,"ledger":"l","#,
        r#""ended":"completed","signal":null,"stop_cause":null,"stop_detail":null,"exit_status":3,"#,
        r#""rows":{"read":1000,"linked":986,"already_linked":3,"refused":7,"failed":1,"in_doubt":1,"invalid":2,"#,
        r#""unprocessed":0,"skipped":240,"repeated":0,"undone":0,"not_read":null},"#,
        r#""refusals":{"user_not_found":4,"identity_has_profile":3},"findings":{"missing_value":2},"#,
        r#""writes":748,"reads":12,"throttled":0,"plan_missed":null,"elapsed_ms":38200}"#,
        "\n"
    );

    #[test]
    fn the_schema_of_a_run_stands() {
        assert_eq!(encode(&run_report(&run_report_example(), Some("l"), false, 3)), RUN);
    }

    #[test]
    fn every_way_out_is_told() {
        let detail = "credentials are expired: sign in again".to_owned();
        let stopped = Ended::Stopped(Stop::new(StopCause::Credentials, detail));
        let table = [
            (Ended::Interrupted(Signal::Interrupt), r#""ended":"interrupted","signal":"SIGINT","stop_cause":null"#),
            (Ended::Interrupted(Signal::Terminate), r#""ended":"interrupted","signal":"SIGTERM","stop_cause":null"#),
            (
                stopped,
                r#""ended":"stopped","signal":null,"stop_cause":"credentials","stop_detail":"credentials are expired: sign in again""#,
            ),
        ];
        for (ended, expected) in table {
            let report = RunReport { ended, not_read: Some(5), ..run_report_example() };
            let text = encode(&run_report(&report, Some("l"), false, 1));
            assert!(text.contains(expected), "{text}");
            assert!(text.contains(r#""not_read":5"#), "{text}");
        }
    }

    #[test]
    fn the_schema_of_a_ledger_stands() {
        let expected = concat!(
            r#"{"kind":"ledger_report","schema_version":1,"pool":"us-east-1_AbCdEfGhI","simulated":false,"#,
            r#""ledgers":["pairs.csv.ledger"],"#,
            r#""rows":{"read":3,"linked":1,"already_linked":0,"refused":1,"failed":1,"in_doubt":0,"invalid":0,"#,
            r#""unprocessed":null,"skipped":0,"repeated":0,"undone":0},"refusals":{"identity_has_profile":1},"#,
            r#""undo_refusals":{},"findings":{},"#,
            r#""shards":null,"runs":[{"id":"01ab","command":"link","input":"pairs.csv","started":"2026-03-01T08:00:00.000Z","ended":"interrupted"},"#,
            r#"{"id":"02cd","command":"link","input":"pairs.csv","started":"2026-03-01T09:00:00.500Z","ended":null}],"#,
            r#""failures":[{"row":17,"key":"00000000000000000000000000000011","state":"refused","#,
            r#""refusal_code":"identity_has_profile","service_code":"InvalidParameterException","#,
            r#""service_message":null,"meaning":"The identity has signed in before and has a profile of its own; the service cannot merge profiles."},"#,
            r#"{"row":18,"key":"00000000000000000000000000000012","state":"failed","refusal_code":null,"#,
            r#""service_code":null,"service_message":null,"meaning":null}],"failures_left_out":5}"#,
            "\n"
        );
        let mut report = ledger_report_example();
        assert_eq!(encode(&ledger_report(&report, false)), expected);
        let shown = encode(&ledger_report(&report, true));
        assert!(shown.contains(r"supported, 'jane\u001b@example.com'"), "{shown}");
        report.unprocessed_known = true;
        assert!(encode(&ledger_report(&report, false)).contains(r#""unprocessed":0"#));
    }

    #[test]
    fn the_schema_of_a_finding_stands() {
        let example = Finding {
            code: FindingCode::MissingValue,
            severity: FindingCode::MissingValue.severity(),
            row: Some(RowNumber(17)),
            line: 18,
            field: 3,
            column: "source\u{202e}".into(),
            message: "empty".into(),
        };
        assert_eq!(
            encode(&finding(&example)),
            concat!(
                r#"{"code":"missing_value","severity":"error","row":17,"line":18,"field":3,"#,
                r#""column":"source\u202e","message":"empty"}"#,
                "\n"
            )
        );
    }
}
