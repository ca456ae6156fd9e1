//! How fast: a budget of calls, what happens after a throttle, and how long a row waits.
//!
//! Every attempt, retries included, takes a slot of a [`Budget`]; nothing is held while anybody waits. The pace of a
//! budget is set by a [`Controller`] from what the service lets through, under a ceiling that it never passes.

pub mod budget;
pub mod controller;
pub mod cool_down;
pub mod plan;
pub mod retry;

pub use budget::{Budget, Sent, Slot};
pub use controller::{Controller, Start, Ticket, Verdict};
pub use plan::{Limit, Origin, Pace};
