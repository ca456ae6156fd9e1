//! What was read of the pool, as far as the rows of a file need it.
//!
//! A file and a pool meet under 64-bit hashes that ignore case, so that what differs only in case is found too. A hash only
//! narrows the search: the values themselves are compared, so a collision costs memory and never a wrong answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::destination::{self, CorrectionHint, PoolNaming, UserNames, choose_user, folded, is_same_name};
use super::trust::{Distrust, TrustPolicy, UserEvidence, doubts_about};
use crate::clock::UnixMs;
use crate::domain::hash_index::{HashIndex, HashSet64};
use crate::domain::identity::{Destination, DestinationUser, Personal, ProviderName, profile_username};
use crate::domain::outcome::RefusalCode;
use crate::domain::row::Link;
use crate::service::PoolUser;

/// Collects which users and identities the rows of a file name.
#[derive(Debug, Clone, Default)]
pub struct RequiredUsersBuilder {
    hashes: Vec<u64>,
    /// Of user names that may be an address or a `sub` by mistake, as that.
    mistaken_hashes: Vec<u64>,
}

impl RequiredUsersBuilder {
    /// Notes what a row names: its destination, its identity, and with the identity the user name of its own profile.
    pub fn add(&mut self, link: &Link) {
        self.hashes.push(destination_hash(&link.destination));
        let mistaken = destination::mistaken_destination(&link.destination, MISTAKEN_ANYWHERE);
        self.mistaken_hashes.extend(mistaken.map(|mistaken| destination_hash(&mistaken)));
        self.hashes.push(identity_hash(link.source.provider().as_str(), link.source.value().expose()));
    }

    pub fn build(self) -> RequiredUsers {
        RequiredUsers { hashes: self.hashes.into(), mistaken_hashes: self.mistaken_hashes.into() }
    }
}

/// A pool in which a user name may be a `sub` by mistake: what is kept of a pool for nothing costs little.
const MISTAKEN_ANYWHERE: PoolNaming = PoolNaming { case_sensitive: true, usernames_are_subs: false };

#[derive(Debug, Clone, Default)]
pub struct RequiredUsers {
    hashes: HashSet64,
    mistaken_hashes: HashSet64,
}

impl RequiredUsers {
    /// How many different users and identities the rows name.
    pub fn lookup_count(&self) -> usize {
        self.hashes.len()
    }

    /// The hashes by which rows may mean this user or an identity of it; empty where none does.
    pub(super) fn hashes_of(&self, user: &PoolUser) -> Vec<u64> {
        let names = [
            Some(name_hash(user.username.expose())),
            user.sub.as_ref().map(|sub| sub_hash(sub.expose())),
            user.email.as_ref().map(|email| email_hash(email.expose())),
            user.phone.as_ref().map(|number| phone_hash(number.expose())),
            user.preferred_username.as_ref().map(|name| preferred_username_hash(name.expose())),
        ];
        let identities = user.identities.iter().map(|held| identity_hash(&held.provider_name, held.user_id.expose()));
        let mut wanted: Vec<u64> = names
            .into_iter()
            .flatten()
            .chain(identities)
            .filter(|hash| self.hashes.contains(*hash) || self.mistaken_hashes.contains(*hash))
            .collect();
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
        Destination::Phone(number) => phone_hash(number.expose()),
        Destination::PreferredUsername(name) => preferred_username_hash(name.expose()),
        Destination::Federated { provider, user_id } => identity_hash(provider.as_str(), user_id.expose()),
    }
}

/// A user of the pool that a row may mean, or that holds an identity that a row names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedUser {
    pub username: Personal,
    pub sub: Option<Personal>,
    pub email: Option<Personal>,
    pub email_verified: bool,
    pub phone: Option<Personal>,
    pub phone_verified: bool,
    pub preferred_username: Option<Personal>,
    /// `UserStatus`: whether the user is trusted, never whether it is federated.
    pub status: Arc<str>,
    pub enabled: bool,
    /// `UserLastModifiedDate`.
    pub modified_unix_ms: Option<UnixMs>,
    /// The identities on this user, its own (`primary`) included.
    pub identities: Box<[IndexedIdentity]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedIdentity {
    pub provider: Arc<str>,
    /// The provider's id of the user, true case.
    pub user_id: Personal,
    /// Whether it is the own identity of a federated user.
    pub primary: bool,
    /// When it was linked, in the service's milliseconds.
    pub created_unix_ms: Option<UnixMs>,
    /// Whether it shows an issuer, which a SAML identity has from its first sign-in on.
    pub has_issuer: bool,
}

