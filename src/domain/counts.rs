//! Counts that balance.

use super::finding::FindingCode;
use super::outcome::{RefusalCode, UndoOutcome};
use super::state::RowState;
use std::collections::BTreeMap;

/// How many rows are in which state. Every row read is in exactly one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows read from the input, valid or not.
    pub read: u64,
    /// Links that this tool made, in this run or in an earlier one of this ledger.
    pub linked: u64,
    /// Of the linked rows, those that are linked according to a read after a call in doubt. For a run: of the rows that it settled.
    pub recovered: u64,
    pub already_linked: u64,
    pub refused: u64,
    pub failed: u64,
    pub in_doubt: u64,
    /// Rows with an error of their own; never sent.
    pub invalid: u64,
    pub unprocessed: u64,
    /// Of the rows above, those that were skipped because an earlier run had settled them.
    pub skipped: u64,
    /// Of the rows above, those that were skipped because an earlier row of this run names the same link.
    pub repeated: u64,
    /// Rows that a correction has taken the place of, in another input of the ledger. They are not sent.
    pub superseded: u64,
    /// Of the unprocessed rows, those whose link this tool made and `undo` removed.
    pub undone: u64,
    /// Of the linked rows, those that `undo` refused to unlink, by code.
    pub kept: BTreeMap<RefusalCode, u64>,
    pub by_refusal: BTreeMap<RefusalCode, u64>,
    /// Findings by code; a row may have several.
    pub by_finding: BTreeMap<FindingCode, u64>,
}

/// The counts do not add up, which is a bug.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("counts do not balance: {read} rows read and {accounted} accounted for")]
pub struct CountMismatch {
    read: u64,
    accounted: u64,
}

impl Counts {
    /// Every number with its name in results, events and metrics. The states come first, but for the sum.
    pub fn by_name(&self) -> [(&'static str, u64); 12] {
        [
            ("read", self.read),
            ("linked", self.linked),
            ("already_linked", self.already_linked),
            ("refused", self.refused),
            ("failed", self.failed),
            ("in_doubt", self.in_doubt),
            ("invalid", self.invalid),
            ("unprocessed", self.unprocessed),
            ("skipped", self.skipped),
            ("repeated", self.repeated),
            ("undone", self.undone),
            ("superseded", self.superseded),
        ]
    }

    pub fn add(&mut self, state: RowState) {
        match state {
            RowState::Unprocessed => self.unprocessed += 1,
            RowState::Linked => self.linked += 1,
            RowState::AlreadyLinked => self.already_linked += 1,
            RowState::Refused(code) => {
                self.refused += 1;
                *self.by_refusal.entry(code).or_default() += 1;
            }
            RowState::Failed => self.failed += 1,
            RowState::InDoubt | RowState::Unlinking => self.in_doubt += 1,
            RowState::Undone => {
                self.unprocessed += 1;
                self.undone += 1;
            }
            RowState::Kept(code) => {
                self.linked += 1;
                *self.kept.entry(code).or_default() += 1;
            }
        }
    }

    /// The sum of all states, invalid and unprocessed rows included.
    pub fn accounted(&self) -> u64 {
        self.linked
            + self.already_linked
            + self.refused
            + self.failed
            + self.in_doubt
            + self.invalid
            + self.unprocessed
            + self.superseded
    }

    /// Rows that are finished in this run, undone ones included.
    pub fn done(&self) -> u64 {
        self.accounted() - self.unprocessed + self.undone
    }

    /// Counts the outcome of an unlink. In a run of `undo` a refusal is one of that run, so the row counts as refused.
    pub fn add_undo(&mut self, outcome: &UndoOutcome) {
        match outcome {
            UndoOutcome::Undone => self.add(RowState::Undone),
            UndoOutcome::Refused { code, .. } => self.add(RowState::Refused(*code)),
            UndoOutcome::Failed { .. } => self.add(RowState::Failed),
            UndoOutcome::InDoubt { .. } => self.add(RowState::Unlinking),
        }
    }

    /// Whether every row read is in the desired state.
    pub fn all_linked(&self) -> bool {
        self.linked + self.already_linked + self.superseded == self.read
    }

    /// Checks that every row read has exactly one state.
    pub fn balance(&self) -> Result<(), CountMismatch> {
        let accounted = self.accounted();
        let refusals: u64 = self.by_refusal.values().sum();
        let parts_fit = self.undone <= self.unprocessed
            && self.kept.values().sum::<u64>() <= self.linked
            && self.recovered <= self.linked;
        if self.read == accounted && refusals == self.refused && self.skipped + self.repeated <= accounted && parts_fit
        {
            Ok(())
        } else {
            Err(CountMismatch { read: self.read, accounted })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_counted_once() {
        let mut counts = Counts { read: 10, invalid: 1, ..Counts::default() };
        for state in [
            RowState::Unprocessed,
            RowState::Linked,
            RowState::AlreadyLinked,
            RowState::Refused(RefusalCode::AliasExists),
            RowState::Failed,
            RowState::InDoubt,
            RowState::Unlinking,
            RowState::Undone,
            RowState::Kept(RefusalCode::Gone),
        ] {
            counts.add(state);
        }
        assert_eq!(counts.balance(), Ok(()));
        assert_eq!((counts.done(), counts.all_linked()), (9, false));
        assert_eq!((counts.linked, counts.in_doubt, counts.unprocessed, counts.undone), (2, 2, 2, 1));
        counts.read = 11;
        assert_eq!(
            counts.balance().map_err(|e| e.to_string()),
            Err("counts do not balance: 11 rows read and 10 accounted for".into())
        );
    }
}
