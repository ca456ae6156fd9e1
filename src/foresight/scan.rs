//! One reading of the whole pool, within the read budget.
//!
//! `ListUsers` gives a page at a time, and each page has the token of the next one, so one chain of pages is as slow
//! as its answers. A user's `sub` is a UUID: `sub ^= "0"` to `sub ^= "f"` split the pool into 16 chains that do not
//! wait for each other. `AdminGetUser` is never called: it would mark every user as active for billing.
//!
//! A pool that fits one page is read with one call. A pool with a `sub` that is no UUID (an emulator's) is read in one chain.
//!
//! The same code looks users up one by one, where that takes fewer calls than the pool has pages.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use xxhash_rust::xxh3::xxh3_64;

use super::faults::{pace_verdict, stop_error};
use super::pool_index::RequiredUsers;
use crate::clock::{Clock, Instant, UnixMs, sleep_until, timeout_at};
use crate::domain::identity::{Destination, Personal, profile_username};
use crate::domain::row::Link;
use crate::domain::run::{StopCause, StopError};
use crate::limits::{self, FILTER_CHARS_MAX, USERS_PER_PAGE_MAX};
use crate::pace::retry::backoff;
use crate::pace::{Admission, AdmittedCall, CallFeedback, CallPacer, Pace};
use crate::seed::Rng;
use crate::service::classify::{CallKind, FaultClass, classify};
use crate::service::skew::ClockSkew;
use crate::service::{Answer, CallFault, PoolUser, Transport, UserDirectory, UserFilter, UserPage, UserQuery};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookUpMethod {
    Scan,
    /// The users that rows name, each by a filter. Identities on users that no row names are not seen.
    Filter,
}

impl LookUpMethod {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Filter => "filter",
        }
    }
}

/// What each way of reading the pool costs, in calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookUpCost {
    /// A page for every sixty users, of the service's own estimate.
    pub scan: u64,
    /// A call for everything that a row names.
    pub filter: u64,
}

impl LookUpCost {
    /// For a pool of so many users and a file that wants this.
    #[must_use]
    pub fn of(estimated_users: u64, wanted: &RequiredUsers) -> Self {
        Self { scan: Self::of_scan(estimated_users), filter: wanted.lookup_count() as u64 }
    }

    /// What a scan of so many users costs, in calls.
    #[must_use]
    pub fn of_scan(estimated_users: u64) -> u64 {
        let pages = estimated_users.div_ceil(USERS_PER_PAGE_MAX as u64);
        pages + if pages > 1 { limits::SCAN_CHAINS } else { 1 }
    }

    /// The cheaper way; the scan, which sees more, where they cost the same.
    #[must_use]
    pub fn cheaper(self) -> LookUpMethod {
        if self.filter < self.scan { LookUpMethod::Filter } else { LookUpMethod::Scan }
    }

    #[must_use]
    pub fn calls(self, look_up: LookUpMethod) -> u64 {
        match look_up {
            LookUpMethod::Scan => self.scan,
            LookUpMethod::Filter => self.filter,
        }
    }
}

#[derive(Debug)]
pub struct LookUpFilters {
    /// Hashes of the filters: 64 bits, of which two agree by chance once in 10⁷ files of a million rows.
    filter_hashes: HashSet<u64>,
    case_sensitive: bool,
}

impl LookUpFilters {
    #[must_use]
    pub fn new(case_sensitive: bool) -> Self {
        Self { filter_hashes: HashSet::new(), case_sensitive }
    }

    /// The lookups for a row that no earlier row needed: its destination, and the profile that its identity would have.
    pub fn filters_for(&mut self, link: &Link) -> Vec<UserFilter> {
        let (provider, value) = (link.source.provider().as_str(), link.source.value().expose());
        let profile = self.by_username(&profile_username(provider, value));
        let mut filters = vec![self.destination(&link.destination), profile];
        filters.retain(|filter| self.filter_hashes.insert(xxh3_64(filter.to_text().as_bytes())));
        filters
    }

