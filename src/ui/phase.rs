//! What a command does before and after its run, for whoever asks: a run answers for itself.

use super::events::{Event, EventKind, EventLevel};
use super::progress::{checking_line, scanning_line};

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
    /// A run answers.
    Running,
}

impl Phase {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Starting => "starting".to_owned(),
            Self::Step(text) => text.clone(),
            Self::Checking { rows } => checking_line(*rows),
            Self::Scanning { users, estimated } => scanning_line(*users, *estimated),
            Self::Running => "running".to_owned(),
        }
    }

    pub(super) fn event(&self) -> Event {
        let event = |code| Event::new(EventLevel::Info, EventKind::Progress, code).with("message", self.text());
        match self {
            Self::Checking { rows } => event("checking").with("rows_checked", *rows),
            Self::Scanning { users, estimated } => {
                event("scanning").with("users_read", *users).with("estimated_users", *estimated)
            }
            Self::Starting | Self::Step(_) => event("preparing"),
            Self::Running => event("running"),
        }
    }
}
