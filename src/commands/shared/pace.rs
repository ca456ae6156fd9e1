//! How fast and how long a run works: `--rate`, `--max-duration` and the others.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::sync::mpsc;

use super::settings::{
    FileSettings, Rate, parse_at_least_one, parse_concurrency, parse_count, parse_duration, parse_rate, parse_share,
};
use super::stop_after::{StopAfter, stop_limits};
use super::{CommandContext, Failure, headings};
use crate::clock::Clock;
use crate::domain::run::RunPurpose;
use crate::domain::shard::Shard;
use crate::domain::state::RetryChoice;
use crate::engine::{EngineOptions, SettleWith};
use crate::foresight::quota;
use crate::foresight::trust::TrustPolicy;
use crate::limits;
use crate::pace::{Pace, QuotaOrigin, RateQuota};
use crate::service::QuotaReader;
use crate::ui::MessageCode;

#[derive(Debug, Args)]
#[command(next_help_heading = headings::PACE)]
pub struct PaceArgs {
    /// Writes per second: `auto`, `max`, or a number [default: auto]
    ///
    /// `auto` uses the part `--share` of the account's quota, which it reads from the service. `max` goes as fast as the
    /// service accepts. In every mode the rate falls when the service throttles, and rises again afterwards.
    #[arg(long, value_name = "auto|max|N", value_parser = parse_rate)]
    pub rate: Option<Rate>,
    /// Share of the quota that `--rate auto` takes, over 0 up to 1 [default: 0.8]
    #[arg(long, value_name = "SHARE", value_parser = parse_share, hide_short_help = true)]
    pub share: Option<f64>,
    /// Maximum number of calls in flight; by default as many as the rate sends in two seconds
    #[arg(long, value_name = "N", value_parser = parse_concurrency, hide_short_help = true)]
    pub concurrency: Option<usize>,
    /// Number of attempts for a row on transient faults; throttled attempts do not count
    #[arg(long, value_name = "N", default_value_t = limits::ATTEMPTS_MAX, hide_short_help = true,
        value_parser = parse_at_least_one::<u32>)]
    pub attempts: u32,
    /// Failures that stop the run, such as `user_not_found=20%`; `none` lifts all limits (can be repeated)
    ///
    /// CODE is a refusal code, `refused` for all of them, `failed`, `in_doubt`, `no_answer` for rows of which a call had no
    /// answer, or `provider` for the rows of one provider as long as all of them are refused. N counts among the last 1,000
    /// rows that were worked on, P% from 100 rows on.
    /// `CODE=off` lifts one limit. By default `user_not_found=20%`, `unrecognised=10`, `provider=20`, `failed=100` and
    /// `in_doubt=100`; of these, `undo` has the last two.
    #[arg(long, value_name = "CODE=N|P%", value_parser = StopAfter::from_str, hide_short_help = true)]
    pub stop_after: Vec<StopAfter>,
    /// Time after which the run stops, such as 90s, 45m, 8h or 2d; a rerun resumes
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub max_duration: Option<Duration>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = headings::ADVANCED)]
pub struct AdvancedArgs {
    /// Call that reads a user when the effect of a call is in doubt
    #[arg(long, value_enum, value_name = "CALL", default_value_t, hide_short_help = true)]
    pub settle_with: SettleCall,
    /// Seed of every random wait, to repeat a simulated run
    #[arg(long, value_name = "N", value_parser = parse_count, hide_short_help = true)]
    pub seed: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum SettleCall {
    /// ListUsers by user name: no effect on billing
    #[default]
    ListUsers,
    /// AdminGetUser: more recent, but every user that it reads counts as active for billing
    GetUser,
}

impl PaceArgs {
    /// Returns the engine's options, with a pace for the documented quota: the account's own is read later.
    pub fn engine_options(
        &self,
        purpose: RunPurpose,
        choice: RateChoice,
        advanced: &AdvancedArgs,
        context: &CommandContext<'_>,
    ) -> Result<EngineOptions, Failure> {
        let writes = choice.write_pace_for_documented_quota().pace;
        Ok(EngineOptions {
            writes,
            reads: choice.read_pace(),
            concurrency: self.concurrency(writes, &context.file_settings)?,
            attempts_max: self.attempts,
            retry: RetryChoice::NOTHING,
            settle_with: match advanced.settle_with {
                SettleCall::ListUsers => SettleWith::ListUsers,
                SettleCall::GetUser => SettleWith::GetUser,
            },
            trust: TrustPolicy::default(),
            windows: None,
            reads_back: false,
            stop_limits: stop_limits(purpose, &context.file_settings, &self.stop_after)?,
            duration_max: self.max_duration,
            total: None,
            done_before: 0,
            seed: advanced.seed.unwrap_or(context.seed),
        })
    }

