//! Where every row stands: 24 bytes for a row that is out of doubt, a hash table for those that are in doubt.
//!
//! A row is in doubt from its announcement until its result, so the table holds what is in flight and what earlier
//! runs could not settle. Everything else is in [`settled::Settled`], with the last results in a second small table.

mod load;
mod settled;

use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::{BuildHasherDefault, Hasher};

use crate::clock::UnixMs;
use crate::domain::row::RowKey;
use crate::domain::state::{RowEvent, RowState};
use crate::domain::summary::Counts;
use crate::limits::VIEW_OVERLAY_ROWS;
pub(super) use load::{Loader, Misfit};
use settled::{Entry, Settled, pack, unpack};

/// A table by key. Keys are hashes already.
type KeyMap<V> = HashMap<RowKey, V, BuildHasherDefault<KeyHasher>>;

/// Where every row of a ledger stands.
#[derive(Debug)]
pub struct View {
    /// Rows in doubt, with the earliest announcement since each was last out of doubt.
    in_doubt: KeyMap<Open>,
    /// The last results, each of them newer than what is settled.
    recent: KeyMap<RowState>,
    recent_max: usize,
    settled: Settled,
}

/// An announcement without a result.
#[derive(Debug, Clone, Copy)]
struct Open {
    /// The earliest one.
    first: UnixMs,
    /// Whether it is of an unlink.
    unlinking: bool,
}

impl Open {
    fn state(self) -> RowState {
        if self.unlinking { RowState::Unlinking } else { RowState::InDoubt }
    }
}

impl View {
    fn new(in_doubt: KeyMap<Open>, settled: Settled) -> Self {
        Self { in_doubt, recent: KeyMap::default(), recent_max: VIEW_OVERLAY_ROWS, settled }
    }

    /// Where a row stands; `Unprocessed` when the ledger does not hold it.
    #[must_use]
    pub fn state(&self, key: RowKey) -> RowState {
        if let Some(open) = self.in_doubt.get(&key) {
            return open.state();
        }
        self.recent.get(&key).copied().unwrap_or_else(|| self.settled.state(key))
    }

    /// For a row in doubt the earliest announcement since it was last out of doubt, in the service's time.
    #[must_use]
    pub fn announced_at(&self, key: RowKey) -> Option<UnixMs> {
        self.in_doubt.get(&key).map(|open| open.first)
    }

    /// Every row that the ledger holds and that has a state, in no particular order.
    pub fn states(&self) -> impl Iterator<Item = (RowKey, RowState)> {
        let doubtful = self.in_doubt.iter().map(|(key, open)| (*key, open.state()));
        let recent = self.recent.iter().map(|(key, state)| (*key, *state));
        let recent = recent.filter(|(key, _)| !self.in_doubt.contains_key(key));
        let settled = self.settled.iter();
        let settled = settled.filter(|(key, _)| !self.in_doubt.contains_key(key) && !self.recent.contains_key(key));
        doubtful.chain(recent).chain(settled).filter(|(_, state)| *state != RowState::Unprocessed)
    }

    /// Rows by state, as if they were all that was read: balanced, with nothing invalid or unprocessed.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (_, state) in self.states() {
            counts.read += 1;
            counts.add(state);
        }
        counts
    }

    /// Notes that `event` put a row in `state`, as `next_state` allowed; `at` counts for announcements only.
    pub(super) fn note(&mut self, key: RowKey, event: RowEvent, state: RowState, at: UnixMs) {
        if matches!(event, RowEvent::Announced | RowEvent::UnlinkAnnounced) {
            let unlinking = event == RowEvent::UnlinkAnnounced;
            let open = self.in_doubt.entry(key).or_insert(Open { first: at, unlinking });
            open.first = open.first.min(at);
        }
        if matches!(state, RowState::InDoubt | RowState::Unlinking) {
            return;
        }
        self.in_doubt.remove(&key);
        self.recent.insert(key, state);
        if self.recent.len() >= self.recent_max {
            let mut updates: Vec<Entry> =
                self.recent.drain().map(|(key, state)| Entry { key, tag: pack(state) }).collect();
            updates.sort_unstable();
            let Ok(()) = self.settled.absorb(&mut updates, |_, tag| Ok::<_, Infallible>(unpack(tag)));
        }
    }
}

/// Folds a key's two halves together.
#[derive(Debug, Default, Clone, Copy)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = self.0.rotate_left(8) ^ u64::from_le_bytes(word);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::seed::Rng;

    #[test]
    fn results_of_a_run_are_merged_and_stay_what_they_were() {
        let mut view = View { recent_max: 16, ..View::new(KeyMap::default(), Settled::default()) };
        let mut expected = BTreeMap::new();
        let mut rng = Rng::new(2);
        for at in 0..4_000 {
            let number = rng.below(500);
            let key = RowKey::parse(format!("{:032x}", u128::from(number) << 119 | 1).as_bytes()).unwrap();
            let states = [RowState::Linked, RowState::Failed, RowState::InDoubt, RowState::Unprocessed];
            let state = states[usize::try_from(rng.below(4)).unwrap()];
            let event = match state {
                RowState::InDoubt => RowEvent::Announced,
                RowState::Unprocessed => RowEvent::Withdrawn,
                settled => RowEvent::Settled(settled),
            };
            let first = view.announced_at(key);
            view.note(key, event, state, at);
            expected.insert(key, state);
            assert!(view.recent.len() < 16);
            let announced = (state == RowState::InDoubt).then_some(first.unwrap_or(at));
            assert_eq!((view.state(key), view.announced_at(key)), (state, announced));
        }
        expected.retain(|_, state| *state != RowState::Unprocessed);
        assert_eq!(view.states().collect::<BTreeMap<_, _>>(), expected);
        assert_eq!(view.states().count(), expected.len(), "no row twice");
        let linked = expected.values().filter(|state| **state == RowState::Linked).count() as u64;
        assert_eq!((view.counts().linked, view.counts().read), (linked, expected.len() as u64));
    }
}
