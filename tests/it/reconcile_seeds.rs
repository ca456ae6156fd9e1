//! Over many random pools and files: the standings are what a look at every user says, and what is missing is made.
//!
//! Goal: linked, moved and extra rows are exactly those of the pool; after a run, also one that crashed and was repeated,
//! what was missing is linked, nothing else has changed, and a second run has nothing to do. Method: the pools and files of
//! the forecast's test, compared and applied over the in-process simulator under a paused clock.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use cognito_link::clock::Clock;
use cognito_link::commands::reconcile::{ComparedItem, Comparison, PickedRows, ReconcileInput, reopen_rows};
use cognito_link::commands::shared::choices::Choices;
use cognito_link::commands::shared::run::{run_engine, run_start};
use cognito_link::domain::drift::{DriftCounts, DriftStatus};
use cognito_link::domain::event::IgnoreEvents;
use cognito_link::domain::finding::FindingCode;
use cognito_link::domain::identity::{Destination, PoolId};
use cognito_link::domain::outcome::RefusalCode;
use cognito_link::domain::row::Row;
use cognito_link::domain::state::RetryChoice;
use cognito_link::engine::{RunContext, ServicePorts, WritePort};
use cognito_link::foresight::preflight::{PoolKnowledge, mapped_attributes, preflight};
use cognito_link::foresight::scan::ScanOptions;
use cognito_link::foresight::trust::TrustPolicy;
use cognito_link::input::{InputOptions, InputSource};
use cognito_link::ledger::Corrections;
use cognito_link::ledger::record::RunId;
use cognito_link::ledger::storage::MemoryStorage;
use cognito_link::ledger::{Binding, Ledger};
use cognito_link::pace::Pace;
use cognito_link::seed::Rng;
use cognito_link::service::in_process::InProcessService;
use cognito_link::service::{PoolUser, UserDirectory as _, UserQuery};
use cognito_sim::{Account, Behavior, Latency, Quota, SharedAccount};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use crate::forecast::{Chance, POOL, START, options};

const SEEDS: u64 = 24;
/// Seeds of each behavior alone.
const BEHAVIOR_SEEDS: u64 = 4;

/// A link of the pool: provider, value, and who holds it.
type Links = BTreeMap<(String, String), (PoolUser, bool)>;

struct Scene {
    service: Arc<InProcessService>,
    clock: Clock,
    knowledge: PoolKnowledge,
    task: ReconcileInput,
    rows: Vec<Row>,
    disk: MemoryStorage,
    seed: u64,
}

/// What a comparison told: a standing for each row, and the extra links as provider and value.
struct Told {
    standings: Vec<DriftStatus>,
    extras: BTreeSet<(String, String)>,
    counts: DriftCounts,
    comparison: Comparison,
}

fn file(rows: &[Row]) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
    for row in rows {
        let (destination, source) = (&row.link.destination, &row.link.source);
        let mut members = Map::new();
        let name = match destination {
            Destination::Username(_) | Destination::Federated { .. } => "destination_username",
            Destination::Email(_) => "destination_email",
            Destination::Sub(_) => "destination_sub",
            Destination::Phone(_) => "destination_phone",
            Destination::PreferredUsername(_) => "destination_preferred_username",
        };
        members.insert(name.to_owned(), destination.value().expose().into());
        if let Destination::Federated { provider, .. } = destination {
            members.insert("destination_provider".to_owned(), provider.as_str().into());
        }
        let text = [source.provider().as_str(), source.attribute().as_str(), source.value().expose()];
        for (name, text) in ["source_provider", "source_attribute", "source_value"].into_iter().zip(text) {
            members.insert(name.to_owned(), text.into());
        }
        writeln!(file, "{}", Value::Object(members)).unwrap();
    }
    file
}

impl Scene {
    async fn set(seed: u64, file: &tempfile::NamedTempFile, rows: Vec<Row>, world: Account) -> Self {
        let clock = Clock::starting_at(START);
        let service = InProcessService::sharing(SharedAccount::new(world), clock, POOL);
        let knowledge = preflight(service.as_ref(), clock, &mut Rng::new(seed)).await.unwrap();
        let task = ReconcileInput {
            source: InputSource::open(file.path()).unwrap(),
            // The ids are those of no provider.
            options: InputOptions { allow: vec![FindingCode::UnlikeProvider], ..InputOptions::default() },
            binding: Binding::new(PoolId::parse(POOL).unwrap(), true, None),
            providers: BTreeSet::new(),
            retry: RetryChoice::NOTHING,
            trust: TrustPolicy::Verified,
            choices: Choices::default(),
        };
        Self { service, clock, knowledge, task, rows, disk: MemoryStorage::default(), seed }
    }

