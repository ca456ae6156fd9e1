//! `duplicates`: every seeded duplicate is found, and nothing else; its pairs can be linked once the profiles are deleted.
//!
//! Goal: over many pools of people of every sort, near misses included, the findings are those that each sort of person
//! was drawn for. Method: the scan and the search over the in-process simulator; then what an operator does. The command
//! itself is tested from outside.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;

use cognito_link::clock::Clock;
use cognito_link::commands::duplicates::address_groups::{
    AddressTrust, Duplicate, DuplicateKind, DuplicateSearch, PairObstacle,
};
use cognito_link::domain::identity::{AttributeName, DestinationUser, ExternalIdentity, ProviderName};
use cognito_link::foresight::scan::{ScanOptions, scan};
use cognito_link::pace::Pace;
use cognito_link::seed::Rng;
use cognito_link::service::in_process::InProcessService;
use cognito_link::service::{IdentityLinker as _, LinkRequest, PoolUser, UserDirectory as _};
use cognito_sim::{
    Account, Answer, NewIdentity, NewUser, Pool, PoolSettings, Provider, ProviderKind, Quota, SharedAccount, Status,
};
use serde_json::{Value, json};

use crate::harness::{Finished, Home, POOL, Simulator};

const SEEDS: u64 = 40;
const PEOPLE: u64 = 60;
const PROVIDERS: [&str; 3] = ["Google", "Okta", "Corp"];
/// The provider that vouches for its addresses in every second seed.
const TRUSTED: &str = "Corp";

