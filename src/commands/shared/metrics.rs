//! Metrics of a run, for Prometheus: in a file for the textfile collector, and on an address of this machine.

mod exposition;
mod listener;

use std::borrow::Cow;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use clap::Args;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::outputs::place_of;
use super::{CommandContext, Failure, headings};
use crate::clock::{Clock, UnixMs};
use crate::domain::counts::Counts;
use crate::domain::event::{RunEvent, RunObserver, RunSnapshot};
use crate::domain::identity::PoolId;
use crate::domain::run::RunReport;
use crate::exit::Exit;
use crate::input::OutputFile;
use crate::limits::METRICS_FILE_INTERVAL_MS;
use crate::ui::{MessageCode, Ui};
use exposition::exposition;

/// What all names start with.
const PREFIX: &str = "cognito_link";
/// The metric that outlives a run: the next run takes it over from the file.
const LAST_SUCCESS: &str = "last_success_timestamp_seconds";
const STATUS_WHILE_RUNNING: i64 = -1;

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = headings::OUTPUT)]
pub struct MetricsArgs {
    /// File of metrics, for the textfile collector of Prometheus' node exporter; replaced as the run goes on
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub metrics_file: Option<PathBuf>,
    /// Address on which Prometheus finds metrics during the run, such as 127.0.0.1:9464
    #[arg(long, value_name = "ADDRESS", hide_short_help = true)]
    pub metrics_listen: Option<SocketAddr>,
}

/// Which run is watched.
#[derive(Clone, Copy)]
pub struct MonitoredRun<'a> {
    pub command: &'static str,
    pub pool: &'a PoolId,
    pub ledger: &'a Path,
    pub input: &'a Path,
}

type Labels = Vec<(&'static str, &'static str)>;
type Seconds = Gauge<f64, AtomicU64>;

/// The metrics of one run, and where they go.
pub(super) struct RunMetrics {
    registry: Arc<Registry>,
    rows: Family<Labels, Gauge<u64, AtomicU64>>,
    calls: Family<Labels, Counter>,
    throttled: Counter,
    rate: Seconds,
    rows_per_second: Seconds,
    in_flight: Gauge<u64, AtomicU64>,
    rows_total: Gauge<u64, AtomicU64>,
    remaining: Seconds,
    since_accepted: Seconds,
    running: Gauge<u64, AtomicU64>,
    exit_status: Gauge<i64>,
    last_success: Seconds,
    file: Option<PathBuf>,
    clock: Clock,
    ui: Ui,
}

impl RunMetrics {
    /// Checks the place of the file, and writes nothing yet; `None` where nobody wants metrics.
    pub(super) fn prepare(
        args: &MetricsArgs,
        run: MonitoredRun<'_>,
        context: &CommandContext<'_>,
    ) -> Result<Option<Self>, Failure> {
        if args.metrics_file.is_none() && args.metrics_listen.is_none() {
            return Ok(None);
        }
        let previous = args.metrics_file.as_deref().map(|path| check_file(path, run)).transpose()?;
        let metrics = Self::new(args.metrics_file.clone(), run, context);
        metrics.take_over_last_success(&previous.unwrap_or_default());
        Ok(Some(metrics))
    }

    /// Writes the first version of the file and starts to listen.
    pub(super) async fn start(&self, args: &MetricsArgs, context: &CommandContext<'_>) -> Result<(), Failure> {
        let metrics = self;
        metrics.running.set(1);
        if let Some(path) = &metrics.file {
            metrics
                .write_file(path)
                .map_err(|error| Failure::Usage(format!("--metrics-file: cannot write {}: {error}", path.display())))?;
        }
        if let Some(address) = args.metrics_listen {
            listener::start(address, Arc::clone(&metrics.registry), context).await?;
        }
        Ok(())
    }

