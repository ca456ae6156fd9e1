//! Which identities look unlike the others of their provider: the traces that a spreadsheet leaves on a whole column.
//! The first reading counts in bounded memory, whatever the file contains; the thresholds are such that chance does not
//! reach them in an intact export.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::fingerprints::cut_number;
use crate::domain::finding::FindingCode;
use crate::input::columns::Column;
use crate::input::record::LinkRef;
use crate::input::row_check::RowIssues;
use crate::input::value_check::{CERTAINLY_LOST_DIGITS, SPREADSHEET_DIGITS};
use crate::limits::{
    FIXED_LENGTH_BYTES_MIN, LENGTH_ROWS_MIN, LENGTH_STRAYS_SHARE, LOWERED_CAPITALS_SHARE_MIN, LOWERED_CHANCE_MAX,
    LOWERED_LETTERS_MIN, LOWERED_MIXED_ROWS_MIN, LOWERED_MIXED_SHARE_MIN, PROVIDERS_PER_POOL_MAX, SOURCE_CHARS_MAX,
    ZERO_ENDS_CHANCE_MAX,
};

/// What an identity consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alphabet {
    Digits,
    /// Hexadecimal digits with dashes between them, as in a UUID.
    Hex,
    /// Letters and digits, and perhaps `-`, `_` or `.`.
    Token,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ValueShape {
    alphabet: Alphabet,
    length: usize,
    uppercase: u64,
    lowercase: u64,
    /// Whether it has a letter that is no hexadecimal digit.
    is_beyond_hex: bool,
}

impl ValueShape {
    /// Returns `None` for what people write (an e-mail address, a name without digits), anything with characters that
    /// identifiers do not have, and what is too long for a source.
    fn of(value: &str) -> Option<Self> {
        const _: () = assert!(SOURCE_CHARS_MAX <= u8::MAX as usize);
        if value.len() > SOURCE_CHARS_MAX {
            return None;
        }
        // Counters of one byte are enough, and the compiler counts many of them at a time.
        let [mut digits, mut uppercase, mut lowercase, mut hex_letters, mut dashes, mut joints] = [0_u8; 6];
        for byte in value.bytes() {
            digits += u8::from(byte.is_ascii_digit());
            uppercase += u8::from(byte.is_ascii_uppercase());
            lowercase += u8::from(byte.is_ascii_lowercase());
            hex_letters += u8::from(matches!(byte, b'a'..=b'f' | b'A'..=b'F'));
            dashes += u8::from(byte == b'-');
            joints += u8::from(matches!(byte, b'-' | b'_' | b'.'));
        }
        let letters = uppercase + lowercase;
        if digits == 0 || usize::from(digits + letters + joints) != value.len() {
            return None;
        }
        let is_beyond_hex = hex_letters < letters;
        let alphabet = match (letters + joints, dashes) {
            (0, _) => Alphabet::Digits,
            (_, 1..) if !is_beyond_hex && dashes == joints => Alphabet::Hex,
            _ => Alphabet::Token,
        };
        let (uppercase, lowercase) = (u64::from(uppercase), u64::from(lowercase));
        Some(Self { alphabet, length: value.len(), uppercase, lowercase, is_beyond_hex })
    }

    /// Whether it has small letters only, and is no hexadecimal number, which has no case to lose.
    fn is_lowercase(&self) -> bool {
        self.alphabet == Alphabet::Token && self.uppercase == 0 && self.is_beyond_hex
    }
}

/// Returns one less than the number of digits that a number has more than a spreadsheet keeps, where these are all zero
/// and so few that an intact number may end so.
fn zero_end(number: &str) -> Option<usize> {
    let index = number.len().checked_sub(SPREADSHEET_DIGITS + 1).filter(|index| *index < ZERO_ENDS)?;
    cut_number(number).filter(|(_, lost)| *lost == 0).map(|_| index)
}

/// Ends that [`zero_end`] distinguishes.
const ZERO_ENDS: usize = CERTAINLY_LOST_DIGITS - 1;

/// Counts of the tokens of one length.
#[derive(Debug, Clone, Copy, Default)]
struct CaseCounts {
    /// Tokens with capitals and small letters.
    mixed: u64,
    /// Capitals in those.
    capitals: u64,
    /// Letters in those.
    letters: u64,
    /// Tokens with small letters only.
    lowercase: u64,
}

