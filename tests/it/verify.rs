//! `verify`, ledgers that are pulled away from a run, and who may read a ledger.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Finished, Home, Simulator, csv, pairs, wait_for};

fn linked(rows: u64) -> (Home, Simulator) {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..rows)));
    let simulator = Simulator::quick(&home);
    (home, simulator)
}

/// Not a report with rows of its own, so there is no balance to check.
fn json_of(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap()
}

#[test]
fn verify_reports_the_head_that_link_and_report_print() {
    let (home, simulator) = linked(6);
    let options = ["pairs.csv", "--rate", "1000", "--output", "json"];
    let head = home.link(&simulator.url, &options).left_with(0).json()["ledger_head"].as_str().unwrap().to_owned();
    let report = home.run(&["report", "pairs.csv.ledger", "--output", "json"]).left_with(0).json();
    assert_eq!(report["ledger_heads"][0], head);
    let verify = ["verify", "pairs.csv.ledger", "pairs.csv"];
    let found = json_of(&home.run(&[&verify[..], &["--output", "json"]].concat()).left_with(0));
    assert_eq!((&found["ledger_head"], &found["inputs"][0]["unaccounted"]), (&head.as_str().into(), &0.into()));
    assert_eq!(
        (&found["run_count"], &found["ledger_rows"], &found["line_count"]),
        (&1.into(), &6.into(), &15.into()),
        "{found}"
    );
    let text = home.run(&verify).left_with(0).stdout;
    assert!(text.contains(&format!("ledger head {head}")) && text.contains("6 rows, all accounted for"), "{text}");

    // A ledger that has grown had the head earlier, one that has lost its last line never had it.
    home.link(&simulator.url, &options).left_with(0);
    let grown = home.run(&["verify", "pairs.csv.ledger", "--head", &head]).left_with(0).stdout;
    assert!(grown.contains("the head of --head is that of line 15"), "{grown}");
    let whole = home.read("pairs.csv.ledger");
    let cut: String = whole.split_inclusive('\n').take(14).collect();
    home.write("cut.ledger", cut);
    let found = home.run(&["verify", "cut.ledger"]).left_with(0).stdout;
    assert!(found.contains("the last run (link, started ") && found.contains("has no end"), "{found}");
    home.run(&["verify", "cut.ledger", "--head", &head]).refused_with(6, "never had the head");

    // What may be a last line that a crash has torn is no line that was checked.
    for torn in [format!("{whole}junk"), whole.trim_end().to_owned() + "x"] {
        home.write("torn.ledger", torn);
        let found = home.run(&["verify", "torn.ledger"]).left_with(3);
        assert!(found.stdout.contains("torn.ledger: unchanged up to an unfinished last line of "), "{found:#?}");
        assert!(found.stderr.contains("verify again when no run is live"), "{found:#?}");
    }

    let changed = whole.replacen("\"state\":\"linked\"", "\"state\":\"failed\"", 1);
    assert_ne!(changed, whole);
    home.write("changed.ledger", &changed);
    let refused = home.run(&["verify", "changed.ledger"]).refused_with(6, "changed.ledger is damaged at line ");
    for command in ["report", "undo", "link"] {
        let finished = match command {
            "report" => home.run(&["report", "changed.ledger"]),
            "undo" => home.on_pool("undo", &simulator.url, &["changed.ledger", "--yes"]),
            _ => home.link(&simulator.url, &["pairs.csv", "--ledger", "changed.ledger"]),
        };
        finished.refused_with(6, "changed.ledger is damaged at line ");
    }
    assert_eq!(home.read("changed.ledger"), changed);
    // The commands of the message keep what is whole, once.
    let commands = refused.stderr.split('`').find(|part| part.starts_with("ln ")).unwrap();
    let paste = || std::process::Command::new("sh").args(["-c", commands]).current_dir(home.path("")).output().unwrap();
    assert!(paste().status.success(), "{commands}");
    assert_eq!(home.read("changed.ledger.damaged"), changed);
    let kept = home.read("changed.ledger");
    assert!(changed.starts_with(&kept) && kept.ends_with('\n'), "{kept}");
    home.run(&["verify", "changed.ledger"]).left_with(0);
    assert!(!paste().status.success() && home.read("changed.ledger.damaged") == changed);
}

