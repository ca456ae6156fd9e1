//! What can be known before a row is sent: the pool, its providers, and who a row's destination is.

pub mod preflight;
pub mod quota;
pub mod resolve;
pub mod scan;
pub mod verdict_of;
