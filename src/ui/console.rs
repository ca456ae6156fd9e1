//! The three standard streams and the progress bar: every character that the program prints passes here, so that a
//! message, a log line and the bar never interleave.

use std::io::{self, Read, Write};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::{Map, Value};

use super::events::{EmbeddedMetrics, Event, EventKind, EventLevel, EventSource};
use super::live_line::{LiveLine, LiveText};
use super::message_code::MessageCode;
use super::options::{LogFormat, Streams, UiOptions};
use super::phase::Phase;
use super::style::Style;
use crate::domain::error_code::ErrorCode;
use crate::domain::escape::escape;
use crate::domain::event::RunSnapshot;
use crate::limits;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmError {
    #[error("this changes the pool and there is no terminal to confirm it on: pass `--yes`")]
    NotATerminal,
    #[error("cannot read the answer from the terminal: {0}")]
    Io(#[from] io::Error),
}

/// Where the program prints. The live line is removed before anything else is printed on the terminal.
pub(super) struct Console {
    stdin: Mutex<Box<dyn Read + Send>>,
    stdout: Mutex<Stdout>,
    stderr: Mutex<Box<dyn Write + Send>>,
    live: Mutex<LiveLine>,
    options: UiOptions,
    events: EventSource,
    /// What makes metrics of progress events, with `--metrics emf`.
    pub(super) embedded_metrics: OnceLock<EmbeddedMetrics>,
    /// The last result, for hooks.
    pub(super) result: Mutex<Option<Value>>,
    /// `None` while a run answers for itself.
    phase: Mutex<Option<Phase>>,
}

struct Stdout {
    writer: Box<dyn Write + Send>,
    reader_left: bool,
    is_used: bool,
}

impl Console {
    pub(super) fn new(options: UiOptions, streams: Streams, live: LiveLine, events: EventSource) -> Self {
        Self {
            stdin: Mutex::new(streams.stdin),
            stdout: Mutex::new(Stdout { writer: streams.stdout, reader_left: false, is_used: false }),
            stderr: Mutex::new(streams.stderr),
            live: Mutex::new(live),
            options,
            events,
            embedded_metrics: OnceLock::new(),
            result: Mutex::new(None),
            phase: Mutex::new(Some(Phase::Starting)),
        }
    }

    pub(super) fn options(&self) -> &UiOptions {
        &self.options
    }

    pub(super) fn stdout_style(&self) -> Style {
        self.options.color.style(self.options.terminals.stdout)
    }

    fn stderr_style(&self) -> Style {
        self.options.color.style(self.options.terminals.stderr)
    }

    pub(super) fn writes_events(&self) -> bool {
        self.options.log == LogFormat::Json
    }

    /// A remark with its code, dropped when quiet.
    pub(super) fn note(&self, code: MessageCode, text: &str) {
        if !self.options.quiet {
            let label = self.stderr_style().cyan("note:");
            self.say(&label, text, || Event::message(EventLevel::Info, code, text));
        }
    }

    /// A result of its own besides that on stdout. Stays when quiet.
    pub(super) fn outcome(&self, code: MessageCode, text: &str) {
        let label = self.stderr_style().cyan("note:");
        self.say(&label, text, || Event::message(EventLevel::Info, code, text));
    }

    /// A hint that stands by itself, after a result.
    pub(super) fn step(&self, text: &str) {
        if !self.options.quiet {
            let label = self.stderr_style().cyan("hint:");
            self.say(&label, text, || Event::message(EventLevel::Info, MessageCode::Hint, text));
        }
    }

    pub(super) fn warn(&self, code: MessageCode, text: &str) {
        let label = self.stderr_style().yellow("warning:");
        self.say(&label, text, || Event::message(EventLevel::Warn, code, text));
    }

    /// What went wrong, and what to do: a line each, or one event.
    pub(super) fn error(&self, code: ErrorCode, text: &str, hint: Option<&str>) {
        let event = Event::new(EventLevel::Error, EventKind::Error, code.as_str());
        let event = || event.with("message", text).with("hint", hint);
        self.say(&self.stderr_style().red("error:"), text, event);
        if let (Some(hint), false) = (hint, self.writes_events()) {
            self.line(&format!("{} {}", self.stderr_style().cyan("hint:"), escape(hint)));
        }
    }

    /// A finding, in the words for people.
    pub(super) fn finding(&self, text: &str, event: Event) {
        let style = self.stderr_style();
        let label = if event.level == EventLevel::Error { style.red("error:") } else { style.yellow("warning:") };
        self.say(&label, text, || event);
    }

    /// A line of progress or of an answer to a signal, without a label.
    pub(super) fn plain(&self, text: &str, event: impl FnOnce() -> Event) {
        if self.writes_events() {
            self.event(event());
        } else {
            self.line(text);
        }
    }

    fn say(&self, label: &str, text: &str, event: impl FnOnce() -> Event) {
        self.plain(&format!("{label} {}", escape(text)), event);
    }

    /// Writes an event. Only for what has no line for people.
    pub(super) fn event(&self, event: Event) {
        self.line(&self.events.line(event));
    }

    /// Adds what makes metrics of a progress event, where that is wanted.
    pub(super) fn embed_metrics(&self, members: &mut Map<String, Value>, snapshot: &RunSnapshot) {
        if let Some(embedded) = self.embedded_metrics.get() {
            embedded.add_to(members, snapshot, self.events.now_unix_ms());
        }
    }

    /// A line to stderr as it is. An error is ignored: there is no other place to print it.
    pub(super) fn line(&self, text: &str) {
        self.without_live_line(|| {
            let mut stderr = lock(&self.stderr);
            let _ = stderr.write_all(format!("{text}\n").as_bytes());
            let _ = stderr.flush();
        });
    }

    /// Prints with the live line removed, and draws it again.
    fn without_live_line<T>(&self, print: impl FnOnce() -> T) -> T {
        lock(&self.live).suspend(print)
    }

    /// Data to stdout as it is. A closed pipe, as `head` leaves it, is no error: the rest is dropped.
    pub(super) fn print(&self, text: &str) -> io::Result<()> {
        let print = || lock(&self.stdout).print(text);
        if self.options.terminals.stdout { self.without_live_line(print) } else { print() }
    }

    /// Whether anything was printed to stdout.
    pub(super) fn has_printed(&self) -> bool {
        lock(&self.stdout).is_used
    }

    /// Shows this on the live line, where stderr is a terminal.
    pub(super) fn show(&self, text: LiveText) {
        lock(&self.live).show(text);
    }

    /// Shows a text that is all that is to be known.
    pub(super) fn show_status(&self, text: String) {
        self.show(LiveText::plain(text));
    }

    /// Returns the phase before.
    pub(super) fn set_phase(&self, phase: Option<Phase>) -> Option<Phase> {
        std::mem::replace(&mut lock(&self.phase), phase)
    }

    pub(super) fn phase(&self) -> Option<Phase> {
        lock(&self.phase).clone()
    }

    pub(super) fn clear_bar(&self) {
        lock(&self.live).clear();
    }

    /// Whether there is somebody to ask. Where stderr has events, a question has no place on it.
    pub(super) fn can_ask(&self) -> bool {
        self.options.terminals.stdin && self.options.terminals.stderr && !self.writes_events()
    }

    /// Asks on stderr and reads one line, with the bar removed. Only a plain `y` or `yes` is a yes; the end of the input is
    /// a no.
    pub(super) fn confirm(&self, question: &str) -> Result<bool, ConfirmError> {
        let answer = self.ask(&format!("{} [y/N] ", escape(question)))?;
        Ok(answer.eq_ignore_ascii_case(b"y") || answer.eq_ignore_ascii_case(b"yes"))
    }

    /// As [`Console::confirm`], with this name as the only yes, case included.
    pub(super) fn confirm_by_name(&self, question: &str, name: &str) -> Result<bool, ConfirmError> {
        let answer = self.ask(&format!("{} Type the name of the pool, {}: ", escape(question), escape(name)))?;
        Ok(answer == name.trim().as_bytes())
    }

    fn ask(&self, prompt: &str) -> Result<Vec<u8>, ConfirmError> {
        if !self.can_ask() {
            return Err(ConfirmError::NotATerminal);
        }
        self.clear_bar();
        let before = self.set_phase(Some(Phase::Step("waiting for the answer to a question".to_owned())));
        // What was typed before the question is no answer to it. Without a terminal there is nothing to discard.
        let _ = rustix::termios::tcflush(io::stdin(), rustix::termios::QueueSelector::IFlush);
        let answer = self.answer_to(prompt);
        self.set_phase(before);
        Ok(answer?.trim_ascii().to_vec())
    }

    fn answer_to(&self, prompt: &str) -> io::Result<Vec<u8>> {
        let mut stderr = lock(&self.stderr);
        stderr.write_all(prompt.as_bytes())?;
        stderr.flush()?;
        drop(stderr);
        read_line(&mut **lock(&self.stdin), limits::ANSWER_BYTES_MAX)
    }
}

impl Stdout {
    fn print(&mut self, text: &str) -> io::Result<()> {
        self.is_used = true;
        if self.reader_left {
            return Ok(());
        }
        match self.writer.write_all(text.as_bytes()).and_then(|()| self.writer.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.reader_left = true;
                Ok(())
            }
            result => result,
        }
    }
}

