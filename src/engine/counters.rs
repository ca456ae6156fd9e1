//! What a run counts, and its speed.

use std::time::Duration;

use crate::clock::Instant;
use crate::domain::counts::Counts;
use crate::domain::event::RunSnapshot;

/// Time over which the shown speed is averaged, in seconds.
const SPEED_SECONDS: f64 = 10.0;

#[derive(Debug)]
pub(super) struct RunCounters {
    pub(super) counts: Counts,
    pub(super) writes: u64,
    pub(super) reads: u64,
    pub(super) throttled: u64,
    /// Rows that did not match the plan; `None` without a plan.
    pub(super) plan_mismatches: Option<u64>,
    /// When the service last accepted a write.
    pub(super) accepted_at: Option<Instant>,
    started: Instant,
    /// The average of rows a second, with the time and the rows of its last update.
    per_second: Option<f64>,
    speed_at: Instant,
    speed_done: u64,
}

impl RunCounters {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            counts: Counts::default(),
            writes: 0,
            reads: 0,
            throttled: 0,
            plan_mismatches: None,
            accepted_at: None,
            started: now,
            speed_at: now,
            speed_done: 0,
            per_second: None,
        }
    }

    pub(super) fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }

    /// Rows that reached their result in this run, without those that were skipped or invalid.
    fn worked(&self) -> u64 {
        self.counts.done().saturating_sub(self.counts.skipped + self.counts.repeated + self.counts.invalid)
    }

    #[expect(clippy::cast_precision_loss, reason = "a shown figure")]
    fn update_average_speed(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.speed_at).as_secs_f64();
        if passed < 0.5 {
            return;
        }
        let done = self.worked();
        let speed = done.saturating_sub(self.speed_done) as f64 / passed;
        let weight = 1.0 - (-passed / SPEED_SECONDS).exp();
        self.per_second = Some(self.per_second.map_or(speed, |average| average + weight * (speed - average)));
        (self.speed_at, self.speed_done) = (now, done);
    }

    #[expect(clippy::cast_precision_loss, reason = "a shown figure")]
    pub(super) fn snapshot(&mut self, now: Instant, total: Option<u64>, rate_per_second: f64) -> RunSnapshot {
        self.update_average_speed(now);
        let done_per_second = self.per_second.unwrap_or(0.0);
        let left = total.map(|total| total.saturating_sub(self.counts.done()));
        let remaining = left.filter(|_| done_per_second > 0.01).map(|left| left as f64 / done_per_second);
        RunSnapshot {
            counts: self.counts.clone(),
            total,
            in_flight: 0,
            rate_per_second,
            done_per_second,
            throttled: self.throttled,
            writes: self.writes,
            reads: self.reads,
            since_accepted: self.accepted_at.map(|at| now.saturating_duration_since(at)),
            elapsed: self.elapsed(now),
            remaining: remaining.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            waiting: None,
            oldest_throttled: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::state::RowState;

    #[test]
    fn speed_and_time_left() {
        let start = Instant::now();
        let mut counters = RunCounters::new(start);
        counters.counts.skipped = 500;
        counters.counts.linked = 500;
        for second in 1..=20_u32 {
            (0..20).for_each(|_| counters.counts.add(RowState::Linked));
            counters.snapshot(start + Duration::from_secs(second.into()), Some(2_000), 25.0);
        }
        let snapshot = counters.snapshot(start + Duration::from_secs(20), Some(2_000), 25.0);
        assert!((snapshot.done_per_second - 20.0).abs() < 0.01, "skipped rows are no speed");
        assert_eq!(snapshot.remaining.map(|left| left.as_secs()), Some(1_100 / 20));
        assert_eq!(snapshot.elapsed, Duration::from_secs(20));
    }
}
