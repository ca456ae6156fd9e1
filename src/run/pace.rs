//! The pace of a run: what was asked for, what the account may, what an earlier run has found.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::cli::PaceArgs;
use crate::clock::Clock;
use crate::command::Failure;
use crate::config::{self, FileSettings, Rate, ShardChoice};
use crate::domain::shard::Shard;
use crate::foresight::quota;
use crate::limits;
use crate::pace::{Limit, Origin, Pace};
use crate::service::LimitReader;

/// Variables in which schedulers tell a machine which one it is, and of how many; both count from 0.
const BATCH_INDEX: &str = "AWS_BATCH_JOB_ARRAY_INDEX";
const BATCH_SIZE: &str = "AWS_BATCH_JOB_ARRAY_SIZE";
const KUBERNETES_INDEX: &str = "JOB_COMPLETION_INDEX";

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct PaceChoice {
    rate: Rate,
    share: f64,
    machines: u32,
}

/// The pace of the writes, and where it comes from.
pub(super) struct WritePace {
    pub(super) pace: Pace,
    /// The limit that it is a share of.
    pub(super) limit: Option<Limit>,
    /// Limits that are read while the run goes on.
    pub(super) later: Option<mpsc::Receiver<Limit>>,
    /// One sentence about it.
    pub(super) said: String,
}

impl PaceChoice {
    /// Reads `--rate` and `--share`.
    pub(super) fn read(args: &PaceArgs, file: &FileSettings, shard: Option<Shard>) -> Result<Self, Failure> {
        let machines = shard.map_or(1, Shard::count);
        Self::of(args.rate.as_deref(), args.share, file, machines)
    }

    /// Of `--rate` and `--share` as they were given, else of the file.
    pub(super) fn of(
        rate: Option<&str>,
        share: Option<f64>,
        file: &FileSettings,
        machines: u32,
    ) -> Result<Self, Failure> {
        let rate = rate.map(str::to_owned).or_else(|| file.rate.as_ref().map(config::Scalar::to_string));
        Ok(Self { rate: config::rate(rate.as_deref().unwrap_or("auto"))?, share: Self::share(share, file)?, machines })
    }

    /// The pace of a command that only reads: `--share` of the read quota.
    pub(super) fn of_reads(share: Option<f64>, file: &FileSettings) -> Result<Pace, Failure> {
        let share = Self::share(share, file)?;
        Ok(Self { rate: Rate::Auto, share, machines: 1 }.reads())
    }

    /// The share of a quota that is ours, as it was given, else of the file, else the default.
    pub(super) fn share(share: Option<f64>, file: &FileSettings) -> Result<f64, Failure> {
        Ok(config::share(share.or(file.share).unwrap_or(limits::SHARE_DEFAULT))?)
    }

    /// The pace of the reads: their quota cannot be raised, so it is not asked for.
    pub(super) fn reads(self) -> Pace {
        let per_second = limits::LIST_QUOTA_PER_SECOND;
        Pace::within(Limit { per_second, ..Limit::assumed(self.share, self.machines) }, None)
    }

    /// The pace of the writes, where nobody can be asked.
    pub(super) fn assumed_writes(self) -> WritePace {
        self.writes_within(Limit::assumed(self.share, self.machines), None)
    }

    /// The pace of the writes, with the account's limit where that is to be gone by. `learnt` is what an earlier run has
    /// found, in thousandths of a call a second.
    pub(super) async fn writes(self, reader: Arc<dyn LimitReader>, learnt: Option<u64>, clock: Clock) -> WritePace {
        let assumed = Limit::assumed(self.share, self.machines);
        if self.rate != Rate::Auto {
            return self.writes_within(assumed, learnt);
        }
        let limit = quota::limit(reader.as_ref(), assumed, clock).await;
        let (sender, later) = mpsc::channel(limits::LIMITS_WAITING_MAX);
        tokio::spawn(quota::keep_asking(reader, assumed, clock, sender));
        WritePace { later: Some(later), ..self.writes_within(limit, learnt) }
    }

    #[expect(clippy::cast_precision_loss, reason = "thousandths of a pace")]
    fn writes_within(self, limit: Limit, learnt: Option<u64>) -> WritePace {
        let learnt = learnt.map(|milli| milli as f64 / 1_000.0);
        let (pace, limit, said) = match self.rate {
            Rate::PerSecond(rate) => {
                let part = rate / f64::from(self.machines);
                (Pace::at(part), None, format!("pace: at most {part}/s{}", self.divided()))
            }
            Rate::Max => {
                let from =
                    learnt.map_or(String::new(), |rate| format!(", from the {rate}/s that an earlier run found"));
                let said = format!("pace: as fast as the service allows{from}; live users share this quota");
                (Pace::max(self.machines, learnt), None, said)
            }
            Rate::Auto => (Pace::within(limit, learnt), Some(limit), self.said_of(limit)),
        };
        WritePace { pace, limit, later: None, said }
    }

