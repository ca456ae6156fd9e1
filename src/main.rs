//! The program: nothing but the way in and the way out.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    cognito_link::commands::run(cognito_link::commands::Cli::parse())
}
