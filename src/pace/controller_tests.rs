//! Rules one by one, and then whole runs in the model of `model`, held against the targets with some slack.

use model::{Limiter, ModelRun, Scenario, Seconds, run};

use super::*;
use crate::seed::Rng;

#[path = "testing.rs"]
mod model;
#[path = "pictures.rs"]
mod pictures;

const FREE: f64 = RATE_PER_SECOND_MAX;
const SEEDS: std::ops::Range<u64> = 0..4;

fn close(left: f64, right: f64) -> bool {
    (left - right).abs() < 1e-9 * right.abs().max(1.0)
}

/// Sends at the controller's own pace from `from` on, each call answered 50 ms later; returns the time at the end.
fn drive(controller: &mut RateController, from: f64, calls: usize, feedback: impl Fn(usize) -> CallFeedback) -> f64 {
    let mut now = from;
    for call in 0..calls {
        controller.tick(now);
        now = f64::max(now + 1.0 / controller.rate(now), controller.resume_at());
        let logged = controller.on_sent(now);
        controller.on_result(now + 0.05, logged, feedback(call));
    }
    now
}

#[test]
fn the_start_is_what_is_known() {
    for (start, ceiling, expected) in [
        (InitialRate::Ramp(25.0), FREE, 25.0),
        (InitialRate::Ramp(25.0), 10.0, 10.0),
        (InitialRate::Known(100.0), FREE, 97.0),
        (InitialRate::Known(100.0), 80.0, 80.0),
        (InitialRate::At(40.0), 40.0, 40.0),
        (InitialRate::Learnt(100.0), FREE, 90.0),
        (InitialRate::Known(0.0), FREE, RATE_PER_SECOND_MIN),
        (InitialRate::Ramp(1e9), 1e9, FREE),
    ] {
        let controller = RateController::new(start, ceiling);
        assert!(close(controller.rate(0.0), expected), "{start:?} under {ceiling}: {}", controller.rate(0.0));
        assert_eq!(controller.measured_quota(), None);
    }
}

#[test]
fn a_first_guess_grows_while_calls_are_accepted() {
    let mut controller = RateController::new(InitialRate::Ramp(25.0), 1_000.0);
    controller.tick(10.0);
    assert!(close(controller.rate(10.0), 25.0), "nothing was accepted yet");
    drive(&mut controller, 10.0, 2_000, |_| CallFeedback::Accepted);
    assert!(close(controller.rate(20.0), 1_000.0), "the ceiling holds: {}", controller.rate(20.0));
}

#[test]
fn a_lone_refusal_costs_two_percent_and_comes_back() {
    let mut controller = RateController::new(InitialRate::At(100.0), FREE);
    let now = drive(&mut controller, 0.0, 500, |_| CallFeedback::Accepted);
    let pace = controller.rate(now);
    let logged = controller.on_sent(now);
    assert!(controller.on_result(now + 0.02, logged, CallFeedback::Throttled));
    let after = |seconds: f64| controller.rate(now + 0.02 + seconds) / pace;
    for (seconds, expected) in [(0.0, 0.98), (20.0, 1.0), (40.0, 1.03), (48.0, 2.06)] {
        assert!((after(seconds) - expected).abs() < 0.002, "after {seconds} s: {}", after(seconds));
    }
    assert!(controller.resume_at() <= now, "no pause without a measure");
    assert_eq!(controller.measured_quota().map(f64::round), Some(pace.round()));
}

#[test]
fn refusals_of_older_calls_change_nothing() {
    let mut controller = RateController::new(InitialRate::At(100.0), FREE);
    let calls: Vec<LoggedCall> = (0..10).map(|call| controller.on_sent(f64::from(call) * 0.01)).collect();
    let cuts = calls.into_iter().filter(|logged| controller.on_result(0.2, *logged, CallFeedback::Throttled)).count();
    assert_eq!(cuts, 1, "ten refusals of one round trip are one event");
}

#[test]
fn what_is_accepted_between_two_refusals_is_the_quota() {
    let mut controller = RateController::new(InitialRate::At(200.0), FREE);
    let feedback = |call: usize| match call {
        0 | 120 => CallFeedback::Throttled,
        _ if call.is_multiple_of(2) => CallFeedback::Unreached,
        _ => CallFeedback::Accepted,
    };
    drive(&mut controller, 0.0, 121, feedback);
    let measured = controller.measured_quota().unwrap();
    assert!((96.0..100.0).contains(&measured), "half of what was sent at 196/s: {measured}");
    assert!(controller.resume_at() > 0.0, "the bucket is given a moment");
}

