//! Other tenants of the account: calls of theirs that draw on the same bucket as ours, at random times from the seed.
//!
//! They are made up when a call of ours arrives, all those since the one before: nobody sees the bucket in between.

use serde::Serialize;

use super::schedule::Schedule;
use crate::clock::UnixMs;
use crate::limits;
use crate::seed::Rng;

/// What became of the calls of other tenants, up to our latest call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct BackgroundStats {
    /// Calls that they made.
    pub calls: u64,
    /// Those of them that were throttled.
    pub throttled: u64,
}

/// A Poisson stream of calls whose rate follows a schedule.
#[derive(Debug, Clone)]
pub(super) struct Background {
    schedule: Schedule,
    rng: Rng,
    /// When the stream began; it begins with our first call.
    origin: Option<UnixMs>,
    /// Milliseconds since then up to which calls were made up.
    done_ms: f64,
    pub(super) stats: BackgroundStats,
}

impl Background {
    pub(super) fn new(schedule: Schedule, rng: Rng) -> Self {
        Self { schedule, rng, origin: None, done_ms: 0.0, stats: BackgroundStats::default() }
    }

    /// Makes the calls up to `now`; `admits` says of each whether it is let through.
    pub(super) fn catch_up(&mut self, now: UnixMs, mut admits: impl FnMut(UnixMs) -> bool) {
        let origin = *self.origin.get_or_insert(now);
        let until_ms = millis(now.saturating_sub(origin));
        let mut calls_left = limits::SIM_BACKGROUND_CALLS_MAX;
        while self.done_ms < until_ms {
            let (per_second, stage_end_ms) = self.stage();
            let end_ms = stage_end_ms.min(until_ms);
            if calls_left == 0 {
                // After so long a pause the bucket is in its steady state again: what is left is only counted.
                self.count_only(per_second, end_ms);
                continue;
            }
            let next_ms = self.done_ms + self.pause_ms(per_second);
            if next_ms >= end_ms {
                // A Poisson stream has no memory: the next stage, or the next look, draws anew.
                self.done_ms = end_ms;
                continue;
            }
            self.done_ms = next_ms;
            calls_left -= 1;
            self.stats.calls += 1;
            self.stats.throttled += u64::from(!admits(origin.saturating_add(whole(next_ms))));
        }
    }

    /// The rate now and when it ends.
    fn stage(&self) -> (f64, f64) {
        let mut per_second = self.schedule.first();
        for change in self.schedule.changes() {
            let at_ms = millis(i64::try_from(change.at_ms).unwrap_or(i64::MAX));
            if at_ms > self.done_ms {
                return (per_second, at_ms);
            }
            per_second = change.per_second;
        }
        (per_second, f64::INFINITY)
    }

    fn pause_ms(&mut self, per_second: f64) -> f64 {
        if per_second > 0.0 { -(1.0 - self.rng.unit()).ln() / per_second * 1_000.0 } else { f64::INFINITY }
    }

    fn count_only(&mut self, per_second: f64, end_ms: f64) {
        self.stats.calls += whole((end_ms - self.done_ms) / 1_000.0 * per_second).unsigned_abs();
        self.done_ms = end_ms;
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of any plausible run fit the 53 bits")]
fn millis(since: i64) -> f64 {
    since as f64
}

#[expect(clippy::cast_possible_truncation, reason = "bounded by the time of a call, which is such a number")]
fn whole(number: f64) -> i64 {
    number as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(schedule: &str) -> Background {
        Background::new(schedule.parse().unwrap(), Rng::new(1))
    }

    #[test]
    fn calls_come_at_the_rate_of_their_time() {
        let mut tenants = stream("10,100@100s,0@200s");
        let mut times = Vec::new();
        for now in [5_000, 5_001, 80_000, 305_000] {
            tenants.catch_up(now, |at| {
                times.push(at);
                true
            });
        }
        assert!(times.is_sorted() && times.iter().all(|at| (5_000..205_000).contains(at)));
        let early = times.iter().filter(|at| **at < 105_000).count();
        // Within four standard deviations.
        assert!(early.abs_diff(1_000) < 127 && (times.len() - early).abs_diff(10_000) < 400, "{early} {}", times.len());
    }

    #[test]
    fn the_seed_decides_and_a_long_pause_is_bounded() {
        let run = |looks: &[UnixMs]| {
            let mut tenants = stream("1000");
            let mut let_through = 0;
            for now in looks {
                tenants.catch_up(*now, |_| {
                    let_through += 1;
                    let_through % 2 == 0
                });
            }
            (tenants.stats, let_through)
        };
        assert_eq!(run(&[0, 60_000]), run(&[0, 60_000]));
        let (stats, made) = run(&[0, 86_400_000]);
        assert_eq!(made, limits::SIM_BACKGROUND_CALLS_MAX);
        assert!(stats.calls.abs_diff(86_400_000) < 100_000, "{}", stats.calls);
    }
}
