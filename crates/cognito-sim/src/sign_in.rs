//! A federated sign-in. It is no operation of the API, but it is what links are for.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::behavior::Behavior;
use crate::clock::UnixMs;
use crate::error::ApiError;
use crate::links::{new_profile, stored_identity};
use crate::model::{IdentityOrigin, Provider, ProviderIndex, ProviderKind, UserIndex};
use crate::pool::Pool;

/// What an identity provider asserts about a person who signs in. Holds personal values, so it has no `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SignIn {
    /// The name of the provider in the pool.
    pub provider: String,
    /// The subject: `sub` of OIDC, `NameID` of SAML.
    pub user_id: String,
    /// Other claims, by their name at the provider.
    pub claims: BTreeMap<String, String>,
    /// The issuer of the assertion; invented for SAML if it is missing, ignored for other types.
    pub issuer: Option<String>,
}

/// Who signed in. Holds personal values, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// The user name of the profile.
    pub username: String,
    /// Whether the sign-in created this profile.
    pub created: bool,
}

/// What a sign-in writes to the profile: the issuer, and the attributes that the provider maps.
struct ClaimUpdates {
    issuer: Option<String>,
    attributes: Vec<(String, String)>,
}

impl Pool {
    /// Signs an identity in by its subject alone; see [`Pool::sign_in_with`].
    ///
    /// # Errors
    /// The same.
    pub fn sign_in(&mut self, now: UnixMs, provider: &str, user_id: &str) -> Result<SignedIn, ApiError> {
        let sign_in = SignIn { provider: provider.to_owned(), user_id: user_id.to_owned(), ..SignIn::default() };
        self.sign_in_with(now, &sign_in)
    }

    /// Signs an identity in as the service would: to the user who holds exactly this subject, else to one who is linked
    /// by a mapped attribute with exactly the claim's value, else to a new profile `Provider_id` of its own.
    ///
    /// Every mapped attribute whose claim is there is written anew, and an e-mail address whose `email_verified` is not
    /// mapped counts as not verified (amplify-js #5117). A SAML identity gets its issuer. A link by an attribute then
    /// shows the subject and can only be undone by it: documented for SAML in `AdminDisableProviderForUser`, guessed
    /// for OIDC; [`Behavior::AttributeLinkStays`] leaves it as it is.
    ///
    /// # Errors
    /// `ResourceNotFoundException` for an unknown provider; `Login option is not available` where no app client
    /// offers it; `Invalid ProviderName/Username combination` where the
    /// profile's name is taken by an id that differs in case only, or its id by a link by an attribute that this
    /// sign-in does not use; an error where the sign-in would create a user and only administrators may, or an attribute
    /// that the pool requires is not mapped; `UsernameExistsException` where a native user has the name; `user.…: Attribute cannot be
    /// updated.` where a mapped attribute is immutable, even if its value stays.
    pub fn sign_in_with(&mut self, now: UnixMs, sign_in: &SignIn) -> Result<SignedIn, ApiError> {
        let SignIn { provider: name, user_id, .. } = sign_in;
        let (index, provider) = self.provider(name).ok_or_else(|| self.provider_missing(name))?;
        if !self.offers(name) {
            return Err(ApiError::login_option_not_available());
        }
        let claim_updates = claim_updates(provider, sign_in);
        if let Some(user_index) = self.linked_by_subject(index, user_id) {
            return self.sign_in_held(now, user_index, (index, user_id), &claim_updates);
        }
        if let Some((user_index, value)) = self.linked_by_attribute(index, provider, &sign_in.claims) {
            let stays = self.behaves(Behavior::AttributeLinkStays);
            self.check_mutable(&claim_updates)?;
            self.record_in_journal(now, user_index);
            self.use_attribute_link(user_index, index, &value, (!stays).then_some(user_id.as_str()));
            return self.sign_in_held(now, user_index, (index, if stays { &value } else { user_id }), &claim_updates);
        }
        self.sign_in_new(now, sign_in, index, &claim_updates)
    }

    fn linked_by_subject(&self, provider: ProviderIndex, user_id: &str) -> Option<UserIndex> {
        let user_index = self.holder(provider, user_id)?;
        let by_subject = stored_identity(self.user(user_index)?, provider, user_id)?.attribute.is_none();
        by_subject.then_some(user_index)
    }

    fn linked_by_attribute(
        &self,
        index: ProviderIndex,
        provider: &Provider,
        claims: &BTreeMap<String, String>,
    ) -> Option<(UserIndex, String)> {
        claims.iter().find_map(|(claim, value)| {
            let user_index = self.holder(index, value)?;
            let attribute = stored_identity(self.user(user_index)?, index, value)?.attribute.as_deref()?;
            let mapped = provider.claim_of(attribute)?;
            (mapped == claim).then(|| (user_index, value.clone()))
        })
    }

