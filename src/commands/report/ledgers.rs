//! What several ledgers of one pool hold together, alone and compared with an input.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::commands::shared::Failure;
use crate::domain::counts::Counts;
use crate::domain::outcome::ServiceText;
use crate::domain::report::{FailureLine, LedgerReport, RunLine, ShardsReport};
use crate::domain::row::{RowKey, RowNumber};
use crate::domain::state::{ResumeAction, RowState};
use crate::input::{FirstReading, InputError, InputOptions, InputReader, InputSource, Note, RecordWriter};
use crate::ledger::record::{EndedAs, LedgerRecord, UNDO_COMMAND};
use crate::ledger::{Binding, LedgerContents, LedgerError, load_contents, read_records};

pub(super) struct Ledgers {
    paths: Vec<PathBuf>,
    contents: Vec<LedgerContents>,
    binding: Binding,
}

/// An input to compare with ledgers, and the files to write.
#[derive(Debug, Clone)]
pub(super) struct ReportInput {
    pub(super) source: InputSource,
    /// The options that `link` read it with.
    pub(super) reading: InputOptions,
    /// File for its rows that are refused, failed or in doubt.
    pub(super) failed: Option<PathBuf>,
    /// File for its rows that were never attempted.
    pub(super) unprocessed: Option<PathBuf>,
}

impl Ledgers {
    /// Reads ledgers without their locks, and refuses ledgers of different pools.
    pub(super) fn load(paths: &[PathBuf]) -> Result<Self, LedgerError> {
        let contents: Vec<LedgerContents> = paths.iter().map(|path| load_contents(path)).collect::<Result<_, _>>()?;
        let Some(first) = contents.first() else {
            return Err(LedgerError::NotALedger { place: "nothing".to_owned() });
        };
        let binding = first.header.binding.clone();
        for (path, other) in paths.iter().zip(&contents) {
            if other.header.binding != binding {
                let held = other.header.binding.clone();
                return Err(LedgerError::Mismatch { place: path.display().to_string(), held, expected: binding });
            }
        }
        Ok(Self { paths: paths.to_vec(), contents, binding })
    }

    /// Returns the input of the last run, as it was given then.
    pub(super) fn last_input(&self) -> Option<&str> {
        self.contents.iter().rev().find_map(|contents| contents.last_run.as_ref()).map(|run| run.start.input.as_str())
    }

    /// Returns the state of a row in all ledgers: a link in one of them takes precedence over any other state.
    fn state(&self, key: RowKey) -> RowState {
        let states = self.contents.iter().map(|contents| contents.view.state(key));
        states.min_by_key(|state| precedence(*state)).unwrap_or(RowState::Unprocessed)
    }

    /// Summarizes the ledgers without an input, and lists at most so many rows that are refused, failed or in doubt.
    pub(super) fn report(&self, failures_max: usize) -> Result<LedgerReport, LedgerError> {
        let mut report = LedgerReport {
            ledgers: self.paths.iter().map(|path| path.display().to_string()).collect(),
            heads: self.contents.iter().map(|contents| contents.head.to_string()).collect(),
            pool: self.binding.pool.to_string(),
            simulated: self.binding.simulated,
            counts: self.counts(),
            shards: self.shards(),
            unprocessed_known: true,
            ..LedgerReport::default()
        };
        let mut failures = HashMap::new();
        let needing = report.counts.refused + report.counts.failed + report.counts.in_doubt;
        for (path, contents) in self.paths.iter().zip(&self.contents) {
            self.read_records(path, failures_max, &mut report, &mut failures)?;
            match contents.last_run.as_ref().and_then(|run| run.end.as_ref()) {
                Some(end) if end.ended == EndedAs::Completed => {}
                _ => report.unprocessed_known = false,
            }
        }
        report.runs.sort_by_key(|run| run.started_unix_ms);
        report.failures = failures.into_values().collect();
        report.failures_left_out = needing - report.failures.len() as u64;
        report.failures.sort_by_key(|failure| (failure.row, failure.key));
        Ok(report)
    }

