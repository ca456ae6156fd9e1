//! The port of `probe`, implemented with the SDK's client.

use std::sync::Arc;

use aws_config::Region;
use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::meta::region::ProvideRegion;
use aws_config::profile::region::ProfileFileRegionProvider;
use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::error::BuildError;
use aws_sdk_cognitoidentityprovider::types::{
    AliasAttributeType, AttributeType, IdentityProviderTypeType, MessageActionType, ProviderUserIdentifierType,
    UserType, UsernameConfigurationType,
};

use super::convert::{self, BodyKind, ResponseHeaders};
use super::ports::{answer, answer_with, count, send, unreadable, written};
use super::{ConnectionTarget, sdk_config};
use crate::domain::identity::NATIVE_PROVIDER;
use crate::domain::run::StopError;
use crate::limits;
use crate::service::probe::{ProbeCall, ProbeFacts, ProbeIdentity, ProbePool, ProbeService, ProbeUser, WriteForm};
use crate::service::{Answer, CallFault, PortFuture};

/// Creates the client for a probe in a Region. Calls nothing yet.
pub async fn connect_probe(target: &ConnectionTarget, region: &str) -> Result<Arc<dyn ProbeService>, StopError> {
    let config = sdk_config(target, region).await?;
    Ok(Arc::new(CognitoProbe { client: Client::new(&config) }))
}

/// The Region that the profile names, or without one the environment; a probe has no pool id that would.
pub async fn configured_region(profile: Option<&str>) -> Option<String> {
    let region = match profile {
        Some(name) => ProfileFileRegionProvider::builder().profile_name(name).build().region().await,
        None => match EnvironmentVariableRegionProvider::new().region().await {
            Some(region) => Some(region),
            None => ProfileFileRegionProvider::new().region().await,
        },
    };
    region.as_ref().map(Region::to_string)
}

#[derive(Debug)]
struct CognitoProbe {
    client: Client,
}

/// Sends a request whose answer shows nothing that a probe needs.
macro_rules! done {
    ($request:expr) => {{
        let (result, headers) = send!($request);
        result.and_then(|_| match headers.body() {
            Some(BodyKind::Other) => unreadable("JSON object"),
            _ => Ok(Answer { value: ProbeFacts::Done, meta: headers.meta() }),
        })
    }};
}

/// Sends a link or an unlink, whose answer shows its form.
macro_rules! with_form {
    ($request:expr) => {{
        let (result, headers) = send!($request);
        result.and_then(|_| match headers.body() {
            // It is not the service's.
            Some(BodyKind::Other) => unreadable("JSON object"),
            _ => Ok(Answer { value: ProbeFacts::Written(form_of_write(&headers)), meta: headers.meta() }),
        })
    }};
}

impl ProbeService for CognitoProbe {
    fn call(&self, call: ProbeCall) -> PortFuture<'_, ProbeFacts> {
        Box::pin(self.send(call))
    }
}

