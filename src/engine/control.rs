//! What holds a run and what limits its rate, by the requests so far. Each source holds and limits on its own: a person
//! who resumes does not open a window.

use tokio::sync::oneshot;

use crate::domain::control::{
    ChosenRate, ControlAction, ControlChange, ControlRequest, ControlSource, Hold, RateBound, WindowState,
};
use crate::domain::event::RunSnapshot;
use crate::limits::{RATE_PER_SECOND_MAX, RATE_PER_SECOND_MIN};
use crate::pace::RateLimits;

/// One step of [`ControlAction::Faster`].
const STEP: f64 = 1.25;

/// A request, and where its answer goes: the state of the run after it.
#[derive(Debug)]
pub struct ControlMessage {
    pub request: ControlRequest,
    pub reply: Option<oneshot::Sender<RunSnapshot>>,
}

/// The rate at the moment, in calls per second.
#[derive(Debug, Clone, Copy)]
pub(super) struct PresentRate {
    pub(super) allowed: f64,
    pub(super) ceiling: f64,
    /// The account's quota, where it is known.
    pub(super) quota: Option<f64>,
}

#[derive(Debug, Default)]
pub(super) struct RunControl {
    operator_holds: bool,
    file_holds: bool,
    /// `None` without a schedule.
    window: Option<WindowState>,
    /// The limit that a person has chosen, in calls per second.
    chosen_rate: Option<f64>,
}

impl RunControl {
    /// Takes a request. Returns what it changes, if anything.
    pub(super) fn apply(&mut self, request: &ControlRequest, rate: PresentRate) -> Option<ControlChange> {
        let is_file = request.source == ControlSource::PauseFile;
        let holds = if is_file { &mut self.file_holds } else { &mut self.operator_holds };
        let held_before = *holds;
        match request.action {
            ControlAction::ReportState => None,
            ControlAction::Pause => {
                *holds = true;
                (!held_before).then_some(ControlChange::Paused)
            }
            ControlAction::Resume => {
                *holds = false;
                held_before.then_some(ControlChange::Resumed)
            }
            ControlAction::TogglePause => {
                *holds = !held_before;
                Some(if held_before { ControlChange::Resumed } else { ControlChange::Paused })
            }
            ControlAction::SetRate(per_second) => self.choose_rate(per_second, rate.quota),
            ControlAction::Faster => {
                // Above the quota, further steps would have no effect.
                let present = rate.ceiling.min(rate.quota.unwrap_or(f64::INFINITY));
                self.choose_rate(present * STEP, rate.quota)
            }
            ControlAction::Slower => self.choose_rate(rate.allowed.min(rate.ceiling) / STEP, rate.quota),
            ControlAction::ClearRate => self.chosen_rate.take().map(|_| ControlChange::RateCleared),
            ControlAction::Drain => Some(ControlChange::Draining),
            ControlAction::SetWindow(window) => {
                let is_new = self.window.replace(window) != Some(window);
                is_new.then_some(match window {
                    WindowState::Open { rate } => ControlChange::WindowOpened { rate },
                    WindowState::Closed { opens } => ControlChange::WindowClosed { opens },
                })
            }
        }
    }

    fn choose_rate(&mut self, per_second: f64, quota: Option<f64>) -> Option<ControlChange> {
        if per_second.is_nan() {
            return None;
        }
        // Two decimals are enough for people and for the ledger.
        let per_second = (per_second.clamp(RATE_PER_SECOND_MIN, RATE_PER_SECOND_MAX) * 100.0).round() / 100.0;
        let is_new = self.chosen_rate.replace(per_second) != Some(per_second);
        is_new.then(|| self.chosen_rate(quota).map(ControlChange::RateSet))?
    }

    /// The limit that a person has chosen, and what keeps the rate lower.
    pub(super) fn chosen_rate(&self, quota: Option<f64>) -> Option<ChosenRate> {
        let per_second = self.chosen_rate?;
        let bounds = [self.rate_limits().window.map(RateBound::Window), quota.map(RateBound::Quota)];
        let lower = bounds.into_iter().flatten().filter(|bound| bound.per_second() < per_second);
        let bound = lower.min_by(|one, other| one.per_second().total_cmp(&other.per_second()));
        Some(ChosenRate { per_second, bound })
    }

    /// Why nothing is to be sent; `None` where nothing holds the run.
    pub(super) fn hold(&self) -> Option<Hold> {
        match self.window {
            _ if self.operator_holds => Some(Hold::Operator),
            _ if self.file_holds => Some(Hold::PauseFile),
            Some(WindowState::Closed { opens }) => Some(Hold::Window { opens }),
            Some(WindowState::Open { .. }) | None => None,
        }
    }