    /// Every identity of the pool by a plain walk over its pages, with whether it is a profile's own.
    async fn links(&self) -> Links {
        let (mut links, mut token) = (Links::new(), None);
        loop {
            let query = UserQuery { filter: None, limit: Some(60), token };
            let Ok(page) = self.service.list_users(query).await else {
                tokio::time::sleep(Duration::from_secs(1)).await;
                token = None;
                continue;
            };
            for user in page.value.users {
                for held in &user.identities {
                    let key = (held.provider_name.clone(), held.user_id.expose().to_owned());
                    links.insert(key, (user.clone(), held.primary));
                }
            }
            token = page.value.next_token;
            if token.is_none() {
                return links;
            }
        }
    }

    async fn compare(&self, ledger: Option<&Ledger>) -> Told {
        let mut file = self.task.read_file(&mut IgnoreEvents).unwrap();
        let there = file.by_attribute.iter().filter(|name| self.knowledge.providers.contains_key(*name)).cloned();
        let mapped = mapped_attributes(self.service.as_ref(), self.clock, &mut Rng::new(self.seed), &there.collect())
            .await
            .unwrap();
        let scan = ScanOptions { reads: Pace::at(24.0), seed: self.seed };
        let directory = self.service.clone();
        let mut side = self
            .task
            .scan_pool(&mut file, directory, &self.knowledge, scan, self.clock, &mut IgnoreEvents)
            .await
            .unwrap();
        let (mut standings, mut extras) = (Vec::new(), BTreeSet::new());
        let mut tell = |compared: ComparedItem<'_>| {
            match compared {
                ComparedItem::Row(line) => standings.push(line.standing),
                ComparedItem::Extra(extra) => {
                    extras.insert((extra.provider.clone(), extra.value.expose().to_owned()));
                }
                ComparedItem::Misfire(misfire) => assert!(misfire.linked_unix_ms < misfire.profile_created_unix_ms),
            }
            Ok(())
        };
        let comparison =
            self.task.compare(&file, &mut side, &self.knowledge, mapped, ledger.map(Ledger::view), &mut tell).unwrap();
        Told { standings, extras, counts: comparison.counts.clone(), comparison }
    }

    /// One run of `--apply`; `None` where it was cut short after so long.
    async fn apply(&mut self, cut_after: Option<Duration>) -> Option<(Told, bool)> {
        let binding = self.task.binding.clone();
        let (mut ledger, _) = Ledger::on_storage(Box::new(self.disk.clone()), &binding, self.clock.unix_ms()).unwrap();
        let mut told = self.compare(Some(&ledger)).await;
        if told.comparison.to_process() == 0 {
            return Some((told, false));
        }
        let mut comparison = std::mem::take(&mut told.comparison);
        reopen_rows(&mut comparison, &mut ledger, self.clock.unix_ms()).unwrap();
        let mut engine = options(self.seed, self.rows.len() as u64);
        engine.retry = RetryChoice::EVERYTHING;
        let mut rows = PickedRows::open(&self.task, comparison).unwrap();
        let run = RunId(self.seed);
        let start = run_start(run, "reconcile", "pairs.jsonl", None, None, None, self.clock);
        let context = RunContext {
            pool: binding.pool,
            simulated: binding.simulated,
            knowledge: &self.knowledge,
            services: ServicePorts { directory: self.service.clone(), writer: WritePort::Links(self.service.clone()) },
            ledger: &mut ledger,
            run,
            options: engine,
            later_limits: None,
            control: None,
            clock: self.clock,
            observer: &mut IgnoreEvents,
            undo_observer: None,
        };
        let (_signal, mut signals) = mpsc::channel(2);
        let corrections = Corrections::default();
        let working = run_engine(context, &start, &corrections, &mut rows, &mut signals);
        match cut_after {
            None => assert!(working.await.is_ok(), "seed {}", self.seed),
            Some(cut_after) => {
                // What is not synced is lost with the process and the machine under it.
                let done = tokio::time::timeout(cut_after, working).await.is_ok();
                self.disk = self.disk.after_crash(7);
                if !done {
                    return None;
                }
            }
        }
        Some((told, true))
    }
}

/// The standing of a row as a look at every user tells it, where that alone tells it.
fn plainly(row: &Row, links: &Links, case_sensitive: bool) -> Option<DriftStatus> {
    let source = &row.link.source;
    let (holder, own) = links.get(&(source.provider().to_string(), source.value().expose().to_owned()))?;
    let is_meant = match &row.link.destination {
        Destination::Sub(sub) => holder.sub.as_ref() == Some(sub),
        Destination::Username(name) if case_sensitive => holder.username == *name,
        Destination::Username(name) => holder.username.expose().to_lowercase() == name.expose().to_lowercase(),
        _ => return None,
    };
    match (own, is_meant) {
        (false, true) => Some(DriftStatus::Linked),
        (true, _) => Some(DriftStatus::Blocked(RefusalCode::IdentityHasProfile)),
        (false, false) => Some(DriftStatus::Moved),
    }
}

