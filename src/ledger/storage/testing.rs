//! For tests and benches: a ledger in memory that can crash, fill up and fail to sync.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{LedgerSource, LedgerStorage};

/// Bytes in memory. Clones share them, so that a test can look at what a ledger wrote.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage {
    shared: Arc<Mutex<Memory>>,
}

#[derive(Debug, Default)]
struct Memory {
    bytes: Vec<u8>,
    synced: usize,
    appends_left: Option<u64>,
    syncs_left: Option<u64>,
}

impl MemoryStorage {
    /// A storage that holds these bytes, all of them durable.
    pub fn holding(bytes: Vec<u8>) -> Self {
        let synced = bytes.len();
        Self { shared: Arc::new(Mutex::new(Memory { bytes, synced, ..Memory::default() })) }
    }

    /// Everything written so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.memory().bytes.clone()
    }

    /// What a power failure at this moment leaves: the synced bytes, and at most `kept` of the others.
    pub fn after_crash(&self, kept: usize) -> Self {
        let memory = self.memory();
        let end = memory.bytes.len().min(memory.synced.saturating_add(kept));
        Self::holding(memory.bytes[..end].to_vec())
    }

    /// Lets this many appends succeed; the next writes half of its bytes and fails as on a full disk.
    pub fn fail_after_appends(&self, count: u64) {
        self.memory().appends_left = Some(count);
    }

    /// Lets this many syncs succeed; every later one fails.
    pub fn fail_after_syncs(&self, count: u64) {
        self.memory().syncs_left = Some(count);
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes one from what is left; false when nothing is.
fn take(left: &mut Option<u64>) -> bool {
    match left {
        Some(0) => false,
        Some(count) => {
            *count -= 1;
            true
        }
        None => true,
    }
}

impl LedgerSource for MemoryStorage {
    fn place(&self) -> String {
        "in memory".to_owned()
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.memory().bytes.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let memory = self.memory();
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(memory.bytes.len());
        let count = buffer.len().min(memory.bytes.len() - start);
        buffer[..count].copy_from_slice(&memory.bytes[start..start + count]);
        Ok(count)
    }
}

impl LedgerStorage for MemoryStorage {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut memory = self.memory();
        if take(&mut memory.appends_left) {
            memory.bytes.extend_from_slice(bytes);
            Ok(())
        } else {
            memory.bytes.extend_from_slice(&bytes[..bytes.len() / 2]);
            Err(io::ErrorKind::StorageFull.into())
        }
    }

    fn truncate(&mut self, size: u64) -> io::Result<()> {
        let mut memory = self.memory();
        memory.bytes.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        memory.synced = memory.synced.min(memory.bytes.len());
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut memory = self.memory();
        if take(&mut memory.syncs_left) {
            memory.synced = memory.bytes.len();
            Ok(())
        } else {
            Err(io::Error::other("sync failed"))
        }
    }

    fn sync_created(&mut self) -> io::Result<()> {
        self.sync()
    }
}