impl IndexedIdentity {
    /// Whether it is this identity, by exact case.
    pub fn is(&self, provider: &ProviderName, user_id: &Personal) -> bool {
        *self.provider == *provider.as_str() && self.user_id == *user_id
    }
}

impl IndexedUser {
    /// Whether this profile was born from an external identity.
    pub fn is_federated(&self) -> bool {
        self.identities.iter().any(|held| held.primary)
    }

    fn evidence(&self) -> UserEvidence<'_> {
        UserEvidence {
            status: &self.status,
            has_email: self.email.is_some(),
            email_verified: self.email_verified,
            phone_verified: self.phone_verified,
        }
    }

    /// What is doubtful about this user where a row names it by user name or `sub`.
    pub fn doubts(&self) -> impl Iterator<Item = Distrust> + use<> {
        doubts_about(self.evidence())
    }

    fn names(&self) -> UserNames<'_> {
        UserNames {
            username: &self.username,
            sub: self.sub.as_ref(),
            email: self.email.as_ref(),
            phone: self.phone.as_ref(),
            preferred_username: self.preferred_username.as_ref(),
            federated: self.is_federated(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserPosition(u32);

#[derive(Debug)]
pub struct PoolIndexBuilder {
    required: RequiredUsers,
    case_sensitive: bool,
    shows_capitals: bool,
    texts: BTreeSet<Arc<str>>,
    users: Vec<IndexedUser>,
    entries: Vec<(u64, UserPosition)>,
}

impl PoolIndexBuilder {
    /// An empty index that keeps the `required` users.
    pub fn new(required: RequiredUsers, case_sensitive: bool) -> Self {
        Self {
            required,
            case_sensitive,
            shows_capitals: false,
            texts: BTreeSet::new(),
            users: Vec::new(),
            entries: Vec::new(),
        }
    }

    /// Takes the users of a page, and keeps those that the file needs. A user may come twice: the last one counts.
    pub fn add_users(&mut self, users: Vec<PoolUser>) {
        for user in users {
            let hashes = self.required.hashes_of(&user);
            self.note_spelling(&user);
            let Ok(position) = u32::try_from(self.users.len()) else { return };
            if !hashes.is_empty() {
                self.entries.extend(hashes.into_iter().map(|hash| (hash, UserPosition(position))));
                let user = self.compact(user);
                self.users.push(user);
            }
        }
    }

    fn compact(&mut self, user: PoolUser) -> IndexedUser {
        let identities = user.identities.into_iter().map(|held| IndexedIdentity {
            provider: shared(&mut self.texts, &held.provider_name),
            user_id: held.user_id,
            primary: held.primary,
            created_unix_ms: held.created_unix_ms,
            has_issuer: held.issuer.is_some(),
        });
        let identities = identities.collect();
        let status = shared(&mut self.texts, &user.status);
        IndexedUser {
            username: user.username,
            sub: user.sub,
            email: user.email,
            email_verified: user.email_verified,
            phone: user.phone,
            phone_verified: user.phone_verified,
            preferred_username: user.preferred_username,
            status,
            enabled: user.enabled,
            modified_unix_ms: user.modified_unix_ms,
            identities,
        }
    }

    /// Takes note of how the pool shows the name of a user.
    pub fn note_spelling(&mut self, user: &PoolUser) {
        self.shows_capitals |= folded(user.username.expose()) != user.username.expose();
    }

    pub fn build(self) -> PoolIndex {
        let Self { case_sensitive, shows_capitals, users, mut entries, .. } = self;
        let outdated = outdated_positions(&users);
        entries.retain(|(_, position)| !outdated.contains(position));
        entries.sort_unstable();
        entries.shrink_to_fit();
        let index = HashIndex::of(entries.iter().map(|(hash, _)| *hash));
        let user_count = users.len() - outdated.len();
        PoolIndex { case_sensitive, shows_capitals, users, entries, index, user_count }
    }
}

/// Millions of users share few distinct texts.
fn shared(texts: &mut BTreeSet<Arc<str>>, text: &str) -> Arc<str> {
    if let Some(known) = texts.get(text) {
        return Arc::clone(known);
    }
    let new: Arc<str> = text.into();
    texts.insert(Arc::clone(&new));
    new
}

/// Where a user came more than once, all positions but the last.
fn outdated_positions(users: &[IndexedUser]) -> BTreeSet<UserPosition> {
    let mut by_name: Vec<(u64, u32)> =
        (0..).zip(users).map(|(place, user)| (name_hash(user.username.expose()), place)).collect();
    by_name.sort_unstable();
    let mut outdated = BTreeSet::new();
    for same_hash in by_name.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
        for (position, (_, place)) in same_hash.iter().enumerate() {
            let name = users.get(*place as usize).map(|user| &user.username);
            let later = &same_hash[position + 1..];
            if later.iter().any(|(_, later)| users.get(*later as usize).map(|user| &user.username) == name) {
                outdated.insert(UserPosition(*place));
            }
        }
    }
    outdated
}

/// What was read of the pool, as far as a file needs it.
#[derive(Debug)]
pub struct PoolIndex {
    case_sensitive: bool,
    shows_capitals: bool,
    users: Vec<IndexedUser>,
    /// Hash and user, sorted.
    entries: Vec<(u64, UserPosition)>,
    index: HashIndex,
    user_count: usize,
}

impl PoolIndex {
    pub fn user_count(&self) -> usize {
        self.user_count
    }

    /// Whether the pool ignores case and shows user names as they were given: a filter by another spelling finds no user.
    pub fn names_keep_case(&self) -> bool {
        !self.case_sensitive && self.shows_capitals
    }

    pub fn user(&self, position: UserPosition) -> Option<&IndexedUser> {
        self.users.get(position.0 as usize)
    }

    fn users_under(&self, hash: u64) -> impl Iterator<Item = (UserPosition, &IndexedUser)> + use<'_> {
        let near = &self.entries[self.index.range(hash)];
        let same = near.iter().filter(move |(held, _)| *held == hash);
        same.filter_map(|(_, position)| Some((*position, self.user(*position)?)))
    }

    /// The one user that a destination means, as [`destination::resolve`] finds it, and the values to be sent.
    pub fn resolve_destination(
        &self,
        destination: &Destination,
        trust: TrustPolicy,
        chosen: Option<&Personal>,
    ) -> Result<(UserPosition, DestinationUser), RefusalCode> {
        match destination {
            Destination::Username(name) => {
                let (position, user) = self.by_username(name.expose()).ok_or(RefusalCode::UserNotFound)?;
                let value = user.username.clone();
                Ok((position, DestinationUser { provider: ProviderName::native(), value }))
            }
            Destination::Federated { provider, user_id } => {
                let (position, _) = self.profile_of(provider, user_id).ok_or(RefusalCode::UserNotFound)?;
                Ok((position, DestinationUser { provider: provider.clone(), value: user_id.clone() }))
            }
            Destination::Email(_) | Destination::Sub(_) | Destination::Phone(_) | Destination::PreferredUsername(_) => {
                let meant = self.users_meant_by(destination);
                let judged = meant.map(|found| (found, trust.distrust(destination, found.1.evidence())));
                let (position, user) = choose_user(judged, |(_, user)| chosen == Some(&user.username))?;
                let value = user.username.clone();
                Ok((position, DestinationUser { provider: ProviderName::native(), value }))
            }
        }
    }

    fn users_meant_by<'a, 'b>(
        &'a self,
        destination: &'b Destination,
    ) -> impl Iterator<Item = (UserPosition, &'a IndexedUser)> + use<'a, 'b> {
        self.users_under(destination_hash(destination))
            .filter(|(_, user)| destination::is_meant(destination, user.names(), self.case_sensitive))
    }

    /// Whether a destination means the user at this position, trusted or not.
    pub(super) fn means(&self, destination: &Destination, position: UserPosition) -> bool {
        self.users_meant_by(destination).any(|(meant, _)| meant == position)
    }

    /// Why a user whom the destination means does not count.
    pub(super) fn distrust(&self, destination: &Destination, trust: TrustPolicy) -> Option<Distrust> {
        self.users_meant_by(destination).find_map(|(_, user)| trust.distrust(destination, user.evidence()))
    }

    /// The users that count for an ambiguous destination, sorted by user name.
    #[must_use]
    pub fn candidates(&self, destination: &Destination, trust: TrustPolicy) -> Vec<&IndexedUser> {
        let counts = |user: &&IndexedUser| trust.distrust(destination, user.evidence()).is_none();
        let mut users: Vec<_> = self.users_meant_by(destination).map(|(_, user)| user).filter(counts).collect();
        users.sort_unstable_by(|a, b| a.username.cmp(&b.username));
        users
    }

    /// The user of this name, as the pool compares names.
    pub fn by_username(&self, username: &str) -> Option<(UserPosition, &IndexedUser)> {
        let same = |held: &str| is_same_name(held, username, self.case_sensitive);
        self.users_under(name_hash(username)).find(|(_, user)| same(user.username.expose()))
    }

    /// The column that a user name belongs to that no user has, where it is an address or a `sub` of somebody.
    pub fn mistaken_column(&self, destination: &Destination, naming: PoolNaming) -> Option<CorrectionHint> {
        let mistaken = destination::mistaken_destination(destination, naming)?;
        self.users_meant_by(&mistaken).next().map(|_| CorrectionHint::of_mistaken(&mistaken))
    }

    /// Whether there is a user whose name differs from this one in case only.
    pub fn has_username_in_other_case(&self, username: &str) -> bool {
        let wanted = folded(username);
        let other = |held: &str| held != username && folded(held) == wanted;
        self.users_under(name_hash(username)).any(|(_, user)| other(user.username.expose()))
    }

    /// The federated user whose own identity this is.
    pub fn profile_of(&self, provider: &ProviderName, user_id: &Personal) -> Option<(UserPosition, &IndexedUser)> {
        self.holder(provider, user_id).filter(|(_, _, held)| held.primary).map(|(position, user, _)| (position, user))
    }

    /// Who holds this identity, by exact case: the user to whom it is linked, before a profile that shows it as well.
    #[must_use]
    pub fn holder(
        &self,
        provider: &ProviderName,
        user_id: &Personal,
    ) -> Option<(UserPosition, &IndexedUser, &IndexedIdentity)> {
        let holders = self.users_under(identity_hash(provider.as_str(), user_id.expose())).filter_map(|(at, user)| {
            let held = user.identities.iter().find(|held| held.is(provider, user_id))?;
            Some((at, user, held))
        });
        holders.min_by_key(|(_, _, held)| held.primary)
    }

    /// Whether this identity, by exact case, is linked to the user. Another user may show it as well, such as its profile.
    #[must_use]
    pub fn is_linked_to(&self, user: UserPosition, provider: &ProviderName, user_id: &Personal) -> bool {
        let mut held = self.user(user).into_iter().flat_map(|user| &user.identities);
        held.any(|held| !held.primary && held.is(provider, user_id))
    }

    /// Whether a user holds an identity that differs from this one only in case.
    pub fn is_held_in_other_case(&self, provider: &ProviderName, user_id: &Personal) -> bool {
        let wanted = folded(user_id.expose());
        let other = |held: &IndexedIdentity| {
            *held.provider == *provider.as_str() && held.user_id != *user_id && folded(held.user_id.expose()) == wanted
        };
        self.users_under(identity_hash(provider.as_str(), user_id.expose()))
            .any(|(_, user)| user.identities.iter().any(other))
    }

    /// Whether a native user already has the user name of the identity's own profile.
    pub fn has_native_user_named_like_profile(&self, provider: &ProviderName, user_id: &Personal) -> bool {
        let name = profile_username(provider.as_str(), user_id.expose());
        self.by_username(&name).is_some_and(|(_, user)| !user.is_federated())
    }
}

