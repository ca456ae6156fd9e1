//! The state of every row: 24 bytes for a row that is not in doubt, a hash table for those that are.
//!
//! A row is in doubt from its announcement to its result, so that table holds what is in flight and what earlier runs
//! could not settle. All other rows are in one vector, sorted by key; the newest results wait in a second hash table of
//! bounded size, because an insertion into the vector moves everything behind it.

use std::collections::HashMap;

use crate::clock::UnixMs;
use crate::domain::counts::Counts;
use crate::domain::row::RowKey;
use crate::domain::state::{IllegalTransition, RowEvent, RowState, next_state};
use crate::limits::{LIST_LAG_MS_MAX, VIEW_RECENT_ROWS, VIEW_UNLINKED_ROWS};

/// The state of every row of a ledger.
#[derive(Debug)]
pub struct LedgerView {
    in_doubt: HashMap<RowKey, OpenAnnouncement>,
    /// Results that are newer than those in `settled`.
    recent: HashMap<RowKey, RowState>,
    /// How many of them may wait.
    recent_max: usize,
    /// Sorted by key, each key once.
    settled: Vec<SettledRow>,
    /// When `undo` last unlinked a row, of those that a list may still show.
    unlinked: HashMap<RowKey, UnixMs>,
    /// How many of them there may be before the older ones are forgotten.
    unlinked_max: usize,
}

/// An announcement without a result.
#[derive(Debug, Clone)]
struct OpenAnnouncement {
    /// The time of the earliest one since the row was last out of doubt.
    first: UnixMs,
    is_unlink: bool,
    /// Where the newest one is in the ledger, in bytes.
    newest_offset: u64,
}

impl OpenAnnouncement {
    fn state(&self) -> RowState {
        if self.is_unlink { RowState::Unlinking } else { RowState::InDoubt }
    }
}

#[derive(Debug, Clone, Copy)]
struct SettledRow {
    key: RowKey,
    state: RowState,
}

const _: () = assert!(size_of::<SettledRow>() == 24);

impl LedgerView {
    pub(super) fn new() -> Self {
        Self::with_recent_max(VIEW_RECENT_ROWS)
    }

    fn with_recent_max(recent_max: usize) -> Self {
        Self {
            in_doubt: HashMap::new(),
            recent: HashMap::new(),
            recent_max,
            settled: Vec::new(),
            unlinked: HashMap::new(),
            unlinked_max: VIEW_UNLINKED_ROWS,
        }
    }

    /// Returns `Unprocessed` for a row that the ledger does not hold.
    pub fn state(&self, key: RowKey) -> RowState {
        if let Some(open) = self.in_doubt.get(&key) {
            return open.state();
        }
        if let Some(state) = self.recent.get(&key) {
            return *state;
        }
        self.settled
            .binary_search_by(|row| row.key.cmp(&key))
            .map_or(RowState::Unprocessed, |at| self.settled[at].state)
    }

    /// For a row in doubt, the earliest announcement since it was last out of doubt, in the service's time.
    pub fn announced_at(&self, key: RowKey) -> Option<UnixMs> {
        self.in_doubt.get(&key).map(|open| open.first)
    }

    /// When `undo` last unlinked a row, in the service's time, whatever happened to the row since. A time after which every
    /// list shows the unlink may be forgotten.
    pub fn unlinked_at(&self, key: RowKey) -> Option<UnixMs> {
        self.unlinked.get(&key).copied()
    }

    /// For a row in doubt, where its newest announcement is in the ledger, in bytes.
    pub(super) fn announcement_offset(&self, key: RowKey) -> Option<u64> {
        self.in_doubt.get(&key).map(|open| open.newest_offset)
    }

    /// Every row that the ledger holds and that has a state, in no particular order.
    pub fn states(&self) -> impl Iterator<Item = (RowKey, RowState)> {
        let in_doubt = self.in_doubt.iter().map(|(key, open)| (*key, open.state()));
        let recent = self.recent.iter().map(|(key, state)| (*key, *state));
        let recent = recent.filter(|(key, _)| !self.in_doubt.contains_key(key));
        let settled = self.settled.iter().map(|row| (row.key, row.state));
        let settled = settled.filter(|(key, _)| !self.in_doubt.contains_key(key) && !self.recent.contains_key(key));
        in_doubt.chain(recent).chain(settled).filter(|(_, state)| *state != RowState::Unprocessed)
    }

