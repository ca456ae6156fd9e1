//! A fault plan as text: a fault a line, or JSON.
//!
//! A line is `KIND[=TIME]@WHEN[:OPERATION]`, where WHEN is a share of the calls (`5%`, `0.05`), a call's number (`7`),
//! numbers from and to (`7..9`), or from one on (`7..`). Beside faults there are `list-lag=TIME` and
//! `background=[CATEGORY:]RATES`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::fault::{FaultKind, FaultPlan, FaultRule, When};
use super::request::{Category, Operation};
use super::schedule::{Schedule, category_rates, time};
use crate::limits;

/// What is wrong with a fault plan, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FaultTextError(pub String);

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
    pub fn parse(text: &str) -> Result<Self, FaultTextError> {
        if text.trim_start().starts_with('{') {
            return json(text);
        }
        let mut plan = Self::none();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default().trim();
            if !line.is_empty() {
                plan.add(line).map_err(|error| FaultTextError(format!("line {number}: {error}")))?;
            }
        }
        Ok(plan)
    }

    /// Adds what one line says.
    ///
    /// # Errors
    /// What is expected in its place.
    pub fn add(&mut self, line: &str) -> Result<(), FaultTextError> {
        if self.rules.len() >= limits::SIM_FAULTS_MAX {
            return Err(FaultTextError(format!("more than {} faults", limits::SIM_FAULTS_MAX)));
        }
        match line.split_once('=') {
            Some(("list-lag", lag)) => self.list_lag_ms = Some(list_lag(lag)?),
            Some(("background", rates)) => self.background.push(background(rates)?),
            _ => self.rules.push(rule(line)?),
        }
        Ok(())
    }
}

fn rule(line: &str) -> Result<FaultRule, FaultTextError> {
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

fn assemble(name: &str, value: Option<&str>, when: When, operation: Option<&str>) -> Result<FaultRule, FaultTextError> {
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

fn how_long(name: &str, value: Option<&str>) -> Result<u64, FaultTextError> {
    let ms = value.and_then(time).and_then(|time| u64::try_from(time.as_millis()).ok());
    ms.filter(|ms| (1..=limits::SIM_SLOW_MS_MAX).contains(ms)).ok_or_else(|| {
        wrong(name, &format!("say for how long, as in {name}=3s, at most {} s", limits::SIM_SLOW_MS_MAX / 1_000))
    })
}

fn list_lag(text: &str) -> Result<u64, FaultTextError> {
    let ms = time(text).and_then(|time| u64::try_from(time.as_millis()).ok());
    ms.filter(|ms| *ms <= limits::SIM_LIST_LAG_MS_MAX).ok_or_else(|| {
        wrong("list-lag", &format!("expected a time such as 800ms, at most {} s", limits::SIM_LIST_LAG_MS_MAX / 1_000))
    })
}

fn background(text: &str) -> Result<(Category, Schedule), FaultTextError> {
    category_rates(text).map_err(|error| wrong("background", &error.to_string()))
}

fn parse_when(text: &str) -> Result<When, FaultTextError> {
    let number = |text: &str| text.parse::<u64>().ok().filter(|number| *number > 0);
    let share = |text: &str| text.parse::<f64>().ok();
    let when = if let Some(percent) = text.strip_suffix('%') {
        share(percent).map(|percent| When::Chance(percent / 100.0))
    } else if let Some((from, to)) = text.split_once("..") {
        match (number(from), number(to)) {
            (Some(from), None) if to.is_empty() => Some(When::From(from)),
            (Some(from), Some(to)) if from <= to => Some(When::Calls(from..=to)),
            _ => None,
        }
    } else if text.contains('.') {
        share(text).map(When::Chance)
    } else {
        number(text).map(|number| When::Calls(number..=number))
    };
    let is_share = |when: &When| !matches!(when, When::Chance(share) if !(0.0..=1.0).contains(share));
    when.filter(is_share)
        .ok_or_else(|| wrong(text, "expected a share of the calls as in 5% or 0.05, or numbers as in 7, 7..9 or 7.."))
}

fn wrong(what: &str, expected: &str) -> FaultTextError {
    FaultTextError(format!("'{what}': {expected}"))
}

/// A plan as JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanJson {
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

fn json(text: &str) -> Result<FaultPlan, FaultTextError> {
    let read: PlanJson = serde_json::from_str(text).map_err(|error| FaultTextError(error.to_string()))?;
    let mut plan = FaultPlan::none();
    for fault in read.faults.into_iter().take(limits::SIM_FAULTS_MAX) {
        let when = match (fault.rate, &fault.calls) {
            (Some(rate), None) if (0.0..=1.0).contains(&rate) => When::Chance(rate),
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
#[path = "fault_text_tests.rs"]
mod tests;