/// A user name, or the identity whose own profile has it: `Provider_id`. One hash serves for both, because a row that
/// names an identity needs that profile too.
const NAME: u64 = 1;
const SUB: u64 = 2;
const EMAIL: u64 = 3;
const PHONE: u64 = 4;
const PREFERRED_USERNAME: u64 = 5;

pub(super) fn name_hash(username: &str) -> u64 {
    xxh3_64_with_seed(folded(username).as_bytes(), NAME)
}

/// Of an identity, and of the user name of its own profile.
pub(super) fn identity_hash(provider: &str, user_id: &str) -> u64 {
    name_hash(&profile_username(provider, user_id))
}

/// Of a `sub`, which is matched exactly.
pub(super) fn sub_hash(sub: &str) -> u64 {
    xxh3_64_with_seed(sub.as_bytes(), SUB)
}

/// Of a phone number, which is matched exactly.
pub(super) fn phone_hash(number: &str) -> u64 {
    xxh3_64_with_seed(number.as_bytes(), PHONE)
}

pub(super) fn preferred_username_hash(name: &str) -> u64 {
    xxh3_64_with_seed(folded(name).as_bytes(), PREFERRED_USERNAME)
}

pub(super) fn email_hash(email: &str) -> u64 {
    xxh3_64_with_seed(folded(email).as_bytes(), EMAIL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::{AttributeName, ExternalIdentity};
    use crate::service::LinkedIdentity;

    fn personal(text: &str) -> Personal {
        Personal::from_service(text)
    }

    fn provider(name: &str) -> ProviderName {
        ProviderName::parse(name).unwrap()
    }

    fn link(destination: Destination, name: &str, value: &str) -> Link {
        let source = ExternalIdentity::new(provider(name), AttributeName::subject(), personal(value)).unwrap();
        Link { destination, source }
    }

    fn user(username: &str, email: &str, identities: &[(&str, &str, bool)]) -> PoolUser {
        let identity = |(provider, user_id, primary): &(&str, &str, bool)| LinkedIdentity {
            user_id: personal(user_id),
            provider_name: (*provider).to_owned(),
            provider_type: String::new(),
            issuer: None,
            primary: *primary,
            created_unix_ms: Some(5),
        };
        PoolUser {
            sub: Some(personal(&format!("sub-{username}"))),
            email: Some(personal(email)),
            email_verified: true,
            identities: identities.iter().map(identity).collect(),
            ..PoolUser::named(username)
        }
    }

    fn wanted(links: &[Link]) -> RequiredUsers {
        let mut rows = RequiredUsersBuilder::default();
        for link in links {
            rows.add(link);
        }
        rows.build()
    }

    fn index(links: &[Link], users: Vec<PoolUser>, case_sensitive: bool) -> PoolIndex {
        let mut builder = PoolIndexBuilder::new(wanted(links), case_sensitive);
        builder.add_users(users);
        builder.build()
    }

    fn found(index: &PoolIndex, destination: &Destination) -> Result<String, RefusalCode> {
        index.resolve_destination(destination, TrustPolicy::Verified, None).map(|(_, user)| user.username())
    }

    #[test]
    fn a_file_of_a_hundred_rows_keeps_a_few_hundred_of_a_hundred_thousand_users() {
        let links: Vec<_> = (0..100)
            .map(|n| link(Destination::Username(personal(&format!("user-{n}"))), "Okta", &format!("Id{n}")))
            .collect();
        let mut builder = PoolIndexBuilder::new(wanted(&links), true);
        for page in 0..1_000 {
            let numbers = page * 100..(page + 1) * 100;
            // Every tenth user holds an identity; the file names some of those.
            builder.add_users(
                numbers
                    .map(|n| {
                        let held = [("Okta", format!("Id{}", n / 10), false)];
                        let held: Vec<_> = held.iter().map(|(p, id, primary)| (*p, id.as_str(), *primary)).collect();
                        user(&format!("user-{n}"), "x@example.com", if n % 10 == 0 { &held } else { &[] })
                    })
                    .collect(),
            );
        }
        let index = builder.build();
        assert_eq!(
            index.user_count(),
            100 + 90,
            "the hundred that are named, and ninety more that hold a named identity"
        );
        assert!(index.entries.len() <= 300);
        for row in &links {
            assert!(index.resolve_destination(&row.destination, TrustPolicy::Verified, None).is_ok());
            assert!(index.holder(row.source.provider(), row.source.value()).is_some());
        }
    }

    #[test]
    fn a_user_who_comes_twice_is_kept_as_it_came_last() {
        let by_email = Destination::Email(personal("a@example.com"));
        let links = [link(by_email.clone(), "Okta", "A"), link(by_email.clone(), "Okta", "B")];
        let mut builder = PoolIndexBuilder::new(wanted(&links), true);
        builder.add_users(vec![user("alice", "a@example.com", &[("Okta", "A", false)])]);
        builder.add_users(vec![user("bob", "b@example.com", &[])]);
        builder.add_users(vec![user("alice", "a@example.com", &[("Okta", "B", false)])]);
        let index = builder.build();
        assert_eq!(index.user_count(), 1);
        assert_eq!(found(&index, &by_email), Ok("alice".to_owned()), "not ambiguous with itself");
        assert!(index.holder(&provider("Okta"), &personal("A")).is_none());
        let (_, alice, held) = index.holder(&provider("Okta"), &personal("B")).unwrap();
        assert_eq!((alice.username.expose(), held.created_unix_ms), ("alice", Some(5)));
    }

    #[test]
    fn destinations_are_found_as_the_service_finds_them() {
        let name = |text: &str| Destination::Username(personal(text));
        let email = Destination::Email(personal("A@example.com"));
        let sub = Destination::Sub(personal("sub-alice"));
        let federated = Destination::Federated { provider: provider("Okta"), user_id: personal("Own") };
        let links: Vec<_> = [name("Alice"), email.clone(), sub.clone(), federated.clone(), name("Okta_Own")]
            .into_iter()
            .map(|destination| link(destination, "Google", "1"))
            .collect();
        let users = || {
            vec![
                user("alice", "a@example.com", &[]),
                user("Okta_Own", "a@example.com", &[("Okta", "Own", true)]),
                user("other", "o@example.com", &[]),
            ]
        };
        let sensitive = index(&links, users(), true);
        assert_eq!(found(&sensitive, &name("Alice")), Err(RefusalCode::UserNotFound));
        assert!(sensitive.has_username_in_other_case("Alice"));
        assert_eq!(found(&sensitive, &email), Err(RefusalCode::UserNotFound));
        assert_eq!(found(&sensitive, &sub), Ok("alice".to_owned()));
        assert_eq!(found(&sensitive, &federated), Ok("Okta_Own".to_owned()));
        assert_eq!(found(&sensitive, &name("Okta_Own")), Ok("Okta_Own".to_owned()), "by its user name");
        let insensitive = index(&links, users(), false);
        assert_eq!(found(&insensitive, &name("Alice")), Ok("alice".to_owned()), "as the pool shows it");
        assert_eq!(
            found(&insensitive, &email),
            Ok("alice".to_owned()),
            "the profile with the same address is passed over"
        );
        let mut several = users();
        several.push(user("bob", "A@example.com", &[]));
        let several = index(&links, several, false);
        assert_eq!(found(&several, &email), Err(RefusalCode::UserAmbiguous));
        let names: Vec<_> =
            several.candidates(&email, TrustPolicy::Verified).iter().map(|user| user.username.expose()).collect();
        assert_eq!(names, ["alice", "bob"]);
    }

    #[test]
    fn identities_are_matched_by_exact_case_and_found_in_any() {
        let links = [link(Destination::Username(personal("alice")), "Okta", "abc")];
        let index = index(
            &links,
            vec![user("bob", "b", &[("Okta", "AbC", false)]), user("c", "c", &[("okta", "abc", false)])],
            true,
        );
        assert!(index.holder(&provider("Okta"), &personal("abc")).is_none());
        assert!(index.is_held_in_other_case(&provider("Okta"), &personal("abc")));
        assert!(!index.is_held_in_other_case(&provider("Okta"), &personal("AbC")));
        assert!(!index.has_native_user_named_like_profile(&provider("Okta"), &personal("abc")));
    }

    #[test]
    fn case_is_folded_where_it_may_not_count() {
        assert_eq!(name_hash("Google_AbC"), identity_hash("google", "aBc"));
        assert_eq!(email_hash("Ä@Example.com"), email_hash("ä@example.com"));
        assert_ne!(sub_hash("AB"), sub_hash("ab"));
        assert_ne!(name_hash("ab"), email_hash("ab"));
        assert_ne!(name_hash("ab"), sub_hash("ab"));
    }
}
