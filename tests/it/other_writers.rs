//! Somebody else links the same identity at every step of a row: a trigger, a colleague, another ledger.
//!
//! Goal: a ledger claims a link without a mark only where one of its own calls was answered with success. Method: whole
//! runs in virtual time over the simulator, with a second writer that acts between the steps of a row.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cognito_link::clock::{Clock, UnixMs, sleep};
use cognito_link::domain::identity::{Destination, DestinationUser, Personal, ProviderName};
use cognito_link::domain::row::Row;
use cognito_link::engine::testing::{self, EngineRun, row_to};
use cognito_link::engine::{EngineOptions, ServicePorts, SettleWith};
use cognito_link::ledger::UndoSelection;
use cognito_link::ledger::storage::MemoryStorage;
use cognito_link::service::in_process::InProcessService;
use cognito_link::service::{
    AnswerMeta, CallFault, IdentityLinker, LinkRequest, MappedAttributes, PoolFacts, PoolUser, PortFuture,
    ProviderPage, Transport, UserDirectory, UserPage, UserQuery,
};
use cognito_sim::{
    Account, FaultKind, FaultPlan, FaultRule, FaultTrigger, Latency, NewUser, Operation, Pool, PoolSettings, Quota,
    SharedAccount,
};
use serde_json::Value;

const POOL: &str = testing::POOL;
const START: UnixMs = 1_795_000_000_000;
/// Fewer than stop a run when none of them connects.
const ROWS: u64 = 4;

/// When somebody else links the identity of a row, and what our own call meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// The row is announced and waits for its slot.
    BeforeOurCall,
    /// Our call was throttled, and goes out again.
    AfterThrottledCall,
    /// Our call did not connect, and goes out again.
    AfterUnreachedCall,
    /// Our call got lost before it arrived.
    AfterLostCall,
    /// Our call was answered with an error, and had no effect.
    AfterFailedCall,
    /// The service refuses our call for another reason.
    BeforeRefusal,
}

const MOMENTS: [Moment; 6] = [
    Moment::BeforeOurCall,
    Moment::AfterThrottledCall,
    Moment::AfterUnreachedCall,
    Moment::AfterLostCall,
    Moment::AfterFailedCall,
    Moment::BeforeRefusal,
];

/// The service, with somebody else who links first.
struct Crowded {
    ours: Arc<InProcessService>,
    theirs: Arc<InProcessService>,
    moment: Moment,
    linked_by_others: Mutex<BTreeSet<String>>,
}

impl Crowded {
    /// Links as somebody else, some seconds later. Returns whether the identity was still free.
    async fn link_as_somebody_else(&self, request: &LinkRequest) -> bool {
        sleep(Duration::from_secs(6)).await;
        let is_new = self.theirs.link(request.clone()).await.is_ok();
        if is_new {
            self.linked_by_others.lock().unwrap().insert(request.source.value().expose().to_owned());
        }
        is_new
    }
}

fn answered(status: u16, code: &str, message: &str) -> CallFault {
    let (code, message) = (code.to_owned(), message.to_owned());
    CallFault::Answered { status, code, message, retry_after: None, meta: AnswerMeta::default() }
}

fn transport(kind: Transport) -> CallFault {
    CallFault::Transport { kind, detail: String::new() }
}

impl IdentityLinker for Crowded {
    fn link(&self, request: LinkRequest) -> PortFuture<'_, ()> {
        Box::pin(async move {
            let is_first = self.link_as_somebody_else(&request).await;
            match self.moment {
                Moment::AfterThrottledCall if is_first => {
                    Err(answered(400, "TooManyRequestsException", "Rate exceeded"))
                }
                Moment::AfterUnreachedCall if is_first => Err(transport(Transport::Connect)),
                Moment::AfterLostCall if is_first => Err(transport(Transport::Broken)),
                Moment::AfterFailedCall if is_first => Err(answered(500, "InternalErrorException", "")),
                Moment::BeforeRefusal if is_first => {
                    Err(answered(400, "InvalidParameterException", "Merging is not currently supported"))
                }
                _ => self.ours.link(request).await,
            }
        })
    }
}

