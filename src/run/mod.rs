//! The composition root: the only room where service, clock, ledger, voice and command meet.

mod doctor;
mod explain;
mod export;
mod forecast;
mod link;
mod options;
mod pace;
mod plan;
mod pool_reading;
mod reconcile;
mod reconcile_apply;
mod rehearse;
mod report;
mod settings;
mod signals;
mod simulate;
mod simulator;
mod snapshot;
mod template;
mod undo;
mod validate;

use std::process::ExitCode;

use crate::cli::{Cli, Color, Command, LogShape, Output};
use crate::clock::Clock;
use crate::command::Failure;
use crate::config::FileSettings;
use crate::exit::Exit;
use crate::input::InputError;
use crate::ui::{
    ColorChoice, LOG_FILTER_VARIABLE, LogFormat, LogOptions, OutputFormat, ProgressChoice, Terminals, Ui, UiOptions,
    finding_line,
};

/// Runs one command and says how the process ends.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let ui = Ui::new(ui_options(&cli));
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&ui, &Failure::System(format!("cannot start the runtime: {error}"))),
    };
    match runtime.block_on(command(cli, &ui)) {
        Ok(exit) => exit.into(),
        Err(failure) => fail(&ui, &failure),
    }
}

async fn command(cli: Cli, ui: &Ui) -> Result<Exit, Failure> {
    let clock = Clock::system();
    start_log(&cli, ui, clock)?;
    let file = match &cli.talk.config {
        Some(path) => FileSettings::read(path)?,
        None => FileSettings::default(),
    };
    match cli.command {
        Command::Validate(args) => Box::pin(validate::run(*args, &file, ui, clock)).await,
        Command::Link(args) => Box::pin(link::run(*args, &file, ui, clock)).await,
        Command::Undo(args) => Box::pin(undo::run(*args, &file, ui, clock)).await,
        Command::Report(args) => report::run(&args, &file, ui),
        Command::Reconcile(args) => Box::pin(reconcile::run(*args, &file, ui, clock)).await,
        Command::Export(args) => Box::pin(export::run(*args, &file, ui, clock)).await,
        Command::Doctor(args) => Box::pin(doctor::run(*args, &file, ui, clock)).await,
        Command::Explain { code } => explain::run(code.as_deref(), ui),
        Command::Template { format, preset } => template::run(format, preset, ui),
        Command::Simulate(args) => simulate::run(&args, ui, clock).await,
    }
}

fn fail(ui: &Ui, failure: &Failure) -> ExitCode {
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

fn ui_options(cli: &Cli) -> UiOptions {
    let talk = &cli.talk;
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let color = match talk.color {
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    };
    UiOptions {
        output: match talk.output {
            Output::Text => OutputFormat::Text,
            Output::Json => OutputFormat::Json,
        },
        color: color.with_environment(|name| std::env::var_os(name)),
        progress: match (talk.no_progress, dumb) {
            (true, _) => ProgressChoice::Off,
            (false, true) => ProgressChoice::Lines,
            (false, false) => ProgressChoice::Auto,
        },
        quiet: talk.quiet,
        show_values: talk.show_values,
        terminals: Terminals::detect(),
    }
}

fn start_log(cli: &Cli, ui: &Ui, clock: Clock) -> Result<(), Failure> {
    let filter = std::env::var(LOG_FILTER_VARIABLE).ok();
    let format = match cli.talk.log_format {
        LogShape::Text => LogFormat::Text,
        LogShape::Json => LogFormat::Json,
    };
    let verbosity = i8::try_from(cli.talk.verbose).unwrap_or(i8::MAX) - i8::from(cli.talk.quiet);
    ui.start_log(LogOptions { format, verbosity, filter: filter.as_deref(), clock })
        .map_err(|error| Failure::Usage(error.to_string()))
}
