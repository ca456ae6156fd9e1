//! The first reading of the input: every row is checked before anything is sent.

use std::collections::BTreeSet;

use crate::domain::event::{Event, Observer};
use crate::domain::finding::FindingCode;
use crate::domain::identity::{PoolId, ProviderName};
use crate::domain::row::RowKey;
use crate::domain::state::Resume;
use crate::input::{InputError, InputOptions, Reader, Source};
use crate::ledger::Ledger;
use crate::limits::{PROVIDERS_PER_POOL_MAX, READER_BATCH_ROWS};

/// What the first reading found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Rows.
    pub rows: u64,
    /// Rows with an error of their own.
    pub invalid: u64,
    /// Rows that an earlier run has settled.
    pub done_before: u64,
    /// Rows that an earlier run left in doubt: they are read back first.
    pub in_doubt: u64,
    /// Rows whose destination must be looked up.
    pub look_ups: u64,
    /// The source providers of the rows that a run will work on.
    pub providers: BTreeSet<ProviderName>,
}

impl Checked {
    /// Rows that a run will work on.
    #[must_use]
    pub fn to_send(&self) -> u64 {
        self.rows - self.invalid - self.done_before
    }
}

/// Reads the whole input once, telling each finding, and what the ledger knows of its rows.
///
/// # Errors
/// Where the input cannot be read at all, or not to its end.
pub fn check(
    source: &Source,
    options: &InputOptions,
    pool: &PoolId,
    ledger: Option<&Ledger>,
    retry_refused: bool,
    observer: &mut dyn Observer,
) -> Result<Checked, InputError> {
    let mut checked = Checked::default();
    let told = READER_BATCH_ROWS as u64 * 16;
    for record in Reader::new(source, options)? {
        let record = record?;
        if checked.rows.is_multiple_of(told) {
            observer.on(&Event::Checking { rows: checked.rows });
        }
        checked.rows += 1;
        for finding in record.findings {
            // A repeat is counted with its row and told by `validate`; here it only costs a look into the ledger.
            if finding.code != FindingCode::DuplicateRow {
                observer.on(&Event::Found(finding));
            }
        }
        let Some(link) = record.link else {
            checked.invalid += 1;
            continue;
        };
        let resume =
            ledger.map_or(Resume::Attempt, |ledger| ledger.state(RowKey::of(pool, &link)).on_resume(retry_refused));
        match resume {
            Resume::Skip => {
                checked.done_before += 1;
                continue;
            }
            Resume::Settle => checked.in_doubt += 1,
            Resume::Attempt => {}
        }
        checked.look_ups += u64::from(link.destination.needs_look_up());
        if checked.providers.len() <= PROVIDERS_PER_POOL_MAX && !checked.providers.contains(link.source.provider()) {
            checked.providers.insert(link.source.provider().clone());
        }
    }
    observer.on(&Event::Checking { rows: checked.rows });
    Ok(checked)
}
