//! The ledger: what was announced, what came of it, and so where every row stands.
//!
//! One append-only file of JSON lines with one owner, who calls it in order; nothing here waits or shares. A state
//! changes only as [`next_state`] allows, live and when the file is read back. No call may be sent before its
//! announcement is synced: then a crash at any moment leaves each row either settled or in doubt, never forgotten.
//!
//! What is noticed when the file is changed by others: a line that is no record, a state word, a code or a key that
//! no longer fits the lines around it. What cannot be noticed: another digit in a number or a time, another letter in
//! a value, and the key of a row that has only one line, which then belongs to a row that nobody asks about while the
//! right row counts as never attempted and is attempted (again), which the service answers with "already linked".

mod contents;
mod error;
mod made;
mod reader;
pub mod record;
pub mod storage;
mod view;
mod writer;

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::path::Path;

use crate::clock::UnixMs;
use crate::domain::finding::Finding;
use crate::domain::identity::{DestinationUser, ExternalIdentity};
use crate::domain::outcome::{Outcome, ServiceText, UndoOutcome};
use crate::domain::row::{Row, RowKey, RowNumber};
use crate::domain::state::{RowEvent, RowState, next_state};
use crate::limits::{LEDGER_WORD_CHARS_MAX, SERVICE_TEXT_CHARS_MAX};
pub use contents::{Contents, LastRun, ReadSummary, header, load_view, read};
pub use error::{Binding, Holder, LedgerError};
pub use made::{Found, MadeLink, MadeLinks, Selection};
use record::{
    Header, Intent, InvalidRow, PersonalText, Record, RunEnd, RunStart, Settlement, TOOL_VERSION, UNDO_COMMAND,
    UnlinkEnd, UnlinkSettlement, Withdrawal,
};
use storage::{DiscardStorage, FileStorage, Storage};
pub use view::View;
use writer::Writer;

/// A ledger that this process alone writes.
pub struct Ledger {
    writer: Writer,
    view: View,
    last_run: Option<LastRun>,
    pace_milli: Option<u64>,
}

/// What opening a ledger found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// Whether it was made now.
    pub created: bool,
    /// Bytes of half a line or of NULs at the end, which a crash had left and which were cut.
    pub cut_bytes: u64,
    /// Rows that it holds in any state.
    pub rows: u64,
}

impl Ledger {
    /// Opens or creates a ledger file (mode 0600) and takes its lock, which is held as long as the value lives.
    ///
    /// # Errors
    /// [`LedgerError::Locked`], `Mismatch`, `Damaged`, `Version`, `NotALedger`, `Io`. A file that is refused is left
    /// as it was.
    pub fn open(path: &Path, binding: &Binding, now: UnixMs) -> Result<(Self, Opened), LedgerError> {
        Self::on_storage(Box::new(FileStorage::open(path)?), binding, now)
    }

    /// A ledger file as it stands, to rehearse on: nothing that is recorded is kept, and the file is neither locked nor
    /// changed.
    ///
    /// # Errors
    /// [`LedgerError::Io`], `Mismatch`, `Damaged`, `Version` and `NotALedger`.
    pub fn as_it_stands(path: &Path, binding: &Binding) -> Result<Self, LedgerError> {
        let Contents { view, last_run, pace_milli, .. } = contents::load_bound(path, Some(binding))?;
        Ok(Self { writer: Writer::new(Box::new(DiscardStorage::default())), view, last_run, pace_milli })
    }

    /// Opens or starts a ledger on any storage: replays it, cuts a torn tail, and writes the header of a new one.
    ///
    /// # Errors
    /// As [`Ledger::open`], without the lock.
    pub fn on_storage(
        mut storage: Box<dyn Storage>,
        binding: &Binding,
        now: UnixMs,
    ) -> Result<(Self, Opened), LedgerError> {
        let loaded = contents::load(&*storage, Some(binding))?;
        let scan = loaded.scan;
        if scan.torn_bytes > 0 || scan.newline_missing {
            mend(&mut *storage, scan.whole_bytes, scan.newline_missing)?;
        }
        let mut ledger = Self {
            writer: Writer::new(storage),
            view: loaded.view,
            last_run: loaded.last_run,
            pace_milli: loaded.pace_milli,
        };
        let created = scan.header.is_none();
        if created {
            let header = Header { binding: binding.clone(), created: now, tool: TOOL_VERSION.to_owned() };
            ledger.writer.append(&Record::Header(header))?;
            ledger.writer.sync_created()?;
        }
        let rows = ledger.view.states().count() as u64;
        Ok((ledger, Opened { created, cut_bytes: scan.torn_bytes, rows }))
    }

