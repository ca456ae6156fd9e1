//! Lines to storage: gathered in memory, written together, synced when asked; dead after the first failure.

use std::io;

use super::error::LedgerError;
use super::record::{self, Record};
use super::storage::Storage;
use crate::limits::{LEDGER_BUFFER_BYTES, LEDGER_LINE_BYTES_MAX};

pub(super) struct Writer {
    storage: Box<dyn Storage>,
    buffer: Vec<u8>,
    unsynced_lines: usize,
    /// The first failure. From then on the page cache cannot be trusted, and a second sync would wrongly succeed.
    failure: Option<LedgerError>,
}

impl Writer {
    pub(super) fn new(storage: Box<dyn Storage>) -> Self {
        Self { storage, buffer: Vec::new(), unsynced_lines: 0, failure: None }
    }

    /// Gathers a record; writes when the buffer is full.
    pub(super) fn append(&mut self, record: &Record<'_>) -> Result<(), LedgerError> {
        self.alive()?;
        let start = self.buffer.len();
        record::encode(record, &mut self.buffer);
        let bytes = self.buffer.len() - start - 1;
        if bytes > LEDGER_LINE_BYTES_MAX {
            self.buffer.truncate(start);
            return Err(LedgerError::LineTooLong { place: self.storage.place(), bytes });
        }
        self.unsynced_lines += 1;
        if self.buffer.len() >= LEDGER_BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// Hands everything gathered to the system.
    pub(super) fn flush(&mut self) -> Result<(), LedgerError> {
        self.alive()?;
        if self.buffer.is_empty() {
            return Ok(());
        }
        let written = self.storage.append(&self.buffer);
        self.buffer.clear();
        self.noted("write", written)
    }

    /// Makes everything durable.
    pub(super) fn sync(&mut self) -> Result<(), LedgerError> {
        self.flush()?;
        if self.unsynced_lines == 0 {
            return Ok(());
        }
        let synced = self.storage.sync();
        self.noted("sync", synced)?;
        self.unsynced_lines = 0;
        Ok(())
    }

    /// Makes the first lines of a new ledger durable, and that it exists.
    pub(super) fn sync_created(&mut self) -> Result<(), LedgerError> {
        self.flush()?;
        let synced = self.storage.sync_created();
        self.noted("sync", synced)?;
        self.unsynced_lines = 0;
        Ok(())
    }

    pub(super) fn unsynced_lines(&self) -> usize {
        self.unsynced_lines
    }

    fn alive(&self) -> Result<(), LedgerError> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    fn noted(&mut self, action: &'static str, result: io::Result<()>) -> Result<(), LedgerError> {
        result.map_err(|error| {
            let failure = LedgerError::io(action, self.storage.place(), &error);
            self.failure = Some(failure.clone());
            failure
        })
    }
}
