//! Any line that is the right JSON, whatever the order, the spaces and the escapes.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::decode::{Undecodable, finding_code, said_of, state_of, unlink_end_of};
use super::{
    EndedAs, FORMAT_VERSION, Header, Intent, InvalidRow, LimitNote, PersonalText, Record, RunEnd, RunId, RunStart,
    Settlement, UnlinkSettlement, Withdrawal,
};
use crate::clock::UnixMs;
use crate::domain::identity::PoolId;
use crate::domain::row::{RowKey, RowNumber};
use crate::domain::shard::Shard;
use crate::domain::summary::Counts;
use crate::ledger::error::Binding;

type Reader = fn(&str) -> Option<Record<'static>>;

pub(super) fn decode(text: &str) -> Result<Record<'static>, Undecodable> {
    // The parser's own messages quote the text, so only the column is kept.
    let value: Value = serde_json::from_str(text).map_err(|error| Undecodable::Json { column: error.column() })?;
    let Value::Object(members) = value else { return Err(Undecodable::Json { column: 0 }) };
    if let Some(version) = members.get("cognito_link_ledger") {
        return header(version.as_u64().ok_or(Undecodable::Member)?, text);
    }
    // An end has a count named `invalid`, so it comes before that; `state` comes last, being no kind by itself.
    let kinds: [(&str, Reader); 7] = [
        ("end", run_end),
        ("run", run_start),
        ("do", intent),
        ("unlink", unlink_settlement),
        ("withdrawn", withdrawal),
        ("invalid", invalid),
        ("state", settlement),
    ];
    let (_, read) = kinds.iter().find(|(name, _)| members.contains_key(*name)).ok_or(Undecodable::UnknownRecord)?;
    read(text).ok_or(Undecodable::Member)
}

/// From the text once more, because a map has already forgotten a member that came twice.
fn typed<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderLine {
    #[serde(rename = "cognito_link_ledger")]
    _version: u64,
    pool: String,
    simulated: bool,
    created: UnixMs,
    tool: String,
}

