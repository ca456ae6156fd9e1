//! How the result of a run is printed: as text for people, as one JSON object for scripts.
//!
//! ```json
//! {"kind":"run_report","schema_version":1,"exit_status":0,"error":{"code":"","message":"","hint":""} | null,
//!  "command":"link | undo | reconcile","pool":"us-east-1_AbCdEfGhI","simulated":false,"ledger":"pairs.csv.ledger",
//!  "ledger_head":"64 hexadecimal digits | null","ended":"completed | interrupted | stopped","signal":"SIGINT | SIGTERM | null",
//!  "rows":{"read":0,"linked":0,"already_linked":0,"refused":0,"failed":0,"in_doubt":0,"invalid":0,"unprocessed":0,
//!          "skipped":0,"repeated":0,"undone":0,"not_read":null},
//!  "refusals_by_code":{"user_not_found":0},"findings_by_code":{"missing_value":0},
//!  "writes":0,"reads":0,"throttled":0,"plan_missed":null,"links_of_disabled_users":0,"elapsed_ms":0}
//! ```
//!
//! `undone` is part of `unprocessed`: `link` may link again what `undo` has unlinked.

use std::collections::BTreeMap;
use std::io;

use serde_json::{Map, Value, json};

use super::next_command::{explain_step, split_step};
use super::result::stopped_json;
use crate::domain::counts::Counts;
use crate::domain::finding::FindingCode;
use crate::domain::outcome::RefusalCode;
use crate::domain::run::{RunOutcome, RunReport, StopCause};
use crate::exit::Exit;
use crate::limits::SUGGESTIONS_MAX;
use crate::ui::format::{count, counted, duration};
use crate::ui::{MessageCode, OutputFormat, Style, Ui, escape, shell_path};

/// Prints the result to stdout, and what to do next to stderr. A rehearsal has no ledger, and nothing to resume. `input` is
/// an input with its options, as in a command; `None` for standard input.
pub fn print_run_report(
    report: &RunReport,
    ledger: Option<&str>,
    input: Option<&str>,
    exit: Exit,
    ui: &Ui,
) -> io::Result<()> {
    print_run_report_with(report, Map::new(), ledger, input, exit, RESUME_RUN, ui)
}

/// As [`print_run_report`], with further members of the JSON object, and how to resume.
pub fn print_run_report_with(
    report: &RunReport,
    members: Map<String, Value>,
    ledger: Option<&str>,
    input: Option<&str>,
    exit: Exit,
    resume: &str,
    ui: &Ui,
) -> io::Result<()> {
    let mut result = run_json(report, ledger, ui.shows_values(), exit);
    for (name, value) in members {
        result[name] = value;
    }
    match ui.output() {
        OutputFormat::Text => {
            ui.keep_result(&result);
            ui.print(&run_text(report, ledger, ui.stdout_style()))?;
        }
        OutputFormat::Json => ui.json(&result)?,
    }
    if report.links_of_disabled_users > 0 {
        ui.warn(MessageCode::DisabledUsers, &disabled_users_text(report.links_of_disabled_users));
    }
    if let Some(ledger) = ledger.filter(|_| !ended_at_ledger(report)) {
        print_steps_after_run(&report.counts, report.not_read.unwrap_or(0), &[ledger], input, resume, ui);
    }
    Ok(())
}

/// Whether the run has stopped because its ledger is damaged or cannot be written: the error says what to do first.
pub fn ended_at_ledger(report: &RunReport) -> bool {
    matches!(&report.ended, RunOutcome::Stopped(stop)
        if matches!(stop.cause, StopCause::LedgerDamaged | StopCause::LedgerIo))
}

fn disabled_users_text(links: u64) -> String {
    if links == 1 {
        return "1 link was made to a disabled user, who cannot sign in until the user is enabled".to_owned();
    }
    format!("{} were made to disabled users; they cannot sign in until they are enabled", counted(links, "link"))
}

/// Prints why a run was stopped, after its result.
pub fn print_stop(report: &RunReport, ui: &Ui) {
    if let RunOutcome::Stopped(stop) = &report.ended {
        ui.stopped(stop);
    }
}

