//! The users of a pool by their e-mail address, sorted on disk, and what each address shows.
//!
//! A user takes no memory: it is a record of two sorters. The first brings together what a restarted scan has read twice,
//! the second the users of one address, those whose address is proven first.

use std::collections::BTreeSet;
use std::io;

use crate::clock::UnixMs;
use crate::commands::shared::{Failure, temporary_file_error};
use crate::domain::identity::{Personal, ProviderName};
use crate::input::{Sorted, Sorter};
use crate::limits::{DUPLICATE_USERS_MAX, IDENTITIES_PER_USER_MAX, TRUSTED_USER_STATUSES};
use crate::service::{LinkedIdentity, PoolUser};

/// What several users of one address, or a profile alone, are to one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DuplicateKind {
    /// Native users and profiles that have verified the same address.
    NativeAndProfile,
    /// Native users with one address, verified or not.
    SeveralNatives,
    /// Profiles that have verified the same address, which no native user has verified.
    SeveralProfiles,
    /// A profile that no other user is known to belong to.
    StandaloneProfile,
}

impl DuplicateKind {
    pub const ALL: [Self; 4] =
        [Self::NativeAndProfile, Self::SeveralNatives, Self::SeveralProfiles, Self::StandaloneProfile];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::NativeAndProfile => "native_and_profile",
            Self::SeveralNatives => "several_natives",
            Self::SeveralProfiles => "several_profiles",
            Self::StandaloneProfile => "standalone_profile",
        }
    }
}

/// Why no link can bring the users of an address together, whatever is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PairObstacle {
    /// Several native users have verified the address: a person must choose one.
    SeveralNatives,
    /// No native user has verified the address.
    NoNative,
    /// The native user would have more identities than the service allows.
    TooManyIdentities,
    /// The pool no longer has the provider of an identity.
    ProviderMissing,
}

impl PairObstacle {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SeveralNatives => "several_natives",
            Self::NoNative => "no_native",
            Self::TooManyIdentities => "too_many_identities",
            Self::ProviderMissing => "provider_missing",
        }
    }
}

/// Users who belong together, or a profile that belongs to nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    pub kind: DuplicateKind,
    /// Natives first, then profiles; at most [`DUPLICATE_USERS_MAX`] of each.
    pub users: Vec<PoolUser>,
    pub users_left_out: u64,
    /// Whether each identity of the profiles can be linked to the native user once the profiles are deleted.
    pub linkable: Result<(), PairObstacle>,
    /// Whether a profile has the address of a native user, and one of the two has not verified it.
    pub unverified: bool,
}

impl Duplicate {
    /// The native user and the identities that can be linked to it once their profiles are deleted.
    pub fn pairs(&self) -> impl Iterator<Item = (&PoolUser, &LinkedIdentity)> {
        let native = self.users.iter().find(|user| !user.is_federated()).filter(|_| self.linkable.is_ok());
        let profiles = self.users.iter().filter(|user| user.is_federated());
        native.into_iter().flat_map(move |native| {
            profiles.clone().flat_map(|profile| &profile.identities).map(move |identity| (native, identity))
        })
    }
}

/// Whose address counts as verified.
#[derive(Debug, Clone, Default)]
pub struct AddressTrust {
    /// Providers that vouch for the addresses of their users, although the pool does not show it.
    pub providers: BTreeSet<ProviderName>,
}

impl AddressTrust {
    /// Whether the user has proven that the address is theirs.
    ///
    /// A native user has if it is verified and the user is confirmed; a profile, if its provider says so.
    fn is_proven(&self, user: &PoolUser) -> bool {
        let own = user.identities.iter().find(|held| held.primary);
        match own {
            None => user.email_verified && TRUSTED_USER_STATUSES.contains(&user.status.as_str()),
            Some(own) => user.email_verified || self.providers.iter().any(|name| name.as_str() == own.provider_name),
        }
    }
}

