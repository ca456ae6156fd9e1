//! The queues of rows that have something to send or to write.

use std::collections::VecDeque;

use super::row_progress::NextWork;
use super::worker::JobId;

/// The queues of rows by what is to be done next. A row that waits for its lane or for a timer is in none of them.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    reads: VecDeque<JobId>,
    announcements: VecDeque<JobId>,
    /// Rows whose announcement is written, and not yet durable.
    not_durable: Vec<JobId>,
    /// Rows whose write call may be sent: their announcement is durable.
    writes: VecDeque<JobId>,
}

impl Outbox {
    /// Queues a row for its next work, at the end.
    pub(super) fn push(&mut self, id: JobId, work: &NextWork) {
        match work {
            NextWork::WaitForLane => {}
            NextWork::Read(_) => self.reads.push_back(id),
            NextWork::Announce(_) => self.announcements.push_back(id),
            NextWork::Write(_) => self.writes.push_back(id),
        }
    }

    /// Queues a row that has waited before: it goes first.
    pub(super) fn push_first(&mut self, id: JobId, work: &NextWork) {
        match work {
            NextWork::Read(_) => self.reads.push_front(id),
            NextWork::Write(_) => self.writes.push_front(id),
            NextWork::Announce(_) => self.announcements.push_front(id),
            NextWork::WaitForLane => {}
        }
    }

    /// The first row to be read that `may_be_read`; the others stay.
    pub(super) fn next_read(&self, may_be_read: impl Fn(JobId) -> bool) -> Option<(usize, JobId)> {
        self.reads.iter().copied().enumerate().find(|(_, id)| may_be_read(*id))
    }

    /// Takes out the row at `place`, as [`Self::next_read`] returned it.
    pub(super) fn take_read(&mut self, place: usize) {
        self.reads.remove(place);
    }

    /// Takes out the next row to announce, unless so many announced rows wait for their call already.
    pub(super) fn take_announcement(&mut self, announced_max: usize) -> Option<JobId> {
        if self.writes.len() + self.not_durable.len() >= announced_max {
            return None;
        }
        self.announcements.pop_front()
    }

    pub(super) fn push_announced(&mut self, id: JobId) {
        self.not_durable.push(id);
    }

    /// Whether a sync is needed before another call can be sent: no durable announcement is left.
    pub(super) fn waits_for_sync(&self) -> bool {
        self.writes.is_empty() && !self.not_durable.is_empty()
    }

    /// Takes note that every announcement so far is durable.
    pub(super) fn on_announcements_durable(&mut self) {
        self.writes.extend(self.not_durable.drain(..));
    }

    /// Takes out every row whose write call may be sent.
    pub(super) fn take_writes(&mut self) -> VecDeque<JobId> {
        std::mem::take(&mut self.writes)
    }

    /// Takes out every row that is announced or to be announced, in the order in which they would be called.
    pub(super) fn take_unsent(&mut self) -> Vec<JobId> {
        let mut unsent = Vec::from(std::mem::take(&mut self.writes));
        unsent.append(&mut self.not_durable);
        unsent.extend(self.announcements.drain(..));
        unsent
    }

    pub(super) fn next_write(&self) -> Option<JobId> {
        self.writes.front().copied()
    }

    pub(super) fn take_write(&mut self) {
        self.writes.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::{DestinationUser, Personal, ProviderName};
    use crate::engine::name_search::ReadCall;
    use crate::engine::row_progress::RowAnnouncement;

    fn announce() -> NextWork {
        let value = Personal::from_service("alice");
        let destination = DestinationUser { provider: ProviderName::native(), value };
        NextWork::Announce(RowAnnouncement::Link { destination })
    }

    fn read() -> NextWork {
        NextWork::Read(ReadCall::Get(Personal::from_service("alice")))
    }

    #[test]
    fn an_announced_row_may_be_sent_only_once_it_is_durable() {
        let mut outbox = Outbox::default();
        (0..4).for_each(|id| outbox.push(id, &announce()));
        for id in 0..3 {
            assert_eq!(outbox.take_announcement(3), Some(id));
            outbox.push_announced(id);
        }
        assert_eq!(outbox.take_announcement(3), None, "three are announced ahead");
        assert_eq!((outbox.next_write(), outbox.waits_for_sync()), (None, true));
        outbox.on_announcements_durable();
        assert_eq!((outbox.next_write(), outbox.waits_for_sync()), (Some(0), false));
        outbox.take_write();
        assert_eq!(outbox.take_announcement(3), Some(3));
        outbox.push_announced(3);
        assert!(!outbox.waits_for_sync(), "others can be sent before a sync is paid for");
    }

    #[test]
    fn a_row_that_may_not_be_read_stays_in_its_queue() {
        let mut outbox = Outbox::default();
        outbox.push(7, &read());
        outbox.push(8, &read());
        outbox.push_first(9, &read());
        assert_eq!(outbox.next_read(|_| true), Some((0, 9)));
        assert_eq!(outbox.next_read(|id| id == 8), Some((2, 8)));
        outbox.take_read(2);
        assert_eq!(outbox.next_read(|id| id == 8), None);
        assert_eq!(outbox.next_read(|id| id != 9), Some((1, 7)));
    }
}