fn run_text(report: &RunReport, ledger: Option<&str>, style: Style) -> String {
    let mut lines = counts_table(&report.counts, "rows read", report.not_read, IN_DOUBT, style);
    lines.push(pool_and_calls(report));
    if let Some(missed) = report.missed {
        let what = if missed == 0 {
            "no row differed from".to_owned()
        } else {
            format!("{} did not match", counted(missed, "row"))
        };
        lines.push(format!("plan: {what} the plan"));
    }
    lines.extend(ledger.map(|ledger| format!("ledger {}", escape(ledger))));
    lines.extend(ledger.and(report.ledger_head.as_ref()).map(|head| format!("ledger head {head}")));
    if report.counts.skipped > 0 && report.writes == 0 {
        lines.push(earlier_runs_text(&report.counts));
    }
    lines.extend(how_it_ended(&report.ended, style));
    joined(&lines)
}

/// Says what earlier runs have come to, after a run that sent nothing.
fn earlier_runs_text(counts: &Counts) -> String {
    let Counts { refused, undone, skipped, .. } = *counts;
    let untouched = counts.invalid + counts.superseded + counts.unprocessed.saturating_sub(undone);
    let are_all_rows = counts.read == skipped + untouched;
    if refused + undone == 0 || !are_all_rows {
        let (rows, were) = (counted(skipped, "row"), if skipped == 1 { "was" } else { "were" });
        let what = if refused + undone == 0 { "done" } else { "settled" };
        return format!("{rows} {were} {what} in earlier runs; nothing was sent");
    }
    let mut parts = vec![format!("{} done", count(skipped.saturating_sub(refused + undone)))];
    if refused > 0 {
        parts.push(format!("{} refused (attempted again with --retry)", count(refused)));
    }
    if undone > 0 {
        parts.push(format!("{} undone (linked again with --relink)", count(undone)));
    }
    format!("earlier runs: {}; nothing was sent", parts.join(", "))
}

pub fn pool_and_calls(report: &RunReport) -> String {
    format!(
        "pool {}{}, {}, {}, {} throttled, in {}",
        report.pool,
        simulated_mark(report.simulated),
        counted(report.writes, "write"),
        counted(report.reads, "read"),
        count(report.throttled),
        duration(report.elapsed)
    )
}

pub fn simulated_mark(is_simulated: bool) -> &'static str {
    if is_simulated { " (simulated)" } else { "" }
}

pub fn how_it_ended(ended: &RunOutcome, style: Style) -> Option<String> {
    match ended {
        RunOutcome::Completed => None,
        RunOutcome::Interrupted(signal) => Some(style.yellow(&format!("interrupted by {}", signal.name()))),
        RunOutcome::Stopped(stop) => Some(style.red(&format!("stopped: {}", stop_reason(stop.cause)))),
    }
}

fn stop_reason(cause: StopCause) -> &'static str {
    match cause {
        StopCause::Configuration => "connection settings not valid",
        StopCause::Credentials => "credentials not accepted",
        StopCause::AccessDenied => "access denied",
        StopCause::PoolMissing => "pool not found",
        StopCause::NotEnabledHere => "writes not enabled in this Region",
        StopCause::Unreachable => "no usable answer from the service",
        StopCause::LedgerIo => "ledger cannot be written",
        StopCause::LedgerDamaged => "ledger is damaged",
        StopCause::InputIo => "input cannot be read",
        StopCause::InputChanged => "input changed",
        StopCause::Bound => "limit reached",
        StopCause::Canary => "a row of the canary is not right",
        StopCause::Drained => "drained on request",
    }
}

