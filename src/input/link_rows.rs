//! Links of a pool as an input for `link`: the canonical columns, and what would keep a row from being read again.

use std::collections::BTreeMap;
use std::io;

use serde_json::{Map, Value};

use super::columns::Column;
use super::options::Format;
use super::record_writer::encode_csv_row;
use super::row_check::{RowIssues, RowValues, check_row};
use crate::domain::finding::{FindingCode, Severity};
use crate::domain::identity::COGNITO_SUBJECT;

/// The columns that are written, in their order.
const COLUMNS: [Column; 5] = [
    Column::DestinationUsername,
    Column::DestinationProvider,
    Column::SourceProvider,
    Column::SourceAttribute,
    Column::SourceValue,
];

/// A link as its texts. The attribute is always `Cognito_Subject`: the pool does not show by which one a link was made.
#[derive(Clone, Copy)]
pub struct LinkRow<'a> {
    /// The user name, or the user's id at `destination_provider`.
    pub destination_username: &'a str,
    /// The provider whose identity the user was created from; empty for a native user.
    pub destination_provider: &'a str,
    /// The provider of the linked identity.
    pub source_provider: &'a str,
    /// Its id there.
    pub source_value: &'a str,
}

impl<'a> LinkRow<'a> {
    fn cells(&self) -> [&'a str; COLUMNS.len()] {
        [self.destination_username, self.destination_provider, self.source_provider, COGNITO_SUBJECT, self.source_value]
    }
}

/// Counts of the rows that the reader does not accept as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnreadableRows {
    /// Rows that are accepted only with `--allow` and these codes.
    pub with_allow: u64,
    pub suspicions: BTreeMap<FindingCode, u64>,
    /// Rows that are invalid whatever is allowed.
    pub never: u64,
    pub errors: BTreeMap<FindingCode, u64>,
}

#[derive(Debug)]
pub struct LinkRowWriter {
    format: Format,
    rows: u64,
    unreadable: UnreadableRows,
}

impl LinkRowWriter {
    pub fn new(format: Format) -> Self {
        Self { format, rows: 0, unreadable: UnreadableRows::default() }
    }

    /// Returns what comes before the first row.
    pub fn header(&self) -> io::Result<Vec<u8>> {
        match self.format {
            Format::Csv => encode_csv_row(b',', b"\n", COLUMNS.map(Column::name)),
            Format::Jsonl => Ok(Vec::new()),
        }
    }

    /// Returns a row with its line end.
    pub fn row(&mut self, link: &LinkRow<'_>) -> io::Result<Vec<u8>> {
        self.rows += 1;
        self.count_unreadable(link);
        match self.format {
            Format::Csv => encode_csv_row(b',', b"\n", link.cells()),
            Format::Jsonl => {
                let cells = COLUMNS.iter().zip(link.cells()).filter(|(_, text)| !text.is_empty());
                let members: Map<String, Value> =
                    cells.map(|(column, text)| (column.name().to_owned(), text.into())).collect();
                let mut text = serde_json::to_vec(&members)?;
                text.push(b'\n');
                Ok(text)
            }
        }
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Those of them that the reader does not accept as they are.
    pub fn unreadable(&self) -> &UnreadableRows {
        &self.unreadable
    }

    fn count_unreadable(&mut self, link: &LinkRow<'_>) {
        let mut values = RowValues::default();
        for (column, text) in COLUMNS.into_iter().zip(link.cells()) {
            values.texts[column.index()] = text.as_bytes();
        }
        let Err(errors) = check_values(&values, &[]) else { return };
        let UnreadableRows { with_allow, suspicions, never, errors: certain } = &mut self.unreadable;
        let (count, by_code, codes) = match check_values(&values, &FindingCode::SUSPICIONS) {
            Ok(()) => (with_allow, suspicions, errors),
            Err(errors) => (never, certain, errors),
        };
        *count += 1;
        for code in codes {
            *by_code.entry(code).or_default() += 1;
        }
    }
}

/// Fails with the codes of what the reader does not accept.
fn check_values(values: &RowValues<'_>, allowed: &[FindingCode]) -> Result<(), Vec<FindingCode>> {
    let mut issues = RowIssues::new(allowed);
    if check_row(values, &mut issues).is_some() {
        return Ok(());
    }
    let errors = issues.into_vec().into_iter().filter(|issue| issue.severity == Severity::Error);
    let mut codes: Vec<FindingCode> = errors.map(|issue| issue.code).collect();
    codes.sort_unstable();
    codes.dedup();
    Err(codes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link<'a>(user: &'a str, born_at: &'a str, provider: &'a str, value: &'a str) -> LinkRow<'a> {
        LinkRow {
            destination_username: user,
            destination_provider: born_at,
            source_provider: provider,
            source_value: value,
        }
    }

    #[test]
    fn rows_have_the_canonical_columns() {
        let mut csv = LinkRowWriter::new(Format::Csv);
        let header = "destination_username,destination_provider,source_provider,source_attribute,source_value\n";
        assert_eq!(csv.header().unwrap(), header.as_bytes());
        let row = csv.row(&link("a,\"b", "", "Okta", "x\ny")).unwrap();
        assert_eq!(String::from_utf8(row).unwrap(), "\"a,\"\"b\",,Okta,Cognito_Subject,\"x\ny\"\n");
        let mut jsonl = LinkRowWriter::new(Format::Jsonl);
        assert!(jsonl.header().unwrap().is_empty());
        let row = jsonl.row(&link("a", "", "Okta", "\"1\"")).unwrap();
        let expected = r#"{"destination_username":"a","source_provider":"Okta","source_attribute":"Cognito_Subject","source_value":"\"1\""}"#;
        assert_eq!(String::from_utf8(row).unwrap().trim_end(), expected);
        assert_eq!((csv.rows(), jsonl.rows()), (1, 1));
    }

    #[test]
    fn what_the_reader_would_not_take_is_counted() {
        use FindingCode::{ControlCharacter, NumberDamaged, SourceTooLong, SurroundingSpace};
        let long = "x".repeat(120);
        let mut lines = LinkRowWriter::new(Format::Csv);
        for (user, value) in [
            ("alice", "fine"),
            ("bob ", "104000000000000000000"),
            ("carol", " padded"),
            ("dave", "bell\u{7}"),
            (" erin", "\u{7}"),
            ("frank", &long),
            ("grace", "Grace@example.com"),
        ] {
            lines.row(&link(user, "", "Okta", value)).unwrap();
        }
        let UnreadableRows { with_allow, suspicions, never, errors } = lines.unreadable().clone();
        assert_eq!((with_allow, never), (3, 2));
        assert_eq!(suspicions, BTreeMap::from([(NumberDamaged, 1), (SurroundingSpace, 2), (SourceTooLong, 1)]));
        assert_eq!(errors, BTreeMap::from([(ControlCharacter, 2)]));
    }
}
