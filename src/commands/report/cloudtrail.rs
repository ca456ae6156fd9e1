//! `report --cloudtrail`: compares the calls of ledgers with those that CloudTrail has, both ways, by request id.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_128;

use crate::clock::UnixMs;
use crate::commands::shared::Failure;
use crate::domain::row::{RowKey, RowNumber};
use crate::input::InputSource;
use crate::ledger::record::{AttemptedCall, LedgerRecord};
use crate::ledger::{LedgerError, read_records};
use crate::limits::{TRAIL_CALLS_SHOWN_MAX, TRAIL_CLOCK_SKEW_MS, TRAIL_FILE_BYTES_MAX, TRAIL_FILES_MAX};
use crate::ui::escape;
use crate::ui::format::{count, counted, timestamp};

/// The names of the two calls in CloudTrail.
const LINK_EVENT: &str = "AdminLinkProviderForUser";
const UNLINK_EVENT: &str = "AdminDisableProviderForUser";
const EVENT_SOURCE: &str = "cognito-idp.amazonaws.com";

fn event_name(call: AttemptedCall) -> &'static str {
    match call {
        AttemptedCall::Link => LINK_EVENT,
        AttemptedCall::Unlink => UNLINK_EVENT,
    }
}

fn call_of(event: &str) -> Option<AttemptedCall> {
    match event {
        LINK_EVENT => Some(AttemptedCall::Link),
        UNLINK_EVENT => Some(AttemptedCall::Unlink),
        _ => None,
    }
}

/// How ledgers and a trail compare.
#[derive(Debug, Default)]
pub(super) struct TrailComparison {
    files: u64,
    /// Calls of the trail for this pool in the time of the runs, each once.
    calls_in_trail: u64,
    /// Answered calls of the ledgers, each once.
    calls_in_ledgers: u64,
    /// Calls that both have.
    matched: u64,
    /// Calls of the trail that were matched by their time with a call of ours whose answer, and so its id, was lost.
    matched_by_time: u64,
    /// The first of the answered calls that the trail lacks.
    not_in_trail: Vec<LedgerCall>,
    not_in_trail_count: u64,
    /// The first of the calls in the trail that the ledgers lack.
    not_in_ledgers: Vec<TrailCall>,
    not_in_ledgers_count: u64,
    /// Calls of the trail in the time of the runs that the ledgers lack, and of which the trail does not show the pool.
    pool_unknown_count: u64,
}

#[derive(Debug)]
struct LedgerCall {
    call: AttemptedCall,
    row: RowNumber,
    key: RowKey,
    request_id: String,
    at: UnixMs,
}

#[derive(Debug, Clone)]
struct TrailCall {
    call: AttemptedCall,
    at: UnixMs,
    request_id: String,
    event_id: String,
    principal: String,
    error_code: String,
}

/// What is known of a request id of the ledgers.
#[derive(Debug, Clone, Copy)]
struct KnownCall {
    /// Whether the ledger says that the service answered this call; older ledgers say it of the last call only.
    is_answered: bool,
    is_in_trail: bool,
}

/// A call that was sent, or may have been, and of which no request id is known.
#[derive(Debug, Clone, Copy)]
struct UnidentifiedCall {
    call: AttemptedCall,
    from: UnixMs,
    to: UnixMs,
}

/// What ledgers say about their calls.
#[derive(Default)]
struct LedgerCalls {
    by_id: HashMap<u128, KnownCall>,
    unidentified: Vec<UnidentifiedCall>,
    /// From the start to the end of each run.
    runs: Vec<(UnixMs, UnixMs)>,
}

impl TrailComparison {
    pub(super) fn differs(&self) -> bool {
        self.not_in_trail_count + self.not_in_ledgers_count > 0
    }

