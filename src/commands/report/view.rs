//! How a report about ledgers is printed.
//!
//! `unprocessed` is null where the ledger does not hold it; `refusal_code`, `service_code` and `service_message` are null
//! where there is none; times are RFC 3339 in UTC.
//!
//! ```json
//! {"kind":"ledger_report","schema_version":1,
//!  "pool":"us-east-1_AbCdEfGhI","simulated":false,"ledgers":["pairs.csv.ledger"],
//!  "ledger_heads":["64 hexadecimal digits"],
//!  "rows":{"read":0,"linked":0,"already_linked":0,"refused":0,"failed":0,"in_doubt":0,"invalid":0,"unprocessed":null,
//!          "skipped":0,"repeated":0,"undone":0},
//!  "refusals_by_code":{},"undo_refusals_by_code":{},"findings_by_code":{},
//!  "shards":null or {"count":4,"whole":true,"missing_shards":[],"strange_ledgers":0,"rows_in_several":0},
//!  "runs":[{"run_id":"","command":"link","input":"","started_at":"2026-03-01T08:00:00.000Z","ended":"completed | null",
//!            "control_changes":[{"at":"","change":"rate","rate_per_second":5.0,"source":"socket","user":"ops"}],
//!            "control_changes_left_out":0,
//!            "live":null or {"pid":0,"state":"running","message":"","remaining_ms":0}}],
//!  "failures":[{"row":17,"key":"","state":"refused","refusal_code":"","service_code":"","service_message":"","meaning":""}],
//!  "failures_left_out":0,
//!  "cloudtrail":null or {"files":1,"calls_in_trail":0,"calls_in_ledgers":0,"matched":0,"matched_by_time":0,
//!    "not_in_trail_count":0,"not_in_trail":[{"call":"AdminLinkProviderForUser","row":1,"key":"","request_id":"","at":""}],
//!    "not_in_ledgers_count":0,"not_in_ledgers":[{"call":"","at":"","request_id":"","event_id":"","principal":"",
//!      "error_code":""}]}}
//! ```

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use super::cloudtrail::TrailComparison;
use crate::commands::shared::next_command::{page_step, verify_step};
use crate::commands::shared::result::result_json;
use crate::commands::shared::run_view::{
    IN_DOUBT, IN_FLIGHT, RESUME_AFTER_REPORT, by_code_json, counts_json, counts_table, joined, print_steps_after_run,
    simulated_mark,
};
use crate::domain::counts::Counts;
use crate::domain::finding::FindingCode;
use crate::domain::outcome::RefusalCode;
use crate::domain::report::{FailureLine, LedgerReport, RunChanges, RunLine, ShardsReport};
use crate::domain::state::RowState;
use crate::exit::Exit;
use crate::limits;
use crate::ui::format::{count, counted, rate, timestamp};
use crate::ui::{HIDDEN_MESSAGES_HINT, OutputFormat, Style, Ui, escape, explanation, meaning_fragment, shell_path};

