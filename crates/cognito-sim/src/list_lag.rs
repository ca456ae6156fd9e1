//! What `ListUsers` does not show yet. The service is eventually consistent (service model); the lag can be set.

use std::collections::{HashMap, VecDeque};

use crate::clock::UnixMs;
use crate::limits;
use crate::model::{StoredIdentity, UserIndex};

/// How a list shows a user.
pub(crate) enum ListedState<'a> {
    /// As it is.
    Now,
    /// With the identities that it had.
    Before(&'a [StoredIdentity]),
    /// Not at all.
    Absent,
}

/// The identities before a write; `None` where the user did not exist.
type Before = Option<Vec<StoredIdentity>>;

/// The writes that lists do not show yet. Empty unless a lag is set.
#[derive(Default)]
pub(crate) struct LagJournal {
    lag_ms: i64,
    writes: HashMap<UserIndex, VecDeque<(UnixMs, Before)>>,
    order: VecDeque<(UnixMs, UserIndex)>,
}

impl LagJournal {
    pub(crate) fn set_lag_ms(&mut self, lag_ms: u64) {
        self.lag_ms = i64::try_from(lag_ms.min(limits::LIST_LAG_MS_MAX)).unwrap_or(i64::MAX);
    }

    pub(crate) fn lag_ms(&self) -> u64 {
        self.lag_ms.unsigned_abs()
    }

    /// Keeps what a user held before a write; `before` is only called where a lag is set.
    pub(crate) fn record(&mut self, now: UnixMs, user_index: UserIndex, before: impl FnOnce() -> Before) {
        if self.lag_ms == 0 {
            return;
        }
        self.forget(now);
        if self.order.len() >= limits::LAGGING_WRITES_MAX {
            self.forget_oldest();
        }
        self.writes.entry(user_index).or_default().push_back((now, before()));
        self.order.push_back((now, user_index));
    }

    /// How a list at this time shows the user: as it was before the oldest write that is still hidden.
    pub(crate) fn listed(&self, now: UnixMs, user_index: UserIndex) -> ListedState<'_> {
        let writes = self.writes.get(&user_index);
        let hidden = writes.and_then(|writes| writes.iter().find(|(at, _)| at.saturating_add(self.lag_ms) > now));
        match hidden {
            None => ListedState::Now,
            Some((_, None)) => ListedState::Absent,
            Some((_, Some(identities))) => ListedState::Before(identities),
        }
    }

    fn forget(&mut self, now: UnixMs) {
        while self.order.front().is_some_and(|(at, _)| at.saturating_add(self.lag_ms) <= now) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((_, user_index)) = self.order.pop_front() else { return };
        let Some(writes) = self.writes.get_mut(&user_index) else { return };
        writes.pop_front();
        if writes.is_empty() {
            self.writes.remove(&user_index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(journal: &LagJournal, now: UnixMs) -> &'static str {
        match journal.listed(now, 7) {
            ListedState::Now => "now",
            ListedState::Before(_) => "before",
            ListedState::Absent => "absent",
        }
    }

    #[test]
    fn a_write_shows_after_the_lag_and_is_forgotten() {
        let mut journal = LagJournal::default();
        journal.set_lag_ms(500);
        journal.record(1_000, 7, || None);
        journal.record(1_200, 7, || Some(Vec::new()));
        for (now, expected) in
            [(1_000, "absent"), (1_499, "absent"), (1_500, "before"), (1_699, "before"), (1_700, "now")]
        {
            assert_eq!(shown(&journal, now), expected, "{now}");
        }
        journal.record(9_000, 8, || None);
        assert_eq!((journal.order.len(), journal.writes.len()), (1, 1));
    }

    #[test]
    fn without_a_lag_nothing_is_kept() {
        let mut journal = LagJournal::default();
        journal.record(1_000, 7, || unreachable!("nothing is copied"));
        assert_eq!(shown(&journal, 1_000), "now");
    }
}
