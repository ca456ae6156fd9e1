//! All output of the program: data goes to stdout, messages go to stderr.
//!
//! [`Ui`] is the way in. What comes from outside is escaped before it is printed, personal values are masked unless
//! `--show-values`, and the bar, messages and log lines never interleave.

mod console;
mod doctor;
mod drift;
mod escape;
mod findings;
mod forecast;
pub mod format;
pub mod json;
mod log;
mod next_steps;
mod observer;
mod progress;
mod redact;
mod style;
mod table;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod text;
mod undo;
mod validation;

use std::io::{self, IsTerminal, Read, Write};
use std::sync::Arc;

use indicatif::ProgressDrawTarget;
use serde_json::Value;

pub use console::ConfirmError;
use console::Console;
pub use escape::{escape, escape_json, escape_lines, shell_word};
pub use findings::finding_line;
pub use log::{LOG_FILTER_VARIABLE, LogError, LogFormat, LogOptions};
pub use style::ColorChoice;
pub use validation::Findings;

use crate::domain::counts::Counts;
use crate::domain::doctor::{CheckResult, DoctorReport};
use crate::domain::drift::DriftReport;
use crate::domain::event::RunObserver;
use crate::domain::identity::{Personal, masked};
use crate::domain::outcome::UndoOutcome;
use crate::domain::report::LedgerReport;
use crate::domain::row::Row;
use crate::domain::run::{RunReport, StopError};
use crate::limits;

/// The shape of results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OutputFormat {
    /// For people.
    #[default]
    Text,
    /// For scripts; see [`json`].
    Json,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProgressChoice {
    /// A bar where stderr is a terminal, else plain lines.
    #[default]
    Auto,
    /// Plain lines, for terminals that cannot draw (`TERM=dumb`).
    Lines,
    /// Not at all (`--no-progress`).
    Off,
}

/// Which of the standard streams are terminals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terminals {
    /// Standard input.
    pub stdin: bool,
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
}

impl Terminals {
    /// Asks the system.
    #[must_use]
    pub fn detect() -> Self {
        Self {
            stdin: io::stdin().is_terminal(),
            stdout: io::stdout().is_terminal(),
            stderr: io::stderr().is_terminal(),
        }
    }
}

/// How to talk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UiOptions {
    /// The shape of results on stdout.
    pub output: OutputFormat,
    /// When to colour, the environment already applied ([`ColorChoice::with_environment`]).
    pub color: ColorChoice,
    /// How progress is shown.
    pub progress: ProgressChoice,
    /// Whether notes, hints and progress are dropped; warnings, errors and results stay.
    pub quiet: bool,
    /// Whether personal values are shown as they are.
    pub show_values: bool,
    /// Which streams are terminals.
    pub terminals: Terminals,
}

/// Where to talk.
pub struct Streams {
    /// Answers.
    pub stdin: Box<dyn Read + Send>,
    /// Data.
    pub stdout: Box<dyn Write + Send>,
    /// Talk.
    pub stderr: Box<dyn Write + Send>,
}

/// The program's voice; cheap to clone, and safe to use from several threads.
#[derive(Clone)]
pub struct Ui {
    console: Arc<Console>,
}

impl Ui {
    /// Talks through the process's own streams.
    #[must_use]
    pub fn new(options: UiOptions) -> Self {
        let streams =
            Streams { stdin: Box::new(io::stdin()), stdout: Box::new(io::stdout()), stderr: Box::new(io::stderr()) };
        let draws_per_second = u8::try_from(1_000 / limits::PROGRESS_INTERVAL_MS).unwrap_or(u8::MAX);
        Self::assemble(options, streams, ProgressDrawTarget::stderr_with_hz(draws_per_second))
    }

    /// Talks through these streams, and never draws a bar: for tests of whole commands.
    #[must_use]
    pub fn with_streams(options: UiOptions, streams: Streams) -> Self {
        Self::assemble(options, streams, ProgressDrawTarget::hidden())
    }

    fn assemble(options: UiOptions, streams: Streams, target: ProgressDrawTarget) -> Self {
        let draws = options.terminals.stderr && !options.quiet && options.progress == ProgressChoice::Auto;
        let target = if draws { target } else { ProgressDrawTarget::hidden() };
        Self { console: Arc::new(Console::new(options, streams, target)) }
    }

    /// The shape that results are wanted in.
    #[must_use]
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

