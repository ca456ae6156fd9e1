//! What a look at the destination of a link means: pure functions, each with an enum as its answer.

use std::ops::RangeInclusive;

use super::read_back::{AnnouncementTime, OpenCall, SettleWith, UnknownEffect};
use crate::clock::UnixMs;
use crate::domain::identity::ExternalIdentity;
use crate::domain::outcome::RefusalCode;
use crate::limits::IDENTITIES_PER_USER_MAX;
use crate::service::classify::IfNoEffect;
use crate::service::{LinkedIdentity, PoolUser};

/// What a look at the destination has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DestinationLook {
    /// The destination holds the identity, since a time in this range where the service gives one.
    HoldsIdentity {
        created: Option<RangeInclusive<UnixMs>>,
    },
    /// The destination shows so many identities, its own included, and not this one.
    LacksIdentity {
        identities: usize,
    },
    UserMissing,
}

/// Looks for the identity on the destination. Identities are matched by exact case.
pub(super) fn look_at_destination(user: Option<&PoolUser>, source: &ExternalIdentity) -> DestinationLook {
    let Some(user) = user else { return DestinationLook::UserMissing };
    match user.identity(source.provider(), source.value()) {
        Some(identity) => DestinationLook::HoldsIdentity { created: identity.created_between() },
        None => DestinationLook::LacksIdentity { identities: user.identities.len() },
    }
}

/// Who made a link that was found by reading. Reading alone never proves that it is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkOwner {
    SomebodyElse,
    PerhapsOurs,
}

/// Decides whose link it is. A link that is older than our announcement is not ours, nor is one that the service named in
/// answer to the only call that can have made it.
pub(super) fn owner_of_found_link(created: Option<&RangeInclusive<UnixMs>>, call: CallToSettle) -> LinkOwner {
    let was_there_before_call = call.effect == UnknownEffect::None && says_linked_before(call.why);
    if was_there_before_call || is_older(created, call.announced) {
        LinkOwner::SomebodyElse
    } else {
        LinkOwner::PerhapsOurs
    }
}

/// Whether a link was made before the announcement, by `identities[].dateCreated`.
pub(super) fn is_older(created: Option<&RangeInclusive<UnixMs>>, announced: AnnouncementTime) -> bool {
    created.is_some_and(|created| *created.end() < announced.earliest)
}

/// What is known of the link call that a look is to settle.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallToSettle {
    pub(super) announced: AnnouncementTime,
    /// What the call's answer means where the call had no effect.
    pub(super) why: IfNoEffect,
    pub(super) effect: UnknownEffect,
    /// When `undo` unlinked this very link, where a list may still show it.
    pub(super) unlinked_at: Option<UnixMs>,
    /// Whether the source is named by another attribute than its subject: the pool may not show such a link.
    pub(super) is_by_attribute: bool,
    /// Whether another identity on the destination may be this link by an attribute, under its subject.
    pub(super) may_be_shown_by_subject: bool,
    /// Whether the search for the destination gave up before it had read all users that it can be.
    pub(super) is_search_cut: bool,
}

/// What a look at the destination means for a link call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LookJudgement {
    Linked(LinkOwner),
    /// What was seen is not believed yet.
    LookAgain,
    /// No effect was seen, and the call may be made again.
    NoEffect {
        /// Whether it is proven that no call so far had an effect.
        is_proven: bool,
    },
    Refused(RefusalCode),
    /// The source was refused: whether the identity has a profile decides on the code.
    LookForProfile,
    StillInDoubt,
}

/// Judges look number `looks` (from 1) at the destination of a link call.
pub(super) fn judge_look(
    look: &DestinationLook,
    looks: usize,
    call: CallToSettle,
    settle_with: SettleWith,
) -> LookJudgement {
    if let DestinationLook::HoldsIdentity { created } = look {
        if may_be_unlinked(created.as_ref(), call.unlinked_at, settle_with) {
            let may_look_again = looks < settle_with.most_looks();
            return if may_look_again { LookJudgement::LookAgain } else { LookJudgement::StillInDoubt };
        }
        let is_believed = !is_older(created.as_ref(), call.announced)
            || looks >= looks_before_older_link_is_believed(look, call, settle_with);
        return if is_believed {
            LookJudgement::Linked(owner_of_found_link(created.as_ref(), call))
        } else {
            LookJudgement::LookAgain
        };
    }
    if looks < looks_before_absence_is_believed(look, call.why, call.effect, settle_with) {
        return LookJudgement::LookAgain;
    }
    judge_absence(look, call, settle_with)
}

