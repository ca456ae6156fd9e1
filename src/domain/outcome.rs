//! How a row ended.

use super::code_enum::code_enum;

macro_rules! refusal_codes {
    ($($variant:ident $code:literal $doc:literal,)+) => {
        code_enum! {
            /// Why the service, or the plan, said no for good.
            RefusalCode { $(#[doc = $doc] $variant = $code,)+ }
        }

        impl RefusalCode {
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $doc,)+ }
            }

            /// Whether only `undo` refuses for it: no row of `link` ends with it.
            pub fn is_of_undo(self) -> bool {
                self.meaning().starts_with("Undo: ")
            }
        }
    };
}

refusal_codes! {
    UserNotFound "user_not_found" "The pool has no such destination user.",
    UserAmbiguous "user_ambiguous" "Several users of the pool have this address.",
    DestinationUnverified "destination_unverified" "The user was found by an address that nobody has verified, or has a status that is not trusted: it may be somebody else.",
    IdentityHasProfile "identity_has_profile" "The identity has signed in before and has a profile of its own; the service cannot merge profiles.",
    LinkedElsewhere "linked_elsewhere" "The identity is linked to another user of the pool.",
    TooManyIdentities "too_many_identities" "The destination user holds as many identities as the service allows.",
    ProviderNotFound "provider_not_found" "The pool has no identity provider of this name.",
    AttributeNotMapped "attribute_not_mapped" "The provider maps no claim to the attribute that the link names.",
    AliasExists "alias_exists" "The service found the alias of another user in the way.",
    NativeUserInTheWay "native_user_in_the_way" "A native user already has the user name of this identity's own profile.",
    CaseDiffers "case_differs" "The pool has this identity in other letter case; a link would be made, and no sign-in would find it.",
    InvalidParameter "invalid_parameter" "The service does not take a value of the request.",
    Unrecognised "unrecognised" "The service refused with a text that this version does not know.",
    NotAuthorized "not_authorized" "The service does not permit this link; it did not say that access is denied in general.",
    UserDisabled "user_disabled" "The destination user is disabled, and the service does not link it.",
    AttributeNamesLimit "attribute_names_limit" "The service reached a limit, probably of attribute names that identities of one provider are linked by.",
    Gone "gone" "Undo: the user no longer holds the identity.",
    Moved "moved" "Undo: the identity has a later date than this ledger's link, or a profile of its own: it was linked again, or a sign-in changed its date.",
    OlderThanOurs "older_than_ours" "Undo: the link is older than this ledger's announcement, so it existed before this tool sent anything.",
    DateUnknown "date_unknown" "Undo: the pool does not show when the identity was linked, so it is not known whose link it is.",
    UserNotSeen "user_not_seen" "Undo: reading did not find the user by the names in the ledger. The link may exist.",
    LinkNotSeen "link_not_seen" "Undo: the pool does not show this link, which is by an attribute or very new. The link may exist.",
    UsedSince "used_since" "Undo: the identity was linked by an attribute and has signed in since, and its subject is not known.",
    FormUnknown "form_unknown" "Undo: the user holds the identity, but the service knows no link by the values that should name it.",
}

/// Why a call was refused or failed. The message may quote personal values: the ledger holds it, and it is printed only
/// with `--show-values`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ServiceText {
    /// The error code, such as `InvalidParameterException`, or a word for a failure without an answer, such as `timeout`.
    pub code: String,
    /// The message, verbatim, cut at [`crate::limits::SERVICE_TEXT_CHARS_MAX`].
    pub message: String,
}

impl ServiceText {
    /// The message where it may be printed: with `show_values`, or where this program or its HTTP client wrote it. `None`
    /// where it is hidden or empty.
    pub fn printable_message(&self, show_values: bool) -> Option<&str> {
        let printable = show_values || !self.is_from_service();
        Some(self.message.as_str()).filter(|message| printable && !message.is_empty())
    }

    /// Whether [`Self::printable_message`] hides a message that `show_values` would print.
    pub fn is_hidden(&self, show_values: bool) -> bool {
        !show_values && self.is_from_service() && !self.message.is_empty()
    }

