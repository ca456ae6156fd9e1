//! `doctor`: what a migration needs of the account, the pool and this machine, looked at one by one. Holds no writing
//! half of the service.

use std::time::Duration;

use crate::clock::{Clock, sleep};
use crate::domain::checkup::{Check, Found, Topic};
use crate::domain::identity::{Personal, ProviderName};
use crate::domain::stop::{Stop, StopCause};
use crate::foresight::preflight::Patience;
use crate::foresight::questions::LookUpCost;
use crate::foresight::quota;
use crate::limits;
use crate::pace::{Limit, Pace};
use crate::seed::Rng;
use crate::service::{Answer, LimitReader, PoolFacts, PortFuture, UserDirectory, UserFilter, UserQuery};

/// Types of providers whose attributes can be mapped freely, and whose identities can be linked by an attribute.
const MAPPED_KINDS: [&str; 2] = ["OIDC", "SAML"];

/// How a migration is meant to go.
#[derive(Debug, Clone, Copy)]
pub struct DoctorTask {
    /// The share of the quota that it takes, over 0 up to 1.
    pub share: f64,
    /// The pace of the reads.
    pub reads: Pace,
    /// The seed of random waits.
    pub seed: u64,
}

/// The halves of the service that are looked at: both only read.
#[derive(Clone, Copy)]
pub struct Readers<'a> {
    /// The pool.
    pub directory: &'a dyn UserDirectory,
    /// The account's limits.
    pub limits: &'a dyn LimitReader,
}

impl DoctorTask {
    /// Makes every check, in order; one that fails leaves out only those that cannot be made without it.
    pub async fn examine(&self, readers: Readers<'_>, clock: Clock) -> Vec<Check> {
        let mut rng = Rng::new(self.seed).fork("doctor");
        let patience = Patience::new(clock, &mut rng);
        let mut examination = Examination { patience, readers, closed: None, checks: Vec::new() };
        let facts = examination.pool().await;
        examination.providers().await;
        examination.users().await;
        let pace = examination.quota(*self, clock).await;
        examination.clock();
        let mut checks = examination.checks;
        checks.extend(self.times(facts.as_ref(), pace));
        checks.push(not_tried());
        checks
    }

    /// The checks where there are no credentials to make a call with.
    #[must_use]
    pub fn without_credentials(stop: Stop) -> Vec<Check> {
        let why = left_out_after(stop.cause);
        let credentials = Check { topic: Topic::Credentials, found: Found::Stopped(stop) };
        let rest = [Topic::Pool, Topic::Triggers, Topic::Providers, Topic::Users, Topic::Quota, Topic::Clock];
        let rest = rest.into_iter().chain([Topic::ScanTime, Topic::LinkTime]);
        let left_out = rest.map(|topic| Check { topic, found: Found::LeftOut(why) });
        [credentials].into_iter().chain(left_out).chain([not_tried()]).collect()
    }

    fn times(&self, facts: Option<&PoolFacts>, links_pace: Option<f64>) -> [Check; 2] {
        let scan = match (facts.map(|facts| facts.estimated_user_count), self.reads.expected()) {
            (Some(users), Some(pace)) => Found::ScanTime { users, reads: LookUpCost::of_scan(users), pace },
            _ => Found::LeftOut("the number of users is not known"),
        };
        let links = match links_pace {
            Some(pace) => Found::LinkTime { links: limits::LINKS_FORESEEN, pace },
            None => Found::LeftOut("the quota is not known"),
        };
        [Check { topic: Topic::ScanTime, found: scan }, Check { topic: Topic::LinkTime, found: links }]
    }
}

fn not_tried() -> Check {
    Check { topic: Topic::Permission, found: Found::NotTried("AdminLinkProviderForUser") }
}

/// Why nothing more is asked after this.
fn left_out_after(cause: StopCause) -> &'static str {
    match cause {
        StopCause::Credentials => "there are no credentials that the service accepts",
        StopCause::PoolMissing => "the pool is not there",
        StopCause::NotEnabledHere => "this is not the pool's primary Region",
        _ => "the service does not answer",
    }
}

