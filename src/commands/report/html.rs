//! The page of `report --html`: one file without scripts, fonts or addresses, for a browser or for paper.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::chart::{class_of, latency_chart, rate_chart, share_bar};
use super::history::{CallAnswer, RunHistory};
use super::view::change_lines;
use crate::clock::UnixMs;
use crate::commands::shared::hidden_arguments::{PERSONAL, with_hidden_values};
use crate::commands::shared::run_view::by_code_text;
use crate::domain::finding::FindingCode;
use crate::domain::report::LedgerReport;
use crate::ledger::record::TOOL_VERSION;
use crate::limits::{HTML_ROWS_MAX, HTML_RUNS_MAX};
use crate::ui::format::{count, counted, rate, timestamp};
use crate::ui::{escape, explanation, meaning_fragment};

const STYLE: &str = include_str!("page.css");

/// What the page is made of.
pub(super) struct PageContent<'a> {
    pub(super) report: &'a LedgerReport,
    pub(super) runs: &'a [RunHistory],
    pub(super) undoable: UndoableLinks,
    /// What to do, by refusal code.
    pub(super) advice: &'a BTreeMap<&'static str, &'static str>,
    /// The file with all rows, where there is one.
    pub(super) rows_file: Option<String>,
    pub(super) show_values: bool,
    pub(super) now: UnixMs,
}

/// Links of the ledgers that `undo` could remove.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct UndoableLinks {
    pub(super) links: u64,
    /// Further ones, which somebody else could have made: only with `--include-recovered`.
    pub(super) recovered: u64,
}

pub(super) fn page(content: &PageContent<'_>) -> String {
    let report = content.report;
    let title = format!("Links of pool {}", safe(&report.pool));
    let sections = [
        outcomes(content),
        refusals(content),
        open_rows(content),
        runs(content),
        corrections(content),
        evidence(report),
    ];
    let simulated =
        if report.simulated { "<p class=\"warning\">This pool is simulated: no real user was linked.</p>" } else { "" };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n{}{simulated}\n\
         </header>\n<main>\n{}</main>\n\
         <footer>Made at {} by cognito-link {TOOL_VERSION} from {}.{}</footer>\n</body>\n</html>\n",
        lead(report),
        sections.concat(),
        timestamp(content.now),
        counted(report.ledgers.len() as u64, "ledger"),
        if content.show_values { "" } else { " Personal values are masked." }
    )
}

/// A text of anywhere, harmless in HTML and without characters that steer a display.
fn safe(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in escape(text).chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            other => safe.push(other),
        }
    }
    safe
}

fn code(text: &str) -> String {
    format!("<code>{}</code>", safe(text))
}

fn lead(report: &LedgerReport) -> String {
    let counts = &report.counts;
    let linked = counts.linked + counts.already_linked;
    let mut text = format!("<p class=\"lead\">{} of {} linked", count(linked), counted(counts.read, "row"));
    let open = counts.refused + counts.failed + counts.in_doubt + counts.invalid;
    if open > 0 {
        let _ = write!(text, "; {} {} a decision", count(open), if open == 1 { "needs" } else { "need" });
    }
    if counts.unprocessed > 0 {
        let _ = write!(text, "; {} unprocessed", count(counts.unprocessed));
    }
    text.push_str(".</p>\n");
    if !report.unprocessed_known {
        text.push_str(
            "<p class=\"muted\">Rows that were never attempted are not in a ledger and not counted here.</p>\n",
        );
    }
    text
}

fn section(id: &str, title: &str, body: &str) -> String {
    format!("<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>\n{body}</section>\n")
}

/// A table that scrolls by itself where it is too wide, and can be reached by keyboard for that.
fn table(caption: &str, head: &[(&str, bool)], rows: &[Vec<String>]) -> String {
    let class = |is_number: bool| if is_number { " class=\"number\"" } else { "" };
    let mut text = format!(
        "<div class=\"table\" role=\"region\" aria-label=\"{caption}\" tabindex=\"0\"><table>\n<caption>{caption}</caption>\n\
         <thead><tr>"
    );
    for (name, is_number) in head {
        let _ = write!(text, "<th scope=\"col\"{}>{name}</th>", class(*is_number));
    }
    text.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        text.push_str("<tr>");
        for (cell, (_, is_number)) in row.iter().zip(head) {
            let _ = write!(text, "<td{}>{cell}</td>", class(*is_number));
        }
        text.push_str("</tr>\n");
    }
    text + "</tbody></table></div>\n"
}

