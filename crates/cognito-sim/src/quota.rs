//! Throttling: a rate for each quota category over all pools of the account, and smaller rates within it.
//!
//! Whether the service allows bursts is not known; by default a bucket holds the calls of one second.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

use crate::clock::UnixMs;
use crate::limits;
use crate::operation::{Access, Category, Operation};
use crate::random::Rng;

/// Calls a second, by the time since the simulator's first call.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    first: f64,
    changes: Vec<RateChange>,
}

/// A rate from a moment on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateChange {
    /// Milliseconds after the simulator's first call.
    pub at_ms: u64,
    /// Calls a second from then on.
    pub per_second: f64,
}

impl Schedule {
    /// A rate that stays, in calls a second.
    #[must_use]
    pub fn constant(per_second: f64) -> Self {
        Self { first: per_second, changes: Vec::new() }
    }

    /// The rate before the first change, in calls a second.
    #[must_use]
    pub fn first(&self) -> f64 {
        self.first
    }

    /// The changes, in the order of their times.
    #[must_use]
    pub fn changes(&self) -> &[RateChange] {
        &self.changes
    }
}

/// Why a text is not a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// No rates.
    #[error("expected calls a second and, if they change, at which times, as in 25,10@60s,50@5m")]
    Rates,
    /// No category of that name.
    #[error("'{name}' is no quota category; expected one of {}", Category::all().map(Category::name).collect::<Vec<_>>().join(", "))]
    Category {
        /// The name.
        name: String,
    },
}

/// Reads `[CATEGORY:]RATES`; rates without a category are those of `UserUpdate`.
///
/// # Errors
/// [`ScheduleError`].
pub fn category_rates(text: &str) -> Result<(Category, Schedule), ScheduleError> {
    let (category, rates) = match text.split_once(':') {
        None => (Category::UserUpdate, text),
        Some((name, rates)) => {
            let unknown = || ScheduleError::Category { name: name.to_owned() };
            (Category::by_name(name).ok_or_else(unknown)?, rates)
        }
    };
    Ok((category, rates.parse()?))
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let mut parts = text.split(',');
        let first = parts.next().and_then(rate).ok_or(ScheduleError::Rates)?;
        let change = |part: &str| {
            let (per_second, at) = part.split_once('@')?;
            let at_ms = u64::try_from(time(at)?.as_millis()).ok()?;
            Some(RateChange { at_ms, per_second: rate(per_second)? })
        };
        let changes: Vec<_> = parts.map(|part| change(part).ok_or(ScheduleError::Rates)).collect::<Result<_, _>>()?;
        let in_order = changes.is_sorted_by(|one, next| one.at_ms < next.at_ms);
        if in_order && changes.len() <= limits::RATE_CHANGES_MAX {
            Ok(Self { first, changes })
        } else {
            Err(ScheduleError::Rates)
        }
    }
}

fn rate(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|rate: &f64| (0.0..=limits::RATE_PER_SECOND_MAX).contains(rate))
}

/// A time such as `500ms`, `90s` or `1h30m`.
pub(crate) fn time(text: &str) -> Option<Duration> {
    let time: jiff::SignedDuration = text.trim().parse().ok()?;
    Duration::try_from(time).ok()
}

/// The calls of other tenants, up to the latest call of the client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct OtherTenantsStats {
    /// Calls by other tenants.
    pub calls: u64,
    /// Those of them that were throttled.
    pub throttled: u64,
}

/// A Poisson stream of calls whose rate follows a schedule.
#[derive(Debug, Clone)]
pub(crate) struct OtherTenants {
    schedule: Schedule,
    rng: Rng,
    /// When the stream began; it begins with our first call.
    origin: Option<UnixMs>,
    /// Milliseconds since then up to which calls were drawn.
    done_ms: f64,
    pub(crate) stats: OtherTenantsStats,
}

impl OtherTenants {
    pub(crate) fn new(schedule: Schedule, rng: Rng) -> Self {
        Self { schedule, rng, origin: None, done_ms: 0.0, stats: OtherTenantsStats::default() }
    }

