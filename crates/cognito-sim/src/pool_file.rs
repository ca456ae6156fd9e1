//! A pool as a JSON file, one user per line, which is read without holding the text in memory.
//!
//! The members of the file are `version`, `pool`, `providers` and `users`, in this order. A message about a file names
//! line and column, never a value.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::error::Category;

use crate::clock::UnixMs;
use crate::limits;
use crate::model::{
    NewIdentity, NewUser, PoolSettings, Provider, ProviderKind, Status, StoredIdentity, User, UserIndex, defaults,
    is_pool_id,
};
use crate::pool::Pool;

/// The version that is written, and the only one that is read.
pub const POOL_FILE_VERSION: u64 = 1;

/// Why a pool file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PoolFileError {
    /// The file cannot be opened or read.
    #[error("cannot read the pool file: {0}")]
    Read(io::Error),
    /// The file cannot be written.
    #[error("cannot write the pool file: {0}")]
    Write(io::Error),
    /// The file is larger than a pool can sensibly be.
    #[error("the pool file is over {} bytes", limits::POOL_FILE_BYTES_MAX)]
    TooLarge,
    /// Its content is invalid.
    #[error("pool file, line {line}, column {column}: {reason}")]
    Content {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong there, without a value.
        reason: String,
    },
}

/// Reads a pool from a file.
///
/// # Errors
/// [`PoolFileError`].
pub fn load(path: &Path) -> Result<Pool, PoolFileError> {
    let file = File::open(path).map_err(PoolFileError::Read)?;
    let length = file.metadata().map_err(PoolFileError::Read)?.len();
    if length > limits::POOL_FILE_BYTES_MAX {
        return Err(PoolFileError::TooLarge);
    }
    read(BufReader::with_capacity(limits::READ_BUFFER_BYTES, file.take(limits::POOL_FILE_BYTES_MAX)))
}

/// Reads a pool.
///
/// # Errors
/// [`PoolFileError::Content`].
pub fn read(reader: impl Read) -> Result<Pool, PoolFileError> {
    let mut problem = None;
    let mut json = serde_json::Deserializer::from_reader(reader);
    let pool = json.deserialize_map(PoolFileVisitor { problem: &mut problem });
    pool.and_then(|pool| json.end().map(|()| pool)).map_err(|error| PoolFileError::Content {
        line: error.line(),
        column: error.column(),
        reason: problem.unwrap_or_else(|| reason(&error)),
    })
}

/// Writes a pool to a file, which is complete or as it was before, and readable by its owner only.
///
/// # Errors
/// [`PoolFileError::Write`].
pub fn save(path: &Path, pool: &Pool) -> Result<(), PoolFileError> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(PoolFileError::Write)?;
    write(BufWriter::new(file.as_file_mut()), pool).map_err(PoolFileError::Write)?;
    file.as_file().sync_all().map_err(PoolFileError::Write)?;
    file.persist(path).map_err(|error| PoolFileError::Write(error.error))?;
    Ok(())
}

/// Writes a pool; users are sorted by user name, so equal pools give equal texts.
///
/// # Errors
/// What the writer says.
pub fn write(mut writer: impl Write, pool: &Pool) -> io::Result<()> {
    writer.write_all(opening(pool.settings(), pool.providers())?.as_bytes())?;
    let users = pool.by_username.iter();
    let mut users: Vec<_> = users.filter_map(|user_index| Some((user_index, pool.user(user_index)?))).collect();
    users.sort_unstable_by_key(|(_, user)| &user.username);
    let mut separator: &[u8] = b"\n";
    for (user_index, user) in users {
        writer.write_all(separator)?;
        serde_json::to_writer(&mut writer, &UserRecord::of(user_index, user, pool))?;
        separator = b",\n";
    }
    writer.write_all(CLOSING.as_bytes())?;
    writer.flush()
}

