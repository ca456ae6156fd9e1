//! A row that is to be linked: what follows from each answer. Nothing here waits or calls.
//!
//! ```text
//! Resolve, CheckName ─► Announce ─► Call ─► linked
//!                          ▲          │ doubtful
//!                          │          ▼
//!                          └─ absent ─ ReadBack ─► linked, already_linked, refused, in_doubt
//! ```
//! A row of the canary, and every row of a service that answers a repeated link with success, goes on from a call with
//! success to `Confirm`: the user is read, and shows whether the link is there and whether it stood before.
//! A row whose link call an earlier run left open starts at `ReadBack`; one whose unlink call is open, at `SettleOldUnlink`.

use std::collections::VecDeque;

use super::canary::{Confirmation, ConfirmedLink, Confirming, judge_confirming_look};
use super::failure_limits::FailureClass;
use super::link_decisions::{
    CallToSettle, LinkOwner, LookJudgement, OldUnlinkEnd, judge_look, judge_old_unlink, look_at_destination,
    looks_before_old_unlink_is_judged, may_hold_link_by_subject, refusal_by_profile,
};
use super::name_search::SearchResult;
use super::read_back::{AnnouncementTime, MOST_LOOKS, OpenCall, RowPolicy, SettleWith, UnknownEffect};
use super::row_progress::{NextWork, Pause, ReadResult, RowAnnouncement, RowProgress, Transition, WriteCall};
use crate::clock::UnixMs;
use crate::domain::canary::CanaryFinding;
use crate::domain::identity::{Destination, DestinationUser, Personal};
use crate::domain::outcome::{LinkOutcome, RefusalCode, ServiceText};
use crate::domain::row::Row;
use crate::foresight::destination::{
    PoolNaming, Resolution, is_held_by_one_meant, look_up_filters, mistaken_column, resolution, resolve,
};
use crate::foresight::faults;
use crate::seed::Rng;
use crate::service::classify::{CallKind, FaultClass, IfNoEffect};
use crate::service::{CallFault, LinkRequest, PoolUser, UserFilter, UserPage};

/// What earlier runs did to a row, and did not settle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeftByEarlierRuns {
    Nothing,
    OpenLinkCall(OpenCall),
    OpenUnlinkCall(OpenCall),
}

/// Which run announced a link call, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkAnnouncement {
    ByEarlierRun(AnnouncementTime),
    ByThisRun(AnnouncementTime),
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LinkStep {
    /// The row waits until the lane of its destination is open. A plan may know the destination, or the ledger, where it
    /// holds an open call.
    WaitForLane { planned_destination: Option<DestinationUser> },
    /// Find the destination, by one filter after another until one finds it.
    Resolve { filter: UserFilter, then: VecDeque<UserFilter>, left: LeftByEarlierRuns },
    /// Read whether the user name is somebody's user name, and if not, by filters, whether it is an alias of somebody.
    CheckName { destination: DestinationUser, by_alias: Option<UserFilter>, then: VecDeque<UserFilter> },
    /// Write the intent into the ledger. An announcement by an earlier run stays the time that counts.
    Announce { destination: DestinationUser, earlier: Option<AnnouncementTime> },
    /// Make the link.
    Call { destination: DestinationUser, announced: AnnouncementTime },
    /// Read the destination after a call with success; so many `looks` have not shown the new link.
    Confirm {
        destination: DestinationUser,
        announced: AnnouncementTime,
        why: Confirming,
        looks: usize,
        /// Whether a look has shown an older link.
        has_seen_older: bool,
    },
    /// Read the destination; so many `looks` have not settled the call.
    ReadBack { destination: DestinationUser, announced: LinkAnnouncement, why: IfNoEffect, looks: usize },
    /// Read whether the identity has a profile of its own, or a native user has the profile's name.
    LookForProfile,
    /// Read whether an open unlink call took effect; so many `looks` have not settled it.
    SettleOldUnlink { destination: DestinationUser, call: OpenCall, looks: usize },
}

/// Why a row is only read back, and nothing is sent for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SettlesOnly {
    /// It is invalid beside other rows of the input.
    InvalidRow,
    /// The input no longer has it, so that no count has it.
    GoneRow,
}

