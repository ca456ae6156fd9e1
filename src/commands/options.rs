//! Where options have their values from: the command line, else a variable `COGNITO_LINK_…`, else the file of `--config`.
//!
//! Variables and the file give defaults. So they never conflict with another option, and mean nothing to a command that
//! has no such option.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

use clap::builder::{BoolishValueParser, TypedValueParser as _};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::shared::next_command::{refused_address, without_secrets};
use super::shared::settings::{DEFAULT_POOL_KEYS, OptionValues, read_option_values};
use crate::domain::nearest::nearest;
use crate::ui::LOG_FILTER_VARIABLE;

/// What the variable of an option starts with.
const PREFIX: &str = "COGNITO_LINK_";
/// The option whose value can hold a password.
const ENDPOINT: &str = "--endpoint-url";

/// The names of all options of all commands.
pub(super) fn option_names(program: &Command) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    collect_names(program, &mut names);
    names
}

fn collect_names(command: &Command, names: &mut BTreeSet<String>) {
    names.extend(command.get_arguments().filter_map(Arg::get_long).map(str::to_owned));
    command.get_subcommands().for_each(|command| collect_names(command, names));
}

/// The variable of an option: `COGNITO_LINK_MAX_CHANGES` of `--max-changes`.
fn variable(option: &str) -> String {
    format!("{PREFIX}{}", option.to_uppercase().replace('-', "_"))
}

/// Parses a command line, with the values of variables and of the file where it has none.
pub(super) fn parse(
    program: Command,
    arguments: &[OsString],
    variables: &dyn Fn(&str) -> Option<String>,
) -> Result<ArgMatches, clap::Error> {
    let values = values_from_outside(&program, arguments, variables);
    let mut command = with_defaults(program, &values);
    let mut parsed = command.try_get_matches_from_mut(arguments);
    if let Err(error) = &parsed
        && let Some(more) = with_required(arguments, error, &values)
    {
        parsed = command.try_get_matches_from_mut(more);
    }
    parsed.map_err(|error| with_origin(quote_no_secret(error), &values, &mut command))
}

/// Hides in an error what may be a password in an address.
fn quote_no_secret(mut error: clap::Error) -> clap::Error {
    let shown = |kind, text: &str| match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(option)) if kind == ContextKind::InvalidValue && option.starts_with(ENDPOINT) => {
            refused_address(text)
        }
        _ => without_secrets(text),
    };
    let hidden: Vec<_> = error
        .context()
        .filter_map(|(kind, value)| match value {
            ContextValue::String(text) => Some((kind, ContextValue::String(shown(kind, text)))),
            ContextValue::Strings(texts) => {
                Some((kind, ContextValue::Strings(texts.iter().map(|text| shown(kind, text)).collect())))
            }
            _ => None,
        })
        .collect();
    for (kind, value) in hidden {
        error.insert(kind, value);
    }
    error
}

/// Returns the command that a command line names, also one that cannot be parsed; `None` where it names none.
pub(super) fn named_command(program: Command, arguments: &[OsString]) -> Option<String> {
    let matches = program.ignore_errors(true).try_get_matches_from(arguments).ok()?;
    matches.subcommand_name().map(str::to_owned)
}

/// A variable that looks like one of an option, and that no option has.
pub(super) struct UnknownVariable {
    pub(super) name: String,
    /// The variable of an option that is most like it.
    pub(super) nearest: Option<String>,
}

/// Returns the variables among these that start as those of options do, and are none.
pub(super) fn unknown_variables(
    program: impl FnOnce() -> Command,
    names: impl Iterator<Item = String>,
) -> Vec<UnknownVariable> {
    let candidates: Vec<String> =
        names.filter(|name| name.starts_with(PREFIX) && name != LOG_FILTER_VARIABLE).collect();
    if candidates.is_empty() {
        return Vec::new();
    }
    let options: Vec<String> = option_names(&program()).iter().map(|option| variable(option)).collect();
    let unknown = candidates.into_iter().filter(|name| !options.contains(name));
    unknown
        .map(|name| {
            // What all have in common makes no two of them alike.
            let words = options.iter().filter_map(|option| option.strip_prefix(PREFIX));
            let near = nearest(&name[PREFIX.len()..], words).map(|near| format!("{PREFIX}{near}"));
            UnknownVariable { name, nearest: near }
        })
        .collect()
}