#[test]
fn the_pace_stays_within_its_bounds_whatever_comes() {
    for seed in 0..50 {
        let mut rng = Rng::new(seed);
        let ceiling = 1.0 + 500.0 * rng.unit();
        let start =
            if rng.chance(0.5) { InitialRate::Ramp(25.0) } else { InitialRate::Known(1.0 + 800.0 * rng.unit()) };
        let mut controller = RateController::new(start, ceiling);
        let mut now = 0.0;
        for _ in 0..2_000 {
            now += rng.unit();
            controller.tick(now);
            let rate = controller.rate(now);
            assert!((RATE_PER_SECOND_MIN..=ceiling).contains(&rate), "seed {seed}: {rate} under {ceiling}");
            assert!(controller.resume_at() - now < 10.0, "seed {seed}: a pause of {}", controller.resume_at() - now);
            let logged = controller.on_sent(now);
            let feedbacks =
                [CallFeedback::Accepted, CallFeedback::Throttled, CallFeedback::Faulted, CallFeedback::Unreached];
            controller.on_result(now + rng.unit(), logged, feedbacks[usize::try_from(rng.below(4)).unwrap()]);
            if rng.chance(0.01) {
                controller.halve(now);
            }
        }
    }
}

#[test]
fn halving_and_new_ceilings() {
    let mut controller = RateController::new(InitialRate::At(40.0), 40.0);
    controller.halve(5.0);
    assert!((controller.rate(5.0) / 20.0 - 0.97).abs() < 0.001);
    assert!(close(controller.rate(60.0), 40.0), "it finds its way back to the ceiling");
    controller.set_ceiling(60.0, 80.0, Some(100.0));
    assert!(close(controller.rate(60.0), 80.0), "a raised quota is taken up at once");
    controller.set_ceiling(61.0, 8.0, Some(10.0));
    assert!(close(controller.rate(61.0), 8.0));
    controller.set_ceiling(62.0, 800.0, None);
    assert!(controller.rate(62.0) < 11.0, "a ceiling alone is no quota");
}

#[test]
fn calls_that_never_came_there_are_no_part_of_the_measure() {
    let mut log = CallLog::default();
    let mut send = |fate| {
        let logged = log.add(1.0, 10.0);
        log.settle(logged, fate);
    };
    [
        CallState::Accepted,
        CallState::Accepted,
        CallState::Throttled,
        CallState::Lost,
        CallState::Unanswered,
        CallState::Unanswered,
        CallState::Unanswered,
    ]
    .into_iter()
    .for_each(&mut send);
    assert!(close(log.accepted_before(1.0, 0.5, 0.0), (2.0 + 3.0 * 2.0 / 3.0) / 0.5));
    assert!(close(log.accepted_before(5.0, 0.5, 0.0), 0.0));
    assert_eq!(log.first_throttled_since(1.5), None);
}

fn mean(scenarios: impl Fn(u64) -> ModelRun, figure: impl Fn(&ModelRun) -> f64) -> f64 {
    mean_over(SEEDS, scenarios, figure)
}

fn mean_over(
    seeds: std::ops::Range<u64>,
    scenarios: impl Fn(u64) -> ModelRun,
    figure: impl Fn(&ModelRun) -> f64,
) -> f64 {
    let figures: Vec<f64> = seeds.map(|seed| figure(&scenarios(11 + 101 * seed))).collect();
    figures.iter().sum::<f64>() / figures.len() as f64
}

fn worst(figures: impl Iterator<Item = f64>) -> f64 {
    figures.fold(0.0, f64::max)
}

#[test]
fn a_steady_quota_is_used_whole() {
    for (quota, seconds, used_min, throttled_max) in
        [(25.0, 720, 0.99, 0.003), (50.0, 720, 0.99, 0.003), (200.0, 360, 0.99, 0.003), (1_000.0, 180, 0.99, 0.003)]
    {
        let runs: Vec<ModelRun> = SEEDS
            .map(|seed| {
                run(&Scenario::steady(quota, seconds, seed), vec![RateController::new(InitialRate::Ramp(25.0), FREE)])
            })
            .collect();
        for (seed, outcome) in runs.iter().enumerate() {
            let (used, throttled) = (outcome.used(120, seconds), outcome.clients[0].throttled_share(120, seconds));
            assert!(
                used >= used_min && throttled <= throttled_max,
                "{quota}/s, seed {seed}: {used:.4}, {throttled:.4}"
            );
            let (used, throttled) = (outcome.used(0, 100), outcome.clients[0].throttled_share(0, 100));
            assert!(used >= 0.97 && throttled <= 0.008, "{quota}/s cold, seed {seed}: {used:.4}, {throttled:.4}");
        }
    }
}

