//! Result files: rows of an input in its own format, so that each file is a valid input again.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use ::csv::{IntoInnerError, Terminator, WriterBuilder};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::columns::NOTE_COLUMNS;
use super::error::InputError;
use super::options::Format;
use super::output_file::{OutputFile, write_error};
use super::record::{CsvField, RawRecord, RawShape, RecordLayout};

/// In JSON lines, the member that holds a line that is no object.
const RAW_MEMBER: &str = "link_raw";

/// The outcome of a row, for the appended columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Note<'a> {
    /// The row's state, or `invalid`.
    pub state: &'a str,
    /// The code of a refusal, of a finding or of the service.
    pub code: &'a str,
    /// May be personal.
    pub message: &'a str,
    /// The key of the row, by which a corrected row names the one that it replaces; empty where no pool is known.
    pub retry_of: &'a str,
}

impl<'a> Note<'a> {
    fn cells(&self) -> [&'a str; NOTE_COLUMNS.len()] {
        [self.state, self.code, self.message, self.retry_of]
    }
}

/// Writes rows of an input to a result file: the original header and delimiter, every field as it was, unknown ones
/// included. See [`OutputFile`] for the file.
///
/// Appended columns replace those of an earlier run. Rows of a CSV that could not be split are written as one field and
/// padded to one field more than the header has, so that they can be read again and are invalid again; a row with more or
/// fewer fields than the header keeps them all, and is padded likewise before appended columns. A JSON line that is no
/// object becomes the member `link_raw` of one if columns are appended.
#[derive(Debug)]
pub struct RecordWriter {
    path: PathBuf,
    file: OutputFile,
    /// Of the input that rows are taken from now.
    layout: RecordLayout,
    notes: NoteColumns,
    /// The fields of the layout that are left out.
    dropped: Vec<usize>,
    rows: u64,
}

/// What becomes of the columns of [`NOTE_COLUMNS`] that an input has from an earlier report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoteColumns {
    Keep,
    /// For inputs of which only some have them.
    Drop,
    /// New ones take their place.
    Replace,
}

impl RecordWriter {
    /// Starts a result file for an input of this layout.
    pub fn create(path: &Path, layout: &RecordLayout, notes: NoteColumns) -> Result<Self, InputError> {
        let file = OutputFile::create(path)?;
        let mut writer =
            Self { path: path.to_owned(), file, layout: layout.clone(), notes, dropped: Vec::new(), rows: 0 };
        writer.take_rows_of(layout);
        if layout.format == Format::Csv {
            let mut header = Vec::new();
            writer.append_kept_fields(&mut header, &layout.header, &layout.header_fields);
            writer.end_row(&mut header, NOTE_COLUMNS).map_err(|source| write_error(path, source))?;
            writer.file.write(&header)?;
        }
        Ok(writer)
    }

    /// Takes the next rows from an input of this layout: its columns must be those of the first one, the notes aside.
    pub fn take_rows_of(&mut self, layout: &RecordLayout) {
        let is_dropped = |at: &usize| self.notes != NoteColumns::Keep && is_note_column(&layout.names[*at]);
        self.dropped = (0..layout.names.len()).filter(is_dropped).collect();
        // The file keeps the line end of the first input.
        self.layout = RecordLayout { newline: self.layout.newline, ..layout.clone() };
    }

    fn appends(&self) -> bool {
        self.notes == NoteColumns::Replace
    }

    /// Writes a row. The note is ignored if nothing is appended.
    pub fn write(&mut self, raw: &RawRecord<'_>, note: &Note<'_>) -> Result<(), InputError> {
        let row = match self.layout.format {
            Format::Csv => self.csv_row(raw, note),
            Format::Jsonl => self.json_line(raw, note),
        };
        self.rows += 1;
        self.file.write(&row.map_err(|source| write_error(&self.path, source))?)
    }

    /// Puts the file under its name, replacing an existing one; returns its number of rows. An existing file stays as
    /// it is where this fails.
    pub fn finish(self) -> Result<u64, InputError> {
        self.file.finish()?;
        Ok(self.rows)
    }

