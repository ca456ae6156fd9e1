//! `doctor`: checks what a migration needs of the account, the pool and this machine. Never writes.

mod view;

use std::time::Duration;

use clap::Args;

use super::shared::settings::parse_share;
use super::shared::{
    CommandContext, Failure, PoolAddress, PoolArgs, RateChoice, SimulationArgs, check_outputs, headings,
};
use crate::clock::{Clock, sleep};
use crate::domain::doctor::{CheckResult, CheckStatus, CheckTopic, DoctorCheck, DoctorReport};
use crate::domain::identity::{Personal, ProviderName};
use crate::domain::run::{StopCause, StopError};
use crate::exit::Exit;
use crate::foresight::preflight::PatientReader;
use crate::foresight::quota;
use crate::foresight::scan::LookUpCost;
use crate::limits;
use crate::pace::{Pace, RateQuota};
use crate::seed::Rng;
use crate::service::{Answer, PoolFacts, PortFuture, QuotaReader, UserDirectory, UserFilter, UserQuery};

/// Types of providers with mappings of one's own, whose identities can be linked by an attribute.
const MAPPED_KINDS: [&str; 2] = ["OIDC", "SAML"];

const EXAMPLE: &str = "Example: cognito-link doctor --user-pool-id us-east-1_AbCdEfGhI";

/// Check credentials, pool, providers, mappings, permissions, quota and clock
///
/// Run it before a migration. Makes a few calls that read, and never writes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub pool: PoolArgs,
    /// Share of the quota that the migration will take, over 0 up to 1 [default: 0.8]
    #[arg(long, value_name = "SHARE", value_parser = parse_share, help_heading = headings::PACE)]
    pub share: Option<f64>,
    #[command(flatten)]
    pub simulation: SimulationArgs,
}

pub async fn cmd_doctor(args: DoctorArgs, context: &CommandContext<'_>) -> Result<Exit, Failure> {
    let CommandContext { ui, clock, seed, .. } = context;
    check_outputs(&[args.simulation.output()], &args.simulation.files_read(), context.force)?;
    let choice = RateChoice::of_reads(args.share, &context.file_settings)?;
    let migration = PlannedMigration { share: choice.share, reads: choice.read_pace(), seed: *seed };
    let address = PoolAddress::find(&args.pool, &args.simulation, *seed, &context.file_settings)?;
    ui.status("reading the pool's settings");
    let checks = match address.connect().await {
        Ok(service) => {
            let (directory, limits) = (service.directory(), service.limits());
            migration.check(directory.as_ref(), limits.as_ref(), *clock).await
        }
        Err(stop) if stop.cause == StopCause::Configuration => return Err(stop.into()),
        Err(stop) => checks_without_credentials(stop),
    };
    ui.clear_status();
    let report = DoctorReport { simulated: address.is_simulated(), pool: address.pool.clone(), checks };
    address.close()?;
    let exit = if report.count(CheckStatus::Fail) == 0 { Exit::Success } else { Exit::Access };
    view::print_checkup(&report, exit, ui)?;
    Ok(exit)
}

/// The migration that the checks are for.
#[derive(Debug, Clone, Copy)]
struct PlannedMigration {
    /// Its share of the quota, over 0 up to 1.
    share: f64,
    reads: Pace,
    seed: u64,
}

impl PlannedMigration {
    /// Makes every check in order. One that fails leaves out only those that depend on it.
    async fn check(self, directory: &dyn UserDirectory, limits: &dyn QuotaReader, clock: Clock) -> Vec<DoctorCheck> {
        let mut rng = Rng::new(self.seed).fork("doctor");
        let patience = PatientReader::new(clock, &mut rng);
        let mut checkup = Checkup { patience, directory, limits, closed: None, checks: Vec::new() };
        let facts = checkup.check_pool().await;
        checkup.check_providers(facts.as_ref()).await;
        checkup.check_users().await;
        let pace = checkup.check_quota(self.share, clock).await;
        checkup.check_clock();
        let mut checks = checkup.checks;
        let scan = match (facts.map(|facts| facts.estimated_user_count), self.reads.expected()) {
            (Some(users), Some(pace)) => CheckResult::ScanTime { users, reads: LookUpCost::of_scan(users), pace },
            _ => CheckResult::LeftOut("the number of users is not known"),
        };
        checks.push(DoctorCheck { topic: CheckTopic::ScanTime, found: scan });
        let links = match pace {
            Some(pace) => CheckResult::LinkTime { links: limits::LINK_TIME_LINKS, pace },
            None => CheckResult::LeftOut("the quota is not known"),
        };
        checks.push(DoctorCheck { topic: CheckTopic::LinkTime, found: links });
        checks.push(permission_not_tried());
        checks
    }
}

