//! Sudden ends: kill -9, and a ledger cut anywhere in its last records.

use crate::harness::{Home, Simulator, csv, pairs, pool_file, wait_for};

#[test]
fn killed_again_and_again_a_migration_completes_and_links_each_identity_once() {
    const ROWS: usize = 150;
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..ROWS as u64)));
    home.write("pool.json", pool_file(&[]));
    let options = ["--pool-file", "pool.json", "--create-on-reference", "--quota", "off", "--latency", "20..200"];
    let simulator = Simulator::start(&home, &options);
    let mut lost = 0;
    for progress in [1, 25, 15, 1, 25] {
        let before = home.ledger("pairs.csv.ledger").outcomes();
        let running = home.start_link(&simulator.url, &["pairs.csv", "--rate", "40"]);
        wait_for("progress", || (home.ledger("pairs.csv.ledger").outcomes() >= before + progress).then_some(()));
        running.kill();
        let ledger = home.ledger("pairs.csv.ledger");
        lost = lost.max(ledger.count("announced"));
        let sent = simulator.stats()["identities_linked"].as_u64().unwrap();
        assert!(ledger.announced().len() as u64 >= sent, "nothing was sent that was not announced");
    }
    assert!(lost > 0, "the kills came while calls were in flight");

    // The fresher of the two ways to read back needs less patience for rows that were announced and never sent.
    let options = ["pairs.csv", "--rate", "40", "--settle-with", "get-user", "--output", "json"];
    let report = home.link(&simulator.url, &options).left_with(0).json();
    assert_eq!((&report["rows"]["read"], &report["rows"]["linked"]), (&ROWS.into(), &ROWS.into()), "{report}");
    assert_eq!(home.ledger("pairs.csv.ledger").count("linked"), ROWS, "they are all ours, also those in doubt");
    simulator.linked_once(ROWS);

    let report = home.run(&["report", "pairs.csv.ledger", "--output", "json"]).left_with(0).json();
    assert_eq!((&report["rows"]["read"], &report["rows"]["linked"]), (&ROWS.into(), &ROWS.into()), "{report}");
    let ends: Vec<_> = report["runs"].as_array().unwrap().iter().map(|run| run["ended"].as_str()).collect();
    assert_eq!(ends, [None, None, None, None, None, Some("completed")]);
}

#[test]
fn a_ledger_cut_at_any_byte_of_its_last_records_completes() {
    const ROWS: usize = 3;
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..ROWS as u64)));
    let simulator = Simulator::quick(&home);
    home.link(&simulator.url, &["pairs.csv", "--rate", "1000"]).left_with(0);
    let whole = home.read("pairs.csv.ledger");
    let cuts = cuts_of(&whole);
    let (mine, others) = cuts.split_at(cuts.len() / 2);
    let check = |cuts: &[usize]| cuts.iter().for_each(|cut| completes(&home, &simulator, &whole, *cut, ROWS));
    std::thread::scope(|scope| {
        scope.spawn(|| check(others));
        check(mine);
    });
    simulator.linked_once(ROWS);
    assert_eq!(simulator.link_calls(), ROWS as u64, "whatever was cut was read back and not sent again");
}

#[test]
fn rows_in_doubt_are_counted_among_those_to_work_on() {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..3)));
    let simulator = Simulator::quick(&home);
    home.link(&simulator.url, &["pairs.csv", "--rate", "1000"]).left_with(0);
    let whole = home.read("pairs.csv.ledger");
    home.write("pairs.csv.ledger", &whole[..cuts_of(&whole)[0]]);
    let finished = home.link(&simulator.url, &["pairs.csv", "--rate", "1000"]).left_with(0);
    let expected = "3 rows: 1 to process, 1 of them in doubt and read first, 2 settled in earlier runs, ";
    assert!(finished.stderr.contains(expected), "{finished:#?}");
}

/// Where to cut: at each byte of the last row's result, and here and there in the run's end, which says nothing of rows.
fn cuts_of(whole: &str) -> Vec<usize> {
    let starts: Vec<usize> = whole.match_indices('\n').map(|(end, _)| end + 1).collect();
    let [.., result, end, length] = starts[..] else { panic!("a ledger has more lines") };
    assert!(
        whole[result..].starts_with(r#"{"type":"settled""#) && whole[end..].starts_with(r#"{"type":"run_ended""#),
        "{whole}"
    );
    assert_eq!(length, whole.len());
    (result..end).chain((end..length).step_by(9)).chain(length - 2..length).collect()
}

fn completes(home: &Home, simulator: &Simulator, whole: &str, cut: usize, rows: usize) {
    let name = format!("cut-{cut}.ledger");
    home.write(&name, &whole[..cut]);
    let options = ["pairs.csv", "--ledger", &name, "--rate", "1000", "--output", "json"];
    let finished = home.link(&simulator.url, &options).left_with(0);
    let report = finished.json();
    assert_eq!(
        (&report["rows"]["linked"], &report["writes"]),
        (&rows.into(), &0.into()),
        "cut at {cut}: {finished:#?}"
    );
    assert_eq!(home.ledger(&name).count("linked"), rows, "cut at {cut}");
    let torn = !whole[..cut].ends_with(['\n', '}']);
    assert_eq!(finished.stderr.contains("an incomplete line"), torn, "cut at {cut}: {finished:#?}");
}
