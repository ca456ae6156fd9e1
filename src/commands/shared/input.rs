//! How an input is read: `--format`, `--preset`, `--map` and the others.

use std::collections::BTreeMap;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, ValueEnum};

use super::settings::{FileSettings, Scalar};
use super::{Failure, headings};
use crate::domain::finding::FindingCode;
use crate::domain::outcome::RefusalCode;
use crate::foresight::trust::TrustPolicy;
use crate::input::{Format, InputOptions, OptionError, Preset};
use crate::ui::Ui;

#[derive(Debug, Args)]
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

impl InputArgs {
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
            (None, Some(text)) => Some(InputOptions::parse_preset(text).map_err(|error| usage("preset", text, error))?),
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
    ui.note(&format!("preset {}: {}", preset.name(), preset.caution()));
    if let Some(danger) = options.preset_warning() {
        ui.warn(danger);
    }
}
