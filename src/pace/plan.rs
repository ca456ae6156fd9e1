//! What a budget starts from: a limit that is known or assumed, a pace that was asked for, or nothing.

use super::controller::{Controller, Start};
use crate::limits::{RATE_PER_SECOND_MAX, RATE_PER_SECOND_MIN, RATE_START_PER_SECOND, WRITE_QUOTA_PER_SECOND};

/// Where the figure of a limit comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// `GetProvisionedLimit`: what the service enforces at the moment.
    Provisioned,
    /// Service Quotas: what the account was granted.
    ServiceQuotas,
    /// Neither could be read: the documented default.
    Assumed,
}

impl Origin {
    /// The origin as scripts and ledgers see it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provisioned => "provisioned",
            Self::ServiceQuotas => "service_quotas",
            Self::Assumed => "assumed",
        }
    }
}

/// The limit of a category of calls, and the part of it that is ours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// Calls a second, for everybody together.
    pub per_second: f64,
    /// Where that figure comes from.
    pub origin: Origin,
    /// The part that is ours, over 0 and up to 1.
    pub share: f64,
    /// Machines that share our part without talking to each other, this one included; at least 1.
    pub machines: u32,
}

impl Limit {
    /// The documented default of the writing category, where nothing better can be read.
    #[must_use]
    pub fn assumed(share: f64, machines: u32) -> Self {
        Self { per_second: WRITE_QUOTA_PER_SECOND, origin: Origin::Assumed, share, machines }
    }

    /// What the pace never goes above, in calls a second.
    #[must_use]
    pub fn ceiling(self) -> f64 {
        (self.per_second * self.share).clamp(RATE_PER_SECOND_MIN, RATE_PER_SECOND_MAX)
    }

    /// What one machine starts from, in calls a second: machines begin with even parts, and find out by what they are
    /// refused how much of the whole is theirs.
    #[must_use]
    pub fn even_part(self) -> f64 {
        self.per_second / f64::from(self.machines.max(1))
    }

    /// That part, where the limit is more than an assumption.
    #[must_use]
    pub fn known_part(self) -> Option<f64> {
        (self.origin != Origin::Assumed).then(|| self.even_part())
    }
}

/// How a budget goes about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Where it starts, and what it never goes above, in calls a second; `None` for no pace at all.
    paced: Option<(Start, f64)>,
    /// Whether other machines share it.
    shared: bool,
}

impl Pace {
    /// No pace: only pauses after refusals.
    #[must_use]
    pub fn unbounded() -> Self {
        Self { paced: None, shared: false }
    }

    /// So many calls a second and never more; less where the service throttles.
    #[must_use]
    pub fn at(per_second: f64) -> Self {
        let per_second = per_second.clamp(RATE_PER_SECOND_MIN, RATE_PER_SECOND_MAX);
        Self { paced: Some((Start::At(per_second), per_second)), shared: false }
    }

    /// A share of a limit, of which others may need more than they should. Where the limit is an assumption, what an
    /// earlier run has `learnt`, in calls a second, is the better start.
    #[must_use]
    pub fn within(limit: Limit, learnt: Option<f64>) -> Self {
        let start = match (limit.known_part(), learnt) {
            (None, Some(learnt)) => Start::Learnt(learnt),
            _ => Start::Known(limit.even_part()),
        };
        Self { paced: Some((start, limit.ceiling())), shared: limit.machines > 1 }
    }

    /// As fast as the service lets it, as one of so many machines: from what an earlier run has `learnt`, in calls a
    /// second, or from a first guess.
    #[must_use]
    pub fn max(machines: u32, learnt: Option<f64>) -> Self {
        let guess = RATE_START_PER_SECOND / f64::from(machines.max(1));
        let start = learnt.map_or(Start::Ramp(guess), Start::Learnt);
        Self { paced: Some((start, RATE_PER_SECOND_MAX)), shared: machines > 1 }
    }

    /// What it never goes above, in calls a second; infinite where there is no pace.
    #[must_use]
    pub fn ceiling(self) -> f64 {
        self.paced.map_or(f64::INFINITY, |(_, ceiling)| ceiling)
    }

    /// The pace to reckon with, in calls a second; `None` where it must be found first.
    #[must_use]
    pub fn expected(self) -> Option<f64> {
        match self.paced? {
            (Start::Ramp(_), _) => None,
            (Start::Learnt(rate), ceiling) => Some(rate.min(ceiling)),
            (Start::At(_) | Start::Known(_), ceiling) => Some(ceiling),
        }
    }

    pub(super) fn controller(self) -> Option<Controller> {
        let make = if self.shared { Controller::among_several } else { Controller::new };
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
        let known = Limit { per_second: 100.0, origin: Origin::Provisioned, share: 0.8, machines: 1 };
        let four = Limit { machines: 4, ..known };
        let assumed = Limit::assumed(0.8, 1);
        for (pace, first, ceiling) in [
            (Pace::unbounded(), f64::INFINITY, f64::INFINITY),
            (Pace::at(40.0), 40.0, 40.0),
            (Pace::at(0.0), 0.2, 0.2),
            (Pace::within(known, Some(10.0)), 80.0, 80.0),
            (Pace::within(four, None), 25.0 * 0.9, 80.0),
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
