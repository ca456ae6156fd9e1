//! The files of `--split`. Each gets its name only when it is complete.

use std::path::{Path, PathBuf};

use crate::commands::shared::choices::{self, ChoicesWriter};
use crate::domain::finding::{Finding, Severity};
use crate::domain::row::Row;
use crate::foresight::destination::CorrectionHint;
use crate::foresight::pool_index::IndexedUser;
use crate::foresight::prediction::{PredictedOutcome, Prediction, PredictionDoubt};
use crate::input::{InputError, Note, NoteColumns, OutputFile, RawRecord, RecordLayout, RecordWriter, write_error};

use super::view::finding_json;

/// Returns every file that `--split` may write.
pub(super) fn paths(folder: &Path, layout: &RecordLayout) -> Vec<PathBuf> {
    let rows = ["valid", "invalid", "verdicts"].map(|name| format!("{name}.{}", extension(layout)));
    rows.iter().map(String::as_str).chain([FINDINGS, choices::FILE_NAME]).map(|name| folder.join(name)).collect()
}

const FINDINGS: &str = "findings.jsonl";

/// `valid.*`, `invalid.*` and `findings.jsonl`.
pub(super) struct FindingFiles {
    valid: RecordWriter,
    invalid: RecordWriter,
    findings: OutputFile,
}

impl FindingFiles {
    pub(super) fn create(folder: &Path, layout: &RecordLayout) -> Result<Self, InputError> {
        std::fs::create_dir_all(folder).map_err(|source| write_error(folder, source))?;
        let extension = extension(layout);
        Ok(Self {
            valid: RecordWriter::create(&folder.join(format!("valid.{extension}")), layout, NoteColumns::Keep)?,
            invalid: RecordWriter::create(&folder.join(format!("invalid.{extension}")), layout, NoteColumns::Replace)?,
            findings: OutputFile::create(&folder.join(FINDINGS))?,
        })
    }

    pub(super) fn write(
        &mut self,
        raw: &RawRecord<'_>,
        valid: bool,
        findings: &[Finding],
        retry_of: &str,
    ) -> Result<(), InputError> {
        for finding in findings {
            self.findings.write(format!("{}\n", finding_json(finding)).as_bytes())?;
        }
        if valid {
            return self.valid.write(raw, &Note::default());
        }
        let first = findings.iter().find(|finding| finding.severity == Severity::Error);
        let note = Note {
            state: "invalid",
            code: first.map_or("", |finding| finding.code.as_str()),
            message: first.map(|finding| finding.message.as_str()).unwrap_or_default(),
            retry_of,
        };
        self.invalid.write(raw, &note)
    }

    pub(super) fn finish(self) -> Result<(), InputError> {
        self.valid.finish()?;
        self.invalid.finish()?;
        self.findings.finish()
    }
}

/// `verdicts.*` and `choices.csv`.
pub(super) struct VerdictFiles {
    verdicts: RecordWriter,
    choices: ChoicesWriter,
}

impl VerdictFiles {
    pub(super) fn create(folder: &Path, layout: &RecordLayout) -> Result<Self, InputError> {
        let path = folder.join(format!("verdicts.{}", extension(layout)));
        Ok(Self {
            verdicts: RecordWriter::create(&path, layout, NoteColumns::Replace)?,
            choices: ChoicesWriter::create(folder)?,
        })
    }

    pub(super) fn write(
        &mut self,
        raw: &RawRecord<'_>,
        row: &Row,
        forecast: &Prediction,
        candidates: &[&IndexedUser],
    ) -> Result<(), InputError> {
        let key = row.key.to_string();
        let note = match forecast.outcome {
            PredictedOutcome::Refused(code) => Note {
                state: "refused",
                code: code.as_str(),
                message: forecast.hint.map_or(code.meaning(), CorrectionHint::as_str),
                retry_of: &key,
            },
            verdict => {
                let doubt = forecast.doubt;
                let code = doubt.map_or("", |doubt| doubt.code().as_str());
                let message = doubt.map_or("", PredictionDoubt::as_str);
                Note { state: verdict.as_str(), code, message, retry_of: &key }
            }
        };
        self.verdicts.write(raw, &note)?;
        if candidates.is_empty() { Ok(()) } else { self.choices.write(row, candidates) }
    }

    /// Returns the number of rows that need a choice.
    pub(super) fn finish(self) -> Result<u64, InputError> {
        self.verdicts.finish()?;
        self.choices.finish()
    }
}

fn extension(layout: &RecordLayout) -> &'static str {
    if layout.delimiter().is_some() { "csv" } else { "jsonl" }
}
