//! Somebody else who links, unlinks and links again with other tools: before, during and after each call of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use cognito_link::clock::{Clock, UnixMs, sleep};
use cognito_link::domain::identity::{Personal, ProviderName};
use cognito_link::seed::Rng;
use cognito_link::service::in_process::InProcessService;
use cognito_link::service::{
    IdentityLinker, IdentityUnlinker, LinkRequest, MappedAttributes, PoolFacts, PoolUser, PortFuture, ProviderPage,
    UnlinkRequest, UserDirectory, UserPage, UserQuery,
};
use cognito_sim::SharedAccount;
use serde_json::{Value, json};

use super::scene::{POOL, Pair, SOMEBODY_ELSE, index};

/// Between two acts of others that no call of ours calls forth.
const BACKGROUND_MS_MAX: u64 = 20_000;

/// What others do, and what is known of who did what.
pub(crate) struct Others {
    account: SharedAccount,
    shared: Mutex<Shared>,
}

struct Shared {
    rng: Rng,
    probability: f64,
    pairs: Vec<Pair>,
    /// The request ids of their calls.
    request_ids: BTreeSet<String>,
    /// When our client last asked for each user, by its own clock.
    asked: BTreeMap<String, UnixMs>,
    unlinks: Vec<SentUnlink>,
    acts: u64,
}

/// An unlink call of ours, when it was sent.
struct SentUnlink {
    value: String,
    sent: UnixMs,
    /// When our client had last asked for each user.
    asked: BTreeMap<String, UnixMs>,
}

impl Others {
    pub(crate) fn new(account: SharedAccount, seed: u64) -> Arc<Self> {
        let shared = Shared {
            rng: Rng::new(seed).fork("others"),
            probability: 0.0,
            pairs: Vec::new(),
            request_ids: BTreeSet::new(),
            asked: BTreeMap::new(),
            unlinks: Vec::new(),
            acts: 0,
        };
        Arc::new(Self { account, shared: Mutex::new(shared) })
    }

    /// Sets what they may act on, and how probable an act is at one step.
    pub(crate) fn set(&self, pairs: &[Pair], probability: f64) {
        let mut shared = self.shared.lock().unwrap();
        (shared.pairs, shared.probability) = (pairs.to_vec(), probability);
    }

    pub(crate) fn acts(&self) -> u64 {
        self.shared.lock().unwrap().acts
    }

    pub(crate) fn is_theirs(&self, request_id: &str) -> bool {
        self.shared.lock().unwrap().request_ids.contains(request_id)
    }

    /// When our client had last asked for a user when it sent the unlink call for this value at this time.
    pub(crate) fn asked_before_unlink(&self, value: &str, sent: UnixMs, username: &str) -> Option<UnixMs> {
        let shared = self.shared.lock().unwrap();
        let unlink = shared.unlinks.iter().rfind(|unlink| unlink.value == value && unlink.sent == sent)?;
        unlink.asked.get(username).copied()
    }

    fn note_unlink(&self, value: &str, sent: UnixMs) {
        let mut shared = self.shared.lock().unwrap();
        let asked = shared.asked.clone();
        shared.unlinks.push(SentUnlink { value: value.to_owned(), sent, asked });
    }

    /// Acts or not: mostly on the identity of the call that is going on.
    fn step(&self, now: UnixMs, is_near: impl Fn(&Pair) -> bool) {
        let pair = {
            let mut shared = self.shared.lock().unwrap();
            let probability = shared.probability;
            if !shared.rng.chance(probability) {
                return;
            }
            let near: Vec<Pair> = shared.pairs.iter().filter(|pair| is_near(pair)).cloned().collect();
            let from = if near.is_empty() || shared.rng.chance(0.2) { shared.pairs.clone() } else { near };
            from[index(&mut shared.rng, from.len())].clone()
        };
        self.act(now, &pair);
    }

