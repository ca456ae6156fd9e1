//! Checks JSON against the schemas of docs/schemas. It knows the keywords that these use, and refuses any other, so that
//! nothing goes unchecked; `tests/clients/machine.py` checks the same with an independent validator.

use std::sync::OnceLock;

use cognito_link::commands::schema::SCHEMAS;
use serde_json::{Value, json};

/// The schema with this name.
pub(crate) fn schema(name: &str) -> &'static Value {
    static PARSED: OnceLock<Vec<(&'static str, Value)>> = OnceLock::new();
    let parse =
        |(name, _, text): (&'static str, &str, &str)| (name, serde_json::from_str(text).expect("a schema is JSON"));
    let all = PARSED.get_or_init(|| SCHEMAS.into_iter().map(parse).collect());
    &all.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no schema {name}")).1
}

/// Whether this is a command whose result has a schema.
pub(crate) fn is_command(name: &str) -> bool {
    SCHEMAS.iter().any(|(known, ..)| *known == name)
}

/// What is wrong with a value, as paths with reasons; empty where nothing is.
pub(crate) fn violations(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, schema, value, "$", &mut found);
    found
}

/// As [`violations`], of a definition of the schema.
pub(crate) fn violations_of(schema: &Value, definition: &str, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, &json!({ "$ref": format!("#/$defs/{definition}") }), value, "$", &mut found);
    found
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let Value::Object(keywords) = schema else { panic!("a schema is an object: {schema}") };
    for (keyword, rule) in keywords {
        match keyword.as_str() {
            "$ref" => {
                let pointer = rule.as_str().and_then(|rule| rule.strip_prefix('#')).expect("a local reference");
                let target = root.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}"));
                check(root, target, value, at, found);
            }
            "type" => {
                let types = rule.as_array().map_or_else(|| vec![rule], |types| types.iter().collect());
                if !types.iter().any(|name| has_type(value, name.as_str().unwrap())) {
                    found.push(format!("{at} is not {rule}: {value}"));
                }
            }
            "const" if rule != value => found.push(format!("{at} is not {rule}: {value}")),
            "enum" if !rule.as_array().unwrap().contains(value) => {
                found.push(format!("{at} is none of {rule}: {value}"));
            }
            "minimum" if value.as_f64() < rule.as_f64() && value.is_number() => {
                found.push(format!("{at} is low: {value}"));
            }
            "maximum" if value.as_f64() > rule.as_f64() && value.is_number() => {
                found.push(format!("{at} is high: {value}"));
            }
            "$schema" | "$id" | "title" | "description" | "$defs" | "const" | "enum" | "minimum" | "maximum" => {}
            "pattern" => {
                if let Some(text) = value.as_str()
                    && !matches_pattern(text, rule.as_str().unwrap())
                {
                    found.push(format!("{at} does not match {rule}: {value}"));
                }
            }
            "required" => {
                let names = rule.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
                let missing = names.filter(|name| value.is_object() && value.get(name).is_none());
                found.extend(missing.map(|name| format!("{at} lacks {name}")));
            }
            "properties" | "additionalProperties" => {
                let known = keywords.get("properties").and_then(Value::as_object);
                for (name, member) in value.as_object().into_iter().flatten() {
                    let at = format!("{at}.{name}");
                    match (keyword.as_str(), known.and_then(|known| known.get(name))) {
                        ("properties", Some(rule)) => check(root, rule, member, &at, found),
                        ("additionalProperties", None) if rule == &Value::Bool(false) => {
                            found.push(format!("{at} is not known"));
                        }
                        ("additionalProperties", None) => check(root, rule, member, &at, found),
                        _ => {}
                    }
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, rule, item, &format!("{at}[{index}]"), found);
                }
            }
            "oneOf" => {
                let failures: Vec<Vec<String>> = rule
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|rule| {
                        let mut found = Vec::new();
                        check(root, rule, value, at, &mut found);
                        found
                    })
                    .collect();
                if failures.iter().filter(|failure| failure.is_empty()).count() != 1 {
                    // The nearest alternative says most.
                    found.extend(failures.into_iter().min_by_key(Vec::len).unwrap_or_default());
                }
            }
            other => panic!("the keyword {other} of a schema is not checked"),
        }
    }
}

fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type {other}"),
    }
}

fn matches_pattern(text: &str, pattern: &str) -> bool {
    let is_hex =
        |digits: usize| text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    match pattern {
        "^[0-9a-f]{64}$" => is_hex(64),
        "^[0-9a-f]{16}$" => is_hex(16),
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$" => {
            let shape: String = text.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
            shape == "0000-00-00T00:00:00.000Z"
        }
        other => panic!("the pattern {other} is not checked"),
    }
}