    /// An error that stops a whole run. What the service answered is part of it with `--show-values`, else a hint says how
    /// to see it.
    pub fn stopped(&self, stop: &StopError) {
        let show_values = self.show_values();
        self.error(
            &stop.printable_detail(show_values),
            stop.hides_message(show_values).then_some(redact::HIDDEN_MESSAGES_HINT),
        );
    }

    fn show_values(&self) -> bool {
        self.console.options().show_values
    }

    /// What the program does at the moment, where the bar is: shown on a terminal only.
    pub fn status(&self, text: &str) {
        self.console.show_status(escape(text).into_owned());
    }

    /// Takes the bar away. The observer does so by itself when it is dropped.
    pub fn clear_status(&self) {
        self.console.clear_bar();
    }

    /// Prints what happens in a run. The bar is there at once. Drop it before the result is printed: only
    /// then the bar is gone and the findings that were not shown are counted.
    #[must_use]
    pub fn observer(&self) -> Box<dyn RunObserver + Send> {
        Box::new(observer::EventPrinter::new(Arc::clone(&self.console)))
    }

    /// Whether a question can be asked on a terminal.
    #[must_use]
    pub fn can_ask(&self) -> bool {
        let terminals = self.console.options().terminals;
        terminals.stdin && terminals.stderr
    }

    /// Asks a yes-or-no question on the terminal; only a plain `y` or `yes` is a yes. Blocks until there is an answer.
    ///
    /// # Errors
    /// [`ConfirmError::NotATerminal`] where stdin or stderr is none; [`ConfirmError::Io`] where it cannot be read.
    pub fn confirm(&self, question: &str) -> Result<bool, ConfirmError> {
        self.console.confirm(question)
    }

    /// A personal value as it may be shown: masked unless `--show-values`, and escaped either way.
    #[must_use]
    pub fn value(&self, value: &Personal) -> String {
        let value = value.expose();
        if self.console.options().show_values {
            escape(value).into_owned()
        } else {
            escape(&masked(value)).into_owned()
        }
    }

    /// Data to stdout: byte for byte into a file or pipe, and escaped (but for line feeds and tabs) on a terminal.
    /// Hand over many lines at a time. A reader that has left is no fault.
    ///
    /// # Errors
    /// Where stdout cannot be written for another reason, such as a full disk.
    pub fn data(&self, text: &str) -> io::Result<()> {
        if self.console.options().terminals.stdout {
            self.console.print(&escape_lines(text))
        } else {
            self.console.print(text)
        }
    }

