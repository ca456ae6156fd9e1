//! A screen for tests: what is typed, printed and drawn, without a terminal.

use std::io::{self, Cursor, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::live_line::{LiveLine, Terminal};
use super::{ColorChoice, EventSource, LogFormat, OutputFormat, ProgressChoice, Streams, Terminals, Ui, UiOptions};
use crate::clock::Clock;

/// The columns of the test's terminal.
pub(crate) const WIDTH: usize = 120;

#[derive(Debug, Clone)]
pub(crate) struct Screen {
    options: UiOptions,
    typed: String,
    stdout: Sheet,
    stderr: Sheet,
    bar: Sheet,
    at_messages: Arc<Mutex<Vec<String>>>,
}

#[derive(Debug, Clone, Default)]
struct Sheet(Arc<Mutex<Vec<u8>>>);

impl Sheet {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Prints on a sheet, and notes what the bar showed at that moment.
struct Printer {
    sheet: Sheet,
    bar: Sheet,
    at_messages: Arc<Mutex<Vec<String>>>,
}

impl Write for Printer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.at_messages.lock().unwrap().push(self.bar.text());
        self.sheet.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A terminal of one line, which is all that the bar draws on.
#[derive(Debug)]
struct OneLine(Sheet);

impl Terminal for OneLine {
    fn columns(&self) -> usize {
        WIDTH
    }

    fn erase(&mut self, _: usize) {
        self.0.0.lock().unwrap().clear();
    }

    fn draw(&mut self, text: &str) {
        self.0.0.lock().unwrap().extend_from_slice(text.as_bytes());
    }
}

impl Screen {
    /// Three pipes, nothing asked for.
    pub(crate) fn new() -> Self {
        let options = UiOptions {
            output: OutputFormat::Text,
            log: LogFormat::Text,
            color: ColorChoice::Never,
            progress: ProgressChoice::Auto,
            progress_interval: Duration::from_mins(1),
            quiet: false,
            show_values: false,
            terminals: Terminals::default(),
        };
        let (stdout, stderr, bar) = (Sheet::default(), Sheet::default(), Sheet::default());
        Self { options, typed: String::new(), stdout, stderr, bar, at_messages: Arc::default() }
    }

    pub(crate) fn terminals(mut self) -> Self {
        self.options.terminals = Terminals { stdin: true, stdout: true, stderr: true };
        self
    }

    pub(crate) fn quiet(mut self) -> Self {
        self.options.quiet = true;
        self
    }

    pub(crate) fn json(mut self) -> Self {
        self.options.output = OutputFormat::Json;
        self
    }

    /// Writes events in place of lines.
    pub(crate) fn events(mut self) -> Self {
        self.options.log = LogFormat::Json;
        self
    }

    pub(crate) fn colored(mut self) -> Self {
        self.options.color = ColorChoice::Always;
        self
    }

    pub(crate) fn showing_values(mut self) -> Self {
        self.options.show_values = true;
        self
    }

    pub(crate) fn progress(mut self, progress: ProgressChoice) -> Self {
        self.options.progress = progress;
        self
    }

    pub(crate) fn typed(mut self, typed: &str) -> Self {
        typed.clone_into(&mut self.typed);
        self
    }

    pub(crate) fn ui(&self) -> Ui {
        let print_on = |sheet: &Sheet| Printer {
            sheet: sheet.clone(),
            bar: self.bar.clone(),
            at_messages: Arc::clone(&self.at_messages),
        };
        let streams = Streams {
            stdin: Box::new(Cursor::new(self.typed.clone().into_bytes())),
            stdout: Box::new(print_on(&self.stdout)),
            stderr: Box::new(print_on(&self.stderr)),
        };
        let source = EventSource::new("00000000000000aa", Clock::starting_at(1_772_352_000_000));
        Ui::assemble(self.options, streams, LiveLine::on(Box::new(OneLine(self.bar.clone()))), source)
    }

    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Both streams, for a snapshot.
    pub(crate) fn both(&self) -> String {
        format!("{}--- stderr\n{}", self.stdout(), self.stderr())
    }

    /// What the bar shows now.
    pub(crate) fn bar(&self) -> String {
        self.bar.text()
    }

    /// What the bar showed at each message.
    pub(crate) fn drawn_at_messages(&self) -> Vec<String> {
        self.at_messages.lock().unwrap().clone()
    }
}
