//! Result files: rows of an input, laid out as they were, and each again a valid input.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use ::csv::{IntoInnerError, Terminator, WriterBuilder};
use tempfile::NamedTempFile;

use super::columns::Format;
use super::error::InputError;
use super::members;
use super::record::{Layout, RawRecord, RawShape};
use super::split;

/// The columns that say how a row ended, in the order in which they are appended.
pub const NOTE_COLUMNS: [&str; 3] = ["link_state", "link_code", "link_message"];
/// The member that holds a line that is no JSON object, in a file of JSON lines.
const RAW_MEMBER: &str = "link_raw";

/// How a row ended, for the appended columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Note<'a> {
    /// The row's state, or `invalid`.
    pub state: &'a str,
    /// A refusal's, a finding's or the service's code.
    pub code: &'a str,
    /// What to know about it. May be personal.
    pub message: &'a str,
}

/// Writes rows of an input to a result file: the original header and delimiter, every field as it stood, unknown ones
/// included. The file has mode 0600 and stands under its name only when [`RecordWriter::finish`] has put it there.
///
/// Appended columns replace those of an earlier run. Rows of a CSV that could not be taken apart are written as one
/// field and padded to one field more than the header has, so that they are readable again and again invalid;
/// a row with more or fewer fields than the header keeps them all and stays so. A JSON line that is no object becomes
/// the member `link_raw` of one where columns are appended.
#[derive(Debug)]
pub struct RecordWriter {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
    layout: Layout,
    /// `None` where nothing is appended; else the fields of the header that are replaced.
    replaced: Option<Vec<usize>>,
    rows: u64,
}

impl RecordWriter {
    /// Starts a result file for an input of this layout, with the columns of [`NOTE_COLUMNS`] or without.
    ///
    /// # Errors
    /// [`InputError::Write`].
    pub fn create(path: &Path, layout: &Layout, with_notes: bool) -> Result<Self, InputError> {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let file = tempfile::Builder::new().prefix(".cognito-link-").tempfile_in(directory);
        let file = BufWriter::new(file.map_err(|source| write_fault(path, source))?);
        let is_note = |name: &String| NOTE_COLUMNS.iter().any(|column| column.eq_ignore_ascii_case(name));
        let stale = || layout.names.iter().enumerate().filter(|(_, name)| is_note(name)).map(|(at, _)| at).collect();
        let replaced = with_notes.then(stale);
        let mut writer = Self { path: path.to_owned(), file, layout: layout.clone(), replaced, rows: 0 };
        writer.write_header().map_err(|source| write_fault(path, source))?;
        Ok(writer)
    }

    /// Writes the row that a reader returned last. The note is not looked at where nothing is appended.
    ///
    /// # Errors
    /// [`InputError::Write`].
    pub fn write(&mut self, raw: &RawRecord<'_>, note: &Note<'_>) -> Result<(), InputError> {
        let written = match self.layout.format {
            Format::Csv => self.write_fields(raw, note),
            Format::Jsonl => self.write_line(raw, note),
        };
        self.rows += 1;
        written.map_err(|source| write_fault(&self.path, source))
    }

    /// Puts the file under its name, in place of one that stands there, and tells how many rows it has.
    ///
    /// # Errors
    /// [`InputError::Write`]; nothing stands under the name then that did not before.
    pub fn finish(self) -> Result<u64, InputError> {
        let Self { path, file, rows, .. } = self;
        let file = file.into_inner().map_err(|fault| write_fault(&path, fault.into_error()))?;
        file.as_file().sync_all().map_err(|source| write_fault(&path, source))?;
        file.persist(&path).map_err(|fault| write_fault(&path, fault.error))?;
        Ok(rows)
    }

    fn write_header(&mut self) -> io::Result<()> {
        if self.layout.format == Format::Jsonl {
            return Ok(());
        }
        let Self { file, layout, replaced, .. } = self;
        write_kept(file, layout, &layout.header, &layout.header_ends, replaced.as_deref())?;
        end_row(file, layout, replaced.as_ref().map(|_| NOTE_COLUMNS))
    }