struct Examination<'a> {
    patience: Patience<'a>,
    readers: Readers<'a>,
    /// Why nothing more is asked.
    closed: Option<&'static str>,
    checks: Vec<Check>,
}

impl<'a> Examination<'a> {
    fn add(&mut self, topic: Topic, found: Found) {
        self.checks.push(Check { topic, found });
    }

    /// Whether no other call will fare better.
    fn closes(&self, cause: StopCause) -> bool {
        match cause {
            StopCause::AccessDenied => false,
            StopCause::Unreachable => self.checks.is_empty(),
            _ => true,
        }
    }

    /// Makes a call for a check; where there is no answer, the check says why.
    async fn ask<T>(
        &mut self,
        topic: Topic,
        operation: &'static str,
        make: &dyn Fn() -> PortFuture<'a, T>,
    ) -> Option<T> {
        if let Some(why) = self.closed {
            self.add(topic, Found::LeftOut(why));
            return None;
        }
        match self.patience.call(operation, make).await {
            Ok(Answer { value, .. }) => Some(value),
            Err(stop) => {
                if self.closes(stop.cause) {
                    self.closed = Some(left_out_after(stop.cause));
                }
                self.add(topic, Found::Stopped(stop));
                None
            }
        }
    }

    /// The first call, which tells of the credentials as well.
    async fn pool(&mut self) -> Option<PoolFacts> {
        let directory = self.readers.directory;
        let facts = self.ask(Topic::Pool, "DescribeUserPool", &|| directory.describe_pool()).await;
        let stopped = self.checks.pop_if(|_| facts.is_none());
        match stopped.as_ref().map(|check| &check.found) {
            Some(Found::Stopped(stop)) if stop.cause == StopCause::Credentials => {
                self.add(Topic::Credentials, Found::Stopped(stop.clone()));
                self.add(Topic::Pool, Found::LeftOut(left_out_after(stop.cause)));
            }
            Some(Found::Stopped(stop)) if stop.cause == StopCause::Unreachable => {
                self.add(Topic::Credentials, Found::LeftOut(left_out_after(stop.cause)));
                self.checks.extend(stopped);
            }
            _ => {
                self.add(Topic::Credentials, Found::Accepted);
                self.checks.extend(stopped);
            }
        }
        let Some(facts) = facts else {
            self.add(Topic::Triggers, Found::LeftOut("the pool's settings cannot be read"));
            return None;
        };
        let (name, case_sensitive) = (facts.name.clone(), facts.case_sensitive);
        self.add(Topic::Pool, Found::Pool { name, case_sensitive, users: facts.estimated_user_count });
        self.add(Topic::Triggers, Found::PreSignUp(facts.has_pre_sign_up_trigger));
        Some(facts)
    }

    async fn providers(&mut self) {
        let directory = self.readers.directory;
        let (mut providers, mut token) = (Vec::new(), None);
        loop {
            let list = || directory.list_providers(token.clone());
            let Some(page) = self.ask(Topic::Providers, "ListIdentityProviders", &list).await else { return };
            providers.extend(page.providers.into_iter().map(|provider| (provider.name, provider.kind)));
            token = page.next_token;
            if token.is_none() || providers.len() > limits::PROVIDERS_PER_POOL_MAX {
                break;
            }
        }
        providers.sort();
        let is_mapped = |kind: &String| MAPPED_KINDS.contains(&kind.as_str());
        let mapped = providers.iter().filter(|(_, kind)| is_mapped(kind)).map(|(name, _)| name.clone()).collect();
        self.add(Topic::Providers, Found::Providers(providers));
        self.mappings(mapped).await;
    }

