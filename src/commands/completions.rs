//! `completions`: prints a script with which a shell completes this program's commands and options.

use clap::Args;
use clap_complete::Shell;
use serde_json::json;

use super::shared::result::result_json;
use super::shared::{CommandContext, Failure};
use crate::exit::Exit;
use crate::ui::OutputFormat;

/// Print a script that makes a shell complete commands and options
///
/// For bash, write it to ~/.local/share/bash-completion/completions/cognito-link; for zsh, to a file _cognito-link in a
/// folder of $fpath; for fish, to ~/.config/fish/completions/cognito-link.fish. For PowerShell, add it to $PROFILE.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: cognito-link completions bash > ~/.local/share/bash-completion/completions/cognito-link"
)]
pub struct CompletionsArgs {
    /// Shell that reads the script
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
}

/// `program` is the definition of the whole command line.
pub fn cmd_completions(
    args: &CompletionsArgs,
    mut program: clap::Command,
    context: &CommandContext<'_>,
) -> Result<Exit, Failure> {
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, name, &mut script);
    let script = String::from_utf8_lossy(&script);
    match context.ui.output() {
        OutputFormat::Text => context.ui.data(&script)?,
        OutputFormat::Json => {
            let body = json!({ "shell": args.shell.to_string(), "script": script });
            context.ui.json(&result_json("completions_report", Exit::Success, body))?;
        }
    }
    Ok(Exit::Success)
}
