//! `report`.

use std::path::PathBuf;

use clap::Args;

use super::shared::InputArgs;

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The ledgers, of one pool.
    #[arg(required = true, value_name = "LEDGER")]
    pub ledgers: Vec<PathBuf>,
    /// Write the rows that are refused, failed or in doubt to this file: a valid input for `link`.
    #[arg(long, value_name = "FILE")]
    pub failed: Option<PathBuf>,
    /// Write the rows that were never attempted to this file: a valid input for `link`.
    #[arg(long, value_name = "FILE")]
    pub unprocessed: Option<PathBuf>,
    /// The input that the ledgers are about; the path that the last run was given otherwise.
    #[arg(long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the command's own help")]
    pub reading: InputArgs,
}
