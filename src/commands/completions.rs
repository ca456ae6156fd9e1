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
    if context.ui.output() == OutputFormat::Json {
        let body = json!({ "shell": args.shell.to_string(), "script": script });
        context.ui.json(&result_json("completions_report", Exit::Success, body))?;
    } else {
        context.ui.data(&script)?;
    }
    // A shell profile that evaluates the script at every start needs no hint.
    if let Some(step) = install_step(args.shell).filter(|_| context.ui.prints_on_terminal()) {
        context.ui.hint(&step);
    }
    Ok(Exit::Success)
}

/// Returns the command that puts the script where the shell finds it.
fn install_step(shell: Shell) -> Option<String> {
    let (folder, file, more) = match shell {
        Shell::Bash => ("~/.local/share/bash-completion/completions", "cognito-link", ""),
        Shell::Zsh => ("~/.zfunc", "_cognito-link", "; ~/.zshrc needs `fpath+=~/.zfunc` before `compinit`"),
        Shell::Fish => ("~/.config/fish/completions", "cognito-link.fish", ""),
        Shell::PowerShell => return Some("install it: `cognito-link completions powershell >> $PROFILE`".to_owned()),
        Shell::Elvish => {
            return Some("install it: `cognito-link completions elvish >> ~/.config/elvish/rc.elv`".to_owned());
        }
        _ => return None,
    };
    Some(format!("install it: `mkdir -p {folder} && cognito-link completions {shell} > {folder}/{file}`{more}"))
}