/// Byte by byte, so that nothing behind the line is taken away from the next reader.
fn read_line(reader: &mut dyn Read, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < bytes_max && reader.read(&mut byte)? == 1 && byte != *b"\n" {
        line.extend(byte);
    }
    Ok(line)
}

/// A thread that panicked while printing leaves nothing behind that another could not print over.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Screen;
    use super::*;

    #[test]
    fn only_a_plain_yes_is_a_yes() {
        let long = "y".repeat(10_000);
        let table = [
            ("y\n", true),
            ("Yes\r\n", true),
            (" YES \nno\n", true),
            ("yes", true),
            ("\n", false),
            ("", false),
            ("no\ny\n", false),
            ("yess\n", false),
            ("ja\n", false),
            (&long, false),
        ];
        for (typed, expected) in table {
            let screen = Screen::new().terminals().typed(typed);
            assert_eq!(screen.ui().confirm("link 3 rows?").unwrap(), expected, "{typed:.20}");
            assert_eq!(screen.stderr(), "link 3 rows? [y/N] ");
        }
    }

    #[test]
    fn without_a_terminal_there_is_no_question() {
        let screen = Screen::new().typed("y\n");
        let error = screen.ui().confirm("link 3 rows?").unwrap_err();
        assert!(matches!(error, ConfirmError::NotATerminal));
        assert!(error.to_string().contains("--yes"));
        assert_eq!(screen.stderr(), "");
    }
}
