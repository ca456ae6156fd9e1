//! One reading of the whole pool, within the read budget.
//!
//! `ListUsers` gives a page at a time, and each page tells where the next one starts, so one chain of pages is as slow
//! as its answers. A user's `sub` is a UUID: `sub ^= "0"` to `sub ^= "f"` split the pool into 16 chains that do not
//! wait for each other. `AdminGetUser` is never called: it would mark every user as active for billing.
//!
//! A pool that fits one page is read with one call. A pool with a `sub` that is no UUID (an emulator's) is read in one chain.
//!
//! The same machine asks single questions, where there are fewer of them than the pool has pages.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::preflight::stop;
use super::verdict_of::verdict_of;
use crate::clock::{Clock, Instant, UnixMs, sleep_until, timeout_at};
use crate::domain::identity::Personal;
use crate::domain::stop::{Stop, StopCause};
use crate::limits;
use crate::pace::retry::backoff;
use crate::pace::{Budget, Pace, Sent, Slot, Verdict};
use crate::seed::Rng;
use crate::service::classify::{CallKind, FaultClass, classify};
use crate::service::skew::Skew;
use crate::service::{Answer, Fault, PoolUser, Transport, UserDirectory, UserFilter, UserPage, UserQuery};

const DIGITS: &str = "0123456789abcdef";

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Users that were handed on. One whose chain had to start anew is counted, and handed on, more than once.
    pub users: u64,
    pub reads: u64,
    /// Of them, those that were answered with "too many requests".
    pub throttled: u64,
    /// When it began, by our clock: what happened later may be missing from it.
    pub began: UnixMs,
    pub elapsed: Duration,
    pub skew: Skew,
}

#[derive(Debug, Clone, Copy)]
pub struct ScanOptions {
    pub reads: Pace,
    pub seed: u64,
}

/// Hands out one question after another; `None` when there are no more.
pub type NextFilter<'a> = &'a mut (dyn FnMut() -> Result<Option<UserFilter>, Stop> + Send);

/// Takes the users of a page; may end the scan.
pub type TakeUsers<'a> = &'a mut (dyn FnMut(Vec<PoolUser>) -> Result<(), Stop> + Send);

/// Reads every user of the pool, in no particular order, and hands them on page by page.
///
/// A user who is made, changed or removed meanwhile may or may not be seen so: `ListUsers` is eventually consistent.
///
/// # Errors
/// A [`Stop`] where access is denied, the service is not to be reached, or nothing is accepted for a minute.
pub async fn scan(
    directory: Arc<dyn UserDirectory>,
    options: ScanOptions,
    clock: Clock,
    take: TakeUsers<'_>,
) -> Result<Scanned, Stop> {
    let mut none = || Ok(None);
    Scan::new(directory, options, clock, VecDeque::from([Chain::whole()]), &mut none).run(take).await
}

/// Asks `ListUsers` one question after another, several at a time, and hands on what it finds.
///
/// # Errors
/// As [`scan`], and what `questions` ends with.
pub async fn look_up(
    directory: Arc<dyn UserDirectory>,
    options: ScanOptions,
    clock: Clock,
    questions: NextFilter<'_>,
    take: TakeUsers<'_>,
) -> Result<Scanned, Stop> {
    Scan::new(directory, options, clock, VecDeque::new(), questions).run(take).await
}

#[derive(Debug)]
struct Chain {
    /// Which users; `None` for all.
    filter: Option<UserFilter>,
    /// Whether it is one of several, or is not split up for want of digits.
    settled: bool,
    token: Option<String>,
    faults: u32,
    restarts: u32,
}

impl Chain {
    fn whole() -> Self {
        Self { filter: None, settled: false, token: None, faults: 0, restarts: 0 }
    }

    fn of(filter: UserFilter) -> Self {
        Self { filter: Some(filter), settled: true, ..Self::whole() }
    }

    fn starting_with(digit: char) -> Self {
        let value = Personal::from_service(&digit.to_string());
        Self::of(UserFilter { attribute: "sub", prefix: true, value })
    }

    fn query(&self) -> UserQuery {
        let limit = u32::try_from(limits::USERS_PER_PAGE_MAX).ok();
        UserQuery { filter: self.filter.clone(), limit, token: self.token.clone() }
    }

    /// Whether the pool is better read in chains: there is more than this page, and every user on it has a UUID.
    fn is_to_be_split(&mut self, page: &UserPage) -> bool {
        if self.settled || page.users.is_empty() {
            return false;
        }
        self.settled = true;
        let splits = |sub: &Personal| sub.expose().starts_with(|first: char| DIGITS.contains(first));
        page.next_token.is_some() && page.users.iter().all(|user| user.sub.as_ref().is_some_and(splits))
    }
}

struct Done {
    chain: Chain,
    sent: Sent,
    sent_unix_ms: UnixMs,
    reply: Result<Answer<UserPage>, Fault>,
}

struct Scan<'a> {
    directory: Arc<dyn UserDirectory>,
    clock: Clock,
    budget: Budget,
    rng: Rng,
    ready: VecDeque<Chain>,
    questions: NextFilter<'a>,
    resting: Vec<(Instant, Chain)>,
    in_flight: JoinSet<Done>,
    scanned: Scanned,
}

