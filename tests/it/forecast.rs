//! What a scan predicts is what `link` reaches.
//!
//! Goal: over many random pools and files, every row's verdict is the state that a run ends it in, when nothing else
//! touches the pool. Method: a pool and a file drawn from a seed, the scan and its forecast, then the engine over the
//! same in-process simulator, all under a paused clock. A row that is refused for its letter case alone is linked by a
//! run that has no plan, so the forecast is asked both ways.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cognito_link::clock::{Clock, UnixMs};
use cognito_link::domain::identity::{AttributeName, Destination, ExternalIdentity, Personal, PoolId, ProviderName};
use cognito_link::domain::outcome::RefusalCode as Code;
use cognito_link::domain::row::{Link, Row, RowKey, RowNumber};
use cognito_link::domain::state::RowState;
use cognito_link::engine::testing::{self, EngineRun, RowList, open_ledger};
use cognito_link::engine::{self, EngineOptions, IncomingRow, ServicePorts};
use cognito_link::foresight::destination::PoolNaming;
use cognito_link::foresight::pool_index::RequiredUsersBuilder;
use cognito_link::foresight::pool_index::{PoolIndex, PoolIndexBuilder};
use cognito_link::foresight::prediction::{PredictedOutcome, Prediction, PredictionBasis, PredictionDoubt, Predictor};
use cognito_link::foresight::preflight::{PoolKnowledge, mapped_attributes, preflight};
use cognito_link::foresight::scan::{LookUpFilters, LookUpMethod};
use cognito_link::foresight::scan::{ScanOptions, look_up, scan};
use cognito_link::ledger::storage::MemoryStorage;
use cognito_link::pace::Pace;
use cognito_link::seed::Rng;
use cognito_link::service::in_process::InProcessService;
use cognito_sim::{
    Account, Behavior, Latency, NewIdentity, NewUser, Pool, PoolSettings, Provider, ProviderKind, Quota, SharedAccount,
};

pub(crate) const POOL: &str = "sim-local-1_Forecast";
pub(crate) const START: UnixMs = 1_795_000_000_000;
/// A provider of a social kind, one that maps `email`, one that maps nothing, and one that the pool does not have.
const PROVIDERS: [&str; 4] = ["Google", "Okta", "Entra", "Gone"];
/// Services that differ in what a forecast rests on.
const SERVICES: [&[Behavior]; 4] = [
    &[],
    &[Behavior::OwnIdentityNotCounted],
    &[Behavior::NamesKeepCase],
    &[Behavior::OwnIdentityNotCounted, Behavior::NamesKeepCase],
];
const SEEDS: u64 = 80;
const USERS: u64 = 100;
const ROWS: u64 = 120;

