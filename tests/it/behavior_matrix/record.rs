//! What the simulator itself knows: which identity is on which user, and who put it there. Never what the client saw.

use std::collections::{BTreeMap, BTreeSet};

use cognito_sim::{SharedAccount, pool_file};
use serde::Deserialize;

use super::scene::POOL;

/// The provider and the id of an identity, as the pool keeps it now.
pub(super) type IdentityKey = (String, String);

/// An identity on a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holding {
    pub(super) username: String,
    /// Whether the identity created the user.
    pub(super) primary: bool,
    created_ms: i64,
}

/// Who did something to the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Actor {
    /// `link`.
    Link,
    /// `undo`.
    Undo,
    /// One person who signs in.
    SignIn,
    /// Somebody with other tools.
    Others,
}

/// Who made a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Maker {
    /// It stood before the first run, or somebody else made it since.
    Others,
    Us,
}

/// What an actor may not do, and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trespass {
    pub(super) key: IdentityKey,
    pub(super) act: &'static str,
}

/// The pool's links, their makers, and how links by an attribute are called since they were used.
pub(super) struct PoolRecord {
    holdings: BTreeMap<IdentityKey, Holding>,
    makers: BTreeMap<IdentityKey, Maker>,
    renamed: BTreeMap<IdentityKey, IdentityKey>,
    touched_by_others: BTreeSet<IdentityKey>,
}

impl PoolRecord {
    pub(super) fn before_the_first_run(account: &SharedAccount) -> Self {
        let holdings = read(account);
        let makers = holdings.keys().map(|key| (key.clone(), Maker::Others)).collect();
        Self { holdings, makers, renamed: BTreeMap::new(), touched_by_others: BTreeSet::new() }
    }

    /// The identity of a row as the pool knows it now.
    fn current(&self, key: &IdentityKey) -> IdentityKey {
        if self.holdings.contains_key(key) {
            return key.clone();
        }
        self.renamed.get(key).cloned().unwrap_or_else(|| key.clone())
    }

    pub(super) fn holding(&self, key: &IdentityKey) -> Option<&Holding> {
        self.holdings.get(&self.current(key))
    }

    pub(super) fn maker(&self, key: &IdentityKey) -> Option<Maker> {
        self.makers.get(&self.current(key)).copied()
    }

    /// Whether somebody else changed the link after the first run began.
    pub(super) fn is_touched_by_others(&self, key: &IdentityKey) -> bool {
        self.touched_by_others.contains(key) || self.touched_by_others.contains(&self.current(key))
    }

    /// The user that an identity created.
    pub(super) fn user_created_by(&self, provider: &str, id: &str) -> Option<&str> {
        let holding = self.holdings.get(&(provider.to_owned(), id.to_owned()))?;
        holding.primary.then_some(&*holding.username)
    }

    /// Takes note of what an actor has done since, and returns what it had no right to do.
    pub(super) fn advance(&mut self, account: &SharedAccount, actor: Actor, may_move: bool) -> Vec<Trespass> {
        let now = read(account);
        let before = std::mem::replace(&mut self.holdings, now);
        let mut trespasses = Vec::new();
        let mut trespass = |key: &IdentityKey, act| trespasses.push(Trespass { key: key.clone(), act });
        let gone: Vec<_> = before.iter().filter(|(key, _)| !self.holdings.contains_key(*key)).collect();
        for (key, held) in &gone {
            let maker = self.makers.remove(*key);
            match actor {
                Actor::Link => trespass(key, "link removed a link"),
                Actor::Undo if maker != Some(Maker::Us) => trespass(key, "undo removed a link that it did not make"),
                Actor::Undo => {}
                Actor::Others => {
                    self.touched_by_others.insert((*key).clone());
                }
                Actor::SignIn => {
                    // A link by an attribute now goes by the subject.
                    let new = self.holdings.iter().find(|(new, holding)| {
                        new.0 == key.0 && holding.username == held.username && !before.contains_key(*new)
                    });
                    if let (Some((new, _)), Some(maker)) = (new, maker) {
                        self.makers.insert(new.clone(), maker);
                        self.renamed.insert((*key).clone(), new.clone());
                    }
                }
            }
        }
        for (key, holding) in &self.holdings {
            let Some(held) = before.get(key) else {
                if actor == Actor::Undo {
                    trespass(key, "undo made a link");
                }
                if actor == Actor::Others {
                    self.touched_by_others.insert(key.clone());
                }
                let maker = if actor == Actor::Link { Maker::Us } else { Maker::Others };
                self.makers.entry(key.clone()).or_insert(maker);
                continue;
            };
            if held.username == holding.username && (held.created_ms == holding.created_ms || actor != Actor::Others) {
                continue;
            }
            match actor {
                Actor::Link if may_move && !held.primary => {
                    self.makers.insert(key.clone(), Maker::Us);
                }
                Actor::Others => {
                    self.makers.insert(key.clone(), Maker::Others);
                    self.touched_by_others.insert(key.clone());
                }
                _ => trespass(key, "moved an identity to another user"),
            }
        }
        trespasses
    }
}

#[derive(Deserialize)]
struct PoolText {
    users: Vec<UserText>,
}

#[derive(Deserialize)]
struct UserText {
    username: String,
    #[serde(default)]
    identities: Vec<IdentityText>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IdentityText {
    provider_name: String,
    user_id: String,
    primary: bool,
    date_created: i64,
}

/// The pool as it is kept, not as its answers show it.
fn read(account: &SharedAccount) -> BTreeMap<IdentityKey, Holding> {
    let mut text = Vec::new();
    account.with(|account| pool_file::write(&mut text, account.pool(POOL).unwrap())).unwrap();
    let PoolText { users } = serde_json::from_slice(&text).unwrap();
    let mut holdings = BTreeMap::new();
    for UserText { username, identities } in users {
        for IdentityText { provider_name, user_id, primary, date_created } in identities {
            let holding = Holding { username: username.clone(), primary, created_ms: date_created };
            let key = (provider_name, user_id);
            assert!(holdings.insert(key.clone(), holding).is_none(), "{key:?} is on two users");
        }
    }
    holdings
}