/// A row that is to be linked.
#[derive(Debug)]
pub(super) struct LinkJob {
    pub(super) progress: RowProgress,
    pub(super) step: LinkStep,
    /// Whether a link call for the row may have taken effect.
    pub(super) effect: UnknownEffect,
    /// The user name that a person chose, where the destination means several users.
    chosen_username: Option<Personal>,
    /// Whether a plan says that the row will be linked.
    pub(super) is_planned: bool,
    /// What the user name may be in place of a user name, where that is to be checked first.
    pub(super) name_may_be: Option<Destination>,
    /// When `undo` unlinked this very link, where a list may still show it.
    pub(super) unlinked_at: Option<UnixMs>,
    /// Users whom the destination means and who are not trusted, of the filters so far.
    distrusted: Vec<PoolUser>,
    /// The user whom an open call of an earlier run names.
    announced_user: Option<DestinationUser>,
    pub(super) settles_only: Option<SettlesOnly>,
    /// Whether a call with success is read back, and why.
    pub(super) confirming: Option<Confirming>,
    /// What was found of a row of the canary that is linked.
    pub(super) canary_finding: Option<CanaryFinding>,
    /// Whether the service answered the call for a link that stood before with success.
    pub(super) repeat_succeeded: bool,
    /// Whether the user was read, and is disabled.
    pub(super) is_user_disabled: bool,
}

impl LinkJob {
    pub(super) fn new(row: Row) -> Self {
        Self {
            progress: RowProgress::new(row),
            step: LinkStep::WaitForLane { planned_destination: None },
            effect: UnknownEffect::None,
            chosen_username: None,
            is_planned: false,
            name_may_be: None,
            unlinked_at: None,
            distrusted: Vec::new(),
            announced_user: None,
            settles_only: None,
            confirming: None,
            canary_finding: None,
            repeat_succeeded: false,
            is_user_disabled: false,
        }
    }

    /// A row that a plan says will be linked, with its destination where the plan looked it up.
    pub(super) fn planned(row: Row, planned_destination: Option<DestinationUser>) -> Self {
        Self { step: LinkStep::WaitForLane { planned_destination }, is_planned: true, ..Self::new(row) }
    }

    /// A row for which a person chose one of several users. The choice counts only where the row means several users, and
    /// that one is among them.
    pub(super) fn with_choice(row: Row, username: Personal) -> Self {
        Self { chosen_username: Some(username), ..Self::new(row) }
    }

    /// A row in doubt that is only read back.
    pub(super) fn settling(row: Row, why: SettlesOnly) -> Self {
        Self { settles_only: Some(why), ..Self::new(row) }
    }

    /// Takes note of the user whom an open call of an earlier run names: that user is read first.
    pub(super) fn expect_announced_user(&mut self, user: DestinationUser) {
        if let LinkStep::WaitForLane { planned_destination } = &mut self.step {
            *planned_destination = Some(user.clone());
            self.announced_user = Some(user);
        }
    }

    /// Reads the row back where its call succeeds, to see whose link it is.
    pub(super) fn confirm_owner(&mut self) {
        self.confirming.get_or_insert(Confirming::Owner);
    }

    pub(super) fn is_canary(&self) -> bool {
        self.confirming == Some(Confirming::Canary)
    }

    /// Starts a row whose lane is open.
    pub(super) fn start(&mut self, left: LeftByEarlierRuns, naming: PoolNaming) {
        let LinkStep::WaitForLane { planned_destination } = &mut self.step else { return };
        let mut planned = planned_destination.take().map(Resolution::Known);
        if left == LeftByEarlierRuns::Nothing && self.announced_user.take().is_some() {
            // The call was settled while the row waited for its lane.
            planned = None;
        }
        if let LeftByEarlierRuns::OpenLinkCall(call) = left {
            self.effect = call.effect;
        }
        let destination = &self.progress.row.link.destination;
        self.step = match planned.unwrap_or_else(|| resolution(destination)) {
            Resolution::Known(user) if left == LeftByEarlierRuns::Nothing => self.step_to_known_user(user, naming),
            Resolution::Known(user) => first_step(user, left),
            Resolution::LookUp(filter) => self.resolve_step(filter, left, naming),
        };
    }

