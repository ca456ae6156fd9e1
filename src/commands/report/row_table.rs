//! The files of `report --csv` and `--markdown`: a row for each row of the input, with its state and its own columns.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::clock::UnixMs;
use crate::commands::shared::Failure;
use crate::domain::identity::masked;
use crate::domain::row::RowKey;
use crate::input::{
    InputError, InputOptions, InputReader, InputRecord, InputSource, OutputFile, RawRecord, RecordLayout,
    encode_csv_row, write_error,
};
use crate::ledger::record::LedgerRecord;
use crate::ledger::{LedgerError, read_records};
use crate::limits::COLUMNS_MAX;
use crate::ui::escape;
use crate::ui::format::timestamp;

/// The columns before those of the input.
const OWN_COLUMNS: [&str; 9] = [
    "link_input",
    "link_row",
    "link_line",
    "link_state",
    "link_code",
    "link_message",
    "link_attempts",
    "link_request_id",
    "link_at",
];

/// The column of a retry file that holds the key of a row, which is a hash.
const KEY_COLUMN: &str = "retry_of";

/// The files to write, and how.
#[derive(Debug, Clone, Default)]
pub(super) struct RowTableOptions {
    pub(super) csv: Option<PathBuf>,
    pub(super) markdown: Option<PathBuf>,
    /// Whether a text that a spreadsheet would take for a formula gets an apostrophe before it.
    pub(super) excel_safe: bool,
    pub(super) show_values: bool,
}

/// The newest result of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NewestResult {
    at: UnixMs,
    attempts: u32,
    request_id: Option<Box<str>>,
}

/// What stands in the columns of a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowText<'a> {
    pub(super) state: &'a str,
    pub(super) code: &'a str,
    pub(super) message: &'a str,
}

pub(super) struct RowTable {
    options: RowTableOptions,
    csv: Option<(PathBuf, OutputFile)>,
    markdown: Option<OutputFile>,
    /// The columns of all inputs, by name.
    columns: Vec<String>,
    results: HashMap<RowKey, NewestResult>,
    /// Texts that are never masked.
    names: HashSet<String>,
    rows: u64,
}

impl RowTable {
    /// Starts the files. Their columns are those of all inputs, in the order of their first appearance.
    pub(super) fn create(
        options: RowTableOptions,
        ledgers: &[PathBuf],
        sources: &[InputSource],
        reading: &InputOptions,
    ) -> Result<Self, Failure> {
        let columns = columns_of(sources, reading)?;
        let results = read_results(ledgers)?;
        let csv = options.csv.as_deref().map(|path| Ok((path.to_owned(), OutputFile::create(path)?)));
        let csv: Option<(PathBuf, OutputFile)> = csv.transpose().map_err(|error: InputError| error)?;
        let markdown = options.markdown.as_deref().map(OutputFile::create).transpose()?;
        let mut table = Self { options, csv, markdown, columns, results, names: HashSet::new(), rows: 0 };
        let names: Vec<String> =
            OWN_COLUMNS.iter().map(|name| (*name).to_owned()).chain(table.columns.iter().cloned()).collect();
        table.write_cells(&names)?;
        if let Some(file) = &mut table.markdown {
            file.write(format!("|{}\n", " --- |".repeat(names.len())).as_bytes())?;
        }
        Ok(table)
    }

    /// Shows the names of providers and attributes, also in rows that give no link.
    pub(super) fn show_names(&mut self, names: &HashSet<String>) {
        self.names.extend(names.iter().cloned());
    }

    pub(super) fn write(
        &mut self,
        input: &str,
        raw: &RawRecord<'_>,
        layout: &RecordLayout,
        record: &InputRecord,
        key: RowKey,
        text: RowText<'_>,
    ) -> Result<(), InputError> {
        let result = self.results.get(&key);
        let number_of =
            |result: &NewestResult| if result.attempts > 0 { result.attempts.to_string() } else { String::new() };
        let mut cells = vec![
            input.to_owned(),
            record.number.to_string(),
            record.line.to_string(),
            text.state.to_owned(),
            text.code.to_owned(),
            text.message.to_owned(),
            result.map(number_of).unwrap_or_default(),
            result.and_then(|result| result.request_id.as_deref()).unwrap_or_default().to_owned(),
            result.map(|result| timestamp(result.at)).unwrap_or_default(),
        ];
        let mut own: HashMap<String, String> = raw.cells(layout).into_iter().collect();
        for column in &self.columns {
            let text = own.remove(column).unwrap_or_default();
            let is_key = column.eq_ignore_ascii_case(KEY_COLUMN);
            let is_shown = self.options.show_values || text.is_empty() || is_key || self.names.contains(&text);
            cells.push(if is_shown { text } else { masked(&text) });
        }
        self.rows += 1;
        self.write_cells(&cells)
    }

