//! The frame of every JSON result, and the result of a command that failed.
//!
//! Every result has `kind`, `schema_version`, `exit_status` and `error`; `docs/schemas/` has the schema of each kind.

use serde_json::{Map, Value, json};

use super::Failure;
use crate::domain::error_code::{ErrorCode, FailureCode};
use crate::domain::finding::Finding;
use crate::domain::run::StopError;
use crate::exit::Exit;
use crate::input::InputError;
use crate::ui::{HIDDEN_MESSAGES_HINT, OutputFormat, SCHEMA_VERSION, Ui, finding_line};

/// Returns a result with its frame. `body` is an object.
pub fn result_json(kind: &str, exit: Exit, body: Value) -> Value {
    framed(kind, exit, Value::Null, body)
}

/// As [`result_json`], for a command that was stopped.
pub fn stopped_json(kind: &str, exit: Exit, stop: Option<&StopError>, show_values: bool, body: Value) -> Value {
    framed(kind, exit, stop.map_or(Value::Null, |stop| stop_json(stop, show_values)), body)
}

fn framed(kind: &str, exit: Exit, error: Value, body: Value) -> Value {
    let mut members = Map::new();
    members.insert("kind".to_owned(), kind.into());
    members.insert("schema_version".to_owned(), SCHEMA_VERSION.into());
    members.insert("exit_status".to_owned(), exit.status().into());
    members.insert("error".to_owned(), error);
    if let Value::Object(body) = body {
        members.extend(body);
    }
    Value::Object(members)
}

/// As [`result_json`], for a command that failed after it had found something.
pub fn failed_json(kind: &str, exit: Exit, failure: Option<&Failure>, show_values: bool, body: Value) -> Value {
    framed(kind, exit, failure.map_or(Value::Null, |failure| failure_json(failure, show_values)), body)
}

/// Returns the result of a command that failed before it had another.
fn error_report(failure: &Failure, show_values: bool) -> Value {
    framed("error_report", failure.exit(), failure_json(failure, show_values), json!({}))
}

/// Prints the failure as the result for scripts, unless a result was printed.
pub fn print_error_report(ui: &Ui, failure: &Failure) {
    let report = error_report(failure, ui.shows_values());
    ui.keep_result(&report);
    if ui.output() == OutputFormat::Json && !ui.has_printed() {
        // Where stdout cannot be written, stderr still has the error.
        let _ = ui.json(&report);
    }
}

/// Returns the result of arguments that cannot be used.
pub fn usage_report(message: &str, hint: Option<&str>) -> Value {
    framed("error_report", Exit::Usage, error_json(FailureCode::Usage.into(), message, hint), json!({}))
}

pub fn failure_json(failure: &Failure, show_values: bool) -> Value {
    match failure {
        Failure::Stop(stop) => stop_json(stop, show_values),
        Failure::Input(InputError::Header(findings)) => {
            let lines: Vec<String> = findings.iter().map(|finding: &Finding| finding_line(finding)).collect();
            error_json(failure.code(), &lines.join("; "), failure.hint())
        }
        _ => error_json(failure.code(), &failure.to_string(), failure.hint()),
    }
}

pub fn stop_json(stop: &StopError, show_values: bool) -> Value {
    let hint = stop.hides_message(show_values).then_some(HIDDEN_MESSAGES_HINT);
    error_json(stop.cause.into(), &stop.printable_detail(show_values), hint)
}

fn error_json(code: ErrorCode, message: &str, hint: Option<&str>) -> Value {
    json!({ "code": code.as_str(), "message": message, "hint": hint })
}
