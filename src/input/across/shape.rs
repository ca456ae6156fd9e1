//! What the identities of one provider and attribute look like as a whole: counted in the first reading, in bounded
//! memory, whatever the file holds.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::super::asked::Asked;
use super::super::words;
use super::oddity::{Oddities, Oddity};
use super::prints::{KEPT_DIGITS, cut_number};
use crate::limits::{PROVIDERS_PER_POOL_MAX, SOURCE_CHARS_MAX};

/// What an identity is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Make {
    /// Digits only.
    Digits,
    /// Hexadecimal digits with dashes between, as in a UUID.
    Hex,
    /// Letters and digits, and perhaps `-`, `_` or `.`.
    Token,
}

/// An identity as far as its shape goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) make: Make,
    pub(super) length: usize,
    pub(super) uppercase: u64,
    pub(super) lowercase: u64,
    /// Whether it has a letter that is no hexadecimal digit; taken for granted where it has capitals and no dash.
    pub(super) is_beyond_hex: bool,
}

/// The form of an identifier; `None` for what people write: an e-mail address, a name without digits, anything with
/// marks that identifiers do not have, and what is too long for a source.
pub(super) fn form_of(value: &[u8]) -> Option<Form> {
    let length = value.len();
    if length > SOURCE_CHARS_MAX {
        return None;
    }
    let [mut digits, mut letters, mut capitals, mut joints] = [words::Tally::default(); 4];
    for word in words::words_of(value) {
        let (of_letters, of_capitals) = words::marks_of_letters(word);
        letters.add(of_letters);
        capitals.add(of_capitals);
        digits.add(words::marks_between(word, b'0', b'9'));
        joints.add(words::marks_between(word, b'-', b'.') | words::marks_between(word, b'_', b'_'));
    }
    let [digits, letters, uppercase, joints] = [digits, letters, capitals, joints].map(words::Tally::count);
    if digits == 0 || digits + letters + joints != length as u64 {
        return None;
    }
    // What follows is asked for little: most identifiers have no marks, and most have capitals.
    let among = |marks: fn(u64) -> u64| {
        let mut tally = words::Tally::default();
        words::words_of(value).for_each(|word| tally.add(marks(word)));
        tally.count()
    };
    let dashes = if joints == 0 { 0 } else { among(|word| words::marks_between(word, b'-', b'-')) };
    let may_be_hex = uppercase == 0 || dashes > 0;
    let is_beyond_hex = letters > 0
        && (!may_be_hex
            || among(|word| words::marks_between(word, b'a', b'f') | words::marks_between(word, b'A', b'F'))
                != letters);
    let make = match (letters + joints, dashes) {
        (0, _) => Make::Digits,
        (_, 1..) if !is_beyond_hex && dashes == joints => Make::Hex,
        _ => Make::Token,
    };
    Some(Form { make, length, uppercase, lowercase: letters - uppercase, is_beyond_hex })
}

/// Counts of the identities of one length.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cases {
    /// With capitals and small letters.
    pub(super) mixed: u64,
    /// Capitals in those.
    pub(super) capitals: u64,
    /// Letters in those.
    pub(super) letters: u64,
    /// With small letters only, some of them beyond hexadecimal.
    pub(super) lower: u64,
}

/// Counts of the identities of one provider and attribute.
pub(super) struct Shape {
    /// By make and length.
    pub(super) lengths: [[u64; SOURCE_CHARS_MAX + 1]; 3],
    /// By length.
    pub(super) cases: [Cases; SOURCE_CHARS_MAX + 1],
    /// Of numbers with one and two digits more than a spreadsheet keeps: those that end in as many zeros.
    pub(super) zero_ends: [u64; 2],
    /// Numbers that start with a zero, by length.
    pub(super) zero_starts: [u64; SOURCE_CHARS_MAX + 1],
}

impl Shape {
    fn new() -> Self {
        let each = SOURCE_CHARS_MAX + 1;
        debug_assert!(each > KEPT_DIGITS + 2);
        Self {
            lengths: [[0; SOURCE_CHARS_MAX + 1]; 3],
            cases: [Cases::default(); SOURCE_CHARS_MAX + 1],
            zero_ends: [0; 2],
            zero_starts: [0; SOURCE_CHARS_MAX + 1],
        }
    }

    pub(super) fn add(&mut self, value: &[u8]) {
        let Some(form) = form_of(value) else { return };
        self.lengths[form.make as usize][form.length] += 1;
        if form.make == Make::Digits {
            self.zero_starts[form.length] += u64::from(value.starts_with(b"0"));
            if let Some(at) = zero_end(value) {
                self.zero_ends[at] += 1;
            }
        }
        if form.make == Make::Token {
            let cases = &mut self.cases[form.length];
            if form.uppercase > 0 && form.lowercase > 0 {
                cases.mixed += 1;
                cases.capitals += form.uppercase;
                cases.letters += form.uppercase + form.lowercase;
            }
            cases.lower += u64::from(is_lower(&form));
        }
    }
}

