//! A budget of calls: slots at the controller's pace, under a hard ceiling.
//!
//! The schedule makes up at most one missed slot, or 5 ms at a fast pace, so that a late timer costs no throughput;
//! governor's `check()` stands above it as a ceiling which no fault of the schedule or of the controller can pass.
//! `until_ready` is not used: it ignores a paused clock.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use super::controller::{Controller, Ticket, Verdict};
use super::cool_down::CoolDown;
use super::faults::Faults;
use super::plan::{Limit, Pace};
use crate::clock::{Clock, Instant};
use crate::limits::{COOL_DOWN_MS_MAX, RATE_BURST_CALLS, RATE_CATCH_UP_MS, RATE_PER_SECOND_MAX, RATE_PER_SECOND_MIN};

/// Whether a call may be sent now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Slot {
    /// It may, and the slot is taken.
    Taken(Sent),
    /// Not before this moment, because of the pace.
    NotBefore(Instant),
    /// Not before this moment, because the service throttled, or was not reached.
    CoolingDown(Instant),
}

/// A call that has its slot; whoever took it says what became of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sent {
    at: Instant,
    ticket: Option<Ticket>,
}

/// Time as governor wants it: what has run since the clock was made.
#[derive(Debug, Clone, Copy)]
struct Elapsed {
    clock: Clock,
}

impl GovernorClock for Elapsed {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.clock.elapsed()
    }
}

type Ceiling = RateLimiter<NotKeyed, InMemoryState, Elapsed, NoOpMiddleware<Duration>>;

/// The pace of a budget that has one.
#[derive(Debug)]
struct Paced {
    controller: Controller,
    ceiling: Option<Ceiling>,
    ceiling_per_second: f64,
    /// When the last slot was due.
    last: Option<Instant>,
}

/// A budget of one category of calls, shared by everybody who makes them.
#[derive(Debug)]
pub struct Budget {
    clock: Clock,
    started: Instant,
    paced: Option<Paced>,
    cool_down: CoolDown,
    faults: Faults,
    refused_since: Option<Instant>,
}

impl Budget {
    /// A budget that goes about it like this.
    #[must_use]
    pub fn new(clock: Clock, pace: Pace) -> Self {
        let paced = pace.controller().map(|controller| Paced {
            controller,
            ceiling: ceiling(clock, pace.ceiling()),
            ceiling_per_second: pace.ceiling(),
            last: None,
        });
        let (cool_down, faults) = (CoolDown::default(), Faults::default());
        Self { clock, started: clock.now(), paced, cool_down, faults, refused_since: None }
    }