    /// Compares ledgers of a pool with files of a trail; a folder stands for all files below it.
    pub(super) fn of(ledgers: &[PathBuf], pool: &str, trail: &[PathBuf]) -> Result<Self, Failure> {
        let mut calls = LedgerCalls::default();
        for ledger in ledgers {
            calls.read(ledger)?;
        }
        let mut found = Self::default();
        let mut strangers: Vec<TrailCall> = Vec::new();
        let mut seen = HashSet::new();
        for path in files_of(trail)? {
            found.files += 1;
            read_trail(&path, &mut |event| {
                if event.event_source.as_deref().is_some_and(|source| source != EVENT_SOURCE) {
                    return;
                }
                let Some(call) = event.event_name.as_deref().and_then(call_of) else { return };
                let request_id = event.request_id.clone().unwrap_or_default();
                let id = xxh3_128(request_id.as_bytes());
                if let Some(known) = calls.by_id.get_mut(&id) {
                    found.calls_in_trail += u64::from(!known.is_in_trail);
                    found.matched += u64::from(!known.is_in_trail);
                    known.is_in_trail = true;
                    return;
                }
                let Some(at) = event.event_time.as_deref().and_then(parse_time) else { return };
                let in_pool = event.is_in_pool(pool);
                let event_id = event.event_id.clone().unwrap_or_default();
                let is_elsewhere = in_pool == Some(false) || !calls.is_in_a_run(at);
                if is_elsewhere || !seen.insert(xxh3_128(format!("{event_id} {request_id}").as_bytes())) {
                    return;
                }
                if in_pool.is_none() {
                    found.pool_unknown_count += 1;
                } else {
                    found.calls_in_trail += 1;
                    let principal = event.principal();
                    let error_code = event.error_code.unwrap_or_default();
                    strangers.push(TrailCall { call, at, request_id, event_id, principal, error_code });
                }
            })?;
        }
        for stranger in calls.without_lost_answers(strangers, &mut found.matched_by_time) {
            found.not_in_ledgers_count += 1;
            if found.not_in_ledgers.len() < TRAIL_CALLS_SHOWN_MAX {
                found.not_in_ledgers.push(stranger);
            }
        }
        found.calls_in_ledgers = calls.by_id.values().filter(|call| call.is_answered).count() as u64;
        found.not_in_trail_count =
            calls.by_id.values().filter(|call| call.is_answered && !call.is_in_trail).count() as u64;
        if found.not_in_trail_count > 0 {
            found.list_calls_that_the_trail_lacks(ledgers, &calls)?;
        }
        Ok(found)
    }

