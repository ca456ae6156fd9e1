//! A simulated user pool: users, providers and the indices over them. Pure: the time is passed in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::behavior::{Behavior, BehaviorSet};
use crate::clock::UnixMs;
use crate::error::ApiError;
use crate::limits;
use crate::list_lag::LagJournal;
use crate::model::{
    IdentityOrigin, NewIdentity, NewUser, PoolError, PoolSettings, Provider, ProviderIndex, ProviderKind, RareFields,
    StoredIdentity, User, UserIndex, UserView, derived_uuid, identities_text, profile_username,
};
use crate::user_table::{UserTable, UserText};
use crate::wire::PoolView;

/// The attributes that can be aliases of user names (service model).
pub(crate) const ALIAS_ATTRIBUTES: [&str; 3] = ["email", "phone_number", "preferred_username"];

/// A user pool.
pub struct Pool {
    pub(crate) settings: PoolSettings,
    pub(crate) behaviors: BehaviorSet,
    pub(crate) create_on_reference: bool,
    pub(crate) providers: Vec<Provider>,
    provider_index: BTreeMap<Box<str>, ProviderIndex>,
    pub(crate) users: Vec<User>,
    pub(crate) by_username: UserTable,
    pub(crate) by_sub: UserTable,
    /// In lower case: addresses are searched in any case, and several users may have the same.
    pub(crate) by_email: BTreeSet<(Arc<str>, UserIndex)>,
    pub(crate) journal: LagJournal,
    pub(crate) token_secret: u64,
    /// The number of the link call that is being executed, which marks the identities that it links.
    pub(crate) call_number: u32,
    pub(crate) throttled_links: Share,
    pub(crate) refused_links: Share,
}

/// Every n-th of some events, from a first one that depends on the seed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Share {
    count: u64,
}

impl Share {
    /// Counts an event, and says whether it is one of the share.
    pub(crate) fn takes(&mut self, every: u64, seed: u64) -> bool {
        self.count += 1;
        (self.count + seed % every).is_multiple_of(every)
    }

    pub(crate) fn count(self) -> u64 {
        self.count
    }
}

impl Pool {
    /// A pool without users and providers.
    #[must_use]
    pub fn new(settings: PoolSettings) -> Self {
        Self {
            settings,
            behaviors: BehaviorSet::default(),
            create_on_reference: false,
            providers: Vec::new(),
            provider_index: BTreeMap::new(),
            users: Vec::new(),
            by_username: UserTable::new(UserText::Username),
            by_sub: UserTable::new(UserText::Sub),
            by_email: BTreeSet::new(),
            journal: LagJournal::default(),
            token_secret: 0,
            call_number: 0,
            throttled_links: Share::default(),
            refused_links: Share::default(),
        }
    }

    /// Creates users and providers that a request names and the pool does not have.
    #[must_use]
    pub fn creating_on_reference(mut self) -> Self {
        self.create_on_reference = true;
        self
    }

    /// Sets in what the pool behaves otherwise than by default.
    #[must_use]
    pub fn with_behaviors(mut self, behaviors: impl IntoIterator<Item = Behavior>) -> Self {
        self.set_behaviors(behaviors.into_iter().collect());
        self
    }

    pub(crate) fn set_behaviors(&mut self, behaviors: BehaviorSet) {
        self.behaviors = behaviors;
        if self.behaves(Behavior::ListLag40s) {
            self.journal.set_lag_ms(limits::LONG_LIST_LAG_MS.max(self.journal.lag_ms()));
        }
        if self.behaves(Behavior::MappedUsernames) {
            self.rename_federated_users();
        }
    }

    /// Gives federated users that are named `Provider_id` the user names that they have by mapping.
    fn rename_federated_users(&mut self) {
        for at in 0..self.users.len() {
            let Some(mapped) = self.mapped_username(&self.users[at].username, &self.users[at].identities) else {
                continue;
            };
            let Some(user_index) = self.user_index_by_username(&self.users[at].username) else { continue };
            self.by_username.remove(&self.users, &self.users[at].username);
            let key = self.username_key(&mapped).into();
            let user = &mut self.users[at];
            // The `sub` stays.
            user.given_sub = Some(user.sub().into());
            user.username = key;
            if let Some(extra) = &mut user.extra {
                extra.given_username = None;
            }
            self.by_username.insert(&self.users, user_index);
        }
    }

