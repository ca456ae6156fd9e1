//! The rows on their way, at most [`crate::limits::WINDOW_ROWS`] of them, and the lanes that keep a destination's rows one after another.
//!
//! A row holds the lane of its destination from its first call to its result, so no two calls for one destination are
//! ever in flight; rows behind it wait in that lane and keep nobody else waiting. A lane stays closed for a moment after a
//! write, which is how the service's limit of ten writes a second for one user is kept.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use super::job::Job;
use super::step::Step;
use crate::clock::Instant;
use crate::domain::identity::Destination;

/// A place in the window.
pub(super) type JobId = usize;

/// What a timer wakes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Wake {
    Job(JobId),
    Lane(String),
}

/// The rows on their way.
#[derive(Debug, Default)]
pub(super) struct Window {
    jobs: Vec<Option<Job>>,
    free: Vec<JobId>,
    lanes: HashMap<String, VecDeque<JobId>>,
    held: HashMap<JobId, Vec<String>>,
    timers: BinaryHeap<Reverse<(Instant, u64, Wake)>>,
    timer_count: u64,
    /// Rows that wait for a reading call.
    pub(super) to_read: VecDeque<JobId>,
    /// Rows that wait for their announcement.
    pub(super) to_announce: VecDeque<JobId>,
    /// Rows whose announcement is not yet on disk.
    pub(super) to_sync: Vec<JobId>,
    /// Rows that wait for their link or unlink call, announced durably.
    pub(super) to_write: VecDeque<JobId>,
}

impl Window {
    /// Rows on their way.
    pub(super) fn len(&self) -> usize {
        self.jobs.len() - self.free.len()
    }

    /// Takes a row in; it is active at once, or waits in its destination's lane. Says which.
    pub(super) fn insert(&mut self, job: Job) -> (JobId, bool) {
        let known = job.destination.as_ref().map(|user| user_lane(&user.username()));
        let lane = known.unwrap_or_else(|| entry_lane(&job.row.link.destination));
        let id = self.free.pop().unwrap_or(self.jobs.len());
        if id == self.jobs.len() {
            self.jobs.push(Some(job));
        } else {
            self.jobs[id] = Some(job);
        }
        (id, self.enter(lane, id))
    }

    /// Enters the lane of a destination that was looked up. Says whether the row may go on.
    pub(super) fn enter_user(&mut self, id: JobId, username: &str) -> bool {
        self.enter(user_lane(username), id)
    }

    fn enter(&mut self, lane: String, id: JobId) -> bool {
        let mine = self.held.entry(id).or_default();
        if mine.contains(&lane) {
            return true;
        }
        mine.push(lane.clone());
        if let Some(waiting) = self.lanes.get_mut(&lane) {
            waiting.push_back(id);
            return false;
        }
        self.lanes.insert(lane, VecDeque::new());
        true
    }

    /// The row at `id`.
    pub(super) fn get(&self, id: JobId) -> Option<&Job> {
        self.jobs.get(id).and_then(Option::as_ref)
    }

    /// The row at `id`.
    pub(super) fn get_mut(&mut self, id: JobId) -> Option<&mut Job> {
        self.jobs.get_mut(id).and_then(Option::as_mut)
    }

    /// Puts a row where its step is done.
    pub(super) fn queue(&mut self, id: JobId) {
        match self.get(id).map(|job| &job.step) {
            Some(Step::Announce) => self.to_announce.push_back(id),
            Some(Step::Link | Step::Unlink) => self.to_write.push_back(id),
            Some(_) => self.to_read.push_back(id),
            None => {}
        }
    }

    /// Puts a row at the front of where its step is done: it has waited already.
    pub(super) fn queue_first(&mut self, id: JobId) {
        match self.get(id).map(|job| &job.step) {
            Some(Step::Link | Step::Unlink) => self.to_write.push_front(id),
            Some(Step::Announce) | None => self.queue(id),
            Some(_) => self.to_read.push_front(id),
        }
    }

    /// Puts a row where its step is done, at this time.
    pub(super) fn queue_at(&mut self, id: JobId, at: Instant) {
        self.set_timer(at, Wake::Job(id));
    }

    /// Takes a row out. Its lanes open at `open_at`; rows that they let go at once are returned.
    pub(super) fn remove(&mut self, id: JobId, now: Instant, open_at: Option<Instant>) -> (Option<Job>, Vec<JobId>) {
        let Some(job) = self.jobs.get_mut(id).and_then(Option::take) else {
            return (None, Vec::new());
        };
        self.free.push(id);
        let mut released = Vec::new();
        for lane in self.held.remove(&id).unwrap_or_default() {
            match open_at.filter(|at| *at > now) {
                Some(at) => self.set_timer(at, Wake::Lane(lane)),
                None => released.extend(self.open(&lane)),
            }
        }
        (Some(job), released)
    }

    /// Lets the next row of a lane go, or closes the lane down.
    fn open(&mut self, lane: &str) -> Option<JobId> {
        let next = self.lanes.get_mut(lane).and_then(VecDeque::pop_front);
        if next.is_none() {
            self.lanes.remove(lane);
        }
        next
    }

