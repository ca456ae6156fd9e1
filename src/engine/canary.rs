//! Links that are read back although the service reported success: what a look at the destination means.

use super::link_decisions::{DestinationLook, is_older, look_at_destination, may_be_unlinked};
use super::read_back::{AnnouncementTime, SettleWith};
use crate::clock::UnixMs;
use crate::domain::canary::CanaryFinding;
use crate::domain::identity::ExternalIdentity;
use crate::service::PoolUser;

/// Why a call with success is read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Confirming {
    /// The service answers the call for a link that stood before with success: the date of the link says whose it is.
    Owner,
    /// A row of the canary: the link must be seen.
    Canary,
}

/// What a look after a call with success means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConfirmedLink {
    Ours,
    StoodBefore,
    /// A list may lag behind the call.
    LookAgain,
    /// An older link is shown. A list may lag behind the call: it is read again when it cannot lag any more.
    LookAgainForOlder,
    Wrong(CanaryFinding),
}

/// What is known of a link when it is looked at after a call with success.
#[derive(Debug, Clone, Copy)]
pub(super) struct Confirmation {
    pub(super) why: Confirming,
    pub(super) announced: AnnouncementTime,
    /// When `undo` unlinked the identity, if it did so a moment ago.
    pub(super) unlinked_at: Option<UnixMs>,
    /// Whether an earlier look showed an older link, and waited.
    pub(super) has_seen_older: bool,
    pub(super) settle_with: SettleWith,
}

/// Judges look number `looks` (from 1) at the destination of a call with success.
pub(super) fn judge_confirming_look(
    user: Option<&PoolUser>,
    source: &ExternalIdentity,
    looks: usize,
    confirmation: Confirmation,
) -> ConfirmedLink {
    let Confirmation { why, announced, unlinked_at, has_seen_older, settle_with } = confirmation;
    let is_canary = why == Confirming::Canary;
    let may_look_again = looks < settle_with.most_looks();
    if let DestinationLook::HoldsIdentity { created } = look_at_destination(user, source) {
        // The list may still show the link that `undo` unlinked.
        let may_be_unlinked = may_be_unlinked(created.as_ref(), unlinked_at, settle_with);
        if may_be_unlinked && is_canary {
            return if may_look_again {
                ConfirmedLink::LookAgain
            } else {
                ConfirmedLink::Wrong(CanaryFinding::NotSettled)
            };
        }
        if may_be_unlinked || !is_older(created.as_ref(), announced) {
            return ConfirmedLink::Ours;
        }
        // Or the older one that others have removed meanwhile, in place of ours.
        if settle_with == SettleWith::GetUser || has_seen_older {
            return ConfirmedLink::StoodBefore;
        }
        return match why {
            Confirming::Canary if may_look_again => ConfirmedLink::LookAgain,
            Confirming::Canary => ConfirmedLink::StoodBefore,
            // There may be many such rows: a second look, once the list cannot lag any more.
            Confirming::Owner => ConfirmedLink::LookAgainForOlder,
        };
    }
    // The older link is gone now that the list cannot lag any more: it would show ours in its place.
    if has_seen_older {
        return ConfirmedLink::StoodBefore;
    }
    let finding = match user {
        None => CanaryFinding::UserNotSeen,
        Some(_) if !source.attribute().is_subject() => CanaryFinding::NotShown,
        Some(user) if has_got_another_identity(user, source, announced) => CanaryFinding::StoredOtherwise,
        Some(_) => CanaryFinding::NotOnUser,
    };
    match finding {
        // The service has reported success, and what is seen does not contradict it.
        CanaryFinding::UserNotSeen | CanaryFinding::NotShown | CanaryFinding::StoredOtherwise if !is_canary => {
            ConfirmedLink::Ours
        }
        // The list that shows another identity since the call does not lag behind the call.
        CanaryFinding::StoredOtherwise if looks > 1 => ConfirmedLink::Wrong(finding),
        _ if may_look_again => ConfirmedLink::LookAgain,
        _ => ConfirmedLink::Wrong(finding),
    }
}

