//! Whole runs of `link` and `undo` against a service that behaves otherwise than assumed, one behavior at a time.
//!
//! Goal: the ledger tells the truth by the simulator's own record, nothing that stood before is removed, no row stops the
//! run, and two reruns settle what can be settled. Method: the engine over the in-process simulator under a paused clock,
//! with lost answers, over a few seeds.

use std::collections::BTreeMap;

use cognito_link::clock::{Clock, UnixMs};
use cognito_link::domain::identity::{AttributeName, Destination, ExternalIdentity, Personal, ProviderName};
use cognito_link::domain::outcome::RefusalCode;
use cognito_link::domain::row::{Link, Row};
use cognito_link::domain::run::{RunOutcome, RunReport};
use cognito_link::domain::state::RowState;
use cognito_link::engine::ServicePorts;
use cognito_link::engine::testing::{self, EngineRun, open_ledger, row_of};
use cognito_link::ledger::UndoSelection;
use cognito_link::ledger::storage::MemoryStorage;
use cognito_link::service::in_process::InProcessService;
use cognito_sim::{
    Account, Behavior, FaultKind, FaultPlan, FaultRule, FaultTrigger, HeldIdentity, Latency, LinkOrigin, NewIdentity,
    NewUser, Operation, Pool, PoolSettings, Provider, ProviderKind, Quota, SharedAccount,
};

const POOL: &str = "sim-local-1_Behaves";
const START: UnixMs = 1_795_000_000_000;
const ROWS: u64 = 48;
const MONTH_MS: i64 = 30 * 24 * 3_600_000;

/// What is special about a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Plain,
    Capitals,
    Backslash,
    ByAttribute,
    ToFederated,
    ThereBefore,
    HeldByAnother,
    HasProfile,
    Disabled,
    UserMissing,
    Full,
}

fn case(number: u64) -> Case {
    use Case::{
        Backslash, ByAttribute, Capitals, Disabled, Full, HasProfile, HeldByAnother, Plain, ThereBefore, ToFederated,
        UserMissing,
    };
    const CASES: [Case; 12] = [
        Plain,
        Capitals,
        Backslash,
        ByAttribute,
        ToFederated,
        ThereBefore,
        HeldByAnother,
        HasProfile,
        Disabled,
        UserMissing,
        Full,
        Plain,
    ];
    CASES[usize::try_from(number).unwrap() % CASES.len()]
}

fn username(number: u64) -> String {
    match case(number) {
        Case::Capitals => format!("User-{number}"),
        Case::Backslash => format!("CORP\\user-{number}"),
        _ => format!("user-{number}"),
    }
}

fn row(number: u64) -> Row {
    let (attribute, value) = match case(number) {
        Case::ByAttribute => ("email", format!("person-{number}@example.com")),
        _ => ("Cognito_Subject", format!("Id{number:04}x")),
    };
    let provider = ProviderName::parse("Corp").unwrap();
    let source =
        ExternalIdentity::new(provider, AttributeName::parse(attribute).unwrap(), Personal::from_service(&value));
    let destination = match case(number) {
        Case::ToFederated => Destination::Federated {
            provider: ProviderName::parse("Google").unwrap(),
            user_id: Personal::from_service(&format!("Own{number}")),
        },
        _ => Destination::Username(Personal::from_service(&username(number))),
    };
    row_of(POOL, number, Link { destination, source: source.unwrap() })
}

fn world(behavior: Behavior, seed: u64) -> SharedAccount {
    let mut pool = Pool::new(PoolSettings::new(POOL).case_sensitive(false));
    pool.add_provider(Provider::new("Corp", ProviderKind::Saml, 0).mapping("email", "mail")).unwrap();
    pool.add_provider(Provider::new("Google", ProviderKind::Google, 0)).unwrap();
    let before =
        |provider: &str, id: &str| NewIdentity { created_ms: START - MONTH_MS, ..NewIdentity::linked(provider, id) };
    for number in 1..=ROWS {
        let id = format!("Id{number:04}x");
        let user = NewUser::named(&username(number));
        let user = match case(number) {
            Case::UserMissing => continue,
            Case::ToFederated => {
                let own = format!("Own{number}");
                NewUser::named(&format!("Google_{own}")).with_identity(NewIdentity::primary("Google", &own))
            }
            Case::ThereBefore => user.with_identity(before("Corp", &id)),
            Case::Full => {
                (0..5).fold(user, |user, other| user.with_identity(before("Google", &format!("{number}-{other}"))))
            }
            Case::Disabled => NewUser { enabled: false, ..user },
            _ => user,
        };
        pool.add_user(user).unwrap();
        let other = match case(number) {
            Case::HeldByAnother => NewUser::named(&format!("other-{number}")).with_identity(before("Corp", &id)),
            Case::HasProfile => NewUser::named(&format!("Corp_{id}")).with_identity(NewIdentity::primary("Corp", &id)),
            _ => continue,
        };
        pool.add_user(other).unwrap();
    }
    let lost = |kind| FaultRule::new(kind, FaultTrigger::Chance(0.1));
    let faults = FaultPlan::none()
        .with(lost(FaultKind::LostAfter).on(Operation::LinkProvider))
        .with(lost(FaultKind::ErrorBefore).on(Operation::LinkProvider))
        .with(lost(FaultKind::LostAfter).on(Operation::DisableProvider));
    SharedAccount::new(
        Account::new(seed)
            .with_pool(pool)
            .with_faults(faults)
            .with_latency(Latency::usual())
            .with_quota(Quota::documented())
            .with_link_record(10_000)
            .with_behaviors([behavior]),
    )
}

