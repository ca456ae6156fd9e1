//! What can be wrong with a single value: with its characters, and with what it looks like. Pure.
//!
//! One pass over the bytes sorts them into classes. Nearly every value has no byte of a class that a check is about, so
//! that the check ends there; every other value is judged here as well.

use crate::domain::finding::FindingCode;
use crate::limits::PHONE_DIGITS_MAX;

/// Which classes of bytes a value has.
#[derive(Debug, Clone, Copy)]
struct ByteClasses(u8);

impl ByteClasses {
    /// A control character, or part of a character outside of ASCII.
    const UNUSUAL: u8 = 1;
    const CAPITAL: u8 = 1 << 1;
    /// `_` or `|`, in which the prefixes of providers end.
    const PREFIX_END: u8 = 1 << 2;
    const AT_SIGN: u8 = 1 << 3;

    const OF_BYTE: [u8; 256] = {
        let mut classes = [Self::UNUSUAL; 256];
        let mut byte = b' ';
        while byte <= b'~' {
            classes[byte as usize] = match byte {
                b'A'..=b'Z' => Self::CAPITAL,
                b'_' | b'|' => Self::PREFIX_END,
                b'@' => Self::AT_SIGN,
                _ => 0,
            };
            byte += 1;
        }
        classes
    };

    fn has(self, classes: u8) -> bool {
        self.0 & classes != 0
    }
}

/// A value that is not empty, with the classes of its bytes.
#[derive(Clone, Copy)]
pub(super) struct Value<'v> {
    pub(super) text: &'v str,
    classes: ByteClasses,
}

impl<'v> Value<'v> {
    pub(super) fn new(text: &'v str) -> Self {
        let classes = text.bytes().fold(0, |classes, byte| classes | ByteClasses::OF_BYTE[usize::from(byte)]);
        Self { text, classes: ByteClasses(classes) }
    }
}

/// What is wrong with the characters of a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CharacterFault {
    pub(super) code: FindingCode,
    pub(super) message: String,
    /// No provider can send such a value, so it cannot be allowed.
    pub(super) is_certain: bool,
}

/// Returns what is wrong with the characters of a value, each code at most once.
pub(super) fn character_faults(value: Value<'_>) -> Vec<CharacterFault> {
    let text = value.text;
    if !value.classes.has(ByteClasses::UNUSUAL) && !text.starts_with([' ', '\'', '=']) && !text.ends_with(' ') {
        return Vec::new();
    }
    let trimmed = text.trim();
    let mut faults = Vec::new();
    if trimmed.starts_with(['\'', '=']) {
        let message = "starts with ' or =, as a spreadsheet marks a text or a formula; export the value again";
        faults.push(CharacterFault {
            code: FindingCode::SpreadsheetMark,
            message: message.to_owned(),
            is_certain: false,
        });
    }
    if is_mojibake(text) {
        let message = "has letters of UTF-8 that were read as Latin-1, such as \u{c3}\u{bc} for \u{fc}; open the file as UTF-8 and \
                       export it again";
        faults.push(CharacterFault { code: FindingCode::Mojibake, message: message.to_owned(), is_certain: false });
    }
    if trimmed.len() != text.len() {
        faults.push(surrounding_space(text, trimmed));
    }
    for character in trimmed.chars() {
        if let Some((code, advice)) = fault_of_character(character)
            && faults.iter().all(|known| known.code != code)
        {
            let message = format!("has U+{:04X}, {advice}", u32::from(character));
            faults.push(CharacterFault { code, message, is_certain: !code.is_suspicion() });
        }
    }
    faults
}

/// White space alone is no value, and a line end or a tab around a value is a control character: both are certain.
fn surrounding_space(text: &str, trimmed: &str) -> CharacterFault {
    let (message, is_certain) = if trimmed.is_empty() {
        ("is only white space; give it a value, or leave it empty", true)
    } else {
        let without_spaces = text.trim_matches(|character: char| character.is_whitespace() && !character.is_control());
        let message = "starts or ends with white space; remove it in the file, values are never trimmed";
        (message, without_spaces != trimmed)
    };
    CharacterFault { code: FindingCode::SurroundingSpace, message: message.to_owned(), is_certain }
}

