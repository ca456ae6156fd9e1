//! How the result of `validate` is printed: as text the counts and then the first findings, as JSON one object with all
//! findings, printed as they come.
//!
//! ```json
//! {"kind":"validate_report","schema_version":1,"input":"pairs.csv","findings":[],
//!  "error":null,"rows":{"read":0,"valid":0,"invalid":0},"blank_lines":0,
//!  "findings_by_code":{"missing_value":0},"allowed_by_code":{},"exit_status":0}
//! ```
//!
//! A finding: `{"code":"","severity":"error | warning","row":17,"line":18,"field":3,"column":"","message":""}`, with
//! `row` null where the file or its header is meant. With a pool, `refused_rows` follow the findings, and `forecast` ends
//! the object.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;

use serde_json::{Value, json};

use crate::commands::shared::Failure;
use crate::commands::shared::check_view::{check_json, check_text};
use crate::commands::shared::result::failure_json;
use crate::commands::shared::run_view::{by_code_json, joined, simulated_mark};
use crate::domain::doctor::CheckStatus;
use crate::domain::event::{RunEvent, RunObserver};
use crate::domain::finding::{Finding, FindingCode, Severity};
use crate::domain::outcome::RefusalCode;
use crate::domain::report::{CostBound, PredictedRefusal, PredictionReport, ValidateReport};
use crate::exit::Exit;
use crate::limits;
use crate::ui::format::{count, counted, duration, rate, timestamp, within_windows};
use crate::ui::{
    MessageCode, OutputFormat, SCHEMA_VERSION, Style, Ui, encode_json, escape, escape_json, meaning_fragment,
    shell_path,
};

/// Takes findings and refused rows as they come, and prints the result. Shows progress meanwhile.
pub(super) struct ValidateView {
    ui: Ui,
    /// The options for the input and the pool, for a suggested command.
    suggested_options: String,
    progress: Box<dyn RunObserver + Send>,
    shown: Vec<Finding>,
    hidden: BTreeMap<Severity, u64>,
    /// JSON that is not printed yet; empty where the result is text. There may be more findings than fit in memory.
    json: String,
    is_first: bool,
    refused: Vec<PredictedRefusal>,
    refused_hidden: u64,
    output_error: Option<io::Error>,
}

impl ValidateView {
    pub(super) fn new(ui: &Ui, input: &str, suggested_options: String) -> Self {
        let json = match ui.output() {
            OutputFormat::Json => escape_json(&format!(
                "{{\"kind\":\"validate_report\",\"schema_version\":{SCHEMA_VERSION},\"input\":{},\"findings\":[",
                Value::from(input)
            ))
            .into_owned(),
            OutputFormat::Text => String::new(),
        };
        Self {
            ui: ui.clone(),
            suggested_options,
            progress: ui.observer(),
            shown: Vec::new(),
            hidden: BTreeMap::new(),
            json,
            is_first: true,
            refused: Vec::new(),
            refused_hidden: 0,
            output_error: None,
        }
    }

    /// Prints the result. As text, the first findings of each severity follow on stderr.
    pub(super) fn print_result(
        mut self,
        report: &ValidateReport,
        forecast: Option<&PredictionReport>,
        exit: Exit,
        error: &Value,
    ) -> io::Result<()> {
        drop(self.progress);
        let style = self.ui.stdout_style();
        let ui = self.ui;
        if ui.output() == OutputFormat::Json {
            self.json.push_str(&end_of_json(report, forecast, ui.shows_values(), exit, error));
            return self.output_error.take().map_or_else(|| ui.print(&self.json), Err);
        }
        ui.print(&findings_text(report, style))?;
        let mut printer = ui.finding_printer();
        self.shown.iter().for_each(|finding| printer.print(finding));
        self.hidden.into_iter().for_each(|(severity, count)| printer.count_hidden(severity, count));
        printer.close();
        if let Some(forecast) = forecast {
            ui.print(&forecast_text(forecast, ui.shows_values(), style))?;
            self.refused.iter().for_each(|line| ui.warn(MessageCode::RefusedRow, &refused_text(line)));
            if self.refused_hidden > 0 {
                let hidden = count(self.refused_hidden);
                ui.warn(
                    MessageCode::ListCut,
                    &format!(
                        "and {hidden} more refused rows; list all with `cognito-link validate {}{} --split DIR`",
                        shell_path(&report.input),
                        self.suggested_options
                    ),
                );
            }
        }
        Ok(())
    }