fn check_standings(scene: &Scene, told: &Told, links: &Links) {
    assert_eq!(told.standings.len(), scene.rows.len(), "seed {}", scene.seed);
    let held = |row: &Row| {
        let source = &row.link.source;
        links.get(&(source.provider().to_string(), source.value().expose().to_owned()))
    };
    for (row, standing) in scene.rows.iter().zip(&told.standings) {
        let what = format!("seed {}, row {}: {standing:?}", scene.seed, row.number);
        // Other reasons may come first: nobody of that name, or an attribute that is not mapped.
        let earlier = matches!(
            standing,
            DriftStatus::Blocked(
                RefusalCode::UserNotFound
                    | RefusalCode::AttributeNotMapped
                    | RefusalCode::UserAmbiguous
                    | RefusalCode::ProviderNotFound
            ) | DriftStatus::Invalid
        );
        if let Some(expected) = plainly(row, links, scene.knowledge.facts.case_sensitive) {
            assert!(earlier || *standing == expected, "{what}, and {expected:?} was expected");
        }
        match standing {
            DriftStatus::Missing => assert!(held(row).is_none(), "{what}"),
            DriftStatus::Unverifiable => {
                assert!(held(row).is_none() && !row.link.source.attribute().is_subject(), "{what}");
            }
            DriftStatus::Linked | DriftStatus::Moved => assert!(held(row).is_some_and(|(_, own)| !own), "{what}"),
            _ => {}
        }
    }
    let scope: BTreeSet<&str> = scene.rows.iter().map(|row| row.link.source.provider().as_str()).collect();
    let named: BTreeSet<(String, String)> = scene.rows.iter().map(identity).collect();
    let only_there =
        links.iter().filter(|(key, (_, own))| !own && scope.contains(key.0.as_str()) && !named.contains(key));
    assert_eq!(told.extras, only_there.map(|(key, _)| key.clone()).collect(), "seed {}", scene.seed);
}

fn identity(row: &Row) -> (String, String) {
    (row.link.source.provider().to_string(), row.link.source.value().expose().to_owned())
}

/// One seed, cut short a few times on the way where it is an odd one; the numbers of the first comparison.
async fn one(
    seed: u64,
    file: &tempfile::NamedTempFile,
    rows: Vec<Row>,
    world: Account,
    behaviors: &[Behavior],
) -> DriftCounts {
    let hides_attribute_links = behaviors.contains(&Behavior::AttributeLinksHidden);
    let mut scene = Scene::set(seed, file, rows, world.with_behaviors(behaviors.iter().copied())).await;
    let before = scene.links().await;
    let first = scene.compare(None).await;
    check_standings(&scene, &first, &before);
    let writes = |scene: &Scene| scene.service.account.stats().links_made;
    assert_eq!(writes(&scene), 0, "a comparison writes nothing");
    let cuts = if seed % 2 == 1 { vec![Some(Duration::from_millis(700 + seed * 37)); 2] } else { Vec::new() };
    for cut in cuts.into_iter().chain([None]) {
        scene.apply(cut).await;
    }
    assert_eq!(writes(&scene), first.counts.changes, "seed {seed}: each missing link is made once");
    // Lists lag behind; a minute later they do not.
    tokio::time::sleep(Duration::from_mins(2)).await;
    let after = scene.links().await;
    let (second, worked) = scene.apply(None).await.unwrap();
    assert!(!worked, "seed {seed}: nothing is left to do");
    check_standings(&scene, &second, &after);
    // Links by an attribute may not show when they are made; then nothing is made of that.
    let linked = first.counts.linked + first.counts.missing + first.counts.unverifiable;
    assert_eq!(second.counts.linked + second.counts.unverifiable, linked, "seed {seed}");
    assert_eq!(second.counts.unverifiable > 0, hides_attribute_links && first.counts.unverifiable > 0, "seed {seed}");
    assert_eq!((second.counts.missing, &second.extras), (0, &first.extras), "seed {seed}");
    assert_eq!((second.counts.moved, second.counts.blocked), (first.counts.moved, first.counts.blocked), "seed {seed}");
    let kept = before.iter().all(|(key, (user, own))| {
        after.get(key).is_some_and(|(now, now_own)| now.username == user.username && now_own == own)
    });
    assert!(kept, "seed {seed}: nothing that stood is gone or moved");
    first.counts
}