#[test]
fn verify_lists_rows_that_no_run_has_met() {
    let (home, simulator) = linked(4);
    home.link(&simulator.url, &["pairs.csv", "--rate", "1000"]).left_with(0);
    home.write("more.csv", csv(&pairs(2..6)));
    let found = json_of(&home.run(&["verify", "pairs.csv.ledger", "more.csv", "--output", "json"]).left_with(3));
    let input = &found["inputs"][0];
    assert_eq!((&input["rows"]["linked"], &input["unaccounted"]), (&2.into(), &2.into()), "{found}");
    let rows: Vec<_> = input["missing_rows"].as_array().unwrap().iter().map(|row| row["row"].as_u64()).collect();
    assert_eq!(rows, [Some(3), Some(4)]);
    let text = home.run(&["verify", "pairs.csv.ledger", "pairs.csv", "more.csv"]).left_with(3).stdout;
    assert!(text.contains("4 rows, all accounted for") && text.contains("4 rows, 2 not accounted for"), "{text}");
}

/// The run stops with status 1, prints its summary, and what it wrote is beside the place of the ledger.
#[test]
fn a_ledger_that_is_pulled_away_stops_the_run() {
    for (what, word) in [("delete", "was deleted"), ("move", "was moved away"), ("truncate", "was truncated")] {
        let home = Home::new();
        home.write("pairs.csv", csv(&pairs(0..200)));
        let simulator = Simulator::quick(&home);
        let ledger = home.path("pairs.csv.ledger");
        let running = home.start_link(&simulator.url, &["pairs.csv", "--rate", "40"]);
        wait_for("progress", || (home.ledger("pairs.csv.ledger").outcomes() >= 5).then_some(()));
        match what {
            "delete" => std::fs::remove_file(&ledger).unwrap(),
            "move" => std::fs::rename(&ledger, home.path("elsewhere")).unwrap(),
            _ => std::fs::OpenOptions::new().write(true).open(&ledger).unwrap().set_len(300).unwrap(),
        }
        let stopped = running.wait().left_with(1);
        assert!(stopped.stderr.contains(&format!("pairs.csv.ledger {word} during the run")), "{stopped:#?}");
        assert!(stopped.stdout.contains("rows read"), "the summary is printed: {stopped:#?}");
        if what != "truncate" {
            let (rescued, links) = (home.path("pairs.csv.ledger.rescued"), simulator.link_calls());
            assert!(home.ledger("pairs.csv.ledger.rescued").announced().len() as u64 >= links);
            std::fs::rename(rescued, &ledger).unwrap();
            home.link(&simulator.url, &["pairs.csv", "--rate", "1000", "--settle-with", "get-user"]).left_with(0);
            assert_eq!(home.ledger("pairs.csv.ledger").count("linked"), 200);
            simulator.linked_once(200);
        }
    }
}

/// The run stops with status 1 and a rerun that would start a new ledger is refused, until somebody has decided.
#[test]
fn no_ledger_is_used_beside_what_was_rescued() {
    let (home, simulator) = linked(4);
    home.link(&simulator.url, &["pairs.csv", "--rate", "1000"]).left_with(0);
    let copy = home.path("pairs.csv.ledger.rescued");
    std::fs::rename(home.path("pairs.csv.ledger"), &copy).unwrap();
    let calls = simulator.link_calls();
    for command in [&["link", "pairs.csv"][..], &["reconcile", "pairs.csv", "--apply", "--ledger", "pairs.csv.ledger"]]
    {
        let arguments = [&command[1..], &["--yes", "--output", "json"]].concat();
        let refused = home.on_pool(command[0], &simulator.url, &arguments).left_with(6);
        assert_eq!(json_of(&refused)["error"]["code"], "ledger_rescued", "{command:?}");
        assert!(refused.stderr.contains("pairs.csv.ledger.rescued holds what an earlier run wrote"), "{refused:#?}");
    }
    let undo = |status| {
        let refused = home.on_pool("undo", &simulator.url, &["pairs.csv.ledger", "--yes", "--output", "json"]);
        let refused = refused.left_with(status);
        assert_eq!(json_of(&refused)["error"]["code"], "ledger_rescued", "{refused:#?}");
    };
    undo(6);
    assert!(!home.path("pairs.csv.ledger").exists() && simulator.link_calls() == calls);
    // The same beside a ledger: nobody but a person knows which one has all links.
    std::fs::copy(&copy, home.path("pairs.csv.ledger")).unwrap();
    undo(6);
    let reconcile = ["reconcile", "pairs.csv", "--apply", "--yes", "--ledger", "pairs.csv.ledger"];
    for command in [&["link", "pairs.csv", "--yes"][..], &reconcile] {
        let refused = home.on_pool(command[0], &simulator.url, &command[1..]).left_with(6);
        assert!(refused.stderr.contains("keep the one with all links"), "{refused:#?}");
    }
    home.run(&["report", "pairs.csv.ledger.rescued"]).left_with(0);
    std::fs::remove_file(home.path("pairs.csv.ledger")).unwrap();
    std::fs::rename(&copy, home.path("pairs.csv.ledger")).unwrap();
    home.link(&simulator.url, &["pairs.csv"]).left_with(0);
    home.on_pool("undo", &simulator.url, &["pairs.csv.ledger", "--yes", "--rate", "1000"]).left_with(0);
    std::fs::rename(home.path("pairs.csv.ledger"), &copy).unwrap();
    std::fs::rename(&copy, home.path("old.ledger")).unwrap();
    home.link(&simulator.url, &["pairs.csv", "--dry-run"]).left_with(0);
}