/// Prints the report, and what to do next. `has_page` says whether it was written as a page.
pub(super) fn print_ledger_report(
    report: &LedgerReport,
    failed: Option<&Path>,
    input: Option<&str>,
    trail: Option<&TrailComparison>,
    has_page: bool,
    exit: Exit,
    ui: &Ui,
) -> io::Result<()> {
    match ui.output() {
        OutputFormat::Text => {
            let trail = trail.map(|trail| joined(&trail.text())).unwrap_or_default();
            ui.print(&(ledger_text(report, ui.shows_values(), ui.stdout_style()) + &trail))?;
        }
        OutputFormat::Json => {
            let mut json = ledger_json(report, ui.shows_values(), exit);
            json["cloudtrail"] = trail.map(TrailComparison::json).unwrap_or_default();
            ui.json(&json)?;
        }
    }
    if trail.is_some_and(TrailComparison::differs) {
        ui.hint(
            "CloudTrail delivers an event within about 15 minutes; the export must cover the whole time of the runs",
        );
    }
    if report.failures.iter().filter_map(|failure| failure.said.as_ref()).any(|said| said.is_hidden(ui.shows_values()))
    {
        ui.hint(HIDDEN_MESSAGES_HINT);
    }
    if let ([ledger], true) = (report.ledgers.as_slice(), report.runs.iter().any(|run| run.live.is_some())) {
        // What is in doubt is in flight: there is nothing to do but to watch.
        ui.hint(&format!("pause, slow down or end the live run: `cognito-link control {} --help`", shell_path(ledger)));
        return Ok(());
    }
    let mut ledgers: Vec<&str> = report.ledgers.iter().map(String::as_str).collect();
    if let Some(path) = failed {
        ledgers.clear();
        let counts = &report.counts;
        if counts.refused + counts.failed + counts.in_doubt + counts.invalid > 0 {
            let path = path.display().to_string();
            let ledger = match report.ledgers.as_slice() {
                [ledger] => format!(" --ledger {}", shell_path(ledger)),
                _ => String::new(),
            };
            ui.hint(&format!(
                "correct the rows in {}, then link them: `cognito-link link {}{}{ledger}{}`",
                escape(&path),
                shell_path(&path),
                report.reading_options,
                report.pool_options
            ));
        }
    }
    print_steps_after_run(&report.counts, 0, &ledgers, input, RESUME_AFTER_REPORT, ui);
    if let Some(step) = step_after_success(report, input, has_page) {
        ui.hint(&step);
    }
    if let ([ledger], true) = (report.ledgers.as_slice(), report.superseded_links > 0) {
        let (ledger, options) = (shell_path(ledger), &report.pool_options);
        ui.hint(&format!("remove the superseded links: `cognito-link undo {ledger} --superseded{options}`"));
    }
    Ok(())
}

/// Returns what follows where every row is in the desired state or undone: the page, and after it the check of the ledger.
fn step_after_success(report: &LedgerReport, input: Option<&str>, has_page: bool) -> Option<String> {
    let Counts { refused, failed, in_doubt, invalid, unprocessed, undone, .. } = report.counts;
    if refused + failed + in_doubt + invalid + unprocessed.saturating_sub(undone) > 0 {
        return None;
    }
    if !has_page {
        return page_step(report.ledgers.iter().map(String::as_str));
    }
    let [ledger] = report.ledgers.as_slice() else { return None };
    // A ledger of a part of the input does not have its other rows.
    let is_part = |argument: &String| {
        let name = argument.split_once('=').map_or(argument.as_str(), |(name, _)| name);
        ["--limit", "--rows", "--where", "--shard"].contains(&name)
    };
    Some(verify_step(ledger, input.filter(|_| !report.input_arguments.iter().any(is_part))))
}

/// The table, the latest runs, and the first of the rows that are not in the desired state.
fn ledger_text(report: &LedgerReport, show_values: bool, style: Style) -> String {
    let is_live = report.runs.iter().any(|run| run.live.is_some());
    let mut lines = counts_table(&report.counts, "rows known", None, if is_live { IN_FLIGHT } else { IN_DOUBT }, style);
    if report.superseded > 0 {
        lines.push(superseded_line(report));
    }
    if !report.unprocessed_known {
        lines.push("rows that were never attempted are not in a ledger and not counted here".to_owned());
    }
    lines.push(format!("pool {}{}", escape(&report.pool), simulated_mark(report.simulated)));
    for (ledger, head) in report.ledgers.iter().zip(&report.heads) {
        lines.push(format!("ledger {}", escape(ledger)));
        lines.push(format!("ledger head {head}"));
    }
    lines.extend(report.shards.as_ref().map(shards_line));
    let earlier = report.runs.len().saturating_sub(limits::RUNS_SHOWN_MAX);
    if earlier > 0 {
        lines.push(counted(earlier as u64, "earlier run"));
    }
    for run in report.runs.iter().skip(earlier) {
        lines.push(run_line(run));
        lines.extend(change_lines(&run.changes).into_iter().map(|line| format!("  {}", escape(&line))));
    }
    if !report.failures.is_empty() {
        lines.push(String::new());
        let shown = report.failures.iter().take(limits::FAILURES_SHOWN_MAX);
        lines.extend(shown.map(|failure| failure_line(failure, is_live, show_values, style)));
        let not_shown = report.failures.len().saturating_sub(limits::FAILURES_SHOWN_MAX) as u64;
        if not_shown + report.failures_left_out > 0 {
            lines.push(format!("and {} more", count(not_shown + report.failures_left_out)));
        }
    }
    joined(&lines)
}

