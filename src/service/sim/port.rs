//! The ports over a world in this process: no sockets, no wire, the same decisions.
//!
//! Answers take their time on tokio's clock, so a run under a paused clock takes none. Faults come out as the adapter
//! would tell them: a lost or half-written answer is a broken connection.

use std::sync::Arc;

use super::decide::{Delivery, Pending};
use super::error::ApiError;
use super::request::{Ask, LinkCall, ListCall, Page, PoolView, ProviderView, Reply, Request, UserRef};
use super::shared::SharedWorld;
use super::stats::Stats;
use super::user::UserView;
use super::world::World;
use crate::clock::{Clock, sleep};
use crate::domain::identity::{COGNITO_SUBJECT, Personal, ProviderName};
use crate::service::identities::parse_identities;
use crate::service::{
    Answer, AnswerMeta, Fault, IdentityLinker, IdentityUnlinker, LinkRequest, MappedAttributes, PoolFacts, PoolUser,
    PortFuture, ProviderFacts, ProviderPage, Transport, UnlinkRequest, UserDirectory, UserPage, UserQuery,
};

/// A simulated service for one pool.
pub struct SimService {
    world: SharedWorld,
    clock: Clock,
    pool: Option<String>,
}

impl SimService {
    /// A service for the world's first pool, by id.
    #[must_use]
    pub fn new(world: World, clock: Clock) -> Arc<Self> {
        let pool = world.pools().next().map(|pool| pool.settings().id.clone());
        Arc::new(Self { world: SharedWorld::new(world), clock, pool })
    }

    /// A service for one pool of a world that others hold too.
    #[must_use]
    pub fn sharing(world: SharedWorld, clock: Clock, pool: &str) -> Arc<Self> {
        Arc::new(Self { world, clock, pool: Some(pool.to_owned()) })
    }

    /// The world, to be looked at or changed.
    #[must_use]
    pub fn world(&self) -> &SharedWorld {
        &self.world
    }

    /// What was seen so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.world.stats()
    }

    async fn call<T>(&self, ask: Ask, read: impl FnOnce(Reply) -> Option<T> + Send) -> Result<Answer<T>, Fault> {
        let operation = ask.operation();
        let request = Request { pool: self.pool.clone(), ask };
        let (pending, in_flight) = self.world.begin(self.clock.unix_ms(), operation, Ok(request));
        if pending.delay.is_zero() {
            // Others get their turn, as they would with a socket.
            tokio::task::yield_now().await;
        } else {
            sleep(pending.delay).await;
        }
        drop(in_flight);
        delivered(pending, read)
    }
}

fn delivered<T>(pending: Pending, read: impl FnOnce(Reply) -> Option<T>) -> Result<Answer<T>, Fault> {
    if pending.delivery != Delivery::Whole {
        return Err(Fault::Transport {
            kind: Transport::Broken,
            detail: "the simulated connection closed before the answer was whole".to_owned(),
        });
    }
    let meta = AnswerMeta {
        request_id: Some(pending.request_id),
        // The `Date` header has whole seconds.
        server_unix_ms: Some(pending.answered_unix_ms.div_euclid(1_000) * 1_000),
    };
    match pending.result {
        Ok(reply) => match read(reply) {
            Some(value) => Ok(Answer { value, meta }),
            None => Err(Fault::Transport {
                kind: Transport::Unreadable,
                detail: "the simulated answer is not of the shape that was asked for".to_owned(),
            }),
        },
        Err(ApiError { status, code, message }) => {
            Err(Fault::Answered { status, code: code.to_owned(), message, retry_after: None, meta })
        }
    }
}

