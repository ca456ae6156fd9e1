//! The use cases, one a file: no terminal, no AWS.

pub mod check;
pub mod explain;
pub mod failure;
pub mod feed;
pub mod link;
pub mod report;
pub mod template;
pub mod validate;

pub use failure::Failure;
