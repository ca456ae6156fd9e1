//! Rows and whole runs for tests and benches: the one place where they are put together.
#![expect(clippy::expect_used, reason = "a test panics where its own setup is wrong")]
#![doc(hidden)]

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::{
    ControlMessage, EngineOptions, IncomingRow, RowBatch, RowBatchFuture, RowSource, RunContext, ServicePorts,
    WritePort, run,
};
use crate::clock::{Clock, sleep, timeout_at};
use crate::domain::event::{IgnoreEvents, RunObserver};
use crate::domain::identity::{AttributeName, Destination, ExternalIdentity, Personal, PoolId, ProviderName};
use crate::domain::row::{Link, Row, RowKey, RowNumber, RowPlace};
use crate::domain::run::{RunReport, Signal};
use crate::domain::state::RetryChoice;
use crate::foresight::preflight::preflight;
use crate::ledger::record::{RunId, RunStart, TOOL_VERSION};
use crate::ledger::storage::MemoryStorage;
use crate::ledger::{Binding, InputPresence, Ledger, LedgerError, LinksToUndo, UndoSelection};
use crate::limits::SIGNALS_WAITING_MAX;
use crate::pace::{Pace, RateQuota};
use crate::seed::Rng;
use crate::service::{IdentityLinker, IdentityUnlinker, UserDirectory};

/// The pool of rows whose pool does not matter.
pub const POOL: &str = "sim-local-1_Testing";

/// A row that links subject `Id{number}x` of `Google` to `destination`.
pub fn row_to(number: u64, destination: Destination) -> Row {
    let provider = ProviderName::parse("Google").expect("a valid name");
    let value = Personal::from_service(&format!("Id{number:06}x"));
    let source = ExternalIdentity::new(provider, AttributeName::subject(), value).expect("a valid identity");
    row_of(POOL, number, Link { destination, source })
}

/// Row `number` with `link`, in a pool.
pub fn row_of(pool: &str, number: u64, link: Link) -> Row {
    let pool = PoolId::parse(pool).expect("a valid pool id");
    Row { number: RowNumber(number), key: RowKey::of(&pool, &link), link }
}

/// What a ledger of a simulated pool is bound to.
pub fn binding(pool: &str) -> Binding {
    Binding::new(PoolId::parse(pool).expect("a valid pool id"), true, None)
}

/// Opens what is on a disk as the ledger of a simulated pool.
pub fn open_ledger(disk: &MemoryStorage, pool: &str, clock: Clock) -> Ledger {
    Ledger::on_storage(Box::new(disk.clone()), &binding(pool), clock.unix_ms()).expect("the ledger is whole").0
}

/// Options for runs over a simulated pool: within its quota, with room for every row to be retried.
pub fn options(seed: u64) -> EngineOptions {
    EngineOptions {
        writes: Pace::at(24.0),
        reads: Pace::at(24.0),
        concurrency: 48,
        attempts_max: 8,
        retry: RetryChoice::UNDONE,
        seed,
        ..EngineOptions::default()
    }
}

impl ServicePorts {
    /// A service that reads and links.
    pub fn linking<S: UserDirectory + IdentityLinker + 'static>(service: Arc<S>) -> Self {
        Self { directory: service.clone(), writer: WritePort::Links(service) }
    }

    /// A service that reads and unlinks.
    pub fn unlinking<S: UserDirectory + IdentityUnlinker + 'static>(service: Arc<S>) -> Self {
        Self { directory: service.clone(), writer: WritePort::Unlinks(service) }
    }
}

/// Rows that are handed out a hundred at a time, or fewer.
#[derive(Debug)]
pub struct RowList {
    rows: std::vec::IntoIter<IncomingRow>,
    batch_rows: usize,
    /// How many of the next batches are of the canary.
    canary_batches: usize,
}

impl RowList {
    pub fn new(rows: impl IntoIterator<Item = IncomingRow>) -> Self {
        Self { rows: rows.into_iter().collect::<Vec<_>>().into_iter(), batch_rows: 100, canary_batches: 0 }
    }

    /// Hands out so many rows at a time.
    pub fn in_batches_of(self, batch_rows: usize) -> Self {
        Self { batch_rows, ..self }
    }

    /// Hands out the first batch as the canary.
    pub fn canary_first(self) -> Self {
        Self { canary_batches: 1, ..self }
    }
}

impl RowSource for RowList {
    fn next_batch(&mut self) -> RowBatchFuture<'_> {
        Box::pin(async {
            tokio::task::yield_now().await;
            let batch: Vec<IncomingRow> = self.rows.by_ref().take(self.batch_rows).collect();
            let is_canary = self.canary_batches > 0;
            self.canary_batches = self.canary_batches.saturating_sub(1);
            if batch.is_empty() { None } else { Some(Ok(RowBatch { rows: batch, is_canary })) }
        })
    }
}

/// The links of a ledger, a few at a time.
struct LedgerLinks(LinksToUndo);

impl RowSource for LedgerLinks {
    fn next_batch(&mut self) -> RowBatchFuture<'_> {
        Box::pin(async {
            tokio::task::yield_now().await;
            let links = self.0.next_batch(7).expect("the ledger is readable");
            let rows: Vec<IncomingRow> = links.into_iter().map(IncomingRow::LedgerLink).collect();
            if rows.is_empty() { None } else { Some(Ok(rows.into())) }
        })
    }
}

/// What a run works on.
enum Work<'a> {
    Rows(Box<dyn RowSource + 'a>),
    Links(UndoSelection),
}

