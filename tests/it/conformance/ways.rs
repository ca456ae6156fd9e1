//! Three ways to ask the same: the pure pool, the ports in this process, the SDK on a socket.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use cognito_link::clock::Clock;
use cognito_link::domain::identity::{
    AttributeName, DestinationUser, ExternalIdentity, IdentityError, Personal, PoolId, ProviderName,
};
use cognito_link::service::cognito::{Cognito, Target};
use cognito_link::service::sim::latency::Latency;
use cognito_link::service::sim::quota::Quota;
use cognito_link::service::sim::request::{Ask, Operation, Reply};
use cognito_link::service::sim::{ApiError, Pool, Server, SharedWorld, SimService, World, api};
use cognito_link::service::{Fault, IdentityLinker, LinkRequest, UserDirectory, UserFilter, UserQuery};
use serde_json::{Value, json};

use super::cases::POOL;

mod sdk;

/// What a success shows, or the class and text of an error.
pub(crate) type Answer = Result<Value, (String, String)>;

const NOW: i64 = 1_700_000_000_000;

fn calm(pool: Pool) -> World {
    World::new(1).with_pool(pool).with_quota(Quota::off()).with_latency(Latency::off())
}

fn operation(name: &str) -> Operation {
    Operation::by_name(name).unwrap()
}

/// What of an answer must be the same in every way, out of the service's JSON.
fn shown(reply: Result<Reply, ApiError>) -> Answer {
    let reply = reply.map_err(|error| (error.code.to_owned(), error.message))?;
    let body: Value = match api::encode(&Ok(reply.clone())) {
        empty if empty.is_empty() => Value::Null,
        body => serde_json::from_slice(&body).unwrap(),
    };
    Ok(match reply {
        Reply::Done | Reply::Empty => Value::Null,
        Reply::User(_) => user(&body, "UserAttributes"),
        Reply::CreatedUser(_) => user(&body["User"], "Attributes"),
        Reply::Users(_) => {
            let names: Vec<_> = body["Users"].as_array().unwrap().iter().map(|user| &user["Username"]).collect();
            json!({ "usernames": names, "more": body.get("PaginationToken").is_some() })
        }
        Reply::Pool(_) => {
            let pool = &body["UserPool"];
            let case_sensitive = &pool["UsernameConfiguration"]["CaseSensitive"];
            json!({ "name": pool["Name"], "case_sensitive": case_sensitive, "users": pool["EstimatedNumberOfUsers"] })
        }
        Reply::Pools(_) => body["UserPools"].as_array().unwrap().iter().map(|pool| pool["Name"].clone()).collect(),
        Reply::Providers(_) => {
            let shown = |provider: &Value| json!([provider["ProviderName"], provider["ProviderType"]]);
            body["Providers"].as_array().unwrap().iter().map(shown).collect()
        }
        Reply::Provider(..) => {
            let provider = &body["IdentityProvider"];
            let secret = provider["ProviderDetails"].get("client_secret").is_some();
            json!({
                "name": provider["ProviderName"], "type": provider["ProviderType"],
                "mapping": provider["AttributeMapping"], "secret": secret,
            })
        }
        Reply::ProvisionedLimit(_) => {
            let limit = &body["Limit"];
            let category = &limit["LimitDefinition"]["Attributes"]["Category"];
            json!([category, limit["ProvisionedLimitValue"], limit["FreeLimitValue"]])
        }
        Reply::Quota(_) => body["Quota"]["Value"].clone(),
    })
}

fn user(user: &Value, attributes: &str) -> Value {
    let attributes = user[attributes].as_array().unwrap();
    let text = attributes.iter().find(|held| held["Name"] == "identities").and_then(|held| held["Value"].as_str());
    let identities: Value = text.map_or_else(|| json!([]), |text| serde_json::from_str(text).unwrap());
    let shown = |held: &Value| json!([held["providerName"], held["userId"], held["primary"]]);
    let identities: Value = identities.as_array().unwrap().iter().map(shown).collect();
    json!({ "username": user["Username"], "status": user["UserStatus"], "identities": identities })
}

/// The state machine alone. What is asked of the account, or of another pool, goes to a world of its own.
pub(crate) struct Pure {
    pool: Pool,
    account: World,
}

impl Pure {
    pub(crate) fn new(pool: Pool) -> Self {
        let account = World::new(1).with_pool(copy(&pool));
        Self { pool, account }
    }

