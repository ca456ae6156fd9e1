//! Plain values that every other module uses.
//!
//! Nothing here does I/O, waits, reads a clock or knows a file format. A value that exists is valid: it is parsed
//! once, where it enters the program.

pub mod canary;
pub(crate) mod code_enum;
pub mod control;
pub mod counts;
pub mod doctor;
pub mod drift;
pub mod endpoint;
pub mod error_code;
pub mod escape;
pub mod event;
pub mod finding;
pub mod hash_index;
pub mod identity;
pub mod nearest;
pub mod object;
pub mod outcome;
pub mod outlook;
pub mod report;
pub mod row;
pub mod run;
pub mod shard;
pub mod state;
