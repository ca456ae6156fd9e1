//! How and where the program prints.

use std::io::{self, IsTerminal, Read, Write};

use super::style::ColorChoice;

/// The shape of results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OutputFormat {
    /// For people.
    #[default]
    Text,
    /// For scripts.
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
