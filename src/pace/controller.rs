//! Sets the rate below a quota whose size is unknown, or of which others need a part: CUBIC around a measured quota.
//!
//! What is known before the first call is a prior, near which the rate stays calm. A throttled call shows that the server's
//! token bucket is empty. Between two of them it was empty at both ends, so the calls accepted in between are the quota,
//! exactly, and over a long time also what other clients leave of it. After each throttled call the rate falls below that,
//! far enough for the bucket to gain a reserve, returns to it, and rises above it to search. `docs/design/pace.md` explains
//! the policy, and `docs/performance.md` has the figures.
//!
//! Pure: it gets the time, in seconds since any start, and neither waits nor calls.

use std::collections::VecDeque;

use crate::limits::{
    FAULT_HALVINGS_A_MINUTE_MAX, FAULTS_SHARE_MAX, FAULTS_WINDOW_SECONDS, PACE_LOG_CALLS_MAX, PACE_LOG_CALLS_MIN,
    RATE_PER_SECOND_MAX, RATE_PER_SECOND_MIN, WRITE_QUOTA_PER_SECOND,
};

/// Past the plateau, the curve rises by this part of it before it searches.
const SEARCH_HEIGHT: f64 = 0.03;
/// A cut goes this part below the plateau at first. It doubles when a call is throttled before the plateau is reached,
/// because then others use the bucket too, and halves when one is throttled later.
const DEPTH: f64 = 0.03;
const DEPTH_MIN: f64 = 0.02;
const DEPTH_MAX: f64 = 0.16;
/// The longest part of the pause for others, in seconds: buckets are about a second deep.
const RESERVE_SECONDS_MAX: f64 = 0.5;
/// After a first guess, whose measurement is the least exact.
const DEPTH_AFTER_RAMP: f64 = 0.06;
/// The pause after a cut lets the bucket gain the calls that arrive unevenly, and this many times as many for a depth of 1.
const RESERVE_FOR_DEPTH: f64 = 20.0;
/// Near what is known, a lone client returns to the plateau so many times as slowly, and searches as much later.
const CALM: f64 = 2.0;
/// Rates that differ by less than this part are one quota.
const SAME: f64 = 0.02;
/// A measurement over this many seconds weighs half, one over a longer time more.
const MEASURE_SECONDS: f64 = 10.0;
/// A limiter without depth loses the reserve, and the measurement reads low by as much. So after a search that was not cut
/// short, a lone client takes this part of the way from the measurement to the rate that was throttled, but no more than
/// this part of the measurement. A bucket with depth then empties a little sooner, and the next measurement corrects it.
const FOUND: f64 = 0.25;
const FOUND_MAX: f64 = 0.04;
/// Shortest time and fewest calls between two throttled calls that are measured exactly.
const LONG_SECONDS: f64 = 4.0;
const LONG_CALLS: f64 = 40.0;
/// A cut of one of several clients goes this part below the rate.
const SHARD_CUT: f64 = 0.08;
/// Several clients gain this part of the root of plateau and twice their prior in a second: the slower ones gain more, and
/// so their parts become even.
const SHARD_GAIN: f64 = 0.0055;
/// Seconds until one of several clients searches, and until it leaves its known part.
const SHARD_SEARCH_SECONDS: f64 = 72.0;
const SHARD_CALM_SECONDS: f64 = 40.0;
/// Seconds from a cut to the plateau at 1/s; at other rates this over the square root of the rate: then a small quota
/// costs no more throttled calls than it must, and a raised one is found in time.
const PLATEAU_SECONDS_AT_ONE: f64 = 50.0;
/// A large quota is not exceeded more often than this, in seconds.
const PLATEAU_SECONDS_MIN: f64 = 10.0;
/// A small quota is tried at least every two minutes.
const PLATEAU_SECONDS_MAX: f64 = 60.0;
/// After a large change the time to the plateau is this much shorter, [`EAGER_ROUNDS`] times: the first measurement is
/// the least exact.
const EAGER: f64 = 1.0 / 3.0;
const EAGER_ROUNDS: u32 = 3;
/// Past the search the rate doubles in this time, in seconds: it finds a raised quota.
const DOUBLING_SECONDS: f64 = 8.0;
/// A first guess of at most the documented quota is doubled after this time, in seconds, and after this many calls,
const FIRST_STAGE_SECONDS: f64 = 0.2;
const FIRST_STAGE_CALLS: f64 = 5.0;
/// and then multiplied each time that the stage has lasted so long: a bucket that holds a second of half the stage's rate
/// is empty by then, and its first throttled answer is back.
const STAGE_SECONDS: f64 = 1.12;
const STAGE_CALLS: f64 = 20.0;
const STAGE_FACTOR: f64 = 3.0;
/// Several clients take smaller steps, because the first throttled call slows only one of them.
const SHARD_STAGE_FACTOR: f64 = 2.0;
/// A bucket is assumed to hold what its quota adds in so many seconds, where a full one may have been emptied.
const BUCKET_SECONDS: f64 = 1.0;
/// A throttled call at up to this many times the prior confirms it.
const CONFIRMS_UP_TO: f64 = 2.1;
/// Past this many plateau times without a throttled call, the quota may have risen.
const RISEN_AFTER: f64 = 2.5;
/// An accepted rate this many times the plateau shows that it has.
const RISEN: f64 = 1.1;
/// After an outage the rate doubles at most once in this time, in seconds, and in the time of this many calls,
const RECOVERY_SECONDS: f64 = 0.5;
const RECOVERY_CALLS: f64 = 3.0;
/// up to this part of the rate before it.
const RECOVERED: f64 = 0.9;
/// This many throttled calls and nothing else are an outage: a third of a quota accepts one call in three.
const OUTAGE_REFUSALS: u32 = 12;
/// Cuts within this time, in seconds, belong to one fall.
const FALL_SECONDS: f64 = 60.0;
/// Below this part of the calls that it allows, the rate is not used.
const UNUSED: f64 = 0.3;
/// One cut leaves at least this part of the rate, whatever was measured.
const CUT_MOST: f64 = 0.3;
/// The weight of one answer in the average round trip.
const ROUND_TRIP_WEIGHT: f64 = 0.02;
/// A round trip counts as no longer than this, in seconds: slow answers are the server's work, not the network.
const ROUND_TRIP_SECONDS_MAX: f64 = 0.5;
/// Calls are logged for this many seconds: longer than the longest span that is measured.
const LOGGED_SECONDS: f64 = 6.0;
/// At a slow rate, for as long as this many calls take.
const LOGGED_CALLS: f64 = 40.0;
/// Fewer faults than this in a window are chance.
const FAULTS_MIN: u32 = 3;

