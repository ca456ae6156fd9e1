//! One reading of the whole pool, within the read budget.
//!
//! `ListUsers` gives a page at a time, and each page has the token of the next one, so one chain of pages is as slow
//! as its answers. A user's `sub` is a UUID: `sub ^= "0"` to `sub ^= "f"` split the pool into 16 chains that do not
//! wait for each other. `AdminGetUser` is never called: it would mark every user as active for billing.
//!
//! A pool that fits one page is read with one call. A pool with a `sub` that is no UUID (an emulator's), or a service that
//! refuses such filters, is read in one chain.
//!
//! The same code looks users up one by one, where that takes fewer calls than the pool has pages.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use xxhash_rust::xxh3::xxh3_64;

use super::destination::{PoolNaming, is_same_name, look_up_filters};
use super::faults::{pace_verdict, stop_error};
use super::pool_index::RequiredUsers;
use super::preflight::PatientReader;
use crate::clock::{Clock, Instant, UnixMs, sleep_until, timeout_at};
use crate::domain::identity::{Destination, Personal, profile_username};
use crate::domain::row::Link;
use crate::domain::run::{StopCause, StopError};
use crate::limits::{self, READ_PAGES_MAX, USERS_PER_PAGE_MAX};
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
    pub fn of(estimated_users: u64, wanted: &RequiredUsers) -> Self {
        Self { scan: Self::of_scan(estimated_users), filter: wanted.lookup_count() as u64 }
    }

    /// What a scan of so many users costs, in calls.
    pub fn of_scan(estimated_users: u64) -> u64 {
        let pages = estimated_users.div_ceil(USERS_PER_PAGE_MAX as u64);
        pages + if pages > 1 { limits::SCAN_CHAINS } else { 1 }
    }

    /// The cheaper way; the scan, which sees more, where they cost the same.
    pub fn cheaper(self) -> LookUpMethod {
        if self.filter < self.scan { LookUpMethod::Filter } else { LookUpMethod::Scan }
    }

    pub fn calls(self, look_up: LookUpMethod) -> u64 {
        match look_up {
            LookUpMethod::Scan => self.scan,
            LookUpMethod::Filter => self.filter,
        }
    }
}

/// Filters that find one user, in the order in which they are sent until one finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserLookUp {
    filters: VecDeque<UserFilter>,
    /// The user as the row names it.
    wanted: Destination,
    case_sensitive: bool,
}

impl UserLookUp {
    /// Whether a filter has found what was looked for. A prefix finds others as well.
    fn is_found_among(&self, filter: &UserFilter, users: &[PoolUser]) -> bool {
        let name = match &self.wanted {
            Destination::Federated { provider, user_id } => profile_username(provider.as_str(), user_id.expose()),
            wanted => wanted.value().expose().to_owned(),
        };
        users.iter().any(|user| {
            let held = match filter.attribute {
                "email" => user.email.as_ref(),
                "sub" => user.sub.as_ref(),
                "phone_number" => user.phone.as_ref(),
                "preferred_username" => user.preferred_username.as_ref(),
                _ => Some(&user.username),
            };
            held.is_some_and(|held| is_same_name(held.expose(), &name, self.case_sensitive))
        })
    }
}

#[derive(Debug)]
pub struct LookUpFilters {
    /// Hashes of the first filters: 64 bits, of which two agree by chance once in 10⁷ files of a million rows.
    filter_hashes: HashSet<u64>,
    naming: PoolNaming,
}

impl LookUpFilters {
    pub fn new(naming: PoolNaming) -> Self {
        Self { filter_hashes: HashSet::new(), naming }
    }

    /// The lookups for a row that no earlier row needed: its destination, and the profile that its identity would have.
    pub fn filters_for(&mut self, link: &Link) -> Vec<UserLookUp> {
        let (provider, user_id) = (link.source.provider().clone(), link.source.value().clone());
        let profile = Destination::Federated { provider, user_id };
        let mut look_ups = Vec::new();
        for wanted in [link.destination.clone(), profile] {
            let filters = VecDeque::from(look_up_filters(&wanted, self.naming));
            let texts: String = filters.iter().map(|filter| filter.to_text() + "\n").collect();
            if self.filter_hashes.insert(xxh3_64(texts.as_bytes())) {
                look_ups.push(UserLookUp { filters, wanted, case_sensitive: self.naming.case_sensitive });
            }
        }
        look_ups
    }
}

