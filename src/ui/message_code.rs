//! The codes of messages: what a note, a warning or a hint is about, for whoever reads events.

use crate::domain::code_enum::code_enum;

macro_rules! message_codes {
    ($($variant:ident $code:literal $doc:literal,)+) => {
        code_enum! {
            /// What a message is about. Findings and errors have codes of their own.
            MessageCode { $(#[doc = $doc] $variant = $code,)+ }
        }

        impl MessageCode {
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $doc,)+ }
            }
        }
    };
}

message_codes! {
    Target "target" "The pool, the account and the endpoint that the command is for.",
    AccountUnknown "account_unknown" "The account behind the credentials is not known.",
    SimulatedPool "simulated_pool" "The pool is a simulated one, and the command called AWS.",
    Rate "rate" "The rate of the run, and how it was chosen.",
    Estimate "estimate" "What the run is about to do, and how long it takes.",
    ReadBack "read_back" "Each user is read after the call, and why.",
    Intent "intent" "What the command is about to call or create.",
    PresetCaution "preset_caution" "What is easily misunderstood about the export that the preset is for.",
    InputNotDivided "input_not_divided" "One machine of an array works on the whole input.",
    Part "part" "The command works on a part of the input only.",
    Plan "plan" "The plan that the run follows, by verdict.",
    PlanApproved "plan_approved" "The plan is approved, and who has signed it.",
    PlanWritten "plan_written" "A plan was written, with its digest.",
    PlanNotWritten "plan_not_written" "No plan was written, because the pool shows errors.",
    ChoicesNeeded "choices_needed" "Rows are ambiguous, and a person can choose their users.",
    ChoicesUnused "choices_unused" "Choices match no valid row of the input.",
    OptionsWithoutEffect "options_without_effect" "Options that the command does not use.",
    ReadingLedger "reading_ledger" "The ledger is long, and reading it takes a while.",
    LedgerLineCut "ledger_line_cut" "The ledger ended in an incomplete line, which was removed.",
    LedgerAccess "ledger_access" "Other users of the machine can read or change the ledger.",
    LedgerCopyFailed "ledger_copy_failed" "The copy of the ledger was not written.",
    ProviderNotFound "provider_not_found" "The pool does not have a provider of the input.",
    PreSignUpTrigger "pre_sign_up_trigger" "A trigger of the pool may link people during the run.",
    SignIns "sign_ins" "A setting of the pool that makes sign-ins fail, or changes users.",
    SignInsNotChecked "sign_ins_not_checked" "Some checks of sign-ins were not made.",
    ValuesNotCompared "values_not_compared" "The values of the input were not compared with those of the pool, or with too few.",
    LinksInQuestion "links_in_question" "Rows are about to be linked although a check found a reason not to.",
    RefusedRow "refused_row" "A row that `link` would be refused, by the forecast.",
    ListCut "list_cut" "A list, such as that of the findings, ends here: so many more are not in it.",
    CanaryRow "canary_row" "What was found of a row of the canary; a warning where it is not right.",
    CanaryRight "canary_right" "Every row of the canary is right, and the other rows follow.",
    Keys "keys" "The keys that control the run.",
    ControlUnreachable "control_unreachable" "A run cannot be reached by `control`.",
    Controlled "controlled" "Somebody or something has changed the run: paused, resumed, its rate, its window, its end.",
    Throttled "throttled" "The service has throttled the first call of the run.",
    Draining "draining" "The run starts nothing new, and finishes the calls in flight.",
    MetricsAddress "metrics_address" "Where the metrics are served.",
    MetricsNotWritten "metrics_not_written" "The file of metrics was not written.",
    HookFailed "hook_failed" "A hook failed; the run is not affected.",
    InDoubt "in_doubt" "Rows are in doubt, and what the command does about them.",
    NothingToDo "nothing_to_do" "There is nothing to link or to remove.",
    LinkAgain "link_again" "Rows that the ledger has as done and the pool does not show are linked again.",
    TooRecent "too_recent" "Links are so new that the pool may not show them yet.",
    ScanAge "scan_age" "How long ago the pool was read.",
    Selection "selection" "The links that `undo` has selected, and those that it leaves out.",
    NotRestored "not_restored" "What an unlink does not restore.",
    SupersededLinks "superseded_links" "Links of the ledger whose rows are no longer in the input.",
    DisabledUsers "disabled_users" "Links were made to disabled users.",
    Unrecognised "unrecognised" "The service refused rows with a text that this version does not know.",
    VerifyDifference "verify_difference" "A row whose state in the ledger is not what the pool shows.",
    Verified "verified" "What the comparison of the ledger with the pool came to; a warning where they differ.",
    NotVerified "not_verified" "The ledger was not compared with the pool, in spite of `--verify`.",
    Rehearsed "rehearsed" "How long the real run would take.",
    OutputWritten "output_written" "A result was written to a file, and how much is in it.",
    InputDiffers "input_differs" "An input is not as the last run has read it, or lacks rows of the ledger.",
    InputGone "input_gone" "The input of a ledger cannot be read again.",
    RowsNotAccepted "rows_not_accepted" "Exported rows that `validate` and `link` do not accept as they are.",
    MappingUnknown "mapping_unknown" "The attributes that a provider maps cannot be read.",
    IdentitiesLeftOut "identities_left_out" "Identities that are not in a snapshot.",
    AddressUnverified "address_unverified" "Users have one address, and one of them has not verified it.",
    PoolsDeleted "pools_deleted" "No pool of the probe is left.",
    Simulator "simulator" "Where the simulated pool is served, and how to call it.",
    UnknownVariable "unknown_variable" "A variable starts as those of options do, and no option has it.",
    Hint "hint" "What to do next.",
}

#[cfg(test)]
mod tests {
    use super::MessageCode;

    #[test]
    fn codes_are_distinct_snake_case_words_with_a_sentence() {
        let distinct: std::collections::HashSet<_> = MessageCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(distinct.len(), MessageCode::ALL.len());
        for code in MessageCode::ALL {
            assert!(code.as_str().chars().all(|letter| letter.is_ascii_lowercase() || letter == '_'), "{code:?}");
            let meaning = code.meaning();
            assert!(meaning.ends_with('.') && meaning.starts_with(|first: char| first.is_uppercase()), "{meaning}");
        }
    }
}
