//! What a seed draws: the pool, the service's behavior, the faults, and the rows that the input can have.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cognito_link::clock::UnixMs;
use cognito_link::domain::identity::PoolId;
use cognito_link::domain::row::RowKey;
use cognito_link::engine::SettleWith;
use cognito_link::seed::Rng;
use cognito_sim::{
    Account, Behavior, FaultKind, FaultPlan, FaultRule, FaultTrigger, Latency, NewIdentity, NewUser, Operation, Pool,
    PoolSettings, Provider, ProviderKind, Quota, SharedAccount,
};

pub(crate) const POOL: &str = "sim-local-1_Simulated";
pub(crate) const START: UnixMs = 1_795_000_000_000;
/// A user of whom no row speaks.
pub(crate) const SOMEBODY_ELSE: &str = "somebody-else";
const PROVIDERS: [&str; 2] = ["Okta", "Google"];
/// More calls that link and unlink than a seed makes.
const LINK_EVENTS_MAX: usize = 20_000;
/// A behavior that only an attribute link, a sign-in, a look-up or another name than these can show is tested by
/// `tests/it/behavior_matrix.rs`.
const BEHAVIORS: [Behavior; 12] = [
    Behavior::RepeatSucceeds,
    Behavior::HeldMoves,
    Behavior::HeldIsMerging,
    Behavior::HeldIsAliasExists,
    Behavior::MergingLinks,
    Behavior::LimitIsThrottle,
    Behavior::DatesAbsent,
    Behavior::DatesInSeconds,
    Behavior::RefusalsLink,
    Behavior::UnlinkSaysUserNotFound,
    Behavior::OldAlreadyLinkedText,
    Behavior::UnknownTexts,
];

/// A link that a row can name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pair {
    pub(crate) username: String,
    pub(crate) provider: &'static str,
    pub(crate) value: String,
}

impl Pair {
    pub(crate) fn identity(&self) -> (&'static str, &str) {
        (self.provider, &self.value)
    }
}

/// The service, the file and the weather of a seed.
pub(crate) struct Scene {
    pub(crate) account: SharedAccount,
    pub(crate) behaviors: Vec<Behavior>,
    pub(crate) settle_with: SettleWith,
    pub(crate) list_lag_ms: i64,
    pub(crate) clock_skew_ms: i64,
    /// How probable it is that somebody else acts at one step of a run.
    pub(crate) crowd: f64,
    pub(crate) include_recovered: bool,
    /// The rows of the file, each with the key of the row that it corrects.
    pub(crate) file: Vec<(Pair, Option<RowKey>)>,
    /// Every link that ever stood in the file.
    pub(crate) known: Vec<Pair>,
    users: u64,
    values: u64,
}

