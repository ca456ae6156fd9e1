//! How an input is read: `--format`, `--preset`, `--map` and the others.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, Parser, ValueEnum};

use super::settings::{FileSettings, Scalar};
use super::{Failure, headings};
use crate::domain::finding::FindingCode;
use crate::domain::nearest::did_you_mean;
use crate::domain::outcome::RefusalCode;
use crate::foresight::trust::TrustPolicy;
use crate::input::{Format, InputOptions, OptionError, Preset};
use crate::ui::{MessageCode, Ui, shell_path, shell_word};

#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = headings::INPUT)]
pub struct InputArgs {
    /// Format of the input; detected from the content by default
    #[arg(long, value_enum, hide_short_help = true)]
    pub format: Option<Format>,
    /// Delimiter of a CSV input, one character or `tab`; detected from the header by default
    #[arg(long, value_name = "CHAR", hide_short_help = true)]
    pub delimiter: Option<String>,
    /// Product that the input was exported from
    ///
    /// Names the columns of that export. `--map` and `--set` take precedence.
    #[arg(long, value_enum, value_name = "PRODUCT")]
    pub preset: Option<Preset>,
    /// Column with another name in the input, such as `source_value=objectId` (can be repeated)
    #[arg(long, value_name = "COLUMN=NAME")]
    pub map: Vec<String>,
    /// Value of a column for every row, such as `source_provider=Okta` (can be repeated)
    #[arg(long, value_name = "COLUMN=VALUE")]
    pub set: Vec<String>,
    /// Finding to treat as a warning, or `case_differs` or `destination_unverified` (can be repeated)
    ///
    /// Rows with an allowed finding are sent. `case_differs` and `destination_unverified` are refusals by this tool, not
    /// by the service: with them, rows that differ from the pool in letter case are sent too, and rows whose user was
    /// found by an address that nobody has verified.
    #[arg(long, value_name = "CODE", hide_short_help = true, value_parser = PossibleValuesParser::new(allowable_codes()))]
    pub allow: Vec<String>,
}

/// Refusals by this tool, which `--allow` lifts.
const ALLOWABLE_REFUSALS: [RefusalCode; 2] = [RefusalCode::CaseDiffers, RefusalCode::DestinationUnverified];

fn allowable_codes() -> impl Iterator<Item = &'static str> {
    FindingCode::SUSPICIONS.into_iter().map(FindingCode::as_str).chain(ALLOWABLE_REFUSALS.map(RefusalCode::as_str))
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Csv, Self::Jsonl]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Csv => PossibleValue::new("csv").help("A header, and one row on each line"),
            Self::Jsonl => PossibleValue::new("jsonl").help("One JSON object on each line"),
        })
    }
}

impl ValueEnum for Preset {
    fn value_variants<'a>() -> &'a [Self] {
        Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(match self {
            Self::Auth0 => "Auth0, bulk user export",
            Self::Okta => "Okta, users from its API",
            Self::Entra => "Microsoft Entra ID, \"Download users\"",
            Self::Google => "Google Workspace, users from the Directory API",
            Self::Keycloak => "Keycloak, users of a realm export",
            Self::Cognito => "Another user pool, one row for each linked identity",
        }))
    }
}

/// The options of this module alone, as they stood on another command line.
#[derive(Debug, Parser)]
#[command(no_binary_name = true)]
struct EarlierReading {
    #[command(flatten)]
    reading: InputArgs,
}

/// Their names.
const READING_OPTIONS: [&str; 6] = ["--format", "--delimiter", "--preset", "--map", "--set", "--allow"];

impl InputArgs {
    /// Returns the options with which an earlier run read its input, out of its arguments as its ledger has them.
    pub fn of_run(arguments: &[String]) -> Self {
        let mut words: Vec<&str> = Vec::new();
        let mut rest = arguments.iter().map(String::as_str);
        while let Some(argument) = rest.next() {
            let name = argument.split_once('=').map_or(argument, |(name, _)| name);
            if READING_OPTIONS.contains(&name) {
                words.push(argument);
                words.extend(if name == argument { rest.next() } else { None });
            }
        }
        // A ledger keeps the start of long arguments only; another version may have had other presets.
        EarlierReading::try_parse_from(words).map(|earlier| earlier.reading).unwrap_or_default()
    }

    /// Returns these options as they are written on a command line, each after a space.
    pub fn on_command_line(&self) -> String {
        let format = self.format.as_ref().and_then(ValueEnum::to_possible_value);
        let preset = self.preset.as_ref().and_then(ValueEnum::to_possible_value);
        let name = |value: Option<PossibleValue>| value.map(|value| value.get_name().to_owned());
        let (format, preset) = (name(format), name(preset));
        let single = [("format", &format), ("delimiter", &self.delimiter), ("preset", &preset)];
        let single = single.into_iter().filter_map(|(option, value)| Some((option, value.as_ref()?)));
        let repeated = [("map", &self.map), ("set", &self.set), ("allow", &self.allow)];
        let repeated =
            repeated.into_iter().flat_map(|(option, values)| values.iter().map(move |value| (option, value)));
        single.chain(repeated).fold(String::new(), |mut line, (option, value)| {
            // Writing to a string cannot fail.
            let _ = match value.split_once('=') {
                Some((column, value)) => write!(line, " --{option} {}={}", shell_word(column), shell_word(value)),
                None => write!(line, " --{option} {}", shell_word(value)),
            };
            line
        })
    }

