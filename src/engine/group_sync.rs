//! When written ledger lines are made durable: many at once, and none later than the bound.

use std::time::Duration;

use crate::clock::Instant;
use crate::limits::{SYNC_INTERVAL_MS, SYNC_LINES_MAX};

#[derive(Debug, Default)]
pub(super) struct GroupSync {
    /// When the oldest line must be durable.
    due: Option<Instant>,
}

/// What is to be done about lines that are not durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SyncDecision {
    NothingToSync,
    SyncNow,
    SyncAt(Instant),
}

impl GroupSync {
    /// Decides about so many lines that are not durable. [`Self::on_synced`] must follow each sync.
    pub(super) fn decide(&mut self, unsynced_lines: usize, now: Instant) -> SyncDecision {
        if unsynced_lines == 0 {
            self.due = None;
            return SyncDecision::NothingToSync;
        }
        let due = *self.due.get_or_insert(now + Duration::from_millis(SYNC_INTERVAL_MS));
        if unsynced_lines >= SYNC_LINES_MAX || due <= now { SyncDecision::SyncNow } else { SyncDecision::SyncAt(due) }
    }

    pub(super) fn on_synced(&mut self) {
        self.due = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_wait_for_others_within_a_bound() {
        let now = Instant::now();
        let due = now + Duration::from_millis(SYNC_INTERVAL_MS);
        let just_before = due - Duration::from_millis(1);
        let mut sync = GroupSync::default();
        assert_eq!(sync.decide(0, now), SyncDecision::NothingToSync);
        assert_eq!(sync.decide(1, now), SyncDecision::SyncAt(due));
        assert_eq!(sync.decide(2, just_before), SyncDecision::SyncAt(due), "the oldest line counts");
        assert_eq!(sync.decide(2, due), SyncDecision::SyncNow);
        sync.on_synced();
        assert_eq!(sync.decide(SYNC_LINES_MAX, due), SyncDecision::SyncNow);
        sync.on_synced();
        assert_eq!(sync.decide(1, due), SyncDecision::SyncAt(due + Duration::from_millis(SYNC_INTERVAL_MS)));
    }
}