/// Counts of the identities of one provider and attribute.
struct ShapeCounts {
    /// By alphabet and length.
    lengths: [[u64; SOURCE_CHARS_MAX + 1]; 3],
    /// By length.
    cases: [CaseCounts; SOURCE_CHARS_MAX + 1],
    /// By [`zero_end`].
    zero_ends: [u64; ZERO_ENDS],
    /// Numbers that start with a zero, by length.
    zero_starts: [u64; SOURCE_CHARS_MAX + 1],
}

impl ShapeCounts {
    fn new() -> Self {
        Self {
            lengths: [[0; SOURCE_CHARS_MAX + 1]; 3],
            cases: [CaseCounts::default(); SOURCE_CHARS_MAX + 1],
            zero_ends: [0; ZERO_ENDS],
            zero_starts: [0; SOURCE_CHARS_MAX + 1],
        }
    }

    fn add(&mut self, value: &str) {
        let Some(shape) = ValueShape::of(value) else { return };
        self.lengths[shape.alphabet as usize][shape.length] += 1;
        if shape.alphabet == Alphabet::Digits {
            self.zero_starts[shape.length] += u64::from(value.starts_with('0'));
            if let Some(index) = zero_end(value) {
                self.zero_ends[index] += 1;
            }
        }
        if shape.alphabet == Alphabet::Token {
            let cases = &mut self.cases[shape.length];
            if shape.uppercase > 0 && shape.lowercase > 0 {
                cases.mixed += 1;
                cases.capitals += shape.uppercase;
                cases.letters += shape.uppercase + shape.lowercase;
            }
            cases.lowercase += u64::from(shape.is_lowercase());
        }
    }
}

/// Counts by provider and attribute, for at most as many as a pool has providers.
#[derive(Default)]
pub(super) struct ValueShapes {
    /// The seeds of `counts`, in the same order.
    seeds: Vec<u64>,
    counts: Vec<ProviderCounts>,
}

struct ProviderCounts {
    provider: String,
    attribute: String,
    counts: Box<ShapeCounts>,
}

impl ValueShapes {
    /// Counts an identity; returns what stands for its provider and attribute in fingerprints.
    pub(super) fn add(&mut self, link: &LinkRef<'_>) -> u64 {
        let provider = xxh3_64_with_seed(link.provider.as_bytes(), link.provider.len() as u64);
        let seed = xxh3_64_with_seed(link.attribute.as_bytes(), provider);
        if let Some(index) = self.seeds.iter().position(|known| *known == seed) {
            self.counts[index].counts.add(link.value);
        } else if self.seeds.len() < PROVIDERS_PER_POOL_MAX {
            // A file with more providers has a wrong column, which the pool's list of providers shows.
            let mut counts = Box::new(ShapeCounts::new());
            counts.add(link.value);
            let (provider, attribute) = (link.provider.to_owned(), link.attribute.to_owned());
            self.seeds.push(seed);
            self.counts.push(ProviderCounts { provider, attribute, counts });
        }
        seed
    }

    pub(super) fn find_unusual(self) -> UnusualShapes {
        let unusual = |group: ProviderCounts| Some((group.provider, group.attribute, UnusualShape::of(&group.counts)?));
        UnusualShapes(self.counts.into_iter().filter_map(unusual).collect())
    }
}

/// What is unusual, by provider and attribute.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct UnusualShapes(Vec<(String, String, UnusualShape)>);

impl UnusualShapes {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn find(&self, provider: &str, attribute: &str) -> Option<&UnusualShape> {
        self.0.iter().find(|(its, by, _)| its == provider && by == attribute).map(|(_, _, unusual)| unusual)
    }
}

/// What is unusual among the identities of one provider and attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnusualShape {
    /// By alphabet: the length of nearly all, if a few have another.
    usual_lengths: [Option<UsualLength>; 3],
    /// Lengths at which a token without capitals has lost them.
    lowered_lengths: Vec<usize>,
    /// By [`zero_end`]: whether there are more such numbers than chance explains.
    has_zero_ends: [bool; ZERO_ENDS],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct UsualLength {
    length: usize,
    /// Only shorter ones are unusual: numbers that have lost their leading zeros.
    only_shorter: bool,
}

