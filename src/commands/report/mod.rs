//! `report`: summarizes ledgers, and writes the rows of an input that still need something.

mod ledgers;
mod view;

use std::path::{Path, PathBuf};

use clap::Args;

use super::shared::{CommandContext, Failure, InputArgs, check_outputs, headings};
use crate::exit::Exit;
use crate::input::InputSource;
use crate::limits::REPORT_FAILURES_MAX;
use crate::ui::format;
use ledgers::{Ledgers, ReportInput};

const EXAMPLE: &str = "Example: cognito-link report pairs.csv.ledger --failed failed.csv";

/// Summarize ledgers; write their failed or unprocessed rows to a file
///
/// Needs no credentials, and reads the ledger of a run that is still going.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct ReportArgs {
    /// Ledgers of one pool
    #[arg(required = true, value_name = "LEDGER")]
    pub ledgers: Vec<PathBuf>,
    /// File for the rows that are refused, failed or in doubt: a valid input for `link`
    #[arg(long, value_name = "FILE")]
    pub failed: Option<PathBuf>,
    /// File for the rows that were never attempted: a valid input for `link`
    #[arg(long, value_name = "FILE")]
    pub unprocessed: Option<PathBuf>,
    /// Input of the ledgers; the path of the last run by default
    #[arg(long, value_name = "FILE", help_heading = headings::INPUT)]
    pub input: Option<PathBuf>,
    #[command(flatten)]
    pub reading: InputArgs,
}

pub fn cmd_report(args: &ReportArgs, context: &CommandContext<'_>) -> Result<Exit, Failure> {
    let ledgers = Ledgers::load(&args.ledgers)?;
    let mut report = ledgers.report(REPORT_FAILURES_MAX)?;
    let input = args.input.as_deref().or_else(|| ledgers.last_input().map(Path::new));
    if args.failed.is_some() || args.unprocessed.is_some() || args.input.is_some() {
        let source = open_input(args, input)?;
        let read =
            args.ledgers.iter().map(|path| Some(path.as_path())).chain([input, ledgers.last_input().map(Path::new)]);
        let outputs = [("--failed", args.failed.as_deref()), ("--unprocessed", args.unprocessed.as_deref())];
        check_outputs(&outputs, &read.collect::<Vec<_>>(), context.force)?;
        let compared = ReportInput {
            source,
            reading: args.reading.options(&context.file_settings)?,
            failed: args.failed.clone(),
            unprocessed: args.unprocessed.clone(),
        };
        let written = ledgers.compare_with_input(&compared, &mut report)?;
        for (path, rows) in [(&args.failed, written.failed), (&args.unprocessed, written.unprocessed)] {
            if let (Some(path), Some(rows)) = (path, rows) {
                context.ui.note(&format!("{}: {}", path.display(), format::counted(rows, "row")));
            }
        }
    }
    view::print_ledger_report(&report, args.failed.as_deref(), input, context.ui)?;
    Ok(Exit::Success)
}

fn open_input(args: &ReportArgs, input: Option<&Path>) -> Result<InputSource, Failure> {
    match input {
        Some(path) if args.input.is_none() && path.as_os_str() == "-" => {
            Err(Failure::Usage("that run read stdin: name a file with the same rows with --input".into()))
        }
        Some(path) => Ok(InputSource::open(path)?),
        None => Err(Failure::Usage("the ledger names no input: name it with --input".into())),
    }
}
