//! `doctor`.

use clap::Args;

use super::shared::{PoolArgs, SimulationArgs};

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The share of the quota that the migration will take, over 0 up to 1 [default: 0.8].
    #[arg(long, value_name = "SHARE")]
    pub share: Option<f64>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the command's own help")]
    pub pool: PoolArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub simulation: SimulationArgs,
}
