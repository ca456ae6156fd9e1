//! A whole probe: every call, the judgement, and the deletion of the pools.

use std::collections::BTreeSet;

use tokio::sync::mpsc;

use super::caller::{LeftPool, ProbeCaller, ProbeStop, UnansweredPool};
use super::judge::{self, ProbeFinding};
use super::scene;
use crate::clock::Clock;
use crate::commands::shared::Failure;
use crate::domain::run::{Signal, StopCause, StopError};
use crate::service::probe::ProbeService;

/// What a probe found, and what it left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeReport {
    /// A finding for each assumption.
    pub outcome: Result<Vec<ProbeFinding>, ProbeStop>,
    pub calls: u32,
    /// Operations that the caller may not call: the questions that need them are open.
    pub denied: BTreeSet<&'static str>,
    /// Pools that could not be deleted.
    pub left: Vec<LeftPool>,
    /// Pools that may exist, because their creation was not answered and they were not found.
    pub unanswered: Vec<UnansweredPool>,
}

impl ProbeReport {
    /// How the command fails by what a probe that asked everything left, or did not find.
    pub(super) fn failure(&self) -> Option<Failure> {
        let left = (!self.left.is_empty()).then_some(Failure::PoolsLeft { number: self.left.len() });
        left.or_else(|| self.open_questions())
    }

    /// How it fails by the operations that were denied.
    pub(super) fn open_questions(&self) -> Option<Failure> {
        let denied: Vec<String> = self.denied.iter().map(|name| format!("cognito-idp:{name}")).collect();
        (!denied.is_empty()).then(|| {
            let them = if denied.len() == 1 { "it" } else { "them" };
            let detail = format!("the questions that need {} are open: allow {them}, and run again", denied.join(", "));
            StopError::new(StopCause::AccessDenied, detail).into()
        })
    }

    /// The switches that make the simulator answer as the service did, in the order of the assumptions.
    pub fn behaviors(&self) -> Vec<&'static str> {
        let findings = self.outcome.as_deref().unwrap_or_default();
        findings.iter().flat_map(|finding| finding.behaviors.iter().copied()).collect()
    }
}

/// One probe of a service.
#[derive(Debug, Clone, Copy)]
pub struct Probe<'a> {
    /// The name of the scratch pools.
    pub name: &'a str,
    pub calls_per_second: f64,
    pub seed: u64,
    pub clock: Clock,
}

impl Probe<'_> {
    /// Asks everything, and deletes the pools whatever happens.
    pub async fn run(self, service: &dyn ProbeService, signals: &mut mpsc::Receiver<Signal>) -> ProbeReport {
        let mut caller = ProbeCaller::new(service, self.clock, self.calls_per_second, self.seed, signals);
        let outcome = scene::play(&mut caller, self.name).await.map(|seen| judge::judge(&seen));
        let unanswered = caller.find_unanswered_pools().await;
        let left = caller.delete_pools().await;
        ProbeReport { outcome, calls: caller.calls, denied: caller.denied, left, unanswered }
    }
}
