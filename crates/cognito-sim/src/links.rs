//! `AdminLinkProviderForUser` and `AdminDisableProviderForUser`.

use std::sync::Arc;

use crate::behavior::Behavior;
use crate::clock::UnixMs;
use crate::error::ApiError;
use crate::limits;
use crate::model::{
    COGNITO_SUBJECT, NATIVE_PROVIDER, NewIdentity, NewUser, ProviderIndex, Status, StoredIdentity,
    User, UserIndex, profile_username,
};
use crate::pool::Pool;
use crate::wire::{LinkCall, UserRef};

/// The three members of a source or destination, checked against the service model.
#[derive(Clone, Copy)]
pub(crate) struct IdentityRef<'a> {
    pub(crate) provider: &'a str,
    pub(crate) attribute: &'a str,
    pub(crate) value: &'a str,
}

impl Pool {
    /// Links a source identity to a destination user.
    ///
    /// The order of the checks is a guess, so that the nearest reason is reported: the form of the request, the source,
    /// the destination, the user who has the source, the limits of the destination.
    pub(crate) fn link(&mut self, now: UnixMs, call: &LinkCall) -> Result<(), ApiError> {
        let destination = identity_ref(call.destination.as_ref(), "destinationUser", false)?;
        let source = identity_ref(call.source.as_ref(), "sourceUser", true)?;
        let provider = self.check_source(source)?;
        let user_index = self.destination(destination, now)?;
        self.check_unclaimed(user_index, provider, source)?;
        self.check_identity_count(user_index)?;
        self.add_identity(now, user_index, provider, source);
        Ok(())
    }

    fn check_source(&mut self, source: IdentityRef<'_>) -> Result<ProviderIndex, ApiError> {
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
            |pool: &Self| pool.behaves(Behavior::DestinationByAlias).then(|| pool.by_sub.get(username).copied()).flatten();
        let known = self.user_index_by_username(username).or_else(|| by_sub(self));
        if known.is_none() && self.create_on_reference {
            self.create_native(NewUser::named(username));
            return self.user_index_by_username(username);
        }
        known
    }

    /// The user whom an identity created. An identity that is only linked to a user has no user of its own (guess).
    fn federated_destination(&mut self, named: IdentityRef<'_>, now: UnixMs) -> Result<Option<UserIndex>, ApiError> {
        let (index, _) = self.provider_or_create(named.provider)?;
        if let Some(user_index) = self.holder(index, named.value) {
            let own = self
                .user(user_index)
                .and_then(|user| stored_identity(user, index, named.value))
                .is_some_and(|held| held.primary);
            return Ok(own.then_some(user_index));
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
        if let Some(user_index) = self.holder(index, source.value) {
            let own = self
                .user(user_index)
                .and_then(|user| stored_identity(user, index, source.value))
                .is_some_and(|held| held.primary);
            return Err(self.stored_refusal(own, user_index == destination));
        }
        // A profile whose id differs in case only is no obstacle: such a link succeeds, and fails at the
        // first sign-in.
        let obstacle = self.user_index_by_username(&profile_username(source.provider, source.value));
        match obstacle.and_then(|user_index| self.user(user_index)) {
            Some(user) if !user.is_federated() => Err(ApiError::native_source()),
            _ => Ok(()),
        }
    }

    fn stored_refusal(&self, has_own_profile: bool, by_destination: bool) -> ApiError {
        if has_own_profile || (!by_destination && self.behaves(Behavior::HeldIsMerging)) {
            ApiError::merging()
        } else if !by_destination && self.behaves(Behavior::HeldIsAliasExists) {
            ApiError::alias_exists()
        } else if by_destination && self.behaves(Behavior::OldAlreadyLinkedText) {
            ApiError::native_source()
        } else {
            ApiError::already_linked()
        }
    }

    fn check_identity_count(&self, user_index: UserIndex) -> Result<(), ApiError> {
        let Some(user) = self.user(user_index) else { return Err(ApiError::user_not_found()) };
        if let Some(extra) = &user.extra {
            if extra.alias_conflict {
                return Err(ApiError::alias_exists());
            }
            if let Some(text) = &extra.link_refusal {
                return Err(ApiError::link_refusal(text));
            }
        }
        let counted = user.identities.iter().filter(|held| !held.primary || !self.behaves(Behavior::OwnIdentityNotCounted)).count();
        if counted >= limits::IDENTITIES_PER_USER_MAX {
            return Err(ApiError::too_many_identities());
        }
        Ok(())
    }

    fn add_identity(&mut self, now: UnixMs, user_index: UserIndex, provider: ProviderIndex, source: IdentityRef<'_>) {
        let identity = StoredIdentity {
            provider,
            user_id: Arc::from(source.value),
            attribute: (source.attribute != COGNITO_SUBJECT).then(|| source.attribute.into()),
            issuer: None,
            primary: false,
            created_ms: now,
        };
        self.add_holder(&identity, user_index);
        self.add_mapping(provider, source);
        self.record_in_journal(now, user_index);
        if let Some(user) = self.user_mut(user_index) {
            user.modified_ms = now;
            user.identities.push(identity);
        }
    }

    /// A provider that was created on reference accepts every attribute. Those that links use are shown as mapped from then
    /// on, so that a client that reads the pool finds it as it behaves.
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

/// Checks that the members of a source or destination are present and not too long. The attribute name of a destination
/// is ignored, so it may be missing.
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

/// What `AdminDisableProviderForUser` removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DisabledAccess {
    /// The link of an external identity.
    Link,
    /// The sign-in by password of a native user: that person is locked out.
    Password,
}

impl Pool {
    /// Unlinks an external identity from the user who has it. With provider `Cognito`, a native user can no longer sign in
    /// with a password.
    ///
    /// The request names the identity by the attribute and value of its link. Once a link by an attribute was used, it
    /// goes by `Cognito_Subject` and the subject (documented for SAML, guessed for OIDC), unless
    /// [`Behavior::AttributeLinkStays`]. An identity that has a profile of its own is not linked.
    pub(crate) fn disable(&mut self, now: UnixMs, user: Option<&UserRef>) -> Result<DisabledAccess, ApiError> {
        let user = identity_ref(user, "user", true)?;
        if user.provider == NATIVE_PROVIDER {
            return self.disable_password(now, user.value);
        }
        let (index, _) = self.provider(user.provider).ok_or_else(|| ApiError::provider_not_found(user.provider))?;
        let not_linked = ApiError::not_linked(self.behaves(Behavior::UnlinkSaysUserNotFound));
        let Some(user_index) = self.holder(index, user.value) else { return Err(not_linked) };
        let fits =
            self.user(user_index).and_then(|holder| stored_identity(holder, index, user.value)).is_some_and(|held| {
                !held.primary && held.attribute.as_deref().unwrap_or(COGNITO_SUBJECT) == user.attribute
            });
        if !fits {
            return Err(not_linked);
        }
        self.record_in_journal(now, user_index);
        self.remove_identity(user_index, index, user.value);
        if let Some(holder) = self.user_mut(user_index) {
            holder.modified_ms = now;
        }
        Ok(DisabledAccess::Link)
    }

    fn disable_password(&mut self, now: UnixMs, username: &str) -> Result<DisabledAccess, ApiError> {
        let user_index = self.user_index_by_username(username).ok_or_else(ApiError::user_not_found)?;
        let user = self.user_mut(user_index).ok_or_else(ApiError::user_not_found)?;
        user.extra.get_or_insert_default().password_disabled = true;
        user.modified_ms = now;
        Ok(DisabledAccess::Password)
    }
}
