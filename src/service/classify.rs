//! The one table that says what a fault means for a row.
//!
//! Several situations share one error class, so the message is matched too: on a stable part of it, without regard to
//! case. An error does not prove that nothing happened (aws-sdk-net #1000, boto3 #4163, aws-sdk-js-v3 #5281): what may
//! have taken effect, or claims that the link stands, is [`FaultClass::Doubtful`] and is settled by reading.

use std::time::Duration;

use super::fault::{Fault, Transport};
use crate::domain::outcome::RefusalCode;
use crate::domain::run::StopCause;

/// Whether the call that failed could have changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// A reading call: it can be repeated freely.
    Read,
    /// A linking call: it may have taken effect although its answer says otherwise.
    Write,
    /// A call that takes a link back: the same holds for it.
    Unlink,
}

/// What a fault means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultClass {
    /// Too many requests: nothing happened, and it costs the row no attempt.
    Throttled {
        /// How long the service asks to wait, where it says.
        retry_after: Option<Duration>,
    },
    /// The service was not reached: nothing happened, and it costs the row no attempt.
    Unreached,
    /// Nothing happened, and another attempt may do better.
    Transient,
    /// It may have taken effect: the destination must be read before the row is judged.
    Doubtful(IfNoEffect),
    /// An unlink call named no link that the service knows: there is none, or it goes by other values. The destination
    /// must be read before the row is judged.
    NotLinked,
    /// No for good.
    Refused(RefusalCode),
    /// The whole run stops.
    Fatal(StopCause),
}

/// What a doubtful fault means once reading has shown that the call had no effect: a link is not there, or still is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfNoEffect {
    /// The call had no effect: attempt it again.
    Retry,
    /// The service meant it.
    Refuse(RefusalCode),
    /// The service refused the source with a text that it uses for two situations: a native user that wears the
    /// name of the identity's own profile, or (before mid-2024) an identity that is linked already.
    RefuseSource,
}

/// Judges one fault.
#[must_use]
pub fn classify(kind: CallKind, fault: &Fault) -> FaultClass {
    match fault {
        Fault::Unsent { credentials: true, .. } => FaultClass::Fatal(StopCause::Credentials),
        Fault::Unsent { .. } => FaultClass::Refused(RefusalCode::InvalidParameter),
        Fault::Transport { kind: Transport::Connect, .. } => FaultClass::Unreached,
        Fault::Transport { .. } => perhaps_applied(kind),
        Fault::Answered { status, code, message, retry_after, .. } => {
            answered(kind, *status, code, &message.to_lowercase(), *retry_after)
        }
    }
}

fn perhaps_applied(kind: CallKind) -> FaultClass {
    match kind {
        CallKind::Read => FaultClass::Transient,
        CallKind::Write | CallKind::Unlink => FaultClass::Doubtful(IfNoEffect::Retry),
    }
}

fn answered(kind: CallKind, status: u16, code: &str, text: &str, retry_after: Option<Duration>) -> FaultClass {
    use RefusalCode::{AliasExists, InvalidParameter, LinkedElsewhere, TooManyIdentities, UserNotFound};
    let doubtful = |refusal| match kind {
        CallKind::Write | CallKind::Unlink => FaultClass::Doubtful(IfNoEffect::Refuse(refusal)),
        CallKind::Read => FaultClass::Refused(refusal),
    };
    match code {
        // The class of this text is not documented.
        "InvalidParameterException" | "UserNotFoundException" | "ResourceNotFoundException"
            if kind == CallKind::Unlink && is_not_linked(text) =>
        {
            FaultClass::NotLinked
        }
        "UserNotFoundException" if kind == CallKind::Unlink => FaultClass::NotLinked,
        _ if status == 429 || is_throttle(code) => FaultClass::Throttled { retry_after },
        _ if is_credential_fault(code) => FaultClass::Fatal(StopCause::Credentials),
        "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" | "NotAuthorizedException" => {
            FaultClass::Fatal(StopCause::AccessDenied)
        }
        "OperationNotEnabledException" => FaultClass::Fatal(StopCause::NotEnabledHere),
        "UnknownOperationException" => FaultClass::Fatal(StopCause::Unreachable),
        "ResourceNotFoundException" => resource_not_found(kind, text),
        "UserNotFoundException" => FaultClass::Refused(UserNotFound),
        "ValidationException" | "SerializationException" => FaultClass::Refused(InvalidParameter),
        // A repeat of a link that made the five full may be answered so, too.
        "LimitExceededException" => doubtful(TooManyIdentities),
        "AliasExistsException" if text.contains("already linked") => doubtful(LinkedElsewhere),
        "AliasExistsException" => doubtful(AliasExists),
        "InvalidParameterException" => invalid_parameter(kind, text),
        "RequestTimeout" | "RequestTimeoutException" => perhaps_applied(kind),
        _ if status >= 500 => perhaps_applied(kind),
        _ => doubtful(RefusalCode::Unrecognised),
    }
}

