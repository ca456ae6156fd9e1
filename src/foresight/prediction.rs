//! Predicts the outcome that `link` reaches for a row, before anything is sent.
//!
//! The order of the checks is the order in which `link` meets them: the look-up of the destination, the provider, its
//! mapping, the destination, who holds the identity, who has its profile's user name, and the limit of identities. One is the
//! plan's own: a link in other letter case than the pool knows is made by the service, and never signed in with (README,
//! "Validate against the pool").

use std::collections::{BTreeMap, HashMap, HashSet};

use xxhash_rust::xxh3::Xxh3;

use super::destination::{CorrectionHint, PoolNaming};
use super::pool_index::{PoolIndex, UserPosition};
use super::preflight::PoolKnowledge;
use super::scan::LookUpMethod;
use super::trust::{Distrust, TrustPolicy};
use crate::clock::UnixMs;
use crate::domain::identity::{Destination, DestinationUser, ExternalIdentity, Personal, ProviderName};
use crate::domain::outcome::RefusalCode;
use crate::domain::row::{Link, RowKey};
use crate::domain::state::RowState;
use crate::limits::IDENTITIES_PER_USER_MAX;
use crate::service::MappedAttributes;

/// What `link` will reach for a row, when nothing else touches the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PredictedOutcome {
    Link,
    /// The destination holds the identity, from before or by an earlier row that names the same user otherwise.
    AlreadyLinked,
    Refused(RefusalCode),
}

impl PredictedOutcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::AlreadyLinked => "already_linked",
            Self::Refused(code) => code.as_str(),
        }
    }

    /// Reads a verdict; `None` for a text that is none.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "link" => Some(Self::Link),
            "already_linked" => Some(Self::AlreadyLinked),
            _ => RefusalCode::parse(text).map(Self::Refused),
        }
    }

    pub fn state(self) -> RowState {
        match self {
            Self::Link => RowState::Linked,
            Self::AlreadyLinked => RowState::AlreadyLinked,
            Self::Refused(code) => RowState::Refused(code),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prediction {
    pub outcome: PredictedOutcome,
    /// The destination as it is sent; `None` where there is none, or several, or where it was not seen.
    pub user: Option<DestinationUser>,
    /// Something that helps to correct a refused row.
    pub hint: Option<CorrectionHint>,
    /// Why the service may refuse a row that is predicted to be linked. It is sent, because a refusal is not sure.
    pub doubt: Option<PredictionDoubt>,
    /// What a person should know about the user before it gets an identity.
    pub concerns: Vec<UserConcern>,
    /// The last change of the user (`UserLastModifiedDate`).
    pub changed_unix_ms: Option<UnixMs>,
}

/// What a person should know about the user of a row. It refuses nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UserConcern {
    Disabled,
    /// The row names the user itself, and would be refused if it named the user by an address.
    Distrusted(Distrust),
}

impl UserConcern {
    /// The code of the refusal that it resembles.
    #[must_use]
    pub fn code(self) -> RefusalCode {
        match self {
            Self::Disabled => RefusalCode::UserDisabled,
            Self::Distrusted(_) => RefusalCode::DestinationUnverified,
        }
    }

    /// A lower-case fragment.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "the user is disabled; the service may refuse the link",
            Self::Distrusted(distrust) => distrust.as_str(),
        }
    }
}

/// Why the service may refuse a row that is predicted to be linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PredictionDoubt {
    /// The user has five identities with its own one, and it is not known whether that one counts.
    OwnIdentityMayCount,
    /// The filters did not find the user, and cannot prove that there is none.
    UserNotSeen,
    /// It depends on whether the link of an earlier row is made, which is in doubt itself.
    EarlierRowInDoubt,
    /// The user has five identities with that of an earlier row, which is in doubt itself.
    EarlierRowMayFill,
}

