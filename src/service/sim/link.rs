//! `AdminLinkProviderForUser` on a pool.

use std::sync::Arc;

use super::error::ApiError;
use super::pool::Pool;
use super::provider::Provider;
use super::request::{LinkCall, UserRef};
use super::settings::LinkedElsewhere;
use super::user::{HeldIdentity, NewIdentity, NewUser, ProviderIndex, Slot, Status, User};
use crate::clock::UnixMs;
use crate::domain::identity::{COGNITO_SUBJECT, NATIVE_PROVIDER, profile_username};
use crate::limits;

/// The three members of a source or destination, as far as the service model goes.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) provider: &'a str,
    pub(super) attribute: &'a str,
    pub(super) value: &'a str,
}

impl Pool {
    /// Links a source identity to a destination user.
    ///
    /// The order of the checks is a guess, drawn so that the nearest reason is told: the request's shape, the source,
    /// the destination, who holds the source, the destination's limits.
    ///
    /// # Errors
    /// What the service answers (see `error` for the texts); the pool is as it was before.
    pub fn link(&mut self, now: UnixMs, call: &LinkCall) -> Result<(), ApiError> {
        let destination = named(call.destination.as_ref(), "destinationUser", false)?;
        let source = named(call.source.as_ref(), "sourceUser", true)?;
        let provider = self.checked_source(source)?;
        let slot = self.destination(destination, now)?;
        self.check_free(slot, provider, source)?;
        self.check_room(slot)?;
        self.attach(now, slot, provider, source);
        Ok(())
    }

    fn checked_source(&mut self, source: Named<'_>) -> Result<ProviderIndex, ApiError> {
        if source.provider == NATIVE_PROVIDER {
            return Err(ApiError::native_source());
        }
        let (index, provider) = self.provider_or_make(source.provider)?;
        let by_subject = source.attribute == COGNITO_SUBJECT;
        if !by_subject && provider.kind.is_social() {
            return Err(ApiError::social_attribute());
        }
        if !by_subject && !provider.maps(source.attribute) {
            return Err(ApiError::attribute_not_mapped());
        }
        let texts = [source.provider, source.attribute, source.value];
        if texts.iter().map(|text| text.chars().count()).sum::<usize>() > limits::SOURCE_CHARS_MAX {
            return Err(ApiError::source_too_long(limits::SOURCE_CHARS_MAX));
        }
        Ok(index)
    }

    pub(super) fn provider_or_make(&mut self, name: &str) -> Result<(ProviderIndex, &Provider), ApiError> {
        if self.auto_create {
            self.ensure_provider(name).map_err(|_| ApiError::provider_not_found(name))?;
        }
        self.provider(name).ok_or_else(|| ApiError::provider_not_found(name))
    }

    fn destination(&mut self, destination: Named<'_>, now: UnixMs) -> Result<Slot, ApiError> {
        let found = if destination.provider == NATIVE_PROVIDER {
            self.native_destination(destination.value)
        } else {
            self.federated_destination(destination, now)?
        };
        found.ok_or_else(ApiError::user_not_found)
    }

    fn native_destination(&mut self, username: &str) -> Option<Slot> {
        let by_sub =
            |pool: &Self| pool.guesses.destination_by_sub.then(|| pool.by_sub.get(username).copied()).flatten();
        let known = self.slot_by_username(username).or_else(|| by_sub(self));
        if known.is_none() && self.auto_create {
            self.create_native(NewUser::named(username));
            return self.slot_by_username(username);
        }
        known
    }

    /// The user that was born from an identity. One that is only linked to somebody is no user of its own (guess).
    fn federated_destination(&mut self, named: Named<'_>, now: UnixMs) -> Result<Option<Slot>, ApiError> {
        let (index, _) = self.provider_or_make(named.provider)?;
        if let Some(slot) = self.holder(index, named.value) {
            let own = self.user(slot).and_then(|user| held(user, index, named.value)).is_some_and(|held| held.primary);
            return Ok(own.then_some(slot));
        }
        if !self.auto_create {
            return Ok(None);
        }
        self.create_native(profile(named.provider, named.value, None, now));
        Ok(self.holder(index, named.value))
    }

    fn check_free(&self, destination: Slot, index: ProviderIndex, source: Named<'_>) -> Result<(), ApiError> {
        if let Some(slot) = self.holder(index, source.value) {
            let own = self.user(slot).and_then(|user| held(user, index, source.value)).is_some_and(|held| held.primary);
            return Err(self.held_refusal(own, slot == destination));
        }
        // A profile whose id differs in case only does not stand in the way: such a link succeeds, and fails at the
        // first sign-in.
        let in_the_way = self.slot_by_username(&profile_username(source.provider, source.value));
        match in_the_way.and_then(|slot| self.user(slot)) {
            Some(user) if !user.is_federated() => Err(ApiError::native_source()),
            _ => Ok(()),
        }
    }