/// Looks until a link that is older than our announcement is taken for what stands. A list that lags may show a link that
/// others have removed meanwhile, in place of ours. Where a call of ours may have made one, the list is looked at until it
/// cannot lag any more; where the service refused the only call for another reason than a link, as long as at a destination
/// without the link.
fn looks_before_older_link_is_believed(look: &DestinationLook, call: CallToSettle, settle_with: SettleWith) -> usize {
    match call.effect {
        UnknownEffect::OfRecentCall => settle_with.most_looks(),
        UnknownEffect::None if says_linked_before(call.why) => 1,
        UnknownEffect::None | UnknownEffect::OfOldCall | UnknownEffect::OfOldCallNotSeen => {
            looks_before_absence_is_believed(look, call.why, call.effect, settle_with)
        }
    }
}

/// Whether a link that is shown may be the one that `undo` unlinked at this time: a list may lag, and only a date after
/// that time proves a new link.
pub(super) fn may_be_unlinked(
    created: Option<&RangeInclusive<UnixMs>>,
    unlinked_at: Option<UnixMs>,
    settle_with: SettleWith,
) -> bool {
    let is_newer = |at| created.is_some_and(|created| *created.start() > at);
    settle_with == SettleWith::ListUsers && unlinked_at.is_some_and(|at| !is_newer(at))
}

/// Judges the last look at a destination that does not show the link.
fn judge_absence(look: &DestinationLook, call: CallToSettle, settle_with: SettleWith) -> LookJudgement {
    // Another call would make a second link.
    if call.may_be_shown_by_subject && call.effect.leaves_row_in_doubt() {
        return LookJudgement::StillInDoubt;
    }
    let is_user_seen = matches!(look, DestinationLook::LacksIdentity { .. });
    let absence_is_proof = is_user_seen && !call.is_by_attribute && settle_with.surely_shows(call.effect);
    let is_proven = !call.effect.leaves_row_in_doubt() || absence_is_proof;
    match (call.why, look) {
        (IfNoEffect::RetryCall, _) => LookJudgement::NoEffect { is_proven },
        // The service and the list agree.
        (IfNoEffect::RefuseRow(code @ RefusalCode::UserNotFound), DestinationLook::UserMissing)
            if !call.is_search_cut =>
        {
            LookJudgement::Refused(code)
        }
        // A user that cannot be seen proves nothing.
        _ if !is_user_seen => LookJudgement::StillInDoubt,
        // The refusal may be the consequence of an earlier call of ours.
        _ if !is_proven => LookJudgement::StillInDoubt,
        // The service says that the link exists, and the pool may not show it.
        _ if call.is_by_attribute && claims_a_link(call.why) => LookJudgement::StillInDoubt,
        // Texts that the service could give although it made the link, of a link that the pool may not show.
        (
            IfNoEffect::RefuseRow(
                RefusalCode::InvalidParameter
                | RefusalCode::ProviderNotFound
                | RefusalCode::UserNotFound
                | RefusalCode::Unrecognised,
            ),
            _,
        ) if call.is_by_attribute => LookJudgement::StillInDoubt,
        (IfNoEffect::RefuseRow(code), _) => LookJudgement::Refused(code),
        (IfNoEffect::LookForNativeUser, _) => LookJudgement::LookForProfile,
        (IfNoEffect::CountIdentities, DestinationLook::LacksIdentity { identities })
            if *identities >= IDENTITIES_PER_USER_MAX =>
        {
            LookJudgement::Refused(RefusalCode::TooManyIdentities)
        }
        (IfNoEffect::CountIdentities, _) if call.is_by_attribute => {
            LookJudgement::Refused(RefusalCode::AttributeNamesLimit)
        }
        // Not the limit of the user: perhaps one of the rate.
        (IfNoEffect::CountIdentities, _) => LookJudgement::NoEffect { is_proven },
    }
}

