//! What there is to take back: the links that this ledger made, the newest first.
//!
//! In memory a row is two numbers: where its announcement stands in the file, and when it was settled. Its values are
//! read when its turn comes, from the back of the file to the front, so ten million rows take 160 MB and no more.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::ops::{ControlFlow, RangeInclusive};

use super::error::LedgerError;
use super::reader::{self, Spot};
use super::record::{self, Intent, Record, Settlement};
use super::storage::Source;
use super::view::View;
use crate::clock::UnixMs;
use crate::domain::identity::{Destination, ExternalIdentity, IdentityError, ProviderName};
use crate::domain::row::{Link, Row, RowKey};
use crate::domain::state::RowState;
use crate::limits::{LEDGER_LINE_BYTES_MAX, LEDGER_LINE_USUAL_BYTES};

/// Which of the links that a ledger made are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Those that were linked at this time or later, by the clock of the machine that linked them.
    pub since: Option<UnixMs>,
    /// Those of rows with these numbers in the input of their run; empty for all.
    pub rows: Vec<RangeInclusive<u64>>,
    /// Those of these providers; empty for all.
    pub providers: BTreeSet<ProviderName>,
    /// Those, too, that were concluded from reading and may be somebody else's.
    pub include_recovered: bool,
}

/// How many links are meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// Links to take back, those in doubt included.
    pub selected: u64,
    /// Of these, those whose taking back an earlier run left in doubt: they come first, selected or not.
    pub in_doubt: u64,
    /// Links of the selection that are left out because they may be somebody else's.
    pub recovered: u64,
    /// Links that the selection leaves out otherwise.
    pub not_selected: u64,
}

/// A link that this tool made.
#[derive(Debug, Clone)]
pub struct MadeLink {
    /// The row, with the destination and the source exactly as they were sent.
    pub row: Row,
    /// When it was announced: the earliest that the service's clock can have shown then.
    pub announced: UnixMs,
    /// When it was settled, by the clock of the machine that linked it.
    pub settled: UnixMs,
    /// The identity as an earlier run named it in an unlink call that is in doubt.
    pub unlinking: Option<ExternalIdentity>,
}

/// Where a link's lines are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    intent_offset: u64,
    settled: UnixMs,
}

/// The links to take back, the newest last until they are taken.
pub struct MadeLinks {
    source: Box<dyn Source + Send>,
    places: Vec<Place>,
    /// Those whose taking back is in doubt: taken before the others.
    in_doubt: Vec<Place>,
    /// Where the announcements of these unlinks stand.
    unlinks: HashMap<RowKey, u64>,
}

impl MadeLinks {
    /// Finds the links that are meant. `view` must be of the same ledger, read to its end.
    ///
    /// # Errors
    /// [`LedgerError`] where the ledger cannot be read.
    pub fn find(
        source: Box<dyn Source + Send>,
        view: &View,
        selection: &Selection,
    ) -> Result<(Self, Found), LedgerError> {
        let mut search = Search::new(view, selection);
        search.read(&*source)?;
        if !search.undone_at.is_empty() {
            // Some were linked, undone and linked again: now that it is known which, the older links can be passed over.
            search = Search { undone_at: search.undone_at, ..Search::new(view, selection) };
            search.read(&*source)?;
        }
        let found = Found {
            selected: (search.places.len() + search.in_doubt.len()) as u64,
            in_doubt: search.in_doubt.len() as u64,
            ..search.found
        };
        let Search { places, in_doubt, unlinks, .. } = search;
        Ok((Self { source, places, in_doubt, unlinks }, found))
    }

    /// The next links, at most so many; none at the end.
    ///
    /// # Errors
    /// [`LedgerError::Io`], and [`LedgerError::Damaged`] where a person has edited a line into what cannot be sent.
    pub fn next_batch(&mut self, count_max: usize) -> Result<Vec<MadeLink>, LedgerError> {
        let mut batch = Vec::new();
        while batch.len() < count_max {
            let Some(place) = self.in_doubt.pop().or_else(|| self.places.pop()) else { break };
            batch.push(self.read(place)?);
        }
        Ok(batch)
    }

    fn read(&self, place: Place) -> Result<MadeLink, LedgerError> {
        let made = self.line(place.intent_offset, |record| match record {
            Record::Intent(intent) => Some(row_of(intent).map(|row| (row, intent.at))),
            _ => None,
        })?;
        let (row, announced) = made;
        let unlinking = match self.unlinks.get(&row.key) {
            Some(offset) => Some(self.line(*offset, |record| match record {
                Record::Unlink(intent) => Some(intent.source()),
                _ => None,
            })?),
            None => None,
        };
        Ok(MadeLink { row, announced, settled: place.settled, unlinking })
    }

