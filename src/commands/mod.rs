//! The command line: one module for each command, with its arguments, what it does, and how its result is printed.

pub mod completions;
pub mod control;
pub mod doctor;
pub mod duplicates;
pub mod explain;
pub mod export;
pub mod link;
pub mod man;
mod options;
pub mod plan;
pub mod policy;
pub mod probe;
pub mod reconcile;
pub mod report;
pub mod shared;
pub mod simulate;
pub mod template;
pub mod undo;
pub mod validate;
pub mod verify;

#[cfg(test)]
mod help_tests;
#[cfg(test)]
pub mod testing;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::clock::Clock;
use crate::exit::Exit;
use crate::input::InputError;
use crate::seed::Rng;
use crate::ui::{
    ColorChoice, LOG_FILTER_VARIABLE, LogFormat, LogOptions, OutputFormat, ProgressChoice, Terminals, Ui, UiOptions,
    finding_line,
};
use shared::settings::FileSettings;
use shared::{CommandContext, Failure, PoolArgs, headings};

const EXAMPLE: &str = "\
Example, without an AWS account:
    cognito-link template csv > pairs.csv
    cognito-link link pairs.csv --simulate --rehearse";

const AFTER_LONG_HELP: &str = "\
Exit statuses:
    0  every row is in the desired state
    1  fault of the program or the machine
    2  usage
    3  finished; some rows are refused, failed, in doubt or invalid, or would be
    4  the input is invalid or too small; nothing was sent
    5  drift, with --exit-on-drift; or ledger and CloudTrail differ, with report --cloudtrail
    6  ledger or plan is damaged, or belongs to another input or pool; or the plan is too old
    7  credentials, permission or pool missing, or service not reachable; doctor: a check failed
    8  another run holds the ledger
    9  stopped by a limit: --stop-after, --max-duration, --max-changes, or a service that accepts no call;
       or drained by `control`
  129  hung up (SIGHUP), after the calls in flight; a rerun resumes
  130  interrupted (SIGINT), after the calls in flight; a rerun resumes
  143  terminated (SIGTERM), likewise

Example, without an AWS account:
    cognito-link template csv > pairs.csv
    cognito-link link pairs.csv --simulate --rehearse";

/// What `--version` prints: with the commit and the target of this build. `-V` prints the number alone.
const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ncommit ",
    env!("COGNITO_LINK_COMMIT"),
    "\ntarget ",
    env!("COGNITO_LINK_TARGET")
);

/// Link existing users of an Amazon Cognito user pool to identities of external providers, in bulk
#[derive(Debug, Parser)]
#[command(name = "cognito-link", version, long_version = LONG_VERSION, after_help = EXAMPLE,
    after_long_help = AFTER_LONG_HELP, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Validate(Box<validate::ValidateArgs>),
    Doctor(Box<doctor::DoctorArgs>),
    Probe(Box<probe::ProbeArgs>),
    Link(Box<link::LinkArgs>),
    Reconcile(Box<reconcile::ReconcileArgs>),
    Export(Box<export::ExportArgs>),
    Duplicates(Box<duplicates::DuplicatesArgs>),
    Undo(Box<undo::UndoArgs>),
    Control(control::ControlCommandArgs),
    Report(report::ReportArgs),
    Verify(verify::VerifyArgs),
    Plan(plan::PlanArgs),
    Explain(explain::ExplainArgs),
    Template(template::TemplateArgs),
    Policy(policy::PolicyArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
    /// Serve a simulated user pool on this machine, over the real wire protocol
    ///
    /// Any AWS SDK or tool can use it as its endpoint. Stop it with Ctrl-C.
    #[command(after_help = simulate::EXAMPLE, after_long_help = cognito_sim::AFTER_HELP)]
    Simulate(simulate::ServerArgs),
}

