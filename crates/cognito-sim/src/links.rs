//! `AdminLinkProviderForUser` and `AdminDisableProviderForUser`.

use std::sync::Arc;

use crate::clock::UnixMs;
use crate::error::ApiError;
use crate::limits;
use crate::model::{
    COGNITO_SUBJECT, LinkedElsewhere, NATIVE_PROVIDER, NewIdentity, NewUser, ProviderIndex, Status, StoredIdentity,
    User, UserIndex, profile_username,
};
use crate::pool::Pool;
use crate::wire::{LinkCall, UserRef};

/// The three members of a source or destination, as far as the service model goes.
#[derive(Clone, Copy)]
pub(crate) struct IdentityRef<'a> {
    pub(crate) provider: &'a str,
    pub(crate) attribute: &'a str,
    pub(crate) value: &'a str,
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
        let destination = identity_ref(call.destination.as_ref(), "destinationUser", false)?;
        let source = identity_ref(call.source.as_ref(), "sourceUser", true)?;
        let provider = self.checked_source(source)?;
        let slot = self.destination(destination, now)?;
        self.check_unclaimed(slot, provider, source)?;
        self.check_identity_count(slot)?;
        self.add_identity(now, slot, provider, source);
        Ok(())
    }

    fn checked_source(&mut self, source: IdentityRef<'_>) -> Result<ProviderIndex, ApiError> {
        if source.provider == NATIVE_PROVIDER {
            return Err(ApiError::native_source());
        }
        let (index, provider) = self.provider_or_create(source.provider)?;
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

    fn destination(&mut self, destination: IdentityRef<'_>, now: UnixMs) -> Result<UserIndex, ApiError> {
        let found = if destination.provider == NATIVE_PROVIDER {
            self.native_destination(destination.value)
        } else {
            self.federated_destination(destination, now)?
        };
        found.ok_or_else(ApiError::user_not_found)
    }

    fn native_destination(&mut self, username: &str) -> Option<UserIndex> {
        let by_sub =
            |pool: &Self| pool.guesses.destination_by_sub.then(|| pool.by_sub.get(username).copied()).flatten();
        let known = self.slot_by_username(username).or_else(|| by_sub(self));
        if known.is_none() && self.create_on_reference {
            self.create_native(NewUser::named(username));
            return self.slot_by_username(username);
        }
        known
    }

    /// The user that was born from an identity. One that is only linked to somebody is no user of its own (guess).
    fn federated_destination(&mut self, named: IdentityRef<'_>, now: UnixMs) -> Result<Option<UserIndex>, ApiError> {
        let (index, _) = self.provider_or_create(named.provider)?;
        if let Some(slot) = self.holder(index, named.value) {
            let own = self
                .user(slot)
                .and_then(|user| stored_identity(user, index, named.value))
                .is_some_and(|held| held.primary);
            return Ok(own.then_some(slot));
        }
        if !self.create_on_reference {
            return Ok(None);
        }
        self.create_native(new_profile(named.provider, named.value, None, now));
        Ok(self.holder(index, named.value))
    }

    fn check_unclaimed(
        &self,
        destination: UserIndex,
        index: ProviderIndex,
        source: IdentityRef<'_>,
    ) -> Result<(), ApiError> {
        if let Some(slot) = self.holder(index, source.value) {
            let own = self
                .user(slot)
                .and_then(|user| stored_identity(user, index, source.value))
                .is_some_and(|held| held.primary);
            return Err(self.stored_refusal(own, slot == destination));
        }
        // A profile whose id differs in case only does not stand in the way: such a link succeeds, and fails at the
        // first sign-in.
        let in_the_way = self.slot_by_username(&profile_username(source.provider, source.value));
        match in_the_way.and_then(|slot| self.user(slot)) {
            Some(user) if !user.is_federated() => Err(ApiError::native_source()),
            _ => Ok(()),
        }
    }

    fn stored_refusal(&self, has_own_profile: bool, by_destination: bool) -> ApiError {
        match self.guesses.linked_elsewhere {
            _ if has_own_profile => ApiError::merging(),
            _ if by_destination && self.guesses.old_already_linked_text => ApiError::native_source(),
            _ if by_destination => ApiError::already_linked(),
            LinkedElsewhere::AlreadyLinked => ApiError::already_linked(),
            LinkedElsewhere::Merging => ApiError::merging(),
            LinkedElsewhere::AliasExists => ApiError::alias_exists(),
        }
    }

    fn check_identity_count(&self, slot: UserIndex) -> Result<(), ApiError> {
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

    fn add_identity(&mut self, now: UnixMs, slot: UserIndex, provider: ProviderIndex, source: IdentityRef<'_>) {
        let identity = StoredIdentity {
            provider,
            user_id: Arc::from(source.value),
            attribute: (source.attribute != COGNITO_SUBJECT).then(|| source.attribute.into()),
            issuer: None,
            primary: false,
            created_ms: now,
        };
        self.add_holder(&identity, slot);
        self.add_mapping(provider, source);
        self.record_in_journal(now, slot);
        if let Some(user) = self.user_mut(slot) {
            user.modified_ms = now;
            user.identities.push(identity);
        }
    }

    /// A provider that was made on reference lets every attribute pass; what was linked by is then shown as mapped, so that
    /// whoever reads the pool afterwards finds it as it behaves.
    fn add_mapping(&mut self, provider: ProviderIndex, source: IdentityRef<'_>) {
        let provider = self.providers.get_mut(usize::from(provider));
        if let Some(provider) = provider.filter(|provider| !provider.maps_explicitly(source.attribute)) {
            provider.attribute_mapping.insert(source.attribute.to_owned(), source.attribute.to_owned());
        }
    }
}

/// The identity of a user by its provider and exact id.
pub(crate) fn stored_identity<'a>(
    user: &'a User,
    provider: ProviderIndex,
    user_id: &str,
) -> Option<&'a StoredIdentity> {
    user.identities.iter().find(|held| held.provider == provider && *held.user_id == *user_id)
}