/// What is known before the first call, in calls per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum InitialRate {
    /// Nothing: the rate doubles from this one until a call is throttled.
    Ramp(f64),
    /// The quota, of which others may need a part: the rate starts a little below it.
    Known(f64),
    /// The quota that an earlier run measured: the rate starts at nine tenths of it and searches soon.
    Learnt(f64),
    /// The rate itself, as the user chose it.
    At(f64),
}

/// What the outcome of a call says about the rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallFeedback {
    /// The service accepted it, whatever the answer was.
    Accepted,
    Throttled,
    /// Accepted, but the service failed or did not answer in time.
    Faulted,
    /// It did not reach the service.
    Unreached,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoggedCall {
    number: u64,
    /// In seconds.
    sent: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    /// In stages from a first guess up to `known_from`; `accepted` holds for the time of this stage.
    Ramp { rate: f64, known_from: f64, since: f64, accepted: bool, stage: u32 },
    /// On the curve.
    Cubic,
}

/// Sets the rate of one category of calls.
#[derive(Debug, Clone)]
pub struct RateController {
    mode: Mode,
    /// The highest rate, in calls per second.
    ceiling: f64,
    /// The plateau of the curve: the quota as last measured, in calls per second.
    plateau: f64,
    /// The last cut, where the curve starts.
    cut_at: f64,
    /// What was known before the first call, or was read since, in calls per second.
    prior: f64,
    /// How far the next cut goes below the plateau, as a part of it.
    depth: f64,
    /// Calls accepted so far.
    accepted: f64,
    /// The last throttled call that was followed, and the calls accepted until then.
    emptied: Option<(f64, f64)>,
    /// Seconds from there to the plateau.
    plateau_after: f64,
    /// Short rounds left.
    eager_left: u32,
    /// The rate before the last large fall, in calls per second, and when the fall began.
    before_fall: (f64, f64),
    /// Throttled calls since the last accepted one.
    refused_in_a_row: u32,
    /// No call may be sent before this.
    resume_at: f64,
    ticked_at: f64,
    /// The average round trip of accepted calls, in seconds.
    round_trip: f64,
    calls: CallLog,
    faults: FaultWindow,
    /// Whether several clients share the quota, each with its own controller.
    among_several: bool,
}

