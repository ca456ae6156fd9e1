//! `doctor`: checks what a migration needs of the account, the pool, the input and this machine. Changes nothing.

mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::Args;

use super::link::InputCheck;
use super::shared::next_command::same_command;
use super::shared::part::InputPart;
use super::shared::settings::parse_share;
use super::shared::{
    CommandContext, Failure, InputArgs, PoolAddress, PoolArgs, RateChoice, SimulationArgs, check_outputs, confirm_step,
    headings, note_preset, pool_options,
};
use crate::clock::Clock;
use crate::domain::doctor::{CheckResult, CheckStatus, CheckTopic, DoctorCheck, DoctorReport};
use crate::domain::identity::{Personal, PoolId, ProviderName};
use crate::domain::run::{StopCause, StopError};
use crate::domain::state::RetryChoice;
use crate::exit::Exit;
use crate::foresight::checkup::{Checkup, SignInScope, reason_after};
use crate::foresight::link_permission::check_link_permission;
use crate::foresight::quota;
use crate::foresight::scan::LookUpCost;
use crate::input::{InputReader, InputSource};
use crate::limits;
use crate::pace::{Pace, RateQuota};
use crate::seed::Rng;
use crate::service::app_clients::AppClientReader;
use crate::service::permission_probe::{LinkPermissionProbe, NobodysLink};
use crate::service::{PoolFacts, QuotaReader, UserDirectory, UserFilter, UserQuery};
use crate::ui::MessageCode;

const EXAMPLE: &str = "Example: cognito-link doctor pairs.csv --user-pool-id us-east-1_AbCdEfGhI";

/// Check credentials, pool, providers, sign-ins, permissions, quota and clock
///
/// Run it before a migration. With an input, it checks the providers of its rows and estimates their time. Makes a few
/// calls that read. Only `--probe-write` sends a link, which cannot take effect.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct DoctorArgs {
    /// File of pairs that you want to link, as for `link`
    pub input: Option<PathBuf>,
    #[command(flatten)]
    pub reading: InputArgs,
    /// Test the permission to link with a call that cannot take effect
    ///
    /// Sends one AdminLinkProviderForUser with a provider and a user that do not exist. Asks before.
    #[arg(long)]
    pub probe_write: bool,
    /// Skip the question before `--probe-write`
    #[arg(short, long, requires = "probe_write")]
    pub yes: bool,
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
    let [pool_file, faults] = args.simulation.files_read();
    check_outputs(&[args.simulation.output()], &[args.input.as_deref(), pool_file, faults], context.force)?;
    let choice = RateChoice::of_reads(args.share, &context.file_settings)?;
    let address = PoolAddress::find(&args.pool, &args.simulation, *seed, &context.file_settings)?;
    let input = args.input.as_ref().map(|_| MigrationInput::read(&args, &address.pool, context)).transpose()?;
    let probe = args.probe_write.then(|| NobodysLink::with_number(Rng::new(*seed).fork("probe-write").next_u64()));
    if let Some(link) = probe {
        confirm_probe(link, &address.pool, args.yes, context)?;
    }
    let migration =
        PlannedMigration { share: choice.share, reads: choice.read_pace(), seed: *seed, input: input.as_ref(), probe };
    ui.status("reading the pool's settings");
    let checks = match address.connect().await {
        Ok(service) => {
            let (directory, app_clients, limits) = (service.directory(), service.app_clients(), service.limits());
            let permission = probe.map(|_| service.permission_probe());
            let ports = DoctorPorts {
                directory: directory.as_ref(),
                app_clients: app_clients.as_ref(),
                limits: limits.as_ref(),
                permission: permission.as_deref(),
            };
            migration.check(ports, *clock).await
        }
        Err(stop) if stop.cause == StopCause::Configuration => return Err(stop.into()),
        Err(stop) => migration.checks_without_credentials(stop),
    };
    ui.clear_status();
    let report = DoctorReport { simulated: address.is_simulated(), pool: address.pool.clone(), checks };
    address.close()?;
    let exit = if report.count(CheckStatus::Fail) == 0 { Exit::Success } else { Exit::Access };
    view::print_checkup(&report, exit, ui)?;
    if let Some(step) = next_step(&args, exit, context) {
        ui.hint(&step);
    }
    Ok(exit)
}

