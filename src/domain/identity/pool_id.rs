//! Which user pool.

use std::fmt;

use super::{IdentityError, SIMULATED_REGION_PREFIX};
use crate::limits;

/// A user pool's id, `REGION_ID`. Not personal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PoolId(Box<str>);

impl PoolId {
    /// Reads `us-east-1_AbCdEfGhI` (service model: `[\w-]+_[0-9a-zA-Z]+`, 1 to 55 characters).
    ///
    /// # Errors
    /// [`IdentityError::PoolId`] for any other shape.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        let (region, id) = text.rsplit_once('_').ok_or(IdentityError::PoolId)?;
        let region_fits = !region.is_empty()
            && region.contains('-')
            && region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        let id_fits = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric());
        if region_fits && id_fits && text.len() <= limits::POOL_ID_CHARS_MAX {
            Ok(Self(text.into()))
        } else {
            Err(IdentityError::PoolId)
        }
    }

    /// The id as the service knows it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The region in which the pool lives: the part before the last `_`.
    #[must_use]
    pub fn region(&self) -> &str {
        self.0.rsplit_once('_').map_or("", |(region, _)| region)
    }

    /// Whether this pool can only be a simulated one.
    #[must_use]
    pub fn is_simulated(&self) -> bool {
        self.region().starts_with(SIMULATED_REGION_PREFIX)
    }
}

impl fmt::Display for PoolId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
