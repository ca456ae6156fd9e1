//! A ledger file, with the lock that keeps a second run away.
//!
//! The lock is on the ledger file itself (`flock`), so the system frees it however a run ends. The file beside it,
//! `LEDGER.lock`, locks nothing: it only says who holds the ledger.

use std::fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::{Displacement, FileAccess, LedgerSource, LedgerStorage};
use crate::ledger::error::{DisplacedHow, LedgerError, LedgerOperation, LockHolder, Rescue};
use crate::limits::{LOCK_FILE_BYTES_MAX, RESCUED_MAX};

/// Readable and writable by the owner only.
const PRIVATE_MODE: u32 = 0o600;

/// A file that is only read, without the lock.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    path: PathBuf,
}

impl FileSource {
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let io_error = |error: &io::Error| LedgerError::io(LedgerOperation::Open, place(path), error);
        let kind = fs::metadata(path).map_err(|error| io_error(&error))?;
        if !kind.is_file() {
            return Err(LedgerError::NotALedger { place: place(path) });
        }
        let file = File::open(path).map_err(|error| io_error(&error))?;
        Ok(Self { file, path: path.to_owned() })
    }
}

impl LedgerSource for FileSource {
    fn place(&self) -> String {
        place(&self.path)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(offset))?;
        file.read(buffer)
    }
}

/// A ledger file that this process alone may write, from its lock on and as long as the value lives.
#[derive(Debug)]
pub struct FileStorage {
    source: FileSource,
    holder_file: PathBuf,
    is_locked: bool,
    /// Device and number of the open file.
    identity: (u64, u64),
    /// The length that it has unless somebody else has changed it.
    length: u64,
    /// The modification time that it has unless somebody else has written to it.
    modified: ModifiedAt,
    /// Whether it had another one meanwhile.
    is_touched: bool,
}

/// In seconds and nanoseconds, by the clock of the file system.
type ModifiedAt = (i64, i64);