    /// The first step of a row that names its user: a check of the name, where it may be something else.
    fn step_to_known_user(&self, destination: DestinationUser, naming: PoolNaming) -> LinkStep {
        match &self.name_may_be {
            Some(alias) if destination.provider.is_native() => {
                let then = VecDeque::from(look_up_filters(alias, naming));
                LinkStep::CheckName { destination, by_alias: None, then }
            }
            _ => LinkStep::Announce { destination, earlier: None },
        }
    }

    /// A look-up by this filter first, and then by the other spellings that the pool may have.
    fn resolve_step(&self, filter: UserFilter, left: LeftByEarlierRuns, naming: PoolNaming) -> LinkStep {
        let mut then = VecDeque::from(look_up_filters(&self.progress.row.link.destination, naming));
        then.retain(|other| *other != filter);
        LinkStep::Resolve { filter, then, left }
    }

    pub(super) fn next_work(&self, policy: RowPolicy) -> NextWork {
        let progress = &self.progress;
        match &self.step {
            LinkStep::WaitForLane { .. } => NextWork::WaitForLane,
            LinkStep::Resolve { filter, .. } | LinkStep::CheckName { by_alias: Some(filter), .. } => {
                NextWork::Read(progress.list_users(filter.clone()))
            }
            LinkStep::CheckName { destination, .. } => NextWork::Read(progress.read_destination(destination, policy)),
            LinkStep::Announce { destination, .. } => {
                NextWork::Announce(RowAnnouncement::Link { destination: destination.clone() })
            }
            LinkStep::Call { destination, .. } => {
                let (destination, source) = (destination.clone(), progress.row.link.source.clone());
                NextWork::Write(WriteCall::Link(Box::new(LinkRequest { destination, source })))
            }
            LinkStep::ReadBack { destination, .. }
            | LinkStep::Confirm { destination, .. }
            | LinkStep::SettleOldUnlink { destination, .. } => {
                NextWork::Read(progress.read_destination(destination, policy))
            }
            LinkStep::LookForProfile => NextWork::Read(progress.read_profile(policy)),
        }
    }

    /// Takes note that the intent was written at `time`, by the service's clock.
    pub(super) fn on_announced(&mut self, time: AnnouncementTime) {
        if let LinkStep::Announce { destination, earlier } = &self.step {
            self.step = LinkStep::Call { destination: destination.clone(), announced: earlier.unwrap_or(time) };
        }
    }

    /// Goes back to the reads that the next call rests on, as in a later run: what was read is old after a pause. Returns
    /// whether that changes its next step.
    pub(super) fn set_back(&mut self, naming: PoolNaming) -> bool {
        let (destination, announced) = match &self.step {
            LinkStep::Announce { destination, earlier } => (destination.clone(), *earlier),
            // Where no earlier call can have had an effect, the announcement is withdrawn, and does not count any more.
            LinkStep::Call { destination, announced } => {
                (destination.clone(), (self.effect != UnknownEffect::None).then_some(*announced))
            }
            _ => return false,
        };
        let looked_up = match resolution(&self.progress.row.link.destination) {
            // A plan names the user whom it looked up.
            Resolution::LookUp(filter) if !self.is_planned => Some(filter),
            Resolution::LookUp(_) | Resolution::Known(_) => None,
        };
        if looked_up.is_some() {
            self.announced_user = Some(destination.clone());
        }
        self.progress.begin_reading();
        let step = match (looked_up, announced) {
            (_, Some(time)) if self.effect != UnknownEffect::None => {
                let announced = LinkAnnouncement::ByEarlierRun(time);
                LinkStep::ReadBack { destination, announced, why: IfNoEffect::RetryCall, looks: 0 }
            }
            (Some(filter), _) => {
                self.distrusted.clear();
                self.resolve_step(filter, LeftByEarlierRuns::Nothing, naming)
            }
            (None, None) => self.step_to_known_user(destination, naming),
            (None, earlier) => LinkStep::Announce { destination, earlier },
        };
        let has_changed = step != self.step;
        self.step = step;
        has_changed
    }