/// Ends each line with a line feed.
pub fn joined(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

const LABEL_WIDTH: usize = 14;
const NUMBER_WIDTH_MIN: usize = 7;

/// A line of the table of counts.
pub struct TableLine {
    pub label: &'static str,
    pub number: u64,
    pub note: String,
    pub paint: fn(Style, &str) -> String,
}

impl TableLine {
    pub fn new(label: &'static str, number: u64, note: impl Into<String>, paint: fn(Style, &str) -> String) -> Self {
        Self { label, number, note: note.into(), paint }
    }

    pub fn plain(label: &'static str, number: u64, note: impl Into<String>) -> Self {
        Self::new(label, number, note, |_, text| text.to_owned())
    }
}

/// States, a rule, and sums. The first state is always shown, the others only where they have a row.
pub fn table(states: &[TableLine], sums: &[TableLine], style: Style) -> Vec<String> {
    let (states, others) = states.split_at(1);
    let states: Vec<&TableLine> = states.iter().chain(others.iter().filter(|line| line.number > 0)).collect();
    let longest = states.iter().copied().chain(sums).map(|line| count(line.number).len()).max().unwrap_or(0);
    let width = longest.max(NUMBER_WIDTH_MIN);
    let rendered = |line: &TableLine| {
        let label = (line.paint)(style, &format!("{:LABEL_WIDTH$}", line.label));
        let gap = if line.note.is_empty() { "" } else { "   " };
        format!("{label}{:>width$}{gap}{}", count(line.number), line.note)
    };
    let mut lines: Vec<String> = states.into_iter().map(rendered).collect();
    lines.push("-".repeat(LABEL_WIDTH + width));
    lines.extend(sums.iter().map(rendered));
    lines
}

pub const IN_DOUBT: &str = "in doubt";
/// What is announced and has no result, while its run is live.
pub const IN_FLIGHT: &str = "in flight";

/// The table of row states of a run or of ledgers. `open_calls` names calls without a known result.
pub fn counts_table(
    counts: &Counts,
    sum_label: &'static str,
    not_read: Option<u64>,
    open_calls: &'static str,
    style: Style,
) -> Vec<String> {
    let kept = by_code_text(&counts.kept, RefusalCode::as_str);
    let mut linked_notes = Vec::new();
    if counts.recovered > 0 {
        linked_notes.push(format!("{} recovered, seen after a call in doubt", count(counts.recovered)));
    }
    if !kept.is_empty() {
        linked_notes.push(format!("undo refused: {kept}"));
    }
    let undone = if counts.undone > 0 { format!("{} unlinked by undo", count(counts.undone)) } else { String::new() };
    let states = [
        TableLine::new("linked", counts.linked, linked_notes.join(", "), Style::green),
        TableLine::new("already linked", counts.already_linked, "", Style::green),
        TableLine::new("refused", counts.refused, refusals_text(counts), Style::yellow),
        TableLine::new("failed", counts.failed, "", Style::red),
        TableLine::new(open_calls, counts.in_doubt, "", Style::red),
        TableLine::new("invalid", counts.invalid, by_code_text(&counts.by_finding, FindingCode::as_str), Style::yellow),
        TableLine::new("unprocessed", counts.unprocessed, undone, Style::yellow),
        TableLine::plain("superseded", counts.superseded, "corrected in another input"),
    ];
    let mut notes = Vec::new();
    if counts.skipped > 0 {
        notes.push(format!("{} settled in earlier runs", count(counts.skipped)));
    }
    if counts.repeated > 0 {
        notes.push(format!("{} of an earlier row", counted(counts.repeated, "duplicate")));
    }
    let mut sums = vec![TableLine::plain(sum_label, counts.read, notes.join(", "))];
    if let Some(number) = not_read.filter(|number| *number > 0) {
        sums.push(TableLine::new("not read", number, "", Style::yellow));
    }
    table(&states, &sums, style)
}

pub fn refusals_text(counts: &Counts) -> String {
    by_code_text(&counts.by_refusal, RefusalCode::as_str)
}

pub fn by_code_text<C: Copy>(numbers: &BTreeMap<C, u64>, name: fn(C) -> &'static str) -> String {
    numbers.iter().map(|(code, number)| format!("{} {}", name(*code), count(*number))).collect::<Vec<_>>().join(", ")
}

pub const RESUME_RUN: &str = "run the same command again to resume";
/// How to resume after a report, which is not the command to run again.
pub const RESUME_AFTER_REPORT: &str = "run `link` on the same input again to resume";

/// Prints what to do next, as hints. `input` is an input with its options; `None` for one that cannot be read again.
/// Without ledgers, `report --failed` is not suggested. Prints nothing where every row is in the desired state.
pub fn print_steps_after_run(
    counts: &Counts,
    not_read: u64,
    ledgers: &[&str],
    input: Option<&str>,
    resume: &str,
    ui: &Ui,
) {
    if let Some(warning) = unknown_text_warning(counts, ledgers) {
        ui.warn(MessageCode::Unrecognised, &warning);
    }
    for step in next_steps(counts, not_read, ledgers, input, resume) {
        ui.hint(&step);
    }
}

/// A refusal that this version does not know is printed even with `--quiet`.
fn unknown_text_warning(counts: &Counts, ledgers: &[&str]) -> Option<String> {
    let number = *counts.by_refusal.get(&RefusalCode::Unrecognised)?;
    let ledgers: Vec<String> = ledgers.iter().map(|ledger| shell_path(ledger)).collect();
    let command = match ledgers.join(" ") {
        none if none.is_empty() => "--show-values".to_owned(),
        ledgers => format!("cognito-link report {ledgers} --show-values"),
    };
    (number > 0).then(|| {
        format!(
            "the service gave an answer that this version does not know, for {}: read it with `{command}`, look at one \
             of these users before you go on, and report the text to the maintainers",
            counted(number, "row")
        )
    })
}

fn next_steps(counts: &Counts, not_read: u64, ledgers: &[&str], input: Option<&str>, resume: &str) -> Vec<String> {
    let mut steps = Vec::new();
    if counts.failed + counts.in_doubt + (counts.unprocessed - counts.undone) + not_read > 0 {
        let order = if counts.in_doubt > 0 { "; rows in doubt are read first" } else { "" };
        steps.push(format!("{resume}{order}"));
    }
    if counts.refused + counts.failed > 0 && !ledgers.is_empty() {
        let ledgers: Vec<String> = ledgers.iter().map(|ledger| shell_path(ledger)).collect();
        steps.push(format!("write these rows to a file: `cognito-link report {} --failed FILE`", ledgers.join(" ")));
    }
    steps.extend(retry_step(counts));
    if let Some(code) = counts.by_refusal.keys().next() {
        steps.push(explain_step(code.as_str()));
    }
    if counts.invalid > 0 {
        steps.push(split_step(input));
    }
    steps
}

const CORRECTED: &str = "a corrected row needs no option";

/// Names the way out of refusals that a change of the pool ends. A single code is named, several are all retried.
fn retry_step(counts: &Counts) -> Option<String> {
    let codes: Vec<&str> = counts.by_refusal.keys().map(|code| code.as_str()).collect();
    let again = "after a change of the pool, run `link` on the same input again with";
    match codes.as_slice() {
        [] => None,
        [code] => Some(format!("{again} `--retry {code}`; {CORRECTED}")),
        codes => {
            let options: Vec<String> =
                codes.iter().take(SUGGESTIONS_MAX).map(|code| format!("`--retry {code}`")).collect();
            Some(format!("{again} {}, or `--retry refused` for all; {CORRECTED}", options.join(", ")))
        }
    }
}

pub fn run_json(report: &RunReport, ledger: Option<&str>, show_values: bool, exit: Exit) -> Value {
    let mut rows = counts_json(&report.counts);
    rows.insert("not_read".to_owned(), report.not_read.into());
    let (ended, signal, stop) = match &report.ended {
        RunOutcome::Completed => ("completed", None, None),
        RunOutcome::Interrupted(signal) => ("interrupted", Some(signal.name()), None),
        RunOutcome::Stopped(stop) => ("stopped", None, Some(stop)),
    };
    let body = json!({
        "command": if report.purpose.is_undo() { "undo" } else { "link" },
        "pool": report.pool.as_str(),
        "simulated": report.simulated,
        "ledger": ledger,
        "ledger_head": ledger.and(report.ledger_head.as_deref()),
        "ended": ended,
        "signal": signal,
        "rows": rows,
        "refusals_by_code": by_code_json(&report.counts.by_refusal, RefusalCode::as_str),
        "findings_by_code": by_code_json(&report.counts.by_finding, FindingCode::as_str),
        "writes": report.writes,
        "reads": report.reads,
        "throttled": report.throttled,
        "plan_missed": report.missed,
        "links_of_disabled_users": report.links_of_disabled_users,
        "elapsed_ms": u64::try_from(report.elapsed.as_millis()).unwrap_or(u64::MAX),
    });
    stopped_json("run_report", exit, stop, show_values, body)
}

pub fn counts_json(counts: &Counts) -> Map<String, Value> {
    // Recovered rows are among the linked ones, so they do not stand among the states.
    numbers_json(counts.by_name().into_iter().chain([("recovered", counts.recovered)]))
}

pub fn by_code_json<C: Copy>(numbers: &BTreeMap<C, u64>, name: fn(C) -> &'static str) -> Map<String, Value> {
    numbers_json(numbers.iter().map(|(code, number)| (name(*code), *number)))
}

pub fn numbers_json(numbers: impl IntoIterator<Item = (&'static str, u64)>) -> Map<String, Value> {
    numbers.into_iter().map(|(name, number)| (name.to_owned(), number.into())).collect()
}

#[cfg(test)]
pub mod examples {
    //! Reports for the tests of several views.

    use std::time::Duration;

    use super::*;
    use crate::domain::identity::PoolId;
    use crate::domain::run::RunPurpose;

    /// A run with rows in most states.
    pub fn run_report() -> RunReport {
        RunReport {
            purpose: RunPurpose::Link,
            pool: PoolId::parse("sim-local-1_Example01").unwrap(),
            simulated: true,
            ended: RunOutcome::Completed,
            counts: Counts {
                read: 1_000,
                linked: 986,
                already_linked: 3,
                refused: 7,
                failed: 1,
                in_doubt: 1,
                invalid: 2,
                skipped: 240,
                by_refusal: [(RefusalCode::IdentityHasProfile, 3), (RefusalCode::UserNotFound, 4)].into(),
                by_finding: [(FindingCode::MissingValue, 2)].into(),
                ..Counts::default()
            },
            not_read: None,
            writes: 748,
            reads: 12,
            throttled: 0,
            ledger_head: Some("4b0c1d2e".repeat(8)),
            missed: None,
            links_of_disabled_users: 0,
            elapsed: Duration::from_millis(38_200),
        }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::domain::run::{Signal, StopError};
    use crate::domain::state::RowState;
    use crate::ui::ColorChoice;
    use crate::ui::testing::Screen;

    /// Everything that is printed, by stream.
    fn printed(report: &RunReport, screen: &Screen) -> String {
        print_run_report(report, Some("my pairs.ledger"), Some("'my pairs'"), Exit::Incomplete, &screen.ui()).unwrap();
        print_stop(report, &screen.ui());
        screen.both()
    }

    #[test]
    fn a_run_with_everything() {
        let missed = RunReport { missed: Some(3), ..examples::run_report() };
        assert_snapshot!(printed(&missed, &Screen::new()));
        assert_snapshot!("a_run_with_everything_json", printed(&missed, &Screen::new().json()));
    }

    #[test]
    fn an_unknown_text_is_read_with_a_command_that_can_be_pasted() {
        let counts = Counts { by_refusal: [(RefusalCode::Unrecognised, 1)].into(), ..Counts::default() };
        let with_ledger = unknown_text_warning(&counts, &["my pairs.ledger"]).unwrap();
        assert!(with_ledger.contains("`cognito-link report 'my pairs.ledger' --show-values`"), "{with_ledger}");
        let without = unknown_text_warning(&counts, &[]).unwrap();
        assert!(without.contains("read it with `--show-values`, look"), "{without}");
    }

    #[test]
    fn a_run_with_nothing_left_to_do() {
        let counts = Counts { read: 1_000, linked: 1_000, skipped: 1_000, ..Counts::default() };
        let report = RunReport { counts, writes: 0, reads: 0, simulated: false, ..examples::run_report() };
        assert_snapshot!(run_text(&report, Some("a\x1b.ledger"), Style::default()));
        assert_eq!(next_steps(&report.counts, 0, &["l"], None, RESUME_RUN), Vec::<String>::new());
    }

    #[test]
    fn what_earlier_runs_refused_is_not_done() {
        let of = |counts: Counts| earlier_runs_text(&counts);
        let base = Counts { read: 30, skipped: 30, linked: 30, ..Counts::default() };
        assert_eq!(of(base.clone()), "30 rows were done in earlier runs; nothing was sent");
        let refused = Counts { linked: 27, refused: 2, undone: 1, unprocessed: 1, ..base.clone() };
        assert_eq!(
            of(refused.clone()),
            "earlier runs: 27 done, 2 refused (attempted again with --retry), 1 undone (linked again with --relink); \
             nothing was sent"
        );
        // Of other rows it is not known which run refused them.
        let others = Counts { read: 31, refused: 3, ..refused };
        assert_eq!(of(others), "30 rows were settled in earlier runs; nothing was sent");
    }

    #[test]
    fn a_run_that_ended_early() {
        let counts =
            Counts { read: 10, linked: 3, unprocessed: 6, repeated: 1, already_linked: 1, ..Counts::default() };
        let interrupted = RunOutcome::Interrupted(Signal::Terminate);
        let report = RunReport { counts, not_read: Some(12_345_678), ended: interrupted, ..examples::run_report() };
        assert_snapshot!(printed(&report, &Screen::new()));
        assert_snapshot!("a_run_that_ended_early_json", printed(&report, &Screen::new().json()));
        let stopped = RunOutcome::Stopped(StopError::new(StopCause::Credentials, "credentials expired: sign in again"));
        let report = RunReport { ended: stopped, ..report };
        assert_snapshot!("a_run_that_was_stopped", printed(&report, &Screen::new()));
        assert_snapshot!("a_run_that_was_stopped_json", printed(&report, &Screen::new().json()));
    }

    #[test]
    fn color_changes_no_word() {
        let report = examples::run_report();
        let colored = run_text(&report, Some("l"), ColorChoice::Always.style(false));
        assert!(colored.contains("\x1b[33mrefused       \x1b[0m"));
        // A color is a sequence that starts with the escape character and ends with `m`.
        let stripped: String = colored
            .split('\x1b')
            .enumerate()
            .map(|(at, part)| if at == 0 { part } else { part.split_once('m').map_or("", |(_, rest)| rest) })
            .collect();
        assert_eq!(stripped, run_text(&report, Some("l"), Style::default()));
    }

    #[test]
    fn every_state_has_its_next_step() {
        let write = "write these rows to a file: `cognito-link report 'my pairs.ledger' --failed FILE`";
        let split = "write the invalid rows to a file: `cognito-link validate 'my pairs' --preset okta --split DIR`";
        let base = Counts::default;
        let after = |counts: &Counts, not_read| {
            next_steps(counts, not_read, &["my pairs.ledger"], Some("'my pairs' --preset okta"), RESUME_RUN).join("\n")
        };
        for (counts, not_read, expected) in [
            (Counts { failed: 1, ..base() }, 0, format!("{RESUME_RUN}\n{write}")),
            (Counts { in_doubt: 1, ..base() }, 0, format!("{RESUME_RUN}; rows in doubt are read first")),
            (Counts { unprocessed: 1, ..base() }, 0, RESUME_RUN.to_owned()),
            (base(), 1, RESUME_RUN.to_owned()),
            (Counts { invalid: 1, ..base() }, 0, split.to_owned()),
        ] {
            assert_eq!(after(&counts, not_read), expected);
        }
        let mut refused = base();
        refused.add(RowState::Refused(RefusalCode::AliasExists));
        let explain = "read what a code means and what to do: `cognito-link explain alias_exists`";
        let again = "after a change of the pool, run `link` on the same input again with `--retry alias_exists`; \
                     a corrected row needs no option";
        assert_eq!(after(&refused, 0), format!("{write}\n{again}\n{explain}"));
        refused.add(RowState::Refused(RefusalCode::UserNotFound));
        let both = "again with `--retry user_not_found`, `--retry alias_exists`, or `--retry refused` for all";
        assert!(after(&refused, 0).contains(both), "{}", after(&refused, 0));
    }

    #[test]
    fn an_unknown_refusal_is_printed_even_when_quiet() {
        let screen = Screen::new().quiet();
        let mut report = examples::run_report();
        assert_eq!(unknown_text_warning(&report.counts, &["l"]), None);
        report.counts.by_refusal.insert(RefusalCode::Unrecognised, 2);
        print_run_report(&report, Some("l"), None, Exit::Incomplete, &screen.ui()).unwrap();
        let warning = "warning: the service gave an answer that this version does not know, for 2 rows: ";
        let printed = screen.both();
        assert!(printed.contains(&format!("--- stderr\n{warning}")), "{printed}");
        assert!(printed.contains("`cognito-link report l --show-values`"), "{printed}");
    }
}
