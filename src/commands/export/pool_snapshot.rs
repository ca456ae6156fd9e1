//! `--pool-snapshot`: the pool as a file for the simulator, written beside an export.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use cognito_sim::{
    AttributeBounds, NewIdentity, NewUser, PoolSettings, Provider, ProviderKind, SchemaAttribute, Status,
    UNKNOWN_DATE_UNIX_MS, pool_file,
};

use crate::commands::shared::{CommandContext, Failure, OpenPool, temporary_file_error};
use crate::domain::identity::{PoolId, ProviderName};
use crate::domain::run::StopCause;
use crate::foresight::preflight::mapped_attributes;
use crate::input::{OutputFile, Sorter};
use crate::seed::Rng;
use crate::service::{LinkedIdentity, PoolFacts, PoolUser};
use crate::ui::{MessageCode, Ui, format};

/// The ports do not return the ARN of a trigger. The simulator shows this one and calls nothing.
const TRIGGER: &str = "arn:aws:lambda:sim-local-1:000000000000:function:pre-sign-up";

/// By which attributes besides the subject the identities of a provider can be linked.
enum ProviderMapping {
    Known(BTreeSet<String>),
    /// Not readable: then the simulator accepts every attribute.
    Unknown,
}

/// A pool without its users: what stands before them in the file.
///
/// What the ports do not return has its default: attributes of users besides `sub`, `email` and `email_verified`, claims.
/// The ports do not return client secrets.
struct PoolWithoutUsers {
    pool: PoolId,
    facts: PoolFacts,
    /// The type of each provider and what it maps.
    providers: BTreeMap<ProviderName, (String, ProviderMapping)>,
}

impl PoolWithoutUsers {
    fn opening(&self) -> io::Result<String> {
        let settings = PoolSettings {
            name: self.facts.name.clone(),
            username_attributes: self.facts.username_attributes.clone(),
            alias_attributes: self.facts.alias_attributes.clone(),
            pre_sign_up_trigger: self.facts.has_pre_sign_up_trigger.then(|| TRIGGER.to_owned()),
            schema: self.schema(),
            ..PoolSettings::new(self.pool.as_str()).case_sensitive(self.facts.case_sensitive)
        };
        let provider = |(name, (kind, mapping)): (&ProviderName, &(String, ProviderMapping))| {
            let kind = ProviderKind::parse(kind).unwrap_or_else(|| ProviderKind::by_name(name.as_str()));
            let provider = Provider::new(name.as_str(), kind, UNKNOWN_DATE_UNIX_MS);
            match mapping {
                // The name of the claim is not known; the name of the attribute does as well.
                ProviderMapping::Known(mapped) => {
                    mapped.iter().fold(provider, |provider, name| provider.mapping(name, name))
                }
                ProviderMapping::Unknown => provider.mapping_any_attribute(),
            }
        };
        pool_file::opening(&settings, &self.providers.iter().map(provider).collect::<Vec<_>>())
    }

    /// The attributes that break sign-ins where a provider maps them, or does not: immutable and required ones.
    fn schema(&self) -> Vec<SchemaAttribute> {
        let PoolFacts { immutable_attributes: immutable, required_attributes: required, .. } = &self.facts;
        let attribute = |name: &String| SchemaAttribute {
            name: name.clone(),
            // The ports do not return types. These are those of the standard attributes.
            data_type: match name.as_str() {
                "email_verified" | "phone_number_verified" => "Boolean",
                "updated_at" => "Number",
                _ => "String",
            }
            .to_owned(),
            mutable: !immutable.contains(name),
            required: required.contains(name),
            bounds: AttributeBounds::default(),
        };
        immutable.union(required).map(attribute).collect()
    }