/// Returns the checks where there are no credentials to make a call with.
fn checks_without_credentials(stop: StopError) -> Vec<DoctorCheck> {
    let why = reason_after(stop.cause);
    let credentials = DoctorCheck { topic: CheckTopic::Credentials, found: CheckResult::Stopped(stop) };
    let others = [
        CheckTopic::Pool,
        CheckTopic::Triggers,
        CheckTopic::Providers,
        CheckTopic::Users,
        CheckTopic::Quota,
        CheckTopic::Clock,
    ];
    let others = others.into_iter().chain([CheckTopic::ScanTime, CheckTopic::LinkTime]);
    let left_out = others.map(|topic| DoctorCheck { topic, found: CheckResult::LeftOut(why) });
    [credentials].into_iter().chain(left_out).chain([permission_not_tried()]).collect()
}

fn permission_not_tried() -> DoctorCheck {
    DoctorCheck { topic: CheckTopic::Permission, found: CheckResult::NotTried("AdminLinkProviderForUser") }
}

/// Says why no further call is made.
fn reason_after(cause: StopCause) -> &'static str {
    match cause {
        StopCause::Credentials => "there are no credentials that the service accepts",
        StopCause::PoolMissing => "the pool was not found",
        StopCause::NotEnabledHere => "this is not the pool's primary Region",
        _ => "the service does not answer",
    }
}

struct Checkup<'a> {
    patience: PatientReader<'a>,
    directory: &'a dyn UserDirectory,
    limits: &'a dyn QuotaReader,
    /// Why no further call is made.
    closed: Option<&'static str>,
    checks: Vec<DoctorCheck>,
}

impl<'a> Checkup<'a> {
    fn add(&mut self, topic: CheckTopic, found: CheckResult) {
        self.checks.push(DoctorCheck { topic, found });
    }

    /// Makes a call for a check. Without an answer, the check says why.
    async fn call<T>(
        &mut self,
        topic: CheckTopic,
        operation: &'static str,
        make: &dyn Fn() -> PortFuture<'a, T>,
    ) -> Option<T> {
        if let Some(why) = self.closed {
            self.add(topic, CheckResult::LeftOut(why));
            return None;
        }
        match self.patience.call(operation, make).await {
            Ok(Answer { value, .. }) => Some(value),
            Err(stop) => {
                let ends_all_calls = match stop.cause {
                    StopCause::AccessDenied => false,
                    StopCause::Unreachable => self.checks.is_empty(),
                    _ => true,
                };
                if ends_all_calls {
                    self.closed = Some(reason_after(stop.cause));
                }
                self.add(topic, CheckResult::Stopped(stop));
                None
            }
        }
    }

    /// Makes the first call, which checks the credentials as well.
    async fn check_pool(&mut self) -> Option<PoolFacts> {
        let directory = self.directory;
        let facts = self.call(CheckTopic::Pool, "DescribeUserPool", &|| directory.describe_pool()).await;
        let stopped = self.checks.pop_if(|_| facts.is_none());
        match stopped.as_ref().map(|check| &check.found) {
            Some(CheckResult::Stopped(stop)) if stop.cause == StopCause::Credentials => {
                self.add(CheckTopic::Credentials, CheckResult::Stopped(stop.clone()));
                self.add(CheckTopic::Pool, CheckResult::LeftOut(reason_after(stop.cause)));
            }
            Some(CheckResult::Stopped(stop)) if stop.cause == StopCause::Unreachable => {
                self.add(CheckTopic::Credentials, CheckResult::LeftOut(reason_after(stop.cause)));
                self.checks.extend(stopped);
            }
            _ => {
                self.add(CheckTopic::Credentials, CheckResult::Accepted);
                self.checks.extend(stopped);
            }
        }
        let Some(facts) = facts else {
            self.add(CheckTopic::Triggers, CheckResult::LeftOut("the pool's settings cannot be read"));
            return None;
        };
        let (name, case_sensitive) = (facts.name.clone(), facts.case_sensitive);
        self.add(CheckTopic::Pool, CheckResult::Pool { name, case_sensitive, users: facts.estimated_user_count });
        self.add(CheckTopic::Triggers, CheckResult::PreSignUp(facts.has_pre_sign_up_trigger));
        if facts.admin_only_sign_up {
            self.add(CheckTopic::SignUp, CheckResult::AdminOnlySignUp);
        }
        Some(facts)
    }

