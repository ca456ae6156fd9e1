//! How a probe calls the service: at its pace, at most so many calls, until a signal comes; and how it cleans up.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::clock::{Clock, Instant, sleep_until};
use crate::commands::shared::Failure;
use crate::domain::run::{Signal, StopCause, StopError};
use crate::foresight::faults::stop_error;
use crate::limits;
use crate::pace::retry::backoff;
use crate::pace::{Admission, CallFeedback, CallPacer, Pace};
use crate::seed::Rng;
use crate::service::classify::{CallKind, FaultClass, NOT_AUTHORIZED, classify};
use crate::service::probe::{ProbeCall, ProbeFacts, ProbePool, ProbeService};
use crate::service::{CallFault, Transport};

/// Why a probe ends early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeStop {
    Interrupted(Signal),
    Failed(StopError),
    /// More calls than a probe may make, because too many had to be repeated.
    TooManyCalls,
}

impl ProbeStop {
    /// Returns how the command fails by it.
    pub(super) fn failure(&self) -> Failure {
        match self {
            Self::Interrupted(signal) => Failure::Interrupted(*signal),
            Self::Failed(stop) => stop.clone().into(),
            Self::TooManyCalls => StopError::new(
                StopCause::Bound,
                format!("the probe made {} calls, the most that it may make; try again later", limits::PROBE_CALLS_MAX),
            )
            .into(),
        }
    }
}

/// The answer to a call.
pub(super) type ProbeReply = Result<ProbeFacts, CallFault>;

/// A pool that could not be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftPool {
    pub id: String,
    /// Code and text of the last answer.
    pub why: String,
}

/// A pool that may exist, because its creation was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnansweredPool {
    pub name: String,
    /// Why it was not found and deleted.
    pub why: String,
}

pub(super) struct ProbeCaller<'a> {
    service: &'a dyn ProbeService,
    clock: Clock,
    pacer: CallPacer,
    rng: Rng,
    signals: &'a mut mpsc::Receiver<Signal>,
    pub(super) calls: u32,
    /// Ids of the pools that this probe created, which are the only ones that it calls.
    pools: Vec<String>,
    /// Names of pools whose creation was not answered: they may exist.
    unanswered: Vec<String>,
    /// The first answer that throttled a call with `LimitExceededException`.
    pub(super) throttled_as_limit: Option<CallFault>,
    /// Operations that the caller may not call.
    pub(super) denied: BTreeSet<&'static str>,
}

