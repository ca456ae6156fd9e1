//! The catalogue of findings: every code has an input that provokes it, at the right line and field, and a clean twin.

use std::fmt::Write as _;

use cognito_link::commands::shared::Failure;
use cognito_link::commands::validate::check_input;
use cognito_link::domain::event::{RunEvent, RunObserver};
use cognito_link::domain::finding::{Finding, FindingCode};
use cognito_link::input::{InputError, InputOptions, InputSource};

const HEADER: &str = "destination_username,source_provider,source_value\n";

/// An input that has one fault, where it is, and the same without it.
struct Case {
    faulty: Vec<u8>,
    line: u64,
    field: u32,
    clean: Vec<u8>,
}

/// A row with a fault in its `field`, and one without, behind a sound one.
fn row(faulty: &str, field: u32, clean: &str) -> Case {
    let text = |row: &str| format!("{HEADER}first,Okta,00u1\n{row}\n").into_bytes();
    Case { faulty: text(faulty), line: 3, field, clean: text(clean) }
}

fn whole(faulty: impl Into<Vec<u8>>, line: u64, field: u32, clean: impl Into<Vec<u8>>) -> Case {
    Case { faulty: faulty.into(), line, field, clean: clean.into() }
}

/// Every code has a line here, or this does not compile.
fn case(code: FindingCode) -> Case {
    match code {
        FindingCode::MissingColumn
        | FindingCode::DuplicateColumn
        | FindingCode::RaggedRow
        | FindingCode::UnclosedQuote
        | FindingCode::InvalidUtf8
        | FindingCode::Utf16
        | FindingCode::RecordTooLong
        | FindingCode::InvalidJson => of_the_file(code),
        FindingCode::DuplicateRow
        | FindingCode::IdentityForTwoUsers
        | FindingCode::TooManyIdentities
        | FindingCode::LowercasedIdentity
        | FindingCode::UnusualLength => beside_others(code),
        FindingCode::MissingValue => row("a,Okta,", 3, "a,Okta,00u2"),
        FindingCode::SurroundingSpace => row("a,Okta,00u2 ", 3, "a,Okta,00 u2"),
        FindingCode::InvisibleCharacter => row("a\u{200b}b,Okta,00u2", 1, "ab,Okta,00u2"),
        FindingCode::SmartQuote => row("O\u{2019}Brien,Okta,00u2", 1, "O'Brien,Okta,00u2"),
        FindingCode::ControlCharacter => row("a,Okta,00u\u{7}2", 3, "a,Okta,00u2"),
        FindingCode::NumberDamaged => row("a,Google,1.04E+20", 3, "a,Google,104512345678901234567"),
        FindingCode::ProviderPrefix => row("a,Google,google_1098", 3, "a,Google,1098"),
        FindingCode::SocialAttribute => with_attribute("a,Google,email,1098", "a,Google,,1098", 3),
        FindingCode::SourceIsNative => row("a,Cognito,b", 2, "a,Cognitoo,b"),
        FindingCode::ProviderNameInvalid => {
            row(&format!("a,{},b", "x".repeat(129)), 2, &format!("a,{},b", "x".repeat(32)))
        }
        FindingCode::ProviderNameLong => row(&format!("a,{},b", "x".repeat(33)), 2, &format!("a,{},b", "x".repeat(32))),
        FindingCode::AttributeNameInvalid => {
            with_attribute(&format!("a,Okta,{},b", "x".repeat(65)), &format!("a,Okta,{},b", "x".repeat(64)), 3)
        }
        FindingCode::ValueTooLong => {
            row(&format!("{},Okta,b", "x".repeat(129)), 1, &format!("{},Okta,b", "x".repeat(128)))
        }
        FindingCode::SourceTooLong => {
            row(&format!("a,Okta,{}", "x".repeat(110)), 3, &format!("a,Okta,{}", "x".repeat(109)))
        }
        FindingCode::FilterTooLong => {
            let text = |email: usize| format!("email,idp,subject\n{}@x.org,Okta,00u1\n", "x".repeat(email));
            whole(text(250), 2, 1, text(200))
        }
        FindingCode::UnlikePool => unreachable!("only a pool shows it: see unlike_pool.rs"),
        FindingCode::ImmutableAttribute => unreachable!("only a pool shows it: see sign_ins.rs"),
        FindingCode::SpreadsheetMark => row("a,Okta,'00u2", 3, "a,Okta,00u2"),
        FindingCode::Mojibake => row("Jos\u{c3}\u{a9},Okta,00u2", 1, "Jos\u{e9},Okta,00u2"),
        FindingCode::UnlikeProvider => row("a,Google,anna@example.com", 3, "a,Okta,anna@example.com"),
        FindingCode::PhoneNumberInvalid => {
            let text = |number: &str| format!("phone_number,idp,subject\n{number},Okta,00u1\n");
            whole(text("0171 123456"), 2, 1, text("+49171123456"))
        }
        FindingCode::UppercaseEmailNameId => row("a,Okta,Anna@example.com", 3, "a,Okta,anna@example.com"),
    }
}

