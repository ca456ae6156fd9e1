//! Inputs that are edited between runs, in virtual time over many seeds, with kills, drains and undos.
//!
//! Goal: at any moment the ledger and the pool agree, and each row of an input has exactly one current state; once the
//! runs are let through, no row is open and no wrong link is left. Method: two inputs of one ledger, of which the second
//! corrects rows of the first, with or without the key of the row that it corrects.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cognito_link::clock::{Clock, UnixMs};
use cognito_link::domain::identity::{AttributeName, Destination, ExternalIdentity, Personal, ProviderName};
use cognito_link::domain::row::{Link, Row, RowKey};
use cognito_link::domain::run::{RunReport, Signal};
use cognito_link::domain::state::{RetryChoice, RowState};
use cognito_link::engine::testing::{self, EngineRun, open_ledger, row_of};
use cognito_link::engine::{EngineOptions, ServicePorts};
use cognito_link::ledger::storage::MemoryStorage;
use cognito_link::ledger::{Ledger, UndoSelection};
use cognito_link::seed::Rng;
use cognito_link::service::in_process::InProcessService;
use cognito_sim::{Account, Latency, NewUser, Pool, PoolSettings, Provider, ProviderKind, Quota, SharedAccount};

const POOL: &str = "sim-local-1_Corrected";
const START: UnixMs = 1_795_000_000_000;
const USERS: u64 = 12;
const STEPS: usize = 14;
const FILES: [&str; 2] = ["export.csv", "fixes.csv"];

/// A row of an input: the user by number, and which of the user's possible values it names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Named {
    user: u64,
    value: u64,
}

impl Named {
    fn row(self) -> Row {
        let Self { user, value } = self;
        let destination = Destination::Username(Personal::from_service(&format!("user-{user}")));
        let value = Personal::from_service(&format!("Id{user:03}v{value:03}"));
        let provider = ProviderName::parse("Okta").unwrap();
        let source = ExternalIdentity::new(provider, AttributeName::subject(), value).unwrap();
        row_of(POOL, user, Link { destination, source })
    }
}

struct Scene {
    seed: u64,
    world: SharedAccount,
    disk: MemoryStorage,
    now: UnixMs,
    /// The rows of each file, by user, with the key of the row that each corrects.
    files: [BTreeMap<u64, (Named, Option<RowKey>)>; 2],
    /// Every row that ever stood in a file.
    known: BTreeSet<Named>,
    values: u64,
}

impl Scene {
    fn new(seed: u64) -> Self {
        let mut pool = Pool::new(PoolSettings::new(POOL));
        pool.add_provider(Provider::new("Okta", ProviderKind::Oidc, 0)).unwrap();
        for user in 1..=USERS {
            pool.add_user(NewUser::named(&format!("user-{user}"))).unwrap();
        }
        let world = Account::new(seed).with_pool(pool).with_latency(Latency::usual()).with_quota(Quota::documented());
        let mut scene = Self {
            seed,
            world: SharedAccount::new(world),
            disk: MemoryStorage::default(),
            now: START,
            files: [BTreeMap::new(), BTreeMap::new()],
            known: BTreeSet::new(),
            values: 0,
        };
        for user in 1..=USERS {
            let first = scene.new_row(user);
            scene.files[0].insert(user, (first, None));
        }
        scene
    }

    /// A row with a value that no row had before.
    fn new_row(&mut self, user: u64) -> Named {
        self.values += 1;
        let named = Named { user, value: self.values };
        self.known.insert(named);
        named
    }

    /// One edit of a file.
    fn edit(&mut self, rng: &mut Rng) {
        let user = 1 + rng.below(USERS);
        match rng.below(5) {
            // A row is corrected in place.
            0 | 1 => {
                let corrected = self.new_row(user);
                self.files[0].insert(user, (corrected, None));
            }
            // A row is taken out.
            2 => {
                self.files[0].remove(&user);
            }
            // An earlier row comes back.
            3 => {
                let earlier: Vec<Named> = self.known.iter().copied().filter(|named| named.user == user).collect();
                let at = usize::try_from(rng.below(earlier.len() as u64)).unwrap();
                self.files[0].insert(user, (earlier[at], None));
            }
            // A row is corrected in the other file, by its key or by its place.
            _ => {
                let old = self.files[0].get(&user).map(|(named, _)| named.row().key);
                let corrected = self.new_row(user);
                self.files[1].insert(user, (corrected, old.filter(|_| rng.chance(0.5))));
            }
        }
    }

    fn link(&mut self, file: usize, retry: RetryChoice, cut: Cut) -> Option<RunReport> {
        let rows: Vec<(Row, Option<RowKey>)> =
            self.files[file].values().map(|(named, retry_of)| (named.row(), *retry_of)).collect();
        let options = EngineOptions { retry, ..testing::options(self.seed) };
        self.run(cut, |run| run.input(FILES[file], &rows).options(options), true)
    }

    fn undo(&mut self, superseded: bool, cut: Cut) -> Option<RunReport> {
        let selection = UndoSelection { superseded, include_recovered: true, ..UndoSelection::default() };
        let options = testing::options(self.seed);
        self.run(cut, |run| run.links(selection).options(options), false)
    }