    /// Rows by state, as if they were all that was read: balanced, with nothing invalid or unprocessed.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (_, state) in self.states() {
            counts.read += 1;
            counts.add(state);
        }
        counts
    }

    /// Notes an event of a ledger that is read back; `place` is its time and where it is in the ledger, in bytes.
    pub(super) fn replay(
        &mut self,
        key: RowKey,
        event: RowEvent,
        place: (UnixMs, u64),
    ) -> Result<(), IllegalTransition> {
        let next = next_state(self.state(key), event)?;
        self.note(key, event, next, place);
        Ok(())
    }

    /// Notes that `event` put a row in `state`, as `next_state` allowed; the place counts for announcements only.
    pub(super) fn note(&mut self, key: RowKey, event: RowEvent, state: RowState, (at, offset): (UnixMs, u64)) {
        if matches!(event, RowEvent::Announced | RowEvent::UnlinkAnnounced) {
            let is_unlink = event == RowEvent::UnlinkAnnounced;
            let open =
                self.in_doubt.entry(key).or_insert(OpenAnnouncement { first: at, is_unlink, newest_offset: offset });
            open.first = open.first.min(at);
            open.newest_offset = offset;
        }
        if event == RowEvent::UnlinkEnded(RowState::Undone) {
            self.note_unlinked(key, at);
        }
        if matches!(state, RowState::InDoubt | RowState::Unlinking) {
            return;
        }
        self.in_doubt.remove(&key);
        self.recent.insert(key, state);
        if self.recent.len() >= self.recent_max {
            let mut newer: Vec<SettledRow> =
                self.recent.drain().map(|(key, state)| SettledRow { key, state }).collect();
            newer.sort_unstable_by_key(|row| row.key);
            merge(&mut self.settled, newer);
        }
    }
}

impl LedgerView {
    fn note_unlinked(&mut self, key: RowKey, at: UnixMs) {
        self.unlinked.insert(key, at);
        if self.unlinked.len() > self.unlinked_max {
            self.unlinked.retain(|_, unlinked| unlinked.saturating_add(LIST_LAG_MS_MAX) >= at);
            self.unlinked_max = VIEW_UNLINKED_ROWS.max(2 * self.unlinked.len());
        }
    }
}