impl PredictionDoubt {
    /// The code with which the service would refuse.
    pub fn code(self) -> RefusalCode {
        match self {
            Self::OwnIdentityMayCount | Self::EarlierRowMayFill => RefusalCode::TooManyIdentities,
            Self::UserNotSeen => RefusalCode::UserNotFound,
            Self::EarlierRowInDoubt => RefusalCode::LinkedElsewhere,
        }
    }

    /// A lower-case fragment.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OwnIdentityMayCount => "the user has five identities if its own one counts",
            Self::UserNotSeen => "filters did not find the user, which does not prove that there is none",
            Self::EarlierRowInDoubt => "an earlier row with this identity may be refused or linked",
            Self::EarlierRowMayFill => "the user has five identities if an earlier row is linked",
        }
    }
}

/// What a prediction is based on besides the rows.
#[derive(Debug)]
pub struct PredictionBasis<'a> {
    pub index: &'a PoolIndex,
    pub pool: &'a PoolKnowledge,
    /// By which attributes identities of a provider can be linked; a provider that is not listed passes.
    pub mapped: BTreeMap<ProviderName, MappedAttributes>,
    /// Whether a link in other letter case than the pool knows is sent.
    pub case_differs_allowed: bool,
    /// Which users count where a row names its user by an address.
    pub trust: TrustPolicy,
    pub look_up: LookUpMethod,
    /// Whether filters gave up before they had found a user: then any user that was not found may be there.
    pub has_cut_look_ups: bool,
}

impl PredictionBasis<'_> {
    /// Whether a user that was not found may be there: only a scan sees all users. A federated user may have any user
    /// name, and filters on names depend on how the pool shows them and how it reads a backslash.
    fn may_be_unseen(&self, destination: &Destination) -> bool {
        self.look_up == LookUpMethod::Filter
            && (self.has_cut_look_ups
                || match destination {
                    Destination::Federated { .. } => true,
                    Destination::Username(name) => self.index.names_keep_case() || may_miss(name.expose()),
                    Destination::Email(value)
                    | Destination::Sub(value)
                    | Destination::Phone(value)
                    | Destination::PreferredUsername(value) => may_miss(value.expose()),
                })
    }
}

/// Whether every filter on this value depends on how the service reads escapes: there is no start without one.
fn may_miss(value: &str) -> bool {
    value.starts_with(['\\', '"'])
}

/// Predicts row by row, in the order of the file: what earlier rows take is gone.
#[derive(Debug)]
pub struct Predictor<'a> {
    basis: PredictionBasis<'a>,
    taken: HashMap<u128, Taken>,
    /// How many identities earlier rows give to a user.
    given: HashMap<UserPosition, usize>,
    /// How many more they may give, if an earlier row of the identity is refused.
    may_be_given: HashMap<UserPosition, usize>,
    /// Rows whose user was full: a repeat has the same outcome, even if another user got the identity meanwhile.
    full: HashSet<RowKey>,
}

#[derive(Debug, Clone, Copy)]
struct Taken {
    by: RowKey,
    /// `None` where it was not seen.
    user: Option<UserPosition>,
    /// Why the link may be refused.
    doubt: Option<PredictionDoubt>,
}

impl<'a> Predictor<'a> {
    pub fn new(basis: PredictionBasis<'a>) -> Self {
        Self { basis, taken: HashMap::new(), given: HashMap::new(), may_be_given: HashMap::new(), full: HashSet::new() }
    }