    /// One after the other, until one cannot be read: then none can.
    async fn mappings(&mut self, providers: Vec<ProviderName>) {
        let directory = self.readers.directory;
        for (index, provider) in providers.into_iter().enumerate() {
            if index > 0 {
                sleep(Duration::from_millis(limits::MAPPING_SPACING_MS)).await;
            }
            let describe = || directory.mapped_attributes(provider.clone());
            let Some(mapped) = self.ask(Topic::Mapping, "DescribeIdentityProvider", &describe).await else { return };
            self.add(Topic::Mapping, Found::Mapping { provider, mapped });
        }
    }

    /// One user at the most, with the filter that a scan splits the pool by.
    async fn users(&mut self) {
        let directory = self.readers.directory;
        let list = || {
            let filter = UserFilter { attribute: "sub", prefix: true, value: Personal::from_service("0") };
            directory.list_users(UserQuery { filter: Some(filter), limit: Some(1), token: None })
        };
        if self.ask(Topic::Users, "ListUsers", &list).await.is_some() {
            self.add(Topic::Users, Found::Users);
        }
    }

    /// As answers have told on the way, refusals too.
    fn clock(&mut self) {
        let found = match (self.patience.skew().bounds_ms(), self.closed) {
            (None, Some(why)) => Found::LeftOut(why),
            (bounds, _) => Found::Clock(bounds),
        };
        self.add(Topic::Clock, found);
    }

    /// The pace of a run; the account's limits are none of the pool's.
    async fn quota(&mut self, task: DoctorTask, clock: Clock) -> Option<f64> {
        if let Some(why) = self.closed {
            self.add(Topic::Quota, Found::LeftOut(why));
            return None;
        }
        let limit = quota::limit(self.readers.limits, Limit::assumed(task.share, 1), clock).await;
        let Limit { per_second, share, .. } = limit;
        let pace = limit.ceiling();
        self.add(Topic::Quota, Found::Quota { per_second, origin: limit.origin.as_str(), share, pace });
        Some(pace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixMs;
    use crate::domain::checkup::CheckStatus;
    use crate::service::sim::fault::FaultPlan;
    use crate::service::sim::latency::Latency;
    use crate::service::sim::{Pool, PoolSettings, SharedWorld, SimService, World};
    use crate::service::{AnswerMeta, Fault};

    const START: UnixMs = 1_795_000_000_000;
    const POOL: &str = "sim-local-1_Doctor";

    /// An account that tells its limit, or nothing.
    struct Account(Option<f64>);

    impl LimitReader for Account {
        fn provisioned_limit(&self) -> PortFuture<'_, f64> {
            let refused = Fault::Unsent { credentials: false, detail: String::new() };
            let answer = self.0.map(|value| Answer { value, meta: AnswerMeta::default() }).ok_or(refused);
            Box::pin(async move { answer })
        }

        fn quota(&self) -> PortFuture<'_, f64> {
            self.provisioned_limit()
        }
    }

    /// Examines a pool with these providers and faults, whose service is so far ahead of us.
    async fn examined(providers: &[&str], faults: &str, ahead_ms: i64, limit: Option<f64>) -> Vec<Check> {
        let mut pool = Pool::new(PoolSettings::new(POOL));
        for provider in providers {
            pool.ensure_provider(provider).unwrap();
        }
        let faults = FaultPlan::parse(faults).unwrap();
        let world = World::new(7).with_pool(pool).with_latency(Latency::off()).with_faults(faults);
        let service = SimService::sharing(SharedWorld::new(world), Clock::starting_at(START + ahead_ms), POOL);
        let task = DoctorTask { share: 0.5, reads: Pace::at(15.0), seed: 7 };
        let readers = Readers { directory: service.as_ref(), limits: &Account(limit) };
        let checks = task.examine(readers, Clock::starting_at(START)).await;
        let stats = service.stats();
        assert_eq!(stats.links_made, 0);
        checks
    }

