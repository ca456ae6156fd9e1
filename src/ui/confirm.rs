//! The one question of the program, asked only where somebody can answer.

use super::console::Console;
use super::escape::escape;
use crate::limits;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmError {
    /// Nobody sits at a terminal.
    #[error("this changes the pool and there is no terminal to ask on: pass --yes to go on without being asked")]
    NotATerminal,
    /// The terminal could not be read or written.
    #[error("the answer could not be read from the terminal: {0}")]
    Io(#[from] std::io::Error),
}

pub(super) fn confirm(console: &Console, question: &str) -> Result<bool, ConfirmError> {
    let terminals = console.options().terminals;
    if !terminals.stdin || !terminals.stderr {
        return Err(ConfirmError::NotATerminal);
    }
    let answer = console.ask(&format!("{} [y/N] ", escape(question)), limits::ANSWER_BYTES_MAX)?;
    Ok(is_yes(&answer))
}

/// Anything but a plain yes is a no.
fn is_yes(answer: &[u8]) -> bool {
    let answer = answer.trim_ascii();
    answer.eq_ignore_ascii_case(b"y") || answer.eq_ignore_ascii_case(b"yes")
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
    fn nobody_is_asked_without_a_terminal() {
        let screen = Screen::new().typed("y\n");
        let error = screen.ui().confirm("link 3 rows?").unwrap_err();
        assert!(matches!(error, ConfirmError::NotATerminal));
        assert!(error.to_string().contains("--yes"));
        assert_eq!(screen.stderr(), "");
    }
}
