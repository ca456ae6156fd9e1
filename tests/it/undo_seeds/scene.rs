//! What a seed makes: the weather, the pool, the disk, and runs of either command that may be cut short.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cognito_link::clock::{Clock, UnixMs};
use cognito_link::domain::identity::{AttributeName, Destination, ExternalIdentity, Personal, ProviderName};
use cognito_link::domain::row::{Link, Row};
use cognito_link::domain::run::{RunOutcome, RunReport, Signal};
use cognito_link::domain::state::RowState;
use cognito_link::engine::testing::{self, EngineRun, open_ledger, row_of};
use cognito_link::engine::{EngineOptions, ServicePorts, SettleWith};
use cognito_link::ledger::UndoSelection;
use cognito_link::ledger::storage::MemoryStorage;
use cognito_link::seed::Rng;
use cognito_link::service::in_process::InProcessService;
use cognito_sim::{
    Account, Behavior, FaultKind, FaultPlan, FaultRule, FaultTrigger, Latency, NewIdentity, NewUser, Operation, Pool,
    PoolSettings, Provider, ProviderKind, Quota, SharedAccount, SignIn,
};

const POOL: &str = "sim-local-1_Undone";
pub(super) const START: UnixMs = 1_795_000_000_000;
pub(super) const ROWS: u64 = 60;

/// What happens to the runs of a seed.
pub(super) struct Weather {
    pub(super) seed: u64,
    faults: Vec<FaultRule>,
    list_lag_ms: u64,
    clock_skew_ms: i64,
    settle_with: SettleWith,
    pub(super) attribute_link_stays: bool,
}

impl Weather {
    pub(super) fn fine(seed: u64) -> Self {
        let settle_with = SettleWith::ListUsers;
        let attribute_link_stays = seed.is_multiple_of(3);
        Self { seed, faults: Vec::new(), list_lag_ms: 0, clock_skew_ms: 0, settle_with, attribute_link_stays }
    }

    pub(super) fn foul(seed: u64) -> Self {
        let mut rng = Rng::new(seed).fork("weather");
        let mut weather = Self::fine(seed);
        for kind in [
            FaultKind::Throttled,
            FaultKind::ErrorBefore,
            FaultKind::ErrorAfter,
            FaultKind::LostBefore,
            FaultKind::LostAfter,
            FaultKind::HalfWritten,
            FaultKind::Slow { ms: 40_000 },
        ] {
            for operation in [Operation::LinkProvider, Operation::DisableProvider] {
                if rng.chance(0.6) {
                    weather.faults.push(FaultRule::new(kind, FaultTrigger::Chance(0.03)).on(operation));
                }
            }
        }
        weather.list_lag_ms = [0, 300, 4_000][usize::try_from(rng.below(3)).unwrap()];
        weather.clock_skew_ms = [0, 7_400, -3_600_000][usize::try_from(rng.below(3)).unwrap()];
        if rng.chance(0.3) {
            weather.settle_with = SettleWith::GetUser;
        }
        weather
    }

    /// The pool: `user-N` for every row. Every tenth row's link is there already.
    fn world(&self) -> SharedAccount {
        let behaviors = self.attribute_link_stays.then_some(Behavior::AttributeLinkStays);
        let settings = PoolSettings::new(POOL);
        let mut pool = Pool::new(settings).with_list_lag_ms(self.list_lag_ms).with_behaviors(behaviors);
        for provider in [
            Provider::new("Google", ProviderKind::Google, 0),
            Provider::new("Okta", ProviderKind::Oidc, 0),
            Provider::new("Corp", ProviderKind::Saml, 0).mapping("email", "mail"),
        ] {
            pool.add_provider(provider).unwrap();
        }
        for number in 1..=ROWS {
            let mut user = NewUser::named(&format!("user-{number}")).with_verified_email(&email(number));
            if is_there_before(number) {
                let identity = identity(number);
                let (provider, value) = (identity.provider().as_str(), identity.value().expose());
                user = user.with_identity(NewIdentity::linked(provider, value));
            }
            pool.add_user(user).unwrap();
        }
        let faults = self.faults.iter().cloned().fold(FaultPlan::none(), FaultPlan::with);
        let world = Account::new(self.seed).with_pool(pool).with_faults(faults).with_latency(Latency::usual());
        SharedAccount::new(world.with_quota(Quota::documented()).with_clock_skew_ms(self.clock_skew_ms))
    }

    fn options(&self) -> EngineOptions {
        EngineOptions {
            settle_with: self.settle_with,
            total: Some(ROWS),
            done_before: u64::MAX,
            ..testing::options(self.seed)
        }
    }
}

fn email(number: u64) -> String {
    format!("person-{number}@example.com")
}

pub(super) fn is_there_before(number: u64) -> bool {
    number.is_multiple_of(10)
}

pub(super) fn is_by_attribute(number: u64) -> bool {
    number % 3 == 2 && number % 2 == 1 && !is_there_before(number)
}

fn identity(number: u64) -> ExternalIdentity {
    let provider = ["Google", "Okta", "Corp"][usize::try_from(number % 3).unwrap()];
    let (attribute, value) = if is_by_attribute(number) {
        (AttributeName::parse("email").unwrap(), email(number))
    } else {
        (AttributeName::subject(), format!("Id{number:06}x"))
    };
    ExternalIdentity::new(ProviderName::parse(provider).unwrap(), attribute, Personal::from_service(&value)).unwrap()
}