    /// The pace at this moment, in calls a second; infinite where there is no bound.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        let now = self.seconds(self.clock.now());
        self.paced.as_ref().map_or(f64::INFINITY, |paced| paced.controller.rate(now))
    }

    /// The quota as the refusals of this run have shown it, in calls a second; `None` where there were none.
    #[must_use]
    pub fn measured(&self) -> Option<f64> {
        self.paced.as_ref().and_then(|paced| paced.controller.measured())
    }

    /// Takes a slot if there is one.
    pub fn take(&mut self) -> Slot {
        let now = self.clock.now();
        if let Some(until) = self.cool_down.until(now) {
            return Slot::CoolingDown(until);
        }
        let (seconds, started) = (self.seconds(now), self.started);
        let Some(paced) = &mut self.paced else {
            return Slot::Taken(Sent { at: now, ticket: None });
        };
        paced.controller.tick(seconds);
        if seconds < paced.controller.resume_at() {
            return Slot::CoolingDown(started + Duration::from_secs_f64(paced.controller.resume_at()));
        }
        // Reckoned anew at each look, because the pace changes while a slot is waited for.
        let spacing = Duration::from_secs_f64(1.0 / paced.controller.rate(seconds));
        let due = paced.last.map_or(now, |last| last + spacing);
        if now < due {
            return Slot::NotBefore(due);
        }
        if let Some(Err(not_until)) = paced.ceiling.as_ref().map(RateLimiter::check) {
            let wait = not_until.wait_time_from(self.clock.elapsed());
            return Slot::NotBefore(now + wait.max(Duration::from_micros(100)));
        }
        let made_up = spacing.max(Duration::from_millis(RATE_CATCH_UP_MS));
        paced.last = Some(due.max(now.checked_sub(made_up).unwrap_or(due)));
        Slot::Taken(Sent { at: now, ticket: Some(paced.controller.on_sent(seconds)) })
    }

    /// Takes what became of a call; returns the pause that it started, or the wait for the next slot where it made the
    /// pace slower. `retry_after` is what the service asked for.
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
        let slower = self.steer(now, sent, verdict, retry_after);
        let rests = verdict == Verdict::Unreached || verdict == Verdict::Throttled && self.paced.is_none();
        if rests { self.cool_down.on_throttled(sent.at, now, retry_after) } else { slower }
    }

    /// Lets the controller know.
    fn steer(&mut self, now: Instant, sent: Sent, verdict: Verdict, retry_after: Option<Duration>) -> Option<Duration> {
        let seconds = self.seconds(now);
        let paced = self.paced.as_mut()?;
        let mut slower = paced.controller.on_result(seconds, sent.ticket?, verdict);
        let counts = matches!(verdict, Verdict::Accepted | Verdict::Faulted);
        if counts && self.faults.on_answer(seconds, verdict == Verdict::Faulted) {
            paced.controller.halve(seconds);
            slower = false;
        }
        if let Some(asked) = retry_after.filter(|_| verdict == Verdict::Throttled) {
            let asked = asked.min(Duration::from_millis(COOL_DOWN_MS_MAX));
            paced.controller.pause_until(seconds + asked.as_secs_f64());
            slower = true;
        }
        if !slower {
            return None;
        }
        let spacing = 1.0 / paced.controller.rate(seconds);
        let resume_in = paced.controller.resume_at() - seconds;
        if resume_in > 0.0 {
            // No slot is made up that was missed in a pause.
            let last = now + Duration::from_secs_f64(resume_in);
            let last = last.checked_sub(Duration::from_secs_f64(spacing)).unwrap_or(last);
            paced.last = paced.last.max(Some(last));
        }
        Some(Duration::from_secs_f64(resume_in.max(spacing)))
    }

    /// Takes another limit, as it was read again during the run.
    pub fn set_limit(&mut self, limit: Limit) {
        let seconds = self.seconds(self.clock.now());
        let Some(paced) = &mut self.paced else { return };
        let ceiling_per_second = limit.ceiling();
        if (ceiling_per_second - paced.ceiling_per_second).abs() > f64::EPSILON {
            // governor cannot change its rate. A new limiter grants its burst anew: two calls, once in minutes.
            paced.ceiling = ceiling(self.clock, ceiling_per_second);
            paced.ceiling_per_second = ceiling_per_second;
            paced.controller.set_ceiling(seconds, ceiling_per_second, limit.known_part());
        }
    }

    /// How long nothing but refusals has come back, or nothing reached the service, although the pace is as slow as it
    /// can be; `None` where calls go through, or may yet at a slower pace.
    #[must_use]
    pub fn stuck_for(&self) -> Option<Duration> {
        let now = self.clock.now();
        let slowest = self.paced.is_none()
            || self.per_second() <= RATE_PER_SECOND_MIN * 1.01
            || self.cool_down.until(now).is_some();
        self.refused_since.filter(|_| slowest).map(|since| now.saturating_duration_since(since))
    }

    fn seconds(&self, at: Instant) -> f64 {
        at.saturating_duration_since(self.started).as_secs_f64()
    }
}

/// Slots in the time that is made up, and one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a bounded pace")]
fn slots_made_up(per_second: f64) -> u32 {
    (per_second * Duration::from_millis(RATE_CATCH_UP_MS).as_secs_f64()) as u32 + 1
}

fn ceiling(clock: Clock, per_second: f64) -> Option<Ceiling> {
    let per_second = per_second.clamp(RATE_PER_SECOND_MIN, RATE_PER_SECOND_MAX);
    let burst = NonZeroU32::new(RATE_BURST_CALLS.max(slots_made_up(per_second)))?;
    let quota = Quota::with_period(Duration::from_secs_f64(1.0 / per_second))?.allow_burst(burst);
    Some(RateLimiter::direct_with_clock(quota, Elapsed { clock }))
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
