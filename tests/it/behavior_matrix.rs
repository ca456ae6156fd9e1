//! Every behavior that the service could have, alone, in pairs and in random sets, times faults, kills and seeds.
//!
//! Goal: whatever the service does, the ledger tells the truth. Method: each case is a set of behaviors and a seed. `link`,
//! sign-ins, changes by others and `undo` run through the production engine over the in-process simulator in virtual time,
//! cut short and rerun, and every report is compared with what the simulator itself knows. `docs/reliability.md` has the
//! figures of a long run.
//!
//! `COGNITO_LINK_MATRIX='names-keep-case+repeat-succeeds:seed=17'` repeats one case (`none:seed=17` without a behavior) and
//! prints its steps and its ledger. `COGNITO_LINK_MATRIX_RUNS=100000` makes that many runs.

mod play;
mod record;
mod scene;
mod watch;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use cognito_link::seed::Rng;
use cognito_sim::Behavior;
use play::{Breach, CaseResult, Figures, Rule, play};
use scene::MatrixCase;

/// Runs of `link` or `undo` that `cargo test` makes at least.
const RUNS_MIN: u64 = 2_000;
const THREADS: usize = 2;
/// What the cases must come to, in percent, so that rules without anything to judge do not pass.
const KILLED_PERCENT_MIN: u64 = 20;
const LINKED_PERCENT_MIN: u64 = 30;
const ALREADY_LINKED_PERCENT_MIN: u64 = 3;
const REMOVED_PERCENT_MIN: u64 = 50;
/// Cases without a behavior, and the share of their rows that may stay in doubt.
const PLAIN_CASES: u64 = 60;
const IN_DOUBT_ONE_OF: u64 = 50;
/// Failing cases that are shrunk and listed.
const LISTED_MAX: usize = 40;

/// Seeds in one of which each behavior must change what happens.
const EFFECT_SEEDS: u64 = 12;
/// Behaviors that no case can show. Only a scan of the pool filters by the start of a `sub`. The old text for an identity
/// that is linked already is not recorded where the link is found. A date in seconds matters only where somebody links an
/// identity within the second before our announcement. A user name that is an address or a `sub` is looked up first, and is
/// refused before the service could take it for an alias.
const WITHOUT_EFFECT: &[Behavior] =
    &[Behavior::DestinationByAlias, Behavior::DatesInSeconds, Behavior::NoSubPrefix, Behavior::OldAlreadyLinkedText];
/// Behaviors that show only together with another one: an unlink call that the service knows no link for is sent where a
/// list does not yet show that a sign-in has changed the form of the link.
const WITH_EFFECT_BESIDE: &[(Behavior, Behavior)] = &[(Behavior::UnlinkSaysUserNotFound, Behavior::ListLag40s)];

/// Cases that failed once, each with its cause.
const REGRESSIONS: &[(&str, &str)] = &[
    ("list-lag-40s:seed=15", "a run that drains after an unlink, or a young link, and a list that lags"),
    ("list-lag-40s:seed=140", "a run that drains after an unlink, or a young link, and a list that lags"),
    (
        "attribute-links-hidden+refusals-link:seed=356",
        "a refusal of a link that was made, and that the pool does not show",
    ),
    ("mapped-usernames+refusals-link:seed=25", "a refusal of a link that was made, to a user with another name"),
    ("list-lag-40s:seed=300", "the list shows the link that undo unlinked, and a lost call reads it as somebody's"),
    ("list-lag-40s:seed=548", "the same as seed 300"),
    ("list-lag-40s:seed=835", "the same as seed 300"),
    (
        "attribute-links-hidden+list-lag-40s:seed=36256",
        "a link by an attribute that was made twice, with a sign-in in between",
    ),
    ("dates-rewritten+repeat-succeeds:seed=174414", "a sign-in gives an older link a date within our call"),
    ("dates-rewritten+attribute-links-hidden+list-lag-40s:seed=77795", "the same, for a row that was in doubt"),
    ("none:seed=437", "undo reads the link that an earlier undo unlinked in place of ours, and takes ours for older"),
];

impl MatrixCase {
    /// Case number `number`, from 0: no behavior, each alone, each pair, and from then on random sets.
    fn numbered(number: u64) -> Self {
        let all = Behavior::ALL;
        let seed = number + 1;
        let pairs =
            all.iter().enumerate().flat_map(|(at, first)| all[at + 1..].iter().map(|second| vec![*first, *second]));
        let alone = all.iter().map(|behavior| vec![*behavior]);
        let mut sets = std::iter::once(Vec::new()).chain(alone).chain(pairs);
        let behaviors = sets.nth(usize::try_from(number).unwrap()).unwrap_or_else(|| random_set(seed));
        Self { behaviors, seed }
    }

