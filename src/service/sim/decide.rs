//! What becomes of a call. It is decided at its arrival: whether it is let through, what it does, how long its answer
//! takes and whether it arrives. Who carries the answer (a socket, a port) only waits and delivers.

use std::time::Duration;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::error::ApiError;
use super::fault::FaultKind;
use super::pool::Pool;
use super::quota::Drawn;
use super::request::{Access, Ask, LinkCall, Operation, Reply, Request};
use super::stats::Seen;
use super::user::uuid;
use super::world::World;
use crate::clock::UnixMs;
use crate::domain::identity::{NATIVE_PROVIDER, profile_username};
use crate::limits;

/// Whether and how an answer arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// In full.
    Whole,
    /// Cut in the middle.
    Half,
    /// Not at all: the connection closes.
    Lost,
    /// Not at all: the connection is reset.
    Reset,
}

/// A decided call, whose answer is on its way. No `Debug`: it may hold personal values.
pub struct Pending {
    /// How long the answer takes.
    pub delay: Duration,
    /// Whether it arrives.
    pub delivery: Delivery,
    /// What it says.
    pub result: Result<Reply, ApiError>,
    /// `x-amzn-requestid`.
    pub request_id: String,
    /// The service's time when it answers.
    pub answered_unix_ms: UnixMs,
}

/// A call in flight, to be handed back with [`World::finish`] once it is answered or nobody waits for it.
#[derive(Debug)]
#[must_use = "the call counts as in flight until it is finished"]
pub struct Ticket {
    written_user: Option<u64>,
}

/// What a call comes to, before its time.
struct Outcome {
    result: Result<Reply, ApiError>,
    seen: Seen,
    delivery: Delivery,
}

impl Outcome {
    fn refused(error: ApiError) -> Self {
        Self { result: Err(error), seen: Seen::Refused, delivery: Delivery::Whole }
    }
}

impl World {
    /// Decides a call; a request that could not be read comes with what is to be said of it.
    pub fn begin(
        &mut self,
        now: UnixMs,
        operation: Operation,
        request: Result<Request, ApiError>,
    ) -> (Pending, Ticket) {
        let now = now.saturating_add(self.clock_skew_ms);
        let request_id = self.next_request_id();
        let drawn = self.drawn(request.as_ref().ok());
        let fault = self.faults.next(now, operation, &mut self.draws.faults);
        let (outcome, delay) = match self.turned_away(now, operation, drawn, fault) {
            Some(outcome) => (outcome, self.latency.refusal(&mut self.draws.latency)),
            None => (self.work(now, request, fault, &request_id), self.answer_time(fault)),
        };
        self.seen.arrived(now, operation, outcome.seen);
        let ticket = Ticket { written_user: drawn.user.filter(|_| operation.access() == Some(Access::Write)) };
        self.seen.took_off(ticket.written_user);
        let Outcome { result, delivery, .. } = outcome;
        (Pending { delay, delivery, result, request_id, answered_unix_ms: later(now, delay) }, ticket)
    }

    /// Answers a call whose operation is not even known.
    pub fn refuse(&mut self, now: UnixMs, error: ApiError) -> Pending {
        self.seen.unknown();
        let now = now.saturating_add(self.clock_skew_ms);
        let delay = self.latency.refusal(&mut self.draws.latency);
        Pending {
            delay,
            delivery: Delivery::Whole,
            result: Err(error),
            request_id: self.next_request_id(),
            answered_unix_ms: later(now, delay),
        }
    }

    /// Takes note that a call is no longer in flight.
    pub fn finish(&mut self, ticket: &Ticket) {
        self.seen.landed(ticket.written_user);
    }

    fn next_request_id(&mut self) -> String {
        let (high, low) = (self.draws.request_ids.next_u64(), self.draws.request_ids.next_u64());
        uuid(u128::from(high) << 64 | u128::from(low))
    }

    /// Credentials are looked at first, then quotas; neither costs the service any work.
    fn turned_away(
        &mut self,
        now: UnixMs,
        operation: Operation,
        drawn: Drawn,
        fault: Option<FaultKind>,
    ) -> Option<Outcome> {
        let unauthorised = match fault {
            Some(FaultKind::ExpiredCredentials) => Some(ApiError::expired_token()),
            Some(FaultKind::AccessDenied) => Some(ApiError::access_denied(operation.name())),
            _ => None,
        };
        if let Some(error) = unauthorised {
            self.seen.fault();
            return Some(Outcome::refused(error));
        }
        let ordered = fault == Some(FaultKind::Throttled);
        if !ordered && self.quota.admits(now, operation, drawn) {
            return None;
        }
        if ordered {
            self.seen.fault();
        }
        let error = ApiError::throttled(self.draws.texts.chance(0.5));
        Some(Outcome { seen: Seen::Throttled, ..Outcome::refused(error) })
    }

    fn work(
        &mut self,
        now: UnixMs,
        request: Result<Request, ApiError>,
        fault: Option<FaultKind>,
        request_id: &str,
    ) -> Outcome {
        if fault.is_some() {
            self.seen.fault();
        }
        match fault {
            Some(FaultKind::ErrorBefore) => return Outcome::refused(ApiError::internal()),
            Some(FaultKind::LostBefore) => {
                return Outcome { delivery: Delivery::Lost, ..Outcome::refused(ApiError::internal()) };
            }
            Some(FaultKind::ResetBefore) => {
                return Outcome { delivery: Delivery::Reset, ..Outcome::refused(ApiError::internal()) };
            }
            _ => {}
        }
        let result = request.and_then(|request| self.carry_out(now, request, request_id));
        let seen = if result.is_ok() { Seen::Accepted } else { Seen::Refused };
        match fault {
            Some(FaultKind::ErrorAfter) => Outcome { seen, ..Outcome::refused(ApiError::internal()) },
            Some(FaultKind::LostAfter) => Outcome { result, seen, delivery: Delivery::Lost },
            Some(FaultKind::ResetAfter) => Outcome { result, seen, delivery: Delivery::Reset },
            Some(FaultKind::HalfWritten) => Outcome { result, seen, delivery: Delivery::Half },
            _ => Outcome { result, seen, delivery: Delivery::Whole },
        }
    }

