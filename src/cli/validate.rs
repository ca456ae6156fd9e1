//! `validate`.

use std::path::PathBuf;

use clap::Args;

use super::shared::InputArgs;

/// Arguments of `validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// The file of pairs: CSV or JSONL, plain, gzip or zstd; `-` is stdin.
    pub input: PathBuf,
    /// Write the valid rows, the invalid ones with what is wrong, and every finding to files in this folder.
    #[arg(long, value_name = "DIR")]
    pub split: Option<PathBuf>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the command's own help")]
    pub reading: InputArgs,
}
