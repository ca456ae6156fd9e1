//! From records to storage: collected in memory, written together, synced on request; dead after the first failure.

use std::io;

use super::error::{LedgerError, LedgerOperation};
use super::record::LedgerRecord;
use super::storage::LedgerStorage;
use crate::limits::{LEDGER_BUFFER_BYTES, LEDGER_LINE_BYTES_MAX};

pub(super) struct LedgerWriter {
    storage: Box<dyn LedgerStorage>,
    buffer: Vec<u8>,
    unsynced_lines: usize,
    /// The first failure. From then on the page cache cannot be trusted, and a second sync would wrongly succeed.
    failure: Option<LedgerError>,
}

impl LedgerWriter {
    pub(super) fn new(storage: Box<dyn LedgerStorage>) -> Self {
        Self { storage, buffer: Vec::new(), unsynced_lines: 0, failure: None }
    }

    /// Adds a record to the buffer; writes when the buffer is full.
    pub(super) fn append(&mut self, record: &LedgerRecord<'_>) -> Result<(), LedgerError> {
        self.alive()?;
        let start = self.buffer.len();
        let encoded = serde_json::to_writer(&mut self.buffer, record);
        self.remember(LedgerOperation::Write, encoded.map_err(io::Error::from))?;
        let bytes = self.buffer.len() - start;
        if bytes > LEDGER_LINE_BYTES_MAX {
            self.buffer.truncate(start);
            return Err(LedgerError::LineTooLong { place: self.storage.place(), bytes });
        }
        self.buffer.push(b'\n');
        self.unsynced_lines += 1;
        if self.buffer.len() >= LEDGER_BUFFER_BYTES { self.flush() } else { Ok(()) }
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
        if self.unsynced_lines == 0 {
            return Ok(());
        }
        let synced = self.storage.sync();
        self.remember(LedgerOperation::Sync, synced)?;
        self.unsynced_lines = 0;
        Ok(())
    }

    /// Makes the first lines of a new ledger durable, and that it exists.
    pub(super) fn sync_created(&mut self) -> Result<(), LedgerError> {
        self.flush()?;
        let synced = self.storage.sync_created();
        self.remember(LedgerOperation::Sync, synced)?;
        self.unsynced_lines = 0;
        Ok(())
    }

    pub(super) fn unsynced_lines(&self) -> usize {
        self.unsynced_lines
    }

    fn alive(&self) -> Result<(), LedgerError> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    /// Keeps a failure for all later calls.
    fn remember(&mut self, operation: LedgerOperation, result: io::Result<()>) -> Result<(), LedgerError> {
        result.map_err(|error| {
            let failure = LedgerError::io(operation, self.storage.place(), &error);
            self.failure = Some(failure.clone());
            failure
        })
    }
}
