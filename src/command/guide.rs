//! What goes with the rows of an input on their way to the engine.

use super::choices::Choices;
use super::plan::Plan;
use crate::domain::row::Row;
use crate::engine::Incoming;

/// What is known of rows before they are looked at.
pub enum Guide {
    /// Nothing.
    None,
    /// Which of several users some of them mean.
    Choices(Choices),
    /// What a plan says of each.
    Plan(Box<Plan>),
}

impl Guide {
    /// A row with what is known of it.
    pub(super) fn of(&mut self, row: Row) -> Result<Incoming, String> {
        match self {
            Self::None => Ok(Incoming::Row(row)),
            Self::Choices(choices) => Ok(choices.incoming(row)),
            Self::Plan(plan) => plan.of(&row).map(|foretold| Incoming::Planned(row, foretold)),
        }
    }
}
