//! The calls before the first row: does the pool exist, and which providers does it have?

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::faults::stop_error;
use crate::clock::{Clock, sleep};
use crate::domain::identity::ProviderName;
use crate::domain::run::{StopCause, StopError};
use crate::limits;
use crate::pace::retry::backoff;
use crate::seed::Rng;
use crate::service::classify::{CallKind, FaultClass, classify};
use crate::service::skew::ClockSkew;
use crate::service::{Answer, CallFault, MappedAttributes, PoolFacts, PortFuture, UserDirectory};

/// What is known of the pool before the first row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolKnowledge {
    pub facts: PoolFacts,
    /// Its providers by name, each with its type.
    pub providers: BTreeMap<ProviderName, String>,
    pub skew: ClockSkew,
    pub read_count: u64,
    /// Whether the service says that it is a simulator.
    pub from_simulator: bool,
}

impl PoolKnowledge {
    /// Returns those of these providers that the pool does not have.
    pub fn missing_of(&self, providers: &BTreeSet<ProviderName>) -> BTreeSet<ProviderName> {
        providers.iter().filter(|name| !self.providers.contains_key(*name)).cloned().collect()
    }
}

/// Reads the pool and its providers, with retries on throttling and transient faults.
pub async fn preflight(directory: &dyn UserDirectory, clock: Clock, rng: &mut Rng) -> Result<PoolKnowledge, StopError> {
    let mut calls = PatientReader::new(clock, rng);
    let pool = calls.call("DescribeUserPool", &|| directory.describe_pool()).await?;
    let from_simulator = pool.meta.from_simulator;
    let mut knowledge = PoolKnowledge { facts: pool.value, from_simulator, ..PoolKnowledge::default() };
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
/// shows the providers' secrets, so it is called only for links by attribute.
pub async fn mapped_attributes(
    directory: &dyn UserDirectory,
    clock: Clock,
    rng: &mut Rng,
    providers: &BTreeSet<ProviderName>,
) -> Result<BTreeMap<ProviderName, MappedAttributes>, StopError> {
    let mut calls = PatientReader::new(clock, rng);
    let mut mapped = BTreeMap::new();
    for provider in providers {
        let call = || directory.mapped_attributes(provider.clone());
        let answer = calls.call("DescribeIdentityProvider", &call).await?;
        mapped.insert(provider.clone(), answer.value);
    }
    Ok(mapped)
}

/// Makes single reads, with retries on throttling and transient faults.
pub struct PatientReader<'a> {
    clock: Clock,
    rng: &'a mut Rng,
    read_count: u64,
    skew: ClockSkew,
}

impl<'a> PatientReader<'a> {
    pub fn new(clock: Clock, rng: &'a mut Rng) -> Self {
        Self { clock, rng, read_count: 0, skew: ClockSkew::default() }
    }

    /// The service's clock against ours, from the answers so far.
    pub fn skew(&self) -> ClockSkew {
        self.skew
    }

    /// Makes one read, and retries it where that may help.
    pub async fn call<'c, T>(
        &mut self,
        operation: &'static str,
        make: &dyn Fn() -> PortFuture<'c, T>,
    ) -> Result<Answer<T>, StopError> {
        let started = self.clock.now();
        let mut attempts = 0;
        loop {
            attempts += 1;
            self.read_count += 1;
            let sent_unix_ms = self.clock.unix_ms();
            let reply = make().await;
            // A refusal has a date as well, and a wrong clock may be its reason.
            if let Some(meta) = reply.as_ref().map_or_else(CallFault::meta, |answer| Some(&answer.meta)) {
                self.skew.observe_answer(sent_unix_ms, self.clock.unix_ms(), meta);
            }
            let fault = match reply {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            let class = classify(CallKind::Read, &fault);
            let may_retry = match class {
                // The traffic of others may use up the quota for a while.
                FaultClass::Throttled { .. } => {
                    self.clock.now().saturating_duration_since(started) < Duration::from_millis(limits::STUCK_MS)
                }
                _ => attempts < limits::PREFLIGHT_ATTEMPTS_MAX,
            };
            match class {
                FaultClass::Fatal(cause) => return Err(stop_error(cause, operation, &fault)),
                FaultClass::Throttled { .. } | FaultClass::Unreached | FaultClass::Transient if may_retry => {
                    tracing::debug!(operation, attempts, code = fault.code(), "tried again");
                    sleep(backoff(attempts, self.rng)).await;
                }
                _ => return Err(stop_error(StopCause::Unreachable, operation, &fault)),
            }
        }
    }
}
