//! The operations with which another client fills a pool, and those that tell limits, as JSON.

use serde_json::{Value, json};

use super::{POOL, example};
use crate::account::Account;
use crate::account::Latency;
use crate::operation::{Category, Operation};
use crate::quota::Quota;
use crate::wire;

fn account() -> Account {
    Account::new(1).with_pool(example(true)).with_quota(Quota::off()).with_latency(Latency::off())
}

fn send(account: &mut Account, operation: &str, body: &Value) -> Value {
    let operation = Operation::by_name(operation).unwrap();
    let (pending, ticket) = account.begin(1_000, operation, wire::decode(operation, body.to_string().as_bytes()));
    account.finish(&ticket);
    let body = wire::encode(&pending.result);
    if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() }
}

fn oidc(name: &str) -> Value {
    json!({
        "UserPoolId": POOL, "ProviderName": name, "ProviderType": "OIDC",
        "ProviderDetails": {
            "client_id": "c", "client_secret": "s", "attributes_request_method": "GET",
            "oidc_issuer": "https://example.com", "authorize_scopes": "openid",
        },
        "AttributeMapping": { "email": "mail" },
    })
}

#[test]
fn a_client_can_make_and_fill_a_pool() {
    let mut account = account();
    let made = send(
        &mut account,
        "CreateUserPool",
        &json!({ "PoolName": "mine", "UsernameConfiguration": { "CaseSensitive": false } }),
    );
    let id = made["UserPool"]["Id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("sim-local-1_") && id.len() == 21, "{id}");
    assert_eq!(made["UserPool"]["SchemaAttributes"].as_array().unwrap().len(), 21);
    let pools = send(&mut account, "ListUserPools", &json!({ "MaxResults": 1 }));
    let rest = send(&mut account, "ListUserPools", &json!({ "MaxResults": 60, "NextToken": pools["NextToken"] }));
    assert_eq!(rest["UserPools"].as_array().unwrap().len(), 1);
    let mut google = oidc("Google");
    google["UserPoolId"] = id.as_str().into();
    google["ProviderType"] = "Google".into();
    assert_eq!(send(&mut account, "CreateIdentityProvider", &google)["IdentityProvider"]["ProviderName"], "Google");
    let user = json!({ "UserPoolId": id, "Username": "Carlos", "UserAttributes": [{ "Name": "email", "Value": "C@example.com" }] });
    let user = send(&mut account, "AdminCreateUser", &user);
    assert_eq!(
        (&user["User"]["Username"], &user["User"]["UserStatus"]),
        (&json!("carlos"), &json!("FORCE_CHANGE_PASSWORD"))
    );
    let link = json!({
        "UserPoolId": id,
        "DestinationUser": { "ProviderName": "Cognito", "ProviderAttributeValue": "carlos" },
        "SourceUser": { "ProviderName": "Google", "ProviderAttributeName": "Cognito_Subject", "ProviderAttributeValue": "1" },
    });
    assert_eq!(send(&mut account, "AdminLinkProviderForUser", &link), json!({}));
    let unlink = json!({ "UserPoolId": id, "User": link["SourceUser"] });
    assert_eq!(send(&mut account, "AdminDisableProviderForUser", &unlink), json!({}));
    assert_eq!(account.stats().links_removed, 1);
    assert_eq!(send(&mut account, "AdminDeleteUser", &json!({ "UserPoolId": id, "Username": "carlos" })), Value::Null);
    let gone = send(&mut account, "AdminGetUser", &json!({ "UserPoolId": id, "Username": "carlos" }));
    assert_eq!(gone["__type"], "UserNotFoundException");
}

#[test]
fn a_provider_is_described_with_its_secret() {
    let mut account = account();
    send(&mut account, "CreateIdentityProvider", &oidc("Entra"));
    let described = |account: &mut Account, name: &str| {
        send(account, "DescribeIdentityProvider", &json!({ "UserPoolId": POOL, "ProviderName": name }))
    };
    let entra = &described(&mut account, "Entra")["IdentityProvider"];
    assert_eq!(entra["ProviderDetails"]["client_secret"], "s");
    assert_eq!(entra["AttributeMapping"], json!({ "email": "mail", "username": "sub" }));
    assert_eq!((&entra["UserPoolId"], &entra["ProviderType"]), (&json!(POOL), &json!("OIDC")));
    let okta = &described(&mut account, "Okta")["IdentityProvider"];
    assert_eq!(okta["ProviderDetails"]["client_secret"], "simulated-client-secret");
    let corp = &described(&mut account, "Corp")["IdentityProvider"];
    assert!(corp["ProviderDetails"].get("client_secret").is_none() && corp["AttributeMapping"] == json!({}));
}

/// What is asked for, and the class and text with which it is refused.
type Refused = (&'static str, Value, &'static str, &'static str);

fn with(mut body: Value, member: &str, value: Value) -> Value {
    body[member] = value;
    body
}

fn refused_users() -> Vec<Refused> {
    let user =
        |name: &str, attributes: Value| json!({ "UserPoolId": POOL, "Username": name, "UserAttributes": attributes });
    vec![
        ("AdminCreateUser", user("alice", json!([])), "UsernameExistsException", "User account already exists"),
        (
            "AdminCreateUser",
            user("new", json!([{ "Name": "team", "Value": "x" }])),
            "InvalidParameterException",
            "Attributes did not conform to the schema: team: Attribute does not exist in the schema.\n",
        ),
        (
            "AdminCreateUser",
            user("new", json!([{ "Name": "identities", "Value": "[]" }])),
            "InvalidParameterException",
            "user.identities: Attribute cannot be updated.\n",
        ),
        (
            "AdminCreateUser",
            with(user("alice", json!([])), "MessageAction", json!("RESEND")),
            "UnsupportedUserStateException",
            "Resend not possible. FORCE_CHANGE_PASSWORD status not found",
        ),
        ("AdminDeleteUser", user("nobody", json!([])), "UserNotFoundException", "User does not exist."),
    ]
}

fn refused_providers() -> Vec<Refused> {
    vec![
        (
            "CreateIdentityProvider",
            oidc("Okta"),
            "DuplicateProviderException",
            "A provider with the name Okta already exists in this user pool.",
        ),
        (
            "CreateIdentityProvider",
            with(oidc("Entra"), "ProviderDetails", json!({})),
            "InvalidParameterException",
            "Missing required provider detail: client_id",
        ),
        (
            "CreateIdentityProvider",
            with(oidc("Entra"), "ProviderType", json!("Google")),
            "InvalidParameterException",
            "Provider Entra cannot be of type Google.",
        ),
        (
            "DescribeIdentityProvider",
            json!({ "UserPoolId": POOL, "ProviderName": "No" }),
            "ResourceNotFoundException",
            "Identity provider No does not exist.",
        ),
    ]
}

fn refused_limits() -> Vec<Refused> {
    vec![
        (
            "ListUserPools",
            json!({ "MaxResults": 0 }),
            "InvalidParameterException",
            "1 validation error detected: Value '0' at 'maxResults' failed to satisfy constraint: Member must have \
             value greater than or equal to 1",
        ),
        (
            "GetProvisionedLimit",
            json!({ "LimitDefinition": { "LimitClass": "API_CATEGORY", "Attributes": { "Category": "No" } } }),
            "ResourceNotFoundException",
            "The requested limit does not exist.",
        ),
        (
            "GetServiceQuota",
            json!({ "ServiceCode": "s3", "QuotaCode": "L-6621E65D" }),
            "NoSuchResourceException",
            "The request failed because the specified quota or service does not exist.",
        ),
    ]
}

#[test]
fn what_cannot_be_made_is_told() {
    let cases = [refused_users(), refused_providers(), refused_limits()].concat();
    for (operation, body, code, message) in cases {
        let answer = send(&mut account(), operation, &body);
        assert_eq!((&answer["__type"], &answer["message"]), (&json!(code), &json!(message)), "{operation} {body}");
    }
    for (name, code) in [("ab", "InvalidParameterException"), ("in_valid", "InvalidParameterException"), ("A_b", "")] {
        let answer = send(&mut account(), "CreateIdentityProvider", &oidc(name));
        assert_eq!(answer["__type"].as_str().unwrap_or_default(), code, "{name}");
    }
}

#[test]
fn limits_are_told_as_they_are_and_as_they_are_by_default() {
    let mut account = account().with_quota(Quota::documented().with_rate(Category::UserUpdate, 40.0, 40.0));
    let limit =
        json!({ "LimitDefinition": { "LimitClass": "API_CATEGORY", "Attributes": { "Category": "UserUpdate" } } });
    let limit = send(&mut account, "GetProvisionedLimit", &limit);
    assert_eq!((&limit["Limit"]["ProvisionedLimitValue"], &limit["Limit"]["FreeLimitValue"]), (&json!(40), &json!(25)));
    let quota = json!({ "ServiceCode": "cognito-idp", "QuotaCode": "L-6621E65D" });
    assert_eq!(send(&mut account, "GetServiceQuota", &quota)["Quota"]["Value"], 40.0);
    let default = send(&mut account, "GetAWSDefaultServiceQuota", &quota);
    assert_eq!((&default["Quota"]["Value"], &default["Quota"]["Adjustable"]), (&json!(25.0), &json!(false)));
}

#[test]
fn users_that_sign_in_by_address_are_named_by_their_sub() {
    let mut account = account();
    let pool = send(&mut account, "CreateUserPool", &json!({ "PoolName": "mail", "UsernameAttributes": ["email"] }));
    let id = pool["UserPool"]["Id"].clone();
    let mut create = |name: &str| send(&mut account, "AdminCreateUser", &json!({ "UserPoolId": id, "Username": name }));
    let made = create("a@example.com");
    let attribute = |name: &str| {
        let attributes = made["User"]["Attributes"].as_array().unwrap();
        attributes.iter().find(|attribute| attribute["Name"] == name).map(|attribute| attribute["Value"].clone())
    };
    assert_eq!(Some(made["User"]["Username"].clone()), attribute("sub"));
    assert_eq!(attribute("email"), Some(json!("a@example.com")));
    assert_eq!(create("A@example.com")["message"], "An account with the given email already exists.");
    assert_eq!(create("carlos")["message"], "Username should be an email.");
}
