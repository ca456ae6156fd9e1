//! Progress of a run: on a terminal one line that is drawn again and again, else a plain line now and then.

use std::sync::Arc;
use std::time::Duration;

use super::console::Console;
use super::events::{Event, EventKind, EventLevel, snapshot_members};
use super::format::{count, counted, duration, local_time, percent, rate};
use super::live_line::{LiveText, Part};
use super::options::ProgressChoice;
use super::phase::{checking_line, scanning_line};
use crate::domain::control::Hold;
use crate::domain::event::{RunSnapshot, WaitReason};
use crate::limits;

/// How progress is shown. A bar is there from the start, before the first event, and removed on drop.
pub(super) enum Progress {
    Hidden,
    Bar(Arc<Console>),
    Lines(ProgressLines),
}

/// Plain lines, for the logs of schedulers.
pub(super) struct ProgressLines {
    console: Arc<Console>,
    interval: Duration,
    next_at: Duration,
    next_checking_rows: u64,
    next_scanning_users: u64,
    /// In virtual time a line an interval does not show that the run lives: an unchanged wait has one line.
    shows_each_hold_once: bool,
    held: Option<WaitReason>,
}

impl Progress {
    /// For a run in virtual time.
    pub(super) fn show_each_hold_once(&mut self) {
        if let Self::Lines(lines) = self {
            lines.shows_each_hold_once = true;
        }
    }

    pub(super) fn new(console: Arc<Console>) -> Self {
        let options = console.options();
        match options.progress {
            _ if options.quiet => Self::Hidden,
            // A heartbeat, so that a log shows that the run lives.
            ProgressChoice::Off => Self::Lines(ProgressLines {
                interval: options.progress_interval,
                next_at: options.progress_interval,
                next_checking_rows: u64::MAX,
                next_scanning_users: u64::MAX,
                shows_each_hold_once: false,
                held: None,
                console,
            }),
            ProgressChoice::Auto if options.terminals.stderr && !console.writes_events() => {
                console.show_status("starting".to_owned());
                Self::Bar(console)
            }
            ProgressChoice::Auto | ProgressChoice::Lines => Self::Lines(ProgressLines {
                interval: options.progress_interval,
                console,
                next_at: Duration::ZERO,
                next_checking_rows: 0,
                next_scanning_users: 0,
                shows_each_hold_once: false,
                held: None,
            }),
        }
    }

    /// The input is checked; lines come at the start and whenever the rows have doubled, because no run time passes yet.
    pub(super) fn on_checking(&mut self, rows: u64) {
        match self {
            Self::Hidden => {}
            Self::Bar(console) => console.show_status(checking_line(rows)),
            Self::Lines(lines) if rows < lines.next_checking_rows => {}
            Self::Lines(lines) => {
                let starts = lines.next_checking_rows == 0;
                let text = if starts { "checking the input".to_owned() } else { checking_line(rows) };
                lines.console.plain(&text, || progress_event("checking", &text).with("rows_checked", rows));
                lines.next_checking_rows = rows.saturating_mul(2).max(limits::CHECKING_LINE_ROWS);
            }
        }
    }

    /// The pool is read; lines come at the start and whenever the users have doubled.
    pub(super) fn on_scanning(&mut self, users: u64, estimated: u64) {
        match self {
            Self::Hidden => {}
            Self::Bar(console) if estimated >= users.max(1) => {
                let text = LiveText::plain(scanning_line(users, estimated));
                console.show(LiveText { bar: Some((users, estimated)), ..text });
            }
            Self::Bar(console) => console.show_status(scanning_line(users, estimated)),
            Self::Lines(lines) if users < lines.next_scanning_users => {}
            Self::Lines(lines) => {
                let text = scanning_line(users, estimated);
                let event = || progress_event("scanning", &text).with("users_read", users);
                lines.console.plain(&text, || event().with("estimated_users", estimated));
                lines.next_scanning_users = users.saturating_mul(2).max(limits::SCANNING_LINE_USERS);
            }
        }
    }