/// The text of a file before its first user, for a pool that does not fit in memory. Users follow, each on a line of its
/// own ([`user_line`]) with commas between them, and then [`CLOSING`].
///
/// # Errors
/// Only when memory runs out.
pub fn opening(settings: &PoolSettings, providers: &[Provider]) -> io::Result<String> {
    let settings = serde_json::to_string(settings)?;
    let provider = |provider| serde_json::to_string(&ProviderRecord::from(provider));
    let providers = providers.iter().map(provider).collect::<Result<Vec<_>, _>>()?.join(",\n");
    Ok(format!(
        "{{\"version\":{POOL_FILE_VERSION},\n\"pool\":{settings},\n\"providers\":[\n{providers}\n],\n\"users\":["
    ))
}

/// The line of one user.
///
/// # Errors
/// Only when memory runs out.
pub fn user_line(user: &NewUser) -> io::Result<String> {
    Ok(serde_json::to_string(&UserRecord::from(user))?)
}

/// The text after the last user.
pub const CLOSING: &str = "\n]}\n";

/// What a JSON error says, less any value: serde quotes what it found, and that may be personal.
fn reason(error: &serde_json::Error) -> String {
    match error.classify() {
        Category::Io => return "the file cannot be read to its end".to_owned(),
        Category::Syntax => return "not valid JSON".to_owned(),
        Category::Eof => return "the file ends in the middle".to_owned(),
        Category::Data => {}
    }
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    if text.starts_with("missing field `") || text.starts_with("duplicate field `") {
        return text.replace("field", "member");
    }
    match text.rsplit_once(", expected ") {
        _ if text.starts_with("unknown field") => {
            // A name of a member is no value; it is quoted by serde_json as it is.
            let name = text.split('`').nth(1).unwrap_or_default();
            format!("the member {:?} is unknown", name.chars().take(64).collect::<String>())
        }
        Some((_, expected)) => format!("expected {expected}"),
        None => "a value of the wrong type".to_owned(),
    }
}

/// The outer object of the file. What is wrong with its content goes into `problem`, because the text of a JSON error
/// may hold a value.
struct PoolFileVisitor<'a> {
    problem: &'a mut Option<String>,
}

impl<'de> Visitor<'de> for PoolFileVisitor<'_> {
    type Value = Pool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with version, pool, providers and users")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pool, A::Error> {
        let Self { problem } = self;
        let mut pool: Option<Pool> = None;
        let mut version = None;
        while let Some(member) = map.next_key::<String>()? {
            match (member.as_str(), &mut pool) {
                ("version", _) => {
                    version = Some(map.next_value::<u64>()?).filter(|version| *version == POOL_FILE_VERSION);
                    if version.is_none() {
                        return fail(problem, &format!("version must be {POOL_FILE_VERSION}"));
                    }
                }
                ("pool", None) => {
                    let settings = map.next_value::<PoolSettings>()?;
                    if !is_pool_id(&settings.id) {
                        return fail(problem, "id is not a user pool id: expected REGION_ID as in us-east-1_AbCdEfGhI");
                    }
                    pool = Some(Pool::new(settings));
                }
                ("pool", Some(_)) => return fail(problem, "a second pool; a file holds one"),
                ("providers", Some(pool)) => {
                    map.next_value_seed(RecordSeq { problem, add: &mut |line| add_provider(pool, line) })?;
                }
                ("users", Some(pool)) => {
                    map.next_value_seed(RecordSeq { problem, add: &mut |line| add_user(pool, line) })?;
                }
                ("providers" | "users", None) => return fail(problem, "pool must stand before providers and users"),
                _ => return fail(problem, "a member of an unknown name; expected version, pool, providers and users"),
            }
        }
        match (version, pool) {
            (None, _) => fail(problem, "version is missing"),
            (_, None) => fail(problem, "pool is missing"),
            (Some(_), Some(pool)) => Ok(pool),
        }
    }
}

fn add_provider(pool: &mut Pool, line: ProviderRecord) -> Result<(), String> {
    pool.add_provider(line.into_provider()?).map_err(|error| error.to_string())
}

fn add_user(pool: &mut Pool, line: UserRecord<'static>) -> Result<(), String> {
    pool.add_user(line.into_user()?).map_err(|error| error.to_string())
}