/// Whether the user has got an identity of the provider since the announcement: what was sent, in another form.
fn has_got_another_identity(user: &PoolUser, source: &ExternalIdentity, announced: AnnouncementTime) -> bool {
    user.identities.iter().any(|held| {
        let is_new = held.created_between().is_some_and(|created| *created.start() >= announced.earliest);
        held.provider_name == source.provider().as_str() && !held.primary && is_new
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::{AttributeName, Personal, ProviderName};
    use crate::engine::read_back::MOST_LOOKS;
    use crate::service::LinkedIdentity;

    const ANNOUNCED: UnixMs = 10_100;

    fn identity(attribute: AttributeName) -> ExternalIdentity {
        ExternalIdentity::new(ProviderName::parse("Corp").unwrap(), attribute, Personal::from_service("AbC1")).unwrap()
    }

    fn user_with(value: &str, provider: &str, created: UnixMs) -> PoolUser {
        let held = LinkedIdentity {
            user_id: Personal::from_service(value),
            provider_name: provider.into(),
            provider_type: "OIDC".into(),
            issuer: None,
            primary: false,
            created_unix_ms: Some(created),
        };
        PoolUser { identities: vec![held], ..PoolUser::named("alice") }
    }

    /// The last judgement, and the looks until then.
    fn judged(
        user: Option<&PoolUser>,
        source: &ExternalIdentity,
        unlinked_at: Option<UnixMs>,
        confirming: Confirming,
    ) -> (ConfirmedLink, usize) {
        let announced = AnnouncementTime::from_ledger(ANNOUNCED);
        let mut has_seen_older = false;
        let mut look = |looks| {
            let settle_with = SettleWith::ListUsers;
            let confirmation = Confirmation { why: confirming, announced, unlinked_at, has_seen_older, settle_with };
            let judged = judge_confirming_look(user, source, looks, confirmation);
            has_seen_older |= judged == ConfirmedLink::LookAgainForOlder;
            judged
        };
        let mut judged = (1..).map(|looks| (look(looks), looks));
        let goes_on = |judged| matches!(judged, ConfirmedLink::LookAgain | ConfirmedLink::LookAgainForOlder);
        judged.find(|(judged, _)| !goes_on(*judged)).unwrap()
    }

    #[test]
    fn what_the_destination_of_a_canary_row_shows() {
        use CanaryFinding::{NotOnUser, NotSettled, NotShown, StoredOtherwise, UserNotSeen};
        use ConfirmedLink::{Ours, StoodBefore, Wrong};
        let subject = identity(AttributeName::subject());
        let by_email = identity(AttributeName::parse("email").unwrap());
        let nothing = PoolUser::named("alice");
        let before = user_with("AbC1", "Corp", ANNOUNCED - 1);
        for (user, source, expected, looks) in [
            (Some(&user_with("AbC1", "Corp", ANNOUNCED)), &subject, Ours, 1),
            // A list that lags may show a link that others have removed meanwhile, in place of ours.
            (Some(&before), &subject, StoodBefore, MOST_LOOKS),
            (Some(&nothing), &subject, Wrong(NotOnUser), MOST_LOOKS),
            (None, &subject, Wrong(UserNotSeen), MOST_LOOKS),
            (Some(&user_with("abc1", "Corp", ANNOUNCED)), &subject, Wrong(StoredOtherwise), 2),
            // Another identity of before, or of another provider, is not this one.
            (Some(&user_with("abc1", "Corp", ANNOUNCED - 1)), &subject, Wrong(NotOnUser), MOST_LOOKS),
            (Some(&user_with("AbC1", "Okta", ANNOUNCED)), &subject, Wrong(NotOnUser), MOST_LOOKS),
            (Some(&nothing), &by_email, Wrong(NotShown), MOST_LOOKS),
        ] {
            assert_eq!(judged(user, source, None, Confirming::Canary), (expected, looks), "{user:?} {source:?}");
        }
        // Where only the owner is in question, one look is enough, and a second one for a link of before.
        assert_eq!(judged(Some(&before), &subject, None, Confirming::Owner), (StoodBefore, 2));
        // A link that no look shows is not reported as made; where the pool need not show it, the answer counts.
        let unseen = judged(Some(&nothing), &subject, None, Confirming::Owner);
        assert_eq!(unseen, (Wrong(NotOnUser), MOST_LOOKS));
        assert_eq!(judged(Some(&nothing), &by_email, None, Confirming::Owner), (Ours, 1));
        assert_eq!(judged(None, &subject, None, Confirming::Owner), (Ours, 1));
        let stored_otherwise = user_with("abc1", "Corp", ANNOUNCED);
        assert_eq!(judged(Some(&stored_otherwise), &subject, None, Confirming::Owner), (Ours, 1));
        // The older link was seen, and is gone when the list cannot lag any more: ours would be shown in its place.
        let announced = AnnouncementTime::from_ledger(ANNOUNCED);
        for user in [Some(&nothing), None] {
            let confirmation = Confirmation {
                why: Confirming::Owner,
                announced,
                unlinked_at: None,
                has_seen_older: true,
                settle_with: SettleWith::ListUsers,
            };
            assert_eq!(judge_confirming_look(user, &subject, 2, confirmation), StoodBefore, "{user:?}");
        }
        // A list that still shows the link that was unlinked a moment ago says nothing of the owner.
        assert_eq!(judged(Some(&before), &subject, Some(ANNOUNCED), Confirming::Owner), (Ours, 1));
        // For a row of the canary, the new link must be seen.
        let still_shown = judged(Some(&before), &subject, Some(ANNOUNCED), Confirming::Canary);
        assert_eq!(still_shown, (Wrong(NotSettled), MOST_LOOKS));
        let new = user_with("AbC1", "Corp", ANNOUNCED + 1);
        assert_eq!(judged(Some(&new), &subject, Some(ANNOUNCED), Confirming::Canary), (Ours, 1));
    }
}