fn address_of(user: &PoolUser) -> Option<&str> {
    user.email.as_ref().map(Personal::expose).filter(|address| !address.is_empty())
}

/// Which place the users of an address have among its records.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rank {
    ProvenNative,
    ProvenProfile,
    OtherNative,
    OtherProfile,
}

impl Rank {
    const ALL: [Self; 4] = [Self::ProvenNative, Self::ProvenProfile, Self::OtherNative, Self::OtherProfile];

    fn of(user: &PoolUser, trust: &AddressTrust) -> Self {
        let is_proven = address_of(user).is_some() && trust.is_proven(user);
        match (user.is_federated(), is_proven) {
            (false, true) => Self::ProvenNative,
            (true, true) => Self::ProvenProfile,
            (false, false) => Self::OtherNative,
            (true, false) => Self::OtherProfile,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::ProvenNative => "0",
            Self::ProvenProfile => "1",
            Self::OtherNative => "2",
            Self::OtherProfile => "3",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rank| rank.as_str() == text)
    }
}

/// Takes the users of a pool and finds those that belong together.
pub struct DuplicateSearch {
    trust: AddressTrust,
    /// Providers that the pool has.
    providers: BTreeSet<String>,
    case_sensitive: bool,
    /// Each user as often as it was read: user name, number of the reading, user.
    read: Sorter,
    readings: u64,
}

impl DuplicateSearch {
    pub fn new<'a>(
        trust: AddressTrust,
        providers: impl Iterator<Item = &'a ProviderName>,
        case_sensitive: bool,
    ) -> Self {
        let providers = providers.map(|name| name.as_str().to_owned()).collect();
        Self { trust, providers, case_sensitive, read: Sorter::default(), readings: 0 }
    }

    /// Takes a user. A user may come twice: the last one counts.
    pub fn add(&mut self, user: &PoolUser) -> io::Result<()> {
        self.readings += 1;
        let number = format!("{:020}", self.readings);
        let texts = texts_of(user);
        let record: Vec<&str> =
            [user.username.expose(), &number].into_iter().chain(texts.iter().map(String::as_str)).collect();
        self.read.add(&record)
    }

    /// Gives what was found, in the order of the addresses.
    pub fn finish(self, take: TakeDuplicate<'_>) -> Result<(), Failure> {
        let providers = self.providers.clone();
        let by_address = self.by_address().map_err(|error| temporary_file_error(&error))?;
        let mut group = AddressGroup::default();
        for record in by_address {
            let (address, rank, user) =
                record.and_then(|record| ranked_user(&record)).map_err(|error| temporary_file_error(&error))?;
            if group.address != address {
                std::mem::take(&mut group).finish(&providers, take)?;
                group.address = address;
            }
            group.add(rank, user, take)?;
        }
        group.finish(&providers, take)
    }

    /// Sorts each user once, by address and rank.
    fn by_address(self) -> io::Result<Sorted> {
        let Self { trust, case_sensitive, read, .. } = self;
        let mut by_address = Sorter::default();
        let mut add = |user: &PoolUser| -> io::Result<()> {
            let address = address_of(user).unwrap_or_default();
            if address.is_empty() && !user.is_federated() {
                return Ok(());
            }
            let key = if case_sensitive { address.to_owned() } else { address.to_lowercase() };
            let texts = texts_of(user);
            let rank = Rank::of(user, &trust).as_str();
            let record: Vec<&str> = [&*key, rank].into_iter().chain(texts.iter().map(String::as_str)).collect();
            by_address.add(&record)
        };
        let mut last: Option<PoolUser> = None;
        for record in read.finish()? {
            let user = user_of(record?.get(2..).unwrap_or_default())?;
            if let Some(before) = last.replace(user)
                && last.as_ref().is_some_and(|user| user.username != before.username)
            {
                add(&before)?;
            }
        }
        if let Some(user) = last {
            add(&user)?;
        }
        by_address.finish()
    }
}

/// Takes what was found.
pub type TakeDuplicate<'a> = &'a mut dyn FnMut(Duplicate) -> Result<(), Failure>;

