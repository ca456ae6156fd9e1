//! Misfortune on order: what goes wrong, with which calls, by chance from the seed or by the call's number.

use std::ops::RangeInclusive;

use super::request::{Category, Operation};
use super::schedule::Schedule;
use crate::clock::UnixMs;
use crate::seed::Rng;

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// Throttled, whatever the quota says.
    Throttled,
    /// This call and every other one in the next so many milliseconds are throttled.
    Storm {
        /// How long it lasts, in milliseconds.
        ms: u64,
    },
    /// HTTP 500; nothing was done.
    ErrorBefore,
    /// HTTP 500; the work was done.
    ErrorAfter,
    /// The connection closes without an answer; nothing was done.
    LostBefore,
    /// The connection closes without an answer; the work was done.
    LostAfter,
    /// The connection is reset without an answer; nothing was done.
    ResetBefore,
    /// The connection is reset without an answer; the work was done.
    ResetAfter,
    /// The work was done, and the connection closes in the middle of the answer.
    HalfWritten,
    /// The answer takes so much longer.
    Slow {
        /// How much longer, in milliseconds.
        ms: u64,
    },
    /// The credentials have expired.
    ExpiredCredentials,
    /// The operation is not allowed.
    AccessDenied,
}

/// Which calls a rule is about, by their number from 1. A call that the quota throttles is counted and spared.
#[derive(Debug, Clone, PartialEq)]
pub enum When {
    /// Each with this probability.
    Chance(f64),
    /// These.
    Calls(RangeInclusive<u64>),
    /// This one and all after it.
    From(u64),
}

/// One rule. Numbers count the calls of `operation`, or all calls.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultRule {
    /// What goes wrong.
    pub kind: FaultKind,
    /// With which calls.
    pub when: When,
    /// Of which operation; `None` for all.
    pub operation: Option<Operation>,
    seen: u64,
}

impl FaultRule {
    /// A rule about every operation.
    #[must_use]
    pub fn new(kind: FaultKind, when: When) -> Self {
        Self { kind, when, operation: None, seen: 0 }
    }

    /// The same about one operation.
    #[must_use]
    pub fn on(mut self, operation: Operation) -> Self {
        self.operation = Some(operation);
        self
    }

    fn fires(&mut self, operation: Operation, rng: &mut Rng) -> bool {
        if self.operation.is_some_and(|about| about != operation) {
            return false;
        }
        self.seen += 1;
        match &self.when {
            When::Chance(probability) => rng.chance(*probability),
            When::Calls(numbers) => numbers.contains(&self.seen),
            When::From(first) => self.seen >= *first,
        }
    }
}

/// All that goes wrong. Where several rules fire for one call, the first holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FaultPlan {
    pub(super) rules: Vec<FaultRule>,
    /// `ListUsers` shows writes only after this time, in milliseconds.
    pub list_lag_ms: Option<u64>,
    /// Calls a second of other tenants, by the category on which they draw.
    pub background: Vec<(Category, Schedule)>,
    storm_until: Option<UnixMs>,
}

impl FaultPlan {
    /// Nothing goes wrong.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The same with one more rule.
    #[must_use]
    pub fn with(mut self, rule: FaultRule) -> Self {
        self.rules.push(rule);
        self
    }

    /// What goes wrong with the next call. Every rule counts and draws, so that one rule does not shift another's.
    pub(super) fn next(&mut self, now: UnixMs, operation: Operation, rng: &mut Rng) -> Option<FaultKind> {
        let mut first = None;
        for rule in &mut self.rules {
            if rule.fires(operation, rng) && first.is_none() {
                first = Some(rule.kind);
            }
        }
        if let Some(FaultKind::Storm { ms }) = first {
            let until = now.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX));
            self.storm_until = self.storm_until.max(Some(until));
        }
        let stormy = self.storm_until.is_some_and(|until| now < until);
        if stormy { Some(FaultKind::Throttled) } else { first.filter(|kind| !matches!(kind, FaultKind::Storm { .. })) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(plan: &mut FaultPlan, calls: &[(UnixMs, Operation)]) -> Vec<Option<FaultKind>> {
        let mut rng = Rng::new(1);
        calls.iter().map(|(now, operation)| plan.next(*now, *operation, &mut rng)).collect()
    }

    #[test]
    fn numbers_count_the_calls_of_the_rules_operation() {
        let mut plan = FaultPlan::none()
            .with(FaultRule::new(FaultKind::LostAfter, When::Calls(2..=2)).on(Operation::LinkProvider))
            .with(FaultRule::new(FaultKind::ExpiredCredentials, When::From(5)));
        let (link, list) = ((0, Operation::LinkProvider), (0, Operation::ListUsers));
        let expected = [None, None, Some(FaultKind::LostAfter), None, Some(FaultKind::ExpiredCredentials)];
        assert_eq!(run(&mut plan, &[link, list, link, link, list]), expected);
    }

    #[test]
    fn a_storm_throttles_everything_while_it_lasts() {
        let mut plan = FaultPlan::none().with(FaultRule::new(FaultKind::Storm { ms: 500 }, When::Calls(2..=2)));
        let calls = [0, 100, 200, 599, 600].map(|now| (now, Operation::LinkProvider));
        let throttled = Some(FaultKind::Throttled);
        assert_eq!(run(&mut plan, &calls), [None, throttled, throttled, throttled, None]);
    }

    #[test]
    fn chances_follow_from_the_seed_and_do_not_shift_one_another() {
        let calls = [(0, Operation::LinkProvider); 1_000];
        let lost = |plan: FaultPlan| {
            let fired = run(&mut plan.clone(), &calls);
            fired.iter().filter(|kind| **kind == Some(FaultKind::LostBefore)).count()
        };
        let rule = FaultRule::new(FaultKind::LostBefore, When::Chance(0.1));
        let count = lost(FaultPlan::none().with(rule.clone()));
        assert!((70..130).contains(&count), "{count}");
        assert_eq!(count, lost(FaultPlan::none().with(rule)));
    }
}
