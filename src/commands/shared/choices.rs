//! `choices.csv`: which of several users a row means, filled in by a person.
//!
//! The file has one line for each candidate, and one line of each row is marked. Lines carry the key of their row, so
//! the file may be sorted, and lines that are not needed may be removed.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::failure::Failure;
use crate::domain::identity::Personal;
use crate::domain::row::{Row, RowKey};
use crate::engine::IncomingRow;
use crate::foresight::pool_index::IndexedUser;
use crate::input::{InputError, OutputFile, copy_of_object, encode_csv_row, write_error};
use crate::limits::CHOICES_MAX;
use crate::ui::{MessageCode, Ui, format};

const COLUMNS: [&str; 8] = ["row", "key", "destination", "choose", "username", "sub", "email", "status"];

/// The user that each ambiguous row means. Copies share what they know of rows.
#[derive(Debug, Clone, Default)]
pub struct Choices {
    by_key: Arc<HashMap<RowKey, Choice>>,
}

#[derive(Debug)]
struct Choice {
    username: Personal,
    /// Whether a row with this key was met.
    has_row: AtomicBool,
}

impl Choices {
    /// Reads a file that was filled in: a line with any text under `choose` is the choice of its row.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let usage = |what: String| Failure::Usage(format!("--choices {}: {what}", path.display()));
        let file = match copy_of_object(path)? {
            Some(copy) => copy.into_file(),
            None => File::open(path).map_err(|error| usage(error.to_string()))?,
        };
        let mut reader = ::csv::Reader::from_reader(BufReader::new(file));
        let header = reader.headers().map_err(|error| usage(csv_fault(&error)))?.clone();
        let position = |name: &str| {
            header.iter().position(|column| column == name).ok_or_else(|| usage(format!("column {name} is missing")))
        };
        let (key, choose, username) = (position("key")?, position("choose")?, position("username")?);
        let mut by_key = HashMap::new();
        for (line, record) in (2_u64..).zip(reader.records()) {
            let record = record.map_err(|error| usage(csv_fault(&error)))?;
            let cell = |at: usize| record.get(at).unwrap_or_default();
            if cell(choose).trim().is_empty() {
                continue;
            }
            let key =
                RowKey::parse(cell(key).as_bytes()).ok_or_else(|| usage(format!("record {line}: not a row key")))?;
            let chosen = Personal::from_service(cell(username));
            let choice = Choice { username: chosen.clone(), has_row: AtomicBool::new(false) };
            if by_key.insert(key, choice).is_some_and(|earlier| earlier.username != chosen) {
                return Err(usage(format!(
                    "record {line}: a second choice for row key {key}; mark one line for each row"
                )));
            }
            if by_key.len() > CHOICES_MAX {
                return Err(usage(format!("more than {CHOICES_MAX} choices")));
            }
        }
        Ok(Self { by_key: Arc::new(by_key) })
    }

    pub fn username_for(&self, key: RowKey) -> Option<&Personal> {
        let choice = self.by_key.get(&key)?;
        choice.has_row.store(true, Ordering::Relaxed);
        Some(&choice.username)
    }

    /// Warns of choices whose row was not met in the whole input.
    pub fn warn_about_unused(&self, ui: &Ui) {
        let is_unused = |(_, choice): &(&RowKey, &Choice)| !choice.has_row.load(Ordering::Relaxed);
        let mut unused: Vec<RowKey> = self.by_key.iter().filter(is_unused).map(|(key, _)| *key).collect();
        unused.sort_unstable();
        let Some(first) = unused.first() else { return };
        let matches = if unused.len() == 1 { "matches" } else { "match" };
        ui.warn(
            MessageCode::ChoicesUnused,
            &format!(
                "{} of --choices {matches} no valid row of the input; the first has key {first}",
                format::counted(unused.len() as u64, "choice")
            ),
        );
    }

    /// Returns a row with the user that was chosen for it, if there is a choice.
    pub fn incoming(&self, row: Row) -> IncomingRow {
        let chosen = self.username_for(row.key).filter(|_| row.link.destination.needs_look_up());
        match chosen {
            Some(username) => IncomingRow::Chosen(row, username.clone()),
            None => IncomingRow::Row(row),
        }
    }
}

/// Describes an error without the record, which may be personal.
fn csv_fault(error: &::csv::Error) -> String {
    let line = error.position().map_or_else(String::new, |at| format!("line {}: ", at.line()));
    match error.kind() {
        ::csv::ErrorKind::Io(error) => error.to_string(),
        ::csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{line}{len} fields, and the header has {expected_len}")
        }
        _ => format!("{line}not valid CSV in UTF-8"),
    }
}

/// Writes the file to fill in.
pub struct ChoicesWriter {
    file: OutputFile,
    rows: u64,
}

impl ChoicesWriter {
    pub fn create(folder: &Path) -> Result<Self, InputError> {
        let mut writer = Self { file: OutputFile::create(&folder.join(FILE_NAME))?, rows: 0 };
        writer.write_cells(COLUMNS)?;
        Ok(writer)
    }

    pub fn write(&mut self, row: &Row, candidates: &[&IndexedUser]) -> Result<(), InputError> {
        self.rows += 1;
        let (number, key) = (row.number.to_string(), row.key.to_string());
        let destination = row.link.destination.value().expose();
        for user in candidates {
            let [sub, email] = [&user.sub, &user.email].map(|value| value.as_ref().map_or("", Personal::expose));
            self.write_cells([&number, &key, destination, "", user.username.expose(), sub, email, &user.status])?;
        }
        Ok(())
    }

    fn write_cells(&mut self, cells: [&str; COLUMNS.len()]) -> Result<(), InputError> {
        let row = encode_csv_row(b',', b"\n", cells).map_err(|error| write_error(Path::new(FILE_NAME), error))?;
        self.file.write(&row)
    }

    /// Gives the file its name, unless no row needs a choice. Returns the number of rows that do.
    pub fn finish(self) -> Result<u64, InputError> {
        if self.rows > 0 {
            self.file.finish()?;
        }
        Ok(self.rows)
    }
}

/// Name of the file in the folder of `--split`.
pub const FILE_NAME: &str = "choices.csv";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Choices, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("choices.csv");
        std::fs::write(&path, text).unwrap();
        Choices::read(&path).map_err(|failure| failure.to_string())
    }

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn one_line_of_each_row_is_marked() {
        let key = RowKey::parse(KEY.as_bytes()).unwrap();
        let text = format!("key,choose,username\n{KEY},,alice\n{KEY},x,bob\n");
        let choices = read(&text).unwrap();
        assert_eq!((choices.by_key.len(), choices.username_for(key).map(Personal::expose)), (1, Some("bob")));
        assert!(read(&format!("key,choose,username\n{KEY},,alice\n")).unwrap().by_key.is_empty());
    }

    #[test]
    fn errors_name_the_line_and_no_value() {
        for (text, expected) in [
            (format!("key,choose,username\n{KEY},x,alice\n{KEY},x,bob\n"), "record 3: a second choice for row key"),
            ("key,username\n".to_owned(), "column choose is missing"),
            ("key,choose,username\nnonsense,x,alice\n".to_owned(), "record 2: not a row key"),
            (format!("key,choose,username\n{KEY},x\n"), "line 2: 2 fields, and the header has 3"),
        ] {
            let text_of_error = read(&text).unwrap_err();
            assert!(text_of_error.contains(expected) && !text_of_error.contains("alice"), "{text_of_error}");
        }
    }
}
