//! The checks before anything is sent: every row by itself, beside the others, and against the ledger.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::feed::is_of;
use crate::domain::event::{Event, Observer};
use crate::domain::finding::Severity;
use crate::domain::identity::{PoolId, ProviderName};
use crate::domain::row::{Link, RowKey};
use crate::domain::shard::Shard;
use crate::domain::state::Resume;
use crate::input::{CrossRowFindings, FirstReading, InputError, InputOptions, InputReader, InputRecord, InputSource};
use crate::ledger::Ledger;
use crate::limits::{PROVIDERS_PER_POOL_MAX, READER_BATCH_ROWS};

/// What the checks found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Rows, without those of other shards.
    pub rows: u64,
    /// Rows of other shards, of which nothing else is counted here.
    pub in_other_shards: u64,
    /// Rows with an error of their own, or beside others.
    pub invalid: u64,
    /// Rows that an earlier run has settled. Those that are wrong beside others stay as the ledger has them too.
    pub done_before: u64,
    /// Rows that an earlier run left in doubt: they are read back first.
    pub in_doubt: u64,
    /// Rows whose destination must be looked up.
    pub look_ups: u64,
    /// The source providers of the rows that a run will work on.
    pub providers: BTreeSet<ProviderName>,
    /// What is known of rows beside one another, for the reading that works.
    pub across: Arc<CrossRowFindings>,
}

impl Checked {
    /// Rows that a run will work on.
    #[must_use]
    pub fn to_send(&self) -> u64 {
        self.rows - self.invalid - self.done_before
    }
}

/// What is checked, and against what.
#[derive(Clone, Copy)]
pub struct Check<'a> {
    /// The input.
    pub source: &'a InputSource,
    /// How to read it.
    pub options: &'a InputOptions,
    /// The pool.
    pub pool: &'a PoolId,
    /// The part of the input that is counted and told; rows are held against the whole input all the same.
    pub shard: Option<Shard>,
    /// What earlier runs know.
    pub ledger: Option<&'a Ledger>,
    /// Whether refused rows are attempted again.
    pub retry_refused: bool,
}

impl Check<'_> {
    /// Reads the whole input, a second time only where there is something to tell: then in the order of the rows.
    ///
    /// # Errors
    /// Where the input cannot be read at all, or not to its end.
    pub fn run(&self, observer: &mut dyn Observer) -> Result<Checked, InputError> {
        let told_rows = READER_BATCH_ROWS as u64 * 16;
        let mut checked = Checked::default();
        observer.on(&Event::Checking { rows: 0 });
        let reading = FirstReading::of(self.source, self.options, |glimpse| {
            if glimpse.number.0.is_multiple_of(told_rows) {
                observer.on(&Event::Checking { rows: glimpse.number.0 });
            }
            self.take(glimpse.into_record(), &mut checked, None);
        })?;
        observer.on(&Event::Checking { rows: reading.rows });
        if reading.has_findings || !reading.cross_row.is_clean() {
            checked = Checked { across: Arc::clone(&reading.cross_row), ..Checked::default() };
            for record in InputReader::with_cross_row(self.source, self.options, &reading.cross_row)? {
                self.take(record?, &mut checked, Some(&mut *observer));
            }
        }
        Ok(checked)
    }

    /// Counts a row, and tells its findings where somebody listens.
    fn take(&self, record: InputRecord, checked: &mut Checked, observer: Option<&mut dyn Observer>) {
        if !is_of(self.shard, &record) {
            checked.in_other_shards += 1;
            return;
        }
        checked.rows += 1;
        let is_valid = record.is_valid();
        let resume = record.link.as_ref().map_or(Resume::Attempt, |link| self.resume(link));
        if let Some(observer) = observer {
            // An error beside others does not touch a row that is done: it is the others that will not be sent.
            let is_told = |severity| resume != Resume::Skip || severity == Severity::Warning;
            for finding in record.findings.into_iter().filter(|finding| is_told(finding.severity)) {
                observer.on(&Event::Found(finding));
            }
        }
        match (record.link, resume) {
            (Some(_), Resume::Skip) => checked.done_before += 1,
            (Some(_), Resume::Settle) if !is_valid => checked.done_before += 1,
            (Some(link), _) if is_valid => checked.count_work(&link, resume),
            _ => checked.invalid += 1,
        }
    }

    fn resume(&self, link: &Link) -> Resume {
        self.ledger
            .map_or(Resume::Attempt, |ledger| ledger.state(RowKey::of(self.pool, link)).on_resume(self.retry_refused))
    }
}

impl Checked {
    fn count_work(&mut self, link: &Link, resume: Resume) {
        self.in_doubt += u64::from(resume == Resume::Settle);
        self.look_ups += u64::from(link.destination.needs_look_up());
        if self.providers.len() <= PROVIDERS_PER_POOL_MAX && !self.providers.contains(link.source.provider()) {
            self.providers.insert(link.source.provider().clone());
        }
    }
}
