//! The rate that a run starts with and may not exceed: from a quota, from the user, or from an earlier run.

use super::controller::{InitialRate, RateController};
use crate::limits::{RATE_PER_SECOND_MAX, RATE_PER_SECOND_MIN, RATE_START_PER_SECOND, WRITE_QUOTA_PER_SECOND};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaOrigin {
    /// `GetProvisionedLimit`: the quota that the service enforces at the moment.
    Provisioned,
    /// Service Quotas: the quota that the account was granted.
    ServiceQuotas,
    /// The documented default, because neither could be read.
    Assumed,
}

impl QuotaOrigin {
    /// The code in results and ledgers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provisioned => "provisioned",
            Self::ServiceQuotas => "service_quotas",
            Self::Assumed => "assumed",
        }
    }
}

/// The quota of a category of calls, and our part of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateQuota {
    /// Calls per second, of all clients together.
    pub per_second: f64,
    pub origin: QuotaOrigin,
    /// Our part of it, above 0 and at most 1.
    pub share: f64,
    /// Machines that share our part without communicating, including this one; at least 1.
    pub machines: u32,
}

impl RateQuota {
    /// The documented default of the write category.
    pub fn assumed(share: f64, machines: u32) -> Self {
        Self { per_second: WRITE_QUOTA_PER_SECOND, origin: QuotaOrigin::Assumed, share, machines }
    }

    /// The highest rate, in calls per second.
    pub fn ceiling(self) -> f64 {
        (self.per_second * self.share).clamp(RATE_PER_SECOND_MIN, RATE_PER_SECOND_MAX)
    }

    /// The rate that one machine starts with, in calls per second: machines start with even parts of the quota, and find
    /// their own parts from the calls that are throttled.
    pub fn even_part(self) -> f64 {
        self.per_second / f64::from(self.machines.max(1))
    }

    /// The quota in calls per second, unless it is assumed.
    pub fn known(self) -> Option<f64> {
        (self.origin != QuotaOrigin::Assumed).then_some(self.per_second)
    }

    /// That part, unless the quota is assumed.
    pub fn known_part(self) -> Option<f64> {
        (self.origin != QuotaOrigin::Assumed).then(|| self.even_part())
    }
}

/// Limits of the rate that are set during a run, in calls per second.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RateLimits {
    /// The limit that a person has chosen in place of the run's own.
    pub chosen: Option<f64>,
    /// The limit of the window that is open, which a chosen one does not exceed.
    pub window: Option<f64>,
}

impl RateLimits {
    /// The ceiling, where the run's own is this.
    pub(super) fn ceiling(self, own: f64) -> f64 {
        self.chosen.unwrap_or(own).min(self.window.unwrap_or(f64::INFINITY))
    }
}

/// The rate that a run starts with and its ceiling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// The start, and the ceiling in calls per second; `None` for no rate at all.
    paced: Option<(InitialRate, f64)>,
    shared: bool,
    /// The quota of all clients together, in calls per second, where it was read.
    quota: Option<f64>,
}

impl Pace {
    /// No rate: only pauses after throttled calls.
    pub fn unbounded() -> Self {
        Self { paced: None, shared: false, quota: None }
    }

    /// At most this many calls per second, and fewer if the service throttles.
    pub fn at(per_second: f64) -> Self {
        let per_second = per_second.clamp(RATE_PER_SECOND_MIN, RATE_PER_SECOND_MAX);
        Self { paced: Some((InitialRate::At(per_second), per_second)), shared: false, quota: None }
    }

    /// A share of a quota; other clients may need more than the rest. If the quota is assumed, the rate that an earlier run
    /// has `learnt`, in calls per second, is the better start.
    pub fn within(limit: RateQuota, learnt: Option<f64>) -> Self {
        let start = match (limit.known_part(), learnt) {
            (None, Some(learnt)) => InitialRate::Learnt(learnt),
            _ => InitialRate::Known(limit.even_part()),
        };
        Self { paced: Some((start, limit.ceiling())), shared: limit.machines > 1, quota: limit.known() }
    }

    /// As fast as the service allows, on one of this many machines: from the rate that an earlier run has `learnt`, in calls
    /// per second, or from a first guess.
    pub fn max(machines: u32, learnt: Option<f64>) -> Self {
        let guess = RATE_START_PER_SECOND / f64::from(machines.max(1));
        let start = learnt.map_or(InitialRate::Ramp(guess), InitialRate::Learnt);
        Self { paced: Some((start, RATE_PER_SECOND_MAX)), shared: machines > 1, quota: None }
    }

    pub(super) fn quota(self) -> Option<f64> {
        self.quota
    }

    /// The highest rate, in calls per second; infinite if there is none.
    pub fn ceiling(self) -> f64 {
        self.paced.map_or(f64::INFINITY, |(_, ceiling)| ceiling)
    }

    /// The rate to estimate with, in calls per second; `None` if it must be found first.
    pub fn expected(self) -> Option<f64> {
        match self.paced? {
            (InitialRate::Ramp(_), _) => None,
            (InitialRate::Learnt(rate), ceiling) => Some(rate.min(ceiling)),
            (InitialRate::At(_) | InitialRate::Known(_), ceiling) => Some(ceiling),
        }
    }

    pub(super) fn controller(self) -> Option<RateController> {
        let make = if self.shared { RateController::among_several } else { RateController::new };
        self.paced.map(|(start, ceiling)| make(start, ceiling))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_rate(pace: Pace) -> f64 {
        pace.controller().map_or(f64::INFINITY, |controller| controller.rate(0.0))
    }

    #[test]
    fn paces_start_where_they_should_and_end_at_their_ceiling() {
        let known = RateQuota { per_second: 100.0, origin: QuotaOrigin::Provisioned, share: 0.8, machines: 1 };
        let four = RateQuota { machines: 4, ..known };
        let assumed = RateQuota::assumed(0.8, 1);
        for (pace, first, ceiling) in [
            (Pace::unbounded(), f64::INFINITY, f64::INFINITY),
            (Pace::at(40.0), 40.0, 40.0),
            (Pace::at(0.0), 0.2, 0.2),
            (Pace::within(known, Some(10.0)), 80.0, 80.0),
            (Pace::within(four, None), 25.0 * 0.92, 80.0),
            (Pace::within(assumed, None), 20.0, 20.0),
            (Pace::within(assumed, Some(10.0)), 9.0, 20.0),
            (Pace::max(1, None), 25.0, RATE_PER_SECOND_MAX),
            (Pace::max(5, None), 5.0, RATE_PER_SECOND_MAX),
            (Pace::max(1, Some(200.0)), 180.0, RATE_PER_SECOND_MAX),
        ] {
            for (found, expected) in [(first_rate(pace), first), (pace.ceiling(), ceiling)] {
                let same = (found - expected).abs() < 1e-9 || found.is_infinite() && expected.is_infinite();
                assert!(same, "{pace:?}: {found}, not {expected}");
            }
        }
    }
}