    fn write_cells(&mut self, cells: &[String]) -> Result<(), InputError> {
        if let Some((path, file)) = &mut self.csv {
            let encoded = if self.options.excel_safe {
                encode_csv_row(b',', b"\n", cells.iter().map(|cell| without_formula(cell)))
            } else {
                encode_csv_row(b',', b"\n", cells)
            };
            file.write(&encoded.map_err(|error| write_error(path, error))?)?;
        }
        if let Some(file) = &mut self.markdown {
            let cells: Vec<String> = cells.iter().map(|cell| markdown_cell(cell)).collect();
            file.write(format!("| {} |\n", cells.join(" | ")).as_bytes())?;
        }
        Ok(())
    }

    /// Puts the files under their names; returns the number of rows of each.
    pub(super) fn finish(self) -> Result<u64, InputError> {
        if let Some((_, file)) = self.csv {
            file.finish()?;
        }
        self.markdown.map(OutputFile::finish).transpose()?;
        Ok(self.rows)
    }
}

fn columns_of(sources: &[InputSource], reading: &InputOptions) -> Result<Vec<String>, Failure> {
    let mut columns: Vec<String> = Vec::new();
    let mut add = |name: String| -> Result<(), Failure> {
        // A result file of an earlier report has some of them.
        if OWN_COLUMNS.iter().any(|own| own.eq_ignore_ascii_case(&name)) {
            return Ok(());
        }
        if !columns.contains(&name) {
            if columns.len() >= COLUMNS_MAX {
                return Err(Failure::Usage(format!("the inputs have more than {COLUMNS_MAX} columns together")));
            }
            columns.push(name);
        }
        Ok(())
    };
    for source in sources {
        let mut reader = InputReader::new(source, reading)?;
        if let Some(names) = reader.layout().column_names() {
            names.iter().cloned().try_for_each(&mut add)?;
            continue;
        }
        while let Some(record) = reader.next() {
            record?;
            let layout = reader.layout().clone();
            reader.raw().cells(&layout).into_iter().map(|(name, _)| name).try_for_each(&mut add)?;
        }
    }
    Ok(columns)
}

fn read_results(ledgers: &[PathBuf]) -> Result<HashMap<RowKey, NewestResult>, LedgerError> {
    let mut results: HashMap<RowKey, NewestResult> = HashMap::new();
    let mut add = |key, at, attempts, request_id: Option<&str>| {
        let result = NewestResult { at, attempts, request_id: request_id.map(Into::into) };
        // Of several ledgers, the newest result counts.
        if results.get(&key).is_none_or(|held| held.at <= at) {
            results.insert(key, result);
        }
    };
    for path in ledgers {
        read_records(path as &Path, &mut |record| {
            match record {
                LedgerRecord::Settled(settled) => {
                    add(settled.key, settled.at, settled.attempts, settled.request_id.as_deref());
                }
                LedgerRecord::UnlinkSettled(settled) => {
                    add(settled.key, settled.at, settled.attempts, settled.request_id.as_deref());
                }
                _ => {}
            }
            ControlFlow::Continue(())
        })?;
    }
    Ok(results)
}

/// Returns a text that a spreadsheet takes for text.
fn without_formula(text: &str) -> String {
    const STARTS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];
    if text.starts_with(STARTS) { format!("'{text}") } else { text.to_owned() }
}

/// Returns a text on one line that Markdown shows as it is.
fn markdown_cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    for character in escape(text).chars() {
        match character {
            '&' => cell.push_str("&amp;"),
            '<' => cell.push_str("&lt;"),
            '\\' | '|' | '`' | '*' | '[' | ']' | '~' => cell.extend(['\\', character]),
            other => cell.push(other),
        }
    }
    cell
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_calculates_gets_an_apostrophe() {
        for (text, expected) in [
            ("=HYPERLINK(\"x\")", "'=HYPERLINK(\"x\")"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\u{ff1d}1", "'\u{ff1d}1"),
            ("a=1", "a=1"),
            ("", ""),
        ] {
            assert_eq!(without_formula(text), expected);
        }
    }

    #[test]
    fn a_cell_of_markdown_is_one_cell_of_plain_text() {
        assert_eq!(markdown_cell("a|b *c* <i> `d` [e](f) \\"), "a\\|b \\*c\\* &lt;i> \\`d\\` \\[e\\](f) \\\\");
        assert!(!markdown_cell("a\nb\r").contains(['\n', '\r']));
    }
}
