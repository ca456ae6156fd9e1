//! `link`: check the whole input, look at the pool, then work it off.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::check::{Check, Checked};
use super::failure::{Failure, stop_exit};
use super::feed::{InlineFeed, ThreadedFeed};
use super::guide::Guide;
use crate::clock::Clock;
use crate::domain::event::Observer;
use crate::domain::shard::Shard;
use crate::domain::stop::{Ended, RunReport, Signal};
use crate::engine::{Context, EngineOptions, RowFeed, Services};
use crate::exit::Exit;
use crate::foresight::preflight::PoolKnowledge;
use crate::input::{CrossRowFindings, InputOptions, InputReader, InputSource};
use crate::ledger::record::{LimitNote, RunId, RunStart, TOOL_VERSION};
use crate::ledger::storage::DiscardStorage;
use crate::ledger::{Binding, Ledger, LedgerError, Opened};
use crate::pace::Limit;

/// What a run of `link` is about.
#[derive(Debug, Clone)]
pub struct LinkTask {
    /// The input.
    pub source: InputSource,
    /// The input's path as it was given, for the ledger.
    pub input_path: String,
    /// How to read it.
    pub reading: InputOptions,
    /// The pool, and whether it is a simulated one.
    pub binding: Binding,
    /// Where the ledger is.
    pub ledger_path: PathBuf,
    /// Whether one invalid row stops everything.
    pub strict: bool,
    /// Whether refused rows are attempted again.
    pub retry_refused: bool,
    /// The part of the input that is worked on; `None` for all of it.
    pub shard: Option<Shard>,
}

impl LinkTask {
    /// Looks at the header of the input, and at nothing else.
    ///
    /// # Errors
    /// [`Failure::Input`] where no row could be read.
    pub fn check_header(&self) -> Result<(), Failure> {
        InputReader::new(&self.source, &self.reading)?;
        Ok(())
    }

    /// Opens the ledger of earlier runs, if there is one.
    ///
    /// # Errors
    /// [`Failure::Ledger`] where it belongs to something else, is held or is damaged.
    pub fn open_earlier(&self, clock: Clock) -> Result<Option<(Ledger, Opened)>, Failure> {
        match self.ledger_path.try_exists() {
            Ok(false) => {
                self.probe_folder()?;
                Ok(None)
            }
            _ => Ok(Some(Ledger::open(&self.ledger_path, &self.binding, clock.unix_ms())?)),
        }
    }

    /// Whether a ledger can be made where it shall be: told before anything is read or asked. Leaves nothing behind.
    fn probe_folder(&self) -> Result<(), LedgerError> {
        let folder = self.ledger_path.parent().filter(|folder| !folder.as_os_str().is_empty());
        match tempfile::tempfile_in(folder.unwrap_or(Path::new("."))) {
            Ok(_) => Ok(()),
            Err(error) => Err(LedgerError::Io {
                action: "create",
                place: self.ledger_path.display().to_string(),
                kind: error.kind(),
                detail: error.to_string(),
            }),
        }
    }

    /// Checks the input, and holds it against the ledger of earlier runs. Sends nothing.
    ///
    /// # Errors
    /// [`Failure::Input`] where the input cannot be read, [`Failure::Strict`] for an invalid row where `strict` asks
    /// for that.
    pub fn check(&self, earlier: Option<&Ledger>, observer: &mut dyn Observer) -> Result<Checked, Failure> {
        let check = Check {
            source: &self.source,
            options: &self.reading,
            pool: &self.binding.pool,
            shard: self.shard,
            ledger: earlier,
            retry_refused: self.retry_refused,
        };
        let checked = check.run(observer)?;
        if self.strict && checked.invalid > 0 {
            return Err(Failure::Strict { invalid: checked.invalid, read: checked.rows });
        }
        Ok(checked)
    }

