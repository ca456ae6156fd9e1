//! Admits calls: evenly spaced at the controller's rate, and none during a cool-down.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use super::controller::{Controller, Ticket, Verdict};
use super::cool_down::CoolDown;
use super::plan::{Limit, Pace};
use crate::clock::{Clock, Instant};
use crate::limits::{COOL_DOWN_MS_MAX, RATE_BURST_CALLS, RATE_MADE_UP_MS, RATE_PER_SECOND_MIN};

/// Whether a call may be sent now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Slot {
    Taken(Sent),
    /// Not before this time, because of the rate.
    NotBefore(Instant),
    /// Not before this time, because the service throttled or was not reached.
    CoolingDown(Instant),
}

/// An admitted call. Its outcome must be reported with [`Budget::on_answer`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sent {
    at: Instant,
    ticket: Option<Ticket>,
}

/// Paces one category of calls for everybody who makes them. Every attempt counts, retries included.
#[derive(Debug)]
pub struct Budget {
    clock: Clock,
    started: Instant,
    /// `None` where no rate is set: only pauses apply.
    paced: Option<PacedRate>,
    cool_down: CoolDown,
    refused_since: Option<Instant>,
}

#[derive(Debug)]
struct PacedRate {
    controller: Controller,
    spacing: CallSpacing,
}

impl Budget {
    #[must_use]
    pub fn new(clock: Clock, pace: Pace) -> Self {
        let paced = pace.controller().map(|controller| PacedRate { controller, spacing: CallSpacing::new(clock) });
        Self { clock, started: clock.now(), paced, cool_down: CoolDown::default(), refused_since: None }
    }

    /// The current rate in calls per second; infinite where no rate is set.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        let now = self.seconds(self.clock.now());
        self.paced.as_ref().map_or(f64::INFINITY, |paced| paced.controller.rate(now))
    }

    /// The quota that the throttled calls of this run have shown, in calls per second; `None` before the first one.
    #[must_use]
    pub fn measured(&self) -> Option<f64> {
        self.paced.as_ref().and_then(|paced| paced.controller.measured())
    }

    /// Admits a call, or says how long to wait.
    pub fn take(&mut self) -> Slot {
        let now = self.clock.now();
        if let Some(until) = self.cool_down.until(now) {
            return Slot::CoolingDown(until);
        }
        let (seconds, started) = (self.seconds(now), self.started);
        let Some(PacedRate { controller, spacing }) = &mut self.paced else {
            return Slot::Taken(Sent { at: now, ticket: None });
        };
        controller.tick(seconds);
        if seconds < controller.resume_at() {
            return Slot::CoolingDown(started + Duration::from_secs_f64(controller.resume_at()));
        }
        match spacing.take_slot(now, controller.rate(seconds)) {
            Ok(()) => Slot::Taken(Sent { at: now, ticket: Some(controller.on_sent(seconds)) }),
            Err(due) => Slot::NotBefore(due),
        }
    }

    /// Records the outcome of a call. Returns the pause that it started, or the wait for the next call where it made the
    /// rate slower. `retry_after` is the wait that the service asked for.
    pub fn on_answer(&mut self, sent: Sent, verdict: Verdict, retry_after: Option<Duration>) -> Option<Duration> {
        let now = self.clock.now();
        match verdict {
            Verdict::Throttled | Verdict::Unreached => {
                self.refused_since.get_or_insert(now);
            }
            Verdict::Accepted | Verdict::Faulted => {
                self.refused_since = None;
                self.cool_down.on_accepted(sent.at);
            }
        }
        let wait = self.steer(now, sent, verdict, retry_after);
        let pauses = verdict == Verdict::Unreached || verdict == Verdict::Throttled && self.paced.is_none();
        if pauses { self.cool_down.on_throttled(sent.at, now, retry_after) } else { wait }
    }

    fn steer(&mut self, now: Instant, sent: Sent, verdict: Verdict, retry_after: Option<Duration>) -> Option<Duration> {
        let seconds = self.seconds(now);
        let PacedRate { controller, spacing } = self.paced.as_mut()?;
        let mut slower = controller.on_result(seconds, sent.ticket?, verdict);
        if let Some(wait) = retry_after.filter(|_| verdict == Verdict::Throttled) {
            let wait = wait.min(Duration::from_millis(COOL_DOWN_MS_MAX));
            controller.pause_until(seconds + wait.as_secs_f64());
            slower = true;
        }
        if !slower {
            return None;
        }
        let resume_in = controller.resume_at() - seconds;
        if resume_in > 0.0 {
            spacing.drop_missed_slots();
        }
        Some(Duration::from_secs_f64(resume_in.max(1.0 / controller.rate(seconds))))
    }

    /// Takes a limit that was read again during the run.
    pub fn set_limit(&mut self, limit: Limit) {
        let seconds = self.seconds(self.clock.now());
        if let Some(paced) = &mut self.paced {
            paced.controller.set_ceiling(seconds, limit.ceiling(), limit.known_part());
        }
    }

    /// How long every call has been throttled or has not reached the service, although the rate cannot become slower;
    /// `None` while calls are accepted, or may be at a slower rate.
    #[must_use]
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

