//! Commands that a message suggests: for the same input, pool and settings, and ready to be pasted.

use std::path::{Path, PathBuf};

use crate::ui::{shell_path, shell_word};

/// Returns the option for a settings file, after a space; nothing without one.
pub fn config_option(config: Option<&Path>) -> String {
    config.map_or_else(String::new, |path| format!(" --config {}", shell_path(&path.display().to_string())))
}

/// Returns the settings file of an earlier run, out of its arguments.
pub fn config_of_run(arguments: &[String]) -> Option<PathBuf> {
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.split_once('=') {
            Some(("--config", path)) => return Some(PathBuf::from(path)),
            _ if argument == "--config" => return rest.next().map(PathBuf::from),
            _ => {}
        }
    }
    None
}

/// Returns the command with these arguments once more: without the flag `left_out`, and with `more` at its end. Passwords
/// are left out.
pub fn same_command(arguments: &[String], left_out: Option<&str>, more: &str) -> String {
    let kept = arguments.iter().map(String::as_str).filter(|argument| Some(*argument) != left_out);
    let words = std::iter::once("cognito-link".to_owned()).chain(kept.map(|word| shell_word(&without_password(word))));
    let more = (!more.is_empty()).then(|| more.to_owned());
    words.chain(more).collect::<Vec<_>>().join(" ")
}

/// Leaves user, password and query out of an argument that is or holds the address of a service.
pub fn without_password(argument: &str) -> String {
    let Some((before, rest)) = argument.split_once("://") else { return argument.to_owned() };
    // A key at S3 may have any letter.
    if before.ends_with("s3") {
        return argument.to_owned();
    }
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{before}://{host}{path}")
}

/// Hides all of an address behind its scheme where it may hold a password: for a text that was not taken as an address, so
/// that nobody knows where the password ends.
pub fn without_secrets(text: &str) -> String {
    match text.split_once("://") {
        Some((scheme, rest)) if !scheme.ends_with("s3") && rest.contains(['@', '?']) => format!("{scheme}://***"),
        _ => text.to_owned(),
    }
}

/// As [`without_secrets`], for what was meant as the address of a service, and may lack a scheme.
pub fn refused_address(text: &str) -> String {
    let is_safe = text.contains("://") || !text.contains(['@', '?']);
    if is_safe { without_secrets(text) } else { "***".to_owned() }
}

/// Returns what to do about a code that a result shows.
pub fn explain_step(code: &str) -> String {
    format!("read what a code means and what to do: `cognito-link explain {code}`")
}

/// Returns what to do about invalid rows. `input` has the options that read it; `None` for one that is not known or cannot
/// be read again.
pub fn split_step(input: Option<&str>) -> String {
    let command =
        input.map_or("validate --split".to_owned(), |input| format!("cognito-link validate {input} --split DIR"));
    format!("write the invalid rows to a file: `{command}`")
}

/// Returns what follows where every row has its link. `input` has the options that read it; `None` where the ledger is not
/// to have all of its rows, or it cannot be read again.
pub fn verify_step(ledger: &str, input: Option<&str>) -> String {
    let ledger = shell_path(ledger);
    match input {
        Some(input) => {
            format!("check that the ledger is unchanged and has every row: `cognito-link verify {ledger} {input}`")
        }
        None => format!("check that the ledger is unchanged: `cognito-link verify {ledger}`"),
    }
}

/// Returns what follows a run that is not to have all rows of its input.
pub fn report_step(ledger: &str) -> String {
    format!("summarize the ledger: `cognito-link report {}`", shell_path(ledger))
}

/// Returns what writes the evidence of ledgers to a page, beside the first one.
pub fn page_step<'a>(ledgers: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
    let page = format!("{}.html", ledgers.clone().next()?);
    let force = if Path::new(&page).exists() { " --force" } else { "" };
    let page = shell_path(&page);
    let ledgers: Vec<String> = ledgers.map(shell_path).collect();
    Some(format!("write the evidence to a page: `cognito-link report {} --html {page}{force}`", ledgers.join(" ")))
}

/// Returns what follows a run that was simulated. `input` has the options that read it, and `pool` those that name the pool;
/// without the latter a person names it.
pub fn compare_step(input: &str, pool: Option<&str>) -> String {
    match pool {
        Some(pool) => format!("compare the rows with the pool: `cognito-link validate {input}{pool}`"),
        None => format!("compare the rows with a pool: `cognito-link validate {input} --user-pool-id ID`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_command_is_suggested_with_what_was_given() {
        let given = arguments("link my$pairs.csv --dry-run --map a=b --config prod.toml");
        let again = same_command(&given, Some("--dry-run"), "");
        assert_eq!(again, "cognito-link link 'my$pairs.csv' --map 'a=b' --config prod.toml");
        assert_eq!(same_command(&given[..2], None, "--yes"), "cognito-link link 'my$pairs.csv' --yes");
        let given = arguments("doctor --endpoint-url=http://user:secret@host:1");
        assert_eq!(same_command(&given, None, ""), "cognito-link doctor '--endpoint-url=http://host:1'");
    }

    #[test]
    fn what_follows_a_run_can_be_pasted() {
        assert!(
            verify_step("my.ledger", Some("a.csv --preset okta"))
                .ends_with("`cognito-link verify my.ledger a.csv --preset okta`")
        );
        assert!(verify_step("my ledger", None).ends_with("`cognito-link verify 'my ledger'`"));
        assert!(report_step("-l").ends_with("`cognito-link report ./-l`"));
        let page = page_step(["a b", "c"].into_iter()).unwrap();
        assert!(page.ends_with("`cognito-link report 'a b' c --html 'a b.html'`"), "{page}");
        assert_eq!(page_step(std::iter::empty()), None);
        assert!(compare_step("a.csv", Some(" --pool eu")).ends_with("`cognito-link validate a.csv --pool eu`"));
        assert!(compare_step("a.csv", None).ends_with("`cognito-link validate a.csv --user-pool-id ID`"));
    }

    #[test]
    fn the_settings_of_a_run_are_in_its_arguments() {
        for (line, expected) in [
            ("link in.csv --config prod.toml --yes", " --config prod.toml"),
            ("link --config=-odd.toml in.csv", " --config ./-odd.toml"),
            ("link in.csv --config", ""),
            ("link in.csv", ""),
        ] {
            assert_eq!(config_option(config_of_run(&arguments(line)).as_deref()), expected, "{line}");
        }
    }

    #[test]
    fn arguments_are_kept_without_passwords() {
        for (argument, kept) in [
            ("--endpoint-url=http://user:secret@host:1/x?key=secret", "--endpoint-url=http://host:1/x"),
            ("https://host", "https://host"),
            ("people.csv", "people.csv"),
            ("s3://bucket/a@b?c#d", "s3://bucket/a@b?c#d"),
        ] {
            assert_eq!(without_password(argument), kept);
        }
    }

    #[test]
    fn a_text_that_is_no_address_keeps_no_password() {
        for (text, shown) in [
            ("ftp://user:secret@host", "ftp://***"),
            ("http://user:sec/ret@host", "http://***"),
            ("http://host/?key=secret", "http://***"),
            ("http://a b", "http://a b"),
            ("user:secret@host", "***"),
            ("http:/user:secret@host", "***"),
            ("localhost:4566", "localhost:4566"),
        ] {
            assert_eq!(refused_address(text), shown);
        }
        for text in ["anna@example.com", "s3://bucket/a@b", "https://host"] {
            assert_eq!(without_secrets(text), text);
        }
    }
}
