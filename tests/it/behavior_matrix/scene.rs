//! What a seed makes: the pool, the rows, the faults. Every situation that a row can be in, some of them in each case.

use std::collections::BTreeMap;

use cognito_link::clock::UnixMs;
use cognito_link::domain::identity::{AttributeName, Destination, ExternalIdentity, Personal, ProviderName};
use cognito_link::domain::row::{Link, Row};
use cognito_link::engine::testing::{self, row_of};
use cognito_link::engine::{EngineOptions, SettleWith};
use cognito_link::seed::Rng;
use cognito_sim::{
    Account, Behavior, FaultKind, FaultPlan, FaultRule, FaultTrigger, Latency, NewIdentity, NewUser, Operation, Pool,
    PoolSettings, Provider, ProviderKind, Quota, SharedAccount,
};

pub(super) const POOL: &str = "sim-local-1_Matrix";
pub(super) const START: UnixMs = 1_795_000_000_000;
/// A provider that the pool does not have; in some cases it was deleted after the preflight.
pub(super) const DELETED_PROVIDER: &str = "Nowhere";
/// When the profiles of federated users were created.
const LONG_AGO: UnixMs = 1_700_000_000_000;
/// What others linked shortly before the first run.
const BEFORE_START_MS: i64 = 60_000;
/// More calls that link and unlink than a case makes.
const LINK_EVENTS_MAX: usize = 2_000;
/// A valid provider name only where provider names have up to 40 characters.
const LONG_PROVIDER: &str = "CorporateDirectoryOfTheWholeCompany";
/// More attributes than the five by which a provider takes links under one of the behaviors.
const MAPPED: [&str; 7] = ["email", "nickname", "name", "profile", "website", "family_name", "given_name"];

/// Whom a row means.
#[derive(Debug, Clone)]
pub(super) enum MeantUser {
    Named(String),
    /// The user that this identity created, whatever its user name.
    Profile(&'static str, &'static str),
    Nobody,
}

/// An identity as its link names it, also once a sign-in has made the pool show the subject in its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct IdentityKey {
    pub(super) provider: String,
    pub(super) attribute: String,
    pub(super) value: String,
}

impl IdentityKey {
    pub(super) fn of(identity: &ExternalIdentity) -> Self {
        Self {
            provider: identity.provider().as_str().to_owned(),
            attribute: identity.attribute().as_str().to_owned(),
            value: identity.value().expose().to_owned(),
        }
    }
}

/// A row of a case.
#[derive(Clone)]
pub(super) struct MatrixRow {
    /// The situation, to name it in a message.
    pub(super) situation: &'static str,
    pub(super) row: Row,
    pub(super) meant: MeantUser,
}

impl MatrixRow {
    /// The identity as the request names it.
    pub(super) fn identity(&self) -> IdentityKey {
        IdentityKey::of(&self.row.link.source)
    }

    /// The attribute of a link that is not by the subject.
    pub(super) fn attribute(&self) -> Option<&str> {
        let attribute = self.row.link.source.attribute();
        (!attribute.is_subject()).then(|| attribute.as_str())
    }
}

/// The behaviors of a case, and the seed of everything else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MatrixCase {
    pub(super) behaviors: Vec<Behavior>,
    pub(super) seed: u64,
}

impl MatrixCase {
    pub(super) fn behaves(&self, behavior: Behavior) -> bool {
        self.behaviors.contains(&behavior)
    }

    /// Whether more happens than in the other cases: a `link` that follows a killed `undo`, changes by others between a
    /// crash and the rerun, and a provider that is deleted after the preflight.
    pub(super) fn has_extra_events(&self) -> bool {
        self.seed % 4 == 2
    }
}

/// The service and the rows of a case.
pub(super) struct Scene {
    pub(super) account: SharedAccount,
    pub(super) rows: Vec<MatrixRow>,
    pub(super) case_sensitive: bool,
    /// How old a write must be before the reads of this case are sure to show it.
    pub(super) reading_lag_ms: i64,
    /// Whether `link` reads back every call with success.
    pub(super) reads_back: bool,
    settle_with: SettleWith,
    seed: u64,
}

