//! What a run of `undo` has to say, as text and as JSON, and what to do next.

use serde_json::{Value, json};

use super::format::{count, counted, duration};
use super::json::run_report;
use super::style::Style;
use super::table;
use super::text::{how_it_ended, joined, simulated};
use crate::domain::outcome::{RefusalCode, UndoOutcome};
use crate::domain::stop::{Aim, RunReport};
use crate::limits;

/// The table of a run, and where it ran. Every line ends with a line feed.
pub(super) fn report_text(report: &RunReport, ledger: &str, style: Style) -> String {
    let mut lines = table::undo_lines(report, style);
    lines.push(format!(
        "pool {}{}, {}, {}, {} throttled, in {}",
        report.pool,
        simulated(report.simulated),
        counted(report.writes, "write"),
        counted(report.reads, "read"),
        count(report.throttled),
        duration(report.elapsed)
    ));
    lines.push(format!("ledger {}", super::escape(ledger)));
    if report.aim == Aim::UndoDryRun {
        lines.push("dry run: nothing was sent that writes, and the ledger is as it was".to_owned());
    }
    lines.extend(how_it_ended(&report.ended, style));
    joined(&lines)
}

/// The run as an object: that of any run, and in a dry run the links.
pub(super) fn report_json(
    report: &RunReport,
    links: Vec<Value>,
    ledger: &str,
    show_values: bool,
    exit_status: u8,
) -> Value {
    let mut object = run_report(report, Some(ledger), show_values, exit_status);
    let dry_run = report.aim == Aim::UndoDryRun;
    object["dry_run"] = dry_run.into();
    if dry_run {
        object["links"] = Value::Array(links);
    }
    object
}

/// A link of a dry run, with its values as they may be shown.
pub(super) struct Shown<'a> {
    pub(super) row: u64,
    pub(super) key: String,
    pub(super) user: String,
    pub(super) provider: &'a str,
    pub(super) value: String,
}

/// It on a line.
pub(super) fn line(link: &Shown<'_>, outcome: &UndoOutcome) -> String {
    let Shown { row, key, user, provider, value } = link;
    let verdict = match outcome {
        UndoOutcome::Undone => "would be taken back".to_owned(),
        UndoOutcome::Refused { code, .. } => format!("refused {}", code.as_str()),
        UndoOutcome::Failed { text } | UndoOutcome::InDoubt { text } => format!("could not be read ({})", text.code),
    };
    format!("row {row} key {key} {} {value} on {user}: {}\n", super::escape(provider), super::escape(&verdict))
}

/// It as an object.
pub(super) fn object(link: &Shown<'_>, outcome: &UndoOutcome) -> Value {
    let (verdict, code) = match outcome {
        UndoOutcome::Undone => ("undone", None),
        UndoOutcome::Refused { code, .. } => ("refused", Some(code.as_str())),
        UndoOutcome::Failed { .. } => ("failed", None),
        UndoOutcome::InDoubt { .. } => ("in_doubt", None),
    };
    json!({
        "row": link.row,
        "key": link.key,
        "destination": link.user,
        "source_provider": link.provider,
        "source_value": link.value,
        "would_be": verdict,
        "refusal_code": code,
    })
}

/// What to do next, one step a line; nothing where every link was taken back.
pub(super) fn next_steps(report: &RunReport) -> Vec<String> {
    let counts = &report.counts;
    let again = counts.failed + counts.in_doubt + counts.linked + report.not_read.unwrap_or(0);
    let mut steps = Vec::new();
    if again > 0 {
        steps.push("run the same command again to go on; links in doubt are looked at first".to_owned());
    }
    let codes: Vec<&str> =
        counts.by_refusal.keys().take(limits::FAILURES_SHOWN_MAX).map(|code| code.as_str()).collect();
    if let Some(code) = codes.first() {
        steps.push(format!("`cognito-link explain {code}` says what a code means and what to do"));
    }
    if counts.by_refusal.contains_key(&RefusalCode::Unrecognised) {
        steps.push("the ledger holds what the service said: read it before going on, and report the text".to_owned());
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::super::style::ColorChoice;
    use super::super::testing::run_report_example;
    use super::*;
    use crate::domain::state::RowState;
    use crate::domain::summary::Counts;

    fn example(aim: Aim) -> RunReport {
        let mut counts = Counts { read: 12, failed: 1, ..Counts::default() };
        (0..7).for_each(|_| counts.add(RowState::Undone));
        (0..2).for_each(|_| counts.add(RowState::Refused(RefusalCode::Gone)));
        counts.add(RowState::Refused(RefusalCode::Moved));
        counts.add(RowState::Linked);
        assert_eq!(counts.balance(), Ok(()));
        RunReport { aim, counts, not_read: Some(3), ..run_report_example() }
    }

    #[test]
    fn a_run_as_text() {
        let text = |aim| report_text(&example(aim), "a.ledger", ColorChoice::Never.style(true));
        let table = "undone              7\nrefused             3   gone 2, moved 1\nfailed              1\n\
                     not worked on       4\n---------------------\nlinks selected     15\n";
        let rest =
            "pool sim-local-1_Example01 (simulated), 748 writes, 12 reads, 0 throttled, in 38 s\nledger a.ledger\n";
        assert_eq!(text(Aim::Undo), format!("{table}{rest}"));
        let dry = text(Aim::UndoDryRun);
        assert!(dry.starts_with("to be undone        7\n") && dry.contains("dry run: "), "{dry}");
    }

    #[test]
    fn a_run_as_json() {
        let object = report_json(&example(Aim::Undo), Vec::new(), "a.ledger", false, 3);
        assert_eq!(
            (&object["command"], &object["dry_run"], &object["links"]),
            (&json!("undo"), &json!(false), &json!(null))
        );
        assert_eq!((&object["rows"]["undone"], &object["rows"]["unprocessed"]), (&json!(7), &json!(7)));
        assert_eq!(object["refusals"], json!({"gone": 2, "moved": 1}));
        let dry = report_json(&example(Aim::UndoDryRun), vec![json!({"row": 1})], "a.ledger", false, 3);
        assert_eq!((&dry["dry_run"], &dry["links"][0]["row"]), (&json!(true), &json!(1)));
    }

    #[test]
    fn steps_where_something_is_left() {
        let steps = next_steps(&example(Aim::Undo)).join("\n");
        assert!(steps.contains("run the same command again") && steps.contains("explain gone"), "{steps}");
        let done = RunReport { counts: Counts::default(), ..run_report_example() };
        assert_eq!(next_steps(&done), Vec::<String>::new());
    }
}
