//! What a row needs on its way whatever is to be done for it: the calls so far, and the answers of the call that is next.

use std::time::Duration;

use super::link_decisions::OldUnlinkEnd;
use super::name_search::{NameSearch, ReadCall, SearchResult, WantedUser, find_by_name, find_destination};
use super::read_back::{RowPolicy, SettleWith};
use crate::clock::Instant;
use crate::domain::identity::{DestinationUser, ExternalIdentity, Personal, profile_username};
use crate::domain::outcome::{LinkOutcome, ServiceText, UndoOutcome};
use crate::domain::row::Row;
use crate::domain::run::StopError;
use crate::foresight::faults;
use crate::limits::{LIST_LAG_MS_MAX, READ_PAGES_MAX, SERVICE_TEXT_CHARS_MAX, SETTLE_LATER_WAITS_MS, SETTLE_WAITS_MS};
use crate::pace::retry::backoff;
use crate::seed::Rng;
use crate::service::classify::{CallKind, FaultClass, classify};
use crate::service::{CallFault, LinkRequest, PoolUser, UnlinkRequest, UserFilter, UserPage, UserQuery};

#[derive(Debug, Clone)]
pub(super) enum WriteCall {
    Link(Box<LinkRequest>),
    Unlink(Box<UnlinkRequest>),
}

/// What is to be written into the ledger before a write call.
#[derive(Debug, Clone)]
pub(super) enum RowAnnouncement {
    Link { destination: DestinationUser },
    Unlink { destination: DestinationUser, identity: ExternalIdentity },
}

/// What is to be done next for a row.
#[derive(Debug, Clone)]
pub(super) enum NextWork {
    /// The lane of its destination is not open yet.
    WaitForLane,
    Read(ReadCall),
    Announce(RowAnnouncement),
    Write(WriteCall),
}

/// Why a row does not go on at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    None,
    /// After a transient fault.
    BackOff(Duration),
    /// Until a doubtful call can be read back.
    Settling(Duration),
}

impl Pause {
    /// The pause before the look that follows so many looks.
    pub(super) fn before_look_after(looks: usize) -> Self {
        let mut waits = SETTLE_WAITS_MS.into_iter().chain(SETTLE_LATER_WAITS_MS);
        let last = SETTLE_LATER_WAITS_MS[SETTLE_LATER_WAITS_MS.len() - 1];
        Self::Settling(Duration::from_millis(waits.nth(looks.saturating_sub(1)).unwrap_or(last)))
    }

    /// The pause until a list is taken to show every write so far.
    pub(super) fn until_lists_show_writes() -> Self {
        Self::Settling(Duration::from_millis(LIST_LAG_MS_MAX.unsigned_abs()))
    }