fn outcomes(content: &PageContent<'_>) -> String {
    let counts = &content.report.counts;
    let parts = [
        ("succeeded", "linked", counts.linked, "by this tool"),
        ("already", "already linked", counts.already_linked, "the user held the identity before"),
        ("refused", "refused", counts.refused, "the service, or the plan, said no"),
        ("throttled", "failed", counts.failed, "all attempts met faults, and none had an effect"),
        ("doubt", "in doubt", counts.in_doubt, "a call may have had an effect"),
        ("lost", "invalid", counts.invalid, "not sent"),
        ("waiting", "unprocessed", counts.unprocessed, "never attempted, or undone"),
    ];
    let percent = |rows: u64| match crate::ui::format::percent(rows, counts.read) {
        Some(0) if rows > 0 => "&lt; 1 %".to_owned(),
        Some(share) => format!("{share} %"),
        None => String::new(),
    };
    let rows: Vec<Vec<String>> = parts
        .iter()
        .map(|(class, name, rows, meaning)| {
            let key =
                format!("<span class=\"state\"><span class=\"key {class}\" aria-hidden=\"true\"></span>{name}</span>");
            vec![key, count(*rows), percent(*rows), (*meaning).to_owned()]
        })
        .collect();
    let bar: Vec<(&str, &str, u64)> = parts.iter().map(|(class, name, rows, _)| (*class, *name, *rows)).collect();
    let mut body = if counts.read > 0 { share_bar("outcomes-bar", "Rows by state", &bar) } else { String::new() };
    let head = [("State", false), ("Rows", true), ("Share", true), ("Meaning", false)];
    body += &table("Rows by state", &head, &rows);
    if counts.undone > 0 {
        let _ = writeln!(body, "<p>Of the unprocessed rows, {} were linked and undone.</p>", count(counts.undone));
    }
    if let Some(shards) = &content.report.shards {
        let _ = writeln!(body, "<p>{}</p>", safe(&super::view::shards_line(shards)));
    }
    section("outcomes", "Outcomes", &body)
}

fn refusals(content: &PageContent<'_>) -> String {
    let counts = &content.report.counts;
    let advice = |code: &str| safe(content.advice.get(code).copied().unwrap_or_default());
    let meaning = |meaning: &str| safe(meaning);
    let mut rows = Vec::new();
    for (code_of_rows, number) in counts.by_refusal.iter().chain(&counts.kept) {
        let name = code_of_rows.as_str();
        rows.push(vec![code(name), count(*number), meaning(code_of_rows.meaning()), advice(name)]);
    }
    for (finding, number) in &counts.by_finding {
        let name = finding.as_str();
        rows.push(vec![code(name), count(*number), meaning(finding.meaning()), advice(name)]);
    }
    if rows.is_empty() {
        return section("refusals", "Refusals and findings", "<p>None.</p>\n");
    }
    let head = [("Code", false), ("Rows", true), ("Meaning", false), ("Next step", false)];
    section("refusals", "Refusals and findings", &table("Refusals and findings by code", &head, &rows))
}

