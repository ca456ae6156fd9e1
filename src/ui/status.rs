//! What a run looks like at one moment, in one line: the same words for the bar and for plain lines.

use std::time::Duration;

use super::format::{count, counted, duration, percent, rate};
use crate::domain::event::{Snapshot, Waiting};
use crate::limits;

/// The line for a snapshot. The reason for a wait comes second, so that a narrow terminal still shows it.
pub(super) fn status_line(snapshot: &Snapshot, draining: bool) -> String {
    let mut parts = vec![done(snapshot)];
    parts.extend(reason(snapshot, draining));
    parts.extend(problems(snapshot));
    parts.push(rate(snapshot.done_per_second));
    parts.push(format!("{} throttled", count(snapshot.throttled)));
    parts.extend(long_throttled(snapshot.oldest_throttled));
    if let (Some(remaining), false) = (snapshot.remaining, draining) {
        parts.push(format!("{} left", duration(remaining)));
    }
    parts.join(", ")
}

/// The line while the input is read for the first time.
pub(super) fn checking_line(rows: u64) -> String {
    format!("checking the input: {}", counted(rows, "row"))
}

/// What stands there while the pool is read. The service's number of users is an estimate, and may be old.
pub(super) fn scanning_line(users: u64, estimated: u64) -> String {
    let of = if estimated >= users.max(1) { format!(" of about {}", count(estimated)) } else { String::new() };
    format!("reading the pool: {}{of} users", count(users))
}

fn done(snapshot: &Snapshot) -> String {
    let done = snapshot.counts.done();
    let Some(total) = snapshot.total else {
        return format!("{} done", counted(done, "row"));
    };
    let share = percent(done, total).map(|share| format!(" ({share} %)")).unwrap_or_default();
    format!("{} of {} done{share}", count(done), counted(total, "row"))
}

fn reason(snapshot: &Snapshot, draining: bool) -> Option<String> {
    if draining {
        return Some(format!("stopping: {} in flight", counted(snapshot.in_flight as u64, "call")));
    }
    snapshot.waiting.map(|waiting| match waiting {
        Waiting::CoolDown(pause) => format!("waiting {}: too many requests", duration(pause)),
        Waiting::BackOff(pause) => format!("waiting {} before trying rows again", duration(pause)),
        Waiting::Settling(pause) => format!("waiting {} for doubtful rows to be read back", duration(pause)),
        Waiting::Concurrency => format!("waiting for {}", counted(snapshot.in_flight as u64, "answer")),
        Waiting::Input => "reading the input".to_owned(),
    })
}

fn problems(snapshot: &Snapshot) -> impl Iterator<Item = String> {
    let counts = &snapshot.counts;
    [(counts.refused, "refused"), (counts.failed, "failed"), (counts.in_doubt, "in doubt"), (counts.invalid, "invalid")]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, state)| format!("{} {state}", count(number)))
}

fn long_throttled(oldest: Option<Duration>) -> Option<String> {
    let oldest = oldest.filter(|age| *age >= Duration::from_millis(limits::THROTTLED_ROW_TOLD_MS))?;
    Some(format!("one row throttled for {}", duration(oldest)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::summary::Counts;

    fn running() -> Snapshot {
        Snapshot {
            counts: Counts { read: 250, linked: 240, unprocessed: 10, ..Counts::default() },
            total: Some(1_000),
            in_flight: 10,
            rate_per_second: 20.0,
            done_per_second: 19.87,
            remaining: Some(Duration::from_millis(38_200)),
            ..Snapshot::default()
        }
    }

    #[test]
    fn a_plain_run() {
        let line = status_line(&running(), false);
        assert_eq!(line, "240 of 1,000 rows done (24 %), 19.9/s, 0 throttled, 38 s left");
        let unknown_total = Snapshot { total: None, remaining: None, ..running() };
        assert_eq!(status_line(&unknown_total, false), "240 rows done, 19.9/s, 0 throttled");
        assert_eq!(status_line(&Snapshot::default(), false), "0 rows done, 0.0/s, 0 throttled");
        assert_eq!(
            status_line(&Snapshot { total: Some(0), ..Snapshot::default() }, false),
            "0 of 0 rows done, 0.0/s, 0 throttled"
        );
    }

    #[test]
    fn every_wait_says_why() {
        let pause = Duration::from_secs(3);
        let table = [
            (Waiting::CoolDown(pause), "waiting 3 s: too many requests"),
            (Waiting::BackOff(pause), "waiting 3 s before trying rows again"),
            (Waiting::Settling(pause), "waiting 3 s for doubtful rows to be read back"),
            (Waiting::Concurrency, "waiting for 10 answers"),
            (Waiting::Input, "reading the input"),
        ];
        for (waiting, reason) in table {
            let line = status_line(&Snapshot { waiting: Some(waiting), ..running() }, false);
            assert_eq!(line, format!("240 of 1,000 rows done (24 %), {reason}, 19.9/s, 0 throttled, 38 s left"));
        }
    }

    #[test]
    fn what_needs_attention_is_counted() {
        let counts = Counts { refused: 7, failed: 1, in_doubt: 2, invalid: 3, ..running().counts };
        let oldest_throttled = Some(Duration::from_secs(125));
        let line = status_line(&Snapshot { counts, throttled: 1_234, oldest_throttled, ..running() }, false);
        assert_eq!(
            line,
            "253 of 1,000 rows done (25 %), 7 refused, 1 failed, 2 in doubt, 3 invalid, 19.9/s, 1,234 throttled, \
             one row throttled for 2 min 5 s, 38 s left"
        );
        let young = Snapshot { oldest_throttled: Some(Duration::from_millis(59_999)), ..running() };
        assert!(!status_line(&young, false).contains("one row"));
    }

    #[test]
    fn a_stopping_run_counts_its_calls_and_promises_no_end() {
        let waiting = Some(Waiting::CoolDown(Duration::from_secs(3)));
        let line = status_line(&Snapshot { waiting, ..running() }, true);
        assert_eq!(line, "240 of 1,000 rows done (24 %), stopping: 10 calls in flight, 19.9/s, 0 throttled");
    }

    #[test]
    fn checking_counts_rows() {
        assert_eq!(checking_line(1_234_567), "checking the input: 1,234,567 rows");
        assert_eq!(scanning_line(60, 1_000), "reading the pool: 60 of about 1,000 users");
        assert_eq!(scanning_line(1_060, 1_000), "reading the pool: 1,060 users");
    }
}
