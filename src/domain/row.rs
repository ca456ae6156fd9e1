//! A row of the input, and its permanent key.

use std::fmt;
use std::hash::{Hash, Hasher};

use xxhash_rust::xxh3::Xxh3;

use super::identity::{Destination, ExternalIdentity, PoolId};

/// The number of a row in the input: the first row of data is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowNumber(pub u64);

impl fmt::Display for RowNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A link that a row names: this identity on that user.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Link {
    pub destination: Destination,
    /// The identity that is to sign in as that user.
    pub source: ExternalIdentity,
}

/// A row as the ledger knows it: 128 bits over pool, destination and source, so that the input may be sorted, edited
/// and extended between runs. It reveals nothing about the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowKey([u64; 2]);

/// Half of it is as good as all of it: it is a hash already.
impl Hash for RowKey {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.0[1]);
    }
}

impl RowKey {
    /// The first half of the key. Keys in order have these in order.
    pub fn leading_u64(self) -> u64 {
        self.0[0]
    }

    /// The key of a link in a pool. Each part goes in with its length, so that no two links share a text.
    pub fn of(pool: &PoolId, link: &Link) -> Self {
        let destination_provider = match &link.destination {
            Destination::Federated { provider, .. } => provider.as_str(),
            _ => "",
        };
        let parts = [
            pool.as_str(),
            link.destination.kind(),
            destination_provider,
            link.destination.value().expose(),
            link.source.provider().as_str(),
            link.source.attribute().as_str(),
            link.source.value().expose(),
        ];
        let mut hasher = Xxh3::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        Self::from_u128(hasher.digest128())
    }

    /// The key of a record that gives no link: over its bytes, so that it is the same row until somebody corrects it.
    pub fn of_broken(record: &[u8]) -> Self {
        let mut hasher = Xxh3::new();
        for part in [b"broken record".as_slice(), record] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self::from_u128(hasher.digest128())
    }

    /// Reads the 32 hexadecimal digits that [`fmt::Display`] writes; `None` for anything else.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (high, low) = text.split_at_checked(16)?;
        Some(Self([parse_hex(high)?, parse_hex(low)?]))
    }

    #[expect(clippy::cast_possible_truncation, reason = "the two halves of 128 bits")]
    fn from_u128(value: u128) -> Self {
        Self([(value >> 64) as u64, value as u64])
    }
}

/// What a correction of a source value keeps: 64 bits over destination and source provider. A row of another input with
/// the same place is taken for the corrected row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowPlace(u64);

impl RowPlace {
    pub fn of(link: &Link) -> Self {
        let destination_provider = match &link.destination {
            Destination::Federated { provider, .. } => provider.as_str(),
            _ => "",
        };
        let mut hasher = Xxh3::new();
        for part in [
            link.destination.kind(),
            destination_provider,
            link.destination.value().expose(),
            link.source.provider().as_str(),
        ] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        Self(hasher.digest())
    }

    /// Reads the 16 hexadecimal digits that [`fmt::Display`] writes; `None` for anything else.
    pub fn parse(text: &[u8]) -> Option<Self> {
        parse_hex(text).map(Self)
    }
}

impl fmt::Display for RowPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// Parses lower-case digits; `None` for any other length than 16.
fn parse_hex(text: &[u8]) -> Option<u64> {
    /// What each byte stands for. A table, because branches on random digits are mispredicted.
    const VALUES: [u8; 256] = hex_values();
    let digits: &[u8; 16] = text.try_into().ok()?;
    let (value, all) = digits.iter().fold((0, 0), |(value, all), digit| {
        let digit = VALUES[usize::from(*digit)];
        (value << 4 | u64::from(digit & 15), all | digit)
    });
    (all < 16).then_some(value)
}

/// The values of the digits, and 255 for all other bytes.
const fn hex_values() -> [u8; 256] {
    let mut values = [u8::MAX; 256];
    let digits = b"0123456789abcdef";
    let mut value = 0;
    while value < 16 {
        values[digits[value as usize] as usize] = value;
        value += 1;
    }
    values
}

impl fmt::Display for RowKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}{:016x}", self.0[0], self.0[1])
    }
}

/// A row that passed the checks and may be worked on.
#[derive(Debug, Clone)]
pub struct Row {
    pub number: RowNumber,
    pub link: Link,
    pub key: RowKey,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::{AttributeName, Personal, ProviderName};

    fn link(destination: Destination, provider: &str, value: &str) -> Link {
        let source = ExternalIdentity::new(
            ProviderName::parse(provider).unwrap(),
            AttributeName::subject(),
            Personal::parse(value, 128).unwrap(),
        );
        Link { destination, source: source.unwrap() }
    }

    fn named(text: &str) -> Personal {
        Personal::parse(text, 128).unwrap()
    }

    #[test]
    fn keys_differ_in_every_part() {
        let pool = PoolId::parse("us-east-1_Abc").unwrap();
        let other_pool = PoolId::parse("us-east-1_Abd").unwrap();
        let base = link(Destination::Username(named("ab")), "Google", "cd");
        let keys = [
            RowKey::of(&pool, &base),
            RowKey::of(&other_pool, &base),
            RowKey::of(&pool, &link(Destination::Email(named("ab")), "Google", "cd")),
            RowKey::of(&pool, &link(Destination::Username(named("abc")), "Google", "d")),
            RowKey::of(&pool, &link(Destination::Username(named("AB")), "Google", "cd")),
            RowKey::of(&pool, &link(Destination::Username(named("ab")), "Googl", "ecd")),
        ];
        let distinct: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }

    #[test]
    fn a_key_reads_back_and_never_changes() {
        let pool = PoolId::parse("us-east-1_Abc").unwrap();
        let key = RowKey::of(&pool, &link(Destination::Username(named("ab")), "Google", "cd"));
        assert_eq!(RowKey::parse(key.to_string().as_bytes()), Some(key));
        // Ledgers live longer than versions: a change of this text would send every row a second time.
        assert_eq!(key.to_string(), "5230e32a47d46755f39c00dc9a066e71");
        assert_eq!(RowKey::parse(b"xyz"), None);
        for byte in 0..=u8::MAX {
            let (digit, place) = (char::from(byte).to_digit(16), usize::from(byte) % 32);
            let mut text = [b'0'; 32];
            text[place] = byte;
            let expected =
                digit.filter(|_| !byte.is_ascii_uppercase()).map(|value| u128::from(value) << (4 * (31 - place)));
            assert_eq!(RowKey::parse(&text), expected.map(RowKey::from_u128), "byte {byte}");
        }
    }
}