    fn destination(&self, destination: &Destination) -> UserFilter {
        match destination {
            Destination::Username(name) => self.by_username(name.expose()),
            Destination::Email(email) => filter_that_fits("email", email.expose()),
            Destination::Sub(sub) => filter_that_fits("sub", sub.expose()),
            Destination::Federated { provider, user_id } => {
                self.by_username(&profile_username(provider.as_str(), user_id.expose()))
            }
        }
    }

    /// A case-insensitive pool keeps user names in lower case, and its filter does not fold.
    fn by_username(&self, username: &str) -> UserFilter {
        if self.case_sensitive {
            filter_that_fits("username", username)
        } else {
            filter_that_fits("username", &username.to_lowercase())
        }
    }
}

/// A filter on this value, or on as much of its start as fits: what it finds is compared in full anyway.
fn filter_that_fits(attribute: &'static str, value: &str) -> UserFilter {
    let mut filter = UserFilter { attribute, prefix: false, value: Personal::from_service(value) };
    let mut chars = value.chars().count();
    while filter.to_text().chars().count() > FILTER_CHARS_MAX && chars > 1 {
        chars -= 1;
        let start: String = value.chars().take(chars).collect();
        filter = UserFilter { attribute, prefix: true, value: Personal::from_service(&start) };
    }
    filter
}

const DIGITS: &str = "0123456789abcdef";

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScanResult {
    /// Users that were handed on. One whose chain was restarted is counted, and handed on, more than once.
    pub users: u64,
    pub reads: u64,
    /// Of them, those that were answered with "too many requests".
    pub throttled: u64,
    /// When it began, by our clock: what happened later may be missing from it.
    pub began: UnixMs,
    pub elapsed: Duration,
    pub skew: ClockSkew,
}

#[derive(Debug, Clone, Copy)]
pub struct ScanOptions {
    pub reads: Pace,
    pub seed: u64,
}

/// Hands out one question after another; `None` when there are no more.
pub type NextFilter<'a> = &'a mut (dyn FnMut() -> Result<Option<UserFilter>, StopError> + Send);

/// Takes the users of a page; may end the scan.
pub type TakeUsers<'a> = &'a mut (dyn FnMut(Vec<PoolUser>) -> Result<(), StopError> + Send);

/// Reads every user of the pool, in no particular order, and hands them on page by page.
///
/// A user who is made, changed or removed meanwhile may or may not be seen so: `ListUsers` is eventually consistent.
///
/// # Errors
/// A [`StopError`] where access is denied, the service is not to be reached, or nothing is accepted for a minute.
pub async fn scan(
    directory: Arc<dyn UserDirectory>,
    options: ScanOptions,
    clock: Clock,
    take: TakeUsers<'_>,
) -> Result<ScanResult, StopError> {
    let mut none = || Ok(None);
    PoolScan::new(directory, options, clock, VecDeque::from([PageChain::whole()]), &mut none).run(take).await
}

/// Asks `ListUsers` one question after another, several at a time, and hands on what it finds.
///
/// # Errors
/// As [`scan`], and what `next_filter` ends with.
pub async fn look_up(
    directory: Arc<dyn UserDirectory>,
    options: ScanOptions,
    clock: Clock,
    next_filter: NextFilter<'_>,
    take: TakeUsers<'_>,
) -> Result<ScanResult, StopError> {
    PoolScan::new(directory, options, clock, VecDeque::new(), next_filter).run(take).await
}

#[derive(Debug)]
struct PageChain {
    /// Which users; `None` for all.
    filter: Option<UserFilter>,
    /// Whether it is one of several, or is not split up for want of digits.
    undivided: bool,
    token: Option<String>,
    faults: u32,
    restarts: u32,
}

impl PageChain {
    fn whole() -> Self {
        Self { filter: None, undivided: false, token: None, faults: 0, restarts: 0 }
    }

