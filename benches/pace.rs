//! The controller's tables, in virtual time: `cargo bench --bench pace`, and over the HTTP simulator with real timers:
//! `cargo bench --bench pace -- live`.
//!
//! In virtual time everything follows from seeds, so the figures are the same on every machine. A cell is the mean of
//! [`SEEDS`] runs; seconds are those of the worst.

// A benchmark prints, and its counts are small.
#![allow(clippy::print_stdout, clippy::cast_precision_loss, clippy::unwrap_used, clippy::disallowed_methods)]

#[path = "pace/live.rs"]
mod live;
// Of a scenario's fields and figures each table needs its own.
#[allow(dead_code)]
#[path = "../src/pace/testing.rs"]
mod model;

use cognito_link::limits::RATE_PER_SECOND_MAX;
use cognito_link::pace::{CallFeedback, InitialRate, LoggedCall, RateController};
use cognito_link::seed::Rng;
use model::{Limiter, ModelRun, Scenario, run};

/// Runs of a cell.
const SEEDS: u64 = 8;
/// `--rate max`.
const FREE: f64 = RATE_PER_SECOND_MAX;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.first().is_some_and(|argument| argument == "live") {
        return live::main(&arguments[1..]);
    }
    if arguments.first().is_some_and(|argument| argument == "engine") {
        return live::engine();
    }
    first_rows();
    steady();
    steps();
    tenants();
    guesses();
    shapes();
    machines();
    live::engine();
}

fn outcomes(scenario: impl Fn(u64) -> Scenario, controllers: &[RateController]) -> Vec<ModelRun> {
    (0..SEEDS).map(|seed| run(&scenario(11 + 101 * seed), controllers.to_vec())).collect()
}

fn mean(outcomes: &[ModelRun], figure: impl Fn(&ModelRun) -> f64) -> f64 {
    outcomes.iter().map(figure).sum::<f64>() / outcomes.len() as f64
}

fn percent(outcomes: &[ModelRun], figure: impl Fn(&ModelRun) -> f64) -> String {
    format!("{:.1} %", 100.0 * mean(outcomes, figure))
}

/// The worst of the runs; "never" where one of them never came back.
fn seconds(outcomes: &[ModelRun], from: usize) -> String {
    let worst = outcomes.iter().map(|outcome| outcome.seconds_to_95(from)).try_fold(0, |worst, back| {
        let back: Option<usize> = back;
        back.map(|back| back.max(worst))
    });
    worst.map_or("never".to_owned(), |worst| format!("{worst} s"))
}

fn used(from: usize, to: usize) -> impl Fn(&ModelRun) -> f64 {
    move |outcome| outcome.used(from, to)
}

fn throttled(from: usize, to: usize) -> impl Fn(&ModelRun) -> f64 {
    move |outcome| outcome.clients[0].throttled_share(from, to)
}

fn table(title: &str, head: &[&str]) {
    println!("\n### {title}\n\n| {} |\n|{}", head.join(" | "), " --- |".repeat(head.len()));
}

fn line(cells: &[String]) {
    println!("| {} |", cells.join(" | "));
}

fn first_rows() {
    table(
        "The first rows on a steady quota that is not known (`--rate max`, from 25/s)",
        &["quota", "rows", "used", "throttled", "throttled, worst run"],
    );
    for (quota, rows) in [(25.0, 1_000.0), (25.0, 2_500.0), (50.0, 2_500.0), (200.0, 10_000.0), (1_000.0, 100_000.0)] {
        let outcomes =
            outcomes(|seed| Scenario::steady(quota, 140, seed), &[RateController::new(InitialRate::Ramp(25.0), FREE)]);
        let worst = outcomes.iter().map(|outcome| outcome.first_rows(rows).1).fold(0.0, f64::max);
        line(&[
            format!("{quota}/s"),
            rows.to_string(),
            percent(&outcomes, |outcome| outcome.first_rows(rows).0),
            format!("{:.2} %", 100.0 * mean(&outcomes, |outcome| outcome.first_rows(rows).1)),
            format!("{:.2} %", 100.0 * worst),
        ]);
    }
}

fn steady() {
    table(
        "A steady quota that is not known (`--rate max`, from 25/s)",
        &["quota", "used, 120-720 s", "throttled", "used, first 100 s", "throttled", "95 % after"],
    );
    for quota in [5.0, 25.0, 50.0, 200.0, 1_000.0] {
        let outcomes =
            outcomes(|seed| Scenario::steady(quota, 720, seed), &[RateController::new(InitialRate::Ramp(25.0), FREE)]);
        line(&[
            format!("{quota}/s"),
            percent(&outcomes, used(120, 720)),
            percent(&outcomes, throttled(120, 720)),
            percent(&outcomes, used(0, 100)),
            percent(&outcomes, throttled(0, 100)),
            seconds(&outcomes, 0),
        ]);
    }
}

fn steps() {
    table(
        "A quota that falls to a quarter at 240 s and rises again at 480 s, and one that is gone for 30 s",
        &["quota", "throttled, 120-720 s", "95 % again after the fall", "after the rise", "after the outage"],
    );
    for quota in [25.0, 50.0, 200.0, 1_000.0] {
        let changing = |changes: Vec<(f64, f64)>| {
            let scenario = |seed| Scenario { quota: changes.clone(), ..Scenario::steady(quota, 720, seed) };
            outcomes(scenario, &[RateController::new(InitialRate::Ramp(25.0), FREE)])
        };
        let stepped = changing(vec![(0.0, quota), (240.0, quota / 4.0), (480.0, quota)]);
        let out = changing(vec![(0.0, quota), (240.0, 0.001), (270.0, quota)]);
        line(&[
            format!("{quota}/s"),
            percent(&stepped, throttled(120, 720)),
            seconds(&stepped, 240),
            seconds(&stepped, 480),
            seconds(&out, 270),
        ]);
    }
}