    /// Draws the calls up to `now`; `admits` decides about each.
    pub(crate) fn catch_up(&mut self, now: UnixMs, mut admits: impl FnMut(UnixMs) -> bool) {
        let origin = *self.origin.get_or_insert(now);
        let until_ms = millis(now.saturating_sub(origin));
        let mut calls_left = limits::BACKGROUND_CALLS_MAX;
        while self.done_ms < until_ms {
            let (per_second, stage_end_ms) = self.stage();
            let end_ms = stage_end_ms.min(until_ms);
            if calls_left == 0 {
                // After so long a pause the bucket is in its steady state again: what is left is only counted.
                self.count_without_drawing(per_second, end_ms);
                continue;
            }
            let next_ms = self.done_ms + self.pause_ms(per_second);
            if next_ms >= end_ms {
                // A Poisson stream has no memory: the next stage, or the next call, draws again.
                self.done_ms = end_ms;
                continue;
            }
            self.done_ms = next_ms;
            calls_left -= 1;
            self.stats.calls += 1;
            self.stats.throttled += u64::from(!admits(origin.saturating_add(whole(next_ms))));
        }
    }

    /// The rate now and when it ends.
    fn stage(&self) -> (f64, f64) {
        let mut per_second = self.schedule.first();
        for change in self.schedule.changes() {
            let at_ms = millis(i64::try_from(change.at_ms).unwrap_or(i64::MAX));
            if at_ms > self.done_ms {
                return (per_second, at_ms);
            }
            per_second = change.per_second;
        }
        (per_second, f64::INFINITY)
    }

    fn pause_ms(&mut self, per_second: f64) -> f64 {
        if per_second > 0.0 { -(1.0 - self.rng.unit()).ln() / per_second * 1_000.0 } else { f64::INFINITY }
    }

    fn count_without_drawing(&mut self, per_second: f64, end_ms: f64) {
        self.stats.calls += whole((end_ms - self.done_ms) / 1_000.0 * per_second).unsigned_abs();
        self.done_ms = end_ms;
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of any plausible run fit the 53 bits")]
fn millis(since: i64) -> f64 {
    since as f64
}

#[expect(clippy::cast_possible_truncation, reason = "bounded by the time of a call, which is such a number")]
fn whole(number: f64) -> i64 {
    number as i64
}

/// Reads and writes a second that one profile allows (developer guide, quotas; not adjustable).
const PER_USER_PER_SECOND: f64 = 10.0;
/// Calls a second of one operation on one pool, in the categories that have such a cap (developer guide, quotas).
const PER_POOL_PER_SECOND: f64 = 5.0;

/// A token bucket; the time is passed in.
#[derive(Debug, Clone)]
struct Bucket {
    per_second: f64,
    burst: f64,
    level: f64,
    filled_at: Option<UnixMs>,
}

impl Bucket {
    fn full(per_second: f64, burst: f64) -> Self {
        Self { per_second, burst, level: burst, filled_at: None }
    }

    fn has_one(&mut self, now: UnixMs) -> bool {
        let since_ms = self.filled_at.map_or(0, |at| now.saturating_sub(at).max(0));
        // Intervals over a day fill any bucket; the cap keeps the conversion exact.
        let seconds = f64::from(i32::try_from(since_ms.min(86_400_000)).unwrap_or(i32::MAX)) / 1_000.0;
        self.level = (self.level + seconds * self.per_second).min(self.burst);
        self.filled_at = Some(self.filled_at.map_or(now, |at| at.max(now)));
        // A thousand additions of 0.025 are not quite 25.
        self.level >= 1.0 - 1e-6
    }

    fn take_if_any(&mut self, now: UnixMs) -> bool {
        let has_one = self.has_one(now);
        if has_one {
            self.take_one();
        }
        has_one
    }

    fn take_one(&mut self) {
        self.level = (self.level - 1.0).max(0.0);
    }
}

/// Buckets by key, created when first used and dropped when there are too many.
#[derive(Debug, Clone)]
struct KeyedBuckets {
    per_second: f64,
    buckets: HashMap<u64, Bucket>,
}

impl KeyedBuckets {
    fn new(per_second: f64) -> Self {
        Self { per_second, buckets: HashMap::new() }
    }

    fn bucket(&mut self, now: UnixMs, key: u64) -> &mut Bucket {
        if self.buckets.len() >= limits::BUCKETS_MAX && !self.buckets.contains_key(&key) {
            // A bucket that was not used for a second is full, as a new one is.
            self.buckets.retain(|_, bucket| bucket.filled_at.is_some_and(|at| now.saturating_sub(at) < 1_000));
            if self.buckets.len() >= limits::BUCKETS_MAX {
                self.buckets.clear();
            }
        }
        let per_second = self.per_second;
        self.buckets.entry(key).or_insert_with(|| Bucket::full(per_second, per_second))
    }
}

/// The account's quotas.
#[derive(Debug, Clone)]
pub struct Quota {
    on: bool,
    burst_seconds: f64,
    /// Rates that change, the next one last; times count from the first call.
    changes: Vec<(Category, RateChange)>,
    first_call: Option<UnixMs>,
    tenants: BTreeMap<Category, OtherTenants>,
    categories: BTreeMap<Category, Bucket>,
    reads: KeyedBuckets,
    writes: KeyedBuckets,
    pool_operations: KeyedBuckets,
}

/// The keys of the smaller quotas that a call draws on: hashes of the pool and, if an operation has one, of the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QuotaKeys {
    pub(crate) pool: u64,
    pub(crate) user: Option<u64>,
}

impl Quota {
    /// The rates that an account has by default. A bucket holds the calls of one second.
    #[must_use]
    pub fn documented() -> Self {
        let bucket = |category: Category| {
            let rate = category.default_per_second();
            (category, Bucket::full(rate, rate))
        };
        Self {
            on: true,
            burst_seconds: 1.0,
            changes: Vec::new(),
            first_call: None,
            tenants: BTreeMap::new(),
            categories: Category::all().map(bucket).collect(),
            reads: KeyedBuckets::new(PER_USER_PER_SECOND),
            writes: KeyedBuckets::new(PER_USER_PER_SECOND),
            pool_operations: KeyedBuckets::new(PER_POOL_PER_SECOND),
        }
    }

