//! From a header to a plan: where each column stands.

use super::columns::Column;
use super::error::header_finding;
use super::naming::Naming;
use super::resemble::distance;
use crate::domain::finding::{Finding, FindingCode};
use crate::limits::{HEADER_NAME_SHOWN_CHARS_MAX, HEADER_NAMES_SHOWN_MAX};

/// Where the columns stand in every record of a CSV.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    fields: [Option<usize>; Column::ALL.len()],
}

impl Plan {
    /// Finds the columns in a header of these names, which stands in this line.
    pub(super) fn new(names: &[String], naming: &Naming, line: u64) -> Result<Self, Vec<Finding>> {
        let mut findings = Vec::new();
        let header = Header { names, naming, line };
        let fields = Column::ALL.map(|column| header.place(column, &mut findings));
        header.require_columns(&fields, &mut findings);
        if findings.is_empty() { Ok(Self { fields }) } else { Err(findings) }
    }

    /// The field of a column, from 0.
    pub(super) fn field(&self, column: Column) -> Option<usize> {
        self.fields[column.index()]
    }
}

/// How many columns of a header mean something: what tells a delimiter from the others.
pub(super) fn known_count(names: &[String], naming: &Naming) -> usize {
    names.iter().filter(|name| !naming.columns_of(name).is_empty()).count()
}

struct Header<'a> {
    names: &'a [String],
    naming: &'a Naming,
    line: u64,
}

impl Header<'_> {
    fn place(&self, column: Column, findings: &mut Vec<Finding>) -> Option<usize> {
        let hits = self.hits(column);
        let told = match (self.naming.mapped(column), self.naming.constant(column), hits.as_slice()) {
            (_, Some(_), [first, ..]) => Some(self.finding(
                FindingCode::DuplicateColumn,
                Some(*first),
                format!(
                    "--set {} and column {} both give it; drop --set or rename the column in the file",
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
        findings.extend(told);
        hits.first().copied()
    }

    /// The fields that mean this column. Where `--map` names one of several that differ in case only, it is that one.
    fn hits(&self, column: Column) -> Vec<usize> {
        let means = |(_, name): &(usize, &String)| self.naming.columns_of(name).contains(column);
        let hits: Vec<usize> = self.names.iter().enumerate().filter(means).map(|(at, _)| at).collect();
        let exact = |at: &usize| self.naming.mapped(column) == Some(self.names[*at].as_str());
        match hits.iter().copied().filter(exact).collect::<Vec<_>>() {
            one if one.len() == 1 => one,
            _ => hits,
        }
    }

    /// What the mapped name says is not in the header. Only names that resemble it are told.
    fn unmapped(&self, column: Column) -> Finding {
        let wanted = self.naming.mapped(column).unwrap_or_default();
        let near: Vec<String> =
            self.names.iter().filter(|name| resembles(name, wanted)).take(3).map(|name| shown(name)).collect();
        let hint = if near.is_empty() {
            "give a name of the header".to_owned()
        } else {
            format!("did you mean {}", near.join(", "))
        };
        self.finding(
            FindingCode::MissingColumn,
            None,
            format!("--map {}={}: the header has no such column; {hint}", column.name(), shown(wanted)),
        )
    }

    fn require_columns(&self, fields: &[Option<usize>; Column::ALL.len()], findings: &mut Vec<Finding>) {
        use Column::{DestinationEmail, DestinationSub, DestinationUsername, SourceProvider, SourceValue};
        let given = |column: Column| self.naming.constant(column).is_some() || self.naming.default(column).is_some();
        let there = |column: &Column| fields[column.index()].is_some() || given(*column);
        let groups: [&[Column]; 3] =
            [&[DestinationUsername, DestinationSub, DestinationEmail], &[SourceProvider], &[SourceValue]];
        for group in groups {
            // A column that --map names in vain has its own finding already.
            let told = group.iter().any(|column| self.naming.mapped(*column).is_some());
            if !told && !group.iter().any(there) {
                findings.push(self.missing(group));
            }
        }
    }

    fn missing(&self, group: &[Column]) -> Finding {
        let accepted: Vec<&str> = group.iter().flat_map(|column| self.naming.accepted(*column)).collect();
        let first = group.first().map_or("", |column| column.name());
        let constant = if group.len() == 1 { format!(" or --set {first}=VALUE") } else { String::new() };
        self.finding(
            FindingCode::MissingColumn,
            None,
            format!(
                "no column for {}: accepted are {}{}; {}; name it with --map {first}=NAME{constant}",
                group.iter().map(|column| column.name()).collect::<Vec<_>>().join(" or "),
                accepted.join(", "),
                self.preset_told(group),
                self.what_is_there()
            ),
        )
    }

    /// Why the preset names no column for the identity, where it names none.
    fn preset_told(&self, group: &[Column]) -> String {
        let preset = self.naming.preset().filter(|preset| group.iter().all(|column| preset.names(*column).is_empty()));
        match preset.filter(|_| group == [Column::SourceValue]) {
            Some(preset) => format!(
                " (preset {} takes no other: the export does not tell which of its columns the provider sends as NameID)",
                preset.name()
            ),
            None => String::new(),
        }
    }

    /// The names of the header, but only of one in which something is known: a first line without any known name may
    /// well be a row of users, and their names belong in no message.
    fn what_is_there(&self) -> String {
        if known_count(self.names, self.naming) == 0 {
            return format!("none of the {} names in line {} is known, is it a header", self.names.len(), self.line);
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

/// A name as a message shows it: cut, and without what could move a cursor.
fn shown(name: &str) -> String {
    name.chars().filter(|character| !character.is_control()).take(HEADER_NAME_SHOWN_CHARS_MAX).collect()
}

/// Whether somebody could have meant one by the other: the same but for case and marks, one in the other, or two
/// letters apart.
fn resembles(name: &str, wanted: &str) -> bool {
    let plain = |text: &str| -> Vec<char> {
        let letters = text.chars().filter(|character| character.is_alphanumeric());
        letters.flat_map(char::to_lowercase).take(HEADER_NAME_SHOWN_CHARS_MAX).collect()
    };
    let (name, wanted) = (plain(name), plain(wanted));
    if name.is_empty() || wanted.is_empty() {
        return false;
    }
    let (longer, shorter) = if name.len() > wanted.len() { (&name, &wanted) } else { (&wanted, &name) };
    let contained = shorter.len() >= 3 && longer.windows(shorter.len()).any(|part| part == shorter.as_slice());
    contained || (shorter.len() > 2 && distance(&name, &wanted) <= 2)
}

#[cfg(test)]
mod tests;
