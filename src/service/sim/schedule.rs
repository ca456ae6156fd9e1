//! A rate that changes at given times, as text: `25,10@60s,50@5m` is 25 a second, 10 after a minute, 50 after five.

use std::str::FromStr;
use std::time::Duration;

use super::operation::Category;
use crate::limits;

/// Calls a second, by the time since the simulator's first call.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    first: f64,
    changes: Vec<Change>,
}

/// A rate from a moment on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// Milliseconds after the simulator's first call.
    pub at_ms: u64,
    /// Calls a second from then on.
    pub per_second: f64,
}

impl Schedule {
    /// A rate that stays, in calls a second.
    #[must_use]
    pub fn constant(per_second: f64) -> Self {
        Self { first: per_second, changes: Vec::new() }
    }

    /// The rate before the first change, in calls a second.
    #[must_use]
    pub fn first(&self) -> f64 {
        self.first
    }

    /// The changes, in the order of their times.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }
}

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// No rates.
    #[error("expected calls a second and, if they change, at which times, as in 25,10@60s,50@5m")]
    Rates,
    /// No category of that name.
    #[error("'{name}' is no quota category; expected one of {}", Category::all().map(Category::name).collect::<Vec<_>>().join(", "))]
    Category {
        /// The name.
        name: String,
    },
}

/// Reads `[CATEGORY:]RATES`; rates without a category are those of `UserUpdate`.
///
/// # Errors
/// [`ScheduleError`].
pub fn category_rates(text: &str) -> Result<(Category, Schedule), ScheduleError> {
    let (category, rates) = match text.split_once(':') {
        None => (Category::UserUpdate, text),
        Some((name, rates)) => {
            let unknown = || ScheduleError::Category { name: name.to_owned() };
            (Category::by_name(name).ok_or_else(unknown)?, rates)
        }
    };
    Ok((category, rates.parse()?))
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let mut parts = text.split(',');
        let first = parts.next().and_then(rate).ok_or(ScheduleError::Rates)?;
        let change = |part: &str| {
            let (per_second, at) = part.split_once('@')?;
            let at_ms = u64::try_from(time(at)?.as_millis()).ok()?;
            Some(Change { at_ms, per_second: rate(per_second)? })
        };
        let changes: Vec<_> = parts.map(|part| change(part).ok_or(ScheduleError::Rates)).collect::<Result<_, _>>()?;
        let in_order = changes.is_sorted_by(|one, next| one.at_ms < next.at_ms);
        if in_order && changes.len() <= limits::SIM_RATE_CHANGES_MAX {
            Ok(Self { first, changes })
        } else {
            Err(ScheduleError::Rates)
        }
    }
}

fn rate(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|rate: &f64| (0.0..=limits::SIM_RATE_PER_SECOND_MAX).contains(rate))
}

/// A time such as `500ms`, `90s` or `1h30m`.
pub(super) fn time(text: &str) -> Option<Duration> {
    let time: jiff::SignedDuration = text.trim().parse().ok()?;
    Duration::try_from(time).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_read() {
        assert_eq!("25".parse(), Ok(Schedule::constant(25.0)));
        let changing: Schedule = "25, 10@60s, 0.5@1h30m".parse().unwrap();
        assert!((changing.first() - 25.0).abs() < 1e-9);
        let changes = [(60_000, 10.0), (5_400_000, 0.5)].map(|(at_ms, per_second)| Change { at_ms, per_second });
        assert_eq!(changing.changes(), changes);
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in ["", "fast", "-1", "NaN", "inf", "25,10", "25,10@", "25,10@soon", "25,10@60s,5@30s", "25@60s"] {
            assert_eq!(text.parse::<Schedule>(), Err(ScheduleError::Rates), "{text}");
        }
    }
}
