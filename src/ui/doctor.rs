//! What `doctor` found: as text a line for each check, as JSON one object.
//!
//! `about` is the provider that a mapping is about, else null; `details` has the figures of a check by their names.
//!
//! ```json
//! {"kind":"doctor_report","schema_version":1,"pool":"us-east-1_AbCdEfGhI","simulated":false,
//!  "checks":[{"name":"quota","status":"ok | warn | fail | skip","about":null,"message":"","advice":null,"details":{}}],
//!  "counts":{"ok":9,"warn":1,"fail":0,"skip":1},"exit_status":0}
//! ```

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::escape;
use super::format::{count, counted, duration, rate};
use super::json::SCHEMA_VERSION;
use super::style::Style;
use super::text::simulated;
use crate::domain::checkup::{Check, CheckStatus, CheckupReport, Found, Topic, apart_ms, time_for, unverifies};
use crate::domain::identity::ProviderName;
use crate::limits::CLOCK_REFUSED_MS;

const NAME_WIDTH: usize = 13;
const STATUSES: [CheckStatus; 4] = [CheckStatus::Ok, CheckStatus::Warn, CheckStatus::Fail, CheckStatus::Skip];

/// A line for each check, and one that counts them. Every line ends with a line feed.
pub(super) fn text(report: &CheckupReport, show_values: bool, style: Style) -> String {
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
        STATUSES.iter().map(|status| format!("{} {}", count(report.count(*status)), status.as_str())).collect();
    text + &format!("pool {}{}: {}\n", report.pool, simulated(report.simulated), counted.join(", "))
}

pub(super) fn object(report: &CheckupReport, show_values: bool, exit_status: u8) -> Value {
    let counts: serde_json::Map<_, _> =
        STATUSES.iter().map(|status| (status.as_str().to_owned(), report.count(*status).into())).collect();
    json!({
        "kind": "doctor_report",
        "schema_version": SCHEMA_VERSION,
        "pool": report.pool.to_string(),
        "simulated": report.simulated,
        "checks": report.checks.iter().map(|check| check_object(check, show_values)).collect::<Vec<_>>(),
        "counts": counts,
        "exit_status": exit_status,
    })
}