/// Codes by which services of AWS say "too many requests". `LimitExceededException` is not one of them here: for a
/// link it means that the user is full, although the SDK's own retries take it for throttling.
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

/// "Account isn't linked to anyone else, verify that the account has been linked" (aws-sdk-go #4218), with either kind of
/// apostrophe.
fn is_not_linked(text: &str) -> bool {
    ["isn't linked", "isn\u{2019}t linked", "is not linked", "not linked to"].iter().any(|part| text.contains(part))
}

/// The same class stands for a missing pool and, perhaps, for a missing provider; the text of the latter is not known.
fn resource_not_found(kind: CallKind, text: &str) -> FaultClass {
    if kind == CallKind::Read || text.contains("user pool") || text.contains("userpool") {
        FaultClass::Fatal(StopCause::PoolMissing)
    } else if text.contains("provider") {
        FaultClass::Refused(RefusalCode::ProviderNotFound)
    } else {
        FaultClass::Refused(RefusalCode::Unrecognised)
    }
}

fn invalid_parameter(kind: CallKind, text: &str) -> FaultClass {
    use RefusalCode::{
        AttributeNotMapped, IdentityHasProfile, InvalidParameter, LinkedElsewhere, ProviderNotFound, Unrecognised,
    };
    let has = |part: &str| text.contains(part);
    if kind == CallKind::Read {
        return FaultClass::Refused(InvalidParameter);
    }
    if has("merging is not currently supported") {
        FaultClass::Refused(IdentityHasProfile)
    } else if has("already linked") {
        FaultClass::Doubtful(IfNoEffect::Refuse(LinkedElsewhere))
    } else if has("cognito users with a username/password") {
        FaultClass::Doubtful(IfNoEffect::RefuseSource)
    } else if has("provider") && (has("not exist") || has("not found") || has("no such")) {
        FaultClass::Refused(ProviderNotFound)
    } else if has("not mapped") || has("attribute mapping") {
        FaultClass::Refused(AttributeNotMapped)
    } else if has("failed to satisfy constraint") || has("must have length") || has("characters") {
        FaultClass::Refused(InvalidParameter)
    } else {
        FaultClass::Doubtful(IfNoEffect::Refuse(Unrecognised))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::AnswerMeta;
    use RefusalCode as Code;
    use StopCause as Cause;

    fn answer(status: u16, code: &str, message: &str) -> Fault {
        let (code, message) = (code.to_owned(), message.to_owned());
        Fault::Answered { status, code, message, retry_after: None, meta: AnswerMeta::default() }
    }

    const INVALID: &str = "InvalidParameterException";
    const OLD_ALREADY_LINKED: &str = "Invalid SourceUser: Cognito users with a username/password may not be passed in \
                                      as a SourceUser, only as a DestinationUser";

    /// Status, code, message as seen in the field, and what it means for a link.
    fn catalogue() -> Vec<(u16, &'static str, &'static str, FaultClass)> {
        use FaultClass::{Doubtful, Fatal, Refused};
        let refuse = |code| Doubtful(IfNoEffect::Refuse(code));
        let throttled = FaultClass::Throttled { retry_after: None };
        vec![
            (400, INVALID, "SourceUser is already linked to DestinationUser", refuse(Code::LinkedElsewhere)),
            (400, INVALID, OLD_ALREADY_LINKED, Doubtful(IfNoEffect::RefuseSource)),
            (
                400,
                INVALID,
                "Merging is not currently supported, provide a SourceUser that has not been signed up in order to link",
                Refused(Code::IdentityHasProfile),
            ),
            (
                400,
                INVALID,
                "1 validation error detected: Value '' at 'filter' failed to satisfy constraint: Member must have \
                 length less than or equal to 256",
                Refused(Code::InvalidParameter),
            ),
            (400, INVALID, "Identity provider Oktaa does not exist.", Refused(Code::ProviderNotFound)),
            (400, INVALID, "Attribute email is not mapped for the provider", Refused(Code::AttributeNotMapped)),
            // One text with this beginning is known; it says nothing about others that begin so.
            (
                400,
                INVALID,
                "Invalid SourceUser: ProviderAttributeName is not mapped in the identity provider",
                Refused(Code::AttributeNotMapped),
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
                refuse(Code::TooManyIdentities),
            ),
            (400, "UserNotFoundException", "User does not exist.", Refused(Code::UserNotFound)),
            (400, "ResourceNotFoundException", "User pool us-east-1_A does not exist.", Fatal(Cause::PoolMissing)),
            (400, "ResourceNotFoundException", "Identity provider not found", Refused(Code::ProviderNotFound)),
            (400, "ResourceNotFoundException", "gone", Refused(Code::Unrecognised)),
            (400, "TooManyRequestsException", "Rate exceeded", throttled.clone()),
            (400, "TooManyRequestsException", "Too many requests", throttled.clone()),
            (400, "ThrottlingException", "Rate exceeded", throttled.clone()),
            (429, "", "", throttled),
            (400, "NotAuthorizedException", "", Fatal(Cause::AccessDenied)),
            (400, "AccessDeniedException", "", Fatal(Cause::AccessDenied)),
            (400, "ExpiredTokenException", "", Fatal(Cause::Credentials)),
            (400, "UnrecognizedClientException", "", Fatal(Cause::Credentials)),
            (400, "InvalidSignatureException", "", Fatal(Cause::Credentials)),
            (400, "OperationNotEnabledException", "", Fatal(Cause::NotEnabledHere)),
            (400, "UnknownOperationException", "", Fatal(Cause::Unreachable)),
            (500, "InternalErrorException", "", Doubtful(IfNoEffect::Retry)),
            (503, "ServiceUnavailable", "", Doubtful(IfNoEffect::Retry)),
            (500, "", "", Doubtful(IfNoEffect::Retry)),
            (400, "RequestTimeoutException", "", Doubtful(IfNoEffect::Retry)),
            (400, "SerializationException", "", Refused(Code::InvalidParameter)),
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
    fn what_is_particular_to_an_unlink() {
        use FaultClass::{Doubtful, NotLinked, Refused};
        const NOT_LINKED: &str = "Account isn't linked to anyone else, verify that the account has been linked";
        for (code, message, expected) in [
            (INVALID, NOT_LINKED, NotLinked),
            (INVALID, "Account isn\u{2019}t linked to anyone else", NotLinked),
            ("UserNotFoundException", NOT_LINKED, NotLinked),
            ("ResourceNotFoundException", NOT_LINKED, NotLinked),
            ("UserNotFoundException", "User does not exist.", NotLinked),
            ("ResourceNotFoundException", "Identity provider not found", Refused(Code::ProviderNotFound)),
            (INVALID, "something new", Doubtful(IfNoEffect::Refuse(Code::Unrecognised))),
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
    }

    #[test]
    fn transport_and_unsent_faults() {
        let transport = |kind| Fault::Transport { kind, detail: String::new() };
        let unsent = |credentials| Fault::Unsent { credentials, detail: String::new() };
        let doubtful = FaultClass::Doubtful(IfNoEffect::Retry);
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
    fn the_service_may_say_how_long_to_wait() {
        let mut fault = answer(400, "TooManyRequestsException", "");
        let wait = Some(Duration::from_millis(700));
        if let Fault::Answered { retry_after, .. } = &mut fault {
            *retry_after = wait;
        }
        assert_eq!(classify(CallKind::Write, &fault), FaultClass::Throttled { retry_after: wait });
    }
}
