//! The house keeps its rules: arrows point down, each room keeps to its trade, and the papers say what the code does.
//!
//! Rules are data in `architecture/rooms.rs` and `architecture/rules.rs`; each has a test of its own which shows that
//! it can fail.

#[cfg(test)]
#[path = "architecture/papers.rs"]
mod papers;
#[cfg(test)]
#[path = "architecture/rooms.rs"]
mod rooms;
#[cfg(test)]
#[path = "architecture/rules.rs"]
mod rules;
#[cfg(test)]
#[path = "architecture/source.rs"]
mod source;

use source::{Source, read_folder};

/// A rule that is broken: where, and what to do.
#[derive(Debug)]
struct Violation(String);

fn violation(source: &Source, at: usize, what: &str) -> Violation {
    Violation(format!("{}/{}:{}: {what}", source.folder, source.path, source.line(at)))
}

fn assert_none(violations: &[Violation]) {
    let lines: Vec<&str> = violations.iter().map(|violation| violation.0.as_str()).collect();
    assert!(lines.is_empty(), "{} broken rules:\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn the_house_keeps_its_rules() {
    let (sources, orphans) = read_folder("src");
    assert!(orphans.is_empty(), "no module declares these files; declare or delete them: {orphans:?}");
    let limits = sources.iter().find(|source| source.path == "limits.rs").map_or("", |source| source.raw.as_str());
    let mut violations = Vec::new();
    for source in &sources {
        rooms::arrows(source, &mut violations);
        rules::reserved_words(source, &mut violations);
        rules::aws_names(source, &mut violations);
        rules::elapsed(source, &mut violations);
        rules::channel_bounds(source, limits, &mut violations);
        rules::displays(source, &mut violations);
        rules::heads(source, &mut violations);
        rules::file_length(source, &mut violations);
        rules::function_length(source, &mut violations);
    }
    assert_none(&violations);
}

#[test]
fn tests_keep_theirs() {
    let mut violations = Vec::new();
    for source in read_folder("tests").0 {
        rules::file_length(&source, &mut violations);
        rules::function_length(&source, &mut violations);
        let ignored = source.words("#[ignore");
        violations.extend(ignored.into_iter().map(|at| violation(&source, at, "a test that does not run is none")));
    }
    assert_none(&violations);
}

#[test]
fn every_room_has_a_level() {
    let (sources, _) = read_folder("src");
    let mut rooms: Vec<&str> = sources.iter().map(Source::room).collect();
    rooms.dedup();
    let mut table: Vec<&str> = rooms::ROOMS.iter().map(|room| room.name).collect();
    rooms.sort_unstable();
    table.sort_unstable();
    assert_eq!(rooms, table, "the table of rooms and the folders of src differ");
}
