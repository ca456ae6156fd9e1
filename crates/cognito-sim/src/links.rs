//! `AdminLinkProviderForUser` and `AdminDisableProviderForUser`.

use std::sync::Arc;

use crate::behavior::Behavior;
use crate::clock::UnixMs;
use crate::error::ApiError;
use crate::limits;
use crate::model::{
    COGNITO_SUBJECT, IdentityOrigin, NATIVE_PROVIDER, NewIdentity, NewUser, ProviderIndex, Status, StoredIdentity,
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

/// What a call to link did to the pool. No `Debug`: it names users.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct LinkEffect {
    /// The user who has the identity now, by its key.
    pub(crate) username: String,
    /// The user from whom it was taken, by its key.
    pub(crate) taken_from: Option<String>,
}

/// The answer to a call to link, and what the call did, which the answer may deny.
pub(crate) struct LinkOutcome {
    pub(crate) answer: Result<(), ApiError>,
    pub(crate) effect: Option<LinkEffect>,
}

/// Who has a source identity before it is linked.
#[derive(Clone, Copy)]
enum Claim {
    Free,
    /// The destination, by a link.
    Destination,
    /// Another user, by a link.
    Other(UserIndex),
    /// The profile that it created.
    Profile,
}

/// A link that is to be made.
struct PlannedLink<'a> {
    destination: UserIndex,
    provider: ProviderIndex,
    source: IdentityRef<'a>,
    claim: Claim,
}

impl Pool {
    /// Links a source identity to a destination user.
    ///
    /// The order of the checks is a guess, so that the nearest reason is reported: the form of the request, the source,
    /// the destination, the user who has the source, the limits of the destination.
    pub(crate) fn link(&mut self, now: UnixMs, call: &LinkCall) -> LinkOutcome {
        let planned = match self.planned_link(now, call) {
            Ok(planned) => planned,
            Err(error) => return LinkOutcome { answer: Err(error), effect: None },
        };
        let answer = match planned.claim {
            Claim::Destination => return LinkOutcome { answer: Ok(()), effect: None },
            Claim::Profile => Err(ApiError::merging()),
            Claim::Free | Claim::Other(_) => self.answer_to_made_link(planned.source),
        };
        let key = |user_index| self.user(user_index).map(|user| user.username.to_string());
        let taken_from = match planned.claim {
            Claim::Other(user_index) => key(user_index),
            _ => None,
        };
        let effect = key(planned.destination).map(|username| LinkEffect { username, taken_from });
        self.make_link(now, &planned);
        LinkOutcome { answer, effect }
    }

