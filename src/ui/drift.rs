//! What a comparison of a file and a pool found, as text and as JSON.

use serde_json::{Map, Value, json};

use super::escape::escape;
use super::format::{count, counted, duration};
use super::json::SCHEMA_VERSION;
use super::style::Style;
use crate::domain::drift::{DriftCounts, DriftLine, DriftReport, ExtraLine, Standing};
use crate::domain::identity::{Personal, masked};
use crate::limits::FAILURES_SHOWN_MAX;

/// The numbers first, then the first of the differences. Every line ends with a line feed.
pub(super) fn text(report: &DriftReport, show_values: bool, style: Style) -> String {
    let mut lines = numbers(&report.counts, style);
    let simulated = if report.simulated { " (simulated)" } else { "" };
    lines.push(format!(
        "pool {}{simulated}, {}, {}, in {}",
        escape(&report.pool),
        counted(report.users, "user"),
        counted(report.reads, "read"),
        duration(report.elapsed)
    ));
    // What is wrong with an invalid row has been told when the file was read.
    let open = || report.lines.iter().filter(|row| row.standing != Standing::Invalid);
    let details: Vec<String> = open().take(FAILURES_SHOWN_MAX).map(|open| row_text(open, style)).collect();
    let left_out = open().count() as u64 + report.lines_left_out - details.len() as u64;
    section(&mut lines, details, left_out, "row");
    let extras = report.extras.iter().take(FAILURES_SHOWN_MAX);
    let extras: Vec<String> = extras.map(|held| extra_text(held, show_values, style)).collect();
    let left_out = report.counts.extra - extras.len() as u64;
    section(&mut lines, extras, left_out, "extra link");
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

fn numbers(counts: &DriftCounts, style: Style) -> Vec<String> {
    let codes: Vec<String> =
        counts.by_code.iter().map(|(code, number)| format!("{} {}", code.as_str(), count(*number))).collect();
    let line = |label: &str, number: u64, note: &str, paint: fn(Style, &str) -> String| {
        let gap = if note.is_empty() { "" } else { "   " };
        format!("{}{:>7}{gap}{note}", paint(style, &format!("{label:14}")), count(number))
    };
    let mut lines = vec![line("linked", counts.linked, "", Style::green)];
    for (label, number, note) in [
        ("missing", counts.missing, ""),
        ("moved", counts.moved, ""),
        ("blocked", counts.blocked, codes.join(", ").as_str()),
        ("invalid", counts.invalid, ""),
    ] {
        if number > 0 {
            lines.push(line(label, number, note, Style::yellow));
        }
    }
    lines.push("-".repeat(21));
    lines.push(line("rows read", counts.rows, "", |_, text| text.to_owned()));
    lines.push(line("extra", counts.extra, "in the pool, not in the file", |_, text| text.to_owned()));
    lines
}

fn section(lines: &mut Vec<String>, details: Vec<String>, left_out: u64, what: &str) {
    if details.is_empty() {
        return;
    }
    lines.push(String::new());
    lines.extend(details);
    if left_out > 0 {
        let plural = if left_out == 1 { "" } else { "s" };
        lines.push(format!("and {} more {what}{plural}", count(left_out)));
    }
}

fn row_text(line: &DriftLine, style: Style) -> String {
    let key = line.key.map_or(String::new(), |key| format!(" key {key}"));
    let code = line.standing.code().map_or(String::new(), |code| format!(" {}", code.as_str()));
    let hint = line.hint.map_or(String::new(), |hint| format!(" ({hint})"));
    format!("row {}{key} {}{hint}", line.row, style.yellow(&format!("{}{code}", line.standing.as_str())))
}

fn extra_text(line: &ExtraLine, show_values: bool, style: Style) -> String {
    let shown = |value: &Personal| shown(value, show_values);
    let born_at = if line.destination_provider.is_empty() {
        String::new()
    } else {
        format!(" of {}", escape(&line.destination_provider))
    };
    let provider = escape(&line.provider);
    format!("{} {provider} {} on {}{born_at}", style.yellow("extra"), shown(&line.value), shown(&line.destination))
}

fn shown(value: &Personal, show_values: bool) -> String {
    let value = value.expose();
    escape(&if show_values { value.to_owned() } else { masked(value) }).into_owned()
}

/// The whole result as one object. `applied` is the report of the run that made the missing links, where one did.
pub(super) fn object(report: &DriftReport, applied: Option<&Value>, show_values: bool, exit_status: u8) -> Value {
    let counts = &report.counts;
    let by_code: Map<String, Value> =
        counts.by_code.iter().map(|(code, number)| (code.as_str().to_owned(), json!(number))).collect();
    let text = |value: &Personal| if show_values { value.expose().to_owned() } else { masked(value.expose()) };
    let row = |line: &DriftLine| {
        json!({
            "row": line.row.0,
            "key": line.key.map(|key| key.to_string()),
            "standing": line.standing.as_str(),
            "code": line.standing.code().map(crate::domain::outcome::RefusalCode::as_str),
            "hint": line.hint,
        })
    };
    let extra = |line: &ExtraLine| {
        json!({
            "source_provider": line.provider,
            "source_value": text(&line.value),
            "destination_username": text(&line.destination),
            "destination_provider": line.destination_provider,
        })
    };
    json!({
        "kind": "reconcile_report",
        "schema_version": SCHEMA_VERSION,
        "input": report.input,
        "pool": report.pool,
        "simulated": report.simulated,
        "exit_status": exit_status,
        "drift": counts.has_drift(),
        "rows": {
            "read": counts.rows, "linked": counts.linked, "missing": counts.missing, "moved": counts.moved,
            "blocked": counts.blocked, "invalid": counts.invalid,
        },
        "extra": counts.extra,
        "changes": counts.changes,
        "blocked_by_code": by_code,
        "providers_in_scope": report.scope,
        "details": report.lines.iter().map(row).collect::<Vec<_>>(),
        "details_left_out": report.lines_left_out,
        "extras": report.extras.iter().map(extra).collect::<Vec<_>>(),
        "extras_left_out": report.extras_left_out,
        "users": report.users,
        "reads": report.reads,
        "elapsed_ms": u64::try_from(report.elapsed.as_millis()).unwrap_or(u64::MAX),
        "applied": applied,
    })
}

#[cfg(test)]
mod tests {
    use super::super::style::ColorChoice;
    use super::*;
    use crate::domain::outcome::RefusalCode;
    use crate::domain::row::{RowKey, RowNumber};

    fn report() -> DriftReport {
        let blocked = Standing::Blocked(RefusalCode::UserNotFound);
        let standings = [Standing::Linked, Standing::Missing, Standing::Moved, blocked, Standing::Invalid];
        let mut report =
            DriftReport { input: "p.csv".into(), pool: "us-east-1_A".into(), users: 7, ..Default::default() };
        for (number, standing) in (1..).zip(standings) {
            report.counts.add(standing);
            let key = RowKey::parse(format!("{number:032x}").as_bytes()).filter(|_| standing != Standing::Invalid);
            let hint = (standing == blocked).then_some("look at its case");
            if standing != Standing::Linked {
                report.lines.push(DriftLine { row: RowNumber(number), key, standing, hint });
            }
        }
        report.counts.extra = 1;
        report.extras.push(ExtraLine {
            provider: "Okta".into(),
            value: Personal::from_service("00uAbc\u{1b}Z"),
            destination: Personal::from_service("alice"),
            destination_provider: String::new(),
        });
        report
    }

    #[test]
    fn numbers_come_first_and_values_are_masked() {
        let expected = "\
linked              1
missing             1
moved               1
blocked             1   user_not_found 1
invalid             1
---------------------
rows read           5
extra               1   in the pool, not in the file
pool us-east-1_A, 7 users, 0 reads, in 0 s

row 2 key 00000000000000000000000000000002 missing
row 3 key 00000000000000000000000000000003 moved
row 4 key 00000000000000000000000000000004 blocked user_not_found (look at its case)

extra Okta 0***Z on a***e
";
        assert_eq!(text(&report(), false, ColorChoice::Never.style(true)), expected);
        assert!(text(&report(), true, ColorChoice::Never.style(true)).contains("00uAbc\\u{1b}Z on alice"));
    }

    #[test]
    fn long_lists_are_cut_with_a_number() {
        let mut report = report();
        let line = report.lines[0].clone();
        report.lines.extend(std::iter::repeat_n(line, FAILURES_SHOWN_MAX));
        report.lines_left_out = 1_000;
        assert!(text(&report, false, Style::default()).contains("\nand 1,003 more rows\n"));
    }

    #[test]
    fn scripts_get_everything() {
        let object = object(&report(), None, false, 5);
        assert_eq!(
            (&object["rows"]["missing"], &object["extra"], &object["drift"]),
            (&json!(1), &json!(1), &json!(true))
        );
        assert_eq!(object["details"][2]["code"], "user_not_found");
        assert_eq!(object["extras"][0]["source_value"], "0***Z");
        assert_eq!((&object["exit_status"], &object["applied"]), (&json!(5), &Value::Null));
    }
}
