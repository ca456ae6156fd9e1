//! Runs the commands in the `console` blocks of the documents, and compares what they print with what the pages show.
//!
//! The blocks of a page share one folder, which has a copy of `fixtures/`, and run in order. Runs against the simulator
//! of `--simulate` take real time, so the pages run side by side. `docs/refresh` rewrites the pages.
//!
//! What differs from run to run is not compared: times, rates, hashes, ids of runs, and lines of progress. A line `…` of a
//! page stands for any number of lines. Where a command is stopped after a time, no number after it is compared.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::blocks::blocks;

/// Programs that may be run; a block with another one is left alone, as by `docs/refresh`.
const PROGRAMS: &[&str] = &["cognito-link", "head", "sed", "echo", "timeout", "ls", "cat"];
/// `docs/refresh` cuts lines to this width.
const COLUMNS_MAX: usize = 100;
/// What a cut line may differ in at its end, because something before it has another length.
const COLUMNS_LEFT_OUT: usize = 8;
const MARK: &str = "--- end of output ---";
/// Words of lines that show the progress of a run, at moments that differ.
const PROGRESS: &[&str] = &[" rows done (", "reading the pool: "];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The pages that have a block to run.
fn pages() -> Vec<PathBuf> {
    let mut found = vec![root().join("README.md")];
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found.retain(|page| blocks(&fs::read_to_string(page).unwrap()).iter().any(|block| is_run(block)));
    found.sort();
    found
}

/// A command as it is written, over several lines where it is continued, and what the page shows below it.
struct Shown {
    command: String,
    output: Vec<String>,
}

fn commands(lines: &[&str]) -> Vec<Shown> {
    let mut found: Vec<Shown> = Vec::new();
    for line in lines {
        match (line.strip_prefix("$ "), found.last_mut()) {
            (Some(command), _) => found.push(Shown { command: command.to_owned(), output: Vec::new() }),
            (None, Some(last)) if last.command.ends_with('\\') && last.output.is_empty() => {
                last.command += "\n";
                last.command += line;
            }
            (None, Some(last)) => last.output.push((*line).to_owned()),
            (None, None) => panic!("a console block begins with output: {line}"),
        }
    }
    found
}

fn is_run((language, lines): &(&str, Vec<&str>)) -> bool {
    let program = |shown: &Shown| shown.command.split(' ').next().map(str::to_owned).unwrap_or_default();
    *language == "console" && commands(lines).iter().all(|shown| PROGRAMS.contains(&program(shown).as_str()))
}

/// Runs the commands of a block in one shell, so that `echo $?` prints the status of the command before it. Returns the
/// output of each, both streams together.
fn run(block: &[Shown], folder: &Path) -> Vec<String> {
    let script = block.iter().fold("exec 2>&1\n".to_owned(), |script, shown| {
        format!("{script}{}\nstatus=$?; echo '{MARK}'; (exit $status)\n", shown.command)
    });
    let program = Path::new(env!("CARGO_BIN_EXE_cognito-link")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_") || name.starts_with("COGNITO_LINK_"))
    {
        shell.env_remove(name);
    }
    shell.args(["-c", &script]).current_dir(folder).env("PATH", path).stdin(Stdio::null());
    let output = String::from_utf8(shell.output().unwrap().stdout).unwrap();
    output.split(&format!("{MARK}\n")).map(str::to_owned).collect()
}

/// Cuts a line as `docs/refresh` does.
fn cut(line: &str) -> String {
    if line.chars().count() <= COLUMNS_MAX {
        return line.to_owned();
    }
    line.chars().take(COLUMNS_MAX - 1).chain(['…']).collect()
}

/// A line without what differs from run to run. With `is_stopped`, without any number.
fn comparable(line: &str, is_stopped: bool) -> String {
    let cut = cut(line);
    let mut words: Vec<String> = Vec::new();
    for word in cut.split_whitespace() {
        let core = word.trim_matches(['(', ')', ',', ';', '.', ':', '…']);
        let core = core.strip_prefix("sha256:").unwrap_or(core);
        let is_hex = core.len() >= 16 && core.chars().all(|c| c.is_ascii_hexdigit());
        let is_time = core.len() > 18 && core.ends_with('Z') && core.contains('T') && core.starts_with("20");
        let is_number = core.starts_with(|c: char| c.is_ascii_digit());
        // A key of a row has 32 digits, and follows from the row.
        let is_other = (is_hex && (is_stopped || core.len() != 32)) || is_time || (is_number && core.ends_with("/s"));
        let is_unit = ["s", "ms", "min", "h"].contains(&core);
        if is_unit && words.last().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_digit())) {
            "N".clone_into(words.last_mut().unwrap());
        }
        words.push(if is_other || (is_stopped && is_number) { "N".to_owned() } else { word.to_owned() });
    }
    words.join(" ")
}

