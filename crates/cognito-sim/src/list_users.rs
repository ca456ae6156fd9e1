//! `ListUsers`: filters, page tokens and pages.
//!
//! Pages go by position in an index. A page costs the same however many users there are, and a chain of pages never
//! shows a user twice, whatever changes in the pool between them.

use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::behavior::Behavior;
use crate::clock::UnixMs;
use crate::error::ApiError;
use crate::limits;
use crate::list_lag::ListedState;
use crate::model::{NewUser, User, UserIndex, UserView, derived_uuid};
use crate::pool::Pool;
use crate::wire::{ListCall, Page, page_size};

/// The users that may match, in the order of an index.
type CandidateUsers<'a> = Box<dyn Iterator<Item = UserIndex> + 'a>;

impl Pool {
    /// One page of users. A filter on an attribute without an index examines a bounded number of users, so a page may be
    /// short or empty without being the last, as those of the service may.
    pub(crate) fn list_users(
        &mut self,
        now: UnixMs,
        call: &ListCall,
        request_id: &str,
    ) -> Result<Page<UserView>, ApiError> {
        let limit = page_size(call.limit, "limit", limits::USERS_PER_PAGE_MAX)?;
        let keeps_backslashes = self.behaves(Behavior::FilterKeepsBackslashes);
        let filter = UserFilter::parse(call.filter.as_deref().unwrap_or_default(), keeps_backslashes)?;
        if self.behaves(Behavior::NoSubPrefix) && filter.as_ref().is_some_and(UserFilter::is_sub_prefix) {
            return Err(ApiError::filter_unreadable());
        }
        let filter_text = call.filter.as_deref().unwrap_or_default();
        let after = match &call.token {
            Some(token) => Some(
                PageToken::read(token, self.token_secret, filter_text, now)
                    .ok_or_else(|| ApiError::paging_marker(token, request_id))?,
            ),
            None => None,
        };
        if let Some(filter) = filter.as_ref().filter(|_| self.create_on_reference) {
            self.create_looked_up(filter);
        }
        if !filter.as_ref().is_some_and(UserFilter::is_exact_name) {
            self.by_username.order(&self.users);
            self.by_sub.order(&self.users);
        }
        let (items, last) = self.users_after(now, filter.as_ref(), after, limit);
        for name in call.attributes.iter().flatten() {
            let lacks = |user: &UserView| user.attributes.iter().all(|(held, _)| held != name);
            if items.iter().any(lacks) {
                return Err(ApiError::attribute_missing(name));
            }
        }
        let next_token = last.map(|user_index| PageToken::write(self.token_secret, filter_text, now, user_index));
        Ok(Page {
            items: items.into_iter().map(|user| with_only(user, call.attributes.as_deref())).collect(),
            next_token,
        })
    }

    /// Up to `limit` users, and the last user examined if there are more to examine.
    fn users_after(
        &self,
        now: UnixMs,
        filter: Option<&UserFilter>,
        after: Option<UserIndex>,
        limit: usize,
    ) -> (Vec<UserView>, Option<UserIndex>) {
        let mut candidates = self.candidates(filter, after);
        let mut users = Vec::with_capacity(limit);
        let mut last = None;
        for user_index in candidates.by_ref().take(limits::USERS_LOOKED_AT_MAX) {
            users.extend(self.listed_user(now, user_index, filter));
            last = Some(user_index);
            if users.len() == limit {
                break;
            }
        }
        (users, last.filter(|_| candidates.next().is_some()))
    }

    fn listed_user(&self, now: UnixMs, user_index: UserIndex, filter: Option<&UserFilter>) -> Option<UserView> {
        let user = self.user(user_index)?;
        if filter.is_some_and(|filter| !filter.matches(user, self.shown_username(user))) {
            return None;
        }
        match self.journal.listed(now, user_index) {
            ListedState::Now => Some(self.view(user, &user.identities)),
            ListedState::Before(identities) => Some(self.view(user, identities)),
            ListedState::Absent => None,
        }
    }