    /// Reads the ledgers once more, because only hashes of their ids are in memory.
    fn list_calls_that_the_trail_lacks(&mut self, ledgers: &[PathBuf], calls: &LedgerCalls) -> Result<(), LedgerError> {
        for ledger in ledgers {
            read_records(ledger, &mut |record| {
                if let Some((call, true)) = identified_call(&record)
                    && let known = calls.by_id.get(&xxh3_128(call.request_id.as_bytes()))
                    && known.is_some_and(|known| !known.is_in_trail)
                {
                    self.not_in_trail.push(call);
                }
                if self.not_in_trail.len() < TRAIL_CALLS_SHOWN_MAX {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            })?;
        }
        self.not_in_trail.truncate(TRAIL_CALLS_SHOWN_MAX);
        Ok(())
    }

    pub(super) fn text(&self) -> Vec<String> {
        let mut lines = vec![
            format!(
                "CloudTrail, {}: {} of {} calls in the ledgers found, and {} matched by their time",
                counted(self.files, "file"),
                count(self.matched),
                count(self.calls_in_ledgers),
                count(self.matched_by_time)
            ),
            format!("not in CloudTrail: {}", counted(self.not_in_trail_count, "call")),
        ];
        for LedgerCall { call, row, key, request_id, at } in &self.not_in_trail {
            let (name, at) = (event_name(*call), timestamp(*at));
            lines.push(format!("  {at} {name} row {row} key {key} request {}", escape(request_id)));
        }
        lines.extend(and_more(self.not_in_trail_count, self.not_in_trail.len()));
        lines.push(format!("not in the ledgers: {}", counted(self.not_in_ledgers_count, "call")));
        for TrailCall { call, at, request_id, principal, error_code, .. } in &self.not_in_ledgers {
            let (name, at) = (event_name(*call), timestamp(*at));
            let error = if error_code.is_empty() { String::new() } else { format!(" ({})", escape(error_code)) };
            let (request, principal) = (escape(request_id), escape(principal));
            lines.push(format!("  {at} {name}{error} request {request} by {principal}"));
        }
        lines.extend(and_more(self.not_in_ledgers_count, self.not_in_ledgers.len()));
        if self.pool_unknown_count > 0 {
            let calls = counted(self.pool_unknown_count, "call");
            lines.push(format!("not in the ledgers, of a pool that the trail does not show: {calls}"));
        }
        lines
    }

    pub(super) fn json(&self) -> Value {
        let not_in_trail = self.not_in_trail.iter().map(|call| {
            json!({
                "call": event_name(call.call),
                "row": call.row.0,
                "key": call.key.to_string(),
                "request_id": call.request_id,
                "called_at": timestamp(call.at),
            })
        });
        let not_in_ledgers = self.not_in_ledgers.iter().map(|call| {
            json!({
                "call": event_name(call.call),
                "called_at": timestamp(call.at),
                "request_id": call.request_id,
                "event_id": call.event_id,
                "principal": call.principal,
                "service_code": call.error_code,
            })
        });
        json!({
            "files": self.files,
            "calls_in_trail": self.calls_in_trail,
            "calls_in_ledgers": self.calls_in_ledgers,
            "matched": self.matched,
            "matched_by_time": self.matched_by_time,
            "not_in_trail_count": self.not_in_trail_count,
            "not_in_trail": not_in_trail.collect::<Vec<_>>(),
            "not_in_ledgers_count": self.not_in_ledgers_count,
            "not_in_ledgers": not_in_ledgers.collect::<Vec<_>>(),
            "pool_unknown_count": self.pool_unknown_count,
        })
    }
}

fn and_more(all: u64, shown: usize) -> Option<String> {
    let more = all - shown as u64;
    (more > 0).then(|| format!("  and {} more", count(more)))
}

impl LedgerCalls {
    fn read(&mut self, ledger: &Path) -> Result<(), LedgerError> {
        let mut open: HashMap<RowKey, (AttemptedCall, UnixMs)> = HashMap::new();
        let mut last_at = None;
        read_records(ledger, &mut |record| {
            self.note(&record, &mut open, &mut last_at);
            ControlFlow::Continue(())
        })?;
        self.end_run(&mut open, last_at);
        Ok(())
    }

    fn note(
        &mut self,
        record: &LedgerRecord<'_>,
        open: &mut HashMap<RowKey, (AttemptedCall, UnixMs)>,
        last_at: &mut Option<UnixMs>,
    ) {
        if let Some((call, is_answered)) = identified_call(record) {
            let known = KnownCall { is_answered, is_in_trail: false };
            let held = self.by_id.entry(xxh3_128(call.request_id.as_bytes())).or_insert(known);
            held.is_answered |= is_answered;
        }
        match record {
            LedgerRecord::RunStarted(start) => {
                self.end_run(open, *last_at);
                self.runs.push((start.at, start.at));
                *last_at = Some(start.at);
            }
            LedgerRecord::RunEnded(end) => *last_at = Some(end.at),
            LedgerRecord::Announced(call) => {
                open.insert(call.key, (AttemptedCall::Link, call.at));
            }
            LedgerRecord::UnlinkAnnounced(call) => {
                open.insert(call.key, (AttemptedCall::Unlink, call.at));
            }
            LedgerRecord::Withdrawn(row) => {
                open.remove(&row.key);
            }
            LedgerRecord::Attempt(attempt) if attempt.request_id.is_none() => {
                let latency = i64::try_from(attempt.latency_ms).unwrap_or(i64::MAX);
                let to = attempt.at.saturating_add(latency);
                self.unidentified.push(UnidentifiedCall { call: attempt.call, from: attempt.at, to });
            }
            LedgerRecord::Settled(settled) => {
                *last_at = Some(settled.at);
                let is_unnamed = settled.latency_ms.is_some() && settled.request_id.is_none();
                self.end_row(open.remove(&settled.key), settled.at, is_unnamed);
            }
            LedgerRecord::UnlinkSettled(settled) => {
                *last_at = Some(settled.at);
                let is_unnamed = settled.latency_ms.is_some() && settled.request_id.is_none();
                self.end_row(open.remove(&settled.key), settled.at, is_unnamed);
            }
            _ => {}
        }
        if let (Some((_, end)), Some(at)) = (self.runs.last_mut(), *last_at) {
            *end = (*end).max(at);
        }
    }