impl Scene {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed).fork("scene");
        let users = 2 + rng.below(4);
        let mut behaviors = Vec::new();
        for _ in 0..[0, 0, 1, 1, 2][index(&mut rng, 5)] {
            let drawn = one_of(&mut rng, &BEHAVIORS);
            if !behaviors.contains(&drawn) {
                behaviors.push(drawn);
            }
        }
        let list_lag_ms = match rng.below(4) {
            0 => 0,
            1 => rng.below(2_000),
            2 => rng.below(30_000),
            _ => rng.below(120_001),
        };
        let clock_skew_ms = one_of(&mut rng, &[0, 0, 3_700, -3_600_000]);
        let settle_with = if rng.chance(0.3) { SettleWith::GetUser } else { SettleWith::ListUsers };
        let crowd = one_of(&mut rng, &[0.0, 0.05, 0.15, 0.4]);
        let include_recovered = rng.chance(0.5);

        let mut pool = Pool::new(PoolSettings::new(POOL));
        for provider in PROVIDERS {
            pool.add_provider(Provider::new(provider, ProviderKind::Oidc, 0)).unwrap();
        }
        let (mut known, mut file) = (Vec::new(), Vec::new());
        let mut others = NewUser::named(SOMEBODY_ELSE);
        let mut values = 0;
        for user in 1..=users {
            let username = format!("user-{user}");
            let mut new_user = NewUser::named(&username);
            for provider in &PROVIDERS[..=index(&mut rng, 2)] {
                values += 1;
                let pair = Pair { username: username.clone(), provider, value: value_of(values) };
                let created_ms = START + clock_skew_ms - one_of(&mut rng, &[4_000, 60_000, 90_000_000]);
                let identity = NewIdentity { created_ms, ..NewIdentity::linked(provider, &pair.value) };
                match rng.below(10) {
                    0 => new_user = new_user.with_identity(identity),
                    1 => others = others.with_identity(identity),
                    _ => {}
                }
                known.push(pair.clone());
                file.push((pair, None));
            }
            pool.add_user(new_user).unwrap();
        }
        pool.add_user(others).unwrap();

        let mut account = Account::new(seed)
            .with_link_record(LINK_EVENTS_MAX)
            .with_pool(pool)
            .with_quota(Quota::documented())
            .with_latency(if rng.chance(0.7) { Latency::usual() } else { Latency::between(500, 3_000) })
            .with_faults(faults(&mut Rng::new(seed).fork("faults")))
            .with_clock_skew_ms(clock_skew_ms);
        if list_lag_ms > 0 {
            account = account.with_list_lag_ms(list_lag_ms);
        }
        let account = SharedAccount::new(account.with_behaviors(behaviors.iter().copied()));
        let list_lag_ms = i64::try_from(list_lag_ms).unwrap();
        Self {
            account,
            behaviors,
            settle_with,
            list_lag_ms,
            clock_skew_ms,
            crowd,
            include_recovered,
            file,
            known,
            users,
            values,
        }
    }

    pub(crate) fn behaves(&self, behavior: Behavior) -> bool {
        self.behaviors.contains(&behavior)
    }

    /// How old a write must be before the reads of this seed are sure to show it.
    pub(crate) fn reading_lag_ms(&self) -> i64 {
        if self.settle_with == SettleWith::ListUsers { self.list_lag_ms } else { 0 }
    }

    pub(crate) fn pool_id() -> PoolId {
        PoolId::parse(POOL).unwrap()
    }

    /// One edit of the file: a value is corrected, a row leaves, comes back, is repeated, or moves to another user; the
    /// rows are sorted differently.
    pub(crate) fn edit(&mut self, rng: &mut Rng) {
        if self.file.is_empty() || rng.chance(0.1) {
            let pair = self.known[index(rng, self.known.len())].clone();
            self.file.push((pair, None));
            return;
        }
        let at = index(rng, self.file.len());
        let old = self.file[at].0.clone();
        let old_key = super::judge::key_of(&old);
        let corrects = rng.chance(0.3).then_some(old_key);
        match rng.below(6) {
            0 | 1 => {
                self.values += 1;
                let pair = Pair { value: value_of(self.values), ..old };
                self.put(at, pair, corrects);
            }
            2 => {
                let username = format!("user-{}", 1 + rng.below(self.users));
                self.put(at, Pair { username, ..old }, corrects);
            }
            3 => {
                self.file.remove(at);
            }
            4 => self.file.reverse(),
            _ => {
                let pair = self.known[index(rng, self.known.len())].clone();
                self.put(at, pair, None);
            }
        }
    }

    fn put(&mut self, at: usize, pair: Pair, corrects: Option<RowKey>) {
        if !self.known.contains(&pair) {
            self.known.push(pair.clone());
        }
        self.file[at] = (pair, corrects);
    }

    /// The file as CSV, with so many blank lines after each row.
    pub(crate) fn text(&self, blank_lines: usize) -> String {
        let mut text = "destination_username,source_provider,source_value,retry_of\n".to_owned();
        for (Pair { username, provider, value }, retry_of) in &self.file {
            let retry_of = retry_of.map(|key| key.to_string()).unwrap_or_default();
            let _ = writeln!(text, "{username},{provider},{value},{retry_of}{}", "\n".repeat(blank_lines));
        }
        text
    }

    /// Whether another row of the file names the same identity, or the same link.
    pub(crate) fn is_repeated(&self, pair: &Pair) -> bool {
        self.file.iter().filter(|(other, _)| other.identity() == pair.identity()).count() > 1
    }

    /// Whether the file gives the identity to another user too: such rows are invalid, and only `undo` settles an open unlink.
    pub(crate) fn is_for_two_users(&self, pair: &Pair) -> bool {
        self.file.iter().any(|(other, _)| other.identity() == pair.identity() && other.username != pair.username)
    }

    /// The keys of the rows that the file has now.
    pub(crate) fn keys(&self) -> BTreeMap<RowKey, Pair> {
        self.file.iter().map(|(pair, _)| (super::judge::key_of(pair), pair.clone())).collect()
    }
}

/// None for a third of the seeds; else some of each kind, few enough that eight attempts get through.
fn faults(rng: &mut Rng) -> FaultPlan {
    let mut plan = FaultPlan::none();
    if rng.chance(0.33) {
        return plan;
    }
    let kinds = [
        FaultKind::Throttled,
        FaultKind::Storm { ms: 1_500 },
        FaultKind::ErrorBefore,
        FaultKind::ErrorAfter,
        FaultKind::LostBefore,
        FaultKind::LostAfter,
        FaultKind::ResetBefore,
        FaultKind::ResetAfter,
        FaultKind::HalfWritten,
        FaultKind::Slow { ms: 40_000 },
    ];
    for kind in kinds {
        for (operation, chance, is_usual) in [
            (Operation::LinkProvider, 0.08, 0.4),
            (Operation::DisableProvider, 0.08, 0.4),
            (Operation::ListUsers, 0.03, 0.15),
            (Operation::GetUser, 0.03, 0.15),
        ] {
            if rng.chance(is_usual) {
                plan = plan.with(FaultRule::new(kind, FaultTrigger::Chance(chance)).on(operation));
            }
        }
    }
    plan
}

pub(crate) fn one_of<T: Copy>(rng: &mut Rng, choices: &[T]) -> T {
    choices[index(rng, choices.len())]
}

pub(crate) fn index(rng: &mut Rng, bound: usize) -> usize {
    usize::try_from(rng.below(bound as u64)).unwrap()
}

/// An identity as both providers write them.
fn value_of(number: u64) -> String {
    format!("{}", 104_000_000_000_000_000_000_u128 + u128::from(number))
}
