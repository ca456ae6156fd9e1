//! A simulated account: pools, quotas, latency, faults and statistics, all from one seed.
//!
//! A call is decided when it arrives: whether it passes the quota, what it does, how long its answer takes and whether
//! the answer arrives. Whoever carries the answer, a socket or a call in this process, only waits and delivers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::behavior::{Behavior, BehaviorSet};
use crate::clock::{UnixMs, sleep};
use crate::error::ApiError;
use crate::fault::{FaultKind, FaultPlan};
use crate::limits;
use crate::link_record::{HeldIdentity, LinkEvent, LinkOrigin, LinkRecord};
use crate::links::{DisabledAccess, LinkOutcome};
use crate::model::{IdentityOrigin, NATIVE_PROVIDER, PoolSettings, check_schema, uuid};
use crate::operation::{Access, Category, Operation};
use crate::pool::Pool;
use crate::quota::{OtherTenants, Quota, QuotaKeys};
use crate::random::Rng;
use crate::sign_in::{SignIn, SignedIn};
use crate::stats::{CallResult, Stats, StatsRecorder};
use crate::wire::{
    self, Call, CreatePoolCall, LimitView, LinkCall, Page, PoolView, Reply, Request, SetPasswordCall, UserRef,
    page_size, page_start,
};

const POOL_ID_REGION: &str = "sim-local-1";
const POOL_ID_CHARS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// After the Region and `_`.
const POOL_ID_LENGTH: usize = 9;
const SERVICE_CODE: &str = "cognito-idp";

/// How long answers take, skewed to the low end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    answer: RangeMs,
    refusal: RangeMs,
}

/// From and to, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RangeMs(u32, u32);

impl Latency {
    /// From 20 to 200 ms; a throttled call is answered in 10 to 40 ms.
    #[must_use]
    pub fn usual() -> Self {
        Self::between(20, 200)
    }

    /// No time at all.
    #[must_use]
    pub fn off() -> Self {
        Self { answer: RangeMs(0, 0), refusal: RangeMs(0, 0) }
    }

    /// From `min_ms` to `max_ms`, which are swapped if they are in the wrong order.
    #[must_use]
    pub fn between(min_ms: u32, max_ms: u32) -> Self {
        Self { answer: RangeMs(min_ms.min(max_ms), max_ms.max(min_ms)), refusal: RangeMs(10, 40) }
    }

    /// `min + (max - min) u²` with `u` uniform, so half of the answers take at most a quarter of the range.
    fn answer(&self, rng: &mut Rng) -> Duration {
        let part = rng.unit();
        self.answer.at(part * part)
    }

    /// The time of a refusal before any work: throttled, or not allowed.
    fn refusal(&self, rng: &mut Rng) -> Duration {
        self.refusal.at(rng.unit())
    }
}

impl RangeMs {
    /// The time at a part of the range, in whole milliseconds.
    fn at(self, part: f64) -> Duration {
        let Self(from, to) = self;
        Duration::from_secs_f64((f64::from(from) + f64::from(to - from) * part).round() / 1_000.0)
    }
}

/// One random sequence per purpose, so that a draw for one purpose does not shift another.
struct RandomStreams {
    latency: Rng,
    faults: Rng,
    texts: Rng,
    request_ids: Rng,
    pool_ids: Rng,
    tokens: Rng,
    background: Rng,
}

/// A simulated account.
pub struct Account {
    pools: BTreeMap<String, Pool>,
    quota: Quota,
    latency: Latency,
    faults: FaultPlan,
    clock_skew_ms: i64,
    behaviors: Option<BehaviorSet>,
    list_lag_ms: u64,
    random: RandomStreams,
    recorder: StatsRecorder,
    link_record: LinkRecord,
    link_calls: u32,
}

impl Default for Account {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Account {
    /// An account without pools, with the documented quotas, the usual latency and no faults.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let root = Rng::new(seed);
        Self {
            pools: BTreeMap::new(),
            quota: Quota::documented(),
            latency: Latency::usual(),
            faults: FaultPlan::none(),
            clock_skew_ms: 0,
            behaviors: None,
            list_lag_ms: 0,
            random: RandomStreams {
                latency: root.fork("latency"),
                faults: root.fork("faults"),
                texts: root.fork("texts"),
                request_ids: root.fork("request-ids"),
                pool_ids: root.fork("pool-ids"),
                tokens: root.fork("tokens"),
                background: root.fork("background"),
            },
            recorder: StatsRecorder::default(),
            link_record: LinkRecord::default(),
            link_calls: 0,
        }
    }

