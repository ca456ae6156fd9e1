//! Results as text for people. Scripts read the JSON.

use std::fmt::Write as _;

use super::escape::escape;
use super::format::{count, counted, duration, timestamp};
use super::style::Style;
use super::{redact, table};
use crate::domain::finding::Severity;
use crate::domain::report::{FailureLine, LedgerReport, RunLine, ShardsReport, ValidateReport};
use crate::domain::stop::{Ended, RunReport, Signal};
use crate::limits;

/// The table of a run and where it ran. Every line ends with a line feed.
pub(super) fn run_report(report: &RunReport, ledger: Option<&str>, style: Style) -> String {
    let mut lines = table::lines(&report.counts, "rows read", report.not_read, style);
    lines.push(where_it_ran(report));
    if let Some(missed) = report.missed {
        lines.push(format!("plan: {} ended otherwise than foretold", counted(missed, "row")));
    }
    lines.extend(ledger.map(|ledger| format!("ledger {}", escape(ledger))));
    if report.counts.skipped > 0 && report.writes == 0 {
        let (rows, were) =
            (counted(report.counts.skipped, "row"), if report.counts.skipped == 1 { "was" } else { "were" });
        lines.push(format!("{rows} {were} done in earlier runs; nothing was sent"));
    }
    lines.extend(how_it_ended(&report.ended, style));
    joined(&lines)
}

/// What the checks of an input found: codes with their numbers, and the rows.
pub(super) fn validate_report(report: &ValidateReport, style: Style) -> String {
    let counts = &report.counts;
    let mut lines = Vec::new();
    for (code, number) in &counts.by_finding {
        let allowed = report.allowed.get(code).copied().unwrap_or_default();
        for (number, severity) in [(number - allowed, code.severity()), (allowed, Severity::Warning)] {
            if number > 0 {
                let paint = if severity == Severity::Error { Style::red } else { Style::yellow };
                let line = format!("{:<26}{:>10}   {}", code.as_str(), count(number), severity.as_str());
                lines.push(paint(style, &line));
            }
        }
    }
    let mut rows = format!("{}: {} valid", counted(counts.read, "row"), count(counts.unprocessed));
    if counts.invalid > 0 {
        let _ = write!(rows, ", {} invalid", count(counts.invalid));
    }
    if report.blank_lines > 0 {
        let _ = write!(rows, "; {}", counted(report.blank_lines, "empty line"));
    }
    lines.push(rows);
    joined(&lines)
}

fn where_it_ran(report: &RunReport) -> String {
    format!(
        "pool {}{}, {}, {}, {} throttled, in {}",
        report.pool,
        simulated(report.simulated),
        counted(report.writes, "write"),
        counted(report.reads, "read"),
        count(report.throttled),
        duration(report.elapsed)
    )
}

pub(super) fn simulated(is_simulated: bool) -> &'static str {
    if is_simulated { " (simulated)" } else { "" }
}

pub(super) fn how_it_ended(ended: &Ended, style: Style) -> Option<String> {
    match ended {
        Ended::Completed => None,
        Ended::Interrupted(signal) => Some(style.yellow(&format!("interrupted by {}", signal_name(*signal)))),
        Ended::Stopped(stop) => Some(style.red(&format!("stopped: {}", stop.cause.as_str()))),
    }
}

/// The name of a signal as `kill -l` knows it.
pub(super) fn signal_name(signal: Signal) -> &'static str {
    match signal {
        Signal::Interrupt => "SIGINT",
        Signal::Terminate => "SIGTERM",
    }
}

/// What ledgers know: the table, the latest runs, and the first of the rows that are not in the wished state.
pub(super) fn ledger_report(report: &LedgerReport, show_values: bool, style: Style) -> String {
    let mut lines = table::lines(&report.counts, "rows known", None, style);
    if !report.unprocessed_known {
        lines.push("rows that were never attempted are not in a ledger and not counted here".to_owned());
    }
    lines.push(format!("pool {}{}", escape(&report.pool), simulated(report.simulated)));
    lines.extend(report.ledgers.iter().map(|ledger| format!("ledger {}", escape(ledger))));
    lines.extend(report.shards.as_ref().map(shards_line));
    let earlier = report.runs.len().saturating_sub(limits::RUNS_SHOWN_MAX);
    if earlier > 0 {
        lines.push(counted(earlier as u64, "earlier run"));
    }
    lines.extend(report.runs.iter().skip(earlier).map(run_line));
    if !report.failures.is_empty() {
        lines.push(String::new());
        lines.extend(failures(report, show_values, style));
    }
    joined(&lines)
}

