//! The only module that reads a clock.
//!
//! A [`Clock`] stands on tokio's clock, so a paused runtime runs hours in milliseconds. Its wall time is a start plus
//! what tokio's clock has run since.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) use tokio::time::{Instant, sleep, timeout_at};

/// Milliseconds since 1970-01-01 UTC.
pub type UnixMs = i64;

/// A source of wall time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
    start_unix_ms: UnixMs,
}

impl Clock {
    /// The time of the machine.
    pub(crate) fn system() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start: Instant::now(), start_unix_ms: i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX) }
    }

    pub(crate) fn unix_ms(&self) -> UnixMs {
        let elapsed_ms = i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.start_unix_ms.saturating_add(elapsed_ms)
    }
}

/// The moment after this many milliseconds, for timeouts.
pub(crate) fn deadline_in_ms(ms: u64) -> Instant {
    Instant::now() + Duration::from_millis(ms)
}
