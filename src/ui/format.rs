//! Numbers, rates, times and durations as people read them.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::Offset;

use crate::clock::UnixMs;
use crate::domain::control::LocalTime;

/// A number with thousands separators: `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with its noun: `1 row`, `1,000 rows`.
pub fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// Whole per cent, rounded down so that 100 % means all; `None` of nothing.
pub fn percent(done: u64, total: u64) -> Option<u64> {
    let hundredfold = u128::from(done) * 100;
    hundredfold.checked_div(u128::from(total)).map(|share| u64::try_from(share.min(100)).unwrap_or(100))
}

/// A rate: `19.8/s`, and from 100 on without the decimal.
pub fn rate(per_second: f64) -> String {
    let per_second = if per_second.is_finite() { per_second.max(0.0) } else { 0.0 };
    if per_second < 99.95 {
        return format!("{per_second:.1}/s");
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "finite and positive; `as` saturates")]
    let whole = per_second.round() as u64;
    format!("{}/s", count(whole))
}

/// A duration with at most two units: `0.3 s`, `38 s`, `4 min 10 s`, `1 h 12 min`, `2 d 3 h`.
pub fn duration(duration: Duration) -> String {
    let tenths = (duration.as_millis() + 50) / 100;
    if tenths < 100 {
        return match (tenths / 10, tenths % 10) {
            (seconds, 0) => format!("{seconds} s"),
            (seconds, tenth) => format!("{seconds}.{tenth} s"),
        };
    }
    let seconds = (duration.as_millis() + 500) / 1_000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => two_units(seconds, 60, "min", 1, "s"),
        3_600..86_400 => two_units(seconds, 3_600, "h", 60, "min"),
        _ => two_units(seconds, 86_400, "d", 3_600, "h"),
    }
}

/// Returns a limit that a person has chosen, with the lower rate and the code of what it does not exceed.
pub fn chosen_rate(per_second: f64, bound: Option<(f64, &str)>) -> String {
    match bound {
        Some((effective, code)) => {
            format!("{} requested, {} effective: the limit of the {code}", rate(per_second), rate(effective))
        }
        None => format!("at most {}", rate(per_second)),
    }
}

/// Returns what follows a rate where a run sends by windows.
pub fn within_windows(has_windows: bool) -> &'static str {
    if has_windows { " within the windows" } else { "" }
}

fn two_units(seconds: u128, large: u128, large_name: &str, small: u128, small_name: &str) -> String {
    let (whole, rest) = (seconds / large, seconds % large / small);
    if rest == 0 { format!("{whole} {large_name}") } else { format!("{whole} {large_name} {rest} {small_name}") }
}

/// A moment in its own time zone, such as `2026-03-01 22:00 +01:00`.
pub fn local_time(time: LocalTime) -> String {
    let offset = Offset::from_seconds(time.offset_seconds).unwrap_or(Offset::UTC);
    match Timestamp::from_millisecond(time.unix_ms) {
        Ok(at) => offset.to_datetime(at).strftime("%Y-%m-%d %H:%M").to_string() + &offset_text(time.offset_seconds),
        Err(_) => "an unknown time".to_owned(),
    }
}

fn offset_text(seconds: i32) -> String {
    let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs() / 60);
    format!(" {sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// A moment in RFC 3339, UTC, with milliseconds: `2026-03-01T08:00:00.000Z`. A moment beyond any calendar is printed
/// as its number.
pub fn timestamp(unix_ms: UnixMs) -> String {
    match Timestamp::from_millisecond(unix_ms) {
        Ok(moment) => format!("{moment:.3}"),
        Err(_) => format!("{unix_ms} ms"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let table = [
            (0, "0"),
            (7, "7"),
            (999, "999"),
            (1_000, "1,000"),
            (12_345, "12,345"),
            (1_234_567, "1,234,567"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ];
        for (number, expected) in table {
            assert_eq!(count(number), expected);
        }
        assert_eq!(
            (counted(0, "row"), counted(1, "row"), counted(2, "row")),
            ("0 rows".into(), "1 row".into(), "2 rows".into())
        );
    }

    #[test]
    fn a_hundred_per_cent_means_all() {
        let table = [(0, 0, None), (0, 5, Some(0)), (999, 1_000, Some(99)), (5, 5, Some(100)), (6, 5, Some(100))];
        for (done, total, expected) in table {
            assert_eq!(percent(done, total), expected, "{done} of {total}");
        }
        assert_eq!(percent(u64::MAX, u64::MAX), Some(100));
    }

    #[test]
    fn rates_have_one_decimal_until_it_says_nothing() {
        let table = [
            (0.0, "0.0/s"),
            (19.84, "19.8/s"),
            (99.94, "99.9/s"),
            (99.96, "100/s"),
            (1_250.4, "1,250/s"),
            (f64::NAN, "0.0/s"),
            (f64::INFINITY, "0.0/s"),
            (-1.0, "0.0/s"),
        ];
        for (per_second, expected) in table {
            assert_eq!(rate(per_second), expected);
        }
    }

    #[test]
    fn durations_round_into_the_next_unit() {
        let table = [
            (0, "0 s"),
            (49, "0 s"),
            (250, "0.3 s"),
            (3_000, "3 s"),
            (3_460, "3.5 s"),
            (9_949, "9.9 s"),
            (9_960, "10 s"),
            (38_200, "38 s"),
            (59_499, "59 s"),
            (59_500, "1 min"),
            (250_000, "4 min 10 s"),
            (3_599_600, "1 h"),
            (4_320_000, "1 h 12 min"),
            (86_400_000, "1 d"),
            (183_600_000, "2 d 3 h"),
        ];
        for (milliseconds, expected) in table {
            assert_eq!(duration(Duration::from_millis(milliseconds)), expected, "{milliseconds} ms");
        }
    }

    #[test]
    fn moments_are_rfc_3339() {
        let table = [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_772_352_000_120, "2026-03-01T08:00:00.120Z"),
            (i64::MAX, "9223372036854775807 ms"),
        ];
        for (unix_ms, expected) in table {
            assert_eq!(timestamp(unix_ms), expected);
        }
    }

    proptest! {
        #[test]
        fn figures_are_plain_text_and_read_back(number: u64, total: u64, per_second: f64, unix_ms: i64) {
            prop_assert_eq!(count(number).replace(',', "").parse(), Ok(number));
            prop_assert!(percent(number, total).is_none_or(|share| share <= 100 && (share == 100) == (number >= total)));
            let texts = [
                counted(number, "row"),
                rate(per_second),
                duration(Duration::from_millis(number)),
                timestamp(unix_ms),
            ];
            for text in texts {
                prop_assert!(text.is_ascii() && !text.contains(|c: char| c.is_control()), "{}", text);
            }
        }
    }
}