    /// A success without an id is a call that was sent between its announcement and its result.
    fn end_row(&mut self, open: Option<(AttemptedCall, UnixMs)>, at: UnixMs, is_unnamed: bool) {
        if let Some((call, from)) = open.filter(|_| is_unnamed) {
            self.unidentified.push(UnidentifiedCall { call, from, to: at });
        }
    }

    /// What was announced and has no result when a run ends, or was killed, may have been sent.
    fn end_run(&mut self, open: &mut HashMap<RowKey, (AttemptedCall, UnixMs)>, last_at: Option<UnixMs>) {
        for (_, (call, from)) in open.drain() {
            self.unidentified.push(UnidentifiedCall { call, from, to: last_at.unwrap_or(from).max(from) });
        }
    }

    fn is_in_a_run(&self, at: UnixMs) -> bool {
        self.runs.iter().any(|(start, end)| {
            (start.saturating_sub(TRAIL_CLOCK_SKEW_MS)..=end.saturating_add(TRAIL_CLOCK_SKEW_MS)).contains(&at)
        })
    }

    /// Returns the calls of a trail that no lost answer explains; each lost answer explains one call.
    fn without_lost_answers(&mut self, mut strangers: Vec<TrailCall>, matched: &mut u64) -> Vec<TrailCall> {
        strangers.sort_by_key(|stranger| stranger.at);
        let mut left = Vec::new();
        for call in [AttemptedCall::Link, AttemptedCall::Unlink] {
            let mut lost: Vec<&UnidentifiedCall> = self.unidentified.iter().filter(|lost| lost.call == call).collect();
            lost.sort_by_key(|lost| Reverse(lost.from));
            // The ends of those that may have begun by then, the earliest first.
            let mut ends: BinaryHeap<Reverse<UnixMs>> = BinaryHeap::new();
            for stranger in strangers.iter().filter(|stranger| stranger.call == call) {
                while let Some(begun) = lost.pop_if(|lost| lost.from.saturating_sub(TRAIL_CLOCK_SKEW_MS) <= stranger.at)
                {
                    ends.push(Reverse(begun.to.saturating_add(TRAIL_CLOCK_SKEW_MS)));
                }
                while ends.peek().is_some_and(|Reverse(end)| *end < stranger.at) {
                    ends.pop();
                }
                if ends.pop().is_some() {
                    *matched += 1;
                } else {
                    left.push(stranger.clone());
                }
            }
        }
        left.sort_by_key(|stranger| stranger.at);
        left
    }
}

/// Returns the call of a record with a request id, and whether that call was certainly answered with this id.
fn identified_call(record: &LedgerRecord<'_>) -> Option<(LedgerCall, bool)> {
    let (call, row, key, request_id, at, is_answered) = match record {
        LedgerRecord::Attempt(attempt) => {
            (attempt.call, attempt.row, attempt.key, attempt.request_id.as_deref()?, attempt.at, true)
        }
        LedgerRecord::Settled(settled) => {
            let id = settled.request_id.as_deref()?;
            (AttemptedCall::Link, settled.row, settled.key, id, settled.at, settled.latency_ms.is_some())
        }
        LedgerRecord::UnlinkSettled(settled) => {
            let id = settled.request_id.as_deref()?;
            (AttemptedCall::Unlink, settled.row, settled.key, id, settled.at, settled.latency_ms.is_some())
        }
        _ => return None,
    };
    Some((LedgerCall { call, row, key, request_id: request_id.to_owned(), at }, is_answered))
}

/// One event, or a file of events, of which only what is compared is kept.
#[derive(Debug, Default, Deserialize)]
struct TrailEvent {
    #[serde(rename = "Records")]
    records: Option<Vec<TrailEvent>>,
    /// As `aws cloudtrail lookup-events` prints them.
    #[serde(rename = "Events")]
    events: Option<Vec<LookedUpEvent>>,
    #[serde(rename = "eventName")]
    event_name: Option<String>,
    #[serde(rename = "eventSource")]
    event_source: Option<String>,
    #[serde(rename = "eventTime")]
    event_time: Option<String>,
    #[serde(rename = "eventID")]
    event_id: Option<String>,
    #[serde(rename = "requestID")]
    request_id: Option<String>,
    #[serde(rename = "errorCode")]
    error_code: Option<String>,
    #[serde(rename = "requestParameters")]
    request_parameters: Option<Value>,
    #[serde(rename = "userIdentity")]
    user_identity: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct LookedUpEvent {
    #[serde(rename = "CloudTrailEvent")]
    event: Option<String>,
}

impl TrailEvent {
    /// Whether the call is for this pool; `None` where the trail does not show the pool, as of a call with wrong parameters.
    fn is_in_pool(&self, pool: &str) -> Option<bool> {
        match &self.request_parameters {
            Some(Value::Object(parameters)) => {
                let named = parameters.get("userPoolId").and_then(Value::as_str)?;
                // `HIDDEN_DUE_TO_SECURITY_REASONS` is no pool.
                named.contains('_').then_some(named == pool).filter(|_| !named.starts_with("HIDDEN"))
            }
            // CloudTrail Lake exports them as text: `{userPoolId=…, …}`, or as JSON.
            Some(Value::String(text)) => {
                let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
                let mut words = text.split(|c: char| !is_part(c));
                text.contains("userPoolId").then(|| words.any(|word| word == pool))
            }
            _ => None,
        }
    }