    /// The user name by mapping of a user who is named `Provider_id` after its own identity.
    fn mapped_username(&self, username: &str, identities: &[StoredIdentity]) -> Option<String> {
        let own = identities.iter().find(|held| held.primary)?;
        let provider = &self.providers.get(usize::from(own.provider))?.name;
        let is_plain = self.username_key(&profile_username(provider, &own.user_id)) == self.username_key(username);
        is_plain.then(|| self.profile_name(provider, &own.user_id))
    }

    /// The user name of the profile that the first sign-in of an unlinked identity creates.
    pub(crate) fn profile_name(&self, provider: &str, user_id: &str) -> String {
        let plain = profile_username(provider, user_id);
        if !self.behaves(Behavior::MappedUsernames) {
            return plain;
        }
        let mapped = derived_uuid(&plain);
        format!("{provider}_mapped-{}", &mapped[..8])
    }

    pub(crate) fn behaves(&self, behavior: Behavior) -> bool {
        self.behaviors.has(behavior)
    }

    /// Lets `ListUsers` show writes only after this many milliseconds.
    #[must_use]
    pub fn with_list_lag_ms(mut self, lag_ms: u64) -> Self {
        self.set_list_lag_ms(lag_ms);
        self
    }

    /// The settings of the pool.
    #[must_use]
    pub fn settings(&self) -> &PoolSettings {
        &self.settings
    }

    /// The pool's providers, in the order in which they were added.
    #[must_use]
    pub fn providers(&self) -> &[Provider] {
        &self.providers
    }

    /// The number of users.
    #[must_use]
    pub fn user_count(&self) -> usize {
        self.by_username.len()
    }

    /// Adds a provider.
    ///
    /// # Errors
    /// [`PoolError::ProviderTaken`] or [`PoolError::TooManyProviders`].
    pub fn add_provider(&mut self, provider: Provider) -> Result<(), PoolError> {
        if self.provider_index.contains_key(&provider.name) {
            return Err(PoolError::ProviderTaken);
        }
        if self.providers.len() >= limits::PROVIDERS_PER_POOL_MAX {
            return Err(PoolError::TooManyProviders);
        }
        let index = ProviderIndex::try_from(self.providers.len()).map_err(|_| PoolError::TooManyProviders)?;
        self.provider_index.insert(provider.name.clone(), index);
        self.providers.push(provider);
        Ok(())
    }

    /// Adds a provider of this name if there is none. Its type follows from its name, and it accepts links by any
    /// attribute.
    ///
    /// # Errors
    /// [`PoolError::TooManyProviders`].
    pub fn ensure_provider(&mut self, name: &str) -> Result<(), PoolError> {
        if self.provider_index.contains_key(name) {
            return Ok(());
        }
        let mut provider = Provider::new(name, ProviderKind::by_name(name), self.settings.created_ms);
        provider.created_on_reference = true;
        self.add_provider(provider)
    }

    /// Adds a user, without any of the service's rules for links.
    ///
    /// # Errors
    /// [`PoolError`] where something of it is taken or unknown; the pool is as it was before.
    pub fn add_user(&mut self, user: NewUser) -> Result<(), PoolError> {
        let mut key = self.username_key(&user.username);
        if key.is_empty() || key.chars().count() > limits::USERNAME_CHARS_MAX {
            return Err(PoolError::UsernameLength);
        }
        if self.by_username.get(&self.users, &key).is_some() {
            return Err(PoolError::UsernameTaken);
        }
        let derived_sub = derived_uuid(&key);
        let mut given_sub = user.sub.filter(|given| *given != derived_sub).map(Box::from);
        if self.by_sub.get(&self.users, given_sub.as_deref().unwrap_or(&derived_sub)).is_some() {
            return Err(PoolError::SubTaken);
        }
        let identities = self.free_identities(&user.identities)?;
        let mut given_username = (*key != user.username).then(|| Box::from(user.username));
        if self.behaves(Behavior::MappedUsernames)
            && let Some(mapped) = self.mapped_username(&key, &identities)
        {
            (key, given_username) = (self.username_key(&mapped), None);
            given_sub.get_or_insert_with(|| derived_sub.into());
        }
        let user_index = UserIndex::try_from(self.users.len()).map_err(|_| PoolError::TooManyUsers)?;
        for (identity, wanted) in identities.iter().zip(&user.identities) {
            if !wanted.shown_only {
                self.add_holder(identity, user_index);
            }
        }
        let attributes: Box<[_]> =
            user.attributes.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let (alias_conflict, password_disabled) = (user.alias_conflict, user.password_disabled);
        let link_refusal = user.link_refusal.map(Box::from);
        let has_extra = !attributes.is_empty()
            || alias_conflict
            || link_refusal.is_some()
            || password_disabled
            || given_username.is_some();
        let extra = has_extra.then(|| {
            Box::new(RareFields { given_username, attributes, alias_conflict, link_refusal, password_disabled })
        });
        self.index_new(User {
            username: key.into(),
            given_sub,
            email: user.email.map(Arc::from),
            created_ms: user.created_ms,
            modified_ms: user.modified_ms,
            identities,
            extra,
            status: user.status,
            enabled: user.enabled,
        });
        Ok(())
    }