    /// Returns the number of calls in flight: as given, else two seconds of the rate, within bounds.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "small numbers, clamped"
    )]
    pub fn concurrency(&self, writes: Pace, file: &FileSettings) -> Result<usize, Failure> {
        match (self.concurrency, file.concurrency) {
            (Some(number), _) => Ok(number),
            (None, Some(number)) => parse_concurrency(&number.to_string())
                .map_err(|error| Failure::Usage(format!("concurrency {number}: {error}"))),
            (None, None) => {
                let (min, max) = (limits::CONCURRENCY_MIN as f64, limits::CONCURRENCY_MAX as f64);
                Ok((writes.expected().unwrap_or(f64::INFINITY) * 2.0).clamp(min, max) as usize)
            }
        }
    }

    /// Reads the quota, prints the pace, and sets it in the options.
    pub async fn set_write_pace(
        &self,
        choice: RateChoice,
        quota: Arc<dyn QuotaReader>,
        learned: Option<u64>,
        options: &mut EngineOptions,
        context: &CommandContext<'_>,
    ) -> Result<WritePace, Failure> {
        let pace = choice.write_pace(quota, learned, context.clock).await;
        context.ui.note(MessageCode::Rate, &pace.note);
        options.writes = pace.pace;
        options.concurrency = self.concurrency(pace.pace, &context.file_settings)?;
        Ok(pace)
    }

    pub fn rate_choice(&self, shard: Option<Shard>, file: &FileSettings) -> Result<RateChoice, Failure> {
        RateChoice::new(self.rate, self.share, shard.map_or(1, Shard::count), file)
    }
}

/// The pace as options and file give it. Only the account, or an earlier run, makes a number of it.
#[derive(Debug, Clone, Copy)]
pub struct RateChoice {
    rate: Rate,
    pub share: f64,
    /// Machines that divide the quota.
    shards: u32,
}

/// The pace of the writes, and where it comes from.
pub struct WritePace {
    pub pace: Pace,
    /// The limit that the pace is a share of.
    pub limit: Option<RateQuota>,
    /// The limit, each time that it is read during the run.
    pub later_limits: Option<mpsc::Receiver<RateQuota>>,
    /// A sentence for people.
    pub note: String,
}

impl RateChoice {
    pub fn new(rate: Option<Rate>, share: Option<f64>, shards: u32, file: &FileSettings) -> Result<Self, Failure> {
        let usage = |name: &str, error: String| Failure::Usage(format!("{name}: {error}"));
        let rate = match (rate, &file.rate) {
            (Some(rate), _) => rate,
            (None, Some(text)) => parse_rate(&text.to_string()).map_err(|error| usage("rate", error))?,
            (None, None) => Rate::Auto,
        };
        let share = match (share, file.share) {
            (Some(share), _) => share,
            (None, Some(share)) => parse_share(&share.to_string()).map_err(|error| usage("share", error))?,
            (None, None) => limits::SHARE_DEFAULT,
        };
        Ok(Self { rate, share, shards })
    }

    pub fn of_reads(share: Option<f64>, file: &FileSettings) -> Result<Self, Failure> {
        Self::new(Some(Rate::Auto), share, 1, file)
    }

    /// Returns the pace of the reads. Their quota cannot be raised, so it is not read.
    pub fn read_pace(self) -> Pace {
        let per_second = limits::LIST_QUOTA_PER_SECOND;
        Pace::within(RateQuota { per_second, ..RateQuota::assumed(self.share, self.shards) }, None)
    }

    pub fn write_pace_for_documented_quota(self) -> WritePace {
        self.write_pace_within(RateQuota::assumed(self.share, self.shards), None)
    }

    /// Returns the pace of the writes, for the account's quota where the rate depends on it. `learned` is the quota that
    /// an earlier run has found, in thousandths of a call per second.
    pub async fn write_pace(self, reader: Arc<dyn QuotaReader>, learned: Option<u64>, clock: Clock) -> WritePace {
        let assumed = RateQuota::assumed(self.share, self.shards);
        if self.rate != Rate::Auto {
            return self.write_pace_within(assumed, learned);
        }
        let limit = quota::limit(reader.as_ref(), assumed, clock).await;
        let (sender, later) = mpsc::channel(limits::LIMITS_WAITING_MAX);
        tokio::spawn(quota::keep_asking(reader, assumed, clock, sender));
        WritePace { later_limits: Some(later), ..self.write_pace_within(limit, learned) }
    }

