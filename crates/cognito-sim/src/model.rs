//! What a pool holds: settings, schema, providers, users and their identities.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128;

use crate::app_clients::AppClient;
use crate::clock::UnixMs;
use crate::error::ApiError;
use crate::limits;

/// The attribute that stands for the subject of an identity, whatever the provider calls it.
pub(crate) const COGNITO_SUBJECT: &str = "Cognito_Subject";
/// The provider name of the pool's own users.
pub(crate) const NATIVE_PROVIDER: &str = "Cognito";

/// The user name of the profile that the first sign-in of an unlinked identity creates: `Provider_id`.
pub(crate) fn profile_username(provider: &str, user_id: &str) -> String {
    format!("{provider}_{user_id}")
}

/// Whether this is `REGION_ID` (service model: `[\w-]+_[0-9a-zA-Z]+`, 1 to 55 characters).
pub(crate) fn is_pool_id(text: &str) -> bool {
    let Some((region, id)) = text.rsplit_once('_') else { return false };
    let region_fits =
        region.contains('-') && region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    let id_fits = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric());
    region_fits && id_fits && text.len() <= limits::POOL_ID_CHARS_MAX
}

/// What a pool file leaves out.
pub(crate) mod defaults {
    use super::UNKNOWN_DATE_UNIX_MS;
    use crate::clock::UnixMs;

    pub(super) fn pool_name() -> String {
        "simulated".to_owned()
    }

    pub(super) fn data_type() -> String {
        "String".to_owned()
    }

    pub(crate) fn yes() -> bool {
        true
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(crate) fn is_no(value: &bool) -> bool {
        !*value
    }

    pub(crate) fn date() -> UnixMs {
        UNKNOWN_DATE_UNIX_MS
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(crate) fn is_date(date: &UnixMs) -> bool {
        *date == UNKNOWN_DATE_UNIX_MS
    }
}

/// The settings of a pool, as a pool file has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolSettings {
    /// `REGION_ID`.
    pub id: String,
    /// The name of the pool.
    #[serde(default = "defaults::pool_name")]
    pub name: String,
    /// Whether user names that differ in case only are different. They are in pools made by API, by default.
    #[serde(default = "defaults::yes")]
    pub case_sensitive: bool,
    /// Attributes with which users sign in instead of a user name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub username_attributes: Vec<String>,
    /// Attributes with which users may sign in besides their user name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alias_attributes: Vec<String>,
    /// The ARN of a pre-sign-up trigger; it is shown, never called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_sign_up_trigger: Option<String>,
    /// Custom attributes, and standard attributes that differ from their default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schema: Vec<SchemaAttribute>,
    /// Members of `CreateUserPool` that have no effect here, and are shown as they were given.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shown: BTreeMap<String, Value>,
    /// Its app clients. A pool that names none has one, which offers every provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_clients: Option<Vec<AppClient>>,
    /// When the pool was created.
    #[serde(rename = "created", default = "defaults::date", skip_serializing_if = "defaults::is_date")]
    pub created_ms: UnixMs,
}

impl PoolSettings {
    /// A case-sensitive pool, as pools made by API are by default.
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
            shown: BTreeMap::new(),
            app_clients: None,
            created_ms: UNKNOWN_DATE_UNIX_MS,
        }
    }

    /// Sets whether user names that differ in case only are different.
    #[must_use]
    pub fn case_sensitive(mut self, case_sensitive: bool) -> Self {
        self.case_sensitive = case_sensitive;
        self
    }

    /// Whether users of the pool may have this attribute.
    pub(crate) fn has_attribute(&self, name: &str) -> bool {
        STANDARD_ATTRIBUTES.contains(&name) || self.schema.iter().any(|attribute| attribute.name == name)
    }

    /// Checks the value of an attribute that the pool has.
    pub(crate) fn check_value(&self, name: &str, value: &str) -> Result<(), ApiError> {
        let own = self.schema.iter().find(|attribute| attribute.name == name);
        own.map_or_else(|| SchemaAttribute::standard(name).check_value(value), |attribute| attribute.check_value(value))
    }

    /// Whether an attribute can be changed once it is set.
    pub(crate) fn is_mutable(&self, name: &str) -> bool {
        self.schema.iter().find(|attribute| attribute.name == name).is_none_or(|attribute| attribute.mutable)
    }

    /// The attributes besides `sub` that every user must have.
    pub(crate) fn required_attributes(&self) -> impl Iterator<Item = &str> {
        let required = self.schema.iter().filter(|attribute| attribute.required && attribute.name != "sub");
        required.map(|attribute| attribute.name.as_str())
    }

    /// Whether only administrators create users (`AdminCreateUserConfig`).
    pub(crate) fn is_admin_only(&self) -> bool {
        let config = self.shown.get("AdminCreateUserConfig");
        config.is_some_and(|config| config["AllowAdminCreateUserOnly"] == true)
    }

    pub(crate) fn is_alias(&self, attribute: &str) -> bool {
        self.username_attributes.iter().chain(&self.alias_attributes).any(|alias| alias == attribute)
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

/// An attribute that users of a pool may have, as `DescribeUserPool` shows it in `SchemaAttributes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemaAttribute {
    /// The name; custom attributes start with `custom:`.
    pub name: String,
    /// `String`, `Number`, `DateTime` or `Boolean`.
    #[serde(rename = "type", default = "defaults::data_type")]
    pub data_type: String,
    /// Whether the attribute can change once it is set. A mapped attribute that cannot change breaks sign-ins.
    #[serde(default = "defaults::yes")]
    pub mutable: bool,
    /// Whether every user must have the attribute.
    #[serde(default)]
    pub required: bool,
    /// The bounds of its length or value.
    #[serde(default, skip_serializing_if = "AttributeBounds::is_none")]
    pub bounds: AttributeBounds,
}

