//! What a forecast has to say, as text and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::escape;
use super::format::{count, counted, duration, rate};
use super::style::Style;
use crate::domain::forecast::{ForecastReport, RefusedLine};
use crate::domain::outcome::RefusalCode;

/// Verdicts with which a row ends in the wished state.
const FINE: [&str; 2] = ["link", "already_linked"];

pub(super) fn as_text(report: &ForecastReport, style: Style) -> String {
    let mut lines = Vec::new();
    let refusals = RefusalCode::ALL.iter().map(|code| code.as_str());
    for verdict in FINE.into_iter().chain(refusals) {
        let Some(number) = report.by_verdict.get(verdict) else { continue };
        let fine = FINE.contains(&verdict);
        let line = format!("{verdict:<26}{:>10}{}", count(*number), if fine { "" } else { "   refused" });
        lines.push(if fine { line } else { style.yellow(&line) });
    }
    let simulated = if report.simulated { " (simulated)" } else { "" };
    lines.push(format!(
        "pool {}{simulated}: {} by {}, {}, {} throttled, in {}; {}",
        report.pool,
        counted(report.users, "user"),
        report.look_up,
        counted(report.reads, "read"),
        count(report.throttled),
        duration(report.elapsed),
        escape(&report.because)
    ));
    lines.push(what_it_takes(report));
    lines.push(String::new());
    lines.join("\n")
}

fn what_it_takes(report: &ForecastReport) -> String {
    let mut line = format!("{} to make", counted(report.writes, "link"));
    if report.repeats > 0 {
        let _ = write!(line, ", and {}", counted(report.repeats, "repeat"));
    }
    if let (Some(time), Some(per_second)) = (report.at_rate, report.rate_per_second) {
        let _ = write!(line, ": about {} at {}", duration(time), rate(per_second));
    }
    if let Some(time) = report.at_quota {
        let _ = write!(line, "; {} with the whole quota of {}", duration(time), rate(report.quota_per_second));
    }
    line
}

/// A row that will be refused, in one line.
pub(super) fn refused_text(line: &RefusedLine) -> String {
    let meaning = RefusalCode::parse(line.verdict).map_or("", RefusalCode::meaning);
    // A sentence of the catalogue, as a fragment.
    let mut chars = meaning.trim_end_matches('.').chars();
    let mut meaning: String = chars.next().into_iter().flat_map(char::to_lowercase).chain(chars).collect();
    if !line.hint.is_empty() {
        meaning.push_str("; ");
        meaning.push_str(line.hint);
    }
    if !line.candidates.is_empty() {
        meaning.push_str(": ");
        meaning.push_str(&line.candidates.join(", "));
    }
    if line.candidates_left_out > 0 {
        let _ = write!(meaning, " and {} more", count(line.candidates_left_out as u64));
    }
    format!("row {} key {}: {}: {meaning}", line.row, line.key, line.verdict)
}

/// How many rows were only counted.
pub(super) fn hidden_text(hidden: u64) -> String {
    format!("and {} more refused: `cognito-link validate INPUT --split DIR` lists every one", count(hidden))
}

pub(super) fn refused_json(line: &RefusedLine) -> Value {
    json!({
        "row": line.row.0,
        "key": line.key.to_string(),
        "verdict": line.verdict,
        "hint": line.hint,
        "candidates": line.candidates,
        "candidates_left_out": line.candidates_left_out,
    })
}

pub(super) fn as_json(report: &ForecastReport) -> Value {
    json!({
        "pool": report.pool,
        "simulated": report.simulated,
        "lookup": report.look_up,
        "because": report.because,
        "users": report.users,
        "reads": report.reads,
        "throttled": report.throttled,
        "elapsed_ms": u64::try_from(report.elapsed.as_millis()).unwrap_or(u64::MAX),
        "by_verdict": report.by_verdict,
        "refused": report.refused(),
        "links_to_make": report.writes,
        "repeats": report.repeats,
        "rate_per_second": report.rate_per_second,
        "at_rate_seconds": report.at_rate.map(|time| time.as_secs_f64()),
        "quota_per_second": report.quota_per_second,
        "at_quota_seconds": report.at_quota.map(|time| time.as_secs_f64()),
    })
}
