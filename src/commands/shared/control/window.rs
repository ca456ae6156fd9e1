//! `--window`: when a run may send, and how fast. Times are those of a wall clock, over midnight and over changes of
//! daylight saving time.

use std::str::FromStr;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::super::settings::{Rate, parse_rate};
use crate::clock::UnixMs;
use crate::domain::control::{LocalTime, WindowState};
use crate::domain::outlook::WindowOutlook;

/// Days after today for which the windows are known: a schedule that changes does so within one.
const DAYS_AHEAD: i64 = 2;

/// One `--window`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    span: WindowSpan,
    /// Writes per second.
    rate: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WindowSpan {
    /// From the first time up to the end, on the next day where that is not later.
    Daily(Time, WindowEnd),
    /// Outside all other windows.
    Else,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WindowEnd {
    At(Time),
    /// The midnight at the end of the day.
    EndOfDay,
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (span, rate) = text.split_once('@').map_or((text, None), |(span, rate)| (span, Some(rate)));
        let rate = match rate.map(parse_rate).transpose()? {
            None => None,
            Some(Rate::PerSecond(rate)) => Some(rate),
            Some(Rate::Auto | Rate::Max) => return Err("expected a number of writes a second after @".to_owned()),
        };
        if span == "else" {
            return Ok(Self { span: WindowSpan::Else, rate });
        }
        let times = span.split_once('-').and_then(|(from, to)| Some((parse_time(from)?, parse_end(to)?)));
        match times {
            Some((from, to)) if to == WindowEnd::At(from) => {
                Err(format!("{span} is empty; for the whole day write 00:00-24:00"))
            }
            Some((from, to)) => Ok(Self { span: WindowSpan::Daily(from, to), rate }),
            None => Err("expected a window such as 22:00-06:00, 22:00-06:00@20 or else@5".to_owned()),
        }
    }
}

fn parse_time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let has_digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !has_digits(hour) || !has_digits(minute) {
        return None;
    }
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

fn parse_end(text: &str) -> Option<WindowEnd> {
    if text == "24:00" { Some(WindowEnd::EndOfDay) } else { parse_time(text).map(WindowEnd::At) }
}

/// All windows of a run, in a time zone. Of several that are open, the first one counts.
#[derive(Debug, Clone)]
pub(super) struct WindowSchedule {
    windows: Vec<Window>,
    zone: TimeZone,
}

impl WindowOutlook for WindowSchedule {
    fn at(&self, unix_ms: UnixMs) -> (WindowState, Option<UnixMs>) {
        self.at(unix_ms)
    }
}

impl WindowSchedule {
    /// `None` without a window.
    pub(super) fn new(windows: &[Window], zone: Option<&str>) -> Result<Option<Self>, String> {
        if windows.is_empty() {
            return Ok(None);
        }
        if windows.iter().filter(|window| window.span == WindowSpan::Else).count() > 1 {
            return Err("--window: else is given twice".to_owned());
        }
        Ok(Some(Self { windows: windows.to_vec(), zone: time_zone(zone)? }))
    }

    /// Returns what holds at a time, and when that changes next.
    pub(super) fn at(&self, now: UnixMs) -> (WindowState, Option<UnixMs>) {
        let Ok(now) = Timestamp::from_millisecond(now) else { return (WindowState::Open { rate: None }, None) };
        let spans = self.spans_around(now);
        let present = self.open_window(now, &spans);
        let mut edges: Vec<Timestamp> = spans.iter().flat_map(|(_, from, to)| [*from, *to]).collect();
        edges.sort_unstable();
        // The windows of the day after the last one are not known here. A schedule that changes does so within a day.
        let today = self.zone.to_datetime(now).date();
        let horizon = today.checked_add(DAYS_AHEAD.days()).ok().and_then(|day| self.instant(day, Time::midnight()));
        edges.retain(|edge| *edge > now && horizon.is_some_and(|horizon| *edge < horizon));
        let next = edges.into_iter().find(|edge| self.open_window(*edge, &spans) != present);
        let state = match present {
            Some(window) => WindowState::Open { rate: window.rate },
            None => WindowState::Closed { opens: next.map(|at| self.local(at)) },
        };
        (state, next.map(Timestamp::as_millisecond))
    }

    fn open_window(&self, at: Timestamp, spans: &[(Window, Timestamp, Timestamp)]) -> Option<Window> {
        let open = |window: &&Window| match window.span {
            WindowSpan::Daily(..) => spans.iter().any(|(of, from, to)| of == *window && (*from..*to).contains(&at)),
            WindowSpan::Else => false,
        };
        let is_else = |window: &&Window| window.span == WindowSpan::Else;
        self.windows.iter().find(open).or_else(|| self.windows.iter().find(is_else)).copied()
    }