fn header(version: u64, text: &str) -> Result<Record<'static>, Undecodable> {
    if version != FORMAT_VERSION {
        return Err(Undecodable::Version(version));
    }
    let line: HeaderLine = typed(text).ok_or(Undecodable::Member)?;
    let pool = PoolId::parse(&line.pool).map_err(|_| Undecodable::Member)?;
    let binding = Binding { pool, simulated: line.simulated };
    Ok(Record::Header(Header { binding, created: line.created, tool: line.tool }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RunStartLine {
    run: String,
    command: String,
    input: String,
    t: UnixMs,
    tool: String,
    limit_milli: Option<u64>,
    limit_from: Option<String>,
    shard: Option<String>,
}

fn run_start(text: &str) -> Option<Record<'static>> {
    let line: RunStartLine = typed(text)?;
    let run = RunId::parse(&line.run)?;
    let limit = match (line.limit_milli, line.limit_from) {
        (Some(milli), Some(from)) => Some(LimitNote { milli, from }),
        (None, None) => None,
        _ => return None,
    };
    let shard = match line.shard {
        Some(text) => Some(Shard::parse(&text).ok()?),
        None => None,
    };
    let RunStartLine { command, input, t: at, tool, .. } = line;
    Some(Record::RunStart(RunStart { run, command, input, at, tool, limit, shard }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RunEndLine {
    end: String,
    t: UnixMs,
    ended: String,
    read: u64,
    linked: u64,
    already_linked: u64,
    refused: u64,
    failed: u64,
    in_doubt: u64,
    invalid: u64,
    unprocessed: u64,
    skipped: u64,
    repeated: u64,
    writes: u64,
    reads: u64,
    throttled: u64,
    pace_milli: Option<u64>,
}

fn run_end(text: &str) -> Option<Record<'static>> {
    let line: RunEndLine = typed(text)?;
    let counts = Counts {
        read: line.read,
        linked: line.linked,
        already_linked: line.already_linked,
        refused: line.refused,
        failed: line.failed,
        in_doubt: line.in_doubt,
        invalid: line.invalid,
        unprocessed: line.unprocessed,
        skipped: line.skipped,
        repeated: line.repeated,
        ..Counts::default()
    };
    Some(Record::RunEnd(Box::new(RunEnd {
        run: RunId::parse(&line.end)?,
        at: line.t,
        ended: EndedAs::parse(&line.ended)?,
        counts,
        writes: line.writes,
        reads: line.reads,
        throttled: line.throttled,
        pace_milli: line.pace_milli,
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IntentLine {
    r#do: String,
    key: String,
    row: u64,
    t: UnixMs,
    dp: String,
    dv: String,
    sp: String,
    sa: String,
    sv: String,
}

fn intent(text: &str) -> Option<Record<'static>> {
    let line: IntentLine = typed(text)?;
    let announced = match line.r#do.as_str() {
        "link" => Record::Intent,
        "unlink" => Record::Unlink,
        _ => return None,
    };
    Some(announced(Intent {
        key: RowKey::parse(line.key.as_bytes())?,
        row: RowNumber(line.row),
        at: line.t,
        destination_provider: line.dp.into(),
        destination_value: PersonalText::new(line.dv),
        source_provider: line.sp.into(),
        source_attribute: line.sa.into(),
        source_value: PersonalText::new(line.sv),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WithdrawalLine {
    withdrawn: String,
    row: u64,
    t: UnixMs,
}

fn withdrawal(text: &str) -> Option<Record<'static>> {
    let line: WithdrawalLine = typed(text)?;
    let key = RowKey::parse(line.withdrawn.as_bytes())?;
    Some(Record::Withdrawal(Withdrawal { key, row: RowNumber(line.row), at: line.t }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SettlementLine {
    key: String,
    row: u64,
    state: String,
    t: UnixMs,
    n: u32,
    id: Option<String>,
    code: Option<String>,
    #[serde(default)]
    recovered: bool,
    said: Option<String>,
    message: Option<String>,
}

fn settlement(text: &str) -> Option<Record<'static>> {
    let line: SettlementLine = typed(text)?;
    Some(Record::Settlement(Settlement {
        key: RowKey::parse(line.key.as_bytes())?,
        row: RowNumber(line.row),
        state: state_of(&line.state, line.code.as_deref(), line.recovered)?,
        at: line.t,
        attempts: line.n,
        request_id: line.id.map(Into::into),
        recovered: line.recovered,
        said: said_of(line.said.map(Into::into), line.message.map(Into::into))?,
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UnlinkSettlementLine {
    unlink: String,
    row: u64,
    undo: String,
    t: UnixMs,
    n: u32,
    id: Option<String>,
    code: Option<String>,
    said: Option<String>,
    message: Option<String>,
}

fn unlink_settlement(text: &str) -> Option<Record<'static>> {
    let line: UnlinkSettlementLine = typed(text)?;
    Some(Record::UnlinkSettlement(UnlinkSettlement {
        key: RowKey::parse(line.unlink.as_bytes())?,
        row: RowNumber(line.row),
        ended: unlink_end_of(&line.undo, line.code.as_deref())?,
        at: line.t,
        attempts: line.n,
        request_id: line.id.map(Into::into),
        said: said_of(line.said.map(Into::into), line.message.map(Into::into))?,
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InvalidLine {
    invalid: String,
    row: u64,
    line: u64,
    field: u32,
    column: String,
    t: UnixMs,
}

fn invalid(text: &str) -> Option<Record<'static>> {
    let line: InvalidLine = typed(text)?;
    Some(Record::Invalid(InvalidRow {
        code: finding_code(&line.invalid)?,
        row: RowNumber(line.row),
        line: line.line,
        field: line.field,
        column: line.column.into(),
        at: line.t,
    }))
}