    fn of(filter: UserFilter) -> Self {
        Self { filter: Some(filter), undivided: true, ..Self::whole() }
    }

    fn of_sub_prefix(digit: char) -> Self {
        let value = Personal::from_service(&digit.to_string());
        Self::of(UserFilter { attribute: "sub", prefix: true, value })
    }

    fn query(&self) -> UserQuery {
        let limit = u32::try_from(limits::USERS_PER_PAGE_MAX).ok();
        UserQuery { filter: self.filter.clone(), limit, token: self.token.clone() }
    }

    /// Whether the pool is better read in chains: there is more than this page, and every user on it has a UUID.
    fn must_be_split(&mut self, page: &UserPage) -> bool {
        if self.undivided || page.users.is_empty() {
            return false;
        }
        self.undivided = true;
        let splits = |sub: &Personal| sub.expose().starts_with(|first: char| DIGITS.contains(first));
        page.next_token.is_some() && page.users.iter().all(|user| user.sub.as_ref().is_some_and(splits))
    }
}

struct AnsweredPage {
    chain: PageChain,
    sent: AdmittedCall,
    sent_unix_ms: UnixMs,
    reply: Result<Answer<UserPage>, CallFault>,
}

struct PoolScan<'a> {
    directory: Arc<dyn UserDirectory>,
    clock: Clock,
    budget: CallPacer,
    rng: Rng,
    ready: VecDeque<PageChain>,
    next_filter: NextFilter<'a>,
    backing_off: Vec<(Instant, PageChain)>,
    in_flight: JoinSet<AnsweredPage>,
    scanned: ScanResult,
}

impl<'a> PoolScan<'a> {
    fn new(
        directory: Arc<dyn UserDirectory>,
        options: ScanOptions,
        clock: Clock,
        ready: VecDeque<PageChain>,
        next_filter: NextFilter<'a>,
    ) -> Self {
        Self {
            directory,
            clock,
            budget: CallPacer::new(clock, options.reads),
            rng: Rng::new(options.seed).fork("scan"),
            ready,
            next_filter,
            backing_off: Vec::new(),
            in_flight: JoinSet::new(),
            scanned: ScanResult { began: clock.unix_ms(), ..ScanResult::default() },
        }
    }

    async fn run(mut self, take: TakeUsers<'_>) -> Result<ScanResult, StopError> {
        let started = self.clock.now();
        self.work(take).await?;
        self.scanned.elapsed = self.clock.now().saturating_duration_since(started);
        Ok(self.scanned)
    }

    async fn work(&mut self, take: TakeUsers<'_>) -> Result<(), StopError> {
        loop {
            let wake = self.send()?;
            if self.ready.is_empty() && self.backing_off.is_empty() && self.in_flight.is_empty() {
                return Ok(());
            }
            tokio::select! {
                biased;
                Some(done) = self.in_flight.join_next() => match done {
                    Ok(done) => self.on_answered(done, take)?,
                    // A call is never cancelled here, so it can only have panicked.
                    Err(error) => match error.try_into_panic() {
                        Ok(panic) => std::panic::resume_unwind(panic),
                        Err(_) => return Ok(()),
                    },
                },
                () = wait_until(wake) => {}
            }
        }
    }

    /// Sends what may be sent now; returns when there is more to do if nothing is answered before.
    fn send(&mut self) -> Result<Option<Instant>, StopError> {
        let now = self.clock.now();
        if self.budget.stuck_for().is_some_and(|age| age > Duration::from_millis(limits::STUCK_MS)) {
            let detail = format!("ListUsers: the service has accepted nothing for {} s", limits::STUCK_MS / 1_000);
            return Err(StopError::new(StopCause::Bound, detail));
        }
        let (ready_again, backing_off) =
            std::mem::take(&mut self.backing_off).into_iter().partition(|(until, _)| *until <= now);
        self.backing_off = backing_off;
        let ready_again: Vec<(Instant, PageChain)> = ready_again;
        self.ready.extend(ready_again.into_iter().map(|(_, chain)| chain));
        let mut wake = self.backing_off.iter().map(|(until, _)| *until).min();
        while let Some(chain) = self.next_chain()? {
            match self.budget.admit_call() {
                Admission::Admitted(sent) => self.send_chain(chain, sent),
                Admission::NotBefore(at) | Admission::CoolingDown(at) => {
                    self.ready.push_front(chain);
                    wake = Some(wake.map_or(at, |earlier| earlier.min(at)));
                    break;
                }
            }
        }
        Ok(wake)
    }

