//! Colour, which only ever repeats what the words say.

use std::ffi::OsStr;

/// When to colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ColorChoice {
    /// On a terminal.
    #[default]
    Auto,
    /// Always, also into a pipe.
    Always,
    /// Never.
    Never,
}

impl ColorChoice {
    /// The choice with the environment variable `NO_COLOR` heeded: set and not empty, it turns `auto` into `never`
    /// (no-color.org). What was asked for outright stands.
    #[must_use]
    pub fn heeding_no_color(self, no_color: Option<&OsStr>) -> Self {
        match self {
            Self::Auto if no_color.is_some_and(|value| !value.is_empty()) => Self::Never,
            choice => choice,
        }
    }

    #[must_use]
    pub fn style(self, is_terminal: bool) -> Style {
        Style { colored: self == Self::Always || (self == Self::Auto && is_terminal) }
    }
}

/// How a stream is coloured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    colored: bool,
}

impl Style {
    #[must_use]
    pub fn red(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    #[must_use]
    pub fn yellow(self, text: &str) -> String {
        self.paint("33", text)
    }

    #[must_use]
    pub fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    #[must_use]
    pub fn cyan(self, text: &str) -> String {
        self.paint("36", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colored { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_by_choice_terminal_and_environment() {
        use ColorChoice::{Always, Auto, Never};
        let set = Some(OsStr::new("1"));
        let empty = Some(OsStr::new(""));
        let table = [
            (Auto, true, None, true),
            (Auto, false, None, false),
            (Auto, true, set, false),
            (Auto, true, empty, true),
            (Always, false, set, true),
            (Never, true, None, false),
        ];
        for (choice, is_terminal, no_color, colored) in table {
            let style = choice.heeding_no_color(no_color).style(is_terminal);
            assert_eq!(style, Style { colored }, "{choice:?} {is_terminal} {no_color:?}");
        }
    }

    #[test]
    fn words_stay_without_colour() {
        assert_eq!(Style { colored: false }.red("error:"), "error:");
        assert_eq!(Style { colored: true }.red("error:"), "\x1b[1;31merror:\x1b[0m");
    }
}