    fn set_timer(&mut self, at: Instant, wake: Wake) {
        self.timer_count += 1;
        self.timers.push(Reverse((at, self.timer_count, wake)));
    }

    /// When the next timer is due.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        self.timers.peek().map(|Reverse((at, ..))| *at)
    }

    /// Does what is due: rows are put where their step is done, lanes are opened. Returns the rows that lanes let go.
    pub(super) fn fire(&mut self, now: Instant) -> Vec<JobId> {
        let mut released = Vec::new();
        while self.next_timer().is_some_and(|at| at <= now) {
            match self.timers.pop() {
                Some(Reverse((_, _, Wake::Job(id)))) => self.queue(id),
                Some(Reverse((_, _, Wake::Lane(lane)))) => released.extend(self.open(&lane)),
                None => {}
            }
        }
        released
    }

    /// Whether any row is as asked.
    pub(super) fn any(&self, is_so: fn(&Job) -> bool) -> bool {
        self.jobs.iter().flatten().any(is_so)
    }

    /// Since when the row that has been throttled the longest has been.
    pub(super) fn oldest_throttled(&self) -> Option<Instant> {
        self.jobs.iter().flatten().filter_map(|job| job.throttled_since).min()
    }

    /// Takes every row out, in the order of the input.
    pub(super) fn drain(&mut self) -> Vec<Job> {
        let mut jobs: Vec<Job> = self.jobs.drain(..).flatten().collect();
        jobs.sort_by_key(|job| job.row.number);
        *self = Self::default();
        jobs
    }
}

fn entry_lane(destination: &Destination) -> String {
    match destination {
        Destination::Username(name) => user_lane(name.expose()),
        Destination::Federated { provider, user_id } => {
            user_lane(&crate::domain::identity::profile_username(provider.as_str(), user_id.expose()))
        }
        Destination::Email(value) | Destination::Sub(value) => {
            format!("{}:{}", destination.kind(), value.expose().to_lowercase())
        }
    }
}

/// Names that differ only in case may be one user, depending on the pool; to keep them apart costs nothing.
fn user_lane(username: &str) -> String {
    format!("user:{}", username.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::{AttributeName, ExternalIdentity, Personal, PoolId, ProviderName};
    use crate::domain::row::{Link, Row, RowKey, RowNumber};
    use std::time::Duration;

    fn job(number: u64, destination: Destination) -> Job {
        let source = ExternalIdentity::new(
            ProviderName::parse("Google").unwrap(),
            AttributeName::subject(),
            Personal::from_service(&number.to_string()),
        );
        let link = Link { destination, source: source.unwrap() };
        let key = RowKey::of(&PoolId::parse("us-east-1_A").unwrap(), &link);
        Job::new(Row { number: RowNumber(number), link, key })
    }

    fn named(name: &str) -> Destination {
        Destination::Username(Personal::from_service(name))
    }

    #[tokio::test(start_paused = true)]
    async fn rows_of_one_user_go_one_after_another() {
        let mut window = Window::default();
        let now = Instant::now();
        let (first, active) = window.insert(job(1, named("alice")));
        assert!(active);
        let (second, active) = window.insert(job(2, named("ALICE")));
        assert!(!active, "names that differ only in case share a lane");
        let (_, active) = window.insert(job(3, named("bob")));
        assert!(active, "others do not wait");
        let (_, released) = window.remove(first, now, None);
        assert_eq!(released, [second]);
        let later = now + Duration::from_millis(100);
        let (_, released) = window.remove(second, now, Some(later));
        assert!(released.is_empty());
        let (third, active) = window.insert(job(4, named("alice")));
        assert!(!active, "the lane is closed for a moment after a write");
        assert!(window.fire(now).is_empty());
        assert_eq!(window.fire(later), [third]);
        assert_eq!(window.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_that_was_looked_up_has_one_lane_too() {
        let mut window = Window::default();
        let (by_name, _) = window.insert(job(1, named("alice")));
        let (by_email, active) = window.insert(job(2, Destination::Email(Personal::from_service("a@example.com"))));
        assert!(active);
        assert!(!window.enter_user(by_email, "alice"));
        let (_, released) = window.remove(by_name, Instant::now(), None);
        assert_eq!(released, [by_email]);
        assert!(window.enter_user(by_email, "alice"), "a lane that is held is not entered twice");
        let (_, released) = window.remove(by_email, Instant::now(), None);
        assert_eq!((released.len(), window.lanes.len(), window.len()), (0, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn steps_go_to_their_queues_in_time() {
        let mut window = Window::default();
        let now = Instant::now();
        let (id, _) = window.insert(job(1, named("alice")));
        window.queue_at(id, now + Duration::from_secs(1));
        window.fire(now);
        assert!(window.to_announce.is_empty());
        window.fire(now + Duration::from_secs(1));
        assert_eq!(window.to_announce, [id]);
        window.get_mut(id).unwrap().step = Step::Link;
        window.queue_first(id);
        assert_eq!(window.to_write, [id]);
    }
}
