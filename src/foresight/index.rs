//! What was read of the pool, as far as a file needs it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::fold::{folded, identity_hash, name_hash};
use super::resolve::{self, Named};
use super::wanted::{Wanted, destination_hash};
use crate::clock::UnixMs;
use crate::domain::identity::{Destination, DestinationUser, Personal, ProviderName, profile_username};
use crate::domain::outcome::RefusalCode;
use crate::service::PoolUser;

/// A user of the pool whom a file means, or who stands in its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedUser {
    pub username: Personal,
    pub sub: Option<Personal>,
    pub email: Option<Personal>,
    /// `UserStatus`: for people, never for a decision.
    pub status: Arc<str>,
    /// The identities on this user, its own (`primary`) included.
    pub identities: Box<[HeldIdentity]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldIdentity {
    pub provider: Arc<str>,
    /// The provider's id of the user, true case.
    pub user_id: Personal,
    /// Whether the profile was born from this identity.
    pub primary: bool,
    /// When it was linked, in the service's milliseconds.
    pub created_unix_ms: Option<UnixMs>,
}

impl HeldIdentity {
    /// Whether it is this identity, by exact case.
    #[must_use]
    pub fn is(&self, provider: &ProviderName, user_id: &Personal) -> bool {
        *self.provider == *provider.as_str() && self.user_id == *user_id
    }
}

impl IndexedUser {
    /// Whether this profile was born from an external identity.
    #[must_use]
    pub fn is_federated(&self) -> bool {
        self.identities.iter().any(|held| held.primary)
    }

