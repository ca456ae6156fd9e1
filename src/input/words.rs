//! Looking at eight bytes and more at a time: nearly every byte of an input passes here, and nearly none needs a second look.

const LOW: u64 = u64::from_le_bytes([1; 8]);
const HIGH: u64 = LOW << 7;
/// What fills up a short text, and changes nothing about it.
const SPACES: u64 = LOW * 0x20;

/// The number of bytes before the first of `marks`; all where there is none.
pub(super) fn bytes_before(text: &[u8], marks: [u8; 3]) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let hits = marks.iter().fold(0, |hits, mark| hits | bytes_equal(word, *mark));
        if hits != 0 {
            return at * 8 + hits.trailing_zeros() as usize / 8;
        }
    }
    text.len() - rest.len() + rest.iter().position(|byte| marks.contains(byte)).unwrap_or(rest.len())
}

/// Bytes that are looked at in one go where a bit for each is wanted.
pub(super) const BLOCK_BYTES: usize = 32;

/// Where in a block one of `bytes` stands or something below 16, as line ends are: a bit for each place.
pub(super) fn places_in(block: &[u8; BLOCK_BYTES], bytes: [u8; 2]) -> u32 {
    // A loop over single bytes of a fixed number becomes one over vectors.
    let mut hits = [0_u8; BLOCK_BYTES];
    for (hit, byte) in hits.iter_mut().zip(block) {
        *hit = u8::from(*byte == bytes[0]) | u8::from(*byte == bytes[1]) | u8::from(*byte < 16);
    }
    hits.as_chunks::<8>().0.iter().rev().fold(0, |places, hits| places << 8 | gathered(u64::from_le_bytes(*hits)))
}

/// Eight bytes of zero or one as eight bits: the first byte is the lowest bit.
fn gathered(ones: u64) -> u32 {
    (ones.wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
}

/// Counts marks of up to 255 words: each byte of a word counts its own place.
#[derive(Clone, Copy, Default)]
pub(super) struct Tally(u64);

impl Tally {
    pub(super) fn add(&mut self, marks: u64) {
        self.0 += marks >> 7;
    }

    /// How many there were, if not over 255.
    pub(super) fn count(self) -> u64 {
        self.0.wrapping_mul(LOW) >> 56
    }
}

/// Marks the top bit of each byte from `first` to `last`, both ASCII.
pub(super) fn marks_between(word: u64, first: u8, last: u8) -> u64 {
    let low_bits = word & !HIGH;
    let from = |limit: u8| low_bits + LOW * u64::from(0x80 - limit);
    from(first) & !from(last + 1) & !word & HIGH
}

/// Marks letters, and those of them that are capitals.
pub(super) fn marks_of_letters(word: u64) -> (u64, u64) {
    // Small letters have one bit more than capitals, and it lies two places below the mark.
    let letters = marks_between(word | (LOW * 0x20), b'a', b'z');
    (letters, letters & !(word << 2))
}

/// Marks the top bit of each byte of `word` that is `byte`. The lowest mark is always a true one; a borrow may mark
/// bytes above it too.
fn bytes_equal(word: u64, byte: u8) -> u64 {
    let zero_where_equal = word ^ (LOW * u64::from(byte));
    zero_where_equal.wrapping_sub(LOW) & !zero_where_equal & HIGH
}

/// Whether every byte is printable ASCII, space included.
pub(super) fn is_printable_ascii(text: &[u8]) -> bool {
    // The last word may overlap the one before: looking twice is quicker than copying what is left.
    let Some(last) = text.last_chunk::<8>() else { return odd_marks(short_word(text)) == 0 };
    let words = text.as_chunks::<8>().0;
    words.iter().fold(odd_marks(u64::from_le_bytes(*last)), |odd, word| odd | odd_marks(u64::from_le_bytes(*word))) == 0
}

/// What a text is made of, as far as whole words tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Traits {
    /// Every byte is printable ASCII, space included.
    pub(super) is_printable: bool,
    /// There are ASCII capitals.
    pub(super) has_capitals: bool,
    /// There is a `_` or a `|`, in which foreign prefixes end.
    pub(super) has_prefix_marks: bool,
}

/// Finds out in one pass what would take three.
pub(super) fn traits_of(text: &[u8]) -> Traits {
    let (mut odd, mut capitals, mut marks) = (0, 0, 0);
    let mut look = |word: u64| {
        odd |= odd_marks(word);
        capitals |= marks_between(word, b'A', b'Z');
        marks |= bytes_equal(word, b'_') | bytes_equal(word, b'|');
    };
    match text.last_chunk::<8>() {
        // The last word may overlap the one before, which changes no answer.
        Some(last) => {
            text.as_chunks::<8>().0.iter().for_each(|word| look(u64::from_le_bytes(*word)));
            look(u64::from_le_bytes(*last));
        }
        None => look(short_word(text)),
    }
    Traits { is_printable: odd == 0, has_capitals: capitals != 0, has_prefix_marks: marks != 0 }
}