fn open_rows(content: &PageContent<'_>) -> String {
    let report = content.report;
    let invalid = report.counts.invalid;
    if report.failures.is_empty() && invalid == 0 {
        return String::new();
    }
    let rows: Vec<Vec<String>> = report
        .failures
        .iter()
        .take(HTML_ROWS_MAX)
        .map(|failure| {
            let said = failure.said.as_ref();
            let why = match (said.and_then(|said| explanation(failure.state, said, content.show_values)), failure.state)
            {
                (Some(text), _) => text.into_owned(),
                (None, state) => state.refusal().map(meaning_fragment).unwrap_or_default(),
            };
            let code_of_row = failure.state.refusal().map(|refusal| code(refusal.as_str())).unwrap_or_default();
            vec![
                failure.row.to_string(),
                failure.state.as_str().replace('_', " "),
                code_of_row,
                said.map(|said| code(&said.code)).unwrap_or_default(),
                safe(&why),
                code(&failure.key.to_string()),
            ]
        })
        .collect();
    let head =
        [("Row", true), ("State", false), ("Code", false), ("Service code", false), ("Reason", false), ("Key", false)];
    let mut body = match rows.as_slice() {
        [] => String::new(),
        rows => table("Rows that are refused, failed or in doubt", &head, rows),
    };
    let left_out = report.failures.len().saturating_sub(HTML_ROWS_MAX) as u64 + report.failures_left_out;
    let file = match &content.rows_file {
        Some(file) => format!("All rows are in {}.", code(file)),
        None => format!("{} writes all rows to a file.", code("report --csv FILE")),
    };
    if invalid > 0 {
        let findings = safe(&by_code_text(&report.counts.by_finding, FindingCode::as_str));
        let also = if report.failures.is_empty() { "" } else { "also " };
        let need = if invalid == 1 { "needs" } else { "need" };
        let _ = writeln!(body, "<p>{} {also}{need} a decision: {findings}.</p>", counted(invalid, "invalid row"));
    }
    if left_out > 0 {
        let _ = writeln!(body, "<p>{} more are not on this page. {file}</p>", count(left_out));
    } else {
        let _ = writeln!(body, "<p class=\"muted\">{file}</p>");
    }
    section("open-rows", "Rows that need a decision", &body)
}

fn runs(content: &PageContent<'_>) -> String {
    let earlier = content.runs.len().saturating_sub(HTML_RUNS_MAX);
    let mut body = String::new();
    if earlier > 0 {
        let _ = writeln!(body, "<p>The latest {HTML_RUNS_MAX} of {}.</p>", counted(content.runs.len() as u64, "run"));
    }
    for (number, run) in content.runs.iter().enumerate().skip(earlier) {
        body += &run_article(number + 1, run, content.show_values);
    }
    section("runs", "Runs", &body)
}

fn run_article(number: usize, run: &RunHistory, shows_values: bool) -> String {
    let start = &run.start;
    let mut facts: Vec<(&str, String)> =
        vec![("Command", code(&start.command)), ("Input", code(&start.input)), ("Started", timestamp(start.at))];
    facts.push(match &run.end {
        Some(end) => ("Ended", format!("{}, {}", timestamp(end.at), end.ended.as_str())),
        None => ("Ended", format!("no end recorded; the last line is of {}", timestamp(run.last_at))),
    });
    if let Some(shard) = start.shard {
        facts.push(("Shard", safe(&shard.to_string())));
    }
    if let Some(origin) = &start.origin {
        facts.extend(origin.input_hash.as_ref().map(|hash| ("Input hash (xxh3)", code(hash))));
        facts.extend(origin.input_etag.as_ref().map(|etag| ("Input ETag (S3)", code(etag))));
        facts.extend(origin.principal.as_ref().map(|principal| ("Run by", code(principal))));
        facts.extend(origin.account.as_ref().map(|account| ("Account", code(account))));
        facts.push(("On host", code(&origin.host)));
        facts.push(("Region", code(&origin.region)));
        facts.extend(origin.endpoint.as_ref().map(|endpoint| ("Endpoint", code(&endpoint.to_string()))));
        facts.push(("Pool name", safe(&origin.pool_name)));
        facts.push(("Users in the pool", format!("about {}", count(origin.users))));
        facts.extend(origin.plan_digest.as_ref().map(|digest| ("Plan", code(digest))));
        facts.extend(origin.plan_approval.as_ref().map(|approval| {
            ("Plan approved by", format!("{}, key {}", safe(&approval.principal), code(&approval.key)))
        }));
        let arguments = with_hidden_values(origin.arguments.iter().cloned(), &PERSONAL);
        let arguments = if shows_values { &origin.arguments } else { &arguments };
        facts.push(("Arguments", code(&arguments.join(" "))));
    }
    facts.push(("Version", safe(&start.tool)));
    let limit = start.limit.as_ref().map(|limit| milli(limit.milli));
    facts.extend(start.limit.as_ref().map(|limit| {
        let from = safe(&limit.from);
        ("Limit", format!("{}, {from}", rate(milli(limit.milli))))
    }));
    if let Some(end) = &run.end {
        facts.push(("Calls", format!("{}, {}", counted(end.writes, "write"), counted(end.reads, "read"))));
        facts.push(("Throttled", counted(end.throttled, "answer")));
        facts.extend(end.pace_milli.map(|found| ("Quota found", rate(milli(found)))));
    }
    let changes: Vec<String> = change_lines(&run.changes).iter().map(|line| safe(line)).collect();
    facts.extend((!changes.is_empty()).then(|| ("Changed", changes.join("<br>"))));
    facts.extend((run.undone > 0).then(|| ("Undone", counted(run.undone, "link"))));
    facts.extend((run.superseded > 0).then(|| ("Superseded", counted(run.superseded, "row"))));
    let id = format!("run-{number}");
    let mut text =
        format!("<article class=\"run\" aria-labelledby=\"{id}\">\n<h3 id=\"{id}\">Run {}</h3>\n<dl>\n", start.run);
    for (name, value) in &facts {
        let _ = writeln!(text, "<dt>{name}</dt><dd>{value}</dd>");
    }
    text.push_str("</dl>\n");
    if !run.calls.is_empty() {
        text += &charts(&id, run, limit);
    }
    text + "</article>\n"
}