    fn write_fields(&mut self, raw: &RawRecord<'_>, note: &Note<'_>) -> io::Result<()> {
        let Self { file, layout, replaced, .. } = self;
        let notes = replaced.as_ref().map(|_| [note.state, note.code, note.message]);
        match raw.shape {
            // In a row of another length the places of the columns are not known.
            RawShape::Fields(ends) if ends.len() != layout.names.len() => file.write_all(raw.bytes)?,
            RawShape::Fields(ends) => write_kept(file, layout, raw.bytes, ends, replaced.as_deref())?,
            RawShape::Object | RawShape::Broken => {
                let columns = layout.names.len() - replaced.as_ref().map_or(0, Vec::len);
                let padded = std::iter::once(raw.bytes).chain(std::iter::repeat_n(&b""[..], columns));
                let notes = notes.iter().flatten().map(|note| note.as_bytes());
                return file.write_all(&encoded(layout, padded.chain(notes))?);
            }
        }
        end_row(file, layout, notes)
    }

    fn write_line(&mut self, raw: &RawRecord<'_>, note: &Note<'_>) -> io::Result<()> {
        if self.replaced.is_none() {
            self.file.write_all(raw.bytes)?;
            return self.file.write_all(self.layout.newline);
        }
        let mut kept: Vec<&[u8]> = Vec::new();
        let wrapped;
        if matches!(raw.shape, RawShape::Object) {
            let is_note = |name: &[u8]| NOTE_COLUMNS.iter().any(|column| column.as_bytes().eq_ignore_ascii_case(name));
            kept.extend(members::members(raw.bytes).filter(|member| !is_note(member.name)).map(|member| member.whole));
        } else {
            wrapped = member_text(RAW_MEMBER, &String::from_utf8_lossy(raw.bytes));
            kept.push(wrapped.as_bytes());
        }
        let notes = [note.state, note.code, note.message];
        let notes = NOTE_COLUMNS.iter().zip(notes).map(|(name, text)| member_text(name, text)).collect::<Vec<_>>();
        kept.extend(notes.iter().map(String::as_bytes));
        self.file.write_all(b"{")?;
        self.file.write_all(&kept.join(&b','))?;
        self.file.write_all(b"}")?;
        self.file.write_all(self.layout.newline)
    }
}

fn write_fault(path: &Path, source: io::Error) -> InputError {
    InputError::Write { path: path.display().to_string(), source }
}

/// Writes the fields that are not replaced, each as it stands.
fn write_kept(
    file: &mut impl Write,
    layout: &Layout,
    record: &[u8],
    ends: &[usize],
    replaced: Option<&[usize]>,
) -> io::Result<()> {
    let Some(replaced) = replaced.filter(|replaced| !replaced.is_empty()) else {
        return file.write_all(record);
    };
    let kept = split::places(record, ends).enumerate().filter(|(at, _)| !replaced.contains(at));
    for (written, (_, place)) in kept.enumerate() {
        if written > 0 {
            file.write_all(&[layout.delimiter])?;
        }
        file.write_all(&record[place])?;
    }
    Ok(())
}

/// Ends a row, with or without notes behind its fields.
fn end_row(file: &mut impl Write, layout: &Layout, notes: Option<[&str; 3]>) -> io::Result<()> {
    match notes {
        // An empty first cell puts a delimiter between the fields and the notes.
        Some([state, code, message]) => file.write_all(&encoded(layout, ["", state, code, message])?),
        None => file.write_all(layout.newline),
    }
}

/// A row of these cells with its line end, quoted where it needs be.
fn encoded(layout: &Layout, cells: impl IntoIterator<Item: AsRef<[u8]>>) -> io::Result<Vec<u8>> {
    let terminator = if layout.newline == b"\r\n" { Terminator::CRLF } else { Terminator::Any(b'\n') };
    let mut row = WriterBuilder::new().delimiter(layout.delimiter).terminator(terminator).from_writer(Vec::new());
    row.write_record(cells)?;
    row.into_inner().map_err(IntoInnerError::into_error)
}

fn member_text(name: &str, text: &str) -> String {
    format!("\"{name}\":{}", serde_json::Value::from(text))
}

#[cfg(test)]
mod tests;