    /// Where a row stands; `Unprocessed` when the ledger does not hold it.
    #[must_use]
    pub fn state(&self, key: RowKey) -> RowState {
        self.view.state(key)
    }

    /// For a row in doubt, either way, the earliest announcement since it was last out of doubt: the earliest that the service's clock
    /// can have shown then.
    #[must_use]
    pub fn announced_at(&self, key: RowKey) -> Option<UnixMs> {
        self.view.announced_at(key)
    }

    /// Where every row stands.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The last run that the ledger tells of, `undo` left out; before [`Ledger::run_started`] that is the one before.
    #[must_use]
    pub fn last_run(&self) -> Option<&LastRun> {
        self.last_run.as_ref()
    }

    /// The quota that earlier runs have found by being throttled, in thousandths of a call a second.
    #[must_use]
    pub fn pace_milli(&self) -> Option<u64> {
        self.pace_milli
    }

    /// Records that a run starts.
    ///
    /// # Errors
    /// [`LedgerError::Io`], `LineTooLong`.
    pub fn run_started(&mut self, start: &RunStart) -> Result<(), LedgerError> {
        self.writer.append(&Record::RunStart(start.clone()))?;
        if start.command != UNDO_COMMAND {
            self.last_run = Some(LastRun { start: start.clone(), end: None });
        }
        Ok(())
    }

    /// Records that a row is about to be sent, with the destination exactly as it will be. No call before the next
    /// [`Ledger::sync`].
    ///
    /// # Errors
    /// [`LedgerError::Illegal`] for a row that is linked; `Io`, `LineTooLong`.
    pub fn announce(&mut self, row: &Row, destination: &DestinationUser, at: UnixMs) -> Result<(), LedgerError> {
        let intent = Record::Intent(Intent::of(row, destination, at));
        self.change(row.number, row.key, RowEvent::Announced, at, &intent)
    }

    /// Records that an announced row was not sent.
    ///
    /// # Errors
    /// [`LedgerError::Illegal`] for a row that is not in doubt; `Io`.
    pub fn withdraw(&mut self, row: RowNumber, key: RowKey, at: UnixMs) -> Result<(), LedgerError> {
        let withdrawal = Record::Withdrawal(Withdrawal { key, row, at });
        self.change(row, key, RowEvent::Withdrawn, at, &withdrawal)
    }

    /// Records how a row ended. The service's texts are kept as they are, up to their bounds.
    ///
    /// # Errors
    /// [`LedgerError::Illegal`] where the outcome cannot follow the row's state; `Io`.
    pub fn settle(
        &mut self,
        row: RowNumber,
        key: RowKey,
        outcome: &Outcome,
        attempts: u32,
        request_id: Option<&str>,
        at: UnixMs,
    ) -> Result<(), LedgerError> {
        let state = outcome.state();
        let settlement = Record::Settlement(Settlement {
            key,
            row,
            state,
            at,
            attempts,
            request_id: request_id.map(|id| cut(id, LEDGER_WORD_CHARS_MAX).into()),
            recovered: matches!(outcome, Outcome::Linked { recovered: true }),
            said: text_of(outcome).map(said),
        });
        self.change(row, key, RowEvent::Settled(state), at, &settlement)
    }

    /// Records that a row's link is about to be taken back, with the identity exactly as it will be named. No call before
    /// the next [`Ledger::sync`].
    ///
    /// # Errors
    /// [`LedgerError::Illegal`] for a row that this tool has not linked; `Io`, `LineTooLong`.
    pub fn announce_unlink(
        &mut self,
        row: &Row,
        destination: &DestinationUser,
        identity: &ExternalIdentity,
        at: UnixMs,
    ) -> Result<(), LedgerError> {
        let intent = Record::Unlink(Intent::to_unlink(row, destination, identity, at));
        self.change(row.number, row.key, RowEvent::UnlinkAnnounced, at, &intent)
    }

    /// Records what the taking back of a row's link came to. The service's texts are kept as they are, up to their bounds.
    ///
    /// # Errors
    /// [`LedgerError::Illegal`] where the end cannot follow the row's state; `Io`.
    pub fn settle_unlink(
        &mut self,
        row: RowNumber,
        key: RowKey,
        outcome: &UndoOutcome,
        attempts: u32,
        request_id: Option<&str>,
        at: UnixMs,
    ) -> Result<(), LedgerError> {
        let settlement = UnlinkSettlement {
            key,
            row,
            ended: outcome.into(),
            at,
            attempts,
            request_id: request_id.map(|id| cut(id, LEDGER_WORD_CHARS_MAX).into()),
            said: outcome.text().map(said),
        };
        self.unlink_ended(settlement)
    }

