//! How a run of `undo` is printed. The JSON is that of any run, with `"dry_run"` and `"recovered_left_out"`, and in a dry run with `"links"`, each
//! `{"row":17,"key":"","destination":"p***7","source_provider":"Okta","source_value":"0***z",
//! "would_be":"undone | refused | failed | in_doubt","refusal_code":null}`. Values are masked unless `--show-values`.

use std::io;

use serde_json::{Value, json};

use crate::commands::shared::next_command::{explain_step, report_step};
use crate::commands::shared::run_view::{
    TableLine, ended_at_ledger, how_it_ended, joined, pool_and_calls, refusals_text, run_json, table,
};
use crate::domain::outcome::{RefusalCode, UndoOutcome};
use crate::domain::row::Row;
use crate::domain::run::{RunOutcome, RunPurpose, RunReport};
use crate::engine::UndoObserver;
use crate::exit::Exit;
use crate::limits::REPORT_FAILURES_MAX;
use crate::ui::format::{count, counted};
use crate::ui::{MessageCode, OutputFormat, Style, Ui, escape};

/// Prints the result, and what to do next. `links` are those of a dry run, `left_out` the recovered links that were not
/// selected, and `again` is the same command without `--dry-run`.
pub(super) fn print_undo_report(
    report: &RunReport,
    links: Vec<Value>,
    left_out: u64,
    ledger: &str,
    again: &str,
    exit: Exit,
    ui: &Ui,
) -> io::Result<()> {
    let mut object = run_json(report, Some(ledger), ui.shows_values(), exit);
    let is_dry_run = report.purpose == RunPurpose::UndoDryRun;
    object["dry_run"] = is_dry_run.into();
    object["recovered_left_out"] = left_out.into();
    if is_dry_run {
        object["links"] = Value::Array(links);
    }
    match ui.output() {
        OutputFormat::Text => {
            ui.keep_result(&object);
            ui.print(&undo_text(report, left_out, ledger, ui.stdout_style()))?;
        }
        OutputFormat::Json => ui.json(&object)?,
    }
    for step in next_steps(report, ledger, again) {
        ui.hint(&step);
    }
    Ok(())
}

fn undo_text(report: &RunReport, left_out: u64, ledger: &str, style: Style) -> String {
    let counts = &report.counts;
    let not_read = report.not_read.unwrap_or(0);
    let is_dry_run = report.purpose == RunPurpose::UndoDryRun;
    let states = [
        TableLine::new(if is_dry_run { "to be undone" } else { "undone" }, counts.undone, "", Style::green),
        TableLine::new("refused", counts.refused, refusals_text(counts), Style::yellow),
        TableLine::new("failed", counts.failed, "", Style::red),
        TableLine::new("in doubt", counts.in_doubt, "", Style::red),
        TableLine::new("not processed", counts.linked + not_read, "", Style::yellow),
    ];
    let mut lines = table(&states, &[TableLine::plain("links selected", counts.read + not_read, "")], style);
    if left_out > 0 {
        let them = if left_out == 1 { "it" } else { "them" };
        lines.push(format!("{} left out because somebody else may have made {them}", counted(left_out, "link")));
    }
    lines.push(pool_and_calls(report));
    lines.push(format!("ledger {}", escape(ledger)));
    lines.extend(report.ledger_head.as_ref().filter(|_| !is_dry_run).map(|head| format!("ledger head {head}")));
    if is_dry_run {
        lines.push("dry run: neither the pool nor the ledger was changed".to_owned());
    }
    lines.extend(how_it_ended(&report.ended, style));
    joined(&lines)
}

fn next_steps(report: &RunReport, ledger: &str, again: &str) -> Vec<String> {
    if ended_at_ledger(report) {
        return Vec::new();
    }
    let counts = &report.counts;
    let is_dry_run = report.purpose == RunPurpose::UndoDryRun;
    let mut steps = Vec::new();
    if is_dry_run && counts.undone > 0 {
        steps.push(format!("remove these links: `{again}`"));
    } else if !is_dry_run && counts.read > 0 && counts.undone == counts.read && report.ended == RunOutcome::Completed {
        steps.push(report_step(ledger));
    }
    if counts.failed + counts.in_doubt + counts.linked + report.not_read.unwrap_or(0) > 0 {
        let order = if counts.in_doubt > 0 { "; links in doubt are read first" } else { "" };
        steps.push(format!("run the same command again to resume{order}"));
    }
    if let Some(code) = counts.by_refusal.keys().next() {
        steps.push(explain_step(code.as_str()));
    }
    if counts.by_refusal.contains_key(&RefusalCode::Unrecognised) {
        steps.push(
            "the ledger holds the answer of the service: read it before you go on, and report the text".to_owned(),
        );
    }
    steps
}

/// The list of a dry run: printed as it comes, or kept for the one object of the JSON.
pub(super) struct DryRunList<'a> {
    ui: &'a Ui,
    links: Vec<Value>,
    left_out: u64,
    output_error: Option<io::Error>,
}

impl<'a> DryRunList<'a> {
    pub(super) fn new(ui: &'a Ui) -> Self {
        Self { ui, links: Vec::new(), left_out: 0, output_error: None }
    }

