//! What an input says of the rows of its ledger: which are no longer in it, and which a correction replaces.
//!
//! ```text
//! reading the input ─► InputPresence ─► Ledger::corrections ─► Corrections ─► Ledger::record_corrections
//! (every row, once)    (a bit a row)    (compared with the view)               (before the first call)
//! ```
//! The rules are in `docs/ledger.md`.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::Path;

use super::Ledger;
use super::checked_line::CheckedLine;
use super::contents::read_records;
use super::error::LedgerError;
use super::links_to_undo::row_of;
use super::reader::{LedgerReader, LedgerRecordAt};
use super::record::{self, LedgerRecord, Reinstatement, Supersession, identity_hash};
use super::reread::read_again;
use super::storage::LedgerSource;
use super::view::{InputIndex, LedgerView, RowStanding};
use crate::clock::UnixMs;
use crate::domain::row::{Row, RowKey, RowPlace};
use crate::domain::state::RowState;

/// Which rows of a ledger an input has: a bit for each row, and the places of rows that are new to the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputPresence {
    /// `None` for an input that no earlier run has read, and for stdin.
    input: Option<InputIndex>,
    compares_places: bool,
    settled: Vec<u64>,
    others: HashSet<RowKey>,
    new_places: HashMap<RowPlace, RowKey>,
    /// Rows that name the row which they correct.
    retries: HashMap<RowKey, RowKey>,
}

/// What changes in a ledger before a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Corrections {
    /// Each row with the one that takes its place, if any.
    superseded: Vec<(RowKey, Option<RowKey>)>,
    reinstated: Vec<RowKey>,
}

impl InputPresence {
    /// Starts the reading of the input at this path.
    pub fn new(view: &LedgerView, path: &str) -> Self {
        let input = view.input_of(path);
        Self {
            input,
            compares_places: view.has_other_inputs(input),
            settled: vec![0; view.settled_len().div_ceil(64)],
            ..Self::default()
        }
    }

    /// Takes note of a row of the input; `place` is `None` for a row that gives no link.
    pub fn see(&mut self, view: &LedgerView, key: RowKey, place: Option<RowPlace>, retry_of: Option<RowKey>) {
        let is_new = match view.settled_place(key) {
            Some(at) => {
                self.settled[at / 64] |= 1 << (at % 64);
                false
            }
            None if view.state(key) != RowState::Unprocessed || view.standing(key) != RowStanding::Current => {
                self.others.insert(key);
                false
            }
            None => {
                if view.invalid_code(key).is_some() {
                    self.others.insert(key);
                }
                true
            }
        };
        if let Some(retry_of) = retry_of.filter(|retry_of| *retry_of != key) {
            self.retries.insert(retry_of, key);
        } else if let (true, true, Some(place)) = (is_new, self.compares_places, place) {
            self.new_places.insert(place, key);
        }
    }

    fn has(&self, view: &LedgerView, key: RowKey) -> bool {
        match view.settled_place(key) {
            Some(at) => self.settled[at / 64] & 1 << (at % 64) != 0,
            None => self.others.contains(&key),
        }
    }
}

impl Corrections {
    pub fn is_empty(&self) -> bool {
        self.superseded.is_empty() && self.reinstated.is_empty()
    }

    /// Of the rows that are superseded from now on, those whose link stands in the ledger.
    pub fn links(&self, view: &LedgerView) -> u64 {
        self.superseded.iter().filter(|(key, _)| view.state(*key).is_linked_by_this_tool()).count() as u64
    }

    fn find(presence: &InputPresence, view: &LedgerView, source: &dyn LedgerSource) -> Result<Self, LedgerError> {
        let mut found = Self::default();
        let mut replaced: HashMap<RowKey, RowKey> = HashMap::new();
        for (old, new) in &presence.retries {
            if view.standing(*old) != RowStanding::Replaced && view.state(*old) != RowState::InDoubt {
                replaced.insert(*old, *new);
                if view.standing(*new) != RowStanding::Current {
                    found.reinstated.push(*new);
                }
            }
        }
        if !presence.new_places.is_empty() {
            read_places(source, &mut |key, place| {
                let by = presence.new_places.get(&place).filter(|by| **by != key);
                let is_replaceable = view.standing(key) == RowStanding::Current
                    && view.state(key) != RowState::InDoubt
                    && !presence.has(view, key)
                    && !view.is_of_input(key, presence.input);
                if let Some(by) = by.filter(|_| is_replaceable) {
                    replaced.entry(key).or_insert(*by);
                }
            })?;
        }
        if let Some(input) = presence.input {
            // A row in doubt is settled first.
            let gone = view.current_rows_of(input).filter(|key| view.state(*key) != RowState::InDoubt);
            let gone = gone.filter(|key| !presence.has(view, *key));
            found.superseded.extend(gone.filter(|key| !replaced.contains_key(key)).map(|key| (key, None)));
        }
        let already: HashSet<RowKey> = found.reinstated.iter().copied().collect();
        let returned = view.dropped_rows().filter(|key| presence.has(view, *key));
        found.reinstated.extend(returned.filter(|key| !already.contains(key) && !replaced.contains_key(key)));
        found.superseded.extend(replaced.into_iter().map(|(old, new)| (old, Some(new))));
        // Equal runs give equal ledgers.
        found.superseded.sort_unstable();
        found.reinstated.sort_unstable();
        Ok(found)
    }
}