    fn candidates(&self, filter: Option<&UserFilter>, after: Option<UserIndex>) -> CandidateUsers<'_> {
        match filter {
            Some(UserFilter { attribute: SearchableAttribute::Username, prefix, value }) => {
                self.by_name(value, *prefix, after)
            }
            Some(UserFilter { attribute: SearchableAttribute::Sub, prefix, value }) => {
                self.by_subject(value, *prefix, after)
            }
            Some(UserFilter { attribute: SearchableAttribute::Email, prefix, value }) => {
                self.by_address(value, *prefix, after)
            }
            _ => self.by_name("", true, after),
        }
    }

    fn by_name(&self, value: &str, prefix: bool, after: Option<UserIndex>) -> CandidateUsers<'_> {
        let after = after.and_then(|user_index| self.user(user_index)).map(|user| &*user.username);
        // Where answers show the case, a filter goes by it; the index does not have it.
        let keeps_case = self.behaves(Behavior::NamesKeepCase);
        let value = if keeps_case { self.username_key(value) } else { value.to_owned() };
        if !prefix {
            let found = self.by_username.get(&self.users, &value).filter(|_| after.is_none());
            return Box::new(found.into_iter());
        }
        let users = self.by_username.from(after.map_or(Included(&*value), Excluded));
        Box::new(users.map_while(within(value, prefix)))
    }

    fn by_subject(&self, value: &str, prefix: bool, after: Option<UserIndex>) -> CandidateUsers<'_> {
        let after = after.and_then(|user_index| self.user(user_index)).map(User::sub);
        if !prefix {
            let found = self.by_sub.get(&self.users, value).filter(|_| after.is_none());
            return Box::new(found.into_iter());
        }
        let users = self.by_sub.from(after.as_deref().map_or(Included(value), Excluded));
        Box::new(users.map_while(within(value.to_owned(), prefix)))
    }

    fn by_address(&self, value: &str, prefix: bool, after: Option<UserIndex>) -> CandidateUsers<'_> {
        let value = value.to_lowercase();
        let after =
            after.and_then(|user_index| Some((self.user(user_index)?.email.as_ref()?.to_lowercase(), user_index)));
        let from = match after {
            Some((address, user_index)) => Excluded((Arc::from(address), user_index)),
            None => Included((Arc::from(value.as_str()), 0)),
        };
        let users = self.by_email.range((from, Unbounded));
        Box::new(users.map(|(address, user_index)| (&**address, *user_index)).map_while(within(value, prefix)))
    }

    /// Creates the user that an exact look-up is for. By e-mail or `sub` its user name is its `sub`, as in pools where
    /// users sign in by e-mail.
    fn create_looked_up(&mut self, filter: &UserFilter) {
        let value = filter.value.as_str();
        if filter.prefix || value.is_empty() || self.candidates(Some(filter), None).next().is_some() {
            return;
        }
        let user = match filter.attribute {
            SearchableAttribute::Username if !self.is_profile_name_form(value) => NewUser::named(value),
            SearchableAttribute::Sub => NewUser { sub: Some(value.to_owned()), ..NewUser::named(value) },
            SearchableAttribute::Email => {
                let sub = derived_uuid(&value.to_lowercase());
                NewUser { sub: Some(sub.clone()), ..NewUser::named(&sub) }.with_verified_email(value)
            }
            _ => return,
        };
        self.create_native(user);
    }
}

/// Continues while the key is the value, or starts with it.
fn within<'a>(value: String, prefix: bool) -> impl FnMut((&'a str, UserIndex)) -> Option<UserIndex> {
    move |(key, user_index)| (if prefix { key.starts_with(&*value) } else { key == value }).then_some(user_index)
}

fn with_only(mut user: UserView, names: Option<&[String]>) -> UserView {
    if let Some(names) = names.filter(|names| !names.is_empty()) {
        user.attributes.retain(|(name, _)| names.contains(name));
    }
    user
}

/// An attribute that can be searched (service model); `identities` and custom attributes cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SearchableAttribute {
    /// The user name, by exact case.
    Username,
    /// Exact.
    Sub,
    /// In any case.
    Email,
    /// `Enabled` or `Disabled`, by exact case.
    Status,
    /// `UserStatus`, in any case.
    UserStatus,
    /// Another standard attribute, in any case.
    Standard(&'static str),
}

