//! `explain CODE`: what a state, refusal or finding means, why the service or this tool says so, and what to do.
//!
//! The texts stand in exhaustive matches, so that a code without them does not compile.

mod findings;
mod refusals;
mod standings;
mod states;

use crate::domain::finding::FindingCode;
use crate::domain::outcome::RefusalCode;
use crate::limits::SUGGESTIONS_MAX;

/// A code in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explained {
    /// The code.
    pub code: &'static str,
    /// `state`, `standing`, `refusal`, `error` or `warning`.
    pub kind: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// Why the service, or this tool, says it.
    pub why: &'static str,
    /// What to do.
    pub advice: &'static str,
}

/// The part of an explanation that does not stand with the code itself.
struct Told {
    why: &'static str,
    advice: &'static str,
}

const fn told(why: &'static str, advice: &'static str) -> Told {
    Told { why, advice }
}

/// Every code that there is, in the order of the documentation.
#[must_use]
pub fn all() -> Vec<Explained> {
    let refusals = RefusalCode::ALL.iter().map(|code| {
        let Told { why, advice } = refusals::told_of(*code);
        Explained { code: code.as_str(), kind: "refusal", meaning: code.meaning(), why, advice }
    });
    let findings = FindingCode::ALL.iter().map(|code| {
        let Told { why, advice } = findings::told_of(*code);
        Explained { code: code.as_str(), kind: code.severity().as_str(), meaning: code.meaning(), why, advice }
    });
    states::all().chain(standings::all()).chain(refusals).chain(findings).collect()
}

/// What a code means: more than one where a word stands for several things.
///
/// # Errors
/// Where there is no such code: those that somebody could have meant, the nearest first.
pub fn explain(code: &str) -> Result<Vec<Explained>, Vec<&'static str>> {
    let known = all();
    let plain: String = code.trim().to_lowercase().replace(['-', ' '], "_");
    let found: Vec<_> = known.iter().copied().filter(|explained| explained.code == plain).collect();
    if found.is_empty() { Err(nearest(&plain, &known)) } else { Ok(found) }
}

/// Codes a few letters away, then those that share a word.
fn nearest(code: &str, known: &[Explained]) -> Vec<&'static str> {
    let words: Vec<&str> = code.split('_').filter(|word| word.len() > 2).collect();
    let mut near: Vec<(usize, &'static str)> = Vec::new();
    for candidate in known.iter().map(|explained| explained.code) {
        let apart = strsim::levenshtein(code, candidate);
        let is_near = apart <= candidate.len() / 3 || words.iter().any(|word| candidate.contains(word));
        if is_near && near.iter().all(|(_, known)| *known != candidate) {
            near.push((apart, candidate));
        }
    }
    near.sort_by_key(|(apart, _)| *apart);
    near.into_iter().map(|(_, code)| code).take(SUGGESTIONS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained_in_whole_sentences() {
        for explained in all() {
            for text in [explained.meaning, explained.why, explained.advice] {
                assert!(text.len() > 10 && text.ends_with('.') && !text.contains("  "), "{explained:?}");
                assert!(text.starts_with(|first: char| first.is_uppercase() || first == '-'), "{explained:?}");
            }
        }
        assert!(explain("linked_elsewhere").is_ok_and(|found| found[0].kind == "refusal"));
        // One word stands for two things: both are told.
        assert_eq!(explain("too_many_identities").map(|found| found.len()), Ok(2));
        assert_eq!(explain(" In-Doubt ").map(|found| found[0].code), Ok("in_doubt"));
    }

    #[test]
    fn a_typo_finds_what_was_meant_first() {
        let table = [
            ("linkd_elsewhere", Some("linked_elsewhere")),
            ("provider_lost", Some("provider_prefix")),
            ("indoubt", Some("in_doubt")),
            ("utf_16", Some("utf16")),
            ("missing_valu", Some("missing_value")),
            ("xyzzy", None),
            ("", None),
        ];
        for (code, first) in table {
            assert_eq!(explain(code).unwrap_err().first().copied(), first, "{code}");
        }
        assert_eq!(explain("the_provider_of_a_user_value").unwrap_err().len(), SUGGESTIONS_MAX);
    }
}
