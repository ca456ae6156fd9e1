//! What a fault of the service means for the whole run, and for its pace.

use std::time::Duration;

use crate::domain::outcome::ServiceText;
use crate::domain::run::{StopCause, StopError};
use crate::pace::CallFeedback;
use crate::service::classify::{CallKind, FaultClass, classify};
use crate::service::{CallFault, Transport};

/// Describes a fault that stops the run, and what to do. What the service itself says is kept apart: it may quote values.
pub fn stop_error(cause: StopCause, operation: &str, fault: &CallFault) -> StopError {
    let text = ServiceText { code: fault.code().to_owned(), message: fault.message().to_owned() };
    let said = match text.printable_message(false) {
        Some(message) => format!("{}: {message}", text.code),
        None => text.code.clone(),
    };
    let detail = match cause {
        StopCause::Credentials if is_about_time(fault) => format!(
            "{operation}: the service does not accept the time of the request ({said}); set this machine's clock"
        ),
        StopCause::Credentials => format!("{operation}: the credentials are not accepted ({said}); renew them"),
        StopCause::AccessDenied => format!(
            "{operation}: access denied ({said}); allow cognito-idp:{operation}; `cognito-link policy` prints the IAM policy"
        ),
        StopCause::PoolMissing => {
            format!("{operation}: there is no such user pool in this account and Region ({said}); check --user-pool-id")
        }
        StopCause::NotEnabledHere => {
            format!("{operation}: not possible in this Region ({said}); use the pool's primary Region")
        }
        StopCause::Unreachable if is_refusal(fault) => {
            format!(
                "{operation}: the service does not accept this call ({said}); is --endpoint-url an address of Cognito?"
            )
        }
        StopCause::Unreachable => match fault {
            CallFault::Answered { status, .. } => {
                format!("{operation}: the service answered with status {status} ({said}); try again later")
            }
            CallFault::Transport { kind: Transport::Unreadable, .. } => format!(
                "{operation}: the answer is not one of Amazon Cognito ({said}); check the proxy, and whether \
                 --endpoint-url is an address of Cognito"
            ),
            _ => format!("{operation}: the service cannot be reached ({said}); check the network and --endpoint-url"),
        },
        _ => format!("{operation}: the service cannot be reached ({said}); check the network and --endpoint-url"),
    };
    let service_text = text.is_hidden(false).then_some(text);
    StopError { cause, detail, service_text }
}

/// Whether a signature was refused because of the time in it: too old, or in the future.
fn is_about_time(fault: &CallFault) -> bool {
    let text = fault.message().to_lowercase();
    matches!(
        fault.code(),
        "InvalidSignatureException" | "SignatureDoesNotMatch" | "RequestExpired" | "RequestTimeTooSkewed"
    ) && ["signature expired", "signature not yet current", "request has expired"]
        .iter()
        .any(|part| text.contains(part))
        || fault.code() == "RequestTimeTooSkewed"
}

/// Whether the service answered, and took the call itself for wrong.
fn is_refusal(fault: &CallFault) -> bool {
    matches!(fault, CallFault::Answered { status: 400..500, .. })
        && !matches!(classify(CallKind::Read, fault), FaultClass::Throttled { .. })
}

/// Returns what the answer to a call says about the pace, and for how long the service wants us to wait. No fault is a
/// success.
pub fn pace_verdict(kind: CallKind, fault: Option<&CallFault>) -> (CallFeedback, Option<Duration>) {
    let Some(fault) = fault else { return (CallFeedback::Accepted, None) };
    match (classify(kind, fault), fault) {
        (FaultClass::Throttled { retry_after }, _) => (CallFeedback::Throttled, retry_after),
        (FaultClass::Unreached, _) => (CallFeedback::Unreached, None),
        (_, CallFault::Transport { .. }) => (CallFeedback::Faulted, None),
        (_, CallFault::Answered { status, .. }) if *status >= 500 => (CallFeedback::Faulted, None),
        _ => (CallFeedback::Accepted, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::AnswerMeta;

    #[test]
    fn a_stop_names_what_was_met() {
        let answered = |status, code: &str, message: &str| CallFault::Answered {
            status,
            code: code.to_owned(),
            message: message.to_owned(),
            retry_after: None,
            meta: AnswerMeta::default(),
        };
        let transport = |kind| CallFault::Transport { kind, detail: String::new() };
        let expired = "Signature expired: 20260101T000000Z is now earlier than 20260301T000000Z";
        let early = "Signature not yet current: 20270101T000000Z is still later than 20260301T000000Z";
        for (cause, fault, expected) in [
            (StopCause::Credentials, answered(400, "InvalidSignatureException", expired), "set this machine's clock"),
            (StopCause::Credentials, answered(400, "InvalidSignatureException", early), "set this machine's clock"),
            (StopCause::Credentials, answered(400, "InvalidSignatureException", "does not match"), "renew them"),
            (StopCause::Credentials, answered(400, "ExpiredTokenException", expired), "renew them"),
            (StopCause::Unreachable, answered(500, "InternalErrorException", ""), "answered with status 500"),
            (StopCause::Unreachable, answered(404, "", ""), "does not accept this call"),
            (StopCause::Unreachable, transport(Transport::Unreadable), "not one of Amazon Cognito"),
            (StopCause::Unreachable, transport(Transport::Connect), "cannot be reached"),
        ] {
            let stop = stop_error(cause, "ListUsers", &fault);
            assert!(stop.detail.contains(expected), "{expected}: {}", stop.detail);
        }
    }
}
