//! Fingerprints of rows, in columns in the order of the rows.

use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

use crate::domain::row::RowNumber;
use crate::input::record::{DestinationRef, LinkRef};
use crate::input::value_check::SPREADSHEET_DIGITS;

/// Digits after those that a spreadsheet keeps that fit a tail: nine are below 2³⁰.
const LOST_DIGITS_MAX: usize = 9;
/// Set in the tail of everything but long numbers.
const IS_HASH: u32 = 1 << 31;

/// The fingerprint of a value. Of a long number, the head covers the digits that a spreadsheet keeps and the tail is
/// the rest of it, so that numbers that a spreadsheet makes equal have one head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fingerprint {
    pub(super) head: u64,
    pub(super) tail: u32,
}

impl Fingerprint {
    #[expect(clippy::cast_possible_truncation, reason = "parts of a hash")]
    fn hash(text: &str, seed: u64) -> Self {
        let hash = xxh3_128_with_seed(text.as_bytes(), seed);
        Self { head: (hash >> 64) as u64, tail: hash as u32 | IS_HASH }
    }

    /// `seed` stands for the provider and attribute.
    pub(super) fn of_identity(value: &str, seed: u64) -> Self {
        match cut_number(value) {
            Some((kept, lost)) => {
                Self { head: xxh3_64_with_seed(kept.as_bytes(), seed ^ value.len() as u64), tail: lost }
            }
            None => Self::hash(value, seed),
        }
    }

    pub(super) fn of_destination(destination: DestinationRef<'_>) -> Self {
        match destination {
            DestinationRef::Username(text) => Self::hash(text, 1),
            DestinationRef::Email(text) => Self::hash(text, 2),
            DestinationRef::Sub(text) => Self::hash(text, 3),
            DestinationRef::Federated { provider, user_id } => {
                Self::hash(user_id, xxh3_64_with_seed(provider.as_bytes(), 4))
            }
        }
    }

    pub(super) fn is_hash(self) -> bool {
        self.tail & IS_HASH != 0
    }
}

/// Splits a number that is too long for a spreadsheet into the digits that it keeps and the number that it loses.
pub(super) fn cut_number(text: &str) -> Option<(&str, u32)> {
    let fits = (SPREADSHEET_DIGITS + 1..=SPREADSHEET_DIGITS + LOST_DIGITS_MAX).contains(&text.len());
    let is_number = fits && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    let (kept, lost) = text.split_at_checked(SPREADSHEET_DIGITS).filter(|_| is_number)?;
    Some((kept, lost.parse().ok()?))
}

/// The fingerprints of every row without errors, in the order of the rows: 24 bytes each.
#[derive(Default)]
pub(super) struct Fingerprints {
    pub(super) destinations: FingerprintColumn,
    pub(super) identities: FingerprintColumn,
    /// Where rows were left out: from this index on, row numbers are that much higher than indexes.
    gaps: Vec<(u32, u32)>,
    /// Rows that repeat the row before them, of which nothing else is kept: a file of one repeated row takes no memory.
    pub(super) repeats: Vec<RepeatedRows>,
    last: Option<(u64, Fingerprint, Fingerprint)>,
}

/// Rows that follow one another and repeat the row before the first of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RepeatedRows {
    pub(super) first: u32,
    pub(super) last: u32,
}

/// Heads and tails apart, so that sorting the heads reads nothing else.
#[derive(Default)]
pub(super) struct FingerprintColumn {
    pub(super) heads: Vec<u64>,
    pub(super) tails: Vec<u32>,
}

impl FingerprintColumn {
    fn push(&mut self, fingerprint: Fingerprint) {
        self.heads.push(fingerprint.head);
        self.tails.push(fingerprint.tail);
    }

    pub(super) fn get(&self, index: u32) -> Fingerprint {
        Fingerprint { head: self.heads[index as usize], tail: self.tails[index as usize] }
    }
}

impl Fingerprints {
    /// Adds a row; numbers must rise. `seed` stands for the provider and attribute of its identity.
    pub(super) fn add(&mut self, number: RowNumber, link: &LinkRef<'_>, seed: u64) {
        // Rows are counted in 32 bits: the reading ends before that many.
        let narrow = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        let (destination, identity) =
            (Fingerprint::of_destination(link.destination), Fingerprint::of_identity(link.value, seed));
        let repeats_last = self.last == Some((number.0.wrapping_sub(1), destination, identity));
        self.last = Some((number.0, destination, identity));
        if repeats_last {
            let row = narrow(number.0);
            match self.repeats.last_mut().filter(|repeated| repeated.last == row - 1) {
                Some(repeated) => repeated.last = row,
                None => self.repeats.push(RepeatedRows { first: row, last: row }),
            }
            return;
        }
        let index = self.identities.heads.len() as u64;
        let shift = narrow(number.0.saturating_sub(index));
        if self.gaps.last().map_or(0, |(_, shift)| *shift) != shift {
            self.gaps.push((narrow(index), shift));
        }
        self.identities.push(identity);
        self.destinations.push(destination);
    }

    /// Takes out the rows that repeat the row before them.
    pub(super) fn take_repeats(&mut self) -> Vec<RepeatedRows> {
        std::mem::take(&mut self.repeats)
    }

    /// Returns the number of the row at an index.
    pub(super) fn row(&self, index: u32) -> u32 {
        let gaps_before = self.gaps.partition_point(|(start, _)| *start <= index);
        index + gaps_before.checked_sub(1).map_or(0, |last| self.gaps[last].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_collapse_share_their_head_and_nothing_else() {
        let print = |text: &str| Fingerprint::of_identity(text, 7);
        let [intact, rounded, other] = ["12345678901234567", "12345678901234500", "12345678901234667"].map(print);
        assert!(intact.head == rounded.head && intact.tail == 67 && rounded.tail == 0);
        assert_ne!(intact.head, other.head);
        assert_ne!(print("1234567890123450").head, print("12345678901234500").head, "the length counts");
        assert_ne!(print("1234567890123456"), Fingerprint::of_identity("1234567890123456", 8));
        for text in ["123456789012345", "0234567890123456", "12345678901234567x", "1234567890123456789012345", ""] {
            assert!(cut_number(text).is_none() && print(text).is_hash(), "{text}");
        }
    }

    #[test]
    fn every_kind_of_destination_is_another() {
        let destinations = [
            DestinationRef::Username("a"),
            DestinationRef::Email("a"),
            DestinationRef::Sub("a"),
            DestinationRef::Federated { provider: "Google", user_id: "a" },
            DestinationRef::Federated { provider: "Facebook", user_id: "a" },
        ];
        let distinct: std::collections::BTreeSet<_> =
            destinations.map(Fingerprint::of_destination).into_iter().collect();
        assert_eq!(distinct.len(), destinations.len());
    }

    #[test]
    fn places_lead_back_to_rows() {
        let mut prints = Fingerprints::default();
        let numbers = [1, 2, 5, 6, 7, 20, 21, 30];
        for number in numbers {
            let (destination, value) = (DestinationRef::Username("a"), &number.to_string());
            let link = LinkRef { destination, provider: "Okta", attribute: "a", value };
            prints.add(RowNumber(number), &link, 0);
        }
        let rows: Vec<u64> = (0..8).map(|place| u64::from(prints.row(place))).collect();
        assert_eq!(rows, numbers);
    }
}
