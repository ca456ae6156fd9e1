//! The wait of a row before its next attempt.

use std::time::Duration;

use crate::limits::{BACKOFF_MS_MAX, BACKOFF_MS_MIN};
use crate::seed::Rng;

/// The wait after attempt number `attempts` (from 1): it doubles from [`BACKOFF_MS_MIN`] to [`BACKOFF_MS_MAX`]. A random
/// part of a half to the whole of it counts, so that rows that failed together do not return together.
pub fn backoff(attempts: u32, rng: &mut Rng) -> Duration {
    let doublings = attempts.saturating_sub(1).min(20);
    let full_ms = BACKOFF_MS_MIN.saturating_mul(1 << doublings).min(BACKOFF_MS_MAX);
    Duration::from_millis(full_ms / 2 + rng.below(full_ms / 2 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_bound_and_differ() {
        let mut rng = Rng::new(1);
        for (attempts, full_ms) in [(1, 200), (2, 400), (3, 800), (7, 12_800), (8, 20_000), (40, 20_000)] {
            let drawn: Vec<u128> = (0..100).map(|_| backoff(attempts, &mut rng).as_millis()).collect();
            assert!(drawn.iter().all(|ms| (full_ms / 2..=full_ms).contains(ms)), "attempt {attempts}: {drawn:?}");
            assert!(drawn.iter().any(|ms| *ms != drawn[0]));
        }
    }
}