impl RateController {
    /// Starts at time 0; the rate never exceeds `ceiling` calls per second.
    pub fn new(start: InitialRate, ceiling: f64) -> Self {
        Self::starting(start, ceiling, false)
    }

    /// One of several clients that share a quota without communicating: it gives way further, so that their parts become
    /// even.
    pub fn among_several(start: InitialRate, ceiling: f64) -> Self {
        Self::starting(start, ceiling, true)
    }

    fn starting(start: InitialRate, ceiling: f64, among_several: bool) -> Self {
        let ceiling = bounded(ceiling);
        let (mode, plateau, eager_left) = match start {
            InitialRate::Ramp(rate) => {
                let rate = bounded(rate).min(ceiling);
                let known_from = f64::INFINITY;
                (Mode::Ramp { rate, known_from, since: 0.0, accepted: false, stage: 0 }, rate, 0)
            }
            InitialRate::Known(rate) | InitialRate::At(rate) => (Mode::Cubic, bounded(rate), 0),
            InitialRate::Learnt(rate) => (Mode::Cubic, bounded(rate * 0.9), EAGER_ROUNDS),
        };
        let (InitialRate::Ramp(prior)
        | InitialRate::Known(prior)
        | InitialRate::At(prior)
        | InitialRate::Learnt(prior)) = start;
        let prior = bounded(prior);
        let plateau_after = plateau_after(plateau, prior, eager_left, among_several);
        Self {
            mode,
            ceiling,
            plateau,
            // These start on the plateau.
            cut_at: if matches!(start, InitialRate::At(_) | InitialRate::Learnt(_)) { -plateau_after } else { 0.0 },
            plateau_after,
            prior,
            depth: DEPTH,
            accepted: 0.0,
            emptied: None,
            eager_left,
            before_fall: (0.0, f64::NEG_INFINITY),
            refused_in_a_row: 0,
            resume_at: 0.0,
            ticked_at: 0.0,
            round_trip: 0.1,
            calls: CallLog::default(),
            faults: FaultWindow::default(),
            among_several,
        }
    }

    /// The rate at this time, in calls per second, apart from pauses ([`Self::resume_at`]).
    pub fn rate(&self, now: f64) -> f64 {
        let rate = match self.mode {
            Mode::Ramp { rate, .. } => rate,
            Mode::Cubic => self.curve(now),
        };
        bounded(rate).min(self.ceiling)
    }

    /// No call may be sent before this time.
    pub fn resume_at(&self) -> f64 {
        self.resume_at
    }

    /// The quota as last measured, in calls per second; `None` before the first throttled call.
    pub fn measured_quota(&self) -> Option<f64> {
        self.calls.was_throttled.then_some(self.plateau)
    }

