//! The one loop: it takes rows in, hands calls out, and does what follows from each answer.

mod answers;
mod ending;
mod intake;
mod sending;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::step::Policy;
use super::tally::Tally;
use super::window::Window;
use super::worker::{Done, Services, WritingHalf};
use super::{EngineOptions, RowFeed, Witness};
use crate::clock::{Clock, Instant, sleep_until};
use crate::domain::event::{Event, Observer, Waiting};
use crate::domain::identity::{PoolId, ProviderName};
use crate::domain::stop::{Aim, Ended, RunReport, Signal, Stop, StopCause};
use crate::foresight::preflight::PoolKnowledge;
use crate::ledger::record::RunId;
use crate::ledger::{Ledger, LedgerError};
use crate::limits;
use crate::pace::{Budget, Limit};
use crate::seed::Rng;
use crate::service::skew::Skew;

/// What a run is given.
pub struct Context<'a> {
    /// The pool.
    pub pool: PoolId,
    /// Whether it is a simulated one.
    pub simulated: bool,
    /// What is known of it.
    pub knowledge: &'a PoolKnowledge,
    /// The service; its writing half tells what the run is for.
    pub services: Services,
    /// The open ledger, in which this run has been started.
    pub ledger: &'a mut Ledger,
    /// The run's id in it.
    pub run: RunId,
    /// How to go about it.
    pub options: EngineOptions,
    /// The account's limit, each time that it is read again; `None` where it is not gone by.
    pub limits: Option<mpsc::Receiver<Limit>>,
    /// The time.
    pub clock: Clock,
    /// Who is told.
    pub observer: &'a mut dyn Observer,
    /// Who is shown what became of each link that is to be taken back, values and all; `None` for nobody.
    pub witness: Option<&'a mut dyn Witness>,
}

/// Works the whole input off, or as much as signals, bounds and faults permit.
///
/// # Errors
/// A [`LedgerError`] where results cannot be recorded any more; whatever was announced is then in doubt. Everything
/// else that ends a run is in the report.
pub async fn run(
    context: Context<'_>,
    feed: &mut dyn RowFeed,
    signals: &mut mpsc::Receiver<Signal>,
) -> Result<RunReport, LedgerError> {
    let mut context = context;
    let mut limits = context.limits.take();
    let mut dispatcher = Dispatcher::new(context);
    dispatcher.work(feed, signals, &mut limits).await?;
    dispatcher.end().await
}

struct Dispatcher<'a> {
    pool: PoolId,
    simulated: bool,
    services: Services,
    ledger: &'a mut Ledger,
    run: RunId,
    options: EngineOptions,
    policy: Policy,
    providers: &'a BTreeMap<ProviderName, String>,
    clock: Clock,
    rng: Rng,
    observer: &'a mut dyn Observer,
    witness: Option<&'a mut dyn Witness>,
    aim: Aim,
    window: Window,
    in_flight: JoinSet<Done>,
    writes: Budget,
    reads: Budget,
    skew: Skew,
    tally: Tally,
    feed_ended: bool,
    stopping: Option<Ended>,
    drain_until: Option<Instant>,
    first_signal: Option<(Signal, Instant)>,
    leave_now: bool,
    waiting: Option<Waiting>,
    sync_due: Option<Instant>,
    next_tick: Instant,
    started: Instant,
}

impl<'a> Dispatcher<'a> {
    fn new(context: Context<'a>) -> Self {
        let Context { pool, simulated, knowledge, services, ledger, run, options, clock, observer, witness, .. } =
            context;
        let now = clock.now();
        let aim = match services.writer {
            WritingHalf::Links(_) => Aim::Link,
            WritingHalf::Unlinks(_) => Aim::Undo,
            WritingHalf::Nothing => Aim::UndoDryRun,
        };
        Self {
            pool,
            simulated,
            services,
            ledger,
            run,
            policy: Policy {
                attempts_max: options.attempts_max,
                settle_with: options.settle_with,
                case_sensitive: knowledge.facts.case_sensitive,
            },
            providers: &knowledge.providers,
            clock,
            rng: Rng::new(options.seed).fork("back-off"),
            observer,
            witness,
            aim,
            window: Window::default(),
            in_flight: JoinSet::new(),
            writes: Budget::new(clock, options.writes),
            reads: Budget::new(clock, options.reads),
            skew: knowledge.skew,
            tally: Tally::new(now),
            feed_ended: false,
            stopping: None,
            drain_until: None,
            first_signal: None,
            leave_now: false,
            waiting: None,
            sync_due: None,
            next_tick: now,
            started: now,
            options,
        }
    }

