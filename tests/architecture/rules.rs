//! Rules that a line or a function keeps or breaks by itself.

use crate::source::{Source, is_word, item_end, word_at};
use crate::{Violation, violation};

/// Longest file, in lines.
const FILE_LINES_MAX: usize = 400;
/// Longest function, in lines.
const FUNCTION_LINES_MAX: usize = 70;

/// A word of the code that only some places may use.
struct Reserved {
    /// The word; one that ends in punctuation may be followed by anything.
    word: &'static str,
    /// Paths that may use it, by how they start.
    places: &'static [&'static str],
    /// Whether tests may use it anywhere.
    tests_may: bool,
    /// What to do instead.
    instead: &'static str,
}

const fn reserved(word: &'static str, places: &'static [&'static str], instead: &'static str) -> Reserved {
    Reserved { word, places, tests_may: false, instead }
}

const fn reserved_but_in_tests(word: &'static str, places: &'static [&'static str], instead: &'static str) -> Reserved {
    Reserved { word, places, tests_may: true, instead }
}

const AWS: &[&str] = &["service/cognito"];
const TALKERS: &[&str] = &["ui/", "main.rs"];
const CLOCK: &[&str] = &["clock.rs"];
const ASK_AWS: &str = "only service/cognito knows the SDK; go through the ports of service";
const ASK_UI: &str = "only ui talks; hand it data";
const ASK_CLOCK: &str = "take a Clock, or the time itself, as a parameter";
const ASK_ENGINE: &str = "the engine has one owner for everything; send it over a bounded channel";
/// `commands/shared/pool.rs` passes the halves on, and asks for none.
const LINKERS: &[&str] =
    &["service/", "engine/worker.rs", "commands/shared/pool.rs", "commands/link/", "commands/reconcile/apply.rs"];
const UNLINKERS: &[&str] = &["service/", "engine/worker.rs", "commands/shared/pool.rs", "commands/undo/"];
const NO_WRITER: &str =
    "a command that must not write holds no value through which it could, and none holds both halves";

const RESERVED: &[Reserved] = &[
    reserved("println!", TALKERS, ASK_UI),
    reserved("print!", TALKERS, ASK_UI),
    reserved("eprintln!", TALKERS, ASK_UI),
    reserved("eprint!", TALKERS, ASK_UI),
    reserved("dbg!", &[], "remove it"),
    reserved("stdout()", TALKERS, ASK_UI),
    reserved("stderr()", TALKERS, ASK_UI),
    reserved("process::exit", TALKERS, "return an Exit; the process ends in main"),
    reserved("process::abort", &[], "return an Exit; the process ends in main"),
    reserved_but_in_tests("Instant::now", CLOCK, ASK_CLOCK),
    reserved_but_in_tests("SystemTime", CLOCK, ASK_CLOCK),
    reserved_but_in_tests("time::Instant", CLOCK, "use clock::Instant"),
    reserved("Timestamp::now", CLOCK, ASK_CLOCK),
    reserved("Zoned::now", CLOCK, ASK_CLOCK),
    reserved("tokio::time", CLOCK, "use what clock hands out, so that a paused runtime is obeyed"),
    reserved("thread::sleep", &[], "wait with clock::sleep; a test pauses the runtime's clock"),
    reserved("unbounded_channel", &[], "use channel() with a bound from limits"),
    reserved("sync::mpsc::channel", &[], "use tokio's channel() with a bound from limits"),
    reserved("UnboundedSender", &[], "use a Sender with a bound from limits"),
    reserved("UnboundedReceiver", &[], "use a Receiver with a bound from limits"),
    reserved("todo!", &[], "write it"),
    reserved("unimplemented!", &[], "write it"),
    reserved("#[ignore", &[], "a test that does not run is none; make it fast or delete it"),
    reserved_but_in_tests("IdentityLinker", LINKERS, NO_WRITER),
    reserved_but_in_tests("linker()", LINKERS, NO_WRITER),
    reserved_but_in_tests("IdentityUnlinker", UNLINKERS, NO_WRITER),
    reserved_but_in_tests("unlinker()", UNLINKERS, NO_WRITER),
];

const ENGINE_RESERVED: &[&str] = &["Mutex", "RwLock", "AtomicUsize", "AtomicU64", "AtomicBool", "RefCell"];

/// Crates that one place alone may know.
const FOREIGN: &[(&str, &[&str])] = &[
    ("clap", &["commands/", "main.rs"]),
    ("indicatif", &["ui/"]),
    ("tracing_subscriber", &["ui/"]),
    ("governor", &["pace/"]),
    ("toml", &["commands/shared/settings.rs"]),
    ("flate2", &["input/"]),
    ("zstd", &["input/"]),
    ("cognito_sim", &["service/in_process.rs", "run/", "cli/"]),
];
/// What the ground floor does without: no I/O, no waiting, no format.
const NOT_IN_DOMAIN: &[&str] = &["tokio", "serde", "serde_json", "jiff", "tracing", "std::fs", "std::io", "std::net"];

/// Types with personal values in them: they must not have a text of their own.
const PERSONAL_TYPES: &[&str] = &[
    "Personal",
    "ExternalIdentity",
    "Destination",
    "DestinationUser",
    "Link",
    "Row",
    "LinkedIdentity",
    "PoolUser",
    "UserFilter",
    "UserQuery",
    "LinkRequest",
    "UnlinkRequest",
    "LinkToUndo",
    "ServiceText",
    "Fault",
    "FailureLine",
    "PersonalText",
    "Announcement",
    "CallError",
    "Settlement",
    "UnlinkSettlement",
];
/// Where the text of a personal value may be taken out: for the service, the ledger and result files.
const MAY_EXPOSE: &[&str] = &[
    "domain/",
    "input/",
    "service/",
    "ledger/",
    "foresight/",
    "engine/",
    "commands/report/ledgers.rs",
    "commands/shared/choices.rs",
    "commands/shared/saved_plan.rs",
    "commands/export/",
    "commands/reconcile/",
    "ui/mod.rs",
];

pub(crate) fn reserved_words(source: &Source, violations: &mut Vec<Violation>) {
    let starts = |places: &[&str]| places.iter().any(|place| source.path.starts_with(place));
    let mut forbid = |word: &str, tests_may: bool, instead: &str| {
        let found = source.words(word).into_iter().filter(|at| !(tests_may && source.in_test(*at)));
        violations.extend(found.map(|at| violation(source, at, &format!("{word} does not belong here: {instead}"))));
    };
    for rule in RESERVED.iter().filter(|rule| !starts(rule.places)) {
        forbid(rule.word, rule.tests_may, rule.instead);
    }
    for (name, places) in FOREIGN.iter().filter(|(_, places)| !starts(places)) {
        forbid(&format!("{name}::"), true, &format!("only {} knows this crate", places.join(" and ")));
    }
    if source.path.starts_with("engine/") {
        for word in ENGINE_RESERVED {
            forbid(word, true, ASK_ENGINE);
        }
    }
    if source.path.starts_with("domain/") {
        for word in NOT_IN_DOMAIN {
            forbid(word, true, "the ground floor has no I/O, no waiting, no format");
        }
    }
    if !starts(MAY_EXPOSE) {
        forbid("expose()", true, "this room has no business with personal values; show a row's number and key");
    }
}

/// No name of an SDK crate outside the adapter, tests included.
pub(crate) fn aws_names(source: &Source, violations: &mut Vec<Violation>) {
    if AWS.iter().any(|place| source.path.starts_with(place)) {
        return;
    }
    let bytes = source.code.as_bytes();
    for (at, _) in source.code.match_indices("aws_") {
        if at == 0 || !is_word(bytes[at - 1]) {
            violations.push(violation(source, at, ASK_AWS));
        }
    }
}

/// Time since an instant is asked of a clock only.
pub(crate) fn elapsed(source: &Source, violations: &mut Vec<Violation>) {
    for (at, _) in source.code.match_indices(".elapsed()") {
        let receiver = source.code[..at].trim_end();
        let start = receiver.bytes().rposition(|byte| !is_word(byte)).map_or(0, |start| start + 1);
        if source.path != "clock.rs" && &receiver[start..] != "clock" {
            let what = "elapsed() of something that is not a clock reads the machine's time: subtract instants";
            violations.push(violation(source, at, what));
        }
    }
}

/// A channel's bound is a constant of `limits`.
pub(crate) fn channel_bounds(source: &Source, limits: &str, violations: &mut Vec<Violation>) {
    for at in source.words("channel") {
        let rest = &source.code[at + "channel".len()..];
        let argument = match rest.strip_prefix("::<") {
            Some(generic) => generic.split_once(">(").map(|(_, argument)| argument),
            None => rest.strip_prefix('('),
        };
        // These two hold one value.
        let holds_one = ["oneshot::", "watch::"].iter().any(|kind| source.code[..at].ends_with(kind));
        let Some(argument) = argument.filter(|_| !holds_one && !source.in_test(at)) else { continue };
        let bound = argument.split(')').next().unwrap_or_default().trim().rsplit("::").next().unwrap_or_default();
        if bound.is_empty() || !limits.contains(&format!("pub const {bound}: ")) {
            violations.push(violation(source, at, "a channel without a bound from limits: name one there and use it"));
        }
    }
}

/// Personal values have no text of their own.
pub(crate) fn displays(source: &Source, violations: &mut Vec<Violation>) {
    for word in ["Display for", "ToString for", "Serialize for"] {
        for at in source.words(word) {
            let named = source.code[at + word.len()..].trim_start().split(|c: char| !c.is_alphanumeric() && c != ':');
            let name = named.into_iter().next().unwrap_or_default().rsplit("::").next().unwrap_or_default();
            if PERSONAL_TYPES.contains(&name) {
                let what = format!("{name} is personal and must have no {word} it: expose() the value where it is due");
                violations.push(violation(source, at, &what));
            }
        }
    }
}

/// A module says at its head what it is for; a file of tests says it with its name.
pub(crate) fn heads(source: &Source, violations: &mut Vec<Violation>) {
    if !source.is_test && !source.raw.starts_with("//! ") {
        violations.push(violation(source, 0, "the file starts without a //! comment: say what it is for"));
    }
}

pub(crate) fn file_length(source: &Source, violations: &mut Vec<Violation>) {
    let lines = source.raw.lines().count();
    if lines > FILE_LINES_MAX {
        violations.push(violation(
            source,
            0,
            &format!("{lines} lines, over {FILE_LINES_MAX}: split it by what it does"),
        ));
    }
}

pub(crate) fn function_length(source: &Source, violations: &mut Vec<Violation>) {
    for at in source.words("fn") {
        let Some(name) = word_at(&source.code, at + "fn".len()) else { continue };
        let end = item_end(source.code.as_bytes(), at);
        let lines = source.line(end.saturating_sub(1)) + 1 - source.line(at);
        if lines > FUNCTION_LINES_MAX {
            let what = format!("fn {name} has {lines} lines, over {FUNCTION_LINES_MAX}: take a step of it out");
            violations.push(violation(source, at, &what));
        }
    }
}

#[cfg(test)]
fn count(rule: impl Fn(&Source, &mut Vec<Violation>), path: &str, code: &str) -> usize {
    let mut violations = Vec::new();
    rule(&Source::of(path, code), &mut violations);
    violations.len()
}

#[test]
fn every_reserved_word_can_fail() {
    for rule in RESERVED {
        let code = format!("fn f() {{ a::{} }}", rule.word);
        assert!(count(reserved_words, "cellar/a.rs", &code) >= 1, "{}", rule.word);
        for place in rule.places {
            assert_eq!(count(reserved_words, place, &code), 0, "{} in {place}", rule.word);
        }
        let in_text = format!("//! {0}\nconst A: &str = \"{0}\";", rule.word);
        assert_eq!(count(reserved_words, "cellar/a.rs", &in_text), 0, "{} in a text", rule.word);
    }
    for word in ENGINE_RESERVED {
        assert_eq!(count(reserved_words, "engine/a.rs", &format!("use std::sync::{word};")), 1, "{word}");
    }
    for word in NOT_IN_DOMAIN {
        assert_eq!(count(reserved_words, "domain/a.rs", &format!("use {word}::a;")), 1, "{word}");
    }
    for (name, _) in FOREIGN {
        assert_eq!(count(reserved_words, "cellar/a.rs", &format!("use {name}::a;")), 1, "{name}");
    }
    assert_eq!(count(reserved_words, "commands/a.rs", "fn f() { value.expose() }"), 1);
    assert_eq!(count(reserved_words, "a.rs", "#[cfg(test)]\nmod tests { fn f() { Instant::now(); println!() } }"), 1);
}

#[test]
fn aws_names_can_fail() {
    assert_eq!(count(aws_names, "engine/a.rs", "use aws_sdk_cognitoidentityprovider::Client;"), 1);
    assert_eq!(count(aws_names, "service/in_process.rs", "#[cfg(test)]\nuse aws_config::X;"), 1);
    assert_eq!(count(aws_names, "service/cognito/a.rs", "use aws_config::X;"), 0);
    assert_eq!(count(aws_names, "ui/a.rs", "let laws_of = \"aws_config\";"), 0);
}

#[test]
fn raw_elapsed_can_fail() {
    assert_eq!(count(elapsed, "pace/a.rs", "fn f() { started.elapsed() }"), 1);
    assert_eq!(count(elapsed, "pace/a.rs", "fn f() { self.clock.elapsed() }"), 0);
}

#[test]
fn channels_can_fail() {
    let rule =
        |source: &Source, found: &mut Vec<Violation>| channel_bounds(source, "pub const ROWS_MAX: usize = 4;", found);
    for bad in ["channel(4)", "channel(OTHER_MAX)", "channel()", "mpsc::channel::<u8>(16)"] {
        assert_eq!(count(rule, "run/a.rs", &format!("let (a, b) = {bad};")), 1, "{bad}");
    }
    for good in ["mpsc::channel(ROWS_MAX)", "channel::<u8>(limits::ROWS_MAX)", "oneshot::channel()", "self.channel"] {
        assert_eq!(count(rule, "run/a.rs", &format!("let (a, b) = {good};")), 0, "{good}");
    }
}

#[test]
fn displays_can_fail() {
    assert_eq!(count(displays, "domain/a.rs", "impl fmt::Display for Personal {}"), 1);
    assert_eq!(count(displays, "domain/a.rs", "impl std::fmt::Display for identity::ExternalIdentity {}"), 1);
    assert_eq!(count(displays, "domain/a.rs", "impl fmt::Display for PoolId {}"), 0);
}

#[test]
fn heads_and_lengths_can_fail() {
    assert_eq!(count(heads, "ui/a.rs", "use x;"), 1);
    assert_eq!(count(heads, "ui/a.rs", "//! What it is for.\nuse x;"), 0);
    assert_eq!(count(file_length, "ui/a.rs", &"\n".repeat(FILE_LINES_MAX)), 0);
    assert_eq!(count(file_length, "ui/a.rs", &"\n".repeat(FILE_LINES_MAX + 1)), 1);
    let function = |lines: usize| format!("fn a(b: fn(u8)) -> [u8; 2] {{{}}}\nfn c();", "\n".repeat(lines - 1));
    assert_eq!(count(function_length, "ui/a.rs", &function(FUNCTION_LINES_MAX)), 0);
    assert_eq!(count(function_length, "ui/a.rs", &function(FUNCTION_LINES_MAX + 1)), 1);
}
