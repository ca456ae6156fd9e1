//! The ports over a simulated account in this process, without a socket.
//!
//! Requests and answers are JSON, as on the wire, and are built and read here: the simulator shares no type with this
//! program, so it cannot share an assumption either. Answers take their time on tokio's clock, so a run under a paused
//! clock takes none.

use std::collections::BTreeSet;
use std::sync::Arc;

use cognito_sim::{Account, Answer as SimulatedAnswer, Response, SharedAccount};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::app_clients::{AppClientPage, AppClientReader};
use super::identities::parse_identities;
use super::permission_probe::{LinkPermissionProbe, NobodysLink};
use super::{
    Answer, AnswerMeta, CallFault, IdentityLinker, IdentityUnlinker, LinkRequest, MappedAttributes, PoolFacts,
    PoolUser, PortFuture, ProviderFacts, ProviderPage, Transport, UnlinkRequest, UserDirectory, UserPage, UserQuery,
    http_date,
};
use crate::clock::{Clock, UnixMs};
use crate::domain::identity::{DestinationUser, ExternalIdentity, Personal, ProviderName};
use crate::limits;

/// A simulated service for one pool.
pub struct InProcessService {
    pub account: SharedAccount,
    clock: Clock,
    pool: String,
}

impl InProcessService {
    /// A service for the first pool of the account, by id.
    pub fn new(account: Account, clock: Clock) -> Arc<Self> {
        let pool = account.first_pool().map(|pool| pool.settings().id.clone()).unwrap_or_default();
        Arc::new(Self { account: SharedAccount::new(account), clock, pool })
    }

    /// A service for one pool of an account that others call too.
    pub fn sharing(account: SharedAccount, clock: Clock, pool: &str) -> Arc<Self> {
        Arc::new(Self { account, clock, pool: pool.to_owned() })
    }

    async fn call<T: DeserializeOwned>(&self, operation: &str, body: impl Serialize) -> Result<Answer<T>, CallFault> {
        let unsent = |error: serde_json::Error| CallFault::Unsent { credentials: false, detail: error.to_string() };
        let body = serde_json::to_string(&body).map_err(unsent)?;
        match self.account.call(self.clock.unix_ms(), operation, body.as_bytes()).await {
            SimulatedAnswer::Complete(response) => read_response(&response),
            SimulatedAnswer::Cut(_) | SimulatedAnswer::Lost | SimulatedAnswer::Reset => Err(CallFault::Transport {
                kind: Transport::Broken,
                detail: "the simulated connection closed before the answer was whole".to_owned(),
            }),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LinkBody<'a> {
    user_pool_id: &'a str,
    destination_user: IdentityBody<'a>,
    source_user: IdentityBody<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(clippy::struct_field_names, reason = "the members of the request")]
pub(super) struct IdentityBody<'a> {
    provider_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_attribute_name: Option<&'a str>,
    provider_attribute_value: &'a str,
}

impl<'a> From<&'a ExternalIdentity> for IdentityBody<'a> {
    fn from(identity: &'a ExternalIdentity) -> Self {
        Self {
            provider_name: identity.provider().as_str(),
            provider_attribute_name: Some(identity.attribute().as_str()),
            provider_attribute_value: identity.value().expose(),
        }
    }
}

impl<'a> From<&'a DestinationUser> for IdentityBody<'a> {
    fn from(user: &'a DestinationUser) -> Self {
        Self {
            provider_name: user.provider.as_str(),
            provider_attribute_name: user.attribute_name(),
            provider_attribute_value: user.value.expose(),
        }
    }
}

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(rename = "__type")]
    code: String,
    #[serde(default)]
    message: String,
}