fn is_same(shown: &str, printed: &str, is_stopped: bool) -> bool {
    let (shown, printed) = (comparable(shown, is_stopped), comparable(printed, is_stopped));
    if !shown.ends_with('…') {
        return shown == printed;
    }
    let length = shown.chars().count().min(printed.chars().count()).saturating_sub(COLUMNS_LEFT_OUT);
    shown.chars().take(length).eq(printed.chars().take(length))
}

/// Says where the output differs from the page, if it does.
fn difference(shown: &[String], printed: &str, is_stopped: bool) -> Option<String> {
    let is_kept = |line: &&str| !PROGRESS.iter().any(|word| line.contains(word));
    let shown: Vec<&str> = shown.iter().map(String::as_str).filter(is_kept).collect();
    let printed: Vec<&str> = printed.trim_end().lines().filter(is_kept).collect();
    let parts: Vec<&[&str]> = shown.split(|line| *line == "…").collect();
    let is_part = |part: &[&str], at: usize| {
        printed
            .get(at..at + part.len())
            .is_some_and(|lines| part.iter().zip(lines).all(|(shown, printed)| is_same(shown, printed, is_stopped)))
    };
    let mut at = 0;
    for (index, part) in parts.iter().enumerate() {
        let last = printed.len().saturating_sub(part.len());
        let found = match (index, index + 1 == parts.len()) {
            (0, true) => (part.len() == printed.len() && is_part(part, 0)).then_some(0),
            (0, false) => is_part(part, 0).then_some(0),
            (_, true) => (last >= at && is_part(part, last)).then_some(last),
            (_, false) => (at..=last).find(|start| is_part(part, *start)),
        };
        match found {
            Some(start) => at = start + part.len(),
            None => return Some(format!("shown:\n{}\nprinted:\n{}", shown.join("\n"), printed.join("\n"))),
        }
    }
    None
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if !entry.file_name().to_string_lossy().contains(".ledger") {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Runs a page, and returns what differs.
fn check(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap();
    let folder = tempfile::tempdir().unwrap();
    copy(&root().join("fixtures"), &folder.path().join("fixtures"));
    let name = page.strip_prefix(root()).unwrap().display();
    let mut found = Vec::new();
    let mut is_stopped = false;
    for block in blocks(&text).iter().filter(|block| is_run(block)) {
        let shown = commands(&block.1);
        is_stopped |= shown.iter().any(|shown| shown.command.starts_with("timeout "));
        let printed = run(&shown, folder.path());
        for (shown, printed) in shown.iter().zip(printed) {
            let difference = difference(&shown.output, &printed, is_stopped);
            found.extend(difference.map(|difference| format!("{name}: $ {}\n{difference}", shown.command)));
        }
    }
    found
}

#[test]
fn every_command_prints_what_the_documents_show() {
    let pages = pages();
    assert!(pages.len() > 10, "{pages:?}");
    let checks: Vec<_> = pages.into_iter().map(|page| std::thread::spawn(move || check(&page))).collect();
    let found: Vec<String> = checks.into_iter().flat_map(|check| check.join().unwrap()).collect();
    assert!(found.is_empty(), "run docs/refresh, and read what it changes:\n\n{}", found.join("\n\n"));
}

#[test]
fn a_difference_is_seen() {
    let shown = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let differs = |page: &str, printed: &str| difference(&shown(page), printed, false).is_some();
    assert!(!differs("run 2026-11-26T14:52:14.938Z completed", "run 2027-01-01T00:00:00.001Z completed"));
    assert!(!differs("in 0.2 s", "in 0.9 s") && !differs("at 20.0/s", "at 19.8/s"));
    assert!(differs("linked 3", "linked 4") && differs("a", "a\nb") && differs("a\nb", "a"));
    assert!(!differs("a\n…\nd", "a\nb\nc\nd") && differs("a\n…\nd", "a\nb\nc") && differs("a\n…\nb\n…\nd", "a\nc\nd"));
    assert!(differs("row 1 key 0123456789abcdef0123456789abcdef", "row 1 key 1123456789abcdef0123456789abcdef"));
    assert!(!differs("head 0123456789abcdef", "head 1123456789abcdef"));
    assert!(!differs("98 of 1,000 rows done (9 %)\na", "a"));
    let long = "word ".repeat(40);
    assert!(!differs(&cut(&long), &long) && differs(&cut(&long), &long.replacen("word", "Word", 1)));
    assert!(difference(&shown("linked 3"), "linked   4", true).is_none());
}