impl SearchableAttribute {
    const ALL: [(&'static str, Self); 10] = [
        ("username", Self::Username),
        ("sub", Self::Sub),
        ("email", Self::Email),
        ("status", Self::Status),
        ("cognito:user_status", Self::UserStatus),
        ("phone_number", Self::Standard("phone_number")),
        ("name", Self::Standard("name")),
        ("given_name", Self::Standard("given_name")),
        ("family_name", Self::Standard("family_name")),
        ("preferred_username", Self::Standard("preferred_username")),
    ];

    fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, attribute)| *attribute)
    }
}

/// A filter of `ListUsers`: `attribute = "value"` or `attribute ^= "value"`. Its value is personal, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct UserFilter {
    /// What is compared.
    pub attribute: SearchableAttribute,
    /// Starts with, instead of equals.
    pub prefix: bool,
    /// The value as the request has it.
    pub value: String,
}

impl UserFilter {
    /// Reads a filter; an empty text asks for all users.
    pub(crate) fn parse(text: &str, keeps_backslashes: bool) -> Result<Option<Self>, ApiError> {
        if text.chars().count() > limits::FILTER_CHARS_MAX {
            return Err(ApiError::too_long(text, "filter", limits::FILTER_CHARS_MAX));
        }
        if text.trim().is_empty() {
            return Ok(None);
        }
        let (name, rest) = text.split_once('=').ok_or_else(ApiError::filter_unreadable)?;
        let (name, prefix) = match name.strip_suffix('^') {
            Some(name) => (name.trim(), true),
            None => (name.trim(), false),
        };
        // Public code writes the name in quotes as well (aws-samples).
        let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
        let value = quoted(rest.trim(), keeps_backslashes).ok_or_else(ApiError::filter_unreadable)?;
        let attribute = SearchableAttribute::by_name(name).ok_or_else(|| ApiError::filter_attribute(name))?;
        Ok(Some(Self { attribute, prefix, value }))
    }

    /// Whether it looks for one user by user name or `sub`.
    fn is_exact_name(&self) -> bool {
        matches!(self.attribute, SearchableAttribute::Username | SearchableAttribute::Sub) && !self.prefix
    }

    fn is_sub_prefix(&self) -> bool {
        self.attribute == SearchableAttribute::Sub && self.prefix
    }

    /// Whether a user matches whose user name is shown as this.
    pub(crate) fn matches(&self, user: &User, shown_username: &str) -> bool {
        match self.attribute {
            SearchableAttribute::Username => self.compare(Some(shown_username), false),
            SearchableAttribute::Sub => self.compare(Some(&user.sub()), false),
            SearchableAttribute::Email => self.compare(user.email.as_deref(), true),
            SearchableAttribute::Status => self.compare(Some(if user.enabled { "Enabled" } else { "Disabled" }), false),
            SearchableAttribute::UserStatus => self.compare(Some(user.status.as_str()), true),
            SearchableAttribute::Standard(name) => self.compare(user.attribute(name), true),
        }
    }

    fn compare(&self, held: Option<&str>, in_any_case: bool) -> bool {
        let Some(held) = held else { return false };
        let fits = |held: &str, value: &str| if self.prefix { held.starts_with(value) } else { held == value };
        if in_any_case { fits(&held.to_lowercase(), &self.value.to_lowercase()) } else { fits(held, &self.value) }
    }
}

/// The text between two quotes, in which a backslash takes the next character as it is; or, where backslashes are kept,
/// only a quote.
fn quoted(text: &str, keeps_backslashes: bool) -> Option<String> {
    let mut chars = text.strip_prefix('"')?.chars();
    let mut value = String::with_capacity(text.len());
    loop {
        match chars.next()? {
            '\\' => {
                let next = chars.next()?;
                if keeps_backslashes && next != '"' {
                    value.push('\\');
                }
                value.push(next);
            }
            '"' => return chars.next().is_none().then_some(value),
            other => value.push(other),
        }
    }
}

const LIFE_MS: i64 = limits::PAGINATION_TOKEN_MINUTES * 60_000;

/// The `PaginationToken` of `ListUsers`: when it was given, for which filter, and after which user the next page starts.
///
/// It is sealed, so an altered token is refused. It holds no personal value: a user is a number in it.
pub(crate) struct PageToken;

