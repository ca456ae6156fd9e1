//! `man`: writes manual pages, one for the program and one for each command.

use std::path::{Path, PathBuf};

use clap::Args;
use clap_mangen::Man;
use serde_json::json;

use super::shared::result::result_json;
use super::shared::{CommandContext, Failure, check_outputs};
use crate::exit::Exit;
use crate::ui::{MessageCode, OutputFormat, format, shell_path};

/// Write manual pages, one for the program and one for each command
///
/// Read one with `man ./cognito-link-link.1`. In a folder share/man/man1 beside the folder bin of the program,
/// `man cognito-link` finds them.
#[derive(Debug, Args)]
#[command(after_help = "Example: cognito-link man ~/.local/share/man/man1")]
pub struct ManArgs {
    /// Folder for the pages; it is created if it does not exist
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// `program` is the definition of the whole command line.
pub fn cmd_man(args: &ManArgs, program: clap::Command, context: &CommandContext<'_>) -> Result<Exit, Failure> {
    let failure =
        |path: &Path, error: std::io::Error| Failure::Usage(format!("cannot write {}: {error}", path.display()));
    std::fs::create_dir_all(&args.folder).map_err(|error| failure(&args.folder, error))?;
    let pages: Vec<(PathBuf, Vec<u8>)> =
        manual_pages(program)?.into_iter().map(|(name, page)| (args.folder.join(name), page)).collect();
    let outputs: Vec<_> = pages.iter().map(|(path, _)| ("man", Some(path.as_path()))).collect();
    check_outputs(&outputs, &[], context.force)?;
    for (path, page) in &pages {
        std::fs::write(path, page).map_err(|error| failure(path, error))?;
    }
    context.ui.note(
        MessageCode::OutputWritten,
        &format!("{} in {}", format::counted(pages.len() as u64, "page"), args.folder.display()),
    );
    if context.ui.output() == OutputFormat::Json {
        let body = json!({ "out": args.folder.display().to_string(), "page_count": pages.len() });
        context.ui.json(&result_json("man_report", Exit::Success, body))?;
    }
    // `man` takes a name with a slash for a file.
    let page = args.folder.join("cognito-link.1").display().to_string();
    context.ui.hint(&format!("read the first one: `man {}`", shell_path(&page)));
    Ok(Exit::Success)
}

/// Adds every command below this one, each with the title of its page.
fn add_commands(parent: &clap::Command, title: &str, commands: &mut Vec<clap::Command>) {
    for command in parent.get_subcommands().filter(|command| !command.is_hide_set()) {
        let title = format!("{title}-{}", command.get_name());
        commands.push(command.clone().display_name(title.clone()));
        add_commands(command, &title, commands);
    }
}

/// Returns every page with its file name.
fn manual_pages(program: clap::Command) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut program = program.disable_help_subcommand(true);
    program.build();
    // `git-commit(1)` is the manual's habit for a command of a program, and `git commit` is what people type.
    let mut commands = Vec::new();
    add_commands(&program, program.get_name(), &mut commands);
    let source = format!("{} {}", program.get_name(), env!("CARGO_PKG_VERSION"));
    let mut pages = Vec::new();
    for command in std::iter::once(program).chain(commands) {
        let name = format!("{}.1", command.get_display_name().unwrap_or(command.get_name()));
        let mut page = Vec::new();
        Man::new(command).source(&source).render(&mut page)?;
        pages.push((name, page));
    }
    Ok(pages)
}