/// Shows the place of every row that the ledger names one for.
fn read_places(source: &dyn LedgerSource, see: &mut dyn FnMut(RowKey, RowPlace)) -> Result<(), LedgerError> {
    let mut reader = LedgerReader::new(source)?;
    while let Some(LedgerRecordAt { record, .. }) = reader.next_record()? {
        match record {
            LedgerRecord::Announced(call) => call.place.into_iter().for_each(|place| see(call.key, place)),
            LedgerRecord::Settled(settled) => settled.place.into_iter().for_each(|place| see(settled.key, place)),
            _ => {}
        }
    }
    Ok(())
}

/// The identities of superseded links that stand, by their hash: 16 bytes each.
///
/// # Errors
/// Where the ledger cannot be read.
pub fn superseded_identities(view: &LedgerView, path: &Path) -> Result<HashSet<u64>, LedgerError> {
    let mut identities = HashSet::new();
    if view.superseded_counts().links > 0 {
        read_records(path, &mut |record| {
            if let LedgerRecord::Announced(call) = record
                && view.is_superseded(call.key)
                && view.state(call.key).is_linked_by_this_tool()
            {
                identities.insert(identity_hash(&call.source_provider, call.source_value.expose()));
            }
            ControlFlow::Continue(())
        })?;
    }
    Ok(identities)
}

impl Ledger {
    /// Compares the rows of an input with those of the ledger.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn corrections(&self, presence: &InputPresence) -> Result<Corrections, LedgerError> {
        Corrections::find(presence, &self.view, self.writer.storage())
    }

    /// The rows in doubt of an earlier run with this input that the input no longer has, as they were announced. A run settles
    /// them, and sends nothing for them.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn rows_in_doubt_not_in(&self, presence: &InputPresence) -> Result<Vec<Row>, LedgerError> {
        let Some(input) = presence.input else { return Ok(Vec::new()) };
        let in_doubt = self.view.current_rows_of(input).filter(|key| self.view.state(*key) == RowState::InDoubt);
        let gone = in_doubt.filter(|key| !presence.has(&self.view, *key));
        let mut lines: Vec<CheckedLine> = gone.filter_map(|key| self.view.newest_announcement(key)).collect();
        lines.sort_unstable_by_key(|line| line.offset);
        let read = |CheckedLine { offset, hash }| {
            read_again(self.writer.storage(), [offset], hash, |[line]| {
                match record::decode(line).map_err(|error| error.to_string())? {
                    LedgerRecord::Announced(call) => {
                        row_of(&call).map_err(|error| format!("a value that cannot be sent: {error}"))
                    }
                    _ => Err("another record than was there a moment ago".to_owned()),
                }
            })
        };
        lines.into_iter().map(read).collect()
    }

    /// Records which rows no longer count and which count again. After [`Ledger::run_started`], before any row.
    ///
    /// # Errors
    /// Where the ledger cannot be written.
    pub fn record_corrections(&mut self, corrections: &Corrections, at: UnixMs) -> Result<(), LedgerError> {
        for (key, by) in &corrections.superseded {
            self.writer.append(&LedgerRecord::Superseded(Supersession { key: *key, by: *by, at }))?;
            self.view.note_superseded(*key, by.is_some());
        }
        for key in &corrections.reinstated {
            self.writer.append(&LedgerRecord::Reinstated(Reinstatement { key: *key, at }))?;
            self.view.note_reinstated(*key);
        }
        if corrections.is_empty() { Ok(()) } else { self.sync() }
    }
}
