//! The pace, as the other side counts it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cognito_link::limits::RATE_BURST_CALLS;

use crate::harness::{Fate, Home, Proxy, Simulator, csv, pairs, pool_file};

/// How long this machine kept a thread waiting beyond what it asked for, at the most, while `work` ran.
fn longest_stall<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    const NAP: Duration = Duration::from_millis(1);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut stall = Duration::ZERO;
            while !done.load(Ordering::Relaxed) {
                let before = Instant::now();
                std::thread::sleep(NAP);
                stall = stall.max(before.elapsed().saturating_sub(NAP));
            }
            stall
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        (result, watcher.join().unwrap())
    })
}

/// Calls that `--rate 20` may send in this time, the stated burst included.
fn allowed_in(time: Duration) -> usize {
    let calls = (20 * time.as_millis()).div_ceil(1_000) + u128::from(RATE_BURST_CALLS);
    usize::try_from(calls).unwrap()
}

fn most_in_a_second(calls: &[Instant]) -> usize {
    let within = |(index, first): (usize, &Instant)| {
        calls.partition_point(|call| call.duration_since(*first) < Duration::from_secs(1)) - index
    };
    calls.iter().enumerate().map(within).max().unwrap_or(0)
}

#[test]
fn a_rate_is_never_passed_retries_included() {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..60)));
    let simulator = Simulator::quick(&home);
    let unlucky = Proxy::start(simulator.address(), |number, _| match number % 12 {
        3 => Fate::Answered(400, "TooManyRequestsException", "Rate exceeded".to_owned()),
        6 => Fate::LostAfter,
        9 => Fate::Answered(500, "InternalErrorException", "Internal error".to_owned()),
        11 => Fate::LostBefore,
        _ => Fate::Passes,
    });
    let options = ["pairs.csv", "--rate", "20", "--settle-with", "get-user", "--output", "json"];
    let (finished, stall) = longest_stall(|| home.link(&unlucky.url, &options));
    let report = finished.left_with(0).json();
    assert_eq!(report["rows"]["linked"], 60, "no fault cost a row: {report}");
    simulator.linked_once(60);

    let calls = unlucky.link_calls();
    assert!(calls.len() > 60 && report["writes"] == calls.len(), "{} calls: {report}", calls.len());
    // A machine that stalls delivers late what was sent in time, and so crowds a second by as much.
    let allowed = allowed_in(Duration::from_secs(1) + 2 * stall);
    let most = most_in_a_second(&calls);
    assert!(most <= allowed, "{most} calls in one second, {allowed} allowed, longest stall {stall:?}");
    let counted = simulator.stats()["operations"]["AdminLinkProviderForUser"]["calls_in_one_second_max"].as_u64();
    assert!(counted.is_some_and(|most| most <= allowed as u64), "{counted:?} counted by the simulator");
    let lasted = calls.last().unwrap().duration_since(calls[0]);
    assert!(calls.len() <= allowed_in(lasted + stall), "{} calls in {lasted:?}", calls.len());
}

#[test]
fn a_quota_below_the_rate_costs_time_and_no_row() {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..15)));
    home.write("pool.json", pool_file(&[]));
    let options = ["--pool-file", "pool.json", "--create-on-reference", "--quota", "5", "--latency", "off"];
    let simulator = Simulator::start(&home, &options);
    let options = ["pairs.csv", "--rate", "20", "--attempts", "1", "--output", "json"];
    let report = home.link(&simulator.url, &options).left_with(0).json();
    assert_eq!(report["rows"]["linked"], 15);
    assert!(report["throttled"].as_u64() > Some(0), "{report}");
    let calls = &simulator.stats()["operations"]["AdminLinkProviderForUser"];
    assert_eq!(calls["throttled"], report["throttled"], "the program counts what the service counts");
    simulator.linked_once(15);
}
