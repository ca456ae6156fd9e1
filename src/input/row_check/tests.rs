use proptest::prelude::*;

use super::*;
use crate::domain::row::Link;
use crate::limits::{ATTRIBUTE_NAME_CHARS_MAX, PROVIDER_NAME_BELIEVED_CHARS_MAX, PROVIDER_NAME_CHARS_MAX};
use Column::{
    DestinationEmail, DestinationPhone, DestinationPreferredUsername, DestinationProvider, DestinationSub,
    DestinationUsername, SourceAttribute, SourceProvider, SourceValue,
};
use FindingCode::{
    AttributeNameInvalid, ControlCharacter, FilterTooLong, InvisibleCharacter, MissingValue, Mojibake, NumberDamaged,
    PhoneNumberInvalid, ProviderNameInvalid, ProviderNameLong, ProviderPrefix, SmartQuote, SocialAttribute,
    SourceIsNative, SourceTooLong, SpreadsheetMark, SurroundingSpace, UnlikeProvider, UppercaseEmailNameId,
    ValueTooLong,
};

type Pairs<'a> = &'a [(Column, &'a str)];

/// A valid row with some values changed: the link, and the codes with their columns.
fn check(changes: Pairs<'_>) -> (Option<Link>, Vec<(FindingCode, Column)>) {
    let (link, issues) = check_allowing(&[], changes);
    (link, issues.iter().map(|issue| (issue.code, issue.column.unwrap())).collect())
}

fn check_allowing(allowed: &[FindingCode], changes: Pairs<'_>) -> (Option<Link>, Vec<RowIssue>) {
    let mut values = RowValues::default();
    let valid = [(DestinationUsername, "carlos"), (SourceProvider, "Google"), (SourceValue, "1098421")];
    for (column, text) in valid.iter().chain(changes) {
        values.texts[column.index()] = text.as_bytes();
    }
    let mut issues = RowIssues::new(allowed);
    let link = check_row(&values, &mut issues).and_then(|link| link.to_link());
    (link, issues.into_vec())
}

#[test]
fn every_code_and_its_clean_twin() {
    let long_name = "x".repeat(PROVIDER_NAME_BELIEVED_CHARS_MAX + 1);
    let long_attribute = "x".repeat(ATTRIBUTE_NAME_CHARS_MAX + 1);
    let long_user = "x".repeat(USERNAME_CHARS_MAX + 1);
    let fitting_user = "ü".repeat(USERNAME_CHARS_MAX);
    let long_value = "1".repeat(129 - "Google".len() - DEFAULT_ATTRIBUTE.len());
    let endless_value = "x".repeat(ATTRIBUTE_VALUE_CHARS_MAX + 1);
    let long_email = format!("{}@example.com", "x".repeat(300));
    let faulty: [(Pairs<'_>, FindingCode, Column); 34] = [
        (&[(SourceProvider, "")], MissingValue, SourceProvider),
        (&[(SourceValue, "")], MissingValue, SourceValue),
        (&[(DestinationUsername, "")], MissingValue, DestinationUsername),
        (&[(DestinationProvider, "Facebook"), (DestinationUsername, "")], MissingValue, DestinationUsername),
        (&[(SourceValue, "1098421 ")], SurroundingSpace, SourceValue),
        (&[(DestinationUsername, "\u{3000}carlos")], SurroundingSpace, DestinationUsername),
        (&[(SourceProvider, " Google")], SurroundingSpace, SourceProvider),
        (&[(SourceValue, "10\u{200b}98")], InvisibleCharacter, SourceValue),
        (&[(DestinationUsername, "O\u{2019}Brien")], SmartQuote, DestinationUsername),
        (&[(SourceAttribute, "em\0ail"), (SourceProvider, "Okta")], ControlCharacter, SourceAttribute),
        (&[(SourceValue, "1.04E+20")], NumberDamaged, SourceValue),
        (&[(DestinationProvider, "Facebook"), (DestinationUsername, "12.0")], NumberDamaged, DestinationUsername),
        (&[(SourceValue, "google_1098421")], ProviderPrefix, SourceValue),
        (&[(SourceValue, "auth0|5f7c"), (SourceProvider, "Okta")], ProviderPrefix, SourceValue),
        (
            &[(DestinationProvider, "Facebook"), (DestinationUsername, "Facebook_1")],
            ProviderPrefix,
            DestinationUsername,
        ),
        (&[(SourceAttribute, "email")], SocialAttribute, SourceAttribute),
        (&[(SourceProvider, "Cognito")], SourceIsNative, SourceProvider),
        (&[(SourceProvider, &long_name)], ProviderNameInvalid, SourceProvider),
        (&[(DestinationProvider, &long_name)], ProviderNameInvalid, DestinationProvider),
        (&[(SourceAttribute, &long_attribute), (SourceProvider, "Okta")], AttributeNameInvalid, SourceAttribute),
        (&[(DestinationUsername, &long_user)], ValueTooLong, DestinationUsername),
        (&[(SourceValue, &endless_value)], ValueTooLong, SourceValue),
        (&[(SourceValue, &long_value)], SourceTooLong, SourceValue),
        (&[(DestinationUsername, ""), (DestinationEmail, &long_email)], FilterTooLong, DestinationEmail),
        (&[(DestinationUsername, ""), (DestinationSub, &long_email)], FilterTooLong, DestinationSub),
        (&[(SourceValue, "1098421\u{feff}")], InvisibleCharacter, SourceValue),
        (&[(SourceValue, "'1098421")], SpreadsheetMark, SourceValue),
        (&[(DestinationUsername, "=carlos")], SpreadsheetMark, DestinationUsername),
        (&[(DestinationUsername, "Jos\u{c3}\u{a9}")], Mojibake, DestinationUsername),
        (&[(SourceValue, "carlos@example.com")], UnlikeProvider, SourceValue),
        (&[(SourceProvider, "SignInWithApple")], UnlikeProvider, SourceValue),
        (&[(SourceProvider, "LoginWithAmazon")], UnlikeProvider, SourceValue),
        (&[(SourceProvider, "Facebook"), (SourceValue, "Carlos")], UnlikeProvider, SourceValue),
        (&[(DestinationUsername, ""), (DestinationPhone, "0171 123")], PhoneNumberInvalid, DestinationPhone),
    ];
    for (changes, code, column) in faulty {
        assert_eq!(check(changes), (None, vec![(code, column)]), "{code:?} in {column:?}");
    }
    let clean: [Pairs<'_>; 15] = [
        &[(DestinationUsername, ""), (DestinationPhone, "+491711234567")],
        &[(DestinationUsername, ""), (DestinationPreferredUsername, "carlos.m")],
        &[(SourceProvider, "SignInWithApple"), (SourceValue, "001968.a6ca1234.0733")],
        &[],
        &[(DestinationProvider, "Cognito")],
        &[(DestinationProvider, "Facebook"), (DestinationUsername, "12")],
        &[(SourceProvider, "My Provider")],
        &[(SourceAttribute, "email"), (SourceProvider, "Okta"), (SourceValue, "okta_admin@example.com")],
        &[(SourceAttribute, DEFAULT_ATTRIBUTE)],
        &[(SourceProvider, "Auth0"), (SourceValue, "auth0|5f7c")],
        &[(SourceValue, &long_value[1..])],
        &[(DestinationUsername, &fitting_user)],
        &[(DestinationUsername, "O'Brien")],
        &[(DestinationUsername, ""), (DestinationEmail, &long_email[100..])],
        &[(SourceProvider, "cognito")],
    ];
    for changes in clean {
        let (link, findings) = check(changes);
        assert!(link.is_some() && findings.is_empty(), "{findings:?}");
    }
}

#[test]
fn a_warning_keeps_the_link() {
    let (link, findings) = check(&[(SourceProvider, "Entra"), (SourceValue, "Carlos@example.com")]);
    assert_eq!(findings, [(UppercaseEmailNameId, SourceValue)]);
    assert_eq!(link.unwrap().source.value().expose(), "Carlos@example.com", "case is never changed");
}

#[test]
fn a_suspicion_that_is_allowed_is_a_warning() {
    let long_value = "1".repeat(129 - "Google".len() - DEFAULT_ATTRIBUTE.len());
    let suspected: [(Pairs<'_>, FindingCode); 12] = [
        (&[(SourceValue, &long_value)], SourceTooLong),
        (&[(SourceProvider, "Corp"), (SourceValue, "auth0|5f7c")], ProviderPrefix),
        (&[(SourceValue, "google_1098421")], ProviderPrefix),
        (&[(SourceValue, "10984212345678900000")], NumberDamaged),
        (&[(DestinationProvider, "Facebook"), (DestinationUsername, "12.0")], NumberDamaged),
        (&[(SourceValue, "x\u{ad}y")], InvisibleCharacter),
        (&[(DestinationUsername, "O\u{2019}Brien")], SmartQuote),
        (&[(DestinationUsername, " carlos ")], SurroundingSpace),
        (&[(SourceProvider, "Okta"), (SourceValue, "Carlos@example.com")], UppercaseEmailNameId),
        (&[(SourceProvider, "Okta"), (SourceValue, "=00u")], SpreadsheetMark),
        (&[(DestinationUsername, "Jos\u{c3}\u{a9}")], Mojibake),
        (&[(SourceValue, "carlos")], UnlikeProvider),
    ];
    for (changes, code) in suspected {
        let (link, findings) = check_allowing(&[code], changes);
        let link = link.unwrap();
        assert_eq!((findings.len(), findings[0].code, findings[0].severity), (1, code, Severity::Warning));
        assert!(!findings[0].message.contains("--allow"), "{}", findings[0].message);
        let sent = [link.destination.value().expose(), link.source.value().expose()];
        assert!(sent.contains(&changes.last().unwrap().1), "the value is sent as it is");
        let others: Vec<_> = FindingCode::SUSPICIONS.into_iter().filter(|other| *other != code).collect();
        let (link, findings) = check_allowing(&others, changes);
        assert_eq!((link.is_some(), findings[0].severity), (code.severity() == Severity::Warning, code.severity()));
        let hint = format!("--allow {}", code.as_str());
        assert_eq!(findings[0].message.contains(&hint), code.severity() == Severity::Error);
    }
}

#[test]
fn a_provider_name_that_only_a_list_can_confirm_is_a_warning() {
    for (chars, expected) in [(PROVIDER_NAME_CHARS_MAX, None), (PROVIDER_NAME_CHARS_MAX + 1, Some(ProviderNameLong))] {
        for column in [SourceProvider, DestinationProvider] {
            let (link, findings) = check_allowing(&[], &[(column, &"x".repeat(chars))]);
            assert!(link.is_some(), "the row is sent if the pool has the provider");
            let found = findings.first().map(|finding| (finding.code, finding.severity));
            assert_eq!(found, expected.map(|code| (code, Severity::Warning)));
        }
    }
}

#[test]
fn what_is_certain_cannot_be_allowed() {
    let certain: [(Pairs<'_>, FindingCode); 6] = [
        (&[(SourceProvider, "Google ")], SurroundingSpace),
        (&[(SourceValue, "   ")], SurroundingSpace),
        (&[(SourceValue, "1098421\n")], SurroundingSpace),
        (&[(SourceValue, "10\u{0}98")], ControlCharacter),
        (&[(SourceProvider, "Cognito")], SourceIsNative),
        (&[(SourceValue, "")], MissingValue),
    ];
    for (changes, code) in certain {
        let (link, findings) = check_allowing(FindingCode::ALL, changes);
        assert_eq!((link, findings[0].code, findings[0].severity), (None, code, Severity::Error));
        assert!(!findings[0].message.contains("--allow"), "{}", findings[0].message);
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let (link, findings) =
        check(&[(DestinationUsername, ""), (SourceProvider, "Cognito"), (SourceValue, " 1.04E+20\u{200b} ")]);
    assert!(link.is_none());
    let expected = [
        (SurroundingSpace, SourceValue),
        (InvisibleCharacter, SourceValue),
        (SourceIsNative, SourceProvider),
        (MissingValue, DestinationUsername),
    ];
    assert_eq!(findings, expected);
}

#[test]
fn the_user_name_goes_before_sub_and_sub_before_the_address() {
    let kind = |changes: Pairs<'_>| check(changes).0.map(|link| link.destination.kind());
    let (sub, email) = ((DestinationSub, "5f7c"), (DestinationEmail, "carlos@example.com"));
    let none = (DestinationUsername, "");
    assert_eq!(kind(&[sub, email]), Some("username"));
    assert_eq!(kind(&[none, sub, email]), Some("sub"));
    assert_eq!(kind(&[none, email]), Some("email"));
    assert_eq!(kind(&[sub, (DestinationProvider, "Facebook"), (DestinationUsername, "12")]), Some("federated"));
    assert_eq!(kind(&[sub, (DestinationEmail, " unused ")]), Some("username"), "what is not used is not checked");
}

#[test]
fn the_attribute_is_the_subject_unless_named() {
    let attribute = |changes: Pairs<'_>| check(changes).0.map(|link| link.source.attribute().as_str().to_owned());
    assert_eq!(attribute(&[]).as_deref(), Some("Cognito_Subject"));
    assert_eq!(attribute(&[(SourceProvider, "Okta"), (SourceAttribute, "email")]).as_deref(), Some("email"));
}

#[test]
fn filters_are_measured_with_their_escapes() {
    let room = FILTER_CHARS_MAX - "email = \"\"".len();
    let email = |text: &str| check(&[(DestinationUsername, ""), (DestinationEmail, text)]).1;
    assert_eq!(email(&"x".repeat(room)), []);
    assert_eq!(email(&"ü".repeat(room)), []);
    assert_eq!(email(&"x".repeat(room + 1)), [(FilterTooLong, DestinationEmail)]);
    assert_eq!(email(&format!("{}\\", "x".repeat(room - 1))), [(FilterTooLong, DestinationEmail)]);
    assert_eq!(email(&format!("{}\"", "x".repeat(room - 2))), []);
}

#[test]
fn messages_hold_no_value() {
    let secret = " Zebra\u{200b}\0 Q\u{2019} 1.5";
    let mut issues = RowIssues::new(&[]);
    let values = RowValues { texts: [secret.as_bytes(); Column::ALL.len()], ..RowValues::default() };
    assert!(check_row(&values, &mut issues).is_none());
    let issues = issues.into_vec();
    assert!(issues.len() > 10);
    assert!(issues.iter().all(|issue| !issue.message.contains("Zebra")));
}

#[test]
fn only_the_column_that_names_the_user_must_be_text() {
    let codes = |username: &[u8], email: &[u8]| {
        let mut values = RowValues::default();
        for (column, text) in
            [(DestinationUsername, username), (DestinationEmail, email), (SourceProvider, b"Okta"), (SourceValue, b"1")]
        {
            values.texts[column.index()] = text;
        }
        let mut issues = RowIssues::new(&[]);
        let link = check_row(&values, &mut issues).and_then(|link| link.to_link());
        (link.is_some(), issues.into_vec().iter().map(|issue| issue.code).collect::<Vec<_>>())
    };
    assert_eq!(codes(b"carlos", b"\xff"), (true, vec![]));
    assert_eq!(codes(b"", b"\xff"), (false, vec![FindingCode::InvalidUtf8]));
}

/// Values of which each is likely to have something to say about.
fn texts() -> impl Strategy<Value = [String; Column::ALL.len()]> {
    let odd = || {
        let part = prop::sample::select(vec![
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
            "É",
            "#EXT#",
        ]);
        prop_oneof![9 => prop::collection::vec(part.clone(), 0..4), 1 => prop::collection::vec(part, 0..60)]
            .prop_map(|parts| parts.concat())
    };
    let text = |likely: &[&'static str]| prop_oneof![6 => prop::sample::select(likely.to_vec()).prop_map(str::to_owned), 1 => odd()];
    let uuid = "b284ae68-f515-4bb2-a25b-c5e752a3ca51";
    [
        text(&["carlos", "", uuid]),
        text(&["", "carlos@example.com"]),
        text(&["", uuid]),
        text(&["", "+14255550123", "0142555"]),
        text(&["", "carlos.m"]),
        text(&["", "", "Cognito", "Okta"]),
        text(&["Google", "Okta", "Cognito", "Auth0", "my-idp"]),
        text(&["", "Cognito_Subject", "email", "custom:id"]),
        text(&["1098421", "00uLtmZo_P", "carla@example.com", "Carla@example.com"]),
        text(&["", "b284ae68"]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// What the service would refuse never gets through, and every row that does not get through says why.
    #[test]
    fn a_row_is_a_link_or_has_an_error(texts in texts()) {
        let values = RowValues { texts: texts.each_ref().map(String::as_bytes), ..RowValues::default() };
        let mut issues = RowIssues::new(&[]);
        let checked = check_row(&values, &mut issues);
        prop_assert_eq!(checked.is_some(), !issues.has_errors());
        let issues = issues.into_vec();
        prop_assert!(issues.iter().all(|issue| issue.column.is_some() && !issue.message.is_empty()));
        if let Some(checked) = checked {
            let link = checked.to_link().expect("a checked row always makes a link");
            prop_assert_eq!(link.source.value().expose(), &texts[SourceValue.index()]);
            prop_assert!(!link.source.provider().is_native());
            for value in [link.source.value().expose(), link.destination.value().expose()] {
                let is_odd = |character: char| character.is_control() || character == '\u{200b}';
                prop_assert!(!value.is_empty() && value.trim() == value && !value.contains(is_odd));
            }
        }
        // An option to allow suspicions turns errors into warnings, and changes nothing else.
        let mut allowed = RowIssues::new(&FindingCode::SUSPICIONS);
        let _ = check_row(&values, &mut allowed);
        let codes = |issues: &[RowIssue]| issues.iter().map(|issue| issue.code).collect::<Vec<_>>();
        prop_assert!(codes(&allowed.into_vec()).starts_with(&codes(&issues)) || !issues.is_empty());
    }
}
