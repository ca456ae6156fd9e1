//! The lines of a pool file and what they are in a pool.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::pool::Pool;
use super::provider::{Provider, ProviderKind};
use super::schema::SchemaAttribute;
use super::settings::PoolSettings;
use super::user::{HeldIdentity, NewIdentity, NewUser, Status, UNKNOWN_DATE_UNIX_MS, User};
use crate::clock::UnixMs;
use crate::domain::identity::PoolId;
use crate::service::{LinkedIdentity, PoolUser};

/// `pool`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PoolLine {
    id: String,
    #[serde(default = "simulated")]
    name: String,
    /// As for pools made by API, unless it says otherwise.
    #[serde(default = "yes")]
    case_sensitive: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    username_attributes: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    alias_attributes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pre_sign_up_trigger: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    schema: Vec<SchemaLine>,
    #[serde(default = "unknown_date", skip_serializing_if = "is_unknown_date")]
    created: UnixMs,
}

/// One of a pool's `schema`: an attribute that is not as it is by default.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SchemaLine {
    name: String,
    #[serde(rename = "type", default = "string")]
    data_type: String,
    #[serde(default = "yes")]
    mutable: bool,
    #[serde(default)]
    required: bool,
}

/// One of `providers`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProviderLine {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    attribute_mapping: BTreeMap<String, String>,
    /// Made-up ones are shown where there are none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    details: BTreeMap<String, String>,
    /// Every attribute passes as mapped: the provider was made because a request named it.
    #[serde(default, skip_serializing_if = "is_no")]
    any_attribute: bool,
    #[serde(default = "unknown_date", skip_serializing_if = "is_unknown_date")]
    created: UnixMs,
    #[serde(default = "unknown_date", skip_serializing_if = "is_unknown_date")]
    modified: UnixMs,
}

/// One of `users`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserLine<'a> {
    username: Cow<'a, str>,
    #[serde(default)]
    sub: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<Cow<'a, str>>,
    #[serde(default = "confirmed")]
    status: Cow<'a, str>,
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default = "unknown_date", skip_serializing_if = "is_unknown_date")]
    created: UnixMs,
    #[serde(default = "unknown_date", skip_serializing_if = "is_unknown_date")]
    modified: UnixMs,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    identities: Vec<IdentityLine<'a>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    /// A link to this user fails with `AliasExistsException`.
    #[serde(default, skip_serializing_if = "is_no")]
    alias_conflict: bool,
    /// A link to this user fails with `InvalidParameterException` and this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    link_refusal: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "is_no")]
    password_disabled: bool,
}

/// One of a user's `identities`, named as the service names its members.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct IdentityLine<'a> {
    provider_name: Cow<'a, str>,
    /// Read so that what the service shows can be pasted; the provider's own type holds.
    #[serde(default, skip_serializing)]
    #[expect(dead_code, reason = "taken and passed over")]
    provider_type: Option<String>,
    user_id: Cow<'a, str>,
    /// The attribute of a link that is not by `Cognito_Subject`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attribute: Option<Cow<'a, str>>,
    #[serde(default)]
    issuer: Option<Cow<'a, str>>,
    #[serde(default)]
    primary: bool,
    #[serde(default = "unknown_date")]
    date_created: UnixMs,
}

impl PoolLine {
    pub(super) fn into_settings(self) -> Result<PoolSettings, String> {
        let id = PoolId::parse(&self.id).map_err(|error| format!("id is {error}"))?;
        Ok(PoolSettings {
            id: id.to_string(),
            name: self.name,
            case_sensitive: self.case_sensitive,
            username_attributes: self.username_attributes,
            alias_attributes: self.alias_attributes,
            pre_sign_up_trigger: self.pre_sign_up_trigger,
            schema: self.schema.into_iter().map(SchemaAttribute::from).collect(),
            created_ms: self.created,
        })
    }
}

impl From<PoolSettings> for PoolLine {
    fn from(settings: PoolSettings) -> Self {
        Self {
            id: settings.id,
            name: settings.name,
            case_sensitive: settings.case_sensitive,
            username_attributes: settings.username_attributes,
            alias_attributes: settings.alias_attributes,
            pre_sign_up_trigger: settings.pre_sign_up_trigger,
            schema: settings.schema.into_iter().map(SchemaLine::from).collect(),
            created: settings.created_ms,
        }
    }
}

impl From<SchemaLine> for SchemaAttribute {
    fn from(SchemaLine { name, data_type, mutable, required }: SchemaLine) -> Self {
        Self { name, data_type, mutable, required }
    }
}

impl From<SchemaAttribute> for SchemaLine {
    fn from(SchemaAttribute { name, data_type, mutable, required }: SchemaAttribute) -> Self {
        Self { name, data_type, mutable, required }
    }
}

impl ProviderLine {
    pub(super) fn into_provider(self) -> Result<Provider, &'static str> {
        let kind = ProviderKind::parse(&self.kind)
            .ok_or("type must be SAML, OIDC, Google, Facebook, LoginWithAmazon or SignInWithApple")?;
        let mut provider = Provider::new(&self.name, kind, self.created);
        provider.attribute_mapping = self.attribute_mapping;
        provider.details = self.details;
        provider.made_on_reference = self.any_attribute;
        provider.modified_ms = self.modified;
        Ok(provider)
    }
}

