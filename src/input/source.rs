//! Where an input comes from. It can be read from its start more than once.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use xxhash_rust::xxh3::Xxh3;

use super::encoding::{self, Bytes, DecodeError};
use super::error::{InputError, header_finding};
use super::object::{ObjectReader, OpenObject, no_such_object, object_at};
use super::pin::{PinCell, PinRecorder};
use crate::domain::finding::FindingCode;
use crate::limits::{READ_BUFFER_BYTES, SPOOL_BYTES_MAX};

/// What messages and plans call standard input.
pub const STDIN_NAME: &str = "standard input";

/// An open input. Every reading starts at its beginning and sees the same file, even if another one has been moved to
/// its path in the meantime. If the file itself is changed after it was checked, later readings end with an error.
#[derive(Debug, Clone)]
pub struct InputSource {
    name: String,
    stored: StoredBytes,
    pin: PinCell,
}

/// Where the bytes are.
#[derive(Debug, Clone)]
enum StoredBytes {
    File(Arc<Mutex<File>>),
    /// In S3, as it was when it was opened.
    Object(Arc<OpenObject>),
}

impl InputSource {
    /// Opens a file, or an object of S3 at `s3://BUCKET/KEY`; `-` is standard input. What can be read only once (standard input, a pipe, a process
    /// substitution) is first copied, as it comes, to a temporary file of mode 0600 without a name, which is gone
    /// when the program ends, however it ends.
    pub fn open(path: &Path) -> Result<Self, InputError> {
        if path.as_os_str() == "-" {
            return Self::spool(STDIN_NAME, io::stdin().lock());
        }
        let name = path.display().to_string();
        if let Some(found) = object_at(path) {
            let (address, store) = found.map_err(|stop| InputError::reading(&name, stop))?;
            return match store.find(&address) {
                Ok(Some(version)) => Ok(Self::of_object(OpenObject { address, version, store })),
                Ok(None) => Err(InputError::Open { name, source: no_such_object() }),
                Err(stop) => Err(InputError::reading(&name, stop)),
            };
        }
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
        match opened {
            Ok((metadata, _)) if metadata.is_dir() => {
                Err(InputError::Open { name, source: io::ErrorKind::IsADirectory.into() })
            }
            Ok((metadata, file)) if metadata.is_file() => Ok(Self::of_file(name, file)),
            Ok((_, file)) => Self::spool(&name, file),
            Err(source) => Err(InputError::Open { name, source }),
        }
    }