/// Kind, user names and obstacle.
type Found = BTreeSet<(DuplicateKind, Vec<String>, Option<&'static str>)>;

/// A pool of people, and what must be found of it.
struct People {
    rng: Rng,
    pool: Pool,
    case_sensitive: bool,
    trusts: bool,
    expected: Found,
    /// Native user, provider and value.
    pairs: BTreeSet<(String, String, String)>,
    unverified: u64,
    ids: u64,
}

impl People {
    fn new(seed: u64) -> Self {
        let case_sensitive = !seed.is_multiple_of(3);
        let mut pool = Pool::new(PoolSettings::new(POOL).case_sensitive(case_sensitive));
        for (name, kind) in PROVIDERS.iter().zip([ProviderKind::Google, ProviderKind::Oidc, ProviderKind::Saml]) {
            pool.add_provider(Provider::new(name, kind, 0)).unwrap();
        }
        let rng = Rng::new(seed).fork("duplicates");
        let (expected, pairs) = (Found::new(), BTreeSet::new());
        let trusts = seed.is_multiple_of(2);
        Self { rng, pool, case_sensitive, trusts, expected, pairs, unverified: 0, ids: 0 }
    }

    fn provider(&mut self) -> &'static str {
        PROVIDERS[usize::try_from(self.rng.below(3)).unwrap()]
    }

    fn id(&mut self) -> String {
        self.ids += 1;
        format!("Id{:05}X", self.ids)
    }

    fn add(&mut self, mut user: NewUser, email: Option<&str>, verified: bool) {
        user.email = email.map(str::to_owned);
        if verified || self.rng.chance(0.5) {
            user.attributes.push(("email_verified".to_owned(), verified.to_string()));
        }
        self.pool.add_user(user).unwrap();
    }

    fn native(&mut self, name: &str, email: &str, verified: bool) -> String {
        self.add(NewUser::named(name), Some(email), verified);
        name.to_owned()
    }

    /// A profile of this provider, with some more identities; its user name.
    fn profile(
        &mut self,
        provider: &str,
        email: Option<&str>,
        verified: bool,
        more: u64,
    ) -> (String, Vec<(String, String)>) {
        let id = self.id();
        let name = format!("{provider}_{id}");
        let mut user = NewUser::named(&name).with_identity(NewIdentity::primary(provider, &id));
        user.status = Status::ExternalProvider;
        let mut identities = vec![(provider.to_owned(), id)];
        for _ in 0..more {
            let (provider, id) = (self.provider(), self.id());
            user = user.with_identity(NewIdentity::linked(provider, &id));
            identities.push((provider.to_owned(), id));
        }
        self.add(user, email, verified);
        let shown = if self.case_sensitive { name } else { name.to_lowercase() };
        (shown, identities)
    }

    fn expect(&mut self, kind: DuplicateKind, users: &[&str], obstacle: Option<PairObstacle>) {
        let mut users: Vec<String> = users.iter().map(|user| (*user).to_owned()).collect();
        users.sort();
        self.expected.insert((kind, users, obstacle.map(PairObstacle::as_str)));
    }

    fn expect_alone(&mut self, profile: &str, unverified: bool) {
        self.expect(DuplicateKind::StandaloneProfile, &[profile], Some(PairObstacle::NoNative));
        self.unverified += u64::from(unverified);
    }

    fn expect_pairs(&mut self, native: &str, profiles: &[&(String, Vec<(String, String)>)]) {
        let users: Vec<&str> = [native].into_iter().chain(profiles.iter().map(|profile| profile.0.as_str())).collect();
        self.expect(DuplicateKind::NativeAndProfile, &users, None);
        for (provider, value) in profiles.iter().flat_map(|profile| &profile.1) {
            self.pairs.insert((native.to_owned(), provider.clone(), value.clone()));
        }
    }

    /// One person of some sort, whose users share no address with others.
    fn person(&mut self, number: u64) {
        match self.rng.below(20) {
            sort @ ..10 => self.person_with_several_users(sort, number),
            sort => self.near_miss(sort, number),
        }
    }

    fn person_with_several_users(&mut self, sort: u64, number: u64) {
        use DuplicateKind::{NativeAndProfile, SeveralNatives, SeveralProfiles};
        let email = &*format!("Person{number}@Example.com");
        let (name, twin) = (&*format!("person-{number}"), &*format!("twin-{number}"));
        let provider = self.provider();
        match sort {
            0 | 1 => {
                self.native(name, email, true);
                let more = self.rng.below(3);
                let profile = self.profile(provider, Some(email), true, more);
                self.expect_pairs(name, &[&profile]);
            }
            2 => {
                self.native(name, email, true);
                let profiles =
                    [self.profile("Google", Some(email), true, 0), self.profile("Okta", Some(email), true, 1)];
                self.expect_pairs(name, &[&profiles[0], &profiles[1]]);
            }
            3 => {
                let mut user = NewUser::named(name);
                for _ in 0..4 {
                    let (provider, id) = (self.provider(), self.id());
                    user = user.with_identity(NewIdentity::linked(provider, &id));
                }
                self.add(user, Some(email), true);
                let (profile, _) = self.profile(provider, Some(email), true, 1);
                self.expect(NativeAndProfile, &[name, &profile], Some(PairObstacle::TooManyIdentities));
            }
            4 => {
                let (first, second) = (self.rng.chance(0.5), self.rng.chance(0.5));
                self.native(name, email, first);
                self.native(twin, email, second);
                self.expect(SeveralNatives, &[name, twin], Some(PairObstacle::SeveralNatives));
            }
            5 => {
                self.native(name, email, true);
                self.native(twin, email, true);
                let (profile, _) = self.profile(provider, Some(email), true, 0);
                self.expect(SeveralNatives, &[name, twin], Some(PairObstacle::SeveralNatives));
                self.expect(NativeAndProfile, &[name, twin, &profile], Some(PairObstacle::SeveralNatives));
            }
            6 => {
                // Somebody typed in the address of another person and never verified it.
                self.native(name, email, true);
                self.native(twin, email, false);
                let profile = self.profile(provider, Some(email), true, 0);
                self.expect(SeveralNatives, &[name, twin], Some(PairObstacle::SeveralNatives));
                self.expect_pairs(name, &[&profile]);
            }
            7 => {
                let (one, _) = self.profile("Google", Some(email), true, 0);
                let (other, _) = self.profile("Okta", Some(email), true, 0);
                self.expect(SeveralProfiles, &[&one, &other], Some(PairObstacle::NoNative));
            }
            _ => {
                let disabled = NewUser { enabled: false, ..NewUser::named(name) };
                self.add(disabled, Some(email), true);
                let profile = self.profile(provider, Some(email), true, 0);
                self.expect_pairs(name, &[&profile]);
            }
        }
    }

    /// Users who are not known to be one person, or need nothing.
    fn near_miss(&mut self, sort: u64, number: u64) {
        let email = &*format!("Person{number}@Example.com");
        let (name, twin) = (&*format!("person-{number}"), &*format!("twin-{number}"));
        let provider = self.provider();
        match sort {
            10 => {
                let verified = self.rng.chance(0.5);
                let (profile, _) = self.profile(provider, Some(email), verified, 0);
                self.expect_alone(&profile, false);
            }
            11 => {
                let (profile, _) = self.profile(provider, None, true, 0);
                self.expect_alone(&profile, false);
            }
            12 => {
                self.native(name, email, false);
                let (profile, _) = self.profile(provider, Some(email), true, 0);
                self.expect_alone(&profile, true);
            }
            13 => {
                self.native(name, email, true);
                let profile = self.profile(provider, Some(email), false, 0);
                if self.trusts && provider == TRUSTED {
                    self.expect_pairs(name, &[&profile]);
                } else {
                    self.expect_alone(&profile.0, true);
                }
            }
            14 => {
                let distrusted = [Status::Unconfirmed, Status::Archived, Status::Compromised, Status::Unknown];
                let status = distrusted[usize::try_from(self.rng.below(4)).unwrap()];
                self.add(NewUser { status, ..NewUser::named(name) }, Some(email), true);
                let (profile, _) = self.profile(provider, Some(email), true, 0);
                self.expect_alone(&profile, true);
            }
            15 => {
                self.native(name, email, true);
                let profile = self.profile(provider, Some(&email.to_uppercase()), true, 0);
                if self.case_sensitive {
                    self.expect_alone(&profile.0, false);
                } else {
                    self.expect_pairs(name, &[&profile]);
                }
            }
            16 => {
                self.native(name, email, true);
                let (profile, _) = self.profile(provider, Some(&email.replace('@', "+shop@")), true, 0);
                self.expect_alone(&profile, false);
            }
            17 => {
                self.native(name, email, true);
                self.native(twin, &email.replace('@', "+shop@"), true);
            }
            18 => {
                // Linked already: there is no other profile.
                let id = self.id();
                self.add(NewUser::named(name).with_identity(NewIdentity::linked(provider, &id)), Some(email), true);
            }
            _ => {
                // A native user who is named as a profile would be, and one without an address.
                self.native(&format!("{provider}_9{number}"), email, true);
                self.add(NewUser::named(name), None, false);
            }
        }
    }
}