/// The bounds of a text's length or of a number, as the service writes them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttributeBounds {
    /// `MinLength` or `MinValue`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<String>,
    /// `MaxLength` or `MaxValue`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
}

impl AttributeBounds {
    fn is_none(&self) -> bool {
        self.min.is_none() && self.max.is_none()
    }

    fn min(&self) -> Option<i64> {
        self.min.as_deref()?.parse().ok()
    }

    fn max(&self) -> Option<i64> {
        self.max.as_deref()?.parse().ok()
    }

    /// The bounds of the standard attributes.
    fn standard(name: &str) -> Self {
        let (min, max) = match name {
            "sub" => (Some("1"), Some("2048")),
            "birthdate" => (Some("10"), Some("10")),
            "updated_at" => (Some("0"), None),
            "identities" | "email_verified" | "phone_number_verified" => (None, None),
            _ => (Some("0"), Some("2048")),
        };
        Self { min: min.map(str::to_owned), max: max.map(str::to_owned) }
    }
}

impl SchemaAttribute {
    /// Checks that the bounds can be read, and that the lower one is not above the upper one.
    fn check_bounds(&self) -> Result<(), ApiError> {
        let AttributeBounds { min, max } = &self.bounds;
        let (what, least, most) = match self.data_type.as_str() {
            "String" => ("length", "MinLength", "MaxLength"),
            "Number" => ("value", "MinValue", "MaxValue"),
            _ => return Ok(()),
        };
        for (member, bound) in [(least, min), (most, max)] {
            let Some(text) = bound.as_deref() else { continue };
            match text.parse::<i64>() {
                Ok(length) if what == "length" && length > limits::ATTRIBUTE_VALUE_CHARS_MAX => {
                    return Err(ApiError::schema_length(&self.name));
                }
                Ok(number) if what == "value" || number >= 0 => {}
                _ => return Err(ApiError::schema_bound(member, &self.name)),
            }
        }
        match (self.bounds.min(), self.bounds.max()) {
            (Some(min), Some(max)) if min > max => Err(ApiError::schema_bounds_crossed(&self.name, what)),
            _ => Ok(()),
        }
    }

    /// Checks a value that a user is to get.
    pub(crate) fn check_value(&self, value: &str) -> Result<(), ApiError> {
        let measured = match self.data_type.as_str() {
            "String" => i64::try_from(value.chars().count()).unwrap_or(i64::MAX),
            "Number" => value.parse().map_err(|_| ApiError::value_outside(&self.name, "is not a number"))?,
            _ => return Ok(()),
        };
        let what = if self.data_type == "String" { "a length" } else { "a value" };
        match (self.bounds.min(), self.bounds.max()) {
            (Some(min), _) if measured < min => {
                Err(ApiError::value_outside(&self.name, &format!("must have {what} of at least {min}")))
            }
            (_, Some(max)) if measured > max => {
                Err(ApiError::value_outside(&self.name, &format!("must have {what} of at most {max}")))
            }
            _ => Ok(()),
        }
    }