    /// Adds a pool, or replaces the pool with its id.
    #[must_use]
    pub fn with_pool(mut self, mut pool: Pool) -> Self {
        pool.token_secret = self.random.tokens.next_u64();
        if self.list_lag_ms > 0 {
            pool.set_list_lag_ms(self.list_lag_ms);
        }
        if let Some(behaviors) = self.behaviors {
            pool.set_behaviors(behaviors);
        }
        self.pools.insert(pool.settings().id.clone(), pool);
        self
    }

    /// Sets the quotas.
    #[must_use]
    pub fn with_quota(mut self, quota: Quota) -> Self {
        self.quota = quota;
        self
    }

    /// Sets the latency.
    #[must_use]
    pub fn with_latency(mut self, latency: Latency) -> Self {
        self.latency = latency;
        self
    }

    /// Sets the faults. Set the quota before, because the other tenants of the plan draw on it.
    #[must_use]
    pub fn with_faults(mut self, faults: FaultPlan) -> Self {
        for (category, schedule) in &faults.background {
            let tenants = OtherTenants::new(schedule.clone(), self.random.background.fork(category.name()));
            self.quota.add_tenants(*category, tenants);
        }
        if let Some(lag_ms) = faults.list_lag_ms {
            self = self.with_list_lag_ms(lag_ms);
        }
        self.faults = faults;
        self
    }

    /// Sets in what all pools, now and later, behave otherwise than by default.
    #[must_use]
    pub fn with_behaviors(mut self, behaviors: impl IntoIterator<Item = Behavior>) -> Self {
        let behaviors = behaviors.into_iter().collect();
        self.behaviors = Some(behaviors);
        for pool in self.pools.values_mut() {
            pool.set_behaviors(behaviors);
        }
        self
    }

    /// Lets `ListUsers` of all pools, now and later, show writes only after this many milliseconds.
    #[must_use]
    pub fn with_list_lag_ms(mut self, lag_ms: u64) -> Self {
        self.list_lag_ms = lag_ms;
        for pool in self.pools.values_mut() {
            pool.set_list_lag_ms(lag_ms);
        }
        self
    }

    /// Sets how many milliseconds the clock of the service is ahead of the caller's; negative if it is behind.
    #[must_use]
    pub fn with_clock_skew_ms(mut self, skew_ms: i64) -> Self {
        self.clock_skew_ms = skew_ms;
        self
    }

    /// Records what links, unlinks and deletions do: so many events, the latest. By default there is no record.
    #[must_use]
    pub fn with_link_record(mut self, events_max: usize) -> Self {
        self.link_record = LinkRecord::with_max(events_max);
        self
    }

    /// The recorded events, in their order.
    pub fn link_events(&self) -> impl Iterator<Item = &LinkEvent> {
        self.link_record.events()
    }

    /// How many events the record does not have any more.
    #[must_use]
    pub fn link_events_dropped(&self) -> u64 {
        self.link_record.dropped()
    }

    /// The identities that users of a pool hold now, in no order. An identity that a user shows but does not hold any
    /// more, as [`Behavior::MergingLinks`] leaves it on its profile, is not among them.
    pub fn held_identities(&self, pool: &str) -> impl Iterator<Item = HeldIdentity> {
        let pool = self.pools.get(pool);
        pool.into_iter().flat_map(|pool| {
            pool.held_identities().map(|(username, provider, held)| HeldIdentity {
                provider: provider.to_owned(),
                user_id: held.user_id.to_string(),
                attribute: held.link_attribute().to_owned(),
                value: held.link_value().to_owned(),
                username: username.to_owned(),
                primary: held.primary,
                created_ms: held.created_ms,
                origin: match held.origin {
                    IdentityOrigin::AtStart => LinkOrigin::AtStart,
                    IdentityOrigin::SignIn => LinkOrigin::SignIn,
                    IdentityOrigin::Call(number) => LinkOrigin::Call(self.link_record.request_id(number)),
                },
            })
        })
    }

    /// The pool with this id.
    #[must_use]
    pub fn pool(&self, id: &str) -> Option<&Pool> {
        self.pools.get(id)
    }