    fn divided(self) -> String {
        match self.machines {
            1 => String::new(),
            machines => format!(", one part of {machines}"),
        }
    }

    fn said_of(self, limit: Limit) -> String {
        let two_decimals = |number: f64| (number * 100.0).round() / 100.0;
        let (ceiling, percent) = (two_decimals(limit.ceiling()), two_decimals(100.0 * limit.share));
        let per_second = limit.per_second;
        let origin = match limit.origin {
            Origin::Provisioned => "from GetProvisionedLimit",
            Origin::ServiceQuotas => "from Service Quotas",
            Origin::Assumed => "assumed: neither GetProvisionedLimit nor Service Quotas could be read",
        };
        let shards = match self.machines {
            1 => String::new(),
            machines => format!("; {machines} shards find their parts of it themselves"),
        };
        format!("pace: {ceiling}/s ({percent} % of your {per_second}/s quota, {origin}){shards}")
    }
}

/// The shard that this machine works on: from `--shard`, with what a scheduler's variables tell.
pub(super) fn shard(text: Option<&str>) -> Result<Option<Shard>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let variable = |name: &str| std::env::var(name).ok();
    Ok(Some(resolve(config::shard(text)?, &variable)?))
}

/// A sentence for whoever starts a whole array of machines on one input and does not divide it.
pub(super) fn shard_advice(shard: Option<Shard>) -> Option<&'static str> {
    let in_array = std::env::var_os(BATCH_INDEX).is_some() || std::env::var_os(KUBERNETES_INDEX).is_some();
    (shard.is_none() && in_array).then_some(
        "this machine is one of an array and works on the whole input; --shard auto makes it work on its part alone",
    )
}

fn resolve(choice: ShardChoice, variable: &dyn Fn(&str) -> Option<String>) -> Result<Shard, Failure> {
    let number = |name: &str| variable(name).and_then(|text| text.trim().parse::<u32>().ok());
    let (index, count) = match choice {
        ShardChoice::Given(shard) => return Ok(shard),
        ShardChoice::Auto(count) => {
            (number(BATCH_INDEX).or_else(|| number(KUBERNETES_INDEX)), count.or_else(|| number(BATCH_SIZE)))
        }
    };
    let (Some(index), Some(count)) = (index, count) else {
        return Err(Failure::Usage(format!(
            "--shard auto needs the machine's number in {BATCH_INDEX} or {KUBERNETES_INDEX}, and how many there are in \
             {BATCH_SIZE} or as --shard auto/COUNT"
        )));
    };
    Shard::new(index, count).map_err(|error| Failure::Usage(format!("--shard: machine {index} of {count}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shard_comes_from_the_flag_and_the_scheduler() {
        let batch = [(BATCH_INDEX, "2"), (BATCH_SIZE, "5")];
        let kubernetes = [(KUBERNETES_INDEX, "3"), ("HOME", "/")];
        for (text, variables, expected) in [
            ("1/4", batch, Some("1/4")),
            ("auto", batch, Some("2/5")),
            ("auto/3", batch, Some("2/3")),
            ("auto/2", batch, None),
            ("auto", kubernetes, None),
            ("auto/8", kubernetes, Some("3/8")),
        ] {
            let variable =
                |name: &str| variables.iter().find(|(held, _)| *held == name).map(|(_, value)| (*value).to_owned());
            let shard = resolve(config::shard(text).unwrap(), &variable).ok().map(|shard| shard.to_string());
            assert_eq!(shard.as_deref(), expected, "{text} with {variables:?}");
        }
        assert!(config::shard("4/4").is_err() && config::shard("auto/0").is_err() && config::shard("auto/x").is_err());
    }

    #[test]
    fn a_pace_says_where_it_comes_from() {
        let choice = |rate, machines| PaceChoice { rate, share: 0.8, machines };
        let auto = choice(Rate::Auto, 1).assumed_writes();
        assert_eq!(
            auto.said,
            "pace: 20/s (80 % of your 25/s quota, assumed: neither GetProvisionedLimit nor Service Quotas could be read)"
        );
        assert_eq!(auto.pace.expected(), Some(20.0));
        let divided = choice(Rate::PerSecond(40.0), 4).assumed_writes();
        assert_eq!((divided.said.as_str(), divided.pace.expected()), ("pace: at most 10/s, one part of 4", Some(10.0)));
        let learnt = choice(Rate::Max, 1).writes_within(Limit::assumed(0.8, 1), Some(24_500));
        assert!(learnt.said.contains("24.5/s"), "{}", learnt.said);
        assert_eq!(choice(Rate::Max, 1).assumed_writes().pace.expected(), None);
    }
}