impl Scene {
    pub(super) fn new(case: &MatrixCase) -> Self {
        let mut rng = Rng::new(case.seed).fork("scene");
        let case_sensitive = rng.chance(0.5);
        let clock_skew_ms = one_of(&mut rng, &[0, 0, 7_400, -3_600_000]);
        let settle_with = if rng.chance(0.25) { SettleWith::GetUser } else { SettleWith::ListUsers };
        let settings = PoolSettings {
            alias_attributes: if rng.chance(0.3) { vec!["email".to_owned()] } else { Vec::new() },
            ..PoolSettings::new(POOL).case_sensitive(case_sensitive)
        };
        let mut builder = Builder::new(settings, START + clock_skew_ms - BEFORE_START_MS);
        builder.user("somebody-else");
        builder.add_situations(&mut rng, case);
        let Builder { pool, mut rows, sign_ins, .. } = builder;
        shuffle(&mut rows, &mut rng);
        let rows = rows.into_iter().zip(1..).map(|(row, number)| row.numbered(number)).collect();

        let faults = faults(&mut Rng::new(case.seed).fork("faults"));
        let lag_ms: i64 = one_of(&mut rng, &[0, 0, 300, 4_000]);
        let plan = faults.into_iter().fold(FaultPlan::none(), FaultPlan::with);
        let mut account = Account::new(case.seed)
            .with_link_record(LINK_EVENTS_MAX)
            .with_pool(pool)
            .with_quota(Quota::documented())
            .with_latency(if rng.chance(0.8) { Latency::usual() } else { Latency::between(500, 3_000) })
            .with_faults(plan)
            .with_clock_skew_ms(clock_skew_ms);
        if lag_ms > 0 {
            account = account.with_list_lag_ms(lag_ms.unsigned_abs());
        }
        account = account.with_behaviors(case.behaviors.iter().copied());
        let pool = account.pool_mut(POOL).unwrap();
        for (provider, id) in sign_ins {
            pool.sign_in(LONG_AGO, provider, id).unwrap();
        }
        let account = SharedAccount::new(account);
        let list_lag_ms = if case.behaves(Behavior::ListLag40s) { 40_000 } else { lag_ms };
        let reading_lag_ms = if settle_with == SettleWith::ListUsers { list_lag_ms } else { 0 };
        let reads_back = Rng::new(case.seed).fork("read back").chance(0.5);
        Self { account, rows, case_sensitive, reading_lag_ms, reads_back, settle_with, seed: case.seed }
    }

    pub(super) fn options(&self) -> EngineOptions {
        EngineOptions { settle_with: self.settle_with, reads_back: self.reads_back, ..testing::options(self.seed) }
    }

    /// A user name as the pool compares it.
    pub(super) fn folded(&self, username: &str) -> String {
        if self.case_sensitive { username.to_owned() } else { username.to_lowercase() }
    }
}

/// None for a third of the seeds; else some of each kind, few enough that eight attempts get through.
fn faults(rng: &mut Rng) -> Vec<FaultRule> {
    let mut rules = Vec::new();
    if rng.chance(0.33) {
        return rules;
    }
    let kinds = [
        FaultKind::Throttled,
        FaultKind::Storm { ms: 1_500 },
        FaultKind::ErrorBefore,
        FaultKind::ErrorAfter,
        FaultKind::LostBefore,
        FaultKind::LostAfter,
        FaultKind::ResetAfter,
        FaultKind::HalfWritten,
        FaultKind::Slow { ms: 40_000 },
    ];
    for kind in kinds {
        for operation in [Operation::LinkProvider, Operation::DisableProvider] {
            if rng.chance(0.5) {
                rules.push(FaultRule::new(kind, FaultTrigger::Chance(0.06)).on(operation));
            }
        }
        if rng.chance(0.2) {
            rules.push(FaultRule::new(kind, FaultTrigger::Chance(0.03)).on(Operation::ListUsers));
        }
    }
    rules
}

struct UnnumberedRow {
    situation: &'static str,
    link: Link,
    meant: MeantUser,
}

impl UnnumberedRow {
    fn numbered(self, number: u64) -> MatrixRow {
        let Self { situation, link, meant } = self;
        MatrixRow { situation, row: row_of(POOL, number, link), meant }
    }
}

struct Builder {
    pool: Pool,
    rows: Vec<UnnumberedRow>,
    /// Sign-ins of long ago, which create profiles.
    sign_ins: Vec<(&'static str, &'static str)>,
    case_sensitive: bool,
    shortly_before: UnixMs,
}

