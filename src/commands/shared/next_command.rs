//! Commands that a message suggests: for the same input, pool and settings, and ready to be pasted.

use std::path::{Path, PathBuf};

use crate::ui::{shell_path, shell_word};

/// Returns the option for a settings file, after a space; nothing without one.
pub fn config_option(config: Option<&Path>) -> String {
    config.map_or_else(String::new, |path| format!(" --config {}", shell_path(&path.display().to_string())))
}

/// Returns the settings file of an earlier run, out of its arguments.
pub fn config_of_run(arguments: &[String]) -> Option<PathBuf> {
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.split_once('=') {
            Some(("--config", path)) => return Some(PathBuf::from(path)),
            _ if argument == "--config" => return rest.next().map(PathBuf::from),
            _ => {}
        }
    }
    None
}

/// Returns the command with these arguments once more: without the flag `left_out`, and with `more` at its end.
pub fn same_command(arguments: &[String], left_out: Option<&str>, more: &str) -> String {
    let kept = arguments.iter().map(String::as_str).filter(|argument| Some(*argument) != left_out);
    let words = ["cognito-link"].into_iter().chain(kept).map(shell_word);
    let more = (!more.is_empty()).then(|| more.to_owned());
    words.chain(more).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_command_is_suggested_with_what_was_given() {
        let given = arguments("link my$pairs.csv --dry-run --map a=b --config prod.toml");
        let again = same_command(&given, Some("--dry-run"), "");
        assert_eq!(again, "cognito-link link 'my$pairs.csv' --map 'a=b' --config prod.toml");
        assert_eq!(same_command(&given[..2], None, "--yes"), "cognito-link link 'my$pairs.csv' --yes");
    }

    #[test]
    fn the_settings_of_a_run_are_in_its_arguments() {
        for (line, expected) in [
            ("link in.csv --config prod.toml --yes", " --config prod.toml"),
            ("link --config=-odd.toml in.csv", " --config ./-odd.toml"),
            ("link in.csv --config", ""),
            ("link in.csv", ""),
        ] {
            assert_eq!(config_option(config_of_run(&arguments(line)).as_deref()), expected, "{line}");
        }
    }
}
