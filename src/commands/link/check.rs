//! The checks before anything is sent: each row by itself, compared with the other rows, and against the ledger.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::canary::is_sent;
use crate::commands::shared::Failure;
use crate::commands::shared::part::InputPart;
use crate::commands::shared::rows::{InputRows, RowGuidance, is_in_shard, read_first};
use crate::domain::event::{IgnoreEvents, RunEvent, RunObserver};
use crate::domain::finding::Severity;
use crate::domain::identity::{PoolId, ProviderName};
use crate::domain::row::{Link, RowPlace};
use crate::domain::shard::Shard;
use crate::domain::state::{ResumeAction, RetryChoice, RowState};
use crate::engine::IncomingRow;
use crate::input::{CrossRowFindings, InputOptions, InputReader, InputRecord, InputSource};
use crate::ledger::{Corrections, InputPresence, Ledger, LedgerError};
use crate::limits::PROVIDERS_PER_POOL_MAX;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckedInput {
    /// Rows of this shard.
    pub rows: u64,
    /// Rows of other shards. No other number here includes them.
    pub in_other_shards: u64,
    /// Rows with an error, of their own or in comparison with other rows, that are not in doubt.
    pub invalid: u64,
    /// Rows that an earlier run has settled, also where they are invalid in comparison with other rows.
    pub done_before: u64,
    /// Valid rows that are not done and not in the part of the input that this run works on.
    pub left_out: u64,
    /// Of these, those that no run has attempted, so that they stay without a result.
    pub left_unprocessed: u64,
    /// The part, with the row at which its limit is reached.
    pub part: InputPart,
    /// Of these, those whose link `undo` has removed, and that are not linked again without `--relink`.
    pub undone: u64,
    /// Rows that a correction in another input has taken the place of.
    pub superseded: u64,
    /// Rows that an earlier run left in doubt. They are read first.
    pub in_doubt: u64,
    /// Rows that an earlier run left in doubt, and that are invalid in comparison with other rows. They are read, and nothing
    /// is sent for them.
    pub invalid_in_doubt: u64,
    /// Rows whose destination must be looked up.
    pub look_ups: u64,
    /// Providers of the identities that a run will link.
    pub providers: BTreeSet<ProviderName>,
    /// Which rows of the ledger the input has; `None` without a ledger.
    pub presence: Option<InputPresence>,
    /// What the comparison of rows has found, for the next reading.
    pub cross_row: Arc<CrossRowFindings>,
}

/// The input that is checked, and against what.
#[derive(Clone, Copy)]
pub struct InputCheck<'a> {
    pub source: &'a InputSource,
    pub options: &'a InputOptions,
    pub pool: &'a PoolId,
    /// The part of the input that is counted. Its rows are compared with all rows.
    pub shard: Option<Shard>,
    /// The rows that the run works on.
    pub part: &'a InputPart,
    pub ledger: Option<&'a Ledger>,
    pub retry: RetryChoice,
}