/// A pool and a file that know of each other by chance.
pub(crate) struct Chance {
    rng: Rng,
    case_sensitive: bool,
    /// Links that stand in the pool.
    standing: Vec<(u64, &'static str, String)>,
}

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        let rng = Rng::new(seed).fork("forecast");
        Self { rng, case_sensitive: !seed.is_multiple_of(3), standing: Vec::new() }
    }

    fn one<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.rng.below(choices.len() as u64)).unwrap()]
    }

    /// An id out of few, so that pool and file meet; now and then in other letter case.
    fn id(&mut self) -> String {
        let id = format!("Id{:02}x", self.rng.below(60));
        match self.rng.below(8) {
            0 => id.to_lowercase(),
            1 => id.to_uppercase(),
            _ => id,
        }
    }

    pub(crate) fn pool(&mut self) -> Pool {
        let mut pool = Pool::new(PoolSettings::new(POOL).case_sensitive(self.case_sensitive));
        pool.add_provider(Provider::new("Google", ProviderKind::Google, 0)).unwrap();
        pool.add_provider(Provider::new("Okta", ProviderKind::Oidc, 0).mapping("email", "mail")).unwrap();
        pool.add_provider(Provider::new("Entra", ProviderKind::Saml, 0)).unwrap();
        for number in 0..USERS {
            let user = self.user(number);
            // What cannot be, such as an identity on two users, is left out.
            let _ = pool.add_user(user);
        }
        pool
    }

    /// `User-N`, the profile of a federated one, or a native one of such a name.
    fn user(&mut self, number: u64) -> NewUser {
        let (provider, id) = (self.one(&PROVIDERS[..3]), self.id());
        let profile = || NewUser::named(&format!("{provider}_{id}"));
        let mut user = match self.rng.below(10) {
            0 | 1 => profile().with_email(&self.email()).with_identity(NewIdentity::primary(provider, &id)),
            2 => profile(),
            _ if number % 4 == 2 => NewUser::named(&format!("User-{number}")).with_email(&self.email()),
            _ => NewUser::named(&format!("User-{number}")),
        };
        user.sub = Some(sub_of(number));
        for _ in 0..self.one(&[0, 0, 0, 1, 2, 4, 5]) {
            let (provider, id) = (self.one(&PROVIDERS[..3]), self.id());
            let new = NewIdentity::linked(provider, &id);
            if !user.identities.iter().any(|held| held.provider == new.provider && held.user_id == new.user_id) {
                user = user.with_identity(new);
                self.standing.push((number, provider, id));
            }
        }
        user
    }

    /// An address in the pool, in either case.
    fn email(&mut self) -> String {
        let email = format!("Person{}@example.com", self.rng.below(25));
        if self.rng.chance(0.3) { email.to_lowercase() } else { email }
    }

    /// A file whose rows give an identity to one destination each, as the checks of an input see to. It names each user in
    /// one way: rows that name one user in two ways are worked on in the order in which they are looked up.
    pub(crate) fn file(&mut self) -> Vec<Row> {
        let mut owners: BTreeMap<(ProviderName, String), Destination> = BTreeMap::new();
        let mut rows: Vec<Row> = Vec::new();
        for number in 1..=ROWS {
            let link = if rows.is_empty() || self.rng.chance(0.95) {
                self.link()
            } else {
                rows[usize::try_from(self.rng.below(rows.len() as u64)).unwrap()].link.clone()
            };
            let identity = (link.source.provider().clone(), link.source.value().expose().to_owned());
            let owner = owners.entry(identity).or_insert_with(|| link.destination.clone());
            if *owner == link.destination {
                let key = RowKey::of(&PoolId::parse(POOL).unwrap(), &link);
                rows.push(Row { number: RowNumber(number), link, key });
            }
        }
        rows
    }

    fn link(&mut self) -> Link {
        let mut destination = self.destination();
        let mut provider = self.one(&["Google", "Okta", "Okta", "Entra", "Entra", "Gone"]);
        let mut id = self.id();
        if self.rng.chance(0.1) {
            let standing = &self.standing[usize::try_from(self.rng.below(self.standing.len() as u64)).unwrap()];
            (provider, id) = (standing.1, standing.2.clone());
            destination = named(standing.0).unwrap_or(destination);
        }
        let attribute = if provider == "Google" || self.rng.chance(0.85) { "Cognito_Subject" } else { "email" };
        let source = ExternalIdentity::new(
            ProviderName::parse(provider).unwrap(),
            AttributeName::parse(attribute).unwrap(),
            Personal::from_service(&id),
        );
        Link { destination, source: source.unwrap() }
    }

    fn destination(&mut self) -> Destination {
        let number = self.rng.below(USERS + 4);
        match named(number) {
            _ if number.is_multiple_of(4) && self.rng.chance(0.2) => {
                Destination::Username(Personal::from_service(&format!("Okta_{}", self.id())))
            }
            Some(_) if number % 4 == 1 && self.rng.chance(0.1) => {
                Destination::Username(Personal::from_service(&format!("user-{number}")))
            }
            Some(destination) => destination,
            None if self.rng.chance(0.4) => Destination::Federated {
                provider: ProviderName::parse(self.one(&["Google", "Entra", "Entra", "Gone"])).unwrap(),
                user_id: Personal::from_service(&self.id()),
            },
            None => Destination::Email(Personal::from_service(&format!("Person{}@example.com", number % 25))),
        }
    }
}

