//! Runs that stop because their rows fail, in virtual time: early, close to the limit, and with no row in doubt.

use std::time::Duration;

use cognito_link::clock::{Clock, UnixMs};
use cognito_link::domain::identity::{Destination, Personal};
use cognito_link::domain::outcome::RefusalCode;
use cognito_link::domain::row::Row;
use cognito_link::domain::run::{RunOutcome, RunReport, StopCause};
use cognito_link::engine::testing::{self, EngineRun, row_to};
use cognito_link::engine::{EngineOptions, FailureBound, FailureClass, ServicePorts, SettleWith, StopLimits};
use cognito_link::ledger::storage::MemoryStorage;
use cognito_link::service::in_process::InProcessService;
use cognito_sim::{
    Account, FaultKind, FaultPlan, FaultRule, FaultTrigger, Latency, NewUser, Operation, Pool, PoolSettings, Quota,
};

const POOL: &str = testing::POOL;
const START: UnixMs = 1_795_000_000_000;
const CONCURRENCY: u64 = 48;

fn row(number: u64) -> Row {
    row_to(number, Destination::Username(Personal::from_service(&format!("user-{number}"))))
}

struct Scene {
    rows: u64,
    /// Every so many rows name a user that is not there; 0 for none.
    missing_every: u64,
    faults: FaultPlan,
    settle_with: SettleWith,
    list_lag_ms: u64,
}

impl Scene {
    fn fine(rows: u64) -> Self {
        let settle_with = SettleWith::ListUsers;
        Self { rows, missing_every: 0, faults: FaultPlan::none(), settle_with, list_lag_ms: 0 }
    }

    /// The report, the links in the pool, and the time that the run took.
    fn run(&self, limits: &[(FailureClass, FailureBound)]) -> (RunReport, u64, Duration) {
        let mut pool = Pool::new(PoolSettings::new(POOL)).with_list_lag_ms(self.list_lag_ms);
        pool.ensure_provider("Google").unwrap();
        let is_missing = |number: u64| self.missing_every > 0 && number.is_multiple_of(self.missing_every);
        for number in (1..=self.rows).filter(|number| !is_missing(*number)) {
            pool.add_user(NewUser::named(&format!("user-{number}"))).unwrap();
        }
        let account = Account::new(1).with_pool(pool).with_quota(Quota::off()).with_faults(self.faults.clone());
        let account = account.with_latency(Latency::between(300, 1_500));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let clock = Clock::starting_at(START);
            let service = InProcessService::new(account, clock);
            let stop_limits: StopLimits = limits.iter().copied().collect();
            let options = EngineOptions { stop_limits, settle_with: self.settle_with, ..testing::options(1) };
            let disk = MemoryStorage::default();
            let rows = (1..=self.rows).map(row);
            let report = EngineRun::new(&disk, POOL, ServicePorts::linking(service.clone()), clock)
                .rows(rows)
                .options(options)
                .run()
                .await;
            assert_eq!(report.counts.balance(), Ok(()));
            (report, service.account.stats().links_made, clock.elapsed())
        })
    }
}

fn assert_stopped(report: &RunReport, text: &str) {
    let RunOutcome::Stopped(stop) = &report.ended else { panic!("the run did not stop: {report:?}") };
    assert_eq!(stop.cause, StopCause::Bound);
    assert!(stop.detail.contains(text), "{}", stop.detail);
}

const NOT_FOUND: FailureClass = FailureClass::Refusal(RefusalCode::UserNotFound);

#[test]
fn a_file_of_wrong_users_stops_early() {
    let wrong = Scene { missing_every: 1, ..Scene::fine(1_000) };
    let (report, links, _) = wrong.run(&[(NOT_FOUND, FailureBound::Percent(20.0))]);
    assert_stopped(&report, "rows were refused as user_not_found (--stop-after user_not_found=20%)");
    assert_eq!((report.counts.in_doubt, links), (0, 0));
    assert!((100..=100 + CONCURRENCY).contains(&report.counts.refused), "{:?}", report.counts);
    // Fewer than the limit stop nothing.
    let (report, links, _) =
        Scene { missing_every: 6, ..Scene::fine(1_000) }.run(&[(NOT_FOUND, FailureBound::Percent(20.0))]);
    assert_eq!((report.ended, links), (RunOutcome::Completed, 1_000 - 1_000 / 6));
}

#[test]
fn a_limit_is_met_slowly_and_exceeded_by_the_calls_in_flight_at_most() {
    for most in [2, 3, 10, 40] {
        let limits = [(FailureClass::Refused, FailureBound::Rows(most))];
        let (report, _, _) = Scene { missing_every: 1, ..Scene::fine(500) }.run(&limits);
        assert_stopped(&report, &format!("(--stop-after refused={most})"));
        assert!((most..=most + CONCURRENCY).contains(&report.counts.refused), "{most}: {:?}", report.counts);
        assert_eq!(report.counts.in_doubt, 0);
        // After a first failure the limit is approached and not passed.
        let (report, _, _) = Scene { missing_every: 30, ..Scene::fine(3_000) }.run(&limits);
        match report.ended {
            RunOutcome::Completed => assert!(most == 40, "33 of 1,000"),
            _ => assert_eq!((report.counts.refused, report.counts.in_doubt), (most, 0)),
        }
    }
}

#[test]
fn a_run_recovers_from_a_few_failures() {
    let took = |limits: &[(FailureClass, FailureBound)]| {
        let (report, _, took) = Scene { missing_every: 300, ..Scene::fine(3_000) }.run(limits);
        assert_eq!((report.ended, report.counts.refused), (RunOutcome::Completed, 10));
        took
    };
    let limits = [(NOT_FOUND, FailureBound::Percent(20.0)), (FailureClass::Provider, FailureBound::Rows(20))];
    assert_eq!(took(&limits), took(&[]), "limits that are far away cost nothing");
}

#[test]
fn a_service_that_fails_every_write_stops_the_run_and_leaves_no_doubt() {
    let always =
        |kind| FaultPlan::none().with(FaultRule::new(kind, FaultTrigger::Chance(1.0)).on(Operation::LinkProvider));
    for kind in [FaultKind::ErrorBefore, FaultKind::LostBefore] {
        for settle_with in [SettleWith::ListUsers, SettleWith::GetUser] {
            let scene = Scene { faults: always(kind), settle_with, list_lag_ms: 4_000, ..Scene::fine(6_000) };
            let limits = [FailureClass::Failed, FailureClass::InDoubt].map(|class| (class, FailureBound::Rows(100)));
            let (report, links, took) = scene.run(&limits);
            let RunOutcome::Stopped(stop) = &report.ended else { panic!("{report:?}") };
            assert_eq!((stop.cause, links), (StopCause::Bound, 0), "{kind:?}");
            assert_eq!(report.counts.in_doubt, 0, "{kind:?} {settle_with:?}: {:?}", report.counts);
            assert!(took < Duration::from_mins(5), "{kind:?} {settle_with:?}: {took:?}");
        }
    }
}
