//! A quota and its clients as a model of discrete events, without clocks and sockets: hours of a run in milliseconds.
//!
//! A call takes half its latency to the server, is let through or refused there, and comes back; a refusal comes back
//! in 10 to 40 ms. Latencies are 20 to 200 ms, skewed to the low end. The clients have no end of work. A tenant may
//! share the quota: it sends at random moments and never gives way.
//!
//! Shared by the controller's tests and by `benches/pace.rs`, whose tables are made with it.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::{CallFeedback, LoggedCall, RateController, Rng};

/// How a server keeps to its quota.
#[derive(Debug, Clone, Copy)]
pub(super) enum Limiter {
    /// One token bucket that holds so many seconds' worth of the quota, and at least one call.
    Bucket {
        /// Seconds' worth.
        seconds: f64,
    },
    /// One token bucket that holds so many calls.
    Tokens(f64),
    /// So many token buckets with equal parts of the quota, to which calls go at random.
    Sharded {
        /// Buckets.
        buckets: usize,
        /// Seconds' worth that each holds.
        seconds: f64,
    },
    /// So many calls in each full second.
    Window,
}

/// What happens: rates are lists of the second from which they hold, and the calls a second.
#[derive(Debug, Clone)]
pub(super) struct Scenario {
    /// The server.
    pub(super) limiter: Limiter,
    /// Its quota.
    pub(super) quota: Vec<(f64, f64)>,
    /// The tenant's calls.
    pub(super) tenant: Vec<(f64, f64)>,
    /// Length, in seconds.
    pub(super) seconds: usize,
    /// The seed of everything random.
    pub(super) seed: u64,
}

impl Scenario {
    /// A steady quota behind one bucket of a second's worth, with nobody else.
    pub(super) fn steady(quota: f64, seconds: usize, seed: u64) -> Self {
        let limiter = Limiter::Bucket { seconds: 1.0 };
        Self { limiter, quota: vec![(0.0, quota)], tenant: Vec::new(), seconds, seed }
    }
}

/// Calls by second.
#[derive(Debug, Clone, Default)]
pub(super) struct Seconds {
    /// Let through.
    pub(super) accepted: Vec<f64>,
    /// Refused.
    pub(super) throttled: Vec<f64>,
}

impl Seconds {
    fn new(seconds: usize) -> Self {
        Self { accepted: vec![0.0; seconds], throttled: vec![0.0; seconds] }
    }

    fn count(&mut self, now: f64, accepted: bool) {
        let seconds = if accepted { &mut self.accepted } else { &mut self.throttled };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a second of the scenario")]
        if let Some(count) = seconds.get_mut(now as usize) {
            *count += 1.0;
        }
    }

    /// The share of calls that were refused, from one second up to another.
    pub(super) fn throttled_share(&self, from: usize, to: usize) -> f64 {
        let (accepted, throttled) = (sum(&self.accepted[from..to]), sum(&self.throttled[from..to]));
        throttled / (accepted + throttled).max(1.0)
    }
}

/// What happened.
#[derive(Debug, Clone)]
pub(super) struct ModelRun {
    /// The clients, in their order.
    pub(super) clients: Vec<Seconds>,
    /// The tenant.
    pub(super) tenant: Seconds,
    /// The quota in the middle of each second.
    pub(super) quota: Vec<f64>,
}

impl ModelRun {
    /// What all clients got of what the tenant left, from one second up to another.
    pub(super) fn used(&self, from: usize, to: usize) -> f64 {
        let available = sum(&self.quota[from..to]) - sum(&self.tenant.accepted[from..to]);
        self.clients.iter().map(|client| sum(&client.accepted[from..to])).sum::<f64>() / available
    }

    /// The quota that all clients used, and their share of throttled calls, until so many calls were accepted.
    pub(super) fn first_rows(&self, rows: f64) -> (f64, f64) {
        let (mut accepted, mut throttled, mut allowed) = (0.0, 0.0, 0.0);
        for (second, quota) in self.quota.iter().enumerate() {
            let count = |count: fn(&Seconds) -> &Vec<f64>| -> f64 {
                self.clients.iter().map(|client| count(client)[second]).sum()
            };
            let more = count(|client| &client.accepted);
            let part = f64::min(1.0, (rows - accepted) / more.max(1.0));
            accepted += part * more;
            throttled += part * count(|client| &client.throttled);
            allowed += part * quota;
            if accepted >= rows {
                break;
            }
        }
        (accepted / allowed, throttled / (accepted + throttled))
    }