impl UserDirectory for Crowded {
    fn describe_pool(&self) -> PortFuture<'_, PoolFacts> {
        self.ours.describe_pool()
    }

    fn list_providers(&self, token: Option<String>) -> PortFuture<'_, ProviderPage> {
        self.ours.list_providers(token)
    }

    fn mapped_attributes(&self, provider: ProviderName) -> PortFuture<'_, MappedAttributes> {
        self.ours.mapped_attributes(provider)
    }

    fn list_users(&self, query: UserQuery) -> PortFuture<'_, UserPage> {
        self.ours.list_users(query)
    }

    fn get_user(&self, username: Personal) -> PortFuture<'_, Option<PoolUser>> {
        self.ours.get_user(username)
    }
}

fn row(number: u64) -> Row {
    row_to(number, Destination::Username(Personal::from_service(&format!("user-{number}"))))
}

fn rows() -> impl Iterator<Item = Row> {
    (1..=ROWS).map(row)
}

fn account(seed: u64, faults: FaultPlan) -> SharedAccount {
    let mut pool = Pool::new(PoolSettings::new(POOL));
    pool.ensure_provider("Google").unwrap();
    for number in 1..=ROWS {
        pool.add_user(NewUser::named(&format!("user-{number}"))).unwrap();
    }
    let account = Account::new(seed).with_pool(pool).with_quota(Quota::off()).with_faults(faults);
    SharedAccount::new(account.with_latency(Latency::between(50, 50)))
}

/// The result of each identity in a ledger: its state, and whether it carries the mark.
fn results(disk: &MemoryStorage) -> Vec<(String, String, bool)> {
    let text = String::from_utf8(disk.bytes()).unwrap();
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_type = |wanted: &'static str| records.iter().filter(move |record| record["type"] == wanted);
    rows()
        .map(|row| {
            let key = row.key.to_string();
            let last = of_type("settled").rfind(|record| record["key"] == *key);
            let state = last.map_or("none", |record| record["state"].as_str().unwrap()).to_owned();
            let is_marked = last.is_some_and(|record| record["recovered"] == true);
            (row.link.source.value().expose().to_owned(), state, is_marked)
        })
        .collect()
}

/// Identities that a ledger claims without a mark.
fn claimed(disk: &MemoryStorage) -> BTreeSet<String> {
    let is_claim = |(_, state, is_marked): &(String, String, bool)| state == "linked" && !is_marked;
    results(disk).into_iter().filter(is_claim).map(|(id, ..)| id).collect()
}

fn is_linked(world: &SharedAccount, row: &Row) -> bool {
    let id = row.link.source.value().expose();
    world.with(|world| {
        let user = world.pool_mut(POOL).unwrap().get_user(&format!("user-{}", row.number.0)).unwrap();
        user.attributes.iter().any(|(name, value)| name == "identities" && value.contains(id))
    })
}

fn in_virtual_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(work)
}

fn undo(world: &SharedAccount, disk: &MemoryStorage, at: UnixMs) {
    in_virtual_time(async {
        let clock = Clock::starting_at(at);
        let ports = ServicePorts::unlinking(InProcessService::sharing(world.clone(), clock, POOL));
        EngineRun::new(disk, POOL, ports, clock).links(UndoSelection::default()).run().await;
    });
}

