//! `template`: prints an example of an input, which `validate` accepts.

use clap::Args;
use serde_json::{Map, Value, json};

use super::shared::result::result_json;
use super::shared::{CommandContext, Failure, InputArgs};
use crate::exit::Exit;
use crate::input::{Format, Preset};
use crate::ui::OutputFormat;

/// Print an example of an input, which `validate` accepts
#[derive(Debug, Args)]
#[command(after_help = "Example: cognito-link template csv > pairs.csv")]
pub struct TemplateArgs {
    /// Format of the example
    #[arg(value_enum)]
    pub format: Format,
    /// Product whose export the example imitates
    #[arg(long, value_enum, value_name = "PRODUCT")]
    pub preset: Option<Preset>,
}

pub fn cmd_template(args: &TemplateArgs, context: &CommandContext<'_>) -> Result<Exit, Failure> {
    let example = example_of(args.preset);
    let text = match args.format {
        Format::Csv => example.to_owned(),
        Format::Jsonl => jsonl_text(example).map_err(std::io::Error::from)?,
    };
    match context.ui.output() {
        OutputFormat::Text => context.ui.data(&text)?,
        OutputFormat::Json => {
            context.ui.json(&result_json("template_report", Exit::Success, json!({ "template": text })))?;
        }
    }
    let reading = InputArgs { preset: args.preset, ..InputArgs::default() }.on_command_line();
    let extension = match args.format {
        Format::Csv => "csv",
        Format::Jsonl => "jsonl",
    };
    context
        .ui
        .hint(&format!("write it to a file, then check that file: `cognito-link validate pairs.{extension}{reading}`"));
    Ok(Exit::Success)
}

/// Returns an export as CSV, with the columns that it lacks: the provider, and for Entra the identities. Without a preset,
/// one user is named by user name, one by e-mail address, and one has a SAML `NameID`. Nobody in them is real.
fn example_of(preset: Option<Preset>) -> &'static str {
    match preset {
        None => include_str!("template/canonical.csv"),
        Some(Preset::Auth0) => include_str!("template/auth0.csv"),
        Some(Preset::Okta) => include_str!("template/okta.csv"),
        Some(Preset::Entra) => include_str!("template/entra.csv"),
        Some(Preset::Google) => include_str!("template/google.csv"),
        Some(Preset::Keycloak) => include_str!("template/keycloak.csv"),
        Some(Preset::Cognito) => include_str!("template/cognito.csv"),
    }
}

/// JSON lines have no member for an empty value.
fn jsonl_text(example: &str) -> csv::Result<String> {
    let mut reader = csv::Reader::from_reader(example.as_bytes());
    let header = reader.headers()?.clone();
    let mut lines = String::new();
    for row in reader.records() {
        let mut object = Map::new();
        for (name, text) in header.iter().zip(&row?).filter(|(_, text)| !text.is_empty()) {
            insert_nested(&mut object, name, json_value(name, text));
        }
        lines.push_str(&Value::Object(object).to_string());
        lines.push('\n');
    }
    Ok(lines)
}

/// Exports have these as true and false.
fn json_value(name: &str, text: &str) -> Value {
    match (name, text) {
        ("suspended" | "enabled", "true" | "false") => Value::Bool(text == "true"),
        _ => Value::from(text),
    }
}

/// Inserts `profile.email` as the member `email` of the object `profile`. Names with an array index stay as they are.
fn insert_nested(object: &mut Map<String, Value>, name: &str, value: Value) {
    let nested = name.split_once('.').filter(|(outer, _)| !outer.contains('['));
    if let Some((outer, inner)) = nested
        && let Some(within) = object.entry(outer).or_insert_with(|| Value::Object(Map::new())).as_object_mut()
    {
        within.insert(inner.to_owned(), value);
    } else {
        object.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{InputOptions, InputReader, InputSource};

    #[test]
    fn every_example_has_no_finding_and_the_same_links_in_both_formats() {
        let presets = Preset::ALL.iter().copied().map(Some).chain([None]);
        for preset in presets {
            let example = example_of(preset);
            let links = [example, &jsonl_text(example).unwrap()].map(|text| {
                let source = InputSource::spool("example", text.as_bytes()).unwrap();
                let rows = InputReader::new(&source, &InputOptions { preset, ..InputOptions::default() }).unwrap();
                let records: Vec<_> = rows.map(Result::unwrap).collect();
                assert!(records.iter().all(|record| record.findings.is_empty()), "{text}{records:?}");
                records.into_iter().map(|record| record.link.unwrap()).collect::<Vec<_>>()
            });
            assert!(links[0] == links[1] && links[0].len() >= 2, "{preset:?}");
        }
        assert!(jsonl_text(example_of(Some(Preset::Okta))).unwrap().contains(r#""profile":{"login""#));
    }
}