    /// Ends an object of which a part is printed already. Where none is, the failure is the whole result.
    pub(super) fn print_failure(mut self, failure: &Failure) -> io::Result<()> {
        drop(self.progress);
        if !self.ui.has_printed() || self.ui.output() == OutputFormat::Text {
            return Ok(());
        }
        let error = failure_json(failure, self.ui.shows_values());
        self.json.push_str("],");
        let end = encode_json(&json!({"error": error, "exit_status": failure.exit().status()}));
        self.json.push_str(end.trim_start_matches('{'));
        self.ui.print(&self.json)
    }

    /// No more findings come, but rows that `link` would refuse.
    pub(super) fn begin_refused_rows(&mut self) {
        if self.ui.output() == OutputFormat::Json {
            self.json.push_str("],\"refused_rows\":[");
            self.is_first = true;
        }
    }

    pub(super) fn add_refused_row(&mut self, line: &PredictedRefusal) {
        if self.ui.output() == OutputFormat::Json {
            self.add_json(&json!({
                "row": line.row.0,
                "key": line.key.to_string(),
                "refusal_code": line.verdict,
                "hint": line.hint,
                "candidates": line.candidates,
                "candidates_left_out": line.candidates_left_out,
            }));
        } else if self.refused.len() < limits::VERDICTS_SHOWN_MAX {
            self.refused.push(line.clone());
        } else {
            self.refused_hidden += 1;
        }
    }

    fn add_json(&mut self, item: &Value) {
        if !std::mem::take(&mut self.is_first) {
            self.json.push(',');
        }
        self.json.push_str(encode_json(item).trim_end());
        if self.json.len() >= limits::RESULT_BUFFER_BYTES && self.output_error.is_none() {
            self.output_error = self.ui.print(&self.json).err();
            self.json.clear();
        }
    }
}

impl RunObserver for ValidateView {
    fn on(&mut self, event: &RunEvent) {
        let RunEvent::Found(finding) = event else { return self.progress.on(event) };
        if self.ui.output() == OutputFormat::Json {
            self.add_json(&finding_json(finding));
        } else if self.shown.iter().filter(|shown| shown.severity == finding.severity).count()
            < limits::FINDINGS_SHOWN_MAX
        {
            self.shown.push(finding.clone());
        } else {
            *self.hidden.entry(finding.severity).or_default() += 1;
        }
    }
}

/// A finding as one object, also for `findings.jsonl`.
pub(super) fn finding_json(finding: &Finding) -> Value {
    json!({
        "code": finding.code.as_str(),
        "severity": finding.severity.as_str(),
        "row": finding.row.map(|row| row.0),
        "line": finding.line,
        "field": finding.field,
        "column": finding.column,
        "message": finding.message,
    })
}

fn end_of_json(
    report: &ValidateReport,
    forecast: Option<&PredictionReport>,
    show_values: bool,
    exit: Exit,
    error: &Value,
) -> String {
    let counts = &report.counts;
    let mut rest = json!({
        "rows": {"read": counts.read, "valid": counts.unprocessed, "invalid": counts.invalid},
        "blank_lines": report.blank_lines,
        "findings_by_code": by_code_json(&counts.by_finding, FindingCode::as_str),
        "allowed_by_code": by_code_json(&report.allowed, FindingCode::as_str),
        "exit_status": exit.status(),
        "error": error,
    });
    if let Some(forecast) = forecast {
        rest["forecast"] = forecast_json(forecast, show_values);
    }
    encode_json(&rest).replacen('{', "],", 1)
}

