//! `AdminCreateUser`, `AdminGetUser` and `AdminDeleteUser`, and how attributes of a user change.

use std::sync::Arc;

use crate::clock::UnixMs;
use crate::error::ApiError;
use crate::limits;
use crate::links::stored_identity;
use crate::model::{NewUser, PoolError, Status, UserIndex, UserView, derived_uuid};
use crate::pool::{Pool, lower_case};
use crate::wire::{CreateUserCall, UserRef};

impl Pool {
    /// `AdminGetUser`: by user name, an alias that one user has, or, where the user name is no alias, the `sub`; also by
    /// the name that the profile of a linked identity would have (a guess).
    ///
    /// # Errors
    /// `UserNotFoundException`.
    pub fn get_user(&mut self, username: &str) -> Result<UserView, ApiError> {
        let user_index = match self.find_user(username) {
            None if self.create_on_reference && !self.is_profile_name_form(username) => {
                self.create_native(NewUser::named(username));
                self.user_index_by_username(username)
            }
            known => known,
        };
        let user = user_index.and_then(|user_index| self.user(user_index)).ok_or_else(ApiError::user_not_found)?;
        Ok(self.view(user, &user.identities))
    }

    /// `AdminCreateUser`. Where users sign in by an attribute, the user name of the request is the value of that attribute,
    /// and the user name in the pool is the `sub`. A user name that was used before gets another `sub`.
    pub(crate) fn create_user(&mut self, now: UnixMs, call: &CreateUserCall) -> Result<UserView, ApiError> {
        let given = call.username.as_deref().ok_or_else(|| ApiError::null_member("username"))?;
        if given.is_empty() {
            return Err(ApiError::too_short(given, "username", 1));
        }
        if call.resend {
            return self.user_awaiting_password(given);
        }
        let user = self.new_user(now, given, call)?;
        let username = user.username.clone();
        self.add_user(user).map_err(|error| match error {
            PoolError::UsernameLength => ApiError::too_long(given, "username", limits::USERNAME_CHARS_MAX),
            _ => ApiError::user_exists(),
        })?;
        let user_index = self.user_index_by_username(&username).ok_or_else(ApiError::user_not_found)?;
        self.journal.record(now, user_index, || None);
        let user = self.user(user_index).ok_or_else(ApiError::user_not_found)?;
        Ok(self.view(user, &user.identities))
    }

    fn user_awaiting_password(&mut self, username: &str) -> Result<UserView, ApiError> {
        let user = self.get_user(username)?;
        let waits = user.status == Status::ForceChangePassword.as_str();
        if waits { Ok(user) } else { Err(ApiError::resend_impossible()) }
    }

    fn new_user(&self, now: UnixMs, given: &str, call: &CreateUserCall) -> Result<NewUser, ApiError> {
        let mut user = NewUser {
            sub: Some(derived_uuid(&format!("{}/{}/{given}", self.settings.id, self.users.len()))),
            status: Status::ForceChangePassword,
            created_ms: now,
            modified_ms: now,
            ..NewUser::named(given)
        };
        for (name, value) in &call.attributes {
            match name.as_str() {
                "sub" | "identities" => return Err(ApiError::attribute_immutable(name)),
                "email" => user.email = Some(value.clone()),
                _ if !self.settings.has_attribute(name) => return Err(ApiError::attribute_unknown(name)),
                _ => user.attributes.push((name.clone(), value.clone())),
            }
        }
        if !self.settings.username_attributes.is_empty() {
            self.name_by_attribute(given, &mut user)?;
        }
        if self.settings.is_alias("email") && user.email.as_deref().is_some_and(|email| self.is_address_taken(email)) {
            return Err(ApiError::alias_taken("email"));
        }
        Ok(user)
    }

    fn name_by_attribute(&self, given: &str, user: &mut NewUser) -> Result<(), ApiError> {
        let takes = |attribute: &str| self.settings.username_attributes.iter().any(|name| name == attribute);
        if takes("email") && given.contains('@') {
            user.email = Some(given.to_owned());
        } else if takes("phone_number") && given.starts_with('+') {
            user.attributes.retain(|(name, _)| name != "phone_number");
            user.attributes.push(("phone_number".to_owned(), given.to_owned()));
        } else {
            return Err(ApiError::username_form(if takes("email") { "email" } else { "phone number" }));
        }
        user.username = user.sub.clone().unwrap_or_default();
        Ok(())
    }

    fn is_address_taken(&self, address: &str) -> bool {
        let address: Arc<str> = address.to_lowercase().into();
        self.by_email.range((Arc::clone(&address), 0)..=(address, UserIndex::MAX)).next().is_some()
    }

    /// `AdminDeleteUser`. By the name of an identity's profile, `Provider_id`, it deletes the user to whom that identity
    /// is linked (aws-sdk-go #4218, amplify-js #3431). The identities are free again (a guess), and
    /// lists show it at once, whatever their lag.
    /// Returns the identities that are free now, each with the key of the user's name.
    pub(crate) fn delete_user(&mut self, username: &str) -> Result<Vec<(String, UserRef)>, ApiError> {
        let user_index = self.find_user(username).ok_or_else(ApiError::user_not_found)?;
        let Some(user) = self.user(user_index) else { return Err(ApiError::user_not_found()) };
        let (username, sub, email) = (Arc::clone(&user.username), Arc::clone(&user.sub), user.email.clone());
        let identities: Vec<_> =
            user.identities.iter().map(|held| (held.provider, Arc::clone(&held.user_id))).collect();
        let mut freed = Vec::new();
        for (provider, user_id) in identities {
            freed.extend(self.user(user_index).and_then(|user| {
                let held = stored_identity(user, provider, &user_id)?;
                let name = &self.providers.get(usize::from(provider))?.name;
                Some((username.to_string(), UserRef::new(name, held.link_attribute(), held.link_value())))
            }));
            self.remove_identity(user_index, provider, &user_id);
        }
        // The record stays, so that a chain of pages that stands at it knows where to go on.
        self.by_username.remove(&username);
        self.by_sub.remove(&sub);
        if let Some(email) = email {
            self.by_email.remove(&(lower_case(&email), user_index));
        }
        Ok(freed)
    }

    /// Sets an attribute of a user, its address in the index included.
    pub(crate) fn set_attribute(&mut self, user_index: UserIndex, name: &str, value: &str) {
        let Self { users, by_email, .. } = self;
        let Some(user) = usize::try_from(user_index).ok().and_then(|user_index| users.get_mut(user_index)) else {
            return;
        };
        if name != "email" {
            let attributes = &mut user.extra.get_or_insert_default().attributes;
            if let Some((_, held)) = attributes.iter_mut().find(|(held, _)| **held == *name) {
                *held = value.into();
                return;
            }
            let mut longer = std::mem::take(attributes).into_vec();
            longer.push((name.into(), value.into()));
            *attributes = longer.into_boxed_slice();
            return;
        }
        let address: Arc<str> = value.into();
        if let Some(before) = user.email.replace(Arc::clone(&address)) {
            by_email.remove(&(lower_case(&before), user_index));
        }
        by_email.insert((lower_case(&address), user_index));
    }
}
