//! The table of conformance: calls, and what the last of them must answer.
//!
//! `cognito-link` includes this file in its own tests, so it uses only the public API.

use cognito_sim::{Pool, pool_file};
use serde_json::{Value, json};

/// The pool of every case.
pub(crate) const POOL: &str = "sim-local-1_Example01";

const INVALID: &str = "InvalidParameterException";
const LINK: &str = "AdminLinkProviderForUser";
const DISABLE: &str = "AdminDisableProviderForUser";
const CREATE_USER: &str = "AdminCreateUser";
const CREATE_PROVIDER: &str = "CreateIdentityProvider";

/// Calls in a row, and the answer to the last of them.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// The function of the catalogue of errors that this case is about.
    pub(crate) error: Option<&'static str>,
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
        Self { name, error: None, calls: vec![(operation, body)], refusal: None, shown: None, settings, providers: 0 }
    }

    /// Another call after those so far.
    fn then(mut self, operation: &'static str, body: Value) -> Self {
        self.calls.push((operation, body));
        self
    }

    fn refused(mut self, error: &'static str, code: &'static str, text: &str) -> Self {
        self.error = Some(error);
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

    /// Checks the answer to the last call, which came in this way.
    #[track_caller]
    pub(crate) fn check(&self, way: &str, outcome: Result<Value, (String, String)>) {
        let name = self.name;
        match (outcome, &self.refusal) {
            (Ok(summary), None) => assert_eq!(Some(&summary), self.shown.as_ref(), "{name}: {way}"),
            (Err((code, text)), Some((expected_code, expected_text))) => {
                assert_eq!(code, *expected_code, "{name}: {way}");
                assert!(text.starts_with(expected_text), "{name}: {way}: {text}");
            }
            (Ok(summary), Some(_)) => panic!("{name}: {way} answered {summary}"),
            (Err((code, text)), None) => panic!("{name}: {way} refused: {code}: {text}"),
        }
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
    cases.extend(refused_by_state());
    cases.extend(refused_by_shape());
    cases.extend(refused_unlinks());
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
        Case::new("list app clients", "ListUserPoolClients", json!({ "UserPoolId": POOL, "MaxResults": 60 }))
            .shows(json!([[APP_CLIENT, "default"]])),
        Case::new("describe an app client", "DescribeUserPoolClient", app_client(APP_CLIENT))
            .shows(json!({ "name": "default", "providers": ["COGNITO", "Google", "Okta", "Corp"], "secret": true })),
        Case::new("describe no app client", "DescribeUserPoolClient", app_client("none")).refused(
            "app_client_not_found",
            "ResourceNotFoundException",
            "User pool client none does not exist.",
        ),
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
        Case::new("read a limit", "GetProvisionedLimit", limit("API_CATEGORY", "UserUpdate"))
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
        Case::new("a token that was never given", "ListUsers", json!({ "UserPoolId": POOL, "PaginationToken": "abc" }))
            .refused("paging_marker", INVALID, "Paging marker abc is invalid for request "),
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
            "Provider Entra cannot be of type Google.",
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

/// Links that the pool's state forbids.
fn refused_by_state() -> Vec<Case> {
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
fn refused_by_shape() -> Vec<Case> {
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

/// The id of the app client of the pool.
const APP_CLIENT: &str = "6b48648622a5405fa01990912b";

fn app_client(id: &str) -> Value {
    json!({ "UserPoolId": POOL, "ClientId": id })
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

/// What of a successful answer must be the same in every way, out of the JSON of the service.
pub(crate) fn summary(operation: &str, body: &Value) -> Value {
    let items = |member: &str| body[member].as_array().unwrap().iter();
    match operation {
        "AdminGetUser" => user_summary(body, "UserAttributes"),
        "AdminCreateUser" => user_summary(&body["User"], "Attributes"),
        "ListUsers" => {
            let names: Vec<_> = items("Users").map(|user| &user["Username"]).collect();
            json!({ "usernames": names, "more": body.get("PaginationToken").is_some() })
        }
        "DescribeUserPool" | "CreateUserPool" => {
            let pool = &body["UserPool"];
            let case_sensitive = &pool["UsernameConfiguration"]["CaseSensitive"];
            json!({ "name": pool["Name"], "case_sensitive": case_sensitive, "users": pool["EstimatedNumberOfUsers"] })
        }
        "ListUserPools" => items("UserPools").map(|pool| pool["Name"].clone()).collect(),
        "ListIdentityProviders" => {
            items("Providers").map(|provider| json!([provider["ProviderName"], provider["ProviderType"]])).collect()
        }
        "ListUserPoolClients" => {
            items("UserPoolClients").map(|client| json!([client["ClientId"], client["ClientName"]])).collect()
        }
        "DescribeUserPoolClient" => {
            let client = &body["UserPoolClient"];
            let secret = client.get("ClientSecret").is_some();
            json!({ "name": client["ClientName"], "providers": client["SupportedIdentityProviders"], "secret": secret })
        }
        "DescribeIdentityProvider" | "CreateIdentityProvider" => {
            let provider = &body["IdentityProvider"];
            let secret = provider["ProviderDetails"].get("client_secret").is_some();
            json!({
                "name": provider["ProviderName"], "type": provider["ProviderType"],
                "mapping": provider["AttributeMapping"], "secret": secret,
            })
        }
        "GetProvisionedLimit" => {
            let limit = &body["Limit"];
            let category = &limit["LimitDefinition"]["Attributes"]["Category"];
            json!([category, limit["ProvisionedLimitValue"], limit["FreeLimitValue"]])
        }
        "GetServiceQuota" => body["Quota"]["Value"].clone(),
        _ => Value::Null,
    }
}

fn user_summary(user: &Value, attributes: &str) -> Value {
    let attributes = user[attributes].as_array().unwrap();
    let text = attributes.iter().find(|held| held["Name"] == "identities").and_then(|held| held["Value"].as_str());
    let identities: Value = text.map_or_else(|| json!([]), |text| serde_json::from_str(text).unwrap());
    let summary = |held: &Value| json!([held["providerName"], held["userId"], held["primary"]]);
    let identities: Value = identities.as_array().unwrap().iter().map(summary).collect();
    json!({ "username": user["Username"], "status": user["UserStatus"], "identities": identities })
}
