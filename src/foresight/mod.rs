//! What can be known before a row is sent: the pool, its providers, who a row's destination is, and what will come of it.

mod fold;
pub mod index;
pub mod links;
pub mod preflight;
pub mod questions;
pub mod quota;
pub mod resolve;
pub mod scan;
pub mod verdict;
pub mod verdict_of;
pub mod wanted;
