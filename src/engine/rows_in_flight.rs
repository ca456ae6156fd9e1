//! The rows on their way, at most [`crate::limits::WINDOW_ROWS`], and the lanes that keep a destination's rows in order.
//!
//! A row holds the lane of its destination from its first call to its result, so no two calls for one destination are
//! ever in flight. Rows behind it wait in that lane and keep nobody else waiting. A lane stays closed for a moment after a
//! write, which is how the service's limit of ten writes a second for one user is kept.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use super::job::Job;
use super::worker::JobId;
use crate::clock::Instant;
use crate::domain::event::WaitReason;
use crate::domain::identity::{Destination, profile_username};

/// Why a row waits for a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TimerReason {
    /// After a transient fault, or after the service throttled the row repeatedly.
    BackOff,
    /// Until a doubtful call can be read back.
    Settling,
}

/// What a timer wakes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Wake {
    Job(JobId, TimerReason),
    Lane(String),
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct DueRows {
    /// Rows whose wait is over.
    pub(super) waited: Vec<JobId>,
    /// Rows whose lane is open.
    pub(super) released: Vec<JobId>,
}

#[derive(Debug, Default)]
pub(super) struct RowsInFlight {
    jobs: Vec<Option<Job>>,
    free: Vec<JobId>,
    /// Rows that wait for a lane, by lane. A lane without a place here is free.
    lanes: HashMap<String, VecDeque<JobId>>,
    lanes_of_job: HashMap<JobId, Vec<String>>,
    timers: BinaryHeap<Reverse<(Instant, u64, Wake)>>,
    timers_set: u64,
    /// How many of the rows are of the canary.
    canary_rows: usize,
}

impl RowsInFlight {
    pub(super) fn len(&self) -> usize {
        self.jobs.len() - self.free.len()
    }

    /// Whether a row of the canary is in flight.
    pub(super) fn has_canary(&self) -> bool {
        self.canary_rows > 0
    }

    /// Adds a row. Says whether its lane is open; otherwise it waits in the lane.
    pub(super) fn insert(&mut self, job: Job) -> (JobId, bool) {
        let lane = match job.known_destination() {
            Some(user) => lane_of_user(&user.username()),
            None => lane_of_destination(&job.progress().row.link.destination),
        };
        self.canary_rows += usize::from(job.is_canary());
        let id = self.free.pop().unwrap_or(self.jobs.len());
        if id == self.jobs.len() {
            self.jobs.push(Some(job));
        } else {
            self.jobs[id] = Some(job);
        }
        (id, self.enter_lane(lane, id))
    }

    /// Enters the lane of a destination that was looked up. Says whether the row may go on.
    pub(super) fn enter_lane_of_user(&mut self, id: JobId, username: &str) -> bool {
        self.enter_lane(lane_of_user(username), id)
    }

    fn enter_lane(&mut self, lane: String, id: JobId) -> bool {
        let lanes_of_job = self.lanes_of_job.entry(id).or_default();
        if lanes_of_job.contains(&lane) {
            return true;
        }
        lanes_of_job.push(lane.clone());
        if let Some(waiting) = self.lanes.get_mut(&lane) {
            waiting.push_back(id);
            return false;
        }
        self.lanes.insert(lane, VecDeque::new());
        true
    }

    pub(super) fn get(&self, id: JobId) -> Option<&Job> {
        self.jobs.get(id).and_then(Option::as_ref)
    }