    /// Returns the links for the JSON.
    pub(super) fn finish(self) -> io::Result<Vec<Value>> {
        if self.left_out > 0 {
            let left_out = count(self.left_out);
            self.ui.warn(
                MessageCode::ListCut,
                &format!("{left_out} more links are not in this list; --output text lists all"),
            );
        }
        self.output_error.map_or(Ok(self.links), Err)
    }
}

impl UndoObserver for DryRunList<'_> {
    fn on(&mut self, row: &Row, outcome: &UndoOutcome) {
        if self.ui.output() == OutputFormat::Text {
            if let Err(error) = self.ui.print(&link_text(row, outcome, self.ui)) {
                self.output_error.get_or_insert(error);
            }
        } else if self.links.len() < REPORT_FAILURES_MAX {
            self.links.push(link_json(row, outcome, self.ui));
        } else {
            self.left_out += 1;
        }
    }
}

fn link_text(row: &Row, outcome: &UndoOutcome, ui: &Ui) -> String {
    let verdict = match outcome {
        UndoOutcome::Undone => "would be unlinked".to_owned(),
        UndoOutcome::Refused { code, .. } => format!("refused {}", code.as_str()),
        UndoOutcome::Failed { text } | UndoOutcome::InDoubt { text } => format!("could not be read ({})", text.code),
    };
    let source = &row.link.source;
    format!(
        "row {} key {} {} {} on {}: {}\n",
        row.number,
        row.key,
        escape(source.provider().as_str()),
        ui.value(source.value()),
        ui.value(row.link.destination.value()),
        escape(&verdict)
    )
}

fn link_json(row: &Row, outcome: &UndoOutcome, ui: &Ui) -> Value {
    let (verdict, code) = match outcome {
        UndoOutcome::Undone => ("undone", None),
        UndoOutcome::Refused { code, .. } => ("refused", Some(code.as_str())),
        UndoOutcome::Failed { .. } => ("failed", None),
        UndoOutcome::InDoubt { .. } => ("in_doubt", None),
    };
    json!({
        "row": row.number.0,
        "key": row.key.to_string(),
        "destination": ui.value(row.link.destination.value()),
        "source_provider": row.link.source.provider().as_str(),
        "source_value": ui.value(row.link.source.value()),
        "would_be": verdict,
        "refusal_code": code,
    })
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::commands::shared::run_view::examples::run_report;
    use crate::domain::counts::Counts;
    use crate::domain::identity::{AttributeName, Destination, ExternalIdentity, Personal, ProviderName};
    use crate::domain::outcome::ServiceText;
    use crate::domain::row::{Link, RowKey, RowNumber};
    use crate::domain::state::RowState;
    use crate::ui::testing::Screen;

    fn example(purpose: RunPurpose) -> RunReport {
        let mut counts = Counts { read: 12, failed: 1, ..Counts::default() };
        (0..7).for_each(|_| counts.add(RowState::Undone));
        (0..2).for_each(|_| counts.add(RowState::Refused(RefusalCode::Gone)));
        counts.add(RowState::Refused(RefusalCode::Moved));
        counts.add(RowState::Linked);
        assert_eq!(counts.balance(), Ok(()));
        RunReport { purpose, counts, not_read: Some(3), ..run_report() }
    }

    fn printed(purpose: RunPurpose, screen: &Screen) -> String {
        let ui = screen.ui();
        let mut list = DryRunList::new(&ui);
        if purpose == RunPurpose::UndoDryRun {
            let source = ExternalIdentity::new(
                ProviderName::parse("Okta").unwrap(),
                AttributeName::subject(),
                Personal::from_service("00uAbc\u{1b}Z"),
            );
            let destination = Destination::Username(Personal::from_service("alice"));
            let link = Link { destination, source: source.unwrap() };
            let row = Row { number: RowNumber(7), key: RowKey::parse(&[b'7'; 32]).unwrap(), link };
            let text = ServiceText { code: "InternalErrorException".into(), message: String::new() };
            list.on(&row, &UndoOutcome::Undone);
            list.on(&row, &UndoOutcome::Failed { text });
        }
        let links = list.finish().unwrap();
        print_undo_report(&example(purpose), links, 1, "a.ledger", "cognito-link undo a.ledger", Exit::Incomplete, &ui)
            .unwrap();
        screen.both()
    }

    #[test]
    fn a_run_and_a_dry_run() {
        assert_snapshot!("run", printed(RunPurpose::Undo, &Screen::new()));
        assert_snapshot!("run_json", printed(RunPurpose::Undo, &Screen::new().json()));
        assert_snapshot!("dry_run", printed(RunPurpose::UndoDryRun, &Screen::new()));
        assert_snapshot!("dry_run_json", printed(RunPurpose::UndoDryRun, &Screen::new().json()));
        let counts = Counts { read: 2, unprocessed: 2, undone: 2, ..Counts::default() };
        let done = RunReport { purpose: RunPurpose::Undo, counts, ..run_report() };
        assert_eq!(next_steps(&done, "a.ledger", "x"), ["summarize the ledger: `cognito-link report a.ledger`"]);
        let would_be = RunReport { purpose: RunPurpose::UndoDryRun, ..done };
        assert_eq!(next_steps(&would_be, "a.ledger", "x"), ["remove these links: `x`"]);
        let nothing = RunReport { counts: Counts::default(), ..would_be };
        assert_eq!(next_steps(&nothing, "a.ledger", "x"), Vec::<String>::new());
    }
}
