//! `--canary N`: a few rows of every provider first, and the others only after each of these was seen on its user.
//!
//! Which rows come first follows from the input and the ledger alone, so a run that resumes continues with the same ones.

use std::collections::{BTreeMap, HashSet, VecDeque};

use serde_json::{Value, json};

use crate::commands::shared::Failure;
use crate::commands::shared::rows::InputRows;
use crate::commands::shared::settings::{FileSettings, parse_number};
use crate::domain::canary::CanaryFinding;
use crate::domain::event::{RunEvent, RunObserver};
use crate::domain::identity::ProviderName;
use crate::domain::outcome::RefusalCode;
use crate::domain::row::{Row, RowNumber};
use crate::domain::state::{ResumeAction, RetryChoice, RowState};
use crate::engine::{IncomingRow, PlannedOutcome, RowBatchFuture, RowSource};
use crate::ledger::{Ledger, RowStanding};
use crate::limits::{CANARY_ROWS_MAX, PROVIDERS_PER_POOL_MAX, READER_BATCH_ROWS};
use crate::ui::format::counted;
use crate::ui::{Ui, escape};

pub(super) fn parse_canary(text: &str) -> Result<u64, String> {
    parse_number(text, 0..=CANARY_ROWS_MAX, "a number of rows")
}

/// Returns the number of rows of `--canary` or the settings; `None` without a canary.
pub(super) fn canary_size(option: Option<u64>, file: &FileSettings) -> Result<Option<u64>, Failure> {
    let size = match (option, file.canary) {
        (Some(size), _) => size,
        (None, Some(size)) => {
            parse_canary(&size.to_string()).map_err(|error| Failure::Usage(format!("canary {size}: {error}")))?
        }
        (None, None) => 0,
    };
    Ok((size > 0).then_some(size))
}

/// The rows of a canary, in the order of the input.
#[derive(Debug, Clone, Default)]
pub(super) struct Canary {
    rows: Vec<IncomingRow>,
}

impl Canary {
    /// Chooses rows in turn from every provider, at least one of each: the first that a run would link, or that an earlier
    /// run has linked. `rows` reads the input with the guidance of the run.
    pub(super) fn choose(
        mut rows: InputRows,
        size: u64,
        ledger: Option<&Ledger>,
        retry: RetryChoice,
    ) -> Result<Self, Failure> {
        let most = usize::try_from(size).unwrap_or(usize::MAX);
        let mut keys = HashSet::new();
        let mut by_provider: BTreeMap<ProviderName, Vec<IncomingRow>> = BTreeMap::new();
        while let Some(batch) = rows.read_batch() {
            for incoming in batch? {
                let Some(row) = incoming.row().filter(|_| is_candidate(&incoming, ledger, retry)) else { continue };
                let provider = row.link.source.provider();
                if by_provider.len() >= PROVIDERS_PER_POOL_MAX && !by_provider.contains_key(provider) {
                    continue;
                }
                let (provider, key) = (provider.clone(), row.key);
                let candidates = by_provider.entry(provider).or_default();
                if candidates.len() < most && keys.insert(key) {
                    candidates.push(incoming);
                }
            }
        }
        let mut chosen = Vec::new();
        for turn in 0..most {
            for candidates in by_provider.values_mut() {
                if let Some(row) = candidates.get(turn).filter(|_| turn == 0 || chosen.len() < most) {
                    chosen.push(row.clone());
                }
            }
        }
        chosen.sort_by_key(|incoming| incoming.row().map(|row| row.number));
        Ok(Self { rows: chosen })
    }

    pub(super) fn numbers(&self) -> impl Iterator<Item = RowNumber> {
        self.rows.iter().filter_map(IncomingRow::row).map(|row| row.number)
    }

    /// The rows that are gone from the input, then those of the canary, then those of `rest`, which must not have them.
    pub(super) fn before<S: RowSource>(&self, gone: Vec<Row>, rest: S) -> CanaryFirst<S> {
        let gone: Vec<IncomingRow> = gone.into_iter().map(IncomingRow::Gone).collect();
        let canary = self.rows.iter().cloned().map(|row| IncomingRow::Canary(Box::new(row))).collect();
        let batches = gone.chunks(READER_BATCH_ROWS).map(<[IncomingRow]>::to_vec).chain([canary]);
        CanaryFirst { first: batches.filter(|batch: &Vec<_>| !batch.is_empty()).collect(), rest }
    }

    /// Prints what is found of each row as it comes, and gives everything to `observer`.
    pub(super) fn printer<'a>(&'a self, ui: &'a Ui, observer: Box<dyn RunObserver + Send + 'a>) -> CanaryPrinter<'a> {
        let rows = self.rows.iter().filter_map(IncomingRow::row).map(|row| (row.number, row)).collect();
        CanaryPrinter { ui, observer, rows, found: Vec::new(), right: 0 }
    }
}

