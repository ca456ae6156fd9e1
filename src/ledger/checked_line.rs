//! What is kept of a line whose chain was checked, so that it is known when it is read again.

use xxhash_rust::xxh3::xxh3_64;

/// Of one line, or of several together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct LineHash(u64);

impl LineHash {
    /// Of a line without its line end.
    pub(super) fn of(line: &[u8]) -> Self {
        Self(xxh3_64(line))
    }

    /// Of this line and another one together.
    pub(super) fn and(self, other: Self) -> Self {
        Self(xxh3_64([self.0.to_le_bytes(), other.0.to_le_bytes()].as_flattened()))
    }
}

/// A line whose chain was checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct CheckedLine {
    /// Where it starts, in bytes.
    pub(super) offset: u64,
    pub(super) hash: LineHash,
}
