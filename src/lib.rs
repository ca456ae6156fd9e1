//! `cognito-link` links existing users of an Amazon Cognito user pool to identities of external providers, in bulk.
//!
//! This library exists for the binary and for its tests and benches; it has no stable API.
//!
//! Read `ARCHITECTURE.md` first: the path of a row, what lives where, what must never happen, and the main decisions.
//! `docs/design/glossary.md` explains the terms, and `CONTRIBUTING.md` says how to build, test and change the program.
//! Command lines, codes and exit statuses are in `docs/`.
//!
//! Whoever follows a command starts in its folder under `commands`; whoever follows a row starts in `engine`.

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