fn read_response<T: DeserializeOwned>(response: &Response) -> Result<Answer<T>, CallFault> {
    let unreadable = |error: serde_json::Error| CallFault::Transport {
        kind: Transport::Unreadable,
        // The text of the error may quote a value of the answer.
        detail: format!("the simulated answer is not of the expected shape, at column {}", error.column()),
    };
    let meta = AnswerMeta {
        request_id: response.header("x-amzn-requestid").map(str::to_owned),
        server_unix_ms: response.header("date").and_then(http_date),
        from_simulator: true,
    };
    if response.status == 200 {
        let value = serde_json::from_slice(&response.body).map_err(unreadable)?;
        return Ok(Answer { value, meta });
    }
    let ErrorBody { code, message } = serde_json::from_slice(&response.body).map_err(unreadable)?;
    Err(CallFault::Answered { status: response.status, code, message, retry_after: None, meta })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListUsersBody {
    users: Vec<UserBody>,
    pagination_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UserBody {
    username: String,
    /// `AdminGetUser` names this member differently.
    #[serde(alias = "UserAttributes", default)]
    attributes: Vec<AttributeBody>,
    user_status: String,
    enabled: bool,
    user_create_date: Option<f64>,
    user_last_modified_date: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AttributeBody {
    name: String,
    #[serde(default)]
    value: String,
}

fn pool_facts(pool: &Value) -> PoolFacts {
    PoolFacts {
        name: text_of(&pool["Name"]),
        case_sensitive: pool["UsernameConfiguration"]["CaseSensitive"].as_bool().unwrap_or(true),
        estimated_user_count: pool["EstimatedNumberOfUsers"].as_u64().unwrap_or_default(),
        has_pre_sign_up_trigger: pool["LambdaConfig"]["PreSignUp"].is_string(),
        username_attributes: items_of(&pool["UsernameAttributes"]).map(text_of).collect(),
        alias_attributes: items_of(&pool["AliasAttributes"]).map(text_of).collect(),
        immutable_attributes: attributes_with(pool, "Mutable", false),
        required_attributes: attributes_with(pool, "Required", true),
        admin_only_sign_up: pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"].as_bool().unwrap_or(false),
        feature_plan: pool["UserPoolTier"].as_str().map(str::to_owned),
    }
}

/// The attributes besides `sub` of which a member has this value.
fn attributes_with(pool: &Value, member: &str, value: bool) -> BTreeSet<String> {
    let named = items_of(&pool["SchemaAttributes"]).filter(|attribute| attribute[member] == value);
    named.map(|attribute| text_of(&attribute["Name"])).filter(|name| name != "sub").collect()
}

/// Seconds with fractions, as the service writes dates.
#[expect(clippy::cast_possible_truncation, reason = "dates of this century; `as` saturates")]
fn milliseconds(seconds: f64) -> UnixMs {
    (seconds * 1_000.0).round() as UnixMs
}

/// The items of a list; none where it is absent.
fn items_of(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl From<UserBody> for PoolUser {
    fn from(user: UserBody) -> Self {
        let attribute = |name: &str| {
            user.attributes.iter().find(|attribute| attribute.name == name).map(|attribute| attribute.value.as_str())
        };
        Self {
            username: Personal::from_service(&user.username),
            sub: attribute("sub").map(Personal::from_service),
            email: attribute("email").map(Personal::from_service),
            email_verified: attribute("email_verified") == Some("true"),
            phone: attribute("phone_number").map(Personal::from_service),
            phone_verified: attribute("phone_number_verified") == Some("true"),
            preferred_username: attribute("preferred_username").map(Personal::from_service),
            identities: attribute("identities").map(parse_identities).unwrap_or_default(),
            status: user.user_status.clone(),
            enabled: user.enabled,
            created_unix_ms: user.user_create_date.map(milliseconds),
            modified_unix_ms: user.user_last_modified_date.map(milliseconds),
        }
    }
}

impl UserDirectory for InProcessService {
    fn describe_pool(&self) -> PortFuture<'_, PoolFacts> {
        Box::pin(async move {
            let body = json!({ "UserPoolId": self.pool });
            let Answer { value, meta } = self.call::<Value>("DescribeUserPool", body).await?;
            Ok(Answer { value: pool_facts(&value["UserPool"]), meta })
        })
    }

    fn list_providers(&self, token: Option<String>) -> PortFuture<'_, ProviderPage> {
        Box::pin(async move {
            let body =
                json!({ "UserPoolId": self.pool, "MaxResults": limits::PROVIDERS_PER_PAGE_MAX, "NextToken": token });
            let Answer { value, meta } = self.call::<Value>("ListIdentityProviders", body).await?;
            let providers = items_of(&value["Providers"]).filter_map(|provider| {
                let name = ProviderName::parse(provider["ProviderName"].as_str()?).ok()?;
                Some(ProviderFacts { name, kind: text_of(&provider["ProviderType"]) })
            });
            let next_token = value["NextToken"].as_str().map(str::to_owned);
            Ok(Answer { value: ProviderPage { providers: providers.collect(), next_token }, meta })
        })
    }

    fn mapped_attributes(&self, provider: ProviderName) -> PortFuture<'_, MappedAttributes> {
        Box::pin(async move {
            let body = json!({ "UserPoolId": self.pool, "ProviderName": provider.as_str() });
            let Answer { value, meta } = self.call::<Value>("DescribeIdentityProvider", body).await?;
            let mapping = value["IdentityProvider"]["AttributeMapping"].as_object();
            Ok(Answer { value: mapping.into_iter().flat_map(Map::keys).cloned().collect(), meta })
        })
    }

    fn list_users(&self, query: UserQuery) -> PortFuture<'_, UserPage> {
        Box::pin(async move {
            let filter = query.filter.map(|filter| filter.to_text());
            let body = json!({
                "UserPoolId": self.pool, "Filter": filter, "Limit": query.limit, "PaginationToken": query.token,
            });
            let Answer { value, meta } = self.call::<ListUsersBody>("ListUsers", body).await?;
            let users = value.users.into_iter().map(PoolUser::from).collect();
            Ok(Answer { value: UserPage { users, next_token: value.pagination_token }, meta })
        })
    }

    fn get_user(&self, username: Personal) -> PortFuture<'_, Option<PoolUser>> {
        Box::pin(async move {
            let body = json!({ "UserPoolId": self.pool, "Username": username.expose() });
            match self.call::<UserBody>("AdminGetUser", body).await {
                Ok(Answer { value, meta }) => Ok(Answer { value: Some(value.into()), meta }),
                Err(CallFault::Answered { code, meta, .. }) if code == "UserNotFoundException" => {
                    Ok(Answer { value: None, meta })
                }
                Err(fault) => Err(fault),
            }
        })
    }
}

