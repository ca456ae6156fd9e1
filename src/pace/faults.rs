//! Whether a service that fails is being asked too much.

use crate::limits::{FAULT_HALVINGS_A_MINUTE_MAX, FAULTS_SHARE_MAX, FAULTS_WINDOW_SECONDS};

/// Fewer faults than this in a window are chance.
const FAULTS_MIN: u32 = 3;

/// Calls and faults of the last seconds. Pure: it is told the time, in seconds since any start.
///
/// Refusals for the rate do not belong here: they steer the pace themselves. A service that fails for other reasons
/// than its load would never be asked quickly again, so that the pace is halved at most so many times a minute.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    /// The second, its calls, and how many of them were faults.
    seconds: [(u64, u32, u32); FAULTS_WINDOW_SECONDS],
    /// When the pace was halved, in seconds.
    halved: Vec<f64>,
}

impl Faults {
    /// Takes a call that came back; true where the pace is to be halved.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "seconds of a run"
    )]
    pub(super) fn on_answer(&mut self, now: f64, faulted: bool) -> bool {
        let second = now.max(0.0) as u64;
        let slot = &mut self.seconds[second as usize % FAULTS_WINDOW_SECONDS];
        if slot.0 != second {
            *slot = (second, 0, 0);
        }
        slot.1 += 1;
        slot.2 += u32::from(faulted);
        if !faulted {
            return false;
        }
        let recent = self.seconds.iter().filter(|(at, ..)| second - at.min(&second) < FAULTS_WINDOW_SECONDS as u64);
        let (calls, faults) = recent.fold((0, 0), |(calls, faults), (_, more, bad)| (calls + more, faults + bad));
        self.halved.retain(|at| now - at < 60.0);
        let too_many = faults >= FAULTS_MIN && f64::from(faults) > FAULTS_SHARE_MAX * f64::from(calls);
        // The last halving is given a whole window to show whether it helped.
        let waits = self.halved.last().is_some_and(|at| now - at < FAULTS_WINDOW_SECONDS as f64);
        if !too_many || waits || self.halved.len() >= FAULT_HALVINGS_A_MINUTE_MAX {
            return false;
        }
        self.halved.push(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often the pace is halved in `seconds`, at ten calls a second of which each `nth` is a fault.
    fn halvings(seconds: u32, nth: u32) -> usize {
        let mut faults = Faults::default();
        let call = |call: u32| faults.on_answer(f64::from(call) / 10.0, call % nth == nth - 1);
        (0..seconds * 10).map(call).filter(|halve| *halve).count()
    }

    #[test]
    fn more_than_a_tenth_halves_the_pace_and_not_for_ever() {
        assert_eq!(halvings(600, 11), 0, "nine percent");
        assert!((1..=3).contains(&halvings(60, 8)), "one in eight: {}", halvings(60, 8));
        assert!(halvings(600, 2) <= 30, "three a minute at the most: {}", halvings(600, 2));
    }

    #[test]
    fn a_few_faults_are_chance_and_old_ones_are_forgotten() {
        let mut faults = Faults::default();
        assert!(!faults.on_answer(0.0, true) && !faults.on_answer(0.5, true));
        assert!(!faults.on_answer(100.0, true), "the window is ten seconds long");
        assert!(!faults.on_answer(101.0, true) && faults.on_answer(102.0, true));
    }
}