fn forecast_json(report: &PredictionReport, show_values: bool) -> Value {
    json!({
        "pool": report.pool,
        "simulated": report.simulated,
        "lookup": report.look_up,
        "because": report.because,
        "users_read": report.users,
        "reads": report.reads,
        "throttled": report.throttled,
        "elapsed_ms": u64::try_from(report.elapsed.as_millis()).unwrap_or(u64::MAX),
        "by_verdict": report.by_verdict,
        "refused": report.refused(),
        "may_be_refused": report.may_be_refused.iter().map(|((code, reason), rows)| {
            json!({"refusal_code": code, "reason": reason, "row_count": rows})
        }).collect::<Vec<_>>(),
        "concerns": report.concerns.iter().map(|((code, reason), rows)| {
            json!({"refusal_code": code, "reason": reason, "row_count": rows})
        }).collect::<Vec<_>>(),
        "sign_in_checks": report.sign_ins.iter().map(|check| check_json(check, show_values)).collect::<Vec<_>>(),
        "scanned_at": timestamp(report.scanned_unix_ms),
        "links_to_make": report.writes,
        "repeated": report.repeats,
        "rate_per_second": report.rate_per_second,
        "within_windows": report.within_windows,
        "at_rate_seconds": report.at_rate.map(|time| time.as_secs_f64()),
        "quota_per_second": report.quota_per_second,
        "at_quota_seconds": report.at_quota.map(|time| time.as_secs_f64()),
        "plan_digest": report.plan_digest,
        "billing": report.billing.as_ref().map(|bound| json!({
            "active_users_max": bound.active_users_max,
            "usd_cents_max": bound.usd_cents_max,
            "feature_plan": bound.feature_plan,
            "prices_as_of": bound.prices_as_of,
        })),
    })
}