    /// Works the input off.
    ///
    /// # Errors
    /// [`Failure`] where results cannot be recorded. Everything else that ends a run is in the report.
    pub async fn run(
        &self,
        earlier: Option<(Ledger, Opened)>,
        mut run: LinkRun<'_>,
        signals: &mut mpsc::Receiver<Signal>,
    ) -> Result<RunReport, Failure> {
        let mut feed = ThreadedFeed::guided(
            &self.source,
            &self.reading,
            &run.across,
            &self.binding.pool,
            self.shard,
            std::mem::replace(&mut run.guide, Guide::None),
        )?;
        let ledger = match earlier {
            Some((ledger, _)) => ledger,
            None => Ledger::open(&self.ledger_path, &self.binding, run.clock.unix_ms())?.0,
        };
        self.work(&mut feed, ledger, run, "link", signals).await
    }

    /// Works the input off without keeping anything: in the time of `run`'s clock, which may be a virtual one.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn rehearse(&self, run: LinkRun<'_>, signals: &mut mpsc::Receiver<Signal>) -> Result<RunReport, Failure> {
        let mut feed = InlineFeed::start(&self.source, &self.reading, &run.across, &self.binding.pool, self.shard)?;
        let storage = Box::new(DiscardStorage::default());
        let (ledger, _) = Ledger::on_storage(storage, &self.binding, run.clock.unix_ms())?;
        self.work(&mut feed, ledger, run, "link", signals).await
    }

    /// Works off what the feed gives, as a run of this command.
    pub(super) async fn work(
        &self,
        feed: &mut dyn RowFeed,
        mut ledger: Ledger,
        run: LinkRun<'_>,
        command: &str,
        signals: &mut mpsc::Receiver<Signal>,
    ) -> Result<RunReport, Failure> {
        ledger.run_started(&RunStart {
            run: run.id,
            command: command.to_owned(),
            input: self.input_path.clone(),
            at: run.clock.unix_ms(),
            tool: TOOL_VERSION.to_owned(),
            limit: run.limit.map(note_of),
            shard: self.shard,
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
            witness: None,
        };
        let report = crate::engine::run(context, feed, signals).await?;
        report.counts.balance()?;
        Ok(report)
    }
}

/// What a run of `link` is given.
pub struct LinkRun<'a> {
    /// The run's id in the ledger.
    pub id: RunId,
    /// Both halves of the service.
    pub services: Services,
    /// What is known of the pool.
    pub knowledge: &'a PoolKnowledge,
    /// What the checks found out about rows beside one another.
    pub across: Arc<CrossRowFindings>,
    /// What is known of rows before they are looked at.
    pub guide: Guide,
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
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a bounded pace")]
pub(super) fn note_of(limit: Limit) -> LimitNote {
    LimitNote { milli: (limit.per_second * 1_000.0).round() as u64, from: limit.origin.as_str().to_owned() }
}

/// Where the ledger of an input is unless told otherwise: beside it, one for each shard, and others for simulated runs,
/// so that a rehearsal never stands in the way of the real run.
///
/// # Errors
/// [`Failure::Usage`] for standard input, which has no place of its own.
pub fn default_ledger(input: &Path, shard: Option<Shard>, simulated: bool) -> Result<PathBuf, Failure> {
    if input.as_os_str() == "-" {
        return Err(Failure::Usage(
            "the input is stdin, so the ledger has no place of its own: name one with --ledger".into(),
        ));
    }
    let mut path = input.as_os_str().to_owned();
    if let Some(shard) = shard {
        path.push(format!(".shard-{}-of-{}", shard.index(), shard.count()));
    }
    path.push(if simulated { ".simulated.ledger" } else { ".ledger" });
    Ok(PathBuf::from(path))
}

/// The status of a finished run.
#[must_use]
pub fn exit_of(report: &RunReport) -> Exit {
    match &report.ended {
        Ended::Interrupted(Signal::Interrupt) => Exit::Interrupted,
        Ended::Interrupted(Signal::Terminate) => Exit::Terminated,
        Ended::Stopped(stop) => stop_exit(stop.cause),
        Ended::Completed if is_as_wished(report) => Exit::Success,
        Ended::Completed => Exit::Incomplete,
    }
}

fn is_as_wished(RunReport { aim, counts, .. }: &RunReport) -> bool {
    if aim.is_undo() { counts.undone == counts.read } else { counts.all_linked() }
}
