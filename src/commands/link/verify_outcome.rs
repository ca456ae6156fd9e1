//! What became of `--verify`. The run is over by then: its result stands, whatever this comes to.

use serde_json::{Value, json};

use super::verify::{self, PoolVerification};
use crate::commands::shared::Failure;
use crate::commands::shared::exit_for_signal;
use crate::commands::shared::result::failure_json;
use crate::domain::run::Signal;
use crate::exit::Exit;
use crate::ui::{MessageCode, Ui};

pub(super) enum VerifyOutcome {
    NotRequested,
    /// The run did not reach the end of the input.
    LeftOut,
    Compared(PoolVerification),
    /// The input or the pool cannot be read.
    Failed(Failure),
    Interrupted(Signal),
}

impl VerifyOutcome {
    pub(super) fn without_comparison(is_requested: bool) -> Self {
        if is_requested { Self::LeftOut } else { Self::NotRequested }
    }

    /// Returns the exit status of the command. What kept the run from its end comes first.
    pub(super) fn exit_after(&self, run: Exit) -> Exit {
        if !matches!(run, Exit::Success | Exit::Incomplete) {
            return run;
        }
        match self {
            Self::Compared(found) if found.has_differences() => Exit::Drift,
            Self::Failed(failure) => failure.exit(),
            Self::Interrupted(signal) => exit_for_signal(*signal),
            Self::NotRequested | Self::LeftOut | Self::Compared(_) => run,
        }
    }

    /// Returns the members `verification` and `verification_error` of the result.
    pub(super) fn members(&self, show_values: bool) -> [(String, Value); 2] {
        let (found, error) = match self {
            Self::NotRequested | Self::LeftOut => (Value::Null, Value::Null),
            Self::Compared(found) => (found.to_json(), Value::Null),
            Self::Failed(failure) => (Value::Null, failure_json(failure, show_values)),
            Self::Interrupted(signal) => {
                let message = format!("interrupted by {} before the comparison was done", signal.name());
                (Value::Null, json!({ "code": "interrupted", "message": message, "hint": HINT }))
            }
        };
        [("verification".to_owned(), found), ("verification_error".to_owned(), error)]
    }

    pub(super) fn print(&self, ui: &Ui) {
        match self {
            Self::NotRequested => {}
            Self::LeftOut => verify::warn_that_it_was_left_out(ui),
            Self::Compared(found) => found.print(ui),
            Self::Failed(failure) => {
                let text = format!("verify: the ledger was not compared with the pool: {failure}");
                ui.error(failure.code(), &text, failure.hint().or(Some(HINT)));
            }
            Self::Interrupted(signal) => ui.warn(
                MessageCode::NotVerified,
                &format!("verify: interrupted by {} before the comparison was done; {HINT}", signal.name()),
            ),
        }
    }
}

const HINT: &str = "run the same command again: it sends nothing for rows that are done, and compares";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_status_of_the_run_comes_first() {
        let usage = || VerifyOutcome::Failed(Failure::Usage(String::new()));
        let interrupted = VerifyOutcome::Interrupted(Signal::Terminate);
        for (outcome, run, expected) in [
            (&VerifyOutcome::NotRequested, Exit::Incomplete, Exit::Incomplete),
            (&VerifyOutcome::LeftOut, Exit::Interrupted, Exit::Interrupted),
            (&VerifyOutcome::Compared(PoolVerification::default()), Exit::Success, Exit::Success),
            (&usage(), Exit::Success, Exit::Usage),
            (&usage(), Exit::Incomplete, Exit::Usage),
            (&usage(), Exit::Bound, Exit::Bound),
            (&interrupted, Exit::Success, Exit::Terminated),
        ] {
            assert_eq!(outcome.exit_after(run), expected, "after {run:?}");
        }
    }

    #[test]
    fn a_result_has_a_comparison_or_why_there_is_none() {
        let [(_, found), (_, error)] = VerifyOutcome::Interrupted(Signal::Interrupt).members(false);
        assert_eq!((found, &error["code"]), (Value::Null, &json!("interrupted")));
        let [(_, found), (_, error)] = VerifyOutcome::Compared(PoolVerification::default()).members(false);
        assert_eq!((&found["row_count"], error), (&json!(0), Value::Null));
    }
}
