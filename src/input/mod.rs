//! The rows of an input: decompressed, parsed and checked. No byte of it is trusted.
//!
//! ```text
//! source, encoding ─► input_buffer ─► csv, jsonl ─► row_check, value_check ─► cross_row ─► reader
//! (path or spooled    (a window of    (record to    (values to a link or     (compared    (InputRecord)
//!  stdin, gzip, zstd)  bounded size)   values)       findings)                with others)
//!                                        ▲
//!               options, columns, preset ┴ column_names, column_layout          record_writer, link_rows ─► output_file
//! ```
//!
//! A module imports from those before it, never back. Whatever a file contains, memory stays within
//! [`crate::limits::RECORD_BYTES_MAX`], a read buffer, and 24 bytes for each row that is compared with others. A fault of
//! one row costs that row only, and no message repeats a value.

mod column_layout;
mod column_names;
mod columns;
mod cross_row;
mod csv;
mod encoding;
mod error;
mod input_buffer;
mod jsonl;
mod link_rows;
mod object;
mod options;
mod output_file;
mod pin;
mod preset;
mod read_fault;
mod reader;
mod record;
mod record_writer;
mod row_check;
mod sort;
mod source;
mod subject_shape;
#[cfg(test)]
mod testing;
mod value_check;

pub use columns::{Column, NOTE_COLUMNS};
pub use cross_row::CrossRowFindings;
pub use error::InputError;
pub use link_rows::{LinkRow, LinkRowWriter, UnreadableRows};
pub use object::{ObjectFault, ObjectStore, ObjectVersion, copy_of_object, copy_to_object, install_object_store};
pub use options::{Format, InputOptions, OptionError};
pub use output_file::{OutputFile, write_error};
pub use preset::Preset;
pub use reader::{FirstReading, InputReader};
pub use record::{CheckedRow, InputRecord, LinkRef, RawRecord, RecordLayout};
pub use record_writer::{Note, NoteColumns, RecordWriter, encode_csv_row};
pub use sort::{Sorted, Sorter};
pub use source::{InputSource, STDIN_NAME};