/// The way in which a file names a user; one in four is left to its address.
fn named(number: u64) -> Option<Destination> {
    match number % 4 {
        0 | 1 => Some(Destination::Username(Personal::from_service(&format!("User-{number}")))),
        3 => Some(Destination::Sub(Personal::from_service(&sub_of(number)))),
        _ => None,
    }
}

fn sub_of(number: u64) -> String {
    format!("{:x}0000000-0000-4000-8000-{number:012x}", number % 16)
}

/// What was predicted of a file.
struct FilePredictions {
    /// What a run without a plan reaches.
    without_plan: Vec<Prediction>,
    /// What a plan says.
    by_plan: Vec<Prediction>,
    /// Each row as if it were the only one, by a scan and by filters.
    alone: Vec<(PredictedOutcome, Prediction)>,
}

struct Pooled<'a> {
    service: &'a Arc<InProcessService>,
    clock: Clock,
    knowledge: PoolKnowledge,
}

impl Pooled<'_> {
    /// What a scan or filters find of the pool.
    async fn index(&self, rows: &[Row], filters: bool) -> PoolIndex {
        let mut wanted = RequiredUsersBuilder::default();
        for row in rows {
            wanted.add(&row.link);
        }
        let case_sensitive = self.knowledge.facts.case_sensitive;
        let mut builder = PoolIndexBuilder::new(wanted.build(), case_sensitive);
        let options = ScanOptions { reads: Pace::at(24.0), seed: 1 };
        let mut take = |users| {
            builder.add_users(users);
            Ok(())
        };
        if filters {
            let mut questions = LookUpFilters::new(PoolNaming::from(&self.knowledge.facts));
            let mut waiting: Vec<_> = rows.iter().flat_map(|row| questions.filters_for(&row.link)).collect();
            let mut next = || Ok(waiting.pop());
            look_up(self.service.clone(), options, self.clock, &mut next, &mut take).await.unwrap();
        } else {
            scan(self.service.clone(), options, self.clock, &mut take).await.unwrap();
        }
        builder.build()
    }

    async fn predict(&self, rows: &[Row]) -> FilePredictions {
        let (by_scan, by_filters) = (self.index(rows, false).await, self.index(rows, true).await);
        let providers: BTreeSet<ProviderName> = self.knowledge.providers.keys().cloned().collect();
        let mapped = mapped_attributes(self.service.as_ref(), self.clock, &mut Rng::new(1), &providers).await.unwrap();
        let forecaster = |index, case_differs_allowed, look_up| {
            Predictor::new(PredictionBasis {
                index,
                pool: &self.knowledge,
                mapped: mapped.clone(),
                case_differs_allowed,
                look_up,
                has_cut_look_ups: false,
            })
        };
        let all = |case_differs_allowed| {
            let mut forecaster = forecaster(&by_scan, case_differs_allowed, LookUpMethod::Scan);
            rows.iter().map(|row| forecaster.predict(row.key, &row.link, None)).collect()
        };
        let alone = |index, row: &Row, look_up| forecaster(index, false, look_up).predict(row.key, &row.link, None);
        let alone = rows.iter().map(|row| {
            (alone(&by_scan, row, LookUpMethod::Scan).outcome, alone(&by_filters, row, LookUpMethod::Filter))
        });
        let alone = alone.collect();
        FilePredictions { without_plan: all(true), by_plan: all(false), alone }
    }
}

pub(crate) fn options(seed: u64, rows: u64) -> EngineOptions {
    EngineOptions { attempts_max: 5, total: Some(rows), ..testing::options(seed) }
}

/// What a run reaches for each row, and how many rows a plan was wrong about.
async fn reach(
    pooled: &Pooled<'_>,
    seed: u64,
    rows: Vec<IncomingRow>,
    keys: &[RowKey],
) -> (Vec<RowState>, Option<u64>) {
    let (disk, services) = (MemoryStorage::default(), ServicePorts::linking(pooled.service.clone()));
    let options = options(seed, rows.len() as u64);
    let source = RowList::new(rows).in_batches_of(20);
    let report = EngineRun::new(&disk, POOL, services, pooled.clock).source(source).options(options).run().await;
    assert_eq!(report.counts.balance(), Ok(()), "seed {seed}");
    let ledger = open_ledger(&disk, POOL, pooled.clock);
    (keys.iter().map(|key| ledger.state(*key)).collect(), report.missed)
}