    /// The pause before another write call, after so many.
    pub(super) fn before_attempt_after(attempts: u32, rng: &mut Rng) -> Self {
        if attempts == 0 { Self::None } else { Self::BackOff(backoff(attempts, rng)) }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RowResult {
    Link(LinkOutcome),
    Undo(UndoOutcome),
}

/// What follows from an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Transition {
    /// The row's next work is to be done, after the pause.
    Continue(Pause),
    /// The destination was looked up: the row goes on in the lane of this user name.
    EnterLaneOf(String),
    /// The service throttled or was not reached: the same call again.
    RepeatCall {
        throttled: bool,
    },
    Finish(RowResult),
    /// An unlink call of an earlier `undo` is settled.
    OldUnlinkSettled {
        end: OldUnlinkEnd,
        text: ServiceText,
    },
    /// The run ends. The fault itself had no effect.
    StopRun(StopError),
}

impl From<LinkOutcome> for Transition {
    fn from(outcome: LinkOutcome) -> Self {
        Self::Finish(RowResult::Link(outcome))
    }
}

impl From<UndoOutcome> for Transition {
    fn from(outcome: UndoOutcome) -> Self {
        Self::Finish(RowResult::Undo(outcome))
    }
}

/// What came of one answer to a read call.
#[derive(Debug)]
pub(super) enum ReadResult {
    /// All users that match, of all pages.
    Users(Vec<PoolUser>),
    /// Another page, another attempt, or the end of the run.
    NotYet(Transition),
    /// The attempts are exhausted, or the service refused.
    GaveUp(FaultClass),
}

/// The pages of one read so far.
#[derive(Debug, Default)]
struct PagesRead {
    users: Vec<PoolUser>,
    count: usize,
    next_token: Option<String>,
}

/// A row with the history of its calls.
#[derive(Debug)]
pub(super) struct RowProgress {
    pub(super) row: Row,
    /// Write calls in this run that were answered, or not, other than by a throttle.
    pub(super) attempts: u32,
    pub(super) request_id: Option<String>,
    /// How long the write call took that succeeded.
    pub(super) latency_ms: Option<u64>,
    /// What the service said last.
    pub(super) last_text: ServiceText,
    pub(super) throttled_since: Option<Instant>,
    /// Calls in a row that were throttled or did not reach the service.
    pub(super) repeated_calls: u32,
    /// When the newest write call was sent.
    pub(super) last_write: Option<Instant>,
    pub(super) call_in_flight: bool,
    /// Whether a call of this run for the row had no answer: it timed out, or the connection failed.
    pub(super) had_no_answer: bool,
    /// The operation of the newest read call.
    pub(super) read_operation: &'static str,
    /// The destination's user name as the pool shows it, where it was read, or as the ledger keeps it.
    pub(super) username: Option<Personal>,
    read_faults: u32,
    pages: PagesRead,
    search: NameSearch,
    /// Whether so many users matched that not all were read: one that was not found may be there.
    pub(super) is_search_cut: bool,
}

impl RowProgress {
    pub(super) fn new(row: Row) -> Self {
        Self {
            row,
            attempts: 0,
            request_id: None,
            latency_ms: None,
            last_text: ServiceText { code: "interrupted".into(), message: String::new() },
            throttled_since: None,
            repeated_calls: 0,
            last_write: None,
            call_in_flight: false,
            had_no_answer: false,
            read_operation: "ListUsers",
            username: None,
            read_faults: 0,
            pages: PagesRead::default(),
            search: NameSearch::default(),
            is_search_cut: false,
        }
    }

    pub(super) fn remember_fault(&mut self, fault: &CallFault) {
        let message = fault.message().chars().take(SERVICE_TEXT_CHARS_MAX).collect();
        self.last_text = ServiceText { code: fault.code().to_owned(), message };
        self.request_id = fault.meta().and_then(|meta| meta.request_id.clone()).or(self.request_id.take());
    }

    /// Counts the answer to a write call as an attempt, unless it was throttled or did not reach the service. Returns the
    /// class of its fault.
    pub(super) fn count_write_answer(&mut self, kind: CallKind, fault: Option<&CallFault>) -> Option<FaultClass> {
        let class = fault.map(|fault| classify(kind, fault));
        if !matches!(class, Some(FaultClass::Throttled { .. } | FaultClass::Unreached)) {
            self.attempts += 1;
            if let Some(fault) = fault {
                self.remember_fault(fault);
            }
        }
        class
    }

    /// Starts a read for another question than before.
    pub(super) fn begin_reading(&mut self) {
        self.read_faults = 0;
        self.pages = PagesRead::default();
        self.search = NameSearch::default();
        self.is_search_cut = false;
    }

