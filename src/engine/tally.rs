//! What the run counts, and how fast it goes.

use std::time::Duration;

use crate::clock::Instant;
use crate::domain::event::{Snapshot, Waiting};
use crate::domain::summary::Counts;

/// Time over which the shown speed is averaged, in seconds.
const SPEED_SECONDS: f64 = 10.0;

/// Counters of one run. Pure: it is told the time.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) counts: Counts,
    pub(super) writes: u64,
    pub(super) reads: u64,
    pub(super) throttled: u64,
    /// Rows that a plan meant to link and that were refused or found linked; `None` without a plan.
    pub(super) missed: Option<u64>,
    /// Rows that ended failed or in doubt in this run.
    pub(super) failures: u64,
    started: Instant,
    speed_at: Instant,
    speed_done: u64,
    per_second: Option<f64>,
}

impl Tally {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            counts: Counts::default(),
            writes: 0,
            reads: 0,
            throttled: 0,
            missed: None,
            failures: 0,
            started: now,
            speed_at: now,
            speed_done: 0,
            per_second: None,
        }
    }

    pub(super) fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }

    /// Rows that reached their result by being worked on, the skipped and the invalid left out.
    fn worked(&self) -> u64 {
        self.counts.done().saturating_sub(self.counts.skipped + self.counts.repeated + self.counts.invalid)
    }

    /// Takes the speed of the last while into the average.
    #[expect(clippy::cast_precision_loss, reason = "a shown figure")]
    fn measure(&mut self, now: Instant) {
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

    /// The run at this moment.
    #[expect(clippy::cast_precision_loss, reason = "a shown figure")]
    pub(super) fn snapshot(
        &mut self,
        now: Instant,
        total: Option<u64>,
        rate_per_second: f64,
        waiting: Option<Waiting>,
    ) -> Snapshot {
        self.measure(now);
        let done_per_second = self.per_second.unwrap_or(0.0);
        let left = total.map(|total| total.saturating_sub(self.counts.done()));
        let remaining = left.filter(|_| done_per_second > 0.01).map(|left| left as f64 / done_per_second);
        Snapshot {
            counts: self.counts.clone(),
            total,
            in_flight: 0,
            rate_per_second,
            done_per_second,
            throttled: self.throttled,
            writes: self.writes,
            reads: self.reads,
            elapsed: self.elapsed(now),
            remaining: remaining.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            waiting,
            oldest_throttled: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::state::RowState;

    #[tokio::test(start_paused = true)]
    async fn speed_and_time_left() {
        let start = Instant::now();
        let mut tally = Tally::new(start);
        tally.counts.skipped = 500;
        tally.counts.linked = 500;
        for second in 1..=20_u32 {
            (0..20).for_each(|_| tally.counts.add(RowState::Linked));
            tally.snapshot(start + Duration::from_secs(second.into()), Some(2_000), 25.0, None);
        }
        let snapshot = tally.snapshot(start + Duration::from_secs(20), Some(2_000), 25.0, None);
        assert!((snapshot.done_per_second - 20.0).abs() < 0.01, "what was skipped is no speed");
        assert_eq!(snapshot.remaining.map(|left| left.as_secs()), Some(1_100 / 20));
        assert_eq!(snapshot.elapsed, Duration::from_secs(20));
    }
}
