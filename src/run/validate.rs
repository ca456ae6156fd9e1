//! `validate`, put together.

use super::settings;
use crate::cli::ValidateArgs;
use crate::command::Failure;
use crate::command::validate::ValidateTask;
use crate::config::FileSettings;
use crate::domain::event::{Event, Observer};
use crate::domain::finding::Finding;
use crate::domain::report::ValidateReport;
use crate::exit::Exit;
use crate::input::Source;
use crate::limits::REPORT_FAILURES_MAX;
use crate::ui::{OutputFormat, Ui, json};

pub(super) fn run(args: &ValidateArgs, file: &FileSettings, ui: &Ui) -> Result<Exit, Failure> {
    let task = ValidateTask {
        source: Source::open(&args.input)?,
        reading: settings::reading(&args.reading, file)?,
        split: args.split.clone(),
    };
    settings::tell_preset(&task.reading, ui);
    let mut collector =
        Collector { told: ui.observer(), keeps: ui.output() == OutputFormat::Json, findings: Vec::new(), left_out: 0 };
    let validated = task.run(|finding| json::finding(finding).to_string(), &mut collector)?;
    let Collector { told, findings, left_out, .. } = collector;
    drop(told);
    let exit = validated.exit();
    let report = ValidateReport {
        input: task.source.name().to_owned(),
        counts: validated.counts,
        allowed: validated.allowed,
        blank_lines: validated.blank_lines,
        findings,
        findings_left_out: left_out,
    };
    ui.validate_report(&report, exit.status())?;
    if let Some(folder) = &args.split {
        ui.note(&format!("the valid rows, the invalid ones and findings.jsonl are in {}", folder.display()));
    }
    Ok(exit)
}

/// Tells the findings, and keeps them where the result is to list them.
struct Collector {
    told: Box<dyn Observer + Send>,
    keeps: bool,
    findings: Vec<Finding>,
    left_out: u64,
}

impl Observer for Collector {
    fn on(&mut self, event: &Event) {
        match event {
            Event::Found(finding) if self.keeps => {
                if self.findings.len() < REPORT_FAILURES_MAX {
                    self.findings.push(finding.clone());
                } else {
                    self.left_out += 1;
                }
            }
            _ => self.told.on(event),
        }
    }
}
