//! The program: nothing but the way in and the way out.

use std::process::ExitCode;

use cognito_link::commands::{command_line, run};

fn main() -> ExitCode {
    run(command_line())
}