    /// Returns how the shards fit together; `None` where no ledger is of a shard.
    fn shards(&self) -> Option<ShardsReport> {
        let shard_of = |contents: &LedgerContents| contents.last_run.as_ref().and_then(|run| run.start.shard);
        let count = self.contents.iter().find_map(shard_of)?.count();
        let mut missing: BTreeSet<u32> = (0..count).collect();
        let mut strange_ledgers = 0;
        for shard in self.contents.iter().map(shard_of) {
            let expected = shard.is_some_and(|shard| shard.count() == count && missing.remove(&shard.index()));
            strange_ledgers += u64::from(!expected);
        }
        let rows: u64 = self.contents.iter().map(|contents| contents.view.counts().read).sum();
        let rows_in_several = rows - self.keys().len() as u64;
        Some(ShardsReport { count, missing: missing.into_iter().collect(), strange_ledgers, rows_in_several })
    }

    /// Returns the rows of all ledgers, each once.
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

    /// Adds runs, the invalid rows of the last run, and the answers of the service for rows that need something.
    fn read_records(
        &self,
        path: &Path,
        failures_max: usize,
        report: &mut LedgerReport,
        failures: &mut HashMap<RowKey, FailureLine>,
    ) -> Result<(), LedgerError> {
        let mut invalid = Counts::default();
        let mut add = |key, row, said| self.add_failure(failures, failures_max, key, row, said);
        read_records(path, &mut |record| {
            match record {
                LedgerRecord::RunStarted(start) => {
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
                LedgerRecord::RunEnded(end) => {
                    let id = end.run.to_string();
                    if let Some(run) = report.runs.iter_mut().rev().find(|run| run.id == id) {
                        run.ended = Some(end.ended.as_str().to_owned());
                    }
                }
                LedgerRecord::Announced(intent) | LedgerRecord::UnlinkAnnounced(intent) => {
                    add(intent.key, intent.row, None);
                }
                LedgerRecord::Settled(settled) => {
                    add(settled.key, settled.row, settled.error.map(ServiceText::from));
                }
                LedgerRecord::UnlinkSettled(settled) => {
                    add(settled.key, settled.row, settled.error.map(ServiceText::from));
                }
                LedgerRecord::Invalid(row) => {
                    invalid.invalid += 1;
                    *invalid.by_finding.entry(row.code).or_default() += 1;
                }
                LedgerRecord::Header(_) | LedgerRecord::Withdrawn(_) | LedgerRecord::Attempt(_) => {}
            }
            ControlFlow::Continue(())
        })?;
        report.counts.read += invalid.invalid;
        report.counts.invalid += invalid.invalid;
        for (code, number) in invalid.by_finding {
            *report.counts.by_finding.entry(code).or_default() += number;
        }
        Ok(())
    }

    /// Keeps the newest record of a row that needs something.
    fn add_failure(
        &self,
        failures: &mut HashMap<RowKey, FailureLine>,
        failures_max: usize,
        key: RowKey,
        row: RowNumber,
        said: Option<ServiceText>,
    ) {
        let state = self.state(key);
        if needs_something(state) && (failures.len() < failures_max || failures.contains_key(&key)) {
            failures.insert(key, FailureLine { row, key, state, said });
        }
    }

    /// Counts every row of an input, and writes the files. An input of which no row is in a ledger is refused: it was read
    /// with other options than in its run, or is another file.
    pub(super) fn compare_with_input(
        &self,
        input: &ReportInput,
        report: &mut LedgerReport,
    ) -> Result<WrittenRows, Failure> {
        let cross_row = FirstReading::of(&input.source, &input.reading, |_| ())?.cross_row;
        let mut reader = InputReader::with_cross_row(&input.source, &input.reading, &cross_row)?;
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
                record.link.as_ref().map(|link| RowKey::of(&self.binding.pool, link)).map(|key| (key, self.state(key)));
            // As in a run: a row that is invalid in comparison with others is not sent, but keeps its state.
            let keeps_state = |state: RowState| record.is_valid() || state.on_resume(false) != ResumeAction::Attempt;
            let Some((key, state)) = known.filter(|(_, state)| keeps_state(*state)) else {
                counts.invalid += 1;
                record.findings.iter().for_each(|finding| *counts.by_finding.entry(finding.code).or_default() += 1);
                continue;
            };
            counts.add(state);
            let file = match state {
                RowState::Unprocessed | RowState::Undone => &mut unprocessed,
                _ if needs_something(state) => &mut failed,
                _ => continue,
            };
            if let Some(file) = file {
                file.write(&reader.raw(), &note(state, texts.get(&key).copied()))?;
            }
        }
        let unknown = counts.unprocessed - counts.undone;
        if unknown == counts.read - counts.invalid && unknown > 0 && report.counts.done() > 0 {
            return Err(Failure::Usage(format!(
                "none of the rows of {} is in the ledger; pass the input of that run, and the same --map and --set",
                input.source.name()
            )));
        }
        let written = WrittenRows {
            failed: failed.map(RecordWriter::finish).transpose()?,
            unprocessed: unprocessed.map(RecordWriter::finish).transpose()?,
        };
        counts.balance()?;
        report.counts = counts;
        report.unprocessed_known = true;
        Ok(written)
    }
}

