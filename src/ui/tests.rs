//! What reaches which stream, through the way in.

use super::testing::Screen;
use std::io::Write;
use std::time::Duration;

use super::*;
use crate::clock::Clock;
use crate::domain::counts::Counts;
use crate::domain::event::{RunEvent, RunSnapshot};
use crate::domain::outcome::ServiceText;
use crate::domain::row::RowNumber;
use crate::domain::run::StopCause;

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
    Ui::with_streams(UiOptions::default(), streams, EventSource::new("0", Clock::starting_at(0)))
}

fn say_everything(ui: &Ui) {
    ui.note(MessageCode::Plan, "one");
    ui.warn(MessageCode::InDoubt, "two");
    ui.error(FailureCode::Usage, "three\nerror: four", Some("five"));
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
    screen.ui().warn(MessageCode::InDoubt, "x");
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
fn a_reader_that_left_is_no_fault_and_a_full_disk_is() {
    let left = with_stdout(Broken(io::ErrorKind::BrokenPipe));
    left.data("x").unwrap();
    left.print("y").unwrap();
    left.warn(MessageCode::InDoubt, "nobody hears this");
    let full = with_stdout(Broken(io::ErrorKind::StorageFull));
    assert_eq!(full.data("x").unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(full.json(&Value::Null).unwrap_err().kind(), io::ErrorKind::StorageFull);
}

#[test]
fn json_is_on_one_line_and_escaped() {
    let screen = Screen::new();
    screen.ui().json(&serde_json::json!({"a": "\u{202e}\n"})).unwrap();
    assert_eq!(screen.stdout(), "{\"a\":\"\\u202e\\n\"}\n");
}

#[test]
fn an_error_says_what_the_service_answered_only_on_request() {
    let text = ServiceText { code: "AccessDeniedException".into(), message: "jane may not\u{202e}".into() };
    let detail = "ListUsers: access denied (AccessDeniedException)";
    let stop = StopError { service_text: Some(text), ..StopError::new(StopCause::AccessDenied, detail) };
    let screen = Screen::new();
    screen.ui().stopped(&stop);
    assert_eq!(screen.stderr(), format!("error: {detail}\nhint: {HIDDEN_MESSAGES_HINT}\n"));
    let showing = Screen::new().showing_values();
    showing.ui().stopped(&stop);
    assert_eq!(showing.stderr(), format!("error: {detail}; the service answered: jane may not\\u{{202e}}\n"));
    assert!(!format!("{stop:?} {stop}").contains("jane"));
}

/// Every line of a screen whose stderr has events, without what is the same in each.
fn events_of(screen: &Screen) -> Vec<Value> {
    let events = screen.stderr();
    let parse = |line: &str| {
        let mut event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let members = event.as_object_mut().unwrap();
        assert_eq!(members.remove("time"), Some("2026-03-01T08:00:00.000Z".into()), "{line}");
        assert_eq!(members.remove("run_id"), Some("00000000000000aa".into()), "{line}");
        assert_eq!(members.remove("schema_version"), Some(SCHEMA_VERSION.into()), "{line}");
        event
    };
    events.lines().map(parse).collect()
}

fn snapshot_at(seconds: u64) -> RunEvent {
    let counts = Counts { read: 5, linked: 4, refused: 1, ..Counts::default() };
    let elapsed = Duration::from_secs(seconds);
    let since_accepted = Some(Duration::from_millis(1_500));
    let snapshot =
        RunSnapshot { counts, elapsed, total: Some(10), writes: 5, since_accepted, ..RunSnapshot::default() };
    RunEvent::Tick(Box::new(snapshot))
}

#[tokio::test(start_paused = true)]
async fn everything_that_is_said_is_an_event() {
    // Also on a terminal, where nothing is drawn and nothing is asked.
    let screen = Screen::new().events().terminals();
    let ui = screen.ui();
    ui.started("link", "1.2.3");
    say_everything(&ui);
    ui.status("asking the service");
    assert!(!ui.can_ask());
    assert!(matches!(ui.confirm("link 3 rows?"), Err(ConfirmError::NotATerminal)));
    let mut observer = ui.observer();
    observer.on(&RunEvent::Checking { rows: 0 });
    observer.on(&RunEvent::Scanning { users: 3, estimated: 7 });
    observer.on(&RunEvent::Throttled { number: RowNumber(1), pause: Duration::from_millis(500) });
    observer.on(&RunEvent::Draining { in_flight: 2 });
    drop(observer);
    ui.hint("seven");
    ui.ended(Some("link"), 3);
    assert_eq!(screen.bar(), "");
    let mut seen: Vec<String> = Vec::new();
    for event in events_of(&screen) {
        let part = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        seen.push([part("level"), part("event"), part("code")].join(" "));
    }
    let expected = [
        "info start started",
        "info message plan",
        "warn message in_doubt",
        "error error usage",
        "info progress checking",
        "info progress scanning",
        "info message throttled",
        "warn message draining",
        "info message hint",
        "warn stop ended",
    ];
    assert_eq!(seen, expected);
    let error = &events_of(&screen)[3];
    assert_eq!((&error["message"], &error["hint"]), (&"three\nerror: four".into(), &"five".into()));
}

#[test]
fn whoever_asks_hears_what_a_command_does_until_its_run_answers() {
    let answer = |screen: &Screen, step: &dyn Fn(&Ui)| {
        let ui = screen.ui();
        step(&ui);
        let after_step = screen.stderr().len();
        ui.report_phase();
        screen.stderr()[after_step..].to_owned()
    };
    for (step, expected, code) in [
        (&(|_: &Ui| {}) as &dyn Fn(&Ui), "starting", "phase"),
        (&|ui: &Ui| ui.status("comparing"), "comparing", "phase"),
        (&|ui: &Ui| ui.observer().on(&RunEvent::Checking { rows: 5 }), "checking the input: 5 rows", "checking"),
        (
            &|ui: &Ui| ui.observer().on(&RunEvent::Scanning { users: 3, estimated: 7 }),
            "reading the pool: 3 of about 7 users",
            "scanning",
        ),
    ] {
        assert_eq!(answer(&Screen::new().quiet(), step), format!("state: {expected}\n"));
        let event = answer(&Screen::new().events(), step);
        assert!(event.contains(&format!(r#""code":"{code}""#)) && event.contains(expected), "{event}");
    }
    let running = |ui: &Ui| ui.run_begins();
    assert_eq!(answer(&Screen::new(), &running), "", "the run answers");
    let ended = |ui: &Ui| {
        ui.run_begins();
        ui.run_ended();
    };
    assert_eq!(answer(&Screen::new(), &ended), "state: ending\n");
    let asked = |ui: &Ui| {
        ui.status("comparing");
        assert!(ui.confirm("link 3 rows?").unwrap());
    };
    let screen = Screen::new().terminals().typed("y\n");
    assert_eq!(answer(&screen, &asked), "state: comparing\n", "the question has its answer");
}

#[tokio::test(start_paused = true)]
async fn progress_events_have_the_figures_once_an_interval() {
    let screen = Screen::new().events();
    let mut observer = screen.ui().observer();
    for seconds in [0, 1, 59, 60, 61] {
        observer.on(&snapshot_at(seconds));
    }
    let events = events_of(&screen);
    assert_eq!(events.len(), 2);
    let last = &events[1];
    assert_eq!(
        (&last["rows"]["linked"], &last["rows"]["refused"], &last["rows_total"]),
        (&4.into(), &1.into(), &10.into())
    );
    assert_eq!((&last["elapsed_ms"], &last["since_accepted_ms"]), (&60_000.into(), &1_500.into()));
    assert!(last["_aws"].is_null());
}

#[tokio::test(start_paused = true)]
async fn embedded_metrics_name_members_of_the_event_that_are_numbers() {
    let screen = Screen::new().events();
    let ui = screen.ui();
    ui.embed_metrics(EmbeddedMetrics { pool: "us-east-1_A".into(), command: "link".into() });
    ui.observer().on(&snapshot_at(0));
    let event = &events_of(&screen)[0];
    let directive = &event["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(event["_aws"]["Timestamp"], 1_772_352_000_000_i64);
    let names: Vec<&str> =
        directive["Metrics"].as_array().unwrap().iter().map(|metric| metric["Name"].as_str().unwrap()).collect();
    assert!(names.iter().all(|name| event[name].is_number()), "{event}");
    assert!(names.contains(&"rows_linked") && names.contains(&"since_accepted_ms"));
    assert!(!names.contains(&"remaining_ms"), "it is not known");
    let dimensions = directive["Dimensions"][0].as_array().unwrap();
    assert!(dimensions.iter().all(|name| event[name.as_str().unwrap()].is_string()), "{event}");
}

#[test]
fn without_progress_there_is_a_heartbeat() {
    for screen in [Screen::new(), Screen::new().terminals()] {
        let screen = screen.progress(ProgressChoice::Off);
        let mut observer = screen.ui().observer();
        observer.on(&RunEvent::Checking { rows: 5_000_000 });
        for seconds in [0, 30, 59, 60, 90, 119, 120] {
            observer.on(&snapshot_at(seconds));
        }
        drop(observer);
        let line = "5 of 10 rows done (50 %), 1 refused, 0.0/s, 0 throttled\n";
        assert_eq!((screen.stderr(), screen.bar()), (line.repeat(2), String::new()));
    }
}

/// The format of the log of the next test.
const PANIC_LOG: &str = "COGNITO_LINK_TEST_PANIC_LOG";

#[test]
#[ignore = "run by the next test, in a process of its own"]
fn panics_in_a_process_of_its_own() {
    let log = if std::env::var(PANIC_LOG).unwrap() == "json" { LogFormat::Json } else { LogFormat::Text };
    let options = UiOptions { log, ..UiOptions::default() };
    let ui = Ui::new(options, EventSource::new("00000000000000aa", Clock::system()));
    ui.report_panics();
    panic!("jane@example.com");
}

#[test]
fn a_panic_is_one_message_without_its_text() {
    let name = "ui::tests::panics_in_a_process_of_its_own";
    let panic_with = |log: &str| {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.env(PANIC_LOG, log).env("RUST_BACKTRACE", "full");
        let output = child.args(["--exact", name, "--ignored", "--nocapture"]).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!stderr.contains("jane"), "{stderr}");
        stderr
    };
    let stderr = panic_with("json");
    let lines: Vec<&str> = stderr.lines().filter(|line| line.starts_with('{')).collect();
    assert!(matches!(lines[..], [_]), "{stderr}");
    let event: Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!((&event["event"], &event["code"], &event["level"]), (&"error".into(), &"panic".into(), &"error".into()));
    assert!(event["message"].as_str().unwrap().contains("src/ui/tests.rs"), "{event}");
    let stderr = panic_with("text");
    assert!(stderr.contains("error: the program panicked at src/ui/tests.rs"), "{stderr}");
}