    pub fn basis(&self) -> &PredictionBasis<'a> {
        &self.basis
    }

    /// Predicts the next row, for which a person may have chosen one of several users by user name. A repeat of an earlier row
    /// has the outcome of the first.
    pub fn predict(&mut self, key: RowKey, link: &Link, chosen: Option<&Personal>) -> Prediction {
        let index = self.basis.index;
        let found = index.resolve_destination(&link.destination, self.basis.trust, chosen);
        let user = found.as_ref().map(|(user, _)| *user);
        let (outcome, doubt) = self.outcome(key, link, user.map_err(|code| *code));
        if outcome == PredictedOutcome::Link {
            self.take(key, link, user.ok(), doubt);
        }
        if outcome == PredictedOutcome::Refused(RefusalCode::TooManyIdentities) {
            self.full.insert(key);
        }
        let hint = match (outcome, &link.destination, user) {
            (PredictedOutcome::Refused(RefusalCode::UserNotFound), Destination::Username(name), _) => {
                let in_other_case = index.has_username_in_other_case(name.expose());
                let mistaken = index.mistaken_column(&link.destination, PoolNaming::from(&self.basis.pool.facts));
                mistaken.or(in_other_case.then_some(CorrectionHint::UserInOtherCase))
            }
            (PredictedOutcome::Refused(RefusalCode::DestinationUnverified), destination, _) => {
                index.distrust(destination, self.basis.trust).map(CorrectionHint::Distrusted)
            }
            (PredictedOutcome::Refused(RefusalCode::TooManyIdentities), _, Ok(user)) => {
                self.given.contains_key(&user).then_some(CorrectionHint::FullByFile)
            }
            _ => None,
        };
        let concerns = user.ok().map(|user| self.concerns(&link.destination, user)).unwrap_or_default();
        let changed_unix_ms = user.ok().and_then(|user| index.user(user)?.modified_unix_ms);
        Prediction { outcome, user: found.ok().map(|(_, user)| user), hint, doubt, concerns, changed_unix_ms }
    }

    /// What a person should know about the user of a row.
    fn concerns(&self, destination: &Destination, user: UserPosition) -> Vec<UserConcern> {
        let Some(user) = self.basis.index.user(user) else { return Vec::new() };
        let names_user = matches!(destination, Destination::Username(_) | Destination::Sub(_));
        let disabled = (!user.enabled).then_some(UserConcern::Disabled);
        let distrusted = user.doubts().filter(|_| names_user).map(UserConcern::Distrusted);
        disabled.into_iter().chain(distrusted).collect()
    }

    /// Takes note of a link that will be made, or may be.
    fn take(&mut self, key: RowKey, link: &Link, user: Option<UserPosition>, doubt: Option<PredictionDoubt>) {
        let identity = identity_key(&link.source);
        let is_repeat = self.taken.get(&identity).is_some_and(|taken| taken.by == key);
        let Some(user) = user.filter(|_| !is_repeat) else {
            self.taken.entry(identity).or_insert(Taken { by: key, user, doubt });
            return;
        };
        match doubt {
            // If the own identity counts, the user is as full as with the link.
            None | Some(PredictionDoubt::OwnIdentityMayCount) => *self.given.entry(user).or_default() += 1,
            Some(_) => *self.may_be_given.entry(user).or_default() += 1,
        }
        self.taken.entry(identity).or_insert(Taken { by: key, user: Some(user), doubt });
    }

    /// The checks in the order in which `link` meets them, and why a link may be refused.
    fn outcome(
        &self,
        key: RowKey,
        link: &Link,
        found: Result<UserPosition, RefusalCode>,
    ) -> (PredictedOutcome, Option<PredictionDoubt>) {
        match self.checked(key, link, found) {
            Ok(doubt) => (PredictedOutcome::Link, doubt),
            Err(outcome) => (outcome, None),
        }
    }

    /// Returns why the link may be refused, or as an error what is reached in its place.
    fn checked(
        &self,
        key: RowKey,
        link: &Link,
        found: Result<UserPosition, RefusalCode>,
    ) -> Result<Option<PredictionDoubt>, PredictedOutcome> {
        use PredictedOutcome::{AlreadyLinked, Refused};
        let (index, source) = (self.basis.index, &link.source);
        let (provider, value, attribute) = (source.provider(), source.value(), source.attribute());
        let has_provider = |provider| self.basis.pool.providers.contains_key(provider);
        let is_mapped = |mapped: &MappedAttributes| attribute.is_subject() || mapped.contains(attribute.as_str());

        // Nothing can be sent to a user that a look-up does not find. One that was given up is made again by `link`.
        let may_be_found = found == Err(RefusalCode::UserNotFound) && self.basis.has_cut_look_ups;
        if let (true, Err(code), false) = (link.destination.needs_look_up(), found, may_be_found) {
            let held = index.holder(provider, value).filter(|(holder, _, held)| {
                code == RefusalCode::DestinationUnverified && !held.primary && index.means(&link.destination, *holder)
            });
            return Err(if held.is_some() { AlreadyLinked } else { Refused(code) });
        }
        if !has_provider(provider) {
            return Err(Refused(RefusalCode::ProviderNotFound));
        }
        if matches!(&link.destination, Destination::Federated { provider, .. } if !has_provider(provider)) {
            return Err(Refused(RefusalCode::ProviderNotFound));
        }
        if !self.basis.mapped.get(provider).is_none_or(is_mapped) {
            // The look before the refusal finds the identity on the user, whatever the attribute of its link.
            let is_held = found.is_ok_and(|user| self.holds(user, source));
            return Err(if is_held { AlreadyLinked } else { Refused(RefusalCode::AttributeNotMapped) });
        }
        let user = match found {
            Ok(user) => Some(user),
            Err(RefusalCode::UserNotFound) if self.is_unseen(&link.destination) => None,
            Err(code) => return Err(Refused(code)),
        };
        // The destination counts first, because `link` reads it first: another user may show the identity as well.
        if user.is_some_and(|user| index.is_linked_to(user, provider, value)) {
            return Err(AlreadyLinked);
        }
        if let Some((_, _, held)) = index.holder(provider, value) {
            return match user {
                _ if held.primary => Err(Refused(RefusalCode::IdentityHasProfile)),
                Some(_) => Err(Refused(RefusalCode::LinkedElsewhere)),
                None => Ok(Some(PredictionDoubt::UserNotSeen)),
            };
        }
        if self.full.contains(&key) {
            return Err(Refused(RefusalCode::TooManyIdentities));
        }
        let mut doubt = None;
        match self.taken.get(&identity_key(source)) {
            Some(taken) if taken.by == key => return Ok(taken.doubt),
            Some(Taken { doubt: Some(_), .. }) => doubt = Some(PredictionDoubt::EarlierRowInDoubt),
            Some(taken) if user.is_some() && taken.user == user => return Err(AlreadyLinked),
            Some(_) if user.is_some() => return Err(Refused(RefusalCode::LinkedElsewhere)),
            Some(_) => doubt = Some(PredictionDoubt::UserNotSeen),
            None if index.has_native_user_named_like_profile(provider, value) => {
                return Err(Refused(RefusalCode::NativeUserInTheWay));
            }
            None => {}
        }
        // Before the limit, which earlier rows may reach: a repeat has the outcome of the first.
        if !self.basis.case_differs_allowed && index.is_held_in_other_case(provider, value) {
            return Err(Refused(RefusalCode::CaseDiffers));
        }
        let Some(user) = user else { return Ok(Some(PredictionDoubt::UserNotSeen)) };
        let number = |counts: &HashMap<UserPosition, usize>| counts.get(&user).copied().unwrap_or(0);
        let held = index.user(user).map_or(&[][..], |user| &user.identities);
        let sure = held.iter().filter(|held| !held.primary).count() + number(&self.given);
        if sure >= IDENTITIES_PER_USER_MAX {
            return Err(Refused(RefusalCode::TooManyIdentities));
        }
        let own = held.iter().filter(|held| held.primary).count();
        let may_be_given = number(&self.may_be_given);
        let full = match (sure + own >= IDENTITIES_PER_USER_MAX, sure + own + may_be_given >= IDENTITIES_PER_USER_MAX) {
            (true, _) => Some(PredictionDoubt::OwnIdentityMayCount),
            (false, true) => Some(PredictionDoubt::EarlierRowMayFill),
            (false, false) => None,
        };
        Ok(doubt.or(full))
    }

    /// Whether the user has this identity, or an earlier row is sure to give it.
    fn holds(&self, user: UserPosition, source: &ExternalIdentity) -> bool {
        let taken = self.taken.get(&identity_key(source));
        self.basis.index.is_linked_to(user, source.provider(), source.value())
            || taken.is_some_and(|taken| taken.user == Some(user) && taken.doubt.is_none())
    }

    /// Whether a user that was not found may be there. A name that is somebody's address or `sub` was not meant as a name.
    fn is_unseen(&self, destination: &Destination) -> bool {
        let naming = PoolNaming::from(&self.basis.pool.facts);
        self.basis.may_be_unseen(destination) && self.basis.index.mistaken_column(destination, naming).is_none()
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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::identity::{AttributeName, Personal, PoolId};
    use crate::foresight::pool_index::{PoolIndexBuilder, RequiredUsersBuilder};
    use crate::service::{LinkedIdentity, PoolFacts, PoolUser};

    fn personal(text: &str) -> Personal {
        Personal::from_service(text)
    }

    fn provider(name: &str) -> ProviderName {
        ProviderName::parse(name).unwrap()
    }

    /// `username:Provider/attribute/value`, the destination by e-mail address where it has an `@`, by provider and id where
    /// it has a `/`.
    fn link(text: &str) -> Link {
        let (destination, source) = text.split_once(':').unwrap();
        let parts: Vec<_> = source.split('/').collect();
        let destination = match destination.split_once('/') {
            Some((name, id)) => Destination::Federated { provider: provider(name), user_id: personal(id) },
            None if destination.contains('@') => Destination::Email(personal(destination)),
            None => Destination::Username(personal(destination)),
        };
        let attribute = AttributeName::parse(parts[1]).unwrap();
        let source = ExternalIdentity::new(provider(parts[0]), attribute, personal(parts[2])).unwrap();
        Link { destination, source }
    }

    fn user(username: &str, identities: &[(&str, &str, bool)]) -> PoolUser {
        let identity = |(provider, user_id, primary): &(&str, &str, bool)| LinkedIdentity {
            user_id: personal(user_id),
            provider_name: (*provider).to_owned(),
            provider_type: String::new(),
            issuer: None,
            primary: *primary,
            created_unix_ms: None,
        };
        PoolUser {
            sub: Some(personal(&format!("sub-{username}"))),
            email: Some(personal(&format!("{}@example.com", username.trim_end_matches('2')))),
            email_verified: true,
            identities: identities.iter().map(identity).collect(),
            ..PoolUser::named(username)
        }
    }

    fn pool() -> Vec<PoolUser> {
        vec![
            user("alice", &[("Okta", "A", false)]),
            user("bob", &[]),
            user("bob2", &[]),
            user("full", &[("Okta", "1", false), ("Okta", "2", false), ("Okta", "3", false), ("Okta", "4", false)]),
            user("Okta_Own", &[("Okta", "Own", true)]),
            user("Okta_worn", &[]),
        ]
    }

    /// The verdicts of a file, one a row.
    fn predictions(rows: &[&str], case_differs_allowed: bool) -> Vec<Prediction> {
        predictions_of(pool(), true, rows, case_differs_allowed, LookUpMethod::Scan)
    }

    fn predictions_of(
        users: Vec<PoolUser>,
        case_sensitive: bool,
        rows: &[&str],
        case_differs_allowed: bool,
        look_up: LookUpMethod,
    ) -> Vec<Prediction> {
        let pool_id = PoolId::parse("us-east-1_A").unwrap();
        let links: Vec<_> = rows.iter().map(|row| link(row)).collect();
        let mut wanted = RequiredUsersBuilder::default();
        for link in &links {
            wanted.add(link);
        }
        let mut builder = PoolIndexBuilder::new(wanted.build(), case_sensitive);
        builder.add_users(users);
        let index = builder.build();
        let providers = ["Okta", "Entra"].map(|name| (provider(name), "OIDC".to_owned())).into();
        let facts = PoolFacts { case_sensitive, ..PoolFacts::default() };
        let pool = PoolKnowledge { facts, providers, ..PoolKnowledge::default() };
        let mapped = [(provider("Okta"), MappedAttributes::from(["email".to_owned()]))].into();
        let mut predictor = Predictor::new(PredictionBasis {
            index: &index,
            pool: &pool,
            mapped,
            case_differs_allowed,
            trust: TrustPolicy::Verified,
            look_up,
            has_cut_look_ups: false,
        });
        links.iter().map(|link| predictor.predict(RowKey::of(&pool_id, link), link, None)).collect()
    }

    #[test]
    fn an_outcome_for_each_situation() {
        for (row, expected) in [
            ("bob:Okta/Cognito_Subject/new", "link"),
            ("bob:Okta/email/b@example.com", "link"),
            ("alice:Okta/Cognito_Subject/A", "already_linked"),
            ("bob:Okta/Cognito_Subject/A", "linked_elsewhere"),
            ("bob:Okta/Cognito_Subject/a", "case_differs"),
            ("bob:Okta/Cognito_Subject/Own", "identity_has_profile"),
            ("Okta/Own:Okta/Cognito_Subject/Own", "identity_has_profile"),
            ("Okta/Own:Entra/Cognito_Subject/x", "link"),
            ("Okta/A:Entra/Cognito_Subject/x", "user_not_found"),
            ("Gone/Own:Entra/Cognito_Subject/x", "provider_not_found"),
            ("bob:Okta/Cognito_Subject/worn", "native_user_in_the_way"),
            ("bob:Okta/phone/x", "attribute_not_mapped"),
            ("bob:Google/Cognito_Subject/x", "provider_not_found"),
            ("BOB:Okta/Cognito_Subject/x", "user_not_found"),
            ("alice@example.com:Okta/Cognito_Subject/x", "link"),
            ("bob@example.com:Okta/Cognito_Subject/x", "user_ambiguous"),
            ("nobody@example.com:Google/Cognito_Subject/x", "user_not_found"),
        ] {
            let prediction = predictions(&[row], false).remove(0);
            assert_eq!(prediction.outcome.as_str(), expected, "{row}");
            assert_eq!(PredictedOutcome::parse(expected), Some(prediction.outcome));
            assert_eq!(prediction.hint.is_some(), row.starts_with("BOB"), "{row}");
        }
        assert_eq!(predictions(&["bob:Okta/Cognito_Subject/a"], true)[0].outcome, PredictedOutcome::Link);
        let resolved = predictions(&["alice@example.com:Okta/Cognito_Subject/x"], false).remove(0);
        assert_eq!(resolved.user.unwrap().value.expose(), "alice");
    }

    #[test]
    fn the_destination_counts_before_a_profile_that_shows_the_identity_too() {
        let profile = user("Okta_both", &[("Okta", "both", true)]);
        let holder = user("holder", &[("Okta", "both", false)]);
        for pool in [[profile.clone(), holder.clone(), user("bob", &[])], [holder, profile, user("bob", &[])]] {
            let rows = ["holder:Okta/Cognito_Subject/both", "holder:Okta/phone/both", "bob:Okta/Cognito_Subject/both"];
            let predicted = predictions_of(pool.into(), true, &rows, false, LookUpMethod::Scan);
            let words: Vec<_> = predicted.iter().map(|prediction| prediction.outcome.as_str()).collect();
            assert_eq!(words, ["already_linked", "already_linked", "linked_elsewhere"]);
        }
    }

    #[test]
    fn only_what_is_sure_is_refused() {
        let mut users = pool();
        let linked: Vec<_> = ["1", "2", "3", "4"].map(|id| ("Entra", id, false)).into();
        users.push(user("Okta_O", &[&[("Okta", "O", true)][..], &linked].concat()));
        let rows = [
            "Okta_O:Entra/Cognito_Subject/5",
            "Okta_O:Entra/Cognito_Subject/6",
            "Okta_O:Entra/Cognito_Subject/5",
            "bob:Entra/Cognito_Subject/5",
        ];
        let predicted = predictions_of(users, true, &rows, false, LookUpMethod::Scan);
        let words: Vec<_> = predicted.iter().map(|prediction| prediction.outcome.as_str()).collect();
        assert_eq!(words, ["link", "too_many_identities", "link", "link"]);
        let own = Some(PredictionDoubt::OwnIdentityMayCount);
        let doubts: Vec<_> = predicted.iter().map(|prediction| prediction.doubt).collect();
        assert_eq!(doubts, [own, None, own, Some(PredictionDoubt::EarlierRowInDoubt)]);
    }

    #[test]
    fn a_user_whom_an_earlier_row_may_fill_is_in_doubt_for_that_row() {
        let mut users = pool();
        users.push(user("full-4", &["a", "b", "c", "d"].map(|id| ("Entra", id, false))));
        let own = [("Okta", "P", true)].into_iter().chain(["e", "f", "g", "h"].map(|id| ("Entra", id, false)));
        users.push(user("Okta_P", &own.collect::<Vec<_>>()));
        // The first row is in doubt for the user's own identity, so the second is in doubt, and with it the third.
        let rows =
            ["Okta_P:Entra/Cognito_Subject/x", "full-4:Entra/Cognito_Subject/x", "full-4:Entra/Cognito_Subject/y"];
        let predicted = predictions_of(users, true, &rows, false, LookUpMethod::Scan);
        let doubts: Vec<_> = predicted.iter().map(|prediction| prediction.doubt).collect();
        let expected = [
            PredictionDoubt::OwnIdentityMayCount,
            PredictionDoubt::EarlierRowInDoubt,
            PredictionDoubt::EarlierRowMayFill,
        ];
        assert_eq!(doubts, expected.map(Some));
        assert_eq!(PredictionDoubt::EarlierRowMayFill.code(), RefusalCode::TooManyIdentities);
    }

    #[test]
    fn filters_do_not_prove_that_there_is_no_federated_user_and_no_name_in_other_case() {
        let predicted = |users, case_sensitive, row, look_up| {
            let prediction = predictions_of(users, case_sensitive, &[row], false, look_up).remove(0);
            (prediction.outcome.as_str(), prediction.doubt)
        };
        let unseen = ("link", Some(PredictionDoubt::UserNotSeen));
        for (row, case_sensitive, by_scan, by_filter) in [
            ("Okta/Nobody:Entra/Cognito_Subject/x", true, ("user_not_found", None), unseen),
            ("nobody:Entra/Cognito_Subject/x", true, ("user_not_found", None), ("user_not_found", None)),
            // The pool shows a name with capitals, so it may show any name so.
            ("nobody:Entra/Cognito_Subject/x", false, ("user_not_found", None), unseen),
            ("\\nobody:Entra/Cognito_Subject/x", true, ("user_not_found", None), unseen),
            ("nobody:Okta/Cognito_Subject/Own", false, ("user_not_found", None), ("identity_has_profile", None)),
            ("nobody@x.org:Entra/Cognito_Subject/x", true, ("user_not_found", None), ("user_not_found", None)),
        ] {
            assert_eq!(predicted(pool(), case_sensitive, row, LookUpMethod::Scan), by_scan, "{row}");
            assert_eq!(predicted(pool(), case_sensitive, row, LookUpMethod::Filter), by_filter, "{row}");
        }
    }

    #[test]
    fn a_native_user_in_the_way_is_seen_in_other_case() {
        let row = "bob:Okta/Cognito_Subject/WORN";
        for (case_sensitive, expected) in [(true, "link"), (false, "native_user_in_the_way")] {
            let prediction = predictions_of(pool(), case_sensitive, &[row], false, LookUpMethod::Scan).remove(0);
            assert_eq!(prediction.outcome.as_str(), expected);
        }
    }

    #[test]
    fn a_name_of_another_column_is_refused_with_that_column() {
        const UUID: &str = "a0000000-0000-4000-8000-00000000000f";
        let mut users = pool();
        users[0].sub = Some(personal(UUID));
        let rows = [&format!("{UUID}:Entra/Cognito_Subject/x")];
        let by_name = predictions_of(users, true, &[rows[0]], false, LookUpMethod::Scan).remove(0);
        assert_eq!(by_name.outcome, PredictedOutcome::Refused(RefusalCode::UserNotFound));
        assert_eq!(by_name.hint, Some(CorrectionHint::UsernameIsSub));
    }

    #[test]
    fn a_repeat_has_the_outcome_of_the_first_although_the_user_is_full_by_then() {
        let rows = ["full:Okta/Cognito_Subject/a", "full:Okta/Cognito_Subject/5", "full:Okta/Cognito_Subject/a"];
        let words: Vec<_> = predictions(&rows, false).iter().map(|prediction| prediction.outcome.as_str()).collect();
        assert_eq!(words, ["case_differs", "link", "case_differs"]);
    }

    #[test]
    fn what_earlier_rows_take_is_gone() {
        let rows = [
            "full:Okta/Cognito_Subject/5",
            "full:Okta/Cognito_Subject/6",
            // A repeat has the verdict of the first, although by then its link stands.
            "full:Okta/Cognito_Subject/5",
            "full:Okta/Cognito_Subject/6",
            // The same link under another name of the same user.
            "full@example.com:Okta/Cognito_Subject/5",
            "bob:Okta/Cognito_Subject/5",
            // Nobody has got this one.
            "bob:Okta/Cognito_Subject/6",
        ];
        let predictions = predictions(&rows, false);
        let words: Vec<_> = predictions.iter().map(|prediction| prediction.outcome.as_str()).collect();
        let full = "too_many_identities";
        assert_eq!(words, ["link", full, "link", full, "already_linked", "linked_elsewhere", "link"]);
        assert_eq!(predictions[1].hint, Some(CorrectionHint::FullByFile));
    }

    #[test]
    fn a_repeat_of_a_row_whose_user_was_full_is_refused_as_the_first() {
        let rows = [
            "full:Okta/Cognito_Subject/5",
            "full:Entra/Cognito_Subject/x",
            "alice:Entra/Cognito_Subject/x",
            "full:Entra/Cognito_Subject/x",
        ];
        let words: Vec<_> = predictions(&rows, false).iter().map(|prediction| prediction.outcome.as_str()).collect();
        assert_eq!(words, ["link", "too_many_identities", "link", "too_many_identities"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn earlier_rows_are_respected_whatever_their_order(
            rows in prop::collection::vec(
                ("alice|bob|full|BOB|full@example.com|Okta/Own", "Okta|Entra|Google", "A|a|Own|worn|[1-7]")
                    .prop_map(|(user, provider, value)| format!("{user}:{provider}/Cognito_Subject/{value}")),
                0..40,
            )
        ) {
            let rows: Vec<_> = rows.iter().map(String::as_str).collect();
            let predicted = predictions(&rows, false);
            let mut holders = HashMap::new();
            let mut given: HashMap<_, usize> = HashMap::new();
            for (at, (row, prediction)) in rows.iter().zip(&predicted).enumerate() {
                let first = rows.iter().position(|other| other == row).unwrap();
                prop_assert_eq!(prediction.outcome, predicted[first].outcome, "a repeat has the outcome of the first");
                // A row that depends on an earlier one in doubt says so, and proves nothing.
                let is_sure = matches!(prediction.doubt, None | Some(PredictionDoubt::OwnIdentityMayCount));
                if prediction.outcome == PredictedOutcome::Link && first == at && is_sure {
                    let (_, identity) = row.split_once(':').unwrap();
                    let user = prediction.user.as_ref().unwrap().username();
                    prop_assert!(holders.insert(identity, user.clone()).is_none(), "one user for each identity");
                    *given.entry(user).or_default() += 1;
                }
            }
            for user in pool() {
                let held = user.identities.len() + given.get(user.username.expose()).copied().unwrap_or(0);
                // Whether its own identity counts is not known, so the plan does not refuse for it.
                let own = usize::from(user.is_federated());
                prop_assert!(held <= IDENTITIES_PER_USER_MAX + own, "{:?} gets {} identities", user.username, held);
            }
        }
    }
}