/// Whether a run would link a row, or an earlier run has linked it.
fn is_candidate(incoming: &IncomingRow, ledger: Option<&Ledger>, retry: RetryChoice) -> bool {
    let key = incoming.key();
    let state = ledger.map_or(RowState::Unprocessed, |ledger| ledger.state(key));
    let is_replaced = ledger
        .is_some_and(|ledger| ledger.view().standing(key) == RowStanding::Replaced && ledger.view().is_superseded(key));
    let is_sent = match incoming {
        IncomingRow::Row(_) | IncomingRow::Chosen(..) | IncomingRow::Planned(_, PlannedOutcome::Link(_)) => {
            state.on_resume(retry) != ResumeAction::Skip
        }
        _ => false,
    };
    let is_linked = matches!(state, RowState::Linked | RowState::AlreadyLinked);
    !is_replaced && (is_sent || is_linked)
}

/// Rows that come first, in batches, and then the others.
pub(super) struct CanaryFirst<S> {
    first: VecDeque<Vec<IncomingRow>>,
    rest: S,
}

impl<S: RowSource> RowSource for CanaryFirst<S> {
    fn next_batch(&mut self) -> RowBatchFuture<'_> {
        // A future that is dropped before it is polled must not take a batch with it.
        Box::pin(async {
            match self.first.pop_front() {
                Some(batch) => Some(Ok(batch)),
                None => self.rest.next_batch().await,
            }
        })
    }
}

/// Prints the evidence: for each row its provider, its user and what the pool shows.
pub(super) struct CanaryPrinter<'a> {
    ui: &'a Ui,
    observer: Box<dyn RunObserver + Send + 'a>,
    rows: BTreeMap<RowNumber, &'a Row>,
    found: Vec<Value>,
    right: u64,
}

impl CanaryPrinter<'_> {
    /// Returns the evidence for the JSON; `null` without a canary.
    pub(super) fn into_json(self) -> Value {
        if self.rows.is_empty() { Value::Null } else { Value::Array(self.found) }
    }

    fn print(&mut self, row: &Row, state: RowState, finding: CanaryFinding) {
        let ui = self.ui;
        let (provider, code) = (row.link.source.provider().as_str(), state.refusal().map(RefusalCode::as_str));
        let (user, value) = (ui.value(row.link.destination.value()), ui.value(row.link.source.value()));
        self.found.push(json!({
            "row": row.number.0,
            "key": row.key.to_string(),
            "source_provider": provider,
            "source_value": value,
            "destination": user,
            "state": state.as_str(),
            "refusal_code": code,
            "finding": finding.as_str(),
        }));
        let what = match (finding, code) {
            (CanaryFinding::NotLinked, Some(code)) => format!("refused as {code}"),
            (CanaryFinding::NotLinked, None) => state.words().to_owned(),
            _ => finding.text().to_owned(),
        };
        let line = format!("canary: row {} {} {value} on {user}: {what}", row.number, escape(provider));
        if finding.is_right() { ui.outcome(&line) } else { ui.warn(&line) }
    }
}

impl RunObserver for CanaryPrinter<'_> {
    fn on(&mut self, event: &RunEvent) {
        self.observer.on(event);
        let RunEvent::CanaryChecked { number, state, finding, .. } = event else { return };
        let Some(row) = self.rows.get(number).copied() else { return };
        self.print(row, *state, *finding);
        self.right += u64::from(finding.is_right());
        if self.right == self.rows.len() as u64 {
            let rows = counted(self.right, "row");
            self.ui.outcome(&format!("canary: {rows} right, at least one of each provider; the other rows follow"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The run drops a future of rows whenever something else happens first.
    #[tokio::test]
    async fn a_future_that_is_dropped_takes_no_row_with_it() {
        struct NoMore;
        impl RowSource for NoMore {
            fn next_batch(&mut self) -> RowBatchFuture<'_> {
                Box::pin(std::future::ready(None))
            }
        }
        let mut rows = CanaryFirst { first: VecDeque::from([Vec::new()]), rest: NoMore };
        drop(rows.next_batch());
        assert!(matches!(rows.next_batch().await, Some(Ok(_))));
        assert!(rows.next_batch().await.is_none());
    }

    #[test]
    fn a_canary_has_a_hundred_rows_at_most() {
        let file = |canary| FileSettings { canary, ..FileSettings::default() };
        let size = |option, canary| canary_size(option, &file(canary)).map_err(|failure| failure.to_string());
        assert_eq!(size(None, None), Ok(None));
        assert_eq!(size(Some(5), Some(7)), Ok(Some(5)));
        assert_eq!(size(None, Some(7)), Ok(Some(7)));
        assert_eq!(size(Some(0), Some(7)), Ok(None), "0 lifts the canary of the settings");
        assert_eq!(size(None, Some(101)), Err("canary 101: expected a number of rows from 0 to 100".to_owned()));
        assert_eq!(parse_canary("100"), Ok(100));
        assert!(["101", "-1", "", "x"].iter().all(|bad| parse_canary(bad).is_err()));
    }
}
