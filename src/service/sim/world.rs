//! A simulated account: pools, quotas, time, misfortune and what was seen of it, all from one seed.

use std::collections::BTreeMap;

use super::background::Background;
use super::error::ApiError;
use super::fault::FaultPlan;
use super::latency::Latency;
use super::pool::Pool;
use super::quota::Quota;
use super::settings::Guesses;
use super::sign_in::{SignIn, SignedIn};
use super::stats::{Recorder, Stats};
use crate::clock::UnixMs;
use crate::seed::Rng;

/// The numbers that a world draws, each purpose with its own sequence.
pub(super) struct Draws {
    pub(super) latency: Rng,
    pub(super) faults: Rng,
    pub(super) texts: Rng,
    pub(super) request_ids: Rng,
    pub(super) pool_ids: Rng,
    pub(super) tokens: Rng,
    background: Rng,
}

/// A simulated account.
pub struct World {
    pub(super) pools: BTreeMap<String, Pool>,
    pub(super) quota: Quota,
    pub(super) latency: Latency,
    pub(super) faults: FaultPlan,
    pub(super) clock_skew_ms: i64,
    pub(super) guesses: Option<Guesses>,
    pub(super) list_lag_ms: u64,
    pub(super) draws: Draws,
    pub(super) seen: Recorder,
}

impl Default for World {
    fn default() -> Self {
        Self::new(0)
    }
}

impl World {
    /// An account without pools, with the documented quotas, the usual latency and no faults.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let root = Rng::new(seed);
        Self {
            pools: BTreeMap::new(),
            quota: Quota::documented(),
            latency: Latency::usual(),
            faults: FaultPlan::none(),
            clock_skew_ms: 0,
            guesses: None,
            list_lag_ms: 0,
            draws: Draws {
                latency: root.fork("latency"),
                faults: root.fork("faults"),
                texts: root.fork("texts"),
                request_ids: root.fork("request-ids"),
                pool_ids: root.fork("pool-ids"),
                tokens: root.fork("tokens"),
                background: root.fork("background"),
            },
            seen: Recorder::default(),
        }
    }

    /// The same with one more pool; it takes the place of one with its id.
    #[must_use]
    pub fn with_pool(mut self, mut pool: Pool) -> Self {
        pool.token_secret = self.draws.tokens.next_u64();
        if self.list_lag_ms > 0 {
            pool.journal.set_lag_ms(self.list_lag_ms);
        }
        if let Some(guesses) = self.guesses {
            pool.guesses = guesses;
        }
        self.pools.insert(pool.settings().id.clone(), pool);
        self
    }

    /// The same with other quotas.
    #[must_use]
    pub fn with_quota(mut self, quota: Quota) -> Self {
        self.quota = quota;
        self
    }

    /// The same with another latency.
    #[must_use]
    pub fn with_latency(mut self, latency: Latency) -> Self {
        self.latency = latency;
        self
    }

    /// The same with faults; set its quota first, on which the plan's other tenants draw.
    #[must_use]
    pub fn with_faults(mut self, faults: FaultPlan) -> Self {
        for (category, schedule) in &faults.background {
            let tenants = Background::new(schedule.clone(), self.draws.background.fork(category.name()));
            self.quota.add_tenants(*category, tenants);
        }
        if let Some(lag_ms) = faults.list_lag_ms {
            self = self.with_list_lag_ms(lag_ms);
        }
        self.faults = faults;
        self
    }

    /// The same with other guesses, for the pools that it holds and those that are made.
    #[must_use]
    pub fn with_guesses(mut self, guesses: Guesses) -> Self {
        self.guesses = Some(guesses);
        for pool in self.pools.values_mut() {
            pool.guesses = guesses;
        }
        self
    }

    /// The same, whose `ListUsers` shows writes only after this time, in milliseconds; for the pools that it holds and
    /// those that are made.
    #[must_use]
    pub fn with_list_lag_ms(mut self, lag_ms: u64) -> Self {
        self.list_lag_ms = lag_ms;
        for pool in self.pools.values_mut() {
            pool.journal.set_lag_ms(lag_ms);
        }
        self
    }

    /// The same, its clock ahead of the caller's by so many milliseconds, or behind.
    #[must_use]
    pub fn with_clock_skew_ms(mut self, skew_ms: i64) -> Self {
        self.clock_skew_ms = skew_ms;
        self
    }

    /// The pools, by id.
    pub fn pools(&self) -> impl Iterator<Item = &Pool> {
        self.pools.values()
    }

    /// A pool by its id.
    #[must_use]
    pub fn pool(&self, id: &str) -> Option<&Pool> {
        self.pools.get(id)
    }

    /// A pool by its id, to be changed behind the service's back.
    pub fn pool_mut(&mut self, id: &str) -> Option<&mut Pool> {
        self.pools.get_mut(id)
    }

    /// The quotas, to be changed on the way.
    pub fn quota_mut(&mut self) -> &mut Quota {
        &mut self.quota
    }

    /// What was seen so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats { background: self.quota.background(), ..self.seen.snapshot() }
    }

    /// Signs an identity in, as [`Pool::sign_in_with`] does.
    ///
    /// # Errors
    /// As there, and `ResourceNotFoundException` for an unknown pool.
    pub fn sign_in(&mut self, now: UnixMs, pool: &str, sign_in: &SignIn) -> Result<SignedIn, ApiError> {
        let now = now.saturating_add(self.clock_skew_ms);
        self.pools.get_mut(pool).ok_or_else(|| ApiError::pool_not_found(pool))?.sign_in_with(now, sign_in)
    }
}