    /// Reads a case as [`Self::name`] writes it.
    fn parse(text: &str) -> Self {
        let (names, seed) = text.trim().split_once(":seed=").expect("a case is BEHAVIOR+BEHAVIOR:seed=NUMBER");
        let by_name = |name| {
            let known = Behavior::ALL.iter().find(|behavior| behavior.name() == name);
            *known.unwrap_or_else(|| panic!("there is no behavior {name}"))
        };
        let behaviors = names.split('+').filter(|name| *name != "none").map(by_name).collect();
        Self { behaviors, seed: seed.parse().expect("the seed is a number") }
    }

    fn name(&self) -> String {
        let names: Vec<&str> = self.behaviors.iter().map(|behavior| behavior.name()).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join("+") };
        format!("{names}:seed={}", self.seed)
    }
}

/// From no behavior to six.
fn random_set(seed: u64) -> Vec<Behavior> {
    let mut rng = Rng::new(seed).fork("behaviors");
    let size = usize::try_from([0, 1, 1, 2, 2, 2, 3, 3, 4, 6][usize::try_from(rng.below(10)).unwrap()]).unwrap();
    let mut behaviors: Vec<Behavior> = Vec::new();
    while behaviors.len() < size {
        let drawn = Behavior::ALL[usize::try_from(rng.below(Behavior::ALL.len() as u64)).unwrap()];
        if !behaviors.contains(&drawn) {
            behaviors.push(drawn);
        }
    }
    behaviors
}

/// Plays a case; a panic is a breach too.
fn play_safely(case: &MatrixCase) -> CaseResult {
    catch_unwind(AssertUnwindSafe(|| play(case))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let detail = format!("panicked: {}", text.unwrap_or_default());
        let breach = Breach { rule: Rule::NoRowStopsARun, situation: "the run", detail };
        let figures = Figures { cases: 1, runs_stopped: 1, ..Figures::default() };
        CaseResult { breaches: vec![breach], figures, trace: String::new() }
    })
}

/// The smallest part of a failing case's behaviors with which it fails by the same rule.
fn shrunk(case: &MatrixCase, rule: Rule) -> MatrixCase {
    let fails = |case: &MatrixCase| play_safely(case).breaches.iter().any(|breach| breach.rule == rule);
    let mut smallest = case.clone();
    let mut at = 0;
    while at < smallest.behaviors.len() {
        let mut smaller = smallest.clone();
        smaller.behaviors.remove(at);
        if fails(&smaller) {
            smallest = smaller;
        } else {
            at += 1;
        }
    }
    smallest
}

/// Plays cases from number 0 on until `runs_min` runs were made, and returns the figures and the cases that failed.
fn play_matrix(runs_min: u64) -> (Figures, BTreeMap<u64, Vec<Breach>>) {
    let next = AtomicU64::new(0);
    let runs = AtomicU64::new(0);
    let alone_and_pairs = 1 + (Behavior::ALL.len() * (Behavior::ALL.len() + 1) / 2) as u64;
    let results = Mutex::new((Figures::default(), BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= alone_and_pairs && runs.load(Ordering::Relaxed) >= runs_min {
                        return;
                    }
                    let result = play_safely(&MatrixCase::numbered(number));
                    runs.fetch_add(result.figures.runs, Ordering::Relaxed);
                    let mut results = results.lock().unwrap();
                    results.0.add(&result.figures);
                    if !result.breaches.is_empty() {
                        results.1.insert(number, result.breaches);
                    }
                }
            });
        }
    });
    results.into_inner().unwrap()
}

/// Cases that fail alike.
struct FailureGroup {
    smallest: MatrixCase,
    breach: Breach,
    count: u64,
}

/// Failing cases by their smallest set of behaviors, the rule and the situation, each with the command that repeats it.
fn list_failures(failed: &BTreeMap<u64, Vec<Breach>>) -> String {
    let mut groups: Vec<FailureGroup> = Vec::new();
    for (number, breaches) in failed {
        let (case, breach) = (MatrixCase::numbered(*number), breaches[0].clone());
        let is_like = |group: &&mut FailureGroup, breach: &Breach| {
            group.breach.rule == breach.rule && group.breach.situation == breach.situation
        };
        // A behavior that fails without the others is not shrunk again.
        let known = groups.iter_mut().find(|group| {
            !group.smallest.behaviors.is_empty()
                && group.smallest.behaviors.iter().all(|behavior| case.behaves(*behavior))
                && is_like(group, &breach)
        });
        if let Some(known) = known {
            known.count += 1;
            continue;
        }
        let smallest = if groups.len() < LISTED_MAX { shrunk(&case, breach.rule) } else { case };
        let same =
            groups.iter_mut().find(|group| group.smallest.behaviors == smallest.behaviors && is_like(group, &breach));
        match same {
            Some(same) => same.count += 1,
            None => groups.push(FailureGroup { smallest, breach, count: 1 }),
        }
    }
    groups.sort_by_key(|group| (group.smallest.behaviors.len(), group.smallest.name()));
    let mut text = String::new();
    for FailureGroup { smallest, breach, count } in groups.iter().take(LISTED_MAX) {
        let Breach { rule, situation, detail } = breach;
        let _ = write!(
            text,
            "\n{count} cases: {rule:?}: {situation}: {detail}\n    COGNITO_LINK_MATRIX='{}' cargo test --test it \
             behavior_matrix -- --nocapture\n",
            smallest.name()
        );
    }
    text
}

