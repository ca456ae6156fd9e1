//! Whether anything can work: a run stops early where the calls of its first rows all end in the same fault of the address.

use std::collections::BTreeSet;
use std::time::Duration;

use super::worker::CallResult;
use crate::clock::Instant;
use crate::domain::outcome::RefusalCode;
use crate::domain::row::RowNumber;
use crate::domain::run::{StopCause, StopError};
use crate::limits::{STUCK_MS, STUCK_ROWS, SYSTEMIC_ROWS};
use crate::service::classify::{CallKind, FaultClass, IfNoEffect, classify};
use crate::service::{CallFault, Transport};

const STUCK_TIME: Duration = Duration::from_millis(STUCK_MS);

/// A fault that says that something else than the service answers, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum SystemicFault {
    #[error("the operation is unknown there")]
    UnknownOperation,
    /// Such as a page of a proxy.
    #[error("the answer is not one of Amazon Cognito")]
    UnreadableAnswer,
    #[error("HTTP status {0} without a known error code of Amazon Cognito")]
    HttpStatus(u16),
    #[error("no connection")]
    NoConnection,
}

impl SystemicFault {
    fn of(kind: CallKind, fault: &CallFault) -> Option<Self> {
        match fault {
            CallFault::Transport { kind: Transport::Unreadable, .. } => Some(Self::UnreadableAnswer),
            // Reads without a connection are an outage, which the pace waits for.
            CallFault::Transport { kind: Transport::Connect, .. } if kind != CallKind::Read => Some(Self::NoConnection),
            CallFault::Answered { code, .. } if is_unknown_operation(code) => Some(Self::UnknownOperation),
            CallFault::Answered { status, code, .. } if code.is_empty() => match status {
                // Any service answers with these for a while.
                429 | 502..=504 => None,
                _ => Some(Self::HttpStatus(*status)),
            },
            // A server that does not implement an operation will not do so at the next attempt.
            CallFault::Answered { status: status @ 501, .. } => Some(Self::HttpStatus(*status)),
            CallFault::Answered { status: status @ 403..=405, .. } => {
                is_unrecognised(&classify(kind, fault)).then_some(Self::HttpStatus(*status))
            }
            _ => None,
        }
    }
}

/// The codes of AWS services and of emulators for an operation that they do not have.
fn is_unknown_operation(code: &str) -> bool {
    matches!(
        code,
        "UnknownOperationException"
            | "UnknownOperation"
            | "InvalidAction"
            | "NotImplemented"
            | "NotImplementedException"
            | "UnsupportedOperation"
            | "UnsupportedOperationException"
    )
}

fn is_unrecognised(class: &FaultClass) -> bool {
    matches!(
        class,
        FaultClass::Refused(RefusalCode::Unrecognised)
            | FaultClass::Doubtful(IfNoEffect::RefuseRow(RefusalCode::Unrecognised))
    )
}

/// Whether the service refused the call, which shows that it is there.
fn is_answer_of_the_service(fault: &CallFault) -> bool {
    matches!(fault, CallFault::Answered { status: ..500, .. })
}

/// Rows whose calls ended in one fault, with no other answer in between.
#[derive(Debug, Default)]
struct FaultedRows {
    fault: Option<SystemicFault>,
    rows: BTreeSet<RowNumber>,
}

impl FaultedRows {
    /// Whether these are enough rows to say that no row will fare better.
    fn add(&mut self, row: RowNumber, fault: SystemicFault) -> bool {
        if self.fault != Some(fault) {
            *self = Self { fault: Some(fault), rows: BTreeSet::new() };
        }
        self.rows.insert(row);
        self.rows.len() >= SYSTEMIC_ROWS
    }
}

/// Watches the first calls of a run. The first write that the service accepts or refuses shows that the service is there,
/// and ends the watch.
#[derive(Debug, Default)]
pub(super) struct SystemicFaults {
    is_over: bool,
    reads: FaultedRows,
    writes: FaultedRows,
}

impl SystemicFaults {
    /// Takes the result of a row's call. Returns why the run is to stop, where it is.
    pub(super) fn observe(&mut self, row: RowNumber, result: &CallResult) -> Option<StopError> {
        if self.is_over {
            return None;
        }
        let (kind, fault) = (result.kind(), result.fault());
        let systemic = fault.and_then(|fault| SystemicFault::of(kind, fault));
        let faulted = if kind == CallKind::Read { &mut self.reads } else { &mut self.writes };
        match (systemic, fault) {
            (Some(systemic), Some(fault)) => {
                if faulted.add(row, systemic) {
                    self.is_over = true;
                    return Some(stop_error(systemic, kind, fault));
                }
            }
            (_, Some(fault)) if !is_answer_of_the_service(fault) => {}
            _ if kind == CallKind::Read => *faulted = FaultedRows::default(),
            _ => self.is_over = true,
        }
        None
    }
}

