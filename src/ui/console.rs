//! The three standard streams and the progress bar: every character that the program prints passes here, so that a
//! message, a log line and the bar never interleave.

use std::io::{self, Read, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::escape::escape;
use super::style::Style;
use super::{Streams, UiOptions};

/// Where the program prints. The bar draws itself, and never while one of the locks is held.
pub(super) struct Console {
    stdin: Mutex<Box<dyn Read + Send>>,
    stdout: Mutex<Stdout>,
    stderr: Mutex<Box<dyn Write + Send>>,
    bar: ProgressBar,
    options: UiOptions,
}

struct Stdout {
    writer: Box<dyn Write + Send>,
    reader_left: bool,
}

impl Console {
    pub(super) fn new(options: UiOptions, streams: Streams, bar_target: ProgressDrawTarget) -> Self {
        let style = ProgressStyle::with_template("{spinner} {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner())
            .tick_chars("|/-\\ ");
        let bar = ProgressBar::with_draw_target(None, bar_target).with_style(style);
        // A finished bar draws nothing until it is shown.
        bar.finish_and_clear();
        Self {
            stdin: Mutex::new(streams.stdin),
            stdout: Mutex::new(Stdout { writer: streams.stdout, reader_left: false }),
            stderr: Mutex::new(streams.stderr),
            bar,
            options,
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

    pub(super) fn note(&self, text: &str) {
        if !self.options.quiet {
            self.say(&self.stderr_style().cyan("note:"), text);
        }
    }

    /// A hint that stands by itself, after a result.
    pub(super) fn step(&self, text: &str) {
        if !self.options.quiet {
            self.hint(text);
        }
    }

    pub(super) fn hint(&self, text: &str) {
        self.say(&self.stderr_style().cyan("hint:"), text);
    }

    pub(super) fn warn(&self, text: &str) {
        self.say(&self.stderr_style().yellow("warning:"), text);
    }

    pub(super) fn error(&self, text: &str) {
        self.say(&self.stderr_style().red("error:"), text);
    }

    fn say(&self, label: &str, text: &str) {
        self.line(&format!("{label} {}", escape(text)));
    }

    /// A line to stderr as it is. Where stderr is gone there is nobody left to tell.
    pub(super) fn line(&self, text: &str) {
        self.bar.suspend(|| {
            let mut stderr = lock(&self.stderr);
            let _ = stderr.write_all(format!("{text}\n").as_bytes());
            let _ = stderr.flush();
        });
    }

    /// Data to stdout as it is. A reader that has left, as `head` does, is no fault: the rest is dropped.
    pub(super) fn print(&self, text: &str) -> io::Result<()> {
        let print = || lock(&self.stdout).print(text);
        if self.options.terminals.stdout { self.bar.suspend(print) } else { print() }
    }

    /// Shows the bar with this text, where there is one.
    pub(super) fn show_bar(&self, text: String) {
        // The text comes first: a reset draws, and would show the last text once more.
        self.bar.set_message(text);
        if self.bar.is_finished() {
            self.bar.reset();
        } else {
            self.bar.tick();
        }
    }

    pub(super) fn clear_bar(&self) {
        self.bar.finish_and_clear();
    }

    /// Asks on stderr and reads one line of at most `bytes_max` bytes, the bar out of the way. End of input is an
    /// empty line.
    pub(super) fn ask(&self, question: &str, bytes_max: usize) -> io::Result<Vec<u8>> {
        self.clear_bar();
        let mut stderr = lock(&self.stderr);
        stderr.write_all(question.as_bytes())?;
        stderr.flush()?;
        drop(stderr);
        read_line(&mut **lock(&self.stdin), bytes_max)
    }
}

impl Stdout {
    fn print(&mut self, text: &str) -> io::Result<()> {
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
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
