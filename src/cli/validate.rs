//! `validate`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::shared::{InputArgs, PoolArgs, SimulationArgs};

/// Arguments of `validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// The file of pairs: CSV or JSONL, plain, gzip or zstd; `-` is stdin.
    pub input: PathBuf,
    /// Write the valid rows, the invalid ones with what is wrong, and every finding to files in this folder.
    #[arg(long, value_name = "DIR")]
    pub split: Option<PathBuf>,
    /// Check the file alone, although a pool is named in the environment or in the settings.
    #[arg(long)]
    pub offline: bool,
    /// How to read the pool: all of it once, or by a filter for each user that a row names, which sees less; the cheaper
    /// one otherwise.
    #[arg(long, value_enum, value_name = "WAY")]
    pub lookup: Option<LookUpWay>,
    /// Which of several users ambiguous rows mean: the `choices.csv` of --split, filled in.
    #[arg(long, value_name = "FILE")]
    pub choices: Option<PathBuf>,
    /// Write the verdicts to this file, for `link --plan`.
    #[arg(long, value_name = "FILE")]
    pub save_plan: Option<PathBuf>,
    /// Writes a second, for the estimate; `auto` takes --share of the documented quota.
    #[arg(long, value_name = "auto|max|N")]
    pub rate: Option<String>,
    /// The share of the quotas that reads, and the writes of the estimate, take, over 0 up to 1 [default: 0.8].
    #[arg(long, value_name = "SHARE")]
    pub share: Option<f64>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the command's own help")]
    pub pool: PoolArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub reading: InputArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub simulation: SimulationArgs,
}

/// How to read the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LookUpWay {
    /// All users, once.
    Scan,
    /// The users whom rows name, each by a filter.
    Filter,
}
