//! One of several machines that work on one input without talking to each other.

use std::fmt;

use xxhash_rust::xxh3::xxh3_64;

use super::identity::Destination;
use super::row::RowNumber;
use crate::limits::SHARDS_MAX;

/// Shard `index` of `count`, written `index/count` with the first one 0, as AWS Batch and Kubernetes count.
///
/// Two rows of one destination are always of one shard: a destination is taken by its lower-cased value, whatever its
/// row. Rows that name one user in two ways, once by user name and once by e-mail address, may be of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shard {
    index: u32,
    count: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected INDEX/COUNT, the index from 0 and below the count, the count up to {SHARDS_MAX}: 0/4, 1/4, 2/4, 3/4")]
pub struct ShardError;

impl Shard {
    pub fn new(index: u32, count: u32) -> Result<Self, ShardError> {
        if index < count && count <= SHARDS_MAX { Ok(Self { index, count }) } else { Err(ShardError) }
    }

    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Result<Self, ShardError> {
        let numbers = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        let (index, count) = numbers.ok_or(ShardError)?;
        Self::new(index, count)
    }

    /// Its number, from 0.
    pub fn index(self) -> u32 {
        self.index
    }

    pub fn count(self) -> u32 {
        self.count
    }

    pub fn has(self, destination: &Destination) -> bool {
        let value = match destination {
            // The name by which the pool lists the user, so that a row by user name falls together with it.
            Destination::Federated { provider, user_id } => {
                super::identity::profile_username(provider.as_str(), user_id.expose())
            }
            other => other.value().expose().to_owned(),
        };
        xxh3_64(value.to_lowercase().as_bytes()) % u64::from(self.count) == u64::from(self.index)
    }

    /// Whether a row that names no destination, being invalid, is its: each is counted by one shard.
    pub fn has_invalid(self, number: RowNumber) -> bool {
        number.0 % u64::from(self.count) == u64::from(self.index)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::{Personal, ProviderName};

    #[test]
    fn shards_are_read_as_they_are_written() {
        for (text, expected) in [("0/1", Some((0, 1))), ("3/4", Some((3, 4))), ("0/1000", Some((0, 1_000)))] {
            let shard = Shard::parse(text).ok();
            assert_eq!(shard.map(|shard| (shard.index(), shard.count())), expected);
            assert_eq!(shard.map(|shard| shard.to_string()).as_deref(), Some(text));
        }
        for bad in ["4/4", "0/0", "1", "-1/4", "a/b", "0/4/2", "", "0/99999999"] {
            assert_eq!(Shard::parse(bad), Err(ShardError), "{bad}");
        }
    }

    #[test]
    fn each_destination_is_of_one_shard_however_it_is_written() {
        let count = 4;
        let shards: Vec<Shard> = (0..count).map(|index| Shard::new(index, count).unwrap()).collect();
        let of = |destination: &Destination| {
            let has: Vec<u32> = shards.iter().filter(|shard| shard.has(destination)).map(|one| one.index()).collect();
            assert_eq!(has.len(), 1);
            has[0]
        };
        let mut sizes = [0; 4];
        for number in 0..4_000 {
            let upper = Destination::Username(Personal::from_service(&format!("User-{number}")));
            let lower = Destination::Username(Personal::from_service(&format!("user-{number}")));
            assert_eq!(of(&upper), of(&lower));
            sizes[of(&upper) as usize] += 1;
        }
        assert!(sizes.iter().all(|size| (900..1_100).contains(size)), "{sizes:?}");
        let federated = Destination::Federated {
            provider: ProviderName::parse("Google").unwrap(),
            user_id: Personal::from_service("108"),
        };
        assert_eq!(of(&federated), of(&Destination::Username(Personal::from_service("google_108"))));
        // Resumed runs and other machines must draw the same lines: this never changes.
        assert_eq!(of(&Destination::Username(Personal::from_service("alice"))), xxh3_of_alice());
        assert_eq!((0..8).filter(|number| shards[1].has_invalid(RowNumber(*number))).count(), 2);
    }

    fn xxh3_of_alice() -> u32 {
        u32::try_from(xxh3_64(b"alice") % 4).unwrap()
    }
}
