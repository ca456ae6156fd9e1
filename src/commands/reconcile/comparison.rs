//! The second reading of the file: each row gets its standing in the pool.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use super::input::ReconcileInput;
use super::pool_scan::{FileNeeds, ReconcileScan};
use super::sign_in_traces::SignInTraces;
use crate::clock::UnixMs;
use crate::commands::shared::{Failure, temporary_file_error};
use crate::domain::drift::{DriftCounts, DriftRow, DriftStatus, ExtraLink, Misfire};
use crate::domain::identity::ProviderName;
use crate::domain::outcome::RefusalCode;
use crate::domain::row::{Link, RowKey, RowPlace};
use crate::domain::state::{ResumeAction, RetryChoice, RowState};
use crate::foresight::destination::CorrectionHint;
use crate::foresight::pool_index::PoolIndex;
use crate::foresight::prediction::{PredictedOutcome, PredictionBasis, Predictor};
use crate::foresight::preflight::PoolKnowledge;
use crate::foresight::scan::LookUpMethod;
use crate::foresight::subject_profile::{SubjectComparison, UnlikePool};
use crate::input::{CrossRowFindings, InputReader};
use crate::ledger::{InputPresence, LedgerView};
use crate::service::MappedAttributes;

/// A row or a link, as it is compared.
#[derive(Debug)]
pub enum ComparedItem<'a> {
    /// A row, in the order of the file.
    Row(&'a DriftRow),
    /// A link that only the pool has, after all rows.
    Extra(&'a ExtraLink),
    /// A link that a sign-in did not find, after all extra links.
    Misfire(&'a Misfire),
}

#[derive(Debug, Default)]
pub struct Comparison {
    pub counts: DriftCounts,
    /// Keys of the rows whose link can be made, and of rows in doubt that a run can settle.
    pub(super) picks: HashSet<RowKey>,
    /// Rows that are done in the ledger, and missing in the pool.
    pub(super) undone_by_others: Vec<DriftRow>,
    /// Picked rows that the ledger holds in doubt.
    pub in_doubt: u64,
    /// When the scan began, by our clock.
    pub(super) scan_began: UnixMs,
    pub(super) cross_row: Arc<CrossRowFindings>,
    /// Providers of the identities that a run will link.
    pub(super) providers: BTreeSet<ProviderName>,
    /// How these differ from the identities of the pool.
    pub(super) unlike: Vec<UnlikePool>,
    /// Rows to link with a concern about their user, by concern.
    pub(super) concerns: BTreeMap<&'static str, u64>,
    /// Which rows of the ledger the file has; `None` without a ledger.
    pub(super) presence: Option<InputPresence>,
}

impl Comparison {
    /// Number of rows that a run would process.
    pub fn to_process(&self) -> u64 {
        self.picks.len() as u64
    }
}

impl ReconcileInput {
    /// Compares each row with the scan, then gives the links that only the pool has. `ledger` is that of the run that
    /// follows.
    pub fn compare(
        &self,
        needs: &FileNeeds,
        scan: &mut ReconcileScan,
        knowledge: &PoolKnowledge,
        mapped: BTreeMap<ProviderName, MappedAttributes>,
        ledger: Option<&LedgerView>,
        take: &mut dyn FnMut(ComparedItem<'_>) -> Result<(), Failure>,
    ) -> Result<Comparison, Failure> {
        let extras = scan.take_extras()?;
        let profiles = std::mem::take(&mut scan.subjects);
        let mut subjects = SubjectComparison::new(&profiles);
        let mut traces = std::mem::replace(&mut scan.traces, SignInTraces::new(knowledge.facts.case_sensitive));
        let known = PredictionBasis {
            index: &scan.index,
            pool: knowledge,
            mapped,
            case_differs_allowed: false,
            trust: self.trust,
            look_up: LookUpMethod::Scan,
            has_cut_look_ups: false,
        };
        let mut forecaster = Predictor::new(known);
        let mut comparison = Comparison {
            scan_began: scan.scanned.began,
            cross_row: Arc::clone(&needs.cross_row),
            presence: ledger.map(|view| InputPresence::new(view, self.source.name())),
            ..Comparison::default()
        };
        for record in InputReader::with_cross_row(&self.source, &self.options, &needs.cross_row)? {
            let record = record?;
            if let (Some(presence), Some(view)) = (&mut comparison.presence, ledger) {
                let place = record.link.as_ref().map(RowPlace::of);
                presence.see(view, record.key(&self.binding.pool), place, record.retry_of);
            }
            let compared = match record.link.as_ref().filter(|_| record.is_valid()) {
                None => DriftRow { row: record.number, key: None, standing: DriftStatus::Invalid, hint: None },
                Some(link) => {
                    let key = RowKey::of(&self.binding.pool, link);
                    let forecast = forecaster.predict(key, link, self.choices.username_for(key));
                    let state = ledger.map_or(RowState::Unprocessed, |view| view.state(key));
                    let in_pool = standing(forecast.outcome, link, &scan.index, state);
                    let holder = scan.index.holder(link.source.provider(), link.source.value());
                    if let Some((_, user, held)) = holder.filter(|_| in_pool == DriftStatus::Linked) {
                        let added = traces.add_link(record.number, key, user, held);
                        added.map_err(|error| temporary_file_error(&error))?;
                    }
                    let standing = with_ledger_refusal(in_pool, state, self.retry);
                    let hint = forecast.hint.map(CorrectionHint::as_str);
                    let drift = DriftRow { row: record.number, key: Some(key), standing, hint };
                    let is_new = comparison.pick(&drift, key, forecast.outcome, state);
                    // What the scan is too early for is not sent.
                    let is_done = state.on_resume(RetryChoice::EVERYTHING) == ResumeAction::Skip;
                    if is_new && !(is_done && scan.misses_last_run) {
                        let provider = link.source.provider();
                        if link.source.attribute().is_subject() {
                            subjects.add(record.number.0, provider.as_str(), link.source.value().expose());
                        }
                        if !comparison.providers.contains(provider) {
                            comparison.providers.insert(provider.clone());
                        }
                        for concern in forecast.concerns {
                            *comparison.concerns.entry(concern.as_str()).or_default() += 1;
                        }
                    }
                    drift
                }
            };
            comparison.counts.add(compared.standing);
            take(ComparedItem::Row(&compared))?;
        }
        comparison.unlike = subjects.finish();
        for extra in extras {
            comparison.counts.extra += 1;
            take(ComparedItem::Extra(&extra?))?;
        }
        let mut add_misfire = |misfire: Misfire| {
            let counts = &mut comparison.counts;
            let count = if misfire.verified { &mut counts.misfired } else { &mut counts.misfired_unverified };
            *count += 1;
            take(ComparedItem::Misfire(&misfire))
        };
        comparison.counts.linked_users = traces.finish(&mut add_misfire)?;
        if comparison.counts.balances() {
            Ok(comparison)
        } else {
            Err(Failure::System("the standings of the rows do not add up; this is a bug in cognito-link".into()))
        }
    }
}

/// Returns the standing in the pool as it is. The forecast includes what earlier rows change; a standing does not.
fn standing(verdict: PredictedOutcome, link: &Link, index: &PoolIndex, state: RowState) -> DriftStatus {
    let is_held = index.holder(link.source.provider(), link.source.value()).is_some();
    match verdict {
        PredictedOutcome::AlreadyLinked if is_held => DriftStatus::Linked,
        PredictedOutcome::Link | PredictedOutcome::AlreadyLinked if link.source.attribute().is_subject() => {
            DriftStatus::Missing
        }
        PredictedOutcome::Link | PredictedOutcome::AlreadyLinked => DriftStatus::Unverifiable,
        // The ledger has made this link, and it does not show.
        PredictedOutcome::Refused(RefusalCode::CaseDiffers)
            if !link.source.attribute().is_subject() && state.is_linked_by_this_tool() =>
        {
            DriftStatus::Unverifiable
        }
        PredictedOutcome::Refused(RefusalCode::LinkedElsewhere) if is_held => DriftStatus::Moved,
        PredictedOutcome::Refused(code) => DriftStatus::Blocked(code),
    }
}

/// A scan cannot find every refusal. What the service refused before for such a reason is not sent again in every run.
fn with_ledger_refusal(in_pool: DriftStatus, state: RowState, retry: RetryChoice) -> DriftStatus {
    match (in_pool, state.refusal()) {
        (
            DriftStatus::Missing | DriftStatus::Unverifiable,
            Some(code @ (RefusalCode::AliasExists | RefusalCode::InvalidParameter | RefusalCode::Unrecognised)),
        ) if !retry.has(code) => DriftStatus::Blocked(code),
        _ => in_pool,
    }
}

impl Comparison {
    /// Picks a row that a run has to work on. Returns whether it makes a link.
    fn pick(&mut self, line: &DriftRow, key: RowKey, verdict: PredictedOutcome, state: RowState) -> bool {
        let is_doubtful = state.on_resume(RetryChoice::EVERYTHING) == ResumeAction::Settle
            && matches!(line.standing, DriftStatus::Linked | DriftStatus::Missing | DriftStatus::Unverifiable);
        // A link by an attribute that this ledger has made, or may have made, is not sent again because it is not seen.
        let is_sent = state.on_resume(RetryChoice::EVERYTHING) != ResumeAction::Attempt;
        let can_be_made =
            line.standing == DriftStatus::Missing || line.standing == DriftStatus::Unverifiable && !is_sent;
        let is_new = verdict == PredictedOutcome::Link && can_be_made && self.picks.insert(key);
        self.counts.changes += u64::from(is_new);
        if is_doubtful && (is_new || self.picks.insert(key)) {
            self.in_doubt += 1;
        }
        if is_new && state.on_resume(RetryChoice::EVERYTHING) == ResumeAction::Skip {
            self.undone_by_others.push(line.clone());
        }
        is_new
    }
}