impl CognitoProbe {
    async fn send(&self, call: ProbeCall) -> Result<Answer<ProbeFacts>, CallFault> {
        let client = &self.client;
        match call {
            ProbeCall::CreatePool { name, case_sensitive, email_alias } => {
                let case =
                    UsernameConfigurationType::builder().case_sensitive(case_sensitive).build().map_err(unsent)?;
                let alias = email_alias.then(|| vec![AliasAttributeType::Email]);
                let request = client.create_user_pool().pool_name(name).username_configuration(case);
                let (result, headers) = send!(request.set_alias_attributes(alias));
                let pool = result?.user_pool.and_then(|pool| Some(ProbePool { id: pool.id?, name: pool.name? }));
                answer_with(pool.map(ProbeFacts::Pool), "pool", &headers)
            }
            ProbeCall::DeletePool { pool } => done!(client.delete_user_pool().user_pool_id(pool)),
            ProbeCall::ListPools { token } => {
                let request = client.list_user_pools().max_results(count(limits::POOLS_PER_PAGE_MAX));
                let (result, headers) = send!(request.set_next_token(token));
                let page = result?;
                let pools = page.user_pools().iter().filter_map(|pool| {
                    Some(ProbePool { id: pool.id()?.to_owned(), name: pool.name().unwrap_or_default().to_owned() })
                });
                answer(ProbeFacts::Pools { pools: pools.collect(), next_token: page.next_token.clone() }, &headers)
            }
            ProbeCall::CreateProvider { pool, name, kind } => {
                let kind_name = IdentityProviderTypeType::from(kind.as_str());
                let mut request = client.create_identity_provider().user_pool_id(pool).provider_name(name);
                for (name, value) in kind.details() {
                    request = request.provider_details(name, value);
                }
                for (attribute, claim) in kind.mapping() {
                    request = request.attribute_mapping(*attribute, *claim);
                }
                done!(request.provider_type(kind_name))
            }
            ProbeCall::CreateUser { pool, username, email } => {
                let mut request = client.admin_create_user().user_pool_id(pool).username(username);
                let verified = email.as_ref().map(|_| ("email_verified", "true".to_owned()));
                for (name, value) in email.map(|email| ("email", email)).into_iter().chain(verified) {
                    let attribute = AttributeType::builder().name(name).value(value).build().map_err(unsent)?;
                    request = request.user_attributes(attribute);
                }
                let (result, headers) = send!(request.message_action(MessageActionType::Suppress));
                let users = result?.user().map(probe_user).into_iter().collect();
                answer(ProbeFacts::Users { users, next_token: None }, &headers)
            }
            ProbeCall::DisableUser { pool, username } => {
                done!(client.admin_disable_user().user_pool_id(pool).username(username))
            }
            ProbeCall::Link { pool, destination, source } => {
                let destination = ProviderUserIdentifierType::builder()
                    .provider_name(NATIVE_PROVIDER)
                    .provider_attribute_value(destination)
                    .build();
                let request = client.admin_link_provider_for_user().user_pool_id(pool);
                with_form!(request.destination_user(destination).source_user(source_identity(source)))
            }
            ProbeCall::Unlink { pool, identity } => {
                let request = client.admin_disable_provider_for_user().user_pool_id(pool);
                with_form!(request.user(source_identity(identity)))
            }
            ProbeCall::GetUser { pool, username } => {
                let (result, headers) = send!(client.admin_get_user().user_pool_id(pool).username(username));
                let user = result?;
                let users = vec![shown_user(Some(user.username()), user.user_attributes())];
                answer(ProbeFacts::Users { users, next_token: None }, &headers)
            }
            ProbeCall::ListUsers { pool, filter, token } => {
                let request = client.list_users().user_pool_id(pool).set_filter(filter).set_pagination_token(token);
                let (result, headers) = send!(request.limit(count(limits::USERS_PER_PAGE_MAX)));
                let page = result?;
                let users = page.users().iter().map(probe_user).collect();
                answer(ProbeFacts::Users { users, next_token: page.pagination_token }, &headers)
            }
        }
    }
}

fn form_of_write(headers: &ResponseHeaders) -> WriteForm {
    let status = headers.head().map_or_else(|| "no status".to_owned(), |head| head.status.to_string());
    let is_json = headers.head().is_some_and(|head| head.is_json);
    let content_type = if is_json { "a JSON content type" } else { "no JSON content type" };
    let id = if headers.meta().request_id.is_some() { "a request ID" } else { "no request ID" };
    let body = match headers.body() {
        Some(BodyKind::EmptyObject) => "the body {}",
        Some(BodyKind::Empty) | None => "no body",
        Some(BodyKind::Object) => "a JSON object with members",
        Some(BodyKind::Other) => "a body that is no JSON object",
    };
    let encoding = if headers.head().is_some_and(|head| head.is_encoded) { ", a content encoding" } else { "" };
    let error = if headers.head().is_some_and(|head| head.names_error) { ", the name of an error" } else { "" };
    WriteForm {
        text: format!("{status}, {content_type}, {id}, {body}{encoding}{error}"),
        doubt: written(headers).err().map(|fault| fault.message().to_owned()),
    }
}

fn probe_user(user: &UserType) -> ProbeUser {
    shown_user(user.username(), user.attributes())
}

fn shown_user(username: Option<&str>, attributes: &[AttributeType]) -> ProbeUser {
    let value = |name: &str| {
        let held = attributes.iter().find(|attribute| attribute.name() == name);
        held.and_then(AttributeType::value).unwrap_or_default().to_owned()
    };
    ProbeUser { username: username.unwrap_or_default().to_owned(), sub: value("sub"), identities: value("identities") }
}

fn source_identity(identity: ProbeIdentity) -> ProviderUserIdentifierType {
    ProviderUserIdentifierType::builder()
        .provider_name(identity.provider)
        .provider_attribute_name(identity.attribute)
        .provider_attribute_value(identity.value)
        .build()
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unsent(error: BuildError) -> CallFault {
    CallFault::Unsent { credentials: false, detail: error.to_string() }
}