    async fn check_providers(&mut self, facts: Option<&PoolFacts>) {
        let directory = self.directory;
        let (mut providers, mut token) = (Vec::new(), None);
        loop {
            let list = || directory.list_providers(token.clone());
            let Some(page) = self.call(CheckTopic::Providers, "ListIdentityProviders", &list).await else { return };
            providers.extend(page.providers.into_iter().map(|provider| (provider.name, provider.kind)));
            token = page.next_token;
            if token.is_none() || providers.len() > limits::PROVIDERS_PER_POOL_MAX {
                break;
            }
        }
        providers.sort();
        // A pool without such attributes has nothing that the mapping of a social provider could break.
        let is_strict =
            facts.is_some_and(|facts| !facts.immutable_attributes.is_empty() || !facts.required_attributes.is_empty());
        let is_mapped = |kind: &String| is_strict || MAPPED_KINDS.contains(&kind.as_str());
        let mapped = providers.iter().filter(|(_, kind)| is_mapped(kind)).map(|(name, _)| name.clone()).collect();
        self.add(CheckTopic::Providers, CheckResult::Providers(providers));
        self.check_mappings(mapped, facts).await;
    }

    /// Stops at the first that cannot be read: the others cannot be read either.
    async fn check_mappings(&mut self, providers: Vec<ProviderName>, facts: Option<&PoolFacts>) {
        let directory = self.directory;
        let (immutables, required) = facts.map_or_else(Default::default, |facts| {
            (facts.immutable_attributes.clone(), facts.required_attributes.clone())
        });
        for (index, provider) in providers.into_iter().enumerate() {
            if index > 0 {
                sleep(Duration::from_millis(limits::MAPPING_SPACING_MS)).await;
            }
            let describe = || directory.mapped_attributes(provider.clone());
            let Some(mapped) = self.call(CheckTopic::Mapping, "DescribeIdentityProvider", &describe).await else {
                return;
            };
            let immutable = mapped.intersection(&immutables).cloned().collect();
            let missing = required.difference(&mapped).cloned().collect();
            self.add(CheckTopic::Mapping, CheckResult::Mapping { provider, mapped, immutable, missing });
        }
    }

    /// Reads at most one user, with a filter as a scan uses it, or without one where the service refuses that filter.
    async fn check_users(&mut self) {
        let directory = self.directory;
        let list = || {
            let filter = UserFilter { attribute: "sub", prefix: true, value: Personal::from_service("0") };
            directory.list_users(UserQuery { filter: Some(filter), limit: Some(1), token: None })
        };
        if self.call(CheckTopic::Users, "ListUsers", &list).await.is_some() {
            self.add(CheckTopic::Users, CheckResult::Users);
            return;
        }
        let is_refused = |check: &mut DoctorCheck| matches!(&check.found, CheckResult::Stopped(stop) if stop.cause == StopCause::Unreachable);
        if self.closed.is_some() || self.checks.pop_if(is_refused).is_none() {
            return;
        }
        let list = || directory.list_users(UserQuery { filter: None, limit: Some(1), token: None });
        if self.call(CheckTopic::Users, "ListUsers", &list).await.is_some() {
            self.add(CheckTopic::Users, CheckResult::UsersInOneChain);
        }
    }

    /// Compares the clocks by the answers so far, including refusals.
    fn check_clock(&mut self) {
        let found = match (self.patience.skew().bounds_ms(), self.closed) {
            (None, Some(why)) => CheckResult::LeftOut(why),
            (bounds, _) => CheckResult::Clock(bounds),
        };
        self.add(CheckTopic::Clock, found);
    }

    /// Returns the pace of a run. The quota belongs to the account, not to the pool.
    async fn check_quota(&mut self, share: f64, clock: Clock) -> Option<f64> {
        if let Some(why) = self.closed {
            self.add(CheckTopic::Quota, CheckResult::LeftOut(why));
            return None;
        }
        let limit = quota::limit(self.limits, RateQuota::assumed(share, 1), clock).await;
        let RateQuota { per_second, share, .. } = limit;
        let pace = limit.ceiling();
        self.add(CheckTopic::Quota, CheckResult::Quota { per_second, origin: limit.origin.as_str(), share, pace });
        Some(pace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixMs;
    use crate::service::in_process::InProcessService;
    use crate::service::{AnswerMeta, CallFault};
    use cognito_sim::{Account, Behavior, FaultPlan, Latency, Pool, PoolSettings, SharedAccount};

    const START: UnixMs = 1_795_000_000_000;
    const POOL: &str = "sim-local-1_Doctor";

    /// An account with a readable limit, or without.
    struct FixedLimit(Option<f64>);

    impl QuotaReader for FixedLimit {
        fn provisioned_limit(&self) -> PortFuture<'_, f64> {
            let refused = CallFault::Unsent { credentials: false, detail: String::new() };
            let answer = self.0.map(|value| Answer { value, meta: AnswerMeta::default() }).ok_or(refused);
            Box::pin(async move { answer })
        }

        fn quota(&self) -> PortFuture<'_, f64> {
            self.provisioned_limit()
        }
    }

