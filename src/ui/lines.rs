//! Progress where there is no terminal: a plain line now and then, for logs of schedulers.

use std::sync::Arc;
use std::time::Duration;

use super::console::Console;
use super::observer::View;
use super::status::{checking_line, scanning_line, status_line};
use crate::domain::event::Snapshot;
use crate::limits;

/// Lines at [`limits::PROGRESS_LINE_INTERVAL_MS`] of the run's own time.
pub(super) struct Lines {
    console: Arc<Console>,
    next_at: Duration,
    next_checking_rows: u64,
    next_scanning_users: u64,
}

impl Lines {
    pub(super) fn new(console: Arc<Console>) -> Self {
        Self { console, next_at: Duration::ZERO, next_checking_rows: 0, next_scanning_users: 0 }
    }
}

impl View for Lines {
    /// Checking has no time of its own to go by: it is told at its start, and then whenever the rows have doubled.
    fn checking(&mut self, rows: u64) {
        if rows < self.next_checking_rows {
            return;
        }
        let starts = self.next_checking_rows == 0;
        self.console.line(&if starts { "checking the input".to_owned() } else { checking_line(rows) });
        self.next_checking_rows = rows.saturating_mul(2).max(limits::CHECKING_LINE_ROWS);
    }

    /// As checking: at its start, and then at doublings.
    fn scanning(&mut self, users: u64, estimated: u64) {
        if users < self.next_scanning_users {
            return;
        }
        self.console.line(&scanning_line(users, estimated));
        self.next_scanning_users = users.saturating_mul(2).max(limits::SCANNING_LINE_USERS);
    }

    fn tick(&mut self, snapshot: &Snapshot, draining: bool) {
        if snapshot.elapsed < self.next_at {
            return;
        }
        self.console.line(&status_line(snapshot, draining));
        self.next_at = snapshot.elapsed + Duration::from_millis(limits::PROGRESS_LINE_INTERVAL_MS);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::Screen;
    use crate::domain::event::{Event, Snapshot};
    use crate::domain::summary::Counts;

    fn tick(milliseconds: u64, linked: u64) -> Event {
        let counts = Counts { read: linked, linked, ..Counts::default() };
        let elapsed = Duration::from_millis(milliseconds);
        Event::Tick(Box::new(Snapshot { counts, elapsed, total: Some(100), ..Snapshot::default() }))
    }

    #[test]
    fn the_first_tick_is_told_and_then_one_in_five_seconds() {
        let screen = Screen::new();
        let mut observer = screen.ui().observer();
        for (milliseconds, linked) in
            [(0, 0), (100, 1), (4_999, 9), (5_000, 10), (9_999, 18), (30_000, 60), (30_100, 61)]
        {
            observer.on(&tick(milliseconds, linked));
        }
        drop(observer);
        assert_eq!(
            screen.stderr(),
            "0 of 100 rows done (0 %), 0.0/s, 0 throttled\n\
             10 of 100 rows done (10 %), 0.0/s, 0 throttled\n\
             60 of 100 rows done (60 %), 0.0/s, 0 throttled\n"
        );
    }

    #[test]
    fn checking_is_told_at_its_start_and_at_doublings() {
        let screen = Screen::new();
        let mut observer = screen.ui().observer();
        for rows in (0..=5_000_000).step_by(10_000) {
            observer.on(&Event::Checking { rows });
        }
        assert_eq!(
            screen.stderr(),
            "checking the input\n\
             checking the input: 1,000,000 rows\n\
             checking the input: 2,000,000 rows\n\
             checking the input: 4,000,000 rows\n"
        );
    }

    #[test]
    fn reading_the_pool_is_told_at_its_start_and_at_doublings() {
        let screen = Screen::new();
        let mut observer = screen.ui().observer();
        for users in (0..=240_000).step_by(600) {
            observer.on(&Event::Scanning { users, estimated: 230_000 });
        }
        assert_eq!(
            screen.stderr(),
            "reading the pool: 0 of about 230,000 users\n\
             reading the pool: 100,200 of about 230,000 users\n\
             reading the pool: 200,400 of about 230,000 users\n"
        );
    }

    #[test]
    fn a_bar_is_never_drawn_where_there_is_no_terminal() {
        let screen = Screen::new();
        let ui = screen.ui();
        ui.status("asking the service");
        let mut observer = ui.observer();
        observer.on(&tick(0, 0));
        assert_eq!(screen.bar(), "");
        assert!(!screen.stderr().contains("asking"));
    }
}
