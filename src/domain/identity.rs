//! Who is linked to what: pool, users, providers and identities.
//!
//! Personal values have no `Display`, and their `Debug` masks: the only way to their text is [`Personal::expose`],
//! which is easy to find and to review.

use std::fmt;

use crate::limits;

/// The attribute name for an identity's subject, whatever the provider calls it (`AdminLinkProviderForUser`).
pub const COGNITO_SUBJECT: &str = "Cognito_Subject";
/// The provider name of the pool's own users; it names a destination and never a source (`AdminLinkProviderForUser`).
pub const NATIVE_PROVIDER: &str = "Cognito";
/// A region that starts like this exists in no partition of AWS, so such a pool can only be a simulated one.
pub const SIMULATED_REGION_PREFIX: &str = "sim-";

/// Why a text is no identity value. Never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    #[error("not a user pool id: expected REGION_ID as in us-east-1_AbCdEfGhI")]
    PoolId,
    #[error("empty")]
    Empty,
    #[error("longer than {max} characters")]
    TooLong { max: usize },
    /// A provider name with characters that the service does not take.
    #[error("not a provider name: spaces and control characters are not allowed")]
    ProviderName,
    #[error("provider Cognito cannot be a source: a native user cannot be linked to another user")]
    NativeSource,
}

/// A user pool's id, `REGION_ID`. Not personal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PoolId(Box<str>);

impl PoolId {
    /// Reads `us-east-1_AbCdEfGhI` (service model: `[\w-]+_[0-9a-zA-Z]+`, 1 to 55 characters).
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        let (region, id) = text.rsplit_once('_').ok_or(IdentityError::PoolId)?;
        let region_fits = !region.is_empty()
            && region.contains('-')
            && region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        let id_fits = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric());
        if region_fits && id_fits && text.len() <= limits::POOL_ID_CHARS_MAX {
            Ok(Self(text.into()))
        } else {
            Err(IdentityError::PoolId)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The region in which the pool lives: the part before the last `_`.
    pub fn region(&self) -> &str {
        self.0.rsplit_once('_').map_or("", |(region, _)| region)
    }

    /// Whether this pool can only be a simulated one.
    pub fn is_simulated(&self) -> bool {
        self.region().starts_with(SIMULATED_REGION_PREFIX)
    }
}

impl fmt::Display for PoolId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A personal value: it can be compared and exposed on purpose, and is masked everywhere else.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Personal(Box<str>);

impl Personal {
    /// Takes a value as it is, without trimming or changing case.
    pub fn parse(text: &str, chars_max: usize) -> Result<Self, IdentityError> {
        Self::check(text, chars_max)?;
        Ok(Self(text.into()))
    }

    /// Checks the text as [`Personal::parse`] does.
    pub fn check(text: &str, chars_max: usize) -> Result<(), IdentityError> {
        check_length(text, chars_max)
    }

    /// Takes a value that the service holds, whatever its length.
    pub fn from_service(text: &str) -> Self {
        Self(text.into())
    }

    /// The value itself: for the service, the ledger and result files, never for a log or an error text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

fn check_length(text: &str, chars_max: usize) -> Result<(), IdentityError> {
    if text.is_empty() {
        return Err(IdentityError::Empty);
    }
    // There are at most as many characters as bytes, so nearly every text needs no counting.
    if text.len() > chars_max && text.chars().count() > chars_max {
        return Err(IdentityError::TooLong { max: chars_max });
    }
    Ok(())
}

impl fmt::Debug for Personal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[{} characters]", self.0.chars().count())
    }
}

/// The first and last character of a personal value, for a terminal: enough to recognize one's own row, no more.
pub fn masked(value: &str) -> String {
    let mut chars = value.chars().filter(|character| !character.is_control());
    match (chars.next(), chars.next_back()) {
        (Some(first), Some(last)) if value.chars().count() > 4 => format!("{first}***{last}"),
        _ => "***".to_owned(),
    }
}

/// The pool's name of an identity provider. Not personal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderName(Box<str>);

