//! How a comparison is printed: as text before anything is applied, as JSON one object at the end.

use std::io;

use serde_json::{Value, json};

use super::ComparedItem;
use crate::commands::shared::Failure;
use crate::commands::shared::result::failed_json;
use crate::commands::shared::run_view::{
    RESUME_RUN, TableLine, by_code_json, by_code_text, joined, print_run_report, print_steps_after_run, run_json,
    simulated_mark, table,
};
use crate::domain::drift::{DriftReport, DriftRow, DriftStatus, EXTRA_SYMBOL, ExtraLink, LinkedUserCounts, Misfire};
use crate::domain::identity::{Personal, masked};
use crate::domain::outcome::RefusalCode;
use crate::domain::run::RunReport;
use crate::exit::Exit;
use crate::input::Format;
use crate::input::{LinkRow, LinkRowWriter};
use crate::limits::FAILURES_SHOWN_MAX;
use crate::ui::format::{count, counted, duration, timestamp};
use crate::ui::{OutputFormat, Style, Ui, escape};

pub(super) fn print_drift(report: &DriftReport, ui: &Ui) -> io::Result<()> {
    match ui.output() {
        OutputFormat::Text => ui.print(&drift_text(report, ui.shows_values(), ui.stdout_style())),
        OutputFormat::Json => Ok(()),
    }
}

/// Prints the result: as text that of the run, where there was one.
pub(super) fn print_result(
    report: &DriftReport,
    applied: Option<(&RunReport, &str)>,
    input: Option<&str>,
    failure: Option<&Failure>,
    exit: Exit,
    ui: &Ui,
) -> io::Result<()> {
    let applied_json = applied.map(|(run, ledger)| {
        let mut run = run_json(run, Some(ledger), ui.shows_values(), exit);
        run["command"] = "reconcile".into();
        run
    });
    let result = drift_json(report, applied_json.as_ref(), failure, ui.shows_values(), exit);
    if ui.output() == OutputFormat::Json {
        ui.json(&result)?;
        if let Some((run, ledger)) = applied {
            print_steps_after_run(&run.counts, run.not_read.unwrap_or(0), &[ledger], input, RESUME_RUN, ui);
        }
        return Ok(());
    }
    if let Some((run, ledger)) = applied {
        print_run_report(run, Some(ledger), input, exit, ui)?;
    }
    ui.keep_result(&result);
    Ok(())
}

/// The numbers, then the first of the differences.
fn drift_text(report: &DriftReport, show_values: bool, style: Style) -> String {
    let counts = &report.counts;
    let codes = by_code_text(&counts.by_code, RefusalCode::as_str);
    let states = [
        TableLine::new("linked", counts.linked, "", Style::green),
        TableLine::new("missing", counts.missing, "", Style::yellow),
        TableLine::new("moved", counts.moved, "", Style::yellow),
        TableLine::new("blocked", counts.blocked, codes, Style::yellow),
        TableLine::new("unverifiable", counts.unverifiable, "links by an attribute that may not show", Style::yellow),
        TableLine::new("invalid", counts.invalid, "", Style::yellow),
    ];
    let mut sums = vec![
        TableLine::plain("rows read", counts.rows, ""),
        TableLine::plain("extra", counts.extra, extra_note(counts.superseded)),
    ];
    let misfires = counts.misfired + counts.misfired_unverified;
    if misfires > 0 {
        let unverified = match counts.misfired_unverified {
            0 => String::new(),
            number => format!("; {} more with an address that is not verified", count(number)),
        };
        let note = format!("linked, and signed in to a new profile{unverified}");
        sums.push(TableLine::new("misfired", counts.misfired, note, Style::yellow));
    }
    let mut lines = table(&states, &sums, style);
    lines.push(format!(
        "pool {}{}, {}, {}, in {}",
        escape(&report.pool),
        simulated_mark(report.simulated),
        counted(report.users, "user"),
        counted(report.reads, "read"),
        duration(report.elapsed)
    ));
    lines.extend(linked_users_text(counts.linked_users));
    // The findings of invalid rows were printed when the file was read.
    let differing = || report.lines.iter().filter(|line| line.standing != DriftStatus::Invalid);
    let rows: Vec<String> = differing().take(FAILURES_SHOWN_MAX).map(|line| row_text(line, style)).collect();
    let left_out = differing().count() as u64 + report.lines_left_out - rows.len() as u64;
    push_section(&mut lines, rows, left_out, "row");
    let extras = report.extras.iter().take(FAILURES_SHOWN_MAX);
    let extras: Vec<String> = extras.map(|line| extra_text(line, show_values, style)).collect();
    let left_out = counts.extra - extras.len() as u64;
    push_section(&mut lines, extras, left_out, "extra link");
    let details = report.misfires.iter().take(FAILURES_SHOWN_MAX);
    let details: Vec<String> = details.map(|line| misfire_text(line, show_values, style)).collect();
    let left_out = misfires - details.len() as u64;
    push_section(&mut lines, details, left_out, "misfire");
    joined(&lines)
}