    /// An answer that could not be parsed may hold anything, so the description of it is hidden like the service's words.
    fn is_from_service(&self) -> bool {
        let written_here = ["connect", "timeout", "connection_broken", "credentials", "not_sent", "interrupted"];
        !written_here.contains(&self.code.as_str()) && RefusalCode::parse(&self.code).is_none()
    }

    /// What the code means, as a lower-case fragment; `None` for a code that this version does not know.
    pub fn meaning(&self) -> Option<&'static str> {
        Some(match self.code.as_str() {
            "connect" => "no connection to the service",
            "timeout" => "no answer in time",
            "connection_broken" => "the connection broke before the answer was complete",
            "unreadable_answer" => "the answer could not be parsed",
            "credentials" => "no valid credentials",
            "not_sent" => "the request could not be built",
            "interrupted" => "the run ended before an answer came",
            "InternalErrorException" | "InternalFailure" | "ServiceUnavailable" | "ServiceUnavailableException" => {
                "the service had an internal error"
            }
            "RequestTimeout" | "RequestTimeoutException" => "the service did not receive the whole request in time",
            code => return RefusalCode::parse(code).map(RefusalCode::meaning),
        })
    }
}

impl std::fmt::Debug for ServiceText {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ServiceText").field("code", &self.code).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkOutcome {
    /// This tool made the link.
    Linked {
        /// Concluded from reading after a doubtful call: somebody else could have made the link.
        recovered: bool,
    },
    /// The destination held the identity before; seen by reading it.
    AlreadyLinked,
    /// No for good.
    Refused {
        code: RefusalCode,
        /// What the service said; `None` where the plan refused and nothing was sent.
        text: Option<ServiceText>,
    },
    /// Attempts exhausted on transient faults, and reading showed that none of them had an effect.
    Failed { text: ServiceText },
    /// A call may have taken effect, and reading could not settle it.
    InDoubt { text: ServiceText },
}

/// How one unlink ended in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UndoOutcome {
    /// The user no longer holds the identity.
    Undone,
    Refused {
        code: RefusalCode,
        /// What the service said; `None` where nothing was sent.
        text: Option<ServiceText>,
    },
    /// Attempts exhausted on transient faults, and reading showed that none of them had an effect.
    Failed { text: ServiceText },
    /// A call may have taken effect, and reading could not settle it.
    InDoubt { text: ServiceText },
}

#[cfg(test)]
mod tests {
    use super::{RefusalCode, ServiceText};

    #[test]
    fn the_message_stays_out_of_debug_texts() {
        let text = ServiceText { code: "timeout".into(), message: "jane@example.com".into() };
        assert_eq!(format!("{text:?}"), "ServiceText { code: \"timeout\", .. }");
    }

    #[test]
    fn a_message_of_the_service_is_hidden_and_one_of_this_program_is_not() {
        let hidden =
            ["InvalidParameterException", "UserNotFoundException", "", "BrandNewException", "unreadable_answer"];
        for (code, is_hidden) in hidden.map(|code| (code, true)).into_iter().chain(
            ["connect", "timeout", "connection_broken", "credentials", "not_sent", "interrupted", "user_not_found"]
                .map(|code| (code, false)),
        ) {
            let text = ServiceText { code: code.into(), message: "User jane is disabled.".into() };
            assert_eq!(text.is_hidden(false), is_hidden, "{code}");
            assert_eq!(text.printable_message(false).is_none(), is_hidden, "{code}");
            assert_eq!(text.printable_message(true), Some("User jane is disabled."), "{code}");
            assert!(!text.is_hidden(true));
            assert!(is_hidden || text.meaning().is_some(), "{code}");
            assert!(!ServiceText { message: String::new(), ..text }.is_hidden(false), "there is nothing to hide");
        }
    }

    #[test]
    fn codes_read_back() {
        for code in RefusalCode::ALL {
            assert_eq!(RefusalCode::parse(code.as_str()), Some(*code));
        }
        assert_eq!(RefusalCode::parse("nonsense"), None);
    }
}