impl ProviderName {
    /// Reads a provider name (no control characters; older pools hold names with underscores and spaces that new ones may
    /// not have, so those are taken). The documents differ about the length, 32 or 40 characters, so longer names are
    /// taken as well: the pool's own list decides.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        Self::check(text)?;
        Ok(Self(text.into()))
    }

    /// Checks the text as [`ProviderName::parse`] does.
    pub fn check(text: &str) -> Result<(), IdentityError> {
        check_length(text, limits::PROVIDER_NAME_BELIEVED_CHARS_MAX)?;
        // Nearly every name has only letters and digits, which need no check of single characters.
        if text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(());
        }
        if text.chars().any(char::is_control) || text.trim() != text {
            return Err(IdentityError::ProviderName);
        }
        Ok(())
    }

    pub fn native() -> Self {
        Self(NATIVE_PROVIDER.into())
    }

    /// The name as the pool knows it, true case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_native(&self) -> bool {
        self.as_str() == NATIVE_PROVIDER
    }

    /// Whether the service takes only `Cognito_Subject` for this provider (`AdminLinkProviderForUser`; Apple inferred).
    pub fn is_social(&self) -> bool {
        is_social(self.as_str())
    }
}

/// Whether the service takes only `Cognito_Subject` for a provider of this name (`AdminLinkProviderForUser`; Apple
/// inferred).
pub fn is_social(provider: &str) -> bool {
    matches!(provider, "Facebook" | "Google" | "LoginWithAmazon" | "SignInWithApple")
}

impl fmt::Display for ProviderName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The name of a user pool attribute, or `Cognito_Subject`. Not personal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttributeName(Box<str>);

impl AttributeName {
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        Self::check(text)?;
        Ok(Self(text.into()))
    }

    /// Checks the text as [`AttributeName::parse`] does.
    pub fn check(text: &str) -> Result<(), IdentityError> {
        check_length(text, limits::ATTRIBUTE_NAME_CHARS_MAX)
    }

    pub fn subject() -> Self {
        Self(COGNITO_SUBJECT.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_subject(&self) -> bool {
        self.as_str() == COGNITO_SUBJECT
    }
}

/// An identity of an external provider: the source of a link. One whose provider is the pool itself cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExternalIdentity {
    provider: ProviderName,
    attribute: AttributeName,
    value: Personal,
}

impl ExternalIdentity {
    pub fn new(provider: ProviderName, attribute: AttributeName, value: Personal) -> Result<Self, IdentityError> {
        Self::check(provider.as_str())?;
        Ok(Self { provider, attribute, value })
    }

    /// Checks parts that are valid by themselves, as [`ExternalIdentity::new`] does.
    pub fn check(provider: &str) -> Result<(), IdentityError> {
        if provider == NATIVE_PROVIDER { Err(IdentityError::NativeSource) } else { Ok(()) }
    }

    /// How long the three parts are together, in characters, where that is longer than [`limits::SOURCE_CHARS_MAX`].
    pub fn excess_chars(provider: &str, attribute: &str, value: &str) -> Option<usize> {
        let parts = [provider, attribute, value];
        // There are at most as many characters as bytes, so nearly every value needs no counting.
        if parts.iter().map(|part| part.len()).sum::<usize>() <= limits::SOURCE_CHARS_MAX {
            return None;
        }
        let chars = parts.iter().map(|part| part.chars().count()).sum();
        (chars > limits::SOURCE_CHARS_MAX).then_some(chars)
    }

    /// The provider, by the pool's name of it.
    pub fn provider(&self) -> &ProviderName {
        &self.provider
    }

    /// The attribute by which the provider's user is recognized.
    pub fn attribute(&self) -> &AttributeName {
        &self.attribute
    }

    /// The value of that attribute, byte for byte as the provider sends it.
    pub fn value(&self) -> &Personal {
        &self.value
    }
}

/// How the input names the existing user that receives the link.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Destination {
    Username(Personal),
    /// By e-mail address; must be looked up, and be the only one.
    Email(Personal),
    /// By `sub`; must be looked up where it is not the user name.
    Sub(Personal),
    /// By phone number; must be looked up, and be the only one.
    Phone(Personal),
    /// By `preferred_username`; must be looked up, and be the only one.
    PreferredUsername(Personal),
    /// A federated user, by provider and id there.
    Federated {
        provider: ProviderName,
        user_id: Personal,
    },
}

impl Destination {
    /// A short stable word for the kind, used in row keys and the ledger.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Username(_) => "username",
            Self::Email(_) => "email",
            Self::Sub(_) => "sub",
            Self::Phone(_) => "phone",
            Self::PreferredUsername(_) => "preferred_username",
            Self::Federated { .. } => "federated",
        }
    }

    /// Whether the user must be looked up before it can be linked.
    pub fn needs_look_up(&self) -> bool {
        matches!(self, Self::Email(_) | Self::Sub(_) | Self::Phone(_) | Self::PreferredUsername(_))
    }

    /// The value by which the user is named.
    pub fn value(&self) -> &Personal {
        match self {
            Self::Username(value)
            | Self::Email(value)
            | Self::Sub(value)
            | Self::Phone(value)
            | Self::PreferredUsername(value)
            | Self::Federated { user_id: value, .. } => value,
        }
    }
}

