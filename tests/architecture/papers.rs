//! Papers beside the code: they say what the code does, and nothing of the machine they were written on.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::CommandFactory;
use cognito_link::commands::Cli;
use cognito_link::domain::finding::FindingCode;
use cognito_link::domain::outcome::RefusalCode;
use cognito_link::exit::Exit;
use cognito_link::limits;

use crate::rooms::ROOMS;

/// What must not stand anywhere in the repository. Put together here, so that this file passes itself.
const UNWANTED: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("C:", "\\Users")];
/// Hidden names that are part of it; others belong to git and to editors.
const HIDDEN_OURS: &[&str] = &[".ci", ".gitignore"];
/// Options of cargo that the README names.
const CARGO_OPTIONS: &[&str] = &["release", "example"];

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The rows of the tables under a heading, up to the next heading of the same rank or a higher one: their cells.
fn table_under(text: &str, heading: &str) -> Vec<Vec<String>> {
    let rank = heading.bytes().take_while(|byte| *byte == b'#').count();
    let ends = |line: &&str| !(line.starts_with('#') && line.bytes().take_while(|byte| *byte == b'#').count() <= rank);
    let lines = text.lines().skip_while(|line| *line != heading).skip(1).take_while(ends);
    let rows = lines.filter(|line| line.starts_with("| ") && !line.starts_with("| ---"));
    rows.map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// Cells of the first column that are one code in back-quotes.
fn codes(rows: &[Vec<String>]) -> Vec<&str> {
    rows.iter().filter_map(|row| row[0].strip_prefix('`')?.strip_suffix('`')).collect()
}

/// `--option` words of a text.
fn options_of(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c == '-';
    let starts = text.match_indices("--").filter(|(at, _)| !text[..*at].ends_with(|c: char| is_part(c) || c == '|'));
    let names = starts.map(|(at, _)| text[at + 2..].split(|c: char| !is_part(c)).next().unwrap_or_default());
    names.filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase())).map(str::to_owned).collect()
}

/// Long names of every option of every command.
fn options_of_the_program() -> BTreeSet<String> {
    let mut program = Cli::command();
    program.build();
    let commands = program.get_subcommands().chain([&program]);
    commands.flat_map(clap::Command::get_arguments).filter_map(|arg| arg.get_long()).map(str::to_owned).collect()
}

#[test]
fn the_readme_has_every_exit_status() {
    let rows = table_under(&read("README.md"), "## Exit statuses");
    let told: Vec<&str> = rows.iter().skip(1).map(|row| row[0].as_str()).collect();
    let statuses: Vec<String> = Exit::ALL.iter().map(|exit| exit.status().to_string()).collect();
    assert_eq!(told, statuses, "README, Exit statuses: as in src/exit.rs, in its order");
}

#[test]
fn the_readme_has_every_code() {
    let readme = read("README.md");
    let refusals: Vec<&str> = RefusalCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(codes(&table_under(&readme, "### Refusal codes")), refusals, "README, Refusal codes");
    let findings = table_under(&readme, "### Finding codes");
    let wanted: Vec<&str> = FindingCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(codes(&findings), wanted, "README, Finding codes");
    for (row, code) in findings.iter().skip(1).zip(FindingCode::ALL) {
        assert_eq!(row[1], code.severity().as_str(), "README, Finding codes: {}", code.as_str());
    }
}

#[test]
fn the_readme_has_every_option_and_no_other() {
    let mut told = options_of(&read("README.md"));
    told.retain(|name| !CARGO_OPTIONS.contains(&name.as_str()));
    let there = options_of_the_program();
    let strange: Vec<_> = told.difference(&there).collect();
    assert!(strange.is_empty(), "README.md names options that no command has: {strange:?}; see --help");
    let missing: Vec<_> = there.difference(&told).collect();
    assert!(missing.is_empty(), "README.md does not name these options: {missing:?}; add them under Commands");
}

