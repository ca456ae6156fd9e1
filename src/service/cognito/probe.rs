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
use super::ports::{answer, send, unreadable};
use super::{ConnectionTarget, sdk_config};
use crate::domain::identity::NATIVE_PROVIDER;
use crate::domain::run::StopError;
use crate::limits;
use crate::service::probe::{ProbeCall, ProbeFacts, ProbeIdentity, ProbeProvider, ProbeService, ProbeUser};
use crate::service::{Answer, CallFault, PortFuture};

/// Creates the client for a probe in a Region. Calls nothing yet.
///
/// # Errors
/// [`crate::domain::run::StopCause::Credentials`] if there are none.
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
        result.map_err(|error| convert::fault_of(&error)).and_then(|_| match headers.body() {
            Some(BodyKind::Other) => unreadable("JSON object"),
            _ => Ok(Answer { value: ProbeFacts::Done, meta: headers.meta() }),
        })
    }};
}

impl ProbeService for CognitoProbe {
    fn call(&self, call: ProbeCall) -> PortFuture<'_, ProbeFacts> {
        Box::pin(async move {
            match call {
                ProbeCall::CreatePool { name, case_sensitive, email_alias } => {
                    self.create_pool(name, case_sensitive, email_alias).await
                }
                ProbeCall::DeletePool { pool } => done!(self.client.delete_user_pool().user_pool_id(pool)),
                ProbeCall::CreateProvider { pool, name, kind } => self.create_provider(pool, name, kind).await,
                ProbeCall::CreateUser { pool, username, email } => self.create_user(pool, username, email).await,
                ProbeCall::DisableUser { pool, username } => {
                    done!(self.client.admin_disable_user().user_pool_id(pool).username(username))
                }
                ProbeCall::Link { pool, destination, source } => {
                    let destination = ProviderUserIdentifierType::builder()
                        .provider_name(NATIVE_PROVIDER)
                        .provider_attribute_value(destination)
                        .build();
                    let request = self.client.admin_link_provider_for_user().user_pool_id(pool);
                    done!(request.destination_user(destination).source_user(source_identity(source)))
                }
                ProbeCall::Unlink { pool, identity } => {
                    let request = self.client.admin_disable_provider_for_user().user_pool_id(pool);
                    done!(request.user(source_identity(identity)))
                }
                ProbeCall::ListUsers { pool, filter, token } => self.list_users(pool, filter, token).await,
            }
        })
    }
}

impl CognitoProbe {
    async fn create_pool(
        &self,
        name: String,
        case_sensitive: bool,
        email_alias: bool,
    ) -> Result<Answer<ProbeFacts>, CallFault> {
        let case = UsernameConfigurationType::builder().case_sensitive(case_sensitive).build().map_err(unsent)?;
        let request = self
            .client
            .create_user_pool()
            .pool_name(name)
            .username_configuration(case)
            .set_alias_attributes(email_alias.then(|| vec![AliasAttributeType::Email]));
        let (result, headers) = send!(request);
        let created = result.map_err(|error| convert::fault_of(&error))?;
        match created.user_pool().and_then(|pool| pool.id()) {
            Some(id) => answer(ProbeFacts::Pool(id.to_owned()), &headers),
            None => unreadable("pool"),
        }
    }

    async fn create_provider(
        &self,
        pool: String,
        name: String,
        kind: ProbeProvider,
    ) -> Result<Answer<ProbeFacts>, CallFault> {
        let mut request = self
            .client
            .create_identity_provider()
            .user_pool_id(pool)
            .provider_name(name)
            .provider_type(IdentityProviderTypeType::from(kind.as_str()));
        for (name, value) in kind.details() {
            request = request.provider_details(name, value);
        }
        for (attribute, claim) in kind.mapping() {
            request = request.attribute_mapping(*attribute, *claim);
        }
        done!(request)
    }

    async fn create_user(
        &self,
        pool: String,
        username: String,
        email: Option<String>,
    ) -> Result<Answer<ProbeFacts>, CallFault> {
        let mut request = self
            .client
            .admin_create_user()
            .user_pool_id(pool)
            .username(username)
            .message_action(MessageActionType::Suppress);
        let verified = email.as_ref().map(|_| ("email_verified", "true".to_owned()));
        for (name, value) in email.map(|email| ("email", email)).into_iter().chain(verified) {
            let attribute = AttributeType::builder().name(name).value(value).build().map_err(unsent)?;
            request = request.user_attributes(attribute);
        }
        let (result, headers) = send!(request);
        let created = result.map_err(|error| convert::fault_of(&error))?;
        let users = created.user().map(probe_user).into_iter().collect();
        answer(ProbeFacts::Users { users, next_token: None }, &headers)
    }

    async fn list_users(
        &self,
        pool: String,
        filter: Option<String>,
        token: Option<String>,
    ) -> Result<Answer<ProbeFacts>, CallFault> {
        let request = self
            .client
            .list_users()
            .user_pool_id(pool)
            .set_filter(filter)
            .set_pagination_token(token)
            .limit(i32::try_from(limits::USERS_PER_PAGE_MAX).unwrap_or(i32::MAX));
        let (result, headers) = send!(request);
        let page = result.map_err(|error| convert::fault_of(&error))?;
        let users = page.users().iter().map(probe_user).collect();
        answer(ProbeFacts::Users { users, next_token: page.pagination_token().map(str::to_owned) }, &headers)
    }
}

fn probe_user(user: &UserType) -> ProbeUser {
    let value = |name: &str| {
        let held = user.attributes().iter().find(|attribute| attribute.name() == name);
        held.and_then(AttributeType::value).unwrap_or_default().to_owned()
    };
    ProbeUser {
        username: user.username().unwrap_or_default().to_owned(),
        sub: value("sub"),
        identities: value("identities"),
    }
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