    fn free_identities(&self, wanted: &[NewIdentity]) -> Result<Vec<StoredIdentity>, PoolError> {
        let mut held = Vec::with_capacity(wanted.len());
        for (position, identity) in wanted.iter().enumerate() {
            let index = *self.provider_index.get(&*identity.provider).ok_or(PoolError::ProviderUnknown)?;
            let earlier = &wanted[..position];
            let twice = earlier.iter().any(|e| e.provider == identity.provider && e.user_id == identity.user_id);
            let is_taken = !identity.shown_only && self.holder(index, &identity.user_id).is_some();
            if twice || is_taken {
                return Err(PoolError::IdentityTaken);
            }
            held.push(StoredIdentity {
                provider: index,
                user_id: identity.user_id.as_str().into(),
                attribute: identity.attribute.as_deref().map(Box::from),
                issuer: identity.issuer.as_deref().map(Box::from),
                primary: identity.primary,
                used: identity.used_form.is_some() || (identity.used && identity.attribute.is_some()),
                used_form: identity
                    .used_form
                    .as_ref()
                    .map(|(name, value)| Box::new((Box::from(name.as_str()), Box::from(value.as_str())))),
                origin: IdentityOrigin::AtStart,
                created_ms: identity.created_ms,
            });
        }
        Ok(held)
    }

    fn index_new(&mut self, user: User) {
        let Ok(user_index) = UserIndex::try_from(self.users.len()) else { return };
        if let Some(email) = &user.email {
            self.by_email.insert((lower_case(email), user_index));
        }
        self.users.push(user);
        self.by_username.insert(&self.users, user_index);
        self.by_sub.insert(&self.users, user_index);
    }

    pub(crate) fn add_holder(&mut self, identity: &StoredIdentity, user_index: UserIndex) {
        if let Some(provider) = self.providers.get_mut(usize::from(identity.provider)) {
            provider.add_holder(Arc::clone(&identity.user_id), user_index);
            if let Some(form) = &identity.used_form {
                provider.used_links.insert((**form).clone(), Arc::clone(&identity.user_id));
            }
            let linked_by = identity.attribute.as_ref().or(identity.used_form.as_ref().map(|form| &form.0));
            if let Some(name) = linked_by.filter(|name| !provider.linked_attributes.contains(&**name)) {
                provider.linked_attributes.insert(name.clone());
            }
        }
    }

    /// The form in which a user name is kept and looked up.
    pub(crate) fn username_key(&self, username: &str) -> String {
        if self.settings.case_sensitive { username.to_owned() } else { username.to_lowercase() }
    }

    pub(crate) fn provider(&self, name: &str) -> Option<(ProviderIndex, &Provider)> {
        let index = *self.provider_index.get(name)?;
        Some((index, self.providers.get(usize::from(index))?))
    }

    pub(crate) fn holder(&self, provider: ProviderIndex, user_id: &str) -> Option<UserIndex> {
        self.providers.get(usize::from(provider))?.holders.get(user_id).copied()
    }

    pub(crate) fn user(&self, user_index: UserIndex) -> Option<&User> {
        self.users.get(usize::try_from(user_index).ok()?)
    }

    pub(crate) fn user_mut(&mut self, user_index: UserIndex) -> Option<&mut User> {
        self.users.get_mut(usize::try_from(user_index).ok()?)
    }

    pub(crate) fn user_index_by_username(&self, username: &str) -> Option<UserIndex> {
        if self.settings.case_sensitive {
            self.by_username.get(&self.users, username)
        } else {
            self.by_username.get(&self.users, &self.username_key(username))
        }
    }

