//! `reconcile` reports links that sign-ins did not find, and what the pool shows of sign-ins.
//!
//! Goal: every link whose person signed in to a new profile afterwards is found, and no other; users who signed in are
//! counted as far as the pool shows it. Method: people of every sort are linked and sign in with the simulator's own
//! federated sign-in, over seeds.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::Arc;

use cognito_link::clock::{Clock, UnixMs};
use cognito_link::commands::reconcile::{ComparedItem, ReconcileInput};
use cognito_link::commands::shared::choices::Choices;
use cognito_link::domain::drift::LinkedUserCounts;
use cognito_link::domain::event::IgnoreEvents;
use cognito_link::domain::identity::PoolId;
use cognito_link::foresight::preflight::preflight;
use cognito_link::foresight::scan::ScanOptions;
use cognito_link::input::{InputOptions, InputSource};
use cognito_link::ledger::Binding;
use cognito_link::pace::Pace;
use cognito_link::seed::Rng;
use cognito_link::service::in_process::InProcessService;
use cognito_sim::{
    Account, NewIdentity, NewUser, Pool, PoolSettings, Provider, ProviderKind, Quota, SharedAccount, SignIn,
};
use serde_json::{Value, json};

use crate::harness::{Home, POOL, Simulator};

const SEEDS: u64 = 40;
const PEOPLE: u64 = 60;
const LINKED: UnixMs = 1_790_000_000_500;
const SIGNED_IN: UnixMs = LINKED + 86_400_000;

/// A pool of people who signed in after they were linked, the file that linked them, and what must be reported.
struct People {
    rng: Rng,
    pool: Pool,
    case_sensitive: bool,
    rows: Vec<String>,
    /// Row, id of the new profile, and whether the address is verified.
    misfires: BTreeSet<(u64, String, bool)>,
    users: LinkedUserCounts,
}

impl People {
    fn new(seed: u64) -> Self {
        let case_sensitive = !seed.is_multiple_of(3);
        let mut pool = Pool::new(PoolSettings::new(POOL).case_sensitive(case_sensitive));
        for (name, kind) in [("Okta", ProviderKind::Oidc), ("Corp", ProviderKind::Saml), ("Plain", ProviderKind::Oidc)]
        {
            let mut provider = Provider::new(name, kind, 0);
            if name != "Plain" {
                provider = provider.mapping("email", "mail").mapping("email_verified", "verified");
            }
            pool.add_provider(provider).unwrap();
        }
        let rng = Rng::new(seed).fork("misfires");
        let (rows, misfires) = (Vec::new(), BTreeSet::new());
        Self { rng, pool, case_sensitive, rows, misfires, users: LinkedUserCounts::default() }
    }

    fn add(&mut self, number: u64, linked: &[(&str, &str)], verified: bool) {
        let mut user = NewUser::named(&format!("person-{number}")).with_email(&email(number));
        user.attributes.push(("email_verified".to_owned(), verified.to_string()));
        for (provider, value) in linked {
            user = user.with_identity(NewIdentity { created_ms: LINKED, ..NewIdentity::linked(provider, value) });
        }
        self.pool.add_user(user).unwrap();
    }

    fn row(&mut self, number: u64, provider: &str, value: &str) -> u64 {
        self.rows.push(format!("person-{number},{provider},{value}"));
        self.rows.len() as u64
    }

    fn sign_in(&mut self, at: UnixMs, provider: &str, user_id: &str, email: Option<&str>, verified: bool) {
        let claims = email.map(|email| ("mail".to_owned(), email.to_owned()));
        let claims: BTreeMap<String, String> =
            claims.into_iter().chain([("verified".to_owned(), verified.to_string())]).collect();
        let sign_in = SignIn { provider: provider.into(), user_id: user_id.into(), claims, issuer: None };
        self.pool.sign_in_with(at, &sign_in).unwrap();
    }

