//! The dry run: what `link` would do with each row, from one reading of the pool.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::billing::list_prices;
use super::split_files::VerdictFiles;
use crate::clock::{Clock, UnixMs};
use crate::commands::shared::choices::Choices;
use crate::commands::shared::control::ControlPlan;
use crate::commands::shared::part::InputPart;
use crate::commands::shared::pool_findings::warn_about_small_sample;
use crate::commands::shared::rows::is_in_shard;
use crate::commands::shared::saved_plan::{PlanHeader, PlanWriter};
use crate::commands::shared::{Failure, OpenPool, input_stop};
use crate::domain::doctor::DoctorCheck;
use crate::domain::event::{RunEvent, RunObserver};
use crate::domain::identity::{Personal, PoolId, ProviderName};
use crate::domain::outcome::RefusalCode;
use crate::domain::report::{PredictedRefusal, PredictionReport};
use crate::domain::row::{Row, RowKey, RowNumber};
use crate::domain::run::StopError;
use crate::domain::shard::Shard;
use crate::foresight::checkup::{Checkup, SignInScope};
use crate::foresight::destination::{CorrectionHint, PoolNaming};
use crate::foresight::pool_index::{PoolIndex, PoolIndexBuilder};
use crate::foresight::pool_index::{RequiredUsers, RequiredUsersBuilder};
use crate::foresight::prediction::{PredictedOutcome, PredictionBasis, Predictor};
use crate::foresight::preflight::{PoolKnowledge, mapped_attributes};
use crate::foresight::scan::{LookUpCost, LookUpFilters, LookUpMethod, UserLookUp};
use crate::foresight::scan::{ScanOptions, ScanResult, first_users, look_up, scan};
use crate::foresight::subject_profile::{SubjectComparison, SubjectProfiles, UnlikePool};
use crate::foresight::subject_sample::{SubjectSample, sample_subjects};
use crate::foresight::trust::TrustPolicy;
use crate::input::{CrossRowFindings, InputError, InputOptions, InputReader, InputRecord, InputSource};
use crate::limits::{APP_CLIENTS_READ_MAX, CANDIDATES_SHOWN_MAX, MAPPINGS_READ_MAX, PROVIDERS_PER_POOL_MAX};
use crate::seed::Rng;
use crate::service::{MappedAttributes, PoolUser};
use crate::ui::Ui;

/// An input, and the pool that it is compared with.
pub(super) struct ForecastInput<'a> {
    pub(super) source: &'a InputSource,
    pub(super) options: &'a InputOptions,
    /// What the comparison of rows has found.
    pub(super) cross_row: &'a Arc<CrossRowFindings>,
    pub(super) pool: &'a PoolId,
    /// The rows to forecast; the others are only checked.
    pub(super) part: &'a ForecastPart,
}

/// The part of an input that a dry run of `link` forecasts: what `link` would work on with the same options.
#[derive(Debug, Clone, Default)]
pub struct ForecastPart {
    pub shard: Option<Shard>,
    pub rows: InputPart,
}

impl ForecastPart {
    /// Returns the row of a record, if it is valid and in the part. The reader has read it last.
    fn row_of(&self, record: &InputRecord, reader: &InputReader, pool: &PoolId) -> Option<Row> {
        let link = record.link.clone().filter(|_| record.is_valid())?;
        let is_in = is_in_shard(self.shard, record) && self.rows.has_row(record.number, reader);
        is_in.then(|| Row { number: record.number, key: RowKey::of(pool, &link), link })
    }
}

/// What the rows of an input need of the pool.
struct InputNeeds {
    /// The users that rows name.
    users: RequiredUsers,
    providers: BTreeSet<ProviderName>,
    /// Providers with an identity that is named by another attribute than the subject.
    by_attribute: BTreeSet<ProviderName>,
}

pub(super) struct PoolSample {
    index: PoolIndex,
    /// What the identities of the pool look like: of all users, or of a sample.
    subjects: SubjectProfiles,
    mapped: BTreeMap<ProviderName, MappedAttributes>,
    pub(super) sign_ins: Vec<DoctorCheck>,
    /// The providers of rows that the pool does not have.
    pub(super) missing_providers: BTreeSet<ProviderName>,
    /// Why there is no sample of identities.
    pub(super) sample_stop: Option<StopError>,
    pub(super) look_up: LookUpMethod,
    /// The number of reads of either way.
    pub(super) cost: LookUpCost,
    pub(super) scanned: ScanResult,
}

