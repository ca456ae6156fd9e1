//! `report`: what ledgers know, and the rows of an input that still want something.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use crate::domain::identity::PoolId;
use crate::domain::outcome::ServiceText;
use crate::domain::report::{FailureLine, LedgerReport, RunLine, ShardsReport};
use crate::domain::row::{RowKey, RowNumber};
use crate::domain::state::{Resume, RowState};
use crate::domain::summary::Counts;
use crate::input::{FirstReading, InputError, InputOptions, InputReader, InputSource, Note, RecordWriter};
use crate::ledger::record::{EndedAs, PersonalText, Record, UNDO_COMMAND};
use crate::ledger::{Binding, Contents, LedgerError, load_view, read};
use crate::limits::REPORT_FAILURES_MAX;

/// What ledgers of one pool hold together.
pub struct Ledgers {
    paths: Vec<PathBuf>,
    contents: Vec<Contents>,
    binding: Binding,
}

/// An input, held against ledgers.
#[derive(Debug, Clone)]
pub struct ReportInput {
    /// The input.
    pub source: InputSource,
    /// How to read it; as `link` did.
    pub reading: InputOptions,
    /// Where to write its rows that are refused, failed or in doubt.
    pub failed: Option<PathBuf>,
    /// Where to write its rows that were never attempted.
    pub unprocessed: Option<PathBuf>,
}

impl Ledgers {
    /// Reads ledgers, without their locks.
    ///
    /// # Errors
    /// [`LedgerError`] where one cannot be read, or they are not of one pool.
    pub fn load(paths: &[PathBuf]) -> Result<Self, LedgerError> {
        let contents: Vec<Contents> = paths.iter().map(|path| load_view(path)).collect::<Result<_, _>>()?;
        let Some(first) = contents.first() else {
            return Err(LedgerError::NotALedger { place: "nothing".to_owned() });
        };
        let binding = first.header.binding.clone();
        for (path, other) in paths.iter().zip(&contents) {
            if other.header.binding != binding {
                let held = other.header.binding.clone();
                return Err(LedgerError::Mismatch { place: path.display().to_string(), held, wanted: binding });
            }
        }
        Ok(Self { paths: paths.to_vec(), contents, binding })
    }

    /// The input of the last run, as it was given then.
    #[must_use]
    pub fn last_input(&self) -> Option<&str> {
        self.contents.iter().rev().find_map(|contents| contents.last_run.as_ref()).map(|run| run.start.input.as_str())
    }

    /// Where a row stands in these ledgers together: a link that one of them holds counts before anything else.
    fn state(&self, key: RowKey) -> RowState {
        let states = self.contents.iter().map(|contents| contents.view.state(key));
        states.min_by_key(|state| precedence(*state)).unwrap_or(RowState::Unprocessed)
    }

    /// Sums up what the ledgers know, without any input.
    ///
    /// # Errors
    /// [`LedgerError`] where a ledger cannot be read again.
    pub fn report(&self) -> Result<LedgerReport, LedgerError> {
        let mut report = LedgerReport {
            ledgers: self.paths.iter().map(|path| path.display().to_string()).collect(),
            pool: self.binding.pool.to_string(),
            simulated: self.binding.simulated,
            counts: self.counts(),
            shards: self.shards(),
            unprocessed_known: true,
            ..LedgerReport::default()
        };
        let mut told = HashMap::new();
        for (path, contents) in self.paths.iter().zip(&self.contents) {
            self.read_through(path, &mut report, &mut told)?;
            match contents.last_run.as_ref().and_then(|run| run.end.as_ref()) {
                Some(end) if end.ended == EndedAs::Completed => {}
                _ => report.unprocessed_known = false,
            }
        }
        report.runs.sort_by_key(|run| run.started_unix_ms);
        report.failures = told.into_values().collect();
        report.failures.sort_by_key(|failure| (failure.row, failure.key));
        Ok(report)
    }

