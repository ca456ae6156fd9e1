//! Lines that are read a second time. The chain was checked when they were read first, and a file can be edited in
//! between, so a line is used only if it is what was checked: its hash is kept beside its place.

use std::io;

use super::chain;
use super::checked_line::LineHash;
use super::error::LedgerError;
use super::reader::{self, LedgerLines, LedgerReader, LedgerRecordAt, WholeLines};
use super::storage::LedgerSource;
use crate::limits::LEDGER_LINE_USUAL_BYTES;

/// Reads the lines at these offsets again, and hands them to `read` without their hashes. Lines that together have
/// another hash than this one are damage, and so is the first line if `read` cannot use what they hold.
pub(super) fn read_again<const LINES: usize, T>(
    source: &dyn LedgerSource,
    offsets: [u64; LINES],
    hash: LineHash,
    read: impl FnOnce([&[u8]; LINES]) -> Result<T, String>,
) -> Result<T, LedgerError> {
    let mut lines = [const { Vec::new() }; LINES];
    for (line, offset) in lines.iter_mut().zip(offsets) {
        *line = line_at(source, offset).map_err(|error| reader::read_error(source, &error))?;
    }
    if lines.iter().map(|line| LineHash::of(line)).reduce(LineHash::and) != Some(hash) {
        return Err(damage(source, offsets, "not what it was when it was checked"));
    }
    let mut records = [&[][..]; LINES];
    for (record, line) in records.iter_mut().zip(&mut lines) {
        *record = chain::without_hash(line).map_err(|error| damage(source, offsets, &error.to_string()))?;
    }
    read(records).map_err(|reason| damage(source, offsets, &reason))
}

/// Returns the line that starts there; nothing at the end.
fn line_at(source: &dyn LedgerSource, offset: u64) -> io::Result<Vec<u8>> {
    let mut lines = LedgerLines::new(source, offset, source.size()?, LEDGER_LINE_USUAL_BYTES);
    Ok(lines.next_line()?.map_or_else(Vec::new, |line| line.bytes.to_vec()))
}

/// Returns the damage of a ledger when one of these lines cannot be used: the first that the chain shows, or else the first
/// of these lines that it still has, or else its end.
fn damage(source: &dyn LedgerSource, offsets: impl AsRef<[u64]>, reason: &str) -> LedgerError {
    let find = || {
        let (mut reader, mut first) = (LedgerReader::new(source)?, None);
        while let Some(LedgerRecordAt { line, place, .. }) = reader.next_record()? {
            if first.is_none() && offsets.as_ref().contains(&place.offset) {
                first = Some((line, place.offset));
            }
        }
        let WholeLines { count, bytes, .. } = reader.whole_lines();
        Ok(first.unwrap_or((count + 1, bytes)))
    };
    find().map_or_else(|error| error, |(line, offset)| reader::damaged(source, line, offset, reason))
}