/// governor's time, on tokio's clock, which tests and rehearsals pause.
#[derive(Debug, Clone, Copy)]
struct TokioTime(Clock);

impl GovernorClock for TokioTime {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, TokioTime, NoOpMiddleware<Duration>>;

/// A rate that rises by less than this part keeps its quota: each new quota costs the slot that is late at that moment.
const RATE_RISE_MIN: f64 = 0.002;

/// Spaces calls evenly, by governor's GCRA with a new quota whenever the rate changes.
///
/// A quota allows a burst of two calls, or 5 ms of them at a fast rate, so that late timers cost no throughput.
#[derive(Debug)]
struct CallSpacing {
    clock: Clock,
    /// The limiter and the rate of its quota, in calls per second.
    limiter: Option<(Limiter, f64)>,
    last_call: Option<Instant>,
}

impl CallSpacing {
    fn new(clock: Clock) -> Self {
        Self { clock, limiter: None, last_call: None }
    }

    /// Takes a slot at this rate.
    ///
    /// # Errors
    /// The time of the next slot, if there is none now.
    fn take_slot(&mut self, now: Instant, per_second: f64) -> Result<(), Instant> {
        let current =
            self.limiter.take().filter(|(_, rate)| (*rate..=rate * (1.0 + RATE_RISE_MIN)).contains(&per_second));
        let (limiter, rate) = if let Some(current) = current {
            current
        } else {
            // governor cannot change a quota, and a new limiter knows no earlier call: it starts when a slot is due.
            let due = self.last_call.map_or(now, |last| last + Duration::from_secs_f64(1.0 / per_second));
            if now < due {
                return Err(due);
            }
            (limiter_without_burst(self.clock, per_second), per_second)
        };
        let checked = limiter.check().map_err(|not_until| now + not_until.wait_time_from(self.clock.elapsed()));
        if checked.is_ok() {
            self.last_call = Some(now);
        }
        self.limiter = Some((limiter, rate));
        checked
    }

    /// Forgets the slots that were not used so far: a pause must not end in a burst.
    fn drop_missed_slots(&mut self) {
        self.limiter = None;
    }
}

/// A limiter that has one slot now and the next after a whole interval.
fn limiter_without_burst(clock: Clock, per_second: f64) -> Limiter {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a bounded rate")]
    let late_slots = (per_second * Duration::from_millis(RATE_MADE_UP_MS).as_secs_f64()) as u32;
    let interval = Duration::from_secs_f64(1.0 / per_second);
    let quota = Quota::with_period(interval).unwrap_or(Quota::per_second(NonZeroU32::MIN));
    let burst = NonZeroU32::MIN.saturating_add(late_slots.max(RATE_BURST_CALLS - 1));
    let limiter = RateLimiter::direct_with_clock(quota.allow_burst(burst), TokioTime(clock));
    if let Some(unused) = NonZeroU32::new(burst.get() - 1) {
        // Cannot be refused: the limiter is new, and these are fewer than its burst.
        let _ = limiter.check_n(unused);
    }
    limiter
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
