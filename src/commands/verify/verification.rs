//! What `verify` found.

use crate::commands::shared::signature::Signer;
use crate::domain::counts::Counts;
use crate::domain::row::{RowKey, RowNumber};
use crate::domain::state::RowState;
use crate::ledger::{ChainHead, LedgerContents};

/// What was found.
#[derive(Debug)]
pub(super) struct Verification {
    pub(super) ledger: String,
    pub(super) contents: LedgerContents,
    /// The line after which the ledger had the head of `--head`.
    pub(super) line_of_head: Option<u64>,
    /// The good signature of `--signature`.
    pub(super) signature: Option<VerifiedSignature>,
    pub(super) inputs: Vec<InputVerification>,
}

impl Verification {
    /// Rows of which the ledger has a call and no result.
    pub(super) fn in_doubt_rows(&self) -> usize {
        let is_in_doubt = |state| matches!(state, RowState::InDoubt | RowState::Unlinking);
        self.contents.view.states().filter(|(_, state)| is_in_doubt(*state)).count()
    }

    /// Whether the ledger has a state of every row.
    pub(super) fn has_all_rows(&self) -> bool {
        self.inputs.iter().all(|input| input.unaccounted() == 0)
    }
}

/// A good signature of a head that the ledger has or had.
#[derive(Debug)]
pub(super) struct VerifiedSignature {
    pub(super) signer: Signer,
    pub(super) head: ChainHead,
    /// The line after which the ledger had this head.
    pub(super) line: u64,
}

/// How an input compares with the ledger.
#[derive(Debug, Default)]
pub(super) struct InputVerification {
    pub(super) input: String,
    /// Rows by state; `unprocessed` are those that are not accounted for, apart from those that were undone.
    pub(super) counts: Counts,
    /// Rows without a state, at most [`crate::limits::REPORT_FAILURES_MAX`].
    pub(super) missing: Vec<MissingRow>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct MissingRow {
    pub(super) row: RowNumber,
    pub(super) line: u64,
    pub(super) key: RowKey,
}

impl InputVerification {
    /// Rows that the ledger holds no state of.
    pub(super) fn unaccounted(&self) -> u64 {
        self.counts.unprocessed - self.counts.undone
    }
}