fn shards_line(shards: &ShardsReport) -> String {
    let of = format!("shards of {}", shards.count);
    if shards.is_whole() {
        return format!("{of}: all there, and no row in two of them");
    }
    let mut faults = Vec::new();
    if !shards.missing.is_empty() {
        let named: Vec<String> = shards.missing.iter().take(limits::SHARDS_SHOWN_MAX).map(u32::to_string).collect();
        let more = if shards.missing.len() > named.len() { " and others" } else { "" };
        faults.push(format!("no ledger of {}{more}", named.join(", ")));
    }
    if shards.strange_ledgers > 0 {
        faults.push(format!(
            "{} of no shard, of another division or given twice",
            counted(shards.strange_ledgers, "ledger")
        ));
    }
    if shards.rows_in_several > 0 {
        faults.push(format!("{} in more than one", counted(shards.rows_in_several, "row")));
    }
    format!("{of}: {}", faults.join("; "))
}

fn run_line(run: &RunLine) -> String {
    let ended = run.ended.as_deref().unwrap_or("running, or cut short");
    let started = timestamp(run.started_unix_ms);
    format!("run {} {} {} {started} {}", escape(&run.id), escape(&run.command), escape(&run.input), escape(ended))
}

fn failures(report: &LedgerReport, show_values: bool, style: Style) -> Vec<String> {
    let shown = report.failures.iter().take(limits::FAILURES_SHOWN_MAX);
    let mut lines: Vec<String> = shown.map(|failure| failure_line(failure, show_values, style)).collect();
    let hidden = (report.failures.len() - lines.len()) as u64 + report.failures_left_out;
    if hidden > 0 {
        lines.push(format!("and {} more", count(hidden)));
    }
    lines
}

fn failure_line(failure: &FailureLine, show_values: bool, style: Style) -> String {
    let state = failure.state.as_str().replace('_', " ");
    let state = match failure.state.refusal() {
        Some(code) => format!("{state} {}", code.as_str()),
        None => state,
    };
    let mut line = format!("row {} key {} {}", failure.row, failure.key, style.yellow(&state));
    if let Some(said) = &failure.said {
        let explanation = redact::explanation(failure.state, said, show_values);
        let explanation = explanation.map(|text| format!(": {}", escape(&text))).unwrap_or_default();
        let _ = write!(line, " ({}{explanation})", escape(&said.code));
    }
    line
}