    /// Advances the time: a first guess grows while no call is throttled. A rate that is not used proves nothing, and
    /// stays as it is.
    pub fn tick(&mut self, now: f64) {
        let passed = now - std::mem::replace(&mut self.ticked_at, now);
        if self.is_unused(now) {
            match &mut self.mode {
                Mode::Ramp { since, .. } => *since += passed,
                Mode::Cubic if now > self.cut_at + self.plateau_after => self.cut_at += passed,
                Mode::Cubic => {}
            }
            return;
        }
        let Mode::Ramp { rate, known_from, since, accepted, stage } = &mut self.mode else { return };
        let factor = if self.among_several { SHARD_STAGE_FACTOR } else { STAGE_FACTOR };
        let (seconds, calls, factor) = match *stage {
            _ if known_from.is_finite() => (RECOVERY_SECONDS, RECOVERY_CALLS, 2.0),
            0 if *rate <= WRITE_QUOTA_PER_SECOND => (FIRST_STAGE_SECONDS, FIRST_STAGE_CALLS, 2.0),
            _ => (STAGE_SECONDS, STAGE_CALLS, factor),
        };
        if !*accepted || now - *since < f64::max(seconds, calls / *rate) {
            return;
        }
        *stage += 1;
        *rate = bounded(*rate * factor).min(self.ceiling);
        (*since, *accepted) = (now, false);
        if *rate >= *known_from {
            let known = bounded(*known_from);
            self.settle_at(now, known, EAGER_ROUNDS);
        }
    }

    /// Logs a call that is sent now.
    pub fn on_sent(&mut self, now: f64) -> LoggedCall {
        self.calls.add(now, self.rate(now))
    }

    /// Takes the outcome of a call. Returns whether the rate was cut because it was throttled.
    pub fn on_result(&mut self, now: f64, call: LoggedCall, feedback: CallFeedback) -> bool {
        match feedback {
            CallFeedback::Throttled => {
                self.refused_in_a_row += 1;
                self.calls.settle(call, CallState::Throttled);
                return self.on_throttled(now, call.sent);
            }
            CallFeedback::Unreached => self.calls.settle(call, CallState::Lost),
            CallFeedback::Faulted => {
                self.calls.settle(call, CallState::Accepted);
                if self.faults.record_answer(now, true) {
                    self.halve(now);
                }
            }
            CallFeedback::Accepted => {
                self.calls.settle(call, CallState::Accepted);
                self.refused_in_a_row = 0;
                self.accepted += 1.0;
                self.faults.record_answer(now, false);
                let round_trip = (now - call.sent).clamp(0.0, ROUND_TRIP_SECONDS_MAX);
                self.round_trip += ROUND_TRIP_WEIGHT * (round_trip - self.round_trip);
                if let Mode::Ramp { accepted, .. } = &mut self.mode {
                    *accepted = true;
                }
            }
        }
        false
    }

    /// Allows no call before `until`, because the service requested a wait.
    pub fn pause_until(&mut self, until: f64) {
        self.resume_at = self.resume_at.max(until);
    }

    /// Halves the rate for another reason than a throttled call; it rises again from there.
    fn halve(&mut self, now: f64) {
        let rate = self.rate(now);
        self.emptied = None;
        self.settle_at(now, bounded(rate / 2.0), EAGER_ROUNDS);
    }

    /// Takes another ceiling, and another quota where it is known, in calls per second.
    pub fn set_ceiling(&mut self, now: f64, ceiling: f64, quota: Option<f64>) {
        let was_at_ceiling = self.mode == Mode::Cubic && self.rate(now) >= self.ceiling;
        self.ceiling = bounded(ceiling);
        match quota {
            Some(quota) if was_at_ceiling || quota < self.plateau => {
                self.emptied = None;
                self.settle_at(now, bounded(quota), 0);
            }
            _ => {}
        }
        self.prior = quota.map_or(self.prior, bounded);
    }

    /// Takes another ceiling, in calls per second, that says nothing about the quota. Where the old one has held the rate
    /// back, the curve has risen unseen: it starts again from what is known, or from the new ceiling where a person has
    /// chosen that as the rate.
    pub fn limit(&mut self, now: f64, ceiling: f64, is_chosen: bool) {
        let ceiling = bounded(ceiling);
        let was_held_back = self.mode == Mode::Cubic && self.curve(now) >= self.ceiling;
        if was_held_back && ceiling > self.ceiling {
            let known = if is_chosen { ceiling } else { self.plateau.max(self.ceiling) };
            self.settle_at(now, bounded(known), 0);
        }
        self.ceiling = ceiling;
    }

