//! What can be known before a row is sent: the pool, its providers, which user a destination means, and the outcome.

pub mod checkup;
pub mod destination;
pub mod faults;
pub mod link_permission;
pub mod pool_index;
pub mod prediction;
pub mod preflight;
pub mod quota;
pub mod scan;
pub mod subject_profile;
pub mod subject_sample;
pub mod trust;