fn row(number: u64) -> Row {
    let destination = Destination::Username(Personal::from_service(&format!("user-{number}")));
    row_of(POOL, number, Link { destination, source: identity(number) })
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Which {
    Link,
    Undo,
}

/// How a run is cut short.
#[derive(Clone, Copy)]
pub(super) enum Cut {
    Never,
    Crash { after: Duration, kept: usize },
    Drain { after: Duration },
}

/// The machine's disk, the pool and the time.
pub(super) struct Scene {
    pub(super) weather: Weather,
    pub(super) world: SharedAccount,
    pub(super) disk: MemoryStorage,
    pub(super) now: UnixMs,
}

impl Scene {
    pub(super) fn new(weather: Weather) -> Self {
        Self { world: weather.world(), weather, disk: MemoryStorage::default(), now: START }
    }

    /// One run; `None` where it crashed.
    pub(super) fn run(&mut self, which: Which, cut: Cut) -> Option<RunReport> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let report = runtime.block_on(async {
            let clock = Clock::starting_at(self.now);
            let service = InProcessService::sharing(self.world.clone(), clock, POOL);
            let run = match which {
                Which::Link => {
                    EngineRun::new(&self.disk, POOL, ServicePorts::linking(service), clock).rows((1..=ROWS).map(row))
                }
                Which::Undo => {
                    let selection = UndoSelection { include_recovered: true, ..UndoSelection::default() };
                    EngineRun::new(&self.disk, POOL, ServicePorts::unlinking(service), clock).links(selection)
                }
            };
            let run = run.options(self.weather.options());
            let report = match cut {
                Cut::Never => Some(run.run().await),
                Cut::Drain { after } => Some(run.signal_after(after, Signal::Terminate).run().await),
                Cut::Crash { after, .. } => run.run_until_crash(after).await,
            };
            self.now = clock.unix_ms() + 1_000;
            report
        });
        if let (Cut::Crash { kept, .. }, None) = (cut, &report) {
            self.disk = self.disk.after_crash(kept);
        }
        self.assert_announced();
        if let Some(report) = &report {
            assert_eq!(report.counts.balance(), Ok(()), "seed {}", self.weather.seed);
        }
        report
    }

    /// Runs of one command, cut short at random, until one has completed with nothing left in doubt.
    pub(super) fn run_to_the_end(&mut self, which: Which, rng: &mut Rng, crashes: bool) -> RunReport {
        for runs in 0..60 {
            let cut = if crashes && runs < 8 { random_cut(rng) } else { Cut::Never };
            let Some(report) = self.run(which, cut) else { continue };
            if report.ended == RunOutcome::Completed && report.counts.failed + report.counts.in_doubt == 0 {
                return report;
            }
        }
        panic!("seed {}: no end", self.weather.seed);
    }

    pub(super) fn states(&self) -> BTreeMap<u64, RowState> {
        let ledger = open_ledger(&MemoryStorage::holding(self.disk.bytes()), POOL, Clock::starting_at(START));
        (1..=ROWS).map(|number| (number, ledger.state(row(number).key))).collect()
    }

    /// Every user with the identities on it, without their dates.
    pub(super) fn pool(&self) -> BTreeMap<String, BTreeSet<String>> {
        let names: Vec<String> = (1..=ROWS).map(|number| format!("user-{number}")).collect();
        self.world.with(|world| {
            let pool = world.pool_mut(POOL).unwrap();
            assert_eq!(pool.user_count(), names.len(), "a sign-in has made a profile");
            names.into_iter().map(|name| (name.clone(), identities(pool, &name))).collect()
        })
    }

    /// Whatever the disk says after a crash: what is not on its user any more was announced.
    fn assert_announced(&self) {
        let pool = self.pool();
        for (number, state) in self.states() {
            let stands = !pool[&format!("user-{number}")].is_empty();
            let lost = matches!(state, RowState::Linked | RowState::Kept(_) | RowState::AlreadyLinked) && !stands;
            assert!(!lost, "seed {}: row {number} was unlinked unannounced: {state:?}", self.weather.seed);
            let unannounced = matches!(state, RowState::Unprocessed | RowState::Undone) && stands;
            assert!(!unannounced || is_there_before(number), "seed {}: row {number} {state:?}", self.weather.seed);
        }
    }

    /// Some of the people who were linked sign in.
    pub(super) fn sign_in(&mut self, rng: &mut Rng) -> BTreeSet<u64> {
        let mut signed_in = BTreeSet::new();
        let service_now = self.now + self.weather.clock_skew_ms;
        for number in (1..=ROWS).filter(|_| rng.chance(0.5)) {
            let identity = identity(number);
            let user_id =
                if is_by_attribute(number) { format!("nameid-{number}") } else { identity.value().expose().to_owned() };
            let sign_in = SignIn {
                provider: identity.provider().as_str().to_owned(),
                user_id,
                claims: [("mail".to_owned(), email(number))].into(),
                ..SignIn::default()
            };
            let who = self.world.with(|world| world.pool_mut(POOL).unwrap().sign_in_with(service_now, &sign_in));
            assert!(who.is_ok_and(|who| who.username == format!("user-{number}")), "row {number} signs in as its user");
            signed_in.insert(number);
        }
        self.now += 120_000;
        signed_in
    }
}

fn identities(pool: &mut Pool, name: &str) -> BTreeSet<String> {
    let user = pool.get_user(name).unwrap();
    let text = user.attributes.iter().find(|(name, _)| name == "identities").map_or("[]", |(_, text)| text);
    let held: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
    held.iter().map(|held| format!("{} {}", held["providerName"], held["userId"])).collect()
}

pub(super) fn random_cut(rng: &mut Rng) -> Cut {
    let after = Duration::from_millis(200 + rng.below(5_000));
    match rng.below(3) {
        0 => Cut::Drain { after },
        1 => Cut::Never,
        _ => Cut::Crash { after, kept: usize::try_from(rng.below(4_000)).unwrap() },
    }
}
