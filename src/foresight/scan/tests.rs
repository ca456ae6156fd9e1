use std::collections::BTreeMap;

use super::*;
use crate::domain::identity::PoolId;
use crate::pace::Limit;
use crate::service::sim::fault::{FaultKind, FaultPlan, FaultRule, When};
use crate::service::sim::latency::Latency;
use crate::service::sim::quota::Quota;
use crate::service::sim::request::{Category, Operation};
use crate::service::sim::user::NewUser;
use crate::service::sim::{Pool, PoolSettings, SimService, World};

const POOL: &str = "sim-local-1_Scanned";

fn pool(users: usize) -> Pool {
    let mut pool = Pool::new(PoolSettings::new(PoolId::parse(POOL).unwrap().as_str()));
    for number in 0..users {
        pool.add_user(NewUser::named(&format!("user-{number}"))).unwrap();
    }
    pool
}

fn service(pool: Pool, lists_per_second: f64, faults: FaultPlan) -> Arc<SimService> {
    let quota = Quota::documented().with_rate(Category::UserList, lists_per_second, lists_per_second);
    let world = World::new(7).with_pool(pool).with_quota(quota).with_latency(Latency::usual()).with_faults(faults);
    SimService::new(world, Clock::starting_at(1_800_000_000_000))
}

fn options(per_second: f64) -> ScanOptions {
    let limit = Limit { per_second, share: 1.0, ..Limit::assumed(1.0, 1) };
    ScanOptions { reads: Pace::within(limit, None), seed: 3 }
}

/// How often each user was handed on, and what the scan says of itself.
async fn scanned(service: &Arc<SimService>, per_second: f64) -> Result<(BTreeMap<String, u32>, Scanned), Stop> {
    let mut seen = BTreeMap::new();
    let mut take = |users: Vec<PoolUser>| {
        for user in users {
            *seen.entry(user.username.expose().to_owned()).or_default() += 1;
        }
        Ok(())
    };
    let clock = Clock::starting_at(1_800_000_000_000);
    let scanned = scan(service.clone(), options(per_second), clock, &mut take).await?;
    Ok((seen, scanned))
}

fn each_once(seen: &BTreeMap<String, u32>, users: usize) -> bool {
    seen.len() == users && seen.values().all(|times| *times == 1)
}

#[tokio::test(start_paused = true)]
async fn a_pool_of_one_page_takes_one_call() {
    for users in [0, 1, 60] {
        let service = service(pool(users), 30.0, FaultPlan::none());
        let (seen, scanned) = scanned(&service, 30.0).await.unwrap();
        assert!(each_once(&seen, users), "{users}");
        assert_eq!((scanned.users, scanned.reads), (users as u64, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn every_user_is_seen_once_and_the_budget_is_used() {
    let service = service(pool(40_000), 30.0, FaultPlan::none());
    let (seen, scanned) = scanned(&service, 30.0).await.unwrap();
    assert!(each_once(&seen, 40_000));
    assert_eq!(scanned.users, 40_000);
    let list = service.stats().of(Operation::ListUsers);
    assert_eq!((list.calls, list.throttled), (scanned.reads, scanned.throttled));
    let calls_possible = scanned.elapsed.as_millis() * 30 / 1_000;
    assert!(u128::from(scanned.reads) * 100 >= calls_possible * 97, "{scanned:?}");
    assert_eq!(service.stats().of(Operation::GetUser).calls, 0, "which would be billed");
}

#[tokio::test(start_paused = true)]
async fn throttles_faults_and_lost_answers_cost_no_user() {
    let faults = FaultPlan::none()
        .with(FaultRule::new(FaultKind::Throttled, When::Chance(0.05)))
        .with(FaultRule::new(FaultKind::ErrorBefore, When::Chance(0.05)))
        .with(FaultRule::new(FaultKind::LostAfter, When::Chance(0.05)));
    let service = service(pool(6_000), 30.0, faults);
    let (seen, scanned) = scanned(&service, 60.0).await.unwrap();
    assert!(each_once(&seen, 6_000));
    assert!(scanned.throttled > 0 && service.stats().faults > 0);
}

#[tokio::test(start_paused = true)]
async fn a_sub_that_is_no_uuid_keeps_the_pool_in_one_chain() {
    let mut pool = pool(300);
    for number in 0..300 {
        let sub = Some(format!("zz-{number}"));
        pool.add_user(NewUser { sub, ..NewUser::named(&format!("odd-{number}")) }).unwrap();
    }
    let service = service(pool, 30.0, FaultPlan::none());
    let (seen, _) = scanned(&service, 30.0).await.unwrap();
    assert!(each_once(&seen, 600));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_ends_the_scan() {
    let denied = FaultPlan::none().with(FaultRule::new(FaultKind::AccessDenied, When::From(3)));
    let service = service(pool(200), 30.0, denied);
    let stop = scanned(&service, 30.0).await.unwrap_err();
    assert_eq!(stop.cause, StopCause::AccessDenied);
    assert!(stop.detail.starts_with("ListUsers: access denied"), "{}", stop.detail);
}

#[tokio::test(start_paused = true)]
async fn whoever_takes_the_users_may_end_it() {
    let service = service(pool(200), 30.0, FaultPlan::none());
    let mut take = |_| Err(Stop::new(StopCause::InputIo, "the disk is full"));
    let stop = scan(service, options(30.0), Clock::starting_at(0), &mut take).await.unwrap_err();
    assert_eq!(stop.detail, "the disk is full");
}
