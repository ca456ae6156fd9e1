//! The only module that prints: data to stdout, messages and progress to stderr.
//!
//! [`Ui`] is the way in. What comes from outside is escaped before it is printed, personal values are masked unless
//! `--show-values`, and the bar, messages and log lines never interleave.

mod console;
mod events;
mod findings;
pub mod format;
mod live_line;
mod log;
mod message_code;
mod observer;
mod options;
mod phase;
mod progress;
mod redact;
mod style;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use live_line::LiveLine;
use serde_json::Value;

pub use crate::domain::escape::{escape, escape_json, escape_lines, shell_path, shell_word};
pub use console::ConfirmError;
use console::Console;
pub use events::{EmbeddedMetrics, EventSource, SCHEMA_VERSION};
use events::{Event, EventKind, EventLevel};
pub use findings::{FindingPrinter, finding_line};
pub use log::{LOG_FILTER_VARIABLE, LogError, LogOptions};
pub use message_code::MessageCode;
pub use options::{LogFormat, OutputFormat, ProgressChoice, Streams, Terminals, UiOptions};
use phase::Phase;
pub use progress::state_line;
pub use redact::{HIDDEN_MESSAGES_HINT, explanation, meaning_fragment};
pub use style::{ColorChoice, Style};

use crate::domain::error_code::{ErrorCode, FailureCode};
use crate::domain::event::RunObserver;
use crate::domain::finding::Finding;
use crate::domain::identity::{Personal, masked};
use crate::domain::run::StopError;

/// Prints everything; cheap to clone, and safe to use from several threads.
#[derive(Clone)]
pub struct Ui {
    console: Arc<Console>,
}

impl Ui {
    /// Uses the streams of the process.
    pub fn new(options: UiOptions, source: EventSource) -> Self {
        let streams =
            Streams { stdin: Box::new(io::stdin()), stdout: Box::new(io::stdout()), stderr: Box::new(io::stderr()) };
        Self::assemble(options, streams, LiveLine::on_stderr(), source)
    }

    /// Uses these streams, and never draws a bar: for tests of whole commands.
    pub fn with_streams(options: UiOptions, streams: Streams, source: EventSource) -> Self {
        Self::assemble(options, streams, LiveLine::hidden(), source)
    }

    fn assemble(options: UiOptions, streams: Streams, live: LiveLine, source: EventSource) -> Self {
        let has_lines = options.progress == ProgressChoice::Auto && options.log == LogFormat::Text;
        let draws = options.terminals.stderr && !options.quiet && has_lines;
        let live = if draws { live } else { LiveLine::hidden() };
        Self { console: Arc::new(Console::new(options, streams, live, source)) }
    }

    pub fn output(&self) -> OutputFormat {
        self.console.options().output
    }

    /// A remark: `note: ...` on stderr, dropped when quiet.
    pub fn note(&self, code: MessageCode, text: &str) {
        self.console.note(code, text);
    }

    /// What a step of the command came to: `note: ...` on stderr, printed when quiet as well.
    pub fn outcome(&self, code: MessageCode, text: &str) {
        self.console.outcome(code, text);
    }

    /// Something that deserves a look: `warning: ...` on stderr.
    pub fn warn(&self, code: MessageCode, text: &str) {
        self.console.warn(code, text);
    }

    /// What went wrong, and what to do: `error: ...` and `hint: ...`, each on a line of stderr. Both stay when quiet.
    pub fn error(&self, code: impl Into<ErrorCode>, text: &str, hint: Option<&str>) {
        self.console.error(code.into(), text, hint);
    }

    /// A finding that ends a command, as an error.
    pub fn finding(&self, finding: &Finding) {
        self.console.finding(&finding_line(finding), Event::of_finding(finding));
    }

    /// Writes that a command starts, where stderr has events.
    pub fn started(&self, command: &str, version: &str) {
        self.process_event(|| {
            Event::new(EventLevel::Info, EventKind::Start, "started")
                .with("command", command)
                .with("version", version)
                .with("pid", std::process::id())
        });
    }

