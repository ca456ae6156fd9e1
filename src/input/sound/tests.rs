use std::borrow::Cow;

use super::super::check::{Report, Values, asked_of};
use super::*;
use crate::domain::finding::Finding;
use crate::domain::row::RowNumber;
use crate::seed::Rng;

type Texts = [String; Column::ALL.len()];

/// What the checks say, which are the only judges.
fn slowly(texts: &Texts) -> (bool, Vec<Finding>) {
    let mut values = Values::default();
    for (column, text) in Column::ALL.into_iter().zip(texts) {
        values.put(column, Cow::Borrowed(text.as_str()));
    }
    let locate = |column: Column| (0, column.name().to_owned());
    let mut report = Report::new(RowNumber(1), 2, &locate, &[]);
    let slow = asked_of(&values, &mut report);
    let quick = quickly(texts);
    let agree = quick.is_none() || slow == quick;
    (agree, report.into_findings())
}

fn quickly(texts: &Texts) -> Option<Asked<'_>> {
    sound(|column| texts[column.index()].as_bytes())
}

/// Most of the time a likely value, and now and then an odd one.
fn value(rng: &mut Rng, likely: &[&str], odd: f64) -> String {
    let pick = |rng: &mut Rng, from: &[&str]| from[usize::try_from(rng.below(from.len() as u64)).unwrap()].to_owned();
    if !rng.chance(odd) {
        return pick(rng, likely);
    }
    let parts = [
        "a",
        "Z",
        "0",
        "000",
        "9",
        "_",
        "|",
        "@",
        ".",
        ",",
        " ",
        "e",
        "E+",
        "é",
        "\u{200b}",
        "\0",
        "\t",
        "google_",
        "auth0|",
        "Cognito",
        "x.com",
        "12345678901234567",
        "\u{7f}",
        "\"",
        "-",
        "okta_",
    ];
    let long = if rng.chance(0.1) { 60 } else { 4 };
    (0..rng.below(long)).map(|_| pick(rng, &parts)).collect()
}

fn row(rng: &mut Rng) -> Texts {
    let odd = 0.15;
    Column::ALL.map(|column| match column {
        Column::DestinationUsername => value(rng, &["carlos", "", "b284ae68-f515-4bb2-a25b-c5e752a3ca51"], odd),
        Column::DestinationEmail => value(rng, &["", "carlos@example.com"], odd),
        Column::DestinationSub => value(rng, &["", "b284ae68-f515-4bb2-a25b-c5e752a3ca51"], odd),
        Column::DestinationProvider => value(rng, &["", "", "Cognito", "Okta"], odd),
        Column::SourceProvider => value(rng, &["Google", "Okta", "Cognito", "Auth0", "my-idp"], odd),
        Column::SourceAttribute => value(rng, &["", "Cognito_Subject", "email", "custom:id"], odd),
        Column::SourceValue => value(rng, &["1098421", "00uLtmZo_P", "carla@example.com", "Carla@example.com"], odd),
    })
}

#[test]
fn what_is_sound_at_a_glance_is_sound_and_the_same() {
    let mut rng = Rng::new(23);
    let (mut quick, mut sound_rows) = (0, 0);
    for _ in 0..60_000 {
        let texts = row(&mut rng);
        let (agree, findings) = slowly(&texts);
        assert!(agree, "{texts:?}");
        sound_rows += u32::from(findings.is_empty());
        if quickly(&texts).is_some() {
            assert_eq!(findings.len(), 0, "{texts:?}: {findings:?}");
            quick += 1;
        }
    }
    assert!(quick * 3 > sound_rows && sound_rows < 40_000, "{quick} of {sound_rows}");
}

#[test]
fn what_exports_hold_needs_no_second_look() {
    for (provider, attribute, value) in [
        ("Google", "", "109842123456789000001"),
        ("Okta", "Cognito_Subject", "00uLtmZoPOMiUo3E9FJw"),
        ("EntraID", "", "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ"),
        ("EntraID", "", "a_b-c_d"),
        ("Corp", "email", "carlos@example.com"),
        ("Corp", "", "b284ae68-f515-4bb2-a25b-c5e752a3ca51"),
    ] {
        let mut texts = Texts::default();
        for (column, text) in [
            (Column::DestinationUsername, "Carlos"),
            (Column::SourceProvider, provider),
            (Column::SourceAttribute, attribute),
            (Column::SourceValue, value),
        ] {
            text.clone_into(&mut texts[column.index()]);
        }
        assert!(quickly(&texts).is_some(), "{provider} {attribute} {value}");
    }
}

#[test]
fn a_number_is_doubted_wherever_it_is_damaged() {
    let mut rng = Rng::new(29);
    let parts = ["1", "0", "000", "12345", "E", "e", "+", ".", ",", "x"];
    for _ in 0..20_000 {
        let length = 1 + rng.below(9);
        let text: String = (0..length).map(|_| parts[usize::try_from(rng.below(10)).unwrap()]).collect();
        assert!(identifier::number_damage(&text).is_none() || may_be_damaged(text.as_bytes()), "{text}");
    }
}
