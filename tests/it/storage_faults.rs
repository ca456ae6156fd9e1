//! Disks that fail, as `SQLite` tests them: each operation of a job of 50 rows fails in turn, once and for good, with short
//! writes, and with a loss of power that keeps the synced bytes alone. Then a good disk takes what is left, and the ledger
//! must say what the pool says: no row lost, none linked twice.

#![allow(clippy::print_stdout, reason = "the figures of docs/reliability.md")]

use std::time::Duration;

use cognito_link::clock::{Clock, UnixMs};
use cognito_link::domain::identity::{Destination, Personal};
use cognito_link::domain::row::Row;
use cognito_link::domain::run::{RunOutcome, RunReport, StopCause};
use cognito_link::domain::state::RowState;
use cognito_link::engine::ServicePorts;
use cognito_link::engine::testing::{EngineRun, POOL, open_ledger, options, row_to};
use cognito_link::ledger::LedgerError;
use cognito_link::ledger::storage::{MemoryStorage, StorageFault, StorageOperation};
use cognito_link::service::in_process::InProcessService;
use cognito_sim::{
    Account, FaultKind, FaultPlan, FaultRule, FaultTrigger, Latency, NewIdentity, NewUser, Operation, Pool,
    PoolSettings, SharedAccount,
};

const START: UnixMs = 1_795_000_000_000;
const ROWS: u64 = 50;
const DAY: Duration = Duration::from_hours(24);

fn rows() -> Vec<Row> {
    let user = |number| Destination::Username(Personal::from_service(&format!("user-{number}")));
    (1..=ROWS).map(|number| row_to(number, user(number))).collect()
}

fn world() -> SharedAccount {
    let mut pool = Pool::new(PoolSettings::new(POOL));
    pool.ensure_provider("Google").unwrap();
    (1..=ROWS).for_each(|number| pool.add_user(NewUser::named(&format!("user-{number}"))).unwrap());
    SharedAccount::new(Account::new(1).with_pool(pool).with_latency(Latency::usual()))
}

/// One run on a disk, from `now` on.
fn run(
    world: &SharedAccount,
    disk: &MemoryStorage,
    rows: Vec<Row>,
    now: UnixMs,
    crash_after: Duration,
) -> Result<Option<RunReport>, LedgerError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let clock = Clock::starting_at(now);
        let services = ServicePorts::linking(InProcessService::sharing(world.clone(), clock, POOL));
        EngineRun::new(disk, POOL, services, clock).rows(rows).options(options(7)).run_on_disk(crash_after).await
    })
}

fn stopped_by_the_ledger(result: &Result<Option<RunReport>, LedgerError>) -> bool {
    match result {
        Err(LedgerError::Io { .. }) => true,
        Ok(Some(report)) => {
            report.counts.balance().unwrap();
            let stopped = matches!(&report.ended, RunOutcome::Stopped(stop) if stop.cause == StopCause::LedgerIo);
            assert_eq!(stopped, report.ledger_head.is_none());
            stopped
        }
        other => panic!("{other:?}"),
    }
}

/// Each link in the pool stands in the ledger, and each row that the ledger has as linked in the pool.
fn assert_true(world: &SharedAccount, disk: &MemoryStorage, is_complete: bool, case: &str) {
    let text = String::from_utf8(disk.bytes()).unwrap();
    let ledger = open_ledger(&MemoryStorage::holding(disk.bytes()), POOL, Clock::starting_at(START));
    for row in rows() {
        let number = row.number.0;
        let is_linked = world.with(|world| {
            let user = world.pool_mut(POOL).unwrap().get_user(&format!("user-{number}")).unwrap();
            user.attributes
                .iter()
                .any(|(name, value)| name == "identities" && value.contains(&format!("Id{number:06}x")))
        });
        let state = ledger.state(row.key);
        assert!(!is_linked || text.contains(&format!("Id{number:06}x")), "{case}: row {number} was sent unannounced");
        assert!(state != RowState::Linked || is_linked, "{case}: row {number} is not linked");
        assert!(!is_complete || state == RowState::Linked, "{case}: row {number} is {state:?}");
    }
    let stats = world.stats();
    assert!(stats.links_of_one_identity_max <= 1, "{case}");
    assert!(!is_complete || stats.identities_linked == ROWS, "{case}");
}

/// What the fault left on the disk.
fn left_by(disk: &MemoryStorage, power_is_lost: bool) -> MemoryStorage {
    if power_is_lost { disk.after_crash(0) } else { MemoryStorage::holding(disk.bytes()) }
}

