//! What a look at the destination of a link that is to be undone means: pure functions, each with an enum as its answer.
//!
//! The service's call names only the identity and takes it from whoever holds it. So a link is unlinked only where it
//! was just seen on the user that this ledger linked it to, with a date between this ledger's announcement and its result:
//! an older link stood before, and may only have been linked again without an error. The form follows
//! `AdminDisableProviderForUser`: attribute and value as they were linked before the identity's first sign-in, and
//! `Cognito_Subject` with the subject after it. That is documented for SAML; OIDC is treated alike.

use super::read_back::{SettleWith, UnknownEffect};
use crate::clock::UnixMs;
use crate::domain::identity::{AttributeName, ExternalIdentity};
use crate::domain::outcome::RefusalCode;
use crate::service::classify::IfNoEffect;
use crate::service::{LinkedIdentity, PoolUser};

/// A link as this ledger made it, by the service's clock: at some moment from `earliest` to `latest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MadeLink {
    pub(super) earliest: UnixMs,
    pub(super) latest: UnixMs,
    /// Whether a later row of the ledger linked the identity to another user. A list that lags may still show it here, and
    /// an unlink call would take it from that user.
    pub(super) linked_elsewhere_later: bool,
}

/// What a look at the destination has shown of the link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum InspectedLink {
    /// The link exists, and the service knows it by this identity.
    Standing(ExternalIdentity),
    /// The link cannot be unlinked safely.
    NotRemovable(RefusalCode),
    /// The user does not hold the identity.
    Absent,
    UserMissing,
}

/// Looks for the link of `source` on its destination.
pub(super) fn inspect_link(user: Option<&PoolUser>, source: &ExternalIdentity, linked: MadeLink) -> InspectedLink {
    let Some(user) = user else { return InspectedLink::UserMissing };
    match user.identity(source.provider(), source.value()) {
        // The profile was born from the identity.
        Some(held) if held.primary => InspectedLink::NotRemovable(RefusalCode::Moved),
        Some(held) => match refusal_by_date(held, linked) {
            Some(code) => InspectedLink::NotRemovable(code),
            None if linked.linked_elsewhere_later => InspectedLink::Absent,
            // A SAML identity has an issuer once it has signed in; from then on it goes by a subject that is not shown.
            None if !source.attribute().is_subject() && held.issuer.is_some() => {
                InspectedLink::NotRemovable(RefusalCode::UsedSince)
            }
            None => InspectedLink::Standing(source.clone()),
        },
        None if source.attribute().is_subject() => InspectedLink::Absent,
        None => inspect_link_by_attribute(user, source, linked),
    }
}

/// Why an identity with this date is not this ledger's link; `None` where it can be.
fn refusal_by_date(held: &LinkedIdentity, linked: MadeLink) -> Option<RefusalCode> {
    match held.created_between() {
        None => Some(RefusalCode::DateUnknown),
        Some(created) if *created.end() < linked.earliest => Some(RefusalCode::OlderThanOurs),
        Some(created) if *created.start() > linked.latest => Some(RefusalCode::Moved),
        Some(_) => None,
    }
}

/// Looks for a link by an attribute whose value is not shown: after a sign-in the pool shows the subject in its place,
/// with the date of the link. Only a single identity that fits is taken for it.
fn inspect_link_by_attribute(user: &PoolUser, source: &ExternalIdentity, linked: MadeLink) -> InspectedLink {
    let provider = source.provider();
    let candidates: Vec<&LinkedIdentity> =
        user.identities.iter().filter(|held| held.provider_name == provider.as_str() && !held.primary).collect();
    let has_signed_in = |held: &LinkedIdentity| held.provider_type != "SAML" || held.issuer.is_some();
    match candidates.as_slice() {
        [] => InspectedLink::Absent,
        [_] if linked.linked_elsewhere_later => InspectedLink::Absent,
        [only] if refusal_by_date(only, linked).is_none() && has_signed_in(only) => {
            ExternalIdentity::new(provider.clone(), AttributeName::subject(), only.user_id.clone())
                .map_or(InspectedLink::NotRemovable(RefusalCode::UsedSince), InspectedLink::Standing)
        }
        _ => InspectedLink::NotRemovable(RefusalCode::UsedSince),
    }
}