/// Whether an identifier of letters has small ones only, and is no hexadecimal number.
pub(super) fn is_lower(form: &Form) -> bool {
    form.make == Make::Token && form.uppercase == 0 && form.is_beyond_hex
}

/// The place in [`Shape::zero_ends`] of a number whose digits are zeros beyond those that a spreadsheet keeps.
pub(super) fn zero_end(number: &[u8]) -> Option<usize> {
    let at = number.len().checked_sub(KEPT_DIGITS + 1).filter(|at| *at < 2)?;
    cut_number(number).filter(|(_, lost)| *lost == 0).map(|_| at)
}

/// The shapes of every provider and attribute, up to as many as a pool has providers.
#[derive(Default)]
pub(super) struct Shapes {
    groups: Vec<Group>,
    by_seed: HashMap<u64, usize>,
}

struct Group {
    provider: Vec<u8>,
    attribute: Vec<u8>,
    seed: u64,
    shape: Box<Shape>,
}

/// Groups that are compared one by one before the table is asked.
const NEAR_GROUPS: usize = 8;

impl Shapes {
    /// Counts an identity; returns what stands for its provider and attribute in fingerprints.
    pub(super) fn add(&mut self, asked: &Asked<'_>) -> u64 {
        let is_its = |group: &Group| group.provider == asked.provider && group.attribute == asked.attribute;
        if let Some(group) = self.groups.iter_mut().take(NEAR_GROUPS).find(|group| is_its(group)) {
            group.shape.add(asked.value);
            return group.seed;
        }
        let provider = xxh3_64_with_seed(asked.provider, asked.provider.len() as u64);
        let seed = xxh3_64_with_seed(asked.attribute, provider);
        match self.by_seed.get(&seed).copied() {
            Some(at) if is_its(&self.groups[at]) => self.groups[at].shape.add(asked.value),
            None if self.groups.len() < PROVIDERS_PER_POOL_MAX => self.start(asked, seed),
            // Nobody's file has so many providers: a wrong column, which the pool's list of providers will tell.
            _ => {}
        }
        seed
    }

    fn start(&mut self, asked: &Asked<'_>, seed: u64) {
        let mut shape = Box::new(Shape::new());
        shape.add(asked.value);
        self.by_seed.insert(seed, self.groups.len());
        let (provider, attribute) = (asked.provider.to_owned(), asked.attribute.to_owned());
        self.groups.push(Group { provider, attribute, seed, shape });
    }

    /// What is odd about each provider and attribute.
    pub(super) fn judge(self) -> Oddities {
        let odd = |group: Group| Some((group.provider, group.attribute, Oddity::of(&group.shape)?));
        Oddities::new(self.groups.into_iter().filter_map(odd).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let make = |text: &str| form_of(text.as_bytes()).map(|form| form.make);
        for (text, expected) in [
            ("109842123456789000001", Some(Make::Digits)),
            ("b284ae68-f515-4bb2-a25b-c5e752a3ca51", Some(Make::Hex)),
            ("00uLtmZoPOMiUo3E9FJw", Some(Make::Token)),
            ("5f7c8ec7c33c6c004bbafe82", Some(Make::Token)),
            ("amzn1.account.QBM3F24D4SY05BGHS3JGFLPFYQ", Some(Make::Token)),
            ("carlos", None),
            ("carlos1@example.com", None),
            ("f:b284ae68:carlos", None),
            ("auth0|5f7c", None),
            ("Jos\u{e9}1", None),
            ("", None),
        ] {
            assert_eq!(make(text), expected, "{text}");
        }
        let form = form_of(b"00uLtmZ-x").unwrap();
        assert_eq!((form.length, form.uppercase, form.lowercase, form.is_beyond_hex), (9, 2, 4, true));
        assert!(!is_lower(&form_of(b"5f7c8ec7c33c").unwrap()), "hexadecimal has no case to lose");
        assert!(is_lower(&form_of(b"00ultmzopomiuo3e9fjw").unwrap()));
    }

    #[test]
    fn ends_of_zeros() {
        for (text, expected) in [
            ("1234567890123450", Some(0)),
            ("12345678901234500", Some(1)),
            ("12345678901234510", None),
            ("123456789012340", None),
            ("123456789012345000", None),
        ] {
            assert_eq!(zero_end(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn groups_are_bounded_and_keep_their_seeds() {
        let mut shapes = Shapes::default();
        let names: Vec<String> = (0..PROVIDERS_PER_POOL_MAX + 50).map(|number| format!("Provider-{number}")).collect();
        let seeds = |shapes: &mut Shapes| -> Vec<u64> {
            let asked = |name| Asked {
                destination: super::super::super::asked::Named::Username(b"a"),
                provider: name,
                attribute: b"b",
                value: b"c1",
            };
            names.iter().map(|name| shapes.add(&asked(name.as_bytes()))).collect()
        };
        let first = seeds(&mut shapes);
        assert_eq!(seeds(&mut shapes), first);
        assert_eq!(shapes.groups.len(), PROVIDERS_PER_POOL_MAX);
        let distinct: std::collections::BTreeSet<_> = first.iter().collect();
        assert_eq!(distinct.len(), first.len());
    }
}
