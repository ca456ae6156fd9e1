//! Which user a row means: how its destination is looked up, and how a user of the pool is named as a destination.

use std::borrow::Cow;

use super::trust::{Distrust, TrustPolicy, UserEvidence};
use crate::domain::identity::{
    Destination, DestinationUser, ExternalIdentity, Personal, ProviderName, profile_username,
};
use crate::domain::outcome::RefusalCode;
use crate::limits::FILTER_CHARS_MAX;
use crate::service::{LinkedIdentity, PoolFacts, PoolUser, UserFilter};

/// How a pool names its users, as far as looking them up depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolNaming {
    pub case_sensitive: bool,
    /// Whether user names are what `sub` has, because users sign in with an address.
    pub usernames_are_subs: bool,
}

impl From<&PoolFacts> for PoolNaming {
    fn from(facts: &PoolFacts) -> Self {
        Self { case_sensitive: facts.case_sensitive, usernames_are_subs: !facts.username_attributes.is_empty() }
    }
}

/// How a destination becomes one that can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    Known(DestinationUser),
    LookUp(UserFilter),
}

pub fn resolution(destination: &Destination) -> Resolution {
    let look_up =
        |attribute, value: &Personal| Resolution::LookUp(UserFilter { attribute, prefix: false, value: value.clone() });
    match destination {
        Destination::Username(value) => Resolution::Known(native_user(value.clone())),
        Destination::Federated { provider, user_id } => {
            Resolution::Known(DestinationUser { provider: provider.clone(), value: user_id.clone() })
        }
        Destination::Email(value) => look_up("email", value),
        Destination::Sub(value) => look_up("sub", value),
        Destination::Phone(value) => look_up("phone_number", value),
        Destination::PreferredUsername(value) => look_up("preferred_username", value),
    }
}

/// Which attribute of users a text that is given as a user name could be by mistake.
fn mistaken_attribute(name: &str, naming: PoolNaming) -> Option<&'static str> {
    let is_uuid = || {
        name.len() == 36
            && name.char_indices().all(|(at, char)| match at {
                8 | 13 | 18 | 23 => char == '-',
                _ => char.is_ascii_hexdigit(),
            })
    };
    match name {
        _ if name.contains('@') => Some("email"),
        _ if !naming.usernames_are_subs && is_uuid() => Some("sub"),
        _ => None,
    }
}

/// The `email` or `sub` that a user name could be by mistake, as a destination. The service documents that a destination is
/// named by its user name. If it takes an address as well, in whatever pool, the link is on a user who is not found by the
/// name that was sent.
pub fn mistaken_destination(destination: &Destination, naming: PoolNaming) -> Option<Destination> {
    let Destination::Username(name) = destination else { return None };
    match mistaken_attribute(name.expose(), naming)? {
        "email" => Some(Destination::Email(name.clone())),
        _ => Some(Destination::Sub(name.clone())),
    }
}

/// The filters that find a destination, in the order in which they are sent until one finds it. A pool that ignores case
/// may show names in lower case or as they were given, and how a filter reads a backslash is not documented: where a name
/// has one, or a quote, its start is searched for at last, and the names that are found are compared here.
pub fn look_up_filters(destination: &Destination, naming: PoolNaming) -> Vec<UserFilter> {
    let (attribute, value) = match destination {
        Destination::Username(name) => ("username", name.expose().to_owned()),
        Destination::Email(email) => ("email", email.expose().to_owned()),
        Destination::Sub(sub) => ("sub", sub.expose().to_owned()),
        Destination::Phone(number) => ("phone_number", number.expose().to_owned()),
        Destination::PreferredUsername(name) => ("preferred_username", name.expose().to_owned()),
        Destination::Federated { provider, user_id } => {
            ("username", profile_username(provider.as_str(), user_id.expose()))
        }
    };
    let mut spellings = vec![value];
    if !naming.case_sensitive && attribute != "sub" {
        let lowered = folded(&spellings[0]).into_owned();
        spellings.push(lowered);
        // User names are seen in lower case, and addresses as they were given.
        if attribute == "username" {
            spellings.reverse();
        }
        spellings.dedup();
    }
    let mut filters: Vec<UserFilter> = spellings.iter().map(|text| filter_that_fits(attribute, text)).collect();
    let plain = spellings.iter().filter_map(|text| text.find(['\\', '"']).map(|end| &text[..end]));
    filters.extend(plain.filter(|start| !start.is_empty()).map(|start| UserFilter {
        attribute,
        prefix: true,
        value: Personal::from_service(start),
    }));
    if let Some(mistaken) = mistaken_destination(destination, naming) {
        filters.extend(look_up_filters(&mistaken, naming));
    }
    filters
}

