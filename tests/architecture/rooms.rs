//! The rooms of the house and the arrows between them, as data: the table of `src/lib.rs`.

use crate::source::{Source, is_word, word_at};
use crate::{Violation, violation};

/// A top-level module.
pub(crate) struct Room {
    pub(crate) name: &'static str,
    pub(crate) level: u8,
    /// Rooms that it may import from, each on a lower level.
    pub(crate) may_import: &'static [&'static str],
}

const GROUND: &[&str] = &["clock", "seed", "limits", "domain"];

pub(crate) const ROOMS: &[Room] = &[
    Room { name: "clock", level: 0, may_import: &[] },
    Room { name: "exit", level: 0, may_import: &[] },
    Room { name: "limits", level: 0, may_import: &[] },
    Room { name: "seed", level: 0, may_import: &[] },
    Room { name: "domain", level: 1, may_import: &["limits"] },
    Room { name: "input", level: 2, may_import: GROUND },
    Room { name: "service", level: 2, may_import: GROUND },
    Room { name: "pace", level: 2, may_import: GROUND },
    Room { name: "ledger", level: 2, may_import: GROUND },
    Room { name: "ui", level: 2, may_import: GROUND },
    Room { name: "foresight", level: 3, may_import: &["clock", "seed", "limits", "domain", "service", "pace"] },
    Room {
        name: "engine",
        level: 4,
        may_import: &["clock", "seed", "limits", "domain", "service", "pace", "ledger", "foresight"],
    },
    Room {
        name: "commands",
        level: 5,
        may_import: &[
            "clock",
            "exit",
            "seed",
            "limits",
            "domain",
            "input",
            "service",
            "pace",
            "ledger",
            "ui",
            "foresight",
            "engine",
        ],
    },
    Room { name: "lib", level: 6, may_import: &[] },
    Room { name: "main", level: 6, may_import: &["commands", "exit"] },
];

/// Rooms within rooms that only these may enter, besides the room that holds them.
const INNER_ROOMS: &[(&str, &str, &[&str])] =
    &[("service", "cognito", &["commands"]), ("service", "sim", &["commands"])];

/// Modules of one room that must not know each other, in either direction.
const STRANGERS: &[(&str, &str)] = &[("service/cognito", "sim"), ("service/sim", "cognito")];

pub(crate) fn room(name: &str) -> Option<&'static Room> {
    ROOMS.iter().find(|room| room.name == name)
}

/// No room imports from one that it may not know.
pub(crate) fn arrows(source: &Source, violations: &mut Vec<Violation>) {
    let Some(home) = room(source.room()) else {
        violations.push(violation(source, 0, "this room is not in the table; give it a level in tests/architecture"));
        return;
    };
    for (at, path) in house_paths(source) {
        if source.in_test(at) {
            continue;
        }
        let [first, rest @ ..] = path.as_slice() else { continue };
        if first != home.name && !home.may_import.contains(&first.as_str()) {
            let may = home.may_import.join(", ");
            let what = format!("{} may not import {first}; it may know: {may}; move the shared part down", home.name);
            violations.push(violation(source, at, &what));
        }
        let inner = rest.first().map_or("", String::as_str);
        let closed = |(room, part, guests): &&(&str, &str, &[&str])| {
            first == room && inner == *part && home.name != *room && !guests.contains(&home.name)
        };
        if INNER_ROOMS.iter().any(|room| closed(&room)) {
            let what = format!("{} may not enter {first}::{inner}; use the ports of {first}", home.name);
            violations.push(violation(source, at, &what));
        }
        strangers(source, at, inner, violations);
    }
}

fn strangers(source: &Source, at: usize, inner: &str, violations: &mut Vec<Violation>) {
    for (folder, stranger) in STRANGERS {
        if source.path.starts_with(folder) && inner == *stranger {
            violations.push(violation(source, at, &format!("{folder} must not know {stranger}; use the ports")));
        }
    }
}

/// Every path into the crate, from its root on: `crate::…`, `cognito_link::…`, and `super::…` that climbs out of its
/// room; groups in braces are taken apart.
fn house_paths(source: &Source) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    for root in ["crate", "cognito_link"] {
        for at in source.words(root) {
            if !follows_path(source, at) {
                take_tree(&source.code, at + root.len(), at, &[], &mut found);
            }
        }
    }
    for at in source.words("super") {
        if !follows_path(source, at) {
            take_super(source, at, &mut found);
        }
    }
    found
}

fn follows_path(source: &Source, at: usize) -> bool {
    source.code[..at].trim_end().ends_with("::")
}

