//! How long work takes under a schedule of windows.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use super::control::WindowState;
use crate::limits::OUTLOOK_CHANGES_MAX;

/// A schedule of windows, as far as an estimate needs it.
pub trait WindowOutlook: Debug + Send + Sync {
    /// Returns what holds at a time in milliseconds since 1970, and when that changes next.
    fn at(&self, unix_ms: i64) -> (WindowState, Option<i64>);
}

/// A schedule whose coming changes are kept, because an estimate is made again and again.
#[derive(Debug)]
pub struct WindowTimeline {
    windows: Arc<dyn WindowOutlook>,
    /// What holds from a time up to another one, without gaps.
    known: VecDeque<(i64, WindowState, Option<i64>)>,
}

impl WindowTimeline {
    pub fn new(windows: Arc<dyn WindowOutlook>) -> Self {
        Self { windows, known: VecDeque::new() }
    }

    /// As [`time_within`].
    pub fn time_of(&mut self, now: i64, amount: f64, per_second: &dyn Fn(Option<f64>) -> f64) -> Option<Duration> {
        while self.known.pop_front_if(|(_, _, next)| next.is_some_and(|next| next <= now)).is_some() {}
        // The clock was set back.
        if self.known.front().is_some_and(|(from, ..)| *from > now) {
            self.known.clear();
        }
        time_along(&mut |at| self.at(at), now, amount, per_second)
    }

    fn at(&mut self, unix_ms: i64) -> (WindowState, Option<i64>) {
        let after = self.known.partition_point(|(from, ..)| *from <= unix_ms);
        let held = after.checked_sub(1).and_then(|index| self.known.get(index)).copied();
        if let Some((_, state, next)) = held.filter(|(_, _, next)| next.is_none_or(|next| unix_ms < next)) {
            return (state, next);
        }
        let (state, next) = self.windows.at(unix_ms);
        self.known.push_back((unix_ms, state, next));
        (state, next)
    }
}

/// Returns the time from `now` until so much is done, closed hours included. `per_second` is how much is done in a second
/// while a window with this rate is open, or one without a rate. `None` where it does not end, or not for years.
pub fn time_within(
    windows: &dyn WindowOutlook,
    now: i64,
    amount: f64,
    per_second: &dyn Fn(Option<f64>) -> f64,
) -> Option<Duration> {
    time_along(&mut |at| windows.at(at), now, amount, per_second)
}

fn time_along(
    windows_at: &mut dyn FnMut(i64) -> (WindowState, Option<i64>),
    now: i64,
    mut amount: f64,
    per_second: &dyn Fn(Option<f64>) -> f64,
) -> Option<Duration> {
    let mut at = now;
    for _ in 0..OUTLOOK_CHANGES_MAX {
        if amount <= 0.0 {
            return elapsed(now, at);
        }
        let (state, next) = windows_at(at);
        let speed = match state {
            WindowState::Open { rate } => per_second(rate),
            WindowState::Closed { .. } => 0.0,
        };
        let seconds = amount / speed;
        match next.filter(|next| *next > at) {
            Some(next) if speed <= 0.0 || seconds > span_seconds(at, next) => {
                amount -= speed * span_seconds(at, next);
                at = next;
            }
            _ => {
                let rest = Duration::try_from_secs_f64(seconds).ok()?;
                return elapsed(now, at)?.checked_add(rest);
            }
        }
    }
    None
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of days")]
fn span_seconds(from: i64, to: i64) -> f64 {
    (to - from) as f64 / 1_000.0
}

fn elapsed(from: i64, to: i64) -> Option<Duration> {
    Some(Duration::from_millis(u64::try_from(to - from).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Changes at these times, each to a rate; a rate of 0 stands for a closed window.
    #[derive(Debug)]
    struct Steps(Vec<(i64, f64)>);

    impl WindowOutlook for Steps {
        fn at(&self, unix_ms: i64) -> (WindowState, Option<i64>) {
            let next = self.0.iter().map(|(from, _)| *from).find(|from| *from > unix_ms);
            let rate = self.0.iter().rev().find(|(from, _)| *from <= unix_ms).map_or(0.0, |(_, rate)| *rate);
            let open = WindowState::Open { rate: Some(rate) };
            (if rate > 0.0 { open } else { WindowState::Closed { opens: None } }, next)
        }
    }

    fn seconds(steps: &[(i64, f64)], now: i64, amount: f64, own: f64) -> Option<f64> {
        let speed = |rate: Option<f64>| own.min(rate.unwrap_or(f64::INFINITY));
        time_within(&Steps(steps.to_vec()), now, amount, &speed).map(|time| time.as_secs_f64())
    }

    #[test]
    fn work_rests_in_closed_hours_and_follows_the_rates() {
        let steps = [(0, 10.0), (100_000, 0.0), (200_000, 5.0), (300_000, 20.0)];
        assert_eq!(seconds(&steps, 0, 500.0, f64::INFINITY), Some(50.0));
        assert_eq!(seconds(&steps, 0, 1_000.0, f64::INFINITY), Some(100.0));
        assert_eq!(seconds(&steps, 0, 1_100.0, f64::INFINITY), Some(220.0));
        assert_eq!(seconds(&steps, 0, 1_700.0, f64::INFINITY), Some(310.0));
        assert_eq!(seconds(&steps, 0, 1_700.0, 10.0), Some(320.0), "the own rate is a bound too");
        assert_eq!(seconds(&steps, 150_000, 5.0, 10.0), Some(51.0));
        assert_eq!(seconds(&steps, 150_000, 0.0, 10.0), Some(0.0));
        assert_eq!(seconds(&[(0, 10.0), (100_000, 0.0)], 0, 1_001.0, 10.0), None, "it never opens again");
    }

    #[test]
    fn a_timeline_gives_what_its_schedule_gives_as_time_passes() {
        let steps = || Steps(vec![(0, 10.0), (100_000, 0.0), (200_000, 5.0), (300_000, 20.0), (400_000, 1.0)]);
        let mut timeline = WindowTimeline::new(Arc::new(steps()));
        let speed = |rate: Option<f64>| rate.unwrap_or(f64::INFINITY);
        // The last one is after the clock was set back.
        for now in [0, 50_000, 50_001, 99_999, 100_000, 250_000, 399_999, 500_000, 10_000] {
            for amount in [1.0, 900.0, 5_000.0] {
                let expected = time_within(&steps(), now, amount, &speed);
                assert_eq!(timeline.time_of(now, amount, &speed), expected, "{amount} from {now}");
            }
        }
    }

    /// Opens for a millisecond in each second, for ever.
    #[derive(Debug)]
    struct Blinking;

    impl WindowOutlook for Blinking {
        fn at(&self, unix_ms: i64) -> (WindowState, Option<i64>) {
            match unix_ms % 1_000 {
                0 => (WindowState::Open { rate: Some(1.0) }, Some(unix_ms + 1)),
                past => (WindowState::Closed { opens: None }, Some(unix_ms + 1_000 - past)),
            }
        }
    }

    #[test]
    fn an_estimate_is_bounded() {
        assert_eq!(time_within(&Blinking, 0, 1e12, &|_| 1.0), None);
    }
}
