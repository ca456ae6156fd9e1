//! `link`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::shared::{InputArgs, PoolArgs, SimulationArgs};

/// Arguments of `link`.
#[derive(Debug, Args)]
pub struct LinkArgs {
    /// The file of pairs: CSV or JSONL, plain, gzip or zstd; `-` is stdin.
    pub input: PathBuf,
    /// The ledger; INPUT.ledger otherwise, INPUT.simulated.ledger with --simulate.
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
    /// Do not ask before writing to the pool.
    #[arg(short, long)]
    pub yes: bool,
    /// Send nothing if any row of the input is invalid.
    #[arg(long)]
    pub strict: bool,
    /// Run it all in virtual time against the simulated pool, keep nothing, and say what the real run would take.
    #[arg(long, requires = "simulate", conflicts_with_all = ["ledger", "save_pool"])]
    pub rehearse: bool,
    /// Do exactly what this plan of `validate --save-plan` says: link what it links, and record the rest without a call.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rehearse", "choices"])]
    pub plan: Option<PathBuf>,
    /// Refuse a plan whose reading of the pool is older than this, such as 90m or 24h.
    #[arg(long, value_name = "DURATION", default_value_t = format!("{}h", crate::limits::PLAN_AGE_HOURS_MAX), requires = "plan")]
    pub plan_max_age: String,
    /// Which of several users ambiguous rows mean: the `choices.csv` of `validate --split`, filled in.
    #[arg(long, value_name = "FILE", conflicts_with = "rehearse")]
    pub choices: Option<PathBuf>,
    /// Work on one part of the input only, as one of several machines that need not know of each other: INDEX/COUNT from
    /// 0/COUNT on; `auto` in an AWS Batch array job, `auto/COUNT` in a Kubernetes Indexed Job.
    #[arg(long, value_name = "INDEX/COUNT")]
    pub shard: Option<String>,
    /// Attempt again what an earlier run was refused.
    #[arg(long, value_enum, value_name = "STATE")]
    pub retry: Vec<Retry>,
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

/// How fast and how long.
#[derive(Debug, Args)]
#[command(next_help_heading = "Pace and bounds")]
pub struct PaceArgs {
    /// Writes a second at the most. `auto` takes --share of the account's limit, which it asks for; `max` goes as fast as
    /// the service lets it. Whichever: the pace falls when the service throttles, and recovers.
    #[arg(long, value_name = "auto|max|N")]
    pub rate: Option<String>,
    /// The share of the quota that `--rate auto` takes, over 0 up to 1 [default: 0.8].
    #[arg(long, value_name = "SHARE")]
    pub share: Option<f64>,
    /// Calls in flight at the most; two seconds' worth of the rate otherwise.
    #[arg(long, value_name = "N")]
    pub concurrency: Option<usize>,
    /// Attempts that a row gets on transient faults; throttled ones do not count.
    #[arg(long, value_name = "N", default_value_t = crate::limits::ATTEMPTS_MAX)]
    pub attempts: u32,
    /// Stop once more rows than this failed or are in doubt.
    #[arg(long, value_name = "N", default_value_t = crate::limits::FAILURES_MAX)]
    pub max_failures: u64,
    /// Stop after this time, such as 90s, 45m or 8h; a rerun goes on.
    #[arg(long, value_name = "DURATION")]
    pub max_duration: Option<String>,
    /// The call that reads a destination back when a call's effect is in doubt.
    #[arg(long, value_enum, default_value_t)]
    pub settle_with: SettleCall,
    /// The seed of every random wait; for repeating a simulated run.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// What to attempt again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Retry {
    /// Rows that were refused.
    Refused,
}

/// Which call reads a destination back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum SettleCall {
    /// `ListUsers` by user name: no effect on billing.
    #[default]
    ListUsers,
    /// `AdminGetUser`: fresher, and every user it reads counts as active for billing.
    GetUser,
}
