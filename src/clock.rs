//! The only module that reads a clock.
//!
//! Everything that waits or reads the time gets a [`Clock`]. It is based on tokio's clock, so that a paused
//! runtime runs hours in milliseconds, and its wall time is a start plus what tokio's clock has run since: the two
//! can never disagree within a run, even when the machine's clock is set meanwhile.

#![expect(clippy::disallowed_methods, reason = "everybody else uses this module")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use tokio::time::{Instant, sleep_until, timeout_at};

/// Milliseconds since 1970-01-01 UTC.
pub type UnixMs = i64;

/// The time so long from now, in the time of the runtime.
pub fn deadline_in(duration: Duration) -> Instant {
    Instant::now() + duration
}

/// The machine's wall time, in milliseconds since 1970, with every adjustment since the start.
pub fn machine_unix_ms() -> UnixMs {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

/// Waits, in virtual time where the runtime's clock is paused.
pub async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// A source of time; cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
    start_unix_ms: UnixMs,
}

impl Clock {
    /// The machine's time. Must be called inside a tokio runtime where that runtime's clock may be paused.
    pub fn system() -> Self {
        Self::starting_at(machine_unix_ms())
    }

    /// A clock whose wall time starts at `start_unix_ms` now: for simulated runs that must repeat exactly.
    pub fn starting_at(start_unix_ms: UnixMs) -> Self {
        Self { start: Instant::now(), start_unix_ms }
    }

    /// The monotonic time, for waits and spacing.
    pub fn now(&self) -> Instant {
        Instant::now()
    }

    pub fn elapsed(&self) -> Duration {
        self.now().saturating_duration_since(self.start)
    }

    /// The wall time, in milliseconds since 1970.
    pub fn unix_ms(&self) -> UnixMs {
        let elapsed_ms = i64::try_from(self.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.start_unix_ms.saturating_add(elapsed_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, Duration, sleep};

    #[tokio::test(start_paused = true)]
    async fn wall_time_follows_the_paused_clock() {
        let clock = Clock::starting_at(1_000);
        sleep(Duration::from_hours(1)).await;
        assert_eq!(clock.unix_ms(), 3_601_000);
        assert_eq!(clock.elapsed(), Duration::from_hours(1));
    }
}
