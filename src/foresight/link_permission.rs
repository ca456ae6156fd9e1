//! Whether the credentials may link: judged by the answer to a link that cannot be made.
//!
//! | answer | judged as | because |
//! | --- | --- | --- |
//! | `AccessDeniedException` | no permission | the error of IAM for a missing right (API reference, "Common errors") |
//! | `UserNotFoundException`, `ResourceNotFoundException` | permission | errors of the operation itself (API reference, "AdminLinkProviderForUser"): it looked for the user or the provider |
//! | `InvalidParameterException` | permission | the same; a request of the wrong form is answered with a text about constraints, before or after IAM is asked, and shows nothing |
//! | `UnknownOperationException` | stopped | the address does not have the operation |
//! | success | - | the service creates what a call names, so it is not Amazon Cognito |
//! | anything else | not clear | `NotAuthorizedException` stands for a missing right and for a user that may not be linked |

use super::faults::stop_error;
use crate::clock::{Clock, sleep};
use crate::domain::doctor::CheckResult;
use crate::domain::run::StopCause;
use crate::limits;
use crate::pace::retry::backoff;
use crate::seed::Rng;
use crate::service::CallFault;
use crate::service::classify::{CallKind, FaultClass, UNKNOWN_OPERATION, classify};
use crate::service::permission_probe::{LinkPermissionProbe, NobodysLink};

/// Errors with which the operation refuses a user or a provider that does not exist.
const REFUSALS: [&str; 3] = ["UserNotFoundException", "ResourceNotFoundException", "InvalidParameterException"];
const OPERATION: &str = "AdminLinkProviderForUser";

/// Sends the call, and again where it did not get through: it cannot take effect.
pub async fn check_link_permission(
    port: &dyn LinkPermissionProbe,
    link: NobodysLink,
    clock: Clock,
    rng: &mut Rng,
) -> CheckResult {
    tracing::debug!(at = clock.unix_ms(), %link, "probing the permission to link");
    let mut attempts = 0;
    loop {
        attempts += 1;
        let Err(fault) = port.attempt(link).await else { return CheckResult::NobodyLinked };
        let is_worth_a_retry = match classify(CallKind::Write, &fault) {
            _ if fault.code() == UNKNOWN_OPERATION => {
                return CheckResult::Stopped(stop_error(StopCause::Unreachable, OPERATION, &fault));
            }
            FaultClass::Fatal(cause) => return CheckResult::Stopped(stop_error(cause, OPERATION, &fault)),
            FaultClass::Throttled { .. } | FaultClass::Unreached | FaultClass::Transient => true,
            _ => matches!(fault, CallFault::Transport { .. } | CallFault::Answered { status: 500.., .. }),
        };
        if !is_worth_a_retry || attempts >= limits::PREFLIGHT_ATTEMPTS_MAX {
            return judged(&fault);
        }
        sleep(backoff(attempts, rng)).await;
    }
}

/// What a refusal that is not about the whole run shows.
fn judged(fault: &CallFault) -> CheckResult {
    let code = fault.code().to_owned();
    let is_about_form = fault.message().contains("validation error");
    if REFUSALS.contains(&code.as_str()) && !is_about_form {
        CheckResult::LinkPermitted { code }
    } else {
        CheckResult::LinkPermissionUnclear { code }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::service::{AnswerMeta, PortFuture, Transport};

    /// Answers with these faults, one after the other.
    struct Refusing(Mutex<Vec<CallFault>>);

    impl LinkPermissionProbe for Refusing {
        fn attempt(&self, _: NobodysLink) -> PortFuture<'_, ()> {
            let fault = self.0.lock().unwrap().pop().unwrap();
            Box::pin(async move { Err(fault) })
        }
    }

    fn answer(status: u16, code: &str, message: &str) -> CallFault {
        let (code, message) = (code.to_owned(), message.to_owned());
        CallFault::Answered { status, code, message, retry_after: None, meta: AnswerMeta::default() }
    }

    async fn word(mut faults: Vec<CallFault>) -> String {
        faults.reverse();
        let port = Refusing(Mutex::new(faults));
        let (clock, mut rng) = (Clock::starting_at(1_795_000_000_000), Rng::new(7));
        match check_link_permission(&port, NobodysLink::with_number(1), clock, &mut rng).await {
            CheckResult::LinkPermitted { code } => format!("yes: {code}"),
            CheckResult::LinkPermissionUnclear { code } => format!("unclear: {code}"),
            CheckResult::Stopped(stop) => format!("no: {}", stop.cause.as_str()),
            other => format!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_answer_is_judged_by_what_it_shows() {
        let throttle = || answer(400, "TooManyRequestsException", "Rate exceeded");
        let broken = || CallFault::Transport { kind: Transport::Broken, detail: String::new() };
        let absent = || answer(400, "UserNotFoundException", "User does not exist.");
        let attempts = usize::try_from(limits::PREFLIGHT_ATTEMPTS_MAX).unwrap();
        for (faults, expected) in [
            (
                vec![answer(400, "AccessDeniedException", "User: x is not authorized to perform: y")],
                "no: access_denied",
            ),
            (vec![answer(400, "NotAuthorizedException", "x is not authorized to perform: y")], "no: access_denied"),
            (vec![answer(400, "NotAuthorizedException", "User is disabled.")], "unclear: NotAuthorizedException"),
            (vec![answer(400, "ExpiredTokenException", "expired")], "no: credentials"),
            (vec![answer(400, "UnknownOperationException", "")], "no: unreachable"),
            (vec![absent()], "yes: UserNotFoundException"),
            (vec![answer(400, "ResourceNotFoundException", "x does not exist")], "yes: ResourceNotFoundException"),
            (vec![answer(400, "InvalidParameterException", "Invalid ProviderName")], "yes: InvalidParameterException"),
            (
                vec![answer(400, "InvalidParameterException", "1 validation error detected: Value at 'x' failed")],
                "unclear: InvalidParameterException",
            ),
            (vec![answer(400, "StrangeException", "no")], "unclear: StrangeException"),
            (
                vec![throttle(), broken(), answer(500, "InternalErrorException", ""), absent()],
                "yes: UserNotFoundException",
            ),
            ((0..attempts).map(|_| throttle()).collect(), "unclear: TooManyRequestsException"),
        ] {
            assert_eq!(word(faults).await, expected);
        }
    }
}
