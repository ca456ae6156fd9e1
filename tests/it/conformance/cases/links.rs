//! Links and unlinkings that are refused.

use serde_json::{Value, json};

use super::{Case, DISABLE, INVALID, LINK, by, constraint, disable, identity, link, native, with};

/// Links that the pool's state forbids.
pub(super) fn refused_by_state() -> Vec<Case> {
    const ALREADY: &str = "SourceUser is already linked to DestinationUser";
    const NATIVE: &str = "Invalid SourceUser: Cognito users with a username/password may not be passed in as a \
                          SourceUser, only as a DestinationUser";
    const MERGING: &str =
        "Merging is not currently supported, provide a SourceUser that has not been signed up in order to link";
    let case = |name, destination: Value, source: Value| Case::new(name, LINK, link(&destination, &source));
    vec![
        case("a repeat", native("alice"), identity("Google", "1"))
            .then(LINK, link(&native("alice"), &identity("Google", "1")))
            .refused("already_linked", INVALID, ALREADY),
        case("linked to another", native("alice"), identity("Google", "1001")).refused(
            "already_linked",
            INVALID,
            ALREADY,
        ),
        case("native source", native("alice"), by("Cognito", "Cognito_Subject", "bob")).refused(
            "native_source",
            INVALID,
            NATIVE,
        ),
        case("native user in the way", native("alice"), identity("Google", "4004")).refused(
            "native_source",
            INVALID,
            NATIVE,
        ),
        case("has its own profile", native("alice"), identity("Google", "2002")).refused("merging", INVALID, MERGING),
        case("unknown destination", native("nobody"), identity("Google", "1")).refused(
            "user_not_found",
            "UserNotFoundException",
            "User does not exist.",
        ),
        case("unknown provider", native("alice"), identity("No", "1")).refused(
            "provider_not_found",
            "ResourceNotFoundException",
            "Identity provider No does not exist.",
        ),
        case("sixth identity", native("full"), identity("Google", "1")).refused(
            "too_many_identities",
            "LimitExceededException",
            "Exceeded the maximum number of linked identities for a user",
        ),
        case("a text of its own", native("odd"), identity("Google", "1")).refused(
            "link_refusal",
            INVALID,
            "A text of its own.",
        ),
        case("alias in the way", native("carol"), identity("Google", "1")).refused(
            "alias_exists",
            "AliasExistsException",
            "An account with the given email already exists.",
        ),
    ]
}

/// Links whose request itself is wrong.
pub(super) fn refused_by_shape() -> Vec<Case> {
    let case = |name, destination: Value, source: Value| Case::new(name, LINK, link(&destination, &source));
    let long = "x".repeat(128 - "GoogleCognito_Subject".len() + 1);
    vec![
        case("over 128 characters", native("alice"), identity("Google", &long)).refused(
            "source_too_long",
            INVALID,
            "Invalid SourceUser: the combined length of its members must be at most 128",
        ),
        case("social by an attribute", native("alice"), by("Google", "email", "a@example.com")).refused(
            "social_attribute",
            INVALID,
            "Invalid SourceUser: ProviderAttributeName must be Cognito_Subject for social identity providers",
        ),
        case("attribute not mapped", native("alice"), by("Corp", "email", "a@example.com")).refused(
            "attribute_not_mapped",
            INVALID,
            "Invalid SourceUser: ProviderAttributeName is not mapped in the identity provider",
        ),
        case(
            "no value",
            native("alice"),
            json!({ "ProviderName": "Google", "ProviderAttributeName": "Cognito_Subject" }),
        )
        .refused(
            "null_member",
            INVALID,
            &constraint("null", "sourceUser.providerAttributeValue", "Member must not be null"),
        ),
        case("empty value", native("alice"), identity("Google", "")).refused(
            "too_short",
            INVALID,
            &constraint(
                "''",
                "sourceUser.providerAttributeValue",
                "Member must have length greater than or equal to 1",
            ),
        ),
        case("provider name too long", native("alice"), identity(&"p".repeat(33), "1")).refused(
            "too_long",
            INVALID,
            &constraint(
                &format!("'{}'", "p".repeat(33)),
                "sourceUser.providerName",
                "Member must have length less than or equal to 32",
            ),
        ),
        Case::new(
            "unknown pool",
            LINK,
            with(link(&native("alice"), &identity("Google", "1")), "UserPoolId", json!("sim-local-1_No")),
        )
        .refused("pool_not_found", "ResourceNotFoundException", "User pool sim-local-1_No does not exist."),
    ]
}

pub(super) fn refused_unlinks() -> Vec<Case> {
    const NOT_LINKED: &str = "Account isn't linked to anyone else, verify that the account has been linked";
    let case = |name, user: Value| Case::new(name, DISABLE, disable(&user)).refused("not_linked", INVALID, NOT_LINKED);
    vec![
        case("unlink what is not linked", identity("Google", "1")),
        case("unlink with the prefix of the profile's name", identity("Google", "google_1001")),
        case("unlink by another attribute", by("Google", "email", "1001")),
        case("unlink a profile's own identity", identity("Google", "2002")),
    ]
}
