//! The rate of calls, the shared pause after a throttled one, and the wait of a row between attempts.
//!
//! A [`CallPacer`] admits every attempt, retries included; nothing is held while a caller waits. A [`RateController`] sets its
//! rate from the calls that the service accepts, up to a ceiling.

pub mod controller;
pub mod cool_down;
pub mod pacer;
pub mod retry;
pub mod settings;

pub use controller::{CallFeedback, InitialRate, LoggedCall, RateController};
pub use pacer::{Admission, AdmittedCall, CallPacer};
pub use settings::{Pace, QuotaOrigin, RateLimits, RateQuota};