    fn planned_link<'a>(&mut self, now: UnixMs, call: &'a LinkCall) -> Result<PlannedLink<'a>, ApiError> {
        let destination = self.identity_ref(call.destination.as_ref(), "destinationUser", false)?;
        let source = self.identity_ref(call.source.as_ref(), "sourceUser", true)?;
        if self.behaves(Behavior::LimitIsThrottle)
            && self.throttled_links.takes(limits::CALLS_PER_THROTTLED_LINK, self.token_secret)
        {
            return Err(ApiError::limit_is_rate());
        }
        let provider = self.check_source(source)?;
        let destination = self.destination(destination, now)?;
        let claim = self.check_claim(destination, provider, source)?;
        match claim {
            Claim::Destination => {}
            Claim::Free | Claim::Other(_) => self.check_room(destination, provider, source)?,
            // The profile alone is a reason to refuse, whatever the destination has.
            Claim::Profile => self.check_room(destination, provider, source).map_err(|_| ApiError::merging())?,
        }
        Ok(PlannedLink { destination, provider, source, claim })
    }

    /// The answer to a link that is made: success, or, where refusals link, now and then a refusal.
    fn answer_to_made_link(&mut self, source: IdentityRef<'_>) -> Result<(), ApiError> {
        if !self.behaves(Behavior::RefusalsLink)
            || !self.refused_links.takes(limits::LINKS_PER_REFUSED_LINK, self.token_secret)
        {
            return Ok(());
        }
        Err(match self.refused_links.count() / limits::LINKS_PER_REFUSED_LINK % 3 {
            0 => ApiError::not_of_form(source.value, "sourceUser.providerAttributeValue", r"[\S]+"),
            1 => ApiError::user_not_found(),
            _ => self.provider_missing(source.provider),
        })
    }

    /// The error in the words of this pool.
    fn worded(&self, error: ApiError) -> ApiError {
        if self.behaves(Behavior::UnknownTexts) { error.in_unknown_words() } else { error }
    }

    fn check_source(&mut self, source: IdentityRef<'_>) -> Result<ProviderIndex, ApiError> {
        if source.provider == NATIVE_PROVIDER {
            return Err(self.worded(ApiError::native_source()));
        }
        self.provider_or_create(source.provider)?;
        let (index, provider) = self.provider(source.provider).ok_or_else(|| self.provider_missing(source.provider))?;
        let by_subject = source.attribute == COGNITO_SUBJECT;
        if !by_subject && provider.kind.is_social() {
            return Err(self.worded(ApiError::social_attribute()));
        }
        if !by_subject && !provider.maps(source.attribute) {
            return Err(self.worded(ApiError::attribute_not_mapped()));
        }
        let texts = [source.value, source.attribute, source.provider];
        let counted = if self.behaves(Behavior::LengthCountsValueOnly) { &texts[..1] } else { &texts };
        if counted.iter().map(|text| text.chars().count()).sum::<usize>() > limits::SOURCE_CHARS_MAX {
            return Err(self.worded(ApiError::source_too_long(limits::SOURCE_CHARS_MAX)));
        }
        Ok(index)
    }

    fn destination(&mut self, destination: IdentityRef<'_>, now: UnixMs) -> Result<UserIndex, ApiError> {
        let found = if destination.provider == NATIVE_PROVIDER {
            self.native_destination(destination.value)
        } else {
            self.federated_destination(destination, now)?
        };
        let user_index = found.ok_or_else(|| self.worded(ApiError::user_not_found()))?;
        let is_enabled = self.user(user_index).is_some_and(|user| user.enabled);
        if !is_enabled && self.behaves(Behavior::DisabledNotAuthorized) {
            return Err(ApiError::user_disabled());
        }
        Ok(user_index)
    }

    fn native_destination(&mut self, username: &str) -> Option<UserIndex> {
        let by_alias = |pool: &Self| {
            let takes_aliases = pool.behaves(Behavior::DestinationByAlias);
            let by_sub = pool.by_sub.get(&pool.users, username).filter(|_| takes_aliases);
            by_sub.or_else(|| pool.user_by_address(username).filter(|_| takes_aliases))
        };
        let known = self.user_index_by_username(username).or_else(|| by_alias(self));
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

    fn check_claim(
        &self,
        destination: UserIndex,
        index: ProviderIndex,
        source: IdentityRef<'_>,
    ) -> Result<Claim, ApiError> {
        if let Some(user_index) = self.holder(index, source.value) {
            let own = self
                .user(user_index)
                .and_then(|user| stored_identity(user, index, source.value))
                .is_some_and(|held| held.primary);
            return match (own, user_index == destination) {
                (true, false) if self.behaves(Behavior::MergingLinks) => Ok(Claim::Profile),
                (true, _) if self.behaves(Behavior::MergingLinks) => Err(ApiError::merging()),
                (true, _) => Err(self.worded(ApiError::merging())),
                (false, true) if self.behaves(Behavior::RepeatSucceeds) => Ok(Claim::Destination),
                (false, true) if self.behaves(Behavior::OldAlreadyLinkedText) => Err(ApiError::native_source()),
                (false, false) if self.behaves(Behavior::HeldMoves) => Ok(Claim::Other(user_index)),
                (false, false) if self.behaves(Behavior::HeldIsMerging) => Err(ApiError::merging()),
                (false, false) if self.behaves(Behavior::HeldIsAliasExists) => Err(ApiError::alias_exists()),
                (false, _) => Err(self.worded(ApiError::already_linked())),
            };
        }
        // A profile whose id differs in case only is no obstacle: such a link succeeds, and fails at the
        // first sign-in.
        let obstacle = self.user_index_by_username(&self.profile_name(source.provider, source.value));
        match obstacle.and_then(|user_index| self.user(user_index)) {
            Some(user) if !user.is_federated() => Err(self.worded(ApiError::native_source())),
            _ => Ok(Claim::Free),
        }
    }

    /// Whether the destination and the provider take another link.
    fn check_room(&self, user_index: UserIndex, index: ProviderIndex, source: IdentityRef<'_>) -> Result<(), ApiError> {
        let Some(user) = self.user(user_index) else { return Err(ApiError::user_not_found()) };
        if let Some(extra) = &user.extra {
            if extra.alias_conflict {
                return Err(ApiError::alias_exists());
            }
            if let Some(text) = &extra.link_refusal {
                return Err(ApiError::link_refusal(text));
            }
        }
        let counts = |held: &&StoredIdentity| !held.primary || !self.behaves(Behavior::OwnIdentityNotCounted);
        if user.identities.iter().filter(counts).count() >= limits::IDENTITIES_PER_USER_MAX {
            return Err(self.worded(ApiError::too_many_identities()));
        }
        if self.behaves(Behavior::LimitIsAttributeNames)
            && source.attribute != COGNITO_SUBJECT
            && let Some(provider) = self.providers.get(usize::from(index))
            && provider.linked_attributes.len() >= limits::LINK_ATTRIBUTES_PER_PROVIDER_MAX
            && !provider.linked_attributes.contains(source.attribute)
        {
            return Err(ApiError::too_many_attribute_names());
        }
        Ok(())
    }

    fn make_link(&mut self, now: UnixMs, planned: &PlannedLink<'_>) {
        let PlannedLink { destination, provider, source, claim } = *planned;
        match claim {
            Claim::Other(holder) => {
                self.record_in_journal(now, holder);
                self.remove_identity(holder, provider, source.value);
                if let Some(holder) = self.user_mut(holder) {
                    holder.modified_ms = now;
                }
            }
            // The profile keeps showing the identity that created it.
            Claim::Profile => {
                if let Some(provider) = self.providers.get_mut(usize::from(provider)) {
                    provider.remove_holder(source.value);
                }
            }
            Claim::Free | Claim::Destination => {}
        }
        self.add_identity(now, destination, provider, source);
    }

    fn add_identity(&mut self, now: UnixMs, user_index: UserIndex, provider: ProviderIndex, source: IdentityRef<'_>) {
        let identity = StoredIdentity {
            provider,
            user_id: Arc::from(source.value),
            attribute: (source.attribute != COGNITO_SUBJECT).then(|| source.attribute.into()),
            issuer: None,
            primary: false,
            used: false,
            used_form: None,
            origin: IdentityOrigin::Call(self.call_number),
            created_ms: now,
        };
        self.add_holder(&identity, user_index);
        self.add_mapping(provider, source);
        self.record_in_journal(now, user_index);
        if let Some(user) = self.user_mut(user_index) {
            user.modified_ms = now;
            // Most users have one, and there are many of them.
            user.identities.reserve_exact(1);
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
fn identity_ref<'a>(
    user: Option<&'a UserRef>,
    member: &str,
    needs_attribute: bool,
    provider_name_chars_max: usize,
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
        provider: text(&user.provider, "providerName", provider_name_chars_max)?,
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
        let user = self.identity_ref(user, "user", true)?;
        if user.provider == NATIVE_PROVIDER {
            return self.disable_password(now, user.value);
        }
        let (index, _) = self.provider(user.provider).ok_or_else(|| self.provider_missing(user.provider))?;
        let Some((user_index, user_id)) = self.identity_to_unlink(index, user) else {
            return Err(self.worded(ApiError::not_linked(self.behaves(Behavior::UnlinkSaysUserNotFound))));
        };
        self.record_in_journal(now, user_index);
        self.remove_identity(user_index, index, &user_id);
        if let Some(holder) = self.user_mut(user_index) {
            holder.modified_ms = now;
        }
        Ok(DisabledAccess::Link)
    }

    /// The user and the id of the identity that a call to unlink names.
    pub(crate) fn identity_to_unlink(
        &self,
        index: ProviderIndex,
        named: IdentityRef<'_>,
    ) -> Option<(UserIndex, Arc<str>)> {
        let by_form = self.behaves(Behavior::UnlinkByAttributeAfterSignIn);
        let form = (named.attribute.into(), named.value.into());
        let used = self.providers.get(usize::from(index))?.used_links.get(&form).filter(|_| by_form);
        let user_id = used.map_or_else(|| named.value.into(), Arc::clone);
        let user_index = self.holder(index, &user_id)?;
        let held = stored_identity(self.user(user_index)?, index, &user_id)?;
        let is_named = match &held.used_form {
            Some(_) if by_form => used.is_some(),
            _ => held.attribute.as_deref().unwrap_or(COGNITO_SUBJECT) == named.attribute,
        };
        (!held.primary && is_named).then_some((user_index, user_id))
    }

    /// The key of the name of the user whom a call to unlink would take an identity from.
    pub(crate) fn holder_to_unlink(&self, user: Option<&UserRef>) -> Option<String> {
        let named = self.identity_ref(user, "user", true).ok()?;
        let (user_index, _) = self.identity_to_unlink(self.provider(named.provider)?.0, named)?;
        self.user(user_index).map(|user| user.username.to_string())
    }

    /// Checks the members of a source or destination against the service model.
    pub(crate) fn identity_ref<'a>(
        &self,
        user: Option<&'a UserRef>,
        member: &str,
        needs_attribute: bool,
    ) -> Result<IdentityRef<'a>, ApiError> {
        identity_ref(user, member, needs_attribute, self.provider_name_chars_max())
    }

    fn disable_password(&mut self, now: UnixMs, username: &str) -> Result<DisabledAccess, ApiError> {
        let user_index = self.user_index_by_username(username).ok_or_else(ApiError::user_not_found)?;
        let user = self.user_mut(user_index).ok_or_else(ApiError::user_not_found)?;
        user.extra.get_or_insert_default().password_disabled = true;
        user.modified_ms = now;
        Ok(DisabledAccess::Password)
    }
}
