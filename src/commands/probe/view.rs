//! How a probe is printed: as text three lines for each assumption, as JSON one object.
//!
//! ```json
//! {"kind":"probe_report","schema_version":1,"region":"us-east-1",
//!  "assumptions":[{"assumption":"name-case","result":"agrees | differs | could_not_tell","question":"","answer":"",
//!  "assumed":"","by_hand":null,"behaviors":[]}],
//!  "counts":{"agrees":15,"differs":2,"could_not_tell":3},"behaviors":[],"calls":70,"pools_left":[],"exit_status":0}
//! ```

use std::fmt::Write as _;
use std::io;

use serde_json::{Value, json};

use super::judge::{ProbeFinding, ProbeVerdict};
use super::run::ProbeReport;
use super::scene;
use crate::commands::shared::PoolArgs;
use crate::commands::shared::result::failed_json;
use crate::commands::shared::run_view::numbers_json;
use crate::domain::error_code::FailureCode;
use crate::exit::Exit;
use crate::limits;
use crate::service::probe::ProbeCall;
use crate::ui::format::{count, counted, rate};
use crate::ui::{MessageCode, OutputFormat, Style, Ui, escape, shell_word};

/// Prints what a probe creates, costs and needs.
pub(super) fn print_intent(name: &str, region: &str, per_second: f64, ui: &Ui) {
    let users = u64::try_from(scene::USERS.len() + 1).unwrap_or(u64::MAX);
    ui.note(MessageCode::Intent, &format!(
        "this creates {} in {region}, named {name} and {name}-2, with {} and up to 5 identity providers, all made up; \
         no one can sign in with them. No other pool is called. The pools are deleted at the end",
        counted(u64::from(scene::POOLS), "user pool"),
        counted(users, "user"),
    ));
    ui.note(MessageCode::Intent, &format!(
        "cost: none for pools, users and calls; should the service count the {} as active this month, they are within \
         its free tier of 10,000",
        counted(users, "user")
    ));
    ui.note(
        MessageCode::Intent,
        &format!(
            "calls: about {}, at most {}, at {}",
            count(u64::from(limits::PROBE_CALLS_USUAL)),
            limits::PROBE_CALLS_MAX,
            rate(per_second)
        ),
    );
    let actions: Vec<String> = ProbeCall::OPERATIONS.iter().map(|name| format!("cognito-idp:{name}")).collect();
    ui.note(MessageCode::Intent, &format!("IAM actions: {}", actions.join(", ")));
}

/// Prints how to delete what is left.
pub(super) fn print_left_pools(report: &ProbeReport, name: &str, region: &str, pool: &PoolArgs, ui: &Ui) {
    let mut options = format!(" --region {}", shell_word(region));
    // Writing to a string cannot fail.
    for (option, value) in [("profile", &pool.profile), ("endpoint-url", &pool.endpoint_url)] {
        if let Some(value) = value {
            let _ = write!(options, " --{option} {}", shell_word(value));
        }
    }
    for left in &report.left {
        ui.error(
            FailureCode::PoolsLeft,
            &format!(
                "no answer shows that the scratch pool {} was deleted: {}",
                left.id,
                without_account(&left.why, ui.shows_values())
            ),
            Some(&format!("delete it: `aws cognito-idp delete-user-pool --user-pool-id {}{options}`", left.id)),
        );
    }
    for unanswered in &report.unanswered {
        let name = &unanswered.name;
        ui.error(
            FailureCode::PoolsLeft,
            &format!(
                "CreateUserPool was not answered, so a scratch pool named {name} may exist; {}",
                without_account(&unanswered.why, ui.shows_values())
            ),
            Some(&format!(
                "list its ID: `aws cognito-idp list-user-pools --max-results 60 --output text --query \
                 \"UserPools[?Name=='{name}'].Id\"{options}`"
            )),
        );
        ui.hint(&format!("delete it: `aws cognito-idp delete-user-pool{options} --user-pool-id ID`"));
    }
    if report.left.is_empty() && report.unanswered.is_empty() {
        ui.note(
            MessageCode::PoolsDeleted,
            &format!("no pool named {name} is left; {} made", counted(u64::from(report.calls), "call")),
        );
    }
}

pub(super) fn print_findings(
    findings: &[ProbeFinding],
    report: &ProbeReport,
    region: &str,
    exit: Exit,
    ui: &Ui,
) -> io::Result<()> {
    let shown = |finding: &ProbeFinding| ProbeFinding {
        answer: without_account(&finding.answer, ui.shows_values()),
        ..finding.clone()
    };
    let findings: &[ProbeFinding] = &findings.iter().map(shown).collect::<Vec<_>>();
    match ui.output() {
        OutputFormat::Text => ui.print(&findings_text(findings, &report.behaviors(), ui.stdout_style())),
        OutputFormat::Json => ui.json(&report_json(findings, report, region, exit, ui)),
    }
}

/// Returns a text of the service without the caller's account, unless values are shown. Every other name in it is made up.
fn without_account(text: &str, shows_values: bool) -> String {
    if shows_values {
        return text.to_owned();
    }
    let is_account = |word: &str| {
        word.contains("arn:") || word.split(|letter: char| !letter.is_ascii_digit()).any(|digits| digits.len() == 12)
    };
    let words: Vec<&str> = text.split(' ').map(|word| if is_account(word) { "***" } else { word }).collect();
    words.join(" ")
}

