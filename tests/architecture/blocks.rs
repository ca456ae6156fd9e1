//! The code blocks of the documents; `tests/it/documents.rs` uses this file as well.

/// The code blocks of a page: the language, and the lines.
pub(crate) fn blocks(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut found: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut is_open = false;
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(language) if !is_open => found.push((language, Vec::new())),
            None if is_open => found.last_mut().unwrap().1.push(line),
            _ => {}
        }
        if line.starts_with("```") {
            is_open = !is_open;
        }
    }
    found
}
