//! The same over HTTP, with real timers: the engine and the SDK against the simulator's server on loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cognito_link::clock::{Clock, sleep};
use cognito_link::domain::identity::{
    AttributeName, Destination, DestinationUser, ExternalIdentity, Personal, PoolId, ProviderName,
};
use cognito_link::domain::row::{Link, Row, RowKey, RowNumber};
use cognito_link::domain::run::RunReport;
use cognito_link::domain::shard::Shard;
use cognito_link::engine::testing::{self, EngineRun};
use cognito_link::engine::{EngineOptions, IncomingRow, RowBatchFuture, RowSource, ServicePorts, WritePort};
use cognito_link::ledger::storage::MemoryStorage;
use cognito_link::pace::{Pace, QuotaOrigin, RateQuota};
use cognito_link::seed::Rng;
use cognito_link::service::cognito::{Cognito, ConnectionTarget};
use cognito_link::service::in_process::InProcessService;
use cognito_link::service::{IdentityLinker, LinkRequest};
use cognito_sim::{Account, Category, Latency, Operation, Pool, PoolSettings, Quota, Server, SharedAccount};

const POOL: &str = "sim-local-1_Pace";
const TENANTS_POOL: &str = "sim-local-1_Tenants";

pub(super) fn main(arguments: &[String]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let wanted = |name: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == name);
    runtime.block_on(async {
        if wanted("steady") {
            steady().await;
        }
        if wanted("steps") {
            steps().await;
        }
        if wanted("tenants") {
            tenants().await;
        }
        if wanted("machines") {
            Box::pin(machines()).await;
        }
    });
}

fn server(quota: f64) -> Server {
    Server::start(world(1, quota), SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap()
}

fn world(seed: u64, quota: f64) -> Account {
    let pool = |id| {
        let mut pool = Pool::new(PoolSettings::new(id)).creating_on_reference();
        pool.ensure_provider("Google").unwrap();
        pool
    };
    let quota = Quota::documented().with_rate(Category::UserUpdate, quota, quota);
    let world = Account::new(seed).with_pool(pool(POOL)).with_pool(pool(TENANTS_POOL));
    world.with_quota(quota).with_latency(Latency::usual())
}

fn identity(value: &str) -> ExternalIdentity {
    let provider = ProviderName::parse("Google").unwrap();
    ExternalIdentity::new(provider, AttributeName::subject(), Personal::from_service(value)).unwrap()
}

fn row(number: u64) -> Row {
    let destination = Destination::Username(Personal::from_service(&format!("user-{number}")));
    let link = Link { destination, source: identity(&format!("Id{number:07}x")) };
    let key = RowKey::of(&PoolId::parse(POOL).unwrap(), &link);
    Row { number: RowNumber(number), link, key }
}

/// Rows of one shard, from a first number up to a last.
struct Rows {
    next: u64,
    last: u64,
    shard: Shard,
}

impl Rows {
    fn endless() -> Self {
        Self { next: 1, last: u64::MAX, shard: Shard::new(0, 1).unwrap() }
    }
}

impl RowSource for Rows {
    fn next_batch(&mut self) -> RowBatchFuture<'_> {
        Box::pin(async {
            tokio::task::yield_now().await;
            let numbers = self.next..=self.last;
            let rows = numbers.map(row).filter(|row| self.shard.has(&row.link.destination)).take(100);
            let rows: Vec<IncomingRow> = rows.map(IncomingRow::Row).collect();
            let Some(IncomingRow::Row(last)) = rows.last() else { return None };
            self.next = last.number.0 + 1;
            Some(Ok(rows.into()))
        })
    }
}

/// One machine that works over HTTP for so long, or to the end of its rows.
async fn machine(url: String, seed: u64, pace: Pace, rows: Rows, disk: MemoryStorage, time: Duration) -> RunReport {
    let pool = PoolId::parse(POOL).unwrap();
    let cognito = Cognito::connect(
        &ConnectionTarget::Simulator { endpoint_url: url, access_key: "SIMULATED".to_owned() },
        pool.region(),
        pool.clone(),
    )
    .await
    .unwrap();
    let services = ServicePorts { directory: cognito.directory(), writer: WritePort::Links(cognito.linker()) };
    Box::pin(work(services, Clock::system(), seed, pace, rows, disk, time)).await
}

/// The same over any service, in the time of any clock.
async fn work(
    services: ServicePorts,
    clock: Clock,
    seed: u64,
    pace: Pace,
    rows: Rows,
    disk: MemoryStorage,
    time: Duration,
) -> RunReport {
    let options = EngineOptions {
        writes: pace,
        concurrency: 1_024,
        attempts_max: 5,
        duration_max: Some(time),
        ..testing::options(seed)
    };
    EngineRun::new(&disk, POOL, services, clock).source(rows).options(options).run().await
}

