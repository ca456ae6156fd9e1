//! The port of `doctor --probe-write`: one link call that cannot take effect.
//!
//! It takes a [`NobodysLink`], which names a provider and a user that do not exist, and nothing else. So a command that
//! holds this port still cannot link anything.

use std::fmt;

use super::PortFuture;

/// A link between a provider and a user that no pool has: their names are made up from a random number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NobodysLink {
    number: u64,
}

impl NobodysLink {
    #[must_use]
    pub fn with_number(number: u64) -> Self {
        Self { number }
    }

    /// The name of no provider.
    #[must_use]
    pub fn provider(self) -> String {
        format!("NoProvider-{:016x}", self.number)
    }

    /// The user name of nobody.
    #[must_use]
    pub fn username(self) -> String {
        format!("cognito-link-nobody-{:016x}", self.number)
    }

    /// The id of nobody at the provider.
    #[must_use]
    pub fn user_id(self) -> String {
        format!("nobody-{:016x}", self.number)
    }
}

impl fmt::Display for NobodysLink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "provider {} to user {}", self.provider(), self.username())
    }
}

pub trait LinkPermissionProbe: Send + Sync {
    /// `AdminLinkProviderForUser` with names that do not exist: one attempt, without retries.
    fn attempt(&self, link: NobodysLink) -> PortFuture<'_, ()>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::ProviderName;
    use crate::limits::PROVIDER_NAME_CHARS_MAX;

    #[test]
    fn the_names_have_a_valid_form() {
        let link = NobodysLink::with_number(u64::MAX);
        assert!(ProviderName::parse(&link.provider()).is_ok());
        assert!(link.provider().len() <= PROVIDER_NAME_CHARS_MAX && link.username().len() <= 128);
        assert_ne!(link.provider(), NobodysLink::with_number(1).provider());
    }
}
