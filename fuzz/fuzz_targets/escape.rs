//! Any text on a terminal: no control character is left, and a shell word is one word.
#![no_main]

use cognito_link::ui::{escape, escape_json, escape_lines, shell_path, shell_word};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    assert!(!escape(&text).chars().any(char::is_control));
    assert!(!escape_lines(&text).chars().any(|character| character.is_control() && !matches!(character, '\n' | '\t')));
    let _ = (escape_json(&text), shell_word(&text), shell_path(&text));
});
