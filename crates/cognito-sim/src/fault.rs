//! Fault injection: what goes wrong with which calls, by chance from the seed or by the number of the call.
//!
//! As text, a fault is a line `KIND[=TIME]@CALLS[:OPERATION]`, where CALLS is a share of the calls (`5%`, `0.05`), the
//! number of one call (`7`), a range (`7..9`) or all calls from one on (`7..`). Besides faults there are `list-lag=TIME`
//! and `background=[CATEGORY:]RATES`. A plan can also be JSON.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::Deserialize;

use crate::clock::UnixMs;
use crate::limits;
use crate::operation::{Category, Operation};
use crate::quota::{Schedule, category_rates, time};
use crate::random::Rng;

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// Throttled, whatever the quota says.
    Throttled,
    /// All calls of the next `ms` milliseconds are throttled, this one included.
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
    /// The answer takes longer.
    Slow {
        /// How much longer, in milliseconds.
        ms: u64,
    },
    /// The credentials have expired.
    ExpiredCredentials,
    /// The operation is not allowed.
    AccessDenied,
}

/// The calls to which a rule applies, by their number from 1. A call that the quota throttles counts, but has no other
/// fault.
#[derive(Debug, Clone, PartialEq)]
pub enum FaultTrigger {
    /// Each with this probability.
    Chance(f64),
    /// These.
    Calls(RangeInclusive<u64>),
    /// This one and all after it.
    From(u64),
}

/// One fault and the calls to which it applies. Numbers count the calls of `operation`, or all calls.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultRule {
    /// What goes wrong.
    pub kind: FaultKind,
    /// With which calls.
    pub when: FaultTrigger,
    /// Of which operation; `None` for all.
    pub operation: Option<Operation>,
    seen: u64,
}

impl FaultRule {
    /// A rule about every operation.
    #[must_use]
    pub fn new(kind: FaultKind, when: FaultTrigger) -> Self {
        Self { kind, when, operation: None, seen: 0 }
    }

    /// Limits the rule to one operation.
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
            FaultTrigger::Chance(probability) => rng.chance(*probability),
            FaultTrigger::Calls(numbers) => numbers.contains(&self.seen),
            FaultTrigger::From(first) => self.seen >= *first,
        }
    }
}

/// The faults to inject. Where several rules fire for one call, the first applies.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FaultPlan {
    pub(crate) rules: Vec<FaultRule>,
    /// `ListUsers` shows writes only after this time, in milliseconds.
    pub list_lag_ms: Option<u64>,
    /// Calls a second of other tenants, by the category on which they draw.
    pub background: Vec<(Category, Schedule)>,
    storm_until: Option<UnixMs>,
}

impl FaultPlan {
    /// A plan without faults.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a rule.
    #[must_use]
    pub fn with(mut self, rule: FaultRule) -> Self {
        self.rules.push(rule);
        self
    }

