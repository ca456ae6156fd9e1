//! The pace below a quota whose size is not known, or not known to be free: CUBIC around a ceiling that is measured.
//!
//! A refusal says that the server's bucket is empty. Between two of them it was empty at both ends, so what was let
//! through in between is the quota, and not a guess at it: the pace is set to 97 % of that, rises along a flat curve to
//! 103 %, and faster after that, until it is refused again. Cutting by a fixed part instead, as TCP and the SDK's
//! adaptive retries do, wastes half of a big quota; steering by the share of refusals keeps the bucket empty for
//! everybody else. The tables are in `docs/performance.md`.
//!
//! Pure: it is told the time, in seconds since any start, and neither waits nor calls.

mod log;

use crate::limits::{RATE_PER_SECOND_MAX, RATE_PER_SECOND_MIN};
pub use log::Ticket;
use log::{CallLog, Fate};

/// Part of the measured ceiling by which the pace goes under it after a cut, and over it before it searches. A lone
/// refusal costs no more than this.
const DEPTH: f64 = 0.03;
/// The same among several clients that share a quota: bigger steps, and for all of them in the same time, so that the
/// slower ones gain on the quicker ones; what one leaves another takes.
const DEPTH_AMONG_SEVERAL: f64 = 0.1;
/// The way from a cut to the plateau among several clients, in seconds.
const PLATEAU_SECONDS_AMONG_SEVERAL: f64 = 16.0;
/// The way from a cut to the plateau of the curve at one call a second, in seconds; at other paces it is this over the
/// root of the pace: then a small quota costs no more refusals than it must, and one that is raised is found in time.
const PLATEAU_SECONDS_AT_ONE: f64 = 50.0;
/// The way to the plateau takes at least this long, in seconds: a big quota is not asked for more at every moment.
const PLATEAU_SECONDS_MIN: f64 = 10.0;
/// And at the most this long, in seconds: a small one is asked at least every two minutes.
const PLATEAU_SECONDS_MAX: f64 = 60.0;
/// After a big change the way is this much shorter, [`EAGER_ROUNDS`] times: the first figure is the least sure.
const EAGER: f64 = 1.0 / 3.0;
/// Rounds after a big change that are shorter.
const EAGER_ROUNDS: u32 = 3;
/// Past the search the pace doubles in this time, in seconds: so a quota that was raised is found.
const DOUBLING_SECONDS: f64 = 8.0;
/// A first guess is doubled no faster than in this time, in seconds.
const RAMP_SECONDS: f64 = 0.5;
/// Nor in less than the time of so many calls: a small quota would be overrun before its first refusal comes back.
const RAMP_CALLS: f64 = 20.0;
/// After an outage, in less than the time of so many.
const RECOVERY_CALLS: f64 = 3.0;
/// After an outage the pace is doubled like a first guess, up to this part of what it was.
const RECOVERED: f64 = 0.9;
/// So many refusals, and nothing else, are an outage: a quota of a third lets one in three through.
const OUTAGE_REFUSALS: u32 = 12;
/// Cuts within this time, in seconds, are one fall.
const FALL_SECONDS: f64 = 60.0;
/// Below this part of the calls that the pace allows it is not made use of.
const UNUSED: f64 = 0.3;
/// One cut leaves at least this part of the pace, whatever was measured.
const CUT_MOST: f64 = 0.3;
/// The weight of one answer in the average round trip.
const ROUND_TRIP_WEIGHT: f64 = 0.02;
/// A round trip counts as no longer than this, in seconds: slow answers are the server's work, not the way to it.
const ROUND_TRIP_SECONDS_MAX: f64 = 0.5;

/// What is known before the first call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Start {
    /// Nothing: the pace doubles from this one, in calls a second, until it is refused.
    Ramp(f64),
    /// The quota, in calls a second, of which others may need a part: the pace starts a little under it.
    Known(f64),
    /// What an earlier run had found, in calls a second: the pace starts at nine tenths of it and looks again soon.
    Learnt(f64),
    /// The pace itself, in calls a second, as somebody has asked for.
    At(f64),
}

/// What became of a call, as far as the pace is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was let through, whatever was answered then.
    Accepted,
    /// It was refused for its rate.
    Throttled,
    /// It was let through, and the service failed, or did not answer in time.
    Faulted,
    /// It never came there.
    Unreached,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    /// Doubling from a first guess up to where it is known again; since when, and whether anything was accepted since.
    Ramp { rate: f64, known_from: f64, since: f64, accepted: bool },
    /// On the curve.
    Cubic,
}

/// Sets the pace of one category of calls.
#[derive(Debug, Clone)]
pub struct Controller {
    mode: Mode,
    /// No pace is above this, in calls a second.
    ceiling: f64,
    /// The plateau of the curve: the quota as it was measured last, in calls a second.
    plateau: f64,
    /// When the curve starts: the last cut.
    cut_at: f64,
    /// Seconds from there to the plateau.
    plateau_after: f64,
    /// Rounds that are still to be short.
    eager_left: u32,
    /// The pace before the last big fall, in calls a second, and when that began.
    before_fall: (f64, f64),
    /// Refusals since anything was accepted.
    refused_in_a_row: u32,
    /// Nothing is to be sent before this.
    resume_at: f64,
    /// When the time was taken last.
    looked_at: f64,
    /// The average round trip of accepted calls, in seconds.
    round_trip: f64,
    calls: CallLog,
    /// Whether several clients share the quota, each with a controller of its own.
    among_several: bool,
}