/// Numbers of rows in the files; `None` where there is no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WrittenRows {
    pub(super) failed: Option<u64>,
    pub(super) unprocessed: Option<u64>,
}

fn needs_something(state: RowState) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::{
        AttributeName, Destination, DestinationUser, ExternalIdentity, Personal, PoolId, ProviderName,
    };
    use crate::domain::outcome::{LinkOutcome, RefusalCode};
    use crate::domain::row::{Link, Row};
    use crate::ledger::Ledger;
    use crate::ledger::record::{RunId, RunStart};

    fn row(number: u64, pool: &PoolId) -> Row {
        let source = ExternalIdentity::new(
            ProviderName::parse("Okta").unwrap(),
            AttributeName::subject(),
            Personal::from_service(&format!("Id{number}")),
        );
        let destination = Destination::Username(Personal::from_service("alice"));
        let link = Link { destination, source: source.unwrap() };
        Row { number: RowNumber(number), key: RowKey::of(pool, &link), link }
    }

    #[test]
    fn a_row_that_is_left_out_counts_once_however_often_it_was_attempted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l");
        let binding = Binding::new(PoolId::parse("sim-local-1_A").unwrap(), true, None);
        let (mut ledger, _) = Ledger::open(&path, &binding, 0).unwrap();
        let user = DestinationUser { provider: ProviderName::native(), value: Personal::from_service("alice") };
        for run in 1..=3 {
            ledger
                .run_started(&RunStart {
                    run: RunId(run),
                    command: "link".into(),
                    input: "pairs.csv".into(),
                    at: 0,
                    tool: String::new(),
                    limit: None,
                    shard: None,
                    rows: None,
                    origin: None,
                })
                .unwrap();
            for number in 1..=5 {
                let row = row(number, &binding.pool);
                let text = ServiceText { code: "UserNotFoundException".into(), message: "no".into() };
                let refused = LinkOutcome::Refused { code: RefusalCode::UserNotFound, text: Some(text) };
                ledger.announce(&row, &user, 0).unwrap();
                ledger.settle(row.number, row.key, &refused, 1, None, 0).unwrap();
            }
        }
        ledger.sync().unwrap();
        drop(ledger);
        let report = Ledgers::load(&[path]).unwrap().report(2).unwrap();
        assert_eq!((report.counts.refused, report.failures.len(), report.failures_left_out), (5, 2, 3));
    }
}
