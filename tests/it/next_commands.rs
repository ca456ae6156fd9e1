//! Every command that a hint suggests works as it is printed.

use crate::harness::{Finished, Home};

/// The command in backticks of the hint that has these words, run as it is, with `more` at its end.
fn follow(home: &Home, finished: &Finished, words: &str, more: &[&str]) -> Finished {
    let stderr = &finished.stderr;
    let is_hint = |line: &&str| line.starts_with("hint: ") && line.contains(words);
    let hint = stderr.lines().find(is_hint).unwrap_or_else(|| panic!("no hint with {words} in {stderr}"));
    let command = hint.split('`').nth(1).unwrap();
    let mut words = command.split(' ');
    assert_eq!(words.next(), Some("cognito-link"), "{hint}");
    home.run(&words.chain(more.iter().copied()).collect::<Vec<_>>())
}

#[test]
fn one_command_leads_to_the_next() {
    let home = Home::new();
    let template = home.run(&["template", "csv"]).left_with(0);
    home.write("pairs.csv", &template.stdout);
    let validated = follow(&home, &template, "check that file", &[]).left_with(0);
    let rehearsed = follow(&home, &validated, "rehearse the run without a pool", &[]).left_with(0);
    assert!(rehearsed.stderr.contains("`cognito-link validate pairs.csv --user-pool-id ID`"), "{rehearsed:#?}");
    let empty = home.run(&["link", "pairs.csv", "--simulate", "--dry-run"]).left_with(2);
    follow(&home, &empty, "rehearse the run, which needs no such file", &[]).left_with(0);

    let linked = home.run(&["link", "pairs.csv", "--simulate", "--yes", "--save-pool", "pool.json"]).left_with(0);
    let verified = follow(&home, &linked, "has every row", &[]).left_with(0);
    let page = follow(&home, &verified, "write the evidence", &[]).left_with(0);
    assert!(home.path("pairs.csv.simulated.ledger.html").exists());
    let verified = follow(&home, &page, "has every row", &[]).left_with(0);
    follow(&home, &verified, "write the evidence", &[]).left_with(0);

    let pool = ["--simulate", "--pool-file", "pool.json"];
    let done = home.run(&[&["link", "pairs.csv", "--dry-run"][..], &pool].concat()).left_with(0);
    follow(&home, &done, "nothing is to be linked", &[]).left_with(0);
    let exported = home.run(&[&["export", "--out", "links.csv"][..], &pool].concat()).left_with(0);
    follow(&home, &exported, "see later what has changed", &["--exit-on-drift"]).left_with(0);

    let undo = [&["undo", "pairs.csv.simulated.ledger", "--dry-run", "--save-pool", "pool.json", "--force"][..], &pool];
    let would_be = home.run(&undo.concat()).left_with(0);
    let undone = follow(&home, &would_be, "remove these links", &["--yes"]).left_with(0);
    follow(&home, &undone, "summarize the ledger", &[]).left_with(0);
    let compared = home.run(&[&["reconcile", "pairs.csv"][..], &pool].concat()).left_with(0);
    assert!(compared.stderr.contains("over the default bound"), "{compared:#?}");
    let applied = follow(&home, &compared, "link what is missing", &["--yes"]).left_with(0);
    follow(&home, &applied, "summarize the ledger", &[]).left_with(0);
}

#[test]
fn a_row_that_the_ledger_does_not_have_is_linked_by_the_suggested_command() {
    let home = Home::new();
    let template = home.run(&["template", "csv"]).left_with(0).stdout;
    home.write("pairs.csv", &template);
    home.run(&["link", "pairs.csv", "--simulate", "--yes"]).left_with(0);
    home.write(
        "more.csv",
        "destination_username,source_provider,source_value\nperson-0009,Google,118234567890123456780\n",
    );
    let lacking = home.run(&["verify", "pairs.csv.simulated.ledger", "more.csv"]).left_with(3);
    follow(&home, &lacking, "then verify again", &["--yes"]).left_with(0);
    home.run(&["verify", "pairs.csv.simulated.ledger", "more.csv"]).left_with(0);
}

#[test]
fn no_command_is_suggested_for_the_plan_of_standard_input() {
    let home = Home::new();
    let template = home.run(&["template", "csv"]).left_with(0).stdout;
    home.write("pairs.csv", &template);
    home.run(&["link", "pairs.csv", "--simulate", "--yes", "--save-pool", "pool.json"]).left_with(0);
    let more = b"destination_username,source_provider,source_value\nperson-0001,Okta,00uZ\n";
    let words = ["validate", "-", "--simulate", "--pool-file", "pool.json", "--save-plan", "plan"];
    let planned = home.run_stdin(&words, more).left_with(0);
    assert!(planned.stderr.contains("link that file with `--plan plan`"), "{planned:#?}");
    assert!(!planned.stderr.contains("./-"), "{planned:#?}");
}

#[test]
fn a_misspelled_name_is_asked_about() {
    let home = Home::new();
    let template = home.run(&["template", "csv"]).left_with(0).stdout;
    home.write("pairs.csv", &template);
    home.run(&["link", "pairs.csv", "--simulate", "--yes", "--save-pool", "pool.json"]).left_with(0);
    home.write("wrong.csv", template.replace("Google", "Gogle"));
    let pool = ["--simulate", "--pool-file", "pool.json"];
    for words in [["validate", "wrong.csv"], ["reconcile", "wrong.csv"]] {
        let warned = home.run(&[&words[..], &pool].concat());
        assert_eq!(warned.stderr.matches("; did you mean Google?").count(), 1, "{warned:#?}");
    }
    for (words, near) in [
        (&["schema", "lnk"][..], "; did you mean link?"),
        (&["link", "pairs.csv", "--simulate", "--where", "sorce_value=1"], "; did you mean source_value?"),
        (&["control", "pairs.csv", "status"], "; did you mean pairs.csv.simulated.ledger?"),
    ] {
        let refused = home.run(words);
        assert!(refused.stderr.contains(near), "{refused:#?}");
    }
}
