//! `undo`.

use std::path::PathBuf;

use clap::Args;

use super::link::PaceArgs;
use super::shared::{PoolArgs, SimulationArgs};

const AFTER_HELP: &str = "\
What undo does not bring back: attributes that sign-ins have written over, profiles that were deleted, and billing. The next \
sign-in of an unlinked identity makes a new profile, unless it is linked again before.";

/// Arguments of `undo`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct UndoArgs {
    /// The ledger whose links are to be taken back.
    pub ledger: PathBuf,
    /// Do not ask before writing to the pool.
    #[arg(short, long)]
    pub yes: bool,
    /// Read the pool, and say of each link whether it would be taken back or refused; write neither to the pool nor to the ledger.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the command's own help")]
    pub selection: SelectionArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub pool: PoolArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub pace: PaceArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub simulation: SimulationArgs,
}

/// Which of the ledger's links.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which links")]
pub struct SelectionArgs {
    /// Only what was linked since: a time such as 2026-03-01T08:00:00Z, or how long ago, such as 90m or 2d.
    #[arg(long, value_name = "TIME|DURATION")]
    pub since: Option<String>,
    /// Only rows with these numbers in the input of their run, such as 5,10-20.
    #[arg(long, value_name = "ROWS")]
    pub rows: Vec<String>,
    /// Only identities of this provider; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub provider: Vec<String>,
    /// Also links that were found by reading after a crash or a lost answer, and that somebody else could have made in that
    /// moment.
    #[arg(long)]
    pub include_recovered: bool,
}