    /// `DescribeUserPool`.
    pub(crate) fn describe(&self) -> PoolView {
        PoolView { settings: self.settings.clone(), estimated_user_count: self.user_count() }
    }

    /// The user whom a name of any sort means.
    pub(crate) fn find_user(&self, name: &str) -> Option<UserIndex> {
        self.user_index_by_username(name)
            .or_else(|| self.user_index_by_alias(name))
            .or_else(|| self.user_index_by_profile_name(name))
    }

    fn user_index_by_profile_name(&self, name: &str) -> Option<UserIndex> {
        self.providers.iter().find_map(|provider| {
            let user_id = name.strip_prefix(&*provider.name)?.strip_prefix('_')?;
            provider.holders.get(user_id).copied()
        })
    }

    fn user_index_by_alias(&self, value: &str) -> Option<UserIndex> {
        if self.settings.username_attributes.is_empty()
            && let Some(user_index) = self.by_sub.get(&self.users, value)
        {
            return Some(user_index);
        }
        ALIAS_ATTRIBUTES.into_iter().find_map(|name| self.user_index_by_alias_of(name, value))
    }

    /// The user whose alias a value is. Of several users who have an address, the one who has verified it.
    fn user_index_by_alias_of(&self, attribute: &str, value: &str) -> Option<UserIndex> {
        if !self.settings.is_alias(attribute) {
            return None;
        }
        let holders = self.users_with(attribute, value);
        if let [user_index] = holders[..] {
            let is_unverified = self.verified(user_index, attribute) == Some(false);
            return Some(user_index).filter(|_| !is_unverified || !self.settings.username_attributes.is_empty());
        }
        let mut verified = holders.into_iter().filter(|user_index| self.verified(*user_index, attribute) == Some(true));
        verified.next().filter(|_| verified.next().is_none())
    }

    /// The users who have this value of an attribute that may be an alias. Only e-mail addresses have an index.
    pub(crate) fn users_with(&self, attribute: &str, value: &str) -> Vec<UserIndex> {
        if attribute == "email" {
            let address: Arc<str> = value.to_lowercase().into();
            let holders = self.by_email.range((Arc::clone(&address), 0)..=(address, UserIndex::MAX));
            return holders.map(|(_, user_index)| *user_index).collect();
        }
        let has_value = |user_index: &UserIndex| {
            self.user(*user_index)
                .and_then(|user| user.attribute(attribute))
                .is_some_and(|held| self.username_key(held) == self.username_key(value))
        };
        self.by_username.iter().filter(has_value).collect()
    }

    /// Whether a user has verified an address, as far as the pool says. Names need not be verified.
    pub(crate) fn verified(&self, user_index: UserIndex, attribute: &str) -> Option<bool> {
        let user = self.user(user_index)?;
        match attribute {
            "email" => user.attribute("email_verified").map(|text| text == "true"),
            "phone_number" => user.attribute("phone_number_verified").map(|text| text == "true"),
            _ => Some(true),
        }
    }

    /// Whether a name has the form of a federated profile's. Reading must not create a native user of that name, because
    /// it would prevent the link of the identity.
    pub(crate) fn is_profile_name_form(&self, username: &str) -> bool {
        let key = self.username_key(username);
        self.providers.iter().any(|provider| {
            key.strip_prefix(&self.username_key(&provider.name)).is_some_and(|rest| rest.starts_with('_'))
        })
    }

    /// Creates a user on reference; a name that is not valid stays unknown.
    pub(crate) fn create_native(&mut self, user: NewUser) {
        let _ = self.add_user(user);
    }

    pub(crate) fn provider_or_create(&mut self, name: &str) -> Result<(ProviderIndex, &Provider), ApiError> {
        if self.create_on_reference {
            self.ensure_provider(name).map_err(|_| self.provider_missing(name))?;
        }
        self.provider(name).ok_or_else(|| self.provider_missing(name))
    }

    /// Records what lists show until the lag is over.
    pub(crate) fn record_in_journal(&mut self, now: UnixMs, user_index: UserIndex) {
        let Self { journal, users, .. } = self;
        let user = usize::try_from(user_index).ok().and_then(|user_index| users.get(user_index));
        journal.record(now, user_index, || user.map(|user| user.identities.clone()));
    }

