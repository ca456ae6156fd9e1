//! Predicts the outcome that `link` reaches for a row, before anything is sent.
//!
//! The order of the checks is the order in which `link` meets them: the look-up of the destination, the provider, its
//! mapping, the destination, who holds the identity, who has its profile's user name, and the limit of identities. One is the
//! plan's own: a link in other letter case than the pool knows is made by the service, and never signed in with (README,
//! "Validate against the pool").

use std::collections::{BTreeMap, HashMap, HashSet};

use xxhash_rust::xxh3::Xxh3;

use super::pool_index::{PoolIndex, UserPosition};
use super::preflight::PoolKnowledge;
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
pub struct Prediction {
    pub outcome: PredictedOutcome,
    /// The destination as it is sent; `None` where there is none, or several.
    pub user: Option<DestinationUser>,
    /// Something that helps to correct a refused row.
    pub hint: Option<CorrectionHint>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CorrectionHint {
    /// There is a user whose name differs from the destination's in case only.
    UserInOtherCase,
    /// The destination is full only with what earlier rows of the file give it.
    FullByFile,
}

impl CorrectionHint {
    /// A lower-case fragment.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UserInOtherCase => "the pool has a user whose name differs in letter case only",
            Self::FullByFile => "earlier rows of the file take the room that is left",
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
}

/// Predicts row by row, in the order of the file: what earlier rows take is gone.
#[derive(Debug)]
pub struct Predictor<'a> {
    basis: PredictionBasis<'a>,
    taken: HashMap<u128, Taken>,
    /// How many identities earlier rows give to a user.
    given: HashMap<UserPosition, usize>,
    /// Rows whose user was full: a repeat has the same outcome, even if another user got the identity meanwhile.
    full: HashSet<RowKey>,
}

#[derive(Debug, Clone, Copy)]
struct Taken {
    by: RowKey,
    user: UserPosition,
}

impl<'a> Predictor<'a> {
    #[must_use]
    pub fn new(basis: PredictionBasis<'a>) -> Self {
        Self { basis, taken: HashMap::new(), given: HashMap::new(), full: HashSet::new() }
    }

