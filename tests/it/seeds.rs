//! Whole runs in virtual time over many seeds: faults, lost answers, lag and crashes.
//!
//! Goal: whatever happens, every row ends in the state that the pool shows, no identity is linked twice or by a call
//! that was not announced durably, and the same seed gives the same ledger. Method: the engine over the in-process
//! simulator under a paused clock; a crash is a future that is dropped, with what was not synced lost.

use std::time::Duration;

use cognito_link::clock::{Clock, UnixMs};
use cognito_link::domain::identity::{AttributeName, Destination, ExternalIdentity, Personal, ProviderName};
use cognito_link::domain::outcome::RefusalCode;
use cognito_link::domain::row::{Link, Row};
use cognito_link::domain::run::{RunOutcome, RunReport, Signal};
use cognito_link::domain::state::RowState;
use cognito_link::engine::testing::{self, EngineRun, open_ledger, row_of};
use cognito_link::engine::{EngineOptions, ServicePorts, SettleWith};
use cognito_link::ledger::storage::MemoryStorage;
use cognito_link::pace::Pace;
use cognito_link::seed::Rng;
use cognito_link::service::in_process::InProcessService;
use cognito_sim::{
    Account, FaultKind, FaultPlan, FaultRule, FaultTrigger, Latency, NewIdentity, NewUser, Operation, Pool,
    PoolSettings, Quota, SharedAccount,
};

const POOL: &str = "sim-local-1_Seeds";
const START: UnixMs = 1_795_000_000_000;
const PROVIDERS: [&str; 3] = ["Google", "Okta", "Facebook"];

/// What happens to a run.
#[derive(Clone)]
struct Weather {
    seed: u64,
    rows: u64,
    faults: Vec<FaultRule>,
    list_lag_ms: u64,
    clock_skew_ms: i64,
    rate: f64,
    settle_with: SettleWith,
    /// When others made their links, by the service's clock; `None` for long ago.
    others_linked_ms: Option<UnixMs>,
}

impl Weather {
    fn fine(seed: u64, rows: u64) -> Self {
        let settle_with = SettleWith::ListUsers;
        let (faults, others_linked_ms) = (Vec::new(), None);
        Self { seed, rows, faults, list_lag_ms: 0, clock_skew_ms: 0, rate: 24.0, settle_with, others_linked_ms }
    }

    /// Faults, lag and skew drawn from the seed, none of them so bad that five attempts do not get through.
    fn foul(seed: u64, rows: u64) -> Self {
        let mut rng = Rng::new(seed).fork("weather");
        let mut weather = Self::fine(seed, rows);
        let kinds = [
            FaultKind::Throttled,
            FaultKind::Storm { ms: 1_500 },
            FaultKind::ErrorBefore,
            FaultKind::ErrorAfter,
            FaultKind::LostBefore,
            FaultKind::LostAfter,
            FaultKind::HalfWritten,
            FaultKind::Slow { ms: 40_000 },
        ];
        for kind in kinds {
            let chance = match kind {
                FaultKind::Storm { .. } => 0.002,
                FaultKind::Slow { .. } => 0.01,
                _ => 0.03,
            };
            if rng.chance(0.6) {
                let rule = FaultRule::new(kind, FaultTrigger::Chance(chance));
                weather.faults.push(rule.on(Operation::LinkProvider));
            }
        }
        weather.list_lag_ms = one_of(&mut rng, &[0, 300, 4_000]);
        weather.clock_skew_ms = one_of(&mut rng, &[0, 0, 7_400, -3_600_000]);
        if rng.chance(0.3) {
            weather.settle_with = SettleWith::GetUser;
        }
        weather
    }

