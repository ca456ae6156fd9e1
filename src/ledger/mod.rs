//! The ledger: what was announced, what the results were, and so the state of every row.
//!
//! One append-only file of JSON lines with one owner, who calls it in order; nothing here waits or shares. A state
//! changes only as [`next_state`] allows, live and when the file is read back. No call may be sent before its
//! announcement is synced: then a crash at any moment leaves each row either settled or in doubt, never forgotten.
//!
//! When somebody changes the file, the hash chain shows it: see [`chain`]. What it cannot show is that whole lines are
//! missing at the end; for that, the head of the chain is printed after each run, and `verify --head` looks for it.

pub mod chain;
mod checked_line;
mod contents;
mod corrections;
mod error;
mod links_to_undo;
mod reader;
pub mod record;
mod reread;
pub mod storage;
mod view;
mod writer;

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod tests;

use std::path::Path;

use crate::clock::UnixMs;
use crate::domain::control::{ControlChange, ControlSource};
use crate::domain::finding::Finding;
use crate::domain::identity::{DestinationUser, ExternalIdentity, IdentityError};
use crate::domain::outcome::{LinkOutcome, UndoOutcome};
use crate::domain::row::{Row, RowKey, RowNumber};
use crate::domain::state::{RowEvent, RowState, next_state};
use crate::limits::LEDGER_WORD_CHARS_MAX;
pub use chain::ChainHead;
use checked_line::CheckedLine;
pub use contents::{
    InputReading, LastRun, LedgerContents, find_head, held_binding, load_contents, read_header, read_records,
};
use contents::{InputReadings, LoadedLedger};
pub use corrections::{Corrections, InputPresence, superseded_identities};
pub use error::{DisplacedHow, LedgerError, LedgerOperation, LockHolder};
use links_to_undo::row_of;
pub use links_to_undo::{LinkToUndo, LinksToUndo, UndoSelection, UndoSelectionCounts};
use reader::WholeLines;
pub use record::Binding;
pub use record::RowTrace;
pub use record::identity_hash;
use record::{
    Announcement, Attempt, EndedAs, FORMAT_VERSION, FailedCall, InvalidRow, LedgerHeader, LedgerRecord, RunControlled,
    RunEnd, RunId, RunStart, Settlement, TOOL_VERSION, UNDO_COMMAND, UnlinkSettlement, Withdrawal, cut_after,
};
use reread::read_again;
use storage::{DiscardStorage, FileAccess, FileStorage, LedgerStorage, refuse_beside_rescued};
pub use view::{LedgerInput, LedgerView, RowStanding, SupersededCounts};
use writer::LedgerWriter;

/// A ledger that this process alone writes.
pub struct Ledger {
    writer: LedgerWriter,
    view: LedgerView,
    last_run: Option<LastRun>,
    pace_milli: Option<u64>,
    readings: InputReadings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    pub created: bool,
    /// Bytes of half a line or of NULs that a crash had left at the end, and that were cut.
    pub cut_bytes: u64,
    /// Rows that it holds in any state.
    pub rows: u64,
    /// Who else could read it.
    pub access: FileAccess,
}

impl Ledger {
    /// Opens or creates a ledger file (mode 0600) and takes its lock, which is held as long as the value lives. A file
    /// that is refused is left as it was.
    pub fn open(path: &Path, binding: &Binding, now: UnixMs) -> Result<(Self, Opened), LedgerError> {
        Self::on_storage(Box::new(FileStorage::open(path)?), binding, now)
    }

    /// Reads a ledger file without locking it. What is recorded later changes the view and not the file.
    pub fn open_read_only(path: &Path, binding: &Binding) -> Result<Self, LedgerError> {
        let LedgerContents { view, last_run, pace_milli, readings, head, .. } =
            contents::load_contents_of(path, Some(binding))?;
        let writer = LedgerWriter::new(Box::new(DiscardStorage::default()), head, 0);
        Ok(Self { writer, view, last_run, pace_milli, readings })
    }