    fn principal(&self) -> String {
        match &self.user_identity {
            Some(Value::Object(identity)) => identity.get("arn").and_then(Value::as_str).unwrap_or_default().to_owned(),
            Some(Value::String(text)) => {
                let arn = text.split(|c: char| c.is_whitespace() || "{},=\"".contains(c));
                arn.into_iter().find(|word| word.starts_with("arn:")).unwrap_or_default().to_owned()
            }
            _ => String::new(),
        }
    }
}

/// Returns the files; of a folder, all below it in the order of their names.
fn files_of(given: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let fault =
        |path: &Path, error: std::io::Error| Failure::Usage(format!("--cloudtrail {}: {error}", path.display()));
    let mut files = Vec::new();
    let mut waiting: Vec<PathBuf> = given.iter().rev().cloned().collect();
    while let Some(path) = waiting.pop() {
        if fs::metadata(&path).map_err(|error| fault(&path, error))?.is_dir() {
            let mut below = Vec::new();
            for entry in fs::read_dir(&path).map_err(|error| fault(&path, error))? {
                below.push(entry.map_err(|error| fault(&path, error))?.path());
            }
            below.sort_by(|one, other| other.cmp(one));
            waiting.append(&mut below);
        } else {
            files.push(path);
        }
        if files.len() + waiting.len() > TRAIL_FILES_MAX {
            return Err(Failure::Usage(format!("--cloudtrail: more than {} files", count(TRAIL_FILES_MAX as u64))));
        }
    }
    Ok(files)
}

/// Shows the events of a file: JSON as a trail delivers it or as `lookup-events` prints it, JSON lines, or the CSV of a
/// query of CloudTrail Lake; plain, gzip or zstd.
fn read_trail(path: &Path, see: &mut dyn FnMut(TrailEvent)) -> Result<(), Failure> {
    let unreadable = |why: String| Failure::Usage(format!("--cloudtrail {}: {why}", path.display()));
    let mut bytes = BufReader::new(InputSource::open(path)?.reader()?.take(TRAIL_FILE_BYTES_MAX));
    let first = loop {
        let waiting = bytes.fill_buf().map_err(|error| unreadable(error.to_string()))?;
        let Some(first) = waiting.first().copied() else { return Ok(()) };
        if !first.is_ascii_whitespace() {
            break first;
        }
        bytes.consume(1);
    };
    let not_a_trail = |error: &dyn std::fmt::Display| {
        unreadable(format!("not an export of CloudTrail: {error}; pass its JSON, or the CSV of CloudTrail Lake"))
    };
    match first {
        b'{' => {
            for document in serde_json::Deserializer::from_reader(bytes).into_iter::<TrailEvent>() {
                show(document.map_err(|error| not_a_trail(&without_values(&error)))?, see)
                    .map_err(|error| not_a_trail(&without_values(&error)))?;
            }
        }
        b'[' => {
            let events: Vec<TrailEvent> =
                serde_json::from_reader(bytes).map_err(|error| not_a_trail(&without_values(&error)))?;
            for event in events {
                show(event, see).map_err(|error| not_a_trail(&without_values(&error)))?;
            }
        }
        _ => read_lake_csv(bytes, see).map_err(|why| not_a_trail(&why))?,
    }
    Ok(())
}

/// Says where JSON is not as expected; the error's own text may quote a value.
fn without_values(error: &serde_json::Error) -> String {
    format!("unexpected JSON at line {}, column {}", error.line(), error.column())
}

fn show(document: TrailEvent, see: &mut dyn FnMut(TrailEvent)) -> serde_json::Result<()> {
    if let Some(records) = document.records {
        return records.into_iter().try_for_each(|record| show(record, see));
    }
    if let Some(events) = document.events {
        for text in events.into_iter().filter_map(|event| event.event) {
            see(serde_json::from_str(&text)?);
        }
        return Ok(());
    }
    see(document);
    Ok(())
}

fn read_lake_csv(bytes: impl Read, see: &mut dyn FnMut(TrailEvent)) -> Result<(), String> {
    let mut reader = csv::Reader::from_reader(bytes);
    let names: Vec<String> =
        reader.headers().map_err(|_| "no header")?.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
    for name in ["eventname", "eventtime", "requestid", "requestparameters"] {
        if !names.iter().any(|held| held == name) {
            return Err(format!("no column {name}"));
        }
    }
    for record in reader.records() {
        let record = record.map_err(|error| match error.position() {
            Some(position) => format!("line {} cannot be read", position.line()),
            None => "a line cannot be read".to_owned(),
        })?;
        let text = |name: &str| {
            let place = names.iter().position(|held| held == name)?;
            record.get(place).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        see(TrailEvent {
            event_name: text("eventname"),
            event_source: text("eventsource"),
            event_time: text("eventtime"),
            event_id: text("eventid"),
            request_id: text("requestid"),
            error_code: text("errorcode"),
            request_parameters: text("requestparameters").map(Value::String),
            user_identity: text("useridentity").map(Value::String),
            ..TrailEvent::default()
        });
    }
    Ok(())
}

/// Reads `2026-03-01T08:00:00Z`, or `2026-03-01 08:00:00.000` as CloudTrail Lake writes it.
fn parse_time(text: &str) -> Option<UnixMs> {
    let text = text.trim().replacen(' ', "T", 1);
    let text = if text.ends_with('Z') { text } else { format!("{text}Z") };
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::explain::{CodeKind, is_explained};

    fn stranger(at: UnixMs) -> TrailCall {
        TrailCall {
            call: AttemptedCall::Link,
            at,
            request_id: at.to_string(),
            event_id: String::new(),
            principal: String::new(),
            error_code: String::new(),
        }
    }

    #[test]
    fn a_lost_answer_explains_one_call_of_its_time() {
        let lost = |from, to| UnidentifiedCall { call: AttemptedCall::Link, from, to };
        let minute = 60_000;
        let mut calls =
            LedgerCalls { unidentified: vec![lost(0, 10), lost(10 * minute, 11 * minute)], ..LedgerCalls::default() };
        let mut matched = 0;
        let strangers = [5, 6, 5 * minute, 12 * minute, 13 * minute].map(stranger);
        let left = calls.without_lost_answers(strangers.to_vec(), &mut matched);
        let left: Vec<UnixMs> = left.iter().map(|stranger| stranger.at).collect();
        assert_eq!((left, matched), (vec![6, 5 * minute, 13 * minute], 2));
    }

    #[test]
    fn exports_of_all_kinds_read_alike() {
        let folder = tempfile::tempdir().unwrap();
        let event = r#"{"eventName":"AdminLinkProviderForUser","eventSource":"cognito-idp.amazonaws.com","eventTime":"2026-03-01T08:00:00Z","eventID":"e","requestID":"r","requestParameters":{"userPoolId":"us-east-1_A","destinationUser":"HIDDEN"},"userIdentity":{"arn":"arn:aws:iam::1:user/x"}}"#;
        let looked_up = serde_json::json!({"Events": [{"CloudTrailEvent": event, "EventName": "x"}]}).to_string();
        let lake = "eventTime,eventName,requestID,eventID,requestParameters,userIdentity\n\
                    2026-03-01 08:00:00.000,AdminLinkProviderForUser,r,e,\"{userPoolId=us-east-1_A, x=1}\",\"{arn=arn:aws:iam::1:user/x}\"\n";
        for content in [
            format!("{{\"Records\":[{event}]}}"),
            format!("\n[{event}]"),
            format!("{event}\n"),
            looked_up,
            lake.to_owned(),
        ] {
            let path = folder.path().join("trail");
            fs::write(&path, &content).unwrap();
            let mut seen = Vec::new();
            read_trail(&path, &mut |event| seen.push(event)).unwrap();
            assert_eq!(seen.len(), 1, "{content}");
            let event = &seen[0];
            assert_eq!(event.event_time.as_deref().and_then(parse_time), Some(1_772_352_000_000), "{content}");
            assert_eq!((event.request_id.as_deref(), event.event_name.as_deref()), (Some("r"), Some(LINK_EVENT)));
            assert_eq!(
                (event.is_in_pool("us-east-1_A"), event.is_in_pool("us-east-1_AB")),
                (Some(true), Some(false)),
                "{content}"
            );
            assert_eq!(event.principal(), "arn:aws:iam::1:user/x");
        }
        for hidden in ["null", r#"{"userPoolId":"HIDDEN_DUE_TO_SECURITY_REASONS"}"#, r#"{"a":1}"#] {
            let content = event.replace(r#"{"userPoolId":"us-east-1_A","destinationUser":"HIDDEN"}"#, hidden);
            let path = folder.path().join("trail");
            fs::write(&path, &content).unwrap();
            let mut pools = Vec::new();
            read_trail(&path, &mut |event| pools.push(event.is_in_pool("us-east-1_A"))).unwrap();
            assert_eq!(pools, [None], "{content}");
        }
        for content in ["{\"Records\":[{\"eventName\":3}]}", "a,b\n1,2\n", "{\"Records\":["] {
            let path = folder.path().join("trail");
            fs::write(&path, content).unwrap();
            let failure = read_trail(&path, &mut |_| ()).unwrap_err();
            assert!(failure.to_string().contains("not an export of CloudTrail"), "{failure}");
        }
    }

    #[test]
    fn each_result_is_explained_under_its_name_in_the_json() {
        let members = TrailComparison::default().json();
        for name in ["matched_by_time", "not_in_trail", "not_in_ledgers"] {
            assert!(members.get(name).is_some() && is_explained(CodeKind::Cloudtrail, name), "{name}");
        }
    }
}
