//! How and where the program prints.

use std::io::{self, IsTerminal, Read, Write};
use std::time::Duration;

use super::style::ColorChoice;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OutputFormat {
    /// For people.
    #[default]
    Text,
    /// For scripts.
    Json,
}

/// How everything on stderr is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    #[default]
    Text,
    /// An event on each line, as one JSON object.
    Json,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProgressChoice {
    /// A bar where stderr is a terminal, else plain lines.
    #[default]
    Auto,
    /// Plain lines, for terminals that cannot draw (`TERM=dumb`).
    Lines,
    /// A heartbeat only (`--no-progress`).
    Off,
}

/// Which of the standard streams are terminals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terminals {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
}

impl Terminals {
    /// Asks the system.
    pub fn detect() -> Self {
        Self {
            stdin: io::stdin().is_terminal(),
            stdout: io::stdout().is_terminal(),
            stderr: io::stderr().is_terminal(),
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UiOptions {
    pub output: OutputFormat,
    pub log: LogFormat,
    /// When to color, the environment already applied ([`ColorChoice::with_environment`]).
    pub color: ColorChoice,
    pub progress: ProgressChoice,
    /// Run time between two lines of progress, where they are lines.
    pub progress_interval: Duration,
    /// Whether notes, hints and progress are dropped; warnings, errors and results stay.
    pub quiet: bool,
    /// Whether personal values are shown as they are.
    pub show_values: bool,
    pub terminals: Terminals,
}

pub struct Streams {
    pub stdin: Box<dyn Read + Send>,
    pub stdout: Box<dyn Write + Send>,
    pub stderr: Box<dyn Write + Send>,
}
