//! The table of row states, as a run and a ledger report show it.

use super::format::count;
use super::style::Style;
use crate::domain::stop::{Aim, RunReport};
use crate::domain::summary::Counts;

const LABEL_WIDTH: usize = 14;
const NUMBER_WIDTH_MIN: usize = 7;

struct Line {
    label: &'static str,
    number: u64,
    note: String,
    paint: fn(Style, &str) -> String,
}

/// States with their numbers and codes, a rule, and the sum under `sum_label`. States without a row are left out,
/// except `linked`.
pub(super) fn lines(counts: &Counts, sum_label: &'static str, not_read: Option<u64>, style: Style) -> Vec<String> {
    let states = state_lines(counts);
    let sums = sum_lines(counts, sum_label, not_read);
    let longest = states.iter().chain(&sums).map(|line| count(line.number).len()).max().unwrap_or(0);
    let width = longest.max(NUMBER_WIDTH_MIN);
    let mut lines: Vec<String> = states.iter().map(|line| line.render(width, style)).collect();
    lines.push("-".repeat(LABEL_WIDTH + width));
    lines.extend(sums.iter().map(|line| line.render(width, style)));
    lines
}

/// What a run of `undo` came to, and how many links it was about.
pub(super) fn undo_lines(report: &RunReport, style: Style) -> Vec<String> {
    let counts = &report.counts;
    let refusals = by_code(counts.by_refusal.iter().map(|(code, number)| (code.as_str(), *number)));
    let not_read = report.not_read.unwrap_or(0);
    let line = |label, number, note: &str, paint| Line { label, number, note: note.to_owned(), paint };
    let undone = if report.aim == Aim::UndoDryRun { "to be undone" } else { "undone" };
    let rest = [
        line("refused", counts.refused, refusals.as_str(), Style::yellow as fn(Style, &str) -> String),
        line("failed", counts.failed, "", Style::red),
        line("in doubt", counts.in_doubt, "", Style::red),
        line("not worked on", counts.linked + not_read, "", Style::yellow),
    ];
    let mut states = vec![line(undone, counts.undone, "", Style::green)];
    states.extend(rest.into_iter().filter(|line| line.number > 0));
    let sum = line("links selected", counts.read + not_read, "", |_: Style, text: &str| text.to_owned());
    let width = count(sum.number).len().max(NUMBER_WIDTH_MIN);
    let mut lines: Vec<String> = states.iter().map(|line| line.render(width, style)).collect();
    lines.push("-".repeat(LABEL_WIDTH + width));
    lines.push(sum.render(width, style));
    lines
}

fn state_lines(counts: &Counts) -> Vec<Line> {
    let refusals = by_code(counts.by_refusal.iter().map(|(code, number)| (code.as_str(), *number)));
    let findings = by_code(counts.by_finding.iter().map(|(code, number)| (code.as_str(), *number)));
    let kept = by_code(counts.kept.iter().map(|(code, number)| (code.as_str(), *number)));
    let kept = if kept.is_empty() { kept } else { format!("undo refused: {kept}") };
    let undone = if counts.undone > 0 { format!("{} taken back by undo", count(counts.undone)) } else { String::new() };
    let line = |label, number, note: &str, paint| Line { label, number, note: note.to_owned(), paint };
    let rest = [
        line("already linked", counts.already_linked, "", Style::green),
        line("refused", counts.refused, &refusals, Style::yellow),
        line("failed", counts.failed, "", Style::red),
        line("in doubt", counts.in_doubt, "", Style::red),
        line("invalid", counts.invalid, &findings, Style::yellow),
        line("unprocessed", counts.unprocessed, &undone, Style::yellow),
    ];
    let linked = line("linked", counts.linked, &kept, Style::green);
    [linked].into_iter().chain(rest.into_iter().filter(|line| line.number > 0)).collect()
}

fn sum_lines(counts: &Counts, label: &'static str, not_read: Option<u64>) -> Vec<Line> {
    let uncolored = |_: Style, text: &str| text.to_owned();
    let notes = [(counts.skipped, "done in earlier runs"), (counts.repeated, "asked for by an earlier row")];
    let notes = notes.iter().filter(|(number, _)| *number > 0);
    let note = notes.map(|(number, what)| format!("{} {what}", count(*number))).collect::<Vec<_>>().join(", ");
    let mut lines = vec![Line { label, number: counts.read, note, paint: uncolored }];
    if let Some(number) = not_read.filter(|number| *number > 0) {
        lines.push(Line { label: "not read", number, note: String::new(), paint: Style::yellow });
    }
    lines
}

fn by_code(codes: impl Iterator<Item = (&'static str, u64)>) -> String {
    codes.map(|(code, number)| format!("{code} {}", count(number))).collect::<Vec<_>>().join(", ")
}

impl Line {
    fn render(&self, width: usize, style: Style) -> String {
        let label = (self.paint)(style, &format!("{:LABEL_WIDTH$}", self.label));
        let gap = if self.note.is_empty() { "" } else { "   " };
        format!("{label}{:>width$}{gap}{}", count(self.number), self.note)
    }
}
