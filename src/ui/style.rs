//! Color, which only ever repeats what the words say.

use std::ffi::OsString;

use anstyle::{AnsiColor, Style as Ansi};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ColorChoice {
    #[default]
    Auto,
    Always,
    Never,
}

impl ColorChoice {
    /// Applies the environment to `auto`: `NO_COLOR` (no-color.org), then `CLICOLOR_FORCE` and `CLICOLOR`
    /// (bixense.com/clicolors). An explicit choice stands.
    pub fn with_environment(self, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let value = |name| variable(name).filter(|value| !value.is_empty());
        match self {
            Self::Auto if value("NO_COLOR").is_some() => Self::Never,
            Self::Auto if value("CLICOLOR_FORCE").is_some_and(|value| value != "0") => Self::Always,
            Self::Auto if value("CLICOLOR").is_some_and(|value| value == "0") => Self::Never,
            choice => choice,
        }
    }

    #[must_use]
    pub fn style(self, is_terminal: bool) -> Style {
        Style { colored: self == Self::Always || (self == Self::Auto && is_terminal) }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    colored: bool,
}

impl Style {
    #[must_use]
    pub fn red(self, text: &str) -> String {
        self.paint(AnsiColor::Red.on_default().bold(), text)
    }

    #[must_use]
    pub fn yellow(self, text: &str) -> String {
        self.paint(AnsiColor::Yellow.on_default(), text)
    }

    #[must_use]
    pub fn green(self, text: &str) -> String {
        self.paint(AnsiColor::Green.on_default(), text)
    }

    #[must_use]
    pub fn cyan(self, text: &str) -> String {
        self.paint(AnsiColor::Cyan.on_default(), text)
    }

    fn paint(self, style: Ansi, text: &str) -> String {
        if self.colored { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_by_choice_terminal_and_environment() {
        use ColorChoice::{Always, Auto, Never};
        let table: [(_, _, &[(&str, &str)], _); 12] = [
            (Auto, true, &[], true),
            (Auto, false, &[], false),
            (Auto, true, &[("NO_COLOR", "1")], false),
            (Auto, true, &[("NO_COLOR", "")], true),
            (Always, false, &[("NO_COLOR", "1")], true),
            (Never, true, &[], false),
            (Auto, true, &[("CLICOLOR", "0")], false),
            (Auto, true, &[("CLICOLOR", "1")], true),
            (Auto, false, &[("CLICOLOR_FORCE", "1")], true),
            (Auto, false, &[("CLICOLOR_FORCE", "0")], false),
            (Auto, false, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
            (Never, true, &[("CLICOLOR_FORCE", "1")], false),
        ];
        for (choice, is_terminal, environment, colored) in table {
            let variable = |name: &str| {
                environment.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
            };
            let style = choice.with_environment(variable).style(is_terminal);
            assert_eq!(style, Style { colored }, "{choice:?} {is_terminal} {environment:?}");
        }
    }

    #[test]
    fn words_stay_without_colour() {
        assert_eq!(Style { colored: false }.red("error:"), "error:");
        assert_eq!(Style { colored: true }.red("error:"), "\x1b[1m\x1b[31merror:\x1b[0m");
    }
}