#[expect(clippy::print_stdout, reason = "the figures are for the person who asks with --nocapture")]
fn print(text: &str) {
    println!("{text}");
}

fn knob(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[test]
fn whatever_the_service_does_the_ledger_tells_the_truth() {
    if let Some(cases) = knob("COGNITO_LINK_MATRIX") {
        let results: Vec<_> = cases.split(',').map(|case| play_safely(&MatrixCase::parse(case))).collect();
        for result in &results {
            print(&format!("{}\n{:#?}\n{:#?}", result.trace, result.figures, result.breaches));
        }
        assert!(results.iter().all(|result| result.breaches.is_empty()), "a case fails");
        return;
    }
    let runs_min = knob("COGNITO_LINK_MATRIX_RUNS").map_or(RUNS_MIN, |runs| runs.parse().expect("a number of runs"));
    let (figures, failed) = play_matrix(runs_min);
    print(&format!("{figures:#?}"));
    assert!(failed.is_empty(), "{} of {} cases fail:\n{}", failed.len(), figures.cases, list_failures(&failed));
    for (what, count, of, least_percent) in [
        ("cases with a kill", figures.killed, figures.cases, KILLED_PERCENT_MIN),
        ("rows linked", figures.linked, figures.rows, LINKED_PERCENT_MIN),
        ("rows already linked", figures.already_linked, figures.rows, ALREADY_LINKED_PERCENT_MIN),
        ("links removed", figures.links_removed, figures.links_made, REMOVED_PERCENT_MIN),
    ] {
        assert!(count * 100 >= of * least_percent, "{what}: {count} of {of} prove too little");
    }
}

#[test]
fn cases_that_failed_once_stay_right() {
    for (name, cause) in REGRESSIONS {
        let breaches = play_safely(&MatrixCase::parse(name)).breaches;
        assert!(breaches.is_empty(), "{name} ({cause}): {breaches:#?}");
    }
}

/// A row may be left in doubt where nothing can be known. Where the service does as is assumed, that is rare.
#[test]
fn few_rows_stay_in_doubt_where_the_service_does_as_is_assumed() {
    let mut figures = Figures::default();
    for seed in 1..=PLAIN_CASES {
        figures.add(&play_safely(&MatrixCase { behaviors: Vec::new(), seed }).figures);
    }
    let in_doubt = figures.in_doubt;
    assert!(in_doubt * IN_DOUBT_ONE_OF <= figures.rows, "{in_doubt} of {} rows are in doubt", figures.rows);
}

/// A behavior that changes nothing would be tested by nothing.
#[test]
fn every_behavior_changes_what_happens() {
    let traces = |behaviors: &[Behavior]| (1..=EFFECT_SEEDS).map(|seed| trace(behaviors, seed)).collect::<Vec<_>>();
    let without = traces(&[]);
    let is_idle = |behavior: Behavior| match WITH_EFFECT_BESIDE.iter().find(|(known, _)| *known == behavior) {
        Some((_, other)) => traces(&[*other, behavior]) == traces(&[*other]),
        None => (1..).zip(&without).all(|(seed, without)| trace(&[behavior], seed) == *without),
    };
    let idle: Vec<Behavior> = Behavior::ALL.iter().copied().filter(|behavior| is_idle(*behavior)).collect();
    assert_eq!(idle, WITHOUT_EFFECT, "without effect in {EFFECT_SEEDS} seeds");
}

fn trace(behaviors: &[Behavior], seed: u64) -> String {
    play_safely(&MatrixCase { behaviors: behaviors.to_vec(), seed }).trace
}

#[test]
fn a_case_repeats_itself() {
    for number in [0, 40, 500] {
        let case = MatrixCase::numbered(number);
        assert_eq!(MatrixCase::parse(&case.name()), case);
        assert_eq!(play_safely(&case).trace, play_safely(&case).trace, "{}", case.name());
    }
}