fn check_object(check: &Check, show_values: bool) -> Value {
    let about = match &check.found {
        Found::Mapping { provider, .. } => Some(provider.as_str()),
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

/// What was found, a lower-case fragment.
fn message(found: &Found, show_values: bool) -> String {
    match found {
        Found::Accepted => "the service accepts them; whose they are is not asked".to_owned(),
        Found::Pool { name, case_sensitive, users } => {
            let case = if *case_sensitive { "case-sensitive" } else { "not case-sensitive" };
            format!("{name}: user names are {case}, about {}", counted(*users, "user"))
        }
        Found::PreSignUp(true) => "a pre-sign-up trigger is set: it may link the same people meanwhile".to_owned(),
        Found::PreSignUp(false) => "no pre-sign-up trigger".to_owned(),
        Found::Providers(providers) if providers.is_empty() => "the pool has no identity provider".to_owned(),
        Found::Providers(providers) => {
            providers.iter().map(|(name, kind)| format!("{name} ({kind})")).collect::<Vec<_>>().join(", ")
        }
        Found::Mapping { provider, mapped } => mapping(provider.as_str(), mapped),
        Found::Users => "can be listed, by a filter on sub too".to_owned(),
        Found::Quota { per_second, origin, share, pace } => format!(
            "{per_second} writes a second for the whole account, {}; {share} of it is {}",
            who_tells(origin),
            rate(*pace)
        ),
        Found::Clock(bounds) => clock(*bounds),
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
        Found::Stopped(stop) => stop.printable_detail(show_values),
        Found::LeftOut(why) => format!("not looked at: {why}"),
    }
}

/// What to do about it, where there is something to do and the message does not say.
fn advice(check: &Check) -> Option<String> {
    let text = match (&check.found, check.status()) {
        (Found::PreSignUp(true), _) => "make sure that it gives way to a link that is there already",
        (Found::Providers(_), CheckStatus::Fail) => "add the provider before anything is linked to it",
        (Found::Mapping { .. }, CheckStatus::Warn) => "map email_verified as well, or do not map email",
        (Found::Quota { .. }, CheckStatus::Warn) => {
            "allow cognito-idp:GetProvisionedLimit or servicequotas:GetServiceQuota, or give --rate to link"
        }
        (Found::Clock(None), _) => "see that this machine's clock is set by a time server",
        (Found::Clock(_), CheckStatus::Warn) => "set it by a time server",
        (Found::Clock(_), CheckStatus::Fail) => {
            let refused = duration(Duration::from_millis(CLOCK_REFUSED_MS));
            return Some(format!("set it by a time server: from {refused} on, the service refuses what it signs"));
        }
        (Found::NotTried(_), _) => "README, IAM policy, says what link and undo need",
        (Found::Stopped(_), CheckStatus::Warn) if check.topic == Topic::Mapping => {
            "only rows that link by another attribute than Cognito_Subject need it, and its answer holds client secrets"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

fn mapping(provider: &str, mapped: &BTreeSet<String>) -> String {
    // The user name is made once, from the subject, and no sign-in writes over it.
    let written: Vec<&str> = mapped.iter().map(String::as_str).filter(|name| *name != "username").collect();
    if unverifies(mapped) {
        return format!(
            "{provider} maps email and not email_verified: a sign-in may then set the user's email_verified to false, \
             which breaks password recovery and sign-in by e-mail"
        );
    }
    if written.is_empty() {
        return format!("{provider} maps nothing: sign-ins leave the users' attributes alone");
    }
    format!("{provider}: each sign-in writes over the user's {}", written.join(", "))
}

fn who_tells(origin: &str) -> &'static str {
    match origin {
        "provisioned" => "which GetProvisionedLimit tells",
        "service_quotas" => "which Service Quotas tells",
        _ => "assumed, because neither GetProvisionedLimit nor Service Quotas could be read",
    }
}

fn clock(bounds: Option<(i64, i64)>) -> String {
    let Some((low, high)) = bounds else { return "no answer of the service told the time".to_owned() };
    match apart_ms((low, high)) {
        0 => {
            // Its answers tell whole seconds: closer than that would be luck.
            let most = Duration::from_millis(low.unsigned_abs().max(high.unsigned_abs()).max(1_000));
            format!("agrees with the service's, to within {}", duration(most))
        }
        apart => {
            let side = if low > 0 { "behind" } else { "ahead of" };
            format!("this machine's is {} {side} the service's", duration(Duration::from_millis(apart)))
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
    use super::super::testing::Screen;
    use super::*;
    use crate::domain::identity::PoolId;
    use crate::domain::stop::{Stop, StopCause};

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
    fn a_line_for_each_check_and_what_to_do() {
        let denied = Stop::new(StopCause::AccessDenied, "ListUsers: access denied");
        let report = report(vec![
            check(Topic::Pool, Found::Pool { name: "a\u{1b}b".to_owned(), case_sensitive: true, users: 12_000 }),
            mapping_of(&["email", "name"]),
            mapping_of(&["name", "username"]),
            check(Topic::Users, Found::Stopped(denied)),
            check(Topic::Clock, Found::Clock(Some((-400_000, -399_000)))),
            check(Topic::LinkTime, Found::LinkTime { links: 1_000_000, pace: 20.0 }),
        ]);
        let screen = Screen::new();
        screen.ui().checkup(&report, 7).unwrap();
        assert_eq!(
            screen.stdout(),
            "ok    pool         a\\u{1b}b: user names are case-sensitive, about 12,000 users\n\
             warn  mapping      Okta maps email and not email_verified: a sign-in may then set the user's \
             email_verified to false, which breaks password recovery and sign-in by e-mail; map email_verified as \
             well, or do not map email\n\
             ok    mapping      Okta: each sign-in writes over the user's name\n\
             fail  users        ListUsers: access denied\n\
             fail  clock        this machine's is 6 min 39 s ahead of the service's; set it by a time server: from \
             5 min on, the service refuses what it signs\n\
             ok    link_time    1,000,000 links take about 13 h 53 min at 20.0/s\n\
             pool us-east-1_AbCdEfGhI: 3 ok, 1 warn, 2 fail, 0 skip\n"
        );
    }

    #[test]
    fn scripts_get_the_figures() {
        let quota = Found::Quota { per_second: 25.0, origin: "assumed", share: 0.8, pace: 20.0 };
        let object = object(&report(vec![check(Topic::Quota, quota)]), false, 0);
        let quota = &object["checks"][0];
        assert_eq!((&quota["name"], &quota["status"]), (&"quota".into(), &"warn".into()));
        assert_eq!(quota["details"]["pace_per_second"], 20.0);
        assert!(quota["advice"].as_str().unwrap().contains("servicequotas:GetServiceQuota"));
        assert_eq!(object["counts"], json!({ "ok": 0, "warn": 1, "fail": 0, "skip": 0 }));
    }
}
