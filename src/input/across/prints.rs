//! Fingerprints of rows, and the columns that hold them in row order.

use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

use super::super::asked::{Asked, Named};
use crate::domain::row::RowNumber;

/// Digits of a number that a spreadsheet keeps.
pub(super) const KEPT_DIGITS: usize = 15;
/// Digits behind those that a tail holds: nine are below 2³⁰.
const LOST_DIGITS_MAX: usize = 9;
/// Set in the tail of everything that is no long number.
const IS_HASH: u32 = 1 << 31;

/// A value by its fingerprint. Of long numbers of digits only, the head covers what a spreadsheet keeps of the number
/// and the tail is the rest of it, so that numbers that collapse to one have one head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Print {
    pub(super) head: u64,
    pub(super) tail: u32,
}

impl Print {
    #[expect(clippy::cast_possible_truncation, reason = "parts of a hash")]
    fn hashed(text: &[u8], seed: u64) -> Self {
        let hash = xxh3_128_with_seed(text, seed);
        Self { head: (hash >> 64) as u64, tail: hash as u32 | IS_HASH }
    }

    /// Of an identity; `seed` stands for its provider and attribute.
    pub(super) fn of_identity(value: &[u8], seed: u64) -> Self {
        match cut_number(value) {
            Some((kept, lost)) => Self { head: xxh3_64_with_seed(kept, seed ^ value.len() as u64), tail: lost },
            None => Self::hashed(value, seed),
        }
    }

    /// Of a destination, its kind included.
    pub(super) fn of_destination(named: Named<'_>) -> Self {
        match named {
            Named::Username(text) => Self::hashed(text, 1),
            Named::Email(text) => Self::hashed(text, 2),
            Named::Sub(text) => Self::hashed(text, 3),
            Named::Federated { provider, user_id } => Self::hashed(user_id, xxh3_64_with_seed(provider, 4)),
        }
    }

    /// Whether this is no long number.
    pub(super) fn is_hash(self) -> bool {
        self.tail & IS_HASH != 0
    }
}

/// What a spreadsheet keeps of a number of digits that is too long for it, and the digits that it loses.
pub(super) fn cut_number(text: &[u8]) -> Option<(&[u8], u32)> {
    let fits = (KEPT_DIGITS + 1..=KEPT_DIGITS + LOST_DIGITS_MAX).contains(&text.len());
    let is_number = fits && text.iter().all(u8::is_ascii_digit) && text[0] != b'0';
    let (kept, lost) = text.split_at_checked(KEPT_DIGITS).filter(|_| is_number)?;
    Some((kept, lost.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))))
}

/// The fingerprints of every sound row, in the order of the rows: 24 bytes each.
#[derive(Default)]
pub(super) struct Prints {
    pub(super) destinations: PrintColumn,
    pub(super) identities: PrintColumn,
    /// Where rows were left out: from this place on, numbers are that much more than places.
    gaps: Vec<(u32, u32)>,
}

/// One column of fingerprints, taken apart so that their heads stand close together.
#[derive(Default)]
pub(super) struct PrintColumn {
    pub(super) heads: Vec<u64>,
    pub(super) tails: Vec<u32>,
}

impl PrintColumn {
    fn push(&mut self, print: Print) {
        self.heads.push(print.head);
        self.tails.push(print.tail);
    }

    pub(super) fn print(&self, place: u32) -> Print {
        Print { head: self.heads[place as usize], tail: self.tails[place as usize] }
    }
}

impl Prints {
    /// Takes a row in; numbers rise. `seed` stands for the provider and attribute of its identity.
    pub(super) fn add(&mut self, number: RowNumber, asked: &Asked<'_>, seed: u64) {
        let place = self.identities.heads.len();
        let shift = number.0.saturating_sub(place as u64);
        if self.gaps.last().map_or(0, |(_, shift)| u64::from(*shift)) != shift {
            self.gaps.push((narrow(place as u64), narrow(shift)));
        }
        self.identities.push(Print::of_identity(asked.value, seed));
        self.destinations.push(Print::of_destination(asked.destination));
    }

    /// The number of the row at this place.
    pub(super) fn row(&self, place: u32) -> u32 {
        let after = self.gaps.partition_point(|(start, _)| *start <= place);
        let shift = after.checked_sub(1).map_or(0, |gap| self.gaps[gap].1);
        place + shift
    }
}

/// Rows are counted in 32 bits; the reading ends before that many.
fn narrow(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_collapse_share_their_head_and_nothing_else() {
        let print = |text: &str| Print::of_identity(text.as_bytes(), 7);
        let [intact, rounded, other] = ["12345678901234567", "12345678901234500", "12345678901234667"].map(print);
        assert!(intact.head == rounded.head && intact.tail == 67 && rounded.tail == 0);
        assert_ne!(intact.head, other.head);
        assert_ne!(print("1234567890123450").head, print("12345678901234500").head, "the length counts");
        assert_ne!(print("1234567890123456"), Print::of_identity(b"1234567890123456", 8));
        for text in ["123456789012345", "0234567890123456", "12345678901234567x", "1234567890123456789012345", ""] {
            assert!(cut_number(text.as_bytes()).is_none() && print(text).is_hash(), "{text}");
        }
    }

    #[test]
    fn every_kind_of_destination_is_another() {
        let named = [
            Named::Username(b"a"),
            Named::Email(b"a"),
            Named::Sub(b"a"),
            Named::Federated { provider: b"Google", user_id: b"a" },
            Named::Federated { provider: b"Facebook", user_id: b"a" },
        ];
        let distinct: std::collections::BTreeSet<_> = named.map(Print::of_destination).into_iter().collect();
        assert_eq!(distinct.len(), named.len());
    }

    #[test]
    fn places_lead_back_to_rows() {
        let asked = Asked { destination: Named::Username(b"a"), provider: b"Okta", attribute: b"a", value: b"b" };
        let mut prints = Prints::default();
        let numbers = [1, 2, 5, 6, 7, 20, 21, 30];
        for number in numbers {
            prints.add(RowNumber(number), &asked, 0);
        }
        let rows: Vec<u64> = (0..8).map(|place| u64::from(prints.row(place))).collect();
        assert_eq!(rows, numbers);
    }
}