    /// Links an identity to its user or to another, unlinks it, or does both.
    pub(crate) fn act(&self, now: UnixMs, pair: &Pair) {
        let what = {
            let mut shared = self.shared.lock().unwrap();
            shared.acts += 1;
            shared.rng.below(6)
        };
        let source = json!({
            "ProviderName": pair.provider, "ProviderAttributeName": "Cognito_Subject",
            "ProviderAttributeValue": pair.value,
        });
        let link_to = |username: &str| {
            let destination = json!({ "ProviderName": "Cognito", "ProviderAttributeValue": username });
            let body = json!({ "UserPoolId": POOL, "DestinationUser": destination, "SourceUser": source });
            self.call(now, "AdminLinkProviderForUser", &body);
        };
        if what >= 2 {
            self.call(now, "AdminDisableProviderForUser", &json!({ "UserPoolId": POOL, "User": source }));
        }
        match what {
            0 | 3 | 4 => link_to(&pair.username),
            1 | 5 => link_to(SOMEBODY_ELSE),
            _ => {}
        }
    }

    /// One call, which takes no time: its effect is there at once, and whoever made it does not wait for the answer.
    fn call(&self, now: UnixMs, operation: &str, body: &Value) {
        let events_before = self.account.with(|account| account.link_events().count());
        {
            let bytes = body.to_string();
            let call = pin!(self.account.call(now, operation, bytes.as_bytes()));
            let _ = call.poll(&mut Context::from_waker(Waker::noop()));
        }
        let new: Vec<String> = self
            .account
            .with(|account| account.link_events().skip(events_before).map(|event| event.request_id.clone()).collect());
        self.shared.lock().unwrap().request_ids.extend(new);
    }

    /// Acts for ever at moments that have nothing to do with our calls.
    pub(crate) async fn act_in_the_background(&self, clock: Clock) {
        loop {
            let wait = self.shared.lock().unwrap().rng.below(BACKGROUND_MS_MAX);
            sleep(Duration::from_millis(wait)).await;
            self.step(clock.unix_ms(), |_| true);
        }
    }

    fn note_asked(&self, username: &str, now: UnixMs) {
        self.shared.lock().unwrap().asked.insert(username.to_owned(), now);
    }
}

/// The service as our client sees it, with others who act before and after each call.
pub(crate) struct CrowdedService {
    pub(crate) inner: Arc<InProcessService>,
    pub(crate) clock: Clock,
    pub(crate) others: Arc<Others>,
}

impl CrowdedService {
    fn step_near_user(&self, username: &str) {
        self.others.step(self.clock.unix_ms(), |pair| pair.username == username);
    }

    fn step_near_identity(&self, value: &str) {
        self.others.step(self.clock.unix_ms(), |pair| pair.value == value);
    }
}

impl UserDirectory for CrowdedService {
    fn describe_pool(&self) -> PortFuture<'_, PoolFacts> {
        self.inner.describe_pool()
    }

    fn list_providers(&self, token: Option<String>) -> PortFuture<'_, ProviderPage> {
        self.inner.list_providers(token)
    }

    fn mapped_attributes(&self, provider: ProviderName) -> PortFuture<'_, MappedAttributes> {
        self.inner.mapped_attributes(provider)
    }

    fn list_users(&self, query: UserQuery) -> PortFuture<'_, UserPage> {
        Box::pin(async move {
            let username = query.filter.as_ref().map(|filter| filter.value.expose().to_owned()).unwrap_or_default();
            self.step_near_user(&username);
            self.others.note_asked(&username, self.clock.unix_ms());
            let answer = self.inner.list_users(query).await;
            self.step_near_user(&username);
            answer
        })
    }

    fn get_user(&self, username: Personal) -> PortFuture<'_, Option<PoolUser>> {
        Box::pin(async move {
            let name = username.expose().to_owned();
            self.step_near_user(&name);
            self.others.note_asked(&name, self.clock.unix_ms());
            let answer = self.inner.get_user(username).await;
            self.step_near_user(&name);
            answer
        })
    }
}

impl IdentityLinker for CrowdedService {
    fn link(&self, request: LinkRequest) -> PortFuture<'_, ()> {
        Box::pin(async move {
            let value = request.source.value().expose().to_owned();
            self.step_near_identity(&value);
            let answer = self.inner.link(request).await;
            self.step_near_identity(&value);
            answer
        })
    }
}

impl IdentityUnlinker for CrowdedService {
    fn unlink(&self, request: UnlinkRequest) -> PortFuture<'_, ()> {
        Box::pin(async move {
            let value = request.identity.value().expose().to_owned();
            self.step_near_identity(&value);
            self.others.note_unlink(&value, self.clock.unix_ms());
            let answer = self.inner.unlink(request).await;
            self.step_near_identity(&value);
            answer
        })
    }
}
