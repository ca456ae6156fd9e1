//! What a look at a destination says about a link that is to be taken back, and how the service names that link.
//!
//! The service's call names only the identity and takes it from whoever holds it, so a link is taken back only where it
//! was just seen on the user that this ledger linked it to, and no younger than this ledger's own result. The form follows
//! `AdminDisableProviderForUser`: attribute and value as they were linked before the identity's first sign-in, and
//! `Cognito_Subject` with the subject after it. That is documented for SAML; OIDC is treated alike.

use super::settle::listed_name;
use crate::clock::UnixMs;
use crate::domain::identity::{AttributeName, DestinationUser, ExternalIdentity};
use crate::domain::outcome::RefusalCode;
use crate::service::{LinkedIdentity, PoolUser};

/// A link as this ledger made it, in the service's time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Made {
    /// The identity as it was linked.
    pub(super) source: ExternalIdentity,
    /// The earliest time at which it was linked.
    pub(super) earliest: UnixMs,
    /// The latest time at which it was linked.
    pub(super) latest: UnixMs,
}

/// What a look saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sight {
    /// The link stands, and the service knows it by this.
    Standing(ExternalIdentity),
    /// It cannot be taken back safely.
    Refused(RefusalCode),
    /// The user does not hold the identity.
    Absent,
    /// The user itself was not there.
    NoUser,
}

/// Looks for the link on its destination among the users that were read.
pub(super) fn inspect(users: &[PoolUser], destination: &DestinationUser, made: &Made, case_sensitive: bool) -> Sight {
    let name = listed_name(destination, case_sensitive);
    let Some(user) = users.iter().find(|user| user.username.expose() == name) else {
        return Sight::NoUser;
    };
    let source = &made.source;
    match user.identity(source.provider(), source.value()) {
        // Its own profile was born from it, or it was linked after this ledger's link had gone.
        Some(held) if held.primary || !is_ours(held, made) => Sight::Refused(RefusalCode::Moved),
        // A SAML identity has an issuer once it has signed in; from then on it goes by a subject that is not shown.
        Some(held) if !source.attribute().is_subject() && held.issuer.is_some() => {
            Sight::Refused(RefusalCode::UsedSince)
        }
        Some(_) => Sight::Standing(source.clone()),
        None if source.attribute().is_subject() => Sight::Absent,
        None => used_link(user, made),
    }
}

/// Whether the identity was linked no later than this ledger's link. One without a date cannot be told.
fn is_ours(held: &LinkedIdentity, made: &Made) -> bool {
    held.created_unix_ms.is_some_and(|created| created <= made.latest)
}

/// A link by an attribute whose value is not there: after a sign-in the pool shows the subject in its place, with the
/// date of the link. Only exactly one that can be it is taken for it.
fn used_link(user: &PoolUser, made: &Made) -> Sight {
    let provider = made.source.provider();
    let others: Vec<&LinkedIdentity> =
        user.identities.iter().filter(|held| held.provider_name == provider.as_str() && !held.primary).collect();
    let in_time =
        |held: &LinkedIdentity| held.created_unix_ms.is_some_and(|at| at >= made.earliest) && is_ours(held, made);
    let was_used = |held: &LinkedIdentity| held.provider_type != "SAML" || held.issuer.is_some();
    match others.as_slice() {
        [] => Sight::Absent,
        [only] if in_time(only) && was_used(only) => {
            ExternalIdentity::new(provider.clone(), AttributeName::subject(), only.user_id.clone())
                .map_or(Sight::Refused(RefusalCode::UsedSince), Sight::Standing)
        }
        _ => Sight::Refused(RefusalCode::UsedSince),
    }
}

/// Whether the user holds other identities of the provider that were linked to it: one of them may be the link by an
/// attribute, under its subject.
pub(super) fn holds_others(
    users: &[PoolUser],
    destination: &DestinationUser,
    made: &ExternalIdentity,
    case_sensitive: bool,
) -> bool {
    let name = listed_name(destination, case_sensitive);
    let user = users.iter().find(|user| user.username.expose() == name);
    let of_provider = |held: &LinkedIdentity| held.provider_name == made.provider().as_str() && !held.primary;
    !made.attribute().is_subject() && user.is_some_and(|user| user.identities.iter().any(of_provider))
}