/// Returns what to do next. Standard input cannot be read again, so nothing is suggested for it.
fn next_step(args: &DoctorArgs, exit: Exit, context: &CommandContext<'_>) -> Option<String> {
    let pool = pool_options(&args.pool, &args.simulation, context);
    let input = args.input.as_deref().map(|input| args.reading.with_input(input));
    match input {
        Some(None) => None,
        _ if exit != Exit::Success => {
            let again = same_command(&context.arguments, None, "");
            Some(format!("correct what failed, and check again: `{again}`"))
        }
        Some(Some(input)) => Some(format!("compare the rows with the pool: `cognito-link validate {input}{pool}`")),
        None => Some(format!("check an input as well: `cognito-link doctor FILE{pool}`")),
    }
}

/// Announces the call of `--probe-write`, and asks.
fn confirm_probe(link: NobodysLink, pool: &PoolId, yes: bool, context: &CommandContext<'_>) -> Result<(), Failure> {
    context.ui.note(MessageCode::Intent, &format!(
        "--probe-write sends one AdminLinkProviderForUser to pool {pool}: {link}. Neither exists, so it links nothing; it \
         shows in CloudTrail as a refused call."
    ));
    if yes { Ok(()) } else { confirm_step(&format!("send it to pool {pool}?"), context) }
}

/// What the input of the migration has.
#[derive(Debug, Clone, PartialEq, Eq)]
struct MigrationInput {
    rows: u64,
    invalid: u64,
    providers: BTreeSet<ProviderName>,
}

impl MigrationInput {
    /// Checks the input as `link` does before it sends anything.
    fn read(args: &DoctorArgs, pool: &PoolId, context: &CommandContext<'_>) -> Result<Self, Failure> {
        let path = args.input.as_deref().unwrap_or_else(|| std::path::Path::new("-"));
        let source = InputSource::open(path)?;
        let options = args.reading.options(&context.file_settings)?;
        note_preset(&options, context.ui);
        InputReader::new(&source, &options)?;
        let (part, retry) = (InputPart::default(), RetryChoice::default());
        let check =
            InputCheck { source: &source, options: &options, pool, shard: None, part: &part, ledger: None, retry };
        let found = check.run(context.ui.observer().as_mut())?;
        Ok(Self { rows: found.rows, invalid: found.invalid, providers: found.providers })
    }

    fn links(&self) -> u64 {
        self.rows - self.invalid
    }
}

/// The ports through which `doctor` looks.
#[derive(Clone, Copy)]
struct DoctorPorts<'a> {
    directory: &'a dyn UserDirectory,
    app_clients: &'a dyn AppClientReader,
    limits: &'a dyn QuotaReader,
    /// Only with `--probe-write`.
    permission: Option<&'a dyn LinkPermissionProbe>,
}

/// The migration that the checks are for.
#[derive(Debug, Clone, Copy)]
struct PlannedMigration<'a> {
    /// Its share of the quota, over 0 up to 1.
    share: f64,
    reads: Pace,
    seed: u64,
    input: Option<&'a MigrationInput>,
    probe: Option<NobodysLink>,
}