    /// No quota at all.
    #[must_use]
    pub fn off() -> Self {
        Self { on: false, ..Self::documented() }
    }

    /// Sets the rate, in calls per second, and the burst, in calls, of a category.
    #[must_use]
    pub fn with_rate(mut self, category: Category, per_second: f64, burst: f64) -> Self {
        self.categories.insert(category, Bucket::full(per_second, burst));
        self
    }

    /// Sets a rate of a category that may change. Its bucket holds the calls of as many seconds as the others.
    #[must_use]
    pub fn with_schedule(mut self, category: Category, schedule: &Schedule) -> Self {
        let (per_second, burst) = (schedule.first(), self.burst(schedule.first()));
        self.changes.retain(|(about, _)| *about != category);
        self.changes.extend(schedule.changes().iter().map(|change| (category, *change)));
        self.changes.sort_by_key(|(_, change)| std::cmp::Reverse(change.at_ms));
        self.with_rate(category, per_second, burst)
    }

    /// Lets buckets hold the calls of this many seconds.
    #[must_use]
    pub fn with_burst_seconds(mut self, seconds: f64) -> Self {
        self.burst_seconds = seconds;
        for bucket in self.categories.values_mut() {
            *bucket = Bucket::full(bucket.per_second, (bucket.per_second * seconds).max(1.0));
        }
        self
    }

    fn burst(&self, per_second: f64) -> f64 {
        (per_second * self.burst_seconds).max(1.0)
    }

    pub(crate) fn add_tenants(&mut self, category: Category, tenants: OtherTenants) {
        self.tenants.insert(category, tenants);
    }

    /// The calls of other tenants, by the name of their category.
    pub(crate) fn background(&self) -> BTreeMap<&'static str, OtherTenantsStats> {
        self.tenants.iter().map(|(category, tenants)| (category.name(), tenants.stats)).collect()
    }

    /// Applies what happens before this call: rates change, and other tenants call.
    fn catch_up(&mut self, now: UnixMs) {
        let first_call = *self.first_call.get_or_insert(now);
        while let Some((category, change)) = self.changes.last().copied() {
            let at = first_call.saturating_add(i64::try_from(change.at_ms).unwrap_or(i64::MAX));
            if at > now {
                break;
            }
            self.changes.pop();
            self.run_other_tenants(at);
            self.change_rate(at, category, change.per_second, self.burst(change.per_second));
        }
        self.run_other_tenants(now);
    }

    fn run_other_tenants(&mut self, now: UnixMs) {
        let Self { tenants, categories, on, .. } = self;
        for (category, tenants) in tenants {
            let bucket = categories.get_mut(category).filter(|_| *on);
            match bucket {
                Some(bucket) => tenants.catch_up(now, |at| bucket.take_if_any(at)),
                None => tenants.catch_up(now, |_| true),
            }
        }
    }

    /// Changes a category's rate and burst from this moment on; what the bucket holds stays.
    pub fn change_rate(&mut self, now: UnixMs, category: Category, per_second: f64, burst: f64) {
        let bucket = self.categories.entry(category).or_insert_with(|| Bucket::full(per_second, burst));
        bucket.has_one(now);
        (bucket.per_second, bucket.burst, bucket.level) = (per_second, burst, bucket.level.min(burst));
    }

