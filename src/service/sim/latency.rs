//! How long an answer takes.

use std::time::Duration;

use crate::seed::Rng;

/// The times that answers take, skewed to the low end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    answer: RangeMs,
    refusal: RangeMs,
}

/// From and to, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RangeMs(u32, u32);

impl Latency {
    /// From 20 to 200 ms; a throttled call is answered in 10 to 40 ms.
    #[must_use]
    pub fn usual() -> Self {
        Self::between(20, 200)
    }

    /// No time at all.
    #[must_use]
    pub fn off() -> Self {
        Self { answer: RangeMs(0, 0), refusal: RangeMs(0, 0) }
    }

    /// From `min_ms` to `max_ms`; the two may be equal, and are exchanged where they stand the wrong way round.
    #[must_use]
    pub fn between(min_ms: u32, max_ms: u32) -> Self {
        Self { answer: RangeMs(min_ms.min(max_ms), max_ms.max(min_ms)), refusal: RangeMs(10, 40) }
    }

    /// The time of an answer: `min + (max - min) u²` with `u` uniform, so half of them take a quarter of the range.
    pub(super) fn answer(&self, rng: &mut Rng) -> Duration {
        let part = rng.unit();
        self.answer.at(part * part)
    }

    /// The time of a refusal before the work: throttled, or not allowed.
    pub(super) fn refusal(&self, rng: &mut Rng) -> Duration {
        self.refusal.at(rng.unit())
    }
}

impl RangeMs {
    /// The time at a part of the range, in whole milliseconds.
    fn at(self, part: f64) -> Duration {
        let Self(from, to) = self;
        Duration::from_secs_f64((f64::from(from) + f64::from(to - from) * part).round() / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_stay_in_their_range_and_are_skewed_low() {
        let mut rng = Rng::new(1);
        let mut times: Vec<_> = (0..2_001).map(|_| Latency::usual().answer(&mut rng).as_millis()).collect();
        times.sort_unstable();
        assert!(times[0] >= 20 && times[2_000] <= 200);
        assert!((60..=70).contains(&times[1_000]), "median {}", times[1_000]);
    }

    #[test]
    fn off_and_fixed_latencies_are_exact() {
        let mut rng = Rng::new(1);
        assert_eq!(Latency::off().answer(&mut rng), Duration::ZERO);
        assert_eq!(Latency::off().refusal(&mut rng), Duration::ZERO);
        assert_eq!(Latency::between(100, 100).answer(&mut rng), Duration::from_millis(100));
        assert_eq!(Latency::between(9, 5), Latency::between(5, 9));
    }
}