impl PlannedMigration<'_> {
    /// Makes every check in order. One that fails leaves out only those that depend on it.
    async fn check(self, ports: DoctorPorts<'_>, clock: Clock) -> Vec<DoctorCheck> {
        let mut rng = Rng::new(self.seed).fork("doctor");
        let mut checkup = Checkup::new(clock, &mut rng);
        let facts = check_pool(&mut checkup, ports.directory).await;
        let in_pool = list_providers(&mut checkup, ports.directory).await;
        if let Some(input) = self.input {
            checkup.add(CheckTopic::Input, input.result(in_pool.as_ref()));
        }
        let relevant = |name: &&ProviderName| self.input.is_none_or(|input| input.providers.contains(*name));
        let providers = in_pool.iter().flatten().filter(relevant).cloned().collect();
        let (facts_read, mapped) = (facts.as_ref(), BTreeMap::new());
        let (directory, app_clients) = (ports.directory, ports.app_clients);
        let scope = SignInScope {
            directory,
            app_clients,
            facts: facts_read,
            providers,
            mapped: &mapped,
            mappings_max: limits::MAPPINGS_READ_MAX,
            app_clients_max: limits::APP_CLIENTS_READ_MAX,
        };
        checkup.check_sign_ins(&scope).await;
        check_users(&mut checkup, ports.directory).await;
        let pace = check_quota(&mut checkup, ports.limits, self.share, clock).await;
        check_clock(&mut checkup);
        let closed = checkup.closed;
        let mut checks = checkup.checks;
        let scan = match (facts.map(|facts| facts.estimated_user_count), self.reads.expected()) {
            (Some(users), Some(pace)) => CheckResult::ScanTime { users, reads: LookUpCost::of_scan(users), pace },
            _ => CheckResult::LeftOut("the number of users is not known"),
        };
        checks.push(DoctorCheck { topic: CheckTopic::ScanTime, found: scan });
        let links = match pace {
            Some(pace) => CheckResult::LinkTime { input_links: self.input.map(MigrationInput::links), pace },
            None => CheckResult::LeftOut("the quota is not known"),
        };
        checks.push(DoctorCheck { topic: CheckTopic::LinkTime, found: links });
        let permission = match (self.probe.zip(ports.permission), closed) {
            (None, _) => not_tried(),
            (Some(_), Some(why)) => CheckResult::LeftOut(why),
            (Some((link, port)), None) => check_link_permission(port, link, clock, &mut rng).await,
        };
        checks.push(DoctorCheck { topic: CheckTopic::Permission, found: permission });
        checks
    }

    /// Returns the checks where there are no credentials to make a call with.
    fn checks_without_credentials(self, stop: StopError) -> Vec<DoctorCheck> {
        let why = reason_after(stop.cause);
        let left_out = |topic| DoctorCheck { topic, found: CheckResult::LeftOut(why) };
        let mut checks = vec![DoctorCheck { topic: CheckTopic::Credentials, found: CheckResult::Stopped(stop) }];
        checks.extend([CheckTopic::Pool, CheckTopic::Triggers, CheckTopic::Providers].map(left_out));
        checks.extend(self.input.map(|input| DoctorCheck { topic: CheckTopic::Input, found: input.result(None) }));
        let others =
            [CheckTopic::Users, CheckTopic::Quota, CheckTopic::Clock, CheckTopic::ScanTime, CheckTopic::LinkTime];
        checks.extend(others.map(left_out));
        let permission = self.probe.map_or_else(not_tried, |_| CheckResult::LeftOut(why));
        checks.push(DoctorCheck { topic: CheckTopic::Permission, found: permission });
        checks
    }
}

impl MigrationInput {
    fn result(&self, in_pool: Option<&BTreeSet<ProviderName>>) -> CheckResult {
        CheckResult::Input {
            rows: self.rows,
            invalid: self.invalid,
            providers: self.providers.clone(),
            not_in_pool: in_pool.map(|in_pool| self.providers.difference(in_pool).cloned().collect()),
        }
    }
}

fn not_tried() -> CheckResult {
    CheckResult::NotTried("AdminLinkProviderForUser")
}

