//! Objects of S3, as inputs and as places for results.
//!
//! An object is read in parts, each with the condition that it still has the ETag that it was opened with. So no copy of
//! it is needed for the second reading, a broken connection costs one part, and no reading mixes two objects.

use std::fmt::Debug;
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use tempfile::NamedTempFile;

use super::error::InputError;
use super::read_fault::{InputChanged, ObjectUnreadable};
use crate::domain::object::{NoObjectAddress, ObjectAddress};
use crate::domain::run::{StopCause, StopError};
use crate::limits::S3_PART_BYTES;

/// What reads and writes objects. Its calls block.
pub trait ObjectStore: Debug + Send + Sync {
    /// Returns what is there now; `None` where there is no such object or bucket.
    fn find(&self, object: &ObjectAddress) -> Result<Option<ObjectVersion>, StopError>;

    /// Reads `length` bytes from `offset` on of the object that has this ETag. Resumes by itself.
    fn read_part(&self, object: &ObjectAddress, etag: &str, offset: u64, length: usize)
    -> Result<Vec<u8>, ObjectFault>;

    /// Writes the first `length` bytes of a file, replacing an existing object.
    fn write(&self, object: &ObjectAddress, file: &Path, length: u64) -> Result<(), StopError>;
}

/// One version of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectVersion {
    /// With its quotes, as S3 returns it.
    pub etag: String,
    pub bytes: u64,
}

/// Why a part cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectFault {
    /// There is another object now, or none.
    Changed,
    Stop(StopError),
}

static STORE: OnceLock<Arc<dyn ObjectStore>> = OnceLock::new();

/// Sets the store of this process. The first one counts; without one, every address of S3 is refused.
pub fn install_object_store(store: Arc<dyn ObjectStore>) {
    let _ = STORE.set(store);
}

/// Copies the first `length` bytes of a file to an object.
pub fn copy_to_object(object: &ObjectAddress, file: &Path, length: u64) -> Result<(), InputError> {
    let written = installed_store().and_then(|store| store.write(object, file, length));
    written.map_err(|stop| InputError::writing(object, stop))
}

/// Copies an object, as it is now, to a private temporary file, for what is read in another way than rows are. Returns `None`
/// for the path of a file.
pub fn copy_of_object(path: &Path) -> Result<Option<NamedTempFile>, InputError> {
    let name = path.display().to_string();
    let Some(object) = object_at(path) else { return Ok(None) };
    let (address, store) = object.map_err(|stop| InputError::reading(&name, stop))?;
    let found = store.find(&address).map_err(|stop| InputError::reading(&name, stop))?;
    let version = found.ok_or_else(|| InputError::Open { name: name.clone(), source: no_such_object() })?;
    let mut reader = ObjectReader::new(&Arc::new(OpenObject { address, version, store }));
    let spool = |source| InputError::Spool { name: name.clone(), source };
    let mut copy = NamedTempFile::new().map_err(spool)?;
    loop {
        // No error of the temporary file is one of the object.
        let part = reader.next_part().map_err(|source| InputError::read(&name, 0, source))?;
        if part.is_empty() {
            copy.rewind().map_err(spool)?;
            return Ok(Some(copy));
        }
        copy.write_all(part).map_err(spool)?;
    }
}

pub(super) fn no_such_object() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "there is no such object, or no such bucket")
}

/// The address of an object, and the store of this process.
type LocatedObject = (ObjectAddress, Arc<dyn ObjectStore>);

/// Parses the address of an object, where a path is one, and returns it with the store of this process.
pub(super) fn object_at(path: &Path) -> Option<Result<LocatedObject, StopError>> {
    let address = ObjectAddress::of_path(path)?;
    let address = address.map_err(|error: NoObjectAddress| StopError::new(StopCause::Configuration, error.to_string()));
    Some(address.and_then(|address| Ok((address, installed_store()?))))
}

fn installed_store() -> Result<Arc<dyn ObjectStore>, StopError> {
    STORE.get().cloned().ok_or_else(|| {
        StopError::new(
            StopCause::Configuration,
            "this program was built without the feature `s3`; install a release binary, or build it with `cargo build \
             --release --features s3`",
        )
    })
}

/// An object as it was when it was opened.
#[derive(Debug)]
pub(super) struct OpenObject {
    pub(super) address: ObjectAddress,
    pub(super) version: ObjectVersion,
    pub(super) store: Arc<dyn ObjectStore>,
}

/// One reading of an object.
#[derive(Debug)]
pub(super) struct ObjectReader {
    object: Arc<OpenObject>,
    /// Where the next part starts.
    offset: u64,
    /// The part that was read last.
    part: Vec<u8>,
    /// How much of it was handed out.
    position: usize,
}

impl ObjectReader {
    pub(super) fn new(object: &Arc<OpenObject>) -> Self {
        Self { object: Arc::clone(object), offset: 0, part: Vec::new(), position: 0 }
    }

    /// Returns the next part; empty at the end.
    fn next_part(&mut self) -> io::Result<&[u8]> {
        self.read_part()?;
        Ok(&self.part)
    }

    fn read_part(&mut self) -> io::Result<()> {
        let OpenObject { address, version, store } = &*self.object;
        let left = version.bytes.saturating_sub(self.offset);
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(S3_PART_BYTES);
        self.position = 0;
        self.part.clear();
        if length > 0 {
            self.part = store.read_part(address, &version.etag, self.offset, length).map_err(|fault| match fault {
                ObjectFault::Changed => io::Error::other(InputChanged),
                ObjectFault::Stop(stop) => io::Error::other(ObjectUnreadable(stop)),
            })?;
            self.offset += self.part.len() as u64;
        }
        Ok(())
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.part.len() {
            self.read_part()?;
        }
        let count = buffer.len().min(self.part.len() - self.position);
        buffer[..count].copy_from_slice(&self.part[self.position..][..count]);
        self.position += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
