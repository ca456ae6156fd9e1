//! `export`.

use std::path::PathBuf;

use clap::Args;

use super::shared::{InputFormat, PoolArgs, SimulationArgs};

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Write the links to this file, which is whole or not there, in place of stdout (`-`).
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub out: PathBuf,
    /// csv or jsonl.
    #[arg(long, value_enum, default_value = "csv")]
    pub format: InputFormat,
    /// Only links of this provider, by the pool's name of it; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub provider: Vec<String>,
    /// Write the pool to this file too, users, links and settings, for `link --simulate --pool-file FILE`.
    #[arg(long, value_name = "FILE")]
    pub pool_snapshot: Option<PathBuf>,
    /// The share of the read quota that the scan takes, over 0 up to 1 [default: 0.8].
    #[arg(long, value_name = "SHARE")]
    pub share: Option<f64>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the command's own help")]
    pub pool: PoolArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub simulation: SimulationArgs,
}