    /// Writes how a command ended, where stderr has events. Arguments that cannot be parsed may name no command.
    pub fn ended(&self, command: Option<&str>, exit_status: u8) {
        self.process_event(|| {
            let level = if exit_status == 0 { EventLevel::Info } else { EventLevel::Warn };
            let event = Event::new(level, EventKind::Stop, "ended").with("exit_status", exit_status);
            match command {
                Some(command) => event.with("command", command),
                None => event,
            }
        });
    }

    /// Start and stop frame all other events, so they are written even when quiet.
    fn process_event(&self, event: impl FnOnce() -> Event) {
        if self.console.writes_events() {
            self.console.event(event());
        }
    }

    /// Reports every panic as an error. Its text can quote data, so it is printed with `--show-values` only.
    pub fn report_panics(&self) {
        let ui = self.clone();
        std::panic::set_hook(Box::new(move |panic| {
            let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
            let said = panic.payload_as_str().filter(|_| ui.shows_values());
            let said = said.map_or_else(String::new, |text| format!(": {text}"));
            let text = format!("the program panicked at {place}{said}; this is a bug in cognito-link");
            ui.error(
                FailureCode::Panic,
                &text,
                Some("run the same command again to resume, and report this to the maintainers"),
            );
        }));
    }

    /// Makes metrics of progress events, in the embedded metric format of `CloudWatch`.
    pub fn embed_metrics(&self, metrics: EmbeddedMetrics) {
        // Only the first run of a process has metrics, and there is one.
        let _ = self.console.embedded_metrics.set(metrics);
    }

    /// Whether stderr has events in place of lines.
    pub fn writes_events(&self) -> bool {
        self.console.writes_events()
    }

    /// Whether anything was printed to stdout.
    pub fn has_printed(&self) -> bool {
        self.console.has_printed()
    }

    /// Keeps the result of a command for its hooks. [`Ui::json`] does so by itself.
    pub fn keep_result(&self, result: &Value) {
        *console::lock(&self.console.result) = Some(result.clone());
    }

    /// Returns the result that was kept last.
    pub fn take_result(&self) -> Option<Value> {
        console::lock(&self.console.result).take()
    }

    /// Prints an error that stops a whole run. What the service answered is part of it with `--show-values`, else a hint
    /// says how to print it.
    pub fn stopped(&self, stop: &StopError) {
        let show_values = self.shows_values();
        let hint = stop.hides_message(show_values).then_some(HIDDEN_MESSAGES_HINT);
        self.error(stop.cause, &stop.printable_detail(show_values), hint);
    }

    /// What the program does at the moment, where the bar is: shown on a terminal, and to whoever asks.
    pub fn status(&self, text: &str) {
        self.console.set_phase(Some(Phase::Step(escape(text).into_owned())));
        self.console.show_status(escape(text).into_owned());
    }

    /// Returns what the command does at the moment, in a line; `None` while a run answers for itself.
    pub fn phase(&self) -> Option<String> {
        self.console.phase().map(|phase| phase.text())
    }

    /// Prints what the command does at the moment, also when quiet, unless a run answers for itself: somebody waits for it.
    pub fn report_phase(&self) {
        if let Some(phase) = self.console.phase() {
            self.print_phase(&phase);
        }
    }

    /// As [`Ui::report_phase`], for a command that answers for itself.
    pub fn report_step(&self, text: &str) {
        self.print_phase(&Phase::Step(escape(text).into_owned()));
    }

    fn print_phase(&self, phase: &Phase) {
        self.console.plain(&format!("state: {}", phase.text()), || phase.event());
    }

    /// A run begins: from now on it answers for itself.
    pub fn run_begins(&self) {
        self.console.set_phase(None);
    }

    /// The run has ended, and the command goes on.
    pub fn run_ended(&self) {
        self.console.set_phase(Some(Phase::Step("ending".to_owned())));
    }