impl From<&Provider> for ProviderLine {
    fn from(provider: &Provider) -> Self {
        Self {
            name: provider.name.to_string(),
            kind: provider.kind.as_str().to_owned(),
            attribute_mapping: provider.attribute_mapping.clone(),
            details: provider.details.clone(),
            any_attribute: provider.made_on_reference,
            created: provider.created_ms,
            modified: provider.modified_ms,
        }
    }
}

impl UserLine<'_> {
    pub(super) fn into_user(self) -> Result<NewUser, &'static str> {
        let status = Status::parse(&self.status).ok_or("status is none of those that the service has")?;
        let owned = |(name, value): (Cow<'_, str>, Cow<'_, str>)| (name.into_owned(), value.into_owned());
        Ok(NewUser {
            username: self.username.into_owned(),
            sub: self.sub.map(Cow::into_owned),
            email: self.email.map(Cow::into_owned),
            status,
            enabled: self.enabled,
            created_ms: self.created,
            modified_ms: self.modified,
            identities: self.identities.into_iter().map(NewIdentity::from).collect(),
            attributes: self.attributes.into_iter().map(owned).collect(),
            alias_conflict: self.alias_conflict,
            link_refusal: self.link_refusal.map(Cow::into_owned),
            password_disabled: self.password_disabled,
        })
    }
}

impl<'a> UserLine<'a> {
    pub(super) fn of(user: &'a User, pool: &'a Pool) -> Self {
        let extra = user.extra.as_deref();
        let attributes = extra.iter().flat_map(|extra| extra.attributes.iter());
        Self {
            username: Cow::Borrowed(&user.username),
            sub: Some(Cow::Borrowed(&user.sub)),
            email: user.email.as_deref().map(Cow::Borrowed),
            status: Cow::Borrowed(user.status.as_str()),
            enabled: user.enabled,
            created: user.created_ms,
            modified: user.modified_ms,
            identities: user.identities.iter().filter_map(|held| IdentityLine::of(held, pool)).collect(),
            attributes: attributes.map(|(name, value)| (Cow::Borrowed(&**name), Cow::Borrowed(&**value))).collect(),
            alias_conflict: extra.is_some_and(|extra| extra.alias_conflict),
            link_refusal: extra.and_then(|extra| extra.link_refusal.as_deref()).map(Cow::Borrowed),
            password_disabled: extra.is_some_and(|extra| extra.password_disabled),
        }
    }
}

impl<'a> UserLine<'a> {
    /// A user as the ports tell of it, with these of its identities.
    pub(super) fn seen(user: &'a PoolUser, identities: impl Iterator<Item = &'a LinkedIdentity>) -> Self {
        Self {
            username: Cow::Borrowed(user.username.expose()),
            sub: user.sub.as_ref().map(|sub| Cow::Borrowed(sub.expose())),
            email: user.email.as_ref().map(|email| Cow::Borrowed(email.expose())),
            status: Cow::Borrowed(Status::parse(&user.status).unwrap_or(Status::Unknown).as_str()),
            enabled: user.enabled,
            created: UNKNOWN_DATE_UNIX_MS,
            modified: UNKNOWN_DATE_UNIX_MS,
            identities: identities.map(IdentityLine::seen).collect(),
            attributes: BTreeMap::new(),
            alias_conflict: false,
            link_refusal: None,
            password_disabled: false,
        }
    }

    pub(super) fn identity_count(&self) -> usize {
        self.identities.len()
    }
}

impl From<IdentityLine<'_>> for NewIdentity {
    fn from(line: IdentityLine<'_>) -> Self {
        Self {
            provider: line.provider_name.into_owned(),
            user_id: line.user_id.into_owned(),
            attribute: line.attribute.map(Cow::into_owned),
            issuer: line.issuer.map(Cow::into_owned),
            primary: line.primary,
            created_ms: line.date_created,
        }
    }
}

impl<'a> IdentityLine<'a> {
    fn seen(identity: &'a LinkedIdentity) -> Self {
        Self {
            provider_name: Cow::Borrowed(&identity.provider_name),
            provider_type: None,
            user_id: Cow::Borrowed(identity.user_id.expose()),
            attribute: None,
            issuer: identity.issuer.as_deref().map(Cow::Borrowed),
            primary: identity.primary,
            date_created: identity.created_unix_ms.unwrap_or(UNKNOWN_DATE_UNIX_MS),
        }
    }

    fn of(held: &'a HeldIdentity, pool: &'a Pool) -> Option<Self> {
        let provider = pool.providers().get(usize::from(held.provider))?;
        Some(Self {
            provider_name: Cow::Borrowed(&provider.name),
            provider_type: None,
            user_id: Cow::Borrowed(&held.user_id),
            attribute: held.attribute.as_deref().map(Cow::Borrowed),
            issuer: held.issuer.as_deref().map(Cow::Borrowed),
            primary: held.primary,
            date_created: held.created_ms,
        })
    }
}

fn simulated() -> String {
    "simulated".to_owned()
}

fn string() -> String {
    "String".to_owned()
}

fn confirmed<'a>() -> Cow<'a, str> {
    Cow::Borrowed(Status::Confirmed.as_str())
}

fn yes() -> bool {
    true
}

fn unknown_date() -> UnixMs {
    UNKNOWN_DATE_UNIX_MS
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over like this")]
fn is_unknown_date(date: &UnixMs) -> bool {
    *date == UNKNOWN_DATE_UNIX_MS
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over like this")]
fn is_no(value: &bool) -> bool {
    !*value
}
