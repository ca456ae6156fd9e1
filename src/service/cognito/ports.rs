//! The ports, implemented with the SDK's client.

use std::collections::BTreeSet;

use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::types::{
    AdminCreateUserConfigType, AliasAttributeType, IdentityProviderTypeType, ProviderUserIdentifierType,
    SchemaAttributeType, UserPoolType, UserStatusType, UsernameAttributeType, UsernameConfigurationType,
};

use super::convert::{self, BodyKind, ResponseHeaders};
use crate::domain::identity::{
    COGNITO_SUBJECT, DestinationUser, ExternalIdentity, NATIVE_PROVIDER, Personal, ProviderName,
};
use crate::limits;
use crate::service::app_clients::{AppClientPage, AppClientReader};
use crate::service::permission_probe::{LinkPermissionProbe, NobodysLink};
use crate::service::{
    Answer, CallFault, IdentityLinker, IdentityUnlinker, LinkRequest, MappedAttributes, PoolFacts, PoolUser,
    PortFuture, ProviderFacts, ProviderPage, Transport, UnlinkRequest, UserDirectory, UserPage, UserQuery,
};

/// All ports over one client. [`Cognito`](super::Cognito) hands them out one by one.
#[derive(Debug)]
pub(super) struct PoolClient {
    pub(super) client: Client,
    pub(super) pool: String,
}

/// Sends a request; expands to the SDK's output, or to our fault, and the headers of the response.
macro_rules! send {
    ($request:expr) => {{
        let headers = ResponseHeaders::default();
        let result = $request.customize().interceptor(headers.clone()).send().await;
        (result.map_err(|error| convert::fault_of(&error)), headers)
    }};
}
pub(super) use send;

/// Answers a read with a member of the SDK's output, which is absent where the body is not what it should be.
pub(super) fn answer_with<T>(member: Option<T>, name: &str, headers: &ResponseHeaders) -> Result<Answer<T>, CallFault> {
    member.map_or_else(|| unreadable(name), |value| answer(value, headers))
}

/// The answer to a read. Without a body the SDK would take it for one that lists nothing.
pub(super) fn answer<T>(value: T, headers: &ResponseHeaders) -> Result<Answer<T>, CallFault> {
    match headers.body() {
        Some(BodyKind::Object | BodyKind::EmptyObject) | None => Ok(Answer { value, meta: headers.meta() }),
        Some(BodyKind::Empty) => unreadable("body"),
        Some(BodyKind::Other) => unreadable("JSON object"),
    }
}

/// The answer to a write: status 200, a request ID, JSON, and an object without members. The SDK takes whatever has a status
/// of success for it. A page, such as that of a proxy, is none of the service's; any other body may be a form of success
/// that was not foreseen, so the link is looked for.
pub(super) fn written(headers: &ResponseHeaders) -> Result<Answer<()>, CallFault> {
    let meta = headers.meta();
    let (Some(head), Some(body)) = (headers.head(), headers.body()) else { return unreadable("body") };
    match body {
        BodyKind::Other => unreadable("empty JSON object"),
        _ if head.status != 200 => unconfirmed("has another status than 200"),
        _ if meta.request_id.is_none() => unconfirmed("has no request ID"),
        BodyKind::Empty | BodyKind::Object => unconfirmed("has no empty JSON object"),
        BodyKind::EmptyObject if !head.is_json => unconfirmed("has no JSON content type"),
        BodyKind::EmptyObject if head.is_encoded => unconfirmed("has a content encoding"),
        BodyKind::EmptyObject if head.names_error => unconfirmed("names an error in a header"),
        BodyKind::EmptyObject => Ok(Answer { value: (), meta }),
    }
}

fn unconfirmed<T>(why: &str) -> Result<Answer<T>, CallFault> {
    Err(CallFault::Transport { kind: Transport::Unconfirmed, detail: format!("the response {why}") })
}

pub(super) fn unreadable<T>(what: &str) -> Result<Answer<T>, CallFault> {
    Err(CallFault::Transport { kind: Transport::Unreadable, detail: format!("the response has no {what}") })
}

