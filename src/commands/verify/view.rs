//! How a verified ledger is printed.
//!
//! ```json
//! {"kind":"verify_report","schema_version":1,"ledger":"pairs.csv.ledger","pool":"us-east-1_AbCdEfGhI","simulated":false,
//!  "line_count":0,"run_count":0,"ledger_rows":0,"ledger_head":"64 hexadecimal digits","last_line_at":"2026-03-01T08:00:00.000Z",
//!  "torn_bytes":0,"unended_run":null or {"run_id":"","command":"link","started_at":"2026-03-01T08:00:00.000Z"},
//!  "in_doubt_rows":0,"earlier_head_line":null,
//!  "signature":null or {"principal":"","key":"SHA256:…","ledger_head":"64 hexadecimal digits","line":0},
//!  "inputs":[{"input":"pairs.csv","rows":{"read":0},"unaccounted":0,"missing_rows":[{"row":1,"line":2,"key":""}],
//!             "missing_rows_left_out":0}],
//!  "exit_status":0}
//! ```

use std::io;

use serde_json::{Value, json};

use super::verification::{InputVerification, Verification, VerifiedSignature};
use crate::commands::shared::next_command::page_step;
use crate::commands::shared::result::result_json;
use crate::commands::shared::run_view::{counts_json, joined, simulated_mark};
use crate::exit::Exit;
use crate::limits::FAILURES_SHOWN_MAX;
use crate::ui::format::{count, counted, timestamp};
use crate::ui::{OutputFormat, Ui, escape};

/// Prints what was found, and what to do next. `again` links the rows that the ledger does not have.
pub(super) fn print_verification(found: &Verification, again: &str, exit: Exit, ui: &Ui) -> io::Result<()> {
    match ui.output() {
        OutputFormat::Text => ui.print(&text(found))?,
        OutputFormat::Json => ui.json(&json_of(found, exit))?,
    }
    if found.contents.torn_bytes > 0 {
        ui.hint(
            "a crash or a live run leaves an unfinished last line: verify again when no run is live. The next run cuts it off \
             and settles its row",
        );
    }
    if let Some(run) = found.contents.unended_run.as_ref().filter(|_| found.contents.torn_bytes == 0) {
        ui.hint(&format!(
            "if no run is live, the last one was killed: the next run of `{}` with this ledger continues it, and settles the \
             rows in doubt",
            run.command
        ));
    }
    if !found.has_all_rows() {
        ui.hint(&format!("link the rows that the ledger does not have, then verify again: `{again}`"));
    }
    if exit == Exit::Success
        && let Some(step) = page_step(std::iter::once(found.ledger.as_str()))
    {
        ui.hint(&step);
    }
    Ok(())
}

fn text(found: &Verification) -> String {
    let contents = &found.contents;
    let binding = &contents.header.binding;
    let rows = contents.view.states().count() as u64;
    let state = match contents.torn_bytes {
        0 => "unchanged".to_owned(),
        torn => format!("unchanged up to an unfinished last line of {}, which is not checked", counted(torn, "byte")),
    };
    let mut lines = vec![
        format!("ledger {}: {state}", escape(&found.ledger)),
        format!("pool {}{}", escape(binding.pool.as_str()), simulated_mark(binding.simulated)),
        format!(
            "{}, {}, {}, the last line at {}",
            counted(contents.lines, "line"),
            counted(contents.runs, "run"),
            counted(rows, "row"),
            timestamp(contents.last_at)
        ),
        format!("ledger head {}", contents.head),
    ];
    lines.extend(contents.unended_run.as_ref().map(|run| {
        format!(
            "the last run ({}, started {}) has no end: it was cut short, or still runs",
            escape(&run.command),
            timestamp(run.at)
        )
    }));
    if let in_doubt @ 1.. = found.in_doubt_rows() as u64 {
        lines.push(format!(
            "{} in doubt: a call was sent, and the ledger has no result of it",
            counted(in_doubt, "row")
        ));
    }
    lines.extend(found.line_of_head.map(|line| format!("the head of --head is that of line {}", count(line))));
    lines.extend(found.signature.as_ref().map(|VerifiedSignature { signer, line, .. }| {
        let (principal, key) = (escape(&signer.principal), escape(&signer.key));
        let after = contents.lines.saturating_sub(*line);
        let covered = if after == 0 { "all lines".to_owned() } else { format!("lines 1 to {}", count(*line)) };
        format!("good signature of {covered} by {principal}, key {key}")
    }));
    lines.extend(found.inputs.iter().flat_map(input_lines));
    joined(&lines)
}

fn input_lines(input: &InputVerification) -> Vec<String> {
    let InputVerification { counts, missing, .. } = input;
    let rows = counted(counts.read, "row");
    let name = escape(&input.input);
    if input.unaccounted() == 0 {
        return vec![format!("input {name}: {rows}, all accounted for")];
    }
    let mut lines = vec![format!("input {name}: {rows}, {} not accounted for", count(input.unaccounted()))];
    let shown = missing.iter().take(FAILURES_SHOWN_MAX);
    lines.extend(shown.map(|missing| format!("row {} (line {}) {}", missing.row, missing.line, missing.key)));
    let left_out = input.unaccounted() - missing.len().min(FAILURES_SHOWN_MAX) as u64;
    if left_out > 0 {
        lines.push(format!("and {} more", count(left_out)));
    }
    lines
}

fn json_of(found: &Verification, exit: Exit) -> Value {
    let contents = &found.contents;
    let body = json!({
        "ledger": found.ledger,
        "pool": contents.header.binding.pool.as_str(),
        "simulated": contents.header.binding.simulated,
        "line_count": contents.lines,
        "run_count": contents.runs,
        "ledger_rows": contents.view.states().count(),
        "ledger_head": contents.head.to_string(),
        "last_line_at": timestamp(contents.last_at),
        "torn_bytes": contents.torn_bytes,
        "unended_run": contents.unended_run.as_ref().map(|run| json!({
            "run_id": run.run.to_string(),
            "command": run.command,
            "started_at": timestamp(run.at),
        })),
        "in_doubt_rows": found.in_doubt_rows(),
        "earlier_head_line": found.line_of_head,
        "signature": found.signature.as_ref().map(|VerifiedSignature { signer, head, line }| json!({
            "principal": signer.principal,
            "key": signer.key,
            "ledger_head": head.to_string(),
            "line": line,
        })),
        "inputs": found.inputs.iter().map(input_json).collect::<Vec<_>>(),
    });
    result_json("verify_report", exit, body)
}

fn input_json(input: &InputVerification) -> Value {
    let missing: Vec<Value> = input
        .missing
        .iter()
        .map(|missing| json!({ "row": missing.row.0, "line": missing.line, "key": missing.key.to_string() }))
        .collect();
    json!({
        "input": input.input,
        "rows": counts_json(&input.counts),
        "unaccounted": input.unaccounted(),
        "missing_rows_left_out": input.unaccounted() - missing.len() as u64,
        "missing_rows": missing,
    })
}
