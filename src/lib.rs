//! `cognito-link` links existing users of an Amazon Cognito user pool to identities of external providers, in bulk.
//!
//! This library exists for the binary and for its tests and benches; it has no stable API.
//!
//! Read `ARCHITECTURE.md` first: the path of a row, what lives where, what must never happen, and the main decisions.
//! `docs/design/glossary.md` explains the terms, and `CONTRIBUTING.md` says how to build, test and change the program.
//! Command lines, codes and exit statuses are in `docs/`.
//!
//! To follow a command, start in its folder under `commands`; to follow a row, start in `engine`.

// The modules are public for `src/main.rs`, `tests` and `benches` only, so nobody needs the documentation that clippy
// asks for in a library of others.
#![allow(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::return_self_not_must_use,
    reason = "nobody uses this as a library"
)]
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "unit tests read the runtime's paused clock"))]

// Here rather than in `src/main.rs`, so that tests and benches run with the allocator that is shipped.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub mod clock;
pub mod commands;
pub mod domain;
pub mod engine;
pub mod exit;
pub mod foresight;
pub mod input;
pub mod ledger;
pub mod limits;
pub mod pace;
pub mod seed;
pub mod service;
pub mod ui;
