//! What the service could do differently: one switch for each thing about it that nobody has proven.
//!
//! Behaviors can be combined. Where two of them are about the same case, one holds:
//!
//! - an identity that another user holds: `held-moves`, else `held-is-merging`, else `held-is-alias-exists`;
//! - a repeated link: `repeat-succeeds`, else `old-already-linked-text`;
//! - a used link by an attribute: `attribute-link-stays`, else `unlink-by-attribute-after-sign-in`;
//! - dates: `dates-absent`, else `dates-in-seconds`;
//! - texts: `unknown-texts` leaves an answer alone that another behavior chooses.

use clap::ValueEnum;
use clap::builder::PossibleValue;

/// Undocumented behavior that differs from the default.
///
/// The default is what clients assume; each switch gives an opposite of one assumption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Behavior {
    /// A case-insensitive pool shows user names as they were given.
    NamesKeepCase,
    /// In a filter a backslash before a backslash stands for itself.
    FilterKeepsBackslashes,
    /// The destination of a link may be a `sub`, or the e-mail address of one user, if it is not unverified.
    DestinationByAlias,
    /// Federated users have another user name than `Provider_id`, also those that are there at the start.
    MappedUsernames,
    /// A link that is there already is accepted, and stays as it is.
    RepeatSucceeds,
    /// A link of an identity that another user holds takes it from that user; a profile's own identity stays.
    HeldMoves,
    /// An identity that another user holds is refused with "Merging is not currently supported …".
    HeldIsMerging,
    /// An identity that another user holds is refused with `AliasExistsException`.
    HeldIsAliasExists,
    /// "Merging is not currently supported …" is answered although the link is made.
    MergingLinks,
    /// A link to a disabled user is refused with `NotAuthorizedException`.
    DisabledNotAuthorized,
    /// An unknown provider is refused with a text about the user pool.
    ProviderMissingSaysPool,
    /// One link call of five is refused with `LimitExceededException` because of the rate.
    LimitIsThrottle,
    /// A provider takes links by at most five attribute names; more are refused with `LimitExceededException`.
    LimitIsAttributeNames,
    /// `ListUsers` shows a write after 40 s.
    ListLag40s,
    /// Identities have no `dateCreated`.
    DatesAbsent,
    /// `dateCreated` is in seconds.
    DatesInSeconds,
    /// `dateCreated` is the time of the last sign-in.
    DatesRewritten,
    /// A link by an attribute does not show before its first sign-in.
    AttributeLinksHidden,
    /// The identity that created a user does not count among the five.
    OwnIdentityNotCounted,
    /// The limit of 128 characters is on the value alone.
    LengthCountsValueOnly,
    /// Provider names have up to 40 characters.
    ProviderNames40,
    /// One link of four is answered with a constraint or a "does not exist", although it is made.
    RefusalsLink,
    /// A filter `sub ^=` is refused.
    NoSubPrefix,
    /// A link by an attribute stays as it was made when it is used, and is removed by that attribute.
    AttributeLinkStays,
    /// Unlinking what is not linked is refused with `UserNotFoundException`.
    UnlinkSaysUserNotFound,
    /// A link by an attribute shows the subject once it is used, and is removed by the attribute still.
    UnlinkByAttributeAfterSignIn,
    /// A repeated link is refused with the text from before mid-2024.
    OldAlreadyLinkedText,
    /// Known situations are answered with texts that nobody has seen.
    UnknownTexts,
}