/// Overwrites seven bytes of the first announcement, once the run has not written for a while: a write in the same tick of
/// the file system's clock as one of the run's own cannot be noticed.
fn edit_in_place(path: &Path, from: &[u8], to: &[u8]) {
    let quiet = Duration::from_millis(20);
    wait_for("a moment without writes", || {
        let modified = std::fs::metadata(path).unwrap().modified().unwrap();
        (modified.elapsed().unwrap_or_default() >= quiet).then_some(())
    });
    let bytes = std::fs::read(path).unwrap();
    let at = bytes.windows(from.len()).position(|part| part == from).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, to, at as u64).unwrap();
}

#[test]
fn an_edit_of_a_live_ledger_stops_the_run() {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..200)));
    let simulator = Simulator::quick(&home);
    let running = home.start_link(&simulator.url, &["pairs.csv", "--rate", "10"]);
    wait_for("progress", || (home.ledger("pairs.csv.ledger").outcomes() >= 3).then_some(()));
    edit_in_place(&home.path("pairs.csv.ledger"), b"\"announced\"", b"\"annouNced\"");
    let stopped = running.wait().left_with(6);
    assert!(stopped.stderr.contains("pairs.csv.ledger is damaged at line "), "{stopped:#?}");
    assert!(!stopped.stderr.contains("run the same command again"), "it would be refused: {stopped:#?}");
    assert!(stopped.stdout.contains("rows read"), "the summary is printed: {stopped:#?}");
    assert!(simulator.link_calls() < 200);
}

/// `ulimit -f` in units of 512 or 1,024 bytes, as the shell has it.
#[test]
fn a_file_size_limit_ends_the_run_as_a_full_disk_does() {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..400)));
    let simulator = Simulator::quick(&home);
    let mut command = Command::new("sh");
    let link = home.link_command(&simulator.url, &["pairs.csv", "--rate", "1000"]);
    command.args(["-c", "ulimit -f 32; exec \"$0\" \"$@\""]).arg(link.get_program()).args(link.get_args());
    command.env_clear().envs(link.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ended = command.current_dir(home.path("")).output().unwrap();
    let text = String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{text}");
    assert!(text.contains("cannot write ledger") && text.contains("rows read"), "{text}");
    home.link(&simulator.url, &["pairs.csv", "--rate", "1000", "--settle-with", "get-user"]).left_with(0);
    simulator.linked_once(400);
}

#[test]
fn a_ledger_that_others_can_read_gives_a_warning() {
    let (home, simulator) = linked(2);
    home.link(&simulator.url, &["pairs.csv", "--rate", "1000"]).left_with(0);
    let warned = |mode: u32| {
        std::fs::set_permissions(home.path("pairs.csv.ledger"), std::fs::Permissions::from_mode(mode)).unwrap();
        home.link(&simulator.url, &["pairs.csv"])
            .left_with(0)
            .stderr
            .contains("close it with `chmod 600 pairs.csv.ledger`")
    };
    assert_eq!([0o600, 0o640, 0o604].map(warned), [false, true, true]);
}

#[test]
fn files_with_personal_data_are_private_under_any_umask() {
    for umask in ["000", "022", "077", "377"] {
        let home = Home::new();
        home.write("pairs.csv", csv(&pairs(0..3)));
        let program = home.program(&[]).get_program().to_owned();
        let simulate = "link pairs.csv --simulate --yes --simulate-latency off --save-pool saved.json";
        let report = "report pairs.csv.simulated.ledger --failed failed.csv --unprocessed rest.csv";
        let script = format!("umask {umask}; \"$0\" {simulate} && \"$0\" {report}");
        let status = Command::new("sh").arg("-c").arg(script).arg(program).current_dir(home.path("")).output().unwrap();
        assert!(status.status.success(), "umask {umask}: {status:?}");
        for name in ["pairs.csv.simulated.ledger", "saved.json", "failed.csv", "rest.csv"] {
            let mode = std::fs::metadata(home.path(name)).unwrap().permissions().mode();
            // The simulator's file may have fewer rights, as the umask says.
            let expected = if name == "saved.json" { mode & 0o600 } else { 0o600 };
            assert_eq!(mode & 0o777, expected, "{name} under umask {umask}");
        }
    }
}
