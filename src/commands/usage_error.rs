//! Arguments that cannot be parsed, in the formats that they request nevertheless.

use std::process::ExitCode;

use clap::error::ErrorKind;

use super::process::Process;
use super::shared::result::usage_report;
use crate::domain::error_code::FailureCode;
use crate::exit::Exit;
use crate::ui::{LogFormat, OutputFormat, UiOptions};

/// Prints a request for help as it is, and anything else as an error. `value_of` has the values of options, by name, and
/// `command` is the one that the arguments name.
pub(super) fn print(
    error: &clap::Error,
    command: impl FnOnce() -> Option<String>,
    value_of: &dyn Fn(&str) -> Option<String>,
) -> ExitCode {
    if !error.use_stderr() {
        // A reader that has left wants no help.
        let _ = error.print();
        return Exit::Success.into();
    }
    let is_json = |option| value_of(option).as_deref() == Some("json");
    let options = UiOptions {
        output: if is_json("output") { OutputFormat::Json } else { OutputFormat::Text },
        log: if is_json("log-format") { LogFormat::Json } else { LogFormat::Text },
        ..UiOptions::default()
    };
    let ui = Process::new().ui(options);
    let Message { text, hint } = message(error);
    if options.output == OutputFormat::Json {
        let _ = ui.json(&usage_report(&text, Some(&hint)));
    }
    match options.log {
        LogFormat::Text => {
            let _ = error.print();
        }
        LogFormat::Json => {
            ui.error(FailureCode::Usage, &text, Some(&hint));
            ui.ended(command().as_deref(), Exit::Usage.status());
        }
    }
    Exit::Usage.into()
}

struct Message {
    text: String,
    hint: String,
}

/// Returns what clap prints in several paragraphs as one sentence and a hint.
fn message(error: &clap::Error) -> Message {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let hint = "list the commands with `cognito-link --help`".to_owned();
        return Message { text: "a command is missing".to_owned(), hint };
    }
    let rendered = error.render().to_string();
    let mut paragraphs = rendered.split("\n\n").map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    let text = paragraphs.next().unwrap_or_default();
    let text = text.strip_prefix("error: ").unwrap_or(&text).to_owned();
    let tip = paragraphs.find_map(|text| text.strip_prefix("tip: ").map(str::to_owned));
    Message { text, hint: tip.unwrap_or_else(|| "pass --help for the options of the command".to_owned()) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::Cli;
    use super::*;

    #[test]
    fn an_error_is_one_sentence_and_a_hint() {
        let table = [
            ("link pairs.csv --lgo-format json", "unexpected argument '--lgo-format' found", "--log-format"),
            ("link", "the following required arguments were not provided: <INPUT>", "--help"),
            ("lnk", "unrecognized subcommand 'lnk'", "link"),
            ("", "a command is missing", "--help"),
        ];
        for (line, text, hint) in table {
            let arguments = ["cognito-link"].into_iter().chain(line.split_whitespace());
            let found = message(&Cli::try_parse_from(arguments).unwrap_err());
            assert_eq!(found.text, text);
            assert!(found.hint.contains(hint) && !found.hint.contains('\n'), "{}", found.hint);
        }
    }
}