fn play(fault: StorageFault, power_is_lost: bool) {
    let case = format!("{fault:?}, power lost {power_is_lost}");
    let (world, mut disk) = (world(), MemoryStorage::default());
    if fault.operation == StorageOperation::Truncate {
        // Only a torn tail is cut: half a line behind a header.
        drop(open_ledger(&disk, POOL, Clock::starting_at(START)));
        disk = MemoryStorage::holding([disk.bytes(), b"{\"type\":\"ann".to_vec()].concat());
    }
    disk.set_fault(Some(fault));
    let result = run(&world, &disk, rows(), START, DAY);
    assert!(disk.faults_met() > 0, "{case}: there is no such operation");
    assert!(stopped_by_the_ledger(&result), "{case}: {result:?}");
    let mut disk = left_by(&disk, power_is_lost);
    assert_true(&world, &disk, false, &case);
    if fault.for_good {
        // The next run meets the same disk.
        disk.set_fault(Some(StorageFault { after: 0, ..fault }));
        let sent = world.stats().identities_linked;
        let result = run(&world, &disk, rows(), START + 300_000, DAY);
        if disk.faults_met() > 0 {
            assert!(stopped_by_the_ledger(&result), "{case}: {result:?}");
            assert!(fault.operation == StorageOperation::Append || world.stats().identities_linked == sent, "{case}");
        }
        disk = left_by(&disk, power_is_lost);
        assert_true(&world, &disk, false, &case);
    }
    let mut now = START + 600_000;
    for _ in 0..5 {
        let report = run(&world, &disk, rows(), now, DAY).unwrap().unwrap();
        if report.counts.linked == ROWS {
            break;
        }
        now += 120_000;
    }
    assert_true(&world, &disk, true, &case);
}

#[test]
fn every_failed_operation_of_a_job_leaves_a_true_ledger() {
    let (world, disk) = (world(), MemoryStorage::default());
    run(&world, &disk, rows(), START, DAY).unwrap().unwrap();
    assert_true(&world, &disk, true, "no fault");
    let mut cases = 0;
    for operation in StorageOperation::ALL {
        let count = match operation {
            // A new ledger is cut nowhere; a torn one once.
            StorageOperation::Truncate => 1,
            _ => disk.count_of(operation),
        };
        let mut of_operation = 0;
        for after in 0..count {
            for for_good in [false, true] {
                for power_is_lost in [false, true] {
                    let quarters = if operation == StorageOperation::Append && !for_good { 0..4 } else { 2..3 };
                    for quarters_written in quarters {
                        play(StorageFault { operation, after, for_good, quarters_written }, power_is_lost);
                        of_operation += 1;
                    }
                }
            }
        }
        println!("{operation:?}: {count} operations, {of_operation} faults");
        assert!(of_operation > 0, "{operation:?}");
        cases += of_operation;
    }
    println!("{cases} faults in a job of {ROWS} rows: no row lost, none linked twice, every ledger true");
}

/// Whoever has the address at the rerun, the open call was for the user that the ledger names.
#[test]
fn an_address_that_moves_between_crash_and_rerun_moves_no_row() {
    let address = "a@example.com";
    let row = || row_to(1, Destination::Email(Personal::from_service(address)));
    let pool = || {
        let mut pool = Pool::new(PoolSettings::new(POOL));
        pool.ensure_provider("Google").unwrap();
        pool
    };
    let mut before = pool();
    before.add_user(NewUser::named("alice").with_verified_email(address)).unwrap();
    before.add_user(NewUser::named("bob")).unwrap();
    let lost = FaultRule::new(FaultKind::LostAfter, FaultTrigger::From(1)).on(Operation::LinkProvider);
    let before = SharedAccount::new(Account::new(1).with_pool(before).with_faults(FaultPlan::none().with(lost)));
    let disk = MemoryStorage::default();
    assert!(run(&before, &disk, vec![row()], START, Duration::from_millis(400)).unwrap().is_none());
    assert_eq!(before.stats().identities_linked, 1);

    for (has_link, expected) in [(true, RowState::Linked), (false, RowState::Failed)] {
        let disk = disk.after_crash(0);
        let mut after = pool();
        let mut alice = NewUser::named("alice");
        if has_link {
            let identity = NewIdentity::linked("Google", "Id000001x");
            alice = alice.with_identity(NewIdentity { created_ms: START + 500, ..identity });
        }
        after.add_user(alice).unwrap();
        after.add_user(NewUser::named("bob").with_verified_email(address)).unwrap();
        let after = SharedAccount::new(Account::new(1).with_pool(after));
        let later = START + 300_000;
        run(&after, &disk, vec![row()], later, DAY).unwrap().unwrap();
        let ledger = open_ledger(&MemoryStorage::holding(disk.bytes()), POOL, Clock::starting_at(later));
        assert_eq!(ledger.state(row().key), expected);
        assert_eq!(after.stats().identities_linked, 0, "nothing was sent for the other user");
        if !has_link {
            // No effect is proven, and the ledger says so: from now on the row means whoever has the address.
            run(&after, &disk, vec![row()], later + 300_000, DAY).unwrap().unwrap();
            assert_eq!(after.stats().identities_linked, 1);
        }
    }
}
