//! How a user of the pool is found by name.
//!
//! It is not documented how `ListUsers` shows and compares the user names of a case-insensitive pool, nor how a filter
//! escapes a backslash. So a name that finds no user is tried in its other spellings, and the users that come back are
//! compared here.

use super::read_back::{RowPolicy, SettleWith};
use crate::domain::identity::{DestinationUser, Personal};
use crate::foresight::destination::{filter_that_fits, is_same_name};
use crate::service::{PoolUser, UserFilter, UserQuery};

/// Characters that a filter escapes.
const ESCAPED: [char; 2] = ['\\', '"'];

#[derive(Debug, Clone)]
pub(super) enum ReadCall {
    List(UserQuery),
    Get(Personal),
}

impl ReadCall {
    /// The name of the operation, as the service knows it.
    pub(super) fn operation(&self) -> &'static str {
        match self {
            Self::List(_) => "ListUsers",
            Self::Get(_) => "AdminGetUser",
        }
    }
}

/// What the users of one read mean for a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SearchResult {
    Found(Box<PoolUser>),
    /// Another spelling of the name is to be read first.
    ReadNext,
    Nobody,
}

impl SearchResult {
    /// The user; `None` where none was found.
    pub(super) fn user(&self) -> Option<&PoolUser> {
        match self {
            Self::Found(user) => Some(user),
            Self::ReadNext | Self::Nobody => None,
        }
    }
}

/// A search for one user: the reads that may find it, and which one is next.
#[derive(Debug, Clone, Default)]
pub(super) struct NameSearch {
    reads_failed: usize,
}

impl NameSearch {
    /// The next read, from the page that `token` names.
    pub(super) fn next_read(
        &self,
        wanted: &WantedUser<'_>,
        settle_with: SettleWith,
        policy: RowPolicy,
        token: Option<&String>,
    ) -> ReadCall {
        let mut reads = reads_of(wanted, settle_with, policy);
        let at = self.reads_failed.min(reads.len().saturating_sub(1));
        let mut read = reads.swap_remove(at);
        if let ReadCall::List(query) = &mut read {
            query.token = token.cloned();
        }
        read
    }

    /// Takes note that a read did not find the user. Returns whether another one may.
    pub(super) fn try_next(&mut self, wanted: &WantedUser<'_>, settle_with: SettleWith, policy: RowPolicy) -> bool {
        self.reads_failed += 1;
        let has_next = self.reads_failed < reads_of(wanted, settle_with, policy).len();
        if !has_next {
            self.reads_failed = 0;
        }
        has_next
    }
}

/// How a user may be named.
#[derive(Debug, Clone)]
pub(super) struct WantedUser<'a> {
    pub(super) names: Vec<&'a str>,
    /// How the name of a federated user begins: a mapped user name takes the place of the id behind it.
    pub(super) start: Option<String>,
}

fn spellings<'a>(names: impl IntoIterator<Item = &'a str>, policy: RowPolicy) -> Vec<String> {
    let mut spellings: Vec<String> = Vec::new();
    for name in names {
        let lowered = (!policy.naming.case_sensitive).then(|| name.to_lowercase());
        for spelling in [Some(name.to_owned()), lowered].into_iter().flatten() {
            if !spellings.contains(&spelling) {
                spellings.push(spelling);
            }
        }
    }
    spellings
}

/// The reads that may find a user, the likeliest first; at least one.
fn reads_of(wanted: &WantedUser<'_>, settle_with: SettleWith, policy: RowPolicy) -> Vec<ReadCall> {
    let starts = spellings(wanted.start.as_deref(), policy);
    let spellings = spellings(wanted.names.iter().copied(), policy);
    let mut reads: Vec<ReadCall> = spellings.iter().map(|name| read_by_name(name, settle_with)).collect();
    if settle_with == SettleWith::ListUsers {
        let mut prefixes: Vec<&str> = Vec::new();
        for name in &spellings {
            let prefix = name.find(ESCAPED).and_then(|end| name.get(..end)).unwrap_or_default();
            if !prefix.is_empty() && !prefixes.contains(&prefix) {
                prefixes.push(prefix);
            }
        }
        reads.extend(prefixes.into_iter().map(|prefix| list_users(username_filter(prefix, true))));
    }
    reads.extend(starts.iter().map(|start| list_users(username_filter(start, true))));
    reads
}

fn read_by_name(name: &str, settle_with: SettleWith) -> ReadCall {
    match settle_with {
        SettleWith::GetUser => ReadCall::Get(Personal::from_service(name)),
        // A name full of quotes can be too long for a filter once they are escaped.
        SettleWith::ListUsers => list_users(filter_that_fits("username", name)),
    }
}

fn list_users(filter: UserFilter) -> ReadCall {
    ReadCall::List(UserQuery { filter: Some(filter), limit: None, token: None })
}

fn username_filter(value: &str, prefix: bool) -> UserFilter {
    UserFilter { attribute: "username", prefix, value: Personal::from_service(value) }
}

/// The user of this name among the users that were read.
pub(super) fn find_by_name<'a>(users: &'a [PoolUser], name: &str, case_sensitive: bool) -> Option<&'a PoolUser> {
    let is_exact = |user: &&PoolUser| user.username.expose() == name;
    let is_same = |user: &&PoolUser| is_same_name(user.username.expose(), name, case_sensitive);
    users.iter().find(is_exact).or_else(|| users.iter().find(is_same))
}