fn extra_note(superseded: u64) -> String {
    let note = "in the pool, not in the file";
    if superseded == 0 {
        return note.to_owned();
    }
    format!("{note}; {} superseded: links of this ledger whose row was corrected or is gone", count(superseded))
}

fn push_section(lines: &mut Vec<String>, details: Vec<String>, left_out: u64, noun: &str) {
    if details.is_empty() {
        return;
    }
    lines.push(String::new());
    lines.extend(details);
    if left_out > 0 {
        lines.push(format!("and {}", counted(left_out, &format!("more {noun}"))));
    }
}

fn row_text(line: &DriftRow, style: Style) -> String {
    let key = line.key.map_or(String::new(), |key| format!(" key {key}"));
    let code = line.standing.code().map_or(String::new(), |code| format!(" {}", code.as_str()));
    let hint = line.hint.map_or(String::new(), |hint| format!(" ({hint})"));
    format!("row {}{key} {}{hint}", line.row, style.yellow(&format!("{}{code}", line.standing.as_str())))
}

fn extra_text(line: &ExtraLink, show_values: bool, style: Style) -> String {
    let shown = |value: &Personal| escape(&shown_value(value, show_values)).into_owned();
    let profile_of = if line.destination_provider.is_empty() {
        String::new()
    } else {
        format!(" of {}", escape(&line.destination_provider))
    };
    let provider = escape(&line.provider);
    let word = if line.superseded { "superseded" } else { "extra" };
    format!("{} {provider} {} on {}{profile_of}", style.yellow(word), shown(&line.value), shown(&line.destination))
}

fn linked_users_text(users: LinkedUserCounts) -> Option<String> {
    (users.all() > 0).then(|| {
        format!(
            "{}: {} signed in, {} changed since the link, {} without a trace of a sign-in",
            counted(users.all(), "linked user"),
            count(users.signed_in),
            count(users.changed),
            count(users.no_trace)
        )
    })
}

fn misfire_text(line: &Misfire, show_values: bool, style: Style) -> String {
    let shown = |value: &Personal| escape(&shown_value(value, show_values)).into_owned();
    let unverified = if line.verified { "" } else { ", address not verified" };
    format!(
        "row {} key {} {}: {} {} is linked to {} since {}; profile {} was created {}{unverified}",
        line.row,
        line.key,
        style.yellow("misfired"),
        escape(&line.provider),
        shown(&line.value),
        shown(&line.destination),
        timestamp(line.linked_unix_ms),
        shown(&line.profile),
        timestamp(line.profile_created_unix_ms)
    )
}

fn shown_value(value: &Personal, show_values: bool) -> String {
    if show_values { value.expose().to_owned() } else { masked(value.expose()) }
}

/// A line of `--combined`: a row with its number, key and code, or a link that only the pool has, as an export writes it.
/// A misfire has none: its row has one.
pub(super) fn combined_line(item: &ComparedItem<'_>) -> Result<Option<Vec<u8>>, Failure> {
    match item {
        ComparedItem::Row(line) => {
            let mut words = vec![line.standing.symbol().to_string(), line.row.to_string()];
            words.extend(line.key.map(|key| key.to_string()));
            words.extend(line.standing.code().map(|code| code.as_str().to_owned()));
            if line.standing == DriftStatus::Invalid {
                words.push("invalid".to_owned());
            }
            Ok(Some((words.join(" ") + "\n").into_bytes()))
        }
        ComparedItem::Extra(extra) => {
            let link = LinkRow {
                destination_username: extra.destination.expose(),
                destination_provider: &extra.destination_provider,
                source_provider: &extra.provider,
                source_value: extra.value.expose(),
            };
            let mut text = format!("{EXTRA_SYMBOL} ").into_bytes();
            text.extend(LinkRowWriter::new(Format::Csv).row(&link).map_err(Failure::Output)?);
            Ok(Some(text))
        }
        ComparedItem::Misfire(_) => Ok(None),
    }
}