    /// Whether this run made a call for the row that is now being read back.
    pub(super) fn is_being_settled(&self) -> bool {
        let is_read =
            matches!(self.step, LinkStep::ReadBack { .. } | LinkStep::Confirm { .. } | LinkStep::LookForProfile);
        self.progress.attempts > 0 && is_read
    }

    /// What the row may become while the answer to its call is being checked.
    pub(super) fn may_become(&self, settle_with: SettleWith) -> Option<FailureClass> {
        match &self.step {
            _ if !self.is_being_settled() => None,
            LinkStep::LookForProfile => Some(FailureClass::Refusal(RefusalCode::IdentityHasProfile)),
            LinkStep::ReadBack { why, .. } => Some(match why {
                IfNoEffect::RefuseRow(code) => FailureClass::Refusal(*code),
                IfNoEffect::LookForNativeUser => FailureClass::Refusal(RefusalCode::LinkedElsewhere),
                IfNoEffect::CountIdentities => FailureClass::Refusal(RefusalCode::TooManyIdentities),
                IfNoEffect::RetryCall if settle_with == SettleWith::GetUser => FailureClass::Failed,
                IfNoEffect::RetryCall => FailureClass::InDoubt,
            }),
            _ => None,
        }
    }

    /// Reads back a row whose call is not repeated any more although an earlier one of this run may have taken effect.
    /// Returns whether that is so.
    pub(super) fn read_back_before_end(&mut self) -> bool {
        match &self.step {
            LinkStep::Call { destination, announced }
                if self.progress.attempts > 0 && self.effect.leaves_row_in_doubt() && !self.progress.call_in_flight =>
            {
                let (destination, announced) = (destination.clone(), LinkAnnouncement::ByThisRun(*announced));
                self.progress.begin_reading();
                self.step = LinkStep::ReadBack { destination, announced, why: IfNoEffect::RetryCall, looks: 0 };
                true
            }
            _ => false,
        }
    }

    /// What follows from the answer to a link call.
    pub(super) fn on_link_answer(&mut self, fault: Option<&CallFault>) -> Transition {
        let class = self.progress.count_write_answer(CallKind::Write, fault);
        let (Some(class), Some(fault)) = (class, fault) else {
            return self.on_linked();
        };
        match class {
            FaultClass::Throttled { .. } => Transition::RepeatCall { throttled: true },
            FaultClass::Unreached => Transition::RepeatCall { throttled: false },
            // This call was not sent, but an earlier one may have taken effect.
            FaultClass::Refused(_) if self.effect.leaves_row_in_doubt() => self.leave_in_doubt(),
            FaultClass::Refused(code) => self.refuse(code),
            FaultClass::Fatal(cause) => {
                Transition::StopRun(faults::stop_error(cause, "AdminLinkProviderForUser", fault))
            }
            FaultClass::Transient => self.read_back(IfNoEffect::RetryCall),
            // The service says so of unlinks only; for a link it is an unknown text.
            FaultClass::NotLinked => self.read_back(IfNoEffect::RefuseRow(RefusalCode::Unrecognised)),
            FaultClass::Doubtful(why) => self.read_back(why),
        }
    }

    /// What follows from a call with success: the link, or a look at it.
    fn on_linked(&mut self) -> Transition {
        if let (LinkStep::Call { destination, announced }, Some(why)) = (&self.step, self.confirming) {
            let (destination, announced) = (destination.clone(), *announced);
            self.progress.begin_reading();
            self.step = LinkStep::Confirm { destination, announced, why, looks: 0, has_seen_older: false };
            return Transition::Continue(Pause::None);
        }
        LinkOutcome::Linked { recovered: false }.into()
    }

