//! What a look at the destination says about a doubtful call.

use crate::clock::UnixMs;
use crate::domain::identity::{DestinationUser, ExternalIdentity};
use crate::domain::outcome::Outcome;
use crate::limits::ANNOUNCED_TIME_TOLERANCE_MS;
use crate::service::PoolUser;
use crate::service::skew::Skew;

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

/// Whether a link that was found is ours: `identities[].dateCreated` against the time of our announcement, both by
/// the service's clock. What is too close to tell is ours and marked so.
pub(super) fn whose(created: Option<UnixMs>, announced: UnixMs, skew: &Skew) -> Outcome {
    // What is known of the clock now says nothing of what was known when the row was announced, maybe by another run.
    let tolerance = skew.uncertainty_ms().max(ANNOUNCED_TIME_TOLERANCE_MS);
    match created {
        Some(created) if created < announced.saturating_sub(tolerance) => Outcome::AlreadyLinked,
        Some(created) if created > announced.saturating_add(tolerance) => Outcome::Linked { recovered: false },
        _ => Outcome::Linked { recovered: true },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn theirs_ours_and_too_close_to_tell() {
        let unknown = Skew::default();
        let mut known = Skew::default();
        known.observe(0, 0, 0);
        known.observe(999, 999, 0);
        assert_eq!(known.uncertainty_ms(), 1, "the clock is known by now, the announcement was made before");
        for (skew, tolerance) in [(unknown, unknown.uncertainty_ms()), (known, ANNOUNCED_TIME_TOLERANCE_MS)] {
            let ours = Outcome::Linked { recovered: false };
            let close = Outcome::Linked { recovered: true };
            for (created, expected) in [
                (Some(100_000 - tolerance - 1), Outcome::AlreadyLinked),
                (Some(100_000 - tolerance), close.clone()),
                (Some(100_000 + tolerance), close.clone()),
                (Some(100_000 + tolerance + 1), ours),
                (None, close),
            ] {
                assert_eq!(whose(created, 100_000, &skew), expected, "{created:?}");
            }
        }
    }
}
