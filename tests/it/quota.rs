//! The pace in whole runs: machines that share a quota, quotas that change, services that are out.
//!
//! Goal: what the controller promises in its model holds for the engine too. Method: engines over one in-process
//! simulator under one paused clock, so that minutes take milliseconds and every run repeats exactly.

use std::time::Duration;

use cognito_link::clock::{Clock, UnixMs};
use cognito_link::domain::event::{IgnoreEvents, RunEvent, RunObserver};
use cognito_link::domain::identity::{Destination, Personal};
use cognito_link::domain::row::Row;
use cognito_link::domain::run::{RunOutcome, RunReport, StopCause};
use cognito_link::domain::shard::Shard;
use cognito_link::engine::testing::{self, EngineRun, open_ledger, row_to};
use cognito_link::engine::{EngineOptions, ServicePorts};
use cognito_link::ledger::storage::MemoryStorage;
use cognito_link::pace::{Pace, RateQuota};
use cognito_link::service::in_process::InProcessService;
use cognito_sim::{Account, Category, Latency, Operation, Pool, PoolSettings, Quota, SharedAccount};
use tokio::sync::mpsc;

const POOL: &str = testing::POOL;
const START: UnixMs = 1_795_000_000_000;

fn world(seed: u64, quota: f64) -> SharedAccount {
    let mut pool = Pool::new(PoolSettings::new(POOL)).creating_on_reference();
    pool.ensure_provider("Google").unwrap();
    let quota = Quota::documented().with_rate(Category::UserUpdate, quota, quota.max(1.0));
    SharedAccount::new(Account::new(seed).with_pool(pool).with_quota(quota).with_latency(Latency::usual()))
}

fn row(number: u64) -> Row {
    row_to(number, Destination::Username(Personal::parse(&format!("user-{number}"), 128).unwrap()))
}

/// One machine's run over `rows`; the disk is its own.
#[expect(clippy::too_many_arguments, reason = "what differs between the machines of these tests")]
async fn machine(
    world: &SharedAccount,
    clock: Clock,
    seed: u64,
    pace: Pace,
    rows: Vec<Row>,
    disk: &MemoryStorage,
    observer: &mut dyn RunObserver,
    limits: Option<mpsc::Receiver<RateQuota>>,
) -> RunReport {
    let services = ServicePorts::linking(InProcessService::sharing(world.clone(), clock, POOL));
    let options =
        EngineOptions { writes: pace, concurrency: 256, total: Some(rows.len() as u64), ..testing::options(seed) };
    let run = EngineRun::new(disk, POOL, services, clock).rows(rows).options(options).observer(observer);
    match limits {
        Some(limits) => run.later_limits(limits).run().await,
        None => run.run().await,
    }
}

fn in_virtual_time<T>(task: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(task)
}

#[test]
fn four_machines_share_one_quota_and_link_every_row_once() {
    let (world, total) = (world(7, 50.0), 12_000);
    let rows: Vec<Row> = (1..=total).map(row).collect();
    let part = |index| -> Vec<Row> {
        let shard = Shard::new(index, 4).unwrap();
        rows.iter().filter(|row| shard.has(&row.link.destination)).cloned().collect()
    };
    let (seconds, reports) = in_virtual_time(async {
        let clock = Clock::starting_at(START);
        let disks: [MemoryStorage; 4] = Default::default();
        let (mut a, mut b, mut c, mut d) = (IgnoreEvents, IgnoreEvents, IgnoreEvents, IgnoreEvents);
        let pace = Pace::max(4, None);
        let reports = tokio::join!(
            machine(&world, clock, 1, pace, part(0), &disks[0], &mut a, None),
            machine(&world, clock, 2, pace, part(1), &disks[1], &mut b, None),
            machine(&world, clock, 3, pace, part(2), &disks[2], &mut c, None),
            machine(&world, clock, 4, pace, part(3), &disks[3], &mut d, None),
        );
        (clock.elapsed().as_secs_f64(), <[RunReport; 4]>::from(reports))
    });
    assert!(reports.iter().all(|report| report.ended == RunOutcome::Completed && report.counts.all_linked()));
    let stats = world.stats();
    assert_eq!((stats.identities_linked, stats.links_of_one_identity_max), (total, 1));
    let quickest = reports.iter().map(|report| report.elapsed.as_secs()).min().unwrap();
    let link = stats.of(Operation::LinkProvider);
    let first = i64::try_from(quickest).unwrap();
    let together = link.by_second.range(START / 1_000 + 10..START / 1_000 + first);
    let accepted: u64 = together.map(|(_, second)| second.calls - second.throttled).sum();
    assert!(accepted * 100 >= (quickest - 10) * 50 * 97, "{accepted} in {quickest} s");
    // When the quickest has ended, the others find what it leaves.
    assert!(seconds <= 240.0 * 1.25, "{seconds} s");
    assert!(link.throttled * 1_000 <= link.calls * 15, "{} of {} throttled", link.throttled, link.calls);
    let slowest = reports.iter().map(|report| report.elapsed.as_secs()).max().unwrap();
    assert!(quickest * 10 >= slowest * 6, "from {quickest} s to {slowest} s");
}