const DIGITS: &str = "0123456789abcdef";

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScanResult {
    /// Users that were handed on. One whose chain was restarted is counted, and handed on, more than once.
    pub users: u64,
    pub reads: u64,
    /// Of them, those that were answered with "too many requests".
    pub throttled: u64,
    /// Look-ups that gave up: after [`READ_PAGES_MAX`] pages of users whose names only start alike, or because the service
    /// did not answer this one.
    pub cut_look_ups: u64,
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
pub type NextLookUp<'a> = &'a mut (dyn FnMut() -> Result<Option<UserLookUp>, StopError> + Send);

/// Takes the users of a page; may end the scan.
pub type TakeUsers<'a> = &'a mut (dyn FnMut(Vec<PoolUser>) -> Result<(), StopError> + Send);

/// Reads every user of the pool, in no particular order, and hands them on page by page.
///
/// A user who is made, changed or removed meanwhile may or may not be seen so: `ListUsers` is eventually consistent.
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
pub async fn look_up(
    directory: Arc<dyn UserDirectory>,
    options: ScanOptions,
    clock: Clock,
    next_look_up: NextLookUp<'_>,
    take: TakeUsers<'_>,
) -> Result<ScanResult, StopError> {
    PoolScan::new(directory, options, clock, VecDeque::new(), next_look_up).run(take).await
}

/// Reads the first users of the pool, in one call.
pub async fn first_users(
    directory: &dyn UserDirectory,
    clock: Clock,
    rng: &mut Rng,
) -> Result<Vec<PoolUser>, StopError> {
    let query = UserQuery { filter: None, limit: u32::try_from(limits::USERS_PER_PAGE_MAX).ok(), token: None };
    let mut calls = PatientReader::new(clock, rng);
    Ok(calls.call("ListUsers", &|| directory.list_users(query.clone())).await?.value.users)
}

#[derive(Debug)]
struct PageChain {
    /// Which users; `None` for all.
    filter: Option<UserFilter>,
    /// Whether it is one of several, or is not split up for want of digits.
    undivided: bool,
    /// The look-up that the filter belongs to, with the filters that follow if this one finds no user.
    look_up: Option<UserLookUp>,
    token: Option<String>,
    pages: usize,
    faults: u32,
    restarts: u32,
}

impl PageChain {
    fn whole() -> Self {
        Self { filter: None, undivided: false, look_up: None, token: None, pages: 0, faults: 0, restarts: 0 }
    }

    fn whole_undivided() -> Self {
        Self { undivided: true, ..Self::whole() }
    }

    fn of(filter: UserFilter) -> Self {
        Self { filter: Some(filter), undivided: true, ..Self::whole() }
    }

    /// The next filter of a look-up; `None` where there is none left.
    fn of_look_up(mut look_up: UserLookUp) -> Option<Self> {
        let filter = look_up.filters.pop_front()?;
        Some(Self { look_up: Some(look_up), ..Self::of(filter) })
    }

    fn is_part_of_scan(&self) -> bool {
        self.filter.is_some() && self.look_up.is_none()
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
    next_look_up: NextLookUp<'a>,
    backing_off: Vec<(Instant, PageChain)>,
    in_flight: JoinSet<AnsweredPage>,
    /// Whether the service refused to split the pool.
    has_one_chain: bool,
    /// Why the last look-up was given up, where none has been answered yet.
    unanswered: Option<StopError>,
    /// Look-ups that were given up since the last answer.
    unanswered_in_turn: usize,
    is_answered: bool,
    scanned: ScanResult,
}

impl<'a> PoolScan<'a> {
    fn new(
        directory: Arc<dyn UserDirectory>,
        options: ScanOptions,
        clock: Clock,
        ready: VecDeque<PageChain>,
        next_look_up: NextLookUp<'a>,
    ) -> Self {
        Self {
            directory,
            clock,
            budget: CallPacer::new(clock, options.reads),
            rng: Rng::new(options.seed).fork("scan"),
            ready,
            next_look_up,
            backing_off: Vec::new(),
            in_flight: JoinSet::new(),
            has_one_chain: false,
            unanswered: None,
            unanswered_in_turn: 0,
            is_answered: false,
            scanned: ScanResult { began: clock.unix_ms(), ..ScanResult::default() },
        }
    }

    async fn run(mut self, take: TakeUsers<'_>) -> Result<ScanResult, StopError> {
        let started = self.clock.now();
        self.work(take).await?;
        if let (false, Some(stop)) = (self.is_answered, self.unanswered) {
            return Err(stop);
        }
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
        Ok((self.next_look_up)()?.and_then(PageChain::of_look_up))
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
        (self.is_answered, self.unanswered_in_turn) = (true, 0);
        self.scanned.skew.observe_answer(sent_unix_ms, self.clock.unix_ms(), &answer.meta);
        let page = answer.value;
        if chain.must_be_split(&page) {
            self.ready.extend(DIGITS.chars().map(PageChain::of_sub_prefix));
            return Ok(());
        }
        self.scanned.users += page.users.len() as u64;
        chain.token = page.next_token;
        chain.faults = 0;
        let rest = self.rest_of(chain, &page.users);
        self.ready.extend(rest);
        take(page.users)
    }

    /// What is still to be read after a page of a chain.
    fn rest_of(&mut self, mut chain: PageChain, users: &[PoolUser]) -> Option<PageChain> {
        if chain.is_part_of_scan() && self.has_one_chain {
            return None;
        }
        chain.pages += 1;
        let (Some(filter), Some(look_up)) = (&chain.filter, &chain.look_up) else {
            return chain.token.is_some().then_some(chain);
        };
        if look_up.is_found_among(filter, users) {
            // Several users may have one address.
            let goes_on = filter.attribute == "email" && chain.token.is_some();
            chain.look_up.iter_mut().for_each(|look_up| look_up.filters.clear());
            return goes_on.then_some(chain);
        }
        match chain.token {
            Some(_) if filter.prefix && chain.pages >= READ_PAGES_MAX => self.scanned.cut_look_ups += 1,
            Some(_) => return Some(chain),
            None => {}
        }
        chain.look_up.and_then(PageChain::of_look_up)
    }

    fn on_fault(&mut self, mut chain: PageChain, fault: &CallFault) -> Result<(), StopError> {
        let class = classify(CallKind::Read, fault);
        if chain.is_part_of_scan() && self.has_one_chain {
            return Ok(());
        }
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
            // That such a filter is accepted is documented and was never seen. What the other chains read is read again.
            FaultClass::Refused(_) if chain.is_part_of_scan() && chain.token.is_none() => {
                tracing::debug!(code = fault.code(), "the pool is read in one chain");
                self.has_one_chain = true;
                self.ready = VecDeque::from([PageChain::whole_undivided()]);
                self.backing_off.clear();
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
            _ if chain.look_up.is_some() => self.give_up_look_up(fault),
            _ => Err(stop_error(StopCause::Unreachable, "ListUsers", fault)),
        }
    }

    /// Gives up one look-up, so that it does not stop the others. Where so many in turn fail, all will.
    fn give_up_look_up(&mut self, fault: &CallFault) -> Result<(), StopError> {
        self.scanned.cut_look_ups += 1;
        self.unanswered_in_turn += 1;
        let stop = stop_error(StopCause::Unreachable, "ListUsers", fault);
        if self.unanswered_in_turn >= limits::LOOK_UPS_UNANSWERED_MAX {
            return Err(stop);
        }
        tracing::debug!(code = fault.code(), "a look-up is given up");
        self.unanswered = Some(stop);
        Ok(())
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
    async fn a_service_without_filters_on_a_start_of_sub_is_read_in_one_chain() {
        let world = Account::new(7).with_pool(pool(600)).with_latency(Latency::usual());
        let world = world.with_behaviors([cognito_sim::Behavior::NoSubPrefix]);
        let service = InProcessService::new(world, Clock::starting_at(1_800_000_000_000));
        let (seen, _) = scanned(&service, 30.0).await.unwrap();
        assert!(each_once(&seen, 600));
        assert!(
            service.account.stats().of(Operation::ListUsers).calls > 11,
            "ten pages, the first once more, and a filter"
        );
    }

    /// The users that look-ups for these rows find.
    async fn looked_up(pool: Pool, behaviors: &[cognito_sim::Behavior], links: &[Link]) -> (Vec<String>, ScanResult) {
        let world = Account::new(7).with_pool(pool).with_latency(Latency::off());
        let world = world.with_behaviors(behaviors.iter().copied());
        let service = InProcessService::new(world, Clock::starting_at(1_800_000_000_000));
        let naming = PoolNaming::from(&service.describe_pool().await.unwrap().value);
        let mut filters = LookUpFilters::new(naming);
        let mut look_ups: Vec<_> = links.iter().flat_map(|link| filters.filters_for(link)).collect();
        let mut names = Vec::new();
        let mut take = |users: Vec<PoolUser>| {
            names.extend(users.iter().map(|user| user.username.expose().to_owned()));
            Ok(())
        };
        let clock = Clock::starting_at(1_800_000_000_000);
        let result = look_up(service, options(30.0), clock, &mut || Ok(look_ups.pop()), &mut take).await.unwrap();
        names.sort();
        (names, result)
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_is_found_however_the_pool_shows_names_and_reads_a_backslash() {
        use cognito_sim::Behavior::{FilterKeepsBackslashes, NamesKeepCase};
        let by_name = |name: &str| link(Destination::Username(Personal::from_service(name)), "1");
        for behaviors in
            [&[][..], &[NamesKeepCase], &[FilterKeepsBackslashes], &[NamesKeepCase, FilterKeepsBackslashes]]
        {
            let mut pool = Pool::new(PoolSettings::new(POOL).case_sensitive(false));
            for name in ["Alice", r"corp\bob", r"corp\carol", "okta_1"] {
                pool.add_user(NewUser::named(name)).unwrap();
            }
            let (names, result) = looked_up(pool, behaviors, &[by_name("Alice"), by_name(r"corp\bob")]).await;
            let has = |name: &str| names.iter().any(|found| found.eq_ignore_ascii_case(name));
            assert!(has("alice") && has(r"corp\bob") && has("okta_1"), "{behaviors:?}: {names:?}");
            assert_eq!(result.cut_look_ups, 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_is_an_address_is_asked_for_as_that_last() {
        let mut pool = Pool::new(PoolSettings::new(POOL));
        pool.add_user(NewUser::named("alice").with_verified_email("a@example.com")).unwrap();
        let (names, result) =
            looked_up(pool, &[], &[link(Destination::Username(Personal::from_service("a@example.com")), "1")]).await;
        assert_eq!((names, result.reads), (vec!["alice".to_owned()], 3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_start_that_many_names_share_is_given_up() {
        let mut pool = pool(60 * READ_PAGES_MAX + 1);
        pool.add_user(NewUser::named(r"user\x")).unwrap();
        let behaviors = [cognito_sim::Behavior::FilterKeepsBackslashes];
        let (_, result) =
            looked_up(pool, &behaviors, &[link(Destination::Username(Personal::from_service(r"user\y")), "1")]).await;
        assert_eq!(result.cut_look_ups, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn one_look_up_that_is_not_answered_does_not_stop_the_others() {
        let failing = |trigger| FaultPlan::none().with(FaultRule::new(FaultKind::ErrorBefore, trigger));
        let names = ["user-1", "user-2", "user-3"];
        let links = names.map(|name| link(Destination::Username(Personal::from_service(name)), "1"));
        let given_up = async |faults| {
            let service = service(pool(10), 30.0, faults);
            let mut filters = LookUpFilters::new(PoolNaming { case_sensitive: true, usernames_are_subs: false });
            let mut look_ups: Vec<_> = links.iter().flat_map(|link| filters.filters_for(link)).collect();
            let (mut take, mut next) = (|_| Ok(()), || Ok(look_ups.pop()));
            look_up(service, options(30.0), Clock::starting_at(0), &mut next, &mut take).await
        };
        // Four look-ups, each with at most five attempts: some meet five faults, and not all.
        let cut = given_up(failing(FaultTrigger::Calls(1..=18))).await.unwrap().cut_look_ups;
        assert!((1..4).contains(&cut), "{cut}");
        let stop = given_up(failing(FaultTrigger::From(1))).await.unwrap_err();
        assert_eq!(stop.cause, StopCause::Unreachable, "nothing is answered");
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
        let mut filters = LookUpFilters::new(PoolNaming { case_sensitive, usernames_are_subs: false });
        let look_ups = links.iter().flat_map(|link| filters.filters_for(link));
        look_ups.map(|look_up| look_up.filters[0].to_text()).collect()
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
        assert!(text.starts_with("username ^= ") && text.chars().count() <= limits::FILTER_CHARS_MAX, "{text}");
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
