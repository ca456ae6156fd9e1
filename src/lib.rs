//! cognito-link
pub mod clock;
pub mod domain;
pub mod input;
pub mod limits;
pub mod seed;
pub mod service;
