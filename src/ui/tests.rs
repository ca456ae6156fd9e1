//! What reaches which stream, through the way in.

use super::testing::Screen;
use std::io::Write;

use super::*;
use crate::domain::outcome::ServiceText;
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
fn a_reader_that_left_is_no_fault_and_a_full_disk_is() {
    let left = with_stdout(Broken(io::ErrorKind::BrokenPipe));
    left.data("x").unwrap();
    left.print("y").unwrap();
    left.warn("nobody hears this");
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