impl Command {
    /// Which pool the command is about, where it is about one.
    fn pool_args(&self) -> Option<&PoolArgs> {
        match self {
            Self::Validate(args) => Some(&args.pool),
            Self::Doctor(args) => Some(&args.pool),
            Self::Link(args) => Some(&args.pool),
            Self::Reconcile(args) => Some(&args.pool),
            Self::Export(args) => Some(&args.pool),
            Self::Duplicates(args) => Some(&args.pool),
            Self::Undo(args) => Some(&args.pool),
            Self::Probe(_)
            | Self::Control(_)
            | Self::Report(_)
            | Self::Verify(_)
            | Self::Plan(_)
            | Self::Explain(_)
            | Self::Template(_)
            | Self::Policy(_)
            | Self::Completions(_)
            | Self::Man(_)
            | Self::Simulate(_) => None,
        }
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = headings::OUTPUT)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct OutputArgs {
    /// TOML file of settings; flags and the environment take precedence
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub config: Option<PathBuf>,
    /// Replace existing files with outputs; never the input, the ledger or another output
    #[arg(long, global = true, hide_short_help = true)]
    pub force: bool,
    /// Format of results on stdout
    #[arg(long, global = true, value_enum, default_value_t)]
    pub output: ResultFormat,
    /// Format of log lines on stderr
    #[arg(long, global = true, value_enum, default_value_t, hide_short_help = true)]
    pub log_format: LogLineFormat,
    /// Log more; -vv for debug, -vvv for everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Print only warnings, errors and results
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Print no progress on stderr
    #[arg(long, global = true, hide_short_help = true)]
    pub no_progress: bool,
    /// When to color; the variable `NO_COLOR` turns it off
    #[arg(long, global = true, value_enum, default_value_t, hide_short_help = true)]
    pub color: ColorWhen,
    /// Show personal values and messages of the service unmasked
    #[arg(long, global = true, hide_short_help = true)]
    pub show_values: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ResultFormat {
    /// For people
    #[default]
    Text,
    /// For scripts: one object
    Json,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogLineFormat {
    /// For people
    #[default]
    Text,
    /// One object on each line
    Json,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal
    #[default]
    Auto,
    Always,
    Never,
}

/// Reads the command line of this process; an error and a help text end it.
pub fn command_line() -> Cli {
    let matches = options::parse(Cli::command(), std::env::args_os().collect(), &|name| std::env::var(name).ok());
    matches.and_then(|matches| Cli::from_arg_matches(&matches)).unwrap_or_else(|error| error.exit())
}

/// Runs the command and returns the exit status of the process.
pub fn run(cli: Cli) -> ExitCode {
    let ui = Ui::new(ui_options(&cli.output));
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return print_failure(&ui, &Failure::System(format!("cannot start the runtime: {error}"))),
    };
    if let Err(failure) = shared::run::end_at_termination() {
        return print_failure(&ui, &failure);
    }
    match runtime.block_on(run_command(cli, &ui)) {
        Ok(exit) => exit.into(),
        Err(failure) => print_failure(&ui, &failure),
    }
}

async fn run_command(cli: Cli, ui: &Ui) -> Result<Exit, Failure> {
    let clock = Clock::system();
    start_log(&cli.output, ui, clock)?;
    let file_settings = cli
        .output
        .config
        .as_deref()
        .map(|path| FileSettings::read(path, &options::option_names(&Cli::command())))
        .transpose()?
        .unwrap_or_default();
    let file_settings = match cli.command.pool_args() {
        Some(pool) => file_settings.for_pool(pool.pool.as_deref(), pool.user_pool_id.as_deref())?,
        None => file_settings,
    };
    // Differs from run to run.
    let seed = clock.unix_ms().unsigned_abs() ^ u64::from(std::process::id()).rotate_left(40);
    let arguments = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    let (seed, force) = (Rng::new(seed).next_u64(), cli.output.force);
    let context = CommandContext { ui, clock, seed, file_settings, force, arguments };
    match cli.command {
        Command::Validate(args) => Box::pin(validate::cmd_validate(*args, &context)).await,
        Command::Doctor(args) => Box::pin(doctor::cmd_doctor(*args, &context)).await,
        Command::Probe(args) => Box::pin(probe::cmd_probe(*args, &context)).await,
        Command::Link(args) => Box::pin(link::cmd_link(*args, &context)).await,
        Command::Reconcile(args) => Box::pin(reconcile::cmd_reconcile(*args, &context)).await,
        Command::Export(args) => Box::pin(export::cmd_export(*args, &context)).await,
        Command::Duplicates(args) => Box::pin(duplicates::cmd_duplicates(*args, &context)).await,
        Command::Undo(args) => Box::pin(undo::cmd_undo(*args, &context)).await,
        Command::Control(args) => control::cmd_control(&args, &context),
        Command::Report(args) => report::cmd_report(&args, &context),
        Command::Verify(args) => verify::cmd_verify(&args, &context),
        Command::Plan(args) => plan::cmd_plan(&args, &context),
        Command::Explain(args) => explain::cmd_explain(&args, &context),
        Command::Template(args) => template::cmd_template(&args, &context),
        Command::Policy(args) => policy::cmd_policy(&args, &context),
        Command::Completions(args) => completions::cmd_completions(&args, Cli::command(), &context),
        Command::Man(args) => man::cmd_man(&args, Cli::command(), &context),
        Command::Simulate(args) => simulate::cmd_simulate(&args, &context).await,
    }
}

fn print_failure(ui: &Ui, failure: &Failure) -> ExitCode {
    ui.clear_status();
    match failure {
        Failure::Input(InputError::Header(findings)) => {
            let lines: Vec<String> = findings.iter().map(finding_line).collect();
            match lines.as_slice() {
                [only] => ui.error(only, failure.hint()),
                several => {
                    for line in several {
                        ui.error(line, None);
                    }
                    ui.error("the input cannot be read; nothing was sent", failure.hint());
                }
            }
        }
        Failure::Stop(stop) => ui.stopped(stop),
        _ => ui.error(&failure.to_string(), failure.hint()),
    }
    failure.exit().into()
}

fn ui_options(args: &OutputArgs) -> UiOptions {
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let color = match args.color {
        ColorWhen::Auto => ColorChoice::Auto,
        ColorWhen::Always => ColorChoice::Always,
        ColorWhen::Never => ColorChoice::Never,
    };
    UiOptions {
        output: match args.output {
            ResultFormat::Text => OutputFormat::Text,
            ResultFormat::Json => OutputFormat::Json,
        },
        color: color.with_environment(|name| std::env::var_os(name)),
        progress: match (args.no_progress, dumb) {
            (true, _) => ProgressChoice::Off,
            (false, true) => ProgressChoice::Lines,
            (false, false) => ProgressChoice::Auto,
        },
        quiet: args.quiet,
        show_values: args.show_values,
        terminals: Terminals::detect(),
    }
}

fn start_log(args: &OutputArgs, ui: &Ui, clock: Clock) -> Result<(), Failure> {
    let filter = std::env::var(LOG_FILTER_VARIABLE).ok();
    let format = match args.log_format {
        LogLineFormat::Text => LogFormat::Text,
        LogLineFormat::Json => LogFormat::Json,
    };
    let verbosity = i8::try_from(args.verbose).unwrap_or(i8::MAX) - i8::from(args.quiet);
    ui.start_log(LogOptions { format, verbosity, filter: filter.as_deref(), clock })
        .map_err(|error| Failure::Usage(error.to_string()))
}
