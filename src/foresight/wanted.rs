//! What a file needs to know of the pool, as hashes: 16 bytes a row, whatever the values.

use super::fold::{email_hash, identity_hash, name_hash, sub_hash};
use crate::domain::identity::Destination;
use crate::domain::row::Link;
use crate::service::PoolUser;

/// What the rows of a file name, being collected while it is read for the first time.
#[derive(Debug, Clone, Default)]
pub struct WantedRows {
    hashes: Vec<u64>,
}

impl WantedRows {
    /// Notes what a row names: its destination, its identity, and with the identity the user name of its own profile.
    pub fn add(&mut self, link: &Link) {
        self.hashes.push(destination_hash(&link.destination));
        self.hashes.push(identity_hash(link.source.provider().as_str(), link.source.value().expose()));
    }

    #[must_use]
    pub fn finish(self) -> Wanted {
        let mut hashes = self.hashes;
        hashes.sort_unstable();
        hashes.dedup();
        hashes.shrink_to_fit();
        Wanted { hashes }
    }
}

#[derive(Debug, Clone, Default)]
pub struct Wanted {
    hashes: Vec<u64>,
}

impl Wanted {
    pub(super) fn has(&self, hash: u64) -> bool {
        self.hashes.binary_search(&hash).is_ok()
    }

    /// How many different questions about users the rows ask.
    #[must_use]
    pub fn question_count(&self) -> usize {
        self.hashes.len()
    }

    /// Under which of its names rows may mean this user, or ask for an identity of it; empty where none does.
    pub(super) fn hashes_of(&self, user: &PoolUser) -> Vec<u64> {
        let names = [
            Some(name_hash(user.username.expose())),
            user.sub.as_ref().map(|sub| sub_hash(sub.expose())),
            user.email.as_ref().map(|email| email_hash(email.expose())),
        ];
        let identities = user.identities.iter().map(|held| identity_hash(&held.provider_name, held.user_id.expose()));
        let mut wanted: Vec<u64> =
            names.into_iter().flatten().chain(identities).filter(|hash| self.has(*hash)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted
    }
}

pub(super) fn destination_hash(destination: &Destination) -> u64 {
    match destination {
        Destination::Username(name) => name_hash(name.expose()),
        Destination::Email(email) => email_hash(email.expose()),
        Destination::Sub(sub) => sub_hash(sub.expose()),
        Destination::Federated { provider, user_id } => identity_hash(provider.as_str(), user_id.expose()),
    }
}
