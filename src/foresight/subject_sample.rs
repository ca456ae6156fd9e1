//! A sample of the identities that a pool has of some providers, in a few calls: for runs that do not read the whole pool.
//!
//! `ListUsers` cannot search for identities, but the profile of an identity is named `Provider_id`, so a filter on the
//! beginning of user names finds profiles of one provider. They have signed in. Where there are too few of them, links on
//! the first users of the pool count as well.

use std::collections::{BTreeSet, HashSet};

use xxhash_rust::xxh3::xxh3_64;

use super::destination::folded;
use super::preflight::PatientReader;
use super::subject_profile::SubjectProfiles;
use crate::clock::Clock;
use crate::domain::identity::{Personal, ProviderName, profile_username};
use crate::domain::run::StopError;
use crate::limits::{
    POOL_SUBJECTS_WARNED_MIN, SUBJECT_SAMPLE_PAGES, SUBJECT_SAMPLE_PAGES_PER_PROVIDER, SUBJECT_SAMPLE_READS_MAX,
    USERS_PER_PAGE_MAX,
};
use crate::seed::Rng;
use crate::service::{PoolFacts, UserDirectory, UserFilter, UserQuery};

/// What a sample found, and what it cost.
#[derive(Debug, Clone, Default)]
pub struct SubjectSample {
    pub profiles: SubjectProfiles,
    pub reads: u64,
}

/// Reads until there are enough identities of each provider to judge, and so many pages at most. A pool with fewer users
/// than identities that are needed for a warning is not read.
pub async fn sample_subjects(
    directory: &dyn UserDirectory,
    facts: &PoolFacts,
    providers: &BTreeSet<ProviderName>,
    clock: Clock,
    rng: &mut Rng,
) -> Result<SubjectSample, StopError> {
    if facts.estimated_user_count < POOL_SUBJECTS_WARNED_MIN || providers.is_empty() {
        return Ok(SubjectSample::default());
    }
    let mut sampling = Sampling {
        directory,
        calls: PatientReader::new(clock, rng),
        reads: 0,
        seen: HashSet::new(),
        profiles: SubjectProfiles::of_sample(),
    };
    let (_, mut rest) = sampling.read_page(None, None).await?;
    if rest.is_none() {
        let Sampling { profiles, reads, .. } = sampling;
        return Ok(SubjectSample { profiles: profiles.completed(), reads });
    }
    for provider in providers {
        sampling.read_profiles_of(provider, facts.case_sensitive).await?;
    }
    let mut pages = 1;
    while pages < SUBJECT_SAMPLE_PAGES && providers.iter().any(|name| !sampling.profiles.has_enough(name.as_str())) {
        let Some(token) = rest else { break };
        (_, rest) = sampling.read_page(None, Some(token)).await?;
        pages += 1;
    }
    Ok(SubjectSample { profiles: sampling.profiles, reads: sampling.reads })
}

struct Sampling<'a> {
    directory: &'a dyn UserDirectory,
    calls: PatientReader<'a>,
    reads: u64,
    /// Hashes of user names: a user is found by several questions, and counts once.
    seen: HashSet<u64>,
    profiles: SubjectProfiles,
}

