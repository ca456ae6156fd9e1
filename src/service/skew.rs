//! How far the service's clock is ahead of ours, from the dates of its answers.

use super::AnswerMeta;
use crate::clock::UnixMs;
use crate::limits::CLOCK_SKEW_MS_MAX;

/// Bounds of the service's clock minus ours, in milliseconds.
///
/// The `Date` header of an answer has whole seconds, and was written between sending and receiving. Each answer narrows
/// the bounds: to about a second after the first, and to less after a few.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockSkew {
    low_ms: i64,
    high_ms: i64,
}

impl Default for ClockSkew {
    fn default() -> Self {
        Self { low_ms: -CLOCK_SKEW_MS_MAX, high_ms: CLOCK_SKEW_MS_MAX }
    }
}

impl ClockSkew {
    /// Takes the date of an answer, where it has one, to a call that was sent and answered at these times of our clock.
    pub fn observe_answer(&mut self, sent: UnixMs, answered: UnixMs, meta: &AnswerMeta) {
        let Some(date) = meta.server_unix_ms else { return };
        let (low, high) = (date - answered, date + 999 - sent);
        let (both_low, both_high) = (self.low_ms.max(low), self.high_ms.min(high));
        // The bounds contradict each other: one of the clocks was set meanwhile, so only the newest answer counts.
        (self.low_ms, self.high_ms) = if both_low <= both_high { (both_low, both_high) } else { (low, high) };
    }

    /// The least and the most that the service's clock can be ahead of ours, in milliseconds (negative: behind); `None`
    /// before the first answer with a date.
    pub fn bounds_ms(&self) -> Option<(i64, i64)> {
        (*self != Self::default()).then_some((self.low_ms, self.high_ms))
    }

    /// The earliest and the latest that the service's clock can show at this time of ours.
    pub fn service_time(&self, ours: UnixMs) -> (UnixMs, UnixMs) {
        (ours.saturating_add(self.low_ms), ours.saturating_add(self.high_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dated(date: UnixMs) -> AnswerMeta {
        AnswerMeta { server_unix_ms: Some(date), ..AnswerMeta::default() }
    }

    #[test]
    fn answers_narrow_the_bounds() {
        let mut skew = ClockSkew::default();
        assert_eq!(skew.service_time(0), (-CLOCK_SKEW_MS_MAX, CLOCK_SKEW_MS_MAX));
        assert_eq!(skew.bounds_ms(), None);
        // The service is 5,400 ms ahead; answers take 100 ms.
        for ours in [0_i64, 333, 700, 1_250] {
            let date = (ours + 50 + 5_400) / 1_000 * 1_000;
            skew.observe_answer(ours, ours + 100, &dated(date));
            let (earliest, latest) = skew.service_time(10_000);
            assert!(earliest <= 15_400 && 15_400 <= latest, "{skew:?}");
        }
        let (earliest, latest) = skew.service_time(0);
        assert!(latest - earliest < 700, "{skew:?}");
        assert_eq!(skew.bounds_ms(), Some((earliest, latest)));
    }

    #[test]
    fn a_clock_that_was_set_is_followed() {
        let mut skew = ClockSkew::default();
        skew.observe_answer(0, 100, &dated(5_000));
        skew.observe_answer(10_000, 10_100, &dated(90_000));
        let (earliest, latest) = skew.service_time(10_000);
        assert!(earliest <= 90_000 && 90_000 <= latest && latest - earliest < 1_200, "{skew:?}");
    }
}