    fn person(&mut self, number: u64) {
        let (right, wrong) = (&*format!("Right{number}x"), &*format!("Wrong{number}x"));
        let (address, provider) = (&*email(number), if self.rng.chance(0.5) { "Okta" } else { "Corp" });
        let other = if provider == "Okta" { "Corp" } else { "Okta" };
        match self.rng.below(16) {
            // The link works. Only an assertion of SAML leaves its issuer; mapped attributes change the user.
            0 => {
                self.add(number, &[(provider, right)], true);
                self.row(number, provider, right);
                self.sign_in(SIGNED_IN, provider, right, Some(address), true);
                let is_saml = provider == "Corp";
                self.users.signed_in += u64::from(is_saml);
                self.users.changed += u64::from(!is_saml);
            }
            // Nothing is mapped, so nothing shows.
            1 => {
                self.add(number, &[("Plain", right)], true);
                self.row(number, "Plain", right);
                let sign_in = SignIn { provider: "Plain".into(), user_id: right.into(), ..SignIn::default() };
                self.pool.sign_in_with(SIGNED_IN, &sign_in).unwrap();
                self.users.no_trace += 1;
            }
            2 => {
                self.add(number, &[(provider, right)], true);
                self.row(number, provider, right);
                self.users.no_trace += 1;
            }
            // The linked value was wrong, or lost its case.
            3 | 4 => {
                let value =
                    if self.case_sensitive && self.rng.chance(0.5) { right.to_lowercase() } else { wrong.into() };
                self.add(number, &[(provider, &value)], true);
                let row = self.row(number, provider, &value);
                self.row(number, provider, &value);
                self.sign_in(SIGNED_IN, provider, right, Some(address), true);
                self.misfires.insert((row, right.to_owned(), true));
                self.users.no_trace += 1;
            }
            5 | 6 => {
                let (native, profile) = (self.rng.chance(0.5), self.rng.chance(0.5));
                self.add(number, &[(provider, wrong)], native);
                let row = self.row(number, provider, wrong);
                self.sign_in(SIGNED_IN, provider, right, Some(address), profile);
                self.misfires.insert((row, right.to_owned(), native && profile));
                self.users.no_trace += 1;
            }
            // Two providers are linked, and one of the values is wrong.
            7 => {
                self.add(number, &[(provider, wrong), (other, right)], true);
                let row = self.row(number, provider, wrong);
                self.row(number, other, right);
                self.sign_in(SIGNED_IN, provider, right, Some(address), true);
                self.sign_in(SIGNED_IN, other, right, Some(address), true);
                self.misfires.insert((row, right.to_owned(), true));
                let is_saml = other == "Corp";
                self.users.signed_in += u64::from(is_saml);
                self.users.changed += u64::from(!is_saml);
            }
            // Near misses.
            8 => self.linked_and_signed_in(number, provider, (SIGNED_IN, other), Some(address)),
            9 => self.linked_and_signed_in(number, provider, (LINKED - 1, provider), Some(address)),
            10 => self.linked_and_signed_in(number, provider, (LINKED, provider), Some(address)),
            11 => {
                self.linked_and_signed_in(number, provider, (SIGNED_IN, provider), Some(&address.replace('@', "+a@")));
            }
            12 => self.linked_and_signed_in(number, provider, (SIGNED_IN, provider), None),
            13 => {
                self.linked_and_signed_in(number, provider, (SIGNED_IN, provider), Some(&address.to_uppercase()));
                if !self.case_sensitive {
                    self.misfires.insert((self.rows.len() as u64, right.to_owned(), true));
                }
            }
            // The file does not have the link, or gives the identity to somebody else.
            14 => {
                self.add(number, &[(provider, wrong)], true);
                self.sign_in(SIGNED_IN, provider, right, Some(address), true);
            }
            _ => {
                self.add(number, &[(provider, wrong)], true);
                self.add(number + PEOPLE, &[], true);
                self.row(number + PEOPLE, provider, wrong);
                self.sign_in(SIGNED_IN, provider, right, Some(address), true);
            }
        }
    }

    /// A wrong link, and a new profile of this provider, time and address.
    fn linked_and_signed_in(&mut self, number: u64, linked: &str, (at, provider): (UnixMs, &str), email: Option<&str>) {
        let wrong = format!("Wrong{number}x");
        self.add(number, &[(linked, &wrong)], true);
        self.row(number, linked, &wrong);
        self.sign_in(at, provider, &format!("Right{number}x"), email, true);
        self.users.no_trace += 1;
    }
}

fn email(number: u64) -> String {
    format!("Person{number}@Example.com")
}