fn superseded_line(report: &LedgerReport) -> String {
    let rows = format!("{} superseded: corrected, or no longer in the input", counted(report.superseded, "row"));
    match report.superseded_links {
        0 => rows,
        links => format!("{rows}; {} of them still in the pool", counted(links, "link")),
    }
}

pub(super) fn shards_line(shards: &ShardsReport) -> String {
    if shards.is_whole() {
        return format!("{} shards: all present, and no row in two of them", shards.count);
    }
    let mut problems = Vec::new();
    if !shards.missing.is_empty() {
        let named: Vec<String> = shards.missing.iter().take(limits::SHARDS_SHOWN_MAX).map(u32::to_string).collect();
        let more = if shards.missing.len() > named.len() { " and others" } else { "" };
        problems.push(format!("no ledger of {}{more}", named.join(", ")));
    }
    if shards.strange_ledgers > 0 {
        let ledgers = counted(shards.strange_ledgers, "ledger");
        problems.push(format!("{ledgers} without a shard, with another shard count or given twice"));
    }
    if shards.rows_in_several > 0 {
        problems.push(format!("{} in more than one", counted(shards.rows_in_several, "row")));
    }
    format!("{} shards: {}", shards.count, problems.join("; "))
}

fn run_line(run: &RunLine) -> String {
    let ended = match (&run.ended, &run.live) {
        (Some(ended), _) => ended.clone(),
        (None, Some(live)) => format!("live (pid {}): {}", live.pid, live.text),
        (None, None) => "cut short, or live elsewhere".to_owned(),
    };
    let started = timestamp(run.started_unix_ms);
    format!("run {} {} {} {started} {}", escape(&run.id), escape(&run.command), escape(&run.input), escape(&ended))
}

/// Returns a line for each change of a run: when, what, from where and by whom.
pub(super) fn change_lines(changes: &RunChanges) -> Vec<String> {
    let earlier = (changes.left_out > 0).then(|| counted(changes.left_out, "earlier change"));
    let latest = changes.latest().map(|change| {
        let limit = change.rate_per_second().map_or(String::new(), |limit| format!(": at most {}", rate(limit)));
        let by = change.user.as_ref().map_or(String::new(), |user| format!(" by {user}"));
        format!("{} {}{limit} ({}{by})", timestamp(change.at_unix_ms), change.words, change.source.replace('_', " "))
    });
    earlier.into_iter().chain(latest).collect()
}

fn failure_line(failure: &FailureLine, is_live: bool, show_values: bool, style: Style) -> String {
    let state = match failure.state {
        RowState::InDoubt | RowState::Unlinking if is_live => IN_FLIGHT.to_owned(),
        state => state.as_str().replace('_', " "),
    };
    let state = match failure.state.refusal() {
        Some(code) => format!("{state} {}", code.as_str()),
        None => state,
    };
    let mut line = format!("row {} key {} {}", failure.row, failure.key, style.yellow(&state));
    if let Some(said) = &failure.said {
        let explanation = explanation(failure.state, said, show_values);
        let explanation = explanation.map(|text| format!(": {}", escape(&text))).unwrap_or_default();
        let _ = write!(line, " ({}{explanation})", escape(&said.code));
    }
    line
}