    /// The line of a user, and how many of its identities it omits because the pool no longer has their provider.
    fn user_line(&self, user: &PoolUser) -> io::Result<(String, u64)> {
        let has_provider = |name: &str| ProviderName::parse(name).is_ok_and(|name| self.providers.contains_key(&name));
        let identity = |identity: &LinkedIdentity| NewIdentity {
            issuer: identity.issuer.clone(),
            primary: identity.primary,
            created_ms: identity.created_unix_ms.unwrap_or(UNKNOWN_DATE_UNIX_MS),
            ..NewIdentity::linked(&identity.provider_name, identity.user_id.expose())
        };
        let kept = user.identities.iter().filter(|identity| has_provider(&identity.provider_name));
        let identities: Vec<_> = kept.map(identity).collect();
        let omitted = user.identities.len() - identities.len();
        let verified = user.email_verified.then(|| ("email_verified".to_owned(), "true".to_owned()));
        let line = pool_file::user_line(&NewUser {
            sub: user.sub.as_ref().map(|sub| sub.expose().to_owned()),
            email: user.email.as_ref().map(|email| email.expose().to_owned()),
            status: Status::parse(&user.status).unwrap_or(Status::Unknown),
            enabled: user.enabled,
            created_ms: user.created_unix_ms.unwrap_or(UNKNOWN_DATE_UNIX_MS),
            modified_ms: user.modified_unix_ms.unwrap_or(UNKNOWN_DATE_UNIX_MS),
            attributes: verified.into_iter().collect(),
            identities,
            ..NewUser::named(user.username.expose())
        })?;
        Ok((line, omitted as u64))
    }
}

pub(super) struct PoolSnapshot {
    path: PathBuf,
    head: PoolWithoutUsers,
    users: Sorter,
    /// Identities of providers that the pool no longer has.
    left_out: u64,
}

impl PoolSnapshot {
    /// Reads what a scan does not contain: the attributes by which identities of each provider can be linked.
    pub(super) async fn begin(
        path: &Path,
        pool: &OpenPool,
        seed: u64,
        context: &CommandContext<'_>,
    ) -> Result<Self, Failure> {
        let mut rng = Rng::new(seed).fork("mappings");
        let mut mappings = BTreeMap::new();
        for (name, kind) in &pool.knowledge.providers {
            // The service links identities of social providers by their subject only.
            let names = if name.is_social() { BTreeSet::new() } else { BTreeSet::from([name.clone()]) };
            let mapping = match mapped_attributes(pool.directory.as_ref(), context.clock, &mut rng, &names).await {
                Ok(mut mapped) => ProviderMapping::Known(mapped.remove(name).unwrap_or_default()),
                Err(stop) if stop.cause == StopCause::AccessDenied => {
                    context.ui.warn(MessageCode::MappingUnknown, &format!(
                        "the attributes that {name} maps cannot be read (cognito-idp:DescribeIdentityProvider); in the \
                         snapshot it maps all of them"
                    ));
                    ProviderMapping::Unknown
                }
                Err(stop) => return Err(stop.into()),
            };
            mappings.insert(name.clone(), (kind.clone(), mapping));
        }
        let head = PoolWithoutUsers {
            pool: pool.binding.pool.clone(),
            facts: pool.knowledge.facts.clone(),
            providers: mappings,
        };
        Ok(Self { path: path.to_owned(), head, users: Sorter::default(), left_out: 0 })
    }

    /// Adds a user, as often as it is read.
    pub(super) fn add_user(&mut self, user: &PoolUser) -> io::Result<()> {
        let (line, left_out) = self.head.user_line(user)?;
        self.left_out += left_out;
        self.users.add(&[user.username.expose(), &line])
    }