/// A filter on this value, or on as much of its start as fits: what it finds is compared in full anyway.
pub(crate) fn filter_that_fits(attribute: &'static str, value: &str) -> UserFilter {
    let mut filter = UserFilter { attribute, prefix: false, value: Personal::from_service(value) };
    let mut chars = value.chars().count();
    while filter.to_text().chars().count() > FILTER_CHARS_MAX && chars > 1 {
        chars -= 1;
        let start: String = value.chars().take(chars).collect();
        filter = UserFilter { attribute, prefix: true, value: Personal::from_service(&start) };
    }
    filter
}

/// Something that helps to correct a row that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CorrectionHint {
    /// There is a user whose name differs from the destination's in case only.
    UserInOtherCase,
    /// The destination is full only with what earlier rows of the file give it.
    FullByFile,
    /// The user who was found does not count.
    Distrusted(Distrust),
    /// No user has the user name, and it is the `sub` of a user.
    UsernameIsSub,
    /// No user has the user name, and it is the e-mail address of a user.
    UsernameIsEmail,
}

impl CorrectionHint {
    /// A lower-case fragment.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UserInOtherCase => "the pool has a user whose name differs in letter case only",
            Self::FullByFile => "earlier rows of the file take the room that is left",
            Self::Distrusted(distrust) => distrust.as_str(),
            Self::UsernameIsSub => "this is the sub of a user, not a user name; use the column destination_sub",
            Self::UsernameIsEmail => {
                "this is the e-mail address of a user, not a user name; use the column destination_email"
            }
        }
    }

    pub(super) fn of_mistaken(destination: &Destination) -> Self {
        if matches!(destination, Destination::Sub(_)) { Self::UsernameIsSub } else { Self::UsernameIsEmail }
    }
}

/// What a user name that no user has means to the users that were found: the column that it belongs to.
pub fn mistaken_column(destination: &Destination, found: &[PoolUser], naming: PoolNaming) -> Option<CorrectionHint> {
    let mistaken = mistaken_destination(destination, naming)?;
    // It is an alias of a federated user as well.
    let means = |user: &PoolUser| {
        is_meant(&mistaken, UserNames { federated: false, ..UserNames::of(user) }, naming.case_sensitive)
    };
    found.iter().any(means).then(|| CorrectionHint::of_mistaken(&mistaken))
}

/// The one user that `destination` means among those that the look-up found.
///
/// An e-mail address is not unique in a pool, and federated profiles share it with native ones: federated profiles are
/// skipped. Addresses are compared without case only in a case-insensitive pool. A user who is not trusted does not count.
/// Among several who do, the user name `chosen` by a person decides; a user who is not among them is no choice.
pub fn resolve(
    destination: &Destination,
    found: &[PoolUser],
    case_sensitive: bool,
    trust: TrustPolicy,
    chosen: Option<&Personal>,
) -> Result<DestinationUser, RefusalCode> {
    let meant = found.iter().filter(|user| is_meant(destination, UserNames::of(user), case_sensitive));
    let judged = meant.map(|user| (user, trust.distrust(destination, UserEvidence::of(user))));
    let user = choose_user(judged, |user| chosen == Some(&user.username))?;
    Ok(native_user(user.username.clone()))
}

/// The one user among those whom a destination means, each with why it does not count.
///
/// # Errors
/// [`RefusalCode::UserNotFound`] for none; [`RefusalCode::DestinationUnverified`] where none of them counts, or not the
/// chosen one; [`RefusalCode::UserAmbiguous`] where several count and none of them is chosen.
pub(super) fn choose_user<T>(
    meant: impl IntoIterator<Item = (T, Option<Distrust>)>,
    is_chosen: impl Fn(&T) -> bool,
) -> Result<T, RefusalCode> {
    let (mut counted, mut has_distrusted) = (Vec::new(), false);
    for (user, distrust) in meant {
        match distrust {
            None => counted.push(user),
            Some(_) if is_chosen(&user) => return Err(RefusalCode::DestinationUnverified),
            Some(_) => has_distrusted = true,
        }
    }
    if counted.len() > 1 {
        counted.retain(is_chosen);
        return counted.pop().ok_or(RefusalCode::UserAmbiguous);
    }
    let none = if has_distrusted { RefusalCode::DestinationUnverified } else { RefusalCode::UserNotFound };
    counted.pop().ok_or(none)
}

