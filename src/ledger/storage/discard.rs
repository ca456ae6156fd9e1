//! A ledger that keeps no line: for rehearsals, and for ledgers that are only read.

use std::io;

use super::{FileAccess, LedgerSource, LedgerStorage};
use crate::ledger::error::LedgerError;

/// Keeps only the length. Nothing reads the lines of such a ledger, only its view.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiscardStorage {
    length: u64,
}

impl LedgerSource for DiscardStorage {
    fn place(&self) -> String {
        "of a rehearsal".to_owned()
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.length)
    }

    /// There is never anything to read: a rehearsal starts from nothing.
    fn read_at(&self, _offset: u64, _buffer: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}

impl LedgerStorage for DiscardStorage {
    fn lock(&mut self) -> Result<FileAccess, LedgerError> {
        Ok(FileAccess::default())
    }

    fn keeps_lines(&self) -> bool {
        false
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn truncate(&mut self, size: u64) -> io::Result<()> {
        self.length = self.length.min(size);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn sync_created(&mut self) -> io::Result<()> {
        Ok(())
    }
}
