//! The pin of an input: what the first reading read, as a hash of each block, with which every later reading is compared.
//!
//! A file may be cut, overwritten or edited in place between two readings. A later reading reads a whole block before it
//! hands out its first byte, so no row comes from a block that is not as it was checked.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::encoding::Bytes;
use super::read_fault::{InputChanged, is_of_storage};
use crate::limits::PIN_BLOCK_BYTES;

/// Hashes of the blocks of the decoded input, all of one length but the last, and of all of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InputPin {
    blocks: Vec<u64>,
    digest: u128,
}

/// The pin of a source, once it has been read as a whole.
#[derive(Debug, Clone, Default)]
pub(super) struct PinCell(Arc<OnceLock<InputPin>>);

/// The reading that makes the pin, to be set when it has come to its end.
#[derive(Clone)]
pub(super) struct PinRecorder(Arc<Mutex<RecordedBlocks>>);

struct RecordedBlocks {
    block: Vec<u8>,
    blocks: Vec<u64>,
    all: Xxh3,
}

impl PinCell {
    /// The hash of the input as it was checked: xxh3, 128 bits.
    pub(super) fn digest(&self) -> Option<u128> {
        self.0.get().map(|pin| pin.digest)
    }

    /// Returns a reader that ends with [`InputChanged`] before a block that is not as it was; the bytes themselves where
    /// there is no pin yet.
    pub(super) fn comparing(&self, inner: Bytes) -> Bytes {
        if self.0.get().is_none() {
            return inner;
        }
        let buffer = Vec::with_capacity(PIN_BLOCK_BYTES);
        Box::new(ComparedReader { inner, pin: Arc::clone(&self.0), block: buffer, position: 0, next: 0 })
    }

    /// Sets the pin from a reading that has come to its end. The first one counts.
    pub(super) fn set(&self, recorder: &PinRecorder) {
        self.0.get_or_init(|| recorder.lock().finish());
    }
}

impl PinRecorder {
    /// Returns a recorder, and a reader that it watches.
    pub(super) fn watching(inner: Bytes) -> (Self, Bytes) {
        let blocks =
            RecordedBlocks { block: Vec::with_capacity(PIN_BLOCK_BYTES), blocks: Vec::new(), all: Xxh3::new() };
        let recorder = Self(Arc::new(Mutex::new(blocks)));
        (recorder.clone(), Box::new(WatchedReader { inner, recorder }))
    }

    fn lock(&self) -> MutexGuard<'_, RecordedBlocks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RecordedBlocks {
    fn add(&mut self, mut bytes: &[u8]) {
        self.all.update(bytes);
        while !bytes.is_empty() {
            let (part, rest) = bytes.split_at(bytes.len().min(PIN_BLOCK_BYTES - self.block.len()));
            self.block.extend_from_slice(part);
            bytes = rest;
            if self.block.len() == PIN_BLOCK_BYTES {
                self.end_block();
            }
        }
    }

    fn end_block(&mut self) {
        self.blocks.push(xxh3_64(&self.block));
        self.block.clear();
    }

    fn finish(&mut self) -> InputPin {
        if !self.block.is_empty() {
            self.end_block();
        }
        InputPin { blocks: std::mem::take(&mut self.blocks), digest: self.all.digest128() }
    }
}

struct WatchedReader {
    inner: Bytes,
    recorder: PinRecorder,
}

impl Read for WatchedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.recorder.lock().add(&buffer[..count]);
        Ok(count)
    }
}

struct ComparedReader {
    inner: Bytes,
    pin: Arc<OnceLock<InputPin>>,
    /// The block that was read last, as it was checked.
    block: Vec<u8>,
    /// How much of it was handed out.
    position: usize,
    /// The number of the next block.
    next: usize,
}

impl ComparedReader {
    fn read_block(&mut self) -> io::Result<()> {
        self.block.clear();
        self.position = 0;
        let read = self.inner.by_ref().take(PIN_BLOCK_BYTES as u64).read_to_end(&mut self.block);
        if let Err(error) = read {
            self.block.clear();
            // What the first reading could decompress and this one cannot has changed; errors of the disk or of S3 stay.
            return Err(if is_of_storage(&error) { error } else { io::Error::other(InputChanged) });
        }
        let expected = self.pin.get().and_then(|pin| pin.blocks.get(self.next)).copied();
        let found = (!self.block.is_empty()).then(|| xxh3_64(&self.block));
        self.next += 1;
        if expected == found {
            return Ok(());
        }
        self.block.clear();
        Err(io::Error::other(InputChanged))
    }
}

impl Read for ComparedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.position == self.block.len() {
            self.read_block()?;
        }
        let count = buffer.len().min(self.block.len() - self.position);
        buffer[..count].copy_from_slice(&self.block[self.position..][..count]);
        self.position += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::input::read_fault::is_change;

    fn reader(bytes: &[u8]) -> Bytes {
        Box::new(io::Cursor::new(bytes.to_vec()))
    }

    fn pinned(bytes: &[u8]) -> PinCell {
        let (recorder, mut watched) = PinRecorder::watching(reader(bytes));
        io::copy(&mut watched, &mut io::sink()).unwrap();
        let pin = PinCell::default();
        pin.set(&recorder);
        pin
    }

    /// What a later reading hands out, and whether it ends in order.
    fn read_again(pin: &PinCell, bytes: &[u8]) -> (Vec<u8>, bool) {
        let (mut read, mut compared) = (Vec::new(), pin.comparing(reader(bytes)));
        let ended = compared.read_to_end(&mut read);
        if let Err(error) = &ended {
            assert!(is_change(error), "{error}");
        }
        (read, ended.is_ok())
    }

    fn sample(length: usize) -> Vec<u8> {
        (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect()
    }

    #[test]
    fn lengths_around_the_border_of_a_block_read_as_they_were() {
        for length in [0, 1, PIN_BLOCK_BYTES - 1, PIN_BLOCK_BYTES, PIN_BLOCK_BYTES + 1, 3 * PIN_BLOCK_BYTES] {
            let bytes = sample(length);
            let pin = pinned(&bytes);
            assert_eq!(read_again(&pin, &bytes), (bytes.clone(), true));
            assert_eq!(pin.digest(), Some(xxhash_rust::xxh3::xxh3_128(&bytes)));
            for other in [&bytes[..length.saturating_sub(1)], &[bytes.as_slice(), b"x"].concat()] {
                if other != bytes {
                    let (read, in_order) = read_again(&pin, other);
                    assert!(!in_order && bytes.starts_with(&read) && read.len().is_multiple_of(PIN_BLOCK_BYTES));
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

        /// Any edit: what is handed out is a prefix of what was checked, and a reading that ends in order is all of it.
        #[test]
        fn nothing_that_was_not_checked_is_handed_out(
            length in 0..4 * PIN_BLOCK_BYTES,
            at in any::<prop::sample::Index>(),
            removed in 0..3_usize,
            inserted in prop::collection::vec(any::<u8>(), 0..3),
        ) {
            let bytes = sample(length);
            let at = at.index(length + 1);
            let mut edited = bytes.clone();
            edited.splice(at..(at + removed).min(length), inserted);
            let (read, in_order) = read_again(&pinned(&bytes), &edited);
            prop_assert!(bytes.starts_with(&read));
            prop_assert_eq!(in_order, edited == bytes);
        }
    }
}
