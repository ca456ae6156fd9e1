//! The one table of what a fault means for a row.
//!
//! Several situations share one error code, so the message is matched too: a stable part of it, ignoring case. An error
//! does not prove that the call had no effect (aws-sdk-net #1000, boto3 #4163, aws-sdk-js-v3 #5281): so whatever the service
//! answers to a write, other than a throttle and what stops the run, is [`FaultClass::Doubtful`] and is settled by reading.
//!
//! To add an error: add it to the match of its code in `answered`, and to `catalogue` in the tests.

use std::time::Duration;

use super::fault::{CallFault, Transport};
use crate::domain::outcome::RefusalCode;
use crate::domain::run::StopCause;

/// Whether the call that failed could have changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// A call that reads: it can be repeated freely.
    Read,
    /// A link call: it may have had an effect although its answer is an error.
    Write,
    /// An unlink call: it may have had an effect, too.
    Unlink,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultClass {
    /// Too many requests: the call had no effect, and it costs the row no attempt.
    Throttled {
        /// The wait that the service asks for, if it does.
        retry_after: Option<Duration>,
    },
    /// The service was not reached: the call had no effect, and it costs the row no attempt.
    Unreached,
    /// The call had no effect, and another attempt may succeed.
    Transient,
    /// The call may have had an effect: read the destination before the row is settled.
    Doubtful(IfNoEffect),
    /// The service knows no link with the values of an unlink call: there is none, or it has other values. Read the
    /// destination before the row is settled.
    NotLinked,
    /// Another attempt gives the same answer, and nothing was written: a read, or a call that was not sent.
    Refused(RefusalCode),
    /// No call of this run can succeed: stop the run.
    Fatal(StopCause),
}

/// What to do after a doubtful fault when reading shows that the call had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfNoEffect {
    RetryCall,
    RefuseRow(RefusalCode),
    /// The service refused the source with a message that it uses for two situations: a native user that has the user
    /// name of the identity's own profile, or (before mid-2024) an identity that is already linked.
    LookForNativeUser,
    /// The service named a limit. It has several: the identities of the user show which one it can be.
    CountIdentities,
}

/// Classifies one fault. Total: an error that the table does not know is doubtful for a write and refused for a read.
pub fn classify(kind: CallKind, fault: &CallFault) -> FaultClass {
    match fault {
        CallFault::Unsent { credentials: true, .. } => FaultClass::Fatal(StopCause::Credentials),
        CallFault::Unsent { .. } => FaultClass::Refused(RefusalCode::InvalidParameter),
        CallFault::Transport { kind: Transport::Connect, .. } => FaultClass::Unreached,
        CallFault::Transport { .. } => may_have_had_an_effect(kind),
        CallFault::Answered { status, code, message, retry_after, .. } => {
            answered(kind, *status, code, &message.to_lowercase(), *retry_after)
        }
    }
}

fn may_have_had_an_effect(kind: CallKind) -> FaultClass {
    match kind {
        CallKind::Read => FaultClass::Transient,
        CallKind::Write | CallKind::Unlink => FaultClass::Doubtful(IfNoEffect::RetryCall),
    }
}

