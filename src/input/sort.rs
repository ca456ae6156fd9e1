//! Sorting more records than memory holds: sorted runs in temporary files without a name, merged when they are read.
//!
//! A record is a few texts. It is kept as one string of bytes whose order is that of the texts, one after the other, so
//! that sorting compares bytes and nothing else. Equal records are one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};

use crate::limits::{SORT_BUFFER_BYTES, SORT_RUN_BYTES, SORT_RUNS_MAX};

/// Ends a text. It must be lower than any byte of a text, so those two bytes are written as two.
const END: u8 = 0;
const ESCAPE: u8 = 1;

/// Takes records in any order.
pub struct Sorter {
    bytes: Vec<u8>,
    /// Where each record ends in `bytes`.
    ends: Vec<usize>,
    runs: Vec<File>,
    run_bytes: usize,
    runs_max: usize,
}

impl Default for Sorter {
    fn default() -> Self {
        Self::with_bounds(SORT_RUN_BYTES, SORT_RUNS_MAX)
    }
}

impl Sorter {
    fn with_bounds(run_bytes: usize, runs_max: usize) -> Self {
        Self { bytes: Vec::new(), ends: Vec::new(), runs: Vec::new(), run_bytes, runs_max }
    }

    pub fn add(&mut self, texts: &[&str]) -> io::Result<()> {
        for text in texts {
            for byte in text.bytes() {
                match byte {
                    END | ESCAPE => self.bytes.extend([ESCAPE, byte + 1]),
                    _ => self.bytes.push(byte),
                }
            }
            self.bytes.push(END);
        }
        self.ends.push(self.bytes.len());
        if self.bytes.len() < self.run_bytes {
            return Ok(());
        }
        let run = write_run(self.sorted().into_iter().map(Ok))?;
        self.bytes.clear();
        self.ends.clear();
        self.runs.push(run);
        if self.runs.len() >= self.runs_max {
            let runs = std::mem::take(&mut self.runs);
            let merged = write_run(Merged::of(runs, Vec::new())?)?;
            self.runs.push(merged);
        }
        Ok(())
    }

    /// The records in order, each once.
    pub fn finish(self) -> io::Result<Sorted> {
        let last = self.sorted().into_iter().map(<[u8]>::to_vec).collect();
        Ok(Sorted { merged: Merged::of(self.runs, last)? })
    }

    fn sorted(&self) -> Vec<&[u8]> {
        let mut start = 0;
        let record = |end: &usize| &self.bytes[std::mem::replace(&mut start, *end)..*end];
        let mut records: Vec<&[u8]> = self.ends.iter().map(record).collect();
        records.sort_unstable();
        records.dedup();
        records
    }
}

/// Records in order.
pub struct Sorted {
    merged: Merged,
}

impl Iterator for Sorted {
    type Item = io::Result<Vec<String>>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.merged.next()?.and_then(|record| texts_of(&record)))
    }
}

fn texts_of(record: &[u8]) -> io::Result<Vec<String>> {
    let mut texts = Vec::new();
    let mut text = Vec::new();
    let mut escaped = false;
    for byte in record {
        match *byte {
            byte if escaped => text.push(byte - 1),
            ESCAPE => {}
            END => texts.push(String::from_utf8(std::mem::take(&mut text)).map_err(io::Error::other)?),
            byte => text.push(byte),
        }
        escaped = *byte == ESCAPE && !escaped;
    }
    Ok(texts)
}

/// A run in its file: each record behind its length.
fn write_run<R: AsRef<[u8]>>(records: impl Iterator<Item = io::Result<R>>) -> io::Result<File> {
    let mut file = BufWriter::with_capacity(SORT_BUFFER_BYTES, tempfile::tempfile()?);
    for record in records {
        let record = record?;
        let record = record.as_ref();
        file.write_all(&u32::try_from(record.len()).map_err(io::Error::other)?.to_le_bytes())?;
        file.write_all(record)?;
    }
    let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    Ok(file)
}

/// Where the next record of a run comes from.
enum Run {
    File(BufReader<File>),
    Memory(std::vec::IntoIter<Vec<u8>>),
}

impl Run {
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let file = match self {
            Self::Memory(records) => return Ok(records.next()),
            Self::File(file) => file,
        };
        let mut length = [0; 4];
        match file.read_exact(&mut length) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let mut record = vec![0; u32::from_le_bytes(length) as usize];
        file.read_exact(&mut record)?;
        Ok(Some(record))
    }
}

/// Several runs as one.
struct Merged {
    runs: Vec<Run>,
    /// The next record of each run.
    heads: BinaryHeap<Reverse<(Vec<u8>, usize)>>,
    last: Option<Vec<u8>>,
}

impl Merged {
    fn of(files: Vec<File>, memory: Vec<Vec<u8>>) -> io::Result<Self> {
        let files = files.into_iter().map(|file| Run::File(BufReader::with_capacity(SORT_BUFFER_BYTES, file)));
        let mut runs: Vec<Run> = files.chain([Run::Memory(memory.into_iter())]).collect();
        let mut heads = BinaryHeap::new();
        for (at, run) in runs.iter_mut().enumerate() {
            heads.extend(run.next()?.map(|record| Reverse((record, at))));
        }
        Ok(Self { runs, heads, last: None })
    }

    fn pop(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(Reverse((record, at))) = self.heads.pop() else { return Ok(None) };
        self.heads.extend(self.runs[at].next()?.map(|next| Reverse((next, at))));
        Ok(Some(record))
    }
}

impl Iterator for Merged {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.pop() {
                Ok(None) => return None,
                Ok(Some(record)) if self.last.as_ref() == Some(&record) => {}
                Ok(Some(record)) => {
                    self.last = Some(record.clone());
                    return Some(Ok(record));
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Rng;

    fn sorted(run_bytes: usize, runs_max: usize, records: &[[String; 2]]) -> Vec<Vec<String>> {
        let mut sorter = Sorter::with_bounds(run_bytes, runs_max);
        for [first, second] in records {
            sorter.add(&[first, second]).unwrap();
        }
        assert!(sorter.runs.len() < runs_max);
        sorter.finish().unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn runs_in_files_give_what_memory_gives() {
        let mut rng = Rng::new(5);
        let alphabet = ['a', 'b', '\0', '\u{1}', '\u{2}', 'é', '\n'];
        let mut text = || {
            let length = rng.below(5);
            (0..length).map(|_| alphabet[usize::try_from(rng.below(7)).unwrap()]).collect::<String>()
        };
        let records: Vec<[String; 2]> = (0..3_000).map(|_| [text(), text()]).collect();
        let mut expected: Vec<Vec<String>> = records.iter().map(|record| record.to_vec()).collect();
        expected.sort();
        expected.dedup();
        for (run_bytes, runs_max) in [(usize::MAX, 2), (4_000, 100), (200, 5), (150, 2)] {
            assert!(sorted(run_bytes, runs_max, &records) == expected, "{run_bytes} {runs_max}");
        }
    }

    #[test]
    fn nothing_sorts_to_nothing() {
        assert!(sorted(10, 2, &[]).is_empty());
        let empty = [String::new(), String::new()];
        assert_eq!(sorted(10, 2, &[empty.clone(), empty.clone()]), [empty.to_vec()]);
    }
}
