//! Rows beside one another: what no row can know by itself.
//!
//! ```text
//! first reading ─► Prints (two columns, in row order) ─► groups ─► Verdict (row, code, the other row) ─┐
//!               └► Shapes (per provider and attribute: cases, lengths, zeros) ─────────► Oddities ─────┤
//! second reading ◄──────────────── Cursor: adds these findings to each row's own ◄─────── Across ◄─────┘
//! ```
//!
//! The first reading keeps 24 bytes a sound row and no text; the second one tells, in the order of the rows. Rows with
//! an error of their own take part in nothing. Two rows are taken for the same where 96 bits of hash agree: 64 of them
//! find suspects by sorting, 32 more confirm them. A chance agreement has, over 50 million rows, a probability of
//! 10⁻¹⁴; full 128 bits would not fit into the memory that is promised, and 64 alone would err once in 15,000 such files.

mod groups;
mod oddity;
mod prints;
mod shape;

use std::sync::Arc;

use super::asked::Asked;
use super::check::Report;
use super::columns::{Column, InputOptions};
use super::error::InputError;
use super::reader::Reader;
use super::record::Glimpse;
use super::source::Source;
use crate::domain::finding::FindingCode;
use crate::domain::row::RowNumber;
use crate::limits::{IDENTITIES_PER_USER_MAX, INPUT_ROWS_MAX};
use groups::{Kind, Verdict};
use oddity::Oddities;
use prints::Prints;
use shape::Shapes;

/// What the first reading found about rows beside one another. Holds nothing personal but row numbers.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Across {
    /// In the order of the rows.
    verdicts: Vec<Verdict>,
    oddities: Oddities,
}

impl Across {
    /// Whether no row has anything to fear from the others.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.verdicts.is_empty() && self.oddities.is_empty()
    }
}

/// What is known when the whole input has been read once.
#[derive(Debug, Default)]
pub struct FirstReading {
    /// Rows read, valid or not.
    pub rows: u64,
    /// Lines with nothing on them.
    pub blank_lines: u64,
    /// Whether a row has a finding of its own.
    pub has_findings: bool,
    /// What is known of rows beside one another.
    pub across: Arc<Across>,
}

impl FirstReading {
    /// Reads the whole input, and shows each row with its own findings only.
    ///
    /// # Errors
    /// Where the input cannot be read at all, or not to its end, or has over [`INPUT_ROWS_MAX`] rows.
    pub fn of(source: &Source, options: &InputOptions, mut see: impl FnMut(Glimpse<'_>)) -> Result<Self, InputError> {
        let mut reader = Reader::new(source, options)?;
        let (mut prints, mut shapes) = (Prints::default(), Shapes::default());
        let mut reading = Self::default();
        while let Some(seen) = reader.visit(|glimpse| {
            reading.rows = glimpse.number.0;
            reading.has_findings |= !glimpse.findings.is_empty();
            if let Some(asked) = &glimpse.asked {
                let seed = shapes.add(asked);
                prints.add(glimpse.number, asked, seed);
            }
            see(glimpse);
        }) {
            seen?;
            if reading.rows > u64::from(INPUT_ROWS_MAX) {
                return Err(InputError::TooManyRows { name: source.name().to_owned() });
            }
        }
        reading.blank_lines = reader.blank_lines();
        reading.across = Arc::new(Across { verdicts: groups::judge(&prints), oddities: shapes.judge() });
        Ok(reading)
    }
}

/// Goes through the findings as the rows come by.
pub(super) struct Cursor {
    across: Arc<Across>,
    /// The first verdict that no row before has had.
    at: std::cell::Cell<usize>,
}

impl Cursor {
    pub(super) fn new(across: Arc<Across>) -> Self {
        Self { across, at: std::cell::Cell::new(0) }
    }

    /// Tells what is known of this row beside the others. Rows come in their order.
    pub(super) fn tell(&self, number: RowNumber, asked: &Asked<'_>, report: &mut Report<'_>) {
        let verdicts = &self.across.verdicts;
        let mut at = self.at.get();
        while let Some(verdict) = verdicts.get(at).filter(|verdict| u64::from(verdict.row) <= number.0) {
            if u64::from(verdict.row) == number.0 {
                tell(*verdict, asked, report);
            }
            at += 1;
        }
        self.at.set(at);
        if let Some(odd) = self.across.oddities.of(asked.provider, asked.attribute) {
            odd.tell(asked.value, report);
        }
    }
}

fn tell(verdict: Verdict, asked: &Asked<'_>, report: &mut Report<'_>) {
    let about = verdict.about;
    let (code, column, message) = match verdict.kind {
        Kind::Duplicate => {
            let told = format!("the same link stands in row {about}; it is made once");
            return report.add_row(FindingCode::DuplicateRow, told);
        }
        Kind::TwoUsers => {
            let told = format!("row {about} gives the same identity to another user; keep the row that is right");
            (FindingCode::IdentityForTwoUsers, Column::SourceValue, told)
        }
        Kind::TooMany => {
            let told = format!(
                "{about} identities in this file go to this one user, and the service allows {IDENTITIES_PER_USER_MAX}; \
                 is it the right column"
            );
            (FindingCode::TooManyIdentities, asked.destination.column(), told)
        }
        Kind::Rounded => {
            let told = format!(
                "ends in zeros where row {about} has the same number with other digits, as a spreadsheet cuts it after \
                 15; export it as text"
            );
            (FindingCode::NumberDamaged, Column::SourceValue, told)
        }
    };
    if code != FindingCode::NumberDamaged || !report.has(code) {
        report.add(code, column, message);
    }
}

#[cfg(test)]
mod tests;