    /// The pool: `user-N` for every row; every tenth row's link is there already, every eleventh row's is refused.
    fn world(&self) -> SharedAccount {
        let mut pool = Pool::new(PoolSettings::new(POOL)).with_list_lag_ms(self.list_lag_ms);
        for provider in PROVIDERS {
            pool.ensure_provider(provider).unwrap();
        }
        for number in 1..=self.rows {
            let (provider, id) = (provider_of(number), id_of(number));
            let mut user = NewUser::named(&format!("user-{number}"));
            if expected(number) == RowState::AlreadyLinked {
                let identity = NewIdentity::linked(provider, &id);
                let created_ms = self.others_linked_ms.unwrap_or(identity.created_ms);
                user = user.with_identity(NewIdentity { created_ms, ..identity });
            }
            pool.add_user(user).unwrap();
            if expected(number).refusal() == Some(RefusalCode::IdentityHasProfile) {
                let shell = NewUser::named(&format!("{provider}_{id}"));
                pool.add_user(shell.with_identity(NewIdentity::primary(provider, &id))).unwrap();
            }
            if expected(number).refusal() == Some(RefusalCode::LinkedElsewhere) {
                let other = NewUser::named(&format!("other-{number}"));
                pool.add_user(other.with_identity(NewIdentity::linked(provider, &id))).unwrap();
            }
        }
        let faults = self.faults.iter().cloned().fold(FaultPlan::none(), FaultPlan::with);
        let world = Account::new(self.seed)
            .with_pool(pool)
            .with_faults(faults)
            .with_latency(Latency::usual())
            .with_quota(Quota::documented())
            .with_clock_skew_ms(self.clock_skew_ms);
        SharedAccount::new(world)
    }

    fn options(&self) -> EngineOptions {
        EngineOptions {
            writes: Pace::at(self.rate),
            settle_with: self.settle_with,
            total: Some(self.rows),
            done_before: u64::MAX,
            ..testing::options(self.seed)
        }
    }
}

fn one_of<T: Copy>(rng: &mut Rng, choices: &[T]) -> T {
    choices[below(rng, choices.len())]
}

fn below(rng: &mut Rng, bound: usize) -> usize {
    usize::try_from(rng.below(bound as u64)).unwrap()
}

fn provider_of(number: u64) -> &'static str {
    PROVIDERS[usize::try_from(number).unwrap() % PROVIDERS.len()]
}

fn id_of(number: u64) -> String {
    format!("Id{number:06}x")
}

/// The state that row `number` must end in.
fn expected(number: u64) -> RowState {
    match number {
        _ if number.is_multiple_of(10) => RowState::AlreadyLinked,
        _ if number.is_multiple_of(22) => RowState::Refused(RefusalCode::LinkedElsewhere),
        _ if number.is_multiple_of(11) => RowState::Refused(RefusalCode::IdentityHasProfile),
        _ => RowState::Linked,
    }
}

fn row(number: u64) -> Row {
    let source = ExternalIdentity::new(
        ProviderName::parse(provider_of(number)).unwrap(),
        AttributeName::subject(),
        Personal::parse(&id_of(number), 128).unwrap(),
    );
    let destination = Destination::Username(Personal::parse(&format!("user-{number}"), 128).unwrap());
    row_of(POOL, number, Link { destination, source: source.unwrap() })
}

/// How a run is cut short.
#[derive(Clone, Copy)]
enum Cut {
    Never,
    Crash { after: Duration, kept: usize },
    Drain { after: Duration },
}

/// One run from `started` on; `None` where it crashed. Returns what the machine's disk holds then, and the time.
fn one_run(
    weather: &Weather,
    world: &SharedAccount,
    disk: &MemoryStorage,
    started: UnixMs,
    numbers: Vec<u64>,
    cut: Cut,
) -> (Option<RunReport>, MemoryStorage, UnixMs) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let clock = Clock::starting_at(started);
        let services = ServicePorts::linking(InProcessService::sharing(world.clone(), clock, POOL));
        let run =
            EngineRun::new(disk, POOL, services, clock).rows(numbers.into_iter().map(row)).options(weather.options());
        let report = match cut {
            Cut::Never => Some(run.run().await),
            Cut::Drain { after } => Some(run.signal_after(after, Signal::Terminate).run().await),
            Cut::Crash { after, .. } => run.run_until_crash(after).await,
        };
        let left = match cut {
            Cut::Crash { kept, .. } if report.is_none() => disk.after_crash(kept),
            _ => disk.clone(),
        };
        (report, left, clock.unix_ms())
    })
}

fn all(weather: &Weather) -> Vec<u64> {
    (1..=weather.rows).collect()
}