    #[expect(clippy::cast_precision_loss, reason = "thousandths of a pace")]
    fn write_pace_within(self, limit: RateQuota, learned: Option<u64>) -> WritePace {
        let learned = learned.map(|milli| milli as f64 / 1_000.0);
        let (pace, limit, note) = match self.rate {
            Rate::PerSecond(rate) => {
                let part = rate / f64::from(self.shards);
                let divided =
                    if self.shards == 1 { String::new() } else { format!(" ({rate}/s for {} shards)", self.shards) };
                (Pace::at(part), None, format!("rate: at most {part}/s{divided}"))
            }
            Rate::Max => {
                let start =
                    learned.map_or(String::new(), |rate| format!(", starting from the {rate}/s of an earlier run"));
                let note = format!("rate: as fast as the service accepts{start}; sign-ins share this quota");
                (Pace::max(self.shards, learned), None, note)
            }
            Rate::Auto => {
                let (ceiling, per_second) = (limit.ceiling(), limit.per_second);
                let divided =
                    if self.shards == 1 { String::new() } else { format!(", shared by {} shards", self.shards) };
                let note =
                    format!("rate: {ceiling}/s ({}{divided})", quota_share(limit.share, per_second, limit.origin));
                (Pace::within(limit, learned), Some(limit), note)
            }
        };
        WritePace { pace, limit, later_limits: None, note }
    }
}

/// Says what part of which quota, and where the quota comes from: `80 % of your 25/s quota, from GetProvisionedLimit`.
fn quota_share(share: f64, per_second: f64, origin: QuotaOrigin) -> String {
    let percent = (share * 1_000.0).round() / 10.0;
    match origin {
        QuotaOrigin::Provisioned => format!("{percent} % of your {per_second}/s quota, from GetProvisionedLimit"),
        QuotaOrigin::ServiceQuotas => format!("{percent} % of your {per_second}/s quota, from Service Quotas"),
        QuotaOrigin::Assumed => format!(
            "{percent} % of the documented {per_second}/s quota, because neither GetProvisionedLimit nor Service Quotas \
             could be read"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_says_where_it_comes_from() {
        let choice = |rate, shards| RateChoice { rate, share: 0.8, shards };
        let auto = choice(Rate::Auto, 1).write_pace_for_documented_quota();
        assert_eq!(
            auto.note,
            "rate: 20/s (80 % of the documented 25/s quota, because neither GetProvisionedLimit nor Service Quotas could \
             be read)"
        );
        assert_eq!(auto.pace.expected(), Some(20.0));
        let provisioned = RateQuota { origin: QuotaOrigin::Provisioned, ..RateQuota::assumed(0.8, 1) };
        let provisioned = choice(Rate::Auto, 1).write_pace_within(provisioned, None);
        assert_eq!(provisioned.note, "rate: 20/s (80 % of your 25/s quota, from GetProvisionedLimit)");
        let divided = choice(Rate::PerSecond(40.0), 4).write_pace_for_documented_quota();
        assert_eq!(
            (divided.note.as_str(), divided.pace.expected()),
            ("rate: at most 10/s (40/s for 4 shards)", Some(10.0))
        );
        let learned = choice(Rate::Max, 1).write_pace_within(RateQuota::assumed(0.8, 1), Some(24_500));
        assert!(learned.note.contains("24.5/s"), "{}", learned.note);
        assert_eq!(choice(Rate::Max, 1).write_pace_for_documented_quota().pace.expected(), None);
    }

    #[test]
    fn calls_in_flight_follow_the_rate() {
        #[derive(clap::Parser)]
        struct Program {
            #[command(flatten)]
            pace: PaceArgs,
        }
        let concurrency = |pace: Pace, file: Option<usize>| {
            let file = FileSettings { concurrency: file, ..FileSettings::default() };
            <Program as clap::Parser>::parse_from(["program"])
                .pace
                .concurrency(pace, &file)
                .map_err(|error| error.to_string())
        };
        assert_eq!(concurrency(Pace::at(20.0), None), Ok(40));
        assert_eq!(concurrency(Pace::at(0.2), None), Ok(limits::CONCURRENCY_MIN));
        assert_eq!(concurrency(Pace::max(1, None), None), Ok(limits::CONCURRENCY_MAX));
        assert_eq!(concurrency(Pace::at(20.0), Some(3)), Ok(3));
        assert!(concurrency(Pace::at(20.0), Some(0)).is_err());
    }
}