    /// Checks a pool with these providers and faults. The clock of its service is ahead of ours.
    async fn checked(providers: &[&str], faults: &str, ahead_ms: i64, limit: Option<f64>) -> Vec<DoctorCheck> {
        let mut pool = Pool::new(PoolSettings::new(POOL));
        for provider in providers {
            pool.ensure_provider(provider).unwrap();
        }
        let (behaviors, faults): (&[_], _) =
            if faults == "no-sub-prefix" { (&[Behavior::NoSubPrefix], "") } else { (&[], faults) };
        let faults = FaultPlan::parse(faults).unwrap();
        let world = Account::new(7)
            .with_pool(pool)
            .with_latency(Latency::off())
            .with_faults(faults)
            .with_behaviors(behaviors.iter().copied());
        let service = InProcessService::sharing(SharedAccount::new(world), Clock::starting_at(START + ahead_ms), POOL);
        let migration = PlannedMigration { share: 0.5, reads: Pace::at(15.0), seed: 7 };
        let checks = migration.check(service.as_ref(), &FixedLimit(limit), Clock::starting_at(START)).await;
        let stats = service.account.stats();
        assert_eq!(stats.links_made, 0);
        checks
    }

    /// Names and statuses on a line.
    fn line(checks: &[DoctorCheck]) -> String {
        let word = |check: &DoctorCheck| format!("{}:{}", check.topic.as_str(), check.status().as_str());
        checks.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_check_leaves_out_only_those_that_depend_on_it() {
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
                "no-sub-prefix",
                0,
                Some(40.0),
                "credentials:ok pool:ok triggers:ok providers:ok users:warn quota:ok clock:ok scan_time:ok \
                 link_time:ok permission:skip",
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
            let checks = checked(providers, faults, ahead_ms, limit).await;
            assert_eq!(line(&checks), expected, "{providers:?} {faults}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_paces_are_shares_of_the_limits() {
        let checks = checked(&["Google"], "", 0, Some(40.0)).await;
        let found = |topic| checks.iter().find(|check| check.topic == topic).map(|check| check.found.clone());
        let quota = CheckResult::Quota { per_second: 40.0, origin: "provisioned", share: 0.5, pace: 20.0 };
        assert_eq!(found(CheckTopic::Quota), Some(quota));
        assert_eq!(found(CheckTopic::ScanTime), Some(CheckResult::ScanTime { users: 0, reads: 1, pace: 15.0 }));
        assert_eq!(found(CheckTopic::LinkTime), Some(CheckResult::LinkTime { links: 1_000_000, pace: 20.0 }));
    }

    #[tokio::test(start_paused = true)]
    async fn mappings_are_read_one_after_the_other_until_one_is_denied() {
        let clock = Clock::starting_at(START);
        let checks = checked(&["Okta", "Google", "Corp"], "access-denied@1..:DescribeIdentityProvider", 0, None).await;
        let mappings: Vec<_> =
            checks.iter().filter(|check| check.topic == CheckTopic::Mapping).map(DoctorCheck::status).collect();
        assert_eq!(mappings, [CheckStatus::Warn]);
        assert!(clock.elapsed() < Duration::from_millis(limits::MAPPING_SPACING_MS));
        let checks = checked(&["Okta", "Google", "Corp"], "", 0, None).await;
        assert_eq!(checks.iter().filter(|check| check.topic == CheckTopic::Mapping).count(), 2);
        assert!(clock.elapsed() >= Duration::from_millis(limits::MAPPING_SPACING_MS));
    }

    #[test]
    fn without_credentials_nothing_else_is_checked() {
        let stop = StopError::new(StopCause::Credentials, "no credentials found".to_owned());
        let checks = checks_without_credentials(stop);
        assert!(line(&checks).starts_with("credentials:fail pool:skip triggers:skip providers:skip users:skip "));
        assert_eq!(checks.iter().filter(|check| check.status() == CheckStatus::Skip).count(), 9);
    }
}
