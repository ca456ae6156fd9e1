//! The state of every row: 24 bytes for a row that is not in doubt, a hash table for those that are.
//!
//! A row is in doubt from its announcement to its result, so that table holds what is in flight and what earlier runs
//! could not settle. All other rows are in one vector, sorted by key; the newest results wait in a second hash table of
//! bounded size, because an insertion into the vector moves everything behind it. Beside its state a row has the input
//! that it was last attempted from, and whether it still counts: both fit into what the alignment leaves. Invalid rows
//! are in a table of their own, 40 bytes each.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::hash::{BuildHasherDefault, Hasher};
use std::path::Path;

use super::checked_line::CheckedLine;
use crate::clock::UnixMs;
use crate::domain::counts::Counts;
use crate::domain::finding::FindingCode;
use crate::domain::hash_index::HashIndex;
use crate::domain::row::RowKey;
use crate::domain::state::{IllegalTransition, RowEvent, RowState, next_state};
use crate::limits::{LIST_LAG_MS_MAX, VIEW_RECENT_ROWS, VIEW_UNLINKED_ROWS};

/// The state of every row of a ledger.
#[derive(Debug)]
pub struct LedgerView {
    in_doubt: KeyMap<OpenAnnouncement>,
    /// Results that are newer than those in `settled`.
    recent: KeyMap<HeldRow>,
    /// How many of them may wait.
    recent_max: usize,
    settled: SettledRows,
    /// When `undo` last unlinked a row, of those that a list may still show.
    unlinked: KeyMap<UnixMs>,
    /// How many of them there may be before the older ones are forgotten.
    unlinked_max: usize,
    /// Invalid rows, each with the input that has it.
    invalid: KeyMap<InvalidHeld>,
    inputs: Vec<LedgerInput>,
    /// The input of the run that goes on; `None` before the first run and in a run of `undo`.
    current_input: Option<InputIndex>,
}

/// An input that a ledger was used with, known by its file name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerInput {
    /// Its path as it was given last.
    pub path: String,
    /// Whether its last run reached every row.
    pub completed: bool,
}

/// The place of an input in the list of inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct InputIndex(u16);

impl InputIndex {
    /// Of a row that no input is known of.
    const UNKNOWN: Self = Self(u16::MAX);
}

/// Whether a row counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RowStanding {
    #[default]
    Current,
    /// It is no longer in its input.
    Dropped,
    /// A correction has taken its place, whether or not it is still in its input.
    Replaced,
}

/// What is held of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct HeldRow {
    state: RowState,
    standing: RowStanding,
    input: InputIndex,
}

impl Default for HeldRow {
    fn default() -> Self {
        Self { state: RowState::Unprocessed, standing: RowStanding::Current, input: InputIndex::UNKNOWN }
    }
}

#[derive(Debug, Clone, Copy)]
struct InvalidHeld {
    code: FindingCode,
    input: InputIndex,
}

/// Rows that are superseded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SupersededCounts {
    pub rows: u64,
    /// Of these, those whose link this tool made and did not remove.
    pub links: u64,
}

/// An announcement without a result.
#[derive(Debug, Clone)]
struct OpenAnnouncement {
    /// The time of the earliest one since the row was last out of doubt.
    first: UnixMs,
    is_unlink: bool,
    /// Where the newest one is in the ledger.
    newest: CheckedLine,
    standing: RowStanding,
    input: InputIndex,
}

impl OpenAnnouncement {
    fn held(&self) -> HeldRow {
        let state = if self.is_unlink { RowState::Unlinking } else { RowState::InDoubt };
        HeldRow { state, standing: self.standing, input: self.input }
    }
}

#[derive(Debug, Clone, Copy)]
struct SettledRow {
    key: RowKey,
    held: HeldRow,
}

const _: () = assert!(size_of::<SettledRow>() == 24);

/// The rows that have a result.
#[derive(Debug, Default)]
struct SettledRows {
    /// Sorted by key, each key once.
    rows: Vec<SettledRow>,
    index: HashIndex,
}

impl SettledRows {
    fn find(&self, key: RowKey) -> Option<usize> {
        let near = self.index.range(key.leading_u64());
        let found = self.rows[near.clone()].binary_search_by(|row| row.key.cmp(&key));
        found.ok().map(|at| near.start + at)
    }

