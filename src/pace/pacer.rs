//! Admits calls: evenly spaced at the controller's rate, and none during a cool-down.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{Quota, RateLimiter};

use super::controller::{CallFeedback, LoggedCall, RateController};
use super::cool_down::CoolDown;
use super::settings::{Pace, RateLimits, RateQuota};
use crate::clock::{Clock, Instant};
use crate::limits::{COOL_DOWN_MS_MAX, RATE_BURST_CALLS, RATE_CATCH_UP_MS, RATE_PER_SECOND_MIN};

/// Whether a call may be sent now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Admission {
    Admitted(AdmittedCall),
    /// Not before this time, because of the rate.
    NotBefore(Instant),
    /// Not before this time, because the service throttled or was not reached.
    CoolingDown(Instant),
}

/// An admitted call. Its outcome must be reported with [`CallPacer::record_feedback`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdmittedCall {
    at: Instant,
    logged: Option<LoggedCall>,
}

/// Paces one category of calls for everybody who makes them. Every attempt counts, retries included.
#[derive(Debug)]
pub struct CallPacer {
    clock: Clock,
    started: Instant,
    /// `None` where no rate is set: only pauses apply.
    paced: Option<PacedRate>,
    cool_down: CoolDown,
    refused_since: Option<Instant>,
    /// The ceiling by the options or the quota, in calls per second.
    own_ceiling: f64,
    quota: Option<f64>,
    limits: RateLimits,
}

#[derive(Debug)]
struct PacedRate {
    controller: RateController,
    spacing: CallSpacing,
}

impl CallPacer {
    pub fn new(clock: Clock, pace: Pace) -> Self {
        let paced = pace.controller().map(|controller| PacedRate { controller, spacing: CallSpacing::default() });
        Self {
            clock,
            started: clock.now(),
            paced,
            cool_down: CoolDown::default(),
            refused_since: None,
            own_ceiling: pace.ceiling(),
            quota: pace.quota(),
            limits: RateLimits::default(),
        }
    }

    /// The current rate in calls per second; infinite where no rate is set.
    pub fn per_second(&self) -> f64 {
        let now = self.seconds(self.clock.now());
        self.paced.as_ref().map_or(f64::INFINITY, |paced| paced.controller.rate(now))
    }

    /// The quota that the throttled calls of this run have shown, in calls per second; `None` before the first one.
    pub fn measured_quota(&self) -> Option<f64> {
        self.paced.as_ref().and_then(|paced| paced.controller.measured_quota())
    }

    /// Admits a call, or says how long to wait.
    pub fn admit_call(&mut self) -> Admission {
        let now = self.clock.now();
        if let Some(until) = self.cool_down.until(now) {
            return Admission::CoolingDown(until);
        }
        let (seconds, started) = (self.seconds(now), self.started);
        let Some(PacedRate { controller, spacing }) = &mut self.paced else {
            return Admission::Admitted(AdmittedCall { at: now, logged: None });
        };
        controller.tick(seconds);
        if seconds < controller.resume_at() {
            return Admission::CoolingDown(started + Duration::from_secs_f64(controller.resume_at()));
        }
        match spacing.take_slot(now, controller.rate(seconds)) {
            Ok(()) => Admission::Admitted(AdmittedCall { at: now, logged: Some(controller.on_sent(seconds)) }),
            Err(due) => Admission::NotBefore(due),
        }
    }

    /// Records the outcome of a call. Returns the pause that it started, or the wait for the next call where it made the
    /// rate slower. `retry_after` is the wait that the service requested.
    pub fn record_feedback(
        &mut self,
        call: AdmittedCall,
        feedback: CallFeedback,
        retry_after: Option<Duration>,
    ) -> Option<Duration> {
        let now = self.clock.now();
        match feedback {
            CallFeedback::Throttled | CallFeedback::Unreached => {
                self.refused_since.get_or_insert(now);
            }
            CallFeedback::Accepted | CallFeedback::Faulted => {
                self.refused_since = None;
                self.cool_down.on_accepted(call.at);
            }
        }
        let wait = self.steer(now, call, feedback, retry_after);
        let pauses = feedback == CallFeedback::Unreached || feedback == CallFeedback::Throttled && self.paced.is_none();
        if pauses { self.cool_down.on_throttled(call.at, now, retry_after) } else { wait }
    }

    fn steer(
        &mut self,
        now: Instant,
        call: AdmittedCall,
        feedback: CallFeedback,
        retry_after: Option<Duration>,
    ) -> Option<Duration> {
        let seconds = self.seconds(now);
        let PacedRate { controller, spacing } = self.paced.as_mut()?;
        let mut slower = controller.on_result(seconds, call.logged?, feedback);
        if let Some(wait) = retry_after.filter(|_| feedback == CallFeedback::Throttled) {
            let wait = wait.min(Duration::from_millis(COOL_DOWN_MS_MAX));
            controller.pause_until(seconds + wait.as_secs_f64());
            slower = true;
        }
        if !slower {
            return None;
        }
        let (per_second, resume_in) = (controller.rate(seconds), controller.resume_at() - seconds);
        if resume_in > 0.0 {
            spacing.pause_until(now + Duration::from_secs_f64(resume_in), per_second);
        }
        Some(Duration::from_secs_f64(resume_in.max(1.0 / per_second)))
    }

