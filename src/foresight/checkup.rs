//! Checks of a pool, one call after the other, and the checks of sign-ins that `doctor` and `validate` share.
//!
//! A link is no use if the sign-in fails after it. What the pool's settings show of that is checked here:
//!
//! | check | what breaks |
//! | --- | --- |
//! | an immutable mapped attribute | every sign-in of a linked identity ("Attribute cannot be updated", amplify-js #3526) |
//! | a required attribute without a mapping | the first sign-in of an identity without a link |
//! | only administrators create users | the same |
//! | `email` mapped without `email_verified` | the user's address is no longer verified after a sign-in (amplify-js #5117) |
//! | a provider that no app client offers | every sign-in with it ("Login option is not available", aws-sdk-android #1808) |

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::preflight::PatientReader;
use crate::clock::{Clock, sleep};
use crate::domain::doctor::{CheckResult, CheckTopic, DoctorCheck};
use crate::domain::identity::ProviderName;
use crate::domain::run::StopCause;
use crate::limits;
use crate::seed::Rng;
use crate::service::app_clients::AppClientReader;
use crate::service::skew::ClockSkew;
use crate::service::{Answer, MappedAttributes, PoolFacts, PortFuture, UserDirectory};

/// Says why no further call is made.
pub fn reason_after(cause: StopCause) -> &'static str {
    match cause {
        StopCause::Credentials => "there are no credentials that the service accepts",
        StopCause::PoolMissing => "the pool was not found",
        StopCause::NotEnabledHere => "this is not the pool's primary Region",
        _ => "the service does not answer",
    }
}

/// Makes calls for checks, and keeps what they found.
pub struct Checkup<'a> {
    patience: PatientReader<'a>,
    /// Why no further call is made.
    pub closed: Option<&'static str>,
    pub checks: Vec<DoctorCheck>,
    /// Mappings and app clients that were read.
    settings_reads: u32,
}

/// What the checks of sign-ins are about, and through what they read.
pub struct SignInScope<'a> {
    pub directory: &'a dyn UserDirectory,
    pub app_clients: &'a dyn AppClientReader,
    /// `None` where the pool's settings could not be read.
    pub facts: Option<&'a PoolFacts>,
    /// The providers that people will sign in with.
    pub providers: BTreeSet<ProviderName>,
    /// Mappings that were read before.
    pub mapped: &'a BTreeMap<ProviderName, MappedAttributes>,
    /// Mappings to read at most.
    pub mappings_max: u64,
    /// App clients to read at most.
    pub app_clients_max: u64,
}

impl<'a> Checkup<'a> {
    pub fn new(clock: Clock, rng: &'a mut Rng) -> Self {
        Self { patience: PatientReader::new(clock, rng), closed: None, checks: Vec::new(), settings_reads: 0 }
    }

    pub fn add(&mut self, topic: CheckTopic, found: CheckResult) {
        self.checks.push(DoctorCheck { topic, found });
    }

    /// The service's clock against ours, from the answers so far.
    pub fn skew(&self) -> ClockSkew {
        self.patience.skew()
    }