fn tenants() {
    table(
        "Live users on the same quota, 240 to 480 s: their calls that are throttled, with our job and without it",
        &["quota", "they take", "our pace", "we use of the rest", "our throttled", "theirs", "theirs without us"],
    );
    for (quota, parts) in [(25.0, &[0.1, 0.15, 0.3][..]), (200.0, &[0.3]), (1_000.0, &[0.3])] {
        for part in parts {
            let scenario = |seed| {
                let tenant = vec![(0.0, 0.05 * quota), (240.0, part * quota), (480.0, 0.05 * quota)];
                Scenario { tenant, ..Scenario::steady(quota, 720, seed) }
            };
            let alone = outcomes(scenario, &[]);
            let theirs = |outcome: &ModelRun| outcome.tenant.throttled_share(240, 480);
            let share = RateController::new(InitialRate::Known(quota), 0.8 * quota);
            for (name, controller) in
                [("0.8 of the limit", share), ("`max`", RateController::new(InitialRate::Ramp(25.0), FREE))]
            {
                let outcomes = outcomes(scenario, &[controller]);
                line(&[
                    format!("{quota}/s"),
                    format!("{:.0} %", 100.0 * part),
                    name.to_owned(),
                    percent(&outcomes, used(270, 480)),
                    percent(&outcomes, throttled(270, 480)),
                    percent(&outcomes, theirs),
                    percent(&alone, theirs),
                ]);
            }
        }
    }
}

fn guesses() {
    table(
        "Any first guess: seconds to 95 % of the quota, and calls throttled in the first minute",
        &["quota", "from 1/s", "from 25/s", "from 200/s", "from 2,000/s", "from what the last run found"],
    );
    for quota in [5.0, 50.0, 1_000.0] {
        let mut cells = vec![format!("{quota}/s")];
        let starts = [1.0, 25.0, 200.0, 2_000.0].map(InitialRate::Ramp);
        for start in starts.into_iter().chain([InitialRate::Learnt(quota)]) {
            let outcomes = outcomes(|seed| Scenario::steady(quota, 240, seed), &[RateController::new(start, FREE)]);
            let refused = mean(&outcomes, |outcome| outcome.clients[0].throttled[..60].iter().sum());
            cells.push(format!("{}, {refused:.0}", seconds(&outcomes, 0)));
        }
        line(&cells);
    }
}

fn shapes() {
    table("Other limiters: used and throttled, 120 to 720 s", &["limiter", "25/s", "200/s"]);
    for (name, limiter) in [
        ("a bucket of 1 call", Limiter::Tokens(1.0)),
        ("a bucket of 3 calls", Limiter::Tokens(3.0)),
        ("a bucket of 0.2 s", Limiter::Bucket { seconds: 0.2 }),
        ("a bucket of 5 s", Limiter::Bucket { seconds: 5.0 }),
        ("a bucket of 30 s", Limiter::Bucket { seconds: 30.0 }),
        ("so many in each second", Limiter::Window),
        ("4 buckets of 5 s, at random", Limiter::Sharded { buckets: 4, seconds: 5.0 }),
        ("8 buckets of 1 s, at random", Limiter::Sharded { buckets: 8, seconds: 1.0 }),
    ] {
        let mut cells = vec![name.to_owned()];
        for quota in [25.0, 200.0] {
            let scenario = |seed| Scenario { limiter, ..Scenario::steady(quota, 720, seed) };
            let outcomes = outcomes(scenario, &[RateController::new(InitialRate::Ramp(25.0), FREE)]);
            cells.push(format!("{}, {}", percent(&outcomes, used(120, 720)), percent(&outcomes, throttled(120, 720))));
        }
        line(&cells);
    }
}

fn machines() {
    table(
        "Four machines on one quota, without talking: 120 to 720 s",
        &["quota", "used by all", "throttled", "least part of an even share, mean", "worst", "throttled, first 150 s"],
    );
    for quota in [25.0, 50.0, 200.0] {
        let controllers = vec![RateController::among_several(InitialRate::Ramp(6.25), FREE); 4];
        let outcomes = outcomes(|seed| Scenario::steady(quota, 720, seed), &controllers);
        let got = |outcome: &ModelRun| -> Vec<f64> {
            outcome.clients.iter().map(|client| client.accepted[120..].iter().sum()).collect()
        };
        let all_throttled = |from: usize, to: usize| {
            move |outcome: &ModelRun| {
                let sum = |counts: &Vec<f64>| counts[from..to].iter().sum::<f64>();
                let refused: f64 = outcome.clients.iter().map(|client| sum(&client.throttled)).sum();
                refused / (refused + outcome.clients.iter().map(|client| sum(&client.accepted)).sum::<f64>())
            }
        };
        let least = |outcome: &ModelRun| {
            let got = got(outcome);
            got.iter().copied().fold(f64::MAX, f64::min) * got.len() as f64 / got.iter().sum::<f64>()
        };
        let worst = outcomes.iter().map(least).fold(f64::MAX, f64::min);
        line(&[
            format!("{quota}/s"),
            percent(&outcomes, used(120, 720)),
            percent(&outcomes, all_throttled(120, 720)),
            percent(&outcomes, least),
            format!("{:.1} %", 100.0 * worst),
            percent(&outcomes, all_throttled(0, 150)),
        ]);
    }
}