    /// How the shards fit together, where the last run of any ledger was of one.
    fn shards(&self) -> Option<ShardsReport> {
        let of = |contents: &Contents| contents.last_run.as_ref().and_then(|run| run.start.shard);
        let count = self.contents.iter().find_map(of)?.count();
        let mut missing: BTreeSet<u32> = (0..count).collect();
        let mut strange_ledgers = 0;
        for shard in self.contents.iter().map(of) {
            let expected = shard.is_some_and(|shard| shard.count() == count && missing.remove(&shard.index()));
            strange_ledgers += u64::from(!expected);
        }
        let rows: u64 = self.contents.iter().map(|contents| contents.view.counts().read).sum();
        let rows_in_several = rows - self.keys().len() as u64;
        Some(ShardsReport { count, missing: missing.into_iter().collect(), strange_ledgers, rows_in_several })
    }

    /// The rows that any of the ledgers holds.
    fn keys(&self) -> Vec<RowKey> {
        let states = self.contents.iter().flat_map(|contents| contents.view.states());
        let mut keys: Vec<RowKey> = states.map(|(key, _)| key).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    fn counts(&self) -> Counts {
        if let [only] = self.contents.as_slice() {
            return only.view.counts();
        }
        let keys = self.keys();
        let mut counts = Counts { read: keys.len() as u64, ..Counts::default() };
        for key in keys {
            counts.add(self.state(key));
        }
        counts
    }

    /// Takes runs, invalid rows of the last run, and what was said about rows that want something.
    fn read_through(
        &self,
        path: &Path,
        report: &mut LedgerReport,
        told: &mut HashMap<RowKey, FailureLine>,
    ) -> Result<(), LedgerError> {
        let (mut invalid, mut left_out) = (Counts::default(), 0);
        read(path, &mut |record| {
            match record {
                Record::RunStart(start) => {
                    if start.command != UNDO_COMMAND {
                        invalid = Counts::default();
                    }
                    report.runs.push(RunLine {
                        id: start.run.to_string(),
                        command: start.command,
                        input: start.input,
                        started_unix_ms: start.at,
                        ended: None,
                    });
                }
                Record::RunEnd(end) => {
                    let id = end.run.to_string();
                    if let Some(run) = report.runs.iter_mut().rev().find(|run| run.id == id) {
                        run.ended = Some(end.ended.as_str().to_owned());
                    }
                }
                Record::Intent(intent) | Record::Unlink(intent) => {
                    left_out += self.tell(told, intent.key, intent.row, None);
                }
                Record::Settlement(settled) => {
                    left_out += self.tell(told, settled.key, settled.row, settled.said.map(text_of));
                }
                Record::UnlinkSettlement(settled) => {
                    left_out += self.tell(told, settled.key, settled.row, settled.said.map(text_of));
                }
                Record::Invalid(row) => {
                    invalid.invalid += 1;
                    *invalid.by_finding.entry(row.code).or_default() += 1;
                }
                Record::Header(_) | Record::Withdrawal(_) => {}
            }
            ControlFlow::Continue(())
        })?;
        report.failures_left_out += left_out;
        report.counts.read += invalid.invalid;
        report.counts.invalid += invalid.invalid;
        for (code, number) in invalid.by_finding {
            *report.counts.by_finding.entry(code).or_default() += number;
        }
        Ok(())
    }

    /// Notes the newest line about a row that wants something; 1 where there is no room for another row.
    fn tell(
        &self,
        told: &mut HashMap<RowKey, FailureLine>,
        key: RowKey,
        row: RowNumber,
        said: Option<ServiceText>,
    ) -> u64 {
        let state = self.state(key);
        if !wants_something(state) {
            return 0;
        }
        if told.len() >= REPORT_FAILURES_MAX && !told.contains_key(&key) {
            return u64::from(said.is_some());
        }
        told.insert(key, FailureLine { row, key, state, said });
        0
    }

    /// Holds an input against the ledgers: counts every row of it, and writes the files that are asked for.
    ///
    /// # Errors
    /// [`Failure`] where the input cannot be read, a file cannot be written, or none of the rows is known although the
    /// ledgers hold some, which means that the input was read in another way.
    pub fn hold_against(&self, input: &ReportInput, report: &mut LedgerReport) -> Result<Written, Failure> {
        let across = FirstReading::of(&input.source, &input.reading, |_| ())?.cross_row;
        let mut reader = InputReader::with_cross_row(&input.source, &input.reading, &across)?;
        let writer = |path: &Option<PathBuf>, with_notes, reader: &InputReader| -> Result<_, InputError> {
            path.as_ref().map(|path| RecordWriter::create(path, reader.layout(), with_notes)).transpose()
        };
        let mut failed = writer(&input.failed, true, &reader)?;
        let mut unprocessed = writer(&input.unprocessed, false, &reader)?;
        let texts: HashMap<RowKey, &ServiceText> =
            report.failures.iter().filter_map(|failure| Some((failure.key, failure.said.as_ref()?))).collect();
        let mut counts = Counts::default();
        while let Some(record) = reader.next() {
            let record = record?;
            counts.read += 1;
            let known =
                record.link.as_ref().map(|link| RowKey::of(self.pool(), link)).map(|key| (key, self.state(key)));
            // As in a run: a row that is wrong beside others is not sent, but stays as the ledger has it.
            let stays = |state: RowState| record.is_valid() || state.on_resume(false) != Resume::Attempt;
            let Some((key, state)) = known.filter(|(_, state)| stays(*state)) else {
                counts.invalid += 1;
                record.findings.iter().for_each(|finding| *counts.by_finding.entry(finding.code).or_default() += 1);
                continue;
            };
            counts.add(state);
            let file = match state {
                RowState::Unprocessed | RowState::Undone => &mut unprocessed,
                _ if wants_something(state) => &mut failed,
                _ => continue,
            };
            if let Some(file) = file {
                file.write(&reader.raw(), &note(state, texts.get(&key).copied()))?;
            }
        }
        let unknown = counts.unprocessed - counts.undone;
        if unknown == counts.read - counts.invalid && unknown > 0 && report.counts.done() > 0 {
            return Err(Failure::Usage(format!(
                "none of the rows of {} is in the ledger; is it the input of that run? read it as that run did, with the \
                 same --map and --set",
                input.source.name()
            )));
        }
        let written = Written {
            failed: failed.map(RecordWriter::finish).transpose()?,
            unprocessed: unprocessed.map(RecordWriter::finish).transpose()?,
        };
        counts.balance()?;
        report.counts = counts;
        report.unprocessed_known = true;
        Ok(written)
    }

    fn pool(&self) -> &PoolId {
        &self.binding.pool
    }
}

/// Rows that were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Refused, failed or in doubt; `None` where not asked for.
    pub failed: Option<u64>,
    /// Never attempted; `None` where not asked for.
    pub unprocessed: Option<u64>,
}

fn text_of((code, message): (Cow<'_, str>, PersonalText<'_>)) -> ServiceText {
    ServiceText { code: code.into_owned(), message: message.expose().to_owned() }
}

fn wants_something(state: RowState) -> bool {
    matches!(state, RowState::Refused(_) | RowState::Failed | RowState::InDoubt | RowState::Unlinking)
}

fn precedence(state: RowState) -> u8 {
    match state {
        RowState::Linked => 0,
        RowState::Kept(_) => 1,
        RowState::AlreadyLinked => 2,
        RowState::InDoubt | RowState::Unlinking => 3,
        RowState::Refused(_) => 4,
        RowState::Failed => 5,
        RowState::Undone => 6,
        RowState::Unprocessed => 7,
    }
}

fn note(state: RowState, said: Option<&ServiceText>) -> Note<'_> {
    Note {
        state: state.as_str(),
        code: match (state, said) {
            (RowState::Refused(code), _) => code.as_str(),
            (_, Some(said)) => &said.code,
            (_, None) => "",
        },
        message: said.map(|said| said.message.as_str()).unwrap_or_default(),
    }
}