    /// Seconds from `from` until the first client holds 95 % of what is there for it, over 10 s or 60 calls, with at
    /// most 5 % refused; `None` if it never does.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "10 to 30")]
    pub(super) fn seconds_to_95(&self, from: usize) -> Option<usize> {
        let window = (60.0 / self.quota[from]).clamp(10.0, 30.0) as usize;
        (from..self.quota.len().saturating_sub(window)).position(|second| {
            self.used(second, second + window) >= 0.95
                && self.clients[0].throttled_share(second, second + window) <= 0.05
        })
    }
}

fn sum(counts: &[f64]) -> f64 {
    counts.iter().sum()
}

/// The server: lets through, or refuses.
struct ModelServer<'a> {
    scenario: &'a Scenario,
    levels: Vec<f64>,
    filled_at: f64,
    window: f64,
    in_window: f64,
}

impl<'a> ModelServer<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        let buckets = if let Limiter::Sharded { buckets, .. } = scenario.limiter { buckets } else { 1 };
        let mut server = Self { scenario, levels: vec![0.0; buckets], filled_at: 0.0, window: -1.0, in_window: 0.0 };
        let depth = server.depth(at(&scenario.quota, 0.0));
        server.levels.fill(depth);
        server
    }

    #[expect(clippy::cast_precision_loss, reason = "a handful of buckets")]
    fn depth(&self, quota: f64) -> f64 {
        match self.scenario.limiter {
            Limiter::Bucket { seconds } => (quota * seconds).max(1.0),
            Limiter::Tokens(tokens) => tokens,
            Limiter::Sharded { buckets, seconds } => (quota * seconds / buckets as f64).max(1.0),
            Limiter::Window => 0.0,
        }
    }

    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a handful of buckets")]
    fn admits(&mut self, now: f64, rng: &mut Rng) -> bool {
        let quota = at(&self.scenario.quota, now);
        if matches!(self.scenario.limiter, Limiter::Window) {
            if now.floor() > self.window {
                (self.window, self.in_window) = (now.floor(), 0.0);
            }
            let admitted = self.in_window + 1.0 <= quota;
            self.in_window += f64::from(u8::from(admitted));
            return admitted;
        }
        let depth = self.depth(quota);
        let gained = (now - self.filled_at) * quota / self.levels.len() as f64;
        self.filled_at = now;
        self.levels.iter_mut().for_each(|level| *level = (*level + gained).min(depth));
        let bucket = rng.below(self.levels.len() as u64) as usize;
        let admitted = self.levels[bucket] >= 1.0;
        self.levels[bucket] -= f64::from(u8::from(admitted));
        admitted
    }
}

fn at(rates: &[(f64, f64)], now: f64) -> f64 {
    rates.iter().rev().find(|(from, _)| *from <= now).map_or(0.0, |(_, rate)| *rate)
}

#[derive(Clone, Copy)]
enum ModelEvent {
    /// The client looks whether it may send; only the newest look counts.
    Slot {
        client: usize,
        look: u64,
    },
    Tenant,
    Arrival {
        client: usize,
        call: LoggedCall,
        way_back: f64,
    },
    Answer {
        client: usize,
        call: LoggedCall,
        feedback: CallFeedback,
    },
}

/// Ordered by time, then by the order in which they were made, the first one at the top.
struct Due(f64, u64, ModelEvent);

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Due {}
impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.total_cmp(&self.0).then(other.1.cmp(&self.1))
    }
}

/// How often a client looks at its pace at least, in seconds.
const LOOK_SECONDS: f64 = 0.05;

struct ModelClient {
    controller: RateController,
    last_slot: f64,
    look: u64,
}

struct Model<'a> {
    server: ModelServer<'a>,
    rng: Rng,
    events: BinaryHeap<Due>,
    made: u64,
    clients: Vec<ModelClient>,
    outcome: ModelRun,
}