#[test]
fn an_unknown_quota_costs_few_throttled_calls() {
    for (quota, rows, used_min, throttled_max) in
        [(25.0, 1_000.0, 0.99, 0.005), (25.0, 2_500.0, 0.995, 0.003), (200.0, 10_000.0, 0.98, 0.006)]
    {
        let runs =
            |seed| run(&Scenario::steady(quota, 120, seed), vec![RateController::new(InitialRate::Ramp(25.0), FREE)]);
        let used = mean(runs, |outcome| outcome.first_rows(rows).0);
        let throttled = mean(runs, |outcome| outcome.first_rows(rows).1);
        assert!(used >= used_min && throttled <= throttled_max, "{rows} rows at {quota}/s: {used:.4}, {throttled:.4}");
    }
}

#[test]
fn a_large_quota_is_found_at_once_from_any_first_guess() {
    for (guess, throttled_max) in [(25.0, 220.0), (200.0, 260.0), (2_000.0, 90.0)] {
        for seed in SEEDS {
            let controller = RateController::new(InitialRate::Ramp(guess), FREE);
            let outcome = run(&Scenario::steady(1_000.0, 60, seed), vec![controller]);
            let (back, throttled) = (outcome.seconds_to_95(0), outcome.clients[0].throttled.iter().sum::<f64>());
            assert!(back.is_some_and(|back| back <= 3), "from {guess}/s, seed {seed}: {back:?}");
            assert!(throttled <= throttled_max, "from {guess}/s, seed {seed}: {throttled}");
        }
    }
}

#[test]
fn a_full_bucket_is_no_part_of_the_quota() {
    // 400/s against 200/s and a bucket of 200: it is empty after a second.
    let mut log = CallLog::default();
    for call in 0..400 {
        log.add(f64::from(call) / 400.0, 400.0);
    }
    let quota = log.quota_of_emptied_bucket(1.0);
    assert!((quota / 200.0 - 1.0).abs() < 0.01, "{quota}");
    assert!(close(log.quota_of_emptied_bucket(-1.0), 0.0), "no call, no quota");
}

#[test]
fn a_quota_that_falls_and_rises_fourfold_is_found_within_a_minute() {
    for (quota, seconds) in [(25.0, 720), (50.0, 720), (200.0, 400)] {
        for seed in SEEDS {
            let (fall, rise) = (seconds / 3, seconds * 2 / 3);
            let mut scenario = Scenario::steady(quota, seconds, seed);
            scenario.quota = vec![(0.0, quota), (fall as f64, quota / 4.0), (rise as f64, quota)];
            let outcome = run(&scenario, vec![RateController::new(InitialRate::Ramp(25.0), FREE)]);
            let back = [outcome.seconds_to_95(fall), outcome.seconds_to_95(rise)];
            assert!(back.iter().all(|back| back.is_some_and(|back| back <= 60)), "{quota}/s, seed {seed}: {back:?}");
        }
    }
}

#[test]
fn an_outage_is_over_when_it_is_over() {
    for seed in SEEDS {
        let mut scenario = Scenario::steady(25.0, 400, seed);
        scenario.quota = vec![(0.0, 25.0), (200.0, 0.001), (230.0, 25.0)];
        let outcome = run(&scenario, vec![RateController::new(InitialRate::Known(25.0), 25.0)]);
        assert!(outcome.seconds_to_95(230).is_some_and(|back| back <= 60), "{:?}", outcome.seconds_to_95(230));
        let refused: f64 = outcome.clients[0].throttled[200..230].iter().sum();
        assert!(refused <= 45.0, "an outage is not hammered at: {refused}");
    }
}

fn with_tenant(part: f64, start: InitialRate, ceiling: f64, seed: u64) -> ModelRun {
    let mut scenario = Scenario::steady(25.0, 720, seed);
    scenario.tenant = vec![(0.0, 0.05 * 25.0), (240.0, part * 25.0), (480.0, 0.05 * 25.0)];
    run(&scenario, vec![RateController::new(start, ceiling)])
}

#[test]
fn a_tenant_that_needs_a_third_gets_it() {
    let runs = |seed| with_tenant(0.3, InitialRate::Ramp(25.0), FREE, seed);
    // Chance decides each run: four of them say little.
    let theirs = mean_over(0..16, runs, |outcome| outcome.tenant.throttled_share(240, 480));
    let used = mean_over(0..16, runs, |outcome| outcome.used(270, 480));
    assert!(theirs <= 0.01 && used >= 0.96, "{theirs:.4}, {used:.4}");
}