    /// The pool with this id, to change it behind the back of the service.
    pub fn pool_mut(&mut self, id: &str) -> Option<&mut Pool> {
        self.pools.get_mut(id)
    }

    /// The first pool by id.
    #[must_use]
    pub fn first_pool(&self) -> Option<&Pool> {
        self.pools.values().next()
    }

    /// The quotas, to change them during a run.
    pub fn quota_mut(&mut self) -> &mut Quota {
        &mut self.quota
    }

    /// What the account received so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats { background: self.quota.background(), ..self.recorder.snapshot() }
    }

    /// Signs an identity in, as [`Pool::sign_in_with`] does.
    ///
    /// # Errors
    /// As there, and `ResourceNotFoundException` for an unknown pool.
    pub fn sign_in(&mut self, now: UnixMs, pool: &str, sign_in: &SignIn) -> Result<SignedIn, ApiError> {
        let now = now.saturating_add(self.clock_skew_ms);
        self.pools.get_mut(pool).ok_or_else(|| ApiError::pool_not_found(pool))?.sign_in_with(now, sign_in)
    }
}

// How a call is decided.

/// Whether and how an answer arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    Whole,
    /// The body is cut in the middle.
    Half,
    /// The connection closes without an answer.
    Lost,
    /// The connection is reset without an answer.
    Reset,
}

/// A decided call, whose answer is on its way. No `Debug`: it may hold personal values.
pub(crate) struct PendingAnswer {
    pub(crate) delay: Duration,
    pub(crate) delivery: Delivery,
    pub(crate) result: Result<Reply, ApiError>,
    /// `x-amzn-requestid`.
    pub(crate) request_id: String,
    /// The time of the service when it answers.
    pub(crate) answered_unix_ms: UnixMs,
}

/// A call in flight, to be handed back with [`Account::finish`] once it is answered or nobody waits for it.
#[derive(Debug)]
#[must_use = "the call counts as in flight until it is finished"]
pub(crate) struct InFlightTicket {
    written_user: Option<u64>,
}

/// What a call results in, before its time.
struct CallOutcome {
    result: Result<Reply, ApiError>,
    counted_as: CallResult,
    delivery: Delivery,
}

impl CallOutcome {
    fn refused(error: ApiError) -> Self {
        Self { result: Err(error), counted_as: CallResult::Refused, delivery: Delivery::Whole }
    }
}

impl Account {
    /// Decides a call. A request that cannot be read comes with the error to answer.
    pub(crate) fn begin(
        &mut self,
        now: UnixMs,
        operation: Operation,
        request: Result<Request, ApiError>,
    ) -> (PendingAnswer, InFlightTicket) {
        let now = now.saturating_add(self.clock_skew_ms);
        let request_id = self.next_request_id();
        let keys = self.quota_keys(request.as_ref().ok());
        let fault = self.faults.next(now, operation, &mut self.random.faults);
        let (outcome, delay) = match self.rejection(now, operation, keys, fault) {
            Some(outcome) => (outcome, self.latency.refusal(&mut self.random.latency)),
            None => (self.work(now, request, fault, &request_id), self.answer_time(fault)),
        };
        self.recorder.call_arrived(now, operation, outcome.counted_as);
        let ticket = InFlightTicket { written_user: keys.user.filter(|_| operation.access() == Some(Access::Write)) };
        self.recorder.call_started(ticket.written_user);
        let CallOutcome { result, delivery, .. } = outcome;
        let answered_unix_ms = after_delay(now, delay);
        (PendingAnswer { delay, delivery, result, request_id, answered_unix_ms }, ticket)
    }

    /// Answers a call whose operation is not known, or which is not signed.
    pub(crate) fn refuse(&mut self, now: UnixMs, error: ApiError) -> PendingAnswer {
        self.recorder.unknown_call();
        let now = now.saturating_add(self.clock_skew_ms);
        let delay = self.latency.refusal(&mut self.random.latency);
        PendingAnswer {
            delay,
            delivery: Delivery::Whole,
            result: Err(error),
            request_id: self.next_request_id(),
            answered_unix_ms: after_delay(now, delay),
        }
    }

    /// Records that a call is no longer in flight.
    pub(crate) fn finish(&mut self, ticket: &InFlightTicket) {
        self.recorder.call_ended(ticket.written_user);
    }

