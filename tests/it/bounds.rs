//! What stops a whole run: bounds that were asked for, and credentials that expire on the way.

use crate::harness::{Fate, Home, Proxy, Simulator, csv, pairs};

fn home_with_rows(rows: u64) -> (Home, Simulator) {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..rows)));
    let simulator = Simulator::quick(&home);
    (home, simulator)
}

#[test]
fn a_run_ends_after_its_time_and_a_rerun_goes_on() {
    let (home, simulator) = home_with_rows(400);
    let options = ["pairs.csv", "--rate", "20", "--max-duration", "1s", "--output", "json"];
    let finished = home.link(&simulator.url, &options).left_with(9);
    let report = finished.json();
    assert_eq!((&report["ended"], &report["error"]["code"]), (&"stopped".into(), &"bound".into()));
    assert!(finished.stderr.contains("error: --max-duration has passed"), "{finished:#?}");
    assert_eq!(home.ledger("pairs.csv.ledger").states().len(), home.ledger("pairs.csv.ledger").count("linked"));
    home.link(&simulator.url, &["pairs.csv", "--rate", "2000"]).left_with(0);
    simulator.linked_once(400);
}

#[test]
fn a_run_ends_where_too_many_rows_fail_and_a_rerun_goes_on() {
    let (home, simulator) = home_with_rows(40);
    let fails = |text: &str| text.contains("person-00004") || text.contains("person-00008");
    let unlucky = Proxy::start(simulator.address(), move |_, body| {
        if fails(body) { Fate::Answered(500, "InternalErrorException", String::new()) } else { Fate::Passes }
    });
    let common = ["pairs.csv", "--rate", "20", "--settle-with", "get-user", "--attempts", "2", "--output", "json"];
    let finished = home.link(&unlucky.url, &[&common[..], &["--stop-after", "failed=1"]].concat()).left_with(9);
    // On a slow machine the second row fails before the run has stopped.
    assert!(finished.stderr.contains("rows failed (--stop-after failed=1)"), "{finished:#?}");
    let report = finished.json();
    assert!(report["rows"]["failed"].as_u64() >= Some(1), "{report}");

    let report = home.link(&unlucky.url, &common).left_with(3).json();
    assert_eq!((&report["rows"]["failed"], &report["rows"]["linked"]), (&2.into(), &38.into()));
    let report = home.link(&simulator.url, &common).left_with(0).json();
    assert_eq!((&report["rows"]["linked"], &report["writes"]), (&40.into(), &2.into()), "only what failed is sent");
    simulator.linked_once(40);
}

#[test]
fn expired_credentials_stop_the_run_and_cost_no_row() {
    let (home, simulator) = home_with_rows(60);
    let expiring = Proxy::start(simulator.address(), |number, _| match number {
        ..=20 => Fate::Passes,
        _ => {
            Fate::Answered(400, "ExpiredTokenException", "The security token included in the request is expired".into())
        }
    });
    let finished = home.link(&expiring.url, &["pairs.csv", "--rate", "200", "--output", "json"]).left_with(7);
    let report = finished.json();
    assert_eq!((&report["ended"], &report["error"]["code"]), (&"stopped".into(), &"credentials".into()));
    assert_eq!((&report["rows"]["linked"], &report["rows"]["failed"]), (&20.into(), &0.into()), "{report}");
    let report = home.link(&simulator.url, &["pairs.csv", "--rate", "1000", "--output", "json"]).left_with(0).json();
    assert_eq!((&report["rows"]["linked"], &report["rows"]["skipped"]), (&60.into(), &20.into()));
    simulator.linked_once(60);
}

#[test]
fn lost_answers_are_read_back_and_count_as_ours() {
    let (home, simulator) = home_with_rows(40);
    let unlucky = Proxy::start(simulator.address(), |number, _| match number % 4 {
        0 => Fate::LostAfter,
        _ => Fate::Passes,
    });
    let report = home.link(&unlucky.url, &["pairs.csv", "--rate", "20", "--output", "json"]).left_with(0).json();
    assert_eq!(report["rows"]["linked"], 40, "nobody else made these links: {report}");
    assert_eq!(report["writes"], 40, "what had taken effect was not sent again");
    simulator.linked_once(40);
}
