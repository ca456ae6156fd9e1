//! Events: what `--log-format json` writes in place of lines, one JSON object on each line of stderr.
//!
//! Every event has `time`, `run_id`, `level`, `event`, `code` and `schema_version`; `docs/schemas/event.json` has the rest.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::format::timestamp;
use super::message_code::MessageCode;
use crate::clock::Clock;
use crate::domain::escape::escape_json;
use crate::domain::event::{RunSnapshot, WaitReason};
use crate::domain::finding::{Finding, Severity};

/// The version of every JSON result and event. Members may be added without a new version.
pub const SCHEMA_VERSION: u32 = 1;

/// What all events of a process have in common.
#[derive(Debug, Clone)]
pub struct EventSource {
    run_id: String,
    clock: Clock,
}

impl EventSource {
    pub fn new(run_id: impl Into<String>, clock: Clock) -> Self {
        Self { run_id: run_id.into(), clock }
    }

    pub(super) fn now_unix_ms(&self) -> i64 {
        self.clock.unix_ms()
    }

    /// Returns an event on one line, without its line end.
    pub(super) fn line(&self, event: Event) -> String {
        let mut object = json!({
            "time": timestamp(self.clock.unix_ms()),
            "run_id": self.run_id,
            "level": event.level.as_str(),
            "event": event.kind.as_str(),
            "code": event.code,
            "schema_version": SCHEMA_VERSION,
        });
        if let Some(members) = object.as_object_mut() {
            members.extend(event.members);
        }
        escape_json(&object.to_string()).into_owned()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl EventLevel {
    fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl From<Severity> for EventLevel {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Error => Self::Error,
            Severity::Warning => Self::Warn,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventKind {
    /// The process starts a command.
    Start,
    /// The command has ended.
    Stop,
    Progress,
    /// A note, a warning or a hint.
    Message,
    /// A problem of a row or a header.
    Finding,
    /// What ends a command early.
    Error,
    /// A line of the log, for those who develop or debug.
    Log,
}

impl EventKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Progress => "progress",
            Self::Message => "message",
            Self::Finding => "finding",
            Self::Error => "error",
            Self::Log => "log",
        }
    }
}

/// One event, before it has a time.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) level: EventLevel,
    pub(super) kind: EventKind,
    /// What happened, as a stable word within its kind.
    pub(super) code: String,
    pub(super) members: Map<String, Value>,
}

impl Event {
    pub(super) fn new(level: EventLevel, kind: EventKind, code: impl Into<String>) -> Self {
        Self { level, kind, code: code.into(), members: Map::new() }
    }

    pub(super) fn message(level: EventLevel, code: MessageCode, text: &str) -> Self {
        Self::new(level, EventKind::Message, code.as_str()).with("message", text)
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    pub(super) fn of_finding(finding: &Finding) -> Self {
        Self::new(finding.severity.into(), EventKind::Finding, finding.code.as_str())
            .with("message", finding.message.as_str())
            .with("row", finding.row.map(|row| row.0))
            .with("line", finding.line)
            .with("field", finding.field)
            .with("column", finding.column.as_str())
    }
}

/// The figures of a run, as members of a progress event.
pub(super) fn snapshot_members(snapshot: &RunSnapshot) -> Map<String, Value> {
    let wait = match snapshot.waiting {
        Some(
            WaitReason::CoolDown(pause)
            | WaitReason::Rate(pause)
            | WaitReason::BackOff(pause)
            | WaitReason::Settling(pause),
        ) => Some(pause),
        _ => None,
    };
    let rows: Map<String, Value> =
        snapshot.counts.by_name().into_iter().map(|(name, number)| (name.to_owned(), number.into())).collect();
    let members = json!({
        "rows": rows,
        "rows_total": snapshot.total,
        "writes": snapshot.writes,
        "reads": snapshot.reads,
        "throttled": snapshot.throttled,
        "in_flight": snapshot.in_flight,
        "rate_per_second": snapshot.rate_per_second,
        "rows_per_second": snapshot.done_per_second,
        "remaining_ms": snapshot.remaining.map(milliseconds),
        "since_accepted_ms": snapshot.since_accepted.map(milliseconds),
        "waiting_for": snapshot.waiting.map(WaitReason::as_str),
        "wait_ms": wait.map(milliseconds),
        "oldest_throttled_ms": snapshot.oldest_throttled.map(milliseconds),
        "elapsed_ms": milliseconds(snapshot.elapsed),
    });
    match members {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The embedded metric format of `CloudWatch`: what makes metrics of the numbers of a progress event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedMetrics {
    pub pool: String,
    pub command: String,
}

impl EmbeddedMetrics {
    /// The names of the metrics with their units. Each is a member of the event itself, as the format demands.
    const UNITS: [(&'static str, &'static str); 7] = [
        ("writes", "Count"),
        ("reads", "Count"),
        ("throttled", "Count"),
        ("in_flight", "Count"),
        ("rate_per_second", "Count/Second"),
        ("remaining_ms", "Milliseconds"),
        ("since_accepted_ms", "Milliseconds"),
    ];

    /// Adds to the members of a progress event. A number that is not known yet is no metric.
    pub(super) fn add_to(&self, members: &mut Map<String, Value>, snapshot: &RunSnapshot, now_unix_ms: i64) {
        let mut metrics: Vec<Value> = Self::UNITS
            .into_iter()
            .filter(|(name, _)| members.get(*name).is_some_and(Value::is_number))
            .map(|(name, unit)| json!({ "Name": name, "Unit": unit }))
            .collect();
        for (state, number) in snapshot.counts.by_name() {
            let name = format!("rows_{state}");
            metrics.push(json!({ "Name": name, "Unit": "Count" }));
            members.insert(name, number.into());
        }
        members.insert("pool".to_owned(), self.pool.as_str().into());
        members.insert("command".to_owned(), self.command.as_str().into());
        let directive = json!({ "Namespace": "CognitoLink", "Dimensions": [["pool", "command"]], "Metrics": metrics });
        members.insert("_aws".to_owned(), json!({ "Timestamp": now_unix_ms, "CloudWatchMetrics": [directive] }));
    }
}
