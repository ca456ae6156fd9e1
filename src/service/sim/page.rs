//! `ListUsers` and `ListIdentityProviders` on a pool: pages by position in an index, so that a page costs the same
//! however many users there are, and a chain of pages never shows a user twice however the pool changes meanwhile.

use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::Arc;

use super::error::ApiError;
use super::filter::{Filter, Searchable};
use super::lag::Listed;
use super::pool::Pool;
use super::request::{ListCall, Page, ProviderView};
use super::token::Token;
use super::user::{NewUser, Slot, UserView, derived_uuid};
use crate::clock::UnixMs;
use crate::limits;

/// The users that may fit, in the order of an index.
type Candidates<'a> = Box<dyn Iterator<Item = Slot> + 'a>;

impl Pool {
    /// One page of users. A filter on an attribute without an index looks at a bounded number of users, so a page may
    /// be short or empty without being the last, as the service's may.
    ///
    /// # Errors
    /// `InvalidParameterException` for a filter, limit, token or attribute that does not hold.
    pub fn list_users(&mut self, now: UnixMs, call: &ListCall, request_id: &str) -> Result<Page<UserView>, ApiError> {
        let limit = page_size(call.limit, "limit", limits::USERS_PER_PAGE_MAX)?;
        let filter = Filter::parse(call.filter.as_deref().unwrap_or_default())?;
        let question = call.filter.as_deref().unwrap_or_default();
        let after = match &call.token {
            Some(token) => Some(
                Token::read(token, self.token_secret, question, now)
                    .ok_or_else(|| ApiError::paging_marker(token, request_id))?,
            ),
            None => None,
        };
        if let Some(filter) = filter.as_ref().filter(|_| self.auto_create) {
            self.make_looked_up(filter);
        }
        let (items, last) = self.users_after(now, filter.as_ref(), after, limit);
        for name in call.attributes.iter().flatten() {
            let lacks = |user: &UserView| user.attributes.iter().all(|(held, _)| held != name);
            if items.iter().any(lacks) {
                return Err(ApiError::attribute_missing(name));
            }
        }
        let next_token = last.map(|slot| Token::write(self.token_secret, question, now, slot));
        Ok(Page {
            items: items.into_iter().map(|user| with_only(user, call.attributes.as_deref())).collect(),
            next_token,
        })
    }

    /// Up to `limit` users, and the last one looked at where there are more to look at.
    fn users_after(
        &self,
        now: UnixMs,
        filter: Option<&Filter>,
        after: Option<Slot>,
        limit: usize,
    ) -> (Vec<UserView>, Option<Slot>) {
        let mut candidates = self.candidates(filter, after);
        let mut users = Vec::with_capacity(limit);
        let mut last = None;
        for slot in candidates.by_ref().take(limits::SIM_USERS_LOOKED_AT_MAX) {
            users.extend(self.listed_user(now, slot, filter));
            last = Some(slot);
            if users.len() == limit {
                break;
            }
        }
        (users, last.filter(|_| candidates.next().is_some()))
    }

    fn listed_user(&self, now: UnixMs, slot: Slot, filter: Option<&Filter>) -> Option<UserView> {
        let user = self.user(slot).filter(|user| filter.is_none_or(|filter| filter.fits(user)))?;
        match self.journal.listed(now, slot) {
            Listed::Now => Some(user.view(&user.identities, &self.providers)),
            Listed::Before(identities) => Some(user.view(identities, &self.providers)),
            Listed::Absent => None,
        }
    }