/// Lets clients run against a server.
#[expect(clippy::cast_precision_loss, reason = "minutes in seconds")]
pub(super) fn run(scenario: &Scenario, controllers: Vec<RateController>) -> ModelRun {
    let clients = controllers.into_iter().map(|controller| ModelClient { controller, last_slot: f64::MIN, look: 0 });
    let clients: Vec<ModelClient> = clients.collect();
    let outcome = ModelRun {
        clients: vec![Seconds::new(scenario.seconds); clients.len()],
        tenant: Seconds::new(scenario.seconds),
        quota: (0..scenario.seconds).map(|second| at(&scenario.quota, second as f64 + 0.5)).collect(),
    };
    let rng = Rng::new(scenario.seed);
    let mut model =
        Model { server: ModelServer::new(scenario), rng, events: BinaryHeap::new(), made: 0, clients, outcome };
    for client in 0..model.clients.len() {
        model.plan(0.001 * client as f64, ModelEvent::Slot { client, look: 0 });
    }
    model.plan(0.0, ModelEvent::Tenant);
    while let Some(Due(now, _, event)) = model.events.pop() {
        if now > scenario.seconds as f64 {
            break;
        }
        model.on(now, event);
    }
    model.outcome
}

impl Model<'_> {
    fn plan(&mut self, at: f64, event: ModelEvent) {
        self.made += 1;
        self.events.push(Due(at, self.made, event));
    }

    fn on(&mut self, now: f64, event: ModelEvent) {
        match event {
            ModelEvent::Slot { client, look } => {
                if self.clients[client].look == look {
                    self.look(now, client);
                }
            }
            ModelEvent::Tenant => self.tenant_calls(now),
            ModelEvent::Arrival { client, call, way_back } => {
                let admitted = self.server.admits(now, &mut self.rng);
                self.outcome.clients[client].count(now, admitted);
                let refused_after = 0.01 + 0.03 * self.rng.unit();
                let (way_back, feedback) = if admitted {
                    (way_back, CallFeedback::Accepted)
                } else {
                    (way_back.min(refused_after), CallFeedback::Throttled)
                };
                self.plan(now + way_back, ModelEvent::Answer { client, call, feedback });
            }
            ModelEvent::Answer { client, call, feedback } => {
                if self.clients[client].controller.on_result(now, call, feedback) {
                    self.look(now, client);
                }
            }
        }
    }

    /// Sends if there is a slot, and looks again when there may be one.
    fn look(&mut self, now: f64, index: usize) {
        let client = &mut self.clients[index];
        client.look += 1;
        client.controller.tick(now);
        let due = |client: &ModelClient| {
            let slot = client.last_slot + 1.0 / client.controller.rate(now);
            slot.max(client.controller.resume_at())
        };
        let look = client.look;
        if due(client) > now {
            let at = due(client).min(now + LOOK_SECONDS);
            return self.plan(at, ModelEvent::Slot { client: index, look });
        }
        client.last_slot = now;
        let call = client.controller.on_sent(now);
        let at = due(client).min(now + LOOK_SECONDS);
        let latency = latency(&mut self.rng);
        self.plan(now + latency / 2.0, ModelEvent::Arrival { client: index, call, way_back: latency / 2.0 });
        self.plan(at, ModelEvent::Slot { client: index, look });
    }

    fn tenant_calls(&mut self, now: f64) {
        let rate = at(&self.server.scenario.tenant, now);
        if rate <= 0.0 {
            return self.plan(now + 0.1, ModelEvent::Tenant);
        }
        // The first moment of a list is not a call's.
        if now > 0.0 {
            let admitted = self.server.admits(now, &mut self.rng);
            self.outcome.tenant.count(now, admitted);
        }
        let next = now - (1.0 - self.rng.unit()).ln() / rate;
        self.plan(next, ModelEvent::Tenant);
    }
}

/// 20 to 200 ms, half of them under 65 ms.
fn latency(rng: &mut Rng) -> f64 {
    let part = rng.unit();
    0.020 + 0.180 * part * part
}