impl PageToken {
    pub(crate) fn write(secret: u64, filter_text: &str, now: UnixMs, after: UserIndex) -> String {
        let body = format!("{now:016x}{after:08x}");
        let seal = seal(secret, filter_text, &body);
        body + &seal
    }

    /// The user after whom the next page starts; `None` for an altered or expired token and for one of another filter.
    pub(crate) fn read(text: &str, secret: u64, filter_text: &str, now: UnixMs) -> Option<UserIndex> {
        let (body, sealed) = text.split_at_checked(24)?;
        if seal(secret, filter_text, body) != sealed {
            return None;
        }
        let issued = UnixMs::from_str_radix(body.get(..16)?, 16).ok()?;
        let fresh = now.saturating_sub(issued) < LIFE_MS;
        UserIndex::from_str_radix(body.get(16..)?, 16).ok().filter(|_| fresh)
    }
}

fn seal(secret: u64, filter_text: &str, body: &str) -> String {
    let filter_text = xxh3_64_with_seed(filter_text.as_bytes(), secret);
    format!("{:016x}", xxh3_64_with_seed(body.as_bytes(), filter_text))
}

#[cfg(test)]
mod filter_tests {
    use super::*;

    fn read(text: &str) -> Result<Option<(SearchableAttribute, bool, String)>, &'static str> {
        let filter = UserFilter::parse(text, false).map_err(|error| error.code)?;
        Ok(filter.map(|filter| (filter.attribute, filter.prefix, filter.value)))
    }

    #[test]
    fn the_grammar() {
        for (text, attribute, prefix, value) in [
            (r#"username = "alice""#, SearchableAttribute::Username, false, "alice"),
            (r#"sub^="0""#, SearchableAttribute::Sub, true, "0"),
            (r#"  email   ^=   "a=b@example.com"  "#, SearchableAttribute::Email, true, "a=b@example.com"),
            (r#"name = "a \"quoted\" \\ name""#, SearchableAttribute::Standard("name"), false, r#"a "quoted" \ name"#),
            (r#"cognito:user_status="CONFIRMED""#, SearchableAttribute::UserStatus, false, "CONFIRMED"),
            (r#"username = """#, SearchableAttribute::Username, false, ""),
        ] {
            assert_eq!(read(text), Ok(Some((attribute, prefix, value.to_owned()))), "{text}");
        }
        assert_eq!(read(""), Ok(None));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        let long = format!("email = \"{}\"", "x".repeat(limits::FILTER_CHARS_MAX));
        for text in [
            "username",
            "username = alice",
            "username = \"alice",
            "username = \"alice\" and email = \"b\"",
            "username = \"al\"ice\"",
            "username = \"alice\\\"",
            "username ~ \"alice\"",
            "identities = \"x\"",
            "custom:team = \"x\"",
            "Username = \"alice\"",
            &long,
        ] {
            assert_eq!(read(text), Err("InvalidParameterException"), "{text}");
        }
    }
}

#[cfg(test)]
mod token_tests {
    use super::*;

    #[test]
    fn a_token_holds_for_its_filter_text_and_an_hour() {
        let token = PageToken::write(7, "sub ^= \"0\"", 1_000, 42);
        let hour = LIFE_MS;
        assert_eq!(PageToken::read(&token, 7, "sub ^= \"0\"", 1_000 + hour - 1), Some(42));
        assert_eq!(PageToken::read(&token, 7, "sub ^= \"0\"", 1_000 + hour), None, "expired");
        assert_eq!(PageToken::read(&token, 7, "sub ^= \"1\"", 1_000), None, "another filter_text");
        assert_eq!(PageToken::read(&token, 8, "sub ^= \"0\"", 1_000), None, "another pool");
    }

    #[test]
    fn an_altered_token_is_refused() {
        let token = PageToken::write(7, "", 1_000, 42);
        for position in 0..token.len() {
            let mut altered = token.clone().into_bytes();
            altered[position] = if altered[position] == b'0' { b'1' } else { b'0' };
            let altered = String::from_utf8(altered).unwrap();
            assert_eq!(PageToken::read(&altered, 7, "", 1_000), None, "{position}");
        }
        for text in ["", "x", "é", &token[1..], &format!("{token}0")] {
            assert_eq!(PageToken::read(text, 7, "", 1_000), None);
        }
    }
}
