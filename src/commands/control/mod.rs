//! `control`: reports and changes how a live run goes on, over the socket beside its ledger.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::shared::control::ask;
use super::shared::control::wire::{RunState, WireAnswer, WireRequest};
use super::shared::result::result_json;
use super::shared::settings::parse_number;
use super::shared::{CommandContext, Failure};
use crate::domain::run::{StopCause, StopError};
use crate::exit::Exit;
use crate::limits::{RATE_PER_SECOND_MAX, RATE_PER_SECOND_MIN};
use crate::ui::format::chosen_rate;
use crate::ui::{OutputFormat, escape, shell_path};

const EXAMPLE: &str = "Example: cognito-link control pairs.csv.ledger rate 5";

/// Report, pause, resume, slow down or end a live run
///
/// Works on the machine of the run, for the user who started it and for root. The ledger records every change with the
/// user and the time. A run that is killed leaves nothing that stands in the way.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct ControlCommandArgs {
    /// Ledger of the run
    #[arg(value_name = "LEDGER")]
    pub ledger: PathBuf,
    #[command(subcommand)]
    pub request: ControlCommand,
}

#[derive(Debug, Clone, Copy, PartialEq, Subcommand)]
pub enum ControlCommand {
    /// Report rows, rate, time left, and why the run waits
    Status,
    /// Limit the rate to a number of writes per second; `own` goes back to the run's own limit
    Rate {
        #[arg(value_name = "N|own", value_parser = parse_limit)]
        per_second: RateLimit,
    },
    /// Send nothing new until `resume`
    Pause,
    /// Continue after `pause`
    Resume,
    /// Start nothing new, finish what is in flight, and end the run; a rerun resumes
    Drain,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RateLimit {
    PerSecond(f64),
    Own,
}

fn parse_limit(text: &str) -> Result<RateLimit, String> {
    if text == "own" {
        return Ok(RateLimit::Own);
    }
    let bounds = RATE_PER_SECOND_MIN..=RATE_PER_SECOND_MAX;
    parse_number(text, bounds, "own, or a number of writes a second").map(RateLimit::PerSecond)
}

impl ControlCommand {
    fn wire(self) -> WireRequest {
        match self {
            Self::Status => WireRequest::Status,
            Self::Rate { per_second: RateLimit::PerSecond(rate) } => WireRequest::Rate { per_second: Some(rate) },
            Self::Rate { per_second: RateLimit::Own } => WireRequest::Rate { per_second: None },
            Self::Pause => WireRequest::Pause,
            Self::Resume => WireRequest::Resume,
            Self::Drain => WireRequest::Drain,
        }
    }
}

pub fn cmd_control(args: &ControlCommandArgs, context: &CommandContext<'_>) -> Result<Exit, Failure> {
    let ledger = args.ledger.display().to_string();
    let answer = ask(&args.ledger, args.request.wire())
        .map_err(|error| unreachable(format!("the run of {ledger} cannot be reached: {error}")))?;
    match answer {
        Some(WireAnswer::State(state)) => {
            match context.ui.output() {
                OutputFormat::Text => context.ui.print(&state_text(&state, args.request))?,
                OutputFormat::Json => context.ui.json(&state_json(&ledger, &state))?,
            }
            Ok(Exit::Success)
        }
        Some(WireAnswer::Error { error }) => Err(unreachable(format!("the run of {ledger}: {error}"))),
        None if args.ledger.exists() => Err(unreachable(no_run(&args.ledger))),
        None => Err(Failure::Usage(no_run(&args.ledger))),
    }
}

/// Says why no run answers: its ledger is not there, or it has no run at the moment.
fn no_run(ledger: &Path) -> String {
    let name = ledger.display().to_string();
    let near = ["ledger", "simulated.ledger"].map(|ending| format!("{name}.{ending}"));
    let near = near.iter().find(|near| Path::new(near).exists());
    match near {
        Some(near) => format!("{name} is not the ledger of a run; did you mean {}?", shell_path(near)),
        None if ledger.exists() => {
            format!("no run is live on {name}; see how the last one ended: `cognito-link report {}`", shell_path(&name))
        }
        None => format!(
            "ledger {name} not found; a run writes it beside its input, as INPUT.ledger, or where `--ledger` puts it"
        ),
    }
}

fn unreachable(detail: String) -> Failure {
    StopError::new(StopCause::Unreachable, detail).into()
}

fn state_text(state: &RunState, request: ControlCommand) -> String {
    let (command, run) = (escape(&state.command), escape(&state.run));
    // The rate follows a new limit step by step.
    let limit = match request {
        ControlCommand::Rate { per_second: RateLimit::PerSecond(limit) } => {
            format!("limit from now on: {}\n", chosen_rate(limit, lower_rate(state)))
        }
        ControlCommand::Status => state.chosen_rate_per_second.map_or_else(String::new, |limit| {
            format!("limit set with `control`: {}\n", chosen_rate(limit, lower_rate(state)))
        }),
        ControlCommand::Rate { per_second: RateLimit::Own } => "limit from now on: the run's own\n".to_owned(),
        _ => String::new(),
    };
    format!("{limit}{command} run {run} (pid {}): {}\n", state.pid, escape(&state.text))
}

/// Returns the rate that a chosen one comes to, and the code of what keeps it lower.
fn lower_rate(state: &RunState) -> Option<(f64, &str)> {
    state.effective_rate_per_second.zip(state.rate_bound.as_deref())
}

/// Returns the members of a state, for `control` and for `report`.
pub fn state_members(state: &RunState) -> Value {
    json!({
        "pid": state.pid,
        "run_id": state.run,
        "command": state.command,
        "state": state.state,
        "reason": state.reason,
        "rows_done": state.rows_done,
        "rows_total": state.rows_total,
        "in_flight": state.in_flight,
        "rate_per_second": state.rate_per_second,
        "chosen_rate_per_second": state.chosen_rate_per_second,
        "effective_rate_per_second": state.effective_rate_per_second,
        "rate_bound": state.rate_bound,
        "rows_per_second": state.done_per_second,
        "throttled": state.throttled,
        "elapsed_ms": state.elapsed_ms,
        "remaining_ms": state.remaining_ms,
    })
}

fn state_json(ledger: &str, state: &RunState) -> Value {
    let mut result = result_json("run_state", Exit::Success, json!({ "ledger": ledger }));
    if let (Some(members), Value::Object(state)) = (result.as_object_mut(), state_members(state)) {
        members.extend(state);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_or_the_own_one() {
        assert_eq!(parse_limit("own"), Ok(RateLimit::Own));
        assert_eq!(parse_limit("2.5"), Ok(RateLimit::PerSecond(2.5)));
        for bad in ["", "0", "-1", "max", "NaN", "inf"] {
            assert!(parse_limit(bad).is_err(), "{bad}");
        }
    }
}