    fn named(&self) -> Named<'_> {
        Named {
            username: &self.username,
            sub: self.sub.as_ref(),
            email: self.email.as_ref(),
            federated: self.is_federated(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(u32);

#[derive(Debug)]
pub struct IndexBuilder {
    wanted: Wanted,
    case_sensitive: bool,
    texts: BTreeSet<Arc<str>>,
    users: Vec<IndexedUser>,
    entries: Vec<(u64, Slot)>,
}

impl IndexBuilder {
    /// An index of what `wanted` names, of a pool that tells user names apart by case, or does not.
    #[must_use]
    pub fn new(wanted: Wanted, case_sensitive: bool) -> Self {
        Self { wanted, case_sensitive, texts: BTreeSet::new(), users: Vec::new(), entries: Vec::new() }
    }

    /// Takes the users of a page, and keeps those whom the file needs. A user may come twice: what came last counts.
    pub fn feed(&mut self, users: Vec<PoolUser>) {
        for user in users {
            let hashes = self.wanted.hashes_of(&user);
            let Ok(place) = u32::try_from(self.users.len()) else { return };
            if !hashes.is_empty() {
                self.entries.extend(hashes.into_iter().map(|hash| (hash, Slot(place))));
                let user = self.keep(user);
                self.users.push(user);
            }
        }
    }

    fn keep(&mut self, user: PoolUser) -> IndexedUser {
        let identities = user.identities.into_iter().map(|held| HeldIdentity {
            provider: shared(&mut self.texts, &held.provider_name),
            user_id: held.user_id,
            primary: held.primary,
            created_unix_ms: held.created_unix_ms,
        });
        let identities = identities.collect();
        let status = shared(&mut self.texts, &user.status);
        IndexedUser { username: user.username, sub: user.sub, email: user.email, status, identities }
    }

    #[must_use]
    pub fn finish(self) -> Index {
        let Self { case_sensitive, users, mut entries, .. } = self;
        let stale = stale_slots(&users);
        entries.retain(|(_, slot)| !stale.contains(slot));
        entries.sort_unstable();
        entries.shrink_to_fit();
        let user_count = users.len() - stale.len();
        Index { case_sensitive, users, entries, user_count }
    }
}

/// Few distinct texts stand on millions of users.
fn shared(texts: &mut BTreeSet<Arc<str>>, text: &str) -> Arc<str> {
    if let Some(known) = texts.get(text) {
        return Arc::clone(known);
    }
    let new: Arc<str> = text.into();
    texts.insert(Arc::clone(&new));
    new
}

/// Where a user came more than once, all places but the last.
fn stale_slots(users: &[IndexedUser]) -> BTreeSet<Slot> {
    let mut by_name: Vec<(u64, u32)> =
        (0..).zip(users).map(|(place, user)| (name_hash(user.username.expose()), place)).collect();
    by_name.sort_unstable();
    let mut stale = BTreeSet::new();
    for same_hash in by_name.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
        for (position, (_, place)) in same_hash.iter().enumerate() {
            let name = users.get(*place as usize).map(|user| &user.username);
            let later = &same_hash[position + 1..];
            if later.iter().any(|(_, later)| users.get(*later as usize).map(|user| &user.username) == name) {
                stale.insert(Slot(*place));
            }
        }
    }
    stale
}

/// What was read of the pool, as far as a file needs it.
#[derive(Debug)]
pub struct Index {
    case_sensitive: bool,
    users: Vec<IndexedUser>,
    /// What rows may ask for, and who answers to it; sorted.
    entries: Vec<(u64, Slot)>,
    user_count: usize,
}

impl Index {
    #[must_use]
    pub fn user_count(&self) -> usize {
        self.user_count
    }

    #[must_use]
    pub fn user(&self, slot: Slot) -> Option<&IndexedUser> {
        self.users.get(slot.0 as usize)
    }

    fn under(&self, hash: u64) -> impl Iterator<Item = (Slot, &IndexedUser)> + use<'_> {
        let from = self.entries.partition_point(|(held, _)| *held < hash);
        let same = self.entries[from..].iter().take_while(move |(held, _)| *held == hash);
        same.filter_map(|(_, slot)| Some((*slot, self.user(*slot)?)))
    }

    /// The user whom a destination means: exactly one, as [`resolve::resolve`] finds it, and what is to be sent.
    ///
    /// # Errors
    /// [`RefusalCode::UserNotFound`] for none, [`RefusalCode::UserAmbiguous`] for several.
    pub fn destination(&self, destination: &Destination) -> Result<(Slot, DestinationUser), RefusalCode> {
        match destination {
            Destination::Username(name) => {
                let (slot, _) = self.by_username(name.expose()).ok_or(RefusalCode::UserNotFound)?;
                Ok((slot, DestinationUser { provider: ProviderName::native(), value: name.clone() }))
            }
            Destination::Federated { provider, user_id } => {
                let (slot, _) = self.born_from(provider, user_id).ok_or(RefusalCode::UserNotFound)?;
                Ok((slot, DestinationUser { provider: provider.clone(), value: user_id.clone() }))
            }
            Destination::Email(_) | Destination::Sub(_) => {
                let mut meant = self.meant(destination);
                match (meant.next(), meant.next()) {
                    (Some((slot, user)), None) => {
                        let value = user.username.clone();
                        Ok((slot, DestinationUser { provider: ProviderName::native(), value }))
                    }
                    (None, _) => Err(RefusalCode::UserNotFound),
                    (Some(_), Some(_)) => Err(RefusalCode::UserAmbiguous),
                }
            }
        }
    }

    fn meant<'a, 'b>(
        &'a self,
        destination: &'b Destination,
    ) -> impl Iterator<Item = (Slot, &'a IndexedUser)> + use<'a, 'b> {
        self.under(destination_hash(destination))
            .filter(|(_, user)| resolve::is_meant(destination, user.named(), self.case_sensitive))
    }

    /// The one of several users that an ambiguous destination may mean whom somebody chose by user name.
    #[must_use]
    pub fn chosen(&self, destination: &Destination, username: &Personal) -> Option<(Slot, DestinationUser)> {
        let (slot, user) = self.meant(destination).find(|(_, user)| user.username == *username)?;
        Some((slot, DestinationUser { provider: ProviderName::native(), value: user.username.clone() }))
    }

    /// The users whom an ambiguous destination may mean, by user name.
    #[must_use]
    pub fn candidates(&self, destination: &Destination) -> Vec<&IndexedUser> {
        let mut users: Vec<_> = self.meant(destination).map(|(_, user)| user).collect();
        users.sort_unstable_by(|a, b| a.username.cmp(&b.username));
        users
    }

    /// The user of this name, as the pool compares names.
    #[must_use]
    pub fn by_username(&self, username: &str) -> Option<(Slot, &IndexedUser)> {
        let wanted = folded(username);
        let same = |held: &str| held == username || !self.case_sensitive && folded(held) == wanted;
        self.under(name_hash(username)).find(|(_, user)| same(user.username.expose()))
    }

    /// Whether there is a user whose name differs from this one in case only.
    #[must_use]
    pub fn has_username_in_other_case(&self, username: &str) -> bool {
        let wanted = folded(username);
        let other = |held: &str| held != username && folded(held) == wanted;
        self.under(name_hash(username)).any(|(_, user)| other(user.username.expose()))
    }

    /// The user whose profile was born from this identity.
    #[must_use]
    pub fn born_from(&self, provider: &ProviderName, user_id: &Personal) -> Option<(Slot, &IndexedUser)> {
        self.holder(provider, user_id).filter(|(_, _, held)| held.primary).map(|(slot, user, _)| (slot, user))
    }

    /// Who holds this identity, by exact case.
    #[must_use]
    pub fn holder(&self, provider: &ProviderName, user_id: &Personal) -> Option<(Slot, &IndexedUser, &HeldIdentity)> {
        self.under(identity_hash(provider.as_str(), user_id.expose())).find_map(|(slot, user)| {
            let held = user.identities.iter().find(|held| held.is(provider, user_id))?;
            Some((slot, user, held))
        })
    }

    /// Whether somebody holds an identity that differs from this one in case only.
    #[must_use]
    pub fn is_held_in_other_case(&self, provider: &ProviderName, user_id: &Personal) -> bool {
        let wanted = folded(user_id.expose());
        let other = |held: &HeldIdentity| {
            *held.provider == *provider.as_str() && held.user_id != *user_id && folded(held.user_id.expose()) == wanted
        };
        self.under(identity_hash(provider.as_str(), user_id.expose()))
            .any(|(_, user)| user.identities.iter().any(other))
    }

    /// Whether a native user wears the user name that the identity's own profile would have.
    #[must_use]
    pub fn has_native_in_the_way(&self, provider: &ProviderName, user_id: &Personal) -> bool {
        let name = profile_username(provider.as_str(), user_id.expose());
        self.by_username(&name).is_some_and(|(_, user)| !user.is_federated())
    }
}

#[cfg(test)]
mod tests;
