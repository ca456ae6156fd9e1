//! `explain`: what a state, standing, refusal or finding means, why it occurs, and what to do.
//!
//! The texts are in exhaustive matches, so that a code without a text does not compile.

mod explanation;
mod findings;
mod refusals;
mod states;

use clap::Args;
use serde_json::{Value, json};

use self::explanation::{ExplainedCode, Explanation};
use super::shared::{CommandContext, Failure};
use crate::domain::finding::FindingCode;
use crate::domain::outcome::RefusalCode;
use crate::exit::Exit;
use crate::limits::SUGGESTIONS_MAX;
use crate::ui::OutputFormat;

/// Explain a code: what it means, why it occurs, and what to do
#[derive(Debug, Args)]
#[command(after_help = "Example: cognito-link explain linked_elsewhere")]
pub struct ExplainArgs {
    /// State, standing, refusal or finding; without one, all are listed
    pub code: Option<String>,
}

pub fn cmd_explain(args: &ExplainArgs, context: &CommandContext<'_>) -> Result<Exit, Failure> {
    let explained = match &args.code {
        None => all_codes(),
        Some(code) => explain(code).map_err(|similar| {
            let similar = if similar.is_empty() { String::new() } else { format!("; similar: {}", similar.join(", ")) };
            Failure::Usage(format!("no such code{similar}; list all with `cognito-link explain`"))
        })?,
    };
    let object = |ExplainedCode { code, kind, meaning, text: Explanation { why, advice } }: &ExplainedCode| json!({"code": code, "kind": kind, "meaning": meaning, "why": why, "advice": advice});
    let paragraph = |ExplainedCode { code, kind, meaning, text: Explanation { why, advice } }: &ExplainedCode| {
        format!("{code} ({kind})\n  {meaning}\n  Why: {why}\n  What to do: {advice}\n")
    };
    match context.ui.output() {
        OutputFormat::Json => context.ui.json(&Value::Array(explained.iter().map(object).collect()))?,
        OutputFormat::Text => context.ui.data(&explained.iter().map(paragraph).collect::<Vec<_>>().join("\n"))?,
    }
    Ok(Exit::Success)
}

/// Returns every code, in the order of the documentation.
fn all_codes() -> Vec<ExplainedCode> {
    let refusals = RefusalCode::ALL.iter().map(|code| ExplainedCode {
        code: code.as_str(),
        kind: "refusal",
        meaning: code.meaning(),
        text: refusals::explain_refusal(*code),
    });
    let findings = FindingCode::ALL.iter().map(|code| ExplainedCode {
        code: code.as_str(),
        kind: code.severity().as_str(),
        meaning: code.meaning(),
        text: findings::explain_finding(*code),
    });
    states::all_states().chain(states::all_standings()).chain(refusals).chain(findings).collect()
}

/// Returns what a code means: several entries where one word is used for several things. An error holds similar codes, the
/// most similar first.
fn explain(code: &str) -> Result<Vec<ExplainedCode>, Vec<&'static str>> {
    let all = all_codes();
    let plain: String = code.trim().to_lowercase().replace(['-', ' '], "_");
    let found: Vec<_> = all.iter().copied().filter(|explained| explained.code == plain).collect();
    if found.is_empty() { Err(similar_codes(&plain, &all)) } else { Ok(found) }
}

/// Returns codes that differ in a few letters, and codes that share a word.
fn similar_codes(code: &str, all: &[ExplainedCode]) -> Vec<&'static str> {
    let words: Vec<&str> = code.split('_').filter(|word| word.len() > 2).collect();
    let mut similar: Vec<(usize, &'static str)> = Vec::new();
    for candidate in all.iter().map(|explained| explained.code) {
        let distance = strsim::levenshtein(code, candidate);
        let is_similar = distance <= candidate.len() / 3 || words.iter().any(|word| candidate.contains(word));
        if is_similar && similar.iter().all(|(_, known)| *known != candidate) {
            similar.push((distance, candidate));
        }
    }
    similar.sort_by_key(|(distance, _)| *distance);
    similar.into_iter().map(|(_, code)| code).take(SUGGESTIONS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::ui::testing::Screen;

    #[test]
    fn every_code_is_explained_in_full_sentences() {
        for explained in all_codes() {
            for text in [explained.meaning, explained.text.why, explained.text.advice] {
                assert!(text.len() > 10 && text.ends_with('.') && !text.contains("  "), "{explained:?}");
                assert!(text.starts_with(|first: char| first.is_uppercase() || first == '-'), "{explained:?}");
            }
        }
        assert!(explain("linked_elsewhere").is_ok_and(|found| found[0].kind == "refusal"));
        // One word is used for a refusal and a finding: both are explained.
        assert_eq!(explain("too_many_identities").map(|found| found.len()), Ok(2));
        assert_eq!(explain(" In-Doubt ").map(|found| found[0].code), Ok("in_doubt"));
    }

    #[test]
    fn a_typo_suggests_what_was_meant_first() {
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

    #[test]
    fn a_code_as_text_and_as_json() {
        for (name, screen) in [("text", Screen::new()), ("json", Screen::new().json())] {
            let ui = screen.ui();
            let context = crate::commands::testing::context(&ui);
            cmd_explain(&ExplainArgs { code: Some("too-many-identities".into()) }, &context).unwrap();
            assert_snapshot!(name, screen.both());
        }
    }
}
