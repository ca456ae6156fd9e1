//! How a check of a pool is printed: as text one line, as JSON one object. For `doctor` and `validate`.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::doctor::{
    CheckResult, CheckStatus, CheckTopic, DoctorCheck, duration_of_calls, min_clock_difference_ms,
    resets_email_verified,
};
use crate::domain::identity::ProviderName;
use crate::limits::{CLOCK_DIFFERENCE_REFUSED_MS, LINK_TIME_LINKS, LINK_TIME_LINKS_FEW};
use crate::ui::format::{count, counted, duration, rate};
use crate::ui::{Style, escape};

const NAME_WIDTH: usize = 13;

/// Status, name, what was found and what to do, in one line.
pub fn check_text(check: &DoctorCheck, show_values: bool, style: Style) -> String {
    let status = format!("{:<4}", check.status().as_str());
    let status = match check.status() {
        CheckStatus::Ok => style.green(&status),
        CheckStatus::Warn => style.yellow(&status),
        CheckStatus::Fail => style.red(&status),
        CheckStatus::Skip => style.cyan(&status),
    };
    let (text, advice) = full_text(check, show_values);
    let (topic, text) = (check.topic.as_str(), escape(&text).into_owned());
    let not_checked = matches!((&check.found, check.status()), (CheckResult::Stopped(_), CheckStatus::Skip));
    let text = if not_checked { format!("not checked: {text}") } else { text };
    let advice = advice.map_or(String::new(), |advice| format!("; {advice}"));
    format!("{status}  {topic:<NAME_WIDTH$}{text}{advice}")
}

pub fn check_json(check: &DoctorCheck, show_values: bool) -> Value {
    let about = match &check.found {
        CheckResult::Mapping { provider, .. } => Some(provider.as_str()),
        _ => None,
    };
    let (message, advice) = full_text(check, show_values);
    json!({
        "name": check.topic.as_str(),
        "status": check.status().as_str(),
        "about": about,
        "message": message,
        "advice": advice,
        "details": details(&check.found),
    })
}

/// What was found, as a lower-case fragment.
pub(super) fn message(found: &CheckResult, show_values: bool) -> String {
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
        CheckResult::Mapping { provider, mapped, immutable, missing } => {
            let mut problems = mapping_problems(provider.as_str(), mapped, immutable, missing).into_iter();
            problems.next().unwrap_or_else(|| mapping_text(provider.as_str(), mapped))
        }
        CheckResult::AppClients { not_offered, .. } if not_offered.is_empty() => {
            "each provider is offered by an app client".to_owned()
        }
        CheckResult::AppClients { not_offered, read_of_more: None } => {
            format!("no app client offers {}: nobody can sign in with it", listed_providers(not_offered))
        }
        CheckResult::AppClients { not_offered, read_of_more: Some(read) } => format!(
            "none of the first {} app clients offers {}; the others were not read",
            count(*read),
            listed_providers(not_offered)
        ),
        CheckResult::Input { invalid, not_in_pool: Some(missing), .. } if !missing.is_empty() => {
            let invalid = if *invalid > 0 { format!("; {} invalid besides", count(*invalid)) } else { String::new() };
            let missing = listed_providers(missing);
            format!("its rows name {missing}, which the pool does not have: they will be refused{invalid}")
        }
        CheckResult::Input { rows, invalid, providers, .. } => {
            let invalid = if *invalid > 0 { format!(", {} invalid", count(*invalid)) } else { String::new() };
            let providers = if providers.is_empty() { "none".to_owned() } else { listed_providers(providers) };
            format!("{}{invalid}; providers: {providers}", counted(*rows, "row"))
        }
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
        CheckResult::LinkTime { input_links: Some(links), pace } => {
            let time = duration(duration_of_calls(*links, *pace));
            format!("the {} of the input take about {time} at {}", counted(*links, "link"), rate(*pace))
        }
        CheckResult::LinkTime { input_links: None, pace } => {
            let [few, many] = [LINK_TIME_LINKS_FEW, LINK_TIME_LINKS].map(|links| {
                let time = duration(duration_of_calls(links, *pace));
                format!("{} about {time}", count(links))
            });
            format!("{few}, {many} at {}", rate(*pace))
        }
        CheckResult::LinkPermitted { code } => {
            format!("the credentials may link: the service refused a link that cannot be made, with {code}")
        }
        CheckResult::LinkPermissionUnclear { code } => {
            format!("the service answered with {code} to a link that cannot be made, which shows nothing")
        }
        CheckResult::NobodyLinked => {
            "the service accepted a link of a provider and a user that do not exist: it is not Amazon Cognito, or one that \
             creates what a call names"
                .to_owned()
        }
        CheckResult::NotTried(operation) => format!("not tried: {operation}, because it writes"),
        CheckResult::Stopped(stop) => stop.printable_detail(show_values),
        CheckResult::LeftOut(why) => format!("not checked: {why}"),
        CheckResult::MappingsLeftOut { providers: 1 } => "the mapping of 1 more provider was not read".to_owned(),
        CheckResult::MappingsLeftOut { providers } => {
            format!("the mappings of {} more providers were not read", count(*providers))
        }
    }
}

