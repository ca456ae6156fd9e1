//! What a ledger holds, read without its lock: for reports, and for a run that opens it to write.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use super::chain::ChainHead;
use super::error::LedgerError;
use super::reader::{self, LedgerReader, LedgerRecordAt, WholeLines};
use super::record::{Binding, EndedAs, LedgerHeader, LedgerRecord, RunEnd, RunStart, UNDO_COMMAND};
use super::storage::{FileSource, LedgerSource};
use super::view::LedgerView;
use crate::clock::UnixMs;
use crate::domain::row::RowKey;
use crate::limits::LEDGER_INPUTS_MAX;

/// The last run of a ledger that worked on an input: `undo` does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRun {
    pub start: RunStart,
    /// `None` while it runs, or when it was killed.
    pub end: Option<RunEnd>,
}

#[derive(Debug)]
pub struct LedgerContents {
    pub header: LedgerHeader,
    pub view: LedgerView,
    pub last_run: Option<LastRun>,
    /// The last run of any command, where it has no end: it was killed, or still runs.
    pub unended_run: Option<RunStart>,
    /// The quota that the last run which was throttled has found, in thousandths of a call a second.
    pub pace_milli: Option<u64>,
    pub(super) readings: InputReadings,
    /// The state of the hash chain after the last line.
    pub head: ChainHead,
    pub lines: u64,
    pub runs: u64,
    /// Of the last line.
    pub last_at: UnixMs,
    /// Bytes of half a line or of NULs at the end, which are not counted.
    pub torn_bytes: u64,
}

/// Reads a ledger's records one by one, the header first, without the lock, and returns the header.
///
/// Records are checked one by one and not against each other: that is [`load_contents`].
pub fn read_records(
    path: &Path,
    visit: &mut dyn FnMut(LedgerRecord<'_>) -> ControlFlow<()>,
) -> Result<LedgerHeader, LedgerError> {
    let source = FileSource::open(path)?;
    let header = reader::read_header(&source)?;
    let mut reader = LedgerReader::new(&source)?;
    while let Some(LedgerRecordAt { record, .. }) = reader.next_record()? {
        if visit(record).is_break() {
            break;
        }
    }
    Ok(header)
}

/// Reads the state of every row of a ledger, without the lock.
pub fn load_contents(path: &Path) -> Result<LedgerContents, LedgerError> {
    load_contents_of(path, None)
}

/// Returns the number of the line after which the hash chain was in this state; `None` where it never was.
pub fn find_head(path: &Path, head: ChainHead) -> Result<Option<u64>, LedgerError> {
    let source = FileSource::open(path)?;
    let mut reader = LedgerReader::new(&source)?;
    while let Some(LedgerRecordAt { line, .. }) = reader.next_record()? {
        if reader.whole_lines().head == head {
            return Ok(Some(line));
        }
    }
    Ok(None)
}

/// Reads what a ledger belongs to, and nothing else.
pub fn read_header(path: &Path) -> Result<LedgerHeader, LedgerError> {
    reader::read_header(&FileSource::open(path)?)
}

/// Reads what a ledger belongs to; `None` for a ledger of which a crash left not even a whole header.
pub fn held_binding(path: &Path) -> Result<Option<Binding>, LedgerError> {
    let source = FileSource::open(path)?;
    match LedgerReader::new(&source)?.next_record()? {
        Some(LedgerRecordAt { record: LedgerRecord::Header(header), .. }) => Ok(Some(header.binding)),
        Some(_) => Err(LedgerError::NotALedger { place: source.place() }),
        None => Ok(None),
    }
}

/// As [`load_contents`], for a ledger that must belong to a certain pool.
pub(super) fn load_contents_of(path: &Path, expected: Option<&Binding>) -> Result<LedgerContents, LedgerError> {
    let source = FileSource::open(path)?;
    let loaded = load(&source, expected)?;
    let header = loaded.header.ok_or_else(|| LedgerError::NotALedger { place: source.place() })?;
    let WholeLines { head, count: lines, .. } = loaded.whole_lines;
    Ok(LedgerContents {
        header,
        view: loaded.view,
        last_run: loaded.last_run,
        unended_run: loaded.unended_run,
        pace_milli: loaded.pace_milli,
        readings: loaded.readings,
        head,
        lines,
        runs: loaded.runs,
        last_at: loaded.last_at,
        torn_bytes: loaded.torn_bytes,
    })
}

/// What the last run over an input that counted its rows has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputReading {
    pub rows: u64,
    /// Hash of the decoded input; `None` where the run recorded none.
    pub hash: Option<String>,
}

