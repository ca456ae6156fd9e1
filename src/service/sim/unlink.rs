//! `AdminDisableProviderForUser` on a pool.

use super::error::ApiError;
use super::link::{held, named};
use super::pool::Pool;
use super::request::UserRef;
use super::user::{ProviderIndex, Slot};
use crate::clock::UnixMs;
use crate::domain::identity::{COGNITO_SUBJECT, NATIVE_PROVIDER};

/// What a call took away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disabled {
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
    /// [`super::settings::Guesses::attribute_link_stays`]. An identity that has a profile of its own is not linked.
    ///
    /// # Errors
    /// `Account isn't linked to anyone else …` for whatever does not fit, `ResourceNotFoundException` for an unknown
    /// provider, `UserNotFoundException` for an unknown native user.
    pub fn disable(&mut self, now: UnixMs, user: Option<&UserRef>) -> Result<Disabled, ApiError> {
        let user = named(user, "user", true)?;
        if user.provider == NATIVE_PROVIDER {
            return self.disable_password(now, user.value);
        }
        let (index, _) = self.provider(user.provider).ok_or_else(|| ApiError::provider_not_found(user.provider))?;
        let not_linked = ApiError::not_linked(self.guesses.unlink_says_user_not_found);
        let Some(slot) = self.holder(index, user.value) else { return Err(not_linked) };
        let fits = self.user(slot).and_then(|holder| held(holder, index, user.value)).is_some_and(|held| {
            !held.primary && held.attribute.as_deref().unwrap_or(COGNITO_SUBJECT) == user.attribute
        });
        if !fits {
            return Err(not_linked);
        }
        self.remember_before(now, slot);
        self.detach(slot, index, user.value);
        if let Some(holder) = self.user_mut(slot) {
            holder.modified_ms = now;
        }
        Ok(Disabled::Link)
    }

    /// Takes an identity from a user.
    pub(super) fn detach(&mut self, slot: Slot, provider: ProviderIndex, user_id: &str) {
        if let Some(user) = self.user_mut(slot) {
            user.identities.retain(|held| held.provider != provider || *held.user_id != *user_id);
        }
        if let Some(provider) = self.providers.get_mut(usize::from(provider)) {
            provider.release(user_id);
        }
    }

    fn disable_password(&mut self, now: UnixMs, username: &str) -> Result<Disabled, ApiError> {
        let slot = self.slot_by_username(username).ok_or_else(ApiError::user_not_found)?;
        let user = self.user_mut(slot).ok_or_else(ApiError::user_not_found)?;
        user.extra.get_or_insert_default().password_disabled = true;
        user.modified_ms = now;
        Ok(Disabled::Password)
    }
}