    pub(super) fn finish(self, ui: &Ui) -> Result<(), Failure> {
        ui.status("writing the snapshot");
        let back = |error: io::Error| temporary_file_error(&error);
        let mut file = OutputFile::create(&self.path)?;
        file.write(self.head.opening().map_err(back)?.as_bytes())?;
        let (mut users, mut last) = (0_u64, None);
        for record in self.users.finish().map_err(back)? {
            let record = record.map_err(back)?;
            let [username, line] = record.as_slice() else { continue };
            // A user who was read twice may have changed in between; either record is right.
            if last.as_ref() == Some(username) {
                continue;
            }
            file.write(if users == 0 { b"\n" } else { b",\n" })?;
            file.write(line.as_bytes())?;
            users += 1;
            last = Some(username.clone());
        }
        file.write(pool_file::CLOSING.as_bytes())?;
        file.finish()?;
        ui.clear_status();
        if self.left_out > 0 {
            let what = if self.left_out == 1 { "identity" } else { "identities" };
            let count = format::count(self.left_out);
            ui.warn(
                MessageCode::IdentitiesLeftOut,
                &format!("{count} {what} of providers that the pool no longer has: not in the snapshot"),
            );
        }
        ui.note(MessageCode::OutputWritten, &format!("{}: {}", self.path.display(), format::counted(users, "user")));
        Ok(())
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::Personal;

    fn head() -> PoolWithoutUsers {
        let mapped = |names: &[&str]| ProviderMapping::Known(names.iter().map(|name| (*name).to_owned()).collect());
        let provider =
            |name: &str, kind: &str, mapping| (ProviderName::parse(name).unwrap(), (kind.to_owned(), mapping));
        PoolWithoutUsers {
            pool: PoolId::parse("eu-west-1_AbCdEf").unwrap(),
            facts: PoolFacts {
                name: "shop".into(),
                case_sensitive: false,
                has_pre_sign_up_trigger: true,
                alias_attributes: vec!["email".into()],
                immutable_attributes: ["custom:team", "email"].map(str::to_owned).into(),
                required_attributes: ["email", "updated_at"].map(str::to_owned).into(),
                ..PoolFacts::default()
            },
            providers: BTreeMap::from([
                provider("Google", "Google", mapped(&[])),
                provider("Corp", "SAML", mapped(&["email"])),
                provider("Okta", "OIDC", ProviderMapping::Unknown),
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
            sub: Some(Personal::from_service("a0da5180-e3af-4ec6-9a9b-29f984e5746e")),
            email: Some(Personal::from_service("a@example.com")),
            status: "SOMETHING_NEW".into(),
            enabled: false,
            email_verified: true,
            created_unix_ms: Some(1_650_000_000_123),
            identities: vec![
                identity("Okta", "AbC", true),
                identity("Corp", "Carlos@x", false),
                identity("Gone", "1", false),
            ],
            ..PoolUser::named("okta_abc")
        }
    }

    #[test]
    fn the_simulator_reads_what_was_seen() {
        let (line, omitted) = head().user_line(&user()).unwrap();
        assert_eq!(omitted, 1, "a provider that the pool no longer has");
        let text = format!("{}\n{line}{}", head().opening().unwrap(), pool_file::CLOSING);
        let pool = pool_file::read(text.as_bytes()).unwrap();
        assert_eq!((pool.settings().id.as_str(), pool.settings().case_sensitive), ("eu-west-1_AbCdEf", false));
        assert_eq!(pool.settings().pre_sign_up_trigger.as_deref(), Some(TRIGGER));
        let schema = pool.settings().schema.iter();
        let schema: Vec<_> =
            schema.map(|attribute| (attribute.name.as_str(), attribute.mutable, attribute.required)).collect();
        assert_eq!(schema, [("custom:team", false, false), ("email", false, true), ("updated_at", true, true)]);
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
            r#""created":1650000000123"#,
            r#""email_verified":"true""#,
        ] {
            assert!(again.contains(part), "{part}: {again}");
        }
        assert!(!text.contains("secret"));
    }

    #[test]
    fn a_pool_without_anything_is_read_too() {
        let head = PoolWithoutUsers { providers: BTreeMap::new(), ..head() };
        let text = format!("{}{}", head.opening().unwrap(), pool_file::CLOSING);
        assert!(pool_file::read(text.as_bytes()).unwrap().providers().is_empty());
    }
}