pub(super) fn joined(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::style::ColorChoice;
    use super::super::testing::{ledger_report_example, run_report_example};
    use super::*;
    use crate::domain::stop::{Stop, StopCause};
    use crate::domain::summary::Counts;

    fn plain() -> Style {
        ColorChoice::Never.style(true)
    }

    #[test]
    fn a_run_with_everything() {
        let expected = "\
linked            986
already linked      3
refused             7   user_not_found 4, identity_has_profile 3
failed              1
in doubt            1
invalid             2   missing_value 2
---------------------
rows read       1,000   240 done in earlier runs
pool sim-local-1_Example01 (simulated), 748 writes, 12 reads, 0 throttled, in 38 s
ledger pairs.csv.simulated.ledger
";
        assert_eq!(run_report(&run_report_example(), Some("pairs.csv.simulated.ledger"), plain()), expected);
    }

    #[test]
    fn a_run_in_which_nothing_was_left_to_do() {
        let counts = Counts { read: 1_000, linked: 1_000, skipped: 1_000, ..Counts::default() };
        let report = RunReport { counts, writes: 0, reads: 0, simulated: false, ..run_report_example() };
        let expected = "\
linked          1,000
---------------------
rows read       1,000   1,000 done in earlier runs
pool sim-local-1_Example01, 0 writes, 0 reads, 0 throttled, in 38 s
ledger a\\u{1b}.ledger
1,000 rows were done in earlier runs; nothing was sent
";
        assert_eq!(run_report(&report, Some("a\x1b.ledger"), plain()), expected);
    }

    #[test]
    fn a_run_that_was_cut_short() {
        let counts = Counts { read: 10, linked: 4, unprocessed: 6, ..Counts::default() };
        let interrupted = Ended::Interrupted(Signal::Terminate);
        let report = RunReport { counts, not_read: Some(12_345_678), ended: interrupted, ..run_report_example() };
        let expected = "\
linked                 4
unprocessed            6
------------------------
rows read             10
not read      12,345,678
pool sim-local-1_Example01 (simulated), 748 writes, 12 reads, 0 throttled, in 38 s
ledger l
interrupted by SIGTERM
";
        assert_eq!(run_report(&report, Some("l"), plain()), expected);
        let stopped = Ended::Stopped(Stop::new(StopCause::Credentials, "expired"));
        let text = run_report(&RunReport { ended: stopped, ..report }, Some("l"), plain());
        assert!(text.ends_with("ledger l\nstopped: credentials\n"));
    }

    #[test]
    fn what_a_ledger_knows() {
        let expected = "\
linked              1
refused             1   identity_has_profile 1
failed              1
---------------------
rows known          3
rows that were never attempted are not in a ledger and not counted here
pool us-east-1_AbCdEfGhI
ledger pairs.csv.ledger
run 01ab link pairs.csv 2026-03-01T08:00:00.000Z interrupted
run 02cd link pairs.csv 2026-03-01T09:00:00.500Z running, or cut short

row 17 key 00000000000000000000000000000011 refused identity_has_profile (InvalidParameterException: Merging is not currently supported, 'jane\\u{1b}@example.com')
row 18 key 00000000000000000000000000000012 failed
and 5 more
";
        let report = ledger_report_example();
        assert_eq!(ledger_report(&report, true, plain()), expected);
        let hidden = expected.replace(
            "Merging is not currently supported, 'jane\\u{1b}@example.com'",
            "the identity has signed in before and has a profile of its own; the service cannot merge profiles",
        );
        assert_eq!(ledger_report(&report, false, plain()), hidden);
    }

    #[test]
    fn long_lists_are_cut_and_counted() {
        let mut report = ledger_report_example();
        report.failures = vec![report.failures[0].clone(); limits::FAILURES_SHOWN_MAX + 2];
        report.runs = vec![report.runs[0].clone(); limits::RUNS_SHOWN_MAX + 3];
        let text = ledger_report(&report, false, plain());
        assert_eq!(text.matches("\nrow 17 ").count(), limits::FAILURES_SHOWN_MAX);
        assert!(text.ends_with("and 7 more\n"));
        assert_eq!(text.matches("\nrun 01ab ").count(), limits::RUNS_SHOWN_MAX);
        assert!(text.contains("\n3 earlier runs\n"));
    }

    #[test]
    fn colour_changes_no_word() {
        let colored = run_report(&run_report_example(), Some("l"), ColorChoice::Always.style(false));
        assert!(colored.contains("\x1b[33mrefused       \x1b[0m"));
        let stripped = ["\x1b[0m", "\x1b[32m", "\x1b[33m", "\x1b[1m", "\x1b[31m"]
            .iter()
            .fold(colored, |text, code| text.replace(code, ""));
        assert_eq!(stripped, run_report(&run_report_example(), Some("l"), plain()));
    }

    #[test]
    fn shards_are_whole_or_not() {
        let shards = |missing: &[u32], strange_ledgers, rows_in_several| {
            shards_line(&ShardsReport { count: 4, missing: missing.to_vec(), strange_ledgers, rows_in_several })
        };
        assert_eq!(shards(&[], 0, 0), "shards of 4: all there, and no row in two of them");
        assert_eq!(shards(&[1, 3], 0, 2), "shards of 4: no ledger of 1, 3; 2 rows in more than one");
        assert_eq!(shards(&[], 1, 0), "shards of 4: 1 ledger of no shard, of another division or given twice");
    }
}
