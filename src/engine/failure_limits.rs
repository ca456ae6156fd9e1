//! When a run stops because its rows fail, and how carefully it writes before that.
//!
//! The results of the newest rows are kept. While a limit is near, no more calls are in flight than results are missing to
//! it, and a call whose answer is still being checked counts as the failure that it may become. So a limit that is near is
//! not exceeded, and one that is met without a sign before is exceeded by the calls in flight.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;

use super::worker::JobId;
use crate::domain::identity::ProviderName;
use crate::domain::outcome::RefusalCode;
use crate::domain::state::RowState;
use crate::limits::{PROVIDERS_PER_POOL_MAX, STOP_RESULTS_MIN, STOP_WINDOW_ROWS};

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureClass {
    /// Rows that were refused, for whatever reason.
    Refused,
    /// Rows that were refused with this code.
    Refusal(RefusalCode),
    Failed,
    InDoubt,
    /// Rows of which a call had no answer, whatever became of them.
    NoAnswer,
    /// Rows of one provider, as long as all of them are refused.
    Provider,
}

impl FailureClass {
    /// Reads the name of an option: a code, or one of the words for several.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "refused" => Some(Self::Refused),
            "failed" => Some(Self::Failed),
            "in_doubt" => Some(Self::InDoubt),
            "no_answer" => Some(Self::NoAnswer),
            "provider" => Some(Self::Provider),
            code => RefusalCode::parse(code).map(Self::Refusal),
        }
    }

    fn includes(self, result: Self) -> bool {
        self == result || self == Self::Refused && matches!(result, Self::Refusal(_))
    }

    /// The class of a result; `None` where the row is in the desired state.
    fn of(state: RowState) -> Option<Self> {
        match state {
            RowState::Refused(code) | RowState::Kept(code) => Some(Self::Refusal(code)),
            RowState::Failed => Some(Self::Failed),
            RowState::InDoubt | RowState::Unlinking => Some(Self::InDoubt),
            RowState::Linked | RowState::AlreadyLinked | RowState::Undone | RowState::Unprocessed => None,
        }
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Refused => "refused",
            Self::Refusal(code) => code.as_str(),
            Self::Failed => "failed",
            Self::InDoubt => "in_doubt",
            Self::NoAnswer => "no_answer",
            Self::Provider => "provider",
        })
    }
}

/// How many of the newest results a limit accepts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FailureBound {
    /// The run stops at so many of the last [`STOP_WINDOW_ROWS`] results.
    Rows(u64),
    /// The run stops at this part, from [`STOP_RESULTS_MIN`] results on.
    Percent(f64),
}

impl fmt::Display for FailureBound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows(rows) => write!(formatter, "{rows}"),
            Self::Percent(percent) => write!(formatter, "{percent}%"),
        }
    }
}

/// What stops a run, at most one bound for a class.
pub type StopLimits = BTreeMap<FailureClass, FailureBound>;

/// A call whose answer is being checked, and what its row may become.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Suspect {
    class: FailureClass,
    provider: ProviderName,
}

/// What went wrong with a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct RowFailures {
    /// The class of its result; `None` where it is in the desired state.
    result: Option<FailureClass>,
    had_no_answer: bool,
}

impl RowFailures {
    fn classes(self) -> impl Iterator<Item = FailureClass> {
        self.result.into_iter().chain(self.had_no_answer.then_some(FailureClass::NoAnswer))
    }
}

/// The rows of one provider so far.
#[derive(Debug, Clone, Copy, Default)]
struct ProviderResults {
    refused: u64,
    in_desired_state: bool,
}

/// The newest results against the limits.
#[derive(Debug, Default)]
pub(super) struct FailureLimits {
    limits: StopLimits,
    window: VecDeque<RowFailures>,
    counts: BTreeMap<FailureClass, u64>,
    providers: BTreeMap<ProviderName, ProviderResults>,
    suspects: HashMap<JobId, Suspect>,
}