    fn on_confirming_look(
        &mut self,
        user: Option<&PoolUser>,
        destination: DestinationUser,
        looks: usize,
        confirmation: Confirmation,
    ) -> Transition {
        self.is_user_disabled |= user.is_some_and(|user| !user.enabled);
        let confirmed = judge_confirming_look(user, &self.progress.row.link.source, looks, confirmation);
        let Confirmation { why, announced, has_seen_older, .. } = confirmation;
        match confirmed {
            ConfirmedLink::LookAgain => {
                self.step = LinkStep::Confirm { destination, announced, why, looks, has_seen_older };
                Transition::Continue(Pause::before_look_after(looks))
            }
            ConfirmedLink::LookAgainForOlder => {
                self.step = LinkStep::Confirm { destination, announced, why, looks, has_seen_older: true };
                Transition::Continue(Pause::until_lists_show_writes())
            }
            ConfirmedLink::Ours => {
                self.canary_finding = Some(CanaryFinding::Right);
                LinkOutcome::Linked { recovered: false }.into()
            }
            ConfirmedLink::StoodBefore => {
                self.canary_finding = Some(CanaryFinding::StoodBefore);
                self.repeat_succeeded = true;
                LinkOutcome::AlreadyLinked.into()
            }
            // The answer and the pool contradict each other.
            ConfirmedLink::Wrong(finding) => {
                self.canary_finding = Some(finding);
                let text = ServiceText { code: finding.as_str().to_owned(), message: finding.text().to_owned() };
                LinkOutcome::InDoubt { text }.into()
            }
        }
    }

    fn read_back(&mut self, why: IfNoEffect) -> Transition {
        let LinkStep::Call { destination, announced } = &self.step else {
            return Transition::Continue(Pause::None);
        };
        let (destination, announced) = (destination.clone(), LinkAnnouncement::ByThisRun(*announced));
        let may_have_taken_effect = why == IfNoEffect::RetryCall;
        self.effect = self.effect.after_call(may_have_taken_effect);
        self.progress.begin_reading();
        self.step = LinkStep::ReadBack { destination, announced, why, looks: 0 };
        // A call whose answer did not come may still be at work over there; a claim can be checked at once.
        Transition::Continue(if may_have_taken_effect { Pause::before_look_after(0) } else { Pause::None })
    }

    /// What follows from the answer to a read call.
    pub(super) fn on_users_answer(
        &mut self,
        answer: Result<&UserPage, &CallFault>,
        policy: RowPolicy,
        rng: &mut Rng,
    ) -> Transition {
        let users = match self.progress.take_read_answer(answer, policy, rng) {
            ReadResult::Users(users) => users,
            ReadResult::NotYet(transition) => return transition,
            ReadResult::GaveUp(class) => return self.on_unreadable(&class, answer.err()),
        };
        match self.step.clone() {
            LinkStep::Resolve { then, left, .. } => self.on_resolved(&users, then, left, policy),
            LinkStep::CheckName { destination, by_alias, then } => {
                self.on_name_read(&users, destination, by_alias.is_some(), then, policy)
            }
            LinkStep::ReadBack { destination, announced, why, looks } => {
                match self.progress.look_for_destination(&users, &destination, policy) {
                    SearchResult::ReadNext => Transition::Continue(Pause::None),
                    found => self.on_look(found.user(), destination, announced, why, looks + 1, policy, rng),
                }
            }
            LinkStep::Confirm { destination, announced, why, looks, has_seen_older } => {
                let (unlinked_at, settle_with) = (self.unlinked_at, policy.settle_with);
                let confirmation = Confirmation { why, announced, unlinked_at, has_seen_older, settle_with };
                match self.progress.look_for_destination(&users, &destination, policy) {
                    SearchResult::ReadNext => Transition::Continue(Pause::None),
                    found => self.on_confirming_look(found.user(), destination, looks + 1, confirmation),
                }
            }
            LinkStep::LookForProfile => match self.progress.look_for_profile(&users, policy) {
                SearchResult::ReadNext => Transition::Continue(Pause::None),
                found => self.refuse(refusal_by_profile(found.user())),
            },
            LinkStep::SettleOldUnlink { destination, call, looks } => {
                match self.progress.look_for_destination(&users, &destination, policy) {
                    SearchResult::ReadNext => Transition::Continue(Pause::None),
                    found => self.on_look_for_old_unlink(found.user(), destination, call, looks + 1, policy),
                }
            }
            LinkStep::WaitForLane { .. } | LinkStep::Announce { .. } | LinkStep::Call { .. } => {
                Transition::Continue(Pause::None)
            }
        }
    }

