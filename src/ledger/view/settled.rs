//! Rows that are out of doubt: 24 bytes each, sorted by key, in one vector that is never copied.

use crate::domain::outcome::RefusalCode;
use crate::domain::row::RowKey;
use crate::domain::state::RowState;
use crate::limits::VIEW_GUESSES_MAX;

/// A key with a number about it: the packed state, and while a ledger is read also where the state comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) key: RowKey,
    pub(super) tag: u64,
}

const _: () = assert!(size_of::<Entry>() == 24);

/// Bits of a packed state.
pub(super) const STATE_BITS: u32 = 12;
const STATE_MASK: u64 = (1 << STATE_BITS) - 1;

/// A state in the low [`STATE_BITS`] bits of a tag: 4 for the kind, 8 for the refusal code.
pub(super) fn pack(state: RowState) -> u64 {
    match state {
        RowState::Unprocessed => 0,
        RowState::Linked => 1,
        RowState::AlreadyLinked => 2,
        RowState::Failed => 3,
        RowState::InDoubt => 4,
        RowState::Refused(code) => 5 | (code as u64) << 4,
        RowState::Unlinking => 6,
        RowState::Undone => 7,
        RowState::Kept(code) => 8 | (code as u64) << 4,
    }
}

/// The state in a tag. Only [`pack`] makes tags, so what it never makes is read as never attempted.
pub(super) fn unpack(tag: u64) -> RowState {
    let of_code = |state: fn(RefusalCode) -> RowState| {
        RefusalCode::ALL.get((tag >> 4) as usize & 0xff).map_or(RowState::Unprocessed, |code| state(*code))
    };
    match tag & 0xf {
        1 => RowState::Linked,
        2 => RowState::AlreadyLinked,
        3 => RowState::Failed,
        4 => RowState::InDoubt,
        5 => of_code(RowState::Refused),
        6 => RowState::Unlinking,
        7 => RowState::Undone,
        8 => of_code(RowState::Kept),
        _ => RowState::Unprocessed,
    }
}

/// The sorted rows.
#[derive(Debug, Default)]
pub(super) struct Settled {
    entries: Vec<Entry>,
}

impl Settled {
    /// Where the row stands; `Unprocessed` when it is not among these.
    pub(super) fn state(&self, key: RowKey) -> RowState {
        find(&self.entries, key).map_or(RowState::Unprocessed, |at| unpack(self.entries[at].tag))
    }

    /// Every row, by key.
    pub(super) fn iter(&self) -> impl Iterator<Item = (RowKey, RowState)> {
        self.entries.iter().map(|entry| (entry.key, unpack(entry.tag)))
    }

    /// Takes over a batch, sorted by key, and leaves it empty. `replay` is told where a row stands and the tag of an
    /// entry, and tells where the row stands then; a key that the batch holds several times is replayed in turn.
    ///
    /// # Errors
    /// The first of `replay`; the rows are of no use then.
    pub(super) fn absorb<E>(
        &mut self,
        batch: &mut Vec<Entry>,
        mut replay: impl FnMut(RowState, u64) -> Result<RowState, E>,
    ) -> Result<(), E> {
        let (mut kept, mut near) = (0, 0);
        // Rows that are new stay in the batch, with the place before which each belongs above its state.
        for at in 0..batch.len() {
            let Entry { key, tag } = batch[at];
            if let Some(same) = batch[..kept].last_mut().filter(|last| last.key == key) {
                same.tag = same.tag & !STATE_MASK | pack(replay(unpack(same.tag), tag)?);
                continue;
            }
            match find_near(&self.entries, near, key) {
                Ok(held) => {
                    self.entries[held].tag = pack(replay(unpack(self.entries[held].tag), tag)?);
                    near = held;
                }
                Err(before) => {
                    let state = replay(RowState::Unprocessed, tag)?;
                    batch[kept] = Entry { key, tag: (before as u64) << STATE_BITS | pack(state) };
                    kept += 1;
                    near = before;
                }
            }
        }
        batch.truncate(kept);
        self.insert(batch);
        batch.clear();
        Ok(())
    }

    /// Inserts new rows, each before the place that its tag tells.
    fn insert(&mut self, new: &[Entry]) {
        let mut unmoved = self.entries.len();
        // Exactly: doubling would hold room for as many rows again.
        self.entries.reserve_exact(new.len());
        self.entries.extend_from_slice(new);
        // From the back, so that every old entry moves once and none is overwritten before it has moved.
        for (new_before, entry) in new.iter().enumerate().rev() {
            let at = usize::try_from(entry.tag >> STATE_BITS).unwrap_or(unmoved);
            self.entries.copy_within(at..unmoved, at + new_before + 1);
            self.entries[at + new_before] = Entry { key: entry.key, tag: entry.tag & STATE_MASK };
            unmoved = at;
        }
    }
}

/// Where the key stands, or before which place it belongs. Keys are spread evenly over all numbers, so the distance
/// of two keys tells the distance of their places: a few such steps come close, and doubling steps from there close
/// in. Keys that are not spread evenly cost more steps, and nothing else.
fn find(entries: &[Entry], key: RowKey) -> Result<usize, usize> {
    let Some(last) = entries.len().checked_sub(1) else { return Err(0) };
    let places = |distance: u64| scaled(distance, entries.len());
    let mut guess = places(key.high());
    for _ in 0..VIEW_GUESSES_MAX {
        let met = entries[guess].key.high();
        let step = places(key.high().abs_diff(met));
        if step == 0 {
            break;
        }
        guess = if met < key.high() { (guess + step).min(last) } else { guess.saturating_sub(step) };
    }
    find_near(entries, guess, key)
}