    /// Takes a quota that was read again during the run.
    pub fn set_quota(&mut self, quota: RateQuota) {
        let seconds = self.seconds(self.clock.now());
        (self.own_ceiling, self.quota) = (quota.ceiling(), quota.known());
        let ceiling = self.ceiling();
        if let Some(paced) = &mut self.paced {
            paced.controller.set_ceiling(seconds, ceiling, quota.known_part());
        }
    }

    /// The highest rate at the moment, in calls per second; infinite where there is none.
    pub fn ceiling(&self) -> f64 {
        self.limits.ceiling(self.own_ceiling)
    }

    /// The highest rate in a window with this rate, or in one without a rate, in calls per second.
    pub fn ceiling_in_window(&self, window: Option<f64>) -> f64 {
        RateLimits { window, ..self.limits }.ceiling(self.own_ceiling)
    }

    /// The quota of all clients together, in calls per second; `None` where it was not read.
    pub fn quota(&self) -> Option<f64> {
        self.quota
    }

    /// Takes limits that were set during the run. They hold from the next call on.
    pub fn set_limits(&mut self, limits: RateLimits) {
        let seconds = self.seconds(self.clock.now());
        let is_chosen = limits.chosen.is_some() && limits.chosen != self.limits.chosen;
        self.limits = limits;
        let ceiling = self.ceiling();
        match &mut self.paced {
            Some(paced) => paced.controller.limit(seconds, ceiling, is_chosen),
            None if ceiling.is_finite() => {
                let controller = Pace::at(ceiling).controller();
                self.paced = controller.map(|controller| PacedRate { controller, spacing: CallSpacing::default() });
            }
            None => {}
        }
    }

    /// Forgets how long calls have been throttled: after a pause, that time says nothing about the service.
    pub fn forget_refusals(&mut self) {
        self.refused_since = None;
    }

    /// How long every call has been throttled or has not reached the service, although the rate cannot become slower;
    /// `None` while calls are accepted, or may be at a slower rate.
    pub fn stuck_for(&self) -> Option<Duration> {
        let now = self.clock.now();
        let slowest = self.paced.is_none()
            || self.per_second() <= RATE_PER_SECOND_MIN * 1.01
            || self.cool_down.until(now).is_some();
        self.refused_since.filter(|_| slowest).map(|since| now.saturating_duration_since(since))
    }

    /// The controller's time: seconds since the start.
    fn seconds(&self, at: Instant) -> f64 {
        at.saturating_duration_since(self.started).as_secs_f64()
    }
}

/// Spaces calls evenly: governor's GCRA decides, with a quota of the rate at that moment.
///
/// A quota allows a burst of two calls, or 5 ms of them at a fast rate, so that late timers cost no throughput; a first
/// call or a new rate adds none. governor cannot change the quota of a limiter, and the rate changes with almost every
/// call. So each decision has its own limiter, and what stays between them is the last slot: the time at which the last
/// call was due. Limiters with governor's own state, replaced when the rate changes, lose that time at each change: the
/// engine then uses 99.6 % of a quota of 25/s in place of 100.3 %, and 99.6 % of 50/s in place of 99.8 % (means of 48
/// seeds of `cargo bench --bench pace -- engine`).
#[derive(Debug, Default)]
struct CallSpacing {
    last_slot: Option<Instant>,
}

impl CallSpacing {
    /// Takes a slot at this rate. An error is the time of the next slot.
    fn take_slot(&mut self, now: Instant, per_second: f64) -> Result<(), Instant> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a bounded rate")]
        let late_slots = (per_second * Duration::from_millis(RATE_CATCH_UP_MS).as_secs_f64()) as u32;
        let late_slots = late_slots.max(RATE_BURST_CALLS - 1);
        let interval = Duration::from_secs_f64(1.0 / per_second);
        let quota = Quota::with_period(interval).unwrap_or(Quota::per_second(NonZeroU32::MIN));
        let next_slot = self.last_slot.map_or(now, |last| last + interval);
        // governor keeps the time at which its bucket is full again. All its times here count from now.
        let tolerance = interval * late_slots;
        let full_at = FullAt(Cell::new((next_slot + tolerance).saturating_duration_since(now)));
        let limiter: RateLimiter<_, _, _, NoOpMiddleware<Duration>> =
            RateLimiter::new(quota.allow_burst(NonZeroU32::MIN.saturating_add(late_slots)), full_at, DecisionTime);
        match limiter.check() {
            Ok(()) => {
                let FullAt(full_at) = limiter.into_state_store();
                self.last_slot = (now + full_at.get()).checked_sub(tolerance + interval);
                Ok(())
            }
            Err(not_until) => Err(now + not_until.wait_time_from(DecisionTime.now())),
        }
    }

    /// Allows no slot before `until`, and forgets those that were missed: a pause does not end in a burst.
    fn pause_until(&mut self, until: Instant, per_second: f64) {
        self.last_slot = self.last_slot.max(until.checked_sub(Duration::from_secs_f64(1.0 / per_second)));
    }
}

/// The time of a decision, from which governor counts.
#[derive(Debug, Clone, Copy)]
struct DecisionTime;

impl GovernorClock for DecisionTime {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

/// When governor's bucket is full again, after the decision.
#[derive(Debug)]
struct FullAt(Cell<Duration>);

impl StateStore for FullAt {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _key: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (decision, full_at) = decide(Some(self.0.get().into()))?;
        self.0.set(full_at.into());
        Ok(decision)
    }
}

#[cfg(test)]
#[path = "pacer_tests.rs"]
mod tests;