    async fn work(
        &mut self,
        feed: &mut dyn RowFeed,
        signals: &mut mpsc::Receiver<Signal>,
        limits: &mut Option<mpsc::Receiver<Limit>>,
    ) -> Result<(), LedgerError> {
        let mut signals_open = true;
        loop {
            let wake = self.pump()?;
            if self.is_finished() {
                return Ok(());
            }
            tokio::select! {
                biased;
                signal = signals.recv(), if signals_open => match signal {
                    Some(signal) => self.on_signal(signal),
                    None => signals_open = false,
                },
                Some(done) = self.in_flight.join_next() => {
                    self.on_joined(done)?;
                    while let Some(done) = self.in_flight.try_join_next() {
                        self.on_joined(done)?;
                    }
                }
                batch = feed.next_batch(), if self.wants_rows() => match batch {
                    Some(Ok(rows)) => self.take_in(rows)?,
                    Some(Err(stop)) => self.begin_stop(Ended::Stopped(stop)),
                    None => self.feed_ended = true,
                },
                Some(limit) = next_limit(limits) => self.writes.set_limit(limit),
                () = sleep_until(wake) => {}
            }
        }
    }

    /// Does all that can be done now; returns when to look again if nothing happens before.
    fn pump(&mut self) -> Result<Instant, LedgerError> {
        let now = self.clock.now();
        self.check_bounds(now);
        let released = self.window.fire(now);
        self.activate_all(released);
        self.waiting = None;
        let read_slot = self.send_reads();
        let write_slot = self.send_writes()?;
        let sync_due = self.sync_when_due(now)?;
        self.tick(now);
        let wakes = [self.window.next_timer(), read_slot, write_slot, sync_due, self.drain_until];
        Ok(wakes.into_iter().flatten().fold(self.next_tick, Instant::min))
    }

    /// Group sync: the oldest written line waits at most [`limits::SYNC_INTERVAL_MS`].
    fn sync_when_due(&mut self, now: Instant) -> Result<Option<Instant>, LedgerError> {
        self.ledger.flush()?;
        let lines = self.ledger.unsynced_lines();
        if lines == 0 {
            self.sync_due = None;
            return Ok(None);
        }
        let due = *self.sync_due.get_or_insert(now + Duration::from_millis(limits::SYNC_INTERVAL_MS));
        if lines >= limits::SYNC_LINES_MAX || due <= now {
            self.ledger.sync()?;
            self.sync_due = None;
            return Ok(None);
        }
        Ok(Some(due))
    }

    fn tick(&mut self, now: Instant) {
        if now < self.next_tick {
            return;
        }
        self.next_tick = now + Duration::from_millis(limits::PROGRESS_INTERVAL_MS);
        let mut snapshot = self.tally.snapshot(now, self.options.total, self.writes.per_second(), self.waiting);
        snapshot.in_flight = self.in_flight.len();
        snapshot.oldest_throttled = self.window.oldest_throttled().map(|since| now.saturating_duration_since(since));
        self.observer.on(&Event::Tick(Box::new(snapshot)));
    }

    fn check_bounds(&mut self, now: Instant) {
        if self.stopping.is_some() {
            return;
        }
        let stuck = Duration::from_millis(limits::STUCK_MS);
        let stuck_for = self.writes.stuck_for().max(self.reads.stuck_for());
        let detail = if stuck_for.is_some_and(|age| age > stuck) {
            format!(
                "the service has accepted nothing for {} s, at the slowest pace; a rerun goes on from here",
                limits::STUCK_MS / 1_000
            )
        } else if self.options.failures_max.is_some_and(|most| self.tally.failures > most) {
            format!(
                "{} rows failed or are in doubt, over --max-failures; a rerun goes on from here",
                self.tally.failures
            )
        } else if self.options.duration_max.is_some_and(|most| now.saturating_duration_since(self.started) >= most) {
            "--max-duration has passed; a rerun goes on from here".to_owned()
        } else {
            return;
        };
        self.begin_stop(Ended::Stopped(Stop::new(StopCause::Bound, detail)));
    }
}

/// The limit as it was read again; never, where nobody reads it.
async fn next_limit(limits: &mut Option<mpsc::Receiver<Limit>>) -> Option<Limit> {
    match limits {
        Some(limits) => limits.recv().await,
        None => None,
    }
}
