//! What watches a run from outside: metrics, copies of its ledger, and hooks at its end.

use std::sync::{Arc, OnceLock};

use clap::{Args, ValueEnum};

use super::hooks::HookArgs;
use super::ledger_copy::{LedgerCopies, LedgerCopyArgs};
use super::metrics::{MetricsArgs, MonitoredRun, RunMetrics};
use super::{CommandContext, Failure, headings};
use crate::domain::event::RunObserver;
use crate::domain::run::RunReport;
use crate::exit::Exit;
use crate::ui::EmbeddedMetrics;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = headings::OUTPUT)]
pub struct MonitorArgs {
    #[command(flatten)]
    pub metrics: MetricsArgs,
    /// Format of metrics to add to the progress events of --log-format json
    #[arg(long = "metrics", value_enum, value_name = "FORMAT", hide_short_help = true)]
    pub embedded: Option<EmbeddedFormat>,
    #[command(flatten)]
    pub hooks: HookArgs,
    #[command(flatten)]
    pub copy: LedgerCopyArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EmbeddedFormat {
    /// `CloudWatch`'s embedded metric format
    Emf,
}

impl MonitorArgs {
    /// Refuses what cannot work together. Every command calls it before it reads anything.
    pub fn check(&self, context: &CommandContext<'_>) -> Result<(), Failure> {
        if self.embedded.is_some() && !context.ui.writes_events() {
            return Err(Failure::Usage("--metrics emf adds to events: pass --log-format json as well".into()));
        }
        Ok(())
    }
}

/// The metrics of the command's run, once it is known which run that is; they outlive a run that fails.
#[derive(Clone, Default)]
pub struct MetricsOfRun(OnceLock<Option<Arc<RunMetrics>>>);

impl MetricsOfRun {
    /// Ends the metrics of a run that has not ended them: it failed, or had nothing to do.
    pub fn finish(&self, exit: Exit) {
        if let Some(Some(metrics)) = self.0.get() {
            metrics.finish_without_report(exit);
        }
    }
}

/// The metrics of one run and the copies of its ledger, if any were requested.
pub struct Monitor {
    metrics: Option<Arc<RunMetrics>>,
    copies: Option<LedgerCopies>,
}

impl Monitor {
    /// Says which run comes, as soon as that is known: from here on its metrics have its end, however it ends.
    pub fn expect(args: &MonitorArgs, run: MonitoredRun<'_>, context: &CommandContext<'_>) -> Result<(), Failure> {
        if context.metrics.0.get().is_none() {
            let metrics = RunMetrics::prepare(&args.metrics, run, context)?.map(Arc::new);
            context.metrics.0.get_or_init(|| metrics);
        }
        Ok(())
    }

    /// Starts to watch. A file or an object that cannot be written, or an address that cannot be listened on, ends the
    /// command here: before anything is sent.
    pub async fn start(
        args: &MonitorArgs,
        run: MonitoredRun<'_>,
        context: &CommandContext<'_>,
    ) -> Result<Self, Failure> {
        if args.embedded.is_some() {
            let (pool, command) = (run.pool.to_string(), run.command.to_owned());
            context.ui.embed_metrics(EmbeddedMetrics { pool, command });
        }
        let copies = LedgerCopies::start(&args.copy, run.ledger, context.ui)?;
        Self::expect(args, run, context)?;
        let metrics = context.metrics.0.get().cloned().flatten();
        if let Some(metrics) = &metrics {
            metrics.start(&args.metrics, context).await?;
        }
        Ok(Self { metrics, copies })
    }

    /// Returns an observer that passes everything on and keeps the metrics.
    pub fn observer<'a>(&'a self, next: Box<dyn RunObserver + Send + 'a>) -> Box<dyn RunObserver + Send + 'a> {
        match &self.metrics {
            Some(metrics) => metrics.observer(next),
            None => next,
        }
    }

    /// Takes the figures of the end, which are those of the ledger, and copies the ledger a last time.
    pub fn finish(&self, report: &RunReport, exit: Exit) {
        if let Some(metrics) = &self.metrics {
            metrics.finish(report, exit);
        }
        if let Some(copies) = &self.copies {
            copies.finish();
        }
    }
}
