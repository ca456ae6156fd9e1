//! What a run will do and how long it will take, printed before it asks and starts.

use std::time::Duration;

use super::check::CheckedInput;
use crate::clock::UnixMs;
use crate::commands::shared::control::ControlPlan;
use crate::commands::shared::saved_plan::PlanHeader;
use crate::commands::shared::warn_about_missing_providers;
use crate::engine::EngineOptions;
use crate::foresight::preflight::PoolKnowledge;
use crate::limits;
use crate::ui::format::{self, count, counted, duration, rate, timestamp};
use crate::ui::{MessageCode, Ui, escape};

/// Reads of a destination for one row in doubt.
const READS_PER_DOUBT: u64 = limits::SETTLE_WAITS_MS.len() as u64 + 1;

/// Prints what the run will do, how long it will take, and what to know about the pool.
pub(super) fn print_estimate(
    checked: &CheckedInput,
    plan: Option<&PlanHeader>,
    knowledge: &PoolKnowledge,
    options: &EngineOptions,
    (control, now): (&ControlPlan, UnixMs),
    ui: &Ui,
) {
    if let Some(plan) = plan {
        note_plan(plan, ui);
    }
    let schedule = RunSchedule { control, now, reads_per_second: options.reads.expected() };
    note_work(checked, &ExpectedCalls::new(checked, plan), options.writes.expected(), &schedule, ui);
    warn_about_pool(checked, knowledge, ui);
}

/// The calls that a run is expected to make.
struct ExpectedCalls {
    writes: u64,
    reads: u64,
}

impl ExpectedCalls {
    fn new(checked: &CheckedInput, plan: Option<&PlanHeader>) -> Self {
        let to_send = checked.to_send();
        // Rows in doubt are read first: several times where the last run has only just ended.
        let doubt_reads = (checked.in_doubt + checked.invalid_in_doubt) * READS_PER_DOUBT;
        match plan {
            Some(plan) => Self { writes: plan.count("link").min(to_send), reads: doubt_reads },
            None => Self { writes: to_send, reads: doubt_reads + checked.look_ups },
        }
    }

    /// Returns the time of the calls at so many writes per second, closed hours of windows included.
    fn time_at(&self, writes_per_second: f64, schedule: &RunSchedule<'_>) -> Option<Duration> {
        let RunSchedule { control, now, reads_per_second } = *schedule;
        let writing = control.time_of_writes(self.writes, writes_per_second, now)?;
        let reading = match reads_per_second {
            Some(rate) => control.time_of_reads(self.reads, rate, now)?,
            None => Duration::ZERO,
        };
        Some(writing.max(reading)).filter(|time| !time.is_zero())
    }
}

/// When and how fast the calls of a run are made.
struct RunSchedule<'a> {
    control: &'a ControlPlan,
    now: UnixMs,
    reads_per_second: Option<f64>,
}

/// Prints numbers of rows and calls, and the time.
fn note_work(
    checked: &CheckedInput,
    calls: &ExpectedCalls,
    writes_per_second: Option<f64>,
    schedule: &RunSchedule<'_>,
    ui: &Ui,
) {
    let mut parts = vec![format!("{}: {} to process", counted(checked.rows, "row"), count(checked.to_send()))];
    for (number, what) in [
        (checked.in_doubt, "of them in doubt and read first"),
        (checked.invalid_in_doubt, "in doubt and read back although invalid"),
        (checked.done_before - checked.undone, "settled in earlier runs"),
        (checked.undone, "removed by undo and not linked again"),
        (checked.superseded, "superseded by a correction"),
        (checked.invalid, "invalid"),
        (checked.left_out, "left out"),
        (checked.in_other_shards, "in other shards"),
    ] {
        if number > 0 {
            parts.push(format!("{} {what}", count(number)));
        }
    }
    if calls.writes > 0 {
        parts.push(format!("about {}", counted(calls.writes + calls.reads, "call")));
    }
    let within = format::within_windows(schedule.control.has_windows());
    if let Some((per_second, time)) = writes_per_second.and_then(|rate| Some((rate, calls.time_at(rate, schedule)?))) {
        parts.push(format!("about {} at {}{within}", duration(time), rate(per_second)));
    }
    if let Some(time) = calls.time_at(limits::WRITE_QUOTA_PER_SECOND, schedule) {
        parts.push(format!("{} with the full quota of {}", duration(time), rate(limits::WRITE_QUOTA_PER_SECOND)));
    }
    ui.note(MessageCode::Estimate, &parts.join(", "));
}

/// Prints the plan's number of rows by verdict.
fn note_plan(plan: &PlanHeader, ui: &Ui) {
    let (desired, refused): (Vec<_>, Vec<_>) =
        plan.verdicts.iter().partition(|(verdict, _)| ["link", "already_linked"].contains(&verdict.as_str()));
    let verdicts = desired.into_iter().rev().chain(refused);
    let verdicts: Vec<String> = verdicts.map(|(verdict, number)| format!("{} {verdict}", count(*number))).collect();
    ui.note(
        MessageCode::Plan,
        &format!("plan of {}: {}", timestamp(plan.scanned_unix_ms), escape(&verdicts.join(", "))),
    );
}

/// Warns of what the pool's settings mean for the run.
fn warn_about_pool(checked: &CheckedInput, knowledge: &PoolKnowledge, ui: &Ui) {
    warn_about_missing_providers(&knowledge.missing_of(&checked.providers), knowledge, ui);
    if knowledge.facts.has_pre_sign_up_trigger {
        ui.warn(
            MessageCode::PreSignUpTrigger,
            "the pool has a pre-sign-up trigger: it may link people who sign in during the run",
        );
    }
}
