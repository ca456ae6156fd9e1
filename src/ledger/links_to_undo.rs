//! The links that `undo` can unlink: those that this ledger made, the newest first.
//!
//! In memory a link is four numbers: where its announcement and its result are in the file, a hash of both lines, and
//! when it was first announced. Its values are read when its turn comes, from the back of the file to the front, so ten
//! million links take 320 MB and no more. Lines that are not what they were by then are damage.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::RangeInclusive;

use super::checked_line::{CheckedLine, LineHash};
use super::error::LedgerError;
use super::reader::{LedgerReader, LedgerRecordAt};
use super::record::{self, Announcement, LedgerRecord, RunId, SettledState, Settlement, UnlinkResult, identity_hash};
use super::reread::read_again;
use super::storage::LedgerSource;
use super::view::{LedgerView, RowStanding};
use crate::clock::UnixMs;
use crate::domain::identity::{Destination, IdentityError, Personal, ProviderName};
use crate::domain::row::{Link, Row, RowKey};
use crate::domain::state::RowState;
use crate::limits::{LAST_LINKS, LIST_LAG_MS_MAX};

/// Which of the links that a ledger made to unlink. Of several conditions, a link must meet all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UndoSelection {
    /// Only links that were announced at this time or later, by the service's clock: a result may have a later time.
    pub since: Option<UnixMs>,
    /// Only rows with these numbers in the input of their run; empty for all.
    pub rows: Vec<RangeInclusive<u64>>,
    /// Only rows of this input, by its name in [`LedgerView::inputs`]; `None` for all.
    pub input: Option<String>,
    /// Only identities of these providers; empty for all.
    pub providers: BTreeSet<ProviderName>,
    /// Only links that were made before this time, by the clock of the machine that made them.
    pub before: Option<UnixMs>,
    /// Only rows with these keys; empty for all.
    pub keys: BTreeSet<RowKey>,
    /// Only links that these runs made; empty for all.
    pub runs: HashSet<RunId>,
    /// Only rows that are not among these, which are sorted; `None` for all.
    pub not_in: Option<Vec<RowKey>>,
    /// Only rows that are superseded.
    pub superseded: bool,
    /// Also links that were concluded from reading and that somebody else could have made.
    pub include_recovered: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UndoSelectionCounts {
    /// Links to unlink, those in doubt included.
    pub selected: u64,
    /// Of these, those whose unlinking an earlier run left in doubt: they come first, selected or not.
    pub in_doubt: u64,
    /// Links of the selection that are left out because somebody else could have made them.
    pub recovered: u64,
    /// Links that are left out because they do not meet the conditions.
    pub not_selected: u64,
}

/// A link that this tool made.
#[derive(Debug, Clone)]
pub struct LinkToUndo {
    /// With the destination and the source exactly as they were sent.
    pub row: Row,
    /// When it was first announced since it was last out of doubt: the earliest that the service's clock can have shown.
    pub announced: UnixMs,
    /// When it was settled: the latest that the service's clock can have shown then.
    pub settled: UnixMs,
    /// The destination's user name as the pool showed it, where it was read.
    pub username: Option<Personal>,
    /// Whether a later row of the ledger linked the identity to another user. It is known of all links that are so young
    /// that a list may still show the identity on this one.
    pub linked_elsewhere_later: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LinkPlace {
    /// Where its announcement is, in bytes.
    announcement_offset: u64,
    /// Where its result is, in bytes.
    result_offset: u64,
    /// Of both lines.
    hash: LineHash,
    first_announced: UnixMs,
}

/// An announcement without a result.
#[derive(Debug, Clone, Copy)]
struct OpenLink {
    /// The newest announcement: a rerun may name the destination differently.
    line: CheckedLine,
    provider_selected: bool,
    first_announced: UnixMs,
    named: NamedHashes,
}

/// Hashes of the identity and of the user that a link call named.
#[derive(Debug, Clone, Copy)]
struct NamedHashes {
    identity: u64,
    user: u64,
}

impl NamedHashes {
    fn of(call: &Announcement<'_>) -> Self {
        Self {
            identity: identity_hash(&call.source_provider, call.source_value.expose()),
            user: identity_hash(&call.destination_provider, call.destination_value.expose()),
        }
    }
}

/// By identity, the user that it was linked to last: of all that were linked so late that a list may not show it yet, and of
/// some that were linked before.
#[derive(Default)]
struct LastLinks {
    users: HashMap<u64, (u64, UnixMs)>,
    users_max: usize,
}

impl LastLinks {
    fn add(&mut self, named: NamedHashes, at: UnixMs) {
        self.users.insert(named.identity, (named.user, at));
        if self.users.len() > self.users_max {
            self.users.retain(|_, (_, linked)| linked.saturating_add(LIST_LAG_MS_MAX) >= at);
            self.users_max = LAST_LINKS.max(2 * self.users.len());
        }
    }