    pub(super) fn get_mut(&mut self, id: JobId) -> Option<&mut Job> {
        self.jobs.get_mut(id).and_then(Option::as_mut)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Job> {
        self.jobs.iter_mut().flatten()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().flatten()
    }

    /// Lets a row wait until `at`.
    pub(super) fn wait_until(&mut self, at: Instant, id: JobId, reason: TimerReason) {
        self.set_timer(at, Wake::Job(id, reason));
    }

    fn set_timer(&mut self, at: Instant, wake: Wake) {
        self.timers_set += 1;
        self.timers.push(Reverse((at, self.timers_set, wake)));
    }

    /// Removes a row. Its lanes open at `open_at`, or at once; returns the rows that are released at once.
    pub(super) fn remove(&mut self, id: JobId, now: Instant, open_at: Option<Instant>) -> Vec<JobId> {
        let mut released = Vec::new();
        let Some(job) = self.jobs.get_mut(id).and_then(Option::take) else { return released };
        self.canary_rows -= usize::from(job.is_canary());
        self.free.push(id);
        for lane in self.lanes_of_job.remove(&id).unwrap_or_default() {
            match open_at.filter(|at| *at > now) {
                Some(at) => self.set_timer(at, Wake::Lane(lane)),
                None => released.extend(self.open_lane(&lane)),
            }
        }
        released
    }

    /// Releases the next row of a lane, or frees the lane.
    fn open_lane(&mut self, lane: &str) -> Option<JobId> {
        let next = self.lanes.get_mut(lane).and_then(VecDeque::pop_front);
        if next.is_none() {
            self.lanes.remove(lane);
        }
        next
    }

    pub(super) fn next_timer(&self) -> Option<Instant> {
        self.timers.peek().map(|Reverse((at, ..))| *at)
    }

    /// Takes out the timers that are due.
    pub(super) fn take_due(&mut self, now: Instant) -> DueRows {
        let mut due = DueRows::default();
        while self.next_timer().is_some_and(|at| at <= now) {
            match self.timers.pop() {
                Some(Reverse((_, _, Wake::Job(id, _)))) => due.waited.push(id),
                Some(Reverse((_, _, Wake::Lane(lane)))) => due.released.extend(self.open_lane(&lane)),
                None => {}
            }
        }
        due
    }

    /// What the rows wait for: the wait that is over first. The short spacing of writes to one user does not count.
    pub(super) fn waiting(&self, now: Instant) -> Option<WaitReason> {
        let waits = self.timers.iter().filter_map(|Reverse((at, number, wake))| match wake {
            Wake::Job(_, reason) => Some((*at, *number, *reason)),
            Wake::Lane(_) => None,
        });
        let (at, _, reason) = waits.min()?;
        let left = at.saturating_duration_since(now);
        Some(match reason {
            TimerReason::BackOff => WaitReason::BackOff(left),
            TimerReason::Settling => WaitReason::Settling(left),
        })
    }

    /// Takes every row out, in the order of the input.
    pub(super) fn take_all(&mut self) -> Vec<Job> {
        let mut jobs: Vec<Job> = std::mem::take(self).jobs.into_iter().flatten().collect();
        jobs.sort_by_key(|job| job.progress().row.number);
        jobs
    }
}

fn lane_of_destination(destination: &Destination) -> String {
    match destination {
        Destination::Username(name) => lane_of_user(name.expose()),
        Destination::Federated { provider, user_id } => {
            lane_of_user(&profile_username(provider.as_str(), user_id.expose()))
        }
        Destination::Email(value)
        | Destination::Sub(value)
        | Destination::Phone(value)
        | Destination::PreferredUsername(value) => {
            format!("{}:{}", destination.kind(), value.expose().to_lowercase())
        }
    }
}

/// Names that differ only in case may be one user, depending on the pool; to keep them apart costs nothing.
fn lane_of_user(username: &str) -> String {
    format!("user:{}", username.to_lowercase())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::identity::Personal;
    use crate::engine::link_job::LinkJob;
    use crate::engine::testing::row_to;

    fn job(number: u64, destination: Destination) -> Job {
        Job::Link(LinkJob::new(row_to(number, destination)))
    }

    fn username(name: &str) -> Destination {
        Destination::Username(Personal::from_service(name))
    }

    #[test]
    fn rows_of_one_user_go_one_after_another() {
        let mut rows = RowsInFlight::default();
        let now = Instant::now();
        let (first, is_open) = rows.insert(job(1, username("alice")));
        assert!(is_open);
        let (second, is_open) = rows.insert(job(2, username("ALICE")));
        assert!(!is_open, "names that differ only in case share a lane");
        let (_, is_open) = rows.insert(job(3, username("bob")));
        assert!(is_open, "others do not wait");
        assert_eq!(rows.remove(first, now, None), [second]);
        let later = now + Duration::from_millis(100);
        assert!(rows.remove(second, now, Some(later)).is_empty());
        let (third, is_open) = rows.insert(job(4, username("alice")));
        assert!(!is_open, "the lane is closed for a moment after a write");
        assert_eq!(rows.take_due(now), DueRows::default());
        assert_eq!(rows.waiting(now), None, "the spacing of writes to one user is no wait of a row");
        assert_eq!(rows.take_due(later).released, [third]);
        assert_eq!(rows.len(), 2);
    }

    #[test]
    fn a_user_that_was_looked_up_has_one_lane_too() {
        let mut rows = RowsInFlight::default();
        let now = Instant::now();
        let (by_name, _) = rows.insert(job(1, username("alice")));
        let (by_email, is_open) = rows.insert(job(2, Destination::Email(Personal::from_service("a@example.com"))));
        assert!(is_open);
        assert!(!rows.enter_lane_of_user(by_email, "alice"));
        assert_eq!(rows.remove(by_name, now, None), [by_email]);
        assert!(rows.enter_lane_of_user(by_email, "alice"), "a lane that is held is not entered twice");
        assert!(rows.remove(by_email, now, None).is_empty());
        assert_eq!((rows.lanes.len(), rows.len()), (0, 0));
    }

    #[test]
    fn rows_wait_for_a_reason() {
        let mut rows = RowsInFlight::default();
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let (first, _) = rows.insert(job(1, username("alice")));
        let (other, _) = rows.insert(job(2, username("bob")));
        rows.wait_until(now + 2 * second, first, TimerReason::Settling);
        assert_eq!(rows.waiting(now), Some(WaitReason::Settling(2 * second)));
        rows.wait_until(now + second, other, TimerReason::BackOff);
        assert_eq!(rows.waiting(now), Some(WaitReason::BackOff(second)), "the wait that is over first");
        assert_eq!(rows.take_due(now), DueRows::default());
        assert_eq!(rows.take_due(now + second).waited, [other]);
        assert_eq!(rows.waiting(now + second), Some(WaitReason::Settling(second)));
        assert_eq!(rows.take_due(now + 2 * second).waited, [first]);
        assert_eq!((rows.waiting(now), rows.next_timer()), (None, None));
    }
}