    pub(super) fn take_read_answer(
        &mut self,
        answer: Result<&UserPage, &CallFault>,
        policy: RowPolicy,
        rng: &mut Rng,
    ) -> ReadResult {
        match answer {
            Ok(page) => {
                self.pages.count += 1;
                self.pages.users.extend(page.users.iter().cloned());
                self.pages.next_token.clone_from(&page.next_token);
                if self.pages.next_token.is_some() && self.pages.count < READ_PAGES_MAX {
                    return ReadResult::NotYet(Transition::Continue(Pause::None));
                }
                self.is_search_cut |= self.pages.next_token.is_some();
                ReadResult::Users(std::mem::take(&mut self.pages).users)
            }
            Err(fault) => match classify(CallKind::Read, fault) {
                FaultClass::Throttled { .. } => ReadResult::NotYet(Transition::RepeatCall { throttled: true }),
                FaultClass::Unreached => ReadResult::NotYet(Transition::RepeatCall { throttled: false }),
                FaultClass::Fatal(cause) => {
                    ReadResult::NotYet(Transition::StopRun(faults::stop_error(cause, self.read_operation, fault)))
                }
                class @ FaultClass::Refused(_) => ReadResult::GaveUp(class),
                class @ (FaultClass::Transient | FaultClass::Doubtful(_) | FaultClass::NotLinked) => {
                    self.read_faults += 1;
                    if self.read_faults >= policy.attempts_max {
                        return ReadResult::GaveUp(class);
                    }
                    self.pages = PagesRead::default();
                    ReadResult::NotYet(Transition::Continue(Pause::BackOff(backoff(self.read_faults, rng))))
                }
            },
        }
    }

    /// The call that lists users by a filter, from the next page on.
    pub(super) fn list_users(&self, filter: UserFilter) -> ReadCall {
        ReadCall::List(UserQuery { filter: Some(filter), limit: None, token: self.pages.next_token.clone() })
    }

    /// The call that reads a destination back.
    pub(super) fn read_destination(&self, destination: &DestinationUser, policy: RowPolicy) -> ReadCall {
        let sent = destination.username();
        let wanted = self.wanted(destination, &sent);
        self.search.next_read(&wanted, policy.settle_with, policy, self.pages.next_token.as_ref())
    }

    /// The names of a destination: as the pool showed it, and as it was sent.
    fn names_of<'a>(&'a self, sent: &'a str) -> Vec<&'a str> {
        self.username.iter().map(Personal::expose).chain([sent]).collect()
    }

    fn wanted<'a>(&'a self, destination: &DestinationUser, sent: &'a str) -> WantedUser<'a> {
        let provider = &destination.provider;
        let start = (!provider.is_native()).then(|| profile_username(provider.as_str(), ""));
        WantedUser { names: self.names_of(sent), start }
    }

    /// Looks for the destination among the users that were read. Keeps the user's name as the pool shows it.
    pub(super) fn look_for_destination(
        &mut self,
        users: &[PoolUser],
        destination: &DestinationUser,
        policy: RowPolicy,
    ) -> SearchResult {
        let sent = destination.username();
        if let Some(found) = find_destination(users, destination, &self.names_of(&sent), policy.naming.case_sensitive) {
            // The name that the pool shows is the first that the next search reads.
            self.username = Some(found.username.clone());
            self.search = NameSearch::default();
            return SearchResult::Found(Box::new(found.clone()));
        }
        let mut search = std::mem::take(&mut self.search);
        let has_next = search.try_next(&self.wanted(destination, &sent), policy.settle_with, policy);
        self.search = search;
        if has_next { SearchResult::ReadNext } else { SearchResult::Nobody }
    }

    /// The call that looks for the identity's own profile. A list: to look must not mark that user as active.
    pub(super) fn read_profile(&self, policy: RowPolicy) -> ReadCall {
        let name = self.profile_name();
        let wanted = WantedUser { names: vec![&name], start: None };
        self.search.next_read(&wanted, SettleWith::ListUsers, policy, self.pages.next_token.as_ref())
    }

    /// Looks for the identity's own profile, or the user that has its name, among the users that were read.
    pub(super) fn look_for_profile(&mut self, users: &[PoolUser], policy: RowPolicy) -> SearchResult {
        let name = self.profile_name();
        if let Some(found) = find_by_name(users, &name, policy.naming.case_sensitive) {
            return SearchResult::Found(Box::new(found.clone()));
        }
        let wanted = WantedUser { names: vec![&name], start: None };
        let has_next = self.search.try_next(&wanted, SettleWith::ListUsers, policy);
        if has_next { SearchResult::ReadNext } else { SearchResult::Nobody }
    }

    fn profile_name(&self) -> String {
        let source = &self.row.link.source;
        profile_username(source.provider().as_str(), source.value().expose())
    }
}