    /// What follows where reading did not get through.
    fn on_unreadable(&mut self, class: &FaultClass, fault: Option<&CallFault>) -> Transition {
        // What a link call met last says more than what the reading met.
        if let (Some(fault), LinkStep::Resolve { .. } | LinkStep::CheckName { .. } | LinkStep::SettleOldUnlink { .. }) =
            (fault, &self.step)
        {
            self.progress.remember_fault(fault);
        }
        let text = self.progress.last_text.clone();
        match (&self.step, class) {
            // The service has reported success.
            (LinkStep::Confirm { .. }, _) => {
                self.canary_finding = Some(CanaryFinding::NotRead);
                LinkOutcome::Linked { recovered: false }.into()
            }
            (
                LinkStep::SettleOldUnlink { .. } | LinkStep::Resolve { left: LeftByEarlierRuns::OpenUnlinkCall(_), .. },
                _,
            ) => Transition::OldUnlinkSettled { end: OldUnlinkEnd::StillInDoubt, text },
            (LinkStep::Resolve { left: LeftByEarlierRuns::Nothing, .. }, FaultClass::Refused(code)) => {
                LinkOutcome::Refused { code: *code, text: Some(text) }.into()
            }
            (LinkStep::Resolve { left: LeftByEarlierRuns::Nothing, .. } | LinkStep::CheckName { .. }, _) => {
                LinkOutcome::Failed { text }.into()
            }
            _ => LinkOutcome::InDoubt { text }.into(),
        }
    }

    fn on_resolved(
        &mut self,
        users: &[PoolUser],
        mut then: VecDeque<UserFilter>,
        left: LeftByEarlierRuns,
        policy: RowPolicy,
    ) -> Transition {
        let link = &self.progress.row.link;
        let (case_sensitive, chosen) = (policy.naming.case_sensitive, self.chosen_username.as_ref());
        match resolve(&link.destination, users, case_sensitive, policy.trust, chosen) {
            Ok(user) => {
                if let Some(announced) = self.announced_user.take() {
                    return self.on_resolved_again(&announced, user, left);
                }
                let username = user.username();
                self.is_user_disabled = users.iter().any(|read| read.username == user.value && !read.enabled);
                // A user that was looked up is named as the pool shows it.
                self.progress.username = Some(user.value.clone());
                self.progress.begin_reading();
                self.step = first_step(user, left);
                Transition::EnterLaneOf(username)
            }
            Err(code) => {
                if code == RefusalCode::DestinationUnverified {
                    self.distrusted.extend_from_slice(users);
                }
                let is_open = matches!(code, RefusalCode::UserNotFound | RefusalCode::DestinationUnverified);
                if let Some(filter) = then.pop_front().filter(|_| is_open) {
                    self.progress.begin_reading();
                    self.step = LinkStep::Resolve { filter, then, left };
                    return Transition::Continue(Pause::None);
                }
                let code =
                    if is_open && !self.distrusted.is_empty() { RefusalCode::DestinationUnverified } else { code };
                let link = &self.progress.row.link;
                let is_settled = match left {
                    LeftByEarlierRuns::Nothing => true,
                    LeftByEarlierRuns::OpenLinkCall(call) => !call.effect.leaves_row_in_doubt(),
                    LeftByEarlierRuns::OpenUnlinkCall(_) => false,
                };
                let is_held =
                    || is_held_by_one_meant(&link.destination, &link.source, &self.distrusted, case_sensitive);
                if code == RefusalCode::DestinationUnverified && is_settled && is_held() {
                    return LinkOutcome::AlreadyLinked.into();
                }
                // An open call may have taken effect on the user who was meant then: that none is meant now proves nothing.
                let message = "the destination of the open call can no longer be determined".to_owned();
                let text = ServiceText { code: code.as_str().to_owned(), message };
                match left {
                    _ if is_settled => LinkOutcome::Refused { code, text: None }.into(),
                    LeftByEarlierRuns::Nothing | LeftByEarlierRuns::OpenLinkCall(_) => {
                        LinkOutcome::InDoubt { text }.into()
                    }
                    LeftByEarlierRuns::OpenUnlinkCall(_) => {
                        Transition::OldUnlinkSettled { end: OldUnlinkEnd::StillInDoubt, text }
                    }
                }
            }
        }
    }