impl IdentityLinker for InProcessService {
    fn link(&self, LinkRequest { destination, source }: LinkRequest) -> PortFuture<'_, ()> {
        Box::pin(async move {
            let body = LinkBody {
                user_pool_id: &self.pool,
                destination_user: IdentityBody::from(&destination),
                source_user: IdentityBody::from(&source),
            };
            let answer = self.call::<IgnoredAny>("AdminLinkProviderForUser", body).await?;
            Ok(Answer { value: (), meta: answer.meta })
        })
    }
}

impl AppClientReader for InProcessService {
    fn list_app_clients(&self, token: Option<String>) -> PortFuture<'_, AppClientPage> {
        Box::pin(async move {
            let body =
                json!({ "UserPoolId": self.pool, "MaxResults": limits::APP_CLIENTS_PER_PAGE_MAX, "NextToken": token });
            let Answer { value, meta } = self.call::<Value>("ListUserPoolClients", body).await?;
            let ids = items_of(&value["UserPoolClients"]).map(|client| text_of(&client["ClientId"])).collect();
            let next_token = value["NextToken"].as_str().map(str::to_owned);
            Ok(Answer { value: AppClientPage { ids, next_token }, meta })
        })
    }

    fn offered_providers(&self, id: String) -> PortFuture<'_, BTreeSet<String>> {
        Box::pin(async move {
            let body = json!({ "UserPoolId": self.pool, "ClientId": id });
            let Answer { value, meta } = self.call::<Value>("DescribeUserPoolClient", body).await?;
            let offered = items_of(&value["UserPoolClient"]["SupportedIdentityProviders"]).map(text_of);
            Ok(Answer { value: offered.collect(), meta })
        })
    }
}

