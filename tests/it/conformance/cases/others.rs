//! Reads and changes that are refused, beside links and unlinks.

use serde_json::json;

use super::{CREATE_PROVIDER, CREATE_USER, Case, INVALID, POOL, constraint, limit, list, provider, user, with};

pub(super) fn refused_reads() -> Vec<Case> {
    let case = |name, filter: &str| Case::new(name, "ListUsers", list(filter));
    let limited = |name, limit: i64| Case::new(name, "ListUsers", json!({ "UserPoolId": POOL, "Limit": limit }));
    vec![
        case("no filter", "username").refused("filter_unreadable", INVALID, "Error while parsing filter."),
        case("cannot be searched", "identities = \"x\"").refused(
            "filter_attribute",
            INVALID,
            "Invalid search attribute: identities",
        ),
        limited("61 users", 61).refused(
            "too_large",
            INVALID,
            &constraint("'61'", "limit", "Member must have value less than or equal to 60"),
        ),
        limited("-1 users", -1).refused(
            "negative",
            INVALID,
            &constraint("'-1'", "limit", "Member must have value greater than or equal to 0"),
        ),
        Case::new("a token of nobody's", "ListUsers", json!({ "UserPoolId": POOL, "PaginationToken": "abc" })).refused(
            "paging_marker",
            INVALID,
            "Paging marker abc is invalid for request ",
        ),
        Case::new(
            "an attribute that some lack",
            "ListUsers",
            json!({ "UserPoolId": POOL, "AttributesToGet": ["email"] }),
        )
        .refused("attribute_missing", INVALID, "One or more requested attributes do not exist: email"),
        Case::new("no pools", "ListUserPools", json!({ "MaxResults": 0 })).refused(
            "too_small",
            INVALID,
            &constraint("'0'", "maxResults", "Member must have value greater than or equal to 1"),
        ),
        Case::new("no such limit", "GetProvisionedLimit", limit("API_CATEGORY", "No")).refused(
            "limit_unknown",
            "ResourceNotFoundException",
            "The requested limit does not exist.",
        ),
        Case::new("no such class", "GetProvisionedLimit", limit("NO", "UserUpdate")).refused(
            "not_in_set",
            INVALID,
            &constraint("'NO'", "limitDefinition.limitClass", "Member must satisfy enum value set: [API_CATEGORY]"),
        ),
        Case::new("no such quota", "GetServiceQuota", json!({ "ServiceCode": "cognito-idp", "QuotaCode": "L-0" }))
            .refused(
                "quota_unknown",
                "NoSuchResourceException",
                "The request failed because the specified quota or service does not exist.",
            ),
    ]
}

pub(super) fn refused_changes() -> Vec<Case> {
    let attribute = |name: &str| with(user("dave"), "UserAttributes", json!([{ "Name": name, "Value": "x" }]));
    let by_mail = r#""username_attributes":["email"]"#;
    vec![
        Case::new("user name taken", CREATE_USER, user("alice")).refused(
            "user_exists",
            "UsernameExistsException",
            "User account already exists",
        ),
        Case::new("address taken", CREATE_USER, user("alice@example.com")).with(by_mail).refused(
            "alias_taken",
            "UsernameExistsException",
            "An account with the given email already exists.",
        ),
        Case::new("no address", CREATE_USER, user("dave")).with(by_mail).refused(
            "username_form",
            INVALID,
            "Username should be an email.",
        ),
        Case::new("invited again", CREATE_USER, with(user("alice"), "MessageAction", json!("RESEND"))).refused(
            "resend_impossible",
            "UnsupportedUserStateException",
            "Resend not possible.",
        ),
        Case::new("attribute of no schema", CREATE_USER, attribute("custom:team")).refused(
            "attribute_unknown",
            INVALID,
            "Attributes did not conform to the schema: custom:team: Attribute does not exist in the schema.",
        ),
        Case::new("identities set by hand", CREATE_USER, attribute("identities")).refused(
            "attribute_immutable",
            INVALID,
            "user.identities: Attribute cannot be updated.",
        ),
        Case::new("provider taken", CREATE_PROVIDER, provider("Okta", "OIDC")).refused(
            "duplicate_provider",
            "DuplicateProviderException",
            "A provider with the name Okta already exists in this user pool.",
        ),
        Case::new(
            "provider without details",
            CREATE_PROVIDER,
            with(provider("Entra", "OIDC"), "ProviderDetails", json!({})),
        )
        .refused("provider_detail_missing", INVALID, "Missing required provider detail: client_id"),
        Case::new("social provider by another name", CREATE_PROVIDER, provider("Entra", "Google")).refused(
            "social_provider_name",
            INVALID,
            "The ProviderName of a social identity provider must be its ProviderType",
        ),
        Case::new("provider name with an underscore", CREATE_PROVIDER, provider("My_Okta", "OIDC")).refused(
            "not_of_form",
            INVALID,
            &constraint("'My_Okta'", "providerName", "Member must satisfy regular expression pattern: "),
        ),
        Case::new("1,001 providers", CREATE_PROVIDER, provider("Entra", "OIDC")).with_providers(997).refused(
            "too_many",
            "LimitExceededException",
            "The maximum number of identity providers is reached",
        ),
    ]
}
