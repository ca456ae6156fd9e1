//! Progress on a terminal: one line that is drawn over and over.

use std::sync::Arc;

use super::console::Console;
use super::observer::View;
use super::status::{checking_line, scanning_line, status_line};
use crate::domain::event::Snapshot;

/// The bar. It is there from its making on, before the first event, and gone when it is dropped.
pub(super) struct Bar {
    console: Arc<Console>,
}

impl Bar {
    pub(super) fn new(console: Arc<Console>) -> Self {
        console.show_bar("starting".to_owned());
        Self { console }
    }
}

impl View for Bar {
    fn checking(&mut self, rows: u64) {
        self.console.show_bar(checking_line(rows));
    }

    fn scanning(&mut self, users: u64, estimated: u64) {
        self.console.show_bar(scanning_line(users, estimated));
    }

    fn tick(&mut self, snapshot: &Snapshot, draining: bool) {
        self.console.show_bar(status_line(snapshot, draining));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.console.clear_bar();
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Screen;
    use crate::domain::event::{Event, Snapshot};

    #[test]
    fn the_bar_is_seen_before_the_first_event_and_leaves_nothing_behind() {
        let screen = Screen::new().terminals();
        let ui = screen.ui();
        assert_eq!(screen.bar(), "");
        let mut observer = ui.observer();
        assert!(screen.bar().ends_with(" starting"), "{}", screen.bar());
        observer.on(&Event::Checking { rows: 1_234_567 });
        assert!(screen.bar().ends_with("checking the input: 1,234,567 rows"), "{}", screen.bar());
        observer.on(&Event::Tick(Box::new(Snapshot { total: Some(10), ..Snapshot::default() })));
        assert!(screen.bar().ends_with("0 of 10 rows done (0 %), 0.0/s, 0 throttled"), "{}", screen.bar());
        drop(observer);
        assert_eq!(screen.bar(), "");
    }

    #[test]
    fn the_bar_steps_aside_for_every_message() {
        let screen = Screen::new().terminals();
        let ui = screen.ui();
        let observer = ui.observer();
        ui.warn("one");
        ui.data("two\n").unwrap();
        assert!(screen.bar().ends_with(" starting"), "{}", screen.bar());
        assert_eq!(screen.drawn_at_messages(), ["", ""]);
        drop(observer);
        ui.warn("three");
        assert_eq!(screen.bar(), "");
    }

    #[test]
    fn a_long_line_is_cut_at_the_edge_of_the_terminal() {
        let screen = Screen::new().terminals();
        let ui = screen.ui();
        ui.status(&"x".repeat(500));
        assert_eq!(screen.bar().chars().count(), usize::from(super::super::testing::WIDTH));
    }
}
