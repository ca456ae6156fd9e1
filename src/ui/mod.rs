//! The only module that prints: data to stdout, messages and progress to stderr.
//!
//! [`Ui`] is the way in. What comes from outside is escaped before it is printed, personal values are masked unless
//! `--show-values`, and the bar, messages and log lines never interleave.

mod console;
mod escape;
mod findings;
pub mod format;
mod live_line;
mod log;
mod observer;
mod options;
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

pub use console::ConfirmError;
use console::Console;
pub use escape::{escape, escape_json, escape_lines, shell_path, shell_word};
pub use findings::{FindingPrinter, finding_line};
pub use log::{LOG_FILTER_VARIABLE, LogError, LogFormat, LogOptions};
pub use options::{OutputFormat, ProgressChoice, Streams, Terminals, UiOptions};
pub use progress::state_line;
pub use redact::{HIDDEN_MESSAGES_HINT, explanation, meaning_fragment};
pub use style::{ColorChoice, Style};

use crate::domain::event::RunObserver;
use crate::domain::identity::{Personal, masked};
use crate::domain::run::StopError;

/// Prints everything; cheap to clone, and safe to use from several threads.
#[derive(Clone)]
pub struct Ui {
    console: Arc<Console>,
}

impl Ui {
    /// Uses the streams of the process.
    pub fn new(options: UiOptions) -> Self {
        let streams =
            Streams { stdin: Box::new(io::stdin()), stdout: Box::new(io::stdout()), stderr: Box::new(io::stderr()) };
        Self::assemble(options, streams, LiveLine::on_stderr())
    }

    /// Uses these streams, and never draws a bar: for tests of whole commands.
    pub fn with_streams(options: UiOptions, streams: Streams) -> Self {
        Self::assemble(options, streams, LiveLine::hidden())
    }

    fn assemble(options: UiOptions, streams: Streams, live: LiveLine) -> Self {
        let draws = options.terminals.stderr && !options.quiet && options.progress == ProgressChoice::Auto;
        let live = if draws { live } else { LiveLine::hidden() };
        Self { console: Arc::new(Console::new(options, streams, live)) }
    }

    pub fn output(&self) -> OutputFormat {
        self.console.options().output
    }

    /// A remark: `note: ...` on stderr, dropped when quiet.
    pub fn note(&self, text: &str) {
        self.console.note(text);
    }

    /// Something that deserves a look: `warning: ...` on stderr.
    pub fn warn(&self, text: &str) {
        self.console.warn(text);
    }

    /// What went wrong, and what to do: `error: ...` and `hint: ...`, each on a line of stderr. Both stay when quiet.
    pub fn error(&self, text: &str, hint: Option<&str>) {
        self.console.error(text);
        if let Some(hint) = hint {
            self.console.hint(hint);
        }
    }

    /// Prints an error that stops a whole run. What the service answered is part of it with `--show-values`, else a hint
    /// says how to print it.
    pub fn stopped(&self, stop: &StopError) {
        let show_values = self.shows_values();
        let hint = stop.hides_message(show_values).then_some(HIDDEN_MESSAGES_HINT);
        self.error(&stop.printable_detail(show_values), hint);
    }

    /// What the program does at the moment, where the bar is: shown on a terminal only.
    pub fn status(&self, text: &str) {
        self.console.show_status(escape(text).into_owned());
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

    /// Whether the user can be asked on a terminal.
    pub fn can_ask(&self) -> bool {
        let terminals = self.console.options().terminals;
        terminals.stdin && terminals.stderr
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
        self.console.print(&encode_json(value))
    }

    /// Prints what to do next, after a result: `hint: ...` on stderr, dropped when quiet.
    pub fn hint(&self, text: &str) {
        self.console.step(text);
    }

    /// Returns the style of results on stdout.
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