/// Merges sorted rows into sorted rows, in place: a copy would need as much memory again.
fn merge(rows: &mut Vec<SettledRow>, mut newer: Vec<SettledRow>) {
    let mut passed = 0;
    newer.retain(|row| match rows[passed..].binary_search_by(|held| held.key.cmp(&row.key)) {
        Ok(at) => {
            passed += at;
            rows[passed].state = row.state;
            false
        }
        Err(at) => {
            passed += at;
            true
        }
    });
    let mut unmoved = rows.len();
    // Exactly: doubling would hold memory for as many rows again.
    rows.reserve_exact(newer.len());
    rows.extend_from_slice(&newer);
    // From the back, so that every old row moves once and none is overwritten before it has moved.
    for (new_before, row) in newer.iter().enumerate().rev() {
        let at = rows[..unmoved].partition_point(|held| held.key < row.key);
        rows.copy_within(at..unmoved, at + new_before + 1);
        rows[at + new_before] = *row;
        unmoved = at;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::outcome::RefusalCode;
    use crate::seed::Rng;

    const EVENTS: [RowEvent; 12] = [
        RowEvent::Announced,
        RowEvent::Withdrawn,
        RowEvent::Settled(RowState::Linked),
        RowEvent::Settled(RowState::AlreadyLinked),
        RowEvent::Settled(RowState::Refused(RefusalCode::AliasExists)),
        RowEvent::Settled(RowState::Failed),
        RowEvent::Settled(RowState::InDoubt),
        RowEvent::UnlinkAnnounced,
        RowEvent::UnlinkEnded(RowState::Undone),
        RowEvent::UnlinkEnded(RowState::Linked),
        RowEvent::UnlinkEnded(RowState::Kept(RefusalCode::Gone)),
        RowEvent::UnlinkEnded(RowState::Unlinking),
    ];

    fn key(high: u64, low: u64) -> RowKey {
        RowKey::parse(format!("{high:016x}{low:016x}").as_bytes()).unwrap()
    }

    /// State and earliest announcement of each row in doubt, from a plain replay event by event.
    #[derive(Default)]
    struct PlainView(BTreeMap<RowKey, (RowState, Option<UnixMs>)>);

    impl PlainView {
        fn replay(&mut self, key: RowKey, event: RowEvent, at: UnixMs) -> Result<(), IllegalTransition> {
            let (state, announced) = self.0.get(&key).copied().unwrap_or((RowState::Unprocessed, None));
            let next = next_state(state, event)?;
            let announced = match event {
                RowEvent::Announced | RowEvent::UnlinkAnnounced => Some(announced.map_or(at, |first| first.min(at))),
                _ => announced.filter(|_| matches!(next, RowState::InDoubt | RowState::Unlinking)),
            };
            self.0.insert(key, (next, announced));
            Ok(())
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        /// Any sequence of events, legal or not, with any number of waiting results: each is refused exactly when a plain
        /// replay refuses it, and the states and times stay the same.
        #[test]
        fn agrees_with_a_plain_replay(
            events in prop::collection::vec((0..6_u64, prop::sample::select(&EVENTS[..]), 1_000..1_011_i64), 0..60),
            recent_max in 1..7_usize,
        ) {
            let mut view = LedgerView::with_recent_max(recent_max);
            let mut plain = PlainView::default();
            for (number, event, at) in events {
                let key = key(number.wrapping_mul(0x9e37_79b9_7f4a_7c15), number);
                prop_assert_eq!(view.replay(key, event, (at, 0)), plain.replay(key, event, at));
                prop_assert!(view.recent.len() < recent_max);
            }
            for (key, (state, announced)) in &plain.0 {
                prop_assert_eq!((view.state(*key), view.announced_at(*key)), (*state, *announced));
            }
            plain.0.retain(|_, (state, _)| *state != RowState::Unprocessed);
            let expected: BTreeMap<_, _> = plain.0.iter().map(|(key, (state, _))| (*key, *state)).collect();
            prop_assert_eq!(view.states().collect::<BTreeMap<_, _>>(), expected);
            prop_assert_eq!(view.states().count(), plain.0.len(), "no row twice");
            prop_assert_eq!(view.counts().balance(), Ok(()));
        }
    }

    #[test]
    fn the_time_of_an_unlink_outlives_what_follows() {
        let mut view = LedgerView::new();
        let linked = [RowEvent::Announced, RowEvent::Settled(RowState::Linked)];
        let unlinked = [RowEvent::UnlinkAnnounced, RowEvent::UnlinkEnded(RowState::Undone)];
        for (event, at) in linked.into_iter().chain(unlinked).zip(1_000..) {
            assert_eq!(view.unlinked_at(key(1, 1)), None);
            view.replay(key(1, 1), event, (at, 0)).unwrap();
        }
        let later = [
            RowEvent::Announced,
            RowEvent::Withdrawn,
            RowEvent::Announced,
            RowEvent::Settled(RowState::InDoubt),
            RowEvent::Settled(RowState::Failed),
            RowEvent::Settled(RowState::Refused(RefusalCode::UserNotFound)),
        ];
        for event in later {
            view.replay(key(1, 1), event, (2_000, 0)).unwrap();
            assert_eq!(view.unlinked_at(key(1, 1)), Some(1_003), "{event:?}");
        }
    }

    #[test]
    fn only_unlinks_that_a_list_may_not_show_are_kept() {
        let mut view = LedgerView::new();
        let rows = 3 * VIEW_UNLINKED_ROWS as u64;
        // Two a second.
        for row in 0..rows {
            let at = i64::try_from(row).unwrap() * 500;
            view.note(key(row, row), RowEvent::UnlinkEnded(RowState::Undone), RowState::Undone, (at, 0));
        }
        assert!(view.unlinked.len() <= VIEW_UNLINKED_ROWS, "{}", view.unlinked.len());
        for recent in rows - 120..rows {
            assert!(view.unlinked_at(key(recent, recent)).is_some(), "{recent} of {rows}");
        }
    }

    /// Against a map of the standard library: keys spread evenly, in clusters, and all with the same upper half.
    #[test]
    fn merged_rows_are_found_and_others_are_not() {
        let states = [RowState::Linked, RowState::Failed, RowState::Refused(RefusalCode::Unrecognised)];
        for spread in [0, 40, 63, 64_u32] {
            let mut rng = Rng::new(u64::from(spread));
            let (mut view, mut expected) = (LedgerView::with_recent_max(200), BTreeMap::new());
            let draw = |rng: &mut Rng| key(rng.next_u64().checked_shr(spread).unwrap_or(0), rng.below(1 << 12));
            for at in 0..6_000 {
                let (key, state) = (draw(&mut rng), states[usize::try_from(rng.below(3)).unwrap()]);
                view.note(key, RowEvent::Settled(state), state, (at, 0));
                expected.insert(key, state);
            }
            assert!(view.settled.is_sorted_by(|one, other| one.key < other.key) && view.settled.len() > 1_000);
            assert_eq!(view.states().collect::<BTreeMap<_, _>>(), expected);
            assert_eq!(view.states().count(), expected.len());
            for _ in 0..5_000 {
                let drawn = draw(&mut rng);
                assert_eq!(view.state(drawn), expected.get(&drawn).copied().unwrap_or(RowState::Unprocessed));
            }
        }
    }
}