    /// What can go on, else a new question while not too many are open.
    fn next_chain(&mut self) -> Result<Option<PageChain>, StopError> {
        if let Some(chain) = self.ready.pop_front() {
            return Ok(Some(chain));
        }
        if self.in_flight.len() + self.backing_off.len() >= limits::LOOK_UPS_OPEN_MAX {
            return Ok(None);
        }
        Ok((self.next_filter)()?.map(PageChain::of))
    }

    fn send_chain(&mut self, chain: PageChain, sent: AdmittedCall) {
        self.scanned.reads += 1;
        let (directory, clock) = (Arc::clone(&self.directory), self.clock);
        self.in_flight.spawn(async move {
            let sent_unix_ms = clock.unix_ms();
            let deadline = clock.now() + Duration::from_millis(limits::ATTEMPT_TIMEOUT_MS);
            let reply = timeout_at(deadline, directory.list_users(chain.query())).await.unwrap_or_else(|_| {
                Err(CallFault::Transport { kind: Transport::Timeout, detail: "no answer in time".to_owned() })
            });
            AnsweredPage { chain, sent, sent_unix_ms, reply }
        });
    }

    fn on_answered(&mut self, done: AnsweredPage, take: TakeUsers<'_>) -> Result<(), StopError> {
        let AnsweredPage { mut chain, sent, sent_unix_ms, reply } = done;
        let (verdict, retry_after) = pace_verdict(CallKind::Read, reply.as_ref().err());
        self.budget.record_feedback(sent, verdict, retry_after);
        self.scanned.throttled += u64::from(verdict == CallFeedback::Throttled);
        let answer = match reply {
            Ok(answer) => answer,
            Err(fault) => return self.on_fault(chain, &fault),
        };
        self.scanned.skew.observe_answer(sent_unix_ms, self.clock.unix_ms(), &answer.meta);
        let page = answer.value;
        if chain.must_be_split(&page) {
            self.ready.extend(DIGITS.chars().map(PageChain::of_sub_prefix));
            return Ok(());
        }
        self.scanned.users += page.users.len() as u64;
        chain.token = page.next_token;
        chain.faults = 0;
        if chain.token.is_some() {
            self.ready.push_back(chain);
        }
        take(page.users)
    }

    fn on_fault(&mut self, mut chain: PageChain, fault: &CallFault) -> Result<(), StopError> {
        let class = classify(CallKind::Read, fault);
        chain.faults += u32::from(class == FaultClass::Transient);
        match class {
            FaultClass::Fatal(cause) => Err(stop_error(cause, "ListUsers", fault)),
            FaultClass::Throttled { .. } | FaultClass::Unreached => {
                self.ready.push_back(chain);
                Ok(())
            }
            FaultClass::Transient if chain.faults < limits::PREFLIGHT_ATTEMPTS_MAX => {
                let until = self.clock.now() + backoff(chain.faults, &mut self.rng);
                self.backing_off.push((until, chain));
                Ok(())
            }
            // The only parameter that can have become wrong since the last page is its token, which expires.
            FaultClass::Refused(_) if chain.token.is_some() && chain.restarts < limits::SCAN_RESTARTS_MAX => {
                tracing::debug!(filter = ?chain.filter, code = fault.code(), "a chain is restarted");
                chain.restarts += 1;
                chain.token = None;
                self.ready.push_back(chain);
                Ok(())
            }
            _ => Err(stop_error(StopCause::Unreachable, "ListUsers", fault)),
        }
    }
}

