//! A ledger file, with the lock that keeps a second run away.
//!
//! The lock is on the ledger file itself (`flock`), so the system frees it however a run ends. The file beside it,
//! `LEDGER.lock`, locks nothing: it only says who holds the ledger.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::{LedgerSource, LedgerStorage};
use crate::ledger::error::{LedgerError, LedgerOperation, LockHolder};
use crate::limits::LOCK_FILE_BYTES_MAX;

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

/// A ledger file that this process alone may write, as long as the value lives.
#[derive(Debug)]
pub struct FileStorage {
    source: FileSource,
    holder_file: PathBuf,
}

impl FileStorage {
    /// Opens or creates (mode 0600) the file and takes its lock. Refuses a file system that has no locks.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let io_error = |operation, error: &io::Error| LedgerError::io(operation, place(path), error);
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(LedgerError::NotALedger { place: place(path) });
        }
        let mut options = private();
        let file =
            options.read(true).append(true).create(true).open(path).map_err(|e| io_error(LedgerOperation::Open, &e))?;
        let holder_file = holder_file_beside(path);
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LedgerError::Locked { place: place(path), holder: read_holder_file(&holder_file) });
            }
            Err(TryLockError::Error(error)) => return Err(io_error(LedgerOperation::Lock, &error)),
        }
        // Only for the message of a second run: without it the lock holds all the same.
        let _ = write_holder_file(&holder_file);
        Ok(Self { source: FileSource { file, path: path.to_owned() }, holder_file })
    }
}

impl Drop for FileStorage {
    fn drop(&mut self) {
        // Before the lock is freed: afterwards the file may be the next holder's.
        let _ = fs::remove_file(&self.holder_file);
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
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.source.file.write_all(bytes)
    }

    fn truncate(&mut self, size: u64) -> io::Result<()> {
        self.source.file.set_len(size)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.source.file.sync_data()
    }

    fn sync_created(&mut self) -> io::Result<()> {
        self.source.file.sync_all()?;
        // A directory can be opened and synced on Unix only; other systems do it themselves.
        if cfg!(unix) {
            let parent = self.source.path.parent().filter(|parent| !parent.as_os_str().is_empty());
            File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
        }
        Ok(())
    }
}

fn place(path: &Path) -> String {
    path.display().to_string()
}

/// Options that make a new file readable by its owner only.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn holder_file_beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

fn write_holder_file(path: &Path) -> io::Result<()> {
    // Removed and created anew, so that nothing is written through a link of that name.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private().write(true).create_new(true).open(path)?;
    file.write_all(format!("{} {}\n", std::process::id(), host_name()).as_bytes())
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
