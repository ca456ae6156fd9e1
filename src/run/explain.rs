//! `explain`, put together.

use serde_json::{Value, json};

use crate::command::Failure;
use crate::command::explain::{self, Explained};
use crate::exit::Exit;
use crate::ui::{OutputFormat, Ui};

pub(super) fn run(code: Option<&str>, ui: &Ui) -> Result<Exit, Failure> {
    let explained = match code {
        None => explain::all(),
        Some(code) => explain::explain(code).map_err(|near| {
            let near = if near.is_empty() { String::new() } else { format!("; similar: {}", near.join(", ")) };
            Failure::Usage(format!("there is no code of that name{near}; `cognito-link explain` lists all"))
        })?,
    };
    if ui.output() == OutputFormat::Json {
        ui.json(&Value::Array(explained.iter().map(object).collect()))?;
    } else {
        ui.data(&explained.iter().map(text).collect::<Vec<_>>().join("\n"))?;
    }
    Ok(Exit::Success)
}

fn object(one: &Explained) -> Value {
    let Explained { code, kind, meaning, why, advice } = one;
    json!({"code": code, "kind": kind, "meaning": meaning, "why": why, "advice": advice})
}

fn text(one: &Explained) -> String {
    let Explained { code, kind, meaning, why, advice } = one;
    format!("{code} ({kind})\n  {meaning}\n  Why: {why}\n  What to do: {advice}\n")
}