/// A row as a plan sends it on.
fn planned(row: &Row, forecast: &Prediction) -> IncomingRow {
    let predicted = match forecast.outcome {
        PredictedOutcome::Link => engine::PlannedOutcome::Link(forecast.user.clone()),
        PredictedOutcome::AlreadyLinked => engine::PlannedOutcome::AlreadyLinked,
        PredictedOutcome::Refused(code) => engine::PlannedOutcome::Refused(code),
    };
    IncomingRow::Planned(row.clone(), predicted)
}

/// One seed: the file's rows, what was predicted, and what was reached, by a plan or without one.
fn one(seed: u64, behaviors: &[Behavior], by_plan: bool) -> (Vec<Row>, FilePredictions, Vec<RowState>) {
    let mut chance = Chance::new(seed);
    let (pool, rows) = (chance.pool(), chance.file());
    let world = Account::new(seed).with_pool(pool).with_latency(Latency::usual()).with_quota(Quota::documented());
    let world = world.with_behaviors(behaviors.iter().copied());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let clock = Clock::starting_at(START);
        let service = InProcessService::sharing(SharedAccount::new(world), clock, POOL);
        let knowledge = preflight(service.as_ref(), clock, &mut Rng::new(seed)).await.unwrap();
        let pooled = Pooled { service: &service, clock, knowledge };
        let predicted = pooled.predict(&rows).await;
        let keys: Vec<RowKey> = rows.iter().map(|row| row.key).collect();
        let feed = if by_plan {
            rows.iter().zip(&predicted.by_plan).map(|(row, forecast)| planned(row, forecast)).collect()
        } else {
            rows.iter().cloned().map(IncomingRow::Row).collect()
        };
        let (reached, missed) = reach(&pooled, seed, feed, &keys).await;
        // A repeat of a row is not attempted again.
        let not_linked: BTreeSet<RowKey> = (keys.iter().zip(&predicted.by_plan).zip(&reached))
            .filter(|((_, forecast), state)| {
                forecast.outcome == PredictedOutcome::Link && forecast.doubt.is_some() && **state != RowState::Linked
            })
            .map(|((key, _), _)| *key)
            .collect();
        assert_eq!(missed, by_plan.then_some(not_linked.len() as u64), "seed {seed}");
        (rows, predicted, reached)
    })
}

/// Whether a row ended as it was predicted. A forecast knows the whole pool by a scan, and a run only what it looks at, so
/// some rows end less certain.
fn is_as_predicted(row: &Row, behaviors: &[Behavior], forecast: &Prediction, reached: RowState) -> bool {
    use PredictedOutcome::{AlreadyLinked, Refused};
    let (verdict, doubt) = (forecast.outcome, forecast.doubt);
    let is_by_attribute = !row.link.source.attribute().is_subject();
    match (verdict, reached) {
        _ if verdict.state() == reached => true,
        // Only its time says whether a link is ours or stood before, and an earlier row has made this one a moment ago.
        (AlreadyLinked, RowState::Linked) => true,
        // The service says that somebody has the identity, or the user is not seen; and a pool may not show a link by an
        // attribute. So the destination itself may have it.
        (
            Refused(
                Code::LinkedElsewhere | Code::IdentityHasProfile | Code::NativeUserInTheWay | Code::AttributeNotMapped,
            ),
            RowState::InDoubt,
        ) if is_by_attribute => true,
        // A pool that folds names and shows them as they were given: a filter finds neither a native user nor a destination
        // in a third spelling, and a destination that is not seen may have the identity.
        (Refused(Code::NativeUserInTheWay), RowState::Refused(Code::LinkedElsewhere)) => {
            behaviors.contains(&Behavior::NamesKeepCase)
        }
        (Refused(Code::NativeUserInTheWay | Code::LinkedElsewhere), RowState::InDoubt) => {
            let shown = forecast.user.as_ref().map(|user| &user.value);
            behaviors.contains(&Behavior::NamesKeepCase)
                && matches!(&row.link.destination, Destination::Username(given) if shown != Some(given))
        }
        (PredictedOutcome::Link, RowState::Refused(code)) => doubt.is_some_and(|doubt| doubt.code() == code),
        (PredictedOutcome::Link, RowState::AlreadyLinked) => doubt == Some(PredictionDoubt::EarlierRowInDoubt),
        _ => false,
    }
}