#[test]
fn standings_are_those_of_the_pool_and_missing_links_are_made() {
    let mut sum = json!({});
    for seed in 1..=SEEDS {
        let mut chance = Chance::new(seed);
        let (pool, rows) = (chance.pool(), chance.file());
        let world = Account::new(seed).with_pool(pool).with_latency(Latency::usual()).with_quota(Quota::documented());
        let file = file(&rows);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let behaviors: &[Behavior] = if seed % 4 == 2 { &[Behavior::AttributeLinksHidden] } else { &[] };
        let counts = runtime.block_on(one(seed, &file, rows, world, behaviors));
        for (name, number) in [
            ("linked", counts.linked),
            ("missing", counts.missing),
            ("moved", counts.moved),
            ("blocked", counts.blocked),
            ("unverifiable", counts.unverifiable),
            ("extra", counts.extra),
        ] {
            sum[name] = json!(sum[name].as_u64().unwrap_or(0) + number);
        }
    }
    let often = |name: &str| sum[name].as_u64() > Some(SEEDS);
    assert!(["linked", "missing", "moved", "blocked", "extra"].into_iter().all(often), "all of them occur: {sum}");
}

/// One seed under some behaviors: what is said of each row, and what a run changes.
///
/// Returns how many links were made, of how many that were missing.
async fn one_of_a_service(seed: u64, file: &tempfile::NamedTempFile, rows: Vec<Row>, world: Account) -> (u64, u64) {
    let mut scene = Scene::set(seed, file, rows, world).await;
    let before = scene.links().await;
    let first = scene.compare(None).await;
    check_standings(&scene, &first, &before);
    if seed % 2 == 1 {
        scene.apply(Some(Duration::from_millis(700 + seed * 37))).await;
    }
    scene.apply(None).await;
    // Lists lag behind; a minute later they do not. A row in doubt is settled then.
    tokio::time::sleep(Duration::from_mins(2)).await;
    scene.apply(None).await;
    tokio::time::sleep(Duration::from_mins(2)).await;
    let after = scene.links().await;
    let second = scene.compare(None).await;
    check_standings(&scene, &second, &after);
    for ((row, first), second) in scene.rows.iter().zip(&first.standings).zip(&second.standings) {
        use DriftStatus::{Blocked, Linked, Missing, Unverifiable};
        // The service may refuse it, such as for a user who is disabled, or another row has its identity in other case.
        let is_explained = matches!(second, Linked | Missing | Unverifiable | Blocked(RefusalCode::CaseDiffers));
        assert!(*first != Missing || is_explained, "row {}: {second:?}", row.number);
        assert!(*first != Linked || *second == Linked, "row {}: {second:?}", row.number);
    }
    let made = scene.service.account.stats().links_made;
    assert!(made + second.counts.missing <= first.counts.changes, "{made} of {}", first.counts.changes);
    assert_eq!(second.extras, first.extras);
    let is_kept = |(key, (user, own)): (&(String, String), &(PoolUser, bool))| {
        after.get(key).is_some_and(|(now, now_own)| now.username == user.username && now_own == own)
    };
    assert!(before.iter().all(is_kept), "nothing that stood is gone or moved");
    (made, first.counts.changes)
}

/// Every behavior over a few seeds, and every pair over one.
fn sets_of_behaviors() -> impl Iterator<Item = (Vec<Behavior>, u64)> {
    let all = Behavior::ALL;
    let alone = all.iter().flat_map(|behavior| (1..=BEHAVIOR_SEEDS).map(move |seed| (vec![*behavior], seed)));
    let pairs = all.iter().enumerate().flat_map(|(at, first)| all[at + 1..].iter().map(|second| vec![*first, *second]));
    alone.chain(pairs.zip(BEHAVIOR_SEEDS + 1..))
}

#[test]
fn a_comparison_is_true_whatever_the_service_does() {
    let (mut failed, mut links) = (Vec::new(), (0, 0));
    for (behaviors, seed) in sets_of_behaviors() {
        let mut chance = Chance::new(seed);
        let (pool, rows) = (chance.pool(), chance.file());
        let world = Account::new(seed).with_pool(pool).with_latency(Latency::usual()).with_quota(Quota::documented());
        let world = world.with_behaviors(behaviors.iter().copied());
        let file = file(&rows);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let played = AssertUnwindSafe(|| runtime.block_on(one_of_a_service(seed, &file, rows, world)));
        match catch_unwind(played) {
            Ok((made, wanted)) => links = (links.0 + made, links.1 + wanted),
            Err(panic) => {
                let names: Vec<&str> = behaviors.iter().map(|behavior| behavior.name()).collect();
                let text = panic.downcast_ref::<String>().cloned();
                let text =
                    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default();
                failed.push(format!("{} with seed {seed}: {text}", names.join("+")));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
    let (made, wanted) = links;
    assert!(made * 100 >= wanted * 95, "{made} of {wanted}");
}