/// The part of `count` that `distance` is of all 64-bit numbers.
fn scaled(distance: u64, count: usize) -> usize {
    let product = u128::from(distance) * count as u128;
    usize::try_from(product >> 64).unwrap_or(0)
}

/// The same for a key that stands near a place: brackets it by doubling steps from there, then halves the bracket.
fn find_near(entries: &[Entry], near: usize, key: RowKey) -> Result<usize, usize> {
    let is_below = |at: usize| entries.get(at).is_some_and(|entry| entry.key < key);
    let mut step = 1;
    let (low, end) = if is_below(near) {
        let mut low = near + 1;
        while is_below(low + step) {
            low += step + 1;
            step *= 2;
        }
        (low, entries.len().min(low + step + 1))
    } else {
        let mut end = entries.len().min(near + 1);
        while step < end && !is_below(end - 1 - step) {
            end -= step;
            step *= 2;
        }
        (end.saturating_sub(step + 1), end)
    };
    entries[low..end].binary_search_by(|entry| entry.key.cmp(&key)).map(|at| low + at).map_err(|at| low + at)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::seed::Rng;

    fn key(high: u64, low: u64) -> RowKey {
        RowKey::parse(format!("{high:016x}{low:016x}").as_bytes()).unwrap()
    }

    fn every_state() -> Vec<RowState> {
        use RowState::{AlreadyLinked, Failed, Kept, Linked, Refused, Undone, Unprocessed};
        let plain = [Linked, AlreadyLinked, Failed, Unprocessed, Undone];
        let codes = RefusalCode::ALL.iter().flat_map(|code| [Refused(*code), Kept(*code)]);
        plain.into_iter().chain(codes).collect()
    }

    #[test]
    fn states_pack_and_unpack() {
        for state in every_state().into_iter().chain([RowState::InDoubt, RowState::Unlinking]) {
            assert_eq!(unpack(pack(state)), state);
            assert_eq!(unpack(pack(state) | 1 << STATE_BITS), state, "higher bits are somebody else's");
            assert!(pack(state) < 1 << STATE_BITS);
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "the shape of a replay")]
    fn overwrite(_: RowState, tag: u64) -> Result<RowState, ()> {
        Ok(unpack(tag))
    }

    /// Against a map of the standard library: keys spread evenly, in clusters, and all with the same upper half.
    #[test]
    fn absorbed_rows_are_found_and_others_are_not() {
        let states = every_state();
        for spread in [0, 40, 63, 64_u32] {
            let mut rng = Rng::new(u64::from(spread));
            let (mut settled, mut expected) = (Settled::default(), BTreeMap::new());
            let draw = |rng: &mut Rng| key(rng.next_u64().checked_shr(spread).unwrap_or(0), rng.below(1 << 12));
            for _ in 0..60 {
                let batch: BTreeMap<RowKey, RowState> =
                    (0..rng.below(200)).map(|n| (draw(&mut rng), states[usize::try_from(n % 15).unwrap()])).collect();
                let mut updates: Vec<Entry> =
                    batch.iter().map(|(key, state)| Entry { key: *key, tag: pack(*state) }).collect();
                settled.absorb(&mut updates, overwrite).unwrap();
                assert!(updates.is_empty());
                expected.extend(batch);
                let held: BTreeMap<_, _> = settled.iter().collect();
                assert_eq!(held, expected);
                assert!(settled.entries.is_sorted() && settled.entries.len() == expected.len());
            }
            for (key, state) in &expected {
                assert_eq!(settled.state(*key), *state);
            }
            for _ in 0..5_000 {
                let drawn = draw(&mut rng);
                let wanted = settled.entries.binary_search_by(|entry| entry.key.cmp(&drawn));
                let near = usize::try_from(rng.below(settled.entries.len() as u64 + 2)).unwrap();
                assert_eq!(find(&settled.entries, drawn), wanted);
                assert_eq!(find_near(&settled.entries, near, drawn), wanted);
            }
        }
        assert_eq!((find(&[], key(1, 1)), find_near(&[], 0, key(1, 1))), (Err(0), Err(0)));
    }

    #[test]
    fn a_key_several_times_in_a_batch_is_replayed_in_turn() {
        use RowState::{Failed, Linked, Unprocessed};
        let mut settled = Settled::default();
        let mut told = Vec::new();
        for round in 0..2 {
            let states = [RowState::Failed, RowState::Unprocessed, RowState::Linked];
            let mut batch: Vec<Entry> = states.map(|state| Entry { key: key(7, 7), tag: pack(state) }).to_vec();
            batch.insert(0, Entry { key: key(round, 0), tag: pack(RowState::Failed) });
            settled
                .absorb(&mut batch, |state, tag| {
                    told.push(state);
                    overwrite(state, tag)
                })
                .unwrap();
        }
        assert_eq!(told, [Unprocessed, Unprocessed, Failed, Unprocessed, Unprocessed, Linked, Failed, Unprocessed]);
        assert_eq!(settled.state(key(7, 7)), Linked);
        assert_eq!(settled.entries.len(), 3);
        assert_eq!(settled.absorb(&mut vec![Entry { key: key(0, 0), tag: 0 }], |_, _| Err("no")), Err("no"));
    }
}
