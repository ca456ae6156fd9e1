//! Flags, environment and file as the values that a run takes.

use std::collections::BTreeMap;

use crate::cli::{Exporter, InputArgs, PoolArgs};
use crate::clock::Clock;
use crate::command::Failure;
use crate::config::{self, FileSettings};
use crate::domain::identity::PoolId;
use crate::domain::outcome::RefusalCode;
use crate::input::{Format, InputOptions, Preset};
use crate::ledger::record::RunId;
use crate::seed::Rng;
use crate::ui::Ui;

/// How to read the input.
pub(super) fn reading(args: &InputArgs, file: &FileSettings) -> Result<InputOptions, Failure> {
    let usage = |option: &str, text: &str, error: crate::input::OptionError| {
        Failure::Usage(format!("--{option} '{text}': {error}"))
    };
    let mut options = InputOptions {
        format: args.format.map(|format| match format {
            crate::cli::InputFormat::Csv => Format::Csv,
            crate::cli::InputFormat::Jsonl => Format::Jsonl,
        }),
        ..InputOptions::default()
    };
    if let Some(text) = &args.delimiter {
        options.delimiter = Some(InputOptions::parse_delimiter(text).map_err(|error| usage("delimiter", text, error))?);
    }
    options.preset = match (args.preset, &file.preset) {
        (Some(exporter), _) => Some(preset(exporter)),
        (None, Some(text)) => Some(InputOptions::parse_preset(text).map_err(|error| usage("preset", text, error))?),
        (None, None) => None,
    };
    let either = |flags: &[String], table: &BTreeMap<String, config::Scalar>| {
        if flags.is_empty() { FileSettings::pairs(table) } else { flags.to_vec() }
    };
    for text in either(&args.map, &file.map) {
        options.map.push(InputOptions::parse_pair(&text).map_err(|error| usage("map", &text, error))?);
    }
    for text in either(&args.set, &file.set) {
        options.set.push(InputOptions::parse_pair(&text).map_err(|error| usage("set", &text, error))?);
    }
    for text in allowed(args, file).filter(|text| *text != RefusalCode::CaseDiffers.as_str()) {
        options.allow.push(InputOptions::parse_allow(text).map_err(|error| usage("allow", text, error))?);
    }
    Ok(options)
}

/// What is allowed, findings and refusals of the plan alike.
fn allowed<'a>(args: &'a InputArgs, file: &'a FileSettings) -> impl Iterator<Item = &'a String> {
    if args.allow.is_empty() { &file.allow } else { &args.allow }.iter()
}

/// Whether a link in other letter case than the pool knows is to be sent.
pub(super) fn case_differs_allowed(args: &InputArgs, file: &FileSettings) -> bool {
    allowed(args, file).any(|text| text == RefusalCode::CaseDiffers.as_str())
}

/// The preset of this name on the command line.
pub(super) fn preset(exporter: Exporter) -> Preset {
    match exporter {
        Exporter::Auth0 => Preset::Auth0,
        Exporter::Okta => Preset::Okta,
        Exporter::Entra => Preset::Entra,
        Exporter::Google => Preset::Google,
        Exporter::Keycloak => Preset::Keycloak,
        Exporter::Cognito => Preset::Cognito,
    }
}

/// Says what is treacherous about the export that the input is said to be.
pub(super) fn tell_preset(options: &InputOptions, ui: &Ui) {
    let Some(preset) = options.preset else { return };
    ui.note(&format!("preset {}: {}", preset.name(), preset.trap()));
    if let Some(danger) = options.preset_warning() {
        ui.warn(danger);
    }
}

/// The pool, from flag or environment, else the file.
pub(super) fn pool(args: &PoolArgs, file: &FileSettings, simulate: Option<&str>) -> Result<PoolId, Failure> {
    let region = args.region.as_deref().or(file.region.as_deref());
    let named = args.user_pool_id.as_deref().or(file.user_pool_id.as_deref()).or(simulate);
    let Some(id) = named else {
        return Err(Failure::Usage(
            "which pool? name it with --user-pool-id or COGNITO_LINK_USER_POOL_ID, or try --simulate".into(),
        ));
    };
    Ok(config::pool(id, region)?)
}

/// The address in place of the Region's own, from flag, else the file.
pub(super) fn endpoint_url(args: &PoolArgs, file: &FileSettings) -> Result<Option<String>, Failure> {
    let named = args.endpoint_url.as_deref().or(file.endpoint_url.as_deref());
    Ok(named.map(config::endpoint_url).transpose()?)
}

/// A seed as given, or one that differs from run to run.
pub(super) fn seed(given: Option<u64>, clock: Clock) -> u64 {
    given.unwrap_or_else(|| {
        let time = clock.unix_ms().unsigned_abs();
        Rng::new(time ^ u64::from(std::process::id()).rotate_left(40)).next_u64()
    })
}

/// The id of a run in its ledger: by the time as well, so that runs with one seed are told apart.
pub(super) fn run_id(seed: u64, clock: Clock) -> RunId {
    RunId(Rng::new(seed ^ clock.unix_ms().unsigned_abs()).fork("run").next_u64())
}
