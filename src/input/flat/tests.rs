use std::fmt::Write as _;

use super::super::columns::InputOptions;
use super::super::harvest::Harvest;
use super::super::preset::Preset;
use super::super::sound::sound;
use super::*;
use crate::domain::row::RowNumber;
use crate::seed::Rng;

/// Whether the quick way was taken to the end, after holding it against what the parser and the checks say.
fn is_quick(flat: &mut Flat, line: &str, naming: &Naming) -> bool {
    let values = flat.read(line.as_bytes(), naming);
    let quick = values.and_then(|values| sound(|column| values[column.index()]));
    let mut harvest = Harvest::new(naming, String::new());
    let read = harvest.read(line);
    assert!(values.is_none() || read.is_ok(), "{line}: {read:?}");
    if quick.is_some() {
        harvest.judge(RowNumber(1), 1, None, |glimpse| {
            assert!(glimpse.asked == quick && glimpse.findings.is_empty(), "{line}: {:?}", glimpse.findings);
        });
    }
    quick.is_some()
}

fn pick<'a>(rng: &mut Rng, from: &[&'a str]) -> &'a str {
    from[usize::try_from(rng.below(from.len() as u64)).unwrap()]
}

fn line(rng: &mut Rng) -> String {
    let names =
        ["username", "IDP", "name_id", "email", "source_attribute", "note", "", "user\\u006eame", "a\"b", "é", "sub"];
    let values = [
        "\"carlos\"",
        "\"Okta\"",
        "\"1x\"",
        "\"\"",
        "true",
        "null",
        "nul",
        "7",
        "-1.5e3",
        "{\"sub\":\"x\"}",
        "[\"a\"]",
        "\"a\\\"b\"",
        "\"é\"",
        "\"a\tb\"",
        "\"open",
        "\" x\"",
        "\"Cognito_Subject\"",
        "x",
    ];
    let odd = |rng: &mut Rng| rng.chance(0.03);
    let mut line = String::from(if odd(rng) { " { " } else { "{" });
    let usual = ["username", "idp", "name_id", "note"];
    for (at, usual) in usual.iter().enumerate().take(if odd(rng) { 2 } else { 4 }) {
        let comma = if odd(rng) { pick(rng, &["", ",,", ", "]) } else { "," };
        line.push_str(if at > 0 { comma } else { "" });
        let name = if odd(rng) { pick(rng, &names) } else { usual };
        let colon = if odd(rng) { pick(rng, &["", " : ", "::"]) } else { ":" };
        let sound = ["\"carlos\"", "\"Okta\"", "\"1x\"", "false"][at];
        let value = if odd(rng) { pick(rng, &values) } else { sound };
        write!(line, "\"{name}\"{colon}{value}").unwrap();
    }
    line.push_str(if odd(rng) { pick(rng, &["", "} ", "} x", "}}", ",}", "]", "}\t"]) } else { "}" });
    line
}

#[test]
fn a_plain_line_reads_as_the_parser_reads_it() {
    let mut rng = Rng::new(31);
    let preset = InputOptions { preset: Some(Preset::ALL[0]), ..InputOptions::default() };
    let constant = InputOptions { set: vec![(Column::SourceAttribute, "email".into())], ..InputOptions::default() };
    for options in [InputOptions::default(), constant, preset] {
        let naming = Naming::new(&options).unwrap();
        let mut flat = Flat::default();
        let quick = (0..20_000).filter(|_| is_quick(&mut flat, &line(&mut rng), &naming)).count();
        assert!(options.preset.is_some() || (5_000..19_000).contains(&quick), "{quick}");
    }
}

#[test]
fn the_members_of_another_line_are_not_those_of_the_last() {
    let naming = Naming::new(&InputOptions::default()).unwrap();
    let mut flat = Flat::default();
    for line in [
        r#"{"username":"a","idp":"Okta","name_id":"1x"}"#,
        r#"{"idp":"Okta","username":"a","name_id":"1x"}"#,
        r#"{"note":"x","idp":"Okta","sub":"a","name_id":"1x"}"#,
        r#"{"usernames":"x","idp":"Okta","sub":"a","name_id":"1x","more":null}"#,
        r#" { "username" : "a" , "idp" : "Okta" , "name_id" : "1x" } "#,
    ] {
        assert!(is_quick(&mut flat, line, &naming), "{line}");
    }
    for line in [
        "{}",
        "{",
        r#"{"username":"a","idp":"Okta","name_id":"1x""#,
        r#"{"username":"a","idp":"Okta","name_id":"1x"},"#,
        r#"{"username":"a","username":"b","idp":"Okta","name_id":"1x"}"#,
        r#"{"username":"a","idp":"Okta","name_id":"1\u0078"}"#,
    ] {
        assert!(!is_quick(&mut flat, line, &naming), "{line}");
    }
    let many = (0..=PLAIN_MEMBERS_MAX).map(|at| format!("\"x{at}\":null")).collect::<Vec<_>>().join(",");
    assert!(flat.read(format!("{{{many}}}").as_bytes(), &naming).is_none() && flat.members.len() <= PLAIN_MEMBERS_MAX);
}
