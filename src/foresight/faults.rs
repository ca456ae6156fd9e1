//! What a fault of the service means for the whole run, and for its pace.

use std::time::Duration;

use crate::domain::outcome::ServiceText;
use crate::domain::run::{StopCause, StopError};
use crate::pace::CallFeedback;
use crate::service::CallFault;
use crate::service::classify::{CallKind, FaultClass, classify};

/// Describes a fault that stops the run, and what to do. What the service itself says is kept apart: it may quote values.
pub fn stop_error(cause: StopCause, operation: &str, fault: &CallFault) -> StopError {
    let text = ServiceText { code: fault.code().to_owned(), message: fault.message().to_owned() };
    let said = match text.printable_message(false) {
        Some(message) => format!("{}: {message}", text.code),
        None => text.code.clone(),
    };
    let detail = match cause {
        StopCause::Credentials => format!("{operation}: the credentials are not accepted ({said}); renew them"),
        StopCause::AccessDenied => format!(
            "{operation}: access denied ({said}); allow cognito-idp:{operation}; docs/iam.md lists the IAM policy"
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
        _ => format!("{operation}: the service cannot be reached ({said}); check the network and --endpoint-url"),
    };
    let service_text = text.is_hidden(false).then_some(text);
    StopError { cause, detail, service_text }
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