impl LinkPermissionProbe for InProcessService {
    fn attempt(&self, link: NobodysLink) -> PortFuture<'_, ()> {
        Box::pin(async move {
            let body = json!({
                "UserPoolId": self.pool,
                "DestinationUser": { "ProviderName": "Cognito", "ProviderAttributeValue": link.username() },
                "SourceUser": {
                    "ProviderName": link.provider(), "ProviderAttributeName": "Cognito_Subject",
                    "ProviderAttributeValue": link.user_id(),
                },
            });
            let answer = self.call::<IgnoredAny>("AdminLinkProviderForUser", body).await?;
            Ok(Answer { value: (), meta: answer.meta })
        })
    }
}

impl IdentityUnlinker for InProcessService {
    fn unlink(&self, UnlinkRequest { identity }: UnlinkRequest) -> PortFuture<'_, ()> {
        Box::pin(async move {
            let body = json!({ "UserPoolId": self.pool, "User": IdentityBody::from(&identity) });
            let answer = self.call::<IgnoredAny>("AdminDisableProviderForUser", body).await?;
            Ok(Answer { value: (), meta: answer.meta })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cognito_sim::{
        FaultKind, FaultPlan, FaultRule, FaultTrigger, Latency, NewIdentity, NewUser, Operation, Pool, PoolSettings,
        Provider, ProviderKind, Quota,
    };

    use super::*;
    use crate::domain::identity::AttributeName;
    use crate::service::UserFilter;

    fn example() -> Pool {
        let mut pool = Pool::new(PoolSettings::new("sim-local-1_Example01"));
        for provider in [
            Provider::new("Google", ProviderKind::Google, 0),
            Provider::new("Okta", ProviderKind::Oidc, 0).mapping("email", "email"),
            Provider::new("Corp", ProviderKind::Saml, 0),
            Provider::new("Facebook", ProviderKind::Facebook, 0),
        ] {
            pool.add_provider(provider).unwrap();
        }
        for user in [
            NewUser::named("alice").with_verified_email("alice@example.com"),
            NewUser::named("bob")
                .with_verified_email("bob@example.com")
                .with_identity(NewIdentity::linked("Google", "1001")),
            NewUser::named(r#"o"br\ien"#),
            NewUser::named("carol"),
        ] {
            pool.add_user(user).unwrap();
        }
        pool
    }

    fn request(username: &str, provider: &str, id: &str) -> LinkRequest {
        LinkRequest {
            destination: DestinationUser {
                provider: ProviderName::parse("Cognito").unwrap(),
                value: Personal::from_service(username),
            },
            source: ExternalIdentity::new(
                ProviderName::parse(provider).unwrap(),
                AttributeName::subject(),
                Personal::from_service(id),
            )
            .unwrap(),
        }
    }

    fn service(faults: FaultPlan) -> Arc<InProcessService> {
        let account = Account::new(1)
            .with_pool(example())
            .with_quota(Quota::off())
            .with_latency(Latency::between(100, 100))
            .with_faults(faults);
        InProcessService::new(account, Clock::starting_at(1_700_000_000_000))
    }

    #[tokio::test(start_paused = true)]
    async fn calls_take_virtual_time_only() {
        let service = service(FaultPlan::none());
        let before = service.clock.now();
        for n in 0..100 {
            let answer = service.link(request("alice", "Google", &format!("x{n}"))).await;
            assert_eq!(answer.is_ok(), n < 5);
        }
        assert_eq!(service.clock.now().duration_since(before), Duration::from_secs(10));
        assert_eq!(service.account.stats().of(Operation::LinkProvider).calls, 100);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_carry_what_the_sdk_adapter_reads() {
        let service = service(FaultPlan::none());
        let linked = service.link(request("alice", "Google", "1")).await.unwrap();
        assert_eq!(linked.meta.server_unix_ms, Some(1_700_000_000_000));
        assert_eq!(linked.meta.request_id.map(|id| id.len()), Some(36));
        let alice = service.get_user(Personal::from_service("alice")).await.unwrap().value.unwrap();
        assert_eq!(alice.identities.len(), 1);
        assert_eq!(alice.identities[0].created_unix_ms, Some(1_700_000_000_000));
        assert!(alice.email.is_some() && alice.enabled && !alice.is_federated());
        assert_eq!(service.get_user(Personal::from_service("nobody")).await.unwrap().value, None);
        let again = service.link(request("alice", "Google", "1")).await.unwrap_err();
        assert_eq!(
            (again.code(), again.message()),
            ("InvalidParameterException", "SourceUser is already linked to DestinationUser")
        );
        let identity = request("alice", "Google", "1").source;
        assert!(service.unlink(UnlinkRequest { identity }).await.is_ok());
        assert_eq!(service.account.stats().links_removed, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_directory_reads_pool_providers_and_users() {
        let service = service(FaultPlan::none());
        let pool = service.describe_pool().await.unwrap().value;
        assert_eq!((pool.estimated_user_count, pool.case_sensitive), (4, true));
        let providers = service.list_providers(None).await.unwrap().value;
        assert_eq!(
            providers.providers.iter().map(|p| p.kind.as_str()).collect::<Vec<_>>(),
            ["Google", "OIDC", "SAML", "Facebook"]
        );
        let mapped = service.mapped_attributes(ProviderName::parse("Okta").unwrap()).await.unwrap().value;
        assert!(mapped.contains("email"));
        let found = async |attribute: &'static str, value: &str| {
            let filter = UserFilter { attribute, prefix: false, value: Personal::from_service(value) };
            let page = service.list_users(UserQuery { filter: Some(filter), ..UserQuery::default() }).await;
            let users = page.unwrap().value.users;
            users.iter().map(|user| user.username.expose().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(found("email", "BOB@example.com").await, ["bob"]);
        assert_eq!(found("username", r#"o"br\ien"#).await, [r#"o"br\ien"#], "quotes and backslashes are escaped");
        let page = service.list_users(UserQuery { limit: Some(3), ..UserQuery::default() }).await.unwrap().value;
        let rest = UserQuery { token: page.next_token, ..UserQuery::default() };
        assert_eq!(page.users.len() + service.list_users(rest).await.unwrap().value.users.len(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn faults_are_those_of_the_sdk_adapter() {
        let faults = FaultPlan::none()
            .with(FaultRule::new(FaultKind::LostAfter, FaultTrigger::Calls(1..=1)))
            .with(FaultRule::new(FaultKind::HalfWritten, FaultTrigger::Calls(2..=2)))
            .with(FaultRule::new(FaultKind::ErrorAfter, FaultTrigger::Calls(3..=3)))
            .with(FaultRule::new(FaultKind::Slow { ms: 60_000 }, FaultTrigger::Calls(4..=4)));
        let service = service(faults);
        let mut codes = Vec::new();
        for id in ["1", "2", "3"] {
            codes.push(service.link(request("alice", "Google", id)).await.unwrap_err().code().to_owned());
        }
        assert_eq!(codes, ["connection_broken", "connection_broken", "InternalErrorException"]);
        let link = service.link(request("alice", "Google", "4"));
        let deadline = service.clock.now() + Duration::from_secs(15);
        assert!(crate::clock::timeout_at(deadline, link).await.is_err(), "the caller gives up first");
        let stats = service.account.stats();
        assert_eq!((stats.in_flight, stats.links_made), (0, 4), "a call that is given up is not in flight");
    }
}
