//! The program: nothing but the way in and the way out.

use std::process::ExitCode;

fn main() -> ExitCode {
    cognito_link::commands::run()
}
