//! The hash chain over the lines of a ledger, by which an edit, a cut or another order of its lines is found.
//!
//! The state after a line is the SHA-256 of the state before it (32 bytes; zeros before the first line) and of the line's
//! bytes up to its last member. That member, `hash`, is the first 8 bytes of the new state. So every line covers all
//! lines before it with the whole state, and costs 27 bytes.

use std::fmt::{self, Write as _};

use sha2::{Digest, Sha256};

use super::record::RecordError;

const HASH_BYTES: usize = 8;
const HASH_START: &[u8] = b",\"hash\":\"";
const HASH_END: &[u8] = b"\"}";
/// The bytes of the last member, with the brace that closes the line.
const SEAL_BYTES: usize = HASH_START.len() + 2 * HASH_BYTES + HASH_END.len();

/// The state of a chain after a line: it stands for that line and all before it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ChainHead([u8; 32]);

impl ChainHead {
    /// Reads what [`fmt::Display`] writes; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut state = [0; 32];
        for (byte, pair) in state.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(state))
    }

    fn after(self, body: &[u8]) -> Self {
        Self(Sha256::new().chain_update(self.0).chain_update(body).finalize().into())
    }

    fn hash(self) -> [u8; 2 * HASH_BYTES] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 2 * HASH_BYTES];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        text
    }

    /// Adds the hash to the record that ends `buffer` and starts at `start`: a JSON object with a member. Returns the state
    /// after that line.
    pub(super) fn seal(self, buffer: &mut Vec<u8>, start: usize) -> Self {
        buffer.pop();
        let next = self.after(&buffer[start..]);
        buffer.extend_from_slice(HASH_START);
        buffer.extend_from_slice(&next.hash());
        buffer.extend_from_slice(HASH_END);
        next
    }

    /// Checks the hash of a line that follows this state. Returns the record without its hash, and the state after it.
    pub(super) fn open(self, line: &mut [u8]) -> Result<(&[u8], Self), RecordError> {
        let (body, digits) = sealed_parts(line).ok_or(RecordError::NoHash)?;
        let next = self.after(body);
        if digits != next.hash() {
            return Err(if are_digits(digits) { RecordError::WrongHash } else { RecordError::NoHash });
        }
        let body_bytes = body.len();
        line[body_bytes] = b'}';
        Ok((&line[..=body_bytes], next))
    }
}

/// Returns the record of a line whose hash was checked before.
pub(super) fn without_hash(line: &mut [u8]) -> Result<&[u8], RecordError> {
    let (body, digits) = sealed_parts(line).ok_or(RecordError::NoHash)?;
    if !are_digits(digits) {
        return Err(RecordError::NoHash);
    }
    let body_bytes = body.len();
    line[body_bytes] = b'}';
    Ok(&line[..=body_bytes])
}

/// Returns what stands before the last member and in it; `None` where that is no hash.
fn sealed_parts(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (body, seal) = line.split_at_checked(line.len().checked_sub(SEAL_BYTES)?)?;
    Some((body, seal.strip_prefix(HASH_START)?.strip_suffix(HASH_END)?))
}

fn are_digits(text: &[u8]) -> bool {
    text.iter().all(|byte| digit(*byte).is_some())
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for ChainHead {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for ChainHead {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ChainHead(")?;
        fmt::Display::fmt(self, formatter)?;
        formatter.write_char(')')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with `hashlib` of Python: `sha256(bytes(32) + b'{"a":1')`, and of that state and `{"b":"}"`.
    const FIRST: &str = "607ca6addc015e6bd181f4700e76996f0a2361ee7a2e4b2dbe5d7dd2f948d448";
    const SECOND: &str = "def02262ad14860af0edec5e17df7b4a9f8961a8e4162a9779e3042a8b97c254";

    #[test]
    fn lines_have_the_hash_that_another_implementation_computes() {
        let mut buffer = b"{\"a\":1}".to_vec();
        let first = ChainHead::default().seal(&mut buffer, 0);
        assert_eq!(first.to_string(), FIRST);
        assert_eq!(String::from_utf8(buffer.clone()).unwrap(), format!("{{\"a\":1,\"hash\":\"{}\"}}", &FIRST[..16]));
        let start = buffer.len();
        buffer.extend_from_slice(b"{\"b\":\"}\"}");
        let second = first.seal(&mut buffer, start);
        assert_eq!(second.to_string(), SECOND);
        let mut line = buffer[start..].to_vec();
        assert_eq!(first.open(&mut line), Ok((&b"{\"b\":\"}\"}"[..], second)));
        let mut line = buffer[start..].to_vec();
        assert_eq!(without_hash(&mut line), Ok(&b"{\"b\":\"}\"}"[..]));
        let mut line = buffer[start..].to_vec();
        assert_eq!(second.open(&mut line), Err(RecordError::WrongHash));
        assert_eq!(line, buffer[start..], "a refused line is left as it was");
    }

    #[test]
    fn a_line_without_a_hash_at_its_end_is_refused() {
        let hash = "0123456789abcdef";
        for line in [
            String::new(),
            "{}".to_owned(),
            format!("{{\"hash\":\"{hash}\",\"a\":1}}"),
            format!("{{\"a\":1,\"hash\":\"{hash}\"}} "),
            format!("{{\"a\":1, \"hash\":\"{hash}\"}}"),
            format!("{{\"a\":1,\"hash\":\"{}\"}}", hash.to_uppercase()),
        ] {
            assert_eq!(ChainHead::default().open(&mut line.clone().into_bytes()), Err(RecordError::NoHash), "{line}");
        }
    }

    #[test]
    fn heads_read_back() {
        assert_eq!(ChainHead::parse(FIRST).map(|head| head.to_string()), Some(FIRST.to_owned()));
        for bad in ["", &FIRST[1..], &FIRST.to_uppercase(), &FIRST.replace('0', "g"), &format!("{FIRST}0")] {
            assert_eq!(ChainHead::parse(bad), None, "{bad}");
        }
    }
}