/// Whether a text has the bytes of a character in UTF-8, each as a character of its own: a leading byte and as many
/// continuation bytes as it needs, read as Latin-1 or as Windows-1252.
fn is_mojibake(text: &str) -> bool {
    let bytes: Vec<Option<u8>> = text.chars().map(byte_of_latin).collect();
    (0..bytes.len()).any(|at| {
        let length = match bytes[at] {
            Some(0xc2..=0xdf) => 2,
            Some(0xe0..=0xef) => 3,
            Some(0xf0..=0xf4) => 4,
            _ => return false,
        };
        let character: Option<Vec<u8>> = bytes.get(at..at + length).and_then(|bytes| bytes.iter().copied().collect());
        character.is_some_and(|bytes| str::from_utf8(&bytes).is_ok())
    })
}

/// The byte that a character is in Latin-1, or in Windows-1252 where that has a character in place of a control code.
fn byte_of_latin(character: char) -> Option<u8> {
    const WINDOWS_1252: [char; 32] = [
        '\u{20ac}', '\u{81}', '\u{201a}', '\u{192}', '\u{201e}', '\u{2026}', '\u{2020}', '\u{2021}', '\u{2c6}',
        '\u{2030}', '\u{160}', '\u{2039}', '\u{152}', '\u{8d}', '\u{17d}', '\u{8f}', '\u{90}', '\u{2018}', '\u{2019}',
        '\u{201c}', '\u{201d}', '\u{2022}', '\u{2013}', '\u{2014}', '\u{2dc}', '\u{2122}', '\u{161}', '\u{203a}',
        '\u{153}', '\u{9d}', '\u{17e}', '\u{178}',
    ];
    u8::try_from(u32::from(character)).ok().or_else(|| {
        let at = WINDOWS_1252.iter().position(|known| *known == character)?;
        u8::try_from(0x80 + at).ok()
    })
}

fn fault_of_character(character: char) -> Option<(FindingCode, &'static str)> {
    match character {
        ' '..='~' => None,
        '\u{fffd}' => Some((
            FindingCode::InvalidUtf8,
            "which marks a character that an earlier conversion lost; export the value again",
        )),
        _ if is_invisible(character) => {
            Some((FindingCode::InvisibleCharacter, "which is invisible; type the value again or delete the character"))
        }
        '\u{2018}'..='\u{201f}' => {
            Some((FindingCode::SmartQuote, "a typographic quote; use the plain one that the provider sends"))
        }
        _ if character.is_control() => {
            Some((FindingCode::ControlCharacter, "a control character; export the value again or delete the character"))
        }
        _ => None,
    }
}

/// Zero-width and direction marks, fillers, tags, and every space but the plain one.
fn is_invisible(character: char) -> bool {
    match character {
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{2800}'
        | '\u{3164}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{e0000}'..='\u{e007f}' => true,
        _ => character.is_whitespace() && !character.is_control(),
    }
}