    /// A value to stdout, as JSON on one line.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub fn json(&self, value: &Value) -> io::Result<()> {
        self.console.print(&json::encode(value))
    }

    /// The result of a run to stdout in the chosen format, and what to do next to stderr.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub fn run_report(&self, report: &RunReport, ledger: Option<&str>, exit_status: u8) -> io::Result<()> {
        self.console.clear_bar();
        match self.output() {
            OutputFormat::Text => self.console.print(&text::run_report(report, ledger, self.console.stdout_style())),
            OutputFormat::Json => self.json(&json::run_report(report, ledger, self.show_values(), exit_status)),
        }?;
        // A rehearsal keeps no ledger, and so leaves nothing to go on with.
        if let Some(ledger) = ledger {
            self.say_next(&report.counts, report.not_read.unwrap_or(0), &[ledger], next_steps::AGAIN);
        }
        Ok(())
    }

    /// The result of a run of `undo` to stdout in the chosen format, and what to do next to stderr. `links` are
    /// the objects of a dry run, from [`Ui::undo_object`].
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub fn undo_report(&self, report: &RunReport, links: Vec<Value>, ledger: &str, exit_status: u8) -> io::Result<()> {
        self.console.clear_bar();
        match self.output() {
            OutputFormat::Text => self.console.print(&undo::report_text(report, ledger, self.console.stdout_style())),
            OutputFormat::Json => self.json(&undo::report_json(report, links, ledger, self.show_values(), exit_status)),
        }?;
        for step in undo::next_steps(report) {
            self.console.step(&step);
        }
        Ok(())
    }

    /// What would become of a link, on a line of stdout.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub fn undo_line(&self, row: &Row, outcome: &UndoOutcome) -> io::Result<()> {
        self.console.print(&undo::line(&self.shown(row), outcome))
    }

    /// What would become of a link, as an object.
    #[must_use]
    pub fn undo_object(&self, row: &Row, outcome: &UndoOutcome) -> Value {
        undo::object(&self.shown(row), outcome)
    }

    fn shown<'a>(&self, row: &'a Row) -> undo::Shown<'a> {
        undo::Shown {
            row: row.number.0,
            key: row.key.to_string(),
            user: self.value(row.link.destination.value()),
            provider: row.link.source.provider().as_str(),
            value: self.value(row.link.source.value()),
        }
    }

    /// Takes the findings of an input as they come, and prints them and its counts in the chosen format.
    #[must_use]
    pub fn findings(&self, input: &str) -> Findings {
        Findings::new(Arc::clone(&self.console), input)
    }

    /// What a comparison found, before anything is done about it: as text to stdout. As JSON it comes with the result.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub fn drift(&self, report: &DriftReport) -> io::Result<()> {
        self.console.clear_bar();
        let show_values = self.console.options().show_values;
        match self.output() {
            OutputFormat::Text => self.console.print(&drift::text(report, show_values, self.console.stdout_style())),
            OutputFormat::Json => Ok(()),
        }
    }

    /// The result of a comparison to stdout in the chosen format: as text only the run that made
    /// the missing links, with its ledger, where there was one.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub fn reconciled(
        &self,
        report: &DriftReport,
        applied: Option<(&RunReport, &str)>,
        exit_status: u8,
    ) -> io::Result<()> {
        match (self.output(), applied) {
            (OutputFormat::Text, None) => Ok(()),
            (OutputFormat::Text, Some((run, ledger))) => self.run_report(run, Some(ledger), exit_status),
            (OutputFormat::Json, _) => {
                let applied = applied.map(|(run, ledger)| {
                    let mut run = json::run_report(run, Some(ledger), self.show_values(), exit_status);
                    run["command"] = "reconcile".into();
                    run
                });
                self.json(&drift::object(report, applied.as_ref(), self.console.options().show_values, exit_status))
            }
        }
    }

    /// What `doctor` found to stdout in the chosen format.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub fn checkup(&self, report: &DoctorReport, exit_status: u8) -> io::Result<()> {
        self.console.clear_bar();
        let show_values = self.show_values();
        let stops = report.checks.iter().filter_map(|check| match &check.found {
            CheckResult::Stopped(stop) => Some(stop),
            _ => None,
        });
        let hides_messages = stops.into_iter().any(|stop| stop.hides_message(show_values));
        match self.output() {
            OutputFormat::Text => self.console.print(&doctor::text(report, show_values, self.console.stdout_style())),
            OutputFormat::Json => self.json(&doctor::object(report, show_values, exit_status)),
        }?;
        self.hint_at_hidden_messages(hides_messages);
        Ok(())
    }

    fn hint_at_hidden_messages(&self, hides_messages: bool) {
        if hides_messages {
            self.console.step(redact::HIDDEN_MESSAGES_HINT);
        }
    }

    /// What ledgers know to stdout in the chosen format, and what to do next to stderr.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub fn ledger_report(&self, report: &LedgerReport) -> io::Result<()> {
        let show_values = self.console.options().show_values;
        match self.output() {
            OutputFormat::Text => {
                self.console.print(&text::ledger_report(report, show_values, self.console.stdout_style()))
            }
            OutputFormat::Json => self.json(&json::ledger_report(report, show_values)),
        }?;
        let mut texts = report.failures.iter().filter_map(|failure| failure.said.as_ref());
        self.hint_at_hidden_messages(texts.any(|text| text.is_hidden(show_values)));
        let ledgers: Vec<&str> = report.ledgers.iter().map(String::as_str).collect();
        self.say_next(&report.counts, 0, &ledgers, next_steps::LINK_AGAIN);
        Ok(())
    }

    /// Makes this the log of the process.
    ///
    /// # Errors
    /// [`LogError`] where the filter cannot be read, or the process has a log already.
    pub fn start_log(&self, options: LogOptions<'_>) -> Result<(), LogError> {
        let subscriber = log::subscriber(Arc::clone(&self.console), options)?;
        tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::AlreadyStarted)
    }

    fn say_next(&self, counts: &Counts, not_read: u64, ledgers: &[&str], go_on: &str) {
        if let Some(alarm) = next_steps::alarm(counts) {
            self.console.warn(&alarm);
        }
        for step in next_steps::next_steps(counts, not_read, ledgers, go_on) {
            self.console.step(&step);
        }
    }
}
