//! `validate`, put together.

use super::forecast::{self, Online};
use super::settings;
use crate::cli::ValidateArgs;
use crate::clock::Clock;
use crate::command::Failure;
use crate::command::choices::Choices;
use crate::command::plan;
use crate::command::validate::{ValidateTask, Validated};
use crate::config::FileSettings;
use crate::domain::event::{Event, Observer};
use crate::domain::report::ValidateReport;
use crate::exit::Exit;
use crate::input::{InputError, InputReader, InputSource};
use crate::ui::{OutputFormat, Ui, json};

pub(super) async fn run(args: ValidateArgs, file: &FileSettings, ui: &Ui, clock: Clock) -> Result<Exit, Failure> {
    let task = ValidateTask {
        source: InputSource::open(&args.input)?,
        reading: settings::reading(&args.reading, file)?,
        split: args.split.clone(),
    };
    settings::tell_preset(&task.reading, ui);
    let choices = args.choices.as_deref().map(Choices::read).transpose()?.unwrap_or_default();
    // Whoever has the wrong columns, pool or permissions learns it before a long file is read.
    InputReader::new(&task.source, &task.reading).map_err(|error| unreadable(error, &task, ui))?;
    args.save_plan.as_deref().map(plan::probe).transpose()?;
    let online = Online::connect(&args, file, ui, clock).await?;
    if online.is_none() && (args.save_plan.is_some() || args.choices.is_some() || args.lookup.is_some()) {
        return Err(Failure::Usage(
            "--save-plan, --choices and --lookup are about a pool: name it with --user-pool-id, or try --simulate \
             --pool-file"
                .into(),
        ));
    }
    let mut findings = ui.findings(task.source.name());
    let validated = task.run(|finding| json::finding(finding).to_string(), &mut findings)?;
    let mut exit = validated.exit();
    let foreseen = match online {
        Some(online) => {
            let forecast = forecast::foretell(&online, &task, &validated, &choices, &args, ui, &mut findings).await?;
            online.stop()?;
            Some(forecast)
        }
        None => None,
    };
    let refused = foreseen.as_ref().is_some_and(|foreseen| foreseen.report.refused() > 0);
    if exit == Exit::Success && refused {
        exit = Exit::Incomplete;
    }
    findings.close(&report_of(&task, validated), foreseen.as_ref().map(|foreseen| &foreseen.report), exit.status())?;
    say_files(&args, foreseen.as_ref().map_or(0, |foreseen| foreseen.choices_wanted), foreseen.is_some(), ui);
    Ok(exit)
}

/// A program that listens hears of a header that makes every row unreadable as of any other finding.
fn unreadable(error: InputError, task: &ValidateTask, ui: &Ui) -> Failure {
    let (InputError::Header(found), OutputFormat::Json) = (&error, ui.output()) else { return error.into() };
    let mut findings = ui.findings(task.source.name());
    let mut validated = Validated::default();
    for finding in found {
        *validated.counts.by_finding.entry(finding.code).or_default() += 1;
        findings.on(&Event::Found(finding.clone()));
    }
    match findings.close(&report_of(task, validated), None, Exit::InvalidInput.status()) {
        Ok(()) => error.into(),
        Err(broken) => broken.into(),
    }
}

fn report_of(task: &ValidateTask, validated: Validated) -> ValidateReport {
    ValidateReport {
        input: task.source.name().to_owned(),
        counts: validated.counts,
        allowed: validated.allowed,
        blank_lines: validated.blank_lines,
    }
}

fn say_files(args: &ValidateArgs, choices_wanted: u64, foretold: bool, ui: &Ui) {
    if let Some(folder) = &args.split {
        let verdicts = if foretold { ", the verdicts" } else { "" };
        let folder = folder.display();
        ui.note(&format!("the valid rows, the invalid ones{verdicts} and findings.jsonl are in {folder}"));
        if choices_wanted > 0 {
            ui.note(&format!(
                "mark one user a row under `choose` in {folder}/choices.csv, and give it back with --choices"
            ));
        }
    }
    if let Some(plan) = &args.save_plan {
        ui.note(&format!("the plan is {}; `cognito-link link INPUT --plan` does exactly that", plan.display()));
    }
}
