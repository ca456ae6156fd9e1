//! `report`: summarizes ledgers, for people and for auditors, and writes rows of an input with their states.

mod chart;
mod cloudtrail;
mod history;
mod html;
mod ledgers;
mod row_table;
mod view;

use std::cmp::Ordering;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use super::explain::advice_by_code;
use super::shared::control::live_run;
use super::shared::next_command::{config_of_run, config_option};
use super::shared::{CommandContext, Failure, InputArgs, check_outputs, headings};
use crate::domain::report::{LedgerReport, LiveRun};
use crate::exit::Exit;
use crate::input::{InputSource, OutputFile};
use crate::limits::REPORT_FAILURES_MAX;
use crate::ui::{MessageCode, Ui, escape, format};
use cloudtrail::TrailComparison;
use history::read_histories;
use html::PageContent;
use ledgers::{ChangedInput, Ledgers, ReportInputs};
use row_table::{RowTable, RowTableOptions};

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
    /// File for a page with the evidence of all runs, for a browser or paper: self-contained, without scripts
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// File for every row of the input with its state, as CSV; values are masked without --show-values
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// File for every row of the input with its state, as a Markdown table; values are masked without --show-values
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Put an apostrophe before texts of --csv that a spreadsheet takes for formulas
    #[arg(long, requires = "csv")]
    pub excel_safe: bool,
    /// Export of CloudTrail to compare the calls with, or a folder of such files (can be repeated)
    ///
    /// JSON as a trail delivers it, JSON of `aws cloudtrail lookup-events`, or CSV of CloudTrail Lake; plain, gzip or
    /// zstd. Ends with exit status 5 if CloudTrail lacks a call of the ledgers, or has one for this pool, in the time of
    /// the runs, that the ledgers lack.
    #[arg(long, value_name = "PATH")]
    pub cloudtrail: Vec<PathBuf>,
    /// Input of the ledgers; the inputs of all their runs by default
    #[arg(long, value_name = "FILE", help_heading = headings::INPUT)]
    pub input: Option<PathBuf>,
    #[command(flatten)]
    pub reading: InputArgs,
}

pub fn cmd_report(args: &ReportArgs, context: &CommandContext<'_>) -> Result<Exit, Failure> {
    let ledgers = Ledgers::load(&args.ledgers)?;
    let mut report = ledgers.report(REPORT_FAILURES_MAX)?;
    note_live_runs(&args.ledgers, &mut report, context.ui);
    let inputs = args.input.clone().map_or_else(|| ledgers.inputs(), |input| vec![input]);
    // As the runs read them, unless something else is given.
    let earlier = (args.reading == InputArgs::default()).then(|| InputArgs::of_run(&report.input_arguments));
    let reading = earlier.as_ref().unwrap_or(&args.reading);
    report.reading_options = reading.on_command_line();
    let config = context.config.clone().or_else(|| config_of_run(&report.input_arguments));
    let input = inputs.first().and_then(|input| reading.with_input(input));
    let input = input.map(|input| input + &config_option(config.as_deref()));
    let files = [&args.failed, &args.unprocessed, &args.csv, &args.markdown];
    let recorded = ledgers.inputs();
    let read = args.ledgers.iter().chain(&inputs).chain(&recorded).chain(&args.cloudtrail);
    let read: Vec<Option<&Path>> = read.map(|path| Some(path.as_path())).collect();
    let outputs = [
        ("--failed", args.failed.as_deref()),
        ("--unprocessed", args.unprocessed.as_deref()),
        ("--csv", args.csv.as_deref()),
        ("--markdown", args.markdown.as_deref()),
        ("--html", args.html.as_deref()),
    ];
    if let Some((option, _)) = outputs.iter().find(|(_, path)| path.is_some_and(|path| path.as_os_str() == "-")) {
        return Err(Failure::Usage(format!("{option} -: the report itself is printed to stdout; name a file")));
    }
    if files.iter().any(|file| file.is_some()) || args.input.is_some() {
        let sources = open_inputs(args, &inputs, context)?;
        check_outputs(&outputs, &read, context.force)?;
        let compared = ReportInputs {
            sources,
            reading: reading.options(&context.file_settings)?,
            failed: args.failed.clone(),
            unprocessed: args.unprocessed.clone(),
        };
        let table = RowTableOptions {
            csv: args.csv.clone(),
            markdown: args.markdown.clone(),
            excel_safe: args.excel_safe,
            show_values: context.ui.shows_values(),
        };
        let mut table = (args.csv.is_some() || args.markdown.is_some())
            .then(|| RowTable::create(table, &args.ledgers, &compared.sources, &compared.reading))
            .transpose()?;
        let shows_values = context.ui.shows_values();
        let written = ledgers.compare_with_inputs(&compared, table.as_mut(), shows_values, &mut report)?;
        let listed = table.map(RowTable::finish).transpose()?;
        if written.left_out > 0 {
            warn_about_left_out_rows(written.left_out, &compared.sources, &args.ledgers, context.ui);
        } else {
            written.changed.iter().for_each(|changed| warn_about_changed_input(changed, context.ui));
        }
        let rows = [written.failed, written.unprocessed, listed, listed];
        for (path, rows) in files.into_iter().zip(rows) {
            if let (Some(path), Some(rows)) = (path, rows) {
                context
                    .ui
                    .note(MessageCode::OutputWritten, &format!("{}: {}", path.display(), format::counted(rows, "row")));
            }
        }
    } else {
        check_outputs(&outputs, &read, context.force)?;
    }
    if let Some(path) = &args.html {
        let page = html::page(&PageContent {
            report: &report,
            runs: &read_histories(&args.ledgers)?,
            undoable: ledgers.undoable_links()?,
            advice: &advice_by_code().map_err(io::Error::from)?,
            rows_file: args.csv.as_ref().or(args.markdown.as_ref()).map(|path| path.display().to_string()),
            show_values: context.ui.shows_values(),
            now: context.clock.unix_ms(),
        });
        let mut file = OutputFile::create(path)?;
        file.write(page.as_bytes())?;
        file.finish()?;
        context.ui.note(MessageCode::OutputWritten, &format!("wrote the page to {}", path.display()));
    }
    let trail = match args.cloudtrail.as_slice() {
        [] => None,
        trail => Some(TrailComparison::of(&args.ledgers, ledgers.pool(), trail)?),
    };
    let exit = if trail.as_ref().is_some_and(TrailComparison::differs) { Exit::Drift } else { Exit::Success };
    let (failed, has_page) = (args.failed.as_deref(), args.html.is_some());
    view::print_ledger_report(&report, failed, input.as_deref(), trail.as_ref(), has_page, exit, context.ui)?;
    Ok(exit)
}