    fn standard(name: &str) -> Self {
        let data_type = match name {
            "email_verified" | "phone_number_verified" => "Boolean",
            "updated_at" => "Number",
            _ => "String",
        };
        let is_sub = name == "sub";
        Self {
            name: name.to_owned(),
            data_type: data_type.to_owned(),
            mutable: !is_sub,
            required: is_sub,
            bounds: AttributeBounds::standard(name),
        }
    }
}

/// The types of attributes (service model).
const DATA_TYPES: [&str; 4] = ["Boolean", "DateTime", "Number", "String"];

/// Checks the attributes of a pool that is created.
pub(crate) fn check_schema(schema: &[SchemaAttribute]) -> Result<(), ApiError> {
    for (position, attribute) in schema.iter().enumerate() {
        let member = |name: &str| format!("schema.{}.member.{name}", position + 1);
        let is_standard = STANDARD_ATTRIBUTES.contains(&attribute.name.as_str());
        let name = attribute.name.strip_prefix("custom:").unwrap_or(&attribute.name);
        if name.is_empty() {
            return Err(ApiError::too_short(name, &member("name"), 1));
        }
        if name.chars().count() > limits::ATTRIBUTE_NAME_CHARS_MAX {
            return Err(ApiError::too_long(name, &member("name"), limits::ATTRIBUTE_NAME_CHARS_MAX));
        }
        if name.chars().any(|character| character.is_whitespace() || character.is_control()) {
            return Err(ApiError::not_of_form(name, &member("name"), r"[\p{L}\p{M}\p{S}\p{N}\p{P}]+"));
        }
        if !DATA_TYPES.contains(&attribute.data_type.as_str()) {
            return Err(ApiError::not_in_set(&attribute.data_type, &member("attributeDataType"), &DATA_TYPES));
        }
        if is_standard && attribute.data_type != SchemaAttribute::standard(name).data_type {
            return Err(ApiError::standard_attribute_type(name));
        }
        if !is_standard && attribute.required {
            return Err(ApiError::custom_attribute_required());
        }
        if schema[..position].iter().any(|earlier| earlier.name == attribute.name) {
            return Err(ApiError::schema_name_twice(&attribute.name));
        }
        attribute.check_bounds()?;
    }
    Ok(())
}

/// The standard attributes of every pool, in the order in which the service lists them.
pub(crate) const STANDARD_ATTRIBUTES: [&str; 21] = [
    "sub",
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "email",
    "email_verified",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "phone_number",
    "phone_number_verified",
    "address",
    "updated_at",
    "identities",
];

/// All attributes of a pool: the standard ones, of which its own may redefine some, and then its custom ones.
pub(crate) fn all_attributes(own: &[SchemaAttribute]) -> Vec<SchemaAttribute> {
    let standard = STANDARD_ATTRIBUTES.iter().map(|name| {
        let redefined = own.iter().find(|attribute| attribute.name == *name);
        redefined.cloned().unwrap_or_else(|| SchemaAttribute::standard(name))
    });
    let custom = own.iter().filter(|attribute| !STANDARD_ATTRIBUTES.contains(&attribute.name.as_str()));
    standard.chain(custom.cloned()).collect()
}

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

    /// The type of a provider of which only the name is known: social ones have fixed names, others count as OIDC.
    #[must_use]
    pub fn by_name(name: &str) -> Self {
        Self::parse(name).filter(|kind| kind.is_social()).unwrap_or(Self::Oidc)
    }

    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Self::ALL.iter().map(|(kind, _)| *kind)
    }

    /// The `ProviderDetails` that a new provider of this type must have (service model, its examples).
    pub(crate) fn needed_details(self) -> &'static [&'static str] {
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
    pub(crate) fn subject_claim(self) -> &'static str {
        match self {
            Self::Facebook => "id",
            Self::LoginWithAmazon => "user_id",
            _ => "sub",
        }
    }

    /// Whether its users are recognized by their subject only (service model; inferred for Apple).
    #[must_use]
    pub fn is_social(self) -> bool {
        !matches!(self, Self::Saml | Self::Oidc)
    }
}

