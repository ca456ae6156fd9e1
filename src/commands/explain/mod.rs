//! `explain`: what a code means, why it occurs, and what to do.
//!
//! The texts are in `codes.json`. The meaning of a refusal or finding is in `domain`, because messages need it as well, and
//! that of a message is beside its code in `ui`.

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::shared::result::result_json;
use super::shared::{CommandContext, Failure};
use crate::domain::finding::FindingCode;
use crate::domain::outcome::RefusalCode;
use crate::exit::Exit;
use crate::limits::SUGGESTIONS_MAX;
use crate::ui::{MessageCode, OutputFormat};

/// Explain a code: what it means, why it occurs, and what to do
#[derive(Debug, Args)]
#[command(after_help = "Example: cognito-link explain linked_elsewhere")]
pub struct ExplainArgs {
    /// Code of a row, an error, a result or a message, name of an exception of the service, or a text of it; without one, all are listed
    pub code: Option<String>,
}

/// What a code is about. The kinds of the codes of events are those of the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeKind {
    State,
    Standing,
    Refusal,
    Finding,
    Error,
    Canary,
    Check,
    Duplicate,
    Cloudtrail,
    Exception,
    SignIn,
    Message,
}

impl CodeKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Standing => "standing",
            Self::Refusal => "refusal",
            Self::Finding => "finding",
            Self::Error => "error",
            Self::Canary => "canary",
            Self::Check => "check",
            Self::Duplicate => "duplicate",
            Self::Cloudtrail => "cloudtrail",
            Self::Exception => "exception",
            Self::SignIn => "sign_in",
            Self::Message => "message",
        }
    }
}

/// An entry of `codes.json`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCode {
    code: &'static str,
    kind: CodeKind,
    /// Empty for a refusal and a finding.
    #[serde(default)]
    meaning: &'static str,
    why: &'static str,
    advice: &'static str,
    /// A part of the text that people see; only of a failed sign-in.
    #[serde(default)]
    text: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct ExplainedCode {
    code: &'static str,
    kind: CodeKind,
    /// `error` or `warning`; only of findings.
    severity: Option<&'static str>,
    meaning: &'static str,
    /// `None` for a message, whose text says it.
    why: Option<&'static str>,
    advice: Option<&'static str>,
    text: Option<&'static str>,
    /// What `--retry` of `link` takes for such rows; only of refusals.
    retry: Option<&'static str>,
}

pub fn cmd_explain(args: &ExplainArgs, context: &CommandContext<'_>) -> Result<Exit, Failure> {
    let mut explained = all_codes().map_err(std::io::Error::from)?;
    if let Some(code) = &args.code {
        explained = explain(code, &explained).map_err(|similar| {
            let similar = if similar.is_empty() { String::new() } else { format!("; similar: {}", similar.join(", ")) };
            Failure::Usage(format!("no such code{similar}; list all with `cognito-link explain`"))
        })?;
    }
    let paragraph = |ExplainedCode { code, kind, severity, meaning, why, advice, text, retry }: &ExplainedCode| {
        let severity = severity.map_or(String::new(), |severity| format!(", {severity}"));
        let again = retry.map_or(String::new(), |code| {
            format!("  Afterwards: run `link` on the same input again with `--retry {code}`; a corrected row needs no option.\n")
        });
        let text = text.map_or(String::new(), |text| format!("  Text: {text}\n"));
        let line = |label: &str, text: Option<&str>| text.map_or(String::new(), |text| format!("  {label}: {text}\n"));
        let (why, advice) = (line("Why", *why), line("What to do", *advice));
        format!("{code} ({}{severity})\n{text}  {meaning}\n{why}{advice}{again}", kind.as_str())
    };
    match context.ui.output() {
        OutputFormat::Json => {
            let codes = serde_json::to_value(explained).map_err(std::io::Error::from)?;
            context.ui.json(&result_json("explain_report", Exit::Success, json!({ "codes": codes })))?;
        }
        OutputFormat::Text => context.ui.data(&explained.iter().map(paragraph).collect::<Vec<_>>().join("\n"))?,
    }
    Ok(Exit::Success)
}