impl Controller {
    /// A controller that starts at time 0, and never goes above `ceiling` calls a second.
    #[must_use]
    pub fn new(start: Start, ceiling: f64) -> Self {
        Self::starting(start, ceiling, false)
    }

    /// One of several that share a quota without talking to each other: it gives way further, so that their parts
    /// become even.
    #[must_use]
    pub fn among_several(start: Start, ceiling: f64) -> Self {
        Self::starting(start, ceiling, true)
    }

    fn starting(start: Start, ceiling: f64, among_several: bool) -> Self {
        let ceiling = bounded(ceiling);
        let (mode, plateau, eager_left) = match start {
            Start::Ramp(rate) => {
                let rate = bounded(rate).min(ceiling);
                (Mode::Ramp { rate, known_from: f64::INFINITY, since: 0.0, accepted: false }, rate, 0)
            }
            Start::Known(rate) | Start::At(rate) => (Mode::Cubic, bounded(rate), 0),
            Start::Learnt(rate) => (Mode::Cubic, bounded(rate * 0.9), EAGER_ROUNDS),
        };
        let plateau_after = plateau_after(plateau, eager_left, among_several);
        Self {
            mode,
            ceiling,
            plateau,
            // The curve is at its plateau one such time after its start.
            cut_at: if matches!(start, Start::At(_) | Start::Learnt(_)) { -plateau_after } else { 0.0 },
            plateau_after,
            eager_left,
            before_fall: (0.0, f64::NEG_INFINITY),
            refused_in_a_row: 0,
            resume_at: 0.0,
            looked_at: 0.0,
            round_trip: 0.1,
            calls: CallLog::default(),
            among_several,
        }
    }

    /// The pace at this time, in calls a second; pauses ([`Self::resume_at`]) stand above it.
    #[must_use]
    pub fn rate(&self, now: f64) -> f64 {
        let rate = match self.mode {
            Mode::Ramp { rate, .. } => rate,
            Mode::Cubic => self.curve(now),
        };
        bounded(rate).min(self.ceiling)
    }

    /// Nothing is to be sent before this time.
    #[must_use]
    pub fn resume_at(&self) -> f64 {
        self.resume_at
    }

    /// The quota as it was measured last, in calls a second; `None` before the first refusal.
    #[must_use]
    pub fn measured(&self) -> Option<f64> {
        self.calls.was_throttled().then_some(self.plateau)
    }

    /// Takes the time: a first guess is doubled while nothing is refused. A pace that is not made use of proves nothing,
    /// and stays as it is.
    pub fn tick(&mut self, now: f64) {
        let passed = now - std::mem::replace(&mut self.looked_at, now);
        if self.is_unused(now) {
            match &mut self.mode {
                Mode::Ramp { since, .. } => *since += passed,
                Mode::Cubic if now > self.cut_at + self.plateau_after => self.cut_at += passed,
                Mode::Cubic => {}
            }
            return;
        }
        let Mode::Ramp { rate, known_from, since, accepted } = &mut self.mode else { return };
        let calls = if known_from.is_finite() { RECOVERY_CALLS } else { RAMP_CALLS };
        if !*accepted || now - *since < f64::max(RAMP_SECONDS, calls / *rate) {
            return;
        }
        *rate = bounded(*rate * 2.0).min(self.ceiling);
        (*since, *accepted) = (now, false);
        if *rate >= *known_from {
            let known = bounded(*known_from);
            self.settle_at(now, known, EAGER_ROUNDS);
        }
    }

    /// A call is sent.
    pub fn on_sent(&mut self, now: f64) -> Ticket {
        self.calls.sent(now, self.rate(now))
    }

    /// A call came back. Says whether the pace was cut for it.
    pub fn on_result(&mut self, now: f64, ticket: Ticket, verdict: Verdict) -> bool {
        match verdict {
            Verdict::Throttled => {
                self.refused_in_a_row += 1;
                self.calls.settle(ticket, Fate::Throttled);
                return self.on_throttled(now, ticket.sent);
            }
            Verdict::Unreached => self.calls.settle(ticket, Fate::Lost),
            Verdict::Faulted => self.calls.settle(ticket, Fate::Accepted),
            Verdict::Accepted => {
                self.calls.settle(ticket, Fate::Accepted);
                self.refused_in_a_row = 0;
                let round_trip = (now - ticket.sent).clamp(0.0, ROUND_TRIP_SECONDS_MAX);
                self.round_trip += ROUND_TRIP_WEIGHT * (round_trip - self.round_trip);
                if let Mode::Ramp { accepted, .. } = &mut self.mode {
                    *accepted = true;
                }
            }
        }
        false
    }

    /// Sends nothing before `until`, because the service has asked for that.
    pub fn pause_until(&mut self, until: f64) {
        self.resume_at = self.resume_at.max(until);
    }