    /// Whether far fewer calls are sent than the rate allows; right after a doubling it is half as many.
    fn is_unused(&self, now: f64) -> bool {
        let rate = self.rate(now);
        let span = f64::max(1.0, 10.0 / rate);
        now > span && now > self.resume_at + span && self.calls.sent_since(now - span) < UNUSED * rate * span
    }

    fn curve(&self, now: f64) -> f64 {
        let since_cut = (now - self.cut_at).max(0.0);
        if self.among_several {
            return self.curve_of_a_shard(since_cut);
        }
        let x = since_cut / self.plateau_after;
        if x <= 1.0 {
            self.plateau * (1.0 - self.depth * (1.0 - x).powi(2))
        } else if x <= 2.0 {
            self.plateau * (1.0 + SEARCH_HEIGHT * (x - 1.0).powi(3))
        } else {
            self.plateau * (1.0 + SEARCH_HEIGHT) * ((x - 2.0) * self.plateau_after / DOUBLING_SECONDS).exp2()
        }
    }

    /// A straight line from below the rate of the last throttled call. Throttled calls meet a faster client more often, and
    /// each costs it more, so parts become even. A client below its known part returns to it and stays there for a while.
    fn curve_of_a_shard(&self, since_cut: f64) -> f64 {
        let gain = shard_gain(self.plateau, self.prior);
        let search_after = SHARD_SEARCH_SECONDS * if self.eager_left > 0 { 0.25 } else { 1.0 };
        let line = self.plateau * (1.0 - SHARD_CUT) + gain * since_cut.min(search_after);
        let is_within_part = self.plateau < self.prior * (1.0 + SAME);
        let calm = if is_within_part { SHARD_CALM_SECONDS } else { 0.0 };
        let part = self.prior + gain * (since_cut - calm).clamp(0.0, search_after);
        let line = if is_within_part { line.min(part) } else { line };
        line * ((since_cut - calm - search_after).max(0.0) / DOUBLING_SECONDS).exp2()
    }

    fn on_throttled(&mut self, now: f64, sent: f64) -> bool {
        if sent <= self.cut_at {
            // Sent before the last cut: it says nothing about the rate since.
            return false;
        }
        let rate = self.rate(now);
        if self.refused_in_a_row >= OUTAGE_REFUSALS {
            self.start_recovery(now, rate);
            return true;
        }
        let measured = self.between_refusals(sent, rate).or_else(|| self.since_emptied(now));
        let (quota, eager_left) = match self.mode {
            Mode::Ramp { rate, stage, .. } => self.cut_in_ramp(sent, rate, stage),
            Mode::Cubic if self.among_several => self.cut_of_a_shard(rate),
            Mode::Cubic => self.cut_on_curve(now, sent, rate),
        };
        let has_ramped = self.mode != Mode::Cubic && !self.among_several;
        let confirms_prior = self.mode != Mode::Cubic && (quota / self.prior - 1.0).abs() < SAME;
        let empties = measured.is_some() || has_ramped || confirms_prior;
        self.emptied = Some((now, self.accepted));
        self.settle_at(now, bounded(quota.min(rate)), eager_left);
        if empties {
            // The bucket is empty: let it gain a few calls, because calls arrive unevenly, and more where others call.
            let uneven = (1.0 + (self.plateau * self.round_trip).sqrt()) / self.plateau;
            let reserve = (RESERVE_FOR_DEPTH * self.depth * uneven).min(RESERVE_SECONDS_MAX);
            // After a first guess, many more calls are under way than the quota allows.
            let under_way = if has_ramped { self.round_trip } else { 0.0 };
            self.resume_at = now + under_way + uneven + reserve;
        }
        true
    }