async fn wait_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::identity::{AttributeName, ExternalIdentity, PoolId, ProviderName};
    use crate::foresight::pool_index::RequiredUsersBuilder;
    use crate::pace::RateQuota;
    use crate::service::in_process::InProcessService;
    use cognito_sim::{
        Account, Category, FaultKind, FaultPlan, FaultRule, FaultTrigger, Latency, NewUser, Operation, Pool,
        PoolSettings, Quota,
    };

    const POOL: &str = "sim-local-1_Scanned";

    fn pool(users: usize) -> Pool {
        let mut pool = Pool::new(PoolSettings::new(PoolId::parse(POOL).unwrap().as_str()));
        for number in 0..users {
            pool.add_user(NewUser::named(&format!("user-{number}"))).unwrap();
        }
        pool
    }

    fn service(pool: Pool, lists_per_second: f64, faults: FaultPlan) -> Arc<InProcessService> {
        let quota = Quota::documented().with_rate(Category::UserList, lists_per_second, lists_per_second);
        let world =
            Account::new(7).with_pool(pool).with_quota(quota).with_latency(Latency::usual()).with_faults(faults);
        InProcessService::new(world, Clock::starting_at(1_800_000_000_000))
    }

    fn options(per_second: f64) -> ScanOptions {
        let limit = RateQuota { per_second, share: 1.0, ..RateQuota::assumed(1.0, 1) };
        ScanOptions { reads: Pace::within(limit, None), seed: 3 }
    }

    /// How often each user was handed on, and what the scan says of itself.
    async fn scanned(
        service: &Arc<InProcessService>,
        per_second: f64,
    ) -> Result<(BTreeMap<String, u32>, ScanResult), StopError> {
        let mut seen = BTreeMap::new();
        let mut take = |users: Vec<PoolUser>| {
            for user in users {
                *seen.entry(user.username.expose().to_owned()).or_default() += 1;
            }
            Ok(())
        };
        let clock = Clock::starting_at(1_800_000_000_000);
        let scanned = scan(service.clone(), options(per_second), clock, &mut take).await?;
        Ok((seen, scanned))
    }

    fn each_once(seen: &BTreeMap<String, u32>, users: usize) -> bool {
        seen.len() == users && seen.values().all(|times| *times == 1)
    }

    #[tokio::test(start_paused = true)]
    async fn a_pool_of_one_page_takes_one_call() {
        for users in [0, 1, 60] {
            let service = service(pool(users), 30.0, FaultPlan::none());
            let (seen, scanned) = scanned(&service, 30.0).await.unwrap();
            assert!(each_once(&seen, users), "{users}");
            assert_eq!((scanned.users, scanned.reads), (users as u64, 1));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_user_is_seen_once_and_the_budget_is_used() {
        let service = service(pool(40_000), 30.0, FaultPlan::none());
        let (seen, scanned) = scanned(&service, 30.0).await.unwrap();
        assert!(each_once(&seen, 40_000));
        assert_eq!(scanned.users, 40_000);
        let list = service.account.stats().of(Operation::ListUsers);
        assert_eq!((list.calls, list.throttled), (scanned.reads, scanned.throttled));
        let calls_possible = scanned.elapsed.as_millis() * 30 / 1_000;
        assert!(u128::from(scanned.reads) * 100 >= calls_possible * 97, "{scanned:?}");
        assert_eq!(service.account.stats().of(Operation::GetUser).calls, 0, "which would be billed");
    }

    #[tokio::test(start_paused = true)]
    async fn throttles_faults_and_lost_answers_cost_no_user() {
        let faults = FaultPlan::none()
            .with(FaultRule::new(FaultKind::Throttled, FaultTrigger::Chance(0.05)))
            .with(FaultRule::new(FaultKind::ErrorBefore, FaultTrigger::Chance(0.05)))
            .with(FaultRule::new(FaultKind::LostAfter, FaultTrigger::Chance(0.05)));
        let service = service(pool(6_000), 30.0, faults);
        let (seen, scanned) = scanned(&service, 60.0).await.unwrap();
        assert!(each_once(&seen, 6_000));
        assert!(scanned.throttled > 0 && service.account.stats().faults > 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sub_that_is_no_uuid_keeps_the_pool_in_one_chain() {
        let mut pool = pool(300);
        for number in 0..300 {
            let sub = Some(format!("zz-{number}"));
            pool.add_user(NewUser { sub, ..NewUser::named(&format!("odd-{number}")) }).unwrap();
        }
        let service = service(pool, 30.0, FaultPlan::none());
        let (seen, _) = scanned(&service, 30.0).await.unwrap();
        assert!(each_once(&seen, 600));
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_read_ends_the_scan() {
        let denied = FaultPlan::none().with(FaultRule::new(FaultKind::AccessDenied, FaultTrigger::From(3)));
        let service = service(pool(200), 30.0, denied);
        let stop = scanned(&service, 30.0).await.unwrap_err();
        assert_eq!(stop.cause, StopCause::AccessDenied);
        assert!(stop.detail.starts_with("ListUsers: access denied"), "{}", stop.detail);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_takes_the_users_may_end_it() {
        let service = service(pool(200), 30.0, FaultPlan::none());
        let mut take = |_| Err(StopError::new(StopCause::InputIo, "the disk is full"));
        let stop = scan(service, options(30.0), Clock::starting_at(0), &mut take).await.unwrap_err();
        assert_eq!(stop.detail, "the disk is full");
    }

    fn link(destination: Destination, value: &str) -> Link {
        let provider = ProviderName::parse("Okta").unwrap();
        let source = ExternalIdentity::new(provider, AttributeName::subject(), Personal::from_service(value)).unwrap();
        Link { destination, source }
    }

    fn texts(links: &[Link], case_sensitive: bool) -> Vec<String> {
        let mut filters = LookUpFilters::new(case_sensitive);
        links.iter().flat_map(|link| filters.filters_for(link)).map(|filter| filter.to_text()).collect()
    }

    #[test]
    fn each_user_and_each_profile_is_asked_for_once() {
        let alice = || Destination::Username(Personal::from_service("Alice"));
        let email = Destination::Email(Personal::from_service("a@example.com"));
        let links = [link(alice(), "A"), link(alice(), "B"), link(email, "A")];
        let expected =
            ["username = \"Alice\"", "username = \"Okta_A\"", "username = \"Okta_B\"", "email = \"a@example.com\""];
        assert_eq!(texts(&links, true), expected);
        let other = link(Destination::Username(Personal::from_service("alice")), "A");
        assert_eq!(texts(&[links[0].clone(), other], true).len(), 3, "another user in a case-sensitive pool");
        assert_eq!(texts(&links[..1], false), ["username = \"alice\"", "username = \"okta_a\""]);
    }

    #[test]
    fn what_does_not_fit_a_filter_is_asked_for_by_its_start() {
        let quotes = "\"".repeat(128);
        let [text, _] =
            texts(&[link(Destination::Username(Personal::from_service(&quotes)), "A")], true).try_into().unwrap();
        assert!(text.starts_with("username ^= ") && text.chars().count() <= FILTER_CHARS_MAX, "{text}");
    }

    #[test]
    fn the_cheaper_way_is_taken() {
        let mut rows = RequiredUsersBuilder::default();
        rows.add(&link(Destination::Username(Personal::from_service("alice")), "A"));
        let wanted = rows.build();
        let cost = |users| LookUpCost::of(users, &wanted);
        assert_eq!((cost(1_000_000).scan, cost(1_000_000).filter), (16_683, 2));
        assert_eq!(cost(1_000_000).cheaper(), LookUpMethod::Filter);
        assert_eq!(cost(30).cheaper(), LookUpMethod::Scan);
    }
}
