//! What to do next, said after a result that leaves something to do.

use super::escape::shell_word;
use super::format::counted;
use crate::domain::outcome::RefusalCode;
use crate::domain::summary::Counts;

/// What must not be overlooked, whatever else is said.
pub(super) fn alarm(counts: &Counts) -> Option<String> {
    let number = *counts.by_refusal.get(&RefusalCode::Unrecognised)?;
    (number > 0).then(|| {
        format!(
            "the service said something that this version does not know, to {}: read it with `cognito-link report LEDGER`, \
             look at one of these users before going on, and report the text to the maintainers",
            counted(number, "row")
        )
    })
}

/// How to go on after a run.
pub(super) const AGAIN: &str = "run the same command again to go on; rows in doubt are read back first";
/// How to go on after a report, which is not what would be run again.
pub(super) const LINK_AGAIN: &str = "run `link` on that input again to go on; rows in doubt are read back first";

/// What to do next, one step a line; nothing where every row is in the wished state. `go_on` is [`AGAIN`] or
/// [`LINK_AGAIN`].
pub(super) fn next_steps(counts: &Counts, not_read: u64, ledgers: &[&str], go_on: &str) -> Vec<String> {
    let again = counts.failed + counts.in_doubt + (counts.unprocessed - counts.undone) + not_read;
    let by_hand = counts.refused + counts.failed;
    let mut steps = Vec::new();
    if again > 0 {
        steps.push(go_on.to_owned());
    }
    if by_hand > 0 {
        let ledgers: Vec<String> = ledgers.iter().map(|ledger| shell_word(ledger)).collect();
        let ledgers = ledgers.join(" ");
        steps.push(format!("`cognito-link report {ledgers} --failed FILE` writes these rows to a file"));
    }
    if let Some(code) = counts.by_refusal.keys().next() {
        steps.push(format!("`cognito-link explain {}` says what a code means and what to do", code.as_str()));
    }
    if counts.invalid > 0 {
        steps.push("`cognito-link validate INPUT --split DIR` writes the invalid rows to a file".to_owned());
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::state::RowState;

    fn after(counts: &Counts, not_read: u64) -> String {
        next_steps(counts, not_read, &["my pairs.ledger"], AGAIN).join("\n")
    }

    #[test]
    fn nothing_to_do_is_not_mentioned() {
        let counts = Counts { read: 3, linked: 2, already_linked: 1, ..Counts::default() };
        assert_eq!(after(&counts, 0), "");
        assert_eq!(alarm(&counts), None);
    }

    #[test]
    fn every_state_has_its_step() {
        let write = "`cognito-link report 'my pairs.ledger' --failed FILE` writes these rows to a file";
        let split = "`cognito-link validate INPUT --split DIR` writes the invalid rows to a file";
        let base = Counts::default;
        let table = [
            (Counts { failed: 1, ..base() }, 0, format!("{AGAIN}\n{write}")),
            (Counts { in_doubt: 1, ..base() }, 0, AGAIN.to_owned()),
            (Counts { unprocessed: 1, ..base() }, 0, AGAIN.to_owned()),
            (base(), 1, AGAIN.to_owned()),
            (Counts { invalid: 1, ..base() }, 0, split.to_owned()),
        ];
        for (counts, not_read, expected) in table {
            assert_eq!(after(&counts, not_read), expected);
        }
        let mut refused = base();
        refused.add(RowState::Refused(RefusalCode::AliasExists));
        let explain = "`cognito-link explain alias_exists` says what a code means and what to do";
        assert_eq!(after(&refused, 0), format!("{write}\n{explain}"));
    }

    #[test]
    fn a_text_that_is_not_known_is_an_alarm() {
        let mut counts = Counts::default();
        counts.add(RowState::Refused(RefusalCode::Unrecognised));
        let alarm = alarm(&counts).unwrap();
        assert!(alarm.starts_with("the service said something that this version does not know, to 1 row: "), "{alarm}");
    }
}