    /// The fault of the next call. Every rule counts and draws, so that one rule does not shift another.
    pub(crate) fn next(&mut self, now: UnixMs, operation: Operation, rng: &mut Rng) -> Option<FaultKind> {
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

/// What is wrong with a fault plan, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FaultPlanError(pub String);

/// Every kind with its name; those that take a time get one here that is never seen.
const KINDS: [(&str, FaultKind); 12] = [
    ("throttled", FaultKind::Throttled),
    ("storm", FaultKind::Storm { ms: 0 }),
    ("error-before", FaultKind::ErrorBefore),
    ("error-after", FaultKind::ErrorAfter),
    ("lost-before", FaultKind::LostBefore),
    ("lost-after", FaultKind::LostAfter),
    ("reset-before", FaultKind::ResetBefore),
    ("reset-after", FaultKind::ResetAfter),
    ("half-written", FaultKind::HalfWritten),
    ("slow", FaultKind::Slow { ms: 0 }),
    ("expired-credentials", FaultKind::ExpiredCredentials),
    ("access-denied", FaultKind::AccessDenied),
];

impl FaultPlan {
    /// Reads a file's text: JSON where it starts with a brace, else a fault a line; `#` starts a comment.
    ///
    /// # Errors
    /// The line and what is expected there.
    pub fn parse(text: &str) -> Result<Self, FaultPlanError> {
        if text.trim_start().starts_with('{') {
            return json(text);
        }
        let mut plan = Self::none();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default().trim();
            if !line.is_empty() {
                plan.add(line).map_err(|error| FaultPlanError(format!("line {number}: {error}")))?;
            }
        }
        Ok(plan)
    }

    /// Adds what one line says.
    ///
    /// # Errors
    /// What is expected in its place.
    pub fn add(&mut self, line: &str) -> Result<(), FaultPlanError> {
        if self.rules.len() >= limits::FAULTS_MAX {
            return Err(FaultPlanError(format!("more than {} faults", limits::FAULTS_MAX)));
        }
        match line.split_once('=') {
            Some(("list-lag", lag)) => self.list_lag_ms = Some(list_lag(lag)?),
            Some(("background", rates)) => self.background.push(background(rates)?),
            _ => self.rules.push(rule(line)?),
        }
        Ok(())
    }
}

fn rule(line: &str) -> Result<FaultRule, FaultPlanError> {
    let (fault, about) = line.split_once('@').ok_or_else(|| {
        wrong(
            line,
            "say with which calls, as in lost-after@5%, lost-after@7 or lost-after@7..9:AdminLinkProviderForUser",
        )
    })?;
    let (when, operation) = about.split_once(':').map_or((about, None), |(when, operation)| (when, Some(operation)));
    let (name, value) = fault.split_once('=').map_or((fault, None), |(name, value)| (name, Some(value)));
    assemble(name, value, parse_when(when)?, operation)
}

fn assemble(
    name: &str,
    value: Option<&str>,
    when: FaultTrigger,
    operation: Option<&str>,
) -> Result<FaultRule, FaultPlanError> {
    let names = || KINDS.map(|(name, _)| name).join(", ");
    let kind = KINDS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
    let kind = match kind.ok_or_else(|| wrong(name, &format!("expected one of {}", names())))? {
        FaultKind::Storm { .. } => FaultKind::Storm { ms: how_long(name, value)? },
        FaultKind::Slow { .. } => FaultKind::Slow { ms: how_long(name, value)? },
        _ if value.is_some() => return Err(wrong(name, "it takes no time")),
        kind => kind,
    };
    let rule = FaultRule::new(kind, when);
    match operation {
        None => Ok(rule),
        Some(name) => Ok(rule.on(Operation::by_name(name).ok_or_else(|| {
            wrong(name, "expected an operation of the service, such as AdminLinkProviderForUser or ListUsers")
        })?)),
    }
}

fn how_long(name: &str, value: Option<&str>) -> Result<u64, FaultPlanError> {
    let ms = value.and_then(time).and_then(|time| u64::try_from(time.as_millis()).ok());
    ms.filter(|ms| (1..=limits::SLOW_MS_MAX).contains(ms)).ok_or_else(|| {
        wrong(name, &format!("say for how long, as in {name}=3s, at most {} s", limits::SLOW_MS_MAX / 1_000))
    })
}

fn list_lag(text: &str) -> Result<u64, FaultPlanError> {
    let ms = time(text).and_then(|time| u64::try_from(time.as_millis()).ok());
    ms.filter(|ms| *ms <= limits::LIST_LAG_MS_MAX).ok_or_else(|| {
        wrong("list-lag", &format!("expected a time such as 800ms, at most {} s", limits::LIST_LAG_MS_MAX / 1_000))
    })
}

fn background(text: &str) -> Result<(Category, Schedule), FaultPlanError> {
    category_rates(text).map_err(|error| wrong("background", &error.to_string()))
}

fn parse_when(text: &str) -> Result<FaultTrigger, FaultPlanError> {
    let number = |text: &str| text.parse::<u64>().ok().filter(|number| *number > 0);
    let share = |text: &str| text.parse::<f64>().ok();
    let when = if let Some(percent) = text.strip_suffix('%') {
        share(percent).map(|percent| FaultTrigger::Chance(percent / 100.0))
    } else if let Some((from, to)) = text.split_once("..") {
        match (number(from), number(to)) {
            (Some(from), None) if to.is_empty() => Some(FaultTrigger::From(from)),
            (Some(from), Some(to)) if from <= to => Some(FaultTrigger::Calls(from..=to)),
            _ => None,
        }
    } else if text.contains('.') {
        share(text).map(FaultTrigger::Chance)
    } else {
        number(text).map(|number| FaultTrigger::Calls(number..=number))
    };
    let is_share = |when: &FaultTrigger| !matches!(when, FaultTrigger::Chance(share) if !(0.0..=1.0).contains(share));
    when.filter(is_share)
        .ok_or_else(|| wrong(text, "expected a share of the calls as in 5% or 0.05, or numbers as in 7, 7..9 or 7.."))
}

fn wrong(what: &str, expected: &str) -> FaultPlanError {
    FaultPlanError(format!("'{what}': {expected}"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultPlanJson {
    #[serde(default)]
    faults: Vec<FaultJson>,
    #[serde(default)]
    list_lag: Option<String>,
    #[serde(default)]
    background: BTreeMap<String, String>,
}

/// A fault as JSON: `{"kind":"slow","for":"3s","calls":"7..9","operation":"ListUsers"}`, with `rate` or `calls`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultJson {
    kind: String,
    #[serde(rename = "for")]
    how_long: Option<String>,
    rate: Option<f64>,
    calls: Option<String>,
    operation: Option<String>,
}

fn json(text: &str) -> Result<FaultPlan, FaultPlanError> {
    let read: FaultPlanJson = serde_json::from_str(text).map_err(|error| FaultPlanError(error.to_string()))?;
    let mut plan = FaultPlan::none();
    for fault in read.faults.into_iter().take(limits::FAULTS_MAX) {
        let when = match (fault.rate, &fault.calls) {
            (Some(rate), None) if (0.0..=1.0).contains(&rate) => FaultTrigger::Chance(rate),
            (None, Some(calls)) => parse_when(calls)?,
            _ => return Err(wrong(&fault.kind, "give it either rate, from 0 to 1, or calls, as in \"7..9\"")),
        };
        plan.rules.push(assemble(&fault.kind, fault.how_long.as_deref(), when, fault.operation.as_deref())?);
    }
    plan.list_lag_ms = read.list_lag.as_deref().map(list_lag).transpose()?;
    for (category, rates) in &read.background {
        plan.background.push(background(&format!("{category}:{rates}"))?);
    }
    Ok(plan)
}

#[cfg(test)]
mod fault_tests {
    use super::*;

    fn run(plan: &mut FaultPlan, calls: &[(UnixMs, Operation)]) -> Vec<Option<FaultKind>> {
        let mut rng = Rng::new(1);
        calls.iter().map(|(now, operation)| plan.next(*now, *operation, &mut rng)).collect()
    }

    #[test]
    fn numbers_count_the_calls_of_the_rules_operation() {
        let mut plan = FaultPlan::none()
            .with(FaultRule::new(FaultKind::LostAfter, FaultTrigger::Calls(2..=2)).on(Operation::LinkProvider))
            .with(FaultRule::new(FaultKind::ExpiredCredentials, FaultTrigger::From(5)));
        let (link, list) = ((0, Operation::LinkProvider), (0, Operation::ListUsers));
        let expected = [None, None, Some(FaultKind::LostAfter), None, Some(FaultKind::ExpiredCredentials)];
        assert_eq!(run(&mut plan, &[link, list, link, link, list]), expected);
    }

    #[test]
    fn a_storm_throttles_everything_while_it_lasts() {
        let mut plan = FaultPlan::none().with(FaultRule::new(FaultKind::Storm { ms: 500 }, FaultTrigger::Calls(2..=2)));
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
        let rule = FaultRule::new(FaultKind::LostBefore, FaultTrigger::Chance(0.1));
        let count = lost(FaultPlan::none().with(rule.clone()));
        assert!((70..130).contains(&count), "{count}");
        assert_eq!(count, lost(FaultPlan::none().with(rule)));
    }
}

#[cfg(test)]
mod fault_text_tests {
    use super::*;

    #[test]
    fn a_plan_is_the_same_as_lines_and_as_json() {
        let lines = "# what goes wrong\n\
                     lost-after@1%:AdminLinkProviderForUser\n\
                     storm=5s@100\n\
                     slow=1500ms@7..9:ListUsers   # a few\n\n\
                     expired-credentials@2000..\n\
                     list-lag=800ms\n\
                     background=UserUpdate:5,20@60s\n";
        let json = r#"{
            "faults": [
                {"kind": "lost-after", "rate": 0.01, "operation": "AdminLinkProviderForUser"},
                {"kind": "storm", "for": "5s", "calls": "100"},
                {"kind": "slow", "for": "1500ms", "calls": "7..9", "operation": "ListUsers"},
                {"kind": "expired-credentials", "calls": "2000.."}
            ],
            "list_lag": "800ms",
            "background": {"UserUpdate": "5,20@60s"}
        }"#;
        let mut expected = FaultPlan::none()
            .with(FaultRule::new(FaultKind::LostAfter, FaultTrigger::Chance(0.01)).on(Operation::LinkProvider))
            .with(FaultRule::new(FaultKind::Storm { ms: 5_000 }, FaultTrigger::Calls(100..=100)))
            .with(FaultRule::new(FaultKind::Slow { ms: 1_500 }, FaultTrigger::Calls(7..=9)).on(Operation::ListUsers))
            .with(FaultRule::new(FaultKind::ExpiredCredentials, FaultTrigger::From(2_000)));
        expected.list_lag_ms = Some(800);
        expected.background.push((Category::UserUpdate, "5,20@60s".parse().unwrap()));
        assert_eq!(FaultPlan::parse(lines), Ok(expected.clone()));
        assert_eq!(FaultPlan::parse(json), Ok(expected));
    }

    #[test]
    fn every_kind_has_a_name_that_is_read() {
        for (name, kind) in KINDS {
            let timed = matches!(kind, FaultKind::Storm { .. } | FaultKind::Slow { .. });
            let line = if timed { format!("{name}=1s@0.5") } else { format!("{name}@0.5") };
            let kind = match kind {
                FaultKind::Storm { .. } => FaultKind::Storm { ms: 1_000 },
                FaultKind::Slow { .. } => FaultKind::Slow { ms: 1_000 },
                kind => kind,
            };
            assert_eq!(rule(&line), Ok(FaultRule::new(kind, FaultTrigger::Chance(0.5))), "{name}");
        }
    }

    #[test]
    fn what_is_no_plan_is_told_with_its_line() {
        for (text, told) in [
            ("lost-after", "line 1: 'lost-after': say with which calls"),
            ("\nlost@1%", "line 2: 'lost': expected one of throttled, storm"),
            ("lost-after@120%", "'120%': expected a share of the calls"),
            ("lost-after@0", "'0': expected a share"),
            ("lost-after@9..7", "'9..7': expected a share"),
            ("lost-after=3s@1", "'lost-after': it takes no time"),
            ("storm@1", "'storm': say for how long, as in storm=3s"),
            ("slow=1h@1", "'slow': say for how long"),
            ("lost-after@1:Link", "'Link': expected an operation of the service"),
            ("list-lag=1h", "'list-lag': expected a time"),
            ("background=Users:5", "'background': 'Users' is no quota category; expected one of UserUpdate"),
            ("background=fast", "'background': expected calls a second"),
            (r#"{"faults":[{"kind":"slow","for":"1s"}]}"#, "'slow': give it either rate"),
            (r#"{"fault":[]}"#, "unknown field `fault`"),
        ] {
            let error = FaultPlan::parse(text).unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
