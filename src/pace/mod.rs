//! How fast: a budget of calls, what happens after a throttle, and how long a row waits.
//!
//! Every attempt, retries included, takes a slot of a [`Budget`]; nothing is held while anybody waits.

pub mod budget;
pub mod controller;
pub mod cool_down;
pub mod retry;

pub use budget::{Budget, Slot};
pub use controller::{Controller, Start, Ticket, Verdict};
