//! `template`: prints an example of an input, which `validate` accepts.

use clap::Args;
use serde_json::{Map, Value};

use super::shared::{CommandContext, Failure};
use crate::exit::Exit;
use crate::input::{Format, Preset};

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
    let example = args.preset.map_or(CANONICAL, example_of);
    context.ui.data(&match args.format {
        Format::Csv => csv_text(&example),
        Format::Jsonl => jsonl_text(&example),
    })?;
    Ok(Exit::Success)
}

/// A header and a few rows. Nobody in them is real.
struct Example {
    header: &'static [&'static str],
    rows: &'static [&'static [&'static str]],
}

/// A user named by user name, one by e-mail address, and one whose identity is a SAML `NameID`.
const CANONICAL: Example = Example {
    header: &["destination_username", "destination_email", "source_provider", "source_value", "note"],
    rows: &[
        &["person-0001", "", "Google", "118234567890123456789", "by user name"],
        &["", "person-0002@example.com", "Okta", "00u1a2B3c4D5e6F7g8h9", "by e-mail address, which is looked up"],
        &["person-0003", "", "Corp", "person-0003@example.com", "a SAML NameID"],
    ],
};

/// Returns an export with the columns that it lacks: the provider, and for Entra the identities.
fn example_of(preset: Preset) -> Example {
    match preset {
        Preset::Auth0 => AUTH0,
        Preset::Okta => OKTA,
        Preset::Entra => ENTRA,
        Preset::Google => GOOGLE,
        Preset::Keycloak => KEYCLOAK,
        Preset::Cognito => COGNITO,
    }
}

const AUTH0: Example = Example {
    header: &["user_id", "email", "name", "identities[0].connection", "source_provider"],
    rows: &[
        &[
            "auth0|5f7c8ec7c33c6c004bbafe82",
            "person-0001@example.com",
            "Person, the first",
            "Username-Password-Authentication",
            "Auth0",
        ],
        &[
            "google-oauth2|118234567890123456789",
            "person-0002@example.com",
            "Person the second",
            "google-oauth2",
            "Auth0",
        ],
    ],
};

const OKTA: Example = Example {
    header: &["id", "status", "profile.login", "profile.email", "source_provider"],
    rows: &[
        &["00u1a2B3c4D5e6F7g8h9", "ACTIVE", "person-0001@example.com", "person-0001@example.com", "Okta"],
        &["00u9h8G7f6E5d4C3b2A1", "ACTIVE", "person-0002@example.com", "person-0002@example.com", "Okta"],
    ],
};

const ENTRA: Example = Example {
    header: &["userPrincipalName", "displayName", "mail", "objectId", "source_provider", "source_value"],
    rows: &[
        &[
            "person-0001@corp.example.com",
            "Person, the first",
            "person-0001@example.com",
            "6e7f1a52-93c4-4d0b-a8f1-2b7d9c3e5f60",
            "Corp",
            "person-0001@corp.example.com",
        ],
        &[
            "person-0002_example.org#EXT#@corp.example.com",
            "Person the second",
            "person-0002@example.org",
            "0c9d8e7f-6a5b-4c3d-a2e1-f0a9b8c7d6e5",
            "Corp",
            "person-0002_example.org#EXT#@corp.example.com",
        ],
    ],
};

const GOOGLE: Example = Example {
    header: &["id", "primaryEmail", "suspended"],
    rows: &[
        &["118234567890123456789", "person-0001@example.com", "false"],
        &["109876543210987654321", "person-0002@example.com", "false"],
    ],
};

const KEYCLOAK: Example = Example {
    header: &["id", "username", "email", "enabled", "source_provider"],
    rows: &[
        &["4f2d8c1e-7a6b-4e5d-a9c8-1b2a3c4d5e6f", "person-0001", "person-0001@example.com", "true", "Keycloak"],
        &["b7a6c5d4-e3f2-4a1b-ac9d-8e7f6a5b4c3d", "person-0002", "person-0002@example.com", "true", "Keycloak"],
    ],
};

const COGNITO: Example = Example {
    header: &["Username", "email", "identities.providerName", "identities.userId"],
    rows: &[
        &["person-0001", "person-0001@example.com", "Google", "118234567890123456789"],
        &["okta_00u1a2b3c4d5e6f7g8h9", "person-0002@example.com", "Okta", "00u1a2B3c4D5e6F7g8h9"],
    ],
};

fn csv_text(Example { header, rows }: &Example) -> String {
    let line = |fields: &&[&str]| fields.iter().map(|field| quoted(field)).collect::<Vec<_>>().join(",") + "\n";
    std::iter::once(header).chain(*rows).map(line).collect()
}

fn quoted(field: &str) -> String {
    if field.contains([',', '"']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.to_owned() }
}

/// JSON lines have no member for an empty value.
fn jsonl_text(Example { header, rows }: &Example) -> String {
    let object = |row: &&[&str]| {
        let mut object = Map::new();
        for (name, text) in header.iter().zip(*row).filter(|(_, text)| !text.is_empty()) {
            insert_nested(&mut object, name, json_value(name, text));
        }
        format!("{}\n", Value::Object(object))
    };
    rows.iter().map(object).collect()
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
            let example = preset.map_or(CANONICAL, example_of);
            let links = [csv_text(&example), jsonl_text(&example)].map(|text| {
                let source = InputSource::spool("example", text.as_bytes()).unwrap();
                let rows = InputReader::new(&source, &InputOptions { preset, ..InputOptions::default() }).unwrap();
                let records: Vec<_> = rows.map(Result::unwrap).collect();
                assert!(records.iter().all(|record| record.findings.is_empty()), "{text}{records:?}");
                records.into_iter().map(|record| record.link.unwrap()).collect::<Vec<_>>()
            });
            assert!(links[0] == links[1] && links[0].len() >= 2, "{preset:?}");
        }
        assert!(jsonl_text(&OKTA).contains(r#""profile":{"login""#));
    }
}
