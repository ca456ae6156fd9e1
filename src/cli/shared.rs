//! Arguments that several commands share.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};

use crate::domain::finding::FindingCode;
use crate::domain::outcome::RefusalCode;

/// Which pool, and as whom.
#[derive(Debug, Args)]
#[command(next_help_heading = "Pool")]
pub struct PoolArgs {
    /// The user pool's id, such as us-east-1_AbCdEfGhI.
    #[arg(long, env = "COGNITO_LINK_USER_POOL_ID", value_name = "ID")]
    pub user_pool_id: Option<String>,
    /// A profile of the AWS configuration files.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// The Region; it stands in the pool's id, and must agree with it.
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// An address in place of the Region's own: an emulator, a proxy, an interface endpoint.
    #[arg(long, value_name = "URL")]
    pub endpoint_url: Option<String>,
}

/// How to read the input.
#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
pub struct InputArgs {
    /// csv or jsonl; told from the content otherwise.
    #[arg(long, value_enum)]
    pub format: Option<InputFormat>,
    /// The CSV delimiter, one character or `tab`; told from the header otherwise.
    #[arg(long, value_name = "CHAR")]
    pub delimiter: Option<String>,
    /// Whose export the input is: sets which of its columns mean something. --map and --set win over it.
    #[arg(long, value_enum, value_name = "EXPORT")]
    pub preset: Option<Exporter>,
    /// Read a column under another name, such as `source_value=objectId`.
    #[arg(long, value_name = "COLUMN=NAME")]
    pub map: Vec<String>,
    /// Give every row the same value, such as `source_provider=Okta`.
    #[arg(long, value_name = "COLUMN=VALUE")]
    pub set: Vec<String>,
    /// Send rows in spite of this finding, which stays a warning, or of the plan's refusal `case_differs`; may be repeated.
    #[arg(long, value_name = "CODE", value_parser = PossibleValuesParser::new(allowable()))]
    pub allow: Vec<String>,
}

/// What may be allowed: what only suspects a value, and what the plan refuses although the service would not.
fn allowable() -> impl Iterator<Item = &'static str> {
    FindingCode::SUSPICIONS.into_iter().map(FindingCode::as_str).chain([RefusalCode::CaseDiffers.as_str()])
}

/// The shape of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InputFormat {
    /// A header, and a row a line.
    Csv,
    /// An object a line.
    Jsonl,
}

/// Whose export an input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Exporter {
    /// Auth0's bulk user export.
    Auth0,
    /// Okta's users, as its API gives them.
    Okta,
    /// Microsoft Entra ID, "Download users".
    Entra,
    /// Google Workspace, users of the Directory API.
    Google,
    /// Keycloak, users of a realm export.
    Keycloak,
    /// Another user pool, one row for each linked identity.
    Cognito,
}

/// A simulated pool in place of a real one.
#[derive(Debug, Args)]
#[command(next_help_heading = "Simulation")]
pub struct SimulationArgs {
    /// Run against a simulated pool on this machine: no AWS account, no credentials, nothing real is touched.
    #[arg(long)]
    pub simulate: bool,
    /// What the simulated pool holds. `link` does without: it then has the users and providers that the input names.
    #[arg(long, value_name = "FILE", requires = "simulate")]
    pub pool_file: Option<PathBuf>,
    /// Write the simulated pool to this file at the end.
    #[arg(long, value_name = "FILE", requires = "simulate")]
    pub save_pool: Option<PathBuf>,
    /// The simulated quota of writes a second, which may change, as in 25,10@60s, or `off`.
    #[arg(long, value_name = "N[,N@TIME]|off", default_value = "25", requires = "simulate")]
    pub simulate_quota: String,
    /// The simulated latency in milliseconds, MIN..MAX, or `off`.
    #[arg(long, value_name = "MIN..MAX|off", default_value = "20..200", requires = "simulate")]
    pub simulate_latency: String,
    /// What goes wrong in the simulation: a fault a line, such as lost-after@1%, or JSON; see `simulate --help`.
    #[arg(long, value_name = "FILE", requires = "simulate")]
    pub simulate_faults: Option<PathBuf>,
}
