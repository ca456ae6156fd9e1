//! Hands the program what `--version` shows besides the number: the commit, and the target that it was built for.
//!
//! The commit comes from the variable `COGNITO_LINK_COMMIT`, else from the file that `cargo package` adds to a package,
//! else from git. Only a release build asks git: a debug build would compile the library again after each commit.

use std::path::Path;
use std::process::Command;

/// Letters of a commit that are shown.
const COMMIT_LETTERS: usize = 12;
/// What a release is made of. Without these lines, cargo would run this script for every test that changed.
const SOURCES: &[&str] = &["build.rs", "Cargo.toml", "Cargo.lock", "src", "crates"];

fn main() {
    println!("cargo::rerun-if-env-changed=COGNITO_LINK_COMMIT");
    println!("cargo::rerun-if-changed=build.rs");
    let is_release = variable("PROFILE").as_deref() == Some("release");
    let commit = variable("COGNITO_LINK_COMMIT")
        .map(|commit| shortened(&commit))
        .or_else(commit_of_package)
        .or_else(|| if is_release { commit_of_repository() } else { Some("not recorded in a debug build".to_owned()) })
        .unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=COGNITO_LINK_COMMIT={commit}");
    println!("cargo::rustc-env=COGNITO_LINK_TARGET={}", variable("TARGET").unwrap_or_else(|| "unknown".to_owned()));
}

/// The value of a variable that is set, and not to nothing.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

fn shortened(commit: &str) -> String {
    commit.trim().chars().take(COMMIT_LETTERS).collect()
}

/// The commit in `.cargo_vcs_info.json`, which is in packages only.
fn commit_of_package() -> Option<String> {
    let text = std::fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let hash = text.split_once("\"sha1\": \"")?.1.split('"').next()?.to_owned();
    let mark = if text.contains("\"dirty\": true") { "-dirty" } else { "" };
    Some(format!("{}{mark}", shortened(&hash)))
}

/// The commit of the repository of which this folder is the top, with a mark where its files were changed. `None` without
/// git, and where the folder only lies in a repository of something else.
fn commit_of_repository() -> Option<String> {
    if !git(&["rev-parse", "--show-prefix"])?.is_empty() {
        return None;
    }
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    if Path::new(&log).exists() {
        println!("cargo::rerun-if-changed={log}");
    }
    let commit = git(&["rev-parse", "HEAD"])?;
    let is_changed = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(format!("{}{}", shortened(&commit), if is_changed { "-dirty" } else { "" }))
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
