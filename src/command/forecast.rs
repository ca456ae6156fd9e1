//! The dry run: what `link` would reach for each row, from one reading of the pool.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::choices::{Choices, ChoicesWriter};
use super::failure::Failure;
use super::plan::{PlanHeader, PlanWriter};
use crate::clock::Clock;
use crate::domain::event::{Event, Observer};
use crate::domain::forecast::{ForecastReport, RefusedLine};
use crate::domain::identity::{Personal, PoolId, ProviderName};
use crate::domain::outcome::RefusalCode;
use crate::domain::row::{Row, RowKey};
use crate::domain::stop::{Stop, StopCause};
use crate::foresight::index::{Index, IndexBuilder, IndexedUser};
use crate::foresight::preflight::{PoolKnowledge, mapped_attributes};
use crate::foresight::questions::{LookUp, LookUpCost, Questions};
use crate::foresight::scan::{ScanOptions, Scanned, look_up, scan};
use crate::foresight::verdict::{Forecast, Forecaster, Hint, Known, Verdict};
use crate::foresight::wanted::{Wanted, WantedRows};
use crate::input::{Across, InputError, InputOptions, Note, Reader, Record, RecordWriter, Source};
use crate::limits::CANDIDATES_SHOWN_MAX;
use crate::pace::Pace;
use crate::seed::Rng;
use crate::service::{MappedAttributes, PoolUser, UserDirectory, UserFilter};

/// What is foretold, and of what.
pub struct ForecastTask<'a> {
    /// The input.
    pub source: &'a Source,
    /// How to read it.
    pub reading: &'a InputOptions,
    /// What is known of its rows beside one another.
    pub across: &'a Arc<Across>,
    /// The pool.
    pub pool: &'a PoolId,
    /// How the pool is read; `None` for the cheaper way.
    pub look_up: Option<LookUp>,
    /// Whether a link in other letter case than the pool knows is sent.
    pub case_differs_allowed: bool,
    /// Which of several users a row means.
    pub choices: &'a Choices,
}

/// What the rows need to know of the pool.
pub struct Needed {
    wanted: Wanted,
    by_attribute: BTreeSet<ProviderName>,
}

/// What was read of the pool.
pub struct PoolRead {
    index: Index,
    mapped: BTreeMap<ProviderName, MappedAttributes>,
    /// How.
    pub look_up: LookUp,
    /// What either way costs.
    pub cost: LookUpCost,
    /// What it took.
    pub scanned: Scanned,
}

/// Where the verdicts go, besides being counted.
pub struct Outlets<'a> {
    /// Takes each row that will be refused.
    pub refused: &'a mut dyn FnMut(&RefusedLine),
    /// Shows a personal value, masked as may be.
    pub shown: &'a dyn Fn(&Personal) -> String,
    /// A folder for `verdicts.*` and `choices.csv`.
    pub split: Option<&'a Path>,
    /// The plan to write.
    pub plan: Option<&'a Path>,
}

/// What was foretold.
pub struct Foreseen {
    /// Counts.
    pub report: ForecastReport,
    /// Rows of which a choice is wanted in `choices.csv`.
    pub choices_wanted: u64,
    /// The plan, still to be completed.
    plan: Option<PlanWriter>,
}

/// How to go about reading the pool.
#[derive(Clone, Copy)]
pub struct HowToRead {
    /// The pace of the reads.
    pub reads: Pace,
    /// The seed of random waits.
    pub seed: u64,
    /// The time.
    pub clock: Clock,
}