    fn next_request_id(&mut self) -> String {
        let (high, low) = (self.random.request_ids.next_u64(), self.random.request_ids.next_u64());
        uuid(u128::from(high) << 64 | u128::from(low))
    }

    /// Credentials are checked first, then quotas; neither costs the service any work.
    fn rejection(
        &mut self,
        now: UnixMs,
        operation: Operation,
        keys: QuotaKeys,
        fault: Option<FaultKind>,
    ) -> Option<CallOutcome> {
        let unauthorized = match fault {
            Some(FaultKind::ExpiredCredentials) => Some(ApiError::expired_token()),
            Some(FaultKind::AccessDenied) => Some(ApiError::access_denied(operation.name())),
            _ => None,
        };
        if let Some(error) = unauthorized {
            self.recorder.fault();
            return Some(CallOutcome::refused(error));
        }
        let injected = fault == Some(FaultKind::Throttled);
        if !injected && self.quota.admits(now, operation, keys) {
            return None;
        }
        if injected {
            self.recorder.fault();
        }
        let error = ApiError::throttled(self.random.texts.chance(0.5));
        Some(CallOutcome { counted_as: CallResult::Throttled, ..CallOutcome::refused(error) })
    }

    fn work(
        &mut self,
        now: UnixMs,
        request: Result<Request, ApiError>,
        fault: Option<FaultKind>,
        request_id: &str,
    ) -> CallOutcome {
        if fault.is_some() {
            self.recorder.fault();
        }
        match fault {
            Some(FaultKind::ErrorBefore) => return CallOutcome::refused(ApiError::internal()),
            Some(FaultKind::LostBefore) => {
                return CallOutcome { delivery: Delivery::Lost, ..CallOutcome::refused(ApiError::internal()) };
            }
            Some(FaultKind::ResetBefore) => {
                return CallOutcome { delivery: Delivery::Reset, ..CallOutcome::refused(ApiError::internal()) };
            }
            _ => {}
        }
        let result = request.and_then(|request| self.execute(now, request, request_id));
        let counted_as = if result.is_ok() { CallResult::Accepted } else { CallResult::Refused };
        match fault {
            Some(FaultKind::ErrorAfter) => CallOutcome { counted_as, ..CallOutcome::refused(ApiError::internal()) },
            Some(FaultKind::LostAfter) => CallOutcome { result, counted_as, delivery: Delivery::Lost },
            Some(FaultKind::ResetAfter) => CallOutcome { result, counted_as, delivery: Delivery::Reset },
            Some(FaultKind::HalfWritten) => CallOutcome { result, counted_as, delivery: Delivery::Half },
            _ => CallOutcome { result, counted_as, delivery: Delivery::Whole },
        }
    }

    fn answer_time(&mut self, fault: Option<FaultKind>) -> Duration {
        let usual = self.latency.answer(&mut self.random.latency);
        match fault {
            Some(FaultKind::Slow { ms }) => usual + Duration::from_millis(ms.min(limits::SLOW_MS_MAX)),
            _ => usual,
        }
    }

    fn execute(&mut self, now: UnixMs, request: Request, request_id: &str) -> Result<Reply, ApiError> {
        match request.call {
            Call::CreatePool(call) => self.create_pool(now, *call).map(|pool| Reply::Pool(Box::new(pool))),
            Call::ListPools { limit, token } => self.list_pools(limit, token.as_deref(), request_id).map(Reply::Pools),
            Call::GetProvisionedLimit { class, category } => {
                self.provisioned_limit(class.as_deref(), category.as_deref()).map(Reply::ProvisionedLimit)
            }
            Call::GetQuota { default, service, code } => {
                self.service_quota(default, service.as_deref(), code.as_deref()).map(Reply::Quota)
            }
            call => self.execute_on_pool(now, request.pool, call, request_id),
        }
    }

