//! The pause that all callers share after a throttled answer.

use std::time::Duration;

use crate::clock::Instant;
use crate::limits::{COOL_DOWN_MS_MAX, COOL_DOWN_MS_MIN};

/// The length of pauses after throttled answers. Pure: it gets the time.
///
/// The first throttled answer pauses for [`COOL_DOWN_MS_MIN`]. Each further one, to a call sent after that pause, doubles
/// it, up to [`COOL_DOWN_MS_MAX`]. An accepted call that was sent after a pause resets it. Answers to calls that were
/// sent before the last pause change nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct CoolDown {
    until: Option<Instant>,
    last_ms: u64,
}

impl CoolDown {
    /// The end of the pause, if it is after `now`.
    pub fn until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }

    /// Takes a throttled answer to a call sent at `sent`; returns the pause, if it started one. `at_least` is the wait that
    /// the service requested.
    pub fn on_throttled(&mut self, sent: Instant, now: Instant, at_least: Option<Duration>) -> Option<Duration> {
        if self.until.is_some_and(|until| sent < until) {
            return None;
        }
        self.last_ms = (self.last_ms * 2).clamp(COOL_DOWN_MS_MIN, COOL_DOWN_MS_MAX);
        let pause = Duration::from_millis(self.last_ms)
            .max(at_least.unwrap_or_default())
            .min(Duration::from_millis(COOL_DOWN_MS_MAX));
        self.until = Some(now + pause);
        Some(pause)
    }

    /// Takes an accepted answer to a call sent at `sent`.
    pub fn on_accepted(&mut self, sent: Instant) {
        if self.until.is_none_or(|until| sent >= until) {
            self.last_ms = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_double_while_throttles_go_on() {
        let ms = Duration::from_millis;
        let start = Instant::now();
        let mut cool_down = CoolDown::default();
        assert_eq!(cool_down.on_throttled(start, start + ms(50), None), Some(ms(250)));
        assert_eq!(cool_down.until(start + ms(299)), Some(start + ms(300)));
        assert_eq!(cool_down.until(start + ms(300)), None);
        // Sent before the pause: five in one round trip are one event.
        assert_eq!(cool_down.on_throttled(start + ms(40), start + ms(90), None), None);
        assert_eq!(cool_down.on_throttled(start + ms(300), start + ms(350), None), Some(ms(500)));
        cool_down.on_accepted(start + ms(310));
        assert_eq!(cool_down.on_throttled(start + ms(900), start + ms(950), None), Some(ms(1_000)));
        cool_down.on_accepted(start + ms(2_000));
        assert_eq!(cool_down.on_throttled(start + ms(2_100), start + ms(2_150), None), Some(ms(250)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_that_the_service_asks_for_is_kept_within_the_bound() {
        let now = Instant::now();
        let pause = |seconds| CoolDown::default().on_throttled(now, now, Some(Duration::from_secs(seconds)));
        assert_eq!(pause(3), Some(Duration::from_secs(3)));
        assert_eq!(pause(3_600), Some(Duration::from_millis(COOL_DOWN_MS_MAX)));
    }
}