impl UserDirectory for PoolClient {
    fn describe_pool(&self) -> PortFuture<'_, PoolFacts> {
        Box::pin(async move {
            let (result, headers) = send!(self.client.describe_user_pool().user_pool_id(&self.pool));
            answer_with(result?.user_pool().map(pool_facts), "pool", &headers)
        })
    }

    fn list_providers(&self, token: Option<String>) -> PortFuture<'_, ProviderPage> {
        Box::pin(async move {
            let request = self
                .client
                .list_identity_providers()
                .user_pool_id(&self.pool)
                .max_results(count(limits::PROVIDERS_PER_PAGE_MAX))
                .set_next_token(token);
            let (result, headers) = send!(request);
            let page = result?;
            let providers = page.providers().iter().filter_map(|provider| {
                let name = ProviderName::parse(provider.provider_name()?).ok()?;
                let kind = provider.provider_type().map(IdentityProviderTypeType::as_str);
                Some(ProviderFacts { name, kind: kind.unwrap_or_default().to_owned() })
            });
            let page =
                ProviderPage { providers: providers.collect(), next_token: page.next_token().map(str::to_owned) };
            answer(page, &headers)
        })
    }

    fn mapped_attributes(&self, provider: ProviderName) -> PortFuture<'_, MappedAttributes> {
        Box::pin(async move {
            let request =
                self.client.describe_identity_provider().user_pool_id(&self.pool).provider_name(provider.as_str());
            let (result, headers) = send!(request);
            let described = result?.identity_provider;
            let mapping = described.map(|provider| provider.attribute_mapping.unwrap_or_default());
            answer_with(mapping.map(|mapping| mapping.into_keys().collect()), "identity provider", &headers)
        })
    }

    fn list_users(&self, query: UserQuery) -> PortFuture<'_, UserPage> {
        Box::pin(async move {
            let request = self
                .client
                .list_users()
                .user_pool_id(&self.pool)
                .set_filter(query.filter.map(|filter| filter.to_text()))
                .set_limit(query.limit.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX)))
                .set_pagination_token(query.token);
            let (result, headers) = send!(request);
            let page = result?;
            let users = page.users().iter().filter_map(|user| {
                let status = user.user_status().map(UserStatusType::as_str);
                let dates = (user.user_create_date(), user.user_last_modified_date());
                Some(convert::pool_user(user.username()?, status, user.enabled(), dates, user.attributes()))
            });
            let page = UserPage { users: users.collect(), next_token: page.pagination_token().map(str::to_owned) };
            answer(page, &headers)
        })
    }

    fn get_user(&self, username: Personal) -> PortFuture<'_, Option<PoolUser>> {
        Box::pin(async move {
            let request = self.client.admin_get_user().user_pool_id(&self.pool).username(username.expose());
            let (result, headers) = send!(request);
            match result {
                Ok(user) => {
                    let status = user.user_status().map(UserStatusType::as_str);
                    let dates = (user.user_create_date(), user.user_last_modified_date());
                    let attributes = user.user_attributes();
                    let user = convert::pool_user(user.username(), status, user.enabled(), dates, attributes);
                    answer(Some(user), &headers)
                }
                Err(CallFault::Answered { code, .. }) if code == "UserNotFoundException" => answer(None, &headers),
                Err(fault) => Err(fault),
            }
        })
    }
}

impl IdentityLinker for PoolClient {
    fn link(&self, request: LinkRequest) -> PortFuture<'_, ()> {
        Box::pin(async move {
            let request = self
                .client
                .admin_link_provider_for_user()
                .user_pool_id(&self.pool)
                .destination_user(destination_user(&request.destination))
                .source_user(source_user(&request.source));
            let (result, headers) = send!(request);
            result.and_then(|_| written(&headers))
        })
    }
}

impl IdentityUnlinker for PoolClient {
    fn unlink(&self, request: UnlinkRequest) -> PortFuture<'_, ()> {
        Box::pin(async move {
            let request = self
                .client
                .admin_disable_provider_for_user()
                .user_pool_id(&self.pool)
                .user(source_user(&request.identity));
            let (result, headers) = send!(request);
            result.and_then(|_| written(&headers))
        })
    }
}

impl AppClientReader for PoolClient {
    fn list_app_clients(&self, token: Option<String>) -> PortFuture<'_, AppClientPage> {
        Box::pin(async move {
            let request = self
                .client
                .list_user_pool_clients()
                .user_pool_id(&self.pool)
                .max_results(count(limits::APP_CLIENTS_PER_PAGE_MAX))
                .set_next_token(token);
            let (result, headers) = send!(request);
            let page = result?;
            let ids = page.user_pool_clients().iter().filter_map(|client| client.client_id().map(str::to_owned));
            let page = AppClientPage { ids: ids.collect(), next_token: page.next_token().map(str::to_owned) };
            answer(page, &headers)
        })
    }

    fn offered_providers(&self, id: String) -> PortFuture<'_, BTreeSet<String>> {
        Box::pin(async move {
            let request = self.client.describe_user_pool_client().user_pool_id(&self.pool).client_id(id);
            let (result, headers) = send!(request);
            let described = result?.user_pool_client;
            let offered = described.map(|client| client.supported_identity_providers.unwrap_or_default());
            answer_with(offered.map(|names| names.into_iter().collect()), "app client", &headers)
        })
    }
}