    /// Returns an input with these options, for a suggested command; `None` for standard input, which cannot be read again.
    pub fn with_input(&self, input: &Path) -> Option<String> {
        let path = shell_path(&input.display().to_string());
        (input.as_os_str() != "-").then(|| path + &self.on_command_line())
    }

    /// Returns the options of the reader: from the flags, else from the file of `--config`.
    pub fn options(&self, file: &FileSettings) -> Result<InputOptions, Failure> {
        let usage =
            |option: &str, text: &str, error: OptionError| Failure::Usage(format!("--{option} '{text}': {error}"));
        let flags_or_table = |flags: &[String], table: &BTreeMap<String, Scalar>| {
            if flags.is_empty() { FileSettings::pairs(table) } else { flags.to_vec() }
        };
        let mut options = InputOptions { format: self.format, ..InputOptions::default() };
        if let Some(text) = &self.delimiter {
            options.delimiter =
                Some(InputOptions::parse_delimiter(text).map_err(|error| usage("delimiter", text, error))?);
        }
        options.preset = match (self.preset, &file.preset) {
            (Some(preset), _) => Some(preset),
            (None, Some(text)) => Some(InputOptions::parse_preset(text).map_err(|error| {
                let near = did_you_mean(text, Preset::ALL.iter().map(|preset| preset.name()));
                Failure::Usage(format!("preset '{text}' of the settings: {error}{near}"))
            })?),
            (None, None) => None,
        };
        for text in flags_or_table(&self.map, &file.map) {
            options.map.push(InputOptions::parse_pair(&text).map_err(|error| usage("map", &text, error))?);
        }
        for text in flags_or_table(&self.set, &file.set) {
            options.set.push(InputOptions::parse_pair(&text).map_err(|error| usage("set", &text, error))?);
        }
        let is_refusal = |text: &str| ALLOWABLE_REFUSALS.iter().any(|code| code.as_str() == text);
        for text in self.allowed(file).filter(|text| !is_refusal(text)) {
            options.allow.push(InputOptions::parse_allow(text).map_err(|error| usage("allow", text, error))?);
        }
        Ok(options)
    }

    fn allowed<'a>(&'a self, file: &'a FileSettings) -> impl Iterator<Item = &'a String> {
        if self.allow.is_empty() { &file.allow } else { &self.allow }.iter()
    }

    /// Whether a link is sent although the pool has the identity in other letter case.
    pub fn allows_case_differs(&self, file: &FileSettings) -> bool {
        self.allowed(file).any(|text| text == RefusalCode::CaseDiffers.as_str())
    }

    /// Returns which users count where a row names its user by an address.
    pub fn trust_policy(&self, file: &FileSettings) -> TrustPolicy {
        let is_allowed = self.allowed(file).any(|text| text == RefusalCode::DestinationUnverified.as_str());
        if is_allowed { TrustPolicy::Anybody } else { TrustPolicy::Verified }
    }
}

/// Prints what is easily misunderstood about the export that the input is.
pub fn note_preset(options: &InputOptions, ui: &Ui) {
    let Some(preset) = options.preset else { return };
    ui.note(MessageCode::PresetCaution, &format!("preset {}: {}", preset.name(), preset.caution()));
    if let Some(danger) = options.preset_warning() {
        ui.warn(MessageCode::PresetCaution, danger);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_read_as_an_earlier_run_read_it() {
        for (arguments, expected) in [
            ("link in.csv --yes --user-pool-id us-east-1_Abc", ""),
            ("link in.csv --preset okta --set source_provider=Okta --yes", " --preset okta --set source_provider=Okta"),
            (
                "link in.csv --set=source_provider=Okta --rate 5 --map a=b --map=c=d --allow unlike_pool --format csv",
                " --format csv --map a=b --map c=d --set source_provider=Okta --allow unlike_pool",
            ),
            ("link in.csv --delimiter ; --map x=$y", " --delimiter ';' --map x='$y'"),
            ("link in.csv --preset of-tomorrow --set a=b", ""),
            ("link in.csv --set", ""),
        ] {
            let arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
            let reading = InputArgs::of_run(&arguments);
            assert_eq!(reading.on_command_line(), expected);
            assert_eq!(reading.with_input(Path::new("a b")), Some(format!("'a b'{expected}")));
            assert_eq!(reading.with_input(Path::new("-")), None);
        }
    }
}
