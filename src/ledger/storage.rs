//! Where a ledger's bytes live: in a file, or in memory for rehearsals and crash tests.

mod discard;
mod file;
mod memory;
#[cfg(test)]
mod tests;

use std::io;

pub use discard::DiscardStorage;
pub use file::{FileSource, FileStorage};
pub use memory::MemoryStorage;

/// Bytes that can be read.
pub trait Source {
    /// What error texts call it: a path, never anything that it holds.
    fn place(&self) -> String;

    /// How many bytes there are.
    ///
    /// # Errors
    /// As the system has them.
    fn size(&self) -> io::Result<u64>;

    /// Reads from `offset` into `buffer` and tells how many bytes; 0 only at the end.
    ///
    /// # Errors
    /// As the system has them.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

/// Bytes that can be added to, by one owner.
pub trait Storage: Source + Send {
    /// Writes all of `bytes` at the end. After an error it is not known how many of them arrived.
    ///
    /// # Errors
    /// As the system has them.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Cuts everything from `size` on.
    ///
    /// # Errors
    /// As the system has them.
    fn truncate(&mut self, size: u64) -> io::Result<()>;

    /// Makes everything written durable. After an error nothing about unsynced bytes is known, and trying again
    /// would wrongly succeed: the system may have dropped them.
    ///
    /// # Errors
    /// As the system has them.
    fn sync(&mut self) -> io::Result<()>;

    /// Makes durable that the storage exists, and all that was written.
    ///
    /// # Errors
    /// As the system has them.
    fn sync_created(&mut self) -> io::Result<()>;
}