/// Makes the first call, which checks the credentials as well.
async fn check_pool(checkup: &mut Checkup<'_>, directory: &dyn UserDirectory) -> Option<PoolFacts> {
    let facts = checkup.call(CheckTopic::Pool, "DescribeUserPool", &|| directory.describe_pool()).await;
    let stopped = checkup.checks.pop_if(|_| facts.is_none());
    match stopped.as_ref().map(|check| &check.found) {
        Some(CheckResult::Stopped(stop)) if stop.cause == StopCause::Credentials => {
            checkup.add(CheckTopic::Credentials, CheckResult::Stopped(stop.clone()));
            checkup.add(CheckTopic::Pool, CheckResult::LeftOut(reason_after(stop.cause)));
        }
        Some(CheckResult::Stopped(stop)) if stop.cause == StopCause::Unreachable => {
            checkup.add(CheckTopic::Credentials, CheckResult::LeftOut(reason_after(stop.cause)));
            checkup.checks.extend(stopped);
        }
        _ => {
            checkup.add(CheckTopic::Credentials, CheckResult::Accepted);
            checkup.checks.extend(stopped);
        }
    }
    let Some(facts) = facts else {
        checkup.add(CheckTopic::Triggers, CheckResult::LeftOut("the pool's settings cannot be read"));
        return None;
    };
    let (name, case_sensitive) = (facts.name.clone(), facts.case_sensitive);
    checkup.add(CheckTopic::Pool, CheckResult::Pool { name, case_sensitive, users: facts.estimated_user_count });
    checkup.add(CheckTopic::Triggers, CheckResult::PreSignUp(facts.has_pre_sign_up_trigger));
    Some(facts)
}

/// Returns the names of the pool's providers; `None` where they cannot be read.
async fn list_providers(checkup: &mut Checkup<'_>, directory: &dyn UserDirectory) -> Option<BTreeSet<ProviderName>> {
    let (mut providers, mut token) = (Vec::new(), None);
    loop {
        let list = || directory.list_providers(token.clone());
        let page = checkup.call(CheckTopic::Providers, "ListIdentityProviders", &list).await?;
        providers.extend(page.providers.into_iter().map(|provider| (provider.name, provider.kind)));
        token = page.next_token;
        if token.is_none() || providers.len() > limits::PROVIDERS_PER_POOL_MAX {
            break;
        }
    }
    providers.sort();
    let names = providers.iter().map(|(name, _)| name.clone()).collect();
    checkup.add(CheckTopic::Providers, CheckResult::Providers(providers));
    Some(names)
}

/// Reads at most one user, with a filter as a scan uses it, or without one where the service refuses that filter.
async fn check_users(checkup: &mut Checkup<'_>, directory: &dyn UserDirectory) {
    let list = || {
        let filter = UserFilter { attribute: "sub", prefix: true, value: Personal::from_service("0") };
        directory.list_users(UserQuery { filter: Some(filter), limit: Some(1), token: None })
    };
    if checkup.call(CheckTopic::Users, "ListUsers", &list).await.is_some() {
        checkup.add(CheckTopic::Users, CheckResult::Users);
        return;
    }
    let is_refused = |check: &mut DoctorCheck| matches!(&check.found, CheckResult::Stopped(stop) if stop.cause == StopCause::Unreachable);
    if checkup.closed.is_some() || checkup.checks.pop_if(is_refused).is_none() {
        return;
    }
    let list = || directory.list_users(UserQuery { filter: None, limit: Some(1), token: None });
    if checkup.call(CheckTopic::Users, "ListUsers", &list).await.is_some() {
        checkup.add(CheckTopic::Users, CheckResult::UsersInOneChain);
    }
}

/// Compares the clocks by the answers so far, including refusals.
fn check_clock(checkup: &mut Checkup<'_>) {
    let found = match (checkup.skew().bounds_ms(), checkup.closed) {
        (None, Some(why)) => CheckResult::LeftOut(why),
        (bounds, _) => CheckResult::Clock(bounds),
    };
    checkup.add(CheckTopic::Clock, found);
}