/// What an inspection follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InspectAfter {
    NoCall,
    /// A call that may have taken effect.
    DoubtfulCall(IfNoEffect),
    /// A call that named no link that the service knows.
    NotLinkedAnswer,
}

/// What is known of the link, and of the calls for it, when it is inspected.
#[derive(Debug, Clone, Copy)]
pub(super) struct UndoInspection {
    pub(super) after: InspectAfter,
    pub(super) effect: UnknownEffect,
    /// Whether this run has seen the link before and announced its unlink.
    pub(super) announced_by_this_run: bool,
    /// Whether the link is so young that the list may not show it, and may show in its place what stood before.
    pub(super) may_be_hidden: bool,
    pub(super) settle_with: SettleWith,
}

/// What an inspection means for an undo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum InspectionJudgement {
    /// The link exists: the unlink call names it so.
    Unlink(ExternalIdentity),
    /// What was seen is not believed yet.
    LookAgain,
    Undone,
    /// The link is gone by another's hand: whether the identity has a profile decides on the code.
    LookForProfile,
    Refuse(RefusalCode),
    StillInDoubt,
}

/// Judges look number `looks` (from 1) at the destination of a link of `source`.
pub(super) fn judge_inspection(
    seen: InspectedLink,
    looks: usize,
    source: &ExternalIdentity,
    inspection: UndoInspection,
) -> InspectionJudgement {
    let is_believed = looks >= looks_before_inspection_is_believed(&seen, inspection);
    match seen {
        _ if !is_believed => InspectionJudgement::LookAgain,
        // The list may still show an older link, which `undo` unlinked before ours was made.
        InspectedLink::NotRemovable(RefusalCode::OlderThanOurs) if inspection.may_be_hidden => {
            InspectionJudgement::Refuse(RefusalCode::LinkNotSeen)
        }
        InspectedLink::NotRemovable(code) => InspectionJudgement::Refuse(code),
        InspectedLink::Standing(identity) => match inspection.after {
            InspectAfter::NoCall | InspectAfter::DoubtfulCall(IfNoEffect::RetryCall) => {
                InspectionJudgement::Unlink(identity)
            }
            // Our own call may be why there is no link, and the list may lag.
            InspectAfter::NotLinkedAnswer if inspection.effect.leaves_row_in_doubt() => {
                InspectionJudgement::StillInDoubt
            }
            InspectAfter::NotLinkedAnswer => InspectionJudgement::Refuse(RefusalCode::FormUnknown),
            InspectAfter::DoubtfulCall(IfNoEffect::RefuseRow(code)) => InspectionJudgement::Refuse(code),
            InspectAfter::DoubtfulCall(IfNoEffect::LookForNativeUser | IfNoEffect::CountIdentities) => {
                InspectionJudgement::Refuse(RefusalCode::Unrecognised)
            }
        },
        InspectedLink::UserMissing => InspectionJudgement::Refuse(RefusalCode::UserNotSeen),
        // The link was seen before the call, and is gone after it, whatever the answer was.
        InspectedLink::Absent if matches!(inspection.after, InspectAfter::DoubtfulCall(_)) => {
            InspectionJudgement::Undone
        }
        InspectedLink::Absent if inspection.effect.leaves_row_in_doubt() => InspectionJudgement::Undone,
        InspectedLink::Absent if source.attribute().is_subject() => InspectionJudgement::LookForProfile,
        // What was seen before the call is gone now.
        InspectedLink::Absent if inspection.announced_by_this_run => InspectionJudgement::Refuse(RefusalCode::Gone),
        InspectedLink::Absent => InspectionJudgement::Refuse(RefusalCode::LinkNotSeen),
    }
}