    fn execute_on_pool(
        &mut self,
        now: UnixMs,
        pool: Option<String>,
        call: Call,
        request_id: &str,
    ) -> Result<Reply, ApiError> {
        let id = pool.ok_or_else(|| ApiError::null_member("userPoolId"))?;
        let pool = self.pools.get_mut(&id).ok_or_else(|| pool_missing(&id))?;
        match call {
            Call::DeletePool => {
                if pool.settings.shown.get("DeletionProtection").is_some_and(|protection| protection == "ACTIVE") {
                    return Err(ApiError::deletion_protected());
                }
                self.pools.remove(&id);
                Ok(Reply::Empty)
            }
            Call::DisableUser(username) => pool
                .disable_user(now, &username.ok_or_else(|| ApiError::null_member("username"))?)
                .map(|()| Reply::Done),
            Call::SetPassword(call) => pool.set_password(now, &call).map(|()| Reply::Done),
            Call::UpdateAttributes { username, attributes } => {
                let username = username.ok_or_else(|| ApiError::null_member("username"))?;
                pool.update_attributes(now, &username, &attributes).map(|()| Reply::Done)
            }
            Call::Link(call) => {
                self.link_calls = self.link_calls.saturating_add(1);
                pool.call_number = self.link_calls;
                let LinkOutcome { answer, effect } = pool.link(now, &call);
                if effect.is_some() {
                    self.recorder.linked(identity_hash(&id, &call));
                }
                if self.link_record.is_on() {
                    let made = effect.is_some();
                    let (username, taken_from) =
                        effect.map_or((None, None), |effect| (Some(effect.username), effect.taken_from));
                    let event = LinkEvent {
                        username,
                        taken_from,
                        made,
                        refusal: answer.as_ref().err().map(|error| error.code),
                        ..link_event(now, Operation::LinkProvider, &id, request_id, call.source.as_ref())
                    };
                    self.link_record.add(event, made.then_some(self.link_calls));
                }
                answer.map(|()| Reply::Done)
            }
            Call::Disable(user) => {
                let username = self.link_record.is_on().then(|| pool.holder_to_unlink(user.as_ref())).flatten();
                let disabled = pool.disable(now, user.as_ref());
                if self.link_record.is_on() {
                    let made = disabled.as_ref().is_ok_and(|what| *what == DisabledAccess::Link);
                    let event = LinkEvent {
                        username: username.filter(|_| made),
                        made,
                        refusal: disabled.as_ref().err().map(|error| error.code),
                        ..link_event(now, Operation::DisableProvider, &id, request_id, user.as_ref())
                    };
                    self.link_record.add(event, None);
                }
                self.recorder.disabled(disabled?);
                Ok(Reply::Done)
            }
            Call::CreateUser(call) => pool.create_user(now, &call).map(Reply::CreatedUser),
            Call::DeleteUser(username) => {
                let freed = pool.delete_user(&username.ok_or_else(|| ApiError::null_member("username"))?)?;
                let freed = if self.link_record.is_on() { freed } else { Vec::new() };
                for (username, held) in freed {
                    let event = LinkEvent {
                        username: Some(username),
                        made: true,
                        ..link_event(now, Operation::DeleteUser, &id, request_id, Some(&held))
                    };
                    self.link_record.add(event, None);
                }
                Ok(Reply::Empty)
            }
            Call::DescribeProvider(name) => {
                let name = name.ok_or_else(|| ApiError::null_member("providerName"))?;
                pool.describe_provider(&name).map(|provider| Reply::Provider(id, Box::new(provider)))
            }
            Call::CreateProvider(call) => {
                pool.create_provider(now, *call).map(|provider| Reply::Provider(id, Box::new(provider)))
            }
            Call::ListAppClients { limit, token } => {
                pool.list_app_clients(limit, token.as_deref(), request_id).map(|page| Reply::AppClients(id, page))
            }
            Call::DescribeAppClient(client) => {
                let client = client.ok_or_else(|| ApiError::null_member("clientId"))?;
                pool.describe_app_client(&client).map(|client| Reply::AppClient(id, client))
            }
            Call::GetUser(username) => {
                let username = username.ok_or_else(|| ApiError::null_member("username"))?;
                pool.get_user(&username).map(Reply::User)
            }
            Call::ListUsers(call) => pool.list_users(now, &call, request_id).map(Reply::Users),
            Call::ListProviders { limit, token } => {
                pool.list_providers(limit, token.as_deref(), request_id).map(Reply::Providers)
            }
            // `execute` has answered the calls on the account.
            _ => Ok(Reply::Pool(Box::new(pool.describe()))),
        }
    }