impl PoolSample {
    /// Says where the pool shows too few identities of a provider of the input for an error.
    pub(super) fn warn_if_small(&self, ui: &Ui) {
        warn_about_small_sample(&self.subjects, self.mapped.keys(), ui);
    }
}

/// Where forecasts go, besides being counted.
pub(super) struct ForecastOutput<'a> {
    /// Takes each row that `link` would refuse.
    pub(super) refused: &'a mut dyn FnMut(&PredictedRefusal),
    /// Masks a personal value as the options say.
    pub(super) shown: &'a dyn Fn(&Personal) -> String,
    pub(super) split: Option<&'a Path>,
    pub(super) plan: Option<&'a Path>,
}

pub(super) struct InputForecast {
    pub(super) report: PredictionReport,
    /// Rows of the shard, also those that are invalid or in no part.
    pub(super) rows_of_shard: u64,
    /// Rows for which `choices.csv` asks for a choice.
    pub(super) choices_needed: u64,
    /// Whether a finding about the pool forbids the links.
    pub(super) has_pool_error: bool,
    /// The plan, still without its header.
    plan: Option<PlanWriter>,
}

impl ForecastInput<'_> {
    fn rows(&self) -> Result<impl Iterator<Item = Result<Row, InputError>> + Send + use<'_>, InputError> {
        let mut reader = InputReader::with_cross_row(self.source, self.options, self.cross_row)?;
        let next = move || {
            loop {
                match reader.next()? {
                    Ok(record) => {
                        if let Some(row) = self.part.row_of(&record, &reader, self.pool) {
                            return Some(Ok(row));
                        }
                    }
                    Err(error) => return Some(Err(error)),
                }
            }
        };
        Ok(std::iter::from_fn(next))
    }

    /// Returns the number of the row at which a limit is reached; `None` where there are fewer rows than that.
    pub(super) fn end_of_part(&self, limit: u64) -> Result<Option<RowNumber>, Failure> {
        let Some(before) = limit.checked_sub(1) else { return Ok(Some(RowNumber(0))) };
        let last = self.rows()?.nth(usize::try_from(before).unwrap_or(usize::MAX));
        Ok(last.transpose()?.map(|row| row.number))
    }

    /// Reads the input for what its rows need of the pool, then as much of the pool: all users, or by filters where that
    /// is cheaper or given.
    pub(super) async fn read_pool(
        &self,
        given: Option<LookUpMethod>,
        OpenPool { directory, app_clients, knowledge, .. }: &OpenPool,
        options: ScanOptions,
        clock: Clock,
        observer: &mut (dyn RunObserver + Send),
    ) -> Result<PoolSample, Failure> {
        let (pool_directory, directory) = (Arc::clone(directory), Arc::clone(directory));
        let InputNeeds { users: required, mut providers, mut by_attribute } = self.needs()?;
        let missing_providers = knowledge.missing_of(&providers);
        by_attribute.retain(|provider| knowledge.providers.contains_key(provider));
        providers.retain(|provider| knowledge.providers.contains_key(provider));
        let of_input = providers.clone();
        let mut rng = Rng::new(options.seed).fork("mapping");
        let mapped = mapped_attributes(directory.as_ref(), clock, &mut rng, &by_attribute).await?;
        let mut rng = Rng::new(options.seed).fork("sign-ins");
        let mut checkup = Checkup::new(clock, &mut rng);
        let scope = SignInScope {
            directory: directory.as_ref(),
            app_clients: app_clients.as_ref(),
            facts: Some(&knowledge.facts),
            providers,
            mapped: &mapped,
            mappings_max: MAPPINGS_READ_MAX,
            app_clients_max: APP_CLIENTS_READ_MAX,
        };
        checkup.check_sign_ins(&scope).await;
        let sign_ins = checkup.checks;
        let case_sensitive = knowledge.facts.case_sensitive;
        let estimated = knowledge.facts.estimated_user_count;
        let cost = LookUpCost::of(estimated, &required);
        let method = given.unwrap_or_else(|| cost.cheaper());
        let mut builder = PoolIndexBuilder::new(required, case_sensitive);
        let mut users = 0;
        let mut subjects = SubjectProfiles::default();
        let mut take_page = |page: Vec<PoolUser>| {
            subjects.add_users(&page);
            users += page.len() as u64;
            observer.on(&RunEvent::Scanning { users, estimated });
            builder.add_users(page);
            Ok(())
        };
        let mut scanned = match method {
            LookUpMethod::Scan => scan(directory, options, clock, &mut take_page).await?,
            LookUpMethod::Filter => {
                let mut filters = self.filters(PoolNaming::from(&knowledge.facts))?;
                look_up(directory, options, clock, &mut filters, &mut take_page).await?
            }
        };
        // The filters ask for the row's spelling and for lower case, and do not find a name that the pool shows otherwise.
        // The first users tell whether it does.
        if method == LookUpMethod::Filter && !case_sensitive {
            let mut rng = Rng::new(options.seed).fork("spelling");
            let users = first_users(pool_directory.as_ref(), clock, &mut rng).await?;
            scanned.reads += 1;
            for user in &users {
                builder.note_spelling(user);
            }
        }
        let mut sample_stop = None;
        // The users that rows name are no sample of the pool.
        if method == LookUpMethod::Filter {
            let mut rng = Rng::new(options.seed).fork("subjects");
            let known = sample_subjects(pool_directory.as_ref(), &knowledge.facts, &of_input, clock, &mut rng).await;
            // Not every service has this filter, and the users of the rows may be found without it.
            let sample = known.unwrap_or_else(|stop| {
                sample_stop = Some(stop);
                SubjectSample::default()
            });
            scanned.reads += sample.reads;
            subjects = sample.profiles;
        }
        Ok(PoolSample {
            index: builder.build(),
            subjects,
            mapped,
            sign_ins,
            missing_providers,
            sample_stop,
            look_up: method,
            cost,
            scanned,
        })
    }

    fn needs(&self) -> Result<InputNeeds, Failure> {
        let (mut required, mut providers, mut by_attribute) =
            (RequiredUsersBuilder::default(), BTreeSet::new(), BTreeSet::new());
        for row in self.rows()? {
            let link = row?.link;
            required.add(&link);
            if providers.len() <= PROVIDERS_PER_POOL_MAX && !providers.contains(link.source.provider()) {
                providers.insert(link.source.provider().clone());
            }
            if !link.source.attribute().is_subject() && !by_attribute.contains(link.source.provider()) {
                by_attribute.insert(link.source.provider().clone());
            }
        }
        Ok(InputNeeds { users: required.build(), providers, by_attribute })
    }

    /// Returns the filters that find the users of the rows, one after the other.
    fn filters(
        &self,
        naming: PoolNaming,
    ) -> Result<impl FnMut() -> Result<Option<UserLookUp>, StopError> + Send, InputError> {
        let mut rows = self.rows()?;
        let mut look_ups = LookUpFilters::new(naming);
        let mut waiting = Vec::new();
        Ok(move || {
            while waiting.is_empty() {
                match rows.next() {
                    None => return Ok(None),
                    Some(Ok(row)) => waiting = look_ups.filters_for(&row.link),
                    Some(Err(error)) => {
                        return Err(input_stop(&error));
                    }
                }
            }
            Ok(waiting.pop())
        })
    }

    /// Reads the input once more, and compares its subjects with those of the pool.
    pub(super) fn unlike_pool(&self, sample: &PoolSample) -> Result<Vec<UnlikePool>, Failure> {
        if sample.subjects.says_nothing() {
            return Ok(Vec::new());
        }
        let mut comparison = SubjectComparison::new(&sample.subjects);
        for row in self.rows()? {
            let Row { number, link, .. } = row?;
            if link.source.attribute().is_subject() {
                comparison.add(number.0, link.source.provider().as_str(), link.source.value().expose());
            }
        }
        Ok(comparison.finish())
    }

    /// Reads the input once more, and forecasts each row.
    pub(super) fn forecast(
        &self,
        sample: &PoolSample,
        knowledge: &PoolKnowledge,
        choices: &Choices,
        case_differs_allowed: bool,
        trust: TrustPolicy,
        output: &mut ForecastOutput<'_>,
    ) -> Result<InputForecast, Failure> {
        let known = PredictionBasis {
            index: &sample.index,
            pool: knowledge,
            mapped: sample.mapped.clone(),
            case_differs_allowed,
            trust,
            look_up: sample.look_up,
            has_cut_look_ups: sample.scanned.cut_look_ups > 0,
        };
        let mut forecaster = Predictor::new(known);
        let mut reader = InputReader::with_cross_row(self.source, self.options, self.cross_row)?;
        let mut files = output.split.map(|folder| VerdictFiles::create(folder, reader.layout())).transpose()?;
        let mut plan = output.plan.map(PlanWriter::create).transpose()?;
        let mut linked = HashSet::new();
        let mut rows_of_shard = 0;
        let mut report = PredictionReport {
            pool: self.pool.to_string(),
            look_up: sample.look_up.as_str(),
            users: sample.scanned.users,
            reads: sample.scanned.reads,
            throttled: sample.scanned.throttled,
            scanned_unix_ms: sample.scanned.began,
            sign_ins: sample.sign_ins.clone(),
            elapsed: sample.scanned.elapsed,
            ..PredictionReport::default()
        };
        while let Some(record) = reader.next() {
            let record = record?;
            rows_of_shard += u64::from(is_in_shard(self.part.shard, &record));
            let Some(row) = self.part.row_of(&record, &reader, self.pool) else { continue };
            let forecast = forecaster.predict(row.key, &row.link, choices.username_for(row.key));
            *report.by_verdict.entry(forecast.outcome.as_str()).or_default() += 1;
            if let Some(doubt) = forecast.doubt {
                *report.may_be_refused.entry((doubt.code().as_str(), doubt.as_str())).or_default() += 1;
            }
            for concern in forecast.concerns.iter().filter(|_| forecast.outcome == PredictedOutcome::Link) {
                *report.concerns.entry((concern.code().as_str(), concern.as_str())).or_default() += 1;
            }
            if forecast.outcome == PredictedOutcome::Link {
                let is_first = linked.insert(row.key);
                report.writes += u64::from(is_first);
                report.repeats += u64::from(!is_first);
            }
            let candidates = match forecast.outcome {
                PredictedOutcome::Refused(RefusalCode::UserAmbiguous) => {
                    sample.index.candidates(&row.link.destination, trust)
                }
                _ => Vec::new(),
            };
            if let Some(files) = &mut files {
                files.write(&reader.raw(), &row, &forecast, &candidates)?;
            }
            if let Some(plan) = &mut plan {
                plan.write(&row, &forecast)?;
            }
            if let PredictedOutcome::Refused(_) = forecast.outcome {
                let shown = candidates.iter().take(CANDIDATES_SHOWN_MAX);
                (output.refused)(&PredictedRefusal {
                    row: row.number,
                    key: row.key,
                    verdict: forecast.outcome.as_str(),
                    hint: forecast.hint.map_or("", CorrectionHint::as_str),
                    candidates: shown.map(|user| (output.shown)(&user.username)).collect(),
                    candidates_left_out: candidates.len().saturating_sub(CANDIDATES_SHOWN_MAX),
                });
            }
        }
        let choices_needed = files.map_or(Ok(0), VerdictFiles::finish)?;
        Ok(InputForecast { report, rows_of_shard, choices_needed, has_pool_error: false, plan })
    }
}

