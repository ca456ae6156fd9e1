//! `reconcile`.

use std::path::PathBuf;

use clap::Args;

use super::link::{PaceArgs, Retry};
use super::shared::{InputArgs, PoolArgs, SimulationArgs};
use crate::limits::{CHANGES_MAX, CHANGES_PERCENT_MAX};

/// Arguments of `reconcile`.
#[derive(Debug, Args)]
pub struct ReconcileArgs {
    /// The file of pairs: CSV or JSONL, plain, gzip or zstd; `-` is stdin.
    pub input: PathBuf,
    /// Link what is missing. Never unlinks, and moves nothing.
    #[arg(long)]
    pub apply: bool,
    /// Do not ask before writing to the pool.
    #[arg(short, long, requires = "apply")]
    pub yes: bool,
    /// The ledger of --apply; INPUT.ledger otherwise, INPUT.simulated.ledger with --simulate. Without --apply it is only
    /// read, for what it knows of refusals and of rows in doubt.
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
    /// Which of several users ambiguous rows mean: the `choices.csv` of `validate --split`, filled in.
    #[arg(long, value_name = "FILE")]
    pub choices: Option<PathBuf>,
    /// Attempt again what the ledger holds refused for a reason that a scan does not see.
    #[arg(long, value_enum, value_name = "STATE")]
    pub retry: Vec<Retry>,
    /// Send nothing if more links than this are missing.
    #[arg(long, value_name = "N", default_value_t = CHANGES_MAX)]
    pub max_changes: u64,
    /// Send nothing if more links than this are missing, in percent of the file's rows.
    #[arg(long, value_name = "PERCENT", default_value_t = CHANGES_PERCENT_MAX)]
    pub max_changes_pct: f64,
    /// Leave with status 5 if file and pool differ; after --apply, if they still do.
    #[arg(long)]
    pub exit_on_drift: bool,
    /// Look for links that only the pool has among those of this provider; may be repeated. All that the file names
    /// otherwise.
    #[arg(long, value_name = "NAME")]
    pub provider: Vec<String>,
    /// Write a line a row to this file, behind its symbol: = linked, + missing, ! moved, ? blocked or invalid; then - and
    /// each link that only the pool has.
    #[arg(long, value_name = "FILE")]
    pub combined: Option<PathBuf>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the command's own help")]
    pub pool: PoolArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub reading: InputArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub pace: PaceArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub simulation: SimulationArgs,
}