    /// Calls a second that a category has now; what an account has by default where there is no quota.
    #[must_use]
    pub fn per_second(&self, category: Category) -> f64 {
        let bucket = self.categories.get(&category).filter(|_| self.on);
        bucket.map_or_else(|| category.default_per_second(), |bucket| bucket.per_second)
    }

    /// Whether a call passes. A call that does not pass takes nothing.
    pub(crate) fn admits(&mut self, now: UnixMs, operation: Operation, drawn: QuotaKeys) -> bool {
        if !self.changes.is_empty() || !self.tenants.is_empty() || self.first_call.is_none() {
            self.catch_up(now);
        }
        if !self.on {
            return true;
        }
        let Some(category) = operation.category() else { return true };
        let of_user = match operation.access() {
            Some(Access::Read) => drawn.user.map(|user| self.reads.bucket(now, user)),
            Some(Access::Write) => drawn.user.map(|user| self.writes.bucket(now, user)),
            None => None,
        };
        let of_pool = category.is_capped_per_pool().then(|| {
            let key = drawn.pool ^ u64::from(operation as u8).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            self.pool_operations.bucket(now, key)
        });
        let mut buckets: Vec<&mut Bucket> =
            self.categories.get_mut(&category).into_iter().chain(of_user).chain(of_pool).collect();
        let admitted = buckets.iter_mut().all(|bucket| bucket.has_one(now));
        if admitted {
            buckets.into_iter().for_each(Bucket::take_one);
        }
        admitted
    }
}

#[cfg(test)]
mod schedule_tests {
    use super::*;

    #[test]
    fn schedules_are_read() {
        assert_eq!("25".parse(), Ok(Schedule::constant(25.0)));
        let changing: Schedule = "25, 10@60s, 0.5@1h30m".parse().unwrap();
        assert!((changing.first() - 25.0).abs() < 1e-9);
        let changes = [(60_000, 10.0), (5_400_000, 0.5)].map(|(at_ms, per_second)| RateChange { at_ms, per_second });
        assert_eq!(changing.changes(), changes);
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in ["", "fast", "-1", "NaN", "inf", "25,10", "25,10@", "25,10@soon", "25,10@60s,5@30s", "25@60s"] {
            assert_eq!(text.parse::<Schedule>(), Err(ScheduleError::Rates), "{text}");
        }
    }
}

#[cfg(test)]
mod background_tests {
    use super::*;

    fn stream(schedule: &str) -> OtherTenants {
        OtherTenants::new(schedule.parse().unwrap(), Rng::new(1))
    }

    #[test]
    fn calls_come_at_the_rate_of_their_time() {
        let mut tenants = stream("10,100@100s,0@200s");
        let mut times = Vec::new();
        for now in [5_000, 5_001, 80_000, 305_000] {
            tenants.catch_up(now, |at| {
                times.push(at);
                true
            });
        }
        assert!(times.is_sorted() && times.iter().all(|at| (5_000..205_000).contains(at)));
        let early = times.iter().filter(|at| **at < 105_000).count();
        // Within four standard deviations.
        assert!(early.abs_diff(1_000) < 127 && (times.len() - early).abs_diff(10_000) < 400, "{early} {}", times.len());
    }

    #[test]
    fn the_seed_decides_and_a_long_pause_is_bounded() {
        let run = |looks: &[UnixMs]| {
            let mut tenants = stream("1000");
            let mut let_through = 0;
            for now in looks {
                tenants.catch_up(*now, |_| {
                    let_through += 1;
                    let_through % 2 == 0
                });
            }
            (tenants.stats, let_through)
        };
        assert_eq!(run(&[0, 60_000]), run(&[0, 60_000]));
        let (stats, made) = run(&[0, 86_400_000]);
        assert_eq!(made, limits::BACKGROUND_CALLS_MAX);
        assert!(stats.calls.abs_diff(86_400_000) < 100_000, "{}", stats.calls);
    }
}

#[cfg(test)]
mod quota_tests {
    use super::*;

    fn drawn(user: u64) -> QuotaKeys {
        QuotaKeys { pool: 1, user: Some(user) }
    }

    /// How many pass of `calls` that are spread evenly over `ms`, each for another user.
    fn admitted(quota: &mut Quota, operation: Operation, calls: i64, ms: i64) -> usize {
        (0..calls).filter(|n| quota.admits(n * ms / calls, operation, drawn(n.cast_unsigned()))).count()
    }