/// A provider and who holds its identities.
pub struct Provider {
    /// Its name in the pool.
    pub name: Box<str>,
    /// `ProviderType`.
    pub kind: ProviderKind,
    /// `AttributeMapping`: pool attribute to claim.
    pub attribute_mapping: BTreeMap<String, String>,
    /// `IdpIdentifiers`.
    pub identifiers: Vec<String>,
    /// `ProviderDetails`, secrets included. If it is empty, answers show invented ones.
    pub details: BTreeMap<String, String>,
    /// `CreationDate`.
    pub created_ms: UnixMs,
    /// `LastModifiedDate`.
    pub modified_ms: UnixMs,
    /// Accepts links by any attribute: the provider was created because a request named it.
    pub(crate) created_on_reference: bool,
    /// Who holds an id, by exact case.
    pub(crate) holders: HashMap<Arc<str>, UserIndex, BuildHasherDefault<DefaultHasher>>,
    /// How many ids with capitals have this lower-case form.
    pub(crate) ids_with_capitals: BTreeMap<Box<str>, u32>,
    /// The subject of each used link by an attribute, by the attribute and value of the link.
    pub(crate) used_links: BTreeMap<LinkForm, Arc<str>>,
    /// The attributes by which identities were linked, the subject aside.
    pub(crate) linked_attributes: BTreeSet<Box<str>>,
}

impl Provider {
    /// A provider that maps nothing.
    #[must_use]
    pub fn new(name: &str, kind: ProviderKind, now: UnixMs) -> Self {
        Self {
            name: name.into(),
            kind,
            attribute_mapping: BTreeMap::new(),
            identifiers: Vec::new(),
            details: BTreeMap::new(),
            created_ms: now,
            modified_ms: now,
            created_on_reference: false,
            holders: HashMap::default(),
            ids_with_capitals: BTreeMap::new(),
            used_links: BTreeMap::new(),
            linked_attributes: BTreeSet::new(),
        }
    }

    /// Maps a pool attribute from a claim.
    #[must_use]
    pub fn mapping(mut self, attribute: &str, claim: &str) -> Self {
        self.attribute_mapping.insert(attribute.to_owned(), claim.to_owned());
        self
    }

    /// Accepts links by any attribute, as providers do that were created because a request named them.
    #[must_use]
    pub fn mapping_any_attribute(mut self) -> Self {
        self.created_on_reference = true;
        self
    }

    pub(crate) fn maps(&self, attribute: &str) -> bool {
        self.created_on_reference || self.attribute_mapping.contains_key(attribute)
    }

    /// Whether the attribute is the subject or is mapped, not only accepted because the provider accepts any.
    pub(crate) fn maps_explicitly(&self, attribute: &str) -> bool {
        attribute == COGNITO_SUBJECT || self.attribute_mapping.contains_key(attribute)
    }

    /// The claim from which an attribute is mapped.
    pub(crate) fn claim_of<'a>(&'a self, attribute: &'a str) -> Option<&'a str> {
        let mapped = self.attribute_mapping.get(attribute).map(String::as_str);
        mapped.or_else(|| self.created_on_reference.then_some(attribute))
    }

    pub(crate) fn add_holder(&mut self, user_id: Arc<str>, user_index: UserIndex) {
        let lower = user_id.to_lowercase();
        if *lower != *user_id {
            *self.ids_with_capitals.entry(lower.into()).or_insert(0) += 1;
        }
        self.holders.insert(user_id, user_index);
    }

    /// Removes the holder of this id.
    pub(crate) fn remove_holder(&mut self, user_id: &str) {
        if self.holders.remove(user_id).is_none() {
            return;
        }
        let lower = user_id.to_lowercase();
        if lower == user_id {
            return;
        }
        if let Some(count) = self.ids_with_capitals.get_mut(&*lower) {
            *count -= 1;
            if *count == 0 {
                self.ids_with_capitals.remove(&*lower);
            }
        }
    }

    /// Its details, or invented ones as a provider of its type has them.
    pub(crate) fn shown_details(&self) -> BTreeMap<String, String> {
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

    /// Whether a user has an id that differs from this one in case only.
    pub(crate) fn holds_in_other_case(&self, user_id: &str) -> bool {
        let lower = user_id.to_lowercase();
        let others_with_capitals = self.ids_with_capitals.get(&*lower).copied().unwrap_or(0);
        others_with_capitals > 0 || (lower != user_id && self.holders.contains_key(&*lower))
    }
}

/// The date of users and links whose file has none: long before any run.
pub const UNKNOWN_DATE_UNIX_MS: UnixMs = 1_600_000_000_000;

/// `UserStatus` (service model).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Signed up, not confirmed.
    Unconfirmed,
    /// Confirmed.
    Confirmed,
    /// Created by an external identity.
    ExternalProvider,
    /// Must reset the password.
    ResetRequired,
    /// Must change the password at the first sign-in.
    ForceChangePassword,
    /// No longer used by the service.
    Archived,
    /// No longer used by the service.
    Compromised,
    /// No longer used by the service.
    Unknown,
}