    /// Ends the first search. A throttled call near what is known confirms it, unless it is one of a lone client's first
    /// stage: at that rate, no call has been accepted for long. Several clients return to the last rate that was accepted,
    /// which is the same for all of them.
    fn cut_in_ramp(&mut self, sent: f64, rate: f64, stage: u32) -> (f64, u32) {
        self.depth = DEPTH_AFTER_RAMP;
        let has_accepted_stage = stage > 0 || self.among_several;
        if has_accepted_stage && (self.prior * (1.0 - SAME)..=self.prior * CONFIRMS_UP_TO).contains(&rate) {
            return (self.prior, 0);
        }
        if self.among_several {
            return (rate / SHARD_STAGE_FACTOR, 0);
        }
        (self.calls.quota_of_emptied_bucket(sent), EAGER_ROUNDS)
    }

    fn cut_of_a_shard(&self, rate: f64) -> (f64, u32) {
        let confirms = (0.95..=1.25).contains(&(rate / self.prior));
        (if confirms { self.prior } else { rate }, self.eager_left.saturating_sub(1))
    }

    fn cut_on_curve(&mut self, now: f64, sent: f64, rate: f64) -> (f64, u32) {
        let passed = (now - self.cut_at) / self.plateau_after;
        let (short, long) = (self.between_refusals(sent, rate), self.since_emptied(now));
        if let Some((quota, span)) = short
            && quota < 0.8 * rate
            && (quota < 0.6 * rate || span * rate > 25.0)
        {
            // The quota fell.
            self.note_fall(now, rate);
            self.adapt_depth(passed, self.eager_left == 0);
            return (quota.max(CUT_MOST * rate), EAGER_ROUNDS);
        }
        if passed > RISEN_AFTER && long.is_none_or(|(quota, _)| quota > RISEN * self.plateau) {
            self.adapt_depth(passed, self.eager_left == 0);
            let emptied = || self.calls.quota_of_emptied_bucket(sent).max(self.plateau).min(rate);
            return (short.map_or_else(emptied, |(quota, _)| quota), EAGER_ROUNDS);
        }
        let has_searched_alone = passed >= 2.0 && self.depth <= 2.0 * DEPTH_MIN;
        self.adapt_depth(passed, false);
        let eager_left = if passed > 0.5 { self.eager_left.saturating_sub(1) } else { self.eager_left };
        let Some((quota, span)) = long.or(short) else { return (rate.min(self.plateau), eager_left) };
        let weight = if self.eager_left > 0 { 1.0 } else { span / (span + MEASURE_SECONDS) };
        let found = if has_searched_alone { (FOUND * (rate - quota)).min(FOUND_MAX * quota) } else { 0.0 };
        (self.plateau + weight * (quota + found - self.plateau), eager_left)
    }

    fn adapt_depth(&mut self, passed: f64, has_changed: bool) {
        self.depth = match passed {
            _ if has_changed => DEPTH,
            ..1.0 => (self.depth * 2.0).min(DEPTH_MAX),
            _ => (self.depth / 2.0).max(DEPTH_MIN),
        };
    }

    /// No call is accepted: an outage, and no quota that could be measured. The rate falls as far as it can; once calls
    /// are accepted again, it doubles until it is nearly the one before.
    fn start_recovery(&mut self, now: f64, rate: f64) {
        self.note_fall(now, rate);
        let known_from = RECOVERED * self.before_fall.0;
        self.mode = Mode::Ramp { rate: bounded(CUT_MOST * rate), known_from, since: now, accepted: false, stage: 1 };
        self.cut_at = now;
        self.emptied = None;
    }

    /// Keeps the rate from before a fall that takes several cuts.
    fn note_fall(&mut self, now: f64, rate: f64) {
        let (before, at) = self.before_fall;
        if now - at > FALL_SECONDS || rate > before {
            self.before_fall = (rate, now);
        }
    }