#[derive(Clone, Copy, PartialEq)]
enum Which {
    Link,
    Undo,
}

struct Scene {
    world: SharedAccount,
    disk: MemoryStorage,
    now: UnixMs,
}

impl Scene {
    fn run(&mut self, which: Which) -> RunReport {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let clock = Clock::starting_at(self.now);
            let service = InProcessService::sharing(self.world.clone(), clock, POOL);
            let run = match which {
                Which::Link => {
                    EngineRun::new(&self.disk, POOL, ServicePorts::linking(service), clock).rows((1..=ROWS).map(row))
                }
                Which::Undo => {
                    let selection = UndoSelection { include_recovered: true, ..UndoSelection::default() };
                    EngineRun::new(&self.disk, POOL, ServicePorts::unlinking(service), clock).links(selection)
                }
            };
            let report = run.options(testing::options(1)).run().await;
            self.now = clock.unix_ms() + 1_000;
            report
        })
    }

    fn states(&self) -> BTreeMap<u64, RowState> {
        let ledger = open_ledger(&MemoryStorage::holding(self.disk.bytes()), POOL, Clock::starting_at(START));
        (1..=ROWS).map(|number| (number, ledger.state(row(number).key))).collect()
    }

    /// The row's identity, where its own destination holds it.
    fn held(&self, number: u64) -> Option<HeldIdentity> {
        let source = row(number).link.source;
        self.world.with(|world| {
            let mut held = world.held_identities(POOL).filter(|held| {
                held.provider == source.provider().as_str()
                    && held.value == source.value().expose()
                    && held.attribute == source.attribute().as_str()
                    && !held.primary
                    && !held.username.starts_with("other-")
            });
            held.next()
        })
    }

    /// Links that stood before the first run.
    fn older_links(&self) -> usize {
        let at_start = |held: &HeldIdentity| held.origin == LinkOrigin::AtStart;
        self.world.with(|world| world.held_identities(POOL).filter(at_start).count())
    }
}

#[test]
fn the_ledger_tells_the_truth_under_every_behavior() {
    // Where a link takes the identity from its user, only a plan or a read of each success can show it.
    let all: Vec<Behavior> = Behavior::ALL.iter().copied().filter(|known| *known != Behavior::HeldMoves).collect();
    let mut wrong = Vec::new();
    for behavior in all {
        for seed in 1..=3 {
            let mut scene = Scene { world: world(behavior, seed), disk: MemoryStorage::default(), now: START };
            let older = scene.older_links();
            let about = |text: String| format!("{} seed {seed}: {text}", behavior.name());
            for _ in 0..3 {
                let report = scene.run(Which::Link);
                if report.ended != RunOutcome::Completed {
                    wrong.push(about(format!("stopped: {:?}", report.ended)));
                }
            }
            for (number, state) in scene.states() {
                let origin = scene.held(number).map(|held| held.origin);
                let is_true = match state {
                    RowState::Linked => {
                        matches!(origin, Some(LinkOrigin::Call(_))) || is_unsure(behavior, origin.as_ref())
                    }
                    RowState::AlreadyLinked => origin == Some(LinkOrigin::AtStart),
                    RowState::Refused(_) | RowState::Failed | RowState::Unprocessed => origin.is_none(),
                    RowState::InDoubt => true,
                    _ => false,
                };
                if !is_true {
                    wrong.push(about(format!("link: row {number} {:?} {state:?} {origin:?}", case(number))));
                }
                if state == RowState::InDoubt && !may_stay_in_doubt(behavior, case(number)) {
                    wrong.push(about(format!("link: row {number} {:?} stays in doubt", case(number))));
                }
            }
            let linked = scene.states().values().filter(|state| **state == RowState::Linked).count();
            if linked < 24 {
                wrong.push(about(format!("only {linked} rows are linked")));
            }
            scene.now += 120_000;
            for _ in 0..3 {
                scene.run(Which::Undo);
            }
            for (number, state) in scene.states() {
                let is_held = scene.held(number).is_some();
                let is_true = match state {
                    RowState::Undone | RowState::Kept(RefusalCode::Gone) => !is_held,
                    RowState::Linked => is_held,
                    _ => true,
                };
                if !is_true {
                    wrong.push(about(format!("undo: row {number} {:?} {state:?}", case(number))));
                }
            }
            let undone = scene.states().values().filter(|state| **state == RowState::Undone).count();
            if undone < 24 && behavior != Behavior::DatesAbsent {
                wrong.push(about(format!("only {undone} links are undone")));
            }
            if scene.older_links() != older {
                wrong.push(about("undo took what stood before".to_owned()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
}

/// Where the pool shows no dates or a call on an existing link succeeds, `linked` means that the link is there; undo leaves
/// it where it is older.
fn is_unsure(behavior: Behavior, origin: Option<&LinkOrigin>) -> bool {
    matches!(behavior, Behavior::DatesAbsent | Behavior::RepeatSucceeds) && origin.is_some()
}

/// Rows that no read can settle.
fn may_stay_in_doubt(behavior: Behavior, case: Case) -> bool {
    match case {
        Case::ByAttribute => behavior == Behavior::AttributeLinksHidden,
        Case::ToFederated => behavior == Behavior::MappedUsernames,
        _ => false,
    }
}
