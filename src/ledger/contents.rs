//! What a ledger holds, read without its lock: for reports, and for a run that opens it to write.

use std::ops::ControlFlow;
use std::path::Path;

use super::error::LedgerError;
use super::reader::{self, Reader, RecordAt, WholeLines};
use super::record::{Binding, Header, Record, RunEnd, RunStart, UNDO_COMMAND};
use super::storage::{FileSource, Source};
use super::view::View;

/// The last run of a ledger that worked on an input: `undo` does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRun {
    pub start: RunStart,
    /// `None` while it runs, or when it was killed.
    pub end: Option<RunEnd>,
}

/// What a ledger holds.
#[derive(Debug)]
pub struct Contents {
    pub header: Header,
    pub view: View,
    pub last_run: Option<LastRun>,
    /// The quota that the last run which was throttled has found, in thousandths of a call a second.
    pub pace_milli: Option<u64>,
}

/// Reads a ledger's records one by one, the header first, without the lock, and returns the header.
///
/// Records are checked one by one and not against each other: that is [`load_view`].
///
/// # Errors
/// [`LedgerError::Io`], `Damaged`, `Version` and `NotALedger`.
pub fn read(path: &Path, visit: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>) -> Result<Header, LedgerError> {
    let source = FileSource::open(path)?;
    let header = reader::read_header(&source)?;
    let mut reader = Reader::new(&source)?;
    while let Some(RecordAt { record, .. }) = reader.next_record()? {
        if visit(record).is_break() {
            break;
        }
    }
    Ok(header)
}

/// Reads the state of every row of a ledger, without the lock.
///
/// # Errors
/// [`LedgerError::Io`], `Damaged`, `Version` and `NotALedger`.
pub fn load_view(path: &Path) -> Result<Contents, LedgerError> {
    load_bound(path, None)
}

/// Reads what a ledger belongs to, and nothing else.
///
/// # Errors
/// [`LedgerError::Io`], `Damaged`, `Version` and `NotALedger`.
pub fn header(path: &Path) -> Result<Header, LedgerError> {
    reader::read_header(&FileSource::open(path)?)
}

/// As [`load_view`], for a ledger that must belong to a certain pool.
pub(super) fn load_bound(path: &Path, wanted: Option<&Binding>) -> Result<Contents, LedgerError> {
    let source = FileSource::open(path)?;
    let Loaded { header, view, last_run, pace_milli, .. } = load(&source, wanted)?;
    let header = header.ok_or_else(|| LedgerError::NotALedger { place: source.place() })?;
    Ok(Contents { header, view, last_run, pace_milli })
}

/// What [`load`] found.
pub(super) struct Loaded {
    /// `None` where there is not even a whole header.
    pub(super) header: Option<Header>,
    pub(super) view: View,
    pub(super) last_run: Option<LastRun>,
    pub(super) pace_milli: Option<u64>,
    pub(super) whole_lines: WholeLines,
    pub(super) torn_bytes: u64,
}

/// Replays a ledger. Where a binding is given, nothing but the header is read from a ledger of another pool.
pub(super) fn load(source: &dyn Source, wanted: Option<&Binding>) -> Result<Loaded, LedgerError> {
    let mut header = None;
    let mut view = View::new();
    let mut last_run: Option<LastRun> = None;
    let mut pace_milli = None;
    let mut reader = Reader::new(source)?;
    while let Some(RecordAt { line, offset, record }) = reader.next_record()? {
        let damaged = |reason: String| reader::damaged(source, line, offset, &reason);
        if let Some((key, event, at)) = record.row_event().map_err(|error| damaged(error.to_string()))? {
            view.replay(key, event, at).map_err(|illegal| damaged(illegal.to_string()))?;
            continue;
        }
        match record {
            Record::Header(found) => {
                if let Some(wanted) = wanted.filter(|wanted| **wanted != found.binding) {
                    let (place, wanted) = (source.place(), wanted.clone());
                    return Err(LedgerError::Mismatch { place, held: found.binding, wanted });
                }
                header = Some(found);
            }
            Record::RunStarted(start) if start.command != UNDO_COMMAND => {
                last_run = Some(LastRun { start, end: None });
            }
            Record::RunEnded(end) => {
                pace_milli = end.pace_milli.or(pace_milli);
                if let Some(run) = last_run.as_mut().filter(|run| run.start.run == end.run) {
                    run.end = Some(*end);
                }
            }
            _ => {}
        }
    }
    let (whole_lines, torn_bytes) = (reader.whole_lines(), reader.torn_bytes());
    Ok(Loaded { header, view, last_run, pace_milli, whole_lines, torn_bytes })
}
