//! `report`: summarizes ledgers, and writes the rows of an input that still need something.

mod ledgers;
mod view;

use std::path::{Path, PathBuf};

use clap::Args;

use super::shared::{CommandContext, Failure, InputArgs, check_outputs, headings};
use crate::exit::Exit;
use crate::input::InputSource;
use crate::limits::REPORT_FAILURES_MAX;
use crate::ui::{escape, format};
use ledgers::{Ledgers, ReportInputs};

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
    /// File for the rows that are invalid, refused, failed or in doubt: an input for `link`, once corrected
    #[arg(long, value_name = "FILE")]
    pub failed: Option<PathBuf>,
    /// File for the rows that were never attempted: a valid input for `link`
    #[arg(long, value_name = "FILE")]
    pub unprocessed: Option<PathBuf>,
    /// Input of the ledgers; the inputs of all their runs by default
    #[arg(long, value_name = "FILE", help_heading = headings::INPUT)]
    pub input: Option<PathBuf>,
    #[command(flatten)]
    pub reading: InputArgs,
}

pub fn cmd_report(args: &ReportArgs, context: &CommandContext<'_>) -> Result<Exit, Failure> {
    let ledgers = Ledgers::load(&args.ledgers)?;
    let mut report = ledgers.report(REPORT_FAILURES_MAX)?;
    let inputs = args.input.clone().map_or_else(|| ledgers.inputs(), |input| vec![input]);
    let input = inputs.first().map(PathBuf::as_path);
    if args.failed.is_some() || args.unprocessed.is_some() || args.input.is_some() {
        let sources = open_inputs(args, &inputs, context)?;
        let recorded = ledgers.inputs();
        let read = args.ledgers.iter().chain(&inputs).chain(&recorded).map(|path| Some(path.as_path()));
        let outputs = [("--failed", args.failed.as_deref()), ("--unprocessed", args.unprocessed.as_deref())];
        check_outputs(&outputs, &read.collect::<Vec<_>>(), context.force)?;
        let compared = ReportInputs {
            sources,
            reading: args.reading.options(&context.file_settings)?,
            failed: args.failed.clone(),
            unprocessed: args.unprocessed.clone(),
        };
        let written = ledgers.compare_with_inputs(&compared, &mut report)?;
        for (path, rows) in [(&args.failed, written.failed), (&args.unprocessed, written.unprocessed)] {
            if let (Some(path), Some(rows)) = (path, rows) {
                context.ui.note(&format!("{}: {}", path.display(), format::counted(rows, "row")));
            }
        }
    }
    view::print_ledger_report(&report, args.failed.as_deref(), input, Exit::Success, context.ui)?;
    Ok(Exit::Success)
}

/// Opens the inputs. Of several, those that are no longer there are left out.
fn open_inputs(
    args: &ReportArgs,
    inputs: &[PathBuf],
    context: &CommandContext<'_>,
) -> Result<Vec<InputSource>, Failure> {
    let is_stdin = |path: &Path| args.input.is_none() && path.as_os_str() == "-";
    match inputs {
        [] => Err(Failure::Usage("the ledger names no input: name it with --input".into())),
        [only] if is_stdin(only) => {
            Err(Failure::Usage("that run read stdin: name a file with the same rows with --input".into()))
        }
        [only] => Ok(vec![InputSource::open(only)?]),
        several => {
            let mut sources = Vec::new();
            for path in several {
                if is_stdin(path) || !path.exists() {
                    context.ui.warn(&format!(
                        "input {} cannot be read again; its rows are counted, and are in no file that is written",
                        escape(&path.display().to_string())
                    ));
                } else {
                    sources.push(InputSource::open(path)?);
                }
            }
            Ok(sources)
        }
    }
}