/// The destination among the users that were read: a native user by one of its names, and a federated one by the identity
/// that created it, whatever its name.
pub(super) fn find_destination<'a>(
    users: &'a [PoolUser],
    destination: &DestinationUser,
    names: &[&str],
    case_sensitive: bool,
) -> Option<&'a PoolUser> {
    if destination.provider.is_native() {
        return names.iter().find_map(|name| find_by_name(users, name, case_sensitive));
    }
    users.iter().find(|user| user.identity(&destination.provider, &destination.value).is_some_and(|own| own.primary))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::ProviderName;
    use crate::foresight::destination::PoolNaming;
    use crate::foresight::trust::TrustPolicy;
    use crate::service::LinkedIdentity;

    fn policy(case_sensitive: bool) -> RowPolicy {
        let naming = PoolNaming { case_sensitive, usernames_are_subs: false };
        RowPolicy {
            attempts_max: 1,
            settle_with: SettleWith::ListUsers,
            naming,
            trust: TrustPolicy::Verified,
            settles_before_end: false,
        }
    }

    fn texts(name: &str, settle_with: SettleWith, case_sensitive: bool) -> Vec<String> {
        let reads = reads_of(&WantedUser { names: vec![name], start: None }, settle_with, policy(case_sensitive));
        let text = |read: &ReadCall| match read {
            ReadCall::List(query) => query.filter.as_ref().map(UserFilter::to_text).unwrap_or_default(),
            ReadCall::Get(name) => format!("get {}", name.expose()),
        };
        reads.iter().map(text).collect()
    }

    #[test]
    fn the_spellings_of_a_name() {
        use SettleWith::{GetUser, ListUsers};
        for (name, settle_with, case_sensitive, expected) in [
            ("alice", ListUsers, false, vec!["username = \"alice\""]),
            ("Alice", ListUsers, true, vec!["username = \"Alice\""]),
            ("Alice", ListUsers, false, vec!["username = \"Alice\"", "username = \"alice\""]),
            ("Alice", GetUser, false, vec!["get Alice", "get alice"]),
            ("CORP\\jane", ListUsers, true, vec!["username = \"CORP\\\\jane\"", "username ^= \"CORP\""]),
            (
                "CORP\\jane",
                ListUsers,
                false,
                vec![
                    "username = \"CORP\\\\jane\"",
                    "username = \"corp\\\\jane\"",
                    "username ^= \"CORP\"",
                    "username ^= \"corp\"",
                ],
            ),
            ("CORP\\jane", GetUser, true, vec!["get CORP\\jane"]),
            ("\"x", ListUsers, true, vec!["username = \"\\\"x\""]),
        ] {
            assert_eq!(texts(name, settle_with, case_sensitive), expected, "{name}");
        }
        let quotes = "\"".repeat(128);
        let text = texts(&quotes, ListUsers, true).remove(0);
        let fits = text.chars().count() <= crate::limits::FILTER_CHARS_MAX;
        assert!(text.starts_with("username ^= ") && fits, "AdminGetUser marks the user as active: {text}");
        assert_eq!(texts(&quotes, GetUser, true), [format!("get {quotes}")]);
    }

    #[test]
    fn spellings_are_tried_in_turn_and_then_from_the_start() {
        let tried = |start: Option<&str>| -> Vec<bool> {
            let mut search = NameSearch::default();
            let wanted = WantedUser { names: vec!["Alice", "alice"], start: start.map(str::to_owned) };
            (0..5).map(|_| search.try_next(&wanted, SettleWith::ListUsers, policy(false))).collect()
        };
        assert_eq!(tried(None), [true, false, true, false, true]);
        assert_eq!(tried(Some("okta_")), [true, true, false, true, true]);
    }

    fn user(name: &str, own: Option<(&str, &str)>) -> PoolUser {
        let identity = own.map(|(provider, id)| LinkedIdentity {
            user_id: Personal::from_service(id),
            provider_name: provider.into(),
            provider_type: "SAML".into(),
            issuer: None,
            primary: true,
            created_unix_ms: None,
        });
        PoolUser {
            status: String::new(),
            email_verified: true,
            identities: identity.into_iter().collect(),
            ..PoolUser::named(name)
        }
    }

    #[test]
    fn a_native_user_is_found_by_name_and_a_federated_one_by_identity() {
        let users =
            [user("ALICE", None), user("Alice", None), user("corp_abc", None), user("x1", Some(("Corp", "AbC")))];
        let found = |provider: &str, value: &str, case_sensitive| {
            let provider = ProviderName::parse(provider).unwrap();
            let destination = DestinationUser { provider, value: Personal::from_service(value) };
            find_destination(&users, &destination, &[value], case_sensitive).map(|user| user.username.expose())
        };
        assert_eq!(found("Cognito", "Alice", true), Some("Alice"));
        assert_eq!(found("Cognito", "alice", true), None);
        assert_eq!(found("Cognito", "alice", false), Some("ALICE"));
        assert_eq!(found("Cognito", "Alice", false), Some("Alice"), "the exact name first");
        assert_eq!(found("Corp", "AbC", false), Some("x1"), "whatever its name");
        assert_eq!(found("Corp", "abc", false), None, "an identity has a true case");
    }
}