fn fail<T, E: Error>(problem: &mut Option<String>, reason: &str) -> Result<T, E> {
    *problem = Some(reason.to_owned());
    Err(E::custom("refused"))
}

/// An array whose items go into the pool one by one.
struct RecordSeq<'a, T> {
    problem: &'a mut Option<String>,
    add: &'a mut dyn FnMut(T) -> Result<(), String>,
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for RecordSeq<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for RecordSeq<'_, T> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { problem, add } = self;
        while items.next_element_seed(RecordMap { problem, add })?.is_some() {}
        Ok(())
    }
}

/// One item. It is added to the pool while the parser still stands at it, so that an error names its line.
struct RecordMap<'a, T> {
    problem: &'a mut Option<String>,
    add: &'a mut dyn FnMut(T) -> Result<(), String>,
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for RecordMap<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for RecordMap<'_, T> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let item = T::deserialize(MapAccessDeserializer::new(map))?;
        (self.add)(item).or_else(|reason| fail(self.problem, &reason))
    }
}

/// One of `providers`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderRecord {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    attribute_mapping: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    identifiers: Vec<String>,
    /// If it is empty, answers show invented ones.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    details: BTreeMap<String, String>,
    /// Links by any attribute are accepted: the provider was created because a request named it.
    #[serde(default, skip_serializing_if = "defaults::is_no")]
    any_attribute: bool,
    #[serde(default = "defaults::date", skip_serializing_if = "defaults::is_date")]
    created: UnixMs,
    #[serde(default = "defaults::date", skip_serializing_if = "defaults::is_date")]
    modified: UnixMs,
}

/// One of `users`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserRecord<'a> {
    username: Cow<'a, str>,
    #[serde(default)]
    sub: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<Cow<'a, str>>,
    #[serde(default = "confirmed")]
    status: Cow<'a, str>,
    #[serde(default = "defaults::yes")]
    enabled: bool,
    #[serde(default = "defaults::date", skip_serializing_if = "defaults::is_date")]
    created: UnixMs,
    #[serde(default = "defaults::date", skip_serializing_if = "defaults::is_date")]
    modified: UnixMs,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    identities: Vec<IdentityRecord<'a>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    /// A link to this user fails with `AliasExistsException`.
    #[serde(default, skip_serializing_if = "defaults::is_no")]
    alias_conflict: bool,
    /// A link to this user fails with `InvalidParameterException` and this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    link_refusal: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "defaults::is_no")]
    password_disabled: bool,
}

/// One of a user's `identities`, named as the service names its members.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct IdentityRecord<'a> {
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
    /// Whether a link by an attribute has been used, and stays as it was made.
    #[serde(default, skip_serializing_if = "defaults::is_no")]
    used: bool,
    /// The attribute and value of a link by an attribute that has been used, and shows its subject now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    used_form: Option<(Cow<'a, str>, Cow<'a, str>)>,
    /// The user shows it, and a link has merged it into another user.
    #[serde(default, skip_serializing_if = "defaults::is_no")]
    shown_only: bool,
    #[serde(default = "defaults::date")]
    date_created: UnixMs,
}

impl ProviderRecord {
    pub(crate) fn into_provider(self) -> Result<Provider, &'static str> {
        let kind = ProviderKind::parse(&self.kind)
            .ok_or("type must be SAML, OIDC, Google, Facebook, LoginWithAmazon or SignInWithApple")?;
        let mut provider = Provider::new(&self.name, kind, self.created);
        provider.attribute_mapping = self.attribute_mapping;
        provider.details = self.details;
        provider.identifiers = self.identifiers;
        provider.created_on_reference = self.any_attribute;
        provider.modified_ms = self.modified;
        Ok(provider)
    }
}

impl From<&Provider> for ProviderRecord {
    fn from(provider: &Provider) -> Self {
        Self {
            name: provider.name.to_string(),
            kind: provider.kind.as_str().to_owned(),
            attribute_mapping: provider.attribute_mapping.clone(),
            details: provider.details.clone(),
            identifiers: provider.identifiers.clone(),
            any_attribute: provider.created_on_reference,
            created: provider.created_ms,
            modified: provider.modified_ms,
        }
    }
}