/// Looks until an inspection is believed. `ListUsers` lags behind writes, so two things are looked at patiently: a link
/// that still stands after a doubtful call, and a link that has only just been made and is absent, or seems to be another.
/// Such a young link is looked for until no list can lag any more, where a doubtful call of this run may have removed it.
fn looks_before_inspection_is_believed(seen: &InspectedLink, inspection: UndoInspection) -> usize {
    let UndoInspection { after, effect, announced_by_this_run, may_be_hidden, settle_with } = inspection;
    let stands = matches!(seen, InspectedLink::Standing(_));
    match effect {
        UnknownEffect::OfRecentCall if stands => settle_with.patient_looks(),
        // What was seen before the call may have been an older link, in place of ours.
        UnknownEffect::OfRecentCall if may_be_hidden && announced_by_this_run => settle_with.most_looks(),
        // This run saw the link by the same call before it announced the unlink; an earlier run may have used the other.
        UnknownEffect::OfRecentCall if announced_by_this_run => 1,
        UnknownEffect::OfRecentCall => settle_with.patient_looks(),
        UnknownEffect::None if stands && after == InspectAfter::NotLinkedAnswer => 2,
        UnknownEffect::None if !stands && may_be_hidden => settle_with.patient_looks(),
        UnknownEffect::None | UnknownEffect::OfOldCall | UnknownEffect::OfOldCallNotSeen => 1,
    }
}

/// The code of a link that is gone without a call of ours. A profile of its own shows that the identity signed in after
/// somebody unlinked it. Whether another user holds it cannot be queried; only a scan of the pool shows that. Where the
/// link is so young that the list `may_be_hiding_it`, nothing is known.
pub(super) fn refusal_of_missing_link(
    profile: Option<&PoolUser>,
    source: &ExternalIdentity,
    may_be_hiding_it: bool,
) -> RefusalCode {
    match profile.and_then(|user| user.identity(source.provider(), source.value())) {
        Some(_) => RefusalCode::Moved,
        None if may_be_hiding_it => RefusalCode::LinkNotSeen,
        None => RefusalCode::Gone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::{Personal, ProviderName};

    #[test]
    fn looks_until_an_inspection_is_believed() {
        use InspectAfter::{DoubtfulCall, NoCall, NotLinkedAnswer};
        use UnknownEffect::{None, OfOldCall, OfRecentCall};
        let source = ExternalIdentity::new(
            ProviderName::parse("Corp").unwrap(),
            AttributeName::subject(),
            Personal::from_service("AbC1"),
        );
        let (standing, absent) = (InspectedLink::Standing(source.unwrap()), InspectedLink::Absent);
        let older = InspectedLink::NotRemovable(RefusalCode::OlderThanOurs);
        let lost = DoubtfulCall(IfNoEffect::RetryCall);
        for (seen, after, effect, announced_by_this_run, may_be_hidden, by_list, by_get) in [
            (&standing, NoCall, None, false, false, 1, 1),
            (&absent, NoCall, None, false, false, 1, 1),
            (&absent, NoCall, None, false, true, 5, 1),
            (&standing, NoCall, None, false, true, 1, 1),
            (&older, NoCall, None, false, true, 5, 1),
            (&older, NoCall, None, false, false, 1, 1),
            (&standing, NotLinkedAnswer, None, true, false, 2, 2),
            (&absent, NotLinkedAnswer, None, true, false, 1, 1),
            (&standing, lost, OfRecentCall, true, false, 5, 2),
            (&absent, lost, OfRecentCall, true, false, 1, 1),
            (&absent, lost, OfRecentCall, true, true, 8, 1),
            (&absent, NoCall, OfRecentCall, false, false, 5, 2),
            (&standing, NoCall, OfOldCall, false, false, 1, 1),
            (&absent, NoCall, OfOldCall, false, true, 1, 1),
        ] {
            for (settle_with, expected) in [(SettleWith::ListUsers, by_list), (SettleWith::GetUser, by_get)] {
                let may_be_hidden = may_be_hidden && settle_with == SettleWith::ListUsers;
                let inspection = UndoInspection { after, effect, announced_by_this_run, may_be_hidden, settle_with };
                assert_eq!(looks_before_inspection_is_believed(seen, inspection), expected, "{seen:?} {inspection:?}");
            }
        }
    }
}