async fn search(service: &std::sync::Arc<InProcessService>, clock: Clock, trusts: bool) -> Vec<Duplicate> {
    let names = PROVIDERS.map(|name| ProviderName::parse(name).unwrap());
    let trusted = trusts.then(|| ProviderName::parse(TRUSTED).unwrap());
    let case_sensitive = service.describe_pool().await.unwrap().value.case_sensitive;
    let trust = AddressTrust { providers: trusted.into_iter().collect() };
    let mut search = DuplicateSearch::new(trust, names.iter(), case_sensitive);
    let mut take = |page: Vec<PoolUser>| {
        for user in &page {
            search.add(user).unwrap();
        }
        Ok(())
    };
    scan(service.clone(), ScanOptions { reads: Pace::at(24.0), seed: 1 }, clock, &mut take).await.unwrap();
    let mut all = Vec::new();
    search
        .finish(&mut |found| {
            all.push(found);
            Ok(())
        })
        .unwrap();
    all
}

fn as_expected(all: &[Duplicate]) -> Found {
    let users = |found: &Duplicate| {
        let mut names: Vec<String> = found.users.iter().map(|user| user.username.expose().to_owned()).collect();
        names.sort();
        names
    };
    all.iter().map(|found| (found.kind, users(found), found.linkable.err().map(PairObstacle::as_str))).collect()
}

async fn link(service: &InProcessService, pair: &(String, String, String)) -> Result<(), String> {
    let personal = cognito_link::domain::identity::Personal::from_service;
    let provider = ProviderName::parse(&pair.1).unwrap();
    let request = LinkRequest {
        destination: DestinationUser { provider: ProviderName::native(), value: personal(&pair.0) },
        source: ExternalIdentity::new(provider, AttributeName::subject(), personal(&pair.2)).unwrap(),
    };
    service.link(request).await.map(drop).map_err(|fault| format!("{fault:?}"))
}