    /// Takes an identity from a user. It goes back to the profile that it created, where that is still there.
    pub(crate) fn remove_identity(&mut self, user_index: UserIndex, index: ProviderIndex, user_id: &str) {
        let is_it = |held: &StoredIdentity| held.provider == index && *held.user_id == *user_id;
        let mut used_form = None;
        if let Some(user) = self.user_mut(user_index) {
            used_form = user.identities.iter_mut().find(|held| is_it(held)).and_then(|held| held.used_form.take());
            user.identities.retain(|held| !is_it(held));
        }
        if self.holder(index, user_id) != Some(user_index) {
            return;
        }
        let profile = self.profile_of(index, user_id);
        if let Some(provider) = self.providers.get_mut(usize::from(index)) {
            provider.remove_holder(user_id);
            if let Some(form) = used_form {
                provider.used_links.remove(&*form);
            }
            if let Some(profile) = profile {
                provider.add_holder(user_id.into(), profile);
            }
        }
    }

    /// The identities that users hold, each with the key of its user's name and the name of its provider.
    pub(crate) fn held_identities(&self) -> impl Iterator<Item = (&str, &str, &StoredIdentity)> {
        self.providers.iter().enumerate().flat_map(move |(index, provider)| {
            provider.holders.iter().filter_map(move |(user_id, user_index)| {
                let user = self.user(*user_index)?;
                let is_it = |held: &&StoredIdentity| usize::from(held.provider) == index && held.user_id == *user_id;
                Some((&*user.username, &*provider.name, user.identities.iter().find(is_it)?))
            })
        })
    }

    /// The user whom an identity created.
    pub(crate) fn profile_of(&self, index: ProviderIndex, user_id: &str) -> Option<UserIndex> {
        let provider = &self.providers.get(usize::from(index))?.name;
        let user_index = self.user_index_by_username(&self.profile_name(provider, user_id))?;
        let own = |held: &StoredIdentity| held.primary && held.provider == index && *held.user_id == *user_id;
        self.user(user_index)?.identities.iter().any(own).then_some(user_index)
    }

    /// The user name as answers show it.
    pub(crate) fn shown_username<'a>(&self, user: &'a User) -> &'a str {
        let given = user.extra.as_ref().and_then(|extra| extra.given_username.as_deref());
        given.filter(|_| self.behaves(Behavior::NamesKeepCase)).unwrap_or(&user.username)
    }

    /// A user as an answer shows it, with these identities.
    pub(crate) fn view(&self, user: &User, identities: &[StoredIdentity]) -> UserView {
        let hides_unused = self.behaves(Behavior::AttributeLinksHidden);
        let shown = identities.iter().filter(|held| !hides_unused || held.attribute.is_none() || held.used);
        let date = |unix_ms: UnixMs| match () {
            () if self.behaves(Behavior::DatesAbsent) => None,
            () if self.behaves(Behavior::DatesInSeconds) => Some(unix_ms.div_euclid(1_000)),
            () => Some(unix_ms),
        };
        user.view(self.shown_username(user), identities_text(shown, &self.providers, date))
    }

    pub(crate) fn provider_name_chars_max(&self) -> usize {
        let longer = self.behaves(Behavior::ProviderNames40);
        if longer { limits::LONG_PROVIDER_NAME_CHARS_MAX } else { limits::PROVIDER_NAME_CHARS_MAX }
    }

    /// Sets the lag of lists; [`Behavior::ListLag40s`] is the least.
    pub(crate) fn set_list_lag_ms(&mut self, lag_ms: u64) {
        let least = if self.behaves(Behavior::ListLag40s) { limits::LONG_LIST_LAG_MS } else { 0 };
        self.journal.set_lag_ms(lag_ms.max(least));
    }

    /// The one user who has an e-mail address that is not known to be unverified.
    pub(crate) fn user_by_address(&self, address: &str) -> Option<UserIndex> {
        let mut holders = self.users_with("email", address).into_iter();
        let mut holders = holders.by_ref().filter(|user_index| self.verified(*user_index, "email") != Some(false));
        holders.next().filter(|_| holders.next().is_none())
    }

    /// That a provider is not there.
    pub(crate) fn provider_missing(&self, name: &str) -> ApiError {
        if self.behaves(Behavior::ProviderMissingSaysPool) {
            return ApiError::provider_not_in_pool(name, &self.settings.id);
        }
        ApiError::provider_not_found(name)
    }
}

/// The form in which addresses are searched; shares the text where it is in lower case.
pub(crate) fn lower_case(text: &Arc<str>) -> Arc<str> {
    let lower = text.to_lowercase();
    if lower == **text { Arc::clone(text) } else { lower.into() }
}