    /// Names and statuses on a line.
    fn line(checks: &[Check]) -> String {
        let word = |check: &Check| format!("{}:{}", check.topic.as_str(), check.status().as_str());
        checks.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_denied_or_missing_leaves_out_only_what_stands_on_it() {
        let google = ["Google"];
        for (providers, faults, ahead_ms, limit, expected) in [
            (
                &google[..],
                "",
                0,
                Some(40.0),
                "credentials:ok pool:ok triggers:ok providers:ok users:ok quota:ok clock:ok scan_time:ok link_time:ok \
                 permission:skip",
            ),
            (
                &[],
                "",
                20_000,
                None,
                "credentials:ok pool:ok triggers:ok providers:fail users:ok quota:warn clock:warn scan_time:ok \
                 link_time:ok permission:skip",
            ),
            (
                &google,
                "access-denied@1..:DescribeUserPool",
                -400_000,
                Some(40.0),
                "credentials:ok pool:fail triggers:skip providers:ok users:ok quota:ok clock:fail scan_time:skip \
                 link_time:ok permission:skip",
            ),
            (
                &google,
                "expired-credentials@1..",
                400_000,
                Some(40.0),
                "credentials:fail pool:skip triggers:skip providers:skip users:skip quota:skip clock:fail \
                 scan_time:skip link_time:skip permission:skip",
            ),
            (
                &google,
                "expired-credentials@1..:ListUsers",
                0,
                Some(40.0),
                "credentials:ok pool:ok triggers:ok providers:ok users:fail quota:skip clock:ok scan_time:ok \
                 link_time:skip permission:skip",
            ),
            (
                &google,
                "lost-before@1..",
                0,
                Some(40.0),
                "credentials:skip pool:fail triggers:skip providers:skip users:skip quota:skip clock:skip \
                 scan_time:skip link_time:skip permission:skip",
            ),
            (
                &google,
                "throttled@1..3",
                0,
                Some(40.0),
                "credentials:ok pool:ok triggers:ok providers:ok users:ok quota:ok clock:ok scan_time:ok link_time:ok \
                 permission:skip",
            ),
        ] {
            let checks = examined(providers, faults, ahead_ms, limit).await;
            assert_eq!(line(&checks), expected, "{providers:?} {faults}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_paces_are_shares_of_the_limits() {
        let checks = examined(&["Google"], "", 0, Some(40.0)).await;
        let found = |topic| checks.iter().find(|check| check.topic == topic).map(|check| check.found.clone());
        let quota = Found::Quota { per_second: 40.0, origin: "provisioned", share: 0.5, pace: 20.0 };
        assert_eq!(found(Topic::Quota), Some(quota));
        assert_eq!(found(Topic::ScanTime), Some(Found::ScanTime { users: 0, reads: 1, pace: 15.0 }));
        assert_eq!(found(Topic::LinkTime), Some(Found::LinkTime { links: 1_000_000, pace: 20.0 }));
    }

    #[tokio::test(start_paused = true)]
    async fn mappings_are_read_one_after_the_other_until_one_is_denied() {
        let clock = Clock::starting_at(START);
        let checks = examined(&["Okta", "Google", "Corp"], "access-denied@1..:DescribeIdentityProvider", 0, None).await;
        let mappings: Vec<_> = checks.iter().filter(|check| check.topic == Topic::Mapping).map(Check::status).collect();
        assert_eq!(mappings, [CheckStatus::Warn]);
        assert!(clock.elapsed() < Duration::from_millis(limits::MAPPING_SPACING_MS));
        let checks = examined(&["Okta", "Google", "Corp"], "", 0, None).await;
        assert_eq!(checks.iter().filter(|check| check.topic == Topic::Mapping).count(), 2);
        assert!(clock.elapsed() >= Duration::from_millis(limits::MAPPING_SPACING_MS));
    }

    #[test]
    fn without_credentials_nothing_else_is_looked_at() {
        let stop = Stop::new(StopCause::Credentials, "no credentials found");
        let checks = DoctorTask::without_credentials(stop);
        assert!(line(&checks).starts_with("credentials:fail pool:skip triggers:skip providers:skip users:skip "));
        assert_eq!(checks.iter().filter(|check| check.status() == CheckStatus::Skip).count(), 9);
    }
}