fn ranked_user(record: &[String]) -> io::Result<(String, Rank, PoolUser)> {
    let [address, rank, texts @ ..] = record else { return Err(damaged()) };
    Ok((address.clone(), Rank::parse(rank).ok_or_else(damaged)?, user_of(texts)?))
}

/// Users of one address, of whom the first are kept.
#[derive(Default)]
struct KeptUsers {
    users: Vec<PoolUser>,
    count: u64,
    identities: usize,
}

impl KeptUsers {
    fn add(&mut self, user: PoolUser) {
        self.count += 1;
        self.identities += user.identities.len();
        if self.users.len() < DUPLICATE_USERS_MAX {
            self.users.push(user);
        }
    }
}

/// The users of one address, in the order of their ranks.
#[derive(Default)]
struct AddressGroup {
    address: String,
    natives: KeptUsers,
    profiles: KeptUsers,
    other_natives: KeptUsers,
}

impl AddressGroup {
    fn add(&mut self, rank: Rank, user: PoolUser, take: TakeDuplicate<'_>) -> Result<(), Failure> {
        match rank {
            Rank::ProvenNative => self.natives.add(user),
            Rank::ProvenProfile => self.profiles.add(user),
            Rank::OtherNative => self.other_natives.add(user),
            // All natives of the address have come before.
            Rank::OtherProfile => take(self.standalone(user))?,
        }
        Ok(())
    }

    fn has_native(&self) -> bool {
        self.natives.count + self.other_natives.count > 0
    }

    fn standalone(&self, profile: PoolUser) -> Duplicate {
        Duplicate {
            kind: DuplicateKind::StandaloneProfile,
            users: vec![profile],
            users_left_out: 0,
            linkable: Err(PairObstacle::NoNative),
            unverified: self.has_native(),
        }
    }

    fn finish(mut self, providers: &BTreeSet<String>, take: TakeDuplicate<'_>) -> Result<(), Failure> {
        let linkable = self.linkable(providers);
        let unverified = self.has_native();
        let Self { natives, profiles, other_natives, .. } = &mut self;
        if natives.count + other_natives.count > 1 {
            let users = natives.users.iter().chain(&other_natives.users).cloned().collect();
            take(duplicate(DuplicateKind::SeveralNatives, users, natives.count + other_natives.count))?;
        }
        let mut kept = std::mem::take(&mut profiles.users);
        match (natives.count, profiles.count) {
            (_, 0) => Ok(()),
            (0, 1) => kept.pop().map_or(Ok(()), |profile| take(self.standalone(profile))),
            (0, count) => {
                let found = duplicate(DuplicateKind::SeveralProfiles, kept, count);
                take(Duplicate { unverified, ..found })
            }
            (natives_count, count) => {
                let mut users = std::mem::take(&mut natives.users);
                users.append(&mut kept);
                let found = duplicate(DuplicateKind::NativeAndProfile, users, natives_count + count);
                take(Duplicate { linkable, ..found })
            }
        }
    }

    /// Whether the identities of all proven profiles have room on the one native user.
    fn linkable(&self, providers: &BTreeSet<String>) -> Result<(), PairObstacle> {
        let mut identities = self.profiles.users.iter().flat_map(|profile| &profile.identities);
        match self.natives.count {
            0 => Err(PairObstacle::NoNative),
            1 if self.natives.identities + self.profiles.identities > IDENTITIES_PER_USER_MAX => {
                Err(PairObstacle::TooManyIdentities)
            }
            1 if identities.any(|held| !providers.contains(&held.provider_name)) => Err(PairObstacle::ProviderMissing),
            1 => Ok(()),
            _ => Err(PairObstacle::SeveralNatives),
        }
    }
}