/// What was read of each input of a ledger, by its path as it was given.
#[derive(Debug, Default)]
pub(super) struct InputReadings(BTreeMap<String, InputReading>);

impl InputReadings {
    pub(super) fn note(&mut self, start: &RunStart) {
        let Some(rows) = start.rows else { return };
        if self.0.len() < LEDGER_INPUTS_MAX || self.0.contains_key(&start.input) {
            let hash = start.origin.as_ref().and_then(|origin| origin.input_hash.clone());
            self.0.insert(start.input.clone(), InputReading { rows, hash });
        }
    }

    pub(super) fn of(&self, input: &str) -> Option<&InputReading> {
        self.0.get(input)
    }
}

impl LedgerContents {
    /// Returns what the last run has read of an input, which may have moved: it is found by its file name, or, `if_only_one`
    /// input is in the ledger, by that.
    pub fn reading_of(&self, input: &str, if_only_one: bool) -> Option<&InputReading> {
        let by_name = || self.readings.of(self.view.name_of_input(input));
        match self.view.inputs() {
            [only] if if_only_one => self.readings.of(&only.path),
            _ => self.readings.of(input).or_else(by_name),
        }
    }
}

pub(super) struct LoadedLedger {
    /// `None` where there is not even a whole header.
    pub(super) header: Option<LedgerHeader>,
    pub(super) view: LedgerView,
    pub(super) last_run: Option<LastRun>,
    pub(super) unended_run: Option<RunStart>,
    pub(super) pace_milli: Option<u64>,
    pub(super) readings: InputReadings,
    pub(super) runs: u64,
    /// The time of the last line.
    pub(super) last_at: UnixMs,
    pub(super) whole_lines: WholeLines,
    pub(super) torn_bytes: u64,
}

/// Replays a ledger. Where a binding is given, nothing but the header is read from a ledger of another pool.
pub(super) fn load(source: &dyn LedgerSource, expected: Option<&Binding>) -> Result<LoadedLedger, LedgerError> {
    let mut header = None;
    let mut view = LedgerView::new();
    let mut last_run: Option<LastRun> = None;
    let mut unended_run: Option<RunStart> = None;
    let mut pace_milli = None;
    let mut readings = InputReadings::default();
    let (mut runs, mut last_at) = (0, 0);
    let mut reader = LedgerReader::new(source)?;
    while let Some(LedgerRecordAt { line, place, record }) = reader.next_record()? {
        last_at = record.at();
        let damaged = |reason: String| reader::damaged(source, line, place.offset, &reason);
        if let Some((key, event, at)) = record.row_event().map_err(|error| damaged(error.to_string()))? {
            view.replay(key, event, (at, place)).map_err(|illegal| damaged(illegal.to_string()))?;
            continue;
        }
        match record {
            LedgerRecord::Header(found) => {
                if let Some(expected) = expected.filter(|expected| **expected != found.binding) {
                    let (place, expected) = (source.place(), expected.clone());
                    return Err(LedgerError::Mismatch { place, held: found.binding, expected });
                }
                header = Some(found);
            }
            LedgerRecord::RunStarted(start) => {
                runs += 1;
                let input = (start.command != UNDO_COMMAND).then_some(start.input.as_str());
                view.run_started(input);
                unended_run = Some(start.clone());
                if start.command != UNDO_COMMAND {
                    readings.note(&start);
                    last_run = Some(LastRun { start, end: None });
                }
            }
            LedgerRecord::RunEnded(end) => {
                unended_run = unended_run.filter(|start| start.run != end.run);
                pace_milli = end.pace_milli.or(pace_milli);
                if end.ended == EndedAs::Completed {
                    view.run_completed();
                }
                if let Some(run) = last_run.as_mut().filter(|run| run.start.run == end.run) {
                    run.end = Some(*end);
                }
            }
            LedgerRecord::Invalid(row) => {
                // Older ledgers name no key: the row is known by its number in that run.
                let key = row.key.unwrap_or_else(|| RowKey::of_broken(format!("{runs} {}", row.row).as_bytes()));
                view.note_invalid(key, row.code);
            }
            LedgerRecord::Superseded(row) => view.note_superseded(row.key, row.by.is_some()),
            LedgerRecord::Reinstated(row) => view.note_reinstated(row.key),
            _ => {}
        }
    }
    let (whole_lines, torn_bytes) = (reader.whole_lines(), reader.torn_bytes());
    Ok(LoadedLedger {
        header,
        view,
        last_run,
        unended_run,
        pace_milli,
        readings,
        runs,
        last_at,
        whole_lines,
        torn_bytes,
    })
}
