//! What several ledgers of one pool hold together, alone and compared with an input.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::history::change_line;
use super::html::UndoableLinks;
use super::row_table::{RowTable, RowText};
use crate::commands::shared::{Failure, pool_options_of_run};
use crate::domain::counts::Counts;
use crate::domain::finding::{FindingCode, Severity};
use crate::domain::identity::PoolId;
use crate::domain::outcome::ServiceText;
use crate::domain::report::{FailureLine, LedgerReport, RunChanges, RunLine, ShardsReport};
use crate::domain::row::{RowKey, RowNumber};
use crate::domain::state::{ResumeAction, RetryChoice, RowState};
use crate::input::{
    CrossRowFindings, FirstReading, InputError, InputOptions, InputReader, InputRecord, InputSource, Note, NoteColumns,
    RawRecord, RecordLayout, RecordWriter,
};
use crate::ledger::record::LedgerRecord;
use crate::ledger::storage::FileSource;
use crate::ledger::{
    Binding, LedgerContents, LedgerError, LinksToUndo, RowStanding, UndoSelection, load_contents, read_records,
};
use crate::ui::explanation;

pub(super) struct Ledgers {
    paths: Vec<PathBuf>,
    contents: Vec<LedgerContents>,
    binding: Binding,
}

/// The inputs to compare with ledgers, and the files to write.
#[derive(Debug, Clone)]
pub(super) struct ReportInputs {
    pub(super) sources: Vec<InputSource>,
    /// The options that `link` read them with.
    pub(super) reading: InputOptions,
    /// File for their rows that are invalid, refused, failed or in doubt.
    pub(super) failed: Option<PathBuf>,
    /// File for their rows that were never attempted.
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

