//! What a look at the destination of a link means: pure functions, each with an enum as its answer.

use super::read_back::{AnnouncementTime, SettleWith, UnknownEffect, find_destination};
use crate::clock::UnixMs;
use crate::domain::identity::{DestinationUser, ExternalIdentity};
use crate::domain::outcome::RefusalCode;
use crate::limits::SETTLE_WAITS_MS;
use crate::service::PoolUser;
use crate::service::classify::IfNoEffect;

/// What a look at the destination has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DestinationLook {
    /// The destination holds the identity, since this time where the service gives one.
    HoldsIdentity {
        created: Option<UnixMs>,
    },
    LacksIdentity,
    /// The destination itself was not found.
    UserMissing,
}

/// Looks for the identity on the destination among the users that were read. Identities are matched by exact case.
pub(super) fn look_at_destination(
    users: &[PoolUser],
    destination: &DestinationUser,
    source: &ExternalIdentity,
    case_sensitive: bool,
) -> DestinationLook {
    let Some(user) = find_destination(users, destination, case_sensitive) else {
        return DestinationLook::UserMissing;
    };
    match user.identity(source.provider(), source.value()) {
        Some(identity) => DestinationLook::HoldsIdentity { created: identity.created_unix_ms },
        None => DestinationLook::LacksIdentity,
    }
}

/// Who made a link that was found by reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkOwner {
    Ours,
    SomebodyElse,
    TooCloseToSay,
}

/// Decides whose link it is, by `identities[].dateCreated`: a link that is older than our announcement is not ours.
pub(super) fn owner_of_found_link(created: Option<UnixMs>, announced: AnnouncementTime) -> LinkOwner {
    match created {
        Some(created) if created < announced.earliest => LinkOwner::SomebodyElse,
        Some(created) if created > announced.latest => LinkOwner::Ours,
        _ => LinkOwner::TooCloseToSay,
    }
}

/// What is known of the link call that a look is to settle.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallToSettle {
    pub(super) announced: AnnouncementTime,
    /// What the call's answer means where the call had no effect.
    pub(super) why: IfNoEffect,
    pub(super) effect: UnknownEffect,
    /// Whether `undo` took back this very link before.
    pub(super) link_was_undone: bool,
}

/// What a look at the destination means for a link call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LookJudgement {
    /// The link exists.
    Linked(LinkOwner),
    /// What was seen is not believed yet.
    LookAgain,
    /// The call had no effect, and may be made again.
    NoEffect,
    Refused(RefusalCode),
    /// The source was refused: whether the identity has a profile decides on the code.
    LookForProfile,
    StillInDoubt,
}

/// Judges look number `looks` (from 1) at the destination of a link call.
pub(super) fn judge_look(
    look: DestinationLook,
    looks: usize,
    call: CallToSettle,
    settle_with: SettleWith,
) -> LookJudgement {
    if let DestinationLook::HoldsIdentity { created } = look {
        let owner = owner_of_found_link(created, call.announced);
        // A list that lags may still show the link that `undo` has only just taken back.
        let may_be_undone_link = call.link_was_undone && owner == LinkOwner::SomebodyElse;
        return if may_be_undone_link && looks <= SETTLE_WAITS_MS.len() {
            LookJudgement::LookAgain
        } else {
            LookJudgement::Linked(owner)
        };
    }
    if looks < looks_before_absence_is_believed(call.why, call.effect, settle_with) {
        return LookJudgement::LookAgain;
    }
    match (call.why, look) {
        (IfNoEffect::RetryCall, _) => LookJudgement::NoEffect,
        // A user that cannot be seen proves nothing.
        (_, DestinationLook::UserMissing) => LookJudgement::StillInDoubt,
        (IfNoEffect::RefuseRow(code), _) => LookJudgement::Refused(code),
        (IfNoEffect::LookForNativeUser, _) => LookJudgement::LookForProfile,
    }
}

