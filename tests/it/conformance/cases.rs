//! The cases: what is asked, and what must be answered.

mod links;

use cognito_link::service::sim::{Pool, pool_file};
use serde_json::{Value, json};

/// The pool of every case.
pub(crate) const POOL: &str = "sim-local-1_Example01";

const INVALID: &str = "InvalidParameterException";
const LINK: &str = "AdminLinkProviderForUser";
const DISABLE: &str = "AdminDisableProviderForUser";
const CREATE_USER: &str = "AdminCreateUser";
const CREATE_PROVIDER: &str = "CreateIdentityProvider";

/// Calls in a row, and what the last of them is answered.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// The constructor of the catalogue of errors that this is a case of.
    pub(crate) row: Option<&'static str>,
    pub(crate) calls: Vec<(&'static str, Value)>,
    /// Class of the error, and how its text starts; `None` for success.
    pub(crate) refusal: Option<(&'static str, String)>,
    /// What a success shows, where it shows anything.
    pub(crate) shown: Option<Value>,
    settings: &'static str,
    providers: usize,
}

impl Case {
    fn new(name: &'static str, operation: &'static str, body: Value) -> Self {
        let settings = r#""case_sensitive":true"#;
        Self { name, row: None, calls: vec![(operation, body)], refusal: None, shown: None, settings, providers: 0 }
    }

    /// Another call after those so far.
    fn then(mut self, operation: &'static str, body: Value) -> Self {
        self.calls.push((operation, body));
        self
    }

    fn refused(mut self, row: &'static str, code: &'static str, text: &str) -> Self {
        self.row = Some(row);
        self.refusal = Some((code, text.to_owned()));
        self
    }

    fn shows(mut self, shown: Value) -> Self {
        self.shown = Some(shown);
        self
    }

    /// The same on a pool with other settings.
    fn with(mut self, settings: &'static str) -> Self {
        self.settings = settings;
        self
    }

    /// The same on a pool with so many more providers.
    fn with_providers(mut self, count: usize) -> Self {
        self.providers = count;
        self
    }

    /// The pool as it is before the first call.
    pub(crate) fn pool(&self) -> Pool {
        let settings = self.settings;
        let more: Vec<_> = (0..self.providers).map(|n| format!(r#",{{"name":"P{n}","type":"OIDC"}}"#)).collect();
        let more = more.concat();
        let full: Vec<_> = (0..5).map(|n| format!(r#"{{"providerName":"Okta","userId":"full-{n}"}}"#)).collect();
        let full = full.join(",");
        let text = format!(
            r#"{{"version":1,"pool":{{"id":"{POOL}","name":"example",{settings}}},
            "providers":[{{"name":"Google","type":"Google"}},
             {{"name":"Okta","type":"OIDC","attribute_mapping":{{"email":"email"}}}},
             {{"name":"Corp","type":"SAML"}}{more}],
            "users":[{{"username":"alice","email":"alice@example.com"}},
             {{"username":"bob","identities":[{{"providerName":"Google","userId":"1001"}}]}},
             {{"username":"Google_2002","status":"EXTERNAL_PROVIDER",
               "identities":[{{"providerName":"Google","userId":"2002","primary":true}}]}},
             {{"username":"Google_4004"}},
             {{"username":"carol","alias_conflict":true}},
             {{"username":"odd","link_refusal":"A text of its own."}},
             {{"username":"full","identities":[{full}]}}]}}"#
        );
        pool_file::read(text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
    }
}

fn by(provider: &str, attribute: &str, value: &str) -> Value {
    json!({ "ProviderName": provider, "ProviderAttributeName": attribute, "ProviderAttributeValue": value })
}

fn identity(provider: &str, value: &str) -> Value {
    by(provider, "Cognito_Subject", value)
}

fn native(username: &str) -> Value {
    json!({ "ProviderName": "Cognito", "ProviderAttributeValue": username })
}

fn link(destination: &Value, source: &Value) -> Value {
    json!({ "UserPoolId": POOL, "DestinationUser": destination, "SourceUser": source })
}

fn disable(user: &Value) -> Value {
    json!({ "UserPoolId": POOL, "User": user })
}

fn user(username: &str) -> Value {
    json!({ "UserPoolId": POOL, "Username": username })
}

fn list(filter: &str) -> Value {
    json!({ "UserPoolId": POOL, "Filter": filter })
}

fn provider(name: &str, kind: &str) -> Value {
    json!({
        "UserPoolId": POOL, "ProviderName": name, "ProviderType": kind,
        "ProviderDetails": {
            "client_id": "c", "client_secret": "s", "attributes_request_method": "GET",
            "oidc_issuer": "https://example.com", "authorize_scopes": "openid",
        },
    })
}

fn with(mut body: Value, member: &str, value: Value) -> Value {
    body[member] = value;
    body
}

fn constraint(value: &str, member: &str, rule: &str) -> String {
    format!("1 validation error detected: Value {value} at '{member}' failed to satisfy constraint: {rule}")
}

/// All of them.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = successes();
    cases.extend(links::refused_by_state());
    cases.extend(links::refused_by_shape());
    cases.extend(links::refused_unlinks());
    cases.extend(refused_reads());
    cases.extend(refused_changes());
    cases
}

fn successes() -> Vec<Case> {
    let linked = |provider: &str, id: &str| json!([[provider, id, false]]);
    let shown = |username: &str, status: &str, identities: Value| json!({ "username": username, "status": status, "identities": identities });
    vec![
        Case::new("link", LINK, link(&native("alice"), &identity("Google", "1")))
            .then("AdminGetUser", user("alice"))
            .shows(shown("alice", "CONFIRMED", linked("Google", "1"))),
        Case::new("link by a mapped attribute", LINK, link(&native("alice"), &by("Okta", "email", "A@example.com")))
            .then("AdminGetUser", user("alice"))
            .shows(shown("alice", "CONFIRMED", linked("Okta", "A@example.com"))),
        Case::new("link to a federated user", LINK, link(&identity("Google", "2002"), &identity("Okta", "1")))
            .then("AdminGetUser", user("Google_2002"))
            .shows(shown("Google_2002", "EXTERNAL_PROVIDER", json!([["Google", "2002", true], ["Okta", "1", false]]))),
        Case::new("unlink", DISABLE, disable(&identity("Google", "1001")))
            .then("AdminGetUser", user("bob"))
            .shows(shown("bob", "CONFIRMED", json!([]))),
        Case::new("unlink what was just linked", LINK, link(&native("alice"), &by("Okta", "email", "a@example.com")))
            .then(DISABLE, disable(&by("Okta", "email", "a@example.com")))
            .then("AdminGetUser", user("alice"))
            .shows(shown("alice", "CONFIRMED", json!([]))),
        Case::new("user names without case", "AdminGetUser", user("ALICE"))
            .with(r#""case_sensitive":false"#)
            .shows(shown("alice", "CONFIRMED", json!([]))),
        Case::new("list by address", "ListUsers", list("email = \"ALICE@example.com\""))
            .shows(json!({ "usernames": ["alice"], "more": false })),
        Case::new("list with a limit", "ListUsers", json!({ "UserPoolId": POOL, "Limit": 2 }))
            .shows(json!({ "usernames": ["Google_2002", "Google_4004"], "more": true })),
        Case::new("describe the pool", "DescribeUserPool", json!({ "UserPoolId": POOL }))
            .shows(json!({ "name": "example", "case_sensitive": true, "users": 7 })),
        Case::new("list providers", "ListIdentityProviders", json!({ "UserPoolId": POOL, "MaxResults": 60 }))
            .shows(json!([["Google", "Google"], ["Okta", "OIDC"], ["Corp", "SAML"]])),
        Case::new("describe a provider", "DescribeIdentityProvider", json!({ "UserPoolId": POOL, "ProviderName": "Okta" }))
            .shows(json!({ "name": "Okta", "type": "OIDC", "mapping": { "email": "email", "username": "sub" }, "secret": true })),
        Case::new("make a provider", CREATE_PROVIDER, provider("Entra", "OIDC"))
            .then(LINK, link(&native("alice"), &identity("Entra", "1")))
            .then("AdminGetUser", user("alice"))
            .shows(shown("alice", "CONFIRMED", linked("Entra", "1"))),
        Case::new("make and delete a user", CREATE_USER, user("dave"))
            .then("AdminDeleteUser", user("dave"))
            .then("ListUsers", list("username = \"dave\""))
            .shows(json!({ "usernames": [], "more": false })),
        Case::new("make a user", CREATE_USER, user("dave")).shows(shown("dave", "FORCE_CHANGE_PASSWORD", json!([]))),
        Case::new("make a pool", "CreateUserPool", json!({ "PoolName": "mine" }))
            .shows(json!({ "name": "mine", "case_sensitive": true, "users": 0 })),
        Case::new("list pools", "CreateUserPool", json!({ "PoolName": "mine" }))
            .then("ListUserPools", json!({ "MaxResults": 60 }))
            .shows(json!(["example", "mine"])),
        Case::new("tell a limit", "GetProvisionedLimit", limit("API_CATEGORY", "UserUpdate"))
            .shows(json!(["UserUpdate", 25, 25])),
    ]
}

fn limit(class: &str, category: &str) -> Value {
    json!({ "LimitDefinition": { "LimitClass": class, "Attributes": { "Category": category } } })
}

fn refused_reads() -> Vec<Case> {
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

fn refused_changes() -> Vec<Case> {
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