impl Builder {
    fn new(settings: PoolSettings, shortly_before: UnixMs) -> Self {
        let case_sensitive = settings.case_sensitive;
        let mut pool = Pool::new(settings);
        let mut okta = Provider::new("Okta", ProviderKind::Oidc, LONG_AGO);
        for attribute in MAPPED {
            okta = okta.mapping(attribute, attribute);
        }
        for provider in [
            Provider::new("Google", ProviderKind::Google, LONG_AGO),
            Provider::new("Facebook", ProviderKind::Facebook, LONG_AGO),
            okta,
            Provider::new("Corp", ProviderKind::Saml, LONG_AGO).mapping("email", "mail"),
            Provider::new(LONG_PROVIDER, ProviderKind::Oidc, LONG_AGO),
        ] {
            pool.add_provider(provider).unwrap();
        }
        Self { pool, rows: Vec::new(), sign_ins: Vec::new(), case_sensitive, shortly_before }
    }

    fn user(&mut self, name: &str) {
        self.add(NewUser::named(name));
    }

    fn add(&mut self, user: NewUser) {
        self.pool.add_user(user).unwrap();
    }

    /// A row to a native user by name, in which a case-insensitive pool finds `name` too.
    fn to(&mut self, situation: &'static str, name: &str, source: (&str, &str, &str)) {
        self.row(situation, username(name), source, MeantUser::Named(name.to_owned()));
    }

    fn row(
        &mut self,
        situation: &'static str,
        destination: Destination,
        (provider, attribute, value): (&str, &str, &str),
        meant: MeantUser,
    ) {
        // A provider name or a value that the program does not take makes no row.
        let Ok(provider) = ProviderName::parse(provider) else { return };
        let attribute =
            if attribute.is_empty() { AttributeName::subject() } else { AttributeName::parse(attribute).unwrap() };
        let Ok(source) = ExternalIdentity::new(provider, attribute, Personal::from_service(value)) else { return };
        self.rows.push(UnnumberedRow { situation, link: Link { destination, source }, meant });
    }

    /// Adds each situation in most cases; a case has about 12 to 40 rows.
    fn add_situations(&mut self, rng: &mut Rng, case: &MatrixCase) {
        let situations: [fn(&mut Self); 14] = [
            Self::plain,
            Self::names_with_capitals,
            Self::names_with_quotes_and_backslashes,
            Self::looked_up,
            Self::federated,
            Self::by_attribute,
            Self::linked_before,
            Self::held_by_others,
            Self::obstacles,
            Self::disabled,
            Self::unknown,
            Self::full,
            Self::two_rows_for_one_user,
            Self::by_alias,
        ];
        for situation in situations {
            if rng.chance(0.65) {
                situation(self);
            }
        }
        if self.rows.is_empty() || case.behaves(Behavior::LimitIsAttributeNames) && rng.chance(0.7) {
            self.many_attributes();
        }
        if case.behaves(Behavior::LengthCountsValueOnly) || rng.chance(0.1) {
            self.too_long();
        }
        if case.behaves(Behavior::ProviderNames40) || rng.chance(0.1) {
            self.user("long-provider");
            self.to("provider with a long name", "long-provider", (LONG_PROVIDER, "", "sub-40"));
        }
    }

    fn plain(&mut self) {
        for (name, source) in [
            ("anna", ("Google", "", "g-anna")),
            ("ben", ("Okta", "", "00uBen")),
            ("chris", ("Corp", "", "chris@corp.example")),
        ] {
            self.user(name);
            self.to("native user by name", name, source);
        }
        let long = format!("a-user-with-a-long-name-{}", "x".repeat(80));
        self.user(&long);
        self.to("long user name", &long, ("Okta", "", &"y".repeat(100)));
    }

    fn names_with_capitals(&mut self) {
        self.user("Bert.Klein");
        self.to("name with capitals", "Bert.Klein", ("Google", "", "g-bert"));
        self.user("DORA");
        let given = if self.case_sensitive { "DORA" } else { "dORa" };
        self.row("name in other case", username(given), ("Okta", "", "00uDora"), MeantUser::Named("DORA".to_owned()));
    }