    /// The quota: calls accepted per second between an earlier throttled call and the one sent at `sent`, and the seconds.
    fn between_refusals(&self, sent: f64, rate: f64) -> Option<(f64, f64)> {
        let first = self.calls.first_throttled_since(sent - f64::max(2.0, 30.0 / rate))?;
        let span = sent - first;
        (span >= f64::max(0.5, 10.0 / rate)).then(|| (self.calls.accepted_before(sent, span, self.cut_at), span))
    }

    /// Calls accepted per second since the last cut at a throttled call, and the seconds.
    fn since_emptied(&self, now: f64) -> Option<(f64, f64)> {
        let (at, accepted) = self.emptied?;
        let span = now - at;
        (span >= LONG_SECONDS && span * self.plateau > LONG_CALLS).then(|| ((self.accepted - accepted) / span, span))
    }

    fn settle_at(&mut self, now: f64, plateau: f64, eager_left: u32) {
        self.mode = Mode::Cubic;
        self.plateau = plateau;
        self.cut_at = now;
        self.eager_left = eager_left;
        self.plateau_after = plateau_after(plateau, self.prior, eager_left, self.among_several);
    }
}

fn plateau_after(plateau: f64, prior: f64, eager_left: u32, among_several: bool) -> f64 {
    if among_several {
        return SHARD_CUT * plateau / shard_gain(plateau, prior);
    }
    let seconds = (PLATEAU_SECONDS_AT_ONE / plateau.sqrt()).clamp(PLATEAU_SECONDS_MIN, PLATEAU_SECONDS_MAX);
    let is_known = (plateau / prior - 1.0).abs() < SAME;
    seconds * if eager_left > 0 { EAGER } else { 1.0 } * if is_known { CALM } else { 1.0 }
}

/// What one of several clients gains, in calls per second per second.
fn shard_gain(plateau: f64, prior: f64) -> f64 {
    SHARD_GAIN * (plateau * 2.0 * prior).sqrt()
}

