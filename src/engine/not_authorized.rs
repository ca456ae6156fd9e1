//! When `NotAuthorizedException` is about the whole run after all.
//!
//! Without a text about access it refuses one row, such as one whose user is disabled. Where row after row gets it and no
//! call any other answer, it is about the caller.

use std::collections::BTreeSet;

use crate::domain::outcome::RefusalCode;
use crate::domain::row::RowNumber;
use crate::domain::run::{StopCause, StopError};
use crate::limits::NOT_AUTHORIZED_ROWS_MAX;
use crate::service::CallFault;
use crate::service::classify::{CallKind, FaultClass, IfNoEffect, NOT_AUTHORIZED, classify};

/// The rows that the service answered so in turn.
#[derive(Debug, Default)]
pub(super) struct NotAuthorizedRows(BTreeSet<RowNumber>);

impl NotAuthorizedRows {
    /// Takes note of the answer to a write call. Returns why the run must stop, where it must.
    pub(super) fn on_write_answer(&mut self, row: RowNumber, fault: Option<&CallFault>) -> Option<StopError> {
        if !fault.is_some_and(is_about_the_caller) {
            self.0.clear();
            return None;
        }
        self.0.insert(row);
        (self.0.len() >= NOT_AUTHORIZED_ROWS_MAX).then(|| {
            let detail = format!(
                "the calls of {NOT_AUTHORIZED_ROWS_MAX} different rows in turn were answered with {NOT_AUTHORIZED}; check \
                 the credentials and the policy; a rerun resumes from here, with --retry refused if rows were refused"
            );
            StopError::new(StopCause::AccessDenied, detail)
        })
    }
}

/// Whether the answer may be about the caller. A text about a disabled user is about the row.
fn is_about_the_caller(fault: &CallFault) -> bool {
    let refusal = FaultClass::Doubtful(IfNoEffect::RefuseRow(RefusalCode::UserDisabled));
    fault.code() == NOT_AUTHORIZED && classify(CallKind::Write, fault) != refusal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::AnswerMeta;

    fn answer(code: &str, message: &str) -> CallFault {
        let (code, message) = (code.to_owned(), message.to_owned());
        CallFault::Answered { status: 400, code, message, retry_after: None, meta: AnswerMeta::default() }
    }

    #[test]
    fn only_different_rows_in_turn_stop_the_run() {
        let refused = answer(NOT_AUTHORIZED, "no");
        let mut rows = NotAuthorizedRows::default();
        let last = NOT_AUTHORIZED_ROWS_MAX as u64;
        let stops_at = |rows: &mut NotAuthorizedRows, numbers: std::ops::RangeInclusive<u64>| {
            numbers.into_iter().find(|number| rows.on_write_answer(RowNumber(*number), Some(&refused)).is_some())
        };
        assert_eq!(stops_at(&mut rows, 1..=last - 1), None);
        assert!(rows.on_write_answer(RowNumber(1), Some(&refused)).is_none(), "the same row again");
        assert!(rows.on_write_answer(RowNumber(99), Some(&answer("InternalErrorException", "no"))).is_none());
        assert_eq!(stops_at(&mut rows, 1..=last - 1), None, "another answer came between");
        assert!(rows.on_write_answer(RowNumber(99), None).is_none());
        let disabled = answer(NOT_AUTHORIZED, "User is disabled.");
        assert!((1..=2 * last).all(|number| rows.on_write_answer(RowNumber(number), Some(&disabled)).is_none()));
        assert_eq!(stops_at(&mut rows, 1..=last + 5), Some(last));
    }
}