impl Status {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Unconfirmed, "UNCONFIRMED"),
        (Self::Confirmed, "CONFIRMED"),
        (Self::ExternalProvider, "EXTERNAL_PROVIDER"),
        (Self::ResetRequired, "RESET_REQUIRED"),
        (Self::ForceChangePassword, "FORCE_CHANGE_PASSWORD"),
        (Self::Archived, "ARCHIVED"),
        (Self::Compromised, "COMPROMISED"),
        (Self::Unknown, "UNKNOWN"),
    ];

    /// The status as the service writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(status, _)| *status == self).map_or("UNKNOWN", |(_, text)| text)
    }

    /// Reads a status as the service writes it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == text).map(|(status, _)| *status)
    }
}

/// The index of a provider in its pool.
pub(crate) type ProviderIndex = u16;
/// The index of a user in its pool; never used again for another user.
pub(crate) type UserIndex = u32;

/// An external identity on a user.
#[derive(Clone)]
pub(crate) struct StoredIdentity {
    pub(crate) provider: ProviderIndex,
    pub(crate) user_id: Arc<str>,
    /// The attribute of a link that is not by `Cognito_Subject`; the service does not show it.
    pub(crate) attribute: Option<Box<str>>,
    pub(crate) issuer: Option<Box<str>>,
    pub(crate) primary: bool,
    /// Whether a link by an attribute has been used.
    pub(crate) used: bool,
    /// The attribute and value of a used link by an attribute, which shows its subject now.
    pub(crate) used_form: Option<Box<LinkForm>>,
    pub(crate) origin: IdentityOrigin,
    pub(crate) created_ms: UnixMs,
}

/// The attribute and the value by which an identity was linked.
pub(crate) type LinkForm = (Box<str>, Box<str>);

impl StoredIdentity {
    /// The attribute by which it was linked.
    pub(crate) fn link_attribute(&self) -> &str {
        let used = self.used_form.as_ref().map(|form| &*form.0);
        used.or(self.attribute.as_deref()).unwrap_or(COGNITO_SUBJECT)
    }

    /// The value by which it was linked.
    pub(crate) fn link_value(&self) -> &str {
        self.used_form.as_ref().map_or(&self.user_id, |form| &form.1)
    }
}

/// How an identity came to its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum IdentityOrigin {
    /// It was there before the first call, or was put there behind the back of the service.
    #[default]
    AtStart,
    /// A sign-in created its user.
    SignIn,
    /// The link call of this number.
    Call(u32),
}

#[derive(Default, Clone)]
pub(crate) struct RareFields {
    /// The user name as it was given, where the pool keeps it in lower case.
    pub(crate) given_username: Option<Box<str>>,
    pub(crate) attributes: Box<[(Box<str>, Box<str>)]>,
    /// A link to this user fails with `AliasExistsException`.
    pub(crate) alias_conflict: bool,
    /// A link to this user fails with `InvalidParameterException` and this text.
    pub(crate) link_refusal: Option<Box<str>>,
    /// The user may not sign in with a password any more; the service does not show it.
    pub(crate) password_disabled: bool,
}

/// A user as the pool keeps it. `username` is lower-cased in a case-insensitive pool.
pub(crate) struct User {
    pub(crate) username: Box<str>,
    /// Its `sub`, where that does not follow from the user name.
    pub(crate) given_sub: Option<Box<str>>,
    pub(crate) email: Option<Arc<str>>,
    pub(crate) created_ms: UnixMs,
    pub(crate) modified_ms: UnixMs,
    pub(crate) identities: Vec<StoredIdentity>,
    pub(crate) extra: Option<Box<RareFields>>,
    pub(crate) status: Status,
    pub(crate) enabled: bool,
}

