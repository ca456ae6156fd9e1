//! How the checks of `doctor` are printed: as text one line for each check, as JSON one object.
//!
//! `about` is the provider of a mapping, else null; `details` has the figures of a check by their names.
//!
//! ```json
//! {"kind":"doctor_report","schema_version":1,"pool":"us-east-1_AbCdEfGhI","simulated":false,
//!  "checks":[{"name":"quota","status":"ok | warn | fail | skip","about":null,"message":"","advice":null,"details":{}}],
//!  "counts":{"ok":9,"warn":1,"fail":0,"skip":1},"exit_status":0}
//! ```

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use serde_json::{Value, json};

use crate::commands::shared::result::result_json;
use crate::commands::shared::run_view::{numbers_json, simulated_mark};
use crate::domain::doctor::{
    CheckResult, CheckStatus, CheckTopic, DoctorCheck, DoctorReport, duration_of_calls, min_clock_difference_ms,
    resets_email_verified,
};
use crate::domain::identity::ProviderName;
use crate::exit::Exit;
use crate::limits::CLOCK_DIFFERENCE_REFUSED_MS;
use crate::ui::format::{count, counted, duration, rate};
use crate::ui::{HIDDEN_MESSAGES_HINT, OutputFormat, Style, Ui, escape};

const NAME_WIDTH: usize = 13;

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
        let status = format!("{:<4}", check.status().as_str());
        let status = match check.status() {
            CheckStatus::Ok => style.green(&status),
            CheckStatus::Warn => style.yellow(&status),
            CheckStatus::Fail => style.red(&status),
            CheckStatus::Skip => style.cyan(&status),
        };
        let advice = advice(check).map_or(String::new(), |advice| format!("; {advice}"));
        let line = format!(
            "{status}  {:<NAME_WIDTH$}{}{advice}",
            check.topic.as_str(),
            escape(&message(&check.found, show_values))
        );
        text.push_str(&line);
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
    result_json("doctor_report", exit, body)
}

fn check_json(check: &DoctorCheck, show_values: bool) -> Value {
    let about = match &check.found {
        CheckResult::Mapping { provider, .. } => Some(provider.as_str()),
        _ => None,
    };
    json!({
        "name": check.topic.as_str(),
        "status": check.status().as_str(),
        "about": about,
        "message": message(&check.found, show_values),
        "advice": advice(check),
        "details": details(&check.found),
    })
}

/// What was found, as a lower-case fragment.
fn message(found: &CheckResult, show_values: bool) -> String {
    match found {
        CheckResult::Accepted => "the service accepts them (identity not checked)".to_owned(),
        CheckResult::Pool { name, case_sensitive, users } => {
            let case = if *case_sensitive { "case-sensitive" } else { "not case-sensitive" };
            format!("{name}: user names are {case}, about {}", counted(*users, "user"))
        }
        CheckResult::PreSignUp(true) => {
            "a pre-sign-up trigger is set: it may link the same people during the run".to_owned()
        }
        CheckResult::PreSignUp(false) => "no pre-sign-up trigger".to_owned(),
        CheckResult::Providers(providers) if providers.is_empty() => "the pool has no identity provider".to_owned(),
        CheckResult::Providers(providers) => {
            providers.iter().map(|(name, kind)| format!("{name} ({kind})")).collect::<Vec<_>>().join(", ")
        }
        CheckResult::AdminOnlySignUp => {
            "only administrators create users: the first sign-in of an identity without a link fails".to_owned()
        }
        CheckResult::Mapping { provider, immutable, .. } if !immutable.is_empty() => format!(
            "{provider} maps {}, which the pool does not let change: every sign-in of a linked identity fails",
            listed(immutable)
        ),
        CheckResult::Mapping { provider, missing, .. } if !missing.is_empty() => format!(
            "{provider} does not map {}, which the pool requires: the first sign-in of an identity without a link fails",
            listed(missing)
        ),
        CheckResult::Mapping { provider, mapped, .. } => mapping_text(provider.as_str(), mapped),
        CheckResult::Users => "can be listed, also with a filter on sub".to_owned(),
        CheckResult::UsersInOneChain => {
            "can be listed, but not with a filter on sub: a scan reads one page after the other, slower than the quota"
                .to_owned()
        }
        CheckResult::Quota { per_second, origin, share, pace } => format!(
            "{per_second}/s for writes of the whole account ({}); {} % of it is {}",
            quota_source(origin),
            (share * 1_000.0).round() / 10.0,
            rate(*pace)
        ),
        CheckResult::Clock(bounds) => clock_text(*bounds),
        CheckResult::ScanTime { users, reads, pace } => format!(
            "reading the pool takes about {}: {} for about {} at {}",
            duration(duration_of_calls(*reads, *pace)),
            counted(*reads, "call"),
            counted(*users, "user"),
            rate(*pace)
        ),
        CheckResult::LinkTime { links, pace } => {
            format!(
                "{} take about {} at {}",
                counted(*links, "link"),
                duration(duration_of_calls(*links, *pace)),
                rate(*pace)
            )
        }
        CheckResult::NotTried(operation) => format!("not tried: {operation}, because it writes"),
        CheckResult::Stopped(stop) => stop.printable_detail(show_values),
        CheckResult::LeftOut(why) => format!("not checked: {why}"),
    }
}

