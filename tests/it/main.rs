//! Tests from outside the crate, in one binary: each more would link the whole SDK once more.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "in a test a surprise is a failure")]

mod fixtures;
mod seeds;