impl User {
    pub(crate) fn sub(&self) -> Cow<'_, str> {
        self.given_sub.as_deref().map_or_else(|| derived_uuid(&self.username).into(), Cow::Borrowed)
    }

    pub(crate) fn is_federated(&self) -> bool {
        self.identities.iter().any(|identity| identity.primary)
    }

    /// An attribute other than `sub`, `email` and `identities`.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        let attributes = &self.extra.as_ref()?.attributes;
        attributes.iter().find(|(held, _)| **held == *name).map(|(_, value)| &**value)
    }

    /// The user as an answer shows it, with this user name and this text of its identities.
    pub(crate) fn view(&self, username: &str, identities: Option<String>) -> UserView {
        let mut attributes = Vec::with_capacity(4);
        attributes.push(("sub".to_owned(), self.sub().into_owned()));
        attributes.extend(identities.map(|identities| ("identities".to_owned(), identities)));
        attributes.extend(self.email.iter().map(|email| ("email".to_owned(), email.to_string())));
        let extra = self.extra.iter().flat_map(|extra| extra.attributes.iter());
        attributes.extend(extra.map(|(name, value)| (name.to_string(), value.to_string())));
        UserView {
            username: username.to_owned(),
            attributes,
            created_ms: self.created_ms,
            modified_ms: self.modified_ms,
            status: self.status.as_str(),
            enabled: self.enabled,
        }
    }
}

/// A user to add to a pool.
#[derive(Clone, PartialEq, Eq)]
pub struct NewUser {
    /// The user name; lower-cased by a case-insensitive pool.
    pub username: String,
    /// The `sub` attribute; derived from the user name by default.
    pub sub: Option<String>,
    /// The `email` attribute.
    pub email: Option<String>,
    /// `UserStatus`.
    pub status: Status,
    /// Whether the user may sign in.
    pub enabled: bool,
    /// `UserCreateDate`.
    pub created_ms: UnixMs,
    /// `UserLastModifiedDate`.
    pub modified_ms: UnixMs,
    /// The external identities of this user.
    pub identities: Vec<NewIdentity>,
    /// Attributes other than `sub`, `email` and `identities`.
    pub attributes: Vec<(String, String)>,
    /// Whether a link to this user fails with `AliasExistsException`.
    pub alias_conflict: bool,
    /// The text of the `InvalidParameterException` with which a link to this user fails, for texts that are not in the
    /// catalogue of the simulator.
    pub link_refusal: Option<String>,
    /// Whether the user may not sign in with a password any more.
    pub password_disabled: bool,
}

impl NewUser {
    /// A confirmed native user with nothing but a name.
    #[must_use]
    pub fn named(username: &str) -> Self {
        Self {
            username: username.to_owned(),
            sub: None,
            email: None,
            status: Status::Confirmed,
            enabled: true,
            created_ms: UNKNOWN_DATE_UNIX_MS,
            modified_ms: UNKNOWN_DATE_UNIX_MS,
            identities: Vec::new(),
            attributes: Vec::new(),
            alias_conflict: false,
            link_refusal: None,
            password_disabled: false,
        }
    }

    /// Sets the e-mail address.
    #[must_use]
    pub fn with_email(mut self, email: &str) -> Self {
        self.email = Some(email.to_owned());
        self
    }

    /// Sets the e-mail address, as one that is verified.
    #[must_use]
    pub fn with_verified_email(self, email: &str) -> Self {
        let mut user = self.with_email(email);
        user.attributes.retain(|(name, _)| name != "email_verified");
        user.attributes.push(("email_verified".to_owned(), "true".to_owned()));
        user
    }

    /// Adds an external identity.
    #[must_use]
    pub fn with_identity(mut self, identity: NewIdentity) -> Self {
        self.identities.push(identity);
        self
    }
}

/// An external identity of a user to add.
#[derive(Clone, PartialEq, Eq)]
pub struct NewIdentity {
    /// The name of the provider in the pool.
    pub provider: String,
    /// The provider's id of the user, true case.
    pub user_id: String,
    /// The attribute of a link that is not by `Cognito_Subject`.
    pub attribute: Option<String>,
    /// The assertion's issuer, once a SAML identity has signed in.
    pub issuer: Option<String>,
    /// Whether this identity created the profile.
    pub primary: bool,
    /// Whether a link by an attribute has been used, and stays as it was made.
    pub used: bool,
    /// The attribute and value of a link by an attribute that has been used, and shows its subject now.
    pub used_form: Option<(String, String)>,
    /// Whether the user only shows it, as a profile does whose identity a link has merged into another user.
    pub shown_only: bool,
    /// When it was linked.
    pub created_ms: UnixMs,
}