/// The command line with the options that others on it require, where their values come from outside: for clap, a default
/// is not there. `None` where the error is another one, or a value is missing everywhere.
fn with_required(arguments: &[OsString], error: &clap::Error, values: &OptionValues) -> Option<Vec<OsString>> {
    let (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(missing))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    else {
        return None;
    };
    let mut more = Vec::new();
    // As in the usage: `--simulate`, `--window <TIMES>`.
    for usage in missing {
        let (option, takes_value) = usage.split_once(' ').map_or((usage.as_str(), false), |(option, _)| (option, true));
        let (texts, _) = values.get(option.strip_prefix("--")?)?;
        if takes_value {
            more.extend(texts.iter().map(|text| OsString::from(format!("{option}={text}"))));
        } else if texts.first().is_some_and(|text| is_true(text)) {
            more.push(option.into());
        } else {
            return None;
        }
    }
    let end = arguments.iter().position(|argument| argument == "--").unwrap_or(arguments.len());
    let mut arguments = arguments.to_vec();
    arguments.splice(end..end, more);
    Some(arguments)
}

/// Whether the value of a flag turns it on.
fn is_true(text: &str) -> bool {
    BoolishValueParser::new().parse_ref(&Command::new(""), None, text.as_ref()).unwrap_or(false)
}

/// The values of variables and of the file, by the name of the option. A file that cannot be read is reported by the
/// command.
fn values_from_outside(
    program: &Command,
    arguments: &[OsString],
    variables: &dyn Fn(&str) -> Option<String>,
) -> OptionValues {
    let given = |option: &str| value_in(arguments, option).or_else(|| value_of_variable(option, variables));
    let names = option_names(program);
    let mut values = OptionValues::new();
    if let Some(file) = given("config") {
        let [pool, id] = DEFAULT_POOL_KEYS.map(given);
        let read = read_option_values(Path::new(&file), &names, pool.as_deref(), id.as_deref());
        values.extend(read.unwrap_or_default());
    }
    for name in names {
        if let Some(value) = value_of_variable(&name, variables) {
            let origin = format!("the variable {}", variable(&name));
            values.insert(name, (value.lines().map(str::to_owned).collect(), origin));
        }
    }
    values
}

/// The value of an option for a command line that cannot be parsed: of the arguments, a variable or the file.
pub(super) fn value_before_parsing(
    program: &Command,
    arguments: &[OsString],
    variables: &dyn Fn(&str) -> Option<String>,
    option: &str,
) -> Option<String> {
    value_in(arguments, option).or_else(|| {
        let (texts, _) = values_from_outside(program, arguments, variables).remove(option)?;
        texts.into_iter().next()
    })
}

/// The value of an option's variable. An empty variable is one that is not set, as in most programs.
fn value_of_variable(option: &str, variables: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    variables(&variable(option)).filter(|value| !value.is_empty())
}

/// The value of an option among the arguments, before they are parsed; the last of several.
fn value_in(arguments: &[OsString], option: &str) -> Option<String> {
    let mut arguments = arguments.iter().map(|argument| argument.to_string_lossy()).take_while(|text| text != "--");
    let mut last = None;
    while let Some(argument) = arguments.next() {
        match argument.strip_prefix("--").and_then(|text| text.strip_prefix(option)) {
            Some("") => last = arguments.next().map(std::borrow::Cow::into_owned).or(last),
            Some(rest) if rest.starts_with('=') => last = Some(rest[1..].to_owned()),
            _ => {}
        }
    }
    last
}

/// The command and its subcommands with these defaults.
fn with_defaults(command: Command, values: &OptionValues) -> Command {
    let command = command.mut_args(|arg| match arg.get_long().and_then(|name| values.get(name)) {
        Some((texts, _)) => with_default(arg, texts),
        None => arg,
    });
    command.mut_subcommands(|command| with_defaults(command, values))
}

