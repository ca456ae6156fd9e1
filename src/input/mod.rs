//! The input: rows of somebody else's file, streamed, checked and never trusted.
//!
//! ```text
//! Source ─► encoding ─► Feed ─► CsvRows (split, Plan) ─┐
//! (path,    (gzip,      (a window                      ├─► check ─► Record { link or findings }
//!  spooled   zstd, BOM)  of bounded  JsonlRows ────────┘
//!  stdin)                size)       (Harvest)              RecordWriter ◄─ RawRecord
//! ```
//!
//! Most rows are sound, and are passed by a look at their bytes in `sound`, which may only say yes or nothing; what it leaves
//! is judged in full, so that a fault is told in one place.
//!
//! Names are settled once, in [`columns`], [`preset`] and `naming`; a CSV's header becomes a plan before its first row.
//! Whatever a file holds, memory stays within [`crate::limits::RECORD_BYTES_MAX`] and a read buffer, and 27 bytes a row by
//! which rows are held against one another ([`across`]); a fault of one row costs that
//! row only, and no message repeats a value.

pub mod across;
mod asked;
mod characters;
mod check;
pub mod columns;
mod csv;
mod encoding;
pub mod error;
mod feed;
mod gzip;
mod harvest;
mod identifier;
mod jsonl;
pub mod link_lines;
mod members;
mod naming;
pub mod output_file;
mod plan;
pub mod preset;
pub mod reader;
pub mod record;
mod resemble;
pub mod sort;
mod sound;
pub mod source;
mod split;
#[cfg(test)]
mod testing;
mod words;
pub mod writer;

pub use across::{Across, FirstReading};
pub use asked::Asked;
pub use columns::{Column, Format, InputOptions, OptionError};
pub use error::InputError;
pub use link_lines::{LinkLines, LinkTexts, Unreadable};
pub use output_file::OutputFile;
pub use preset::Preset;
pub use reader::Reader;
pub use record::{Glimpse, Layout, RawRecord, Record};
pub use resemble::distance;
pub use sort::{Sorted, Sorter};
pub use source::Source;
pub use writer::{NOTE_COLUMNS, Note, RecordWriter};
