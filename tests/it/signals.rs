//! The first signal drains, the second leaves, and a rerun goes on.

use crate::harness::{Home, Simulator, csv, pairs, wait_for};

const ROWS: u64 = 150;

/// A home with rows, and a simulator that takes its time, so that a run lasts seconds.
fn slow_pool(latency: &str) -> (Home, Simulator) {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..ROWS)));
    home.write("pool.json", crate::harness::pool_file(&[]));
    let options = ["--pool-file", "pool.json", "--create-on-reference", "--quota", "off", "--latency", latency];
    let simulator = Simulator::start(&home, &options);
    (home, simulator)
}

fn drains(signal: &str, name: &str, code: i32) {
    let (home, simulator) = slow_pool("20..120");
    let running = home.start_link(&simulator.url, &["pairs.csv", "--rate", "50", "--output", "json"]);
    wait_for("a third of the rows", || (home.ledger("pairs.csv.ledger").outcomes() >= 50).then_some(()));
    running.signal(signal);
    let finished = running.wait().left_with(code);

    let report = finished.json();
    assert_eq!((&report["ended"], &report["signal"]), (&"interrupted".into(), &name.into()), "{finished:#?}");
    assert_eq!(report["exit_status"], code);
    assert_eq!(report["rows"]["in_doubt"], 0, "what was in flight was finished: {report}");
    let ledger = home.ledger("pairs.csv.ledger");
    let linked = ledger.count("linked");
    assert_eq!(report["rows"]["linked"], linked);
    assert!((50..150).contains(&linked), "{linked}");
    assert_eq!(ledger.states().len(), linked, "no row is in doubt, and those that were not sent are taken back");
    simulator.linked_once(linked);
    assert!(finished.stderr.contains("run the same command again"), "{finished:#?}");

    let again = home.link(&simulator.url, &["pairs.csv", "--rate", "1000", "--output", "json"]).left_with(0).json();
    assert_eq!((&again["rows"]["linked"], &again["rows"]["skipped"]), (&ROWS.into(), &linked.into()));
    simulator.linked_once(150);
    assert_eq!(simulator.link_calls(), ROWS, "not one call too many");
}

#[test]
fn an_interrupt_drains_and_a_rerun_goes_on() {
    drains("INT", "SIGINT", 130);
}

#[test]
fn a_termination_drains_and_a_rerun_goes_on() {
    drains("TERM", "SIGTERM", 143);
}

#[test]
fn the_summary_is_printed_on_the_way_out() {
    let (home, simulator) = slow_pool("20..120");
    let running = home.start_link(&simulator.url, &["pairs.csv", "--rate", "50"]);
    wait_for("some rows", || (home.ledger("pairs.csv.ledger").outcomes() >= 10).then_some(()));
    running.signal("INT");
    let finished = running.wait().left_with(130);
    let lines: Vec<Vec<&str>> = finished.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    let number = |name: &str| -> u64 {
        let words = lines.iter().find(|words| words.first() == Some(&name)).expect(name);
        words.last().unwrap().parse().unwrap()
    };
    assert_eq!(number("linked") + number("unprocessed"), number("rows"), "{finished:#?}");
    assert_eq!(number("rows"), ROWS);
    assert!(finished.stdout.contains("interrupted by SIGINT"), "{finished:#?}");
}

#[test]
fn a_second_signal_leaves_at_once_and_a_rerun_settles() {
    // Every answer takes so long that nothing in flight is answered before the program has left.
    let (home, simulator) = slow_pool("2000..2000");
    home.write("few.csv", csv(&pairs(0..6)));
    let running = home.start_link(&simulator.url, &["few.csv", "--rate", "1000", "--output", "json"]);
    wait_for("all calls in flight", || (simulator.link_calls() == 6).then_some(()));
    running.signal("INT");
    wait_for("the program to drain", || running.stderr().contains("stopping").then_some(()));
    running.signal("TERM");
    let finished = running.wait().left_with(130);
    let report = finished.json();
    assert_eq!((&report["rows"]["read"], &report["rows"]["in_doubt"]), (&6.into(), &6.into()), "{finished:#?}");
    assert_eq!(home.ledger("few.csv.ledger").count("announced"), 6, "announced, and nothing known of them");

    let again = home.link(&simulator.url, &["few.csv", "--output", "json"]).left_with(0).json();
    assert_eq!((&again["rows"]["linked"], &again["writes"]), (&6.into(), &0.into()), "read back, not sent again");
    simulator.linked_once(6);
}