impl FailureLimits {
    pub(super) fn new(limits: StopLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes note of what a row may become while the answer to its call is checked; `None` where it is not.
    pub(super) fn note_suspect(&mut self, job: JobId, class: Option<FailureClass>, provider: &ProviderName) {
        if self.limits.is_empty() {
            return;
        }
        match class {
            Some(class) => {
                self.suspects.insert(job, Suspect { class, provider: provider.clone() });
            }
            None => {
                self.suspects.remove(&job);
            }
        }
    }

    /// Takes note of the result of a row that this run has worked on, and whether one of its calls had no answer.
    pub(super) fn note_result(&mut self, state: RowState, provider: &ProviderName, had_no_answer: bool) {
        if self.limits.is_empty() {
            return;
        }
        let class = FailureClass::of(state);
        if let (Some(oldest), true) = (self.window.front().copied(), self.window.len() >= STOP_WINDOW_ROWS) {
            self.window.pop_front();
            for class in oldest.classes() {
                if let Some(count) = self.counts.get_mut(&class) {
                    *count -= 1;
                }
            }
        }
        let failures = RowFailures { result: class, had_no_answer };
        self.window.push_back(failures);
        for class in failures.classes() {
            *self.counts.entry(class).or_default() += 1;
        }
        if self.providers.len() < PROVIDERS_PER_POOL_MAX || self.providers.contains_key(provider) {
            let results = self.providers.entry(provider.clone()).or_default();
            match class {
                Some(FailureClass::Refusal(_)) => results.refused += 1,
                Some(_) => {}
                None => results.in_desired_state = true,
            }
        }
    }

    /// Why the run is to stop, a lower-case fragment; `None` where no limit is reached.
    pub(super) fn reached(&self) -> Option<String> {
        self.limits.iter().find_map(|(class, bound)| {
            let option = format!("--stop-after {class}={bound}");
            if *class == FailureClass::Provider {
                let FailureBound::Rows(most) = *bound else { return None };
                let (name, results) =
                    self.providers.iter().find(|(_, results)| !results.in_desired_state && results.refused >= most)?;
                let refused = results.refused;
                return Some(format!("all {refused} rows of provider {} were refused ({option})", name.as_str()));
            }
            if self.missing(*class, *bound) > 0 {
                return None;
            }
            let (count, of) = (self.count(*class), self.window.len());
            let what = match class {
                FailureClass::Refused => "were refused".to_owned(),
                FailureClass::Refusal(code) => format!("were refused as {code}", code = code.as_str()),
                FailureClass::Failed => "failed".to_owned(),
                FailureClass::NoAnswer => "had a call without an answer".to_owned(),
                FailureClass::InDoubt | FailureClass::Provider => "are in doubt".to_owned(),
            };
            Some(format!("{count} of the last {of} rows {what} ({option})"))
        })
    }

    /// Write calls that may be in flight. No limit is near where it is [`usize::MAX`].
    pub(super) fn calls_allowed(&self) -> usize {
        self.limits.iter().map(|(class, bound)| self.calls_allowed_by(*class, *bound)).min().unwrap_or(usize::MAX)
    }

    fn calls_allowed_by(&self, class: FailureClass, bound: FailureBound) -> usize {
        let (missing, failures, suspects) = if class == FailureClass::Provider {
            self.nearest_provider(bound)
        } else {
            let suspects = self.suspects.values().filter(|suspect| class.includes(suspect.class)).count() as u64;
            (self.missing(class, bound), self.count(class), suspects)
        };
        if failures + suspects == 0 {
            return usize::MAX;
        }
        let allowed = missing.saturating_sub(suspects);
        // Where every further failure is one too many, one call at a time finds out whether there is one.
        let allowed = if suspects == 0 { allowed.max(1) } else { allowed };
        usize::try_from(allowed).unwrap_or(usize::MAX)
    }

    /// For the provider whose rows are nearest to the limit: the rows that are missing, the refused ones, and the suspects.
    fn nearest_provider(&self, bound: FailureBound) -> (u64, u64, u64) {
        let FailureBound::Rows(most) = bound else { return (u64::MAX, 0, 0) };
        let of = |name: &ProviderName, results: ProviderResults| {
            let is_refusal =
                |suspect: &&Suspect| matches!(suspect.class, FailureClass::Refusal(_)) && suspect.provider == *name;
            let suspects = self.suspects.values().filter(is_refusal).count() as u64;
            (most.saturating_sub(results.refused), results.refused, suspects)
        };
        let all_refused = self.providers.iter().filter(|(_, results)| !results.in_desired_state && results.refused > 0);
        let nearest = all_refused.map(|(name, results)| of(name, *results));
        nearest.min_by_key(|(missing, _, suspects)| missing.saturating_sub(*suspects)).unwrap_or((u64::MAX, 0, 0))
    }

    /// Failures of a class among the newest results.
    fn count(&self, class: FailureClass) -> u64 {
        self.counts.iter().filter(|(result, _)| class.includes(**result)).map(|(_, count)| count).sum()
    }

    /// Failures in turn until the limit is reached; 0 where it is.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a window of a thousand results"
    )]
    fn missing(&self, class: FailureClass, bound: FailureBound) -> u64 {
        let (count, results) = (self.count(class), self.window.len() as u64);
        match bound {
            FailureBound::Rows(most) => most.saturating_sub(count),
            FailureBound::Percent(percent) => {
                let (part, failures) = (percent / 100.0, count as f64);
                if results >= STOP_RESULTS_MIN && failures >= part * results as f64 {
                    return 0;
                }
                let while_window_grows = (part * results as f64 - failures) / (1.0 - part).max(f64::EPSILON);
                let in_full_window = part * STOP_WINDOW_ROWS as f64 - failures;
                let until_part = while_window_grows.min(in_full_window).ceil().max(1.0) as u64;
                STOP_RESULTS_MIN.saturating_sub(results).max(until_part)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(name: &str) -> ProviderName {
        ProviderName::parse(name).unwrap()
    }

    fn limits(bounds: &[(FailureClass, FailureBound)]) -> FailureLimits {
        FailureLimits::new(bounds.iter().copied().collect())
    }

    const NOT_FOUND: FailureClass = FailureClass::Refusal(RefusalCode::UserNotFound);
    const LINKED: RowState = RowState::Linked;
    const REFUSED: RowState = RowState::Refused(RefusalCode::UserNotFound);
    const OTHER: RowState = RowState::Refused(RefusalCode::Unrecognised);

    /// After how many of these results the run stops.
    fn stops_after(limits: &mut FailureLimits, states: impl IntoIterator<Item = RowState>) -> Option<usize> {
        states.into_iter().zip(1..).find_map(|(state, at)| {
            limits.note_result(state, &provider("Okta"), false);
            limits.reached().map(|_| at)
        })
    }

    #[test]
    fn rows_are_counted_within_the_newest_results() {
        let rows = |most| limits(&[(NOT_FOUND, FailureBound::Rows(most))]);
        assert_eq!(stops_after(&mut rows(3), [REFUSED, LINKED, REFUSED, OTHER, REFUSED, REFUSED]), Some(5));
        let sparse = |gap: usize| (0..20_000).map(move |at| if at % gap == 0 { REFUSED } else { LINKED });
        assert_eq!(stops_after(&mut rows(3), sparse(STOP_WINDOW_ROWS / 3)), Some(2 * (STOP_WINDOW_ROWS / 3) + 1));
        assert_eq!(stops_after(&mut rows(3), sparse(STOP_WINDOW_ROWS)), None, "a few in a long file");
        let mut all = limits(&[(FailureClass::Refused, FailureBound::Rows(3))]);
        assert_eq!(stops_after(&mut all, [REFUSED, OTHER, LINKED, OTHER]), Some(4), "all codes together");
        let mut failed = limits(&[(FailureClass::Failed, FailureBound::Rows(1))]);
        assert_eq!(stops_after(&mut failed, [REFUSED, RowState::InDoubt, RowState::Failed]), Some(3));
    }

    #[test]
    fn calls_without_an_answer_count_whatever_became_of_the_row() {
        let mut silent = limits(&[(FailureClass::NoAnswer, FailureBound::Rows(2))]);
        for (state, had_no_answer) in [(LINKED, true), (REFUSED, false), (RowState::InDoubt, false)] {
            silent.note_result(state, &provider("Okta"), had_no_answer);
            assert_eq!(silent.reached(), None);
        }
        assert_eq!(silent.calls_allowed(), 1, "one more is one too many");
        silent.note_result(RowState::InDoubt, &provider("Okta"), true);
        let expected = "2 of the last 4 rows had a call without an answer (--stop-after no_answer=2)";
        assert_eq!(silent.reached().as_deref(), Some(expected));
        // A row counts once for each class, and leaves the window with both.
        let mut window =
            limits(&[(FailureClass::NoAnswer, FailureBound::Rows(2)), (FailureClass::InDoubt, FailureBound::Rows(2))]);
        window.note_result(RowState::InDoubt, &provider("Okta"), true);
        (0..STOP_WINDOW_ROWS).for_each(|_| window.note_result(LINKED, &provider("Okta"), false));
        assert_eq!((window.count(FailureClass::NoAnswer), window.count(FailureClass::InDoubt)), (0, 0));
    }

    #[test]
    fn a_part_counts_from_a_hundred_results_on() {
        let part = || limits(&[(NOT_FOUND, FailureBound::Percent(20.0))]);
        let every = |gap: usize| (0..5_000).map(move |at| if at % gap == 0 { REFUSED } else { LINKED });
        assert_eq!(stops_after(&mut part(), every(1)), Some(100));
        assert_eq!(stops_after(&mut part(), every(5)), Some(100), "20 of 100");
        assert_eq!(stops_after(&mut part(), every(6)), None);
        // A file that turns wrong.
        let turns = (0..2_000).map(|at| if at < 1_000 { LINKED } else { REFUSED });
        assert_eq!(stops_after(&mut part(), turns), Some(1_200));
        assert_eq!(stops_after(&mut limits(&[(NOT_FOUND, FailureBound::Percent(100.0))]), every(1)), Some(100));
    }

    #[test]
    fn all_rows_of_one_provider() {
        let bound = [(FailureClass::Provider, FailureBound::Rows(20))];
        let mut limits_of_two = limits(&bound);
        for number in 0..19 {
            limits_of_two.note_result(OTHER, &provider("Okta"), false);
            limits_of_two.note_result(if number == 3 { LINKED } else { REFUSED }, &provider("Google"), false);
        }
        assert_eq!(limits_of_two.reached(), None);
        limits_of_two.note_result(REFUSED, &provider("Okta"), false);
        assert_eq!(
            limits_of_two.reached().as_deref(),
            Some("all 20 rows of provider Okta were refused (--stop-after provider=20)")
        );
    }

    #[test]
    fn calls_in_flight_are_at_most_the_results_that_are_missing() {
        let mut near = limits(&[(NOT_FOUND, FailureBound::Rows(4))]);
        assert_eq!(near.calls_allowed(), usize::MAX, "nothing has failed");
        near.note_result(OTHER, &provider("Okta"), false);
        assert_eq!(near.calls_allowed(), usize::MAX, "another class");
        near.note_result(REFUSED, &provider("Okta"), false);
        assert_eq!(near.calls_allowed(), 3);
        near.note_suspect(1, Some(NOT_FOUND), &provider("Okta"));
        near.note_suspect(2, Some(FailureClass::InDoubt), &provider("Okta"));
        assert_eq!(near.calls_allowed(), 2);
        near.note_suspect(3, Some(NOT_FOUND), &provider("Okta"));
        near.note_suspect(4, Some(NOT_FOUND), &provider("Okta"));
        assert_eq!(near.calls_allowed(), 0, "those that are checked may be the last");
        for job in [1, 3, 4] {
            near.note_suspect(job, None, &provider("Okta"));
        }
        near.note_result(REFUSED, &provider("Okta"), false);
        near.note_result(REFUSED, &provider("Okta"), false);
        assert_eq!((near.calls_allowed(), near.reached()), (1, None));
        for _ in 0..STOP_WINDOW_ROWS {
            near.note_result(LINKED, &provider("Okta"), false);
        }
        assert_eq!(near.calls_allowed(), usize::MAX, "it recovers");
    }

    #[test]
    fn a_part_is_approached_slowly() {
        let mut limits = limits(&[(NOT_FOUND, FailureBound::Percent(20.0))]);
        (0..95).for_each(|at| limits.note_result(if at < 40 { REFUSED } else { LINKED }, &provider("Okta"), false));
        assert_eq!(limits.calls_allowed(), 5);
        (0..4).for_each(|_| limits.note_result(REFUSED, &provider("Okta"), false));
        assert_eq!((limits.calls_allowed(), limits.reached()), (1, None));
        limits.note_result(LINKED, &provider("Okta"), false);
        assert_eq!(
            limits.reached().as_deref(),
            Some("44 of the last 100 rows were refused as user_not_found (--stop-after user_not_found=20%)")
        );
    }

    #[test]
    fn without_limits_nothing_is_kept() {
        let mut none = FailureLimits::default();
        none.note_suspect(1, Some(FailureClass::Failed), &provider("Okta"));
        assert_eq!(stops_after(&mut none, (0..5_000).map(|_| REFUSED)), None);
        assert_eq!((none.window.len(), none.suspects.len(), none.calls_allowed()), (0, 0, usize::MAX));
    }
}
