//! Comparing rows with one another.
//!
//! ```text
//! first reading ─► Fingerprints (two columns, in row order) ──► row_groups ──► RowConflict ──────────┐
//!               └► ValueShapes (per provider and attribute: case, lengths, zeros) ─► UnusualShapes ──┤
//! second reading ◄── CrossRowCursor: adds these findings to each row's own ◄────────── CrossRowFindings ◄──────┘
//! ```
//!
//! The first reading keeps 24 bytes for each row without errors and no text, and nothing for a row that repeats the row
//! before it. Conflicts are bounded: with more of them the input is refused. The second one reports, in the order of the
//! rows. Rows with an error of their own are not compared. Two values count as the same if 96 bits of their hashes
//! agree: 64 bits find candidates by sorting, 32 more confirm them. Over 50 million rows a chance agreement has a
//! probability of 10⁻¹⁴; 128 bits would not fit into the promised memory, and 64 alone would err once in 15,000 such
//! files.

mod fingerprints;
mod row_groups;
mod value_shapes;

use std::ops::Range;
use std::sync::Arc;

use super::columns::Column;
use super::record::{DestinationRef, LinkRef};
use super::row_check::RowIssues;
use crate::domain::finding::FindingCode;
use crate::domain::row::RowNumber;
use crate::limits::{CONFLICTS_MAX, IDENTITIES_PER_USER_MAX};
use fingerprints::{Fingerprints, RepeatedRows};
pub(super) use row_groups::TooManyConflicts;
use row_groups::{ConflictKind, RowConflict, find_conflicts};
use value_shapes::{UnusualShapes, ValueShapes};

/// What is wrong with rows in comparison with others. Holds nothing personal but row numbers.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct CrossRowFindings {
    /// In the order of the rows.
    conflicts: Vec<RowConflict>,
    /// Rows that repeat the row before them, in their order. Each has the conflicts of that row as well.
    repeats: Vec<RepeatedRows>,
    unusual: UnusualShapes,
}

impl CrossRowFindings {
    /// Returns whether no row gets a finding.
    pub fn is_clean(&self) -> bool {
        self.conflicts.is_empty() && self.repeats.is_empty() && self.unusual.is_empty()
    }
}

/// Collects what is needed to compare rows.
#[derive(Default)]
pub(super) struct CrossRowCheck {
    fingerprints: Fingerprints,
    shapes: ValueShapes,
}

impl CrossRowCheck {
    /// Adds a row without errors. Numbers must rise.
    pub(super) fn add(&mut self, number: RowNumber, link: &LinkRef<'_>) {
        let seed = self.shapes.add(link);
        self.fingerprints.add(number, link, seed);
    }

    /// Compares the rows. Fails where more rows than [`CONFLICTS_MAX`] repeat or contradict others.
    pub(super) fn finish(mut self) -> Result<CrossRowFindings, TooManyConflicts> {
        let repeats = self.fingerprints.take_repeats();
        if repeats.len() > CONFLICTS_MAX {
            return Err(TooManyConflicts);
        }
        let conflicts = find_conflicts(&self.fingerprints)?;
        Ok(CrossRowFindings { conflicts, repeats, unusual: self.shapes.find_unusual() })
    }
}

/// Adds the findings of the comparison to the rows as they are read again.
pub(super) struct CrossRowCursor {
    across: Arc<CrossRowFindings>,
    /// The first conflict of the rows that are still to come.
    next: usize,
    /// The conflicts of the last row that does not repeat the one before it.
    kept: Range<usize>,
    kept_row: u32,
    /// The first of the repeated rows that are still to come.
    next_repeats: usize,
}

impl CrossRowCursor {
    pub(super) fn new(across: Arc<CrossRowFindings>) -> Self {
        Self { across, next: 0, kept: 0..0, kept_row: 0, next_repeats: 0 }
    }

    /// Adds what is wrong with a row in comparison with others. Numbers must rise.
    pub(super) fn add_issues(&mut self, number: RowNumber, link: &LinkRef<'_>, issues: &mut RowIssues<'_>) {
        if self.repeats_row_before(number) {
            let kept = self.across.conflicts.get(self.kept.clone()).unwrap_or_default();
            if kept.first().is_none_or(|conflict| conflict.kind != ConflictKind::DuplicateRow) {
                let conflict =
                    RowConflict { row: self.kept_row, kind: ConflictKind::DuplicateRow, other: self.kept_row };
                add_conflict(conflict, link, issues);
            }
            for conflict in kept {
                add_conflict(*conflict, link, issues);
            }
        } else {
            let of_row = |row: u32| u64::from(row) == number.0;
            let conflicts = &self.across.conflicts;
            self.next += conflicts[self.next..].iter().take_while(|found| u64::from(found.row) < number.0).count();
            let count = conflicts[self.next..].iter().take_while(|found| of_row(found.row)).count();
            self.kept = self.next..self.next + count;
            self.kept_row = u32::try_from(number.0).unwrap_or(u32::MAX);
            for conflict in &conflicts[self.kept.clone()] {
                add_conflict(*conflict, link, issues);
            }
            self.next += count;
        }
        if let Some(unusual) = self.across.unusual.find(link.provider, link.attribute) {
            unusual.add_issues(link.value, issues);
        }
    }
}

impl CrossRowCursor {
    fn repeats_row_before(&mut self, number: RowNumber) -> bool {
        while let Some(repeated) = self.across.repeats.get(self.next_repeats) {
            if u64::from(repeated.last) >= number.0 {
                return u64::from(repeated.first) <= number.0;
            }
            self.next_repeats += 1;
        }
        false
    }
}

fn add_conflict(conflict: RowConflict, link: &LinkRef<'_>, issues: &mut RowIssues<'_>) {
    let other = conflict.other;
    match conflict.kind {
        ConflictKind::DuplicateRow => {
            issues.add_row(FindingCode::DuplicateRow, format!("duplicate of row {other}; the link is made once"));
        }
        ConflictKind::TwoUsers => {
            let message = format!("row {other} gives the same identity to another user; keep only the correct row");
            issues.add(FindingCode::IdentityForTwoUsers, Column::SourceValue, message);
        }
        ConflictKind::TooManyIdentities => {
            let column = match link.destination {
                DestinationRef::Username(_) | DestinationRef::Federated { .. } => Column::DestinationUsername,
                DestinationRef::Email(_) => Column::DestinationEmail,
                DestinationRef::Sub(_) => Column::DestinationSub,
            };
            let message = format!(
                "this file gives {other} identities to this user, and the service allows {IDENTITIES_PER_USER_MAX}; \
                 check that it is the right column"
            );
            issues.add(FindingCode::TooManyIdentities, column, message);
        }
        ConflictKind::RoundedNumber if !issues.has(FindingCode::NumberDamaged) => {
            let message = format!(
                "ends in zeros where row {other} has the same number with other digits, as a spreadsheet cuts a number \
                 after 15 digits; export it as text"
            );
            issues.add(FindingCode::NumberDamaged, Column::SourceValue, message);
        }
        ConflictKind::RoundedNumber => {}
    }
}

#[cfg(test)]
mod tests;