async fn one(seed: u64) -> Found {
    let mut people = People::new(seed);
    (0..PEOPLE).for_each(|number| people.person(number));
    let clock = Clock::starting_at(1_795_000_000_000);
    let account = Account::new(seed).with_pool(people.pool).with_quota(Quota::off());
    let service = InProcessService::sharing(SharedAccount::new(account), clock, POOL);
    let all = search(&service, clock, people.trusts).await;
    let found = as_expected(&all);
    let (missed, besides): (Vec<_>, Vec<_>) =
        (people.expected.difference(&found).collect(), found.difference(&people.expected).collect());
    assert!(missed.is_empty() && besides.is_empty(), "seed {seed}: missed {missed:?}, and {besides:?} besides");
    assert_eq!(all.len(), found.len(), "seed {seed}: nothing is found twice");
    let unverified: usize = all.iter().filter(|found| found.unverified).map(|found| found.users.len()).sum();
    assert_eq!(unverified as u64, people.unverified, "seed {seed}");
    let pairs = all.iter().flat_map(Duplicate::pairs).map(|(native, held)| {
        (native.username.expose().to_owned(), held.provider_name.clone(), held.user_id.expose().to_owned())
    });
    assert_eq!(pairs.collect::<BTreeSet<_>>(), people.pairs, "seed {seed}");

    // While the profiles are there, the service refuses every pair; once they are deleted, it takes every one.
    for pair in &people.pairs {
        assert!(link(&service, pair).await.is_err(), "seed {seed}: {pair:?} before the profile is deleted");
    }
    assert_eq!(service.account.stats().links_made, 0);
    let merged = || all.iter().filter(|found| found.linkable.is_ok());
    for profile in merged().flat_map(|found| &found.users).filter(|user| user.is_federated()) {
        let body = json!({ "UserPoolId": POOL, "Username": profile.username.expose() }).to_string();
        let answer = service.account.call(clock.unix_ms(), "AdminDeleteUser", body.as_bytes()).await;
        assert!(matches!(answer, Answer::Complete(response) if response.status == 200));
    }
    for pair in &people.pairs {
        assert_eq!(link(&service, pair).await, Ok(()), "seed {seed}: {pair:?}");
    }
    tokio::time::sleep(std::time::Duration::from_mins(2)).await;
    let left: Found = found.iter().filter(|(_, _, obstacle)| obstacle.is_some()).cloned().collect();
    assert_eq!(as_expected(&search(&service, clock, people.trusts).await), left, "seed {seed}: the rest stays");
    found
}

#[test]
fn seeded_duplicates_are_all_found_and_nothing_else() {
    let mut kinds: Vec<(DuplicateKind, Option<&str>)> = Vec::new();
    for seed in 1..=SEEDS {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        kinds.extend(runtime.block_on(one(seed)).into_iter().map(|(kind, _, obstacle)| (kind, obstacle)));
    }
    let often = |kind, obstacle| {
        let count = kinds.iter().filter(|found| **found == (kind, obstacle)).count();
        assert!(count as u64 > SEEDS, "{kind:?} {obstacle:?}: {count} times");
    };
    often(DuplicateKind::NativeAndProfile, None);
    often(DuplicateKind::NativeAndProfile, Some("too_many_identities"));
    often(DuplicateKind::NativeAndProfile, Some("several_natives"));
    often(DuplicateKind::SeveralNatives, Some("several_natives"));
    often(DuplicateKind::SeveralProfiles, Some("no_native"));
    often(DuplicateKind::StandaloneProfile, Some("no_native"));
}

/// A native user, the profile of the same person, a stranger's profile, twins, and somebody who is linked already.
fn users() -> Vec<Value> {
    let user = |name: &str, email: &str, verified: bool, identities: Value| {
        json!({
            "username": name, "email": email, "attributes": { "email_verified": verified.to_string() },
            "identities": identities, "created": 1_700_000_000_000_i64, "modified": 1_710_000_000_000_i64,
        })
    };
    let identity =
        |provider: &str, id: &str, primary: bool| json!({ "providerName": provider, "userId": id, "primary": primary });
    vec![
        user("carlos", "carlos@example.com", true, json!([])),
        user("Okta_00uCarlos", "carlos@example.com", true, json!([identity("Okta", "00uCarlos", true)])),
        user("Corp_carlos", "carlos@example.com", false, json!([identity("Corp", "carlos", true)])),
        user("twin-1", "twin@example.com", true, json!([])),
        user("twin-2", "twin@example.com", false, json!([])),
        user("linked", "linked@example.com", true, json!([identity("Okta", "00uLinked", false)])),
    ]
}

fn pool_file(users: &[Value]) -> String {
    let providers = json!([{ "name": "Corp", "type": "SAML" }, { "name": "Okta", "type": "OIDC" }]);
    json!({ "version": 1, "pool": { "id": POOL }, "providers": providers, "users": users }).to_string()
}

fn result(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:#?}"))
}