/// Keeps the pace of each tick.
#[derive(Default)]
struct Paces {
    slowest: Option<f64>,
    oldest_throttled: Duration,
}

impl RunObserver for Paces {
    fn on(&mut self, event: &RunEvent) {
        if let RunEvent::Tick(snapshot) = event {
            let pace = snapshot.rate_per_second;
            self.slowest = Some(self.slowest.map_or(pace, |slowest| slowest.min(pace)));
            self.oldest_throttled = self.oldest_throttled.max(snapshot.oldest_throttled.unwrap_or_default());
        }
    }
}

#[test]
fn a_service_that_is_out_ends_the_run_and_fails_no_row() {
    let world = world(3, 25.0);
    let mut paces = Paces::default();
    let (seconds, report) = in_virtual_time(async {
        let clock = Clock::starting_at(START);
        let out = world.clone();
        tokio::spawn(async move {
            cognito_link::clock::sleep(Duration::from_secs(10)).await;
            let now = START + 10_000;
            out.with(|world| world.quota_mut().change_rate(now, Category::UserUpdate, 0.000_001, 1.0));
        });
        let rows = (1..=1_000).map(row).collect();
        let disk = MemoryStorage::default();
        let report = machine(&world, clock, 3, Pace::at(20.0), rows, &disk, &mut paces, None).await;
        (clock.elapsed().as_secs_f64(), report)
    });
    assert!(matches!(&report.ended, RunOutcome::Stopped(stop) if stop.cause == StopCause::Bound), "{:?}", report.ended);
    assert_eq!((report.counts.failed, report.counts.in_doubt), (0, 0));
    assert!((70.0..80.0).contains(&seconds), "stuck for a minute: {seconds} s");
    assert!(report.throttled < 60, "an outage is not hammered at: {}", report.throttled);
    assert!(paces.slowest.is_some_and(|pace| pace < 0.25), "{:?}", paces.slowest);
    assert!(paces.oldest_throttled > Duration::from_secs(30), "{:?}", paces.oldest_throttled);
}

#[test]
fn a_limit_that_is_raised_during_the_run_is_taken_up() {
    let world = world(5, 100.0);
    let limit = RateQuota::assumed(0.8, 1);
    let raised = RateQuota { per_second: 100.0, origin: cognito_link::pace::QuotaOrigin::Provisioned, ..limit };
    let seconds = in_virtual_time(async {
        let clock = Clock::starting_at(START);
        let (sender, limits) = mpsc::channel(1);
        tokio::spawn(async move {
            cognito_link::clock::sleep(Duration::from_secs(10)).await;
            sender.send(raised).await
        });
        let rows = (1..=1_800).map(row).collect();
        let disk = MemoryStorage::default();
        let report =
            machine(&world, clock, 5, Pace::within(limit, None), rows, &disk, &mut IgnoreEvents, Some(limits)).await;
        assert_eq!((report.ended, report.throttled), (RunOutcome::Completed, 0));
        clock.elapsed().as_secs_f64()
    });
    // 200 rows at 20/s, the others at 80/s.
    assert!((29.0..33.0).contains(&seconds), "{seconds} s");
}

#[test]
fn what_throttles_have_shown_is_in_the_ledger() {
    let world = world(11, 40.0);
    let disk = MemoryStorage::default();
    in_virtual_time(async {
        let clock = Clock::starting_at(START);
        let rows = (1..=4_000).map(row).collect();
        machine(&world, clock, 11, Pace::max(1, None), rows, &disk, &mut IgnoreEvents, None).await
    });
    let ledger = open_ledger(&MemoryStorage::holding(disk.bytes()), POOL, Clock::starting_at(START));
    let learnt = ledger.pace_milli().unwrap();
    assert!((36_000..=44_000).contains(&learnt), "{learnt}");
}