    #[must_use]
    pub fn basis(&self) -> &PredictionBasis<'a> {
        &self.basis
    }

    /// Predicts the next row, for which a person may have chosen one of several users by user name. A repeat of an earlier row
    /// has the outcome of the first.
    pub fn predict(&mut self, key: RowKey, link: &Link, chosen: Option<&Personal>) -> Prediction {
        let index = self.basis.index;
        let found = index.resolve_destination(&link.destination).or_else(|code| {
            let chosen = chosen.filter(|_| code == RefusalCode::UserAmbiguous);
            chosen.and_then(|username| index.chosen_user(&link.destination, username)).ok_or(code)
        });
        let user = found.as_ref().map(|(user, _)| *user);
        let outcome = self.outcome(key, link, user.map_err(|code| *code));
        if let (PredictedOutcome::Link, Ok(user)) = (outcome, user)
            && self.taken.insert(identity_key(&link.source), Taken { by: key, user }).is_none()
        {
            *self.given.entry(user).or_default() += 1;
        }
        if outcome == PredictedOutcome::Refused(RefusalCode::TooManyIdentities) {
            self.full.insert(key);
        }
        let hint = match (outcome, &link.destination, user) {
            (PredictedOutcome::Refused(RefusalCode::UserNotFound), Destination::Username(name), _) => {
                index.has_username_in_other_case(name.expose()).then_some(CorrectionHint::UserInOtherCase)
            }
            (PredictedOutcome::Refused(RefusalCode::TooManyIdentities), _, Ok(user)) => {
                self.given.contains_key(&user).then_some(CorrectionHint::FullByFile)
            }
            _ => None,
        };
        Prediction { outcome, user: found.ok().map(|(_, user)| user), hint }
    }

    /// The checks in the order in which `link` meets them.
    fn outcome(&self, key: RowKey, link: &Link, found: Result<UserPosition, RefusalCode>) -> PredictedOutcome {
        use PredictedOutcome::{AlreadyLinked, Link, Refused};
        let (index, source) = (self.basis.index, &link.source);
        let (provider, value, attribute) = (source.provider(), source.value(), source.attribute());
        let has_provider = |provider| self.basis.pool.providers.contains_key(provider);
        let is_mapped = |mapped: &MappedAttributes| attribute.is_subject() || mapped.contains(attribute.as_str());

        if let (true, Err(code)) = (link.destination.needs_look_up(), found) {
            return Refused(code);
        }
        if !has_provider(provider) {
            return Refused(RefusalCode::ProviderNotFound);
        }
        if !self.basis.mapped.get(provider).is_none_or(is_mapped) {
            return Refused(RefusalCode::AttributeNotMapped);
        }
        if matches!(&link.destination, Destination::Federated { provider, .. } if !has_provider(provider)) {
            return Refused(RefusalCode::ProviderNotFound);
        }
        let user = match found {
            Ok(user) => user,
            Err(code) => return Refused(code),
        };
        if let Some((holder, _, held)) = index.holder(provider, value) {
            return match () {
                () if held.primary => Refused(RefusalCode::IdentityHasProfile),
                () if holder == user => AlreadyLinked,
                () => Refused(RefusalCode::LinkedElsewhere),
            };
        }
        if self.full.contains(&key) {
            return Refused(RefusalCode::TooManyIdentities);
        }
        let taken = self.taken.get(&identity_key(source));
        let is_repeat = taken.is_some_and(|taken| taken.by == key);
        match taken {
            Some(_) if is_repeat => {}
            Some(taken) if taken.user == user => return AlreadyLinked,
            Some(_) => return Refused(RefusalCode::LinkedElsewhere),
            None if index.has_native_user_named_like_profile(provider, value) => {
                return Refused(RefusalCode::NativeUserInTheWay);
            }
            None => {}
        }
        // Before the limit, which earlier rows may reach: a repeat has the outcome of the first.
        if !self.basis.case_differs_allowed && index.is_held_in_other_case(provider, value) {
            return Refused(RefusalCode::CaseDiffers);
        }
        // The user's own identity counts as well.
        let held = index.user(user).map_or(0, |user| user.identities.len());
        let given = self.given.get(&user).copied().unwrap_or(0);
        if held + given >= IDENTITIES_PER_USER_MAX && !is_repeat {
            return Refused(RefusalCode::TooManyIdentities);
        }
        Link
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
            username: personal(username),
            sub: Some(personal(&format!("sub-{username}"))),
            email: Some(personal(&format!("{}@example.com", username.trim_end_matches('2')))),
            status: String::new(),
            enabled: true,
            email_verified: false,
            created_unix_ms: None,
            modified_unix_ms: None,
            identities: identities.iter().map(identity).collect(),
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
        let pool_id = PoolId::parse("us-east-1_A").unwrap();
        let links: Vec<_> = rows.iter().map(|row| link(row)).collect();
        let mut wanted = RequiredUsersBuilder::default();
        for link in &links {
            wanted.add(link);
        }
        let mut builder = PoolIndexBuilder::new(wanted.build(), true);
        builder.add_users(pool());
        let index = builder.build();
        let providers = ["Okta", "Entra"].map(|name| (provider(name), "OIDC".to_owned())).into();
        let facts = PoolFacts { case_sensitive: true, ..PoolFacts::default() };
        let pool = PoolKnowledge { facts, providers, ..PoolKnowledge::default() };
        let mapped = [(provider("Okta"), MappedAttributes::from(["email".to_owned()]))].into();
        let mut predictor =
            Predictor::new(PredictionBasis { index: &index, pool: &pool, mapped, case_differs_allowed });
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
                if prediction.outcome == PredictedOutcome::Link && first == at {
                    let (_, identity) = row.split_once(':').unwrap();
                    let user = prediction.user.as_ref().unwrap().username();
                    prop_assert!(holders.insert(identity, user.clone()).is_none(), "one user for each identity");
                    *given.entry(user).or_default() += 1;
                }
            }
            for user in pool() {
                let held = user.identities.len() + given.get(user.username.expose()).copied().unwrap_or(0);
                prop_assert!(held <= IDENTITIES_PER_USER_MAX, "{:?} gets {} identities", user.username, held);
            }
        }
    }
}
