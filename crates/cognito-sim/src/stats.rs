//! What the simulator received, so that tests and people can judge a client from the side of the server.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::Serialize;

use crate::clock::UnixMs;
use crate::limits;
use crate::links::DisabledAccess;
use crate::operation::Operation;
use crate::quota::OtherTenantsStats;

/// How a call counts in the statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallResult {
    Accepted,
    Throttled,
    Refused,
}

/// Calls in one second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SecondStats {
    /// Calls that arrived.
    pub calls: u64,
    /// Those that were throttled.
    pub throttled: u64,
}

/// Calls of one operation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct OperationStats {
    /// Calls that arrived.
    pub calls: u64,
    /// Calls whose work was done.
    pub accepted: u64,
    /// Calls that were throttled.
    pub throttled: u64,
    /// Calls that were refused for another reason, or met a fault before their work was done.
    pub refused: u64,
    /// Most calls in any sliding second, throttled ones included.
    pub calls_in_one_second_max: u64,
    /// Calls by second since 1970, the latest seconds only.
    pub by_second: BTreeMap<i64, SecondStats>,
}

/// What the simulator received so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// By the operation's name.
    pub operations: BTreeMap<&'static str, OperationStats>,
    /// Calls that were refused before their operation was known.
    pub unknown_calls: u64,
    /// Successful links.
    pub links_made: u64,
    /// Links removed by `AdminDisableProviderForUser`.
    pub links_removed: u64,
    /// Native users who can no longer sign in with their password because of a call. A client that links never causes this.
    pub passwords_disabled: u64,
    /// Different identities that were linked.
    pub identities_linked: u64,
    /// How often one identity was linked, at most.
    pub links_of_one_identity_max: u32,
    /// Calls in flight now.
    pub in_flight: u64,
    /// Calls in flight at once, at most.
    pub in_flight_max: u64,
    /// Writes to one user in flight at once, at most.
    pub writes_in_flight_per_user_max: u32,
    /// Calls with an injected fault.
    pub faults: u64,
    /// Calls of other tenants by quota category, up to the latest call of the client.
    pub background: BTreeMap<&'static str, OtherTenantsStats>,
}

impl Stats {
    /// Calls so far, refused and throttled ones included.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.operations.values().map(|operation| operation.calls).sum::<u64>() + self.unknown_calls
    }

    /// The statistics of one operation.
    #[must_use]
    pub fn of(&self, operation: Operation) -> OperationStats {
        self.operations.get(operation.name()).cloned().unwrap_or_default()
    }
}

#[derive(Debug, Default)]
pub(crate) struct StatsRecorder {
    stats: Stats,
    last_second: BTreeMap<Operation, SlidingSecond>,
    links: HashMap<u64, u32>,
    writes_in_flight: HashMap<u64, u32>,
}

impl StatsRecorder {
    pub(crate) fn snapshot(&self) -> Stats {
        self.stats.clone()
    }

    pub(crate) fn call_arrived(&mut self, now: UnixMs, operation: Operation, result: CallResult) {
        let in_one_second = self.last_second.entry(operation).or_default().add(now);
        let stats = self.stats.operations.entry(operation.name()).or_default();
        stats.calls += 1;
        stats.calls_in_one_second_max = stats.calls_in_one_second_max.max(in_one_second);
        let second = stats.by_second.entry(now.div_euclid(1_000)).or_default();
        second.calls += 1;
        match result {
            CallResult::Accepted => stats.accepted += 1,
            CallResult::Refused => stats.refused += 1,
            CallResult::Throttled => {
                stats.throttled += 1;
                second.throttled += 1;
            }
        }
        if stats.by_second.len() > limits::STATS_SECONDS_MAX {
            stats.by_second.pop_first();
        }
    }

    pub(crate) fn unknown_call(&mut self) {
        self.stats.unknown_calls += 1;
    }

    pub(crate) fn fault(&mut self) {
        self.stats.faults += 1;
    }

    /// Records a link of the identity with this hash.
    pub(crate) fn linked(&mut self, identity: u64) {
        let times = self.links.entry(identity).or_insert(0);
        *times += 1;
        self.stats.links_made += 1;
        self.stats.identities_linked += u64::from(*times == 1);
        self.stats.links_of_one_identity_max = self.stats.links_of_one_identity_max.max(*times);
    }