/// Whether a user whom the destination means holds the identity as a link: then nothing is given to anybody.
pub fn is_held_by_one_meant(
    destination: &Destination,
    source: &ExternalIdentity,
    found: &[PoolUser],
    case_sensitive: bool,
) -> bool {
    let holds = |user: &PoolUser| user.identity(source.provider(), source.value()).is_some_and(|held| !held.primary);
    found.iter().any(|user| holds(user) && is_meant(destination, UserNames::of(user), case_sensitive))
}

/// The names by which a destination may mean a user.
#[derive(Debug, Clone, Copy)]
pub(super) struct UserNames<'a> {
    pub(super) username: &'a Personal,
    pub(super) sub: Option<&'a Personal>,
    pub(super) email: Option<&'a Personal>,
    pub(super) phone: Option<&'a Personal>,
    pub(super) preferred_username: Option<&'a Personal>,
    /// Whether the profile was born from an external identity.
    pub(super) federated: bool,
}

impl<'a> UserNames<'a> {
    fn of(user: &'a PoolUser) -> Self {
        let federated = user.is_federated();
        Self {
            username: &user.username,
            sub: user.sub.as_ref(),
            email: user.email.as_ref(),
            phone: user.phone.as_ref(),
            preferred_username: user.preferred_username.as_ref(),
            federated,
        }
    }
}

/// Whether a destination means this user. An address, a preferred user name or a `sub` never means a federated user.
pub(super) fn is_meant(destination: &Destination, user: UserNames<'_>, case_sensitive: bool) -> bool {
    let equal = |held: Option<&Personal>, wanted: &Personal| {
        held.is_some_and(|held| held == wanted || !case_sensitive && folded(held.expose()) == folded(wanted.expose()))
    };
    match destination {
        Destination::Email(wanted) => !user.federated && equal(user.email, wanted),
        Destination::Sub(wanted) => !user.federated && user.sub == Some(wanted),
        Destination::Phone(wanted) => !user.federated && user.phone == Some(wanted),
        Destination::PreferredUsername(wanted) => !user.federated && equal(user.preferred_username, wanted),
        Destination::Username(wanted) => equal(Some(user.username), wanted),
        Destination::Federated { .. } => false,
    }
}

fn native_user(value: Personal) -> DestinationUser {
    DestinationUser { provider: ProviderName::native(), value }
}

/// Returns the text in lower case, as the service folds the user names of a case-insensitive pool.
pub(super) fn folded(text: &str) -> Cow<'_, str> {
    let is_folded = text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    if is_folded { Cow::Borrowed(text) } else { Cow::Owned(text.to_lowercase()) }
}

/// Whether two user names are one to the pool.
pub fn is_same_name(one: &str, other: &str, case_sensitive: bool) -> bool {
    one == other || !case_sensitive && folded(one) == folded(other)
}

/// Identities that were linked to the user. A federated user's own identity is no link.
pub fn linked_identities(user: &PoolUser) -> impl Iterator<Item = &LinkedIdentity> {
    user.identities.iter().filter(|identity| !identity.primary)
}

