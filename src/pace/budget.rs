//! A budget of calls: evenly spaced slots under a hard ceiling.
//!
//! The schedule makes up at most one missed slot, so that a late timer costs no throughput; governor's `check()` stands
//! above it as a ceiling which no fault of the schedule can pass. `until_ready` is not used: it ignores a paused clock.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use super::cool_down::CoolDown;
use crate::clock::{Clock, Instant};
use crate::limits::{RATE_BURST_CALLS, RATE_PER_SECOND_MAX, RATE_PER_SECOND_MIN};

/// Whether a call may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// It may, and the slot is taken.
    Taken,
    /// Not before this moment, because of the pace.
    NotBefore(Instant),
    /// Not before this moment, because the service throttled.
    CoolingDown(Instant),
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

/// A budget of one category of calls, shared by everybody who makes them.
#[derive(Debug)]
pub struct Budget {
    clock: Clock,
    per_second: Option<f64>,
    ceiling: Option<RateLimiter<NotKeyed, InMemoryState, Elapsed, NoOpMiddleware<Duration>>>,
    next: Instant,
    cool_down: CoolDown,
}

impl Budget {
    /// A budget of `per_second` calls, within [`RATE_PER_SECOND_MIN`] and [`RATE_PER_SECOND_MAX`]; `None` is unbounded.
    #[must_use]
    pub fn new(clock: Clock, per_second: Option<f64>) -> Self {
        let per_second = per_second.map(|rate| rate.clamp(RATE_PER_SECOND_MIN, RATE_PER_SECOND_MAX));
        let ceiling = per_second.and_then(|rate| {
            let burst = NonZeroU32::new(RATE_BURST_CALLS)?;
            let quota = Quota::with_period(spacing(rate))?.allow_burst(burst);
            Some(RateLimiter::direct_with_clock(quota, Elapsed { clock }))
        });
        Self { clock, per_second, ceiling, next: clock.now(), cool_down: CoolDown::default() }
    }

    /// The pace, in calls a second; infinite where there is no bound.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.per_second.unwrap_or(f64::INFINITY)
    }

    /// Takes a slot if there is one.
    pub fn take(&mut self) -> Slot {
        let now = self.clock.now();
        if let Some(until) = self.cool_down.until(now) {
            return Slot::CoolingDown(until);
        }
        let Some(rate) = self.per_second else {
            return Slot::Taken;
        };
        if now < self.next {
            return Slot::NotBefore(self.next);
        }
        if let Some(Err(not_until)) = self.ceiling.as_ref().map(RateLimiter::check) {
            let wait = not_until.wait_time_from(self.clock.elapsed());
            return Slot::NotBefore(now + wait.max(Duration::from_micros(100)));
        }
        let spacing = spacing(rate);
        self.next = (self.next + spacing).max(now);
        Slot::Taken
    }

    /// Takes a throttled answer to a call sent at `sent`; returns the pause that it started, if it started one.
    pub fn on_throttled(&mut self, sent: Instant, retry_after: Option<Duration>) -> Option<Duration> {
        self.cool_down.on_throttled(sent, self.clock.now(), retry_after)
    }

    /// Takes an answer to a call sent at `sent` that was not throttled.
    pub fn on_accepted(&mut self, sent: Instant) {
        self.cool_down.on_accepted(sent);
    }
}

fn spacing(per_second: f64) -> Duration {
    Duration::from_secs_f64(1.0 / per_second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{sleep, sleep_until};

    /// Takes slots for `seconds`, each `late` after it was due; returns the times since the start.
    async fn taken(rate: f64, seconds: u64, late: Duration) -> Vec<Duration> {
        let clock = Clock::starting_at(0);
        let mut budget = Budget::new(clock, Some(rate));
        let mut times = Vec::new();
        while clock.elapsed() < Duration::from_secs(seconds) {
            match budget.take() {
                Slot::Taken => times.push(clock.elapsed()),
                Slot::NotBefore(until) | Slot::CoolingDown(until) => sleep_until(until + late).await,
            }
        }
        times
    }

    fn most_in_a_second(times: &[Duration]) -> usize {
        let within = |(index, from): (usize, &Duration)| {
            times.partition_point(|time| *time < *from + Duration::from_secs(1)) - index
        };
        times.iter().enumerate().map(within).max().unwrap_or(0)
    }

    #[tokio::test(start_paused = true)]
    async fn the_pace_is_met_and_never_passed() {
        for rate in [0.5, 1.0, 20.0, 25.0, 333.0] {
            let times = taken(rate, 60, Duration::ZERO).await;
            let wanted = rate * 60.0;
            #[expect(clippy::cast_precision_loss, reason = "small counts")]
            let count = times.len() as f64;
            assert!((wanted * 0.97..=wanted + 2.0).contains(&count), "{rate}/s: {count} in 60 s");
            #[expect(clippy::cast_precision_loss, reason = "small counts")]
            let busiest = most_in_a_second(&times) as f64;
            assert!(busiest <= rate + f64::from(RATE_BURST_CALLS), "{rate}/s: {busiest} in one second");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn late_timers_cost_no_throughput() {
        let times = taken(25.0, 60, Duration::from_millis(9)).await;
        assert!(times.len() >= 1_490, "{}", times.len());
        assert!(most_in_a_second(&times) <= 27);
    }

    #[tokio::test(start_paused = true)]
    async fn idle_time_is_not_saved_up() {
        let clock = Clock::starting_at(0);
        let mut budget = Budget::new(clock, Some(10.0));
        sleep(Duration::from_secs(100)).await;
        let at_once = (0..50).filter(|_| budget.take() == Slot::Taken).count();
        assert!(at_once <= RATE_BURST_CALLS as usize, "{at_once}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttle_pauses_everybody() {
        let clock = Clock::starting_at(0);
        let mut budget = Budget::new(clock, None);
        assert_eq!(budget.take(), Slot::Taken);
        let pause = budget.on_throttled(clock.now(), None).unwrap();
        assert_eq!(budget.take(), Slot::CoolingDown(clock.now() + pause));
        sleep(pause).await;
        assert_eq!(budget.take(), Slot::Taken);
    }
}