/// Looks until an open unlink call of an earlier run is judged.
pub(super) fn looks_before_old_unlink_is_judged(effect: UnknownEffect, settle_with: SettleWith) -> usize {
    if effect == UnknownEffect::OfOldCall { 1 } else { settle_with.patient_looks() }
}

/// Looks until an absent link is believed. What this tool may have written a moment ago is looked for patiently. For an
/// answer that claims that the link exists, a second look covers a link that somebody else has just made. Any other
/// refusal of a first attempt is checked once.
fn looks_before_absence_is_believed(why: IfNoEffect, effect: UnknownEffect, settle_with: SettleWith) -> usize {
    let claims_a_link =
        matches!(why, IfNoEffect::LookForNativeUser | IfNoEffect::RefuseRow(RefusalCode::LinkedElsewhere));
    match effect {
        UnknownEffect::OfRecentCall => settle_with.patient_looks(),
        UnknownEffect::None if claims_a_link => 2,
        UnknownEffect::None | UnknownEffect::OfOldCall => 1,
    }
}

/// The code of a refused source, by the user that has the name of the identity's own profile.
pub(super) fn refusal_by_profile(profile: Option<&PoolUser>) -> RefusalCode {
    match profile {
        Some(user) if user.is_federated() => RefusalCode::IdentityHasProfile,
        Some(_) => RefusalCode::NativeUserInTheWay,
        None => RefusalCode::LinkedElsewhere,
    }
}

/// What became of an unlink call that an earlier `undo` left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OldUnlinkEnd {
    /// The link is gone.
    TookEffect,
    /// The link is gone, and somebody has linked the identity to this user since.
    LinkedAgainSince,
    /// The link exists as it was.
    NoEffect,
    /// Another identity of the provider may be this link by an attribute, under its subject.
    StillInDoubt,
}

/// Judges the last look at the destination of an unlink call that was announced at `announced`.
pub(super) fn judge_old_unlink(
    user: Option<&PoolUser>,
    source: &ExternalIdentity,
    announced: AnnouncementTime,
) -> OldUnlinkEnd {
    let held = user.and_then(|user| user.identity(source.provider(), source.value()));
    match held.map(|held| held.created_unix_ms) {
        Some(Some(created)) if created > announced.latest => OldUnlinkEnd::LinkedAgainSince,
        Some(_) => OldUnlinkEnd::NoEffect,
        None if user.is_some_and(|user| may_hold_link_by_subject(user, source)) => OldUnlinkEnd::StillInDoubt,
        None => OldUnlinkEnd::TookEffect,
    }
}