    fn csv_row(&self, raw: &RawRecord<'_>, note: &Note<'_>) -> io::Result<Vec<u8>> {
        let mut row = Vec::new();
        match raw.shape {
            RawShape::Fields(fields) if fields.len() == self.layout.names.len() => {
                self.append_kept_fields(&mut row, raw.bytes, fields);
            }
            // In a row of another length it is not known which field is in which column. A note must not come to stand in
            // a column of the input, where it would be taken for a value once somebody makes the row as long as the header.
            RawShape::Fields(fields) => {
                row.extend_from_slice(raw.bytes);
                if self.appends() {
                    let missing = (self.kept_columns() + 1).saturating_sub(fields.len());
                    row.extend(std::iter::repeat_n(self.layout.delimiter, missing));
                }
            }
            RawShape::Object | RawShape::Broken => {
                let columns = self.kept_columns();
                let padded = std::iter::once(raw.bytes).chain(std::iter::repeat_n(&b""[..], columns));
                let notes = self.appends().then(|| note.cells()).into_iter().flatten().map(str::as_bytes);
                return self.encode(padded.chain(notes));
            }
        }
        self.end_row(&mut row, note.cells())?;
        Ok(row)
    }

    /// How many columns of the input the file has.
    fn kept_columns(&self) -> usize {
        self.layout.names.len() - self.dropped.len()
    }

    /// Appends the fields that are not replaced, each as it is.
    fn append_kept_fields(&self, row: &mut Vec<u8>, record: &[u8], fields: &[CsvField]) {
        let kept = fields.iter().enumerate().filter(|(at, _)| !self.dropped.contains(at));
        let kept: Vec<&[u8]> = kept.map(|(_, field)| &record[field.raw.clone()]).collect();
        row.extend(kept.join(&self.layout.delimiter));
    }

    /// Appends the notes, if there are any, and the line end.
    fn end_row(&self, row: &mut Vec<u8>, [state, code, message, retry_of]: [&str; 4]) -> io::Result<()> {
        if self.appends() {
            // An empty first cell puts a delimiter between the fields and the notes.
            row.extend(self.encode(["", state, code, message, retry_of])?);
        } else {
            row.extend_from_slice(self.layout.newline);
        }
        Ok(())
    }

    fn encode(&self, cells: impl IntoIterator<Item: AsRef<[u8]>>) -> io::Result<Vec<u8>> {
        encode_csv_row(self.layout.delimiter, self.layout.newline, cells)
    }

    fn json_line(&self, raw: &RawRecord<'_>, note: &Note<'_>) -> io::Result<Vec<u8>> {
        if !self.appends() {
            return Ok([raw.bytes, self.layout.newline].concat());
        }
        let mut members = Vec::new();
        if matches!(raw.shape, RawShape::Object) {
            let object: RawMembers<'_> = serde_json::from_slice(raw.bytes)?;
            let kept = object.0.iter().filter(|(name, _)| !is_note_column(name));
            members.extend(kept.map(|(name, value)| json_member(name, value.get())));
        } else {
            members.push(json_member(RAW_MEMBER, &json_string(&String::from_utf8_lossy(raw.bytes))));
        }
        let notes = NOTE_COLUMNS.iter().zip(note.cells());
        members.extend(notes.map(|(name, text)| json_member(name, &json_string(text))));
        Ok([b"{", members.join(",").as_bytes(), b"}", self.layout.newline].concat())
    }
}

fn is_note_column(name: &str) -> bool {
    NOTE_COLUMNS.iter().any(|column| column.eq_ignore_ascii_case(name))
}

/// Returns a row with its line end, quoted where it must be.
pub fn encode_csv_row(
    delimiter: u8,
    newline: &[u8],
    cells: impl IntoIterator<Item: AsRef<[u8]>>,
) -> io::Result<Vec<u8>> {
    let terminator = if newline == b"\r\n" { Terminator::CRLF } else { Terminator::Any(b'\n') };
    let mut row = WriterBuilder::new().delimiter(delimiter).terminator(terminator).from_writer(Vec::new());
    row.write_record(cells)?;
    row.into_inner().map_err(IntoInnerError::into_error)
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn json_member(name: &str, value: &str) -> String {
    format!("{}:{value}", json_string(name))
}

/// The members of an object in their order, each value as it is written there.
struct RawMembers<'t>(Vec<(String, &'t RawValue)>);

impl<'t> Deserialize<'t> for RawMembers<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RawMembers(Vec::new()))
    }
}

impl<'t> Visitor<'t> for RawMembers<'t> {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(mut self, mut members: A) -> Result<Self, A::Error> {
        while let Some(member) = members.next_entry()? {
            self.0.push(member);
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests;