/// All the bytes of a text of up to eight, some of them twice, and spaces: for questions that ask for no place.
fn short_word(text: &[u8]) -> u64 {
    match (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        (Some(first), Some(last)) => u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last)),
        _ => text.iter().fold(SPACES, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// The words of a text; what is left at its end stands in a last one before zeros.
pub(super) fn words_of(text: &[u8]) -> impl Iterator<Item = u64> + Clone {
    let (words, rest) = text.as_chunks::<8>();
    let last = match text.last_chunk::<8>() {
        // In two steps: by 64 bits at once, which nothing left asks for, is an overflow.
        Some(last) => u64::from_le_bytes(*last) >> (63 - 8 * rest.len()) >> 1,
        None => rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    words.iter().map(|word| u64::from_le_bytes(*word)).chain([last])
}

/// Not zero where a byte is below space, DEL or not ASCII: below space borrows its top bit, DEL and one more sets it.
fn odd_marks(word: u64) -> u64 {
    ((word.wrapping_sub(LOW * 0x20) & !word) | word | word.wrapping_add(LOW)) & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Rng;

    #[test]
    fn marks_are_found_at_any_place_among_any_bytes() {
        let mut rng = Rng::new(5);
        // Neighbours of the bytes that are looked for, where a borrow between them would show.
        let palette = [b'a', 0, 1, b'\n' + 1, b'\r' + 1, b',' + 1, 0x80, 0xff, b'\n', b',', b'\r'];
        for _ in 0..20_000 {
            let reach = if rng.chance(0.5) { 8 } else { 11 };
            let length = rng.below(40);
            let text: Vec<u8> = (0..length).map(|_| palette[usize::try_from(rng.below(reach)).unwrap()]).collect();
            let plain = text.iter().position(|byte| b",\n\r".contains(byte)).unwrap_or(text.len());
            assert_eq!(bytes_before(&text, *b",\n\r"), plain, "{text:?}");
        }
    }

    #[test]
    fn marks_are_exact_for_every_byte_beside_every_other() {
        let bytes = |marks: u64| marks.to_le_bytes().map(|byte| byte == 0x80);
        for left in 0..=255_u8 {
            for right in 0..=255_u8 {
                let text = [left, right, b',', left, right, right, 0, left];
                let word = u64::from_le_bytes(text);
                assert_eq!(bytes(marks_between(word, b'A', b'Z')), text.map(|b| b.is_ascii_uppercase()), "{text:?}");
                assert_eq!(bytes(marks_between(word, b'0', b'9')), text.map(|b| b.is_ascii_digit()), "{text:?}");
                let (letters, capitals) = marks_of_letters(word);
                assert_eq!(bytes(letters), text.map(|b| b.is_ascii_alphabetic()), "{text:?}");
                assert_eq!(bytes(capitals), text.map(|b| b.is_ascii_uppercase()), "{text:?}");
            }
        }
    }

    #[test]
    fn places_are_exact_for_every_byte_beside_every_other() {
        let bits = |found: [bool; BLOCK_BYTES]| found.iter().rev().fold(0, |bits, bit| bits << 1 | u32::from(*bit));
        for (left, right) in (0..=255_u8).flat_map(|left| (0..=255).map(move |right| (left, right))) {
            let mut block = [b'x'; BLOCK_BYTES];
            for (at, byte) in
                [(0, left), (1, right), (7, right), (8, left), (12, left), (13, left), (30, right), (31, left)]
            {
                block[at] = byte;
            }
            let expected = bits(block.map(|byte| byte < 16 || b",\"".contains(&byte)));
            assert_eq!(places_in(&block, *b",\""), expected, "{left} {right}");
        }
    }

    #[test]
    fn traits_are_those_of_the_bytes() {
        let mut rng = Rng::new(7);
        let palette = [b'a', b'Z', b'_', b'|', b'@', b'[', b'`', b'^', b'}', b'{', b' ', b'~', 0x7f, 0x1f, 0x80, 0xff];
        for _ in 0..20_000 {
            let mut text = vec![b'a'; usize::try_from(rng.below(40)).unwrap()];
            for byte in &mut text {
                if rng.chance(0.05) {
                    *byte = palette[usize::try_from(rng.below(16)).unwrap()];
                }
            }
            let expected = Traits {
                is_printable: text.iter().all(|byte| matches!(byte, b' '..=b'~')),
                has_capitals: text.iter().any(u8::is_ascii_uppercase),
                has_prefix_marks: text.iter().any(|byte| b"_|".contains(byte)),
            };
            assert_eq!(traits_of(&text), expected, "{text:?}");
        }
    }

    #[test]
    fn every_byte_at_every_place_is_judged() {
        for length in 0..20 {
            assert!(is_printable_ascii(&vec![b'~'; length]) && is_printable_ascii(&vec![b' '; length]));
            for at in 0..length {
                for byte in 0..=255 {
                    let mut text = vec![b'x'; length];
                    text[at] = byte;
                    assert_eq!(is_printable_ascii(&text), matches!(byte, b' '..=b'~'), "{byte} at {at} of {length}");
                }
            }
        }
    }
}
