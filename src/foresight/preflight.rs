//! The few calls before the first row: is the pool there, and which providers has it?

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::clock::{Clock, sleep};
use crate::domain::identity::ProviderName;
use crate::domain::outcome::ServiceText;
use crate::domain::stop::{Stop, StopCause};
use crate::limits;
use crate::pace::retry::backoff;
use crate::seed::Rng;
use crate::service::classify::{CallKind, FaultClass, classify};
use crate::service::skew::Skew;
use crate::service::{Answer, Fault, MappedAttributes, PoolFacts, PortFuture, UserDirectory};

/// What is known of the pool before the first row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolKnowledge {
    pub facts: PoolFacts,
    /// Its providers by name, each with its type.
    pub providers: BTreeMap<ProviderName, String>,
    pub skew: Skew,
    pub read_count: u64,
}

/// Reads the pool and its providers, patiently where the service throttles or stumbles.
///
/// # Errors
/// A [`Stop`] where the pool is missing, access is denied, or the service cannot be reached.
pub async fn preflight(directory: &dyn UserDirectory, clock: Clock, rng: &mut Rng) -> Result<PoolKnowledge, Stop> {
    let mut calls = Patience::new(clock, rng);
    let pool = calls.call("DescribeUserPool", &|| directory.describe_pool()).await?;
    let mut knowledge = PoolKnowledge { facts: pool.value, ..PoolKnowledge::default() };
    let mut token = None;
    loop {
        let page = calls.call("ListIdentityProviders", &|| directory.list_providers(token.clone())).await?;
        knowledge.providers.extend(page.value.providers.into_iter().map(|provider| (provider.name, provider.kind)));
        token = page.value.next_token;
        if token.is_none() || knowledge.providers.len() > limits::PROVIDERS_PER_POOL_MAX {
            (knowledge.read_count, knowledge.skew) = (calls.read_count, calls.skew);
            return Ok(knowledge);
        }
    }
}

/// Reads by which attributes identities of these providers can be linked besides their subject. It takes a permission that
/// shows the providers' secrets, so it is asked for links by attribute alone.
///
/// # Errors
/// As [`preflight`].
pub async fn mapped_attributes(
    directory: &dyn UserDirectory,
    clock: Clock,
    rng: &mut Rng,
    providers: &BTreeSet<ProviderName>,
) -> Result<BTreeMap<ProviderName, MappedAttributes>, Stop> {
    let mut calls = Patience::new(clock, rng);
    let mut mapped = BTreeMap::new();
    for provider in providers {
        let call = || directory.mapped_attributes(provider.clone());
        let answer = calls.call("DescribeIdentityProvider", &call).await?;
        mapped.insert(provider.clone(), answer.value);
    }
    Ok(mapped)
}

/// Makes single reads, patiently where the service throttles or stumbles.
pub struct Patience<'a> {
    clock: Clock,
    rng: &'a mut Rng,
    read_count: u64,
    skew: Skew,
}

impl<'a> Patience<'a> {
    pub fn new(clock: Clock, rng: &'a mut Rng) -> Self {
        Self { clock, rng, read_count: 0, skew: Skew::default() }
    }

    /// The service's clock against ours, as far as answers have told.
    #[must_use]
    pub fn skew(&self) -> Skew {
        self.skew
    }

    /// Makes one read, and makes it again where that may help.
    ///
    /// # Errors
    /// As [`preflight`].
    pub async fn call<'c, T>(
        &mut self,
        operation: &'static str,
        make: &dyn Fn() -> PortFuture<'c, T>,
    ) -> Result<Answer<T>, Stop> {
        let started = self.clock.now();
        let mut attempts = 0;
        loop {
            attempts += 1;
            self.read_count += 1;
            let sent_unix_ms = self.clock.unix_ms();
            let reply = make().await;
            // A refusal tells the time as well, and a clock that is wrong may be its reason.
            if let Some(meta) = reply.as_ref().map_or_else(Fault::meta, |answer| Some(&answer.meta)) {
                self.skew.observe_answer(sent_unix_ms, self.clock.unix_ms(), meta);
            }
            let fault = match reply {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            let class = classify(CallKind::Read, &fault);
            let patience = match class {
                // Somebody else's traffic may keep the category full for a while.
                FaultClass::Throttled { .. } => {
                    self.clock.now().saturating_duration_since(started) < Duration::from_millis(limits::STUCK_MS)
                }
                _ => attempts < limits::PREFLIGHT_ATTEMPTS_MAX,
            };
            match class {
                FaultClass::Fatal(cause) => return Err(stop(cause, operation, &fault)),
                FaultClass::Throttled { .. } | FaultClass::Unreached | FaultClass::Transient if patience => {
                    tracing::debug!(operation, attempts, code = fault.code(), "tried again");
                    sleep(backoff(attempts, self.rng)).await;
                }
                _ => return Err(stop(StopCause::Unreachable, operation, &fault)),
            }
        }
    }
}

/// Describes a fault that stops the run, and what to do. What the service itself says is kept apart: it may quote values.
#[must_use]
pub fn stop(cause: StopCause, operation: &str, fault: &Fault) -> Stop {
    let text = ServiceText { code: fault.code().to_owned(), message: fault.message().to_owned() };
    let said = match text.printable_message(false) {
        Some(message) => format!("{}: {message}", text.code),
        None => text.code.clone(),
    };
    let detail = match cause {
        StopCause::Credentials => format!("{operation}: the credentials are not accepted ({said}); renew them"),
        StopCause::AccessDenied => format!("{operation}: access denied ({said}); the README lists the IAM policy"),
        StopCause::PoolMissing => {
            format!("{operation}: there is no such user pool in this account and Region ({said}); check --user-pool-id")
        }
        StopCause::NotEnabledHere => {
            format!("{operation}: not possible in this Region ({said}); use the pool's primary Region")
        }
        StopCause::Unreachable if is_refusal(fault) => {
            format!(
                "{operation}: the service does not accept this call ({said}); is --endpoint-url an address of Cognito?"
            )
        }
        _ => format!("{operation}: the service cannot be reached ({said}); check the network and --endpoint-url"),
    };
    let service_text = text.is_hidden(false).then_some(text);
    Stop { cause, detail, service_text }
}

/// Whether the service answered, and took the call itself for wrong.
fn is_refusal(fault: &Fault) -> bool {
    matches!(fault, Fault::Answered { status: 400..500, .. })
        && !matches!(classify(CallKind::Read, fault), FaultClass::Throttled { .. })
}