    fn run(&mut self, cut: Cut, work: impl FnOnce(EngineRun<'_>) -> EngineRun<'_>, links: bool) -> Option<RunReport> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let report = runtime.block_on(async {
            let clock = Clock::starting_at(self.now);
            let service = InProcessService::sharing(self.world.clone(), clock, POOL);
            let ports = if links { ServicePorts::linking(service) } else { ServicePorts::unlinking(service) };
            let run = work(EngineRun::new(&self.disk, POOL, ports, clock));
            let report = match cut {
                Cut::Never => Some(run.run().await),
                Cut::Drain(after) => Some(run.signal_after(after, Signal::Terminate).run().await),
                Cut::Crash(after, _) => run.run_until_crash(after).await,
            };
            self.now = clock.unix_ms() + 120_000;
            report
        });
        if let (Cut::Crash(_, kept), None) = (cut, &report) {
            self.disk = self.disk.after_crash(kept);
        }
        if let Some(report) = &report {
            assert_eq!(report.counts.balance(), Ok(()), "seed {}", self.seed);
        }
        report
    }

    fn ledger(&self) -> Ledger {
        open_ledger(&MemoryStorage::holding(self.disk.bytes()), POOL, Clock::starting_at(START))
    }

    /// Whether the pool has the link of a row.
    fn pool_has(&self, named: Named) -> bool {
        let (user, value) = (format!("user-{}", named.user), named.row().link.source.value().expose().to_owned());
        self.world.with(|world| {
            let pool = world.pool_mut(POOL).unwrap();
            let user = pool.get_user(&user).expect("no user is deleted");
            let text = user.attributes.iter().find(|(name, _)| name == "identities").map_or("[]", |(_, text)| text);
            let held: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
            held.iter().any(|held| held["userId"] == value.as_str())
        })
    }

    /// What is in no doubt is in the pool as the ledger says, and every row counts once or not at all.
    fn assert_agreement(&self) {
        let (ledger, seed) = (self.ledger(), self.seed);
        let view = ledger.view();
        let mut counted = 0;
        for named in &self.known {
            let key = named.row().key;
            let state = view.state(key);
            if !matches!(state, RowState::InDoubt | RowState::Unlinking) {
                let is_linked = state.is_linked_by_this_tool() || state == RowState::AlreadyLinked;
                assert_eq!(is_linked, self.pool_has(*named), "seed {seed}: user {} {state:?}", named.user);
            }
            counted += u64::from(state != RowState::Unprocessed && !view.is_superseded(key));
        }
        let counts = view.counts();
        assert_eq!((counts.balance(), counts.read), (Ok(()), counted), "seed {seed}");
    }
}

#[derive(Clone, Copy)]
enum Cut {
    Never,
    Drain(Duration),
    /// After this time, and so many bytes that were not synced survive.
    Crash(Duration, usize),
}

fn random_cut(rng: &mut Rng) -> Cut {
    let after = Duration::from_millis(rng.below(1_500));
    match rng.below(3) {
        0 => Cut::Never,
        1 => Cut::Drain(after),
        _ => Cut::Crash(after, usize::try_from(rng.below(400)).unwrap()),
    }
}

fn play(seed: u64) {
    let mut rng = Rng::new(seed).fork("corrections");
    let mut scene = Scene::new(seed);
    for _ in 0..STEPS {
        match rng.below(8) {
            0..=3 => scene.edit(&mut rng),
            4 | 5 => {
                let retry = if rng.chance(0.5) { RetryChoice::NOTHING } else { RetryChoice::EVERYTHING };
                let (file, cut) = (usize::from(rng.chance(0.3)), random_cut(&mut rng));
                scene.link(file, retry, cut);
            }
            6 => {
                let cut = random_cut(&mut rng);
                scene.undo(true, cut);
            }
            _ => {
                let cut = random_cut(&mut rng);
                scene.undo(false, cut);
            }
        }
        scene.assert_agreement();
    }

    // Let through: both files, then what is left behind, then what five identities of one user stood in the way of.
    for _ in 0..2 {
        for _ in 0..2 {
            for file in 0..FILES.len() {
                scene.link(file, RetryChoice::EVERYTHING, Cut::Never);
            }
        }
        scene.undo(true, Cut::Never);
        scene.assert_agreement();
    }
    let ledger = scene.ledger();
    let view = ledger.view();
    let in_files: BTreeSet<Named> =
        scene.files.iter().flat_map(|file| file.values()).map(|(named, _)| *named).collect();
    for named in &in_files {
        let key = named.row().key;
        let is_done = matches!(view.state(key), RowState::Linked | RowState::AlreadyLinked);
        assert!(is_done != view.is_superseded(key), "seed {seed}: user {} {:?}", named.user, view.state(key));
    }
    for named in scene.known.difference(&in_files) {
        let key = named.row().key;
        let (state, is_gone) = (view.state(key), !scene.pool_has(*named));
        // A row that left its file while it was in doubt is still in doubt: only a reading can settle it.
        assert!(is_gone || state == RowState::InDoubt, "seed {seed}: user {} {state:?}", named.user);
    }
    assert_eq!(view.superseded_counts().links, 0, "seed {seed}");
    let counts = view.counts();
    assert_eq!((counts.refused, counts.failed, counts.unprocessed), (0, 0, 0), "seed {seed}: {counts:?}");
    let calls = scene.world.stats().links_made;
    for file in 0..FILES.len() {
        let report = scene.link(file, RetryChoice::NOTHING, Cut::Never).unwrap();
        assert!(report.counts.all_linked(), "seed {seed}: {:?}", report.counts);
    }
    assert_eq!(scene.world.stats().links_made, calls, "seed {seed}: nothing more is sent");
}

#[test]
fn ledger_and_pool_agree_after_any_edits_runs_undos_and_kills() {
    for seed in 1..=200 {
        play(seed);
    }
}
