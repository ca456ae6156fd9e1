//! Links made and unlinked in virtual time over many seeds: faults, lost answers, lag, sign-ins and crashes.
//!
//! Goal: the pool after `undo` is the pool before `link`, but for what the ledger lists as refused; nothing is unlinked
//! that this ledger did not link, or by a call that was not announced durably. Method: that of `seeds`, with the
//! simulator's own sign-ins between the two, and with the two commands cut short and taking turns.

mod scene;

use std::collections::{BTreeMap, BTreeSet};

use cognito_link::domain::outcome::RefusalCode;
use cognito_link::domain::state::RowState;
use cognito_link::seed::Rng;
use cognito_sim::Operation;
use scene::{Cut, ROWS, START, Scene, Weather, Which, is_by_attribute, is_there_before, random_cut};

/// The pool is as it was, but for the links that the ledger lists as refused; and those are the ones that must be.
fn assert_restored(scene: &Scene, before: &BTreeMap<String, BTreeSet<String>>, signed_in: &BTreeSet<u64>) {
    let (states, pool, seed) = (scene.states(), scene.pool(), scene.weather.seed);
    for number in 1..=ROWS {
        let lost = scene.weather.attribute_link_stays && is_by_attribute(number) && signed_in.contains(&number);
        let (state, name) = (states[&number], format!("user-{number}"));
        if is_there_before(number) {
            assert_eq!(state, RowState::AlreadyLinked, "seed {seed}: row {number}");
        } else if lost {
            assert_eq!(state, RowState::Kept(RefusalCode::UsedSince), "seed {seed}: row {number}");
            assert_eq!(pool[&name].len(), 1, "seed {seed}: row {number} is left alone");
            continue;
        } else {
            assert_eq!(state, RowState::Undone, "seed {seed}: row {number}");
        }
        assert_eq!(pool[&name], before[&name], "seed {seed}: row {number}");
    }
    let numbers = scene.world.stats();
    assert!(numbers.writes_in_flight_per_user_max <= 1, "seed {seed}: two calls for one user");
    assert_eq!(numbers.passwords_disabled, 0, "seed {seed}");
}

fn round_trip(weather: Weather, crashes: bool) {
    let mut rng = Rng::new(weather.seed).fork("cuts");
    let mut scene = Scene::new(weather);
    let before = scene.pool();
    scene.run_to_the_end(Which::Link, &mut rng, crashes);
    let linked = scene.states().values().filter(|state| **state == RowState::Linked).count();
    assert_eq!(linked as u64, ROWS - ROWS / 10);
    let signed_in = scene.sign_in(&mut rng);
    scene.run_to_the_end(Which::Undo, &mut rng, crashes);
    assert_restored(&scene, &before, &signed_in);
    let calls = scene.world.stats().of(Operation::DisableProvider).calls;
    let again = scene.run(Which::Undo, Cut::Never).unwrap();
    assert_eq!(again.counts.undone, 0);
    assert_eq!(scene.world.stats().of(Operation::DisableProvider).calls, calls, "nothing more is sent");
}

#[test]
fn what_was_linked_and_used_is_taken_back_in_fine_weather() {
    for seed in 1..=6 {
        round_trip(Weather::fine(seed), false);
    }
}

#[test]
fn and_in_foul_weather_over_many_seeds() {
    for seed in 1..=60 {
        round_trip(Weather::foul(seed), false);
    }
}

#[test]
fn and_with_crashes_and_drains_in_either_command() {
    for seed in 1..=60 {
        round_trip(Weather::foul(seed), true);
    }
}

/// `link` and `undo` take turns, each cut short anywhere: whatever the one left in doubt the other is safe with.
#[test]
fn link_and_undo_may_follow_one_another_at_any_moment() {
    for seed in 1..=60 {
        let mut rng = Rng::new(seed).fork("turns");
        let mut scene = Scene::new(Weather::foul(seed));
        let before = scene.pool();
        for _ in 0..10 {
            let which = if rng.chance(0.5) { Which::Link } else { Which::Undo };
            scene.run(which, random_cut(&mut rng));
        }
        scene.run_to_the_end(Which::Link, &mut rng, false);
        let states = scene.states();
        let wrong: Vec<_> = states
            .iter()
            .filter(|(number, state)| {
                let wanted = if is_there_before(**number) { RowState::AlreadyLinked } else { RowState::Linked };
                **state != wanted
            })
            .collect();
        assert!(wrong.is_empty(), "seed {seed}: {wrong:?}");
        scene.now += 120_000;
        scene.run_to_the_end(Which::Undo, &mut rng, false);
        assert_restored(&scene, &before, &BTreeSet::new());
    }
}

#[test]
fn the_same_seed_gives_the_same_ledger() {
    for seed in [3, 4, 5] {
        let bytes = || {
            let mut scene = Scene::new(Weather::foul(seed));
            scene.run(Which::Link, Cut::Never);
            scene.now = START + 600_000;
            scene.run(Which::Undo, Cut::Never);
            scene.disk.bytes()
        };
        assert_eq!(bytes(), bytes(), "seed {seed}");
    }
}