fn bounded(rate: f64) -> f64 {
    rate.clamp(RATE_PER_SECOND_MIN, RATE_PER_SECOND_MAX)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CallState {
    Unanswered,
    Accepted,
    Throttled,
    Lost,
}

/// The calls of the last seconds, in the order in which they were sent.
#[derive(Debug, Clone, Default)]
struct CallLog {
    /// When each was sent, in seconds, and its state.
    calls: VecDeque<(f64, CallState)>,
    /// The number of the oldest call that is kept.
    first: u64,
    was_throttled: bool,
}

impl CallLog {
    /// Adds a call, and drops those that no measurement at this rate reaches back to.
    fn add(&mut self, now: f64, rate: f64) -> LoggedCall {
        let oldest = now - f64::max(LOGGED_SECONDS, LOGGED_CALLS / rate);
        while self.calls.len() >= PACE_LOG_CALLS_MAX
            || self.calls.len() > PACE_LOG_CALLS_MIN && self.calls.front().is_some_and(|(sent, _)| *sent < oldest)
        {
            self.calls.pop_front();
            self.first += 1;
        }
        let call = LoggedCall { number: self.first + self.calls.len() as u64, sent: now };
        self.calls.push_back((now, CallState::Unanswered));
        call
    }

    /// Sets the state of a call; a dropped one is too old to matter.
    fn settle(&mut self, call: LoggedCall, fate: CallState) {
        self.was_throttled |= fate == CallState::Throttled;
        let index = call.number.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        if let Some((_, held)) = index.and_then(|index| self.calls.get_mut(index)) {
            *held = fate;
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "at most as many as are kept")]
    fn sent_since(&self, since: f64) -> f64 {
        (self.calls.len() - self.calls.partition_point(|(sent, _)| *sent < since)) as f64
    }

    /// When the first throttled call since then was sent.
    fn first_throttled_since(&self, since: f64) -> Option<f64> {
        let from = self.calls.partition_point(|(sent, _)| *sent < since);
        self.calls.range(from..).find(|(_, fate)| *fate == CallState::Throttled).map(|(sent, _)| *sent)
    }

    /// The quota, in calls per second, of a full bucket that the calls up to `until` emptied: one that holds
    /// [`BUCKET_SECONDS`] of it accepts so much longer than it is called. Unanswered calls count, because a throttled
    /// answer comes back sooner.
    fn quota_of_emptied_bucket(&self, until: f64) -> f64 {
        let (mut accepted, mut quota) = (0.0, 0.0);
        let until_index = self.calls.partition_point(|(sent, _)| *sent <= until);
        for (sent, fate) in self.calls.range(..until_index).rev() {
            if matches!(fate, CallState::Accepted | CallState::Unanswered) {
                accepted += 1.0;
                quota = f64::max(quota, accepted / (until - sent + BUCKET_SECONDS));
            }
        }
        quota
    }

    /// Accepted calls per second, of those sent in the `span` seconds up to `until`. Unanswered calls count at the
    /// accepted share of those sent after `cut_at`: a throttled answer comes back sooner than a success, so that counting
    /// answers alone reads 5 % low at 1,000/s, and calls before a cut were throttled at another rate.
    fn accepted_before(&self, until: f64, span: f64, cut_at: f64) -> f64 {
        let from = self.calls.partition_point(|(sent, _)| *sent <= until - span);
        let (mut accepted, mut throttled, mut unanswered, mut before) = (0.0, 0.0, 0.0, 0.0);
        for (sent, fate) in self.calls.range(from..).take_while(|(sent, _)| *sent <= until) {
            match fate {
                CallState::Accepted if *sent <= cut_at => before += 1.0,
                CallState::Accepted => accepted += 1.0,
                CallState::Throttled if *sent > cut_at => throttled += 1.0,
                CallState::Unanswered => unanswered += 1.0,
                CallState::Throttled | CallState::Lost => {}
            }
        }
        let answered: f64 = accepted + throttled;
        let share = if answered > 0.0 { accepted / answered } else { 1.0 };
        (before + accepted + unanswered * share) / span
    }
}

/// Finds out whether a failing service gets too many calls, from the calls and faults of the last seconds.
///
/// Throttled calls do not count: they set the rate themselves. A service that fails for other reasons than its load
/// must not be called slowly forever, so the rate is halved at most a few times a minute.
#[derive(Debug, Clone, Default)]
struct FaultWindow {
    /// A second, its calls, and the faults among them.
    seconds: [(u64, u32, u32); FAULTS_WINDOW_SECONDS],
    /// When the rate was halved, in seconds.
    halved_at: Vec<f64>,
}

impl FaultWindow {
    /// Counts an answer; returns whether the rate must be halved.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "seconds of a run"
    )]
    fn record_answer(&mut self, now: f64, faulted: bool) -> bool {
        let second = now.max(0.0) as u64;
        let slot = &mut self.seconds[second as usize % FAULTS_WINDOW_SECONDS];
        if slot.0 != second {
            *slot = (second, 0, 0);
        }
        slot.1 += 1;
        slot.2 += u32::from(faulted);
        if !faulted {
            return false;
        }
        let recent = self.seconds.iter().filter(|(at, ..)| second - at.min(&second) < FAULTS_WINDOW_SECONDS as u64);
        let (calls, faults) = recent.fold((0, 0), |(calls, faults), (_, more, bad)| (calls + more, faults + bad));
        self.halved_at.retain(|at| now - at < 60.0);
        let too_many = faults >= FAULTS_MIN && f64::from(faults) > FAULTS_SHARE_MAX * f64::from(calls);
        // The last halving gets a whole window to show its effect.
        let waits = self.halved_at.last().is_some_and(|at| now - at < FAULTS_WINDOW_SECONDS as f64);
        if !too_many || waits || self.halved_at.len() >= FAULT_HALVINGS_A_MINUTE_MAX {
            return false;
        }
        self.halved_at.push(now);
        true
    }
}

#[cfg(test)]
#[path = "controller_tests.rs"]
#[expect(clippy::cast_precision_loss, reason = "the counts of a test are small")]
mod tests;
