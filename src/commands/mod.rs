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
mod process;
pub mod reconcile;
pub mod report;
pub mod schema;
pub mod shared;
pub mod simulate;
pub mod template;
pub mod undo;
mod usage_error;
pub mod validate;
pub mod verify;

#[cfg(test)]
mod help_tests;
#[cfg(test)]
pub mod testing;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use tokio::runtime::Runtime;

use crate::clock::Clock;
use crate::exit::Exit;
use crate::input::InputError;
use crate::limits::PROGRESS_LINE_INTERVAL_MS_MIN;
use crate::ui::{
    ColorChoice, LOG_FILTER_VARIABLE, LogFormat, LogOptions, MessageCode, OutputFormat, ProgressChoice, Terminals, Ui,
    UiOptions,
};
use process::Process;
use shared::result::print_error_report;
use shared::settings::{FileSettings, parse_duration};
use shared::{CommandContext, Failure, HookArgs, MetricsOfRun, MonitorArgs, PoolArgs, headings};

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
    after_long_help = AFTER_LONG_HELP, max_term_width = 110, mut_subcommands(with_groups_in_order))]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Options that most people never touch. They are in `--help` only, in the last group, where `-h` does not have them.
const ADVANCED_OPTIONS: [&str; 9] = [
    "format",
    "delimiter",
    "region",
    "endpoint_url",
    "allow_insecure_endpoint",
    "concurrency",
    "attempts",
    "progress_interval",
    "color",
];

/// Gives a command its groups of options in the order of the help, with those of [`ADVANCED_OPTIONS`] last.
fn with_groups_in_order(command: clap::Command) -> clap::Command {
    // clap gives the groups the order of their first options, and puts global options behind all others.
    let globals = OutputArgs::augment_args(clap::Command::new("globals"));
    let mut command = command.args(globals.get_arguments().cloned());
    for heading in headings::IN_ORDER {
        let is_in_group = |arg: &&clap::Arg| {
            let is_advanced = arg.is_hide_short_help_set() && ADVANCED_OPTIONS.contains(&arg.get_id().as_str());
            arg.get_help_heading().is_some_and(|of| if is_advanced { headings::ADVANCED } else { of } == heading)
        };
        let ids: Vec<_> = command.get_arguments().filter(is_in_group).map(|arg| arg.get_id().clone()).collect();
        // What is changed moves to the end.
        command = ids.into_iter().fold(command, |command, id| command.mut_arg(id, |arg| arg.help_heading(heading)));
    }
    command
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
    Schema(schema::SchemaArgs),
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
            | Self::Schema(_)
            | Self::Simulate(_) => None,
        }
    }

    /// What watches a run, for the commands that have one.
    fn monitor_args(&self) -> Option<&MonitorArgs> {
        match self {
            Self::Link(args) => Some(&args.monitor),
            Self::Reconcile(args) => Some(&args.monitor),
            Self::Undo(args) => Some(&args.monitor),
            _ => None,
        }
    }

    /// The command as it is typed.
    fn name(&self) -> &'static str {
        match self {
            Self::Validate(_) => "validate",
            Self::Doctor(_) => "doctor",
            Self::Probe(_) => "probe",
            Self::Link(_) => "link",
            Self::Reconcile(_) => "reconcile",
            Self::Export(_) => "export",
            Self::Duplicates(_) => "duplicates",
            Self::Undo(_) => "undo",
            Self::Report(_) => "report",
            Self::Control(_) => "control",
            Self::Plan(_) => "plan",
            Self::Policy(_) => "policy",
            Self::Completions(_) => "completions",
            Self::Man(_) => "man",
            Self::Verify(_) => "verify",
            Self::Explain(_) => "explain",
            Self::Template(_) => "template",
            Self::Schema(_) => "schema",
            Self::Simulate(_) => "simulate",
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
    /// Format of everything on stderr
    #[arg(long, global = true, value_enum, default_value_t, hide_short_help = true)]
    pub log_format: LogLineFormat,
    /// Log more; -vv for debug, -vvv for everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Print only warnings, errors and results
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Print no progress on stderr but a line each interval, which shows that the run lives
    #[arg(long, global = true, hide_short_help = true)]
    pub no_progress: bool,
    /// Run time between two lines of progress, where they are lines, such as `30s`
    #[arg(long, global = true, value_name = "DURATION", default_value = "60s", value_parser = parse_interval,
        hide_short_help = true)]
    pub progress_interval: Duration,
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
    /// One object, an event, on each line
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

/// Parses the arguments of the process, runs the command and returns the exit status.
pub fn run() -> ExitCode {
    let variables = |name: &str| std::env::var(name).ok();
    let arguments: Vec<std::ffi::OsString> = std::env::args_os().collect();
    let matches = options::parse(Cli::command(), &arguments, &variables);
    let parsed = matches.and_then(|matches| match shared::misplaced_object(&matches) {
        Some(reason) => Err(Cli::command().error(ErrorKind::InvalidValue, reason)),
        None => Cli::from_arg_matches(&matches),
    });
    match parsed {
        Ok(cli) => run_parsed(cli),
        Err(error) => {
            let value_of =
                |option: &str| options::value_before_parsing(&Cli::command(), &arguments, &variables, option);
            usage_error::print(&error, || options::named_command(Cli::command(), &arguments), &value_of)
        }
    }
}

