//! What reaches which stream, through the way in.

use super::testing::{Screen, ledger_report_example, run_report_example};
use super::*;
use crate::domain::checkup::{Check, Topic};
use crate::domain::finding::FindingCode;
use crate::domain::outcome::ServiceText;
use crate::domain::report::ValidateReport;
use crate::domain::stop::{Ended, StopCause};
use crate::domain::summary::Counts;

/// A stream whose reader has left, or whose disk is full.
struct Broken(io::ErrorKind);

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(self.0.into())
    }
}

fn with_stdout(stdout: Broken) -> Ui {
    let stderr = Box::new(Broken(io::ErrorKind::BrokenPipe));
    let streams = Streams { stdin: Box::new(io::empty()), stdout: Box::new(stdout), stderr };
    Ui::with_streams(UiOptions::default(), streams)
}

fn say_everything(ui: &Ui) {
    ui.note("one");
    ui.warn("two");
    ui.error("three\nerror: four", Some("five"));
    ui.data("six\n").unwrap();
}

#[test]
fn talk_goes_to_stderr_and_data_to_stdout() {
    let screen = Screen::new();
    say_everything(&screen.ui());
    assert_eq!(screen.stderr(), "note: one\nwarning: two\nerror: three\\u{a}error: four\nhint: five\n");
    assert_eq!(screen.stdout(), "six\n");
}

#[test]
fn quiet_keeps_warnings_errors_and_data() {
    let screen = Screen::new().quiet();
    say_everything(&screen.ui());
    assert_eq!(screen.stderr(), "warning: two\nerror: three\\u{a}error: four\nhint: five\n");
    assert_eq!(screen.stdout(), "six\n");
}

#[test]
fn colour_is_on_the_labels_only() {
    let screen = Screen::new().colored();
    screen.ui().warn("x");
    assert_eq!(screen.stderr(), "\x1b[33mwarning:\x1b[0m x\n");
}

#[test]
fn data_is_escaped_on_a_terminal_and_exact_elsewhere() {
    let data = "a,\x1b[2J\tb\n\u{202e}\r\n";
    let pipe = Screen::new();
    pipe.ui().data(data).unwrap();
    assert_eq!(pipe.stdout(), data);
    let terminal = Screen::new().terminals();
    terminal.ui().data(data).unwrap();
    assert_eq!(terminal.stdout(), "a,\\u{1b}[2J\tb\n\\u{202e}\\u{d}\n");
}

#[test]
fn values_are_masked_unless_asked_for() {
    let value = Personal::from_service("jane\x1b@example.com");
    assert_eq!(Screen::new().ui().value(&value), "j***m");
    assert_eq!(Screen::new().showing_values().ui().value(&value), "jane\\u{1b}@example.com");
}

#[test]
fn a_name_in_a_message_of_the_service_is_never_printed_unless_asked_for() {
    let mut report = ledger_report_example();
    report.failures[0].said.as_mut().unwrap().message = "User jane is disabled.".into();
    for screen in [Screen::new(), Screen::new().json()] {
        screen.ui().ledger_report(&report).unwrap();
        let printed = screen.stdout() + &screen.stderr();
        assert!(!printed.contains("jane"), "{printed}");
        let hint = format!("hint: {}\n", redact::HIDDEN_MESSAGES_HINT);
        assert_eq!(screen.stderr().matches(&hint).count(), 1, "once, not for each row: {}", screen.stderr());
        let showing = screen.showing_values();
        showing.ui().ledger_report(&report).unwrap();
        assert!(showing.stdout().contains("User jane is disabled."), "{}", showing.stdout());
    }
}

#[test]
fn an_error_says_what_the_service_answered_only_on_request() {
    let text = ServiceText { code: "AccessDeniedException".into(), message: "jane may not\u{202e}".into() };
    let detail = "ListUsers: access denied (AccessDeniedException)";
    let stop = Stop { service_text: Some(text), ..Stop::new(StopCause::AccessDenied, detail) };
    let screen = Screen::new();
    screen.ui().stopped(&stop);
    assert_eq!(screen.stderr(), format!("error: {detail}\nhint: {}\n", redact::HIDDEN_MESSAGES_HINT));
    let showing = Screen::new().showing_values();
    showing.ui().stopped(&stop);
    assert_eq!(showing.stderr(), format!("error: {detail}; the service answered: jane may not\\u{{202e}}\n"));
    assert!(!format!("{stop:?} {stop}").contains("jane"));
    let report = RunReport { ended: Ended::Stopped(stop.clone()), ..run_report_example() };
    let check = Check { topic: Topic::Users, found: Found::Stopped(stop) };
    let checkup = CheckupReport { pool: report.pool.clone(), simulated: true, checks: vec![check] };
    for screen in [Screen::new(), Screen::new().json()] {
        for (screen, shown) in [(screen.clone(), false), (screen.showing_values(), true)] {
            screen.ui().checkup(&checkup, 7).unwrap();
            screen.ui().run_report(&report, None, 7).unwrap();
            assert_eq!(screen.stdout().contains("jane"), shown, "{}", screen.stdout());
        }
    }
}

