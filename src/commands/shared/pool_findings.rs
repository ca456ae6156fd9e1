//! What the pool shows against the links of an input as a whole: identities unlike the pool's, and settings that break
//! sign-ins. The one policy for `validate`, `link` and `reconcile`.

use std::collections::{BTreeMap, BTreeSet};

use super::Failure;
use super::check_view::{advice, message};
use crate::clock::Clock;
use crate::domain::doctor::{CheckResult, CheckStatus, DoctorCheck};
use crate::domain::event::RunEvent;
use crate::domain::finding::{Finding, FindingCode, Severity};
use crate::domain::identity::ProviderName;
use crate::domain::run::StopCause;
use crate::foresight::checkup::{Checkup, SignInScope};
use crate::foresight::preflight::PoolKnowledge;
use crate::foresight::subject_profile::UnlikePool;
use crate::input::InputOptions;
use crate::limits::APP_CLIENTS_READ_BY_RUN_MAX;
use crate::seed::Rng;
use crate::service::UserDirectory;
use crate::service::app_clients::AppClientReader;
use crate::ui::{Ui, escape, format};

fn finding_of_file(code: FindingCode, severity: Severity, message: String) -> Finding {
    Finding { code, severity, row: None, line: 0, field: 0, column: String::new(), message }
}

/// Reports what differs between the identities of the input and those of the pool, for one provider.
pub fn unlike_pool_finding(unlike: &UnlikePool, options: &InputOptions) -> Finding {
    let values = format::count(unlike.values);
    let mut message =
        format!("{values} {}; the first is in row {}", difference_from_pool(unlike), format::count(unlike.first_row));
    let is_error = unlike.is_certain() && !options.allow.contains(&FindingCode::UnlikePool);
    message += if is_error { "; map the right column, or accept it with --allow unlike_pool" } else { "" };
    finding_of_file(FindingCode::UnlikePool, if is_error { Severity::Error } else { Severity::Warning }, message)
}

/// Says how values differ from those of the pool, without their number.
pub fn difference_from_pool(unlike: &UnlikePool) -> String {
    let place = if unlike.is_sample { "in a sample of the pool" } else { "in the pool" };
    format!(
        "{} values {}; the {} {place} {}",
        unlike.provider,
        unlike.description(),
        format::count(unlike.pool_values),
        unlike.contrast()
    )
}

/// Reports each provider whose linked identities cannot sign in: what `doctor` fails on.
pub fn immutable_attribute_findings<'a>(
    sign_ins: &'a [DoctorCheck],
    options: &'a InputOptions,
) -> impl Iterator<Item = Finding> + 'a {
    let is_error = !options.allow.contains(&FindingCode::ImmutableAttribute);
    sign_ins.iter().filter(|check| is_immutable_mapping(check)).map(move |check| {
        let what_to_do = advice(check).filter(|_| is_error).unwrap_or_default();
        let what_to_do = if is_error {
            format!("; {what_to_do}, or accept it with --allow immutable_attribute")
        } else {
            what_to_do
        };
        let severity = if is_error { Severity::Error } else { Severity::Warning };
        finding_of_file(FindingCode::ImmutableAttribute, severity, message(&check.found, false) + &what_to_do)
    })
}

fn is_immutable_mapping(check: &DoctorCheck) -> bool {
    matches!(&check.found, CheckResult::Mapping { immutable, .. } if !immutable.is_empty())
}

/// Makes the checks of sign-ins with these providers before a run writes. What cannot be read ends no run.
pub async fn check_sign_ins(
    directory: &dyn UserDirectory,
    app_clients: &dyn AppClientReader,
    knowledge: &PoolKnowledge,
    providers: &BTreeSet<ProviderName>,
    seed: u64,
    clock: Clock,
) -> Vec<DoctorCheck> {
    let mut rng = Rng::new(seed).fork("sign-ins");
    let mut checkup = Checkup::new(clock, &mut rng);
    let scope = SignInScope {
        directory,
        app_clients,
        facts: Some(&knowledge.facts),
        providers: known_providers(providers, knowledge),
        mapped: &BTreeMap::new(),
        app_clients_max: APP_CLIENTS_READ_BY_RUN_MAX,
    };
    checkup.check_sign_ins(&scope).await;
    checkup.checks
}

/// Returns those of the providers that the pool has.
pub fn known_providers(providers: &BTreeSet<ProviderName>, knowledge: &PoolKnowledge) -> BTreeSet<ProviderName> {
    providers.iter().filter(|name| knowledge.providers.contains_key(*name)).cloned().collect()
}

/// Prints findings before a run writes. Returns what to think of before the answer to its question; an error ends the
/// command.
pub fn refuse_pool_errors(findings: Vec<Finding>, ui: &Ui) -> Result<Vec<String>, Failure> {
    let mut observer = ui.observer();
    let (mut errors, mut allowed) = (Vec::new(), BTreeSet::new());
    for finding in findings {
        let code = finding.code.as_str();
        match finding.severity {
            Severity::Error if !errors.contains(&code) => errors.push(code),
            Severity::Error => {}
            Severity::Warning => drop(allowed.insert(code)),
        }
        observer.on(&RunEvent::Found(finding));
    }
    if errors.is_empty() {
        Ok(allowed.into_iter().map(|code| format!("the warning {code}")).collect())
    } else {
        Err(Failure::PoolFindings { codes: errors })
    }
}