#[test]
fn the_documented_way_from_a_duplicate_to_a_link() {
    let home = Home::new();
    home.write("pool.json", pool_file(&users()));
    let simulator = Simulator::start(&home, &["--pool-file", "pool.json", "--latency", "off", "--quota", "off"]);
    let options = ["--pairs", "pairs.csv", "--work-list", "work.jsonl"];
    let finished = home.on_pool("duplicates", &simulator.url, &options).left_with(0);
    assert!(finished.stdout.starts_with("native+profile      1   "), "{finished:#?}");
    assert!(!finished.stdout.contains("carlos") && !finished.stderr.contains("carlos@"), "masked: {finished:#?}");
    assert!(finished.stderr.contains("1 profile has the address of a native user"), "{finished:#?}");
    let stats = simulator.stats();
    let called: Vec<&String> = stats["operations"].as_object().unwrap().keys().collect();
    assert_eq!(called, ["DescribeUserPool", "ListIdentityProviders", "ListUsers"], "{stats}");
    for file in ["pairs.csv", "work.jsonl"] {
        assert_eq!(std::fs::metadata(home.path(file)).unwrap().permissions().mode() & 0o777, 0o600);
    }

    // The pairs are an input; with the pool, `validate` says what stands in the way.
    assert_eq!(home.run(&["validate", "pairs.csv"]).left_with(0).stdout, "1 row: 1 valid\n");
    let on_file = |command: &str, pool: &str, more: &[&str], status: i32| {
        let options = [command, "pairs.csv", "--simulate", "--pool-file", pool, "--output", "json"];
        result(&home.run(&[&options[..], more].concat()).left_with(status))
    };
    let forecast = on_file("validate", "pool.json", &[], 3);
    assert_eq!(forecast["refused_rows"][0]["refusal_code"], "identity_has_profile", "{forecast}");

    // The commands of the work list delete exactly the profile that is one too many.
    let work: Vec<Value> = home.read("work.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_kind = |kind: &str| work.iter().find(|found| found["kind"] == kind).unwrap();
    assert_eq!((work.len(), of_kind("several_natives")["pairs"].as_u64()), (3, Some(0)));
    assert_eq!(of_kind("standalone_profile")["unverified_match"], true);
    let merged = of_kind("native_and_profile");
    let profile = &merged["users"][1];
    assert_eq!(
        (&profile["username"], &profile["created_at"]),
        (&"Okta_00uCarlos".into(), &"2023-11-14T22:13:20.000Z".into())
    );
    assert_eq!(profile["changed_at"], "2024-03-09T16:00:00.000Z");
    assert_eq!(merged["users"][0]["after_backup"], json!([]), "the native user stays");
    let command = profile["after_backup"][0].as_str().unwrap();
    let input = command.split_once("--cli-input-json '").unwrap().1.strip_suffix('\'').unwrap();
    let input: Value = serde_json::from_str(input).unwrap();
    assert!(command.starts_with("aws cognito-idp admin-delete-user ") && input["UserPoolId"] == POOL, "{command}");
    let mut left = users();
    left.retain(|user| user["username"] != input["Username"]);
    assert_eq!(left.len(), 5);
    home.write("after.json", pool_file(&left));
    assert_eq!(on_file("validate", "after.json", &[], 0)["forecast"]["by_verdict"]["link"], 1);
    let linked = on_file("link", "after.json", &["--yes", "--retry", "refused", "--save-pool", "linked.json"], 0);
    assert_eq!(linked["rows"]["linked"], 1, "{linked}");

    // What is done is not found again.
    let options = ["duplicates", "--simulate", "--pool-file", "linked.json", "--output", "json"];
    let again = result(&home.run(&options).left_with(0));
    let counts =
        json!({ "native_and_profile": 0, "several_natives": 1, "several_profiles": 0, "standalone_profile": 1 });
    assert_eq!((&again["counts"], &again["pairs"]), (&counts, &json!(0)));
}

#[test]
fn a_provider_that_vouches_is_named_and_slips_leave_nothing() {
    let home = Home::new();
    home.write("pool.json", pool_file(&users()));
    let run =
        |options: &[&str]| home.run(&[&["duplicates", "--simulate", "--pool-file", "pool.json"], options].concat());
    let report = result(&run(&["--trust-email", "Corp", "--output", "json", "--show-values"]).left_with(0));
    assert_eq!((&report["pairs"], &report["unverified_matches"]), (&json!(2), &json!(0)));
    let names: Vec<&Value> =
        report["duplicates"][0]["users"].as_array().unwrap().iter().map(|user| &user["username"]).collect();
    assert_eq!(json!(names), json!(["carlos", "Corp_carlos", "Okta_00uCarlos"]));
    run(&["--trust-email", "corp"]).refused_with(2, "--trust-email corp: the pool has no provider");
    run(&["--pairs", "no/such/folder"]).refused_with(2, "cannot write no/such/folder");
    home.write("one.csv", "before");
    run(&["--pairs", "one.csv", "--work-list", "one.csv", "--force"]).refused_with(2, "--pairs and --work-list");
    run(&["--pairs", "one.csv"]).refused_with(2, "one.csv exists");
    assert_eq!(home.read("one.csv"), "before");
    home.run(&["duplicates"]).refused_with(2, "no user pool");
}