fn states(disk: &MemoryStorage, weather: &Weather) -> Vec<(u64, RowState)> {
    let ledger = open_ledger(&MemoryStorage::holding(disk.bytes()), POOL, Clock::starting_at(START));
    all(weather).into_iter().map(|number| (number, ledger.state(row(number).key))).collect()
}

/// Every row is where it must be, and nothing was done twice or side by side.
fn assert_complete(weather: &Weather, world: &SharedAccount, disk: &MemoryStorage) {
    let wrong: Vec<_> =
        states(disk, weather).into_iter().filter(|(number, state)| *state != expected(*number)).collect();
    assert!(wrong.is_empty(), "seed {}: {wrong:?}", weather.seed);
    let stats = world.stats();
    assert!(stats.links_of_one_identity_max <= 1, "seed {}: linked twice", weather.seed);
    assert!(stats.writes_in_flight_per_user_max <= 1, "seed {}: two calls for one user", weather.seed);
    let linked = all(weather).into_iter().filter(|number| expected(*number) == RowState::Linked).count();
    assert_eq!(stats.identities_linked, linked as u64, "seed {}", weather.seed);
}

/// Each link that the pool got in a run is announced on what a crash left of the disk.
fn assert_announced(weather: &Weather, world: &SharedAccount, disk: &MemoryStorage) {
    let text = String::from_utf8(disk.bytes()).unwrap();
    let unannounced: Vec<u64> = all(weather)
        .into_iter()
        .filter(|number| expected(*number) == RowState::Linked && is_linked(world, *number))
        .filter(|number| !text.contains(&format!("\"source_value\":\"{}\"", id_of(*number))))
        .collect();
    assert!(unannounced.is_empty(), "seed {}: {unannounced:?}", weather.seed);
}

fn is_linked(world: &SharedAccount, number: u64) -> bool {
    world.with(|world| {
        let pool = world.pool_mut(POOL).unwrap();
        pool.get_user(&format!("user-{number}")).is_ok_and(|user| {
            user.attributes.iter().any(|(name, value)| name == "identities" && value.contains(&id_of(number)))
        })
    })
}

#[test]
fn fine_weather_ends_with_every_row_where_it_must_be() {
    let weather = Weather::fine(1, 600);
    let (world, disk) = (weather.world(), MemoryStorage::default());
    let (report, disk, ended) = one_run(&weather, &world, &disk, START, all(&weather), Cut::Never);
    let report = report.unwrap();
    assert_eq!(report.ended, RunOutcome::Completed);
    assert_eq!(report.counts.balance(), Ok(()));
    assert_eq!(report.throttled, 0, "a pace below the quota is never throttled");
    assert_complete(&weather, &world, &disk);
    // 600 rows at 24/s; what is already linked or elsewhere is looked for a little longer.
    assert!((25_000..45_000).contains(&(ended - START)), "{} ms", ended - START);
    let (again, ..) = one_run(&weather, &world, &disk, ended, all(&weather), Cut::Never);
    let again = again.unwrap();
    assert_eq!((again.writes, again.counts.skipped, again.counts.linked), (0, 600, report.counts.linked));
}

#[test]
fn foul_weather_over_many_seeds() {
    for seed in 1..=150 {
        let weather = Weather::foul(seed, 120);
        let (world, disk) = (weather.world(), MemoryStorage::default());
        let (report, mut disk, mut now) = one_run(&weather, &world, &disk, START, all(&weather), Cut::Never);
        let mut report = report.unwrap();
        assert_eq!(report.counts.balance(), Ok(()), "seed {seed}");
        assert_announced(&weather, &world, &disk);
        // What failed or is in doubt is what a rerun is for.
        for _ in 0..10 {
            if report.counts.failed + report.counts.in_doubt == 0 {
                break;
            }
            let (next, left, ended) = one_run(&weather, &world, &disk, now, all(&weather), Cut::Never);
            (report, disk, now) = (next.unwrap(), left, ended);
        }
        assert_complete(&weather, &world, &disk);
    }
}

