//! Looking at eight bytes at a time: nearly every byte of an input passes here, and nearly none needs a second look.

const LOW: u64 = u64::from_le_bytes([1; 8]);
const HIGH: u64 = LOW << 7;

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

/// Marks the top bit of each byte of `word` that is one of `bytes` or below 16, as line ends are, and of no other.
pub(super) fn marks_of(word: u64, bytes: [u8; 2]) -> u64 {
    let not_equal = |byte: u8| {
        let zero_where_equal = word ^ (LOW * u64::from(byte));
        ((zero_where_equal & !HIGH) + !HIGH) | zero_where_equal
    };
    let from_16 = ((word & !HIGH) + LOW * 0x70) | word;
    !(not_equal(bytes[0]) & not_equal(bytes[1]) & from_16) & HIGH
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

/// Marks the top bit of each byte of `word` that is `byte`. The lowest mark is always a true one; a borrow may mark
/// bytes above it too.
fn bytes_equal(word: u64, byte: u8) -> u64 {
    let zero_where_equal = word ^ (LOW * u64::from(byte));
    zero_where_equal.wrapping_sub(LOW) & !zero_where_equal & HIGH
}

/// Whether every byte is printable ASCII, space included.
pub(super) fn is_printable_ascii(text: &[u8]) -> bool {
    // The last word may overlap the one before: looking twice is quicker than copying what is left.
    let Some(last) = text.last_chunk::<8>() else {
        return text.iter().all(|byte| matches!(byte, b' '..=b'~'));
    };
    let words = text.as_chunks::<8>().0;
    words.iter().chain([last]).fold(0, |odd, word| odd | odd_marks(u64::from_le_bytes(*word))) == 0
}

/// The words of a text; what is left at its end stands in a last one before zeros.
pub(super) fn words_of(text: &[u8]) -> impl Iterator<Item = u64> + Clone {
    let (words, rest) = text.as_chunks::<8>();
    let last = rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
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
                assert_eq!(bytes(marks_of(word, *b",\"")), text.map(|b| b < 16 || b",\"".contains(&b)), "{text:?}");
                assert_eq!(bytes(marks_between(word, b'A', b'Z')), text.map(|b| b.is_ascii_uppercase()), "{text:?}");
                assert_eq!(bytes(marks_between(word, b'0', b'9')), text.map(|b| b.is_ascii_digit()), "{text:?}");
            }
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
