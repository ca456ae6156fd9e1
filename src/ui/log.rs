//! Log lines on stderr, which never interleave with the bar.
//!
//! Only this program's own events are written, and those of the credential chain: the SDK and the HTTP client can log
//! whole requests, and a request holds personal data.

use std::fmt;
use std::io;
use std::sync::Arc;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt, Targets, filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{self as log_format, MakeWriter};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::console::Console;
use super::events::{Event, EventKind, EventLevel};
use super::format::timestamp;
use crate::clock::Clock;
use crate::domain::escape::escape;

/// The environment variable that sets the filter: a level, or `target=level` pairs with commas between them. It wins over
/// `-v` and `-q`.
pub const LOG_FILTER_VARIABLE: &str = "COGNITO_LINK_LOG";
/// Where events may come from, whatever the filter says.
const LOGGED_TARGETS: [&str; 2] = ["cognito_link", "aws_config"];

#[derive(Debug, Clone, Copy)]
pub struct LogOptions<'a> {
    /// How often `-v` was given, less how often `-q`: errors below 0, then warnings, info, debug, and all from 3 on.
    pub verbosity: i8,
    /// The value of [`LOG_FILTER_VARIABLE`], where it is set.
    pub filter: Option<&'a str>,
    pub clock: Clock,
}

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("the filter in COGNITO_LINK_LOG cannot be read: use a level such as debug, or target=level pairs")]
    Filter(#[source] tracing_subscriber::filter::ParseError),
    /// Somebody else has started logging in this process.
    #[error("logging is already set up in this process")]
    AlreadyStarted,
}

/// The log as a subscriber, to be made the process's or a test's own.
pub(super) fn subscriber(
    console: Arc<Console>,
    options: LogOptions<'_>,
) -> Result<impl Subscriber + Send + Sync + use<>, LogError> {
    let given = options.filter.filter(|text| !text.trim().is_empty());
    let directives = given.map_or_else(|| default_directives(options.verbosity), str::to_owned);
    let filter = directives.parse::<Targets>().map_err(LogError::Filter)?.and(filter_fn(may_be_logged));
    let layer = if console.writes_events() {
        EventLayer(console).boxed()
    } else {
        log_format::layer()
            .with_timer(WallTime(options.clock))
            .with_writer(LogWriter { console })
            .with_ansi(false)
            .with_target(false)
            .boxed()
    };
    Ok(tracing_subscriber::registry().with(layer.with_filter(filter)))
}

fn default_directives(verbosity: i8) -> String {
    let level = match verbosity {
        ..0 => "error",
        0 => "warn",
        1 => "info",
        2 => "debug",
        3.. => "trace",
    };
    format!("error,cognito_link={level}")
}

fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    LOGGED_TARGETS.iter().any(|known| metadata.target().split("::").next() == Some(known))
}

struct WallTime(Clock);

impl FormatTime for WallTime {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        writer.write_str(&timestamp(self.0.unix_ms()))
    }
}

/// Writes log lines as events.
struct EventLayer(Arc<Console>);

impl<S: Subscriber> Layer<S> for EventLayer {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let level = match *metadata.level() {
            tracing::Level::ERROR => EventLevel::Error,
            tracing::Level::WARN => EventLevel::Warn,
            tracing::Level::INFO => EventLevel::Info,
            tracing::Level::DEBUG => EventLevel::Debug,
            tracing::Level::TRACE => EventLevel::Trace,
        };
        let mut fields = LogFields::default();
        event.record(&mut fields);
        // This program's own log lines are one word; those of others are sentences.
        let is_word = !fields.message.is_empty() && fields.message.bytes().all(|byte| byte.is_ascii_lowercase());
        let code = if is_word { fields.message.clone() } else { "log".to_owned() };
        let mut line =
            Event::new(level, EventKind::Log, code).with("message", fields.message).with("target", metadata.target());
        line.members.insert("fields".to_owned(), fields.others.into());
        self.0.event(line);
    }
}

/// What a log line says, apart from its place and level.
#[derive(Default)]
struct LogFields {
    message: String,
    others: Map<String, Value>,
}

impl LogFields {
    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        self.others.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for LogFields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.add(field, format!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.add(field, u64::try_from(value).unwrap_or(u64::MAX));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }
}

#[derive(Clone)]
struct LogWriter {
    console: Arc<Console>,
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl io::Write for LogWriter {
    /// Gets a whole event: the formatter writes each in one call.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let text = text.trim_end_matches('\n');
        self.console.line(&escape(text));
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tracing::subscriber::with_default;

    use super::super::testing::Screen;
    use super::*;
    use crate::domain::event::{RunEvent, RunObserver as _};
    use crate::domain::row::{RowKey, RowNumber};
    use crate::domain::state::RowState;

    fn options(verbosity: i8) -> LogOptions<'static> {
        let clock = Clock::starting_at(1_772_352_000_000);
        LogOptions { verbosity, filter: None, clock }
    }

