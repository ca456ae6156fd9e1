//! `simulate`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

/// Arguments of `simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Where to listen; loopback only, port 0 takes a free one and prints it.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// What the pool holds; empty otherwise.
    #[arg(long, value_name = "FILE")]
    pub pool_file: Option<PathBuf>,
    /// Write the pool to this file at the end.
    #[arg(long, value_name = "FILE")]
    pub save_pool: Option<PathBuf>,
    /// Make users and providers when a request names them, as `link --simulate` does without a pool file.
    #[arg(long)]
    pub create_on_reference: bool,
    /// The quota of writes a second, or `off`.
    #[arg(long, value_name = "N|off", default_value = "25")]
    pub quota: String,
    /// The latency in milliseconds, MIN..MAX, or `off`.
    #[arg(long, value_name = "MIN..MAX|off", default_value = "20..200")]
    pub latency: String,
    /// The seed of everything random.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}