fn duplicate(kind: DuplicateKind, users: Vec<PoolUser>, count: u64) -> Duplicate {
    let obstacle = match kind {
        DuplicateKind::SeveralNatives => PairObstacle::SeveralNatives,
        _ => PairObstacle::NoNative,
    };
    let users_left_out = count - users.len() as u64;
    Duplicate { kind, users, users_left_out, linkable: Err(obstacle), unverified: false }
}

fn damaged() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

/// Texts of a user without its identities.
const USER_TEXTS: usize = 8;
/// Texts of an identity.
const IDENTITY_TEXTS: usize = 6;

/// What marks a text that is there: an empty one differs from none.
const PRESENT: &str = "+";

fn optional(text: Option<&str>) -> String {
    text.map_or(String::new(), |text| format!("{PRESENT}{text}"))
}

fn date(date: Option<UnixMs>) -> String {
    optional(date.map(|date| date.to_string()).as_deref())
}

fn flag(is_set: bool) -> String {
    if is_set { PRESENT.to_owned() } else { String::new() }
}

fn texts_of(user: &PoolUser) -> Vec<String> {
    let mut texts = vec![
        user.username.expose().to_owned(),
        optional(user.sub.as_ref().map(Personal::expose)),
        optional(user.email.as_ref().map(Personal::expose)),
        flag(user.email_verified),
        user.status.clone(),
        flag(user.enabled),
        date(user.created_unix_ms),
        date(user.modified_unix_ms),
    ];
    for held in &user.identities {
        texts.extend([
            held.provider_name.clone(),
            held.user_id.expose().to_owned(),
            held.provider_type.clone(),
            optional(held.issuer.as_deref()),
            flag(held.primary),
            date(held.created_unix_ms),
        ]);
    }
    texts
}

