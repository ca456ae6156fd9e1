//! Where a text needs no escapes.

/// How many bytes come before the first quote, backslash or control character, eight at a time.
pub(super) fn plain_bytes(bytes: &[u8]) -> usize {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let zero_bytes = |word: u64| word.wrapping_sub(EACH) & !word & (EACH << 7);
    let mut passed = 0;
    for chunk in bytes.as_chunks::<8>().0 {
        let word = u64::from_le_bytes(*chunk);
        let quote = zero_bytes(word ^ (EACH * u64::from(b'"')));
        let backslash = zero_bytes(word ^ (EACH * u64::from(b'\\')));
        let control = word.wrapping_sub(EACH * u64::from(b' ')) & !word & (EACH << 7);
        let stops = quote | backslash | control;
        // A borrow can raise a false alarm only behind a true one, so the lowest is always true.
        if stops != 0 {
            return passed + stops.trailing_zeros() as usize / 8;
        }
        passed += 8;
    }
    let rest = &bytes[passed..];
    passed + rest.iter().position(|byte| *byte < b' ' || matches!(byte, b'"' | b'\\')).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::plain_bytes;

    #[test]
    fn every_byte_in_every_place_stops_or_does_not() {
        for byte in 0..=u8::MAX {
            for place in 0..20 {
                let mut text = [b'a'; 20];
                text[place] = byte;
                let stops = byte < b' ' || byte == b'"' || byte == b'\\';
                assert_eq!(plain_bytes(&text), if stops { place } else { 20 }, "byte {byte} at {place}");
            }
        }
        assert_eq!((plain_bytes(b""), plain_bytes(b"\"")), (0, 0));
    }
}
