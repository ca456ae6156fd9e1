//! Which rows have the same identity or destination, and what follows for each of them.

use super::fingerprints::{FingerprintColumn, Fingerprints};
use crate::limits::{CONFLICTS_MAX, CROSS_ROW_PARTS_LOG, CROSS_ROW_UNDIVIDED_ROWS, IDENTITIES_PER_USER_MAX};

/// What is wrong with a row in comparison with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowConflict {
    pub(super) row: u32,
    pub(super) kind: ConflictKind,
    /// The other row's number; of [`ConflictKind::TooManyIdentities`] the number of identities.
    pub(super) other: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ConflictKind {
    /// An earlier row has the same link.
    DuplicateRow,
    /// Another row links the same identity to another user.
    TwoUsers,
    TooManyIdentities,
    /// The identity is what a spreadsheet makes of another row's.
    RoundedNumber,
}

/// More rows than this repeat or contradict others, so that what is wrong with each is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::input) struct TooManyConflicts;

/// Returns every conflict, in the order of the rows.
pub(super) fn find_conflicts(rows: &Fingerprints) -> Result<Vec<RowConflict>, TooManyConflicts> {
    find_conflicts_within(rows, CONFLICTS_MAX)
}

fn find_conflicts_within(rows: &Fingerprints, most: usize) -> Result<Vec<RowConflict>, TooManyConflicts> {
    let mut conflicts = Vec::new();
    for_each_group(&rows.identities, 2, |group| {
        compare_identities(rows, group, &mut conflicts);
        within(&conflicts, most)
    })?;
    for_each_group(&rows.destinations, IDENTITIES_PER_USER_MAX + 1, |group| {
        count_identities(rows, group, &mut conflicts);
        within(&conflicts, most)
    })?;
    conflicts.sort_unstable();
    Ok(conflicts)
}

fn within(conflicts: &[RowConflict], most: usize) -> Result<(), TooManyConflicts> {
    if conflicts.len() > most { Err(TooManyConflicts) } else { Ok(()) }
}

/// Compares rows whose identities have one head: the same identity, or numbers that a spreadsheet makes equal.
fn compare_identities(rows: &Fingerprints, group: &mut [u32], conflicts: &mut Vec<RowConflict>) {
    let tail = |index: &u32| rows.identities.tails[*index as usize];
    group.sort_unstable_by_key(|index| (tail(index), rows.destinations.get(*index), *index));
    for same in group.chunk_by(|left, right| tail(left) == tail(right)) {
        compare_destinations(rows, same, conflicts);
    }
    let (rounded, intact) = group.split_at(group.partition_point(|index| tail(index) == 0));
    if let Some(intact) = intact.first().filter(|index| !rows.identities.get(**index).is_hash()) {
        let other = rows.row(*intact);
        let conflict = |index: &u32| RowConflict { row: rows.row(*index), kind: ConflictKind::RoundedNumber, other };
        conflicts.extend(rounded.iter().map(conflict));
    }
}

/// Compares rows of one identity, sorted by destination and index.
fn compare_destinations(rows: &Fingerprints, same: &[u32], conflicts: &mut Vec<RowConflict>) {
    let destination = |index: &u32| rows.destinations.get(*index);
    let by_user = || same.chunk_by(|left, right| destination(left) == destination(right));
    let first_rows = by_user().filter_map(|rows| rows.first().copied());
    let Some(earliest) = first_rows.clone().min() else { return };
    let other_user = first_rows.filter(|index| destination(index) != destination(&earliest)).min();
    let mut add = |index: u32, kind, other: u32| {
        conflicts.push(RowConflict { row: rows.row(index), kind, other: rows.row(other) });
    };
    for of_user in by_user() {
        let first = of_user[0];
        for index in of_user {
            if *index != first {
                add(*index, ConflictKind::DuplicateRow, first);
            }
            if let Some(other_user) = other_user {
                add(*index, ConflictKind::TwoUsers, if first == earliest { other_user } else { earliest });
            }
        }
    }
}