fn ledger_json(report: &LedgerReport, show_values: bool, exit: Exit) -> Value {
    let counts = &report.counts;
    let mut rows = counts_json(counts);
    if !report.unprocessed_known {
        rows.insert("unprocessed".to_owned(), Value::Null);
    }
    let runs = report.runs.iter().map(|run| {
        json!({
            "run_id": run.id,
            "command": run.command,
            "input": run.input,
            "started_at": timestamp(run.started_unix_ms),
            "ended": run.ended,
            "control_changes": run.changes.latest().map(|change| json!({
                "at": timestamp(change.at_unix_ms),
                "change": change.code,
                "rate_per_second": change.rate_per_second(),
                "source": change.source,
                "user": change.user,
            })).collect::<Vec<_>>(),
            "control_changes_left_out": run.changes.left_out,
            "live": run.live.as_ref().map(|live| json!({
                "pid": live.pid,
                "state": live.state,
                "message": live.text,
                "remaining_ms": live.remaining_ms,
            })),
        })
    });
    let failures = report.failures.iter().map(|line| {
        json!({
            "row": line.row.0,
            "key": line.key.to_string(),
            "state": line.state.as_str(),
            "refusal_code": line.state.refusal().map(RefusalCode::as_str),
            "service_code": line.said.as_ref().map(|said| said.code.as_str()),
            "service_message": line.said.as_ref().and_then(|said| said.printable_message(show_values)),
            "meaning": line.state.refusal().map(meaning_fragment).or_else(|| line.said.as_ref()?.meaning().map(str::to_owned)),
        })
    });
    let shards = report.shards.as_ref().map(|shards| {
        json!({
            "count": shards.count,
            "whole": shards.is_whole(),
            "missing_shards": shards.missing,
            "strange_ledgers": shards.strange_ledgers,
            "rows_in_several": shards.rows_in_several,
        })
    });
    let body = json!({
        "pool": report.pool,
        "simulated": report.simulated,
        "ledgers": report.ledgers,
        "ledger_heads": report.heads,
        "rows": rows,
        "superseded_rows": report.superseded,
        "superseded_links": report.superseded_links,
        "refusals_by_code": by_code_json(&counts.by_refusal, RefusalCode::as_str),
        "undo_refusals_by_code": by_code_json(&counts.kept, RefusalCode::as_str),
        "findings_by_code": by_code_json(&counts.by_finding, FindingCode::as_str),
        "shards": shards,
        "runs": runs.collect::<Vec<_>>(),
        "failures": failures.collect::<Vec<_>>(),
        "failures_left_out": report.failures_left_out,
    });
    result_json("ledger_report", exit, body)
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::domain::outcome::ServiceText;
    use crate::domain::report::LiveRun;
    use crate::domain::row::{RowKey, RowNumber};
    use crate::domain::state::RowState;
    use crate::ui::testing::Screen;

    /// A ledger of two runs, with a refusal that quotes an address.
    fn example() -> LedgerReport {
        let said = ServiceText {
            code: "InvalidParameterException".into(),
            message: "Merging is not currently supported, 'jane\x1b@example.com'".into(),
        };
        let failure = |row, key: &[u8], state, said| FailureLine {
            row: RowNumber(row),
            key: RowKey::parse(key).unwrap(),
            state,
            said,
        };
        let refused = RowState::Refused(RefusalCode::IdentityHasProfile);
        let run = |id: &str, started_unix_ms, ended: Option<&str>| RunLine {
            id: id.into(),
            command: "link".into(),
            input: "pairs.csv".into(),
            started_unix_ms,
            ended: ended.map(str::to_owned),
            live: None,
            changes: RunChanges::default(),
        };
        LedgerReport {
            ledgers: vec!["pairs.csv.ledger".into()],
            heads: vec!["4b0c1d2e".repeat(8)],
            pool: "us-east-1_AbCdEfGhI".into(),
            simulated: false,
            pool_options: " --user-pool-id us-east-1_AbCdEfGhI".into(),
            reading_options: " --preset okta".into(),
            input_arguments: Vec::new(),
            counts: Counts {
                read: 3,
                linked: 1,
                refused: 1,
                failed: 1,
                by_refusal: [(RefusalCode::IdentityHasProfile, 1)].into(),
                ..Counts::default()
            },
            superseded: 0,
            superseded_links: 0,
            runs: vec![run("01ab", 1_772_352_000_000, Some("interrupted")), run("02cd", 1_772_355_600_500, None)],
            unprocessed_known: false,
            shards: None,
            failures: vec![
                failure(17, b"00000000000000000000000000000011", refused, Some(said)),
                failure(18, b"00000000000000000000000000000012", RowState::Failed, None),
            ],
            failures_left_out: 5,
        }
    }

    fn printed(screen: &Screen) -> String {
        print_ledger_report(&example(), None, Some("pairs.csv"), None, false, Exit::Success, &screen.ui()).unwrap();
        screen.both()
    }

    #[test]
    fn a_report() {
        assert_snapshot!("text", printed(&Screen::new()));
        assert_snapshot!("text_with_values", printed(&Screen::new().showing_values()));
        assert_snapshot!("json", printed(&Screen::new().json()));
        assert_snapshot!("json_with_values", printed(&Screen::new().json().showing_values()));
        let known = LedgerReport { unprocessed_known: true, ..example() };
        assert_eq!(ledger_json(&known, false, Exit::Success)["rows"]["unprocessed"], 0);
    }

    #[test]
    fn a_live_run_says_so() {
        let mut report = example();
        let live = LiveRun {
            pid: 4711,
            state: "running".into(),
            text: "5 of 9 rows done, 3 s left".into(),
            remaining_ms: Some(3_000),
        };
        report.runs[1].live = Some(live);
        let text = ledger_text(&report, false, Style::default());
        assert!(text.contains(
            "run 02cd link pairs.csv 2026-03-01T09:00:00.500Z live (pid 4711): 5 of 9 rows done, 3 s left\n"
        ));
        assert_eq!(ledger_json(&report, false, Exit::Success)["runs"][1]["live"]["pid"], 4_711);
        assert_eq!(ledger_json(&report, false, Exit::Success)["runs"][0]["live"], Value::Null);
    }

    #[test]
    fn a_report_without_open_rows_is_followed_by_the_page_and_the_check() {
        let mut report = example();
        assert_eq!(step_after_success(&report, Some("pairs.csv"), false), None);
        report.counts = Counts { read: 2, linked: 1, unprocessed: 1, undone: 1, ..Counts::default() };
        let page = "write the evidence to a page: `cognito-link report pairs.csv.ledger --html pairs.csv.ledger.html`";
        assert_eq!(step_after_success(&report, Some("pairs.csv"), false).as_deref(), Some(page));
        let verify = step_after_success(&report, Some("pairs.csv"), true).unwrap();
        assert!(verify.ends_with("`cognito-link verify pairs.csv.ledger pairs.csv`"), "{verify}");
        report.input_arguments = vec!["--limit=5".into()];
        let verify = step_after_success(&report, Some("pairs.csv"), true).unwrap();
        assert!(verify.ends_with("`cognito-link verify pairs.csv.ledger`"), "{verify}");
        report.ledgers.push("b.ledger".into());
        assert_eq!(step_after_success(&report, Some("pairs.csv"), true), None);
    }

    #[test]
    fn long_lists_are_cut_and_counted() {
        let mut report = example();
        report.failures = vec![report.failures[0].clone(); limits::FAILURES_SHOWN_MAX + 2];
        report.runs = vec![report.runs[0].clone(); limits::RUNS_SHOWN_MAX + 3];
        let text = ledger_text(&report, false, Style::default());
        assert_eq!(text.matches("\nrow 17 ").count(), limits::FAILURES_SHOWN_MAX);
        assert!(text.ends_with("and 7 more\n"));
        assert_eq!(text.matches("\nrun 01ab ").count(), limits::RUNS_SHOWN_MAX);
        assert!(text.contains("\n3 earlier runs\n"));
    }

    #[test]
    fn shards_are_complete_or_not() {
        let shards = |missing: &[u32], strange_ledgers, rows_in_several| {
            shards_line(&ShardsReport { count: 4, missing: missing.to_vec(), strange_ledgers, rows_in_several })
        };
        assert_eq!(shards(&[], 0, 0), "4 shards: all present, and no row in two of them");
        assert_eq!(shards(&[1, 3], 0, 2), "4 shards: no ledger of 1, 3; 2 rows in more than one");
        assert_eq!(shards(&[], 1, 0), "4 shards: 1 ledger without a shard, with another shard count or given twice");
    }

    #[test]
    fn a_name_in_a_message_of_the_service_is_never_printed_unless_asked_for() {
        let mut report = example();
        report.failures[0].said.as_mut().unwrap().message = "User jane is disabled.".into();
        for screen in [Screen::new(), Screen::new().json()] {
            print_ledger_report(&report, None, None, None, false, Exit::Success, &screen.ui()).unwrap();
            let printed = screen.stdout() + &screen.stderr();
            assert!(!printed.contains("jane"), "{printed}");
            let hint = format!("hint: {HIDDEN_MESSAGES_HINT}\n");
            assert_eq!(screen.stderr().matches(&hint).count(), 1, "once, not for each row: {}", screen.stderr());
            let showing = screen.showing_values();
            print_ledger_report(&report, None, None, None, false, Exit::Success, &showing.ui()).unwrap();
            assert!(showing.stdout().contains("User jane is disabled."), "{}", showing.stdout());
        }
    }
}