    /// Halves the pace for a reason other than a refusal, and finds its way back from there.
    pub fn halve(&mut self, now: f64) {
        let pace = self.rate(now);
        self.settle_at(now, bounded(pace / 2.0), EAGER_ROUNDS);
    }

    /// Takes another ceiling, in calls a second, and with it another quota where that is known.
    pub fn set_ceiling(&mut self, now: f64, ceiling: f64, quota: Option<f64>) {
        let was_at_ceiling = self.mode == Mode::Cubic && self.rate(now) >= self.ceiling;
        self.ceiling = bounded(ceiling);
        match quota {
            Some(quota) if was_at_ceiling || quota < self.plateau => self.settle_at(now, bounded(quota), 0),
            _ => {}
        }
    }

    /// Whether far fewer calls are sent than the pace allows; right after a doubling there are half as many.
    fn is_unused(&self, now: f64) -> bool {
        let pace = self.rate(now);
        let span = f64::max(1.0, 10.0 / pace);
        now > span && now > self.resume_at + span && self.calls.sent_since(now - span) < UNUSED * pace * span
    }

    fn curve(&self, now: f64) -> f64 {
        let depth = if self.among_several { DEPTH_AMONG_SEVERAL } else { DEPTH };
        let x = (now - self.cut_at).max(0.0) / self.plateau_after;
        if x <= 2.0 {
            self.plateau * (1.0 + depth * (x - 1.0).powi(3))
        } else {
            self.plateau * (1.0 + depth) * ((x - 2.0) * self.plateau_after / DOUBLING_SECONDS).exp2()
        }
    }

    fn on_throttled(&mut self, now: f64, sent: f64) -> bool {
        let ramping = self.mode != Mode::Cubic;
        if sent <= self.cut_at {
            // It says nothing about the pace since.
            return false;
        }
        let pace = self.rate(now);
        let recently = self.calls.accepted_before(sent, f64::max(1.0, 10.0 / pace));
        if self.refused_in_a_row >= OUTAGE_REFUSALS {
            self.fall_out(now, pace);
            return true;
        }
        let measured = self.between_refusals(sent, pace);
        let quota = measured.unwrap_or(if ramping { recently } else { pace });
        if quota < 0.8 * pace {
            self.note_fall(now, pace);
        }
        let passed = (now - self.cut_at) / self.plateau_after;
        let eager_left = if ramping || quota < 0.8 * pace || passed > 2.5 {
            EAGER_ROUNDS
        } else if passed > 0.5 {
            self.eager_left.saturating_sub(1)
        } else {
            self.eager_left
        };
        self.settle_at(now, bounded(quota.clamp(CUT_MOST * pace, pace)), eager_left);
        if measured.is_some() {
            // The bucket is empty: it gains a few calls, against the unevenness of their arrival.
            self.resume_at = now + (1.0 + (self.plateau * self.round_trip).sqrt()) / self.plateau;
        }
        true
    }

    /// Nothing at all is let through: an outage, and no quota that could be measured. The pace falls as far as it can,
    /// and once calls go through again it is doubled until it is nearly what it was.
    fn fall_out(&mut self, now: f64, pace: f64) {
        self.note_fall(now, pace);
        let known_from = RECOVERED * self.before_fall.0;
        self.mode = Mode::Ramp { rate: bounded(CUT_MOST * pace), known_from, since: now, accepted: false };
        self.cut_at = now;
    }

    /// Keeps the pace from before a fall that happens in several cuts.
    fn note_fall(&mut self, now: f64, pace: f64) {
        let (before, at) = self.before_fall;
        if now - at > FALL_SECONDS || pace > before {
            self.before_fall = (pace, now);
        }
    }

    /// The quota, from what was accepted between an earlier refusal and that of the call sent at `sent`.
    fn between_refusals(&self, sent: f64, pace: f64) -> Option<f64> {
        let first = self.calls.first_throttled_since(sent - f64::max(2.0, 30.0 / pace))?;
        let span = sent - first;
        (span >= f64::max(0.5, 10.0 / pace)).then(|| self.calls.accepted_before(sent, span))
    }

    /// Starts the curve anew around `plateau`.
    fn settle_at(&mut self, now: f64, plateau: f64, eager_left: u32) {
        self.mode = Mode::Cubic;
        self.plateau = plateau;
        self.cut_at = now;
        self.eager_left = eager_left;
        self.plateau_after = plateau_after(plateau, eager_left, self.among_several);
    }
}

fn plateau_after(plateau: f64, eager_left: u32, among_several: bool) -> f64 {
    let part = if eager_left > 0 { EAGER } else { 1.0 };
    let whole = if among_several { PLATEAU_SECONDS_AMONG_SEVERAL } else { PLATEAU_SECONDS_AT_ONE / plateau.sqrt() };
    (whole * part).clamp(PLATEAU_SECONDS_MIN, PLATEAU_SECONDS_MAX)
}

fn bounded(rate: f64) -> f64 {
    rate.clamp(RATE_PER_SECOND_MIN, RATE_PER_SECOND_MAX)
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "the counts of a test are small")]
mod tests;