#[test]
fn crashes_and_drains_over_many_seeds() {
    for seed in 1..=60 {
        let weather = Weather::foul(seed, 120);
        let mut rng = Rng::new(seed).fork("cuts");
        let (world, mut disk) = (weather.world(), MemoryStorage::default());
        let mut now = START;
        let mut reruns = 0;
        loop {
            reruns += 1;
            assert!(reruns < 60, "seed {seed}: no end");
            let after = Duration::from_millis(200 + rng.below(6_000));
            let cut = match rng.below(if reruns < 12 { 3 } else { 1 }) {
                1 => Cut::Crash { after, kept: below(&mut rng, 4_000) },
                2 => Cut::Drain { after },
                _ => Cut::Never,
            };
            // Sorted, reversed, cut in halves: the input changes between runs.
            let mut numbers = all(&weather);
            if rng.chance(0.3) {
                numbers.reverse();
            }
            let (report, left, ended) = one_run(&weather, &world, &disk, now, numbers, cut);
            (disk, now) = (left, ended + 1_000);
            assert_announced(&weather, &world, &disk);
            let Some(report) = report else { continue };
            assert_eq!(report.counts.balance(), Ok(()), "seed {seed}");
            let settled = report.counts.failed + report.counts.in_doubt == 0;
            if report.ended == RunOutcome::Completed && settled {
                break;
            }
        }
        assert_complete(&weather, &world, &disk);
    }
}

#[test]
fn a_drained_run_leaves_no_doubt_in_fine_weather() {
    for seed in 1..=20 {
        let weather = Weather::fine(seed, 200);
        let (world, disk) = (weather.world(), MemoryStorage::default());
        let cut = Cut::Drain { after: Duration::from_millis(1_000 + 137 * seed) };
        let (report, disk, _) = one_run(&weather, &world, &disk, START, all(&weather), cut);
        let report = report.unwrap();
        assert_eq!(report.ended, RunOutcome::Interrupted(Signal::Terminate));
        assert_eq!((report.counts.in_doubt, report.counts.failed), (0, 0), "seed {seed}");
        let in_doubt = states(&disk, &weather).into_iter().filter(|(_, state)| *state == RowState::InDoubt).count();
        assert_eq!(in_doubt, 0, "seed {seed}");
    }
}

#[test]
fn the_same_seed_gives_the_same_ledger() {
    for seed in [3, 4, 5, 6] {
        let bytes = || {
            let weather = Weather::foul(seed, 150);
            let (world, disk) = (weather.world(), MemoryStorage::default());
            one_run(&weather, &world, &disk, START, all(&weather), Cut::Never).1.bytes()
        };
        assert_eq!(bytes(), bytes(), "seed {seed}");
    }
}

#[test]
fn links_of_others_are_not_taken_for_ours() {
    // Others made their links a minute before the run, by a clock of the service that is an hour off or not at all, and a
    // third of our own answers are lost. Only a comparison by the service's clock tells the two apart.
    for clock_skew_ms in [0, 3_600_000, -3_600_000] {
        let lost = FaultRule::new(FaultKind::LostAfter, FaultTrigger::Chance(0.3)).on(Operation::LinkProvider);
        let weather = Weather {
            clock_skew_ms,
            faults: vec![lost],
            others_linked_ms: Some(START + clock_skew_ms - 60_000),
            ..Weather::fine(9, 60)
        };
        let (world, disk) = (weather.world(), MemoryStorage::default());
        let (report, mut disk, mut now) = one_run(&weather, &world, &disk, START, all(&weather), Cut::Never);
        let mut counts = report.unwrap().counts;
        assert_eq!((counts.linked, counts.already_linked), (49, 6), "skew {clock_skew_ms}");
        // A refusal after a lost answer of our own is in doubt as long as the list may lag behind that call. Each rerun comes
        // 61 s later, past that bound, so that the list proves that the call had no effect; a rerun may lose answers too.
        for _ in 0..5 {
            let (next, left, ended) = one_run(&weather, &world, &disk, now + 61_000, all(&weather), Cut::Never);
            (counts, disk, now) = (next.unwrap().counts, left, ended);
        }
        let found = (counts.linked, counts.already_linked, counts.refused);
        assert_eq!(found, (49, 6, 5), "skew {clock_skew_ms}");
        assert_complete(&weather, &world, &disk);
    }
}