/// Returns the pace of a run. The quota belongs to the account, not to the pool.
async fn check_quota(checkup: &mut Checkup<'_>, limits: &dyn QuotaReader, share: f64, clock: Clock) -> Option<f64> {
    if let Some(why) = checkup.closed {
        checkup.add(CheckTopic::Quota, CheckResult::LeftOut(why));
        return None;
    }
    let limit = quota::limit(limits, RateQuota::assumed(share, 1), clock).await;
    let RateQuota { per_second, share, .. } = limit;
    let pace = limit.ceiling();
    checkup.add(CheckTopic::Quota, CheckResult::Quota { per_second, origin: limit.origin.as_str(), share, pace });
    Some(pace)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::UnixMs;
    use crate::service::in_process::InProcessService;
    use crate::service::{Answer, AnswerMeta, CallFault, PortFuture};
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
        let migration = PlannedMigration { share: 0.5, reads: Pace::at(15.0), seed: 7, input: None, probe: None };
        let ports = DoctorPorts {
            directory: service.as_ref(),
            app_clients: service.as_ref(),
            limits: &FixedLimit(limit),
            permission: None,
        };
        let checks = migration.check(ports, Clock::starting_at(START)).await;
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
                "credentials:ok pool:ok triggers:ok providers:ok mapping:ok app_clients:ok users:ok quota:ok \
                 clock:ok scan_time:ok link_time:ok permission:skip",
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
                "credentials:ok pool:fail triggers:skip providers:ok mapping:ok app_clients:ok users:ok quota:ok \
                 clock:fail scan_time:skip link_time:ok permission:skip",
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
                "credentials:ok pool:ok triggers:ok providers:ok mapping:ok app_clients:ok users:fail quota:skip \
                 clock:ok scan_time:ok link_time:skip permission:skip",
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
                "credentials:ok pool:ok triggers:ok providers:ok mapping:ok app_clients:ok users:warn quota:ok \
                 clock:ok scan_time:ok link_time:ok permission:skip",
            ),
            (
                &google,
                "throttled@1..3",
                0,
                Some(40.0),
                "credentials:ok pool:ok triggers:ok providers:ok mapping:ok app_clients:ok users:ok quota:ok \
                 clock:ok scan_time:ok link_time:ok permission:skip",
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
        assert_eq!(found(CheckTopic::LinkTime), Some(CheckResult::LinkTime { input_links: None, pace: 20.0 }));
    }

    #[tokio::test(start_paused = true)]
    async fn mappings_are_read_one_after_the_other_until_one_is_denied() {
        let clock = Clock::starting_at(START);
        let checks = checked(&["Okta", "Google", "Corp"], "access-denied@1..:DescribeIdentityProvider", 0, None).await;
        let mappings: Vec<_> =
            checks.iter().filter(|check| check.topic == CheckTopic::Mapping).map(DoctorCheck::status).collect();
        assert_eq!(mappings, [CheckStatus::Warn]);
        assert!(clock.elapsed() < Duration::from_millis(limits::MAPPING_SPACING_MS));
        let checks = checked(&["Okta", "Google", "Corp", "Four"], "", 0, None).await;
        assert_eq!(checks.iter().filter(|check| check.topic == CheckTopic::Mapping).count(), 4);
        assert!(clock.elapsed() >= Duration::from_millis(limits::MAPPING_SPACING_MS));
    }

    #[test]
    fn without_credentials_nothing_else_is_checked() {
        let stop = StopError::new(StopCause::Credentials, "no credentials found".to_owned());
        let migration = PlannedMigration { share: 0.5, reads: Pace::at(15.0), seed: 7, input: None, probe: None };
        let checks = migration.checks_without_credentials(stop);
        assert!(line(&checks).starts_with("credentials:fail pool:skip triggers:skip providers:skip users:skip "));
        assert_eq!(checks.iter().filter(|check| check.status() == CheckStatus::Skip).count(), 9);
    }
}
