//! Which rows `undo` is to take back, as people say it.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::ConfigError;
use crate::clock::UnixMs;

/// Reads row numbers and ranges of them, such as `5,10-20`.
///
/// # Errors
/// When one is none: rows count from 1, and a range goes upwards.
pub fn row_ranges(texts: &[String]) -> Result<Vec<RangeInclusive<u64>>, ConfigError> {
    let parts = texts.iter().flat_map(|text| text.split(','));
    parts.map(|part| row_range(part.trim()).ok_or_else(|| wrong_rows(part))).collect()
}

fn wrong_rows(part: &str) -> ConfigError {
    ConfigError(format!("--rows '{part}': expected row numbers from 1 on, such as 5,10-20"))
}

fn row_range(part: &str) -> Option<RangeInclusive<u64>> {
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (1..=last).contains(&first).then_some(first..=last)
}

/// Reads a moment: a time of day with its date and zone (RFC 3339), or how long ago it was, such as `90m` or `2d`.
///
/// # Errors
/// When it is neither, or lies in the future.
pub fn since(text: &str, now: UnixMs) -> Result<UnixMs, ConfigError> {
    let moment = match text.parse::<jiff::Timestamp>() {
        Ok(time) => Some(time.as_millisecond()),
        Err(_) => ago(text).and_then(|ago| i64::try_from(ago.as_millis()).ok()).map(|ago| now.saturating_sub(ago)),
    };
    let Some(moment) = moment else {
        return Err(ConfigError(format!(
            "--since '{text}': expected a time such as 2026-03-01T08:00:00Z, or how long ago, such as 90m, 8h or 2d"
        )));
    };
    if moment > now {
        return Err(ConfigError(format!("--since '{text}' lies in the future")));
    }
    Ok(moment)
}

/// Days are of 24 hours here: no calendar is meant.
fn ago(text: &str) -> Option<Duration> {
    let (days, rest) = match text.split_once('d') {
        Some((days, rest)) => (days.trim().parse::<u64>().ok()?, rest.trim()),
        None => (0, text.trim()),
    };
    let rest = match rest {
        "" if text.contains('d') => Duration::ZERO,
        rest => Duration::try_from(rest.parse::<jiff::SignedDuration>().ok()?).ok()?,
    };
    Duration::from_secs(days.checked_mul(86_400)?).checked_add(rest).filter(|ago| !ago.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_ranges() {
        let read = |texts: &[&str]| row_ranges(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(read(&["5,10-20", "3"]), Ok(vec![5..=5, 10..=20, 3..=3]));
        for bad in ["", "0", "3-2", "a", "1-", "-1", "1,,2", "1.5", "99999999999999999999"] {
            assert!(read(&[bad]).is_err_and(|error| error.0.contains("--rows")), "{bad}");
        }
    }

    #[test]
    fn a_moment_or_how_long_ago() {
        const NOW: UnixMs = 1_795_000_000_000;
        const HOUR: i64 = 3_600_000;
        for (text, expected) in [
            ("90m", NOW - HOUR * 3 / 2),
            ("2d", NOW - 48 * HOUR),
            ("1d 2h", NOW - 26 * HOUR),
            ("1h30m", NOW - HOUR * 3 / 2),
            ("2026-03-01T08:00:00Z", 1_772_352_000_000),
            ("2026-03-01T09:00:00+01:00", 1_772_352_000_000),
        ] {
            assert_eq!(since(text, NOW), Ok(expected), "{text}");
        }
        for bad in ["", "0s", "yesterday", "-2h", "2026-03-01", "d", "2099-01-01T00:00:00Z"] {
            assert!(since(bad, NOW).is_err_and(|error| error.0.contains("--since")), "{bad}");
        }
    }
}