    /// As [`InputSource::open`]; `None` where there is no such file or object.
    pub fn open_if_found(path: &Path) -> Result<Option<Self>, InputError> {
        match Self::open(path) {
            Err(InputError::Open { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some),
        }
    }

    /// Copies what can be read only once to a temporary file. Refuses more than [`SPOOL_BYTES_MAX`] bytes.
    pub fn spool(name: &str, from: impl Read) -> Result<Self, InputError> {
        let copied = tempfile::tempfile().and_then(|mut file| {
            let bytes = io::copy(&mut from.take(SPOOL_BYTES_MAX + 1), &mut file)?;
            if bytes > SPOOL_BYTES_MAX {
                return Err(io::Error::other(format!("it is longer than {SPOOL_BYTES_MAX} bytes")));
            }
            Ok(file)
        });
        match copied {
            Ok(file) => Ok(Self::of_file(name.to_owned(), file)),
            Err(source) => Err(InputError::Spool { name: name.to_owned(), source }),
        }
    }

    fn of_file(name: String, file: File) -> Self {
        Self { name, stored: StoredBytes::File(Arc::new(Mutex::new(file))), pin: PinCell::default() }
    }

    pub(super) fn of_object(object: OpenObject) -> Self {
        let name = object.address.to_string();
        Self { name, stored: StoredBytes::Object(Arc::new(object)), pin: PinCell::default() }
    }

    fn raw(&self) -> Bytes {
        match &self.stored {
            StoredBytes::File(file) => Box::new(InputFileReader { file: Arc::clone(file), offset: 0 }),
            StoredBytes::Object(object) => Box::new(ObjectReader::new(object)),
        }
    }

    /// Returns the ETag of an object of S3 as it was opened, without its quotes; `None` for a file.
    pub fn etag(&self) -> Option<&str> {
        match &self.stored {
            StoredBytes::File(_) => None,
            StoredBytes::Object(object) => Some(object.version.etag.trim_matches('"')),
        }
    }

    /// Returns the path as it was given, or `standard input`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns a hash of the bytes before they are decompressed: xxh3, 128 bits, as 32 hexadecimal digits.
    pub fn fingerprint(&self) -> Result<String, InputError> {
        let mut raw = self.raw();
        let mut hasher = Xxh3::new();
        let mut buffer = vec![0; READ_BUFFER_BYTES];
        loop {
            match raw.read(&mut buffer) {
                Ok(0) => return Ok(format!("{:032x}", hasher.digest128())),
                Ok(count) => hasher.update(&buffer[..count]),
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(InputError::read(&self.name, 0, source)),
            }
        }
    }

    /// Returns the hash of the decoded bytes as they were checked, as 32 hexadecimal digits; `None` before that.
    pub fn checked_hash(&self) -> Option<String> {
        self.pin.digest().map(|digest| format!("{digest:032x}"))
    }

    /// Returns the bytes from the start, decompressed and without byte order mark. Once the input has been read as a whole
    /// by [`InputSource::first_reader`], a reading ends with an error where they are not as they were.
    pub fn reader(&self) -> Result<Box<dyn Read + Send>, InputError> {
        Ok(self.pin.comparing(self.decoded()?))
    }

    /// As [`InputSource::reader`], for the reading whose bytes are those that count from then on, after
    /// [`InputSource::pin`].
    pub(super) fn first_reader(&self) -> Result<(PinRecorder, Box<dyn Read + Send>), InputError> {
        Ok(PinRecorder::watching(self.reader()?))
    }

    /// Pins the input to what a reading has read up to its end.
    pub(super) fn pin(&self, recorder: &PinRecorder) {
        self.pin.set(recorder);
    }

    fn decoded(&self) -> Result<Box<dyn Read + Send>, InputError> {
        encoding::decode(self.raw()).map_err(|fault| match fault {
            DecodeError::Io(source) => InputError::read(&self.name, 1, source),
            DecodeError::Unsupported(what) => InputError::Unsupported { name: self.name.clone(), what },
            DecodeError::Utf16 => InputError::Header(vec![header_finding(
                FindingCode::Utf16,
                1,
                0,
                "",
                "the file is UTF-16; save it as UTF-8 (in a spreadsheet: \"CSV UTF-8\")".to_owned(),
            )]),
        })
    }
}

/// One reading of the file, with a position of its own. It holds the lock for one read at a time.
struct InputFileReader {
    file: Arc<Mutex<File>>,
    offset: u64,
}

impl Read for InputFileReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.offset))?;
        let count = file.read(buffer)?;
        self.offset += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(source: &InputSource) -> String {
        let mut text = String::new();
        source.reader().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn readings_are_independent_and_repeatable() {
        let source = InputSource::spool("standard input", &b"abcdef"[..]).unwrap();
        let (mut first, mut second) = (source.reader().unwrap(), source.reader().unwrap());
        let (mut left, mut right) = ([0; 3], [0; 2]);
        first.read_exact(&mut left).unwrap();
        second.read_exact(&mut right).unwrap();
        assert_eq!((&left, &right), (b"abc", b"ab"));
        assert_eq!(source.fingerprint().unwrap(), format!("{:032x}", xxhash_rust::xxh3::xxh3_128(b"abcdef")));
        assert_eq!((text(&source), text(&source), source.name()), ("abcdef".into(), "abcdef".into(), "standard input"));
    }

    #[test]
    fn a_file_moved_to_the_path_meanwhile_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("input.csv");
        std::fs::write(&path, "old").unwrap();
        let source = InputSource::open(&path).unwrap();
        std::fs::write(directory.path().join("new"), "new").unwrap();
        std::fs::rename(directory.path().join("new"), &path).unwrap();
        assert_eq!(text(&source), "old");
    }

    #[test]
    fn faults_name_the_input() {
        let directory = tempfile::tempdir().unwrap();
        let missing = InputSource::open(&directory.path().join("absent.csv")).map(|_| ()).unwrap_err();
        assert!(missing.to_string().starts_with("cannot open ") && missing.to_string().contains("absent.csv"));
        assert!(matches!(InputSource::open(directory.path()), Err(InputError::Open { .. })));
        let workbook =
            InputSource::spool("users.csv", &b"PK\x03\x04rest"[..]).unwrap().reader().map(|_| ()).unwrap_err();
        assert!(workbook.to_string().starts_with("users.csv is a zip archive or an Excel workbook"), "{workbook}");
    }
}
