//! What the simulator itself knows: which identity is on which user, and who put it there. Never what the client saw.

use std::collections::{BTreeMap, BTreeSet};

use cognito_sim::SharedAccount;

use super::scene::{IdentityKey, POOL};

/// The provider and the id of an identity as the pool shows it: one user at most has it.
type ShownIdentity = (String, String);

/// An identity on a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holding {
    pub(super) username: String,
    /// Whether the identity created the user.
    pub(super) primary: bool,
    pub(super) maker: Maker,
    /// As its link names it.
    link: IdentityKey,
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
    pub(super) link: IdentityKey,
    pub(super) act: &'static str,
}

/// The pool's links and their makers.
pub(super) struct PoolRecord {
    holdings: BTreeMap<ShownIdentity, Holding>,
    touched_by_others: BTreeSet<IdentityKey>,
}

impl PoolRecord {
    pub(super) fn before_the_first_run(account: &SharedAccount) -> Self {
        Self { holdings: read(account), touched_by_others: BTreeSet::new() }
    }

    /// The identities that have this link: a second one, where the first goes by its subject since a sign-in.
    pub(super) fn holdings(&self, link: &IdentityKey) -> impl Iterator<Item = &Holding> {
        self.holdings.values().filter(move |holding| holding.link == *link)
    }

    /// Whether somebody else changed the link after the first run began.
    pub(super) fn is_touched_by_others(&self, link: &IdentityKey) -> bool {
        self.touched_by_others.contains(link)
    }

    /// The user that an identity created.
    pub(super) fn user_created_by(&self, provider: &str, id: &str) -> Option<&str> {
        let created = self.holdings.get(&(provider.to_owned(), id.to_owned()));
        created.filter(|holding| holding.primary).map(|holding| &*holding.username)
    }

    /// Takes note of what an actor has done since, and returns what it had no right to do.
    pub(super) fn advance(&mut self, account: &SharedAccount, actor: Actor, may_take: MayTake) -> Vec<Trespass> {
        let before = std::mem::replace(&mut self.holdings, read(account));
        let mut trespasses = Vec::new();
        let mut trespass = |holding: &Holding, act| trespasses.push(Trespass { link: holding.link.clone(), act });
        for (shown, held) in &before {
            if self.holdings.contains_key(shown) {
                continue;
            }
            // A link by an attribute that goes by the subject now keeps its maker.
            let used = self.holdings.iter_mut().find(|(new, holding)| {
                new.0 == shown.0 && holding.link == held.link && holding.username == held.username
            });
            match actor {
                Actor::SignIn => match used {
                    Some((_, used)) => used.maker = held.maker,
                    None => trespass(held, "a sign-in removed a link"),
                },
                Actor::Link => trespass(held, "link removed a link"),
                Actor::Undo if held.maker != Maker::Us => trespass(held, "undo removed a link that it did not make"),
                Actor::Undo => {}
                Actor::Others => {
                    self.touched_by_others.insert(held.link.clone());
                }
            }
        }
        for (shown, holding) in &mut self.holdings {
            let Some(held) = before.get(shown) else {
                match actor {
                    Actor::Link => holding.maker = Maker::Us,
                    Actor::Undo => trespass(holding, "undo made a link"),
                    Actor::Others => {
                        self.touched_by_others.insert(holding.link.clone());
                    }
                    Actor::SignIn => {}
                }
                continue;
            };
            if held.username == holding.username {
                let is_made_again = actor == Actor::Others && held.created_ms != holding.created_ms;
                holding.maker = if is_made_again { Maker::Others } else { held.maker };
                continue;
            }
            match actor {
                Actor::Link if may_take.allows(held) => holding.maker = Maker::Us,
                // The identity goes back to the profile from which our link took it.
                Actor::Undo if holding.primary && held.maker == Maker::Us => {}
                Actor::Others => {
                    self.touched_by_others.insert(holding.link.clone());
                }
                _ => trespass(held, "moved an identity to another user"),
            }
        }
        trespasses
    }
}

/// The pool as it is kept, not as its answers show it. Whoever made a link is not known yet.
fn read(account: &SharedAccount) -> BTreeMap<ShownIdentity, Holding> {
    account.with(|account| {
        let mut holdings = BTreeMap::new();
        for held in account.held_identities(POOL) {
            let shown = (held.provider.clone(), held.user_id);
            let link = IdentityKey { provider: held.provider, attribute: held.attribute, value: held.value };
            let (username, primary, created_ms) = (held.username, held.primary, held.created_ms);
            let holding = Holding { username, primary, maker: Maker::Others, link, created_ms };
            assert!(holdings.insert(shown.clone(), holding).is_none(), "{shown:?} is on two users");
        }
        holdings
    })
}
