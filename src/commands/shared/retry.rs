//! Which rows of earlier runs are attempted again, and what is said of rows that a correction leaves behind.

use std::path::Path;

use crate::domain::nearest::did_you_mean;
use crate::domain::outcome::RefusalCode;
use crate::domain::state::RetryChoice;
use crate::ledger::LedgerView;
use crate::ui::{MessageCode, Ui, format, shell_path};

/// A value of `--retry`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryOption {
    /// Every refused row.
    Refused,
    Code(RefusalCode),
}

/// Reads `refused`, or the code of a refusal that `link` can record.
pub fn parse_retry(text: &str) -> Result<RetryOption, String> {
    if text == "refused" {
        return Ok(RetryOption::Refused);
    }
    RefusalCode::parse(text).filter(|code| !code.is_of_undo()).map(RetryOption::Code).ok_or_else(|| {
        let codes = RefusalCode::ALL.iter().map(|code| code.as_str()).chain(["refused"]);
        format!("give `refused`, or a refusal code such as provider_not_found{}", did_you_mean(text, codes))
    })
}

pub fn retry_choice(options: &[RetryOption]) -> RetryChoice {
    options.iter().fold(RetryChoice::NOTHING, |choice, option| match option {
        RetryOption::Refused => choice.and_every_refusal(),
        RetryOption::Code(code) => choice.and(*code),
    })
}

/// Names the command that removes exactly the links whose rows are no longer in an input. `options` name the pool.
pub fn hint_at_superseded_links(view: &LedgerView, ledger: &Path, options: &str, ui: &Ui) {
    let links = view.superseded_counts().links;
    if links == 0 {
        return;
    }
    let (are, these) = if links == 1 { ("is", "it") } else { ("are", "them") };
    ui.warn(
        MessageCode::SupersededLinks,
        &format!("{} of this ledger {are} no longer in the input", format::counted(links, "link")),
    );
    let ledger = shell_path(&ledger.display().to_string());
    ui.hint(&format!("remove {these}: `cognito-link undo {ledger} --superseded{options}`"));
}

/// Says how many links `--relink` would make again.
pub fn hint_at_undone_rows(rows: u64, ui: &Ui) {
    if rows > 0 {
        ui.hint(&format!("{} removed by undo; link the same rows again with --relink", format::counted(rows, "link")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_is_of_all_refusals_or_of_codes() {
        let choice =
            |texts: &[&str]| retry_choice(&texts.iter().map(|text| parse_retry(text).unwrap()).collect::<Vec<_>>());
        for code in RefusalCode::ALL.iter().filter(|code| !code.is_of_undo()) {
            assert!(choice(&["refused"]).has(*code) && choice(&[code.as_str()]).has(*code));
            assert!(!choice(&[]).has(*code));
        }
        let two = choice(&["provider_not_found", "user_not_found"]);
        assert!(two.has(RefusalCode::UserNotFound) && !two.has(RefusalCode::AliasExists) && !two.relink);
        assert!(parse_retry("failed").is_err() && parse_retry("gone").is_err());
    }
}
