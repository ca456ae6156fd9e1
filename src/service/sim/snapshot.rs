//! A real pool as a pool file: what the ports tell of it, in the lines that the simulator reads.
//!
//! Written as it is read, so that a pool of any size fits. What the ports do not tell is left to the defaults: when users
//! were made, attributes besides `sub` and `email`, claims. Client secrets are not among what the ports tell.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::pool_file::POOL_FILE_VERSION;
use super::pool_lines::{PoolLine, ProviderLine, UserLine};
use super::provider::{Provider, ProviderKind};
use super::settings::PoolSettings;
use super::user::UNKNOWN_DATE_UNIX_MS;
use crate::domain::identity::{PoolId, ProviderName};
use crate::service::{PoolFacts, PoolUser};

/// A trigger's address is not among what the ports tell; the simulator shows it and calls nobody.
const TRIGGER: &str = "arn:aws:lambda:sim-local-1:000000000000:function:pre-sign-up";

/// By which attributes besides the subject a provider's identities can be linked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mapping {
    /// By these.
    Known(BTreeSet<String>),
    /// Not known: then every attribute passes.
    Unknown,
}

/// A pool without its users.
#[derive(Debug, Clone)]
pub struct SnapshotHead {
    /// Its id.
    pub pool: PoolId,
    /// Its settings.
    pub facts: PoolFacts,
    /// Its providers, each with its type and what it maps.
    pub mappings: BTreeMap<ProviderName, (String, Mapping)>,
}

impl SnapshotHead {
    /// What stands behind the last user.
    pub const CLOSING: &'static str = "\n]}\n";

    /// What stands before the first user. Users follow a line each, with commas between them.
    ///
    /// # Errors
    /// None that the memory does not give.
    pub fn opening(&self) -> io::Result<String> {
        let settings = PoolSettings {
            name: self.facts.name.clone(),
            username_attributes: self.facts.username_attributes.clone(),
            alias_attributes: self.facts.alias_attributes.clone(),
            pre_sign_up_trigger: self.facts.has_pre_sign_up_trigger.then(|| TRIGGER.to_owned()),
            ..PoolSettings::new(self.pool.as_str()).case_sensitive(self.facts.case_sensitive)
        };
        let pool = serde_json::to_string(&PoolLine::from(settings))?;
        let provider = |(name, (kind, mapping)): (&ProviderName, &(String, Mapping))| {
            serde_json::to_string(&ProviderLine::from(&provider(name, kind, mapping)))
        };
        let providers = self.mappings.iter().map(provider).collect::<Result<Vec<_>, _>>()?.join(",\n");
        Ok(format!(
            "{{\"version\":{POOL_FILE_VERSION},\n\"pool\":{pool},\n\"providers\":[\n{providers}\n],\n\"users\":["
        ))
    }
}

/// A user's line, and how many identities it does without because the pool no longer has their provider.
///
/// # Errors
/// None that the memory does not give.
pub fn user_line(user: &PoolUser, head: &SnapshotHead) -> io::Result<(String, u64)> {
    let is_there = |name: &str| ProviderName::parse(name).is_ok_and(|name| head.mappings.contains_key(&name));
    let identities = user.identities.iter().filter(|identity| is_there(&identity.provider_name));
    let line = UserLine::seen(user, identities);
    let left_out = user.identities.len() - line.identity_count();
    Ok((serde_json::to_string(&line)?, left_out as u64))
}

fn provider(name: &ProviderName, kind: &str, mapping: &Mapping) -> Provider {
    let kind = ProviderKind::parse(kind).unwrap_or_else(|| ProviderKind::by_name(name.as_str()));
    let provider = Provider::new(name.as_str(), kind, UNKNOWN_DATE_UNIX_MS);
    match mapping {
        // The claim's name is not known; that of the attribute does as well.
        Mapping::Known(mapped) => mapped.iter().fold(provider, |provider, name| provider.mapping(name, name)),
        Mapping::Unknown => Provider { made_on_reference: true, ..provider },
    }
}

#[cfg(test)]
mod tests {
    use super::super::pool_file;
    use super::*;
    use crate::domain::identity::Personal;
    use crate::service::LinkedIdentity;

    fn head() -> SnapshotHead {
        let mapped = |names: &[&str]| Mapping::Known(names.iter().map(|name| (*name).to_owned()).collect());
        let provider =
            |name: &str, kind: &str, mapping| (ProviderName::parse(name).unwrap(), (kind.to_owned(), mapping));
        SnapshotHead {
            pool: PoolId::parse("eu-west-1_AbCdEf").unwrap(),
            facts: PoolFacts {
                name: "shop".into(),
                case_sensitive: false,
                has_pre_sign_up_trigger: true,
                alias_attributes: vec!["email".into()],
                ..PoolFacts::default()
            },
            mappings: BTreeMap::from([
                provider("Google", "Google", mapped(&[])),
                provider("Corp", "SAML", mapped(&["email"])),
                provider("Okta", "OIDC", Mapping::Unknown),
            ]),
        }
    }

    fn user() -> PoolUser {
        let identity = |provider: &str, id: &str, primary| LinkedIdentity {
            user_id: Personal::from_service(id),
            provider_name: provider.into(),
            provider_type: String::new(),
            issuer: None,
            primary,
            created_unix_ms: Some(1_700_000_000_000),
        };
        PoolUser {
            username: Personal::from_service("okta_abc"),
            sub: Some(Personal::from_service("a0da5180-e3af-4ec6-9a9b-29f984e5746e")),
            email: Some(Personal::from_service("a@example.com")),
            status: "SOMETHING_NEW".into(),
            enabled: false,
            identities: vec![
                identity("Okta", "AbC", true),
                identity("Corp", "Carlos@x", false),
                identity("Gone", "1", false),
            ],
        }
    }

    #[test]
    fn the_simulator_reads_what_was_seen() {
        let (line, left_out) = user_line(&user(), &head()).unwrap();
        assert_eq!(left_out, 1, "a provider that the pool no longer has");
        let text = format!("{}\n{line}{}", head().opening().unwrap(), SnapshotHead::CLOSING);
        let pool = pool_file::read(text.as_bytes()).unwrap();
        assert_eq!((pool.settings().id.as_str(), pool.settings().case_sensitive), ("eu-west-1_AbCdEf", false));
        assert_eq!(pool.settings().pre_sign_up_trigger.as_deref(), Some(TRIGGER));
        let mut again = Vec::new();
        pool_file::write(&mut again, &pool).unwrap();
        let again = String::from_utf8(again).unwrap();
        for part in [
            r#""alias_attributes":["email"]"#,
            r#"{"name":"Corp","type":"SAML","attribute_mapping":{"email":"email"}}"#,
            r#"{"name":"Okta","type":"OIDC","any_attribute":true}"#,
            r#""username":"okta_abc","sub":"a0da5180-e3af-4ec6-9a9b-29f984e5746e","email":"a@example.com","status":"UNKNOWN","enabled":false"#,
            r#"{"providerName":"Okta","userId":"AbC","issuer":null,"primary":true,"dateCreated":1700000000000}"#,
            r#""userId":"Carlos@x""#,
        ] {
            assert!(again.contains(part), "{part}: {again}");
        }
        assert!(!text.contains("secret"));
    }

    #[test]
    fn a_pool_without_anything_is_read_too() {
        let head = SnapshotHead { mappings: BTreeMap::new(), ..head() };
        let text = format!("{}{}", head.opening().unwrap(), SnapshotHead::CLOSING);
        assert!(pool_file::read(text.as_bytes()).unwrap().providers().is_empty());
    }
}
