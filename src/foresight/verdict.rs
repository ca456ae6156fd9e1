//! What `link` will reach for a row, told before anything is sent.
//!
//! The order of the checks is the order in which `link` meets them: the look-up of the destination, the provider, its
//! mapping, the destination, who holds the identity, who wears its profile's name, and whether there is room. One is the
//! plan's own: a link in other letter case than the pool knows is made by the service, and never signed in with (README,
//! "Validate against the pool").

use std::collections::{BTreeMap, HashMap};

use xxhash_rust::xxh3::Xxh3;

use super::index::{Index, Slot};
use super::preflight::PoolKnowledge;
use crate::domain::identity::{Destination, DestinationUser, ExternalIdentity, Personal, ProviderName};
use crate::domain::outcome::RefusalCode;
use crate::domain::row::{Link, RowKey};
use crate::domain::state::RowState;
use crate::limits::IDENTITIES_PER_USER_MAX;
use crate::service::MappedAttributes;

/// What `link` will reach for a row, when nothing else touches the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    Link,
    /// The destination holds the identity, from before or by an earlier row that names the same user otherwise.
    AlreadyLinked,
    Refused(RefusalCode),
}

impl Verdict {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::AlreadyLinked => "already_linked",
            Self::Refused(code) => code.as_str(),
        }
    }

    /// Reads a verdict; `None` for a text that is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "link" => Some(Self::Link),
            "already_linked" => Some(Self::AlreadyLinked),
            _ => RefusalCode::parse(text).map(Self::Refused),
        }
    }

    #[must_use]
    pub fn state(self) -> RowState {
        match self {
            Self::Link => RowState::Linked,
            Self::AlreadyLinked => RowState::AlreadyLinked,
            Self::Refused(code) => RowState::Refused(code),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    pub verdict: Verdict,
    /// The destination as it is sent; `None` where there is none, or several.
    pub user: Option<DestinationUser>,
    /// Something that helps to correct a refused row.
    pub hint: Option<Hint>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// There is a user whose name differs from the destination's in case only.
    UserInOtherCase,
    /// The destination is full only with what earlier rows of the file give it.
    FullByFile,
}

impl Hint {
    /// A lower-case fragment.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UserInOtherCase => "the pool has a user whose name differs in letter case only",
            Self::FullByFile => "earlier rows of the file take the room that is left",
        }
    }
}

/// What a forecast rests on besides the rows.
#[derive(Debug)]
pub struct Known<'a> {
    pub index: &'a Index,
    pub pool: &'a PoolKnowledge,
    /// By which attributes identities of a provider can be linked; what was not asked for passes.
    pub mapped: BTreeMap<ProviderName, MappedAttributes>,
    /// Whether a link in other letter case than the pool knows is sent.
    pub case_differs_allowed: bool,
}

/// Foretells row by row, in the order of the file: what earlier rows take is gone.
#[derive(Debug)]
pub struct Forecaster<'a> {
    known: Known<'a>,
    taken: HashMap<u128, Taken>,
    /// How many identities earlier rows give to a user.
    given: HashMap<Slot, usize>,
}

#[derive(Debug, Clone, Copy)]
struct Taken {
    by: RowKey,
    user: Slot,
}

impl<'a> Forecaster<'a> {
    #[must_use]
    pub fn new(known: Known<'a>) -> Self {
        Self { known, taken: HashMap::new(), given: HashMap::new() }
    }