    fn new(file: Option<PathBuf>, run: MonitoredRun<'_>, context: &CommandContext<'_>) -> Self {
        let labels: [(Cow<'static, str>, Cow<'static, str>); 2] =
            [("pool".into(), run.pool.to_string().into()), ("ledger".into(), run.ledger.display().to_string().into())];
        let mut registry = Registry::with_prefix_and_labels(PREFIX, labels.into_iter());
        let mut metrics = Self {
            registry: Arc::default(),
            rows: Family::default(),
            calls: Family::default(),
            throttled: Counter::default(),
            rate: Seconds::default(),
            rows_per_second: Seconds::default(),
            in_flight: Gauge::default(),
            rows_total: Gauge::default(),
            remaining: Seconds::default(),
            since_accepted: Seconds::default(),
            running: Gauge::default(),
            exit_status: Gauge::default(),
            last_success: Seconds::default(),
            file,
            clock: context.clock,
            ui: context.ui.clone(),
        };
        // What is not known yet, or never was.
        for unknown in [&metrics.remaining, &metrics.since_accepted] {
            unknown.set(f64::NAN);
        }
        metrics.exit_status.set(STATUS_WHILE_RUNNING);
        let info = Family::<Vec<(&'static str, String)>, Gauge>::default();
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let of_run =
            vec![("command", run.command.to_owned()), ("run_id", context.run.to_string()), ("version", version)];
        info.get_or_create(&of_run).set(1);
        registry.register("run_info", "The run that these metrics are of", info);
        registry.register("running", "Whether the run goes on", metrics.running.clone());
        registry.register("rows", "Rows of the input by state, as in the ledger", metrics.rows.clone());
        let help = "Rows of the input without those that the run leaves out, 0 if not known";
        registry.register("input_rows", help, metrics.rows_total.clone());
        registry.register("calls", "Calls sent to the service", metrics.calls.clone());
        registry.register("throttled_calls", "Calls that the service throttled", metrics.throttled.clone());
        registry.register("allowed_calls_per_second", "Rate that is allowed at the moment", metrics.rate.clone());
        registry.register("rows_per_second", "Rows that reach a result", metrics.rows_per_second.clone());
        registry.register("in_flight_calls", "Calls without an answer yet", metrics.in_flight.clone());
        registry.register("remaining_seconds", "Time that the rest takes, NaN if not known", metrics.remaining.clone());
        let help = "Time since the service last accepted a write, NaN if it has not";
        registry.register("since_accepted_call_seconds", help, metrics.since_accepted.clone());
        registry.register("exit_status", "Exit status of the run, -1 while it goes on", metrics.exit_status.clone());
        let help = "When a run last ended with every row in the desired state, 0 for never";
        registry.register(LAST_SUCCESS, help, metrics.last_success.clone());
        metrics.set_counts(&Counts::default());
        metrics.set_calls(0, 0, 0);
        metrics.registry = Arc::new(registry);
        metrics
    }

    pub(super) fn observer<'a>(&'a self, next: Box<dyn RunObserver + Send + 'a>) -> Box<dyn RunObserver + Send + 'a> {
        Box::new(MetricsObserver { metrics: self, next, file_due_at: Duration::ZERO, has_failed: false })
    }

    pub(super) fn finish(&self, report: &RunReport, exit: Exit) {
        self.set_counts(&report.counts);
        self.set_calls(report.writes, report.reads, report.throttled);
        self.end(exit);
    }

    /// The end of a run that has no report: it failed, or had nothing to do. Does nothing after [`RunMetrics::finish`].
    pub(super) fn finish_without_report(&self, exit: Exit) {
        if self.exit_status.get() == STATUS_WHILE_RUNNING {
            self.end(exit);
        }
    }

    fn end(&self, exit: Exit) {
        self.in_flight.set(0);
        self.rate.set(0.0);
        self.rows_per_second.set(0.0);
        self.running.set(0);
        self.exit_status.set(exit.status().into());
        if exit == Exit::Success {
            self.last_success.set(seconds_of(self.clock.unix_ms()));
        }
        if let Some(Err(error)) = self.file.as_deref().map(|path| self.write_file(path)) {
            self.warn(&error);
        }
    }

    /// Takes over when a run of this pool and ledger last succeeded, from the last version of the file.
    fn take_over_last_success(&self, previous: &str) {
        let text = exposition(&self.registry);
        let name = format!("{PREFIX}_{LAST_SUCCESS}{{");
        // The line of this run, whose labels name pool and ledger, up to its number.
        let own = text.lines().find(|line| line.starts_with(&name)).and_then(|line| line.rsplit_once(' '));
        let number =
            own.and_then(|(own, _)| previous.lines().find_map(|line| line.strip_prefix(own)?.trim().parse().ok()));
        if let Some(seconds) = number {
            self.last_success.set(seconds);
        }
    }

    fn update(&self, snapshot: &RunSnapshot) {
        self.set_counts(&snapshot.counts);
        self.set_calls(snapshot.writes, snapshot.reads, snapshot.throttled);
        self.rows_total.set(snapshot.total.unwrap_or_default());
        self.rate.set(snapshot.rate_per_second);
        self.rows_per_second.set(snapshot.done_per_second);
        self.in_flight.set(snapshot.in_flight as u64);
        let or_unknown = |time: Option<Duration>| time.map_or(f64::NAN, |time| time.as_secs_f64());
        self.remaining.set(or_unknown(snapshot.remaining));
        self.since_accepted.set(or_unknown(snapshot.since_accepted));
    }

    fn set_counts(&self, counts: &Counts) {
        // Skipped, repeated and undone rows are among the states, and the sum of the states is what was read.
        for (state, number) in counts.by_name() {
            if !matches!(state, "read" | "skipped" | "repeated" | "undone") {
                self.rows.get_or_create(&vec![("state", state)]).set(number);
            }
        }
    }

    fn set_calls(&self, writes: u64, reads: u64, throttled: u64) {
        for (kind, number) in [("write", writes), ("read", reads)] {
            let counter = self.calls.get_or_create(&vec![("kind", kind)]);
            counter.inc_by(number.saturating_sub(counter.get()));
        }
        self.throttled.inc_by(throttled.saturating_sub(self.throttled.get()));
    }

    /// Replaces the file at once, so that a reader sees one version or the other. The collector is another user.
    fn write_file(&self, path: &Path) -> std::io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new().permissions(permissions()).tempfile_in(folder)?;
        file.write_all(exposition(&self.registry).as_bytes())?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    fn warn(&self, error: &std::io::Error) {
        let path = self.file.as_deref().unwrap_or(Path::new("")).display();
        let text = format!("cannot write the metrics to {path}: {error}; the run is not affected");
        self.ui.warn(MessageCode::MetricsNotWritten, &text);
    }
}

/// Readable for every user: metrics hold numbers only.
fn permissions() -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    std::fs::Permissions::from_mode(0o644)
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of this age are exact")]
fn seconds_of(unix_ms: UnixMs) -> f64 {
    unix_ms as f64 / 1_000.0
}

/// Refuses a path whose content is of other use. Returns the last version of the file.
fn check_file(path: &Path, run: MonitoredRun<'_>) -> Result<String, Failure> {
    OutputFile::check(path)?;
    let needed = [run.ledger, run.input].into_iter().any(|needed| place_of(needed) == place_of(path));
    let last = if path.is_file() { std::fs::read(path).unwrap_or_default() } else { Vec::new() };
    let last = String::from_utf8_lossy(&last).into_owned();
    let is_own = last.starts_with(&format!("# HELP {PREFIX}_"));
    if needed || path.is_dir() || !(last.is_empty() || is_own) {
        let path = path.display();
        return Err(Failure::Usage(format!(
            "--metrics-file would replace {path}, which has no metrics; name another file"
        )));
    }
    Ok(last)
}

struct MetricsObserver<'a> {
    metrics: &'a RunMetrics,
    next: Box<dyn RunObserver + Send + 'a>,
    file_due_at: Duration,
    has_failed: bool,
}

impl RunObserver for MetricsObserver<'_> {
    fn on(&mut self, event: &RunEvent) {
        if let RunEvent::Tick(snapshot) = event {
            self.metrics.update(snapshot);
            if let Some(path) = self.metrics.file.as_deref().filter(|_| snapshot.elapsed >= self.file_due_at) {
                self.file_due_at = snapshot.elapsed + Duration::from_millis(METRICS_FILE_INTERVAL_MS);
                let written = self.metrics.write_file(path);
                if let (Err(error), false) = (&written, self.has_failed) {
                    self.metrics.warn(error);
                }
                self.has_failed = written.is_err();
            }
        }
        self.next.on(event);
    }
}

#[cfg(test)]
mod tests;