/// Asks the runs that go on how far they are.
fn note_live_runs(ledgers: &[PathBuf], report: &mut LedgerReport, ui: &Ui) {
    for state in ledgers.iter().filter_map(|ledger| live_run(ledger, ui)) {
        for run in report.runs.iter_mut().filter(|run| run.id == state.run && run.ended.is_none()) {
            run.live = Some(LiveRun {
                pid: state.pid,
                state: state.state.clone(),
                text: state.text.clone(),
                remaining_ms: state.remaining_ms,
            });
        }
    }
}

/// Warns of rows that are in the ledgers and not in the inputs as they are now.
fn warn_about_left_out_rows(left_out: u64, inputs: &[InputSource], ledgers: &[PathBuf], ui: &Ui) {
    let inputs: Vec<&str> = inputs.iter().map(InputSource::name).collect();
    let ledgers = if ledgers.len() == 1 { "the ledger" } else { "the ledgers" };
    ui.warn(
        MessageCode::InputDiffers,
        &format!(
            "{} of {ledgers} {} not in {}, which was edited since the run, or is not its whole input: such rows are counted, \
             and are in no file that is written",
            format::counted(left_out, "row"),
            if left_out == 1 { "is" } else { "are" },
            inputs.join(", ")
        ),
    );
}

/// Warns of an input that has every row of the ledgers, and is not what the last run has read.
fn warn_about_changed_input(changed: &ChangedInput, ui: &Ui) {
    let ChangedInput { name, rows_read, rows } = changed;
    let rows_now = match rows.cmp(rows_read) {
        Ordering::Equal => format!("it has {} as before", format::counted(*rows, "row")),
        _ => format!("it had {}, and has {}", format::counted(*rows_read, "row"), format::count(*rows)),
    };
    ui.warn(
        MessageCode::InputDiffers,
        &format!(
            "{name} was edited since its last run: {rows_now}. All rows of the ledger are in it. What was added or corrected \
             since is unprocessed."
        ),
    );
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
                let opened = if is_stdin(path) { None } else { InputSource::open_if_found(path)? };
                match opened {
                    Some(source) => sources.push(source),
                    None => context.ui.warn(
                        MessageCode::InputGone,
                        &format!(
                            "input {} cannot be read again; its rows are counted, and are in no file that is written",
                            escape(&path.display().to_string())
                        ),
                    ),
                }
            }
            Ok(sources)
        }
    }
}
