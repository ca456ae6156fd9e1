//! The rate of calls, the shared pause after a throttled one, and the wait of a row between attempts.
//!
//! A [`Budget`] admits every attempt, retries included; nothing is held while a caller waits. A [`Controller`] sets its
//! rate from the calls that the service accepts, up to a ceiling.

pub mod budget;
pub mod controller;
pub mod cool_down;
pub mod plan;
pub mod retry;

pub use budget::{Budget, Sent, Slot};
pub use controller::{Controller, Start, Ticket, Verdict};
pub use plan::{Limit, Origin, Pace};