impl UserRecord<'_> {
    pub(crate) fn into_user(self) -> Result<NewUser, &'static str> {
        let status = Status::parse(&self.status).ok_or("status is none of those that the service has")?;
        let owned = |(name, value): (Cow<'_, str>, Cow<'_, str>)| (name.into_owned(), value.into_owned());
        // Who writes a file by hand may put these two beside the other attributes.
        let mut attributes = self.attributes;
        let (sub, email) = (attributes.remove("sub"), attributes.remove("email"));
        if differ(self.sub.as_ref(), sub.as_ref()) {
            return Err("sub stands twice, with two values");
        }
        if differ(self.email.as_ref(), email.as_ref()) {
            return Err("email stands twice, with two values");
        }
        Ok(NewUser {
            username: self.username.into_owned(),
            sub: self.sub.or(sub).map(Cow::into_owned),
            email: self.email.or(email).map(Cow::into_owned),
            status,
            enabled: self.enabled,
            created_ms: self.created,
            modified_ms: self.modified,
            identities: self.identities.into_iter().map(NewIdentity::from).collect(),
            attributes: attributes.into_iter().map(owned).collect(),
            alias_conflict: self.alias_conflict,
            link_refusal: self.link_refusal.map(Cow::into_owned),
            password_disabled: self.password_disabled,
        })
    }
}

/// Returns whether both values are there and differ.
fn differ(member: Option<&Cow<'_, str>>, attribute: Option<&Cow<'_, str>>) -> bool {
    member.is_some() && attribute.is_some() && member != attribute
}

impl<'a> UserRecord<'a> {
    pub(crate) fn of(user_index: UserIndex, user: &'a User, pool: &'a Pool) -> Self {
        let extra = user.extra.as_deref();
        let attributes = extra.iter().flat_map(|extra| extra.attributes.iter());
        Self {
            username: Cow::Borrowed(pool.shown_username(user)),
            sub: Some(user.sub()),
            email: user.email.as_deref().map(Cow::Borrowed),
            status: Cow::Borrowed(user.status.as_str()),
            enabled: user.enabled,
            created: user.created_ms,
            modified: user.modified_ms,
            identities: user.identities.iter().filter_map(|held| IdentityRecord::of(user_index, held, pool)).collect(),
            attributes: attributes.map(|(name, value)| (Cow::Borrowed(&**name), Cow::Borrowed(&**value))).collect(),
            alias_conflict: extra.is_some_and(|extra| extra.alias_conflict),
            link_refusal: extra.and_then(|extra| extra.link_refusal.as_deref()).map(Cow::Borrowed),
            password_disabled: extra.is_some_and(|extra| extra.password_disabled),
        }
    }
}

impl<'a> From<&'a NewUser> for UserRecord<'a> {
    fn from(user: &'a NewUser) -> Self {
        let attributes = user.attributes.iter().map(|(name, value)| (Cow::from(name), Cow::from(value)));
        Self {
            username: Cow::from(&user.username),
            sub: user.sub.as_ref().map(Cow::from),
            email: user.email.as_ref().map(Cow::from),
            status: Cow::Borrowed(user.status.as_str()),
            enabled: user.enabled,
            created: user.created_ms,
            modified: user.modified_ms,
            identities: user.identities.iter().map(IdentityRecord::from).collect(),
            attributes: attributes.collect(),
            alias_conflict: user.alias_conflict,
            link_refusal: user.link_refusal.as_ref().map(Cow::from),
            password_disabled: user.password_disabled,
        }
    }
}

impl<'a> From<&'a NewIdentity> for IdentityRecord<'a> {
    fn from(identity: &'a NewIdentity) -> Self {
        Self {
            provider_name: Cow::from(&identity.provider),
            provider_type: None,
            user_id: Cow::from(&identity.user_id),
            attribute: identity.attribute.as_ref().map(Cow::from),
            issuer: identity.issuer.as_ref().map(Cow::from),
            primary: identity.primary,
            used: identity.used,
            used_form: identity.used_form.as_ref().map(|(name, value)| (Cow::from(name), Cow::from(value))),
            shown_only: identity.shown_only,
            date_created: identity.created_ms,
        }
    }
}

