//! Where a ledger's bytes are: in a file, nowhere for rehearsals, or in memory for tests. All errors are the system's.

mod discard;
mod file;
mod testing;
#[cfg(test)]
mod tests;

use std::io;

use super::error::{DisplacedHow, LedgerError, Rescue};

pub use discard::DiscardStorage;
pub use file::{FileSource, FileStorage, host_name, refuse_beside_rescued};
pub use testing::{MemoryStorage, StorageFault, StorageOperation};

/// Bytes that can be read.
pub trait LedgerSource {
    /// The path, for error messages; never anything that the ledger holds.
    fn place(&self) -> String;

    /// In bytes.
    fn size(&self) -> io::Result<u64>;

    /// Reads from `offset` into `buffer` and returns how many bytes; 0 only at the end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

/// Who else could read a ledger when it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FileAccess {
    /// The permissions let the group or others read or write it.
    pub open_to_others: bool,
    /// It belongs to another user than the one who runs this program.
    pub owned_by_another_user: bool,
}

/// A ledger that is not where it was, or not what it was, while it is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Displacement {
    pub how: DisplacedHow,
    pub rescue: Rescue,
}

/// Bytes that one owner can add to.
pub trait LedgerStorage: LedgerSource + Send {
    /// Keeps every other owner away, as long as the value lives. Comes before anything else.
    fn lock(&mut self) -> Result<FileAccess, LedgerError>;

    /// Whether what was written can be read; not so in a rehearsal.
    fn keeps_lines(&self) -> bool {
        true
    }

    /// Writes all of `bytes` at the end. After an error it is not known how many of them arrived.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Cuts everything from `size` on.
    fn truncate(&mut self, size: u64) -> io::Result<()>;

    /// Makes everything written durable. After an error nothing about unsynced bytes is known, and trying again
    /// would wrongly succeed: the system may have dropped them.
    fn sync(&mut self) -> io::Result<()>;

    /// Looks whether the storage is still where it was, and as long as it was written. Makes a copy where it is not.
    fn displacement(&mut self) -> io::Result<Option<Displacement>> {
        Ok(None)
    }

    /// Whether somebody else may have written since the last call, or since the lock: the time of the last change is not
    /// that of our own last write. Some file systems change that time late. A write in the same tick of the file system's
    /// clock as our own is not noticed.
    fn take_touched(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    /// Makes durable what was written, and that the storage exists.
    fn sync_created(&mut self) -> io::Result<()>;
}
