//! The use cases, one a file: no terminal, no AWS.

pub mod check;
pub mod choices;
pub mod doctor;
pub mod explain;
pub mod export;
pub mod failure;
pub mod feed;
pub mod forecast;
pub mod guide;
pub mod link;
pub mod plan;
pub mod reconcile;
pub mod report;
pub mod template;
pub mod undo;
pub mod validate;

pub use failure::Failure;