    fn merge(&mut self, newer: Vec<SettledRow>) {
        merge(&mut self.rows, newer);
        self.index = HashIndex::of(self.rows.iter().map(|row| row.key.leading_u64()));
    }
}

/// Takes a row's key for its own hash. An input that is made so that keys collide slows down nobody else's run.
#[derive(Debug, Clone, Copy, Default)]
struct KeyHasher(u64);

type KeyMap<T> = HashMap<RowKey, T, BuildHasherDefault<KeyHasher>>;

impl Hasher for KeyHasher {
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }

    /// No key comes here; right for any other value, and slow.
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl LedgerView {
    pub(super) fn new() -> Self {
        Self::with_recent_max(VIEW_RECENT_ROWS)
    }

    fn with_recent_max(recent_max: usize) -> Self {
        Self {
            in_doubt: KeyMap::default(),
            recent: KeyMap::default(),
            recent_max,
            settled: SettledRows::default(),
            unlinked: KeyMap::default(),
            unlinked_max: VIEW_UNLINKED_ROWS,
            invalid: KeyMap::default(),
            inputs: Vec::new(),
            current_input: None,
        }
    }

    /// Returns `Unprocessed` for a row that the ledger does not hold.
    pub fn state(&self, key: RowKey) -> RowState {
        self.held(key).state
    }

    /// Returns `Current` for a row that the ledger does not hold.
    pub fn standing(&self, key: RowKey) -> RowStanding {
        self.held(key).standing
    }

    /// Whether a row no longer counts. One in doubt counts until it is settled, because its call may have had an effect.
    pub fn is_superseded(&self, key: RowKey) -> bool {
        is_superseded(self.held(key))
    }

    /// Whether a correction in another input has taken the place of a row.
    pub fn is_replaced(&self, key: RowKey) -> bool {
        self.standing(key) == RowStanding::Replaced && self.is_superseded(key)
    }

    /// The finding of a row that was invalid when it was read last.
    pub fn invalid_code(&self, key: RowKey) -> Option<FindingCode> {
        self.invalid.get(&key).map(|held| held.code)
    }

    /// Rows that are invalid, each once.
    pub fn invalid_rows(&self) -> impl Iterator<Item = (RowKey, FindingCode)> {
        self.invalid.iter().map(|(key, held)| (*key, held.code))
    }

    /// The inputs of all runs, in the order of their first run.
    pub fn inputs(&self) -> &[LedgerInput] {
        &self.inputs
    }

    fn held(&self, key: RowKey) -> HeldRow {
        if let Some(open) = self.in_doubt.get(&key) {
            return open.held();
        }
        if let Some(held) = self.recent.get(&key) {
            return *held;
        }
        self.settled.find(key).map_or_else(HeldRow::default, |at| self.settled.rows[at].held)
    }

    /// Where a row is among the settled ones, which do not move between two runs.
    pub(super) fn settled_place(&self, key: RowKey) -> Option<usize> {
        self.settled.find(key)
    }

    pub(super) fn settled_len(&self) -> usize {
        self.settled.rows.len()
    }

    /// The input of this path among those of earlier runs.
    pub(super) fn input_of(&self, path: &str) -> Option<InputIndex> {
        let name = input_name(path)?;
        let at = self.inputs.iter().position(|input| input_name(&input.path) == Some(name))?;
        u16::try_from(at).ok().map(InputIndex).filter(|index| *index != InputIndex::UNKNOWN)
    }

    /// Returns the path with which an input was given last; the path itself where no run had an input of this file name.
    pub fn name_of_input<'a>(&'a self, path: &'a str) -> &'a str {
        self.input_of(path).map_or(path, |index| &self.inputs[usize::from(index.0)].path)
    }

    /// Rows of an input that count and may be superseded, invalid ones included.
    pub(super) fn current_rows_of(&self, input: InputIndex) -> impl Iterator<Item = RowKey> {
        let rows = self.all_held().filter(move |(_, held)| held.input == input);
        let rows =
            rows.filter(|(_, held)| held.standing == RowStanding::Current && held.state != RowState::Unprocessed);
        let invalid = self.invalid.iter().filter(move |(_, held)| held.input == input).map(|(key, _)| *key);
        rows.map(|(key, _)| key).chain(invalid)
    }

    pub(super) fn dropped_rows(&self) -> impl Iterator<Item = RowKey> {
        self.all_held().filter(|(_, held)| held.standing == RowStanding::Dropped).map(|(key, _)| key)
    }

    /// Whether the ledger holds rows of any other input than this one.
    pub(super) fn has_other_inputs(&self, input: Option<InputIndex>) -> bool {
        self.inputs.len() > usize::from(input.is_some())
    }

    pub(super) fn is_of_input(&self, key: RowKey, input: Option<InputIndex>) -> bool {
        input.is_some_and(|input| self.held(key).input == input)
    }

    /// Rows that are superseded, and how many of their links stand.
    pub fn superseded_counts(&self) -> SupersededCounts {
        let mut counts = SupersededCounts::default();
        for (_, held) in self.all_held().filter(|(_, held)| is_superseded(*held) && held.state != RowState::Unprocessed)
        {
            counts.rows += 1;
            counts.links += u64::from(held.state.is_linked_by_this_tool());
        }
        counts
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

    /// For a row in doubt, where its newest announcement is in the ledger.
    pub(super) fn newest_announcement(&self, key: RowKey) -> Option<CheckedLine> {
        self.in_doubt.get(&key).map(|open| open.newest)
    }

    /// Every row that the ledger holds and that has a state, in no particular order.
    pub fn states(&self) -> impl Iterator<Item = (RowKey, RowState)> {
        let states = self.all_held().map(|(key, held)| (key, held.state));
        states.filter(|(_, state)| *state != RowState::Unprocessed)
    }

    fn all_held(&self) -> impl Iterator<Item = (RowKey, HeldRow)> {
        let in_doubt = self.in_doubt.iter().map(|(key, open)| (*key, open.held()));
        let recent = self.recent.iter().map(|(key, held)| (*key, *held));
        let recent = recent.filter(|(key, _)| !self.in_doubt.contains_key(key));
        let settled = self.settled.rows.iter().map(|row| (row.key, row.held));
        let settled = settled.filter(|(key, _)| !self.in_doubt.contains_key(key) && !self.recent.contains_key(key));
        in_doubt.chain(recent).chain(settled)
    }

    /// Rows by state, as if they were all that was read: balanced, with nothing invalid or unprocessed. Superseded rows are
    /// left out.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (_, held) in
            self.all_held().filter(|(_, held)| !is_superseded(*held) && held.state != RowState::Unprocessed)
        {
            counts.read += 1;
            counts.add(held.state);
        }
        counts
    }

    /// Notes that a run starts, with its input; `None` for a run of `undo`.
    pub(super) fn run_started(&mut self, input: Option<&str>) {
        self.current_input = None;
        let Some(path) = input else { return };
        let started = LedgerInput { path: path.to_owned(), completed: false };
        if let Some(index) = self.input_of(path) {
            self.inputs[usize::from(index.0)] = started;
            self.current_input = Some(index);
        } else {
            self.inputs.push(started);
            let index = u16::try_from(self.inputs.len() - 1).ok().map(InputIndex);
            self.current_input = index.filter(|index| *index != InputIndex::UNKNOWN);
        }
    }

    /// Notes that the run that goes on has reached every row of its input.
    pub(super) fn run_completed(&mut self) {
        if let Some(input) = self.current_input {
            self.inputs[usize::from(input.0)].completed = true;
        }
    }

    /// Notes an event of a ledger that is read back; `place` is its time and where it is in the ledger.
    pub(super) fn replay(
        &mut self,
        key: RowKey,
        event: RowEvent,
        place: (UnixMs, CheckedLine),
    ) -> Result<(), IllegalTransition> {
        let held = self.held(key);
        let next = next_state(held.state, event)?;
        self.note_of_held(key, held, event, next, place);
        Ok(())
    }

    /// Notes that `event` put a row in `state`, as `next_state` allowed; the place counts for announcements only.
    pub(super) fn note(&mut self, key: RowKey, event: RowEvent, state: RowState, place: (UnixMs, CheckedLine)) {
        self.note_of_held(key, self.held(key), event, state, place);
    }

    /// [`Self::note`], for a row that was looked up: in a large ledger, that is what takes the time.
    fn note_of_held(
        &mut self,
        key: RowKey,
        held: HeldRow,
        event: RowEvent,
        state: RowState,
        (at, line): (UnixMs, CheckedLine),
    ) {
        let input = self.current_input.unwrap_or(held.input);
        self.invalid.remove(&key);
        if matches!(event, RowEvent::Announced | RowEvent::UnlinkAnnounced) {
            let is_unlink = event == RowEvent::UnlinkAnnounced;
            let standing = held.standing;
            let new = OpenAnnouncement { first: at, is_unlink, newest: line, standing, input };
            let open = self.in_doubt.entry(key).or_insert(new);
            open.first = open.first.min(at);
            open.newest = line;
            open.input = input;
        }
        if event == RowEvent::UnlinkEnded(RowState::Undone) {
            self.note_unlinked(key, at);
        }
        if matches!(state, RowState::InDoubt | RowState::Unlinking) {
            return;
        }
        self.in_doubt.remove(&key);
        self.hold(key, HeldRow { state, input, ..held });
    }

    /// Notes that a row is invalid. One that a correction has replaced stays so.
    pub(super) fn note_invalid(&mut self, key: RowKey, code: FindingCode) {
        if self.standing(key) != RowStanding::Replaced {
            let input = self.current_input.unwrap_or(InputIndex::UNKNOWN);
            self.invalid.insert(key, InvalidHeld { code, input });
        }
    }

    pub(super) fn note_superseded(&mut self, key: RowKey, is_replaced: bool) {
        let was_invalid = self.invalid.remove(&key).is_some();
        let standing = if is_replaced { RowStanding::Replaced } else { RowStanding::Dropped };
        // An invalid row that is only gone leaves no trace: if it comes back, it is read anew.
        if is_replaced || !was_invalid || self.state(key) != RowState::Unprocessed {
            self.set_standing(key, standing);
        }
    }

    pub(super) fn note_reinstated(&mut self, key: RowKey) {
        self.set_standing(key, RowStanding::Current);
    }

    fn set_standing(&mut self, key: RowKey, standing: RowStanding) {
        match self.in_doubt.get_mut(&key) {
            Some(open) => open.standing = standing,
            None => self.hold(key, HeldRow { standing, ..self.held(key) }),
        }
    }

    fn hold(&mut self, key: RowKey, held: HeldRow) {
        self.recent.insert(key, held);
        if self.recent.len() >= self.recent_max {
            let mut newer: Vec<SettledRow> = self.recent.drain().map(|(key, held)| SettledRow { key, held }).collect();
            newer.sort_unstable_by_key(|row| row.key);
            self.settled.merge(newer);
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

/// A row in doubt counts until it is settled.
fn is_superseded(held: HeldRow) -> bool {
    held.standing != RowStanding::Current && !matches!(held.state, RowState::InDoubt | RowState::Unlinking)
}

/// An input is known by its file name, so that it is the same from any folder; stdin and pipes have no name.
fn input_name(path: &str) -> Option<&OsStr> {
    let path = Path::new(path);
    let is_stream = path.as_os_str() == "-" || path.starts_with("/dev") || path.starts_with("/proc");
    path.file_name().filter(|_| !is_stream)
}

/// Merges sorted rows into sorted rows, in place: a copy would need as much memory again.
fn merge(rows: &mut Vec<SettledRow>, mut newer: Vec<SettledRow>) {
    let mut passed = 0;
    newer.retain(|row| match rows[passed..].binary_search_by(|held| held.key.cmp(&row.key)) {
        Ok(at) => {
            passed += at;
            rows[passed].held = row.held;
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
                prop_assert_eq!(view.replay(key, event, (at, CheckedLine::default())), plain.replay(key, event, at));
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
            view.replay(key(1, 1), event, (at, CheckedLine::default())).unwrap();
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
            view.replay(key(1, 1), event, (2_000, CheckedLine::default())).unwrap();
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
            view.note(
                key(row, row),
                RowEvent::UnlinkEnded(RowState::Undone),
                RowState::Undone,
                (at, CheckedLine::default()),
            );
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
                view.note(key, RowEvent::Settled(state), state, (at, CheckedLine::default()));
                expected.insert(key, state);
            }
            let rows = &view.settled.rows;
            assert!(rows.is_sorted_by(|one, other| one.key < other.key) && rows.len() > 1_000);
            assert_eq!(view.states().collect::<BTreeMap<_, _>>(), expected);
            assert_eq!(view.states().count(), expected.len());
            for _ in 0..5_000 {
                let drawn = draw(&mut rng);
                assert_eq!(view.state(drawn), expected.get(&drawn).copied().unwrap_or(RowState::Unprocessed));
            }
        }
    }
}
