//! Which field of a CSV gives which column.

use super::column_names::ColumnNames;
use super::columns::Column;
use super::error::header_finding;
use crate::domain::finding::{Finding, FindingCode};
use crate::domain::nearest::{nearest, question};
use crate::limits::{HEADER_NAME_SHOWN_CHARS_MAX, HEADER_NAMES_SHOWN_MAX};

/// The field of each column in every record of a CSV, from 0.
pub(super) type ColumnLayout = [Option<usize>; Column::ALL.len()];

/// Finds the columns in a header, which is on this line and has these names.
pub(super) fn find_columns(names: &[String], known: &ColumnNames, line: u64) -> Result<ColumnLayout, Vec<Finding>> {
    let mut findings = Vec::new();
    let header = HeaderColumns { names, known, line };
    let fields = Column::ALL.map(|column| header.find_field(column, &mut findings));
    header.require_columns(&fields, &mut findings);
    if findings.is_empty() { Ok(fields) } else { Err(findings) }
}

/// Counts the names that mean a column. The right delimiter has the most.
pub(super) fn count_known(names: &[String], known: &ColumnNames) -> usize {
    names.iter().filter(|name| known.find(name).is_some()).count()
}

struct HeaderColumns<'a> {
    names: &'a [String],
    known: &'a ColumnNames,
    line: u64,
}