impl<'a> ProbeCaller<'a> {
    pub(super) fn new(
        service: &'a dyn ProbeService,
        clock: Clock,
        per_second: f64,
        seed: u64,
        signals: &'a mut mpsc::Receiver<Signal>,
    ) -> Self {
        Self {
            service,
            clock,
            pacer: CallPacer::new(clock, Pace::at(per_second)),
            rng: Rng::new(seed).fork("probe"),
            signals,
            calls: 0,
            pools: Vec::new(),
            unanswered: Vec::new(),
            throttled_as_limit: None,
            denied: BTreeSet::new(),
        }
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    /// Creates a pool, which [`Self::delete_pools`] deletes, after [`Self::find_unanswered_pools`] also where this is not
    /// answered. A pool that the answer names, and that was there before, is neither written to nor deleted.
    pub(super) async fn create_pool(
        &mut self,
        name: String,
        case_sensitive: bool,
        email_alias: bool,
    ) -> Result<String, ProbeStop> {
        let call = ProbeCall::CreatePool { name: name.clone(), case_sensitive, email_alias };
        match self.call(call).await? {
            Ok(ProbeFacts::Pool(pool)) if pool.name != name => {
                Err(foreign_pool(&pool.id, &format!("is named {}, and not {name}", pool.name)))
            }
            Ok(ProbeFacts::Pool(pool)) if self.pools.contains(&pool.id) => {
                self.pools.retain(|known| *known != pool.id);
                Err(foreign_pool(&pool.id, "is the answer to two calls"))
            }
            Ok(ProbeFacts::Pool(ProbePool { id, .. })) => {
                // A signal may end the next call.
                self.pools.push(id.clone());
                if self.has_users(&id).await? {
                    self.pools.pop();
                    return Err(foreign_pool(&id, "has users"));
                }
                Ok(id)
            }
            Ok(_) => {
                self.unanswered.push(name);
                Err(ProbeStop::Failed(StopError::new(StopCause::Unreachable, "CreateUserPool: the answer has no pool")))
            }
            Err(fault) => {
                if may_have_had_an_effect(&fault) {
                    self.unanswered.push(name);
                }
                let cause = match classify(CallKind::Read, &fault) {
                    FaultClass::Fatal(cause) => cause,
                    _ => StopCause::Unreachable,
                };
                Err(ProbeStop::Failed(stop_error(cause, "CreateUserPool", &fault)))
            }
        }
    }

    /// Whether a pool has users. Without an answer it is taken for ours, because it has the random name.
    async fn has_users(&mut self, pool: &str) -> Result<bool, ProbeStop> {
        let call = ProbeCall::ListUsers { pool: pool.to_owned(), filter: None, token: None };
        let found = self.call(call).await?;
        Ok(matches!(found, Ok(ProbeFacts::Users { users, .. }) if !users.is_empty()))
    }

    /// Makes a call. It is repeated where the service throttled it or was not reached, and a reading one after any fault of
    /// the transport: another call may have had an effect, and its repetition would be answered differently.
    pub(super) async fn call(&mut self, call: ProbeCall) -> Result<ProbeReply, ProbeStop> {
        let mut attempts = 0;
        loop {
            self.wait_for_slot().await?;
            if self.calls >= limits::PROBE_CALLS_MAX - limits::PROBE_CALLS_KEPT {
                return Err(ProbeStop::TooManyCalls);
            }
            attempts += 1;
            let fault = match self.attempt(call.clone()).await {
                Ok(facts) => return Ok(Ok(facts)),
                Err(fault) => fault,
            };
            if is_denied(&fault) {
                self.denied.insert(call.operation());
            }
            if is_throttled_as_limit(&fault) {
                self.throttled_as_limit.get_or_insert(fault.clone());
            }
            match classify(CallKind::Read, &fault) {
                FaultClass::Fatal(StopCause::Credentials) => {
                    return Err(ProbeStop::Failed(stop_error(StopCause::Credentials, call.operation(), &fault)));
                }
                _ if attempts < limits::PROBE_ATTEMPTS_MAX && may_be_repeated(&call, &fault) => {
                    let until = self.clock.now() + backoff(attempts + 1, &mut self.rng);
                    self.wait_until(until).await?;
                }
                _ => return Ok(Err(fault)),
            }
        }
    }

    async fn attempt(&mut self, call: ProbeCall) -> ProbeReply {
        self.calls += 1;
        self.service.call(call).await.map(|answer| answer.value)
    }

    async fn wait_for_slot(&mut self) -> Result<(), ProbeStop> {
        loop {
            if let Ok(signal) = self.signals.try_recv() {
                return Err(ProbeStop::Interrupted(signal));
            }
            match self.take_slot() {
                None => return Ok(()),
                Some(until) => self.wait_until(until).await?,
            }
        }
    }

    /// Takes the slot of a call, or returns when the next one is.
    fn take_slot(&mut self) -> Option<Instant> {
        match self.pacer.admit_call() {
            Admission::Admitted(call) => {
                // The pace of a probe is slow enough to stay as it is; after a throttled call it waits by itself.
                self.pacer.record_feedback(call, CallFeedback::Accepted, None);
                None
            }
            Admission::NotBefore(until) | Admission::CoolingDown(until) => Some(until),
        }
    }

    /// Waits, unless a signal comes.
    pub(super) async fn wait_until(&mut self, until: Instant) -> Result<(), ProbeStop> {
        tokio::select! {
            biased;
            Some(signal) = self.signals.recv() => Err(ProbeStop::Interrupted(signal)),
            () = sleep_until(until) => Ok(()),
        }
    }

    /// Looks for the pools whose creation was not answered, by their names, and marks those that it finds for
    /// [`Self::delete_pools`]. A signal does not interrupt it, but its attempts are few. Returns those that it did not
    /// find.
    pub(super) async fn find_unanswered_pools(&mut self) -> Vec<UnansweredPool> {
        let mut left = Vec::new();
        for name in std::mem::take(&mut self.unanswered) {
            let mut attempts = 0;
            let why = loop {
                attempts += 1;
                // The list may lag, and the call may take effect only now.
                let wait = backoff(attempts + 2, &mut self.rng);
                sleep_until(self.clock.now() + wait).await;
                match self.pools_named(&name).await {
                    Ok(ids) if ids.len() == 1 => {
                        self.pools.extend(ids);
                        break None;
                    }
                    // The name is drawn at random, so there is one at most, unless a seed was given twice.
                    Ok(ids) if ids.len() > 1 => break Some(format!("{} pools have this name", ids.len())),
                    Ok(_) if attempts == limits::PROBE_ATTEMPTS_MAX => {
                        break Some(format!("ListUserPools did not show it in {attempts} attempts"));
                    }
                    // Nothing was sent: another attempt would send nothing either.
                    Err(fault @ CallFault::Unsent { .. }) => {
                        break Some(format!("ListUserPools: {}", describe(&fault)));
                    }
                    Err(fault) if attempts == limits::PROBE_ATTEMPTS_MAX || is_access_fault(&fault) => {
                        break Some(format!("ListUserPools: {}", describe(&fault)));
                    }
                    Ok(_) | Err(_) => {}
                }
            };
            left.extend(why.map(|why| UnansweredPool { name, why }));
        }
        left
    }

    /// The ids of the account's pools with exactly this name.
    async fn pools_named(&mut self, name: &str) -> Result<Vec<String>, CallFault> {
        let unsent = |detail: &str| CallFault::Unsent { credentials: false, detail: detail.to_owned() };
        let (mut ids, mut token) = (Vec::new(), None);
        loop {
            while let Some(until) = self.take_slot() {
                sleep_until(until).await;
            }
            if self.calls >= limits::PROBE_CALLS_MAX - limits::PROBE_CALLS_KEPT {
                return Err(unsent("no call is left to read every page"));
            }
            let ProbeFacts::Pools { pools, next_token } = self.attempt(ProbeCall::ListPools { token }).await? else {
                return Err(unsent("the answer has no pools"));
            };
            ids.extend(pools.into_iter().filter(|pool| pool.name == name).map(|pool| pool.id));
            token = next_token;
            if token.is_none() {
                return Ok(ids);
            }
        }
    }

    /// Deletes the pools that this probe created, with everything in them. A signal does not interrupt it, but its
    /// attempts are few. Returns the pools that are left.
    pub(super) async fn delete_pools(&mut self) -> Vec<LeftPool> {
        let mut left = Vec::new();
        for id in std::mem::take(&mut self.pools) {
            let mut attempts = 0;
            loop {
                attempts += 1;
                let Err(fault) = self.attempt(ProbeCall::DeletePool { pool: id.clone() }).await else { break };
                if attempts > 1 && fault.code() == "ResourceNotFoundException" {
                    // An earlier attempt deleted it, and its answer was lost.
                    break;
                }
                if attempts == limits::PROBE_ATTEMPTS_MAX || is_access_fault(&fault) {
                    left.push(LeftPool { id, why: describe(&fault) });
                    break;
                }
                let wait = backoff(attempts + 2, &mut self.rng);
                sleep_until(self.clock.now() + wait).await;
            }
        }
        left
    }

    /// The time since an instant.
    pub(super) fn since(&self, then: Instant) -> Duration {
        self.clock.now().saturating_duration_since(then)
    }
}

/// The stop at a service that names a pool which this probe did not create.
fn foreign_pool(id: &str, why: &str) -> ProbeStop {
    let detail = format!(
        "CreateUserPool: the service answered with the pool {id}, which {why}; the probe did not create it, and leaves it as \
         it is"
    );
    ProbeStop::Failed(StopError::new(StopCause::Unreachable, detail))
}

/// Whether the caller lacks a right. A service may refuse a user with the same code.
pub(super) fn is_denied(fault: &CallFault) -> bool {
    matches!(fault.code(), "AccessDeniedException" | "AccessDenied")
        || fault.code() == NOT_AUTHORIZED && fault.message().to_lowercase().contains("not authorized to perform")
}

fn is_access_fault(fault: &CallFault) -> bool {
    matches!(classify(CallKind::Read, fault), FaultClass::Fatal(StopCause::Credentials | StopCause::AccessDenied))
}

fn may_be_repeated(call: &ProbeCall, fault: &CallFault) -> bool {
    match fault {
        _ if is_throttled_as_limit(fault) => true,
        CallFault::Transport { kind: Transport::Connect, .. } => true,
        _ if matches!(classify(CallKind::Read, fault), FaultClass::Throttled { .. }) => true,
        _ => {
            let reads = matches!(call, ProbeCall::GetUser { .. } | ProbeCall::ListUsers { .. });
            reads && may_have_had_an_effect(fault)
        }
    }
}

/// Whether this is the code of a limit with a text about the rate. By whole words: "federated" has "rate" in it.
fn is_throttled_as_limit(fault: &CallFault) -> bool {
    let text = fault.message().to_lowercase();
    let mut words = text.split(|character: char| !character.is_alphanumeric());
    fault.code() == "LimitExceededException"
        && (words.any(|word| word == "rate" || word.starts_with("throttl")) || text.contains("too many requests"))
}

/// Whether there is no answer that says what happened.
pub(super) fn may_have_had_an_effect(fault: &CallFault) -> bool {
    match fault {
        CallFault::Answered { status, .. } => *status >= 500,
        CallFault::Transport { kind, .. } => *kind != Transport::Connect,
        CallFault::Unsent { .. } => false,
    }
}

/// Status, code and text of an answer, on one line. All values in it are made up by the probe.
pub(super) fn describe(fault: &CallFault) -> String {
    let text = fault.message().split_whitespace().collect::<Vec<_>>().join(" ");
    match fault {
        CallFault::Answered { status, code, .. } if text.is_empty() => format!("{status} {code}, without a text"),
        CallFault::Answered { status, code, .. } => format!("{status} {code} \"{text}\""),
        _ => format!("no answer ({}: {text})", fault.code()),
    }
}