impl Sampling<'_> {
    /// Reads a page. Returns the number of users on it, and where the next one starts.
    async fn read_page(
        &mut self,
        filter: Option<UserFilter>,
        token: Option<String>,
    ) -> Result<(usize, Option<String>), StopError> {
        if self.reads >= SUBJECT_SAMPLE_READS_MAX {
            return Ok((0, None));
        }
        self.reads += 1;
        let query = UserQuery { filter, limit: u32::try_from(USERS_PER_PAGE_MAX).ok(), token };
        let page = self.calls.call("ListUsers", &|| self.directory.list_users(query.clone())).await?.value;
        let found = page.users.len();
        let mut users = page.users;
        users.retain(|user| self.seen.insert(xxh3_64(user.username.expose().as_bytes())));
        self.profiles.add_users(&users);
        Ok((found, page.next_token))
    }

    /// Reads profiles of a provider, in the spelling that the pool gives to user names.
    async fn read_profiles_of(&mut self, provider: &ProviderName, case_sensitive: bool) -> Result<(), StopError> {
        let start = profile_username(provider.as_str(), "");
        let mut spellings = vec![start.clone()];
        if !case_sensitive && folded(&start) != start {
            spellings.insert(0, folded(&start).into_owned());
        }
        for spelling in spellings {
            let (mut token, mut found) = (None, 0);
            for _ in 0..SUBJECT_SAMPLE_PAGES_PER_PROVIDER {
                if self.profiles.has_enough(provider.as_str()) {
                    return Ok(());
                }
                let value = Personal::from_service(&spelling);
                let filter = UserFilter { attribute: "username", prefix: true, value };
                let (users, next) = self.read_page(Some(filter), token).await?;
                (token, found) = (next, found + users);
                if token.is_none() {
                    break;
                }
            }
            if found > 0 {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cognito_sim::{Account, Latency, NewIdentity, NewUser, Pool, PoolSettings, Quota, SharedAccount};

    use super::*;
    use crate::foresight::subject_profile::SubjectComparison;
    use crate::service::in_process::InProcessService;

    const POOL: &str = "us-east-1_Sampled";

    fn id(number: usize) -> String {
        format!("00u{number:06}AbCdEfGhIjK")
    }

    /// A pool of natives, then profiles of Okta, then natives with a link to Corp: the simulator lists by user name.
    fn service(natives: usize, profiles: usize, links: usize, clock: Clock) -> Arc<InProcessService> {
        let mut pool = Pool::new(PoolSettings::new(POOL));
        for provider in ["Okta", "Corp"] {
            pool.ensure_provider(provider).unwrap();
        }
        for number in 0..natives {
            pool.add_user(NewUser::named(&format!("A-native-{number:05}"))).unwrap();
        }
        for number in 0..profiles {
            let own = NewIdentity::primary("Okta", &id(number));
            pool.add_user(NewUser::named(&format!("Okta_{}", id(number))).with_identity(own)).unwrap();
        }
        for number in 0..links {
            let linked = NewIdentity::linked("Corp", &id(number));
            pool.add_user(NewUser::named(&format!("z-linked-{number:05}")).with_identity(linked)).unwrap();
        }
        let account = Account::new(1).with_pool(pool).with_quota(Quota::off()).with_latency(Latency::between(1, 1));
        InProcessService::sharing(SharedAccount::new(account), clock, POOL)
    }

    async fn sampled(natives: usize, profiles: usize, links: usize, names: &[&str]) -> (SubjectSample, [u64; 2]) {
        let clock = Clock::starting_at(1_795_000_000_000);
        let service = service(natives, profiles, links, clock);
        let facts = service.describe_pool().await.unwrap().value;
        let providers = names.iter().map(|name| ProviderName::parse(name).unwrap()).collect();
        let sample = sample_subjects(service.as_ref(), &facts, &providers, clock, &mut Rng::new(1)).await.unwrap();
        let of = |provider: &str| {
            let mut comparison = SubjectComparison::new(&sample.profiles);
            comparison.add(1, provider, "anna@example.com");
            comparison.finish().first().map_or(0, |unlike| unlike.pool_values)
        };
        let counts = [of("Okta"), of("Corp")];
        (sample, counts)
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_calls_find_identities_wherever_they_are() {
        for (natives, profiles, links, names, expected, reads) in [
            // A small pool is one page.
            (20, 20, 15, &["Okta", "Corp"][..], [20, 15], 1),
            // Profiles are found behind any number of other users; nobody counts twice.
            (5_000, 3_000, 0, &["Okta"], [120, 0], 3),
            (10, 3_000, 0, &["Okta"], [120, 0], 3),
            // Links have no name to search for, so only the first users count.
            (100, 0, 3_000, &["Corp"], [0, 80], 4),
            (5_000, 0, 3_000, &["Corp"], [0, 0], 4),
            // Too few users to compare with.
            (3, 5, 0, &["Okta"], [0, 0], 0),
        ] {
            let (sample, counts) = sampled(natives, profiles, links, names).await;
            let case = format!("{natives} {profiles} {links} {names:?}");
            assert_eq!((counts, sample.reads), (expected, reads), "{case}");
        }
    }
}
