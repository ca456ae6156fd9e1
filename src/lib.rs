//! cognito-link
pub mod cli;
pub mod clock;
pub mod command;
pub mod config;
pub mod domain;
pub mod engine;
pub mod exit;
pub mod foresight;
pub mod input;
pub mod ledger;
pub mod limits;
pub mod pace;
pub mod run;
pub mod seed;
pub mod service;
pub mod ui;