impl LinkPermissionProbe for PoolClient {
    fn attempt(&self, link: NobodysLink) -> PortFuture<'_, ()> {
        Box::pin(async move {
            let user = |provider: &str, value: String| {
                let attribute = (provider != NATIVE_PROVIDER).then(|| COGNITO_SUBJECT.to_owned());
                ProviderUserIdentifierType::builder()
                    .provider_name(provider)
                    .set_provider_attribute_name(attribute)
                    .provider_attribute_value(value)
                    .build()
            };
            let request = self
                .client
                .admin_link_provider_for_user()
                .user_pool_id(&self.pool)
                .destination_user(user(NATIVE_PROVIDER, link.username()))
                .source_user(user(&link.provider(), link.user_id()));
            let (result, headers) = send!(request);
            result.and_then(|_| written(&headers))
        })
    }
}

fn destination_user(user: &DestinationUser) -> ProviderUserIdentifierType {
    ProviderUserIdentifierType::builder()
        .provider_name(user.provider.as_str())
        .set_provider_attribute_name(user.attribute_name().map(str::to_owned))
        .provider_attribute_value(user.value.expose())
        .build()
}

fn source_user(identity: &ExternalIdentity) -> ProviderUserIdentifierType {
    ProviderUserIdentifierType::builder()
        .provider_name(identity.provider().as_str())
        .provider_attribute_name(identity.attribute().as_str())
        .provider_attribute_value(identity.value().expose())
        .build()
}

fn pool_facts(pool: &UserPoolType) -> PoolFacts {
    PoolFacts {
        name: pool.name().unwrap_or_default().to_owned(),
        // Absent in pools that are older than the setting; those are case-sensitive.
        case_sensitive: pool.username_configuration().is_none_or(UsernameConfigurationType::case_sensitive),
        estimated_user_count: u64::try_from(pool.estimated_number_of_users()).unwrap_or(0),
        has_pre_sign_up_trigger: pool.lambda_config().is_some_and(|triggers| triggers.pre_sign_up().is_some()),
        username_attributes: texts(pool.username_attributes(), UsernameAttributeType::as_str),
        alias_attributes: texts(pool.alias_attributes(), AliasAttributeType::as_str),
        immutable_attributes: attributes(pool, |attribute| attribute.mutable() == Some(false)),
        required_attributes: attributes(pool, |attribute| attribute.required() == Some(true)),
        admin_only_sign_up: pool
            .admin_create_user_config()
            .is_some_and(AdminCreateUserConfigType::allow_admin_create_user_only),
        feature_plan: pool.user_pool_tier().map(|plan| plan.as_str().to_owned()),
    }
}

/// The attributes of which this holds; `sub` is never changed and always there.
fn attributes(pool: &UserPoolType, holds: fn(&SchemaAttributeType) -> bool) -> BTreeSet<String> {
    let named = pool.schema_attributes().iter().filter(|attribute| holds(attribute)).filter_map(|one| one.name());
    named.filter(|name| *name != "sub").map(str::to_owned).collect()
}

fn texts<T>(items: &[T], text: fn(&T) -> &str) -> Vec<String> {
    items.iter().map(|item| text(item).to_owned()).collect()
}

pub(super) fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::identity::COGNITO_SUBJECT;
    use crate::service::in_process::IdentityBody;

    #[test]
    fn a_native_destination_goes_without_an_attribute_name() {
        let user = |provider: &str| DestinationUser {
            provider: ProviderName::parse(provider).unwrap(),
            value: Personal::from_service("alice"),
        };
        assert_eq!(destination_user(&user("Cognito")).provider_attribute_name(), None);
        assert_eq!(destination_user(&user("Facebook")).provider_attribute_name(), Some(COGNITO_SUBJECT));
        // A rehearsal sends the same.
        for user in [user("Cognito"), user("Facebook")] {
            let sent = destination_user(&user);
            let mut expected = json!({
                "ProviderName": sent.provider_name(), "ProviderAttributeValue": sent.provider_attribute_value(),
            });
            if let Some(attribute) = sent.provider_attribute_name() {
                expected["ProviderAttributeName"] = json!(attribute);
            }
            assert_eq!(serde_json::to_value(IdentityBody::from(&user)).unwrap(), expected);
        }
    }
}