    fn held_refusal(&self, has_own_profile: bool, by_destination: bool) -> ApiError {
        match self.guesses.linked_elsewhere {
            _ if has_own_profile => ApiError::merging(),
            _ if by_destination && self.guesses.old_already_linked_text => ApiError::native_source(),
            _ if by_destination => ApiError::already_linked(),
            LinkedElsewhere::AlreadyLinked => ApiError::already_linked(),
            LinkedElsewhere::Merging => ApiError::merging(),
            LinkedElsewhere::AliasExists => ApiError::alias_exists(),
        }
    }

    fn check_room(&self, slot: Slot) -> Result<(), ApiError> {
        let Some(user) = self.user(slot) else { return Err(ApiError::user_not_found()) };
        if let Some(extra) = &user.extra {
            if extra.alias_conflict {
                return Err(ApiError::alias_exists());
            }
            if let Some(text) = &extra.link_refusal {
                return Err(ApiError::link_refusal(text));
            }
        }
        let counted = user.identities.iter().filter(|held| self.guesses.own_identity_counts || !held.primary).count();
        if counted >= limits::IDENTITIES_PER_USER_MAX {
            return Err(ApiError::too_many_identities());
        }
        Ok(())
    }

    fn attach(&mut self, now: UnixMs, slot: Slot, provider: ProviderIndex, source: Named<'_>) {
        let identity = HeldIdentity {
            provider,
            user_id: Arc::from(source.value),
            attribute: (source.attribute != COGNITO_SUBJECT).then(|| source.attribute.into()),
            issuer: None,
            primary: false,
            created_ms: now,
        };
        self.hold(&identity, slot);
        self.remember_mapping(provider, source);
        self.remember_before(now, slot);
        if let Some(user) = self.user_mut(slot) {
            user.modified_ms = now;
            user.identities.push(identity);
        }
    }

    /// A provider that was made on reference lets every attribute pass; what was linked by is then shown as mapped, so that
    /// whoever reads the pool afterwards finds it as it behaves.
    fn remember_mapping(&mut self, provider: ProviderIndex, source: Named<'_>) {
        let provider = self.providers.get_mut(usize::from(provider));
        if let Some(provider) = provider.filter(|provider| !provider.maps_by_name(source.attribute)) {
            provider.attribute_mapping.insert(source.attribute.to_owned(), source.attribute.to_owned());
        }
    }

    /// Keeps what lists go on showing for a while.
    pub(super) fn remember_before(&mut self, now: UnixMs, slot: Slot) {
        let Self { journal, users, .. } = self;
        let user = usize::try_from(slot).ok().and_then(|slot| users.get(slot));
        journal.record(now, slot, || user.map(|user| user.identities.clone()));
    }
}

/// The identity of a user by its provider and exact id.
pub(super) fn held<'a>(user: &'a User, provider: ProviderIndex, user_id: &str) -> Option<&'a HeldIdentity> {
    user.identities.iter().find(|held| held.provider == provider && *held.user_id == *user_id)
}

/// The profile that an unlinked identity gets at its first sign-in.
pub(super) fn profile(provider: &str, user_id: &str, issuer: Option<String>, now: UnixMs) -> NewUser {
    let identity = NewIdentity { issuer, created_ms: now, ..NewIdentity::primary(provider, user_id) };
    NewUser {
        status: Status::ExternalProvider,
        created_ms: now,
        modified_ms: now,
        identities: vec![identity],
        ..NewUser::named(&profile_username(provider, user_id))
    }
}

/// A source or destination whose members are there and as long as the service model allows. A destination's attribute
/// name is ignored, so it may be missing.
pub(super) fn named<'a>(user: Option<&'a UserRef>, member: &str, needs_attribute: bool) -> Result<Named<'a>, ApiError> {
    let user = user.ok_or_else(|| ApiError::null_member(member))?;
    let text = |value: &'a Option<String>, name: &str, max: usize| {
        let path = format!("{member}.{name}");
        let value = value.as_deref().ok_or_else(|| ApiError::null_member(&path))?;
        if value.is_empty() {
            return Err(ApiError::too_short(value, &path, 1));
        }
        if value.chars().count() > max {
            return Err(ApiError::too_long(value, &path, max));
        }
        Ok(value)
    };
    let attribute = match (&user.attribute, needs_attribute) {
        (None, false) => COGNITO_SUBJECT,
        (attribute, _) => text(attribute, "providerAttributeName", limits::SIM_TEXT_CHARS_MAX)?,
    };
    Ok(Named {
        provider: text(&user.provider, "providerName", limits::PROVIDER_NAME_CHARS_MAX)?,
        attribute,
        value: text(&user.value, "providerAttributeValue", limits::SIM_TEXT_CHARS_MAX)?,
    })
}
