//! The checks of `doctor` and how each one rates what it found.

use std::collections::BTreeSet;
use std::time::Duration;

use super::code_enum::code_enum;
use super::identity::{PoolId, ProviderName};
use super::run::{StopCause, StopError};
use crate::limits;

code_enum! {
    CheckTopic {
        Credentials = "credentials",
        Pool = "pool",
        Triggers = "triggers",
        /// Who may create users.
        SignUp = "sign_up",
        Providers = "providers",
        /// The rows that the migration links.
        Input = "input",
        /// What a provider writes over the users' attributes.
        Mapping = "mapping",
        /// Which providers people can sign in with.
        AppClients = "app_clients",
        Users = "users",
        Quota = "quota",
        Clock = "clock",
        /// How long it takes to read the pool.
        ScanTime = "scan_time",
        LinkTime = "link_time",
        Permission = "permission",
    }
}

code_enum! {
    CheckStatus {
        Ok = "ok",
        /// A migration works, but may surprise.
        Warn = "warn",
        Fail = "fail",
        Skip = "skip",
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum CheckResult {
    /// The service accepts the credentials; the identity behind them is not checked.
    Accepted,
    Pool {
        name: String,
        case_sensitive: bool,
        /// The service's estimate of the number of users.
        users: u64,
    },
    PreSignUp(bool),
    /// Only administrators create users.
    AdminOnlySignUp,
    /// Providers by name, each with its type.
    Providers(Vec<(ProviderName, String)>),
    /// The pool attributes that a provider's claims are mapped to.
    Mapping {
        provider: ProviderName,
        mapped: BTreeSet<String>,
        /// Those of them that the pool does not let change: every sign-in of a linked identity fails.
        immutable: BTreeSet<String>,
        /// Attributes that the pool requires and nothing is mapped to: the first sign-in of an identity without a link fails.
        missing: BTreeSet<String>,
    },
    /// What the app clients of the pool offer.
    AppClients {
        /// Providers that none of them offers: nobody can sign in with them.
        not_offered: BTreeSet<ProviderName>,
        /// How many were read, where there are more.
        read_of_more: Option<u64>,
    },
    Input {
        rows: u64,
        invalid: u64,
        providers: BTreeSet<ProviderName>,
        /// Those of them that the pool does not have; `None` where its providers are not known.
        not_in_pool: Option<BTreeSet<ProviderName>>,
    },
    /// Users can be read, by a filter on `sub` too.
    Users,
    /// Users can be read, and the filter on `sub` that splits a scan is refused.
    UsersInOneChain,
    Quota {
        /// Calls a second, for everybody together.
        per_second: f64,
        /// The source: `provisioned`, `service_quotas`, or `assumed` where neither is available.
        origin: &'static str,
        /// The share of it that a run uses.
        share: f64,
        /// The pace of a run, in calls a second.
        pace: f64,
    },
    /// The service's clock minus ours, the least and the most it can be, in milliseconds; `None` where no answer had a date.
    Clock(Option<(i64, i64)>),
    ScanTime {
        /// The service's estimate of the number of users.
        users: u64,
        reads: u64,
        /// Their pace, in calls a second.
        pace: f64,
    },
    LinkTime {
        /// The links of the input; `None` without one.
        input_links: Option<u64>,
        /// Their pace, in calls a second.
        pace: f64,
    },
    /// The permission to link is there: the service looked at a link that cannot be made, and refused it with this code.
    LinkPermitted {
        code: String,
    },
    /// The answer to such a link shows nothing of the permission.
    LinkPermissionUnclear {
        code: String,
    },
    /// The service accepted such a link.
    NobodyLinked,
    /// An operation that writes, and so was not called.
    NotTried(&'static str),
    Stopped(StopError),
    /// Not looked at, because of what an earlier check found: a lower-case fragment.
    LeftOut(&'static str),
    /// A run reads the mappings of so many providers less than it links.
    MappingsLeftOut {
        providers: u64,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct DoctorCheck {
    pub topic: CheckTopic,
    pub found: CheckResult,
}

#[derive(Debug, Clone, PartialEq)]
pub struct DoctorReport {
    pub pool: PoolId,
    pub simulated: bool,
    /// The checks, in the order in which they were made.
    pub checks: Vec<DoctorCheck>,
}

impl DoctorCheck {
    pub fn status(&self) -> CheckStatus {
        let warn_if = |doubtful| if doubtful { CheckStatus::Warn } else { CheckStatus::Ok };
        match &self.found {
            // Only rows that link by an attribute need it, and its answer holds secrets: many will not want to allow it.
            CheckResult::Stopped(stop)
                if self.topic == CheckTopic::Mapping && stop.cause == StopCause::AccessDenied =>
            {
                CheckStatus::Warn
            }
            // What only a sign-in needs is no obstacle to links.
            CheckResult::Stopped(stop)
                if self.topic == CheckTopic::AppClients && stop.cause == StopCause::AccessDenied =>
            {
                CheckStatus::Skip
            }
            CheckResult::Stopped(_) | CheckResult::NobodyLinked => CheckStatus::Fail,
            CheckResult::LeftOut(_) | CheckResult::MappingsLeftOut { .. } | CheckResult::NotTried(_) => {
                CheckStatus::Skip
            }
            CheckResult::UsersInOneChain | CheckResult::AdminOnlySignUp | CheckResult::LinkPermissionUnclear { .. } => {
                CheckStatus::Warn
            }
            CheckResult::AppClients { not_offered, .. } => warn_if(!not_offered.is_empty()),
            CheckResult::Input { not_in_pool: Some(missing), .. } if !missing.is_empty() => CheckStatus::Fail,
            CheckResult::Input { rows, invalid, .. } => warn_if(*rows == 0 || *invalid > 0),
            CheckResult::PreSignUp(set) => warn_if(*set),
            CheckResult::Providers(providers) if providers.is_empty() => CheckStatus::Fail,
            CheckResult::Mapping { immutable, .. } if !immutable.is_empty() => CheckStatus::Fail,
            CheckResult::Mapping { mapped, missing, .. } => {
                warn_if(!missing.is_empty() || resets_email_verified(mapped))
            }
            CheckResult::Quota { origin, .. } => warn_if(*origin == "assumed"),
            CheckResult::Clock(bounds) => clock_status(*bounds),
            CheckResult::Accepted
            | CheckResult::Pool { .. }
            | CheckResult::Providers(_)
            | CheckResult::Users
            | CheckResult::ScanTime { .. }
            | CheckResult::LinkTime { .. }
            | CheckResult::LinkPermitted { .. } => CheckStatus::Ok,
        }
    }
}

impl DoctorReport {
    pub fn count(&self, status: CheckStatus) -> u64 {
        self.checks.iter().filter(|check| check.status() == status).count() as u64
    }
}

/// Whether each sign-in sets `email_verified` to false: the service does so where `email` is mapped alone.
pub fn resets_email_verified(mapped: &BTreeSet<String>) -> bool {
    mapped.contains("email") && !mapped.contains("email_verified")
}

/// The smallest difference of the two clocks that the bounds allow, in milliseconds.
pub fn min_clock_difference_ms((low, high): (i64, i64)) -> u64 {
    low.max(high.saturating_neg()).max(0).unsigned_abs()
}

fn clock_status(bounds: Option<(i64, i64)>) -> CheckStatus {
    match bounds.map(min_clock_difference_ms) {
        Some(apart) if apart > limits::CLOCK_DIFFERENCE_REFUSED_MS => CheckStatus::Fail,
        Some(apart) if apart <= limits::CLOCK_DIFFERENCE_MS_MAX => CheckStatus::Ok,
        _ => CheckStatus::Warn,
    }
}

/// How long the calls take at `pace` calls a second.
pub fn duration_of_calls(calls: u64, pace: f64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "an estimate, printed with two units")]
    let seconds = calls as f64 / pace;
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(topic: CheckTopic, found: CheckResult) -> CheckStatus {
        DoctorCheck { topic, found }.status()
    }

    fn mapping(mapped: &[&str]) -> CheckResult {
        let mapped = mapped.iter().map(|name| (*name).to_owned()).collect();
        let provider = ProviderName::parse("Okta").unwrap();
        CheckResult::Mapping { provider, mapped, immutable: BTreeSet::new(), missing: BTreeSet::new() }
    }

    fn quota(origin: &'static str) -> CheckResult {
        CheckResult::Quota { per_second: 25.0, origin, share: 0.8, pace: 20.0 }
    }

    #[test]
    fn how_good_each_finding_is() {
        use CheckStatus::{Fail, Ok, Skip, Warn};
        let google = (ProviderName::parse("Google").unwrap(), "Google".to_owned());
        for (found, expected) in [
            (CheckResult::PreSignUp(false), Ok),
            (CheckResult::PreSignUp(true), Warn),
            (CheckResult::Providers(vec![google]), Ok),
            (CheckResult::Providers(vec![]), Fail),
            (mapping(&[]), Ok),
            (mapping(&["email"]), Warn),
            (mapping(&["email_verified"]), Ok),
            (mapping(&["email", "email_verified", "name"]), Ok),
            (quota("provisioned"), Ok),
            (quota("service_quotas"), Ok),
            (quota("assumed"), Warn),
            (CheckResult::NotTried("AdminLinkProviderForUser"), Skip),
            (CheckResult::LeftOut("the credentials are not accepted"), Skip),
            (CheckResult::MappingsLeftOut { providers: 1 }, Skip),
        ] {
            assert_eq!(status(CheckTopic::Pool, found.clone()), expected, "{found:?}");
        }
    }

    #[test]
    fn only_mappings_may_be_denied() {
        let stopped = |cause| CheckResult::Stopped(StopError::new(cause, ""));
        for (topic, cause, expected) in [
            (CheckTopic::Mapping, StopCause::AccessDenied, CheckStatus::Warn),
            (CheckTopic::Mapping, StopCause::Credentials, CheckStatus::Fail),
            (CheckTopic::Users, StopCause::AccessDenied, CheckStatus::Fail),
            (CheckTopic::Pool, StopCause::PoolMissing, CheckStatus::Fail),
        ] {
            assert_eq!(status(topic, stopped(cause)), expected, "{topic:?} {cause:?}");
        }
    }

    #[test]
    fn clocks_may_differ_a_little() {
        use CheckStatus::{Fail, Ok, Warn};
        for (bounds, apart, expected) in [
            (Some((-400, 700)), 0, Ok),
            (Some((5_000, 5_900)), 5_000, Ok),
            (Some((5_001, 5_900)), 5_001, Warn),
            (Some((-7_000, -5_001)), 5_001, Warn),
            (Some((300_000, 300_900)), 300_000, Warn),
            (Some((300_001, 300_900)), 300_001, Fail),
            (Some((-400_000, -390_000)), 390_000, Fail),
        ] {
            assert_eq!(bounds.map(min_clock_difference_ms), Some(apart));
            assert_eq!(status(CheckTopic::Clock, CheckResult::Clock(bounds)), expected, "{bounds:?}");
        }
        assert_eq!(status(CheckTopic::Clock, CheckResult::Clock(None)), Warn, "no answer had a date");
    }

    #[test]
    fn times_follow_from_the_pace() {
        assert_eq!(duration_of_calls(1_000_000, 20.0), Duration::from_secs(50_000));
        assert_eq!(duration_of_calls(0, 24.0), Duration::ZERO);
        assert_eq!(duration_of_calls(1, 0.0), Duration::MAX);
    }
}