#[test]
fn the_readme_has_the_bounds_as_they_are() {
    let rows = table_under(&read("README.md"), "## Bounds and defaults");
    let text = |what: &str| rows.iter().find(|row| row[0] == what).map_or("", |row| row[1].as_str());
    let share = limits::SHARE_DEFAULT;
    for (what, value) in [
        (
            "pace",
            format!(
                "{} writes/s ({share} of {})",
                limits::WRITE_QUOTA_PER_SECOND * share,
                limits::WRITE_QUOTA_PER_SECOND
            ),
        ),
        (
            "pace that can be asked for",
            format!("{} to {} writes/s", limits::RATE_PER_SECOND_MIN, limits::RATE_PER_SECOND_MAX),
        ),
        (
            "reads",
            format!("{}/s ({share} of {})", limits::LIST_QUOTA_PER_SECOND * share, limits::LIST_QUOTA_PER_SECOND),
        ),
        ("calls in flight", format!("from {} to {}", limits::CONCURRENCY_MIN, limits::CONCURRENCY_MAX)),
        (
            "attempts of a row on transient faults",
            format!("{}; waits of {} ms", limits::ATTEMPTS_MAX, limits::BACKOFF_MS_MIN),
        ),
        ("rows failed or in doubt before the run stops", limits::FAILURES_MAX.to_string()),
        ("links that `reconcile --apply` makes at the most", limits::CHANGES_MAX.to_string()),
        ("the same in percent of the file's rows", format!("{} %", limits::CHANGES_PERCENT_MAX)),
        ("time without an accepted call before a run in trouble stops", seconds(limits::STUCK_MS)),
        ("time for one attempt", seconds(limits::ATTEMPT_TIMEOUT_MS)),
        ("time for one attempt", seconds(limits::READ_TIMEOUT_MS)),
        ("time to finish what is in flight after a signal", seconds(limits::DRAIN_MS_MAX)),
        ("longest record", format!("{} KiB", limits::RECORD_BYTES_MAX / 1024)),
        ("columns of a header", limits::COLUMNS_MAX.to_string()),
        ("depth of a JSON value", limits::JSON_DEPTH_MAX.to_string()),
        ("expansion of a packed file", format!("{} times", limits::DECOMPRESSION_RATIO_MAX)),
        ("expansion of a packed file", format!("from {} MiB", limits::DECOMPRESSION_FREE_BYTES >> 20)),
        ("stdin, kept in a temporary file without a name", format!("{} TiB", limits::SPOOL_BYTES_MAX >> 40)),
        ("rows of an input", limits::INPUT_ROWS_MAX.to_string()),
        ("findings of a severity told one by one", limits::FINDINGS_SHOWN_MAX.to_string()),
        ("identities of one length, from which on another length is odd", limits::LENGTH_ROWS_MIN.to_string()),
        (
            "identities of one length, from which on another length is odd",
            format!("one in {}", limits::LENGTH_STRAYS_SHARE),
        ),
        ("provider name, attribute and value together", limits::SOURCE_CHARS_MAX.to_string()),
        ("provider name", limits::PROVIDER_NAME_CHARS_MAX.to_string()),
        ("user name", limits::USERNAME_CHARS_MAX.to_string()),
        ("identities of a user", limits::IDENTITIES_PER_USER_MAX.to_string()),
        ("providers of a pool", limits::PROVIDERS_PER_POOL_MAX.to_string()),
        ("age of a plan", format!("{} h", limits::PLAN_AGE_HOURS_MAX)),
        ("refused rows that `validate` tells one by one", limits::VERDICTS_SHOWN_MAX.to_string()),
        ("candidates of an ambiguous row that are shown", limits::CANDIDATES_SHOWN_MAX.to_string()),
        ("choices that one file may hold", limits::CHOICES_MAX.to_string()),
        ("look-ups open at a time before the start", limits::LOOK_UPS_OPEN_MAX.to_string()),
        (
            "the clock's distance from the service's at which `doctor` warns, and fails",
            format!("{} s; {} s", limits::CLOCK_APART_MS / 1_000, limits::CLOCK_REFUSED_MS / 1_000),
        ),
        ("time between two looks of `doctor` at providers' mappings", format!("{} ms", limits::MAPPING_SPACING_MS)),
        ("rows that a text report lists", limits::FAILURES_SHOWN_MAX.to_string()),
        ("rows that a text report lists", limits::REPORT_FAILURES_MAX.to_string()),
    ] {
        let told = text(what).replace(',', "");
        assert!(told.contains(&value), "README, Bounds and defaults, {what}: says {told}, and limits.rs {value}");
    }
}

fn seconds(ms: u64) -> String {
    format!("{} s", ms / 1_000)
}

#[test]
fn the_readme_shows_the_fixture_that_is_there() {
    let readme = read("README.md");
    let shown = readme.split("```csv\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or("no block of csv");
    assert!(read("fixtures/pairs.csv").starts_with(shown), "README, The file: the first lines of fixtures/pairs.csv");
}

#[test]
fn the_map_has_every_room() {
    let map = read("src/lib.rs");
    for room in ROOMS.iter().filter(|room| room.name != "lib") {
        let may = if room.may_import.is_empty() { "-".to_owned() } else { room.may_import.join(", ") };
        let fits = |line: &str| {
            let is_room = line.starts_with(&format!("//! | {} | [`{}`] |", room.level, room.name))
                || line.starts_with(&format!("//! | {} | `{}` |", room.level, room.name));
            is_room && line.ends_with(&format!("| {may} |"))
        };
        assert!(map.lines().any(fits), "src/lib.rs, Rooms: no line for {} on level {}: {may}", room.name, room.level);
    }
}

#[test]
fn nothing_tells_of_the_machine_it_was_written_on() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    look_through(root, root, &mut found);
    assert!(found.is_empty(), "words that must not be in the repository; take them out:\n{}", found.join("\n"));
}

fn look_through(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        let is_hidden = name.starts_with('.') && !HIDDEN_OURS.iter().any(|ours| name.starts_with(ours));
        // Ledgers of rehearsals are not kept; they name their input as it was given.
        if is_hidden || name == "target" || name.contains(".ledger") {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            look_through(root, &path, found);
        } else if entry.file_type().unwrap().is_file() {
            found.extend(unwanted_in(&name, &fs::read(&path).unwrap()));
        }
    }
}

fn unwanted_in(name: &str, content: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(content);
    let hits = |line: &str| UNWANTED.iter().find(|word| line.contains(**word));
    text.lines().zip(1..).filter_map(|(line, number)| Some(format!("{name}:{number}: {}", hits(line)?))).collect()
}

#[test]
fn papers_can_fail() {
    assert_eq!(unwanted_in("a.md", b"fine\nsee /wo\x72k/notes\n").len(), 1);
    let text =
        "# A\n### B\n| code | x |\n| --- | --- |\n| `one` | 1 |\n#### C\n| `two` | a\\|b |\n## D\n| `three` | 3 |\n";
    assert_eq!(codes(&table_under(text, "### B")), ["one", "two"]);
    let options = options_of("`--user-pool-id ID`, --yes. a--b, |---|---|, -- and --- and ----- `--retry refused`");
    assert_eq!(options.into_iter().collect::<Vec<_>>(), ["retry", "user-pool-id", "yes"]);
    assert!(!options_of_the_program().contains("release") && options_of_the_program().contains("show-values"));
}