    /// Returns the inputs of all runs, as they were given last, each once.
    pub(super) fn inputs(&self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = Vec::new();
        for input in self.contents.iter().flat_map(|contents| contents.view.inputs()) {
            let path = PathBuf::from(&input.path);
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        paths
    }

    /// Whether no ledger counts a row any more.
    fn is_superseded(&self, key: RowKey) -> bool {
        let holds = |contents: &&LedgerContents| {
            contents.view.state(key) != RowState::Unprocessed || contents.view.standing(key) != RowStanding::Current
        };
        let mut holding = self.contents.iter().filter(holds).peekable();
        holding.peek().is_some() && holding.all(|contents| contents.view.is_superseded(key))
    }

    /// Whether a run has found a row invalid, and no run has sent it.
    fn is_known_invalid(&self, key: RowKey) -> bool {
        self.state(key) == RowState::Unprocessed
            && self.contents.iter().any(|contents| contents.view.invalid_code(key).is_some())
    }

    /// Returns the state of a row in all ledgers: a link in one of them takes precedence over any other state.
    fn state(&self, key: RowKey) -> RowState {
        let states = self.contents.iter().map(|contents| contents.view.state(key));
        states.min_by_key(|state| precedence(*state)).unwrap_or(RowState::Unprocessed)
    }

    /// Counts the links that `undo` could remove.
    pub(super) fn undoable_links(&self) -> Result<UndoableLinks, LedgerError> {
        let mut undoable = UndoableLinks::default();
        for (path, contents) in self.paths.iter().zip(&self.contents) {
            let source = Box::new(FileSource::open(path)?);
            let (_, found) = LinksToUndo::find(source, &contents.view, &UndoSelection::default())?;
            undoable.links += found.selected;
            undoable.recovered += found.recovered;
        }
        Ok(undoable)
    }

    pub(super) fn pool(&self) -> &str {
        self.binding.pool.as_str()
    }

    /// Summarizes the ledgers without an input, and lists at most so many rows that are refused, failed or in doubt.
    pub(super) fn report(&self, failures_max: usize) -> Result<LedgerReport, LedgerError> {
        let mut report = LedgerReport {
            ledgers: self.paths.iter().map(|path| path.display().to_string()).collect(),
            heads: self.contents.iter().map(|contents| contents.head.to_string()).collect(),
            pool: self.binding.pool.to_string(),
            simulated: self.binding.simulated,
            pool_options: self.pool_options(),
            counts: self.counts(),
            superseded: self.contents.iter().map(|contents| contents.view.superseded_counts().rows).sum(),
            superseded_links: self.contents.iter().map(|contents| contents.view.superseded_counts().links).sum(),
            shards: self.shards(),
            unprocessed_known: true,
            ..LedgerReport::default()
        };
        let (mut failures, mut recovered) = (HashMap::new(), HashSet::new());
        let needing = report.counts.refused + report.counts.failed + report.counts.in_doubt;
        for (path, contents) in self.paths.iter().zip(&self.contents) {
            self.read_records(path, failures_max, &mut report, &mut failures, &mut recovered)?;
            let inputs = contents.view.inputs();
            report.unprocessed_known &= !inputs.is_empty() && inputs.iter().all(|input| input.completed);
        }
        let is_linked = |key: &&RowKey| matches!(self.state(**key), RowState::Linked | RowState::Kept(_));
        let counted = recovered.iter().filter(is_linked).filter(|key| !self.is_superseded(**key));
        report.counts.recovered = counted.count() as u64;
        report.runs.sort_by_key(|run| run.started_unix_ms);
        report.failures = failures.into_values().collect();
        report.failures_left_out = needing - report.failures.len() as u64;
        report.failures.sort_by_key(|failure| (failure.row, failure.key));
        Ok(report)
    }

    /// Returns the options that name the pool as the last run of the first ledger named it.
    fn pool_options(&self) -> String {
        let run = self.contents.iter().find_map(|contents| contents.last_run.as_ref());
        let origin = run.and_then(|run| run.start.origin.as_ref());
        let arguments = origin.map_or(&[][..], |origin| origin.arguments.as_slice());
        pool_options_of_run(arguments, &self.binding.pool, self.binding.simulated)
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

    /// Counts every row that the ledgers hold and that is not superseded, invalid ones included.
    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        if let [only] = self.contents.as_slice() {
            counts = only.view.counts();
        } else {
            for key in self.keys().into_iter().filter(|key| !self.is_superseded(*key)) {
                counts.read += 1;
                counts.add(self.state(key));
            }
        }
        let mut seen = HashSet::new();
        for (key, code) in self.contents.iter().flat_map(|contents| contents.view.invalid_rows()) {
            if self.state(key) == RowState::Unprocessed && seen.insert(key) {
                add_invalid(&mut counts, [code]);
            }
        }
        counts
    }

    /// Adds runs, the links that were recovered, and the answers of the service for rows that need something.
    fn read_records(
        &self,
        path: &Path,
        failures_max: usize,
        report: &mut LedgerReport,
        failures: &mut HashMap<RowKey, FailureLine>,
        recovered: &mut HashSet<RowKey>,
    ) -> Result<(), LedgerError> {
        let mut add = |key, row, said| self.add_failure(failures, failures_max, key, row, said);
        read_records(path, &mut |record| {
            match record {
                LedgerRecord::RunStarted(start) => {
                    if let (true, Some(origin)) = (!start.input.is_empty(), start.origin) {
                        report.input_arguments = origin.arguments;
                    }
                    report.runs.push(RunLine {
                        id: start.run.to_string(),
                        command: start.command,
                        input: start.input,
                        started_unix_ms: start.at,
                        ended: None,
                        live: None,
                        changes: RunChanges::default(),
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
                    // The newest result of a row counts.
                    if settled.recovered {
                        recovered.insert(settled.key);
                    } else {
                        recovered.remove(&settled.key);
                    }
                    add(settled.key, settled.row, settled.error.map(ServiceText::from));
                }
                LedgerRecord::UnlinkSettled(settled) => {
                    add(settled.key, settled.row, settled.error.map(ServiceText::from));
                }
                LedgerRecord::Header(_)
                | LedgerRecord::Withdrawn(_)
                | LedgerRecord::Attempt(_)
                | LedgerRecord::Invalid(_)
                | LedgerRecord::Superseded(_)
                | LedgerRecord::Reinstated(_) => {}
                LedgerRecord::Control(change) => {
                    let id = change.run.to_string();
                    if let Some(run) = report.runs.iter_mut().rev().find(|run| run.id == id) {
                        run.changes.add(change_line(change));
                    }
                }
            }
            ControlFlow::Continue(())
        })?;
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
        if needs_something(state)
            && !self.is_superseded(key)
            && (failures.len() < failures_max || failures.contains_key(&key))
        {
            failures.insert(key, FailureLine { row, key, state, said });
        }
    }

    /// Returns the newest answer of the service for every row that needs something, which the report lists up to a bound only.
    /// About 40 bytes a row, and each text once.
    fn service_texts(&self) -> Result<HashMap<RowKey, Arc<ServiceText>>, LedgerError> {
        let (mut texts, mut known) = (HashMap::new(), HashSet::<Arc<ServiceText>>::new());
        for path in &self.paths {
            read_records(path, &mut |record| {
                let (key, error) = match record {
                    LedgerRecord::Announced(intent) | LedgerRecord::UnlinkAnnounced(intent) => (intent.key, None),
                    LedgerRecord::Settled(settled) => (settled.key, settled.error),
                    LedgerRecord::UnlinkSettled(settled) => (settled.key, settled.error),
                    _ => return ControlFlow::Continue(()),
                };
                match error.map(|error| Arc::new(ServiceText::from(error))) {
                    Some(text) if needs_something(self.state(key)) => {
                        let text = known.get(&text).cloned().unwrap_or(text);
                        known.insert(Arc::clone(&text));
                        texts.insert(key, text);
                    }
                    _ => {
                        texts.remove(&key);
                    }
                }
                ControlFlow::Continue(())
            })?;
        }
        Ok(texts)
    }

    /// Adds the rows of the inputs that no ledger holds, and writes the files. A single input of which no row is in a ledger
    /// is refused: it was read with other options than in its run, or is another file.
    pub(super) fn compare_with_inputs(
        &self,
        inputs: &ReportInputs,
        mut table: Option<&mut RowTable>,
        show_values: bool,
        report: &mut LedgerReport,
    ) -> Result<WrittenRows, Failure> {
        let mut files = OpenRowFiles::default();
        let (mut seen, mut found) = (HashSet::new(), HashSet::new());
        let needs_texts = table.is_some() || inputs.failed.is_some();
        let texts = if needs_texts { self.service_texts()? } else { HashMap::new() };
        let mut counts = report.counts.clone();
        let mut changed = Vec::new();
        let first = FirstReadings::of(inputs, &self.binding.pool)?;
        if let Some(table) = &mut table {
            table.show_names(&first.names);
        }
        for (at, (source, cross_row)) in inputs.sources.iter().zip(&first.cross_row).enumerate() {
            let mut reader = InputReader::with_cross_row(source, &inputs.reading, cross_row)?;
            files.open(inputs, &reader, first.notes_differ)?;
            let (mut read, mut rows, mut unknown) = (0_u64, 0_u64, 0_u64);
            while let Some(record) = reader.next() {
                let record = record?;
                read += 1;
                let key = record.key(&self.binding.pool);
                if first.newest.get(&key).is_some_and(|newest| *newest != at) {
                    continue;
                }
                let state = self.state(key);
                // As in a run: a row that is invalid in comparison with others is not sent, but keeps its state.
                let is_invalid = !record.is_valid() && state.on_resume(RetryChoice::NOTHING) == ResumeAction::Attempt;
                if let Some(table) = &mut table {
                    let first = record.findings.iter().find(|finding| finding.severity == Severity::Error);
                    let said = texts.get(&key).map(Arc::as_ref);
                    let explained = said.and_then(|said| explanation(state, said, show_values));
                    let key_text = String::new();
                    let held = note(state, said, &key_text);
                    let text = match (self.is_superseded(key), first.filter(|_| is_invalid)) {
                        (true, _) => RowText { state: "superseded", code: held.code, message: "" },
                        (false, Some(finding)) => {
                            RowText { state: "invalid", code: finding.code.as_str(), message: &finding.message }
                        }
                        (false, None) => {
                            let state = if state == RowState::Undone { "undone" } else { held.state };
                            RowText { state, code: held.code, message: explained.as_deref().unwrap_or("") }
                        }
                    };
                    table.write(source.name(), &reader.raw(), reader.layout(), &record, key, text)?;
                }
                if !is_invalid {
                    rows += 1;
                    unknown += u64::from(state == RowState::Unprocessed);
                }
                if self.is_superseded(key) {
                    continue;
                }
                if state != RowState::Unprocessed {
                    found.insert(key);
                }
                // Equal rows are one row: it is linked once.
                let is_new = match state {
                    _ if is_invalid && !self.is_known_invalid(key) => seen.insert(key),
                    RowState::Unprocessed if !is_invalid => seen.insert(key),
                    _ => false,
                };
                if is_invalid {
                    if is_new && state == RowState::Unprocessed {
                        add_invalid(&mut counts, record.findings.iter().map(|finding| finding.code));
                    }
                    files.write_invalid(&reader.raw(), &record, key)?;
                    continue;
                }
                if is_new {
                    counts.read += 1;
                    counts.unprocessed += 1;
                }
                let key_text = key.to_string();
                files.write(&reader.raw(), state, &note(state, texts.get(&key).map(Arc::as_ref), &key_text))?;
            }
            if inputs.sources.len() == 1
                && unknown == rows
                && unknown > 0
                && report.counts.done() > report.counts.invalid
            {
                return Err(Failure::Usage(format!(
                    "none of the rows of {} is in the ledger; pass the input of that run, and the same --map and --set",
                    source.name()
                )));
            }
            changed.extend(self.change_of(source, read));
        }
        counts.balance()?;
        report.counts = counts;
        report.unprocessed_known = true;
        let is_left_out = |key: &RowKey| !found.contains(key) && !self.is_superseded(*key);
        let left_out = self.keys().into_iter().filter(is_left_out).count() as u64;
        files.finish(left_out, changed)
    }

    /// Returns how an input differs from what the last run has read of it; `None` where it does not, as far as the ledgers
    /// show.
    fn change_of(&self, source: &InputSource, rows: u64) -> Option<ChangedInput> {
        let hash = source.checked_hash()?;
        // Of several ledgers each may have an input of its own.
        let is_only_ledger = self.contents.len() == 1;
        let reading = |contents: &'_ LedgerContents| contents.reading_of(source.name(), is_only_ledger).cloned();
        let mut readings = self.contents.iter().filter_map(reading);
        let other = readings.find(|reading| reading.hash.as_ref().is_some_and(|earlier| *earlier != hash))?;
        Some(ChangedInput { name: source.name().to_owned(), rows_read: other.rows, rows })
    }
}

/// An input that is not as the last run has read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ChangedInput {
    pub(super) name: String,
    /// Rows that the run has read.
    pub(super) rows_read: u64,
    /// Rows that it has now.
    pub(super) rows: u64,
}

/// What is known of the inputs before their rows are written.
#[derive(Default)]
struct FirstReadings {
    /// Of each input.
    cross_row: Vec<Arc<CrossRowFindings>>,
    /// Of several inputs, the last one that has a row: a retry file comes after what it corrects, and repeats its rows.
    newest: HashMap<RowKey, usize>,
    /// Providers and attributes, which are not personal.
    names: HashSet<String>,
    /// Whether only some inputs have the columns of an earlier report.
    notes_differ: bool,
}

impl FirstReadings {
    fn of(inputs: &ReportInputs, pool: &PoolId) -> Result<Self, InputError> {
        let mut found = Self::default();
        let mut columns: Option<Vec<String>> = None;
        for (at, source) in inputs.sources.iter().enumerate() {
            let reading = FirstReading::of(source, &inputs.reading, |row| {
                let record = row.into_record();
                if inputs.sources.len() > 1 {
                    found.newest.insert(record.key(pool), at);
                }
                for name in record
                    .link
                    .iter()
                    .flat_map(|link| [link.source.provider().as_str(), link.source.attribute().as_str()])
                {
                    if !found.names.contains(name) {
                        found.names.insert(name.to_owned());
                    }
                }
            })?;
            found.cross_row.push(reading.cross_row);
            let reader = InputReader::new(source, &inputs.reading)?;
            let names = reader.layout().column_names().unwrap_or_default();
            found.notes_differ |= columns.get_or_insert_with(|| names.to_vec()).len() != names.len();
        }
        Ok(found)
    }
}

/// Counts a row with these findings.
fn add_invalid(counts: &mut Counts, codes: impl IntoIterator<Item = FindingCode>) {
    counts.read += 1;
    counts.invalid += 1;
    for code in codes {
        *counts.by_finding.entry(code).or_default() += 1;
    }
}

/// The files that are written, with the columns of the first input.
#[derive(Default)]
struct OpenRowFiles {
    failed: Option<RecordWriter>,
    unprocessed: Option<RecordWriter>,
    layout: Option<RecordLayout>,
}

impl OpenRowFiles {
    /// Creates the files for the first input; a further one must have the same columns.
    fn open(&mut self, inputs: &ReportInputs, reader: &InputReader, notes_differ: bool) -> Result<(), Failure> {
        let layout = reader.layout();
        match &self.layout {
            None => {
                let writer = |path: &Option<PathBuf>, notes| -> Result<_, InputError> {
                    path.as_ref().map(|path| RecordWriter::create(path, layout, notes)).transpose()
                };
                self.failed = writer(&inputs.failed, NoteColumns::Replace)?;
                let notes = if notes_differ { NoteColumns::Drop } else { NoteColumns::Keep };
                self.unprocessed = writer(&inputs.unprocessed, notes)?;
                self.layout = Some(layout.clone());
                Ok(())
            }
            Some(first)
                if (inputs.failed.is_none() && inputs.unprocessed.is_none()) || first.has_same_columns(layout) =>
            {
                for file in [&mut self.failed, &mut self.unprocessed].into_iter().flatten() {
                    file.take_rows_of(layout);
                }
                Ok(())
            }
            Some(_) => Err(Failure::Usage(
                "the inputs of this ledger have different columns; write the rows of one of them with --input".into(),
            )),
        }
    }

    fn write_invalid(&mut self, raw: &RawRecord<'_>, record: &InputRecord, key: RowKey) -> Result<(), InputError> {
        let Some(file) = &mut self.failed else { return Ok(()) };
        let first = record.findings.iter().find(|finding| finding.severity == Severity::Error);
        file.write(
            raw,
            &Note {
                state: "invalid",
                code: first.map_or("", |finding| finding.code.as_str()),
                message: first.map_or("", |finding| finding.message.as_str()),
                retry_of: &key.to_string(),
            },
        )
    }

    fn write(&mut self, raw: &RawRecord<'_>, state: RowState, note: &Note<'_>) -> Result<(), InputError> {
        let file = match state {
            RowState::Unprocessed | RowState::Undone => &mut self.unprocessed,
            _ if needs_something(state) => &mut self.failed,
            _ => return Ok(()),
        };
        file.as_mut().map_or(Ok(()), |file| file.write(raw, note))
    }

    fn finish(self, left_out: u64, changed: Vec<ChangedInput>) -> Result<WrittenRows, Failure> {
        Ok(WrittenRows {
            left_out,
            changed,
            failed: self.failed.map(RecordWriter::finish).transpose()?,
            unprocessed: self.unprocessed.map(RecordWriter::finish).transpose()?,
        })
    }
}

/// Numbers of rows in the files; `None` where there is no file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WrittenRows {
    /// Inputs that are not as their last run has read them.
    pub(super) changed: Vec<ChangedInput>,
    /// Rows of the ledgers that are in none of the inputs, and so in no file.
    pub(super) left_out: u64,
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

fn note<'a>(state: RowState, said: Option<&'a ServiceText>, retry_of: &'a str) -> Note<'a> {
    Note {
        state: state.as_str(),
        code: match (state, said) {
            (RowState::Refused(code), _) => code.as_str(),
            (_, Some(said)) => &said.code,
            (_, None) => "",
        },
        message: said.map(|said| said.message.as_str()).unwrap_or_default(),
        retry_of,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::{
        AttributeName, Destination, DestinationUser, ExternalIdentity, Personal, ProviderName,
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
        let destination = Destination::Username(Personal::from_service(&format!("user{number}")));
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
        let ledgers = Ledgers::load(&[path]).unwrap();
        let mut report = ledgers.report(2).unwrap();
        assert_eq!((report.counts.refused, report.failures.len(), report.failures_left_out), (5, 2, 3));

        // The files have the texts of all of them.
        let (input, failed) = (folder.path().join("pairs.csv"), folder.path().join("failed.csv"));
        let rows: Vec<String> = (1..=5).map(|number| format!("user{number},Okta,Id{number}")).collect();
        let rows = rows.join("\n");
        std::fs::write(&input, format!("destination_username,source_provider,source_value\n{rows}")).unwrap();
        let inputs = ReportInputs {
            sources: vec![InputSource::open(&input).unwrap()],
            reading: InputOptions::default(),
            failed: Some(failed.clone()),
            unprocessed: None,
        };
        ledgers.compare_with_inputs(&inputs, None, true, &mut report).map_err(|failure| failure.to_string()).unwrap();
        let written = std::fs::read_to_string(failed).unwrap();
        let with_text = written.lines().filter(|line| line.contains("user_not_found,no,")).count();
        assert_eq!(with_text, 5, "{written}");
    }
}