/// How a row names the user, so that reading it back finds it: a federated user by provider and id there, true case,
/// where its user name is made of these; every other by its user name.
///
/// In a case-insensitive pool the user name of such a profile may be lower-case, and only the identity keeps the case.
pub fn destination_of_user(user: &PoolUser, case_sensitive: bool) -> DestinationUser {
    let own = user.identities.iter().find(|identity| identity.primary);
    let by_identity = own.and_then(|identity| {
        let name = profile_username(&identity.provider_name, identity.user_id.expose());
        let provider = ProviderName::parse(&identity.provider_name).ok()?;
        let fits = is_same_name(&name, user.username.expose(), case_sensitive) && !provider.is_native();
        fits.then(|| DestinationUser { provider, value: identity.user_id.clone() })
    });
    by_identity.unwrap_or_else(|| DestinationUser { provider: ProviderName::native(), value: user.username.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::LinkedIdentity;

    fn user(username: &str, email: &str, federated: bool) -> PoolUser {
        let identity = LinkedIdentity {
            user_id: Personal::from_service("1"),
            provider_name: "Google".into(),
            provider_type: "Google".into(),
            issuer: None,
            primary: federated,
            created_unix_ms: None,
        };
        PoolUser {
            sub: Some(Personal::from_service(&format!("sub-{username}"))),
            email: Some(Personal::from_service(email)),
            email_verified: true,
            identities: vec![identity],
            ..PoolUser::named(username)
        }
    }

    fn by_email(email: &str) -> Destination {
        Destination::Email(Personal::from_service(email))
    }

    #[test]
    fn one_hit_none_and_several() {
        let native = |name| user(name, "a@example.com", false);
        let federated = |name| user(name, "a@example.com", true);
        let found = |users: &[PoolUser]| {
            resolve(&by_email("a@example.com"), users, true, TrustPolicy::Verified, None)
                .map(|user| user.value.expose().to_owned())
        };
        assert_eq!(found(&[native("alice")]), Ok("alice".into()));
        assert_eq!(found(&[federated("Google_1"), native("alice")]), Ok("alice".into()), "its own shell is no rival");
        assert_eq!(found(&[]), Err(RefusalCode::UserNotFound));
        assert_eq!(found(&[federated("Google_1")]), Err(RefusalCode::UserNotFound));
        assert_eq!(found(&[native("alice"), native("bob")]), Err(RefusalCode::UserAmbiguous));
    }

    #[test]
    fn a_choice_counts_among_several_only() {
        let native = |name| user(name, "a@example.com", false);
        let twins = [native("alice"), native("bob"), user("Google_1", "a@example.com", true)];
        let found = |users: &[PoolUser], chosen: &str| {
            let chosen = Personal::from_service(chosen);
            resolve(&by_email("a@example.com"), users, true, TrustPolicy::Verified, Some(&chosen))
                .map(|user| user.value.expose().to_owned())
        };
        assert_eq!(found(&twins, "bob"), Ok("bob".into()));
        assert_eq!(found(&twins, "carol"), Err(RefusalCode::UserAmbiguous), "no user of that name has the address");
        assert_eq!(found(&twins, "Google_1"), Err(RefusalCode::UserAmbiguous), "a profile is never meant");
        assert_eq!(found(&twins[..1], "bob"), Ok("alice".into()), "there is nothing to choose");
    }

    #[test]
    fn case_counts_where_the_pool_says_so() {
        let found = [user("alice", "A@example.com", false)];
        assert_eq!(
            resolve(&by_email("a@example.com"), &found, true, TrustPolicy::Verified, None),
            Err(RefusalCode::UserNotFound)
        );
        assert!(resolve(&by_email("a@example.com"), &found, false, TrustPolicy::Verified, None).is_ok());
        let sub = Destination::Sub(Personal::from_service("SUB-alice"));
        assert_eq!(
            resolve(&sub, &found, false, TrustPolicy::Verified, None),
            Err(RefusalCode::UserNotFound),
            "a sub is matched exactly"
        );
    }

    #[test]
    fn what_needs_a_look_up() {
        let sub = Destination::Sub(Personal::from_service("1"));
        assert!(matches!(resolution(&sub), Resolution::LookUp(filter) if filter.to_text() == "sub = \"1\""));
        let name = Destination::Username(Personal::from_service("alice"));
        assert!(matches!(resolution(&name), Resolution::Known(user) if user.provider.is_native()));
    }

    const KEEPS_CASE: PoolNaming = PoolNaming { case_sensitive: true, usernames_are_subs: false };
    const FOLDS: PoolNaming = PoolNaming { case_sensitive: false, usernames_are_subs: false };
    const UUID: &str = "a0000000-0000-4000-8000-00000000000f";

    fn by_name(name: &str) -> Destination {
        Destination::Username(Personal::from_service(name))
    }

    #[test]
    fn a_name_is_looked_for_in_every_spelling_that_the_pool_may_show() {
        let texts = |destination: &Destination, naming| -> Vec<String> {
            look_up_filters(destination, naming).iter().map(UserFilter::to_text).collect()
        };
        let okta = ProviderName::parse("Okta").unwrap();
        let federated = Destination::Federated { provider: okta, user_id: Personal::from_service("AbC") };
        assert_eq!(texts(&by_name("Alice"), KEEPS_CASE), ["username = \"Alice\""]);
        assert_eq!(texts(&by_name("Alice"), FOLDS), ["username = \"alice\"", "username = \"Alice\""]);
        assert_eq!(texts(&by_name("alice"), FOLDS), ["username = \"alice\""]);
        assert_eq!(texts(&federated, FOLDS), ["username = \"okta_abc\"", "username = \"Okta_AbC\""]);
        assert_eq!(texts(&by_email("A@x.org"), FOLDS), ["email = \"A@x.org\"", "email = \"a@x.org\""]);
        let domain = r"corp\alice";
        assert_eq!(texts(&by_name(domain), KEEPS_CASE), [r#"username = "corp\\alice""#, "username ^= \"corp\""]);
        assert_eq!(texts(&by_name(r"\alice"), KEEPS_CASE), [r#"username = "\\alice""#], "no start to search for");
        assert_eq!(texts(&by_name("a@x.org"), KEEPS_CASE), ["username = \"a@x.org\"", "email = \"a@x.org\""]);
        let name_and_sub = [format!("username = \"{UUID}\""), format!("sub = \"{UUID}\"")];
        assert_eq!(texts(&by_name(UUID), KEEPS_CASE), name_and_sub);
    }

    #[test]
    fn a_name_that_looks_like_an_address_or_a_sub_may_be_one() {
        for (name, usernames_are_subs, expected) in [
            ("alice", false, None),
            ("a@x.org", false, Some("email")),
            ("a@x.org", true, Some("email")),
            (UUID, false, Some("sub")),
            (UUID, true, None),
            ("a0000000-0000-4000-8000-00000000000", false, None),
            ("a0000000-0000-4000-8000-00000000000g", false, None),
        ] {
            let naming = PoolNaming { case_sensitive: true, usernames_are_subs };
            let mistaken = mistaken_destination(&by_name(name), naming);
            assert_eq!(mistaken.as_ref().map(Destination::kind), expected, "{name} {naming:?}");
        }
    }

    #[test]
    fn a_name_that_is_an_address_or_a_sub_belongs_in_another_column() {
        let users = [PoolUser { sub: Some(Personal::from_service(UUID)), ..user("alice", "a@x.org", false) }];
        let column = |name: &str| mistaken_column(&by_name(name), &users, KEEPS_CASE);
        assert_eq!(column("a@x.org"), Some(CorrectionHint::UsernameIsEmail));
        assert_eq!(column(UUID), Some(CorrectionHint::UsernameIsSub));
        assert_eq!(column("b@x.org"), None);
        assert_eq!(
            resolve(&by_name("ALICE"), &users, false, TrustPolicy::Verified, None).map(|user| user.username()),
            Ok("alice".into())
        );
        assert_eq!(
            resolve(&by_name("ALICE"), &users, true, TrustPolicy::Verified, None),
            Err(RefusalCode::UserNotFound)
        );
    }

    fn user_with(username: &str, identities: &[(&str, &str, bool)]) -> PoolUser {
        let identity = |(provider, id, primary): &(&str, &str, bool)| LinkedIdentity {
            user_id: Personal::from_service(id),
            provider_name: (*provider).to_owned(),
            provider_type: String::new(),
            issuer: None,
            primary: *primary,
            created_unix_ms: None,
        };
        PoolUser {
            email_verified: true,
            identities: identities.iter().map(identity).collect(),
            ..PoolUser::named(username)
        }
    }

    #[test]
    fn a_profile_is_named_by_its_own_identity_in_true_case() {
        for (username, own, case_sensitive, expected) in [
            ("alice", None, true, ("Cognito", "alice")),
            ("Okta_AbC", Some(("Okta", "AbC", true)), true, ("Okta", "AbC")),
            ("okta_abc", Some(("Okta", "AbC", true)), false, ("Okta", "AbC")),
            ("Okta_AbC", Some(("Okta", "AbC", true)), false, ("Okta", "AbC")),
            ("okta_abc", Some(("Okta", "AbC", true)), true, ("Cognito", "okta_abc")),
            ("alice", Some(("Okta", "AbC", true)), true, ("Cognito", "alice")),
            ("Okta_AbC", Some(("Okta", "AbC", false)), true, ("Cognito", "Okta_AbC")),
        ] {
            let named = destination_of_user(&user_with(username, own.as_slice()), case_sensitive);
            assert_eq!((named.provider.as_str(), named.value.expose()), expected, "{username} {own:?}");
        }
    }

    #[test]
    fn the_own_identity_is_no_link() {
        let user = user_with("Okta_1", &[("Okta", "1", true), ("Google", "2", false)]);
        let linked: Vec<_> = linked_identities(&user).map(|identity| identity.user_id.expose()).collect();
        assert_eq!(linked, ["2"]);
    }
}
