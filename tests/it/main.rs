//! Tests from outside the crate, in one binary: each more would link the whole SDK once more.

mod fixtures;
mod seeds;
