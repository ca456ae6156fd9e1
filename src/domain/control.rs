//! What is requested of a run while it goes: by a person, a file or a schedule.

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlSource {
    /// `cognito-link control`.
    Socket,
    /// A key on the terminal.
    Key,
    /// SIGUSR1.
    Signal,
    /// `--pause-file`.
    PauseFile,
    /// `--window`.
    Window,
}

impl ControlSource {
    /// The code in ledgers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Key => "key",
            Self::Signal => "signal",
            Self::PauseFile => "pause_file",
            Self::Window => "window",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct ControlRequest {
    pub action: ControlAction,
    pub source: ControlSource,
    /// Who requests it, where that is a person.
    pub user: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ControlAction {
    /// Report the state, and change nothing.
    ReportState,
    /// Send nothing new until [`Self::Resume`].
    Pause,
    Resume,
    /// Pause a run that goes on, and resume a paused one.
    TogglePause,
    /// Send at most this many writes per second, in place of the run's own limit.
    SetRate(f64),
    /// Go back to the run's own limit.
    ClearRate,
    /// Raise the limit of the rate by a quarter.
    Faster,
    /// Lower the rate by a fifth.
    Slower,
    /// Start nothing new, finish what is in flight, and end.
    Drain,
    /// The schedule of the windows has come to another one.
    SetWindow(WindowState),
}

/// What the schedule of the windows says at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WindowState {
    /// Send, at most this many writes per second where the window has a rate.
    Open { rate: Option<f64> },
    /// Send nothing.
    Closed { opens: Option<LocalTime> },
}

/// A moment, with the offset of the time zone in which it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    pub unix_ms: i64,
    pub offset_seconds: i32,
}

/// Why a run that could go on sends nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// A person has paused it.
    Operator,
    /// The file of `--pause-file` is there.
    PauseFile,
    /// No window is open.
    Window { opens: Option<LocalTime> },
}

/// The limit that a person has chosen during a run, in writes per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChosenRate {
    pub per_second: f64,
    /// What keeps the rate lower.
    pub bound: Option<RateBound>,
}

/// What a chosen rate does not exceed, in writes per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RateBound {
    /// The rate of the window that is open.
    Window(f64),
    /// The account's quota.
    Quota(f64),
}

impl RateBound {
    pub fn per_second(self) -> f64 {
        let (Self::Window(rate) | Self::Quota(rate)) = self;
        rate
    }

    /// The code in results.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Window(_) => "window",
            Self::Quota(_) => "quota",
        }
    }
}

/// A change that a request has made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ControlChange {
    Paused,
    Resumed,
    RateSet(ChosenRate),
    RateCleared,
    Draining,
    WindowOpened { rate: Option<f64> },
    WindowClosed { opens: Option<LocalTime> },
}