/// Looks until an open unlink call of an earlier run is judged.
pub(super) fn looks_before_old_unlink_is_judged(effect: UnknownEffect, settle_with: SettleWith) -> usize {
    if effect == UnknownEffect::OfOldCall { 1 } else { settle_with.patient_looks() }
}

/// Looks until an absent link is believed. What this tool may have written a moment ago is looked for patiently, and
/// for longest where the service refuses what an earlier call of ours may have made, however old that call is. "Merging
/// is not currently supported" was reported although the link was made (aws-sdk-net #1000). For an answer that claims
/// that the link exists, a second look covers a link that somebody else has just made. An answer that contradicts what
/// the pool shows (a user that is seen, or a provider that it lists: rows of other providers are not sent) is believed
/// last, because nothing else explains it. A refusal of a value that this tool had no reason to doubt is rare, and is
/// looked at patiently. Any other refusal of a first attempt is checked once.
fn looks_before_absence_is_believed(
    look: &DestinationLook,
    why: IfNoEffect,
    effect: UnknownEffect,
    settle_with: SettleWith,
) -> usize {
    use RefusalCode::{
        AttributeNotMapped, IdentityHasProfile, InvalidParameter, ProviderNotFound, Unrecognised, UserNotFound,
    };
    match (effect, why) {
        (UnknownEffect::OfRecentCall, IfNoEffect::RetryCall) => settle_with.patient_looks(),
        (UnknownEffect::OfRecentCall, _) => settle_with.most_looks(),
        (UnknownEffect::OfOldCallNotSeen, IfNoEffect::RefuseRow(InvalidParameter | Unrecognised)) => {
            settle_with.most_looks()
        }
        (UnknownEffect::OfOldCallNotSeen, why) if claims_a_link(why) => settle_with.most_looks(),
        (_, IfNoEffect::RefuseRow(IdentityHasProfile)) => settle_with.patient_looks(),
        (_, IfNoEffect::RefuseRow(ProviderNotFound | UserNotFound)) if *look != DestinationLook::UserMissing => {
            settle_with.most_looks()
        }
        (_, IfNoEffect::RefuseRow(AttributeNotMapped | InvalidParameter | Unrecognised))
            if *look != DestinationLook::UserMissing =>
        {
            settle_with.patient_looks()
        }
        _ if claims_a_link(why) => 2,
        _ => 1,
    }
}

/// Whether the service says that somebody holds the identity, perhaps the destination.
fn claims_a_link(why: IfNoEffect) -> bool {
    use RefusalCode::{AliasExists, IdentityHasProfile, LinkedElsewhere};
    matches!(
        why,
        IfNoEffect::LookForNativeUser | IfNoEffect::RefuseRow(LinkedElsewhere | AliasExists | IdentityHasProfile)
    )
}

/// Whether the service says that this very link, or one of the identity, was there when the call came.
fn says_linked_before(why: IfNoEffect) -> bool {
    matches!(why, IfNoEffect::LookForNativeUser | IfNoEffect::RefuseRow(RefusalCode::LinkedElsewhere))
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
    NoEffect,
    /// The list may still show a link that is gone, or another identity of the provider may be this link by an attribute,
    /// under its subject.
    StillInDoubt,
}

/// Judges the last look at the destination of an open unlink call.
pub(super) fn judge_old_unlink(
    user: Option<&PoolUser>,
    source: &ExternalIdentity,
    call: OpenCall,
    settle_with: SettleWith,
) -> OldUnlinkEnd {
    // A user that is not found proves nothing.
    let Some(user) = user else { return OldUnlinkEnd::StillInDoubt };
    let held = user.identity(source.provider(), source.value());
    match held.map(LinkedIdentity::created_between) {
        Some(Some(created)) if *created.start() > call.announced.latest => OldUnlinkEnd::LinkedAgainSince,
        Some(_) if settle_with.surely_shows(call.effect) => OldUnlinkEnd::NoEffect,
        Some(_) => OldUnlinkEnd::StillInDoubt,
        None if may_hold_link_by_subject(user, source) => OldUnlinkEnd::StillInDoubt,
        None => OldUnlinkEnd::TookEffect,
    }
}