fn with_attribute(faulty: &str, clean: &str, field: u32) -> Case {
    let text = |row: &str| format!("destination_username,source_provider,source_attribute,source_value\n{row}\n");
    whole(text(faulty), 2, field, text(clean))
}

fn of_the_file(code: FindingCode) -> Case {
    let sound = format!("{HEADER}a,Okta,00u1\n");
    match code {
        FindingCode::MissingColumn => whole("destination_username,source_provider\na,Okta\n", 1, 0, sound),
        FindingCode::DuplicateColumn => whole(
            "username,destination_username,idp,subject\na,a,Okta,1x\n",
            1,
            2,
            "username,x,idp,subject\na,a,Okta,1x\n",
        ),
        FindingCode::RaggedRow => row("a,Okta,00u2,more", 0, "a,Okta,\"00u2,more\""),
        FindingCode::UnclosedQuote => row("a,Okta,\"00u2", 3, "a,Okta,\"00u2\""),
        FindingCode::InvalidUtf8 => {
            let mut faulty = format!("{HEADER}Jos").into_bytes();
            faulty.extend(b"\xe9,Okta,00u1\n");
            whole(faulty, 2, 1, format!("{HEADER}Jos\u{e9},Okta,00u1\n"))
        }
        FindingCode::Utf16 => whole(sound.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(), 1, 0, sound),
        FindingCode::RecordTooLong => {
            row(&format!("a,Okta,00u2,{}", "x".repeat(70_000)), 0, &format!("a,Okta,\"{}\"", "00u2"))
        }
        _ => whole(
            "{\"username\":\"a\",\"idp\":\"Okta\",\n",
            1,
            0,
            "{\"username\":\"a\",\"idp\":\"Okta\",\"subject\":\"1x\"}\n",
        ),
    }
}

fn beside_others(code: FindingCode) -> Case {
    match code {
        FindingCode::DuplicateRow => row("first,Okta,00u1", 0, "first,Okta,00u2"),
        FindingCode::IdentityForTwoUsers => {
            let text = |second: &str| format!("{HEADER}a,Okta,00u1\nb,Okta,{second}\n");
            whole(text("00u1"), 2, 3, text("00u2"))
        }
        FindingCode::TooManyIdentities => {
            let text =
                |last: &str| (1..=5).fold(HEADER.to_owned(), |text, at| text + &format!("a,Okta,00u{at}\n")) + last;
            whole(text("a,Corp,00u1\n"), 2, 1, text("b,Corp,00u6\n"))
        }
        FindingCode::LowercasedIdentity => {
            let text = |last: &str| {
                format!(
                    "{HEADER}a,Okta,00uLtmZoPOMiUo3E9FJw\nb,Okta,00uxLeok3whYePlQuVNi\nc,Okta,00uO3jqatpHGgcsqdmg6\nd,Okta,{last}\n"
                )
            };
            whole(text("00uksvwe9whqxb7tdlkp"), 5, 3, text("00uKsvWe9WHqxB7TDLKp"))
        }
        _ => {
            let text = |last: &str| {
                let mut text = HEADER.to_owned();
                for at in 0..60 {
                    writeln!(text, "u{at},Google,1098421234567890{:05}", at * 7 + 1).unwrap();
                }
                text + last
            };
            whole(text("x,Google,10984212345678900003\n"), 62, 3, text("x,Google,109842123456789000003\n"))
        }
    }
}

#[derive(Default)]
struct Kept(Vec<Finding>);

impl RunObserver for Kept {
    fn on(&mut self, event: &RunEvent) {
        if let RunEvent::Found(finding) = event {
            self.0.push(finding.clone());
        }
    }
}

fn findings(bytes: &[u8]) -> Vec<Finding> {
    let (mut kept, source) = (Kept::default(), InputSource::spool("input", bytes));
    match source
        .map_err(Failure::from)
        .and_then(|source| check_input(&source, &InputOptions::default(), None, &mut kept))
    {
        Err(Failure::Input(InputError::Header(findings))) => findings,
        Err(other) => panic!("{other}"),
        Ok(validated) => {
            let counted: u64 = validated.counts.by_finding.values().sum();
            assert_eq!(counted, kept.0.len() as u64);
            kept.0
        }
    }
}

/// Whether only a pool shows it: `tests/it/unlike_pool.rs` and `sign_ins.rs` provoke these.
pub(crate) fn needs_pool(code: FindingCode) -> bool {
    matches!(code, FindingCode::UnlikePool | FindingCode::ImmutableAttribute)
}

#[test]
fn every_code_is_provoked_where_it_is_and_its_twin_is_clean() {
    for code in FindingCode::ALL.iter().filter(|code| !needs_pool(**code)) {
        let case = case(*code);
        let found = findings(&case.faulty);
        let first = found.iter().find(|finding| finding.code == *code);
        let first = first.unwrap_or_else(|| panic!("{}: not found in {found:?}", code.as_str()));
        assert_eq!((first.line, first.field), (case.line, case.field), "{}: {first:?}", code.as_str());
        assert!(found.iter().all(|finding| finding.code == *code), "{}: {found:?}", code.as_str());
        assert_eq!(findings(&case.clean), [], "the clean twin of {}", code.as_str());
    }
}