/// Returns what to do about each refusal and finding.
pub fn advice_by_code() -> serde_json::Result<std::collections::BTreeMap<&'static str, &'static str>> {
    let is_of_rows = |written: &WrittenCode| matches!(written.kind, CodeKind::Refusal | CodeKind::Finding);
    Ok(written_codes()?.into_iter().filter(is_of_rows).map(|written| (written.code, written.advice)).collect())
}

/// Whether a code of this kind is explained: for tests of the tables that have the codes.
#[cfg(test)]
pub fn is_explained(kind: CodeKind, code: &str) -> bool {
    all_codes().is_ok_and(|all| all.iter().any(|explained| (explained.kind, explained.code) == (kind, code)))
}

fn written_codes() -> serde_json::Result<Vec<WrittenCode>> {
    serde_json::from_str(include_str!("codes.json"))
}

/// Returns every code, in the order of the documentation.
fn all_codes() -> serde_json::Result<Vec<ExplainedCode>> {
    let written = written_codes()?.into_iter().map(ExplainedCode::of_written);
    Ok(written.chain(MessageCode::ALL.iter().copied().map(ExplainedCode::of_message)).collect())
}

impl ExplainedCode {
    fn of_written(written: WrittenCode) -> Self {
        let WrittenCode { code, kind, meaning, why, advice, text } = written;
        let (why, advice) = (Some(why), Some(advice));
        let explained = Self { code, kind, severity: None, meaning, why, advice, text, retry: None };
        match kind {
            CodeKind::Refusal => {
                let code = RefusalCode::parse(code);
                let retry = code.filter(|code| !code.is_of_undo()).map(RefusalCode::as_str);
                Self { meaning: code.map_or("", RefusalCode::meaning), retry, ..explained }
            }
            CodeKind::Finding => {
                let code = FindingCode::parse(code);
                let severity = code.map(|code| code.severity().as_str());
                Self { meaning: code.map_or("", FindingCode::meaning), severity, ..explained }
            }
            _ => explained,
        }
    }

    fn of_message(code: MessageCode) -> Self {
        let (code, meaning) = (code.as_str(), code.meaning());
        let (why, advice) = (None, None);
        Self { code, kind: CodeKind::Message, severity: None, meaning, why, advice, text: None, retry: None }
    }
}