impl UnusualShape {
    /// Returns `None` if nothing is.
    fn of(counts: &ShapeCounts) -> Option<Self> {
        const _: () = assert!(SOURCE_CHARS_MAX > SPREADSHEET_DIGITS + ZERO_ENDS);
        let usual = |alphabet: Alphabet| {
            let no_zero_starts = [0; SOURCE_CHARS_MAX + 1];
            let zero_starts = if alphabet == Alphabet::Digits { &counts.zero_starts } else { &no_zero_starts };
            usual_length(&counts.lengths[alphabet as usize], zero_starts)
        };
        let unusual = Self {
            usual_lengths: [Alphabet::Digits, Alphabet::Hex, Alphabet::Token].map(usual),
            lowered_lengths: (0..=SOURCE_CHARS_MAX).filter(|at| has_lost_capitals(*at, &counts.cases[*at])).collect(),
            has_zero_ends: std::array::from_fn(|index| {
                let numbers = counts.lengths[Alphabet::Digits as usize][SPREADSHEET_DIGITS + 1 + index];
                has_too_many_zero_ends(counts.zero_ends[index], numbers, index + 1)
            }),
        };
        let is_usual = unusual.usual_lengths == [None; 3]
            && unusual.lowered_lengths.is_empty()
            && unusual.has_zero_ends == [false; ZERO_ENDS];
        (!is_usual).then_some(unusual)
    }

    /// Adds what is unusual about an identity.
    pub(super) fn add_issues(&self, value: &str, issues: &mut RowIssues<'_>) {
        let Some(shape) = ValueShape::of(value) else { return };
        if shape.alphabet == Alphabet::Digits
            && zero_end(value).is_some_and(|index| self.has_zero_ends[index])
            && !issues.has(FindingCode::NumberDamaged)
        {
            let message = "has zeros after its 15th digit, as too many of this provider do; export it as text";
            issues.add(FindingCode::NumberDamaged, Column::SourceValue, message);
        }
        if shape.is_lowercase()
            && shape.lowercase >= LOWERED_LETTERS_MIN
            && self.lowered_lengths.contains(&shape.length)
        {
            let message = "has no capitals while others of its provider have them; give it in the case that the \
                           provider sends";
            issues.add(FindingCode::LowercasedIdentity, Column::SourceValue, message);
        }
        if let Some(usual) = self.usual_lengths[shape.alphabet as usize]
            && usual.length != shape.length
            && (shape.length < usual.length || !usual.only_shorter)
        {
            let message = format!(
                "has {} characters while nearly all of its provider have {}; check whether something is cut off or added",
                shape.length, usual.length
            );
            issues.add(FindingCode::UnusualLength, Column::SourceValue, message);
        }
    }
}

/// Returns whether more `numbers` of one length end in `zeros` zeros than chance explains.
#[expect(clippy::cast_precision_loss, reason = "a probability")]
fn has_too_many_zero_ends(found: u64, numbers: u64, zeros: usize) -> bool {
    let expected = (0..zeros).fold(numbers as f64, |expected, _| expected / 10.0);
    found > 0 && chance_of_so_many(found, expected) < ZERO_ENDS_CHANCE_MAX
}

/// Returns an upper bound of the chance of so many where `expected` are expected: eⁿ / n!.
#[expect(clippy::cast_precision_loss, reason = "a probability")]
fn chance_of_so_many(found: u64, expected: f64) -> f64 {
    // As logarithms, because the terms of many are larger than a number can be.
    let logarithm = match found {
        0..=1_000 => (1..=found).map(|count| (expected / count as f64).ln()).sum(),
        // n! is at least (n / e)ⁿ.
        _ => found as f64 * (1.0 + (expected / found as f64).ln()),
    };
    f64::exp(logarithm)
}

/// Returns the length of nearly all, if a few have another. Short identifiers may be numbered consecutively, and then
/// grow; but a number that starts with a zero is padded to its length.
fn usual_length(lengths: &[u64], zero_starts: &[u64]) -> Option<UsualLength> {
    let all: u64 = lengths.iter().sum();
    let (length, usual) = lengths.iter().enumerate().max_by_key(|(_, rows)| **rows)?;
    let strays = all - usual;
    let is_fixed = length >= FIXED_LENGTH_BYTES_MIN;
    let is_padded = zero_starts[length] > 0;
    let has_few_strays = strays > 0 && *usual >= LENGTH_ROWS_MIN && strays * LENGTH_STRAYS_SHARE <= all;
    (has_few_strays && (is_fixed || is_padded)).then_some(UsualLength { length, only_shorter: !is_fixed })
}