fn answered(kind: CallKind, status: u16, code: &str, text: &str, retry_after: Option<Duration>) -> FaultClass {
    use RefusalCode::{AliasExists, InvalidParameter, LinkedElsewhere, UserNotFound};
    let doubtful = |refusal| match kind {
        CallKind::Write | CallKind::Unlink => FaultClass::Doubtful(IfNoEffect::RefuseRow(refusal)),
        CallKind::Read => FaultClass::Refused(refusal),
    };
    match code {
        // The code that comes with this message is not documented.
        "InvalidParameterException" | "UserNotFoundException" | "ResourceNotFoundException"
            if kind == CallKind::Unlink && is_not_linked(text) =>
        {
            FaultClass::NotLinked
        }
        "UserNotFoundException" if kind == CallKind::Unlink => FaultClass::NotLinked,
        _ if status == 429 || is_throttle(code) => FaultClass::Throttled { retry_after },
        _ if is_credential_fault(code) => FaultClass::Fatal(StopCause::Credentials),
        "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" => {
            FaultClass::Fatal(StopCause::AccessDenied)
        }
        NOT_AUTHORIZED => not_authorized(kind, text).map_or(FaultClass::Fatal(StopCause::AccessDenied), doubtful),
        "OperationNotEnabledException" => FaultClass::Fatal(StopCause::NotEnabledHere),
        // Something between us and the service may answer so to one row: `engine/systemic_faults` counts them.
        UNKNOWN_OPERATION if kind != CallKind::Read => may_have_had_an_effect(kind),
        UNKNOWN_OPERATION => FaultClass::Fatal(StopCause::Unreachable),
        // A list names nothing but the pool.
        "ResourceNotFoundException" if kind == CallKind::Read => FaultClass::Fatal(StopCause::PoolMissing),
        "ResourceNotFoundException" => doubtful(not_found(text)),
        "UserNotFoundException" => doubtful(UserNotFound),
        "ValidationException" | "SerializationException" => doubtful(InvalidParameter),
        "LimitExceededException" if is_about_rate(text) => FaultClass::Throttled { retry_after },
        "LimitExceededException" if kind != CallKind::Read => FaultClass::Doubtful(IfNoEffect::CountIdentities),
        "AliasExistsException" if text.contains("already linked") => doubtful(LinkedElsewhere),
        "AliasExistsException" => doubtful(AliasExists),
        "InvalidParameterException" => match invalid_parameter(kind, text) {
            // One text for two situations; see there.
            None => FaultClass::Doubtful(IfNoEffect::LookForNativeUser),
            Some(refusal) => doubtful(refusal),
        },
        "RequestTimeout" | "RequestTimeoutException" => may_have_had_an_effect(kind),
        _ if status >= 500 => may_have_had_an_effect(kind),
        _ => doubtful(RefusalCode::Unrecognised),
    }
}

/// The code of AWS services for an operation that they do not have.
pub const UNKNOWN_OPERATION: &str = "UnknownOperationException";

/// The service's code for a missing right of the caller, and perhaps for a user who may not be linked.
pub const NOT_AUTHORIZED: &str = "NotAuthorizedException";

/// What a [`NOT_AUTHORIZED`] answer refuses; `None` where it denies access to the whole run. Sister calls answer "User is
/// disabled." with this code, so for a write only a text about access is about the run.
fn not_authorized(kind: CallKind, text: &str) -> Option<RefusalCode> {
    const ABOUT_ACCESS: [&str; 4] = ["authorized to perform", "accessdenied", "security token", "explicit deny"];
    if ABOUT_ACCESS.iter().any(|part| text.contains(part)) {
        None
    } else if text.contains("disabled") {
        Some(RefusalCode::UserDisabled)
    } else {
        (kind != CallKind::Read).then_some(RefusalCode::NotAuthorized)
    }
}

/// Whether the text of a limit is about calls a second. It may quote a name, such as that of a provider: a hyphen and an
/// underscore belong to a word.
fn is_about_rate(text: &str) -> bool {
    let mut words = text.split(|letter: char| !letter.is_alphanumeric() && !"-_".contains(letter));
    words.any(|word| matches!(word, "rate" | "rate-limit") || word.starts_with("throttl"))
        || text.contains("too many requests")
}

/// The codes of AWS services for "too many requests". `LimitExceededException` is one of them only where its text says
/// so: for a link it may also mean that the user has the most identities.
fn is_throttle(code: &str) -> bool {
    matches!(
        code,
        "TooManyRequestsException"
            | "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "RequestLimitExceeded"
            | "BandwidthLimitExceeded"
            | "SlowDown"
    )
}

fn is_credential_fault(code: &str) -> bool {
    matches!(
        code,
        "ExpiredToken"
            | "ExpiredTokenException"
            | "RequestExpired"
            | "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "IncompleteSignatureException"
    )
}

/// "Account isn't linked to anyone else, verify that the account has been linked" (aws-sdk-go #4218), with a straight or
/// a curly apostrophe.
fn is_not_linked(text: &str) -> bool {
    ["isn't linked", "isn\u{2019}t linked", "is not linked", "not linked to"].iter().any(|part| text.contains(part))
}

