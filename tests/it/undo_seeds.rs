//! Links made and taken back in virtual time over many seeds: faults, lost answers, lag, sign-ins and crashes.
//!
//! Goal: the pool after `undo` is the pool before `link`, but for what the ledger lists as refused; nothing is unlinked
//! that this ledger did not link, or by a call that was not announced durably. Method: that of `seeds`, with the
//! simulator's own sign-ins between the two, and with the two commands cut short and taking turns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cognito_link::clock::{Clock, UnixMs};
use cognito_link::domain::event::Silent;
use cognito_link::domain::identity::{AttributeName, Destination, ExternalIdentity, Personal, PoolId, ProviderName};
use cognito_link::domain::outcome::RefusalCode;
use cognito_link::domain::row::{Link, Row, RowKey, RowNumber};
use cognito_link::domain::state::RowState;
use cognito_link::domain::stop::{Ended, RunReport, Signal};
use cognito_link::engine::{
    Context, EngineOptions, Incoming, NextBatch, RowFeed, Services, SettleWith, WritingHalf, run,
};
use cognito_link::foresight::preflight::preflight;
use cognito_link::ledger::record::RunId;
use cognito_link::ledger::storage::MemoryStorage;
use cognito_link::ledger::{Binding, Ledger, MadeLinks, Selection};
use cognito_link::pace::Pace;
use cognito_link::seed::Rng;
use cognito_link::service::sim::fault::{FaultKind, FaultPlan, FaultRule, When};
use cognito_link::service::sim::latency::Latency;
use cognito_link::service::sim::provider::{Provider, ProviderKind};
use cognito_link::service::sim::quota::Quota;
use cognito_link::service::sim::request::Operation;
use cognito_link::service::sim::settings::Guesses;
use cognito_link::service::sim::sign_in::SignIn;
use cognito_link::service::sim::user::{NewIdentity, NewUser};
use cognito_link::service::sim::{Pool, PoolSettings, SharedWorld, SimService, World};
use tokio::sync::mpsc;

const POOL: &str = "sim-local-1_Undone";
const START: UnixMs = 1_795_000_000_000;
const ROWS: u64 = 60;

/// What happens to the runs of a seed.
struct Weather {
    seed: u64,
    faults: Vec<FaultRule>,
    list_lag_ms: u64,
    clock_skew_ms: i64,
    settle_with: SettleWith,
    attribute_link_stays: bool,
}

impl Weather {
    fn fine(seed: u64) -> Self {
        let settle_with = SettleWith::ListUsers;
        let attribute_link_stays = seed.is_multiple_of(3);
        Self { seed, faults: Vec::new(), list_lag_ms: 0, clock_skew_ms: 0, settle_with, attribute_link_stays }
    }

    fn foul(seed: u64) -> Self {
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
                    weather.faults.push(FaultRule::new(kind, When::Chance(0.03)).on(operation));
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
    fn world(&self) -> SharedWorld {
        let guesses = Guesses { attribute_link_stays: self.attribute_link_stays, ..Guesses::default() };
        let settings = PoolSettings::new(POOL);
        let mut pool = Pool::new(settings).with_list_lag_ms(self.list_lag_ms).with_guesses(guesses);
        for provider in [
            Provider::new("Google", ProviderKind::Google, 0),
            Provider::new("Okta", ProviderKind::Oidc, 0),
            Provider::new("Corp", ProviderKind::Saml, 0).mapping("email", "mail"),
        ] {
            pool.add_provider(provider).unwrap();
        }
        for number in 1..=ROWS {
            let mut user = NewUser::named(&format!("user-{number}")).with_email(&email(number));
            if is_there_before(number) {
                let identity = identity(number);
                let (provider, value) = (identity.provider().as_str(), identity.value().expose());
                user = user.with_identity(NewIdentity::linked(provider, value));
            }
            pool.add_user(user).unwrap();
        }
        let faults = self.faults.iter().cloned().fold(FaultPlan::none(), FaultPlan::with);
        let world = World::new(self.seed).with_pool(pool).with_faults(faults).with_latency(Latency::usual());
        SharedWorld::new(world.with_quota(Quota::documented()).with_clock_skew_ms(self.clock_skew_ms))
    }

    fn options(&self) -> EngineOptions {
        EngineOptions {
            writes: Pace::at(24.0),
            reads: Pace::at(24.0),
            concurrency: 48,
            attempts_max: 8,
            retry_refused: false,
            settle_with: self.settle_with,
            failures_max: None,
            duration_max: None,
            total: Some(ROWS),
            done_before: u64::MAX,
            seed: self.seed,
        }
    }
}

fn email(number: u64) -> String {
    format!("person-{number}@example.com")
}

fn is_there_before(number: u64) -> bool {
    number.is_multiple_of(10)
}

fn is_by_attribute(number: u64) -> bool {
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
    let link = Link { destination, source: identity(number) };
    Row { number: RowNumber(number), key: RowKey::of(&binding().pool, &link), link }
}

fn binding() -> Binding {
    Binding { pool: PoolId::parse(POOL).unwrap(), simulated: true }
}

/// The input of `link`, or the links of the ledger.
enum Feed {
    Rows(std::vec::IntoIter<u64>),
    Links(MadeLinks),
}

impl RowFeed for Feed {
    fn next_batch(&mut self) -> NextBatch<'_> {
        Box::pin(async {
            tokio::task::yield_now().await;
            let batch: Vec<Incoming> = match self {
                Self::Rows(numbers) => numbers.by_ref().take(100).map(|number| Incoming::Row(row(number))).collect(),
                Self::Links(links) => links.next_batch(7).unwrap().into_iter().map(Incoming::Made).collect(),
            };
            if batch.is_empty() { None } else { Some(Ok(batch)) }
        })
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Which {
    Link,
    Undo,
}

/// How a run is cut short.
#[derive(Clone, Copy)]
enum Cut {
    Never,
    Crash { after: Duration, kept: usize },
    Drain { after: Duration },
}

/// The machine's disk, the pool and the time.
struct Scene {
    weather: Weather,
    world: SharedWorld,
    disk: MemoryStorage,
    now: UnixMs,
}

impl Scene {
    fn new(weather: Weather) -> Self {
        Self { world: weather.world(), weather, disk: MemoryStorage::default(), now: START }
    }

