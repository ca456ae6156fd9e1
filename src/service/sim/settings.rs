//! What a simulated pool is, and what it does where nobody knows what the service does.

use super::schema::{STANDARD_ATTRIBUTES, SchemaAttribute};
use super::user::UNKNOWN_DATE_UNIX_MS;
use crate::clock::UnixMs;
use crate::limits;

/// What a pool is, beside its users and providers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolSettings {
    /// `REGION_ID`.
    pub id: String,
    /// The pool's name.
    pub name: String,
    /// Whether user names are told apart by case. Pools made by API are, unless they say otherwise.
    pub case_sensitive: bool,
    /// Attributes with which users sign in in place of a user name.
    pub username_attributes: Vec<String>,
    /// Attributes with which users may sign in beside their user name.
    pub alias_attributes: Vec<String>,
    /// The address of a pre-sign-up trigger; it is shown, never called.
    pub pre_sign_up_trigger: Option<String>,
    /// Custom attributes, and standard ones that are not as they are by default.
    pub schema: Vec<SchemaAttribute>,
    /// When the pool was made.
    pub created_ms: UnixMs,
}

impl PoolSettings {
    /// A case-sensitive pool, as one made by API is.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: "simulated".to_owned(),
            case_sensitive: true,
            username_attributes: Vec::new(),
            alias_attributes: Vec::new(),
            pre_sign_up_trigger: None,
            schema: Vec::new(),
            created_ms: UNKNOWN_DATE_UNIX_MS,
        }
    }

    /// The same, telling user names apart by case or not.
    #[must_use]
    pub fn case_sensitive(mut self, case_sensitive: bool) -> Self {
        self.case_sensitive = case_sensitive;
        self
    }

    /// Whether users of the pool may have this attribute.
    pub(super) fn has_attribute(&self, name: &str) -> bool {
        STANDARD_ATTRIBUTES.contains(&name) || self.schema.iter().any(|attribute| attribute.name == name)
    }

    /// Whether an attribute can be changed once it is set.
    pub(super) fn is_mutable(&self, name: &str) -> bool {
        self.schema.iter().find(|attribute| attribute.name == name).is_none_or(|attribute| attribute.mutable)
    }

    pub(super) fn is_alias(&self, attribute: &str) -> bool {
        self.username_attributes.iter().chain(&self.alias_attributes).any(|alias| alias == attribute)
    }
}

/// What the service says where a source is linked to another destination, which nobody has written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LinkedElsewhere {
    /// `SourceUser is already linked to DestinationUser`: catches a client that trusts the text.
    #[default]
    AlreadyLinked,
    /// `Merging is not currently supported …`.
    Merging,
    /// `AliasExistsException`, as the emulator ministack answers.
    AliasExists,
}

/// Choices where the service's behaviour is not known, or has changed.
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own with two known answers")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guesses {
    /// Answer a repeated link with the text from before about 2024-07-30.
    pub old_already_linked_text: bool,
    /// The answer where the source is linked to another destination.
    pub linked_elsewhere: LinkedElsewhere,
    /// Take a `sub` as the destination of a link, where only the user name is promised.
    pub destination_by_sub: bool,
    /// Whether the identity from which a profile was born counts among the five it may have.
    pub own_identity_counts: bool,
    /// What becomes of a link by an attribute once it was used: it shows the subject, and can only be undone by it
    /// (documented for SAML), or it stays as it was made.
    pub attribute_link_stays: bool,
    /// Where an identity cannot be unlinked because it is not linked, say `UserNotFoundException` in place of
    /// `InvalidParameterException`; the text is the same.
    pub unlink_says_user_not_found: bool,
}

impl Default for Guesses {
    fn default() -> Self {
        Self {
            old_already_linked_text: false,
            linked_elsewhere: LinkedElsewhere::default(),
            destination_by_sub: false,
            own_identity_counts: true,
            attribute_link_stays: false,
            unlink_says_user_not_found: false,
        }
    }
}

/// Why a pool cannot hold a user or provider. Never holds a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// The user name is taken, in a case-insensitive pool also by one that differs in case only.
    #[error("another user has this username; remove one of the two")]
    UsernameTaken,
    /// The user name is empty or too long.
    #[error("username is empty or over {} characters", limits::USERNAME_CHARS_MAX)]
    UsernameLength,
    /// The `sub` is taken.
    #[error("another user has this sub; remove one of the two")]
    SubTaken,
    /// The identity is on another user.
    #[error("another user has one of these identities; an identity is on one user only")]
    IdentityTaken,
    /// An identity's provider is not in the pool.
    #[error("an identity names a provider which is not among the pool's providers; add it there")]
    ProviderUnknown,
    /// The provider's name is taken.
    #[error("another provider has this name; remove one of the two")]
    ProviderTaken,
    /// More providers than a pool can have.
    #[error("more than {} providers", limits::PROVIDERS_PER_POOL_MAX)]
    TooManyProviders,
    /// More users than a simulated pool can have.
    #[error("more than {} users", u32::MAX)]
    TooManyUsers,
}
