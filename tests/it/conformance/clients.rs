//! Two clients of the simulator: our adapter in this process, and our adapter with the SDK on a socket.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use cognito_link::clock::Clock;
use cognito_link::domain::identity::{
    AttributeName, DestinationUser, ExternalIdentity, IdentityError, Personal, PoolId, ProviderName,
};
use cognito_link::service::cognito::{Cognito, ConnectionTarget};
use cognito_link::service::in_process::InProcessService;
use cognito_link::service::{CallFault, IdentityLinker, LinkRequest, UserDirectory, UserFilter, UserQuery};
use cognito_sim::{Account, Answer, Latency, Pool, Quota, Server};
use serde_json::{Value, json};

use super::sdk;
use super::table::{POOL, summary};

/// The summary of a success, or class and text of an error.
pub(crate) type Outcome = Result<Value, (String, String)>;

const NOW: i64 = 1_700_000_000_000;

fn quiet_account(pool: Pool) -> Account {
    Account::new(1).with_pool(pool).with_quota(Quota::off()).with_latency(Latency::off())
}

/// A link as this program names it; not every request that the service may get can be one.
pub(crate) fn link_request(body: &Value) -> Option<LinkRequest> {
    let text = |user: &str, member: &str| body[user][member].as_str();
    let personal = |text: &str| Personal::parse(text, 2_048);
    let source = || -> Option<Result<ExternalIdentity, IdentityError>> {
        let provider = ProviderName::parse(text("SourceUser", "ProviderName")?).ok()?;
        let attribute = AttributeName::parse(text("SourceUser", "ProviderAttributeName")?).ok()?;
        let value = personal(text("SourceUser", "ProviderAttributeValue")?).ok()?;
        Some(ExternalIdentity::new(provider, attribute, value))
    };
    let destination = DestinationUser {
        provider: ProviderName::parse(text("DestinationUser", "ProviderName")?).ok()?,
        value: personal(text("DestinationUser", "ProviderAttributeValue")?).ok()?,
    };
    (body["UserPoolId"] == POOL).then_some(())?;
    Some(LinkRequest { destination, source: source()?.ok()? })
}

fn query(body: &Value) -> Option<UserQuery> {
    let filter = match body["Filter"].as_str() {
        None => None,
        Some(text) => {
            let (attribute, value) = text.split_once(" = ")?;
            let attribute = ["email", "username"].into_iter().find(|known| *known == attribute)?;
            Some(UserFilter { attribute, prefix: false, value: Personal::from_service(value.trim_matches('"')) })
        }
    };
    let limit = body["Limit"].as_u64().map(|limit| u32::try_from(limit).unwrap());
    let asks_for_less = ["AttributesToGet", "PaginationToken"].iter().any(|member| body.get(*member).is_some());
    let limit_fits = body.get("Limit").is_none_or(Value::is_u64);
    (!asks_for_less && limit_fits).then_some(UserQuery { filter, limit, token: None })
}

/// Calls through the ports what they can call; `None` for the rest.
async fn call_ports(
    directory: &dyn UserDirectory,
    linker: &dyn IdentityLinker,
    name: &str,
    body: &Value,
) -> Option<Result<Value, CallFault>> {
    Some(match name {
        "AdminLinkProviderForUser" => linker.link(link_request(body)?).await.map(|_| Value::Null),
        "DescribeUserPool" => directory.describe_pool().await.map(|answer| {
            let pool = answer.value;
            json!({ "name": pool.name, "case_sensitive": pool.case_sensitive, "users": pool.estimated_user_count })
        }),
        "ListIdentityProviders" => directory.list_providers(None).await.map(|answer| {
            answer.value.providers.iter().map(|provider| json!([provider.name.as_str(), provider.kind])).collect()
        }),
        "ListUsers" => directory.list_users(query(body)?).await.map(|answer| {
            let names: Vec<_> = answer.value.users.iter().map(|user| user.username.expose()).collect();
            json!({ "usernames": names, "more": answer.value.next_token.is_some() })
        }),
        "AdminGetUser" => {
            let username = Personal::from_service(body["Username"].as_str()?);
            directory.get_user(username).await.map(|answer| {
                let user = answer.value.unwrap();
                let shown = |held: &cognito_link::service::LinkedIdentity| {
                    json!([held.provider_name, held.user_id.expose(), held.primary])
                };
                let identities: Vec<_> = user.identities.iter().map(shown).collect();
                json!({ "username": user.username.expose(), "status": user.status, "identities": identities })
            })
        }
        _ => return None,
    })
}

fn outcome(result: Result<Value, CallFault>) -> Outcome {
    result.map_err(|fault| (fault.code().to_owned(), fault.message().to_owned()))
}

/// The adapter in this process; what the ports cannot call goes to its account as JSON.
pub(crate) struct InProcess {
    service: Arc<InProcessService>,
}

impl InProcess {
    pub(crate) fn new(pool: Pool) -> Self {
        Self { service: InProcessService::new(quiet_account(pool), Clock::starting_at(NOW)) }
    }

    pub(crate) async fn call(&self, name: &str, body: &Value) -> Outcome {
        if let Some(answer) = call_ports(self.service.as_ref(), self.service.as_ref(), name, body).await {
            return outcome(answer);
        }
        let Answer::Complete(response) = self.service.account.call(NOW, name, body.to_string().as_bytes()).await else {
            unreachable!("no fault was ordered")
        };
        let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let text = |member: &str| body[member].as_str().unwrap_or_default().to_owned();
        if response.status == 200 { Ok(summary(name, &body)) } else { Err((text("__type"), text("message"))) }
    }
}

/// A server on loopback, called through the adapter and, for what that cannot call, through the client of the SDK.
pub(crate) struct OnSocket {
    server: Server,
    client: aws_sdk_cognitoidentityprovider::Client,
}

impl OnSocket {
    pub(crate) fn new(pool: Pool) -> Self {
        let server = Server::start(quiet_account(pool), SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let client = sdk::client(&format!("http://{}", server.address()));
        Self { server, client }
    }

    pub(crate) async fn call(&self, name: &str, body: &Value) -> Outcome {
        let target = ConnectionTarget::Simulator {
            endpoint_url: format!("http://{}", self.server.address()),
            access_key: "SIMULATED".to_owned(),
        };
        let cognito = Cognito::connect(&target, "sim-local-1", PoolId::parse(POOL).unwrap()).await.unwrap();
        match call_ports(cognito.directory().as_ref(), cognito.linker().as_ref(), name, body).await {
            Some(answer) => outcome(answer),
            None => sdk::call(&self.client, &self.server.address().to_string(), name, body).await,
        }
    }
}
