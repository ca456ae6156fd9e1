//! `report`, put together.

use std::path::Path;

use super::settings;
use crate::cli::ReportArgs;
use crate::command::Failure;
use crate::command::report::{Ledgers, ReportInput};
use crate::config::FileSettings;
use crate::exit::Exit;
use crate::input::InputSource;
use crate::ui::{Ui, format};

pub(super) fn run(args: &ReportArgs, file: &FileSettings, ui: &Ui) -> Result<Exit, Failure> {
    let ledgers = Ledgers::load(&args.ledgers)?;
    let mut report = ledgers.report()?;
    if args.failed.is_some() || args.unprocessed.is_some() || args.input.is_some() {
        let input = ReportInput {
            source: open_input(args, &ledgers)?,
            reading: settings::reading(&args.reading, file)?,
            failed: args.failed.clone(),
            unprocessed: args.unprocessed.clone(),
        };
        let written = ledgers.hold_against(&input, &mut report)?;
        for (path, rows) in [(&args.failed, written.failed), (&args.unprocessed, written.unprocessed)] {
            if let (Some(path), Some(rows)) = (path, rows) {
                ui.note(&format!("{}: {}", path.display(), format::counted(rows, "row")));
            }
        }
    }
    ui.ledger_report(&report)?;
    Ok(Exit::Success)
}

fn open_input(args: &ReportArgs, ledgers: &Ledgers) -> Result<InputSource, Failure> {
    let path = args.input.as_deref().or_else(|| ledgers.last_input().map(Path::new));
    match path {
        Some(path) if args.input.is_none() && path.as_os_str() == "-" => {
            Err(Failure::Usage("that run read stdin: name a file with the same rows with --input".into()))
        }
        Some(path) => Ok(InputSource::open(path)?),
        None => Err(Failure::Usage("the ledger names no input: name it with --input".into())),
    }
}
