//! What a run counts, and its speed.

use std::time::Duration;

use crate::clock::Instant;
use crate::domain::counts::Counts;
use crate::domain::event::RunSnapshot;

/// Rows over which the shown speed is averaged,
const SPEED_ROWS: f64 = 20.0;
/// in at least and at most this time, in seconds.
const SPEED_SECONDS: std::ops::RangeInclusive<f64> = 2.0..=10.0;
/// Rows a second from which on a speed is one.
pub(super) const SPEED_KNOWN: f64 = 0.01;
/// Answered writes from which on the writes that a row takes are known.
const WRITES_KNOWN: u64 = 10;

/// What the pace is at the moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pacing {
    /// Writes per second.
    pub(super) allowed_per_second: f64,
    pub(super) writes_in_flight: u64,
    /// Whether somebody holds the run.
    pub(super) is_held: bool,
}

#[derive(Debug)]
pub(super) struct RunCounters {
    pub(super) counts: Counts,
    pub(super) writes: u64,
    pub(super) reads: u64,
    pub(super) throttled: u64,
    /// Rows that did not match the plan; `None` without a plan.
    pub(super) plan_mismatches: Option<u64>,
    pub(super) links_of_disabled_users: u64,
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
            links_of_disabled_users: 0,
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
    fn update_average_speed(&mut self, now: Instant, pacing: Pacing) {
        let done = self.worked();
        if pacing.is_held {
            // The time of a pause is no time in which rows are slow.
            (self.speed_at, self.speed_done) = (now, done);
            return;
        }
        let passed = now.saturating_duration_since(self.speed_at).as_secs_f64();
        if passed >= 0.5 {
            let speed = done.saturating_sub(self.speed_done) as f64 / passed;
            let average = self.per_second.unwrap_or(speed);
            let seconds = (SPEED_ROWS / average.max(0.01)).clamp(*SPEED_SECONDS.start(), *SPEED_SECONDS.end());
            let weight = 1.0 - (-passed / seconds).exp();
            self.per_second = Some(average + weight * (speed - average));
            (self.speed_at, self.speed_done) = (now, done);
        }
        // A lower rate is known before the average shows it.
        let answered = self.writes.saturating_sub(pacing.writes_in_flight);
        if answered >= WRITES_KNOWN && done > 0 {
            let rows_allowed = pacing.allowed_per_second * (done as f64 / answered as f64).max(1.0);
            self.per_second = self.per_second.map(|average| average.min(rows_allowed));
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a shown figure")]
    pub(super) fn snapshot(&mut self, now: Instant, total: Option<u64>, pacing: Pacing) -> RunSnapshot {
        self.update_average_speed(now, pacing);
        let done_per_second = self.per_second.unwrap_or(0.0);
        let left = total.map(|total| total.saturating_sub(self.counts.done()));
        // Nobody knows when a pause ends.
        let remaining =
            left.filter(|_| done_per_second > SPEED_KNOWN && !pacing.is_held).map(|left| left as f64 / done_per_second);
        RunSnapshot {
            counts: self.counts.clone(),
            total,
            in_flight: 0,
            rate_per_second: pacing.allowed_per_second,
            chosen_rate: None,
            done_per_second,
            throttled: self.throttled,
            writes: self.writes,
            reads: self.reads,
            since_accepted: self.accepted_at.map(|at| now.saturating_duration_since(at)),
            elapsed: self.elapsed(now),
            remaining: remaining.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            waiting: None,
            oldest_throttled: None,
            draining: false,
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
        let pacing = Pacing { allowed_per_second: 25.0, writes_in_flight: 0, is_held: false };
        let mut counters = RunCounters::new(start);
        counters.counts.skipped = 500;
        counters.counts.linked = 500;
        for second in 1..=20_u32 {
            (0..20).for_each(|_| counters.counts.add(RowState::Linked));
            counters.snapshot(start + Duration::from_secs(second.into()), Some(2_000), pacing);
        }
        let snapshot = counters.snapshot(start + Duration::from_secs(20), Some(2_000), pacing);
        assert!((snapshot.done_per_second - 20.0).abs() < 0.01, "skipped rows are no speed");
        assert_eq!(snapshot.remaining.map(|left| left.as_secs()), Some(1_100 / 20));
        assert_eq!(snapshot.elapsed, Duration::from_secs(20));
    }

    /// What is shown so many tenths of a second after the rate went from one to another.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number of rows")]
    fn shown_after(from: f64, to: f64, tenths: u32) -> f64 {
        let start = Instant::now();
        let mut counters = RunCounters::new(start);
        let (mut rows, mut shown) = (0.0, 0.0);
        for tenth in 1..=600 + tenths {
            let rate = if tenth <= 600 { from } else { to };
            rows += rate / 10.0;
            while counters.counts.linked < rows as u64 {
                counters.counts.add(RowState::Linked);
                counters.writes += 1;
            }
            let pacing = Pacing { allowed_per_second: rate, writes_in_flight: 0, is_held: false };
            let now = start + Duration::from_millis(100) * tenth;
            shown = counters.snapshot(now, Some(100_000), pacing).done_per_second;
        }
        shown
    }

    #[test]
    fn the_shown_speed_follows_a_changed_rate_within_seconds() {
        for (from, to) in [(25.0, 25.0), (1.0, 1.0), (3.0, 3.0)] {
            let shown = shown_after(from, to, 10);
            assert!((shown - to).abs() < 0.15 * to, "{from}/s stays: {shown}/s");
        }
        for (from, to, tenths) in [(15.0, 3.0, 1), (25.0, 1.0, 1), (3.0, 20.0, 60), (1.0, 25.0, 60)] {
            let shown = shown_after(from, to, tenths);
            assert!((shown - to).abs() < 0.25 * to, "{from}/s to {to}/s: {shown}/s after {tenths} tenths of a second");
        }
    }

    #[test]
    fn a_pause_is_no_slow_time() {
        let start = Instant::now();
        let mut counters = RunCounters::new(start);
        let mut pacing = Pacing { allowed_per_second: 20.0, writes_in_flight: 0, is_held: false };
        for second in 1..=20_u32 {
            (0..20).for_each(|_| counters.counts.add(RowState::Linked));
            counters.snapshot(start + Duration::from_secs(second.into()), Some(2_000), pacing);
        }
        pacing.is_held = true;
        let held = counters.snapshot(start + Duration::from_hours(1), Some(2_000), pacing);
        assert_eq!(held.remaining, None, "nobody knows when it goes on");
        pacing.is_held = false;
        let resumed = counters.snapshot(start + Duration::from_hours(1), Some(2_000), pacing);
        assert!((resumed.done_per_second - 20.0).abs() < 0.01, "{resumed:?}");
    }
}
