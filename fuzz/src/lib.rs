//! What several fuzz targets do with their bytes.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use cognito_link::commands::shared::saved_plan::PlanHeader;
use cognito_link::domain::identity::PoolId;
use cognito_link::input::{FirstReading, InputOptions, InputReader, InputSource};
use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::Xxh3;

pub const POOL: &str = "sim-local-1_Example01";

/// Reads bytes as an input twice: to check it, and as a run does. Both readings must show the same rows.
pub fn read_rows(bytes: &[u8], options: &InputOptions) {
    let Ok(source) = InputSource::spool("fuzz", bytes) else { return };
    let pool = PoolId::parse(POOL).expect("a valid pool id");
    let mut first = Vec::new();
    let reading = FirstReading::of(&source, options, |row| {
        let record = row.into_record();
        first.push((record.number, record.key(&pool), record.is_valid()));
    });
    let Ok(reading) = reading else { return };
    assert_eq!(reading.rows, first.len() as u64, "every row is shown once");
    let reader = InputReader::with_cross_row(&source, options, &reading.cross_row).expect("it was readable");
    let mut again = 0;
    for (record, (number, key, was_valid)) in reader.zip(&first) {
        let record = record.expect("it was readable");
        assert_eq!((record.number, record.key(&pool)), (*number, *key));
        // Beside other rows, a valid row can be invalid; never the reverse.
        assert!(*was_valid || !record.is_valid(), "row {} becomes valid", record.number.0);
        again += 1;
    }
    assert_eq!(again, first.len(), "every row is read again");
}

/// A file with these bytes; each call overwrites it.
pub fn file_with(bytes: &[u8]) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        // Memory, where the system has it.
        let base = if fs::metadata("/dev/shm").is_ok() { PathBuf::from("/dev/shm") } else { std::env::temp_dir() };
        let folder = base.join(format!("cognito-link-fuzz-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder can be made");
        folder
    });
    let path = folder.join("file");
    fs::write(&path, bytes).expect("the file can be written");
    path
}

/// Gives each line of a ledger the hash that belongs to it, so that its content is read whatever it is.
pub fn sealed_ledger(bytes: &[u8]) -> Vec<u8> {
    let mut state = [0_u8; 32];
    let mut sealed = Vec::with_capacity(bytes.len() * 2);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Some(object) = line.strip_suffix(b"}\n") else {
            sealed.extend_from_slice(line);
            continue;
        };
        state = Sha256::new().chain_update(state).chain_update(object).finalize().into();
        let hash: String = state[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        sealed.extend_from_slice(object);
        sealed.extend_from_slice(format!(",\"hash\":\"{hash}\"}}\n").as_bytes());
    }
    sealed
}

/// Gives a plan the hash that belongs to its header and lines.
pub fn sealed_plan(bytes: &[u8]) -> Option<Vec<u8>> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (header, lines) = bytes.split_at(end + 1);
    let header: PlanHeader = serde_json::from_slice(header).ok()?;
    let mut hasher = Xxh3::new();
    hasher.update(lines);
    let unsealed = PlanHeader { hash: String::new(), ..header.clone() };
    hasher.update(&serde_json::to_vec(&unsealed).ok()?);
    let header = PlanHeader { hash: format!("{:032x}", hasher.digest128()), ..header };
    let mut sealed = serde_json::to_vec(&header).ok()?;
    sealed.push(b'\n');
    sealed.extend_from_slice(lines);
    Some(sealed)
}
