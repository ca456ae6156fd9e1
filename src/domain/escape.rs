//! Text from outside, made harmless for a terminal: nothing in it moves the cursor, turns the writing direction,
//! forges a line or hides.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Makes every character visible that a terminal would act on or hide, line feeds included, as `\u{1b}`.
pub fn escape(text: &str) -> Cow<'_, str> {
    replace(text, is_unsafe, |out, character| {
        let _ = write!(out, "\\u{{{:x}}}", u32::from(character));
    })
}

/// Like [`escape`] for text of several lines: line feeds and tabs stay.
pub fn escape_lines(text: &str) -> Cow<'_, str> {
    replace(text, is_unsafe_in_lines, |out, character| {
        let _ = write!(out, "\\u{{{:x}}}", u32::from(character));
    })
}

/// Makes JSON text harmless without changing what it means: its encoder leaves DEL, C1 and bidi characters as they are.
pub fn escape_json(text: &str) -> Cow<'_, str> {
    replace(text, is_unsafe_in_lines, |out, character| {
        let mut units = [0_u16; 2];
        for unit in character.encode_utf16(&mut units) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    })
}

/// A path or name as a shell reads it back, quoted where it has to be, and harmless for the terminal it is shown on.
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':' | '+' | ',' | '@' | '%');
    let safe = escape(text);
    if !safe.is_empty() && safe.chars().all(plain) {
        safe.into_owned()
    } else {
        format!("'{}'", safe.replace('\'', r"'\''"))
    }
}

/// Returns a path as one word of a command. One that begins with `-` would be read as an option.
pub fn shell_path(path: &str) -> String {
    if path.starts_with('-') { shell_word(&format!("./{path}")) } else { shell_word(path) }
}

fn replace(text: &str, is_unsafe: fn(char) -> bool, put: impl Fn(&mut String, char)) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_unsafe(character) {
            put(&mut out, character);
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

fn is_unsafe_in_lines(character: char) -> bool {
    is_unsafe(character) && !matches!(character, '\n' | '\t')
}

fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            // Soft hyphen, Arabic letter mark, Mongolian vowel separator.
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            // Zero width and direction marks.
            | '\u{200b}'..='\u{200f}'
            // Line and paragraph separators, direction embeddings and overrides.
            | '\u{2028}'..='\u{202e}'
            // Word joiner, invisible operators, direction isolates.
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            // Tags.
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_becomes_visible() {
        let table = [
            ("pairs.csv", "pairs.csv"),
            ("Müller 名前 €", "Müller 名前 €"),
            ("a\x1b[2Jb", "a\\u{1b}[2Jb"),
            ("a\nerror: b\r\tc", "a\\u{a}error: b\\u{d}\\u{9}c"),
            ("\u{9b}31m\x7f", "\\u{9b}31m\\u{7f}"),
            ("abc\u{202e}fdp.exe", "abc\\u{202e}fdp.exe"),
            ("\u{2066}x\u{2069}", "\\u{2066}x\\u{2069}"),
            ("a\u{200b}b\u{feff}", "a\\u{200b}b\\u{feff}"),
            ("\u{e0041}\u{2028}\u{ad}", "\\u{e0041}\\u{2028}\\u{ad}"),
        ];
        for (text, expected) in table {
            assert_eq!(escape(text), expected);
        }
    }

    #[test]
    fn lines_keep_their_line_feeds() {
        assert_eq!(escape_lines("a\tb\nc\r\x1b"), "a\tb\nc\\u{d}\\u{1b}");
    }

    #[test]
    fn json_means_the_same_after_escaping() {
        let value = serde_json::json!({ "name": "a\x1b\x7f\u{9b}\u{202e}\u{e0041}ü\n" });
        let text = value.to_string();
        let escaped = escape_json(&text);
        assert_eq!(escaped, r#"{"name":"a\u001b\u007f\u009b\u202e\udb40\udc41ü\n"}"#);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), value);
    }

    #[test]
    fn words_for_a_shell() {
        let table = [
            ("users.csv.ledger", "users.csv.ledger"),
            ("my users.csv", "'my users.csv'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
            ("$(rm)\n", "'$(rm)\\u{a}'"),
        ];
        for (text, expected) in table {
            assert_eq!(shell_word(text), expected);
            assert_eq!(shell_path("-in.csv"), "./-in.csv");
            assert_eq!(shell_path("- in.csv"), "'./- in.csv'");
            assert_eq!(shell_path("in-1.csv"), "in-1.csv");
        }
    }

    /// Text with many characters that a terminal or a shell acts on.
    fn hostile_text() -> impl Strategy<Value = String> {
        let hostile = prop::sample::select(
            "\u{1b}\u{7}\u{7f}\u{9b}\u{ad}\u{200b}\u{202e}\u{2066}\u{feff}\u{e0041}\n\r\t'\"`$\\ *;|&<>(){}[]#~!?"
                .chars()
                .collect::<Vec<_>>(),
        );
        prop::collection::vec(prop_oneof![hostile, any::<char>()], 0..40).prop_map(|chars| chars.into_iter().collect())
    }

    /// Reads one word as a POSIX shell does; `None` where it would be more than one word, or would be expanded.
    fn posix_word(text: &str) -> Option<String> {
        let mut word = String::new();
        let mut chars = text.chars();
        while let Some(character) = chars.next() {
            match character {
                '\'' => loop {
                    match chars.next()? {
                        '\'' => break,
                        quoted => word.push(quoted),
                    }
                },
                '\\' => word.push(chars.next()?),
                c if c.is_whitespace() || "\"`$*;|&<>(){}[]#~!?".contains(c) => return None,
                plain => word.push(plain),
            }
        }
        (!text.is_empty()).then_some(word)
    }

    proptest! {
        #[test]
        fn nothing_that_is_printed_acts_on_a_terminal(text in hostile_text()) {
            prop_assert!(!escape(&text).contains(is_unsafe));
            prop_assert!(!escape_lines(&text).contains(is_unsafe_in_lines));
            prop_assert!(!shell_word(&text).contains(is_unsafe));
            let json = serde_json::Value::from(text.as_str());
            let printed = escape_json(&json.to_string()).into_owned();
            prop_assert!(!printed.contains(is_unsafe));
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&printed).unwrap(), json);
        }

        #[test]
        fn a_shell_reads_back_what_was_escaped(text in hostile_text()) {
            prop_assert_eq!(posix_word(&shell_word(&text)), Some(escape(&text).into_owned()));
        }
    }
}