/// The whole result. `applied` is the report of the run, where there was one.
fn drift_json(
    report: &DriftReport,
    applied: Option<&Value>,
    failure: Option<&Failure>,
    show_values: bool,
    exit: Exit,
) -> Value {
    let counts = &report.counts;
    let rows = report.lines.iter().map(|line| {
        json!({
            "row": line.row.0,
            "key": line.key.map(|key| key.to_string()),
            "standing": line.standing.as_str(),
            "refusal_code": line.standing.code().map(RefusalCode::as_str),
            "hint": line.hint,
        })
    });
    let extras = report.extras.iter().map(|line| {
        json!({
            "source_provider": line.provider,
            "source_value": shown_value(&line.value, show_values),
            "destination_username": shown_value(&line.destination, show_values),
            "destination_provider": line.destination_provider,
            "of_superseded_row": line.superseded,
        })
    });
    let misfires = report.misfires.iter().map(|line| {
        json!({
            "row": line.row.0,
            "key": line.key.to_string(),
            "source_provider": line.provider,
            "source_value": shown_value(&line.value, show_values),
            "destination_username": shown_value(&line.destination, show_values),
            "linked_at": timestamp(line.linked_unix_ms),
            "profile_username": shown_value(&line.profile, show_values),
            "profile_value": shown_value(&line.profile_value, show_values),
            "profile_created_at": timestamp(line.profile_created_unix_ms),
            "address_verified": line.verified,
        })
    });
    let users = counts.linked_users;
    let body = json!({
        "input": report.input,
        "pool": report.pool,
        "simulated": report.simulated,
        "drift": counts.has_drift(),
        "rows": {
            "read": counts.rows, "linked": counts.linked, "missing": counts.missing, "moved": counts.moved,
            "blocked": counts.blocked, "unverifiable": counts.unverifiable, "invalid": counts.invalid,
        },
        "extra": counts.extra,
        "superseded_links": counts.superseded,
        "misfired": counts.misfired,
        "misfired_unverified": counts.misfired_unverified,
        "linked_users": {
            "all": users.all(), "signed_in": users.signed_in, "changed": users.changed, "no_trace": users.no_trace,
        },
        "changes": counts.changes,
        "refusals_by_code": by_code_json(&counts.by_code, RefusalCode::as_str),
        "providers_in_scope": report.scope,
        "row_standings": rows.collect::<Vec<_>>(),
        "row_standings_left_out": report.lines_left_out,
        "extras": extras.collect::<Vec<_>>(),
        "extras_left_out": report.extras_left_out,
        "misfires": misfires.collect::<Vec<_>>(),
        "misfires_left_out": report.misfires_left_out,
        "users_read": report.users,
        "reads": report.reads,
        "scanned_at": timestamp(report.scanned_unix_ms),
        "elapsed_ms": u64::try_from(report.elapsed.as_millis()).unwrap_or(u64::MAX),
        "applied": applied,
    });
    failed_json("reconcile_report", exit, failure, show_values, body)
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::commands::shared::run_view::examples::run_report;
    use crate::domain::row::{RowKey, RowNumber};
    use crate::ui::testing::Screen;

    fn example() -> DriftReport {
        let blocked = DriftStatus::Blocked(RefusalCode::UserNotFound);
        let standings = [
            DriftStatus::Linked,
            DriftStatus::Missing,
            DriftStatus::Moved,
            blocked,
            DriftStatus::Invalid,
            DriftStatus::Unverifiable,
        ];
        let mut report =
            DriftReport { input: "p.csv".into(), pool: "us-east-1_A".into(), users: 7, ..Default::default() };
        for (number, standing) in (1..).zip(standings) {
            report.counts.add(standing);
            let key = RowKey::parse(format!("{number:032x}").as_bytes()).filter(|_| standing != DriftStatus::Invalid);
            let hint = (standing == blocked).then_some("look at its case");
            if standing != DriftStatus::Linked {
                report.lines.push(DriftRow { row: RowNumber(number), key, standing, hint });
            }
        }
        report.counts.extra = 1;
        report.counts.misfired = 1;
        report.counts.linked_users = LinkedUserCounts { signed_in: 1, changed: 2, no_trace: 3 };
        report.misfires.push(Misfire {
            row: RowNumber(1),
            key: RowKey::parse(b"00000000000000000000000000000001").unwrap(),
            provider: "Okta".into(),
            value: Personal::from_service("00uabcde"),
            destination: Personal::from_service("alice"),
            linked_unix_ms: 1_700_000_000_000,
            profile: Personal::from_service("Okta_00uAbcDe"),
            profile_value: Personal::from_service("00uAbcDe"),
            profile_created_unix_ms: 1_700_000_100_000,
            verified: true,
        });
        report.extras.push(ExtraLink {
            provider: "Okta".into(),
            value: Personal::from_service("00uAbc\u{1b}Z"),
            destination: Personal::from_service("alice"),
            destination_provider: String::new(),
            superseded: false,
        });
        report
    }

    fn printed(applied: bool, screen: &Screen) -> String {
        let run = run_report();
        print_drift(&example(), &screen.ui()).unwrap();
        print_result(
            &example(),
            applied.then_some((&run, "p.csv.ledger")),
            Some("p.csv"),
            None,
            Exit::Drift,
            &screen.ui(),
        )
        .unwrap();
        screen.both()
    }

    #[test]
    fn a_comparison() {
        assert_snapshot!("text", printed(false, &Screen::new()));
        assert_snapshot!("text_with_values", printed(false, &Screen::new().showing_values()));
        assert_snapshot!("json", printed(false, &Screen::new().json()));
        assert_snapshot!("applied", printed(true, &Screen::new()));
        assert_snapshot!("applied_json", printed(true, &Screen::new().json()));
    }

    #[test]
    fn long_lists_are_cut_with_a_number() {
        let mut report = example();
        let line = report.lines[0].clone();
        report.lines.extend(std::iter::repeat_n(line, FAILURES_SHOWN_MAX));
        report.lines_left_out = 1_000;
        assert!(drift_text(&report, false, Style::default()).contains("\nand 1,004 more rows\n"));
    }
}