/// A behavior, its name, the assumption that it contradicts, and what it does.
struct BehaviorFacts(Behavior, &'static str, &'static str, &'static str);

const FACTS: [BehaviorFacts; 28] = {
    use Behavior as B;
    use BehaviorFacts as F;
    [
        F(B::NamesKeepCase, "names-keep-case", "name-case", "A case-insensitive pool shows user names as given"),
        F(
            B::FilterKeepsBackslashes,
            "filter-keeps-backslashes",
            "filter-escape",
            "In a filter, \\\\ stands for two backslashes",
        ),
        F(
            B::DestinationByAlias,
            "destination-by-alias",
            "destination-name",
            "A link accepts the sub or the e-mail address of its destination in place of the user name",
        ),
        F(
            B::MappedUsernames,
            "mapped-usernames",
            "federated-name",
            "Federated users have another user name than Provider_id",
        ),
        F(
            B::RepeatSucceeds,
            "repeat-succeeds",
            "repeat-refused",
            "A repeated link is accepted, and the link keeps its date",
        ),
        F(B::HeldMoves, "held-moves", "held-refused", "A link takes the identity from the user who holds it"),
        F(
            B::HeldIsMerging,
            "held-is-merging",
            "held-refused",
            "An identity that another user holds is refused with \"Merging is not currently supported …\"",
        ),
        F(
            B::HeldIsAliasExists,
            "held-is-alias-exists",
            "held-refused",
            "An identity that another user holds is refused with AliasExistsException",
        ),
        F(
            B::MergingLinks,
            "merging-links",
            "merging-no-effect",
            "\"Merging is not currently supported …\" is the answer, and the link is made",
        ),
        F(
            B::DisabledNotAuthorized,
            "disabled-not-authorized",
            "not-authorized",
            "A link to a disabled user is refused with NotAuthorizedException",
        ),
        F(
            B::ProviderMissingSaysPool,
            "provider-missing-says-pool",
            "pool-missing",
            "A missing provider is refused with a text about the user pool",
        ),
        F(
            B::LimitIsThrottle,
            "limit-is-throttle",
            "limit-is-five",
            "One link call of five is throttled with LimitExceededException",
        ),
        F(
            B::LimitIsAttributeNames,
            "limit-is-attribute-names",
            "limit-is-five",
            "A provider takes links by five attribute names, then LimitExceededException",
        ),
        F(B::ListLag40s, "list-lag-40s", "list-lag", "ListUsers shows a write after 40 s"),
        F(B::DatesAbsent, "dates-absent", "date-there", "Identities have no dateCreated"),
        F(B::DatesInSeconds, "dates-in-seconds", "date-there", "The dateCreated of an identity is in seconds"),
        F(B::DatesRewritten, "dates-rewritten", "date-there", "A sign-in sets the dateCreated of its identity"),
        F(
            B::AttributeLinksHidden,
            "attribute-links-hidden",
            "attribute-link-visible",
            "A link by an attribute is not shown before its first sign-in",
        ),
        F(
            B::OwnIdentityNotCounted,
            "own-identity-not-counted",
            "own-counts",
            "The identity from which a user was created does not count among the five",
        ),
        F(
            B::LengthCountsValueOnly,
            "length-counts-value-only",
            "128-counts-name",
            "The limit of 128 characters is on the value of a source alone",
        ),
        F(B::ProviderNames40, "provider-names-40", "name-32", "Provider names have up to 40 characters"),
        F(
            B::RefusalsLink,
            "refusals-link",
            "text-no-look",
            "One link of four is made although the answer is a constraint or \"does not exist\"",
        ),
        F(B::NoSubPrefix, "no-sub-prefix", "sub-prefix", "A filter sub ^= is refused"),
        F(
            B::AttributeLinkStays,
            "attribute-link-stays",
            "unlink-form",
            "A link by an attribute stays as it was made when it is used, and is removed by that attribute",
        ),
        F(
            B::UnlinkSaysUserNotFound,
            "unlink-says-user-not-found",
            "unlink-form",
            "Unlinking what is not linked is refused with UserNotFoundException",
        ),
        F(
            B::UnlinkByAttributeAfterSignIn,
            "unlink-by-attribute-after-sign-in",
            "unlink-form",
            "A used link by an attribute shows the subject, and is still removed by that attribute",
        ),
        F(
            B::OldAlreadyLinkedText,
            "old-already-linked-text",
            "new-text",
            "A repeated link is refused with the text from before mid-2024",
        ),
        F(B::UnknownTexts, "unknown-texts", "new-text", "Refusals of links and unlinks have texts that nobody knows"),
    ]
};

impl Behavior {
    /// Every behavior, in the order of their names in the documentation.
    pub const ALL: &'static [Self] = &{
        let mut all = [Self::NamesKeepCase; FACTS.len()];
        let mut at = 0;
        while at < FACTS.len() {
            all[at] = FACTS[at].0;
            at += 1;
        }
        all
    };

    fn facts(self) -> &'static BehaviorFacts {
        FACTS.iter().find(|facts| facts.0 == self).unwrap_or(&FACTS[0])
    }

    /// Its name, as `--behavior` takes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.facts().1
    }

    /// The id of the assumption of clients that it contradicts.
    #[must_use]
    pub fn assumption(self) -> &'static str {
        self.facts().2
    }

    /// What it does, in a sentence for people.
    #[must_use]
    pub fn description(self) -> &'static str {
        self.facts().3
    }
}

impl ValueEnum for Behavior {
    fn value_variants<'a>() -> &'a [Self] {
        Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(self.description()))
    }
}

/// The behaviors of a pool that differ from the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct BehaviorSet(u32);

impl BehaviorSet {
    pub(crate) fn has(self, behavior: Behavior) -> bool {
        self.0 & Self::bit(behavior) != 0
    }

    fn bit(behavior: Behavior) -> u32 {
        1 << (behavior as u32)
    }
}

impl FromIterator<Behavior> for BehaviorSet {
    fn from_iter<T: IntoIterator<Item = Behavior>>(behaviors: T) -> Self {
        Self(behaviors.into_iter().fold(0, |bits, behavior| bits | Self::bit(behavior)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_behavior_has_a_name_and_a_place_in_a_set() {
        let names: BTreeSet<_> = Behavior::ALL.iter().map(|behavior| behavior.name()).collect();
        assert_eq!(names.len(), Behavior::ALL.len());
        for behavior in Behavior::ALL {
            assert_eq!(Behavior::from_str(behavior.name(), false), Ok(*behavior));
            let alone: BehaviorSet = [*behavior].into_iter().collect();
            assert!(Behavior::ALL.iter().all(|other| alone.has(*other) == (other == behavior)));
        }
    }
}