    /// Reads a ledger file, or starts without one where there is none. No file is locked, created or changed.
    pub fn preview(path: &Path, binding: &Binding, now: UnixMs) -> Result<Self, LedgerError> {
        refuse_beside_rescued(path)?;
        if path.exists() {
            return Self::open_read_only(path, binding);
        }
        Ok(Self::on_storage(Box::new(DiscardStorage::default()), binding, now)?.0)
    }

    /// Opens or starts a ledger on any storage: locks it, replays it, cuts a torn tail, and writes the header of a new one.
    pub fn on_storage(
        mut storage: Box<dyn LedgerStorage>,
        binding: &Binding,
        now: UnixMs,
    ) -> Result<(Self, Opened), LedgerError> {
        let access = storage.lock()?;
        let loaded = contents::load(&*storage, Some(binding))?;
        repair(&mut *storage, &loaded)?;
        let created = loaded.header.is_none();
        let rows = loaded.view.states().count() as u64;
        let WholeLines { head, bytes, newline_missing, .. } = loaded.whole_lines;
        let mut ledger = Self {
            writer: LedgerWriter::new(storage, head, bytes + u64::from(newline_missing)),
            view: loaded.view,
            last_run: loaded.last_run,
            pace_milli: loaded.pace_milli,
            readings: loaded.readings,
        };
        if created {
            let tool = TOOL_VERSION.to_owned();
            let header = LedgerHeader { format: FORMAT_VERSION, binding: binding.clone(), created: now, tool };
            ledger.writer.append(&LedgerRecord::Header(header))?;
            ledger.writer.sync_created()?;
        }
        Ok((ledger, Opened { created, cut_bytes: loaded.torn_bytes, rows, access }))
    }

    /// Returns `Unprocessed` for a row that the ledger does not hold.
    pub fn state(&self, key: RowKey) -> RowState {
        self.view.state(key)
    }

    /// For a row whose link or unlink is in doubt, the earliest announcement since it was last out of doubt: the earliest
    /// that the service's clock can have shown then.
    pub fn announced_at(&self, key: RowKey) -> Option<UnixMs> {
        self.view.announced_at(key)
    }

    /// When `undo` last unlinked a row: see [`LedgerView::unlinked_at`].
    pub fn unlinked_at(&self, key: RowKey) -> Option<UnixMs> {
        self.view.unlinked_at(key)
    }

    /// The user whom the newest announcement of a row in doubt names; `None` for any other row. A rehearsal keeps no line, so
    /// it returns `None` there.
    #[expect(clippy::redundant_closure_for_method_calls, reason = "the method is for one lifetime only")]
    pub fn announced_user(&mut self, key: RowKey) -> Result<Option<DestinationUser>, LedgerError> {
        self.read_announcement(key, |call| call.destination())
    }

