//! Inputs and results at a store in memory.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Mutex;

use super::*;
use crate::input::{InputOptions, InputReader, InputSource, OutputFile};
use crate::limits::PIN_BLOCK_BYTES;

/// One object, which a test replaces or takes out of reach.
#[derive(Debug, Default)]
struct MemoryStore {
    object: Mutex<Option<(String, Vec<u8>)>>,
    fault: Mutex<Option<StopError>>,
    parts_read: Mutex<Vec<(u64, usize)>>,
}

impl MemoryStore {
    fn of(bytes: &[u8]) -> Arc<Self> {
        let store = Self::default();
        store.put("\"v1\"", bytes);
        Arc::new(store)
    }

    fn put(&self, etag: &str, bytes: &[u8]) {
        *self.object.lock().unwrap() = Some((etag.to_owned(), bytes.to_vec()));
    }

    fn break_down(&self) {
        *self.fault.lock().unwrap() = Some(StopError::new(StopCause::Unreachable, "S3 cannot be reached"));
    }

    fn check(&self) -> Result<(), StopError> {
        self.fault.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    fn source(self: &Arc<Self>) -> InputSource {
        let version = self.find(&address()).unwrap().unwrap();
        let store = Arc::clone(self) as Arc<dyn ObjectStore>;
        InputSource::of_object(OpenObject { address: address(), version, store })
    }
}

impl ObjectStore for MemoryStore {
    fn find(&self, _: &ObjectAddress) -> Result<Option<ObjectVersion>, StopError> {
        self.check()?;
        let object = self.object.lock().unwrap();
        Ok(object.as_ref().map(|(etag, bytes)| ObjectVersion { etag: etag.clone(), bytes: bytes.len() as u64 }))
    }

    fn read_part(&self, _: &ObjectAddress, etag: &str, offset: u64, length: usize) -> Result<Vec<u8>, ObjectFault> {
        self.check().map_err(ObjectFault::Stop)?;
        self.parts_read.lock().unwrap().push((offset, length));
        let object = self.object.lock().unwrap();
        let (_, bytes) = object.as_ref().filter(|(held, _)| held == etag).ok_or(ObjectFault::Changed)?;
        let offset = usize::try_from(offset).unwrap();
        Ok(bytes[offset..offset + length].to_vec())
    }