    #[test]
    fn a_category_has_its_burst_and_then_its_rate() {
        for (rate, burst, seconds, expected) in
            [(25.0, 25.0, 10, 275), (25.0, 1.0, 10, 250), (100.0, 300.0, 4, 700), (0.5, 1.0, 20, 10)]
        {
            let mut quota = Quota::documented().with_rate(Category::UserUpdate, rate, burst);
            let through = admitted(&mut quota, Operation::LinkProvider, seconds * 1_000, seconds * 1_000);
            assert!(through.abs_diff(expected) <= 1, "{rate}/s, burst {burst}: {through} of {expected}");
        }
    }

    #[test]
    fn categories_do_not_draw_on_one_another() {
        let mut quota = Quota::documented();
        assert_eq!(admitted(&mut quota, Operation::LinkProvider, 1_000, 1), 25);
        assert_eq!(admitted(&mut quota, Operation::ListUsers, 1_000, 1), 30);
        assert_eq!(admitted(&mut quota, Operation::GetUser, 1_000, 1), 120);
    }

    #[test]
    fn one_user_has_ten_a_second_and_costs_the_others_nothing() {
        let mut quota = Quota::documented();
        let mut through = |user| (0..20).filter(|_| quota.admits(0, Operation::LinkProvider, drawn(user))).count();
        assert_eq!((through(1), through(2), through(3)), (10, 10, 5));
    }

    #[test]
    fn an_operation_on_pool_resources_has_five_a_second_a_pool() {
        let mut quota = Quota::documented();
        let mut through = |pool| {
            let drawn = QuotaKeys { pool, user: None };
            (0..20).filter(|_| quota.admits(0, Operation::ListProviders, drawn)).count()
        };
        assert_eq!((through(1), through(2)), (5, 5));
    }

    #[test]
    fn a_changed_rate_holds_from_its_moment() {
        let mut quota = Quota::documented().with_rate(Category::UserUpdate, 100.0, 1.0);
        assert_eq!(admitted(&mut quota, Operation::LinkProvider, 1_000, 1_000), 100);
        quota.change_rate(1_000, Category::UserUpdate, 10.0, 1.0);
        let later = (0..1_000).filter(|n| quota.admits(1_000 + n, Operation::LinkProvider, drawn(n.cast_unsigned())));
        assert!(later.count().abs_diff(10) <= 1);
    }

    #[test]
    fn a_rate_changes_at_its_time_after_the_first_call() {
        let schedule: Schedule = "10,50@2s,0@4s".parse().unwrap();
        let mut quota = Quota::documented().with_burst_seconds(0.0).with_schedule(Category::UserUpdate, &schedule);
        let mut by_second = [0_u32; 6];
        for ms in 0..6_000_i64 {
            let through = quota.admits(7_000 + ms, Operation::LinkProvider, drawn(ms.cast_unsigned()));
            by_second[usize::try_from(ms / 1_000).unwrap()] += u32::from(through);
        }
        assert_eq!(by_second, [10, 10, 50, 50, 1, 0]);
        assert!(quota.per_second(Category::UserUpdate) < 0.1);
    }

    #[test]
    fn other_tenants_draw_on_the_same_bucket_and_are_throttled_too() {
        let tenants = |per_second| OtherTenants::new(Schedule::constant(per_second), crate::random::Rng::new(1));
        let run = |per_second, ours: i64| {
            let mut quota = Quota::documented();
            quota.add_tenants(Category::UserUpdate, tenants(per_second));
            let through = admitted(&mut quota, Operation::LinkProvider, ours, 60_000);
            (through, quota.background()["UserUpdate"])
        };
        // Ours alone would get 1,525 of 6,000 calls in a minute; the others take their share.
        let (through, others) = run(10.0, 6_000);
        assert!(others.calls.abs_diff(600) < 100 && others.throttled > 300, "{others:?}");
        let all = u64::try_from(through).unwrap() + others.calls - others.throttled;
        assert!(all.abs_diff(1_525) <= 2, "{all}");
        // Slow calls of ours leave them nearly everything.
        let (through, others) = run(10.0, 600);
        assert!(through > 595 && others.throttled < 10, "{through} {others:?}");
    }

    #[test]
    fn without_a_quota_everything_goes_through() {
        assert_eq!(admitted(&mut Quota::off(), Operation::LinkProvider, 5_000, 1), 5_000);
    }
}