impl ForecastTask<'_> {
    fn rows(&self) -> Result<impl Iterator<Item = Result<Row, InputError>> + Send + use<'_>, InputError> {
        let reader = Reader::across(self.source, self.reading, self.across)?;
        Ok(reader.filter_map(|record| record.map(|record| self.row(&record)).transpose()))
    }

    fn row(&self, record: &Record) -> Option<Row> {
        let link = record.link.clone().filter(|_| record.is_valid())?;
        let key = RowKey::of(self.pool, &link);
        Some(Row { number: record.number, link, key })
    }

    /// Reads the input for what its rows need to know.
    ///
    /// # Errors
    /// Where the input cannot be read.
    pub fn need(&self) -> Result<Needed, Failure> {
        let (mut wanted, mut by_attribute) = (WantedRows::default(), BTreeSet::new());
        for row in self.rows()? {
            let link = row?.link;
            wanted.add(&link);
            if !link.source.attribute().is_subject() && !by_attribute.contains(link.source.provider()) {
                by_attribute.insert(link.source.provider().clone());
            }
        }
        Ok(Needed { wanted: wanted.finish(), by_attribute })
    }

    /// Reads as much of the pool as is needed.
    ///
    /// # Errors
    /// Where access is denied, the service is out of reach, or the input cannot be read.
    pub async fn read_pool(
        &self,
        needed: Needed,
        directory: Arc<dyn UserDirectory>,
        knowledge: &PoolKnowledge,
        how: HowToRead,
        observer: &mut (dyn Observer + Send),
    ) -> Result<PoolRead, Failure> {
        let Needed { wanted, mut by_attribute } = needed;
        by_attribute.retain(|provider| knowledge.providers.contains_key(provider));
        let mut rng = Rng::new(how.seed).fork("mapping");
        let mapped = mapped_attributes(directory.as_ref(), how.clock, &mut rng, &by_attribute).await?;
        let case_sensitive = knowledge.facts.case_sensitive;
        let estimated = knowledge.facts.estimated_user_count;
        let cost = LookUpCost::of(estimated, &wanted);
        let way = self.look_up.unwrap_or_else(|| cost.cheaper());
        let options = ScanOptions { reads: how.reads, seed: how.seed };
        let mut builder = IndexBuilder::new(wanted, case_sensitive);
        let mut users = 0;
        let mut take = |page: Vec<PoolUser>| {
            users += page.len() as u64;
            observer.on(&Event::Scanning { users, estimated });
            builder.feed(page);
            Ok(())
        };
        let scanned = match way {
            LookUp::Scan => scan(directory, options, how.clock, &mut take).await?,
            LookUp::Filter => {
                let mut questions = self.questions(case_sensitive)?;
                look_up(directory, options, how.clock, &mut questions, &mut take).await?
            }
        };
        Ok(PoolRead { index: builder.finish(), mapped, look_up: way, cost, scanned })
    }

    /// The questions that the rows ask, as many as were wanted so far.
    fn questions(
        &self,
        case_sensitive: bool,
    ) -> Result<impl FnMut() -> Result<Option<UserFilter>, Stop> + Send, InputError> {
        let mut rows = self.rows()?;
        let mut questions = Questions::new(case_sensitive);
        let mut waiting = Vec::new();
        Ok(move || {
            while waiting.is_empty() {
                match rows.next() {
                    None => return Ok(None),
                    Some(Ok(row)) => waiting = questions.of(&row.link),
                    Some(Err(error)) => {
                        return Err(Stop::new(StopCause::InputIo, error.to_string()));
                    }
                }
            }
            Ok(waiting.pop())
        })
    }

    /// Reads the input once more, and says what will come of each row.
    ///
    /// # Errors
    /// Where the input cannot be read, or a file cannot be written.
    pub fn foretell(
        &self,
        read: &PoolRead,
        knowledge: &PoolKnowledge,
        outlets: &mut Outlets<'_>,
    ) -> Result<Foreseen, Failure> {
        let mapped = read.mapped.clone();
        let known =
            Known { index: &read.index, pool: knowledge, mapped, case_differs_allowed: self.case_differs_allowed };
        let mut forecaster = Forecaster::new(known);
        let mut reader = Reader::across(self.source, self.reading, self.across)?;
        let mut files = Files::create(outlets, &reader)?;
        let mut told = HashSet::new();
        let mut report = report_of(self.pool, read);
        while let Some(record) = reader.next() {
            let Some(row) = self.row(&record?) else { continue };
            let forecast = forecaster.next_with(row.key, &row.link, self.choices.of(row.key));
            *report.by_verdict.entry(forecast.verdict.as_str()).or_default() += 1;
            if forecast.verdict == Verdict::Link {
                let first = told.insert(row.key);
                report.writes += u64::from(first);
                report.repeats += u64::from(!first);
            }
            let candidates = candidates(&read.index, &row, &forecast);
            files.write(&reader, &row, &forecast, &candidates)?;
            if let Verdict::Refused(_) = forecast.verdict {
                (outlets.refused)(&line_of(&row, &forecast, &candidates, outlets.shown));
            }
        }
        let (choices_wanted, plan) = files.finish(outlets.split)?;
        Ok(Foreseen { report, choices_wanted, plan })
    }
}

impl Foreseen {
    /// Says how long the links will take, at this pace and with this whole quota, in calls a second.
    pub fn estimate(&mut self, rate_per_second: Option<f64>, quota_per_second: f64) {
        let report = &mut self.report;
        report.rate_per_second = rate_per_second;
        report.quota_per_second = quota_per_second;
        report.at_rate = rate_per_second.and_then(|rate| lasting(report.writes, rate));
        report.at_quota = lasting(report.writes, quota_per_second);
    }

