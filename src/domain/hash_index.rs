//! Finds a 64-bit hash among millions.

use std::ops::Range;

/// Where hashes are in a list that is sorted by them. So a search stays within a small range, about 4 entries of a million
/// and 40 of 10 million, and does not wait for memory at each of its steps, as a binary search of the whole list does.
#[derive(Debug, Clone, Default)]
pub struct HashIndex {
    /// The first of the hashes' bits that `starts` is ordered by.
    bits: u32,
    /// Where the entries start whose hashes begin with these bits, and at last where all entries end.
    starts: Vec<usize>,
}

/// Most bits of an index: 2 MiB.
const BITS_MAX: u32 = 18;
/// An index below that size has one place for so many entries, as a power of two.
const ENTRIES_OF_A_PLACE_LOG: u32 = 2;

impl HashIndex {
    /// An index of hashes in rising order. The same hash may come several times.
    pub fn of(hashes: impl ExactSizeIterator<Item = u64>) -> Self {
        let mut before = 0;
        let bits = hashes.len().checked_ilog2().unwrap_or(0).saturating_sub(ENTRIES_OF_A_PLACE_LOG);
        let bits = bits.min(BITS_MAX);
        let mut starts = vec![0; (1 << bits) + 1];
        for hash in hashes {
            debug_assert!(before <= hash, "hashes are in rising order");
            before = hash;
            starts[first_bits(hash, bits) + 1] += 1;
        }
        let mut start = 0;
        for entries in &mut starts {
            start += *entries;
            *entries = start;
        }
        Self { bits, starts }
    }

    /// The entries among which those with a hash are, if there are any.
    pub fn range(&self, hash: u64) -> Range<usize> {
        let first = first_bits(hash, self.bits);
        self.starts.get(first..).and_then(<[usize]>::first_chunk).map_or(0..0, |[start, end]| *start..*end)
    }
}

fn first_bits(hash: u64, bits: u32) -> usize {
    let first = hash.checked_shr(u64::BITS.saturating_sub(bits)).unwrap_or(0);
    usize::try_from(first).unwrap_or(usize::MAX)
}

/// A set of hashes.
#[derive(Debug, Clone, Default)]
pub struct HashSet64 {
    /// Sorted, each once.
    hashes: Vec<u64>,
    index: HashIndex,
}

impl HashSet64 {
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    pub fn contains(&self, hash: u64) -> bool {
        self.hashes[self.index.range(hash)].binary_search(&hash).is_ok()
    }
}

impl From<Vec<u64>> for HashSet64 {
    fn from(mut hashes: Vec<u64>) -> Self {
        hashes.sort_unstable();
        hashes.dedup();
        hashes.shrink_to_fit();
        let index = HashIndex::of(hashes.iter().copied());
        Self { hashes, index }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_holds_what_it_was_made_of(spread in prop::collection::vec(any::<u64>(), 0..300), near in prop::collection::vec(0_u64..40, 0..40)) {
            let held: Vec<u64> = spread.iter().map(|hash| hash & !1).chain(near.iter().map(|hash| hash * 2)).collect();
            let set = HashSet64::from(held.clone());
            let distinct: std::collections::BTreeSet<u64> = held.iter().copied().collect();
            prop_assert_eq!(set.len(), distinct.len());
            for hash in held {
                prop_assert!(set.contains(hash));
                prop_assert!(!set.contains(hash | 1));
            }
        }

        #[test]
        fn a_range_has_every_entry_of_a_hash(mut hashes in prop::collection::vec(prop_oneof![any::<u64>(), 0_u64..3, Just(u64::MAX)], 0..200)) {
            hashes.sort_unstable();
            let index = HashIndex::of(hashes.iter().copied());
            for hash in &hashes {
                let expected = hashes.iter().filter(|held| *held == hash).count();
                let found = hashes[index.range(*hash)].iter().filter(|held| *held == hash).count();
                prop_assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn an_empty_index_has_no_entry() {
        assert_eq!(HashIndex::default().range(u64::MAX), 0..0);
        assert!(!HashSet64::default().contains(0));
    }
}