    /// Makes a call for a check. Without an answer, the check says why.
    pub async fn call<'c, T>(
        &mut self,
        topic: CheckTopic,
        operation: &'static str,
        make: &dyn Fn() -> PortFuture<'c, T>,
    ) -> Option<T> {
        if let Some(why) = self.closed {
            self.add(topic, CheckResult::LeftOut(why));
            return None;
        }
        match self.patience.call(operation, make).await {
            Ok(Answer { value, .. }) => Some(value),
            Err(stop) => {
                let ends_all_calls = match stop.cause {
                    StopCause::AccessDenied => false,
                    StopCause::Unreachable => self.checks.is_empty(),
                    _ => true,
                };
                if ends_all_calls {
                    self.closed = Some(reason_after(stop.cause));
                }
                self.add(topic, CheckResult::Stopped(stop));
                None
            }
        }
    }

    /// Checks what breaks sign-ins after the links are made.
    pub async fn check_sign_ins(&mut self, scope: &SignInScope<'_>) {
        if scope.facts.is_some_and(|facts| facts.admin_only_sign_up) {
            self.add(CheckTopic::SignUp, CheckResult::AdminOnlySignUp);
        }
        self.check_mappings(scope).await;
        self.check_app_clients(scope).await;
    }

    /// Leaves time between reads that the service caps for each pool, except for the first few.
    async fn space_settings_reads(&mut self) {
        if self.settings_reads >= limits::SPACED_READS_AFTER {
            sleep(Duration::from_millis(limits::MAPPING_SPACING_MS)).await;
        }
        self.settings_reads += 1;
    }

    /// Reads so many mappings at most, and stops at the first that cannot be read: the others cannot be read either.
    async fn check_mappings(&mut self, scope: &SignInScope<'_>) {
        let (immutables, required) = scope.facts.map_or_else(Default::default, |facts| {
            (facts.immutable_attributes.clone(), facts.required_attributes.clone())
        });
        let (mut read, mut left_out) = (0, 0);
        for provider in &scope.providers {
            let mapped = if let Some(known) = scope.mapped.get(provider) {
                known.clone()
            } else if read == scope.mappings_max {
                left_out += 1;
                continue;
            } else {
                read += 1;
                self.space_settings_reads().await;
                let describe = || scope.directory.mapped_attributes(provider.clone());
                let read = self.call(CheckTopic::Mapping, "DescribeIdentityProvider", &describe).await;
                let Some(mapped) = read else { return };
                mapped
            };
            let immutable = mapped.intersection(&immutables).cloned().collect();
            let missing = required.difference(&mapped).cloned().collect();
            let provider = provider.clone();
            self.add(CheckTopic::Mapping, CheckResult::Mapping { provider, mapped, immutable, missing });
        }
        if left_out > 0 {
            self.add(CheckTopic::Mapping, CheckResult::MappingsLeftOut { providers: left_out });
        }
    }

    /// Reads app clients until each provider is offered by one, and so many at most.
    async fn check_app_clients(&mut self, scope: &SignInScope<'_>) {
        if scope.providers.is_empty() {
            return;
        }
        let mut not_offered = scope.providers.clone();
        let (mut token, mut read, mut read_of_more) = (None, 0, None);
        loop {
            let list = || scope.app_clients.list_app_clients(token.clone());
            let Some(page) = self.call(CheckTopic::AppClients, "ListUserPoolClients", &list).await else { return };
            for id in page.ids {
                if not_offered.is_empty() {
                    break;
                }
                if read == scope.app_clients_max {
                    read_of_more = Some(read);
                    break;
                }
                self.space_settings_reads().await;
                let describe = || scope.app_clients.offered_providers(id.clone());
                let described = self.call(CheckTopic::AppClients, "DescribeUserPoolClient", &describe).await;
                let Some(offered) = described else { return };
                not_offered.retain(|name| !offered.contains(name.as_str()));
                read += 1;
            }
            token = page.next_token;
            if token.is_none() || not_offered.is_empty() || read_of_more.is_some() {
                break;
            }
        }
        self.add(CheckTopic::AppClients, CheckResult::AppClients { not_offered, read_of_more });
    }
}

#[cfg(test)]
mod tests {
    use cognito_sim::{Account, Latency, Pool, PoolSettings, Quota, SharedAccount};

    use super::*;
    use crate::service::in_process::InProcessService;

    #[tokio::test(start_paused = true)]
    async fn no_more_mappings_are_read_than_the_scope_says() {
        let names: Vec<String> = (0..25).map(|number| format!("Provider{number:02}")).collect();
        let mut pool = Pool::new(PoolSettings::new("us-east-1_Mapped"));
        for name in &names {
            pool.ensure_provider(name).unwrap();
        }
        let clock = Clock::starting_at(1_795_000_000_000);
        let account = Account::new(1).with_pool(pool).with_quota(Quota::off()).with_latency(Latency::between(1, 1));
        let service = InProcessService::sharing(SharedAccount::new(account), clock, "us-east-1_Mapped");
        let providers: BTreeSet<ProviderName> = names.iter().map(|name| ProviderName::parse(name).unwrap()).collect();
        let known = BTreeMap::from([(ProviderName::parse("Provider24").unwrap(), MappedAttributes::default())]);
        for (mappings_max, read, left_out) in [(20, 20, Some(4)), (24, 24, None), (0, 0, Some(24))] {
            let mut rng = Rng::new(1);
            let mut checkup = Checkup::new(clock, &mut rng);
            let scope = SignInScope {
                directory: service.as_ref(),
                app_clients: service.as_ref(),
                facts: None,
                providers: providers.clone(),
                mapped: &known,
                mappings_max,
                app_clients_max: 1,
            };
            checkup.check_sign_ins(&scope).await;
            let found: Vec<&CheckResult> = checkup.checks.iter().map(|check| &check.found).collect();
            let mappings = found.iter().filter(|found| matches!(found, CheckResult::Mapping { .. })).count();
            // What was read before takes no call, wherever it stands.
            assert_eq!(mappings, read + 1, "{found:?}");
            let left = found.iter().find_map(|found| match found {
                CheckResult::MappingsLeftOut { providers } => Some(*providers),
                _ => None,
            });
            assert_eq!(left, left_out, "{found:?}");
        }
    }
}
