//! `undo`: find the links that a ledger made, look at the pool, then take them back.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;

use super::failure::Failure;
use super::link::note_of;
use crate::clock::Clock;
use crate::domain::event::Observer;
use crate::domain::stop::{Aim, Ended, RunReport, Signal, Stop, StopCause};
use crate::domain::summary::Counts;
use crate::engine::{Context, EngineOptions, Incoming, NextBatch, RowFeed, Services, Witness};
use crate::foresight::preflight::PoolKnowledge;
use crate::ledger::record::{RunId, RunStart, TOOL_VERSION, UNDO_COMMAND};
use crate::ledger::storage::FileSource;
use crate::ledger::{Binding, Found, Ledger, LedgerError, MadeLinks, Opened, Selection};
use crate::limits::READER_BATCH_ROWS;
use crate::pace::Limit;

/// What undo cannot do, in one sentence.
pub const NOT_BROUGHT_BACK: &str = "undo takes links back and nothing else: attributes that sign-ins have written over, deleted profiles and billing \
     stay as they are, and the next sign-in of an unlinked identity makes a new profile";

/// What a run of `undo` is about.
#[derive(Debug, Clone)]
pub struct UndoTask {
    /// Where the ledger is.
    pub ledger_path: PathBuf,
    /// The pool, and whether it is a simulated one.
    pub binding: Binding,
    /// Which of its links.
    pub selection: Selection,
    /// Whether to say only what would be done.
    pub dry_run: bool,
}

/// A ledger with the links in it that are to be taken back.
pub struct Prepared {
    ledger: Ledger,
    links: MadeLinks,
    /// How many they are.
    pub found: Found,
    /// Half a line that a crash had left, and that was cut, in bytes.
    pub cut_bytes: u64,
    /// Rows that `link` left in doubt: whether they are linked is not known, so they are left alone.
    pub links_in_doubt: u64,
}

impl Prepared {
    /// The quota that earlier runs have found by being throttled, in thousandths of a call a second.
    #[must_use]
    pub fn pace_milli(&self) -> Option<u64> {
        self.ledger.pace_milli()
    }
}

impl UndoTask {
    /// Opens the ledger and finds the links. A dry run takes no lock, and leaves the file as it is.
    ///
    /// # Errors
    /// [`Failure::Ledger`] where the ledger is missing, belongs to something else, is held or is damaged.
    pub fn prepare(&self, clock: Clock) -> Result<Prepared, Failure> {
        let path = &self.ledger_path;
        // A ledger is never made here: one that is missing is a slip of the pen.
        let source = FileSource::open(path)?;
        let (ledger, opened) = if self.dry_run {
            (Ledger::as_it_stands(path, &self.binding)?, None)
        } else {
            let (ledger, opened) = Ledger::open(path, &self.binding, clock.unix_ms())?;
            (ledger, Some(opened))
        };
        let (links, found) = MadeLinks::find(Box::new(source), ledger.view(), &self.selection)?;
        let links_in_doubt = ledger.view().counts().in_doubt - found.in_doubt;
        let cut_bytes = opened.map_or(0, |opened: Opened| opened.cut_bytes);
        Ok(Prepared { ledger, links, found, cut_bytes, links_in_doubt })
    }

    /// Takes the links back, the newest first.
    ///
    /// # Errors
    /// [`Failure`] where results cannot be recorded. Everything else that ends a run is in the report.
    pub async fn run(
        &self,
        prepared: Prepared,
        run: UndoRun<'_>,
        signals: &mut mpsc::Receiver<Signal>,
    ) -> Result<RunReport, Failure> {
        let Prepared { mut ledger, links, .. } = prepared;
        let last = ledger.last_run().map(|run| run.start.clone());
        ledger.run_started(&RunStart {
            run: run.id,
            command: UNDO_COMMAND.to_owned(),
            input: last.as_ref().map(|start| start.input.clone()).unwrap_or_default(),
            at: run.clock.unix_ms(),
            tool: TOOL_VERSION.to_owned(),
            limit: run.limit.map(note_of),
            shard: last.and_then(|start| start.shard),
        })?;
        let context = Context {
            pool: self.binding.pool.clone(),
            simulated: self.binding.simulated,
            knowledge: run.knowledge,
            services: run.services,
            ledger: &mut ledger,
            run: run.id,
            options: run.options,
            limits: run.later_limits,
            clock: run.clock,
            observer: run.observer,
            // Not as it is: its own lifetime would have to be that of the ledger here.
            witness: match run.witness {
                Some(witness) => Some(witness),
                None => None,
            },
        };
        let report = crate::engine::run(context, &mut LinkFeed { links }, signals).await?;
        report.counts.balance()?;
        Ok(report)
    }

    /// What is said where there is no link to take back: nothing is sent for it.
    #[must_use]
    pub fn nothing_to_do(&self) -> RunReport {
        RunReport {
            aim: if self.dry_run { Aim::UndoDryRun } else { Aim::Undo },
            pool: self.binding.pool.clone(),
            simulated: self.binding.simulated,
            ended: Ended::Completed,
            counts: Counts::default(),
            not_read: None,
            writes: 0,
            reads: 0,
            throttled: 0,
            missed: None,
            elapsed: Duration::ZERO,
        }
    }
}

/// What a run of `undo` is given.
pub struct UndoRun<'a> {
    /// The run's id in the ledger.
    pub id: RunId,
    /// The service: its half for unlinking, or in a dry run nothing of the writing half.
    pub services: Services,
    /// What is known of the pool.
    pub knowledge: &'a PoolKnowledge,
    /// How to go about it.
    pub options: EngineOptions,
    /// The limit that the pace of the writes is a share of, where it is.
    pub limit: Option<Limit>,
    /// Limits that are read while the run goes on.
    pub later_limits: Option<mpsc::Receiver<Limit>>,
    /// The time.
    pub clock: Clock,
    /// Who is told.
    pub observer: &'a mut dyn Observer,
    /// Who is shown each link.
    pub witness: Option<&'a mut dyn Witness>,
}

/// The links of a ledger as the engine takes them.
struct LinkFeed {
    links: MadeLinks,
}

impl RowFeed for LinkFeed {
    fn next_batch(&mut self) -> NextBatch<'_> {
        Box::pin(async {
            // Calls in flight must get their turn although there is always a link to be had.
            tokio::task::yield_now().await;
            match self.links.next_batch(READER_BATCH_ROWS) {
                Ok(links) if links.is_empty() => None,
                Ok(links) => Some(Ok(links.into_iter().map(Incoming::Made).collect())),
                Err(error) => Some(Err(stop(&error))),
            }
        })
    }
}

fn stop(error: &LedgerError) -> Stop {
    Stop::new(StopCause::LedgerIo, error.to_string())
}

/// The pool that a ledger is about.
///
/// # Errors
/// [`LedgerError`] where the file cannot be read or is no ledger.
pub fn pool_of(ledger: &Path) -> Result<String, LedgerError> {
    Ok(crate::ledger::header(ledger)?.binding.pool.to_string())
}
