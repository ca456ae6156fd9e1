//! Messages and hints work where there is a binary and nothing of the repository.

use std::path::{Path, PathBuf};

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            files_below(&entry.path(), found);
        } else {
            found.push(entry.path());
        }
    }
}

/// Whether a line is read by nobody but those who have the sources.
fn is_for_developers(line: &str) -> bool {
    ["//", "#"].iter().any(|comment| line.trim_start().starts_with(comment)) || line.contains("CARGO_MANIFEST_DIR")
}

/// Returns a name of a file of the repository in a line.
fn named_file(line: &str) -> Option<&str> {
    let is_name = |word: &&str| {
        let is_page = ["docs/", "README", "CONTRIBUTING", "ARCHITECTURE"].iter().any(|start| word.starts_with(start));
        (is_page && word.contains(".md")) || word.starts_with("fixtures/")
    };
    line.split(['"', '`', ' ', '(']).find(is_name)
}

#[test]
fn no_message_names_a_file_of_the_repository() {
    let mut files = Vec::new();
    files_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    files.retain(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        let is_read = [".rs", ".json"].iter().any(|ending| name.ends_with(ending));
        is_read && !name.ends_with("tests.rs") && !path.components().any(|part| part.as_os_str() == "testing")
    });
    assert!(files.len() > 100, "{files:?}");
    let mut found = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().lines();
        let named = lines.filter(|line| !is_for_developers(line)).filter_map(named_file);
        found.extend(named.map(|name| format!("{}: {name}", path.display())));
    }
    assert!(found.is_empty(), "name a command or a page's title: {found:#?}");
}

#[test]
fn a_file_of_the_repository_is_found() {
    for line in [r#""see docs/duplicates.md""#, "read `docs/iam.md`.", "link fixtures/pairs.csv"] {
        assert!(named_file(line).is_some() && !is_for_developers(line), "{line}");
    }
    for line in ["    // docs/iam.md", r#"concat!(env!("CARGO_MANIFEST_DIR"), "/docs/iam.md")"#] {
        assert!(is_for_developers(line), "{line}");
    }
    assert_eq!(named_file("print what is at pairs.csv"), None);
}