    /// Whether the identity was linked to another user after this link.
    fn is_on_another_user(&self, named: NamedHashes) -> bool {
        self.users.get(&named.identity).is_some_and(|(last, _)| *last != named.user)
    }
}

/// The links to unlink.
pub struct LinksToUndo {
    source: Box<dyn LedgerSource + Send>,
    /// The newest last: links are taken from the end.
    places: Vec<LinkPlace>,
    /// Those whose unlinking is in doubt: taken before the others.
    in_doubt: Vec<LinkPlace>,
    /// Providers of the selection that the ledger does not name.
    unknown_providers: BTreeSet<ProviderName>,
    inputs: BTreeSet<String>,
    last_links: LastLinks,
}

impl LinksToUndo {
    /// Finds the links of a selection. `view` must be of the same ledger, read to its end.
    pub fn find(
        source: Box<dyn LedgerSource + Send>,
        view: &LedgerView,
        selection: &UndoSelection,
    ) -> Result<(Self, UndoSelectionCounts), LedgerError> {
        let mut search = LinkSearch::new(view, selection);
        search.read(&*source)?;
        if !search.undone_at.is_empty() {
            // Some were linked, undone and linked again. Which ones is known now, so the older links can be skipped.
            search = LinkSearch { undone_at: search.undone_at, ..LinkSearch::new(view, selection) };
            search.read(&*source)?;
        }
        let found = UndoSelectionCounts {
            selected: (search.places.len() + search.in_doubt.len()) as u64,
            in_doubt: search.in_doubt.len() as u64,
            ..search.found
        };
        let LinkSearch { places, in_doubt, unknown_providers, inputs, last_links, .. } = search;
        Ok((Self { source, places, in_doubt, unknown_providers, inputs, last_links }, found))
    }

    /// Providers of the selection that the ledger does not name.
    pub fn unknown_providers(&self) -> &BTreeSet<ProviderName> {
        &self.unknown_providers
    }

    /// The inputs that the selected links were made from, by their names in [`LedgerView::inputs`].
    pub fn inputs(&self) -> &BTreeSet<String> {
        &self.inputs
    }

    /// Returns the next links, at most `count_max`; none at the end. Fails where a person has edited a line into
    /// something that cannot be sent.
    pub fn next_batch(&mut self, count_max: usize) -> Result<Vec<LinkToUndo>, LedgerError> {
        let mut batch = Vec::new();
        while batch.len() < count_max {
            let Some(place) = self.in_doubt.pop().or_else(|| self.places.pop()) else { break };
            batch.push(self.read(place)?);
        }
        Ok(batch)
    }

    fn read(&self, place: LinkPlace) -> Result<LinkToUndo, LedgerError> {
        let LinkPlace { announcement_offset, result_offset, hash, first_announced: announced } = place;
        let offsets = [announcement_offset, result_offset];
        let (row, named, settled, username) = read_again(&*self.source, offsets, hash, |[announcement, result]| {
            let decoded = |line| record::decode(line).map_err(|error| error.to_string());
            let (LedgerRecord::Announced(call), LedgerRecord::Settled(result)) =
                (decoded(announcement)?, decoded(result)?)
            else {
                return Err("another record than was there a moment ago".to_owned());
            };
            let row = row_of(&call).map_err(|error| format!("a value that cannot be sent: {error}"))?;
            let username = result.username.as_ref().map(|name| Personal::from_service(name.expose()));
            Ok((row, NamedHashes::of(&call), result.at, username))
        })?;
        let linked_elsewhere_later = self.last_links.is_on_another_user(named);
        Ok(LinkToUndo { row, announced, settled, username, linked_elsewhere_later })
    }
}

/// One reading of the ledger.
struct LinkSearch<'a> {
    view: &'a LedgerView,
    selection: &'a UndoSelection,
    open: HashMap<RowKey, OpenLink>,
    /// Links that stand and were undone, or seen to be gone, before: where that was recorded last.
    undone_at: HashMap<RowKey, u64>,
    places: Vec<LinkPlace>,
    in_doubt: Vec<LinkPlace>,
    unknown_providers: BTreeSet<ProviderName>,
    found: UndoSelectionCounts,
    /// The run that the records are of, and its input.
    run: Option<RunId>,
    input: String,
    /// The inputs of the selected links.
    inputs: BTreeSet<String>,
    last_links: LastLinks,
}

