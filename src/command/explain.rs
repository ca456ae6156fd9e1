//! `explain CODE`: what an outcome or finding code means.

use crate::domain::drift::Standing;
use crate::domain::finding::FindingCode;
use crate::domain::outcome::RefusalCode;

/// A code in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explained {
    /// The code.
    pub code: &'static str,
    /// `state`, `standing`, `refusal`, `error` or `warning`.
    pub kind: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What to do; empty where the meaning says it.
    pub advice: &'static str,
}

const STATES: [(&str, &str, &str); 7] = [
    ("linked", "This tool made the link.", "Nothing; a rerun skips it."),
    (
        "already_linked",
        "The destination held this identity before; that was seen by reading it.",
        "Nothing; a rerun skips it, and undo leaves it alone.",
    ),
    (
        "refused",
        "The service, or the plan, said no for good.",
        "See the refusal code. --retry refused attempts it again.",
    ),
    (
        "failed",
        "Every attempt met a transient fault, and reading showed that none had an effect.",
        "Run the same command again; it is attempted again.",
    ),
    (
        "in_doubt",
        "A call may have taken effect, and reading could not settle it.",
        "Run the same command again; the destination is read first, and linked only if the link is not there.",
    ),
    ("invalid", "The row has an error of its own and was not sent.", "Correct it in the input and run again."),
    ("unprocessed", "The row was never attempted.", "Run the same command again."),
];

const SUSPICION_ADVICE: &str =
    "Correct the value. Where it is what the provider sends, --allow with this code sends the row and only warns.";

fn finding_advice(code: FindingCode) -> &'static str {
    match code {
        FindingCode::MissingColumn => {
            "Rename the column, name it with --map, or give every row one value with --set. The header stands in line 1."
        }
        FindingCode::DuplicateColumn => "Rename or drop one of the two, or choose with --map.",
        FindingCode::RaggedRow => "Put quotes around fields that hold the delimiter, a quote or a line end.",
        FindingCode::UnclosedQuote => "Close the quote, and double the quotes inside a quoted field.",
        FindingCode::InvalidUtf8 | FindingCode::Utf16 => {
            "Save or export the file as UTF-8. A spreadsheet calls it CSV UTF-8."
        }
        FindingCode::RecordTooLong => "Look for a missing line end or delimiter near this line.",
        FindingCode::InvalidJson => "Write one whole object a line, with texts in quotes; `jq -c` does.",
        FindingCode::MissingValue => "Fill the value in, or leave the row out.",
        FindingCode::ControlCharacter => "Export the value again, or delete the character.",
        FindingCode::SocialAttribute => "Leave source_attribute empty for this provider.",
        FindingCode::SourceIsNative => {
            "A native user can only be a destination: name it there, and the external provider as the source."
        }
        FindingCode::ProviderNameInvalid => "Give the pool's own name of the provider, case included.",
        FindingCode::AttributeNameInvalid => {
            "Give the name of a user pool attribute, or leave it empty for Cognito_Subject."
        }
        FindingCode::ValueTooLong | FindingCode::SourceTooLong => "Look whether it is the right column.",
        FindingCode::FilterTooLong => "Name the user by user name.",
        FindingCode::DuplicateRow => {
            "Nothing: the link is made once. Remove the later row if it was meant for somebody else."
        }
        FindingCode::IdentityForTwoUsers => {
            "An identity signs in as one user. Find out whose it is and remove the other rows; two rows that name one user \
             in two ways, as by user name and by e-mail address, must name it in one."
        }
        FindingCode::TooManyIdentities => {
            "The limit of five cannot be raised. Most often the wrong column was taken for the user's name."
        }
        FindingCode::LowercasedIdentity => {
            "Export the identifiers again without changing them: one with another case is another person's, or nobody's. \
             --allow with this code says that it has been seen."
        }
        FindingCode::UnusualLength => {
            "Compare the value with the provider's own list: digits or letters may have been cut off or added. \
             --allow with this code says that it has been seen."
        }
        FindingCode::SurroundingSpace
        | FindingCode::InvisibleCharacter
        | FindingCode::SmartQuote
        | FindingCode::NumberDamaged
        | FindingCode::ProviderPrefix
        | FindingCode::UppercaseEmailNameId => SUSPICION_ADVICE,
    }
}

