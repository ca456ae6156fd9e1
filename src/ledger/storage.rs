//! Where a ledger's bytes are: in a file, nowhere for rehearsals, or in memory for tests. All errors are the system's.

mod discard;
mod file;
mod testing;
#[cfg(test)]
mod tests;

use std::io;

pub use discard::DiscardStorage;
pub use file::{FileSource, FileStorage, host_name};
pub use testing::MemoryStorage;

/// Bytes that can be read.
pub trait LedgerSource {
    /// The path, for error messages; never anything that the ledger holds.
    fn place(&self) -> String;

    /// In bytes.
    fn size(&self) -> io::Result<u64>;

    /// Reads from `offset` into `buffer` and returns how many bytes; 0 only at the end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

/// Bytes that one owner can add to.
pub trait LedgerStorage: LedgerSource + Send {
    /// Writes all of `bytes` at the end. After an error it is not known how many of them arrived.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Cuts everything from `size` on.
    fn truncate(&mut self, size: u64) -> io::Result<()>;

    /// Makes everything written durable. After an error nothing about unsynced bytes is known, and trying again
    /// would wrongly succeed: the system may have dropped them.
    fn sync(&mut self) -> io::Result<()>;

    /// Makes durable what was written, and that the storage exists.
    fn sync_created(&mut self) -> io::Result<()>;
}
