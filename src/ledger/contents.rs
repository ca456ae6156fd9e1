//! What a ledger holds, read without its lock: for reports, and for whoever opens it to write.

use std::ops::ControlFlow;
use std::path::Path;

use super::error::{Binding, LedgerError};
use super::reader::{self, Scan, Spot};
use super::record::{Header, Record, RunEnd, RunStart, UNDO_COMMAND};
use super::storage::{FileSource, Source};
use super::view::{Loader, Misfit, View};
use crate::domain::state::RowEvent;

/// The last run that a ledger tells of and that worked an input off: one of `undo` is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRun {
    /// Its start.
    pub start: RunStart,
    /// Its orderly end; `None` while it runs, or when it was killed.
    pub end: Option<RunEnd>,
}

/// What a ledger holds.
#[derive(Debug)]
pub struct Contents {
    /// What the ledger belongs to.
    pub header: Header,
    /// Where every row stands.
    pub view: View,
    /// The last run.
    pub last_run: Option<LastRun>,
    /// The quota that the last run which was throttled has found, in thousandths of a call a second.
    pub pace_milli: Option<u64>,
}

/// What [`read`] went through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadSummary {
    /// What the ledger belongs to.
    pub header: Header,
    /// Lines that were read, the header included.
    pub lines: u64,
    /// Bytes of half a line or of NULs at the end, which were left out: a crash left them, or a run is writing.
    pub torn_bytes: u64,
}

/// Reads a ledger's records one by one, the header first, without the lock and without changing anything.
///
/// Records are checked one by one and not against each other: that is [`load_view`].
///
/// # Errors
/// [`LedgerError::Io`], `Damaged`, `Version` and `NotALedger`.
pub fn read(path: &Path, visit: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>) -> Result<ReadSummary, LedgerError> {
    let source = FileSource::open(path)?;
    let scan = reader::scan(&source, |_, record| Ok(visit(record)))?;
    let header = scan.header.ok_or_else(|| LedgerError::NotALedger { place: source.place() })?;
    Ok(ReadSummary { header, lines: scan.lines, torn_bytes: scan.torn_bytes })
}

/// Reads where every row of a ledger stands, without the lock and without changing anything.
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
    Ok(read(path, &mut |_| ControlFlow::Break(()))?.header)
}

/// As [`load_view`], for a ledger that must belong to what is wanted.
pub(super) fn load_bound(path: &Path, wanted: Option<&Binding>) -> Result<Contents, LedgerError> {
    let source = FileSource::open(path)?;
    let loaded = load(&source, wanted)?;
    let header = loaded.scan.header.ok_or_else(|| LedgerError::NotALedger { place: source.place() })?;
    Ok(Contents { header, view: loaded.view, last_run: loaded.last_run, pace_milli: loaded.pace_milli })
}

/// What [`load`] found.
pub(super) struct Loaded {
    pub(super) scan: Scan,
    pub(super) view: View,
    pub(super) last_run: Option<LastRun>,
    pub(super) pace_milli: Option<u64>,
}

/// Replays a ledger; where a binding is wanted, the header is held against it before anything else is read.
pub(super) fn load(source: &dyn Source, wanted: Option<&Binding>) -> Result<Loaded, LedgerError> {
    let mut loader = Loader::new();
    let mut last_run: Option<LastRun> = None;
    let mut pace_milli = None;
    let misfit = |misfit: Misfit| reader::damaged_line(source, misfit.line, &misfit.illegal.to_string());
    let scan = reader::scan(source, |Spot { line, .. }, record| {
        let applied = match record {
            Record::Header(header) => {
                check_binding(source, header.binding, wanted)?;
                Ok(())
            }
            Record::Intent(intent) => loader.apply(line, intent.key, RowEvent::Announced, intent.at),
            Record::Withdrawal(withdrawal) => loader.apply(line, withdrawal.key, RowEvent::Withdrawn, withdrawal.at),
            Record::Settlement(settled) => {
                loader.apply(line, settled.key, RowEvent::Settled(settled.state), settled.at)
            }
            Record::Unlink(intent) => loader.apply(line, intent.key, RowEvent::UnlinkAnnounced, intent.at),
            Record::UnlinkSettlement(settled) => {
                loader.apply(line, settled.key, RowEvent::UnlinkEnded(settled.ended.state()), settled.at)
            }
            Record::RunStart(start) if start.command == UNDO_COMMAND => Ok(()),
            Record::RunStart(start) => {
                last_run = Some(LastRun { start, end: None });
                Ok(())
            }
            Record::RunEnd(end) => {
                pace_milli = end.pace_milli.or(pace_milli);
                if let Some(run) = last_run.as_mut().filter(|run| run.start.run == end.run) {
                    run.end = Some(*end);
                }
                Ok(())
            }
            Record::Invalid(_) => Ok(()),
        };
        applied.map_err(misfit).map(ControlFlow::Continue)
    })?;
    let view = loader.finish().map_err(misfit)?;
    Ok(Loaded { scan, view, last_run, pace_milli })
}

fn check_binding(source: &dyn Source, held: Binding, wanted: Option<&Binding>) -> Result<(), LedgerError> {
    match wanted {
        Some(wanted) if *wanted != held => {
            Err(LedgerError::Mismatch { place: source.place(), held, wanted: wanted.clone() })
        }
        _ => Ok(()),
    }
}