    /// A row in doubt as its newest announcement has it, with the number that it had then; `None` for any other row, and in
    /// a rehearsal.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn announced_row(&mut self, key: RowKey) -> Result<Option<Row>, LedgerError> {
        self.read_announcement(key, row_of)
    }

    fn read_announcement<T>(
        &mut self,
        key: RowKey,
        read: impl Fn(&Announcement<'_>) -> Result<T, IdentityError>,
    ) -> Result<Option<T>, LedgerError> {
        let Some(CheckedLine { offset, hash }) = self.view.newest_announcement(key) else { return Ok(None) };
        self.writer.flush()?;
        if !self.writer.storage().keeps_lines() {
            return Ok(None);
        }
        read_again(self.writer.storage(), [offset], hash, |[line]| {
            match record::decode(line).map_err(|error| error.to_string())? {
                LedgerRecord::Announced(call) | LedgerRecord::UnlinkAnnounced(call) if call.key == key => {
                    read(&call).map(Some).map_err(|error| format!("a value that cannot be sent: {error}"))
                }
                _ => Err("another record than was there a moment ago".to_owned()),
            }
        })
    }

    pub fn view(&self) -> &LedgerView {
        &self.view
    }

    /// The last run other than `undo`; before [`Ledger::run_started`] that is the one before.
    pub fn last_run(&self) -> Option<&LastRun> {
        self.last_run.as_ref()
    }

    /// The quota that earlier runs have found by being throttled, in thousandths of a call a second.
    pub fn pace_milli(&self) -> Option<u64> {
        self.pace_milli
    }

    /// Rows of an input in the last run that counted them, by its path as it was given.
    pub fn rows_of_input(&self, input: &str) -> Option<u64> {
        self.readings.of(input).map(|reading| reading.rows)
    }

    pub fn run_started(&mut self, start: &RunStart) -> Result<(), LedgerError> {
        self.writer.append(&LedgerRecord::RunStarted(start.clone()))?;
        self.view.run_started((start.command != UNDO_COMMAND).then_some(start.input.as_str()));
        if start.command != UNDO_COMMAND {
            self.readings.note(start);
            self.last_run = Some(LastRun { start: start.clone(), end: None });
        }
        Ok(())
    }

    /// Records that a row is about to be sent, with the destination exactly as it will be. No call before the next
    /// [`Ledger::sync`].
    pub fn announce(&mut self, row: &Row, destination: &DestinationUser, at: UnixMs) -> Result<(), LedgerError> {
        let call = Announcement::new(row, destination, &row.link.source, at).with_place_of(&row.link);
        self.append_event(row.number, row.key, RowEvent::Announced, at, &LedgerRecord::Announced(call))
    }

    /// Records that an announced row was not sent.
    pub fn withdraw(&mut self, row: RowNumber, key: RowKey, at: UnixMs) -> Result<(), LedgerError> {
        let withdrawal = LedgerRecord::Withdrawn(Withdrawal { row, key, at });
        self.append_event(row, key, RowEvent::Withdrawn, at, &withdrawal)
    }

    /// Records how a row ended. The service's texts are kept as they are, up to their bounds.
    pub fn settle(
        &mut self,
        row: RowNumber,
        key: RowKey,
        outcome: &LinkOutcome,
        attempts: u32,
        request_id: Option<&str>,
        at: UnixMs,
    ) -> Result<(), LedgerError> {
        self.settle_traced(row, key, outcome, RowTrace { attempts, request_id, ..RowTrace::default() }, at)
    }

    /// Records how a row ended, and what was seen of its destination.
    ///
    /// # Errors
    /// As [`Ledger::settle`].
    pub fn settle_traced(
        &mut self,
        row: RowNumber,
        key: RowKey,
        outcome: &LinkOutcome,
        trace: RowTrace<'_>,
        at: UnixMs,
    ) -> Result<(), LedgerError> {
        // An announcement has the place already.
        let place = trace.place.filter(|_| self.view.state(key) != RowState::InDoubt);
        let settlement = Settlement::new(row, key, outcome, RowTrace { place, ..trace }, at);
        self.append_event(row, key, RowEvent::Settled(outcome.state()), at, &LedgerRecord::Settled(settlement))
    }

    /// Records that a row is about to be unlinked, with the identity exactly as it will be named. No call before
    /// the next [`Ledger::sync`].
    pub fn announce_unlink(
        &mut self,
        row: &Row,
        destination: &DestinationUser,
        identity: &ExternalIdentity,
        at: UnixMs,
    ) -> Result<(), LedgerError> {
        let call = Announcement::new(row, destination, identity, at);
        self.append_event(row.number, row.key, RowEvent::UnlinkAnnounced, at, &LedgerRecord::UnlinkAnnounced(call))
    }

    /// Records how the unlinking of a row ended. The service's texts are kept as they are, up to their bounds.
    pub fn settle_unlink(
        &mut self,
        row: RowNumber,
        key: RowKey,
        outcome: &UndoOutcome,
        trace: RowTrace<'_>,
        at: UnixMs,
    ) -> Result<(), LedgerError> {
        let settlement = UnlinkSettlement::new(row, key, outcome, trace, at);
        self.append_event(
            row,
            key,
            RowEvent::UnlinkEnded(outcome.state()),
            at,
            &LedgerRecord::UnlinkSettled(settlement),
        )
    }

    /// Records that an announced unlink was not sent.
    pub fn withdraw_unlink(&mut self, row: RowNumber, key: RowKey, at: UnixMs) -> Result<(), LedgerError> {
        let settlement = UnlinkSettlement::withdrawn(row, key, at);
        self.append_event(
            row,
            key,
            RowEvent::UnlinkEnded(RowState::Linked),
            at,
            &LedgerRecord::UnlinkSettled(settlement),
        )
    }

    /// Records a call for a row that did not succeed. It changes no state.
    pub fn attempt(&mut self, row: RowNumber, key: RowKey, call: &FailedCall<'_>) -> Result<(), LedgerError> {
        self.writer.append(&LedgerRecord::Attempt(Attempt::new(row, key, call)))
    }

    /// Records that a row of the input is invalid, with its first error.
    pub fn invalid(&mut self, row: RowNumber, key: RowKey, finding: &Finding, at: UnixMs) -> Result<(), LedgerError> {
        self.view.note_invalid(key, finding.code);
        self.writer.append(&LedgerRecord::Invalid(InvalidRow {
            row,
            key: Some(key),
            code: finding.code,
            line: finding.line,
            field: finding.field,
            column: cut_after(&finding.column, LEDGER_WORD_CHARS_MAX).into(),
            at,
        }))
    }

    /// Records that a person, a file or the schedule has changed how a run goes on.
    pub fn run_controlled(
        &mut self,
        run: RunId,
        change: ControlChange,
        source: ControlSource,
        user: Option<&str>,
        at: UnixMs,
    ) -> Result<(), LedgerError> {
        self.writer.append(&LedgerRecord::Control(RunControlled::new(run, change, source, user, at)))
    }

    /// Records that a run ends in order. The counts by code are not kept.
    pub fn run_ended(&mut self, end: &RunEnd) -> Result<(), LedgerError> {
        self.writer.append(&LedgerRecord::RunEnded(Box::new(end.clone())))?;
        if end.ended == EndedAs::Completed {
            self.view.run_completed();
        }
        if let Some(run) = self.last_run.as_mut().filter(|run| run.start.run == end.run) {
            run.end = Some(end.clone());
        }
        Ok(())
    }

    /// Hands everything recorded to the system: from here on it survives this process, and counts as done. After an
    /// error every later call fails, too.
    pub fn flush(&mut self) -> Result<(), LedgerError> {
        self.writer.flush()
    }

    /// Makes everything recorded durable: from here on it survives a power failure. After an error every later call
    /// fails, too, because a second sync would wrongly succeed.
    pub fn sync(&mut self) -> Result<(), LedgerError> {
        self.writer.sync()
    }

    /// The state of the hash chain after everything recorded.
    pub fn head(&self) -> ChainHead {
        self.writer.head()
    }

    /// Lines recorded since the last sync.
    pub fn unsynced_lines(&self) -> usize {
        self.writer.unsynced_lines()
    }

    /// Appends a record that changes the state of a row, if the event can follow that state.
    fn append_event(
        &mut self,
        row: RowNumber,
        key: RowKey,
        event: RowEvent,
        at: UnixMs,
        record: &LedgerRecord<'_>,
    ) -> Result<(), LedgerError> {
        let next =
            next_state(self.view.state(key), event).map_err(|illegal| LedgerError::Illegal { row, key, illegal })?;
        let line = self.writer.append_line(record)?;
        self.view.note(key, event, next, (at, line));
        Ok(())
    }
}

/// Cuts what a crash left, and adds the last line's line end where a person has removed it.
fn repair(storage: &mut dyn LedgerStorage, loaded: &LoadedLedger) -> Result<(), LedgerError> {
    let WholeLines { bytes, newline_missing, .. } = loaded.whole_lines;
    if loaded.torn_bytes == 0 && !newline_missing {
        return Ok(());
    }
    let repaired = storage.truncate(bytes).and_then(|()| {
        if newline_missing {
            storage.append(b"\n")?;
        }
        storage.sync()
    });
    repaired.map_err(|error| LedgerError::io(LedgerOperation::Repair, storage.place(), &error))
}
