//! The command line: names, help and shapes. What the values mean together is settled in `config`.

mod doctor;
mod export;
mod link;
mod reconcile;
mod report;
mod shared;
mod undo;
mod validate;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

pub use cognito_sim::ServerArgs;
pub use doctor::DoctorArgs;
pub use export::ExportArgs;
pub use link::{LinkArgs, PaceArgs, Retry, SettleCall};
pub use reconcile::ReconcileArgs;
pub use report::ReportArgs;
pub use shared::{Exporter, InputArgs, InputFormat, PoolArgs, SimulationArgs};
pub use undo::{SelectionArgs, UndoArgs};
pub use validate::{LookUpWay, ValidateArgs};

const AFTER_HELP: &str = "\
Exit statuses: 0 every row is in the wished state; 1 fault of the program or of the machine; 2 usage; 3 finished, and \
some rows are refused, failed, in doubt or invalid, or would be; 4 the input is invalid and nothing was sent; 5 drift, \
with --exit-on-drift; 6 ledger, plan or pool belong to something else, or ledger or plan are damaged, or the plan is too \
old; 7 credentials, permission or pool missing, or service out of reach; 8 another run holds the ledger; 9 stopped by a \
bound: --max-failures, --max-duration, --max-changes, or a service that accepts nothing; 130, 143 interrupted and drained.

Try it without an AWS account:  cognito-link link fixtures/pairs.csv --simulate --yes";

/// Links existing users of an Amazon Cognito user pool to identities of external providers, in bulk.
#[derive(Debug, Parser)]
#[command(name = "cognito-link", version, about, after_help = AFTER_HELP, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How to talk.
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check every row of a file, and list every fault; with a pool, say what `link` would reach for each row. Never writes.
    Validate(Box<ValidateArgs>),
    /// Look at credentials, pool, providers, mappings, permissions, quota and clock before a migration. Never writes.
    Doctor(Box<DoctorArgs>),
    /// Link every row of a file; with an existing ledger, go on where the last run ended.
    Link(Box<LinkArgs>),
    /// Compare a file and the pool in both directions; with --apply, link what is missing. Never unlinks.
    Reconcile(Box<ReconcileArgs>),
    /// Write every link of the pool to a file that `validate` and `link` accept. Never writes to the pool.
    Export(Box<ExportArgs>),
    /// Take back the links that a ledger made, the newest first, each after looking at its user.
    Undo(Box<UndoArgs>),
    /// Summarise ledgers, and write their failed or unprocessed rows to a file. Needs no credentials.
    Report(ReportArgs),
    /// Say what a code means and what to do about it.
    Explain {
        /// A state, standing, refusal or finding code, such as `linked_elsewhere`; without one, all are listed.
        code: Option<String>,
    },
    /// Print an example of an input, which `validate` accepts.
    Template {
        /// The format of the example.
        #[arg(value_enum)]
        format: InputFormat,
        /// In the columns of this export.
        #[arg(long, value_enum, value_name = "EXPORT")]
        preset: Option<Exporter>,
    },
    /// Serve a simulated user pool on this machine, over the real wire protocol.
    Simulate(ServerArgs),
}

/// How to talk.
#[derive(Debug, Args)]
#[command(next_help_heading = "Talking")]
pub struct TalkArgs {
    /// Settings from a TOML file; flags win over the environment, and that over the file.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The shape of results on stdout.
    #[arg(long, global = true, value_enum, default_value_t)]
    pub output: Output,
    /// The shape of log lines on stderr.
    #[arg(long, global = true, value_enum, default_value_t)]
    pub log_format: LogShape,
    /// Log more; twice for debug, three times for everything.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Only warnings, errors and results.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// No progress on stderr.
    #[arg(long, global = true)]
    pub no_progress: bool,
    /// When to colour; `NO_COLOR` is heeded.
    #[arg(long, global = true, value_enum, default_value_t)]
    pub color: Color,
    /// Show personal values and the service's messages unmasked.
    #[arg(long, global = true)]
    pub show_values: bool,
}

/// The shape of results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For scripts: one object.
    Json,
}

/// The shape of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogShape {
    /// A line for people.
    #[default]
    Text,
    /// An object a line.
    Json,
}

/// When to colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
