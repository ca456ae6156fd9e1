//! For tests and benches: a ledger in memory that can crash, fill up and fail to sync.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{FileAccess, LedgerSource, LedgerStorage};
use crate::ledger::error::{LedgerError, LedgerOperation};

/// Bytes in memory. Clones share them, so that a test can look at what a ledger wrote.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage {
    shared: Arc<Mutex<Memory>>,
}

/// An operation of a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageOperation {
    Lock,
    Read,
    Append,
    Truncate,
    Sync,
}

impl StorageOperation {
    pub const ALL: [Self; 5] = [Self::Lock, Self::Read, Self::Append, Self::Truncate, Self::Sync];
}

/// Which operation fails, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StorageFault {
    pub operation: StorageOperation,
    /// So many of them succeed before.
    pub after: u64,
    /// Whether every later one fails, too.
    pub for_good: bool,
    /// An append that fails writes this share of its bytes, in quarters.
    pub quarters_written: usize,
}

#[derive(Debug, Default)]
struct Memory {
    bytes: Vec<u8>,
    synced: usize,
    fault: Option<StorageFault>,
    /// Operations so far, those that failed included, in the order of [`StorageOperation::ALL`].
    counts: [u64; 5],
    faults_met: u64,
    is_touched: bool,
}

impl Memory {
    /// Counts an operation, and fails where it is to fail.
    fn attempt(&mut self, operation: StorageOperation) -> io::Result<()> {
        let earlier = self.counts[operation as usize];
        self.counts[operation as usize] += 1;
        let fails = |fault: StorageFault| {
            fault.operation == operation && (earlier == fault.after || fault.for_good && earlier > fault.after)
        };
        if self.fault.is_some_and(fails) {
            self.faults_met += 1;
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
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

    /// Replaces everything, as somebody else would who writes to the file.
    pub fn overwrite(&self, bytes: Vec<u8>) {
        self.memory().bytes = bytes;
        self.touch();
    }

    /// Changes the time of the last change, and nothing else.
    pub fn touch(&self) {
        self.memory().is_touched = true;
    }

    /// Lets this many appends succeed from now on; every later one writes half of its bytes and fails.
    pub fn fail_after_appends(&self, count: u64) {
        self.fail_after(StorageOperation::Append, count);
    }

    /// Lets this many syncs succeed from now on; every later one fails.
    pub fn fail_after_syncs(&self, count: u64) {
        self.fail_after(StorageOperation::Sync, count);
    }

    fn fail_after(&self, operation: StorageOperation, count: u64) {
        let after = self.count_of(operation).saturating_add(count);
        self.set_fault(Some(StorageFault { operation, after, for_good: true, quarters_written: 2 }));
    }

    /// Sets the one fault; its count is from the start of this storage.
    pub fn set_fault(&self, fault: Option<StorageFault>) {
        self.memory().fault = fault;
    }

    /// How many operations there were.
    pub fn count_of(&self, operation: StorageOperation) -> u64 {
        self.memory().counts[operation as usize]
    }

    /// How many of them failed on request.
    pub fn faults_met(&self) -> u64 {
        self.memory().faults_met
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut memory = self.memory();
        memory.attempt(StorageOperation::Read)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(memory.bytes.len());
        let count = buffer.len().min(memory.bytes.len() - start);
        buffer[..count].copy_from_slice(&memory.bytes[start..start + count]);
        Ok(count)
    }
}

impl LedgerStorage for MemoryStorage {
    fn lock(&mut self) -> Result<FileAccess, LedgerError> {
        let locked = self.memory().attempt(StorageOperation::Lock);
        locked.map_err(|error| LedgerError::io(LedgerOperation::Lock, self.place(), &error))?;
        Ok(FileAccess::default())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut memory = self.memory();
        let appended = memory.attempt(StorageOperation::Append);
        let quarters = if appended.is_ok() { 4 } else { memory.fault.map_or(0, |fault| fault.quarters_written) };
        memory.bytes.extend_from_slice(&bytes[..bytes.len() * quarters / 4]);
        appended
    }

    fn truncate(&mut self, size: u64) -> io::Result<()> {
        let mut memory = self.memory();
        memory.attempt(StorageOperation::Truncate)?;
        memory.bytes.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        memory.synced = memory.synced.min(memory.bytes.len());
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut memory = self.memory();
        memory.attempt(StorageOperation::Sync)?;
        memory.synced = memory.bytes.len();
        Ok(())
    }

    fn take_touched(&mut self) -> io::Result<bool> {
        Ok(std::mem::take(&mut self.memory().is_touched))
    }

    fn sync_created(&mut self) -> io::Result<()> {
        self.sync()
    }
}
