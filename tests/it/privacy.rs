//! Personal values stay in the files that are made for them.
//!
//! Goal: whatever a command does and meets, no value of a row is in what it prints or logs. Method: every value carries a
//! mark; each command runs at the highest log level, in both formats, over faults and refusals whose texts quote the values.
//! Panics are tested where they are reported, in `src/ui/tests.rs`.

use std::os::unix::fs::{MetadataExt, chown};

use crate::harness::{Fate, Home, Pair, Proxy, Simulator, csv, pool_file};

/// In every user name, address and identity.
const MARK: &str = "kq7Mark";
/// In identities of Google, which are digits.
const MARK_DIGITS: &str = "7788990";
const ROWS: usize = 12;

fn marked_rows() -> Vec<Pair> {
    (0..ROWS)
        .map(|number| {
            let username = format!("{MARK}-user-{number}");
            match number % 2 {
                0 => Pair { username, provider: "Okta", value: format!("00u{MARK}{number:03}") },
                _ => Pair { username, provider: "Google", value: format!("10743{MARK_DIGITS}{number:09}") },
            }
        })
        .collect()
}

#[test]
fn no_value_is_printed_or_logged_by_any_command() {
    for format in ["text", "json"] {
        let home = Home::new();
        let rows = marked_rows();
        // One row is damaged and one is repeated, so that there are findings.
        let text = csv(&rows)
            + &format!("{MARK}-user-1,,\n")
            + &csv(&rows[..1]).lines().last().map(str::to_owned).unwrap()
            + "\n";
        home.write("rows.csv", text);
        home.write("pool.json", pool_file(&rows.iter().map(|row| row.username.as_str()).collect::<Vec<_>>()));
        let log = ["-vvv", "--log-format", format];
        let simulated = ["--pool-file", "pool.json", "--latency", "off", "--quota", "off"];
        let simulator = Simulator::start(&home, &[&simulated[..], &log].concat());
        let quotes = |body: &str| format!("The value {body} of {MARK}-user-3 is not accepted.");
        let proxy = Proxy::start(simulator.address(), move |number, body| match number {
            2 => Fate::LostAfter,
            3 => Fate::Answered(400, "InvalidParameterException", quotes(body)),
            4 => Fate::Answered(500, "InternalErrorException", quotes(body)),
            5 => Fate::Answered(400, "SomethingNewException", quotes(body)),
            _ => Fate::Passes,
        });
        let settle = ["--settle-with", "get-user", "--rate", "1000"];
        let mut printed = Vec::new();
        for (command, arguments) in [
            ("doctor", &[][..]),
            ("validate", &["rows.csv"][..]),
            ("link", &["rows.csv", "--yes"][..]),
            ("reconcile", &["rows.csv"][..]),
            ("duplicates", &[][..]),
            ("export", &["--out", "exported.csv"][..]),
            ("validate", &["rows.csv", "--save-plan", "rows.plan"][..]),
            ("undo", &["rows.csv.ledger", "--yes"][..]),
        ] {
            let more: &[&str] = if matches!(command, "link" | "undo") { &settle } else { &[] };
            let finished = home.on_pool(command, &proxy.url, &[arguments, &log, more].concat());
            assert!(!matches!(finished.code, None | Some(2)), "{command} takes these arguments: {finished:#?}");
            printed.push((command, finished));
        }
        for (command, arguments) in [
            ("validate", &["rows.csv", "--output", "json"][..]),
            ("report", &["rows.csv.ledger", "--failed", "failed.csv", "--unprocessed", "rest.csv"][..]),
            ("report", &["rows.csv.ledger", "--html", "page.html", "--markdown", "rows.md"][..]),
            ("verify", &["rows.csv.ledger"][..]),
            ("control", &["rows.csv.ledger", "status"][..]),
            ("plan", &["approve", "rows.plan", "--key", "no-such-key"][..]),
            ("link", &["rows.csv", "--simulate", "--rehearse", "--yes"][..]),
            ("explain", &[MARK][..]),
        ] {
            printed.push((command, home.run(&[&[command][..], arguments, &log].concat())));
        }
        for (command, finished) in &printed {
            // `explain` may repeat its argument, which nobody takes for a value.
            for mark in [MARK, MARK_DIGITS].iter().filter(|_| *command != "explain") {
                let said = format!("{}\n{}", finished.stdout, finished.stderr);
                let lines: Vec<&str> = said.lines().filter(|line| line.contains(mark)).collect();
                assert!(lines.is_empty(), "{command}, {format}: {lines:#?}");
            }
        }
        // Pages for readers beside those who ran it are masked, too.
        for page in ["page.html", "rows.md"] {
            let page = home.read(page);
            assert!(page.contains("refused"), "the rows are there: {page}");
            assert!(!page.contains(MARK) && !page.contains(MARK_DIGITS), "{page}");
        }
        // It is asked for each of them.
        let simulated = simulator.stop();
        let said = format!("{}{}", simulated.stdout, simulated.stderr);
        assert!(!said.contains(MARK) && !said.contains(MARK_DIGITS), "{said}");
        assert!(said.lines().count() > 1, "the log is on: {said}");
        let linked = printed.iter().find(|(command, _)| *command == "link").map(|(_, finished)| finished).unwrap();
        assert!(linked.stderr.lines().count() > ROWS, "the log is on: {linked:#?}");
        assert!(home.read("rows.csv.ledger").contains(MARK), "the ledger is where the values are");
    }
}

#[test]
fn a_ledger_of_another_user_gives_a_warning() {
    let home = Home::new();
    home.write("rows.csv", csv(&marked_rows()));
    let simulator = Simulator::quick(&home);
    let link = || home.link(&simulator.url, &["rows.csv", "--rate", "1000"]).left_with(0).stderr;
    assert!(!link().contains("belongs to another user"));
    let path = home.path("rows.csv.ledger");
    // Only root can give a file away.
    if std::fs::metadata(&path).unwrap().uid() == 0 {
        chown(&path, Some(65_534), None).unwrap();
        assert!(link().contains("belongs to another user"));
    }
}