    /// What the line at this place tells.
    fn line<T>(
        &self,
        offset: u64,
        read: impl FnOnce(&Record<'_>) -> Option<Result<T, IdentityError>>,
    ) -> Result<T, LedgerError> {
        let damaged = |reason: &str| LedgerError::Damaged {
            place: self.source.place(),
            offset,
            line: reader::line_at(&*self.source, offset),
            reason: reason.to_owned(),
        };
        let bytes = self.bytes_at(offset)?;
        let line = bytes.strip_suffix(b"\r").unwrap_or(&bytes);
        let record = record::decode(line).map_err(|reason| damaged(&reason.to_string()))?;
        match read(&record) {
            Some(Ok(value)) => Ok(value),
            Some(Err(reason)) => Err(damaged(&format!("a value that cannot be sent: {reason}"))),
            None => Err(damaged("another record than was there a moment ago")),
        }
    }

    /// The line that starts here, without its line feed.
    fn bytes_at(&self, offset: u64) -> Result<Vec<u8>, LedgerError> {
        let mut bytes = Vec::new();
        let mut block = [0; LEDGER_LINE_USUAL_BYTES];
        while bytes.len() <= LEDGER_LINE_BYTES_MAX + LEDGER_LINE_USUAL_BYTES {
            let count = self
                .source
                .read_at(offset + bytes.len() as u64, &mut block)
                .map_err(|error| LedgerError::io("read", self.source.place(), &error))?;
            if let Some(end) = block[..count].iter().position(|byte| *byte == b'\n') {
                bytes.extend_from_slice(&block[..end]);
                break;
            }
            bytes.extend_from_slice(&block[..count]);
            if count == 0 {
                break;
            }
        }
        Ok(bytes)
    }
}

/// One reading of the ledger.
struct Search<'a> {
    view: &'a View,
    selection: &'a Selection,
    /// Announcements without a result: where, and whether the provider is meant.
    open: HashMap<RowKey, (u64, bool)>,
    /// Links that stand and were taken back, or seen to be gone, before: where that was recorded last.
    undone_at: HashMap<RowKey, u64>,
    unlinks: HashMap<RowKey, u64>,
    places: Vec<Place>,
    in_doubt: Vec<Place>,
    found: Found,
}

impl<'a> Search<'a> {
    fn new(view: &'a View, selection: &'a Selection) -> Self {
        Self {
            view,
            selection,
            open: HashMap::new(),
            undone_at: HashMap::new(),
            unlinks: HashMap::new(),
            places: Vec::new(),
            in_doubt: Vec::new(),
            found: Found::default(),
        }
    }

    fn read(&mut self, source: &dyn Source) -> Result<(), LedgerError> {
        let visit = |spot, record: Record<'_>| {
            self.visit(spot, &record);
            Ok(ControlFlow::Continue(()))
        };
        reader::scan(source, visit).map(|_| ())
    }

    fn visit(&mut self, spot: Spot, record: &Record<'_>) {
        match record {
            Record::Intent(intent) => {
                let providers = &self.selection.providers;
                let meant =
                    providers.is_empty() || providers.iter().any(|name| name.as_str() == intent.source_provider);
                self.open.insert(intent.key, (spot.offset, meant));
            }
            Record::Withdrawal(withdrawal) => {
                // Without an open announcement it says that the link was seen to be gone; what stands was made later.
                let was_open = self.open.remove(&withdrawal.key).is_some();
                if !was_open && self.view.state(withdrawal.key).is_ours() {
                    self.undone_at.insert(withdrawal.key, spot.offset);
                }
            }
            Record::Settlement(settled) if settled.state != RowState::InDoubt => self.settled(spot, settled),
            Record::Unlink(intent) if self.view.state(intent.key) == RowState::Unlinking => {
                self.unlinks.insert(intent.key, spot.offset);
            }
            Record::UnlinkSettlement(settled) => {
                let undone = settled.ended.state() == RowState::Undone;
                if undone && self.view.state(settled.key).is_ours() {
                    let last = self.undone_at.entry(settled.key).or_default();
                    *last = spot.offset.max(*last);
                }
            }
            _ => {}
        }
    }

    fn settled(&mut self, spot: Spot, settled: &Settlement<'_>) {
        let Some((intent_offset, provider_meant)) = self.open.remove(&settled.key) else { return };
        let state = self.view.state(settled.key);
        let taken_back = self.undone_at.get(&settled.key).is_some_and(|at| *at > spot.offset);
        if settled.state != RowState::Linked || !state.is_ours() || taken_back {
            return;
        }
        let place = Place { intent_offset, settled: settled.at };
        let Selection { since, rows, include_recovered, .. } = self.selection;
        let meant = provider_meant
            && since.is_none_or(|since| settled.at >= since)
            && (rows.is_empty() || rows.iter().any(|range| range.contains(&settled.row.0)));
        if state == RowState::Unlinking {
            self.in_doubt.push(place);
        } else if !meant {
            self.found.not_selected += 1;
        } else if settled.recovered && !include_recovered {
            self.found.recovered += 1;
        } else {
            self.places.push(place);
        }
    }
}

/// The row of an announcement, with the destination as it was sent.
fn row_of(intent: &Intent<'_>) -> Result<Row, IdentityError> {
    let user = intent.destination()?;
    let destination = if user.provider.is_native() {
        Destination::Username(user.value)
    } else {
        Destination::Federated { provider: user.provider, user_id: user.value }
    };
    Ok(Row { number: intent.row, key: intent.key, link: Link { destination, source: intent.source()? } })
}