impl InputForecast {
    /// Returns the number of valid rows that it is for.
    pub(super) fn rows(&self) -> u64 {
        self.report.by_verdict.values().sum()
    }

    /// Adds the time of the links at this rate and with this full quota, in calls per second.
    pub(super) fn estimate_time(
        &mut self,
        rate_per_second: Option<f64>,
        quota_per_second: f64,
        control: &ControlPlan,
        now: UnixMs,
    ) {
        let report = &mut self.report;
        report.rate_per_second = rate_per_second;
        report.quota_per_second = quota_per_second;
        let time_at = |rate| control.time_of_writes(report.writes, rate, now);
        (report.at_rate, report.at_quota) = (rate_per_second.and_then(time_at), time_at(quota_per_second));
        report.within_windows = control.has_windows();
    }

    /// Adds the most that the links can add to the bill of a pool with this feature plan.
    pub(super) fn bound_cost(&mut self, feature_plan: Option<&str>) -> serde_json::Result<()> {
        let writes = Some(self.report.writes).filter(|writes| *writes > 0);
        self.report.billing = writes.map(|writes| Ok(list_prices()?.bound(writes, feature_plan))).transpose()?;
        Ok(())
    }

    pub(super) fn save_plan(&mut self, header: PlanHeader, sample: &PoolSample, invalid: u64) -> Result<(), Failure> {
        let Some(plan) = self.plan.take() else { return Ok(()) };
        let eta_ms = self.report.at_rate.and_then(|time| u64::try_from(time.as_millis()).ok());
        let verdicts = self.report.by_verdict.iter().map(|(verdict, count)| ((*verdict).to_owned(), *count)).collect();
        let look_up = sample.look_up.as_str().to_owned();
        let scanned_unix_ms = sample.scanned.began;
        let header = PlanHeader { scanned_unix_ms, look_up, invalid, verdicts, eta_ms, ..header };
        self.report.plan_digest = Some(plan.finish(header)?);
        Ok(())
    }
}
