//! What a command does where no run answers for itself: before and after one, and in a rehearsal or a dry run.

use super::events::{Event, EventKind, EventLevel};
use super::format::{count, counted};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Phase {
    #[default]
    Starting,
    /// A step with a text of its own.
    Step(String),
    Checking {
        rows: u64,
    },
    Scanning {
        users: u64,
        estimated: u64,
    },
}

impl Phase {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Starting => "starting".to_owned(),
            Self::Step(text) => text.clone(),
            Self::Checking { rows } => checking_line(*rows),
            Self::Scanning { users, estimated } => scanning_line(*users, *estimated),
        }
    }

    pub(super) fn event(&self) -> Event {
        let event = |code| Event::new(EventLevel::Info, EventKind::Progress, code).with("message", self.text());
        match self {
            Self::Checking { rows } => event("checking").with("rows_checked", *rows),
            Self::Scanning { users, estimated } => {
                event("scanning").with("users_read", *users).with("estimated_users", *estimated)
            }
            Self::Starting | Self::Step(_) => event("phase"),
        }
    }
}

pub(super) fn checking_line(rows: u64) -> String {
    format!("checking the input: {}", counted(rows, "row"))
}

/// The service's number of users is an estimate, and may be old.
pub(super) fn scanning_line(users: u64, estimated: u64) -> String {
    let of = if estimated >= users.max(1) { format!(" of about {}", count(estimated)) } else { String::new() };
    format!("reading the pool: {}{of} users", count(users))
}