impl From<IdentityRecord<'_>> for NewIdentity {
    fn from(line: IdentityRecord<'_>) -> Self {
        Self {
            provider: line.provider_name.into_owned(),
            user_id: line.user_id.into_owned(),
            attribute: line.attribute.map(Cow::into_owned),
            issuer: line.issuer.map(Cow::into_owned),
            primary: line.primary,
            used: line.used,
            used_form: line.used_form.map(|(name, value)| (name.into_owned(), value.into_owned())),
            shown_only: line.shown_only,
            created_ms: line.date_created,
        }
    }
}

impl<'a> IdentityRecord<'a> {
    fn of(user_index: UserIndex, held: &'a StoredIdentity, pool: &'a Pool) -> Option<Self> {
        let provider = pool.providers().get(usize::from(held.provider))?;
        Some(Self {
            provider_name: Cow::Borrowed(&provider.name),
            provider_type: None,
            user_id: Cow::Borrowed(&held.user_id),
            attribute: held.attribute.as_deref().map(Cow::Borrowed),
            issuer: held.issuer.as_deref().map(Cow::Borrowed),
            primary: held.primary,
            used: held.used && held.used_form.is_none(),
            used_form: held.used_form.as_deref().map(|form| (Cow::Borrowed(&*form.0), Cow::Borrowed(&*form.1))),
            shown_only: pool.holder(held.provider, &held.user_id) != Some(user_index),
            date_created: held.created_ms,
        })
    }
}

