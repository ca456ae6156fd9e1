//! `validate`, put together.

use super::settings;
use crate::cli::ValidateArgs;
use crate::command::Failure;
use crate::command::validate::ValidateTask;
use crate::config::FileSettings;
use crate::domain::report::ValidateReport;
use crate::exit::Exit;
use crate::input::Source;
use crate::ui::{Ui, json};

pub(super) fn run(args: &ValidateArgs, file: &FileSettings, ui: &Ui) -> Result<Exit, Failure> {
    let task = ValidateTask {
        source: Source::open(&args.input)?,
        reading: settings::reading(&args.reading, file)?,
        split: args.split.clone(),
    };
    settings::tell_preset(&task.reading, ui);
    let mut findings = ui.findings(task.source.name());
    let validated = task.run(|finding| json::finding(finding).to_string(), &mut findings)?;
    let exit = validated.exit();
    let report = ValidateReport {
        input: task.source.name().to_owned(),
        counts: validated.counts,
        allowed: validated.allowed,
        blank_lines: validated.blank_lines,
    };
    findings.close(&report, exit.status())?;
    if let Some(folder) = &args.split {
        ui.note(&format!("the valid rows, the invalid ones and findings.jsonl are in {}", folder.display()));
    }
    Ok(exit)
}