/// Returns whether a text is a phone number in the form of E.164: `+`, a country code that starts with no zero, and at
/// most 15 digits in all.
pub(super) fn is_phone_number(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('+') else { return false };
    (2..=PHONE_DIGITS_MAX).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Significant digits that a spreadsheet keeps of a number.
pub(super) const SPREADSHEET_DIGITS: usize = 15;
/// Digits of a number beyond those that a spreadsheet keeps, from which on it is damaged where they are all zero. With
/// fewer, many intact numbers end so, and all numbers of the provider decide: `ValueShapes`.
pub(super) const CERTAINLY_LOST_DIGITS: usize = 5;

/// Returns what a spreadsheet or a JSON writer did to an identifier of digits, where it shows.
pub(super) fn number_damage(value: Value<'_>) -> Option<&'static str> {
    let text = value.text;
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    match text.as_bytes().get(digits) {
        _ if digits == 0 => None,
        None => is_rounded(text).then_some(
            "is a long number that ends in zeros, as a spreadsheet writes a number of more than 15 digits; export it \
             as text",
        ),
        Some(b'E' | b'e' | b'.' | b',') => fraction_or_exponent(&text[digits..]),
        Some(_) => None,
    }
}

fn is_rounded(digits: &str) -> bool {
    let zeros = digits.len() - digits.trim_end_matches('0').len();
    digits.len().checked_sub(SPREADSHEET_DIGITS).is_some_and(|lost| lost >= CERTAINLY_LOST_DIGITS && zeros >= lost)
}

/// `.04E+20`, `E+20` or `.0` after digits. `12e45` alone may be a hexadecimal id, so a bare exponent needs its sign.
fn fraction_or_exponent(tail: &str) -> Option<&'static str> {
    let fraction = tail.strip_prefix(['.', ',']);
    let after_mark = fraction.unwrap_or(tail);
    let fraction_digits = after_mark.bytes().take_while(u8::is_ascii_digit).count();
    let exponent = &after_mark[fraction_digits..];
    if exponent.is_empty() {
        let zeros_only = fraction_digits > 0 && after_mark.bytes().all(|byte| byte == b'0');
        return (fraction.is_some() && zeros_only)
            .then_some("is a number with a decimal part; export the identifier as text");
    }
    let power = exponent.strip_prefix(['E', 'e'])?;
    let unsigned = power.strip_prefix(['+', '-']);
    let has_mark = fraction.is_some_and(|_| fraction_digits > 0) || (fraction.is_none() && unsigned.is_some());
    let power_digits = unsigned.unwrap_or(power);
    (has_mark && !power_digits.is_empty() && power_digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then_some("is a number in exponent form and has lost its last digits; export the identifier as text")
}

/// Prefixes of the user names that the service gives to profiles of social providers, and whether their ids are digits.
const SOCIAL_PREFIXES: [(&str, bool); 4] =
    [("google_", true), ("facebook_", true), ("loginwithamazon_", false), ("signinwithapple_", false)];
/// Prefixes that Auth0 puts before the ids of its users (Auth0, "User profile structure": `user_id`).
const AUTH0_PREFIXES: [&str; 15] = [
    "auth0|",
    "google-oauth2|",
    "facebook|",
    "windowslive|",
    "apple|",
    "github|",
    "twitter|",
    "linkedin|",
    "samlp|",
    "waad|",
    "adfs|",
    "oidc|",
    "okta|",
    "email|",
    "sms|",
];

/// Returns what is wrong with a subject that has a prefix of a user name or of another system.
pub(super) fn foreign_prefix(provider: &str, subject: Value<'_>) -> Option<&'static str> {
    if !subject.classes.has(ByteClasses::PREFIX_END) {
        return None;
    }
    let text = subject.text;
    let own = strip_prefix_ignoring_case(text, provider).is_some_and(|rest| rest.starts_with('_'));
    let social = |(prefix, is_number): (&str, bool)| {
        strip_prefix_ignoring_case(text, prefix)
            .is_some_and(|rest| !rest.is_empty() && (!is_number || rest.bytes().all(|byte| byte.is_ascii_digit())))
    };
    if own || SOCIAL_PREFIXES.into_iter().any(social) {
        return Some(
            "starts with a provider's name and _, like the pool's user names of federated profiles; give only what \
             the provider sends (identities[].userId)",
        );
    }
    if !text.contains('|') || provider.to_ascii_lowercase().contains("auth0") {
        return None;
    }
    let has_auth0_prefix = AUTH0_PREFIXES.iter().any(|prefix| strip_prefix_ignoring_case(text, prefix).is_some());
    has_auth0_prefix
        .then_some("starts with a prefix of Auth0, and the provider is not Auth0; give only what follows the |")
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// What Entra puts into the user principal names of guests, always with these capitals (Microsoft, "Properties of a
/// B2B collaboration user").
const ENTRA_GUEST_MARK: &str = "#EXT#";

/// Returns whether a value is shaped like an e-mail address and has capitals that somebody typed.
pub(super) fn is_email_with_capitals(value: Value<'_>) -> bool {
    // A capital outside of ASCII is unusual.
    if !value.classes.has(ByteClasses::AT_SIGN) || !value.classes.has(ByteClasses::CAPITAL | ByteClasses::UNUSUAL) {
        return false;
    }
    let Some((local, domain)) = value.text.rsplit_once('@') else { return false };
    let has_capitals = |part: &str| part.chars().any(char::is_uppercase);
    !local.is_empty() && domain.contains('.') && value.text.split(ENTRA_GUEST_MARK).any(has_capitals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_those_of_the_characters() {
        for byte in 0..=u8::MAX {
            let expected = match char::from(byte) {
                'A'..='Z' => ByteClasses::CAPITAL,
                '_' | '|' => ByteClasses::PREFIX_END,
                '@' => ByteClasses::AT_SIGN,
                ' '..='~' => 0,
                _ => ByteClasses::UNUSUAL,
            };
            assert_eq!(ByteClasses::OF_BYTE[usize::from(byte)], expected, "{byte}");
        }
    }

    fn faults(text: &str) -> Vec<CharacterFault> {
        character_faults(Value::new(text))
    }

    fn codes(text: &str) -> Vec<FindingCode> {
        faults(text).into_iter().map(|fault| fault.code).collect()
    }

    #[test]
    fn clean_values_of_any_script_pass() {
        let clean = ["", "x", "carlos@example.com", "a b", "O'Brien \"x\"", "José Ñandú", "王小明", "Ωmega-1", "🦀"];
        for text in clean {
            assert_eq!(codes(text), [], "{text}");
        }
    }

    #[test]
    fn every_fault_has_its_code() {
        use FindingCode::{ControlCharacter, InvalidUtf8, InvisibleCharacter, SmartQuote, SurroundingSpace};
        let table = [
            (" x", SurroundingSpace),
            ("x ", SurroundingSpace),
            ("x\t", SurroundingSpace),
            ("\nx", SurroundingSpace),
            ("x\u{a0}", SurroundingSpace),
            ("\u{3000}x", SurroundingSpace),
            ("   ", SurroundingSpace),
            ("x\u{a0}y", InvisibleCharacter),
            ("x\u{2009}y", InvisibleCharacter),
            ("x\u{200b}", InvisibleCharacter),
            ("\u{feff}x", InvisibleCharacter),
            ("x\u{ad}y", InvisibleCharacter),
            ("x\u{202e}y", InvisibleCharacter),
            ("x\u{2066}y", InvisibleCharacter),
            ("x\u{e0041}y", InvisibleCharacter),
            ("O\u{2019}Brien", SmartQuote),
            ("\u{201c}x\u{201d}", SmartQuote),
            ("x\0y", ControlCharacter),
            ("x\ty", ControlCharacter),
            ("x\u{7f}", ControlCharacter),
            ("x\u{85}y", ControlCharacter),
            ("x\u{1b}[31m", ControlCharacter),
            ("Jos\u{fffd}", InvalidUtf8),
        ];
        for (text, code) in table {
            assert_eq!(codes(text), [code], "{text:?}");
        }
    }

    #[test]
    fn what_no_provider_can_mean_is_certain() {
        let certain = ["   ", "\t", "x\t", "\r\nx", " \tx", "x\u{85}", "x\0y", "Jos\u{fffd}"];
        let suspected = [" x", "x  ", "\u{3000}x", "x\u{a0}", "x\u{200b}", "O\u{2019}Brien"];
        assert!(certain.iter().all(|text| faults(text)[0].is_certain));
        assert!(suspected.iter().all(|text| !faults(text)[0].is_certain));
    }

    #[test]
    fn texts_of_utf8_that_were_read_as_latin_are_found() {
        let as_latin = |text: &str| text.bytes().map(char::from).collect::<String>();
        for text in ["Müller", "José", "Søren", "Łukasz", "Þór", "王", "🦀", "Ωmega"] {
            assert!(codes(&as_latin(text)).contains(&FindingCode::Mojibake), "{text}");
            assert_eq!(codes(text), [], "{text}");
        }
        for text in ["\u{c3}\u{153}ber", "\u{e2}\u{20ac}\u{2122}s"] {
            assert!(codes(text).contains(&FindingCode::Mojibake), "as Windows-1252: {text}");
        }
        for text in ["Ã", "Ã©e".get(..2).unwrap(), "São", "Âge", "ÂB", "à propos"] {
            assert!(!codes(text).contains(&FindingCode::Mojibake), "{text}");
        }
    }

    #[test]
    fn marks_of_spreadsheets_are_found_at_the_start_only() {
        for (text, expected) in
            [("'109842", true), ("=109842", true), ("=\"1\"", true), ("O'Brien", false), ("a=b", false)]
        {
            assert_eq!(codes(text).contains(&FindingCode::SpreadsheetMark), expected, "{text}");
        }
    }

    #[test]
    fn phone_numbers_are_those_of_e164() {
        for (text, expected) in [
            ("+14255550123", true),
            ("+491711234567", true),
            ("+123456789012345", true),
            ("+1234567890123456", false),
            ("14255550123", false),
            ("+0425555012", false),
            ("+1 425 555", false),
            ("+", false),
            ("+1", false),
        ] {
            assert_eq!(is_phone_number(text), expected, "{text}");
        }
    }

    #[test]
    fn several_faults_are_all_told_each_once() {
        use FindingCode::{ControlCharacter, InvisibleCharacter, SurroundingSpace};
        assert_eq!(codes(" a\u{200b}\u{200b}\0\0b"), [SurroundingSpace, InvisibleCharacter, ControlCharacter]);
        assert_eq!(faults("ab\u{200b}")[0].message.split(',').next(), Some("has U+200B"));
    }

    #[test]
    fn damaged_numbers() {
        let damaged = [
            "1.04E+20",
            "1,04E+20",
            "1.04e20",
            "1E+20",
            "1.0984E-5",
            "123456789012.0",
            "123456789012.000",
            "12,0",
            "104000000000000000000",
            "109842123456789000000",
            "12345678901234500000",
        ];
        let intact = [
            "",
            "0",
            "123456789012345",
            "1234567890123450",
            "12345678901234000",
            "1234567890123450000",
            "12345678901234510000",
            "109842123456789000001",
            "100000000000000",
            "1e5",
            "12e4567",
            "00u1abc",
            "1.04",
            "1.2.3",
            "1.E+5",
            "1E+",
            "12.34.0",
            "a1.04E+20",
            "001968.a6ca1234.0733",
            "2024-01-01",
            "123456789012345678901",
            "1.04E+20x",
            "1Ü",
        ];
        for text in damaged {
            assert!(number_damage(Value::new(text)).is_some(), "{text}");
        }
        for text in intact {
            assert_eq!(number_damage(Value::new(text)), None, "{text}");
        }
    }

    #[test]
    fn foreign_prefixes() {
        let foreign = [
            ("Google", "google_109842"),
            ("Google", "Google_109842"),
            ("Okta", "okta_00u1abc"),
            ("Okta", "google_123"),
            ("Okta", "SignInWithApple_001968.a6"),
            ("Google", "google-oauth2|109842"),
            ("Okta", "auth0|5f7c"),
            ("Corp", "Auth0|5f7c"),
            ("Facebook", "facebook|1"),
            ("Älpe", "Älpe_1"),
        ];
        let own = [
            ("Google", "109842"),
            ("Auth0", "auth0|5f7c"),
            ("my-auth0-tenant", "google-oauth2|109842"),
            ("Okta", "00u_okta"),
            ("Okta", "oktapus_1"),
            ("Corp", "google_admin"),
            ("Corp", "google_"),
            ("Corp", "a|b"),
            ("Corp", "tenant-with-a-long-name|auth0|1"),
            ("Corp", "äöü"),
        ];
        for (provider, subject) in foreign {
            assert!(foreign_prefix(provider, Value::new(subject)).is_some(), "{provider} {subject}");
        }
        for (provider, subject) in own {
            assert_eq!(foreign_prefix(provider, Value::new(subject)), None, "{provider} {subject}");
        }
    }

    #[test]
    fn capitals_in_addresses() {
        for text in ["Carlos@example.com", "carlos@Example.com", "É@example.com"] {
            assert!(is_email_with_capitals(Value::new(text)), "{text}");
        }
        assert!(is_email_with_capitals(Value::new("Carla_example.org#EXT#@corp.example.com")));
        let intact = ["carlos@example.com", "Carlos", "Carlos@", "@Example.com", "Carlos@host", "PY5dp6qYC"];
        for text in intact.into_iter().chain(["carla_example.org#EXT#@corp.example.com"]) {
            assert!(!is_email_with_capitals(Value::new(text)), "{text}");
        }
    }
}
