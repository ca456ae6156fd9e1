//! How the checks of `doctor` are printed: as text one line for each check, as JSON one object.
//!
//! `about` is the provider of a mapping, else null; `details` has the figures of a check by their names.
//!
//! ```json
//! {"kind":"doctor_report","schema_version":1,"pool":"us-east-1_AbCdEfGhI","simulated":false,
//!  "checks":[{"name":"quota","status":"ok | warn | fail | skip","about":null,"message":"","advice":null,"details":{}}],
//!  "counts":{"ok":9,"warn":1,"fail":0,"skip":1},"exit_status":0}
//! ```

use std::io;

use serde_json::{Value, json};

use crate::commands::shared::Failure;
use crate::commands::shared::check_view::{check_json, check_text};
use crate::commands::shared::result::failed_json;
use crate::commands::shared::run_view::{numbers_json, simulated_mark};
use crate::domain::doctor::{CheckResult, CheckStatus, DoctorCheck, DoctorReport};
use crate::exit::Exit;
use crate::ui::format::count;
use crate::ui::{HIDDEN_MESSAGES_HINT, OutputFormat, Style, Ui};

pub(super) fn print_checkup(report: &DoctorReport, exit: Exit, ui: &Ui) -> io::Result<()> {
    match ui.output() {
        OutputFormat::Text => ui.print(&checkup_text(report, ui.shows_values(), ui.stdout_style()))?,
        OutputFormat::Json => ui.json(&checkup_json(report, ui.shows_values(), exit))?,
    }
    let hides_message = |check: &DoctorCheck| match &check.found {
        CheckResult::Stopped(stop) => stop.hides_message(ui.shows_values()),
        _ => false,
    };
    if report.checks.iter().any(hides_message) {
        ui.hint(HIDDEN_MESSAGES_HINT);
    }
    Ok(())
}

/// A line for each check, then their numbers.
fn checkup_text(report: &DoctorReport, show_values: bool, style: Style) -> String {
    let mut text = String::new();
    for check in &report.checks {
        text.push_str(&check_text(check, show_values, style));
        text.push('\n');
    }
    let counted: Vec<String> =
        CheckStatus::ALL.iter().map(|status| format!("{} {}", count(report.count(*status)), status.as_str())).collect();
    text + &format!("pool {}{}: {}\n", report.pool, simulated_mark(report.simulated), counted.join(", "))
}

fn checkup_json(report: &DoctorReport, show_values: bool, exit: Exit) -> Value {
    let body = json!({
        "pool": report.pool.to_string(),
        "simulated": report.simulated,
        "checks": report.checks.iter().map(|check| check_json(check, show_values)).collect::<Vec<_>>(),
        "counts": numbers_json(CheckStatus::ALL.iter().map(|status| (status.as_str(), report.count(*status)))),
    });
    let failed = report.checks.iter().filter(|check| check.status() == CheckStatus::Fail);
    let names: Vec<&'static str> = failed.map(|check| check.topic.as_str()).collect();
    let failure = (!names.is_empty()).then_some(Failure::ChecksFailed { names });
    failed_json("doctor_report", exit, failure.as_ref(), show_values, body)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use insta::assert_snapshot;

    use super::*;
    use crate::domain::doctor::CheckTopic;
    use crate::domain::identity::{PoolId, ProviderName};
    use crate::domain::run::{StopCause, StopError};
    use crate::ui::testing::Screen;

    fn check(topic: CheckTopic, found: CheckResult) -> DoctorCheck {
        DoctorCheck { topic, found }
    }

    fn report(checks: Vec<DoctorCheck>) -> DoctorReport {
        DoctorReport { pool: PoolId::parse("us-east-1_AbCdEfGhI").unwrap(), simulated: false, checks }
    }

    fn mapping_of(mapped: &[&str]) -> DoctorCheck {
        let mapped = mapped.iter().map(|name| (*name).to_owned()).collect();
        let provider = ProviderName::parse("Okta").unwrap();
        let (immutable, missing) = (BTreeSet::new(), BTreeSet::new());
        check(CheckTopic::Mapping, CheckResult::Mapping { provider, mapped, immutable, missing })
    }

    #[test]
    fn a_line_for_each_check() {
        let denied = StopError::new(StopCause::AccessDenied, "ListUsers: access denied".to_owned());
        let report = report(vec![
            check(
                CheckTopic::Pool,
                CheckResult::Pool { name: "a\u{1b}b".to_owned(), case_sensitive: true, users: 12_000 },
            ),
            mapping_of(&["email", "name"]),
            mapping_of(&["name", "username"]),
            check(CheckTopic::Users, CheckResult::Stopped(denied)),
            check(CheckTopic::Clock, CheckResult::Clock(Some((-400_000, -399_000)))),
            check(
                CheckTopic::Quota,
                CheckResult::Quota { per_second: 25.0, origin: "assumed", share: 0.8, pace: 20.0 },
            ),
            check(CheckTopic::LinkTime, CheckResult::LinkTime { input_links: None, pace: 20.0 }),
        ]);
        let print = |screen: Screen| {
            print_checkup(&report, Exit::Access, &screen.ui()).unwrap();
            screen.both()
        };
        assert_snapshot!("text", print(Screen::new()));
        assert_snapshot!("json", print(Screen::new().json()));
    }
}
