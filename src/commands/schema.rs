//! `schema`: prints the JSON Schemas of results and events. They are the files of `docs/schemas`.

use clap::Args;
use serde_json::{Value, json};

use super::shared::result::result_json;
use super::shared::{CommandContext, Failure};
use crate::domain::nearest::did_you_mean;
use crate::exit::Exit;
use crate::ui::OutputFormat;

/// Print the JSON Schema of a command's result, or of the events on stderr
///
/// The schemas are of draft 2020-12. Every result of --output json and every line of --log-format json is valid
/// against its schema.
#[derive(Debug, Args)]
#[command(after_help = "Example: cognito-link schema link > link.schema.json")]
pub struct SchemaArgs {
    /// Command, `error` or `event`; without one, the names are listed
    pub name: Option<String>,
}

/// Names with the value of `kind` in the result, and the schema.
pub const SCHEMAS: [(&str, &str, &str); 21] = [
    ("validate", "validate_report", include_str!("../../docs/schemas/validate.json")),
    ("doctor", "doctor_report", include_str!("../../docs/schemas/doctor.json")),
    ("probe", "probe_report", include_str!("../../docs/schemas/probe.json")),
    ("link", "run_report", include_str!("../../docs/schemas/link.json")),
    ("reconcile", "reconcile_report", include_str!("../../docs/schemas/reconcile.json")),
    ("export", "export_report", include_str!("../../docs/schemas/export.json")),
    ("duplicates", "duplicates_report", include_str!("../../docs/schemas/duplicates.json")),
    ("undo", "run_report", include_str!("../../docs/schemas/undo.json")),
    ("report", "ledger_report", include_str!("../../docs/schemas/report.json")),
    ("verify", "verify_report", include_str!("../../docs/schemas/verify.json")),
    ("control", "run_state", include_str!("../../docs/schemas/control.json")),
    ("plan", "plan_approval", include_str!("../../docs/schemas/plan.json")),
    ("explain", "explain_report", include_str!("../../docs/schemas/explain.json")),
    ("template", "template_report", include_str!("../../docs/schemas/template.json")),
    ("policy", "policy_report", include_str!("../../docs/schemas/policy.json")),
    ("completions", "completions_report", include_str!("../../docs/schemas/completions.json")),
    ("man", "man_report", include_str!("../../docs/schemas/man.json")),
    ("schema", "schema_report", include_str!("../../docs/schemas/schema.json")),
    ("simulate", "simulate_report", include_str!("../../docs/schemas/simulate.json")),
    ("error", "error_report", include_str!("../../docs/schemas/error.json")),
    ("event", "", include_str!("../../docs/schemas/event.json")),
];

pub fn cmd_schema(args: &SchemaArgs, context: &CommandContext<'_>) -> Result<Exit, Failure> {
    let names = SCHEMAS.map(|(name, ..)| name);
    let text_or_failure = |name: &str| {
        text_of(name).ok_or_else(|| {
            let near = did_you_mean(name, names.into_iter());
            Failure::Usage(format!("no schema has the name '{name}'; there are: {}{near}", names.join(", ")))
        })
    };
    let text = args.name.as_deref().map(text_or_failure).transpose()?;
    match (text, context.ui.output()) {
        (text, OutputFormat::Json) => {
            let schema: Value = text.map_or(Ok(Value::Null), serde_json::from_str).map_err(std::io::Error::from)?;
            let body = json!({ "schemas": names, "schema": schema });
            context.ui.json(&result_json("schema_report", Exit::Success, body))?;
        }
        (Some(text), OutputFormat::Text) => context.ui.data(text)?,
        (None, OutputFormat::Text) => context.ui.data(&(names.join("\n") + "\n"))?,
    }
    Ok(Exit::Success)
}

fn text_of(name: &str) -> Option<&'static str> {
    SCHEMAS.into_iter().find(|(known, ..)| *known == name).map(|(.., text)| text)
}
