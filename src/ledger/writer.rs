//! From records to storage: collected in memory, written together, synced on request; dead after the first failure.

use std::io;

use super::chain::ChainHead;
use super::checked_line::{CheckedLine, LineHash};
use super::error::{DisplacedHow, LedgerError, LedgerOperation, Rescue};
use super::reader::{self, WholeLines};
use super::record::LedgerRecord;
use super::storage::{Displacement, LedgerStorage};
use crate::limits::{LEDGER_BUFFER_BYTES, LEDGER_LINE_BYTES_MAX, LEDGER_REREADS_MAX};

pub(super) struct LedgerWriter {
    storage: Box<dyn LedgerStorage>,
    buffer: Vec<u8>,
    /// The state of the hash chain after the last line.
    head: ChainHead,
    /// Where the next line starts, in bytes.
    position: u64,
    unsynced_lines: usize,
    /// How often the file may still be read again.
    rereads_left: u32,
    /// The first failure. From then on the page cache cannot be trusted, and a second sync would wrongly succeed.
    failure: Option<LedgerError>,
}

impl LedgerWriter {
    /// Writes behind lines that end with this `head`, at this `position`.
    pub(super) fn new(storage: Box<dyn LedgerStorage>, head: ChainHead, position: u64) -> Self {
        Self {
            storage,
            buffer: Vec::new(),
            head,
            position,
            unsynced_lines: 0,
            rereads_left: LEDGER_REREADS_MAX,
            failure: None,
        }
    }

    /// Adds a record to the buffer; writes when the buffer is full.
    pub(super) fn append(&mut self, record: &LedgerRecord<'_>) -> Result<(), LedgerError> {
        self.append_line(record).map(|_| ())
    }

    /// As [`Self::append`], and returns where the line is.
    pub(super) fn append_line(&mut self, record: &LedgerRecord<'_>) -> Result<CheckedLine, LedgerError> {
        self.alive()?;
        let start = self.buffer.len();
        let encoded = serde_json::to_writer(&mut self.buffer, record);
        self.remember(LedgerOperation::Write, encoded.map_err(io::Error::from))?;
        let head = self.head.seal(&mut self.buffer, start);
        let bytes = self.buffer.len() - start;
        if bytes > LEDGER_LINE_BYTES_MAX {
            self.buffer.truncate(start);
            return Err(LedgerError::LineTooLong { place: self.storage.place(), bytes });
        }
        let line = CheckedLine { offset: self.position, hash: LineHash::of(&self.buffer[start..]) };
        self.head = head;
        self.buffer.push(b'\n');
        self.position += bytes as u64 + 1;
        self.unsynced_lines += 1;
        if self.buffer.len() >= LEDGER_BUFFER_BYTES {
            self.flush()?;
        }
        Ok(line)
    }

    /// Hands everything in the buffer to the system.
    pub(super) fn flush(&mut self) -> Result<(), LedgerError> {
        self.alive()?;
        if self.buffer.is_empty() {
            return Ok(());
        }
        let written = self.storage.append(&self.buffer);
        self.buffer.clear();
        self.remember(LedgerOperation::Write, written)
    }

    /// Makes everything durable.
    pub(super) fn sync(&mut self) -> Result<(), LedgerError> {
        self.flush()?;
        if self.unsynced_lines > 0 {
            let synced = self.storage.sync();
            self.remember(LedgerOperation::Sync, synced)?;
        }
        self.check_place()?;
        self.unsynced_lines = 0;
        Ok(())
    }

    /// What is durable in a file that nobody finds is lost.
    fn check_place(&mut self) -> Result<(), LedgerError> {
        let found = self.storage.displacement();
        let place = self.storage.place();
        match found {
            Ok(None) => self.check_lines(),
            Ok(Some(Displacement { how, rescue })) => self.fail(LedgerError::Displaced { place, how, rescue }),
            Err(error) => self.fail(LedgerError::io(LedgerOperation::Sync, place, &error)),
        }
    }

    /// A file that somebody else may have written to must still have our lines. Everything is written by now.
    fn check_lines(&mut self) -> Result<(), LedgerError> {
        let place = self.storage.place();
        let failure = match self.storage.take_touched() {
            Ok(true) if self.rereads_left > 0 => {
                self.rereads_left -= 1;
                match reader::read_whole_lines(&*self.storage) {
                    Ok(WholeLines { bytes, head, .. }) if (bytes, head) == (self.position, self.head) => return Ok(()),
                    Ok(_) => {
                        LedgerError::Displaced { place, how: DisplacedHow::WrittenByOthers, rescue: Rescue::NotNeeded }
                    }
                    Err(error) => error,
                }
            }
            Ok(_) => return Ok(()),
            Err(error) => LedgerError::io(LedgerOperation::Sync, place, &error),
        };
        self.fail(failure)
    }

    /// Makes the first lines of a new ledger durable, and that it exists.
    pub(super) fn sync_created(&mut self) -> Result<(), LedgerError> {
        self.flush()?;
        let synced = self.storage.sync_created();
        self.remember(LedgerOperation::Sync, synced)?;
        self.check_place()?;
        self.unsynced_lines = 0;
        Ok(())
    }

    pub(super) fn storage(&self) -> &dyn LedgerStorage {
        &*self.storage
    }

    pub(super) fn head(&self) -> ChainHead {
        self.head
    }

    pub(super) fn unsynced_lines(&self) -> usize {
        self.unsynced_lines
    }

    fn alive(&self) -> Result<(), LedgerError> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    fn remember(&mut self, operation: LedgerOperation, result: io::Result<()>) -> Result<(), LedgerError> {
        result.or_else(|error| self.fail(LedgerError::io(operation, self.storage.place(), &error)))
    }

    /// Keeps a failure for all later calls.
    fn fail(&mut self, failure: LedgerError) -> Result<(), LedgerError> {
        self.failure = Some(failure.clone());
        Err(failure)
    }
}