/// Counts the identities of rows whose destinations have one head.
fn count_identities(rows: &Fingerprints, group: &mut [u32], conflicts: &mut Vec<RowConflict>) {
    let destination = |index: &u32| rows.destinations.tails[*index as usize];
    let identity = |index: &u32| rows.identities.get(*index);
    group.sort_unstable_by_key(|index| (destination(index), identity(index), *index));
    for of_user in group.chunk_by(|left, right| destination(left) == destination(right)) {
        let count = of_user.chunk_by(|left, right| identity(left) == identity(right)).count();
        if count > IDENTITIES_PER_USER_MAX {
            let (kind, other) = (ConflictKind::TooManyIdentities, u32::try_from(count).unwrap_or(u32::MAX));
            conflicts.extend(of_user.iter().map(|index| RowConflict { row: rows.row(*index), kind, other }));
        }
    }
}

/// Calls `take` with the indexes of each head that occurs at least `times` times. The heads of many rows are sorted in
/// parts, by their first bits, so that the sorted copy stays small.
fn for_each_group<E>(
    column: &FingerprintColumn,
    times: usize,
    mut take: impl FnMut(&mut [u32]) -> Result<(), E>,
) -> Result<(), E> {
    let heads = column.heads.as_slice();
    let parts_log = if heads.len() > CROSS_ROW_UNDIVIDED_ROWS { CROSS_ROW_PARTS_LOG } else { 0 };
    // Heads are spread evenly, unless they repeat: each part is about one share.
    let share = heads.len() >> parts_log;
    let mut sorted: Vec<u64> = Vec::with_capacity(share + share / 64);
    for part in 0..1_u64 << parts_log {
        // Shifted in two steps: shifting by 64 bits at once, without parts, would overflow.
        let is_in_part = |head: u64| head >> (63 - parts_log) >> 1 == part;
        sorted.clear();
        sorted.extend(heads.iter().copied().filter(|head| is_in_part(*head)));
        sorted.sort_unstable();
        let runs = sorted.chunk_by(|left, right| left == right);
        let repeated: Vec<u64> = runs.filter(|run| run.len() >= times).map(|run| run[0]).collect();
        if repeated.is_empty() {
            continue;
        }
        // Where most rows are the same, this part has most of them: it is not held beside the indexes.
        if sorted.capacity() > share + share / 64 {
            sorted = Vec::new();
        }
        let is_repeated = |head: u64| is_in_part(head) && repeated.binary_search(&head).is_ok();
        let indexes = (0_u32..).zip(heads).filter(|(_, head)| is_repeated(**head)).map(|(index, _)| index);
        let mut indexes: Vec<u32> = indexes.collect();
        indexes.sort_unstable_by_key(|index| (heads[*index as usize], *index));
        indexes.chunk_by_mut(|left, right| heads[*left as usize] == heads[*right as usize]).try_for_each(&mut take)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::row::RowNumber;
    use crate::input::record::{DestinationRef, LinkRef};

    proptest! {
        #[test]
        fn groups_are_all_heads_that_repeat(heads in prop::collection::vec((0_u64..40, 0_u64..4), 0..200), times in 2_usize..7) {
            // Few values, spread over the parts that the first bits make.
            let heads: Vec<u64> = heads.into_iter().map(|(low, high)| high << 62 | low).collect();
            let mut expected: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
            for (index, head) in (0..).zip(&heads) {
                expected.entry(*head).or_default().push(index);
            }
            expected.retain(|_, indexes| indexes.len() >= times);
            let column = FingerprintColumn { tails: vec![0; heads.len()], heads };
            let mut groups = Vec::new();
            for_each_group(&column, times, |group| -> Result<(), std::convert::Infallible> {
                groups.push(group.to_vec());
                Ok(())
            })
            .unwrap();
            prop_assert_eq!(groups, expected.into_values().collect::<Vec<_>>());
        }
    }

    #[test]
    fn conflicts_are_bounded() {
        let link = |user| LinkRef {
            destination: DestinationRef::Username(user),
            provider: "Okta",
            attribute: "a",
            value: "b",
        };
        let mut rows = Fingerprints::default();
        for number in 1..=100 {
            rows.add(RowNumber(number), &link(if number % 2 == 0 { "a" } else { "b" }), 0);
        }
        let all = find_conflicts_within(&rows, usize::MAX).unwrap().len();
        assert_eq!(all, 198, "98 duplicates, and 100 rows of one identity for two users");
        assert_eq!(find_conflicts_within(&rows, all).map(|conflicts| conflicts.len()), Ok(all));
        assert_eq!(find_conflicts_within(&rows, all - 1), Err(TooManyConflicts));
    }
}