    /// Completes the plan, where one was asked for.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn save_plan(&mut self, header: PlanHeader, read: &PoolRead, invalid: u64) -> Result<(), Failure> {
        let Some(plan) = self.plan.take() else { return Ok(()) };
        let eta_ms = self.report.at_rate.and_then(|time| u64::try_from(time.as_millis()).ok());
        let verdicts = self.report.by_verdict.iter().map(|(verdict, count)| ((*verdict).to_owned(), *count)).collect();
        let look_up = read.look_up.as_str().to_owned();
        let scanned_unix_ms = read.scanned.began;
        Ok(plan.finish(PlanHeader { scanned_unix_ms, look_up, invalid, verdicts, eta_ms, ..header })?)
    }
}

/// How long so many calls take.
#[expect(clippy::cast_precision_loss, reason = "a shown figure")]
fn lasting(calls: u64, per_second: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(calls as f64 / per_second).ok()
}

fn report_of(pool: &PoolId, read: &PoolRead) -> ForecastReport {
    ForecastReport {
        pool: pool.to_string(),
        look_up: read.look_up.as_str(),
        users: read.scanned.users,
        reads: read.scanned.reads,
        throttled: read.scanned.throttled,
        elapsed: read.scanned.elapsed,
        ..ForecastReport::default()
    }
}

fn candidates<'a>(index: &'a Index, row: &Row, forecast: &Forecast) -> Vec<&'a IndexedUser> {
    if forecast.verdict == Verdict::Refused(RefusalCode::UserAmbiguous) {
        index.candidates(&row.link.destination)
    } else {
        Vec::new()
    }
}

fn line_of(
    row: &Row,
    forecast: &Forecast,
    candidates: &[&IndexedUser],
    shown: &dyn Fn(&Personal) -> String,
) -> RefusedLine {
    RefusedLine {
        row: row.number,
        key: row.key,
        verdict: forecast.verdict.as_str(),
        hint: forecast.hint.map_or("", Hint::as_str),
        candidates: candidates.iter().take(CANDIDATES_SHOWN_MAX).map(|user| shown(&user.username)).collect(),
        candidates_left_out: candidates.len().saturating_sub(CANDIDATES_SHOWN_MAX),
    }
}

/// The files that verdicts go to.
struct Files {
    verdicts: Option<RecordWriter>,
    choices: Option<ChoicesWriter>,
    plan: Option<PlanWriter>,
}

impl Files {
    fn create(outlets: &Outlets<'_>, reader: &Reader) -> Result<Self, InputError> {
        let layout = reader.layout();
        let ending = if layout.delimiter().is_some() { "csv" } else { "jsonl" };
        let verdicts = |folder: &Path| RecordWriter::create(&folder.join(format!("verdicts.{ending}")), layout, true);
        Ok(Self {
            verdicts: outlets.split.map(verdicts).transpose()?,
            choices: outlets.split.map(ChoicesWriter::create).transpose()?,
            plan: outlets.plan.map(PlanWriter::create).transpose()?,
        })
    }

    fn write(
        &mut self,
        reader: &Reader,
        row: &Row,
        forecast: &Forecast,
        candidates: &[&IndexedUser],
    ) -> Result<(), InputError> {
        if let Some(verdicts) = &mut self.verdicts {
            let (state, code) = match forecast.verdict {
                Verdict::Refused(code) => ("refused", code.as_str()),
                verdict => (verdict.as_str(), ""),
            };
            let message = match forecast.verdict {
                Verdict::Refused(code) => forecast.hint.map_or(code.meaning(), Hint::as_str),
                _ => "",
            };
            verdicts.write(&reader.raw(), &Note { state, code, message })?;
        }
        if let (Some(choices), [_, ..]) = (&mut self.choices, candidates) {
            choices.write(row, candidates)?;
        }
        if let Some(plan) = &mut self.plan {
            plan.write(row, forecast)?;
        }
        Ok(())
    }

    fn finish(self, split: Option<&Path>) -> Result<(u64, Option<PlanWriter>), InputError> {
        if let Some(verdicts) = self.verdicts {
            verdicts.finish()?;
        }
        let wanted = match (self.choices, split) {
            (Some(choices), Some(folder)) => choices.finish(folder)?,
            _ => 0,
        };
        Ok((wanted, self.plan))
    }
}
