//! The calls of the last seconds, by the time at which they were sent.

use std::collections::VecDeque;

use crate::limits::{PACE_LOG_CALLS_MAX, PACE_LOG_CALLS_MIN};

/// Calls are kept this long, in seconds: longer than the span between two refusals that is measured.
const KEPT_SECONDS: f64 = 6.0;
/// And at a slow pace for as long as this many calls take.
const KEPT_CALLS: f64 = 40.0;

/// A call that was sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ticket {
    number: u64,
    /// When it was sent, in seconds.
    pub(super) sent: f64,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Waiting,
    Accepted,
    Throttled,
    Lost,
}

/// Calls in the order in which they were sent.
#[derive(Debug, Clone, Default)]
pub(super) struct CallLog {
    calls: VecDeque<(f64, Fate)>,
    /// The number of the first one that is kept.
    first: u64,
    was_throttled: bool,
}

impl CallLog {
    /// Adds a call, and forgets those that no measure at this pace reaches back to.
    pub(super) fn sent(&mut self, now: f64, pace: f64) -> Ticket {
        let oldest = now - f64::max(KEPT_SECONDS, KEPT_CALLS / pace);
        while self.calls.len() >= PACE_LOG_CALLS_MAX
            || self.calls.len() > PACE_LOG_CALLS_MIN && self.calls.front().is_some_and(|(sent, _)| *sent < oldest)
        {
            self.calls.pop_front();
            self.first += 1;
        }
        let ticket = Ticket { number: self.first + self.calls.len() as u64, sent: now };
        self.calls.push_back((now, Fate::Waiting));
        ticket
    }

    /// Notes what became of a call; one that was forgotten is too old to matter.
    pub(super) fn settle(&mut self, ticket: Ticket, fate: Fate) {
        self.was_throttled |= fate == Fate::Throttled;
        let index = ticket.number.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        if let Some((_, held)) = index.and_then(|index| self.calls.get_mut(index)) {
            *held = fate;
        }
    }

    /// Whether any call was ever throttled.
    pub(super) fn was_throttled(&self) -> bool {
        self.was_throttled
    }

    /// Calls sent from `since` on.
    #[expect(clippy::cast_precision_loss, reason = "at most as many as are kept")]
    pub(super) fn sent_since(&self, since: f64) -> f64 {
        (self.calls.len() - self.calls.partition_point(|(sent, _)| *sent < since)) as f64
    }

    /// When the first throttled call that was not sent before `since` was sent.
    pub(super) fn first_throttled_since(&self, since: f64) -> Option<f64> {
        let from = self.calls.partition_point(|(sent, _)| *sent < since);
        self.calls.range(from..).find(|(_, fate)| *fate == Fate::Throttled).map(|(sent, _)| *sent)
    }

    /// Accepted calls a second, of those sent in the `span` seconds up to `until`. Calls without an answer count at the
    /// accepted share of the others: a refusal comes back sooner than a success, so that only to count what has come
    /// back reads 5 % low at 1,000/s.
    pub(super) fn accepted_before(&self, until: f64, span: f64) -> f64 {
        let from = self.calls.partition_point(|(sent, _)| *sent <= until - span);
        let (mut accepted, mut throttled, mut waiting) = (0.0, 0.0, 0.0);
        for (_, fate) in self.calls.range(from..).take_while(|(sent, _)| *sent <= until) {
            match fate {
                Fate::Accepted => accepted += 1.0,
                Fate::Throttled => throttled += 1.0,
                Fate::Waiting => waiting += 1.0,
                Fate::Lost => {}
            }
        }
        let answered: f64 = accepted + throttled;
        let share = if answered > 0.0 { accepted / answered } else { 1.0 };
        (accepted + waiting * share) / span
    }
}