#[test]
fn a_link_of_somebody_else_is_never_claimed_without_a_mark() {
    for moment in MOMENTS {
        for settle_with in [SettleWith::ListUsers, SettleWith::GetUser] {
            let (world, disk) = (account(1, FaultPlan::none()), MemoryStorage::default());
            in_virtual_time(async {
                let clock = Clock::starting_at(START);
                let [ours, theirs] = [(); 2].map(|()| InProcessService::sharing(world.clone(), clock, POOL));
                let crowded = Arc::new(Crowded { ours, theirs, moment, linked_by_others: Mutex::default() });
                let options = EngineOptions { settle_with, ..testing::options(1) };
                let ports = ServicePorts::linking(crowded.clone());
                EngineRun::new(&disk, POOL, ports, clock).rows(rows()).options(options).run().await;
                assert_eq!(crowded.linked_by_others.lock().unwrap().len() as u64, ROWS, "{moment:?}");
            });
            let expected = match moment {
                // Our only call with an effect was answered with "already linked".
                Moment::BeforeOurCall | Moment::AfterThrottledCall | Moment::AfterUnreachedCall => {
                    ("already_linked", false)
                }
                // Either may have made it.
                Moment::AfterLostCall | Moment::AfterFailedCall | Moment::BeforeRefusal => ("linked", true),
            };
            for (id, state, is_marked) in results(&disk) {
                assert_eq!((state.as_str(), is_marked), expected, "{moment:?} {settle_with:?}: {id}");
            }
            undo(&world, &disk, START + 600_000);
            assert!(rows().all(|row| is_linked(&world, &row)), "{moment:?}: undo takes nothing of others");
        }
    }
}

#[test]
fn nor_after_a_kill() {
    for rerun_after_ms in [1_000, 20_000, 120_000] {
        let (world, disk) = (account(1, FaultPlan::none()), MemoryStorage::default());
        let crowded_run = |at: UnixMs, cut: Duration| {
            in_virtual_time(async {
                let clock = Clock::starting_at(at);
                let [ours, theirs] = [(); 2].map(|()| InProcessService::sharing(world.clone(), clock, POOL));
                let moment = Moment::BeforeOurCall;
                let crowded = Arc::new(Crowded { ours, theirs, moment, linked_by_others: Mutex::default() });
                EngineRun::new(&disk, POOL, ServicePorts::linking(crowded), clock)
                    .rows(rows())
                    .run_until_crash(cut)
                    .await
            })
        };
        // All rows are announced, and none has arrived.
        assert!(crowded_run(START, Duration::from_secs(3)).is_none());
        let at = START + 10_000 + rerun_after_ms;
        in_virtual_time(async {
            let theirs = InProcessService::sharing(world.clone(), Clock::starting_at(START + 10_000), POOL);
            for row in rows() {
                let Destination::Username(value) = row.link.destination.clone() else { panic!("named by user name") };
                let destination = DestinationUser { provider: ProviderName::parse("Cognito").unwrap(), value };
                theirs.link(LinkRequest { destination, source: row.link.source }).await.unwrap();
            }
        });
        assert!(crowded_run(at, Duration::from_hours(1)).is_some());
        for (id, state, is_marked) in results(&disk) {
            assert_eq!((state.as_str(), is_marked), ("linked", true), "rerun after {rerun_after_ms} ms: {id}");
        }
        undo(&world, &disk, at + 600_000);
        assert!(rows().all(|row| is_linked(&world, &row)), "undo takes nothing of others");
    }
}

#[test]
fn two_ledgers_never_claim_the_same_link() {
    let mut claims = 0;
    for seed in 1..=40 {
        let lost = |kind| FaultRule::new(kind, FaultTrigger::Chance(0.1)).on(Operation::LinkProvider);
        let faults = FaultPlan::none().with(lost(FaultKind::LostAfter)).with(lost(FaultKind::ErrorBefore));
        let world = account(seed, faults);
        let disks = [MemoryStorage::default(), MemoryStorage::default()];
        in_virtual_time(async {
            let clock = Clock::starting_at(START);
            let run = |disk, seed| {
                let ports = ServicePorts::linking(InProcessService::sharing(world.clone(), clock, POOL));
                EngineRun::new(disk, POOL, ports, clock).rows(rows()).options(testing::options(seed)).run()
            };
            tokio::join!(run(&disks[0], seed), run(&disks[1], seed + 1_000));
        });
        let [first, second] = [&disks[0], &disks[1]].map(claimed);
        assert!(first.is_disjoint(&second), "seed {seed}: {:?}", first.intersection(&second));
        claims += first.len() + second.len();
    }
    assert!(claims > 80, "{claims}: most links are claimed by the one who made them");
}