/// Prints the other checks of sign-ins that warn, and once what could not be checked. Returns the number of warnings.
pub fn warn_about_sign_ins(sign_ins: &[DoctorCheck], command: &str, ui: &Ui) -> u64 {
    // Providers often share a fault: it is printed once.
    let mut by_fault: BTreeMap<String, (String, Vec<&str>)> = BTreeMap::new();
    let mut not_checked = BTreeSet::new();
    let mut is_denied = false;
    for check in sign_ins.iter().filter(|check| !is_immutable_mapping(check)) {
        match &check.found {
            CheckResult::Stopped(stop) => {
                is_denied |= stop.cause == StopCause::AccessDenied;
                not_checked.insert(stop.printable_detail(ui.shows_values()));
            }
            CheckResult::LeftOut(_) => {}
            found if check.status() == CheckStatus::Warn => {
                let text = message(found, ui.shows_values());
                let advice = advice(check).map_or_else(String::new, |advice| format!("; {advice}"));
                let provider = match found {
                    CheckResult::Mapping { provider, .. } => provider.as_str(),
                    _ => "",
                };
                let fault = text.strip_prefix(provider).unwrap_or(&text).to_owned();
                let (_, providers) = by_fault.entry(fault).or_insert_with(|| (text + &advice, Vec::new()));
                providers.push(provider);
            }
            _ => {}
        }
    }
    for (text, providers) in by_fault.values() {
        let others = match providers.get(1..) {
            Some(others) if !others.is_empty() => format!(" (the same for {})", others.join(", ")),
            _ => String::new(),
        };
        ui.warn(&escape(&format!("sign-ins: {text}{others}")));
    }
    if !not_checked.is_empty() {
        let hint = if is_denied {
            format!("; `policy {command} --with sign-ins` has what the checks need")
        } else {
            String::new()
        };
        let not_checked: Vec<String> = not_checked.into_iter().collect();
        ui.note(&escape(&format!("sign-ins are not checked: {}{hint}", not_checked.join("; "))));
    }
    by_fault.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::doctor::CheckTopic;
    use crate::domain::run::StopError;
    use crate::ui::testing::Screen;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn mapping(provider: &str, mapped: &[&str], immutable: &[&str], missing: &[&str]) -> DoctorCheck {
        let provider = ProviderName::parse(provider).unwrap();
        let found = CheckResult::Mapping {
            provider,
            mapped: names(mapped),
            immutable: names(immutable),
            missing: names(missing),
        };
        DoctorCheck { topic: CheckTopic::Mapping, found }
    }

    fn denied(topic: CheckTopic, operation: &str) -> DoctorCheck {
        let stop = StopError::new(StopCause::AccessDenied, format!("{operation}: access denied"));
        DoctorCheck { topic, found: CheckResult::Stopped(stop) }
    }

    #[test]
    fn faults_that_providers_share_are_printed_once() {
        let clients = CheckResult::AppClients { not_offered: BTreeSet::new(), read_of_more: None };
        let checks = [
            DoctorCheck { topic: CheckTopic::SignUp, found: CheckResult::AdminOnlySignUp },
            mapping("Corp", &["email"], &[], &[]),
            mapping("Google", &["name"], &[], &[]),
            mapping("Okta", &["email"], &[], &[]),
            mapping("Okta2", &["name"], &["name"], &[]),
            mapping("SignInWithApple", &["email"], &[], &["name"]),
            DoctorCheck { topic: CheckTopic::AppClients, found: clients },
        ];
        let screen = Screen::new();
        assert_eq!(warn_about_sign_ins(&checks, "link", &screen.ui()), 3);
        let printed = screen.stderr();
        assert_eq!(printed.lines().count(), 3, "{printed}");
        let shared = "warning: sign-ins: Corp maps email and not email_verified: ";
        assert!(printed.lines().any(|line| line.starts_with(shared) && line.ends_with(" (the same for Okta)")));
        assert!(printed.contains("sign-ins: SignInWithApple does not map name"), "{printed}");
        assert!(printed.contains("sign-ins: only administrators create users"), "{printed}");
    }

    #[test]
    fn what_could_not_be_read_is_said_once() {
        let checks = [
            denied(CheckTopic::Mapping, "DescribeIdentityProvider"),
            denied(CheckTopic::AppClients, "ListUserPoolClients"),
        ];
        let screen = Screen::new();
        assert_eq!(warn_about_sign_ins(&checks, "link", &screen.ui()), 0);
        let printed = screen.stderr();
        assert_eq!(printed.matches("not checked").count(), 1, "{printed}");
        for part in ["DescribeIdentityProvider: access denied", "ListUserPoolClients", "policy link --with sign-ins"] {
            assert!(printed.contains(part), "{part}: {printed}");
        }
    }

    #[test]
    fn an_immutable_attribute_is_an_error_until_it_is_allowed() {
        let checks = [mapping("Okta", &["email"], &["email"], &[]), mapping("Corp", &["email"], &[], &[])];
        let found = |allow: &[FindingCode]| {
            let options = InputOptions { allow: allow.to_vec(), ..InputOptions::default() };
            immutable_attribute_findings(&checks, &options).collect::<Vec<_>>()
        };
        let [error] = &found(&[])[..] else { panic!("one of the providers") };
        assert_eq!((error.code, error.severity), (FindingCode::ImmutableAttribute, Severity::Error));
        let expected = "Okta maps email, which the pool does not let change: every sign-in of a linked identity fails; \
                        remove it from the mapping before you link, or accept it with --allow immutable_attribute";
        assert_eq!(error.message, expected);
        let [warning] = &found(&[FindingCode::ImmutableAttribute])[..] else { panic!("still one") };
        assert_eq!(warning.severity, Severity::Warning);
        assert!(warning.message.ends_with("every sign-in of a linked identity fails"), "{}", warning.message);
    }
}