    fn quota_keys(&self, request: Option<&Request>) -> QuotaKeys {
        let Some(request) = request else { return QuotaKeys { pool: 0, user: None } };
        let id = request.pool.as_deref().unwrap_or_default();
        let pool = xxh3_64(id.as_bytes());
        let touched = self.pools.get(id).and_then(|pool| touched_user(pool, &request.call));
        QuotaKeys { pool, user: touched.map(|username| xxh3_64_with_seed(username.as_bytes(), pool)) }
    }
}

/// Why there is no pool of this id: it has not the form of one (service model), or is not there.
fn pool_missing(id: &str) -> ApiError {
    const MEMBER: &str = "userPoolId";
    let is_word = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    let has_form = id.rsplit_once('_').is_some_and(|(region, id)| {
        !region.is_empty()
            && region.chars().all(is_word)
            && !id.is_empty()
            && id.chars().all(|character| character.is_ascii_alphanumeric())
    });
    if id.is_empty() {
        ApiError::too_short(id, MEMBER, 1)
    } else if id.chars().count() > limits::POOL_ID_CHARS_MAX {
        ApiError::too_long(id, MEMBER, limits::POOL_ID_CHARS_MAX)
    } else if has_form {
        ApiError::pool_not_found(id)
    } else {
        ApiError::not_of_form(id, MEMBER, r"[\w-]+_[0-9a-zA-Z]+")
    }
}

/// The user name, as the pool keeps it, of the user whose profile is read or written.
fn touched_user(pool: &Pool, call: &Call) -> Option<String> {
    match call {
        Call::Link(call) => {
            let destination = call.destination.as_ref()?;
            let value = destination.value.as_deref()?;
            let provider = destination.provider.as_deref()?;
            let is_native = provider == NATIVE_PROVIDER;
            let username = if is_native { value.to_owned() } else { pool.profile_name(provider, value) };
            Some(pool.username_key(&username))
        }
        Call::Disable(user) => {
            let user = user.as_ref()?;
            let (provider, value) = (user.provider.as_deref()?, user.value.as_deref()?);
            if provider == NATIVE_PROVIDER {
                return Some(pool.username_key(value));
            }
            let holder = pool.holder(pool.provider(provider)?.0, value)?;
            pool.user(holder).map(|user| user.username.to_string())
        }
        Call::GetUser(username)
        | Call::DeleteUser(username)
        | Call::DisableUser(username)
        | Call::SetPassword(SetPasswordCall { username, .. })
        | Call::UpdateAttributes { username, .. } => Some(pool.username_key(username.as_deref()?)),
        _ => None,
    }
}

/// An event with what the call says, and no effect.
fn link_event(
    now: UnixMs,
    operation: Operation,
    pool: &str,
    request_id: &str,
    identity: Option<&UserRef>,
) -> LinkEvent {
    let text = |text: Option<&String>| text.cloned().unwrap_or_default();
    LinkEvent {
        at_ms: now,
        operation,
        request_id: request_id.to_owned(),
        pool: pool.to_owned(),
        provider: text(identity.and_then(|identity| identity.provider.as_ref())),
        attribute: text(identity.and_then(|identity| identity.attribute.as_ref())),
        value: text(identity.and_then(|identity| identity.value.as_ref())),
        username: None,
        taken_from: None,
        made: false,
        refusal: None,
    }
}

fn identity_hash(pool: &str, call: &LinkCall) -> u64 {
    let source = call.source.as_ref();
    let part = |text: Option<&String>, seed| xxh3_64_with_seed(text.map_or("", String::as_str).as_bytes(), seed);
    let provider = part(source.and_then(|source| source.provider.as_ref()), xxh3_64(pool.as_bytes()));
    part(source.and_then(|source| source.value.as_ref()), provider)
}

fn after_delay(now: UnixMs, delay: Duration) -> UnixMs {
    now.saturating_add(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX))
}

// Operations on the account itself.

