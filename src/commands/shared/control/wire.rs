//! What is said on the control socket of a run: one JSON object each way, on one line.
//!
//! ```json
//! {"command":"status"} or {"command":"rate","per_second":3.5}
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::control::{ControlAction, Hold, RateBound};
use crate::domain::event::{RunSnapshot, WaitReason};
use crate::ledger::record::RunId;
use crate::ui::state_line;

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum WireRequest {
    Status,
    /// Without a number: the run's own limit again.
    Rate {
        per_second: Option<f64>,
    },
    Pause,
    Resume,
    Drain,
}

impl WireRequest {
    pub fn action(self) -> ControlAction {
        match self {
            Self::Status => ControlAction::ReportState,
            Self::Rate { per_second: Some(per_second) } => ControlAction::SetRate(per_second),
            Self::Rate { per_second: None } => ControlAction::ClearRate,
            Self::Pause => ControlAction::Pause,
            Self::Resume => ControlAction::Resume,
            Self::Drain => ControlAction::Drain,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum WireAnswer {
    State(Box<RunState>),
    Error { error: String },
}

/// The state of a run, after what was requested.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunState {
    pub pid: u32,
    pub run: String,
    pub command: String,
    /// `preparing`, `running`, `waiting`, `paused` or `draining`.
    pub state: String,
    /// Why nothing is sent: [`WaitReason::as_str`].
    pub reason: Option<String>,
    pub rows_done: u64,
    pub rows_total: Option<u64>,
    pub in_flight: u64,
    pub rate_per_second: Option<f64>,
    /// The limit that a person has chosen, the rate that it comes to, and what keeps that lower.
    #[serde(default)]
    pub chosen_rate_per_second: Option<f64>,
    #[serde(default)]
    pub effective_rate_per_second: Option<f64>,
    #[serde(default)]
    pub rate_bound: Option<String>,
    pub done_per_second: f64,
    pub throttled: u64,
    pub elapsed_ms: u64,
    pub remaining_ms: Option<u64>,
    /// The same in a line for people.
    pub text: String,
}

impl RunState {
    /// The state of a command before its run, which does what `text` says.
    pub fn of_preparation(run: RunId, command: &str, is_draining: bool, text: String) -> Self {
        let state = if is_draining { "draining" } else { "preparing" };
        let nothing = RunSnapshot { rate_per_second: f64::INFINITY, ..RunSnapshot::default() };
        Self { state: state.to_owned(), text, ..Self::new(run, command, &nothing) }
    }

    pub fn new(run: RunId, command: &str, snapshot: &RunSnapshot) -> Self {
        let state = match snapshot.waiting {
            _ if snapshot.draining => "draining",
            None => "running",
            Some(WaitReason::Held(Hold::Operator | Hold::PauseFile)) => "paused",
            Some(_) => "waiting",
        };
        let reason = snapshot.waiting.filter(|_| !snapshot.draining);
        Self {
            pid: std::process::id(),
            run: run.to_string(),
            command: command.to_owned(),
            state: state.to_owned(),
            reason: reason.map(|reason| reason.as_str().to_owned()),
            rows_done: snapshot.counts.done(),
            rows_total: snapshot.total,
            in_flight: snapshot.in_flight as u64,
            rate_per_second: snapshot.rate_per_second.is_finite().then(|| rounded(snapshot.rate_per_second)),
            chosen_rate_per_second: snapshot.chosen_rate.map(|rate| rounded(rate.per_second)),
            effective_rate_per_second: snapshot
                .chosen_rate
                .map(|rate| rounded(rate.bound.map_or(rate.per_second, RateBound::per_second))),
            rate_bound: snapshot.chosen_rate.and_then(|rate| rate.bound).map(|bound| bound.as_str().to_owned()),
            done_per_second: rounded(snapshot.done_per_second),
            throttled: snapshot.throttled,
            elapsed_ms: milliseconds(snapshot.elapsed),
            remaining_ms: snapshot.remaining.map(milliseconds),
            text: state_line(snapshot),
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Two decimals of a rate.
fn rounded(per_second: f64) -> f64 {
    (per_second * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_small_objects() {
        for (line, request) in [
            (r#"{"command":"status"}"#, WireRequest::Status),
            (r#"{"command":"rate","per_second":3.5}"#, WireRequest::Rate { per_second: Some(3.5) }),
            (r#"{"command":"rate","per_second":null}"#, WireRequest::Rate { per_second: None }),
            (r#"{"command":"drain"}"#, WireRequest::Drain),
        ] {
            assert_eq!(serde_json::to_string(&request).unwrap(), line);
            assert_eq!(serde_json::from_str::<WireRequest>(line).unwrap(), request);
        }
        for bad in ["", "{}", r#"{"command":"stop"}"#, r#"{"command":"rate","per_second":"x"}"#, "status"] {
            assert!(serde_json::from_str::<WireRequest>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_answer_is_a_state_or_an_error() {
        let snapshot = RunSnapshot {
            waiting: Some(WaitReason::Held(Hold::PauseFile)),
            rate_per_second: f64::INFINITY,
            ..RunSnapshot::default()
        };
        let state = RunState::new(RunId(7), "link", &snapshot);
        assert_eq!((state.state.as_str(), state.reason.as_deref()), ("paused", Some("pause_file")));
        assert_eq!(state.rate_per_second, None);
        for answer in [WireAnswer::State(Box::new(state)), WireAnswer::Error { error: "no".to_owned() }] {
            let line = serde_json::to_string(&answer).unwrap();
            assert_eq!(serde_json::from_str::<WireAnswer>(&line).unwrap(), answer);
        }
    }
}