    #[must_use]
    pub fn known(&self) -> &Known<'a> {
        &self.known
    }

    /// What will come of the next row. A repeat of an earlier row has the verdict of the first.
    pub fn next(&mut self, key: RowKey, link: &Link) -> Forecast {
        self.next_with(key, link, None)
    }

    /// The same for a row for which somebody chose one of several users, by user name.
    pub fn next_with(&mut self, key: RowKey, link: &Link, chosen: Option<&Personal>) -> Forecast {
        let index = self.known.index;
        let found = index.destination(&link.destination).or_else(|code| {
            let chosen = chosen.filter(|_| code == RefusalCode::UserAmbiguous);
            chosen.and_then(|username| index.chosen(&link.destination, username)).ok_or(code)
        });
        let slot = found.as_ref().map(|(slot, _)| *slot);
        let verdict = match self.refusal(key, link, slot) {
            Ok(slot) => {
                self.note(key, slot, &link.source);
                Verdict::Link
            }
            Err(verdict) => verdict,
        };
        let hint = self.hint(verdict, &link.destination, slot.ok());
        Forecast { verdict, user: found.ok().map(|(_, user)| user), hint }
    }

    /// The user that gets the link, or the first reason why there will be none to make.
    fn refusal(&self, key: RowKey, link: &Link, found: Result<Slot, &RefusalCode>) -> Result<Slot, Verdict> {
        let refused = |code| Err(Verdict::Refused(code));
        let destination = &link.destination;
        if let (true, Err(code)) = (destination.needs_look_up(), found) {
            return refused(*code);
        }
        self.check_providers(link, destination)?;
        let slot = found.map_err(|code| Verdict::Refused(*code))?;
        self.check_free(key, slot, &link.source)?;
        // Before the room, which earlier rows may take: a repeat has the verdict of the first.
        let (provider, value) = (link.source.provider(), link.source.value());
        if !self.known.case_differs_allowed && self.known.index.is_held_in_other_case(provider, value) {
            return refused(RefusalCode::CaseDiffers);
        }
        if self.identity_count(slot) >= IDENTITIES_PER_USER_MAX && self.repeated(key, &link.source).is_none() {
            return refused(RefusalCode::TooManyIdentities);
        }
        Ok(slot)
    }

    fn check_providers(&self, link: &Link, destination: &Destination) -> Result<(), Verdict> {
        let has = |provider: &ProviderName| self.known.pool.providers.contains_key(provider);
        let (provider, attribute) = (link.source.provider(), link.source.attribute());
        let maps = |mapped: &MappedAttributes| attribute.is_subject() || mapped.contains(attribute.as_str());
        if !has(provider) {
            return Err(Verdict::Refused(RefusalCode::ProviderNotFound));
        }
        if !self.known.mapped.get(provider).is_none_or(maps) {
            return Err(Verdict::Refused(RefusalCode::AttributeNotMapped));
        }
        match destination {
            Destination::Federated { provider, .. } if !has(provider) => {
                Err(Verdict::Refused(RefusalCode::ProviderNotFound))
            }
            _ => Ok(()),
        }
    }

    fn check_free(&self, key: RowKey, slot: Slot, source: &ExternalIdentity) -> Result<(), Verdict> {
        let (index, provider, value) = (self.known.index, source.provider(), source.value());
        if let Some((holder, _, held)) = index.holder(provider, value) {
            return Err(match () {
                () if held.primary => Verdict::Refused(RefusalCode::IdentityHasProfile),
                () if holder == slot => Verdict::AlreadyLinked,
                () => Verdict::Refused(RefusalCode::LinkedElsewhere),
            });
        }
        match self.taken.get(&identity_key(source)) {
            Some(taken) if taken.by == key => return Ok(()),
            Some(taken) if taken.user == slot => return Err(Verdict::AlreadyLinked),
            Some(_) => return Err(Verdict::Refused(RefusalCode::LinkedElsewhere)),
            None => {}
        }
        if index.has_native_in_the_way(provider, value) {
            return Err(Verdict::Refused(RefusalCode::NativeUserInTheWay));
        }
        Ok(())
    }

    fn repeated(&self, key: RowKey, source: &ExternalIdentity) -> Option<&Taken> {
        self.taken.get(&identity_key(source)).filter(|taken| taken.by == key)
    }

    /// Identities that the user holds, its own included, and gets from earlier rows.
    fn identity_count(&self, slot: Slot) -> usize {
        let held = self.known.index.user(slot).map_or(0, |user| user.identities.len());
        held + self.given.get(&slot).copied().unwrap_or(0)
    }

    fn note(&mut self, key: RowKey, user: Slot, source: &ExternalIdentity) {
        if self.taken.insert(identity_key(source), Taken { by: key, user }).is_none() {
            *self.given.entry(user).or_default() += 1;
        }
    }

    fn hint(&self, verdict: Verdict, destination: &Destination, slot: Option<Slot>) -> Option<Hint> {
        match (verdict, destination, slot) {
            (Verdict::Refused(RefusalCode::UserNotFound), Destination::Username(name), _) => {
                self.known.index.has_username_in_other_case(name.expose()).then_some(Hint::UserInOtherCase)
            }
            (Verdict::Refused(RefusalCode::TooManyIdentities), _, Some(slot)) => {
                self.given.contains_key(&slot).then_some(Hint::FullByFile)
            }
            _ => None,
        }
    }
}

/// An identity by exact case, whatever the attribute by which it is linked.
fn identity_key(source: &ExternalIdentity) -> u128 {
    let mut hasher = Xxh3::new();
    hasher.update(source.provider().as_str().as_bytes());
    hasher.update(&[0]);
    hasher.update(source.value().expose().as_bytes());
    hasher.digest128()
}

#[cfg(test)]
mod tests;