impl Account {
    /// `CreateUserPool`; the id follows from the seed.
    fn create_pool(&mut self, now: UnixMs, call: CreatePoolCall) -> Result<PoolView, ApiError> {
        let name = call.name.filter(|name| !name.is_empty()).ok_or_else(|| ApiError::null_member("poolName"))?;
        if name.chars().count() > limits::USERNAME_CHARS_MAX {
            return Err(ApiError::too_long(&name, "poolName", limits::USERNAME_CHARS_MAX));
        }
        if call.schema.len() > limits::SCHEMA_ATTRIBUTES_MAX {
            return Err(ApiError::too_long("[...]", "schema", limits::SCHEMA_ATTRIBUTES_MAX));
        }
        if self.pools.len() >= limits::POOLS_MAX {
            return Err(ApiError::too_many("user pools"));
        }
        let settings = PoolSettings {
            name,
            case_sensitive: call.case_sensitive.unwrap_or(true),
            username_attributes: call.username_attributes,
            alias_attributes: call.alias_attributes,
            pre_sign_up_trigger: call.pre_sign_up_trigger,
            schema: call.schema,
            shown: call.shown,
            app_clients: None,
            created_ms: now,
            ..PoolSettings::new(&self.free_pool_id())
        };
        check_schema(&settings.schema)?;
        let mut pool = Pool::new(settings);
        pool.set_behaviors(self.behaviors.unwrap_or_default());
        pool.token_secret = self.random.tokens.next_u64();
        pool.set_list_lag_ms(self.list_lag_ms);
        let view = pool.describe();
        self.pools.insert(view.settings.id.clone(), pool);
        Ok(view)
    }

    fn free_pool_id(&mut self) -> String {
        loop {
            let mut id = format!("{POOL_ID_REGION}_");
            for _ in 0..POOL_ID_LENGTH {
                let drawn = self.random.pool_ids.below(POOL_ID_CHARS.len() as u64);
                let drawn = usize::try_from(drawn).unwrap_or(0);
                id.push(char::from(POOL_ID_CHARS[drawn]));
            }
            if !self.pools.contains_key(&id) {
                return id;
            }
        }
    }

    /// `ListUserPools`, by id.
    fn list_pools(
        &self,
        limit: Option<u64>,
        token: Option<&str>,
        request_id: &str,
    ) -> Result<Page<PoolSettings>, ApiError> {
        let limit = match limit {
            None => return Err(ApiError::null_member("maxResults")),
            Some(0) => return Err(ApiError::too_small(0, "maxResults", 1)),
            Some(limit) => page_size(Some(limit), "maxResults", limits::POOLS_PER_PAGE_MAX)?,
        };
        let start = page_start(token, request_id)?;
        let items: Vec<_> = self.pools.values().skip(start).take(limit).map(|pool| pool.settings.clone()).collect();
        Ok(Page::after(start, items, self.pools.len()))
    }

    /// `GetProvisionedLimit`. Whether the service answers for categories that cannot be raised is not known; the
    /// simulator does.
    fn provisioned_limit(&self, class: Option<&str>, category: Option<&str>) -> Result<LimitView, ApiError> {
        let class = class.ok_or_else(|| ApiError::null_member("limitDefinition.limitClass"))?;
        let category = category.ok_or_else(|| ApiError::null_member("limitDefinition.attributes"))?;
        if class != "API_CATEGORY" {
            return Err(ApiError::not_in_set(class, "limitDefinition.limitClass", &["API_CATEGORY"]));
        }
        let category = Category::by_name(category).ok_or_else(ApiError::limit_unknown)?;
        Ok(LimitView { category, per_second: self.quota.per_second(category) })
    }

    /// `GetServiceQuota` and `GetAWSDefaultServiceQuota`.
    fn service_quota(&self, default: bool, service: Option<&str>, code: Option<&str>) -> Result<LimitView, ApiError> {
        let service = service.ok_or_else(|| ApiError::null_member("serviceCode"))?;
        let code = code.ok_or_else(|| ApiError::null_member("quotaCode"))?;
        let category = Some(code).filter(|_| service == SERVICE_CODE).and_then(Category::by_quota_code);
        let category = category.ok_or_else(ApiError::quota_unknown)?;
        let per_second = if default { category.default_per_second() } else { self.quota.per_second(category) };
        Ok(LimitView { category, per_second })
    }
}

// Calls from several callers, and in this process.

/// An account that several callers share: the connections of a server, or calls in this process.
///
/// The lock is held while one call is decided, never while a caller waits.
#[derive(Clone)]
pub struct SharedAccount(Arc<Mutex<Account>>);

/// What the caller of an operation gets. Holds personal values, so it has no `Debug`.
pub enum Answer {
    /// The whole answer, which may be an error of the service.
    Complete(Response),
    /// The connection closes in the middle of the answer: the body is only the first half.
    Cut(Response),
    /// The connection closes without an answer. Whether the work was done is not known to the caller.
    Lost,
    /// The connection is reset without an answer. Whether the work was done is not known to the caller.
    Reset,
}