async fn one(seed: u64) -> usize {
    let mut people = People::new(seed);
    (0..PEOPLE).for_each(|number| people.person(number));
    let mut file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    writeln!(file, "destination_username,source_provider,source_value").unwrap();
    people.rows.iter().for_each(|row| writeln!(file, "{row}").unwrap());

    let clock = Clock::starting_at(SIGNED_IN + 86_400_000);
    let account = Account::new(seed).with_pool(people.pool).with_quota(Quota::off());
    let service: Arc<InProcessService> = InProcessService::sharing(SharedAccount::new(account), clock, POOL);
    let knowledge = preflight(service.as_ref(), clock, &mut Rng::new(seed)).await.unwrap();
    let input = ReconcileInput {
        source: InputSource::open(file.path()).unwrap(),
        options: InputOptions::default(),
        binding: Binding::new(PoolId::parse(POOL).unwrap(), true, None),
        providers: BTreeSet::new(),
        retry_refused: false,
        choices: Choices::default(),
    };
    let mut needs = input.read_file(&mut IgnoreEvents).unwrap();
    let options = ScanOptions { reads: Pace::at(24.0), seed };
    let mut scanned =
        input.scan_pool(&mut needs, service.clone(), &knowledge, options, clock, &mut IgnoreEvents).await.unwrap();
    let mut found = Vec::new();
    let mut take = |item: ComparedItem<'_>| {
        if let ComparedItem::Misfire(misfire) = item {
            assert_eq!(misfire.linked_unix_ms, LINKED);
            found.push((misfire.row.0, misfire.profile_value.expose().to_owned(), misfire.verified));
        }
        Ok(())
    };
    let comparison = input.compare(&needs, &mut scanned, &knowledge, BTreeMap::new(), None, &mut take).unwrap();
    let all: BTreeSet<_> = found.iter().cloned().collect();
    assert_eq!(all.len(), found.len(), "seed {seed}: nothing is found twice");
    let (missed, besides): (Vec<_>, Vec<_>) =
        (people.misfires.difference(&all).collect(), all.difference(&people.misfires).collect());
    assert!(missed.is_empty() && besides.is_empty(), "seed {seed}: missed {missed:?}, and {besides:?} besides");
    let verified = found.iter().filter(|(_, _, verified)| *verified).count() as u64;
    let counts = &comparison.counts;
    assert_eq!((counts.misfired, counts.misfired_unverified), (verified, found.len() as u64 - verified));
    assert_eq!(counts.linked_users, people.users, "seed {seed}");
    found.len()
}

#[test]
fn seeded_misfires_are_all_found_and_nothing_else() {
    let mut sum = 0;
    for seed in 1..=SEEDS {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        sum += runtime.block_on(one(seed));
    }
    assert!(sum as u64 > SEEDS * 10, "{sum} misfires");
}

#[test]
fn both_users_of_a_misfire_are_shown() {
    let home = Home::new();
    let identity = json!([{ "providerName": "Okta", "userId": "00uWrong", "dateCreated": LINKED }]);
    let user = json!({
        "username": "alice", "email": "alice@example.com", "attributes": { "email_verified": "true" },
        "identities": identity,
    });
    let mapping = json!({ "email": "mail", "email_verified": "verified" });
    let pool = json!({
        "version": 1, "pool": { "id": POOL },
        "providers": [{ "name": "Okta", "type": "OIDC", "attribute_mapping": mapping }], "users": [user],
    });
    home.write("pool.json", pool.to_string());
    home.write("p.csv", "destination_username,source_provider,source_value\nalice,Okta,00uWrong\n");
    let simulator = Simulator::start(&home, &["--pool-file", "pool.json", "--latency", "off", "--quota", "off"]);
    let reconcile = |options: &[&str]| home.on_pool("reconcile", &simulator.url, &[&["p.csv"], options].concat());
    let before = reconcile(&[]).left_with(0).stdout;
    assert!(!before.contains("misfired") && before.contains("\n1 linked user: 0 signed in, "), "{before}");

    let claims = json!({ "mail": "alice@example.com", "verified": "true" });
    let sign_in = json!({ "UserPoolId": POOL, "ProviderName": "Okta", "UserId": "00uRight", "Claims": claims });
    simulator.sign_in(&sign_in);
    let shown = reconcile(&["--exit-on-drift"]).left_with(0).stdout;
    assert!(shown.contains("\nmisfired            1   "), "{shown}");
    assert!(shown.contains(" misfired: Okta 0***g is linked to a***e since 2026-"), "{shown}");
    assert!(shown.contains("; profile O***t was created "), "{shown}");
    let finished = reconcile(&["--output", "json", "--show-values"]).left_with(0);
    let report: Value = serde_json::from_str(&finished.stdout).unwrap();
    let misfire = &report["misfires"][0];
    assert_eq!(
        (&report["misfired"], &report["rows"]["linked"], &report["drift"]),
        (&json!(1), &json!(1), &json!(false))
    );
    let users = [&misfire["destination_username"], &misfire["profile_username"], &misfire["profile_value"]];
    assert_eq!(users, [&json!("alice"), &json!("Okta_00uRight"), &json!("00uRight")], "{report}");
}
