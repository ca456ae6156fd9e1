//! `verify`: checks the hash chain of a ledger, and that every row of an input has a state in it. Needs no network.

mod verification;
mod view;

use std::path::{Path, PathBuf};

use clap::Args;

use super::shared::{CommandContext, Failure, InputArgs};
use crate::domain::row::RowKey;
use crate::domain::state::{ResumeAction, RowState};
use crate::exit::Exit;
use crate::input::{FirstReading, InputOptions, InputReader, InputSource};
use crate::ledger::{ChainHead, LedgerContents, find_head, load_contents};
use crate::limits::REPORT_FAILURES_MAX;
use verification::{InputVerification, MissingRow, Verification};

const EXAMPLE: &str = "Example: cognito-link verify pairs.csv.ledger pairs.csv";

/// Check that a ledger is unchanged, and that every row of a file has a state in it
///
/// Needs no credentials and no network. Any changed, missing, added or moved line is reported with its line and byte, and
/// ends with exit status 6; a row of a file that the ledger does not hold, with 3.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct VerifyArgs {
    /// Ledger to check
    #[arg(value_name = "LEDGER")]
    pub ledger: PathBuf,
    /// Inputs whose rows must all have a state in the ledger
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// Head that the ledger had earlier, as `link`, `undo` or `report` printed it: reports a ledger that lost its end
    #[arg(long, value_name = "HEAD", value_parser = parse_head)]
    pub head: Option<ChainHead>,
    #[command(flatten)]
    pub reading: InputArgs,
}

fn parse_head(text: &str) -> Result<ChainHead, String> {
    ChainHead::parse(text).ok_or_else(|| "a head has 64 hexadecimal digits in lower case".to_owned())
}

pub fn cmd_verify(args: &VerifyArgs, context: &CommandContext<'_>) -> Result<Exit, Failure> {
    let contents = load_contents(&args.ledger)?;
    let line_of_head = args.head.map(|head| line_of(head, &args.ledger)).transpose()?;
    let options = args.reading.options(&context.file_settings)?;
    let inputs: Result<Vec<_>, Failure> =
        args.inputs.iter().map(|input| verify_input(input, &options, &contents)).collect();
    let found = Verification { ledger: args.ledger.display().to_string(), contents, line_of_head, inputs: inputs? };
    let all_accounted = found.inputs.iter().all(|input| input.unaccounted() == 0);
    let exit = if all_accounted { Exit::Success } else { Exit::Incomplete };
    view::print_verification(&found, exit, context.ui)?;
    Ok(exit)
}

fn line_of(head: ChainHead, ledger: &Path) -> Result<u64, Failure> {
    find_head(ledger, head)?.ok_or_else(|| {
        Failure::Mismatch(format!(
            "ledger {} never had the head {head}: lines are missing at its end, or it is another ledger; restore it from \
             a copy",
            ledger.display()
        ))
    })
}

fn verify_input(input: &Path, options: &InputOptions, ledger: &LedgerContents) -> Result<InputVerification, Failure> {
    let source = InputSource::open(input)?;
    let cross_row = FirstReading::of(&source, options, |_| ())?.cross_row;
    let reader = InputReader::with_cross_row(&source, options, &cross_row)?;
    let mut found = InputVerification { input: source.name().to_owned(), ..InputVerification::default() };
    for record in reader {
        let record = record?;
        found.counts.read += 1;
        let key = record.link.as_ref().map(|link| RowKey::of(&ledger.header.binding.pool, link));
        let state = key.map(|key| ledger.view.state(key));
        // As in a run: a row that is invalid in comparison with others is not sent, but keeps its state.
        let keeps_state = |state: RowState| record.is_valid() || state.on_resume(false) != ResumeAction::Attempt;
        let (Some(key), Some(state)) = (key, state.filter(|state| keeps_state(*state))) else {
            found.counts.invalid += 1;
            continue;
        };
        found.counts.add(state);
        if state == RowState::Unprocessed && found.missing.len() < REPORT_FAILURES_MAX {
            found.missing.push(MissingRow { row: record.number, line: record.line, key });
        }
    }
    found.counts.balance()?;
    Ok(found)
}
