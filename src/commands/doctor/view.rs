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

use crate::commands::shared::SCHEMA_VERSION;
use crate::commands::shared::run_view::{by_code_json, simulated_mark};
use crate::domain::checkup::{Check, CheckStatus, CheckupReport, Found, Topic, apart_ms, time_for, unverifies};
use crate::domain::identity::ProviderName;
use crate::exit::Exit;
use crate::limits::CLOCK_REFUSED_MS;
use crate::ui::format::{count, counted, duration, rate};
use crate::ui::{OutputFormat, Style, Ui, escape};

const NAME_WIDTH: usize = 13;
const STATUSES: [CheckStatus; 4] = [CheckStatus::Ok, CheckStatus::Warn, CheckStatus::Fail, CheckStatus::Skip];

pub(super) fn print_checkup(report: &CheckupReport, exit: Exit, ui: &Ui) -> io::Result<()> {
    match ui.output() {
        OutputFormat::Text => ui.print(&checkup_text(report, ui.stdout_style())),
        OutputFormat::Json => ui.json(&checkup_json(report, exit)),
    }
}

/// A line for each check, then their numbers.
fn checkup_text(report: &CheckupReport, style: Style) -> String {
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
        let line = format!("{status}  {:<NAME_WIDTH$}{}{advice}", check.topic.as_str(), escape(&message(&check.found)));
        text.push_str(&line);
        text.push('\n');
    }
    let counted: Vec<String> =
        STATUSES.iter().map(|status| format!("{} {}", count(report.count(*status)), status.as_str())).collect();
    text + &format!("pool {}{}: {}\n", report.pool, simulated_mark(report.simulated), counted.join(", "))
}

fn checkup_json(report: &CheckupReport, exit: Exit) -> Value {
    json!({
        "kind": "doctor_report",
        "schema_version": SCHEMA_VERSION,
        "pool": report.pool.to_string(),
        "simulated": report.simulated,
        "checks": report.checks.iter().map(check_json).collect::<Vec<_>>(),
        "counts": by_code_json(STATUSES.iter().map(|status| (status.as_str(), report.count(*status)))),
        "exit_status": exit.status(),
    })
}

fn check_json(check: &Check) -> Value {
    let about = match &check.found {
        Found::Mapping { provider, .. } => Some(provider.as_str()),
        _ => None,
    };
    json!({
        "name": check.topic.as_str(),
        "status": check.status().as_str(),
        "about": about,
        "message": message(&check.found),
        "advice": advice(check),
        "details": details(&check.found),
    })
}

/// What was found, as a lower-case fragment.
fn message(found: &Found) -> String {
    match found {
        Found::Accepted => "the service accepts them (identity not checked)".to_owned(),
        Found::Pool { name, case_sensitive, users } => {
            let case = if *case_sensitive { "case-sensitive" } else { "not case-sensitive" };
            format!("{name}: user names are {case}, about {}", counted(*users, "user"))
        }
        Found::PreSignUp(true) => "a pre-sign-up trigger is set: it may link the same people during the run".to_owned(),
        Found::PreSignUp(false) => "no pre-sign-up trigger".to_owned(),
        Found::Providers(providers) if providers.is_empty() => "the pool has no identity provider".to_owned(),
        Found::Providers(providers) => {
            providers.iter().map(|(name, kind)| format!("{name} ({kind})")).collect::<Vec<_>>().join(", ")
        }
        Found::Mapping { provider, mapped } => mapping_text(provider.as_str(), mapped),
        Found::Users => "can be listed, also with a filter on sub".to_owned(),
        Found::Quota { per_second, origin, share, pace } => format!(
            "{per_second}/s for writes of the whole account ({}); {} % of it is {}",
            quota_source(origin),
            (share * 1_000.0).round() / 10.0,
            rate(*pace)
        ),
        Found::Clock(bounds) => clock_text(*bounds),
        Found::ScanTime { users, reads, pace } => format!(
            "reading the pool takes about {}: {} for about {} at {}",
            duration(time_for(*reads, *pace)),
            counted(*reads, "call"),
            counted(*users, "user"),
            rate(*pace)
        ),
        Found::LinkTime { links, pace } => {
            format!("{} take about {} at {}", counted(*links, "link"), duration(time_for(*links, *pace)), rate(*pace))
        }
        Found::NotTried(operation) => format!("not tried: {operation}, because it writes"),
        Found::Stopped(stop) => stop.detail.clone(),
        Found::LeftOut(why) => format!("not checked: {why}"),
    }
}