impl<'a> LinkSearch<'a> {
    fn new(view: &'a LedgerView, selection: &'a UndoSelection) -> Self {
        Self {
            view,
            selection,
            open: HashMap::new(),
            undone_at: HashMap::new(),
            places: Vec::new(),
            in_doubt: Vec::new(),
            unknown_providers: selection.providers.clone(),
            found: UndoSelectionCounts::default(),
            run: None,
            input: String::new(),
            inputs: BTreeSet::new(),
            last_links: LastLinks::default(),
        }
    }

    fn read(&mut self, source: &dyn LedgerSource) -> Result<(), LedgerError> {
        let mut reader = LedgerReader::new(source)?;
        while let Some(LedgerRecordAt { place, record, .. }) = reader.next_record()? {
            self.visit(place, &record);
        }
        Ok(())
    }

    fn visit(&mut self, line: CheckedLine, record: &LedgerRecord<'_>) {
        match record {
            LedgerRecord::RunStarted(start) => {
                self.run = Some(start.run);
                self.input = self.view.name_of_input(&start.input).to_owned();
            }
            LedgerRecord::Announced(call) => {
                let providers = &self.selection.providers;
                let provider_selected =
                    providers.is_empty() || providers.iter().any(|name| name.as_str() == call.source_provider);
                self.unknown_providers.retain(|name| name.as_str() != call.source_provider);
                let first_announced =
                    self.open.get(&call.key).map_or(call.at, |open| open.first_announced.min(call.at));
                let named = NamedHashes::of(call);
                self.open.insert(call.key, OpenLink { line, provider_selected, first_announced, named });
            }
            LedgerRecord::Withdrawn(withdrawal) => {
                // Without an open announcement it says that the link was seen to be gone: the link that stands is newer.
                let was_open = self.open.remove(&withdrawal.key).is_some();
                if !was_open && self.view.state(withdrawal.key).is_linked_by_this_tool() {
                    self.undone_at.insert(withdrawal.key, line.offset);
                }
            }
            LedgerRecord::Settled(settled) if settled.state != SettledState::InDoubt => self.settled(line, settled),
            LedgerRecord::UnlinkSettled(settled)
                if settled.result == UnlinkResult::Undone && self.view.state(settled.key).is_linked_by_this_tool() =>
            {
                let last = self.undone_at.entry(settled.key).or_default();
                *last = line.offset.max(*last);
            }
            _ => {}
        }
    }

    fn settled(&mut self, line: CheckedLine, settled: &Settlement<'_>) {
        let Some(OpenLink { line: announcement, provider_selected, first_announced, named }) =
            self.open.remove(&settled.key)
        else {
            return;
        };
        if settled.state == SettledState::Linked {
            self.last_links.add(named, settled.at);
        }
        let state = self.view.state(settled.key);
        let undone_later = self.undone_at.get(&settled.key).is_some_and(|at| *at > line.offset);
        if settled.state != SettledState::Linked || !state.is_linked_by_this_tool() || undone_later {
            return;
        }
        let place = LinkPlace {
            announcement_offset: announcement.offset,
            result_offset: line.offset,
            hash: announcement.hash.and(line.hash),
            first_announced,
        };
        let UndoSelection { since, before, rows, input, keys, runs, not_in, superseded, include_recovered, .. } =
            self.selection;
        let key = settled.key;
        let is_selected = provider_selected
            && since.is_none_or(|since| first_announced >= since)
            && before.is_none_or(|before| settled.at < before)
            && (keys.is_empty() || keys.contains(&key))
            && (runs.is_empty() || self.run.is_some_and(|run| runs.contains(&run)))
            && not_in.as_ref().is_none_or(|rows| rows.binary_search(&key).is_err())
            && (!superseded || self.view.standing(key) != RowStanding::Current)
            && input.as_ref().is_none_or(|input| *input == self.input)
            && (rows.is_empty() || rows.iter().any(|range| range.contains(&settled.row.0)));
        if state == RowState::Unlinking {
            self.in_doubt.push(place);
        } else if !is_selected {
            self.found.not_selected += 1;
        } else if settled.recovered && !include_recovered {
            self.found.recovered += 1;
        } else {
            self.places.push(place);
            if !self.inputs.contains(&self.input) {
                self.inputs.insert(self.input.clone());
            }
        }
    }
}

/// The row of an announcement, with the destination as it was sent.
pub(super) fn row_of(call: &Announcement<'_>) -> Result<Row, IdentityError> {
    let user = call.destination()?;
    let destination = if user.provider.is_native() {
        Destination::Username(user.value)
    } else {
        Destination::Federated { provider: user.provider, user_id: user.value }
    };
    Ok(Row { number: call.row, key: call.key, link: Link { destination, source: call.source()? } })
}