impl<'a> Scan<'a> {
    fn new(
        directory: Arc<dyn UserDirectory>,
        options: ScanOptions,
        clock: Clock,
        ready: VecDeque<Chain>,
        questions: NextFilter<'a>,
    ) -> Self {
        Self {
            directory,
            clock,
            budget: Budget::new(clock, options.reads),
            rng: Rng::new(options.seed).fork("scan"),
            ready,
            questions,
            resting: Vec::new(),
            in_flight: JoinSet::new(),
            scanned: Scanned { began: clock.unix_ms(), ..Scanned::default() },
        }
    }

    async fn run(mut self, take: TakeUsers<'_>) -> Result<Scanned, Stop> {
        let started = self.clock.now();
        self.work(take).await?;
        self.scanned.elapsed = self.clock.now().saturating_duration_since(started);
        Ok(self.scanned)
    }

    async fn work(&mut self, take: TakeUsers<'_>) -> Result<(), Stop> {
        loop {
            let wake = self.send()?;
            if self.ready.is_empty() && self.resting.is_empty() && self.in_flight.is_empty() {
                return Ok(());
            }
            tokio::select! {
                biased;
                Some(done) = self.in_flight.join_next() => match done {
                    Ok(done) => self.on_done(done, take)?,
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
    fn send(&mut self) -> Result<Option<Instant>, Stop> {
        let now = self.clock.now();
        if self.budget.stuck_for().is_some_and(|age| age > Duration::from_millis(limits::STUCK_MS)) {
            let detail = format!("ListUsers: the service has accepted nothing for {} s", limits::STUCK_MS / 1_000);
            return Err(Stop::new(StopCause::Bound, detail));
        }
        let (rested, resting) = std::mem::take(&mut self.resting).into_iter().partition(|(until, _)| *until <= now);
        self.resting = resting;
        let rested: Vec<(Instant, Chain)> = rested;
        self.ready.extend(rested.into_iter().map(|(_, chain)| chain));
        let mut wake = self.resting.iter().map(|(until, _)| *until).min();
        while let Some(chain) = self.next_chain()? {
            match self.budget.take() {
                Slot::Taken(sent) => self.ask(chain, sent),
                Slot::NotBefore(at) | Slot::CoolingDown(at) => {
                    self.ready.push_front(chain);
                    wake = Some(wake.map_or(at, |earlier| earlier.min(at)));
                    break;
                }
            }
        }
        Ok(wake)
    }

    /// What can go on, else a new question while not too many are open.
    fn next_chain(&mut self) -> Result<Option<Chain>, Stop> {
        if let Some(chain) = self.ready.pop_front() {
            return Ok(Some(chain));
        }
        if self.in_flight.len() + self.resting.len() >= limits::LOOK_UPS_OPEN_MAX {
            return Ok(None);
        }
        Ok((self.questions)()?.map(Chain::of))
    }

    fn ask(&mut self, chain: Chain, sent: Sent) {
        self.scanned.reads += 1;
        let (directory, clock) = (Arc::clone(&self.directory), self.clock);
        self.in_flight.spawn(async move {
            let sent_unix_ms = clock.unix_ms();
            let deadline = clock.now() + Duration::from_millis(limits::ATTEMPT_TIMEOUT_MS);
            let reply = timeout_at(deadline, directory.list_users(chain.query())).await.unwrap_or_else(|_| {
                Err(Fault::Transport { kind: Transport::Timeout, detail: "no answer in time".to_owned() })
            });
            Done { chain, sent, sent_unix_ms, reply }
        });
    }

    fn on_done(&mut self, done: Done, take: TakeUsers<'_>) -> Result<(), Stop> {
        let Done { mut chain, sent, sent_unix_ms, reply } = done;
        let (verdict, retry_after) = verdict_of(CallKind::Read, reply.as_ref().err());
        self.budget.on_answer(sent, verdict, retry_after);
        self.scanned.throttled += u64::from(verdict == Verdict::Throttled);
        let answer = match reply {
            Ok(answer) => answer,
            Err(fault) => return self.on_fault(chain, &fault),
        };
        self.scanned.skew.observe_answer(sent_unix_ms, self.clock.unix_ms(), &answer.meta);
        let page = answer.value;
        if chain.is_to_be_split(&page) {
            self.ready.extend(DIGITS.chars().map(Chain::starting_with));
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

    fn on_fault(&mut self, mut chain: Chain, fault: &Fault) -> Result<(), Stop> {
        let class = classify(CallKind::Read, fault);
        chain.faults += u32::from(class == FaultClass::Transient);
        match class {
            FaultClass::Fatal(cause) => Err(stop(cause, "ListUsers", fault)),
            FaultClass::Throttled { .. } | FaultClass::Unreached => {
                self.ready.push_back(chain);
                Ok(())
            }
            FaultClass::Transient if chain.faults < limits::PREFLIGHT_ATTEMPTS_MAX => {
                let until = self.clock.now() + backoff(chain.faults, &mut self.rng);
                self.resting.push((until, chain));
                Ok(())
            }
            // The only parameter that can have become wrong since the last page is its token, which expires.
            FaultClass::Refused(_) if chain.token.is_some() && chain.restarts < limits::SCAN_RESTARTS_MAX => {
                tracing::debug!(filter = ?chain.filter, code = fault.code(), "a chain starts anew");
                chain.restarts += 1;
                chain.token = None;
                self.ready.push_back(chain);
                Ok(())
            }
            _ => Err(stop(StopCause::Unreachable, "ListUsers", fault)),
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
mod tests;
