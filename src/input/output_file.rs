//! A result file: readable by its owner only, and under its name only when it is complete. Or an object of S3, likewise.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::NamedTempFile;

use super::error::InputError;
use super::object::{ObjectStore, object_at};
use crate::domain::object::ObjectAddress;
use crate::domain::run::StopError;

#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    target: BufWriter<OutputTarget>,
    /// Where the whole file is copied to at the end, which has the name in its place.
    object: Option<StoredObject>,
}

pub(super) type StoredObject = (ObjectAddress, Arc<dyn ObjectStore>);

#[derive(Debug)]
enum OutputTarget {
    /// Gets its name at the end.
    Temporary(NamedTempFile),
    /// A pipe or device, which must not be replaced by a file.
    Special(File),
}

impl OutputFile {
    pub fn create(path: &Path) -> Result<Self, InputError> {
        if let Some(object) = object_at(path) {
            return Self::create_for_object(path, object.map_err(|stop| InputError::writing(&path.display(), stop))?);
        }
        let target = open(path).map_err(|source| write_error(path, source))?;
        Ok(Self { path: path.to_owned(), target: BufWriter::new(target), object: None })
    }

    /// Creates a private temporary file, whose content is written to the object at the end.
    pub(super) fn create_for_object(path: &Path, object: StoredObject) -> Result<Self, InputError> {
        let file = tempfile::Builder::new().prefix("cognito-link-").tempfile();
        let file = file.map_err(|source| InputError::Spool { name: path.display().to_string(), source })?;
        let target = BufWriter::new(OutputTarget::Temporary(file));
        Ok(Self { path: path.to_owned(), target, object: Some(object) })
    }

    /// Whether there is a file or an object already.
    pub fn exists(path: &Path) -> Result<bool, InputError> {
        match object_at(path) {
            None => Ok(path.is_file()),
            Some(object) => {
                let found = object.and_then(|(address, store)| store.find(&address));
                found.map(|found| found.is_some()).map_err(|stop| InputError::writing(&path.display(), stop))
            }
        }
    }

    /// Checks before the work starts whether the file could be written; leaves nothing behind.
    pub fn check(path: &Path) -> Result<(), InputError> {
        if let Some(object) = object_at(path) {
            object.map_err(|stop| InputError::writing(&path.display(), stop))?;
        } else if path.is_dir() || !is_special(path) {
            drop(open(path).map_err(|source| write_error(path, source))?);
        }
        Ok(())
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<(), InputError> {
        self.target.write_all(bytes).map_err(|source| write_error(&self.path, source))
    }

    /// Writes all that is left to read.
    pub fn copy(&mut self, from: &mut impl Read) -> Result<(), InputError> {
        io::copy(from, &mut self.target).map(drop).map_err(|source| write_error(&self.path, source))
    }

    /// Puts the file under its name, replacing an existing one. An existing file stays as it is where this fails.
    pub fn finish(self) -> Result<(), InputError> {
        let Self { path, target, object } = self;
        if let Some(object) = object {
            return finish_object(&path, target, &object);
        }
        let finished = target.into_inner().map_err(io::IntoInnerError::into_error).and_then(|target| match target {
            OutputTarget::Temporary(file) => {
                file.as_file().sync_all()?;
                file.persist(&path).map(drop).map_err(|error| error.error)
            }
            OutputTarget::Special(mut file) => file.flush(),
        });
        finished.map_err(|source| write_error(&path, source))
    }
}

impl Write for OutputTarget {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Temporary(file) => file.write(bytes),
            Self::Special(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Temporary(file) => file.flush(),
            Self::Special(file) => file.flush(),
        }
    }
}

/// Writes the object. Where that fails, the temporary file is kept: it may be the only result of hours.
fn finish_object(
    path: &Path,
    target: BufWriter<OutputTarget>,
    (address, store): &StoredObject,
) -> Result<(), InputError> {
    let target = target.into_inner().map_err(io::IntoInnerError::into_error);
    let OutputTarget::Temporary(file) = target.map_err(|source| write_error(path, source))? else {
        return Ok(());
    };
    let length = file.as_file().metadata().map_err(|source| write_error(path, source))?.len();
    let Err(stop) = store.write(address, file.path(), length) else { return Ok(()) };
    let detail = match file.keep() {
        Ok((_, kept)) => format!("{}; the content is in {}", stop.detail, kept.display()),
        Err(_) => stop.detail,
    };
    Err(InputError::writing(&path.display(), StopError { detail, ..stop }))
}

fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

fn open(path: &Path) -> io::Result<OutputTarget> {
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if is_special(path) {
        return OpenOptions::new().write(true).open(path).map(OutputTarget::Special);
    }
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = tempfile::Builder::new().prefix(".cognito-link-").tempfile_in(folder)?;
    // The umask may have taken rights away from the owner.
    file.as_file().set_permissions(Permissions::from_mode(0o600))?;
    Ok(OutputTarget::Temporary(file))
}

pub fn write_error(path: &Path, source: io::Error) -> InputError {
    // `tempfile` adds the path of its temporary file, which says nothing to the user.
    let text = source.to_string();
    let source = match text.split_once(" at path \"") {
        Some((reason, _)) => io::Error::new(source.kind(), reason),
        None => source,
    };
    InputError::Write { path: path.display().to_string(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_only_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(&path, "before").unwrap();
        let mut file = OutputFile::create(&path).unwrap();
        file.write(b"after").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        file.finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "after");
        OutputFile::check(&path).unwrap();
        let mut dropped = OutputFile::create(&path).unwrap();
        dropped.write(b"never").unwrap();
        drop(dropped);
        assert_eq!(fs::read_to_string(&path).unwrap(), "after");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left over");
    }

    #[cfg(unix)]
    #[test]
    fn it_is_its_owners_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        OutputFile::create(&path).unwrap().finish().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_place_for_a_file_is_told_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        for wrong in [folder.path().to_owned(), folder.path().join("none/out")] {
            assert!(matches!(OutputFile::check(&wrong), Err(InputError::Write { .. })));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_written_through_and_stays_one() {
        let mut file = OutputFile::create(Path::new("/dev/null")).unwrap();
        file.write(b"gone").unwrap();
        file.finish().unwrap();
        assert!(is_special(Path::new("/dev/null")));
    }
}
