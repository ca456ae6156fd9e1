//! cognito-link
pub mod clock;
pub mod domain;
pub mod ledger;
pub mod limits;
pub mod seed;
pub mod service;
