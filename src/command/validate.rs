//! `validate`: every fault of an input, without credentials and without sending anything.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::NamedTempFile;

use super::failure::Failure;
use crate::domain::event::{Event, Observer};
use crate::domain::finding::{Finding, FindingCode, Severity};
use crate::domain::summary::Counts;
use crate::exit::Exit;
use crate::input::{
    CrossRowFindings, FirstReading, InputError, InputOptions, InputReader, InputRecord, InputSource, Note, RawRecord,
    RecordLayout, RecordWriter,
};
use crate::limits::READER_BATCH_ROWS;

/// How often progress is told, in rows.
const TOLD_ROWS: u64 = READER_BATCH_ROWS as u64 * 16;

/// What to do with the rows and the findings besides counting them.
pub struct ValidateTask {
    /// The input.
    pub source: InputSource,
    /// How to read it.
    pub reading: InputOptions,
    /// A folder for `valid.*`, `invalid.*` and `findings.jsonl`.
    pub split: Option<PathBuf>,
}

/// A finding as one line of JSON, for `findings.jsonl`.
pub type AsJson = fn(&Finding) -> String;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validated {
    /// Rows read, valid ones as `unprocessed`; findings by code.
    pub counts: Counts,
    /// Of the findings, those that are warnings because they were allowed, by code.
    pub allowed: BTreeMap<FindingCode, u64>,
    /// Lines with nothing on them.
    pub blank_lines: u64,
    /// What is known of rows beside one another, for further readings.
    pub across: Arc<CrossRowFindings>,
}

impl Validated {
    /// 0 where every row is valid, 4 otherwise.
    #[must_use]
    pub fn exit(&self) -> Exit {
        if self.counts.invalid == 0 { Exit::Success } else { Exit::InvalidInput }
    }
}

impl ValidateTask {
    /// Reads the input once, and a second time only where there is something to tell or to write: every finding is then
    /// told in the order of the rows.
    ///
    /// # Errors
    /// Where the input cannot be read, or a file of the folder cannot be written.
    pub fn run(&self, as_json: AsJson, observer: &mut dyn Observer) -> Result<Validated, Failure> {
        observer.on(&Event::Checking { rows: 0 });
        let reading = FirstReading::of(&self.source, &self.reading, |glimpse| {
            if glimpse.number.0.is_multiple_of(TOLD_ROWS) {
                observer.on(&Event::Checking { rows: glimpse.number.0 });
            }
        })?;
        observer.on(&Event::Checking { rows: reading.rows });
        let is_clean = !reading.has_findings && reading.cross_row.is_clean();
        let mut validated = Validated {
            blank_lines: reading.blank_lines,
            across: Arc::clone(&reading.cross_row),
            ..Validated::default()
        };
        if is_clean && self.split.is_none() {
            validated.counts = Counts { read: reading.rows, unprocessed: reading.rows, ..Counts::default() };
        } else {
            self.tell(&reading, as_json, &mut validated, observer)?;
        }
        validated.counts.balance()?;
        Ok(validated)
    }

    /// The second reading.
    fn tell(
        &self,
        reading: &FirstReading,
        as_json: AsJson,
        validated: &mut Validated,
        observer: &mut dyn Observer,
    ) -> Result<(), Failure> {
        let mut reader = InputReader::with_cross_row(&self.source, &self.reading, &reading.cross_row)?;
        let mut files = match &self.split {
            Some(folder) => Some(SplitFiles::create(folder, reader.layout(), as_json)?),
            None => None,
        };
        while let Some(record) = reader.next() {
            let record = record?;
            let valid = validated.count(&record);
            if let Some(files) = &mut files {
                files.write(&reader.raw(), valid, &record.findings)?;
            }
            for finding in record.findings {
                observer.on(&Event::Found(finding));
            }
        }
        if let Some(files) = files {
            files.finish()?;
        }
        Ok(())
    }
}

impl Validated {
    /// Counts a row and its findings; returns whether it is valid.
    fn count(&mut self, record: &InputRecord) -> bool {
        let valid = record.is_valid();
        self.counts.read += 1;
        self.counts.invalid += u64::from(!valid);
        self.counts.unprocessed += u64::from(valid);
        for finding in &record.findings {
            *self.counts.by_finding.entry(finding.code).or_default() += 1;
            if finding.severity != finding.code.severity() {
                *self.allowed.entry(finding.code).or_default() += 1;
            }
        }
        valid
    }
}

/// The files of `--split`. Each stands under its name only when it is whole.
struct SplitFiles {
    valid: RecordWriter,
    invalid: RecordWriter,
    findings: BufWriter<NamedTempFile>,
    findings_path: PathBuf,
    as_json: AsJson,
}

impl SplitFiles {
    fn create(folder: &Path, layout: &RecordLayout, as_json: AsJson) -> Result<Self, InputError> {
        fs::create_dir_all(folder).map_err(|source| fault(folder, source))?;
        let ending = if layout.delimiter().is_some() { "csv" } else { "jsonl" };
        let findings_path = folder.join("findings.jsonl");
        let findings = NamedTempFile::new_in(folder).map_err(|source| fault(&findings_path, source))?;
        Ok(Self {
            valid: RecordWriter::create(&folder.join(format!("valid.{ending}")), layout, false)?,
            invalid: RecordWriter::create(&folder.join(format!("invalid.{ending}")), layout, true)?,
            findings: BufWriter::new(findings),
            findings_path,
            as_json,
        })
    }

    fn write(&mut self, raw: &RawRecord<'_>, valid: bool, findings: &[Finding]) -> Result<(), InputError> {
        for finding in findings {
            let line = (self.as_json)(finding);
            writeln!(self.findings, "{line}").map_err(|source| fault(&self.findings_path, source))?;
        }
        if valid {
            return self.valid.write(raw, &Note::default());
        }
        let first = findings.iter().find(|finding| finding.severity == Severity::Error);
        let note = Note {
            state: "invalid",
            code: first.map_or("", |finding| finding.code.as_str()),
            message: first.map(|finding| finding.message.as_str()).unwrap_or_default(),
        };
        self.invalid.write(raw, &note)
    }

    fn finish(self) -> Result<(), InputError> {
        self.valid.finish()?;
        self.invalid.finish()?;
        let path = self.findings_path;
        let file = self.findings.into_inner().map_err(|error| fault(&path, error.into_error()))?;
        file.persist(&path).map_err(|error| fault(&path, error.error))?;
        Ok(())
    }
}

fn fault(path: &Path, source: io::Error) -> InputError {
    InputError::Write { path: path.display().to_string(), source }
}