/// An answer as the service writes it.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(&'static str, String)>,
    /// JSON, or nothing.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header; the name is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

impl PendingAnswer {
    /// The whole answer, however much of it is delivered.
    pub(crate) fn response(&self) -> Response {
        let mut headers = vec![
            ("content-type", "application/x-amz-json-1.1".to_owned()),
            ("x-amzn-requestid", self.request_id.clone()),
        ];
        headers.extend(wire::http_date(self.answered_unix_ms).map(|date| ("date", date)));
        let mut status = 200;
        if let Err(error) = &self.result {
            status = error.status;
            headers.push(("x-amzn-errortype", format!("{}:", error.code)));
            headers.push(("x-amzn-errormessage", error.message.clone()));
        }
        Response { status, headers, body: wire::encode(&self.result) }
    }
}

impl SharedAccount {
    /// Takes an account to share.
    #[must_use]
    pub fn new(account: Account) -> Self {
        Self(Arc::new(Mutex::new(account)))
    }

    fn lock(&self) -> MutexGuard<'_, Account> {
        // A caller that panicked leaves an account whose parts are each whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads or changes the account.
    pub fn with<T>(&self, act: impl FnOnce(&mut Account) -> T) -> T {
        act(&mut self.lock())
    }

    /// What the account received so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.lock().stats()
    }

    /// Takes the account and leaves an empty one.
    #[must_use]
    pub fn take(&self) -> Account {
        std::mem::take(&mut *self.lock())
    }

    /// Calls an operation in this process: its name and JSON body in, what the wire would deliver out.
    ///
    /// The answer takes its latency on tokio's clock. The call counts as in flight until it is answered or dropped.
    /// Credentials are not needed.
    pub async fn call(&self, now: UnixMs, operation: &str, body: &[u8]) -> Answer {
        let operation = Operation::by_name(operation).ok_or_else(|| ApiError::unknown_operation(operation));
        let (pending, in_flight) = self.begin(now, operation, Ok(body));
        if pending.delay.is_zero() {
            // Other tasks get their turn, as they would with a socket.
            tokio::task::yield_now().await;
        } else {
            sleep(pending.delay).await;
        }
        drop(in_flight);
        match pending.delivery {
            Delivery::Whole => Answer::Complete(pending.response()),
            Delivery::Half => {
                let mut response = pending.response();
                response.body.truncate(response.body.len() / 2);
                Answer::Cut(response)
            }
            Delivery::Lost => Answer::Lost,
            Delivery::Reset => Answer::Reset,
        }
    }

    /// Decides a call. It counts as in flight until the second value is dropped.
    pub(crate) fn begin(
        &self,
        now: UnixMs,
        operation: Result<Operation, ApiError>,
        body: Result<&[u8], ApiError>,
    ) -> (PendingAnswer, Option<InFlight>) {
        match operation {
            Ok(operation) => {
                let request = body.and_then(|body| wire::decode(operation, body));
                let (pending, ticket) = self.lock().begin(now, operation, request);
                (pending, Some(InFlight { account: self.clone(), ticket }))
            }
            Err(error) => (self.lock().refuse(now, error), None),
        }
    }
}

/// A call in flight; dropping it ends it.
#[must_use = "the call ends when this is dropped"]
pub(crate) struct InFlight {
    account: SharedAccount,
    ticket: InFlightTicket,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.account.lock().finish(&self.ticket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_stay_in_their_range_and_are_skewed_low() {
        let mut rng = Rng::new(1);
        let mut times: Vec<_> = (0..2_001).map(|_| Latency::usual().answer(&mut rng).as_millis()).collect();
        times.sort_unstable();
        assert!(times[0] >= 20 && times[2_000] <= 200);
        assert!((60..=70).contains(&times[1_000]), "median {}", times[1_000]);
    }

    #[test]
    fn off_and_fixed_latencies_are_exact() {
        let mut rng = Rng::new(1);
        assert_eq!(Latency::off().answer(&mut rng), Duration::ZERO);
        assert_eq!(Latency::off().refusal(&mut rng), Duration::ZERO);
        assert_eq!(Latency::between(100, 100).answer(&mut rng), Duration::from_millis(100));
        assert_eq!(Latency::between(9, 5), Latency::between(5, 9));
    }
}