/// What to do, where the message does not say it.
fn advice(check: &DoctorCheck) -> Option<String> {
    let text = match (&check.found, check.status()) {
        (CheckResult::PreSignUp(true), _) => "make sure that it accepts a link that exists already",
        (CheckResult::Providers(_), CheckStatus::Fail) => "add the provider before you link identities of it",
        (CheckResult::AdminOnlySignUp, _) => "link an identity before its first sign-in",
        (CheckResult::Mapping { .. }, CheckStatus::Fail) => "remove it from the mapping before you link",
        (CheckResult::Mapping { missing, .. }, CheckStatus::Warn) if !missing.is_empty() => {
            "map it, or link an identity before its first sign-in"
        }
        (CheckResult::Mapping { .. }, CheckStatus::Warn) => "map email_verified as well, or do not map email",
        (CheckResult::Quota { .. }, CheckStatus::Warn) => {
            "allow cognito-idp:GetProvisionedLimit or servicequotas:GetServiceQuota, or pass --rate to link"
        }
        (CheckResult::Clock(None), _) => "make sure that a time server sets the clock of this machine",
        (CheckResult::Clock(_), CheckStatus::Warn) => "set it from a time server",
        (CheckResult::Clock(_), CheckStatus::Fail) => {
            let refused = duration(Duration::from_millis(CLOCK_DIFFERENCE_REFUSED_MS));
            return Some(format!(
                "set it from a time server: from a difference of {refused} on, the service refuses signed calls"
            ));
        }
        (CheckResult::NotTried(_), _) => "the documentation lists the IAM permissions that link and undo need",
        (CheckResult::Stopped(_), CheckStatus::Warn) if check.topic == CheckTopic::Mapping => {
            "only rows that link by another attribute than Cognito_Subject need it, and the answer contains client secrets"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

fn listed(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn mapping_text(provider: &str, mapped: &BTreeSet<String>) -> String {
    // The user name is set once, from the subject, and no sign-in overwrites it.
    let written: Vec<&str> = mapped.iter().map(String::as_str).filter(|name| *name != "username").collect();
    if resets_email_verified(mapped) {
        return format!(
            "{provider} maps email and not email_verified: a sign-in may then set the user's email_verified to false, \
             which breaks password recovery and sign-in by e-mail"
        );
    }
    if written.is_empty() {
        return format!("{provider} maps nothing: sign-ins do not change attributes of users");
    }
    format!("{provider}: each sign-in overwrites the user's {}", written.join(", "))
}

fn quota_source(origin: &str) -> &'static str {
    match origin {
        "provisioned" => "from GetProvisionedLimit",
        "service_quotas" => "from Service Quotas",
        _ => "the documented quota, because neither GetProvisionedLimit nor Service Quotas could be read",
    }
}

fn clock_text(bounds: Option<(i64, i64)>) -> String {
    let Some((low, high)) = bounds else { return "no answer of the service contained the time".to_owned() };
    match min_clock_difference_ms((low, high)) {
        0 => {
            // Its answers have whole seconds, so a smaller difference cannot be known.
            let most = Duration::from_millis(low.unsigned_abs().max(high.unsigned_abs()).max(1_000));
            format!("agrees with the clock of the service, within {}", duration(most))
        }
        apart => {
            let side = if low > 0 { "behind" } else { "ahead of" };
            format!(
                "the clock of this machine is {} {side} that of the service",
                duration(Duration::from_millis(apart))
            )
        }
    }
}

fn details(found: &CheckResult) -> Value {
    match found {
        CheckResult::Pool { name, case_sensitive, users } => {
            json!({ "name": name, "case_sensitive": case_sensitive, "estimated_users": users })
        }
        CheckResult::PreSignUp(set) => json!({ "pre_sign_up": set }),
        CheckResult::Providers(providers) => {
            let provider = |(name, kind): &(ProviderName, String)| json!({ "name": name.as_str(), "type": kind });
            json!({ "providers": providers.iter().map(provider).collect::<Vec<_>>() })
        }
        CheckResult::Mapping { mapped, immutable, missing, .. } => {
            json!({ "mapped_attributes": mapped, "immutable_attributes": immutable, "missing_attributes": missing })
        }
        CheckResult::Quota { per_second, origin, share, pace } => {
            json!({ "quota_per_second": per_second, "origin": origin, "share": share, "rate_per_second": pace })
        }
        CheckResult::Clock(Some((low, high))) => json!({ "service_ahead_ms_min": low, "service_ahead_ms_max": high }),
        CheckResult::ScanTime { users, reads, pace } => json!({
            "estimated_users": users,
            "calls": reads,
            "rate_per_second": pace,
            "seconds": duration_of_calls(*reads, *pace).as_secs_f64(),
        }),
        CheckResult::LinkTime { links, pace } => {
            json!({ "calls": links, "rate_per_second": pace, "seconds": duration_of_calls(*links, *pace).as_secs_f64() })
        }
        CheckResult::NotTried(operation) => json!({ "operation": operation }),
        CheckResult::Stopped(stop) => json!({ "stop_cause": stop.cause.as_str() }),
        CheckResult::Accepted
        | CheckResult::AdminOnlySignUp
        | CheckResult::Users
        | CheckResult::UsersInOneChain
        | CheckResult::Clock(None)
        | CheckResult::LeftOut(_) => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::domain::identity::PoolId;
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
            check(CheckTopic::LinkTime, CheckResult::LinkTime { links: 1_000_000, pace: 20.0 }),
        ]);
        let print = |screen: Screen| {
            print_checkup(&report, Exit::Access, &screen.ui()).unwrap();
            screen.both()
        };
        assert_snapshot!("text", print(Screen::new()));
        assert_snapshot!("json", print(Screen::new().json()));
    }
}