    fn names_with_quotes_and_backslashes(&mut self) {
        for (name, id) in [(r#"o"neil"#, "1"), (r"dom\erik", "2"), (r#"Dom\\"Eve""#, "3")] {
            self.user(name);
            self.to("name with quote or backslash", name, ("Facebook", "", id));
        }
    }

    fn looked_up(&mut self) {
        let (shown, given) =
            ("Emma@Example.com", if self.case_sensitive { "Emma@Example.com" } else { "emma@example.com" });
        self.add(NewUser::named("Emma-1").with_verified_email(shown));
        let by_email = Destination::Email(Personal::from_service(given));
        self.row("by e-mail", by_email, ("Google", "", "g-emma"), MeantUser::Named("Emma-1".to_owned()));
        let sub = "11111111-2222-4333-8444-555555555555";
        self.add(NewUser { sub: Some(sub.to_owned()), ..NewUser::named("Simon") });
        let by_sub = Destination::Sub(Personal::from_service(sub));
        self.row("by sub", by_sub, ("Google", "", "g-simon"), MeantUser::Named("Simon".to_owned()));
        for name in ["tim", "tom"] {
            self.add(NewUser::named(name).with_verified_email("shared@example.com"));
        }
        let by_shared = Destination::Email(Personal::from_service("shared@example.com"));
        self.row("by an e-mail of two users", by_shared, ("Google", "", "g-shared"), MeantUser::Nobody);
        let by_nobodys = Destination::Email(Personal::from_service("nobody@example.com"));
        self.row("by nobody's e-mail", by_nobodys, ("Google", "", "g-nobodys"), MeantUser::Nobody);
    }

    fn federated(&mut self) {
        for (provider, id, other) in [("Okta", "Fed7x", "g-fed"), ("Corp", "fed8", "g-fed8")] {
            self.sign_ins.push((provider, id));
            let destination = Destination::Federated {
                provider: ProviderName::parse(provider).unwrap(),
                user_id: Personal::from_service(id),
            };
            self.row("federated user", destination, ("Google", "", other), MeantUser::Profile(provider, id));
        }
    }

    fn by_attribute(&mut self) {
        for (name, provider, value) in [
            ("saml-1", "Corp", "saml-1@example.com"),
            ("saml-2", "Corp", "saml-2@example.com"),
            ("oidc-1", "Okta", "oidc-1@example.com"),
            ("oidc-2", "Okta", "oidc-2@example.com"),
        ] {
            self.add(NewUser::named(name).with_verified_email(value));
            self.to("by attribute", name, (provider, "email", value));
        }
    }

    fn linked_before(&mut self) {
        let shortly_before = self.shortly_before;
        for (name, id, created_ms) in
            [("old-1", "g-old-1", LONG_AGO), ("old-2", "g-old-2", LONG_AGO), ("young-1", "g-young-1", shortly_before)]
        {
            let identity = NewIdentity { created_ms, ..NewIdentity::linked("Google", id) };
            self.add(NewUser::named(name).with_identity(identity));
            self.to("linked before", name, ("Google", "", id));
        }
        let by_attribute =
            NewIdentity { attribute: Some("email".to_owned()), ..NewIdentity::linked("Corp", "old-3@example.com") };
        self.add(NewUser::named("old-3").with_identity(by_attribute));
        self.to("linked before by attribute", "old-3", ("Corp", "email", "old-3@example.com"));
        self.add(NewUser::named(r"Old\4").with_identity(NewIdentity::linked("Google", "g-old-4")));
        self.to("linked before, name with backslash", r"Old\4", ("Google", "", "g-old-4"));
    }

    fn held_by_others(&mut self) {
        for (name, holder, id) in [("wants-1", "holds-1", "g-held-1"), ("Wants-2", "Holds-2", "g-held-2")] {
            self.user(name);
            self.add(NewUser::named(holder).with_identity(NewIdentity::linked("Google", id)));
            self.to("identity of another user", name, ("Google", "", id));
        }
    }

    fn obstacles(&mut self) {
        for (name, id) in [("profile-1", "00uHasProfile"), ("Profile-2", "00uAlso")] {
            self.user(name);
            self.sign_ins.push(("Okta", id));
            self.to("identity with a profile", name, ("Okta", "", id));
        }
        self.user("way-1");
        self.user("Google_InTheWay");
        self.to("native user named like the profile", "way-1", ("Google", "", "InTheWay"));
        self.add(NewUser { alias_conflict: true, ..NewUser::named("alias-conflict") });
        self.to("alias conflict", "alias-conflict", ("Google", "", "g-alias"));
        let text = "Something that nobody has seen.".to_owned();
        self.add(NewUser { link_refusal: Some(text), ..NewUser::named("strange") });
        self.to("unknown refusal", "strange", ("Google", "", "g-strange"));
    }

    fn disabled(&mut self) {
        for (name, id) in [("off-1", "g-off-1"), ("Off-2", "g-off-2"), ("off-3", "g-off-3")] {
            self.add(NewUser { enabled: false, ..NewUser::named(name) });
            self.to("disabled user", name, ("Google", "", id));
        }
    }

    fn unknown(&mut self) {
        for (name, id) in [("nobody-1", "g-nobody-1"), ("Nobody-2", "g-nobody-2"), (r"no\body", "g-nobody-3")] {
            self.row("unknown user", username(name), ("Google", "", id), MeantUser::Nobody);
        }
        self.user("lost-1");
        self.to("unknown provider", "lost-1", (DELETED_PROVIDER, "", "x-1"));
        let nowhere = Destination::Federated {
            provider: ProviderName::parse(DELETED_PROVIDER).unwrap(),
            user_id: Personal::from_service("x-3"),
        };
        self.row("federated user of an unknown provider", nowhere, ("Google", "", "g-nowhere"), MeantUser::Nobody);
        self.to("attribute that is not mapped", "lost-1", ("Corp", "nickname", "x-2"));
    }

    fn full(&mut self) {
        let linked = |user: NewUser, count: usize, prefix: &str| {
            (0..count)
                .fold(user, |user, n| user.with_identity(NewIdentity::linked("Facebook", &format!("{prefix}-{n}"))))
        };
        self.add(linked(NewUser::named("full-1"), 5, "full-1"));
        self.to("user with five links", "full-1", ("Google", "", "g-full-1"));
        let own = NewUser::named("Okta_Full2").with_identity(NewIdentity::primary("Okta", "Full2"));
        self.add(linked(own, 4, "full-2"));
        let destination = Destination::Federated {
            provider: ProviderName::parse("Okta").unwrap(),
            user_id: Personal::from_service("Full2"),
        };
        let meant = MeantUser::Profile("Okta", "Full2");
        self.row("user with four links and its own", destination, ("Google", "", "g-full-2"), meant);
        self.add(linked(NewUser::named("nearly-full"), 4, "nearly"));
        for id in ["g-nearly-1", "g-nearly-2"] {
            self.to("user with room for one of two", "nearly-full", ("Google", "", id));
        }
    }

    fn too_long(&mut self) {
        self.user("long-source");
        self.to("source over 128 characters", "long-source", ("Okta", "", &"z".repeat(120)));
    }

    fn two_rows_for_one_user(&mut self) {
        self.user("Twin");
        self.to("first of two rows for a user", "Twin", ("Google", "", "g-twin"));
        self.to("second of two rows for a user", "Twin", ("Okta", "", "00uTwin"));
    }

    /// User names that are nobody's, but somebody's `sub` or verified address.
    fn by_alias(&mut self) {
        let sub = "99999999-2222-4333-8444-555555555555";
        let alias = NewUser::named("alia").with_verified_email("alia@example.com");
        self.add(NewUser { sub: Some(sub.to_owned()), ..alias });
        let meant = MeantUser::Named("alia".to_owned());
        self.row("sub as user name", username(sub), ("Google", "", "g-alia-1"), meant.clone());
        self.row("address as user name", username("alia@example.com"), ("Okta", "", "00uAlia"), meant);
    }

    fn many_attributes(&mut self) {
        for attribute in MAPPED {
            let name = format!("by-{attribute}");
            self.user(&name);
            self.to("one of many attributes", &name, ("Okta", attribute, &format!("value of {attribute}")));
        }
    }
}

fn username(name: &str) -> Destination {
    Destination::Username(Personal::from_service(name))
}

/// The claims of a person who signs in by an attribute link.
pub(super) fn claims(row: &MatrixRow) -> BTreeMap<String, String> {
    let IdentityKey { provider, value, .. } = row.identity();
    let claim = row.attribute().map(|attribute| if provider == "Corp" { "mail" } else { attribute });
    claim.map(|claim| (claim.to_owned(), value)).into_iter().collect()
}

pub(super) fn one_of<T: Copy>(rng: &mut Rng, choices: &[T]) -> T {
    choices[index(rng, choices.len())]
}

fn index(rng: &mut Rng, bound: usize) -> usize {
    usize::try_from(rng.below(bound as u64)).unwrap()
}

fn shuffle<T>(items: &mut [T], rng: &mut Rng) {
    for last in (1..items.len()).rev() {
        items.swap(last, index(rng, last + 1));
    }
}