    /// One run; `None` where it crashed.
    fn run(&mut self, which: Which, cut: Cut) -> Option<RunReport> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let report = runtime.block_on(async {
            let clock = Clock::starting_at(self.now);
            let service = SimService::sharing(self.world.clone(), clock, POOL);
            let knowledge = preflight(service.as_ref(), clock, &mut Rng::new(self.weather.seed)).await.unwrap();
            let (mut ledger, _) = Ledger::on_storage(Box::new(self.disk.clone()), &binding(), clock.unix_ms()).unwrap();
            let selection = Selection { include_recovered: true, ..Selection::default() };
            let (mut feed, writer) = match which {
                Which::Link => {
                    (Feed::Rows((1..=ROWS).collect::<Vec<_>>().into_iter()), WritingHalf::Links(service.clone()))
                }
                Which::Undo => {
                    let (links, _) = MadeLinks::find(Box::new(self.disk.clone()), ledger.view(), &selection).unwrap();
                    (Feed::Links(links), WritingHalf::Unlinks(service.clone()))
                }
            };
            let directory: Arc<dyn cognito_link::service::UserDirectory> = service;
            let (signal, mut signals) = mpsc::channel(2);
            let context = Context {
                pool: binding().pool,
                simulated: true,
                knowledge: &knowledge,
                services: Services { directory, writer },
                ledger: &mut ledger,
                run: RunId(self.weather.seed),
                options: self.weather.options(),
                limits: None,
                clock,
                observer: &mut Silent,
                witness: None,
            };
            let limit = match cut {
                Cut::Crash { after, .. } => after,
                _ => Duration::from_hours(24),
            };
            if let Cut::Drain { after } = cut {
                tokio::spawn(async move {
                    cognito_link::clock::sleep(after).await;
                    signal.send(Signal::Terminate).await
                });
            }
            let report = tokio::time::timeout(limit, run(context, &mut feed, &mut signals)).await.ok();
            self.now = clock.unix_ms() + 1_000;
            report.map(|report| report.expect("the ledger is sound"))
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
    fn run_to_the_end(&mut self, which: Which, rng: &mut Rng, crashes: bool) -> RunReport {
        for runs in 0..60 {
            let cut = if crashes && runs < 8 { random_cut(rng) } else { Cut::Never };
            let Some(report) = self.run(which, cut) else { continue };
            if report.ended == Ended::Completed && report.counts.failed + report.counts.in_doubt == 0 {
                return report;
            }
        }
        panic!("seed {}: no end", self.weather.seed);
    }

    fn states(&self) -> BTreeMap<u64, RowState> {
        let copy = MemoryStorage::holding(self.disk.bytes());
        let (ledger, _) = Ledger::on_storage(Box::new(copy), &binding(), START).unwrap();
        (1..=ROWS).map(|number| (number, ledger.state(row(number).key))).collect()
    }

    /// Every user with the identities on it, without their dates.
    fn pool(&self) -> BTreeMap<String, BTreeSet<String>> {
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
    fn sign_in(&mut self, rng: &mut Rng) -> BTreeSet<u64> {
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

fn random_cut(rng: &mut Rng) -> Cut {
    let after = Duration::from_millis(200 + rng.below(5_000));
    match rng.below(3) {
        0 => Cut::Drain { after },
        1 => Cut::Never,
        _ => Cut::Crash { after, kept: usize::try_from(rng.below(4_000)).unwrap() },
    }
}

/// The pool is as it was, but for the links that the ledger lists as refused; and those are the ones that must be.
fn assert_restored(scene: &Scene, before: &BTreeMap<String, BTreeSet<String>>, signed_in: &BTreeSet<u64>) {
    let (states, pool, seed) = (scene.states(), scene.pool(), scene.weather.seed);
    for number in 1..=ROWS {
        let lost = scene.weather.attribute_link_stays && is_by_attribute(number) && signed_in.contains(&number);
        let (state, name) = (states[&number], format!("user-{number}"));
        if is_there_before(number) {
            assert_eq!(state, RowState::AlreadyLinked, "seed {seed}: row {number}");
        } else if lost {
            assert_eq!(state, RowState::Kept(RefusalCode::UsedSince), "seed {seed}: row {number}");
            assert_eq!(pool[&name].len(), 1, "seed {seed}: row {number} is left alone");
            continue;
        } else {
            assert_eq!(state, RowState::Undone, "seed {seed}: row {number}");
        }
        assert_eq!(pool[&name], before[&name], "seed {seed}: row {number}");
    }
    let stats = scene.world.stats();
    assert!(stats.writes_in_flight_per_user_max <= 1, "seed {seed}: two calls for one user");
    assert_eq!(stats.passwords_disabled, 0, "seed {seed}");
}

fn round_trip(weather: Weather, crashes: bool) {
    let mut rng = Rng::new(weather.seed).fork("cuts");
    let mut scene = Scene::new(weather);
    let before = scene.pool();
    scene.run_to_the_end(Which::Link, &mut rng, crashes);
    let linked = scene.states().values().filter(|state| **state == RowState::Linked).count();
    assert_eq!(linked as u64, ROWS - ROWS / 10);
    let signed_in = scene.sign_in(&mut rng);
    scene.run_to_the_end(Which::Undo, &mut rng, crashes);
    assert_restored(&scene, &before, &signed_in);
    let calls = scene.world.stats().of(Operation::DisableProvider).calls;
    let again = scene.run(Which::Undo, Cut::Never).unwrap();
    assert_eq!(again.counts.undone, 0);
    assert_eq!(scene.world.stats().of(Operation::DisableProvider).calls, calls, "nothing more is sent");
}

#[test]
fn what_was_linked_and_used_is_taken_back_in_fine_weather() {
    for seed in 1..=6 {
        round_trip(Weather::fine(seed), false);
    }
}

#[test]
fn and_in_foul_weather_over_many_seeds() {
    for seed in 1..=60 {
        round_trip(Weather::foul(seed), false);
    }
}

#[test]
fn and_with_crashes_and_drains_in_either_command() {
    for seed in 1..=60 {
        round_trip(Weather::foul(seed), true);
    }
}

/// `link` and `undo` take turns, each cut short anywhere: whatever the one left in doubt the other is safe with.
#[test]
fn link_and_undo_may_follow_one_another_at_any_moment() {
    for seed in 1..=60 {
        let mut rng = Rng::new(seed).fork("turns");
        let mut scene = Scene::new(Weather::foul(seed));
        let before = scene.pool();
        for _ in 0..10 {
            let which = if rng.chance(0.5) { Which::Link } else { Which::Undo };
            scene.run(which, random_cut(&mut rng));
        }
        scene.run_to_the_end(Which::Link, &mut rng, false);
        let states = scene.states();
        let wrong: Vec<_> = states
            .iter()
            .filter(|(number, state)| {
                let wanted = if is_there_before(**number) { RowState::AlreadyLinked } else { RowState::Linked };
                **state != wanted
            })
            .collect();
        assert!(wrong.is_empty(), "seed {seed}: {wrong:?}");
        scene.now += 120_000;
        scene.run_to_the_end(Which::Undo, &mut rng, false);
        assert_restored(&scene, &before, &BTreeSet::new());
    }
}

#[test]
fn the_same_seed_gives_the_same_ledger() {
    for seed in [3, 4, 5] {
        let bytes = || {
            let mut scene = Scene::new(Weather::foul(seed));
            scene.run(Which::Link, Cut::Never);
            scene.now = START + 600_000;
            scene.run(Which::Undo, Cut::Never);
            scene.disk.bytes()
        };
        assert_eq!(bytes(), bytes(), "seed {seed}");
    }
}