fn user_of(texts: &[String]) -> io::Result<PoolUser> {
    let optional = |text: &str| text.strip_prefix(PRESENT).map(str::to_owned);
    let personal = |text: &str| text.strip_prefix(PRESENT).map(Personal::from_service);
    let date = |text: &str| -> io::Result<Option<UnixMs>> {
        text.strip_prefix(PRESENT).map(|date| date.parse().map_err(|_| damaged())).transpose()
    };
    let (user, identities) = texts.split_at_checked(USER_TEXTS).ok_or_else(damaged)?;
    let [username, sub, email, verified, status, enabled, created, modified] = user else { return Err(damaged()) };
    let identities = identities.chunks(IDENTITY_TEXTS).map(|texts| {
        let [provider, user_id, kind, issuer, primary, created] = texts else { return Err(damaged()) };
        Ok(LinkedIdentity {
            user_id: Personal::from_service(user_id),
            provider_name: provider.clone(),
            provider_type: kind.clone(),
            issuer: optional(issuer),
            primary: primary == PRESENT,
            created_unix_ms: date(created)?,
        })
    });
    Ok(PoolUser {
        phone: None,
        phone_verified: false,
        preferred_username: None,
        username: Personal::from_service(username),
        sub: personal(sub),
        email: personal(email),
        email_verified: verified == PRESENT,
        status: status.clone(),
        enabled: enabled == PRESENT,
        created_unix_ms: date(created)?,
        modified_unix_ms: date(modified)?,
        identities: identities.collect::<io::Result<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use DuplicateKind::{NativeAndProfile, SeveralNatives, SeveralProfiles, StandaloneProfile};

    const PROVIDERS: [&str; 3] = ["Corp", "Google", "Okta"];

    fn identity(provider: &str, id: &str, primary: bool) -> LinkedIdentity {
        LinkedIdentity {
            user_id: Personal::from_service(id),
            provider_name: provider.to_owned(),
            provider_type: String::new(),
            issuer: None,
            primary,
            created_unix_ms: Some(5),
        }
    }

    fn native(username: &str, email: &str, email_verified: bool) -> PoolUser {
        PoolUser {
            email: Some(Personal::from_service(email)),
            email_verified,
            created_unix_ms: Some(1),
            ..PoolUser::named(username)
        }
    }

    fn profile(provider: &str, id: &str, email: &str, email_verified: bool) -> PoolUser {
        PoolUser {
            status: "EXTERNAL_PROVIDER".to_owned(),
            identities: vec![identity(provider, id, true)],
            ..native(&format!("{provider}_{id}"), email, email_verified)
        }
    }

    /// Kind, user names and obstacle of what is found.
    fn found(
        users: &[PoolUser],
        trusted: &[&str],
        case_sensitive: bool,
    ) -> Vec<(DuplicateKind, String, Option<PairObstacle>)> {
        let names = PROVIDERS.map(|name| ProviderName::parse(name).unwrap());
        let trust = AddressTrust { providers: trusted.iter().map(|name| ProviderName::parse(name).unwrap()).collect() };
        let mut search = DuplicateSearch::new(trust, names.iter(), case_sensitive);
        for user in users {
            search.add(user).unwrap();
        }
        let mut all = Vec::new();
        let mut take = |found: Duplicate| -> Result<(), Failure> {
            let users: Vec<&str> = found.users.iter().map(|user| user.username.expose()).collect();
            assert_eq!(found.pairs().count() > 0, found.linkable.is_ok());
            all.push((found.kind, users.join(" "), found.linkable.err()));
            Ok(())
        };
        search.finish(&mut take).unwrap();
        all
    }

    #[test]
    fn a_verified_address_joins_a_native_user_and_a_profile() {
        let users = [native("alice", "a@x.com", true), profile("Google", "1", "a@x.com", true)];
        assert_eq!(found(&users, &[], true), [(NativeAndProfile, "alice Google_1".into(), None)]);
    }

    #[test]
    fn near_misses_are_profiles_of_their_own() {
        let alone = |name: &str| (StandaloneProfile, name.to_owned(), Some(PairObstacle::NoNative));
        let unconfirmed = PoolUser { status: "UNCONFIRMED".into(), ..native("alice", "a@x.com", true) };
        let without = PoolUser { email: None, ..profile("Google", "1", "", true) };
        for (user, other) in [
            (native("alice", "a@x.com", false), profile("Google", "1", "a@x.com", true)),
            (native("alice", "a@x.com", true), profile("Google", "1", "a@x.com", false)),
            (native("alice", "a@x.com", true), profile("Google", "1", "a+1@x.com", true)),
            (native("alice", "a@x.com", true), profile("Google", "1", "A@x.com", true)),
            (unconfirmed, profile("Google", "1", "a@x.com", true)),
            (native("alice", "a@x.com", true), without.clone()),
            (without.clone(), PoolUser { username: Personal::from_service("b"), email: None, ..native("b", "", true) }),
        ] {
            assert_eq!(found(&[user, other], &[], true), [alone("Google_1")]);
        }
        let users = [native("alice", "a@x.com", true), profile("Google", "1", "A@X.com", true)];
        assert_eq!(found(&users, &[], false).len(), 1);
        assert_eq!(found(&users, &[], false)[0].0, NativeAndProfile, "case does not count in such a pool");
    }

    #[test]
    fn a_provider_may_vouch_for_its_addresses() {
        let users = [
            native("alice", "a@x.com", true),
            profile("Google", "1", "a@x.com", false),
            profile("Okta", "1", "a@x.com", false),
        ];
        let expected = [
            (StandaloneProfile, "Google_1".into(), Some(PairObstacle::NoNative)),
            (NativeAndProfile, "alice Okta_1".into(), None),
        ];
        assert_eq!(found(&users, &["Okta"], true), expected);
    }

    #[test]
    fn what_no_link_brings_together_says_why() {
        let several = |users: &str| (SeveralNatives, users.to_owned(), Some(PairObstacle::SeveralNatives));
        let users = [native("a", "a@x.com", true), native("b", "a@x.com", true), profile("Okta", "1", "a@x.com", true)];
        let both = (NativeAndProfile, "a b Okta_1".into(), Some(PairObstacle::SeveralNatives));
        assert_eq!(found(&users, &[], true), [several("a b"), both]);
        // Whoever has not verified the address does not stand in the way.
        let users =
            [native("a", "a@x.com", false), native("b", "a@x.com", true), profile("Okta", "1", "a@x.com", true)];
        assert_eq!(found(&users, &[], true), [several("b a"), (NativeAndProfile, "b Okta_1".into(), None)]);

        let users = [profile("Okta", "1", "a@x.com", true), profile("Google", "1", "a@x.com", true)];
        let expected = (SeveralProfiles, "Google_1 Okta_1".into(), Some(PairObstacle::NoNative));
        assert_eq!(found(&users, &[], true), [expected]);

        let mut full = native("a", "a@x.com", true);
        full.identities = (0..4).map(|n| identity("Okta", &format!("{n}"), false)).collect();
        let mut other = profile("Google", "1", "a@x.com", true);
        assert_eq!(found(&[full.clone(), other.clone()], &[], true)[0].2, None, "five fit");
        other.identities.push(identity("Corp", "1", false));
        let expected = Some(PairObstacle::TooManyIdentities);
        assert_eq!(found(&[full, other], &[], true)[0].2, expected);

        let users = [native("a", "a@x.com", true), profile("Gone", "1", "a@x.com", true)];
        assert_eq!(found(&users, &[], true)[0].2, Some(PairObstacle::ProviderMissing));
    }

    #[test]
    fn a_user_who_is_read_twice_counts_as_it_came_last() {
        let users = [
            native("alice", "a@x.com", true),
            native("alice", "b@x.com", true),
            profile("Google", "1", "a@x.com", true),
            profile("Okta", "1", "b@x.com", true),
        ];
        let expected = [
            (StandaloneProfile, "Google_1".into(), Some(PairObstacle::NoNative)),
            (NativeAndProfile, "alice Okta_1".into(), None),
        ];
        assert_eq!(found(&users, &[], true), expected);
    }

    #[test]
    fn an_address_of_very_many_users_takes_bounded_memory() {
        let count = DUPLICATE_USERS_MAX as u64 + 50;
        let mut search = DuplicateSearch::new(AddressTrust::default(), [].iter(), true);
        for number in 0..count {
            search.add(&native(&format!("user-{number:04}"), "a@x.com", true)).unwrap();
        }
        let mut all = Vec::new();
        let mut take = |found: Duplicate| -> Result<(), Failure> {
            all.push((found.users.len(), found.users_left_out));
            Ok(())
        };
        search.finish(&mut take).unwrap();
        assert_eq!(all, [(DUPLICATE_USERS_MAX, 50)]);
    }

    prop_compose! {
        fn any_identity()(user_id in "\\PC{0,8}", provider in "\\PC{0,8}", kind in "[A-Z]{0,4}",
            issuer in proptest::option::of("\\PC{0,8}"), primary: bool, created in proptest::option::of(any::<i64>()),
        ) -> LinkedIdentity {
            LinkedIdentity {
                user_id: Personal::from_service(&user_id), provider_name: provider, provider_type: kind, issuer, primary,
                created_unix_ms: created,
            }
        }
    }

    proptest! {
        #[test]
        fn a_user_is_read_back_as_it_was_written(
            username in "\\PC{0,8}", sub in proptest::option::of("\\PC{0,8}"), email in proptest::option::of("\\PC{0,8}"),
            email_verified: bool, status in "[A-Z]{0,4}", enabled: bool,
            dates: (Option<i64>, Option<i64>), identities in proptest::collection::vec(any_identity(), 0..3),
        ) {
            let personal = |text: &String| Personal::from_service(text);
            let user = PoolUser {
                phone: None,
                phone_verified: false,
                preferred_username: None,
                username: personal(&username), sub: sub.as_ref().map(personal), email: email.as_ref().map(personal),
                email_verified, status, enabled, created_unix_ms: dates.0, modified_unix_ms: dates.1, identities,
            };
            prop_assert!(user_of(&texts_of(&user)).unwrap() == user);
        }
    }
}