#[test]
fn with_a_known_limit_tenants_below_a_fifth_are_never_refused() {
    for part in [0.1, 0.15] {
        let refused = SEEDS.map(|seed| {
            let outcome = with_tenant(part, InitialRate::Known(25.0), 20.0, seed);
            outcome.tenant.throttled.iter().chain(&outcome.clients[0].throttled).sum::<f64>()
        });
        assert!(worst(refused) <= 0.0, "{part}");
    }
}

#[test]
fn other_limiters_are_met_too() {
    for (limiter, quota, used_min, throttled_max) in [
        (Limiter::Tokens(3.0), 25.0, 0.90, 0.012),
        (Limiter::Bucket { seconds: 0.2 }, 200.0, 0.98, 0.01),
        (Limiter::Bucket { seconds: 30.0 }, 25.0, 0.98, 0.01),
        (Limiter::Window, 25.0, 0.93, 0.006),
        (Limiter::Sharded { buckets: 4, seconds: 5.0 }, 200.0, 0.97, 0.012),
    ] {
        let outcome = run(
            &Scenario { limiter, ..Scenario::steady(quota, 480, 5) },
            vec![RateController::new(InitialRate::Ramp(25.0), FREE)],
        );
        let (used, throttled) = (outcome.used(120, 480), outcome.clients[0].throttled_share(120, 480));
        assert!(used >= used_min && throttled <= throttled_max, "{limiter:?}: {used:.4}, {throttled:.4}");
    }
}

#[test]
fn four_clients_share_one_quota_without_talking() {
    let mut lowest_parts = Vec::new();
    for seed in SEEDS {
        let outcome = run(
            &Scenario::steady(50.0, 720, seed),
            vec![RateController::among_several(InitialRate::Known(12.5), FREE); 4],
        );
        let sent = |client: &Seconds| client.accepted[120..].iter().sum::<f64>();
        let all: f64 = outcome.clients.iter().map(sent).sum();
        let refused: f64 = outcome.clients.iter().map(|client| client.throttled[120..].iter().sum::<f64>()).sum();
        let lowest = outcome.clients.iter().map(sent).fold(f64::INFINITY, f64::min);
        assert!(outcome.used(120, 720) >= 0.97 && refused / (all + refused) <= 0.007, "seed {seed}");
        lowest_parts.push(4.0 * lowest / all);
    }
    let mean = lowest_parts.iter().sum::<f64>() / lowest_parts.len() as f64;
    assert!(mean >= 0.85 && lowest_parts.iter().all(|part| *part >= 0.6), "{lowest_parts:?}");
}

#[test]
fn what_an_earlier_run_found_is_a_good_start() {
    for (learnt, quota) in [(25.0, 25.0), (200.0, 200.0), (200.0, 50.0), (50.0, 200.0)] {
        for seed in SEEDS {
            let controller = RateController::new(InitialRate::Learnt(learnt), FREE);
            let outcome = run(&Scenario::steady(quota, 200, seed), vec![controller]);
            let back = outcome.seconds_to_95(0);
            assert!(back.is_some_and(|back| back <= 30), "{learnt} of {quota}, seed {seed}: {back:?}");
        }
    }
}

/// How often the rate is halved in `seconds`, at 10/s with every `nth` call a fault.
fn halvings(seconds: u32, nth: u32) -> usize {
    let mut faults = FaultWindow::default();
    let call = |call: u32| faults.record_answer(f64::from(call) / 10.0, call % nth == nth - 1);
    (0..seconds * 10).map(call).filter(|halve| *halve).count()
}

#[test]
fn more_than_a_tenth_of_faults_halves_the_rate_but_not_for_ever() {
    assert_eq!(halvings(600, 11), 0, "nine percent");
    assert!((1..=3).contains(&halvings(60, 8)), "one in eight: {}", halvings(60, 8));
    assert!(halvings(600, 2) <= 30, "at most three a minute: {}", halvings(600, 2));
}

#[test]
fn a_few_faults_are_chance_and_old_ones_are_dropped() {
    let mut faults = FaultWindow::default();
    assert!(!faults.record_answer(0.0, true) && !faults.record_answer(0.5, true));
    assert!(!faults.record_answer(100.0, true), "the window is ten seconds long");
    assert!(!faults.record_answer(101.0, true) && faults.record_answer(102.0, true));
}