    fn answer_time(&mut self, fault: Option<FaultKind>) -> Duration {
        let usual = self.latency.answer(&mut self.draws.latency);
        match fault {
            Some(FaultKind::Slow { ms }) => usual + Duration::from_millis(ms.min(limits::SIM_SLOW_MS_MAX)),
            _ => usual,
        }
    }

    fn carry_out(&mut self, now: UnixMs, request: Request, request_id: &str) -> Result<Reply, ApiError> {
        match request.ask {
            Ask::CreatePool(call) => self.create_pool(now, *call).map(|pool| Reply::Pool(Box::new(pool))),
            Ask::ListPools { limit, token } => self.list_pools(limit, token.as_deref(), request_id).map(Reply::Pools),
            Ask::GetProvisionedLimit { class, category } => {
                self.provisioned_limit(class.as_deref(), category.as_deref()).map(Reply::ProvisionedLimit)
            }
            Ask::GetQuota { default, service, code } => {
                self.service_quota(default, service.as_deref(), code.as_deref()).map(Reply::Quota)
            }
            ask => self.ask_pool(now, request.pool, ask, request_id),
        }
    }

    fn ask_pool(&mut self, now: UnixMs, pool: Option<String>, ask: Ask, request_id: &str) -> Result<Reply, ApiError> {
        let id = pool.ok_or_else(|| ApiError::null_member("userPoolId"))?;
        let pool = self.pools.get_mut(&id).ok_or_else(|| ApiError::pool_not_found(&id))?;
        match ask {
            Ask::Link(call) => {
                pool.link(now, &call)?;
                self.seen.linked(identity_hash(&id, &call));
                Ok(Reply::Done)
            }
            Ask::Disable(user) => {
                let disabled = pool.disable(now, user.as_ref())?;
                self.seen.disabled(disabled);
                Ok(Reply::Done)
            }
            Ask::CreateUser(call) => pool.create_user(now, &call).map(Reply::CreatedUser),
            Ask::DeleteUser(username) => {
                pool.delete_user(&username.ok_or_else(|| ApiError::null_member("username"))?)?;
                Ok(Reply::Empty)
            }
            Ask::DescribeProvider(name) => {
                let name = name.ok_or_else(|| ApiError::null_member("providerName"))?;
                pool.describe_provider(&name).map(|provider| Reply::Provider(id, Box::new(provider)))
            }
            Ask::CreateProvider(call) => {
                pool.create_provider(now, *call).map(|provider| Reply::Provider(id, Box::new(provider)))
            }
            Ask::GetUser(username) => {
                let username = username.ok_or_else(|| ApiError::null_member("username"))?;
                pool.get_user(&username).map(Reply::User)
            }
            Ask::ListUsers(call) => pool.list_users(now, &call, request_id).map(Reply::Users),
            Ask::ListProviders { limit, token } => {
                pool.list_providers(limit, token.as_deref(), request_id).map(Reply::Providers)
            }
            // The questions to the account were answered before.
            _ => Ok(Reply::Pool(Box::new(pool.describe()))),
        }
    }

    fn drawn(&self, request: Option<&Request>) -> Drawn {
        let Some(request) = request else { return Drawn { pool: 0, user: None } };
        let id = request.pool.as_deref().unwrap_or_default();
        let pool = xxh3_64(id.as_bytes());
        let touched = self.pools.get(id).and_then(|pool| touched_user(pool, &request.ask));
        Drawn { pool, user: touched.map(|username| xxh3_64_with_seed(username.as_bytes(), pool)) }
    }
}

/// The user name, as the pool keeps it, of the user whose profile is read or written.
fn touched_user(pool: &Pool, ask: &Ask) -> Option<String> {
    match ask {
        Ask::Link(call) => {
            let destination = call.destination.as_ref()?;
            let value = destination.value.as_deref()?;
            let provider = destination.provider.as_deref()?;
            let is_native = provider == NATIVE_PROVIDER;
            let username = if is_native { value.to_owned() } else { profile_username(provider, value) };
            Some(pool.username_key(&username))
        }
        Ask::Disable(user) => {
            let user = user.as_ref()?;
            let (provider, value) = (user.provider.as_deref()?, user.value.as_deref()?);
            if provider == NATIVE_PROVIDER {
                return Some(pool.username_key(value));
            }
            let holder = pool.holder(pool.provider(provider)?.0, value)?;
            pool.user(holder).map(|user| user.username.to_string())
        }
        Ask::GetUser(username) | Ask::DeleteUser(username) => Some(pool.username_key(username.as_deref()?)),
        _ => None,
    }
}

fn identity_hash(pool: &str, call: &LinkCall) -> u64 {
    let source = call.source.as_ref();
    let part = |text: Option<&String>, seed| xxh3_64_with_seed(text.map_or("", String::as_str).as_bytes(), seed);
    let provider = part(source.and_then(|source| source.provider.as_ref()), xxh3_64(pool.as_bytes()));
    part(source.and_then(|source| source.value.as_ref()), provider)
}

fn later(now: UnixMs, delay: Duration) -> UnixMs {
    now.saturating_add(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX))
}