    /// The times of all windows from the day before to two days after.
    fn spans_around(&self, now: Timestamp) -> Vec<(Window, Timestamp, Timestamp)> {
        let today = self.zone.to_datetime(now).date();
        let mut spans = Vec::new();
        for days in -1..=DAYS_AHEAD {
            let Ok(day) = today.checked_add(days.days()) else { continue };
            for window in &self.windows {
                let WindowSpan::Daily(from, to) = window.span else { continue };
                let (to, is_over_midnight) = match to {
                    WindowEnd::At(to) => (to, to <= from),
                    WindowEnd::EndOfDay => (Time::midnight(), true),
                };
                let Ok(last_day) = day.checked_add(i64::from(is_over_midnight).days()) else { continue };
                let (from, to) = (self.instant(day, from), self.instant(last_day, to));
                if let (Some(from), Some(to)) = (from, to) {
                    spans.push((*window, from, to));
                }
            }
        }
        spans
    }

    /// A time that a change of the clock skips is taken as that much later, and one that occurs twice as the first.
    fn instant(&self, day: Date, time: Time) -> Option<Timestamp> {
        self.zone.to_timestamp(day.to_datetime(time)).ok()
    }

    fn local(&self, at: Timestamp) -> LocalTime {
        LocalTime { unix_ms: at.as_millisecond(), offset_seconds: self.zone.to_offset(at).seconds() }
    }
}

