//! Arguments that cannot be parsed, in the formats that they request nevertheless.

use std::process::ExitCode;

use clap::error::ErrorKind;

use super::process::Process;
use super::shared::result::usage_report;
use crate::exit::Exit;
use crate::ui::{LogFormat, OutputFormat, UiOptions};

/// Prints a request for help as it is, and anything else as an error.
pub(super) fn print(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // A reader that has left wants no help.
        let _ = error.print();
        return Exit::Success.into();
    }
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    let options = UiOptions {
        output: if requests_json(&arguments, "--output") { OutputFormat::Json } else { OutputFormat::Text },
        log: if requests_json(&arguments, "--log-format") { LogFormat::Json } else { LogFormat::Text },
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
            ui.error_of("usage", &text, Some(&hint));
            ui.ended("", Exit::Usage.status());
        }
    }
    Exit::Usage.into()
}

/// Whether an option has the value `json`, in one of the two forms that clap reads.
fn requests_json(arguments: &[String], option: &str) -> bool {
    let options = arguments.iter().take_while(|argument| *argument != "--");
    let values =
        options.clone().skip(1).zip(options.clone()).filter(|(_, name)| *name == option).map(|(value, _)| value);
    let joined = options.filter_map(|argument| argument.strip_prefix(option)?.strip_prefix('='));
    values.map(String::as_str).chain(joined).last() == Some("json")
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
    fn the_format_is_read_from_arguments_that_clap_refuses() {
        let table = [
            ("link x --log-format json --bogus", true),
            ("link x --log-format=json", true),
            ("link x --log-format text", false),
            ("link x --log-format json --log-format=text", false),
            ("link x", false),
            ("link --log-format", false),
            ("link -- --log-format json", false),
        ];
        for (line, expected) in table {
            let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(requests_json(&arguments, "--log-format"), expected, "{line}");
        }
    }

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