impl HeaderColumns<'_> {
    fn find_field(&self, column: Column, findings: &mut Vec<Finding>) -> Option<usize> {
        let fields = self.fields_of(column);
        let finding = match (self.known.mapped(column), self.known.constant(column), fields.as_slice()) {
            (_, Some(_), [first, ..]) => Some(self.finding(
                FindingCode::DuplicateColumn,
                Some(*first),
                format!(
                    "--set {} and column {} both give it; remove --set or rename the column in the file",
                    column.name(),
                    first + 1
                ),
            )),
            (Some(_), _, []) => Some(self.unmapped(column)),
            (_, _, [first, second, ..]) => Some(self.finding(
                FindingCode::DuplicateColumn,
                Some(*second),
                format!(
                    "columns {} and {} both mean {}; rename one, or choose with --map {}=NAME",
                    first + 1,
                    second + 1,
                    column.name(),
                    column.name()
                ),
            )),
            _ => None,
        };
        findings.extend(finding);
        fields.first().copied()
    }

    /// Returns the fields that mean this column. Of several that differ in case only it is the one that `--map` spells.
    fn fields_of(&self, column: Column) -> Vec<usize> {
        let means = |name: &String| self.known.find(name).is_some_and(|name| name.columns.contains(column));
        let fields: Vec<usize> = (0..self.names.len()).filter(|at| means(&self.names[*at])).collect();
        let is_spelled = |at: &usize| self.known.mapped(column) == Some(self.names[*at].as_str());
        match fields.iter().copied().filter(is_spelled).collect::<Vec<_>>() {
            one if one.len() == 1 => one,
            _ => fields,
        }
    }

    /// Lists only names that resemble the mapped one: the line may be a row of users and no header.
    fn unmapped(&self, column: Column) -> Finding {
        let mapped = self.known.mapped(column).unwrap_or_default();
        let near: Vec<String> =
            self.names.iter().filter(|name| resembles(name, mapped)).take(3).map(|name| shown(name)).collect();
        let near: Vec<&str> = near.iter().map(String::as_str).collect();
        let hint = question(&near).unwrap_or_else(|| "give a name of the header".to_owned());
        self.finding(
            FindingCode::MissingColumn,
            None,
            format!("--map {}={}: the header has no such column; {hint}", column.name(), shown(mapped)),
        )
    }

    fn require_columns(&self, fields: &[Option<usize>; Column::ALL.len()], findings: &mut Vec<Finding>) {
        use Column::{SourceProvider, SourceValue};
        let given = |column: Column| self.known.constant(column).is_some() || self.known.default(column).is_some();
        let there = |column: &Column| fields[column.index()].is_some() || given(*column);
        let groups: [&[Column]; 3] = [&Column::NAMING_THE_USER, &[SourceProvider], &[SourceValue]];
        for group in groups {
            // A name of --map that is not in the header has its own finding already.
            let is_mapped = group.iter().any(|column| self.known.mapped(*column).is_some());
            if !is_mapped && !group.iter().any(there) {
                findings.push(self.missing(group));
            }
        }
    }

    fn missing(&self, group: &[Column]) -> Finding {
        let accepted: Vec<&str> = group.iter().flat_map(|column| self.known.names_of(*column)).collect();
        let first = group.first().map_or("", |column| column.name());
        let constant = if group.len() == 1 { format!(" or --set {first}=VALUE") } else { String::new() };
        self.finding(
            FindingCode::MissingColumn,
            None,
            format!(
                "no column for {}: accepted names are {}{}; {}; give it with --map {first}=NAME{constant}{}",
                group.iter().map(|column| column.name()).collect::<Vec<_>>().join(" or "),
                accepted.join(", "),
                self.preset_note(group),
                self.known_header(),
                self.misspelled(&accepted)
            ),
        )
    }

    /// Asks whether a name of the header that means nothing is a misspelled one of these. A name that resembles one is no
    /// name of a user.
    fn misspelled(&self, accepted: &[&str]) -> String {
        let unknown = self.names.iter().filter(|name| self.known.find(name).is_none());
        let misspelled = unknown.filter_map(|name| Some((name, nearest(name, accepted.iter().copied())?)));
        let asked =
            misspelled.map(|(name, near)| format!("; {}: {}", shown(name), question(&[near]).unwrap_or_default()));
        asked.take(1).collect()
    }

    /// Explains why the preset has no column for the identity, if it has none.
    fn preset_note(&self, group: &[Column]) -> String {
        let preset = self.known.preset.filter(|preset| group.iter().all(|column| preset.names(*column).is_empty()));
        match preset.filter(|_| group == [Column::SourceValue]) {
            Some(preset) => format!(
                " (preset {} has none: the export does not say which of its columns the provider sends as NameID)",
                preset.name()
            ),
            None => String::new(),
        }
    }

    /// Lists the names of the header, but only if it has a known one: a first line without any may be a row of users, and
    /// their names belong in no message.
    fn known_header(&self) -> String {
        if count_known(self.names, self.known) == 0 {
            return format!(
                "none of the {} names on line {} is known, check that it is a header",
                self.names.len(),
                self.line
            );
        }
        let names: Vec<String> = self.names.iter().take(HEADER_NAMES_SHOWN_MAX).map(|name| shown(name)).collect();
        let more = self.names.len().saturating_sub(HEADER_NAMES_SHOWN_MAX);
        let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!("the header has {}{rest}", names.join(", "))
    }

    fn finding(&self, code: FindingCode, at: Option<usize>, message: String) -> Finding {
        let column = at.map_or("", |at| self.names[at].as_str());
        let field = at.map_or(0, |at| u32::try_from(at + 1).unwrap_or(u32::MAX));
        header_finding(code, self.line, field, column, message)
    }
}

/// Returns a name as a message shows it: cut, and without control characters.
fn shown(name: &str) -> String {
    name.chars().filter(|character| !character.is_control()).take(HEADER_NAME_SHOWN_CHARS_MAX).collect()
}

/// Returns whether somebody could have meant one by the other: the same but for case and marks, one contained in the
/// other, or at most two letters apart.
fn resembles(name: &str, mapped: &str) -> bool {
    let letters = |text: &str| -> String {
        let letters = text.chars().filter(|character| character.is_alphanumeric());
        letters.flat_map(char::to_lowercase).take(HEADER_NAME_SHOWN_CHARS_MAX).collect()
    };
    let (name, mapped) = (letters(name), letters(mapped));
    name.chars().count().min(mapped.chars().count()) > 2
        && (name.contains(&mapped) || mapped.contains(&name) || strsim::levenshtein(&name, &mapped) <= 2)
}

#[cfg(test)]
mod tests;