fn run_parsed(cli: Cli) -> ExitCode {
    let process = Process::new();
    let ui = process.ui(ui_options(&cli.output));
    let command = cli.command.name();
    ui.report_panics();
    ui.started(command, env!("CARGO_PKG_VERSION"));
    warn_about_unknown_variables(&ui);
    let hooks = cli.command.monitor_args().map(|args| args.hooks.clone()).unwrap_or_default();
    // `run_to_end` catches a panic of the command. This catches one in the hooks or in printing.
    let run = std::panic::AssertUnwindSafe(|| start_and_run(cli, &process, &ui, &hooks));
    let exit = std::panic::catch_unwind(run).unwrap_or(Exit::Fault);
    ui.ended(Some(command), exit.status());
    exit.into()
}

/// A variable may be of another version of the program, so it is no error.
fn warn_about_unknown_variables(ui: &Ui) {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for unknown in options::unknown_variables(Cli::command, names) {
        let near = unknown.nearest.map_or_else(String::new, |near| format!("; did you mean {near}?"));
        ui.warn(
            MessageCode::UnknownVariable,
            &format!("no option has the variable {}, so it is ignored{near}", unknown.name),
        );
    }
}

fn start_and_run(cli: Cli, process: &Process, ui: &Ui, hooks: &HookArgs) -> Exit {
    let may_send = cli.command.monitor_args().is_some();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return print_failure(ui, &Failure::System(format!("cannot start the runtime: {error}")), may_send);
        }
    };
    if let Err(failure) = shared::run::end_at_signals(ui.clone(), cli.command.name()) {
        return print_failure(ui, &failure, may_send);
    }
    let frame = CommandFrame { runtime: &runtime, clock: process.clock, hooks, may_send, ui };
    frame.run_to_end(|| runtime.block_on(run_command(cli, process, ui)))
}

/// What surrounds a command, and follows it however it ends.
struct CommandFrame<'a> {
    runtime: &'a Runtime,
    clock: Clock,
    hooks: &'a HookArgs,
    /// Whether the command can write to a pool.
    may_send: bool,
    ui: &'a Ui,
}

impl CommandFrame<'_> {
    /// Runs the command, prints how it failed, and runs the hooks. A panic is a failure as any other.
    fn run_to_end(&self, command: impl FnOnce() -> Result<Exit, Failure>) -> Exit {
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(command));
        let exit = match ended.unwrap_or(Err(Failure::Panicked)) {
            Ok(exit) => exit,
            Err(failure) => print_failure(self.ui, &failure, self.may_send),
        };
        self.runtime.block_on(self.hooks.run(exit, self.ui, self.clock));
        exit
    }
}

async fn run_command(cli: Cli, process: &Process, ui: &Ui) -> Result<Exit, Failure> {
    let Process { clock, seed, run } = *process;
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
    shared::serve_objects(cli.command.pool_args(), &file_settings);
    let arguments = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    let OutputArgs { force, config, .. } = cli.output;
    let metrics = MetricsOfRun::default();
    let context = CommandContext { ui, clock, seed, run, file_settings, force, config, arguments, metrics };
    // Before anything is read, asked or created.
    if let Some(monitor) = cli.command.monitor_args() {
        monitor.check(&context)?;
    }
    let result = match cli.command {
        Command::Validate(args) => Box::pin(validate::cmd_validate(*args, validate::DryRun::default(), &context)).await,
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
        Command::Schema(args) => schema::cmd_schema(&args, &context),
        Command::Simulate(args) => simulate::cmd_simulate(&args, &context).await,
    };
    context.metrics.finish(result.as_ref().map_or_else(Failure::exit, |exit| *exit));
    result
}

/// `may_send` says whether the command can write to a pool.
fn print_failure(ui: &Ui, failure: &Failure, may_send: bool) -> Exit {
    ui.clear_status();
    print_error_report(ui, failure);
    match failure {
        Failure::Input(InputError::Header(findings)) => {
            for finding in findings {
                ui.finding(finding);
            }
            if findings.len() > 1 || ui.writes_events() {
                let sent = if may_send { "; nothing was sent" } else { "" };
                ui.error(failure.code(), &format!("the input cannot be read{sent}"), failure.hint());
            }
        }
        _ => failure.print(ui),
    }
    failure.exit()
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
        log: match args.log_format {
            LogLineFormat::Text => LogFormat::Text,
            LogLineFormat::Json => LogFormat::Json,
        },
        color: color.with_environment(|name| std::env::var_os(name)),
        progress_interval: args.progress_interval,
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

fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text)?;
    if interval < Duration::from_millis(PROGRESS_LINE_INTERVAL_MS_MIN) {
        return Err("at least 1s".to_owned());
    }
    Ok(interval)
}

fn start_log(args: &OutputArgs, ui: &Ui, clock: Clock) -> Result<(), Failure> {
    let filter = std::env::var(LOG_FILTER_VARIABLE).ok();
    let verbosity = i8::try_from(args.verbose).unwrap_or(i8::MAX) - i8::from(args.quiet);
    ui.start_log(LogOptions { verbosity, filter: filter.as_deref(), clock })
        .map_err(|error| Failure::Usage(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::testing::Screen;

    #[test]
    fn a_panic_ends_a_command_with_a_result_and_its_hooks() {
        let screen = Screen::new().json();
        let ui = screen.ui();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("result.json");
        let hooks = HookArgs { on_end: None, on_stop: Some(format!("cat > {}", file.display())) };
        let (clock, may_send) = (Clock::system(), true);
        let frame = CommandFrame { runtime: &runtime, clock, hooks: &hooks, may_send, ui: &ui };
        assert_eq!(frame.run_to_end(|| runtime.block_on(async { panic!("of a test") })), Exit::Fault);
        assert!(screen.stdout().contains(r#""error":{"code":"panic","#), "{}", screen.stdout());
        assert_eq!(screen.stderr(), "", "it was reported when it happened");
        assert_eq!(std::fs::read_to_string(file).unwrap(), screen.stdout());
    }
}
