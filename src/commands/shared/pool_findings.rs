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
use crate::domain::run::{StopCause, StopError};
use crate::foresight::checkup::{Checkup, SignInScope};
use crate::foresight::preflight::PoolKnowledge;
use crate::foresight::subject_profile::{SubjectProfiles, UnlikePool};
use crate::input::InputOptions;
use crate::limits::{APP_CLIENTS_READ_BY_RUN_MAX, MAPPINGS_READ_BY_RUN_MAX};
use crate::seed::Rng;
use crate::service::UserDirectory;
use crate::service::app_clients::AppClientReader;
use crate::ui::{MessageCode, Ui, escape, format};

fn finding_of_file(code: FindingCode, severity: Severity, message: String) -> Finding {
    Finding { code, severity, row: None, line: 0, field: 0, column: String::new(), message }
}

/// How a person accepts an error about the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WayToAccept {
    ByOption,
    /// A plan is followed with the options that it was made with.
    ByNewPlan,
}

impl WayToAccept {
    /// What to do, after "or".
    pub fn advice(self, code: FindingCode) -> String {
        let code = code.as_str();
        match self {
            Self::ByOption => format!("accept it with --allow {code}"),
            Self::ByNewPlan => format!("make a new plan with --allow {code}"),
        }
    }
}

/// Returns what stands against the links, or warns about them: for the input as a whole.
pub fn pool_findings(
    unlike: &[UnlikePool],
    sign_ins: &[DoctorCheck],
    options: &InputOptions,
    way: WayToAccept,
) -> Vec<Finding> {
    let unlike = unlike.iter().map(|unlike| unlike_pool_finding(unlike, options, way));
    let immutable = sign_ins.iter().filter(|check| is_immutable_mapping(check));
    unlike.chain(immutable.map(|check| immutable_attribute_finding(check, options, way))).collect()
}

/// Reports what differs between the identities of the input and those of the pool, for one provider.
fn unlike_pool_finding(unlike: &UnlikePool, options: &InputOptions, way: WayToAccept) -> Finding {
    let message = difference_with_first_row(unlike);
    if unlike.is_certain() && !options.allow.contains(&FindingCode::UnlikePool) {
        let advice = way.advice(FindingCode::UnlikePool);
        let message = format!("{message}; map the right column, or {advice}");
        finding_of_file(FindingCode::UnlikePool, Severity::Error, message)
    } else {
        finding_of_file(FindingCode::UnlikePool, Severity::Warning, message)
    }
}

/// Says how many values differ from those of the pool, how, and where the first is.
pub fn difference_with_first_row(unlike: &UnlikePool) -> String {
    let place = if unlike.values == 1 { "it" } else { "the first" };
    format!("{}; {place} is in row {}", difference_from_pool(unlike), format::count(unlike.first_row))
}

/// Says how many values differ from those of the pool, and how.
fn difference_from_pool(unlike: &UnlikePool) -> String {
    let place = if unlike.is_sample { "in a sample of the pool" } else { "in the pool" };
    format!(
        "{} {}; the {} {place} {}",
        format::counted(unlike.values, &format!("{} value", unlike.provider)),
        unlike.description(),
        format::count(unlike.pool_values),
        unlike.contrast()
    )
}

/// Reports a provider whose linked identities cannot sign in: what `doctor` fails on.
fn immutable_attribute_finding(check: &DoctorCheck, options: &InputOptions, way: WayToAccept) -> Finding {
    let code = FindingCode::ImmutableAttribute;
    let message = message(&check.found, false);
    if options.allow.contains(&code) {
        return finding_of_file(code, Severity::Warning, message);
    }
    let remedies: Vec<String> = advice(check).into_iter().chain([way.advice(code)]).collect();
    finding_of_file(code, Severity::Error, format!("{message}; {}", remedies.join(", or ")))
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
        mappings_max: MAPPINGS_READ_BY_RUN_MAX,
        app_clients_max: APP_CLIENTS_READ_BY_RUN_MAX,
    };
    checkup.check_sign_ins(&scope).await;
    checkup.checks
}

/// Returns those of the providers that the pool has.
pub fn known_providers(providers: &BTreeSet<ProviderName>, knowledge: &PoolKnowledge) -> BTreeSet<ProviderName> {
    providers.iter().filter(|name| knowledge.providers.contains_key(*name)).cloned().collect()
}

/// Says where identities were compared with a sample that has too few of a provider for an error.
pub fn warn_about_small_sample<'a>(
    subjects: &SubjectProfiles,
    providers: impl Iterator<Item = &'a ProviderName>,
    ui: &Ui,
) {
    for provider in providers.filter(|_| subjects.is_sample()) {
        let seen = subjects.seen(provider.as_str());
        if seen > 0 && !subjects.has_enough(provider.as_str()) {
            ui.warn(MessageCode::ValuesNotCompared, &format!(
                "a sample of the pool has {} of {provider}, too few to judge the values of the input; `cognito-link \
                 validate` with --lookup scan compares them with all of the pool",
                if seen == 1 { "1 identity".to_owned() } else { format!("{} identities", format::count(seen)) }
            ));
        }
    }
}

/// Says that identities are not compared with those of the pool, and why.
pub fn warn_about_missing_sample(stop: &StopError, ui: &Ui) {
    let detail = stop.printable_detail(ui.shows_values());
    ui.warn(MessageCode::ValuesNotCompared, &format!("identities are not compared with those of the pool: {detail}"));
}

