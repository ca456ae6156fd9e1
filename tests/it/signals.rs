//! The first signal drains, the second leaves, and a rerun goes on.

use std::process::{Command, Stdio};

use crate::harness::{
    Fate, Finished, HELD_CALLS, Home, PASSING_CALLS, Proxy, Running, Simulator, csv, pairs, wait_for,
};

const ROWS: usize = 150;
/// What was sent before a run was interrupted.
const SENT: usize = PASSING_CALLS + HELD_CALLS;

fn home_with_rows() -> (Home, Simulator) {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..ROWS as u64)));
    let simulator = Simulator::quick(&home);
    (home, simulator)
}

fn drains(signal: &str, name: &str, code: i32) {
    let (home, simulator) = home_with_rows();
    let finished = home.link_interrupted(&simulator, signal, &["pairs.csv", "--output", "json"]).left_with(code);
    let report = finished.json();
    assert_eq!((&report["ended"], &report["signal"]), (&"interrupted".into(), &name.into()), "{finished:#?}");
    assert_eq!(report["exit_status"], code);
    assert_eq!((&report["rows"]["linked"], &report["rows"]["in_doubt"]), (&SENT.into(), &0.into()), "{report}");
    let states = home.ledger("pairs.csv.ledger").states();
    assert!(states.values().all(|state| state == "linked") && states.len() == SENT, "none is in doubt: {states:?}");
    simulator.linked_once(SENT);
    assert!(finished.stderr.contains("run the same command again"), "{finished:#?}");

    let again = home.link(&simulator.url, &["pairs.csv", "--rate", "1000", "--output", "json"]).left_with(0).json();
    assert_eq!((&again["rows"]["linked"], &again["rows"]["skipped"]), (&ROWS.into(), &SENT.into()));
    simulator.linked_once(ROWS);
    assert_eq!(simulator.link_calls(), ROWS as u64, "not one call too many");
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
fn a_hang_up_drains_and_a_rerun_goes_on() {
    drains("HUP", "SIGHUP", 129);
}

#[test]
fn a_hang_up_that_nohup_ignores_is_ignored() {
    let (home, simulator) = home_with_rows();
    let mut command = Command::new("nohup");
    let link = home.link_command(&simulator.url, &["pairs.csv", "--rate", "100", "--output", "json"]);
    command.arg(link.get_program()).args(link.get_args()).current_dir(home.path("."));
    command.env_clear().envs(link.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let running = Running::start(command);
    wait_for("some links", || (simulator.link_calls() > 5).then_some(()));
    running.signal("HUP");
    running.wait().left_with(0);
    simulator.linked_once(ROWS);
}

/// Sends a signal to a command that still waits for its input, once it has a handler for it.
fn signaled_while_reading(home: &Home, simulator: &Simulator, name: &str, number: u32) -> Finished {
    let arguments = ["-", "--ledger", "stdin.ledger", "--log-format", "json"];
    let mut command = home.link_command(&simulator.url, &arguments);
    command.stdin(Stdio::piped());
    let running = Running::start(command);
    let status = format!("/proc/{}/status", running.pid());
    let has_handler = || {
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
        let mask = u64::from_str_radix(caught.trim(), 16).unwrap();
        (mask & (1 << (number - 1)) != 0).then_some(())
    };
    wait_for("a handler", has_handler);
    running.signal(name);
    running.wait()
}

/// As the first process of a container, where Linux ignores a signal without a handler.
#[test]
fn a_signal_before_anything_is_sent_has_its_status_and_a_stop_event() {
    for (name, number, code) in [("TERM", 15, 143), ("INT", 2, 130)] {
        let (home, simulator) = home_with_rows();
        let finished = signaled_while_reading(&home, &simulator, name, number).left_with(code);
        assert_eq!((finished.stdout.as_str(), simulator.link_calls()), ("", 0), "{finished:#?}");
        let last: serde_json::Value = serde_json::from_str(finished.stderr.lines().last().unwrap()).unwrap();
        assert_eq!((&last["event"], &last["exit_status"]), (&"stop".into(), &code.into()), "{name}: {finished:#?}");
    }
}

#[test]
fn the_summary_is_printed_on_the_way_out() {
    let (home, simulator) = home_with_rows();
    let finished = home.link_interrupted(&simulator, "INT", &["pairs.csv"]).left_with(130);
    let number = |name: &str| -> usize {
        let line = finished.stdout.lines().find(|line| line.starts_with(name)).expect(name);
        line.split_whitespace().last().unwrap().parse().unwrap()
    };
    assert_eq!((number("linked"), number("unprocessed"), number("rows read")), (SENT, ROWS - SENT, ROWS));
    assert!(finished.stdout.contains("interrupted by SIGINT"), "{finished:#?}");
}

#[test]
fn a_second_signal_leaves_at_once_and_a_rerun_settles() {
    const FEW: usize = 6;
    let home = Home::new();
    home.write("few.csv", csv(&pairs(0..FEW as u64)));
    let simulator = Simulator::quick(&home);
    let silent = Proxy::start(simulator.address(), |_, _| Fate::Unanswered);
    let running = home.start_link(&silent.url, &["few.csv", "--rate", "1000", "--output", "json"]);
    wait_for("all calls in flight", || (simulator.link_calls() == FEW as u64).then_some(()));
    running.signal("INT");
    wait_for("the program to drain", || running.stderr().contains("stopping").then_some(()));
    running.signal("TERM");
    let finished = running.wait().left_with(130);
    let report = finished.json();
    assert_eq!((&report["rows"]["read"], &report["rows"]["in_doubt"]), (&FEW.into(), &FEW.into()), "{finished:#?}");
    assert_eq!(home.ledger("few.csv.ledger").count("announced"), FEW, "announced, and nothing known of them");

    let again = home.link(&simulator.url, &["few.csv", "--output", "json"]).left_with(0).json();
    assert_eq!((&again["rows"]["linked"], &again["writes"]), (&FEW.into(), &0.into()), "read back, not sent again");
    simulator.linked_once(FEW);
}