impl UserDirectory for SimService {
    fn describe_pool(&self) -> PortFuture<'_, PoolFacts> {
        Box::pin(self.call(Ask::DescribePool, |reply| match reply {
            Reply::Pool(pool) => Some(pool_facts(*pool)),
            _ => None,
        }))
    }

    fn list_providers(&self, token: Option<String>) -> PortFuture<'_, ProviderPage> {
        Box::pin(self.call(Ask::ListProviders { limit: None, token }, |reply| match reply {
            Reply::Providers(Page { items, next_token }) => {
                let providers = items.iter().filter_map(provider_facts).collect();
                Some(ProviderPage { providers, next_token })
            }
            _ => None,
        }))
    }

    fn mapped_attributes(&self, provider: ProviderName) -> PortFuture<'_, MappedAttributes> {
        Box::pin(self.call(Ask::DescribeProvider(Some(provider.as_str().to_owned())), |reply| match reply {
            Reply::Provider(_, described) => Some(described.mapping.into_keys().collect()),
            _ => None,
        }))
    }

    fn list_users(&self, query: UserQuery) -> PortFuture<'_, UserPage> {
        let call = ListCall {
            filter: query.filter.map(|filter| filter.to_text()),
            limit: query.limit.map(u64::from),
            token: query.token,
            attributes: None,
        };
        Box::pin(self.call(Ask::ListUsers(call), |reply| match reply {
            Reply::Users(Page { items, next_token }) => {
                Some(UserPage { users: items.iter().map(pool_user).collect(), next_token })
            }
            _ => None,
        }))
    }

    fn get_user(&self, username: Personal) -> PortFuture<'_, Option<PoolUser>> {
        let ask = Ask::GetUser(Some(username.expose().to_owned()));
        Box::pin(async move {
            let answer = self.call(ask, |reply| match reply {
                Reply::User(user) => Some(Some(pool_user(&user))),
                _ => None,
            });
            match answer.await {
                Err(Fault::Answered { code, meta, .. }) if code == "UserNotFoundException" => {
                    Ok(Answer { value: None, meta })
                }
                other => other,
            }
        })
    }
}

impl IdentityLinker for SimService {
    fn link(&self, request: LinkRequest) -> PortFuture<'_, ()> {
        let LinkRequest { destination, source } = request;
        let call = LinkCall {
            destination: Some(UserRef::new(destination.provider.as_str(), COGNITO_SUBJECT, destination.value.expose())),
            source: Some(UserRef::new(
                source.provider().as_str(),
                source.attribute().as_str(),
                source.value().expose(),
            )),
        };
        Box::pin(self.call(Ask::Link(call), |reply| matches!(reply, Reply::Done).then_some(())))
    }
}

impl IdentityUnlinker for SimService {
    fn unlink(&self, UnlinkRequest { identity }: UnlinkRequest) -> PortFuture<'_, ()> {
        let user = UserRef::new(identity.provider().as_str(), identity.attribute().as_str(), identity.value().expose());
        Box::pin(self.call(Ask::Disable(Some(user)), |reply| matches!(reply, Reply::Done).then_some(())))
    }
}

fn pool_facts(PoolView { settings, estimated_user_count }: PoolView) -> PoolFacts {
    PoolFacts {
        name: settings.name,
        case_sensitive: settings.case_sensitive,
        estimated_user_count: u64::try_from(estimated_user_count).unwrap_or(u64::MAX),
        has_pre_sign_up_trigger: settings.pre_sign_up_trigger.is_some(),
        username_attributes: settings.username_attributes,
        alias_attributes: settings.alias_attributes,
    }
}

fn provider_facts(provider: &ProviderView) -> Option<ProviderFacts> {
    Some(ProviderFacts { name: ProviderName::parse(&provider.name).ok()?, kind: provider.kind.to_owned() })
}

fn pool_user(user: &UserView) -> PoolUser {
    let attribute = |name: &str| {
        let found = user.attributes.iter().find(|(held, _)| held == name);
        found.map(|(_, value)| Personal::from_service(value))
    };
    let identities = attribute("identities");
    PoolUser {
        sub: attribute("sub"),
        email: attribute("email"),
        identities: identities.map(|text| parse_identities(text.expose())).unwrap_or_default(),
        status: user.status.to_owned(),
        enabled: user.enabled,
        username: Personal::from_service(&user.username),
    }
}

#[cfg(test)]
#[path = "port_tests.rs"]
mod tests;