/// The time zone of a name, or that of the machine.
fn time_zone(name: Option<&str>) -> Result<TimeZone, String> {
    const NO_DATA: &str = "this machine has no time zone data; install the package tzdata, or pass --time-zone UTC";
    match name {
        Some("UTC") => Ok(TimeZone::UTC),
        Some(name) => TimeZone::get(name).map_err(|_| {
            if TimeZone::get("Europe/London").is_ok() {
                format!("--time-zone '{name}': expected a name such as Europe/Berlin, or UTC")
            } else {
                format!("--time-zone '{name}': {NO_DATA}")
            }
        }),
        None => TimeZone::try_system().map_err(|_| format!("--window: {NO_DATA}")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::outlook::time_within;

    fn schedule(windows: &[&str], zone: &str) -> WindowSchedule {
        let windows: Vec<Window> = windows.iter().map(|window| window.parse().unwrap()).collect();
        WindowSchedule::new(&windows, Some(zone)).unwrap().unwrap()
    }

    fn unix_ms(time: &str) -> UnixMs {
        time.parse::<Timestamp>().unwrap().as_millisecond()
    }

    /// What holds at a time, as text, and the time of the next change.
    fn at(schedule: &WindowSchedule, time: &str) -> (String, String) {
        let (state, next) = schedule.at(unix_ms(time));
        let state = match state {
            WindowState::Open { rate: Some(rate) } => format!("{rate}/s"),
            WindowState::Open { rate: None } => "open".to_owned(),
            WindowState::Closed { .. } => "closed".to_owned(),
        };
        (state, next.map_or("never".to_owned(), |at| Timestamp::from_millisecond(at).unwrap().to_string()))
    }

    #[test]
    fn windows_over_midnight_and_else() {
        let berlin = schedule(&["22:00-06:00@20", "12:00-13:00", "else@5"], "Europe/Berlin");
        for (time, state, next) in [
            ("2026-01-10T12:00:00+01:00", "open", "2026-01-10T12:00:00Z"),
            ("2026-01-10T13:00:00+01:00", "5/s", "2026-01-10T21:00:00Z"),
            ("2026-01-10T22:00:00+01:00", "20/s", "2026-01-11T05:00:00Z"),
            ("2026-01-11T00:00:00+01:00", "20/s", "2026-01-11T05:00:00Z"),
            ("2026-01-11T05:59:59+01:00", "20/s", "2026-01-11T05:00:00Z"),
            ("2026-01-11T06:00:00+01:00", "5/s", "2026-01-11T11:00:00Z"),
        ] {
            assert_eq!(at(&berlin, time), (state.to_owned(), next.to_owned()), "{time}");
        }
    }

    #[test]
    fn outside_all_windows_nothing_is_open() {
        let night = schedule(&["22:00-06:00@20"], "UTC");
        assert_eq!(at(&night, "2026-01-10T12:00:00Z"), ("closed".to_owned(), "2026-01-10T22:00:00Z".to_owned()));
        let day = schedule(&["00:00-24:00"], "UTC");
        assert_eq!(at(&day, "2026-01-10T12:00:00Z"), ("open".to_owned(), "never".to_owned()));
        let first = schedule(&["08:00-12:00@1", "10:00-14:00@2"], "UTC");
        assert_eq!(at(&first, "2026-01-10T11:00:00Z").0, "1/s", "the first one counts");
        assert_eq!(at(&first, "2026-01-10T13:00:00Z").0, "2/s");
    }

    #[test]
    fn nights_in_which_the_clock_changes() {
        let berlin = schedule(&["22:00-06:00@20"], "Europe/Berlin");
        let hours = |from: &str| {
            let (state, end) = at(&berlin, from);
            assert_eq!(state, "20/s");
            (unix_ms(&end) - unix_ms(from)) / 3_600_000
        };
        assert_eq!(hours("2026-03-28T22:00:00+01:00"), 7, "an hour is skipped");
        assert_eq!(hours("2026-10-24T22:00:00+02:00"), 9, "an hour occurs twice");
        assert_eq!(hours("2026-05-01T22:00:00+02:00"), 8);
        // 02:30 does not occur on 2026-03-29, and twice on 2026-10-25.
        let odd = schedule(&["02:30-05:00"], "Europe/Berlin");
        assert_eq!(at(&odd, "2026-03-29T00:00:00+01:00").1, "2026-03-29T01:30:00Z");
        assert_eq!(at(&odd, "2026-10-25T00:00:00+02:00").1, "2026-10-25T00:30:00Z");
    }

    #[test]
    fn an_estimate_follows_the_windows_and_the_changes_of_the_clock() {
        let berlin = schedule(&["22:00-06:00@20", "else@5"], "Europe/Berlin");
        let night = schedule(&["22:00-06:00@20"], "Europe/Berlin");
        let hours = |windows: &WindowSchedule, from: &str, calls: f64, own: f64| {
            let speed = |rate: Option<f64>| own.min(rate.unwrap_or(f64::INFINITY));
            time_within(windows, unix_ms(from), calls, &speed).unwrap().as_secs_f64() / 3_600.0
        };
        let per_hour = |rate: f64| rate * 3_600.0;
        for (windows, from, calls, own, expected) in [
            // A night of 8 h at 20/s, then 2 h at 5/s.
            (&berlin, "2026-05-01T22:00:00+02:00", per_hour(170.0), 25.0, 10.0),
            (&berlin, "2026-05-01T22:00:00+02:00", per_hour(90.0), 10.0, 10.0),
            // Two hours at 5/s until the night begins.
            (&berlin, "2026-05-01T20:00:00+02:00", per_hour(30.0), 25.0, 3.0),
            // The night is an hour shorter, or an hour longer.
            (&berlin, "2026-03-28T22:00:00+01:00", per_hour(160.0), 25.0, 11.0),
            (&berlin, "2026-10-24T22:00:00+02:00", per_hour(180.0), 25.0, 9.0),
            // Closed by day: the second night begins 24 h later by the wall clock, so 23 h or 25 h after the first.
            (&night, "2026-05-01T22:00:00+02:00", per_hour(180.0), 25.0, 25.0),
            (&night, "2026-03-28T22:00:00+01:00", per_hour(160.0), 25.0, 24.0),
            (&night, "2026-10-24T22:00:00+02:00", per_hour(200.0), 25.0, 26.0),
            (&night, "2026-05-01T12:00:00+02:00", per_hour(20.0), 25.0, 11.0),
        ] {
            let hours = hours(windows, from, calls, own);
            assert!((hours - expected).abs() < 1e-6, "{calls} calls from {from} at {own}/s: {hours} h");
        }
    }

    #[test]
    fn a_window_is_a_span_and_a_rate() {
        for good in ["22:00-06:00", "22:00-06:00@20", "else@5", "else", "00:00-24:00@0.5"] {
            assert!(good.parse::<Window>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "22-06",
            "22:00",
            "22:00-",
            "25:00-06:00",
            "22:00-06:60",
            "9:00-10:00",
            "22:00-06:00@",
            "else@0",
            "22:00-06:00@max",
            "06:00-06:00",
            "Else@5",
            "24:00-06:00",
            "22:00-06:00@20@5",
            "+1:00-02:00",
        ] {
            assert!(bad.parse::<Window>().is_err(), "{bad}");
        }
        let twice: Vec<Window> = ["else@5", "else@6"].map(|text| text.parse().unwrap()).into();
        assert!(WindowSchedule::new(&twice, Some("UTC")).is_err_and(|error| error.contains("twice")));
        assert!(WindowSchedule::new(&twice[..1], Some("Europe/Berlyn")).is_err_and(|error| error.contains("Berlyn")));
        assert!(WindowSchedule::new(&[], Some("nowhere")).is_ok_and(|schedule| schedule.is_none()));
    }

    proptest! {
        /// Of a window and its complement, exactly one is open at any time, clock changes included, and each state holds
        /// until the change that is predicted.
        #[test]
        fn a_day_has_no_gap(from in 0..1_440_i64, minutes in 1..1_440_i64, second in 0..31_622_400_i64, ahead in 0..100_i64) {
            let time = |minute: i64| format!("{:02}:{:02}", minute % 1_440 / 60, minute % 60);
            let (start, end) = (time(from), time(from + minutes));
            let (first, second_window) = (format!("{start}-{end}@1"), format!("{end}-{start}@2"));
            let both = schedule(&[&first, &second_window], "Europe/Berlin");
            let now = unix_ms("2026-01-01T00:00:00Z") + second * 1_000;
            let (state, next) = both.at(now);
            prop_assert!(matches!(state, WindowState::Open { rate: Some(_) }), "{state:?}");
            let next = next.unwrap();
            prop_assert!(next > now && next - now <= 26 * 3_600_000, "{}", next - now);
            let between = now + (next - now) * ahead / 100;
            prop_assert_eq!(both.at(between).0, state);
            prop_assert_ne!(both.at(next).0, state);
            let alone = schedule(&[&first], "Europe/Berlin");
            let is_first = state == WindowState::Open { rate: Some(1.0) };
            prop_assert_eq!(matches!(alone.at(now).0, WindowState::Open { .. }), is_first);
        }
    }
}
