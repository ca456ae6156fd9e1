//! Which rows ask for the same: suspects by sorting 64 bits, confirmed by all 96, and what follows for each.

use super::prints::{PrintColumn, Prints};
use crate::limits::{ACROSS_COUNTS_LOG_MAX, ACROSS_PARTS_LOG, ACROSS_UNDIVIDED_ROWS, IDENTITIES_PER_USER_MAX};

/// What a row has to hear about itself beside others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Verdict {
    /// The row's number.
    pub(super) row: u32,
    pub(super) kind: Kind,
    /// The number of the other row; of [`Kind::TooMany`] how many identities there are.
    pub(super) about: u32,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The same link stands in an earlier row.
    Duplicate,
    /// The same identity goes to another user too.
    TwoUsers,
    /// The user gets too many identities.
    TooMany,
    /// The identity is what a spreadsheet makes of another one.
    Rounded,
}

/// Every verdict, in the order of the rows.
pub(super) fn judge(prints: &Prints) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for_each_group(&prints.identities, 2, |places| identity_group(prints, places, &mut verdicts));
    for_each_group(&prints.destinations, IDENTITIES_PER_USER_MAX + 1, |places| {
        destination_group(prints, places, &mut verdicts);
    });
    verdicts.sort_unstable();
    verdicts
}

/// Rows whose identities have one head: the same identity, or numbers that collapse to one.
fn identity_group(prints: &Prints, places: &mut [u32], verdicts: &mut Vec<Verdict>) {
    let tail = |place: &u32| prints.identities.tails[*place as usize];
    places.sort_unstable_by_key(|place| (tail(place), prints.destinations.print(*place), *place));
    for same in places.chunk_by(|left, right| tail(left) == tail(right)) {
        same_identity(prints, same, verdicts);
    }
    let rounded = places.partition_point(|place| tail(place) == 0);
    let intact = places[rounded..].first();
    if let Some(intact) = intact.filter(|place| rounded > 0 && !prints.identities.print(**place).is_hash()) {
        let about = prints.row(*intact);
        verdicts.extend(places[..rounded].iter().map(|place| Verdict {
            row: prints.row(*place),
            kind: Kind::Rounded,
            about,
        }));
    }
}

/// Rows of one identity, sorted by destination and place.
fn same_identity(prints: &Prints, places: &[u32], verdicts: &mut Vec<Verdict>) {
    let destination = |place: &u32| prints.destinations.print(*place);
    let mut say = |place: u32, kind, about: u32| {
        verdicts.push(Verdict { row: prints.row(place), kind, about: prints.row(about) });
    };
    let users = || places.chunk_by(|left, right| destination(left) == destination(right));
    let first_of_each = users().filter_map(|rows| rows.first().copied());
    let Some(earliest) = first_of_each.clone().min() else { return };
    // What the rows of the earliest one's user are told about.
    let other = first_of_each.filter(|place| destination(place) != destination(&earliest)).min();
    for rows in users() {
        let first = rows[0];
        for place in rows {
            if *place != first {
                say(*place, Kind::Duplicate, first);
            }
            if let Some(other) = other {
                say(*place, Kind::TwoUsers, if first == earliest { other } else { earliest });
            }
        }
    }
}

/// Rows of one destination, if their heads tell true.
fn destination_group(prints: &Prints, places: &mut [u32], verdicts: &mut Vec<Verdict>) {
    let destination = |place: &u32| prints.destinations.tails[*place as usize];
    let identity = |place: &u32| prints.identities.print(*place);
    places.sort_unstable_by_key(|place| (destination(place), identity(place), *place));
    for rows in places.chunk_by(|left, right| destination(left) == destination(right)) {
        let distinct = rows.chunk_by(|left, right| identity(left) == identity(right)).count();
        if distinct > IDENTITIES_PER_USER_MAX {
            let about = u32::try_from(distinct).unwrap_or(u32::MAX);
            verdicts.extend(rows.iter().map(|place| Verdict { row: prints.row(*place), kind: Kind::TooMany, about }));
        }
    }
}

