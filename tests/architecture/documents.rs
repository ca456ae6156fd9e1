//! Documents and the program agree, and nothing in the repository names the machine it was written on.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{CommandFactory, Parser as _};
use cognito_link::commands::Cli;
use cognito_link::exit::Exit;
use cognito_link::limits;
use serde_json::Value;

use crate::LAYERS;
use crate::blocks::blocks;

pub(crate) const LINE_COLUMNS_MAX: usize = 100;
const README_LINES_MAX: usize = 200;
/// Questions that operators have asked in public, and that the documents answer.
const QUESTIONS_MIN: usize = 29;
/// What must not appear anywhere in the repository. Put together here, so that this file passes itself.
const UNWANTED: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("C:", "\\Users")];
/// Hidden names that belong to the repository; others belong to git and to editors.
const HIDDEN_OURS: &[&str] = &[".ci", ".github", ".gitignore"];
/// Options of other programs that the documents name: cargo, docker, kubectl, systemctl, aws, timeout.
const OPTIONS_OF_OTHERS: &[&str] = &[
    "all-targets",
    "array-properties",
    "bench",
    "cap-drop",
    "capabilities",
    "check",
    "cli-input-json",
    "example",
    "features",
    "foreground",
    "from",
    "ignore-missing",
    "init",
    "job-definition",
    "job-name",
    "job-queue",
    "lib",
    "locked",
    "nocapture",
    "now",
    "parameter-overrides",
    "path",
    "platform",
    "prefix",
    "read-only",
    "release",
    "remap-path-prefix",
    "rm",
    "rule",
    "security-opt",
    "signal",
    "stack-name",
    "stop-timeout",
    "targets",
    "template-file",
    "test",
    "user",
];

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The documents, by their path in the repository: those at the top, and every page in `docs/`.
fn pages() -> Vec<String> {
    let mut found: Vec<String> =
        ["README.md", "ARCHITECTURE.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "SECURITY.md"]
            .map(str::to_owned)
            .into();
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap().map(Result::unwrap) {
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

/// The lines below a heading, up to the next heading of the same rank or a higher one.
fn section<'a>(text: &'a str, heading: &str) -> Vec<&'a str> {
    let rank = |line: &str| line.bytes().take_while(|byte| *byte == b'#').count();
    let ends = |line: &&str| !line.starts_with('#') || rank(line) > rank(heading);
    text.lines().skip_while(|line| *line != heading).skip(1).take_while(ends).collect()
}

/// The cells of each table row among the lines, without headers.
fn table(lines: &[&str]) -> Vec<Vec<String>> {
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
    let is_row = |at: &usize| lines[*at].starts_with("| ") && !lines[*at].starts_with("| ---");
    let is_header = |at: &usize| lines.get(at + 1).is_some_and(|next| next.starts_with("| ---"));
    (0..lines.len()).filter(is_row).filter(|at| !is_header(at)).map(|at| cells(lines[at])).collect()
}

/// The first word of each list item `- word: …` or `- word (…): …`, without backticks and asterisks.
fn items<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let first = |line: &'a str| line.strip_prefix("- ")?.split([':', ' ']).next();
    lines.iter().filter_map(|line| first(line)).map(|word| word.trim_matches(['`', '*'])).collect()
}

/// `--option` words of a text.
fn options_of(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c == '-';
    let starts = text.match_indices("--").filter(|(at, _)| !text[..*at].ends_with(|c: char| is_part(c) || c == '|'));
    let names = starts.filter_map(|(at, _)| {
        let rest = &text[at + 2..];
        let (name, after) = rest.split_at(rest.find(|c: char| !is_part(c)).unwrap_or(rest.len()));
        // Lines of output are cut to the width of a page, also within a name.
        (name.starts_with(|c: char| c.is_ascii_lowercase()) && !after.starts_with('…')).then_some(name)
    });
    names.map(str::to_owned).collect()
}

/// Long names of every option of every command.
fn options_of_the_program() -> BTreeSet<String> {
    let mut program = Cli::command();
    program.build();
    let nested = program.get_subcommands().flat_map(clap::Command::get_subcommands);
    let commands = program.get_subcommands().chain(nested).chain([&program]);
    commands.flat_map(clap::Command::get_arguments).filter_map(|arg| arg.get_long()).map(str::to_owned).collect()
}