/// The profile that an unlinked identity gets at its first sign-in.
pub(crate) fn new_profile(provider: &str, user_id: &str, issuer: Option<String>, now: UnixMs) -> NewUser {
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
pub(crate) fn identity_ref<'a>(
    user: Option<&'a UserRef>,
    member: &str,
    needs_attribute: bool,
) -> Result<IdentityRef<'a>, ApiError> {
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
        (attribute, _) => text(attribute, "providerAttributeName", limits::LINK_TEXT_CHARS_MAX)?,
    };
    Ok(IdentityRef {
        provider: text(&user.provider, "providerName", limits::PROVIDER_NAME_CHARS_MAX)?,
        attribute,
        value: text(&user.value, "providerAttributeValue", limits::LINK_TEXT_CHARS_MAX)?,
    })
}

/// What a call took away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisabledAccess {
    /// The link of an external identity.
    Link,
    /// A native user's way in by password: that person is locked out.
    Password,
}

impl Pool {
    /// Unlinks an external identity from whoever holds it; with provider `Cognito`, keeps a native user from signing in
    /// with a password.
    ///
    /// The request names the identity by the attribute and value of its link. Once a link by an attribute was used, it
    /// goes by `Cognito_Subject` and the subject (documented for SAML, guessed for OIDC), unless
    /// [`Guesses::attribute_link_stays`]. An identity that has a profile of its own is not linked.
    ///
    /// # Errors
    /// `Account isn't linked to anyone else …` for whatever does not fit, `ResourceNotFoundException` for an unknown
    /// provider, `UserNotFoundException` for an unknown native user.
    pub fn disable(&mut self, now: UnixMs, user: Option<&UserRef>) -> Result<DisabledAccess, ApiError> {
        let user = identity_ref(user, "user", true)?;
        if user.provider == NATIVE_PROVIDER {
            return self.disable_password(now, user.value);
        }
        let (index, _) = self.provider(user.provider).ok_or_else(|| ApiError::provider_not_found(user.provider))?;
        let not_linked = ApiError::not_linked(self.guesses.unlink_says_user_not_found);
        let Some(slot) = self.holder(index, user.value) else { return Err(not_linked) };
        let fits = self.user(slot).and_then(|holder| stored_identity(holder, index, user.value)).is_some_and(|held| {
            !held.primary && held.attribute.as_deref().unwrap_or(COGNITO_SUBJECT) == user.attribute
        });
        if !fits {
            return Err(not_linked);
        }
        self.record_in_journal(now, slot);
        self.remove_identity(slot, index, user.value);
        if let Some(holder) = self.user_mut(slot) {
            holder.modified_ms = now;
        }
        Ok(DisabledAccess::Link)
    }

    fn disable_password(&mut self, now: UnixMs, username: &str) -> Result<DisabledAccess, ApiError> {
        let slot = self.slot_by_username(username).ok_or_else(ApiError::user_not_found)?;
        let user = self.user_mut(slot).ok_or_else(ApiError::user_not_found)?;
        user.extra.get_or_insert_default().password_disabled = true;
        user.modified_ms = now;
        Ok(DisabledAccess::Password)
    }
}
