//! An identity provider of a simulated pool.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::user::Slot;
use crate::clock::UnixMs;
use crate::domain::identity::COGNITO_SUBJECT;

/// `ProviderType` (service model).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderKind {
    /// SAML 2.0.
    Saml,
    /// `OpenID` Connect.
    Oidc,
    /// Google.
    Google,
    /// Facebook.
    Facebook,
    /// Login with Amazon.
    LoginWithAmazon,
    /// Sign in with Apple.
    SignInWithApple,
}

impl ProviderKind {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Saml, "SAML"),
        (Self::Oidc, "OIDC"),
        (Self::Google, "Google"),
        (Self::Facebook, "Facebook"),
        (Self::LoginWithAmazon, "LoginWithAmazon"),
        (Self::SignInWithApple, "SignInWithApple"),
    ];

    /// The type as the service writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("OIDC", |(_, text)| text)
    }

    /// Reads a type as the service writes it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == text).map(|(kind, _)| *kind)
    }

    /// The type of a provider of which only the name is known: social ones have fixed names, others pass as OIDC.
    #[must_use]
    pub fn by_name(name: &str) -> Self {
        Self::parse(name).filter(|kind| kind.is_social()).unwrap_or(Self::Oidc)
    }

    /// Every type as the service writes it.
    pub(super) fn names() -> [&'static str; 6] {
        Self::ALL.map(|(_, name)| name)
    }

    /// The `ProviderDetails` that a new provider of this type must have (service model, its examples).
    pub(super) fn needed_details(self) -> &'static [&'static str] {
        match self {
            Self::Saml => &[],
            Self::Oidc => &["client_id", "attributes_request_method", "oidc_issuer", "authorize_scopes"],
            Self::SignInWithApple => &["client_id", "team_id", "key_id", "private_key", "authorize_scopes"],
            Self::Google | Self::Facebook | Self::LoginWithAmazon => {
                &["client_id", "client_secret", "authorize_scopes"]
            }
        }
    }

    /// The claim that is the subject (developer guide, attribute mapping).
    pub(super) fn subject_claim(self) -> &'static str {
        match self {
            Self::Facebook => "id",
            Self::LoginWithAmazon => "user_id",
            _ => "sub",
        }
    }

    /// Whether users of it are recognised by their subject only (service model; Apple inferred).
    #[must_use]
    pub fn is_social(self) -> bool {
        !matches!(self, Self::Saml | Self::Oidc)
    }
}

/// A provider and who holds its identities.
pub struct Provider {
    /// The pool's name of it.
    pub name: Box<str>,
    /// `ProviderType`.
    pub kind: ProviderKind,
    /// `AttributeMapping`: pool attribute to claim.
    pub attribute_mapping: BTreeMap<String, String>,
    /// `ProviderDetails`, secrets included; where there are none, made-up ones are shown.
    pub details: BTreeMap<String, String>,
    /// When it was made.
    pub created_ms: UnixMs,
    /// When it was changed.
    pub modified_ms: UnixMs,
    /// Made because a request named it: then every attribute passes as mapped.
    pub(super) made_on_reference: bool,
    /// Who holds an id, by exact case.
    pub(super) holders: BTreeMap<Arc<str>, Slot>,
    /// How many ids with capitals have this lower-case form.
    pub(super) folded: BTreeMap<Box<str>, u32>,
}

impl Provider {
    /// A provider that maps nothing.
    #[must_use]
    pub fn new(name: &str, kind: ProviderKind, now: UnixMs) -> Self {
        Self {
            name: name.into(),
            kind,
            attribute_mapping: BTreeMap::new(),
            details: BTreeMap::new(),
            created_ms: now,
            modified_ms: now,
            made_on_reference: false,
            holders: BTreeMap::new(),
            folded: BTreeMap::new(),
        }
    }

