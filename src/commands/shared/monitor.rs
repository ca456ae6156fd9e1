//! What watches a run from outside: metrics, copies of its ledger, and hooks at its end.

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

/// The metrics of one run and the copies of its ledger, if any were requested.
pub struct Monitor {
    metrics: Option<RunMetrics>,
    copies: Option<LedgerCopies>,
}

impl Monitor {
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
        Ok(Self { metrics: RunMetrics::start(&args.metrics, run, context).await?, copies })
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
