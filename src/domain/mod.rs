//! The ground floor: plain values that every other room speaks in.
//!
//! Nothing here does I/O, waits, reads a clock or knows a file format. A value that exists is valid: it is parsed
//! once, at the door, and never checked again.

pub mod checkup;
pub mod drift;
pub mod event;
pub mod finding;
pub mod forecast;
pub mod identity;
pub mod outcome;
pub mod report;
pub mod row;
pub mod shard;
pub mod state;
pub mod stop;
pub mod summary;