/// Whether another identity of the provider on this user may be the link by an attribute, shown under its subject.
pub(super) fn may_hold_link_by_subject(user: &PoolUser, source: &ExternalIdentity) -> bool {
    let provider = source.provider().as_str();
    !source.attribute().is_subject()
        && user.identities.iter().any(|held| held.provider_name == provider && !held.primary)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNOUNCED: AnnouncementTime = AnnouncementTime { earliest: 10_100, latest: 10_600 };
    const LACKS: DestinationLook = DestinationLook::LacksIdentity { identities: 2 };
    const FULL: DestinationLook = DestinationLook::LacksIdentity { identities: IDENTITIES_PER_USER_MAX };
    const NO_USER: DestinationLook = DestinationLook::UserMissing;

    fn holds_since(range: RangeInclusive<UnixMs>) -> DestinationLook {
        DestinationLook::HoldsIdentity { created: Some(range) }
    }

    fn call(why: IfNoEffect, effect: UnknownEffect) -> CallToSettle {
        CallToSettle {
            announced: ANNOUNCED,
            why,
            effect,
            unlinked_at: None,
            is_by_attribute: false,
            may_be_shown_by_subject: false,
            is_search_cut: false,
        }
    }

    /// The last judgement, and how many looks it takes; all before it are to look again.
    fn judged(look: &DestinationLook, call: CallToSettle, settle_with: SettleWith) -> (LookJudgement, usize) {
        (1..20)
            .map(|looks| (judge_look(look, looks, call, settle_with), looks))
            .find(|(judged, _)| *judged != LookJudgement::LookAgain)
            .expect("an end")
    }

    #[test]
    fn a_link_that_is_found_has_an_owner() {
        use IfNoEffect::{CountIdentities, LookForNativeUser, RefuseRow, RetryCall};
        use LinkOwner::{PerhapsOurs, SomebodyElse};
        use RefusalCode::{AliasExists, IdentityHasProfile, InvalidParameter, LinkedElsewhere};
        use UnknownEffect::{None as NoCall, OfOldCall, OfOldCallNotSeen, OfRecentCall};
        for (look, after_doubtful_call) in [
            (holds_since(10_099..=10_099), SomebodyElse),
            (holds_since(9_000..=9_999), SomebodyElse),
            // In seconds: it may have been made before or after the announcement.
            (holds_since(10_000..=10_999), PerhapsOurs),
            (holds_since(10_600..=10_600), PerhapsOurs),
            // Anybody may have made it since.
            (holds_since(10_601..=10_601), PerhapsOurs),
            (holds_since(11_000..=11_999), PerhapsOurs),
            (DestinationLook::HoldsIdentity { created: None }, PerhapsOurs),
        ] {
            // A list that lags may show an older link that others have removed meanwhile, in place of ours.
            for (why, effect, expected, looks_at_older) in [
                (RetryCall, OfRecentCall, after_doubtful_call, 8),
                (RetryCall, OfOldCall, after_doubtful_call, 1),
                (RefuseRow(AliasExists), OfRecentCall, after_doubtful_call, 8),
                (RefuseRow(LinkedElsewhere), OfRecentCall, after_doubtful_call, 8),
                (LookForNativeUser, OfRecentCall, after_doubtful_call, 8),
                (CountIdentities, OfRecentCall, after_doubtful_call, 8),
                (CountIdentities, NoCall, after_doubtful_call, 1),
                // The only call: "already linked" is about a link of before, whatever its date.
                (RefuseRow(LinkedElsewhere), NoCall, SomebodyElse, 1),
                (LookForNativeUser, NoCall, SomebodyElse, 1),
                // A call of long ago that no list has shown may have made it all the same.
                (RefuseRow(LinkedElsewhere), OfOldCallNotSeen, after_doubtful_call, 8),
                (LookForNativeUser, OfOldCallNotSeen, after_doubtful_call, 8),
                // The link was made although the service said so (aws-sdk-net #1000).
                (RefuseRow(IdentityHasProfile), NoCall, after_doubtful_call, 5),
                (RefuseRow(InvalidParameter), NoCall, after_doubtful_call, 5),
            ] {
                let (found, looks) = judged(&look, call(why, effect), SettleWith::ListUsers);
                assert_eq!(found, LookJudgement::Linked(expected), "{why:?} {effect:?} {look:?}");
                let is_older = after_doubtful_call == SomebodyElse;
                assert_eq!(looks, if is_older { looks_at_older } else { 1 }, "{why:?} {effect:?} {look:?}");
                // AdminGetUser is fresh, but a call without an answer may still be at work.
                let (found, looks) = judged(&look, call(why, effect), SettleWith::GetUser);
                assert_eq!(found, LookJudgement::Linked(expected), "{why:?} {effect:?} {look:?}");
                assert_eq!(looks, if is_older { looks_at_older.min(2) } else { 1 }, "{why:?} {effect:?} {look:?}");
            }
        }
    }

    #[test]
    fn looks_until_a_destination_without_the_identity_is_believed() {
        use IfNoEffect::{CountIdentities, LookForNativeUser, RefuseRow, RetryCall};
        use LookJudgement::{LookForProfile, Refused, StillInDoubt};
        use RefusalCode::{
            IdentityHasProfile, InvalidParameter, LinkedElsewhere, ProviderNotFound, TooManyIdentities, Unrecognised,
            UserDisabled, UserNotFound,
        };
        use UnknownEffect::{None, OfOldCall, OfOldCallNotSeen, OfRecentCall};
        let (proven, unproven) =
            (LookJudgement::NoEffect { is_proven: true }, LookJudgement::NoEffect { is_proven: false });
        for (why, effect, seen, (list_looks, by_list), (get_looks, by_get)) in [
            // A lost answer. A list may lag for longer than it is looked at; AdminGetUser is fresh.
            (RetryCall, OfRecentCall, LACKS, (5, unproven), (2, proven)),
            (RetryCall, OfOldCall, LACKS, (1, proven), (1, proven)),
            (RetryCall, OfRecentCall, NO_USER, (5, unproven), (2, unproven)),
            (RetryCall, OfOldCall, NO_USER, (1, unproven), (1, unproven)),
            // A refusal of a first attempt.
            (RefuseRow(InvalidParameter), None, LACKS, (5, Refused(InvalidParameter)), (2, Refused(InvalidParameter))),
            // The pool shows the opposite.
            (RefuseRow(ProviderNotFound), None, LACKS, (8, Refused(ProviderNotFound)), (2, Refused(ProviderNotFound))),
            (RefuseRow(UserNotFound), None, LACKS, (8, Refused(UserNotFound)), (2, Refused(UserNotFound))),
            (RefuseRow(UserDisabled), None, LACKS, (1, Refused(UserDisabled)), (1, Refused(UserDisabled))),
            (RefuseRow(LinkedElsewhere), None, LACKS, (2, Refused(LinkedElsewhere)), (2, Refused(LinkedElsewhere))),
            (
                RefuseRow(IdentityHasProfile),
                None,
                LACKS,
                (5, Refused(IdentityHasProfile)),
                (2, Refused(IdentityHasProfile)),
            ),
            (LookForNativeUser, None, LACKS, (2, LookForProfile), (2, LookForProfile)),
            // A user who is not seen proves nothing, unless the service says so too.
            (RefuseRow(InvalidParameter), None, NO_USER, (1, StillInDoubt), (1, StillInDoubt)),
            (RefuseRow(LinkedElsewhere), None, NO_USER, (2, StillInDoubt), (2, StillInDoubt)),
            (RefuseRow(UserNotFound), None, NO_USER, (1, Refused(UserNotFound)), (1, Refused(UserNotFound))),
            (CountIdentities, None, NO_USER, (1, StillInDoubt), (1, StillInDoubt)),
            (LookForNativeUser, None, NO_USER, (2, StillInDoubt), (2, StillInDoubt)),
            // Our own earlier call may be why the service refuses: absence alone is no refusal.
            (RefuseRow(LinkedElsewhere), OfRecentCall, LACKS, (8, StillInDoubt), (2, Refused(LinkedElsewhere))),
            (RefuseRow(IdentityHasProfile), OfRecentCall, LACKS, (8, StillInDoubt), (2, Refused(IdentityHasProfile))),
            (LookForNativeUser, OfRecentCall, LACKS, (8, StillInDoubt), (2, LookForProfile)),
            (CountIdentities, OfRecentCall, FULL, (8, StillInDoubt), (2, Refused(TooManyIdentities))),
            // However old that call is, a list has no known bound.
            (
                RefuseRow(LinkedElsewhere),
                OfOldCallNotSeen,
                LACKS,
                (8, Refused(LinkedElsewhere)),
                (2, Refused(LinkedElsewhere)),
            ),
            (LookForNativeUser, OfOldCallNotSeen, LACKS, (8, LookForProfile), (2, LookForProfile)),
            // A text that is not known may say so too.
            (RefuseRow(Unrecognised), OfOldCallNotSeen, LACKS, (8, Refused(Unrecognised)), (2, Refused(Unrecognised))),
            (RefuseRow(UserDisabled), OfOldCallNotSeen, LACKS, (1, Refused(UserDisabled)), (1, Refused(UserDisabled))),
            // The limit of the user, or another one: then the call is repeated.
            (CountIdentities, None, FULL, (1, Refused(TooManyIdentities)), (1, Refused(TooManyIdentities))),
            (CountIdentities, None, LACKS, (1, proven), (1, proven)),
        ] {
            for (settle_with, expected) in
                [(SettleWith::ListUsers, (by_list, list_looks)), (SettleWith::GetUser, (by_get, get_looks))]
            {
                assert_eq!(
                    judged(&seen, call(why, effect), settle_with),
                    expected,
                    "{why:?} {effect:?} {seen:?} {settle_with:?}"
                );
            }
        }
    }

    #[test]
    fn a_link_by_an_attribute_that_is_not_shown_may_exist() {
        use IfNoEffect::{CountIdentities, LookForNativeUser, RefuseRow, RetryCall};
        use RefusalCode::{
            AliasExists, AttributeNamesLimit, AttributeNotMapped, InvalidParameter, LinkedElsewhere, TooManyIdentities,
        };
        use UnknownEffect::{None, OfOldCall};
        for (why, effect, seen, expected) in [
            (RetryCall, OfOldCall, LACKS, LookJudgement::NoEffect { is_proven: false }),
            (RefuseRow(LinkedElsewhere), None, LACKS, LookJudgement::StillInDoubt),
            (RefuseRow(AliasExists), None, LACKS, LookJudgement::StillInDoubt),
            (LookForNativeUser, None, LACKS, LookJudgement::StillInDoubt),
            (RefuseRow(InvalidParameter), None, LACKS, LookJudgement::StillInDoubt),
            (RefuseRow(AttributeNotMapped), None, LACKS, LookJudgement::Refused(AttributeNotMapped)),
            (CountIdentities, None, LACKS, LookJudgement::Refused(AttributeNamesLimit)),
            (CountIdentities, None, FULL, LookJudgement::Refused(TooManyIdentities)),
        ] {
            for settle_with in [SettleWith::ListUsers, SettleWith::GetUser] {
                let call = CallToSettle { is_by_attribute: true, ..call(why, effect) };
                assert_eq!(judged(&seen, call, settle_with).0, expected, "{why:?} {seen:?}");
            }
        }
    }

    #[test]
    fn a_link_that_undo_unlinked_may_still_be_shown() {
        const UNLINKED: UnixMs = 10_050;
        let call =
            CallToSettle { unlinked_at: Some(UNLINKED), ..call(IfNoEffect::RetryCall, UnknownEffect::OfRecentCall) };
        let undated = DestinationLook::HoldsIdentity { created: None };
        for stale in [holds_since(9_000..=9_000), holds_since(UNLINKED..=UNLINKED + 999), undated] {
            let (last, looks) = judged(&stale, call, SettleWith::ListUsers);
            assert_eq!(last, LookJudgement::StillInDoubt, "{stale:?}");
            assert_eq!(looks, SettleWith::ListUsers.most_looks());
            let (fresh, looks) = judged(&stale, call, SettleWith::GetUser);
            assert!(matches!(fresh, LookJudgement::Linked(_)) && looks <= 2, "{fresh:?}: AdminGetUser does not lag");
            let (later, _) = judged(&stale, CallToSettle { unlinked_at: None, ..call }, SettleWith::ListUsers);
            assert!(matches!(later, LookJudgement::Linked(_)), "{later:?}: no list lags for so long");
        }
        let new = holds_since(10_601..=10_601);
        let (judged, looks) = judged(&new, call, SettleWith::ListUsers);
        assert!(matches!(judged, LookJudgement::Linked(_)) && looks == 1, "{judged:?}: it was made after the unlink");
    }
}