/// What the service of this seed does.
fn behaviors_of(seed: u64) -> &'static [Behavior] {
    SERVICES[usize::try_from(seed % 4).unwrap()]
}

#[test]
fn the_verdict_is_what_link_reaches() {
    let mut seen: BTreeMap<PredictedOutcome, u32> = BTreeMap::new();
    for seed in 1..=SEEDS {
        let (rows, predicted, reached) = one(seed, behaviors_of(seed), false);
        for ((row, forecast), state) in rows.iter().zip(&predicted.without_plan).zip(&reached) {
            let what = (row.number.0, row.link.destination.kind());
            let is_same = is_as_predicted(row, behaviors_of(seed), forecast, *state);
            assert!(is_same, "seed {seed}, row {what:?}: {forecast:?}, and {state:?}");
        }
        for forecast in predicted.by_plan {
            *seen.entry(forecast.outcome).or_default() += 1;
        }
    }
    let refusals = [
        Code::UserNotFound,
        Code::UserAmbiguous,
        Code::IdentityHasProfile,
        Code::LinkedElsewhere,
        Code::TooManyIdentities,
        Code::ProviderNotFound,
        Code::AttributeNotMapped,
        Code::NativeUserInTheWay,
        Code::CaseDiffers,
    ];
    let wanted = refusals
        .map(PredictedOutcome::Refused)
        .into_iter()
        .chain([PredictedOutcome::Link, PredictedOutcome::AlreadyLinked]);
    for verdict in wanted {
        assert!(seen.get(&verdict).is_some_and(|times| *times >= 20), "{verdict:?} hardly occurs: {seen:?}");
    }
}

#[test]
fn a_plan_ends_every_row_as_it_says_and_misses_none() {
    for seed in 1..=SEEDS / 2 {
        let (rows, predicted, reached) = one(seed, behaviors_of(seed), true);
        for ((row, forecast), state) in rows.iter().zip(&predicted.by_plan).zip(&reached) {
            let is_doubtful = forecast.outcome == PredictedOutcome::Link && forecast.doubt.is_some();
            let is_same = forecast.outcome.state() == *state
                || is_doubtful && is_as_predicted(row, behaviors_of(seed), forecast, *state);
            assert!(is_same, "seed {seed}, row {}: {forecast:?}, and {state:?}", row.number);
        }
    }
}

#[test]
#[expect(clippy::match_same_arms, reason = "a reason an arm")]
fn filters_are_blind_only_for_identities_on_others() {
    use PredictedOutcome::{Link, Refused};
    for seed in 1..=SEEDS / 2 {
        let (rows, predicted, _) = one(seed, behaviors_of(seed), true);
        for (row, (by_scan, by_filters)) in rows.iter().zip(&predicted.alone) {
            let is_explained = match (*by_scan, by_filters.outcome) {
                (by_scan, by_filters) if by_scan == by_filters => true,
                // Who holds the identity is not seen, and the row goes on to the other checks.
                (
                    Refused(Code::LinkedElsewhere),
                    Link | Refused(Code::CaseDiffers | Code::NativeUserInTheWay | Code::TooManyIdentities),
                )
                | (Refused(Code::CaseDiffers), Link | Refused(Code::TooManyIdentities)) => true,
                // Filters do not prove that there is no such user.
                (Refused(Code::UserNotFound), Link) => by_filters.doubt == Some(PredictionDoubt::UserNotSeen),
                (
                    Refused(Code::UserNotFound),
                    Refused(Code::IdentityHasProfile | Code::NativeUserInTheWay | Code::CaseDiffers),
                ) => true,
                _ => false,
            };
            assert!(is_explained, "seed {seed}, row {}: {by_scan:?}, {by_filters:?}", row.number);
        }
    }
}