fn refusal_advice(code: RefusalCode) -> &'static str {
    match code {
        RefusalCode::UserNotFound => {
            "Check the user name, its case, and the pool. A federated user needs destination_provider."
        }
        RefusalCode::UserAmbiguous => "Name the user by destination_username or destination_sub.",
        RefusalCode::IdentityHasProfile => {
            "The person signed in before the link was made. Only deleting that profile (its data with it) and linking \
             before the next sign-in helps; this tool never deletes."
        }
        RefusalCode::LinkedElsewhere => {
            "Find out which of the two users is right before anything else: whoever holds the link signs in as that user."
        }
        RefusalCode::TooManyIdentities => "The limit of five cannot be raised; unlink one that is not used.",
        RefusalCode::ProviderNotFound => "Compare the name, case included, with the pool's list of identity providers.",
        RefusalCode::AttributeNotMapped => "Map the attribute in the provider's settings, or link by Cognito_Subject.",
        RefusalCode::AliasExists => "Look at both users by hand; the service gives no more than this.",
        RefusalCode::NativeUserInTheWay => {
            "A user named Provider_id was made by hand or by a restore; rename or remove it after looking at it."
        }
        RefusalCode::CaseDiffers => {
            "Providers' ids are matched by exact case, and user names made from them are lower case: take the id from the \
             provider, never from a user name. Where both ids are right, --allow case_differs sends the row."
        }
        RefusalCode::InvalidParameter => "The ledger holds what the service said; correct the row.",
        RefusalCode::Gone => {
            "Nothing is left to take back there. Whether another user holds the identity now, only a scan of the pool tells."
        }
        RefusalCode::Moved => {
            "Somebody linked it again, or it signed in and got its own profile. Look at that before unlinking by hand: an \
             unlink takes the identity from whoever holds it."
        }
        RefusalCode::UsedSince => {
            "Such a link can only be undone by Cognito_Subject and the subject that the provider sent; take that from the \
             provider and call AdminDisableProviderForUser by hand."
        }
        RefusalCode::FormUnknown => {
            "The ledger holds what was sent and what the service said; look at the user's identities and unlink by hand."
        }
        RefusalCode::Unrecognised => "The ledger holds the text; look at the user by hand, and report the text to us.",
    }
}

/// Every code that there is, in the order of the documentation.
#[must_use]
pub fn all() -> Vec<Explained> {
    let states = STATES.iter().map(|(code, meaning, advice)| Explained { code, kind: "state", meaning, advice });
    let refusals = RefusalCode::ALL.iter().map(|code| Explained {
        code: code.as_str(),
        kind: "refusal",
        meaning: code.meaning(),
        advice: refusal_advice(*code),
    });
    let findings = FindingCode::ALL.iter().map(|code| Explained {
        code: code.as_str(),
        kind: code.severity().as_str(),
        meaning: code.meaning(),
        advice: finding_advice(*code),
    });
    let standings = Standing::WORDS;
    let standings =
        standings.iter().map(|(code, meaning, advice)| Explained { code, kind: "standing", meaning, advice });
    states.chain(standings).chain(refusals).chain(findings).collect()
}

/// What a code means; the nearest ones where it is none.
///
/// # Errors
/// Codes that share a word with it.
pub fn explain(code: &str) -> Result<Vec<Explained>, Vec<&'static str>> {
    let known = all();
    let found: Vec<_> = known.iter().copied().filter(|explained| explained.code == code).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let words: Vec<&str> = code.split('_').filter(|word| word.len() > 2).collect();
    Err(known.iter().map(|known| known.code).filter(|known| words.iter().any(|word| known.contains(word))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained() {
        assert!(all().iter().all(|explained| explained.meaning.ends_with('.')));
        assert!(
            explain("linked_elsewhere").is_ok_and(|found| found[0].kind == "refusal" && !found[0].advice.is_empty())
        );
        assert_eq!(
            explain("provider_lost"),
            Err(vec!["provider_not_found", "provider_prefix", "provider_name_invalid"])
        );
        // One word stands for two things: both are told.
        assert_eq!(explain("too_many_identities").map(|found| found.len()), Ok(2));
    }
}
