//! What the tests of the input share.

use std::fmt::Write;

use super::{Column, InputError, InputOptions, InputReader, InputRecord, InputSource};

/// A reader over these bytes.
pub(super) fn reader(bytes: impl AsRef<[u8]>, options: &InputOptions) -> Result<InputReader, InputError> {
    InputReader::new(&InputSource::spool("input", bytes.as_ref()).unwrap(), options)
}

/// Every record under the default options.
pub(super) fn records(bytes: impl AsRef<[u8]>) -> Vec<InputRecord> {
    reader(bytes, &InputOptions::default()).unwrap().map(Result::unwrap).collect()
}

/// The codes of a record's findings.
pub(super) fn codes(record: &InputRecord) -> Vec<&'static str> {
    record.findings.iter().map(|finding| finding.code.as_str()).collect()
}

/// The codes of every record's findings with line and field, as in `missing_value 3:2`.
pub(super) fn places(bytes: impl AsRef<[u8]>) -> Vec<String> {
    let findings = records(bytes).into_iter().flat_map(|record| record.findings);
    findings.map(|finding| format!("{} {}:{}", finding.code.as_str(), finding.line, finding.field)).collect()
}

/// The source values of the valid rows.
pub(super) fn values(bytes: impl AsRef<[u8]>) -> Vec<String> {
    let links = records(bytes).into_iter().filter_map(|record| record.link);
    links.map(|link| link.source.value().expose().to_owned()).collect()
}

/// The codes and messages of a header that is refused.
pub(super) fn header_faults(bytes: impl AsRef<[u8]>, options: &InputOptions) -> Vec<(&'static str, String)> {
    match reader(bytes, options).map(|_| ()) {
        Err(InputError::Header(findings)) => {
            findings.into_iter().map(|finding| (finding.code.as_str(), finding.message)).collect()
        }
        other => panic!("the header was not refused: {other:?}"),
    }
}

/// Options with these `--map` and `--set`.
pub(super) fn options(map: &[(Column, &str)], set: &[(Column, &str)]) -> InputOptions {
    let owned = |pairs: &[(Column, &str)]| pairs.iter().map(|(column, text)| (*column, (*text).to_owned())).collect();
    InputOptions { map: owned(map), set: owned(set), ..InputOptions::default() }
}

/// That many valid rows, `user1,Google,1` and so on.
pub(super) fn valid_rows(count: usize) -> String {
    let mut rows = String::new();
    for row in 1..=count {
        writeln!(rows, "user{row},Google,{row}").unwrap();
    }
    rows
}