fn with_default(arg: Arg, texts: &[String]) -> Arg {
    // clap keeps defaults by reference: these live as long as the program.
    let texts = texts.iter().map(|text| -> &'static str { String::leak(text.clone()) });
    let arg = arg.required(false);
    match arg.get_action() {
        ArgAction::SetTrue | ArgAction::SetFalse => {
            arg.value_parser(BoolishValueParser::new()).default_values(texts.take(1))
        }
        ArgAction::Append => arg.hide_default_value(true).default_values(texts),
        ArgAction::Count => arg.default_values(texts.take(1)),
        _ => arg.hide_default_value(true).default_values(texts.take(1)),
    }
}

/// The error, with where the value comes from where that is not the command line.
fn with_origin(error: clap::Error, values: &OptionValues, command: &mut Command) -> clap::Error {
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else { return error };
    let name = option.trim_start_matches("--").split(' ').next().unwrap_or_default();
    let Some((texts, origin)) = values.get(name) else { return error };
    match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value))
            if texts
                .iter()
                .any(|text| [text.clone(), refused_address(text), without_secrets(text)].contains(value)) =>
        {
            let text = error.render().to_string();
            let text = text.trim_start_matches("error: ").lines().next().unwrap_or_default();
            command.error(error.kind(), format!("{text}; the value is from {origin}"))
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use clap::builder::PossibleValue;
    use clap::{CommandFactory, FromArgMatches};

    use super::super::Cli;
    use super::*;

    /// Values of which each option takes at least one.
    const SAMPLES: &[&str] = &[
        "1",
        "s3://bucket/key",
        "0.5",
        "true",
        "90s",
        "a=b",
        "source_value=b",
        "failed=5",
        "0/4",
        "22:00-06:00",
        "127.0.0.1:0",
        "Okta",
        "us-east-1_Abcdefghi",
        "123456789012",
        "https://example.com",
        "UTC",
        "5-7",
        "2d",
        "json",
        "list-users",
        "scan",
        "csv",
        "okta",
        "case_differs",
        "refused",
        "always",
        "00000000000000000000000000000011",
        "0123456789abcdef",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "off",
        "0",
        "100-200",
        "lost-after@1%",
        "1..2",
        "2026-03-01T00:00:00Z",
    ];

    /// Arguments with which a command parses.
    fn required(command: &Command) -> Vec<String> {
        let positional = command.get_positionals().filter(|arg| arg.is_required_set());
        let mut words = vec![command.get_name().to_owned()];
        words.extend(positional.map(|arg| {
            let possible = arg.get_possible_values();
            possible.first().map_or("x", |value| value.get_name()).to_owned()
        }));
        if let Some(nested) = command.get_subcommands().next() {
            words.extend(required(nested));
        }
        let options = command.get_arguments().filter(|arg| arg.is_required_set() && !arg.is_positional());
        for option in options {
            let long = option.get_long().unwrap();
            let value = match long {
                "account" => "123456789012",
                "user-pool-id" => "us-east-1_Abcdefghi",
                _ => "x",
            };
            words.extend([format!("--{long}"), value.to_owned()]);
        }
        words
    }

    fn matches(words: &[String], name: &str, values: &OptionValues) -> Option<ArgMatches> {
        let mut command = with_defaults(Cli::command(), values);
        let arguments = ["cognito-link".to_owned()].into_iter().chain(words.iter().cloned());
        let matches = command.try_get_matches_from_mut(arguments).ok()?;
        let (of, matches) = matches.subcommand()?;
        assert_eq!(of, name);
        Some(matches.clone())
    }

    #[test]
    fn every_option_of_every_command_has_a_variable_and_a_key() {
        let (mut tried, mut program) = (0, Cli::command());
        program.build();
        for command in program.get_subcommands().filter(|command| command.get_name() != "help") {
            let options = command.get_arguments().filter(|arg| !arg.is_positional());
            for arg in options.filter(|arg| !matches!(arg.get_long(), None | Some("help" | "version"))) {
                let (long, words) = (arg.get_long().unwrap(), required(command));
                let possible = arg.get_possible_values();
                let possible = possible.iter().map(PossibleValue::get_name).filter(|value| *value != "false");
                let is_taken = possible.chain(SAMPLES.iter().copied()).any(|sample| {
                    let values = values_from_outside(&Cli::command(), &[], &|name| {
                        (name == variable(long)).then(|| sample.to_owned())
                    });
                    assert_eq!(values.len(), 1, "--{long}");
                    let Some(found) = matches(&words, command.get_name(), &values) else { return false };
                    let raw = found.get_raw(arg.get_id().as_str()).into_iter().flatten();
                    raw.into_iter().any(|raw| raw == sample)
                });
                assert!(is_taken, "{}: --{long} takes nothing from {}", command.get_name(), variable(long));
                tried += 1;
            }
        }
        assert!(tried > 100, "{tried} options");
    }

    fn parsed(words: &[&str], variables: &[(&str, &str)]) -> Result<Cli, String> {
        let find = |name: &str| variables.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned());
        let arguments: Vec<OsString> = ["cognito-link"].iter().chain(words).map(OsString::from).collect();
        let matches = parse(Cli::command(), &arguments, &find);
        matches.and_then(|matches| Cli::from_arg_matches(&matches)).map_err(|error| error.to_string())
    }

    /// Words, variables, and the value that is found.
    type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], Option<&'a str>);

    #[test]
    fn an_option_may_require_one_that_comes_from_outside() {
        let rehearse: &[&str] = &["cognito-link", "link", "in.csv", "--rehearse"];
        let zone: &[&str] = &["cognito-link", "link", "in.csv", "--time-zone", "Europe/Berlin"];
        for (words, set, is_taken) in [
            (rehearse, ("COGNITO_LINK_SIMULATE", "1"), true),
            (rehearse, ("COGNITO_LINK_SIMULATE", "false"), false),
            (rehearse, ("COGNITO_LINK_WINDOW", "22:00-06:00"), false),
            (zone, ("COGNITO_LINK_WINDOW", "22:00-06:00"), true),
            (zone, ("COGNITO_LINK_RATE", "1"), false),
        ] {
            let find = |name: &str| (name == set.0).then(|| set.1.to_owned());
            let parsed = parse(Cli::command(), &words.iter().map(Into::into).collect::<Vec<_>>(), &find);
            assert_eq!(
                parsed.is_ok(),
                is_taken,
                "{words:?} {set:?}: {:?}",
                parsed.err().map(|error| error.to_string())
            );
        }
    }

    #[test]
    fn a_value_is_read_from_a_command_line_that_clap_refuses_from_a_variable_and_from_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.toml");
        std::fs::write(&file, "log-format = \"json\"\n").unwrap();
        let config = ["link", "x", "--config", file.to_str().unwrap(), "--bogus"];
        let set = [("COGNITO_LINK_LOG_FORMAT", "json")];
        let empty = [("COGNITO_LINK_LOG_FORMAT", ""), ("COGNITO_LINK_CONFIG", "")];
        let table: [Case<'_>; 11] = [
            (&["link", "x", "--log-format", "json", "--bogus"], &[], Some("json")),
            (&["link", "x", "--log-format=json"], &[], Some("json")),
            (&["link", "x", "--log-format", "json", "--log-format=text"], &[], Some("text")),
            (&["link", "x"], &[], None),
            (&["link", "--log-format"], &[], None),
            (&["link", "--", "--log-format", "json"], &[], None),
            (&["link", "x", "--bogus"], &set, Some("json")),
            (&["link", "x", "--bogus", "--log-format", "text"], &set, Some("text")),
            (&["link", "x", "--bogus"], &empty, None),
            (&config, &[], Some("json")),
            (&config, &empty, Some("json")),
        ];
        for (words, variables, expected) in table {
            let find = |name: &str| variables.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned());
            let arguments: Vec<OsString> = words.iter().map(OsString::from).collect();
            let found = value_before_parsing(&Cli::command(), &arguments, &find, "log-format");
            assert_eq!(found.as_deref(), expected, "{words:?} {variables:?}");
        }
    }

    #[test]
    fn the_command_line_comes_before_variables_and_variables_before_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.toml");
        std::fs::write(
            &file,
            "attempts = 3\nquiet = true\nprovider = [\"A\", \"B\"]\nrate = 4\n[pools.live]\nuser-pool-id = \
             \"us-east-1_Live\"\nattempts = 7\n",
        )
        .unwrap();
        let file = file.to_str().unwrap();
        let undo = |words: &[&str], variables: &[(&str, &str)]| {
            let words = [&["undo", "l"], words].concat();
            let cli = parsed(&words, variables)?;
            let quiet = cli.output.quiet;
            let super::super::Command::Undo(args) = cli.command else { panic!("undo") };
            let providers: Vec<_> = args.selection.provider.iter().map(ToString::to_string).collect();
            Ok::<_, String>((args.pace.attempts, quiet, providers.join(" "), args.dry_run))
        };
        let plain = (crate::limits::ATTEMPTS_MAX, false, String::new(), false);
        assert_eq!(undo(&[], &[]), Ok(plain));
        let of_file = (3, true, "A B".to_owned(), false);
        assert_eq!(undo(&["--config", file], &[]), Ok(of_file.clone()));
        assert_eq!(undo(&[&format!("--config={file}")], &[]), Ok(of_file.clone()));
        assert_eq!(undo(&[], &[("COGNITO_LINK_CONFIG", file)]), Ok(of_file));
        assert_eq!(undo(&["--config", file, "--pool", "live"], &[]).map(|found| found.0), Ok(7));
        // An empty variable does not hide the pool of the file.
        let none = [("COGNITO_LINK_POOL", ""), ("COGNITO_LINK_USER_POOL_ID", "")];
        let live = ["--config", file, "--user-pool-id", "us-east-1_Live"];
        assert_eq!(undo(&live, &none).map(|found| found.0), Ok(7));
        let variables = [("COGNITO_LINK_ATTEMPTS", "4"), ("COGNITO_LINK_DRY_RUN", "1")];
        assert_eq!(undo(&["--config", file], &variables), Ok((4, true, "A B".to_owned(), true)));
        assert_eq!(undo(&["--config", file, "--attempts", "5"], &variables).map(|found| found.0), Ok(5));
        assert_eq!(undo(&[], &[("COGNITO_LINK_PROVIDER", "C\nD")]).map(|found| found.2), Ok("C D".to_owned()));
        let error = undo(&[], &[("COGNITO_LINK_ATTEMPTS", "many")]).unwrap_err();
        assert!(error.contains("'many'") && error.contains("the variable COGNITO_LINK_ATTEMPTS"), "{error}");
        // A default never conflicts.
        let rehearse = parsed(&["link", "x", "--simulate", "--rehearse"], &[("COGNITO_LINK_LEDGER", "l")]);
        assert!(rehearse.is_ok(), "{rehearse:?}");
    }
}