    fn logged(options: LogOptions<'_>, events: impl FnOnce()) -> String {
        logged_on(&Screen::new().quiet(), options, events)
    }

    fn logged_on(screen: &Screen, options: LogOptions<'_>, events: impl FnOnce()) -> String {
        let log = subscriber(Arc::clone(&screen.ui().console), options).unwrap();
        with_default(log, events);
        screen.stderr()
    }

    fn every_level() {
        tracing::error!("e");
        tracing::warn!("w");
        tracing::info!("i");
        tracing::debug!("d");
        tracing::trace!("t");
    }

    fn levels(text: &str) -> String {
        text.lines().filter_map(|line| line.chars().next_back()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn levels_follow_the_flags_and_the_variable_wins() {
        for (verbosity, expected) in [(-1, "e"), (0, "ew"), (1, "ewi"), (2, "ewid"), (3, "ewidt"), (9, "ewidt")] {
            assert_eq!(levels(&logged(options(verbosity), every_level)), expected);
        }
        for (filter, expected) in [("info", "ewi"), ("off", ""), ("cognito_link::ui=trace", "ewidt"), (" ", "ew")] {
            assert_eq!(levels(&logged(LogOptions { filter: Some(filter), ..options(0) }, every_level)), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_in_text_and_in_json() {
        let event = || tracing::warn!(row = 17, code = "timeout", "retr\u{202e}ied");
        assert_eq!(
            logged(options(0), event),
            "2026-03-01T08:00:00.000Z  WARN retr\\u{202e}ied row=17 code=\"timeout\"\n"
        );
        assert_eq!(
            logged_on(&Screen::new().events(), options(0), event),
            concat!(
                r#"{"time":"2026-03-01T08:00:00.000Z","run_id":"00000000000000aa","level":"warn","event":"log","#,
                r#""code":"log","schema_version":1,"message":"retr\u202eied","#,
                r#""target":"cognito_link::ui::log::tests","fields":{"row":17,"code":"timeout"}}"#,
                "\n"
            )
        );
    }

    #[tokio::test(start_paused = true)]
    async fn requests_of_the_sdk_are_never_logged() {
        let everything = LogOptions { filter: Some("trace"), ..options(3) };
        let text = logged(everything, || {
            tracing::error!(target: "aws_smithy_runtime::client::orchestrator", "jane@example.com");
            tracing::trace!(target: "hyper::proto::h1", "jane@example.com");
            tracing::error!(target: "cognito_link_other", "jane@example.com");
            tracing::debug!(target: "aws_config::profile", "loaded");
        });
        assert_eq!(text, "2026-03-01T08:00:00.000Z DEBUG loaded\n");
    }

    #[tokio::test(start_paused = true)]
    async fn events_of_a_run_are_logged_by_number_and_key() {
        let text = logged(options(2), || {
            let mut observer = super::super::observer::EventPrinter::new(Arc::clone(&Screen::new().ui().console));
            let key = RowKey::parse(b"00000000000000000000000000000011").unwrap();
            let number = RowNumber(17);
            observer.on(&RunEvent::Settled { number, key, state: RowState::Linked });
            observer.on(&RunEvent::Settled { number, key, state: RowState::InDoubt });
            let pause = std::time::Duration::from_millis(400);
            observer.on(&RunEvent::Retried { number, attempts: 2, pause, code: "timeout".into() });
            observer.on(&RunEvent::Throttled { number, pause });
        });
        assert_eq!(
            text,
            "2026-03-01T08:00:00.000Z DEBUG settled row=17 key=00000000000000000000000000000011 state=\"in_doubt\"\n\
             2026-03-01T08:00:00.000Z DEBUG retried row=17 attempts=2 pause_ms=400 service_code=\"timeout\"\n\
             2026-03-01T08:00:00.000Z DEBUG throttled row=17 pause_ms=400\n"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_filter_that_cannot_be_read_is_a_fault() {
        let screen = Screen::new();
        let broken = LogOptions { filter: Some("cognito_link=loud=er"), ..options(0) };
        let error = subscriber(Arc::clone(&screen.ui().console), broken).err().unwrap();
        assert!(error.to_string().contains("COGNITO_LINK_LOG"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_bar_steps_aside_for_log_lines() {
        let screen = Screen::new().terminals();
        let ui = screen.ui();
        ui.status("asking the service");
        with_default(subscriber(Arc::clone(&ui.console), options(0)).unwrap(), || tracing::warn!("x"));
        assert_eq!(screen.drawn_at_messages(), [""]);
        assert!(screen.bar().ends_with(" asking the service"), "{}", screen.bar());
    }
}