/// The commands of a block: of `console` the lines that begin with `$ `, of `sh` all of them; continued lines joined.
fn commands_of(language: &str, lines: &[&str]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut is_continued = false;
    for line in lines {
        let start = if language == "console" { line.strip_prefix("$ ") } else { Some(*line) };
        let text = if is_continued { Some(line.trim_start()) } else { start };
        let Some(text) = text else { continue };
        let part = text.strip_suffix('\\').unwrap_or(text);
        match found.last_mut() {
            Some(last) if is_continued => last.push_str(part),
            _ => found.push(part.to_owned()),
        }
        is_continued = text.ends_with('\\');
    }
    found
}

/// The words of a shell command up to a pipe, a redirection, a comment or its end; quotes are taken off.
fn shell_words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for letter in command.chars() {
        match (quote, letter) {
            (Some(open), _) if open == letter => quote = None,
            (None, '\'' | '"') => quote = Some(letter),
            (None, '|' | '>' | '&' | ';' | '#') => {
                // The number of a stream belongs to its redirection, as in `2>/dev/null`.
                words.pop_if(|word| letter == '>' && word == "2");
                break;
            }
            (None, ' ') => words.push(String::new()),
            _ => words.last_mut().unwrap().push(letter),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The arguments of the program in a command: behind its name, or behind `cargo run --`.
fn arguments_of_the_program(command: &str) -> Option<Vec<String>> {
    let words = shell_words(command);
    let by_cargo =
        words.starts_with(&["cargo".to_owned(), "run".to_owned()]) && !words.contains(&"--example".to_owned());
    let name = if by_cargo { "--" } else { "cognito-link" };
    let is_run = by_cargo || ["cognito-link", "timeout"].contains(&words.first()?.as_str());
    let at = words.iter().position(|word| word == name).filter(|_| is_run)?;
    Some(words[at + 1..].to_vec())
}

#[test]
fn every_exit_status_is_documented() {
    let statuses: Vec<String> = Exit::ALL.iter().map(|exit| exit.status().to_string()).collect();
    assert_eq!(items(&section(&read("docs/exit-statuses.md"), "# Exit statuses")), statuses, "docs/exit-statuses.md");
}

#[test]
fn every_code_is_documented_in_the_order_of_explain() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_cognito-link")).args(["explain", "--output", "json"]).output().unwrap();
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let codes = result["codes"].as_array().unwrap();
    let text = |code: &Value, member: &str| code[member].as_str().unwrap().to_owned();
    let page = read("docs/codes.md");
    for (kind, heading) in [("state", "## Row states"), ("refusal", "## Refusal codes"), ("standing", "## Standings")] {
        let mut wanted: Vec<String> = codes.iter().filter(|c| c["kind"] == kind).map(|c| text(c, "code")).collect();
        if kind == "standing" {
            // Two standings have the name of a row state, which explains them.
            wanted.insert(0, "linked".to_owned());
            wanted.insert(wanted.len() - 1, "invalid".to_owned());
        }
        assert_eq!(items(&section(&page, heading)), wanted, "docs/codes.md, {heading}");
    }
    // The other lists of the page are generated, findings among them.
    let runbook = read("docs/runbook.md");
    let entries: Vec<&str> = runbook.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let refusals: Vec<String> = codes.iter().filter(|c| c["kind"] == "refusal").map(|c| text(c, "code")).collect();
    let entries: Vec<&str> = entries.into_iter().filter(|entry| !entry.contains(' ')).collect();
    assert_eq!(entries, refusals, "docs/runbook.md");
    for code in &refusals {
        let entry = section(&runbook, &format!("### {code}")).join("\n");
        for part in ["- **Who decides**: ", "- **Do**: ", "- **Command**: "] {
            assert!(entry.contains(part), "docs/runbook.md, {code}: no line {part}");
        }
    }
}

#[test]
fn every_option_is_documented_and_no_other() {
    // The generated page has them all. Each is also described where it is needed.
    let written = pages().into_iter().filter(|page| page != "docs/options.md");
    let mut documented: BTreeSet<String> = written.flat_map(|page| options_of(&read(&page))).collect();
    documented.retain(|name| !OPTIONS_OF_OTHERS.contains(&name.as_str()));
    let there = options_of_the_program();
    let unknown: Vec<_> = documented.difference(&there).collect();
    assert!(unknown.is_empty(), "the documents name options that no command has: {unknown:?}; see --help");
    let missing: Vec<_> = there.difference(&documented).collect();
    assert!(missing.is_empty(), "the documents do not name these options: {missing:?}; see docs/commands.md");
}

#[test]
fn every_command_in_the_documents_parses() {
    let mut count = 0;
    for page in pages() {
        let text = read(&page);
        for (language, lines) in blocks(&text).iter().filter(|(language, _)| ["console", "sh"].contains(language)) {
            for command in commands_of(language, lines) {
                let Some(arguments) = arguments_of_the_program(&command) else { continue };
                count += 1;
                let parsed = Cli::try_parse_from(["cognito-link".to_owned()].into_iter().chain(arguments));
                if let Err(error) = parsed {
                    panic!("{page}: {command}\n{error}");
                }
            }
        }
    }
    assert!(count > 30, "only {count} commands found in the documents");
}

#[test]
fn every_limit_is_documented_as_it_is() {
    let page = read("docs/limits.md");
    let rows = table(&page.lines().collect::<Vec<_>>());
    let (share, writes, reads) = (limits::SHARE_DEFAULT, limits::WRITE_QUOTA_PER_SECOND, limits::LIST_QUOTA_PER_SECOND);
    let seconds = |ms: u64| format!("{} s", ms / 1_000);
    for (what, value) in [
        ("default rate", format!("{} writes/s ({share} of {writes})", writes * share)),
        ("range of the rate", format!("{} to {} writes/s", limits::RATE_PER_SECOND_MIN, limits::RATE_PER_SECOND_MAX)),
        ("reads", format!("{}/s ({share} of {reads})", reads * share)),
        ("calls in flight", format!("from {} to {}", limits::CONCURRENCY_MIN, limits::CONCURRENCY_MAX)),
        (
            "attempts of a row on transient faults",
            format!("{}; waits of {} ms", limits::ATTEMPTS_MAX, limits::BACKOFF_MS_MIN),
        ),
        ("attempts of a row on transient faults", format!("doubling to {}", seconds(limits::BACKOFF_MS_MAX))),
        ("newest results that the limits of `--stop-after` look at", limits::STOP_WINDOW_ROWS.to_string()),
        ("results from which on a limit in percent counts", limits::STOP_RESULTS_MIN.to_string()),
        ("rows `user_not_found` before a run stops", format!("{} %", limits::STOP_NOT_FOUND_PERCENT)),
        ("rows `unrecognised` before a run stops", limits::STOP_UNRECOGNISED_ROWS.to_string()),
        ("rows of one provider, all refused, before a run stops", limits::STOP_PROVIDER_ROWS.to_string()),
        ("rows failed, and rows in doubt, before a run stops", limits::STOP_FAILED_ROWS.to_string()),
        ("rows whose writes all fail for 60 s before a run stops", limits::STUCK_ROWS.to_string()),
        ("time to settle rows in doubt after a limit of `--stop-after`", seconds(limits::DRAIN_AFTER_FAILURES_MS_MAX)),
        ("links that `reconcile --apply` makes", limits::CHANGES_MAX.to_string()),
        ("the same, in percent of the file's rows", format!("{} %", limits::CHANGES_PERCENT_MAX)),
        ("fewest rows of an input", limits::INPUT_ROWS_MIN.to_string()),
        (
            "rows that an input may lose since the last run with it and its ledger",
            format!("{} %", limits::SHRINK_PERCENT_MAX),
        ),
        ("inputs of one ledger whose number of rows is kept", limits::LEDGER_INPUTS_MAX.to_string()),
        ("age of a plan", format!("{} h", limits::PLAN_AGE_HOURS_MAX)),
        ("time without an accepted call before a run stops", seconds(limits::STUCK_MS)),
        ("time for one attempt", seconds(limits::ATTEMPT_TIMEOUT_MS)),
        ("time for one attempt", seconds(limits::READ_TIMEOUT_MS)),
        ("time to finish the calls in flight after a signal", seconds(limits::DRAIN_MS_MAX)),
        ("longest record", format!("{} KiB", limits::RECORD_BYTES_MAX / 1024)),
        ("columns of a header", limits::COLUMNS_MAX.to_string()),
        ("nesting depth of a JSON value", limits::JSON_DEPTH_MAX.to_string()),
        ("expansion of a compressed file", format!("{} times", limits::DECOMPRESSION_RATIO_MAX)),
        ("expansion of a compressed file", format!("from {} MiB", limits::DECOMPRESSION_FREE_BYTES >> 20)),
        ("rows of an input", limits::INPUT_ROWS_MAX.to_string()),
        ("part of an object of S3 that is read at a time", format!("{} MiB", limits::S3_PART_BYTES >> 20)),
        ("attempts for a request to S3", limits::S3_ATTEMPTS_MAX.to_string()),
        (
            "connections to S3 in a row that bring nothing before a command ends",
            limits::S3_BROKEN_CONNECTIONS_MAX.to_string(),
        ),
        ("object that is written to S3", format!("{} GiB", limits::S3_OBJECT_BYTES_MAX >> 30)),
        ("time for a write to S3", seconds(limits::S3_WRITE_MS_MIN)),
        ("time for a write to S3", format!("{} KiB", limits::S3_WRITE_BYTES_PER_SECOND_MIN >> 10)),
        ("time between two copies of `--ledger-copy`", seconds(limits::LEDGER_COPY_INTERVAL_MS)),
        ("stdin, kept in an unnamed temporary file", format!("{} TiB", limits::SPOOL_BYTES_MAX >> 40)),
        ("identities of one length before another is unusual", limits::LENGTH_ROWS_MIN.to_string()),
        ("identities of one length before another is unusual", format!("one in {}", limits::LENGTH_STRAYS_SHARE)),
        ("rows that repeat or contradict others", limits::CONFLICTS_MAX.to_string()),
        ("choices in one file", limits::CHOICES_MAX.to_string()),
        ("lookups open at a time before the start", limits::LOOK_UPS_OPEN_MAX.to_string()),
        ("findings of a severity that are listed", limits::FINDINGS_SHOWN_MAX.to_string()),
        ("refused rows that `validate` lists", limits::VERDICTS_SHOWN_MAX.to_string()),
        ("candidates of an ambiguous row that are shown", limits::CANDIDATES_SHOWN_MAX.to_string()),
        ("users of one address that `duplicates` lists", limits::DUPLICATE_USERS_MAX.to_string()),
        ("run time between two lines of progress", seconds(limits::PROGRESS_LINE_INTERVAL_MS)),
        ("run time between two lines of progress", format!("from {}", seconds(limits::PROGRESS_LINE_INTERVAL_MS_MIN))),
        ("run time between two versions of the file of metrics", seconds(limits::METRICS_FILE_INTERVAL_MS)),
        ("connections to a control socket at a time", limits::CONTROL_CONNECTIONS_MAX.to_string()),
        ("readers of `--metrics-listen` at a time", limits::METRICS_READERS_MAX.to_string()),
        ("readers of `--metrics-listen` at a time", seconds(limits::METRICS_READER_MS_MAX)),
        ("time for a hook", seconds(limits::HOOK_MS_MAX)),
        ("time for a hook", limits::HOOK_STDERR_BYTES_MAX.to_string()),
        ("rows that a text report lists", limits::FAILURES_SHOWN_MAX.to_string()),
        ("rows that a text report lists", limits::REPORT_FAILURES_MAX.to_string()),
        ("rows on the page of `report --html`", limits::HTML_ROWS_MAX.to_string()),
        ("rows on the page of `report --html`", format!("latest {} runs", limits::HTML_RUNS_MAX)),
        ("file of `report --cloudtrail`, decompressed", format!("{} GiB", limits::TRAIL_FILE_BYTES_MAX >> 30)),
        ("provider name, attribute and value together", limits::SOURCE_CHARS_MAX.to_string()),
        ("provider name", limits::PROVIDER_NAME_CHARS_MAX.to_string()),
        ("user name", limits::USERNAME_CHARS_MAX.to_string()),
        ("identities of a user", limits::IDENTITIES_PER_USER_MAX.to_string()),
        ("providers of a pool", limits::PROVIDERS_PER_POOL_MAX.to_string()),
        (
            "clock difference at which `doctor` warns, and fails",
            format!("{}; {}", seconds(limits::CLOCK_DIFFERENCE_MS_MAX), seconds(limits::CLOCK_DIFFERENCE_REFUSED_MS)),
        ),
        ("time between two reads of provider mappings by `doctor`", format!("{} ms", limits::MAPPING_SPACING_MS)),
    ] {
        let documented = rows.iter().find(|row| row[0] == what).map_or("", |row| row[1].as_str()).replace(',', "");
        assert!(documented.contains(&value), "docs/limits.md, {what}: has {documented}, and limits.rs {value}");
    }
}

#[test]
fn the_tutorial_shows_the_fixture_that_is_there() {
    let tutorial = read("docs/tutorial.md");
    let all = blocks(&tutorial);
    let shown = &all.iter().find(|(language, _)| *language == "csv").expect("no block of csv").1;
    assert!(read("fixtures/pairs.csv").starts_with(&shown.join("\n")), "docs/tutorial.md: lines of fixtures/pairs.csv");
}

#[test]
fn the_architecture_has_every_module_with_its_imports() {
    let page = read("ARCHITECTURE.md");
    let rows = table(&section(&page, "## Where things live"));
    for (name, may_import) in LAYERS {
        let row = rows.iter().find(|row| row[0] == format!("`{name}`"));
        let row = row.unwrap_or_else(|| panic!("ARCHITECTURE.md, Where things live: no line for {name}"));
        let wanted = if may_import.is_empty() { "-".to_owned() } else { may_import.join(", ") };
        let above: Vec<&str> = LAYERS.iter().map(|(layer, _)| *layer).take_while(|layer| layer != name).collect();
        let documented = row[2].replace("ground", "clock, seed, limits, domain");
        let documented = documented.replace("every module above", &above.join(", "));
        assert_eq!(documented, wanted, "ARCHITECTURE.md, Where things live: {name}");
    }
}

#[test]
fn lines_are_short_and_blocks_have_a_language() {
    let mut found = Vec::new();
    for page in pages() {
        let text = read(&page);
        let long = text.lines().zip(1..).filter(|(line, _)| line.chars().count() > LINE_COLUMNS_MAX);
        found.extend(long.map(|(_, number)| format!("{page}:{number}: over {LINE_COLUMNS_MAX} columns")));
        let unnamed = blocks(&text).iter().filter(|(language, _)| language.is_empty()).count();
        found.extend((unnamed > 0).then(|| format!("{page}: {unnamed} code blocks without a language")));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    let lines = read("README.md").lines().count();
    assert!(lines <= README_LINES_MAX, "README.md has {lines} lines; the limit is {README_LINES_MAX}");
}

/// The targets of the links in a text, outside of code.
fn links(text: &str) -> Vec<&str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect()
}

/// The anchors of a page: its headings as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |c: &char| c.is_alphanumeric() || *c == ' ' || *c == '-' || *c == '_';
    headings.map(|heading| heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}

#[test]
fn relative_links_exist() {
    let mut broken = Vec::new();
    for page in pages().into_iter().chain(["CHANGELOG.md".to_owned()]) {
        let text = read(&page);
        let folder = Path::new(&page).parent().unwrap_or(Path::new(""));
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { PathBuf::from(&page) } else { folder.join(path) };
            let full = root().join(&target);
            let has_anchor = || anchor.is_empty() || anchors(&fs::read_to_string(&full).unwrap()).contains(anchor);
            if !full.exists() || !has_anchor() {
                broken.push(format!("{page}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
}

#[test]
fn every_page_is_in_the_book_and_in_the_index() {
    for list in ["docs/SUMMARY.md", "docs/README.md"] {
        let text = read(list);
        let folder = |link: &str| link.strip_prefix("../").map_or(format!("docs/{link}"), str::to_owned);
        let listed: Vec<String> = links(&text).into_iter().filter(|link| !link.contains("://")).map(folder).collect();
        let once: BTreeSet<&String> = listed.iter().collect();
        assert_eq!(once.len(), listed.len(), "{list} lists a page twice");
        let of_index = ["docs/SUMMARY.md", "docs/README.md"];
        let in_docs =
            pages().into_iter().filter(|page| page.starts_with("docs/") && !of_index.contains(&page.as_str()));
        let missing: Vec<String> = in_docs.filter(|page| !once.contains(page)).collect();
        assert!(missing.is_empty(), "{list} does not list: {missing:?}");
    }
}

#[test]
fn every_question_says_where_it_was_asked() {
    let page = read("docs/faq.md");
    let questions: Vec<&str> = page.lines().filter(|line| line.starts_with("### ")).collect();
    assert!(questions.len() >= QUESTIONS_MIN, "docs/faq.md has {} questions", questions.len());
    for question in questions {
        let answer = section(&page, question).join("\n");
        let (answer, source) = answer.rsplit_once("\n\nAsked in ").unwrap_or_else(|| panic!("{question}: no source"));
        assert!(answer.trim().len() > 60, "{question}: {answer}");
        let source = source.replace('\n', " ");
        let references = source.split('[').skip(1).filter_map(|rest| rest.split(']').next());
        for reference in references {
            assert!(page.contains(&format!("\n[{reference}]:")), "{question}: no address of {reference}");
        }
    }
}

#[test]
fn nothing_names_the_machine_it_was_written_on() {
    let mut found = Vec::new();
    look_through(root(), &mut found);
    assert!(found.is_empty(), "words that must not be in the repository; take them out:\n{}", found.join("\n"));
}

fn look_through(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        let is_hidden = name.starts_with('.') && !HIDDEN_OURS.iter().any(|ours| name.starts_with(ours));
        // Ledgers of rehearsals are not kept; they name their input as it was given.
        if is_hidden || name == "target" || name.contains(".ledger") {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            look_through(&path, found);
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
fn these_tests_can_fail() {
    assert_eq!(unwanted_in("a.md", b"fine\nsee /wo\x72k/notes\n").len(), 1);
    let text = "# A\n### B\n| code | x |\n| --- | --- |\n| `one` | 1 |\n#### C\n| `two` | a\\|b |\n- `three` (x): y\n## D\n- no: z\n";
    let lines = section(text, "### B");
    assert_eq!(table(&lines).iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), ["`one`", "`two`"]);
    assert_eq!(items(&lines), ["three"]);
    let options = options_of("`--user-pool-id ID`, --yes. a--b, |---|---|, -- and --- and ----- `--retry refused`");
    assert_eq!(options.into_iter().collect::<Vec<_>>(), ["retry", "user-pool-id", "yes"]);
    assert!(!options_of_the_program().contains("release") && options_of_the_program().contains("show-values"));
    let page = "```console\n$ cognito-link link \\\n    a.csv --yes 2>&1\nout\n$ echo $?\n```\n```\nx\n```\n";
    let found = blocks(page);
    assert_eq!((found.len(), found[1].0), (2, ""));
    let commands = commands_of(found[0].0, &found[0].1);
    assert_eq!(commands, ["cognito-link link a.csv --yes 2>&1", "echo $?"]);
    assert_eq!(shell_words("a 'b c' \"d\" | e"), ["a", "b c", "d"]);
    assert_eq!(
        arguments_of_the_program("timeout 5 cognito-link export -o x"),
        Some(vec!["export".to_owned(), "-o".to_owned(), "x".to_owned()])
    );
    assert_eq!(arguments_of_the_program("cargo test --lib"), None);
    assert_eq!(links("see [a](b.md#c) and [d](#e)"), ["b.md#c", "#e"]);
    assert!(anchors("# A `b` c, d\n").contains("a-b-c-d"));
}