    /// Records that an announced unlink was not sent.
    ///
    /// # Errors
    /// [`LedgerError::Illegal`] for a row whose unlink is not announced; `Io`.
    pub fn withdraw_unlink(&mut self, row: RowNumber, key: RowKey, at: UnixMs) -> Result<(), LedgerError> {
        let ended = UnlinkEnd::Withdrawn;
        self.unlink_ended(UnlinkSettlement { key, row, ended, at, attempts: 0, request_id: None, said: None })
    }

    fn unlink_ended(&mut self, settlement: UnlinkSettlement<'_>) -> Result<(), LedgerError> {
        let (row, key, at) = (settlement.row, settlement.key, settlement.at);
        let event = RowEvent::UnlinkEnded(settlement.ended.state());
        self.change(row, key, event, at, &Record::UnlinkSettlement(settlement))
    }

    /// Records that a row of the input is invalid, with its first error.
    ///
    /// # Errors
    /// [`LedgerError::Io`].
    pub fn invalid(&mut self, row: RowNumber, finding: &Finding, at: UnixMs) -> Result<(), LedgerError> {
        self.writer.append(&Record::Invalid(InvalidRow {
            code: finding.code,
            row,
            line: finding.line,
            field: finding.field,
            column: cut(&finding.column, LEDGER_WORD_CHARS_MAX).into(),
            at,
        }))
    }

    /// Records that a run ends in order. The counts by code are not kept.
    ///
    /// # Errors
    /// [`LedgerError::Io`].
    pub fn run_ended(&mut self, end: &RunEnd) -> Result<(), LedgerError> {
        self.writer.append(&Record::RunEnd(Box::new(end.clone())))?;
        if let Some(run) = self.last_run.as_mut().filter(|run| run.start.run == end.run) {
            run.end = Some(end.clone());
        }
        Ok(())
    }

    /// Hands everything recorded to the system: from here on it survives this process, and counts as done.
    ///
    /// # Errors
    /// [`LedgerError::Io`]; every later call returns it again.
    pub fn flush(&mut self) -> Result<(), LedgerError> {
        self.writer.flush()
    }

    /// Makes everything recorded durable: from here on it survives a power failure.
    ///
    /// # Errors
    /// [`LedgerError::Io`]; every later call returns it again, because a second sync would wrongly succeed.
    pub fn sync(&mut self) -> Result<(), LedgerError> {
        self.writer.sync()
    }

    /// Lines recorded since the last sync.
    #[must_use]
    pub fn unsynced_lines(&self) -> usize {
        self.writer.unsynced_lines()
    }

    fn change(
        &mut self,
        row: RowNumber,
        key: RowKey,
        event: RowEvent,
        at: UnixMs,
        record: &Record<'_>,
    ) -> Result<(), LedgerError> {
        let next =
            next_state(self.view.state(key), event).map_err(|illegal| LedgerError::Illegal { row, key, illegal })?;
        self.writer.append(record)?;
        self.view.note(key, event, next, at);
        Ok(())
    }
}

/// Cuts what a crash left, and gives the last line the line end that a person has taken from it.
fn mend(storage: &mut dyn Storage, whole_bytes: u64, newline_missing: bool) -> Result<(), LedgerError> {
    let mended = storage.truncate(whole_bytes).and_then(|()| {
        if newline_missing {
            storage.append(b"\n")?;
        }
        storage.sync()
    });
    mended.map_err(|error| LedgerError::io("mend", storage.place(), &error))
}

fn text_of(outcome: &Outcome) -> Option<&ServiceText> {
    match outcome {
        Outcome::Linked { .. } | Outcome::AlreadyLinked => None,
        Outcome::Refused { text, .. } => text.as_ref(),
        Outcome::Failed { text } | Outcome::InDoubt { text } => Some(text),
    }
}

/// What the service said, within its bounds.
fn said(text: &ServiceText) -> (Cow<'_, str>, PersonalText<'_>) {
    let message = cut(&text.message, SERVICE_TEXT_CHARS_MAX);
    (cut(&text.code, LEDGER_WORD_CHARS_MAX).into(), PersonalText::new(message))
}

fn cut(text: &str, chars_max: usize) -> &str {
    text.char_indices().nth(chars_max).map_or(text, |(end, _)| &text[..end])
}