    /// Marks a link by an attribute as used. With a subject, it is by that from now on.
    fn use_attribute_link(&mut self, user_index: UserIndex, index: ProviderIndex, value: &str, subject: Option<&str>) {
        let identities = self.user_mut(user_index).map(|user| &mut user.identities);
        let used = identities.and_then(|held| held.iter_mut().find(|h| h.provider == index && *h.user_id == *value));
        let Some(used) = used else { return };
        used.used = true;
        let Some(subject) = subject else { return };
        let subject: Arc<str> = subject.into();
        used.user_id = Arc::clone(&subject);
        let form = used.attribute.take().map(|attribute| (attribute, Box::from(value)));
        used.used_form = form.clone().map(Box::new);
        if let Some(provider) = self.providers.get_mut(usize::from(index)) {
            provider.remove_holder(value);
            provider.used_links.extend(form.map(|form| (form, Arc::clone(&subject))));
            provider.add_holder(subject, user_index);
        }
    }

    fn sign_in_held(
        &mut self,
        now: UnixMs,
        user_index: UserIndex,
        (provider, user_id): (ProviderIndex, &str),
        claim_updates: &ClaimUpdates,
    ) -> Result<SignedIn, ApiError> {
        self.check_mutable(claim_updates)?;
        self.record_in_journal(now, user_index);
        let rewrites_date = self.behaves(Behavior::DatesRewritten);
        let username = self.user(user_index).map(|user| self.shown_username(user).to_owned()).unwrap_or_default();
        let user = self.user_mut(user_index).ok_or_else(ApiError::user_not_found)?;
        let signed_in = user.identities.iter_mut().find(|held| held.provider == provider && *held.user_id == *user_id);
        if let Some(held) = signed_in {
            if let Some(issuer) = &claim_updates.issuer {
                held.issuer = Some(issuer.as_str().into());
                user.modified_ms = now;
            }
            if rewrites_date {
                held.created_ms = now;
            }
        }
        self.write_mapped(now, user_index, claim_updates);
        Ok(SignedIn { username, created: false })
    }

    fn sign_in_new(
        &mut self,
        now: UnixMs,
        SignIn { provider: name, user_id, .. }: &SignIn,
        index: ProviderIndex,
        claim_updates: &ClaimUpdates,
    ) -> Result<SignedIn, ApiError> {
        let known = self.providers.get(usize::from(index));
        let differs_in_case = known.is_some_and(|provider| provider.holds_in_other_case(user_id));
        if self.holder(index, user_id).is_some() || (!self.settings.case_sensitive && differs_in_case) {
            return Err(ApiError::sign_in_mismatch());
        }
        if self.settings.is_admin_only() {
            return Err(ApiError::sign_up_not_allowed());
        }
        let has = |name: &str| claim_updates.attributes.iter().any(|(attribute, _)| attribute == name);
        if let Some(missing) = self.settings.required_attributes().find(|name| !has(name)) {
            return Err(ApiError::attribute_required(missing));
        }
        let username = self.profile_name(name, user_id);
        if self.user_index_by_username(&username).is_some() {
            return Err(ApiError::profile_name_taken());
        }
        self.add_user(new_profile(name, user_id, claim_updates.issuer.clone(), now))
            .map_err(|_| ApiError::profile_name_taken())?;
        let user_index = self.holder(index, user_id).ok_or_else(ApiError::user_not_found)?;
        self.journal.record(now, user_index, || None);
        self.write_mapped(now, user_index, claim_updates);
        let user = self.user_mut(user_index).ok_or_else(ApiError::user_not_found)?;
        for identity in &mut user.identities {
            identity.origin = IdentityOrigin::SignIn;
        }
        let username = self.user(user_index).map(|user| self.shown_username(user).to_owned()).unwrap_or_default();
        Ok(SignedIn { username, created: true })
    }

    fn check_mutable(&self, claim_updates: &ClaimUpdates) -> Result<(), ApiError> {
        let immutable = claim_updates.attributes.iter().find(|(name, _)| !self.settings.is_mutable(name));
        immutable.map_or(Ok(()), |(name, _)| Err(ApiError::attribute_immutable(name)))
    }

    fn write_mapped(&mut self, now: UnixMs, user_index: UserIndex, claim_updates: &ClaimUpdates) {
        for (name, value) in &claim_updates.attributes {
            self.set_attribute(user_index, name, value);
        }
        if let Some(user) = self.user_mut(user_index).filter(|_| !claim_updates.attributes.is_empty()) {
            user.modified_ms = now;
        }
    }
}

fn claim_updates(provider: &Provider, sign_in: &SignIn) -> ClaimUpdates {
    let issuer = (provider.kind == ProviderKind::Saml)
        .then(|| sign_in.issuer.clone().unwrap_or_else(|| format!("urn:simulated:{}", provider.name)));
    let mapped = provider.attribute_mapping.iter().filter(|(attribute, _)| *attribute != "username");
    let mut attributes: Vec<_> =
        mapped.filter_map(|(attribute, claim)| Some((attribute.clone(), sign_in.claims.get(claim)?.clone()))).collect();
    let has = |name: &str| attributes.iter().any(|(attribute, _)| attribute == name);
    if has("email") && !has("email_verified") {
        attributes.push(("email_verified".to_owned(), "false".to_owned()));
    }
    ClaimUpdates { issuer, attributes }
}