    fn write(&self, _: &ObjectAddress, file: &Path, length: u64) -> Result<(), StopError> {
        self.check()?;
        let bytes = std::fs::read(file).unwrap();
        self.put("\"written\"", &bytes[..usize::try_from(length).unwrap()]);
        Ok(())
    }
}

fn address() -> ObjectAddress {
    ObjectAddress::of_path(Path::new("s3://exports/pairs.csv")).unwrap().unwrap()
}

fn pairs(rows: usize) -> Vec<u8> {
    let mut text = "destination_username,source_provider,source_value\n".to_owned();
    for row in 0..rows {
        writeln!(text, "user-{row:08},Okta,00u{row:08}").unwrap();
    }
    text.into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Reads it as a command does at first, and pins it.
fn read_first(source: &InputSource) -> u64 {
    crate::input::FirstReading::of(source, &InputOptions::default(), |_| {}).unwrap().rows
}

#[test]
fn every_reading_asks_for_parts_of_one_size_up_to_the_end() {
    let bytes = pairs(80_000);
    let (store, last) = (MemoryStore::of(&bytes), bytes.len() - 2 * S3_PART_BYTES);
    let source = store.source();
    assert_eq!((source.name(), source.etag()), ("s3://exports/pairs.csv", Some("v1")));
    assert_eq!(read_first(&source), 80_000);
    let part = S3_PART_BYTES as u64;
    let expected = [(0, S3_PART_BYTES), (part, S3_PART_BYTES), (2 * part, last)];
    assert_eq!(*store.parts_read.lock().unwrap(), expected);
    let mut again = Vec::new();
    source.reader().unwrap().read_to_end(&mut again).unwrap();
    assert!(again == bytes);
    assert_eq!(source.fingerprint().unwrap(), format!("{:032x}", xxhash_rust::xxh3::xxh3_128(&bytes)));
    let empty = MemoryStore::of(b"").source();
    assert_eq!(empty.reader().unwrap().read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn an_object_that_is_replaced_ends_the_reading_and_is_never_mixed_in() {
    for bytes in [pairs(80_000), gzip(&pairs(80_000))] {
        let store = MemoryStore::of(&bytes);
        let source = store.source();
        read_first(&source);
        let mut reader = InputReader::new(&source, &InputOptions::default()).unwrap();
        assert!(reader.next().unwrap().is_ok());
        // The same bytes under another ETag: nobody has checked that they are the same.
        store.put("\"v2\"", &bytes);
        let (mut rows, mut error) = (1, None);
        for row in reader {
            match row {
                Ok(_) => rows += 1,
                Err(ended) => error = Some(ended),
            }
        }
        let error = error.unwrap();
        assert!(matches!(&error, InputError::Changed { .. }), "{error}");
        // Rows of the part that had come before, all of them checked.
        assert!(rows * 28 < S3_PART_BYTES + PIN_BLOCK_BYTES, "{rows}");
    }
}

#[test]
fn s3_out_of_reach_is_no_change_of_the_input() {
    for bytes in [pairs(80_000), gzip(&pairs(80_000))] {
        for checked in [false, true] {
            let store = MemoryStore::of(&bytes);
            let source = store.source();
            if checked {
                read_first(&source);
            }
            let mut reader = InputReader::new(&source, &InputOptions::default()).unwrap();
            assert!(reader.next().unwrap().is_ok());
            store.break_down();
            let error = reader.find_map(Result::err).unwrap();
            assert_eq!(error.to_string(), "cannot read s3://exports/pairs.csv: S3 cannot be reached");
            assert!(matches!(error, InputError::Object { stop, .. } if stop.cause == StopCause::Unreachable));
        }
    }
}

#[test]
fn a_result_becomes_an_object_when_it_is_whole() {
    let store = MemoryStore::of(b"before");
    let path = Path::new("s3://exports/out.csv");
    let create =
        || OutputFile::create_for_object(path, (address(), Arc::clone(&store) as Arc<dyn ObjectStore>)).unwrap();
    let content = || store.object.lock().unwrap().clone().unwrap().1;
    let mut file = create();
    file.write(b"after").unwrap();
    assert_eq!(content(), b"before");
    file.finish().unwrap();
    assert_eq!(content(), b"after");
    let mut dropped = create();
    dropped.write(b"never").unwrap();
    drop(dropped);
    assert_eq!(content(), b"after");
}

#[test]
fn a_result_that_cannot_be_written_is_kept() {
    let store = MemoryStore::of(b"before");
    store.break_down();
    let path = Path::new("s3://exports/out.csv");
    let mut file = OutputFile::create_for_object(path, (address(), store)).unwrap();
    file.write(b"the only result").unwrap();
    let error = file.finish().unwrap_err().to_string();
    let (reason, kept) = error.split_once("; the content is in ").unwrap();
    assert_eq!(reason, "cannot write s3://exports/out.csv: S3 cannot be reached");
    assert_eq!(std::fs::read(kept).unwrap(), b"the only result");
    std::fs::remove_file(kept).unwrap();
}

#[test]
fn without_a_store_an_address_is_refused_with_the_name_of_the_feature() {
    // No test of this library installs one.
    let path = Path::new("s3://exports/pairs.csv");
    for error in [
        InputSource::open(path).map(drop).unwrap_err(),
        OutputFile::check(path).unwrap_err(),
        OutputFile::create(path).map(drop).unwrap_err(),
    ] {
        assert!(error.to_string().contains("built without the feature `s3`"), "{error}");
    }
    let error = InputSource::open(Path::new("s3://exports")).map(drop).unwrap_err();
    assert!(error.to_string().contains("expected s3://BUCKET/KEY"), "{error}");
}