/// What to do, where the message does not say it.
fn advice(check: &Check) -> Option<String> {
    let text = match (&check.found, check.status()) {
        (Found::PreSignUp(true), _) => "make sure that it accepts a link that exists already",
        (Found::Providers(_), CheckStatus::Fail) => "add the provider before you link identities of it",
        (Found::Mapping { .. }, CheckStatus::Warn) => "map email_verified as well, or do not map email",
        (Found::Quota { .. }, CheckStatus::Warn) => {
            "allow cognito-idp:GetProvisionedLimit or servicequotas:GetServiceQuota, or pass --rate to link"
        }
        (Found::Clock(None), _) => "make sure that a time server sets the clock of this machine",
        (Found::Clock(_), CheckStatus::Warn) => "set it from a time server",
        (Found::Clock(_), CheckStatus::Fail) => {
            let refused = duration(Duration::from_millis(CLOCK_REFUSED_MS));
            return Some(format!(
                "set it from a time server: from a difference of {refused} on, the service refuses signed calls"
            ));
        }
        (Found::NotTried(_), _) => "the documentation lists the IAM permissions that link and undo need",
        (Found::Stopped(_), CheckStatus::Warn) if check.topic == Topic::Mapping => {
            "only rows that link by another attribute than Cognito_Subject need it, and the answer contains client secrets"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

fn mapping_text(provider: &str, mapped: &BTreeSet<String>) -> String {
    // The user name is set once, from the subject, and no sign-in overwrites it.
    let written: Vec<&str> = mapped.iter().map(String::as_str).filter(|name| *name != "username").collect();
    if unverifies(mapped) {
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
    match apart_ms((low, high)) {
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

fn details(found: &Found) -> Value {
    match found {
        Found::Pool { name, case_sensitive, users } => {
            json!({ "name": name, "case_sensitive": case_sensitive, "estimated_users": users })
        }
        Found::PreSignUp(set) => json!({ "pre_sign_up": set }),
        Found::Providers(providers) => {
            let provider = |(name, kind): &(ProviderName, String)| json!({ "name": name.as_str(), "type": kind });
            json!({ "providers": providers.iter().map(provider).collect::<Vec<_>>() })
        }
        Found::Mapping { mapped, .. } => json!({ "mapped_attributes": mapped }),
        Found::Quota { per_second, origin, share, pace } => {
            json!({ "per_second": per_second, "origin": origin, "share": share, "pace_per_second": pace })
        }
        Found::Clock(Some((low, high))) => json!({ "service_ahead_ms_min": low, "service_ahead_ms_max": high }),
        Found::ScanTime { users, reads, pace } => json!({
            "estimated_users": users,
            "calls": reads,
            "pace_per_second": pace,
            "seconds": time_for(*reads, *pace).as_secs_f64(),
        }),
        Found::LinkTime { links, pace } => {
            json!({ "links": links, "pace_per_second": pace, "seconds": time_for(*links, *pace).as_secs_f64() })
        }
        Found::NotTried(operation) => json!({ "operation": operation }),
        Found::Stopped(stop) => json!({ "cause": stop.cause.as_str() }),
        Found::Accepted | Found::Users | Found::Clock(None) | Found::LeftOut(_) => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::domain::identity::PoolId;
    use crate::domain::stop::{Stop, StopCause};
    use crate::ui::testing::Screen;

    fn check(topic: Topic, found: Found) -> Check {
        Check { topic, found }
    }

    fn report(checks: Vec<Check>) -> CheckupReport {
        CheckupReport { pool: PoolId::parse("us-east-1_AbCdEfGhI").unwrap(), simulated: false, checks }
    }

    fn mapping_of(mapped: &[&str]) -> Check {
        let mapped = mapped.iter().map(|name| (*name).to_owned()).collect();
        check(Topic::Mapping, Found::Mapping { provider: ProviderName::parse("Okta").unwrap(), mapped })
    }

    #[test]
    fn a_line_for_each_check() {
        let denied = Stop { cause: StopCause::AccessDenied, detail: "ListUsers: access denied".to_owned() };
        let report = report(vec![
            check(Topic::Pool, Found::Pool { name: "a\u{1b}b".to_owned(), case_sensitive: true, users: 12_000 }),
            mapping_of(&["email", "name"]),
            mapping_of(&["name", "username"]),
            check(Topic::Users, Found::Stopped(denied)),
            check(Topic::Clock, Found::Clock(Some((-400_000, -399_000)))),
            check(Topic::Quota, Found::Quota { per_second: 25.0, origin: "assumed", share: 0.8, pace: 20.0 }),
            check(Topic::LinkTime, Found::LinkTime { links: 1_000_000, pace: 20.0 }),
        ]);
        let print = |screen: Screen| {
            print_checkup(&report, Exit::Access, &screen.ui()).unwrap();
            screen.both()
        };
        assert_snapshot!("text", print(Screen::new()));
        assert_snapshot!("json", print(Screen::new().json()));
    }
}
