//! `--canary N`: a few rows of every provider first, and the others only after each of these was seen on its user.
//!
//! Which rows come first follows from the input and the ledger alone: of the rows that are still to be linked, the first of
//! every provider.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

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
use crate::engine::{IncomingRow, PlannedOutcome, RowBatch, RowBatchFuture, RowSource};
use crate::ledger::Ledger;
use crate::limits::{CANARY_ROWS_MAX, READER_BATCH_ROWS};
use crate::ui::format::counted;
use crate::ui::{MessageCode, Ui, escape};

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
    /// Chooses rows in turn from `providers`, those of the rows that are to be sent, at least one of each: the first that
    /// a run would link, because rows of earlier runs do not show whether these are right. `rows` reads the input with the
    /// guidance of the run, no further than needed.
    pub(super) fn choose(
        rows: &mut InputRows,
        providers: &BTreeSet<ProviderName>,
        size: u64,
        ledger: Option<&Ledger>,
        retry: RetryChoice,
    ) -> Result<Self, Failure> {
        let most = usize::try_from(size).unwrap_or(usize::MAX);
        let mut keys = HashSet::new();
        let mut by_provider: BTreeMap<&ProviderName, Vec<IncomingRow>> =
            providers.iter().map(|provider| (provider, Vec::new())).collect();
        // So many turns are enough where every provider has a row for each.
        let turns = most.div_ceil(providers.len().max(1));
        while by_provider.values().any(|candidates| candidates.len() < turns) {
            let Some(batch) = rows.read_batch() else { break };
            for incoming in batch? {
                let Some(row) = incoming.row().filter(|_| is_sent(&incoming, ledger, retry)) else { continue };
                let Some(candidates) = by_provider.get_mut(row.link.source.provider()) else { continue };
                if candidates.len() < most && keys.insert(row.key) {
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

    pub(super) fn rows(&self) -> impl Iterator<Item = &IncomingRow> {
        self.rows.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn numbers(&self) -> impl Iterator<Item = RowNumber> {
        self.rows.iter().filter_map(IncomingRow::row).map(|row| row.number)
    }

    /// The rows that are gone from the input, then those of the canary, then those of `rest`, which must not have them.
    pub(super) fn before<S: RowSource>(&self, gone: Vec<Row>, rest: S) -> CanaryFirst<S> {
        let gone: Vec<IncomingRow> = gone.into_iter().map(IncomingRow::Gone).collect();
        let canary = RowBatch { rows: self.rows.clone(), is_canary: true };
        let batches = gone.chunks(READER_BATCH_ROWS).map(|rows| RowBatch::from(rows.to_vec())).chain([canary]);
        CanaryFirst { first: batches.filter(|batch| !batch.rows.is_empty()).collect(), rest }
    }

    /// Prints what is found of each row as it comes, and gives everything to `observer`.
    pub(super) fn printer<'a>(&'a self, ui: &'a Ui, observer: Box<dyn RunObserver + Send + 'a>) -> CanaryPrinter<'a> {
        let rows = self.rows.iter().filter_map(IncomingRow::row).map(|row| (row.number, row)).collect();
        CanaryPrinter { ui, observer, rows, found: Vec::new(), right: 0 }
    }
}

/// Whether a run would link a row.
pub(super) fn is_sent(incoming: &IncomingRow, ledger: Option<&Ledger>, retry: RetryChoice) -> bool {
    let state = state_of(incoming, ledger);
    match incoming {
        IncomingRow::Row(_) | IncomingRow::Chosen(..) | IncomingRow::Planned(_, PlannedOutcome::Link(_)) => {
            // A row whose unlink took effect is linked again only with `--relink`.
            state.on_resume(retry) != ResumeAction::Skip
                && (state != RowState::Unlinking || retry.relink)
                && !is_replaced(incoming, ledger)
        }
        _ => false,
    }
}

fn state_of(incoming: &IncomingRow, ledger: Option<&Ledger>) -> RowState {
    ledger.map_or(RowState::Unprocessed, |ledger| ledger.state(incoming.key()))
}

fn is_replaced(incoming: &IncomingRow, ledger: Option<&Ledger>) -> bool {
    ledger.is_some_and(|ledger| ledger.view().is_replaced(incoming.key()))
}

/// Rows that come first, in batches, and then the others.
pub(super) struct CanaryFirst<S> {
    first: VecDeque<RowBatch>,
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
        let what = finding.text_for(state);
        let line = format!("canary: row {} {} {value} on {user}: {what}", row.number, escape(provider));
        if finding.is_right() {
            ui.outcome(MessageCode::CanaryRow, &line);
        } else {
            ui.warn(MessageCode::CanaryRow, &line);
        }
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
            self.ui.outcome(
                MessageCode::CanaryRight,
                &format!("canary: {rows} right, at least one of each provider with rows to link; the rest follows"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::clock::Clock;
    use crate::commands::link::InputCheck;
    use crate::commands::shared::part::InputPart;
    use crate::commands::shared::rows::RowGuidance;
    use crate::domain::event::IgnoreEvents;
    use crate::domain::identity::{Destination, DestinationUser, Personal, PoolId};
    use crate::domain::outcome::LinkOutcome;
    use crate::engine::testing::{POOL, open_ledger, row_to};
    use crate::input::{InputOptions, InputSource};
    use crate::ledger::storage::MemoryStorage;

    /// `link` settles such a row, and links it only with `--relink`.
    #[test]
    fn a_row_with_an_open_unlink_is_of_the_canary_only_where_it_is_linked_again() {
        let mut ledger = open_ledger(&MemoryStorage::default(), POOL, Clock::starting_at(0));
        let user = DestinationUser { provider: ProviderName::native(), value: Personal::from_service("alice") };
        let row = row_to(1, Destination::Username(Personal::from_service("alice")));
        let incoming = IncomingRow::Row(row.clone());
        let is_of_canary = |ledger: &Ledger, retry| is_sent(&incoming, Some(ledger), retry);
        ledger.announce(&row, &user, 1).unwrap();
        assert!(is_of_canary(&ledger, RetryChoice::NOTHING), "a link call is open");
        ledger.settle(row.number, row.key, &LinkOutcome::Linked { recovered: false }, 1, None, 2).unwrap();
        assert!(!is_of_canary(&ledger, RetryChoice::NOTHING), "done before, which says nothing of the rows to send");
        ledger.announce_unlink(&row, &user, &row.link.source, 3).unwrap();
        assert_eq!(ledger.state(row.key), RowState::Unlinking);
        assert!(!is_of_canary(&ledger, RetryChoice::NOTHING));
        assert!(is_of_canary(&ledger, RetryChoice::UNDONE));
    }

    #[test]
    fn the_input_is_read_until_every_provider_has_its_rows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.csv");
        let mut text = "destination_username,source_provider,source_value\n".to_owned();
        for number in 1..=READER_BATCH_ROWS * 2 {
            let provider = if number == 1 { "Okta" } else { "Google" };
            writeln!(text, "user-{number},{provider},{}", 104_000_000_000_000_000_000_u128 + number as u128).unwrap();
        }
        std::fs::write(&path, text).unwrap();
        let (source, options, pool) =
            (InputSource::open(&path).unwrap(), InputOptions::default(), PoolId::parse(POOL).unwrap());
        let check = InputCheck {
            source: &source,
            options: &options,
            pool: &pool,
            shard: None,
            part: &InputPart::default(),
            ledger: None,
            retry: RetryChoice::NOTHING,
        };
        let checked = check.run(&mut IgnoreEvents).unwrap_or_else(|_| panic!("the file is readable"));
        for (size, expected, reads_all) in [(1, &[1, 2][..], false), (2, &[1, 2], false), (4, &[1, 2, 3, 4], true)] {
            let none = RowGuidance::None;
            let mut rows = InputRows::open(&source, &options, &checked.cross_row, &pool, None, none).unwrap();
            let canary = Canary::choose(&mut rows, &checked.providers, size, None, RetryChoice::NOTHING);
            let canary = canary.unwrap_or_else(|_| panic!("the file is readable"));
            assert_eq!(canary.numbers().map(|number| number.0).collect::<Vec<_>>(), expected, "{size} rows");
            assert_eq!(rows.read_batch().is_none(), reads_all, "{size} rows");
        }
    }

    /// The run drops a future of rows whenever something else happens first.
    #[tokio::test]
    async fn a_future_that_is_dropped_takes_no_row_with_it() {
        struct NoMore;
        impl RowSource for NoMore {
            fn next_batch(&mut self) -> RowBatchFuture<'_> {
                Box::pin(std::future::ready(None))
            }
        }
        let mut rows = CanaryFirst { first: VecDeque::from([Vec::new().into()]), rest: NoMore };
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