    fn candidates(&self, filter: Option<&Filter>, after: Option<Slot>) -> Candidates<'_> {
        match filter {
            Some(Filter { attribute: Searchable::Username, prefix, value }) => self.by_name(value, *prefix, after),
            Some(Filter { attribute: Searchable::Sub, prefix, value }) => self.by_subject(value, *prefix, after),
            Some(Filter { attribute: Searchable::Email, prefix, value }) => self.by_address(value, *prefix, after),
            _ => self.by_name("", true, after),
        }
    }

    fn by_name(&self, value: &str, prefix: bool, after: Option<Slot>) -> Candidates<'_> {
        let after = after.and_then(|slot| self.user(slot)).map(|user| &*user.username);
        let value = value.to_owned();
        let users = self.by_username.range::<str, _>((after.map_or(Included(&*value), Excluded), Unbounded));
        Box::new(users.map(|(name, slot)| (&**name, *slot)).map_while(within(value, prefix)))
    }

    fn by_subject(&self, value: &str, prefix: bool, after: Option<Slot>) -> Candidates<'_> {
        let after = after.and_then(|slot| self.user(slot)).map(|user| &*user.sub);
        let value = value.to_owned();
        let users = self.by_sub.range::<str, _>((after.map_or(Included(&*value), Excluded), Unbounded));
        Box::new(users.map(|(sub, slot)| (&**sub, *slot)).map_while(within(value, prefix)))
    }

    fn by_address(&self, value: &str, prefix: bool, after: Option<Slot>) -> Candidates<'_> {
        let value = value.to_lowercase();
        let after = after.and_then(|slot| Some((self.user(slot)?.email.as_ref()?.to_lowercase(), slot)));
        let from = match after {
            Some((address, slot)) => Excluded((Arc::from(address), slot)),
            None => Included((Arc::from(value.as_str()), 0)),
        };
        let users = self.by_email.range((from, Unbounded));
        Box::new(users.map(|(address, slot)| (&**address, *slot)).map_while(within(value, prefix)))
    }

    /// Makes the user that an exact look-up asks for: by e-mail or `sub` one whose user name is its `sub`, as in pools
    /// where users sign in by e-mail.
    fn make_looked_up(&mut self, filter: &Filter) {
        let value = filter.value.as_str();
        if filter.prefix || value.is_empty() || self.candidates(Some(filter), None).next().is_some() {
            return;
        }
        let user = match filter.attribute {
            Searchable::Username if !self.looks_like_a_profile(value) => NewUser::named(value),
            Searchable::Sub => NewUser { sub: Some(value.to_owned()), ..NewUser::named(value) },
            Searchable::Email => {
                let sub = derived_uuid(&value.to_lowercase());
                NewUser { sub: Some(sub.clone()), ..NewUser::named(&sub) }.with_email(value)
            }
            _ => return,
        };
        self.create_native(user);
    }

    /// One page of providers, in the order in which they were added.
    ///
    /// # Errors
    /// `InvalidParameterException` for a limit or token that does not hold.
    pub fn list_providers(
        &self,
        limit: Option<u64>,
        token: Option<&str>,
        request_id: &str,
    ) -> Result<Page<ProviderView>, ApiError> {
        let limit = page_size(limit, "maxResults", limits::PROVIDERS_PER_PAGE_MAX)?;
        let start: usize = match token {
            Some(token) => token.parse().map_err(|_| ApiError::paging_marker(token, request_id))?,
            None => 0,
        };
        let items: Vec<_> = self.providers.iter().skip(start).take(limit).map(super::provider_admin::view).collect();
        let end = start.saturating_add(items.len());
        Ok(Page { items, next_token: (end < self.providers.len()).then(|| end.to_string()) })
    }
}

/// Goes on while the key is the value, or starts with it.
fn within<'a>(value: String, prefix: bool) -> impl FnMut((&'a str, Slot)) -> Option<Slot> {
    move |(key, slot)| (if prefix { key.starts_with(&*value) } else { key == value }).then_some(slot)
}

pub(super) fn page_size(limit: Option<u64>, member: &str, max: usize) -> Result<usize, ApiError> {
    match limit {
        None | Some(0) => Ok(max),
        Some(limit) => usize::try_from(limit)
            .ok()
            .filter(|limit| *limit <= max)
            .ok_or_else(|| ApiError::too_large(limit, member, max)),
    }
}

fn with_only(mut user: UserView, names: Option<&[String]>) -> UserView {
    if let Some(names) = names.filter(|names| !names.is_empty()) {
        user.attributes.retain(|(name, _)| names.contains(name));
    }
    user
}