/// `super::super::x` from a module two deep is the room `x`; from one three deep it is a sibling.
fn take_super(source: &Source, at: usize, found: &mut Vec<(usize, Vec<String>)>) {
    let (mut next, mut climbed) = (at, 0);
    while word_at(&source.code, next) == Some("super") {
        climbed += 1;
        let end = next + source.code[next..].find("super").unwrap_or_default() + "super".len();
        let Some(rest) = source.code[end..].trim_start().strip_prefix("::") else { return };
        next = source.code.len() - rest.len();
    }
    let modules: Vec<&str> = source.path.split('/').collect();
    let home = |count: usize| modules[..count].iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
    if let Some(left) = source.depth().checked_sub(climbed) {
        let colons = source.code[..next].rfind("::").unwrap_or(next);
        take_tree(&source.code, colons, at, &home(left), found);
    }
}

/// Takes what follows a path apart, where it goes on with `::`.
fn take_tree(code: &str, end: usize, at: usize, before: &[String], found: &mut Vec<(usize, Vec<String>)>) {
    let rest = code[end..].trim_start();
    let Some(rest) = rest.strip_prefix("::").map(str::trim_start) else {
        if !before.is_empty() {
            found.push((at, before.to_vec()));
        }
        return;
    };
    let start = code.len() - rest.len();
    if !rest.starts_with('{') {
        let Some(word) = word_at(code, start) else { return found.push((at, before.to_vec())) };
        return take_tree(code, start + word.len(), at, &[before, &[word.to_owned()]].concat(), found);
    }
    for member in group_members(code, start + 1) {
        let Some(word) = word_at(code, member) else { continue };
        let path = if word == "self" { before.to_vec() } else { [before, &[word.to_owned()]].concat() };
        let word_end = member + code[member..].find(word).unwrap_or_default() + word.len();
        take_tree(code, word_end, member, &path, found);
    }
}

/// Where each member of the group starts whose brace opens just before `start`.
fn group_members(code: &str, start: usize) -> Vec<usize> {
    let first_word = |at: usize| code[at..].bytes().position(is_word).map_or(at, |offset| at + offset);
    let mut members = vec![first_word(start)];
    let mut depth = 0_usize;
    for (offset, byte) in code.bytes().enumerate().skip(start) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => break,
            b'}' => depth -= 1,
            b',' if depth == 0 => members.push(first_word(offset + 1)),
            _ => {}
        }
    }
    members
}

#[test]
fn the_table_points_down() {
    for room in ROOMS {
        for name in room.may_import {
            let below = self::room(name).unwrap();
            assert!(below.level < room.level, "{} (level {}) imports {name} ({})", room.name, room.level, below.level);
        }
    }
}

#[test]
fn arrows_can_fail() {
    let broken = |path: &str, code: &str| {
        let mut violations = Vec::new();
        arrows(&Source::of(path, code), &mut violations);
        violations.len()
    };
    assert_eq!(broken("engine/a.rs", "use crate::ui::Ui;"), 1);
    assert_eq!(broken("engine/a.rs", "fn f() { crate::input::read() }"), 1);
    assert_eq!(broken("input/a.rs", "use crate::{limits, domain::row::{Row, RowKey}, ledger::Ledger};"), 1);
    assert_eq!(broken("input/a/b.rs", "use super::super::super::ledger::Ledger;"), 1, "climbing out is an arrow too");
    assert_eq!(broken("domain/mod.rs", "use super::clock::Clock;"), 1);
    assert_eq!(broken("engine/a.rs", "use crate::service::{CallFault, cognito::Cognito};"), 1);
    assert_eq!(broken("engine/a.rs", "use crate::service::sim::Pool;"), 1);
    assert_eq!(broken("service/sim/a.rs", "use super::super::cognito::Cognito;"), 1);
    assert_eq!(broken("cellar.rs", ""), 1, "a room without a level");
    assert_eq!(broken("main.rs", "use cognito_link::engine::run;"), 1);
    for (path, fine) in [
        ("engine/a.rs", "use crate::ledger::Ledger; use super::job::Job; // use crate::ui::Ui;"),
        ("input/a/b.rs", "use super::super::columns::Columns; pub(crate) use super::x; pub(in crate::input) fn f() {}"),
        ("engine/a.rs", "#[cfg(test)]\nmod tests { use crate::service::sim::Pool; }"),
        ("commands/a.rs", "use crate::service::cognito::Cognito; use crate::{self_made, ui};"),
        ("service/sim/a.rs", "use super::pool::Pool; use super::super::Fault;"),
    ] {
        assert_eq!(broken(path, fine), usize::from(fine.contains("self_made")), "{fine}");
    }
}