/// Calls `take` with the places of each head that occurs at least `times` times. Large columns are gone through in
/// parts, by the first bits of the head, so that what is sorted at a time stays small beside the column.
fn for_each_group(column: &PrintColumn, times: usize, mut take: impl FnMut(&mut [u32])) {
    let heads = column.heads.as_slice();
    let parts_log = if heads.len() > ACROSS_UNDIVIDED_ROWS { ACROSS_PARTS_LOG } else { 0 };
    let mut sorted: Vec<u64> = Vec::with_capacity(room_for(heads.len(), parts_log));
    for part in 0..1_u64 << parts_log {
        // Shifted in two steps: by 64 bits at once, which no parts need, is an overflow.
        collect(heads, |head| head >> (63 - parts_log) >> 1 == part, &mut sorted);
        drop_the_only_ones(&mut sorted);
        sorted.sort_unstable();
        let kept = keep_repeated(&mut sorted, times);
        sorted.truncate(kept);
        if sorted.is_empty() {
            continue;
        }
        let suspects = Suspects::new(&sorted);
        let is_suspect = |place: &u32| suspects.has(heads[*place as usize]);
        let mut places: Vec<u32> = (0..u32::try_from(heads.len()).unwrap_or(u32::MAX)).filter(is_suspect).collect();
        places.sort_unstable_by_key(|place| (heads[*place as usize], *place));
        places.chunk_by_mut(|left, right| heads[*left as usize] == heads[*right as usize]).for_each(&mut take);
    }
}

/// Puts those that are wanted into `found`, without a branch for each, which would be guessed wrong once in four.
fn collect(heads: &[u64], is_wanted: impl Fn(u64) -> bool, found: &mut Vec<u64>) {
    found.clear();
    let mut count = 0;
    for block in heads.chunks(1 << 12) {
        found.resize(count + block.len(), 0);
        for head in block {
            found[count] = *head;
            count += usize::from(is_wanted(*head));
        }
        found.truncate(count);
    }
}

/// Drops most of the values that occur once, and none that occurs again, so that little is left to sort. Values are
/// counted by some of their bits, up to two; those that share a count with others are left.
fn drop_the_only_ones(values: &mut Vec<u64>) {
    let places_log = (values.len() * 4).next_power_of_two().trailing_zeros().clamp(6, ACROSS_COUNTS_LOG_MAX);
    // Two bits for each place: there was one, there was another. The lowest bits, because parts go by the highest.
    let place = |value: u64| ((value >> 5 & ((1 << (places_log - 5)) - 1)) as usize, (value & 31) * 2);
    let mut counts = vec![0_u64; 1 << (places_log - 5)];
    for value in values.iter() {
        let (at, shift) = place(*value);
        let seen = counts[at] >> shift & 1;
        counts[at] |= 1 << shift | seen << (shift + 1);
    }
    let mut kept = 0;
    for at in 0..values.len() {
        let value = values[at];
        let (word, shift) = place(value);
        values[kept] = value;
        kept += (counts[word] >> (shift + 1) & 1) as usize;
    }
    values.truncate(kept);
}

/// A part holds its share and a little: heads are spread evenly, unless they repeat.
fn room_for(rows: usize, parts_log: u32) -> usize {
    let share = rows >> parts_log;
    share + share / 64
}

/// Moves each of the sorted values that occurs at least `times` times to the front, once; returns how many they are.
fn keep_repeated(sorted: &mut [u64], times: usize) -> usize {
    let mut kept = 0;
    let mut at = 0;
    while let Some(last) = sorted.get(at + times - 1).copied() {
        if sorted[at] != last {
            at += 1;
            continue;
        }
        sorted[kept] = last;
        kept += 1;
        at += sorted[at..].partition_point(|value| *value == last);
    }
    kept
}

/// Sorted values, and a bitmap that says no to nearly everything that is not among them.
struct Suspects<'a> {
    values: &'a [u64],
    bitmap: Vec<u64>,
    mask: u64,
}

impl<'a> Suspects<'a> {
    fn new(values: &'a [u64]) -> Self {
        let bits = (values.len() * 16).next_power_of_two().clamp(1 << 12, 1 << 24) as u64;
        let mut suspects = Self { values, bitmap: vec![0; bits as usize / 64], mask: bits - 1 };
        for value in values {
            let bit = value & suspects.mask;
            suspects.bitmap[(bit / 64) as usize] |= 1 << (bit % 64);
        }
        suspects
    }

    fn has(&self, value: u64) -> bool {
        let bit = value & self.mask;
        self.bitmap[(bit / 64) as usize] & 1 << (bit % 64) != 0 && self.values.binary_search(&value).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Rng;

    #[test]
    fn what_occurs_again_is_never_dropped_and_most_of_the_rest_is() {
        let mut rng = Rng::new(3);
        for count in [0, 1, 2, 10, 1_000, 20_000] {
            let mut values: Vec<u64> = (0..count).map(|_| rng.below(u64::MAX)).collect();
            let repeated: Vec<u64> = values.iter().copied().step_by(50).collect();
            values.extend(&repeated);
            let all = values.len();
            drop_the_only_ones(&mut values);
            for value in repeated {
                assert_eq!(values.iter().filter(|left| **left == value).count(), 2);
            }
            assert!(all < 1_000 || values.len() < all / 3, "{} of {all}", values.len());
        }
    }
}