/// What to do, where the message does not say it.
pub(super) fn advice(check: &DoctorCheck) -> Option<String> {
    let text = match (&check.found, check.status()) {
        (CheckResult::PreSignUp(true), _) => "make sure that it accepts a link that exists already",
        (CheckResult::Providers(_), CheckStatus::Fail) => "add the provider before you link identities of it",
        (CheckResult::AdminOnlySignUp, _) => "link an identity before its first sign-in",
        (CheckResult::Mapping { mapped, immutable, missing, .. }, _) => {
            return mapping_steps(mapped, immutable, missing, true).into_iter().next();
        }
        (CheckResult::AppClients { .. }, CheckStatus::Warn) => {
            "add it to an app client when its links are made, because who signs in before is not linked"
        }
        (CheckResult::Input { .. }, CheckStatus::Fail) => "add the provider, or correct the name",
        (CheckResult::Input { .. }, CheckStatus::Warn) => "`validate` lists what is wrong",
        (CheckResult::LinkPermissionUnclear { .. }, _) => "try again, or link one row with `link --limit 1`",
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
        (CheckResult::MappingsLeftOut { .. }, _) => "`cognito-link doctor INPUT` reads them all",
        (CheckResult::NotTried(_), _) => "`doctor --probe-write` tests it with a call that cannot take effect",
        (CheckResult::Stopped(_), CheckStatus::Warn) if check.topic == CheckTopic::Mapping => {
            "only rows that link by another attribute than Cognito_Subject need it, and the checks of sign-ins; the answer \
             contains client secrets"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

fn listed_providers(names: &BTreeSet<ProviderName>) -> String {
    names.iter().map(ProviderName::as_str).collect::<Vec<_>>().join(", ")
}

fn listed(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Returns everything that a mapping breaks, the worst first.
fn mapping_problems(
    provider: &str,
    mapped: &BTreeSet<String>,
    immutable: &BTreeSet<String>,
    missing: &BTreeSet<String>,
) -> Vec<String> {
    let mut problems = Vec::new();
    if !immutable.is_empty() {
        problems.push(format!(
            "{provider} maps {}, which the pool does not let change: every sign-in of a linked identity fails",
            listed(immutable)
        ));
    }
    if !missing.is_empty() {
        problems.push(format!(
            "{provider} does not map {}, which the pool requires: the first sign-in of an identity without a link fails",
            listed(missing)
        ));
    }
    if resets_email_verified(mapped) {
        problems.push(format!(
            "{provider} maps email and not email_verified: a sign-in may then set the user's email_verified to false, \
             which breaks password recovery and sign-in by e-mail"
        ));
    }
    problems
}

/// Returns what to do about each of [`mapping_problems`]. The attributes are named unless it follows a message that names
/// them.
fn mapping_steps(
    mapped: &BTreeSet<String>,
    immutable: &BTreeSet<String>,
    missing: &BTreeSet<String>,
    follows_names: bool,
) -> Vec<String> {
    let what = |names: &BTreeSet<String>| if follows_names { "it".to_owned() } else { listed(names) };
    let mut steps = Vec::new();
    if !immutable.is_empty() {
        steps.push(format!("remove {} from the mapping before you link", what(immutable)));
    }
    if !missing.is_empty() {
        steps.push(format!("map {}, or link an identity before its first sign-in", what(missing)));
    }
    if resets_email_verified(mapped) {
        steps.push("map email_verified as well, or do not map email".to_owned());
    }
    steps
}

/// Returns what was found and what to do: of a mapping with several problems, all of them.
fn full_text(check: &DoctorCheck, show_values: bool) -> (String, Option<String>) {
    if let CheckResult::Mapping { provider, mapped, immutable, missing } = &check.found {
        let problems = mapping_problems(provider.as_str(), mapped, immutable, missing);
        if problems.len() > 1 {
            let steps = mapping_steps(mapped, immutable, missing, false);
            return (problems.join("; "), Some(steps.join("; ")));
        }
    }
    (message(&check.found, show_values), advice(check))
}

fn mapping_text(provider: &str, mapped: &BTreeSet<String>) -> String {
    // The user name is set once, from the subject, and no sign-in overwrites it.
    let written: Vec<&str> = mapped.iter().map(String::as_str).filter(|name| *name != "username").collect();
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
        CheckResult::AppClients { not_offered, read_of_more } => json!({
            "not_offered_providers": not_offered.iter().map(ProviderName::as_str).collect::<Vec<_>>(),
            "read_of_more": read_of_more,
        }),
        CheckResult::Input { rows, invalid, providers, not_in_pool } => {
            let names = |names: &BTreeSet<ProviderName>| names.iter().map(|name| Value::from(name.as_str())).collect();
            json!({
                "row_count": rows,
                "invalid_rows": invalid,
                "input_providers": names(providers),
                "not_in_pool": not_in_pool.as_ref().map_or(Value::Null, names),
            })
        }
        CheckResult::LinkPermitted { code } | CheckResult::LinkPermissionUnclear { code } => json!({ "code": code }),
        CheckResult::LinkTime { input_links, pace } => {
            let links = &input_links.unwrap_or(LINK_TIME_LINKS);
            json!({ "calls": links, "rate_per_second": pace, "seconds": duration_of_calls(*links, *pace).as_secs_f64() })
        }
        CheckResult::NotTried(operation) => json!({ "operation": operation }),
        CheckResult::MappingsLeftOut { providers } => json!({ "providers": providers }),
        CheckResult::Stopped(stop) => json!({ "stop_cause": stop.cause.as_str() }),
        CheckResult::Accepted
        | CheckResult::AdminOnlySignUp
        | CheckResult::NobodyLinked
        | CheckResult::Users
        | CheckResult::UsersInOneChain
        | CheckResult::Clock(None)
        | CheckResult::LeftOut(_) => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_shows_every_problem_and_what_to_do_about_each() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let check = |immutable: &[&str], missing: &[&str], mapped: &[&str]| {
            let (mapped, immutable, missing) = (names(mapped), names(immutable), names(missing));
            let provider = ProviderName::parse("Okta").unwrap();
            let found = CheckResult::Mapping { provider, mapped, immutable, missing };
            check_text(&DoctorCheck { topic: CheckTopic::Mapping, found }, false, Style::default())
        };
        let all = check(&["locale"], &["birthdate"], &["email", "locale"]);
        for part in [
            "Okta maps locale, which the pool does not let change",
            "Okta does not map birthdate, which the pool requires",
            "Okta maps email and not email_verified",
            "remove locale from the mapping before you link",
            "map birthdate, or link an identity before its first sign-in",
            "map email_verified as well",
        ] {
            assert!(all.contains(part), "{part}: {all}");
        }
        let one = check(&[], &["birthdate"], &["name"]);
        assert!(one.ends_with("map it, or link an identity before its first sign-in"), "{one}");
        assert!(check(&[], &[], &["name"]).ends_with("overwrites the user's name"));
    }
}
