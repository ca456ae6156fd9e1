//! Findings as they come: the first in full, the rest as a number.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::console::Console;
use super::events::Event;
use super::format::counted;
use super::message_code::MessageCode;
use crate::domain::finding::{Finding, Severity};
use crate::limits;

/// Returns a finding in one line, without its severity: `row 17, line 18, column source_value: missing_value: ...`.
pub fn finding_line(finding: &Finding) -> String {
    let mut position = Vec::new();
    if let Some(row) = finding.row {
        position.push(format!("row {row}"));
    }
    if finding.line > 0 {
        position.push(format!("line {}", finding.line));
    }
    if !finding.column.is_empty() {
        position.push(format!("column {}", finding.column));
    } else if finding.field > 0 {
        position.push(format!("field {}", finding.field));
    }
    let position = if position.is_empty() { String::new() } else { position.join(", ") + ": " };
    format!("{position}{}: {}", finding.code.as_str(), finding.message)
}

/// Prints the first [`limits::FINDINGS_SHOWN_MAX`] findings of a severity, and counts the rest.
pub struct FindingPrinter {
    console: Arc<Console>,
    shown: BTreeMap<Severity, usize>,
    hidden: BTreeMap<Severity, u64>,
}

impl FindingPrinter {
    pub(super) fn new(console: Arc<Console>) -> Self {
        Self { console, shown: BTreeMap::new(), hidden: BTreeMap::new() }
    }

    pub fn print(&mut self, finding: &Finding) {
        let severity = finding.severity;
        let shown = self.shown.entry(severity).or_default();
        if *shown == limits::FINDINGS_SHOWN_MAX {
            *self.hidden.entry(severity).or_default() += 1;
            return;
        }
        *shown += 1;
        self.console.finding(&finding_line(finding), Event::of_finding(finding));
    }

    /// Counts findings that nobody kept.
    pub fn count_hidden(&mut self, severity: Severity, count: u64) {
        *self.hidden.entry(severity).or_default() += count;
    }

    /// Prints how many findings were only counted since the last time.
    pub fn close(&mut self) {
        for (severity, hidden) in std::mem::take(&mut self.hidden) {
            let noun = severity.as_str();
            let text = format!("and {}; list all with `validate --split`", counted(hidden, &format!("more {noun}")));
            let event = Event::message(severity.into(), MessageCode::ListCut, &text).with("findings_left_out", hidden);
            self.console.finding(&text, event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Screen;
    use super::*;
    use crate::domain::event::RunEvent;
    use crate::domain::finding::FindingCode;
    use crate::domain::row::RowNumber;

    fn finding(code: FindingCode, row: u64) -> Finding {
        Finding {
            code,
            severity: code.severity(),
            row: Some(RowNumber(row)),
            line: row + 1,
            field: 3,
            column: "source_value".into(),
            message: "empty: fill it in or leave the row out".into(),
        }
    }

    #[test]
    fn a_line_says_where_and_what() {
        let full = finding(FindingCode::MissingValue, 17);
        let text = "row 17, line 18, column source_value: missing_value: empty: fill it in or leave the row out";
        assert_eq!(finding_line(&full), text);
        let unnamed = Finding { column: String::new(), ..full.clone() };
        assert!(finding_line(&unnamed).starts_with("row 17, line 18, field 3: missing_value: "));
        let whole_file = Finding { row: None, line: 1, field: 0, column: String::new(), ..full };
        assert!(finding_line(&whole_file).starts_with("line 1: missing_value: "));
    }

    #[test]
    fn the_rest_is_counted_by_severity_and_printed_when_checking_ends() {
        let screen = Screen::new();
        let mut observer = screen.ui().observer();
        observer.on(&RunEvent::Checking { rows: 0 });
        for row in 1..=1_023 {
            observer.on(&RunEvent::Found(finding(FindingCode::MissingValue, row)));
        }
        for row in 1..=21 {
            observer.on(&RunEvent::Found(finding(FindingCode::DuplicateRow, row)));
        }
        observer.on(&RunEvent::Draining { in_flight: 0 });
        drop(observer);
        let stderr = screen.stderr();
        assert_eq!(stderr.matches("error: row ").count(), limits::FINDINGS_SHOWN_MAX);
        assert_eq!(stderr.matches("warning: row ").count(), limits::FINDINGS_SHOWN_MAX);
        assert_eq!(stderr.matches("error: and 1,003 more errors; ").count(), 1);
        assert_eq!(stderr.matches("warning: and 1 more warning; ").count(), 1);
    }

    #[test]
    fn a_streamed_input_counts_the_rest_at_its_end() {
        let screen = Screen::new();
        let mut observer = screen.ui().observer();
        for row in 1..=30 {
            observer.on(&RunEvent::Found(finding(FindingCode::MissingValue, row)));
            observer.on(&RunEvent::Tick(Box::default()));
        }
        assert!(!screen.stderr().contains("more errors"));
        drop(observer);
        assert!(screen.stderr().ends_with("error: and 10 more errors; list all with `validate --split`\n"));
    }

    #[test]
    fn a_column_cannot_forge_a_line() {
        let screen = Screen::new();
        let forged = Finding { column: "x\nerror: y\x1b[2J".into(), ..finding(FindingCode::MissingValue, 1) };
        screen.ui().observer().on(&RunEvent::Found(forged));
        assert_eq!(
            screen.stderr(),
            "error: row 1, line 2, column x\\u{a}error: y\\u{1b}[2J: missing_value: empty: fill it in or leave the row out\n"
        );
    }
}