/// The code stands for a missing pool and perhaps for a missing provider; the message for the latter is not known. Whether
/// the pool is missing is shown by the read that follows.
fn not_found(text: &str) -> RefusalCode {
    if text.contains("provider") { RefusalCode::ProviderNotFound } else { RefusalCode::Unrecognised }
}

/// `None` for the text that means a native user in the way or, before mid-2024, an identity that is already linked.
fn invalid_parameter(kind: CallKind, text: &str) -> Option<RefusalCode> {
    use RefusalCode::{
        AttributeNotMapped, IdentityHasProfile, InvalidParameter, LinkedElsewhere, ProviderNotFound, Unrecognised,
    };
    let has = |part: &str| text.contains(part);
    if kind == CallKind::Read {
        return Some(InvalidParameter);
    }
    if has("merging is not currently supported") {
        Some(IdentityHasProfile)
    } else if has("already linked") {
        Some(LinkedElsewhere)
    } else if has("cognito users with a username/password") {
        None
    } else if has("provider") && (has("not exist") || has("not found") || has("no such")) {
        Some(ProviderNotFound)
    } else if has("not mapped") || has("attribute mapping") {
        Some(AttributeNotMapped)
    } else if has("failed to satisfy constraint") || has("must have length") || has("characters") {
        Some(InvalidParameter)
    } else {
        Some(Unrecognised)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::AnswerMeta;
    use RefusalCode as Code;
    use StopCause as Cause;

    fn answer(status: u16, code: &str, message: &str) -> CallFault {
        let (code, message) = (code.to_owned(), message.to_owned());
        CallFault::Answered { status, code, message, retry_after: None, meta: AnswerMeta::default() }
    }

    const INVALID: &str = "InvalidParameterException";
    const OLD_ALREADY_LINKED: &str = "Invalid SourceUser: Cognito users with a username/password may not be passed in \
                                      as a SourceUser, only as a DestinationUser";

    /// Status, code and message as seen in practice, and the class for a link call.
    fn catalogue() -> Vec<(u16, &'static str, &'static str, FaultClass)> {
        use FaultClass::{Doubtful, Fatal};
        let refuse = |code| Doubtful(IfNoEffect::RefuseRow(code));
        let throttled = FaultClass::Throttled { retry_after: None };
        vec![
            (400, INVALID, "SourceUser is already linked to DestinationUser", refuse(Code::LinkedElsewhere)),
            (400, INVALID, OLD_ALREADY_LINKED, Doubtful(IfNoEffect::LookForNativeUser)),
            (
                400,
                INVALID,
                "Merging is not currently supported, provide a SourceUser that has not been signed up in order to link",
                refuse(Code::IdentityHasProfile),
            ),
            (
                400,
                INVALID,
                "1 validation error detected: Value '' at 'filter' failed to satisfy constraint: Member must have \
                 length less than or equal to 256",
                refuse(Code::InvalidParameter),
            ),
            (400, INVALID, "Identity provider Oktaa does not exist.", refuse(Code::ProviderNotFound)),
            (400, INVALID, "Attribute email is not mapped for the provider", refuse(Code::AttributeNotMapped)),
            // One message with this beginning is known; others may mean something else.
            (
                400,
                INVALID,
                "Invalid SourceUser: ProviderAttributeName is not mapped in the identity provider",
                refuse(Code::AttributeNotMapped),
            ),
            (400, INVALID, "Invalid SourceUser: something new", refuse(Code::Unrecognised)),
            (400, INVALID, "something new", refuse(Code::Unrecognised)),
            (400, "AliasExistsException", "", refuse(Code::AliasExists)),
            (
                400,
                "AliasExistsException",
                "This federated identity is already linked to another user profile.",
                refuse(Code::LinkedElsewhere),
            ),
            (
                400,
                "LimitExceededException",
                "You can link up to 5 federated users to each user profile.",
                Doubtful(IfNoEffect::CountIdentities),
            ),
            (400, "LimitExceededException", "", Doubtful(IfNoEffect::CountIdentities)),
            (400, "LimitExceededException", "Separate limits apply", Doubtful(IfNoEffect::CountIdentities)),
            (400, "LimitExceededException", "Too many links to fede-rate-d", Doubtful(IfNoEffect::CountIdentities)),
            (400, "LimitExceededException", "Rate exceeded", throttled.clone()),
            (400, "LimitExceededException", "Request was throttled", throttled.clone()),
            (400, "UserNotFoundException", "User does not exist.", refuse(Code::UserNotFound)),
            // The read that follows shows whether the pool is missing.
            (400, "ResourceNotFoundException", "User pool us-east-1_A does not exist.", refuse(Code::Unrecognised)),
            (400, "ResourceNotFoundException", "Identity provider not found", refuse(Code::ProviderNotFound)),
            (400, "ResourceNotFoundException", "gone", refuse(Code::Unrecognised)),
            (400, "TooManyRequestsException", "Rate exceeded", throttled.clone()),
            (400, "TooManyRequestsException", "Too many requests", throttled.clone()),
            (400, "ThrottlingException", "Rate exceeded", throttled.clone()),
            (429, "", "", throttled),
            (400, NOT_AUTHORIZED, "", refuse(Code::NotAuthorized)),
            (400, NOT_AUTHORIZED, "User cannot be linked", refuse(Code::NotAuthorized)),
            (400, NOT_AUTHORIZED, "User is disabled.", refuse(Code::UserDisabled)),
            (
                400,
                NOT_AUTHORIZED,
                "User: arn:aws:iam::1:user/x is not authorized to perform: cognito-idp:AdminLinkProviderForUser",
                Fatal(Cause::AccessDenied),
            ),
            (400, "AccessDeniedException", "", Fatal(Cause::AccessDenied)),
            (400, "ExpiredTokenException", "", Fatal(Cause::Credentials)),
            (400, "UnrecognizedClientException", "", Fatal(Cause::Credentials)),
            (400, "InvalidSignatureException", "", Fatal(Cause::Credentials)),
            (400, "OperationNotEnabledException", "", Fatal(Cause::NotEnabledHere)),
            (400, "UnknownOperationException", "", Doubtful(IfNoEffect::RetryCall)),
            (500, "InternalErrorException", "", Doubtful(IfNoEffect::RetryCall)),
            (503, "ServiceUnavailable", "", Doubtful(IfNoEffect::RetryCall)),
            (500, "", "", Doubtful(IfNoEffect::RetryCall)),
            (400, "RequestTimeoutException", "", Doubtful(IfNoEffect::RetryCall)),
            (400, "SerializationException", "", refuse(Code::InvalidParameter)),
            (400, "BrandNewException", "hello", refuse(Code::Unrecognised)),
        ]
    }

    #[test]
    fn every_answer_of_the_catalogue() {
        for (status, code, message, expected) in catalogue() {
            let fault = answer(status, code, message);
            assert_eq!(classify(CallKind::Write, &fault), expected, "{code}: {message}");
        }
    }

    #[test]
    fn unlink_calls_have_classes_of_their_own() {
        use FaultClass::{Doubtful, NotLinked};
        const NOT_LINKED: &str = "Account isn't linked to anyone else, verify that the account has been linked";
        for (code, message, expected) in [
            (INVALID, NOT_LINKED, NotLinked),
            (INVALID, "Account isn\u{2019}t linked to anyone else", NotLinked),
            ("UserNotFoundException", NOT_LINKED, NotLinked),
            ("ResourceNotFoundException", NOT_LINKED, NotLinked),
            ("UserNotFoundException", "User does not exist.", NotLinked),
            (
                "ResourceNotFoundException",
                "Identity provider not found",
                Doubtful(IfNoEffect::RefuseRow(Code::ProviderNotFound)),
            ),
            (INVALID, "something new", Doubtful(IfNoEffect::RefuseRow(Code::Unrecognised))),
        ] {
            assert_eq!(classify(CallKind::Unlink, &answer(400, code, message)), expected, "{code}: {message}");
        }
        for (status, code, message, for_link) in catalogue() {
            let class = classify(CallKind::Unlink, &answer(status, code, message));
            assert!(class == for_link || class == NotLinked, "{code}: {message}");
        }
    }

    #[test]
    fn a_read_is_never_doubtful() {
        for (status, code, message, _) in catalogue() {
            let class = classify(CallKind::Read, &answer(status, code, message));
            assert!(!matches!(class, FaultClass::Doubtful(_)), "{code}: {message}");
        }
        for (code, message, expected) in [
            (NOT_AUTHORIZED, "", FaultClass::Fatal(Cause::AccessDenied)),
            (NOT_AUTHORIZED, "User is disabled.", FaultClass::Refused(Code::UserDisabled)),
            ("ResourceNotFoundException", "", FaultClass::Fatal(Cause::PoolMissing)),
        ] {
            assert_eq!(classify(CallKind::Read, &answer(400, code, message)), expected, "{code}: {message}");
        }
    }

    /// Nothing that was answered to a write refuses a row before its destination is read.
    #[test]
    fn no_answer_to_a_write_is_a_refusal_by_itself() {
        for (status, code, message, _) in catalogue() {
            for kind in [CallKind::Write, CallKind::Unlink] {
                let class = classify(kind, &answer(status, code, message));
                assert!(!matches!(class, FaultClass::Refused(_)), "{code}: {message}");
            }
        }
    }

    #[test]
    fn transport_and_unsent_faults() {
        let transport = |kind| CallFault::Transport { kind, detail: String::new() };
        let unsent = |credentials| CallFault::Unsent { credentials, detail: String::new() };
        let doubtful = FaultClass::Doubtful(IfNoEffect::RetryCall);
        for (fault, for_write, for_read) in [
            (transport(Transport::Connect), FaultClass::Unreached, FaultClass::Unreached),
            (transport(Transport::Timeout), doubtful.clone(), FaultClass::Transient),
            (transport(Transport::Broken), doubtful.clone(), FaultClass::Transient),
            (transport(Transport::Unreadable), doubtful, FaultClass::Transient),
            (unsent(true), FaultClass::Fatal(Cause::Credentials), FaultClass::Fatal(Cause::Credentials)),
            (unsent(false), FaultClass::Refused(Code::InvalidParameter), FaultClass::Refused(Code::InvalidParameter)),
        ] {
            assert_eq!(classify(CallKind::Write, &fault), for_write, "{fault:?}");
            assert_eq!(classify(CallKind::Read, &fault), for_read, "{fault:?}");
        }
    }

    #[test]
    fn a_throttle_keeps_the_wait_that_the_service_asks_for() {
        let mut fault = answer(400, "TooManyRequestsException", "");
        let wait = Some(Duration::from_millis(700));
        if let CallFault::Answered { retry_after, .. } = &mut fault {
            *retry_after = wait;
        }
        assert_eq!(classify(CallKind::Write, &fault), FaultClass::Throttled { retry_after: wait });
    }

    /// Letters of a message in random case; everything else stays.
    fn with_random_case(message: &str, upper: &[bool]) -> String {
        let cased = message.chars().zip(upper.iter().cycle());
        cased.map(|(letter, upper)| if *upper { letter.to_ascii_uppercase() } else { letter }).collect()
    }

    const KINDS: [CallKind; 3] = [CallKind::Read, CallKind::Write, CallKind::Unlink];

    proptest::proptest! {
        #[test]
        fn known_messages_are_found_in_any_case(upper in proptest::collection::vec(proptest::bool::ANY, 1..64)) {
            for (status, code, message, _) in catalogue() {
                for kind in KINDS {
                    let as_known = classify(kind, &answer(status, code, message));
                    let cased = with_random_case(message, &upper);
                    assert_eq!(classify(kind, &answer(status, code, &cased)), as_known, "{code}: {cased}");
                }
            }
        }

        #[test]
        fn every_answer_has_a_class(
            known in 0..50_usize, status in 100..600_u16, code in "[ -~]{0,40}", message in "\\PC{0,80}",
        ) {
            let catalogue = catalogue();
            let code = catalogue.get(known).map_or(code.as_str(), |(_, code, ..)| *code);
            let fault = answer(status, code, &message);
            for kind in KINDS {
                let class = classify(kind, &fault);
                assert!(kind != CallKind::Read || !matches!(class, FaultClass::Doubtful(_) | FaultClass::NotLinked));
                // A write that the service failed on is never taken for one without an effect.
                let failed = status >= 500 && kind != CallKind::Read;
                assert!(!failed || class != FaultClass::Transient, "{fault:?}");
            }
        }
    }
}
