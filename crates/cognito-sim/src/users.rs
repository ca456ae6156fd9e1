//! `AdminCreateUser`, `AdminGetUser`, `AdminDeleteUser`, `AdminSetUserPassword` and `AdminUpdateUserAttributes`, and how
//! attributes of a user change.

use std::sync::Arc;

use serde_json::Value;

use crate::clock::UnixMs;
use crate::error::ApiError;
use crate::limits;
use crate::links::stored_identity;
use crate::model::{NewUser, PoolError, Status, UserIndex, UserView, derived_uuid};
use crate::pool::{ALIAS_ATTRIBUTES, Pool, lower_case};
use crate::wire::{CreateUserCall, SetPasswordCall, UserRef};

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
        let conflicts = self.alias_conflicts(&call.attributes, None);
        if let Some((name, _)) = conflicts.first().filter(|_| !call.force_alias) {
            return Err(ApiError::verified_alias_exists(name));
        }
        let username = user.username.clone();
        self.add_user(user).map_err(|error| match error {
            PoolError::UsernameLength => ApiError::too_long(given, "username", limits::USERNAME_CHARS_MAX),
            _ => ApiError::user_exists(),
        })?;
        let user_index = self.user_index_by_username(&username).ok_or_else(ApiError::user_not_found)?;
        // The alias goes to the new user; that the other one keeps the value without it is a guess.
        for (name, other) in conflicts {
            match name {
                "preferred_username" => self.remove_attribute(other, name),
                _ => self.set_attribute(other, &format!("{name}_verified"), "false"),
            }
        }
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
                _ if !self.settings.has_attribute(name) => return Err(ApiError::attribute_unknown(name)),
                _ => self.settings.check_value(name, value)?,
            }
            match name.as_str() {
                "email" => user.email = Some(value.clone()),
                _ => user.attributes.push((name.clone(), value.clone())),
            }
        }
        if !self.settings.username_attributes.is_empty() {
            self.name_by_attribute(given, &mut user)?;
        }
        for name in &self.settings.username_attributes {
            let value = if name == "email" { user.email.as_deref() } else { attribute_of(&user.attributes, name) };
            if value.is_some_and(|value| !self.users_with(name, value).is_empty()) {
                return Err(ApiError::alias_taken(name));
            }
        }
        Ok(user)
    }

    /// The users, with the attribute, who have verified an alias that a user is to get. An address that is not verified
    /// is no alias yet, so it may be there twice.
    fn alias_conflicts(
        &self,
        attributes: &[(String, String)],
        except: Option<UserIndex>,
    ) -> Vec<(&'static str, UserIndex)> {
        let mut conflicts = Vec::new();
        for name in ALIAS_ATTRIBUTES {
            let Some(value) = attribute_of(attributes, name) else { continue };
            let is_verified = match name {
                "preferred_username" => true,
                _ => attribute_of(attributes, &format!("{name}_verified")) == Some("true"),
            };
            if !is_verified || !self.settings.alias_attributes.iter().any(|alias| alias == name) {
                continue;
            }
            let others = self.users_with(name, value).into_iter().filter(|user_index| Some(*user_index) != except);
            conflicts.extend(
                others
                    .filter(|user_index| self.verified(*user_index, name) == Some(true))
                    .map(|user_index| (name, user_index)),
            );
        }
        conflicts
    }

    /// `AdminSetUserPassword`. The password is checked by the policy and not kept.
    pub(crate) fn set_password(&mut self, now: UnixMs, call: &SetPasswordCall) -> Result<(), ApiError> {
        let username = call.username.as_deref().ok_or_else(|| ApiError::null_member("username"))?;
        let password = call.password.as_deref().ok_or_else(|| ApiError::null_member("password"))?;
        if password.chars().count() > limits::PASSWORD_CHARS_MAX {
            return Err(ApiError::too_long("***", "password", limits::PASSWORD_CHARS_MAX));
        }
        let user_index = self.find_user(username).ok_or_else(ApiError::user_not_found)?;
        self.check_password(password)?;
        let user = self.user_mut(user_index).ok_or_else(ApiError::user_not_found)?;
        user.status = if call.permanent { Status::Confirmed } else { Status::ForceChangePassword };
        user.modified_ms = now;
        Ok(())
    }

    /// By default a password has a length of 8 and every sort of character.
    fn check_password(&self, password: &str) -> Result<(), ApiError> {
        type CharacterSort = (&'static str, &'static str, fn(char) -> bool);

        let policy = self.settings.shown.get("Policies").and_then(|policies| policies.get("PasswordPolicy"));
        let wants = |name: &str| policy.is_none_or(|policy| policy.get(name).is_some_and(|wanted| wanted == true));
        let length = policy.and_then(|policy| policy.get("MinimumLength")).and_then(Value::as_u64);
        if (password.chars().count() as u64) < length.unwrap_or(limits::PASSWORD_CHARS_MIN) {
            return Err(ApiError::password_policy("Password not long enough"));
        }
        let sorts: [CharacterSort; 4] = [
            ("RequireUppercase", "uppercase", |character| character.is_ascii_uppercase()),
            ("RequireLowercase", "lowercase", |character| character.is_ascii_lowercase()),
            ("RequireNumbers", "numeric", |character| character.is_ascii_digit()),
            ("RequireSymbols", "symbol", |character| character.is_ascii_punctuation()),
        ];
        let missing = sorts.iter().find(|(member, _, is_sort)| wants(member) && !password.chars().any(is_sort));
        missing.map_or(Ok(()), |(_, sort, _)| {
            Err(ApiError::password_policy(&format!("Password must have {sort} characters")))
        })
    }

    /// `AdminUpdateUserAttributes`. An empty value removes an attribute; an address that changes is not verified.
    pub(crate) fn update_attributes(
        &mut self,
        now: UnixMs,
        username: &str,
        attributes: &[(String, String)],
    ) -> Result<(), ApiError> {
        let user_index = self.find_user(username).ok_or_else(ApiError::user_not_found)?;
        for (name, value) in attributes {
            if matches!(name.as_str(), "sub" | "identities") || !self.settings.is_mutable(name) {
                return Err(ApiError::attribute_immutable(name));
            }
            if !self.settings.has_attribute(name) {
                return Err(ApiError::attribute_unknown(name));
            }
            if !value.is_empty() {
                self.settings.check_value(name, value)?;
            }
        }
        if let Some((name, _)) = self.alias_conflicts(attributes, Some(user_index)).first() {
            return Err(ApiError::verified_alias_exists(name));
        }
        for (name, value) in attributes {
            let verified = format!("{name}_verified");
            let user = self.user(user_index).ok_or_else(ApiError::user_not_found)?;
            let loses_verified = user.attribute(&verified).is_some() && attribute_of(attributes, &verified).is_none();
            if value.is_empty() {
                self.remove_attribute(user_index, name);
            } else {
                self.set_attribute(user_index, name, value);
            }
            if loses_verified {
                self.set_attribute(user_index, &verified, "false");
            }
        }
        if let Some(user) = self.user_mut(user_index) {
            user.modified_ms = now;
        }
        Ok(())
    }

    fn remove_attribute(&mut self, user_index: UserIndex, name: &str) {
        let Some(user) = self.user_mut(user_index) else { return };
        if name == "email" {
            if let Some(before) = user.email.take() {
                self.by_email.remove(&(lower_case(&before), user_index));
            }
        } else if let Some(extra) = &mut user.extra {
            let mut kept = std::mem::take(&mut extra.attributes).into_vec();
            kept.retain(|(held, _)| **held != *name);
            extra.attributes = kept.into_boxed_slice();
        }
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

    /// `AdminDeleteUser`. By the name of an identity's profile, `Provider_id`, it deletes the user to whom that identity
    /// is linked (aws-sdk-go #4218, amplify-js #3431). The identities are free again (a guess), and
    /// lists show it at once, whatever their lag.
    /// Returns the identities that are free now, each with the key of the user's name.
    pub(crate) fn delete_user(&mut self, username: &str) -> Result<Vec<(String, UserRef)>, ApiError> {
        let user_index = self.find_user(username).ok_or_else(ApiError::user_not_found)?;
        let Some(user) = self.user(user_index) else { return Err(ApiError::user_not_found()) };
        let (username, sub, email) = (user.username.clone(), user.sub().into_owned(), user.email.clone());
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
        self.by_username.remove(&self.users, &username);
        self.by_sub.remove(&self.users, &sub);
        if let Some(email) = email {
            self.by_email.remove(&(lower_case(&email), user_index));
        }
        Ok(freed)
    }

    /// `AdminDisableUser`.
    pub(crate) fn disable_user(&mut self, now: UnixMs, username: &str) -> Result<(), ApiError> {
        let user_index = self.find_user(username).ok_or_else(ApiError::user_not_found)?;
        let user = self.user_mut(user_index).ok_or_else(ApiError::user_not_found)?;
        (user.enabled, user.modified_ms) = (false, now);
        Ok(())
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

fn attribute_of<'a>(attributes: &'a [(String, String)], name: &str) -> Option<&'a str> {
    attributes.iter().find(|(held, _)| held == name).map(|(_, value)| value.as_str())
}