fn number_of(findings: &[ProbeFinding], verdict: ProbeVerdict) -> u64 {
    u64::try_from(findings.iter().filter(|finding| finding.verdict == verdict).count()).unwrap_or(u64::MAX)
}

fn findings_text(findings: &[ProbeFinding], behaviors: &[&str], style: Style) -> String {
    let mut text = String::new();
    for finding in findings {
        let verdict = match finding.verdict {
            ProbeVerdict::Agrees => style.green("agrees        "),
            ProbeVerdict::Differs => style.yellow("differs       "),
            ProbeVerdict::CouldNotTell => style.cyan("could not tell"),
        };
        let assumption = finding.assumption;
        let _ = writeln!(text, "{verdict}  {}: {}", assumption.id, assumption.question);
        let _ = writeln!(text, "    answer:   {}", escape(&finding.answer));
        let _ = writeln!(text, "    assumed:  {}", assumption.assumed);
        if let Some(by_hand) = &finding.assumption.by_hand {
            let _ = writeln!(text, "    by hand:  {by_hand}");
        }
    }
    let counts = [("agree", ProbeVerdict::Agrees), ("differ", ProbeVerdict::Differs)]
        .map(|(word, verdict)| format!("{} {word}", number_of(findings, verdict)));
    let unknown = number_of(findings, ProbeVerdict::CouldNotTell);
    let _ = writeln!(text, "{} assumptions: {}, {unknown} could not tell", findings.len(), counts.join(", "));
    let without_switch: Vec<&str> = findings
        .iter()
        .filter(|finding| finding.verdict == ProbeVerdict::Differs && finding.behaviors.is_empty())
        .map(|finding| finding.assumption.id.as_str())
        .collect();
    if !without_switch.is_empty() {
        let _ = writeln!(text, "the simulator has no --behavior for the answers to: {}", without_switch.join(", "));
    }
    if behaviors.is_empty() && !without_switch.is_empty() {
        return text;
    }
    if behaviors.is_empty() && unknown > 0 {
        text.push_str(
            "no answer needs a --behavior of the simulator; the questions above that could not tell are open\n",
        );
    } else if behaviors.is_empty() {
        text.push_str("the simulator answers like this service without a --behavior\n");
    } else {
        let switches: Vec<String> = behaviors.iter().map(|behavior| format!("--behavior {behavior}")).collect();
        let _ = writeln!(text, "the simulator answers like this service with: {}", switches.join(" "));
    }
    text
}

fn report_json(findings: &[ProbeFinding], report: &ProbeReport, region: &str, exit: Exit, ui: &Ui) -> Value {
    let finding_json = |finding: &ProbeFinding| {
        json!({
            "assumption": finding.assumption.id,
            "result": finding.verdict.as_str(),
            "question": finding.assumption.question,
            "answer": finding.answer,
            "assumed": finding.assumption.assumed,
            "by_hand": finding.assumption.by_hand,
            "behaviors": finding.behaviors,
        })
    };
    let body = json!({
        "region": region,
        "assumptions": findings.iter().map(finding_json).collect::<Vec<_>>(),
        "counts": numbers_json(ProbeVerdict::ALL.iter().map(|verdict| (verdict.as_str(), number_of(findings, *verdict)))),
        "behaviors": report.behaviors(),
        "calls": report.calls,
        "pools_left": report.left.iter().map(|left| &left.id).collect::<Vec<_>>(),
    });
    // The IDs of pools that are left are among the members; how to delete them is on stderr.
    failed_json("probe_report", exit, report.failure().as_ref(), ui.shows_values(), body)
}

#[cfg(test)]
#[test]
fn an_answer_that_no_switch_stands_for_is_not_said_to_be_simulated() {
    let findings = |behaviors: &[Vec<&'static str>]| -> Vec<ProbeFinding> {
        let assumptions = crate::service::assumptions::ASSUMPTIONS.iter();
        let finding = |(assumption, behaviors): (_, &Vec<&'static str>)| ProbeFinding {
            assumption,
            verdict: ProbeVerdict::Differs,
            answer: "200".to_owned(),
            behaviors: behaviors.clone(),
        };
        assumptions.zip(behaviors).map(finding).collect()
    };
    let text = findings_text(&findings(&[vec![]]), &[], Style::default());
    assert!(text.ends_with("\nthe simulator has no --behavior for the answers to: success-made\n"), "{text}");
    let both = findings(&[vec![], vec!["held-moves"]]);
    let text = findings_text(&both, &["held-moves"], Style::default());
    assert!(text.contains("for the answers to: success-made\n"), "{text}");
    assert!(text.ends_with("the simulator answers like this service with: --behavior held-moves\n"), "{text}");
}

#[cfg(test)]
#[test]
fn the_account_of_the_caller_is_hidden() {
    let text = "400 AccessDenied \"User: arn:aws:iam::123456789012:user/jane is not authorized\"";
    assert_eq!(without_account(text, false), "400 AccessDenied \"User: *** is not authorized\"");
    assert_eq!(without_account("account 123456789012, pool eu-west-1_A", false), "account *** pool eu-west-1_A");
    assert_eq!(without_account(text, true), text);
}
