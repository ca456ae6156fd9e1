//! What the pool shows against the rows of a run as a whole, in a few reads before the question: settings that break
//! sign-ins, and identities unlike the pool's.

use std::collections::BTreeSet;

use super::canary::{Canary, is_sent};
use crate::commands::shared::pool_findings::{
    WayToAccept, check_sign_ins, difference_with_first_row, known_providers, review_pool, warn_about_missing_sample,
    warn_about_small_sample,
};
use crate::commands::shared::rows::InputRows;
use crate::commands::shared::{CommandContext, Failure};
use crate::domain::doctor::DoctorCheck;
use crate::domain::finding::FindingCode;
use crate::domain::identity::ProviderName;
use crate::domain::row::Row;
use crate::domain::run::{StopCause, StopError};
use crate::domain::state::RetryChoice;
use crate::engine::IncomingRow;
use crate::foresight::preflight::PoolKnowledge;
use crate::foresight::subject_profile::{SubjectComparison, SubjectProfiles, UnlikePool};
use crate::foresight::subject_sample::sample_subjects;
use crate::input::InputOptions;
use crate::ledger::Ledger;
use crate::seed::Rng;
use crate::service::UserDirectory;
use crate::service::app_clients::AppClientReader;
use crate::ui::MessageCode;

/// The pool and the rows of a run, before the question.
pub(super) struct PoolCheck<'a> {
    pub(super) directory: &'a dyn UserDirectory,
    pub(super) app_clients: &'a dyn AppClientReader,
    pub(super) knowledge: &'a PoolKnowledge,
    /// Those of the rows that are to be sent.
    pub(super) providers: &'a BTreeSet<ProviderName>,
    pub(super) options: &'a InputOptions,
    /// How a person accepts an error: with a plan, the run follows no option that the plan was not made with.
    pub(super) way: WayToAccept,
    pub(super) ledger: Option<&'a Ledger>,
    pub(super) retry: RetryChoice,
    pub(super) canary: &'a Canary,
    pub(super) seed: u64,
    pub(super) context: &'a CommandContext<'a>,
}

impl PoolCheck<'_> {
    /// Prints what it finds. Returns reasons for the question; an error that is not allowed ends the command.
    ///
    /// `rows` are all rows of the run; `None` where `validate` has compared them for a plan.
    pub(super) async fn run(&self, rows: Option<InputRows>) -> Result<Vec<String>, Failure> {
        let ui = self.context.ui;
        ui.status("checking the pool's settings");
        let sign_ins = self.sign_ins().await;
        let subjects = if rows.is_some() || !self.canary.is_empty() { self.subjects().await } else { None };
        ui.clear_status();
        let unlike = match (&subjects, rows) {
            (Some(subjects), Some(rows)) if !subjects.says_nothing() => self.compared(subjects, rows)?,
            _ => Vec::new(),
        };
        let reasons = review_pool(&unlike, &sign_ins, self.options, self.way, "link", ui)?;
        if let Some(subjects) = &subjects {
            warn_about_small_sample(subjects, self.providers.iter(), ui);
            self.refuse_unlike_canary(subjects)?;
        }
        Ok(reasons)
    }

    async fn sign_ins(&self) -> Vec<DoctorCheck> {
        let (providers, clock) = (self.providers, self.context.clock);
        check_sign_ins(self.directory, self.app_clients, self.knowledge, providers, self.seed, clock).await
    }

    /// What the identities of the pool look like. Without an answer, a warning says so, and nothing is compared.
    async fn subjects(&self) -> Option<SubjectProfiles> {
        let (facts, known) = (&self.knowledge.facts, known_providers(self.providers, self.knowledge));
        let mut rng = Rng::new(self.seed).fork("subjects");
        match sample_subjects(self.directory, facts, &known, self.context.clock, &mut rng).await {
            Ok(sample) => Some(sample.profiles),
            Err(stop) => {
                warn_about_missing_sample(&stop, self.context.ui);
                None
            }
        }
    }

    /// Compares the rows that the run sends.
    fn compared(&self, subjects: &SubjectProfiles, mut rows: InputRows) -> Result<Vec<UnlikePool>, Failure> {
        let mut comparison = SubjectComparison::new(subjects);
        while let Some(batch) = rows.read_batch() {
            let batch = batch?;
            let sent = batch.iter().filter(|incoming| is_sent(incoming, self.ledger, self.retry));
            sent.filter_map(|incoming| incoming.row()).for_each(|row| add_subject(&mut comparison, row));
        }
        Ok(comparison.finish())
    }

    /// A canary is for values that the service takes and no sign-in brings: here a few identities of the pool are enough.
    fn refuse_unlike_canary(&self, subjects: &SubjectProfiles) -> Result<(), Failure> {
        if self.options.allow.contains(&FindingCode::UnlikePool) {
            return Ok(());
        }
        let mut comparison = SubjectComparison::new(subjects);
        let mut providers = BTreeSet::new();
        for row in self.canary.rows().filter_map(IncomingRow::row) {
            add_subject(&mut comparison, row);
            if row.link.source.attribute().is_subject() {
                providers.insert(row.link.source.provider());
            }
        }
        for provider in providers.into_iter().filter(|provider| !subjects.compares(provider.as_str())) {
            self.context.ui.outcome(MessageCode::ValuesNotCompared, &format!(
                "canary: the pool shows too few identities of {provider} to compare values with; only a sign-in proves \
                 that they are right"
            ));
        }
        let Some(unlike) = comparison.finish().into_iter().min_by_key(|unlike| unlike.first_row) else { return Ok(()) };
        let detail = format!(
            "canary: {}; nothing was sent: map the right column, or {}",
            difference_with_first_row(&unlike),
            self.way.advice(FindingCode::UnlikePool)
        );
        Err(StopError::new(StopCause::Canary, detail).into())
    }
}

fn add_subject(comparison: &mut SubjectComparison<'_>, row: &Row) {
    let source = &row.link.source;
    if source.attribute().is_subject() {
        comparison.add(row.number.0, source.provider().as_str(), source.value().expose());
    }
}