/// Prints what the pool shows of an input before `command` links it. Returns reasons for the question; an error ends the
/// command.
pub fn review_pool(
    unlike: &[UnlikePool],
    sign_ins: &[DoctorCheck],
    options: &InputOptions,
    way: WayToAccept,
    command: &str,
    ui: &Ui,
) -> Result<Vec<String>, Failure> {
    let mut reasons = refuse_pool_errors(pool_findings(unlike, sign_ins, options, way), ui)?;
    let warnings = warn_about_sign_ins(sign_ins, command, ui);
    if warnings > 0 {
        reasons.push(format!("{} of sign-ins", format::counted(warnings, "warning")));
    }
    Ok(reasons)
}

/// Warns of what `reconcile --apply` will refuse, where nothing is linked.
pub fn warn_of_pool_errors(unlike: &[UnlikePool], options: &InputOptions, ui: &Ui) {
    let mut observer = ui.observer();
    for mut finding in pool_findings(unlike, &[], options, WayToAccept::ByOption) {
        if finding.severity == Severity::Error {
            finding.severity = Severity::Warning;
            finding.message = format!("--apply will refuse: {}", finding.message);
        }
        observer.on(&RunEvent::Found(finding));
    }
}

/// Prints findings before a run writes. Returns reasons for the question; an error ends the command.
fn refuse_pool_errors(findings: Vec<Finding>, ui: &Ui) -> Result<Vec<String>, Failure> {
    let mut observer = ui.observer();
    let (mut errors, mut warned) = (Vec::new(), BTreeSet::new());
    for finding in findings {
        let code = finding.code.as_str();
        match finding.severity {
            Severity::Error if !errors.contains(&code) => errors.push(code),
            Severity::Error => {}
            Severity::Warning => drop(warned.insert(code)),
        }
        observer.on(&RunEvent::Found(finding));
    }
    if errors.is_empty() {
        Ok(warned.into_iter().map(|code| format!("the warning {code}")).collect())
    } else {
        Err(Failure::PoolFindings { codes: errors })
    }
}

/// Prints the other checks of sign-ins that warn, and once what was not checked. Returns the number of warnings.
fn warn_about_sign_ins(sign_ins: &[DoctorCheck], command: &str, ui: &Ui) -> u64 {
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
            found @ CheckResult::MappingsLeftOut { .. } => {
                let advice = advice(check).map_or_else(String::new, |advice| format!(" ({advice})"));
                not_checked.insert(message(found, ui.shows_values()) + &advice);
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
        ui.warn(MessageCode::SignIns, &escape(&format!("sign-ins: {text}{others}")));
    }
    if !not_checked.is_empty() {
        let hint = if is_denied {
            format!("; `cognito-link policy {command} --with sign-ins` prints the permissions that they need")
        } else {
            String::new()
        };
        let not_checked: Vec<String> = not_checked.into_iter().collect();
        ui.note(
            MessageCode::SignInsNotChecked,
            &escape(&format!("some checks of sign-ins were not made: {}{hint}", not_checked.join("; "))),
        );
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
        assert_eq!(printed.matches("some checks of sign-ins were not made").count(), 1, "{printed}");
        for part in [
            "DescribeIdentityProvider: access denied",
            "ListUserPoolClients",
            "`cognito-link policy link --with sign-ins`",
        ] {
            assert!(printed.contains(part), "{part}: {printed}");
        }
    }

    #[test]
    fn mappings_that_a_run_leaves_out_are_reported() {
        let found = CheckResult::MappingsLeftOut { providers: 40 };
        let screen = Screen::new();
        let checks = [DoctorCheck { topic: CheckTopic::Mapping, found }];
        assert_eq!(warn_about_sign_ins(&checks, "link", &screen.ui()), 0);
        let expected = "some checks of sign-ins were not made: the mappings of 40 more providers were not read \
                        (`cognito-link doctor INPUT` reads them all)";
        assert!(screen.stderr().contains(expected), "{}", screen.stderr());
    }

    #[test]
    fn an_immutable_attribute_is_an_error_until_it_is_allowed() {
        let checks = [mapping("Okta", &["email"], &["email"], &[]), mapping("Corp", &["email"], &[], &[])];
        let found = |allow: &[FindingCode]| {
            let options = InputOptions { allow: allow.to_vec(), ..InputOptions::default() };
            pool_findings(&[], &checks, &options, WayToAccept::ByOption)
        };
        let [error] = &found(&[])[..] else { panic!("one of the providers") };
        assert_eq!((error.code, error.severity), (FindingCode::ImmutableAttribute, Severity::Error));
        let expected = "Okta maps email, which the pool does not let change: every sign-in of a linked identity fails; \
                        remove it from the mapping before you link, or accept it with --allow immutable_attribute";
        assert_eq!(error.message, expected);
        // A plan is refused with options that it was not made with.
        let [error] = &pool_findings(&[], &checks, &InputOptions::default(), WayToAccept::ByNewPlan)[..] else {
            panic!("one of the providers")
        };
        let expected =
            "; remove it from the mapping before you link, or make a new plan with --allow immutable_attribute";
        assert!(error.message.ends_with(expected), "{}", error.message);
        let [warning] = &found(&[FindingCode::ImmutableAttribute])[..] else { panic!("still one") };
        assert_eq!(warning.severity, Severity::Warning);
        assert!(warning.message.ends_with("every sign-in of a linked identity fails"), "{}", warning.message);
    }
}