fn charts(id: &str, run: &RunHistory, limit: Option<f64>) -> String {
    let mut legend = String::new();
    for answer in CallAnswer::ALL {
        let calls = run.calls.total(answer);
        if calls > 0 {
            let class = class_of(answer);
            let _ = write!(
                legend,
                "<li><span class=\"key {class}\" aria-hidden=\"true\"></span>{}: {}</li>",
                answer.name(),
                count(calls)
            );
        }
    }
    let rate = rate_chart(&format!("{id}-rate"), &run.calls, limit);
    let mut text = format!(
        "<figure>\n<figcaption>Calls a second</figcaption>\n<ul class=\"legend\">{legend}</ul>\n{rate}\n</figure>\n"
    );
    let percentile = |percent| run.latencies.percentile(percent);
    if let (Some(half), Some(most), Some(nearly_all), Some(all)) =
        (percentile(50), percentile(95), percentile(99), percentile(100))
    {
        let chart = latency_chart(&format!("{id}-latency"), &run.latencies);
        let _ = write!(
            text,
            "<figure>\n<figcaption>Calls by latency</figcaption>\n{chart}\n</figure>\n\
             <p>Half of the answers came within {half} ms, 95 % within {most} ms, 99 % within {nearly_all} ms, all within \
             {all} ms.</p>\n"
        );
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "a shown figure")]
fn milli(number: u64) -> f64 {
    number as f64 / 1_000.0
}

fn corrections(content: &PageContent<'_>) -> String {
    let report = content.report;
    let reinstated: u64 = content.runs.iter().map(|run| run.reinstated).sum();
    let mut facts = vec![
        ("Rows superseded", format!("{} (corrected, or no longer in their input)", count(report.superseded))),
        ("Of these, links that stand", count(report.superseded_links)),
        ("Rows reinstated", count(reinstated)),
        ("Links undone", count(report.counts.undone)),
        ("Links that undo could remove", count(content.undoable.links)),
    ];
    if content.undoable.recovered > 0 {
        let recovered = count(content.undoable.recovered);
        facts.push(("Further links", format!("{recovered}, which somebody else could have made (recovered)")));
    }
    let mut body = "<dl>\n".to_owned();
    for (name, value) in facts {
        let _ = writeln!(body, "<dt>{name}</dt><dd>{value}</dd>");
    }
    body.push_str("</dl>\n");
    if report.superseded_links > 0 {
        let _ =
            writeln!(body, "<p>{} removes the superseded links.</p>", code("cognito-link undo LEDGER --superseded"));
    }
    section("corrections", "Corrections and undo", &body)
}

fn evidence(report: &LedgerReport) -> String {
    let mut body = "<p>Each line of a ledger has a hash over all lines before it. The head stands for the whole \
                    ledger.</p>\n<dl>\n"
        .to_owned();
    for (ledger, head) in report.ledgers.iter().zip(&report.heads) {
        let _ = writeln!(body, "<dt>Ledger</dt><dd>{}</dd>\n<dt>Head</dt><dd>{}</dd>", code(ledger), code(head));
    }
    body.push_str("</dl>\n");
    let _ = writeln!(
        body,
        "<p>{} checks a ledger against its head; {} also checks that every row of the input has a state.</p>",
        code("cognito-link verify LEDGER --head HEAD"),
        code("cognito-link verify LEDGER INPUT")
    );
    section("evidence", "Evidence", &body)
}