impl FileStorage {
    /// Opens or creates (mode 0600, whatever the umask) the file.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let io_error = |error: io::Error| LedgerError::io(LedgerOperation::Open, place(path), &error);
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(LedgerError::NotALedger { place: place(path) });
        }
        refuse_beside_rescued(path)?;
        let open = |options: &mut OpenOptions| options.read(true).append(true).open(path);
        let file = match open(private().create_new(true)) {
            Ok(file) => {
                // The umask takes rights away from the owner, too.
                file.set_permissions(Permissions::from_mode(PRIVATE_MODE)).map_err(io_error)?;
                file
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                open(private().create(true)).map_err(io_error)?
            }
            Err(error) => return Err(io_error(error)),
        };
        let found = file.metadata().map_err(io_error)?;
        Ok(Self {
            source: FileSource { file, path: path.to_owned() },
            holder_file: beside(path, ".lock"),
            is_locked: false,
            identity: identity(&found),
            length: found.len(),
            modified: modified_at(&found),
            is_touched: false,
        })
    }

    /// Takes note of what others have written. Comes before each write of our own, which changes the time as well.
    fn look_at_time(&mut self) -> io::Result<()> {
        self.is_touched |= modified_at(&self.source.file.metadata()?) != self.modified;
        Ok(())
    }

    /// Takes note that a write of our own is done.
    fn remember_time(&mut self) -> io::Result<()> {
        self.modified = modified_at(&self.source.file.metadata()?);
        Ok(())
    }

    /// What is different from what this process left; `None` where nothing is.
    fn difference(&self) -> io::Result<Option<DisplacedHow>> {
        let held = self.source.file.metadata()?;
        Ok(match fs::metadata(&self.source.path) {
            _ if held.nlink() == 0 => Some(DisplacedHow::Deleted),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(DisplacedHow::Moved),
            Err(error) => return Err(error),
            Ok(found) if identity(&found) != self.identity => Some(DisplacedHow::Replaced),
            Ok(_) if held.len() < self.length => Some(DisplacedHow::Truncated),
            Ok(_) if held.len() > self.length => Some(DisplacedHow::WrittenByOthers),
            Ok(_) => None,
        })
    }

    /// Copies everything that was written to a new file beside the place of the ledger, or else in the folder for temporary
    /// files. The copy has its name only when it is whole.
    fn rescue(&self) -> Rescue {
        match self.copy_beside(&self.source.path) {
            Ok(copy) => Rescue::Copied(copy),
            Err(error) => {
                let name = self.source.path.file_name().unwrap_or_default();
                let elsewhere = self.copy_beside(&std::env::temp_dir().join(name));
                elsewhere.map_or(Rescue::Failed(error.to_string()), Rescue::CopiedElsewhere)
            }
        }
    }

    fn copy_beside(&self, ledger: &Path) -> io::Result<String> {
        let folder = folder_of(ledger);
        let mut copy = NamedTempFile::new_in(folder)?;
        copy.as_file().set_permissions(Permissions::from_mode(PRIVATE_MODE))?;
        let mut written = &self.source.file;
        written.seek(SeekFrom::Start(0))?;
        let copied = io::copy(&mut written.take(self.length), &mut copy)?;
        if copied != self.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        copy.as_file().sync_all()?;
        for path in rescued_paths(ledger) {
            match copy.persist_noclobber(&path) {
                Ok(_) => {
                    // Where this fails, a second copy elsewhere would be no safer.
                    let _ = sync_folder(folder);
                    return Ok(place(&path));
                }
                Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => copy = error.file,
                Err(error) => return Err(error.error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

impl Drop for FileStorage {
    fn drop(&mut self) {
        // Before the lock is freed: afterwards the file may be the next holder's. Where the ledger was replaced, it may be
        // the holder's of the other file.
        if self.is_locked
            && matches!(self.difference(), Ok(None | Some(DisplacedHow::Truncated | DisplacedHow::WrittenByOthers)))
        {
            let _ = fs::remove_file(&self.holder_file);
        }
    }
}

impl LedgerSource for FileStorage {
    fn place(&self) -> String {
        self.source.place()
    }

    fn size(&self) -> io::Result<u64> {
        self.source.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.read_at(offset, buffer)
    }
}

impl LedgerStorage for FileStorage {
    /// Refuses a file system that has no locks.
    fn lock(&mut self) -> Result<FileAccess, LedgerError> {
        let io_error = |error: &io::Error| LedgerError::io(LedgerOperation::Lock, self.place(), error);
        match self.source.file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LedgerError::Locked { place: self.place(), holder: read_holder_file(&self.holder_file) });
            }
            Err(TryLockError::Error(error)) => return Err(io_error(&error)),
        }
        let found = self.source.file.metadata().map_err(|error| io_error(&error))?;
        // Only for the message of a second run, and to learn who we are: without it the lock holds all the same.
        let our_user = write_holder_file(&self.holder_file).ok();
        (self.is_locked, self.length, self.modified) = (true, found.len(), modified_at(&found));
        Ok(FileAccess {
            open_to_others: found.mode() & 0o077 != 0,
            owned_by_another_user: our_user.is_some_and(|user| user != found.uid()),
        })
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.look_at_time()?;
        self.source.file.write_all(bytes)?;
        self.length += bytes.len() as u64;
        self.remember_time()
    }

    fn truncate(&mut self, size: u64) -> io::Result<()> {
        self.look_at_time()?;
        self.source.file.set_len(size)?;
        self.length = size;
        self.remember_time()
    }

    fn sync(&mut self) -> io::Result<()> {
        self.source.file.sync_data()
    }

    fn displacement(&mut self) -> io::Result<Option<Displacement>> {
        let Some(how) = self.difference()? else { return Ok(None) };
        let rescue = if how.is_elsewhere() { self.rescue() } else { Rescue::NotNeeded };
        Ok(Some(Displacement { how, rescue }))
    }

    fn take_touched(&mut self) -> io::Result<bool> {
        // One look: what others write after it is noticed at the next one.
        let now = modified_at(&self.source.file.metadata()?);
        let was_touched = std::mem::take(&mut self.is_touched) || now != self.modified;
        self.modified = now;
        Ok(was_touched)
    }

    fn sync_created(&mut self) -> io::Result<()> {
        self.source.file.sync_all()?;
        sync_folder(folder_of(&self.source.path))
    }
}

/// Refuses a ledger beside a copy of what an earlier run wrote, also where there is none yet: the links of the copy would be
/// unknown to `undo`.
pub fn refuse_beside_rescued(path: &Path) -> Result<(), LedgerError> {
    let Some(copy) = rescued_paths(path).find(|copy| fs::symlink_metadata(copy).is_ok()) else { return Ok(()) };
    let is_new = match fs::metadata(path) {
        Ok(found) => found.len() == 0,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    Err(LedgerError::Rescued { place: place(path), copy: place(&copy), is_new })
}

/// Where the copies of a ledger are that was pulled away.
fn rescued_paths(path: &Path) -> impl Iterator<Item = PathBuf> {
    let names = std::iter::once(".rescued".to_owned()).chain((2..RESCUED_MAX).map(|n| format!(".rescued-{n}")));
    names.map(move |name| beside(path, &name))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the names in a folder durable.
fn sync_folder(folder: &Path) -> io::Result<()> {
    // A directory can be opened and synced on Unix only; other systems do it themselves.
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn modified_at(found: &Metadata) -> ModifiedAt {
    (found.mtime(), found.mtime_nsec())
}

fn place(path: &Path) -> String {
    path.display().to_string()
}

/// Options that make a new file readable by its owner only.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(PRIVATE_MODE);
    options
}

fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Returns the user to whom the new file belongs: the one who runs this program.
fn write_holder_file(path: &Path) -> io::Result<u32> {
    // Removed and created anew, so that nothing is written through a link of that name.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private().write(true).create_new(true).open(path)?;
    file.write_all(format!("{} {}\n", std::process::id(), host_name()).as_bytes())?;
    Ok(file.metadata()?.uid())
}

/// Returns the name of this machine; empty where the system does not show it so.
pub fn host_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

fn read_holder_file(path: &Path) -> Option<LockHolder> {
    let mut text = String::new();
    File::open(path).ok()?.take(LOCK_FILE_BYTES_MAX).read_to_string(&mut text).ok()?;
    let (pid, host) = text.trim_end().split_once(' ').unwrap_or((text.trim_end(), ""));
    // It goes to a terminal, and anybody may have written it.
    let host = host.chars().filter(char::is_ascii_graphic).collect();
    Some(LockHolder { pid: pid.parse().ok()?, host })
}
