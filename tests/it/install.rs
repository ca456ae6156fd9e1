//! What an installed program brings along: its version, completions and manual pages, and help that needs no repository.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use clap::CommandFactory as _;
use cognito_link::commands::Cli;

use crate::harness::Home;

/// Names of all commands, without `help`.
fn commands() -> Vec<String> {
    Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

/// Whether a program is on this machine.
fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}

#[test]
fn the_version_names_commit_and_target() {
    let home = Home::new();
    let number = env!("CARGO_PKG_VERSION");
    assert_eq!(home.run(&["-V"]).left_with(0).stdout, format!("cognito-link {number}\n"));
    let long = home.run(&["--version"]).left_with(0).stdout;
    let lines: Vec<&str> = long.lines().collect();
    assert_eq!(lines[0], format!("cognito-link {number}"));
    assert!(lines[1].strip_prefix("commit ").is_some_and(|commit| !commit.is_empty()), "{long}");
    let target = lines[2].strip_prefix("target ").unwrap();
    assert!(target.contains(std::env::consts::ARCH) && target.split('-').count() >= 3, "{long}");
}

#[test]
fn every_shell_gets_a_script_with_every_command() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = home.run(&["completions", shell]).left_with(0).stdout;
        for wanted in commands().iter().map(String::as_str).chain(["show-values"]) {
            assert!(script.contains(wanted), "{shell}: {wanted}");
        }
        home.write(shell, script);
    }
    home.run(&["completions", "tcsh"]).refused_with(2, "tcsh");
    // The script works where its shell is: bash completes a beginning, and zsh and fish accept the syntax.
    let completed = "source ./bash; COMP_WORDS=(cognito-link rec); COMP_CWORD=1; \
                     _cognito__link cognito-link rec cognito-link; echo \"${COMPREPLY[@]}\"";
    for (shell, arguments, expected) in [
        ("bash", &["--norc", "-c", completed][..], "reconcile\n"),
        ("zsh", &["-n", "zsh"], ""),
        ("fish", &["--no-execute", "fish"], ""),
    ] {
        if has(shell) {
            let output = Command::new(shell).args(arguments).current_dir(home.path(".")).output().unwrap();
            assert!(output.status.success(), "{shell}: {output:?}");
            assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{shell}");
        }
    }
}

fn add_pages(parent: &clap::Command, title: &str, pages: &mut Vec<String>) {
    for command in parent.get_subcommands().filter(|command| !command.is_hide_set()) {
        let title = format!("{title}-{}", command.get_name());
        pages.push(format!("{title}.1"));
        add_pages(command, &title, pages);
    }
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    let home = Home::new();
    home.run(&["man", "share/man1"]).left_with(0);
    let mut pages = vec!["cognito-link.1".to_owned()];
    add_pages(&Cli::command().disable_help_subcommand(true), "cognito-link", &mut pages);
    assert!(pages.contains(&"cognito-link-plan-approve.1".to_owned()), "{pages:?}");
    let wanted: BTreeSet<String> = pages.into_iter().collect();
    let folder = std::fs::read_dir(home.path("share/man1")).unwrap();
    let found: BTreeSet<String> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(wanted, found);
    // The manual's markup has a backslash before each hyphen.
    let page = home.read("share/man1/cognito-link-link.1").replace("\\-", "-");
    for part in [".TH cognito-link-link 1", "--max-duration", "Link every row of a file", "cognito-link link"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    // Pages of an earlier version are replaced only on request.
    home.write("share/man1/cognito-link.1", "old");
    home.run(&["man", "share/man1"]).refused_with(2, "--force");
    assert_eq!(home.read("share/man1/cognito-link.1"), "old");
    home.run(&["man", "share/man1", "--force"]).left_with(0);
    assert_ne!(home.read("share/man1/cognito-link.1"), "old");
    home.write("file", "");
    home.run(&["man", "file"]).refused_with(2, "cannot write file");
}

#[test]
fn no_help_needs_the_repository() {
    let mut program = Cli::command().term_width(0);
    program.build();
    let mut texts = vec![program.render_help(), program.render_long_help()];
    for command in program.get_subcommands_mut() {
        texts.extend([command.render_help(), command.render_long_help()]);
    }
    assert!(texts.len() > 2 * 13, "the commands were not found");
    for text in texts.iter().map(ToString::to_string) {
        for part in ["fixtures/", "cargo run", "docs/", "deploy/", "tests/"] {
            assert!(!text.contains(part), "help names {part}, which is only in the repository:\n{text}");
        }
    }
}

#[test]
fn the_example_of_the_help_works_as_it_stands() {
    let help = Cli::command().render_help().to_string();
    let (_, example) = help.split_once("Example, without an AWS account:\n").expect("the help has an example");
    let home = Home::new();
    let lines: Vec<&str> = example.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 2, "{example}");
    for line in lines {
        let words: Vec<&str> = line.strip_prefix("cognito-link ").unwrap().split(' ').collect();
        match words.iter().position(|word| *word == ">") {
            Some(at) => home.write(words[at + 1], home.run(&words[..at]).left_with(0).stdout),
            None => assert!(home.run(&words).left_with(0).stdout.contains("linked"), "{line}"),
        }
    }
}
