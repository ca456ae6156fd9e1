//! What the answer to a call says about the rate.

use std::time::Duration;

use crate::pace::Verdict;
use crate::service::Fault;
use crate::service::classify::{CallKind, FaultClass, classify};

/// What a fault, or a success if there is none, says about the rate, and the wait that the service asks for.
#[must_use]
pub fn verdict_of(kind: CallKind, fault: Option<&Fault>) -> (Verdict, Option<Duration>) {
    let Some(fault) = fault else { return (Verdict::Accepted, None) };
    match (classify(kind, fault), fault) {
        (FaultClass::Throttled { retry_after }, _) => (Verdict::Throttled, retry_after),
        (FaultClass::Unreached, _) => (Verdict::Unreached, None),
        (_, Fault::Transport { .. }) => (Verdict::Faulted, None),
        (_, Fault::Answered { status, .. }) if *status >= 500 => (Verdict::Faulted, None),
        _ => (Verdict::Accepted, None),
    }
}
