//! Characters that do not belong in an identity. Pure.

use super::words;
use crate::domain::finding::FindingCode;

/// What is wrong with the characters of a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: FindingCode,
    pub(super) told: String,
    /// No provider can mean it, whatever somebody allows.
    pub(super) is_certain: bool,
}

/// What is wrong with the characters of a value, each code at most once.
pub(super) fn faults(text: &str) -> Vec<Fault> {
    if is_plain(text.as_bytes()) { Vec::new() } else { slow_faults(text) }
}

/// Printable ASCII without space at its ends, as nearly every value is.
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    words::is_printable_ascii(bytes) && bytes.first() != Some(&b' ') && bytes.last() != Some(&b' ')
}

fn slow_faults(text: &str) -> Vec<Fault> {
    let trimmed = text.trim();
    let mut found: Vec<Fault> = Vec::new();
    if trimmed.len() != text.len() {
        found.push(surrounding_space(text, trimmed));
    }
    for character in trimmed.chars() {
        if let Some((code, told)) = fault_of(character)
            && found.iter().all(|known| known.code != code)
        {
            let told = format!("has U+{:04X}, {told}", u32::from(character));
            found.push(Fault { code, told, is_certain: !code.is_suspicion() });
        }
    }
    found
}

/// Nothing but space is no value, and a line end or a tab around one is a control character.
fn surrounding_space(text: &str, trimmed: &str) -> Fault {
    let (told, is_certain) = if trimmed.is_empty() {
        ("is nothing but white space; give it a value, or leave it empty", true)
    } else {
        let without_spaces = text.trim_matches(|character: char| character.is_whitespace() && !character.is_control());
        let told = "starts or ends with white space; remove it in the file, values are never trimmed";
        (told, without_spaces != trimmed)
    };
    Fault { code: FindingCode::SurroundingSpace, told: told.to_owned(), is_certain }
}

fn fault_of(character: char) -> Option<(FindingCode, &'static str)> {
    match character {
        ' '..='~' => None,
        '\u{fffd}' => {
            Some((FindingCode::InvalidUtf8, "the mark of a character that an earlier conversion lost; export it again"))
        }
        _ if is_invisible(character) => {
            Some((FindingCode::InvisibleCharacter, "which cannot be seen; type the value anew or delete the character"))
        }
        '\u{2018}'..='\u{201f}' => {
            Some((FindingCode::SmartQuote, "a typographic quote; put the plain one that the provider sends"))
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

#[cfg(test)]
mod tests {
    use super::{FindingCode, faults};

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
    fn several_faults_are_all_told_each_once() {
        use FindingCode::{ControlCharacter, InvisibleCharacter, SurroundingSpace};
        assert_eq!(codes(" a\u{200b}\u{200b}\0\0b"), [SurroundingSpace, InvisibleCharacter, ControlCharacter]);
        assert_eq!(faults("ab\u{200b}")[0].told.split(',').next(), Some("has U+200B"));
    }
}