    pub(super) fn rate_limits(&self) -> RateLimits {
        let window = match self.window {
            Some(WindowState::Open { rate }) => rate,
            Some(WindowState::Closed { .. }) | None => None,
        };
        RateLimits { chosen: self.chosen_rate, window }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: PresentRate = PresentRate { allowed: 8.0, ceiling: 20.0, quota: None };

    fn rate_set(per_second: f64) -> ControlChange {
        ControlChange::RateSet(ChosenRate { per_second, bound: None })
    }

    #[test]
    fn a_chosen_rate_says_what_keeps_the_rate_lower() {
        let mut control = RunControl::default();
        let rate = PresentRate { quota: Some(25.0), ..RATE };
        let mut socket = |action| {
            let request = ControlRequest { action, source: ControlSource::Socket, user: None };
            match control.apply(&request, rate) {
                Some(ControlChange::RateSet(ChosenRate { per_second, bound })) => Some((per_second, bound)),
                _ => None,
            }
        };
        assert_eq!(socket(ControlAction::SetRate(25.0)), Some((25.0, None)));
        assert_eq!(socket(ControlAction::SetRate(30.0)), Some((30.0, Some(RateBound::Quota(25.0)))));
        assert_eq!(socket(ControlAction::SetWindow(WindowState::Open { rate: Some(5.0) })), None);
        assert_eq!(socket(ControlAction::SetRate(40.0)), Some((40.0, Some(RateBound::Window(5.0)))));
        assert_eq!(socket(ControlAction::SetRate(4.0)), Some((4.0, None)));
        assert_eq!(
            control.chosen_rate(Some(2.0)),
            Some(ChosenRate { per_second: 4.0, bound: Some(RateBound::Quota(2.0)) })
        );
        // Steps end at the quota.
        let high = PresentRate { allowed: 25.0, ceiling: 500.0, quota: Some(25.0) };
        let faster = ControlRequest { action: ControlAction::Faster, source: ControlSource::Key, user: None };
        control.apply(&faster, high);
        assert_eq!(control.chosen_rate(None).map(|rate| rate.per_second), Some(31.25));
        assert_eq!(control.apply(&faster, high), None, "nothing changes any more");
    }

    fn applied(control: &mut RunControl, source: ControlSource, action: ControlAction) -> Option<ControlChange> {
        control.apply(&ControlRequest { action, source, user: None }, RATE)
    }

    #[test]
    fn each_source_holds_on_its_own() {
        let mut control = RunControl::default();
        let closed = WindowState::Closed { opens: None };
        let open = WindowState::Open { rate: Some(5.0) };
        let steps = [
            (ControlSource::Window, ControlAction::SetWindow(closed), Some(Hold::Window { opens: None })),
            (ControlSource::Socket, ControlAction::Pause, Some(Hold::Operator)),
            (ControlSource::PauseFile, ControlAction::Pause, Some(Hold::Operator)),
            (ControlSource::Key, ControlAction::Resume, Some(Hold::PauseFile)),
            (ControlSource::PauseFile, ControlAction::Resume, Some(Hold::Window { opens: None })),
            (ControlSource::Socket, ControlAction::Resume, Some(Hold::Window { opens: None })),
            (ControlSource::Window, ControlAction::SetWindow(open), None),
            (ControlSource::Key, ControlAction::TogglePause, Some(Hold::Operator)),
            (ControlSource::Socket, ControlAction::ReportState, Some(Hold::Operator)),
            (ControlSource::Key, ControlAction::TogglePause, None),
        ];
        for (at, (source, action, hold)) in steps.into_iter().enumerate() {
            applied(&mut control, source, action);
            assert_eq!(control.hold(), hold, "step {at}");
        }
    }

    #[test]
    fn only_a_change_is_one() {
        let mut control = RunControl::default();
        let mut socket = |action| applied(&mut control, ControlSource::Socket, action);
        assert_eq!(socket(ControlAction::Resume), None);
        assert_eq!(socket(ControlAction::Pause), Some(ControlChange::Paused));
        assert_eq!(socket(ControlAction::Pause), None);
        assert_eq!(socket(ControlAction::Resume), Some(ControlChange::Resumed));
        assert_eq!(socket(ControlAction::ClearRate), None);
        assert_eq!(socket(ControlAction::SetRate(3.0)), Some(rate_set(3.0)));
        assert_eq!(socket(ControlAction::SetRate(3.0)), None);
        assert_eq!(socket(ControlAction::ClearRate), Some(ControlChange::RateCleared));
        assert_eq!(socket(ControlAction::SetRate(f64::NAN)), None);
        assert_eq!(socket(ControlAction::SetRate(0.0)), Some(rate_set(RATE_PER_SECOND_MIN)));
        assert_eq!(socket(ControlAction::Faster), Some(rate_set(25.0)), "of the limit");
        assert_eq!(socket(ControlAction::Slower), Some(rate_set(6.4)), "of what is allowed now");
        let open = WindowState::Open { rate: Some(5.0) };
        assert_eq!(socket(ControlAction::SetWindow(open)), Some(ControlChange::WindowOpened { rate: Some(5.0) }));
        assert_eq!(socket(ControlAction::SetWindow(open)), None);
        assert_eq!(control.rate_limits(), RateLimits { chosen: Some(6.4), window: Some(5.0) });
    }
}