    /// Takes the bar away. The observer does so by itself when it is dropped.
    pub fn clear_status(&self) {
        self.console.clear_bar();
    }

    /// Returns an observer that prints what happens in a run. It shows the bar at once. Drop it before the result is printed: only
    /// then the bar is gone and the findings that were not shown are counted.
    pub fn observer(&self) -> Box<dyn RunObserver + Send> {
        Box::new(observer::EventPrinter::new(Arc::clone(&self.console)))
    }

    /// As [`Ui::observer`], for a run in virtual time.
    pub fn observer_in_virtual_time(&self) -> Box<dyn RunObserver + Send> {
        Box::new(observer::EventPrinter::new(Arc::clone(&self.console)).in_virtual_time())
    }

    /// Whether the user can be asked on a terminal.
    pub fn can_ask(&self) -> bool {
        self.console.can_ask()
    }

    /// Whether keys control a run: the user is at a terminal, which shows the live line.
    pub fn takes_keys(&self) -> bool {
        let options = self.console.options();
        self.can_ask() && !options.quiet && options.progress == ProgressChoice::Auto
    }

    /// Asks a yes-or-no question on the terminal; only a plain `y` or `yes` is a yes. Blocks until there is an answer.
    pub fn confirm(&self, question: &str) -> Result<bool, ConfirmError> {
        self.console.confirm(question)
    }

    /// Asks as [`Ui::confirm`] does; only this name is a yes, case included.
    pub fn confirm_by_name(&self, question: &str, name: &str) -> Result<bool, ConfirmError> {
        self.console.confirm_by_name(question, name)
    }

    /// A personal value as it may be shown: masked unless `--show-values`, and escaped either way.
    pub fn value(&self, value: &Personal) -> String {
        let value = value.expose();
        if self.console.options().show_values {
            escape(value).into_owned()
        } else {
            escape(&masked(value)).into_owned()
        }
    }

    /// Data to stdout: byte for byte into a file or pipe, and escaped (but for line feeds and tabs) on a terminal.
    /// Hand over many lines at a time. A closed pipe is no error.
    pub fn data(&self, text: &str) -> io::Result<()> {
        if self.console.options().terminals.stdout {
            self.console.print(&escape_lines(text))
        } else {
            self.console.print(text)
        }
    }

    /// Prints a result to stdout as it is: its parts are escaped already, and it may be colored.
    pub fn print(&self, text: &str) -> io::Result<()> {
        self.console.print(text)
    }

    /// Prints a value to stdout, as JSON on one line.
    pub fn json(&self, value: &Value) -> io::Result<()> {
        self.keep_result(value);
        self.console.print(&encode_json(value))
    }

    /// Prints what to do next, after a result: `hint: ...` on stderr, dropped when quiet.
    pub fn hint(&self, text: &str) {
        self.console.step(text);
    }

    /// Returns the style of results on stdout.
    pub fn prints_on_terminal(&self) -> bool {
        self.console.options().terminals.stdout
    }

    pub fn stdout_style(&self) -> Style {
        self.console.stdout_style()
    }

    /// Whether personal values are shown as they are.
    pub fn shows_values(&self) -> bool {
        self.console.options().show_values
    }

    /// Returns a printer for findings, which prints the first of each severity and counts the rest.
    pub fn finding_printer(&self) -> FindingPrinter {
        FindingPrinter::new(Arc::clone(&self.console))
    }

    /// Makes this the log of the process.
    pub fn start_log(&self, options: LogOptions<'_>) -> Result<(), LogError> {
        let subscriber = log::subscriber(Arc::clone(&self.console), options)?;
        tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::AlreadyStarted)
    }
}

/// A value on one line, harmless for a terminal.
pub fn encode_json(value: &Value) -> String {
    let mut text = escape_json(&value.to_string()).into_owned();
    text.push('\n');
    text
}