/// A run over a simulated pool, with its ledger in memory.
pub struct EngineRun<'a> {
    disk: &'a MemoryStorage,
    pool: &'a str,
    services: ServicePorts,
    clock: Clock,
    work: Work<'a>,
    options: EngineOptions,
    later_limits: Option<mpsc::Receiver<RateQuota>>,
    observer: Option<&'a mut dyn RunObserver>,
    signal_after: Option<(Duration, Signal)>,
    control: Option<mpsc::Receiver<ControlMessage>>,
    input: Option<TestInput>,
}

/// An input as `link` compares it with its ledger.
struct TestInput {
    path: String,
    /// Each row with the one that it corrects.
    rows: Vec<(Row, Option<RowKey>)>,
}

impl<'a> EngineRun<'a> {
    /// A run without rows; the ledger is what is on the disk.
    pub fn new(disk: &'a MemoryStorage, pool: &'a str, services: ServicePorts, clock: Clock) -> Self {
        let work = Work::Rows(Box::new(RowList::new([])));
        Self {
            disk,
            pool,
            services,
            clock,
            work,
            options: options(1),
            later_limits: None,
            observer: None,
            signal_after: None,
            control: None,
            input: None,
        }
    }

    pub fn rows(self, rows: impl IntoIterator<Item = Row>) -> Self {
        self.source(RowList::new(rows.into_iter().map(IncomingRow::Row)))
    }

    /// Works on the rows of an input as `link` does: rows that are gone or corrected are superseded first. Each row comes
    /// with the key of the row that it corrects.
    pub fn input(self, path: &str, rows: &[(Row, Option<RowKey>)]) -> Self {
        let run = self.rows(rows.iter().map(|(row, _)| row.clone()));
        Self { input: Some(TestInput { path: path.to_owned(), rows: rows.to_vec() }), ..run }
    }

    pub fn source(self, source: impl RowSource + 'a) -> Self {
        Self { work: Work::Rows(Box::new(source)), ..self }
    }

    /// Works on the links of the ledger: an undo.
    pub fn links(self, selection: UndoSelection) -> Self {
        Self { work: Work::Links(selection), ..self }
    }

    pub fn options(self, options: EngineOptions) -> Self {
        Self { options, ..self }
    }

    pub fn later_limits(self, limits: mpsc::Receiver<RateQuota>) -> Self {
        Self { later_limits: Some(limits), ..self }
    }

    pub fn observer(self, observer: &'a mut dyn RunObserver) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// Takes requests from this channel.
    pub fn control(self, requests: mpsc::Receiver<ControlMessage>) -> Self {
        Self { control: Some(requests), ..self }
    }

    /// Sends a signal after this time.
    pub fn signal_after(self, after: Duration, signal: Signal) -> Self {
        Self { signal_after: Some((after, signal)), ..self }
    }

    /// Runs to the end. The run's id in the ledger is the seed.
    pub async fn run(self) -> RunReport {
        self.run_until_crash(Duration::from_hours(24 * 365)).await.expect("a run that is not cut off")
    }

    /// Runs for at most this time; `None` where the run was cut off, as by a crash.
    pub async fn run_until_crash(self, after: Duration) -> Option<RunReport> {
        self.run_on_disk(after).await.expect("the ledger is whole")
    }

    /// As [`Self::run_until_crash`], over a disk that may fail at the opening.
    ///
    /// # Errors
    /// Where the ledger cannot be opened.
    pub async fn run_on_disk(self, after: Duration) -> Result<Option<RunReport>, LedgerError> {
        let seed = self.options.seed;
        let knowledge = preflight(self.services.directory.as_ref(), self.clock, &mut Rng::new(seed))
            .await
            .expect("the pool is there");
        let (mut ledger, _) =
            Ledger::on_storage(Box::new(self.disk.clone()), &binding(self.pool), self.clock.unix_ms())?;
        if let Some(TestInput { path, rows }) = self.input {
            let mut presence = InputPresence::new(ledger.view(), &path);
            for (row, retry_of) in &rows {
                presence.see(ledger.view(), row.key, Some(RowPlace::of(&row.link)), *retry_of);
            }
            let corrections = ledger.corrections(&presence)?;
            let (run, at) = (RunId(seed), self.clock.unix_ms());
            ledger.run_started(&RunStart {
                run,
                command: "link".to_owned(),
                input: path,
                tool: TOOL_VERSION.to_owned(),
                limit: None,
                shard: None,
                rows: None,
                origin: None,
                at,
            })?;
            ledger.record_corrections(&corrections, at)?;
        }
        let mut source: Box<dyn RowSource + 'a> = match self.work {
            Work::Rows(source) => source,
            Work::Links(selection) => {
                let links = LinksToUndo::find(Box::new(self.disk.clone()), ledger.view(), &selection);
                Box::new(LedgerLinks(links.expect("the ledger is readable").0))
            }
        };
        let (signal, mut signals) = mpsc::channel(SIGNALS_WAITING_MAX);
        if let Some((after, what)) = self.signal_after {
            tokio::spawn(async move {
                sleep(after).await;
                signal.send(what).await
            });
        }
        let mut silent = IgnoreEvents;
        let context = RunContext {
            pool: binding(self.pool).pool,
            simulated: true,
            knowledge: &knowledge,
            services: self.services,
            ledger: &mut ledger,
            run: RunId(seed),
            options: self.options,
            later_limits: self.later_limits,
            control: self.control,
            clock: self.clock,
            observer: self.observer.unwrap_or(&mut silent),
            undo_observer: None,
        };
        let deadline = self.clock.now() + after;
        Ok(timeout_at(deadline, run(context, source.as_mut(), &mut signals)).await.ok())
    }
}