impl NewIdentity {
    /// An identity that was linked by `Cognito_Subject` long ago and has not been used.
    #[must_use]
    pub fn linked(provider: &str, user_id: &str) -> Self {
        Self {
            provider: provider.to_owned(),
            user_id: user_id.to_owned(),
            attribute: None,
            issuer: None,
            primary: false,
            used: false,
            used_form: None,
            shown_only: false,
            created_ms: UNKNOWN_DATE_UNIX_MS,
        }
    }

    /// The identity that created a profile long ago.
    #[must_use]
    pub fn primary(provider: &str, user_id: &str) -> Self {
        Self { primary: true, ..Self::linked(provider, user_id) }
    }
}

/// A user as an answer shows it. Holds personal values, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct UserView {
    /// `Username`.
    pub username: String,
    /// Names and values in the order of the answer; `identities` is absent where there are none.
    pub attributes: Vec<(String, String)>,
    /// `UserCreateDate`.
    pub created_ms: UnixMs,
    /// `UserLastModifiedDate`.
    pub modified_ms: UnixMs,
    /// `UserStatus`.
    pub status: &'static str,
    /// `Enabled`.
    pub enabled: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IdentityJson<'a> {
    user_id: &'a str,
    provider_name: &'a str,
    provider_type: &'a str,
    issuer: Option<&'a str>,
    primary: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    date_created: Option<i64>,
}

/// The `identities` attribute exactly as the service writes it: a JSON array in a string. Absent without identities.
pub(crate) fn identities_text<'a>(
    identities: impl Iterator<Item = &'a StoredIdentity>,
    providers: &[Provider],
    date: impl Fn(UnixMs) -> Option<i64>,
) -> Option<String> {
    let texts: Vec<_> = identities
        .filter_map(|held| {
            let provider = providers.get(usize::from(held.provider))?;
            Some(IdentityJson {
                user_id: &held.user_id,
                provider_name: &provider.name,
                provider_type: provider.kind.as_str(),
                issuer: held.issuer.as_deref(),
                primary: held.primary,
                date_created: date(held.created_ms),
            })
        })
        .collect();
    if texts.is_empty() { None } else { serde_json::to_string(&texts).ok() }
}

/// A UUID of version 4's form that follows from a text.
pub(crate) fn derived_uuid(text: &str) -> String {
    uuid(xxh3_128(text.as_bytes()))
}

/// A UUID of version 4's form from 128 bits.
pub(crate) fn uuid(bits: u128) -> String {
    let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod schema_tests {
    use super::*;

    #[test]
    fn own_attributes_redefine_standard_ones_and_follow_them() {
        let own = |name: &str, mutable| SchemaAttribute { mutable, ..SchemaAttribute::standard(name) };
        let all = all_attributes(&[own("custom:team", true), own("email", false)]);
        assert_eq!((all.len(), all[21].name.as_str()), (22, "custom:team"));
        let immutable: Vec<_> = all.iter().filter(|attribute| !attribute.mutable).map(|a| a.name.as_str()).collect();
        assert_eq!(immutable, ["sub", "email"]);
    }
}

#[cfg(test)]
mod provider_tests {
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
        provider.add_holder("AbC".into(), 0);
        provider.add_holder("xyz".into(), 1);
        assert!(provider.holds_in_other_case("abc") && provider.holds_in_other_case("XyZ"));
        assert!(!provider.holds_in_other_case("xyz") && !provider.holds_in_other_case("other"));
        provider.remove_holder("AbC");
        provider.remove_holder("AbC");
        assert!(!provider.holds_in_other_case("abc"));
    }
}

#[cfg(test)]
mod user_tests {
    use super::*;

    #[test]
    fn statuses_are_read_as_written() {
        for (status, text) in Status::ALL {
            assert_eq!((Status::parse(text), status.as_str()), (Some(status), text));
        }
        assert_eq!(Status::parse("confirmed"), None);
    }

    #[test]
    fn derived_uuids_have_version_four_and_spread() {
        let uuid = derived_uuid("alice");
        assert_eq!((uuid.len(), &uuid[14..15], &uuid[8..9]), (36, "4", "-"));
        assert!(matches!(&uuid[19..20], "8" | "9" | "a" | "b"));
        assert_eq!(uuid, derived_uuid("alice"));
        let firsts: std::collections::HashSet<u8> =
            (0..500).map(|n| derived_uuid(&format!("user{n}")).as_bytes()[0]).collect();
        assert_eq!(firsts.len(), 16);
    }
}