/// Watches whether the service decides on any write at all, throughout a run.
#[derive(Debug, Default)]
pub(super) struct UndecidedWrites {
    since: Option<Instant>,
    rows: BTreeSet<RowNumber>,
}

impl UndecidedWrites {
    /// Forgets what was seen before a pause: its time says nothing about the service.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Takes the result of a row's call. Returns why the run is to stop, where it is.
    pub(super) fn observe(&mut self, row: RowNumber, result: &CallResult, now: Instant) -> Option<StopError> {
        let (kind, fault) = (result.kind(), result.fault());
        if kind == CallKind::Read {
            return None;
        }
        // The link of a success that is not confirmed is looked for, and may be there.
        let is_unconfirmed = |fault| matches!(fault, &CallFault::Transport { kind: Transport::Unconfirmed, .. });
        let is_undecided =
            fault.filter(|fault| !is_unconfirmed(*fault)).is_some_and(|fault| match classify(kind, fault) {
                FaultClass::Transient | FaultClass::Unreached | FaultClass::Doubtful(IfNoEffect::RetryCall) => true,
                _ => SystemicFault::of(kind, fault).is_some(),
            });
        let is_throttled = fault.is_some_and(|fault| matches!(classify(kind, fault), FaultClass::Throttled { .. }));
        match (is_undecided, is_throttled) {
            (true, _) => {}
            (false, true) => return None,
            (false, false) => {
                *self = Self::default();
                return None;
            }
        }
        let since = *self.since.get_or_insert(now);
        if self.rows.len() < STUCK_ROWS {
            self.rows.insert(row);
        }
        let is_stuck = self.rows.len() >= STUCK_ROWS && now.saturating_duration_since(since) > STUCK_TIME;
        is_stuck.then(|| {
            let code = fault.map_or("", CallFault::code);
            let code = if code.is_empty() { String::new() } else { format!(", most recently with {code}") };
            let seconds = STUCK_TIME.as_secs();
            let detail = format!(
                "for {seconds} s every write has failed{code}; run `{}` on the same pool; a rerun resumes from here",
                doctor_for(kind)
            );
            StopError::new(StopCause::Bound, detail)
        })
    }
}

/// The command that tries such a call; none tries an unlink.
fn doctor_for(kind: CallKind) -> &'static str {
    if kind == CallKind::Write { "doctor --probe-write" } else { "doctor" }
}