    /// What follows from a look for the user name, and then for a user who has it as an alias. The service may take an
    /// alias for a user name, and then no read finds the link by the name that was sent.
    fn on_name_read(
        &mut self,
        users: &[PoolUser],
        destination: DestinationUser,
        is_by_alias: bool,
        mut then: VecDeque<UserFilter>,
        policy: RowPolicy,
    ) -> Transition {
        if is_by_alias {
            if let Some(column) = mistaken_column(&self.progress.row.link.destination, users, policy.naming) {
                let code = RefusalCode::UserNotFound;
                let text = ServiceText { code: code.as_str().to_owned(), message: column.as_str().to_owned() };
                return LinkOutcome::Refused { code, text: Some(text) }.into();
            }
        } else {
            match self.progress.look_for_destination(users, &destination, policy) {
                SearchResult::Found(_) => then.clear(),
                SearchResult::ReadNext => return Transition::Continue(Pause::None),
                SearchResult::Nobody => {}
            }
        }
        self.progress.begin_reading();
        self.step = match then.pop_front() {
            Some(filter) => LinkStep::CheckName { destination, by_alias: Some(filter), then },
            None => LinkStep::Announce { destination, earlier: None },
        };
        Transition::Continue(Pause::None)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of the step, and what every answer comes with")]
    fn on_look(
        &mut self,
        user: Option<&PoolUser>,
        destination: DestinationUser,
        announced: LinkAnnouncement,
        why: IfNoEffect,
        looks: usize,
        policy: RowPolicy,
        rng: &mut Rng,
    ) -> Transition {
        let (LinkAnnouncement::ByEarlierRun(time) | LinkAnnouncement::ByThisRun(time)) = announced;
        let source = &self.progress.row.link.source;
        let call = CallToSettle {
            announced: time,
            why,
            effect: self.effect,
            unlinked_at: self.unlinked_at,
            is_by_attribute: !source.attribute().is_subject(),
            may_be_shown_by_subject: user.is_some_and(|user| may_hold_link_by_subject(user, source)),
            is_search_cut: self.progress.is_search_cut,
        };
        match judge_look(&look_at_destination(user, source), looks, call, policy.settle_with) {
            LookJudgement::Linked(LinkOwner::SomebodyElse) => LinkOutcome::AlreadyLinked.into(),
            LookJudgement::Linked(LinkOwner::PerhapsOurs) => LinkOutcome::Linked { recovered: true }.into(),
            LookJudgement::LookAgain => {
                self.step = LinkStep::ReadBack { destination, announced, why, looks };
                Transition::Continue(Pause::before_look_after(looks))
            }
            LookJudgement::NoEffect { is_proven: false } if policy.settles_before_end && looks < MOST_LOOKS => {
                self.step = LinkStep::ReadBack { destination, announced, why, looks };
                Transition::Continue(Pause::before_look_after(looks))
            }
            LookJudgement::NoEffect { is_proven }
                if self.progress.attempts >= policy.attempts_max || policy.settles_before_end =>
            {
                // After so many looks the list cannot lag any more.
                let is_shown = user.is_some() && source.attribute().is_subject();
                if is_proven || policy.settles_before_end && is_shown {
                    LinkOutcome::Failed { text: self.progress.last_text.clone() }.into()
                } else {
                    self.leave_in_doubt()
                }
            }
            LookJudgement::NoEffect { is_proven } => {
                if is_proven {
                    self.effect = self.effect.after_absence(policy.settle_with);
                }
                self.step = match announced {
                    LinkAnnouncement::ByThisRun(announced) => LinkStep::Call { destination, announced },
                    LinkAnnouncement::ByEarlierRun(announced) => {
                        let call = OpenCall { announced, effect: self.effect };
                        self.announce_again(destination, LeftByEarlierRuns::OpenLinkCall(call), policy.naming)
                    }
                };
                Transition::Continue(Pause::before_attempt_after(self.progress.attempts, rng))
            }
            LookJudgement::Refused(code) => self.refuse(code),
            LookJudgement::LookForProfile => {
                self.progress.begin_reading();
                self.step = LinkStep::LookForProfile;
                Transition::Continue(Pause::None)
            }
            LookJudgement::StillInDoubt => self.leave_in_doubt(),
        }
    }

    /// What follows where nothing of what earlier runs did stands: the call again, unless the row names its user by a value
    /// that another user may have by now.
    fn announce_again(
        &mut self,
        destination: DestinationUser,
        left: LeftByEarlierRuns,
        naming: PoolNaming,
    ) -> LinkStep {
        match resolution(&self.progress.row.link.destination) {
            Resolution::LookUp(filter) if self.announced_user.is_some() => {
                self.progress.begin_reading();
                let left = match left {
                    LeftByEarlierRuns::OpenLinkCall(call) if call.effect == UnknownEffect::None => {
                        LeftByEarlierRuns::Nothing
                    }
                    left => left,
                };
                self.resolve_step(filter, left, naming)
            }
            _ => LinkStep::Announce { destination, earlier: earlier_announcement(left) },
        }
    }

    /// What follows where a row that was looked up again means `user`: another user than the announced one is left to the
    /// next run, because this row holds the lane of the announced one.
    fn on_resolved_again(
        &mut self,
        announced: &DestinationUser,
        user: DestinationUser,
        left: LeftByEarlierRuns,
    ) -> Transition {
        if *announced != user {
            let message =
                "another user has this address or sub since the row was looked up; the next run links that one";
            let text = ServiceText { code: "user_changed".to_owned(), message: message.to_owned() };
            return if self.effect.leaves_row_in_doubt() {
                LinkOutcome::InDoubt { text }.into()
            } else {
                LinkOutcome::Failed { text }.into()
            };
        }
        self.step = LinkStep::Announce { destination: user, earlier: earlier_announcement(left) };
        Transition::Continue(Pause::None)
    }

    /// The result of a row that is only read back, once its next step would be another call.
    pub(super) fn result_without_another_call(&self) -> LinkOutcome {
        let text = self.progress.last_text.clone();
        if self.effect.leaves_row_in_doubt() { LinkOutcome::InDoubt { text } } else { LinkOutcome::Failed { text } }
    }

    fn leave_in_doubt(&self) -> Transition {
        LinkOutcome::InDoubt { text: self.progress.last_text.clone() }.into()
    }

    fn refuse(&self, code: RefusalCode) -> Transition {
        LinkOutcome::Refused { code, text: Some(self.progress.last_text.clone()) }.into()
    }

    fn on_look_for_old_unlink(
        &mut self,
        user: Option<&PoolUser>,
        destination: DestinationUser,
        call: OpenCall,
        looks: usize,
        policy: RowPolicy,
    ) -> Transition {
        if looks < looks_before_old_unlink_is_judged(call.effect, policy.settle_with) {
            self.step = LinkStep::SettleOldUnlink { destination, call, looks };
            return Transition::Continue(Pause::before_look_after(looks));
        }
        let end = judge_old_unlink(user, &self.progress.row.link.source, call, policy.settle_with);
        if end == OldUnlinkEnd::TookEffect {
            self.step = self.announce_again(destination, LeftByEarlierRuns::Nothing, policy.naming);
        }
        Transition::OldUnlinkSettled { end, text: self.progress.last_text.clone() }
    }
}

/// The announcement that counts for a call that is made again.
fn earlier_announcement(left: LeftByEarlierRuns) -> Option<AnnouncementTime> {
    match left {
        LeftByEarlierRuns::OpenLinkCall(call) => Some(call.announced),
        _ => None,
    }
}

/// The first step of a row whose destination is known.
fn first_step(destination: DestinationUser, left: LeftByEarlierRuns) -> LinkStep {
    match left {
        LeftByEarlierRuns::Nothing => LinkStep::Announce { destination, earlier: None },
        LeftByEarlierRuns::OpenLinkCall(call) => {
            let announced = LinkAnnouncement::ByEarlierRun(call.announced);
            LinkStep::ReadBack { destination, announced, why: IfNoEffect::RetryCall, looks: 0 }
        }
        LeftByEarlierRuns::OpenUnlinkCall(call) => LinkStep::SettleOldUnlink { destination, call, looks: 0 },
    }
}

#[cfg(test)]
#[path = "link_job_tests.rs"]
mod tests;
