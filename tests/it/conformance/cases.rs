//! The cases: what is asked, and what must be answered.

mod others;

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
    cases.extend(refused_links());
    cases.extend(refused_unlinks());
    cases.extend(others::refused_reads());
    cases.extend(others::refused_changes());
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
            .shows(json!({ "name": "example", "case_sensitive": true, "users": 6 })),
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

fn refused_links() -> Vec<Case> {
    const ALREADY: &str = "SourceUser is already linked to DestinationUser";
    const NATIVE: &str = "Invalid SourceUser: Cognito users with a username/password may not be passed in as a \
                          SourceUser, only as a DestinationUser";
    const MERGING: &str =
        "Merging is not currently supported, provide a SourceUser that has not been signed up in order to link";
    let case = |name, destination: Value, source: Value| Case::new(name, LINK, link(&destination, &source));
    let long = "x".repeat(128 - "GoogleCognito_Subject".len() + 1);
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
        case("alias in the way", native("carol"), identity("Google", "1")).refused(
            "alias_exists",
            "AliasExistsException",
            "An account with the given email already exists.",
        ),
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

fn refused_unlinks() -> Vec<Case> {
    const NOT_LINKED: &str = "Account isn't linked to anyone else, verify that the account has been linked";
    let case = |name, user: Value| Case::new(name, DISABLE, disable(&user)).refused("not_linked", INVALID, NOT_LINKED);
    vec![
        case("unlink what is not linked", identity("Google", "1")),
        case("unlink with the prefix of the profile's name", identity("Google", "google_1001")),
        case("unlink by another attribute", by("Google", "email", "1001")),
        case("unlink a profile's own identity", identity("Google", "2002")),
    ]
}