fn confirmed<'a>() -> Cow<'a, str> {
    Cow::Borrowed(Status::Confirmed.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::example;

    const EXAMPLE: &str = r#"{"version":1,
    "pool":{"id":"sim-local-1_Example01","name":"example","case_sensitive":false},
    "providers":[
    {"name":"Google","type":"Google","attribute_mapping":{"email":"email"}}],
    "users":[
    {"username":"Zoe"},
    {"username":"alice","sub":"0b5e","email":"Alice@example.com","status":"FORCE_CHANGE_PASSWORD","enabled":false,
     "identities":[{"providerName":"Google","providerType":"Google","userId":"AbC","primary":false,"dateCreated":17}],
     "attributes":{"name":"Alice"}}]}"#;

    fn text(pool: &Pool) -> String {
        let mut text = Vec::new();
        write(&mut text, pool).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_file_is_read_and_what_is_not_said_is_derived() {
        let mut pool = read(EXAMPLE.as_bytes()).unwrap();
        let alice = pool.get_user("ALICE").unwrap();
        assert_eq!((alice.status, alice.enabled), ("FORCE_CHANGE_PASSWORD", false));
        let names: Vec<_> = alice.attributes.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["sub", "identities", "email", "name"]);
        assert!(alice.attributes[1].1.contains(r#""userId":"AbC","providerName":"Google""#));
        let zoe = pool.get_user("zoe").unwrap();
        assert_eq!((zoe.username.as_str(), zoe.status, zoe.attributes[0].1.len()), ("zoe", "CONFIRMED", 36));
    }

    #[test]
    fn what_is_written_is_read_back_sorted_and_stable() {
        for pool in [example(true), example(false), read(EXAMPLE.as_bytes()).unwrap()] {
            let written = text(&pool);
            assert_eq!(text(&read(written.as_bytes()).unwrap()), written);
            let names: Vec<_> = written.lines().filter_map(|line| line.strip_prefix("{\"username\":")).collect();
            assert!(names.is_sorted() && names.len() == pool.user_count());
        }
    }

    #[test]
    fn email_and_sub_may_stand_among_the_attributes() {
        let file = |user: &str| format!(r#"{{"version":1,"pool":{{"id":"sim-a_B"}},"providers":[],"users":[{user}]}}"#);
        let mut pool =
            read(file(r#"{"username":"ann","attributes":{"email":"ann@example.com","sub":"0b5e"}}"#).as_bytes())
                .unwrap();
        let ann = pool.get_user("ann").unwrap();
        assert_eq!(ann.attributes, [("sub", "0b5e"), ("email", "ann@example.com")].map(|(n, v)| (n.into(), v.into())));
        assert!(text(&pool).contains(r#""email":"ann@example.com""#));
        let twice = file(r#"{"username":"ann","email":"a@x","attributes":{"email":"b@x"}}"#);
        assert!(read(twice.as_bytes()).err().unwrap().to_string().contains("email stands twice, with two values"));
    }

    #[test]
    fn schema_details_and_locked_passwords_are_kept() {
        let text_before = r#"{"version":1,
    "pool":{"id":"sim-local-1_Example01","schema":[{"name":"email","mutable":false},{"name":"custom:team"}]},
    "providers":[{"name":"Okta","type":"OIDC","details":{"client_id":"mine"}}],
    "users":[{"username":"alice","password_disabled":true}]}"#;
        let mut pool = read(text_before.as_bytes()).unwrap();
        let email = pool.settings().schema.iter().find(|attribute| attribute.name == "email").unwrap();
        assert!(!email.mutable && !email.required && email.data_type == "String");
        assert_eq!(pool.describe_provider("Okta").unwrap().details["client_id"], "mine");
        let written = text(&pool);
        assert!(written.contains(r#""password_disabled":true"#) && written.contains(r#""client_id":"mine""#));
        assert_eq!(text(&read(written.as_bytes()).unwrap()), written);
    }

    #[test]
    fn a_saved_file_is_whole_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pool.json");
        save(&path, &example(true)).unwrap();
        assert_eq!(text(&load(&path).unwrap()), text(&example(true)));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(matches!(load(&directory.path().join("none.json")), Err(PoolFileError::Read(_))));
    }

    #[test]
    fn faults_name_line_and_column_and_never_a_value() {
        let file = |users: &str| {
            format!(
                "{{\"version\":1,\n\"pool\":{{\"id\":\"sim-a_B\"}},\n\"providers\":[],\n\"users\":[\n{{\"username\":\"x\"}},\n{users}\n]}}"
            )
        };
        for (content, line, reason) in [
            (file(r#"{"username":"secret","email":7}"#), 6, "expected a string"),
            (file(r#"{"username":"secret","nick\nname":1}"#), 6, r#"the member "nick\nname" is unknown"#),
            (file(r#"{"email":"secret"}"#), 6, "missing member `username`"),
            (file(r#"{"username":"x","username":"secret"}"#), 6, "duplicate member `username`"),
            (file(r#"{"username":"secret","status":"SECRET"}"#), 6, "status is none of those that the service has"),
            (file(r#"{"username":"x","email":"secret"}"#), 6, "another user has this username; remove one of the two"),
            (file(r#"{"username":"secret" "x"}"#), 6, "not valid JSON"),
            (file("\"secret\""), 6, "expected an object"),
            (EXAMPLE[..300].to_owned(), 7, "the file ends in the middle"),
            (EXAMPLE.replace("\"version\":1", "\"version\":2"), 1, "version must be 1"),
            (EXAMPLE.replace("\"version\":1,", ""), 9, "version is missing"),
            (r#"{"version":1,"users":[]}"#.to_owned(), 1, "pool must stand before providers and users"),
            (
                r#"{"version":1,"secret":[]}"#.to_owned(),
                1,
                "a member of an unknown name; expected version, pool, providers and users",
            ),
            (
                EXAMPLE.replace("sim-local-1_Example01", "secret"),
                2,
                "id is not a user pool id: expected REGION_ID as in us-east-1_AbCdEfGhI",
            ),
            ("[]".to_owned(), 1, "expected an object with version, pool, providers and users"),
            (format!("{EXAMPLE}x"), 9, "not valid JSON"),
        ] {
            let error = read(content.as_bytes()).err().unwrap();
            let PoolFileError::Content { line: told_line, reason: told, .. } = &error else { unreachable!() };
            assert_eq!((told.as_str(), *told_line), (reason, line), "{content}");
            assert!(!error.to_string().to_lowercase().contains("secret"), "{error}");
        }
    }
}
