//! What to ask about the users whom a row names, one filter at a time, where a pool is not read as a whole.

use std::collections::HashSet;

use xxhash_rust::xxh3::xxh3_64;

use super::wanted::Wanted;
use crate::domain::identity::{Destination, Personal, profile_username};
use crate::domain::row::Link;
use crate::limits::{FILTER_CHARS_MAX, USERS_PER_PAGE_MAX};
use crate::service::UserFilter;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookUp {
    Scan,
    /// The users whom rows name, each by a filter. Identities on users whom no row names are not seen.
    Filter,
}

impl LookUp {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Filter => "filter",
        }
    }
}

/// What each way of reading the pool costs, in calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookUpCost {
    /// A page for every sixty users, of the service's own estimate.
    pub scan: u64,
    /// A call for everything that a row names.
    pub filter: u64,
}

impl LookUpCost {
    /// For a pool of so many users and a file that wants this.
    #[must_use]
    pub fn of(estimated_users: u64, wanted: &Wanted) -> Self {
        Self { scan: Self::of_scan(estimated_users), filter: wanted.question_count() as u64 }
    }

    /// What a scan of so many users costs, in calls.
    #[must_use]
    pub fn of_scan(estimated_users: u64) -> u64 {
        let pages = estimated_users.div_ceil(USERS_PER_PAGE_MAX as u64);
        pages + if pages > 1 { crate::limits::SCAN_CHAINS } else { 1 }
    }

    /// The cheaper way; the scan, which sees more, where they cost the same.
    #[must_use]
    pub fn cheaper(self) -> LookUp {
        if self.filter < self.scan { LookUp::Filter } else { LookUp::Scan }
    }

    #[must_use]
    pub fn calls(self, look_up: LookUp) -> u64 {
        match look_up {
            LookUp::Scan => self.scan,
            LookUp::Filter => self.filter,
        }
    }
}

#[derive(Debug)]
pub struct Questions {
    /// Hashes of the filters: 64 bits, of which two agree by chance once in 10⁷ files of a million rows.
    asked: HashSet<u64>,
    case_sensitive: bool,
}

impl Questions {
    /// None asked yet, of a pool that tells user names apart by case, or does not.
    #[must_use]
    pub fn new(case_sensitive: bool) -> Self {
        Self { asked: HashSet::new(), case_sensitive }
    }

    /// What has to be asked for a row, besides what was asked for others: its destination, and the profile that its
    /// identity would have.
    pub fn of(&mut self, link: &Link) -> Vec<UserFilter> {
        let (provider, value) = (link.source.provider().as_str(), link.source.value().expose());
        let profile = self.by_username(&profile_username(provider, value));
        let mut filters = vec![self.destination(&link.destination), profile];
        filters.retain(|filter| self.asked.insert(xxh3_64(filter.to_text().as_bytes())));
        filters
    }

    fn destination(&self, destination: &Destination) -> UserFilter {
        match destination {
            Destination::Username(name) => self.by_username(name.expose()),
            Destination::Email(email) => fitting("email", email.expose()),
            Destination::Sub(sub) => fitting("sub", sub.expose()),
            Destination::Federated { provider, user_id } => {
                self.by_username(&profile_username(provider.as_str(), user_id.expose()))
            }
        }
    }

    /// A case-insensitive pool keeps user names in lower case, and its filter does not fold.
    fn by_username(&self, username: &str) -> UserFilter {
        if self.case_sensitive { fitting("username", username) } else { fitting("username", &username.to_lowercase()) }
    }
}

/// A filter on this value, or on as much of its start as fits: what it finds is compared in full anyway.
fn fitting(attribute: &'static str, value: &str) -> UserFilter {
    let mut filter = UserFilter { attribute, prefix: false, value: Personal::from_service(value) };
    let mut chars = value.chars().count();
    while filter.to_text().chars().count() > FILTER_CHARS_MAX && chars > 1 {
        chars -= 1;
        let start: String = value.chars().take(chars).collect();
        filter = UserFilter { attribute, prefix: true, value: Personal::from_service(&start) };
    }
    filter
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::{AttributeName, ExternalIdentity, ProviderName};
    use crate::foresight::wanted::WantedRows;

    fn link(destination: Destination, value: &str) -> Link {
        let provider = ProviderName::parse("Okta").unwrap();
        let source = ExternalIdentity::new(provider, AttributeName::subject(), Personal::from_service(value)).unwrap();
        Link { destination, source }
    }

    fn texts(links: &[Link], case_sensitive: bool) -> Vec<String> {
        let mut questions = Questions::new(case_sensitive);
        links.iter().flat_map(|link| questions.of(link)).map(|filter| filter.to_text()).collect()
    }

    #[test]
    fn each_user_and_each_profile_is_asked_for_once() {
        let alice = || Destination::Username(Personal::from_service("Alice"));
        let email = Destination::Email(Personal::from_service("a@example.com"));
        let links = [link(alice(), "A"), link(alice(), "B"), link(email, "A")];
        let expected =
            ["username = \"Alice\"", "username = \"Okta_A\"", "username = \"Okta_B\"", "email = \"a@example.com\""];
        assert_eq!(texts(&links, true), expected);
        let other = link(Destination::Username(Personal::from_service("alice")), "A");
        assert_eq!(texts(&[links[0].clone(), other], true).len(), 3, "another user in a pool that tells case apart");
        assert_eq!(texts(&links[..1], false), ["username = \"alice\"", "username = \"okta_a\""]);
    }

    #[test]
    fn what_does_not_fit_a_filter_is_asked_for_by_its_start() {
        let quotes = "\"".repeat(128);
        let [text, _] =
            texts(&[link(Destination::Username(Personal::from_service(&quotes)), "A")], true).try_into().unwrap();
        assert!(text.starts_with("username ^= ") && text.chars().count() <= FILTER_CHARS_MAX, "{text}");
    }

    #[test]
    fn the_cheaper_way_is_taken() {
        let mut rows = WantedRows::default();
        rows.add(&link(Destination::Username(Personal::from_service("alice")), "A"));
        let wanted = rows.finish();
        let cost = |users| LookUpCost::of(users, &wanted);
        assert_eq!((cost(1_000_000).scan, cost(1_000_000).filter), (16_683, 2));
        assert_eq!(cost(1_000_000).cheaper(), LookUp::Filter);
        assert_eq!(cost(30).cheaper(), LookUp::Scan);
    }
}