    pub(crate) fn disabled(&mut self, what: DisabledAccess) {
        match what {
            DisabledAccess::Link => self.stats.links_removed += 1,
            DisabledAccess::Password => self.stats.passwords_disabled += 1,
        }
    }

    /// A call is in flight; `written` is the hash of the user that it writes to.
    pub(crate) fn call_started(&mut self, written: Option<u64>) {
        self.stats.in_flight += 1;
        self.stats.in_flight_max = self.stats.in_flight_max.max(self.stats.in_flight);
        if let Some(user) = written {
            let writes = self.writes_in_flight.entry(user).or_insert(0);
            *writes += 1;
            self.stats.writes_in_flight_per_user_max = self.stats.writes_in_flight_per_user_max.max(*writes);
        }
    }

    /// Records that a call was answered, or that its caller no longer waits.
    pub(crate) fn call_ended(&mut self, written: Option<u64>) {
        self.stats.in_flight = self.stats.in_flight.saturating_sub(1);
        let Some(user) = written else { return };
        if let Some(writes) = self.writes_in_flight.get_mut(&user) {
            *writes -= 1;
            if *writes == 0 {
                self.writes_in_flight.remove(&user);
            }
        }
    }
}

/// The calls of the last second. Those of one millisecond share an entry, so it never holds more than a thousand.
#[derive(Debug, Default)]
struct SlidingSecond {
    calls: VecDeque<(UnixMs, u64)>,
    total: u64,
}

impl SlidingSecond {
    /// Adds a call and counts those of the last second, this one included.
    fn add(&mut self, now: UnixMs) -> u64 {
        while let Some((at, calls)) = self.calls.front().copied() {
            if now.saturating_sub(at) < 1_000 {
                break;
            }
            self.calls.pop_front();
            self.total -= calls;
        }
        match self.calls.back_mut() {
            Some((at, calls)) if *at >= now => *calls += 1,
            _ => self.calls.push_back((now, 1)),
        }
        self.total += 1;
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sliding_second_sees_bursts_across_the_full_second() {
        let mut recorder = StatsRecorder::default();
        for now in [0, 900, 950, 950, 1_100, 1_899, 1_900, 5_000] {
            recorder.call_arrived(now, Operation::LinkProvider, CallResult::Accepted);
        }
        let stats = recorder.snapshot().of(Operation::LinkProvider);
        assert_eq!((stats.calls, stats.calls_in_one_second_max), (8, 5));
        assert_eq!(stats.by_second.values().map(|second| second.calls).collect::<Vec<_>>(), [4, 3, 1]);
    }

    #[test]
    fn kinds_of_answers_add_up() {
        let mut recorder = StatsRecorder::default();
        for seen in [CallResult::Accepted, CallResult::Throttled, CallResult::Refused, CallResult::Throttled] {
            recorder.call_arrived(1_000, Operation::GetUser, seen);
        }
        let stats = recorder.snapshot().of(Operation::GetUser);
        assert_eq!((stats.calls, stats.accepted, stats.throttled, stats.refused), (4, 1, 2, 1));
        assert_eq!(stats.by_second[&1], SecondStats { calls: 4, throttled: 2 });
    }

    #[test]
    fn calls_in_flight_are_counted_by_user() {
        let mut recorder = StatsRecorder::default();
        for user in [Some(1), Some(1), Some(2), None] {
            recorder.call_started(user);
        }
        recorder.call_ended(Some(1));
        recorder.call_started(Some(1));
        let stats = recorder.snapshot();
        assert_eq!((stats.in_flight, stats.in_flight_max, stats.writes_in_flight_per_user_max), (4, 4, 2));
    }

    #[test]
    fn a_second_link_of_one_identity_is_seen() {
        let mut recorder = StatsRecorder::default();
        for identity in [7, 8, 7] {
            recorder.linked(identity);
        }
        let stats = recorder.snapshot();
        assert_eq!((stats.links_made, stats.identities_linked, stats.links_of_one_identity_max), (3, 2, 2));
    }
}