    pub(crate) fn ask(&mut self, name: &str, body: &Value) -> Answer {
        let request =
            api::decode(operation(name), body.to_string().as_bytes()).map_err(|e| (e.code.to_owned(), e.message))?;
        let pool = &mut self.pool;
        if request.pool.as_deref() != Some(POOL) {
            return shown(self.account.begin(NOW, operation(name), Ok(request)).0.result);
        }
        shown(match request.ask {
            Ask::Link(call) => pool.link(NOW, &call).map(|()| Reply::Done),
            Ask::Disable(user) => pool.disable(NOW, user.as_ref()).map(|_| Reply::Done),
            Ask::GetUser(name) => pool.get_user(&name.unwrap()).map(Reply::User),
            Ask::ListUsers(call) => pool.list_users(NOW, &call, "some-request").map(Reply::Users),
            Ask::CreateUser(call) => pool.create_user(NOW, &call).map(Reply::CreatedUser),
            Ask::DeleteUser(name) => pool.delete_user(&name.unwrap()).map(|()| Reply::Empty),
            Ask::DescribePool => Ok(Reply::Pool(Box::new(pool.describe()))),
            Ask::ListProviders { limit, token } => {
                pool.list_providers(limit, token.as_deref(), "some-request").map(Reply::Providers)
            }
            Ask::DescribeProvider(name) => pool
                .describe_provider(&name.unwrap())
                .map(|provider| Reply::Provider(POOL.to_owned(), Box::new(provider))),
            Ask::CreateProvider(call) => {
                pool.create_provider(NOW, *call).map(|provider| Reply::Provider(POOL.to_owned(), Box::new(provider)))
            }
            _ => unreachable!("{name} asks the account, and names no pool"),
        })
    }
}

fn copy(pool: &Pool) -> Pool {
    use cognito_link::service::sim::pool_file;
    let mut text = Vec::new();
    pool_file::write(&mut text, pool).unwrap();
    pool_file::read(text.as_slice()).unwrap()
}

/// A link as the rest of the program names it; not every request that the service may get can be one.
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

/// Asks through the ports what they can ask; `None` for the rest.
async fn ask_ports(
    directory: &dyn UserDirectory,
    linker: &dyn IdentityLinker,
    name: &str,
    body: &Value,
) -> Option<Result<Value, Fault>> {
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

fn told(result: Result<Value, Fault>) -> Answer {
    result.map_err(|fault| (fault.code().to_owned(), fault.message().to_owned()))
}

/// The ports over a world in this process; what they cannot ask goes to that world.
pub(crate) struct InProcess {
    service: Arc<SimService>,
    world: SharedWorld,
}

impl InProcess {
    pub(crate) fn new(pool: Pool) -> Self {
        let world = SharedWorld::new(calm(pool));
        let service = SimService::sharing(world.clone(), Clock::starting_at(NOW), POOL);
        Self { service, world }
    }

    pub(crate) async fn ask(&mut self, name: &str, body: &Value) -> Answer {
        if let Some(answer) = ask_ports(self.service.as_ref(), self.service.as_ref(), name, body).await {
            return told(answer);
        }
        let request = api::decode(operation(name), body.to_string().as_bytes());
        let (pending, _in_flight) = self.world.begin(NOW, operation(name), request);
        shown(pending.result)
    }
}

/// A server on loopback, asked through the adapter and, for what that cannot ask, through the SDK's client.
pub(crate) struct OnSocket {
    server: Server,
    client: aws_sdk_cognitoidentityprovider::Client,
}

impl OnSocket {
    pub(crate) fn new(pool: Pool) -> Self {
        let server = Server::start(calm(pool), SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let client = sdk::client(&format!("http://{}", server.address()));
        Self { server, client }
    }

    pub(crate) async fn ask(&self, name: &str, body: &Value) -> Answer {
        let target = Target::Simulator { endpoint_url: format!("http://{}", self.server.address()) };
        let cognito = Cognito::connect(&target, "sim-local-1", PoolId::parse(POOL).unwrap()).await.unwrap();
        match ask_ports(cognito.directory().as_ref(), cognito.linker().as_ref(), name, body).await {
            Some(answer) => told(answer),
            None => sdk::ask(&self.client, &self.server.address().to_string(), name, body).await,
        }
    }
}
