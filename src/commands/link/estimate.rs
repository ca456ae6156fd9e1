//! What a run will do and how long it will take, printed before it asks and starts.

use std::time::Duration;

use super::check::CheckedInput;
use crate::commands::shared::saved_plan::PlanHeader;
use crate::commands::shared::warn_about_missing_providers;
use crate::engine::EngineOptions;
use crate::foresight::preflight::PoolKnowledge;
use crate::limits;
use crate::ui::format::{count, counted, duration, rate, timestamp};
use crate::ui::{MessageCode, Ui, escape};

/// Reads of a destination for one row in doubt.
const READS_PER_DOUBT: u64 = limits::SETTLE_WAITS_MS.len() as u64 + 1;

/// Prints what the run will do, how long it will take, and what to know about the pool.
pub(super) fn print_estimate(
    checked: &CheckedInput,
    plan: Option<&PlanHeader>,
    knowledge: &PoolKnowledge,
    options: &EngineOptions,
    ui: &Ui,
) {
    if let Some(plan) = plan {
        note_plan(plan, ui);
    }
    note_work(checked, &ExpectedCalls::new(checked, plan), options, ui);
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

    /// Returns the time of the calls at so many writes per second.
    #[expect(clippy::cast_precision_loss, reason = "a shown figure")]
    fn time_at(&self, writes_per_second: f64, options: &EngineOptions) -> Option<Duration> {
        let writing = self.writes as f64 / writes_per_second;
        let reading = options.reads.expected().map_or(0.0, |reads| self.reads as f64 / reads);
        Duration::try_from_secs_f64(writing.max(reading)).ok().filter(|time| !time.is_zero())
    }
}

/// Prints numbers of rows and calls, and the time.
fn note_work(checked: &CheckedInput, calls: &ExpectedCalls, options: &EngineOptions, ui: &Ui) {
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
    if let Some((per_second, time)) =
        options.writes.expected().and_then(|rate| Some((rate, calls.time_at(rate, options)?)))
    {
        parts.push(format!("about {} at {}", duration(time), rate(per_second)));
    }
    if let Some(time) = calls.time_at(limits::WRITE_QUOTA_PER_SECOND, options) {
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
