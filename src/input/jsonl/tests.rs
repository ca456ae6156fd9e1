use proptest::prelude::*;

use super::*;
use crate::input::testing::{codes, options, places, reader, records, values};
use crate::input::{Format, InputOptions};

const VALID: &str = r#"{"username":"carlos","provider":"Google","source_value":"1098421"}"#;

#[test]
fn flat_names_and_the_request_shape_give_the_same_link() {
    let dotted = r#"{"DestinationUser.ProviderAttributeValue":"carlos","SourceUser.ProviderName":"Google",
        "SourceUser.ProviderAttributeValue":"1098421"}"#;
    let request = r#"{"UserPoolId":"us-east-1_Abc","DestinationUser":{"ProviderName":"Cognito",
        "ProviderAttributeName":"Cognito_Subject","ProviderAttributeValue":"carlos"},"SourceUser":
        {"ProviderName":"Google","ProviderAttributeName":"Cognito_Subject","ProviderAttributeValue":"1098421"}}"#;
    let link = |line: &str| records(line.replace('\n', " "))[0].link.clone().unwrap();
    assert_eq!(link(dotted), link(VALID));
    assert_eq!(link(request), link(VALID));
    assert_eq!(link(r#" {"SUB":"5","IDP":"Okta","Name_Id":"A\u00e9\"\\"} "#).source.value().expose(), "Aé\"\\");
}

#[test]
fn lines_are_counted_and_empty_ones_passed_over() {
    let text = format!("\n{VALID}\r\n \t\r\n\n{VALID}");
    let mut rows = reader(&text, &InputOptions::default()).unwrap();
    assert_eq!((rows.layout().format, rows.layout().names.len()), (Format::Jsonl, 0));
    let lines: Vec<_> =
        rows.by_ref().map(|record| record.unwrap()).map(|record| (record.number.0, record.line)).collect();
    assert_eq!((lines, rows.blank_lines()), (vec![(1, 2), (2, 5)], 3));
}

#[test]
fn faults_are_told_at_their_line_and_member() {
    let table = [
        (r#"{"username":"a","provider":"Google","source_value":1098421}"#, "number_damaged 2:3"),
        (r#"{"username":-1.5,"provider":"Google","source_value":"1"}"#, "number_damaged 2:1"),
        (r#"{"username":"a","provider":true,"source_value":"1"}"#, "invalid_json 2:2"),
        (r#"{"username":"a","provider":["Google"],"source_value":"1"}"#, "invalid_json 2:2"),
        (r#"{"username":"a","provider":"Google","source_value":{"provider":"x"}}"#, "invalid_json 2:3"),
        (r#"{"username":"a","provider":"Google","source_value":null}"#, "missing_value 2:0"),
        (r#"{"username":"a","provider":"Google","source_value":""}"#, "missing_value 2:3"),
        (r#"{"username":"a","provider":"Google"}"#, "missing_value 2:0"),
        (r#"{"username":"a","provider":"Google","source_value":"1 "}"#, "surrounding_space 2:3"),
        (r#"{"username":"a","provider":"Google","source_value":"1\u0000"}"#, "control_character 2:3"),
        (
            r#"{"a":{"b":{"c":1}},"SourceUser":{"ProviderName":7},"username":"a","source_value":"1"}"#,
            "number_damaged 2:2",
        ),
        (r#"{"username":"a","provider":"Google","source_value":"1","cognito_username":"b"}"#, "duplicate_column 2:1"),
        (r#"{"username":"a","username":"a","provider":"Google","source_value":"1"}"#, "duplicate_column 2:1"),
        (r#"{"username":"a""#, "invalid_json 2:0"),
        (r#"{"username":"a"} x"#, "invalid_json 2:0"),
        (r#"["username"]"#, "invalid_json 2:0"),
        ("7", "invalid_json 2:0"),
        ("nonsense", "invalid_json 2:0"),
    ];
    for (line, place) in table {
        assert_eq!(places(format!("{VALID}\n{line}\n{VALID}")), [place], "{line}");
    }
    let latin = [VALID.as_bytes(), b"\n{\"note\":\"\xff\"}\n"].concat();
    assert_eq!(places(latin), ["invalid_utf8 2:0"]);
}

#[test]
fn a_number_that_was_never_a_text_cannot_be_allowed() {
    let allow = vec![FindingCode::NumberDamaged, FindingCode::ProviderPrefix];
    let allowing = InputOptions { allow, ..InputOptions::default() };
    let text = r#"{"username":"a","provider":"Corp","source_value":109842123456789000000}
        {"username":"a","provider":"Corp","source_value":"auth0|109842123456789000000"}
        {"username":"a","provider":"Corp","source_value":"109842123456789000000"}"#;
    let rows: Vec<_> = reader(text, &allowing).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.iter().map(|row| row.link.is_some()).collect::<Vec<_>>(), [false, true, true]);
    let severities: Vec<_> = rows.iter().map(|row| row.findings[0].severity.as_str()).collect();
    assert_eq!(severities, ["error", "warning", "warning"]);
    assert!(!rows[0].findings[0].message.contains("--allow"));
}

#[test]
fn null_is_no_value_and_no_duplicate() {
    let text = r#"{"username":null,"cognito_username":"a","provider":"Google","source_value":"1","email":null}"#;
    assert_eq!(values(text), ["1"]);
}

#[test]
fn names_inside_arrays_and_unknown_members_mean_nothing() {
    let text = r#"{"users":[{"username":"x","source_value":9}],"n":1.5,"b":true,"o":{"username":"y","z":[[]]},
        "username":"a","provider":"Google","source_value":"1"}"#;
    assert_eq!(values(text.replace('\n', " ")), ["1"]);
}

#[test]
fn nesting_is_bounded() {
    let nested = |open: &str, close: &str, depth: usize| {
        let (open, close) = (open.repeat(depth), close.repeat(depth));
        VALID.replacen('{', &format!("{{\"n\":{open}0{close},"), 1)
    };
    assert_eq!(values(nested("[", "]", JSON_DEPTH_MAX - 1)), ["1098421"]);
    assert_eq!(values(nested("{\"m\":", "}", JSON_DEPTH_MAX - 1)), ["1098421"]);
    for line in [nested("[", "]", JSON_DEPTH_MAX), nested("{\"m\":", "}", JSON_DEPTH_MAX), nested("[", "]", 20_000)] {
        let record = &records(&line)[0];
        assert_eq!(codes(record), ["invalid_json"]);
        assert_eq!(record.findings[0].message, "is nested deeper than 16 levels");
    }
}

#[test]
fn a_line_of_any_length_costs_one_row() {
    for long in [RECORD_BYTES_MAX, 1_000_000] {
        let long = VALID.replace("carlos", &"x".repeat(long));
        let text = format!("{VALID}\n{long}\n{VALID}\n");
        assert_eq!(places(&text), ["record_too_long 2:0"]);
        assert_eq!(records(&text)[2].line, 3);
    }
}

#[test]
fn options_name_members_by_path() {
    let options = options(
        &[(Column::SourceValue, "profile.login"), (Column::DestinationUsername, "ID")],
        &[(Column::SourceProvider, "Okta")],
    );
    let text = r#"{"id":"00u1","profile":{"login":"carlos","email":"x"}}"#;
    let link = reader(text, &options).unwrap().next().unwrap().unwrap().link.unwrap();
    assert_eq!((link.destination.value().expose(), link.source.value().expose()), ("00u1", "carlos"));
    assert_eq!(link.source.provider().as_str(), "Okta");
    let both = r#"{"id":"00u1","profile":{"login":"carlos"},"idp":"Google"}"#;
    let record = reader(both, &options).unwrap().next().unwrap().unwrap();
    assert_eq!((codes(&record), record.link), (vec!["duplicate_column"], None));
    assert_eq!(record.findings[0].message, "--set source_provider and the row both give it; remove one of them");
}

#[test]
fn a_mapped_member_is_found_inside_a_known_name() {
    let options = options(
        &[(Column::SourceValue, "sub.id"), (Column::DestinationUsername, "idp[0]")],
        &[(Column::SourceProvider, "Okta")],
    );
    let record = reader(r#"{"sub":{"id":"00u1"},"idp":["carlos"]}"#, &options).unwrap().next().unwrap().unwrap();
    assert_eq!(codes(&record), [""; 0]);
    let link = record.link.unwrap();
    assert_eq!((link.destination.value().expose(), link.source.value().expose()), ("carlos", "00u1"));
    let text = reader(r#"{"sub":"5"}"#, &options).unwrap().next().unwrap().unwrap();
    assert!(text.link.is_none(), "a text has no member");
}

#[test]
fn messages_hold_no_value() {
    for line in ["{\"username\":\"Zebra\" \"Zebra\"}", "\"Zebra\"", "{\"Zebra", "Zebra"] {
        let text = format!("{VALID}\n{line}");
        let record = &records(text)[1];
        assert!(
            !record.findings.is_empty() && record.findings.iter().all(|finding| !finding.message.contains("Zebra"))
        );
    }
}

/// A path of a member, as `--map` names it.
fn path() -> impl Strategy<Value = Vec<PathStep>> {
    let name = "[a-z]{1,3}".prop_map(PathStep::Member);
    let step = prop_oneof![2 => name.clone(), 1 => (0_usize..3).prop_map(PathStep::Item)];
    (name, prop::collection::vec(step, 0..5)).prop_map(|(first, rest)| [vec![first], rest].concat())
}

#[derive(Debug, Clone)]
enum PathStep {
    Member(String),
    Item(usize),
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// A value of any text is found at any path, whatever is next to it, and is the text that `serde_json` wrote.
    #[test]
    fn a_mapped_member_is_found_at_any_path(path in path(), text in "[^\\pC\\s]{1,8}", pretty in any::<bool>()) {
        let other = || serde_json::json!({"username": 7, "x": [{"idp": true}]});
        let (mut name, mut value) = (String::new(), serde_json::Value::from(text.clone()));
        for step in &path {
            match step {
                PathStep::Member(member) if name.is_empty() => name.push_str(member),
                PathStep::Member(member) => name.extend([".", member]),
                PathStep::Item(index) => name.extend(["[", &index.to_string(), "]"]),
            }
        }
        for step in path.iter().rev() {
            value = match step {
                PathStep::Member(member) => {
                    let mut object = serde_json::json!({"idp0": other()});
                    object[member.as_str()] = value;
                    object
                }
                PathStep::Item(index) => {
                    let mut items = vec![other(); *index];
                    items.extend([value, other()]);
                    items.into()
                }
            };
        }
        let names = options(&[(Column::SourceValue, &name)], &[(Column::SourceProvider, "Corp"), (Column::DestinationUsername, "a")]);
        let line = if pretty { serde_json::to_string_pretty(&value).unwrap().replace('\n', " ") } else { value.to_string() };
        let mut parser = JsonlParser::default();
        let names = ColumnNames::new(&names).unwrap();
        let parsed = parser.parse(line.as_bytes(), &names);
        prop_assert!(parsed.fault.is_none() && parsed.is_whole, "{}", line);
        prop_assert_eq!(parser.values(&names).texts[Column::SourceValue.index()], text.as_bytes(), "{} in {}", name, line);
    }

    /// Any line is one object for `serde_json`, or has a fault.
    #[test]
    fn a_line_is_an_object_or_has_a_fault(line in r#"(\{?("a"|:|1|,|\[|\]|null|"\\u00e9"|\{|\}| |"){0,9}\}?)"#) {
        let line = line.trim();
        let names = ColumnNames::new(&InputOptions::default()).unwrap();
        let parsed = JsonlParser::default().parse(line.as_bytes(), &names);
        let is_object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(line).is_ok();
        prop_assert_eq!(parsed.fault.is_none(), is_object, "{}", line);
    }
}