    /// Lines come in an interval of the run's own time.
    pub(super) fn on_tick(&mut self, snapshot: &RunSnapshot, draining: bool) {
        match self {
            Self::Hidden => {}
            Self::Bar(console) => {
                let bar = snapshot.total.map(|total| (snapshot.counts.done(), total));
                console.show(LiveText { bar, parts: parts(snapshot, draining) });
            }
            Self::Lines(lines) if snapshot.elapsed < lines.next_at => {}
            Self::Lines(lines) => {
                lines.next_at = snapshot.elapsed + lines.interval;
                let held = snapshot.waiting.filter(|wait| matches!(wait, WaitReason::Held(_)) && !draining);
                let before = std::mem::replace(&mut lines.held, held);
                if lines.shows_each_hold_once && held.is_some() && held == before {
                    return;
                }
                let text = status_line(snapshot, draining);
                lines.console.plain(&text, || running_event(&lines.console, snapshot, draining, &text));
            }
        }
    }
}

impl Progress {
    /// The last figures, for whoever makes metrics of events. People read the result.
    pub(super) fn on_end(&mut self, snapshot: &RunSnapshot) {
        if let Self::Lines(lines) = self
            && lines.console.writes_events()
        {
            let text = format!("the run has ended after {}", counted(snapshot.counts.read, "row"));
            let mut event = running_event(&lines.console, snapshot, false, &text);
            "ended".clone_into(&mut event.code);
            lines.console.event(event);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Self::Bar(console) = self {
            console.clear_bar();
        }
    }
}

/// The state of a run in one line, as the live line has it where the terminal is wide.
pub fn state_line(snapshot: &RunSnapshot) -> String {
    status_line(snapshot, snapshot.draining)
}

/// The figures of a run as an event.
pub(super) fn running_event(console: &Console, snapshot: &RunSnapshot, draining: bool, text: &str) -> Event {
    let mut event = progress_event(if draining { "draining" } else { "running" }, text);
    event.members.extend(snapshot_members(snapshot));
    console.embed_metrics(&mut event.members, snapshot);
    event
}

fn progress_event(code: &str, text: &str) -> Event {
    Event::new(EventLevel::Info, EventKind::Progress, code).with("message", text)
}

fn status_line(snapshot: &RunSnapshot, draining: bool) -> String {
    parts(snapshot, draining).into_iter().map(|part| part.text).collect::<Vec<_>>().join(", ")
}

/// The same words for the bar and for plain lines. On a narrow terminal the reason for a wait and the time left stay
/// longest.
fn parts(snapshot: &RunSnapshot, draining: bool) -> Vec<Part> {
    let counts = &snapshot.counts;
    let share = snapshot.total.and_then(|total| percent(counts.done(), total)).map(|share| format!("{share} %"));
    let done = match snapshot.total {
        None => format!("{} done", counted(counts.done(), "row")),
        Some(total) => {
            let share = share.as_ref().map(|share| format!(" ({share})")).unwrap_or_default();
            format!("{} of {} done{share}", count(counts.done()), counted(total, "row"))
        }
    };
    let mut parts =
        vec![Part::new(2, done).or_short(share.unwrap_or_else(|| format!("{} done", count(counts.done()))))];
    if draining {
        let text = match snapshot.in_flight {
            0 => "stopping".to_owned(),
            number => format!("stopping: {} in flight", counted(number as u64, "call")),
        };
        parts.push(Part::new(0, text).or_short("stopping".to_owned()));
    } else if let Some(waiting) = snapshot.waiting {
        parts.push(Part::new(0, reason(waiting, snapshot.in_flight)).or_short(short_reason(waiting)));
    }
    let problems = [
        (counts.refused, "refused"),
        (counts.failed, "failed"),
        (counts.in_doubt, "in doubt"),
        (counts.invalid, "invalid"),
    ];
    let problems = problems.into_iter().filter(|(number, _)| *number > 0);
    parts.extend(problems.map(|(number, state)| Part::new(4, format!("{} {state}", count(number)))));
    if !matches!(snapshot.waiting, Some(WaitReason::Held(_))) {
        parts.push(Part::new(3, rate(snapshot.done_per_second)));
    }
    // Without any, this is the first to go.
    let rank = if snapshot.throttled == 0 { 6 } else { 5 };
    parts.push(Part::new(rank, format!("{} throttled", count(snapshot.throttled))));
    if let Some(age) = snapshot.oldest_throttled
        && age >= Duration::from_millis(limits::LONG_THROTTLED_ROW_MS)
    {
        parts.push(Part::new(5, format!("one row throttled for {}", duration(age))));
    }
    if let (Some(remaining), false) = (snapshot.remaining, draining) {
        parts.push(Part::new(1, format!("{} left", duration(remaining))));
    }
    parts
}

/// What stays of a reason on a narrow terminal.
fn short_reason(waiting: WaitReason) -> String {
    match waiting {
        WaitReason::Held(Hold::Operator | Hold::PauseFile) => "paused".to_owned(),
        WaitReason::Held(Hold::Window { .. }) => "window closed".to_owned(),
        WaitReason::CoolDown(_) => "throttled".to_owned(),
        _ => "waiting".to_owned(),
    }
}

fn reason(waiting: WaitReason, in_flight: usize) -> String {
    match waiting {
        WaitReason::Held(Hold::Operator) => "paused".to_owned(),
        WaitReason::Held(Hold::PauseFile) => "paused by the pause file".to_owned(),
        WaitReason::Held(Hold::Window { opens: None }) => "waiting for a window".to_owned(),
        WaitReason::Held(Hold::Window { opens: Some(time) }) => {
            format!("waiting for the window until {}", local_time(time))
        }
        WaitReason::CoolDown(pause) => format!("paused by throttling {}", duration(pause)),
        WaitReason::Rate(pause) => format!("next call in {}", duration(pause)),
        WaitReason::BackOff(pause) => format!("waiting for retry (back-off) {}", duration(pause)),
        WaitReason::Settling(pause) => format!("settling rows in doubt {}", duration(pause)),
        WaitReason::Concurrency => format!("waiting for {}", counted(in_flight as u64, "answer")),
        WaitReason::Input => "reading the next rows".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::MessageCode;
    use super::super::live_line::fit;
    use super::super::testing::{Screen, WIDTH};
    use super::*;
    use crate::domain::control::LocalTime;
    use crate::domain::counts::Counts;
    use crate::domain::event::RunEvent;

    fn running() -> RunSnapshot {
        RunSnapshot {
            counts: Counts { read: 250, linked: 240, unprocessed: 10, ..Counts::default() },
            total: Some(1_000),
            in_flight: 10,
            rate_per_second: 20.0,
            done_per_second: 19.87,
            remaining: Some(Duration::from_millis(38_200)),
            ..RunSnapshot::default()
        }
    }

    #[test]
    fn a_plain_run() {
        let line = status_line(&running(), false);
        assert_eq!(line, "240 of 1,000 rows done (24 %), 19.9/s, 0 throttled, 38 s left");
        let unknown_total = RunSnapshot { total: None, remaining: None, ..running() };
        assert_eq!(status_line(&unknown_total, false), "240 rows done, 19.9/s, 0 throttled");
        assert_eq!(status_line(&RunSnapshot::default(), false), "0 rows done, 0.0/s, 0 throttled");
        assert_eq!(
            status_line(&RunSnapshot { total: Some(0), ..RunSnapshot::default() }, false),
            "0 of 0 rows done, 0.0/s, 0 throttled"
        );
    }

    #[test]
    fn every_wait_says_why() {
        let pause = Duration::from_secs(3);
        let opens = Some(LocalTime { unix_ms: 1_772_352_000_000, offset_seconds: 3_600 });
        let table = [
            (WaitReason::Held(Hold::Operator), "paused"),
            (WaitReason::Held(Hold::PauseFile), "paused by the pause file"),
            (WaitReason::Held(Hold::Window { opens }), "waiting for the window until 2026-03-01 09:00 +01:00"),
            (WaitReason::Held(Hold::Window { opens: None }), "waiting for a window"),
            (WaitReason::CoolDown(pause), "paused by throttling 3 s"),
            (WaitReason::Rate(pause), "next call in 3 s"),
            (WaitReason::BackOff(pause), "waiting for retry (back-off) 3 s"),
            (WaitReason::Settling(pause), "settling rows in doubt 3 s"),
            (WaitReason::Concurrency, "waiting for 10 answers"),
            (WaitReason::Input, "reading the next rows"),
        ];
        for (waiting, reason) in table {
            let line = status_line(&RunSnapshot { waiting: Some(waiting), ..running() }, false);
            let rate = if matches!(waiting, WaitReason::Held(_)) { "" } else { " 19.9/s," };
            assert_eq!(line, format!("240 of 1,000 rows done (24 %), {reason},{rate} 0 throttled, 38 s left"));
        }
    }

    #[test]
    fn what_needs_attention_is_counted() {
        let counts = Counts { refused: 7, failed: 1, in_doubt: 2, invalid: 3, ..running().counts };
        let oldest_throttled = Some(Duration::from_secs(125));
        let line = status_line(&RunSnapshot { counts, throttled: 1_234, oldest_throttled, ..running() }, false);
        assert_eq!(
            line,
            "253 of 1,000 rows done (25 %), 7 refused, 1 failed, 2 in doubt, 3 invalid, 19.9/s, 1,234 throttled, \
             one row throttled for 2 min 5 s, 38 s left"
        );
        let young = RunSnapshot { oldest_throttled: Some(Duration::from_millis(59_999)), ..running() };
        assert!(!status_line(&young, false).contains("one row"));
    }

    #[test]
    fn a_stopping_run_counts_its_calls_and_promises_no_end() {
        let waiting = Some(WaitReason::CoolDown(Duration::from_secs(3)));
        let line = status_line(&RunSnapshot { waiting, ..running() }, true);
        assert_eq!(line, "240 of 1,000 rows done (24 %), stopping: 10 calls in flight, 19.9/s, 0 throttled");
        let line = status_line(&RunSnapshot { in_flight: 0, ..running() }, true);
        assert_eq!(line, "240 of 1,000 rows done (24 %), stopping, 19.9/s, 0 throttled");
    }

    #[test]
    fn on_a_narrow_terminal_the_reason_and_the_time_left_stay() {
        let waiting = Some(WaitReason::CoolDown(Duration::from_secs(3)));
        let counts = Counts { refused: 7, ..running().counts };
        let parts = parts(&RunSnapshot { waiting, counts, throttled: 12, ..running() }, false);
        for (columns, expected) in [
            (
                110,
                "247 of 1,000 rows done (24 %), paused by throttling 3 s, 7 refused, 19.9/s, 12 throttled, 38 s left",
            ),
            (98, "247 of 1,000 rows done (24 %), paused by throttling 3 s, 7 refused, 19.9/s, 38 s left"),
            (80, "247 of 1,000 rows done (24 %), paused by throttling 3 s, 19.9/s, 38 s left"),
            (60, "24 %, paused by throttling 3 s, 38 s left"),
            (40, "24 %, throttled, 38 s left"),
            (25, "throttled, 38 s left"),
            (17, "throttled"),
        ] {
            assert_eq!(fit(&parts, columns), expected, "{columns}");
        }
        // A terminal of 20 columns has room for 17.
        for (waiting, draining, expected) in [
            (None, false, "24 %, 38 s left"),
            (Some(WaitReason::Held(Hold::Operator)), false, "paused, 38 s left"),
            (Some(WaitReason::Held(Hold::Window { opens: None })), false, "window closed"),
            (None, true, "24 %, stopping"),
        ] {
            let parts = super::parts(&RunSnapshot { waiting, in_flight: 30, ..running() }, draining);
            assert_eq!(fit(&parts, 17), expected);
        }
    }

    #[test]
    fn checking_counts_rows() {
        assert_eq!(checking_line(1_234_567), "checking the input: 1,234,567 rows");
        assert_eq!(scanning_line(60, 1_000), "reading the pool: 60 of about 1,000 users");
        assert_eq!(scanning_line(1_060, 1_000), "reading the pool: 1,060 users");
    }

    #[test]
    fn the_bar_is_seen_before_the_first_event_and_leaves_nothing_behind() {
        let screen = Screen::new().terminals();
        let ui = screen.ui();
        assert_eq!(screen.bar(), "");
        let mut observer = ui.observer();
        assert!(screen.bar().ends_with(" starting"), "{}", screen.bar());
        observer.on(&RunEvent::Checking { rows: 1_234_567 });
        assert!(screen.bar().ends_with("checking the input: 1,234,567 rows"), "{}", screen.bar());
        observer.on(&RunEvent::Tick(Box::new(RunSnapshot { total: Some(10), ..RunSnapshot::default() })));
        assert!(screen.bar().ends_with("0 of 10 rows done (0 %), 0.0/s, 0 throttled"), "{}", screen.bar());
        let counts = Counts { read: 5, linked: 5, ..Counts::default() };
        observer.on(&RunEvent::Tick(Box::new(RunSnapshot { total: Some(10), counts, ..RunSnapshot::default() })));
        assert!(screen.bar().contains(" [==========>         ] 5 of 10 rows done (50 %)"), "{}", screen.bar());
        drop(observer);
        assert_eq!(screen.bar(), "");
    }

    #[test]
    fn the_bar_steps_aside_for_every_message() {
        let screen = Screen::new().terminals();
        let ui = screen.ui();
        let observer = ui.observer();
        ui.warn(MessageCode::InDoubt, "one");
        ui.data("two\n").unwrap();
        assert!(screen.bar().ends_with(" starting"), "{}", screen.bar());
        assert_eq!(screen.drawn_at_messages(), ["", ""]);
        drop(observer);
        ui.warn(MessageCode::InDoubt, "three");
        assert_eq!(screen.bar(), "");
    }

    #[test]
    fn a_long_line_is_cut_at_the_edge_of_the_terminal() {
        let screen = Screen::new().terminals();
        let ui = screen.ui();
        ui.status(&"x".repeat(500));
        assert_eq!(screen.bar().chars().count(), WIDTH - 1, "the last column stays free");
    }

    fn tick(milliseconds: u64, linked: u64) -> RunEvent {
        let counts = Counts { read: linked, linked, ..Counts::default() };
        let elapsed = Duration::from_millis(milliseconds);
        RunEvent::Tick(Box::new(RunSnapshot { counts, elapsed, total: Some(100), ..RunSnapshot::default() }))
    }

    #[test]
    fn the_first_tick_is_printed_and_then_one_a_minute() {
        let screen = Screen::new();
        let mut observer = screen.ui().observer();
        for (milliseconds, linked) in
            [(0, 0), (100, 1), (59_999, 9), (60_000, 10), (119_999, 18), (300_000, 60), (300_100, 61)]
        {
            observer.on(&tick(milliseconds, linked));
        }
        drop(observer);
        assert_eq!(
            screen.stderr(),
            "0 of 100 rows done (0 %), 0.0/s, 0 throttled\n\
             10 of 100 rows done (10 %), 0.0/s, 0 throttled\n\
             60 of 100 rows done (60 %), 0.0/s, 0 throttled\n"
        );
    }

    #[test]
    fn checking_is_told_at_its_start_and_at_doublings() {
        let screen = Screen::new();
        let mut observer = screen.ui().observer();
        for rows in (0..=5_000_000).step_by(10_000) {
            observer.on(&RunEvent::Checking { rows });
        }
        assert_eq!(
            screen.stderr(),
            "checking the input\n\
             checking the input: 1,000,000 rows\n\
             checking the input: 2,000,000 rows\n\
             checking the input: 4,000,000 rows\n"
        );
    }

    #[test]
    fn reading_the_pool_is_told_at_its_start_and_at_doublings() {
        let screen = Screen::new();
        let mut observer = screen.ui().observer();
        for users in (0..=240_000).step_by(600) {
            observer.on(&RunEvent::Scanning { users, estimated: 230_000 });
        }
        assert_eq!(
            screen.stderr(),
            "reading the pool: 0 of about 230,000 users\n\
             reading the pool: 100,200 of about 230,000 users\n\
             reading the pool: 200,400 of about 230,000 users\n"
        );
    }

    #[test]
    fn a_bar_is_never_drawn_where_there_is_no_terminal() {
        let screen = Screen::new();
        let ui = screen.ui();
        ui.status("asking the service");
        let mut observer = ui.observer();
        observer.on(&tick(0, 0));
        assert_eq!(screen.bar(), "");
        assert!(!screen.stderr().contains("asking"));
    }
}
