//! A federated sign-in: no operation of the API, but the reason for all of it.

use super::error::ApiError;
use super::link::profile;
use super::pool::Pool;
use super::provider::ProviderKind;
use super::user::{ProviderIndex, Slot};
use crate::clock::UnixMs;
use crate::domain::identity::profile_username;

/// Who signed in. Holds personal values, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// The user name of the profile.
    pub username: String,
    /// Whether the sign-in made this profile.
    pub created: bool,
}

impl Pool {
    /// Signs an identity in as the service would: to the user who holds exactly this id, else to a new profile
    /// `Provider_id` of its own. A SAML identity gets its issuer.
    ///
    /// # Errors
    /// `ResourceNotFoundException` for an unknown provider; `Invalid ProviderName/Username combination` where the
    /// profile's name is taken by an id that differs in case only; `UsernameExistsException` where a native user wears
    /// it.
    pub fn sign_in(&mut self, now: UnixMs, provider: &str, user_id: &str) -> Result<SignedIn, ApiError> {
        let (index, known) = self.provider(provider).ok_or_else(|| ApiError::provider_not_found(provider))?;
        let issuer = (known.kind == ProviderKind::Saml).then(|| format!("urn:simulated:{provider}"));
        if let Some(slot) = self.holder(index, user_id) {
            return self.sign_in_held(now, slot, (index, user_id), issuer);
        }
        if !self.settings.case_sensitive && known.holds_in_other_case(user_id) {
            return Err(ApiError::sign_in_mismatch());
        }
        let username = profile_username(provider, user_id);
        if self.slot_by_username(&username).is_some() {
            return Err(ApiError::profile_name_taken());
        }
        self.add_user(profile(provider, user_id, issuer, now)).map_err(|_| ApiError::profile_name_taken())?;
        let slot = self.holder(index, user_id).ok_or_else(ApiError::user_not_found)?;
        self.journal.record(now, slot, || None);
        Ok(SignedIn { username: self.username_key(&username), created: true })
    }

    fn sign_in_held(
        &mut self,
        now: UnixMs,
        slot: Slot,
        (provider, user_id): (ProviderIndex, &str),
        issuer: Option<String>,
    ) -> Result<SignedIn, ApiError> {
        self.remember_before(now, slot);
        let user = self.user_mut(slot).ok_or_else(ApiError::user_not_found)?;
        let signed_in = user.identities.iter_mut().find(|held| held.provider == provider && *held.user_id == *user_id);
        if let (Some(held), Some(issuer)) = (signed_in, issuer) {
            held.issuer = Some(issuer.into());
            user.modified_ms = now;
        }
        Ok(SignedIn { username: user.username.to_string(), created: false })
    }
}