/// Returns what a code means: several entries where one word is used for several things. An error holds similar codes, the
/// most similar first.
fn explain(code: &str, all: &[ExplainedCode]) -> Result<Vec<ExplainedCode>, Vec<&'static str>> {
    let plain: String = code.trim().to_lowercase().replace(['-', ' '], "_");
    let lower = code.trim().to_lowercase();
    let is_of_text = |text: &str| lower.contains(&text.to_lowercase());
    let is_named =
        |explained: &&ExplainedCode| explained.code.to_lowercase() == plain || explained.text.is_some_and(is_of_text);
    let found: Vec<_> = all.iter().filter(is_named).copied().collect();
    if found.is_empty() { Err(similar_codes(&plain, all)) } else { Ok(found) }
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
    use crate::commands::duplicates::address_groups::DuplicateKind;
    use crate::domain::canary::CanaryFinding;
    use crate::domain::doctor::CheckTopic;
    use crate::domain::error_code::ErrorCode;
    use crate::domain::state::RowState;
    use crate::ui::testing::Screen;

    #[test]
    fn no_code_is_left_out() {
        let is_code = |explained: &&ExplainedCode| {
            !matches!(explained.kind, CodeKind::Cloudtrail | CodeKind::Exception | CodeKind::SignIn)
        };
        let refused = RowState::Refused(RefusalCode::Unrecognised);
        let states = [RowState::Linked, RowState::AlreadyLinked, refused, RowState::Failed, RowState::InDoubt];
        let states = states.map(RowState::as_str).into_iter().chain(["unprocessed", "undone", "invalid"]);
        let standings = ["missing", "moved", "blocked", "unverifiable", "misfired", "extra"].into_iter();
        let refusals = RefusalCode::ALL.iter().map(|code| code.as_str());
        let findings = FindingCode::ALL.iter().map(|code| code.as_str());
        let failures = ErrorCode::all().map(ErrorCode::as_str);
        let canary = CanaryFinding::ALL.iter().map(|finding| finding.as_str());
        let checks = CheckTopic::ALL.iter().map(|topic| topic.as_str());
        let duplicates = DuplicateKind::ALL.into_iter().map(DuplicateKind::as_str);
        let messages = MessageCode::ALL.iter().map(|code| code.as_str());
        let of_rows = states.chain(standings).chain(refusals).chain(findings);
        let expected = of_rows.chain(failures).chain(canary).chain(checks).chain(duplicates).chain(messages);
        let all: Vec<&str> = all_codes().unwrap().iter().filter(is_code).map(|explained| explained.code).collect();
        assert_eq!(all, expected.collect::<Vec<_>>());
    }

    #[test]
    fn a_kind_has_one_name() {
        for explained in all_codes().unwrap() {
            assert_eq!(serde_json::to_value(explained.kind).unwrap(), explained.kind.as_str());
            assert_eq!(explained.severity.is_some(), explained.kind == CodeKind::Finding, "{explained:?}");
        }
    }

    #[test]
    fn every_code_is_explained_in_full_sentences() {
        let all = all_codes().unwrap();
        for explained in &all {
            let texts = match (explained.kind, explained.why, explained.advice) {
                (CodeKind::Message, None, None) => vec![explained.meaning],
                (_, why, advice) => vec![explained.meaning, why.unwrap(), advice.unwrap()],
            };
            for text in texts {
                assert!(text.len() > 10 && text.ends_with('.') && !text.contains("  "), "{explained:?}");
                assert!(text.starts_with(|first: char| first.is_uppercase() || first == '-'), "{explained:?}");
            }
        }
        assert!(explain("linked_elsewhere", &all).is_ok_and(|found| found[0].kind == CodeKind::Refusal));
        // One word is used for a refusal and a finding: both are explained.
        assert_eq!(explain("too_many_identities", &all).map(|found| found.len()), Ok(2));
        assert_eq!(explain(" In-Doubt ", &all).map(|found| found[0].code), Ok("in_doubt"));
    }

    #[test]
    fn what_people_see_is_found_by_its_text() {
        let all = all_codes().unwrap();
        for (text, code) in [
            ("AliasExistsException", "AliasExistsException"),
            ("aliasexistsexception", "AliasExistsException"),
            ("Already found an entry for username Google_1074385", "already_found_an_entry"),
            ("user.email: Attribute cannot be updated.", "attribute_cannot_be_updated"),
            ("Invalid ProviderName/Username combination. Please check again", "invalid_provider_username_combination"),
            ("Merging is not currently supported, provide a SourceUser", "merging_not_supported"),
            ("not in CloudTrail: 3 calls", "not_in_trail"),
            ("not in the ledgers: 1 call", "not_in_ledgers"),
        ] {
            let found = explain(text, &all).unwrap();
            assert_eq!(found.iter().map(|explained| explained.code).collect::<Vec<_>>(), [code], "{text}");
        }
        let codes: Vec<&str> = all.iter().map(|explained| explained.code).collect();
        for named in
            all.iter().filter_map(|explained| explained.advice).flat_map(|text| text.split([' ', ',', ':', '.']))
        {
            // An advice that names a code names one that exists.
            let is_column = ["destination_", "source_", "Cognito_"].iter().any(|start| named.contains(start));
            assert!(!named.contains('_') || is_column || codes.contains(&named), "{named}");
        }
    }

    #[test]
    fn a_typo_suggests_what_was_meant_first() {
        let all = all_codes().unwrap();
        let table = [
            ("linkd_elsewhere", Some("linked_elsewhere")),
            ("provider_lost", Some("providers")),
            ("provider_prefixes", Some("provider_prefix")),
            ("indoubt", Some("in_doubt")),
            ("utf_16", Some("utf16")),
            ("missing_valu", Some("missing_value")),
            ("pool_finding", Some("pool_findings")),
            ("not_on_usr", Some("not_on_user")),
            ("not_in_trial", Some("not_in_trail")),
            ("hooks_failed", Some("hook_failed")),
            ("xyzzy", None),
            ("", None),
        ];
        for (code, first) in table {
            assert_eq!(explain(code, &all).unwrap_err().first().copied(), first, "{code}");
        }
        assert_eq!(explain("the_provider_of_a_user_value", &all).unwrap_err().len(), SUGGESTIONS_MAX);
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
