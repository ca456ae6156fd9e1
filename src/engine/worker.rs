//! One call for one row: nothing is decided here.

use std::sync::Arc;
use std::time::Duration;

use super::name_search::ReadCall;
use super::row_progress::WriteCall;
use crate::clock::{Clock, Instant, UnixMs, timeout_at};
use crate::ledger::record::{AnswerClass, AttemptedCall, FailedCall};
use crate::limits::ATTEMPT_TIMEOUT_MS;
use crate::pace::AdmittedCall;
use crate::service::classify::{CallKind, FaultClass, IfNoEffect, classify};
use crate::service::{
    Answer, AnswerMeta, CallFault, IdentityLinker, IdentityUnlinker, PortFuture, Transport, UserDirectory, UserPage,
};

/// The place of a row among the rows in flight.
pub(super) type JobId = usize;

/// How much later than the adapter's own timeout the worker gives up, in milliseconds.
const GRACE_MS: u64 = 500;

/// The service as a run uses it.
#[derive(Clone)]
pub struct ServicePorts {
    pub directory: Arc<dyn UserDirectory>,
    /// What the run may write, and so what the run is for.
    pub writer: WritePort,
}

/// The writing port of a run: never both.
#[derive(Clone)]
pub enum WritePort {
    Links(Arc<dyn IdentityLinker>),
    Unlinks(Arc<dyn IdentityUnlinker>),
    /// A dry run of `undo`.
    Nothing,
}

/// A call to start, in a slot of its budget.
#[derive(Debug)]
pub(super) struct StartCall {
    pub(super) job: JobId,
    pub(super) slot: AdmittedCall,
    pub(super) call: Call,
}

#[derive(Debug)]
pub(super) enum Call {
    Read(ReadCall),
    Write(WriteCall),
}

#[derive(Debug)]
pub(super) enum CallResult {
    Linked(Result<Answer<()>, CallFault>),
    Unlinked(Result<Answer<()>, CallFault>),
    Users(Result<Answer<UserPage>, CallFault>),
}

/// A call that was made, with its times.
#[derive(Debug)]
pub(super) struct FinishedCall {
    pub(super) job: JobId,
    pub(super) slot: AdmittedCall,
    pub(super) result: CallResult,
    pub(super) sent_unix_ms: UnixMs,
    pub(super) answered_unix_ms: UnixMs,
}

impl FinishedCall {
    pub(super) fn latency_ms(&self) -> u64 {
        self.answered_unix_ms.saturating_sub(self.sent_unix_ms).try_into().unwrap_or(0)
    }

    /// A write call that did not succeed, as the ledger keeps it.
    pub(super) fn failed_write(&self) -> Option<FailedCall<'_>> {
        let (call, fault) = match &self.result {
            CallResult::Linked(Err(fault)) => (AttemptedCall::Link, fault),
            CallResult::Unlinked(Err(fault)) => (AttemptedCall::Unlink, fault),
            _ => return None,
        };
        let answer = match classify(self.result.kind(), fault) {
            FaultClass::Throttled { .. } => AnswerClass::Throttled,
            FaultClass::Unreached => AnswerClass::NotReached,
            FaultClass::Transient | FaultClass::Doubtful(IfNoEffect::RetryCall) => AnswerClass::Unknown,
            FaultClass::Doubtful(_) | FaultClass::Refused(_) => AnswerClass::Refused,
            FaultClass::NotLinked => AnswerClass::NotLinked,
            FaultClass::Fatal(_) => AnswerClass::RunStopped,
        };
        let request_id = fault.meta().and_then(|meta| meta.request_id.as_deref());
        let (code, latency_ms) = (fault.code(), self.latency_ms());
        Some(FailedCall { call, answer, code, request_id, latency_ms, at: self.sent_unix_ms })
    }
}

impl CallResult {
    /// Which budget the call's slot is from.
    pub(super) fn kind(&self) -> CallKind {
        match self {
            Self::Linked(_) => CallKind::Write,
            Self::Unlinked(_) => CallKind::Unlink,
            Self::Users(_) => CallKind::Read,
        }
    }

    pub(super) fn fault(&self) -> Option<&CallFault> {
        match self {
            Self::Linked(answer) | Self::Unlinked(answer) => answer.as_ref().err(),
            Self::Users(answer) => answer.as_ref().err(),
        }
    }

    pub(super) fn meta(&self) -> Option<&AnswerMeta> {
        match self {
            Self::Linked(Ok(answer)) | Self::Unlinked(Ok(answer)) => Some(&answer.meta),
            Self::Users(Ok(answer)) => Some(&answer.meta),
            Self::Linked(Err(fault)) | Self::Unlinked(Err(fault)) | Self::Users(Err(fault)) => fault.meta(),
        }
    }
}

pub(super) async fn make_call(
    services: ServicePorts,
    clock: Clock,
    StartCall { job, slot, call }: StartCall,
) -> FinishedCall {
    let sent_unix_ms = clock.unix_ms();
    let deadline = clock.now() + Duration::from_millis(ATTEMPT_TIMEOUT_MS + GRACE_MS);
    let result = match call {
        Call::Write(WriteCall::Link(request)) => CallResult::Linked(match &services.writer {
            WritePort::Links(linker) => before(deadline, linker.link(*request)).await,
            _ => Err(write_not_allowed()),
        }),
        Call::Write(WriteCall::Unlink(request)) => CallResult::Unlinked(match &services.writer {
            WritePort::Unlinks(unlinker) => before(deadline, unlinker.unlink(*request)).await,
            _ => Err(write_not_allowed()),
        }),
        Call::Read(ReadCall::List(query)) => {
            CallResult::Users(before(deadline, services.directory.list_users(query)).await)
        }
        Call::Read(ReadCall::Get(username)) => {
            let answer = before(deadline, services.directory.get_user(username)).await;
            CallResult::Users(answer.map(|Answer { value, meta }| Answer {
                value: UserPage { users: value.into_iter().collect(), next_token: None },
                meta,
            }))
        }
    };
    FinishedCall { job, slot, result, sent_unix_ms, answered_unix_ms: clock.unix_ms() }
}

/// The fault of a call that this run must not make. Nothing is sent.
fn write_not_allowed() -> CallFault {
    CallFault::Unsent { credentials: false, detail: "this run may not make this kind of call".to_owned() }
}

/// Bounds a call. The adapter's own timeout comes first; this one holds whatever stands behind the port.
async fn before<T>(deadline: Instant, call: PortFuture<'_, T>) -> Result<Answer<T>, CallFault> {
    timeout_at(deadline, call).await.unwrap_or_else(|_| {
        Err(CallFault::Transport { kind: Transport::Timeout, detail: "no answer in time".to_owned() })
    })
}