fn stop_error(systemic: SystemicFault, kind: CallKind, fault: &CallFault) -> StopError {
    let what = match kind {
        CallKind::Read => "read the user",
        CallKind::Write => "link",
        CallKind::Unlink => "unlink",
    };
    let doctor = doctor_for(kind);
    let code = Some(fault.code()).filter(|code| !code.is_empty()).map_or_else(String::new, |code| format!(" ({code})"));
    StopError::new(
        StopCause::Unreachable,
        format!(
            "the calls of the first {SYSTEMIC_ROWS} rows to {what} all ended in the same fault: {systemic}{code}; check \
             --endpoint-url, AWS_ENDPOINT_URL and the proxy (HTTPS_PROXY), then run `{doctor}` on the same pool; a rerun \
             resumes from here"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{Answer, AnswerMeta, UserPage};

    type Fault = CallFault;

    fn answered(status: u16, code: &str) -> Fault {
        let (code, message) = (code.to_owned(), String::new());
        Fault::Answered { status, code, message, retry_after: None, meta: AnswerMeta::default() }
    }

    fn transport(kind: Transport) -> Fault {
        Fault::Transport { kind, detail: String::new() }
    }

    fn answer<T>(value: T) -> Answer<T> {
        Answer { value, meta: AnswerMeta::default() }
    }

    fn write(fault: &Fault) -> CallResult {
        CallResult::Linked(Err(fault.clone()))
    }

    fn read(fault: &Fault) -> CallResult {
        CallResult::Users(Err(fault.clone()))
    }

    /// After how many of these results, each of a row of its own, a run stops.
    fn stops_after(results: impl IntoIterator<Item = CallResult>) -> Option<usize> {
        let mut faults = SystemicFaults::default();
        results.into_iter().zip(1..).find_map(|(result, row)| {
            faults.observe(RowNumber(row), &result).map(|stop| {
                assert_eq!(stop.cause, StopCause::Unreachable);
                usize::try_from(row).unwrap()
            })
        })
    }

    #[test]
    fn five_rows_with_one_systemic_fault_stop_the_run() {
        for fault in [
            answered(400, "UnknownOperationException"),
            answered(501, "NotImplemented"),
            answered(501, "InternalFailure"),
            answered(404, ""),
            answered(403, ""),
            answered(500, ""),
            answered(403, "RequestBlocked"),
            transport(Transport::Unreadable),
        ] {
            let results = |result: fn(&Fault) -> CallResult| stops_after((0..9).map(|_| result(&fault)));
            assert_eq!((results(write), results(read)), (Some(SYSTEMIC_ROWS), Some(SYSTEMIC_ROWS)), "{fault:?}");
        }
        let refused = transport(Transport::Connect);
        assert_eq!(stops_after((0..9).map(|_| write(&refused))), Some(SYSTEMIC_ROWS));
        assert_eq!(stops_after((0..9).map(|_| read(&refused))), None, "an outage is waited for");
    }

    #[test]
    fn faults_of_a_service_that_is_there_do_not() {
        for fault in [
            answered(503, ""),
            answered(500, "InternalErrorException"),
            answered(429, ""),
            answered(400, "TooManyRequestsException"),
            answered(403, "AccessDeniedException"),
            answered(404, "UserNotFoundException"),
            answered(400, "BrandNewException"),
            transport(Transport::Timeout),
            transport(Transport::Broken),
            transport(Transport::Unconfirmed),
        ] {
            assert_eq!(stops_after((0..9).map(|_| write(&fault))), None, "{fault:?}");
        }
    }

    #[test]
    fn one_row_alone_stops_nothing() {
        let mut faults = SystemicFaults::default();
        for _ in 0..50 {
            assert_eq!(faults.observe(RowNumber(7), &write(&answered(404, ""))), None);
        }
    }

    #[test]
    fn the_first_write_that_is_answered_ends_the_watch() {
        let html = transport(Transport::Unreadable);
        let refused = answered(400, "UserNotFoundException");
        for first in [CallResult::Linked(Ok(answer(()))), CallResult::Unlinked(Ok(answer(()))), write(&refused)] {
            let results = (0..4).map(|_| write(&html)).chain([first]).chain((0..20).map(|_| write(&html)));
            assert_eq!(stops_after(results), None);
        }
    }

    #[test]
    fn reads_in_between_neither_help_nor_harm_writes() {
        let (html, page) = (transport(Transport::Unreadable), UserPage { users: Vec::new(), next_token: None });
        let pairs = |first: fn(&Fault) -> CallResult, second: CallResult| {
            let mut second = Some(second);
            stops_after((0..9).flat_map(|_| [Some(first(&html)), second.take()]).flatten())
        };
        assert_eq!(pairs(write, CallResult::Users(Ok(answer(page.clone())))), Some(SYSTEMIC_ROWS + 1));
        assert_eq!(pairs(read, CallResult::Users(Ok(answer(page)))), Some(SYSTEMIC_ROWS + 2), "reads start again");
    }

    #[test]
    fn writes_without_a_decision_stop_the_run_after_a_while() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let html = answered(403, "");
        for fault in [&html, &answered(500, "InternalErrorException"), &transport(Transport::Broken)] {
            let mut watch = UndecidedWrites::default();
            let stopped = |watch: &mut UndecidedWrites, row, fault: &Fault, seconds| {
                watch.observe(RowNumber(row), &write(fault), at(seconds)).is_some()
            };
            // Few rows, or not for long.
            assert!(!(0..9).any(|row| stopped(&mut watch, row, fault, 100 * row)));
            assert!(stopped(&mut watch, 9, fault, 901));
            let mut watch = UndecidedWrites::default();
            assert!(!(0..500).any(|row| stopped(&mut watch, row, fault, 60)));
            // A refusal is a decision, and a throttled call is none.
            assert!(!stopped(&mut watch, 1, &answered(400, "TooManyRequestsException"), 70));
            assert!(!stopped(&mut watch, 1, &answered(400, "UserNotFoundException"), 130));
            assert!(!stopped(&mut watch, 1, &transport(Transport::Unconfirmed), 130));
            assert!(!(0..500).any(|row| stopped(&mut watch, row, fault, 190)));
            assert!(stopped(&mut watch, 1, fault, 251));
        }
    }

    #[test]
    fn another_fault_starts_again() {
        let faults = (0..9).map(|row| write(&answered(if row < 4 { 404 } else { 403 }, "")));
        assert_eq!(stops_after(faults), Some(4 + SYSTEMIC_ROWS));
    }
}