#[test]
fn a_reader_that_left_is_no_fault_and_a_full_disk_is() {
    let left = with_stdout(Broken(io::ErrorKind::BrokenPipe));
    left.data("x").unwrap();
    left.run_report(&run_report_example(), Some("l"), 3).unwrap();
    left.warn("nobody hears this");
    let full = with_stdout(Broken(io::ErrorKind::StorageFull));
    assert_eq!(full.data("x").unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(full.ledger_report(&ledger_report_example()).unwrap_err().kind(), io::ErrorKind::StorageFull);
}

#[test]
fn a_result_is_data_and_the_next_step_is_talk() {
    let screen = Screen::new();
    screen.ui().run_report(&run_report_example(), Some("pairs.ledger"), 3).unwrap();
    assert!(screen.stdout().starts_with("linked            986\n"), "{}", screen.stdout());
    assert_eq!(
        screen.stderr(),
        "hint: run the same command again to go on; rows in doubt are read back first\n\
         hint: `cognito-link report pairs.ledger --failed FILE` writes these rows to a file\n\
         hint: `cognito-link explain user_not_found` says what a code means and what to do\n\
         hint: `cognito-link validate INPUT --split DIR` writes the invalid rows to a file\n"
    );
}

#[test]
fn after_a_report_it_is_link_that_goes_on() {
    let screen = Screen::new();
    screen.ui().ledger_report(&ledger_report_example()).unwrap();
    assert!(screen.stderr().contains("hint: run `link` on that input again to go on; "), "{}", screen.stderr());
    assert!(!screen.stderr().contains("same command"), "{}", screen.stderr());
}

#[test]
fn findings_that_were_allowed_are_counted_as_warnings() {
    let found = [(FindingCode::NumberDamaged, 5), (FindingCode::ProviderPrefix, 2), (FindingCode::MissingValue, 1)];
    let allowed = [(FindingCode::NumberDamaged, 3), (FindingCode::ProviderPrefix, 2)];
    let counts = Counts { read: 9, invalid: 3, unprocessed: 6, by_finding: found.into(), ..Counts::default() };
    let report = ValidateReport { counts, allowed: allowed.into(), ..ValidateReport::default() };
    let screen = Screen::new();
    screen.ui().findings("in.csv").close(&report, None, 4).unwrap();
    let spaced = screen.stdout();
    let lines: Vec<Vec<&str>> = spaced.lines().map(|line| line.split_whitespace().take(3).collect()).collect();
    let expected = [
        ["missing_value", "1", "error"],
        ["number_damaged", "2", "error"],
        ["number_damaged", "3", "warning"],
        ["provider_prefix", "2", "warning"],
    ];
    assert_eq!(lines[..4], expected);
}

#[test]
fn json_is_the_only_thing_on_stdout() {
    let screen = Screen::new().json();
    screen.ui().run_report(&run_report_example(), Some("l"), 3).unwrap();
    screen.ui().ledger_report(&ledger_report_example()).unwrap();
    let kinds: Vec<Value> =
        screen.stdout().lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["kind"].clone()).collect();
    assert_eq!(kinds, ["run_report", "ledger_report"]);
}

#[test]
fn an_unknown_refusal_is_loud_even_when_quiet() {
    let screen = Screen::new().quiet();
    let mut report = run_report_example();
    report.counts.by_refusal.insert(crate::domain::outcome::RefusalCode::Unrecognised, 2);
    screen.ui().run_report(&report, Some("l"), 3).unwrap();
    let alarm = "warning: the service said something that this version does not know, to 2 rows: ";
    assert!(screen.stderr().starts_with(alarm), "{}", screen.stderr());
}