/// Returns whether there are more tokens of this length without capitals than chance explains, next to others that have
/// as many capitals as random tokens do.
#[expect(clippy::cast_precision_loss, reason = "a probability")]
fn has_lost_capitals(length: usize, cases: &CaseCounts) -> bool {
    let CaseCounts { mixed, capitals, letters, lowercase } = *cases;
    let has_enough = lowercase > 0 && mixed >= LOWERED_MIXED_ROWS_MIN && mixed * LOWERED_MIXED_SHARE_MIN >= lowercase;
    let is_random = capitals * 100 >= letters * LOWERED_CAPITALS_SHARE_MIN && letters >= mixed * LOWERED_LETTERS_MIN;
    if !has_enough || !is_random {
        return false;
    }
    let each = 1.0 - capitals as f64 / (mixed as f64 * length as f64);
    let expected = (mixed + lowercase) as f64 * (0..length).fold(1.0, |chance, _| chance * each);
    chance_of_so_many(lowercase, expected) < LOWERED_CHANCE_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        let alphabet = |text: &str| ValueShape::of(text).map(|shape| shape.alphabet);
        for (text, expected) in [
            ("109842123456789000001", Some(Alphabet::Digits)),
            ("b284ae68-f515-4bb2-a25b-c5e752a3ca51", Some(Alphabet::Hex)),
            ("00uLtmZoPOMiUo3E9FJw", Some(Alphabet::Token)),
            ("5f7c8ec7c33c6c004bbafe82", Some(Alphabet::Token)),
            ("amzn1.account.QBM3F24D4SY05BGHS3JGFLPFYQ", Some(Alphabet::Token)),
            ("carlos", None),
            ("carlos1@example.com", None),
            ("f:b284ae68:carlos", None),
            ("auth0|5f7c", None),
            ("Jos\u{e9}1", None),
            ("", None),
        ] {
            assert_eq!(alphabet(text), expected, "{text}");
        }
        let shape = ValueShape::of("00uLtmZ-x").unwrap();
        assert_eq!((shape.length, shape.uppercase, shape.lowercase, shape.is_beyond_hex), (9, 2, 4, true));
        assert!(!ValueShape::of("5f7c8ec7c33c").unwrap().is_lowercase(), "hexadecimal has no case to lose");
        assert!(ValueShape::of("00ultmzopomiuo3e9fjw").unwrap().is_lowercase());
    }

    #[test]
    fn ends_of_zeros() {
        for (text, expected) in [
            ("1234567890123450", Some(0)),
            ("12345678901234500", Some(1)),
            ("12345678901234510", None),
            ("123456789012340", None),
            ("1234567890123450000", Some(3)),
            ("12345678901234500000", None),
        ] {
            assert_eq!(zero_end(text), expected, "{text}");
        }
    }

    #[test]
    fn zeros_that_chance_explains() {
        for (found, numbers, zeros, expected) in [
            (1, 1, 2, false),
            (2, 2, 2, true),
            (4, 4, 1, false),
            (5, 5, 1, true),
            (1, 1, 4, true),
            (1, 40_000, 4, false),
            (0, 5, 1, false),
            (7, 25, 1, false),
            (32, 50, 1, true),
            (100_300, 1_000_000, 1, false),
            (1_000_000, 1_000_000, 1, true),
            (40, 40_000, 3, false),
            (120, 40_000, 3, true),
        ] {
            assert_eq!(has_too_many_zero_ends(found, numbers, zeros), expected, "{found} of {numbers}, {zeros} zeros");
        }
    }

    #[test]
    fn groups_are_bounded_and_keep_their_seeds() {
        let mut shapes = ValueShapes::default();
        let names: Vec<String> = (0..PROVIDERS_PER_POOL_MAX + 50).map(|number| format!("Provider-{number}")).collect();
        let seeds = |shapes: &mut ValueShapes| -> Vec<u64> {
            let link = |name| LinkRef {
                destination: crate::input::record::DestinationRef::Username("a"),
                provider: name,
                attribute: "b",
                value: "c1",
            };
            names.iter().map(|name| shapes.add(&link(name.as_str()))).collect()
        };
        let first = seeds(&mut shapes);
        assert_eq!(seeds(&mut shapes), first);
        assert_eq!(shapes.counts.len(), PROVIDERS_PER_POOL_MAX);
        let distinct: std::collections::BTreeSet<_> = first.iter().collect();
        assert_eq!(distinct.len(), first.len());
    }
}
