//! What the simulator itself knows: which identity is on which user, and who put it there. Never what the client saw.

use std::collections::{BTreeMap, BTreeSet};

use cognito_sim::SharedAccount;

use super::scene::{IdentityKey, POOL};

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

/// What the service lets a link call take from others, without a way to prevent it.
#[derive(Debug, Clone, Copy)]
pub(super) struct MayTake {
    pub(super) links: bool,
    /// The identity of a profile that it created.
    pub(super) profiles: bool,
}

impl MayTake {
    fn allows(self, held: &Holding) -> bool {
        if held.primary { self.profiles } else { self.links }
    }
}

/// What an actor may not do, and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trespass {
    pub(super) key: IdentityKey,
    pub(super) act: &'static str,
}

/// The pool's links and their makers.
pub(super) struct PoolRecord {
    holdings: BTreeMap<IdentityKey, Holding>,
    makers: BTreeMap<IdentityKey, Maker>,
    touched_by_others: BTreeSet<IdentityKey>,
}

impl PoolRecord {
    pub(super) fn before_the_first_run(account: &SharedAccount) -> Self {
        let holdings = read(account);
        let makers = holdings.keys().map(|key| (key.clone(), Maker::Others)).collect();
        Self { holdings, makers, touched_by_others: BTreeSet::new() }
    }

    pub(super) fn holding(&self, key: &IdentityKey) -> Option<&Holding> {
        self.holdings.get(key)
    }

    pub(super) fn maker(&self, key: &IdentityKey) -> Option<Maker> {
        self.makers.get(key).copied()
    }

    /// Whether somebody else changed the link after the first run began.
    pub(super) fn is_touched_by_others(&self, key: &IdentityKey) -> bool {
        self.touched_by_others.contains(key)
    }

    /// The user that an identity created.
    pub(super) fn user_created_by(&self, provider: &str, id: &str) -> Option<&str> {
        let created =
            self.holdings.iter().find(|(key, holding)| holding.primary && key.provider == provider && key.value == id);
        created.map(|(_, holding)| &*holding.username)
    }

    /// Takes note of what an actor has done since, and returns what it had no right to do.
    pub(super) fn advance(&mut self, account: &SharedAccount, actor: Actor, may_take: MayTake) -> Vec<Trespass> {
        let now = read(account);
        let before = std::mem::replace(&mut self.holdings, now);
        let mut trespasses = Vec::new();
        let mut trespass = |key: &IdentityKey, act| trespasses.push(Trespass { key: key.clone(), act });
        let gone = before.keys().filter(|key| !self.holdings.contains_key(*key));
        for key in gone {
            let maker = self.makers.remove(key);
            match actor {
                Actor::Link => trespass(key, "link removed a link"),
                Actor::Undo if maker != Some(Maker::Us) => trespass(key, "undo removed a link that it did not make"),
                Actor::Undo => {}
                Actor::Others => {
                    self.touched_by_others.insert(key.clone());
                }
                Actor::SignIn => trespass(key, "a sign-in removed a link"),
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
                Actor::Link if may_take.allows(held) => {
                    self.makers.insert(key.clone(), Maker::Us);
                }
                // The identity goes back to the profile from which our link took it.
                Actor::Undo if holding.primary && self.makers.get(key) == Some(&Maker::Us) => {
                    self.makers.insert(key.clone(), Maker::Others);
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

/// The pool as it is kept, not as its answers show it.
fn read(account: &SharedAccount) -> BTreeMap<IdentityKey, Holding> {
    account.with(|account| {
        let mut holdings = BTreeMap::new();
        for held in account.held_identities(POOL) {
            let key = IdentityKey { provider: held.provider, attribute: held.attribute, value: held.value };
            let holding = Holding { username: held.username, primary: held.primary, created_ms: held.created_ms };
            assert!(!holdings.contains_key(&key), "{key:?} is on two users");
            holdings.insert(key, holding);
        }
        holdings
    })
}