    /// The same with one more pool attribute mapped from a claim.
    #[must_use]
    pub fn mapping(mut self, attribute: &str, claim: &str) -> Self {
        self.attribute_mapping.insert(attribute.to_owned(), claim.to_owned());
        self
    }

    pub(super) fn maps(&self, attribute: &str) -> bool {
        self.made_on_reference || self.attribute_mapping.contains_key(attribute)
    }

    /// Whether identities are known by this attribute without being made so: the subject, and what is mapped.
    pub(super) fn maps_by_name(&self, attribute: &str) -> bool {
        attribute == COGNITO_SUBJECT || self.attribute_mapping.contains_key(attribute)
    }

    /// The claim from which an attribute is mapped.
    pub(super) fn claim_of<'a>(&'a self, attribute: &'a str) -> Option<&'a str> {
        let mapped = self.attribute_mapping.get(attribute).map(String::as_str);
        mapped.or_else(|| self.made_on_reference.then_some(attribute))
    }

    pub(super) fn hold(&mut self, user_id: Arc<str>, slot: Slot) {
        let lower = user_id.to_lowercase();
        if *lower != *user_id {
            *self.folded.entry(lower.into()).or_insert(0) += 1;
        }
        self.holders.insert(user_id, slot);
    }

    /// Nobody holds this id any more.
    pub(super) fn release(&mut self, user_id: &str) {
        if self.holders.remove(user_id).is_none() {
            return;
        }
        let lower = user_id.to_lowercase();
        if lower == user_id {
            return;
        }
        if let Some(count) = self.folded.get_mut(&*lower) {
            *count -= 1;
            if *count == 0 {
                self.folded.remove(&*lower);
            }
        }
    }

    /// Its details as they are, or as a provider of its type has them.
    pub(super) fn shown_details(&self) -> BTreeMap<String, String> {
        if !self.details.is_empty() {
            return self.details.clone();
        }
        let name = &self.name;
        let mut details: BTreeMap<_, _> = self
            .kind
            .needed_details()
            .iter()
            .map(|detail| ((*detail).to_owned(), format!("simulated-{detail}")))
            .collect();
        if self.kind == ProviderKind::Saml {
            details.insert("MetadataURL".to_owned(), format!("https://simulated.invalid/{name}/metadata"));
        } else {
            details.insert("client_secret".to_owned(), "simulated-client-secret".to_owned());
            details.insert("authorize_scopes".to_owned(), "openid email profile".to_owned());
        }
        details
    }

    /// Whether somebody holds an id that differs from this one in case only.
    pub(super) fn holds_in_other_case(&self, user_id: &str) -> bool {
        let lower = user_id.to_lowercase();
        let others_with_capitals = self.folded.get(&*lower).copied().unwrap_or(0);
        others_with_capitals > 0 || (lower != user_id && self.holders.contains_key(&*lower))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_follow_from_names_only_where_the_service_fixes_them() {
        for (name, kind) in [
            ("Google", ProviderKind::Google),
            ("SignInWithApple", ProviderKind::SignInWithApple),
            ("Okta", ProviderKind::Oidc),
            ("SAML", ProviderKind::Oidc),
            ("google", ProviderKind::Oidc),
        ] {
            assert_eq!(ProviderKind::by_name(name), kind, "{name}");
        }
        assert!(ProviderKind::ALL.iter().all(|(kind, text)| ProviderKind::parse(text) == Some(*kind)));
    }

    #[test]
    fn ids_that_differ_in_case_only_are_found() {
        let mut provider = Provider::new("Okta", ProviderKind::Oidc, 0);
        provider.hold("AbC".into(), 0);
        provider.hold("xyz".into(), 1);
        assert!(provider.holds_in_other_case("abc") && provider.holds_in_other_case("XyZ"));
        assert!(!provider.holds_in_other_case("xyz") && !provider.holds_in_other_case("other"));
        provider.release("AbC");
        provider.release("AbC");
        assert!(!provider.holds_in_other_case("abc"));
    }
}