/// Whether another identity of the provider on this user may be the link by an attribute, shown under its subject.
fn may_hold_link_by_subject(user: &PoolUser, source: &ExternalIdentity) -> bool {
    let provider = source.provider().as_str();
    !source.attribute().is_subject()
        && user.identities.iter().any(|held| held.provider_name == provider && !held.primary)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNOUNCED: AnnouncementTime = AnnouncementTime { earliest: 1_000, latest: 1_500 };
    const BEFORE: DestinationLook = DestinationLook::HoldsIdentity { created: Some(999) };
    const AFTER: DestinationLook = DestinationLook::HoldsIdentity { created: Some(1_501) };
    const CLOSE: DestinationLook = DestinationLook::HoldsIdentity { created: Some(1_500) };
    const UNDATED: DestinationLook = DestinationLook::HoldsIdentity { created: None };
    const LACKS: DestinationLook = DestinationLook::LacksIdentity;
    const NO_USER: DestinationLook = DestinationLook::UserMissing;

    #[test]
    fn a_link_that_is_found_has_an_owner() {
        for (look, owner) in [
            (BEFORE, LinkOwner::SomebodyElse),
            (AFTER, LinkOwner::Ours),
            (CLOSE, LinkOwner::TooCloseToSay),
            (UNDATED, LinkOwner::TooCloseToSay),
        ] {
            let DestinationLook::HoldsIdentity { created } = look else { unreachable!() };
            assert_eq!(owner_of_found_link(created, ANNOUNCED), owner, "{look:?}");
            for why in
                [IfNoEffect::RetryCall, IfNoEffect::RefuseRow(RefusalCode::AliasExists), IfNoEffect::LookForNativeUser]
            {
                let call = CallToSettle {
                    announced: ANNOUNCED,
                    why,
                    effect: UnknownEffect::OfRecentCall,
                    link_was_undone: false,
                };
                let judged = judge_look(look, 1, call, SettleWith::ListUsers);
                assert_eq!(judged, LookJudgement::Linked(owner), "at the first look, whatever was answered: {why:?}");
            }
        }
    }

    #[test]
    fn looks_until_a_destination_without_the_identity_is_believed() {
        use IfNoEffect::{LookForNativeUser, RefuseRow, RetryCall};
        use UnknownEffect::{None, OfOldCall, OfRecentCall};
        let full = RefuseRow(RefusalCode::TooManyIdentities);
        let elsewhere = RefuseRow(RefusalCode::LinkedElsewhere);
        let refused = |code| LookJudgement::Refused(code);
        for (why, effect, by_list, by_get, seen, then) in [
            (RetryCall, OfRecentCall, 5, 2, LACKS, LookJudgement::NoEffect),
            (RetryCall, OfOldCall, 1, 1, LACKS, LookJudgement::NoEffect),
            (RetryCall, OfRecentCall, 5, 2, NO_USER, LookJudgement::NoEffect),
            (full, None, 1, 1, LACKS, refused(RefusalCode::TooManyIdentities)),
            (full, OfRecentCall, 5, 2, LACKS, refused(RefusalCode::TooManyIdentities)),
            (full, None, 1, 1, NO_USER, LookJudgement::StillInDoubt),
            (elsewhere, None, 2, 2, LACKS, refused(RefusalCode::LinkedElsewhere)),
            (LookForNativeUser, None, 2, 2, LACKS, LookJudgement::LookForProfile),
            (LookForNativeUser, None, 2, 2, NO_USER, LookJudgement::StillInDoubt),
            (LookForNativeUser, OfRecentCall, 5, 2, LACKS, LookJudgement::LookForProfile),
        ] {
            for (settle_with, needed) in [(SettleWith::ListUsers, by_list), (SettleWith::GetUser, by_get)] {
                let call = CallToSettle { announced: ANNOUNCED, why, effect, link_was_undone: false };
                let judged: Vec<_> = (1..=needed).map(|looks| judge_look(seen, looks, call, settle_with)).collect();
                let (last, earlier) = judged.split_last().unwrap();
                assert!(earlier.iter().all(|judged| *judged == LookJudgement::LookAgain), "{why:?} {effect:?}");
                assert_eq!(*last, then, "{why:?} {effect:?} {settle_with:?}");
            }
        }
    }

    #[test]
    fn a_link_that_undo_took_back_may_still_be_shown() {
        let call = CallToSettle {
            announced: ANNOUNCED,
            why: IfNoEffect::RetryCall,
            effect: UnknownEffect::OfRecentCall,
            link_was_undone: true,
        };
        for looks in 1..=SETTLE_WAITS_MS.len() {
            assert_eq!(judge_look(BEFORE, looks, call, SettleWith::ListUsers), LookJudgement::LookAgain);
            let ours = judge_look(AFTER, looks, call, SettleWith::ListUsers);
            assert_eq!(ours, LookJudgement::Linked(LinkOwner::Ours), "a link of after the announcement is a new one");
        }
        let last = judge_look(BEFORE, SETTLE_WAITS_MS.len() + 1, call, SettleWith::ListUsers);
        assert_eq!(last, LookJudgement::Linked(LinkOwner::SomebodyElse));
    }
}