/// A destination that is ready to be sent: a native user by its `Username`, or a federated one by provider and id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DestinationUser {
    /// `Cognito`, or the provider of a federated user.
    pub provider: ProviderName,
    /// The pool's `Username`, or the user's id at that provider.
    pub value: Personal,
}

impl DestinationUser {
    /// The user name by which the pool lists this user: its own, or `Provider_id` for a federated one.
    pub fn username(&self) -> String {
        if self.provider.is_native() {
            self.value.expose().to_owned()
        } else {
            profile_username(self.provider.as_str(), self.value.expose())
        }
    }

    /// The attribute by which a request names this user. The service ignores it for a native user, so it is left out there,
    /// as in AWS's own example.
    pub fn attribute_name(&self) -> Option<&'static str> {
        (!self.provider.is_native()).then_some(COGNITO_SUBJECT)
    }
}

/// The user name of the profile that a first sign-in of an unlinked identity makes: `Provider_id`.
pub fn profile_username(provider: &str, user_id: &str) -> String {
    format!("{provider}_{user_id}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn source(provider: &str, value: &str) -> Result<ExternalIdentity, IdentityError> {
        ExternalIdentity::new(
            ProviderName::parse(provider)?,
            AttributeName::subject(),
            Personal::parse(value, limits::ATTRIBUTE_VALUE_CHARS_MAX)?,
        )
    }

    #[test]
    fn pool_ids() {
        for good in ["us-east-1_AbCdEfGhI", "us-gov-west-1_Zz9", "sim-local-1_Example01"] {
            assert_eq!(PoolId::parse(good).map(|p| p.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "us-east-1", "_Abc", "us-east-1_", "us-east-1_a b", "us east_Abc", "US-EAST-1_Abc", "a_b"] {
            assert_eq!(PoolId::parse(bad), Err(IdentityError::PoolId), "{bad}");
        }
        assert!(PoolId::parse("sim-local-1_A").is_ok_and(|pool| pool.is_simulated()));
        assert!(PoolId::parse("us-east-1_A").is_ok_and(|pool| !pool.is_simulated() && pool.region() == "us-east-1"));
    }

    #[test]
    fn a_native_source_cannot_be_built() {
        assert_eq!(source("Cognito", "carlos"), Err(IdentityError::NativeSource));
        assert!(source("cognito", "carlos").is_ok(), "names are case-sensitive");
    }

    #[test]
    fn a_combined_length_over_the_bound_is_seen() {
        let fits = "é".repeat(limits::SOURCE_CHARS_MAX - "Google".len() - COGNITO_SUBJECT.len());
        assert_eq!(ExternalIdentity::excess_chars("Google", COGNITO_SUBJECT, &fits), None);
        assert_eq!(ExternalIdentity::excess_chars("Google", COGNITO_SUBJECT, &format!("{fits}x")), Some(129));
    }

    #[test]
    fn debug_and_masks_reveal_nothing() {
        let identity = source("Google", "carlos@example.com").unwrap();
        assert!(!format!("{identity:?}").contains("carlos"));
        assert_eq!(masked("carlos@example.com"), "c***m");
        assert_eq!(masked("abcd"), "***");
        assert_eq!(masked("\u{1b}[31mred\u{7}"), "[***d");
    }

    proptest! {
        #[test]
        fn whatever_parses_reads_back_and_is_within_its_limits(text in any::<String>(), near in "[a-z0-9-]{0,60}_[A-Za-z0-9]{0,12}") {
            for text in [text, near] {
                if let Ok(pool) = PoolId::parse(&text) {
                    prop_assert_eq!(pool.to_string(), &*text);
                    prop_assert!(text.starts_with(pool.region()) && text.len() <= limits::POOL_ID_CHARS_MAX);
                }
                if let Ok(provider) = ProviderName::parse(&text) {
                    prop_assert_eq!(provider.as_str(), &*text);
                    prop_assert!((1..=limits::PROVIDER_NAME_BELIEVED_CHARS_MAX).contains(&text.chars().count()));
                    prop_assert!(!text.contains(char::is_control));
                }
                let shown = masked(&text);
                prop_assert!(shown.chars().count() <= 5 && !shown.contains(char::is_control));
            }
        }

        #[test]
        fn a_source_is_never_native(provider in "Cognito|[A-Za-z]{1,32}", value in ".{1,140}") {
            if let Ok(identity) = source(&provider, &value) {
                prop_assert!(!identity.provider().is_native());
            }
        }
    }
}
