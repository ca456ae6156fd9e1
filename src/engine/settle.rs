//! What a look at the destination says about a doubtful call.

use crate::clock::UnixMs;
use crate::domain::identity::{DestinationUser, ExternalIdentity};
use crate::domain::outcome::Outcome;
use crate::limits::ANNOUNCEMENT_WINDOW_MS;
use crate::service::PoolUser;

/// What a look saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// The destination holds the identity, since this time where the service says so.
    Present(Option<UnixMs>),
    /// The destination does not hold it.
    Absent,
    /// The destination itself was not there.
    NoUser,
}

/// Looks for the identity on the destination among the users that were read. The identity is matched by exact case.
pub(super) fn look(
    users: &[PoolUser],
    destination: &DestinationUser,
    source: &ExternalIdentity,
    case_sensitive: bool,
) -> Sight {
    let name = listed_name(destination, case_sensitive);
    let Some(user) = users.iter().find(|user| user.username.expose() == name) else {
        return Sight::NoUser;
    };
    match user.identity(source.provider(), source.value()) {
        Some(identity) => Sight::Present(identity.created_unix_ms),
        None => Sight::Absent,
    }
}

/// The user name by which the pool lists a destination: a case-insensitive pool keeps user names in lower case.
pub(super) fn listed_name(destination: &DestinationUser, case_sensitive: bool) -> String {
    let name = destination.username();
    if case_sensitive { name } else { name.to_lowercase() }
}

/// When a row was announced, by the service's clock: some time from the first to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Announced {
    pub(super) earliest: UnixMs,
    pub(super) latest: UnixMs,
}

impl Announced {
    /// An announcement of an earlier run, of which the ledger keeps the earliest time.
    pub(super) fn read_back(earliest: UnixMs) -> Self {
        Self { earliest, latest: earliest.saturating_add(ANNOUNCEMENT_WINDOW_MS) }
    }
}

/// Whether a link that was found is ours: `identities[].dateCreated` against the time of our announcement. A link that
/// is surely older is not; one that is too close to tell is taken for ours, and marked so.
pub(super) fn whose(created: Option<UnixMs>, announced: Announced) -> Outcome {
    match created {
        Some(created) if created < announced.earliest => Outcome::AlreadyLinked,
        Some(created) if created > announced.latest => Outcome::Linked { recovered: false },
        _ => Outcome::Linked { recovered: true },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn theirs_ours_and_too_close_to_tell() {
        let announced = Announced { earliest: 1_000, latest: 1_500 };
        let ours = Outcome::Linked { recovered: false };
        let close = Outcome::Linked { recovered: true };
        for (created, expected) in [
            (Some(999), Outcome::AlreadyLinked),
            (Some(1_000), close.clone()),
            (Some(1_500), close.clone()),
            (Some(1_501), ours),
            (None, close),
        ] {
            assert_eq!(whose(created, announced), expected, "{created:?}");
        }
        assert_eq!(Announced::read_back(1_000).earliest, 1_000);
    }
}