impl InputCheck<'_> {
    /// Reads the whole input, and a second time only where there are findings: then in the order of the rows.
    pub fn run(&self, observer: &mut dyn RunObserver) -> Result<CheckedInput, Failure> {
        let start = || CheckedInput { part: self.part.clone(), ..CheckedInput::default() };
        let mut checked = start();
        let mut presence = self.ledger.map(|ledger| InputPresence::new(ledger.view(), self.source.name()));
        let reading = read_first(self.source, self.options, observer, |row| {
            let is_in_part = checked.part.has_number(row.number);
            let record = row.into_record();
            if let (Some(presence), Some(ledger)) = (&mut presence, self.ledger) {
                let place = record.link.as_ref().map(RowPlace::of);
                presence.see(ledger.view(), record.key(self.pool), place, record.retry_of);
            }
            self.add(record, is_in_part, &mut checked, None);
        })?;
        if reading.has_findings || !reading.cross_row.is_clean() || self.part.has_conditions() {
            checked = CheckedInput { cross_row: Arc::clone(&reading.cross_row), ..start() };
            let mut reader = InputReader::with_cross_row(self.source, self.options, &reading.cross_row)?;
            while let Some(record) = reader.next() {
                let record = record?;
                let is_in_part = checked.part.has_row(record.number, &reader);
                self.add(record, is_in_part, &mut checked, Some(&mut *observer));
            }
        }
        checked.presence = presence;
        Ok(checked)
    }

    /// As [`InputCheck::run`], where the limit counts the rows that a plan links, by the last change of their users. Rows
    /// that the plan records without a call wait until no other row is left out.
    pub fn run_for_most_recent(
        &self,
        limit: u64,
        guidance: &dyn Fn() -> Result<RowGuidance, Failure>,
        observer: &mut dyn RunObserver,
    ) -> Result<CheckedInput, Failure> {
        let part = self.part.without_limit();
        let all = InputCheck { part: &part, ..*self }.run(observer)?;
        let rows = InputRows::open(self.source, self.options, &all.cross_row, self.pool, self.shard, guidance()?)?;
        let is_sent = |incoming: &IncomingRow| is_sent(incoming, self.ledger, self.retry);
        let Some(chosen) = rows.in_part(part.clone()).most_recent(limit, &is_sent)? else { return Ok(all) };
        InputCheck { part: &part.only(chosen), ..*self }.run(&mut IgnoreEvents)
    }

    /// Counts a row, and reports its findings to the observer.
    fn add(
        &self,
        record: InputRecord,
        is_in_part: bool,
        checked: &mut CheckedInput,
        observer: Option<&mut dyn RunObserver>,
    ) {
        if !is_in_shard(self.shard, &record) {
            checked.in_other_shards += 1;
            return;
        }
        checked.rows += 1;
        let is_valid = record.is_valid();
        let key = record.key(self.pool);
        if self.ledger.is_some_and(|ledger| ledger.view().is_replaced(key)) {
            checked.superseded += 1;
            return;
        }
        let state = record.link.as_ref().and(self.ledger).map_or(RowState::Unprocessed, |ledger| ledger.state(key));
        let resume = state.on_resume(self.retry);
        if let Some(observer) = observer {
            // An error in comparison with other rows does not affect a row that is done: the other rows are not sent.
            let is_reported = |severity| resume != ResumeAction::Skip || severity == Severity::Warning;
            for finding in record.findings.into_iter().filter(|finding| is_reported(finding.severity)) {
                observer.on(&RunEvent::Found(finding));
            }
        }
        match (record.link, resume) {
            (Some(_), ResumeAction::Skip) => {
                checked.done_before += 1;
                checked.undone += u64::from(state == RowState::Undone);
            }
            (Some(_), ResumeAction::Settle) if !is_valid => checked.invalid_in_doubt += 1,
            (Some(_), _) if is_valid && !is_in_part => {
                checked.left_out += 1;
                checked.left_unprocessed += u64::from(matches!(state, RowState::Unprocessed | RowState::Undone));
            }
            (Some(link), _) if is_valid => {
                checked.add_work(&link, resume);
                if self.part.limit == Some(checked.to_send()) {
                    checked.part.end = Some(record.number);
                }
            }
            _ => checked.invalid += 1,
        }
    }
}

impl CheckedInput {
    /// Returns what the rows of the input correct of those that the ledger holds.
    pub fn corrections(&self, ledger: Option<&Ledger>) -> Result<Corrections, LedgerError> {
        match (ledger, &self.presence) {
            (Some(ledger), Some(presence)) => ledger.corrections(presence),
            _ => Ok(Corrections::default()),
        }
    }

    /// Rows that have a result at the end of a run.
    pub fn to_finish(&self) -> u64 {
        self.rows - self.left_unprocessed
    }

    /// Rows that a run will work on.
    pub fn to_send(&self) -> u64 {
        self.rows - self.invalid - self.invalid_in_doubt - self.done_before - self.superseded - self.left_out
    }

    fn add_work(&mut self, link: &Link, resume: ResumeAction) {
        self.in_doubt += u64::from(resume == ResumeAction::Settle);
        self.look_ups += u64::from(link.destination.needs_look_up());
        if self.providers.len() <= PROVIDERS_PER_POOL_MAX && !self.providers.contains(link.source.provider()) {
            self.providers.insert(link.source.provider().clone());
        }
    }
}