/// Accepted and throttled link calls, second by second, of everybody.
fn seconds(world: &SharedAccount) -> Vec<(f64, f64)> {
    let stats = world.stats().of(Operation::LinkProvider);
    let Some((first, last)) = stats.by_second.keys().next().zip(stats.by_second.keys().next_back()) else {
        return Vec::new();
    };
    (*first..=*last)
        .map(|second| stats.by_second.get(&second).copied().unwrap_or_default())
        .map(|second| ((second.calls - second.throttled) as f64, second.throttled as f64))
        .collect()
}

fn sums(seconds: &[(f64, f64)]) -> (f64, f64) {
    seconds.iter().fold((0.0, 0.0), |sum, second| (sum.0 + second.0, sum.1 + second.1))
}

/// Used and throttled of a quota, in percent.
fn shares(seconds: &[(f64, f64)], quota: f64) -> (f64, f64) {
    let (accepted, throttled) = sums(seconds);
    (100.0 * accepted / (quota * seconds.len() as f64), 100.0 * throttled / (accepted + throttled).max(1.0))
}

async fn steady() {
    super::table(
        "Live: a steady quota that is not known, 100 s from 25/s",
        &["quota", "used", "throttled", "used from 30 s on", "throttled from 30 s on"],
    );
    for quota in [25.0, 50.0, 200.0, 1_000.0] {
        let server = server(quota);
        let time = Duration::from_secs(100);
        machine(url(&server), 1, Pace::max(1, None), Rows::endless(), MemoryStorage::default(), time).await;
        let seconds = seconds(server.account());
        let whole = &seconds[..100];
        let (all, late) = (shares(whole, quota), shares(&whole[30..], quota));
        let percent = |share: f64| format!("{share:.1} %");
        super::line(&[format!("{quota}/s"), percent(all.0), percent(all.1), percent(late.0), percent(late.1)]);
        drop(server.stop());
    }
}

/// The engine with everything that belongs to it over the simulator in this process, in virtual time.
pub(super) fn engine() {
    super::table(
        "The whole engine on a steady quota that is not known, 100 s from 25/s",
        &["quota", "used", "throttled", "used from 30 s on", "throttled from 30 s on"],
    );
    for quota in [25.0, 50.0, 200.0, 1_000.0] {
        let figures: Vec<[f64; 4]> = (0..super::SEEDS).map(|seed| engine_run(quota, seed)).collect();
        let mean = |index: usize| figures.iter().map(|run| run[index]).sum::<f64>() / figures.len() as f64;
        let cells = (0..4).map(|index| format!("{:.1} %", mean(index)));
        super::line(&std::iter::once(format!("{quota}/s")).chain(cells).collect::<Vec<_>>());
    }
}

fn engine_run(quota: f64, seed: u64) -> [f64; 4] {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let clock = Clock::starting_at(1_800_000_000_000);
        let service = InProcessService::new(world(seed, quota), clock);
        let services = ServicePorts::linking(service.clone());
        let time = Duration::from_secs(100);
        let disk = MemoryStorage::default();
        Box::pin(work(services, clock, seed, Pace::max(1, None), Rows::endless(), disk, time)).await;
        let seconds = seconds(&service.account);
        let (whole, late) = (shares(&seconds[..100], quota), shares(&seconds[30..100], quota));
        [whole.0, whole.1, late.0, late.1]
    })
}

async fn steps() {
    super::table(
        "Live: a quota that falls to a quarter at 60 s and rises again at 120 s; seconds until 95 % is held for 10 s",
        &["quota", "after the fall", "after the rise", "throttled over all"],
    );
    for quota in [25.0, 200.0] {
        let server = server(quota);
        let world = server.account().clone();
        let changes = tokio::spawn(async move {
            for (after, quota) in [(60, quota / 4.0), (60, quota)] {
                sleep(Duration::from_secs(after)).await;
                let now = Clock::system().unix_ms();
                world.with(|world| world.quota_mut().change_rate(now, Category::UserUpdate, quota, quota));
            }
        });
        let time = Duration::from_secs(200);
        machine(url(&server), 1, Pace::max(1, None), Rows::endless(), MemoryStorage::default(), time).await;
        changes.await.unwrap();
        let seconds = seconds(server.account());
        let back = |from: usize, quota: f64| {
            let found = (from..seconds.len() - 10).position(|second| {
                let (used, throttled) = shares(&seconds[second..second + 10], quota);
                used >= 95.0 && throttled <= 5.0
            });
            found.map_or("never".to_owned(), |after| format!("{after} s"))
        };
        let throttled = format!("{:.1} %", shares(&seconds, quota).1);
        super::line(&[format!("{quota}/s"), back(60, quota / 4.0), back(121, quota), throttled]);
        drop(server.stop());
    }
}