/// Codes with their numbers, then the rows.
fn findings_text(report: &ValidateReport, style: Style) -> String {
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

/// Verdicts with their numbers, how the pool was read, and the time that the links will take.
fn forecast_text(report: &PredictionReport, show_values: bool, style: Style) -> String {
    const DESIRED: [&str; 2] = ["link", "already_linked"];
    let mut lines = Vec::new();
    for verdict in DESIRED.into_iter().chain(RefusalCode::ALL.iter().map(|code| code.as_str())) {
        let Some(number) = report.by_verdict.get(verdict) else { continue };
        let line = format!("{verdict:<26}{:>10}", count(*number));
        lines.push(if DESIRED.contains(&verdict) { line } else { style.yellow(&format!("{line}   refused")) });
    }
    for ((code, reason), number) in &report.may_be_refused {
        let text = format!("may be refused: {}: {code}: {reason}", counted(*number, "row"));
        lines.push(style.yellow(&text));
    }
    for ((code, reason), number) in &report.concerns {
        lines.push(style.yellow(&format!("look at: {}: {code}: {reason}", counted(*number, "row"))));
    }
    lines.push(format!(
        "pool {}{}: {} by {}, {}, {} throttled, in {}; {}",
        report.pool,
        simulated_mark(report.simulated),
        counted(report.users, "user"),
        report.look_up,
        counted(report.reads, "read"),
        count(report.throttled),
        duration(report.elapsed),
        escape(&report.because)
    ));
    let mut total = format!("{} to make", counted(report.writes, "link"));
    if report.repeats > 0 {
        let _ = write!(total, ", and {}", counted(report.repeats, "duplicate row"));
    }
    let is_sent = report.writes > 0;
    let within = within_windows(report.within_windows);
    if let (Some(time), Some(per_second), true) = (report.at_rate, report.rate_per_second, is_sent) {
        let _ = write!(total, ": about {} at {}{within}", duration(time), rate(per_second));
    }
    if let Some(time) = report.at_quota.filter(|_| is_sent) {
        let _ = write!(total, "; {} with the full quota of {}", duration(time), rate(report.quota_per_second));
    }
    lines.push(total);
    lines.extend(report.billing.as_ref().map(billing_text));
    // What is in order is in the JSON alone.
    let noted = report.sign_ins.iter().filter(|check| check.status() != CheckStatus::Ok);
    lines.extend(noted.map(|check| check_text(check, show_values, style)));
    joined(&lines)
}

/// The most that the links can add to the bill. Cents are rounded up.
fn billing_text(bound: &CostBound) -> String {
    let plan =
        bound.feature_plan.as_ref().map_or_else(|| "dearest plan".into(), |plan| format!("plan {}", escape(plan)));
    format!(
        "billing: at most {} more this month: {}.{:02} USD ({plan}, list prices of {}, free users not subtracted)",
        counted(bound.active_users_max, "active user"),
        count(bound.usd_cents_max / 100),
        bound.usd_cents_max % 100,
        bound.prices_as_of
    )
}

/// A row that `link` would refuse, in one line.
fn refused_text(line: &PredictedRefusal) -> String {
    let mut text = RefusalCode::parse(line.verdict).map(meaning_fragment).unwrap_or_default();
    if !line.hint.is_empty() {
        let _ = write!(text, "; {}", line.hint);
    }
    if !line.candidates.is_empty() {
        let _ = write!(text, ": {}", line.candidates.join(", "));
    }
    if line.candidates_left_out > 0 {
        let _ = write!(text, " and {} more", count(line.candidates_left_out as u64));
    }
    format!("row {} key {}: {}: {text}", line.row, line.key, line.verdict)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use insta::assert_snapshot;

    use super::*;
    use crate::domain::counts::Counts;
    use crate::domain::row::{RowKey, RowNumber};
    use crate::ui::testing::Screen;

    fn report() -> ValidateReport {
        let found = [(FindingCode::NumberDamaged, 5), (FindingCode::ProviderPrefix, 2), (FindingCode::MissingValue, 1)];
        let allowed = [(FindingCode::NumberDamaged, 3), (FindingCode::ProviderPrefix, 2)];
        let counts = Counts { read: 9, invalid: 3, unprocessed: 6, by_finding: found.into(), ..Counts::default() };
        ValidateReport { input: "in.csv".into(), counts, allowed: allowed.into(), blank_lines: 1 }
    }

    fn forecast() -> PredictionReport {
        PredictionReport {
            pool: "us-east-1_A".into(),
            look_up: "scan",
            because: "as given with --lookup".into(),
            users: 1_200,
            reads: 20,
            elapsed: Duration::from_millis(900),
            by_verdict: [("already_linked", 1), ("link", 3), ("user_ambiguous", 2)].into(),
            may_be_refused: [(("too_many_identities", "the user has five identities if its own one counts"), 1)].into(),
            scanned_unix_ms: 1_795_000_000_000,
            writes: 2,
            repeats: 1,
            rate_per_second: Some(20.0),
            at_rate: Some(Duration::from_millis(100)),
            quota_per_second: 25.0,
            at_quota: Some(Duration::from_millis(80)),
            billing: Some(CostBound {
                active_users_max: 2,
                usd_cents_max: 105,
                feature_plan: Some("ESSENTIALS".into()),
                prices_as_of: "2026-09-20".into(),
            }),
            ..PredictionReport::default()
        }
    }

    fn printed(screen: &Screen) -> String {
        let mut view = ValidateView::new(&screen.ui(), "in.csv", " --simulate".to_owned());
        view.on(&RunEvent::Found(Finding {
            code: FindingCode::MissingValue,
            severity: FindingCode::MissingValue.severity(),
            row: Some(RowNumber(17)),
            line: 18,
            field: 3,
            column: "source\u{202e}".into(),
            message: "empty".into(),
        }));
        view.begin_refused_rows();
        for row in 1..=limits::VERDICTS_SHOWN_MAX as u64 + 2 {
            let line = PredictedRefusal {
                row: RowNumber(row),
                key: RowKey::parse(b"00000000000000000000000000000011").unwrap(),
                verdict: "user_ambiguous",
                hint: "choose one",
                candidates: vec!["t***1".into(), "t***2".into()],
                candidates_left_out: 1,
            };
            if row == 1 || screen.ui().output() == OutputFormat::Text {
                view.add_refused_row(&line);
            }
        }
        view.print_result(&report(), Some(&forecast()), Exit::InvalidInput, &Value::Null).unwrap();
        screen.both()
    }

    #[test]
    fn a_validated_input() {
        let text = printed(&Screen::new());
        let is_long_list = |line: &&str| line.starts_with("warning: row ") && !line.starts_with("warning: row 1 ");
        let text: Vec<&str> = text.lines().filter(|line| !is_long_list(line)).collect();
        assert_snapshot!(text.join("\n"));
        assert_snapshot!("a_validated_input_json", printed(&Screen::new().json()));
    }
}