/// A tenant that calls at random moments and never gives way; counts its calls and those that were throttled.
async fn tenant(world: SharedAccount, per_second: f64, stop: Arc<AtomicBool>, counts: Arc<[AtomicU64; 2]>) {
    let service = InProcessService::sharing(world, Clock::system(), TENANTS_POOL);
    let mut rng = Rng::new(5);
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        sleep(Duration::from_secs_f64(-(1.0 - rng.unit()).ln() / per_second)).await;
        number += 1;
        let value = Personal::from_service(&format!("live-{number}"));
        let destination = DestinationUser { provider: ProviderName::parse("Cognito").unwrap(), value };
        let request = LinkRequest { destination, source: identity(&format!("Live{number}")) };
        let (service, counts) = (service.clone(), counts.clone());
        tokio::spawn(async move {
            counts[0].fetch_add(1, Ordering::Relaxed);
            if service.link(request).await.is_err() {
                counts[1].fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}

async fn tenants() {
    super::table(
        "Live: users that share a quota of 25/s for 120 s: their calls that are throttled",
        &["they take", "our pace", "ours accepted", "ours throttled", "theirs throttled"],
    );
    let limit = RateQuota { per_second: 25.0, origin: QuotaOrigin::Provisioned, share: 0.8, machines: 1 };
    for part in [0.15, 0.3] {
        for (name, pace) in
            [("none", None), ("0.8 of the limit", Some(Pace::within(limit, None))), ("`max`", Some(Pace::max(1, None)))]
        {
            let server = server(25.0);
            let (stop, counts) = (Arc::new(AtomicBool::new(false)), Arc::new([AtomicU64::new(0), AtomicU64::new(0)]));
            let users = tokio::spawn(tenant(server.account().clone(), part * 25.0, stop.clone(), counts.clone()));
            let time = Duration::from_mins(2);
            let (accepted, throttled) = match pace {
                None => {
                    sleep(time).await;
                    (0, 0)
                }
                Some(pace) => {
                    let report = machine(url(&server), 1, pace, Rows::endless(), MemoryStorage::default(), time).await;
                    (report.writes - report.throttled, report.throttled)
                }
            };
            stop.store(true, Ordering::Relaxed);
            users.await.unwrap();
            let theirs = counts.each_ref().map(|count| count.load(Ordering::Relaxed));
            super::line(&[
                format!("{:.0} %", 100.0 * part),
                name.to_owned(),
                format!("{:.1}/s", accepted as f64 / 120.0),
                format!("{:.1} %", 100.0 * throttled as f64 / (accepted + throttled).max(1) as f64),
                format!("{} of {}, {:.1} %", theirs[1], theirs[0], 100.0 * theirs[1] as f64 / theirs[0] as f64),
            ]);
            drop(server.stop());
        }
    }
}

async fn machines() {
    super::table(
        "Live: four shards of 12,000 rows on one quota of 50/s; the second one is killed at 60 s and started again at 70 s",
        &[
            "used, first 150 s",
            "throttled then",
            "throttled, whole run",
            "least part of an even share, first 60 s",
            "identities linked",
            "twice",
        ],
    );
    let server = server(50.0);
    let run = |index: u32, disk: MemoryStorage| {
        let rows = Rows { next: 1, last: 12_000, shard: Shard::new(index, 4).unwrap() };
        let time = Duration::from_mins(10);
        machine(url(&server), u64::from(index) + 1, Pace::max(4, None), rows, disk, time)
    };
    let disks: [MemoryStorage; 4] = Default::default();
    let counting = async {
        sleep(Duration::from_mins(1)).await;
        disks.each_ref().map(linked_in)
    };
    let killed = async {
        let first = run(1, disks[1].clone());
        let _cut = tokio::time::timeout(Duration::from_mins(1), first).await;
        sleep(Duration::from_secs(10)).await;
        run(1, disks[1].after_crash(0)).await
    };
    let reports =
        tokio::join!(run(0, disks[0].clone()), killed, run(2, disks[2].clone()), run(3, disks[3].clone()), counting);
    let world = server.account();
    let stats = world.stats();
    let seconds = seconds(world);
    let (used, throttled) = shares(&seconds[..150.min(seconds.len())], 50.0);
    let whole = shares(&seconds, 50.0).1;
    let parts = reports.4;
    let least = parts.iter().copied().min().unwrap_or(0) as f64 * 4.0 / parts.iter().sum::<u64>() as f64;
    super::line(&[
        format!("{used:.1} %"),
        format!("{throttled:.1} %"),
        format!("{whole:.1} %"),
        format!("{:.0} %", 100.0 * least),
        stats.identities_linked.to_string(),
        (stats.links_made - stats.identities_linked).to_string(),
    ]);
    drop(server.stop());
}

/// Results that a ledger holds.
fn linked_in(disk: &MemoryStorage) -> u64 {
    String::from_utf8_lossy(&disk.bytes()).matches("\"state\":\"linked\"").count() as u64
}

fn url(server: &Server) -> String {
    format!("http://{}", server.address())
}
